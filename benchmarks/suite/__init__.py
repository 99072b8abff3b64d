"""Benchmarks for asv: small, on generated ratings, to be compared between commits."""
