"""Tables, prices and times, as people read them."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest

from broker.cli.output import card, clean, colour_wanted, max_price, moment, price, price_note, span, table


@pytest.mark.parametrize(
    ("amount", "hourly", "monthly"),
    [
        (None, "free", "free"),
        ({"cents": 0, "contract": False, "unit": "month"}, "free", "free"),
        ({"cents": 500, "contract": False, "unit": "month"}, "~$0.007/hour", "$5/month"),
        ({"cents": 8995, "contract": False, "unit": "month"}, "~$0.125/hour", "$89.95/month"),
        ({"cents": 0, "contract": True, "unit": "month"}, "contract", "contract"),
        ({"cents": 1, "metered": True, "contract": False}, "metered", "metered"),
    ],
)
def test_a_price_is_shown_by_the_hour_and_at_most_by_the_month(
    amount: dict[str, object] | None, hourly: str, monthly: str
) -> None:
    assert (price(amount), max_price(amount)) == (hourly, monthly)


def test_a_paid_plan_is_noted_with_its_maximum() -> None:
    assert price_note({"cents": 500, "contract": False, "unit": "month"}) == "~$0.007/hour, max $5/month"


def test_columns_are_as_wide_as_their_widest_cell_also_in_wide_letters() -> None:
    lines = table([("日本", "x"), ("a", None)], ("Name", "V")).splitlines()
    assert lines == ["Name  V", "────  ─", "日本  x", "a"]


def test_a_table_of_nothing_is_nothing() -> None:
    assert table([]) == ""


def test_a_card_leaves_out_what_is_not_known_and_lists_what_is_many() -> None:
    assert card({"Plan": "a:b", "Gone": None, "None": [], "Vars": ["A", "B"]}) == "Plan:  a:b\nVars:  A\n       B"


def test_text_of_others_cannot_steer_the_terminal() -> None:
    assert clean("a\x1b[2Jb\u202ec\td\ne") == "a\N{REPLACEMENT CHARACTER}[2Jb\N{REPLACEMENT CHARACTER}c\td\ne"


def test_a_moment_says_how_long_ago_it_was() -> None:
    now = datetime(2026, 11, 21, 12, 0, 30, tzinfo=UTC)
    assert str(moment("2026-11-21T12:00:00Z", now)).endswith("(30 s ago)")
    assert str(moment("2026-11-21T13:00:30Z", now)).endswith("(in 1 h 0 min)")
    assert "ago" not in str(moment("2026-11-01T13:00:30Z", now))
    assert moment(None) is None
    assert moment("soon") == "soon"


@pytest.mark.parametrize(("seconds", "words"), [(0, "0 s"), (61, "1 min 1 s"), (600, "10 min"), (7260, "2 h 1 min")])
def test_spans_are_told_in_their_largest_units(seconds: int, words: str) -> None:
    assert span(seconds) == words


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colour_wanted(Terminal())
    assert not colour_wanted(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colour_wanted(Terminal())
