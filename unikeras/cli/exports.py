"""The command that writes a run as a file of another program."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from unikeras.cli.options import debug_option, display, json_option
from unikeras.printing import console, print_json

FORMATS = "keras|onnx|saved-model|torch|litert"


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--format", "format_name", required=True, metavar=FORMATS, help="What to write.")
@click.option("--output", type=click.Path(path_type=Path), metavar="PATH", help="Where to. [default: RUN/exported/model.SUFFIX]")
@json_option
@debug_option
def export(run: str, format_name: str, output: Path | None, json: bool) -> None:
    """Write a finished run as a file that other programs run, and verify it.

    The file takes images as they come from the dataset, normalises them itself, and gives logits. It is loaded in its own
    runtime, in a process without the model's code, and must compute what the run computes, up to rounding; PATH.json beside it
    has the class names. Exit code 1: it does not, and is kept under a name with .bad in it.
    """
    from unikeras import export_command
    from unikeras.run import load_run

    answer = export_command.export(load_run(run), format_name, output, display(json, quiet=True))
    if json:
        return print_json(answer)
    figures = answer["verification"]
    lines = (
        f"{answer['file']}: {answer['format']}, written by {answer['written_by']}; class names in {answer['sidecar']}",
        f"verified on {figures['images']} {figures['source']}: logits up to {figures['scale']:.3g} differ by "
        f"{figures['difference']:.2e} at most; rounding explains {figures['bound']:.2e}",
    )
    for line in lines:
        console().print(line, highlight=False, soft_wrap=True, markup=False)
