from typing import Any

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from broker.faces import signpost


def _app() -> FastAPI:
    app = FastAPI()

    def answering(text: str) -> Any:
        return lambda: text

    for path, text in (
        ("/things/special", "the first that fits"),
        ("/things/{thing}", "a thing"),
        ("/{kind}/special", "special"),
        ("/files/{path:path}", "a file"),
        ("/{rest:path}", "whatever there is"),
    ):
        app.add_api_route(path, answering(text), methods=["GET"])
    return app


def _client(app: FastAPI) -> AsyncClient:
    return AsyncClient(transport=ASGITransport(app), base_url="http://broker")


async def test_a_request_goes_where_it_would_go_without() -> None:
    with_it = _app()
    signpost.put_up(with_it)
    plain, led = _client(_app()), _client(with_it)
    paths = (
        "/things/special",
        "/things/1",
        "/other/special",
        "/files/a/b/c",
        "/files/",
        "/things/1/2",
        "/",
        "//things",
        "/th%2Fx",
    )
    for method in ("GET", "POST"):
        for path in paths:
            expected, found = await plain.request(method, path), await led.request(method, path)
            assert (found.status_code, found.text) == (expected.status_code, expected.text), (method, path)


async def test_a_route_that_is_added_later_is_found() -> None:
    app = _app()
    signpost.put_up(app)
    client = _client(app)
    assert (await client.get("/late")).text == '"whatever there is"'
    app.add_api_route("/late", lambda: "late", methods=["GET"])
    app.router.routes.insert(0, app.router.routes.pop())
    assert (await client.get("/late")).text == '"late"'
