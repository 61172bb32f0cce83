"""Floors: what PostgreSQL carries of the same kind of transaction, and what FastAPI carries of an empty answer."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from broker.accounts.tokens import token_hash
from embedded.postgres import find_binaries
from embedded.processes import free_port
from tests.bench import cpu
from tests.bench.driving import CLIENTS, BenchFailed, Measured, Size, drive, per_request_us, request
from tests.bench.programs import Programs
from tests.bench.provider import SLUG
from tests.bench.world import TOKEN, World

# Three look-ups, five inserts, commit: the least that accepting a provision asks of the database. The tables are the
# broker's own, but for the queue of jobs, which is a plain table without triggers or notices.
_PREPARE = """
create table floor_jobs (id bigint generated always as identity primary key, queue text, task text, args jsonb, at timestamptz);
create index on floor_jobs (queue, at);
"""
_TRANSACTION = r"""
\set number random(0, {apps} - 1)
begin;
select a.user_id, u.email from authorizations a join users u on u.id = a.user_id
 where a.token_hash = '\x{token}' and a.revoked_at is null \gset
select id as app_id, region from apps where name = 'bench-' || :number and owner_id = :user_id and destroyed_at is null \gset
select p.id as plan_id, p.service_id, p.price_cents, p.currency from plans p join addon_services s on s.id = p.service_id
 where s.slug = '{service}' and p.slug = 'free' \gset
insert into addons (id, name, app_id, service_id, plan_id, price_cents, currency, state, region, created_at, updated_at)
 values (uuidv7(), '{service}-' || gen_random_uuid(), :app_id, :service_id, :plan_id, :price_cents, :currency,
 'provisioning', :region, now(), now()) returning id as addon_id \gset
insert into attachments (id, app_id, addon_id, name, created_at, updated_at)
 values (uuidv7(), :app_id, :addon_id, 'BENCH_' || gen_random_uuid(), now(), now());
insert into operations (id, addon_id, kind, state, step, attempts, fencing, next_at, deadline_at, may_exist, plan_id,
 actor_id, actor_email, history, created_at, updated_at)
 values (uuidv7(), :addon_id, 'provision', 'pending', 'call', 0, 0, now(), now() + interval '1 hour', false, :plan_id,
 :user_id, :email, '[{{"at": "2026-11-21T09:54:07.000+00:00", "step": "intent", "outcome": "recorded"}}]', now(), now())
 returning id as operation_id \gset
insert into events (id, at, kind, actor_id, actor_email, app_id, addon_id, data)
 values (uuidv7(), now(), 'addon.created', :user_id, :email, :app_id, :addon_id, '{{}}');
insert into floor_jobs (queue, task, args) values ('broker', 'broker.advance', jsonb_build_object('operation_id', :operation_id::text));
commit;
"""


def create_transaction(world: World, url: str, seconds: float) -> Measured:
    """pgbench running that transaction with prepared statements, one thread for all its clients."""
    world.execute(url, _PREPARE)
    script = world.folder / "create.sql"
    script.write_text(
        _TRANSACTION.format(apps=world.apps, token=token_hash(TOKEN).hex(), service=SLUG), encoding="utf-8"
    )
    before = cpu.used_s([world.postgres_pid])
    rate, count, own_s = pgbench(url, script, seconds)
    after = cpu.used_s([world.postgres_pid])
    return Measured(rate, count, {"server": own_s / count * 1e6, "postgres": per_request_us(before, after, count)})


def pgbench(url: str, script: Path, seconds: float, clients: int = CLIENTS) -> tuple[float, int, float]:
    """Rate, number of transactions, and seconds of its own processor time."""
    place = urlsplit(url)
    command = [str(find_binaries() / "pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", "1"]
    command += ["-T", str(max(1, round(seconds))), "-f", str(script), "-h", str(place.hostname), "-p", str(place.port)]
    command += ["-U", str(place.username), place.path[1:]]
    begun = os.times()
    done = subprocess.run(
        command, env={"PATH": os.defpath, "PGPASSWORD": str(place.password)}, capture_output=True, text=True
    )
    ended = os.times()
    rate, count = re.search(r"tps = ([\d.]+)", done.stdout), re.search(r"actually processed: (\d+)", done.stdout)
    if done.returncode or rate is None or count is None:
        raise BenchFailed(f"pgbench: {done.stderr.strip()[-500:]}")
    own_s = ended.children_user + ended.children_system - begun.children_user - begun.children_system
    return float(rate[1]), int(count[1]), own_s


def hello(programs: Programs, size: Size) -> Measured:
    """The least FastAPI application, in as many processes as the broker has."""
    with programs.group("tests.bench.hello", *(free_port() for _ in range(size.processes))) as servers:
        return drive(servers.ports, [request("GET", "/")], {"server": servers.pids}, size)
