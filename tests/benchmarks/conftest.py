"""What is timed here runs with nothing beside it, a new file too."""

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker(pytest.mark.timed)
