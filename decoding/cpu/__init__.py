"""The step on a CPU, row by row in numpy: equal to `tether.decoding.reference`, without its passes.

A row is its own little problem: its settings are plain numbers, what is neutral is skipped, and it
comes out bit for bit the same in every batch. `tokens` holds the tokens of a row and finds the
best of them, `mass` truncates without sorting, `race` draws, `terms` applies evidence and contrast,
`rows` puts them in order.
"""
