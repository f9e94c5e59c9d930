"""Text from data in a csv file."""


def safe(text: str) -> str:
    """The text, with a leading apostrophe where a spreadsheet would compute it."""
    return f"'{text}" if text.startswith(tuple("=+-@\t\r")) else text
