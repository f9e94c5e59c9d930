"""Explanations of access errors, without tokens."""

from pathlib import Path

import pytest
from huggingface_hub import constants

from bench.data.hub import licence_page, reason, without_tokens

LOOKS_LIKE_ONE = "hf_" + "Example" * 5
UNLIKE_ANY = "secret of a mirror"


class TestWithoutTokens:
    @pytest.fixture(autouse=True)
    def _home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_ID_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setattr(constants, "HF_STORED_TOKENS_PATH", str(tmp_path / "stored_tokens"))

    @pytest.mark.parametrize(
        "token", [LOOKS_LIKE_ONE, "hf_oauth_eyJ-x_y.z", "hf_jwt_eyJ.x_y-z=="], ids=["access", "oauth", "jwt"]
    )
    def test_what_looks_like_a_token(self, token: str) -> None:
        assert without_tokens(f"b'Bearer {token}', then?token={token}&x") == "b'Bearer REDACTED', then?token=REDACTED&x"

    @pytest.mark.parametrize("name", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_OIDC_ID_TOKEN"])
    def test_what_the_environment_holds(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        assert without_tokens(UNLIKE_ANY) == UNLIKE_ANY
        monkeypatch.setenv(name, f" {UNLIKE_ANY}\n")
        assert without_tokens(f"<{UNLIKE_ANY}>") == "<REDACTED>"

    def test_what_the_login_stored(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text(f"{UNLIKE_ANY}\n")
        stored = f"[one]\nhf_token = another {UNLIKE_ANY}\nrefresh_token = 100% fresh\nexpires_at = 1234567890\n"
        (tmp_path / "stored_tokens").write_text(stored)
        said = f"{UNLIKE_ANY}, another {UNLIKE_ANY}, 100% fresh, 1234567890"
        assert without_tokens(said) == "REDACTED, REDACTED, REDACTED, 1234567890"

    def test_a_store_that_cannot_be_read_hides_nothing_else(self, tmp_path: Path) -> None:
        (tmp_path / "token").write_text(UNLIKE_ANY)
        (tmp_path / "stored_tokens").write_bytes(b"no [section\xff")
        assert without_tokens(UNLIKE_ANY) == "REDACTED"

    def test_what_is_too_short_to_be_one_leaves_the_message_readable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HF_TOKEN", "o")
        said = "hf_hub_download: not found"
        assert without_tokens(said) == said


class TestReason:
    def test_another_error_is_quoted(self) -> None:
        assert reason(OSError(f"no route for {LOOKS_LIKE_ONE}"), "o/n", "model") == "OSError: no route for REDACTED"

    def test_a_circular_chain_of_causes(self) -> None:
        first, second = OSError("one"), OSError("two")
        first.__cause__, second.__cause__ = second, first
        assert reason(first, "o/n", "dataset") == "OSError: one"


@pytest.mark.parametrize(
    ("hub_id", "kind", "page"),
    [
        ("owner/name", "model", f"{constants.ENDPOINT}/owner/name"),
        ("owner/name", "dataset", f"{constants.ENDPOINT}/datasets/owner/name"),
        ("Qwen/Qwen2.5-7B-Instruct", "model", "https://huggingface.co/Qwen/Qwen2.5-7B-Instruct"),
    ],
)
def test_licence_page(hub_id, kind, page) -> None:
    assert licence_page(hub_id, kind) == page
