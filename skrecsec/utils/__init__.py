"""Utilities: input validation and the checks that recommenders and attacks must pass."""
