"""Backup and restore of the broker's database, as one encrypted and verified file.

What providers keep (tenants' databases, mail) is theirs and not in it. Which database is meant is said by the callers:
`command.py` by the settings, `broker.local.backup` by a home directory.
"""
