"""What a check found, as a verdict and a sentence."""

from functools import partial
from typing import Literal

from bench.schema import Frozen
from bench.text.message import listed as listed_up_to
from bench.text.message import message

Verdict = Literal["pass", "fail", "not applicable", "not run"]
#: The first few names, and how many more there are.
listed = partial(listed_up_to, most=3)

#: Files through which the command and its worker speak: the plugin, and results so far as JSON, one a line.
REQUEST, RESULTS = "request.json", "results.jsonl"
#: Model and name of the check under way; and a file that is there when all checks are done.
RUNNING, FINISHED = "running.json", "finished"


class Finding(Frozen):
    """The outcome of one check.

    Attributes:
        verdict: not applicable where the method has nothing to check, not run where an earlier check leaves no ground.
        found: in a sentence, with numbers and names.
        advice: what to do about a failure.
        traceback: of what a method raised.
    """

    verdict: Verdict
    found: str
    advice: str | None = None
    traceback: str | None = None


class Result(Finding):
    """A finding with its place.

    Attributes:
        model: on which it was found; empty where the check needs no model.
        check: its name.
    """

    model: str
    check: str

    @classmethod
    def of(cls, model: str, check: str, finding: Finding) -> "Result":
        """The finding of a check on a model."""
        return cls(model=model, check=check, **finding.model_dump())


def passed(found: str) -> Finding:
    """The method keeps the contract."""
    return Finding(verdict="pass", found=found)


def failed(found: str, advice: str, traceback: str | None = None) -> Finding:
    """The method breaks the contract; the advice says what to do."""
    return Finding(verdict="fail", found=message(found), advice=message(advice), traceback=traceback)


def not_applicable(found: str) -> Finding:
    """There is nothing to check."""
    return Finding(verdict="not applicable", found=found)


def not_run(found: str) -> Finding:
    """There was no ground to check on."""
    return Finding(verdict="not run", found=found)
