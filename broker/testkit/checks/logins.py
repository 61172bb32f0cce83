"""Logins of their own, for providers whose manifest has the capability `attachment_credentials`: reported with the config.

Source: docs/reference/partner-extensions.md.
"""

from __future__ import annotations

from uuid import uuid4

from broker.testkit import connect
from broker.testkit.checks.config import must_have_worked
from broker.testkit.checks.judging import told
from broker.testkit.probe import Login, Probe, Resource
from broker.testkit.registry import check
from broker.testkit.results import Failed, Skipped

_REMOVED = (200, 204, 404, 410)


@check("config", "A login of its own is made, and works.")
async def made(probe: Probe) -> str:
    resource = await _able(probe)
    login = Login(uuid4())
    exchange = await probe.make_login(resource, login.id)
    if exchange.status not in (200, 201):
        raise Failed(f"The manifest has the capability attachment_credentials, but {told(exchange)}.")
    login.config = exchange.config
    undeclared = sorted(set(login.config) - set(probe.subject.manifest.config_vars))
    if undeclared or not login.config:
        raise Failed(
            f"Answer its config vars under the manifest's names; given were: {', '.join(undeclared) or 'none'}."
        )
    if all(value == resource.config.get(name) for name, value in login.config.items()):
        raise Failed("Its config is that of everybody else. Make a user, or a password, of its own.")
    probe.login = login  # from here on it is to be removed, whether it works or not
    for name in connect.tried(login.config):
        if complaint := await connect.complaint(login.config[name]):
            raise Failed(f"It does not work: {name}, {complaint}.")
    return f"Given: {', '.join(login.config)}."


@check("config", "The same login again is answered like the first time.")
async def made_again(probe: Probe) -> None:
    resource, login = await _made(probe)
    exchange = await probe.make_login(resource, login.id)
    if exchange.status not in (200, 201) or exchange.config != login.config:
        raise Failed(f"The second time {told(exchange)}, with other config. Remember the uuid of each login.")


@check("config", "A login that was removed does not work any more, and the others do.")
async def removed(probe: Probe) -> None:
    resource, login = await _made(probe)
    exchange = await probe.remove_login(resource, login.id)
    if exchange.status not in _REMOVED:
        raise Failed(f"Instead of 204 {told(exchange)}. The broker asks again until it succeeds.")
    for name in connect.tried(login.config):
        if login.config[name] != resource.config.get(name) and await connect.complaint(login.config[name]) is None:
            raise Failed(f"Its {name} can still be used.")
    for name in connect.tried(resource.config):
        if complaint := await connect.complaint(resource.config[name]):
            raise Failed(f"With it went the default one: {name}, {complaint}.")


async def _able(probe: Probe) -> Resource:
    if not probe.subject.offers("attachment_credentials"):
        raise Skipped("The manifest does not have the capability attachment_credentials.")
    resource = await probe.main()
    if not resource.config:
        raise Skipped("The provider gives no config.")
    await must_have_worked(resource)
    return resource


async def _made(probe: Probe) -> tuple[Resource, Login]:
    resource = await _able(probe)
    if probe.login is None:
        raise Skipped("No login was made.")
    return resource, probe.login
