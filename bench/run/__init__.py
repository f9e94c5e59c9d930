"""The parent's side: which cells are run, how, and what becomes of those that fail. It never imports torch."""
