"""Load models with pretrained or random weights, unquantised or in 4 or 8 bits."""

import re
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, BitsAndBytesConfig, PretrainedConfig
from transformers.utils import logging as transformers_logging

from bench.errors import ModelError
from bench.model.head import draw_head, take_head
from bench.model.load import attention, build, pad_with
from bench.model.quantization import INT8_OUTLIERS, allow_cpu_layout, compute_in, is_quantized, quantize_linear_layers
from bench.model.weight_cache import cached_random_causal
from bench.model.weight_files import tensor_names
from bench.study.models import ModelSource


def load_model(
    source: ModelSource, folder: Path | None, config: PretrainedConfig, dtype: torch.dtype, device: torch.device,
    labels: Sequence[str] = (),
) -> nn.Module:  # fmt: skip
    """The model before adaptation.

    An encoder's head is drawn from the global seed, or taken from the checkpoint if the source says so.

    Args:
        source: model.
        folder: folder of the weights; None if they are random.
        config: architecture of the model.
        dtype: dtype of the matmuls, and of a causal model's weights; an encoder's weights are fp32.
        device: device of a causal model, because quantised weights should not be moved; an encoder stays on the CPU.
        labels: class names of the task by index, to match with those of a checkpoint's head.

    Raises:
        ModelError: the weights do not fit the architecture.
        UnsupportedError: the device does not support these bits.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    if source.kind == "encoder":
        model = (
            build(config, wanted_attention=source.attention)
            if source.weights == "random"
            else _pretrained_encoder(source, folder, config, labels)
        )
    elif source.weights == "random":
        model = cached_random_causal(source, config, dtype, device)
    else:
        model = _pretrained_causal(source, folder, config, dtype, device)
    if device.type == "cpu" and source.weights != "random":
        _copy_weights(model)
    if source.kind == "causal":
        allow_cpu_layout(model, False)
    return model


def _copy_weights(model: nn.Module) -> None:
    """Copy the weights out of the memory-mapped file.

    Its pages become resident when they are first read, possibly during training or never, and all stay as long as one
    tensor of the file does. So a peak lacked unused embeddings, and included the fp32 weights that a bf16 model was
    converted from: with LoRA on 95 million parameters, 599 and 1122 MiB instead of 942 and 732.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()


def skeleton(
    source: ModelSource, config: PretrainedConfig, dtype: torch.dtype, like: Sequence[str] | None = None
) -> nn.Module:
    """The model of ``load_model`` without weights, on the meta device.

    8-bit layers stay unquantised, because the 8-bit operators need values; elements and multiply-adds are the same.

    Args:
        source: model.
        config: architecture of the model.
        dtype: dtype of the matmuls.
        like: names of the layers that the checkpoint lacks; None: read from the folder if it is local, otherwise none.
    """
    with torch.device("meta"):
        model = build(config, source.kind, torch.float32 if source.kind == "encoder" else dtype, source.attention)
    if source.bits == 4:
        quantize_linear_layers(model, dtype, left_whole=_left_whole(config))
    if source.kind == "encoder" and cast(Any, model.config).get_text_config().pad_token_id is None:
        pad_with(model, 0)  # a run uses the tokenizer's; counts and peaks do not depend on it
    if source.kind == "encoder" and source.weights == "pretrained":
        if like is None:
            like = _poolers_lacking(source.name, model, source.folder)
        vars(model)["fresh_layers"] = tuple(like)
    return model


def _left_whole(config: PretrainedConfig) -> Sequence[str]:
    """Names of the unquantised layers of a checkpoint in 4 or 8 bits."""
    settings = getattr(config, "quantization_config", None)
    return tuple((settings or {}).get("llm_int8_skip_modules") or ())


def _pretrained_encoder(
    source: ModelSource, folder: Path | None, config: PretrainedConfig, labels: Sequence[str]
) -> nn.Module:
    model, report = _from_pretrained(AutoModelForSequenceClassification, source, folder, config, dtype=torch.float32)
    prefix = f"{model.base_model_prefix}."
    missing = set(report["missing_keys"])
    in_body = {key for key in missing if key.startswith(prefix)}
    _require_all(source, folder, [key for key in in_body if "pooler" not in key])
    _refuse_mismatched(source, folder, [each for each in report["mismatched_keys"] if each[0].startswith(prefix)])
    of_other_size = [each for each in report["mismatched_keys"] if not each[0].startswith(prefix)]
    if source.head == "checkpoint":
        assert folder is not None, "pretrained weights have a folder"
        take_head(model, source.name, folder, sorted(missing - in_body), of_other_size, labels)
    else:
        draw_head(model, missing | {name for name, *_ in of_other_size})
    vars(model)["fresh_layers"] = _layers_of(in_body)  # for bench.method.fresh_layers
    return model


def _layers_of(parameters: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name.rpartition(".")[0] for name in parameters}))


def _poolers_lacking(name: str, model: nn.Module, folder: str | None) -> tuple[str, ...]:
    """Layers of a pooler that the folder's files lack; none without files."""
    files = [] if folder is None else list(Path(folder).glob("*.safetensors"))
    if not files:
        return ()
    held: set[str] = set()
    for path in files:
        held |= tensor_names(name, path)
    prefix = f"{model.base_model_prefix}."
    names = [name for name, _ in model.named_parameters() if name.startswith(prefix) and "pooler" in name]
    return _layers_of(name for name in names if not {name, name.removeprefix(prefix)} & held)


def _pretrained_causal(
    source: ModelSource, folder: Path | None, config: PretrainedConfig, dtype: torch.dtype, device: torch.device
) -> nn.Module:
    by_bits: dict[int, dict[str, Any]] = {
        4: {
            "load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True,
            "bnb_4bit_compute_dtype": dtype,
        },
        8: {"load_in_8bit": True, "llm_int8_threshold": INT8_OUTLIERS},
    }  # fmt: skip
    packed = getattr(config, "quantization_config", None) is not None  # quantised in the file
    settings = None if packed else by_bits.get(source.bits or 16)
    quantization = {"quantization_config": BitsAndBytesConfig(**settings)} if settings else {}
    model, report = _from_pretrained(
        AutoModelForCausalLM, source, folder, config, dtype=dtype, device_map={"": device}, **quantization
    )
    _refuse_mismatched(source, folder, [*report["mismatched_keys"], *_mismatched_layers(model)])
    _require_all(source, folder, report["missing_keys"])
    if packed:
        compute_in(model, dtype)
    return model


def _from_pretrained(
    factory: Any, source: ModelSource, folder: Path | None, config: PretrainedConfig, **settings: Any
) -> tuple[nn.Module, dict[str, Any]]:
    try:
        model, report = factory.from_pretrained(
            folder, config=config, use_safetensors=True, trust_remote_code=False,
            attn_implementation=attention(factory, config, source.attention), output_loading_info=True,
            ignore_mismatched_sizes=True,  # otherwise transformers only logs which they are
            **settings,
        )  # fmt: skip
    except (torch.OutOfMemoryError, MemoryError):
        raise  # not a fault of the files
    except Exception as error:  # malformed files make transformers raise any exception
        kind, reason = _quantising_error(error) or (type(error).__name__, str(error))
        if kind.endswith("OutOfMemoryError"):
            raise torch.OutOfMemoryError(reason) from error
        raise ModelError(f"model {source.name}: cannot be loaded: {kind}: {reason}") from error
    return cast(nn.Module, model), report


def _refuse_mismatched(source: ModelSource, folder: Path | None, other: Iterable[tuple[str, Any, Any]]) -> None:
    """Refuse weights of other shapes, given by name, found shape and expected shape."""
    mismatched = sorted(other)
    if mismatched:
        name, there, wanted = mismatched[0]
        raise ModelError(
            f"model {source.name}: cannot be loaded: {folder} has weights of other shapes than its config.json for "
            f"{len(mismatched)} tensors, first {name}: {tuple(there)} instead of {tuple(wanted)}"
        )


def _quantising_error(error: Exception) -> tuple[str, str] | None:
    """Class and message of the error that quantising a weight raised; None if it raised none.

    transformers continues with the next weight, logs the errors at the end, and raises without their text.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        logged = getattr(frame.f_locals.get("loading_info"), "conversion_errors", None)
        for text in (logged or {}).values():
            raised = re.findall(r"^([\w.]+(?:Error|Exception)): (.*)$", text, re.MULTILINE)
            if raised:
                return cast(tuple[str, str], raised[-1])
    return None


def _mismatched_layers(model: nn.Module) -> Iterator[tuple[str, torch.Size, tuple[int, int]]]:
    """Name, found shape and expected shape of quantised weights that do not fit; transformers does not check them."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and is_quantized(cast(nn.Parameter, module.weight)):
            there = getattr(module.weight, "quant_state", module.weight).shape
            if there != (module.out_features, module.in_features):
                yield f"{name}.weight", there, (module.out_features, module.in_features)


def _require_all(source: ModelSource, folder: Path | None, missing: list[str]) -> None:
    if missing:
        raise ModelError(
            f"model {source.name}: {folder} lacks weights for {len(missing)} tensors, first {sorted(missing)[0]}"
        )
