"""Schemes as files: YAML in, typed documents of the scoring core out."""
