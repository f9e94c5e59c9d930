"""What both kinds of method have: a label, options, and variants."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from bench.method.architecture import ModelKind
from bench.method.search_space import Searched, SearchSpace, declared


class BaseOptions(BaseModel):
    """Options of a method; a subclass adds fields, each with a default and a description that names its unit."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionHelp:
    """One option of a variant, as ``tunebench methods`` shows it.

    Attributes:
        name: name of the option.
        default: default value.
        meaning: meaning and unit.
        searched: values that a search tries; None if it is not searched.
    """

    name: str
    default: Any
    meaning: str
    searched: Searched | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One of several methods behind one plugin, chosen by an option.

    Attributes:
        name: value of that option.
        status: where the variant is tested, in words.
        summary: what it does, or why it is not supported, in one sentence.
        options: options that only this variant has.
    """

    name: str
    status: str
    summary: str
    options: tuple[OptionHelp, ...] = ()


class BaseMethod(ABC):
    """A method of either kind; its name is the stem of its file or the name of its package.

    A method never times, logs, loads data or moves devices.
    """

    label: ClassVar[str]
    options_class: ClassVar[type[BaseOptions]]
    trains: ClassVar[bool] = True

    def __init__(self, options: BaseOptions) -> None:
        """Keep the validated options."""
        self.options: Any = options

    @classmethod
    @abstractmethod
    def supports(cls, kind: ModelKind) -> bool:
        """Whether the method can work with this kind of model."""

    @classmethod
    def variants(cls) -> Sequence[Variant]:
        """The variants of a method that is several in one; default: none."""
        return ()

    @classmethod
    def search_space(cls, given: Mapping[str, Any]) -> SearchSpace:  # noqa: ARG003 - a hook's arguments
        """The values that a search may try, by option; default: those declared beside the options.

        Args:
            given: options that the study gives, which are not searched.
        """
        return declared(cls.options_class)
