"""Tables as a publication prints them; what reads, audits or shows them stands above."""

from bench.report.published.folder import find, load, load_shipped, shipped
from bench.report.published.number import Number
from bench.report.published.printed import Published, PublishedRow, PublishedTable

__all__ = ["Number", "Published", "PublishedRow", "PublishedTable", "find", "load", "load_shipped", "shipped"]
