"""What shells complete: commands, options, closed choices, and names that are known, in a real shell where it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import python, unikeras

from unikeras.backends import BACKENDS
from unikeras.model_files import bundled_names
from unikeras.settings import FIELDS, choices


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with two runs, and `unikeras` as a command on the path."""
    command = tmp_path / "bin" / "unikeras"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable} -P\nfrom unikeras.cli import main\nmain()\n")
    command.chmod(0o755)
    for name in ("runs/first", "runs/both/torch", "elsewhere/third"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.yaml").write_text("")
    return tmp_path


def run_shell(shell: str, script: str, place: Path) -> str:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    env = {**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run([shell, "-c", script], capture_output=True, text=True, cwd=place, env=env, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def in_bash(place: Path, *words: str) -> list[str]:
    """What bash gets to offer when Tab is pressed after these words."""
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"""
eval "$(unikeras completion bash)"
COMP_WORDS=(unikeras {quoted}); COMP_CWORD={len(words)}
"$(complete -p unikeras | sed 's/.*-F \\([^ ]*\\) .*/\\1/')" unikeras
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    return run_shell("bash", script, place).split()


def test_bash_completes_commands_and_options(place: Path) -> None:
    assert in_bash(place, "tr") == ["train"]
    assert in_bash(place, "models", "su") == ["summary"]
    assert in_bash(place, "train", "--early") == ["--early-stopping"]


def test_bash_completes_values(place: Path) -> None:
    assert in_bash(place, "train", "--optimizer", "") == list(choices("optimizer"))
    assert in_bash(place, "train", "--backend", "torch,native-t") == ["torch,native-tensorflow", "torch,native-torch"]
    assert in_bash(place, "train", "--model", "") == bundled_names()
    assert "digits" in in_bash(place, "train", "--dataset", "")


def test_bash_completes_runs(place: Path) -> None:
    assert in_bash(place, "resume", "") == ["runs/both/torch", "runs/first"]
    assert in_bash(place, "evaluate", "elsewhere/t") == ["elsewhere/third"]


@pytest.mark.parametrize("name", [name for name in FIELDS if choices(name)])
def test_every_closed_choice_is_completed(name: str) -> None:
    words = f"unikeras train --{name.replace('_', '-')} "
    answer = python(
        "import os, sys\nfrom unikeras.cli import cli\n"
        f"os.environ |= {{'_UNIKERAS_COMPLETE': 'bash_complete', 'COMP_WORDS': {words!r}, 'COMP_CWORD': '3'}}\n"
        "cli(prog_name='unikeras')"
    )
    assert answer.out.split() == [f"plain,{value}" for value in choices(name)], answer


def test_zsh_completes_commands(place: Path) -> None:
    """The function is called as zsh would at Tab; what it gives to zsh's own `_describe` is printed."""
    script = """
autoload -U compinit; compinit -u -D
eval "$(unikeras completion zsh)"
_describe() { print -l $completions $completions_with_descriptions }
words=(unikeras tr); CURRENT=2; _unikeras_completion
"""
    assert run_shell("zsh", script, place).startswith("train:Train a model")


def test_fish_completes_commands(place: Path) -> None:
    found = run_shell("fish", "unikeras completion fish | source; complete --do-complete 'unikeras tr'", place)
    assert found.split()[0] == "train"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_for_its_shell(shell: str) -> None:
    answer = unikeras("completion", shell)
    assert answer.code == 0, answer
    assert f"_UNIKERAS_COMPLETE={shell}_complete" in answer.out


def test_help_says_how_to_install_it() -> None:
    text = unikeras("completion", "--help").out
    for words in ('eval "$(unikeras completion bash)"', "~/.bashrc", "~/.zshrc", "completion fish > ~/.config/fish/completions/"):
        assert words in text


def test_an_unknown_command_on_the_line_is_no_error(place: Path) -> None:
    assert "train" in in_bash(place, "nonsense", "")


def test_completing_imports_nothing_heavy() -> None:
    """It runs at every press of a key."""
    answer = python(
        "import os, sys\nfrom unikeras.cli import cli\n"
        "os.environ |= {'_UNIKERAS_COMPLETE': 'bash_complete', 'COMP_WORDS': 'unikeras train --backend ', 'COMP_CWORD': '3'}\n"
        "try:\n    cli(prog_name='unikeras')\nexcept SystemExit:\n    pass\n"
        "print({'numpy', 'pydantic', 'keras', 'torch', 'tensorflow', 'mlflow', 'tensorboardX'} & set(sys.modules))"
    )
    assert answer.out.splitlines() == [*(f"plain,{name}" for name in [*BACKENDS, "all"]), "set()"], answer
