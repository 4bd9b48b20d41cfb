"""MkDocs hooks: a line `<!-- generated: NAME -->` of a page becomes a reference that is made from the code itself.

Nothing generated is committed, so that none can be out of date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import command_line
import python_api
import settings_table

GENERATORS = {
    "settings": settings_table.render,
    "command-line": command_line.render,
    "python-api": python_api.render,
}
MARK = re.compile(r"^<!-- generated: (\S+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Puts the references into the pages that ask for them."""
    return MARK.sub(lambda mark: GENERATORS[mark[1]](), markdown)
