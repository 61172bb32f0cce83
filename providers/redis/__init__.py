"""The Redis provider: one Valkey process per resource, behind the add-on partner protocol. It knows no broker."""
