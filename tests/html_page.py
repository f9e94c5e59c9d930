"""HTML in tests, read as a browser would."""

from html.parser import HTMLParser

Attributes = dict[str, str | None]
VOID = ("br", "meta", "img", "input", "link", "hr")


class Page(HTMLParser):
    """Every element in order: its tag, its attributes and the text directly in it; each that is opened is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, Attributes, str]] = []
        self.text = ""
        self._open: list[int] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.found.append((tag, dict(attrs), ""))
        if tag not in VOID:
            self._open.append(len(self.found) - 1)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.found[self._open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            tag, attrs, text = self.found[self._open[-1]]
            self.found[self._open[-1]] = (tag, attrs, text + data)
            self.text += "" if tag == "style" else data

    @property
    def tags(self) -> set[str]:
        """The kinds of elements."""
        return {tag for tag, _, _ in self.found}

    @property
    def attributes(self) -> list[tuple[str, str]]:
        """The attributes of all elements."""
        return [(name, value or "") for _, attrs, _ in self.found for name, value in attrs.items()]

    def all(self, tag: str) -> list[tuple[Attributes, str]]:
        """The attributes and texts of the elements of a kind."""
        return [(attrs, text) for name, attrs, text in self.found if name == tag]
