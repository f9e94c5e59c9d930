"""What a step holds, against sums by hand: every allocation of known size within 1 %."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.data.batches import Batch
from bench.method import Options
from bench.study.settings import TrainSettings
from bench.train.loop import TrainStep, autocast
from bench.train.memory import TRAINING_PARTS, Held, Part, hold_batch, inference_peak, tracker_of, training_peaks
from tests.train.support import CPU, Everything

pytestmark = pytest.mark.usefixtures("one_thread")
WORDS, WIDTH, CLASSES = 20_000, 64, 2
SIZE, LENGTH = 16, 256
#: Bytes in fp32 of the table and the head, of the embedded batch, and of its token ids and labels.
TABLE, HEAD = 4 * WORDS * WIDTH, 4 * (WIDTH * CLASSES + CLASSES)
EMBEDDED, IDS = 4 * SIZE * LENGTH * WIDTH, 8 * SIZE * LENGTH + 8 * SIZE


class MeanOfWords(nn.Module):
    """The mean of embedded words, through one linear layer."""

    def __init__(self, frozen_table: bool = False) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, CLASSES)
        self.table.requires_grad_(not frozen_table)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None) -> SimpleNamespace:
        return SimpleNamespace(logits=self.head(self.table(input_ids).mean(dim=1)))


def batch() -> Batch:
    ids = torch.arange(SIZE * LENGTH).view(SIZE, LENGTH)
    return Batch(ids, None, torch.zeros(SIZE, dtype=torch.int64), np.arange(SIZE), ids.numel())


def steps(model: nn.Module, count: int, device: str = "cpu") -> dict[Part, Held]:
    """Peaks of the last of so many steps."""
    step = TrainStep(model, Everything(Options()), 10, TrainSettings(), autocast(CPU, torch.float32))
    tracker, texts = tracker_of(model, device), batch()
    hold_batch(tracker, texts)
    peaks: dict[Part, Held] = {}
    for _ in range(count):
        peaks = training_peaks(step, texts, tracker, nullcontext)
    assert tuple(peaks) == TRAINING_PARTS
    return peaks


class TestTraining:
    def test_of_all_weights_by_hand(self) -> None:
        """Each part of the second step, in which the optimizer's state is in place."""
        peaks, weights = steps(MeanOfWords(), 2), TABLE + HEAD
        sums = {part: sum(held.values()) for part, held in peaks.items()}
        standing = weights + 2 * weights + IDS  # AdamW keeps two moments
        assert sums["forward"] == pytest.approx(standing + EMBEDDED, rel=0.01)
        assert sums["backward"] == pytest.approx(standing + EMBEDDED + TABLE, rel=0.01)
        assert sums["update"] == pytest.approx(standing + weights, rel=0.01)

    def test_kinds_by_hand(self) -> None:
        held = steps(MeanOfWords(), 2)["update"]
        assert held["weights"] == held["gradients"] == TABLE + HEAD
        assert held["optimizer_state"] == 2 * (TABLE + HEAD) + 3 * 4  # and a count of steps for each tensor
        assert held["activations"] == pytest.approx(IDS, rel=0.01)
        assert steps(MeanOfWords(), 2)["forward"]["activations"] == pytest.approx(EMBEDDED + IDS, rel=0.01)

    def test_the_first_step_makes_the_state(self) -> None:
        first, second = steps(MeanOfWords(), 1), steps(MeanOfWords(), 2)
        state = 2 * (TABLE + HEAD)
        difference = sum(second["forward"].values()) - sum(first["forward"].values())
        assert difference == pytest.approx(state, rel=0.01)
        assert sum(first["update"].values()) == pytest.approx(sum(second["update"].values()), rel=0.01)

    def test_a_frozen_table_has_neither_gradient_nor_state(self) -> None:
        peaks = steps(MeanOfWords(frozen_table=True), 2)
        assert peaks["update"]["weights"] == TABLE + HEAD
        assert peaks["update"]["gradients"] == HEAD
        assert peaks["update"]["optimizer_state"] == 2 * HEAD + 2 * 4
        assert sum(peaks["backward"].values()) == pytest.approx(TABLE + IDS + 4 * SIZE * WIDTH, rel=0.01)

    def test_hooks_are_gone_afterwards(self) -> None:
        model = MeanOfWords()
        steps(model, 2)
        assert not any(parameter._post_accumulate_grad_hooks for parameter in model.parameters())

    def test_cuda_s_allocator_hands_out_blocks(self) -> None:
        """A bias of 8 bytes takes 512."""
        held = steps(MeanOfWords(), 2, "cuda")["update"]
        assert held["weights"] == TABLE + 512 + 512


class TestInference:
    @pytest.mark.parametrize("mib", [1, 64])
    def test_a_block_of_known_size(self, mib: int) -> None:
        model = MeanOfWords()
        tracker, texts = tracker_of(model, "cpu"), batch()
        hold_batch(tracker, texts)

        def score(shown: Batch) -> Tensor:
            return torch.ones(mib * 2**20 // 4).sum()

        held = inference_peak(score, texts, tracker, nullcontext)
        assert held["activations"] == pytest.approx(mib * 2**20 + IDS, rel=1e-3)
        assert sum(held.values()) == pytest.approx(TABLE + HEAD + IDS + mib * 2**20, rel=1e-3)

    def test_what_is_let_go_is_not_held(self) -> None:
        """Four blocks one after another are one block at a time."""
        model = MeanOfWords()
        tracker = tracker_of(model, "cpu")

        def score(shown: Batch) -> None:
            for _ in range(4):
                torch.ones(2**20)

        assert inference_peak(score, batch(), tracker, nullcontext)["activations"] == 4 * 2**20

    def test_what_is_entered_around_is_entered_while_operators_run(self) -> None:
        entered: list[str] = []

        @contextmanager
        def around() -> Iterator[None]:
            entered.append("in")
            yield
            entered.append("out")

        def score(shown: Batch) -> None:
            assert entered == ["in"]
            assert not torch.is_grad_enabled()

        inference_peak(score, batch(), tracker_of(MeanOfWords(), "cpu"), around)
        assert entered == ["in", "out"]
