"""Text from data in a csv file."""

#: What a spreadsheet takes for the beginning of a formula, the full-width signs of East Asian keyboards among them, and
#: what it may leave out before one.
SIGNS, BLANKS = tuple("=+-@\uff1d\uff0b\uff0d\uff20"), ("\t", "\r", "\n")


def safe(text: str) -> str:
    """The text, blanks for its control characters, with a leading apostrophe where a spreadsheet would compute it."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    return f"'{plain}" if text.startswith(BLANKS) or plain.lstrip().startswith(SIGNS) else plain
