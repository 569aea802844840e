"""Build graphs from RDF files, look into them, and run reading queries.

A graph is a folder: a store, its facts as numbers, and the names by which queries speak of it. It
is replaced as a whole or not at all: an interrupted command leaves it as it was.
"""

COMMANDS = ("build", "info", "query", "labels", "verify")
"""A module each, loaded when it is used."""
