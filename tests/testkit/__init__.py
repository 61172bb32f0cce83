"""Tests of the provider test kit."""
