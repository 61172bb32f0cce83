"""Schema migrations, shipped with the package and run under an advisory lock at every start.

Additive only: the code of the previous release must keep working on the schema of this one.
"""
