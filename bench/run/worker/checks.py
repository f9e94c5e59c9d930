"""Validity checks: conditions for trusting a row's numbers, each with a stated limit."""

import torch
from torch import Tensor

from bench.measure.conditions import Conditions
from bench.measure.stationarity import DISTURBED_RATIO, Drift, drift
from bench.measure.warmup import WarmUp
from bench.record.drift import DRIFT_FRACTION
from bench.record.memory_breakdown import MemoryBreakdown
from bench.record.record import Check, Verdict
from bench.train.loop import StepLog

DISTURBED_FRACTION = 0.05
#: Largest valid fraction of time lost in disturbed steps, beyond what their sizes explain; a long pause is one step.
LOST_FRACTION = 0.05
#: Largest valid fractions of the worker's cores used by other processes, and taken by the host.
OTHERS_FRACTION = 0.10
STOLEN_FRACTION = 0.02
#: Largest valid fraction of the timed phases at the power limit. A busy data-centre GPU often reaches its limit and
#: then runs at a steady speed; changes of speed are found by the stationarity check. Above half of the time, the limit
#: determines the speed, so the row holds only for GPUs with this limit. The value is a choice, not a measurement.
POWER_CAPPED_FRACTION = 0.50
HARNESS_FRACTION = 0.02
PHASES_FRACTION, PHASES_SECONDS = 0.02, 0.25
#: Largest valid difference between a measured peak and the bytes of tensors and the matmul workspace. CUDA's allocator
#: allocates little else; a process does.
CUDA_MEMORY_FRACTION = 0.05
#: Tolerance for the difference between a restarted peak and the memory in use.
CARRIED_BYTES = 8_000_000
HOST_MEMORY_FRACTION = 0.03
#: Largest valid RMS difference between two ways to score a text, as a fraction of the RMS score. Sums in another order
#: are rounded differently: a rounding step is 6e-8 in fp32, 5e-4 in fp16 and 4e-3 in bf16, and a few dozen layers
#: accumulate about ten of them. A head that reads padding, or a wrong merge, gives differences above 0.1.
AGREEMENT = {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}
#: In 8 bits, activations are rounded too, and the choice of outlier columns depends on the whole batch.
AGREEMENT_IN_8_BITS = 0.1


def check(name: str, suspect: bool | None, found: str) -> Check:
    """A check; if ``suspect`` is None it is unknown, and ``found`` gives the reason."""
    verdict: Verdict = "unknown" if suspect is None else "suspect" if suspect else "valid"
    return Check(name=name, verdict=verdict, found=found)


def steady(of: str, found: Drift | None, why_not: str = "fewer than 12 timed steps") -> list[Check]:
    """Whether the step times of a pass were stationary, and whether single steps were disturbed.

    Args:
        of: name of the pass, e.g. ``training``.
        found: result of ``drift``; None if the pass was too short.
        why_not: why it was too short.
    """
    if found is None:
        return [check(f"stationary {of}", None, why_not)]
    moved = found.significant and abs(found.fraction) > DRIFT_FRACTION
    way = "more" if found.fraction > 0 else "less"
    later = (
        f"the later half of the steps took {100 * abs(found.fraction):.1f} % {way} time than the earlier half, batch "
        f"sizes allowed for (p {found.p_value:.2g}; suspect beyond ±{100 * DRIFT_FRACTION:g} % at p < 0.01)"
    )
    disturbed = (
        f"{100 * found.disturbed_fraction:.1f} % of the steps took over {DISTURBED_RATIO:g} times what their size "
        f"explains (suspect above {100 * DISTURBED_FRACTION:g} %), {100 * found.lost_fraction:.1f} % of the time is "
        f"lost (suspect above {100 * LOST_FRACTION:g} %)"
    )
    suspect = found.disturbed_fraction > DISTURBED_FRACTION or found.lost_fraction > LOST_FRACTION
    return [check(f"stationary {of}", moved, later), check(f"undisturbed {of}", suspect, disturbed)]


def of_training(log: StepLog, warmup: WarmUp) -> list[Check]:
    """Checks of the training pass."""
    timed = slice(warmup.steps, None)
    return [
        warmed_up(warmup.stationary, warmup.steps),
        *steady("training", drift(log.seconds[timed], log.samples[timed], log.padded_tokens[timed])),
        overhead(log.harness_seconds, sum(log.seconds)),
    ]


def of_inference(log: StepLog) -> list[Check]:
    """Checks of the inference pass."""
    return steady("inference", drift(log.seconds, log.samples, log.padded_tokens))


def warmed_up(stationary: bool | None, steps: int) -> Check:
    """Whether warm-up ended because the step times had become stationary."""
    if stationary is None:
        why = f"too few steps to test; {steps} were left out" if steps else "none was requested"
        return check("warm-up", None, why)
    how = "ended when step times had become" if stationary else "was cut short before step times had become"
    return check("warm-up", not stationary, f"{how} stationary, after {steps} steps")


def undisturbed(grown: Conditions, other_gpu_processes: int | None, on_cuda: bool) -> list[Check]:
    """Checks of disturbances during the timed phases.

    Args:
        grown: increase of the counters over these phases.
        other_gpu_processes: number of other processes on the GPU at their end; None if unknown.
        on_cuda: whether the device is a GPU.
    """
    others, stolen = grown.others_fraction, grown.stolen_fraction
    load = "not reported by this machine" if others is None else (
        f"others computed on {100 * others:.1f} % of this process's cores (suspect above {100 * OTHERS_FRACTION:g} %)"
    )  # fmt: skip
    checks = [check("other load", None if others is None else others > OTHERS_FRACTION, load)]
    if stolen is not None:
        found = f"the host gave {100 * stolen:.1f} % of the cores to others (suspect above {100 * STOLEN_FRACTION:g} %)"
        checks.append(check("stolen time", stolen > STOLEN_FRACTION, found))
    swapped = grown.swapped_bytes
    found = "not reported by this machine" if swapped is None else f"{swapped} bytes came from swap (suspect above 0)"
    checks.append(check("swap", None if swapped is None else swapped > 0, found))
    checks.append(_throttling(grown))
    if on_cuda:
        checks.append(_power_capping(grown))
        unknown = other_gpu_processes is None
        found = "not reported by the driver" if unknown else f"{other_gpu_processes} other processes on the GPU"
        checks.append(check("other processes on the GPU", None if unknown else other_gpu_processes != 0, found))
        retries = grown.allocator_retries or 0
        checks.append(check("allocator retries", retries > 0, f"{retries} (suspect above 0)"))
    return checks


def _throttling(grown: Conditions) -> Check:
    gpu_seconds, cpu_times = grown.gpu_throttled_seconds, grown.cpu_throttled
    found = []
    if gpu_seconds is not None:
        found.append(f"heat lowered the GPU's clocks for {gpu_seconds:.3g} s (suspect above 0)")
    if cpu_times is not None:
        found.append(f"heat lowered a core's clock {cpu_times} times (suspect above 0)")
    if not found:
        return check("throttling", None, "not reported by this machine")
    return check("throttling", bool(gpu_seconds or cpu_times), "; ".join(found))


def _power_capping(grown: Conditions) -> Check:
    seconds, share = grown.gpu_power_capped_seconds, grown.power_capped_fraction
    if seconds is None or share is None:
        return check("power limit", None, "not reported by the driver, which cannot report it for a MIG instance")
    found = f"the power limit lowered the GPU's clocks for {seconds:.3g} s, {100 * share:.1f} % of the time"
    limit = f"(suspect above {100 * POWER_CAPPED_FRACTION:g} %)"
    return check("power limit", share > POWER_CAPPED_FRACTION, f"{found} {limit}")


def overhead(harness_seconds: float, step_seconds: float) -> Check:
    """Whether the harness's own work was a small fraction of the training steps."""
    share = harness_seconds / step_seconds if step_seconds > 0 else 0.0
    found = f"{100 * share:.2f} % of the time of the steps (suspect above {100 * HARNESS_FRACTION:g} %)"
    return check("harness overhead", share > HARNESS_FRACTION, found)


def deterministic(losses: tuple[float, float], gradient_norms: tuple[float, float]) -> Check:
    """Whether two steps from one seed have equal losses.

    Fused kernels may sum gradients in any order, so different gradients are reported but do not make the row suspect.
    """
    same = losses[0] == losses[1]
    found = f"losses {losses[0]!r} and {losses[1]!r} from one seed" if not same else "one loss from one seed"
    if gradient_norms[0] != gradient_norms[1]:
        found += f"; gradient norms {gradient_norms[0]!r} and {gradient_norms[1]!r}"
    return check("same seed, same loss", not same, found)


def counters_agree(problem: str | None, ways: int | None) -> Check:
    """Whether the ways of counting FLOPs agree.

    Args:
        problem: how they disagree, or why they cannot be compared; None if they agree.
        ways: number of ways; None if they cannot be compared.
    """
    suspect = None if ways is None else problem is not None
    return check("FLOP counters agree", suspect, problem or f"{ways} ways within 0.1 %")


def accounted(memory: MemoryBreakdown) -> Check:
    """Whether a peak equals the bytes of the observed tensors on CUDA, and is at least that on a CPU."""
    parts = sum(memory.held_bytes.values())
    on_cuda = memory.process_bytes is None
    measured = parts + memory.unattributed_bytes
    off = memory.unattributed_bytes / max(parts, 1)
    limit = CUDA_MEMORY_FRACTION if on_cuda else HOST_MEMORY_FRACTION
    suspect = off < -limit or (on_cuda and off > limit)
    sides = "within ±" if on_cuda else "no less than -"
    found = (
        f"{measured / 1e6:.1f} MB measured{'' if on_cuda else ' beyond the process'}, {parts / 1e6:.1f} MB seen in "
        f"tensors: {100 * off:+.1f} % (valid {sides}{100 * limit:g} %)"
    )
    return check(f"{memory.of} memory accounted for", suspect, found)


def restarted(carried_bytes: int | None) -> Check:
    """Whether the peaks were restarted, and so do not include earlier phases such as loading.

    Args:
        carried_bytes: excess of a peak over the memory in use when its phase began; None if unknown.
    """
    if carried_bytes is None:
        return check("peaks restarted", None, "unknown: this kernel does not restart the peak, or the device is a GPU")
    found = (
        f"when its phase began, a peak stood {carried_bytes / 1e6:.1f} MB above what was in use (suspect above "
        f"{CARRIED_BYTES / 1e6:g} MB)"
    )
    return check("peaks restarted", carried_bytes > CARRIED_BYTES, found)


def tokens_counted(of: str, log: StepLog, tokens: int) -> Check:
    """Whether a pass counted each token of its texts once, without padding.

    Args:
        of: name of the pass.
        log: log of the pass, including warm-up.
        tokens: number of tokens in its texts, counted independently of the batches.
    """
    counted, padded = sum(log.tokens), sum(log.padded_tokens)
    above = any(real > all_ for real, all_ in zip(log.tokens, log.padded_tokens, strict=True))
    found = f"{counted} tokens in the batches of {of}, {padded} with padding, and {tokens} in its texts"
    return check(f"tokens of {of}", counted != tokens or above, found)


def adds_up(phase_seconds: float, wall_seconds: float) -> Check:
    """Whether the phases add up to the cell's wall-clock time."""
    rest = wall_seconds - phase_seconds
    found = f"{rest:.2f} s of {wall_seconds:.2f} s lie outside of every phase (suspect above 2 %, and above 0.25 s)"
    return check("phases add up", rest > max(PHASES_SECONDS, PHASES_FRACTION * wall_seconds), found)


def agreement_limit(dtype: torch.dtype, bits: int | None) -> float:
    """The largest valid difference of scores that should be equal, as measured by ``agree``."""
    return max(AGREEMENT[dtype], AGREEMENT_IN_8_BITS if bits == 8 else 0.0)


def agree(what: str, one: Tensor | None, other: Tensor | None, limit: float, why_not: str | None = None) -> Check:
    """Whether scores that should be equal differ by no more than rounding.

    A constant added to all scores of a text changes no prediction and is ignored.

    Args:
        what: condition in which the two ways differ.
        one: class scores without it, shape (N, C); None if unknown.
        other: class scores with it.
        limit: limit of ``agreement_limit``.
        why_not: reason why they are unknown.
    """
    name = f"{what} changes no score"
    if one is None or other is None:
        return check(name, None, why_not or "not scored")
    difference = one - other
    size = other.square().mean().sqrt().clamp(min=torch.finfo(torch.float32).tiny)
    off = float((difference - difference.mean(dim=1, keepdim=True)).square().mean().sqrt() / size)
    changed = int((one.argmax(dim=1) != other.argmax(dim=1)).sum())
    found = (
        f"{what} moves the scores of {len(one)} texts by {off:.1g} of their size (suspect above {limit:g}), and the "
        f"answers to {changed} of them"
    )
    return check(name, not off <= limit, found)
