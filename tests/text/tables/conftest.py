"""The renderers are tested on tables of a report."""

from tests.report.conftest import make_record as make_record
