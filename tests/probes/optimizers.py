"""In a backend's process: six steps of every optimiser on a linear model in float64, with everything switched on."""

import dataclasses
import json
import sys

import numpy as np

from unikeras import factory
from unikeras.optimizers import RULES
from unikeras.settings import Settings

backend_name, output, arguments = sys.argv[1:4]
case = json.loads(arguments)
images, labels = np.array(case["images"]), np.array(case["labels"])
inputs = {"shape": list(images.shape[1:]), "dtype": "float64", "class_names": list("abc"), "scale": 1.0, "offset": 0.0}
base = Settings(model=case["model"], dtype="float64", label_smoothing=case["label_smoothing"])
variants = {
    "plain": {"weight_decay": 0.0},
    "full": {"weight_decay": case["weight_decay"], "clip_norm": case["clip_norm"]},
}
arrays: dict[str, np.ndarray] = {}
for optimizer in RULES:
    for variant, changes in variants.items():
        settings = dataclasses.replace(base, optimizer=optimizer, **changes)
        backend = factory.make_backend(settings, backend_name, inputs)
        backend.load_weights({name: np.array(value) for name, value in case["weights"].items()})
        for (start, stop), rate in zip(case["batches"], case["rates"], strict=True):
            backend.train_step(images[start:stop], labels[start:stop], rate)
        state = backend.optimizer_state()
        twin = factory.make_backend(settings, backend_name, inputs)
        twin.load_weights(backend.weights())
        twin.load_optimizer_state(state)
        for name, array in {**backend.weights(), **state}.items():
            arrays[f"{optimizer}:{variant}:{name}"] = array
        for owner, model in (("unbroken", backend), ("resumed", twin)):
            model.train_step(images, labels, 0.01)
            for name, array in {**model.weights(), **model.optimizer_state()}.items():
                arrays[f"{owner}:{optimizer}:{variant}:{name}"] = array
np.savez(output, **arrays)
