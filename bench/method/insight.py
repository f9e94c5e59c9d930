"""Data that a method shows beside the table: columns with their charts, and the trace of one text."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from bench.schema import Frozen

#: A safe file name.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]{0,39}$")]
Value = str | int | float | None


class Chart(Frozen):
    """The chart of an insight; ``x``, ``y``, ``value``, ``colour`` and ``panel`` name columns.

    heatmap: ``value`` at the categories ``x`` and ``y``. bars: ``y`` by category ``x``, side by side by ``colour``.
    lines: ``y`` over the number ``x``, one line per ``colour``. scatter: points, coloured by category.
    """

    kind: Literal["heatmap", "bars", "lines", "scatter"]
    x: str
    y: str
    value: str | None = Field(None, description="values of a heatmap")
    colour: str | None = Field(None, description="categories, in order of appearance")
    panel: str | None = Field(None, description="categories with separate axes, in order of appearance")
    x_label: str
    y_label: str
    value_label: str = ""
    reference: float | None = Field(None, description="y of a reference line, e.g. an even share")
    centre: float | None = Field(None, description="value of a heatmap that has no colour, e.g. a lift of 1")


class Insight(Frozen):
    """One finding: a table and optionally its chart."""

    name: Name
    title: str = Field(max_length=200)
    caption: str = Field(description="what is shown, n, and the test if there is one")
    columns: dict[str, tuple[Value, ...]] = Field(
        description="values by column name, which has the unit; all of one length"
    )
    chart: Chart | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Insight":
        if len({len(values) for values in self.columns.values()}) > 1:
            raise ValueError(f"insight {self.name}: columns must be of one length")
        if self.chart is not None:
            named = [getattr(self.chart, part) for part in ("x", "y", "value", "colour", "panel")]
            if missing := [column for column in named if column is not None and column not in self.columns]:
                raise ValueError(f"insight {self.name}: the chart names missing columns: {missing}")
            if self.chart.kind == "heatmap" and self.chart.value is None:
                raise ValueError(f"insight {self.name}: a heatmap needs a column of values")
        return self


class Insights(Frozen):
    """The insights of one cell.

    Attributes:
        facts: a few numbers for the record.
        warnings: sentences that a reader of the row must know.
        parts: tables and charts for the report.
    """

    facts: dict[str, Any] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    parts: tuple[Insight, ...] = ()


class Step(Frozen):
    """What happened to one token in one place of the model."""

    text: str = Field(description="e.g. 2 (0.61), 0 (0.39)")
    category: int = Field(ge=0, description="number of the colour, e.g. the expert with the largest weight")
    weight: float = Field(ge=0, le=1, description="strength of the colour")


class Trace(Frozen):
    """The trace of one text through the model, token by token."""

    title: str
    legend: str = Field(description="how to read a step")
    places: tuple[str, ...] = Field(description="headers of the columns, e.g. layer 5")
    categories: tuple[str, ...] = Field(description="names of the categories, e.g. expert 0")
    steps: tuple[tuple[Step, ...], ...] = Field(description="by token, then by place")
