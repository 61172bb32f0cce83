"""Names of apps: what is acceptable, and one of our own invention. Pure."""

from __future__ import annotations

import random
import re
from typing import Final

from broker.kernel.errors import InvalidParams

PATTERN: Final = "[a-z][a-z0-9-]{1,28}[a-z0-9]"
_NAME: Final = re.compile(PATTERN)
_ADJECTIVES: Final = (
    "able airy alert apt balmy blithe bonny breezy bubbly candid chatty cheery civil comfy cosy crisp curious dapper deft"
    " eager earnest fair fond frank fresh frugal glad hardy hearty honest humble jolly jovial kind limber loyal merry"
    " mighty nifty nimble peppy perky plucky prudent snappy spry steady sturdy sunlit supple tidy trim trusty witty zesty"
).split()
_NOUNS: Final = (
    "abacus anchor atlas badger barge beacon bellows bobbin bramble buoy cactus canoe caravan chimney chisel compass crane"
    " dinghy ferry fiddle finch gable gondola granary hammock heron hinge kayak kettle ladder lantern lighthouse loom"
    " magpie mallet marmot mortar nuthatch oriole otter paddle pantry pelican pulley quarry rafter rudder saddle satchel"
    " sextant shuttle sparrow spindle spruce teapot thimble toucan trellis trowel turnstile vane walnut windmill wombat"
).split()


def is_app_name(text: str) -> bool:
    """Whether an app could have this name."""
    return _NAME.fullmatch(text) is not None


def checked_app_name(text: str) -> str:
    """The name, if an app may have it.

    Raises: InvalidParams.
    """
    if not is_app_name(text):
        raise InvalidParams(
            "name: must begin with a lower-case letter, end with a letter or digit, and have 3 to 30 lower-case letters,"
            " digits and hyphens."
        )
    return text


def automatic_app_name(chance: random.Random) -> str:
    """Such as `misty-harbor-40213`. Random, not reserved: the caller tries again when it is taken."""
    return f"{chance.choice(_ADJECTIVES)}-{chance.choice(_NOUNS)}-{chance.randrange(10_000, 100_000)}"
