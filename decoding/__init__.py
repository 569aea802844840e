"""How it is said: model, step, loop."""
