"""The server's only way out: everything that leaves the broker towards somebody else's program goes through here."""
