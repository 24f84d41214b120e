"""What the events add up to: one pure fold per noun, and its table. No I/O in a fold."""
