"""What a method shows beyond the table: columns of data and how to draw them, and one text's way through a model."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator

from bench.schema import Frozen

#: Names files, so nothing that leads out of a folder.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_]{0,39}$")]
Value = str | int | float | None


class Chart(Frozen):
    """How to draw the columns of an insight; each field but the labels names a column.

    heatmap: ``value`` at ``x`` and ``y``, which are categories. bars: ``y`` by category ``x``, side by side by
    ``colour``. lines: ``y`` over the number ``x``, one line a ``colour``. scatter: points, coloured by category.
    """

    kind: Literal["heatmap", "bars", "lines", "scatter"]
    x: str
    y: str
    value: str | None = Field(None, description="of a heatmap")
    colour: str | None = Field(None, description="categories, in the order in which they come up")
    panel: str | None = Field(None, description="categories that get axes of their own, in that order")
    x_label: str
    y_label: str
    value_label: str = ""
    reference: float | None = Field(None, description="a y that a line marks, e.g. an even share")
    centre: float | None = Field(None, description="a heatmap's value that has no colour, e.g. a lift of 1")


class Insight(Frozen):
    """One finding: a table and, where it can be drawn, its chart."""

    name: Name
    title: str = Field(max_length=200)
    caption: str = Field(description="what is shown, n, and the test if there is one")
    columns: dict[str, tuple[Value, ...]] = Field(
        description="values by column, all of one length; the unit in the name"
    )
    chart: Chart | None = None

    @model_validator(mode="after")
    def _whole(self) -> "Insight":
        if len({len(values) for values in self.columns.values()}) > 1:
            raise ValueError(f"insight {self.name}: columns must be of one length")
        if self.chart is not None:
            named = [getattr(self.chart, part) for part in ("x", "y", "value", "colour", "panel")]
            if missing := [column for column in named if column is not None and column not in self.columns]:
                raise ValueError(f"insight {self.name}: the chart names columns that are not there: {missing}")
            if self.chart.kind == "heatmap" and self.chart.value is None:
                raise ValueError(f"insight {self.name}: a heatmap needs the column of its values")
        return self


class Insights(Frozen):
    """What a method has to show of one cell.

    Attributes:
        facts: a few numbers for the record.
        warnings: what a reader of the row must know, a sentence each.
        parts: each is drawn by the report.
    """

    facts: dict[str, Any] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    parts: tuple[Insight, ...] = ()


class Step(Frozen):
    """What happened to one token in one place of the model."""

    text: str = Field(description="e.g. 2 (0.61), 0 (0.39)")
    category: int = Field(ge=0, description="settles the colour, e.g. the expert with the largest weight")
    weight: float = Field(ge=0, le=1, description="settles the strength of the colour")


class Trace(Frozen):
    """One text's way through the model, token by token."""

    title: str
    legend: str = Field(description="how to read a step")
    places: tuple[str, ...] = Field(description="heads of the columns, e.g. layer 5")
    categories: tuple[str, ...] = Field(description="names of the categories, e.g. expert 0")
    steps: tuple[tuple[Step, ...], ...] = Field(description="by token, then by place")
