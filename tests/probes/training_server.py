"""In a backend's process: trainings, one after the other. A line of JSON comes in for each; how it ended goes out.

Each training runs in a fork of this process, which has imported the framework but has not used it yet: so a training costs a
second instead of five, and a kill is still a kill. (The program itself never forks; here it is safe, for nothing has run before.)
"""

import importlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np

from unikeras import backends, faults, jobs
from unikeras.errors import UnikerasError

info = backends.BACKENDS[sys.argv[1]]
backends.load(info.name)
if info.framework == "torch":
    importlib.import_module("torch._dynamo")  # imported by the first step otherwise, for two seconds


def train(order: dict) -> None:
    """One training, with its events and its error in the file `answer`."""
    answer = {"events": [], "error": None}
    try:
        jobs.train(lambda event: answer["events"].append(event.encode()), **order["arguments"], launched_at=time.monotonic())
    except UnikerasError as error:
        answer["error"] = error.to_dict()
    Path(order["answer"]).write_text(json.dumps(answer))


def look(path: str) -> None:
    """Lets the next training end at its first step, which only writes down what it starts from."""
    own = backends.load(info.name)

    class Looking(own):
        def train_step(self, inputs, labels, learning_rate):
            arrays = {"inputs": inputs, "labels": labels, "learning_rate": learning_rate}
            arrays |= {f"weights:{name}": array for name, array in self.weights().items()}
            arrays |= {f"slots:{name}": array for name, array in self.optimizer_state().items()}
            np.savez(path, **arrays)
            os._exit(0)

    backends.load = lambda name: Looking


print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    process = os.fork()
    if process == 0:
        os.dup2(2, 1)  # the answers' pipe is not for the frameworks
        faults.arm(order["fault"])
        if order["look"]:
            look(order["look"])
        try:
            train(order)
        finally:
            sys.stderr.flush()
            os._exit(0)
    _, status = os.waitpid(process, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
