"""The `Range` header, as real clients write it and as they never should."""

import httpx
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


async def names(api: httpx.AsyncClient, header: str) -> tuple[int, list[str], str | None]:
    answer = await api.get("/apps", headers={"range": header})
    return answer.status_code, [app["name"] for app in answer.json()], answer.headers.get("next-range")


async def test_lists_are_ordered_and_paged(api: httpx.AsyncClient) -> None:
    for name in ("bbb", "ccc", "aaa"):
        await api.post("/apps", json={"name": name})
    assert await names(api, "name ..") == (200, ["aaa", "bbb", "ccc"], None)
    assert await names(api, "id ..; order=desc") == (200, ["aaa", "ccc", "bbb"], None)
    assert await names(api, "name bbb..") == (200, ["bbb", "ccc"], None)
    assert await names(api, "name ]aaa..bbb") == (200, ["bbb"], None)
    assert await names(api, "name ]ccc..; order=desc") == (200, ["bbb", "aaa"], None)
    assert await names(api, "bytes=0-1") == (200, ["bbb", "ccc", "aaa"], None)
    status, first, following = await names(api, "version ..; max=2")
    assert (status, first) == (206, ["bbb", "ccc"])
    assert following is not None
    assert await names(api, following) == (200, ["aaa"], None)
    assert await names(api, "name ..; max=3") == (200, ["aaa", "bbb", "ccc"], None)
