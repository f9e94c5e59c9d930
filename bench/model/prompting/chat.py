"""A question in a model's own chat template, with slots where texts and answers go.

A template is a program: it may trim, split or drop what it is given. So it is given short marks in place of every
instruction, text and answer, and these are put in afterwards; what a text says can change nothing but its own place.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from bench.errors import ModelError
from bench.model.prompting.time_limit import time_limit
from bench.record.notices import doing

#: What templates that print the day are told it is (the one that Llama 3.1's falls back on): a prompt that changed
#: overnight would give other figures for the same study.
DAY = date(2024, 7, 26)
DATE_PARTS = ("%d", "%m", "%b", "%B", "%y", "%Y", "%a", "%A", "%H", "%M", "%S")
#: What rendering a few messages may take; it takes milliseconds.
RENDER_SECONDS = 10.0
TEXT, ANSWER = "SLOTTEXTX", "SLOTANSWERX"
Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the prompt.

    Attributes:
        text: what it says.
        content: True for what the template was given, in which nothing is a control token; False for the template's
            own words, which hold the control tokens.
    """

    text: str
    content: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around a text.

    Attributes:
        before: from the start to the text, examples and all.
        after: from the text to where the model goes on.
        lead: blanks that the template puts between that place and an answer; often none.
        tail: what the template puts behind an answer.
    """

    before: tuple[Piece, ...]
    after: str
    lead: str
    tail: str


def frame(
    tokenizer: Any, instruction: str, examples: Sequence[tuple[str, str]], template: str | None, where: str
) -> Frame:
    """The template's words around a text that is asked about.

    Args:
        tokenizer: with a chat template, or any where one is given.
        instruction: stands before each text, in the same message; there is no system message, which some templates
            refuse.
        examples: texts and answers of earlier turns.
        template: Jinja, in place of the tokenizer's own.
        where: for messages.

    Raises:
        ModelError: there is no template; it fails; it shows a message never, twice or out of order; it puts nothing
            behind a message.
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
    # Words before every answer (Qwen3's empty thoughts, say) belong to the question; a single blank to the answer.
    words = lead.rstrip(" ") if lead.strip() else ""
    after, lead = after + words, lead.removeprefix(words)
    if not after:
        raise ModelError(
            f"{where}the chat template must put something behind a message, got nothing, so that the model cannot tell "
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
                messages, chat_template=_on_the_same_day(tokenizer.get_chat_template(template)), tokenize=False,
                add_generation_prompt=add_generation_prompt,
            )  # fmt: skip
    except Exception as error:  # a template raises whatever it likes
        raise ModelError(
            f"{where}the chat template must accept turns of user and assistant, got {type(error).__name__}: "
            f"{str(error)[:300]}; give another chat_template"
        ) from error
    return str(rendered)


def _on_the_same_day(template: str) -> str:
    """The template with a clock of its own that stands still; transformers passes it no other."""
    if "strftime_now" not in template:
        return template
    parts = "".join(f"|replace('{part}', '{DAY.strftime(part)}')" for part in DATE_PARTS)
    return "{%- macro strftime_now(format) -%}{{ format" + parts + " }}{%- endmacro -%}" + template


def _around_answer(asked: str, answered: str, where: str) -> tuple[str, str]:
    """What stands between the end of the question and the answer, and what stands behind the answer.

    Raises:
        ModelError: the template does not show the answer, so nobody knows how a turn ends.
    """
    if answered.count(ANSWER) != 1:
        raise ModelError(f"{where}the chat template must show the assistant's answer once; give another chat_template")
    until, tail = answered.split(ANSWER)
    return (until.removeprefix(asked) if until.startswith(asked) else ""), tail


def _pieces(text: str, slots: dict[str, str]) -> tuple[Piece, ...]:
    parts = re.split(r"(SLOT\d+X)", text)
    return tuple(Piece(slots.get(part, part), part in slots) for part in parts if part)
