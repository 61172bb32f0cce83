"""Removal: once, twice, of nothing; and what is gone stays gone."""

from __future__ import annotations

from broker.testkit import connect, tokens
from broker.testkit.checks.judging import told
from broker.testkit.probe import Probe, Resource
from broker.testkit.registry import check
from broker.testkit.results import Failed, Skipped, Warned

_GONE = (200, 204, 404, 410)


@check("deprovision", "A delete succeeds with 204 or 200.", stage=2, canary=True)
async def succeeds(probe: Probe) -> str:
    resource = await probe.main()
    exchange = await probe.delete(resource)
    if exchange.status == 202:
        raise Skipped("It was accepted with 202: see the next line.")
    if exchange.status in (404, 410):
        raise Failed(f"For a resource that exists {told(exchange)}. Delete by the uuid of the provision request.")
    if exchange.status not in _GONE:
        raise Failed(f"Instead of 204 {told(exchange)}. Until it succeeds the resource costs you money.")
    return f"Answered {exchange.status}."


@check(
    "deprovision",
    "A delete that is accepted with 202 is finished by a call to actions/deprovision.",
    stage=2,
    canary=True,
)
async def finished(probe: Probe) -> None:
    resource = await probe.main()
    url = probe.subject.resource_url(resource.uuid, resource.provider_id)
    answers = [one for one in probe.exchanges if one.request.method == "DELETE" and one.request.url == url]
    if not answers:
        answers = [await probe.delete(resource)]
    if probe.look_at(answers[0]).status != 202:
        raise Skipped("It was not answered with 202.")
    if resource.may_exist:
        raise Failed(
            f"Within {probe.limits.timeout_s:g} s there was no POST to callback_url + /actions/deprovision. "
            "After 12 hours the broker writes it down as a leftover."
        )


@check("deprovision", "A second delete is answered with 410, 404 or success.", stage=2)
async def twice(probe: Probe) -> str:
    exchange = await probe.delete(await _removed(probe))
    if exchange.status not in (*_GONE, 202):
        raise Failed(f"The second time {told(exchange)}. The broker repeats calls: answer 410, or 204 again.")
    return f"Answered {exchange.status}."


@check("deprovision", "A delete of an unknown resource is answered with 404, 410 or success.", stage=2)
async def of_nothing(probe: Probe) -> None:
    exchange = await probe.delete(probe.new_resource())
    if exchange.status not in _GONE:
        raise Failed(f"Instead of 404 {told(exchange)}. What is not there need not be removed: answer 404.")


@check("deprovision", "The list of resources does not hold what is gone.", stage=2)
async def is_not_listed(probe: Probe) -> None:
    await probe.listed()
    uuid = str((await _removed(probe)).uuid)
    exchange = await probe.list_resources()
    entries = exchange.data if isinstance(exchange.data, list) else []
    if any(isinstance(one, dict) and uuid in (one.get("uuid"), one.get("id")) for one in entries):
        raise Failed("It is still listed: the broker would take it for a leftover and delete it again and again.")


@check("deprovision", "Nobody is signed in to what is gone.", stage=2)
async def no_sign_on(probe: Probe) -> None:
    resource = await _removed(probe)
    subject = probe.subject
    if subject.sso_url is None or subject.manifest.sso_salt is None:
        raise Skipped("The manifest has no sso_url and sso_salt, and so no dashboard.")
    form = tokens.form(subject, resource.provider_id or str(resource.uuid), resource.uuid, probe.next_timestamp())
    exchange = await probe.browse(tokens.request(subject, form))
    if exchange.status < 400:
        raise Failed(f"After the delete {told(exchange)} to a sign-on. Refuse it with 410 or 404.")


@check("deprovision", "The credentials of what is gone do not work any more.", stage=2)
async def credentials_end(probe: Probe) -> None:
    resource = await _removed(probe)
    names = [name for name in connect.tried(resource.config) if not str(resource.config[name]).startswith("http")]
    if not names:
        raise Skipped("No config var holds an address that the kit can try.")
    open_still = [name for name in names if await connect.complaint(resource.config[name]) is None]
    if open_still:
        raise Warned(f"{', '.join(open_still)} can still be used. Revoke at once what was deprovisioned.")


@check("deprovision", "A late provision of what is gone makes nothing anew.", stage=2)
async def no_return(probe: Probe) -> None:
    resource = await _removed(probe)
    resource.exchange = None
    exchange = await probe.provision(resource)
    if exchange.ok:
        raise Warned(
            "It made the resource again: a call that was delayed would leave one that nobody wants. Answer 410."
        )


async def _removed(probe: Probe) -> Resource:
    """The main resource after its delete."""
    resource = await probe.main()
    if resource.may_exist:
        raise Skipped("The delete did not succeed.")
    return resource
