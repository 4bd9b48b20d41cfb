"""What a shell completes: commands and options by click, and the values of each parameter that is known here by its name."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path

import rich_click as click
from click.shell_completion import CompletionItem, get_completion_class

from unikeras.cli.options import debug_option
from unikeras.settings import FIELDS, choices

SHELLS = ("bash", "zsh", "fish")
FOLDER, FILE = "dir", "file"  # what the shell completes itself, where nothing known here fits


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), metavar="|".join(SHELLS))
@debug_option
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print a script that lets a shell complete commands, options, and names of backends, models, datasets and runs.

    \b
    bash, in ~/.bashrc:                 eval "$(unikeras completion bash)"
    zsh, in ~/.zshrc after compinit:    eval "$(unikeras completion zsh)"
    fish, once:
        unikeras completion fish > ~/.config/fish/completions/unikeras.fish

    Then start a new shell.
    """  # noqa: D301 - the backspace itself is what tells click to leave the lines as they are
    kind = get_completion_class(shell)
    assert kind is not None, "click knows the three"
    click.echo(kind(context.find_root().command, {}, "unikeras", "_UNIKERAS_COMPLETE").source())


def _backends(_incomplete: str) -> Iterable[str]:
    from unikeras.backends import BACKENDS

    return [*BACKENDS, "all"]


def _models(_incomplete: str) -> Iterable[str]:
    from unikeras.model_files import bundled_names

    return bundled_names()


def _datasets(_incomplete: str) -> Iterable[str]:
    from unikeras.data.locate import list_datasets
    from unikeras.settings import resolve

    places = resolve({})
    return [row["name"] for row in list_datasets(places.data_dir, places.cache_dir)]


def _runs(incomplete: str) -> Iterable[str]:
    """Runs in runs/, or in the folder that is typed."""
    from unikeras.run import CONFIG

    place = Path(incomplete if incomplete.endswith("/") else Path(incomplete).parent) if "/" in incomplete else Path("runs")
    configs = [*place.expanduser().glob(f"*/{CONFIG}"), *place.expanduser().glob(f"*/*/{CONFIG}")]
    return sorted(str(config.parent) for config in configs)


Values = Callable[[str], Iterable[str]]

# By parameter name: the values, and what the shell is to complete where none of them fits.
KNOWN: dict[str, tuple[Values, str | None]] = {
    "backend": (_backends, None),
    "backends": (_backends, None),
    "model": (_models, FILE),
    "dataset": (_datasets, FILE),
    "name": (_datasets, FILE),  # of `unikeras data`
    "run": (_runs, FOLDER),
    "runs": (_runs, FOLDER),
    "images": (lambda _: (), FILE),
    "output": (lambda _: (), FOLDER),
    "data_dir": (lambda _: (), FOLDER),
    "cache_dir": (lambda _: (), FOLDER),
    **{name: (functools.partial(lambda name, _: choices(name), name), None) for name in FIELDS if choices(name)},
}
LISTS = ("backend", "backends")  # values with commas between


def attach(group: click.Group) -> None:
    """Lets each parameter of a group's commands complete what is known by its name."""
    for command in group.commands.values():
        if isinstance(command, click.Group):
            attach(command)
        for parameter in command.params:
            if parameter.name in KNOWN:
                parameter.shell_complete = functools.partial(_complete, parameter.name)  # type: ignore[method-assign]


def _complete(name: str, _context: click.Context, incomplete: str) -> list[CompletionItem]:
    values, otherwise = KNOWN[name]
    before, comma, typed = incomplete.rpartition(",") if name in LISTS else ("", "", incomplete)
    fitting = [before + comma + value for value in values(typed) if value.startswith(typed)]
    if fitting or otherwise is None:
        return [CompletionItem(value) for value in fitting]
    return [CompletionItem(incomplete, type=otherwise)]
