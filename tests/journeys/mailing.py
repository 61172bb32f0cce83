"""Mail as an app sends it."""

import smtplib
from collections.abc import Mapping


def submission(config: Mapping[str, str]) -> smtplib.SMTP:
    """A connection to the SMTP server that an app is told; not logged in."""
    # smtplib would ask a name server for the name of this machine.
    return smtplib.SMTP(config["SENDGRID_HOST"], int(config["SENDGRID_PORT"]), local_hostname="localhost", timeout=120)
