"""In a backend's process: test figures of finished runs, and the class of a picture, by the worker's own jobs."""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from unikeras import jobs
from unikeras.data.dataset import Dataset

backend, output, arguments = sys.argv[1:4]
runs, dataset = (json.loads(arguments)[name] for name in ("runs", "dataset"))
arrays: dict[str, np.ndarray] = {}
with tempfile.TemporaryDirectory() as folder:
    image = Path(folder) / "image.npy"
    np.save(image, Dataset.open(Path(dataset)).test.x[:3])
    for name, run in runs.items():
        answer = jobs.evaluate(print, run, backend, dataset)
        arrays[f"{name}:accuracy"] = np.array(answer["test_accuracy"])
        arrays[f"{name}:loss"] = np.array(answer["test_loss"])
        predictions = jobs.predict(print, run, backend, [str(image)], 1)["predictions"]
        arrays[f"{name}:prediction"] = np.array("".join(entry["classes"][0]["name"] for entry in predictions))
np.savez(output, **arrays)
