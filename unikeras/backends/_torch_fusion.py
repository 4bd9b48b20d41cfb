"""Fewer passes over activations in a captured graph: Keras writes bias and rectifier as operations of their own.

The bias goes into the convolution's kernel, as in torch's own layer; a rectifier in front of a pooling goes behind it, where
there are fewer numbers; and it overwrites what nobody else reads.
"""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.fx import GraphModule, Node

aten: Any = torch.ops.aten
CHANNELS_LAST = [0, 2, 3, 1]  # the permutation from B×C×H×W
# Their gradients are found without their outputs, so that these may be overwritten.
_REPLACEABLE = {
    aten.convolution.default,
    aten.add.Tensor,
    aten.native_batch_norm.default,
    aten._native_batch_norm_legit.default,
    aten.max_pool2d_with_indices.default,
}


def fuse(graph: GraphModule) -> None:
    """Does so wherever the graph has the pattern."""
    for target, replace in ((aten.add.Tensor, _give_bias), (aten.relu.default, _delay), (aten.relu.default, _overwrite)):
        for node in graph.graph.find_nodes(op="call_function", target=target):
            replace(node)
        graph.graph.eliminate_dead_code()
    graph.graph.lint()
    graph.recompile()


def _give_bias(add: Node) -> None:
    """permute(convolution(x, kernel, None)) + view(bias) is permute(convolution(x, kernel, bias))."""
    permute, view = add.args[:2]
    if not (_is_permuted(permute) and isinstance(view, Node) and view.target is aten.view.default and not add.kwargs):
        return
    convolution, (bias, shape) = permute.args[0], view.args
    has_none = convolution.target is aten.convolution.default and convolution.args[2] is None
    is_vector = bias.op == "placeholder" and list(shape[:-1]) == [1, 1, 1]
    if has_none and is_vector and _is_only_used_by(convolution, permute) and _is_only_used_by(permute, add):
        convolution.args = (*convolution.args[:2], bias, *convolution.args[3:])
        add.replace_all_uses_with(permute)


def _delay(relu: Node) -> None:
    """max_pool(relu(x)) is relu(max_pool(x)), and so are the gradients: the largest of a field gets its own, if > 0."""
    last = relu
    while (user := _only_user(last)) is not None and user.target is aten.permute.default:
        last = user
    if user is None or user.target is not aten.max_pool2d_with_indices.default:
        return
    largest = _only_user(user)
    if largest is None or largest.target is not operator.getitem or largest.args[1] != 0:
        return
    relu.replace_all_uses_with(relu.args[0])
    with relu.graph.inserting_after(largest):
        later = relu.graph.call_function(aten.relu.default, (largest,))
    largest.replace_all_uses_with(later, delete_user_cb=lambda node: node is not later)


def _overwrite(relu: Node) -> None:
    """relu(permute(y)) is permute(relu_(y)), for a y that nothing else needs."""
    (source,) = relu.args
    permute = source if _is_permuted(source) and _is_only_used_by(source, relu) else None
    output, user = (permute.args[0], permute) if permute else (source, relu)
    made_by = output.args[0] if output.target is operator.getitem else output
    if made_by.target not in _REPLACEABLE or not _is_only_used_by(output, user):
        return
    with relu.graph.inserting_after(output):
        overwritten = relu.graph.call_function(aten.relu_.default, (output,))
    if permute:
        permute.args = (overwritten, *permute.args[1:])
    relu.replace_all_uses_with(permute or overwritten)


def _is_permuted(node: Any) -> bool:
    return isinstance(node, Node) and node.target is aten.permute.default and list(node.args[1]) == CHANNELS_LAST


def _is_only_used_by(node: Node, user: Node) -> bool:
    return list(node.users) == [user]


def _only_user(node: Node) -> Node | None:
    users = list(node.users)
    return users[0] if len(users) == 1 else None
