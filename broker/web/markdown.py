"""Markdown of providers as HTML: no HTML of theirs, no picture from elsewhere, no link but to the web and to mail boxes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup, escape

_ALLOWED: Final = ("http", "https", "mailto")
_LOWER_BY: Final = 1
"""A page has its own first heading."""


class _Renderer(RendererHTML):
    """Pictures become their descriptions; links say that they are a provider's."""

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """The words that stand for a picture."""
        return str(escape(tokens[idx].content))

    def link_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """A link that lends the other side neither name nor weight."""
        tokens[idx].attrSet("rel", "nofollow ugc noopener noreferrer")
        return self.renderToken(tokens, idx, options, env)

    def heading_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """A heading below those of the page."""
        _lower(tokens[idx])
        return self.renderToken(tokens, idx, options, env)

    def heading_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """Its end."""
        _lower(tokens[idx])
        return self.renderToken(tokens, idx, options, env)

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """A table that can be scrolled, also by keyboard."""
        return '<div class="scroll" tabindex="0" role="region" aria-label="Table">' + self.renderToken(
            tokens, idx, options, env
        )

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """Lines of code, which may be wider than the page: to be scrolled by keyboard, too."""
        return f'<pre tabindex="0"><code>{escape(tokens[idx].content)}</code></pre>\n'

    code_block = fence

    def td_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """A cell; how it is aligned would be an inline style, which pages refuse."""
        tokens[idx].attrs.pop("style", None)
        return self.renderToken(tokens, idx, options, env)

    th_open = td_open

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        """Its end."""
        return self.renderToken(tokens, idx, options, env) + "</div>"


def _lower(token: Token) -> None:
    token.tag = f"h{min(int(token.tag[1]) + _LOWER_BY, 6)}"


def _is_fit(url: str) -> bool:
    """Whether a link may lead there. What has no scheme would lead to pages of ours."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme.lower() in _ALLOWED and (parts.scheme.lower() == "mailto" or bool(parts.netloc))


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}, renderer_cls=_Renderer)
    parser.enable("table")
    parser.validateLink = _is_fit  # type: ignore[method-assign]  # its documented way of narrowing links
    return parser


_PARSER: Final = _parser()
_PARSER.render("Its rules are put in order with its first text: before threads share it.")
_threads: Final = ThreadPoolExecutor(max_workers=2, thread_name_prefix="markdown")
"""Some texts take seconds (thousands of brackets that nobody closes); meanwhile others are answered."""
_MOST: Final = 512
_made: Final[dict[str, Markup]] = {}


async def rendered(text: str) -> Markup:
    """The text as HTML that is fit for a page of ours; those made last are kept."""
    known = _made.get(text)
    if known is None:
        known = await asyncio.get_running_loop().run_in_executor(_threads, _render, text)
        _made[text] = known
        if len(_made) > _MOST:
            del _made[next(iter(_made))]
    return known


def _render(text: str) -> Markup:
    return Markup(_PARSER.render(text))  # noqa: S704 - html is off, so that everything of theirs is escaped
