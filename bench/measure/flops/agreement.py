"""Agreement of the FLOP counts, and explanations of their differences."""

TOLERANCE_FRACTION = 0.001


def disagreement(
    dispatched: int, traced: int, closed_form: int | None = None, *, without_method: int | None = None
) -> str | None:
    """One sentence on how forward counts differ; None if they agree within 0.1 %.

    An adapter that does no work is found even if its work is less than 0.1 % of the model's.

    Args:
        dispatched: FLOPs counted at dispatch.
        traced: FLOPs counted on the trace.
        closed_form: FLOPs in closed form, including the method's part; None if the architecture has none.
        without_method: FLOPs of the plain model in closed form, to recognise that the method's part is missing.
    """
    missing = _missing_adapter(dispatched, traced, closed_form, without_method)
    if missing:
        return missing
    counts = {"at dispatch": dispatched, "on the trace": traced}
    if closed_form is not None:
        counts["in closed form"] = closed_form
    pairs = [(one, other) for one in counts for other in counts if one < other]
    if all(agree(counts[one], counts[other]) for one, other in pairs):
        return None
    figures = ", ".join(f"{count:,} {way}" for way, count in counts.items())
    odd = [way for way in counts if _others_agree(way, counts)]
    if len(counts) == 3 and len(odd) == 1:
        others = [count for way, count in counts.items() if way != odd[0]]
        share = _difference(counts[odd[0]], sum(others) / len(others))
        return f"forward FLOPs counted {odd[0]} are {share} the other two counts: {figures}"
    return f"forward FLOPs depend on how they are counted, by {_spread(counts)}: {figures}"


def agree(one: int, other: int) -> bool:
    """Whether two counts differ by at most 0.1 % of the larger."""
    return abs(one - other) <= TOLERANCE_FRACTION * max(one, other)


def _missing_adapter(dispatched: int, traced: int, closed_form: int | None, without_method: int | None) -> str | None:
    if closed_form is None or without_method is None or not agree(dispatched, traced):
        return None
    part = closed_form - without_method
    if part <= 0 or any(abs(count - without_method) >= part / 2 for count in (dispatched, traced)):
        return None
    return (
        f"the method's own work, {part:,} FLOPs in closed form ({100 * part / closed_form:.2g} %), does not appear in "
        f"the model: counted at dispatch {dispatched:,} and on the trace {traced:,}, where the plain model needs "
        f"{without_method:,}; its adapter was never attached, or is already merged"
    )


def _others_agree(way: str, counts: dict[str, int]) -> bool:
    first, *rest = [count for other, count in counts.items() if other != way]
    return all(agree(first, count) for count in rest)


def _difference(count: float, reference: float) -> str:
    if not reference:
        return "above"
    percent = 100 * (count - reference) / reference
    return f"{abs(percent):.2g} % {'above' if percent > 0 else 'below'}"


def _spread(counts: dict[str, int]) -> str:
    low, high = min(counts.values()), max(counts.values())
    return f"{100 * (high - low) / high:.2g} %"
