"""Texts by name, as token batches."""
