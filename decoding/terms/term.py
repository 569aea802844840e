"""What a method declares: its views, its options and how they weigh at a step. No torch.

A view is a further row of logits: of the model itself or of another one (`Role`), of the row's
prompt or of another one (`Variant`), of the last layer or of one below.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from tether.decoding.options import option

if TYPE_CHECKING:
    from torch import Tensor

    from tether.decoding.terms.scales import Scales
    from tether.decoding.terms.seen import Seen

Role = Literal["model", "amateur", "expert", "drafter"]
Variant = Literal["main", "given", "bare", "turned", "wrong", "true", "last", "short"]
"""Prompts: the row's own; as the user gave it; without evidence, with it in turned order; asking
for wrong answers, for true ones; only the last token of the row's own; with those sentences of the
evidence alone that speak of what is asked."""


@dataclass(frozen=True, slots=True)
class View:
    """One further row of logits; the default is the row's own."""

    role: Role = "model"
    prompt: Variant = "main"
    layer: int | None = None
    temperature: float = 1.0


OWN = View()
SHORT = View(prompt="short")
_ANY_DEPTH: Mapping[Role, int] = {"model": 1, "amateur": 1, "expert": 1}


@dataclass(frozen=True, slots=True)
class Term(ABC):
    """One method with its weight and options; frozen, so that equal settings are equal terms.

    Attributes:
        weight: Strength of the method; 0 changes nothing.
    """

    name: ClassVar[str]
    drafts: ClassVar[bool] = False
    """Whether it goes by what a row has said, and by what the views say after that, alone: then its
    rows can be drafted."""
    neutral: ClassVar[bool] = False
    """Whether the row's own prompt is the neutral wording of what the user gave."""

    weight: float = option(1.0, "strength; 0 changes nothing", low=0)

    @abstractmethod
    def views(self, depths: Mapping[Role, int]) -> tuple[View, ...]:
        """The views, given the number of layers of each network."""

    def calls(self, seen: Seen) -> Tensor | None:
        """Boolean [rows]: for which rows views of other networks are asked; None is all."""
        return None

    @abstractmethod
    def weigh(self, seen: Seen, scales: Scales) -> None:
        """Put this step's weights on the scales."""


def roles(term: Term) -> set[Role]:
    """The networks that a term listens to."""
    return {view.role for view in term.views(_ANY_DEPTH)}


def variants(term: Term) -> set[Variant]:
    """The prompts that a term's views see."""
    return {view.prompt for view in term.views(_ANY_DEPTH)}
