"""Entry point of the conformance kit's own process, which isolates crashes and hangs of a plugin."""

import json
from pathlib import Path

import torch

from bench.commands.check.finding import FINISHED, REQUEST, RESULTS, RUNNING
from bench.commands.check.kit import examine
from bench.method import registry
from bench.plan.quiet import silence_libraries


def run(folder: Path, requested_at: float) -> None:
    """Check the plugin of the request; results are written one at a time, one per line."""
    del requested_at
    silence_libraries()
    torch.set_num_threads(1)  # a tiny model is slower with several threads
    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    facts = request["plugin"]
    plugin = registry.Plugin(**facts | {"path": Path(facts["path"])})

    def started(model: str, check: str) -> None:
        (folder / RUNNING).write_text(json.dumps([model, check]), encoding="utf-8")

    with (folder / RESULTS).open("w", encoding="utf-8") as results:
        for result in examine(plugin, request["options"], started=started):
            results.write(result.model_dump_json() + "\n")
            results.flush()
    (folder / FINISHED).touch()
