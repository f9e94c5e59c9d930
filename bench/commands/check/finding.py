"""The result of a check: a verdict and a sentence."""

from functools import partial
from typing import Literal

from bench.schema import Frozen
from bench.text.message import listed as listed_up_to
from bench.text.message import message

CheckVerdict = Literal["pass", "fail", "not applicable", "not run"]
#: The first few names, and the number of the others.
listed = partial(listed_up_to, most=3)

#: Files for the exchange with the worker: the plugin, and the results so far, as one JSON object per line.
REQUEST, RESULTS = "request.json", "results.jsonl"
#: Model and name of the current check; and a file that exists once all checks are done.
RUNNING, FINISHED = "running.json", "finished"


class Finding(Frozen):
    """The outcome of one check.

    Attributes:
        verdict: "not applicable" if the method has nothing to check, "not run" if a check that it needs has failed.
        found: result as a sentence, with numbers and names.
        advice: remedy for a failure.
        traceback: traceback of an exception raised by the method.
    """

    verdict: CheckVerdict
    found: str
    advice: str | None = None
    traceback: str | None = None


class Result(Finding):
    """A finding with its model and check.

    Attributes:
        model: name of the model; empty if the check needs none.
        check: name of the check.
    """

    model: str
    check: str

    @classmethod
    def of(cls, model: str, check: str, finding: Finding) -> "Result":
        """The finding of a check on a model."""
        return cls(model=model, check=check, **finding.model_dump())


def passed(found: str) -> Finding:
    """A finding that the method conforms to the contract."""
    return Finding(verdict="pass", found=found)


def failed(found: str, advice: str, traceback: str | None = None) -> Finding:
    """A finding that the method breaks the contract, with a remedy."""
    return Finding(verdict="fail", found=message(found), advice=message(advice), traceback=traceback)


def not_applicable(found: str) -> Finding:
    """A finding that there is nothing to check."""
    return Finding(verdict="not applicable", found=found)


def not_run(found: str) -> Finding:
    """A finding that a check was not run."""
    return Finding(verdict="not run", found=found)
