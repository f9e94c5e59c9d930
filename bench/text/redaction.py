"""Credentials, taken out of text before it is printed or written down.

What counts as one: user and password of an address, parameters of its query whose names say so, tokens that their
issuers mark by how they begin, values beside a name such as ``password``, and the values of such variables of the
environment.
"""

import os
import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote, unquote, urlsplit

#: Characters; to strike out what is shorter would leave no message.
SHORTEST_SECRET = 3


def without_secrets(text: str) -> str:
    """Text whose URIs have lost user, password and query."""
    return re.sub(r"(//[^\s'\"?]*)\?[^\s'\")]*", r"\1", re.sub(r"(^|=|//)[^/\s=]*@", r"\1", text))


def secrets_of(uri: str) -> set[str]:
    """What of a URI may be secret: user, password and the values of its query, as they stand there and spelled out.

    A client's messages quote parts of an address that no longer look like one.
    """
    try:
        parts = urlsplit(uri)
        told = parts.netloc.rpartition("@")[0].split(":")
    except ValueError:
        return set()
    told += [pair.partition("=")[2] for pair in parts.query.split("&")]
    return {form for value in told if value for form in (value, unquote(value)) if len(form) >= SHORTEST_SECRET}


REDACTED = "REDACTED"

#: Tokens that their issuers mark: Hugging Face, GitHub, GitLab, Slack, AWS, Google, OpenAI and others, PyPI, npm, JWT.
HUB_TOKEN = r"hf_(?:(?:oauth|jwt)_[\w.~+/=-]+|[A-Za-z0-9]{10,})"
_MARKED = re.compile(
    rf"{HUB_TOKEN}|gh[opusr]_[A-Za-z0-9]{{20,}}|github_pat_\w{{20,}}|glpat-[\w-]{{16,}}|xox[abeoprs]-[\w-]{{10,}}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|AIza[\w-]{35}|\bsk-(?=[\w-]*\d)[\w-]{20,}|pypi-[\w-]{50,}|npm_[A-Za-z0-9]{30,}"
    r"|\bdapi[0-9a-f]{32}\b|\beyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"
)
#: A key in PEM, be it on one line or cut off.
_PEM = re.compile(r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
#: User and password of an address. ``Path`` makes one slash of two. A password may hold "/", a port is followed by one.
_USER = re.compile(
    r"(?<=:/)(/*)(?:[^\s/\"'<>\[\]@:]{0,200}:(?!\d{1,5}(?:/|$))[^\s\"<>@]{0,500}(?:@[^\s/\"'<>@]{0,200})*?"
    r"|[^\s/\"'<>]{1,500})@(?=[^\s/@]{0,255}(?:[/?#\s\"',:;)]|$))"
)
#: The same without a scheme: ``user:password@host``; an image of a container names its digest likewise.
_BARE_USER = re.compile(r"(?<![\w./:@-])(?!mailto:)[\w.+-]{1,100}:[^\s@/\"',;:]{1,200}@(?!sha\d)(?=[A-Za-z0-9\[])")
#: ``Authorization: Basic dXNlcjpwdw==``, ``Bearer abc.def``; prose that follows the word bearer is in small letters.
_HEADER = re.compile(
    r"(?i:(authorization['\"]?\s{0,5}[:=]\s{0,5}['\"]?(?:(?:basic|bearer|digest|token)\s{1,5})?))[^\s'\",;]+"
)
_BEARER = re.compile(r"\b((?i:bearer)\s{1,5})(?![a-z]+\b)[\w.~+/=-]{6,}")
#: A name that ends as those of secrets do, what joins it with its value, and the value, in quotes or up to a blank.
_VALUE = r"(?:\"(?:[^\"\\\n]|\\.){0,2000}\"|'(?:[^'\\\n]|\\.){0,2000}'|[^\s,;&\"'<>()\[\]{}`]+)"
_LAST = r"(?i:passw(?:or)?d|passphrase|passcode|pwd|pass|pw|secrets?|key|credentials?|token)"
_NAMED = re.compile(
    rf"(?<![\w.-])(?P<name>-{{0,2}}(?:[A-Za-z_][\w.-]{{0,80}}?)?{_LAST})(?P<quote>['\"]?)(?P<join>\s{{0,3}}[=:]\s{{0,3}})(?P<value>{_VALUE})"
)
_OPTION = re.compile(
    rf"(?<!\S)(?P<name>--?(?:[A-Za-z][\w-]{{0,80}}?)?{_LAST})(?P<join>\s{{1,3}})(?P<value>(?!-){_VALUE})"
)
_QUERY = re.compile(r"(?P<begin>[?&;#])(?P<name>[\w.\[\]%~-]{1,80})=(?P<value>[^\s&;#\"'<>()]+)")

#: Last words of a name whose value is a secret.
_ALONE = {"password", "passwd", "passphrase", "passcode", "pwd", "pw", "secret", "secrets", "apikey", "credential",
          "credentials", "accesskey", "secretkey", "privatekey", "accountkey", "sharedaccesskey", "authtoken",
          "accesstoken", "sastoken", "sessiontoken"}  # fmt: skip
#: A ``key`` is secret by the word before it, ``tokens`` of a vocabulary are none.
_PASSES = {"", "db", "user", "admin", "root", "smtp", "ftp", "proxy", "auth", "my", "login", "tracking"}
_KEYS = {"api", "access", "secret", "private", "account", "auth", "encryption", "signing", "ssh", "subscription",
         "master", "service", "license", "deploy", "client", "storage", "token", "aws", "wandb", "hf"}  # fmt: skip
_VOCABULARY = {"bos", "eos", "pad", "unk", "sep", "cls", "mask", "special", "image", "audio", "video", "start", "end",
               "first", "last", "next", "prev", "previous", "begin", "stop", "boundary", "boi", "eoi", "per", "each",
               "unexpected", "invalid", "added", "extra", "padding", "unknown", "new", "label", "of"}  # fmt: skip
#: In the query of an address these are secret besides.
_IN_QUERY = {"key", "auth", "sig", "signature", "credential", "code", "sas", "jwt", "pin", "otp", "ticket", "session"}
#: A shorter value of the environment is no secret, and to strike it out would leave no message.
_SHORTEST, _SURE = 6, 12
#: Variables of the shell that name folders.
_FOLDERS = ("PWD", "OLDPWD")


def redacted(text: str, secrets: Iterable[str] | None = None) -> str:
    """The text with each credential replaced by a word; what is redacted already stays as it is.

    Args:
        text: any; the time is proportional to its length.
        secrets: values to take out wherever they stand; None: those of this process's environment.
    """
    for secret in environment_secrets() if secrets is None else secrets:
        if secret in text:
            sure = r"{}" if len(secret) >= _SURE else r"(?<!\w){}(?!\w)"
            text = re.sub(sure.format(re.escape(secret)), REDACTED, text)
    if ":/" in text:
        text = _USER.sub(rf"\1{REDACTED}@", text)
    if "@" in text:
        text = _BARE_USER.sub(f"{REDACTED}@", text)
    if "-----BEGIN" in text:
        text = _PEM.sub(rf"\1{REDACTED}", text)
    text = _MARKED.sub(REDACTED, text)
    text = _BEARER.sub(rf"\1{REDACTED}", _HEADER.sub(rf"\1{REDACTED}", text))
    if "=" in text:
        text = _QUERY.sub(_without_parameter, text)
    if "=" in text or ":" in text:
        text = _NAMED.sub(_without_value, text)
    return _OPTION.sub(_without_value, text) if "-" in text else text


def redacted_words(words: Sequence[str], secrets: Iterable[str] | None = None) -> list[str]:
    """The words of a command, redacted; of an address in them every value of the query, whatever its name says."""
    found: list[str] = []
    for word in words:
        before = found[-1] if found else ""
        if before.startswith("-") and "=" not in before and says_secret(before) and not word.startswith("--"):
            found.append(REDACTED)
        else:
            shown = redacted(word, secrets)
            found.append(_QUERY.sub(_without_any_parameter, shown) if "://" in word else shown)
    return found


def redacted_command(command: str, secrets: Iterable[str] | None = None) -> str:
    """A line of a shell, its words redacted; see ``redacted_words``."""
    try:
        return shlex.join(redacted_words(shlex.split(command), secrets))
    except ValueError:  # written by hand, and no line of a shell
        return redacted(command, secrets)


def redacted_content(content: Any, secrets: Iterable[str] | None = None) -> Any:
    """Content of JSON with its texts redacted, and those beside a key that says that they are secret; keys stay."""
    if isinstance(content, dict):
        named = {key for key, value in content.items() if value and isinstance(value, str) and says_secret(key)}
        return {key: REDACTED if key in named else redacted_content(value, secrets) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [redacted_content(value, secrets) for value in content]
    return redacted(content, secrets) if isinstance(content, str) else content


def holds_credentials(content: Any) -> bool:
    """Whether a text of JSON content holds what ``redacted`` takes out, or stands beside a key such as ``password``.

    A bare ``token`` may be one of a vocabulary, so that such a key alone does not tell.
    """
    if isinstance(content, dict):
        return any(_is_password(key, value) or holds_credentials(value) for key, value in content.items())
    if isinstance(content, list):
        return any(map(holds_credentials, content))
    return isinstance(content, str) and redacted(content, ()) != content


def says_secret(name: str) -> bool:
    """Whether a name says that its value is a secret: ``api_key`` and ``HF_TOKEN`` do, ``tokenizer`` does not."""
    words = _words(name)
    if not words:
        return False
    last, before = words[-1], words[-2] if len(words) > 1 else ""
    if last == "token":
        return before not in _VOCABULARY
    if last == "key":
        return before in _KEYS or (name.isupper() and bool(before))
    return last in _ALONE or (last == "pass" and before in _PASSES)


def environment_secrets() -> list[str]:
    """The values of variables whose names say that they are secret, the longest first, also as addresses quote them."""
    found: set[str] = set()
    for name, value in os.environ.items():
        value = value.strip()
        if len(value) >= _SHORTEST and says_secret(name) and name not in _FOLDERS and value != REDACTED:
            found |= {value, quote(value, safe="")}
    return sorted(found, key=len, reverse=True)


def _words(name: str) -> list[str]:
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return [word for word in re.split(r"[^A-Za-z0-9]+", apart.lower()) if word]


def _is_password(key: str, value: Any) -> bool:
    told = isinstance(value, str) and value not in ("", REDACTED)
    return told and says_secret(key) and _words(key)[-1] != "token"


def _without_value(found: re.Match[str]) -> str:
    groups = found.groupdict()
    name, value = groups["name"], groups["value"]
    if not says_secret(name) or value.strip("'\"") in ("", "None", "null", "True", "False", "true", "false"):
        return found[0]
    if _is_prose(found):
        return found[0]
    mark = value[0] if value[0] in "'\"" else ""
    return f"{name}{groups.get('quote') or ''}{groups['join']}{mark}{REDACTED}{mark}"


def _is_prose(found: re.Match[str]) -> bool:
    """Whether a sentence follows, as in ``data.password: unknown key``; in JSON names are quoted."""
    groups = found.groupdict()
    if ":" not in groups["join"] or groups.get("quote"):
        return False
    goes_on = re.match(r" [a-z]", found.string[found.end() : found.end() + 2])
    return groups["name"].lower() in ("token", "pass", "pw") or bool(
        goes_on and re.fullmatch("[a-z]+", groups["value"])
    )


def _without_parameter(found: re.Match[str]) -> str:
    words = _words(found["name"])
    secret = says_secret(found["name"]) or (bool(words) and words[-1] in _IN_QUERY)
    return _without_any_parameter(found) if secret else found[0]


def _without_any_parameter(found: re.Match[str]) -> str:
    return f"{found['begin']}{found['name']}={REDACTED}"
