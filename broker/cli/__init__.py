"""The `broker` command: a client of the Platform API and the starter of the server programs.

It knows no table and no domain package; whatever it shows came over HTTP.
"""
