"""`python -m providers.redis`: runs the provider until it is asked to stop."""

from providers.kit.run import serve
from providers.kit.settings import from_environment
from providers.redis.app import CannotStart, create_app, lock_home
from providers.redis.settings import RedisSettings


def main() -> None:
    settings = from_environment(RedisSettings)
    try:
        lock_home(settings.home)
        app = create_app(settings)
    except CannotStart as error:
        raise SystemExit(str(error)) from None
    serve(app, settings)


main()
