"""README.md and docs/: pages are built with warnings as errors, and what they show is what happens.

- The examples of docs/compared are run, each in a process of its own; they print what the page says, and where it says that both
  frameworks print the same, both do.
- Every command is parsed by the command line, so that no option can be wrong; in a synopsis, each option must exist.
- Commands and Python blocks are run, page by page and in order, in a folder that holds the files which the README shows, a model
  `my_model.py`, a folder `photos/` and a file `big.npz`. A Python block whose first line is a file's name in a comment is written
  there; all others are run. So that it doesn't take hours, `docs_commands.SHORTER` is put after a command: one epoch, a small
  random dataset in the place of a named one, a quick check, a race of one round; native backends, which start fastest, where a
  training or a check names none or all. What is not run stands with its reason in `docs_commands.NOT_RUN`.
- Pages in QUICK are run by default, the others with `scripts/test tests/test_docs.py -m long`.
"""

from __future__ import annotations

import html.parser
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import docs_blocks
import docs_commands
import numpy as np
import pytest
from docs_blocks import PAGES, ROOT, Block, Pair
from docs_commands import Command
from pages import CHROMIUM
from PIL import Image

import unikeras
from unikeras.backends import BACKENDS
from unikeras.launcher import child_environment
from unikeras.settings import FIELDS, allowed

FRAMEWORKS = {"TensorFlow": ("tensorflow", "keras"), "PyTorch": ("torch",)}
PAIRS = list(docs_blocks.pairs())
QUICK = ("docs/own_data.md",)
NAMED = re.compile(r"# (\S+\.py)\n")
REMOTE = re.compile(r"^(https?:)?//")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    finished = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert finished.returncode == 0, finished.stderr
    return folder


def test_pages_are_built_without_warnings_and_load_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > len(list((ROOT / "docs").rglob("*.md")))  # and 404.html
    for page in pages:
        requests = _Requests()
        requests.feed(page.read_text(encoding="utf-8"))
        assert requests.local, f"{page} has no style: nothing was compared"
        assert not requests.remote, f"{page}: {requests.remote}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
def test_pages_on_a_disk_can_be_searched(site: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    complaints: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto((site / "compared" / "index.html").as_uri())
        page.locator("input.md-search__input").press_sequentially("BackupAndRestore")
        found = page.locator(".md-search-result__link[href*='resume.html']").first
        found.wait_for(state="attached")
        assert "Checkpoints and resuming" in found.inner_text()
        browser.close()
    assert complaints == []


class _Requests(html.parser.HTMLParser):
    """What a browser fetches by itself to show a page."""

    def __init__(self) -> None:
        super().__init__()
        self.local: list[str] = []
        self.remote: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        names = {"link": "href", "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
        target = given.get(names.get(tag, "")) or ""
        if target and given.get("rel") not in ("canonical", "next", "prev"):
            (self.remote if REMOTE.match(target) else self.local).append(target)


def test_the_settings_page_lists_every_setting(site: Path) -> None:
    text = (site / "reference" / "settings.html").read_text(encoding="utf-8")
    for name, field in FIELDS.items():
        assert f'id="{name}"' in text and docs_blocks.as_html(field.metadata["help"]) in text
        assert docs_blocks.as_html(allowed(name)) in text


def test_the_reference_has_every_command_and_every_public_name(site: Path) -> None:
    commands = (site / "reference" / "command_line.html").read_text(encoding="utf-8")
    assert all(f"unikeras {name}" in commands for name in ("train", "check", "data prepare", "models summary"))
    python = (site / "reference" / "python_api.html").read_text(encoding="utf-8")
    assert all(name in python for name in unikeras.__all__)


@pytest.mark.parametrize("name", unikeras.__all__)
def test_public_names_say_what_they_take_return_and_raise(name: str) -> None:
    thing = getattr(unikeras, name)
    documentation = inspect.getdoc(thing) or ""
    assert documentation
    if inspect.isfunction(thing):
        parameters = [one for one in inspect.signature(thing).parameters if name != "train" or one not in FIELDS]
        assert not [one for one in parameters if not re.search(rf"^ +\**{one}: ", documentation, re.MULTILINE)]
        assert "Returns:" in documentation and "Raises:" in documentation
    elif not issubclass(thing, Exception):
        members = [member for key, member in vars(thing).items() if not key.startswith("_")]
        functions = [one for one in members if inspect.isfunction(one) or isinstance(one, property)]
        assert not [one for one in functions if not one.__doc__]


@pytest.fixture(scope="session")
def printed() -> dict[tuple[str, str], tuple[int, str, str]]:
    """Exit status, output and errors of every example, by its name and framework, on a CPU."""
    answers = {}
    for framework, modules in FRAMEWORKS.items():
        command = [sys.executable, str(ROOT / "tests" / "docs_examples.py"), *modules]
        programs = json.dumps([pair.programs[framework] for pair in PAIRS])
        env = {**child_environment(BACKENDS[modules[0]], threads=1), "CUDA_VISIBLE_DEVICES": ""}
        finished = subprocess.run(command, input=programs, capture_output=True, text=True, env=env, timeout=600, check=False)
        assert finished.returncode == 0, finished.stderr[-3000:]
        results = json.loads(finished.stdout.splitlines()[-1])
        answers.update({(pair.name, framework): tuple(result) for pair, result in zip(PAIRS, results, strict=True)})
    return answers


def test_there_are_pairs_of_examples_in_both_frameworks() -> None:
    assert len(PAIRS) >= 20
    assert all(set(pair.programs) == set(FRAMEWORKS) for pair in PAIRS)
    assert any(pair.same for pair in PAIRS) and not all(pair.same for pair in PAIRS)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_examples_print_what_the_page_says(pair: Pair, printed: dict[tuple[str, str], tuple[int, str, str]]) -> None:
    answers = {framework: printed[pair.name, framework] for framework in FRAMEWORKS}
    assert all(status == 0 for status, _, _ in answers.values()), answers
    outputs = {framework: output for framework, (_, output, _) in answers.items()}
    assert outputs == pair.printed
    assert all(outputs.values())
    assert pair.same == (len(set(outputs.values())) == 1)


@pytest.mark.filterwarnings("ignore:.*will be deprecated in a future version of rich-click:PendingDeprecationWarning")
@pytest.mark.parametrize("command", docs_commands.all_commands(), ids=lambda command: f"{command.page}: {command.text}")
def test_the_command_line_takes_every_command(command: Command) -> None:
    if command.is_synopsis:
        docs_commands.check_synopsis(command)
    elif command.is_ours:
        docs_commands.parse(command)
    else:
        assert command.words[0] in ("pip", "pytest", "python", "cd", "scripts/test")


def test_commands_in_sentences_exist() -> None:
    commands = docs_commands.inline_commands()
    assert commands
    for command in commands:
        docs_commands.check_synopsis(command)
        docs_commands.require_plants(command.text)


def test_every_reason_not_to_run_a_command_is_needed() -> None:
    commands = docs_commands.all_commands()
    assert all(any(part in command.text for command in commands) for part in docs_commands.NOT_RUN)


def _walks() -> list[object]:
    """Every page that has something to run; those outside of QUICK are long."""
    pages = [docs_blocks.page_name(path) for path in PAGES if path.parent.name != "compared" or path.stem == "index"]
    return [pytest.param(page, marks=() if page in QUICK else pytest.mark.long, id=page) for page in pages if _runnable(page)]


def _runnable(page: str) -> list[Block | Command]:
    steps: list[Block | Command] = []
    for block in docs_blocks.blocks_of(ROOT / page):
        if block.language == "python":
            steps.append(block)
        steps += [command for command in docs_commands.commands_of(block) if command.reason_not_to_run is None]
    return steps


@pytest.mark.parametrize("page", _walks())
def test_what_a_page_shows_can_be_done(page: str, tmp_path: Path) -> None:
    _lay_out(tmp_path)
    folder = tmp_path
    for step in _runnable(page):
        if isinstance(step, Command) and step.words[0] == "cd":
            folder /= step.words[1]
        elif isinstance(step, Command):
            finished = _run(docs_commands.to_run(step, folder), folder)
            expected = 1 if "--plant" in step.text and "--plant list" not in step.text else 0
            assert finished.returncode == expected, f"{step.text}\n{finished.stdout}\n{finished.stderr}"
        elif not _write_if_named(step, folder):
            finished = _run([sys.executable, "-c", step.text], folder)
            assert finished.returncode == 0, f"{step.text}\n{finished.stderr}"


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=dict(os.environ), timeout=900, check=False)


def _write_if_named(block: Block, folder: Path) -> bool:
    name = NAMED.match(block.text)
    if name:
        (folder / name[1]).write_text(block.text, encoding="utf-8")
    return name is not None


def _lay_out(folder: Path) -> None:
    """The files that pages take for granted."""
    for block in docs_blocks.blocks_of(ROOT / "README.md"):
        if block.language == "python":
            _write_if_named(block, folder)
    shutil.copy(folder / "flowers.py", folder / "my_model.py")
    random = np.random.default_rng(0)
    for name in ("daisy", "rose"):
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(40):
            pixels = random.integers(0, 256, (32, 32, 3), np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{number}.png")
    Image.fromarray(random.integers(0, 256, (40, 30, 3), np.uint8)).save(folder / "photo.png")
    x, y = random.random((60, 8, 8, 3), np.float32), np.arange(60) % 3
    np.savez(folder / "big.npz", x_train=x, y_train=y, x_test=x, y_test=y)
