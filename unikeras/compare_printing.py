"""A comparison of runs on the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

HASH_LETTERS = 12
UNITS = {
    "train_seconds": "{:.1f} s",
    "startup_seconds": "{:.1f} s",
    "peak_memory_mb": "{:,.0f} MB",
    "images_per_second": "{:,.0f}",
}
CAVEAT = "The test is about these weights on these images. From another seed, each run could have come out differently."


def print_result(result: dict[str, Any], console: Console) -> None:
    """The runs by letter, a column each, and the words of the test."""
    for run in result["runs"]:
        console.print(Text.assemble((run["letter"], "bold"), f"  {run['run']}"), soft_wrap=True)
    console.print()
    console.print(_table(result))
    if not result["settings"]:
        console.print("The settings are the same.", highlight=False)
    if result["pairs"] is not None:
        console.print()
        for pair in result["pairs"]:
            console.print(_words(pair, result), soft_wrap=True)
        # Lines of a terminal end with a word, those of a file where the text does.
        console.print(Text(f"\n{_method(len(result['pairs']))}", style="dim"), soft_wrap=not console.is_terminal)


def _table(result: dict[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    for run in result["runs"]:
        table.add_column(run["letter"], overflow="fold")
    for part in ("settings", "circumstances", "results", "speed"):
        if result[part]:
            table.add_row(Text(part, style="bold cyan"))
        for name, values in result[part].items():
            table.add_row(f"  {_title(name)}", *(Text(_value(name, value)) for value in values))
    return table


def _title(name: str) -> str:
    return name.removesuffix("_seconds").removesuffix("_mb").replace("_", " ")


def _value(name: str, value: Any) -> str:
    if value is None:
        return "not given"
    if name.endswith("accuracy"):
        return f"{value:.2%}"
    if name.endswith(("_hash", "_commit", "_weights")):
        return str(value)[:HASH_LETTERS]
    if name in UNITS:
        return UNITS[name].format(value)
    return f"{value:.4f}" if name.endswith("_loss") else str(value)


def _words(pair: dict[str, Any], result: dict[str, Any]) -> Text:
    accuracies = dict(zip((run["letter"] for run in result["runs"]), result["results"]["test_accuracy"], strict=True))
    first, second = pair["first"], pair["second"]
    difference = f"{100 * (accuracies[first] - accuracies[second]):+.2f} points".replace("-", "−")
    verdict, style = ("more than chance", "bold green") if pair["more_than_chance"] else ("no more than chance", "yellow")
    counts = f"of {pair['images']:,} images only {first} gets {pair['only_first']:,} right, only {second} {pair['only_second']:,}"
    words = Text.assemble((f"{first} − {second}: ", "bold"), f"{difference}, ", (verdict, style), f" ({p_value(pair)})")
    return words.append(f"\n       {counts}", style="dim")


def p_value(pair: dict[str, Any]) -> str:
    """The corrected p-value, with two digits."""
    p = pair["p_corrected"]
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}" if p < 0.995 else "p = 1"


def _method(pairs: int) -> str:
    correction = f", corrected for {pairs} comparisons by Holm's method" if pairs > 1 else ""
    return f"McNemar's exact test{correction}. {CAVEAT}"
