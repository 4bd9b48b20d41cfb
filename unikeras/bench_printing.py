"""A benchmark's result on the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

STYLES = {"faster": "green", "slower": "red", "no difference": "dim"}


def print_result(result: dict[str, Any], console: Console) -> None:
    """Speeds, ratios, and what to think of them."""
    for race in result["accuracy_races"]:
        console.print(f"\n[bold]batch size {race['batch_size']}[/]", highlight=False)
        console.print(_courses(race, result["settings"]))
    for race in result["races"]:
        console.print(f"\n[bold]batch size {race['batch_size']}[/]", highlight=False)
        console.print(_speeds(race))
        if race["ratios"]:
            console.print()
            console.print(_ratios(race))
        for framework, limit in race["limits"].items():
            console.print(_limit(framework, limit), style="dim", highlight=False)
        low, high = race["noise"]["low"], race["noise"]["high"]
        console.print(f"noise: the first backend against itself, {low:.2f} to {high:.2f}", style="dim", highlight=False)
    for warning in result["warnings"]:
        console.print(Text(warning, style="yellow"), soft_wrap=True)
    console.print(Text(_environment(result), style="dim"), soft_wrap=True)


def _courses(race: dict[str, Any], settings: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for title in (f"time to {settings['to_accuracy']:.1%}", "least", "most", "epochs", "seeds that got there"):
        table.add_column(title, justify="right")
    for row in race["contestants"]:
        variant = f" ({row['variant']})" if row["variant"] else ""
        figures = [row[name] for name in ("median_seconds", "least_seconds", "most_seconds")]
        table.add_row(
            Text.assemble(row["name"], (variant, "dim")),
            *("" if seconds is None else f"{seconds:.1f} s" for seconds in figures),
            f"{row['median_epochs']:g}",
            f"{row['reached']} of {len(row['runs'])}",
        )
    return table


def _speeds(race: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("\n")
    for title in (
        "\nimages/s",
        "evaluation\nimages/s",
        "end to end\nimages/s",
        "\nimport",
        "\nbuild",
        "first\nstep",
        "peak\nmemory",
        *(["of\nlimit"] if race["limits"] else []),
    ):
        table.add_column(title, justify="right", no_wrap=True)
    for row in race["contestants"]:
        variant = f" ({row['variant']})" if row["variant"] else ""
        table.add_row(
            Text.assemble(row["name"], (variant, "dim")),
            f"{row['images_per_second']:,.0f}",
            f"{row['evaluation_images_per_second']:,.0f}",
            f"{row['end_to_end_images_per_second']:,.0f}",
            f"{row['import_seconds']:.1f} s",
            f"{row['build_seconds']:.1f} s",
            f"{row['first_step_seconds']:.1f} s",
            f"{row['peak_memory_mb']:,.0f} MB",
            *([f"{row['limit_share']:.0%}"] if race["limits"] else []),
        )
    return table


def _limit(framework: str, limit: dict[str, Any]) -> str:
    unknown = f"; not counted: {', '.join(limit['unknown'])}" if limit["unknown"] else ""
    return (
        f"limit of {framework}: {1 / limit['seconds_per_image']:,.0f} images/s, "
        f"with {limit['bandwidth_gb_per_second']:.1f} GB/s of memory{unknown}"
    )


def _ratios(race: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("speed of")
    table.add_column("against")
    table.add_column("ratio", justify="right")
    table.add_column("95% interval", justify="right")
    table.add_column("")
    for row in race["ratios"]:
        interval = f"{row['low']:.2f} to {row['high']:.2f}"
        verdict = Text(row["verdict"], style=STYLES[row["verdict"]])
        table.add_row(row["contestant"], row["rival"], f"{row['median']:.2f}", interval, verdict)
    return table


def _environment(result: dict[str, Any]) -> str:
    environment, threads = result["environment"], result["settings"]["threads"]
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items() if version)
    used = f"{threads} threads" if threads else "each framework's own choice of threads"
    return f"{environment['cpu']}, {environment['cores']} cores, {used}; {versions}; {result['date']}"
