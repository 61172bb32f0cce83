"""The HTTP client of the command line: one class, JSON in and out, every failure a `CliError`.

It speaks the Platform API and nothing else. Retrying is left to the polling of `waiting.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from broker.cli.credentials import Login, current_login, is_loopback
from broker.cli.errors import Refused, Unreachable, refusal
from broker.cli.output import warn

if TYPE_CHECKING:
    import httpx

Json = dict[str, Any]

ANSWER_TIMEOUT_S = 90.0
"""Longer than the broker itself waits for a provider before it answers."""

TEAM = "broker.team"
"""Where the team that a command acts for is kept while the command runs: in the `meta` of its context."""

_SILENCE_S = 40.0
"""A live stream says something more often than this."""

_EVENTS = "text/event-stream"
_ACCEPT = "application/vnd.heroku+json; version=3"


def segment(value: str) -> str:
    """A value made safe as one segment of a URL path."""
    return quote(value, safe="")


class Client:
    """Requests to one broker as one actor; use it as a context manager."""

    def __init__(
        self, url: str, login: Login | None = None, timeout_s: float = ANSWER_TIMEOUT_S, team: str | None = None
    ) -> None:
        from importlib.metadata import version

        import httpx

        self.url = url
        self.login = login
        self._team = team
        headers = {"accept": _ACCEPT, "user-agent": f"addon-broker-cli/{version('addon-broker')}"}
        if login:
            headers["authorization"] = f"Bearer {login.token}"
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=httpx.Timeout(timeout_s, connect=min(10.0, timeout_s)),
            trust_env=not is_loopback(url),
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, headers: dict[str, str] | None = None) -> Any:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, body: Json | None = None) -> Any:
        return self.request("POST", path, body)

    def post_for_headers(self, path: str, body: Json) -> tuple[Json, Mapping[str, str]]:
        """The answer to a POST with its headers, whose names are in lower case or not."""
        response = self._send("POST", path, body)
        return self._parse(response), response.headers

    def patch(self, path: str, body: Json) -> Any:
        return self.request("PATCH", path, body)

    def put(self, path: str, body: Json) -> Any:
        return self.request("PUT", path, body)

    def delete(self, path: str, body: Json | None = None) -> Any:
        return self.request("DELETE", path, body)

    def get_all(self, path: str) -> list[Json]:
        """A whole list, following `Next-Range` to its end."""
        items: list[Json] = []
        following: str | None = None
        while True:
            response = self._send("GET", path, headers={"range": following} if following else None)
            page = self._parse(response)
            if not isinstance(page, list):
                raise self._not_a_broker(response, "something else than a list")
            items += page
            following, before = response.headers.get("next-range"), following
            if not following or following == before or not page:
                return items

    def download(self, path: str) -> Iterator[bytes]:
        """The parts of a file as they come.

        Raises: as `request`; Unreachable also when it ends too early.
        """
        import httpx

        try:
            with self._http.stream("GET", self._for_team(path), headers={"accept": "*/*"}) as response:
                if not response.is_success:
                    response.read()
                    self._parse(response)
                yield from response.iter_bytes()
        except httpx.HTTPError as cause:
            raise Unreachable(
                f"The broker at {self.url} did not send all of it: {cause or type(cause).__name__}.", "Try again."
            ) from cause

    def events(self, path: str) -> Iterator[Json]:
        """What a live stream tells until it ends, however it ends; nothing at all where there is none.

        Nothing is raised: who wants to be sure asks again afterwards.
        """
        import httpx

        patience = httpx.Timeout(_SILENCE_S, connect=10.0)
        try:
            with self._http.stream("GET", path, headers={"accept": _EVENTS}, timeout=patience) as response:
                if not response.headers.get("content-type", "").startswith(_EVENTS):
                    return
                for line in response.iter_lines():
                    if line.startswith("data:"):
                        yield json.loads(line.removeprefix("data:"))
        except (httpx.HTTPError, ValueError):
            return

    def request(
        self, method: str, path: str, body: Json | None = None, *, headers: dict[str, str] | None = None,
        basic: tuple[str, str] | None = None,
    ) -> Any:  # fmt: skip
        """Send and return the parsed answer.

        Raises: Refused for an error answer, Unreachable when there is none or it is no JSON.
        """
        return self._parse(self._send(method, path, body, headers=headers, basic=basic))

    def _send(
        self, method: str, path: str, body: Json | None = None, *, headers: dict[str, str] | None = None,
        basic: tuple[str, str] | None = None,
    ) -> httpx.Response:  # fmt: skip
        import httpx

        try:
            return self._http.request(
                method,
                self._for_team(path),
                json=body,
                headers=headers,
                auth=httpx.BasicAuth(*basic) if basic else None,
            )
        except httpx.TimeoutException as cause:
            raise Unreachable(
                f"The broker at {self.url} did not answer in time.",
                "What was begun goes on there; look with `broker addons:operations` or try again.",
            ) from cause
        except httpx.HTTPError as cause:
            raise Unreachable(
                f"Cannot reach the broker at {self.url}: {cause or type(cause).__name__}.", self._reach_hint()
            ) from cause

    def _for_team(self, path: str) -> str:
        """What is asked of the account is asked of the team's, where the command was told so."""
        if self._team is None or not path.startswith("/account/"):
            return path
        return f"{path}{'&' if '?' in path else '?'}team={segment(self._team)}"

    def _reach_hint(self) -> str:
        if os.environ.get("BROKER_URL"):
            return "Is BROKER_URL right, and is the broker running?"
        return "Is it running? Start a local one with `broker up`, or log in elsewhere with `broker login --url URL`."

    def _parse(self, response: httpx.Response) -> Any:
        if response.is_redirect:
            raise self._not_a_broker(response, f"a redirect to {response.headers.get('location', 'nowhere')}")
        for name in ("x-heroku-warning", "warning-message"):
            if name in response.headers:
                warn(response.headers[name])
        data: Any = None
        if response.content:
            try:
                data = response.json()
            except ValueError as cause:
                raise self._not_a_broker(response, "no JSON") from cause
        if response.is_success:
            return data
        raise self._refusal(response, data)

    def _refusal(self, response: httpx.Response, data: Any) -> Refused | Unreachable:
        if not isinstance(data, dict) or not isinstance(data.get("message"), str):
            return self._not_a_broker(response, "an error without a message")
        from_env = bool(self.login and self.login.from_env)
        error_id, resource = str(data.get("id", "")), str(data.get("resource", ""))
        return refusal(response.status_code, error_id, data["message"], resource, token_from_env=from_env)

    def _not_a_broker(self, response: httpx.Response, what: str) -> Unreachable:
        request = response.request
        return Unreachable(
            f"{request.method} {request.url.path} at {self.url} was answered with {what} (status {response.status_code}).",
            "Is this the address of a broker, or of a proxy before it?",
        )


def connect(timeout_s: float = ANSWER_TIMEOUT_S) -> Client:
    """A client with the current login.

    Raises: NotLoggedIn.
    """
    import click

    login, running = current_login(), click.get_current_context(silent=True)
    return Client(login.url, login, timeout_s, running.meta.get(TEAM) if running else None)
