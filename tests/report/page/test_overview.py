"""The head and the overview of a page, without a browser."""

from typing import Any

import pytest

from bench.report.analysis.quantities.readers import train_seconds
from bench.report.charts.rows import quantities, rows
from bench.report.page.overview import embedded, head, table
from bench.report.results.run import Results
from tests.report.conftest import MakeRecord
from tests.report.page.conftest import significances_of
from tests.report.predicted import results, study

RUN = {"study": study(title="A title\x1b"), "command": "tunebench run s", "written_at": "", "cell_ids": ["a", "b", "c"]}


def drawn(run: Results) -> dict[str, Any]:
    return table(run, rows(run, significances_of(run)))


def test_the_head_counts_cells_and_names_versions(make_record: MakeRecord) -> None:
    suspect = {"checks": [{"name": "clock", "verdict": "suspect", "found": "slow"}]}
    found = head(results(RUN, make_record(), make_record("oom", seed=1), make_record(seed=2, fields=suspect)))
    assert found["title"] == "A title"
    assert found["facts"] == ["3 cells: 2 ok, 1 failed, 1 suspect", "tunebench 0.1.0"]
    assert found["conditions"][1] == "Measured by: tunebench run s"


def test_cells_that_are_missing_are_counted(make_record: MakeRecord) -> None:
    assert head(results(RUN, make_record()))["facts"][0] == "1 cell: 1 ok, 0 failed, 0 suspect, 2 not run yet"


@pytest.mark.parametrize(
    ("given", "tag", "wanted"),
    [
        ({"synthetic": True}, "synthetic", "synthetic dataset"),
        ({"dataset_kind": "profile"}, "filler texts", "filler texts"),
        ({"weights": "random"}, "random weights", "random weights"),
        ({"weights": "random", "scale": "tiny"}, "tiny", "tiny"),
    ],
)
def test_what_is_not_real_is_marked(make_record: MakeRecord, given: dict[str, Any], tag: str, wanted: str) -> None:
    run = results(RUN, make_record(**given))
    assert any(wanted in text for text in head(run)["tags"])
    assert tag in [one for _, tags in drawn(run)["rows"][0]["names"] for one in tags]


def test_nothing_is_marked_that_is_real(make_record: MakeRecord) -> None:
    run = results(RUN, make_record())
    assert (head(run)["tags"], [tags for _, tags in drawn(run)["rows"][0]["names"]]) == ([], [[], []])


def test_a_number_has_its_raw_value_and_an_f1_its_interval(make_record: MakeRecord) -> None:
    (row,) = drawn(results(RUN, make_record(macro_f1=0.9, seed=0), make_record(macro_f1=0.8, seed=1)))["rows"]
    f1, trainable = row["numbers"][:2]
    assert (f1["value"], f1["text"], f1["std"]) == ("0.85", "0.8500", "0.0707")
    assert f1["interval"] == "0.2147 to 1.0000, n=2"
    assert (trainable["value"], trainable["text"]) == ("887042", "0.89")


def test_what_is_unknown_has_no_value(make_record: MakeRecord) -> None:
    (row,) = drawn(results(RUN, make_record("oom")))["rows"]
    assert {(cell["value"], cell["text"]) for cell in row["numbers"]} == {(None, "–")}
    assert (row["status"], row["stamp"]) == ("oom in train", "")


def test_a_row_leads_to_its_cell_or_its_cells(make_record: MakeRecord) -> None:
    one, two, three = (
        make_record(),
        make_record(method="B", method_name="b"),
        make_record(method="B", method_name="b", seed=1),
    )
    alone, several = drawn(results(RUN, one, two, three))["rows"]
    assert (alone["address"], several["address"]) == (f"cell={one.cell_id}", f"row={two.cell.row_id}")


def test_filters_are_for_what_differs(make_record: MakeRecord) -> None:
    run = results(
        RUN, make_record(), make_record(method="B", method_name="b"), make_record("oom", method="C", method_name="c")
    )
    found = {one["name"]: one["options"] for one in drawn(run)["filters"]}
    assert found == {"method": ["LoRA", "B", "C"], "validity": ["valid", "–"], "status": ["ok", "oom in train"]}


def test_several_runs_have_a_column_for_the_machine(make_record: MakeRecord) -> None:
    one, other = results(RUN, make_record()).runs[0], results(RUN, make_record(device="cuda")).runs[0]
    found = drawn(Results((one, other)))
    assert [head["lines"] for head in found["heads"][:4]] == [["Method"], ["Dataset"], ["Model"], ["Machine"]]
    assert [row["names"][2][0] for row in found["rows"]] == ["AMD EPYC 7B13, 2 cores", "NVIDIA H200"]


def test_each_cell_has_its_own_numbers(make_record: MakeRecord) -> None:
    run = results(RUN, make_record(macro_f1=0.9), make_record("oom", seed=1))
    (row,) = embedded(run, rows(run, significances_of(run)))
    assert [len(each) for each in row["each"]] == [len(quantities(run)) + 2] * 2
    assert (row["each"][0][0], row["each"][0][-1], set(row["each"][1][:-1])) == ("0.9000", "ok", {"–"})
    assert any("oom in train: out of memory" in note for note in row["notes"])


SECONDS = {"warm-up": 2, "train": 5, "save": 9}
PHASE = {"peak_host_bytes": None, "peak_cuda_allocated_bytes": None, "peak_cuda_reserved_bytes": None}


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"phases": [{"name": name, "seconds": seconds} | PHASE for name, seconds in SECONDS.items()]}, 7.0),
        ({"phases": []}, None),
        ({"training": None}, None),
        ({"training": None, "parameters": {"trainable_params": 0, "total_params": 9, "logical_params": 9}}, 0.0),
        ({"training": {"steps": 1, "samples": 1, "final_loss": 1, "speed": None, "train_seconds": 4.0}}, 4.0),
    ],
)  # fmt: skip
def test_seconds_of_training(make_record: MakeRecord, fields: dict[str, Any], wanted: float | None) -> None:
    assert train_seconds(make_record(fields=fields)) == wanted
