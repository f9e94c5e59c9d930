"""Which statements need a GPU, by small sources."""

import ast
from pathlib import Path
from textwrap import dedent

import pytest

from tests.gpu.cuda_only import statements, tells

HERE = Path("here.py")


@pytest.mark.parametrize(
    ("test", "told"),
    [
        ('device.type == "cuda"', True), ('device.type != "cuda"', False), ('"cpu" == kind', None),
        ('device.type == "cpu"', False), ('device.type != "cpu"', True), ("on_cuda", True),
        ("not self._on_cuda", False), ("self._on_host", False), ("tensor.is_cuda", True),
        ("torch.cuda.is_available()", True), ("torch.accelerator.is_available()", True), ("mask.all()", None),
        ("nvml is None", False), ("self.phases.nvml is not None", True), ("limit is None", None),
        ("on_cuda and off > limit", True), ("off > limit or on_cuda", None), ("nvml is None or late", False),
        ("not all(p.is_cuda for p in parameters)", False), ("len(others)", None), ("mps_host", None),
    ],
)  # fmt: skip
def test_what_a_test_tells(test: str, told: bool | None) -> None:
    assert tells(ast.parse(test, mode="eval").body) is told


def found(source: str) -> set[str]:
    """The statements that need a GPU, as they are written, one line each."""
    text = dedent(source)
    lines = text.splitlines()
    return {lines[line - 1].strip() for line in statements({HERE: text}).get(HERE, set())}


def test_both_branches_and_what_is_behind_an_early_end() -> None:
    source = """
        def f(device):
            if device.type == "cuda":
                one()
            else:
                two()
            if device.type != "cuda":
                return 3
            four()
            for x in y:
                five()

        def g(device):
            if device.type == "cuda":
                return six()
            seven()
    """
    assert found(source) == {"one()", "four()", "for x in y:", "five()", "return six()"}


def test_what_is_referred_to_from_there_alone() -> None:
    source = """
        class Reader:
            def read(self):
                return inner()

        def inner():
            return 1

        def shared():
            return 2

        def f(on_cuda):
            a = Reader().read() if on_cuda else shared()
            if on_cuda:
                shared()
    """
    assert found(source) == {"def read(self):", "return inner()", "return 1", "shared()"}
