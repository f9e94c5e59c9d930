"""The plain text of a cell in Markdown or LaTeX: without bold, footnotes, colours and links."""

import html
import re

#: LaTeX commands that have arguments which are not text, and how many; an argument behind them is text.
_DROPPED = {
    **dict.fromkeys(
        ("cellcolor", "rowcolor", "color", "textcolor", "footnote", "footnotemark", "footnotetext", "tnote", "cite",
         "citep", "citet", "label", "ref", "hspace", "vspace", "raisebox", "textsuperscript", "hline", "cmidrule"), 1,
    ),
    "multirow": 2, "multicolumn": 2, "rule": 2,
}  # fmt: skip
#: LaTeX commands that stand for a character.
_CHARACTERS = {
    "pm": "±", "textpm": "±", "times": "×", "cdot": "×", "dagger": "†", "dag": "†", "ddagger": "‡", "ddag": "‡",
    "ast": "*", "star": "*", "textasciitilde": "~", "sim": "~", "approx": "≈", "textendash": "–", "textminus": "-",
    "quad": " ", "qquad": " ", "newline": " ", "ell": "l",
}  # fmt: skip
_COMMAND = re.compile(r"\\(?:([A-Za-z]{1,40})\*?\s*|(.))", re.DOTALL)
_SUPERSCRIPT = re.compile(r"\^\{?([^{}^\s]{0,20})\}?")


def from_markdown(text: str) -> str:
    """The text of a Markdown cell: without emphasis, code marks, links, footnote signs and HTML tags."""
    text = re.sub(r"<sup>[^<>]{0,20}</sup>|\[\^[^\]]{0,20}\]", "", text)
    text = re.sub(r"<[^<>]{0,200}>", " ", text)
    text = re.sub(r"!?\[([^\[\]]{0,500})\]\([^()]{0,1000}\)", r"\1", text)
    text = re.sub(r"(\*\*|__|`|~~)", "", text)
    text = re.sub(r"(?<!\S)[*_](\S[^*_]{0,200})[*_](?!\S)", r"\1", text)
    text = re.sub(r"\^([^\s^]{1,10})\^", "", text)
    text = re.sub(r"\\([\\`*_{}\[\]()#+\-.!|%&])", r"\1", text)
    return html.unescape(text).strip()


def from_latex(text: str) -> str:
    r"""The text of a LaTeX cell: commands for looks are dropped, ``\pm`` and escaped signs become characters."""
    pieces: list[str] = []
    position = 0
    while position < len(text):
        found = _COMMAND.match(text, position) if text[position] == "\\" else None
        if found is None:
            pieces.append(text[position])
            position += 1
            continue
        name, sign = found.groups()
        position = found.end()
        if name in _DROPPED:
            position = after_groups(text, position, _DROPPED[name])
        elif name is not None:
            pieces.append(_CHARACTERS.get(name, ""))
        else:
            pieces.append(" " if sign in ",;:! \\" else sign)
    plain = "".join(pieces).replace("{,}", ",").replace("$", "").replace("~", " ")
    plain = _SUPERSCRIPT.sub(_superscript, plain)
    return " ".join(re.sub(r"[{}]|_(?=\{|±)", "", plain).replace("---", "–").replace("--", "–").split())


def _superscript(found: re.Match[str]) -> str:
    """A power of ten or a spread stays; a footnote sign goes."""
    text = found[1]
    if text.startswith("±"):
        return text
    before = found.string[max(0, found.start() - 2) : found.start()]
    return f"^{text}" if before == "10" and re.fullmatch(r"[+-]?\d{1,2}", text) else ""


def after_groups(text: str, position: int, braces: int) -> int:
    """The position behind a number of groups in braces and any groups in brackets among them."""
    while position < len(text) and (text[position] == "[" or (text[position] == "{" and braces)):
        braces -= text[position] == "{"
        position = group_end(text, position)
    return position


def group_end(text: str, start: int) -> int:
    """The position behind the group that opens at ``start`` with a brace or bracket; the end if it stays open."""
    opening = text[start]
    closing = "]" if opening == "[" else "}"
    depth, position = 0, start
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        depth += (text[position] == opening) - (text[position] == closing)
        position += 1
        if depth == 0:
            break
    return min(position, len(text))
