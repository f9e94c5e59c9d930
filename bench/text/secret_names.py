"""Recognise names of secrets, and collect the secrets in this process's environment."""

import json
import os
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

REDACTED = "REDACTED"

#: Last words of a name whose value is a secret.
_ALONE = {"password", "passwd", "passphrase", "passcode", "pwd", "pw", "secret", "secrets", "apikey", "credential",
          "credentials", "accesskey", "secretkey", "privatekey", "accountkey", "sharedaccesskey", "authtoken",
          "accesstoken", "sastoken", "sessiontoken"}  # fmt: skip
#: Endings of a last word that count too, as in ``PGPASSWORD``; names in capitals, as in the environment, have more.
_ENDINGS = ("password", "passwd", "passphrase", "passcode", "secret", "apikey", "accesskey", "secretkey", "privatekey",
            "authtoken", "accesstoken", "credential", "credentials")  # fmt: skip
_CAPITAL_ENDINGS = ("TOKEN", "PASS", "PWD")
_INNOCENT = {"bypass", "compass", "monkey", "hotkey", "turkey", "compat"}
#: Whether ``pass``, ``key`` or ``token`` is a secret depends on the word before it.
_PASSES = {"", "db", "user", "admin", "root", "smtp", "ftp", "proxy", "auth", "my", "login", "tracking"}
_KEYS = {"api", "access", "secret", "private", "account", "auth", "encryption", "signing", "ssh", "subscription",
         "master", "service", "license", "deploy", "client", "storage", "token", "aws", "wandb", "hf"}  # fmt: skip
_TOKENS = {"api", "access", "auth", "bearer", "refresh", "secret", "hf", "github"}
_VOCABULARY = {"bos", "eos", "pad", "unk", "sep", "cls", "mask", "special", "image", "audio", "video", "start", "end",
               "first", "last", "next", "prev", "previous", "begin", "stop", "boundary", "boi", "eoi", "per", "each",
               "unexpected", "invalid", "added", "extra", "padding", "unknown", "new", "label", "of"}  # fmt: skip
#: Further names of secrets in the query of a URL.
_IN_QUERY = {"key", "auth", "sig", "signature", "credential", "code", "sas", "jwt", "pin", "otp", "ticket", "session"}
#: Words that mark an environment variable as secret, anywhere in its name.
_OF_ENVIRONMENT = ("token", "tokens", "secret", "secrets", "password", "passwords", "passwd", "pass", "passphrase",
                   "pwd", "key", "keys", "apikey", "credential", "credentials", "pat", "auth")  # fmt: skip
#: Characters; redacting shorter values of the environment would leave no message.
_SHORTEST = 6
#: Values that are settings, not secrets.
_PLAIN = {"enabled", "enable", "disabled", "disable", "always", "never", "required", "optional", "default", "automatic",
          "digest", "bearer", "password", "secret", "keyring", "oauth2", "system", "unknown", "ignore",
          REDACTED.lower()}  # fmt: skip
#: Variables of the shell that name folders.
_FOLDERS = ("PWD", "OLDPWD")


def says_secret(name: str) -> bool:
    """Whether a name is that of a secret: ``api_key`` and ``HF_TOKEN_2`` are, ``tokenizer`` is not."""
    words = words_of(name)
    whole = len(words)
    while words and words[-1].isdigit():
        words.pop()
    if not words:
        return False
    last = words[-1].rstrip("0123456789")
    numbered = len(words) < whole or last != words[-1]
    before = words[-2] if len(words) > 1 else ""
    capitals = name.isupper()
    if numbered and not before and not capitals and last in ("token", "pass", "pw"):
        return False  # e.g. token1, the first token of a text
    if last == "token":
        return before not in _VOCABULARY
    if last == "tokens":
        return before in _TOKENS
    if last in ("key", "keys"):
        return before in _KEYS or (capitals and last == "key" and bool(before))
    if last in _ALONE or last.endswith(_ENDINGS) or (last == "pass" and before in _PASSES):
        return True
    known = last in _INNOCENT or last.removesuffix("token") in _VOCABULARY
    return capitals and not known and last.upper().endswith(_CAPITAL_ENDINGS)


def says_secret_in_query(name: str) -> bool:
    """Whether the name of a URL's query parameter is that of a secret; ``sig`` and ``code`` are too."""
    words = words_of(name)
    return says_secret(name) or (bool(words) and words[-1] in _IN_QUERY)


def words_of(name: str) -> list[str]:
    """The lower-case words of a name in snake_case, kebab-case or camelCase."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return [word for word in re.split(r"[^A-Za-z0-9]+", apart.lower()) if word]


def environment_secrets() -> list[str]:
    """The values of environment variables with names of secrets, in all quoted forms, longest first."""
    found: set[str] = set()
    for name, whole in os.environ.items():
        if name in _FOLDERS or not _of_environment(name):
            continue
        for value in {whole.strip(), *map(str.strip, whole.splitlines())}:
            if _may_be_secret(value):
                found.update(_forms(value))
    return sorted(found, key=len, reverse=True)


def _of_environment(name: str) -> bool:
    words = [word for part in words_of(name) for word in re.split(r"\d+", part) if word]
    joined = bool(words) and words[-1] not in _INNOCENT and words[-1].endswith(_OF_ENVIRONMENT)
    return joined or not set(_OF_ENVIRONMENT).isdisjoint(words)


def _may_be_secret(value: str) -> bool:
    """Whether a value is not a setting, a number, an existing path or a PEM marker."""
    if len(value) < _SHORTEST or value.lower() in _PLAIN or value.startswith("-----"):
        return False
    try:
        float(value)
    except ValueError:
        return not (os.sep in value and all(map(os.path.exists, value.split(os.pathsep))))
    return False


def _forms(value: str) -> Iterator[str]:
    """The value as it is, as URLs quote it, and as Python and JSON escape it."""
    yield value
    yield quote(value, safe="", errors="replace")
    yield quote(value, errors="replace")
    yield quote_plus(value, errors="replace")
    yield repr(value)[1:-1]
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
