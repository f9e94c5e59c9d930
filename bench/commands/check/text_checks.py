"""Checks of a method without a model: it is fitted on a few texts, and asked about odd ones."""

import contextlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.commands.check.artifact import SUFFIXES, is_readable
from bench.commands.check.finding import Finding, failed, listed, passed
from bench.commands.check.process_state import changed_settings, read_settings
from bench.method import LabelledTexts, TextMethod, Texts, registry
from bench.method.class_scores import checked_scores

LABELS = ("calm", "glad", "sad")
#: Words of each class, from which texts are made.
WORDS = (("quiet lake", "slow river"), ("bright song", "warm smile"), ("cold rain", "grey stone"))
#: Texts that a method must answer whatever it was fitted on.
ODD_TEXTS = ("", " \n\t", "a", "今天天气很好", "Сегодня дождь", "😀 😀", "x" * 5000, "lake " * 2000)
#: Maximum difference of scores that should be equal, as a fraction of the largest score.
SAME_FRACTION = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSubject:
    """A method without a model.

    Attributes:
        name: name of the method.
        method_class: class of the method.
        options: options of the method.
    """

    name: str
    method_class: type[TextMethod]
    options: Mapping[str, Any]

    def fitted(self, train: LabelledTexts | None = None, validation: LabelledTexts | None = None) -> TextMethod:
        """The method, fitted on the given texts or on those of ``sample``."""
        options = registry.options(self.name, self.method_class, dict(self.options))
        method = self.method_class(options)
        train = train or sample(60)
        method.fit(train, validation or sample(15), LABELS)
        return method

    def scores(self, method: TextMethod, texts: Texts) -> NDArray[np.float32]:
        """The scores of texts, of the right shape and finite."""
        return checked_scores(method.predict(texts), len(texts), len(LABELS), self.name)


def sample(count: int, *, pairs: bool = False, classes: Sequence[int] = (0, 1, 2)) -> LabelledTexts:
    """Labelled texts of a few words.

    Args:
        count: number of texts.
        pairs: whether each has a second text.
        classes: classes that have texts.
    """
    labels = [classes[at % len(classes)] for at in range(count)]
    first = [f"a {WORDS[label][at % 2]} of day {at}" for at, label in enumerate(labels)]
    return LabelledTexts(texts=Texts(first=first, second=first[::-1] if pairs else None), labels=labels)


def fits(subject: TextSubject) -> Finding:
    """Whether fit and predict work, change neither their texts nor a setting of the process."""
    before, train, kept = read_settings(), sample(60), sample(60)
    texts = sample(15).texts
    scores = subject.scores(subject.fitted(train), texts)
    if train != kept:
        return failed("fit changes its texts or labels", "copy them first")
    if changes := changed_settings(before):
        return failed(f"it changes {listed(changes)}", "do not change settings of the process")
    right = float((scores.argmax(axis=1) == np.asarray(sample(15).labels)).mean())
    return passed(f"scores of shape {scores.shape}, {right:.0%} right on texts like those of train")


def repeats(subject: TextSubject) -> Finding:
    """Whether two fits on the same texts give equal scores."""
    texts = sample(15).texts
    one, other = (subject.scores(subject.fitted(), texts) for _ in range(2))
    if not np.array_equal(one, other):
        off = _distance(one, other)
        advice = "use a fixed seed: such a method is measured once, not once a seed"
        return failed(f"two fits on the same texts differ by {off:.2g} of the largest score", advice)
    return passed("two fits on the same texts give equal scores")


def batches(subject: TextSubject) -> Finding:
    """Whether a text's scores depend on it alone, and not on the texts beside it."""
    method, texts = subject.fitted(), sample(15).texts
    together = subject.scores(method, texts)
    alone = np.concatenate([subject.scores(method, texts.part(at, at + 1)) for at in range(len(texts))])
    if (off := _distance(alone, together)) > SAME_FRACTION:
        return failed(f"texts asked one by one differ by {off:.2g} of the largest score", "score each text by itself")
    return passed(f"the same scores one by one, off by {off:.1g} of the largest")


def odd_texts(subject: TextSubject) -> Finding:
    """Whether empty, long and foreign texts and pairs get scores."""
    subject.scores(subject.fitted(), Texts(first=ODD_TEXTS))
    pairs = sample(60, pairs=True)
    subject.scores(subject.fitted(pairs, pairs), Texts(first=ODD_TEXTS, second=ODD_TEXTS[::-1]))
    subject.scores(subject.fitted(LabelledTexts(texts=Texts(first=ODD_TEXTS), labels=[0, 1] * 4)), sample(3).texts)
    return passed(f"{len(ODD_TEXTS)} empty, long and foreign texts, and pairs of them, in train too")


def few_texts(subject: TextSubject) -> Finding:
    """Whether it works with a class that train lacks, one class, two texts, and one validation text."""
    one = sample(1)
    for train in (sample(40, classes=(0, 2)), sample(10, classes=(1,)), sample(2), one):
        subject.scores(subject.fitted(train, one), sample(6).texts)
    return passed("a class without train texts, one class, two train texts, one of each split")


def saved_files(subject: TextSubject) -> Finding:
    """Whether save writes only safetensors, JSON and Markdown files, all into its folder."""
    with tempfile.TemporaryDirectory() as outside, contextlib.chdir(outside):
        folder = Path(outside) / "cell" / "artifact"
        folder.mkdir(parents=True)
        subject.fitted().save(folder)
        everything = [path for path in Path(outside).rglob("*") if path.is_file()]
        files = [path for path in everything if folder in path.parents]
        if strays := [path.name for path in everything if path not in files]:
            return failed(f"save writes outside of its folder: {listed(strays)}", "write only into the folder")
        if not files:
            return failed("save writes nothing", "write what is needed to predict")
        if wrong := [path.name for path in files if path.suffix not in SUFFIXES or not is_readable(path)]:
            return failed(f"save writes {listed(wrong)}", f"write only {', '.join(SUFFIXES)}: a pickle is never loaded")
        return passed(f"{listed([path.name for path in files])}, {sum(path.stat().st_size for path in files):,} bytes")


def declares(subject: TextSubject) -> Finding:
    """Whether the number of coefficients and the remarks have the right types."""
    method = subject.fitted()
    count, remarks = method.num_parameters(), list(method.remarks())
    if count is not None and (type(count) is not int or count < 0):
        return failed(f"num_parameters returns {count!r:.60}", "return None or an integer of at least 0")
    if wrong := [remark for remark in remarks if not isinstance(remark, str)]:
        return failed(f"remarks has {wrong[0]!r:.60}", "return sentences")
    return passed(f"{'no count of' if count is None else f'{count:,}'} coefficients, {len(remarks)} remarks")


def _distance(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(np.abs(one - other).max() / max(float(np.abs(other).max()), 1e-12))


#: Checks in their order; the first one is needed by the others.
TEXT_CHECKS: tuple[tuple[str, Callable[[TextSubject], Finding]], ...] = (
    ("fit and predict", fits), ("same texts, same scores", repeats), ("batches", batches), ("odd texts", odd_texts),
    ("few texts", few_texts), ("saved files", saved_files), ("declarations", declares),
)  # fmt: skip
