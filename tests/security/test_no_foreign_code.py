"""No code of others is run: none of the calls that could is in the source, and files that bring code are refused."""

import ast
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.data import texts
from bench.errors import DataError, ModelError
from bench.model.load import load_tokenizer
from bench.model.prompting.chat import frame
from bench.study.datasets import DatasetSource, resolve_dataset
from bench.study.settings import DataSettings
from bench.study.study import Study
from tests.conftest import TextFolder
from tests.model.folders import load, source_of
from tests.support import ROOT, TEST_ROWS, TRAIN_ROWS

SOURCES = [path for folder in ("bench", "methods") for path in sorted((ROOT / folder).rglob("*.py"))]
#: Modules that make objects, and so run code, of what they read.
PICKLES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "jsonpickle", "yaml"}
#: Calls by name, or by the last two parts of it.
CALLS = {
    "eval", "exec", "compile", "__import__", "torch.load", "torch.save", "pd.read_pickle", "os.system", "os.popen",
    "tempfile.mktemp", "yaml.load", "hub.load", "subprocess.getoutput", "subprocess.getstatusoutput", "runpy.run_path",
}  # fmt: skip
#: Keywords of a call that must not have this value.
KEYWORDS = {"trust_remote_code": True, "allow_pickle": True, "shell": True, "weights_only": False, "autoescape": False}


def forbidden(source: str) -> Iterator[str]:
    """What a module does that could run code of others."""
    for node in ast.walk(ast.parse(source)):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
        line = getattr(node, "lineno", 0)
        yield from (f"line {line}: imports {name}" for name in modules if name.split(".")[0] in PICKLES)
        if not isinstance(node, ast.Call):
            continue
        name = ".".join(ast.unparse(node.func).split(".")[-2:])
        keywords = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
        if name in CALLS:
            yield f"line {node.lineno}: calls {name}"
        wrong = [word for word, value in KEYWORDS.items() if word in keywords and keywords[word] in (value, None)]
        yield from (f"line {node.lineno}: calls {name} with {word}" for word in wrong)
        ours = name == "Architecture.from_config"  # the house's own: numbers of a config, no model
        if (
            name.endswith((".from_pretrained", ".from_config"))
            and not ours
            and keywords.get("trust_remote_code") is not False
        ):
            yield f"line {node.lineno}: calls {name} without trust_remote_code=False"
        if name.endswith("Environment") and "Sandboxed" not in name and keywords.get("autoescape") is not True:
            yield f"line {node.lineno}: makes {name} without autoescape"


def test_no_call_runs_code_of_others() -> None:
    found = {str(path.relative_to(ROOT)): list(forbidden(path.read_text(encoding="utf-8"))) for path in SOURCES}
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "from dill import loads", "import joblib.memory", "eval('1')", "torch.load(x)",
        "os.system('x')",
        "subprocess.run('x', shell=True)", "np.load(x, allow_pickle=True)", "tempfile.mktemp()", "Environment()",
        "AutoModel.from_pretrained(x)", "AutoModel.from_pretrained(x, trust_remote_code=True)",
        "AutoModel.from_config(x, trust_remote_code=flag)", "jinja2.Environment(autoescape=False)",
    ],
)  # fmt: skip
def test_the_search_finds(source: str) -> None:
    assert len(list(forbidden(source))) >= 1


class TestWeights:
    """A folder with safetensors of its own, and something that leads elsewhere."""

    @pytest.fixture
    def sharded(self, model: Path) -> Path:
        """The model with its weights under another name; an index is yet to say which."""
        (model / "model.safetensors").rename(model / "part.safetensors")
        shutil.copy(model / "part.safetensors", model.parent / "outside.safetensors")
        torch.save(load_file(model / "part.safetensors"), model / "part.bin")
        return model

    def index(self, folder: Path, shard: Any, name: str = "model.safetensors.index.json") -> None:
        names = load_file(folder / "part.safetensors")
        content = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(names, shard)}
        (folder / name).write_text(json.dumps(content))

    def test_an_index_of_its_own_files_is_followed(self, sharded: Path) -> None:
        self.index(sharded, "part.safetensors")
        load(source_of(sharded))

    @pytest.mark.parametrize("shard", ["../outside.safetensors", "part.bin", "/etc/passwd", "", "a/b.safetensors", 3])
    def test_an_index_that_leads_to_a_pickle_or_elsewhere(self, sharded: Path, shard: Any) -> None:
        self.index(sharded, shard)
        with pytest.raises(ModelError, match=r"weight_map must name \*\.safetensors files beside it, got "):
            load(source_of(sharded))

    @pytest.mark.parametrize("named", ["../outside.safetensors", "part.bin", "own.safetensors.index.json"])
    def test_a_config_that_names_other_weights(self, sharded: Path, named: str) -> None:
        self.index(sharded, "../outside.safetensors", "own.safetensors.index.json")
        config = json.loads((sharded / "config.json").read_text())
        (sharded / "config.json").write_text(json.dumps(config | {"transformers_weights": named}))
        with pytest.raises(ModelError):
            load(source_of(sharded))

    def test_an_adapter_that_names_another_model(self, model: Path) -> None:
        adapter = {"peft_type": "LORA", "base_model_name_or_path": str(model.parent), "target_modules": ["query"]}
        (model / "adapter_config.json").write_text(json.dumps(adapter))
        save_file({"x": torch.zeros(1)}, model / "adapter_model.safetensors")
        with pytest.raises(ModelError, match=r"adapter_config\.json\), not a complete model; merge the adapter"):
            load(source_of(model))


ESCAPES = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ messages.__init__.__globals__ }}",
    "{{ cycler.__init__.__globals__.os.popen('touch ' + '%s') }}", "{{ self.__init__.__globals__.__builtins__ }}",
    "{% for x in range(10000000) %}{% endfor %}", "{% include '/etc/passwd' %}", "{{ messages.append(1) }}",
)  # fmt: skip


@pytest.mark.parametrize("template", ESCAPES)
def test_a_chat_template_stays_in_its_sandbox(template: str, tiny_encoder: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(source_of(tiny_encoder), tiny_encoder)
    canary = tmp_path / "ran"
    with pytest.raises(ModelError, match="the chat template must"):
        frame(tokenizer, "Say it.", [], template.replace("%s", str(canary)), "model m: ")
    assert not canary.exists()


class TestDatasets:
    def located(self, folder: Path) -> DatasetSource:
        study = Study.model_validate({"name": "s", "grid": [{"datasets": ["x"], "models": ["m"]}]})
        return resolve_dataset(str(folder), study)

    def test_a_loading_script_is_not_run(self, text_folder: TextFolder, tmp_path: Path) -> None:
        folder = text_folder(train=TRAIN_ROWS * 5, test=TEST_ROWS)
        canary = tmp_path / "ran"
        for name in ("reviews.py", "__init__.py", "dataset.py", "train.py"):
            (folder / name).write_text(f"open({str(canary)!r}, 'w')")
        assert len(texts.load(self.located(folder), DataSettings()).splits["test"]) == len(TEST_ROWS)
        assert not canary.exists()

    def test_a_pickle_is_no_split(self, text_folder: TextFolder) -> None:
        folder = text_folder(train=TRAIN_ROWS)
        torch.save({}, folder / "test.pkl")
        torch.save({}, folder / "test.pt")
        with pytest.raises(DataError, match="has no test split"):
            self.located(folder)

    def test_a_folder_of_the_name_of_a_hub_dataset_is_not_read_for_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "owner" / "data").mkdir(parents=True)
        monkeypatch.chdir(tmp_path)
        source = DatasetSource(name="d", label="d", kind="hub", hub_id="owner/data", revision="main", fingerprint="f")
        with pytest.raises(DataError, match="owner/data is also a local path"):
            texts.load(source, DataSettings())
