"""Commands about models."""

from __future__ import annotations

import rich_click as click

from unikeras.cli.groups import Group
from unikeras.cli.options import debug_option, display, json_option
from unikeras.errors import SettingsError
from unikeras.printing import console, print_json, print_table


@click.group(cls=Group)
def models() -> None:
    """Bundled models, and what a model file builds."""


@models.command("list")
@json_option
@debug_option
def models_list(json: bool) -> None:
    """Models that come with unikeras, each in three implementations."""
    from unikeras import model_files

    names = model_files.bundled_names()
    rows = [{"model": name, "description": model_files.describe(model_files.locate(name))} for name in names]
    return print_json({"models": rows}) if json else print_table(rows)


@models.command("summary")
@click.argument("model", metavar="NAME|FILE.py")
@click.option("--input-shape", default="32x32x3", show_default=True, help="Shape of one input, as 32x32x3 or 32.")
@click.option("--classes", type=click.IntRange(min=2), default=10, show_default=True, help="Number of classes.")
@json_option
@debug_option
def models_summary(model: str, input_shape: str, classes: int, json: bool) -> None:
    """Layers, output shapes and parameters of a model."""
    from unikeras import commands

    parts = input_shape.split("x")
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise SettingsError(f"--input-shape can't be {input_shape!r}.", cure="Write sizes with x between: 32x32x3.")
    summary = commands.summarize(model, tuple(map(int, parts)), classes, display(json, quiet=True))
    if json:
        return print_json(summary)
    rows = [{**layer, "output_shape": _shape(layer["output_shape"])} for layer in summary["layers"]]
    print_table(rows)
    total, trainable = summary["parameters"], summary["trainable_parameters"]
    console().print(f"\n{total:,} parameters, {trainable:,} of them trainable", highlight=False)


def _shape(sizes: list[int | None] | None) -> str:
    return "" if sizes is None else "×".join("B" if size is None else str(size) for size in sizes)
