"""Prompts that ask a causal language model for a label: token ids around a text, and of each answer."""

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
#: Default number of tokens that a generated answer may have beyond the longest label.
SPARE_ANSWER_TOKENS = 4

Ids = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """Everything around a text, and the answers to choose from.

    Attributes:
        prefix_ids: token ids before the text, the same for all texts.
        suffix_ids: token ids after the text, at least one.
        label_ids: token ids of each class's answer; none is a prefix of another.
        end_id: token that ends an answer; None if neither template nor tokenizer has one.
        label_words: answer for each class.
        prefix_text: text of ``prefix_ids``.
        suffix_text: text of ``suffix_ids``.
        settings: settings of the prompt.
        where: start of messages, empty or ending with a colon and a blank.
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
        """Number of tokens of the longest label."""
        return max(map(len, self.label_ids))

    @property
    def max_new_tokens(self) -> int:
        """Maximum number of tokens of a generated answer."""
        return self.settings.max_new_tokens or self.longest_label + SPARE_ANSWER_TOKENS

    @property
    def sha256(self) -> str:
        """Hash of all constant parts and the settings, in hexadecimal."""
        facts = [
            self.prefix_ids, self.suffix_ids, self.label_ids, self.end_id, self.label_words, self.prefix_text,
            self.suffix_text, self.settings.model_dump(mode="json"),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def answer_ids(self, label: int) -> Ids:
        """Token ids of the answer for a class: the label and the end token."""
        return self.label_ids[label] + (() if self.end_id is None else (self.end_id,))

    def text(self, review: str) -> str:
        """The whole prompt for a text, including control tokens."""
        return self.prefix_text + review + self.suffix_text

    def room(self, max_length: int) -> int:
        """Number of tokens left for a text: only the text is truncated, never the instruction, examples or labels.

        Args:
            max_length: maximum number of tokens of the sequence, including the answer: the longest label with its end
                token, or the longest generated answer.

        Raises:
            StudyError: no token is left.
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
            f"tokens ({len(self.prefix_ids)} before the text, {len(self.suffix_ids)} after it, {answer} for the "
            f"answer); raise data.max_length above {needed}, shorten prompt.instruction"
            + (fewer if self.settings.examples_per_class else "")
        )


def build(
    tokenizer: Any, settings: PromptSettings, labels: Sequence[str], examples: Sequence[tuple[str, int]] = (),
    chat_template: str | None = None, where: str = "",
) -> Prompt:  # fmt: skip
    """Build the prompt with the model's chat template.

    Args:
        tokenizer: fast tokenizer.
        settings: instruction and label words.
        labels: class names by index; also the label words, by default.
        examples: texts and classes shown before the text, as earlier turns.
        chat_template: Jinja template to use instead of the tokenizer's.
        where: file or key, for messages.

    Raises:
        StudyError: the number of label words is wrong, or one is empty, malformed or not distinguishable from another.
        ModelError: there is no usable chat template.
    """
    where = f"{where}: " if where else ""
    chosen = _label_words(settings, labels, where)
    instruction = (settings.instruction or INSTRUCTION).replace("{labels}", ", ".join(chosen))
    shown = [(text, chosen[label]) for text, label in examples]
    around = frame(tokenizer, instruction, shown, chat_template, where)
    suffix_ids = _ids(tokenizer, around.after)
    prompt = Prompt(
        prefix_ids=_prefix_ids(tokenizer, around.before), suffix_ids=suffix_ids,
        label_ids=_label_ids(tokenizer, around, suffix_ids, chosen, where), end_id=_end_id(tokenizer, around.tail),
        label_words=chosen, prefix_text="".join(piece.text for piece in around.before), suffix_text=around.after,
        settings=settings, where=where,
    )  # fmt: skip
    _require_distinct(prompt)
    return prompt


def _ids(tokenizer: Any, text: str, content: bool = False) -> Ids:
    """Token ids without added special tokens; in content, nothing is read as a control token."""
    encoded = tokenizer(text, add_special_tokens=False, split_special_tokens=content, verbose=False)
    return tuple(encoded["input_ids"])


def _prefix_ids(tokenizer: Any, pieces: Iterable[Piece]) -> Ids:
    pieces = list(pieces)
    if all(_is_plain(tokenizer, piece.text) for piece in pieces if piece.content):
        # Together, since a tokenizer may merge characters across pieces or begin each with a blank.
        return _ids(tokenizer, "".join(piece.text for piece in pieces))
    return tuple(token for piece in pieces for token in _ids(tokenizer, piece.text, piece.content))


def _is_plain(tokenizer: Any, text: str) -> bool:
    return _ids(tokenizer, text) == _ids(tokenizer, text, content=True)


def _end_id(tokenizer: Any, tail: str) -> int | None:
    """Token that ends an answer: the template's only token after it, or its first control token; else the eos token."""
    ids = _ids(tokenizer, tail)
    if len(ids) == 1 or (ids and _ids(tokenizer, tail, content=True)[:1] != ids[:1]):
        return ids[0]
    eos: int | None = tokenizer.eos_token_id
    return eos


def _label_words(settings: PromptSettings, labels: Sequence[str], where: str) -> tuple[str, ...]:
    """The answer for each class.

    Raises:
        StudyError: the number of words is wrong, or one is empty or has surrounding blanks; for generated answers also
            if one has no letter or digit, or two differ only by case and punctuation.
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
    """Token ids of each label after the generation prompt.

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
    # A tokenizer that adds a blank before a text (Llama 2's) would double that of the template.
    doubled = all(0 < len(without) < len(ids) for ids, without in zip(led, bare, strict=True))
    return bare if doubled else led


def _require_distinct(prompt: Prompt) -> None:
    """Require labels whose likelihoods can be compared.

    Raises:
        StudyError: a label has no token, or its tokens equal those of another or their beginning.
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
