"""Searches: each follows several paths of one row and says which of them the row takes."""
