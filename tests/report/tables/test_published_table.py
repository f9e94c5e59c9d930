"""Published numbers beside measured ones: what is said of each, and a reason for every dash."""

import csv
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.record.record import Record
from bench.report.analysis.f1_significance import F1Significance
from bench.report.analysis.stacked import reader
from bench.report.published import Published, find, load
from bench.report.tables.merged import merged
from bench.report.tables.published_table import build
from bench.report.tables.published_verdicts import NOT_PRINTED
from bench.report.tables.render import files
from bench.report.tables.scores import NO_INTERVAL
from bench.report.tables.table import Table
from tests.report.conftest import MakeRecord
from tests.report.predicted import Cells, flipped, results, study

HEADER = "dataset,model,method,f1,trainable_params_million,total_params_million,throughput_samples_per_second,gflops"
LORA = "imdb,roberta-base,lora,0.9310,0.89,125.53,600,46.05"
NAMES: dict[str, Any] = {"dataset_name": "imdb", "model_name": "roberta-base", "method_name": "lora"}


@pytest.fixture(scope="module")
def paper() -> Published:
    return load(find("paper"))


def run_json(**tables: Any) -> dict[str, Any]:
    return {"study": study(**tables), "command": "", "written_at": "", "cell_ids": []}


def table_of(published: Published, *records: Record, **tables: Any) -> Table:
    found = build(results(run_json(**tables), *records).runs[0], [published])
    assert found is not None
    return found


def printed(folder: Path, *lines: str) -> Published:
    """A publication of these lines of csv, a table as a publication's folder has it."""
    path = folder / "printed.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return load(path)


def cells(table: Table, row: int = 0) -> dict[str, str]:
    names = [*table.heads, *(column.name for column in table.columns)]
    return {name: text for name, (text, _) in zip(names, table.shown()[row], strict=True)}


def reasons(table: Table, row: int = 0) -> dict[str, list[str]]:
    texts = {note.mark: note.text for note in table.footnotes}
    return {name: [texts[mark] for mark in marks] for (at, name), marks in table.marks.items() if at == row}


def with_flops(record: Record, forward_flops: int) -> Record:
    content = record.model_dump()
    return Record.model_validate(content | {"flops": content["flops"] | {"forward_flops": forward_flops}})


def test_a_row_as_published(paper: Published, make_record: MakeRecord) -> None:
    records = [make_record(**NAMES, seed=seed, macro_f1=0.93 + 0.001 * seed) for seed in (0, 1, 2)]
    table = table_of(paper, *records, make_record(method_name="no_such_method"))
    assert len(table.frame) == 1
    assert cells(table) == {
        "dataset": "IMDb", "model": "RoBERTa", "method": "LoRA",
        # Student's t of two degrees of freedom: 4.303 deviations of 0.001 over the root of 3.
        "published_macro_f1": "0.9310", "macro_f1": "0.9310 ± 0.0010 (n=3)", "macro_f1_interval": "0.9285 to 0.9335",
        "macro_f1_verdict": "inside",
        "published_trainable_params": "0.89 M", "trainable_params": "0.89", "trainable_params_verdict": "exact",
        "published_total_params": "125.53 M", "total_params": "125.53", "total_params_verdict": "exact",
        "published_forward_gflops": "46.05 GFLOPs", "forward_gflops": "46.05", "forward_gflops_verdict": "exact",
        "published_inference_samples_per_second": "659.302 samples/s", "inference_samples_per_second": "300.0 ± 0.0",
        "inference_samples_per_second_ratio": "0.46",
        "published_peak_train_mb": "1512.8 MiB", "peak_train_mb": "1512.8", "peak_train_mb_ratio": "0.95",
    }  # fmt: skip
    (row,) = table.frame.to_dict("records")
    assert (row["published_macro_f1"], row["published_total_params"]) == (0.931, 125_530_000)
    assert row["inference_samples_per_second_ratio"] == pytest.approx(300 / 659.302)
    assert row["total_params_difference"] == pytest.approx(125_530_000 / 125_534_212 - 1)
    assert row["sequence_length"] == 256
    assert pd.isna(row["published_sequence_length"])
    assert (table.name, table.title) == ("published", "Run: beside published tables")
    assert [title for title, _ in table.grids] == ["Quality", "Parameters and GFLOPs", "Throughput and peak memory"]
    assert "Not stated with the published numbers: sequence length, batch size, precision." in table.caption
    assert table.footnotes[-1].text.startswith("Published: Mixture-of-Experts for sentiment analysis")


def test_ratios_say_that_devices_differ(paper: Published, make_record: MakeRecord) -> None:
    on_cpu, on_gpu = (table_of(paper, make_record(**NAMES, device=device)) for device in ("cpu", "cuda"))
    for column in ("inference_samples_per_second_ratio", "peak_train_mb_ratio"):
        assert reasons(on_cpu)[column][0].startswith(
            "measured on CPU AMD EPYC 7B13, published for a device that is not"
        )
        assert reasons(on_gpu)[column][0].startswith("measured on GPU NVIDIA H200, published for")


def test_rows_that_are_not_published_give_no_table(paper: Published, make_record: MakeRecord) -> None:
    run = results(run_json(), make_record(dataset_name="sst5", model_name="minilm", method_name="lora")).runs[0]
    assert build(run, [paper]) is None
    assert build(run, []) is None


@pytest.mark.parametrize(
    ("f1", "verdict"), [("0.9310", "inside"), ("0.9335", "inside"), ("0.9336", "outside"), ("0.9284", "outside")]
)
def test_a_published_f1_has_its_rounding(f1: str, verdict: str, tmp_path: Path, make_record: MakeRecord) -> None:
    records = [make_record(**NAMES, seed=seed, macro_f1=0.93 + 0.001 * seed) for seed in (0, 1, 2)]
    table = table_of(printed(tmp_path, "dataset,model,method,f1", f"imdb,roberta-base,lora,{f1}"), *records)
    assert cells(table)["macro_f1_verdict"] == verdict
    assert table.grids == ()  # one grid is wide enough
    assert "exact where" not in table.caption


def test_one_seed_has_the_interval_of_its_texts_or_none(
    paper: Published, make_record: MakeRecord, tmp_path: Path
) -> None:
    cell = Cells(make_record, tmp_path).measured(flipped(0, 5), **NAMES)
    run = results(run_json(), cell).runs[0]
    table = table_of(paper, make_record(**NAMES))
    assert (cells(table)["macro_f1_interval"], cells(table)["macro_f1_verdict"]) == ("–", "–")
    assert reasons(table)["macro_f1_verdict"] == reasons(table)["macro_f1_interval"] == [NO_INTERVAL]
    judged = build(run, [paper], F1Significance(run.records, reader(run.cells)))
    assert judged is not None
    assert cells(judged)["macro_f1_verdict"] == "inside"


@pytest.mark.parametrize(
    ("total", "said"),
    [
        ("125.53", "exact"), ("125.54", "within 5%: +0.00461%"), ("119.30", "within 5%: -4.97%"),
        ("119.20", "differs: -5.05%"), ("1000", "differs: +697%"), ("1400", "differs: more than tenfold"),
    ],
)  # fmt: skip
def test_digits(total: str, said: str, tmp_path: Path, make_record: MakeRecord) -> None:
    published = printed(
        tmp_path, "dataset,model,method,total_params_million", f"imdb,roberta-base,lora,{total}"
    )  # fmt: skip
    assert cells(table_of(published, make_record(**NAMES)))["total_params_verdict"] == said


def test_nothing_measured_or_nothing_published(tmp_path: Path, make_record: MakeRecord) -> None:
    header = "dataset,model,method,trainable_params,total_params,throughput_samples_per_second"
    lines = ["imdb,roberta-base,zero,,5,0", "imdb,roberta-base,lora,7,5,5"]
    content = make_record(**NAMES | {"method_name": "zero"}).model_dump()
    content["parameters"]["trainable_params"] = 0
    table = table_of(
        printed(tmp_path, header, *lines), Record.model_validate(content), make_record("oom", **NAMES), models={}
    )
    assert (cells(table)["published_trainable_params"], cells(table)["trainable_params_verdict"]) == ("–", "–")
    assert reasons(table)["published_trainable_params"] == reasons(table)["trainable_params_verdict"] == [NOT_PRINTED]
    assert reasons(table)["inference_samples_per_second_ratio"] == ["the published number is 0"]
    failed = cells(table, 1)
    assert (failed["published_total_params"], failed["total_params"], failed["total_params_verdict"]) == (
        "5 parameters", "–", "–",
    )  # fmt: skip
    assert reasons(table, 1)["total_params_verdict"] == ["oom in train: out of memory"]


def test_f1_counts_a_seed_once_however_often_it_was_measured(paper: Published, make_record: MakeRecord) -> None:
    record = make_record(**NAMES)
    again = record.model_copy(update={"cell": record.cell.model_copy(update={"repeat": 1})})
    assert cells(table_of(paper, record, again))["macro_f1"].endswith("(n=1)")


def test_every_dash_has_a_reason(paper: Published, make_record: MakeRecord) -> None:
    llama = {"dataset_name": "imdb", "model_name": "llama-3-8b-instruct", "kind": "causal"}
    table = table_of(
        paper, make_record(**NAMES), make_record("oom", **NAMES | {"method_name": "bitfit"}),
        make_record(**NAMES | {"method_name": "full_ft"}, weights="random", scale="tiny"),
        make_record(**NAMES | {"method_name": "moe"}, synthetic=True),
        make_record(**llama, method_name="zero_shot"), make_record(**llama, method_name="lora", weights="random"),
    )  # fmt: skip
    assert len(table.frame) == 6
    for at in range(len(table.frame)):
        dashes = [name for name, text in cells(table, at).items() if text == "–"]
        assert [name for name in dashes if not reasons(table, at).get(name)] == []


def test_random_weights_have_no_f1_and_all_else(paper: Published, make_record: MakeRecord) -> None:
    table = table_of(paper, make_record(**NAMES, weights="random"))
    assert (cells(table)["macro_f1_verdict"], cells(table)["forward_gflops_verdict"]) == ("–", "exact")
    assert reasons(table)["macro_f1_verdict"] == ["random weights have no quality worth reading"]
    assert reasons(table)["model"] == ["random weights: the architecture alone, nothing pretrained"]


def test_a_model_cut_to_a_tiny_one_is_compared_in_nothing(paper: Published, make_record: MakeRecord) -> None:
    table = table_of(paper, make_record(**NAMES, scale="tiny"))
    judged = {name: text for name, text in cells(table).items() if name.endswith(("_verdict", "_ratio"))}
    assert (set(judged.values()), len(judged)) == ({"–"}, 6)
    for name in judged:
        assert reasons(table)[name][0].startswith("not comparable: tiny")


@pytest.mark.parametrize("given", [{"synthetic": True}, {"dataset_kind": "profile"}])
def test_other_texts_have_another_f1(given: dict[str, Any], paper: Published, make_record: MakeRecord) -> None:
    table = table_of(paper, *(make_record(**NAMES, **given, seed=seed) for seed in (0, 1)))
    assert cells(table)["macro_f1_interval"] == "0.9300 to 0.9300"
    assert cells(table)["macro_f1_verdict"] == "–"
    assert reasons(table)["macro_f1_verdict"][0].startswith("not comparable: measured on texts that are not")
    assert cells(table)["total_params_verdict"] == "exact"


class TestLengths:
    """GFLOPs are comparable at one sequence length."""

    def verdict(self, table: Table, row: int = 0) -> tuple[str, str]:
        name = "forward_gflops_verdict"
        return cells(table, row)[name], "; ".join(reasons(table, row).get(name, []))

    def test_stated_and_the_same(self, tmp_path: Path, make_record: MakeRecord) -> None:
        published = printed(tmp_path, f"{HEADER},sequence_length", f"{LORA},256")
        assert self.verdict(table_of(published, make_record(**NAMES))) == ("exact", "")
        more = with_flops(make_record(**NAMES), 60_000_000_000)
        assert self.verdict(table_of(published, more)) == ("differs: -23.2%", "")

    def test_stated_and_another(self, tmp_path: Path, make_record: MakeRecord) -> None:
        published = printed(tmp_path, f"{HEADER},sequence_length", f"{LORA},128")
        table = table_of(published, make_record(**NAMES))
        assert self.verdict(table) == ("–", "published for 128 tokens, measured for 256")
        assert reasons(table)["method"] == ["published under other conditions: sequence length 128 (here 256)"]

    def test_not_stated_and_nothing_agrees(self, paper: Published, make_record: MakeRecord) -> None:
        shorter = with_flops(make_record(**NAMES, max_length=128), 23_000_000_000)
        said, why = self.verdict(table_of(paper, shorter))
        assert said == "–"
        assert why == (
            "not comparable: measured for 128 tokens; no length is stated with the published number, and none of this "
            "dataset and model agrees"
        )

    def test_not_stated_and_others_agree(self, paper: Published, make_record: MakeRecord) -> None:
        moe = with_flops(make_record(**NAMES | {"method_name": "moe"}), 48_322_000_000)
        said, why = self.verdict(table_of(paper, make_record(**NAMES), moe), 1)
        assert said == "differs: -14%"
        assert why.endswith("with the published number, but others of this dataset and model agree to the digit")
        assert self.verdict(table_of(paper, moe))[0] == "–"
        longer = make_record(**NAMES, max_length=512)
        assert self.verdict(table_of(paper, longer, moe), 1)[0] == "–"  # that agrees is of another length


def test_conditions_that_differ_are_said(tmp_path: Path, make_record: MakeRecord) -> None:
    published = printed(tmp_path, f"{HEADER},batch_size,precision_mode", f"{LORA},32,bf16")
    content = make_record(**NAMES).model_dump()
    content["cell"]["data"] |= {
        "max_train_samples": 1000, "max_evaluation_samples": 500, "evaluate_split": "validation",
    }  # fmt: skip
    table = table_of(published, Record.model_validate(content), datasets={"imdb": {"path": "mine"}})
    found = reasons(table)
    assert found["method"] == ["published under other conditions: batch size 32 (here 16), precision bf16 (here fp32)"]
    assert found["macro_f1"] == [
        "measured with at most 1000 train texts and at most 500 evaluated texts and the validation split"
    ]
    assert found["dataset"] == ["defined by the study itself: it may be another than the published one"]
    assert "Not stated with the published numbers: sequence length." in table.caption


def test_a_model_that_varies_the_published_one(paper: Published, make_record: MakeRecord) -> None:
    record = make_record(**NAMES | {"model_name": "roberta-base-random"}, weights="random")
    models: Mapping[str, Any] = {"roberta-base-random": {"base": "roberta-base", "weights": "random"}}
    table = table_of(paper, record, models=models)
    assert cells(table)["total_params_verdict"] == "exact"
    assert "beside the published rows of roberta-base, which it varies" in reasons(table)["model"]


def test_a_row_that_several_tables_have(paper: Published, make_record: MakeRecord) -> None:
    table3 = next(table for table in paper.tables if table.compare)
    twice = replace(paper, tables=(table3, replace(table3, name="other", title="Other")))
    table = table_of(twice, *(make_record(**NAMES, seed=seed) for seed in (0, 1)))
    shown = [cells(table, at) for at in (0, 1)]
    assert [row["published_in"].rsplit(", ", 1)[1] for row in shown] == ["Table 3: quality and resources", "Other"]
    assert [row["macro_f1_verdict"] for row in shown] == ["outside", "outside"]
    assert "published_in" not in cells(table_of(paper, make_record(**NAMES)))


def test_of_several_runs(paper: Published, make_record: MakeRecord) -> None:
    llama = {"dataset_name": "imdb", "model_name": "llama-3-8b-instruct", "kind": "causal", "method_name": "zero_shot"}
    runs = [make_record(**NAMES), make_record(**NAMES, device="cuda"), make_record(**llama)]
    tables = [(str(at), table_of(paper, record)) for at, record in enumerate(runs)]
    found = merged(tables)
    assert [cells(found, at)["machine"] for at in range(3)] == ["0", "1", "2"]
    assert [cells(found, at)["total_params_verdict"] for at in range(3)] == [
        "exact",
        "exact",
        "differs: more than tenfold",
    ]
    shown = [column.name for _, columns in found.grids for column in columns]
    assert shown == [column.name for column in tables[2][1].columns]


def test_files(paper: Published, make_record: MakeRecord) -> None:
    found = files(table_of(paper, make_record(**NAMES, method="=LoRA|<b>")), ("md", "csv", "tex"))
    assert list(found) == ["published.md", "published.csv", "published.tex"]
    assert "=LoRA&#124;&lt;b&gt;" in found["published.md"].decode()
    (row,) = csv.DictReader(found["published.csv"].decode().splitlines())
    assert (row["method"], row["published_total_params_printed"], row["sequence_length"]) == (
        "'=LoRA|<b>",
        "125.53 M",
        "256",
    )
