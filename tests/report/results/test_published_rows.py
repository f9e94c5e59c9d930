"""Which rows a run and published tables share."""

from dataclasses import replace

import pytest

from bench.report.published import Published, find, load
from bench.report.results.published_rows import both, used
from tests.report.conftest import MakeRecord
from tests.report.predicted import results, study

RUN = {"study": study(), "command": "", "written_at": "", "cell_ids": []}
NAMES = {"dataset_name": "imdb", "model_name": "roberta-base"}


@pytest.fixture(scope="module")
def paper() -> Published:
    return load(find("paper"))


def test_rows_come_in_the_order_of_the_run(paper: Published, make_record: MakeRecord) -> None:
    methods = ("moe", "other", "lora", "moe")
    records = [make_record(**NAMES, method_name=name, seed=seed) for seed, name in enumerate(methods)]
    found = both(results(RUN, *records).runs[0], [paper])
    assert [(one.printed.printed[2], len(one.records), one.base) for one in found] == [("MoE", 2, ""), ("LoRA", 1, "")]
    # Table 2 and Table 4 have a row of it too, but serve the findings of an audit alone.
    assert {one.table.name for one in found} == {"table3"}


@pytest.mark.parametrize("part", ["dataset_name", "model_name", "method_name"])
def test_every_name_counts(part: str, paper: Published, make_record: MakeRecord) -> None:
    names = NAMES | {"method_name": "lora"}
    assert len(both(results(RUN, make_record(**names)).runs[0], [paper])) == 1
    assert both(results(RUN, make_record(**names | {part: "other"})).runs[0], [paper]) == []


def test_a_model_stands_for_the_one_that_it_varies(paper: Published, make_record: MakeRecord) -> None:
    models = {"small": {"base": "roberta-base"}, "roberta-base": {"base": None}}
    records = [make_record(**NAMES | {"model_name": name}, method_name="lora") for name in ("small", "roberta-base")]
    found = both(results(RUN | {"study": study(models=models)}, *records).runs[0], [paper])
    assert [one.base for one in found] == ["roberta-base", ""]


def test_what_is_used_is_kept(paper: Published, make_record: MakeRecord) -> None:
    records = (make_record(**NAMES, method_name=name) for name in ("lora", "moe", "other"))
    run = results(RUN, *records)
    (published,) = used(run, [paper, replace(paper, name="none", tables=())])
    assert [(table.name, [row.printed[2] for row in table.rows]) for table in published.tables] == [
        ("table3", ["LoRA", "MoE"])
    ]
    assert used(run, [published]) == (published,)


def test_nothing_used_is_nothing_kept(paper: Published, make_record: MakeRecord) -> None:
    run = results(RUN, make_record(dataset_name="imdb", model_name="minilm", method_name="lora"))
    assert used(run, [paper]) == ()
