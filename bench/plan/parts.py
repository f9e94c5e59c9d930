"""The parts of a parameter count that some publications leave out: head, saved copies, embeddings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Size, nn

from bench.model.head import head_names
from bench.plan.row import ParameterParts


@dataclass(frozen=True, slots=True)
class Before:
    """What a model had before a method adapted it.

    Attributes:
        names: name of each parameter.
        embeddings: parameters of the embeddings.
        heads: names of the children that are the classification head.
    """

    names: dict[nn.Parameter, str]
    embeddings: frozenset[nn.Parameter]
    heads: frozenset[str]

    @classmethod
    def of(cls, model: nn.Module, kind: str) -> "Before":
        """The parameters of a model that is not adapted yet."""
        embeddings = [module for module in model.modules() if isinstance(module, nn.Embedding)]
        return cls(
            {parameter: name for name, parameter in model.named_parameters()},
            frozenset(parameter for module in embeddings for parameter in module.parameters()),
            frozenset(head_names(model)) if kind == "encoder" else frozenset(),
        )

    def parts(self, adapted: nn.Module) -> ParameterParts:
        """The parts of the adapted model, which holds the parameters that it had before and further ones."""
        added: dict[Size, list[str]] = {}
        for name, parameter in adapted.named_parameters():
            if parameter.requires_grad and parameter not in self.names:
                added.setdefault(parameter.shape, []).append(name)
        found = dict.fromkeys(ParameterParts.model_fields, 0)
        for name, parameter in adapted.named_parameters():
            in_head = bool(self.heads & set(name.split(".")))
            before = self.names.get(parameter)
            copied = before is not None and not parameter.requires_grad and _is_copied(before, parameter, added)
            parts = {"head": in_head, "embeddings": parameter in self.embeddings}
            for part in (part for part, within in parts.items() if within):
                found[part] += parameter.numel()
                found[f"trainable_{part}"] += parameter.numel() if parameter.requires_grad else 0
            found["copies"] += parameter.numel() if copied else 0
            found["head_copies"] += parameter.numel() if copied and in_head else 0
        return ParameterParts(**found)


def _is_copied(before: str, original: nn.Parameter, added: Mapping[Size, Sequence[str]]) -> bool:
    """Whether an added parameter of the same shape has a name that contains all of the original's, in order."""
    return any(_in_order(before.split("."), name.split(".")) for name in added.get(original.shape, ()))


def _in_order(some: Sequence[str], of: Sequence[str]) -> bool:
    rest = iter(of)
    return all(part in rest for part in some)
