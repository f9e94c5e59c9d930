"""Weights to module and tokenizer."""
