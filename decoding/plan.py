"""The step's data: what is static (Plan), what comes in (Inputs), what comes out (Choice)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Plan:
    """What a step does, known before any tensor: the key by which code paths are chosen.

    What is absent from `Inputs` (None) is static too and is not said twice.

    Attributes:
        sampled: Some row has a temperature above 0.
        top_k: Some sampled row has one above 0.
        top_p: Some sampled row has one below 1.
        min_p: Some sampled row has one above 0.
        typical_p: Some sampled row has one below 1.
        margin: Also give the margin, which costs a second look at greedy rows.
        measured: Also give log_q, log_p, log_z and entropy, which cost passes over the rows.
    """

    sampled: bool = False
    top_k: bool = False
    top_p: bool = False
    min_p: bool = False
    typical_p: bool = False
    margin: bool = True
    measured: bool = True

    @property
    def truncated(self) -> bool:
        """Whether some row refuses tokens for their probability."""
        return self.top_k or self.top_p or self.min_p or self.typical_p


@dataclass(frozen=True, slots=True)
class Contrast:
    """Views: further rows of logits (other models, layers or prompts) that reshape a choice.

    A contrast of strength beta against view k is own += beta, weights[k] -= beta. A row that has
    no contrast has base 1, own 0 and weights 0, and comes out bit for bit as if it were alone.

    Attributes:
        views: float [views, rows, vocab], raw, a view's own temperature divided in; not changed.
        weights: float32 [views, rows], signed, of a view's log-probabilities.
        base: float32 [rows], weight of the model's log-probabilities after evidence ("w0").
        own: float32 [rows], weight of the model's log-probabilities before evidence.
        shares: float32 [views, rows]: this much of the probability is the view's own, the rest is
            shared out as before; a row's sum (with `Evidence.mixed`) is at most 1, and at 1 the
            view decides in the model's stead. None where no view is mixed in.
        sizes: int64 [views], columns of a view that mean something, where its vocabulary is
            smaller; beyond them it says what the model says, and has no share. None for all.
    """

    views: Tensor
    weights: Tensor
    base: Tensor
    own: Tensor
    shares: Tensor | None = None
    sizes: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What grounding knows about a few tokens. Ids may repeat (values add up); -1 is padding.

    Attributes:
        added_ids: int64 [rows, n].
        added: float32 [rows, n], added to log-probabilities, weights multiplied in.
        mixed_ids: int64 [rows, m].
        mixed: float32 [rows, m], probabilities times the share that is theirs (lambda); their sum
            is taken from the model. Several mixtures stand side by side, so no order matters.
    """

    added_ids: Tensor
    added: Tensor
    mixed_ids: Tensor
    mixed: Tensor


@dataclass(frozen=True, slots=True)
class Inputs:
    """The tensors of one step, all on one device.

    Attributes:
        logits: float [rows, vocab], raw; not changed. Read within +-1e30, NaN as the lowest; a
            float64 step is computed in float64, any other in float32.
        mask: int32 [rows, ceil(vocab/32)], bit t % 32 of word t // 32; None allows all. A row
            is never empty.
        noise: int64 [rows], states of `tether.decoding.noise`; read where sampled.
        temperature: float32 [rows]; 0 is greedy.
        early: bool [rows]; truncation comes before temperature (llama.cpp's order), not after.
        top_k: int64 [rows]; 0 keeps all.
        top_p: float32 [rows]; 1 keeps all.
        min_p: float32 [rows]; 0 keeps all.
        typical_p: float32 [rows]; 1 keeps all.
        penalty: float32 [rows], repetition penalty; 1 is off.
        seen: int64 [rows, n], tokens the penalty applies to, padded with -1; None for none.
        bias_ids: int64 [rows, m], padded with -1; None for none.
        bias: float32 [rows, m], added to the scores of bias_ids.
        contrast: None for none.
        evidence: None for none.
        head: float32 [rows], the plausibility head's alpha: only tokens of at least this share of
            the best allowed probability (after evidence) are left; 0 keeps all. None for none.
    """

    logits: Tensor
    mask: Tensor | None
    noise: Tensor
    temperature: Tensor
    early: Tensor
    top_k: Tensor
    top_p: Tensor
    min_p: Tensor
    typical_p: Tensor
    penalty: Tensor
    seen: Tensor | None = None
    bias_ids: Tensor | None = None
    bias: Tensor | None = None
    contrast: Contrast | None = None
    evidence: Evidence | None = None
    head: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One token for each row, and what is known of it; every tensor is [rows].

    Attributes:
        token: int64; always an allowed one. Of equal scores, the lowest id.
        margin: Gap between the best and the second-best final score, noise included; inf where
            one token is left. Small margins are where rounding could decide. None where the plan
            did not ask for it.
        measures: The rest; None where the plan did not ask for it.
    """

    token: Tensor
    margin: Tensor | None
    measures: Measures | None


@dataclass(frozen=True, slots=True)
class Measures:
    """What a step knows about its choices; every tensor is [rows].

    Attributes:
        log_q: Log-probability under the final distribution (0 where greedy).
        log_p: Log-probability under the raw model, over the whole vocabulary.
        log_z: Log of the raw model's mass on the allowed tokens.
        entropy: Of the raw model on the allowed tokens, renormalised; in nats.
    """

    log_q: Tensor
    log_p: Tensor
    log_z: Tensor
    entropy: Tensor
