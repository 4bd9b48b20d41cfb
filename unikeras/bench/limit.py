"""The job that measures a machine's limit: the time that a training step can't undercut with a framework.

It is the sum over the layers of the larger of two times: that of the layer's products, measured alone at their shape and type
(FLOP ÷ rate), and that of its bytes at the bandwidth of memory. `limit_torch.py` and `limit_tensorflow.py` measure, `work.py`
counts.
"""

from __future__ import annotations

import importlib
import itertools
import math
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from unikeras import backends, model_files
from unikeras.backends.base import ModelSpec
from unikeras.bench.work import Layer, Network, Product, update_bytes
from unikeras.data.dataset import Dataset
from unikeras.events import Emit
from unikeras.factory import describe_inputs, make_spec
from unikeras.settings import validate

BURST_SECONDS = 0.05  # long beside the clock and the call
TRIAL_SECONDS = 0.3  # for each way to compute a product, in each pass
LEAST_BURSTS = 3
HOPELESS = 2.0  # times the best
STREAM_BYTES = 1 << 28  # of an array, well above any cache
STREAM_PASSES = 15

Times = Callable[[int], object]
"""Does its work so many times and waits for the end."""


def measure(emit: Emit, settings: dict[str, Any], dataset: str) -> dict[str, Any]:
    """The limit of the framework of `settings`' backend, which is a Keras one, for `settings`' batch size.

    Returns:
        `seconds_per_image`, `bandwidth_gb_per_second`, the `layers` with their figures of a step, and the names of `unknown`
        layers, which count as nothing.
    """
    chosen = validate(settings, {})
    inputs = describe_inputs(Dataset.open(Path(dataset)), chosen.normalize)
    spec = make_spec(chosen, model_files.locate(chosen.model), inputs)
    backends.load(chosen.backend)
    library = importlib.import_module(f"unikeras.bench.limit_{backends.BACKENDS[chosen.backend].framework}")
    library.configure(spec)
    network = _network(spec)
    bandwidth = library.bandwidth()
    measured = _measured(network, spec, chosen.batch_size, library)
    rows = _rows(network, spec, chosen.batch_size, measured, bandwidth)
    return {
        "seconds_per_image": sum(row["seconds"] for row in rows) / chosen.batch_size,
        "bandwidth_gb_per_second": bandwidth / 1e9,
        "layers": rows,
        "unknown": network.unknown,
    }


def least_seconds(run: Times, known: float) -> float:
    """Of one time: the best of bursts that are long enough for the clock; the first call only warms up.

    Args:
        known: What another way takes: one that is far from it is not tried further.
    """
    run(1)
    once = _seconds(lambda: run(1))
    if once > HOPELESS * known:
        return once
    times = max(1, round(BURST_SECONDS / once))
    bursts: list[float] = []
    while len(bursts) < LEAST_BURSTS or sum(bursts) < TRIAL_SECONDS:
        bursts.append(_seconds(lambda: run(times)))
    return min(bursts) / times


def stream_rate(run: Callable[[], object], moved: int) -> float:
    """Bytes a second, the best of some passes over large arrays; the first one only touches their pages."""
    run()
    return moved / min(_seconds(run) for _ in range(STREAM_PASSES))


def _network(spec: ModelSpec) -> Network:
    from unikeras.backends import _keras
    from unikeras.bench.layers import describe  # as that one imports Keras, which jobs on native backends must not

    return describe(_keras.build_model(spec)[1], spec.input_shape)


def _measured(network: Network, spec: ModelSpec, batch_size: int, library: ModuleType) -> dict[Product, float]:
    """Seconds of each distinct product at best, in two passes, for a disturbance seldom lasts through both.

    In mixed precision float32 is tried, too: processors without bfloat16 instructions are faster with it.
    """
    dtypes = ["float32", "bfloat16"] if spec.mixed else [spec.variable_dtype]
    measured = {layer.product: math.inf for layer in network.layers if layer.product}
    for product, dtype in itertools.product([*measured, *measured], dtypes):
        for way in library.ways(product, batch_size, dtype):
            measured[product] = min(measured[product], least_seconds(way, measured[product]))
    return measured


def _rows(
    network: Network, spec: ModelSpec, batch_size: int, measured: dict[Product, float], bandwidth: float
) -> list[dict[str, Any]]:
    """One for each layer, and one for the optimiser."""
    width = np.dtype(spec.variable_dtype).itemsize
    number_bytes = 2 if spec.mixed else width
    rows = [_row(layer, batch_size, number_bytes, bandwidth, measured) for layer in network.layers]
    moved = update_bytes(network.parameters, len(spec.optimizer.rule.slots), width)
    return [*rows, _figures("optimizer", "optimizer", 0, moved, 0.0, moved / bandwidth)]


def _row(layer: Layer, batch_size: int, number_bytes: int, bandwidth: float, measured: dict[Product, float]) -> dict[str, Any]:
    moved = layer.bytes(batch_size, number_bytes)
    computing = measured[layer.product] if layer.product else 0.0
    return _figures(layer.name, layer.kind, layer.flop(batch_size), moved, computing, moved / bandwidth)


def _figures(name: str, kind: str, flop: int, moved: int, computing: float, moving: float) -> dict[str, Any]:
    bound = "compute" if computing > moving else "memory"
    return {"name": name, "kind": kind, "flop": flop, "bytes": moved, "seconds": max(computing, moving), "bound_by": bound}


def _seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started
