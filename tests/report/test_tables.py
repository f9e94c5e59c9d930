"""Every table of every kind of record: a reason for each dash, and no number that cannot be."""

from collections.abc import Callable
from typing import Any

import pytest

from bench.errors import RunFolderError
from bench.record.record import Record
from bench.report import contents
from bench.report.results.run import Results
from bench.report.tables import efficiency, repeatability, table1, table2, table3, table4
from bench.report.tables.table import Table
from bench.text.tables.files import files
from bench.text.tables.fragment import to_html
from tests.report.conftest import MakeRecord
from tests.report.many import many
from tests.report.predicted import results, study
from tests.report.shown import unexplained

OPTIONAL = (
    "data", "parameters", "flops", "training", "inference", "quality", "machine", "precision", "peak_train_bytes",
    "peak_inference_bytes", "peak_kind", "matmul_flops_per_second", "failure",
)  # fmt: skip
BUILDERS: dict[str, Callable[..., Table | None]] = {
    "table1": table1.build, "table2": table2.build, "table3": table3.build, "table4": table4.build,
    "efficiency": efficiency.build, "repeatability": repeatability.build,
}  # fmt: skip


def built(records: list[Record]) -> dict[str, Table]:
    found = {name: build("Run", records) for name, build in BUILDERS.items()}
    return {name: table for name, table in found.items() if table is not None}


def variants(make_record: MakeRecord, **given: Any) -> list[Record]:
    return [make_record(method=name, method_name=name, options={"rank": rank}, **given)
            for rank, name in ((4, "a"), (8, "b"))]  # fmt: skip


def check(tables: dict[str, Table]) -> None:
    for name, table in tables.items():
        assert table.name == name
        assert unexplained(table) == []
        marks = {note.mark for note in table.footnotes}
        assert {mark for of in table.marks.values() for mark in of} <= marks
        assert set(files(table, ["md", "csv", "tex"])) == {f"{name}.{suffix}" for suffix in ("md", "csv", "tex")}
        assert to_html(table)


def test_a_run(make_record: MakeRecord) -> None:
    tables = built(many(make_record, 60).runs[0].records)
    assert list(tables) == ["table1", "table2", "table3", "table4", "efficiency"]
    check(tables)


@pytest.mark.parametrize(
    "missing", [[field] for field in OPTIONAL] + [list(OPTIONAL)], ids=lambda of: "+".join(of)[:40]
)
def test_a_record_without_its_optional_parts(make_record: MakeRecord, missing: list[str]) -> None:
    fields = {"fields": dict.fromkeys(missing)}
    check(built([*variants(make_record, **fields), *variants(make_record, dataset="whole")]))
    check(built(variants(make_record, **fields)))


def test_failed_cells_only(make_record: MakeRecord) -> None:
    records = [make_record(status, method=f"m{at}", message="")
               for at, status in enumerate(("oom", "timeout", "error", "killed", "unsupported"))]  # fmt: skip
    tables = built([*records, make_record("killed", method="silent", fields={"failure": None, "machine": None})])
    assert list(tables) == ["table1", "table3"]
    check(tables)


@pytest.mark.parametrize("name", [name for name in BUILDERS if name != "efficiency"])
def test_no_record_at_all(name: str) -> None:
    with pytest.raises(RunFolderError, match="no finished cells; run the study first"):
        BUILDERS[name]("Run", [])


def test_rows_of_one_name_in_several_runs_are_told_apart(make_record: MakeRecord) -> None:
    run = {"study": study(), "command": "tunebench run s", "written_at": "", "cell_ids": []}
    runs = [results(run, make_record(options={"rank": rank}, device=device)).runs[0]
            for rank, device in ((8, "cpu"), (64, "cuda"))]  # fmt: skip
    drawn = contents.build(Results(tuple(runs)), ["md", "html"])
    table3 = drawn.files["table3.md"].decode()
    for rank in (8, 64):
        assert f"differs from the row of the same name in: method.options.rank = {rank}" in table3
        assert f"LoRA (method.options.rank = {rank})" in drawn.files["report.html"].decode()
