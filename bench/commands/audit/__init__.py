"""Can a published table be right? Printed numbers beside a plan and a run; nothing here imports torch."""

from bench.commands.audit.measured import read_measured
from bench.commands.audit.published import Published, find, load
from bench.commands.audit.render import write
from bench.commands.audit.result import Audit, audit, summary

__all__ = ["Audit", "Published", "audit", "find", "load", "read_measured", "summary", "write"]
