"""A published.toml: what the tables beside it are, and what their names stand for in a study."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator

from bench.commands.audit.published.quantities import COLUMNS, CONDITIONS, why_unknown
from bench.errors import StudyError
from bench.schema import Frozen, explain, read_toml
from bench.study.values import Slug
from bench.text.display import one_line

MANIFEST = "published.toml"

Line = Annotated[str, AfterValidator(one_line)]
"""Text from a file, joined into one line when it is read."""


class Stated(Frozen):
    """Conditions that the publication states; None where it states none."""

    sequence_length: int | None = Field(None, ge=1, le=10_000_000, description="tokens, virtual ones not counted")
    batch_size: int | None = Field(None, ge=1, description="sequences per optimizer step")
    precision_mode: str | None = Field(None, max_length=40, description="e.g. bf16, fp32")
    runs: int | None = Field(None, ge=1, le=10_000, description="runs of which a printed score is the mean")
    averaging: Literal["class", "macro", "weighted"] | None = Field(
        None, description="of precision, recall and F1; class: of one class, the positive one"
    )
    counts_head: bool | None = Field(None, description="whether the classification head is in the parameters")
    counts_copies: bool | None = Field(None, description="whether frozen originals of trained copies are")
    counts_embeddings: bool | None = Field(None, description="whether embeddings are")
    counts_packed: bool | None = Field(None, description="whether two 4-bit weights count as one element, as stored")
    multiply_add: Literal[1, 2] | None = Field(None, description="operations of a multiply-add in FLOPs")


class RowName(Frozen):
    """The study's names for a row of a table."""

    model: str = Field(min_length=1, max_length=400)
    method: str = Field(min_length=1, max_length=400)


class TableEntry(Frozen):
    """One table of a publication."""

    file: str = Field(description="file beside this one: .csv, .md or .tex")
    title: Line = Field("", max_length=200)
    content: Literal["rows", "facts"] = Field("rows", description="facts: kept with the other tables but not audited")
    compare: bool = Field(True, description="list its numbers one by one; if false they are used for findings only")
    row_column: str | None = Field(None, description="column that names model and method together; see rows")
    rows: dict[str, RowName] = Field(default_factory=dict, description="by the text in row_column")
    columns: dict[str, str] = Field(
        default_factory=dict, description="meaning of printed headings, e.g. trainable_params_million or mcc_percent"
    )
    same: dict[Literal["dataset", "model", "method", "sequence_length", "batch_size", "precision_mode"], str] = Field(
        default_factory=dict, description="names and conditions that hold for every row and are in no column"
    )

    @field_validator("file")
    @classmethod
    def _beside(cls, file: str) -> str:
        if Path(file).name != file or not file.endswith((".csv", ".md", ".tex")) or not file.isprintable():
            raise ValueError("must be the name of a .csv, .md or .tex file in the same folder")
        return file

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: dict[str, str]) -> dict[str, str]:
        for name in columns.values():
            if name not in (*COLUMNS, *CONDITIONS, "dataset", "model", "method"):
                raise ValueError(f"{name!r}: {why_unknown(name)}")
        return columns


class Manifest(Frozen):
    """A published.toml: what the tables beside it are, and what their names stand for in a study."""

    title: Line = Field(min_length=1, max_length=200)
    source: Line = Field("", max_length=2000)
    study: str | None = Field(
        None, min_length=1, max_length=400,
        description="study whose plan is compared: a name, or a .toml file beside this one; null: none is planned",
    )  # fmt: skip
    stated: Stated = Stated()
    notes: tuple[Line, ...] = Field(
        (), max_length=50, description="what the publication states about its numbers, e.g. that heads are not counted"
    )
    inferred: tuple[str, ...] = Field(
        (),
        description="printed models whose batch size, precision and length the publication does not state; those of "
        "the study were worked out from the printed numbers",
    )
    tables: dict[Slug, TableEntry] = Field(min_length=1)
    datasets: dict[str, str] = Field(default_factory=dict, description="printed name to study name")
    models: dict[str, str] = Field(default_factory=dict, description="printed name to study name")
    methods: dict[str, str] = Field(default_factory=dict, description="printed name to study name")


def read_manifest(path: Path) -> Manifest:
    """The content of a published.toml.

    Raises:
        StudyError: it cannot be read or breaks a rule.
    """
    return validated(read_toml(path), path)


def validated(content: dict[str, Any], path: Path) -> Manifest:
    """The content as a manifest.

    Args:
        content: content of a toml file, or its replacement.
        path: path of that file, for messages.

    Raises:
        StudyError: it breaks a rule.
    """
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise StudyError(explain(error, str(path), Manifest)) from None
