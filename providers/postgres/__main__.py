"""`python -m providers.postgres`: the postgres provider as a program."""

from __future__ import annotations

from providers.kit.manifest import ManifestError
from providers.kit.run import serve
from providers.kit.settings import from_environment
from providers.kit.store import StoreInUse
from providers.postgres.app import create_app
from providers.postgres.settings import PostgresSettings


def main() -> None:
    settings = from_environment(PostgresSettings)
    try:
        app = create_app(settings)
    except (ManifestError, StoreInUse) as error:
        raise SystemExit(str(error)) from None
    serve(app, settings)


if __name__ == "__main__":
    main()
