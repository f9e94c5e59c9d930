"""GPUs are hidden in a block and visible again after it."""

import os

import pytest

from bench.measure.hidden_gpus import SHOWN, gpus_hidden


@pytest.mark.parametrize("before", [None, "1", ""])
def test_what_was_shown_is_shown_again(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "0")
    for name in SHOWN:
        monkeypatch.delenv(name, raising=False)
        if before is not None:
            monkeypatch.setenv(name, before)

    def hidden_block() -> None:
        with gpus_hidden():
            assert [os.environ[name] for name in SHOWN] == ["", ""]
            raise KeyError

    with pytest.raises(KeyError):
        hidden_block()
    assert [os.environ.get(name) for name in SHOWN] == [before, before]
    assert os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] == "0", "the user's choice stays"
