"""``python -m providers.mail``: the mail provider as a program."""

from providers.kit.manifest import ManifestError
from providers.kit.run import serve
from providers.kit.settings import from_environment
from providers.mail.app import create_app
from providers.mail.settings import MailSettings


def main() -> None:
    settings = from_environment(MailSettings)
    try:
        app = create_app(settings)
    except ManifestError as error:
        raise SystemExit(str(error)) from None
    serve(app, settings)


if __name__ == "__main__":
    main()
