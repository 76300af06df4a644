"""Thin client of the swanbridge daemon."""
