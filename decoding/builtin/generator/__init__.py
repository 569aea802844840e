"""Endless training and test documents for the built-in model: names, values, wordings, tasks."""
