"""The Python programs that `broker up` runs: the broker itself and the providers, with what each is told.

Everything is told by the environment, secrets by the name of a file, since arguments are readable by everybody.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from broker.local import payments
from broker.local.home import Home
from broker.local.supervisor import Service
from embedded.processes import LOOPBACK, die_with_parent, open_log

PROVIDERS: Mapping[str, tuple[str, ...]] = {
    "postgres": ("postgres",),
    "redis": ("redis",),
    "mail": ("mail", "sendgrid"),
}
"""The provider programs, and the slugs of the manifests that each of them serves."""

_ENGINE_PORTS: Mapping[str, str] = {"postgres": "DB_PORT", "mail": "SMTP_PORT"}
"""Ports besides HTTP that must stay the same, since they are in config vars. Redis instances keep their own."""

_REPORTING = ("mail",)
"""Those with a metered plan."""

_GATEWAY = "payment gateway"


def broker_service(home: Home, client: httpx.AsyncClient, port: int, database_url: str, seed: Path) -> Service:
    """API and worker in one process."""
    defaults = {"BROKER_OUTBOUND_ALLOW": "127.0.0.0/8,::1/128", "BROKER_PUBLIC_URL": origin(port)}
    defaults |= {"BROKER_MAIL_FOLDER": str(home.mails), "BROKER_SIGN_UP": "open"}
    defaults |= payments.broker_settings(home, origin(home.port(_GATEWAY)))
    told = {
        "DATABASE_URL": database_url,
        "BROKER_SECRET_KEY_FILE": str(home.secret_key),
        "BROKER_SEED_FILE": str(seed),
    }
    arguments = ["broker", "serve", "--with-worker", "--with-canary", "--host", LOOPBACK, "--port", str(port)]
    environment = {**defaults, **_inherited("BROKER_"), **told}
    environment.pop("BROKER_SECRET_KEY", None)  # the home's own key is the one that its data is sealed under
    return _service("the broker", arguments, environment, home.log("broker"), client, port)


def provider_service(
    home: Home, client: httpx.AsyncClient, name: str, manifests: Mapping[str, Path], broker_port: int
) -> Service:
    """One provider program; it learns nothing of the broker but its own manifests, and where to report usage."""
    prefix, port = _prefix(name), home.port(name)
    told = {
        "MANIFESTS": os.pathsep.join(str(manifests[slug]) for slug in PROVIDERS[name]),
        "HOME": str(home.provider(name)),
        "HOST": LOOPBACK,
        "PORT": str(port),
    }
    if name in _REPORTING:
        told["BROKER_URL"] = origin(broker_port)
    if name in _ENGINE_PORTS:
        told[_ENGINE_PORTS[name]] = str(home.port(engine_port(name)))
    environment = {**_inherited(prefix), **{prefix + key: value for key, value in told.items()}}
    return _service(f"provider {name}", [f"providers.{name}"], environment, home.log(f"provider-{name}"), client, port)


def gateway_services(home: Home, client: httpx.AsyncClient, broker_port: int) -> list[Service]:
    """The local payment gateway, unless another one is set."""
    if not payments.is_local():
        return []
    port = home.port(_GATEWAY)
    told = payments.gateway_settings(home, LOOPBACK, port, origin(broker_port))
    environment = {**_inherited("PAYMENT_GATEWAY_"), **told}
    return [_service(f"the {_GATEWAY}", ["embedded.gateway"], environment, home.log("payment-gateway"), client, port)]


def ports(home: Home) -> dict[str, int]:
    """Every port the programs need besides the broker's and the database's, by what it is for."""
    names = [*PROVIDERS, *(engine_port(name) for name in _ENGINE_PORTS)]
    names += [_GATEWAY] if payments.is_local() else []
    return {name: home.port(name) for name in names}


def engine_port(name: str) -> str:
    """The name under which the home keeps the port of a provider's engine."""
    return f"{name} {_ENGINE_PORTS[name].removesuffix('_PORT').lower()}"


def origin(port: int) -> str:
    return f"http://{LOOPBACK}:{port}"


def _service(
    name: str, module: list[str], environment: Mapping[str, str], log: Path, client: httpx.AsyncClient, port: int
) -> Service:
    def spawn() -> subprocess.Popen[bytes]:
        with open_log(log) as sink:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", *module],  # -P: nothing is imported from the directory we are called in
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,  # an interrupt at the terminal is for us; children are stopped in order
                preexec_fn=die_with_parent(signal.SIGKILL),  # certain, so that the next start finds ports free
            )

    async def answers() -> bool:
        try:
            return (await client.get(f"{origin(port)}/health")).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    return Service(name=name, spawn=spawn, answers=answers, log=log)


def _inherited(own_prefix: str) -> dict[str, str]:
    """Our environment without what is meant for the other programs, or for another database."""
    foreign = {"BROKER_", *(_prefix(name) for name in PROVIDERS)} - {own_prefix}
    kept = {key: value for key, value in os.environ.items() if not key.startswith(tuple(foreign))}
    kept.pop("DATABASE_URL", None)
    return kept


def _prefix(provider: str) -> str:
    return f"{provider.upper()}_PROVIDER_"
