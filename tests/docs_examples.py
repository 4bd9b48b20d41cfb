"""Runs the examples of docs/compared: the framework is imported once, then a fork of this process runs each program.

Standard input is a JSON list of programs; standard output a JSON list of [exit status, standard output, standard error]. Forking
is safe here, for the framework has been imported and has run nothing yet.
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


def run(program: str) -> tuple[int, str, str]:
    """Exit status, output and errors of a program in a process and a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / "output", Path(folder) / "errors"]
        child = os.fork()
        if not child:
            _become(program, Path(folder), files)
        _, status = os.waitpid(child, 0)
        output, errors = (file.read_text(encoding="utf-8") for file in files)
        return os.waitstatus_to_exitcode(status), output, errors


def _become(program: str, folder: Path, files: list[Path]) -> None:
    os.chdir(folder)
    for descriptor, path in enumerate(files, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), descriptor)
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
