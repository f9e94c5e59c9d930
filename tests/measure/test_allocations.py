"""Bytes of tensor storages, each counted once while it is alive."""

import pytest
import torch

from bench.measure.allocations import AllocationTracker

MIB = 2**20


def test_a_storage_counts_while_it_lives() -> None:
    with AllocationTracker() as tracker:
        block = torch.ones(MIB // 4)
        views = [block[:10], block.view(2, -1)]
        assert tracker.live["workspace"] == MIB
        del block
        assert tracker.live["workspace"] == MIB, "its views keep it"
        del views
        assert tracker.live["workspace"] == 0
    assert tracker.peak == {"workspace": MIB}


def test_a_new_peak_begins_at_what_lives() -> None:
    with AllocationTracker() as tracker:
        kept = torch.ones(MIB // 4)
        torch.ones(4 * MIB // 4)
        assert tracker.peak == {"workspace": 5 * MIB}
        tracker.restart_peak()
        assert tracker.peak == {"workspace": MIB}
        del kept


@pytest.mark.parametrize(("block_bytes", "held"), [(1, 516), (512, 1024)])
def test_an_allocation_is_rounded_up_to_blocks(block_bytes: int, held: int) -> None:
    with AllocationTracker(block_bytes) as tracker:
        _kept = torch.ones(129)
    assert tracker.peak == {"workspace": held}


def test_kinds_are_told_apart_and_can_be_told_later() -> None:
    weight = torch.ones(10)
    tracker = AllocationTracker()
    tracker.hold([weight, weight], "weights")
    with tracker, tracker.making("activations"):
        made = weight * 2
    assert tracker.live == {"weights": 40, "activations": 40}
    tracker.hold([made], "gradients")
    assert +tracker.live == {"weights": 40, "gradients": 40}


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch without oneDNN")
def test_a_tensor_in_the_layout_of_onednn_counts_too() -> None:
    """A tensor in oneDNN's layout has no accessible storage."""
    plain = torch.ones(64, 64)
    tracker = AllocationTracker()
    packed = plain.to_mkldnn()
    tracker.hold([packed], "weights")
    tracker.hold([packed], "weights")
    assert tracker.live["weights"] == 64 * 64 * 4
    del packed
    assert tracker.live["weights"] == 0
    with tracker:
        made = plain.to_mkldnn()
    assert tracker.live["workspace"] == made.numel() * 4
