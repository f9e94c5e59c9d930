"""Every quantity of a report; a new metric is an entry here and, if newly measured, a field of the record."""

from bench.report.analysis.quantities.efficiency import PARTS_OF_PEAKS, RATES, USE
from bench.report.analysis.quantities.latency import LATENCIES
from bench.report.analysis.quantities.quality import QUALITY
from bench.report.analysis.quantities.registry import Registry
from bench.report.analysis.quantities.resources import PEAKS, SIZES, TIMES, TRAINING
from bench.report.analysis.quantities.search import SEARCH

QUANTITIES = Registry((*QUALITY, *SIZES, *TRAINING, *SEARCH, *USE, *LATENCIES, *PEAKS, *TIMES, *RATES, *PARTS_OF_PEAKS))
"""The registry; its order is that of the data frame."""
