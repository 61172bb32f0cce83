"""What a partner may copy: the provider's side of the add-on protocol, independent of what is provisioned.

It knows HTTP, credentials, idempotency and single sign-on. It knows no engine and nothing of the broker's code.
"""
