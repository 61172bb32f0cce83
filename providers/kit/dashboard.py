"""The page frame of the dashboards: plain, accessible HTML without scripts, under a strict content policy.

Pages are built from `markupsafe.Markup`: `Markup("<p>{}</p>").format(value)` escapes what it is given.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

from fastapi.responses import HTMLResponse
from markupsafe import Markup

STYLE = """
:root {
  color-scheme: light dark;
  --ink: #1a1a2e; --soft: #4a4a68; --paper: #fff; --line: #c9c9d8; --bar: #1f5fbf; --full: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root { --ink: #f0f0f6; --soft: #c0c0d0; --paper: #16161f; --line: #4a4a5c; --bar: #8ab4f8; --full: #ff8a80; }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 60rem; padding: 1rem; font: 1rem/1.5 system-ui, sans-serif;
  color: var(--ink); background: var(--paper);
}
header { border-bottom: 1px solid var(--line); margin-bottom: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
a { color: var(--bar); }
:focus-visible { outline: 3px solid var(--bar); outline-offset: 2px; }
.soft { color: var(--soft); margin: 0 0 .75rem; }
.warning { border-left: .4rem solid var(--full); padding: .5rem .75rem; }
dl { display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .25rem 1rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
pre { overflow-x: auto; padding: .75rem; border: 1px solid var(--line); border-radius: .4rem; }
table { border-collapse: collapse; width: 100%; }
th, td {
  text-align: left; padding: .4rem .6rem .4rem 0; border-bottom: 1px solid var(--line); overflow-wrap: anywhere;
}
input, button, select {
  font: inherit; color: inherit; background: var(--paper); min-height: 2.75rem; padding: .25rem .75rem;
  border: 1px solid var(--soft); border-radius: .4rem; max-width: 100%;
}
button { cursor: pointer; }
form { margin-bottom: 1rem; }
ul { padding-left: 1.25rem; }
li { margin-bottom: .5rem; }
.meter { display: block; width: 100%; height: 1rem; margin: -.5rem 0 1rem; border-radius: .4rem; }
.chart { display: block; width: 100%; color: var(--bar); margin-bottom: .5rem; }
.meter .track { fill: var(--line); }
.meter .used { fill: var(--bar); }
.meter .used.over { fill: var(--full); }
iframe { width: 100%; min-height: 60vh; border: 1px solid var(--line); background: #fff; }
@media (max-width: 32rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .5rem; } }
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

FRAME = Markup("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<header><h1>{title}</h1><p class="soft">{subtitle}</p></header>
<main>
{body}
</main>
</body>
</html>
""")


def page(title: str, body: Markup, subtitle: str = "", status: int = 200, frames: bool = False) -> HTMLResponse:
    """A whole page. `frames` lets it show frames of its own origin."""
    html = FRAME.format(title=title, subtitle=subtitle, body=body, style=Markup(STYLE))  # noqa: S704 (a constant)
    return HTMLResponse(html, status, security_headers("frame-src 'self'" if frames else ""))


def security_headers(*policies: str) -> dict[str, str]:
    """The headers of every dashboard answer; `policies` are added to the content policy, which allows nothing else."""
    policy = (
        "default-src 'none'",
        f"style-src 'sha256-{STYLE_HASH}'",
        "img-src 'self' data:",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'self'",
        *(p for p in policies if p),
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }


def facts(rows: Iterable[tuple[str, object]]) -> Markup:
    """A list of terms and their values."""
    inner = Markup("").join(Markup("<dt>{}</dt><dd>{}</dd>").format(*row) for row in rows)
    return Markup("<dl>{}</dl>").format(inner)


def meter(label: str, used: int, limit: int, text: str) -> Markup:
    """A bar of how much of a limit is used; `text` says the same in words, so nothing hangs on picture or colour."""
    share = 100.0 if limit <= 0 else min(100.0, 100 * used / limit)
    return Markup(
        '<p>{label}: {text}</p><svg class="meter" viewBox="0 0 100 4" preserveAspectRatio="none" role="img" '
        'aria-label="{label}: {text}"><rect class="track" width="100" height="4"/>'
        '<rect class="used{over}" width="{share:.2f}" height="4"/></svg>'
    ).format(label=label, text=text, share=share, over=" over" if used > limit else "")


def size(count: int) -> str:
    """A number of bytes in words: `1.5 GB`. Units: powers of 1024, as plans are sized."""
    value = float(count)
    for unit in ("bytes", "KB", "MB", "GB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "bytes" or value.is_integer() else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TB"
