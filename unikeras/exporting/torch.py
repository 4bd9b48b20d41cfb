"""`.pt2`: torch.export's archive of a graph of ATen operations and its tensors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def write(backend: Any, path: Path) -> None:
    """Saves the graph without the example inputs, which torch would pickle."""
    import torch

    from unikeras.exporting import torch_module

    program = torch_module.export(backend)
    program.example_inputs = None
    torch.export.save(program, path)


def load(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The archive's graph, after a look at what torch would run while it loads it."""
    import torch

    from unikeras.exporting import torch_archive

    module = torch.export.load(torch_archive.checked(path)).module()

    def run(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            logits: np.ndarray = module(torch.from_numpy(images)).numpy()
        return logits

    return run
