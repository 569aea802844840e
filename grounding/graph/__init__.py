"""A graph on disk: its store, its facts as numbers, and the names by which queries speak of it."""
