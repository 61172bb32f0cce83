"""Two passwords on one login, over SMTP and HTTP; the old one goes, also for a resource of an earlier file."""

import smtplib
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.providers.mail.program import Program, Tenant, mail_program


async def rotated(program: Program, tenant: Tenant, rotation: UUID) -> Tenant:
    async with program.calls() as client:
        body = {"rotation": str(rotation)}
        answer = await client.post(f"/heroku/resources/{tenant.uuid}/actions/rotate", json=body)
    assert answer.status_code == 200, answer.text
    config = {name.partition("_")[2]: value for name, value in answer.json()["config"].items()}
    return replace(tenant, config=config)


async def revoke(program: Program, tenant: Tenant, rotation: UUID) -> None:
    async with program.calls() as client:
        body = {"rotation": str(rotation)}
        answer = await client.post(f"/heroku/resources/{tenant.uuid}/actions/revoke", json=body)
    assert answer.status_code == 204, answer.text


async def test_both_passwords_send_until_the_old_one_goes(program: Program) -> None:
    old, rotation = await program.provision(), uuid4()
    new = await rotated(program, old, rotation)
    assert await rotated(program, old, rotation) == new
    assert new.config["USERNAME"] == old.config["USERNAME"]
    assert new.config["PASSWORD"] != old.config["PASSWORD"]
    for tenant in (old, new):
        await tenant.send()
        assert (await program.send_over_http(tenant)).status_code < 300
    await revoke(program, old, rotation)
    with pytest.raises(smtplib.SMTPAuthenticationError):
        await old.send()
    assert (await program.send_over_http(old)).status_code == 401
    await new.send()
    assert (await program.send_over_http(new)).status_code < 300
    async with program.viewer(new) as viewer:
        assert len(await viewer.subjects()) == 6


async def test_the_generations_outlast_the_program(tmp_path: Path) -> None:
    first, second = uuid4(), uuid4()
    async with mail_program(tmp_path) as program:
        oldest = await program.provision()
        middle = await rotated(program, oldest, first)
        await revoke(program, oldest, first)
        newest = await rotated(program, middle, second)
    async with mail_program(tmp_path) as program:
        assert await program.provision(uuid=oldest.uuid) == newest
        for tenant in (middle, newest):
            await tenant.send()
        await revoke(program, newest, second)
        for tenant in (oldest, middle):
            with pytest.raises(smtplib.SMTPAuthenticationError):
                await tenant.send()
        await newest.send()
