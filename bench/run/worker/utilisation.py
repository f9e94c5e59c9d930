"""Utilisation of the device: the model FLOPs of a pass per second, against readings of a large matmul."""

from dataclasses import dataclass, field

from bench.measure.matmul import MatmulRate
from bench.record.record import Check, PhaseName, Speed
from bench.run.worker.checks import check

#: Largest ratio of the highest to the lowest reading at which the utilisation is known. The matmul of a steady device
#: varies by a few percent, and that of a shared host by 7 %; readings further apart were taken under different loads.
AGREEMENT_RATIO = 1.25


@dataclass(slots=True)
class MatmulReadings:
    """Readings of a large matmul, taken before the passes and after each of them.

    A host that is busy during a reading makes it too low, never too high, so the highest one counts.

    Attributes:
        by_phase: readings by the phase that each is part of or follows.
    """

    by_phase: dict[PhaseName, MatmulRate] = field(default_factory=dict)

    @property
    def known(self) -> list[float]:
        """The known readings in FLOPs per second."""
        rates = [rate.flops_per_second for rate in self.by_phase.values()]
        return [rate for rate in rates if rate is not None]

    @property
    def highest(self) -> float | None:
        """The highest reading in FLOPs per second; None if none is known."""
        return max(self.known, default=None)

    @property
    def ratio(self) -> float:
        """The highest reading over the lowest; 1 if none is known."""
        return max(self.known) / min(self.known) if self.known else 1.0

    @property
    def why_unknown(self) -> dict[str, str]:
        """Reasons for unknown readings, by field of the record."""
        field_name = "matmul_readings_flops_per_second"
        found = {f"{field_name}.{name}": rate.why_not for name, rate in self.by_phase.items() if rate.why_not}
        if found and self.highest is None:
            found["matmul_flops_per_second"] = next(iter(found.values()))
        return found


def utilisation(model_flops_per_second: float | None, readings: MatmulReadings) -> tuple[float | None, str]:
    """Model FLOPs utilisation as a fraction, and the reason if it is unknown.

    Args:
        model_flops_per_second: FLOPs of the pass's tokens per second; None if unknown.
        readings: readings of the cell.
    """
    if model_flops_per_second is None:
        return None, "FLOPs by length are not known for this pass"
    if readings.highest is None:
        return None, readings.why_unknown.get("matmul_flops_per_second", "no large matmul was measured")
    if readings.ratio > AGREEMENT_RATIO:
        return None, (
            f"readings of the large matmul disagree: the highest is {readings.ratio:.2f} times the lowest, at most "
            f"{AGREEMENT_RATIO:g} times is allowed"
        )
    share = model_flops_per_second / readings.highest
    if share > 1:
        return None, f"the pass reached {100 * share:.1f} % of the highest reading of the large matmul"
    return share, ""


def plausible(of: str, speed: Speed, readings: MatmulReadings) -> list[Check]:
    """Whether a pass ran no faster than the device can compute; empty if that is unknown.

    Readings that disagree show how far a reading can be too low. A pass that exceeds the highest one by no more than
    that is neither valid nor suspect.

    Args:
        of: name of the pass, e.g. ``training``.
        speed: speed of the pass.
        readings: readings of the cell.
    """
    if speed.model_flops_per_second is None or readings.highest is None:
        return []
    share, limit = speed.model_flops_per_second / readings.highest, readings.ratio
    suspect = None if 1 < share <= limit else share > limit
    found = (
        f"{100 * share:.1f} % of the highest of {len(readings.known)} readings of a large matmul (suspect above "
        f"{100 * limit:.1f} %, the highest reading over the lowest)"
    )
    return [check(f"plausible {of}", suspect, found)]
