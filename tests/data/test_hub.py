"""Models and datasets from a hub: the real client libraries against a fake hub on the loopback interface."""

import hashlib
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import pytest

from bench.study.datasets import DatasetSource
from bench.study.models import ModelSource
from tests.data.forms import jsonl, parquet
from tests.support import TEST_ROWS, TRAIN_ROWS, command, environment, refused, small_study, write_study, write_texts

COMMIT = "0123456789abcdef0123456789abcdef01234567"
QUICKLY_SECONDS = 45.0  # without a server, the datasets client retries six times in 23 seconds

#: Run in a process of its own, because the client libraries read the endpoint once, when they are imported.
CLIENT = """
import json, sys
from bench.errors import DataError, ModelError

def answer(source):
    try:
        if "weights" in source:
            from bench.model.load import fetch
            from bench.study.models import ModelSource
            return {"folder": str(fetch(ModelSource.model_validate(source)))}
        from bench.data.texts import load
        from bench.study.datasets import DatasetSource
        from bench.study.settings import DataSettings
        found = load(DatasetSource.model_validate(source), DataSettings())
        splits = {name: [split.texts, split.labels] for name, split in found.splits.items()}
        return {"labels": found.labels, "carved": found.validation_carved, "splits": splits}
    except (DataError, ModelError) as error:
        return {"error": type(error).__name__, "said": str(error)}

print(json.dumps([answer(json.loads(source)) for source in sys.argv[1:]]))
"""


class RefusalError(Exception):
    """The fake hub answers with this status, error code and message."""

    def __init__(self, status: int, code: str, said: str = "") -> None:
        super().__init__(code)
        self.status = status
        self.headers = {name: text for name, text in (("X-Error-Code", code), ("X-Error-Message", said)) if text}


class FakeHub(ThreadingHTTPServer):
    """A fake hub with what huggingface_hub and datasets request: a repository's metadata, tree and files."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.repositories: dict[str, Mapping[str, bytes]] = {}
        self.refusal: RefusalError | None = None
        self.token: str | None = None  # required for files of models
        self.asked: list[str] = []

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def answer(self, path: str, authorization: str | None) -> tuple[bytes, dict[str, str]]:
        """Body and headers of ``/api/KIND/OWNER/NAME/...`` and ``/[datasets/]OWNER/NAME/resolve/REVISION/FILE``."""
        if self.refusal is not None:
            raise self.refusal
        if api := re.fullmatch(r"/api/(models|datasets)/([^/]+/[^/]+)/(revision|tree)/([^/]+)/?(.*)", path):
            kind, name, verb, revision, folder = api.groups()
            files = self._repository(f"{kind}/{name}", revision)
            facts = _facts(name, files) if verb == "revision" else _tree(files, folder)
            return json.dumps(facts).encode(), {"Content-Type": "application/json"}
        if file := re.fullmatch(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            kind, name, revision, place = file.groups()
            if self.token is not None and authorization != f"Bearer {self.token}":
                # A careless hub quotes the token.
                raise RefusalError(403, "GatedRepo", f"{authorization} may not read {name}")
            files = self._repository(f"{'datasets' if kind else 'models'}/{name}", revision)
            if place not in files:
                raise RefusalError(404, "EntryNotFound")
            return files[place], {"ETag": f'"{_oid(files[place])}"', "X-Repo-Commit": COMMIT}
        raise RefusalError(404, "RepoNotFound")

    def _repository(self, key: str, revision: str) -> Mapping[str, bytes]:
        if key not in self.repositories:
            raise RefusalError(404, "RepoNotFound")
        if revision not in ("main", COMMIT):
            raise RefusalError(404, "RevisionNotFound")
        return self.repositories[key]


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        hub = cast(FakeHub, self.server)
        path = unquote(urlsplit(self.path).path)
        hub.asked.append(f"{self.command} {path}")
        try:
            status, (body, headers) = 200, hub.answer(path, self.headers["Authorization"])
        except RefusalError as refusal:
            status, body, headers = refusal.status, b"{}", refusal.headers
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing."""


def _oid(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def _facts(name: str, files: Mapping[str, bytes]) -> dict[str, Any]:
    return {"id": name, "sha": COMMIT, "private": False, "siblings": [{"rfilename": place} for place in files]}


def _tree(files: Mapping[str, bytes], folder: str) -> list[dict[str, Any]]:
    """Files of a folder and its direct subfolders, or all files of the repository, which clients accept."""
    inside = [place for place in files if place.startswith(f"{folder}/" if folder else "")]
    folders = {place.rpartition("/")[0] for place in inside} - {"", folder}
    return [
        *({"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in sorted(folders)),
        *({"type": "file", "path": p, "size": len(files[p]), "oid": _oid(files[p])} for p in inside),
    ]


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    server = FakeHub()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def at_hub(endpoint: str, home: Path, token: str = "") -> dict[str, str]:
    """Environment variables that make the client use this endpoint."""
    shown = {"HF_TOKEN": token, "HUGGING_FACE_HUB_TOKEN": ""}
    return {
        "HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1",
    } | shown  # fmt: skip


def ask(endpoint: str, home: Path, *sources: ModelSource | DatasetSource, token: str = "") -> list[dict[str, Any]]:
    """What the client makes of sources at this endpoint; it logs nothing of the token."""
    done = subprocess.run(
        [sys.executable, "-c", CLIENT, *(source.model_dump_json() for source in sources)],
        env=environment(**at_hub(endpoint, home, token)), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not token or token not in done.stdout + done.stderr
    return cast(list[dict[str, Any]], json.loads(done.stdout.splitlines()[-1]))


def model(revision: str = "main", hub_id: str = "owner/tiny") -> ModelSource:
    return ModelSource(
        name="tiny", label="tiny", kind="encoder", weights="pretrained",
        hub_id=hub_id, revision=revision, fingerprint="f",
    )  # fmt: skip


def dataset(config: str | None = None, labels: tuple[str, ...] | None = None) -> DatasetSource:
    return DatasetSource(
        name="reviews", label="reviews", kind="hub", labels=labels,
        hub_id="owner/reviews", hub_config=config, revision=COMMIT, fingerprint="f",
    )  # fmt: skip


@pytest.mark.slow
class TestModels:
    def test_a_model_arrives_without_pickles_and_code(self, hub, tiny_encoder, tmp_path):
        wanted = {path.name: path.read_bytes() for path in tiny_encoder.iterdir()}
        unwanted = {"pytorch_model.bin": b"pickle", "modeling_tiny.py": b"code", "onnx/model.onnx": b"x"}
        hub.repositories["models/owner/tiny"] = {**wanted, **unwanted}
        folder = Path(ask(hub.endpoint, tmp_path, model())[0]["folder"])
        assert folder.name == COMMIT, "the branch was resolved to its commit"
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == wanted
        assert not [path for path in hub.asked if path.endswith((".bin", ".py", ".onnx"))]

        before = len(hub.asked)
        assert Path(ask("http://127.0.0.1:9", tmp_path, model(COMMIT))[0]["folder"]) == folder
        assert len(hub.asked) == before, "a commit that is there is not asked for again"

    def test_a_repository_without_safetensors_is_refused(self, hub, tiny_encoder, tmp_path):
        files = {path.name: path.read_bytes() for path in tiny_encoder.glob("*.json")}
        hub.repositories["models/owner/tiny"] = {**files, "pytorch_model.bin": b"pickle"}
        (answer,) = ask(hub.endpoint, tmp_path, model())
        assert answer["error"] == "ModelError"
        assert "owner/tiny has no *.safetensors at revision main; pickled weights are never loaded" in answer["said"]
        assert not [path for path in hub.asked if path.endswith(".bin")]


LOG_IN = "log in with `hf auth login` or set HF_TOKEN"


@pytest.mark.slow
class TestAccess:
    """Gated, private and refused repositories."""

    @pytest.mark.parametrize(
        ("refusal", "said"),
        [
            (RefusalError(403, "GatedRepo"), "the repository is gated: accept its conditions at {page}, then {log_in}"),
            (RefusalError(401, "RepoNotFound"), "or a private one: check {page}, and if it is private {log_in}"),
            (RefusalError(403, ""), "the hub refused this login: {log_in} with a token that may read {page}"),
            (RefusalError(404, "RepoNotFound"), "cannot be reached on the hub"),
            (None, "cannot be reached on the hub"),
        ],
        ids=["403 gated", "401", "403", "404", "refuses connections"],
    )
    def test_a_refusal_names_what_was_tried_the_login_and_local_files(self, hub, tmp_path, refusal, said):
        hub.refusal = refusal
        endpoint = hub.endpoint if refusal else f"http://127.0.0.1:{closed_port()}"
        start = time.perf_counter()
        of_model, of_dataset = ask(endpoint, tmp_path, model(), dataset("emotion"))
        assert time.perf_counter() - start < QUICKLY_SECONDS
        assert (of_model["error"], of_dataset["error"]) == ("ModelError", "DataError")
        assert said.format(page=f"{endpoint}/owner/tiny", log_in=LOG_IN) in of_model["said"]
        assert said.format(page=f"{endpoint}/datasets/owner/reviews", log_in=LOG_IN) in of_dataset["said"]
        assert "model tiny: " in of_model["said"]
        assert "tried owner/tiny at revision main" in of_model["said"]
        assert '[models.tiny] path = "FOLDER"' in of_model["said"]
        assert f"tried owner/reviews (emotion) at revision {COMMIT}" in of_dataset["said"]
        assert "--data-root DIR" in of_dataset["said"]
        assert not list(tmp_path.rglob("*.safetensors"))

    def test_the_catalog_knows_where_the_licence_is(self, hub, tmp_path):
        hub.refusal = RefusalError(401, "GatedRepo")
        (answer,) = ask(hub.endpoint, tmp_path, model(hub_id="meta-llama/Meta-Llama-3-8B-Instruct"))
        page = "https://huggingface.co/meta-llama/Meta-Llama-3-8B-Instruct"
        assert f"the repository is gated: accept its conditions at {page}, then {LOG_IN}" in answer["said"]

    def test_facts_may_be_open_where_files_are_not(self, hub, tiny_encoder, tmp_path):
        hub.repositories["models/owner/tiny"] = {path.name: path.read_bytes() for path in tiny_encoder.iterdir()}
        hub.token = TOKEN
        (answer,) = ask(hub.endpoint, tmp_path, model(), token=OTHER_TOKEN)
        assert f"accept its conditions at {hub.endpoint}/owner/tiny, then {LOG_IN}" in answer["said"]
        assert "Bearer REDACTED may not read owner/tiny" in answer["said"]
        (answer,) = ask(hub.endpoint, tmp_path, model(), token=TOKEN)
        assert Path(answer["folder"], "model.safetensors").is_file()


#: One as the hub gives them, and one that no pattern could know.
TOKEN = "hf_" + "Example" * 5
OTHER_TOKEN = "my-own-mirror/" + "example" * 3


@pytest.mark.slow
class TestTokens:
    def test_are_in_no_output_record_or_log(self, hub, tiny_encoder, tmp_path):
        token = OTHER_TOKEN
        hub.repositories["models/owner/tiny"] = {path.name: path.read_bytes() for path in tiny_encoder.iterdir()}
        write_texts(tmp_path / "texts", train=TRAIN_ROWS, test=TEST_ROWS)
        content = small_study(tiny_encoder, tmp_path / "texts", models={"tiny": {"hub_id": "owner/tiny"}})
        study = write_study(tmp_path / "small.toml", content)
        shown = at_hub(hub.endpoint, tmp_path / "home", token)

        hub.token = "another" + token
        done = command(
            "run", study, "--runs", tmp_path / "runs", "--reports", tmp_path / "reports", cwd=tmp_path, **shown
        )
        refused(
            done,
            f"accept its conditions at {hub.endpoint}/owner/tiny, then {LOG_IN}",
            "Bearer REDACTED may not read owner/tiny",
        )
        assert not list(tmp_path.glob("runs/**/record.json")), "it is asked before any work"
        assert_nowhere(token, done.stdout + done.stderr, tmp_path)

        hub.token = token
        done = command(
            "run", study, "--runs", tmp_path / "runs", "--reports", tmp_path / "reports", cwd=tmp_path, **shown
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert list(tmp_path.glob("runs/**/record.json"))
        assert_nowhere(token, done.stdout + done.stderr, tmp_path)


def assert_nowhere(token: str, said: str, folder: Path) -> None:
    assert token not in said
    assert [path for path in folder.rglob("*") if path.is_file() and token.encode() in path.read_bytes()] == []


@pytest.mark.slow
class TestDatasets:
    def test_parquet_without_a_configuration(self, hub, tmp_path):
        hub.repositories["datasets/owner/reviews"] = {
            "README.md": b"# Reviews\n",
            "data/train-00000-of-00001.parquet": parquet(TRAIN_ROWS),
            "data/validation-00000-of-00001.parquet": parquet(TRAIN_ROWS[:4]),
            "data/test-00000-of-00001.parquet": parquet(TEST_ROWS),
        }
        (answer,) = ask(hub.endpoint, tmp_path, dataset(labels=("negative", "positive")))
        assert answer["labels"] == ["negative", "positive"]
        assert answer["carved"] is False
        assert {name: list(zip(*split, strict=True)) for name, split in answer["splits"].items()} == {
            "train": TRAIN_ROWS, "validation": TRAIN_ROWS[:4], "test": TEST_ROWS,
        }  # fmt: skip

    def test_jsonl_of_a_configuration(self, hub, tmp_path):
        card = "configs:\n" + "".join(
            f"- config_name: {config}\n  data_files:\n"
            + "".join(f"  - {{split: {split}, path: {config}/{split}.jsonl}}\n" for split in ("train", "test"))
            for config in ("emotion", "irony")
        )
        hub.repositories["datasets/owner/reviews"] = {
            "README.md": f"---\n{card}---\n".encode(), "emotion/train.jsonl": jsonl(TRAIN_ROWS),
            "emotion/test.jsonl": jsonl(TEST_ROWS), "irony/train.jsonl": jsonl([("wrong", 0)]),
            "irony/test.jsonl": jsonl([("wrong", 0)]),
        }  # fmt: skip
        answer, wrong = ask(hub.endpoint, tmp_path, dataset("emotion"), dataset("emotoin"))
        assert answer["labels"] == ["0", "1"]
        assert answer["carved"] is True
        assert list(zip(*answer["splits"]["test"], strict=True)) == TEST_ROWS
        assert not [path for path in hub.asked if path.startswith("GET") and "irony/" in path]
        assert wrong["error"] == "DataError"
        assert "tried owner/reviews (emotoin)" in wrong["said"]

    def test_a_bad_row_is_named(self, hub, tmp_path):
        hub.repositories["datasets/owner/reviews"] = {
            "train.jsonl": jsonl(TRAIN_ROWS), "test.jsonl": jsonl([*TEST_ROWS, ("good", 9)]),
        }  # fmt: skip
        (answer,) = ask(hub.endpoint, tmp_path, dataset())
        assert answer["error"] == "DataError"
        assert f"owner/reviews test: row {len(TEST_ROWS) + 1}: bad label 9; wanted one of 0, 1" in answer["said"]

    def test_names_that_the_hub_declares_are_the_classes(self, hub, tmp_path):
        names = ["negative", "positive"]
        hub.repositories["datasets/owner/reviews"] = {
            "data/train-00000-of-00002.parquet": parquet(TRAIN_ROWS[:9], names),
            "data/train-00001-of-00002.parquet": parquet(TRAIN_ROWS[9:], names),
            "data/test-00000-of-00001.parquet": parquet(TEST_ROWS, names),
        }
        (answer,) = ask(hub.endpoint, tmp_path, dataset())
        assert answer["labels"] == names
        assert list(zip(*answer["splits"]["test"], strict=True)) == TEST_ROWS


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
