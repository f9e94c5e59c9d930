"""Where experts can be put in place of a recognised feed-forward block."""

from collections.abc import Iterator, Sequence
from typing import Any

from torch import nn

from bench.errors import UnsupportedError

from .block import Block, FunctionActivation, Place
from .matching import Match, before_dropouts, unshaped
from .recording import Call, Recording, Step


class Placing:
    """Finds the place of each block in one model."""

    def __init__(self, model: nn.Module, recording: Recording, found: Sequence[Match]) -> None:
        """Keep the blocks of the model, and note who holds each module."""
        self._recording, self._found = recording, found
        self._paths = {module: path for path, module in model.named_modules()}
        self._places: dict[nn.Module, list[Place]] = {}
        for parent in model.modules():
            for name, child in parent._modules.items():
                if child is not None:
                    self._places.setdefault(child, []).append((parent, name))

    def block(self, match: Match) -> Block:
        """The block of a match.

        Experts replace, in this order: a module that is the block; a module that is all but its last layer; the first
        layer, if the other parts are modules too; a module that is the block and dropouts.

        Raises:
            UnsupportedError: none of these is there.
        """
        for way in (self._whole, self._without_last, self._by_parts, self._with_dropouts):
            block = way(match)
            if block is not None:
                return block
        raise UnsupportedError(
            f"methods.moe: the feed-forward block around {self._paths[match.last.what]} cannot be replaced: "
            f"{_why_not(match)}"
        )

    def _whole(self, match: Match) -> Block | None:
        for call in self._calls(match):
            if unshaped(call.result) is match.last and call.result.shape == call.given.shape:
                return self._made(match, call.module)
        return None

    def _without_last(self, match: Match) -> Block | None:
        """Dropouts between the two modules go, because the experts have them."""
        for call in self._calls(match):
            source, inside = before_dropouts(call.result)
            skipped = self._held([match.last, *match.dropouts[len(inside) :]], match)
            if source is match.inner and skipped is not None:
                return self._made(match, call.module, skipped)
        return None

    def _by_parts(self, match: Match) -> Block | None:
        skipped = self._held([*match.activations, *match.dropouts, match.last], match)
        return None if match.gated or skipped is None else self._made(match, match.first[0].what, skipped)

    def _with_dropouts(self, match: Match) -> Block | None:
        for call in self._calls(match):
            source, dropouts = before_dropouts(call.result)
            if source is match.last and call.result.shape == call.given.shape:
                return self._made(match, call.module, after=[_dropout(step) for step in dropouts])
        return None

    def _calls(self, match: Match) -> Iterator[Call]:
        """Calls of modules that get the block's input, the innermost first."""
        return (call for call in self._recording.calls if unshaped(call.given) is match.given)

    def _held(self, steps: Sequence[Step], match: Match) -> list[Place] | None:
        """The places of modules that only this block uses; None if a step is no such module.

        Dropouts that never drop are left out.
        """
        found: list[Place] = []
        for step in steps:
            if "dropout" in step.name.lower() and _probability(step) == 0:
                continue
            if not isinstance(step.what, nn.Module) or not self._is_own(step.what):
                return None
            places = self._places[step.what]
            near = [(parent, name) for parent, name in places if match.first[0].what in set(parent.modules())]
            found += near or places
        return found

    def _is_own(self, module: nn.Module) -> bool:
        """Whether a module runs only in feed-forward blocks, and has a place in each of them."""
        users = [match for match in self._found if module in _modules(match)]
        blocks = {match.matrices for match in users}
        return len(users) == self._recording.runs[module] and len(blocks) <= len(self._places[module])

    def _made(
        self, match: Match, module: nn.Module, skipped: Sequence[Place] = (), after: Sequence[nn.Module] = ()
    ) -> Block:
        return Block(
            name=self._paths[module], first=[step.what for step in match.first], last=match.last.what,
            activation=_in_order([_activation(step) for step in match.activations]), gated=match.gated,
            activated_half=match.activated_half or 0,
            dropout=_in_order([_dropout(step) for step in match.dropouts]), places=self._places[module],
            skipped=skipped, after=after,
        )  # fmt: skip


def _why_not(match: Match) -> str:
    called = [_probability(step) for step in match.dropouts if not isinstance(step.what, nn.Module)]
    if any(called):
        return (
            f"its layer itself calls a dropout of {max(called)} between the matrices, which would act on the experts' "
            "output; set that dropout to 0 in the model's config.json, e.g. activation_dropout"
        )
    return "its parts are neither a module from hidden size to hidden size nor modules of their own; use another method"


def _modules(match: Match) -> list[Any]:
    return [step.what for step in (*match.first, *match.activations, *match.dropouts, match.last)]


def _in_order(modules: Sequence[nn.Module]) -> nn.Module:
    return modules[0] if len(modules) == 1 else nn.Sequential(*modules) if modules else nn.Identity()


def _activation(step: Step) -> nn.Module:
    if isinstance(step.what, nn.Module):
        return step.what
    options = {name: value for name, value in step.options.items() if name not in ("input", "inplace")}
    return FunctionActivation(step.what, step.arguments[1:], options)


def _dropout(step: Step) -> nn.Module:
    return step.what if isinstance(step.what, nn.Module) else nn.Dropout(_probability(step))


def _probability(step: Step) -> float:
    """The probability with which a dropout drops a value."""
    if isinstance(step.what, nn.Module):
        return float(getattr(step.what, "p", getattr(step.what, "drop_prob", 1.0)))
    given = [value for value in step.arguments if isinstance(value, float | int) and not isinstance(value, bool)]
    return float(step.options.get("p", given[0] if given else 0.5))
