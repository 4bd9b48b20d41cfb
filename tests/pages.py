"""What tests of HTML reports use: a parser that sees what a person sees, names that must stay text, and a browser."""

from __future__ import annotations

import collections
import html.parser
import shutil

CHROMIUM = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
HOSTILE = [
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(2)</script>",
    "{{ 7 * 7 }}'<b>",
    "</textarea><svg onload=alert(3)>",
]


class Page(html.parser.HTMLParser):
    """What a browser would make of it: tags, attributes, the text that a person sees, and the cells of marked tables."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: collections.Counter[str] = collections.Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.ids: list[str] = []
        self.scripts: list[str] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._in, self._texts, self._rows = "", list[str](), list[list[str]]()
        self.feed(text)
        self.text = " ".join("".join(self._texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in = tag
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag == "table":
            self._rows = []
            self.tables |= {f"{name} {value}": self._rows for name, value in attrs if name.startswith("data-")}
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th") and self._rows:
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._in = ""
        if tag == "table":
            self._rows = []

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.scripts.append(data)
        elif self._in != "style":
            self._texts.append(data)
            if self._rows and self._rows[-1]:
                self._rows[-1][-1] += data.strip()
