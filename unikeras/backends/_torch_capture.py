"""A Keras model's training pass as a graph of torch's own operations: Keras' Python runs once, not at every step.

The model is called with fake tensors in place of its variables and inputs, which gives a graph (torch.fx) for their shape. The
graph draws dropout masks anew at each step, and autograd differentiates it as it does the model. Whether it is the model's own
arithmetic is not taken on trust: it is traced twice, which must give the same, and it is run beside the model on made-up values,
where outputs, statistics and gradients have to agree. A model that fails either, or reads tensors in Python, is called as it is.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, NamedTuple

import keras
import torch
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from unikeras.backends._torch_fusion import fuse
from unikeras.backends._torch_norm import fused_norms
from unikeras.backends.base import load_python_random_state, python_random_state

# Largest difference between graph and model, ‖a − b‖ ÷ ‖a‖ of a tensor. They differ by the rounding of fused operations, which
# can put a rectifier on its other side here and there; what is not the same arithmetic differs by as much as there is.
TOLERANCES = {torch.float64: 1e-9, torch.float32: 0.02}
MIXED_TOLERANCE = 0.2

Pass = Callable[..., tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]]


class Unfit(Exception):  # noqa: N818 - the model is run without a graph then
    """The model can't be captured; the message says why."""


class Graph(NamedTuple):
    """A captured pass.

    Attributes:
        run: From the variables' values and the inputs to logits, penalty and the changed variables' values.
        changed: Positions of those variables.
    """

    run: GraphModule
    changed: list[int]


class TrainingPass:
    """Calls a model in training mode, by graphs where it can.

    Args:
        mixed: Whether layers compute in bfloat16.
    """

    def __init__(self, model: Any, mixed: bool) -> None:
        self.model, self.mixed = model, mixed
        self.variables = list(model.variables)
        self.graphs: dict[torch.Size, Graph | None] = {}

    def __call__(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | float]:
        """Logits, and what the layers add to the loss; statistics are updated."""
        if inputs.shape not in self.graphs:
            self.graphs[inputs.shape] = self._capture(inputs)
        graph = self.graphs[inputs.shape]
        if graph is None:
            return self.model(inputs, training=True), sum(self.model.losses)
        logits, penalty, updates = graph.run(*self._values(), inputs)
        with torch.no_grad():
            for position, update in zip(graph.changed, updates, strict=True):
                self.variables[position].value.copy_(update)
        return logits, penalty

    def _values(self) -> list[torch.Tensor]:
        return [variable.value for variable in self.variables]

    def _capture(self, inputs: torch.Tensor) -> Graph | None:
        try:
            with nothing_drawn():
                return capture(self.model, self.variables, inputs, self.mixed)
        except Exception as error:  # noqa: BLE001 - whatever a user's layer or torch's tracer raises, the model itself still runs
            reason = f"{type(error).__name__}: {_first_words(error)}"
            print(f"unikeras: the model is called layer by layer, without a graph ({reason})")
            return None


@contextlib.contextmanager
def nothing_drawn() -> Iterator[None]:
    """Leaves the generators as they were, whatever is drawn: a resumed training traces at other steps than the unbroken one."""
    state = python_random_state()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            load_python_random_state(state)


def capture(model: Any, variables: list[Any], inputs: torch.Tensor, mixed: bool) -> Graph:
    """The graph of a model's training pass for inputs of this shape.

    Raises:
        Unfit: the graph is not the model's arithmetic.
    """
    run = stateless(model, variables)
    values, sample = made_up(variables, inputs)
    graph, again = (trace(run, values, sample) for _ in range(2))
    if str(graph.run.graph) != str(again.run.graph) or not equal_constants(graph.run, again.run):
        raise Unfit("two calls of the model are not the same")
    tolerance = MIXED_TOLERANCE if mixed else TOLERANCES[inputs.dtype]
    with without_dropout():
        difference = largest_difference(run, trace(run, values, sample), values, sample)
    if not difference <= tolerance:
        raise Unfit(f"the graph differs from the model by {difference:.1e}")
    return graph


def trace(run: Pass, values: list[torch.Tensor], inputs: torch.Tensor) -> Graph:
    """The graph of `run`, without the values that come out as they went in."""
    with fused_norms():
        graph = make_fx(run, tracing_mode="fake", _allow_non_fake_inputs=True)(*values, inputs)
    changed = keep_changed(graph, len(values))
    fuse(graph)
    return Graph(graph, changed)


@contextlib.contextmanager
def without_dropout() -> Iterator[None]:
    """While it lasts, dropout keeps everything: graph and model draw their masks in different orders, which can't be compared."""
    dropout = torch.nn.functional.dropout
    torch.nn.functional.dropout = lambda inputs, *_, **__: inputs
    try:
        yield
    finally:
        torch.nn.functional.dropout = dropout


def stateless(model: Any, variables: list[Any]) -> Pass:
    """The model as a function of its variables' values and the inputs."""

    def run(*tensors: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        *values, inputs = tensors
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
            logits = model(inputs, training=True)
            penalty = sum(model.losses, start=torch.zeros((), dtype=inputs.dtype, device=inputs.device))
        return logits, penalty, [scope.get_current_value(variable) for variable in variables]

    return run


def made_up(variables: list[Any], inputs: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
    """Values on which graph and model are compared: always the same, so that a resumed training decides as the unbroken one."""
    generator = torch.Generator().manual_seed(0)

    def draw(like: torch.Tensor) -> torch.Tensor:
        if not like.is_floating_point():
            return like.detach().clone()
        if like.ndim < 2:  # scales, offsets and variances
            values = torch.rand(like.shape, generator=generator) + 0.5
        else:
            values = torch.randn(like.shape, generator=generator) * math.sqrt(2 / max(1, like[..., 0].numel()))
        return values.to(like)

    values = [draw(variable.value).requires_grad_(variable.trainable) for variable in variables]
    return values, torch.rand(inputs.shape, generator=generator).to(inputs)


def equal_constants(first: GraphModule, second: GraphModule) -> bool:
    """Whether the tensors that two graphs have kept are the same."""
    kept = [dict(graph.named_buffers()) for graph in (first, second)]
    return kept[0].keys() == kept[1].keys() and all(torch.equal(kept[0][name], kept[1][name]) for name in kept[0])


def keep_changed(graph: GraphModule, count: int) -> list[int]:
    """Leaves out of a graph's outputs the values that went in and came out as they were; the positions of the others."""
    inputs = [node for node in graph.graph.nodes if node.op == "placeholder"][:count]
    output = graph.graph.output_node()
    logits, penalty, values = output.args[0]
    changed = [position for position, node in enumerate(values) if node is not inputs[position]]
    output.args = ((logits, penalty, [values[position] for position in changed]),)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return changed


def largest_difference(run: Pass, graph: Graph, values: list[torch.Tensor], inputs: torch.Tensor) -> float:
    """Between what the model and its graph give: logits, penalty and statistics each, and gradients."""
    trained = [value for value in values if value.requires_grad]
    outputs, gradients = [], []
    for call in (run, graph.run):
        logits, penalty, updates = call(*values, inputs)
        statistics = updates if call is graph.run else [updates[position] for position in graph.changed]
        weighted = (logits.float() * torch.linspace(-1, 1, logits.numel(), device=logits.device).reshape(logits.shape)).sum()
        outputs.append([logits, penalty, *statistics])
        gradients.append(torch.autograd.grad(weighted + penalty, trained, allow_unused=True))
    # A bias before a normalisation has no gradient but rounding: each is measured by the usual size of a gradient, too.
    usual = median([_norm(one) for one in gradients[0] if one is not None] or [0.0])
    return max(
        *(_difference(expected, received, 0.0) for expected, received in zip(*outputs, strict=True)),
        *(_difference(expected, received, usual) for expected, received in zip(*gradients, strict=True)),
    )


def _first_words(error: BaseException) -> str:
    """The first paragraph of its message, or of the first one behind it: Keras can lose the message of what it raises again."""
    while not str(error).strip() and error.__context__ is not None:
        error = error.__context__
    return " ".join(str(error).strip().split("\n\n")[0].split())[:300]


def _difference(expected: torch.Tensor | None, received: torch.Tensor | None, usual: float) -> float:
    if expected is None or received is None:
        return 0.0 if expected is received else math.inf
    if expected.shape != received.shape or not expected.isfinite().all():
        return math.inf
    return _norm(expected - received) / max(_norm(expected), usual, 1e-30)


def _norm(tensor: torch.Tensor) -> float:
    return float(torch.linalg.vector_norm(tensor.detach().double()))
