"""Lists of this face, in the order and the parts that are asked for."""

import httpx
import pytest


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


async def test_a_part_says_what_it_is_part_of(api: httpx.AsyncClient) -> None:
    for name in ("bbb", "ccc", "aaa"):
        await api.post("/apps", json={"name": name})
    part = await api.get("/apps", headers={"range": "name ..; max=2"})
    assert (part.headers["accept-ranges"], part.headers["content-range"]) == ("name", "name aaa..bbb; max=2")


@pytest.mark.parametrize("awkward", ["Zoë's 😀", "two words", "a;b,c", "a..b", "same"])
async def test_whatever_the_names_every_entry_is_in_one_part(api: httpx.AsyncClient, awkward: str) -> None:
    made = set()
    for name in ("same", awkward, "x"):
        body = {"name": name, "redirect_uri": "https://example.com/back"}
        made.add((await api.post("/oauth/clients", json=body)).json()["id"])
    seen, following = [], "name ..; max=1"
    while following:
        part = await api.get("/oauth/clients", headers={"range": following})
        seen += [client["id"] for client in part.json()]
        following = part.headers.get("next-range")
    assert (len(seen), set(seen)) == (3, made)
