"""The Add-on Partner API, broker to provider: v3, and v1 where the manifest asks for it.

Every answer, timeout or nonsense becomes a `Reply`; nothing that a provider does raises here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote
from uuid import uuid5

from broker.addons.ports import (
    Answer,
    DeprovisionCall,
    LendCall,
    ListCall,
    Listed,
    Listing,
    PlanChangeCall,
    ProviderAccess,
    ProvisionCall,
    RefreshCall,
    Reply,
    RevokeCall,
    RotateCall,
    TakeBackCall,
)
from broker.addons.protocol_names import callback_path, heroku_id, region_name
from broker.kernel.clock import rfc3339
from broker.kernel.ids import as_uuid, new_id
from broker.kernel.secret import Secret
from broker.outbound.http import GuardedClient, Lost, NotSent, Response, TooLarge

_ACCEPT_V3: Final = "application/vnd.heroku-addons+json; version=3"
_LONGEST_VALUE: Final = 64 * 1024
_LONGEST_MESSAGE: Final = 4000
_LONGEST_WORD: Final = 100
_BY_STATUS: Final = {
    202: Answer.ACCEPTED,
    401: Answer.UNAUTHORIZED,
    403: Answer.UNAUTHORIZED,
    404: Answer.MISSING,
    408: Answer.TIMEOUT_STATUS,
    410: Answer.GONE,
    429: Answer.THROTTLED,
}


class PartnerApi:
    """Calls providers of the Add-on Partner API."""

    def __init__(self, client: GuardedClient, public_url: str) -> None:
        self._client = client
        self._public_url = public_url

    async def provision(self, call: ProvisionCall) -> Reply:
        """`POST base_url`."""
        response = await self._send("POST", call.access, "", self._provision_body(call))
        return response if isinstance(response, Reply) else _read(response, needs_id=True)

    async def change_plan(self, call: PlanChangeCall) -> Reply:
        """`PUT base_url/<id>`."""
        body: dict[str, Any] = {"plan": call.plan}
        if call.access.is_v1:
            body |= {"heroku_id": heroku_id(call.app_id), "uuid": str(call.uuid)}
        response = await self._send("PUT", call.access, _remote_id(call), body)
        return response if isinstance(response, Reply) else _read(response, needs_id=False)

    async def deprovision(self, call: DeprovisionCall) -> Reply:
        """`DELETE base_url/<id>`."""
        if call.access.is_v1 and call.provider_id is None:
            return Reply(Answer.GONE, note="the provider never gave an id")
        response = await self._send("DELETE", call.access, _remote_id(call), None)
        return response if isinstance(response, Reply) else _read(response, needs_id=False)

    async def rotate(self, call: RotateCall) -> Reply:
        """`POST base_url/<id>/actions/rotate`: the capability `rotate`, an extension of ours."""
        return await self._act(call, "rotate")

    async def revoke(self, call: RevokeCall) -> Reply:
        """`POST base_url/<id>/actions/revoke`: the same."""
        return await self._act(call, "revoke")

    async def refresh(self, call: RefreshCall) -> Reply:
        """`GET base_url/<id>`: the same."""
        response = await self._send("GET", call.access, _remote_id(call), None)
        return response if isinstance(response, Reply) else _read(response, needs_id=False)

    async def lend(self, call: LendCall) -> Reply:
        """`POST base_url/<id>/credentials`: the capability `attachment_credentials`, an extension of ours."""
        body = {"credential": str(call.credential), "name": call.name, "permission": call.permission}
        response = await self._send("POST", call.access, _remote_id(call), body, "/credentials")
        return response if isinstance(response, Reply) else _read(response, needs_id=False)

    async def take_back(self, call: TakeBackCall) -> Reply:
        """`DELETE base_url/<id>/credentials/<credential>`: the same."""
        below = f"/credentials/{call.credential}"
        response = await self._send("DELETE", call.access, _remote_id(call), None, below)
        return response if isinstance(response, Reply) else _read(response, needs_id=False)

    async def _act(self, call: RotateCall | RevokeCall, action: str) -> Reply:
        body = {"rotation": str(call.rotation)}
        response = await self._send("POST", call.access, _remote_id(call), body, f"/actions/{action}")
        return response if isinstance(response, Reply) else _read(response, needs_id=False)

    async def list_resources(self, call: ListCall) -> Listing:
        """`GET base_url`: the capability `list`, an extension of ours."""
        response = await self._send("GET", call.access, "", None)
        return Listing(response) if isinstance(response, Reply) else _listing(response)

    def _provision_body(self, call: ProvisionCall) -> dict[str, Any]:
        common = {
            "uuid": str(call.uuid),
            "plan": call.plan,
            "region": region_name(call.region),
            "options": dict(call.options),
            **self._logs(call),
        }
        callback = self._public_url + callback_path(call.uuid, call.access.is_v1)
        if call.access.is_v1:
            return common | {"heroku_id": heroku_id(call.app_id), "callback_url": callback, "logplex_token": None}
        grant = call.grant and {
            "code": call.grant.code.reveal(),
            "type": "authorization_code",
            "expires_at": rfc3339(call.grant.expires_at),
        }
        return common | {"name": call.name, "callback_url": callback, "oauth_grant": grant}

    def _logs(self, call: ProvisionCall) -> dict[str, str]:
        """What providers that read or write logs expect. No app's logs are here: nothing is sent, and what comes is forgotten."""
        found = {}
        if "log_input" in call.requires:
            scheme, _, host = self._public_url.partition("://")
            found["log_input_url"] = f"{scheme}://token:t.{uuid5(call.uuid, 'log_input')}@{host}/logs"
        if "syslog_drain" in call.requires:
            found["log_drain_token"] = f"d.{uuid5(call.uuid, 'log_drain')}"
        return found

    async def _send(
        self, method: str, access: ProviderAccess, remote_id: str, body: Mapping[str, Any] | None, below: str = ""
    ) -> Response | Reply:
        headers = {
            "accept": "application/json" if access.is_v1 else _ACCEPT_V3,
            "user-agent": "addon-broker",
            "request-id": str(new_id()),
        }
        content = None if body is None else json.dumps(body).encode()
        if content is not None:
            headers["content-type"] = "application/json"
        url = _url(access, remote_id) + below
        try:
            response = await self._authorized(access.password, method, url, access, headers, content)
            if response.status == HTTPStatus.UNAUTHORIZED and access.old_password is not None:
                # Refused before anything was done: its program has not been given the new password yet.
                response = await self._authorized(access.old_password, method, url, access, headers, content)
            return response
        except NotSent as failure:
            return Reply(Answer.NOT_SENT, note=failure.note)
        except Lost as failure:
            return Reply(Answer.LOST, note=failure.note)
        except TooLarge as failure:
            return Reply(Answer.OVERSIZED, note=failure.note)

    async def _authorized(
        self,
        password: Secret,
        method: str,
        url: str,
        access: ProviderAccess,
        headers: Mapping[str, str],
        content: bytes | None,
    ) -> Response:
        auth = (access.service, password.reveal())
        return await self._client.request(method, url, headers=headers, content=content, auth=auth)


def _url(access: ProviderAccess, remote_id: str) -> str:
    base = access.base_url if access.url_style == "object" else access.base_url.rstrip("/") + "/heroku/resources"
    return f"{base.rstrip('/')}/{quote(remote_id, safe='')}" if remote_id else base


def _remote_id(
    call: PlanChangeCall | DeprovisionCall | RotateCall | RevokeCall | RefreshCall | LendCall | TakeBackCall,
) -> str:
    return str(call.provider_id or call.uuid) if call.access.is_v1 else str(call.uuid)


def _read(response: Response, *, needs_id: bool) -> Reply:
    data = _json(response.body)
    message = _message(data)
    status = response.status
    if status in (200, 201, 204) or (200 < status < 300 and status != 202):
        if response.body.lstrip().startswith(b"<"):  # of a parked domain or a proxy: the call went nowhere
            return Reply(Answer.MALFORMED, status, note="the answer is a web page")
        return _done(status, data, message, needs_id)
    if status in (422, 503) and message:
        return Reply(Answer.REFUSED, status, message)
    answer = _BY_STATUS.get(status) or _by_class(status)
    remote_id = _identifier(data) if answer is Answer.ACCEPTED else None
    return Reply(answer, status, message, remote_id, retry_after_s=_retry_after(response.headers))


def _by_class(status: int) -> Answer:
    if 300 <= status < 400:
        return Answer.REDIRECT
    return Answer.CLIENT_ERROR if 400 <= status < 500 else Answer.SERVER_ERROR


def _done(status: int, data: object, message: str | None, needs_id: bool) -> Reply:
    remote_id, config = _identifier(data), _config(data)
    if needs_id and remote_id is None:
        return Reply(Answer.MALFORMED, status, note="the answer is no JSON object with an id")
    if config is None:
        if needs_id:
            return Reply(Answer.MALFORMED, status, provider_id=remote_id, note="config is no map of strings")
        return Reply(Answer.DONE, status, message, note="config is no map of strings and was ignored")
    return Reply(Answer.DONE, status, message, remote_id if needs_id else None, config)


def _listing(response: Response) -> Listing:
    """The list, or what is wrong with it. One bad entry spoils it: from a part nothing can be concluded."""
    if response.status != 200:
        reply = _read(response, needs_id=False)
        half = reply.answer is Answer.DONE
        return Listing(Reply(Answer.MALFORMED, response.status, note="no whole list") if half else reply)
    data = _json(response.body)
    entries = [_listed(item) for item in data] if isinstance(data, list) else [None]
    good = tuple(entry for entry in entries if entry is not None)
    if len(good) < len(entries):
        return Listing(Reply(Answer.MALFORMED, 200, note="the answer is no JSON list of resources with id or uuid"))
    return Listing(Reply(Answer.DONE, 200), good)


def _listed(item: object) -> Listed | None:
    resource_id = _identifier(item)
    given = item.get("uuid") if isinstance(item, dict) else None
    uuid = as_uuid(given) if isinstance(given, str) else None
    if resource_id is None and uuid is None:
        return None
    assert isinstance(item, dict)
    return Listed(resource_id, uuid, _word(item.get("plan")), _word(item.get("state")))


def _word(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) <= _LONGEST_WORD and value.isprintable() else None


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _message(data: object) -> str | None:
    text = data.get("message") if isinstance(data, dict) else None
    clean = "".join(c for c in text if c.isprintable() or c == "\n").strip() if isinstance(text, str) else ""
    return clean[:_LONGEST_MESSAGE] or None


def _identifier(data: object) -> str | None:
    value = data.get("id") if isinstance(data, dict) else None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    text = str(value)
    return text if 0 < len(text) <= 255 and text.isprintable() else None


def _config(data: object) -> dict[str, Secret] | None:
    values = data.get("config") if isinstance(data, dict) else None
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(_is_value(value) for value in values.values()):
        return None
    return {str(name): Secret(_text(value)) for name, value in values.items() if value is not None}


def _is_value(value: object) -> bool:
    if isinstance(value, str):
        return "\0" not in value and _encodes(value) <= _LONGEST_VALUE
    return value is None or isinstance(value, (int, float, bool))


def _encodes(value: str) -> int:
    try:
        return len(value.encode())
    except UnicodeEncodeError:
        return _LONGEST_VALUE + 1


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, as asked. A date counts from the answer's own Date, so that clocks need not agree."""
    asked = headers.get("retry-after", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked[:9])
    try:
        return (parsedate_to_datetime(asked) - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (ValueError, TypeError):
        return None
