"""The answer of a job that is asked something, or why there is none."""

import json
from pathlib import Path

import pytest

from bench.errors import RequestError
from bench.record.notices import doing, kept_in
from bench.run import answer
from bench.run.answer import answer_of


class Job:
    """One that has ended with a code, or goes on without end."""

    def __init__(self, exit_code: int | None) -> None:
        self.exit_code = exit_code
        self.killed = False

    def wait(self, seconds: float) -> bool:
        return self.exit_code is not None

    def kill(self) -> None:
        self.killed = True


def test_an_answer(tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text(json.dumps([1]))
    assert answer_of(Job(0), "a:b", tmp_path, 5) == [1]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (-9, "a:b was killed by SIGKILL while reading dataset mine: x.csv, without an answer; lack of mem"),
        (-11, "a:b was killed by SIGSEGV while reading dataset mine: x.csv, without an answer"),
        (0, "a:b ended with exit code 0 while reading dataset mine: x.csv, without an answer"),
    ],
)
def test_an_end_without_one_says_what_was_being_done(code: int, said: str, tmp_path: Path) -> None:
    with kept_in(tmp_path), doing("reading dataset mine: x.csv"), pytest.raises(RequestError) as caught:
        answer_of(Job(code), "a:b", tmp_path, 5)
    assert str(caught.value).startswith(said)


def test_the_end_of_the_log_is_shown(tmp_path: Path) -> None:
    (tmp_path / "stderr.txt").write_text("x" * 10_000 + "\nsaid last")
    with pytest.raises(RequestError, match=r"said last$") as caught:
        answer_of(Job(1), "a:b", tmp_path, 5)
    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize(
    ("own", "said"), [(None, "did not answer within 0 s while x"), (0.0, "x must take at most 0 s")]
)
def test_a_limit_ends_it(own: float | None, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer, "POLL_SECONDS", 0.0)
    job = Job(None)
    with kept_in(tmp_path), doing("x", own), pytest.raises(RequestError, match=said):
        answer_of(job, "a:b", tmp_path, 0 if own is None else 60)
    assert job.killed
