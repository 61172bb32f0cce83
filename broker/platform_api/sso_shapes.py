"""The shapes of signing on to dashboards. `SignOnForm` is what the Heroku CLI reads; the rest is outside the public schema."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict


class SignOnForm(TypedDict):
    """What a browser sends to the provider: now, and once."""

    method: Literal["get", "post"]
    action: str
    params: dict[str, str]


class DashboardLink(TypedDict):
    """A link that lets whoever has it into a dashboard, for a few minutes."""

    url: str
