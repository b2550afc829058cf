"""Freezing a period, reading what was frozen, and verifying it."""
