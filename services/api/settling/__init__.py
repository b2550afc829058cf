"""Settling what could not be counted: somebody named decides, the decision is appended, nothing is overwritten."""
