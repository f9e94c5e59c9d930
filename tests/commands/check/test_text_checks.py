"""The conformance kit on methods without a model: each fault is found by its check."""

import re
from pathlib import Path

import pytest

from bench.commands.check.kit import examine
from bench.method import registry

PLUGIN = '''
import json
from collections import Counter

import numpy as np

from bench.method import TextMethod

CALLS = Counter()


class Words(TextMethod):
    """Score each class by the words of its train texts."""

    label = "Word counts"

    def fit(self, train, validation, labels):
        self.counts = [Counter() for _ in labels]
        for text, label in zip(train.texts.joined, train.labels, strict=True):
            self.counts[label].update(text.lower().split())
        {fit}

    def predict(self, texts):
        words = [text.lower().split() for text in texts.joined]
        scores = np.array([[sum(c[word] for word in of_text) for c in self.counts] for of_text in words], float)
        {predict}
        return scores

    def save(self, folder):
        (folder / "counts.json").write_text(json.dumps(self.counts))
        {save}
'''


def failures(folder: Path, fit: str = "pass", predict: str = "pass", save: str = "pass", extra: str = "") -> list[str]:
    path = folder / "words.py"
    path.write_text(PLUGIN.format(fit=fit, predict=predict, save=save) + extra, encoding="utf-8")
    results = list(examine(registry.find([path])["words"]))
    return [f"{result.check}: {result.found}" for result in results if result.verdict == "fail"]


def test_a_sound_method_passes(tmp_path: Path) -> None:
    assert failures(tmp_path) == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"fit": "raise KeyError('x')"}, "fit and predict: KeyError"),
        ({"fit": "train.texts.first[0] = 'other'"}, "fit and predict: fit changes its texts or labels"),
        ({"predict": "scores = scores[:, 1:]"}, "fit and predict: .*must return class scores of shape"),
        ({"predict": "scores[0, 0] = np.nan"}, "fit and predict: .*finite"),
        ({"fit": "CALLS['fit'] += 1; self.counts[0]['of'] = CALLS['fit'] * 9"}, "same texts, same scores: two fits"),
        ({"predict": "scores += np.arange(len(scores))[:, None] * [1, 0, 0]"}, "batches: texts asked one by one"),
        ({"predict": "scores /= [[len(text.split()) for text in texts.joined]][0][0]"}, "odd texts: "),
        ({"fit": "assert len(set(train.labels)) > 2"}, "few texts: AssertionError"),
        ({"save": "(folder / 'counts.pkl').write_bytes(b'x')"}, "saved files: save writes counts.pkl"),
        ({"save": "(folder.parent / 'stray.json').write_text('1')"}, "saved files: save writes outside"),
        ({"extra": "\n    def num_parameters(self):\n        return -1\n"}, "declarations: num_parameters returns -1"),
        ({"extra": "\n    def remarks(self):\n        return [3]\n"}, "declarations: remarks has 3"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.filterwarnings("ignore:(divide|invalid)")
def test_a_fault_is_found(fault: dict[str, str], said: str, tmp_path: Path) -> None:
    found = failures(tmp_path, **fault)
    assert any(re.match(said, each) for each in found), found


def test_a_method_that_cannot_be_fitted_is_asked_nothing_more(tmp_path: Path) -> None:
    assert len(failures(tmp_path, fit="raise KeyError('x')")) == 1
