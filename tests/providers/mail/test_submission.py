"""Sending over SMTP with the clients people use: smtplib, Django, swaks. Limits and refusals included."""

import asyncio
import logging
import re
import shutil
import smtplib
import ssl
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.mail import EmailMultiAlternatives, get_connection

from tests.providers.mail.program import Program, Tenant, letter, mail_program


def trusting(program: Program) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=program.home / "smtp-cert.pem")


async def subjects(program: Program, tenant: Tenant) -> list[str]:
    async with program.viewer(tenant) as viewer:
        return await viewer.subjects()


async def test_smtplib_sends_without_tls_on_loopback(program: Program) -> None:
    tenant = await program.provision()
    await tenant.send(subject="Plain as day")
    assert await subjects(program, tenant) == ["Plain as day"]


async def test_smtplib_sends_over_starttls_with_the_certificate_verified(program: Program) -> None:
    tenant = await program.provision()

    def speak(client: smtplib.SMTP) -> None:
        client.starttls(context=trusting(program))
        client.login(*tenant.login)
        client.send_message(letter(subject="Over TLS"))
        client.send_message(letter(subject="And again"))

    await tenant.smtp(speak, login=False)
    assert await subjects(program, tenant) == ["And again", "Over TLS"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_both_login_mechanisms_work(program: Program, mechanism: str) -> None:
    tenant = await program.provision()

    def speak(client: smtplib.SMTP) -> tuple[int, bytes]:
        client.ehlo()
        client.user, client.password = tenant.login
        method = client.auth_plain if mechanism == "PLAIN" else client.auth_login
        return client.auth(mechanism.lower() if mechanism == "PLAIN" else mechanism, method)

    assert (await tenant.smtp(speak, login=False))[0] == 235


async def test_neither_passwords_nor_mail_are_logged(program: Program, caplog: pytest.LogCaptureFixture) -> None:
    tenant = await program.provision()

    def speak(client: smtplib.SMTP) -> None:
        client.ehlo()
        client.user, client.password = tenant.login
        client.auth("LOGIN", client.auth_login)
        client.send_message(letter(text="a sentence for nobody else"))
        client.docmd("AUTH", f"PLAIN {tenant.config['PASSWORD']}")

    with caplog.at_level(logging.DEBUG):
        await tenant.smtp(speak, login=False)
        await program.send_over_http(tenant, text="a sentence for nobody else")
    assert "POST /v1/messages 202" in caplog.text
    assert tenant.config["PASSWORD"] not in caplog.text
    assert "a sentence for nobody else" not in caplog.text


@pytest.mark.parametrize("wrong", ["password", "username", "another's password"])
async def test_a_wrong_login_is_refused(program: Program, wrong: str) -> None:
    tenant, other = await program.provision(), await program.provision()
    username, password = tenant.login
    login = {
        "password": (username, password[:-1]),
        "username": ("nobody@mail.localhost", password),
        "another's password": (username, other.config["PASSWORD"]),
    }[wrong]
    with pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
        await tenant.smtp(lambda client: client.login(*login), login=False)
    assert refusal.value.smtp_code == 535


async def test_nothing_is_taken_without_a_login(program: Program) -> None:
    tenant = await program.provision()
    with pytest.raises(smtplib.SMTPSenderRefused) as refusal:
        await tenant.smtp(lambda client: client.send_message(letter()), login=False)
    assert refusal.value.smtp_code == 530


async def test_beyond_loopback_a_login_needs_tls(tmp_path: Path) -> None:
    async with mail_program(tmp_path, host="0.0.0.0", public_host="localhost") as program:
        tenant = await program.provision()

        def speak(client: smtplib.SMTP) -> int:
            client.ehlo()
            assert not client.has_extn("auth")
            assert client.docmd("AUTH", "PLAIN AHgAeQ==")[0] == 538
            client.starttls(context=trusting(program))
            return client.login(*tenant.login)[0]

        assert await tenant.smtp(speak, login=False) == 235


async def test_the_quota_of_the_day_ends_in_452_and_is_fresh_the_next_day(program: Program) -> None:
    tenant = await program.provision("starter")
    crowd = [f"user{number}@example.com" for number in range(100)]

    def fill(client: smtplib.SMTP) -> None:
        for _ in range(2):
            client.sendmail("app@example.com", crowd, "Subject: To the crowd\r\n\r\nHi")

    await tenant.smtp(fill)
    with pytest.raises(smtplib.SMTPDataError) as refusal:
        await tenant.send()
    assert refusal.value.smtp_code == 452
    assert re.match(rb"4\.5\.3 Daily quota of plan starter: 200 mails, 0 left", refusal.value.smtp_error)
    program.clock.skew += timedelta(days=1)
    await tenant.send(subject="A new day")
    assert (await subjects(program, tenant))[0] == "A new day"


async def test_the_quota_survives_a_restart_and_a_refused_mail_costs_nothing(tmp_path: Path) -> None:
    crowd = [f"user{number}@example.com" for number in range(100)]
    async with mail_program(tmp_path) as program:
        tenant = await program.provision("starter")
        await tenant.smtp(lambda client: client.sendmail("a@example.com", crowd + ["x@example.com"][:0], "hi"))
    async with mail_program(tmp_path):
        await tenant.smtp(lambda client: client.sendmail("a@example.com", crowd[:99], "hi"))
        with pytest.raises(smtplib.SMTPDataError):
            await tenant.smtp(lambda client: client.sendmail("a@example.com", crowd[:2], "hi"))
        await tenant.send()  # one was left, and still is


async def test_a_plan_change_moves_the_quota_of_an_open_connection(program: Program) -> None:
    tenant = await program.provision("starter")
    crowd = [f"user{number}@example.com" for number in range(100)]
    url = f"/heroku/resources/{tenant.uuid}"
    loop = asyncio.get_running_loop()

    async def change(plan: str) -> str:
        async with program.calls() as client:
            return (await client.put(url, json={"plan": plan})).json()["message"]

    def speak(client: smtplib.SMTP) -> str:
        for _ in range(2):
            client.sendmail("a@example.com", crowd, "hi")
        with pytest.raises(smtplib.SMTPDataError):
            client.sendmail("a@example.com", crowd, "hi")
        asyncio.run_coroutine_threadsafe(change("bronze"), loop).result(10)
        client.sendmail("a@example.com", crowd, "hi")
        message = asyncio.run_coroutine_threadsafe(change("starter"), loop).result(10)
        with pytest.raises(smtplib.SMTPDataError):
            client.sendmail("a@example.com", crowd[:1], "hi")
        return message

    assert "Today's 300 mails use up the new quota" in await tenant.smtp(speak)


async def test_too_many_recipients_and_too_big_a_message_are_refused(tmp_path: Path) -> None:
    async with mail_program(tmp_path, recipients_limit=2, message_limit=1024 * 1024) as program:
        tenant = await program.provision()
        three = ["a@example.com", "b@example.com", "c@example.com"]
        refused = await tenant.smtp(lambda client: client.sendmail("app@example.com", three, "hi"))
        assert refused == {"c@example.com": (452, b"4.5.3 Too many recipients: a message may have 2")}
        with pytest.raises(smtplib.SMTPSenderRefused) as refusal:
            await tenant.smtp(lambda client: client.sendmail("app@example.com", three[:1], "x\r\n" * 400_000))
        assert refusal.value.smtp_code == 552


async def test_a_recipient_without_a_domain_is_refused(program: Program) -> None:
    tenant = await program.provision()
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await tenant.smtp(lambda client: client.sendmail("app@example.com", ["root"], "hi"))


async def test_a_removed_login_cannot_send_over_a_connection_it_still_has(program: Program) -> None:
    tenant = await program.provision()
    loop = asyncio.get_running_loop()

    async def remove() -> None:
        async with program.calls() as client:
            assert (await client.delete(f"/heroku/resources/{tenant.uuid}")).status_code == 204

    def speak(client: smtplib.SMTP) -> None:
        client.send_message(letter())
        asyncio.run_coroutine_threadsafe(remove(), loop).result(10)
        client.send_message(letter())

    with pytest.raises(smtplib.SMTPDataError) as refusal:
        await tenant.smtp(speak)
    assert refusal.value.smtp_code == 535


async def test_connections_beyond_the_limit_are_turned_away(tmp_path: Path) -> None:
    async with mail_program(tmp_path, connections_limit=1) as program:
        tenant = await program.provision()

        def speak(client: smtplib.SMTP) -> None:
            with pytest.raises(smtplib.SMTPConnectError) as refusal:
                smtplib.SMTP(tenant.config["HOST"], int(tenant.config["PORT"]), local_hostname="app.test", timeout=10)
            assert refusal.value.smtp_code == 421
            client.send_message(letter(subject="Still served"))

        await tenant.smtp(speak)
        assert await subjects(program, tenant) == ["Still served"]


async def test_blind_copies_are_delivered_to_and_not_written_down(program: Program) -> None:
    tenant = await program.provision()
    raw = "From: a@example.com\r\nBcc: secret@example.com,\r\n other@example.com\r\nSubject: Hush\r\n\r\nhi"
    await tenant.smtp(lambda client: client.sendmail("a@example.com", ["secret@example.com"], raw))
    async with program.viewer(tenant) as viewer:
        source = (await viewer.open("/raw")).text
    assert "Subject: Hush" in source
    assert "other@example.com" not in source
    assert "Message-ID:" in source


async def test_a_message_nested_without_end_is_refused_and_the_server_goes_on(program: Program) -> None:
    tenant = await program.provision()
    head = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(200))
    with pytest.raises(smtplib.SMTPDataError) as refusal:
        await tenant.smtp(lambda client: client.sendmail("a@example.com", ["b@example.com"], head + "\r\nhi"))
    assert refusal.value.smtp_code == 554
    await tenant.send(subject="Still here")
    assert await subjects(program, tenant) == ["Still here"]


@pytest.mark.parametrize("encrypted", [False, True])
async def test_djangos_mail_backend_sends(program: Program, encrypted: bool) -> None:
    tenant = await program.provision(slug="sendgrid")
    if not django_settings.configured:
        django_settings.configure(DEFAULT_CHARSET="utf-8", USE_TZ=True)

    def send() -> int:
        connection = get_connection(
            "django.core.mail.backends.smtp.EmailBackend",
            host="localhost" if encrypted else tenant.config["HOST"],
            port=int(tenant.config["PORT"]),
            username=tenant.config["USERNAME"],
            password=tenant.config["PASSWORD"],
            use_tls=encrypted,
        )
        connection.ssl_context = trusting(program)
        mail = EmailMultiAlternatives("Grüße aus Django", "Text", "app@example.com", ["ada@example.com"])
        mail.attach_alternative("<p>HTML</p>", "text/html")
        mail.connection = connection
        return mail.send()

    assert await asyncio.to_thread(send) == 1
    assert await subjects(program, tenant) == ["Grüße aus Django"]


@pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks is not on PATH")
async def test_swaks_sends(program: Program) -> None:
    tenant = await program.provision()
    username, password = tenant.login
    arguments = ["--server", tenant.config["HOST"], "--port", tenant.config["PORT"], "--to", "ada@example.com",
                 "--from", "app@example.com", "--auth", "LOGIN", "--auth-user", username, "--auth-password", password,
                 "--header", "Subject: From swaks", "--helo", "app.test"]  # fmt: skip
    process = await asyncio.create_subprocess_exec("swaks", *arguments, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert await subjects(program, tenant) == ["From swaks"]
