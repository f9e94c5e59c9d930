"""Synthetic text-classification tasks, written by a small grammar, so that a demo needs no data.

A row says one thing that carries the label (the main clause) and one thing that does not (the aside):

    contrast     "although the ending was dull, the cast was superb"            the main clause decides
    irrelevant   "the cast was superb, and the weather outside was dreadful"    not about the thing reviewed
    neutral      "we went on a rainy tuesday, and the cast was superb"          no opinion at all

and a phrase that carries a label is plain, intensified, diminished or negated. So counting words is not enough:
a reader has to see what is negated, how strongly a thing is said, and which clause counts. A stated fraction of
the labels is then wrong on purpose, in every split, so no model can be perfect.

These rows measure whether the machinery works. They say nothing about how a method does on real text.
"""

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import product
from types import MappingProxyType
from typing import Literal, TypeVar, get_args

# Raise it with any change that alters a generated row: rows of two versions must not be compared.
GENERATOR_VERSION = 1

Split = Literal["train", "validation", "test"]
Kind = Literal["plain", "intensified", "diminished", "negated"]
Frame = Literal["contrast", "irrelevant", "neutral"]
_T = TypeVar("_T")

# Shortest and longest row, in words parted by white space.
WORDS_MIN, WORDS_MAX = 8, 25

# --- What is drawn how often (relative weights). These set the difficulty. -------------------------------------

KIND_WEIGHTS: Mapping[Kind, int] = MappingProxyType(
    {"plain": 30, "intensified": 20, "diminished": 20, "negated": 30}
)
FRAME_WEIGHTS: Mapping[Frame, int] = MappingProxyType({"contrast": 40, "irrelevant": 30, "neutral": 30})

# --- The words of the two polarity tasks -----------------------------------------------------------------------

# Strength -> words. The sign is the polarity, the size is how strong the word is without a modifier.
POLARITY_WORDS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        -2: ("awful", "dreadful", "horrible", "atrocious", "appalling", "abysmal", "terrible", "unbearable"),
        -1: ("bad", "dull", "weak", "clumsy", "bland", "tiresome", "sloppy", "disappointing"),
        0: ("average", "ordinary", "acceptable", "unremarkable", "middling", "standard", "typical", "passable"),
        1: ("good", "nice", "pleasant", "enjoyable", "likeable", "charming", "neat", "satisfying"),
        2: ("brilliant", "superb", "wonderful", "outstanding", "magnificent", "flawless", "terrific", "marvellous"),
    }
)
INTENSIFIERS = ("very", "really", "truly", "remarkably", "thoroughly")
DIMINISHERS = ("slightly", "somewhat", "a little", "mildly", "a touch")
NEGATORS = ("not", "hardly", "far from", "not exactly", "by no means")
NEITHER = "neither {first} nor {second}"

POLARITY_CLAUSES = (
    "the {subject} was {phrase}",
    "the {subject} seemed {phrase}",
    "I found that the {subject} was {phrase}",
    "the {subject} turned out to be {phrase}",
)
# A row stays inside one domain, so that the two sides of a contrast are about the same thing.
POLARITY_DOMAINS = (
    ("story", "cast", "ending", "soundtrack", "camera work", "dialogue"),
    ("room", "reception desk", "breakfast", "swimming pool", "mattress", "view"),
    ("screen", "battery", "keyboard", "charger", "speaker", "touchpad"),
    ("soup", "main course", "dessert", "service", "wine list", "table"),
    ("teacher", "course book", "first lesson", "homework", "final exam", "classroom"),
)
POLARITY_IRRELEVANT = (
    "the weather outside was {phrase}",
    "the bus ride home was {phrase}",
    "my uncle's new haircut was {phrase}",
    "a song on the radio was {phrase}",
    "the traffic in town was {phrase}",
    "my neighbour's old car was {phrase}",
    "the coffee at my office was {phrase}",
    "last week's football match was {phrase}",
)

# --- The words of the emotion task -----------------------------------------------------------------------------

EMOTION_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "anger": ("annoyed", "irritated", "cross", "angry", "furious", "enraged", "outraged", "livid"),
        "joy": ("glad", "happy", "pleased", "cheerful", "delighted", "thrilled", "overjoyed", "elated"),
        "optimism": (
            "hopeful", "confident", "optimistic", "encouraged", "reassured", "upbeat", "expectant", "determined",
        ),
        "sadness": ("sad", "gloomy", "downcast", "wistful", "miserable", "heartbroken", "sorrowful", "desolate"),
    }
)  # fmt: skip
# {felt} carries the label. {other} is another emotion, denied or outweighed.
EMOTION_NEGATED = (
    "not {other} but {felt}",
    "{felt} and not {other}",
    "{felt} rather than {other}",
    "no longer {other} but {felt}",
)
EMOTION_DIMINISHED = (
    "a little {other} but mostly {felt}",
    "mostly {felt} and a little {other}",
    "slightly {other} yet far more {felt}",
    "more {felt} than {other}",
)
EMOTION_CLAUSES = (
    "I felt {phrase} about the {subject}",
    "the {subject} left me {phrase}",
    "the {subject} made me feel {phrase}",
    "I was {phrase} because of the {subject}",
)
EMOTION_DOMAINS = (
    ("new timetable", "staff meeting", "pay review", "office move", "shift plan", "project report"),
    ("train strike", "road works", "bus fares", "cycle lane", "night ferry", "parking rules"),
    ("exam results", "school trip", "term paper", "music class", "chess club", "reading list"),
    ("match score", "transfer news", "new coach", "season opener", "cup draw", "training camp"),
    ("family visit", "garden plans", "house sale", "birthday party", "phone call", "old photos"),
)
EMOTION_IRRELEVANT = (
    "my neighbour felt {phrase}",
    "a man on the platform looked {phrase}",
    "the hero of my novel was {phrase}",
    "the singer on the radio sounded {phrase}",
    "my cousin's landlord seemed {phrase}",
    "the woman at the next table was {phrase}",
    "some stranger online was {phrase}",
    "the character on the poster looked {phrase}",
)

# --- The words every task shares -------------------------------------------------------------------------------

NEUTRAL = (
    "we went on a rainy tuesday",
    "it took about two hours in all",
    "my sister paid with her card",
    "there were nine of us that day",
    "I wrote this down in the evening",
    "a friend told me about it in march",
    "the whole thing started at noon",
    "they sent the details by post",
    "we had been there once before",
    "I kept the receipt in a drawer",
)
CONTRAST_FRAMES = (
    "although {aside}, {main}",
    "{main}, although {aside}",
    "even though {aside}, {main}",
    "{main}, even though {aside}",
    "{aside}, but {main}",
    "{aside}; all the same, {main}",
)
OTHER_FRAMES = ("{aside}, and {main}", "{main}, and {aside}", "{aside}; {main}", "{main}; {aside}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticTask:
    """What is generated: the classes, how many rows a split has, and how many of its labels are wrong on purpose.

    A label is an index into `labels`. `label_noise_fraction` is the fraction of rows, of every split, whose label
    is replaced by another class; a perfect reader's accuracy is one less that fraction. Another size is
    `dataclasses.replace(task, train_rows=...)`. Raises ValueError for a size or a fraction out of range.
    """

    name: str
    labels: tuple[str, ...]
    label_noise_fraction: float = 0.05
    train_rows: int = 1200
    validation_rows: int = 200
    test_rows: int = 400

    def __post_init__(self) -> None:
        if not 0 <= self.label_noise_fraction < 1:
            raise ValueError(
                f"{self.name}: label_noise_fraction must be at least 0 and below 1, got {self.label_noise_fraction}"
            )
        for split in get_args(Split):
            if self.rows(split) < 1:
                raise ValueError(f"{self.name}: {split}_rows must be at least 1, got {self.rows(split)}")

    def rows(self, split: Split) -> int:
        """The number of rows of a split. Raises ValueError for a split that does not exist."""
        if split not in get_args(Split):
            raise ValueError(f"{self.name}: split must be one of {', '.join(get_args(Split))}, got {split!r}")
        return {"train": self.train_rows, "validation": self.validation_rows, "test": self.test_rows}[split]


_POLARITY = SyntheticTask(name="synthetic_polarity", labels=("negative", "positive"))
_EMOTION = SyntheticTask(name="synthetic_emotion", labels=tuple(EMOTION_WORDS))
_STARS = SyntheticTask(
    name="synthetic_stars", labels=("very negative", "negative", "neutral", "positive", "very positive")
)
TASKS: Mapping[str, SyntheticTask] = MappingProxyType({task.name: task for task in (_POLARITY, _EMOTION, _STARS)})


def generate(task: SyntheticTask, split: Split, *, seed: int = 0) -> tuple[list[str], list[int]]:
    """The texts of a split and their labels, noise included.

    The same task, split and seed give the same rows on every machine. No text comes twice in a split, and none
    is in two splits, whatever their seeds and sizes. Classes are equally frequent, within one row, before the noise.
    Raises ValueError for an unknown task or split, or for more rows than the grammar has sentences.
    """
    rows = clean_rows(task, split, seed=seed)
    labels = [row.label for row in rows]
    rng = _rng(task, split, seed, "noise")
    for index in rng.sample(range(len(labels)), round(task.label_noise_fraction * len(labels))):
        labels[index] = rng.choice([label for label in range(len(task.labels)) if label != labels[index]])
    return [row.text for row in rows], labels


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanRow:
    """One sentence, the label the grammar gives it, and what it was made of.

    `main` is the clause that carries the label, `aside` the other one; both stand in the text letter for letter
    but for the capital that opens it.
    """

    text: str
    label: int
    kind: Kind
    frame: Frame
    main: str
    aside: str


def clean_rows(task: SyntheticTask, split: Split, *, seed: int = 0) -> list[CleanRow]:
    """The rows of a split before label noise, in the order `generate` gives them. Raises as `generate` does."""
    grammar = _grammar(task)
    wanted = task.rows(split)
    rng = _rng(task, split, seed, "rows")
    labels = [index % len(task.labels) for index in range(wanted)]
    rng.shuffle(labels)
    seen: set[str] = set()
    rows: list[CleanRow] = []
    for label in labels:
        row = _fresh_row(grammar, label, split, seen, rng)
        if row is None:
            raise ValueError(
                f"{task.name}: the grammar has too few sentences for {wanted} {split} rows (stopped after "
                f"{len(rows)}); ask for fewer"
            )
        seen.add(row.text)
        rows.append(row)
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grammar:
    """The tables of one task. `phrases[label][kind]` lists what may be said of a subject to mean that label."""

    phrases: tuple[Mapping[Kind, tuple[str, ...]], ...]
    clauses: tuple[str, ...]
    domains: tuple[tuple[str, ...], ...]
    irrelevant: tuple[str, ...]


@cache
def _grammar(task: SyntheticTask) -> _Grammar:
    if task.name == _EMOTION.name:
        return _Grammar(
            phrases=_emotion_phrases(),
            clauses=EMOTION_CLAUSES,
            domains=EMOTION_DOMAINS,
            irrelevant=EMOTION_IRRELEVANT,
        )
    scores = {_POLARITY.name: ((-2, -1), (1, 2)), _STARS.name: ((-2,), (-1,), (0,), (1,), (2,))}
    if task.name not in scores:
        raise ValueError(f"there is no synthetic task {task.name!r}; there are {', '.join(TASKS)}")
    return _Grammar(
        phrases=tuple(_polarity_phrases(scores_of_label) for scores_of_label in scores[task.name]),
        clauses=POLARITY_CLAUSES,
        domains=POLARITY_DOMAINS,
        irrelevant=POLARITY_IRRELEVANT,
    )


def score(strength: int, kind: Kind) -> int:
    """What a word of this strength (-2 to 2) means once modified: the same scale.

    Intensified, a word is as strong as can be; diminished, as mild as can be. Denied, it means the opposite, mildly:
    "not superb" is bad and not awful, "not awful" is good and not superb. A neutral word stays neutral.
    """
    sign = (strength > 0) - (strength < 0)
    return {"plain": strength, "intensified": 2 * sign, "diminished": sign, "negated": -sign}[kind]


def _polarity_phrases(scores: tuple[int, ...]) -> Mapping[Kind, tuple[str, ...]]:
    """Every phrase, by kind, that comes out at one of these scores."""
    modifiers: Mapping[Kind, tuple[str, ...]] = {
        "plain": ("",), "intensified": INTENSIFIERS, "diminished": DIMINISHERS, "negated": NEGATORS,
    }  # fmt: skip
    phrases: dict[Kind, list[str]] = {kind: [] for kind in modifiers}
    for (kind, before), (strength, words) in product(modifiers.items(), POLARITY_WORDS.items()):
        # "Not ordinary" may be praise or blame, so a neutral word is never denied.
        if score(strength, kind) in scores and (strength, kind) != (0, "negated"):
            phrases[kind] += [f"{modifier} {word}".strip() for modifier, word in product(before, words)]
    if 0 in scores:
        good_and_bad = (*product(POLARITY_WORDS[1], POLARITY_WORDS[-1]), *product(POLARITY_WORDS[-1], POLARITY_WORDS[1]))
        phrases["negated"] += [NEITHER.format(first=first, second=second) for first, second in good_and_bad]
    return {kind: tuple(found) for kind, found in phrases.items() if found}


def _emotion_phrases() -> tuple[Mapping[Kind, tuple[str, ...]], ...]:
    """Every phrase of every emotion, in the order of the labels."""
    return tuple(
        {
            "plain": felt,
            "intensified": tuple(f"{modifier} {word}" for modifier, word in product(INTENSIFIERS, felt)),
            "diminished": _against(EMOTION_DIMINISHED, emotion),
            "negated": _against(EMOTION_NEGATED, emotion),
        }
        for emotion, felt in EMOTION_WORDS.items()
    )


def _against(templates: tuple[str, ...], emotion: str) -> tuple[str, ...]:
    """The templates filled with each word of this emotion and each word of every other."""
    others = [word for name, words in EMOTION_WORDS.items() if name != emotion for word in words]
    filled = product(templates, EMOTION_WORDS[emotion], others)
    return tuple(template.format(felt=felt, other=other) for template, felt, other in filled)


def _fresh_row(
    grammar: _Grammar, label: int, split: Split, seen: set[str], rng: random.Random
) -> CleanRow | None:
    """A row that belongs to this split, has a fitting length and is new, or None when a long search finds none."""
    # One row in three belongs to the split; that many failures mean that nearly every sentence is taken.
    for _ in range(300):
        row = _row(grammar, label, rng)
        fits = WORDS_MIN <= len(row.text.split()) <= WORDS_MAX
        if fits and row.text not in seen and split_of(row.text) == split:
            return row
    return None


def _row(grammar: _Grammar, label: int, rng: random.Random) -> CleanRow:
    frame = _weighted(FRAME_WEIGHTS, rng)
    main_subject, aside_subject = rng.sample(rng.choice(grammar.domains), 2)
    phrase, kind = _phrase(grammar, label, rng)
    main = rng.choice(grammar.clauses).format(subject=main_subject, phrase=phrase)
    if frame == "neutral":
        aside = rng.choice(NEUTRAL)
    elif frame == "irrelevant":
        # Any label, the row's own among them: an aside that always disagreed would give the label away.
        phrase, _ = _phrase(grammar, rng.randrange(len(grammar.phrases)), rng)
        aside = rng.choice(grammar.irrelevant).format(phrase=phrase)
    else:
        other = rng.choice([index for index in range(len(grammar.phrases)) if index != label])
        phrase, _ = _phrase(grammar, other, rng)
        aside = rng.choice(grammar.clauses).format(subject=aside_subject, phrase=phrase)
    joined = rng.choice(CONTRAST_FRAMES if frame == "contrast" else OTHER_FRAMES).format(main=main, aside=aside)
    text = f"{joined[0].upper()}{joined[1:]}."
    return CleanRow(text=text, label=label, kind=kind, frame=frame, main=main, aside=aside)


def _phrase(grammar: _Grammar, label: int, rng: random.Random) -> tuple[str, Kind]:
    phrases = grammar.phrases[label]
    kind = _weighted({kind: weight for kind, weight in KIND_WEIGHTS.items() if kind in phrases}, rng)
    return rng.choice(phrases[kind]), kind


def _weighted(weights: Mapping[_T, int], rng: random.Random) -> _T:
    return rng.choices(list(weights), weights=list(weights.values()))[0]


def split_of(text: str) -> Split:
    """The only split a text may appear in. It hangs on the text alone, so splits cannot leak into one another."""
    splits: tuple[Split, ...] = get_args(Split)
    return splits[hashlib.sha256(text.encode()).digest()[0] % len(splits)]


def _rng(task: SyntheticTask, split: Split, seed: int, purpose: str) -> random.Random:
    """A generator of its own for each purpose: the noise can change without changing the texts."""
    # Python's hash() of a string differs from one process to the next; a digest does not.
    name = f"{GENERATOR_VERSION}/{task.name}/{split}/{task.rows(split)}/{seed}/{purpose}"
    return random.Random(int.from_bytes(hashlib.sha256(name.encode()).digest()))
