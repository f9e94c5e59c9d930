"""The classification head of an encoder: drawn from the seed, or taken from the checkpoint."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from bench.errors import ModelError
from bench.study.models import config_content


def draw_head(model: nn.Module, drawn: Collection[str]) -> None:
    """Draw the head from the global seed, unless loading has already drawn all of it.

    Args:
        model: transformers model.
        drawn: names of parameters that were drawn during loading, because the checkpoint lacks them.
    """
    modules = list(_head(model))
    names = {f"{path}.{name}" for path, module in modules for name, _ in module.named_parameters(recurse=False)}
    if names <= set(drawn):
        return
    for _, module in modules:
        for thing in (module, *module.parameters(recurse=False)):
            vars(thing).pop("_is_hf_initialized", None)  # otherwise transformers skips it
        cast(Any, model)._init_weights(module)


def take_head(
    model: nn.Module, name: str, folder: Path, missing: Sequence[str], of_other_size: Sequence[tuple[str, Any, Any]],
    labels: Sequence[str],
) -> None:  # fmt: skip
    """Reorder the classes of the checkpoint's head to the task's order.

    Args:
        model: model with that head.
        name: name of the model, for messages.
        folder: folder of the checkpoint.
        missing: parameters of the head that the checkpoint lacks.
        of_other_size: name, found shape and expected shape of parameters that do not fit.
        labels: class names of the task by index.

    Raises:
        ModelError: the checkpoint has no head, or one with other classes.
    """
    rule = f'model {name}: head = "checkpoint": {folder}'
    advice = 'set head = "fresh"'
    if missing:
        raise ModelError(f"{rule} has no classification head, it lacks {missing[0]}; {advice}")
    if of_other_size:
        first, there, wanted = of_other_size[0]
        raise ModelError(
            f"{rule} has a head of another size: {first} has shape {tuple(there)}, but the {len(labels)} classes of "
            f"the task need {tuple(wanted)}; {advice}"
        )
    order = class_order(config_content(name, folder / "config.json").get("id2label"), labels, rule, advice)
    last = [module for _, module in _head(model) if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        for parameter in last.parameters(recurse=False):
            parameter.copy_(parameter[order].clone())


def class_order(named: Any, labels: Sequence[str], rule: str, advice: str) -> list[int]:
    """The head's index of each class of the task: matched by name if the head uses the task's names, else by index.

    Args:
        named: ``id2label`` of config.json.
        labels: class names of the task by index.
        rule: start of the error message.
        advice: end of the error message.

    Raises:
        ModelError: only some names match.
    """
    names = [_plain(value) for _, value in sorted(named.items(), key=lambda item: int(item[0]))] if (
        isinstance(named, Mapping) and all(str(key).isdigit() for key in named)
    ) else []  # fmt: skip
    wanted = [_plain(label) for label in labels]
    if not set(names) & set(wanted):
        return list(range(len(labels)))
    if sorted(names) != sorted(wanted) or len(set(names)) != len(names):
        raise ModelError(
            f"{rule} names the classes {', '.join(names)}, but the task has {', '.join(wanted)}; all names must match, "
            f"or none; {advice}"
        )
    return [names.index(label) for label in wanted]


def _plain(name: object) -> str:
    return str(name).strip().casefold()


def head_names(model: nn.Module) -> list[str]:
    """Names of the children of an encoder that are its head, i.e. all but the body."""
    return [name for name, _ in model.named_children() if name != model.base_model_prefix]


def _head(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """All modules of the head with their paths, outermost first."""
    for child_name in head_names(model):
        for path, module in model.get_submodule(child_name).named_modules():
            yield f"{child_name}.{path}" if path else child_name, module
