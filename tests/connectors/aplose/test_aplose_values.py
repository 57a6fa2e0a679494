"""Cells: what is read strictly, what can be mended, and what must not be taken for something it is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.aplose import values
from connectors.aplose.values import Numbers, Said
from connectors.documents import Confidence


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_float_text_is_read_exactly(value: float) -> None:
    """Servers write Python floats (§2.2): their text gives the same float back."""
    assert values.number(repr(value)) == value


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1_000", "1e999", "0x10", "١٢", "1,5", " 1", "ten", "9" * 400])
def test_what_is_no_plain_number_is_refused(text: str) -> None:
    """Python's float() takes more than a CSV should hold."""
    with pytest.raises(ValueError):
        values.number(text)


@pytest.mark.parametrize(
    ("text", "mended"),
    [("23,1187", "23.1187"), (" 10 ", "10"), ("-0,5", "-0.5"), ("  ", ""), ("1,2,3", None), ("x", None)],
)
def test_decimal_commas_and_blanks_are_mended(text: str, mended: str | None) -> None:
    """What French spreadsheets make of a number; anything else stays unread."""
    assert values.mended_number(text) == mended


def test_the_memory_for_numbers_is_bounded() -> None:
    """A file of a million different numbers leaves no million entries behind."""
    numbers = Numbers()
    for value in range(values.MEMO * 2 + 10):
        assert numbers[str(value)] == value
    assert len(numbers) <= values.MEMO
    assert numbers[""] is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2012-10-03T11:01:53.000+00:00", datetime(2012, 10, 3, 11, 1, 53, tzinfo=UTC)),
        ("2022-07-07T01:04:15.463+02:00", datetime(2022, 7, 7, 1, 4, 15, 463000, timezone(timedelta(hours=2)))),
        ("2024-02-22 06:30:00.000000+00:00", datetime(2024, 2, 22, 6, 30, tzinfo=UTC)),
        ("2024-02-22T06:30:00Z", datetime(2024, 2, 22, 6, 30, tzinfo=UTC)),
        ("", None),
    ],
)
def test_moments_in_every_form_that_exports_have(text: str, expected: datetime | None) -> None:
    """ISO 8601 with an offset, T or blank, no to six decimals (§2.4)."""
    assert values.moment(text) == expected


@pytest.mark.parametrize(
    "text", ["2024-02-22T06:30:00", "1719830000000", "20240222T063000+00:00", "0001-01-01T00:00:00Z", "x"]
)
def test_other_moments_need_care(text: str) -> None:
    """No offset, milliseconds, compact forms and impossible years are left to the careful path."""
    with pytest.raises(ValueError):
        values.moment(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-22T06:30:00", ("2024-02-22T06:30:00+00:00", True)),
        ("2024-02-22 06:30:00.5", ("2024-02-22T06:30:00.500000+00:00", True)),
        (" 2024-02-22T06:30:00+01:00", ("2024-02-22T06:30:00+01:00", False)),
        ("1719830000123", ("2024-07-01T10:33:20.123000+00:00", False)),
        ("1719830000123.0", ("2024-07-01T10:33:20.123000+00:00", False)),
        (" ", ("", False)),
        ("12", None),
        ("22/02/2024 06:30", None),
        ("9" * 400, None),
    ],
)
def test_moments_are_mended(text: str, expected: tuple[str, bool] | None) -> None:
    """Milliseconds of v1.9.0, and times without an offset as UTC (§2.4)."""
    assert values.mended_moment(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("0/1", (0.0, 1.0)), ("1/0", (1.0, 0.0)), (" 2 / 3 ", (2.0, 3.0)), ("2", (2.0, None))]
)
def test_levels(text: str, expected: tuple[float, float | None]) -> None:
    """Level and highest level; a level above 0 of 0 is real (§2.6)."""
    assert values.level(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("01-janv", "1/1"),
        ("01-janv.", "1/1"),
        ("01-févr", "1/2"),
        ("02-janv", "1/2"),
        ("2-Jan", "1/2"),
        ("Jan-2", "1/2"),
        ("03-Sept", "3/9"),
        ("01-août", "1/8"),
        ("01-aout", "1/8"),
        ("1-déc", "1/12"),
        ("02-juin", "2/6"),
        ("02-juil", "2/7"),
        ("01-Feb-24", "1/2"),
        ("01-ju", None),
        ("01-jui", None),
        ("00-janv", None),
        ("01-xyz", None),
        ("soon", None),
    ],
)
def test_levels_that_became_dates(text: str, expected: str | None) -> None:
    """Days and months, French and English, in both orders: the smaller number is the level (§2.6)."""
    assert values.mended_level(text) == expected


@pytest.mark.parametrize(
    ("label", "level", "expected"),
    [
        ("", None, None),
        ("sure", None, Confidence(label="sure")),
        ("", (1.0, 2.0), Confidence(level=1.0, max_level=2.0)),
        ("sure", (1.0, None), Confidence(label="sure", level=1.0)),
    ],
)
def test_confidence_keeps_label_and_level(
    label: str, level: tuple[float, float | None] | None, expected: Confidence | None
) -> None:
    """Neither follows from the other (§2.6); nothing at all is None."""
    assert values.confidence(label, level) == expected


@pytest.mark.parametrize(
    ("column", "text", "expected"),
    [
        ("signal_has_harmonics", "True", True),
        ("signal_has_harmonics", "FAUX", False),
        ("signal_start_frequency", "30", 30.0),
        ("signal_steps_count", "0", 0),
        ("signal_steps_count", "2.0", 2),
        ("signal_frequency_jumps", "3", 3),
        ("signal_frequency_jumps", "True", True),
        ("signal_trend", "ASC", "ASC"),
        ("signal_trend", "MODULATED", "MODULATED"),
        ("score", "0.75", 0.75),
        ("score", "9" * 20, 1e20),
    ],
)
def test_features_have_types(column: str, text: str, expected: object) -> None:
    """Flags, counts, Hz and words (§2.2), and the column that is a flag or a count."""
    value = values.feature(column, text)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(("column", "text"), [("signal_steps_count", "two"), ("signal_end_frequency", "True")])
def test_features_of_the_wrong_type_are_refused(column: str, text: str) -> None:
    """A count or a frequency that is no number is no feature."""
    with pytest.raises(ValueError):
        values.feature(column, text)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("loud |- ana", Said("loud", "ana")),
        ("a |- b |- ana", Said("a |- b", "ana")),
        (" |- ana", Said("", "ana")),
        ("by hand", Said("by hand")),
        ("x |- Ana B : ana@example.org", Said("x", "Ana B", "ana@example.org")),
        ("x : y@z |- ana", Said("x : y@z", "ana")),
        ("two\nlines |- ana", Said("two\nlines", "ana")),
    ],
)
def test_comments_are_split_at_the_last_separator(cell: str, expected: Said) -> None:
    """Text, author, and the e-mail that 1.6 to 1.8 add (§2.5)."""
    assert values.said(cell) == expected


@pytest.mark.parametrize(("text", "expected"), [("586123.0", "586123"), ("586123", "586123"), ("5.5", "5.5"), ("", "")])
def test_keys_lose_the_decimals_of_data_frames(text: str, expected: str) -> None:
    """A column of ids with gaps becomes floats in a data frame."""
    assert values.key(text) == expected
