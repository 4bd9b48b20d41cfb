"""A run's model as one torch module for torch's exporters: from raw images to logits, with its tensors as buffers."""

from __future__ import annotations

import warnings
from typing import Any

import torch

from unikeras.backends import BACKENDS


class Exported(torch.nn.Module):
    """What `forward` does is what `predict` does: normalise, then the model in inference mode."""

    def __init__(self, backend: Any) -> None:
        super().__init__()
        self.register_buffer("scale", backend.scale.clone())
        self.register_buffer("offset", None if backend.offset is None else backend.offset.clone())
        self._backend = (backend,)  # in a tuple, torch does not look for modules

    def normalized(self, images: torch.Tensor) -> torch.Tensor:
        scale: Any = self.scale
        scaled = images.to(scale.dtype) * scale
        return scaled if self.offset is None else scaled + self.offset


class ExportedKeras(Exported):
    """A Keras model. Keras' variables are no tensors of a module: they are put in from buffers of their canonical names."""

    def __init__(self, backend: Any) -> None:
        super().__init__(backend)
        self._names = {id(variable): name for name, variable in backend.variables.items()}
        for name, variable in backend.variables.items():
            self.register_buffer(name, variable.value.detach().clone())

    def forward(self, images: torch.Tensor) -> Any:
        model = self._backend[0].model
        trained, others = ([self._tensor(variable) for variable in group] for group in _variables(model))
        return model.stateless_call(trained, others, self.normalized(images), training=False)[0]

    def _tensor(self, variable: Any) -> Any:
        """The buffer of a variable; seeds of dropout have none, and need none."""
        name = self._names.get(id(variable))
        return variable.value if name is None else self.get_buffer(name)


class ExportedNative(Exported):
    """An nn.Module as it is."""

    def __init__(self, backend: Any) -> None:
        super().__init__(backend)
        # torch.export.save wants each tensor in one piece, which those of the channels-last layout are not.
        self.model = backend.model.to(memory_format=torch.contiguous_format).requires_grad_(False)

    def forward(self, images: torch.Tensor) -> Any:
        return self._backend[0].forward(self.normalized(images), training=False)


def _variables(model: Any) -> tuple[list[Any], list[Any]]:
    return model.trainable_variables, model.non_trainable_variables


def export(backend: Any) -> torch.export.ExportedProgram:
    """The graph of a run's model with a free batch axis.

    What torch notes of its origin is left out: it would carry lines and folders of the model file to whoever gets the export.
    """
    module = (ExportedKeras if BACKENDS[backend.name].uses_keras else ExportedNative)(backend).eval()
    images = torch.zeros((2, *backend.spec.input_shape), dtype=getattr(torch, backend.spec.input_dtype))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # torch's remarks on its own deprecations go nowhere useful
        program = torch.export.export(module, (images,), dynamic_shapes={"images": {0: torch.export.Dim("batch")}})
    for graph_module in program.graph_module.modules():
        for node in graph_module.graph.nodes:
            for key in ("stack_trace", "nn_module_stack", "source_fn_stack"):
                node.meta.pop(key, None)
    return program
