"""Keeps credentials out of everything that is written down: logs, errors, ``repr``, stored payloads.

A ``Redactor`` knows the secrets of one source and finds them plain, percent-encoded, JSON- or HTML-escaped and
inside base64 (HTTP Basic), in any mixture. Besides, it masks what is a credential by its place: the user part of a
URL, query parameters of signed URLs, authorization headers.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final
from weakref import WeakSet

from connectors.documents import JSON

MASK: Final = "…"

SHORT: Final = 8
"""A shorter secret is masked only as a whole word: else the password ``one`` would spoil every ``phone``."""

_LEARNED: Final = 16
"""How many short-lived tokens are remembered beside the declared secrets."""

_PARAMETERS: Final = (
    r"(?:access_|refresh_|id_|auth_|session_)?token|api[-_]?key|apikey|auth|authorization|password|passwd|pwd|"
    r"(?:client_)?secret|signature|sig|jwt|awsaccesskeyid|googleaccessid|(?:x-amz-|x-goog-)(?:signature|credential|security-token)"
)
_QUERY: Final = (
    rf"(?P<query>(?:[?&;]|%(?:25)*3[fF]|%(?:25)*26)(?i:{_PARAMETERS})(?:=|%(?:25)*3[dD]))"
    r"(?:(?!%(?:25)*26|&amp;)[^&#\s\"'<>\\])+"
)
_USER: Final = r"(?P<user>://)[^/?#\s@\"']+(?=@)"
_HEADER: Final = (
    r"(?P<header>(?i:(?<![\w-])"
    r"(?:(?:proxy-)?authorization|(?:x-)?api-?key|(?:set-)?cookie|(?:\w+-)+(?:auth|token|secret))"
    r"[\"']?\s*[:=,]\s*(?:b?[\"'])?(?:(?:basic|bearer|token|x-api-key:?)\s+)?))[^\s\"',]+"
)
_SCHEME: Final = r"(?P<scheme>(?i:(?<!\w)(?:basic|bearer|x-api-key:))\s+)(?=\S*[\d=])[\w+/=.~-]{6,}"
_IN_PAYLOADS: Final = re.compile(f"{_QUERY}|{_USER}")
_IN_TEXTS: Final = re.compile(f"{_QUERY}|{_USER}|{_HEADER}|{_SCHEME}")
_KEYS: Final = re.compile(
    r"(?i)(?:proxy-)?authorization|(?:x-)?api[-_]?key|set-cookie|password|client[-_]secret|(?:access|refresh)[-_]token"
)


class Redactor:
    """Masks the secrets of one source. ``text`` is for logs and errors, ``payload`` for what is stored."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._declared = frozenset(map(_plain, secrets))
        self._learned: tuple[str, ...] = ()
        self._compile()

    def __repr__(self) -> str:
        return f"Redactor({len(self._declared)} secrets)"

    def learn(self, secrets: Iterable[str]) -> None:
        """Adds tokens that came at run time; the oldest of many are forgotten, as they have long expired."""
        new = tuple(s for s in dict.fromkeys(map(_plain, secrets)) if s not in self._declared | {*self._learned})
        if new:
            self._learned = (*self._learned, *new)[-_LEARNED:]
            self._compile()

    def text(self, text: str) -> str:
        """``text`` fit for people and log files."""
        return _IN_TEXTS.sub(_mask, self._without_secrets(text))

    def payload(self, value: JSON) -> JSON:
        """A copy of a JSON value without credentials, in its keys too. Prose is left alone, only URLs are searched."""
        holder = [value]
        todo: list[Any] = [holder]
        while todo:
            node = todo.pop()
            for key, item in list(node.items() if isinstance(node, dict) else enumerate(node)):
                if isinstance(item, str):
                    secret = isinstance(key, str) and item and _KEYS.fullmatch(key)
                    node[key] = MASK if secret else self._string(item)
                elif isinstance(item, dict):
                    node[key] = {self._without_secrets(k): v for k, v in item.items()}
                    todo.append(node[key])
                elif isinstance(item, list | tuple):
                    node[key] = list(item)
                    todo.append(node[key])
        return holder[0]

    def _string(self, text: str) -> str:
        text = self._without_secrets(text)
        return _IN_PAYLOADS.sub(_mask, text) if "=" in text or "%" in text or "://" in text else text

    def _without_secrets(self, text: str) -> str:
        # A substring test is ten times cheaper than the expression, and nearly every string ends here.
        if any(probe in text for probe in self._probes):
            return self._secrets.sub(MASK, text)
        return text

    def _compile(self) -> None:
        secrets = sorted((s for s in {*self._declared, *self._learned} if s.strip()), key=len, reverse=True)
        cores = [core for secret in secrets for core in _base64_cores(secret)]
        self._probes = tuple({_longest_word(form) for form in (*secrets, *cores)})
        self._secrets = re.compile("|".join([*map(_secret, secrets), *map(_core, cores)]))


def _plain(secret: str) -> str:
    """The characters themselves, also of a ``contract.Secret``, which hides them from ``str()``."""
    return str.__str__(secret)


def _mask(match: re.Match[str]) -> str:
    return f"{match[match.lastgroup or 0]}{MASK}"


def _longest_word(text: str) -> str:
    word: str = max(re.split(r"[^A-Za-z0-9]+", text), key=len)
    return word


# --- all the ways to write a secret ---------------------------------------------------------------------------


def _secret(secret: str) -> str:
    pattern = "".join(map(_any_escape, re.findall(r"\\+|[^\\]", secret)))
    return pattern if len(secret) >= SHORT else rf"(?:(?<![A-Za-z0-9])|(?<=%[\dA-Fa-f]{{2}})){pattern}(?![A-Za-z0-9])"


def _core(core: str) -> str:
    other = {"+": f"(?:-|{_any_escape('+')})", "/": f"(?:_|{_any_escape('/')})"}
    return "".join(other.get(char, char) for char in core) + r"[A-Za-z0-9+/_-]{0,2}(?:=|%(?:25)*3[dD]){0,2}"


def _base64_cores(secret: str) -> Iterator[str]:
    """What base64 makes of the secret wherever it stands inside something longer, without the shared end characters."""
    data = secret.encode("utf-8", "surrogatepass")
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data + bytes(2)).decode()
        core = encoded[-(-8 * before // 6) : 8 * (before + len(data)) // 6]
        if len(core) >= SHORT - 2:
            yield core


def _any_escape(char: str) -> str:
    """An expression for one character in every writing of JSON, Python, HTML and URLs, escaped once or repeatedly."""
    if char.isascii() and char.isalnum():
        return char
    if char[0] == "\\":
        # Each escaping doubles backslashes, so a run of them is counted as one: apart they would be tried in every way.
        count = len(char)
        return rf"(?:\\{{{count},{8 * count}}}|(?:%(?:25)*5[cC]|&(?:amp;)*#(?:[xX]0*5[cC]|0*92);){{{count}}})"
    point = ord(char)
    octets = char.encode("utf-8", "surrogatepass")
    units = memoryview(char.encode("utf-16-be", "surrogatepass")).tolist()
    writings = {
        r"\\{0,8}" + re.escape(char),
        "".join(rf"%(?:25)*{_hex(octet, 2)}" for octet in octets),
        "".join(rf"\\{{1,8}}u{_hex(high << 8 | low, 4)}" for high, low in zip(units[::2], units[1::2], strict=True)),
        "".join(rf"\\{{1,8}}x{_hex(octet, 2)}" for octet in octets),
        rf"\\{{1,8}}U{_hex(point, 8)}",
        rf"&(?:amp;)*#(?:[xX]0*{_hex(point, 1)}|0*{point});",
        r"&(?:amp;)*" + re.escape(html.escape(char)[1:]) if html.escape(char) != char else "",
        r"\\{1,8}" + json.dumps(char)[2:-1] if char in "\b\f\n\r\t" else "",
        rf"\\{{1,8}}x{_hex(point, 2)}|%(?:25)*{_hex(point, 2)}" if point < 256 else "",
        r"\+" if char == " " else "",
    }
    return f"(?:{'|'.join(sorted(writings - {''}))})"


def _hex(number: int, width: int) -> str:
    return "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in f"{number:0{width}x}")


# --- logs: ours, and those of the libraries below ---------------------------------------------------------------

_LOGGERS: Final = (
    "connectors.transport",
    "connectors.wire",
    "httpx",
    *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
)


class RedactingFilter(logging.Filter):
    """Rewrites log records without the secrets of every living ``Redactor``. Handlers may carry it too."""

    redactors: Final[WeakSet[Redactor]] = WeakSet()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        for redactor in list(self.redactors):
            message = redactor.text(message)
        record.msg, record.args = message, ()
        return True


_FILTER: Final = RedactingFilter()


def guard_logs(redactor: Redactor) -> None:
    """From now on httpx, which logs URLs, and httpcore, which logs headers, log them redacted."""
    RedactingFilter.redactors.add(redactor)
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_FILTER)
