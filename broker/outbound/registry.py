"""Which protocol is spoken with which service."""

from __future__ import annotations

from broker.addons.ports import LendCall, ListCall, Provisioner, RevokeCall, TakeBackCall
from broker.addons.work import Call
from broker.outbound.partner_api import PartnerApi


class Registry:
    """Chooses the Provisioner for a call, by what the manifest declares."""

    def __init__(self, partner_api: PartnerApi) -> None:
        self._partner_api = partner_api

    def provisioner_for(self, call: Call | ListCall | RevokeCall | LendCall | TakeBackCall) -> Provisioner:
        """The one that speaks the service's protocol: v1 and v3 of the Partner API are one client."""
        return self._partner_api
