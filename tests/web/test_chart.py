"""Where the columns of a chart are."""

from hypothesis import given
from hypothesis import strategies as st

from broker.web.chart import PLOT, TOP, Series, stacked


def words(minor: int) -> str:
    return f"{minor} cents"


def test_parts_stand_upon_one_another_below_the_highest_line() -> None:
    found = stacked(
        "Title",
        "Words",
        {"May 2026": "May", "June 2026": "Jun"},
        [Series("shop", "a", [30, 0]), Series("x", "b", [10, 5])],
        words,
    )
    assert [(part.look, part.title) for part in found.parts] == [
        ("a", "shop, May 2026: 30 cents"),
        ("b", "x, May 2026: 10 cents"),
        ("b", "x, June 2026: 5 cents"),
    ]
    assert [line.text for line in found.lines] == ["0 cents", "10 cents", "20 cents", "30 cents", "40 cents"]
    shop, upon, _ = found.parts
    assert (upon.y, upon.y + upon.height, shop.y + shop.height) == (TOP, shop.y, TOP + PLOT)


@given(st.lists(st.lists(st.integers(0, 10**12), min_size=3, max_size=3), max_size=4))
def test_nothing_is_drawn_outside(values: list[list[int]]) -> None:
    found = stacked("T", "D", dict.fromkeys("abc", "x"), [Series("s", "l", each) for each in values], words)
    assert 2 <= len(found.lines) <= 5
    for part in found.parts:
        assert TOP - 0.1 <= part.y <= part.y + part.height <= TOP + PLOT + 0.1
        assert 0 <= part.x < part.x + part.width <= 100
