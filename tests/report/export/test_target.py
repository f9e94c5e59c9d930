"""Where results are logged to: what is understood, refused and shown."""

import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from bench.errors import RequestError
from bench.report.export import export, parse_target
from tests.report.conftest import MakeRecord
from tests.report.export.conftest import ResultsOf


def test_each_is_shown_as_it_was_given(tmp_path: Path) -> None:
    texts = [f"tensorboard={tmp_path / 'me@home' / 'tb'}", "mlflow=https://host:5000/a=b"]
    assert [str(parse_target(text)) for text in texts] == texts
    assert (tmp_path / "me@home" / "tb").is_dir()


def test_a_folder_stands_for_a_store_in_files(tmp_path: Path) -> None:
    target = parse_target(f"mlflow={tmp_path / 'runs of mine'}")
    assert target.place == (tmp_path / "runs of mine").as_uri()


def test_the_default_workspace_of_databricks() -> None:
    assert parse_target("mlflow=databricks").place == "databricks"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wandb=x", "no such target; possible are tensorboard=DIR and mlflow=URI"),
        ("tensorboard", "names no target; possible are"), ("mlflow=", "names no target; possible are"),
        ("=x", "no such target"), ("tensorboard=s3://bucket", "must be a folder"),
        ("tensorboard=a\0b", "cannot be written"),
        ("mlflow=ftp://host", "must be a folder or a URI of http:, https:, file:"), ("mlflow=http://[", "is no URI"),
        ("mlflow=127.0.0.1:5000", "is no URI, as http://127.0.0.1:5000 is"),
        ("mlflow=sqlite:runs.db", "is no URI of a database, as sqlite:///FILE is"),
        ("wandb=x", "wandb=x: no such target"),
    ],
)  # fmt: skip
def test_a_wrong_target_says_what_is_possible(text: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        parse_target(text)


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(RequestError, match="cannot be written: File exists; name another folder"):
        parse_target(f"tensorboard={tmp_path / 'file'}")


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_package_that_is_missing_is_named_with_its_extra(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(RequestError, match=rf"pip install 'tunebench\[{name}\]'"):
        parse_target(f"{name}={tmp_path}")


def test_a_database_needs_the_whole_of_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(RequestError, match=r"postgresql\+psycopg2://host/db: a database .* pip install mlflow"):
        parse_target("mlflow=postgresql+psycopg2://someone:secret@host/db")


@pytest.mark.parametrize("place", ["https://someone:secret@host/a?token=secret", "http://secret@host/a"])
def test_what_is_secret_is_not_shown(place: str) -> None:
    target = parse_target(f"mlflow={place}")
    assert "secret" in target.place
    assert str(target) in ("mlflow=https://host/a", "mlflow=http://host/a")
    for wrong in (f"nlflow={place}", place, "mlflow=someone:secret@host"):
        with pytest.raises(RequestError) as raised:
            parse_target(wrong)
        assert "secret" not in str(raised.value)


def test_what_was_done_in_a_line(results_of: ResultsOf, make_record: MakeRecord, tmp_path: Path) -> None:
    target, said = parse_target(f"tensorboard={tmp_path}"), io.StringIO()
    console = Console(file=said, width=20)
    export(results_of(make_record()), target, console)
    export(results_of(make_record(), make_record(seed=1), make_record("oom", seed=2)), target, console)
    assert said.getvalue().splitlines() == [
        f"logged 1 cell to tensorboard={tmp_path}",
        f"logged 2 cells to tensorboard={tmp_path}; 1 logged before",
    ]
