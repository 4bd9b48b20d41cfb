"""In a Keras process: six float32 steps of Keras' own optimisers and of ours, on the same gradients."""

import sys

import keras
import numpy as np

from unikeras.backends import _tensorflow_optimizers, _torch_optimizers
from unikeras.optimizers import RULES, OptimizerSpec

backend, output = sys.argv[1:3]
rng = np.random.default_rng(0)
start = [rng.normal(size=shape).astype(np.float32) for shape in ((7, 5), (5,))]
gradients = [[rng.normal(size=value.shape).astype(np.float32) for value in start] for _ in range(6)]
rates = [0.1, 0.1, 0.01, 0.01, 0.02, 0.02]
keras_classes = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop}
ours_module = _tensorflow_optimizers if backend == "tensorflow" else _torch_optimizers
arrays = {}
for name, rule in RULES.items():
    for clip in (None, 2.0):
        spec = OptimizerSpec(name, 0.05, clip)
        theirs = keras_classes[rule.family](weight_decay=0.05, global_clipnorm=clip, **rule.constants)
        their_variables = [keras.Variable(value) for value in start]
        our_variables = [keras.Variable(value) for value in start]
        ours = ours_module.make_optimizer(spec, [variable.value for variable in our_variables])
        for step, rate in zip(gradients, rates, strict=True):
            tensors = [keras.ops.convert_to_tensor(gradient) for gradient in step]
            theirs.learning_rate = rate
            theirs.apply(tensors, their_variables)
            if backend == "tensorflow":
                ours.step(tensors, keras.ops.convert_to_tensor(rate, "float32"))
            else:
                for variable, gradient in zip(our_variables, tensors, strict=True):
                    variable.value.grad = gradient
                ours.step(float(np.float32(rate)))
        for index, pair in enumerate(zip(their_variables, our_variables, strict=True)):
            for owner, variable in zip(("theirs", "ours"), pair, strict=True):
                arrays[f"{owner}:{name}:{clip}:{index}"] = keras.ops.convert_to_numpy(variable)
np.savez(output, **arrays)
