"""One module a file format: bytes of a file in, documents out."""
