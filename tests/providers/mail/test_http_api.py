"""Sending over HTTP: the API of our own and the one SendGrid's clients speak."""

import base64
from typing import Any

import httpx
import pytest

from tests.providers.mail.program import Program, Tenant, mail_program
from tests.providers.partner import client_of


async def as_sendgrid(program: Program, key: str, **changes: Any) -> httpx.Response:
    body = {
        "personalizations": [{"to": [{"email": "ada@example.com", "name": "Ada"}]}],
        "from": {"email": "app@example.com"},
        "subject": "From a SendGrid client",
        "content": [{"type": "text/plain", "value": "Text"}, {"type": "text/html", "value": "<p>HTML</p>"}],
        "categories": ["unknown fields are ignored"],
        **changes,
    }
    async with client_of(program.app) as client:
        return await client.post("/v3/mail/send", json=body, headers={"Authorization": f"Bearer {key}"})


async def source(program: Program, tenant: Tenant, index: int = 0) -> str:
    async with program.viewer(tenant) as viewer:
        return (await viewer.open("/raw", index)).text


async def test_a_message_is_accepted_with_its_id_and_shown_under_it(program: Program) -> None:
    tenant = await program.provision()
    file = {"filename": "bill.pdf", "content": base64.b64encode(b"%PDF").decode(), "type": "application/pdf"}
    answer = await program.send_over_http(
        tenant,
        **{"from": "Grüße <app@example.com>"},
        to=["Ada <ada@example.com>", {"email": "bob@example.com", "name": "Bob"}],
        cc=["cc@example.com"],
        bcc=["hidden@example.com"],
        subject="Rechnung für Ada",
        html="<p>Hi</p>",
        attachments=[file],
    )
    assert answer.status_code == 202
    async with program.viewer(tenant) as viewer:
        message = await viewer.browser.get(f"{viewer.home}/messages/{answer.json()['id']}")
        attachment = await viewer.open("/attachments/1")
        raw = (await viewer.open("/raw")).text
        assert "4 of 200 mails" in await viewer.overview()
    assert "Rechnung für Ada" in message.text
    assert "ada@example.com, bob@example.com, cc@example.com, hidden@example.com" in message.text
    assert attachment.content == b"%PDF"
    assert "hidden@example.com" not in raw


@pytest.mark.parametrize("field", ["subject", "from", "to", "filename", "type"])
@pytest.mark.parametrize("line_break", ["\r\n", "\n", "\r", "\u2028", "\x85"])
async def test_no_field_can_start_another_header(program: Program, field: str, line_break: str) -> None:
    tenant = await program.provision()
    evil = f"x{line_break}Bcc: victim@example.com"
    body: dict[str, Any] = {
        "subject": {"subject": evil},
        "from": {"from": {"email": "app@example.com", "name": evil}},
        "to": {"to": [f"ada@example.com{line_break}Bcc: victim@example.com"]},
        "filename": {"attachments": [{"filename": evil, "content": ""}]},
        "type": {"attachments": [{"filename": "x", "content": "", "type": f"text/plain{line_break}X: y"}]},
    }[field]
    answer = await program.send_over_http(tenant, **body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["id"] == "invalid_message"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"to": []}, "to"),
        ({"to": ["not an address"]}, "email address"),
        ({"to": ["a@b@c"]}, "email address"),
        ({"text": None}, "text or html"),
        ({"text": 5}, "text"),
        ({"attachments": [{"filename": "x", "content": "%%%"}]}, "base64"),
        ({"subjekt": "typo"}, "subjekt"),
        ({"to": [f"user{number}@example.com" for number in range(101)]}, "100 recipients"),
    ],
)
async def test_what_is_wrong_is_named(program: Program, change: dict[str, Any], word: str) -> None:
    answer = await program.send_over_http(await program.provision(), **change)
    assert answer.status_code in (400, 422)
    assert word in answer.json()["message"]


async def test_bodies_that_are_not_json_or_too_large_are_refused(tmp_path: Any) -> None:
    async with mail_program(tmp_path, message_limit=1024 * 1024) as program:
        tenant = await program.provision()
        async with client_of(program.app, auth=tenant.login) as client:
            assert (await client.post("/v1/messages", content=b"{")).status_code == 400
            assert (await client.post("/v1/messages", content=b"x" * 2_000_000)).status_code == 413
        assert (await program.send_over_http(tenant, text="ü" * 800_000)).status_code == 413


async def test_wrong_credentials_are_refused_before_the_body_is_looked_at(program: Program) -> None:
    tenant = await program.provision()
    for auth in (None, (tenant.login[0], "wrong"), ("apikey", "wrong"), ("", "")):
        async with client_of(program.app, auth=auth) as client:
            answer = await client.post("/v1/messages", content=b"{")
        assert answer.status_code == 401
        assert "Basic" in answer.headers["www-authenticate"]
    assert (await as_sendgrid(program, "wrong")).status_code == 401


async def test_the_quota_is_shared_with_smtp_and_ends_in_429(program: Program) -> None:
    tenant = await program.provision("starter")
    crowd = [f"user{number}@example.com" for number in range(100)]
    await tenant.smtp(lambda client: client.sendmail("app@example.com", crowd, "hi"))
    assert (await program.send_over_http(tenant, to=crowd)).status_code == 202
    refused = await program.send_over_http(tenant)
    assert refused.status_code == 429
    assert refused.json()["id"] == "quota_used_up"
    assert 0 < int(refused.headers["retry-after"]) <= 12 * 3600 + 60


async def test_sendgrids_clients_send_with_the_password_as_their_key(program: Program) -> None:
    tenant = await program.provision(slug="sendgrid")
    answer = await as_sendgrid(program, tenant.config["PASSWORD"])
    assert (answer.status_code, answer.content) == (202, b"")
    raw = await source(program, tenant)
    assert "To: Ada <ada@example.com>" in raw
    assert "Subject: From a SendGrid client" in raw


async def test_each_personalization_is_a_message_and_all_are_taken_or_none(program: Program) -> None:
    tenant = await program.provision("starter", slug="sendgrid")
    people = [{"to": [{"email": f"user{n}@example.com"}], "subject": f"For user {n}"} for n in range(201)]
    refused = await as_sendgrid(program, tenant.config["PASSWORD"], personalizations=people)
    assert refused.status_code == 429
    assert "200 left, 201 asked for" in refused.json()["errors"][0]["message"]
    assert (await as_sendgrid(program, tenant.config["PASSWORD"], personalizations=people[:2])).status_code == 202
    async with program.viewer(tenant) as viewer:
        assert await viewer.subjects() == ["For user 1", "For user 0"]


async def test_sendgrid_faults_come_in_its_own_shape(program: Program) -> None:
    tenant = await program.provision(slug="sendgrid")
    answer = await as_sendgrid(program, tenant.config["PASSWORD"], content=[{"type": "text/plain", "value": 1}])
    assert answer.status_code == 422
    assert "content.0.value" in answer.json()["errors"][0]["message"]
