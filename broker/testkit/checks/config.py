"""The config vars that a provider gives: declared, texts, complete, and addresses that work."""

from __future__ import annotations

from broker.testkit import connect
from broker.testkit.probe import Probe, Resource
from broker.testkit.registry import check
from broker.testkit.results import Failed, Skipped, Warned


@check("config", "The config in the answer is a map of names to strings.")
async def strings(probe: Probe) -> None:
    resource = await _provisioned(probe)
    assert resource.exchange is not None
    data = resource.exchange.data
    config = data.get("config") if isinstance(data, dict) else None
    if config is not None and not isinstance(config, dict):
        raise Failed('It is no object: send {"NAME": "value"}, or leave it out.')
    odd = sorted(name for name, value in (config or {}).items() if not isinstance(value, str))
    if odd:
        raise Failed(f"{', '.join(odd)} is no string. Apps read texts from their environment: send texts.")


@check("config", "Every config var that is given is declared in the manifest.", canary=True)
async def declared(probe: Probe) -> None:
    resource = await _provisioned(probe)
    undeclared = sorted(set(resource.config) - set(probe.subject.manifest.config_vars))
    if undeclared:
        raise Failed(f"{', '.join(undeclared)}: the broker drops it. Add it to api.config_vars, or do not send it.")


@check("config", "Every config var of the manifest is given.")
async def complete(probe: Probe) -> None:
    resource = await _provisioned(probe)
    missing = [name for name in probe.subject.manifest.config_vars if name not in resource.config]
    if missing:
        raise Warned(f"{', '.join(missing)} is declared and was not given: apps may count on it.")


@check("config", "The addresses in config work: a connection can be made to each.", canary=True)
async def addresses_work(probe: Probe) -> str:
    return await connected(probe, await _provisioned(probe))


async def connected(probe: Probe, resource: Resource) -> str:
    """What was connected to.

    Raises: Failed with a line for each address that does not work; Skipped if there is none.
    """
    names = connect.tried(resource.config)
    if not names:
        raise Skipped("No config var holds an address that the kit can try, such as postgres://, redis:// or smtp://.")
    complaints = [f"{name}: {why}." for name in names if (why := await probe.try_address(resource.config[name]))]
    if complaints:
        raise Failed(f"{' '.join(complaints)} An app with this config would not work.")
    return f"Connected to {', '.join(names)}."


async def must_have_worked(resource: Resource) -> None:
    """What never worked says nothing about a change of credentials; another check tells it.

    Raises: Skipped.
    """
    for name in connect.tried(resource.config):
        if await connect.complaint(resource.config[name]):
            raise Skipped(f"{name} does not work in the first place.")


async def _provisioned(probe: Probe) -> Resource:
    resource = await probe.main()
    assert resource.exchange is not None
    probe.look_at(resource.exchange)
    return resource
