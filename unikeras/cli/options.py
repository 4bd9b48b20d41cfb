"""Options that commands share. Those of settings come from `settings.FIELDS`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

from unikeras import sinks
from unikeras.settings import FIELDS, as_option, choices, value_type

if TYPE_CHECKING:
    from unikeras.progress import Display

Command = TypeVar("Command", bound=Callable[..., Any])

PLACES = ("data_dir", "cache_dir")


def setting_option(name: str) -> Callable[[Command], Command]:
    """The option of a setting. Values stay text: `settings.resolve` checks them, wherever they come from."""
    field = FIELDS[name]
    metavar = "|".join(choices(name)) or {int: "N", float: "F", str: "TEXT", Path: "PATH"}[value_type(name)]
    default = "" if field.default is None else f" [default: {field.default}]"
    decorator: Callable[[Command], Command] = click.option(
        as_option(name), name, default=None, metavar=metavar, panel=field.metadata["group"], help=field.metadata["help"] + default
    )
    return decorator


def options_of(*names: str) -> Callable[[Command], Command]:
    """The options of several settings, in this order in the help."""

    def decorate(command: Command) -> Command:
        for name in reversed(names):
            command = setting_option(name)(command)
        return command

    return decorate


def sink_options(command: Command) -> Command:
    """The options of all sinks."""
    for name, kind in reversed(sinks.KINDS.items()):
        is_flag = kind.metavar is None
        decorate = click.option(as_option(name), name, is_flag=is_flag, metavar=kind.metavar, panel="Tracking", help=kind.help)
        command = decorate(command)
    return command


config_option = click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="YAML file of settings, as in a run's config.yaml."
)
json_option = click.option("--json", is_flag=True, help="Print one JSON object on standard output, and nothing else there.")
quiet_option = click.option("--quiet", is_flag=True, help="Show no progress.")


def set_debug(_context: Any, _parameter: Any, value: bool) -> None:
    """Remembered outside of click, for errors are printed after it has returned."""
    global debug
    debug = debug or value


debug = bool(os.environ.get("UNIKERAS_DEBUG"))
debug_option = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=set_debug,
    help="Show the traceback of an error. [env: UNIKERAS_DEBUG]",
)


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that are on the command line."""
    return {name: value for name, value in options.items() if value is not None}


def display(json: bool, quiet: bool) -> Display:
    """What shows progress."""
    from unikeras import progress

    return progress.make_display(quiet, json)
