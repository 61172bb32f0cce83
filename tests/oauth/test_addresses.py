"""Where the authorization server sends nobody, and what it makes of requests that cannot be."""

from uuid import uuid4

import httpx

from tests.oauth.conftest import CALLBACK, ISSUER, Browser, ThirdParty, query_of, refused

STRANGE_ADDRESSES = (
    "https://evil.example.com/callback",
    "https://tool.example.com/callback",
    "https://tool.example.com/callback?via=broker&more=1",
    "https://tool.example.com/callback/../evil?via=broker",
    "https://tool.example.com/callback%2f..%2fevil?via=broker",
    "https://tool.example.com.evil.example/callback?via=broker",
    "https://tool.example.com@evil.example/callback?via=broker",
    "https://evil@tool.example.com/callback?via=broker",
    "https://tool.example.com:8443/callback?via=broker",
    "https://tool.example.com/callback?via=broker#fragment",
    "https://TOOL.example.com/callback?via=broker",
    "http://tool.example.com/callback?via=broker",
    "https://tool.example.com\\@evil.example/callback?via=broker",
    "//tool.example.com/callback?via=broker",
    "javascript:alert(1)",
    "data:text/html,hello",
    'https://tool.example.com/callback?via="broker"',
)


async def test_nobody_is_sent_to_an_address_that_is_not_registered(tool: ThirdParty, browser: Browser) -> None:
    for uri in STRANGE_ADDRESSES:
        for method in ("GET", "POST"):
            answer = await browser.http.request(method, tool.url(redirect_uri=uri))
            assert answer.status_code in (400, 403), uri
            assert "location" not in answer.headers
        denied = await browser.http.get(tool.url(redirect_uri=uri, response_type="token", scope="nonsense"))
        assert (denied.status_code, "location" in denied.headers) == (400, False), uri


async def test_only_the_port_of_a_loopback_address_is_free(native: ThirdParty, browser: Browser) -> None:
    assert (await browser.http.get(native.url(redirect_uri="http://127.0.0.1:1234/callback"))).status_code == 200
    for wrong in (
        "http://127.0.0.1:1234/other",
        "http://127.0.0.1:1234/callback?more=1",
        "http://localhost:1234/callback",
        "http://127.0.0.2:1234/callback",
        "https://127.0.0.1:1234/callback",
        "http://127.0.0.1:1234@evil.example/callback",
        "http://127.0.0.1:99999/callback",
        "http://127.0.0.1.evil.example:1234/callback",
    ):
        assert (await browser.http.get(native.url(redirect_uri=wrong))).status_code == 400, wrong


async def test_an_unknown_client_is_told_on_our_page(tool: ThirdParty, browser: Browser) -> None:
    for wrong in (str(uuid4()), "nonsense", "", "\u00e9"):
        answer = await browser.http.get(tool.url(client_id=wrong))
        assert answer.status_code == 400
        assert "location" not in answer.headers


IMPOSSIBLE: tuple[tuple[dict[str, str | None], str], ...] = (
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": 'co"de \\'}, "unsupported_response_type"),
    ({"response_type": None}, "unsupported_response_type"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"response_mode": "form_post"}, "invalid_request"),
    ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
    ({"request_uri": "https://evil.example.com/"}, "request_uri_not_supported"),
    ({"scope": "everything"}, "invalid_scope"),
    ({"scope": 'read "quoted"'}, "invalid_scope"),
    ({"scope": "app:1"}, "invalid_scope"),
    ({"max_age": "soon"}, "invalid_request"),
)


async def test_an_impossible_request_goes_back_to_the_client(tool: ThirdParty, browser: Browser) -> None:
    for asked, word in IMPOSSIBLE:
        back = await browser.http.get(tool.url(**asked))
        told = query_of(back.headers["location"])
        assert back.headers["location"].startswith(CALLBACK)
        assert (told["error"], told["state"], told["iss"]) == (word, "st&te", ISSUER), asked


async def test_a_broken_link_leads_nobody_away_who_is_not_signed_in(tool: ThirdParty, wire: httpx.AsyncClient) -> None:
    for asked in ({"scope": "everything"}, {"response_type": "token"}, {"code_challenge": None}):
        assert (await wire.get(tool.url(**asked))).headers["location"].startswith("/login?next=")


async def test_a_parameter_that_is_there_twice_is_refused(tool: ThirdParty, browser: Browser) -> None:
    answer = await browser.http.get(tool.url() + "&redirect_uri=https%3A%2F%2Fevil.example.com%2Fcallback")
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    twice = await tool.http.post("/oauth/token", content=b"client_id=a&client_id=b", headers={"content-type": "x"})
    assert refused(twice) == (400, "invalid_request")
