"""Two accounts with an app each: one attacks what the other has, over the network and over the API. Nothing gives way."""

from __future__ import annotations

import smtplib
from urllib.parse import quote, urlsplit

import httpx
import psycopg
import pytest
import valkey

from tests.journeys.conftest import Api
from tests.journeys.mailing import submission
from tests.journeys.signing_on import form_of
from tests.platform import Platform

ATTACKS = (
    "alter database {mine} connection limit 100",
    "alter role {me} connection limit 100",
    "alter role {me} superuser",
    "grant {them} to {me}",
    "set role {them}",
    "set temp_file_limit = -1",
    "create role mallory login",
    "create database mallory",
    "copy (select 1) to program 'id'",
    "select pg_read_file('PG_VERSION')",
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = '{them}'",
    "select pg_database_size('{theirs}')",
)
LIMITS = """
    select datconnlimit, rolconnlimit, rolsuper, rolcreaterole, datacl::text
    from pg_database, pg_roles where datname = current_database() and rolname = session_user
"""

pytestmark = [pytest.mark.journey, pytest.mark.timeout(400)]


def test_one_database_does_not_open_another(api: Api, app: str, stranger: Api, strangers_app: str) -> None:
    api.add(app, "postgres")
    stranger.add(strangers_app, "postgres")
    victim = urlsplit(api.config(app)["DATABASE_URL"])
    own = stranger.config(strangers_app)["DATABASE_URL"]
    with psycopg.connect(api.config(app)["DATABASE_URL"], autocommit=True) as session:
        session.execute("create table secrets as select 'canary' as value")
    for database in (victim.path[1:], "postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(own, dbname=database)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(own, user=victim.username, dbname=victim.path[1:])


def test_no_statement_raises_ones_limits_or_reaches_a_neighbour(
    api: Api, app: str, stranger: Api, strangers_app: str
) -> None:
    api.add(app, "postgres")
    stranger.add(strangers_app, "postgres")
    victim, own = api.config(app)["DATABASE_URL"], stranger.config(strangers_app)["DATABASE_URL"]
    they, me = urlsplit(victim), urlsplit(own)
    names = {"mine": me.path[1:], "me": me.username, "theirs": they.path[1:], "them": they.username}
    with psycopg.connect(own, autocommit=True) as session, psycopg.connect(victim) as bystander:
        before = session.execute(LIMITS).fetchone()
        for attack in ATTACKS:
            with pytest.raises(psycopg.Error, match=r"denied|must be|not have|cannot"):
                session.execute(attack.format(**names))
        session.execute(
            "select pg_sleep(0); set statement_timeout = 0; grant connect on database {mine} to public".format(**names)
        )
        assert session.execute(LIMITS).fetchone() == before
        seen = session.execute("select query from pg_stat_activity where usename = %s", [they.username]).fetchall()
        assert seen == [("<insufficient privilege>",)]
        assert bystander.execute("select true").fetchone() == (True,)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(victim, dbname=names["mine"])


def test_one_redis_shows_nothing_of_another(api: Api, app: str, stranger: Api, strangers_app: str) -> None:
    api.add(app, "redis")
    stranger.add(strangers_app, "redis")
    victim, own = api.config(app)["REDIS_URL"], stranger.config(strangers_app)["REDIS_URL"]
    with valkey.from_url(victim) as theirs, valkey.from_url(own) as mine:
        theirs.set("canary", "secret")
        assert mine.keys() == []
        assert mine.dbsize() == 0
        for command in ("CONFIG SET maxmemory 1gb", "ACL LIST", "SHUTDOWN NOSAVE", "REPLICAOF 127.0.0.1 1", "MONITOR"):
            with pytest.raises(valkey.ResponseError):
                mine.execute_command(*command.split())
        assert theirs.get("canary") == b"secret"
    stolen = urlsplit(own)._replace(
        netloc=f"{urlsplit(own).netloc.rpartition('@')[0]}@127.0.0.1:{urlsplit(victim).port}"
    )
    with pytest.raises(valkey.AuthenticationError), valkey.from_url(stolen.geturl()) as intruder:
        intruder.ping()


def test_one_mail_login_neither_sends_as_another_nor_reads_its_mail(
    platform: Platform, api: Api, app: str, stranger: Api, strangers_app: str
) -> None:
    victim = api.add(app, "sendgrid")
    own = stranger.add(strangers_app, "sendgrid")
    theirs, mine = api.config(app), stranger.config(strangers_app)
    with submission(mine) as client:
        with pytest.raises(smtplib.SMTPSenderRefused):
            client.sendmail("a@example.com", ["b@example.com"], "without a login")
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(theirs["SENDGRID_USERNAME"], mine["SENDGRID_PASSWORD"])

    link = stranger.get(f"/addons/{own}")["web_url"]
    action, fields = form_of(httpx.get(link, trust_env=False).text)
    other = api.get(f"/addons/{victim}")["id"]
    for forged in ({"resource_id": other}, {"id": other, "resource_id": other}):
        assert httpx.post(action, data=fields | forged, trust_env=False).status_code == 403
    entered = httpx.post(action, data=fields | {"id": other}, trust_env=False)  # the older id, which is not what counts
    assert other not in entered.headers["location"]
    swapped = link.replace(stranger.get(f"/addons/{own}")["id"], other)
    assert httpx.get(swapped, trust_env=False).status_code == 403


def test_what_is_somebody_elses_is_not_there(api: Api, app: str, stranger: Api, strangers_app: str) -> None:
    name = api.add(app, "redis")
    addon = api.get(f"/addons/{name}")
    attachment = api.get(f"/addons/{name}/addon-attachments")[0]["id"]
    for method, path, body in [
        ("GET", f"/apps/{app}", {}),
        ("GET", f"/apps/{app}/config-vars", {}),
        ("PATCH", f"/apps/{app}/config-vars", {"X": "1"}),
        ("GET", f"/apps/{app}/releases", {}),
        ("POST", f"/apps/{app}/addons", {"plan": "redis"}),
        ("DELETE", f"/apps/{app}", {}),
        ("GET", f"/addons/{addon['id']}", {}),
        ("GET", f"/addons/{quote(name)}", {}),
        ("GET", f"/addons/{name}/operations", {}),
        ("PATCH", f"/apps/{strangers_app}/addons/{addon['id']}", {"plan": "redis:premium-0"}),
        ("DELETE", f"/apps/{strangers_app}/addons/{addon['id']}", {}),
        ("POST", "/addon-attachments", {"addon": addon["id"], "app": strangers_app}),
        ("POST", "/addon-attachments", {"addon": name, "app": app}),
        ("DELETE", f"/addon-attachments/{attachment}", {}),
    ]:
        answer = stranger.call(method, path, **body)
        assert (answer.status_code, answer.json()["id"]) == (404, "not_found"), f"{method} {path}"
    assert api.get(f"/addons/{name}")["state"] == "provisioned"
    assert stranger.get("/addons") == []
