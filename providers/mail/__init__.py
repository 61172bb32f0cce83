"""The mail provider: SMTP submission and an HTTP send API per credential, stored mail with a viewer, an optional relay.

A program of its own: it speaks HTTP with the broker through ``providers.kit`` and imports nothing of it.
"""
