"""Build, change and search indexes of your own files.

An index is a folder of passages and of what finds them: words (BM25), and vectors where an embedder
is named. It is replaced as a whole or not at all: an interrupted command leaves it as it was.
"""

COMMANDS = (
    "build", "add", "delete", "search", "info", "verify", "store", "train-memory", "train-knob",
)  # fmt: skip
"""A module each, loaded when it is used."""
