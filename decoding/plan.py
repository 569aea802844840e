"""The step's data: what is static (Plan), what comes in (Inputs), what comes out (Choice)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Plan:
    """What a step does, known before any tensor: the key by which code paths are chosen.

    Attributes:
        sampled: Some row has a temperature above 0.
        truncated: Some sampled row has top-k, top-p or min-p.
        measured: Also give log_q, log_p, log_z and entropy, which cost passes over the rows.
    """

    sampled: bool = False
    truncated: bool = False
    measured: bool = True


@dataclass(frozen=True, slots=True)
class Inputs:
    """The tensors of one step, all on one device.

    Attributes:
        logits: float [rows, vocab], raw; not changed.
        mask: int32 [rows, ceil(vocab/32)], bit t % 32 of word t // 32; None allows all.
        noise: int64 [rows], states of `tether.decoding.noise`; read where sampled.
        temperature: float32 [rows]; 0 is greedy.
        early: bool [rows]; truncation comes before temperature (llama.cpp's order), not after.
        top_k: int64 [rows]; 0 keeps all.
        top_p: float32 [rows]; 1 keeps all.
        min_p: float32 [rows]; 0 keeps all.
        penalty: float32 [rows], repetition penalty; 1 is off.
        seen: int64 [rows, n], tokens the penalty applies to, padded with -1; None for none.
        bias_ids: int64 [rows, m], padded with -1; None for none.
        bias: float32 [rows, m], added to the scores of bias_ids.
    """

    logits: Tensor
    mask: Tensor | None
    noise: Tensor
    temperature: Tensor
    early: Tensor
    top_k: Tensor
    top_p: Tensor
    min_p: Tensor
    penalty: Tensor
    seen: Tensor | None = None
    bias_ids: Tensor | None = None
    bias: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """One token for each row, and what is known of it; every tensor is [rows].

    Attributes:
        token: int64.
        margin: Gap between the best and the second-best final score, noise included; inf where
            one token is left. Small margins are where rounding could decide.
        measures: The rest; None where the plan did not ask for it.
    """

    token: Tensor
    margin: Tensor
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
