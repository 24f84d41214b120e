"""Damage of one copy of the log: done in every way we know, found, and mended from the other copy."""
