"""The classification head of an encoder: drawn from the seed, or the one that the checkpoint has."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from bench.errors import ModelError
from bench.study.models import config_content


def draw_head(model: nn.Module, drawn: Collection[str]) -> None:
    """Draw a head from the global seed where weights of the checkpoint have been read into it.

    Args:
        model: of transformers.
        drawn: parameters that were drawn as the model was loaded, since the checkpoint has none that fit.
    """
    modules = list(_head(model))
    names = {f"{path}.{name}" for path, module in modules for name, _ in module.named_parameters(recurse=False)}
    if names <= set(drawn):
        return
    for _, module in modules:
        for thing in (module, *module.parameters(recurse=False)):
            vars(thing).pop("_is_hf_initialized", None)  # else transformers leaves it as it is
        cast(Any, model)._init_weights(module)


def take_head(
    model: nn.Module,
    name: str,
    folder: Path,
    missing: Sequence[str],
    of_other_size: Sequence[tuple[str, Any, Any]],
    labels: Sequence[str],
) -> None:
    """Put the classes of the checkpoint's head into the task's order.

    Args:
        model: with that head.
        name: of the model, for messages.
        folder: of the checkpoint.
        missing: parameters of the head that it lacks.
        of_other_size: name, shape there and wanted shape of those that do not fit.
        labels: class names of the task by index.

    Raises:
        ModelError: it has no head, or one of other classes.
    """
    rule = f'model {name}: head = "checkpoint": {folder}'
    advice = 'set head = "fresh"'
    if missing:
        raise ModelError(f"{rule} has no classification head, it lacks {missing[0]}; {advice}")
    if of_other_size:
        first, there, wanted = of_other_size[0]
        raise ModelError(
            f"{rule} has a head of another size, {first} of {tuple(there)} in place of {tuple(wanted)} for the "
            f"{len(labels)} classes of the task; {advice}"
        )
    order = class_order(config_content(name, folder / "config.json").get("id2label"), labels, rule, advice)
    last = [module for _, module in _head(model) if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        for parameter in last.parameters(recurse=False):
            parameter.copy_(parameter[order].clone())


def class_order(named: Any, labels: Sequence[str], rule: str, advice: str) -> list[int]:
    """Which class of a head each class of the task is: by name where the head has names of the task, else by index.

    Args:
        named: ``id2label`` of config.json.
        labels: class names of the task by index.
        rule: the start of a message.
        advice: its end.

    Raises:
        ModelError: only some names are the task's.
    """
    names = [_plain(value) for _, value in sorted(named.items(), key=lambda item: int(item[0]))] if (
        isinstance(named, Mapping) and all(str(key).isdigit() for key in named)
    ) else []  # fmt: skip
    wanted = [_plain(label) for label in labels]
    if not set(names) & set(wanted):
        return list(range(len(labels)))
    if sorted(names) != sorted(wanted) or len(set(names)) != len(names):
        raise ModelError(
            f"{rule} names the classes {', '.join(names)}, and the task has {', '.join(wanted)}; all must be the same, "
            f"or none; {advice}"
        )
    return [names.index(label) for label in wanted]


def _plain(name: object) -> str:
    return str(name).strip().casefold()


def _head(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every module of the head, outermost first, with its path."""
    for child_name, child in model.named_children():
        if child_name != model.base_model_prefix:
            for path, module in child.named_modules():
                yield f"{child_name}.{path}" if path else child_name, module
