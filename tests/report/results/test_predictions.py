"""Reading predictions back: whole files only."""

import json
from pathlib import Path

import numpy as np
import pytest

from bench.errors import RunFolderError
from bench.report.results.predictions import Predictions, read
from tests.known import known
from tests.report.predicted import TRUTH, flipped, write_predictions

GOOD = {"id": "test/0", "label": 0, "prediction": 1}


def written(folder: Path, *lines: object) -> Path:
    path = folder / "predictions.jsonl"
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return path


def test_a_file_read_back(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl"
    write_predictions(path, flipped(3))
    found = read(path, 2)
    assert found.ids == tuple(f"test/{i}" for i in range(12))
    assert (found.labels.tolist(), found.predicted.tolist()) == (list(TRUTH), flipped(3))


def test_what_else_a_line_holds_is_left_alone(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD | {"scores": [0.1, 0.9], "answer": "p\u2028", "answer_prediction": None})
    assert read(path, 2).predicted.tolist() == [1]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], " holds no texts"),
        ([GOOD, GOOD], " holds a text twice"),
        ([GOOD, "{"], " cannot be read: JSONDecodeError in line 2"),
        ([{"id": "a", "label": 0}], " cannot be read: KeyError in line 1"),
        ([[1]], " cannot be read: TypeError in line 1"),
        ([GOOD | {"prediction": None}], " cannot be read: TypeError in line 1"),
        ([GOOD | {"prediction": True}], " cannot be read: TypeError in line 1"),
        ([GOOD | {"id": 3}], " cannot be read: TypeError in line 1"),
        ([GOOD | {"prediction": 2}], ": line 1 names a class that is not one of the 2"),
        ([GOOD | {"label": -1}], ": line 1 names a class that is not one of the 2"),
        (["[" * 100_000], " cannot be read: RecursionError in line 1"),
    ],
)
def test_a_damaged_file(tmp_path: Path, lines: list[object], message: str) -> None:
    (tmp_path / "cell").mkdir()
    with pytest.raises(RunFolderError) as caught:
        read(written(tmp_path / "cell", *lines), 2)
    assert str(caught.value) == f"cell/predictions.jsonl{message}"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"^cell/predictions\.jsonl is missing$"):
        read(tmp_path / "cell" / "predictions.jsonl", 2)


def test_order() -> None:
    found = Predictions(("a", "b", "c"), np.array([0, 1, 2]), np.array([2, 0, 1]))
    assert found.in_order_of(("a", "b", "c")) is found
    turned = known(found.in_order_of(("c", "a", "b")))
    assert (turned.ids, turned.labels.tolist(), turned.predicted.tolist()) == (("c", "a", "b"), [2, 0, 1], [1, 2, 0])
    assert found.in_order_of(("a", "b")) is None
    assert found.in_order_of(("a", "b", "d")) is None
