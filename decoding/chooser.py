"""From what is said at one step to a token of every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from tether.decoding import step, ties
from tether.decoding.contrast import Said
from tether.decoding.models.base import Model
from tether.decoding.plan import Inputs
from tether.decoding.request import Sampling
from tether.decoding.row import Row
from tether.decoding.sampling import Controls
from tether.decoding.terms.term import Role
from tether.decoding.views import Views


class Chooser:
    """Chooses for the rows of one run.

    Args:
        models: By what they are to the rows.
        views: Hold the rows.
        refused: int64 [n], ids that free text never holds.
    """

    def __init__(self, models: Mapping[Role, Model], views: Views, refused: Tensor) -> None:
        self._networks = {role: model.network for role, model in models.items()}
        self._views, self._refused = views, refused
        self._settles = all(map(ties.settles, models.values()))
        self._held: dict[int, tuple[Sequence[Sampling], Controls]] = {}

    def tokens(self, rows: Sequence[Row], said: Said, masks: Tensor | None) -> list[int]:
        """A token for every row.

        Args:
            rows: Those that choose.
            said: Their logits, and what is heard beside them.
            masks: int32 [rows, words] on the CPU; None where all is allowed but refused ids.
        """
        controls = self._controls(rows)
        inputs = self._inputs(controls, rows, said, masks)
        choice = step.choose(controls.plan, inputs)
        tokens: list[int] = choice.token.tolist()
        if self._settles:
            self._settle_ties(rows, inputs, ties.firmness(inputs, choice, said), tokens)
        return tokens

    def _inputs(
        self, controls: Controls, rows: Sequence[Row], said: Said, masks: Tensor | None
    ) -> Inputs:
        inputs = controls.inputs(rows, self.speakable(said.logits, masks), masks)
        if said.contrast is None and said.evidence is None:
            return inputs
        return replace(inputs, contrast=said.contrast, head=said.head, evidence=said.evidence)

    def _settle_ties(
        self, rows: Sequence[Row], inputs: Inputs, firmness: Tensor, tokens: list[int]
    ) -> None:
        """Decide near-ties on logits recomputed alone in float64, views included.

        The rounding of a forward depends on the shape of its batch, so two nearly equal scores
        could change places when a row runs in other company or after a resume. What a row was fed
        beside its tokens cannot be recomputed from them: such a row is left as it is.
        """
        for index, margin in enumerate(firmness.tolist()):
            row = rows[index]
            temperature = row.request.sampling.temperature
            if margin * min(1.0, temperature or 1.0) >= ties.NEAR or self._views.softened(row):
                continue
            mask = None if inputs.mask is None else inputs.mask[index : index + 1].cpu()
            said = ties.said_exactly(self._networks, row, mask)
            controls = Controls.of([row.request.sampling], said.logits.device)
            alone = self._inputs(controls, [row], said, mask)
            tokens[index] = int(step.choose(controls.plan, alone).token)

    def speakable(self, logits: Tensor, masks: Tensor | None) -> Tensor:
        """Logits without the ids that free text never holds; masks, where there are any, do it."""
        if masks is not None or not len(self._refused):
            return logits
        return logits.index_fill(1, self._refused, -torch.inf)

    def _controls(self, rows: Sequence[Row]) -> Controls:
        """The rows' settings as tensors, made again only when as many rows want others."""
        samplings = [row.request.sampling for row in rows]
        held = self._held.get(len(rows))
        if held is None or held[0] != samplings:
            device = self._networks["model"].device
            held = samplings, Controls.of(samplings, device, margin=self._settles)
            self._held[len(rows)] = held
        return held[1]
