"""How many threads a process computes with: one, as long as all its networks are tiny.

What a tiny network multiplies takes microseconds, in which two threads gain little on one. But they
wait for each other, and where the machine has other work to do, as long as that lets them wait.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from tether.decoding.models.base import Network

TINY = 8e6
"""Parameters up to which a network is tiny."""

_CHOSEN = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
"""Where one of these is set, the user has decided."""


class Threads:
    """The threads of a process, settled as its networks are loaded.

    Attributes:
        usual: As many as it had before; None where that is what it has.
    """

    def __init__(self) -> None:
        self.usual: int | None = None
        self._is_large = False

    def settle(self, network: Network) -> None:
        """A network is loaded: take one thread, or take the others back for it."""
        if network.device.type != "cpu" or any(name in os.environ for name in _CHOSEN):
            return
        if network.num_parameters > TINY:
            self._is_large = True
            if self.usual is not None:
                torch.set_num_threads(self.usual)
                self.usual = None
        elif not self._is_large and self.usual is None:
            self.usual = torch.get_num_threads()
            torch.set_num_threads(1)


threads = Threads()
"""Those of this process."""
