"""Tools for whoever writes a provider: the test kit, a proxy that makes faults, a marketplace for one provider.

They speak the partner protocol from the broker's side, and need neither a broker nor a database.
"""
