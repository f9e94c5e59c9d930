"""Two texts joined into one."""

import pytest

from bench.model.prompting.pairs import fitted, longest_first, parts_texts, shown
from tests.model.prompting.support import byte_tokenizer

COLUMNS = ("premise", "hypothesis")


def tokens(tokenizer: object, text: str) -> int:
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])  # type: ignore[operator]


def test_each_has_its_column_s_name() -> None:
    assert shown(COLUMNS, "a film", "it is a film") == "premise: a film\nhypothesis: it is a film"


@pytest.mark.parametrize(
    ("first", "second", "over", "left"),
    [(5, 5, 0, (5, 5)), (9, 3, 4, (5, 3)), (3, 9, 6, (3, 3)), (9, 3, 8, (2, 2)), (3, 3, 9, (0, 0)), (4, 4, 1, (4, 3))],
)
def test_the_longer_loses_first(first: int, second: int, over: int, left: tuple[int, int]) -> None:
    assert longest_first(first, second, over) == left


class TestFitted:
    @pytest.mark.parametrize("room", [30, 40, 60])
    def test_both_stay_and_the_longer_is_cut(self, room: int) -> None:
        tokenizer = byte_tokenizer()
        found, cut = fitted(COLUMNS, ["very " * 60, "a"], ["not good", "film"], tokenizer, room, alone=False)
        assert cut == 1
        assert found[0].startswith("premise: very")
        assert found[0].endswith("\nhypothesis: not good")
        assert room - 3 <= tokens(tokenizer, found[0]) <= room
        assert found[1] == "premise: a\nhypothesis: film"

    def test_a_character_of_several_tokens_goes_as_one(self) -> None:
        tokenizer = byte_tokenizer()
        found, _ = fitted(COLUMNS, ["\U0001f600" * 20], ["\u6f22" * 20], tokenizer, 60, alone=False)
        assert tokens(tokenizer, found[0]) <= 60
        assert "\ufffd" not in found[0]

    def test_names_alone_are_too_long(self) -> None:
        tokenizer = byte_tokenizer()
        assert fitted(COLUMNS, ["a film"], ["good"], tokenizer, 4, alone=False) == (["premise: \nhypothesis: "], 1)

    def test_of_no_texts(self) -> None:
        assert fitted(COLUMNS, [], [], byte_tokenizer(), 4, alone=False) == ([], 0)


def test_a_tokenizer_without_special_tokens_parts_no_texts() -> None:
    assert not parts_texts(byte_tokenizer())
