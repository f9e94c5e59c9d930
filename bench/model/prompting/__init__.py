"""How a causal language model is asked: prompts, batches of them, likelihoods of labels, written answers."""
