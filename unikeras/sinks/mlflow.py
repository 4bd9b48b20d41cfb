"""An MLflow run for each unikeras run, in the store that a URI names.

MLflow can't remove a figure. So a row goes there only once a checkpoint counts on it, and only if MLflow doesn't have its step: a
run that goes on, in the same MLflow run, has each step once.
"""

from __future__ import annotations

import json
import logging
import os
import re
import socket
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from unikeras import run
from unikeras.errors import RunError, SettingsError
from unikeras.files import write_bytes
from unikeras.sinks import base
from unikeras.sinks.base import Examples, Kind, Row

if TYPE_CHECKING:
    from unikeras.run import Run
    from unikeras.settings import Settings

ALLOWED = "Allowed: sqlite:///FILE.db, or the address of an MLflow server that runs, as http://localhost:5000."
SCHEMES = ("sqlite:///", "http://", "https://")
EXPERIMENT = "unikeras"
PATIENCE = 5.0  # seconds for a server to answer
MOST_AT_ONCE = 1000  # metrics in a request: MLflow's limit
# Read by MLflow when it is imported or used. A server that is gone must not hold up the training for half an hour.
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


class MLflow(base.Sink):
    """Writes parameters, metrics, tags, and the files result.json and config.yaml."""

    settled: ClassVar[bool] = True

    def __init__(self, uri: Any, folder: Path, settings: Settings) -> None:
        if not isinstance(uri, str) or not uri.startswith(SCHEMES):
            raise SettingsError(f"--mlflow can't be {uri!r}.", cure=ALLOWED)
        self.uri, self.folder, self.settings = uri, folder, settings
        _require_sqlite(uri)
        _require_server(uri)
        self.client = _client(uri)
        self.id = self._known_id() or self._new_id()
        self.ended = "KILLED"  # unless it finishes

    def begin(self) -> None:
        self.client.update_run(self.id, status="RUNNING")
        self.known = self._steps_there()
        there = self.client.get_run(self.id).data.params
        wanted = {name: str(value) for name, value in base.hyper_parameters(self.settings).items()}
        for name, value in wanted.items():
            if name not in there:
                self.client.log_param(self.id, name, value)
            elif there[name] != value:  # parameters are for good: those of the start
                self.client.set_tag(self.id, f"resumed.{name}", value)
        for name, value in self._tags().items():
            self.client.set_tag(self.id, name, value)

    def add(self, rows: list[Row]) -> None:
        self._log([base.scalars(row) for row in rows])

    def finish(self, finished: Run, examples: Callable[[], Examples]) -> None:
        self._log([base.final_scalars(finished)])
        for name in (run.RESULT, run.CONFIG):
            self.client.log_artifact(self.id, str(self.folder / name))
        self.ended = "FINISHED"

    def close(self) -> None:
        self.client.set_terminated(self.id, self.ended)

    def _log(self, figures: list[tuple[int, dict[str, float]]]) -> None:
        """Logs what is not there yet."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        places = {(name, place): value for place, values in figures for name, value in values.items()}
        new = [Metric(name, value, now, place) for (name, place), value in places.items() if (name, place) not in self.known]
        self.known |= places.keys()
        for start in range(0, len(new), MOST_AT_ONCE):
            self.client.log_batch(self.id, new[start : start + MOST_AT_ONCE])

    def _steps_there(self) -> set[tuple[str, int]]:
        names = self.client.get_run(self.id).data.metrics
        return {(name, metric.step) for name in names for metric in self.client.get_metric_history(self.id, name)}

    def _tags(self) -> dict[str, str]:
        provenance = run.Run(self.folder).provenance
        facts = {"backend": provenance["backend"], "data_hash": provenance["data_hash"], "folder": str(self.folder.resolve())}
        return facts | {f"version.{name}": str(version) for name, version in provenance["versions"].items()}

    def _known_id(self) -> str | None:
        """The MLflow run that this run has; None if it has none yet.

        Raises:
            RunError: mlflow.json is damaged.
            SettingsError: the store has no such run.
        """
        path = self.folder / run.MLFLOW
        if not path.is_file():
            return None
        known: str = run.read_json(path, {"run_id": str})["run_id"]
        fresh = f"remove {path} for a new MLflow run"
        if not re.fullmatch(r"[0-9a-f]{32}", known):
            raise RunError(f"{path} is damaged: {known[:80]!r} is no MLflow run.", cure=f"Restore it from a copy, or {fresh}.")
        try:
            state = self.client.get_run(known).info.lifecycle_stage
        except Exception as error:  # noqa: BLE001 - MLflow raises what its stores raise
            raise SettingsError(
                f"--mlflow {self.uri} has no MLflow run {known}, which {path} names: {_first_line(error)}",
                cure=f"Give the URI that the run was written to before, or {fresh}.",
            ) from None
        if state != "active":
            raise SettingsError(f"The MLflow run {known}, which {path} names, has been deleted.", cure=f"Restore it, or {fresh}.")
        return known

    def _new_id(self) -> str:
        found = self.client.get_experiment_by_name(EXPERIMENT)
        experiment = found.experiment_id if found else self.client.create_experiment(EXPERIMENT, _artifacts_beside(self.uri))
        new: str = self.client.create_run(experiment, run_name=self.folder.name).info.run_id
        write_bytes(self.folder / run.MLFLOW, (json.dumps({"run_id": new, "uri": self.uri}, indent=2) + "\n").encode())
        return new


def _client(uri: str) -> Any:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
    except Exception as error:  # noqa: BLE001 - MLflow raises what its stores raise
        raise SettingsError(
            f"--mlflow {uri} can't be used: {_first_line(error)}",
            cure=ALLOWED,
        ) from None
    return client


def _sqlite_file(uri: str) -> Path | None:
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def _require_sqlite(uri: str) -> None:
    """Looks first whether SQLite can use the file, for MLflow tries again for minutes."""
    file = _sqlite_file(uri)
    if file is None:
        return
    import sqlite3

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA user_version")
        connection.close()
    except (OSError, sqlite3.Error) as error:
        raise SettingsError(
            f"--mlflow {uri} can't be used: {error}.", cure="Give a file that is a database of MLflow, or is not there yet."
        ) from None


def _require_server(uri: str) -> None:
    """Looks first whether anyone answers, for MLflow's own words on that fill a screen."""
    address = urllib.parse.urlsplit(uri)
    if address.scheme not in ("http", "https"):
        return
    try:
        port = address.port or {"http": 80, "https": 443}[address.scheme]
        socket.create_connection((address.hostname or "", port), timeout=PATIENCE).close()
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"--mlflow {uri} can't be used: nothing answers there ({getattr(error, 'strerror', None) or error}).",
            cure="Give the address of an MLflow server that runs, as http://localhost:5000, or sqlite:///FILE.db.",
        ) from None


def _artifacts_beside(uri: str) -> str | None:
    """Where files go: beside the database, not into the folder of the command; elsewhere, where the server says."""
    file = _sqlite_file(uri)
    return None if file is None else (file.parent.resolve() / "mlartifacts").as_uri()


def _first_line(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0][:300] if lines else type(error).__name__


KIND = Kind(
    make=MLflow,
    packages=("mlflow", "sqlalchemy", "alembic"),
    metavar="URI",
    help="Write parameters, figures and results to MLflow: sqlite:///FILE.db, or a server's address.",
)
