"""Calls without the right credentials are refused, and do nothing."""

from __future__ import annotations

from broker.testkit.checks.judging import told
from broker.testkit.exchange import Exchange
from broker.testkit.probe import Probe
from broker.testkit.registry import check
from broker.testkit.results import Failed, Warned

_WRONG = "not-the-password-of-the-manifest"
_ADVICE = "Check HTTP Basic on every call: the manifest's id as user and its password."


@check("auth", "A provision without credentials is refused with 401.")
async def no_credentials(probe: Probe) -> None:
    _must_be_refused(await probe.provision(probe.new_resource(), auth=None), _ADVICE)


@check("auth", "A provision with a wrong password is refused with 401.")
async def wrong_password(probe: Probe) -> None:
    exchange = await probe.provision(probe.new_resource(), auth=(probe.subject.manifest.id, _WRONG))
    _must_be_refused(exchange, _ADVICE)


@check("auth", "A provision with the id of another service is refused with 401.")
async def wrong_user(probe: Probe) -> None:
    user, password = probe.own_auth
    exchange = await probe.provision(probe.new_resource(), auth=(f"not-{user}", password))
    _must_be_refused(exchange, _ADVICE)


@check("auth", "A plan change with a wrong password is refused with 401.")
async def plan_change_with_a_wrong_password(probe: Probe) -> None:
    exchange = await probe.change_plan(
        probe.new_resource(), probe.subject.plan, auth=(probe.subject.manifest.id, _WRONG)
    )
    _must_be_refused(exchange, f"{_ADVICE} Check it before anything else, also for ids that are unknown.")


@check("auth", "A delete with a wrong password is refused with 401.")
async def delete_with_a_wrong_password(probe: Probe) -> None:
    exchange = await probe.delete(probe.new_resource(), auth=(probe.subject.manifest.id, _WRONG))
    _must_be_refused(exchange, f"{_ADVICE} Check it before anything else, also for ids that are unknown.")


def _must_be_refused(exchange: Exchange, advice: str) -> None:
    if exchange.status == 401:
        return
    if exchange.status == 403:
        raise Warned(f"It is refused, but {told(exchange)} instead of 401.")
    raise Failed(f"Instead of 401 {told(exchange)}. {advice}")
