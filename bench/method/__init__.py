"""The plugin contract: a method imports from here."""

from bench.method.artifact import write_tensors
from bench.method.contract import (
    Architecture,
    BaseMethod,
    BaseOptions,
    Chart,
    Choices,
    Encoded,
    Examples,
    Insight,
    Insights,
    Method,
    ModelKind,
    OptionHelp,
    Options,
    Range,
    SearchSpace,
    Step,
    Task,
    Trace,
    TrainingRun,
    Variant,
    finds_last_token_by_id,
    fresh_layers,
    usable_positions,
)
from bench.method.text_method import LabelledTexts, TextMethod, Texts

__all__ = [
    "Architecture", "BaseMethod", "BaseOptions", "Chart", "Choices", "Encoded", "Examples", "Insight", "Insights",
    "LabelledTexts", "Method", "ModelKind", "OptionHelp", "Options", "Range", "SearchSpace", "Step", "Task",
    "TextMethod", "Texts", "Trace", "TrainingRun", "Variant", "finds_last_token_by_id", "fresh_layers",
    "usable_positions", "write_tensors",
]  # fmt: skip
