"""Rebuild a cell's adapted model from its artifact, in fp32 on the CPU, and explain a text with it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import nn

from bench.commands.explain.explanation import Explanation, Token
from bench.commands.explain.trace import checked_trace
from bench.data import texts
from bench.data.tokens import spans
from bench.errors import PluginError, RequestError, RunFolderError
from bench.method import Method, Task, Trace, registry
from bench.model.load import fetch, load_config, load_tokenizer, pad_with
from bench.model.quantization import cast_parameters, settle
from bench.model.weights import load_model
from bench.record.record import Record
from bench.record.run_folder import CellFolder, read_cell
from bench.study.cell import Cell
from bench.study.models import has_changed
from bench.train.inputs import Inputs
from bench.train.seeding import seed_generators

CPU = torch.device("cpu")
#: Name of the split that contains the text.
SPLIT = "asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilt:
    """An adapted model, ready for inference.

    Attributes:
        cell: cell that it was built from.
        method: method that adapted it.
        model: model in evaluation mode.
        tokenizer: tokenizer of the model.
        labels: class names by index.
        artifact: file or folder that was loaded, for messages; None if the method trains nothing.
    """

    cell: Cell
    method: Method
    model: nn.Module
    tokenizer: Any
    labels: tuple[str, ...]
    artifact: Path | None


def rebuild(folder: CellFolder, record: Record, plugin_files: Sequence[Path] = ()) -> Rebuilt:
    """The model of a finished cell, in fp32 on the CPU.

    Args:
        folder: folder of the cell.
        record: record of the cell.
        plugin_files: files given with ``--plugin``.

    Raises:
        RequestError: as ``bench.commands.explain.measured_cell.explain``.
    """
    cell = read_cell(folder.cell)
    method = _method(cell, plugin_files)
    if record.data is None:
        raise RunFolderError(f"{folder.record} does not name the classes; run the study again")
    labels = record.data.labels
    artifact = _artifact(cell, folder) if method.trains else None
    if cell.model.kind == "causal" and cell.model.weights == "random" and _other_setup(record):
        raise RunFolderError(
            f"cell {cell.id} drew its random weights {_other_setup(record)}, which the CPU cannot reproduce; "
            "explain a cell with pretrained weights"
        )
    # As in the worker: random weights that are not in the artifact are determined by the seed.
    seed_generators(cell.seed)
    source = fetch(cell.model)
    tokenizer = load_tokenizer(cell.model, source)
    config = load_config(cell.model, source, len(labels))
    model = load_model(cell.model, source, config, torch.float32, CPU, labels)
    if cell.model.kind == "encoder":
        pad_with(model, tokenizer.pad_token_id)
    model = method.adapt(model, Task(labels=labels, max_length=cell.data.max_length, kind=cell.model.kind))
    if cell.model.kind == "causal":
        settle(model, CPU)
    if artifact is not None:
        model = _load(method, model, folder, artifact)
    model = method.prepare_inference(model)
    cast_parameters(model.requires_grad_(False), torch.float32)
    return Rebuilt(
        cell=cell, method=method, model=model.eval(), tokenizer=tokenizer, labels=labels, artifact=artifact
    )  # fmt: skip


def _method(cell: Cell, plugin_files: Sequence[Path]) -> Method:
    source = cell.method
    if cell.model.kind == "none":
        raise _explains_nothing(cell)
    method_class = registry.load_planned(source, registry.find(plugin_files))
    if method_class.explain is Method.explain:
        raise _explains_nothing(cell)
    return method_class(registry.options(source.name, method_class, source.options))


def _explains_nothing(cell: Cell) -> PluginError:
    return PluginError(f"method {cell.method.name} has no explain hook; choose a cell of a method that has one")


def _artifact(cell: Cell, folder: CellFolder) -> Path:
    """The artifact of a cell: its file, or its folder if there are several files.

    Raises:
        RunFolderError: there is no artifact.
    """
    files = sorted(folder.artifact.rglob("*.safetensors"))
    if files:
        return files[0] if len(files) == 1 else folder.artifact
    if cell.train.keep_artifact:
        raise RunFolderError(
            f"{folder.artifact} has no artifact file any more; remove {folder.path} and run the study again"
        )  # fmt: skip
    raise RunFolderError(
        f"cell {cell.id} kept no artifact; set keep_artifact = true in [train], or for this method alone in "
        f"[methods.{cell.method.name}.train], and run the study again"
    )


def _other_setup(record: Record) -> str:
    """Precision and device of the measurement as a phrase; empty for fp32 on a CPU."""
    device = record.machine.device if record.machine else "cpu"
    return "" if (record.precision, device) == ("fp32", "cpu") else f"in {record.precision} on {device}"


def _load(method: Method, model: nn.Module, folder: CellFolder, artifact: Path) -> nn.Module:
    try:
        return method.load(model, folder.artifact)
    except (KeyError, ValueError, RuntimeError, OSError, SafetensorError) as error:
        said = error.args[0] if isinstance(error, KeyError) and error.args else error
        raise RunFolderError(
            f"{artifact} cannot be loaded: {type(error).__name__}: {said}; remove {folder.path} and run the study again"
        ) from error


def explain_with(rebuilt: Rebuilt, record: Record, text: str) -> Explanation:
    """Explain a text with a rebuilt model.

    Raises:
        RequestError: the text has no token, the method has no valid explanation, or the scores are not finite.
    """
    cell = rebuilt.cell
    if cell.dataset.pair_column is not None:
        raise RequestError(
            f"cell {cell.id}: explain takes one text, but dataset {cell.dataset.name} has pairs of "
            f"{cell.dataset.text_column} and {cell.dataset.pair_column}; choose a cell of single texts"
        )
    inputs = _inputs(rebuilt, text)
    ids = inputs.tokens[SPLIT].ids.tolist()
    if not ids:
        raise RequestError("there is no text to explain: the tokenizer gives no tokens")
    if inputs.prompt is not None:
        ids = [*inputs.prompt.prefix_ids, *ids, *inputs.prompt.suffix_ids]
    scores, _ = inputs.predict(rebuilt.model, SPLIT, CPU, lambda *_: None)
    if not np.isfinite(scores).all():
        raise RunFolderError(
            f"cell {cell.id}: the model's class scores are not finite numbers"
            + (f"; {rebuilt.artifact} may be damaged: run the study again" if rebuilt.artifact else "")
        )
    weights = np.exp(scores[0].astype(np.float64) - scores[0].max())
    answer = zip(rebuilt.labels, (weights / weights.sum()).tolist(), strict=True)
    return Explanation(
        cell=cell, answer=tuple(sorted(answer, key=lambda pair: -pair[1])), tokens=tuple(_tokens(inputs, text)),
        trace=_trace(rebuilt, ids), notes=tuple(_notes(inputs, record)),
    )  # fmt: skip


def _inputs(rebuilt: Rebuilt, text: str) -> Inputs:
    cell = rebuilt.cell
    splits = {SPLIT: texts.Split(["text"], [text], [0])}
    if cell.model.kind == "causal":  # the prompt may contain examples from train
        splits |= texts.load(cell.dataset, cell.data, cell.seed).splits
    dataset = texts.Dataset(labels=rebuilt.labels, splits=splits, validation_carved=False, sha256="")
    return Inputs.of(cell, dataset, rebuilt.tokenizer, [SPLIT])


def _trace(rebuilt: Rebuilt, ids: Sequence[int]) -> Trace:
    found = checked_trace(rebuilt.cell.method.name, rebuilt.method, rebuilt.model, ids)
    if found is None:
        raise _explains_nothing(rebuilt.cell)
    return found


def _tokens(inputs: Inputs, text: str) -> list[Token]:
    """The tokens of the model's input, including the prompt, with their characters."""
    prompt, tokenizer, kept = inputs.prompt, inputs.tokenizer, inputs.tokens[SPLIT]
    length = inputs.cell.data.max_length if prompt is None else prompt.room(inputs.cell.data.max_length)
    tokens: list[Token] = []
    end = 0
    places = spans(text, tokenizer, length, alone=prompt is None)
    for token_id, (start, stop) in zip(kept.ids.tolist(), places, strict=True):
        name = str(tokenizer.convert_ids_to_tokens(token_id))
        own = text[max(start, end) : stop]
        unknown = f" {name}" if token_id == tokenizer.unk_token_id else ""
        if start == stop:
            tokens.append(Token(before="", text=name, label=name))
        else:
            tokens.append(Token(before=text[end:start], text=own, label=f"{own.strip() or name}{unknown}"))
        end = max(end, stop)
    if prompt is None:
        return tokens
    around = [[_plain(tokenizer, each) for each in ids] for ids in (prompt.prefix_ids, prompt.suffix_ids)]
    return [*around[0], *tokens, *around[1]]


def _plain(tokenizer: Any, token_id: int) -> Token:
    said = str(tokenizer.decode([token_id]))
    return Token(before="", text=said, label=said.strip() or str(tokenizer.convert_ids_to_tokens(token_id)))


def _notes(inputs: Inputs, record: Record) -> list[str]:
    cell, kept = inputs.cell, inputs.tokens[SPLIT]
    notes = ["Computed in fp32 on the CPU."]
    if measured := _other_setup(record):
        notes.append(f"The cell was measured {measured}, so its own predictions may differ a little.")
    if kept.truncated:
        notes.append(
            f"The text was cut to its first {len(kept.ids)} tokens, because of data.max_length = "
            f"{cell.data.max_length}."
        )
    if cell.model.weights == "random":
        notes.append("The model started from random weights.")
    if has_changed(cell.model):
        notes.append(
            f"The files of model {cell.model.name} have changed since the cell was measured; weights that are not in "
            "the artifact may differ."
        )
    return notes
