"""The audit stamp: each check on both sides of its limit, and where nothing is known."""

from dataclasses import replace
from typing import Any

import pytest

from bench.measure.stationarity import Drift
from bench.measure.warmup import WarmUp
from bench.record.memory_breakdown import MemoryBreakdown
from bench.record.record import Check, Verdict
from bench.run.worker import checks as validity
from bench.train.loop import StepLog
from tests.measure.test_conditions import CORES, NOTHING

MB = 1_000_000
STEADY = Drift(fraction=0.0, p_value=0.5, disturbed_fraction=0.0, lost_fraction=0.0)
#: Ten seconds on every core, of which this process used half.
CALM = replace(NOTHING, seconds=10.0, own_cpu_seconds=5.0 * CORES, cpu_seconds=5.0 * CORES)


def verdicts(checks: list[Check]) -> dict[str, Verdict]:
    names = [check.name for check in checks]
    assert len(set(names)) == len(names)
    return {check.name: check.verdict for check in checks}


def the_one(checks: list[Check], name: str) -> Check:
    (check,) = (check for check in checks if check.name == name)
    return check


class TestSteady:
    @pytest.mark.parametrize(
        ("fraction", "p_value", "verdict"),
        [
            (0.15, 0.001, "valid"),
            (0.151, 0.001, "suspect"),
            (-0.151, 0.0099, "suspect"),
            (0.5, 0.01, "valid"),  # so few and so varied steps that chance does it
            (0.14, 1e-9, "valid"),  # certain, and too small to matter
        ],
    )
    def test_drift(self, fraction: float, p_value: float, verdict: Verdict) -> None:
        checks = validity.steady("training", replace(STEADY, fraction=fraction, p_value=p_value))
        assert verdicts(checks) == {"stationary training": verdict, "undisturbed training": "valid"}
        way = "more" if fraction > 0 else "less"
        assert f"took {100 * abs(fraction):.1f} % {way} time than" in checks[0].found

    @pytest.mark.parametrize(
        ("disturbed", "lost", "verdict"),
        [(0.05, 0.0, "valid"), (0.06, 0.0, "suspect"), (0.01, 0.05, "valid"), (0.01, 0.051, "suspect")],
    )
    def test_disturbed_steps_and_time_lost_in_few(self, disturbed: float, lost: float, verdict: Verdict) -> None:
        """One long pause is one step of many."""
        checks = validity.steady("training", replace(STEADY, disturbed_fraction=disturbed, lost_fraction=lost))
        assert verdicts(checks) == {"stationary training": "valid", "undisturbed training": verdict}
        assert f"{100 * lost:.1f} % of the time is lost" in checks[1].found

    def test_too_few_steps_are_unknown(self) -> None:
        assert verdicts(validity.steady("inference", None)) == {"stationary inference": "unknown"}


@pytest.mark.parametrize(
    ("stationary", "steps", "verdict", "said"),
    [
        (True, 16, "valid", "ended when step times had become stationary, after 16 steps"),
        (False, 25, "suspect", "was cut short before step times had become stationary, after 25 steps"),
        (None, 5, "unknown", "too few steps to test; 5 were left out"),
        (None, 0, "unknown", "none was requested"),
    ],
)
def test_warm_up(stationary: bool | None, steps: int, verdict: Verdict, said: str) -> None:
    check = validity.warmed_up(stationary, steps)
    assert (check.name, check.verdict, check.found) == ("warm-up", verdict, said)


class TestUndisturbed:
    def test_calm(self) -> None:
        assert verdicts(validity.undisturbed(CALM, None, on_cuda=False)) == {
            "other load": "valid", "stolen time": "valid", "swap": "valid", "throttling": "valid"
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("name", "changes", "verdict", "said"),
        [
            *(("other load", {"cpu_seconds": (5.0 + 10 * share) * CORES}, verdict, f"{100 * share:.1f} %")
              for share, verdict in ((0.099, "valid"), (0.101, "suspect"))),
            *(("stolen time", {"stolen_cpu_seconds": 10 * share * CORES}, verdict, "")
              for share, verdict in ((0.019, "valid"), (0.021, "suspect"))),
            ("swap", {"swapped_bytes": 0}, "valid", ""), ("swap", {"swapped_bytes": 4096}, "suspect", ""),
            *(("throttling", {"cpu_throttled": cpu, "gpu_throttled_seconds": gpu}, verdict, "")
              for cpu, gpu, verdict in ((0, None, "valid"), (1, None, "suspect"), (None, None, "unknown"),
                                        (None, 0.0, "valid"), (0, 0.001, "suspect"), (5, 0.0, "suspect"),
                                        (0, 0.0, "valid"))),
            ("allocator retries", {"allocator_retries": 0}, "valid", ""),
            ("allocator retries", {"allocator_retries": 1}, "suspect", ""),
            ("power limit", {"gpu_power_capped_seconds": 5.0}, "valid", "for 5 s, 50.0 % of the time"),
            ("power limit", {"gpu_power_capped_seconds": 5.1}, "suspect", "for 5.1 s, 51.0 % of the time"),
            ("power limit", {"gpu_power_capped_seconds": None}, "unknown", ""),
        ],
    )  # fmt: skip
    def test_on_both_sides_of_a_limit(self, name: str, changes: dict[str, Any], verdict: Verdict, said: str) -> None:
        on_cuda = name in ("allocator retries", "power limit")
        checks = validity.undisturbed(replace(CALM, **changes), 0 if on_cuda else None, on_cuda=on_cuda)
        check = the_one(checks, name)
        assert check.verdict == verdict
        assert said in check.found

    @pytest.mark.parametrize(("others", "verdict"), [(0, "valid"), (1, "suspect"), (None, "unknown")])
    def test_other_processes_on_the_gpu(self, others: int | None, verdict: Verdict) -> None:
        checks = validity.undisturbed(CALM, others, on_cuda=True)
        assert the_one(checks, "other processes on the GPU").verdict == verdict

    def test_what_a_machine_does_not_tell(self) -> None:
        silent = replace(CALM, cpu_seconds=None, stolen_cpu_seconds=None, swapped_bytes=None, cpu_throttled=None)
        silent = replace(silent, gpu_throttled_seconds=None)
        checks = validity.undisturbed(silent, None, on_cuda=False)
        assert verdicts(checks) == {"other load": "unknown", "swap": "unknown", "throttling": "unknown"}
        assert {check.found for check in checks} == {"not reported by this machine"}


@pytest.mark.parametrize(("harness", "verdict"), [(0.19, "valid"), (0.21, "suspect")])
def test_overhead_of_the_harness(harness: float, verdict: Verdict) -> None:
    assert (validity.overhead(harness, 10.0).verdict, validity.overhead(0.0, 0.0).verdict) == (verdict, "valid")


@pytest.mark.parametrize(
    ("losses", "norms", "verdict", "said"),
    [
        ((0.5, 0.5), (1.0, 1.0), "valid", "one loss from one seed"),
        ((0.5, 0.5 + 1e-15), (1.0, 1.0), "suspect", "losses 0.5 and 0.500000000000001 from one seed"),
        # Gradients may be added up in any order; that is told.
        ((0.5, 0.5), (1.0, 1.5), "valid", "one loss from one seed; gradient norms 1.0 and 1.5"),
    ],
)
def test_same_seed_same_loss(
    losses: tuple[float, float], norms: tuple[float, float], verdict: Verdict, said: str
) -> None:
    check = validity.deterministic(losses, norms)
    assert (check.verdict, check.found) == (verdict, said)


@pytest.mark.parametrize(
    ("problem", "ways", "verdict", "said"),
    [
        (None, 3, "valid", "3 ways within 0.1 %"),
        (None, 2, "valid", "2 ways within 0.1 %"),
        ("they differ", 3, "suspect", "they differ"),
        ("the model cannot be traced", None, "unknown", "the model cannot be traced"),
    ],
)
def test_flop_counters(problem: str | None, ways: int | None, verdict: Verdict, said: str) -> None:
    check = validity.counters_agree(problem, ways)
    assert (check.verdict, check.found) == (verdict, said)


def breakdown(unattributed: int, process: int | None) -> MemoryBreakdown:
    """A peak of 100 MB in tensors, and so much that is in none."""
    return MemoryBreakdown(
        of="train", weights_bytes=40 * MB, gradients_bytes=10 * MB, optimizer_state_bytes=20 * MB,
        activations_bytes=25 * MB, workspace_bytes=5 * MB, allocator_slack_bytes=None if process else 0,
        cuda_context_bytes=None, process_bytes=process, unattributed_bytes=unattributed,
        peak_bytes=100 * MB + unattributed + (process or 0),
    )  # fmt: skip


class TestAccounted:
    @pytest.mark.parametrize(
        ("unattributed", "verdict"),
        [(5 * MB, "valid"), (5 * MB + 1, "suspect"), (-5 * MB, "valid"), (-5 * MB - 1, "suspect")],
    )
    def test_on_cuda_no_less_and_no_more(self, unattributed: int, verdict: Verdict) -> None:
        check = validity.accounted(breakdown(unattributed, None))
        assert (check.name, check.verdict) == ("train memory accounted for", verdict)

    @pytest.mark.parametrize(
        ("unattributed", "verdict"), [(-3 * MB, "valid"), (-3 * MB - 1, "suspect"), (50 * MB, "valid")]
    )
    def test_on_a_cpu_no_less(self, unattributed: int, verdict: Verdict) -> None:
        """What a process holds beside tensors it may hold."""
        check = validity.accounted(breakdown(unattributed, 300 * MB))
        assert check.verdict == verdict
        assert f"{100 + unattributed / MB:.1f} MB measured beyond the process, 100.0 MB seen" in check.found


@pytest.mark.parametrize(
    ("carried", "verdict"), [(0, "valid"), (8 * MB, "valid"), (8 * MB + 1, "suspect"), (None, "unknown")]
)
def test_peaks_were_restarted(carried: int | None, verdict: Verdict) -> None:
    assert validity.restarted(carried).verdict == verdict


class TestTokensCounted:
    LOG = StepLog(seconds=[1.0, 1.0], samples=[8, 8], tokens=[50, 60], padded_tokens=[64, 60])

    @pytest.mark.parametrize(("in_texts", "verdict"), [(110, "valid"), (109, "suspect"), (111, "suspect")])
    def test_each_once(self, in_texts: int, verdict: Verdict) -> None:
        check = validity.tokens_counted("training", self.LOG, in_texts)
        assert (check.name, check.verdict) == ("tokens of training", verdict)
        assert check.found == f"110 tokens in the batches of training, 124 with padding, and {in_texts} in its texts"

    def test_padding_that_is_counted_is_found(self) -> None:
        padded = replace(self.LOG, tokens=self.LOG.padded_tokens)
        assert validity.tokens_counted("training", padded, 110).verdict == "suspect"

    def test_no_step_has_more_tokens_than_places_for_them(self) -> None:
        assert validity.tokens_counted("training", replace(self.LOG, tokens=[45, 65]), 110).verdict == "suspect"


@pytest.mark.parametrize(
    ("phases", "wall", "verdict"),
    [
        (1.76, 2.0, "valid"),  # a short cell: 0.25 s
        (1.74, 2.0, "suspect"),
        (98.01, 100.0, "valid"),  # a long one: 2 %
        (97.9, 100.0, "suspect"),
    ],
)
def test_phases_add_up(phases: float, wall: float, verdict: Verdict) -> None:
    assert validity.adds_up(phases, wall).verdict == verdict


class TestPasses:
    LOG = StepLog(
        seconds=[5.0, *[1.0] * 20], samples=[8] * 21, tokens=[50] * 21, padded_tokens=[64] * 21, harness_seconds=0.01
    )

    def test_warm_up_is_no_part_of_a_timed_pass(self) -> None:
        """Its slow step counts neither as a disturbance nor as drift."""
        warmup = WarmUp(1, 21)
        warmup.steps = 1
        found = verdicts(validity.of_training(self.LOG, warmup))
        assert found == {
            "warm-up": "unknown", "stationary training": "valid", "undisturbed training": "valid",
            "harness overhead": "valid",
        }  # fmt: skip

    def test_steps_that_slow_down_are_suspect(self) -> None:
        slower = replace(self.LOG, seconds=[0.1 * 1.02**step for step in range(21)])
        assert verdicts(validity.of_inference(slower))["stationary inference"] == "suspect"
        steady = replace(self.LOG, seconds=[0.1] * 21)
        assert verdicts(validity.of_inference(steady))["stationary inference"] == "valid"
