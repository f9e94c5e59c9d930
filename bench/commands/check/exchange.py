"""Names of the files through which the command and its worker speak."""

REQUEST = "request.json"
#: Results so far, JSON, one a line.
RESULTS = "results.jsonl"
#: Model and name of the check under way.
RUNNING = "running.json"
#: Is there when all checks have been done.
FINISHED = "finished"
