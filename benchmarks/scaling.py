"""How a training step's time grows with its batch: images a second for batches of 1 to 1024, with 1 and 2 threads.

    python benchmarks/scaling.py [--model cnn] [--batch-sizes 1,4,16,64,256,1024] [--threads 1,2] [--rounds 3] [--chart FILE.html]

Races by `unikeras bench`, without rivals. Each backend's step is fitted as a + b·batch by least squares of the relative error.
Prints a line for every thread count and backend, then everything as JSON; the chart is an HTML page of plotly's.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np


def main() -> int:
    options = _parse()
    rows = []
    for threads in map(int, options.threads.split(",")):
        result = _bench(options, threads)
        for name in [row["name"] for row in result["races"][0]["contestants"][:-1]]:
            speeds = {race["batch_size"]: _speed(race, name) for race in result["races"]}
            fixed, each = fit(speeds)
            rows.append(
                {"threads": threads, "backend": name, "images_per_second": speeds, "a_ms": fixed * 1e3, "b_ms": each * 1e3}
            )
            shown = "  ".join(f"{batch}: {speed:,.0f}" for batch, speed in speeds.items())
            print(
                f"{threads} threads, {name}: step = {fixed * 1e3:.2f} ms + {each * 1e3:.3f} ms · batch;  images/s {shown}",
                flush=True,
            )
    print(json.dumps(rows, indent=2))
    if options.chart:
        _draw(rows, options.chart)
    return 0


def fit(speeds: dict[int, float]) -> tuple[float, float]:
    """Seconds of a step that don't depend on its batch, and seconds of each image: least squares of (a + b·n − t) ÷ t."""
    sizes = np.array(list(speeds), float)
    seconds = sizes / np.array(list(speeds.values()))
    columns = np.stack([np.ones_like(sizes), sizes], axis=1) / seconds[:, None]
    (fixed, each), *_ = np.linalg.lstsq(columns, np.ones_like(sizes), rcond=None)
    return float(fixed), float(each)


def _speed(race: dict[str, Any], name: str) -> float:
    return next(row["images_per_second"] for row in race["contestants"] if row["name"] == name)


def _bench(options: argparse.Namespace, threads: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "unikeras", "bench", "--against", "none", "--model", options.model, "--json", "--quiet"]
    command += ["--batch-size", options.batch_sizes, "--rounds", str(options.rounds), "--threads", str(threads)]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    result: dict[str, Any] = json.loads(finished.stdout)
    return result


def _draw(rows: list[dict[str, Any]], path: Path) -> None:
    import plotly.graph_objects as go

    figure = go.Figure(layout={"template": "plotly_white", "width": 900, "height": 520})
    colors = ("#1f6fc0", "#c24a00", "#11693a", "#8a2fc4")
    names = list(dict.fromkeys(row["backend"] for row in rows))
    for row in rows:
        sizes, color = list(row["images_per_second"]), colors[names.index(row["backend"]) % len(colors)]
        label, dash = f"{row['backend']}, {row['threads']} threads", "solid" if row["threads"] > 1 else "dot"
        measured = list(row["images_per_second"].values())
        figure.add_scatter(x=sizes, y=measured, mode="markers", marker={"color": color, "size": 9}, showlegend=False)
        fitted = [1e3 * size / (row["a_ms"] + row["b_ms"] * size) for size in sizes]
        figure.add_scatter(x=sizes, y=fitted, mode="lines", line={"color": color, "dash": dash}, name=label)
    figure.update_xaxes(type="log", title="images in a step", tickvals=list(rows[0]["images_per_second"]))
    figure.update_yaxes(type="log", title="images/s; lines: batch ÷ (a + b · batch)")
    figure.write_html(path, include_plotlyjs=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="cnn")
    parser.add_argument("--batch-sizes", default="1,4,16,64,256,1024")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chart", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
