"""A prompt in a model's chat template, with slots for texts and answers.

A template is a program that may trim, split or drop its input. It is rendered with a short mark in place of each
instruction, text and answer, and these are inserted afterwards, so that a text cannot change the prompt around it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from bench.errors import ModelError
from bench.model.prompting.time_limit import time_limit
from bench.record.notices import doing

#: The date for templates that print it (the default of Llama 3.1's): a prompt that changed every day would give
#: different results for the same study.
DAY = date(2024, 7, 26)
DATE_PARTS = ("%d", "%m", "%b", "%B", "%y", "%Y", "%a", "%A", "%H", "%M", "%S")
#: Time limit for rendering a few messages, which takes milliseconds.
RENDER_SECONDS = 10.0
TEXT, ANSWER = "SLOTTEXTX", "SLOTANSWERX"
Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the prompt.

    Attributes:
        text: the characters.
        content: True for inserted content, in which nothing is a control token; False for the template's own text,
            which contains the control tokens.
    """

    text: str
    content: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """The parts of a prompt around a text.

    Attributes:
        before: pieces from the start to the text, including examples.
        after: part between the text and the place where the model continues.
        lead: blanks that the template puts between that place and an answer; often none.
        tail: part that the template puts after an answer.
    """

    before: tuple[Piece, ...]
    after: str
    lead: str
    tail: str


def frame(
    tokenizer: Any, instruction: str, examples: Sequence[tuple[str, str]], template: str | None, where: str
) -> Frame:
    """The chat template rendered around a text.

    Args:
        tokenizer: tokenizer with a chat template, or any tokenizer if ``template`` is given.
        instruction: instruction before each text, in the same message; there is no system message, because some
            templates refuse one.
        examples: texts and answers of earlier turns.
        template: Jinja template to use instead of the tokenizer's.
        where: start of messages.

    Raises:
        ModelError: there is no template, it fails, it does not show each message once and in order, or it puts nothing
            after a message.
    """
    if template is None and not getattr(tokenizer, "chat_template", None):
        raise ModelError(
            f"{where}the model must have a chat template, got a tokenizer without one; take an instruction-tuned "
            "model, put chat_template.jinja into its folder, or give chat_template in the catalog"
        )
    messages, slots = _messages(instruction, examples)
    asked = _render(tokenizer, messages, template, where, add_generation_prompt=True)
    if re.findall(r"SLOT\d+X|" + TEXT, asked) != [*slots, TEXT]:
        raise ModelError(
            f"{where}the chat template must show each message once and in order, got {asked[:300]!r}; give another "
            "chat_template" + (", or set prompt.examples_per_class = 0" if examples else "")
        )
    before, after = asked.split(TEXT)
    answered = _render(tokenizer, [*messages, _message("assistant", ANSWER)], template, where)
    lead, tail = _around_answer(asked, answered, where)
    # Words before every answer (e.g. Qwen3's empty thoughts) belong to the prompt, a single blank to the answer.
    words = lead.rstrip(" ") if lead.strip() else ""
    after, lead = after + words, lead.removeprefix(words)
    if not after:
        raise ModelError(
            f"{where}the chat template must put something after a message, got nothing, so that the model cannot tell "
            "where the text ends; give another chat_template"
        )
    return Frame(_pieces(before, slots), after, lead, tail)


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _messages(instruction: str, examples: Sequence[tuple[str, str]]) -> tuple[list[Message], dict[str, str]]:
    """Messages with a mark in place of each content, and the content of each mark."""
    slots: dict[str, str] = {}

    def slot(content: str) -> str:
        mark = f"SLOT{len(slots)}X"
        slots[mark] = content
        return mark

    messages: list[Message] = []
    for text, answer in examples:
        messages.append(_message("user", f"{slot(instruction)}\n\n{slot(text)}"))
        messages.append(_message("assistant", slot(answer)))
    messages.append(_message("user", f"{slot(instruction)}\n\n{TEXT}"))
    return messages, slots


def _render(
    tokenizer: Any, messages: list[Message], template: str | None, where: str, add_generation_prompt: bool = False
) -> str:
    try:
        with doing(f"{where}rendering its chat template", 4 * RENDER_SECONDS), time_limit(RENDER_SECONDS):
            rendered = tokenizer.apply_chat_template(
                messages, chat_template=_with_fixed_date(tokenizer.get_chat_template(template)), tokenize=False,
                add_generation_prompt=add_generation_prompt,
            )  # fmt: skip
    except Exception as error:  # a template can raise any error
        raise ModelError(
            f"{where}the chat template must accept turns of user and assistant, got {type(error).__name__}: "
            f"{str(error)[:300]}; give another chat_template"
        ) from error
    return str(rendered)


def _with_fixed_date(template: str) -> str:
    """The template with its own clock that always gives the same date."""
    if "strftime_now" not in template:
        return template
    parts = "".join(f"|replace('{part}', '{DAY.strftime(part)}')" for part in DATE_PARTS)
    return "{%- macro strftime_now(format) -%}{{ format" + parts + " }}{%- endmacro -%}" + template


def _around_answer(asked: str, answered: str, where: str) -> tuple[str, str]:
    """Parts of the rendered turn between the prompt and the answer, and after the answer.

    Raises:
        ModelError: the template does not show the answer, so the end of a turn is unknown.
    """
    if answered.count(ANSWER) != 1:
        raise ModelError(f"{where}the chat template must show the assistant's answer once; give another chat_template")
    until, tail = answered.split(ANSWER)
    return (until.removeprefix(asked) if until.startswith(asked) else ""), tail


def _pieces(text: str, slots: dict[str, str]) -> tuple[Piece, ...]:
    parts = re.split(r"(SLOT\d+X)", text)
    return tuple(Piece(slots.get(part, part), part in slots) for part in parts if part)
