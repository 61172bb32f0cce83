"""What the faces share: how the Platform API words things, for whoever speaks it. No endpoint, no rule."""
