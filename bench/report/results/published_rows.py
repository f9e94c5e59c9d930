"""Which measured rows published tables have too."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from bench.record.record import Record
from bench.report.published import Published, PublishedRow, PublishedTable
from bench.report.results.measured import by_row
from bench.report.results.run import Results, Run


@dataclass(frozen=True, slots=True)
class Both:
    """A measured row and a printed one.

    Attributes:
        records: of the measured row; failed ones too.
        published: the publication.
        table: that prints the row.
        printed: the row.
        base: model of the catalog that the measured one varies, and in whose place it stands; empty where it is itself.
    """

    records: Sequence[Record]
    published: Published
    table: PublishedTable
    printed: PublishedRow
    base: str = ""


def both(run: Run, tables: Sequence[Published]) -> list[Both]:
    """The rows of a run that published tables have, in the order of the run.

    Args:
        run: whose study says what its models vary.
        tables: those that serve an audit's findings alone are left out.
    """
    found = []
    for row in by_row(run.cells):
        records = [record for record, _ in row]
        cell = records[0].cell
        base = (run.study.get("models", {}).get(cell.model.name) or {}).get("base") or ""
        named = (cell.dataset.name, base or cell.model.name, cell.method.name)
        for published in tables:
            for table in published.tables:
                printed = [one for one in table.rows if table.compare and one.named == named]
                found += [Both(records, published, table, one, base) for one in printed]
    return found


def used(results: Results, tables: Sequence[Published]) -> tuple[Published, ...]:
    """What a report of the results needs of published tables: the rows that both have, and none of the rest."""
    wanted = {id(one.printed) for run in results.runs for one in both(run, tables)}

    def kept(published: Published) -> Iterator[PublishedTable]:
        for table in published.tables:
            rows = tuple(row for row in table.rows if id(row) in wanted)
            if rows:
                yield replace(table, rows=rows)

    cut = [replace(published, tables=tuple(kept(published))) for published in tables]
    return tuple(published for published in cut if published.tables)
