"""Questions that need torch, asked before any work: do the methods import, are data and weights there."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from bench import registry
from bench.cell import Cell
from bench.data import texts
from bench.errors import ModelError, RequestError, StudyError
from bench.method import usable_positions
from bench.model import build, fetch, load_config, load_tokenizer
from bench.store import write_json


def describe_methods(folder: Path, requested_at: float) -> None:
    """Import each plugin of request.json; answer.json says of each its label, kinds and options, or its error."""
    del requested_at
    plugins = [registry.Plugin(**facts | {"path": Path(facts["path"])}) for facts in _request(folder)]
    write_json(folder / "answer.json", {plugin.name: registry.describe(plugin) for plugin in plugins})


def fill_options(folder: Path, requested_at: float) -> None:
    """Validate the options of each row of request.json; answer.json holds them with defaults filled in, or an error."""
    del requested_at
    answer: dict[str, dict[str, Any]] = {}
    for key, row in _request(folder).items():
        try:
            method = registry.load(row["plugin"], Path(row["path"]))
            options = registry.options(row["name"], method, row["options"])
            answer[key] = {"options": options.model_dump(mode="json")}
        except RequestError as error:
            answer[key] = {"error": str(error)}
    write_json(folder / "answer.json", answer)


def check_cells(folder: Path, requested_at: float) -> None:
    """Reach and read every dataset and model of the cells in request.json; answer.json lists what is wrong."""
    del requested_at
    cells = [Cell.model_validate(cell) for cell in _request(folder)]
    problems: list[str] = []
    if any(cell.device == "cuda" for cell in cells) and not torch.cuda.is_available():
        problems.append('device = "cuda", but torch sees no CUDA device; set device = "auto" or "cpu"')
    for cell in {f"{c.dataset}{c.data}": c for c in cells}.values():
        _attempt(problems, partial(texts.load, cell.dataset, cell.data))
    for cell in {f"{c.model.fingerprint}{c.data.max_length}": c for c in cells}.values():
        _attempt(problems, partial(_check_model, cell))
    write_json(folder / "answer.json", problems)


def _check_model(cell: Cell) -> None:
    if cell.model.kind == "causal" or cell.model.bits is not None:
        raise ModelError(
            f"model {cell.model.name}: causal and 4-bit models can be planned (tunebench plan), not measured yet"
        )
    folder = fetch(cell.model)
    load_tokenizer(cell.model, folder)
    with torch.device("meta"):
        positions = usable_positions(build(load_config(cell.model, folder, 2)))
    if positions is not None and cell.data.max_length > positions:
        raise StudyError(
            f"data.max_length must be at most {positions}, the positions of model {cell.model.name}, "
            f"got {cell.data.max_length}"
        )


def _attempt(problems: list[str], work: Callable[[], object]) -> None:
    try:
        work()
    except RequestError as error:
        problems.append(str(error))


def _request(folder: Path) -> Any:
    return json.loads((folder / "request.json").read_text(encoding="utf-8"))
