"""Programs for those who work on this repository. Nothing here is part of the product."""
