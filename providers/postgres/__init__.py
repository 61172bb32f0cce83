"""The postgres add-on provider: a database with its own roles and limits per resource, on one PostgreSQL server."""
