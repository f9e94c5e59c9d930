"""The renderers are tested on tables of a report."""

import pytest

from bench.report.tables import table3
from bench.report.tables.table import Table
from tests.report.conftest import MakeRecord
from tests.report.conftest import make_record as make_record


@pytest.fixture
def ranked(make_record: MakeRecord) -> Table:
    """Three methods that two seeds tell apart: A is the best, B the second."""
    scores = {"A": 0.9, "B": 0.8, "C": 0.7}
    records = [
        make_record(method=name, seed=seed, macro_f1=f1 + seed / 100) for name, f1 in scores.items() for seed in (0, 1)
    ]
    return table3.build("Run", records)
