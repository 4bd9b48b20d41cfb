"""In a backend's process: every bundled model in float64, its weights, its logits, and its state after two steps."""

import json
import sys

import numpy as np

from unikeras import factory, model_files, weights
from unikeras.settings import Settings

backend_name, output = sys.argv[1:3]
rng = np.random.default_rng(1)
inputs = {"shape": [20, 20, 3], "dtype": "uint8", "class_names": list("abcde"), "scale": 1 / 255, "offset": -0.1}
images = rng.integers(0, 256, (8, 20, 20, 3), dtype=np.uint8)
labels = rng.integers(0, 5, 8)
arrays: dict[str, np.ndarray] = {}
for model in model_files.bundled_names():
    settings = Settings(model=model, dtype="float64", optimizer="momentum")
    backend = factory.make_backend(settings, backend_name, inputs)
    backend.disable_dropout()  # masks differ by backend
    arrays[f"{model}:names"] = np.array(list(backend.weights()))
    arrays[f"{model}:trainable"] = np.array(backend.trainable_names())
    arrays[f"{model}:initial"] = np.array(weights.digest(backend.weights()))
    arrays[f"{model}:logits"] = backend.predict(images)
    for size in (8, 5):  # the second batch is a smaller one
        backend.train_step(images[:size], labels[:size], 0.05)
    arrays[f"{model}:loss"] = np.array(backend.read_metrics().loss)
    backend.evaluate_step(images, labels)
    arrays[f"{model}:test_loss"] = np.array(backend.read_metrics().loss)
    for name, array in {**backend.weights(), **backend.optimizer_state()}.items():
        arrays[f"{model}:state:{name}"] = array
arrays["modules"] = np.array(sorted(sys.modules))
np.savez(output, **arrays)
print(json.dumps(sorted(arrays)))
