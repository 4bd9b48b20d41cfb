"""How a training's cost grows: with the batch, the width of the model, the number of images, and the threads.

    python benchmarks/scaling.py batch   [--values 1,4,16,64,256,1024] [--threads 1,2] [--chart FILE.html]
    python benchmarks/scaling.py width   [--values 1,2,4] [--threads 2] [--chart FILE.html]
    python benchmarks/scaling.py dataset [--values 1000,10000,100000,1000000] [--threads 2]

Batch and width race without rivals by `unikeras bench` (images of 32×32×3); a width is `cnn` with as many times the channels and
units. The dataset is trained on for an epoch by `unikeras train`, with `mlp`, which leaves little but the way of the data; its
memory should stay as it is. Each backend's step is fitted as a + b·batch by least squares of the relative error. Prints a line
for every number of threads and backend, then everything as JSON; the chart is an HTML page of plotly's.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from unikeras import models

Row = dict[str, Any]
VALUES = {"batch": "1,4,16,64,256,1024", "width": "1,2,4", "dataset": "1000,10000,100000,1000000"}
AXES = {"batch": "images in a step", "width": "width of the model", "dataset": "training images"}


def main() -> int:
    options = _parse()
    values = [int(value) for value in (options.values or VALUES[options.what]).split(",")]
    rows: list[Row] = []
    for threads in map(int, options.threads.split(",")):
        for backend, figures in MEASURES[options.what](values, threads, options.rounds).items():
            rows.append(figures | {"threads": threads, "backend": backend})
            print(_words(rows[-1]), flush=True)
    print(json.dumps(rows, indent=2))
    if options.chart:
        _draw(rows, AXES[options.what], options.chart)
    return 0


def by_batch(values: list[int], threads: int, rounds: int) -> dict[str, Row]:
    """Images a second, and the parts of the step."""
    races = _bench("cnn", ",".join(map(str, values)), threads, rounds)["races"]
    return {name: _fitted({race["batch_size"]: _speeds(race)[name] for race in races}) for name in _speeds(races[0])}


def by_width(values: list[int], threads: int, rounds: int) -> dict[str, Row]:
    """Images a second at batch 64."""
    found: dict[str, Row] = {}
    for width in values:
        with tempfile.TemporaryDirectory() as folder:
            (race,) = _bench(str(_wider(width, Path(folder))), "64", threads, rounds)["races"]
        for name, speed in _speeds(race).items():
            found.setdefault(name, {"images_per_second": {}})["images_per_second"][width] = speed
    return found


def by_dataset(values: list[int], threads: int, rounds: int) -> dict[str, Row]:
    """Images a second and peak memory of an epoch of so many images, at batch 64."""
    found: dict[str, Row] = {}
    for count in values:
        with tempfile.TemporaryDirectory() as folder:
            data = ("--dataset", f"random:32x32x3:10:{count}", "--model", "mlp", "--epochs", "1", "--batch-size", "64")
            command = ("train", "--backend", "all", *data, "--threads", str(threads), "--output", f"{folder}/runs")
            for run in _run(*command)["runs"]:
                row = found.setdefault(run["backend"], {"images_per_second": {}, "peak_memory_mb": {}})
                for name, figures in row.items():
                    figures[count] = run[name]
    return found


MEASURES: dict[str, Callable[[list[int], int, int], dict[str, Row]]] = {
    "batch": by_batch,
    "width": by_width,
    "dataset": by_dataset,
}


def fit(speeds: dict[int, float]) -> tuple[float, float]:
    """Seconds of a step that don't depend on its batch, and seconds of each image: least squares of (a + b·n − t) ÷ t."""
    sizes = np.array(list(speeds), float)
    seconds = sizes / np.array(list(speeds.values()))
    columns = np.stack([np.ones_like(sizes), sizes], axis=1) / seconds[:, None]
    (fixed, each), *_ = np.linalg.lstsq(columns, np.ones_like(sizes), rcond=None)
    return float(fixed), float(each)


def _fitted(speeds: dict[int, float]) -> Row:
    fixed, each = fit(speeds)
    return {"images_per_second": speeds, "a_ms": fixed * 1e3, "b_ms": each * 1e3}


def _speeds(race: dict[str, Any]) -> dict[str, float]:
    """By backend, without the second of the first one."""
    return {row["name"]: row["images_per_second"] for row in race["contestants"][:-1]}


def _wider(width: int, folder: Path) -> Path:
    """`cnn` in its three implementations, whose every 32 and 64 is a number of channels or units."""
    for path in Path(models.__file__).parent.glob("cnn*.py"):
        text = re.sub(r"\b(32|64)\b", lambda found: str(int(found[0]) * width), path.read_text(encoding="utf-8"))
        (folder / path.name).write_text(text, encoding="utf-8")
    return folder / "cnn.py"


def _bench(model: str, batch_sizes: str, threads: int, rounds: int) -> dict[str, Any]:
    options = ("--batch-size", batch_sizes, "--rounds", str(rounds), "--threads", str(threads))
    return _run("bench", "--against", "none", "--model", model, *options)


def _run(*command: str) -> dict[str, Any]:
    words = [sys.executable, "-m", "unikeras", *command, "--json", "--quiet"]
    finished = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(finished.stdout)
    return result


def _words(row: Row) -> str:
    line = f"{_threads(row)}, {row['backend']}:"
    if "a_ms" in row:
        line += f" step = {row['a_ms']:.2f} ms + {row['b_ms']:.3f} ms · batch;"
    for name, unit in (("images_per_second", "images/s"), ("peak_memory_mb", "MB")):
        if name in row:
            line += f"  {unit} " + "  ".join(f"{value:,}: {figure:,.0f}" for value, figure in row[name].items())
    return line


def _draw(rows: list[Row], axis: str, path: Path) -> None:
    import plotly.graph_objects as go

    margin = {"l": 80, "r": 20, "t": 20, "b": 60}
    figure = go.Figure(layout={"template": "plotly_white", "width": 900, "height": 480, "margin": margin})
    colors = ("#1f6fc0", "#c24a00", "#11693a", "#8a2fc4")
    names = list(dict.fromkeys(row["backend"] for row in rows))
    for row in rows:
        values, color = list(row["images_per_second"]), colors[names.index(row["backend"]) % len(colors)]
        measured, label = list(row["images_per_second"].values()), f"{row['backend']}, {_threads(row)}"
        symbol = "circle" if row["threads"] > 1 else "circle-open"
        line = {"color": color, "dash": "solid" if row["threads"] > 1 else "dot"}
        has_fit = "a_ms" in row
        drawn = [1e3 * value / (row["a_ms"] + row["b_ms"] * value) for value in values] if has_fit else measured
        figure.add_scatter(x=values, y=drawn, mode="lines", line=line, name=label)
        figure.add_scatter(
            x=values, y=measured, mode="markers", marker={"color": color, "size": 9, "symbol": symbol}, showlegend=False
        )
    figure.update_xaxes(type="log", title=axis, tickvals=list(rows[0]["images_per_second"]))
    figure.update_yaxes(type="log", tickvals=[digit * 10**power for power in range(6) for digit in (1, 2, 5)], tickformat=",d")
    figure.update_yaxes(title="images/s" + ("; lines: batch ÷ (a + b · batch)" if "a_ms" in rows[0] else ""))
    figure.write_html(path, include_plotlyjs=True, config={"displayModeBar": False})


def _threads(row: Row) -> str:
    return "1 thread" if row["threads"] == 1 else f"{row['threads']} threads"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=MEASURES)
    parser.add_argument("--values", help="; ".join(f"{what}: {values}" for what, values in VALUES.items()))
    parser.add_argument("--threads", default="2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chart", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
