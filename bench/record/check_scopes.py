"""The fields of a record that each validity check speaks of; a failed check casts doubt on these alone."""

from bench.record.record import Check

TRAINING = ("training",)
INFERENCE = ("inference", "latency")
TIMED = (*TRAINING, *INFERENCE)
PEAKS = ("peak_train_bytes", "peak_inference_bytes")

_OF_PASSES = {
    form.format(name): fields
    for name, fields in (("training", TRAINING), ("inference", INFERENCE))
    for form in ("stationary {}", "undisturbed {}", "plausible {}", "tokens of {}", "steps of {} add up")
}
#: Fields by name of the check, for records of every age. Quality, parameters, FLOPs and artifact size are in none: no
#: check doubts them, because a disturbance changes no prediction and no count.
SCOPES = _OF_PASSES | {
    "warm-up": TRAINING, "harness overhead": TRAINING,
    "other load": TIMED, "stolen time": TIMED, "throttling": TIMED, "power limit": TIMED,
    "other processes on the GPU": TIMED, "no pause": TIMED, "awake": TIMED, "clock": TIMED, "phases add up": TIMED,
    "swap": (*TIMED, *PEAKS), "allocator retries": (*TIMED, *PEAKS),
    "train memory accounted for": ("peak_train_bytes",), "inference memory accounted for": ("peak_inference_bytes",),
    "peaks restarted": PEAKS,
    "FLOP counters agree": (), "same seed, same loss": (), "tuned": (),
}  # fmt: skip
#: End of the names of checks that compare two ways to score a text, such as "padding changes no score".
SCORES = " changes no score"


def doubted(check: Check) -> tuple[str, ...]:
    """The fields that a check doubts if it fails; for an unknown name, everything that is timed or a peak."""
    if check.name.endswith(SCORES):
        return ()
    return SCOPES.get(check.name, (*TIMED, *PEAKS))
