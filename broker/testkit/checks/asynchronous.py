"""What a provider does by itself: exchange the grant, set config, say that it is done. Looked at when the run is over."""

from __future__ import annotations

from broker.testkit.callbacks import refusals
from broker.testkit.expectations import Callback
from broker.testkit.probe import NoAnswer, Probe
from broker.testkit.registry import check
from broker.testkit.results import Failed, Skipped, Warned

_TOKEN = "/oauth/token"  # noqa: S105 (a path)


@check("async", "A provision that is accepted with 202 is finished by a call to actions/provision.", canary=True)
async def finished(probe: Probe) -> str:
    resource = await probe.first()
    if isinstance(resource.trouble, NoAnswer) or resource.exchange is None:
        raise Skipped("No resource could be provisioned.")
    exchange = probe.look_at(resource.exchange)
    if exchange.status != 202:
        raise Skipped(f"It was answered at once, with {exchange.status}.")
    if not resource.expected.provisioned.is_set():
        raise Failed(
            f"Within {probe.limits.timeout_s:g} s there was no POST to callback_url + /actions/provision. "
            f"{_calls(probe.expectations.callbacks)} The kit must be reachable at {probe.origin}."
        )
    return f"Finished. {_calls(probe.expectations.callbacks)}"


@check("async", "An answer of 202 holds no config, which would be lost.")
async def no_config_yet(probe: Probe) -> None:
    resource = await probe.first()
    if resource.exchange is None or resource.exchange.status != 202:
        raise Skipped("Nothing was accepted with 202.")
    if probe.look_at(resource.exchange).config:
        raise Warned("Config in an answer of 202 is not read: PATCH it to callback_url + /config when it is ready.")


@check("async", "The grant is exchanged as the contract says: grant_type, code and client_secret.", stage=3)
async def grant(probe: Probe) -> str:
    calls = [one for one in probe.expectations.callbacks if one.what == f"POST {_TOKEN}"]
    if not calls:
        raise Skipped("The provider exchanged no grant.")
    _none_refused(calls)
    return f"{len(calls)} exchanged."


@check("async", "Every other call of the provider to the broker is one that the broker takes.", stage=3)
async def calls(probe: Probe) -> str:
    others = [one for one in probe.expectations.callbacks if one.what != f"POST {_TOKEN}"]
    if not others:
        raise Skipped("The provider called nothing.")
    _none_refused(others)
    return _calls(others)


def _none_refused(calls: list[Callback]) -> None:
    refused = refusals(calls)
    if refused:
        more = f" And {len(refused) - 3} more." if len(refused) > 3 else ""
        raise Failed(f"Refused: {'; '.join(refused[:3])}.{more}")


def _calls(calls: list[Callback]) -> str:
    kinds = list(dict.fromkeys(_kind(one) for one in calls))
    return f"It called: {', '.join(kinds)}." if kinds else "It called nothing."


def _kind(call: Callback) -> str:
    method, _, path = call.what.partition(" ")
    return f"{method} {path.replace(str(call.uuid), '{uuid}') if call.uuid else path}"
