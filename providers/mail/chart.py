"""The chart of mails per day: an SVG without scripts or styles, and the same numbers as a table."""

from collections.abc import Sequence
from datetime import date

from markupsafe import Markup

_WIDTH, _BASE, _HEADROOM = 600, 140, 6


def daily_chart(days: Sequence[tuple[date, int]], quota: int) -> Markup:
    """Bars of the last days with the quota as a line. The line is left out while it is far above every bar."""
    highest = max(count for _, count in days)
    top = max(quota if highest * 4 >= quota else highest, 1)
    step = _WIDTH / len(days)
    bars = Markup("").join(_bar(index * step, step * 0.8, count, top, day) for index, (day, count) in enumerate(days))
    line = _quota_line(quota, top) if quota <= top else Markup("")
    summary = f"{sum(count for _, count in days):,} in {len(days)} days; at most {highest:,} on one; {quota:,} allowed"
    return Markup(
        '<svg viewBox="0 0 {width} {height}" role="img" aria-label="Mails per day: {summary}" class="chart"'
        ' fill="currentColor">{bars}{line}</svg><p class="soft">{first} to {last}, UTC days: {summary}{dashed}.</p>'
        "<details><summary>The same as a table</summary>{table}</details>"
    ).format(
        width=_WIDTH, height=_BASE + 2, bars=bars, line=line, summary=summary, first=days[0][0], last=days[-1][0],
        dashed=" (the dashed line)" if line else "", table=_table(days),
    )  # fmt: skip


def _bar(x: float, width: float, count: int, top: int, day: date) -> Markup:
    height = min(count / top, 1) * (_BASE - _HEADROOM)
    height = max(height, 2) if count else 0.5
    return Markup('<rect x="{x}" y="{y}" width="{w}" height="{h}"><title>{day}: {count}</title></rect>').format(
        x=f"{x:.1f}", y=f"{_BASE - height:.1f}", w=f"{width:.1f}", h=f"{height:.1f}", day=day, count=count
    )


def _quota_line(quota: int, top: int) -> Markup:
    y = _BASE - quota / top * (_BASE - _HEADROOM)
    return Markup(
        '<line x1="0" x2="{width}" y1="{y}" y2="{y}" stroke="currentColor" stroke-dasharray="6 4">'
        "<title>quota {quota}</title></line>"
    ).format(width=_WIDTH, y=f"{y:.1f}", quota=f"{quota:,}")


def _table(days: Sequence[tuple[date, int]]) -> Markup:
    rows = Markup("").join(
        Markup("<tr><td>{}</td><td>{}</td></tr>").format(day, f"{count:,}") for day, count in reversed(days)
    )
    return Markup(
        '<table><thead><tr><th scope="col">Day</th><th scope="col">Mails</th></tr></thead><tbody>{}</tbody></table>'
    ).format(rows)
