"""The mail provider as the broker sees it: provision, plan change, deprovision, for two services on one program."""

import os
import stat
from pathlib import Path
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import httpx

from tests.providers.mail.program import MAIL_VARS, SENDGRID_VARS, Program, mail_program
from tests.providers.partner import client_of, provision_body


async def test_a_provision_gives_exactly_the_declared_config_vars(program: Program) -> None:
    async with program.calls("mail") as mail, program.calls("sendgrid") as sendgrid:
        of_mail = (await mail.post("/heroku/resources", json=provision_body(plan="starter"))).json()
        of_sendgrid = (await sendgrid.post("/heroku/resources", json=provision_body(plan="starter"))).json()
    assert sorted(of_mail["config"]) == sorted(MAIL_VARS)
    assert sorted(of_sendgrid["config"]) == sorted(SENDGRID_VARS)
    assert "200 mails a day" in of_mail["message"]


async def test_the_url_says_the_same_as_the_single_vars(program: Program) -> None:
    config = (await program.provision()).config
    url = urlsplit(config["URL"])
    assert (unquote(url.username or ""), url.password) == (config["USERNAME"], config["PASSWORD"])
    assert (url.scheme, url.hostname, str(url.port)) == ("smtp", config["HOST"], config["PORT"])


async def test_a_second_provision_with_the_same_uuid_gives_the_same_resource(program: Program) -> None:
    first = await program.provision()
    assert await program.provision(uuid=first.uuid) == first


async def test_every_resource_has_a_username_and_a_password_of_its_own(program: Program) -> None:
    tenants = [await program.provision() for _ in range(3)]
    assert len({tenant.config["USERNAME"] for tenant in tenants}) == 3
    assert len({tenant.config["PASSWORD"] for tenant in tenants}) == 3
    assert all(tenant.config["USERNAME"].endswith("@mail.localhost") for tenant in tenants)


async def test_an_unknown_plan_is_refused_with_the_plans_there_are(program: Program) -> None:
    tenant = await program.provision()
    async with program.calls() as client:
        created = await client.post("/heroku/resources", json=provision_body(plan="gold"))
        changed = await client.put(f"/heroku/resources/{tenant.uuid}", json={"plan": "gold"})
    for answer in (created, changed):
        assert answer.status_code == 422
        assert "starter, bronze, silver" in answer.json()["message"]


async def test_a_deprovisioned_resource_is_gone_and_an_unknown_one_was_never_there(program: Program) -> None:
    tenant = await program.provision()
    async with program.calls() as client:
        answers = [await client.delete(f"/heroku/resources/{uuid}") for uuid in (tenant.uuid, tenant.uuid, uuid4())]
    assert [answer.status_code for answer in answers] == [204, 410, 404]


async def test_one_service_cannot_touch_a_resource_of_the_other(program: Program) -> None:
    tenant = await program.provision(slug="sendgrid")
    async with program.calls("mail") as client:
        assert (await client.delete(f"/heroku/resources/{tenant.uuid}")).status_code == 404


async def test_wrong_credentials_are_refused(program: Program) -> None:
    async with client_of(program.app, auth=("mail", "wrong")) as client:
        assert (await client.post("/heroku/resources", json=provision_body(plan="starter"))).status_code == 401


async def test_the_health_endpoint_answers_while_mail_is_taken_in(program: Program) -> None:
    async with client_of(program.app) as client:
        assert (await client.get("/health")).json() == {"status": "ok"}


async def test_a_restart_keeps_the_port_the_login_and_the_mail(tmp_path: Path) -> None:
    async with mail_program(tmp_path) as first:
        tenant = await first.provision()
        await tenant.send(subject="Before the restart")
    async with mail_program(tmp_path) as second:
        assert await second.provision(uuid=tenant.uuid) == tenant
        await tenant.send(subject="After the restart")
        async with second.viewer(tenant) as viewer:
            assert await viewer.subjects() == ["After the restart", "Before the restart"]


async def test_files_of_the_home_are_readable_by_their_owner_alone(program: Program) -> None:
    await (await program.provision()).send()
    modes = {path.name: stat.S_IMODE(os.stat(path).st_mode) for path in program.home.iterdir()}
    assert {"mail.db", "provider.key", "smtp-key.pem"} <= set(modes)
    assert all(mode & 0o077 == 0 for name, mode in modes.items() if name != "smtp-port"), modes


async def test_passwords_are_in_no_file_of_the_home(program: Program) -> None:
    tenant = await program.provision()
    await tenant.send()
    contents = b"".join(path.read_bytes() for path in program.home.iterdir())
    assert tenant.config["USERNAME"].encode() in contents
    assert tenant.config["PASSWORD"].encode() not in contents


async def test_deprovisioning_removes_the_mail_from_the_disk(program: Program) -> None:
    tenant = await program.provision()
    await tenant.send(text="a very private sentence")
    async with program.calls() as client:
        answer: httpx.Response = await client.delete(f"/heroku/resources/{tenant.uuid}")
    assert answer.status_code == 204
    assert b"a very private sentence" not in b"".join(path.read_bytes() for path in program.home.iterdir())
