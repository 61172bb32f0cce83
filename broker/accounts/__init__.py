"""People, their passwords and their API tokens."""
