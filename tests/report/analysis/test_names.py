"""What rows are called."""

from bench.report.analysis.names import apart, flat, labels
from tests.report.conftest import MakeRecord


def test_labels_and_names(make_record: MakeRecord) -> None:
    cells = [make_record(method="MoE", method_name=name, dataset="a\nb").cell for name in ("gated", "plain")]
    assert labels(cells[0], cells) == {"dataset": "a b", "model": "RoBERTa", "method": "MoE (gated)"}
    assert labels(cells[0], cells[:1])["method"] == "MoE"


def test_a_label_of_nothing_is_the_name(make_record: MakeRecord) -> None:
    cell = make_record(method="\n", method_name="plain").cell
    assert labels(cell, [cell])["method"] == "plain"


def test_flat() -> None:
    assert flat({"a": {"b": {"c": 1}, "d": [2]}, "e": None}) == {"a.b.c": 1, "a.d": [2], "e": None}


def test_apart() -> None:
    facts = [{"x": 1, "y": 2}, {"x": 1, "y": 3}, {"x": 5}]
    assert apart(0, ["k", "k", "other"], facts) == "y = 2"
    assert apart(2, ["k", "k", "other"], facts) == ""
