"""The trials of a search: which are asked for, in which order, and what is known of them after a break."""

from collections import Counter
from math import log
from pathlib import Path
from typing import Any

import pytest

from bench.errors import RunFolderError, StudyError, UnknownNameError
from bench.record.record import Record
from bench.run.search.journal import open_journal
from bench.run.search.search import MOST_ATTEMPTS, Search
from bench.study.cell import Cell
from tests.known import known
from tests.run.search.cells import SAYS, cell_of, record_of, study_of


class Trials:
    """A search whose trials are made up, over a journal in a folder."""

    def __init__(self, folder: Path, methods: tuple[str, ...] = ("lora",), **tune: Any) -> None:
        self.folder, self.study = folder, study_of(**tune)
        self.cells = [cell_of(method, seed) for method in methods for seed in (0, 1)]
        self.records: dict[str, Record] = {}
        self.ran: Counter[str] = Counter()

    def open(self) -> Search:
        says = dict.fromkeys({cell.method.name for cell in self.cells}, SAYS)
        return Search(
            self.study, self.cells, says, open_journal(self.folder / "search.log"),
            lambda cell: self.records.get(cell.id),
        )  # fmt: skip

    def run(self, search: Search, most: int = 10_000, **facts: Any) -> list[Cell]:
        """Run trials until none is left, or until so many were run; returns their cells."""
        done: list[Cell] = []
        rows = {cell.row_id for cell in self.cells}
        while cells := search.next_trials(rows):
            for cell in cells:
                if len(done) == most:
                    return done
                self.ran[cell.id] += 1
                self.records[cell.id] = record_of(cell, **facts)
                done.append(cell)
            search.tell()
        return done


def test_every_method_gets_its_number_of_trials_in_turn(tmp_path: Path) -> None:
    trials = Trials(tmp_path, ("lora", "bitfit"), trials=6)
    done = trials.run(trials.open())
    assert Counter(cell.method.name for cell in done) == {"lora": 6, "bitfit": 6}
    assert [cell.method.name for cell in done[2:]] == ["lora", "bitfit"] * 5
    assert len({cell.id for cell in done}) == 12
    assert all(cell.searching and cell.data.evaluate_split == "validation" and cell.seed == 0 for cell in done)


def test_trials_spread_over_the_space(tmp_path: Path) -> None:
    trials = Trials(tmp_path, trials=16)
    rates = sorted(cell.method.given["learning_rate"] for cell in trials.run(trials.open()))
    space = SAYS["space"]["learning_rate"]
    assert space["low"] <= rates[0]
    assert rates[-1] <= space["high"]
    # A quarter of the range has 3 to 5 of 16 quasi-random points; independent ones vary more.
    quarters = Counter(int(4 * _position(rate, space)) for rate in rates)
    assert all(3 <= quarters[quarter] <= 5 for quarter in range(4)), quarters


def _position(rate: float, space: dict[str, Any]) -> float:
    return min(0.999, (log(rate) - log(space["low"])) / (log(space["high"]) - log(space["low"])))


def test_two_searches_of_one_study_try_the_same_settings(tmp_path: Path) -> None:
    first, second = (Trials(tmp_path / name, trials=5) for name in ("a", "b"))
    for each in (first, second):
        each.folder.mkdir()
    assert [cell.id for cell in first.run(first.open())] == [cell.id for cell in second.run(second.open())]
    third = Trials(tmp_path, trials=5, sampler_seed=1)
    assert {cell.id for cell in third.run(third.open())}.isdisjoint(first.records)


@pytest.mark.parametrize("stop", [0, 1, 3, 7])
def test_a_search_goes_on_after_a_break_without_running_a_trial_twice(tmp_path: Path, stop: int) -> None:
    whole, broken = Trials(tmp_path / "whole", trials=8), Trials(tmp_path / "broken", trials=8)
    for each in (whole, broken):
        each.folder.mkdir()
    whole.run(whole.open())
    broken.run(broken.open(), most=stop)
    broken.run(broken.open())
    assert broken.records.keys() == whole.records.keys()
    assert set(broken.ran.values()) == {1}


def test_a_lost_journal_costs_no_trial(tmp_path: Path) -> None:
    trials = Trials(tmp_path, trials=8)
    trials.run(trials.open(), most=5)
    (tmp_path / "search.log").unlink()
    trials.run(trials.open())
    assert len(trials.records) == 8
    assert set(trials.ran.values()) == {1}


@pytest.mark.parametrize("cut", [1, 10, 57])
def test_a_journal_that_was_torn_in_its_last_line_is_read(tmp_path: Path, cut: int) -> None:
    trials = Trials(tmp_path, trials=8)
    trials.run(trials.open(), most=5)
    journal = tmp_path / "search.log"
    journal.write_bytes(journal.read_bytes()[:-cut])
    trials.run(trials.open())
    assert len(trials.records) == 8
    assert set(trials.ran.values()) == {1}


@pytest.mark.parametrize("content", ["no json\n", "[]\n", '{"op_code": 99}\n', "{}\n"])
def test_a_damaged_journal_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "search.log").write_text(content)
    trials = Trials(tmp_path, trials=2)
    with pytest.raises(RunFolderError, match=r"search\.log is damaged.*remove it"):
        trials.run(trials.open())


def test_the_best_trial_gives_the_settings_of_the_final_cells(tmp_path: Path) -> None:
    trials = Trials(tmp_path, trials=6)
    search = trials.open()
    done = trials.run(search)
    best = max(done, key=lambda cell: known(trials.records[cell.id].quality).macro_f1)
    tuned = search.tuned(trials.cells)
    assert [cell.seed for cell, _ in tuned] == [0, 1]
    for cell, tuning in tuned:
        assert cell.method.given == best.method.given
        assert cell.train.epochs == best.train.epochs
        assert not cell.searching
        assert cell.data.evaluate_split == "test"
        assert [trial.settings["learning_rate"] for trial in known(tuning).trials] == [
            each.method.given["learning_rate"] for each in done
        ]


def test_a_search_that_is_not_over_gives_no_settings(tmp_path: Path) -> None:
    trials = Trials(tmp_path, ("lora", "bitfit"), trials=4)
    search = trials.open()
    while cells := search.next_trials({trials.cells[0].row_id}):
        trials.records |= {cell.id: record_of(cell) for cell in cells}
        search.tell()
    assert {cell.method.name for cell, _ in search.tuned(trials.cells)} == {"lora"}


def test_failed_trials_use_their_budget_and_are_never_the_best(tmp_path: Path) -> None:
    trials = Trials(tmp_path, trials=4)
    search = trials.open()
    trials.run(search, status="error")
    (_, tuning), *_ = search.tuned(trials.cells)
    assert known(tuning).best is None
    assert len(known(tuning).trials) == 4


def test_a_trial_whose_worker_was_killed_is_started_again(tmp_path: Path) -> None:
    trials = Trials(tmp_path, trials=2)
    search = trials.open()
    trials.run(search, status="killed")
    assert set(trials.ran.values()) == {MOST_ATTEMPTS}
    assert len(search.killed()) == len(trials.ran)
    assert search.tuned(trials.cells) == []
    again = trials.open()  # the next run
    trials.run(again)
    assert {record.status for record in trials.records.values()} == {"ok"}
    assert len(trials.records) == 2


def test_a_budget_of_time_ends_with_the_trial_that_exceeds_it(tmp_path: Path) -> None:
    trials = Trials(tmp_path, seconds=25.0)
    assert len(trials.run(trials.open(), seconds=10.0)) == 3


def test_each_trial_is_the_mean_over_the_seeds_of_the_search(tmp_path: Path) -> None:
    trials = Trials(tmp_path, trials=2, seeds=[0, 5])
    search = trials.open()
    done = trials.run(search)
    assert [cell.seed for cell in done] == [0, 5, 0, 5]
    (_, tuning), *_ = search.tuned(trials.cells)
    scores = [known(trials.records[cell.id].quality).macro_f1 for cell in done]
    assert [trial.macro_f1 for trial in known(tuning).trials] == pytest.approx(
        [(scores[0] + scores[1]) / 2, (scores[2] + scores[3]) / 2]
    )


def test_a_larger_budget_keeps_the_earlier_trials(tmp_path: Path) -> None:
    few, more = Trials(tmp_path, trials=3), Trials(tmp_path, trials=6)
    few.run(few.open())
    more.records = few.records
    added = more.run(more.open())
    assert len(added) == 3


def test_pruning_gives_trials_the_median_of_earlier_ones(tmp_path: Path) -> None:
    trials = Trials(tmp_path, trials=8, pruning=True, train={"validation_points": 2})
    done = trials.run(trials.open(), curve=(0.2, 0.5))
    assert [cell.prune_below for cell in done] == [()] * 5 + [(0.2, 0.5)] * 3


def test_a_space_needs_a_learning_rate(tmp_path: Path) -> None:
    trials = Trials(tmp_path, trials=2)
    trials.cells = [
        cell.model_copy(update={"method": cell.method.model_copy(update={"given": {"learning_rate": 1e-3}})})
        for cell in trials.cells
    ]
    with pytest.raises(StudyError, match=r"must have a learning_rate.*the study gives it a value"):
        trials.open()


def test_a_space_names_options_of_the_method(tmp_path: Path) -> None:
    trials = Trials(tmp_path, trials=2, spaces={"lora": {"rank": [1, 2]}})
    with pytest.raises(UnknownNameError, match="rank"):
        trials.open()


@pytest.mark.parametrize(
    ("place", "values", "said"),
    [
        ("data", {"evaluate_split": "validation"}, "evaluates on the validation split"),
        ("model", {"weights": "random"}, "random weights"),
    ],
)
def test_a_search_needs_a_test_split_and_weights(tmp_path: Path, place: str, values: Any, said: str) -> None:
    trials = Trials(tmp_path, trials=2)
    trials.cells = [
        cell.model_copy(update={place: getattr(cell, place).model_copy(update=values)}) for cell in trials.cells
    ]
    with pytest.raises(StudyError, match=said):
        trials.open()


def test_all_methods_of_a_dataset_keep_the_same_weights(tmp_path: Path) -> None:
    trials = Trials(tmp_path, ("lora", "bitfit"), trials=2)
    first, *rest = trials.cells
    best = first.train.model_copy(update={"keep": "best", "validation_points": 2})
    trials.cells = [first.model_copy(update={"train": best}), *rest]
    with pytest.raises(StudyError, match=r"must have the same train\.keep, got best and last"):
        trials.open()
