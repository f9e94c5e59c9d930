"""Runs in MLflow, by its own client: an experiment a study, a run a cell."""

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

#: Read when mlflow is imported: it tells its makers nothing, prints no links and no progress.
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}  # fmt: skip
#: Unless the user has set them: a server that does not answer is not waited for for minutes.
PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "30", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3"}
#: The limits of MLflow: entries of a batch, and characters.
MOST_METRICS, MOST_PARAMS = 1000, 100
LONGEST_NAME, LONGEST_TEXT, LONGEST_MESSAGE = 250, 5000, 1000
LOGGED = "tunebench.record_sha256"
Item = TypeVar("Item")


def log(results: Results, uri: str) -> tuple[int, int]:
    """Log cells to a tracking server or store.

    A cell whose very record has been logged is skipped; one that was measured again is a further run.

    Returns:
        The number of runs that were logged, and of those that were there.

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
    if uri.startswith("file:"):  # named by the user, who thereby allows what MLflow calls a store in maintenance
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    import mlflow

    for name in ("mlflow", "urllib3"):  # the latter quotes the address of each request that it sends again
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    except _failures() as error:
        raise RequestError(_said(uri, error)) from None


def _failures() -> tuple[type[Exception], ...]:
    """What MLflow raises where a store refuses or cannot be reached, a database by its own library."""
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
    """The sha256 of every record that has been logged whole."""
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
    # Last, so that a run which was cut off does not pass for logged.
    client.set_tag(run_id, LOGGED, cell.sha256)
    client.set_terminated(
        run_id, "FINISHED" if record.status == "ok" else "FAILED", begun + int(1000 * record.wall_seconds)
    )


def _tags(cell: LoggedCell) -> dict[str, str]:
    record = cell.record
    facts: dict[str, str | None] = {
        "cell_id": record.cell_id,
        "status": record.status,
        "stamp": record.stamp,
        "machine": cell.machine,
        "commit": record.machine.commit if record.machine else None,
    }
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

    # MLflow takes letters, digits and few signs in names; those of options may be anyone's.
    named = {re.sub(r"[^\w.-]", "_", name)[:LONGEST_NAME]: value for name, value in cell.settings.items()}
    return [Param(name, str(value)[:LONGEST_TEXT]) for name, value in named.items()]


def _batches(items: Sequence[Item], size: int) -> Iterator[Sequence[Item]]:
    return (items[at : at + size] for at in range(0, len(items), size))
