"""payments:settle, refunds:settle, chargebacks:settle: what operators say of what no gateway tells any more."""

from __future__ import annotations

import click

from broker.cli.amounts import money
from broker.cli.client import Json, connect, segment
from broker.cli.options import json_option
from broker.cli.output import clean, note, say_json

_outcome = click.option(
    "--outcome", type=click.Choice(["succeeded", "failed"]), required=True, help="Whether the money has moved."
)
_evidence = click.option("--evidence", required=True, help="How you know; it is kept in the audit log.")


@click.command()
@click.argument("payment")
@_outcome
@_evidence
@json_option
def payment(payment: str, outcome: str, evidence: str, as_json: bool) -> None:
    """Say how a payment ended of which no gateway tells it any more (operators). `broker billing:check` names such.

    Look it up at the gateway before. For one that was asked within the last day, the gateway is waited for. Also decides about
    one that was settled as paid and that the gateway calls failed: what failed is owed again.
    """
    made = _settled(f"payments/{segment(payment)}", outcome, evidence, as_json)
    if not as_json:
        note(f"{money(made['amount_minor'], made['currency'])} for {clean(made['invoice'])}: {made['state']}.")


@click.command()
@click.argument("refund")
@_outcome
@_evidence
@json_option
def refund(refund: str, outcome: str, evidence: str, as_json: bool) -> None:
    """Say how a refund ended of which no gateway tells it any more (operators). `broker billing:check` names such.

    One that is done, and that the books did not allow, is written off.
    """
    made = _settled(f"refunds/{segment(refund)}", outcome, evidence, as_json)
    if not as_json:
        note(f"{money(made['amount_minor'], made['currency'])} sent back: {made['state']}.")


@click.command()
@click.argument("chargeback")
@click.option("--outcome", type=click.Choice(["won", "lost"]), required=True, help="How the bank decided.")
@_evidence
@json_option
def chargeback(chargeback: str, outcome: str, evidence: str, as_json: bool) -> None:
    """Say how a bank decided about a chargeback of which no gateway tells it any more (operators).

    `broker payments:chargebacks` has the ids; `broker billing:check` names those that nobody has decided for long. What is won
    is as before; what is lost is owed again.
    """
    made = _settled(f"chargebacks/{segment(chargeback)}", outcome, evidence, as_json)
    if not as_json:
        note(f"{money(made['amount_minor'], made['currency'])} for {clean(made['invoice'])}: {made['state']}.")


def _settled(what: str, outcome: str, evidence: str, as_json: bool) -> Json:
    with connect() as client:
        made: Json = client.post(f"/billing/{what}/settlement", {"outcome": outcome, "evidence": evidence})
    if as_json:
        say_json(made)
    return made
