"""The pages that the gateway shows: where a card is added, and where its owner confirms a payment."""

from __future__ import annotations

import base64
import hashlib
import time
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment

from embedded.gateway.bank import Bank, Refused
from embedded.gateway.cards import CARDS, find_card

router = APIRouter()
_FORM_LIMIT: Final = 4096

_STYLE: Final = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430; }
form { display: grid; gap: .75rem; margin: 1.5rem 0; } label { display: grid; gap: .25rem; }
input, button { font: inherit; padding: .5rem; border: 1px solid #68717d; border-radius: .3rem; }
button { background: #1f4fa3; color: #fff; border-color: #1f4fa3; cursor: pointer; }
button.no { background: #fff; color: #1c2430; } .bad { color: #a3201f; font-weight: 600; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .25rem .5rem .25rem 0; }
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_pages: Final = Environment(autoescape=True)
_FRAME: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{ title }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{{ style|safe }}</style></head><body><main>
<h1>{{ title }}</h1><p>This is the test gateway of this machine: no money moves.</p>"""
_CARD: Final = _pages.from_string(
    _FRAME
    + """{% if problem %}<p class="bad" role="alert">{{ problem }}</p>{% endif %}
<form method="post"><label>Number of a test card
<input name="number" inputmode="numeric" autocomplete="off" required value="4242 4242 4242 4242"></label>
<label>Expires (month/year) <input name="expires" autocomplete="off" required value="{{ expires }}"></label>
<button>Add the card</button></form><p><a href="{{ back }}">Go back without adding one</a></p>
<h2>Test cards</h2><p>Never enter the number of a real card here.</p><table><tr><th>Number<th>What happens</tr>
{% for card in cards %}<tr><td><code>{{ card.number }}</code><td>{{ card.does }}</tr>{% endfor %}</table>
</main></body></html>"""
)
_CONFIRM: Final = _pages.from_string(
    _FRAME
    + """<p>{{ what }}: <strong>{{ amount }}</strong></p>
<form method="post"><button name="answer" value="yes">Confirm the payment</button>
<button class="no" name="answer" value="no">Refuse it</button></form></main></body></html>"""
)
_PLAIN: Final = _pages.from_string(_FRAME + """<p role="alert">{{ problem }}</p></main></body></html>""")


@router.get("/pay/{session}")
async def card_page(request: Request, session: str) -> Response:
    """Where a card is added."""
    return _card_page(request, session)


@router.post("/pay/{session}")
async def add_card(request: Request, session: str) -> Response:
    """The form was sent."""
    bank, form = _bank(request), await _form(request)
    card, expires = find_card(form.get("number", "")), _expiry(form.get("expires", ""), bank.clock())
    if card is None:
        return _card_page(request, session, "This is none of the test cards below. Real cards are not taken.")
    if expires is None:
        return _card_page(request, session, "The card must be valid until a month to come, such as 12/30.")
    try:
        with bank.store.together():
            done = bank.add_card(session, card, *expires)
    except Refused as refusal:
        return _card_page(request, session, str(refusal))
    return RedirectResponse(done["success_url"], 303)


@router.get("/confirm/{intent}")
async def confirm_page(request: Request, intent: str) -> Response:
    """Where the owner of a card confirms a payment."""
    try:
        payment = _bank(request).payment(intent)
    except Refused as refusal:
        return _page(_PLAIN, 404, title="There is no such payment", problem=str(refusal))
    if payment["status"] != "requires_action":
        return _page(_PLAIN, title="There is nothing to confirm", problem=f"This payment is {payment['status']}.")
    amount = f"{payment['amount']} minor units of {payment['currency'].upper()}"
    what = payment["description"] or "Payment"
    return _page(_CONFIRM, title="Confirm a payment", back=payment["return_url"], what=what, amount=amount)


@router.post("/confirm/{intent}")
async def confirm(request: Request, intent: str) -> Response:
    """The owner of the card has decided."""
    bank, form = _bank(request), await _form(request)
    try:
        with bank.store.together():
            payment = bank.confirmed(intent, yes=form.get("answer") == "yes")
    except Refused as refusal:
        return _page(_PLAIN, 404, title="There is no such payment", problem=str(refusal))
    return RedirectResponse(payment["return_url"] or "/", 303)


def _card_page(request: Request, session: str, problem: str = "") -> Response:
    bank = _bank(request)
    try:
        with bank.store.together():
            found = bank.session(session)
    except Refused as refusal:
        return _page(_PLAIN, 404, title="There is no such page", problem=str(refusal))
    if found["status"] != "open":
        return _page(_PLAIN, title="This page is over", problem="It has been used already, or is too old.")
    expires = f"12/{time.gmtime(bank.clock()).tm_year % 100 + 4:02}"
    shown = {"cards": CARDS.values(), "expires": expires, "problem": problem}
    return _page(_CARD, 422 if problem else 200, title="Add a card", back=found["cancel_url"], **shown)


def _expiry(text: str, now: float) -> tuple[int, int] | None:
    month, _, year = text.replace(" ", "").partition("/")
    if not (month.isdigit() and year.isdigit() and len(month) <= 2 and len(year) in (2, 4)):
        return None
    found, today = (int(month), int(year) % 100 + 2000), time.gmtime(now)
    valid = 1 <= found[0] <= 12 and (found[1], found[0]) >= (today.tm_year, today.tm_mon)
    return found if valid else None


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_LIMIT:
            return {}
    return dict(parse_qsl(body.decode("ascii", "replace")))


def _page(template: Any, status: int = 200, *, back: str | None = None, **values: Any) -> Response:
    """Nothing is loaded from anywhere, and forms lead here, and from here back to where one came from."""
    parts = urlsplit(back or "")
    origin = f" {parts.scheme}://{parts.netloc}" if parts.netloc else ""
    policy = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'{origin}; frame-ancestors 'none'"
    headers = {"content-security-policy": policy, "cache-control": "no-store", "referrer-policy": "no-referrer"}
    return HTMLResponse(template.render(style=_STYLE, back=back, **values), status, headers)


def _bank(request: Request) -> Bank:
    bank: Bank = request.app.state.bank
    return bank
