"""What the broker is told at its start: the demo account, and manifests made from templates with secrets of this home.

The account and the services are made by the broker, which reads the seed file; here the files are written only.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from broker.local.home import Home, HomeError, write_private
from broker.local.programs import PROVIDERS, origin

DEMO_EMAIL = "demo@broker.localhost"

_HERE = Path(__file__).resolve().parent
_TEMPLATES = (_HERE / "manifests", _HERE.parents[1] / "manifests")  # in a wheel, in a checkout


@dataclass(frozen=True)
class DemoAccount:
    """The account that exists from the first start on."""

    email: str
    password: str
    token: str

    def __repr__(self) -> str:
        return f"DemoAccount(email={self.email!r})"


def demo_account(home: Home) -> DemoAccount:
    """The demo account of this home, made once; also kept in `demo.json` for its user."""
    account = DemoAccount(DEMO_EMAIL, home.secret("demo password"), home.secret("demo token", prefix="HRKU-"))
    write_private(home.path / "demo.json", json.dumps(vars(account), indent=2) + "\n")
    return account


def render_manifests(home: Home, templates: Path | None = None) -> dict[str, Path]:
    """Write the manifest of every slug, complete with the passwords and the addresses of the providers here.

    Raises: HomeError when a template is missing or is not a JSON object.
    """
    folder = templates or next(filter(Path.is_dir, _TEMPLATES), _TEMPLATES[0])
    slugs = {slug: program for program, served in PROVIDERS.items() for slug in served}
    return {slug: _render(home, folder / f"{slug}.json", home.port(program)) for slug, program in slugs.items()}


def write_seed(home: Home, account: DemoAccount, manifests: dict[str, Path]) -> Path:
    """The file that `BROKER_SEED_FILE` names."""
    path = home.path / "seed.json"
    seed = {**vars(account), "operator": True, "manifests": [str(manifest) for manifest in manifests.values()]}
    write_private(path, json.dumps(seed, indent=2) + "\n")
    return path


def _render(home: Home, template: Path, port: int) -> Path:
    manifest = _read(template)
    slug, api = template.stem, manifest.setdefault("api", {})
    api["password"] = home.secret(f"{slug} password")
    api["sso_salt"] = home.secret(f"{slug} sso salt")
    api["production"] = {"base_url": f"{origin(port)}/heroku/resources", "sso_url": f"{origin(port)}/sso/login"}
    rendered = home.manifests / template.name
    write_private(rendered, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    return rendered


def _read(template: Path) -> dict[str, dict[str, object]]:
    try:
        found = json.loads(template.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HomeError(f"The manifest {template} cannot be read: {error}.") from None
    if not isinstance(found, dict) or not isinstance(found.get("api", {}), dict):
        raise HomeError(f"The manifest {template} is not a JSON object with an object under 'api'.")
    return found
