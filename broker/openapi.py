"""`python -m broker.openapi`: writes docs/openapi.json, which is committed, so that a change of the face shows in review."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from broker.app import described
from broker.platform_api import routes

PATH: Final = Path(__file__).parent.parent / "docs" / "openapi.json"


def document() -> str:
    """The document as it is committed."""
    app = described()
    routes.install(app)
    return json.dumps(app.openapi(), indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(document())
    sys.stdout.write(f"{PATH}\n")
