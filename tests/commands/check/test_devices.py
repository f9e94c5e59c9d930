"""Whether a method moves a model from its device; without a GPU the kit says that it cannot tell."""

from pathlib import Path

import pytest
import torch

from bench.commands.check.adapting import devices
from bench.commands.check.specimen import specimens
from bench.commands.check.subject import Subject
from bench.method import registry
from tests.commands.check.support import write_method

needs_gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")]


def subject(path: Path) -> Subject:
    method = registry.load(path.stem, path)
    return Subject(name=path.stem, method_class=method, options={}, specimen=specimens()[0])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_cpu_alone_cannot_tell(tmp_path: Path) -> None:
    finding = devices(subject(write_method(tmp_path)))
    assert finding.verdict == "not applicable"


@pytest.mark.parametrize("where", [pytest.param("cuda", marks=needs_gpu)])
def test_a_model_that_is_moved_is_found(where: str, tmp_path: Path) -> None:
    assert devices(subject(write_method(tmp_path))).verdict == "pass"
    moves = write_method(tmp_path, ("        return model\n", "        return model.to('cpu')\n"), name="moves")
    assert "from cuda:0 to cpu" in devices(subject(moves)).found
