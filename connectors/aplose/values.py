"""What one cell says: numbers, moments, flags, confidence, acoustic features, comments.

Readers are strict and raise ``ValueError``; ``mended_…`` then tell what a damaged cell must have been, or None.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from connectors.documents import Confidence

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MEMO: Final = 20_000
"""Entries a memo may hold before it starts anew: enough for a page, and never a file's worth of memory."""

_NUMBER: Final = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_LONGEST_NUMBER: Final = 300
_INTEGER: Final = re.compile(r"[-+]?\d{1,15}", re.ASCII)
_COMMA: Final = re.compile(r"[-+]?\d+,\d+", re.ASCII)
_WHOLE: Final = re.compile(r"\d+\.0+", re.ASCII)

BOOLEANS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("True", "true", "TRUE", "VRAI", "1", "1.0"), True),
    **dict.fromkeys(("False", "false", "FALSE", "FAUX", "0", "0.0"), False),
}
"""Python's words, and what spreadsheets (French ones too) and data frames make of them."""
VERDICTS: Final[Mapping[str, bool]] = {word: value for word, value in BOOLEANS.items() if word.isalpha()}


def number(text: str) -> float | None:
    """A finite number; None for an empty cell."""
    if not text:
        return None
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise ValueError(text)
    value = float(text)
    if math.isinf(value):
        raise ValueError(text)
    return value


def mended_number(text: str) -> str | None:
    """A number with a decimal comma (French spreadsheets) or with blanks around it."""
    plain = text.strip()
    if _COMMA.fullmatch(plain):
        plain = plain.replace(",", ".")
    return plain if plain != text and (not plain or _NUMBER.fullmatch(plain)) else None


class Numbers(dict[str, float | None]):
    """``number`` with a memory: marks are drawn on a grid of pixels, so the same texts come again and again."""

    def __missing__(self, text: str) -> float | None:
        if len(self) >= MEMO:
            self.clear()
        value = self[text] = number(text)
        return value


def moment(text: str) -> datetime | None:
    """A point in time with its offset (§2.4); None for an empty cell."""
    if not text:
        return None
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or text[4:5] != "-" or not 1000 <= at.year < 9000:
        raise ValueError(text)
    return at


def mended_moment(text: str) -> tuple[str, bool] | None:
    """The ISO form of milliseconds since 1970 (v1.9.0 wrote those, §2.4), or of a time without an offset.

    The second value tells that UTC had to be assumed.
    """
    plain = text.strip()
    if _NUMBER.fullmatch(plain):
        milliseconds = float(plain) if len(plain) < _LONGEST_NUMBER else math.inf
        if not 1e11 <= milliseconds < 1e14:
            return None
        return (EPOCH + timedelta(milliseconds=milliseconds)).isoformat(), False
    for form, assumed in ((plain, False), (plain + "+00:00", True)):
        try:
            at = moment(form)
        except ValueError:
            continue
        return ("" if at is None else at.isoformat()), assumed
    return None


def key(text: str) -> str:
    """A primary key as the server wrote it: data frames turn ``586123`` into ``586123.0``."""
    return text.partition(".")[0] if _WHOLE.fullmatch(text) else text


def feature(column: str, text: str) -> bool | int | float | str:
    """A signal feature by its type (§2.2); raises ``ValueError`` for a count or a frequency that is no number.

    ``signal_frequency_jumps`` holds "True", "False" or a count.
    """
    counts, hertz = column.endswith("_count"), column.endswith("_frequency")
    if not (counts or hertz) and text in VERDICTS:
        return VERDICTS[text]
    try:
        value = number(text)
    except ValueError:
        if counts or hertz:
            raise
        return text
    assert value is not None
    if hertz:
        return value
    if _INTEGER.fullmatch(text):
        return int(text)
    return int(value) if counts and value.is_integer() else value


# --- confidence ----------------------------------------------------------------------------------------------

_LEVEL: Final = re.compile(r"\s*(\d{1,9}(?:\.\d{1,9})?)(?:\s*/\s*(\d{1,9}(?:\.\d{1,9})?))?\s*", re.ASCII)
_DAY_MONTH: Final = re.compile(r"(\d{1,2})[-./ ]([^\W\d_]{3,9})\.?(?:[-./ ]\d{2,4})?")
_MONTH_DAY: Final = re.compile(r"([^\W\d_]{3,9})\.?[-./ ](\d{1,2})")
_MONTHS: Final = (
    ("january", "janvier"),
    ("february", "fevrier"),
    ("march", "mars"),
    ("april", "avril"),
    ("may", "mai"),
    ("june", "juin"),
    ("july", "juillet"),
    ("august", "aout"),
    ("september", "septembre"),
    ("october", "octobre"),
    ("november", "novembre"),
    ("december", "decembre"),
)


def level(text: str) -> tuple[float, float | None]:
    """ "1/2" as level and highest level. The level may be above the highest: a removed set leaves 0 (§2.6)."""
    found = _LEVEL.fullmatch(text)
    if not found:
        raise ValueError(text)
    return float(found[1]), None if found[2] is None else float(found[2])


def mended_level(text: str) -> str | None:
    """What a spreadsheet took for a date: "01-janv" was "1/1" (§2.6).

    A level is never above a highest level other than 0, which no date has: so the smaller number is the level,
    whether the spreadsheet read day and month or, as in America, month and day.
    """
    found = _DAY_MONTH.fullmatch(text.strip())
    if found:
        day, name = found[1], found[2]
    else:
        found = _MONTH_DAY.fullmatch(text.strip())
        if not found:
            return None
        name, day = found[1], found[2]
    month = _month(name)
    if month is None:
        return None
    low, high = sorted((int(day), month))
    return f"{low}/{high}" if low else None


def _month(name: str) -> int | None:
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    fitting = {n for n, names in enumerate(_MONTHS, 1) if len(plain) >= 3 and any(m.startswith(plain) for m in names)}
    return fitting.pop() if len(fitting) == 1 else None


def confidence(label: str, at: tuple[float, float | None] | None) -> Confidence | None:
    """Label and level both: the same label has different levels in different sets (§2.6)."""
    if not label and at is None:
        return None
    return Confidence(label=label or None, level=at[0] if at else None, max_level=at[1] if at else None)


# --- comments ------------------------------------------------------------------------------------------------

_SEPARATOR: Final = " |- "
_MAILED: Final = re.compile(r"(.*) : ([^\s@]+@[^\s@]+)", re.DOTALL)


class Said(NamedTuple):
    """A comment taken apart: ``<text> |- <author>``, in 1.6 to 1.8 ``<text> |- <author> : <e-mail>`` (§2.5)."""

    text: str
    author: str | None = None
    email: str | None = None


def said(cell: str) -> Said:
    """Splits at the last separator; comments edited by hand may have none."""
    text, separator, author = cell.rpartition(_SEPARATOR)
    if not separator:
        return Said(cell)
    mailed = _MAILED.fullmatch(author)
    if mailed:
        return Said(text, mailed[1] or None, mailed[2])
    return Said(text, author or None)
