"""Datasets: from files or the hub to token batches."""
