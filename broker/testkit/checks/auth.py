"""Calls without the right credentials are refused, and do nothing."""

from __future__ import annotations

from broker.testkit.checks.judging import must_refuse_with
from broker.testkit.probe import Probe
from broker.testkit.registry import check

_WRONG = "not-the-password-of-the-manifest"
_ADVICE = "Check HTTP Basic on every call: the manifest's id as user and its password."


@check("auth", "A provision without credentials is refused with 401.")
async def no_credentials(probe: Probe) -> None:
    must_refuse_with(await probe.provision(probe.new_resource(), auth=None), 401, _ADVICE)


@check("auth", "A provision with a wrong password is refused with 401.")
async def wrong_password(probe: Probe) -> None:
    exchange = await probe.provision(probe.new_resource(), auth=(probe.subject.manifest.id, _WRONG))
    must_refuse_with(exchange, 401, _ADVICE)


@check("auth", "A provision with the id of another service is refused with 401.")
async def wrong_user(probe: Probe) -> None:
    user, password = probe.own_auth
    exchange = await probe.provision(probe.new_resource(), auth=(f"not-{user}", password))
    must_refuse_with(exchange, 401, _ADVICE)


@check("auth", "A plan change with a wrong password is refused with 401.")
async def plan_change_with_a_wrong_password(probe: Probe) -> None:
    exchange = await probe.change_plan(
        probe.new_resource(), probe.subject.plan, auth=(probe.subject.manifest.id, _WRONG)
    )
    must_refuse_with(exchange, 401, f"{_ADVICE} Check it before anything else, also for ids that are unknown.")


@check("auth", "A delete with a wrong password is refused with 401.")
async def delete_with_a_wrong_password(probe: Probe) -> None:
    exchange = await probe.delete(probe.new_resource(), auth=(probe.subject.manifest.id, _WRONG))
    must_refuse_with(exchange, 401, f"{_ADVICE} Check it before anything else, also for ids that are unknown.")
