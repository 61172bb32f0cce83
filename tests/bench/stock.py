"""A marketplace as large as wanted: services with names, taglines, features and descriptions, of words as frequent as in any text."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from collections.abc import Iterator
from typing import Any

import psycopg

from broker.catalog.categories import CATEGORIES
from broker.catalog.search_index import index_stale
from broker.wiring import wired
from tests.bench.provider import SLUG
from tests.bench.world import World

FREQUENT = "cloud"
"""In 85 of 100 taglines."""
_SHARE = 0.85
_KINDS = (
    "postgres redis mysql search queue mail logs metrics alerts cron images video payments login backup cache "
    "analytics errors certificates proxy browser deploy review vector pdf sms push editor database kafka rabbit"
).split()
_REGIONS = ("us", "eu", "tokyo", "sydney", "*")

# Copies of one service that was published in the usual way, each with words of its own. What no copy needs stays as it is.
_COPY = """
create temp table made (number int, slug text, name text, listing jsonb, vars text[], requires text[], capabilities text[],
 regions text[], price int, installs int);
copy made from stdin;
"""
_FILL = """
create temp table shelved as select *, uuidv7() as id from made order by number;
insert into addon_services (id, slug, name, state, api_version, base_url, sso_url, url_style, prefix, config_vars, requires,
 capabilities, regions, listing, data_key, password_sealed, sso_salt_sealed, revision, digest, created_at, updated_at)
 select m.id, m.slug, m.name, 'ga', t.api_version, t.base_url, t.sso_url, t.url_style, t.prefix, m.vars, m.requires,
  m.capabilities, m.regions, m.listing, t.data_key, t.password_sealed, t.sso_salt_sealed, 1, t.digest, now(), now()
 from shelved m, addon_services t where t.slug = '{template}' order by m.id;
insert into plans (id, service_id, slug, human_name, description, is_default, state, position, price_cents, currency, features,
 regions, meters, created_at, updated_at)
 select uuidv7(), m.id, kind.slug, kind.name, '', kind.position = 0, 'public', kind.position, m.price * kind.factor, 'usd',
  jsonb_build_array(jsonb_build_array('Storage', kind.position + 1 || ' GB'), jsonb_build_array('Support', 'Mail')),
  '{{}}', '[]', now(), now()
 from shelved m, (values (0, 'basic', 'Basic', 1), (1, 'standard', 'Standard', 5), (2, 'premium', 'Premium', 40))
  as kind(position, slug, name, factor);
analyze;
"""


def fill(world: World, url: str, services: int) -> None:
    """Publish so many services, and have the worker's task make what search reads."""
    with psycopg.connect(url, autocommit=True) as connection:
        head, _, copy = _COPY.strip().rpartition("\n")
        connection.execute(head.encode())
        with connection.cursor().copy(copy.rstrip(";").encode()) as rows:
            for row in made(services):
                rows.write_row(row)
        connection.execute(_FILL.format(template=SLUG).encode())
        asyncio.run(_index(world, url))
        connection.execute(
            "update search_entries e set installs = m.installs from shelved m where m.id = e.service_id and m.installs > 0"
        )
        connection.execute("vacuum analyze")


async def _index(world: World, url: str) -> None:
    async with wired(world.settings(url)) as wiring:
        while await index_stale(wiring.context):
            pass


def made(services: int) -> Iterator[tuple[Any, ...]]:
    """The rows: the same ones for the same number, of which the first are those of any smaller number."""
    chance = random.Random(42)
    vocabulary = list(itertools.islice(_words(chance), 20_000))
    weights = list(itertools.accumulate(1 / (rank + 10) for rank in range(len(vocabulary))))

    def some(number: int) -> list[str]:
        return chance.choices(vocabulary, cum_weights=weights, k=number)

    for number in range(services):
        kind, own = chance.choice(_KINDS), _name(chance)
        tagline = [kind, *([FREQUENT] if chance.random() < _SHARE else []), *some(6)]
        shelf = chance.choice(list(CATEGORIES))
        listing = {
            "tagline": " ".join(tagline).capitalize(),
            "description": " ".join(some(60)),
            "categories": [shelf],
            "tags": some(2),
        }
        yield (
            number,
            f"{own}-{kind}-{number}",
            f"{own.capitalize()} {kind.capitalize()}",
            json.dumps(listing),
            [f"{own.upper()}_URL", f"{own.upper()}_TOKEN"],
            [one for one in ("many_per_app", "attachable") if chance.random() < 0.5],
            [one for one in ("rotate", "fork") if chance.random() < 0.3],
            chance.sample(_REGIONS, 2),
            chance.choice((0, 500, 900, 2500, 9900)),
            int(chance.paretovariate(0.8)) - 1 if chance.random() < 0.5 else 0,
        )


_SYLLABLES = "ba be bi bo da de di do fa fe fi ga go ka ke ki la le li lo ma me mi mo na ne ni pa pe po ra re ri ro sa se si so ta te ti to va ve vi".split()
_ENDS = ("n", "r", "s", "l", "t", "ck", "x", "ng", "st", "")


def _words(chance: random.Random) -> Iterator[str]:
    """Words that nobody knows and everybody can read, each once."""
    known: set[str] = set()
    while True:
        word = "".join(chance.choices(_SYLLABLES, k=chance.choice((1, 2, 2, 3, 3, 4)))) + chance.choice(_ENDS)
        if len(word) > 2 and word not in known:
            known.add(word)
            yield word


def _name(chance: random.Random) -> str:
    return "".join(chance.choices(_SYLLABLES, k=3)) + chance.choice(_ENDS)
