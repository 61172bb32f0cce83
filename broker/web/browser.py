"""The browser on the other side: who is signed in with it, and whether a form was sent from a page of ours."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from broker.accounts.devices import LIFE as DEVICE_LIFE
from broker.accounts.halfway import LIFE as HALF_WAY_LIFE
from broker.faces.reading import Bounds, read_bytes
from broker.kernel.context import Context
from broker.kernel.errors import BadRequest, Forbidden
from broker.kernel.secret import Secret
from broker.oauth.sessions import LIFE, SignedIn, find_session

HOME: Final = "/dashboard"
JOINING: Final = "/teams/join"
"""Where invitations to teams are answered."""
_MOST_FIELDS: Final = 500
_SESSION: Final = "session"
_SIGNING_IN: Final = "signing-in"
_ENTERING: Final = "entering"
_ENTERING_S: Final = 300
_DEVICE: Final = "device"
_HALF_WAY: Final = "half-way"
_INVITED: Final = "invited"
_INVITED_S: Final = 86400
"""As long as a link for signing up is good."""


@dataclass(frozen=True, slots=True)
class Form:
    """The fields of a form that was sent."""

    fields: Mapping[str, Sequence[str]]

    def one(self, name: str) -> str:
        """The first value, or an empty text."""
        return next(iter(self.fields.get(name, ())), "")

    def all(self, name: str) -> Sequence[str]:
        """Every value."""
        return self.fields.get(name, ())


async def read_form(request: Request) -> Form:
    """The form of this request.

    Raises: BadRequest, PayloadTooLarge, RequestTimeout.
    """
    bounds: Bounds = request.app.state.bounds
    try:
        text = (await read_bytes(request, bounds)).decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise BadRequest("This is not a form.") from None
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        if "\0" in value:  # no browser sends it, and no column takes it
            raise BadRequest("A field holds a NUL character, which can't be kept.")
        fields.setdefault(name, []).append(value)
    return Form(fields)


async def who(request: Request) -> SignedIn | None:
    """Who is signed in with this browser, if anybody."""
    cookie = request.cookies.get(_cookie_name(request, _SESSION))
    return await find_session(_ctx(request), Secret(cookie)) if cookie else None


def to_sign_in(request: Request) -> Response:
    """Where somebody has to sign in first: to the form, and from there back to this address."""
    query = request.scope["query_string"].decode("latin-1")
    here = request.scope["path"] + (f"?{query}" if query else "")
    return RedirectResponse(f"/login?next={quote(here, safe='')}", 303, {"cache-control": "no-store"})


def local_path(wanted: str) -> str:
    """An address on this server to go on to, or our own choice if the wanted one leads anywhere else."""
    return way_back(wanted) or HOME


def way_back(wanted: str) -> str | None:
    """The address, if it is one on this server; None if it leads anywhere else, or nowhere."""
    try:
        parts = urlsplit(wanted) if wanted.isascii() and wanted.isprintable() else None
    except ValueError:  # a bracket that nothing closes
        parts = None
    if parts is None or parts.scheme or parts.netloc or not wanted.startswith("/") or wanted.startswith("//"):
        return None
    return None if "\\" in wanted else wanted


def with_query(path: str, **more: str) -> str:
    """The address with these parameters, too."""
    return f"{path}{'&' if '?' in path else '?'}{urlencode(more)}" if more else path


def keep_session(request: Request, response: Response, cookie: Secret) -> None:
    """Let the browser bring this from now on."""
    _set(request, response, _SESSION, cookie.reveal(), int(LIFE.total_seconds()))


def drop_session(request: Request, response: Response) -> None:
    """Let the browser forget."""
    _set(request, response, _SESSION, "", 0)


def form_token(request: Request, seen: SignedIn) -> str:
    """What a form of ours carries back: a page elsewhere cannot know it. It is good for this session alone."""
    return _signed(request, str(seen.session_id))


def check_form(request: Request, form: Form, seen: SignedIn) -> None:
    """Go on only if the form comes from a page that we gave to this session.

    Raises: Forbidden.
    """
    _check_origin(request)
    _check_token(form, _signed(request, str(seen.session_id)))


def signing_in_token(request: Request, response_cookie: str) -> str:
    """The same for the sign-in form, which has no session yet: it is good for this browser alone."""
    return _signed(request, f"signing-in:{response_cookie}")


def check_signing_in(request: Request, form: Form) -> None:
    """Go on only if this browser was given the form: nobody is signed in as somebody else by a page elsewhere.

    Raises: Forbidden.
    """
    _check_origin(request)
    cookie = signing_in_cookie(request)
    if cookie is None:
        raise Forbidden("The form is too old, or the browser refuses cookies. Load the page again.")
    _check_token(form, signing_in_token(request, cookie))


def signing_in_cookie(request: Request) -> str | None:
    """What binds the sign-in form to this browser."""
    return request.cookies.get(_cookie_name(request, _SIGNING_IN))


def keep_signing_in(request: Request, response: Response, cookie: str) -> None:
    """Let the browser bring it with the form."""
    _set(request, response, _SIGNING_IN, cookie, 3600)


def device(request: Request) -> Secret | None:
    """What this browser keeps of whoever has signed in with it before."""
    return _kept(request, _DEVICE)


def keep_device(request: Request, response: Response, cookie: Secret) -> None:
    """Let the browser be known again when its user signs in next time."""
    _set(request, response, _DEVICE, cookie.reveal(), int(DEVICE_LIFE.total_seconds()))


def half_way(request: Request) -> Secret | None:
    """What this browser keeps between password and second factor."""
    return _kept(request, _HALF_WAY)


def keep_half_way(request: Request, response: Response, cookie: Secret | None) -> None:
    """Let the browser bring it with the code; None: let it forget."""
    _set(
        request,
        response,
        _HALF_WAY,
        cookie.reveal() if cookie else "",
        int(HALF_WAY_LIFE.total_seconds()) if cookie else 0,
    )


def invited(request: Request) -> Secret | None:
    """What this browser keeps of the link of an invitation to a team, until that is answered."""
    return _kept(request, _INVITED)


def keep_invited(request: Request, response: Response, token: Secret | None) -> None:
    """Let the browser bring it after signing in or up; None: let it forget."""
    _set(request, response, _INVITED, token.reveal() if token else "", _INVITED_S if token else 0)


def _kept(request: Request, name: str) -> Secret | None:
    cookie = request.cookies.get(_cookie_name(request, name))
    return Secret(cookie) if cookie else None


def entering(request: Request) -> str:
    """The hint with which this browser was sent to a dashboard, or nothing."""
    return request.cookies.get(_cookie_name(request, _ENTERING), "")


def keep_entering(request: Request, response: Response, hint: str) -> None:
    """Let the browser bring the hint when the provider sends it back: in any other one it is worth nothing."""
    _set(request, response, _ENTERING, hint, _ENTERING_S)


def new_cookie() -> str:
    """Something to bind a form to."""
    return secrets.token_urlsafe(24)


def _check_origin(request: Request) -> None:
    """Browsers tell where a form was sent from: by the first header on https and on this machine, by the second everywhere.
    Programs need not; nor do our own pages, which keep their addresses to themselves (`null`)."""
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin", "null")
    if site not in ("same-origin", "none") or (origin != "null" and not _is_ours(request, origin)):
        raise Forbidden("The form was sent from another site.")


def _is_ours(request: Request, origin: str) -> bool:
    """Whether that is where this browser finds us: what it calls the host, no page elsewhere can make it say. A proxy before us
    may know of encryption what we do not, so that the host counts alone."""
    public: str = request.app.state.face.public_url
    return origin.partition("://")[2] in (urlsplit(public).netloc, request.headers.get("host"))


def _check_token(form: Form, expected: str) -> None:
    if not hmac.compare_digest(form.one("form_token").encode(), expected.encode()):
        raise Forbidden("The form is too old, or was not sent from this page. Load the page again.")


def _signed(request: Request, what: str) -> str:
    return _ctx(request).vault.sign("web-form", what.encode()).hex()


def _ctx(request: Request) -> Context:
    ctx: Context = request.app.state.ctx
    return ctx


def _secure(request: Request) -> bool:
    url: str = request.app.state.face.public_url
    return url.startswith("https:")


def _cookie_name(request: Request, name: str) -> str:
    """With https the name makes browsers refuse the cookie from anywhere but this very host."""
    return f"__Host-broker-{name}" if _secure(request) else f"broker-{name}"


def _set(request: Request, response: Response, name: str, value: str, life_s: int) -> None:
    response.set_cookie(
        _cookie_name(request, name), value, max_age=life_s, path="/", httponly=True, samesite="lax",
        secure=_secure(request),
    )  # fmt: skip
