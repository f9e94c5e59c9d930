"""The values that a search may try: how they are declared and written, and where their edges lie."""

from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationError

from bench.method import Choices, Options, Range, registry
from bench.method.search_space import declared, dump, edge_of, parse, shown
from bench.study.settings import TrainSettings


class Own(Options):
    r: Annotated[int, Range(low=1, high=64, log=True)] = Field(8, ge=1)
    kind: Annotated[str, Choices(values=("a", "b"))] = "a"
    fixed: int = 3


def test_a_space_is_declared_beside_the_options_and_survives_json() -> None:
    space = declared(Own)
    assert space.keys() == {"learning_rate", "r", "kind"}
    assert parse(dump(space)) == space
    assert space["kind"] == ("a", "b")


def test_the_annotation_leaves_the_rules_of_the_option_alone() -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        Own(r=0)
    assert Own().r == 8


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"low": 2, "high": 1}, "low must be below high"),
        ({"low": 1, "high": 1}, "low must be below high"),
        ({"low": 0, "high": 1, "log": True}, "above 0 on a logarithmic scale"),
        ({"low": 0, "high": 1, "base": 2}, "Unexpected keyword argument"),
        ({"low": 0.1}, "Missing required|Field required|high"),
        ([], "at least 1 item"),
        ({"low": float("nan"), "high": 1}, "finite"),
    ],
)
def test_a_wrong_space_is_refused(content: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        parse({"learning_rate": content})


RATE = Range(low=1e-4, high=1e-2, log=True)


@pytest.mark.parametrize(
    ("searched", "value", "edge"),
    [
        (RATE, 1e-4, "lower"), (RATE, 1.05e-4, "lower"), (RATE, 1.2e-4, None), (RATE, 1e-3, None),
        (RATE, 8.5e-3, None), (RATE, 9.9e-3, "upper"), (Range(low=0.0, high=1.0), 0.99, "upper"),
        (Range(low=0.0, high=1.0), 0.5, None),
        (Range(low=1, high=8, log=True), 1, None),  # one epoch is the least
        (Range(low=1, high=8, log=True), 8, "upper"), (Range(low=2, high=8), 2, "lower"),
        ((4, 8, 16), 16, "upper"), ((16, 4, 8), 4, "lower"), ((4, 8, 16), 8, None), ((1, 2), 1, None),
        ((8,), 8, None), (("a", "b"), "b", None), ((True, False), True, None),
    ],
)  # fmt: skip
def test_an_edge_is_the_outer_fiftieth_of_a_range_or_the_last_of_a_list(searched: Any, value: Any, edge: Any) -> None:
    assert edge_of(searched, value) == edge


def test_a_space_is_written_in_words() -> None:
    assert shown(RATE) == "0.0001 to 0.01, log"
    assert shown((4, 8)) == "4, 8"


def test_every_method_that_trains_a_model_searches_two_decades_of_the_learning_rate_around_its_default() -> None:
    searched = 0
    for name, plugin in registry.find().items():
        method = registry.load_any(name, plugin.path)
        if "none" in registry.describe(plugin)["kinds"] or not method.trains:
            continue
        rate = method.search_space({})["learning_rate"]
        assert isinstance(rate, Range)
        assert rate.log
        assert rate.high / rate.low >= 100
        default = method.options_class.model_fields["learning_rate"].default
        assert edge_of(rate, default) is None
        assert rate.low < default < rate.high
        searched += 1
    assert searched >= 7


def test_the_space_of_a_type_of_peft_has_its_rank() -> None:
    peft = registry.load("peft", registry.find()["peft"].path)
    assert "r" in peft.search_space({})
    assert "r" not in peft.search_space({"peft_type": "IA3"})


def test_epochs_are_searched_where_a_study_does_not_give_them() -> None:
    assert declared(TrainSettings).keys() == {"epochs"}
