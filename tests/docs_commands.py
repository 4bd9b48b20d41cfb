"""The commands in README.md and docs/: which lines are commands, whether the command line takes them, how tests run them."""

from __future__ import annotations

import dataclasses
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from docs_blocks import PAGES, Block, blocks_of, page_name

from unikeras import check_request, settings
from unikeras.cli import cli
from unikeras.settings import FIELDS

SHELLS = ("", "console", "bash", "sh")
PROGRAM = re.compile(r"(unikeras|scripts/\w+|pip|pytest|python|cd)( |$)")
SYNOPSIS = re.compile(r"[…|]|\[-|\b(RUN|NAME|IMAGE|FILE|FOLDER)\b")
INLINE = re.compile(r"(?<!`)`(unikeras [^`\n]+|--plant [^`\n]+)`(?!`)")

NATIVE = "native-torch,native-tensorflow"  # start fastest
SMALL = "random:32x32x3:10:96"
SHORTER = {  # options put after those of the page, so that they win
    "train": ("--epochs", "1", "--dataset", SMALL),
    "check": ("--quick",),
    "bench": ("--rounds", "1", "--batch-size", "8", "--model", "mlp", "--dataset", "random:8x8x3:3:64"),
}

NOT_RUN = {
    "pip install": "installs from the network",
    "scripts/test": "runs the tests, which would run this one",
    "scripts/train": "sets up .venv, which tests/test_scripts.py does; its options are parsed as those of `unikeras train`",
    "--download": "uses the network",
    " > ": "a shell writes its output into a file",
    "--check check.json": "reads what a shell has written into a file",
    "sqlite:///": "MLflow takes half a minute to make a database; tests/test_sinks.py does",
}


@dataclasses.dataclass(frozen=True)
class Command:
    """A command of a page, without its comment."""

    page: str
    text: str

    @property
    def words(self) -> list[str]:
        words = shlex.split(self.text.partition(" > ")[0])
        return ["unikeras", "train", *words[1:]] if words[0] == "scripts/train" else words

    @property
    def is_ours(self) -> bool:
        return self.words[0] == "unikeras"

    @property
    def is_synopsis(self) -> bool:
        """Whether it shows how commands look, with brackets, dots or names in capitals, and is none itself."""
        return self.is_ours and bool(SYNOPSIS.search(self.text))

    @property
    def reason_not_to_run(self) -> str | None:
        if self.is_synopsis:
            return "a synopsis"
        return next((reason for part, reason in NOT_RUN.items() if part in self.text), None)


def commands_of(block: Block) -> Iterator[Command]:
    """The commands in a block: lines after `$ `; where there are none, lines that start with a program of ours."""
    if block.language not in SHELLS:
        return
    lines = re.sub(r"\\\n\s*", "", block.text).splitlines()  # a backslash at its end continues a line
    prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    for line in prompted or [line for line in lines if PROGRAM.match(line)]:
        yield Command(block.page, re.sub(r"\s+#\s.*", "", line).strip())


def all_commands() -> list[Command]:
    """Every command of every page."""
    return [command for path in PAGES for block in blocks_of(path) for command in commands_of(block)]


def inline_commands() -> list[Command]:
    """Commands that stand in a sentence, in code style."""
    found = [(page_name(path), text) for path in PAGES for text in INLINE.findall(path.read_text(encoding="utf-8"))]
    return [Command(page, text if text.startswith("unikeras") else f"unikeras check {text}") for page, text in found]


def parse(command: Command) -> None:
    """Lets click parse a command and `settings` check its values, without running anything.

    Raises:
        click.UsageError, UnikerasError: the command line would refuse it.
    """
    current, rest = _find(command.words[1:])
    context = current.make_context(current.name, rest)
    given = {name: value for name, value in context.params.items() if name in FIELDS and value is not None}
    if command.words[1] in ("train", "resume", "evaluate"):
        settings.resolve(given, environment={})
    require_plants(command.text)


def require_plants(text: str) -> None:
    """Every fault that a command plants must be one that can be planted."""
    known = ["list", "NAME", *(plant["plant"] for plant in check_request.list_plants())]
    unknown = [name for name in re.findall(r"--plant (\S+)", text) if name not in known]
    assert not unknown, f"no such plants: {unknown}"


def _find(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words begin with, and the rest; a group, where they name no command of it."""
    current: click.Command = cli
    while isinstance(current, click.Group) and words and words[0] in current.commands:
        current, words = current.commands[words[0]], words[1:]
    assert current is not cli, f"no command: {' '.join(words)}"
    return current, words


def check_synopsis(command: Command) -> None:
    """Every option in it must be one of the command that it names, or of one in the group that it names."""
    top, _ = _find(command.text.split()[1:2])
    commands = top.commands.values() if isinstance(top, click.Group) else [top]
    known = {"--help"} | {spelling for one in commands for parameter in one.params for spelling in parameter.opts}
    unknown = [option for option in re.findall(r"(?<!\S)\[?(--?[a-z][a-z-]*)", command.text) if option not in known]
    assert not unknown, f"{command.text}: {unknown}"


def to_run(command: Command, folder: Path) -> list[str]:
    """The words with which a test runs a command: by this interpreter, and shorter by `SHORTER`, on small data."""
    words = command.words
    if not command.is_ours:
        return [sys.executable, "-m", *words]
    shorter = list(SHORTER.get(words[1], ()))
    dataset = words[words.index("--dataset") + 1] if "--dataset" in words else ""
    if "--dataset" in shorter and (dataset.startswith("random:") or (dataset and (folder / dataset).exists())):
        place = shorter.index("--dataset")
        del shorter[place : place + 2]
    if words[1] == "train" and ("all" in words or not {"--backend", "--model"} & set(words)):
        shorter += ["--backend", NATIVE if "all" in words else "native-torch"]
    if words[1] == "check" and not {"--backends", "--plant"} & set(words):
        shorter += ["--backends", NATIVE]
    return [sys.executable, "-P", "-m", *words, *shorter]
