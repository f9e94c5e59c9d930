"""The plugin contract: a method imports from here."""

from bench.method.contract import (
    Architecture,
    Chart,
    Encoded,
    Examples,
    Insight,
    Insights,
    Method,
    ModelKind,
    OptionHelp,
    Options,
    Step,
    Task,
    Trace,
    TrainingRun,
    Variant,
    finds_last_token_by_id,
    fresh_layers,
    usable_positions,
)

__all__ = [
    "Architecture", "Chart", "Encoded", "Examples", "Insight", "Insights", "Method", "ModelKind", "OptionHelp",
    "Options", "Step", "Task", "Trace", "TrainingRun", "Variant", "finds_last_token_by_id",
    "fresh_layers", "usable_positions",
]  # fmt: skip
