"""Credentials in text: what is taken out, and what must stay as it is."""

import json
import os
import re
import time
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from bench.text.redaction import (
    holds_credentials,
    redacted,
    redacted_command,
    redacted_content,
    redacted_words,
    without_secrets,
)
from bench.text.secret_names import REDACTED, environment_secrets, says_secret
from tests.support import ROOT

#: Stands in each of them; none may be left.
SECRET = "PASSWORD"
LEAKS = [
    "https://user:PASSWORD@host/?token=PASSWORD", "mlflow=https://user:PASSWORD@host:5000/a",
    "https:/user:PASSWORD@host/a", "https://user:PASS/PASSWORD@host/a", "https://user:PASS@PASSWORD@host/a",
    "https://us:PASSWORD'x@host/a", "https://us:PASSWORD#x@host/a", "http://PASSWORD@host/a",
    "http://u:PASSWORD@[::1]:5000/a", "postgresql+psycopg2://someone:PASSWORD@host:5432/db", "someone:PASSWORD@host",
    "mlflow=someone:PASSWORD@host:80", "https://a:PASSWORD@h1 and https://b:PASSWORD@h2",
    "https://host/x?X-Amz-Signature=PASSWORD&X-Amz-Credential=PASSWORD&a=1", "https://host/x?sig=PASSWORD;key=PASSWORD",
    "https://host/x#access_token=PASSWORD", "url: /?api_key=PASSWORD/api", "hf_PASSWORDabcdefghijk",
    "ghp_PASSWORDPASSWORDPASSWORD12", "AKIAPASSWORD12345678", "Authorization: Bearer PASSWORD123",
    "{'authorization': 'Basic PASSWORD='}", "Bearer PASSWORD9", "--password PASSWORD", "--api-key=PASSWORD x",
    "unrecognized arguments: --token PASSWORD", "aws_secret_access_key=PASSWORD/abc+def",
    "AWS_SECRET_ACCESS_KEY: PASSWORD", '{"token": "PASSWORD", "a": 1}', 'password = "two words of PASSWORD"',
    "MY_TOKEN=PASSWORD", "dbToken=PASSWORD", "Server=x;Password=PASSWORD;UID=a",
    "-----BEGIN RSA PRIVATE KEY-----\nPASSWORD\nPASSWORD\n-----END RSA PRIVATE KEY-----",
    "GET: failed\nPASSWORD+/x\nPASSWORD=\n-----END RSA PRIVATE KEY-----\nand on",
    "-----END PGP PUBLIC KEY-----\nPASSWORD\n-----END PGP PRIVATE KEY BLOCK-----", "PGPASSWD=PASSWORD psql",
    'password = """PASSWORD"""', "SSHPASS=PASSWORD TOKEN2=PASSWORD HF_TOKEN_2=PASSWORD OPENAI_KEY_1=PASSWORD",
    "curl -u user:PASSWORD https://host", "curl --user='user:PASSWORD' https://host",
    "https%3A%2F%2Fu%3APASSWORD%40host", "next=https%253A%252F%252Fu%253APASSWORD%2540host",
    "Cookie: theme=dark; sid=PASSWORD", "{'Set-Cookie': 'sid=PASSWORD; Path=/', 'a': 1}",
    '{\\"api_key\\": \\"PASSWORD of two words\\", \\"a\\": 1}', '{\\\\\\"api_key\\\\\\": \\\\\\"two PASSWORD\\\\\\"}',
    "password := PASSWORD", "password => 'PASSWORD'", "//u:PASSWORD@h", "https://host/?token%3DPASSWORD%26a%3D1",
    "https%3A%2F%2Fhost%3Fsig%3DPASSWORD", "api_keys=['PASSWORD', 'PASSWORD']", 'secrets: ["PASSWORD"]',
    "password1=PASSWORD password_2: PASSWORD9", "password='PASSWORD, which is cut off",
    f"password='{'x' * 3000} PASSWORD'", "Bearer: PASSWORD", "Bearer abc.PASSWORD",
    '{\\"Authorization\\": \\"Bearer PASSWORD\\"} Authorization: ApiKey PASSWORD',
    "sk_live_PASSWORD12 rk_test_PASSWORD12", "ya29.a0PASSWORD_x-yz.PASSWORD", "xapp-1-PASSWORD-12 xoxb-1-PASSWORD",
    "SG.PASSWORDabcdefghijkl.PASSWORD", "hvs.CAESIPASSWORDabcdef dop_v1_PASSWORDabcdef0123",
    "github_pat_PASSWORD_PASSWORD glpat-PASSWORDPASSWORD1 ghp_PASSWORDPASSWORD",
    "https://hooks.slack.com/services/T0/B0/PASSWORD", "sk-proj-PASSWORDPASSWORD-1",
]  # fmt: skip
HARMLESS = [
    "tokenizer=AutoTokenizer max_tokens=5 token_ids=[1, 2] max_new_tokens: 5",
    "`(tokenizer.pad_token = tokenizer.eos_token e.g.)`",
    'loss_tokens = "answer", "tokens_per_second": 5.0, "token_type_ids": "x"',
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "commit 44a0d7d0123456789abcdef0123456789abcdef0",
    "unexpected token: 'x'; a study of passwords and tokens: secrets are found",
    "must be KEY=VALUE, e.g. --only method=lora",
    "key 'text' appears twice; 6.7% of one pass: everything",
    "https://host:5000/a@b http://127.0.0.1:5000 https://openreview.net/forum?id=abc&x=1",
    "repo/image:tag@sha256:abcdef mailto:someone@host.org someone@host.org",
    "file:///home/me@home/x sqlite:////tmp/me@home/x.db",
    "the bearer authentication of this; log in with `hf auth login` or set HF_TOKEN",
    "study.toml: data.password: unknown key 'password'; key: must be at least 1",
    "keyboard=us monkey=banana secretary: Bob",
    "keys of options: a, b; options.keys = ['rank']; tokens: ['a', 'b'] max_tokens=['x'] keys=['a']",
    "token1: 'x', token_2 = 'y', pass_2: 3.5; pass 2: 12 s; BYPASS=1 TORCH_COMPAT=2 EOSTOKEN=3 MAX_TOKENS=5",
    "docker run -u 1000:1000 x; git push -u origin; cookie: a small cake; bearer: nobody; %3A%2F%2Fhost%2Fa%40b",
    "the bearer token. SG.short hvs.short ask-me-anything risk-averse-models-of-2024-and-more",
    "sort_key='a' then it's said; key = value; password: '' token=None",
]
#: Each made long is the worst text for some pattern.
PIECES = [
    "a", "a:", "@", "://a:", "a=", "://a@", "eyJabcdefgh.", "--a ", "?a=b&", "a='", ":/", "sk-", "-eyJ", "://", "//",
    "+", "+a:", "-----BEGIN ", "-----END A", "-----END PRIVATE KEY-----", "-----BEGIN PRIVATE KEY----- ", "pw='",
    'pw="', 'pw=\\"', "pw=\\", "\\", '"', "pass-", "token:", "token: a", "password=", "key=[' ", "cookie: a",
    "curl -u ", "-u a", "bearer ", "Authorization: ", "%3A%2F%2F", "%3F", "%3Fa", "?a%3D", "github_pat_", "hf_",
    "sk-sk_live_", "SG.", "ya29.", "xoxb-", "://a:" + "@a" * 50 + "<", "a_token", "api_key ", "A1", "\n", "é",
    "password:a",
]  # fmt: skip


@pytest.mark.parametrize("text", LEAKS)
def test_what_is_taken_out(text: str) -> None:
    shown = redacted(text, ())
    assert SECRET not in shown
    assert REDACTED in shown
    assert redacted(shown, ()) == shown


@pytest.mark.parametrize("text", HARMLESS)
def test_what_stays(text: str) -> None:
    assert redacted(text, ()) == text


def test_who_is_asked_and_for_what_stays() -> None:
    assert redacted("https://user:pw@host:80/a?token=x&page=2#top", ()) == (
        "https://REDACTED@host:80/a?token=REDACTED&page=2#top"
    )


def test_every_text_of_the_project_stays() -> None:
    paths = [*ROOT.glob("reports/**/*.*"), *ROOT.glob("bench/studies/*.toml"), *ROOT.glob("bench/catalog/*.toml")]
    for path in [*paths, ROOT / "README.md"]:
        if path.suffix in (".md", ".csv", ".tex", ".json", ".jsonl", ".toml"):
            lines = [line for line in path.read_text(encoding="utf-8").split("\n") if len(line) < 20_000]
            assert [line for line in lines if redacted(line, ()) != line] == [], path


def test_values_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SERVICE_PASSWORD", "open/sesame")
    monkeypatch.setenv("OTHER_API_KEY", "k1k2k3")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false-or-true")
    monkeypatch.setenv("SHORT_TOKEN", "a")
    said = "open/sesame, open%2Fsesame, k1k2k3 and xk1k2k3x: a false-or-true one"
    assert redacted(said) == f"{REDACTED}, {REDACTED}, {REDACTED} and xk1k2k3x: a false-or-true one"
    assert redacted(said, ()) == said


def test_which_variables_hold_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in environment():
        monkeypatch.delenv(name)
    names = [
        "PGPASSWORD", "SSHPASS", "TOKEN2", "HF_TOKEN_2", "OPENAI_KEY_1", "API_KEYS", "GITHUB_PAT", "AUTH",
        "AUTH_HEADER", "dbPassword",
    ]  # fmt: skip
    for name in names:
        monkeypatch.setenv(name, f"of-{name}-x")
    for name in ("KEYBOARD", "TORCH_COMPAT", "TOKENIZERS", "PATH_OF_X", "AUTHOR", "BYPASS"):
        monkeypatch.setenv(name, f"of-{name}-x")
    for name, value in (("A_KEY", "123456.5"), ("B_KEY", "Disabled"), ("C_KEY", "short"), ("SSH_AUTH_SOCK", tmp_path)):
        monkeypatch.setenv(name, str(value))
    assert sorted(environment_secrets()) == sorted(f"of-{name}-x" for name in names)


def test_forms_of_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "PASSWORD \"of'\\n\nPASSWORD/é line two\n")
    value = os.environ["MY_SECRET"].strip()
    for said in (value, repr(value), json.dumps(value), quote(value), quote_plus(value), *value.split("\n")):
        assert SECRET not in redacted(said), said


def environment() -> list[str]:
    """Variables that may hold secrets while the tests run."""
    return [name for name in os.environ if re.search("KEY|TOKEN|SECRET|PASS|PWD|AUTH|CREDENTIAL|PAT", name.upper())]


def test_the_words_of_a_command() -> None:
    words = [
        "run", "s.toml", "--log", "mlflow=https://u:p@h/?k=PASSWORD&b=PASSWORD", "--token", "-PASSWORD", "--tokens",
    ]  # fmt: skip
    shown = [*words[:3], "mlflow=https://REDACTED@h/?k=REDACTED&b=REDACTED", "--token", REDACTED, "--tokens"]
    assert redacted_words(words, ()) == shown
    command = "tunebench run 's t.toml' --password 'two PASSWORD'"
    assert redacted_command(command, ()) == "tunebench run 's t.toml' --password REDACTED"
    assert redacted_command("it's https://u:p@h", ()) == "it's https://REDACTED@h"


def test_content_of_json() -> None:
    content = {"api_key": "x", "pad_token": "<pad>", "max_tokens": 5, "notes": ["https://u:p@h"], "secret": None}
    shown = {**content, "api_key": REDACTED, "notes": ["https://REDACTED@h"]}
    assert redacted_content(content, ()) == shown
    assert redacted_content({"api_keys": ["x", 1], "token": ["cls"]}, ()) == {
        "api_keys": [REDACTED, 1],
        "token": ["cls"],
    }
    assert holds_credentials(content)
    assert holds_credentials({"api_keys": ["x"]})
    assert not holds_credentials(shown)
    assert not holds_credentials({"token": "cls", "pad_token": "<pad>", "deep": [{"key": "value"}]})


@pytest.mark.parametrize("name", ["HF_TOKEN", "api-key", "apiKey", "--password", "db_pass", "clientSecret", "MY_KEY"])
def test_names_of_secrets(name: str) -> None:
    assert says_secret(name)


@pytest.mark.parametrize("name", ["tokenizer", "key", "max_tokens", "eos_token", "passes", "secretary", "one_pass", ""])
def test_names_of_none(name: str) -> None:
    assert not says_secret(name)


@pytest.mark.parametrize("piece", PIECES)
def test_no_text_takes_long(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    began = time.process_time()
    redacted(text, ())
    without_secrets(text)
    assert time.process_time() - began < 1


def test_json_stays_json() -> None:
    text = json.dumps({"token": 'a "quoted" PASSWORD', "b": "https://u:PASSWORD@h"})
    assert json.loads(redacted(text, ())) == {"token": REDACTED, "b": f"https://{REDACTED}@h"}
