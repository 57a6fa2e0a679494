"""No credential survives in any writing, and nothing else is lost."""

from __future__ import annotations

import base64
import html
import json
import logging
import time
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from connectors.contract import Secret
from connectors.redaction import MASK, Redactor, guard_logs

SPECIAL = "\"'\\/+=&%?#:;@<>{}[]()|^~`!$*., \t\n\r\x00\x1f\x7f\x85éßЖ中🙂\u2028"
LETTERS = "abcXYZ019-_"

secrets = st.text(st.sampled_from(SPECIAL + LETTERS) | st.characters(codec="utf-8"), min_size=8, max_size=40).filter(
    lambda text: len(text.strip()) >= 8 and MASK not in text
)


def writings(secret: str) -> dict[str, str]:
    """One secret as logs, URLs, headers, JSON and HTML show it."""
    data = secret.encode()
    return {
        "plain": secret,
        "json": json.dumps(secret)[1:-1],
        "json in json": json.dumps(json.dumps(secret))[3:-3],
        "json, not ascii": json.dumps(secret, ensure_ascii=False)[1:-1],
        "json with escaped slashes": json.dumps(secret)[1:-1].replace("/", "\\/"),
        "json in capitals": "".join(f"\\u{ord(c):04X}" if ord(c) in range(128, 65_536) else c for c in secret),
        "repr": repr(secret)[1:-1],
        "repr of bytes": repr(data)[2:-1],
        "query": quote(secret, safe=""),
        "query in small letters": "".join(
            part.lower() if part.startswith("%") else part for part in (quote(c, safe="") for c in secret)
        ),
        "path": quote(secret),
        "form": quote_plus(secret),
        "quoted twice": quote(quote(secret, safe=""), safe=""),
        "html": html.escape(secret),
        "html, numbers": "".join(f"&#{ord(c)};" if not c.isalnum() else c for c in secret),
    }


@given(secret=secrets)
@settings(max_examples=200)
def test_secret_survives_in_no_writing(secret: str) -> None:
    """Random secrets with special characters vanish from every escaped form, and what stands around them stays."""
    redactor = Redactor([secret])
    for name, written in writings(secret).items():
        # Base64 padding and entities may be swallowed with it, letters beside it never.
        assert redactor.text(f"<{written}>") in (f"<{MASK}>", f"<{MASK}&gt;"), name
        assert redactor.payload({"a": [written]}) == {"a": [MASK]}, name


@given(secret=secrets, before=st.text(max_size=5), after=st.text(max_size=5))
@example(secret="live_0123456789", before="", after=":")
@settings(max_examples=200)
def test_secret_survives_in_no_base64(secret: str, before: str, after: str) -> None:
    """Inside base64, wherever it begins (Basic: user, colon, secret), at most the bits of its first and last byte stay."""
    whole = before + secret + after
    assume(whole.find(secret) == whole.rfind(secret) == len(before))
    data = whole.encode()
    start = len(before.encode())
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        written = encode(data).decode()
        redacted = Redactor([secret]).text(f"<{written}>")
        kept_before, _, kept_after = redacted[1:-1].partition(MASK)
        assert MASK in redacted
        assert len(kept_before) * 6 <= start * 8 + 8
        assert len(kept_after.rstrip("=")) * 6 <= len(after.encode()) * 8 + 8


@given(
    secret=secrets,
    payload=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    ),
)
def test_redaction_is_idempotent_and_gives_a_copy(secret: str, payload: object) -> None:
    """Redacting twice changes nothing more, and the payload that came is never changed."""
    redactor = Redactor([secret])
    before = json.dumps(payload)
    once = redactor.payload({"payload": payload, "secret": [secret]})
    assert redactor.payload(once) == once
    assert json.dumps(payload) == before
    assert once["secret"] == [MASK]


@given(text=st.text(st.characters(exclude_characters="=%@:", codec="utf-8")))
def test_text_without_credentials_is_left_alone(text: str) -> None:
    """Nothing but credentials is masked, so that stored payloads stay what the platform said."""
    assert Redactor(["kili-key-4711"]).payload([text]) == [text]


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("https://h/x?token=abc&page=2", "https://h/x?token=…&page=2"),
        ("https://h/x?page=2&api_key=abc#top", "https://h/x?page=2&api_key=…#top"),
        ("https://h/x?next_token=abc", "https://h/x?next_token=abc"),
        (
            "https://b.s3/x?X-Amz-Credential=A%2Fb&X-Amz-Signature=0f&X-Amz-Date=1",
            "https://b.s3/x?X-Amz-Credential=…&X-Amz-Signature=…&X-Amz-Date=1",
        ),
        ("https://s/x?X-Goog-Signature=0f&sig=a%2Bb&se=2026", "https://s/x?X-Goog-Signature=…&sig=…&se=2026"),
        ("<a href='https://h/?a=1&amp;signature=abc&amp;b=2'>", "<a href='https://h/?a=1&amp;signature=…&amp;b=2'>"),
        (
            "https://h/?next=https%3A%2F%2Fb%2Fx%3Ftoken%3Dabc%26page%3D2",
            "https://h/?next=https%3A%2F%2Fb%2Fx%3Ftoken%3D…%26page%3D2",
        ),
        ("https://user:pass@host/x", "https://…@host/x"),
        ("https://key@host/x", "https://…@host/x"),
        ("https://host/x?mail=a@example.com", "https://host/x?mail=a@example.com"),
    ],
)
def test_credentials_in_urls_are_masked(text: str, redacted: str) -> None:
    """Signatures, tokens and user parts go, in texts and in payloads; paging tokens, dates and mail addresses stay."""
    assert Redactor().text(text) == redacted
    assert Redactor().payload({"url": text}) == {"url": redacted}


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Authorization: Basic bGl2ZV8xOg==", "Authorization: Basic …"),
        ("authorization: Bearer abc.def.ghi", "authorization: Bearer …"),
        ("Authorization: X-API-Key: 0123", "Authorization: X-API-Key: …"),
        ("(b'authorization', b'Basic bGl2ZV8xOg==')", "(b'authorization', b'Basic …')"),
        ('{"x-api-key": "0123", "a": 1}', '{"x-api-key": "…", "a": 1}'),
        ("sent Bearer eyJhbGciOiJIUzI1NiJ9.e30.x1", "sent Bearer …"),
        ("Basic authentication is required", "Basic authentication is required"),
        ("the next_token is missing", "the next_token is missing"),
    ],
)
def test_authorization_headers_are_masked_in_texts(text: str, redacted: str) -> None:
    """A header that slipped into a message is masked though nobody declared its value; prose is not."""
    assert Redactor().text(text) == redacted


def test_payload_masks_values_named_like_credentials() -> None:
    """Stored payloads lose the values of credential keys, and only those."""
    payload = {
        "password": "x",
        "api_key": "y",
        "headers": [{"Authorization": "z"}],
        "token": "word",
        "secretary": "w",
        "password_count": 3,
    }
    assert Redactor().payload(payload) == {
        "password": MASK,
        "api_key": MASK,
        "headers": [{"Authorization": MASK}],
        "token": "word",
        "secretary": "w",
        "password_count": 3,
    }


def test_payload_masks_keys_and_scalars() -> None:
    """A secret as a key, or as the whole payload, is masked too; other values keep their types."""
    redactor = Redactor(["key-4711-abc"])
    assert redactor.payload({"key-4711-abc": 1, "b": (None, 2.5, True)}) == {MASK: 1, "b": [None, 2.5, True]}
    assert redactor.payload("key-4711-abc") == MASK
    assert redactor.payload(7) == 7


def test_payload_survives_deep_nesting() -> None:
    """Nesting deeper than Python's stack is redacted, not a crash."""
    payload: object = "key-4711-abc"
    for _ in range(20_000):
        payload = [payload]
    node = Redactor(["key-4711-abc"]).payload(payload)
    while isinstance(node, list):
        node = node[0]
    assert node == MASK


@pytest.mark.parametrize(
    ("text", "redacted"),
    [("one", MASK), ("a one b", f"a {MASK} b"), ("phone", "phone"), ("one2", "one2"), ("%20one:", f"%20{MASK}:")],
)
def test_short_secret_is_masked_as_a_word_only(text: str, redacted: str) -> None:
    """A three-letter password spoils no other word; this is the documented limit of short secrets."""
    assert Redactor(["one"]).payload([text]) == [redacted]


def test_longer_secret_goes_first() -> None:
    """Where one secret begins another, no tail of the longer one stays."""
    assert Redactor(["secret-key", "secret-key-2"]).text("secret-key-2 secret-key") == "… …"


@pytest.mark.parametrize("blank", ["", "   "])
def test_blank_secret_masks_nothing(blank: str) -> None:
    """An unset credential is no pattern."""
    assert Redactor([blank]).text("a   b") == "a   b"


def test_hidden_secret_is_known() -> None:
    """``contract.Secret`` hides itself from ``str``; the redactor knows what it stands for."""
    assert Redactor([Secret("key-4711-abc")]).text("key-4711-abc") == MASK


def test_learned_tokens_are_masked_and_old_ones_forgotten() -> None:
    """Tokens of a refresh are masked at once; declared secrets are never forgotten, expired tokens are."""
    redactor = Redactor(["password-1"])
    for number in range(100):
        redactor.learn([f"access-token-{number:03}"])
        assert redactor.text(f"access-token-{number:03}") == MASK
    assert redactor.text("password-1 access-token-084 access-token-083") == "… … access-token-083"


def test_logs_of_the_http_libraries_are_redacted(caplog: pytest.LogCaptureFixture) -> None:
    """httpx logs URLs and httpcore logs headers: both write them without the secrets of every living source."""
    caplog.set_level(logging.DEBUG)
    first, second = Redactor(["first-secret"]), Redactor(["second-secret"])
    guard_logs(first)
    guard_logs(second)
    logging.getLogger("httpx").info('HTTP Request: GET %s "%s"', "https://h/?q=first-secret", "HTTP/1.1 200 OK")
    logging.getLogger("httpcore.http11").debug("headers %r", [(b"x", b"second-secret")])
    assert caplog.messages == ['HTTP Request: GET https://h/?q=… "HTTP/1.1 200 OK"', "headers [(b'x', b'…')]"]


def test_repr_shows_no_secret() -> None:
    """A redactor in a traceback's locals tells nothing."""
    assert repr(Redactor(["first-secret"])) == "Redactor(1 secrets)"


def test_redaction_costs_little() -> None:
    """A payload without credentials is searched by substring tests: at least 20 MB a second even on a busy machine."""
    redactor = Redactor(["live_0123456789abcdefghij", "eyJhbGciOiJIUzI1NiJ9." + "x" * 300])
    payload = {"docs": [{"text": "The quick brown fox jumps over the lazy dog. " * 100} for _ in range(500)]}
    size = len(json.dumps(payload))
    best = min(_seconds(lambda: redactor.payload(payload)) for _ in range(3))
    assert size / best > 20e6


def _seconds(action: Callable[[], object]) -> float:
    begin = time.process_time()
    action()
    return time.process_time() - begin
