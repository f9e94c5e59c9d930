"""The texts that a method without a model may learn from; other labels are kept out of its process's memory."""

from dataclasses import dataclass

import numpy as np

from bench.data import duplicates, splitting, texts
from bench.data.cautions import cautions
from bench.data.held_out_labels import HeldOutLabels
from bench.method import LabelledTexts, Texts
from bench.record.data import Data
from bench.record.record import NO_MODEL
from bench.run.worker import raw_outputs
from bench.run.worker.work import Work

#: Warning if settings cannot be chosen on the validation split, because it is the evaluated one.
CHOSEN_ON_TRAIN = (
    "the validation split is evaluated, so settings were chosen on a part of train, which was not trained on"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FitTexts:
    """The texts of a cell without a model.

    Attributes:
        dataset: all texts; labels only of the splits that are learnt from.
        train: texts to learn from.
        validation: texts to choose settings by.
        held_out: labels of the other splits.
    """

    dataset: texts.Dataset
    train: LabelledTexts
    validation: LabelledTexts
    held_out: HeldOutLabels

    def labels_of(self, split: str) -> list[int]:
        """Class index of each text of a split; callers must not keep it while plugin code runs."""
        return self.held_out.of(split) if split in self.held_out else self.dataset.splits[split].labels


def load(work: Work) -> FitTexts:
    """Read the texts of a cell, and set the record's facts about them."""
    cell = work.cell
    dataset = texts.load(cell.dataset, cell.data, cell.seed)
    _record_data(work, dataset)
    evaluates_validation = cell.data.evaluate_split == "validation"
    train, validation = dataset.splits["train"], dataset.splits["validation"]
    if evaluates_validation:
        train, validation = _carved(train, cell.data.validation_fraction, cell.data.split_seed)
        work.facts["warnings"] = (*work.facts.get("warnings", ()), CHOSEN_ON_TRAIN)
    learnt = {"train"} if evaluates_validation else {"train", "validation"}
    held = {name: split.labels for name, split in dataset.splits.items() if name not in learnt}
    held_out = work.files.enter_context(HeldOutLabels(held, work.paths.path))
    return FitTexts(dataset=dataset, train=_labelled(train), validation=_labelled(validation), held_out=held_out)


def texts_of(split: texts.Split) -> Texts:
    """The texts of a split as a method sees them."""
    return Texts(first=tuple(split.texts), second=None if split.pairs is None else tuple(split.pairs))


def _labelled(split: texts.Split) -> LabelledTexts:
    return LabelledTexts(texts=texts_of(split), labels=tuple(split.labels))


def _carved(train: texts.Split, fraction: float, seed: int) -> tuple[texts.Split, texts.Split]:
    """Train without a stratified part, and that part; a single text is both."""
    count = min(max(1, round(len(train) * fraction)), len(train) - 1)
    if not count:
        return train, train
    held = set(splitting.stratified(train.labels, count, np.random.default_rng(seed)))
    return train.take([at for at in range(len(train)) if at not in held]), train.take(sorted(held))


def _record_data(work: Work, dataset: texts.Dataset) -> None:
    found = duplicates.find(dataset.splits)
    counted = {
        name: {split: len(places) for split, places in by_split.items()}
        for name, by_split in (
            ("texts_in_train", found.in_train), ("repeated_texts", found.repeated),
            ("conflicting_texts", found.conflicting), ("empty_texts", found.empty),
        )
    }  # fmt: skip
    work.facts["data"] = Data(
        sha256=dataset.sha256, rows={name: len(split) for name, split in dataset.splits.items()},
        synthetic=work.cell.dataset.synthetic, validation_carved=dataset.validation_carved, labels=dataset.labels,
        tokens_per_sample=None, truncated_fraction=None, **counted,
    )  # fmt: skip
    work.unknown |= dict.fromkeys(("data.tokens_per_sample", "data.truncated_fraction"), NO_MODEL)
    if not work.cell.dataset.synthetic:  # duplicates of generated texts mean nothing
        work.facts["warnings"] = cautions(dataset, found, work.cell.data.evaluate_split)
    if work.cell.dataset.kind == "file":
        raw_outputs.write_split(work.paths, dataset)
