"""Grounding as terms of the step: evidence bound to a row, looked up for every token."""
