"""An index on disk: passages, and the parts that find them."""

from tether.grounding.index.search import Hit, Index

__all__ = ["Hit", "Index"]
