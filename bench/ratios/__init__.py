"""Throughput ratios of methods, measured in turn between processes that stay resident."""
