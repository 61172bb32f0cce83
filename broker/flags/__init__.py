"""Flags: what operators have switched off for a while, and the one place where that is asked. Knows nothing of what it holds up."""
