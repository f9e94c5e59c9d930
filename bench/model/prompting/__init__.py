"""Prompting of causal language models: prompts, batches, likelihoods of labels, generated answers."""
