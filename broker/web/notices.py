"""What its user was told: every mail, readable here too, without the links that only the mail may hold."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Request, Response

from broker.faces.mails.letters import Letters
from broker.kernel.context import Context
from broker.notices.letters import UnknownKind
from broker.notices.queries import NoticeView, list_notices
from broker.web import browser
from broker.web.door import ForBrowsers
from broker.web.inside import account_page
from broker.web.moments import moment

HERE: Final = "/account/notices"
_MOST: Final = 100


async def overview(request: Request) -> Response:
    """The newest of them."""
    seen = await browser.who(request)
    if seen is None:
        return browser.to_sign_in(request)
    ctx: Context = request.app.state.ctx
    letters = Letters(request.app.state.face.public_url)
    told = await list_notices(ctx, seen.actor)
    notices = [_notice(view, letters) for view in told[:_MOST]]
    return account_page(request, "notices.html", seen, 200, here=HERE, notices=notices, more=len(told) > _MOST)


TWINS: Final = (ForBrowsers(HERE, overview, methods=["GET"], include_in_schema=False),)
"""The API lists them at the same address."""


def _notice(view: NoticeView, letters: Letters) -> dict[str, Any]:
    try:
        text = letters.letter(view.kind, view.facts).text
    except UnknownKind:  # its words need what only the mail may hold
        text = None
    return {"subject": letters.subject(view.kind, view.facts), "when": moment(view.created_at), "text": text}
