"""Wrong in what the manifest says."""

from __future__ import annotations

import hashlib

from tests.testkit.mutants.registry import breaks
from tests.testkit.shelf import PASSWORD, Shelf


@breaks("The manifest is one that the broker takes.", config_vars=["OTHER_URL"])
class DeclaresAForeignName(Shelf):
    pass


@breaks(warning=("The password and the SSO salt of the manifest cannot be guessed.",), sso_salt=PASSWORD)
class OneSecretForTwo(Shelf):
    def check_token(self, form: dict[str, str]) -> None:
        text = f"{form['resource_id']}:{PASSWORD}:{form['timestamp']}"
        text = f"{text}:{form.get('user_id')}:{form.get('email')}"
        self.compare(form, "user_scoped_resource_token", hashlib.sha256(text.encode()).hexdigest())


@breaks("A dashboard is declared whole: sso_url and sso_salt.", sso_salt=None)
class HasNoSalt(Shelf):
    pass
