"""A model by name: architecture, weights and tokenizer, always from a local folder in the end."""

import copy
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PretrainedConfig,
)

from bench.data import hub
from bench.data.tokenizer_panic import panics_are_errors
from bench.errors import ModelError, UnsupportedError
from bench.method.architecture import ModelKind
from bench.model.config import config_from, tiny
from bench.model.position_ids import position_ids, takes_position_ids
from bench.model.weight_files import require_sound
from bench.record.notices import doing
from bench.study.checkpoint import packed_bits, refuse_adapter, require_bits
from bench.study.models import ModelSource, architecture, catalog_model, config_content

#: Far above any published vocabulary; the library walks through all ids below the highest.
MOST_TOKENS = 10**7
#: What is fetched from the hub: no pickles, no code.
HUB_COPIES = ("consolidated*", "original/*")  # the same weights once more, in another layout
HUB_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")


def fetch(source: ModelSource) -> Path | None:
    """The local folder of a model, downloaded from the hub where need be, its checksum verified.

    None where there is nothing to fetch: random weights of an architecture that the source holds.

    Raises:
        ModelError: it cannot be reached, has no safetensors, or is not what its checksum says.
    """
    if source.architecture is not None:
        return None
    folder = Path(source.folder) if source.folder is not None else _download(source)
    if not folder.exists():
        raise ModelError(f"model {source.name}: there is no {folder} any more; put its files back")
    if source.sha256 is not None:
        _verify(source, folder / "model.safetensors")
    if source.weights == "pretrained" and not list(folder.glob("*.safetensors")):
        where, at = (folder, "") if source.hub_id is None else (source.hub_id, f" at revision {source.revision}")
        raise ModelError(f"model {source.name}: {where} has no *.safetensors{at}; pickled weights are never loaded")
    if source.weights == "pretrained":
        if source.sha256 is None:
            require_sound(source.name, folder)
        _require_own_weights(source.name, folder)
    return folder


def _require_own_weights(name: str, folder: Path) -> None:
    """Whether transformers would load the folder's own safetensors: an index may name pickles and files elsewhere.

    Raises:
        ModelError: it would load something else.
    """
    refuse_adapter(name, folder)
    for index in sorted(folder.glob("*.index.json")):
        shards = config_content(name, index).get("weight_map")
        for shard in set(map(str, shards.values())) if isinstance(shards, dict) else ():
            if Path(shard).name != shard or not shard.endswith(".safetensors"):
                raise ModelError(
                    f"model {name}: {index}: weight_map must name *.safetensors files beside it, got {shard!r:.80}; no "
                    "other weights are loaded"
                )


def _download(source: ModelSource) -> Path:
    from huggingface_hub import snapshot_download

    wanted = [p for p in HUB_FILES if source.weights == "pretrained" or not p.endswith("safetensors")]
    patterns: dict[str, Any] = {"allow_patterns": wanted, "ignore_patterns": list(HUB_COPIES)}
    try:
        return Path(snapshot_download(str(source.hub_id), revision=source.revision, **patterns))
    except Exception as error:  # the client passes on errors of a dozen libraries
        raise ModelError(
            hub.unreached(error, "model", source.name, str(source.hub_id), source.revision)
            + f'; to use local files define it in the study: [models.{source.name}] path = "FOLDER"'
        ) from None  # the cause may quote the token, and a log would keep it


@cache
def _verify(source: ModelSource, path: Path) -> None:
    try:
        with path.open("rb") as handle:
            got = hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"model {source.name}: {path} cannot be read: {error.strerror}") from None
    if got != source.sha256:
        raise ModelError(f"model {source.name}: {path} has sha256 {got}, expected {source.sha256}; it is not loaded")


def load_tokenizer(source: ModelSource, folder: Path | None) -> Any:
    """The model's own fast tokenizer, or the one that stands in for it, with the tokens of its chat template.

    Raises:
        ModelError: there is none.
    """
    if source.tokenizer is None:
        assert folder is not None, f"{source.name} has neither a folder nor a tokenizer that stands in"
        return _read_tokenizer(source, folder)
    other = catalog_model(source.tokenizer)
    there = fetch(other)
    assert there is not None, "catalog models lie somewhere"
    tokenizer = _read_tokenizer(other, there)
    tokenizer.add_tokens(list(source.special_tokens), special_tokens=True)
    return tokenizer


def _read_tokenizer(source: ModelSource, folder: Path) -> Any:
    _require_tokenizer_class(source.name, folder)
    try:
        with panics_are_errors(f"model {source.name}: {folder}"), doing(f"loading the tokenizer in {folder}", 300):
            tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False)
    except (ModelError, MemoryError):
        raise
    except Exception as error:  # whatever the tokenizers library makes of a broken file
        raise ModelError(f"model {source.name}: no tokenizer in {folder}: {type(error).__name__}: {error}") from error
    # Where no file holds a vocabulary, transformers makes a tokenizer that knows no word.
    if not any((folder / name).is_file() for name in tokenizer.vocab_files_names.values()):
        raise ModelError(f"model {source.name}: no tokenizer in {folder}: it has no tokenizer.json")
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(f"model {source.name}: {folder} has no fast tokenizer (tokenizer.json)")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    if tokenizer.pad_token_id is None:
        raise ModelError(f"model {source.name}: its tokenizer has neither a padding nor an end token; set pad_token")
    highest = max(tokenizer.get_vocab().values(), default=0)
    if highest >= MOST_TOKENS:
        raise ModelError(f"model {source.name}: {folder}: token ids must be below {MOST_TOKENS}, got {highest}")
    return tokenizer


def _require_tokenizer_class(name: str, folder: Path) -> None:
    """Whether the class that the folder names is a tokenizer: transformers would load any class that it has.

    Raises:
        ModelError: it is something else.
    """
    for path in (folder / "tokenizer_config.json", folder / "config.json"):
        named = config_content(name, path).get("tokenizer_class") if path.is_file() else None
        if named is not None and "Tokenizer" not in str(named):
            raise ModelError(f"model {name}: {path}: tokenizer_class must name a tokenizer, got {named!r:.60}")


def load_config(source: ModelSource, folder: Path | None, num_labels: int) -> PretrainedConfig:
    """The architecture with a head for ``num_labels`` classes, at the source's scale.

    Args:
        source: which may hold the content of a config.json itself.
        folder: with a config.json, or that file; None where the source holds it.
        num_labels: number of classes.

    Raises:
        ModelError: config.json is missing, broken or of an architecture that cannot be used; or the weights are packed
            in another way than the source says.
    """
    if source.architecture is not None:
        content, where = source.architecture, f"model {source.name}: catalog"
    else:
        assert folder is not None, f"{source.name} has neither an architecture nor a folder"
        path = folder / "config.json" if folder.is_dir() else folder
        refuse_adapter(source.name, path.parent)
        content, where = config_content(source.name, path), f"model {source.name}: {path}"
    if source.weights == "random":
        content = {key: value for key, value in content.items() if key != "quantization_config"}
    require_bits(source.bits, packed_bits(content, where), source.name, where)
    config = config_from(content, num_labels, where)
    return tiny(config) if source.scale == "tiny" else config


def config_to_plan(source: ModelSource, num_labels: int) -> PretrainedConfig:
    """The architecture of a model of which nothing else need be there: from a folder, the catalog, or the hub.

    Raises:
        ModelError: as ``load_config``; or neither is at hand and the hub cannot be reached.
    """
    if source.folder is None and source.architecture is None:
        known = architecture(source)
        if known is None:
            return load_config(source, _download(source.model_copy(update={"weights": "random"})), num_labels)
        source = source.model_copy(update={"architecture": known})
    return load_config(source, None if source.folder is None else Path(source.folder), num_labels)


def build(
    config: PretrainedConfig, kind: ModelKind = "encoder", dtype: torch.dtype = torch.float32,
    wanted_attention: str | None = None,
) -> nn.Module:  # fmt: skip
    """The architecture with fresh weights, on the current default device (``with torch.device("meta")`` for none).

    Args:
        config: the architecture.
        kind: an encoder gets a classification head for ``config.num_labels``; a causal model keeps its language head.
        dtype: of the weights.
        wanted_attention: see ``attention``.

    Raises:
        UnsupportedError: transformers has no such head for this architecture.
    """
    factory = AutoModelForSequenceClassification if kind == "encoder" else AutoModelForCausalLM
    if type(config) not in factory._model_mapping:
        head = "sequence classification" if kind == "encoder" else "causal language model"
        raise UnsupportedError(f"transformers has no {head} for architecture {config.model_type}")
    try:
        return factory.from_config(  # type: ignore[no-any-return,no-untyped-call]
            copy.deepcopy(config),  # from_config writes dtype into what it is given
            dtype=dtype,
            attn_implementation=attention(factory, config, wanted_attention),
            trust_remote_code=False,
        )
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:  # an absurd config.json makes transformers raise anything
        said = f"{type(error).__name__}: {str(error)[:300]}"
        raise UnsupportedError(f"{config.model_type} cannot be built as {kind}: {said}") from error


def pad_with(model: nn.Module, pad_id: int) -> None:
    """Tell an encoder with which token id its batches are padded, always on the right.

    The head of a decoder reads the last token of a row that is not the config's padding. A checkpoint's config may name
    another id than its tokenizer, or none. The layers are built before this: what they made of the config's own id,
    such as where RoBERTa's positions begin, belongs to the weights.
    """
    config: Any = model.config
    for each in {id(part): part for part in (config, config.get_text_config())}.values():
        each.pad_token_id = pad_id


def attention(factory: Any, config: PretrainedConfig, wanted: str | None = None) -> str:
    """What is wanted, else PyTorch's fused attention where transformers offers it; eager for DeBERTa, say."""
    if wanted is not None:
        return wanted
    model_class = factory._model_mapping.get(type(config), None)
    return "sdpa" if getattr(model_class, "_supports_sdpa", True) else "eager"


def class_logits(
    model: nn.Module, input_ids: Tensor, attention_mask: Tensor | None, token_types: Tensor | None = None
) -> Tensor:
    """Class scores of an encoder, shape (batch, classes).

    Args:
        model: an encoder with its head.
        input_ids: int64, shape (batch, tokens).
        attention_mask: int64, shape (batch, tokens), 0 on padding; None where nothing is padded.
        token_types: int64, shape (batch, tokens), which text of a pair each token is of; None for single texts. A model
            that has no embedding for them is not told.
    """
    told = {} if token_types is None or not takes_token_types(model) else {"token_type_ids": token_types}
    return model(input_ids=input_ids, attention_mask=attention_mask, **told).logits  # type: ignore[no-any-return]


def takes_token_types(model: nn.Module) -> bool:
    """Whether the model tells the texts of a pair apart by an embedding of its own (BERT does, RoBERTa does not)."""
    return (getattr(getattr(model, "config", None), "type_vocab_size", None) or 0) > 1


def answer_logits(model: nn.Module, input_ids: Tensor, attention_mask: Tensor | None, answer_tokens: int) -> Tensor:
    """Scores of the tokens of an answer, shape (batch, answer tokens, vocabulary): no other position's are computed.

    Args:
        model: causal.
        input_ids: int64, shape (batch, tokens), each row ending with its answer.
        attention_mask: int64, shape (batch, tokens), 0 on padding, which is on the left; None where nothing is padded.
        answer_tokens: at the end of each row, T; the scores of token t stand where the token before it is read.
    """
    told = (
        {"position_ids": position_ids(attention_mask)}
        if attention_mask is not None and takes_position_ids(model)
        else {}
    )
    output = model(
        input_ids=input_ids, attention_mask=attention_mask, logits_to_keep=answer_tokens + 1, use_cache=False, **told
    )
    return output.logits[:, -answer_tokens - 1 : -1]  # type: ignore[no-any-return]
