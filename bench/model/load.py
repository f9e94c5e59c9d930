"""Fetch a model's folder, and build its architecture and tokenizer from it."""

import copy
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, PretrainedConfig

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

#: Limit of token ids, far above any published vocabulary; the library loops over all ids below the highest.
MOST_TOKENS = 10**7
#: Files to download from the hub: no pickles, no code, and no copies of the weights in another layout.
HUB_COPIES = ("consolidated*", "original/*")
HUB_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")


def fetch(source: ModelSource) -> Path | None:
    """The local folder of a model, downloaded from the hub if necessary, with verified checksum.

    None if there is nothing to fetch: random weights, with the architecture in the source.

    Raises:
        ModelError: the model cannot be reached, has no safetensors, or has another checksum.
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
    """Check that transformers loads only the folder's own safetensors; an index may name pickles and other folders.

    Raises:
        ModelError: it would load other files.
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
    except Exception as error:  # the client raises errors of many libraries
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
    """The model's fast tokenizer, or its stand-in with the tokens of the chat template.

    Raises:
        ModelError: there is none.
    """
    if source.tokenizer is None:
        assert folder is not None, f"{source.name} has neither a folder nor a stand-in tokenizer"
        return _read_tokenizer(source, folder)
    other = catalog_model(source.tokenizer)
    there = fetch(other)
    assert there is not None, "catalog models have a folder"
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
    except Exception as error:  # a malformed file makes the tokenizers library raise any exception
        raise ModelError(f"model {source.name}: no tokenizer in {folder}: {type(error).__name__}: {error}") from error
    # Without a vocabulary file, transformers makes a tokenizer with an empty vocabulary.
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
    """Check that the folder's tokenizer_class is a tokenizer; transformers would load any of its classes.

    Raises:
        ModelError: it is another class.
    """
    for path in (folder / "tokenizer_config.json", folder / "config.json"):
        named = config_content(name, path).get("tokenizer_class") if path.is_file() else None
        if named is not None and "Tokenizer" not in str(named):
            raise ModelError(f"model {name}: {path}: tokenizer_class must name a tokenizer, got {named!r:.60}")


def load_config(source: ModelSource, folder: Path | None, num_labels: int) -> PretrainedConfig:
    """The architecture with a head for ``num_labels`` classes, at the source's scale.

    Args:
        source: model, which may hold the content of a config.json.
        folder: folder with a config.json, or that file; None if the source holds its content.
        num_labels: number of classes.

    Raises:
        ModelError: config.json is missing, malformed or has an unusable architecture; or the weights are packed in
            other bits than the source says.
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
    """The architecture of a model without its weights: from a folder, the catalog, or the hub.

    Raises:
        ModelError: as ``load_config``, or the hub is needed and cannot be reached.
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
    """The architecture with new weights on the current default device, which may be meta.

    Args:
        config: architecture.
        kind: kind of model; an encoder gets a classification head for ``config.num_labels``, a causal model keeps its
            language head.
        dtype: dtype of the weights.
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
            copy.deepcopy(config),  # from_config writes dtype into its argument
            dtype=dtype,
            attn_implementation=attention(factory, config, wanted_attention),
            trust_remote_code=False,
        )
    except (torch.OutOfMemoryError, MemoryError):
        raise
    except Exception as error:  # an absurd config.json makes transformers raise any exception
        reason = f"{type(error).__name__}: {str(error)[:300]}"
        raise UnsupportedError(f"{config.model_type} cannot be built as {kind}: {reason}") from error


def pad_with(model: nn.Module, pad_id: int) -> None:
    """Set the token id with which an encoder's batches are padded, always on the right.

    The head of a decoder reads the last token of a row that is not the config's padding, and a checkpoint's config may
    have another id than its tokenizer, or none. Call it after the layers are built: their use of the config's own id,
    such as the offset of RoBERTa's positions, belongs to the weights.
    """
    config: Any = model.config
    for each in {id(part): part for part in (config, config.get_text_config())}.values():
        each.pad_token_id = pad_id


def attention(factory: Any, config: PretrainedConfig, wanted: str | None = None) -> str:
    """The wanted implementation; by default PyTorch's fused attention if transformers supports it, else eager."""
    if wanted is not None:
        return wanted
    model_class = factory._model_mapping.get(type(config), None)
    return "sdpa" if getattr(model_class, "_supports_sdpa", True) else "eager"


def class_logits(
    model: nn.Module, input_ids: Tensor, attention_mask: Tensor | None, token_types: Tensor | None = None
) -> Tensor:
    """Class scores of an encoder, shape (batch, classes).

    Args:
        model: encoder with its head.
        input_ids: token ids, int64, shape (batch, tokens).
        attention_mask: int64, shape (batch, tokens), 0 on padding; None if nothing is padded.
        token_types: index of each token's text in a pair, int64, shape (batch, tokens); None for single texts. Ignored
            by models without an embedding for it.
    """
    types = {} if token_types is None or not takes_token_types(model) else {"token_type_ids": token_types}
    return model(input_ids=input_ids, attention_mask=attention_mask, **types).logits  # type: ignore[no-any-return]


def takes_token_types(model: nn.Module) -> bool:
    """Whether the model has an embedding for token types (BERT has, RoBERTa has not)."""
    return (getattr(getattr(model, "config", None), "type_vocab_size", None) or 0) > 1


def answer_logits(model: nn.Module, input_ids: Tensor, attention_mask: Tensor | None, answer_tokens: int) -> Tensor:
    """Logits of the answer tokens, shape (batch, answer tokens, vocabulary); no other positions are computed.

    Args:
        model: causal model.
        input_ids: token ids, int64, shape (batch, tokens); each row ends with its answer.
        attention_mask: int64, shape (batch, tokens), 0 on padding, which is on the left; None if nothing is padded.
        answer_tokens: number of answer tokens at the end of each row; the logits of a token come from the one before.
    """
    positions = (
        {"position_ids": position_ids(attention_mask)}
        if attention_mask is not None and takes_position_ids(model)
        else {}
    )
    output = model(
        input_ids=input_ids, attention_mask=attention_mask, logits_to_keep=answer_tokens + 1, use_cache=False,
        **positions,
    )  # fmt: skip
    return output.logits[:, -answer_tokens - 1 : -1]  # type: ignore[no-any-return]
