"""Published tables from elsewhere: an audit of them, or a clear error."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from bench.commands.audit.published import find, load
from bench.commands.audit.render import to_csv, to_html, to_markdown
from bench.commands.audit.result import audit
from bench.errors import RequestError
from tests.commands.audit.conftest import plan_row
from tests.security.hostile import TEXTS, assert_clear, examples, spoiled
from tests.support import toml

PUBLISHED: dict[str, Any] = {
    "title": "Tables", "source": "A journal.", "study": "demo", "stated": {"sequence_length": 128, "batch_size": 8},
    "tables": {"one": {"file": "one.csv", "title": "One"}, "two": {"file": "two.csv", "row_column": "Row",
                       "rows": {"Mine": {"model": "m", "method": "x"}}}},
    "datasets": {"D": "d"}, "models": {"M": "m"}, "methods": {"X": "x"},
}  # fmt: skip
ROWS = [["dataset", "model", "method", "f1", "total_params_million", "gflops"],
        ["D", "M", "X", "0.91", "4582.54", "1.5"],
        ["d", "m", "y", "0.90", "4540.60", "1.25"]]  # fmt: skip
OF_ROWS = [["dataset", "row", "f1"], ["D", "Mine", "0.5"]]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def lines(rows: Any) -> bytes:
    """Rows as csv, badly quoted where a cell holds what must be quoted."""
    if not isinstance(rows, list):
        return str(rows).encode("utf-8", "surrogatepass")
    return "\n".join(",".join(map(_cell, row)) if isinstance(row, list) else _cell(row) for row in rows).encode()


def _cell(value: Any) -> str:
    return str(value) if not isinstance(value, int) or abs(value) < 10**4000 else "9" * 5000


@examples(120)
@given(
    manifest=spoiled(PUBLISHED) | st.just(PUBLISHED),
    rows=spoiled(ROWS, TEXTS | st.integers() | st.floats()) | st.just(ROWS),
    of_rows=spoiled(OF_ROWS, TEXTS) | st.just(OF_ROWS),
    alone=st.booleans(),
)
def test_audit(tables: Path, manifest: Any, rows: Any, of_rows: Any, alone: bool) -> None:
    (tables / "one.csv").write_bytes(lines(rows))
    (tables / "two.csv").write_bytes(lines(of_rows))
    names = {key: manifest[key] for key in ("datasets", "models", "methods", "stated") if key in manifest}
    (tables / "names.toml").write_text(toml(names if alone else manifest), encoding="utf-8")
    (tables / "published.toml").write_text(toml(manifest), encoding="utf-8")
    plan = [plan_row("d", "m", method, total_params=4_540_600_320, trainable_params=0, trains=False) for method in "xy"]
    try:
        published = load(find(str(tables / "one.csv")), tables / "names.toml") if alone else load(find(str(tables)))
        found = audit(published, plan, {}, study="s", causal=())
    except RequestError as error:
        event(type(error).__name__)
        assert_clear(str(error))
        return
    event("audited")
    assert to_html(found)
    assert to_markdown(found)
    assert to_csv(found)
