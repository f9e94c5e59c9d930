"""``pytest -p tests.gpu.plugin -m gpu`` runs the tests that are marked gpu, and skip elsewhere, on the made-up GPU."""

from collections.abc import Iterator

import pytest

from tests.gpu.made_up import made_up_gpu

#: Tests of what the made-up GPU does not have.
BEYOND = {"test_peak_of_a_real_step_on_cuda": "memory that torch takes inside one operator is not seen here"}


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main() -> Iterator[None]:
    with made_up_gpu():
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        why = BEYOND.get(getattr(item, "originalname", ""))
        if item.get_closest_marker("timed"):
            why = "this device computes at once, while the host waits"
        if why is not None:
            item.add_marker(pytest.mark.skip(reason=why))
