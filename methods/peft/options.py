"""The options of the method: those of one type of peft, and a few of our own."""

from collections.abc import Mapping
from typing import Annotated, Any

from peft import TaskType
from pydantic import ConfigDict, Field, model_validator

from bench.method import Options as BaseOptions
from bench.method import Range

from . import config_class

DEFAULT_TYPE = "LORA"


class Options(BaseOptions):
    """Options of the method; those of the type's config class are added, with peft's defaults."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)

    learning_rate: Annotated[float, Range(low=1e-4, high=1e-1, log=True)] = Field(
        1e-3, gt=0, description="peak learning rate of AdamW"
    )
    peft_type: str = Field(
        DEFAULT_TYPE, description="type of the installed peft; further options are those of its config class"
    )
    merge: bool | None = Field(
        None,
        description="merge the adapter into the weights before inference; absent: if peft can, and the weights are "
        "not quantised",
    )
    loraplus_lr_ratio: float | None = Field(
        None,
        gt=0,
        description="learning rate of the B matrices and vectors as a multiple of learning_rate (LoRA+, arXiv "
        "2402.12354); absent: one learning rate",
    )

    @model_validator(mode="before")
    @classmethod
    def _with_options_of_the_type(cls, given: Any) -> Any:
        """Check the options of the type, and add its defaults so that the record names all of them."""
        if not isinstance(given, dict):
            return given
        peft_type = given.get("peft_type", DEFAULT_TYPE)
        if not isinstance(peft_type, str):
            return given
        own = {name: value for name, value in given.items() if name in cls.model_fields}
        of_type = {name: value for name, value in given.items() if name not in cls.model_fields}
        config_class.config_class(peft_type)
        config_class.require_known(peft_type, of_type)
        filled = config_class.defaults(peft_type) | of_type
        _require_accepted(peft_type, filled)
        return own | filled

    @property
    def of_type(self) -> dict[str, Any]:
        """The options of the type's config class."""
        return dict(self.model_extra or {})


def placeholder_steps(options: Mapping[str, Any]) -> int:
    """A number of training steps that a config accepts before the real one is known."""
    return int(options.get("tinit") or 0) + int(options.get("tfinal") or 0) + 1


def _require_accepted(peft_type: str, options: Mapping[str, Any]) -> None:
    """Check that peft accepts the options for one of the tasks.

    Raises:
        ValueError: it does not.
    """
    refusals = []
    for task in (TaskType.SEQ_CLS, TaskType.CAUSAL_LM):
        try:
            config_class.build(peft_type, options, task_type=task, total_step=placeholder_steps(options))
            return
        except ValueError as error:
            refusals.append(error)
    raise refusals[-1]
