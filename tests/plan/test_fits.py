"""Which cells fit a card, and the batch that would."""

import math
from collections.abc import Callable

import pytest

from bench.errors import StudyError
from bench.plan.fits import CONTEXT_BYTES, FULL_TRAINING_SLACK, OTHER_SLACK, Fit, fit, parse_size, reserved_bytes
from bench.plan.row import PlanRow
from bench.record.memory_breakdown import MemoryBreakdown

WEIGHTS, A_SEQUENCE = 1000, 10


def breakdown(size: int) -> MemoryBreakdown:
    return MemoryBreakdown.of_tensors("train", {"weights": size})


def row(batch: int, *, trains: bool = True, inference: int = 1, known: bool = True) -> PlanRow:
    """A row whose peaks grow by A_SEQUENCE bytes a sequence; of inference half of that."""
    facts = dict.fromkeys(("dataset", "model", "method", "dataset_label", "model_label", "method_label"), "x")
    return PlanRow.model_validate(
        facts
        | {
            "trains": trains, "num_labels": 2, "sequence_length": 8, "batch_size": batch,
            "inference_batch_size": inference, "device": "cuda", "precision": "bf16",
            "train_memory": breakdown(WEIGHTS + A_SEQUENCE * batch) if known and trains else None,
            "inference_memory": breakdown(WEIGHTS + A_SEQUENCE * inference // 2) if known else None,
        }
    )  # fmt: skip


def limit(batch: int) -> int:
    """Exactly what training with this batch takes."""
    return CONTEXT_BYTES + math.ceil((WEIGHTS + A_SEQUENCE * batch) * (1 + OTHER_SLACK))


class TestParseSize:
    @pytest.mark.parametrize(
        ("text", "size"),
        [
            ("24GB", 24 * 10**9), ("23.5GiB", int(23.5 * 2**30)), ("23.5 gib", int(23.5 * 2**30)),
            (" 80 gb ", 80 * 10**9), ("512MiB", 512 * 2**20), ("1.5MB", 1_500_000),
        ],
    )  # fmt: skip
    def test_reads_a_number_and_its_unit(self, text: str, size: int) -> None:
        assert parse_size(text) == size

    @pytest.mark.parametrize(
        "text",
        [
            "", " ", "24", "GB", "-1GB", "0GB", "0.0 GiB", "24 parsecs", "24GBit", "24B", "1e3GB", "1,5GB", "nanGB",
            "infGB", "24 GB please", "²GB", "0.0000001MB", "9" * 400 + "GB",
        ],
    )  # fmt: skip
    def test_refuses_anything_else_and_shows_the_way(self, text: str) -> None:
        with pytest.raises(StudyError, match=r"--fits must be a size such as 24GB, with one of GB, GiB, MB, MiB, got"):
            parse_size(text)

    def test_a_long_text_is_cut_in_the_message(self) -> None:
        with pytest.raises(StudyError) as refused:
            parse_size("x" * 5000)
        assert len(str(refused.value)) < 200


class TestFit:
    def test_a_row_within_the_limit_keeps_its_batch(self) -> None:
        assert fit(row(32), limit(32), row) == Fit(limit(32), True, 32)

    @pytest.mark.parametrize("batch", [1, 2, 3, 7, 16, 30, 31])
    def test_else_the_largest_batch_that_does(self, batch: int) -> None:
        for spare in (0, A_SEQUENCE - 1):
            assert fit(row(32), limit(batch) + spare, row) == Fit(limit(batch) + spare, False, batch)

    def test_not_even_one_sequence(self) -> None:
        assert fit(row(32), limit(1) - 1, row) == Fit(limit(1) - 1, False, 0)
        assert fit(row(1), limit(1) - 1, row) == Fit(limit(1) - 1, False, 0)

    @pytest.mark.parametrize(("share", "slack"), [(0.01, OTHER_SLACK), (1, FULL_TRAINING_SLACK)])
    def test_the_allocator_reserves_more_where_all_is_trained(self, share: float, slack: float) -> None:
        counts = {"total_params": 1000, "trainable_params": int(1000 * share)}
        trained, predicts = (row(10**6, trains=trains).model_copy(update=counts) for trains in (True, False))
        assert reserved_bytes(trained) == math.ceil((WEIGHTS + A_SEQUENCE * 10**6) * (1 + slack))
        assert reserved_bytes(predicts) == math.ceil((WEIGHTS + A_SEQUENCE // 2) * (1 + OTHER_SLACK))

    def test_the_context_counts(self) -> None:
        assert fit(row(4), WEIGHTS + 4 * A_SEQUENCE, row).largest_batch_size == 0

    def test_inference_counts_too(self) -> None:
        def at(batch: int) -> PlanRow:
            return row(batch, inference=min(batch, 100))

        given = row(4, inference=100)
        assert fit(given, limit(4), at) == Fit(limit(4), False, 4)
        assert fit(given, limit(50), at) == Fit(limit(50), True, 4)

    def test_where_nothing_is_trained_it_is_inference_alone(self) -> None:
        def at(batch: int) -> PlanRow:
            return row(32, trains=False, inference=batch)

        assert fit(at(8), limit(4), at) == Fit(limit(4), True, 8)
        assert fit(at(8), limit(2), at) == Fit(limit(2), False, 4)

    def test_without_a_peak_nothing_is_known(self) -> None:
        def never(batch: int) -> PlanRow:
            raise AssertionError(batch)

        assert fit(row(32, known=False), limit(32), never) == Fit(limit(32), None, None)

    def test_tries_few_batches(self) -> None:
        tried = []

        def at(batch: int) -> PlanRow:
            tried.append(batch)
            return row(batch)

        asked: Callable[[int], PlanRow] = at
        assert fit(row(4096), limit(777), asked).largest_batch_size == 777
        assert len(tried) <= 13
