"""Any type of adapter that the installed peft has: LoRA and its variants, orthogonal, sparse and prompt methods.

Each is chosen by the option ``peft_type``; its options are those of peft's own config class.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import peft
from torch import Tensor, nn

from bench.errors import UnsupportedError
from bench.method import ModelKind, OptionHelp, Range, SearchSpace, Task, TrainingRun, Variant, fresh_layers
from methods._peft_adapter import ADAPTER, PeftMethod, is_quantized, merge, wrap
from methods._virtual_tokens import model_sizes, require_room, store_prompt, use_stored_prompt

from . import config_class, support, targets, training_needs
from .options import DEFAULT_TYPE, Options, placeholder_steps

#: Ranks that a search tries.
RANKS = Range(low=1, high=64, log=True)
#: Tasks of peft by kind of model.
TASKS = {"encoder": peft.TaskType.SEQ_CLS, "causal": peft.TaskType.CAUSAL_LM}


class Peft(PeftMethod):
    """Any type of the installed peft, chosen by peft_type; the head of an encoder is trained as a copy."""

    label = "PEFT"
    options_class = Options

    @classmethod
    def supports(cls, kind: ModelKind) -> bool:
        """Encoders and causal models."""
        return kind in ("encoder", "causal")

    @classmethod
    def variants(cls) -> Sequence[Variant]:
        """The types of the installed peft."""
        return [_variant(peft_type) for peft_type in config_class.names()]

    @classmethod
    def search_space(cls, given: Mapping[str, Any]) -> SearchSpace:
        """The declared space, and the rank of a type that has one."""
        rank = config_class.defaults(given.get("peft_type", DEFAULT_TYPE)).get("r")
        has_rank = isinstance(rank, int) and rank > 0
        return super().search_space(given) | ({"r": RANKS} if has_rank else {})

    def adapt(self, model: nn.Module, task: Task) -> nn.Module:
        """Wrap the model with peft.

        Raises:
            UnsupportedError: peft cannot adapt this model so.
        """
        config = self._config(model, task)
        with support.values_for_adapter(model, self.options.peft_type):
            wrapped = wrap(model, config, f"peft_type {self.options.peft_type}")
        if any(weight.is_meta for weight in wrapped.parameters()):
            wrapped = wrapped.to("meta")
            support.answer_conditions(wrapped)
        if not any(parameter.requires_grad for parameter in wrapped.parameters()):
            raise UnsupportedError(f"peft type {self.options.peft_type} trains nothing in this model")
        support.give_task_id(wrapped, config)
        return wrapped

    def _config(self, model: nn.Module, task: Task) -> Any:
        peft_type, options = self.options.peft_type, self.options.of_type
        settings: dict[str, Any] = {"task_type": TASKS[task.kind], "total_step": placeholder_steps(options)}
        try:
            config = config_class.build(peft_type, options, **settings)
        except ValueError as error:
            raise UnsupportedError(f"{error} (kind of model: {task.kind})") from error
        support.refuse_known(config)
        if hasattr(config, "modules_to_save"):
            config.modules_to_save = [*fresh_layers(model), *(config.modules_to_save or [])] or None
        if config.is_prompt_learning:
            support.refuse_causal(peft_type, task)
            require_room(model, task, config.num_virtual_tokens)
            for name, size in model_sizes(model).items():
                setattr(config, name, size)
        else:
            targets.choose(config, model)
        support.simplify_on_meta(config, model)
        return config

    def parameter_groups(self, model: nn.Module) -> list[dict[str, Any]]:
        """The usual groups, or those of LoRA+."""
        options = self.options
        if options.loraplus_lr_ratio is None:
            return super().parameter_groups(model)
        return training_needs.loraplus_groups(
            model, options.learning_rate, options.loraplus_lr_ratio, options.weight_decay
        )

    def before_training(self, model: nn.Module, run: TrainingRun) -> None:
        """Tell AdaLoRA the number of steps, and EVA the data."""
        training_needs.prepare(model, run)

    def after_step(self, model: nn.Module, step: int) -> None:
        """Distribute the rank anew, for types that do."""
        training_needs.after_step(model, step)

    def extra_loss(self, model: nn.Module) -> Tensor | None:
        """The regularisation of AdaLoRA."""
        return training_needs.extra_loss(model)

    def prepare_inference(self, model: nn.Module) -> nn.Module:
        """Merge the adapter, or store the embeddings of virtual tokens, where peft can.

        Raises:
            UnsupportedError: merging was requested, and peft cannot.
        """
        if support.stores_prompt(model):
            store_prompt(model)
        wanted, why_not = self.options.merge, support.why_not_merged(model)
        if wanted and why_not is not None:
            raise UnsupportedError(f"merge = true: {why_not}; leave merge out")
        if why_not is not None or wanted is False or (wanted is None and is_quantized(model)):
            return model
        try:
            with support.ConditionsAreFalse():
                return merge(model)
        except (NotImplementedError, ValueError) as error:
            if wanted or support.is_partly_merged(model):
                raise UnsupportedError(
                    f"peft cannot merge {self.options.peft_type}: {error}; set merge = false"
                ) from error
            return model

    def save(self, model: nn.Module, folder: Path) -> None:
        """Write the adapter in peft's own format, with all ranks.

        Ranks that were set to 0 stay in the artifact: which ones they are depends on the data, and a plan could not
        tell its size.
        """
        with support.all_ranks(model):
            super().save(model, folder)

    def load(self, model: nn.Module, folder: Path) -> nn.Module:
        """Load the adapter."""
        super().load(model, folder)
        if support.stores_prompt(model):
            use_stored_prompt(model)
        return model

    def artifact_elements(self, model: nn.Module) -> int:
        """Size of what peft writes, in elements of four bytes."""
        with support.all_ranks(model), support.prompt_without_values(model):
            written = peft.get_peft_model_state_dict(model, adapter_name=ADAPTER, save_embedding_layers=False)
        sizes: list[int] = [tensor.numel() * tensor.element_size() for tensor in written.values()]
        return sum(sizes) // 4


def _variant(peft_type: str) -> Variant:
    usual, space = config_class.defaults(peft_type), Peft.search_space({"peft_type": peft_type})
    return Variant(
        name=peft_type, status=support.status(peft_type), summary=config_class.summary(peft_type),
        options=tuple(
            OptionHelp(
                name=name, default=default, meaning=config_class.meaning(peft_type, name), searched=space.get(name)
            )
            for name, default in usual.items()
        ),
    )  # fmt: skip
