"""Keys of rows and cells are unique and safe in an address."""

from bench.report.charts.address import places
from bench.report.results.measured import Evidence, Measured
from bench.report.results.run import Results
from tests.report.conftest import MakeRecord
from tests.report.predicted import RUN, results


def test_a_cell_is_called_by_its_id(make_record: MakeRecord) -> None:
    records = [make_record(seed=0), make_record(seed=1), make_record(seed=0, method="Other")]
    found = places(results(RUN, *records))
    assert [place.cell_keys for place in found] == [(records[0].cell_id, records[1].cell_id), (records[2].cell_id,)]
    assert [place.key for place in found] == [record.cell.row_id for record in (records[0], records[2])]


def test_two_runs_of_the_same_cells(make_record: MakeRecord) -> None:
    one = results(RUN, make_record(seed=3)).runs[0]
    found = places(Results((one, one, one)))
    keys = [key for place in found for key in (place.key, *place.cell_keys)]
    assert keys[2:] == [f"{key}@{number}" for number in (2, 3) for key in keys[:2]]
    assert [place.run for place in found] == [0, 1, 2]


def test_a_record_of_a_hostile_name(make_record: MakeRecord) -> None:
    records = [make_record(seed=seed, fields={"cell_id": '"><script>alert(1)</script>'}) for seed in (0, 1)]
    run = results(RUN, *(Measured(record, Evidence("none")) for record in records))
    (place,) = places(run)
    assert place.cell_keys == ("unnamed", "unnamed@2")
