"""The comparison of one dataset and model: tasks, failures, sets, and the file and table that come of it."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import RequestError, RunFolderError
from bench.ratios.comparison import Prediction
from bench.ratios.estimate import Ratio
from bench.ratios.measure import Comparison
from bench.ratios.measurement import Measurement, MeasurementFile, Settings, read_measurement
from bench.ratios.resident import FailedError
from bench.ratios.table import ratio_table, to_json
from bench.ratios.window import Failed, Task
from bench.study.cell import Cell
from bench.text.tables.csv_text import to_csv
from bench.text.tables.markdown import to_markdown
from tests.ratios.fakes import FakeResident, make_cell, quiet_host

SETTINGS = Settings(
    study="s", within_percent=1, seconds=60, command="tunebench", written_at="2026-11-29T00:00:00+00:00"
)
OOM = Failed(status="oom", phase="load", message="OutOfMemoryError: no room\nmore")


class Silent:
    """A watcher that keeps warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def checking(self, what: str) -> None: ...
    def warned(self, message: str) -> None:
        self.warnings.append(message)

    def preparing(self, cell: Cell) -> None: ...
    def measured(self, cell: Cell, task: Task, ratio: Ratio | None) -> None: ...


class Run:
    """A measurement of fakes, with its file."""

    def __init__(
        self, folder: Path, residents: list[FakeResident], unprepared: dict[str, Failed] | None = None
    ) -> None:
        self.path, self.residents, self.watcher = folder / "ratios.jsonl", residents, Silent()
        by_id = {resident.cell.id: resident for resident in residents}

        def prepare(cell: Cell) -> FakeResident:
            if failed := (unprepared or {}).get(cell.method.name):
                raise FailedError(failed)
            return by_id[cell.id]

        def clock() -> float:
            return residents[0].host.now

        cells = [resident.cell for resident in residents]
        answers = {cell.id: Prediction(needed_bytes=1, trains=True, trains_all=False) for cell in cells}
        with self.path.open("w", encoding="utf-8") as file:
            target = MeasurementFile(Measurement(SETTINGS), file)
            Comparison(cells[0], cells, prepare, target, self.watcher, clock).measure(answers, 1000)
        self.measurement = target.measurement

    def rows(self) -> dict[str, dict[str, str]]:
        return {row["method"]: row for row in csv.DictReader(io.StringIO(to_csv(ratio_table(self.measurement))))}


@pytest.fixture
def residents() -> Callable[..., list[FakeResident]]:
    """Three methods; the second is 1.5 times as fast as the others, and the third may be a zero-shot one."""

    def make(third_trains: bool = True) -> list[FakeResident]:
        host = quiet_host()
        return [
            FakeResident(make_cell("a"), host), FakeResident(make_cell("b"), host, 1.5),
            FakeResident(make_cell("c"), host, trains=third_trains),
        ]  # fmt: skip

    return make


def test_training_and_inference_have_their_ratios(tmp_path: Path, residents: Callable[..., list[FakeResident]]) -> None:
    run = Run(tmp_path, residents())
    rows = run.rows()
    for task in ("training", "inference"):
        assert [rows["A"][f"{task}_{name}"] for name in ("ratio", "low", "reached")] == ["1.0", "", ""]
        assert float(rows["B"][f"{task}_ratio"]) == pytest.approx(1.5, rel=0.01)
        assert float(rows["B"][f"{task}_low"]) < 1.5 < float(rows["B"][f"{task}_high"])
        assert rows["B"][f"{task}_reached"] == "True"
        assert float(rows["C"][f"{task}_ratio"]) == pytest.approx(1, rel=0.01)
        assert float(rows["C"][f"{task}_seconds"]) > 0
    assert all(resident.closed for resident in run.residents)
    orders = [order.task for order in run.residents[0].orders]
    assert orders == sorted(orders, reverse=True), "training comes first"


def test_a_method_that_does_not_train_has_a_dash_and_the_reason(
    tmp_path: Path, residents: Callable[..., list[FakeResident]]
) -> None:
    rows = Run(tmp_path, residents(third_trains=False)).rows()
    assert (rows["C"]["training_ratio"], rows["C"]["training_why_not"]) == ("", "nothing is trained")
    assert rows["C"]["inference_reached"] == "True"
    assert rows["B"]["training_reached"] == "True"


def test_a_reference_that_does_not_train(tmp_path: Path, residents: Callable[..., list[FakeResident]]) -> None:
    first, second, third = residents(third_trains=False)
    rows = Run(tmp_path, [third, first, second]).rows()
    assert rows["C"]["training_why_not"] == "nothing is trained"
    assert rows["A"]["training_why_not"] == "the reference, C, is not trained"
    assert rows["A"]["inference_reached"] == "True"


def test_a_method_that_cannot_be_prepared_is_a_row(
    tmp_path: Path, residents: Callable[..., list[FakeResident]]
) -> None:
    run = Run(tmp_path, residents(), {"b": OOM})
    rows = run.rows()
    assert rows["B"]["training_why_not"] == "oom in load: OutOfMemoryError: no room"
    assert rows["C"]["training_reached"] == "True"
    assert len(run.watcher.warnings) == 1


def test_without_the_reference_every_row_says_why(tmp_path: Path, residents: Callable[..., list[FakeResident]]) -> None:
    run = Run(tmp_path, residents(), {"a": OOM})
    why = {name: row["inference_why_not"] for name, row in run.rows().items()}
    failed = "oom in load: OutOfMemoryError: no room"
    assert why == {"A": failed, "B": f"the reference, A, failed: {failed}", "C": f"the reference, A, failed: {failed}"}


def test_a_failure_after_training_keeps_the_ratio_of_training(
    tmp_path: Path, residents: Callable[..., list[FakeResident]]
) -> None:
    first, second, third = residents()
    second.fails = {("inference", at): OOM for at in range(1000)}
    rows = Run(tmp_path, [first, second, third]).rows()
    assert rows["B"]["training_reached"] == "True"
    assert rows["B"]["inference_why_not"].startswith("oom in load")
    assert rows["C"]["inference_reached"] == "True"


def test_a_goal_that_is_missed_is_a_footnote(tmp_path: Path, residents: Callable[..., list[FakeResident]]) -> None:
    first, second, third = residents()
    noisy = FakeResident(third.cell, third.host, noise=0.4)
    run = Run(tmp_path, [first, second, noisy])
    rows = run.rows()
    assert rows["C"]["training_reached"] == "False"
    assert "the goal of ±1 % was not reached" in rows["C"]["note"]
    assert rows["B"]["note"] == ""


def test_the_table_can_be_drawn_from_the_file(tmp_path: Path, residents: Callable[..., list[FakeResident]]) -> None:
    run = Run(tmp_path, residents(), {"c": OOM})
    again = read_measurement(run.path)
    before, after = ratio_table(run.measurement), ratio_table(again)
    assert to_markdown(after) == to_markdown(before)
    assert to_csv(after) == to_csv(before)
    rows = json.loads(to_json(again, after))["rows"]
    assert [row["method"] for row in rows] == ["A", "B", "C"]


def test_an_interrupted_measurement_can_be_read(tmp_path: Path, residents: Callable[..., list[FakeResident]]) -> None:
    run = Run(tmp_path, residents())
    lines = run.path.read_text(encoding="utf-8").splitlines(keepends=True)
    run.path.write_text("".join(line for line in lines if not line.startswith('{"outcome"')), encoding="utf-8")
    rows = ratio_table(read_measurement(run.path)).rows
    assert rows[1]["training_ratio"] == pytest.approx(1.5, rel=0.01)
    assert rows[0]["training_why_not"] is None
    run.path.write_text("".join(lines[:8]), encoding="utf-8")
    assert "interrupted" in ratio_table(read_measurement(run.path)).rows[1]["training_why_not"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not a measurement of ratios"), ("{}\n", "not a measurement of ratios"), ("no json", "not a measurement"),
        ('{"settings": {"schema_version": 99}}', "upgrade tunebench"),
        ('{"settings": {"schema_version": 1}}', "settings.study is required"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_measurement(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "ratios.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises((RequestError, RunFolderError), match=said):
        read_measurement(path)
