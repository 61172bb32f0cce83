"""The `Range` header, as real clients write it and as they never should."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.faces.ranges import MAX, ListRange, parse


@pytest.mark.parametrize(
    ("header", "key", "maximum", "descending"),
    [
        ("version ..; max=15, order=desc", "version", 15, True),
        ("version ..; order=desc,max=1", "version", 1, True),
        ("version ..; order=desc,max=2;", "version", 2, True),
        ("id ..; ;", "id", MAX, False),
        ("id ..; max=1000", "id", 1000, False),
        ("id ..; max=5000", "id", MAX, False),
        ("seq ..; order=desc,max=1000", "seq", 1000, True),
        ("name ..", "name", MAX, False),
        ("id ..; max=0", "id", MAX, False),
        ("id ..; max=-1", "id", MAX, False),
        ("id ..; max=99999999999999999999", "id", MAX, False),
    ],
)
def test_what_clients_send_is_understood(header: str, key: str, maximum: int, descending: bool) -> None:
    assert parse(header) == ListRange(key=key, max=maximum, descending=descending)


def test_bounds_are_read() -> None:
    assert parse("name ]b..d; max=2") == ListRange("name", "b", True, "d", 2)


@pytest.mark.parametrize("header", [None, "", "bytes=0-99", "..", "id", "max=1", ";;;", "id .. .. ..;", "x" * 10_000])
def test_what_cannot_be_understood_asks_for_the_whole_list(header: str | None) -> None:
    assert parse(header) == ListRange()


@given(st.text(max_size=60))
def test_no_text_breaks_it(header: str) -> None:
    assert 1 <= parse(header).max <= MAX
