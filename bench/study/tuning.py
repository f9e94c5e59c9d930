"""The ``[tune]`` table of a study: the budget of the search and its spaces."""

from pydantic import Field, field_validator, model_validator

from bench.method.search_space import SearchSpace
from bench.schema import Frozen
from bench.study.values import Settings, Slug

MOST_TRIALS = 1000


class TuneSettings(Frozen):
    """Search the options of every method that trains a model, on validation texts, before it is measured."""

    trials: int | None = Field(
        None, ge=1, le=MOST_TRIALS, description="trials for each method, dataset and model; give this or seconds"
    )
    seconds: float | None = Field(
        None, gt=0, description="search time for each method, dataset and model; the last trial may end later"
    )
    seeds: tuple[int, ...] = Field((0,), min_length=1, description="each trial is the mean over these seeds")
    sampler_seed: int = Field(0, ge=0, lt=2**31, description="seed of the quasi-random sampler")
    pruning: bool = Field(
        False,
        description="end a trial early if it is below the median of the earlier trials at a validation point; needs "
        "train.validation_points",
    )
    spaces: dict[Slug, SearchSpace] = Field(
        default_factory=dict,
        description="values to try by method, over those of the method; [a list] or { low, high, log }; settings of "
        "training are named train.<setting>",
    )
    data: Settings = Field(default_factory=dict, description="data settings of the trials only")
    train: Settings = Field(default_factory=dict, description="train settings of the trials only")

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError("must not list the same seed twice")
        if any(not 0 <= seed < 2**31 for seed in seeds):
            raise ValueError("must be at least 0 and below 2**31")
        return seeds

    @model_validator(mode="after")
    def _one_budget(self) -> "TuneSettings":
        if (self.trials is None) == (self.seconds is None):
            raise ValueError("give exactly one of trials and seconds")
        if "evaluate_split" in self.data:
            raise ValueError("data must not set evaluate_split: trials are always evaluated on the validation split")
        return self
