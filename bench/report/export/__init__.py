"""Export of results to TensorBoard, MLflow and model cards."""

from bench.report.export.target import Target as Target
from bench.report.export.target import export as export
from bench.report.export.target import parse_target as parse_target
