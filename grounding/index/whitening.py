"""Whitening: makes cosines of vectors mean likeness where nobody trained them to.

The mean vectors of a language model lie in a narrow cone: a few directions that all texts share
outweigh what tells them apart. Taking out the mean and giving every direction the same spread
undoes that.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tether.grounding.index.embed import Vectors, unit

_SHRINK = 0.1


@dataclass(frozen=True, slots=True)
class Whitening:
    """v -> unit((v - mean) @ matrix), fitted once on passages, kept for passages and questions.

    Attributes:
        mean: float32 [width].
        matrix: float32 [width, width].
    """

    mean: Vectors
    matrix: Vectors

    @classmethod
    def fit(cls, vectors: Vectors) -> Whitening:
        """The map that makes the covariance of `vectors` [n, width] the identity, nearly.

        The covariance is first mixed with a tenth of its mean variance, so that few vectors do and
        directions of noise stay small. The root is the symmetric one: it leaves no sign to choice.

        Source: Su et al., "Whitening sentence representations for better semantics and faster
        retrieval", 2021, equations 3 to 7; shrinking and the symmetric root are ours.
        """
        held = vectors.astype(np.float64)
        mean = held.mean(axis=0)
        covariance = (held - mean).T @ (held - mean) / len(held)
        variance = np.trace(covariance) / len(covariance)
        if not variance > 0:  # a single passage, or all alike: nothing is known about the spread
            return cls(np.zeros_like(vectors[0]), np.eye(len(mean), dtype=np.float32))
        values, basis = np.linalg.eigh(covariance + _SHRINK * variance * np.eye(len(mean)))
        matrix = (basis / np.sqrt(values)) @ basis.T
        return cls(mean.astype(np.float32), matrix.astype(np.float32))

    def __call__(self, vectors: Vectors) -> Vectors:
        """The vectors [n, width] whitened, of length 1."""
        whitened = ((vectors - self.mean) @ self.matrix).astype(np.float32)
        return unit(whitened)

    def save(self, path: Path) -> None:
        """Write it as one array [1 + width, width]: the mean, then the matrix."""
        np.save(path, np.vstack([self.mean, self.matrix]), allow_pickle=False)

    @classmethod
    def load(cls, path: Path) -> Whitening:
        """Read what `save` wrote."""
        held: NDArray[np.float32] = np.load(path, allow_pickle=False)
        return cls(held[0], held[1:])
