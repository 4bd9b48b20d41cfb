"""Commands about datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from unikeras.cli.groups import Group
from unikeras.cli.options import PLACES, debug_option, display, given, json_option, options_of
from unikeras.printing import console, print_facts, print_json, print_table
from unikeras.settings import resolve

if TYPE_CHECKING:
    from unikeras.data.locate import Request


@click.group(cls=Group)
def data() -> None:
    """Datasets: what there is, and preparing them."""


@data.command("list")
@options_of(*PLACES)
@json_option
@debug_option
def data_list(json: bool, **options: str | None) -> None:
    """Datasets that can be used by name, and where they are."""
    from unikeras.data import locate

    places = resolve(given(options))
    rows = locate.list_datasets(places.data_dir, places.cache_dir)
    if json:
        return print_json({"datasets": rows})
    print_table(rows)
    console().print(
        "\nAlso: any TFDS image-classification dataset by its name, a folder with a subfolder per class, an .npz file with "
        "x_train, y_train, x_test, y_test, and random:SHAPE:CLASSES:COUNT.",
        style="dim",
        highlight=False,
    )


@data.command("info")
@click.argument("name")
@options_of("image_size", *PLACES)
@json_option
@debug_option
def data_info(name: str, json: bool, **options: str | None) -> None:
    """Shape, classes, counts and hash of a dataset; prepares it if need be, and compares its files with their hashes."""
    from unikeras import commands

    facts = commands.inspect(_request(name, options), display(json, quiet=False))
    return print_json(facts) if json else print_facts(facts)


@data.command("prepare")
@click.argument("name")
@click.option("--download", is_flag=True, help="Fetch it through TFDS first: the only command that uses the network.")
@options_of("image_size", *PLACES)
@json_option
@debug_option
def data_prepare(name: str, download: bool, json: bool, **options: str | None) -> None:
    """Make the arrays of a dataset once; training does it too, when they are not there."""
    from unikeras import commands

    folder = commands.prepare(_request(name, options), display(json, quiet=False), download)
    if json:
        return print_json({"dataset": name, "folder": str(folder)})
    console().print(f"{name} is prepared in {folder}", highlight=False, soft_wrap=True)


def _request(name: str, options: dict[str, Any]) -> Request:
    from unikeras import commands

    return commands.request_of(resolve({**given(options), "dataset": name}))
