"""What the README shows must be so."""

import re
from pathlib import Path

from bench import registry
from tests.support import TEST_ROWS, TRAIN_ROWS, command, records, small_study, write_study, write_texts

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_plugin_it_shows_becomes_a_row(tmp_path: Path, tiny_encoder: Path) -> None:
    (source,) = (block for block in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL) if "Method" in block)
    assert len(source.splitlines()) <= 15
    plugin = tmp_path / "norms.py"
    plugin.write_text(source, encoding="utf-8")
    texts = write_texts(tmp_path / "reviews", train=TRAIN_ROWS, test=TEST_ROWS)
    study = write_study(tmp_path / "small.toml", small_study(tiny_encoder, texts))
    done = command("run", study, "--plugin", plugin, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = records(tmp_path / "runs" / "small")
    assert found["norms/0"]["status"] == "ok"
    assert 0 < found["norms/0"]["parameters"]["trainable_params"] < found["full_ft/0"]["parameters"]["trainable_params"]
    assert "LayerNorm only" in (tmp_path / "reports" / "small" / "table3.md").read_text(encoding="utf-8")


def test_the_files_and_methods_it_names_exist() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link
    (listed,) = re.findall(r"methods/ +one file a method: (.*)", README)
    assert set(listed.split(", ")) == set(registry.find())


def test_its_table_is_the_committed_report() -> None:
    source, shown = re.findall(r"<!-- table: (\S+) -->\n(.*?)<!-- end -->", README, flags=re.DOTALL)[0]
    table = [line for line in (ROOT / source).read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert [line for line in shown.splitlines() if line.startswith("|")] == table
