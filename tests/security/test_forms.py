"""Every form, sent by pages that are not ours: with no token, with somebody else's, from another site. Nothing is done, to
whoever is signed in or nobody. New forms are tried by themselves.
"""

from itertools import cycle

import httpx
import pytest
from structlog.testing import capture_logs

from broker.kernel.context import Context
from tests.oauth.conftest import ISSUER, fields_of
from tests.security.site import NOBODY, PEOPLE, site
from tests.security.walk import state_of, unshielded

pytestmark = pytest.mark.timeout(300)

_SENDERS = {"/operator": "olga", "/provider": "pat"}
"""Who may send the forms that begin so; alice all others."""
_DOORS = ("/login", "/signup", "/confirm", "/reset", "/teams/join/account")
"""Forms for whoever is not signed in are bound to the browser."""
_ELSEWHERE: tuple[dict[str, str], ...] = (
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.example"},
    {"origin": "https://broker.example.com.evil.example"},
    {"origin": "https://evil.broker.example.com"},
    {"origin": "evil"},
)
_UNKNOWN: tuple[dict[str, str], ...] = ({"form_token": ""}, {"form_token": "0" * 64}, {"form_token": "é"})


async def token_in(browser: httpx.AsyncClient, page: str) -> dict[str, str]:
    return {"form_token": fields_of((await browser.get(page)).text)["form_token"]}


async def test_no_form_does_anything_for_another_page(ctx: Context) -> None:
    faults = []
    elsewhere, unknown = cycle(_ELSEWHERE), cycle(_UNKNOWN)
    with capture_logs():
        async with site(ctx) as place:
            door = await token_in(place.browsers[NOBODY], "/login")
            mine = {name: await token_in(place.browsers[name], "/account/profile") for name in PEOPLE}
            before = await state_of(ctx)
            for key in place.pages("POST"):
                path, at_door = place.address(key), key[1].startswith(_DOORS)
                who = NOBODY if at_door else next((n for p, n in _SENDERS.items() if key[1].startswith(p)), "alice")
                good = door if at_door else mine[who]
                others = mine["bob"] if at_door else door
                tried = [({}, {}), (mine["mallory"], {}), (others, {}), (next(unknown), {}), (good, next(elsewhere))]
                for fields, headers in tried:
                    answer = await place.browsers[who].post(path, data=fields, headers=headers)
                    if answer.status_code != 403 or [*unshielded(answer)]:
                        faults.append(f"{key[1]}: {fields} {headers} is answered {answer.status_code} {answer.headers}")
                if not at_door and key[1] != "/logout":
                    answer = await place.browsers[NOBODY].post(path, data=good)
                    if not answer.headers.get("location", "").startswith("/login"):
                        faults.append(f"{key[1]}: nobody is answered {answer.status_code}")
            assert await state_of(ctx) == before
            for headers in ({"origin": ISSUER, "sec-fetch-site": "same-origin"}, {"origin": "null"}):
                sent = {**mine["alice"], "name": "Alice"}
                answer = await place.browsers["alice"].post("/account/profile", data=sent, headers=headers)
                assert answer.headers["location"] == "/account/profile?done=profile", "from a page of ours, it is good"
    assert not faults, "\n".join(faults)
