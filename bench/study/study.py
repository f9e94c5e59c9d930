"""Study files, validated and immutable."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr, ValidationError, model_validator

from bench.errors import StudyError, UnknownNameError
from bench.schema import Frozen, explain, read_toml
from bench.study.catalog import catalog
from bench.study.entries import DatasetEntry, MethodEntry, ModelEntry
from bench.study.settings import DataSettings, Limits, PromptSettings, TrainSettings
from bench.study.tuning import TuneSettings
from bench.study.values import Device, OpenSettings, Reference, Settings, Slug

STUDIES_FOLDER = Path(__file__).parent / "studies"


def _distinct(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    seen: set[frozenset[str]] = set()
    for first, second in pairs:
        if first == second:
            raise ValueError(f"{first!r:.80} is compared with itself; name another method")
        if frozenset((first, second)) in seen:
            raise ValueError(f"{first!r:.80} and {second!r:.80} are compared twice")
        seen.add(frozenset((first, second)))
    return pairs


class Grid(Frozen):
    """Datasets, models, methods and seeds, each combination of which is a cell."""

    datasets: tuple[Reference, ...] = Field(min_length=1)
    models: tuple[Reference, ...] = Field(min_length=1)
    methods: tuple[str, ...] = Field(("*",), min_length=1, description="names; * is all methods that support the model")
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    repeats: int = Field(
        1, ge=1, description="number of measurements of each cell, which differ only by the machine's variation"
    )
    data: Settings = Field(default_factory=dict, description="data settings for this grid only")
    train: Settings = Field(default_factory=dict, description="train settings for this grid only")
    prompt: Settings = Field(default_factory=dict, description="prompt settings for this grid only")
    options: dict[str, OpenSettings] = Field(
        default_factory=dict, description="options by method for this grid only, over those of [methods]"
    )

    @model_validator(mode="after")
    def _check_values(self) -> "Grid":
        for name in ("datasets", "models", "methods", "seeds"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"{name} lists the same value twice")
        if any(not 0 <= seed < 2**31 for seed in self.seeds):
            raise ValueError("seeds must be at least 0 and below 2**31")
        return self


class Study(Frozen):
    """One study file."""

    schema_version: Literal[1] = 1
    name: Slug
    title: str = Field("", max_length=200)
    notes: str = Field("", description="notes for readers of the table")
    device: Device = Field("auto", description="auto: GPU 0 if there is one, else cpu; cuda is GPU 0, cuda:1 the next")
    grid: tuple[Grid, ...] = Field(min_length=1)
    data: DataSettings = DataSettings()
    train: TrainSettings = TrainSettings()
    prompt: PromptSettings = PromptSettings()
    prompts: dict[Slug, Settings] = Field(default_factory=dict, description="prompt settings by dataset, over prompt")
    limits: Limits = Limits()
    datasets: dict[Slug, DatasetEntry] = Field(default_factory=dict)
    models: dict[Slug, ModelEntry] = Field(default_factory=dict)
    methods: dict[Slug, MethodEntry] = Field(default_factory=dict)
    baselines: bool = Field(
        True, description="also measure the baselines without a model, one row for each dataset and baseline"
    )
    tune: TuneSettings | None = Field(None, description="search of options before the measurement; absent: none")
    comparisons: Annotated[tuple[tuple[str, str], ...], AfterValidator(_distinct)] = Field(
        (), description="pairs of methods; the report compares them by data and seed, first minus second"
    )
    _folder: Path = PrivateAttr(default=Path())

    @model_validator(mode="after")
    def _check_names(self) -> "Study":
        if "none" in self.models:
            raise ValueError('models.none: the name "none" stands for methods without a model; choose another name')
        return self

    @property
    def folder(self) -> Path:
        """The folder that relative paths start from; not part of the study's content."""
        return self._folder

    def in_folder(self, folder: Path) -> "Study":
        """The same study with relative paths that start from another folder."""
        placed = self.model_copy()
        placed._folder = folder
        return placed

    def data_settings(self, grid: Grid, dataset: str) -> DataSettings:
        """Merge the data settings of study, dataset and grid; later ones override.

        Raises:
            StudyError: an override names an unknown setting or breaks its rule.
        """
        entry = self.datasets.get(dataset)
        own = {} if entry is None or entry.max_length is None else {"max_length": entry.max_length}
        try:
            return DataSettings.model_validate(self.data.model_dump() | own | grid.data, strict=True)
        except ValidationError as error:
            raise StudyError(explain(error, f"study {self.name}: data of a grid", DataSettings)) from None

    def prompt_settings(self, grid: Grid, dataset: str, known: dict[str, Any]) -> PromptSettings:
        """Merge the prompt settings of catalog, study, dataset and grid; later ones override.

        Args:
            grid: grid with its settings.
            dataset: name of the dataset.
            known: prompt settings of the catalog.

        Raises:
            StudyError: an override names an unknown setting or breaks its rule.
        """
        given = self.prompt.model_dump(mode="json", exclude_unset=True)
        merged = known | given | self.prompts.get(dataset, {}) | grid.prompt
        try:
            return PromptSettings.model_validate_json(json.dumps(merged), strict=True)
        except ValidationError as error:
            raise StudyError(explain(error, f"study {self.name}: prompt of {dataset}", PromptSettings)) from None

    def train_settings(self, grid: Grid, method: MethodEntry | None, where: str) -> TrainSettings:
        """Merge the train settings of study, grid and method; later ones override.

        Raises:
            StudyError: an override names an unknown setting or breaks its rule.
        """
        merged = self.train.model_dump() | grid.train | (method.train if method else {})
        try:
            return TrainSettings.model_validate(merged, strict=True)
        except ValidationError as error:
            raise StudyError(explain(error, where, TrainSettings)) from None


def shipped_studies() -> dict[str, Path]:
    """The paths of the studies that come with tunebench, by name."""
    return {path.stem: path for path in sorted(STUDIES_FOLDER.glob("*.toml"))}


def load_study(reference: str) -> Study:
    """Read a shipped study by name, or any study by path.

    Relative paths start from the study file's folder, or from the current folder for a shipped study.

    Raises:
        StudyError: the file cannot be read or breaks a rule; the message names file, key, rule and value.
        UnknownNameError: the reference is neither a file nor a shipped study.
    """
    shipped = shipped_studies()
    path = shipped.get(reference, Path(reference))
    if not path.is_file():
        raise UnknownNameError("study", reference, shipped, "or give the path of a .toml file")
    content = read_toml(path)
    content.setdefault("name", path.stem)
    try:
        # Strict validation of JSON accepts a list for a tuple, but neither text for a number nor true for 1.
        study = Study.model_validate_json(json.dumps(content, default=str), strict=True)
    except ValidationError as error:
        raise StudyError(explain(error, str(path), Study)) from None
    placed = _with_known_methods(study)
    return placed.in_folder(Path() if reference in shipped else path.resolve().parent)


def _with_known_methods(study: Study) -> Study:
    """The study with the catalog's entries of the methods that its grids name."""
    known = catalog("methods")
    named = {row for grid in study.grid for row in grid.methods if row in known}
    found = {row: MethodEntry.model_validate(known[row]) for row in sorted(named)}
    return study.model_copy(update={"methods": found | study.methods})
