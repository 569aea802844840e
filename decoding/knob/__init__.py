"""The context knob: one direction in one layer that weighs the evidence against memory."""
