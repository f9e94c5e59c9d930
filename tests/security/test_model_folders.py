"""Model folders that were made to do harm: each is refused with its reason, before anything is allocated or run."""

import json
import shutil
import signal
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from bench.data.tokens import require_known, tokenise
from bench.errors import ModelError
from bench.measure.host_limits import HostLimit
from bench.model import weight_memory
from bench.model.json_files import require_plain_json
from bench.model.load import fetch, load_config, load_tokenizer
from bench.model.prompting import chat
from bench.model.prompting.chat import frame
from bench.model.prompting.time_limit import time_limit
from bench.model.weight_memory import require_room
from bench.model.weights import skeleton
from bench.record.out_of_memory import memory_of_error
from bench.run.worker.preflight import check_cells
from tests.data.forms import jsonl, laid, located
from tests.model.folders import change_json, load, source_of
from tests.report.conftest import _record

ROWS = jsonl([("a good film", 1), ("bad", 0)] * 10)
EMBEDDINGS = "embeddings.word_embeddings.weight"


def problems(folder: Path, **changes: Any) -> list[str]:
    """What the check before a run finds."""
    cell = _record().cell
    data = located(laid(folder.parent / "data", train__jsonl=ROWS, test__jsonl=ROWS))
    train = cell.train.model_copy(update={"precision": "fp32"})
    settings = cell.data.model_copy(update={"max_length": 16})
    updates = {"device": "cpu", "dataset": data, "train": train, "data": settings}
    cell = cell.model_copy(update=updates | {"model": source_of(folder, **changes)})
    job = folder.parent / "job"
    job.mkdir(exist_ok=True)
    (job / "request.json").write_text(json.dumps([cell.model_dump(mode="json")]))
    check_cells(job, 0.0)
    found: list[str] = json.loads((job / "answer.json").read_text())
    return found


def test_a_sound_folder_has_no_problems(model: Path) -> None:
    assert problems(model) == []


def twice(path: Path) -> None:
    """The same file, whose first key appears twice."""
    content = path.read_text()
    key = json.dumps(next(iter(json.loads(content))))
    path.write_text(f"{{{key}: null, {content.lstrip()[1:]}")


class TestKeysThatStandThereTwice:
    @pytest.mark.parametrize(
        "name",
        [
            "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
            "special_tokens_map.json", "added_tokens.json", "vocab.json", "model.safetensors.index.json",
        ],
    )  # fmt: skip
    def test_in_a_file_that_is_read(self, name: str, model: Path) -> None:
        if not (model / name).is_file():
            (model / name).write_text('{"a": 1}')
        twice(model / name)
        (problem,) = problems(model)
        assert f"model m: {model / name}: cannot be read: ValueError: key '" in problem
        assert "appears twice" in problem

    def test_in_the_header_of_the_weights(self, model: Path) -> None:
        path = model / "model.safetensors"
        content = path.read_bytes()
        (size,) = struct.unpack("<Q", content[:8])
        header = content[8 : 8 + size].rstrip()
        name, facts = next((key, facts) for key, facts in json.loads(header).items() if key != "__metadata__")
        header = header[:-1] + f", {json.dumps(name)}: {json.dumps(facts)}}}".encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header + content[8 + size :])
        with pytest.raises(ModelError, match=r"model\.safetensors: its header cannot be read: .* appears twice"):
            require_plain_json("m", model)
        require_plain_json("m", model, weights=False)
        assert problems(model) != []


class TestHeaders:
    """What a file of weights says of itself."""

    def spoil(self, folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
        path = folder / "model.safetensors"
        content = path.read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + length])
        change(header)
        said = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(said)) + said + content[8 + length :])

    def refused(self, folder: Path) -> None:
        with pytest.raises(
            ModelError, match=r"model\.safetensors cannot be loaded: it must be a whole safetensors fil"
        ):
            fetch(source_of(folder))
        with pytest.raises(ModelError, match=r"model\.safetensors cannot be loaded"):  # a plan fetches nothing
            skeleton(source_of(folder), load_config(source_of(folder), folder, 2), torch.float32)
        assert len(problems(folder)) == 1

    @pytest.mark.parametrize(
        "lie",
        [
            {"data_offsets": [0, 10**15]}, {"data_offsets": [-8, 100]}, {"data_offsets": [0, 128]},
            {"shape": [2**40, 2**40]}, {"shape": [2**62, 0]}, {"shape": [-1, 32]}, {"dtype": "F64"}, {"dtype": "X"},
        ],
    )  # fmt: skip
    def test_a_tensor_that_lies(self, lie: dict[str, Any], model: Path) -> None:
        self.spoil(model, lambda header: header[EMBEDDINGS].update(lie))
        self.refused(model)

    @pytest.mark.parametrize(
        "content", [b"", struct.pack("<Q", 2**60) + b"{}", struct.pack("<Q", 200_000) + b"[" * 200_000]
    )
    def test_a_header_that_is_none(self, content: bytes, model: Path) -> None:
        (model / "model.safetensors").write_bytes(content)
        self.refused(model)

    def test_a_file_that_is_cut_short(self, model: Path) -> None:
        path = model / "model.safetensors"
        path.write_bytes(path.read_bytes()[:-1])
        self.refused(model)

    @pytest.mark.parametrize("device", ["/dev/zero", None])
    def test_something_else_in_its_place(self, device: str | None, model: Path) -> None:
        path = model / "model.safetensors"
        path.unlink()
        path.mkdir() if device is None else path.symlink_to(device)
        with pytest.raises(ModelError, match=r"and is none|and is a link out of it"):
            fetch(source_of(model))


class TestLinks:
    @pytest.mark.parametrize("name", ["model.safetensors", "model.safetensors.index.json"])
    def test_out_of_the_folder(self, name: str, model: Path) -> None:
        outside = model.parent / "outside"
        shutil.copy(model / "model.safetensors", outside)
        (model / name).unlink(missing_ok=True)
        (model / name).symlink_to(outside)
        shutil.copy(outside, model / "other.safetensors")
        with pytest.raises(ModelError, match="must lie in the model's folder, and is a link out of it"):
            fetch(source_of(model))

    def test_inside_of_the_folder_and_of_the_hub_s_cache_are_followed(self, model: Path) -> None:
        (model / "model.safetensors").rename(model / "weights")
        (model / "model.safetensors").symlink_to("weights")
        fetch(source_of(model))
        cache = model.parent / "models--owner--name"
        (cache / "snapshots").mkdir(parents=True)
        (cache / "blobs").mkdir()
        snapshot = model.rename(cache / "snapshots" / "abc")
        (snapshot / "weights").rename(cache / "blobs" / "123")
        (snapshot / "model.safetensors").unlink()
        (snapshot / "model.safetensors").symlink_to("../../blobs/123")
        fetch(source_of(snapshot))


class TestCode:
    """None of a folder's own code is run."""

    def test_auto_map_runs_nothing(self, model: Path, tmp_path: Path) -> None:
        canary = tmp_path / "ran"
        (model / "evil.py").write_text(f"open({str(canary)!r}, 'w')\nclass C: pass\n")
        classes = dict.fromkeys(("AutoConfig", "AutoModel", "AutoModelForSequenceClassification"), "evil.C")
        change_json(model / "config.json", auto_map=classes)
        change_json(model / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.C", "evil.C"]})
        assert problems(model) == []
        load(source_of(model))
        change_json(model / "config.json", model_type="evil")
        assert "model_type must be an architecture that transformers has" in problems(model)[0]
        assert not canary.exists()

    @pytest.mark.parametrize("file", ["tokenizer_config.json", "config.json"])
    @pytest.mark.parametrize("name", ["AutoModel", "BertModel", "pipeline", 3])
    def test_a_tokenizer_class_that_is_none(self, name: Any, file: str, model: Path) -> None:
        change_json(model / file, lambda content: content.update(tokenizer_class=name))
        assert "tokenizer_class must name a tokenizer, got" in problems(model)[0]

    def test_pickles_beside_sound_weights_are_not_read(self, model: Path) -> None:
        for name in ("pytorch_model.bin", "training_args.bin", "model.pt", "tf_model.h5"):
            (model / name).write_bytes(b"\x80\x04not for reading")
        load(source_of(model))

    def test_pickles_alone(self, model: Path) -> None:
        torch.save(load_file(model / "model.safetensors"), model / "pytorch_model.bin")
        (model / "model.safetensors").unlink()
        assert "pickled weights are never loaded" in problems(model)[0]

    def test_kernels_of_the_hub_are_not_asked_for(self, model: Path) -> None:
        change_json(model / "config.json", _attn_implementation="owner/kernel", attn_implementation="owner/kernel")
        loaded: Any = load(source_of(model))
        assert loaded.config._attn_implementation == "sdpa"


class TestSizes:
    @pytest.mark.parametrize(
        "size", [{"hidden_size": 10**9}, {"num_hidden_layers": 10**9}, {"vocab_size": 10**12}, {"hidden_size": 2**70}]
    )
    def test_that_no_model_has(self, size: dict[str, int], model: Path) -> None:
        change_json(model / "config.json", None, **size)
        assert "must be a whole number from 1 to" in problems(model)[0]

    @pytest.mark.parametrize("size", [{"type_vocab_size": 10**12}, {"intermediate_size": 10**7, "hidden_size": 10**6}])
    def test_that_no_machine_holds_are_refused_before_they_are_allocated(
        self, size: dict[str, int], model: Path
    ) -> None:
        change_json(model / "config.json", None, **size)
        source = source_of(model)
        with pytest.raises(
            MemoryError, match=r"the weights of model m take [0-9.]+ GB by its config\.json, and "
        ) as caught:
            require_room(source, load_config(source, model, 2), torch.float32, torch.device("cpu"), None)
        assert memory_of_error(caught.value) == "host"

    def test_that_fit_are_let_through(self, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = source_of(model)
        arguments = (source, load_config(source, model, 2), torch.float32, torch.device("cpu"), None)
        monkeypatch.setattr(weight_memory, "host_limit", lambda _: HostLimit(1_000_000, "a machine", 800_000))
        require_room(*arguments)
        monkeypatch.setattr(weight_memory, "host_limit", lambda _: HostLimit(1_000_000, "a machine", 990_000))
        with pytest.raises(MemoryError, match="a machine has room for"):
            require_room(*arguments)

    def test_that_do_not_fit_are_said_before_the_run(
        self, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert problems(model) == []
        assert "too little memory" not in capsys.readouterr().err
        monkeypatch.setattr(weight_memory, "host_limit", lambda _: HostLimit(1_000_000, "a machine", 990_000))
        assert problems(model) == []  # other cells of the study can run
        assert "too little memory: the weights of model m take 0.0 GB" in capsys.readouterr().err

    @pytest.mark.parametrize(
        "settings", [{"pad_token_id": 10**9}, {"pad_token_id": -5000}, {"hidden_act": "os.system"}]
    )
    def test_what_cannot_be_built_names_the_model(self, settings: dict[str, Any], model: Path) -> None:
        change_json(model / "config.json", **settings)
        (problem,) = problems(model)
        assert problem.startswith("model m: bert cannot be built as encoder: ")


class TestTokenizers:
    @pytest.mark.parametrize(
        ("token_id", "said"),
        [
            (10**6, "its tokenizer produces token id 1000000, but its embeddings have ids 0 to 194"),
            (2**31 + 5, "token ids must be below 10000000, got 2147483653"),
        ],
    )
    def test_ids_beyond_the_embeddings(self, token_id: int, said: str, model: Path) -> None:
        change_json(model / "tokenizer.json", lambda content: content["model"]["vocab"].update(superb=token_id))
        assert said in problems(model)[0]

    def test_special_ids_beyond_the_embeddings(self, model: Path) -> None:
        def spoil(content: dict[str, Any]) -> None:
            for token in content["post_processor"]["special_tokens"].values():
                token["ids"] = [10**6]

        change_json(model / "tokenizer.json", spoil)
        assert "its tokenizer produces token id 1000000" in problems(model)[0]
        tokens = tokenise(["good"], load_tokenizer(source_of(model), model), 8)
        with pytest.raises(ModelError, match="model m: its tokenizer produces token id 1000000"):
            require_known(tokens, 195, "model m")

    def test_special_tokens_without_end(self, model: Path) -> None:
        def spoil(content: dict[str, Any]) -> None:
            for token in content["post_processor"]["special_tokens"].values():
                token |= {"ids": [1] * 10_000, "tokens": ["[UNK]"] * 10_000}

        change_json(model / "tokenizer.json", spoil)
        with pytest.raises(ModelError, match="a text must have at most 16 tokens, got 200"):
            tokenise(["good bad good"], load_tokenizer(source_of(model), model), 16)

    def test_a_pattern_that_backtracks_without_end(self, model: Path) -> None:
        pattern = {"type": "Split", "pattern": {"Regex": "(x+x+)+y"}, "behavior": "Isolated", "invert": False}
        change_json(model / "tokenizer.json", lambda content: content.update(pre_tokenizer=pattern))
        with pytest.raises(ModelError, match=rf"tokenizer of {model}: its tokenizer failed: .*retry-limit-in-match"):
            tokenise(["x" * 1000], load_tokenizer(source_of(model), model), 16)

    @pytest.mark.parametrize("content", ["[" * 100_000, "{}", "null", '{"model": 1}', ""])
    def test_that_are_none(self, content: str, model: Path) -> None:
        (model / "tokenizer.json").write_text(content)
        assert "model m: " in problems(model)[0]


LOOP = "{% for x in range(99999) %}{% for y in range(99999) %}{% endfor %}{% endfor %}"


def test_a_chat_template_without_end(tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "RENDER_SECONDS", 0.2)
    with pytest.raises(ModelError, match=r"model m: the chat template must .* got TimeoutError: took more than 0\.2 s"):
        frame(load_tokenizer(source_of(tiny_encoder), tiny_encoder), "Say it.", [], LOOP, "model m: ")


def test_a_time_limit_leaves_another_timer_running() -> None:
    before = signal.getitimer(signal.ITIMER_REAL)[0]
    with time_limit(5):
        pass
    after = signal.getitimer(signal.ITIMER_REAL)[0]
    assert (before == 0) == (after == 0)
    assert after <= before


def test_another_thread_has_no_time_limit() -> None:
    done: list[bool] = []

    def work() -> None:
        with time_limit(0.001):
            done.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
