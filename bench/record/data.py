"""What a record says of the texts, and of the prompt around them."""

from typing import Literal

from pydantic import Field

from bench.schema import Frozen, Share


class Prompt(Frozen):
    """How a causal model was asked."""

    sha256: str = Field(description="over all that is put around a text, the label words and the settings")
    example: str = Field(description="the whole prompt of the first evaluated text")
    constant_tokens: int = Field(description="tokens before the text, alike for all texts: computed once and cached")
    label_words: tuple[str, ...]
    length_normalization: Literal["none", "tokens"]
    examples_per_class: int


class Data(Frozen):
    """What was read."""

    sha256: str = Field(description="over all texts and labels that were used")
    rows: dict[str, int] = Field(description="rows used, by split")
    synthetic: bool
    validation_carved: bool = Field(description="validation was carved from train")
    labels: tuple[str, ...]
    tokens_per_sample: float = Field(description="mean non-padding tokens of the evaluated split, prompts included")
    truncated_fraction: Share = Field(description="share of the evaluated split's texts that max_length cut")
    texts_in_train: dict[str, int] | None = Field(
        None,
        description="texts by split, validation and test, that train has too: equal once blanks, case and Unicode form "
        "(NFKC) are normalised; null, as the next three, in a record that is older than this field",
    )
    repeated_texts: dict[str, int] | None = Field(
        None, description="texts by split that an earlier one of the same split equals, likewise"
    )
    conflicting_texts: dict[str, int] | None = Field(
        None, description="texts by split that equal one, of any split, with another label, likewise"
    )
    empty_texts: dict[str, int] | None = Field(
        None, description="texts by split that are nothing but blanks; of a pair, where either one is"
    )
