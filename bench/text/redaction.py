"""Redact credentials in text before it is printed or written.

Credentials are: user and password of a URL, query parameters with a secret's name, tokens with a known prefix, values
beside a name such as ``password``, and the values of environment variables with such names.
"""

import re
import shlex
import string
from collections.abc import Container, Iterable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from bench.text.secret_names import REDACTED, environment_secrets, says_secret, says_secret_in_query, words_of

#: Characters; redacting shorter values would leave no message.
SHORTEST_SECRET = 3


def without_secrets(text: str) -> str:
    """The text with user, password and query removed from its URIs."""
    without_users = re.sub(r"(^|=|//)[^/\s=]*@", r"\1", text)
    return re.sub(r"(//[^\s'\"?]*+)(?:\?[^\s'\")]*+)?", r"\1", without_users)


def secrets_of(uri: str) -> set[str]:
    """Possible secrets of a URI: user, password and query values, both quoted and unquoted.

    They are redacted in a client's messages, which quote parts of a URI that no longer look like one.
    """
    try:
        parts = urlsplit(uri)
        values = parts.netloc.rpartition("@")[0].split(":")
    except ValueError:
        return set()
    values += [pair.partition("=")[2] for pair in parts.query.split("&")]
    return {form for value in values if value for form in (value, unquote(value)) if len(form) >= SHORTEST_SECRET}


#: Tokens with a prefix of their issuer: Hugging Face, GitHub, GitLab, Slack, AWS, Google, OpenAI and others, PyPI, npm,
#: JWT, Stripe, SendGrid, HashiCorp, DigitalOcean. Long parts are bounded or possessive, so that the time stays linear.
HUB_TOKEN = r"hf_(?:(?:oauth|jwt)_[\w.~+/=-]+|[A-Za-z0-9]{10,})"
_MARKED = re.compile(
    rf"{HUB_TOKEN}|gh[opusr]_[A-Za-z0-9]{{16,}}|github_pat_\w{{16,}}|glpat-[\w-]{{16,}}|(?:xox[a-z]|xapp)-[\w-]{{8,}}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|AIza[\w-]{35}|\bsk-(?=[\w-]{0,100}\d)[\w-]{20,}|pypi-[\w-]{50,}"
    r"|npm_[A-Za-z0-9]{30,}|\bdapi[0-9a-f]{32}\b|(?<![\w-])eyJ[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]*+)?"
    r"|\b[sr]k_(?:live|test)_\w{8,}|\bwhsec_\w{16,}|\bya29\.[\w-]{8,}[\w.-]*|\bSG\.[\w-]{16,}[\w.-]*"
    r"|\bhv[sbr]\.[\w-]{16,}|\bdo[opr]_v1_\w{16,}"
    r"|(?<=hooks\.slack\.com/services/)[\w/-]+|(?<=/api/webhooks/)\d{5,}/[\w-]+"
)
#: A PEM key, also on one line or without its end marker; ``_PEM_END`` finds those without their start.
_PEM = re.compile(
    r"(-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----).*?(?:-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)",
    re.DOTALL,
)
_PEM_END = re.compile(r"-----END [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_OF_PEM = f"{string.ascii_letters}{string.digits}+/=\\{string.whitespace}"
#: User and password of a URL. ``Path`` makes one slash of two. A password may hold "/"; a port is followed by one.
_USER = re.compile(
    r"(?<=:/)(/{0,3})(?:[^\s/\"'<>\[\]@:]{0,200}+:(?!\d{1,5}(?:/|$))[^\s\"<>@]{0,500}+(?:@[^\s/\"'<>@]{0,200}+){0,20}?"
    r"|[^\s/\"'<>]{1,500})@(?=[^\s/@]{0,255}(?:[/?#\s\"',:;)]|$))"
)
#: The same in a URL that is the value of another URL's parameter.
_QUOTED_USER = re.compile(
    r"(%(?:25){0,3}3A(?:%(?:25){0,3}2F){2})(?:(?!%(?:25){0,3}2F)[^\s\"'<>&@]){1,500}?(?=%(?:25){0,3}40)", re.I
)
#: The same without a scheme: ``user:password@host``. A container image names its digest in the same form.
_BARE_USER = re.compile(
    r"(?:(?<![\w./:@+-])|(?<![\w:/]//)(?<=//))(?!mailto:)[\w.+-]{1,100}+:[^\s@/\"',;:]{1,200}+@(?!sha\d)(?=[A-Za-z0-9\[])"
)
#: ``curl -u user:password``; two numbers are a container's user and group.
_LOGIN = re.compile(
    r"(?<!\S)((?:-u|-U|--user|--proxy-user)(?:\s{1,3}|=)['\"]?)(?!\d{1,9}:\d)(?=[^\s:'\"]{1,100}+:(?!//)\S)[^\s'\"]+"
)
_LOGIN_OPTIONS = ("-u", "-U", "--user", "--proxy-user")
#: ``Authorization: Basic dXNlcjpwdw==``, ``Bearer abc.def``; lower-case words after "bearer" are prose.
_SCHEMES = "basic|bearer|digest|token|apikey|key|oauth|negotiate|ntlm|hawk|splunk"
_HEADER = re.compile(
    rf"(?i:(authorization\\{{0,4}}['\"]?\s{{0,5}}[:=]\s{{0,5}}\\{{0,4}}['\"]?(?:(?:{_SCHEMES})\s{{1,5}})?))[^\s'\",;\\]+"
)
_BEARER = re.compile(
    r"\b((?i:bearer)(?:\s{1,5}(?=[\w.~+/=-]{6})|['\"]?\s{0,3}[:=]\s{0,3}['\"]?))"
    r"(?![a-z-]{1,60}+(?![\w~+/=]|\.\w))[\w.~+/=-]+|\b(Bearer\s{0,3}[:=]\s{0,3})(?![a-z]{1,60}+ [a-z])[\w.~+/=-]+"
)
#: ``Cookie: sid=abc; theme=dark``: the whole line, because each part may be a session id.
_COOKIE = re.compile(
    r"(?i:(\b(?:set-)?cookie\\?['\"]?\s{0,3}[:=]\s{0,3}\\?['\"]?))[\w!#$%&*+.^`|~-]{1,100}+=[^\r\n'\"\\]+"
)
#: A name with an ending typical of secrets, and the separator before its value.
_LAST = r"(?i:passw(?:or)?d|passphrase|passcode|pwd|pass|pw|secrets?|keys?|credentials?|tokens?)(?:[_-]?\d{1,3})?"
_NAMED = re.compile(
    rf"(?<![\w.-])(?P<name>-{{0,2}}(?:[A-Za-z_][\w.-]{{0,80}}?)?{_LAST})(?P<quote>(?:\\{{0,4}}['\"])?)"
    r"(?P<join>\s{0,3}(?::=|=>|[=:])\s{0,3})"
)
_OPTION = re.compile(rf"(?<!\S)(?P<name>--?(?:[A-Za-z][\w-]{{0,80}}?)?{_LAST})(?P<quote>)(?P<join>\s{{1,3}})(?!-)")
#: The quotation mark that opens a value, possibly in a list; an unquoted value, which ends at a blank.
_MARK = re.compile(r"(?P<open>(?:[\[(]\s{0,3})?)(?P<mark>\\{0,8}(?:\"\"\"|'{3}|['\"]))")
_BARE = re.compile(r"(?:[^\s,;&\"'<>()\[\]{}`\\]|\\(?![\"']))+")
#: The text between quotation marks, up to the end of the line if the closing one is cut off.
_BETWEEN = {'"': re.compile(r'[^"\\\n]*+(?:\\.[^"\\\n]*+)*+'), "'": re.compile(r"[^'\\\n]*+(?:\\.[^'\\\n]*+)*+")}
_IN_LIST = re.compile(r"[^\])\n]*+")
_NOTHING = re.compile(
    r"(?P<mark>\\{0,8}['\"])(?:None|null|[Tt]rue|[Ff]alse)?(?P=mark)(?!['\"])"
    r"|(?:None|null|[Tt]rue|[Ff]alse)(?=[\s,;&\"'<>()\[\]{}`\\]|$)"
)
#: Words of a sentence.
_PROSE = re.compile(r"[a-z]{1,60}+ [a-z]")
_QUERY = re.compile(r"(?P<begin>[?&;#])(?P<name>[\w.\[\]%~-]{1,80})(?P<join>=)(?P<value>[^\s&;#\"'<>()]+)")
_QUOTED_QUERY = re.compile(
    r"(?P<begin>[?&;#]|%(?:25){0,3}(?:3F|26|23|3B))(?P<name>[\w.~-]{1,80}+)(?P<join>%(?:25){0,3}3D)"
    r"(?P<value>(?:(?!%(?:25){0,3}(?:26|23|3B))[^\s&;#\"'<>()])+)",
    re.I,
)
#: Characters; a shorter secret is redacted only where it is a whole word.
_SURE = 12


def redacted(text: str, secrets: Iterable[str] | None = None) -> str:
    """The text with each credential replaced by ``REDACTED``; redacting twice changes nothing.

    Args:
        text: foreign text; the time is proportional to its length.
        secrets: values to redact wherever they occur; None: those of this process's environment.
    """
    for secret in environment_secrets() if secrets is None else secrets:
        if secret in text:
            sure = r"{}" if len(secret) >= _SURE else r"(?<!\w){}(?!\w)"
            text = re.sub(sure.format(re.escape(secret)), REDACTED, text)
    if ":/" in text:
        text = _USER.sub(rf"\1{REDACTED}@", text)
    if "@" in text:
        text = _BARE_USER.sub(f"{REDACTED}@", text)
    if "%" in text:
        text = _QUOTED_QUERY.sub(_without_parameter, _QUOTED_USER.sub(rf"\1{REDACTED}", text))
    if "-----BEGIN" in text:
        text = _PEM.sub(rf"\1{REDACTED}", text)
    if "-----END" in text:
        text = _without_ends_of_keys(text)
    text = _MARKED.sub(REDACTED, text)
    text = _BEARER.sub(rf"\1\2{REDACTED}", _HEADER.sub(rf"\1{REDACTED}", text))
    if "=" in text:
        text = _COOKIE.sub(rf"\1{REDACTED}", _QUERY.sub(_without_parameter, text))
    if "=" in text or ":" in text:
        text = _without_values(_NAMED, text)
    return _without_values(_OPTION, _LOGIN.sub(rf"\1{REDACTED}", text)) if "-" in text else text


def redacted_words(words: Sequence[str], secrets: Iterable[str] | None = None) -> list[str]:
    """The words of a command, redacted; in URLs every value of the query is, whatever its name."""
    found: list[str] = []
    for word in words:
        before = found[-1] if found else ""
        secret = before.startswith("-") and "=" not in before and says_secret(before) and not word.startswith("--")
        if secret or (before in _LOGIN_OPTIONS and _LOGIN.match(f"-u {word}")):
            found.append(REDACTED)
        else:
            shown = redacted(word, secrets)
            found.append(_QUERY.sub(_without_any_parameter, shown) if "://" in word else shown)
    return found


def redacted_command(command: str, secrets: Iterable[str] | None = None) -> str:
    """A shell command with its words redacted; see ``redacted_words``."""
    try:
        return shlex.join(redacted_words(shlex.split(command), secrets))
    except ValueError:  # not valid shell syntax
        return redacted(command, secrets)


def redacted_content(content: Any, secrets: Iterable[str] | None = None, kept: Container[str] = ()) -> Any:
    """JSON content with its strings redacted, and wholly so beside a key that names a secret; keys stay.

    Args:
        content: JSON value.
        secrets: see ``redacted``.
        kept: keys whose values stay unchanged, at any depth.
    """
    if isinstance(content, dict):
        return {
            key: value if key in kept else _beside(key, redacted_content(value, secrets, kept))
            for key, value in content.items()
        }
    if isinstance(content, list | tuple):
        return [redacted_content(value, secrets, kept) for value in content]
    return redacted(content, secrets) if isinstance(content, str) else content


def _beside(key: str, value: Any) -> Any:
    """The redacted value of a key; a list under ``token`` may be a vocabulary and stays."""
    if isinstance(value, str):
        return REDACTED if value and says_secret(key) else value
    if isinstance(value, list) and says_secret(key) and words_of(key)[-1] != "token":
        return [REDACTED if isinstance(each, str) and each else each for each in value]
    return value


def holds_credentials(content: Any) -> bool:
    """Whether a string of JSON content is a credential, or is the value of a key such as ``password``.

    The key ``token`` alone does not count, because it may name a token of a vocabulary.
    """
    if isinstance(content, dict):
        return any(_is_password(key, value) or holds_credentials(value) for key, value in content.items())
    if isinstance(content, list):
        return any(map(holds_credentials, content))
    return isinstance(content, str) and redacted(content, ()) != content


def _is_password(key: str, value: Any) -> bool:
    return bool(words_of(key)[-1:] != ["token"] and _beside(key, value) != value)


def _without_ends_of_keys(text: str) -> str:
    """The text without PEM keys whose start is cut off: the end marker and all key characters before it go."""
    parts, at = [], 0
    for end in _PEM_END.finditer(text):
        parts += [text[at : end.start()].rstrip(_OF_PEM), REDACTED]
        at = end.end()
    return "".join([*parts, text[at:]])


def _without_values(heads: re.Pattern[str], text: str) -> str:
    """The text without the values of secret names.

    Args:
        heads: pattern of a name and the separator before its value. The value is matched only if the name is a
            secret's, and then skipped, so that no character is scanned twice.
        text: foreign text.
    """
    parts, at = [], 0
    while (head := heads.search(text, at)) is not None:
        parts.append(text[at : head.end()])
        at = head.end()
        if not says_secret(head["name"]) or _NOTHING.match(text, at) or _is_prose(head):
            continue
        begin, at = at, _end_of_value(text, at)
        opened = _MARK.match(text, begin)
        if opened is None:
            parts.append(REDACTED if at > begin else "")
            continue
        mark = opened["mark"]
        closed = opened["open"] or text.startswith(mark, at)
        parts.append(f"{opened['open']}{mark}{REDACTED}{mark if closed else ''}")
        at += len(mark) if closed and not opened["open"] else 0
    return "".join([*parts, text[at:]])


def _end_of_value(text: str, begin: int) -> int:
    """The end of the value that starts at ``begin``, without its closing quotation mark."""
    opened = _MARK.match(text, begin)
    if opened is None:
        found = _BARE.match(text, begin)
        return found.end() if found else begin
    mark = opened["mark"]
    if opened["open"]:
        between: re.Pattern[str] | None = _IN_LIST
    else:
        between = _BETWEEN.get(mark)
    if between is not None:
        found = between.match(text, opened.end())
    else:  # an escaped quotation mark, inside quoted text
        found = re.compile(rf".*?(?=(?<!\\){re.escape(mark)}|$)", re.MULTILINE).match(text, opened.end())
    return found.end() if found else opened.end()


def _is_prose(head: re.Match[str]) -> bool:
    """Whether prose follows, as in ``data.password: unknown key``; JSON quotes its names."""
    if ":" not in head["join"] or "=" in head["join"] or head["quote"]:
        return False
    goes_on = _PROSE.match(head.string, head.end()) is not None
    return goes_on or head["name"].lower() in ("token", "pass", "pw")


def _without_parameter(found: re.Match[str]) -> str:
    return _without_any_parameter(found) if says_secret_in_query(found["name"]) else found[0]


def _without_any_parameter(found: re.Match[str]) -> str:
    return f"{found['begin']}{found['name']}{found['join']}{REDACTED}"
