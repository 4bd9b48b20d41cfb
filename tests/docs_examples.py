"""Runs the examples of docs/compared: the framework is imported once, then a fork of this process runs each program.

Standard input is a JSON list of programs; standard output a JSON list of [exit status, what the program printed]. Forking is safe
here, for the framework has been imported and has run nothing yet.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import traceback
from pathlib import Path


def main() -> None:
    programs = json.load(sys.stdin)
    for name in sys.argv[1:]:
        importlib.import_module(name)
    print(json.dumps([run(program) for program in programs]))


def run(program: str) -> tuple[int, str]:
    """Exit status and output of a program in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        child = os.fork()
        if not child:
            _become(program, Path(folder), output)
        _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status), output.read_text(encoding="utf-8")


def _become(program: str, folder: Path, output: Path) -> None:
    os.chdir(folder)
    file = os.open(output, os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(file, 1)
    os.dup2(file, 2)
    source = folder / "example.py"  # a file, for compilers of functions read their source
    source.write_text(program, encoding="utf-8")
    status = 0
    try:
        exec(compile(program, str(source), "exec"), {"__name__": "__main__", "__file__": str(source)})  # noqa: S102
    except BaseException:  # noqa: BLE001 - whatever ends the program is told to the test
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
