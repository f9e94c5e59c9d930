"""Can a published table be right? Printed numbers beside a plan and a run; nothing here imports torch."""

from bench.audit.measured import read_measured
from bench.audit.render import write
from bench.audit.result import Audit, audit, summary
from bench.published import Published, find, load

__all__ = ["Audit", "Published", "audit", "find", "load", "read_measured", "summary", "write"]
