"""Read published tables as they are printed."""

from bench.commands.audit.published.folder import find, load
from bench.commands.audit.published.number import Number
from bench.commands.audit.published.printed import Published, PublishedRow, PublishedTable

__all__ = ["Number", "Published", "PublishedRow", "PublishedTable", "find", "load"]
