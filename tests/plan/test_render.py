"""A plan as csv, JSON and a table."""

import csv
import io
import json
from typing import Any

import pytest
from rich.console import Console

from bench.plan.fits import Fit
from bench.plan.render import plan_table, to_json
from bench.plan.row import PlanRow
from bench.record.memory_breakdown import MemoryBreakdown
from bench.text.tables import csv_text, terminal

FIRST = [
    "dataset", "model", "method", "trainable_params", "total_params", "logical_params", "forward_gflops",
    "train_gflops", "predicted_train_peak_bytes", "predicted_inference_peak_bytes",
]  # fmt: skip
TRAINING = MemoryBreakdown.of_tensors(
    "train",
    {"weights": 4_000_000_001, "gradients": 20, "optimizer_state": 300, "activations": 4000, "workspace": 50_000},
)
INFERENCE = MemoryBreakdown.of_tensors("train", {"weights": 7_000_000, "activations": 123_456})


def row(**changes: Any) -> PlanRow:
    facts: dict[str, Any] = {
        "dataset": "imdb", "model": "roberta-base", "method": "lora", "dataset_label": "IMDb",
        "model_label": "RoBERTa-base", "method_label": "LoRA", "num_labels": 2, "sequence_length": 256,
        "batch_size": 32, "inference_batch_size": 64, "device": "cuda", "precision": "bf16",
        "trainable_params": 887_042, "total_params": 125_534_212, "logical_params": 125_534_213,
        "forward_flops": 46_054_640_640, "train_flops": 93_664_453_632, "forward_flops_traced": 46_054_640_640,
        "forward_flops_closed_form": 46_054_640_640, "expert_flops": 0, "train_memory": TRAINING,
        "inference_memory": INFERENCE, "artifact_bytes": 3_548_168, "download_bytes": 496_220_160,
    }  # fmt: skip
    return PlanRow.model_validate(facts | changes)


def frozen(**changes: Any) -> PlanRow:
    unknown = {"train_flops": "nothing is trained", "train_memory": "nothing is trained"}
    return row(method="zero_shot", trains=False, train_flops=None, train_memory=None, unknown=unknown, **changes)


def unsupported(why: str, **changes: Any) -> PlanRow:
    numbers = [name for name, field in PlanRow.model_fields.items() if field.default is None and name != "unsupported"]
    return row(unsupported=why, **dict.fromkeys(numbers), **changes)


def table(*rows: PlanRow, width: int | None = None, fits: dict[int, Fit] | None = None, said: tuple[str, ...] = ()):
    """What is printed on a terminal of this width; into a pipe where none is given."""
    stream = io.StringIO()
    console = Console(
        file=stream, force_terminal=width is not None, width=width, color_system=None, legacy_windows=False
    )
    terminal.unfold(console)
    terminal.show(plan_table("Plan: a study", rows, fits or {}, said), console)
    return stream.getvalue()


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def to_csv(rows: list[PlanRow], fits: dict[int, Fit]) -> str:
    return csv_text.to_csv(plan_table("Plan", rows, fits))


class TestCsv:
    def test_first_columns_are_those_that_programs_rely_on(self) -> None:
        assert to_csv([row()], {}).splitlines()[0].split(",")[:10] == FIRST

    def test_numbers_are_whole_wherever_they_are_counts(self) -> None:
        [trained, asked] = read(to_csv([row(), frozen()], {}))
        assert trained["predicted_train_peak_bytes"] == str(TRAINING.peak_bytes)
        assert trained["predicted_train_weights_bytes"] == "4000000001"
        assert asked["predicted_inference_peak_bytes"] == "7123456"
        assert (trained["trainable_params"], trained["total_params"]) == ("887042", "125534212")
        assert (trained["forward_gflops"], trained["train_gflops"]) == ("46.05464064", "93.664453632")

    def test_what_is_unknown_is_empty_and_says_why(self) -> None:
        [_, asked] = read(to_csv([row(), frozen()], {}))
        assert (asked["train_gflops"], asked["predicted_train_peak_bytes"]) == ("", "")
        assert "train_flops: nothing is trained" in asked["remarks"]

    def test_a_row_that_is_unsupported_has_no_numbers(self) -> None:
        [_, out] = read(to_csv([row(), unsupported("it has no layers")], {}))
        assert (out["unsupported"], {out[name] for name in FIRST[3:]}) == ("it has no layers", {""})

    def test_fits_adds_columns_behind(self) -> None:
        fits = {0: Fit(24, True, 32), 1: Fit(24, False, 3), 2: Fit(24, None, None)}
        found = read(to_csv([row(), row(), unsupported("no")], fits))
        assert [(one["fits"], one["largest_batch_size"]) for one in found] == [("True", "32"), ("False", "3"), ("", "")]
        assert {one["limit_bytes"] for one in found} == {"24"}

    def test_a_negative_number_is_no_text(self) -> None:
        [found] = read(to_csv([row(download_bytes=-1)], {}))
        assert found["download_bytes"] == "-1"


class TestJson:
    def test_has_the_columns_of_the_csv(self) -> None:
        rows = [row(), frozen(), unsupported("no")]
        content = json.loads(to_json("s", plan_table("Plan", rows, {})))
        columns = to_csv(rows, {}).splitlines()[0].split(",")
        assert (content["study"], [list(one) for one in content["rows"]]) == ("s", [columns] * 3)
        assert content["rows"][0]["predicted_train_peak_bytes"] == TRAINING.peak_bytes
        assert content["rows"][1]["train_gflops"] is None
        assert content["rows"][2]["trainable_params"] is None


class TestTable:
    NUMBERS = ("0.89", "125.53", "46.05", "93.66", "4000.1", "7.1")

    @pytest.mark.parametrize("width", [40, 80, 100, 125, 150, 220, None])
    def test_cuts_no_number_and_no_name(self, width: int | None) -> None:
        long = row(model_label="A model whose name is much longer than any terminal would like it to be")
        lines = table(row(), long, frozen(), width=width, fits=dict.fromkeys(range(3), Fit(1, False, 17))).splitlines()
        for words in (*self.NUMBERS, "batch 17", "LoRA", "IMDb"):
            assert any(f" {words} " in f" {line} " for line in lines), (words, lines)
        assert "…" not in "".join(lines)
        end = next(at for at, line in enumerate(lines) if line.startswith("FLOPs:"))
        assert width is None or max(map(len, lines[:end])) <= width

    def test_a_narrow_terminal_names_what_it_leaves_out(self) -> None:
        assert "More columns: a wider terminal, or --format csv." in table(row(), width=90)
        for width in (160, None):
            shown = table(row(), width=width)
            assert "More columns" not in shown
            assert "496.2" in shown

    def test_into_a_pipe_it_has_no_escape_codes_and_folds_no_sentence(self) -> None:
        said = "word " * 60
        printed = table(row(), said=(said,))
        assert "\x1b" not in printed
        assert said.strip() in printed

    def test_says_what_the_numbers_hold_for(self) -> None:
        printed = table(row(), row(sequence_length=78, precision="fp32"))
        assert "sequence length 256, 78" in printed
        assert "batch size 32; inference batch size 64; precision bf16, fp32; device cuda." in printed
        assert "FLOPs: 2 per multiply-add, one sequence" in printed

    def test_says_the_same_of_several_rows_once(self) -> None:
        rows = [row(remarks=("odd",)), row(dataset_label="SST-5", remarks=("odd",)), unsupported("no biases")]
        lines = table(*rows).splitlines()
        assert [line for line in lines if line.endswith(": odd")] == [
            "IMDb / RoBERTa-base / LoRA; SST-5 / RoBERTa-base / LoRA: odd"
        ]
        assert "IMDb / RoBERTa-base / LoRA: unsupported: no biases" in lines

    def test_marks_what_fits(self) -> None:
        fits = {0: Fit(1, True, 32), 1: Fit(1, False, 5), 2: Fit(1, False, 0), 3: Fit(1, None, None)}
        rows = [row(method_label=f"Row{at}") for at in range(3)] + [unsupported("no", method_label="Row3")]
        for width in (110, 200, None):
            lines = table(*rows, fits=fits, width=width).splitlines()
            ends = [next(line for line in lines if f" Row{at} " in line).rstrip() for at in range(4)]
            for line, end in zip(ends, (" yes", " batch 5", " no", " –"), strict=True):
                assert line.endswith(end)
