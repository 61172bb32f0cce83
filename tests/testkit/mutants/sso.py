"""Wrong in whom they sign on."""

from __future__ import annotations

import contextlib
import hashlib

from starlette.responses import Response

from tests.testkit.mutants.registry import breaks
from tests.testkit.shelf import SALT, Refusal, Shelf


@breaks("A signed form signs the user in.")
class HasAnotherSalt(Shelf):
    def compare(self, form: dict[str, str], name: str, right: str) -> None:
        super().compare(form, name, hashlib.sha256(right.encode()).hexdigest())


@breaks("The page to which a sign-on leads opens.")
class ForgetsTheSession(Shelf):
    def dashboard(self, uuid: str, session: str) -> Response:
        return super().dashboard(uuid, "")


@breaks("A form that is six minutes old is refused with 403.")
class TakesStaleForms(Shelf):
    def check_age(self, timestamp: int) -> None:
        pass


_FORGED = "A form with forged tokens is refused with 403."
_OF_ANOTHER = "A form whose tokens are for another resource is refused with 403."
_OTHER_USER = "A form of one user does not let in another."


@breaks(_FORGED, _OF_ANOTHER, "A form without any token is refused with 403.", warning=(_OTHER_USER,))
class ReadsNoTokens(Shelf):
    def check_token(self, form: dict[str, str]) -> None:
        pass


@breaks(_FORGED, _OF_ANOTHER, warning=(_OTHER_USER,))
class ComparesTheLengthOfTokens(Shelf):
    def compare(self, form: dict[str, str], name: str, right: str) -> None:
        if len(form.get(name, "")) != len(right):
            raise Refusal(403, "The link is not valid.")


@breaks(_OF_ANOTHER)
class TakesATokenOfAnyResource(Shelf):
    def check_token(self, form: dict[str, str]) -> None:
        for uuid in self.items:
            with contextlib.suppress(Refusal):
                super().check_token({**form, "resource_id": uuid})
                return
        raise Refusal(403, "The link is not valid.")


@breaks("A form without any token is refused with 403.")
class ChecksTokensIfThereAreAny(Shelf):
    def check_token(self, form: dict[str, str]) -> None:
        if "user_scoped_resource_token" in form:
            super().check_token(form)


@breaks(warning=("A form is good for one sign-on.",))
class TakesFormsTwice(Shelf):
    def check_first_use(self, uuid: str, timestamp: str) -> None:
        pass


@breaks(warning=("A form of one user does not let in another.",))
class ReadsThePlainTokenOnly(Shelf):
    def check_token(self, form: dict[str, str]) -> None:
        text = f"{form['resource_id']}:{SALT}:{form['timestamp']}"
        self.compare(form, "resource_token", hashlib.sha1(text.encode()).hexdigest())


@breaks("A sign-on to a resource that does not exist is refused.")
class SignsOnToNothing(Shelf):
    def known_to_browser(self, uuid: str) -> None:
        if uuid in self.items:
            super().known_to_browser(uuid)
