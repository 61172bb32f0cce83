"""The viewer behind single sign-on: what is shown, how hostile mail is kept in, and whose mail is seen."""

import re
from datetime import timedelta
from email.message import EmailMessage
from html import unescape

import pytest

from providers.mail.database import Database
from providers.mail.retention import Retention
from tests.providers.mail.program import Program, letter
from tests.providers.partner import client_of

ATTACK = "<script>alert(1)</script>"


async def test_a_sent_message_is_listed_and_shown_with_text_html_and_headers(program: Program) -> None:
    tenant = await program.provision()
    await tenant.send(subject="Monday", text="Good morning, Ada", html="<p>Good <b>morning</b></p>")
    async with program.viewer(tenant) as viewer:
        overview, message = await viewer.overview(), (await viewer.open()).text
    assert "Monday" in overview
    assert "1 of 200 mails" in overview
    assert "app@example.com to ada@example.com" in overview
    assert "Good morning, Ada" in message
    assert "&lt;b&gt;morning&lt;/b&gt;" in message
    assert "Message-ID" in message


@pytest.mark.parametrize("words", ["invoice", "INVOICE", "carol@example.com", "carol", "november sum", "novem"])
async def test_search_finds_subject_people_and_body(program: Program, words: str) -> None:
    tenant = await program.provision()
    await tenant.send(subject="Your invoice", text="The sum of November", to="Carol <carol@example.com>")
    await tenant.send(subject="Welcome")
    async with program.viewer(tenant) as viewer:
        assert await viewer.subjects(q=words) == ["Your invoice"]


@pytest.mark.parametrize("words", ['"', "*", "a OR b", "NEAR(", "tenant:x", "subject : a", "-- ;", "(", "\x00", "ü ß"])
async def test_search_words_are_words_and_never_operators(program: Program, words: str) -> None:
    tenant, other = await program.provision(), await program.provision()
    await other.send(subject="Not yours a b")
    async with program.viewer(tenant) as viewer:
        assert await viewer.subjects(q=words) == []


async def test_long_lists_come_in_pages_with_links_that_keep_the_search(program: Program) -> None:
    tenant = await program.provision()
    mails = [letter(subject=f"Number {number}") for number in range(27)]
    await tenant.smtp(lambda client: [client.send_message(mail) for mail in mails])
    async with program.viewer(tenant) as viewer:
        first, second = await viewer.subjects(q="number"), await viewer.subjects(q="number", page=2)
        html = await viewer.overview(q="number")
    assert len(first) == 25
    assert second == ["Number 1", "Number 0"]
    assert "q=number&amp;page=2" in html


async def test_hostile_subjects_and_names_are_shown_as_text(program: Program) -> None:
    tenant = await program.provision()
    await tenant.send(subject=ATTACK, text=ATTACK, to=f'"{ATTACK}" <ada@example.com>')
    async with program.viewer(tenant) as viewer:
        pages = [await viewer.overview(), await viewer.overview(q=ATTACK), (await viewer.open()).text]
    for page in pages:
        assert "<script" not in page
        assert "&lt;script&gt;" in page


async def test_html_is_shut_in_a_sandboxed_frame_that_fetches_nothing(program: Program) -> None:
    tenant = await program.provision()
    html = f'{ATTACK}"><img src="https://tracker.example/p.gif" onerror=alert(1)></iframe><h1>Out</h1>'
    await tenant.send(html=html)
    async with program.viewer(tenant) as viewer:
        answer = await viewer.open()
    frame = re.search(r'<iframe [^>]*sandbox="([^"]*)"[^>]* srcdoc="([^"]*)"></iframe>', answer.text)
    assert frame
    assert set(frame[1].split()) <= {"allow-popups", "allow-popups-to-escape-sandbox"}
    assert html in unescape(frame[2])
    assert "<h1>Out" not in answer.text
    assert "default-src 'none'" in unescape(frame[2])
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "img-src data:;" in policy
    assert "script-src" not in policy


async def test_images_that_the_mail_carries_are_embedded(program: Program) -> None:
    tenant = await program.provision()
    mail = letter(html='<img src="cid:logo@app">')
    html_part = list(mail.iter_parts())[1]
    assert isinstance(html_part, EmailMessage)
    html_part.add_related(b"\x89PNG", "image", "png", cid="<logo@app>")
    await tenant.send(mail)
    async with program.viewer(tenant) as viewer:
        assert "data:image/png;base64,iVBORw==" in (await viewer.open()).text


async def test_attachments_are_downloads_whatever_their_name_and_type(program: Program) -> None:
    tenant = await program.provision()
    mail = letter()
    mail.add_attachment(b"<script>", "text", "html", filename='../"x"; ü.html')
    await tenant.send(mail)
    async with program.viewer(tenant) as viewer:
        answer, missing = await viewer.open("/attachments/1"), await viewer.open("/attachments/2")
    assert answer.content == b"<script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="')
    assert disposition.endswith("filename*=UTF-8''_%22x%22%3B%20%C3%BC.html")
    assert disposition.count('"') == 2
    assert missing.status_code == 404


async def test_the_raw_source_is_plain_text_and_can_be_saved(program: Program) -> None:
    tenant = await program.provision()
    await tenant.send(subject="Source", html=ATTACK)
    async with program.viewer(tenant) as viewer:
        raw, saved = await viewer.open("/raw"), await viewer.open("/download")
    assert raw.headers["content-type"].startswith("text/plain")
    assert "sandbox" in raw.headers["content-security-policy"]
    assert "Received: from app.test" in raw.text
    assert saved.content == raw.content
    assert 'filename="Source.eml"' in saved.headers["content-disposition"]


async def test_another_tenants_message_is_not_there(program: Program) -> None:
    mine, theirs = await program.provision(), await program.provision()
    await theirs.send(subject="Theirs")
    async with program.viewer(theirs) as viewer:
        id = str((await viewer.open()).url).rpartition("/")[2]
    async with program.viewer(mine) as viewer:
        for below in ("", "/raw", "/download", "/attachments/1"):
            assert (await viewer.browser.get(f"{viewer.home}/messages/{id}{below}")).status_code == 404
            foreign = f"/dashboard/{theirs.uuid}/messages/{id}{below}"
            assert (await viewer.browser.get(foreign)).status_code == 403
        assert await viewer.subjects() == []


async def test_without_sign_on_nothing_is_shown(program: Program) -> None:
    tenant = await program.provision()
    async with client_of(program.app) as stranger:
        assert (await stranger.get(f"/dashboard/{tenant.uuid}")).status_code == 403


async def test_the_test_button_sends_a_mail_and_only_our_own_page_can_press_it(program: Program) -> None:
    tenant = await program.provision()
    async with program.viewer(tenant) as viewer:
        token = re.search(r'name="form_token" value="([^"]+)"', await viewer.overview())
        assert token
        forged = await viewer.browser.post(f"{viewer.home}/test", data={"form_token": "guess"})
        pressed = await viewer.browser.post(f"{viewer.home}/test", data={"form_token": token[1]})
        assert (forged.status_code, pressed.status_code) == (403, 303)
        assert await viewer.subjects() == ["A test mail"]
        assert "user@example.com" in (await viewer.open()).text


async def test_messages_go_when_the_plan_keeps_them_no_longer(program: Program) -> None:
    starter, bronze = await program.provision("starter"), await program.provision("bronze")
    for tenant in (starter, bronze):
        await tenant.send(subject="Old")
    program.clock.skew += timedelta(days=4)
    for tenant in (starter, bronze):
        await tenant.send(subject="New")
    assert Retention(Database(program.home / "mail.db"), program.clock).sweep() >= 1
    async with program.viewer(starter) as viewer:
        assert await viewer.subjects() == ["New"]
        assert await viewer.subjects(q="old") == []
    async with program.viewer(bronze) as viewer:
        assert await viewer.subjects() == ["New", "Old"]
        assert "quota" not in await viewer.overview(q="nothing")


async def test_the_chart_shows_the_days_and_a_used_up_quota_is_said_in_words(program: Program) -> None:
    tenant = await program.provision()
    crowd = [f"user{number}@example.com" for number in range(100)]
    await tenant.smtp(lambda client: [client.sendmail("a@example.com", crowd, "hi") for _ in range(2)])
    async with program.viewer(tenant) as viewer:
        html = await viewer.overview()
    today = program.clock().date().isoformat()
    assert f"<title>{today}: 200</title>" in html
    assert f"<td>{today}</td><td>200</td>" in html
    assert "quota 200" in html
    assert "used up" in html


@pytest.mark.parametrize(
    "raw",
    [
        b"no headers at all",
        b"Subject: =?x-none?B?zzz?=\r\nFrom: =?utf-8?q?=ff=fe?=\r\n\r\nbody",
        b"Content-Type: text/plain; charset=no-such\r\n\r\n\xff\xfe body",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!not base64!!!",
        b"Content-Disposition: attachment; filename*=bad''%ff%fe\"\r\n\r\nx",
        b"Subject: " + b"x" * 900 + b"\r\n" + b"A: b\r\n" * 2000 + b"\r\n\x00\x01",
        b"Subject: \xff\xfe raw bytes \xc3\xbc\r\n\r\n\xc3\xbc",
        b"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\nSubject: inner\r\n\r\nhi",
        b"Subject: =?rot13\xff?q?x?=\r\nContent-Type: text/plain; charset=a\x00b\r\n\r\nx",
        b"Content-Disposition: inline; filename*0=a; filename*1*=u%00x''x; filename*x=y\r\n\r\nx",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 20_000,
        b"Content-Type: " + b"a/" * 400 + b"\r\nContent-Type: text/plain\r\n\r\nx",
    ],
)
async def test_malformed_mail_is_accepted_listed_and_shown(program: Program, raw: bytes) -> None:
    tenant = await program.provision()
    await tenant.smtp(lambda client: client.sendmail("a@example.com", ["b@example.com"], raw))
    async with program.viewer(tenant) as viewer:
        assert len(await viewer.subjects()) == 1
        assert (await viewer.open()).status_code == 200
        assert (await viewer.open("/raw")).status_code == 200
