"""The row of a method without a model: it has no static costs, so its method, options and data are checked."""

from pathlib import Path

from bench.errors import PluginError
from bench.method import TextMethod, registry
from bench.plan.labels import labels_of
from bench.plan.row import PlanRow
from bench.record.record import NO_MODEL
from bench.study.cell import Cell

#: Why a number is null that only the fitted method has.
AFTER_FIT = "known once the method is fitted on the texts"
FITTED = ("trainable_params", "total_params", "logical_params", "artifact_bytes")
OF_A_MODEL = (
    "sequence_length", "batch_size", "precision", "forward_flops", "train_flops", "forward_flops_traced",
    "forward_flops_closed_form", "expert_flops", "train_memory", "inference_memory", "download_bytes",
)  # fmt: skip


def text_row(cell: Cell) -> PlanRow:
    """The row of a cell without a model; nothing is fitted.

    Raises:
        PluginError: the method does not import, its options are wrong, or it adapts a model.
    """
    method = registry.load_any(cell.method.plugin, Path(cell.method.path))
    if not issubclass(method, TextMethod):
        raise PluginError(f"method {cell.method.name}: {cell.method.path} adapts a model; name one in the grid")
    registry.options(cell.method.name, method, cell.method.given)
    return PlanRow(
        dataset=cell.dataset.name, model=cell.model.name, method=cell.method.name, dataset_label=cell.dataset.label,
        model_label=cell.model.label, method_label=cell.method.label, trains=method.trains,
        num_labels=len(labels_of(cell)), sequence_length=None, batch_size=None,
        inference_batch_size=cell.train.inference_batch_size, device=cell.device, precision=None,
        unknown=dict.fromkeys(FITTED, AFTER_FIT) | dict.fromkeys(OF_A_MODEL, NO_MODEL),
    )  # fmt: skip
