"""TF-IDF and a linear classifier: a support vector machine on weighted n-grams of words and of characters.

TF-IDF: Salton and Buckley, Term-weighting approaches in automatic text retrieval, Information Processing and Management
24, 1988. Classifier: Fan et al., LIBLINEAR, Journal of Machine Learning Research 9, 2008.
"""

import json
import warnings
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score
from sklearn.pipeline import FeatureUnion
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from bench.method import BaseOptions, LabelledTexts, TextMethod, Texts, write_tensors

#: Characters of train from which n-grams are counted. Of longer data, each text is read from its start up to an equal
#: length, so that a data set of long texts takes no more than a minute.
MOST_CHARACTERS = {"words": 20_000_000, "characters": 3_000_000}
#: From this number of train texts on, n-grams of a single text are left out.
FEWEST_TEXTS_TO_PRUNE = 10_000


class Options(BaseOptions):
    """Options of the linear classifier."""

    strengths: tuple[float, ...] = Field(
        (0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
        min_length=1,
        description="values of C to choose from by macro F1 on validation; a smaller C regularises more",
    )
    class_weights: tuple[Literal["none", "balanced"], ...] = Field(
        ("none", "balanced"),
        min_length=1,
        description="class weights of the loss to choose from in the same way; balanced: inverse to class frequency",
    )
    search_texts: int = Field(
        10_000, ge=1, description="number of train texts by which settings are chosen; the classifier is fitted on all"
    )


class TfidfLinear(TextMethod):
    """TF-IDF of words (1 and 2) and characters (2 to 5), and a linear support vector machine."""

    label = "TF-IDF + linear"
    options_class = Options

    def fit(self, train: LabelledTexts, validation: LabelledTexts, labels: Sequence[str]) -> None:
        """Weigh the n-grams of train, choose the settings on validation, and fit the classifier on train."""
        self._num_labels, self._remarks = len(labels), list[str]()
        truth = np.asarray(train.labels)
        self._shares = np.bincount(truth, minlength=len(labels)) / len(truth)
        self._classifier: Any = None
        texts = train.texts.joined
        self._ngrams = FeatureUnion(self._parts(texts))
        if not self._ngrams.transformer_list or len(set(train.labels)) < 2:
            self._remarks.append("one class or no n-gram in train, so every text gets the most frequent class")
            return
        features = normalize(self._fitted_ngrams(texts), copy=False)
        self._classifier = self._chosen(features, truth, self._features(validation.texts), validation.labels)

    def _parts(self, texts: list[str]) -> list[tuple[str, TfidfVectorizer]]:
        """The counts of n-grams by part, without a part that no text has."""
        found = []
        self._lengths: dict[str, int] = {}
        for name, settings in (
            ("words", {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"\w+"}),
            ("characters", {"analyzer": "char_wb", "ngram_range": (2, 5)}),
        ):
            length = self._lengths[name] = _length(texts, MOST_CHARACTERS[name])
            if length < max(map(len, texts)):
                self._remarks.append(f"n-grams of {name} are those of the first {length} characters of a text")
            start = partial(_start, length)
            part = TfidfVectorizer(**settings, preprocessor=start, sublinear_tf=True, dtype=np.float32)
            if any(map(part.build_analyzer(), texts)):
                found.append((name, part))
        return found

    def _fitted_ngrams(self, texts: list[str]) -> Any:
        """Weights of the n-grams of train, a sparse matrix of shape (N, n-grams)."""
        if len(texts) >= FEWEST_TEXTS_TO_PRUNE:
            with suppress(ValueError):  # each n-gram of a part is in one text
                return self._ngrams.set_params(**self._with_fewest(2)).fit_transform(texts)
        return self._ngrams.set_params(**self._with_fewest(1)).fit_transform(texts)

    def _with_fewest(self, texts: int) -> dict[str, int]:
        return {f"{name}__min_df": texts for name, _ in self._ngrams.transformer_list}

    def _features(self, texts: Texts) -> Any:
        return normalize(self._ngrams.transform(texts.joined), copy=False)

    def _chosen(self, features: Any, truth: NDArray[np.int64], validation: Any, wanted: Sequence[int]) -> LinearSVC:
        """The classifier with the best macro F1 on validation; of equal ones the most regularised."""
        some = np.unique(np.linspace(0, len(truth) - 1, min(len(truth), self.options.search_texts)).astype(int))
        if len(set(truth[some].tolist())) < 2:
            some = np.arange(len(truth))
        found: list[tuple[float, float, str, LinearSVC]] = []
        for strength, weights in product(sorted(self.options.strengths), self.options.class_weights):
            classifier = _fitted(features[some], truth[some], strength, weights)
            score = _macro_f1(wanted, classifier.predict(validation), self._num_labels)
            found.append((score, strength, weights, classifier))
        score, strength, weights, classifier = max(found, key=lambda one: one[0])
        self._remarks.append(f"C = {strength:g}, class weights {weights}: the best of {len(found)} on validation")
        return classifier if len(some) == len(truth) else _fitted(features, truth, strength, weights)

    def predict(self, texts: Texts) -> NDArray[np.float32]:
        """Signed distances from the plane of each class; a class without train texts is below all others."""
        if self._classifier is None:
            return np.tile(self._shares.astype(np.float32), (len(texts), 1))
        distances = np.asarray(self._classifier.decision_function(self._features(texts)))
        if distances.ndim == 1:
            distances = np.stack([-distances, distances], axis=1)
        scores = np.repeat(distances.min(axis=1, keepdims=True) - 1, self._num_labels, axis=1)
        scores[:, self._classifier.classes_] = distances
        return scores.astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write n-grams and settings as JSON, and weights as safetensors."""
        parts = {
            name: {"characters": self._lengths[name], "ngrams": vectorizer.get_feature_names_out().tolist()}
            for name, vectorizer in self._fitted_parts()
        }
        classes = None if self._classifier is None else self._classifier.classes_.tolist()
        content = {"parts": parts, "classes": classes, "remarks": self._remarks}
        (folder / "ngrams.json").write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
        arrays = {f"idf.{name}": vectorizer.idf_ for name, vectorizer in self._fitted_parts()}
        arrays["shares"] = self._shares
        if self._classifier is not None:
            arrays |= {"coefficients": self._classifier.coef_, "intercepts": self._classifier.intercept_}
        tensors = {name: torch.from_numpy(np.asarray(values, dtype=np.float32)) for name, values in arrays.items()}
        write_tensors(folder / "weights.safetensors", tensors)

    def _fitted_parts(self) -> list[tuple[str, TfidfVectorizer]]:
        return [] if self._classifier is None else self._ngrams.transformer_list

    def num_parameters(self) -> int:
        """Coefficients and intercepts of the classifier; the weights of the n-grams are counts, not fitted."""
        if self._classifier is None:
            return int(self._shares.size)
        return int(self._classifier.coef_.size + self._classifier.intercept_.size)

    def remarks(self) -> Sequence[str]:
        """The chosen settings, and how much of long texts was read."""
        return self._remarks


def _start(length: int, text: str) -> str:
    return text[:length].lower()


def _length(texts: Sequence[str], most: int) -> int:
    """The largest number of characters that may be read of each text, so that at most ``most`` are read of all."""
    lengths = np.sort([len(text) for text in texts])
    read_whole = np.concatenate([[0], np.cumsum(lengths)[:-1]])  # by all shorter texts
    left = (most - read_whole) // np.arange(len(lengths), 0, -1)
    cut = left < lengths
    return int(max(1, left[cut.argmax()])) if cut.any() else most


def _fitted(features: Any, truth: NDArray[np.int64], strength: float, weights: str) -> LinearSVC:
    classifier = LinearSVC(
        C=strength, class_weight=None if weights == "none" else weights, random_state=0, tol=1e-3, dual=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # validation judges the result as it is
        return classifier.fit(features, truth)


def _macro_f1(truth: Sequence[int], predicted: NDArray[np.int64], num_labels: int) -> float:
    return float(f1_score(truth, predicted, labels=range(num_labels), average="macro", zero_division=0.0))
