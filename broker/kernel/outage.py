"""When PostgreSQL is gone: which errors mean that, what the caller is told, and waiting at a start until it is there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Final

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError

AWAY: Final = "The broker can't reach its database at the moment; try again in a few seconds."
BUSY: Final = "The broker is busy; try again in a few seconds."

DRIVER_ERRORS: Final = (
    DBAPIError,
    AsyncAdapt_asyncpg_dbapi.Error,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
)
"""What a statement can raise, at whatever height of the driver, besides what was asked wrongly."""

_UNUSABLE: Final = (asyncpg.InternalClientError, AsyncAdapt_asyncpg_dbapi.InternalClientError)
"""The driver lost track of a connection that broke in the middle of a statement: rolling back is not possible any more."""

_LOST_STATES: Final = ("08", "57P01", "57P02", "57P03", "53300")
"""SQLSTATEs: connection lost; the server shuts down, has crashed or starts up; it has no place for one more."""

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 2.0


class DatabaseMissing(Exception):
    """The database can't be used; the message says why and what to look at."""


def is_outage(error: BaseException) -> bool:
    """Whether the database was lost, and the error says nothing about what was asked.

    An OSError counts: transactions send and read nothing but statements.
    """
    if isinstance(error, OSError):
        return True
    if isinstance(error, DBAPIError):
        if error.connection_invalidated:
            return True
        error = error.orig or error
    if isinstance(error, _UNUSABLE):
        return True
    state = getattr(error, "sqlstate", None) or ""
    return state.startswith(_LOST_STATES) or "connection is closed" in str(error)


async def wait_until_there(url: str, within_s: float, tell: Callable[[str], None]) -> None:
    """Return as soon as the database takes connections; `tell` is given one line if that is not at once.

    Raises: DatabaseMissing if it does not come up in time, or at once if it refuses us.
    """
    pause, told = _FIRST_PAUSE_S, False
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while (fault := await _fault(url, max(deadline - loop.time(), 1.0))) is not None:
        if loop.time() + pause > deadline:
            raise DatabaseMissing(
                f"the database of DATABASE_URL cannot be reached ({fault}); is it running, and is the URL right?"
            )
        if not told:
            tell(f"Waiting up to {within_s:g} s for the database of DATABASE_URL ({fault}).")
            told = True
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE_S)


async def _fault(url: str, within_s: float) -> str | None:
    """Why the database can't be reached now, in a few words; None if it can.

    Raises: DatabaseMissing when waiting will not help.
    """
    try:
        connection = await asyncpg.connect(url, timeout=within_s)
    except socket.gaierror:
        return "its host is not known"
    except TimeoutError:
        return "it does not answer"
    except OSError:
        return "nothing listens there"
    except asyncpg.PostgresError as error:
        if is_outage(error):
            return str(error)
        raise DatabaseMissing(f"the database of DATABASE_URL refuses the connection: {error}") from None
    except (asyncpg.InterfaceError, ValueError) as error:
        raise DatabaseMissing(f"DATABASE_URL cannot be used: {error}") from None
    await connection.close()
    return None
