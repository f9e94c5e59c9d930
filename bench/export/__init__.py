"""Results where users already are: TensorBoard, MLflow, model cards."""

from bench.export.target import Target as Target
from bench.export.target import export as export
from bench.export.target import parse_target as parse_target
