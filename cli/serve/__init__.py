"""A resident process that keeps models warm, and the small client that finds it."""
