"""The fenced blocks of README.md and docs/, as a reader sees them."""

from __future__ import annotations

import dataclasses
import html
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)(?: title=\"([^\"]*)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAIR = re.compile(r"^## [^{\n]*\{ #([\w-]+) \}\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block: its page, the language and title after the fence, and its text."""

    page: str
    language: str
    title: str
    text: str


@dataclasses.dataclass(frozen=True)
class Pair:
    """An example in both frameworks, and what the page says that each prints."""

    name: str
    programs: dict[str, str]
    printed: dict[str, str]
    same: bool


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def as_html(text: str) -> str:
    """A text as Markdown writes it into a page, without the spaces at line ends."""
    return html.escape(text, quote=False)


def blocks_of(path: Path) -> list[Block]:
    """All blocks of a page, in order."""
    return _blocks(page_name(path), path.read_text(encoding="utf-8"))


def pairs() -> Iterator[Pair]:
    """All examples of docs/compared."""
    for path in sorted((ROOT / "docs" / "compared").glob("*.md")):
        for name, section in PAIR.findall(path.read_text(encoding="utf-8")):
            yield _pair(f"{path.stem}-{name}", section)


def _blocks(page: str, text: str) -> list[Block]:
    return [Block(page, language, title, body) for language, title, body in FENCE.findall(text)]


def _pair(name: str, section: str) -> Pair:
    blocks = _blocks(name, section)
    programs = {block.title: block.text for block in blocks if block.language == "python"}
    printed = [block.text for block in blocks if block.title in ("Prints", "Both print")]
    same = blocks[-1].title == "Both print"
    return Pair(name, programs, dict(zip(programs, printed * 2 if same else printed, strict=True)), same)
