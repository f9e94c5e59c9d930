"""The made-up GPU refuses what a real one refuses, and tells what was asked of it."""

import sys
from collections.abc import Iterator

import pytest
import torch

from tests.gpu.card import MIB, Card, Gpu
from tests.gpu.made_up import made_up_gpu

CUDA = torch.device("cuda", 0)


@pytest.fixture
def gpu() -> Iterator[Gpu]:
    with made_up_gpu() as made:
        yield made


def told(gpu: Gpu, name: str) -> list[str]:
    return [call.detail for call in gpu.log if call.name == name]


def test_nothing_is_left_of_it() -> None:
    before = (
        torch.cuda.is_available, torch.cuda.Event, torch.Event, torch.autocast.__init__, sys.modules.get("pynvml"),
    )  # fmt: skip
    with made_up_gpu():
        assert torch.cuda.is_available()
        assert torch.accelerator.current_accelerator() == torch.device("cuda")
    after = (torch.cuda.is_available, torch.cuda.Event, torch.Event, torch.autocast.__init__, sys.modules.get("pynvml"))
    assert (after, torch.zeros(1).device.type) == (before, "cpu")


class TestTensors:
    def test_lie_where_they_are_put(self, gpu: Gpu) -> None:
        host = torch.ones(4, 4)
        moved = host.to(CUDA)
        made = torch.zeros(4, 4, device="cuda:0")
        assert [t.device for t in (host, moved, made, moved @ made, moved.cpu())] == [
            torch.device("cpu"), CUDA, CUDA, CUDA, torch.device("cpu")
        ]  # fmt: skip
        moved += 1
        assert host.sum() == 16
        assert (moved.is_cuda, host.is_cuda, moved.get_device()) == (True, False, 0)

    def test_of_a_module_and_its_gradients(self, gpu: Gpu) -> None:
        layer = torch.nn.Linear(4, 4)
        weight = layer.weight
        layer.to("cuda")
        assert layer.weight is weight
        layer(torch.ones(2, 4, device=CUDA)).sum().backward()
        assert weight.grad is not None
        assert (weight.device, weight.grad.device) == (CUDA, CUDA)

    def test_of_two_memories_do_not_mix(self, gpu: Gpu) -> None:
        there = torch.ones(4, device=CUDA)
        with pytest.raises(RuntimeError, match="on the same device"):
            there + torch.ones(4)
        assert (there + torch.tensor(2.0)).device == CUDA  # a number may lie anywhere
        with pytest.raises(TypeError, match="copy it to the host"):
            there.numpy()

    def test_of_the_host_alone_are_pinned(self, gpu: Gpu) -> None:
        host = torch.ones(4)
        assert (host.pin_memory().is_pinned(), host.is_pinned()) == (True, False)
        with pytest.raises(RuntimeError, match="cannot pin"):
            torch.ones(4, device=CUDA).pin_memory()


class TestLog:
    def test_copies_say_from_which_memory(self, gpu: Gpu) -> None:
        host = torch.ones(4)
        host.to(CUDA, non_blocking=True)
        host.pin_memory().to(CUDA, non_blocking=True)
        host.to(CUDA).cpu()
        torch.tensor([1, 2], device=CUDA)
        torch.tensor([], device=CUDA)
        assert told(gpu, "copy") == [
            "host to device, pageable, non-blocking", "host to device, pinned, non-blocking",
            "host to device, pageable, blocking", "device to host, pageable, blocking",
            "host to device, pageable, blocking",
        ]  # fmt: skip
        assert len(told(gpu, "wait")) == 3

    def test_waits_are_known(self, gpu: Gpu) -> None:
        there = torch.ones(4, device=CUDA)
        there.sum().item()
        bool(there.all())
        there[there > 0]
        float(torch.ones(1))
        assert told(gpu, "wait") == ["item", "__bool__", "index by a mask"]

    def test_cuda_starts_when_it_is_first_used(self, gpu: Gpu) -> None:
        assert not torch.cuda.is_initialized()
        assert (torch.cuda.device_count(), torch.cuda.memory_allocated()) == (1, 0)
        torch.accelerator.reset_peak_memory_stats()
        assert not torch.cuda.is_initialized()
        with pytest.raises(RuntimeError, match="did you call init"):
            torch.cuda.reset_peak_memory_stats()
        torch.ones(1, device=CUDA)
        assert torch.cuda.is_initialized()


class TestEvents:
    def test_are_read_when_the_device_has_come_to_them(self, gpu: Gpu) -> None:
        start, end = torch.Event(enable_timing=True), torch.Event(enable_timing=True)
        with pytest.raises(ValueError, match="recorded"):
            start.elapsed_time(end)
        start.record()
        end.record()
        with pytest.raises(ValueError, match="completed"):
            start.elapsed_time(end)
        assert not end.query()
        torch.accelerator.synchronize()
        assert end.query()
        assert start.elapsed_time(end) >= 0


def test_a_small_card_is_full_by_itself() -> None:
    with made_up_gpu(Card(memory_bytes=10 * MIB)), pytest.raises(torch.OutOfMemoryError):
        torch.ones(11 * MIB, dtype=torch.uint8, device=CUDA)
