"""``tunebench plan`` as its users type it."""

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.commands.cli import main
from bench.measure.host_limits import HostLimit
from bench.model import weight_memory
from bench.plan.fits import CONTEXT_BYTES, FULL_TRAINING_SLACK
from tests.support import TEST_ROWS, TRAIN_ROWS, command, refused, small_study, write_plugin, write_study, write_texts

pytestmark = pytest.mark.usefixtures("one_thread")

Said = tuple[int, str, str]
Tunebench = Callable[..., Said]
Config = Callable[..., Path]


@pytest.fixture
def content(tiny_encoder: Path, tmp_path: Path) -> dict[str, Any]:
    """A study file's content; its texts lie beside it."""
    write_texts(tmp_path / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    return small_study(tiny_encoder, Path("reviews"), methods=["full_ft", "lora"])


@pytest.fixture
def study(content: dict[str, Any], tmp_path: Path) -> Path:
    return write_study(tmp_path / "small.toml", content)


@pytest.fixture
def tunebench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tunebench:
    """``tunebench(*arguments)`` in this process and another folder: exit code, stdout, stderr."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    def run(*arguments: object) -> Said:
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        return code, said.out, said.err

    return run


@pytest.fixture
def config(tiny_encoder: Path, tmp_path: Path) -> Config:
    """``config(**changes)``: the tiny encoder's config.json with other values; None leaves one out."""

    def write(**changes: Any) -> Path:
        (tmp_path / "mine").mkdir(exist_ok=True)
        settings = json.loads((tiny_encoder / "config.json").read_text()) | changes
        kept = {key: value for key, value in settings.items() if value is not None}
        (tmp_path / "mine" / "config.json").write_text(json.dumps(kept))
        return tmp_path / "mine" / "config.json"

    return write


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


class TestFormats:
    def test_csv_is_all_that_is_printed(self, study: Path, tunebench: Tunebench) -> None:
        code, out, err = tunebench("plan", study, "--format", "csv", "--device", "cpu")
        assert (code, err) == (0, "")
        assert out.splitlines()[0].startswith(
            "dataset,model,method,trainable_params,total_params,logical_params,forward_gflops,train_gflops,"
            "predicted_train_peak_bytes,predicted_inference_peak_bytes,"
        )
        full, lora = read(out)
        assert (full["dataset"], full["model"], full["method"], lora["method"]) == (
            "reviews", "tiny", "full_ft", "lora",
        )  # fmt: skip
        assert full["trainable_params"] == full["total_params"]
        assert int(full["predicted_train_peak_bytes"]) > 16 * int(full["total_params"])
        assert int(lora["predicted_train_peak_bytes"]) < int(full["predicted_train_peak_bytes"])

    def test_json_is_all_that_is_printed(self, study: Path, tunebench: Tunebench) -> None:
        code, out, err = tunebench("plan", study, "--format", "json", "--no-memory")
        assert (code, err) == (0, "")
        found = json.loads(out)
        assert found["study"] == "small"
        assert [row["method"] for row in found["rows"]] == ["full_ft", "lora"]
        assert found["rows"][0]["predicted_train_peak_bytes"] is None
        assert "memory was not requested" in found["rows"][0]["remarks"]

    def test_too_little_memory_is_a_remark(
        self, study: Path, tunebench: Tunebench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # The rows are computed in forked processes, which inherit the patch.
        limit = HostLimit(1_000_000, "a machine", 999_000)
        monkeypatch.setattr(weight_memory, "host_limit", lambda _: limit)
        code, out, _ = tunebench("plan", study, "--no-memory", "--device", "cpu")
        assert code == 0
        assert "too little memory: the weights of model tiny take 0.0 GB" in " ".join(out.split())
        assert "too little memory" not in tunebench("plan", study, "--no-memory", "--device", "cuda")[1]

    def test_table_into_a_pipe(self, study: Path, tunebench: Tunebench) -> None:
        code, out, err = tunebench("plan", study, "--no-memory")
        assert (code, err) == (0, "")
        assert out.startswith("Plan: small\n")
        assert "\x1b" not in out
        assert "Memory: allocated by tensors" in out

    @pytest.mark.slow
    def test_in_a_process_of_its_own_libraries_say_nothing(self, content: dict[str, Any], tmp_path: Path) -> None:
        content["grid"][0]["methods"] = ["*"]
        study = write_study(tmp_path / "small.toml", content)
        done = command("plan", study, "--format", "csv", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert len(read(done.stdout)) == 7
        assert done.stdout.count("\n") == 8


class TestOptions:
    def test_device_is_whose_memory_is_predicted(self, study: Path, tunebench: Tunebench) -> None:
        found = {}
        for device in ("cpu", "cuda"):
            _, out, _ = tunebench("plan", study, "--format", "json", "--only", "method=lora", "--device", device)
            [found[device]] = json.loads(out)["rows"]
            assert found[device]["device"] == device
        assert found["cpu"]["predicted_train_peak_bytes"] != found["cuda"]["predicted_train_peak_bytes"]

    def test_models_in_place_of_the_study_s_leave_its_texts_where_they_are(
        self, study: Path, config: Config, tunebench: Tunebench, tmp_path: Path
    ) -> None:
        config(num_hidden_layers=3)
        for given in ("../mine", "../mine/config.json", tmp_path / "mine"):
            code, out, err = tunebench("plan", study, "--no-memory", "--format", "csv", "--model", given)
            assert (code, err) == (0, "")
            assert {row["model"] for row in read(out)} == {"mine"}
        _, both, _ = tunebench(
            "plan", study, "--no-memory", "--format", "csv", "--model", "tiny", "--model", "../mine", "--only",
            "method=full_ft",
        )  # fmt: skip
        tiny, mine = read(both)
        layer = 4 * (32 * 32 + 32) + 2 * 32 * 64 + 64 + 32 + 4 * 32
        assert int(mine["total_params"]) == int(tiny["total_params"]) + layer

    def test_a_plugin_that_fails_is_a_row_and_exit_code_1(
        self, study: Path, tunebench: Tunebench, tmp_path: Path
    ) -> None:
        own = write_plugin(tmp_path, "own", adapt="raise UnsupportedError('[b]no gates[/b]')")
        code, out, err = tunebench("plan", study, "--no-memory", "--plugin", own)
        assert (code, err) == (1, "")
        assert "reviews / tiny / Special: unsupported: [b]no gates[/b]" in out
        assert " LoRA " in out

    def test_hostile_labels(self, content: dict[str, Any], tunebench: Tunebench, tmp_path: Path) -> None:
        content["methods"] = {"full_ft": {"label": "=cmd|'/C calc'!A0"}, "lora": {"label": "[blink]\x1b[31m[/nope]"}}
        study = write_study(tmp_path / "small.toml", content)
        _, out, _ = tunebench("plan", study, "--no-memory", "--format", "csv")
        assert [row["method_label"] for row in read(out)] == ["'=cmd|'/C calc'!A0", "[blink] [31m[/nope]"]
        code, out, _ = tunebench("plan", study, "--no-memory")
        assert code == 0
        assert "[blink] [31m[/nope]" in out
        assert "\x1b" not in out


class TestFits:
    def test_marks_each_row_for_a_card(self, study: Path, tunebench: Tunebench) -> None:
        code, out, _ = tunebench("plan", study, "--format", "json", "--fits", "24GB")
        assert code == 0
        for row in json.loads(out)["rows"]:
            assert (row["device"], row["fits"], row["largest_batch_size"]) == ("cuda", True, 4)
            assert row["limit_bytes"] == 24 * 10**9

    def test_finds_the_batch_between_what_fits_and_what_does_not(
        self, content: dict[str, Any], tunebench: Tunebench, tmp_path: Path
    ) -> None:
        content["train"]["inference_batch_size"] = 8
        content["grid"][0]["methods"] = ["full_ft"]

        largest = content["train"]["batch_size"] = 5
        study = write_study(tmp_path / "small.toml", content)
        _, out, _ = tunebench("plan", study, "--format", "json", "--device", "cuda")
        peak = int(json.loads(out)["rows"][0]["predicted_train_peak_bytes"])
        content["train"]["batch_size"] = 8
        study = write_study(tmp_path / "small.toml", content)
        on_card = CONTEXT_BYTES + math.ceil(peak * (1 + FULL_TRAINING_SLACK))
        for limit, batch in ((on_card, largest), (on_card - 1, largest - 1)):
            megabytes = f"{limit // 10**6}.{limit % 10**6:06d}MB"
            _, out, _ = tunebench("plan", study, "--format", "json", "--fits", megabytes)
            [row] = json.loads(out)["rows"]
            assert (row["fits"], row["largest_batch_size"]) == (False, batch)
        _, out, _ = tunebench("plan", study, "--fits", "800MB")
        assert next(line for line in out.splitlines() if " Full FT " in line).rstrip().endswith(" no")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--device", "mps"], '--device must be "auto", "cpu", "cuda" or "cuda:N"'),
            (
                ["--fits=24 parsecs"],
                "--fits must be a size such as 24GB, with one of GB, GiB, MB, MiB, got '24 parsecs'",
            ),
            (["--fits", "24GB", "--no-memory"], "--fits needs predicted memory; leave --no-memory out"),
        ],
    )
    def test_what_cannot_be(self, study: Path, tunebench: Tunebench, arguments: list[str], said: str) -> None:
        code, out, err = tunebench("plan", study, *arguments)
        assert (code, out) == (2, "")
        assert err.startswith(f"tunebench: {said}")

    def test_device_wins_where_it_is_given(self, study: Path, tunebench: Tunebench) -> None:
        _, out, _ = tunebench("plan", study, "--format", "json", "--fits", "24GB", "--device", "cpu")
        assert {row["device"] for row in json.loads(out)["rows"]} == {"cpu"}


class TestWrongConfig:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"model_type": None}, "model_type is missing"),
            ({"model_type": "roberto"}, "got 'roberto'; did you mean 'roberta'?"),
            ({"hidden_size": None}, "hidden_size is missing"),
            ({"hidden_size": "768"}, "hidden_size must be a whole number from 1 to 1000000, got '768'"),
            ({"hidden_size": -32}, "hidden_size must be a whole number from 1 to 1000000, got -32"),
            ({"hidden_size": 10**7}, "hidden_size must be a whole number from 1 to 1000000, got 10000000"),
            ({"hidden_size": 33}, "num_attention_heads must divide hidden_size, got 2 heads and 33"),
            ({"num_hidden_layers": 10**9}, "num_hidden_layers must be a whole number from 1 to 2000, got 1000000000"),
            ({"vocab_size": 1.5}, "vocab_size must be a whole number from 1 to 100000000, got 1.5"),
            ({"architectures": None}, "names no architectures"),
        ],
    )
    def test_says_file_rule_and_value(
        self, study: Path, config: Config, tunebench: Tunebench, changes: dict[str, Any], said: str
    ) -> None:
        path = config(**changes)
        code, out, err = tunebench("plan", study, "--no-memory", "--model", path)
        assert (code, out) == (2, "")
        assert err.startswith(f"tunebench: model mine: {path}")
        assert said in err
        assert err.count("\n") == 1

    @pytest.mark.parametrize(
        ("written", "said"),
        [
            (b"[]", "must be a table of settings, got list"), (b"{", "cannot be read: JSONDecodeError"),
            (b"[" * 100_000, "cannot be read: RecursionError"),
            (b'{"model_type": "caf\xe9"}', "cannot be read: UnicodeDecodeError"),
        ],
    )  # fmt: skip
    def test_of_another_form(
        self, study: Path, config: Config, tunebench: Tunebench, written: bytes, said: str
    ) -> None:
        path = config()
        path.write_bytes(written)
        code, out, err = tunebench("plan", study, "--no-memory", "--model", path)
        assert (code, out) == (2, "")
        assert f"model mine: {path}: {said}" in err

    def test_that_is_missing(self, study: Path, tunebench: Tunebench, tmp_path: Path) -> None:
        for given in (tmp_path / "no.json", tmp_path / "no" / "config.json", "./no", tmp_path / "reviews"):
            code, out, err = tunebench("plan", study, "--no-memory", "--model", given)
            assert (code, out) == (2, "")
            assert "has no config.json" in err


class TestWrongNames:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["--model", "roberta-bas"], "unknown model 'roberta-bas'; did you mean 'roberta-base'?"),
            (["--only", "method=lorra"], "unknown method in --only 'lorra'; did you mean 'lora'?"),
            (["--plugin", "no.py"], "--plugin no.py: no such file"),
        ],
    )
    def test_on_the_command_line(self, study: Path, tunebench: Tunebench, arguments: list[str], said: str) -> None:
        code, out, err = tunebench("plan", study, "--no-memory", *arguments)
        assert (code, out) == (2, "")
        assert said in err

    @pytest.mark.slow
    def test_in_a_process_of_its_own(self, study: Path, tmp_path: Path) -> None:
        """The message that libraries come nearest to adding theirs to."""
        refused(command("plan", study, "--model", "o/n", cwd=tmp_path), "cannot be reached on the hub: tried o/n")


class TestRandomWeights:
    def test_of_true_size_and_of_a_folder_are_planned(
        self, content: dict[str, Any], tunebench: Tunebench, tmp_path: Path
    ) -> None:
        """Two entries whose sizes the catalog or a folder gives, and one that is cut."""
        content["models"] = {
            "large": {"base": "roberta-base", "weights": "random", "tokenizer": "minilm"},
            "small": {"base": "roberta-base", "weights": "random", "tokenizer": "minilm", "scale": "tiny"},
            "cut": {"path": content["models"]["tiny"]["path"], "weights": "random", "scale": "tiny"},
        }
        content["grid"][0] |= {"models": ["large", "small", "cut"], "methods": ["full_ft"]}
        study = write_study(tmp_path / "random.toml", content)
        _, out, err = tunebench("plan", study, "--no-memory", "--format", "csv")
        large, small, cut = (int(row["total_params"]) for row in read(out))
        assert err == ""
        assert large == 124_647_170
        assert cut < small < 3_000_000

    def test_what_a_plugin_prints_is_no_part_of_a_csv(self, study: Path, tunebench: Tunebench, tmp_path: Path) -> None:
        own = write_plugin(
            tmp_path, "own", adapt="print('hello'); model.base_model.requires_grad_(False); return model"
        )
        code, out, _ = tunebench("plan", study, "--no-memory", "--format", "csv", "--plugin", own)
        assert code == 0
        assert [row["method"] for row in read(out)] == ["full_ft", "lora", "own"]
