"""Models and tokenizers, loaded from weights."""
