"""Export to MLflow by its own client: one experiment per study, one run per cell."""

import importlib
import logging
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from bench.errors import RequestError
from bench.report.export.logged import LoggedCell, cells
from bench.report.results.run import Results
from bench.text.message import said, shortened
from bench.text.redaction import redacted, secrets_of, without_secrets
from bench.text.secret_names import environment_secrets

#: Read when mlflow is imported: no telemetry, links or progress bars.
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}  # fmt: skip
#: Defaults that the user can override: an unreachable server fails after seconds rather than minutes.
PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "30", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3"}
#: Limits of MLflow: entries per batch, and characters.
MOST_METRICS, MOST_PARAMS = 1000, 100
LONGEST_NAME, LONGEST_TEXT, LONGEST_MESSAGE = 250, 5000, 1000
LOGGED = "tunebench.record_sha256"
Item = TypeVar("Item")


def log(results: Results, uri: str) -> tuple[int, int]:
    """Log cells to a tracking server or store.

    A cell whose record has been logged is skipped; a cell that was measured again is a new run.

    Returns:
        The number of new runs, and of runs logged before.

    Raises:
        RequestError: MLflow refuses, or cannot be reached.
    """
    client = _client(uri)
    written, logged = 0, cells(results)
    try:
        experiments = {name: _experiment(client, name) for name in dict.fromkeys(cell.study for cell in logged)}
        there = {sha256 for experiment_id in experiments.values() for sha256 in _logged(client, experiment_id)}
        for cell in logged:
            if cell.sha256 not in there:
                _log_cell(client, experiments[cell.study], cell)
                written += 1
    except _failures() as error:
        raise RequestError(_said(uri, error)) from None
    return written, len(logged) - written


def _client(uri: str) -> Any:
    os.environ.update(QUIET)
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)
    if uri.startswith("file:"):  # MLflow asks for consent, which the user gives by naming it
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    import mlflow

    for name in ("mlflow", "urllib3"):  # urllib3 logs the URL of each retry
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    except _failures() as error:
        raise RequestError(_said(uri, error)) from None


def _failures() -> tuple[type[Exception], ...]:
    """Exceptions of MLflow for a store that refuses or cannot be reached; databases raise those of SQLAlchemy."""
    from mlflow.exceptions import MlflowException

    known = (MlflowException, OSError, ImportError)
    try:
        return (*known, importlib.import_module("sqlalchemy.exc").SQLAlchemyError)
    except ImportError:
        return known


def _said(uri: str, error: Exception) -> str:
    told = redacted(without_secrets(said(error)), [*secrets_of(uri), *environment_secrets()])
    shown = shortened(f"mlflow={without_secrets(uri)}: {told}", LONGEST_MESSAGE)
    return f"{shown}; the records are kept, and tunebench report RUN --log logs them later"


def _experiment(client: Any, name: str) -> str:
    known = client.get_experiment_by_name(name)
    return str(client.create_experiment(name) if known is None else known.experiment_id)


def _logged(client: Any, experiment_id: str) -> Iterator[str]:
    """The sha256 of every completely logged record."""
    token = None
    while True:
        page = client.search_runs([experiment_id], f"tags.`{LOGGED}` LIKE '%'", page_token=token)
        yield from (run.data.tags[LOGGED] for run in page)
        token = page.token
        if not token:
            return


def _log_cell(client: Any, experiment_id: str, cell: LoggedCell) -> None:
    record, begun = cell.record, int(1000 * cell.started)
    run_id = client.create_run(experiment_id, begun, _tags(cell), run_name=record.cell_id[:LONGEST_NAME]).info.run_id
    for metrics in _batches(list(_metrics(cell)), MOST_METRICS):
        client.log_batch(run_id, metrics=metrics)
    for params in _batches(_params(cell), MOST_PARAMS):
        client.log_batch(run_id, params=params)
    client.log_text(run_id, cell.content + "\n", "record.json")
    # Last, so that an interrupted run does not count as logged.
    client.set_tag(run_id, LOGGED, cell.sha256)
    client.set_terminated(
        run_id, "FINISHED" if record.status == "ok" else "FAILED", begun + int(1000 * record.wall_seconds)
    )


def _tags(cell: LoggedCell) -> dict[str, str]:
    record = cell.record
    facts: dict[str, str | None] = {
        "cell_id": record.cell_id, "status": record.status, "stamp": record.stamp, "machine": cell.machine,
        "commit": record.machine.commit if record.machine else None,
    }  # fmt: skip
    if record.failure is not None:
        facts |= {"failure_phase": record.failure.phase, "failure_message": record.failure.message}
    return {f"tunebench.{name}": value[:LONGEST_TEXT] for name, value in facts.items() if value}


def _metrics(cell: LoggedCell) -> Iterator[Any]:
    from mlflow.entities import Metric

    begun = cell.started
    for name, point, value in cell.curves:
        yield Metric(name, value, int(1000 * (begun + point.elapsed_seconds)), point.step)
    for name, value in cell.numbers.items():
        yield Metric(name, value, int(1000 * (begun + cell.record.wall_seconds)), 0)


def _params(cell: LoggedCell) -> list[Any]:
    from mlflow.entities import Param

    # MLflow accepts letters, digits and a few signs in names; plugins may name options otherwise.
    named = {re.sub(r"[^\w.-]", "_", name)[:LONGEST_NAME]: value for name, value in cell.settings.items()}
    return [Param(name, str(value)[:LONGEST_TEXT]) for name, value in named.items()]


def _batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    return (items[at : at + size] for at in range(0, len(items), size))
