"""Somebody with an account and good forms of their own, at every address of somebody else's things: they are answered as for what
there is not, whatever they send, and nothing changes. (The matrix asks without a form, which is refused before anything else.)
"""

import re
from uuid import UUID, uuid5

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from broker.accounts.models import User
from broker.kernel.context import Context
from tests.security.site import Site, site
from tests.security.test_forms import token_in
from tests.security.walk import state_of

pytestmark = pytest.mark.timeout(300)

_EVERYBODYS = ("/marketplace/", "/categories/", "/static/", "/auth/browser/", "/install/")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FRESH = re.compile(
    r'<svg.*?</svg>|<code class="mono">.*?</code>|data-options="[^"]*"|name="state" value="[^"]*"', re.DOTALL
)
"""What is made anew for everybody who looks: a secret for an app, a challenge for a passkey."""
_WISHES = {
    "confirm": "shop", "name": "stolen", "decision": "accept", "email": "mallory@example.com", "to": "mallorys", "plan": "store:big",
    "app": "mallorys", "recipient": "mallory@example.com", "payer": "alice@example.com", "addon": "my-store", "release": "1",
    "limit": "1", "scope": "account:", "policy": "notify", "role": "owner", "every": "300", "at": "2028-01-01", "reason": "x",
    "force": "yes", "immediate": "yes", "env": "A=b", "value": "x", "maintenance": "on", "contents": "{}", "note": "x",
    "apps": "all", "when": "now", "featured": "1", "reference": "x", "token": "x", "user_id": "1", "is_operator": "true",
    "owner": "mallory@example.com", "owner_id": "1", "state": "paid", "price_cents": "0", "account_id": "1",
}  # fmt: skip
"""Whatever any form asks for, and some that none does."""


def absent(path: str) -> str:
    """The same address of something that there is not."""
    other = _UUID.sub(lambda found: str(uuid5(UUID(found[0]), "another")), path)
    for name in ("store", "my-store", "shop", "other"):
        other = re.sub(rf"/{name}(?=/|$)", f"/no-{name}", other)
    return re.sub(r"/(INV|CN)?-?\d{4}-\d+", "/INV-1999-000001", other)


def told(text: str, path: str) -> str:
    """What a page says, apart from the address that was asked for and what differs at every look."""
    for part in sorted(set(path.split("/")), key=len, reverse=True):
        text = text.replace(part, "") if len(part) > 3 else text
    return _UUID.sub("", _FRESH.sub("", text))


async def test_what_is_somebody_elses_is_not_there(ctx: Context) -> None:
    faults, asked = [], 0
    with capture_logs():
        async with site(ctx) as place:
            browser = place.browsers["mallory"]
            token = await token_in(browser, "/account/profile")
            before = await state_of(ctx)
            for key in _of_others(place):
                path = place.address(key)
                other = absent(path)
                if other == path:
                    continue
                asked += 1
                sent = {"data": {**_WISHES, **token}} if key[0] == "POST" else {}
                theirs, none = [await browser.request(key[0], each, **sent) for each in (path, other)]
                if theirs.status_code != none.status_code or told(theirs.text, path) != told(none.text, other):
                    faults.append(f"{key}: {theirs.status_code}, but {none.status_code} for what there is not")
                elif theirs.is_success and key[0] == "GET":
                    faults.append(f"{key}: shown to a stranger")
            after = await state_of(ctx)
    assert not faults, "\n".join(faults)
    assert asked > 60
    assert {name for name in after if after[name] != before[name]} <= {"sessions", "authenticators"}


def _of_others(place: Site) -> list[tuple[str, str]]:
    keys = [key for method in ("GET", "POST") for key in place.pages(method)]
    return [key for key in keys if "{" in key[1] and not key[1].startswith(_EVERYBODYS)]


async def test_no_form_sets_what_it_does_not_ask_for(ctx: Context) -> None:
    with capture_logs():
        async with site(ctx) as place:
            browser = place.browsers["mallory"]
            token = await token_in(browser, "/account/profile")
            sent = {**_WISHES, **token, "name": "Mallory", "team_name": "x", "password_hash": "x", "id": "1"}
            assert (await browser.post("/account/profile", data=sent)).status_code == 303
            async with ctx.database.transaction() as tx:
                row = (await tx.execute(select(User.__table__).where(User.email == "mallory@example.com"))).one()
            assert (row.name, row.is_operator, row.team_name, row.password_hash) == ("Mallory", False, None, None)
            twice = [("form_token", token["form_token"]), ("form_token", "x"), ("name", "First"), ("name", "Second")]
            answer = await browser.post("/account/profile", content="&".join(f"{n}={v}" for n, v in twice))
            assert answer.status_code == 303, "the first counts, here as everywhere"
            swapped = [twice[1], twice[0], twice[3]]
            assert (
                await browser.post("/account/profile", content="&".join(f"{n}={v}" for n, v in swapped))
            ).status_code == 403
