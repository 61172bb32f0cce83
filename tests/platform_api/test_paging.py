"""Lists of this face, in the order and the parts that are asked for."""

import httpx


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
