"""Examples: reading, writing, splitting and keeping them clean."""
