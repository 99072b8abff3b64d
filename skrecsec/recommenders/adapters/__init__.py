"""Recommenders of other libraries under one contract; none is imported before it is needed."""
