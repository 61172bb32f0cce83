"""A month's history in SQL, as large as wanted: accounts with 1 to 50 add-ons each, some changed, some metered.

Use cases would take hours to make it; what they write is what stands here.
"""

from __future__ import annotations

from tests.bench.provider import METER, METERED, SLUG
from tests.bench.world import World

MONTH = (2026, 9)
"""The month that is closed, whenever the bench runs."""
READINGS = 30
"""Of each metered period: one a day."""

# One row of `slots` is one usage period. Of twelve, one is the second period of an add-on that changed its plan, and of
# forty, one is metered. Most add-ons are older than the month; some began in it, some ended.
_FILL = """
select setseed(0.42);
set session_replication_role = replica; -- foreign keys are right by construction, and looking each of them up takes minutes
create temp table payers as
 select * from (
  select number, uuidv7() as id, uuidv7() as app_id, size, sum(size) over (order by number) - size as before
   from (select number, 1 + floor(50 * random() ^ 3)::int as size from generate_series(1, {periods} / 5 + 50) number) sized
 ) placed where before < {periods};
create temp table slots as
 select payers.id as payer_id, payers.app_id, place, uuidv7() as addon_id,
  place % 12 = 11 and before + place < {periods} - 1 as changes, place % 12 = 0 and place > 0 as changed,
  (before + place) % 40 = 7 as metered, random() as chance,
  timestamptz '{month} utc' + date_trunc('second', random() * interval '29 days') as moment
 from payers, generate_series(0, size - 1) place where before + place < {periods};
analyze slots;
update slots set addon_id = first.addon_id, moment = first.moment, metered = false from slots first
 where slots.changed and first.payer_id = slots.payer_id and first.place = slots.place - 1;
create temp table bench_plans as
 select p.id, p.service_id, p.slug, p.price_cents, p.currency from plans p join addon_services s on s.id = p.service_id
 where s.slug = '{service}';

insert into users (id, email, created_at, updated_at)
 select id, 'payer-' || number || '@bench.localhost', now(), now() from payers;
insert into apps (id, name, owner_id, region, stack, maintenance, version, created_at, updated_at)
 select app_id, 'paid-' || number, id, 'us', 'container', false, 1, now(), now() from payers;
insert into addons (id, name, app_id, service_id, plan_id, price_cents, currency, state, region, created_at, updated_at)
 select addon_id, '{service}-' || addon_id, app_id, service_id, bench_plans.id, price_cents, currency, 'provisioned', 'us',
  now(), now() from slots join bench_plans on slug = case when metered then '{metered}' when chance < 0.2 then 'free' else 'paid' end
 where not changed;
insert into usage_periods (id, addon_id, app_id, payer_id, plan_id, price_cents, currency, service, plan, terms, started_at, ended_at)
 select uuidv7(), addon_id, app_id, payer_id, bench_plans.id, price_cents, currency, '{service}', slug,
  case when metered then jsonb_build_object('meters', jsonb_build_array(jsonb_build_object('name', '{meter}', 'unit_price', '0.0012',
   'label', 'Requests', 'included', '1000'))) else '{{}}' end,
  case when changed or chance < 0.1 then moment else moment - interval '6 months' end,
  case when changes or (chance > 0.95 and not changed) then moment + case when changes then interval '0' else interval '12 hours' end end
 from slots join bench_plans on slug = case when metered then '{metered}' when changed or chance >= 0.2 then 'paid' else 'free' end
 order by addon_id;
insert into usage_events (source, id, addon_id, meter, quantity, at, digest, received_at)
 select '{service}', addon_id || '-' || day, addon_id, '{meter}', 100 + day, at, '', at
 from usage_periods, generate_series(0, {readings} - 1) day, lateral (select timestamptz '{month} utc' + day * interval '23 hours') at(at)
 where terms <> '{{}}' and at >= started_at and (ended_at is null or at < ended_at);
insert into month_closes (zone, month, closed_at) values ('UTC', '{before}', now());
"""


def fill(world: World, url: str, periods: int) -> None:
    """Make exactly so many usage periods that touch the month."""
    year, month = MONTH
    filled = _FILL.format(
        periods=periods,
        month=f"{year}-{month:02}-01",
        before=f"{year}-{month - 1:02}",
        service=SLUG,
        metered=METERED,
        meter=METER,
        readings=READINGS,
    )
    world.execute(url, filled)
    world.execute(url, "vacuum analyze")
