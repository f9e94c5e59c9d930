"""Methods that attack the run they are measured in: each is a row, and nothing that it changed is believed."""

from pathlib import Path
from typing import Any

import pytest

from tests.run.bench import Bench
from tests.support import records

#: Bound in each method: the run folder, a folder outside, the cells by the names of their methods, and its own cell.
KNOWS = """
        import json, shutil
        RUN = Path({run!r})
        outside = RUN.parents[1] / "outside"
        ids = json.loads((RUN / "run.json").read_text())["cell_ids"] if (RUN / "run.json").is_file() else []
        cell = {{cell_id.split("__")[2]: RUN / "cells" / cell_id for cell_id in ids}}
        own = cell.get({name!r})
        done = RUN.parents[1] / "{name}.done"
        if not done.exists():  # a cell adapts several models
            done.touch()
            {does}
"""
#: What a method does in ``adapt``, and how its row ends: its status and the type of its failure.
ATTACKS: dict[str, tuple[str, str, str | None]] = {
    "edits": (
        """record = json.loads((cell["good"] / "record.json").read_text())
            record["quality"]["macro_f1"] = 0.999
            (cell["good"] / "record.json").chmod(0o644)
            (cell["good"] / "record.json").write_text(json.dumps(record))
            os._exit(7)""",
        "error", "exit code 7",
    ),
    "predicts": (
        """(cell["good"] / "predictions.jsonl").unlink()
            (cell["good"] / "predictions.jsonl").write_text("{}")""",
        "ok", None,
    ),
    "poses": ("shutil.copy(cell['good'] / 'record.json', own / 'measured.json'); os._exit(0)", "error", "exit code 0"),
    "plants": ("cell['late'].mkdir(); shutil.copy(cell['good'] / 'record.json', cell['late'])", "ok", None),
    "deletes": ("shutil.rmtree(own)", "error", "FolderLost"),
    "links": ("shutil.rmtree(own); own.symlink_to(outside); os._exit(0)", "error", "FolderLost"),
    "flattens": ("shutil.rmtree(own); own.write_text('no folder')", "error", "FolderLost"),
    "locks": ("(own / 'inner').mkdir(); (own / 'inner').chmod(0); own.chmod(0)", "ok", None),
    "blocks": (
        """(own / "record.json").mkdir()
            (RUN / ".reserve").unlink()
            os.mkfifo(RUN / ".reserve")""",
        "ok", None,
    ),
    "pipes": (
        """for name in ("progress.json", "stderr.txt"):
                (own / name).unlink()
                os.mkfifo(own / name)
            os._exit(3)""",
        "error", "exit code 3",
    ),
    "overtakes": ("cell['after'].symlink_to(outside)", "ok", None),
    "outlaws": (
        """(RUN / "earlier").symlink_to(outside)
            (RUN / "run.json").unlink()
            (RUN / "run.json").mkdir()""",
        "ok", None,
    ),
    "after": ("pass", "ok", None),
    "late": ("pass", "ok", None),
}  # fmt: skip


def armed(bench: Bench, name: str, does: str) -> None:
    adapt = KNOWS.format(run=str(bench.folder / "runs" / "small"), name=name, does=does.strip())
    bench.plugin(name, adapt.strip())


@pytest.fixture
def bench(tiny_encoder: Path, tmp_path: Path) -> Bench:
    outside = tmp_path / "outside"
    (outside / "artifact").mkdir(parents=True)
    (outside / "cell").mkdir()
    for path in (outside / "record.json", outside / "artifact" / "canary", outside / "cell" / "canary"):
        path.write_text("sings")
    bench = Bench(tmp_path, tiny_encoder)
    bench.plugin("good", "pass")
    return bench


def canaries(bench: Bench) -> dict[str, str]:
    outside = bench.folder / "outside"
    return {str(path.relative_to(outside)): path.read_text() for path in outside.rglob("*") if path.is_file()}


def f1(rows: dict[str, Any], name: str) -> float:
    return float(rows[name]["quality"]["macro_f1"])


@pytest.mark.slow
def test_each_attack_is_a_row_and_the_others_are_what_was_measured(bench: Bench) -> None:
    before = canaries(bench)
    for name, (does, *_) in ATTACKS.items():
        armed(bench, name, does)
    done = bench.run(methods=["good", *ATTACKS])
    assert done.returncode == 1, done.stdout + done.stderr

    rows = records(bench.folder / "runs" / "small")
    outcomes = {
        name: (rows[f"{name}/0"]["status"], (rows[f"{name}/0"]["failure"] or {}).get("type")) for name in ATTACKS
    }
    assert outcomes == {name: (status, kind) for name, (_, status, kind) in ATTACKS.items()}
    assert rows["good/0"]["status"] == "ok"
    assert f1(rows, "good/0") == f1(rows, "after/0"), "both are full fine-tuning of the same seed"
    assert canaries(bench) == before, "nothing outside was touched"
    said = " ".join((done.stdout + done.stderr).split())
    assert said.count("was changed after its cell was measured") == 1, said
    assert "measured again: " in said
    assert len(bench.table()) == 2 + len(ATTACKS)
    assert "0.999" not in "\n".join(bench.table())


@pytest.mark.slow
def test_cells_that_are_gone_are_measured_again(bench: Bench) -> None:
    armed(bench, "wipes", "shutil.rmtree(RUN / 'cells'); (RUN / 'cells').write_text('no folder')")
    done = bench.run(methods=["good", "wipes"])
    assert done.returncode == 1, done.stdout + done.stderr
    rows = records(bench.folder / "runs" / "small")
    assert {name: row["status"] for name, row in rows.items()} == {"good/0": "ok", "wipes/0": "error"}
    assert "record.json was removed" in " ".join(done.stdout.split())
    assert len(bench.table()) == 3


@pytest.mark.slow
def test_a_run_folder_that_is_gone_ends_the_study(bench: Bench) -> None:
    armed(bench, "razes", "shutil.rmtree(RUN)")
    done = bench.run(methods=["razes", "bitfit"])
    assert done.returncode == 1, done.stdout + done.stderr
    assert "runs/small was removed or replaced while the study ran; results cannot be kept there" in done.stderr
