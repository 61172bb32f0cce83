"""Headers and bodies of the calls to a provider, in both versions of the protocol.

Source: Add-on Partner API, sections on provision and plan change.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from broker.addons.protocol_names import region_name
from broker.kernel.clock import rfc3339
from broker.testkit.expectations import Expected
from broker.testkit.subject import Subject

_ACCEPT_V3: Final = "application/vnd.heroku-addons+json; version=3"
_GRANT_LIFE: Final = timedelta(minutes=5)


def headers(subject: Subject, *, has_body: bool) -> dict[str, str]:
    accept = {"accept": "application/json" if subject.is_v1 else _ACCEPT_V3}
    return {**accept, "content-type": "application/json"} if has_body else accept


def provision(subject: Subject, expected: Expected, plan: str, origin: str, now: datetime) -> dict[str, Any]:
    """The body of `POST base_url`, with a grant that the callback server takes."""
    region = next((region for region in subject.manifest.regions if region != "*"), "us")
    common = {"uuid": str(expected.uuid), "plan": plan, "region": region_name(region), "options": {}}
    requires = subject.manifest.requires
    if "log_input" in requires:
        common["log_input_url"] = f"{origin.replace('://', f'://token:t.{uuid4()}@')}/logs"
    if "syslog_drain" in requires:
        common["log_drain_token"] = f"d.{uuid4()}"
    if subject.is_v1:
        callback = f"{origin}/vendor/apps/{expected.uuid}"
        return {**common, "heroku_id": expected.heroku_id, "callback_url": callback, "logplex_token": None}
    grant = {"code": expected.new_code(), "type": "authorization_code", "expires_at": rfc3339(now + _GRANT_LIFE)}
    callback = f"{origin}/addons/{expected.uuid}"
    return {**common, "name": expected.name, "callback_url": callback, "oauth_grant": grant}


def plan_change(subject: Subject, expected: Expected, plan: str) -> dict[str, Any]:
    """The body of `PUT base_url/<id>`; in v1 the uuid is a fresh one, as the oldest clients send it."""
    return {"plan": plan, "heroku_id": expected.heroku_id, "uuid": str(uuid4())} if subject.is_v1 else {"plan": plan}


def no_such_plan() -> str:
    """A plan that nobody offers."""
    return f"no-such-plan-{secrets.token_hex(3)}"
