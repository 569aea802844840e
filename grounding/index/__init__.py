"""An index on disk: passages, and the parts that find them."""
