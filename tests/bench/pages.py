"""What people look at: the marketplace with few and with many services, and a dashboard, one request after the other."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import itertools
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from urllib.parse import quote_plus

from broker.accounts.authenticate import authenticate
from broker.accounts.seed import ensure_account
from broker.apps.create import CreateApp, create_app
from broker.kernel.secret import Secret
from broker.oauth.sessions import begin_session
from broker.wiring import wired
from tests.bench import cpu, stock
from tests.bench.driving import BenchFailed, Measured, Size, drive, per_request_us, request
from tests.bench.floors import pgbench
from tests.bench.programs import Group, Programs
from tests.bench.provider import SLUG
from tests.bench.world import World

_TOKEN = "HRKU-token-of-who-looks-at-pages"
_APPS = 20
_QUERIES = 60
_FLOOR, _SELECT = "GET /health: one statement", "pgbench: one service by its slug"

# The least that a page of results asks of the database: the names of one page of services, through an index.
_BY_SLUG = r"""
\set number random(1, 900)
select e.name, e.tagline, s.state from search_entries e join addon_services s on s.id = e.service_id
 where s.slug = (array['{slugs}'])[1 + :number % 24];
"""


@dataclass(frozen=True)
class Looked:
    """A kind of page. Units: bytes of a body, as it is and as gzip makes it; `of` counts services or add-ons."""

    name: str
    of: int
    measured: Measured
    floor: Measured | None = None
    size: int = 0
    zipped: int = 0

    def ms(self, percent: int) -> float:
        return self.measured.percentile(percent)

    @property
    def times_floor(self) -> float | None:
        """Processor time, in that of the floor."""
        ours, theirs = self.measured.whole_us, self.floor and self.floor.whole_us
        return None if ours is None or not theirs else ours / theirs


def searches() -> Mapping[str, Sequence[str]]:
    """What is typed, by what is special about it. Every service that is meant is among the first thousand."""
    names = [row[2] for row in itertools.islice(stock.made(1000), 0, 1000, 1000 // _QUERIES)]
    words = [name.lower().split() for name in names]
    choices = ("&free=1", "&region=eu", "&price=50&feature=rotation", "&category=caching&region=us")
    return {
        "by name": [_search(name) for name in names],
        "a word that 85 % have": [_search(stock.FREQUENT, f"&page={1 + place % 10}") for place in range(_QUERIES)],
        "with typing errors": [_search(" ".join(map(_mistyped, pair))) for pair in words],
        "as one types": [_search(own[:length]) for own, _ in words[:10] for length in range(1, len(own))],
        "with filters": [_search(kind, choices[place % 4]) for place, (_, kind) in enumerate(words)],
        "a frequent word, with filters": [_search(stock.FREQUENT, choices[place % 4]) for place in range(_QUERIES)],
        "filters alone": [f"/search?{choices[place % 4][1:]}&page={1 + place % 3}" for place in range(_QUERIES)],
    }


def _search(text: str, more: str = "") -> str:
    return f"/search?q={quote_plus(text)}{more}"


def _mistyped(word: str) -> str:
    """Two letters swapped."""
    return word[:1] + word[2] + word[1] + word[3:]


def pages(world: World, programs: Programs, size: Size) -> list[Looked]:
    """Every kind of page. The marketplaces take turns, so that what else the machine does hits them alike."""
    return [*_marketplaces(world, programs, size), *_dashboard(world, programs, size)]


def _marketplaces(world: World, programs: Programs, size: Size) -> list[Looked]:
    found: list[Looked] = []
    with ExitStack() as stack:
        servers = {}
        for services in size.services:
            url = world.database(f"marketplace_{services}")
            stock.fill(world, url, services)
            servers[services] = stack.enter_context(programs.brokers(world.environment(url), 1))
            found.append(Looked(_SELECT, services, _by_slug(world, url, size)))
        floors = {services: _look(world, server, ["/health"], size) for services, server in servers.items()}
        found += [Looked(_FLOOR, services, floor) for services, floor in floors.items()]
        listings = [f"/marketplace/{row[1]}" for row in stock.made(_QUERIES)]
        kinds: dict[str, Sequence[str]] = {"front page": ["/"], "listing": listings}
        kinds |= {f"search, {kind}": paths for kind, paths in searches().items()}
        for kind, paths in kinds.items():
            for services, server in servers.items():
                measured = _look(world, server, paths, size)
                found.append(Looked(kind, services, measured, floors[services], *_weight(server, paths)))
    return found


def _dashboard(world: World, programs: Programs, size: Size) -> list[Looked]:
    url = world.database("dashboard")
    cookie = asyncio.run(_sign_in(world, url))
    body = {"attachment": {}, "config": {}, "plan": {"name": f"{SLUG}:free"}}
    with programs.group("tests.bench.provider", world.provider_port):
        with programs.brokers(world.environment(url, OPERATION_WAIT_S="25"), 1, with_worker=True) as server:
            wanted = replace(size, seconds=120, warm_up=0)
            adding = [request("POST", "/apps/shop-0/addons", f"Bearer {_TOKEN}", body)]
            drive(server.ports, adding, {}, wanted, clients=4, count=size.shown)
        there = world.count(url, "select count(*) from addons where state = 'provisioned'")
        if not size.shown <= there < size.shown + 4:
            raise BenchFailed(f"of {size.shown} add-ons there are {there}")
        world.execute(url, "vacuum analyze")
        with programs.brokers(world.environment(url), 1) as server:
            floor = _look(world, server, ["/health"], size)
            kinds = {"dashboard, apps": "/dashboard", "dashboard, one app's add-ons": "/dashboard/apps/shop-0"}
            return [
                Looked(kind, there, _look(world, server, [path], size, cookie), floor, *_weight(server, [path], cookie))
                for kind, path in kinds.items()
            ]


async def _sign_in(world: World, url: str) -> str:
    """An account with some apps, and what its browser brings."""
    async with wired(world.settings(url)) as wiring:
        ctx = wiring.context
        await ensure_account(ctx, "pages@broker.localhost", Secret("a password that is long"), Secret(_TOKEN))
        actor = await authenticate(ctx, Secret(_TOKEN))
        for number in range(_APPS):
            await create_app(ctx, actor, CreateApp(name=f"shop-{number}"))
        return f"broker-session={(await begin_session(ctx, actor, 'bench')).reveal()}"


def _look(world: World, server: Group, paths: Sequence[str], size: Size, cookie: str = "") -> Measured:
    watched = {"server": server.pids, "postgres": [world.postgres_pid]}
    patient = replace(size, seconds=size.seconds * 10, warm_up=min(len(paths), size.looks // 2))
    requests = [request("GET", path, cookie=cookie) for path in paths]
    return drive(server.ports, requests, watched, patient, clients=1, count=size.looks)


def _by_slug(world: World, url: str, size: Size) -> Measured:
    slugs = "','".join(row[1] for row in stock.made(24))
    script = world.folder / "by_slug.sql"
    script.write_text(_BY_SLUG.format(slugs=slugs), encoding="utf-8")
    before = cpu.used_s([world.postgres_pid])
    rate, count, own_s = pgbench(url, script, size.seconds / 3, clients=1)
    after = cpu.used_s([world.postgres_pid])
    used = {"server": own_s / count * 1e6, "postgres": per_request_us(before, after, count)}
    return Measured(rate, count, used, [1000 / rate] * 2)


def _weight(server: Group, paths: Sequence[str], cookie: str = "") -> tuple[int, int]:
    """The largest of the first few bodies, plain and compressed."""
    bodies = []
    for path in paths[:5]:
        connection = http.client.HTTPConnection("127.0.0.1", server.ports[0], timeout=30)
        connection.request("GET", path, headers={"cookie": cookie} if cookie else {})
        bodies.append(connection.getresponse().read())
        connection.close()
    largest = max(bodies, key=len)
    return len(largest), len(gzip.compress(largest, 6))
