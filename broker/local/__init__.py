"""The whole stack on one machine: its home directory, its child processes and `broker up`.

Knows no table and no domain package: the broker itself is one of the children.
"""
