"""What the kit's callback server knows: the resources under way, their grants, tokens and config. No HTTP here."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID, uuid4, uuid5

from broker.addons.protocol_names import app_of_heroku_id, heroku_id


@dataclass
class Expected:
    """A resource which the provider may call back about."""

    uuid: UUID
    name: str
    plan: str
    codes: dict[str, bool] = field(default_factory=dict)
    """Each grant that was given, and whether it was used."""
    refresh_token: str = field(default_factory=lambda: f"HRKU-{secrets.token_urlsafe(24)}")
    access_tokens: set[str] = field(default_factory=set)
    config: dict[str, str | None] = field(default_factory=dict)
    provider_id: str | None = None
    state: str = "provisioning"
    provisioned: asyncio.Event = field(default_factory=asyncio.Event)
    patched: asyncio.Event = field(default_factory=asyncio.Event)
    """Set by config that the provider sends from its next rotation on."""
    deprovisioned: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def app_id(self) -> UUID:
        """The app it is for: each resource has one of its own here."""
        return uuid5(self.uuid, "app")

    @property
    def app_name(self) -> str:
        return f"{self.name}-app"

    @property
    def heroku_id(self) -> str:
        """What the oldest protocol knows that app by."""
        return heroku_id(self.app_id)

    def new_code(self) -> str:
        """A grant of its own for each call, as the broker mints them."""
        code = str(uuid4())
        self.codes[code] = False
        return code

    def new_access_token(self) -> str:
        token = f"HRKU-P-{secrets.token_urlsafe(24)}"
        self.access_tokens.add(token)
        return token

    def set_config(self, values: Mapping[str, str | None]) -> None:
        self.config.update(values)
        for name in [name for name, value in self.config.items() if value is None]:
            del self.config[name]


@dataclass(frozen=True, slots=True)
class Callback:
    """A call that the provider made. `refusal` says what was wrong with it, None if it was taken."""

    uuid: UUID | None
    what: str
    sent: str
    status: int
    refusal: str | None = None

    def __str__(self) -> str:
        return f"{self.what} → {self.status}" + (f" ({self.refusal})" if self.refusal else "")


class Expectations:
    """Every resource that was asked for, and every call that came in."""

    def __init__(self) -> None:
        self._by_uuid: dict[UUID, Expected] = {}
        self.callbacks: list[Callback] = []

    def expect(self, uuid: UUID, name: str, plan: str) -> Expected:
        """Announce a resource before it is asked for: a provider may call back before it answers."""
        return self._by_uuid.setdefault(uuid, Expected(uuid, name, plan))

    def of(self, uuid: UUID) -> Expected | None:
        return self._by_uuid.get(uuid)

    def of_app(self, known_as: str) -> Expected | None:
        """The resource whose app the oldest protocol calls so."""
        app = app_of_heroku_id(known_as)
        return next((one for one in self._by_uuid.values() if one.app_id == app), None)

    def by_code(self, code: str) -> Expected | None:
        return next((one for one in self._by_uuid.values() if code in one.codes), None)

    def by_refresh_token(self, token: str) -> Expected | None:
        return next((one for one in self._by_uuid.values() if one.refresh_token == token), None)

    def by_access_token(self, token: str) -> Expected | None:
        return next((one for one in self._by_uuid.values() if token in one.access_tokens), None)

    def all(self) -> list[Expected]:
        return list(self._by_uuid.values())
