"""Near-ties: choices that rounding could turn, and one step of a row in exact networks.

The rounding of a forward depends on the shape of its batch. So a choice that stands near another
one, in its scores, in a gate of its terms or at the edge of its plausibility head, is made again
on a row alone in float64, where the networks are small enough for that.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from tether.decoding.blend import blend, sound
from tether.decoding.contrast import Said
from tether.decoding.listen import listen
from tether.decoding.models.base import SMALL, Model, Network
from tether.decoding.plan import Choice, Inputs
from tether.decoding.reference import unpack
from tether.decoding.row import Row
from tether.decoding.terms.term import Role
from tether.decoding.views import Views

NEAR = 2e-4  # final scores nearer than this are decided in float64


def settles(model: Model) -> bool:
    """Whether near-ties of this model are settled."""
    small = model.network.num_parameters <= SMALL
    return small and model.network.dtype in (torch.float32, torch.float64)


def firmness(inputs: Inputs, choice: Choice, said: Said) -> Tensor:
    """How far each row stands from another choice, [rows]."""
    assert choice.margin is not None, "the controls of a loop that settles ties ask for it"
    if said.doubt is None:
        return choice.margin
    if inputs.head is None or inputs.mask is None:
        return torch.minimum(choice.margin, said.doubt)
    blended = blend(torch.log_softmax(sound(inputs.logits), dim=1), inputs)
    allowed = unpack(inputs.mask, blended.shape[1])
    best = blended.masked_fill(~allowed, -torch.inf).amax(dim=1, keepdim=True)
    edge = (blended - best - inputs.head[:, None].log()).abs().masked_fill(~allowed, torch.inf)
    return torch.minimum(choice.margin, torch.minimum(said.doubt, edge.amin(dim=1)))


def said_exactly(networks: Mapping[Role, Network], row: Row, mask: Tensor | None) -> Said:
    """One step of a row alone in the exact networks, views included, without a kept cache."""
    views = Views({role: network.exact() for role, network in networks.items()}, 1)
    views.open(row)
    said = listen(views, [row], views.start([row]), mask)
    views.close(row)
    return said
