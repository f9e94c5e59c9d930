"""A study file: what to measure, validated and frozen."""

import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from bench.errors import StudyError, UnknownNameError
from bench.method.architecture import ModelKind
from bench.schema import Frozen, explain, read_toml
from bench.text.redaction import holds_credentials

STUDIES_FOLDER = Path(__file__).parent / "studies"

#: Names become folder names: no separators, no dots at the start, nothing to escape.
Slug = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
#: A repository of the hub, with or without its owner: never the path of a folder, which the hub's clients would read.
HUB_ID = r"^([A-Za-z0-9][A-Za-z0-9_.-]{0,95}/)?[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}$"
HubId = Annotated[str, StringConstraints(pattern=HUB_ID)]
#: A branch, tag or commit; the hub's clients make a path of it.
Revision = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}(/[A-Za-z0-9][A-Za-z0-9_.-]{0,99}){0,5}$")
]


def _readable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must hold no control characters")
    return text


#: A catalog name, a name defined in the study, a hub id or a local folder.
Reference = Annotated[str, StringConstraints(min_length=1, max_length=400), AfterValidator(_readable)]
Place = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_readable)]


#: What a study computes on.
DEVICE = r"auto|cpu|cuda(:(0|[1-9][0-9]{0,2}))?"


def a_device(text: str) -> str:
    """The same text.

    Raises:
        ValueError: no study can compute on that.
    """
    if not re.fullmatch(DEVICE, text):
        raise ValueError('must be "auto", "cpu", "cuda" or "cuda:N", the GPU of index N, e.g. "cuda:1"')
    return text


Device = Annotated[str, AfterValidator(a_device), WithJsonSchema({"type": "string", "pattern": f"^({DEVICE})$"})]


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(values, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("values must be text, finite numbers, booleans, lists or tables") from None
    return values


def _open(values: dict[str, Any]) -> dict[str, Any]:
    if holds_credentials(values):
        raise ValueError(
            "values must hold no credentials, for records and reports show them; read these from the environment"
        )
    return values


def _distinct(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    seen: set[frozenset[str]] = set()
    for first, second in pairs:
        if first == second:
            raise ValueError(f"a method is compared with another one, not {first!r:.80} with itself")
        if frozenset((first, second)) in seen:
            raise ValueError(f"{first!r:.80} and {second!r:.80} are compared twice")
        seen.add(frozenset((first, second)))
    return pairs


#: Settings that are validated later, by whoever defines them.
Settings = Annotated[dict[str, Any], AfterValidator(_plain)]
#: Those that stand in every record as they are, since they make the cell's id.
OpenSettings = Annotated[dict[str, Any], AfterValidator(_plain), AfterValidator(_open)]
Precision = Literal["auto", "bf16", "fp16", "fp32"]
LabelValues = Literal["names", "indices"]
WeightsStorage = Literal["auto", "mixed", "true"]


class DataSettings(Frozen):
    """How texts become examples."""

    max_length: int = Field(
        128, ge=4, le=131_072, description="longest sequence, in tokens; longer texts are truncated"
    )
    validation_fraction: float = Field(
        0.1, gt=0, lt=1, description="share of train carved off as validation where a dataset has none"
    )
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="share that becomes test of a dataset that comes as one file, without splits"
    )
    split_seed: int = Field(0, ge=0, description="seed of both and of any subsampling, alike for all cells")
    max_train_samples: int | None = Field(None, ge=1, description="train on a stratified sample of this many texts")
    max_evaluation_samples: int | None = Field(None, ge=1, description="evaluate on a stratified sample of this many")
    evaluate_split: Literal["test", "validation"] = Field(
        "test", description="split that the quality and inference columns are measured on"
    )


class TrainSettings(Frozen):
    """The training loop; what depends on the method (learning rate, weight decay) is an option of the method."""

    epochs: int = Field(3, ge=1, description="passes over the train split")
    max_steps: int | None = Field(None, ge=1, description="stop after this many optimizer steps")
    batch_size: int = Field(32, ge=1, description="sequences per optimizer step")
    inference_batch_size: int = Field(32, ge=1, description="sequences per forward pass when predicting")
    precision: Precision = Field(
        "auto",
        description="of matmuls; auto: bf16 where the machine computes it natively, else fp32; fp16 scales the loss, "
        "for GPUs without bf16",
    )
    weights_storage: WeightsStorage = Field(
        "auto",
        description="precision of the weights in training; auto: fp32 for trained ones, train.precision for frozen "
        "ones; mixed: fp32 for all; true: train.precision for all",
    )
    gradient_accumulation_steps: int = Field(
        1, ge=1, description="forward and backward passes that the batch_size sequences of a step are split into"
    )
    loss_tokens: Literal["answer", "all"] = Field(
        "answer", description="tokens that a causal model is trained on: those of the answer, or of the prompt too"
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none",
        description="of an encoder's loss; balanced: n / (classes x count of the class) of the train split; refused "
        "for causal models, which are trained on tokens",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of each target that is spread evenly over all classes; causal: over tokens"
    )
    schedule: Literal["linear", "cosine", "constant"] = Field("linear", description="learning rate after its warm-up")
    warmup_fraction: float = Field(
        0.06, ge=0, lt=1, description="share of the steps over which the learning rate rises"
    )
    max_grad_norm: float | None = Field(
        1.0, gt=0, description="clip the gradient's global L2 norm; absent: no clipping"
    )
    optimizer: Literal["adamw", "adamw_foreach", "paged_adamw", "adamw_8bit"] = Field(
        "adamw",
        description="adamw: PyTorch's fused kernel; adamw_foreach: PyTorch's default, which needs more memory; "
        "paged_adamw: bitsandbytes', whose state moves to the host where a GPU is full; adamw_8bit: bitsandbytes', "
        "whose state is in 8 bits, but for tensors below 4096 elements",
    )
    gradient_checkpointing: bool = Field(
        False, description="keep each layer's input alone and compute the rest again in the backward pass"
    )
    keep_artifact: bool = Field(False, description="keep the saved adapter or model; its size is measured in any case")
    timing_warmup_steps: int = Field(5, ge=0, description="first steps, trained but left out of the throughput")
    validation_points: int = Field(
        0,
        ge=0,
        le=50,
        description="times that the validation F1 becomes known, evenly over the training, the last at its end; each "
        "but the last keeps the trained weights on disk until then",
    )
    keep: Literal["last", "best"] = Field(
        "last",
        description="weights that are saved and evaluated: of the last step, or of the validation point with the "
        "highest macro F1",
    )
    early_stopping_patience: int | None = Field(
        None,
        ge=1,
        description="end the training after so many validation points in a row that are no better than the best; the "
        "points then predict amid the training, outside of its times and peaks; absent: it runs to its end",
    )

    @model_validator(mode="after")
    def _has_points_to_choose_by(self) -> "TrainSettings":
        chooses = 'keep = "best"' if self.keep == "best" else "early_stopping_patience"
        if (self.keep == "best" or self.early_stopping_patience is not None) and not self.validation_points:
            raise ValueError(f"{chooses} needs validation points: set validation_points to at least 1 beside it")
        return self

    @model_validator(mode="after")
    def _can_be_scaled(self) -> "TrainSettings":
        if self.precision == "fp16" and self.weights_storage == "true":
            raise ValueError('weights_storage = "true" needs precision "bf16": updates of fp16 weights underflow')
        return self


class PromptSettings(Frozen):
    """How a causal language model is asked for a label, in words and in the model's own chat template."""

    instruction: str | None = Field(
        None,
        min_length=1,
        description="what to do with the text, before it; {labels} stands for the label words; absent: the catalog's, "
        "or one that lists the label words",
    )
    label_words: tuple[str, ...] | None = Field(
        None, min_length=2, description="the answer for each class, by index; absent: the catalog's, or the class names"
    )
    examples_per_class: int = Field(
        0,
        ge=0,
        le=100,
        description="train texts of each class shown before the one asked about, drawn by data.split_seed",
    )
    length_normalization: Literal["none", "tokens"] = Field(
        "none", description="label likelihood: none: the sum over a label's tokens; tokens: their mean"
    )
    generate: bool = Field(True, description="also let the model write its answer, and parse it")
    max_new_tokens: int | None = Field(
        None, ge=1, description="tokens that an answer may have; absent: those of the longest label and 4 more"
    )


class Limits(Frozen):
    """What one cell may use."""

    cell_timeout_seconds: float = Field(
        3600, gt=0, description="wall-clock limit of one cell; then its row is a timeout"
    )
    cell_memory_bytes: int | None = Field(
        None, ge=1, description="host memory that one cell may allocate, libraries included; then its row is oom; Linux"
    )


class DatasetEntry(Frozen):
    """A dataset of the user's own: a folder or a hub id."""

    path: Place | None = Field(
        None,
        description="folder with train, test and perhaps validation as jsonl, csv, tsv or parquet; or one such file "
        "alone, which is divided by data.split_seed",
    )
    hub_id: HubId | None = Field(None, description="dataset on the hub")
    hub_config: Reference | None = Field(None, description="configuration of the hub dataset")
    revision: Revision = Field("main", description="hub revision, best a commit hash")
    text: str | tuple[str, str] = Field(
        "text", description='column that holds the text; two of pairs, e.g. ["premise", "hypothesis"]'
    )
    label: str = Field("label", description="column that holds the label: one of labels, or its index")
    labels: tuple[str, ...] | None = Field(
        None, min_length=2, description="class names by index; absent: those that the files declare, or from train"
    )
    label_values: LabelValues | None = Field(
        None, description="names: labels are class names; indices: places in labels, from 0; absent: as they tell"
    )
    max_length: int | None = Field(None, ge=4, description="longest sequence in tokens, in place of data.max_length")

    @model_validator(mode="after")
    def _one_source(self) -> "DatasetEntry":
        if (self.path is None) == (self.hub_id is None):
            raise ValueError("give exactly one of path and hub_id")
        if len(set(self.text)) == 1 and not isinstance(self.text, str):
            raise ValueError(f"text of pairs must name two columns, got {self.text[0]!r:.80} twice")
        return self


class ModelEntry(Frozen):
    """A model of the user's own: a folder or a hub id."""

    path: Place | None = Field(
        None, description="folder with config.json, tokenizer and model.safetensors; to plan, a config.json is enough"
    )
    hub_id: HubId | None = Field(None, description="model on the hub")
    revision: Revision = Field("main", description="hub revision, best a commit hash")
    kind: ModelKind | None = Field(
        None,
        description="encoder with a classification head, or causal language model; absent: what config.json names, "
        "and encoder on the hub",
    )
    bits: Literal[4, 8, 16] | None = Field(
        None,
        description="of a causal model's weights: linear layers but the head in 4 (NF4) or 8 (LLM.int8); 16: bf16; "
        "absent: the catalog's, else 16",
    )
    weights: Literal["pretrained", "random"] = Field("pretrained", description="random: the architecture alone, marked")
    base: str | None = Field(None, description="catalog name that this entry varies, e.g. with random weights")
    architecture: OpenSettings | None = Field(
        None, description="content of a config.json, to plan a model of which nothing else is at hand"
    )
    attention: Literal["eager"] | None = Field(
        None,
        description="eager: matmuls and a softmax one by one; absent: PyTorch's fused attention where there is one",
    )
    scale: Literal["tiny"] | None = Field(
        None, description="tiny: layers, widths and vocabulary cut, to try the wiring; random weights alone"
    )
    head: Literal["fresh", "checkpoint"] = Field(
        "fresh",
        description="of an encoder's classification: fresh, drawn from the seed whatever the checkpoint has; "
        "checkpoint: the one that it has, its classes matched with the task's by name, else by index",
    )
    tokenizer: str | None = Field(
        None, description="catalog name of the model whose tokenizer stands in, for random weights; absent: its own"
    )

    @model_validator(mode="after")
    def _one_source(self) -> "ModelEntry":
        sources = (self.path, self.hub_id, self.base, self.architecture)
        if sum(source is not None for source in sources) != 1:
            raise ValueError("give exactly one of path, hub_id, base and architecture")
        if self.architecture is not None and self.weights == "pretrained":
            raise ValueError('architecture needs weights = "random": there are no weights beside it')
        if self.weights == "pretrained" and self.tokenizer is not None:
            raise ValueError('tokenizer needs weights = "random": pretrained weights know their own tokens alone')
        if self.weights == "pretrained" and self.scale is not None:
            raise ValueError('scale needs weights = "random": pretrained weights have the size that they have')
        if self.head == "checkpoint" and (self.weights == "random" or self.kind == "causal"):
            raise ValueError('head = "checkpoint" needs an encoder with pretrained weights')
        if self.bits is not None and self.kind == "encoder":
            raise ValueError(
                "bits is for causal models; an encoder is trained in fp32 and computed as train.precision says"
            )
        return self


class MethodEntry(Frozen):
    """A method with its options; a second entry for the same plugin is a second row."""

    plugin: Slug | None = Field(None, description="the method's name; absent: the name of this entry")
    label: str | None = Field(None, max_length=80, description="name in tables; absent: the plugin's")
    options: OpenSettings = Field(default_factory=dict, description="options of the plugin")
    train: Settings = Field(default_factory=dict, description="train settings for this method alone")


class Grid(Frozen):
    """Every combination of these is a cell."""

    datasets: tuple[Reference, ...] = Field(min_length=1)
    models: tuple[Reference, ...] = Field(min_length=1)
    methods: tuple[str, ...] = Field(("*",), min_length=1, description="names; * is every method found that fits")
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    repeats: int = Field(
        1,
        ge=1,
        le=100,
        description="times that each cell is measured; nothing differs but what the machine makes of it",
    )
    data: Settings = Field(default_factory=dict, description="data settings for this grid alone")
    train: Settings = Field(default_factory=dict, description="train settings for this grid alone")
    prompt: Settings = Field(default_factory=dict, description="prompt settings for this grid alone")
    options: dict[str, OpenSettings] = Field(
        default_factory=dict, description="options by method for this grid alone, over those of [methods]"
    )

    @model_validator(mode="after")
    def _sane(self) -> "Grid":
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
    notes: str = Field("", max_length=10_000, description="what a reader of the table must know")
    device: Device = Field("auto", description="auto: GPU 0 where CUDA has one; cuda is GPU 0, cuda:1 the next")
    grid: tuple[Grid, ...] = Field(min_length=1)
    data: DataSettings = DataSettings()
    train: TrainSettings = TrainSettings()
    prompt: PromptSettings = PromptSettings()
    prompts: dict[Slug, Settings] = Field(default_factory=dict, description="prompt settings by dataset, over prompt")
    limits: Limits = Limits()
    datasets: dict[Slug, DatasetEntry] = Field(default_factory=dict)
    models: dict[Slug, ModelEntry] = Field(default_factory=dict)
    methods: dict[Slug, MethodEntry] = Field(default_factory=dict)
    comparisons: Annotated[tuple[tuple[str, str], ...], AfterValidator(_distinct)] = Field(
        (), description="pairs of methods, paired on data and seed in the report: the first minus the second"
    )

    def data_settings(self, grid: Grid, dataset: str) -> DataSettings:
        """Merge the data settings that hold for one dataset in one grid; the most particular wins.

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
        """Merge the prompt settings that hold for one dataset in one grid; the most particular wins.

        Args:
            grid: with its own.
            dataset: by name.
            known: what the catalog says of the dataset.

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
        """Merge the train settings that hold for one method in one grid; the most particular wins.

        Raises:
            StudyError: an override names an unknown setting or breaks its rule.
        """
        merged = self.train.model_dump() | grid.train | (method.train if method else {})
        try:
            return TrainSettings.model_validate(merged, strict=True)
        except ValidationError as error:
            raise StudyError(explain(error, where, TrainSettings)) from None


def shipped_studies() -> dict[str, Path]:
    """The studies that come with tunebench, by name."""
    return {path.stem: path for path in sorted(STUDIES_FOLDER.glob("*.toml"))}


def study_base(reference: str) -> Path:
    """The folder that relative paths of a study start from: its own, or the current one for a study that ships."""
    return Path() if reference in shipped_studies() else Path(reference).resolve().parent


def load_study(reference: str) -> Study:
    """Read a shipped study by name, or any study by path.

    Raises:
        StudyError: the file cannot be read or breaks a rule; the message names file, key, rule and value.
        UnknownNameError: neither a file nor a shipped study.
    """
    shipped = shipped_studies()
    path = shipped.get(reference, Path(reference))
    if not path.is_file():
        raise UnknownNameError("study", reference, shipped, "or give the path of a .toml file")
    content = read_toml(path)
    content.setdefault("name", path.stem)
    try:
        # By way of JSON, strictness still lets a list be a tuple, yet a text is no number and true is no 1.
        return Study.model_validate_json(json.dumps(content, default=str), strict=True)
    except ValidationError as error:
        raise StudyError(explain(error, str(path), Study)) from None
