"""The verbs of the command, one module or package each."""
