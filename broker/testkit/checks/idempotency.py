"""The same uuid again is the same resource: the broker repeats calls after time-outs and crashes."""

from __future__ import annotations

from broker.testkit.checks.judging import told
from broker.testkit.exchange import Exchange
from broker.testkit.probe import Probe, Resource
from broker.testkit.registry import check
from broker.testkit.results import Failed, Skipped

_ADVICE = "Look the uuid up first, and answer with the resource that it has."


@check("idempotency", "The same provision again is answered like the first, with the same id.")
async def repeated(probe: Probe) -> None:
    resource = await probe.main()
    exchange = await probe.provision(resource)
    if not exchange.ok:
        raise Failed(f"The second time {told(exchange)}. {_ADVICE}")
    _must_be_the_same_id(resource, exchange)


@check("idempotency", "The same provision again gives the same config.")
async def same_config(probe: Probe) -> None:
    resource = await probe.main()
    if not resource.config:
        raise Skipped("The provider gives no config.")
    exchange = await probe.provision(resource)
    if not exchange.ok or exchange.provider_id not in (None, resource.provider_id):
        raise Skipped("The repeated provision did not succeed with the same id.")
    _must_be_the_same_config(resource, exchange)


@check("idempotency", "The same uuid with another plan makes no second resource.")
async def another_body(probe: Probe) -> None:
    resource = await probe.main()
    if probe.subject.to_plan is None:
        raise Skipped("The manifest has one plan only.")
    exchange = await probe.provision(resource, plan=probe.subject.to_plan)
    if exchange.status >= 500 and exchange.message is None:
        raise Failed(f"With another plan {told(exchange)}. Answer with the resource that there is, or refuse with 422.")
    if exchange.ok:
        _must_be_the_same_id(resource, exchange)
        _must_be_the_same_config(resource, exchange)


def _must_be_the_same_id(resource: Resource, exchange: Exchange) -> None:
    if exchange.provider_id is not None and exchange.provider_id != resource.provider_id:
        raise Failed(f"The id is another than the first time: a second resource was made. {_ADVICE}")


def _must_be_the_same_config(resource: Resource, exchange: Exchange) -> None:
    changed = sorted(
        name for name, value in exchange.config.items() if name in resource.config and value != resource.config[name]
    )
    if changed:
        raise Failed(f"{', '.join(changed)} differs from the first time: a second resource was made. {_ADVICE}")
