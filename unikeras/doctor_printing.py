"""What `unikeras doctor` found, on the terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

GIB = 1 << 30
STYLES = {"works": "green", "broken": "bold red", "missing": "dim"}
LOG_LINES = 6  # of a broken backend's log; --json has all that was kept


def print_result(result: dict[str, Any], console: Console) -> None:
    """Facts, backends, and what to do."""
    console.print(_facts(result))
    console.print()
    console.print(_backends(result["backends"]))
    for trial in result["backends"]:
        if trial["state"] != "works":
            _print_trouble(trial, console)
    for problem in result["problems"]:
        # Lines of a terminal end with a word, those of a file where the text does; a command stays in one to be copied.
        console.print(Text.assemble(("\nnote: ", "yellow"), problem["text"]), soft_wrap=not console.is_terminal)
        console.print(Text(f"  {problem['cure']}"), soft_wrap=True)
    console.print(_conclusion(result), soft_wrap=True)


def _facts(result: dict[str, Any]) -> Table:
    machine, folders = result["machine"], result["folders"]
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, words in (
        ("versions", _versions(result["versions"])),
        ("system", machine["system"]),
        ("processor", _processor(machine)),
        ("memory", f"{_free(machine['memory_available'], machine['memory'])}; /dev/shm {_gib(machine['shared_memory'])}"),
        ("GPUs", ", ".join(machine["gpus"]) or "none that nvidia-smi lists"),
        ("cache", f"{folders['cache']['path']}: {_gib(folders['cache']['size'])}; {_gib(folders['cache']['free'])} free"),
        ("this folder", f"{folders['current']['path']}: {_gib(folders['current']['free'])} free"),
    ):
        table.add_row(name, Text(words))
    return table


def _versions(versions: dict[str, str | None]) -> str:
    return ", ".join(f"{name} {version or 'not installed'}" for name, version in versions.items())


def _processor(machine: dict[str, Any]) -> str:
    cores = machine["cores"]
    words = [machine["cpu"], f"{cores} core" if cores == 1 else f"{cores} cores"]
    if machine["usable_cores"] != machine["cores"]:
        words.append(f"{machine['usable_cores']} of them usable")
    if machine["cpu_quota"] is not None:
        words.append(f"a quota of {machine['cpu_quota']:g}")
    return ", ".join([*words, f"load {machine['load']:g}"])


def _free(available: int | None, total: int | None) -> str:
    return f"{_gib(total)}" if available is None else f"{_gib(available)} free of {_gib(total)}"


def _gib(size: int | None) -> str:
    if size is None:
        return "unknown"
    return f"{size / GIB:.1f} GiB" if size >= GIB / 10 else f"{size / (1 << 20):.1f} MiB"


def _backends(trials: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("backend", "state", "device"):
        table.add_column(title, no_wrap=True)
    for title in ("import", "build", "ten steps"):
        table.add_column(title, justify="right", no_wrap=True)
    for trial in trials:
        seconds = [trial["seconds"].get(stage) for stage in ("import", "build", "steps")]
        figures = ["–" if value is None else f"{value:.1f} s" for value in seconds]  # noqa: RUF001 - a dash for nothing
        state = Text(trial["state"], style=STYLES[trial["state"]])
        table.add_row(trial["backend"], state, trial["device"] or "", *figures)
    return table


def _print_trouble(trial: dict[str, Any], console: Console) -> None:
    where = f" at its {trial['failed_at']}" if trial["failed_at"] else ""
    error = Text.assemble((f"\n{trial['backend']} ", "bold"), f"is {trial['state']}{where}: {trial['error']}")
    console.print(error, soft_wrap=True)
    for line in trial["log"].splitlines()[-LOG_LINES:]:
        console.print(Text(f"  | {line}", style="dim"), soft_wrap=True)
    console.print(Text(f"  {trial['cure']}"), soft_wrap=True)


def _conclusion(result: dict[str, Any]) -> Text:
    broken = [trial["backend"] for trial in result["backends"] if trial["state"] == "broken"]
    if broken:
        return Text(f"\nBroken: {', '.join(broken)}.", style="bold red")
    if not result["healthy"]:
        return Text("\nNo backend is installed.", style="bold red")
    if result["problems"]:
        count = len(result["problems"])
        return Text(f"\nEvery installed backend works; {count} {'note' if count == 1 else 'notes'} above.", style="green")
    return Text("\nEvery installed backend works, and nothing known to go wrong was found.", style="green")
