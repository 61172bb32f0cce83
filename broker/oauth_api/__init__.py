"""The OAuth face: tokens for programs of others. Errors are worded as RFC 6749 has them."""
