"""`unikeras bench --limit`: what is counted, against figures by hand and torch's own counter, and what is measured and shown."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from rich.console import Console
from support import python

from unikeras import bench_limit, bench_printing, commands
from unikeras.bench.work import Product, normalization_layer, pooling_layer, product_layer, update_bytes
from unikeras.bench_request import make_request
from unikeras.progress import make_display
from unikeras.settings import Settings

DESCRIBE = """
import json, os
os.environ["KERAS_BACKEND"] = "torch"
import keras, torch
from keras import layers
from torch.utils.flop_counter import FlopCounterMode
from unikeras.bench import limit_torch
from unikeras.bench.layers import describe
from unikeras.models import cnn, cnn_torch, resnet8, resnet8_torch

def counted(run):
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops()

def figures(network):
    rows = [(one.name, one.kind, one.flop(1), one.bytes(1, 4)) for one in network.layers]
    return {"layers": rows, "unknown": network.unknown, "parameters": network.parameters}

answer = {}
for keras_file, torch_file in ((cnn, cnn_torch), (resnet8, resnet8_torch)):
    network = describe(keras_file.build((32, 32, 3), 10), (32, 32, 3))
    module, images = torch_file.build((32, 32, 3), 10), torch.zeros(2, 3, 32, 32)
    products = {one.product for one in network.layers if one.product}
    measured = [(one.flop * 2, *(counted(lambda: way(1)) for way in limit_torch.ways(one, 2, "float32"))) for one in products]
    answer[keras_file.__name__.rpartition(".")[2]] = {
        **figures(network), "by_torch": counted(lambda: module(images).sum().backward()) // 2, "measured": measured
    }

class Twice(layers.Layer):
    def call(self, inputs):
        return 2 * inputs

class Own(layers.Dense):
    pass

inputs = keras.Input((8, 8, 4))
left = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, name="depthwise")(inputs)
right = layers.Conv2D(8, 1, name="branch")(layers.Dropout(0.5)(Twice(name="twice")(inputs)))
x = layers.SeparableConv2D(6, 3, strides=2, name="separable")(layers.Add()([left, right]))
x = layers.Conv2D(8, 3, groups=2, padding="same", trainable=False, name="frozen")(layers.MaxPooling2D(name="pool")(x))
x = layers.LSTM(5, name="lstm")(layers.Reshape((-1, 8))(x))
model = keras.Model(inputs, layers.Dense(3, name="dense")(Own(4, name="own")(x)))
answer["kinds"] = figures(describe(model, (8, 8, 4)))
print(json.dumps(answer))
"""


@pytest.fixture(scope="module")
def described() -> Any:
    answer = python(DESCRIBE)
    assert answer.code == 0, answer
    return json.loads(answer.out.splitlines()[-1])


def test_a_products_work_is_that_of_its_passes() -> None:
    product = Product("conv2d", inputs=(10, 10, 4), outputs=(8, 8, 16), kernel=(3, 3, 4, 16))
    assert product.flop == 3 * 2 * (8 * 8) * (3 * 3 * 4 * 16)
    layer = product_layer("conv", product)
    assert layer.flop(5) == 5 * product.flop
    assert layer.bytes(5, 4) == 4 * (5 * (3 * 400 + 2 * 1024) + 3 * 576)
    first = product_layer("conv", dataclasses.replace(product, by_inputs=False))
    assert first.flop(1) == product.flop * 2 // 3
    assert first.bytes(5, 4) == 4 * (5 * (2 * 400 + 2 * 1024) + 2 * 576)
    frozen = product_layer("conv", dataclasses.replace(product, by_inputs=False, by_kernel=False))
    assert frozen.flop(1) == product.flop // 3
    assert frozen.bytes(5, 4) == 4 * (5 * (400 + 1024) + 576)


def test_layers_without_products_only_move_bytes() -> None:
    pooling = pooling_layer("pool", (8, 8, 4), (4, 4, 4), by_inputs=True)
    assert (pooling.flop(9), pooling.bytes(9, 2)) == (0, 2 * 9 * 2 * (256 + 64))
    assert normalization_layer("norm", (8, 8, 4), by_inputs=True).bytes(9, 4) == 4 * 9 * 5 * 256
    assert update_bytes(100, slots=2, number_bytes=4) == 100 * 7 * 4


def test_the_layers_of_cnn_have_the_figures_of_a_calculation_by_hand(described: Any) -> None:
    """The first convolution's gradient by the images is not needed."""
    flop = {
        "conv1": 2 * 2 * 30 * 30 * 32 * 27,
        "pool1": 0,
        "conv2": 3 * 2 * 13 * 13 * 64 * 9 * 32,
        "pool2": 0,
        "conv3": 3 * 2 * 4 * 4 * 64 * 9 * 64,
        "dense1": 3 * 2 * 1024 * 64,
        "dense2": 3 * 2 * 64 * 10,
    }
    rows = described["cnn"]["layers"]
    assert {name: found for name, _, found, _ in rows} == flop
    moved = {name: found for name, _, _, found in rows}
    assert moved["conv1"] == 4 * (2 * 32 * 32 * 3 + 2 * 30 * 30 * 32 + 2 * 27 * 32)
    assert moved["pool1"] == 4 * 2 * (30 * 30 * 32 + 15 * 15 * 32)
    assert moved["dense2"] == 4 * (3 * 64 + 2 * 10 + 3 * 640)
    assert described["cnn"]["parameters"] == 27 * 32 + 32 + 288 * 64 + 64 + 576 * 64 + 64 + 1024 * 64 + 64 + 640 + 10


@pytest.mark.parametrize("model", ["cnn", "resnet8"])
def test_torch_counts_as_many_operations_in_a_step_and_in_what_is_measured(described: Any, model: str) -> None:
    found = described[model]
    assert sum(row[2] for row in found["layers"]) == found["by_torch"]
    assert found["unknown"] == []
    for expected, *ways in found["measured"]:
        assert ways and all(way == expected for way in ways), found["measured"]


def test_each_kind_of_layer_is_counted_or_named(described: Any) -> None:
    """`twice` and `lstm` can't be counted, nor can a subclass, which may compute something else."""
    found = described["kinds"]
    assert [(name, kind, flop) for name, kind, flop, _ in found["layers"]] == [
        ("depthwise", "depthwise", 2 * 2 * 64 * 9 * 8),
        ("branch", "conv2d", 2 * 2 * 64 * 4 * 8),
        ("separable", "depthwise", 3 * 2 * 9 * 9 * 8),
        ("separable", "conv2d", 3 * 2 * 9 * 8 * 6),
        ("pool", "pooling", 0),
        ("frozen", "conv2d", 2 * 2 * 9 * 3 * 8),
        ("dense", "dense", 3 * 2 * 4 * 3),
    ]
    named = {name.split("/")[-1] for name in found["unknown"]}
    assert {"twice (Twice)", "own (Own)"} <= named
    assert any("lstm" in name for name in named)


def test_tensorflow_is_measured_in_mixed_precision() -> None:
    settings = Settings(
        backend="native-tensorflow", model="mlp", dataset="random:8x8x1:3:60", batch_size=8, dtype="mixed_bfloat16", threads=1
    )
    request = make_request(settings, batch_sizes="8", against="none", rounds=1, limit=True)
    dataset = commands.prepare(commands.request_of(settings), make_display(quiet=True, json=True))
    (limit,) = bench_limit.measure(request, settings, dataset, make_display(quiet=True, json=True)).values()
    assert limit["bandwidth_gb_per_second"] > 0
    for row in limit["layers"]:
        assert row["seconds"] > 0
        assert row["bound_by"] in ("compute", "memory") if row["flop"] else row["bound_by"] == "memory"


def test_without_a_limit_there_is_no_share_and_no_column(capsys: pytest.CaptureFixture[str]) -> None:
    request = make_request(Settings(backend="torch"), against="none")
    assert bench_limit.stages(request) == 0
    assert "limit" not in _printed(_race(request, {}), capsys)
    measured = {"torch": {"seconds_per_image": 0.004, "bandwidth_gb_per_second": 20.0, "unknown": ["lstm (LSTM)"]}}
    race = _race(request, measured)
    assert [row["limit_share"] for row in race["contestants"]] == [0.4, 0.4]
    printed = _printed(race, capsys)
    assert "40%" in printed
    assert "limit of torch: 250 images/s, with 20.0 GB/s of memory; not counted: lstm (LSTM)" in printed


def _race(request: Any, limits: dict[str, Any]) -> dict[str, Any]:
    """A race at a hundred images a second."""
    rates = ("evaluation_images_per_second", "end_to_end_images_per_second")
    figures = ("import_seconds", "build_seconds", "first_step_seconds", *rates, "peak_memory_mb")
    rows = [
        {"name": one.name, "variant": "", "images_per_second": 100.0, **dict.fromkeys(figures, 1.0)}
        for one in request.contestants
    ]
    race = {"batch_size": 8, "contestants": rows, "ratios": [], "noise": {"low": 1.0, "high": 1.0}}
    return bench_limit.joined(race, limits, request.contestants)


def _printed(race: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> str:
    environment = {"cpu": "", "cores": 1, "versions": {}}
    result = {
        "races": [race],
        "warnings": [],
        "environment": environment,
        "settings": {"threads": 1},
        "date": "",
        "accuracy_races": [],
    }
    bench_printing.print_result(result, Console(width=150))
    return capsys.readouterr().out
