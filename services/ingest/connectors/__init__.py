"""Connectors turn another system's records into events of `schemas/`: pure, rows in, events and rejects out."""
