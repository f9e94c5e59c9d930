"""Synthetic text-classification tasks, written by a small grammar, so that a demo needs no data.

A row is one clause that carries the label (`main`) and one that does not (`aside`). There are three frames:

    contrast     "Although the ending was dull, the cast was superb."      the main clause decides
    irrelevant   "The cast was superb; the weather outside was dreadful."  another thing, or hearsay
    neutral      "We went on a rainy tuesday, and the cast was superb."    no opinion at all

The phrase that carries the label is plain, intensified, diminished or negated. Counting words is therefore
not enough: a reader must see what is denied, how strongly a thing is said, and which clause counts. A stated
fraction of the labels is wrong on purpose, in every split, so that no model can be perfect.

These rows show that the machinery works. They say nothing about how a method does on real text.
"""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from types import MappingProxyType
from typing import Literal, TypeVar, get_args

from bench.errors import DataError, UnknownNameError
from bench.study.catalog import catalog

SplitName = Literal["train", "validation", "test"]
Kind = Literal["plain", "intensified", "diminished", "negated"]
Frame = Literal["contrast", "irrelevant", "neutral"]
_T = TypeVar("_T")

# The longest row, in words parted by white space. The shortest the tables can make has nine.
WORDS_MAX = 25

# How often each is drawn, as relative weights. These and the noise set the difficulty.
KIND_WEIGHTS: Mapping[Kind, int] = {"plain": 25, "intensified": 20, "diminished": 20, "negated": 35}
FRAME_WEIGHTS: Mapping[Frame, int] = {"contrast": 45, "irrelevant": 35, "neutral": 20}

# The tables read better as rows.
# fmt: off

# Strength -> words. The sign is the polarity, the size how strong a word is without a modifier.
POLARITY_WORDS: Mapping[int, tuple[str, ...]] = {
    -2: (
        "awful", "dreadful", "horrible", "atrocious", "appalling",
        "abysmal", "terrible", "unbearable", "hideous",
    ),
    -1: (
        "bad", "dull", "weak", "clumsy", "bland", "tiresome", "sloppy", "disappointing", "shabby", "tedious",
    ),
    0: ("average", "ordinary", "acceptable", "unremarkable", "middling", "standard", "typical", "passable"),
    1: (
        "good", "nice", "pleasant", "enjoyable", "likeable",
        "charming", "neat", "satisfying", "cosy", "decent",
    ),
    2: (
        "brilliant", "superb", "wonderful", "outstanding", "magnificent",
        "flawless", "terrific", "marvellous", "sublime",
    ),
}
INTENSIFIERS = ("very", "really", "truly", "remarkably", "thoroughly", "extremely")
DIMINISHERS = ("slightly", "somewhat", "a little", "mildly", "a touch", "rather")
NEGATORS = ("not", "hardly", "far from", "not exactly", "by no means", "scarcely")
NEITHER = "neither {first} nor {second}"
POLARITY_CLAUSES = (
    "the {subject} was {phrase}", "the {subject} seemed {phrase}",
    "the {subject} turned out to be {phrase}", "I found that the {subject} was {phrase}",
)
# A row stays in one domain, so that both sides of a contrast are about the same thing.
POLARITY_DOMAINS = (
    ("story", "cast", "ending", "soundtrack", "camera work", "dialogue"),
    ("room", "reception desk", "breakfast", "swimming pool", "mattress", "view"),
    ("screen", "battery", "keyboard", "charger", "speaker", "touchpad"),
    ("soup", "main course", "dessert", "service", "wine list", "table"),
    ("teacher", "course book", "first lesson", "homework", "final exam", "classroom"),
)
POLARITY_IRRELEVANT = (
    "the weather outside was {phrase}", "the bus ride home was {phrase}",
    "my uncle's new haircut was {phrase}", "a song on the radio was {phrase}",
    "last week's football match was {phrase}", "the leaflet called the {subject} {phrase}",
    "my neighbour had guessed that the {subject} would be {phrase}",
    "some people online say that the {subject} was {phrase}", "last year the {subject} had been {phrase}",
)

EMOTION_WORDS: Mapping[str, tuple[str, ...]] = {
    "anger": (
        "annoyed", "irritated", "cross", "angry", "furious", "enraged", "outraged", "livid", "resentful",
    ),
    "joy": ("glad", "happy", "pleased", "cheerful", "delighted", "thrilled", "overjoyed", "elated", "merry"),
    "optimism": (
        "hopeful", "confident", "optimistic", "encouraged", "reassured", "upbeat", "expectant", "determined",
        "bullish",
    ),
    "sadness": (
        "sad", "gloomy", "downcast", "wistful", "miserable",
        "heartbroken", "sorrowful", "desolate", "tearful",
    ),
}
# {felt} carries the label; {other} is another emotion, denied or outweighed.
EMOTION_NEGATED = (
    "not {other} but {felt}", "{felt} and not {other}", "{felt} rather than {other}",
    "no longer {other} but {felt}",
)
EMOTION_DIMINISHED = (
    "a little {other} but mostly {felt}", "mostly {felt} and a little {other}", "more {felt} than {other}",
    "slightly {other} yet far more {felt}", "less {other} than {felt}",
)
EMOTION_CLAUSES = (
    "I felt {phrase} about the {subject}", "the {subject} left me {phrase}",
    "the {subject} made me feel {phrase}", "I was {phrase} because of the {subject}",
)
EMOTION_DOMAINS = (
    ("new timetable", "staff meeting", "pay review", "office move", "shift plan", "project report"),
    ("train strike", "road works", "bus fares", "cycle lane", "night ferry", "parking rules"),
    ("exam results", "school trip", "term paper", "music class", "chess club", "reading list"),
    ("match score", "transfer news", "new coach", "season opener", "cup draw", "training camp"),
    ("family visit", "garden plans", "house sale", "birthday party", "phone call", "old photos"),
)
EMOTION_IRRELEVANT = (
    "a man on the platform looked {phrase}", "the hero of my novel was {phrase}",
    "some stranger online was {phrase}", "the singer on the radio sounded {phrase}",
    "my cousin's landlord seemed {phrase}", "my brother felt {phrase} about the {subject}",
    "the {subject} left my neighbour {phrase}", "last year the {subject} had made me {phrase}",
    "people guessed that the {subject} would make me {phrase}",
)

NEUTRAL = (
    "we went on a rainy tuesday", "it took about two hours in all", "my sister paid with her card",
    "there were nine of us that day", "I wrote this down in the evening", "I kept the receipt in a drawer",
    "a friend told me about it in march", "the whole thing started at noon", "they sent the details by post",
)
CONTRAST_FRAMES = (
    "although {aside}, {main}", "{main}, although {aside}", "even though {aside}, {main}",
    "{main}, even if {aside}", "{aside}, but {main}", "{aside}, yet {main}",
    "{aside}; all the same, {main}", "{main}, for all that {aside}",
)
OTHER_FRAMES = ("{aside}, and {main}", "{main}, and {aside}", "{aside}; {main}", "{main}; {aside}")
# fmt: on


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticTask:
    """What is generated. Another size is `dataclasses.replace(task, train_rows=...)`.

    Attributes:
        name: which grammar writes the rows: a key of `TASKS`.
        labels: the classes; a label is an index into them.
        label_noise_fraction: the fraction of rows, of every split, whose label is replaced by another class,
            each as likely. A perfect reader's accuracy is one less this.
        train_rows, validation_rows, test_rows: rows of each split.

    Raises:
        DataError: a size below 1, or a fraction that is not in [0, 1).
    """

    name: str
    labels: tuple[str, ...]
    label_noise_fraction: float = 0.08
    train_rows: int = 1200
    validation_rows: int = 200
    test_rows: int = 400

    def __post_init__(self) -> None:
        noise = self.label_noise_fraction
        if not 0 <= noise < 1:
            raise DataError(f"{self.name}: label_noise_fraction must be at least 0 and below 1, got {noise}")
        for split in get_args(SplitName):
            if self.rows(split) < 1:
                raise DataError(f"{self.name}: {split}_rows must be at least 1, got {self.rows(split)}")

    def rows(self, split: SplitName) -> int:
        """How many rows the split has."""
        return {"train": self.train_rows, "validation": self.validation_rows, "test": self.test_rows}[split]


TASKS: Mapping[str, SyntheticTask] = MappingProxyType(
    {
        name: SyntheticTask(name=name, labels=tuple(entry["labels"]))
        for name, entry in catalog("datasets").items()
        if entry.get("synthetic")
    }
)


def generator_version(name: str) -> int:
    """Version of the rows of a synthetic task. Results on rows of two versions cannot be compared."""
    return int(catalog("datasets")[name]["generator_version"])


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanRow:
    """One sentence with the label the grammar gives it, and what it was made of.

    `phrase` carries the label, is of this `kind`, and stands in `main`. `main` and `aside` stand in `text`,
    letter for letter but for the capital that opens it.
    """

    text: str
    label: int
    kind: Kind
    frame: Frame
    phrase: str
    main: str
    aside: str


def generate(task: SyntheticTask, split: SplitName, *, seed: int = 0) -> tuple[list[str], list[int]]:
    """The texts of a split and their labels, noise included.

    The same task, split and seed give the same rows in every process. No text comes twice in a split, and
    none is in two splits, whatever their seeds and sizes. Before the noise, classes are equally frequent
    within one row.

    Raises:
        UnknownNameError: no grammar has the task's name.
        DataError: more rows are asked for than the grammar has sentences.
    """
    rows = clean_rows(task, split, seed=seed)
    labels = [row.label for row in rows]
    rng = _rng(task, split, seed, "noise")
    for index in rng.sample(range(len(labels)), round(task.label_noise_fraction * len(labels))):
        labels[index] = _another(labels[index], len(task.labels), rng)
    return [row.text for row in rows], labels


def clean_rows(task: SyntheticTask, split: SplitName, *, seed: int = 0) -> list[CleanRow]:
    """The rows of a split before label noise, in the order of `generate`, which says what they promise."""
    grammar = _grammar(task.name)
    rng = _rng(task, split, seed, "rows")
    labels = [index % len(task.labels) for index in range(task.rows(split))]
    rng.shuffle(labels)
    rows: dict[str, CleanRow] = {}
    for label in labels:
        # One sentence in three belongs to the split: so many misses mean that nearly every one is taken.
        drawn = (_row(grammar, label, rng) for _ in range(300))
        row = next((row for row in drawn if _fits(row.text, split) and row.text not in rows), None)
        if row is None:
            raise DataError(
                f"{task.name}: {split}_rows: the grammar ran out of sentences after {len(rows)} of "
                f"{len(labels)}; ask for fewer"
            )
        rows[row.text] = row
    return list(rows.values())


def _fits(text: str, split: SplitName) -> bool:
    return len(text.split()) <= WORDS_MAX and split_of(text) == split


def split_of(text: str) -> SplitName:
    """The only split a text may be in. It depends on the text alone, so no split can leak into another."""
    splits: tuple[SplitName, ...] = get_args(SplitName)
    return splits[hashlib.sha256(text.encode()).digest()[0] % len(splits)]


def score(strength: int, kind: Kind) -> int:
    """What a word of this strength (-2 to 2) comes to when used this way, on the same scale.

    Intensified, it is as strong as can be; diminished, as mild as can be. Denied, it is the opposite, mildly:
    "not superb" is bad but not awful, "not awful" is good but not superb. A neutral word stays neutral.
    """
    sign = (strength > 0) - (strength < 0)
    return {"plain": strength, "intensified": 2 * sign, "diminished": sign, "negated": -sign}[kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grammar:
    """The tables of one task. `phrases[label][kind]` is all that may be said to mean that label."""

    phrases: tuple[Mapping[Kind, tuple[str, ...]], ...]
    clauses: tuple[str, ...]
    domains: tuple[tuple[str, ...], ...]
    irrelevant: tuple[str, ...]


@cache
def _grammar(name: str) -> _Grammar:
    if name == "synthetic_emotion":
        phrases = tuple(_emotion_phrases(emotion) for emotion in EMOTION_WORDS)
        tables = (EMOTION_CLAUSES, EMOTION_DOMAINS, EMOTION_IRRELEVANT)
    elif name in TASKS:
        stars = ((-2,), (-1,), (0,), (1,), (2,))
        scores = stars if name == "synthetic_stars" else ((-2, -1), (1, 2))
        phrases = tuple(_polarity_phrases(of_label) for of_label in scores)
        tables = (POLARITY_CLAUSES, POLARITY_DOMAINS, POLARITY_IRRELEVANT)
    else:
        raise UnknownNameError("synthetic task", name, TASKS)
    clauses, domains, irrelevant = tables
    return _Grammar(phrases=phrases, clauses=clauses, domains=domains, irrelevant=irrelevant)


def _polarity_phrases(scores: tuple[int, ...]) -> Mapping[Kind, tuple[str, ...]]:
    """All phrases, by kind, that come out at one of these scores."""
    before = {"plain": ("",), "intensified": INTENSIFIERS, "diminished": DIMINISHERS, "negated": NEGATORS}
    phrases: dict[Kind, list[str]] = {}
    for kind, (strength, words) in product(get_args(Kind), POLARITY_WORDS.items()):
        # "Not ordinary" may be praise or blame, so a neutral word is never denied.
        if score(strength, kind) in scores and (strength, kind) != (0, "negated"):
            found = phrases.setdefault(kind, [])
            found += [f"{modifier} {word}".lstrip() for modifier, word in product(before[kind], words)]
    if 0 in scores:
        good, bad = POLARITY_WORDS[1], POLARITY_WORDS[-1]
        pairs = [*product(good, bad), *product(bad, good)]
        phrases["negated"] = [NEITHER.format(first=first, second=second) for first, second in pairs]
    return {kind: tuple(found) for kind, found in phrases.items()}


def _emotion_phrases(emotion: str) -> Mapping[Kind, tuple[str, ...]]:
    """All phrases, by kind, that mean this emotion. How strong a word is makes no difference here."""
    words = EMOTION_WORDS[emotion]
    others = [word for name, others in EMOTION_WORDS.items() if name != emotion for word in others]

    def against(templates: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(t.format(felt=felt, other=other) for t, felt, other in product(templates, words, others))

    return {
        "plain": words,
        "intensified": tuple(f"{modifier} {word}" for modifier, word in product(INTENSIFIERS, words)),
        "diminished": against(EMOTION_DIMINISHED),
        "negated": against(EMOTION_NEGATED),
    }


def _row(grammar: _Grammar, label: int, rng: random.Random) -> CleanRow:
    frame = _weighted(FRAME_WEIGHTS, rng)
    subject, aside_subject = rng.sample(rng.choice(grammar.domains), 2)
    phrase, kind = _phrase(grammar, label, rng)
    main = rng.choice(grammar.clauses).format(subject=subject, phrase=phrase)
    aside = _aside(grammar, frame, label, aside_subject, rng)
    frames = CONTRAST_FRAMES if frame == "contrast" else OTHER_FRAMES
    text = rng.choice(frames).format(main=main, aside=aside)
    text = f"{text[0].upper()}{text[1:]}."
    return CleanRow(text=text, label=label, kind=kind, frame=frame, phrase=phrase, main=main, aside=aside)


def _aside(grammar: _Grammar, frame: Frame, label: int, subject: str, rng: random.Random) -> str:
    if frame == "neutral":
        return rng.choice(NEUTRAL)
    num_labels = len(grammar.phrases)
    if frame == "contrast":
        templates, said = grammar.clauses, _another(label, num_labels, rng)
    else:
        # Any label, the row's own too: an aside that always disagreed would give the label away.
        templates, said = grammar.irrelevant, rng.randrange(num_labels)
    return rng.choice(templates).format(subject=subject, phrase=_phrase(grammar, said, rng)[0])


def _phrase(grammar: _Grammar, label: int, rng: random.Random) -> tuple[str, Kind]:
    phrases = grammar.phrases[label]
    kind = _weighted({kind: KIND_WEIGHTS[kind] for kind in phrases}, rng)
    return rng.choice(phrases[kind]), kind


def _another(label: int, num_labels: int, rng: random.Random) -> int:
    return rng.choice([other for other in range(num_labels) if other != label])


def _weighted(weights: Mapping[_T, int], rng: random.Random) -> _T:
    return rng.choices(list(weights), weights=list(weights.values()))[0]


def _rng(task: SyntheticTask, split: SplitName, seed: int, purpose: str) -> random.Random:
    """A generator of its own for each purpose: the noise may change and leave the texts alone."""
    # hash() of a string differs from one process to the next; a digest does not.
    key = f"{generator_version(task.name)}/{task.name}/{split}/{task.rows(split)}/{seed}/{purpose}"
    return random.Random(int.from_bytes(hashlib.sha256(key.encode()).digest()))
