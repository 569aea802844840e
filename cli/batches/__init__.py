"""Batches: rows in, a journal on disk, rows out in order."""
