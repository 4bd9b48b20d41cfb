"""In a Keras process: the rates of Keras' own schedules over 50 steps."""

import sys

import keras
import numpy as np

schedules = keras.optimizers.schedules
cases = {
    "cosine0": schedules.CosineDecay(0.1, 40),
    "cosine7": schedules.CosineDecay(0.0, 33, warmup_target=0.1, warmup_steps=7),
    "step0": schedules.PiecewiseConstantDecay([20, 30], [0.1, 0.01, 0.001]),
}
np.savez(sys.argv[2], **{name: np.array([float(rate(step)) for step in range(50)]) for name, rate in cases.items()})
