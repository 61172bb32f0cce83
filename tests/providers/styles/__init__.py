"""Providers as others have written them: programs of the standard library alone, each with habits seen in real ones."""
