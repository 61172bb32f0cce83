"""Changes of the plan: up, down, to the same, to one that is impossible; and what was there before stays."""

from __future__ import annotations

from broker.testkit.bodies import no_such_plan
from broker.testkit.checks.config import connected
from broker.testkit.checks.judging import must_have_a_sentence, told
from broker.testkit.exchange import Exchange
from broker.testkit.probe import Probe, Resource
from broker.testkit.registry import check
from broker.testkit.results import Failed, Skipped

_TAKEN = (200, 202, 204)


@check("planchange", "A change to another plan succeeds with 200, 202 or 204.")
async def to_another(probe: Probe) -> str:
    resource, plan = await _two_plans(probe)
    exchange = await probe.change_plan(resource, plan)
    if exchange.status not in _TAKEN:
        raise Failed(f"From {resource.plan} to {plan} {told(exchange)}. If no change is possible, use --to-plan.")
    resource.plan = plan
    return f"Changed to {plan}."


@check("planchange", "Config in the answer to a plan change is declared in the manifest.")
async def declared(probe: Probe) -> None:
    resource, _ = await _two_plans(probe)
    exchange = await _changed(probe, resource)
    undeclared = sorted(set(exchange.config) - set(probe.subject.manifest.config_vars))
    if undeclared:
        raise Failed(f"{', '.join(undeclared)}: the broker drops it. Add it to api.config_vars, or do not send it.")
    resource.expected.set_config(exchange.config)


@check("planchange", "The new plan is kept: the list of resources shows it.")
async def is_kept(probe: Probe) -> None:
    await probe.listed()
    resource, _ = await _two_plans(probe)
    await _changed(probe, resource)
    exchange = await probe.list_resources()
    uuid = str(resource.uuid)
    entries = exchange.data if isinstance(exchange.data, list) else []
    plans = [one.get("plan") for one in entries if isinstance(one, dict) and uuid in (one.get("uuid"), one.get("id"))]
    if not plans or plans[0] is None:
        raise Skipped("The list does not show the plan.")
    if plans != [resource.plan]:
        raise Failed(f"The change was answered with success, but the list shows {plans[0]}. Keep the new plan.")


@check("planchange", "The same plan again changes nothing and succeeds.", canary=True)
async def to_the_same(probe: Probe) -> None:
    resource = await probe.main()
    exchange = await probe.change_plan(resource, resource.plan)
    if exchange.status not in _TAKEN:
        raise Failed(f"For the plan it has {told(exchange)}. The broker repeats calls: answer 200.")


@check("planchange", "The config works after a plan change.")
async def still_works(probe: Probe) -> str:
    resource, _ = await _two_plans(probe)
    await _changed(probe, resource)
    return await connected(probe, resource)


@check("planchange", "A change back succeeds, or is refused with a sentence for the user.")
async def and_back(probe: Probe) -> str:
    resource, _ = await _two_plans(probe)
    await _changed(probe, resource)
    exchange = await probe.change_plan(resource, probe.subject.plan)
    if exchange.status in _TAKEN:
        resource.plan = probe.subject.plan
        return "Changed back."
    if exchange.status not in (422, 503):
        raise Failed(f"Back to {probe.subject.plan} {told(exchange)}. Refuse what is impossible with 422.")
    must_have_a_sentence(exchange)
    return "Refused with a sentence."


@check("planchange", "A change to a plan that does not exist is refused with 422 and a sentence.")
async def to_none(probe: Probe) -> None:
    resource = await probe.main()
    exchange = await probe.change_plan(resource, no_such_plan())
    if exchange.status != 422:
        raise Failed(f"Instead of 422 {told(exchange)}. The user would believe in a plan that is none.")
    must_have_a_sentence(exchange)


@check("planchange", "A plan change of an unknown resource is refused with 404.")
async def of_nothing(probe: Probe) -> None:
    exchange = await probe.change_plan(probe.new_resource(), probe.subject.to_plan or probe.subject.plan)
    if exchange.status not in (404, 410, 422):
        raise Failed(f"Instead of 404 {told(exchange)}. Look the resource up before anything else.")


async def _two_plans(probe: Probe) -> tuple[Resource, str]:
    if probe.subject.to_plan is None:
        raise Skipped("The manifest has one plan only: name another with --to-plan.")
    return await probe.main(), probe.subject.to_plan


async def _changed(probe: Probe, resource: Resource) -> Exchange:
    """The answer to the change of the first check, made now if that check did not run."""
    if resource.plan == probe.subject.plan:
        raise Skipped("The plan was not changed.")
    made = [one for one in probe.exchanges if one.request.method == "PUT" and one.status in _TAKEN]
    return probe.look_at(made[0])
