"""One row of logits, as numbers one can compute with, and what is known of it."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import torch

from tether.decoding import blend
from tether.decoding.cpu.tokens import Floats, Tokens, Words


class Row:
    """A row of logits under its mask.

    Args:
        logits: float32 or float64 [vocab]; not changed.
        words: uint32 [ceil(vocab/32)], its mask; None allows all.
    """

    def __init__(self, logits: Floats, words: Words | None = None) -> None:
        self.logits = logits
        self.tokens = Tokens.of(logits, words)
        if not math.isfinite(self.tokens.best()):
            self.logits = blend.sound(torch.from_numpy(logits)).numpy()
            self.tokens = Tokens.of(self.logits, words)

    @property
    def only(self) -> int | None:
        """The token, where one alone is allowed: nothing else can matter then."""
        ids = self.tokens.ids
        return int(ids[0]) if ids is not None and len(ids) == 1 else None

    @cached_property
    def total(self) -> float:
        """Log-sum-exp over the whole vocabulary."""
        if self.tokens.ids is None and self.tokens.words is None:
            return self.tokens.best() + math.log(float(self._powers[1].sum()))
        peak = float(self.logits.max())
        if not math.isfinite(peak):  # at a refused token
            self.logits = blend.sound(torch.from_numpy(self.logits)).numpy()
            peak = float(self.logits.max())
        return peak + math.log(float(np.exp(self.logits - peak).sum()))

    def log_p(self, tokens: Tokens) -> Floats:
        """Log-probabilities of these tokens."""
        log_p: Floats = np.maximum(tokens.lookup(self.logits) - self.total, -blend.FAR)
        return log_p

    def on_mask(self) -> tuple[float, float]:
        """Log of the mass on the allowed tokens, and the entropy there, renormalised."""
        scores, masses = self._powers
        mass = float(masses.sum())
        mean = float(masses @ scores)
        if not math.isfinite(mean):  # 0 times the logarithm of 0 is 0
            mean = float(np.where(masses > 0, masses * scores, 0).sum())
        log_mass = math.log(mass)
        return self.tokens.best() + log_mass - self.total, log_mass - mean / mass

    @cached_property
    def _powers(self) -> tuple[Floats, Floats]:
        """The allowed logits with the best at 0, and e to the power of them."""
        return self.tokens.masses(1.0)
