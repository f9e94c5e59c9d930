"""Records made by hand, as for the reports."""

from tests.report.conftest import make_record as make_record
