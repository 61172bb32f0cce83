"""Texts that are small to send and would be large to read: each is read once, or refused."""

import pytest

from broker.faces.amounts import minor_of
from broker.faces.env_text import BadLine, parse_env
from broker.kernel.errors import InvalidParams

MANY = 100_000


@pytest.mark.parametrize(
    "text",
    [
        "A=x" + " " * MANY + "y",
        "A=" + " \t\r" * MANY + "y",
        "A=" + "x " * MANY + "#",
        " " * MANY + "export" + " " * MANY + "A=x",
        "A=" + "\\ " * MANY,
        "A='" + "\n" * MANY + "'",
        "# \n" * MANY,
        "".join(f"A{number}=\n" for number in range(MANY // 4)),
    ],
)
@pytest.mark.timeout(20)  # what is read again from every blank takes hours
def test_an_environment_file_is_read_once(text: str) -> None:
    assert parse_env(text) is not None


@pytest.mark.timeout(20)
@pytest.mark.parametrize("text", ["A='" + "x" * MANY, "export" + "\t" * MANY, "=" * MANY, " " * MANY + "=", "A" * MANY])
def test_one_that_is_none_is_refused_as_soon(text: str) -> None:
    with pytest.raises(BadLine):
        parse_env(text)


def test_blanks_within_stay_and_those_at_the_end_go() -> None:
    assert parse_env("A=a  b\t c \t # comment\nB=x#y \r\nC= # nothing\nD=a #\n") == {
        "A": "a  b\t c", "B": "x#y", "C": "", "D": "a",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["1e999999", "9" * 14, "-1", "NaN", "Infinity", "0x10", "1_0", "٣", "1e2", "", ".5"])
def test_an_amount_is_written_out(text: str) -> None:
    with pytest.raises(InvalidParams):
        minor_of(text, "usd")


def test_amounts_are_exact() -> None:
    assert [minor_of(text, "usd") for text in ("12.50", "$1,000", "0", "9999999999999.99")] == [
        1250,
        100000,
        0,
        999999999999999,
    ]
    assert (minor_of("1,250", "jpy"), minor_of("1.125", "kwd")) == (1250, 1125)
    for text, currency in (("0.001", "usd"), ("12,50", "usd"), ("1,2500", "usd"), ("12.50", "jpy"), ("1.0005", "kwd")):
        with pytest.raises(InvalidParams, match=f"in {currency.upper()} with"):
            minor_of(text, currency)
