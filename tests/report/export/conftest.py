"""Records made by hand, as for the reports, and results of them."""

from collections.abc import Callable

import pytest

from bench.record.record import Record
from bench.report.results.measured import Evidence, Measured
from bench.report.results.run import Results
from bench.report.results.step_curve import StepCurve
from tests.commands.compare.support import run_json
from tests.report.conftest import MakeRecord
from tests.report.conftest import make_record as make_record
from tests.report.predicted import results

CURVES = (
    StepCurve(
        name="train", last_step=(5, 10), elapsed_seconds=(0.5, 1.5), tokens_per_second=(16.0, 32.0), loss=(0.75, 0.25)
    ),
    StepCurve(name="inference", last_step=(3,), elapsed_seconds=(0.25,), tokens_per_second=(64.0,)),
)
ResultsOf = Callable[..., Results]


@pytest.fixture
def results_of() -> ResultsOf:
    """The results of one run of records, each with the curves of CURVES if it went well."""

    def make(*records: Record) -> Results:
        cells = [Measured(record, Evidence("", CURVES if record.status == "ok" else ())) for record in records]
        return results(run_json(records), *cells)

    return make


@pytest.fixture
def validated(make_record: MakeRecord) -> Record:
    """A record with the F1 of a validation point."""
    content = make_record().model_dump()
    content["training"] |= {"validation": [{"step": 5, "train_seconds": 0.5, "macro_f1": 0.5}], "train_seconds": 1.5}
    return Record.model_validate(content)
