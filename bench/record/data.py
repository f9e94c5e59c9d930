"""Fields of a record about the texts and the prompt."""

from typing import Literal

from pydantic import Field

from bench.schema import Frozen, Share


class Prompt(Frozen):
    """The prompt of a causal model."""

    sha256: str = Field(description="hash of everything around a text, the label words and the settings")
    example: str = Field(description="complete prompt of the first evaluated text")
    constant_tokens: int = Field(description="tokens before the text, the same for all texts: computed once and cached")
    label_words: tuple[str, ...]
    length_normalization: Literal["none", "tokens"]
    examples_per_class: int


class Data(Frozen):
    """The texts that a cell used."""

    sha256: str = Field(description="hash of all texts and labels that were used")
    rows: dict[str, int] = Field(description="rows used, by split")
    synthetic: bool
    validation_carved: bool = Field(description="validation was carved from train")
    labels: tuple[str, ...]
    tokens_per_sample: float | None = Field(
        description="mean non-padding tokens per text of the evaluated split, with prompt; null without a model"
    )
    truncated_fraction: Share | None = Field(
        description="share of the evaluated split's texts that max_length cut; null without a model"
    )
    texts_in_train: dict[str, int] | None = Field(
        None,
        description="number of validation and test texts that occur in train, by split; texts are equal if they are so "
        "after normalising blanks, case and Unicode form (NFKC); this field and the next three are null in older "
        "records",
    )
    repeated_texts: dict[str, int] | None = Field(
        None, description="number of texts, by split, that occur earlier in the same split"
    )
    conflicting_texts: dict[str, int] | None = Field(
        None, description="number of texts, by split, that occur in any split with another label"
    )
    empty_texts: dict[str, int] | None = Field(
        None, description="number of texts, by split, that are blank; for pairs, if either text is"
    )
