"""provider:proxy: stands between broker and provider, and makes faults."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from broker.cli.errors import Misused
from broker.cli.options import host_and_port, json_option
from broker.cli.output import clean, note, say

if TYPE_CHECKING:
    import socket

    from broker.testkit.proxy import FaultProxy, Passage


@click.command("provider:proxy")
@click.option("--to", "to", required=True, metavar="ORIGIN", help="The provider: scheme, host and port.")
@click.option(
    "--listen", default="127.0.0.1:0", show_default=True, metavar="HOST:PORT", help="Where to be called; port 0 is a free one."
)  # fmt: skip
@click.option(
    "--fault", "faults", multiple=True, metavar="KIND[:every=N][:times=N][:on=CALL][:s=S]",
    help="A fault to make; may be given several times, the first that strikes is made.",
)  # fmt: skip
@json_option
def provider_proxy(to: str, listen: str, faults: tuple[str, ...], as_json: bool) -> None:
    """Forward from the broker to a provider, and make faults on the way.

    \b
    Kinds of faults:
      delay      answered S seconds late [2]
      timeout    carried out, and never answered
      duplicate  carried out twice; the second answer is given
      reorder    held back until another call was answered, at most S seconds [5]
      500        carried out, and answered with 500
      503        not carried out, and answered with 503
      reset      carried out; the connection is reset instead of an answer
      drop       not carried out; the connection is reset
      garbage    carried out, and answered with 200 and nonsense
    Calls: any, provision, planchange, deprovision, sso, list.

    Prints one line for each call, and runs until Ctrl-C.
    """
    from broker.testkit.faults import UnknownFault, fault
    from broker.testkit.listen import CannotListen, bound
    from broker.testkit.proxy import FaultProxy

    def tell(passage: Passage) -> None:
        say(json.dumps(passage.as_json()) if as_json else clean(str(passage)))

    try:
        proxy = FaultProxy(_origin(to), [fault(text) for text in faults], tell)
        listener = bound(*host_and_port(listen))
    except (UnknownFault, CannotListen) as error:
        raise Misused(str(error)) from None
    with suppress(KeyboardInterrupt):
        asyncio.run(_run(proxy, listener, to))
    note("Stopped.")


async def _run(proxy: FaultProxy, listener: socket.socket, to: str) -> None:
    async with proxy.running(listener) as origin:
        note(f"Forwarding {origin} to {clean(to)}. Stop with Ctrl-C.")
        await asyncio.Event().wait()


def _origin(to: str) -> str:
    from broker.testkit.subject import Unusable, origin_parts

    try:
        return "://".join(origin_parts(to))
    except Unusable as error:
        raise Misused(str(error)) from None
