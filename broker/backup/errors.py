"""What backup and restore say when they cannot go on."""


class BackupError(Exception):
    """The backup or restore was not done; the message says why, what state things are in, and what to do."""
