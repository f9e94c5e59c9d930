"""How a causal language model is asked for a label: token ids around a text, and those of each answer."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.errors import StudyError
from bench.model.prompting.chat import Frame, Piece, frame
from bench.model.prompting.parse import words
from bench.study.settings import PromptSettings

INSTRUCTION = "Which label fits the text below? Answer with exactly one of these labels and nothing else: {labels}."
#: Tokens that a written answer may have beyond the longest label, where the settings do not say.
SPARE_ANSWER_TOKENS = 4

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """All that is put around a text, and the answers to choose from.

    Attributes:
        prefix_ids: token ids before the text, alike for all texts.
        suffix_ids: token ids behind it, at least one.
        label_ids: token ids of each class's answer, by class; none is the start of another.
        end_id: token that ends an answer; None where neither template nor tokenizer has one.
        label_words: the answer for each class, by class.
        prefix_text: what prefix_ids say.
        suffix_text: what suffix_ids say.
        settings: what it was built from.
        where: start of messages, with a colon and a blank, or nothing.
    """

    prefix_ids: Ids
    suffix_ids: Ids
    label_ids: tuple[Ids, ...]
    end_id: int | None
    label_words: tuple[str, ...]
    prefix_text: str
    suffix_text: str
    settings: PromptSettings
    where: str = field(default="", compare=False)

    @property
    def longest_label(self) -> int:
        """Tokens of the longest label."""
        return max(map(len, self.label_ids))

    @property
    def max_new_tokens(self) -> int:
        """Tokens that a written answer may have."""
        return self.settings.max_new_tokens or self.longest_label + SPARE_ANSWER_TOKENS

    @property
    def sha256(self) -> str:
        """Hash of all that is constant and of the settings, in hexadecimal."""
        facts = [
            self.prefix_ids, self.suffix_ids, self.label_ids, self.end_id, self.label_words, self.prefix_text,
            self.suffix_text, self.settings.model_dump(mode="json"),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def answer_ids(self, label: int) -> Ids:
        """Token ids that the model is to write for a class: the label's and the end's."""
        return self.label_ids[label] + (() if self.end_id is None else (self.end_id,))

    def text(self, review: str) -> str:
        """The whole prompt about a text, control tokens spelled out."""
        return self.prefix_text + review + self.suffix_text

    def room(self, max_length: int) -> int:
        """Tokens left for a text: the text alone is truncated, never the instruction, the examples or a label.

        Args:
            max_length: of the whole sequence in tokens, the answer included: the longest label with its end, or what
                may be written.

        Raises:
            StudyError: none is left.
        """
        answer = self.longest_label + (self.end_id is not None)
        if self.settings.generate:
            answer = max(answer, self.max_new_tokens)
        needed = len(self.prefix_ids) + len(self.suffix_ids) + answer
        if needed < max_length:
            return max_length - needed
        fewer = f" or lower prompt.examples_per_class from {self.settings.examples_per_class}"
        raise StudyError(
            f"{self.where}data.max_length must leave a token for the text, got {max_length}; the prompt needs {needed} "
            f"tokens ({len(self.prefix_ids)} before the text, {len(self.suffix_ids)} behind it, {answer} for the "
            f"answer); raise data.max_length above {needed}, shorten prompt.instruction"
            + (fewer if self.settings.examples_per_class else "")
        )


def build(
    tokenizer: Any,
    settings: PromptSettings,
    labels: Sequence[str],
    examples: Sequence[tuple[str, int]] = (),
    chat_template: str | None = None,
    where: str = "",
) -> Prompt:
    """The prompt in the model's chat template.

    Args:
        tokenizer: a fast one.
        settings: instruction and label words.
        labels: class names by index; the label words where the settings give none.
        examples: texts and classes shown before the text, as earlier turns.
        chat_template: Jinja, in place of the tokenizer's own.
        where: file or key, for messages.

    Raises:
        StudyError: label words that are too few or many, empty, no text, or cannot be told apart.
        ModelError: no chat template, or one that cannot be used.
    """
    where = f"{where}: " if where else ""
    chosen = _label_words(settings, labels, where)
    instruction = (settings.instruction or INSTRUCTION).replace("{labels}", ", ".join(chosen))
    shown = [(text, chosen[label]) for text, label in examples]
    around = frame(tokenizer, instruction, shown, chat_template, where)
    suffix_ids = _ids(tokenizer, around.after)
    prompt = Prompt(
        prefix_ids=_prefix_ids(tokenizer, around.before),
        suffix_ids=suffix_ids,
        label_ids=_label_ids(tokenizer, around, suffix_ids, chosen, where),
        end_id=_end_id(tokenizer, around.tail),
        label_words=chosen,
        prefix_text="".join(piece.text for piece in around.before),
        suffix_text=around.after,
        settings=settings,
        where=where,
    )
    _check_apart(prompt)
    return prompt


def _ids(tokenizer: Any, text: str, content: bool = False) -> Ids:
    """Token ids without what the tokenizer would add; in content, nothing is taken for a control token."""
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=content, verbose=False)
    return tuple(encoded["input_ids"])


def _prefix_ids(tokenizer: Any, pieces: Iterable[Piece]) -> Ids:
    pieces = list(pieces)
    if all(_is_plain(tokenizer, piece.text) for piece in pieces if piece.content):
        # In one go, since a tokenizer may join characters across pieces or begin each with a blank.
        return _ids(tokenizer, "".join(piece.text for piece in pieces))
    return tuple(token for piece in pieces for token in _ids(tokenizer, piece.text, piece.content))


def _is_plain(tokenizer: Any, text: str) -> bool:
    return _ids(tokenizer, text) == _ids(tokenizer, text, content=True)


def _end_id(tokenizer: Any, tail: str) -> int | None:
    """The token that ends an answer: behind it in the template alone, or first and a control token; else the eos."""
    ids = _ids(tokenizer, tail)
    if len(ids) == 1 or (ids and _ids(tokenizer, tail, content=True)[:1] != ids[:1]):
        return ids[0]
    eos: int | None = tokenizer.eos_token_id
    return eos


def _label_words(settings: PromptSettings, labels: Sequence[str], where: str) -> tuple[str, ...]:
    """The answer for each class.

    Raises:
        StudyError: not one for each class, or one that is empty or has blanks around it; or, where answers are to be
            parsed, without a letter or digit, or two alike but for case and punctuation.
    """
    chosen = tuple(labels) if settings.label_words is None else settings.label_words
    if len(chosen) != len(labels):
        raise StudyError(
            f"{where}prompt.label_words must have one entry for each of the {len(labels)} classes "
            f"({', '.join(labels)}), got {len(chosen)}: {', '.join(chosen)}"
        )
    for word in chosen:
        if not word or word != word.strip():
            raise StudyError(
                f"{where}a label word must be a text without blanks around it, got {word!r}; set prompt.label_words"
            )
    if not settings.generate:
        return chosen
    way_out = "set prompt.label_words, or prompt.generate = false"
    first: dict[tuple[str, ...], str] = {}
    for word in chosen:
        read = words(word)
        if not read:
            raise StudyError(f"{where}a label word must have a letter or digit to be parsed, got {word!r}; {way_out}")
        if read in first:
            raise StudyError(
                f"{where}label words must differ in more than case and punctuation to be parsed, got {first[read]!r} "
                f"and {word!r}; {way_out}"
            )
        first[read] = word
    return chosen


def _label_ids(
    tokenizer: Any, around: Frame, suffix_ids: Ids, label_words: Sequence[str], where: str
) -> tuple[Ids, ...]:
    """Token ids of each label as they follow the generation prompt.

    Raises:
        StudyError: a label word holds a control token.
    """
    for word in label_words:
        if not _is_plain(tokenizer, word):
            raise StudyError(
                f"{where}a label word must hold none of the tokenizer's control tokens, got {word!r}; set "
                "prompt.label_words"
            )

    def following(answer: str) -> Ids:
        joint = _ids(tokenizer, around.after + answer)
        if joint[: len(suffix_ids)] == suffix_ids:
            return joint[len(suffix_ids) :]
        return _ids(tokenizer, answer, content=True)

    led = tuple(following(around.lead + word) for word in label_words)
    bare = tuple(following(word) for word in label_words)
    # A tokenizer that itself puts a blank before a text (Llama 2's) would make two of the template's one.
    doubled = all(0 < len(without) < len(ids) for ids, without in zip(led, bare, strict=True))
    return bare if doubled else led


def _check_apart(prompt: Prompt) -> None:
    """Refuse labels whose likelihoods say nothing of which fits better.

    Raises:
        StudyError: a label has no token, the tokens of another, or those that another begins with.
    """
    named = list(zip(prompt.label_words, prompt.label_ids, strict=True))
    for word, ids in named:
        if not ids:
            raise StudyError(f"{prompt.where}a label word must have a token, got {word!r}; set prompt.label_words")
    for place, (word, ids) in enumerate(named):
        for other, other_ids in named[:place]:
            if ids == other_ids:
                raise StudyError(
                    f"{prompt.where}label words must have different tokens, got {other!r} and {word!r} with the same "
                    f"({list(ids)}); set prompt.label_words"
                )
            if ids[: len(other_ids)] == other_ids or other_ids[: len(ids)] == ids:
                short, long = sorted((word, other), key=len)
                raise StudyError(
                    f"{prompt.where}no label word may begin with the tokens of another, got {short!r} and {long!r}: "
                    f"{short!r} would always be the likelier; set prompt.label_words"
                )
