"""Arbitrary bytes against everything that reads bytes: `make fuzz`, and a slice of it in test_fuzz.py."""
