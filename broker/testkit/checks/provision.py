"""A resource is made, and the answer has the form that the broker reads."""

from __future__ import annotations

from typing import Final

from broker.testkit.checks.judging import told
from broker.testkit.exchange import Exchange
from broker.testkit.probe import NoAnswer, Probe
from broker.testkit.registry import check
from broker.testkit.results import Failed, Skipped, Warned

_ADVICE: Final = {
    400: "The body is the JSON of the contract; fields that you do not know are to be ignored.",
    401: "Give the program the password of this manifest, and the manifest's id as user.",
    404: "Is api.production.base_url right? The request is POSTed to exactly that URL.",
    405: "Is api.production.base_url right? The request is POSTed to exactly that URL.",
    422: "The kit asks for a plan and a region of the manifest: these must be possible. Choose another with --plan.",
}


@check("provision", "A provision with the right credentials succeeds with 201, 200 or 202.", canary=True)
async def succeeds(probe: Probe) -> str:
    resource = await probe.first()
    if isinstance(resource.trouble, NoAnswer):
        raise resource.trouble
    assert resource.last is not None
    exchange = probe.look_at(resource.last)
    if exchange.status not in (200, 201, 202):
        advice = _ADVICE.get(exchange.status, "Look for the reason in the log of your program.")
        raise Failed(f"Instead {told(exchange)}. {advice}")
    return f"Answered {exchange.status}."


@check("provision", "The answer to a provision is a JSON object with an id.", canary=True)
async def has_an_id(probe: Probe) -> None:
    exchange = await _answered(probe)
    if exchange.status == 202 and exchange.data is None and not probe.subject.is_v1:
        return
    if not isinstance(exchange.data, dict):
        raise Failed('The body is no JSON object. Answer {"id": …, "config": {…}, "message": …}.')
    if exchange.provider_id is None and not (exchange.status == 202 and "id" not in exchange.data):
        raise Failed("There is no id in it. Answer with the id by which you know the resource.")


@check("provision", "The id in the answer is a string.")
async def id_is_a_string(probe: Probe) -> None:
    exchange = await _answered(probe)
    if exchange.provider_id is None:
        raise Skipped("There is no id.")
    if not isinstance(exchange.data["id"], str):
        raise Warned("It is a number: the broker takes it as text. Send a string, best the uuid of the request.")


@check("provision", "The answer says that it is JSON.")
async def content_type(probe: Probe) -> None:
    exchange = await _answered(probe)
    if not exchange.body:
        raise Skipped("The answer is empty.")
    kind = exchange.content_type
    if kind != "application/json" and not kind.endswith("+json"):
        raise Warned(f"Its content type is {kind or 'missing'}: send Content-Type: application/json.")


@check("provision", "The message in the answer, if there is one, is a text.")
async def message_is_text(probe: Probe) -> None:
    data = (await _answered(probe)).data
    found = data.get("message") if isinstance(data, dict) else None
    if found is not None and not isinstance(found, str):
        raise Failed("It is no string: the user would see nothing. Send a sentence, null, or leave it out.")


@check("provision", "Fields that the provider does not know are ignored.")
async def unknown_fields(probe: Probe) -> None:
    await probe.main()
    _, exchange = await probe.another(a_field_of_tomorrow={"and": ["what", "is in it"]})
    if not exchange.ok:
        raise Failed(f"With a field more than today's {told(exchange)}. Ignore what you do not know: fields are added.")


@check("provision", "The list of resources holds the new one.")
async def is_listed(probe: Probe) -> None:
    uuid = str((await probe.listed()).uuid)
    exchange = await probe.list_resources()
    entries = exchange.data
    if exchange.status != 200 or not isinstance(entries, list):
        raise Failed(f"The manifest promises a list, but {told(exchange)} to GET, without a JSON array. Answer one.")
    found = [one for one in entries if isinstance(one, dict) and uuid in (one.get("uuid"), one.get("id"))]
    if len(found) != 1:
        raise Failed(f"It is in the list {len(found)} times. List each resource that exists once, with its uuid.")


async def _answered(probe: Probe) -> Exchange:
    """The answer to the first provision, which these checks read."""
    resource = await probe.first()
    if resource.exchange is None:
        raise Skipped("No resource could be provisioned.")
    return probe.look_at(resource.exchange)
