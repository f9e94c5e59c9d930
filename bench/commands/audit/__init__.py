"""``tunebench audit``: compare the numbers of a published table with a plan and a run."""
