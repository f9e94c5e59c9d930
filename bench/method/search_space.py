"""The values that a search may try for an option or a setting, declared beside it.

A field of an options class declares its values as metadata::

    learning_rate: Annotated[float, Range(low=1e-5, high=1e-3, log=True)] = Field(5e-5, gt=0, description="...")
"""

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

#: Share of a range's width, at each end, that counts as its edge.
EDGE_FRACTION = 0.02


# Not a model: pydantic would take a model in a field's metadata for the type of the field.
@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid", allow_inf_nan=False))
class Range:
    """Numbers from low to high, both included; whole numbers if both are.

    Attributes:
        low: lowest value.
        high: highest value.
        log: whether to draw evenly on a logarithmic scale.
    """

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _check_order(self) -> "Range":
        if self.low >= self.high:
            raise ValueError(f"low must be below high, got {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be above 0 on a logarithmic scale, got {self.low:g}")
        return self

    @property
    def is_whole(self) -> bool:
        """Whether the values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


Values = Annotated[tuple[int | float | str | bool, ...], Field(min_length=1)]
"""A list of values; numbers are in no particular order, and a single value is fixed."""

Searched = Range | Values
"""What a search may try for one option."""

SearchSpace = dict[str, Searched]
"""What a search may try, by name of the option; settings of training are named ``train.<setting>``."""

_SPACE: TypeAdapter[SearchSpace] = TypeAdapter(SearchSpace)


@dataclass(frozen=True, kw_only=True)
class Choices:
    """A list of values, as metadata of a field.

    Attributes:
        values: values in no particular order.
    """

    values: Values


def declared(model: type[BaseModel]) -> SearchSpace:
    """The space that the fields of a class declare as metadata."""
    found: SearchSpace = {}
    for name, field in model.model_fields.items():
        for entry in field.metadata:
            if isinstance(entry, Range):
                found[name] = entry
            elif isinstance(entry, Choices):
                found[name] = entry.values
    return found


def parse(content: Any) -> SearchSpace:
    """A space from its JSON.

    Raises:
        ValidationError: it is none.
    """
    return _SPACE.validate_python(content)


def dump(space: Mapping[str, Searched]) -> dict[str, Any]:
    """The JSON of a space."""
    return dict(_SPACE.dump_python(dict(space), mode="json"))


def edge_of(searched: Searched, value: Any) -> str | None:
    """The end of a space at which a value lies: ``lower`` or ``upper``; None if it lies inside, or there is no end.

    A range of whole numbers that begins at 1 has no lower edge, because most such options end there.
    """
    if isinstance(searched, Range):
        scale = math.log if searched.log else float
        low, high, at = scale(searched.low), scale(searched.high), scale(value)
        margin = EDGE_FRACTION * (high - low)
        begins_naturally = searched.is_whole and searched.low <= 1
        if at <= low + margin and not begins_naturally:
            return "lower"
        return "upper" if at >= high - margin else None
    numbers = [each for each in searched if isinstance(each, int | float) and not isinstance(each, bool)]
    if len(numbers) < len(searched) or len(numbers) < 2:  # names have no order
        return None
    if value == max(numbers):
        return "upper"
    return "lower" if value == min(numbers) and min(numbers) > 1 else None


def shown(searched: Searched) -> str:
    """A space of one option in words, such as ``1e-05 to 0.001, log`` or ``4, 8, 16``."""
    if isinstance(searched, Range):
        return f"{searched.low:g} to {searched.high:g}" + (", log" if searched.log else "")
    return ", ".join(map(str, searched))
