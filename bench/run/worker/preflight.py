"""Checks before a run that need torch: methods import, and data and weights are available."""

import json
import resource
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.data import texts
from bench.data.tokenizer_panic import panics_are_errors
from bench.data.tokens import Tokens, require_known
from bench.errors import ModelError, RequestError, StudyError, UnsupportedError
from bench.measure.machine import device_for, precision_for
from bench.method import registry, usable_positions
from bench.method.search_space import dump
from bench.model.json_files import require_plain_json
from bench.model.load import build, fetch, load_config, load_tokenizer
from bench.model.shortages import shortages
from bench.record.files import write_json
from bench.record.notices import doing, notice
from bench.study.cell import Cell
from bench.train.cell_prompt import prompt_of
from bench.train.inputs import class_weights
from bench.train.loop import DTYPES

#: Time limit for building a model without weights; hundreds of layers take a few seconds.
BUILD_SECONDS = 600.0
#: Time limit for tokenizing a few letters.
TOKEN_SECONDS = 60.0


def describe_methods(folder: Path, requested_at: float) -> None:
    """Import each plugin of request.json; answer.json has the description of each, or its error."""
    del requested_at
    plugins = [registry.Plugin(**facts | {"path": Path(facts["path"])}) for facts in _request(folder)]
    write_json(folder / "answer.json", {plugin.name: registry.describe(plugin) for plugin in plugins})


def fill_options(folder: Path, requested_at: float) -> None:
    """Validate the options of each row of request.json; answer.json has them with defaults, or an error."""
    del requested_at
    answer: dict[str, dict[str, Any]] = {}
    for key, row in _request(folder).items():
        try:
            method = registry.load_any(row["plugin"], Path(row["path"]))
            answer[key] = {"options": registry.filled_options(row["name"], method, row["options"])}
        except RequestError as error:
            answer[key] = {"error": str(error)}
    write_json(folder / "answer.json", answer)


def search_spaces(folder: Path, requested_at: float) -> None:
    """Answer with the search space and the names of the options of each row of request.json, or an error."""
    del requested_at
    answer: dict[str, dict[str, Any]] = {}
    for name, row in _request(folder).items():
        try:
            method = registry.load_any(row["plugin"], Path(row["path"]))
            filled = registry.filled_options(name, method, row["given"])
            space = registry.search_space(name, method, row["given"])
            answer[name] = {"space": dump(space), "options": list(filled)}
        except RequestError as error:
            answer[name] = {"error": str(error)}
    write_json(folder / "answer.json", answer)


def check_cells(folder: Path, requested_at: float) -> None:
    """Load every dataset and check every model of the cells in request.json; answer.json lists the problems."""
    del requested_at
    cells = [Cell.model_validate(cell) for cell in _request(folder)]
    problems: list[str] = []
    for cell in {f"{c.device}{c.train.precision}": c for c in cells}.values():
        _attempt(problems, partial(_check_device, cell))
    if problems:  # further problems may depend on the device
        write_json(folder / "answer.json", problems)
        return
    if any(cell.limits.cell_memory_bytes for cell in cells) and sys.platform != "linux":
        problems.append("limits.cell_memory_bytes needs Linux; remove it from the study")
    for cell in {f"{c.dataset}{c.data}": c for c in cells}.values():
        _attempt(problems, partial(texts.load, cell.dataset, cell.data))
    weighted = (cell for cell in cells if cell.train.class_weights != "none")
    for cell in {f"{c.dataset}{c.data}": c for c in weighted}.values():
        _attempt(problems, partial(_check_class_weights, cell))
    models = [cell for cell in cells if cell.model.kind != "none"]
    for cell in {f"{c.model.fingerprint}{c.model.bits}{c.model.kind}{c.data.max_length}": c for c in models}.values():
        _attempt(problems, partial(_check_model, cell))
    for cell in {f"{c.model.fingerprint}{c.model.bits}{c.train.precision}{c.limits}": c for c in models}.values():
        if not problems:
            _attempt(problems, partial(_tell_shortages, cell))
    if not problems:
        asked = (cell for cell in cells if cell.model.kind == "causal")
        for cell in {f"{c.model.fingerprint}{c.dataset}{c.data}{c.prompt}": c for c in asked}.values():
            _attempt(problems, partial(_check_prompt, cell))
    write_json(folder / "answer.json", problems)


def _check_device(cell: Cell) -> None:
    """Check that the device exists and supports the precision.

    Raises:
        StudyError: it does not.
    """
    if device_for(cell.device).type == "cpu" and cell.train.precision == "fp16":
        # A matmul of 2048 rows takes minutes in fp16 on a CPU, and a fraction of a second in fp32.
        raise StudyError('train.precision = "fp16" is for GPUs, and this study runs on a CPU; set "auto"')


def _check_model(cell: Cell) -> None:
    folder = fetch(cell.model)
    config = load_config(cell.model, folder, 2)  # first, so that errors are the same as in a plan
    if folder is not None:
        require_plain_json(cell.model.name, folder, cell.model.weights == "pretrained")
    tokenizer = load_tokenizer(cell.model, folder)
    _require_embeddings(cell, tokenizer, config.vocab_size)
    if cell.model.bits in (4, 8):
        _check_quantization(cell)
    try:
        with torch.device("meta"), doing(f"building the architecture of model {cell.model.name}", BUILD_SECONDS):
            positions = usable_positions(build(config, cell.model.kind))
    except UnsupportedError as error:
        raise ModelError(f"model {cell.model.name}: {error}") from error
    if positions is not None and cell.data.max_length > positions:
        raise StudyError(
            f"data.max_length must be at most {positions}, the positions of model {cell.model.name}, "
            f"got {cell.data.max_length}"
        )


def _tell_shortages(cell: Cell) -> None:
    """Say what this machine lacks for a model on its CPU; the other cells of the study can run all the same."""
    device = device_for(cell.device)
    if device.type == "cpu":
        config = load_config(cell.model, fetch(cell.model), 2)
        dtype = DTYPES[precision_for(cell.train.precision, device)]
        for line in shortages(cell.model, config, dtype, cell.limits.cell_memory_bytes):
            notice(line)


def _require_embeddings(cell: Cell, tokenizer: Any, vocabulary: int) -> None:
    """Check that the model has an embedding for every token; ids may have gaps, and special tokens may have any id.

    Raises:
        ModelError: an embedding is missing.
    """
    count, where = len(tokenizer), f"model {cell.model.name}"
    if count > vocabulary:
        raise ModelError(
            f"{where}: its tokenizer has {count} tokens, more than its {vocabulary} embeddings; choose another "
            "tokenizer"
        )
    known = [*tokenizer.get_vocab().values(), int(tokenizer.pad_token_id)]
    with doing(f"making tokens with the tokenizer of {where}", TOKEN_SECONDS), panics_are_errors(where):
        around = tokenizer("a text", truncation=True, max_length=cell.data.max_length)["input_ids"]
    ids = np.array([*known, *around], dtype=np.int64)
    require_known(Tokens(ids.astype(np.int32), np.array([0, len(ids)]), 0), vocabulary, where)


def _check_quantization(cell: Cell) -> None:
    """Check that bitsandbytes imports and supports the device.

    Raises:
        ModelError: it does not.
    """
    device = device_for(cell.device).type
    whole = f"set bits = 16 in [models.{cell.model.name}]"
    try:
        import bitsandbytes
    except Exception as error:  # its native library may raise anything
        raise ModelError(
            f"model {cell.model.name}: {cell.model.bits} bits need bitsandbytes, which does not import: "
            f"{type(error).__name__}: {error}; install it (pip install bitsandbytes), or {whole}"
        ) from error
    if device not in bitsandbytes.supported_torch_devices:
        raise ModelError(
            f"model {cell.model.name}: bitsandbytes {bitsandbytes.__version__} has no operators of "
            f"{cell.model.bits} bits for {device}; upgrade it, or {whole}"
        )


def _check_class_weights(cell: Cell) -> None:
    class_weights(cell, texts.load(cell.dataset, cell.data, cell.seed))


def _check_prompt(cell: Cell) -> None:
    tokenizer = load_tokenizer(cell.model, fetch(cell.model))
    prompt_of(cell, texts.load(cell.dataset, cell.data, cell.seed), tokenizer)


def _attempt(problems: list[str], work: Callable[[], object]) -> None:
    try:
        work()
    except RequestError as error:
        problems.append(str(error))
    except MemoryError as error:
        what = "; ".join(getattr(error, "__notes__", ())) or "this check"
        problems.append(
            f"{what} needs more than the memory that was free when the check began{_limit()}; use smaller data or a "
            "smaller model, or free memory"
        )


def _limit() -> str:
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return "" if soft == resource.RLIM_INFINITY else f", {soft / 1e9:.1f} GB"


def _request(folder: Path) -> Any:
    return json.loads((folder / "request.json").read_text(encoding="utf-8"))
