"""Checks of ``save`` and ``load``: file types, artifact size, and a round trip."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from bench.commands.check.finding import Finding, failed, listed, passed
from bench.commands.check.subject import Adapted, Subject, distance

SUFFIXES = (".safetensors", ".json", ".md")
#: Maximum difference after save and load, as a fraction of the largest score.
SAME_FRACTION = 1e-5
#: Minimum effect of training, as a fraction of the largest score, so that an artifact without content fails.
VISIBLE_FRACTION = 1e-3


@contextlib.contextmanager
def _saved(subject: Subject) -> Iterator[tuple[Adapted, Path, list[Path]]]:
    """A trained and saved model, its artifact folder, and the files written outside of that folder."""
    adapted = subject.shifted()
    with tempfile.TemporaryDirectory() as outside, contextlib.chdir(outside):
        folder = Path(outside) / "cell" / "artifact"
        folder.mkdir(parents=True)
        adapted.method.save(adapted.model, folder)
        strays = [path for path in Path(outside).rglob("*") if path.is_file() and folder not in path.parents]
        yield adapted, folder, strays


def saved_files(subject: Subject) -> Finding:
    """Whether save writes only safetensors, JSON and Markdown files, all into its folder."""
    with _saved(subject) as (_, folder, strays):
        if strays:
            return failed(
                f"save writes outside of its folder: {listed([path.name for path in strays])}",
                "write only into the folder",
            )
        files = {str(path.relative_to(folder)): path for path in sorted(folder.rglob("*")) if path.is_file()}
        if unsafe := [name for name, path in files.items() if path.suffix not in SUFFIXES]:
            return failed(
                f"save writes {listed(unsafe)}", f"write only {', '.join(SUFFIXES)}: a pickle is never loaded"
            )
        if broken := [name for name, path in files.items() if not is_readable(path)]:
            return failed(f"content does not match the suffix: {listed(broken)}", "write tensors with safetensors")
        if not any(path.suffix == ".safetensors" for path in files.values()):
            return failed(f"save writes no tensors, but {listed(files) or 'nothing'}", "write the trained tensors")
        return passed(f"{listed(files)}, {sum(path.stat().st_size for path in files.values()):,} bytes")


def is_readable(path: Path) -> bool:
    """Whether the content of a file matches its suffix."""
    try:
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".safetensors":
            _tensor_bytes(path)
    except (ValueError, SafetensorError):
        return False
    return True


def _tensor_bytes(path: Path) -> int:
    with safe_open(path, framework="pt") as tensors:
        return sum(tensors.get_tensor(name).nbytes for name in tensors.keys())  # noqa: SIM118 - it is no dict


def artifact_size(subject: Subject) -> Finding:
    """Whether artifact_elements, from which a plan computes the size, matches what save writes."""
    with _saved(subject) as (_, folder, _):
        written = sum(_tensor_bytes(path) for path in folder.rglob("*.safetensors")) // torch.float32.itemsize
        method, twin = subject.twin()
        said = method.artifact_elements(twin)  # as in a plan: of a model without weights
    if said != written:
        advice = "override artifact_elements, or save only the trainable tensors"
        return failed(f"artifact_elements returns {said:,}, save writes {written:,} elements in fp32", advice)
    return passed(f"{written:,} elements, equal to artifact_elements")


def save_and_load(subject: Subject) -> Finding:
    """Whether an artifact, loaded into a fresh model of another seed, restores the scores of the saved model."""
    with _saved(subject) as (adapted, folder, _):
        wanted = subject.scores(adapted.model)
        fresh = subject.adapted(seed=1)
        if distance(subject.scores(fresh.model.eval()), wanted) < VISIBLE_FRACTION:
            return failed("training changes no score", "make the trained parameters affect the logits")
        loaded = fresh.method.load(fresh.model, folder).eval()
        off = distance(subject.scores(loaded), wanted)
    if off > SAME_FRACTION:
        return failed(
            f"after save and load the scores are off by {off:.2g} of the largest",
            "save every tensor that training changes, and restore each in load",
        )
    return passed(f"the same scores, off by {off:.1g} of the largest")
