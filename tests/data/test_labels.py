"""The class that a label means, the same in all splits, and errors for labels without one."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.data.labels import nearly_equal
from bench.data.survey import survey
from bench.data.texts import Dataset
from bench.errors import DataError
from tests.data.forms import everywhere, jsonl, laid, loaded, parquet

TWO = "label,text\npos,a fine film\nneg,a poor film\n"


def csv_of(*labels: str) -> str:
    return "label,text\n" + "".join(f"{label},text {at}\n" for at, label in enumerate(labels))


def folder_of(folder: Path, train: bytes | str, test: bytes | str, suffix: str = "csv") -> Path:
    return laid(folder, **{f"train__{suffix}": train, f"validation__{suffix}": train, f"test__{suffix}": test})


def meant(dataset: Dataset, split: str = "test") -> list[str]:
    return [dataset.labels[label] for label in dataset.splits[split].labels]


class TestNumbers:
    @pytest.mark.parametrize(
        ("train", "test", "wanted"),
        [
            ([f"{number}.0" for number in range(11)], "2 10 2.00 02 +3", "2.0 10.0 2.0 2.0 3.0"),
            (["0", "1", "2"], "2.0 1.0 01", "2 1 1"), (["0", "1.0", "1", "0.0"], "0 1.0 1 0.0", "0 1 1 0"),
            (["-1", "0.5", "1"], "-1.0 1.00 0.50", "-1 1 0.5"),
        ],
        ids=["integers of floats", "floats of integers", "both spellings", "negative numbers and halves"],
    )  # fmt: skip
    def test_mean_the_class_of_their_value(self, train: list[str], test: str, wanted: str, tmp_path: Path) -> None:
        dataset = loaded(folder_of(tmp_path, csv_of(*train), csv_of(*test.split())))
        assert (meant(dataset), len(dataset.labels)) == (wanted.split(), len(set(map(float, train))))

    @pytest.mark.parametrize("label", ["3", "1e0", "nan", "0x1", "\uff11", "1_0", "1,0", "1.", "²"])
    def test_one_that_train_lacks_is_no_index(self, label: str, tmp_path: Path) -> None:
        folder = folder_of(tmp_path, csv_of("10", "20", "30.5"), f'label,text\n"{label}",text\n')
        with pytest.raises(DataError, match=rf"test\.csv: line 2: bad label '{label}'; wanted one of 10, 20, 30.5"):
            loaded(folder)

    def test_given_names_that_are_numbers_are_names(self, tmp_path: Path) -> None:
        dataset = loaded(everywhere(tmp_path, "csv", csv_of("1", "3.0", "2")), {"labels": ["1", "2", "3"]})
        assert (dataset.splits["test"].labels, dataset.label_values) == ([0, 2, 1], "names")


class TestNames:
    @pytest.mark.parametrize("test", ["neg ", " neg", "\u00a0neg", "neg\u3000"])
    def test_blanks_around_are_left_out(self, test: str, tmp_path: Path) -> None:
        dataset = loaded(folder_of(tmp_path, "label,text\npos ,a\n pos,b\nneg,c\n", csv_of(test)))
        assert (dataset.labels, dataset.splits["train"].labels) == (("neg", "pos"), [1, 1, 0])
        assert dataset.splits["test"].labels == [0]

    @pytest.mark.parametrize(
        ("label", "said"),
        [
            ("0", r"test\.csv: line 2: bad label '0'; wanted one of neg, pos, the labels of"),
            ("\u0440os", r"bad label '\u0440(?!.*differs by case)"),  # a Cyrillic letter
            *((near, "'pos' differs only by case, blanks or Unicode form")
              for near in ("Pos", "POS", "p os", "\uff50\uff4f\uff53")),
        ],
    )  # fmt: skip
    def test_one_that_train_lacks(self, label: str, said: str, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=said):
            loaded(folder_of(tmp_path, TWO, csv_of(label)))

    def test_alike_within_train_are_classes_apart_and_found(self, tmp_path: Path) -> None:
        names = ("Pos", "pos", "caf\u00e9", "cafe\u0301", "very good", "very  good", "neg")
        dataset = loaded(everywhere(tmp_path, "jsonl", jsonl([("a text", name) for name in names])))
        assert sorted(dataset.labels) == sorted(names)
        assert sorted(map(sorted, nearly_equal(dataset.labels))) == sorted(
            map(sorted, [["Pos", "pos"], ["caf\u00e9", "cafe\u0301"], ["very good", "very  good"]])
        )

    def test_booleans_are_names(self, tmp_path: Path) -> None:
        assert meant(loaded(everywhere(tmp_path, "jsonl", jsonl([("a", True), ("b", False)])))) == ["True", "False"]
        with pytest.raises(DataError, match=r"line 1: bad label 1; wanted one of False, True"):
            loaded(laid(tmp_path, test__jsonl=jsonl([("a", 1)])))

    @pytest.mark.parametrize("labels", [["a", "a "], ["1", "1.0"]])
    def test_given_ones_that_are_equal(self, labels: list[str], tmp_path: Path) -> None:
        with pytest.raises(DataError, match="class names must differ"):
            loaded(everywhere(tmp_path, "csv", csv_of("a")), {"labels": labels})

    def test_one_class_alone(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="train has 1 different labels; wanted 2 to 1000"):
            loaded(everywhere(tmp_path, "csv", csv_of("pos", "pos ")))


class TestMixed:
    """A mix of names and numbers without declared classes."""

    @pytest.mark.parametrize(
        ("labels", "said"),
        [
            (["neg", "pos", 0, 1], r"got 0 at \S+train\.jsonl: line 3 and 'neg' at \S+train\.jsonl: line 1;"),
            (["0", "1.0", "pos"], r"got '0' at .*: line 1 and 'pos' at .*: line 3;"),
            ([0, 1, True], r"got 0 at .*: line 1 and True at .*: line 3;"),
        ],
    )
    def test_are_refused(self, labels: list[Any], said: str, tmp_path: Path) -> None:
        folder = everywhere(tmp_path, "jsonl", jsonl([("a", label) for label in labels]))
        with pytest.raises(DataError, match=f"labels must be numbers in all rows or in none, {said}") as caught:
            loaded(folder)
        assert 'set labels = [...], or label_values = "names" if' in str(caught.value)
        assert "in [datasets.mine]" in str(caught.value)
        assert loaded(folder, {"label_values": "names"}).labels == tuple(sorted(map(str, labels)))


GOOD = jsonl([("a", 0), ("b", 1)])


class TestNoLabel:
    @pytest.mark.parametrize(
        ("label", "said"),
        [
            (0.5, r"bad label 0\.5; a label must be text or a whole number, got a float"),
            (1.0, r"bad label 1\.0; a label must be text or a whole number, got a float"),
            (None, "bad label None; a label must be text or a whole number, got null"),
            (["a"], r"bad label \['a'\]; a label must be text or a whole number, got a list"),
            ({"a": 1}, r"bad label \{'a': 1\}; a label must be text or a whole number, got a dict"),
            ("", "bad label ''; a label must not be empty"),
            ("\ud800", r"bad label '\\ud800'; half a surrogate pair is not text"),
            (" \t", r"bad label ' \\t'; a label must not be empty"),
        ],
    )
    @pytest.mark.parametrize("split", ["train", "test"])
    def test_says_file_line_and_value(self, label: Any, said: str, split: str, tmp_path: Path) -> None:
        contents = {"train": GOOD, "test": GOOD} | {split: GOOD + jsonl([("c", label)])}
        with pytest.raises(DataError, match=rf"{split}\.jsonl: line 3: {said}"):
            loaded(folder_of(tmp_path, contents["train"], contents["test"], "jsonl"))

    @pytest.mark.parametrize(
        ("form", "content", "said"),
        [
            ("parquet", parquet([("a", 1.0), ("b", None)]), r"\.parquet: row 1: bad label 1\.0; .* got a float"),
            ("jsonl", GOOD + b'{"text": "c"}\n', r"\.jsonl: line 3: no column 'label'; it has text; set text and"),
            ("jsonl", GOOD + jsonl([("a", -1)]), "line 3: bad label -1; .* -1 often marks texts without public labels"),
        ],
        ids=["of parquet", "missing in one line", "kept secret"],
    )
    def test_names_the_row(self, form: str, content: bytes, said: str, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=said):
            loaded(folder_of(tmp_path, GOOD if form == "jsonl" else content, content, form))


STARS = ["1", "2", "3", "4", "5"]


def labelled(form: str, labels: Sequence[Any]) -> bytes | str:
    rows = [(f"text {at}", label) for at, label in enumerate(labels)]
    return {"jsonl": jsonl, "parquet": parquet}[form](rows) if form != "csv" else csv_of(*map(str, labels))


class TestNamesOrIndices:
    """Named classes whose labels could be indices: one decision for all rows of all splits."""

    @pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
    @pytest.mark.parametrize(
        ("names", "labels", "wanted", "values"),
        [
            (STARS, [0, 1, 2, 3, 4], [0, 1, 2, 3, 4], "indices"), (STARS, [1, 2, 3, 4, 5], [0, 1, 2, 3, 4], "names"),
            (STARS, [5, 1], [4, 0], "names"), (STARS, [0, 4], [0, 4], "indices"),
            (["neg", "pos", "1"], [0, 1, 2], [0, 1, 2], "indices"), (["0", "1", "2"], [0, 2, 1], [0, 2, 1], "names"),
            (["2", "1", "0"], [0, 1, 2], None, None), (STARS, [1, 2, 3], None, None),
            (["neg", "pos", "1"], [1, 1], None, None), (["01", "02"], [0, 1], [0, 1], "indices"),
            (["10", "20"], [1, 0], [1, 0], "indices"),
        ],
    )  # fmt: skip
    def test_are_decided_once(
        self, names: list[str], labels: list[int], wanted: list[int] | None, values: str, form: str, tmp_path: Path
    ) -> None:
        folder = everywhere(tmp_path, form, labelled(form, labels))
        if wanted is None:
            with pytest.raises(
                DataError, match=r'both the name of class .* label_values = "names" or "indices" in \[da'
            ):
                loaded(folder, {"labels": names})
            return
        dataset = loaded(folder, {"labels": names})
        assert (dataset.splits["test"].labels, dataset.label_values) == (wanted, values)

    @pytest.mark.parametrize(("values", "wanted"), [("names", [0, 1, 2]), ("indices", [1, 2, 3])])
    def test_are_what_the_study_says(self, values: str, wanted: list[int], tmp_path: Path) -> None:
        folder = everywhere(tmp_path, "jsonl", labelled("jsonl", [1, 2, 3]))
        entry = {"labels": STARS, "label_values": values}
        assert loaded(folder, entry).splits["test"].labels == wanted
        bad = {"names": 0, "indices": 5}[values]
        with pytest.raises(DataError, match=f"line 3: bad label {bad}; wanted "):
            loaded(everywhere(tmp_path, "jsonl", labelled("jsonl", [1, 2, bad])), entry)

    @pytest.mark.parametrize(
        ("names", "train", "test", "said"),
        [
            (STARS, [1, 5], [0, 1], r"the name 5 at .*train\.jsonl: line 2 and the index 0 at .*test\.jsonl: line 1;"),
            (["neg", "pos"], ["neg", "pos"], [0, 1], r"the name 'neg' at .*train.* and the index 0 at .*test\.jsonl"),
            (["neg", "pos"], [0, 1], ["neg", "pos"], r"the name 'neg' at .*test.* and the index 0 at .*train\.jsonl"),
            (
                ["neg", "pos"], ["neg", 1], [0, 1],
                r"the name 'neg' at .*train.*line 1 and the index 1 at .*train.*line 2",
            ),
        ],
    )  # fmt: skip
    def test_mixed_are_refused(
        self, names: list[str], train: list[Any], test: list[Any], said: str, tmp_path: Path
    ) -> None:
        folder = folder_of(tmp_path, labelled("jsonl", train), labelled("jsonl", test), "jsonl")
        with pytest.raises(DataError, match=f"labels must be names in all rows or indices in all rows, got {said}"):
            loaded(folder, {"labels": names})

    @pytest.mark.parametrize("label", [True, "one", -1, 7, "1e0"])
    def test_one_that_is_neither(self, label: Any, tmp_path: Path) -> None:
        folder = everywhere(tmp_path, "jsonl", labelled("jsonl", [0, 1, label]))
        with pytest.raises(DataError, match=rf"line 3: bad label {label!r}; wanted 0\.\.4 or one of 1, 2, 3, 4, 5"):
            loaded(folder, {"labels": STARS})

    def test_a_file_that_declares_names_tells_which(self, tmp_path: Path) -> None:
        rows = [("a", 1), ("b", 2), ("c", 3)]
        for names, entry in ((STARS, {}), (["a", "b", "c", "d", "e"], {"labels": STARS})):
            assert meant(loaded(everywhere(tmp_path, "parquet", parquet(rows, names)), entry)) == ["2", "3", "4"]

    def test_the_study_s_order_of_declared_names_swaps_none(self, tmp_path: Path) -> None:
        folder = everywhere(tmp_path, "parquet", parquet([("a", 0), ("b", 1)], ["neg", "pos"]))
        assert meant(loaded(folder, {"labels": ["pos", "neg"]})) == ["neg", "pos"]

    def test_without_given_names(self, tmp_path: Path) -> None:
        folder = everywhere(tmp_path, "jsonl", labelled("jsonl", [1, 2, 3]))
        with pytest.raises(
            DataError, match=r'labels of train must be 0\.\.C-1 .* got 1, 2, 3; .* label_values = "names"'
        ):
            loaded(folder)
        assert loaded(folder, {"label_values": "names"}).labels == ("1", "2", "3")
        words = everywhere(tmp_path / "b", "jsonl", labelled("jsonl", ["a", "b"]))
        with pytest.raises(DataError, match=r"labels of train must be 0\.\.C-1 with at least 2 classes, got a, b"):
            loaded(words, {"label_values": "indices"})

    def test_the_survey_says_which(self, tmp_path: Path) -> None:
        folder = everywhere(tmp_path, "jsonl", labelled("jsonl", [0, 1, 2, 3, 4]))
        assert "labels are read as indices of these classes, from 0" in survey(loaded(folder, {"labels": STARS}))


class TestDeclared:
    """Class names that a parquet file declares."""

    ROWS = (("a", 1), ("b", 0), ("c", 2))

    def test_are_the_names(self, tmp_path: Path) -> None:
        dataset = loaded(everywhere(tmp_path, "parquet", parquet(self.ROWS, ["neg", "pos", "mixed"])))
        assert (dataset.labels, dataset.splits["train"].labels) == (("neg", "pos", "mixed"), [1, 0, 2])

    def test_a_file_that_numbers_them_otherwise_means_the_names(self, tmp_path: Path) -> None:
        train = parquet(self.ROWS, ["neg", "pos", "mixed"])
        test = parquet(self.ROWS, ["pos", "neg", "mixed"])
        assert meant(loaded(folder_of(tmp_path, train, test, "parquet"))) == ["neg", "pos", "mixed"]

    def test_give_way_to_those_of_the_study(self, tmp_path: Path) -> None:
        folder = everywhere(tmp_path, "parquet", parquet(self.ROWS, ["neg", "pos", "mixed"]))
        assert meant(loaded(folder, {"labels": ["bad", "good", "both"]})) == ["good", "bad", "both"]

    @pytest.mark.parametrize(
        ("names", "said"),
        [
            (["neg", "neg "], "class names must differ"), ([], "there must be at least 2 classes"),
            (["neg", " "], "its files: bad label ' '; a label must not be empty"),
            (["neg"], "there must be at least 2 classes, got neg from its files"),
            (["neg", "pos"], r"train\.parquet: row 3: bad label 2; wanted 0\.\.1 or one of neg, pos"),
        ],
    )  # fmt: skip
    def test_that_do_not_fit(self, names: list[str], said: str, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=said):
            loaded(everywhere(tmp_path, "parquet", parquet(self.ROWS, names)))

    def said(self, folder: Path, metadata: str) -> tuple[str, ...]:
        sink = io.BytesIO()
        table = pa.table({"text": ["a", "b"], "label": [0, 1]})
        pq.write_table(table.replace_schema_metadata({"huggingface": metadata}), sink)
        return loaded(everywhere(folder, "parquet", sink.getvalue())).labels

    @pytest.mark.parametrize("metadata", ["[]", '{"info": 1}', '{"info": {"features": {"label": "x"}}}'])
    def test_metadata_that_says_something_else(self, metadata: str, tmp_path: Path) -> None:
        assert self.said(tmp_path, metadata) == ("0", "1")

    @pytest.mark.parametrize(
        ("metadata", "why"),
        [
            ("{", "Expecting property name"),
            ('{"info": {"features": {"label": 1, "label": 2}}}', "key 'label' appears twice"),
        ],
        ids=["cut", "twice"],
    )
    def test_metadata_that_cannot_be_read(self, metadata: str, why: str, tmp_path: Path) -> None:
        with pytest.raises(
            DataError, match=rf"train\.parquet: its metadata entry huggingface, .* not valid JSON: .*{why}"
        ):
            self.said(tmp_path, metadata)
