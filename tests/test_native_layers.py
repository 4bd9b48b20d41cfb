"""Layers for native models compute what Keras' do; `unikeras check probe` compares them as they are, this what can be chosen."""

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.each_backend
INPUTS = np.random.default_rng(0).normal(2, 3, (4, 5, 6, 3)).astype(np.float32)  # B×H×W×C


def statistics(backend: str, momentum: float) -> tuple[np.ndarray, np.ndarray]:
    """Running mean and variance of a BatchNorm after a step from 0 and 1."""
    if backend == "native-torch":
        import torch

        from unikeras.layers.torch import BatchNorm2d

        layer = BatchNorm2d(3, momentum=momentum)
        layer(torch.from_numpy(INPUTS).permute(0, 3, 1, 2))
        return layer.running_mean.numpy(), layer.running_var.numpy()
    if backend == "native-tensorflow":
        import tensorflow as tf

        from unikeras.layers.tensorflow import BatchNorm

        norm = BatchNorm(3, momentum=momentum)
        norm.moving_variance.assign(tf.ones(3))
        norm(tf.constant(INPUTS), training=True)
        return norm.moving_mean.numpy(), norm.moving_variance.numpy()
    import keras

    batch_norm = keras.layers.BatchNormalization(momentum=momentum)
    batch_norm(INPUTS, training=True)
    return keras.ops.convert_to_numpy(batch_norm.moving_mean), keras.ops.convert_to_numpy(batch_norm.moving_variance)


@pytest.mark.parametrize("momentum", [0.99, 0.9, 0.0])
def test_running_statistics_keep_the_momentum(backend: str, momentum: float) -> None:
    mean, variance = statistics(backend, momentum)
    np.testing.assert_allclose(mean, (1 - momentum) * INPUTS.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(variance, momentum + (1 - momentum) * INPUTS.var((0, 1, 2)), rtol=1e-5)
