"""Nothing that opens a door is stored or logged."""

import pytest
from sqlalchemy import text

from broker.kernel.context import Context
from broker.metadata import metadata
from tests.oauth.conftest import Browser, ThirdParty


async def test_neither_tables_nor_logs_hold_what_was_given_out(
    tool: ThirdParty, browser: Browser, ctx: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    code = await tool.code(browser, "openid read offline_access")
    given = (await tool.redeem(code)).json()
    renewed = (await tool.refresh(given["refresh_token"])).json()
    await tool.redeem(code)
    assert tool.client.secret is not None
    secrets = {
        "code": code,
        "verifier": tool.verifier,
        "client secret": tool.client.secret.reveal(),
        "cookie": next(iter(browser.http.cookies.values())),
        "access token": given["access_token"],
        "refresh token": given["refresh_token"],
        "renewed access token": renewed["access_token"],
        "renewed refresh token": renewed["refresh_token"],
        "ID token": given["id_token"],
    }
    captured = capsys.readouterr()
    stored = await everything(ctx)
    assert tool.id in stored
    assert [name for name, value in secrets.items() if value in stored + captured.out + captured.err] == []


async def everything(ctx: Context) -> str:
    """Every row of every table as text."""
    async with ctx.database.transaction() as tx:
        statements = [
            text(f"select coalesce(string_agg(t::text, chr(10)), '') from \"{table}\" t") for table in metadata.tables
        ]
        return "\n".join([(await tx.execute(statement)).scalar_one() for statement in statements])
