"""`python -m tests.bench`: how much the hot paths carry, beside floors that are measured in the same run."""
