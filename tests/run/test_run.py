"""Whole studies over a tiny encoder: what is measured, what is kept, and what happens when it goes wrong."""

import csv
import io
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest
from rich.console import Console

from bench.errors import RunFolderError, UnknownNameError
from bench.record.digests import KEY
from bench.record.record import Record
from bench.record.run_folder import RunFolder
from bench.report.draw import draw
from bench.run.executor import Executor
from bench.run.run import run
from bench.study import datasets
from bench.study.cell import Cell
from bench.study.request import Request, parse_only
from bench.study.study import Study
from tests.support import TEST_ROWS, TRAIN_ROWS, InlineExecutor, small_study, write_plugin, write_study, write_texts

TRAINS_NOTHING = """
    trains = False
"""
#: Checks that no load of this machine can change.
SETTLED = {
    "FLOP counters agree", "same seed, same loss", "tokens of training", "tokens of inference", "peaks restarted"
}  # fmt: skip
SPOILED = "import torch; [p.data.fill_(float('nan')) for p in model.parameters() if not p.is_meta]"


@dataclass
class Heard:
    """A watcher that remembers."""

    measured: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def started(self, pending: Sequence[Cell], finished: int) -> None: ...
    def checking(self, what: str) -> None: ...
    def cell_started(self, cell: Cell) -> None: ...
    def cell_progress(self, cell: Cell, phase: str, done: int, of: int) -> None: ...

    def warned(self, message: str) -> None:
        self.warnings.append(message)

    def cell_ended(self, cell: Cell, record: Record) -> None:
        self.measured.append(f"{cell.method.name}/{cell.seed}")


def no_executor() -> NoReturn:
    raise AssertionError("nothing should have been executed")


@dataclass
class Bench:
    """A folder with a dataset in which studies are run in this process."""

    folder: Path
    encoder: Path

    @property
    def runs(self) -> Path:
        return self.folder / "runs" / "small"

    @property
    def texts(self) -> Path:
        return self.folder / "reviews"

    def content(self, **changes: Any) -> dict[str, Any]:
        return small_study(self.encoder, self.texts, **changes)

    def study_file(self, **changes: Any) -> Path:
        return write_study(self.folder / "small.toml", self.content(**changes))

    def run(
        self,
        *,
        executor: Callable[[], Executor] = InlineExecutor,
        plugins: Sequence[Path] = (),
        only: Mapping[str, frozenset[str]] | None = None,
        folder: Path | None = None,
        retry_oom: bool = False,
        **changes: Any,
    ) -> tuple[list[Record], Heard]:
        study = Study.model_validate(self.content(**changes)).in_folder(self.folder)
        request = Request(study=study, plugin_files=plugins, only=only or {})
        heard = Heard()
        return run(request, folder or self.runs, executor, heard, retry_oom=retry_oom), heard

    def run_one(self, adapt: str, extra: str = "", **changes: Any) -> Record:
        """The record of one cell with a method that runs these statements in ``adapt``."""
        write_plugin(self.folder, "special", adapt, extra)
        found, _ = self.run(plugins=[self.folder / "special.py"], methods=["special"], **changes)
        assert len(found) == 1
        return found[0]


#: Rows of the matmul that a device is held against; as large as in a real run it would take most of a test's time.
SMALL_MATMUL = ("bench.measure.matmul.CPU_SIZE", 256)


@pytest.fixture
def bench(tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(*SMALL_MATMUL)
    write_texts(tmp_path / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    return Bench(tmp_path, tiny_encoder)


FOUR_CELLS: Mapping[str, Any] = {"methods": ["full_ft", "bitfit"], "seeds": [0, 1]}


@pytest.fixture(scope="module")
def finished(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, list[Record]]:
    bench = Bench(tmp_path_factory.mktemp("a folder"), tiny_encoder)  # the space is meant
    write_texts(bench.texts, train=TRAIN_ROWS, test=TEST_ROWS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEBENCH_CACHE", str(bench.folder / "cache"))
        patch.setattr(*SMALL_MATMUL)
        return bench, bench.run(**FOUR_CELLS)[0]


def test_the_parent_hashes_each_data_file_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two grids name the dataset; the cells fail at once."""
    hash_file, hashed = datasets._file_sha256, Counter[str]()

    class Workers(InlineExecutor):
        def start(self, entry: str, folder: Path, memory_bytes: int | None = None) -> InlineExecutor:
            with monkeypatch.context() as patch:
                patch.setattr(datasets, "_file_sha256", hash_file)
                return super().start(entry, folder, memory_bytes)

    def counted(path: Path, name: str) -> str:
        hashed[path.name] += 1
        return hash_file(path, name)

    monkeypatch.setattr(datasets, "_file_sha256", counted)
    plugin = write_plugin(bench.folder, "special", "raise KeyError('no layer')")
    grid = {"datasets": ["reviews"], "models": ["tiny"], "methods": ["special"]}
    found, _ = bench.run(executor=Workers, plugins=[plugin], grid=[grid, grid | {"seeds": [1]}])
    assert [record.status for record in found] == ["error", "error"]
    assert hashed == {"train.jsonl": 1, "test.jsonl": 1}


class TestFinishedStudy:
    """Two methods and two seeds, measured once for all these tests."""

    def test_every_cell_is_measured(self, finished):
        _, found = finished
        assert [(r.cell.seed, r.cell.method.name, r.status) for r in found] == [
            (seed, method, "ok") for seed in (0, 1) for method in ("full_ft", "bitfit")
        ]

    def test_the_run_folder_holds_the_trail(self, finished):
        bench, found = finished
        run_folder = RunFolder(bench.runs)
        assert run_folder.cell_ids() == [record.cell_id for record in found]
        for record in found:
            cell = run_folder.cell(record.cell_id)
            assert Cell.model_validate_json(cell.cell.read_bytes()).id == record.cell_id
            assert Record.model_validate_json(cell.record.read_bytes()) == record
            header, *steps = cell.steps.read_text(encoding="utf-8").splitlines()
            assert header.startswith("pass,step,seconds,samples,tokens,")
            assert [line.split(",")[0] for line in steps] == ["train"] * 4 + ["inference"]
        assert not list(bench.runs.rglob("progress.json"))
        assert not list(bench.runs.rglob(".*.json.*")), "a file written aside was left"
        assert not (bench.runs / "jobs").exists()

    def test_one_prediction_for_each_test_text(self, finished):
        bench, found = finished
        for record in found:
            lines = RunFolder(bench.runs).cell(record.cell_id).predictions.read_text(encoding="utf-8").splitlines()
            rows = [json.loads(line) for line in lines]
            assert [(row["id"], row["label"]) for row in rows] == [
                (f"test/{number}", label) for number, (_, label) in enumerate(TEST_ROWS)
            ]
            assert all(row["prediction"] == row["scores"].index(max(row["scores"])) for row in rows)
            right = sum(row["prediction"] == row["label"] for row in rows)
            assert record.quality.accuracy == pytest.approx(right / len(rows))

    def test_phases_have_their_own_clock_and_fit_into_the_whole(self, finished):
        _, found = finished
        for record in found:
            names = [phase.name for phase in record.phases]
            assert names == [
                "load", "adapt", "calibrate", "warm-up", "train", "calibrate", "memory", "save", "evaluate",
                "inference", "calibrate", "latency", "memory",
            ]  # fmt: skip
            assert all(phase.seconds > 0 for phase in record.phases)
            assert sum(phase.seconds for phase in record.phases) <= record.wall_seconds

    def test_nothing_is_executed_again(self, finished):
        bench, found = finished
        times = {path: path.stat().st_mtime_ns for path in bench.runs.glob("cells/*/*")}
        again, heard = bench.run(executor=no_executor, **FOUR_CELLS)
        assert (again, heard.measured) == (found, [])
        assert {path: path.stat().st_mtime_ns for path in bench.runs.glob("cells/*/*")} == times

    def test_comparisons_may_be_asked_for_afterwards(self, finished, tmp_path):
        bench, found = finished
        folder = shutil.copytree(bench.runs, tmp_path / "small")
        again, _ = bench.run(executor=no_executor, folder=folder, comparisons=[["full_ft", "bitfit"]], **FOUR_CELLS)
        assert again == found
        draw([folder], tmp_path / "reports", Console(file=io.StringIO()), ["csv"])
        (row,) = csv.DictReader((tmp_path / "reports/small/comparisons.csv").read_text().splitlines())
        f1 = {
            method: [r.quality.macro_f1 for r in found if r.cell.method.name == method]
            for method in ("full_ft", "bitfit")
        }
        expected = [first - second for first, second in zip(f1["full_ft"], f1["bitfit"], strict=True)]
        assert (row["seeds"], row["texts"]) == ("2", str(len(TEST_ROWS)))
        assert float(row["macro_f1_difference"]) == pytest.approx(sum(expected) / 2, abs=1e-12)
        assert float(row["lowest_seed_difference"]) == pytest.approx(min(expected), abs=1e-12)
        assert float(row["interval_low"]) <= float(row["interval_high"])
        assert float(row["trainable_params_ratio_median"]) > 1

    def test_the_parts_agree_with_each_other(self, finished):
        bench, found = finished
        for record in found:
            assert record.data.rows == {"train": 22, "validation": 2, "test": len(TEST_ROWS)}
            steps = RunFolder(bench.runs).cell(record.cell_id).steps.read_text(encoding="utf-8").splitlines()
            samples = [int(line.split(",")[3]) for line in steps if line.startswith("train,")]
            assert record.training.samples == sum(samples)
            assert record.training.speed.timed_samples == sum(samples[1:])
            assert (record.training.speed.timed_steps, record.inference.timed_samples) == (3, len(TEST_ROWS))
            assert record.parameters.trainable_params <= record.parameters.total_params
            # A machine may show no energy, readings of the matmul may disagree, and so few texts make no batch.
            may = ("energy_joules_per_sample", "mfu_fraction")
            assert {name for name in record.unknown if not name.endswith(may)} == {"latency.batch"}

    def test_what_makes_the_numbers_trustworthy_is_on_record(self, finished):
        _, found = finished
        for record in found:
            readings = record.matmul_readings_flops_per_second
            assert list(readings) == ["calibrate", "train", "inference"]
            assert record.matmul_flops_per_second == max(readings.values())
            assert record.attention_kernels
            assert record.cpu_kernels == ()
            for speed in (record.training.speed, record.inference):
                used = speed.model_flops_per_second / record.matmul_flops_per_second
                assert speed.mfu_fraction in (used, None)
                assert used > 0
                assert speed.within_cell.windows == speed.timed_steps
            assert [(latency.batch_size, latency.timed_batches) for latency in record.latency] == [(1, len(TEST_ROWS))]
            assert [breakdown.of for breakdown in record.memory] == ["load", "train", "inference"]
            for breakdown in record.memory:
                parts = breakdown.model_dump(exclude={"of", "peak_bytes"}).values()
                assert sum(part for part in parts if part is not None) == breakdown.peak_bytes
            train = record.memory[1]
            assert train.peak_bytes == record.peak_train_bytes
            assert train.optimizer_state_bytes >= 8 * record.parameters.trainable_params
            assert {check.name: check.verdict for check in record.checks if check.name in SETTLED} == dict.fromkeys(
                SETTLED, "valid"
            )
            assert record.stamp in ("valid", "suspect")


class TestWhatIsMeasuredAgain:
    def test_only_the_cells_asked_for(self, bench):
        _, heard = bench.run(only=parse_only(["method=bitfit", "seed=1"]), **FOUR_CELLS)
        assert heard.measured == ["bitfit/1"]
        _, heard = bench.run(only=parse_only(["method=bitfit"]), **FOUR_CELLS)
        assert heard.measured == ["bitfit/0"]
        with pytest.raises(UnknownNameError, match=r"method in --only 'bitfot'; did you mean 'bitfit'"):
            bench.run(only=parse_only(["method=bitfot"]), executor=no_executor, **FOUR_CELLS)

    def test_a_method_whose_file_was_edited(self, bench):
        path = write_plugin(bench.folder, "special")
        (first,), _ = bench.run(plugins=[path], methods=["special"])
        path.write_text(path.read_text() + "\n# edited\n")
        (second,), heard = bench.run(plugins=[path], methods=["special"])
        assert heard.measured == ["special/0"]
        assert second.cell_id != first.cell_id

    def test_texts_that_were_edited(self, bench):
        bench.run()
        write_texts(bench.texts, test=TEST_ROWS[:-1])
        _, heard = bench.run()
        assert heard.measured == ["full_ft/0"]

    @pytest.mark.parametrize("content", ['{"schema_version": 1, "cell', '{"schema_version": "x"}'])
    def test_a_corrupt_record(self, bench, content):
        folder = bench.folder / "schema"
        (record,), _ = bench.run(folder=folder)
        RunFolder(folder).cell(record.cell_id).record.write_text(content)
        (again,), heard = bench.run(folder=folder)
        assert (heard.measured, again.status) == (["full_ft/0"], "ok")
        assert re.match(r"measured again: .*record\.json is not a record", heard.warnings[0])

    def test_a_corrupt_record_of_a_cell_that_was_not_asked_for(self, bench):
        found, _ = bench.run(seeds=[0, 1])
        RunFolder(bench.runs).cell(found[0].cell_id).record.write_text("[]")
        left, heard = bench.run(seeds=[0, 1], only=parse_only(["seed=1"]), executor=no_executor)
        assert ([record.cell.seed for record in left], len(heard.warnings)) == ([1], 1)

    def test_a_record_of_another_cell(self, bench):
        found, _ = bench.run(seeds=[0, 1])
        paths = [RunFolder(bench.runs).cell(record.cell_id).record for record in found]
        shutil.copy(paths[1], paths[0])
        again, heard = bench.run(seeds=[0, 1])
        assert (heard.measured, [record.cell.seed for record in again]) == (["full_ft/0"], [0, 1])
        assert "belongs to another cell" in heard.warnings[0]

    def test_a_cell_whose_folder_is_gone(self, bench):
        found, _ = bench.run(seeds=[0, 1])
        shutil.rmtree(RunFolder(bench.runs).cell(found[0].cell_id).path)
        said = io.StringIO()
        draw([bench.runs], bench.folder / "reports", Console(file=said, width=200), ["csv"])
        assert "1 not run yet" in said.getvalue()
        again, heard = bench.run(seeds=[0, 1])
        assert (heard.measured, again[1]) == (["full_ft/0"], found[1])

    def test_nothing_for_a_corrupt_run_json(self, bench):
        bench.run()
        for content in ("", '{"schema_version": 1, "meth', "[]", '{"schema_version": 1, "methods": {"full_ft": 3}}'):
            RunFolder(bench.runs).run.write_text(content)
            _, heard = bench.run()
            assert (heard.measured, len(RunFolder(bench.runs).cell_ids())) == ([], 1)

    def test_never_a_file_of_a_newer_schema(self, bench):
        bench.run()
        for name in ("record.json", "run.json"):
            (path,) = bench.runs.rglob(name)
            newer = json.dumps(json.loads(path.read_text()) | {"schema_version": 99})
            path.write_text(newer)
            with pytest.raises(RunFolderError, match=r"schema 99; .*upgrade tunebench"):
                bench.run(executor=no_executor)
            assert path.read_text() == newer

    def test_a_record_that_was_edited(self, bench):
        (record, _), _ = bench.run(seeds=[0, 1])
        path = RunFolder(bench.runs).cell(record.cell_id).record
        assert path.stat().st_mode & 0o222 == 0, "it is read-only"
        edited = json.loads(path.read_text())
        edited["quality"]["macro_f1"] = 0.999
        path.chmod(0o644)
        path.write_text(json.dumps(edited))
        said = io.StringIO()
        draw([bench.runs], bench.folder / "reports", Console(file=said, width=500), ["csv"])
        assert "record.json is not trusted: it was changed after its cell was measured" in said.getvalue()
        assert "0.999" not in said.getvalue()
        (again, _), heard = bench.run(seeds=[0, 1])
        assert (heard.measured, again.quality) == (["full_ft/0"], record.quality)

    def test_a_failed_cell(self, bench):
        marker = bench.folder / "mended"
        failing = f"assert Path({str(marker)!r}).exists(), 'not yet'"
        assert bench.run_one(failing).status == "error"
        marker.touch()
        assert bench.run_one(failing).status == "ok"


NO_ROOM_FOR_MORE_THAN_TWO = """
    def extra_loss(self, model):
        if Path(__file__).with_name("full").exists() and self.held(model) > 2:
            raise MemoryError
        return None

    def held(self, model):
        import sys
        frame = sys._getframe()
        while "batch" not in frame.f_locals:
            frame = frame.f_back
        labels = frame.f_locals["batch"].labels
        return 0 if type(labels).__name__ == "FakeTensor" else len(labels)  # a plan's step, which holds nothing
"""


class TestOutOfMemory:
    @pytest.fixture
    def full(self, bench):
        """A study of one cell at batch 4, on a machine that has no memory for more than 2."""
        path = write_plugin(bench.folder, "special", extra=NO_ROOM_FOR_MORE_THAN_TWO)
        (bench.folder / "full").touch()

        def run_once(**how: Any) -> Record:
            found: list[Record] = bench.run(plugins=[path], methods=["special"], **how)[0]
            assert len(found) == 1
            return found[0]

        return run_once

    def test_the_row_names_phase_and_batch_and_a_retry_runs_it(self, bench, full):
        record = full()
        assert record.status == "oom"
        assert (record.failure.phase, record.failure.type) == ("warm-up", "MemoryError")
        assert record.failure.message.startswith("out of memory in warm-up at batch 4; the plan says")
        assert record.failure.fitting_batch_size == 2, "the plan sees room for 4, so half of it is tried"
        assert record.study_batch_size is None

        again = full(retry_oom=True)
        assert again.status == "ok", again.failure
        assert (again.cell_id, again.study_batch_size, again.cell.train.batch_size) == (record.cell_id, 4, 2)
        assert full(executor=no_executor) == again, "found as finished"

    def test_without_the_flag_it_is_run_as_the_study_says(self, bench, full):
        assert full().status == "oom"
        (bench.folder / "full").unlink()
        record = full()
        assert (record.status, record.study_batch_size, record.cell.train.batch_size) == ("ok", None, 4)

    def test_a_run_of_before_that_was_killed_before_it_could_mark_the_row(self, bench, full):
        assert full().status == "oom"
        marked = full(retry_oom=True)
        path = RunFolder(bench.runs).cell(marked.cell_id).record
        told = {"cell_id": marked.cell.id, "study_batch_size": None, "warnings": ()}
        path.unlink()
        path.write_text(marked.model_copy(update=told).model_dump_json())  # as its worker wrote it
        run = RunFolder(bench.runs).run
        run.write_text(json.dumps({key: value for key, value in json.loads(run.read_text()).items() if key != KEY}))
        assert full(executor=no_executor).study_batch_size == 4


class TestCellsWithoutAllNumbers:
    def test_a_method_that_raises(self, bench):
        record = bench.run_one("raise KeyError('no layer')")
        assert record.status == "error"
        assert (record.failure.phase, record.failure.type) == ("adapt", "KeyError")
        assert "no layer" in record.failure.message
        assert record.data is not None, "what was known before the failure is kept"

    def test_an_unsupported_model_is_known_for_good(self, bench):
        record = bench.run_one("raise UnsupportedError('no attention here')")
        assert (record.status, record.failure.message) == ("unsupported", "no attention here")
        bench.run(executor=no_executor, plugins=[bench.folder / "special.py"], methods=["special"])

    @pytest.mark.parametrize(("extra", "phase"), [("", "train"), (TRAINS_NOTHING, "inference")])
    def test_weights_that_are_not_numbers(self, extra, phase, bench):
        record = bench.run_one(SPOILED, extra)
        assert record.status == "error"
        assert (record.failure.phase, record.failure.type) == (phase, "DivergedError")
        assert record.quality is None

    def test_random_weights_have_no_quality(self, bench):
        (record,), _ = bench.run(models={"tiny": {"path": str(bench.encoder), "weights": "random"}})
        assert (record.status, record.quality, record.validation_macro_f1) == ("ok", None, None)
        assert record.unknown["quality"] == "the model has random weights"
        assert record.inference is not None

    def test_a_method_that_trains_nothing(self, bench):
        record = bench.run_one("return model.requires_grad_(False)", TRAINS_NOTHING)
        assert record.status == "ok", record.failure
        assert record.training is None
        assert (record.peak_train_bytes, record.unknown["peak_train_bytes"]) == (None, "nothing is trained")
        assert (record.artifact_bytes, record.cpu_kernels) == (0, ())
        assert record.quality is not None
        assert record.parameters.trainable_params == 0
        assert {"warm-up", "train"}.isdisjoint(phase.name for phase in record.phases)

    def test_every_step_is_warm_up(self, bench):
        (record,), _ = bench.run(train=bench.content()["train"] | {"timing_warmup_steps": 50})
        assert record.training.speed is None
        assert "warm-up" in record.unknown["training.speed"]


class TestCaches:
    """A cache that is damaged or in the way changes no result, and is told."""

    def test_damaged_entries(self, bench, finished, monkeypatch):
        cache = bench.folder / "cache"
        shutil.copytree(finished[0].folder / "cache", cache)
        monkeypatch.setenv("TUNEBENCH_CACHE", str(cache))
        entries = sorted((cache / "tokens").iterdir())
        for path in entries:
            content = bytearray(path.read_bytes())
            content[-3] ^= 1
            path.write_bytes(content)
        (again,), heard = bench.run()
        assert len([said for said in heard.warnings if said.startswith("the cache file ")]) == len(entries) > 0
        assert again.quality == finished[1][0].quality

    def test_a_file_in_place_of_the_cache_is_said_once(self, bench, monkeypatch):
        (bench.folder / "cache").write_text("in the way")
        monkeypatch.setenv("TUNEBENCH_CACHE", str(bench.folder / "cache"))
        found, heard = bench.run(seeds=[0, 1])
        assert [record.status for record in found] == ["ok", "ok"]
        assert len([said for said in heard.warnings if said.startswith("the cache ")]) == 1


def test_the_same_seed_gives_the_same_predictions(bench, finished):
    def predictions(folder: Path, cell_id: str) -> bytes:
        return RunFolder(folder).cell(cell_id).predictions.read_bytes()

    (again,), _ = bench.run()
    first, _, other_seed, _ = [predictions(finished[0].runs, record.cell_id) for record in finished[1]]
    assert predictions(bench.runs, again.cell_id) == first
    assert other_seed != first
