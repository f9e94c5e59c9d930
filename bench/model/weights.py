"""A model with weights: pretrained or random, whole or in 4 or 8 bits."""

import re
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import init_empty_weights
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BitsAndBytesConfig,
    PretrainedConfig,
)
from transformers.utils import logging as transformers_logging

from bench.errors import ModelError, UnsupportedError
from bench.model.head import draw_head, take_head
from bench.model.load import attention, build, pad_with
from bench.model.quantization import INT8_OUTLIERS, allow_cpu_layout, compute_in, is_quantized, quantize_linear_layers
from bench.model.weight_files import tensor_names
from bench.study.models import ModelSource


def load_model(
    source: ModelSource,
    folder: Path | None,
    config: PretrainedConfig,
    dtype: torch.dtype,
    device: torch.device,
    labels: Sequence[str] = (),
) -> nn.Module:
    """The model as its method finds it.

    Args:
        source: what it is.
        folder: with its weights; None where they are random.
        config: its architecture.
        dtype: of the matmuls; that of a causal model's weights too. An encoder's are fp32.
        device: where a causal model is put, since quantised weights are best never moved; an encoder is on the CPU, its
            head drawn from the global seed, or the checkpoint's where the source says so.
        labels: class names of the task by index, to match with those of a checkpoint's head.

    Raises:
        ModelError: the weights do not fit the architecture.
        UnsupportedError: the device cannot hold them in these bits.
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
        model = random_causal(config, dtype, source.bits, device, source.attention)
    else:
        model = _pretrained_causal(source, folder, config, dtype, device)
    if device.type == "cpu" and source.weights != "random":
        _own(model)
    if source.kind == "causal":
        allow_cpu_layout(model, False)
    return model


def _own(model: nn.Module) -> None:
    """Copy the weights out of the file that they are mapped from.

    Its pages become resident when they are first read, which may be amid training or never, and all stay for as long as
    one tensor of the file does. So a peak lacked the embeddings that no text needs, and held the fp32 weights that a
    bf16 model was converted from: with LoRA on 95 million parameters, 599 and 1122 MiB in place of 942 and 732.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        tensor.data = tensor.data.clone()


def skeleton(
    source: ModelSource, config: PretrainedConfig, dtype: torch.dtype, like: Sequence[str] | None = None
) -> nn.Module:
    """The same model without weights, on the meta device.

    Args:
        source: what it is.
        config: its architecture.
        dtype: of the matmuls.
        like: the layers that its checkpoint lacks; None: as the folder tells, and none where it is not at hand.

    In 8 bits its layers stay whole: they have as many elements and do as many multiply-adds, and the operators of 8
    bits do not run without values.
    """
    with torch.device("meta"):
        model = build(config, source.kind, torch.float32 if source.kind == "encoder" else dtype, source.attention)
    if source.bits == 4:
        quantize_linear_layers(model, dtype, left_whole=_left_whole(config))
    if source.kind == "encoder" and cast(Any, model.config).get_text_config().pad_token_id is None:
        pad_with(model, 0)  # a run takes the tokenizer's; counts and peaks are the same with any
    if source.kind == "encoder" and source.weights == "pretrained":
        if like is None:
            like = _poolers_lacking(source.name, model, source.folder)
        vars(model)["fresh_layers"] = tuple(like)
    return model


def _left_whole(config: PretrainedConfig) -> Sequence[str]:
    """Names of the layers that a checkpoint in 4 or 8 bits says it has left whole."""
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
        assert folder is not None, "pretrained weights lie somewhere"
        take_head(model, source.name, folder, sorted(missing - in_body), of_other_size, labels)
    else:
        draw_head(model, missing | {name for name, *_ in of_other_size})
    vars(model)["fresh_layers"] = _layers_of(in_body)  # for bench.method.fresh_layers
    return model


def _layers_of(parameters: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({name.rpartition(".")[0] for name in parameters}))


def _poolers_lacking(name: str, model: nn.Module, folder: str | None) -> tuple[str, ...]:
    """Layers of a pooler that no file of the folder holds; none where no file is at hand."""
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
    packed = getattr(config, "quantization_config", None) is not None  # as they lie in the file
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
            ignore_mismatched_sizes=True,  # else transformers logs which they are and raises that it has logged it
            **settings,
        )  # fmt: skip
    except (torch.OutOfMemoryError, MemoryError):
        raise  # a failure of its own kind, and not of the files
    except Exception as error:  # transformers raises whatever the files make it raise
        kind, said = _quantising_error(error) or (type(error).__name__, str(error))
        if kind.endswith("OutOfMemoryError"):
            raise torch.OutOfMemoryError(said) from error
        raise ModelError(f"model {source.name}: cannot be loaded: {kind}: {said}") from error
    return cast(nn.Module, model), report


def _refuse_mismatched(source: ModelSource, folder: Path | None, other: Iterable[tuple[str, Any, Any]]) -> None:
    """Refuse weights of other shapes: name, shape there and wanted shape of each."""
    mismatched = sorted(other)
    if mismatched:
        name, there, wanted = mismatched[0]
        raise ModelError(
            f"model {source.name}: cannot be loaded: {folder} has weights of other shapes than its config.json for "
            f"{len(mismatched)} tensors, first {name} of {tuple(there)} in place of {tuple(wanted)}"
        )


def _quantising_error(error: Exception) -> tuple[str, str] | None:
    """Class and message of what went wrong when a weight was quantised; None where nothing did.

    transformers then goes on with the next weight, logs why at the end, and raises that it has logged it.
    """
    for frame, _ in traceback.walk_tb(error.__traceback__):
        stories = getattr(frame.f_locals.get("loading_info"), "conversion_errors", None)
        for story in (stories or {}).values():
            raised = re.findall(r"^([\w.]+(?:Error|Exception)): (.*)$", story, re.MULTILINE)
            if raised:
                return cast(tuple[str, str], raised[-1])
    return None


def _mismatched_layers(model: nn.Module) -> Iterator[tuple[str, torch.Size, tuple[int, int]]]:
    """Name, shape and wanted shape of quantised weights that do not fit; transformers does not compare these."""
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


def random_causal(
    config: PretrainedConfig, dtype: torch.dtype, bits: int | None, device: torch.device,
    wanted_attention: str | None = None,
) -> nn.Module:  # fmt: skip
    """A causal model of true size, its weights drawn from the global seed and quantised layer by layer.

    Matrices are normal with the config's ``initializer_range``, biases 0 and the weights of normalisations 1. Beside
    the final size no more than one linear layer is held, and what quantising it takes.

    Args:
        config: the architecture.
        dtype: of what is not quantised.
        bits: 4, 8, or 16 or None for whole weights.
        device: where it is built.
        wanted_attention: see ``bench.model.load.attention``.

    Raises:
        UnsupportedError: transformers has no such model.
    """
    with init_empty_weights(include_buffers=False):
        model = build(config, "causal", dtype, wanted_attention)
    cast(Any, model).tie_weights()  # accelerate made a parameter of its own of each place that shares one
    spread = float(getattr(config, "initializer_range", 0.02))
    if bits in (4, 8):
        quantize_linear_layers(model, dtype, int(bits), prepare=lambda layer: _fill(layer, {}, spread, device))
    shared: dict[nn.Parameter, nn.Parameter] = {}  # a head may share the weights of the embeddings
    for module in model.modules():
        _fill(module, shared, spread, device)
        for name, buffer in list(module.named_buffers(recurse=False)):
            setattr(module, name, buffer.to(device))
    left = [name for name, parameter in model.named_parameters() if parameter.is_meta]
    if left:
        raise UnsupportedError(f"random weights of {config.model_type}: {left[0]} was given no values")
    return model


def _fill(module: nn.Module, made: dict[nn.Parameter, nn.Parameter], spread: float, device: torch.device) -> None:
    """Give a module's own parameters values where they have none; ``made`` holds those made before."""
    for name, parameter in list(module.named_parameters(recurse=False)):
        if parameter.is_meta:
            if parameter not in made:
                made[parameter] = nn.Parameter(_draw(parameter, name, spread, device))
            setattr(module, name, made[parameter])


def _draw(like: nn.Parameter, name: str, spread: float, device: torch.device) -> Tensor:
    values = torch.empty(like.shape, dtype=like.dtype, device=device)
    if like.ndim >= 2:
        return values.normal_(0, spread)
    return values.zero_() if name.endswith("bias") else values.fill_(1)
