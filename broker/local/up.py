"""`broker up`: everything on one machine, in the foreground, until it is told to stop.

The order of things is here; how each is done is in the neighbours.
"""

import asyncio
import json
import signal
from pathlib import Path

import httpx

from broker.local import leftovers, payments, programs
from broker.local.console import Console
from broker.local.database import Database
from broker.local.home import Home, HomeError, default_home, opened, private_directory, write_private
from broker.local.mailbox import Mailbox
from broker.local.seed import DemoAccount, demo_account, render_manifests, write_seed
from broker.local.supervisor import Keeper, ServiceError, Supervisor
from embedded.processes import LOOPBACK, EngineError, port_is_free

DEFAULT_PORT = 5000

_PORT_WAIT_S = 5.0
_NOTE_S = 2.0


def run(home: Path | None, port: int | None, ready_file: Path | None, console: Console | None = None) -> int:
    """Run until SIGINT or SIGTERM; answers the exit status.

    `port` None takes the home's port of last time, else DEFAULT_PORT; 0 takes that of last time, else a free one.
    `ready_file` is written once everything answers, and removed before, so that it is never an old one.
    """
    console = console or Console()
    try:
        with opened(home or default_home()) as held:
            if ready_file is not None:
                ready_file.unlink(missing_ok=True)
            return asyncio.run(_Stack(held, _broker_port(held, port), console).run(ready_file))
    except HomeError as error:
        console.trouble(str(error))
        return 1


class _Stack:
    """One run of everything, on one opened home."""

    def __init__(self, home: Home, port: int, console: Console) -> None:
        self._home = home
        self._port = port
        self._console = console
        self._supervisor = Supervisor(console.trouble)
        self._children = home.path / "children"

    async def run(self, ready_file: Path | None) -> int:
        stop = self._stop_requested()
        async with httpx.AsyncClient(trust_env=False, timeout=2.0) as client:
            living = asyncio.create_task(self._live(client, ready_file))
            try:
                await asyncio.wait({living, stop}, return_when=asyncio.FIRST_COMPLETED)
                if living.done():
                    living.result()  # it only ends by failing
            except (HomeError, ServiceError, EngineError) as error:
                self._console.trouble(str(error))
                return 1
            finally:
                living.cancel()
                with self._console.step("Stopping"):
                    await self._supervisor.stop()
                self._children.unlink(missing_ok=True)
        return 0

    def _stop_requested(self) -> asyncio.Future[None]:
        """Done at the first signal; the second one ends every child at once."""
        loop = asyncio.get_running_loop()
        first: asyncio.Future[None] = loop.create_future()

        def on_signal() -> None:
            if first.done():
                self._supervisor.kill()
            else:
                first.set_result(None)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup means what it says
                loop.add_signal_handler(number, on_signal)
        return first

    async def _live(self, client: httpx.AsyncClient, ready_file: Path | None) -> None:
        home = self._home
        patience_s = _PORT_WAIT_S if leftovers.end(self._children) else 0.0
        ports = {"the broker": self._port, **programs.ports(home)}
        await _wait_for_ports(ports, patience_s, home.path / "state.json")
        home.make_secret_key()
        account, manifests = demo_account(home), render_manifests(home)
        database_url = await self._start_database()
        mailbox = Mailbox(home.mails)
        keepers = self._supervisor.launch(
            programs.broker_service(home, client, self._port, database_url, write_seed(home, account, manifests)),
            *(programs.provider_service(home, client, name, manifests, self._port) for name in programs.PROVIDERS),
            *programs.gateway_services(home, client, self._port),
        )
        self._note(keepers)
        await self._all_answer(keepers)
        home.use_port("broker", self._port)
        await self._give_test_card(client, account)
        if ready_file is not None:
            self._write_ready_file(ready_file, account, manifests)
        self._console.welcome(programs.origin(self._port), account, home.path)
        while True:
            self._note(keepers)
            for mail in mailbox.fresh():
                self._console.mail(mail)
            await asyncio.sleep(_NOTE_S)

    def _note(self, keepers: list[Keeper]) -> None:
        leftovers.note(self._children, (keeper.pid for keeper in keepers))

    async def _start_database(self) -> str:
        database = Database(self._home)
        if not self._home.database.exists():
            with self._console.step("Making the database"):
                database.initialise()
        with self._console.step("Starting PostgreSQL"):
            [keeper] = self._supervisor.launch(database.service())
            await keeper.answered()
            database.prepare()
        return database.url

    async def _all_answer(self, keepers: list[Keeper]) -> None:
        for keeper in keepers:
            with self._console.step(f"Starting {keeper.service.name}"):
                await keeper.answered()

    async def _give_test_card(self, client: httpx.AsyncClient, account: DemoAccount) -> None:
        if payments.is_local():
            with self._console.step("Giving the demo account a test card"):
                given = await payments.give_test_card(client, programs.origin(self._port), account.token)
            if not given:
                self._console.trouble("The demo account got no test card: add one with `broker payment-methods:add`.")

    def _write_ready_file(self, path: Path, account: DemoAccount, manifests: dict[str, Path]) -> None:
        content = {
            "url": programs.origin(self._port),
            **vars(account),
            "home": str(self._home.path),
            "providers": {
                name: {"url": programs.origin(self._home.port(name)), "manifest": str(manifests[name])}
                for name in programs.PROVIDERS
            },
        }
        try:
            private_directory(path.absolute().parent)
            write_private(path.absolute(), json.dumps(content, indent=2) + "\n")
        except OSError as error:
            raise HomeError(f"The ready file {path} cannot be written: {error.strerror}.") from None


def _broker_port(home: Home, wanted: int | None) -> int:
    """The port of this run. One that was asked for by its number is kept for the next run once it has served."""
    if wanted:
        return wanted
    return DEFAULT_PORT if wanted is None and home.known_port("broker") is None else home.port("broker")


async def _wait_for_ports(wanted: dict[str, int], patience_s: float, state: Path) -> None:
    """Check that the ports are free, and wait for those that a stack just killed is about to release.

    Raises: HomeError when another program keeps one of them.
    """
    deadline = asyncio.get_running_loop().time() + patience_s
    while taken := {name: port for name, port in wanted.items() if not port_is_free(port)}:
        if asyncio.get_running_loop().time() > deadline:
            name, port = next(iter(taken.items()))
            way_out = (
                "or choose another with --port (0 is a free one)"
                if name == "the broker"
                else f'or choose another for "{name}" under "ports" in {state}'
            )
            raise HomeError(f"Port {port} of {LOOPBACK}, for {name}, is used by another program. End it, {way_out}.")
        await asyncio.sleep(0.1)
