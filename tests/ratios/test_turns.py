"""Methods that take turns: the order, equal batches, the end, and failures on the way."""

import pytest

from bench.ratios.estimate import LEAST_BLOCKS
from bench.ratios.turns import Turns
from bench.ratios.window import Failed, Window
from tests.ratios.fakes import FakeResident, Host, make_cell, quiet_host

GONE = Failed(status="killed", phase="train", message="the worker was killed")


class Measured:
    """Turns of these members on a quiet host."""

    def __init__(self, members: list[FakeResident], within: float = 1.0, seconds: float = 60.0) -> None:
        self.windows: list[Window] = []
        self.told: list[str] = []
        self.turns = Turns(
            "training", members, self.windows.append, lambda name, ratio: self.told.append(name),
            lambda: members[0].host.now,
        )  # fmt: skip
        self.turns.measure(within, seconds)

    def names(self) -> str:
        return "".join(window.member[6] for window in self.windows)


def members(names: str, host: Host, **changes: object) -> list[FakeResident]:
    return [FakeResident(make_cell(name), host, **changes) for name in names]  # type: ignore[arg-type]


@pytest.fixture
def host() -> Host:
    return quiet_host()


def test_each_block_is_measured_forwards_and_backwards(host: Host) -> None:
    found = Measured(members("abc", host))
    assert found.names().startswith("abccbaabccba")


def test_all_methods_get_the_same_batches(host: Host) -> None:
    found = Measured(members("abc", host))
    by_member = [[one.batches for one in found.windows if one.member[6] == name] for name in "abc"]
    assert by_member[0] == by_member[1] == by_member[2]
    assert len(set(by_member[0])) == len(by_member[0])


def test_windows_last_half_a_second_on_average(host: Host) -> None:
    found = Measured(members("ab", host))
    mean = sum(window.seconds for window in found.windows) / len(found.windows)
    assert 0.35 < mean < 0.8


def test_a_short_time_has_shorter_windows_and_enough_blocks() -> None:
    found = Measured(members("ab", host := quiet_host()), within=1e-6, seconds=12)
    assert host.now <= 12
    assert len(found.windows) >= 4 * LEAST_BLOCKS


def test_a_ratio_that_is_known_is_not_measured_further(host: Host) -> None:
    found = Measured([*members("ab", host), FakeResident(make_cell("c"), host, noise=0.05)])
    assert found.names().count("b") < found.names().count("c")
    assert found.names().endswith("accaacca")


def test_the_time_limit_holds() -> None:
    host = quiet_host()
    assert Measured(members("ab", host), within=1e-6, seconds=20).windows
    assert 15 < host.now <= 20


def test_a_method_that_fails_is_left_out_and_the_others_go_on(host: Host) -> None:
    a, b, c = members("abc", host)
    b.fails = {("training", 20): GONE}
    found = Measured([a, b, c], within=1e-6, seconds=60)
    assert found.turns.failed == {b.cell.id: GONE}
    assert found.names().endswith("acca")


def test_without_the_reference_nothing_goes_on(host: Host) -> None:
    a, b = members("ab", host)
    a.fails = {("training", 20): GONE}
    found = Measured([a, b], within=1e-6, seconds=1000)
    assert set(found.turns.failed) == {a.cell.id}
    assert host.now < 100


@pytest.mark.parametrize("which", [0, 1])
def test_a_method_that_fails_while_it_warms_up(host: Host, which: int) -> None:
    pair = members("ab", host)
    pair[which].fails = {("training", 0): GONE}
    found = Measured(pair)
    assert found.turns.failed == {pair[which].cell.id: GONE}
    assert found.windows == []


def test_other_batches_are_a_failure(host: Host) -> None:
    a, b, c = members("abc", host)
    b.batches = "other"
    found = Measured([a, b, c])
    assert "batches" in found.turns.failed[b.cell.id].message
    assert set(found.names()) == {"a", "c"}
