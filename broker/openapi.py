"""`python -m broker.openapi`: writes the OpenAPI documents, which are committed, so that a change of a face shows in review."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from broker.app import described
from broker.partner_api import document as partner_document
from broker.platform_api import routes

_DOCS: Final = Path(__file__).parent.parent / "docs"
PATH: Final = _DOCS / "openapi.json"
PARTNER_PATH: Final = _DOCS / "openapi-partner.json"


def document() -> str:
    """That of the Platform API."""
    app = described()
    routes.install(app)
    return _text(app.openapi())


def for_partners() -> str:
    """That for whoever writes a provider."""
    return _text(partner_document.document())


DOCUMENTS: Final[Mapping[Path, Callable[[], str]]] = {PATH: document, PARTNER_PATH: for_partners}
"""By the file in which each is committed."""


def _text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    for path, made in DOCUMENTS.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(made())
        sys.stdout.write(f"{path}\n")
