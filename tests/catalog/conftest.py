"""A marketplace with the sample service on offer."""

import pytest_asyncio

from broker.catalog.publish import publish
from broker.catalog.views import ServiceView
from broker.kernel.context import SYSTEM, Context
from tests.catalog.samples import parsed


@pytest_asyncio.fixture
async def cache(ctx: Context) -> ServiceView:
    return await publish(ctx, parsed(), SYSTEM)
