"""How often Python looks for cycles of garbage: seldom, in processes that live long. Everything else is freed by counting."""

from __future__ import annotations

import gc
from typing import Final

_NEW_OBJECTS: Final = 10_000
"""So many more containers than before let it look at the young ones; 700 are usual."""
_GENERATION: Final = 20


def look_seldom() -> None:
    """To be called when a program is built: what there is now is not looked through again. See docs/performance.md."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, _GENERATION, _GENERATION)
