"""Quality of the predictions on one split."""

from typing import Literal

from pydantic import Field, model_validator

from bench.schema import Frozen, Share


class Confusion(Frozen):
    """Confusion matrix."""

    labels: tuple[str, ...]
    texts: tuple[tuple[int, ...], ...] = Field(
        description="counts by true label (row) and predicted label (column), in the order of labels; a last column "
        "counts answers that name no label"
    )


class Quality(Frozen):
    """Quality of the predictions over the task's fixed label set."""

    split: Literal["test", "validation"]
    samples: int
    macro_f1: Share
    weighted_f1: Share
    accuracy: Share
    macro_precision: Share
    macro_recall: Share
    f1_by_label: dict[str, Share]
    label_counts: dict[str, int]
    majority_macro_f1: Share = Field(description="macro F1 of always answering the most frequent label of this split")
    confusion: Confusion | None = Field(None, description="null in older records")

    @model_validator(mode="after")
    def _counts_every_text_once(self) -> "Quality":
        if (found := self.confusion) is not None:
            counts = [(label, sum(row)) for label, row in zip(found.labels, found.texts, strict=False)]
            widths = {len(row) for row in found.texts} | {len(found.texts) + 1, len(found.labels) + 1}
            if len(widths) > 1 or dict(counts) != self.label_counts:
                raise ValueError("confusion must have a row for each label, and each must add up to its label_counts")
        return self
