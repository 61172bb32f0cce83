"""New credentials without a pause, for providers whose manifest has the capability `rotate`: reported with the config.

Source: docs/reference/partner-extensions.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from broker.testkit import connect
from broker.testkit.checks.config import must_have_worked
from broker.testkit.checks.judging import told
from broker.testkit.probe import Probe, Resource, Rotation
from broker.testkit.registry import check
from broker.testkit.results import Failed, Skipped

_REVOKED = (200, 202, 204, 404, 410)


@check("config", "A rotation gives new credentials, and the old ones go on working.")
async def rotated(probe: Probe) -> str:
    resource = await _able(probe)
    rotation = Rotation(uuid4(), dict(resource.config))
    exchange = await probe.act(resource, "rotate", rotation.id)
    if exchange.status not in (200, 202):
        raise Failed(f"The manifest has the capability rotate, but {told(exchange)}. Answer 200 with the new config.")
    if exchange.status == 202 and not await probe.within(resource.expected.patched):
        raise Failed(f"Within {probe.limits.timeout_s:g} s the new config was not PATCHed to callback_url + /config.")
    resource.expected.set_config(exchange.config)
    rotation.new = dict(resource.config)
    changed = rotation.changed()
    if not changed:
        raise Failed("No config var has another value than before. Issue credentials of their own.")
    await _must_work(rotation.old, "An old one does not work any more, although apps still use it")
    await _must_work(rotation.new, "A new one does not work")
    probe.rotation = rotation
    return f"Changed: {', '.join(changed)}."


@check("config", "The same rotation again gives the same credentials.")
async def rotated_again(probe: Probe) -> None:
    resource, rotation = await _rotated(probe)
    exchange = await probe.act(resource, "rotate", rotation.id)
    if exchange.status not in (200, 202):
        raise Failed(f"The second time {told(exchange)}. The broker repeats calls: answer as the first time.")
    resource.expected.set_config(exchange.config)  # what holds from here on, right or wrong
    differing = sorted(name for name, value in exchange.config.items() if value != rotation.new.get(name))
    if differing:
        raise Failed(f"{', '.join(differing)} differs from the first time. Remember what each rotation has issued.")


@check("config", "After a revocation the new credentials work, and the old ones do not.")
async def revoked(probe: Probe) -> None:
    resource, rotation = await _rotated(probe)
    exchange = await probe.act(resource, "revoke", rotation.id)
    if exchange.status not in _REVOKED:
        raise Failed(f"Instead of 204 {told(exchange)}. Until it succeeds the old credentials stay in use.")
    await _must_work(rotation.new, "A new one does not work any more")
    for name in connect.tried(rotation.old):
        if name in rotation.changed() and await connect.complaint(rotation.old[name]) is None:
            raise Failed(f"The old {name} can still be used. Withdraw everything older than this rotation's.")


@check("config", "The provider tells which config holds now.")
async def asked(probe: Probe) -> None:
    resource = await _able(probe)
    exchange = await probe.ask(resource)
    differing = sorted(name for name, value in resource.config.items() if exchange.config.get(name) != value)
    if exchange.status != 200 or differing:
        what = f"{told(exchange)}, with other values of {', '.join(differing)}" if differing else told(exchange)
        raise Failed(f"To GET of the resource {what}. Answer 200 with the config that holds.")


async def _able(probe: Probe) -> Resource:
    if not probe.subject.offers("rotate"):
        raise Skipped("The manifest does not have the capability rotate.")
    resource = await probe.main()
    if not resource.config:
        raise Skipped("The provider gives no config.")
    await must_have_worked(resource)
    return resource


async def _rotated(probe: Probe) -> tuple[Resource, Rotation]:
    resource = await _able(probe)
    if probe.rotation is None:
        raise Skipped("No credentials were rotated.")
    return resource, probe.rotation


async def _must_work(config: Mapping[str, object], what_if_not: str) -> None:
    for name in connect.tried(config):
        if complaint := await connect.complaint(config[name]):
            raise Failed(f"{what_if_not}: {name}, {complaint}.")
