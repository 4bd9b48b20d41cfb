"""`.onnx`: a graph of ONNX operations, written by torch's exporter and run by ONNX Runtime on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def write(backend: Any, path: Path) -> None:
    """One file, with the weights in it; the first axis is called `batch`."""
    import torch

    from unikeras.exporting import torch_module

    program = torch.onnx.export(torch_module.export(backend), dynamo=True, input_names=["images"], output_names=["logits"])
    for value in (*program.model.graph.inputs, *program.model.graph.outputs):
        value.shape = type(value.shape)(["batch", *value.shape[1:]])
    for node in program.model.graph.all_nodes():
        node.metadata_props.clear()  # where it comes from in torch's graph
    program.save(path, external_data=False)


def load(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """A session of ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def run(images: np.ndarray) -> np.ndarray:
        logits: np.ndarray = session.run(["logits"], {"images": images})[0]
        return logits

    return run
