"""Waiting for an operation that goes on in the broker: watching, then polling until its state is final.

A broker that is away for a moment (a restart, say) does not end the waiting; Ctrl-C ends it, not the operation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from broker.cli.client import Client, Json, segment
from broker.cli.errors import CliError, Interrupted, Refused, RefusedMissing, Unreachable
from broker.cli.watching import Tell, watch

PENDING = ("provisioning", "deprovisioning")

_FIRST_PAUSE_S = 0.3
_LONGEST_PAUSE_S = 5.0
_TOLERATED_FAILURES = 5
_AWAY = 503


@contextmanager
def goes_on(look: str) -> Iterator[None]:
    """Turn Ctrl-C into a sentence: the operation goes on, and how to look at it."""
    try:
        yield
    except KeyboardInterrupt as cause:
        raise Interrupted("Interrupted. The operation goes on in the broker.", f"Look at it with `{look}`.") from cause


def poll(fetch: Callable[[], Json], pending: Callable[[Json], bool]) -> Json:
    """Fetch until the answer is no longer pending.

    Raises: Unreachable, or Refused with 503, when the broker stays away.
    """
    pause, failures = _FIRST_PAUSE_S, 0
    while True:
        try:
            answer = fetch()
            failures = 0
            if not pending(answer):
                return answer
        except (Unreachable, Refused) as error:
            if isinstance(error, Refused) and error.status != _AWAY:
                raise
            failures += 1
            if failures > _TOLERATED_FAILURES:
                raise
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE_S)


def wait_for_addon(client: Client, addon: Json, tell: Tell) -> Json:
    """The add-on once it is neither being created nor being destroyed; gone counts as `deprovisioned`.

    What goes on meanwhile is given to `tell`.
    """

    def fetch() -> Json:
        try:
            found: Json = client.get(f"/apps/{addon['app']['id']}/addons/{addon['id']}")
        except RefusedMissing:
            return {**addon, "state": "deprovisioned"}
        return found

    with goes_on(f"broker addons:wait {addon['name']}"):
        watch(client, addon, tell)
        return poll(fetch, lambda found: found["state"] in PENDING)


def operations(client: Client, addon: Json) -> list[Json]:
    """The operations of an add-on, newest first."""
    return client.get_all(f"/addons/{segment(addon['id'])}/operations")


def wait_for_plan(client: Client, addon: Json, tell: Tell) -> Json:
    """The add-on once its newest plan change is settled.

    Raises: CliError with the reason when the change failed.
    """

    def fetch() -> Json:
        changes = (run for run in operations(client, addon) if run["kind"] == "plan_change")
        return next(changes, {"state": "succeeded"})

    with goes_on(f"broker addons:operations {addon['name']}"):
        watch(client, addon, tell)
        change = poll(fetch, lambda run: run["state"] not in ("succeeded", "failed"))
    if change["state"] == "failed":
        raise CliError(f"The plan of {addon['name']} was not changed: {change.get('reason') or 'no reason given'}")
    found: Json = client.get(f"/addons/{segment(addon['id'])}")
    return found


def reason(client: Client, addon: Json) -> str | None:
    """Why the newest operation of the add-on failed or is pending, when the broker says so."""
    try:
        newest = next(iter(operations(client, addon)), None)
    except CliError:
        return None
    return newest.get("reason") if newest else None


def newest_version(client: Client, app: str) -> str | None:
    """`v8`: the newest release of an app, or None when it has none, or is somebody else's."""
    try:
        releases = client.get(f"/apps/{segment(app)}/releases", {"range": "version ..; max=1, order=desc"})
    except RefusedMissing:
        return None
    return f"v{releases[0]['version']}" if releases else None
