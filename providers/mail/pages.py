"""The viewer's pages as HTML. Everything that came in a mail is escaped by ``Markup.format``, or shut in a sandboxed frame."""

import base64
import re
from collections.abc import Sequence
from urllib.parse import urlencode

from markupsafe import Markup

from providers.kit.dashboard import facts, meter, size
from providers.mail.archive import Delivery, Page, Summary
from providers.mail.mime import Attachment, Mail

# The frame has the origin of nobody, runs nothing and fetches nothing; links open outside of it.
_FRAME_HEAD = (
    '<!doctype html><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
    '<meta name="referrer" content="no-referrer"><base target="_blank">'
)
_INLINE_IMAGE_LIMIT = 1024 * 1024
_SHOWN_HTML_LIMIT = 2 * 1024 * 1024
_SHOWN_TEXT_LIMIT = 512 * 1024
_DELIVERY = {
    "kept": "kept here",
    "queued": "waiting for the relay",
    "sent": "handed to the relay",
    "failed": "refused by the relay",
}


def overview(base: str, page: Page, search: str, quota: Markup, chart: Markup, access: Markup) -> Markup:
    listing = _search_form(base, search) + _listing(base, page, search)
    return Markup("{}<h2>Messages</h2>{}<h2>Mails per day</h2>{}<h2>How to send</h2>{}").format(
        quota, listing, chart, access
    )


def quota_meter(used: int, limit: int) -> Markup:
    text = f"{used:,} of {limit:,} mails; fresh at 00:00 UTC"
    warning = (
        '<p class="warning" role="status">Today\'s quota is used up. Further mails are refused until 00:00 UTC.</p>'
    )
    return meter("Today", used, limit, text) + (Markup(warning) if used >= limit else "")  # noqa: S704 (a constant)


def access_facts(host: str, port: int, username: str, tls_required: bool) -> Markup:
    """Where to send, without the password: that is in the app's config vars."""
    return facts(
        [
            ("Server", host),
            ("Port", port),
            ("Security", "STARTTLS" + ("" if tls_required else " (optional: this server listens on loopback only)")),
            ("Username", username),
            ("Password", "in your app's config vars"),
            ("HTTP", "POST /v1/messages at this address, or /v3/mail/send for SendGrid's clients"),
        ]
    )


def test_form(base: str, token: str, address: str) -> Markup:
    return Markup(
        '<form action="{}/test" method="post"><input type="hidden" name="form_token" value="{}">'
        "<p><button>Send a test mail to {}</button></p></form>"
    ).format(base, token, address)


def _search_form(base: str, search: str) -> Markup:
    return Markup(
        '<form action="{base}" method="get" role="search"><label for="q">Search subject, people and text</label><br>'
        '<input id="q" name="q" type="search" value="{search}" maxlength="200"> <button>Search</button></form>'
    ).format(base=base, search=search)


def _listing(base: str, page: Page, search: str) -> Markup:
    if not page.messages:
        return Markup("<p>{}</p>").format("No message matches." if search else "No message yet.")
    entries = Markup("").join(_entry(base, message) for message in page.messages)
    found = f"{page.total:,} message{'' if page.total == 1 else 's'}{' found' if search else ''}, newest first"
    return Markup('<p class="soft" role="status">{}</p><ul>{}</ul>{}').format(
        found, entries, _pager(base, page, search)
    )


def _entry(base: str, message: Summary) -> Markup:
    people = ", ".join(message.recipients[:3]) + (" and others" if len(message.recipients) > 3 else "")
    files = f", {message.attachments} attached" if message.attachments else ""
    return Markup(
        '<li><a href="{base}/messages/{id}">{subject}</a><br>{author} to {people}'
        '<br><span class="soft"><time datetime="{iso}">{at} UTC</time>, {size}{files}, {state}</span></li>'
    ).format(
        base=base, id=message.public_id, subject=message.subject.strip() or "(no subject)", author=message.author,
        people=people, iso=message.received_at.isoformat(), at=f"{message.received_at:%Y-%m-%d %H:%M}",
        size=size(message.size), files=files, state=_DELIVERY[message.delivery],
    )  # fmt: skip


def _pager(base: str, page: Page, search: str) -> Markup:
    if page.last == 1:
        return Markup("")

    def link(number: int, words: str, rel: str) -> Markup:
        query = urlencode({"q": search, "page": number} if search else {"page": number})
        return Markup('<a href="{}?{}" rel="{}">{}</a> ').format(base, query, rel, words)

    newer = link(page.number - 1, "Newer", "prev") if page.number > 1 else ""
    older = link(page.number + 1, "Older", "next") if page.number < page.last else ""
    return Markup('<nav aria-label="Pages of messages"><p>{}Page {} of {} {}</p></nav>').format(
        newer, page.number, page.last, older
    )


def message(base: str, summary: Summary, mail: Mail, deliveries: Sequence[Delivery]) -> Markup:
    here = f"{base}/messages/{summary.public_id}"
    return Markup("").join(
        (
            Markup('<p><a href="{}">All messages</a></p>').format(base),
            _envelope(summary, mail),
            _deliveries(deliveries),
            _html_body(mail),
            _text_body(mail),
            _attachments(here, mail.attachments),
            _headers(mail),
            Markup(
                '<h2>Source</h2><p><a href="{}/raw">Show the raw message</a>, <a href="{}/download">download it</a></p>'
            ).format(here, here),
        )
    )


def _envelope(summary: Summary, mail: Mail) -> Markup:
    headers = [(name, mail.header(name)) for name in ("From", "To", "Cc", "Date") if mail.header(name)]
    envelope = [
        ("Sent as", summary.sender or "(no return address)"),
        ("Delivered to", ", ".join(summary.recipients)),
        ("Accepted", f"{summary.received_at:%Y-%m-%d %H:%M:%S} UTC over {summary.origin.upper()}"),
        ("Size", size(summary.size)),
    ]
    return facts([*headers, *envelope])


def _deliveries(deliveries: Sequence[Delivery]) -> Markup:
    if not deliveries:
        return Markup("")
    rows = Markup("").join(
        Markup("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>").format(
            each.recipient,
            _DELIVERY[each.state],
            each.attempts,
            each.reply + (f" (next try {each.next_at:%Y-%m-%d %H:%M:%S} UTC)" if each.state == "queued" else ""),
        )
        for each in deliveries
    )
    return Markup(
        '<h2>Delivery</h2><table><thead><tr><th scope="col">Recipient</th><th scope="col">State</th>'
        '<th scope="col">Attempts</th><th scope="col">Last answer</th></tr></thead><tbody>{}</tbody></table>'
    ).format(rows)


def _html_body(mail: Mail) -> Markup:
    if mail.html is None:
        return Markup("")
    if len(mail.html) > _SHOWN_HTML_LIMIT:
        return Markup("<h2>HTML</h2><p>The HTML is too long to be shown here. Download the message to read it.</p>")
    document = _FRAME_HEAD + _with_inline_images(mail.html, mail.attachments)
    return Markup(
        '<h2>HTML</h2><p class="soft">Shown without scripts, forms and remote images. Links open in a new tab.</p>'
        '<iframe title="HTML of the message" sandbox="allow-popups allow-popups-to-escape-sandbox"'
        ' referrerpolicy="no-referrer" srcdoc="{}"></iframe>'
    ).format(document)


def _with_inline_images(html: str, attachments: Sequence[Attachment]) -> str:
    """``cid:`` references replaced by the images the message carries itself."""
    images = {
        each.content_id: each
        for each in attachments
        if each.content_id and re.fullmatch(r"image/(png|jpeg|gif|webp)", each.content_type)
    }

    def embedded(match: re.Match[str]) -> str:
        image = images.get(match[1])
        if image is None or len(image.content) > _INLINE_IMAGE_LIMIT:
            return match[0]
        return f"data:{image.content_type};base64,{base64.b64encode(image.content).decode()}"

    return re.sub(r"cid:([^\s\"'<>()]+)", embedded, html, count=50) if images else html


def _text_body(mail: Mail) -> Markup:
    if mail.text is None:
        return Markup("") if mail.html is not None else Markup("<h2>Text</h2><p>This message has no text.</p>")
    shown = mail.text[:_SHOWN_TEXT_LIMIT]
    rest = Markup("<p>The rest is in the raw message.</p>") if len(mail.text) > len(shown) else Markup("")
    return Markup('<h2>Text</h2><pre tabindex="0">{}</pre>{}').format(shown, rest)


def _attachments(here: str, attachments: Sequence[Attachment]) -> Markup:
    if not attachments:
        return Markup("")
    entries = Markup("").join(
        Markup('<li><a href="{}/attachments/{}">{}</a> ({}, {})</li>').format(
            here, number, each.filename, each.content_type, size(len(each.content))
        )
        for number, each in enumerate(attachments, 1)
    )
    return Markup("<h2>Attachments</h2><ul>{}</ul>").format(entries)


def _headers(mail: Mail) -> Markup:
    return Markup("<h2>Headers</h2><details><summary>{} headers</summary>{}</details>").format(
        len(mail.headers), facts(mail.headers)
    )
