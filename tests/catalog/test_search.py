"""Searching the marketplace: typing errors, beginnings of words, order, filters, and what must not be found."""

from typing import Any

import pytest

from broker.catalog.search import LONGEST_QUERY, PAGE, Found, Order, Wanted, find
from broker.catalog.search_index import index_stale
from broker.catalog.search_page import MOST_RANKED
from broker.catalog.words import folded, tolerance, typos, words
from broker.kernel.context import Context
from tests.catalog.shelf import manifest, paid, stock


@pytest.fixture
async def shelf(ctx: Context) -> Context:
    await stock(ctx)
    return ctx


async def slugs(ctx: Context, text: str = "", **choices: Any) -> list[str]:
    return [hit.slug for hit in (await find(ctx, Wanted(text, **choices))).hits]


TYPED: tuple[tuple[str, list[str]], ...] = (
    ("postgres", ["pg-cloud"]),
    ("POSTGRESQL", ["pg-cloud"]),
    ("post", ["pg-cloud"]),
    ("postgrse", ["pg-cloud"]),
    ("potgres", ["pg-cloud"]),
    ("ostgres", ["pg-cloud"]),
    ("postrg", ["pg-cloud"]),
    ("databse", ["pg-cloud"]),
    ("database", ["pg-cloud"]),
    ("backup", ["pg-cloud"]),
    ("cafe", ["pg-cloud"]),
    ("a database with backups", ["pg-cloud"]),
    ("quick-cache", ["quick-cache"]),
    ("redsi", ["quick-cache"]),
    ("emial", ["mailbird"]),
    ("deliver", ["mailbird"]),
    ("delivering", ["mailbird"]),
    ("DATABASE storage", ["pg-cloud"]),
    ("MAILBIRD_URL", ["mailbird"]),
    ("elephants", []),
    ("%%%", []),
    ("'; drop table users; --", []),
    ("postgres:* & !backup | (", ["pg-cloud"]),
)


async def test_what_is_typed_finds_what_is_meant(shelf: Context) -> None:
    assert [(typed, await slugs(shelf, typed)) for typed, _ in TYPED] == list(TYPED)


async def test_a_name_counts_more_than_what_is_told(shelf: Context) -> None:
    assert await slugs(shelf, "search") == ["find-it", "logstream"]
    assert (await slugs(shelf, "cache"))[0] == "quick-cache"


async def test_a_correction_is_told(shelf: Context) -> None:
    found = await find(shelf, Wanted("hosted serch"))
    assert [hit.slug for hit in found.hits] == ["find-it"]
    assert "search" in found.corrected["serch"]


async def test_where_nothing_has_all_words_some_have_to_do(shelf: Context) -> None:
    found = await find(shelf, Wanted("postgres email"))
    assert found.loosened
    assert {hit.slug for hit in found.hits} == {"pg-cloud", "mailbird"}


async def test_strange_input_is_answered(shelf: Context) -> None:
    for typed in (
        "x" * 5000,
        "a\0b\x1b[31m",
        "\u202eevil\u202c",
        "数据库",
        "🚀",
        " ",
        "\ud800",
        "the",
        "' & | ! ( : *",
    ):
        found = await find(shelf, Wanted(typed))
        assert isinstance(found, Found)
        assert found.total <= 5


CHOSEN: tuple[tuple[dict[str, Any], list[str]], ...] = (
    ({"category": "email"}, ["mailbird"]),
    ({"category": "caching"}, ["quick-cache"]),
    ({"category": "payments"}, []),
    ({"free": True}, ["quick-cache"]),
    ({"region": "tokyo"}, ["quick-cache"]),
    ({"features": ("shareable", "many")}, ["pg-cloud"]),
    ({"features": ("rotation",)}, ["mailbird"]),
    ({"most_minor": 1000}, ["logstream", "mailbird", "quick-cache"]),
    ({"order": Order.PRICE}, ["quick-cache", "logstream", "mailbird", "pg-cloud", "find-it"]),
    ({"order": Order.NAME}, ["pg-cloud", "find-it", "logstream", "mailbird", "quick-cache"]),
)


async def test_what_is_chosen_narrows_and_sorts(shelf: Context) -> None:
    assert [(chosen, await slugs(shelf, **chosen)) for chosen, _ in CHOSEN] == list(CHOSEN)


async def test_what_is_not_for_everybody_is_not_found_nor_betrayed(ctx: Context) -> None:
    await stock(ctx, manifest("zebra-db", "Zebra", "Stripes"), state="alpha")
    secret = [*paid(900), {"name": "hush", "human_name": "Walrus", "price_cents": 0, "state": "hidden"}]
    await stock(ctx, manifest("open-db", "Open", "For all", plans=secret))
    assert await slugs(ctx) == ["open-db"]
    assert await slugs(ctx, free=True) == []
    for typed in ("zebra", "zebar", "stripes", "walrus"):
        found = await find(ctx, Wanted(typed))
        assert (found.hits, dict(found.corrected)) == ((), {})


async def test_a_new_version_is_found_by_what_it_says_now(shelf: Context) -> None:
    await stock(shelf, manifest("mailbird", "Mailbird", "Carries parcels", plans=paid(1000)))
    assert await slugs(shelf, "parcel") == ["mailbird"]
    assert await slugs(shelf, "transactional") == []


async def test_entries_that_are_missing_are_made_again(shelf: Context) -> None:
    async with shelf.database.transaction() as tx:
        await tx.exec_driver_sql("delete from search_entries")
    assert await slugs(shelf) == []
    assert await index_stale(shelf) == 5
    assert await index_stale(shelf) == 0
    assert await slugs(shelf, "mailbird") == ["mailbird"]


async def test_pages_do_not_overlap(ctx: Context) -> None:
    await stock(ctx, *(manifest(f"store-{place:02}", "Store", "Keeps things") for place in range(PAGE + 3)))
    first, second = [await find(ctx, Wanted("store", page=page)) for page in (1, 2)]
    assert (first.total, len(first.hits), len(second.hits)) == (PAGE + 3, PAGE, 3)
    assert not {hit.slug for hit in first.hits} & {hit.slug for hit in second.hits}
    assert await slugs(ctx, "store", page=9) == []


async def crowd(ctx: Context, number: int) -> None:
    """So many services like Find It, each with more installs than anything else."""
    async with ctx.database.transaction() as tx:
        for table, key in (("addon_services", "id"), ("search_entries", "service_id")):
            made = f"'{key}', lpad(to_hex(n), 32, '0')::uuid, 'slug', 'find-it-' || n, 'installs', 1000 + n"
            copies = f"select (jsonb_populate_record(t, jsonb_build_object({made}))).* from {table} t, generate_series(1, {number}) n"
            await tx.exec_driver_sql(f"insert into {table} {copies} where t.slug = 'find-it'")


async def test_of_very_many_the_best_are_shown_however_few_have_them(shelf: Context) -> None:
    await stock(shelf, manifest("search", "Paper", "Writes down"), manifest("mill", "The Search", "Saws"))
    await stock(shelf, manifest("barn", "Barn", "Keeps", listing={"description": "Search of oak."}))
    await crowd(shelf, MOST_RANKED)
    found = await find(shelf, Wanted("search"))
    assert [hit.slug for hit in found.hits][:2] == ["search", "mill"]
    assert (found.total, found.more, len(found.hits)) == (MOST_RANKED, True, PAGE)
    assert (await slugs(shelf, "serach"))[:2] == ["search", "mill"]
    assert await slugs(shelf, "search oak") == ["barn"]
    assert await slugs(shelf, "search", category="utilities") == ["search", "mill", "barn"]
    assert len(await slugs(shelf, "search", page=MOST_RANKED // PAGE)) == PAGE
    beyond = await find(shelf, Wanted("search", page=MOST_RANKED // PAGE + 1))
    assert (beyond.total, beyond.hits, dict(beyond.corrected)) == (MOST_RANKED, (), {})
    assert (await find(shelf, Wanted("search", order=Order.PRICE))).more
    everything = await find(shelf, Wanted())
    assert (everything.total, everything.more) == (MOST_RANKED + 8, False)


def test_words_are_compared_without_case_accents_and_widths() -> None:
    assert words("Café-Ｄata_Base", 9) == ["cafe", "data", "base"]
    assert folded("Straße") == "strasse"
    assert len(words("x" * LONGEST_QUERY, 1)[0]) < LONGEST_QUERY


@pytest.mark.parametrize(
    ("typed", "meant", "errors"),
    [
        ("redis", "redis", 0),
        ("redsi", "redis", 1),
        ("rdis", "redis", 1),
        ("reddis", "redis", 1),
        ("post", "postgres", 0.5),
    ],
)
def test_errors_are_counted(typed: str, meant: str, errors: float) -> None:
    assert typos(typed, meant) == errors
    assert tolerance(typed) >= int(errors)
