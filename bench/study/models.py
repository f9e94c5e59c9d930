"""Resolve a study's model names to folders, hub ids and architectures."""

import hashlib
import importlib.util
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from bench.errors import ModelError, UnknownNameError
from bench.method.architecture import ModelKind
from bench.schema import Frozen
from bench.study.catalog import catalog
from bench.study.checkpoint import packed_bits, refuse_adapter, require_bits
from bench.study.entries import ModelEntry
from bench.study.places import expand_user, is_folder, is_hub_id, looking_for
from bench.study.study import Study
from bench.text.json_text import loads


class ModelSource(Frozen):
    """Location of one model's architecture, tokenizer and weights."""

    name: str
    label: str
    kind: ModelKind
    weights: Literal["pretrained", "random", "none"]
    bits: Literal[4, 8, 16] | None = Field(
        None, description="bits of a causal model's linear layers but the head; null: an encoder, or 16"
    )
    folder: str | None = Field(None, description="local folder, or config.json for a plan; null: on the hub")
    hub_id: str | None = None
    revision: str | None = None
    sha256: str | None = Field(None, description="hash of model.safetensors, verified before loading")
    architecture: dict[str, Any] | None = Field(None, description="content of a config.json, instead of a file")
    tokenizer: str | None = Field(None, description="catalog model whose tokenizer is used; null: the model's own")
    chat_template: str | None = Field(None, description="Jinja template for that tokenizer; null: its own")
    special_tokens: tuple[str, ...] = Field((), description="tokens of the chat template that the tokenizer lacks")
    scale: Literal["tiny"] | None = Field(None, description="tiny: few layers and small widths; null: full size")
    attention: Literal["eager"] | None = Field(None, description="eager; null: fused if supported")
    head: Literal["fresh", "checkpoint"] = Field("fresh", description="classification head; see ModelEntry.head")
    fingerprint: str = Field(description="hash of config.json, sizes and dates of weights, or hub revision")


#: Name under which a grid lists methods without a model.
NO_MODEL_NAME = "none"
#: What stands in place of a model in the cells of such methods.
NO_MODEL = ModelSource(name=NO_MODEL_NAME, label="–", kind="none", weights="none", fingerprint="no model")


def architecture(source: ModelSource) -> dict[str, Any] | None:
    """The catalog's config.json of a hub model, so that it can be planned without the hub; None if it has none.

    The keys are those of config.json; ``dtype`` is the precision of the weights on the hub.
    """
    entries = catalog("models").values()
    known = (entry for entry in entries if source.hub_id is not None and entry.get("hub_id") == source.hub_id)
    return next((dict(entry["architecture"]) for entry in known if "architecture" in entry), None)


def resolve_model(name: str, study: Study, weights_needed: bool = True) -> ModelSource:
    """Locate a model by catalog name, study entry, hub id or local folder.

    Args:
        name: name in the study's grid.
        study: study with ``[models]`` and the folder that relative paths start from.
        weights_needed: whether a folder must hold weights; a plan needs config.json only.

    Raises:
        UnknownNameError: the name is not defined.
        ModelError: the folder or the package is missing.
    """
    if name == NO_MODEL_NAME:
        return NO_MODEL
    with looking_for(f"model {name}", ModelError):
        if name in study.models:
            return _defined_model(name, study.models[name], study.folder, weights_needed)
        if name in catalog("models"):
            return catalog_model(name)
        if is_folder(name, study.folder) or name.endswith(".json"):
            path = Path(name).parent if Path(name).name == "config.json" else Path(name)
            own_name = re.sub(r"[^A-Za-z0-9_.-]", "_", path.name.removesuffix(".json")) or "model"
            return _own_model(own_name, ModelEntry(path=name), study.folder, weights_needed)
        if is_hub_id(name):
            return _own_model(name, ModelEntry(hub_id=name), study.folder, weights_needed)
    raise UnknownNameError(
        "model", name, [*catalog("models"), *study.models],
        "or give a hub id owner/name or a folder with config.json",
    )  # fmt: skip


def _defined_model(name: str, entry: ModelEntry, base: Path, weights_needed: bool) -> ModelSource:
    if entry.base is None:
        source = _own_model(name, entry, base, weights_needed)
    else:
        source = _varied(name, entry, catalog_model(entry.base))
    if source.kind == "causal" and source.head == "checkpoint":
        raise ModelError(f'model {name}: head = "checkpoint" is for encoders, but this model is causal')
    if source.kind == "encoder" and source.bits is not None:
        raise ModelError(
            f"model {name}: bits is for causal models, but this is an encoder; set train.precision instead"
        )
    return source


def _varied(name: str, entry: ModelEntry, source: ModelSource) -> ModelSource:
    """A catalog model with the changes of a study's entry."""
    facts: dict[str, Any] = {
        "name": name, "weights": entry.weights, "bits": entry.bits or source.bits, "kind": entry.kind or source.kind,
        "attention": entry.attention, "head": entry.head,
    }  # fmt: skip
    if entry.weights == "random":
        known = catalog("models")[str(entry.base)]
        facts["scale"] = entry.scale
        if entry.tokenizer is not None and "architecture" in known:
            facts |= {
                "architecture": known["architecture"], "hub_id": None, "revision": None,
                "tokenizer": catalog_model(entry.tokenizer).name, "chat_template": known.get("chat_template"),
                "special_tokens": tuple(known.get("special_tokens", ())),
            }  # fmt: skip
    varied = [entry.weights, *(part for part in (entry.tokenizer, entry.scale) if part)]
    return source.model_copy(update=facts | {"fingerprint": ":".join((source.fingerprint, *varied))})


def catalog_model(name: str) -> ModelSource:
    """A model of the catalog.

    Raises:
        UnknownNameError: the catalog has no such name.
        ModelError: the package with its weights is not installed.
    """
    entries = catalog("models")
    if name not in entries:
        raise UnknownNameError("catalog model", name, entries)
    entry = entries[name]
    common = {
        "name": name, "label": entry["label"], "kind": entry["kind"], "weights": "pretrained", "bits": entry.get("bits")
    }  # fmt: skip
    if "package" in entry:
        folder = _package_folder(name, entry)
        return ModelSource(**common, folder=str(folder), sha256=entry["sha256"], fingerprint=entry["sha256"])
    revision = entry["revision"]
    return ModelSource(**common, hub_id=entry["hub_id"], revision=revision, fingerprint=f"{entry['hub_id']}@{revision}")


def _package_folder(name: str, entry: dict[str, Any]) -> Path:
    """The folder of a package with weights, found without importing the package."""
    spec = importlib.util.find_spec(entry["package"])
    if spec is None or not spec.submodule_search_locations:
        raise ModelError(
            f"model {name}: its weights come as the package {entry['package'].replace('_', '-')}, which is not "
            f"installed; ./run_all.sh --setup-only {entry['extra']}"
        )
    return Path(spec.submodule_search_locations[0]) / str(entry["package_folder"])


def _own_model(name: str, entry: ModelEntry, base: Path, weights_needed: bool) -> ModelSource:
    stand_in = None if entry.tokenizer is None else catalog_model(entry.tokenizer).name
    common: dict[str, Any] = {
        "name": name, "label": name, "weights": entry.weights, "bits": entry.bits, "scale": entry.scale,
        "tokenizer": stand_in, "attention": entry.attention, "head": entry.head,
    }  # fmt: skip
    varied = [part for part in (stand_in, entry.scale) if part]
    if entry.architecture is not None:
        return _described_model(name, entry, common, weights_needed)
    if entry.path is None:
        return ModelSource(
            **common, kind=entry.kind or "encoder", hub_id=entry.hub_id, revision=entry.revision,
            fingerprint=":".join((f"{entry.hub_id}@{entry.revision}:{entry.weights}", *varied)),
        )  # fmt: skip
    path = (base / expand_user(entry.path)).resolve()
    if path.is_file() and weights_needed:
        raise ModelError(f"model {name}: {path} is a file; give the folder that holds config.json and the weights")
    refuse_adapter(name, path)
    config = path if path.is_file() else path / "config.json"
    if not config.is_file():
        raise ModelError(f"model {name}: {path} has no config.json")
    weights = sorted(path.glob("*.safetensors")) if path.is_dir() else []
    if entry.weights == "pretrained" and weights_needed and not weights:
        raise ModelError(
            f"model {name}: {path} has no *.safetensors (pickled weights are never loaded); convert them, or set "
            'weights = "random" to build the architecture alone'
        )
    fingerprint = _model_fingerprint(path, entry.weights, varied)
    kind = entry.kind or _kind(name, config)
    if entry.weights == "pretrained":
        common["bits"] = _bits_of_folder(name, entry, kind, config)
    return ModelSource(**common, kind=kind, folder=str(path), fingerprint=fingerprint)


def _bits_of_folder(name: str, entry: ModelEntry, kind: ModelKind, config: Path) -> int | None:
    where = f"model {name}: {config}"
    packed = packed_bits(config_content(name, config), where)
    if packed is not None and kind == "encoder":
        raise ModelError(
            f"{where}: an encoder's weights must not be quantised, got {packed} bits; give unquantised weights"
        )
    if entry.bits is not None:
        require_bits(entry.bits, packed, name, where)
    return entry.bits or packed


def _described_model(name: str, entry: ModelEntry, common: dict[str, Any], weights_needed: bool) -> ModelSource:
    """A model with random weights whose architecture is given in the study."""
    content = dict(entry.architecture or {})
    if weights_needed and entry.tokenizer is None:
        raise ModelError(
            f"model {name}: architecture without tokenizer can only be planned; to run it, name a model whose "
            'tokenizer is used, e.g. tokenizer = "minilm"'
        )
    text = json.dumps([content, common["tokenizer"], entry.scale], sort_keys=True)
    return ModelSource(
        **common, kind=entry.kind or _kind_of(name, content, "architecture"), architecture=content,
        fingerprint=hashlib.sha256(text.encode()).hexdigest(),
    )  # fmt: skip


def _model_fingerprint(path: Path, weights: str, varied: Sequence[str]) -> str:
    """The fingerprint of a model in a folder, or of a config.json without weights.

    Raises:
        OSError: a file cannot be read.
    """
    config = path if path.is_file() else path / "config.json"
    facts = [hashlib.sha256(config.read_bytes()).hexdigest(), weights, *varied]
    for file in sorted(path.glob("*.safetensors")) if path.is_dir() else []:
        facts.append(f"{file.name}:{file.stat().st_size}:{file.stat().st_mtime_ns}")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def has_changed(source: ModelSource) -> bool:
    """Whether a model's folder has changed since it was located, judged by config.json and file sizes and dates.

    False for models of the hub, and for weights with a checksum.
    """
    if source.folder is None or source.sha256 is not None:
        return False
    varied = [part for part in (source.tokenizer, source.scale) if part]
    try:
        return _model_fingerprint(Path(source.folder), source.weights, varied) != source.fingerprint
    except OSError:
        return True


def config_content(name: str, config: Path) -> dict[str, Any]:
    """The content of a model's config.json.

    Raises:
        ModelError: the file cannot be read, or is not a JSON object.
    """
    try:
        content = loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"model {name}: {config}: cannot be read: {type(error).__name__}: {error}") from None
    if not isinstance(content, dict):
        raise ModelError(f"model {name}: {config}: must be a table of settings, got {type(content).__name__}")
    return content


def _kind(name: str, config: Path) -> ModelKind:
    """The kind of model by a config.json: a causal language model, or an encoder."""
    return _kind_of(name, config_content(name, config), str(config), 'path = "FOLDER", ')


def _kind_of(name: str, content: Mapping[str, Any], where: str, given: str = "") -> ModelKind:
    if "model_type" not in content:
        raise ModelError(f"model {name}: {where}: model_type is missing")
    named = content.get("architectures")
    if not isinstance(named, list) or not named:
        raise ModelError(
            f"model {name}: {where} names no architectures, so the kind of the model is unknown; define it in the "
            f'study: [models.{name}] {given}kind = "encoder" or "causal"'
        )
    return "causal" if any(str(each).endswith(("ForCausalLM", "LMHeadModel")) for each in named) else "encoder"
