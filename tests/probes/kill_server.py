"""In a backend's process: trainings that are killed. A line of JSON comes in for each; how it ended goes out.

Each training runs in a fork of this process, which has imported the framework but has not used it yet: so a kill costs a second
instead of five, and is still a kill. (The program itself never forks; here it is safe, for nothing has run before.)
"""

import importlib
import json
import os
import sys
import time

from unikeras import backends, faults, jobs

info = backends.BACKENDS[sys.argv[1]]
backends.load(info.name)
if info.framework == "torch":
    importlib.import_module("torch._dynamo")  # imported by the first step otherwise, for two seconds
print("ready", flush=True)
for line in sys.stdin:
    order = json.loads(line)
    process = os.fork()
    if process == 0:
        os.dup2(2, 1)  # the answers' pipe is not for the frameworks
        faults.arm(order["fault"])
        jobs.train(lambda event: None, order["settings"], order["folder"], order["dataset"], time.time())
        os._exit(0)
    _, status = os.waitpid(process, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
