"""What every test starts from: no network, no user's cache, a tiny encoder, and folders of texts."""

import atexit
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis  # noqa: F401 - at its first import it looks at what gc.freeze hides, which plans and workers call
import pytest

# The hub client reads these once, when it is imported, so they are set before any test module is.
_HUB_HOME = tempfile.mkdtemp(prefix="tunebench-tests-")
atexit.register(shutil.rmtree, _HUB_HOME, ignore_errors=True)
os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HOME": _HUB_HOME, "TOKENIZERS_PARALLELISM": "false"}

TextRow = tuple[str, Any]
TextFolder = Callable[..., Path]
Tunebench = Callable[..., tuple[int, str]]


#: This machine: a browser is told there what to do, and servers of tests listen there.
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    asked = event == "socket.getaddrinfo" and arguments[0] not in LOOPBACK
    connects = event == "socket.connect" and isinstance(arguments[1], tuple) and arguments[1][0] not in LOOPBACK
    if asked or connects:
        raise RuntimeError(f"a test reached for the network: {event} {arguments[1:]}")


sys.addaudithook(_refuse_network)


if threading.current_thread() is threading.main_thread():
    # Whoever runs the tests may ignore signals, as nohup and a shell's background do, and every process inherits that.
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


#: Files that take more than half a minute, the longest first.
LONGEST = (
    "run/test_kills.py", "plan/test_gpu_memory.py", "run/test_disasters.py", "gpu/test_fork_safety.py",
    "gpu/test_cells.py", "security/test_plugins_that_attack.py", "commands/audit/test_command.py",
    "security/test_signals.py", "run/test_causal_run.py", "test_readme.py", "data/test_hub.py",
    "plan/test_architectures.py", "commands/test_ratios.py",
    "ratios/test_simulation.py", "run/worker/test_deliberately_wrong.py", "security/test_clocks_that_lie.py",
    "run/test_run.py", "commands/test_cli.py", "gpu/test_marked.py", "run/test_server_watch.py",
)  # fmt: skip


def _place(item: pytest.Item) -> int:
    name = item.path.relative_to(Path(__file__).parent).as_posix()
    return LONGEST.index(name) if name in LONGEST else len(LONGEST)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files begin first, so that of two processes none waits at the end; what is timed has up to three tries.

    A pause of the host is gone at the next try, and a fault of the code is not. On a machine that is said to be quiet,
    where stated figures are held, there is one try.
    """
    items.sort(key=_place)
    for item in items:
        if item.get_closest_marker("timed") and not os.environ.get("TUNEBENCH_QUIET"):
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a token cache of its own, beside its ``tmp_path`` and not in it."""
    monkeypatch.setenv("TUNEBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch computes in one thread: on a busy machine two that wait for each other make a tiny model slow."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a BERT of 2 layers, hidden size 32 and 160 positions, with a fast word tokenizer; read it only."""
    return write_tiny_encoder(tmp_path_factory.mktemp("models") / "tiny_encoder")


def write_tiny_encoder(folder: Path) -> Path:
    """See ``tiny_encoder``; from the same seed at each call."""
    import torch
    from transformers import BertConfig, BertModel

    tokenizer = _word_tokenizer(_words(190))
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=160, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def model(tiny_encoder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny encoder's folder, which a test may spoil."""
    return Path(shutil.copytree(tiny_encoder, tmp_path / "a model"))


@pytest.fixture
def tunebench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tunebench:
    """The command in this process, in the empty folder ``here``; returns its exit code and all that it printed."""
    from bench.commands.cli import main

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run(*arguments: object) -> tuple[int, str]:
        try:
            code = main([str(each) for each in arguments])
        except SystemExit as ended:
            code = int(str(ended.code))
        said = capsys.readouterr()
        return code, said.out + said.err

    return run


def _words(limit: int) -> list[str]:
    """Words of the synthetic polarity task, those that carry the label first."""
    from bench.data.synthetic import TASKS, generate
    from bench.data.synthetic_vocabulary import NEGATORS, POLARITY_WORDS

    texts, _ = generate(TASKS["synthetic_polarity"], "validation")
    carrying = [word for words in [*POLARITY_WORDS.values(), NEGATORS] for phrase in words for word in phrase.split()]
    spoken = [word.strip(".,;:!?").lower() for text in texts[:200] for word in text.split()]
    return list(dict.fromkeys([".", ",", *carrying, *spoken]))[:limit]


def _word_tokenizer(words: Sequence[str]) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate([*special, *words])}, unk_token="[UNK]"))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]",
    )  # fmt: skip


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB; skips where this process may not mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root and the right to mount")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.fixture
def text_folder(tmp_path: Path) -> TextFolder:
    """Factory of dataset folders: ``text_folder("name", train=[(text, label), ...], test=[...])``.

    The name may hold separators; suffix may be ``.jsonl`` or ``.jsonl.gz``; the folder lies in ``tmp_path``.
    """

    def make(name: str = "reviews", suffix: str = ".jsonl", **splits: Sequence[TextRow]) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        for split, rows in splits.items():
            lines = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
            data = lines.encode("utf-8")
            (folder / f"{split}{suffix}").write_bytes(gzip.compress(data) if suffix.endswith(".gz") else data)
        return folder

    return make
