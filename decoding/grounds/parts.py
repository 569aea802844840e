"""The parts of an index that hold evidence of one model: which there are, and whose they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tether.errors import EvidenceError

if TYPE_CHECKING:
    from tether.decoding.grounds.ground import Given
    from tether.decoding.models.base import Model
    from tether.grounding.index.layout import Part


def belongs(model: Model) -> dict[str, Any]:
    """The facts that tie a part to a model and to its tokens."""
    return {
        "model": model.name,
        "fingerprint": model.fingerprint,
        "vocabulary": model.vocabulary.key,
    }


def part(given: Given, name: str, command: str, *, tokens_only: bool = False) -> Part:
    """A part of the row's index that belongs to the row's model.

    Args:
        given: What the row was given.
        name: Of the part.
        command: Of `tether index`, that makes it.
        tokens_only: It holds nothing that the model says: any with the same tokens may use it.

    Raises:
        EvidenceError: There is no index, or it lacks the part or has it of other passages or of
            another model; the hint is the cure.
    """
    index = given.index
    if index is None:
        raise EvidenceError(
            f"Evidence from the part '{name}' of an index needs an index.",
            hint="Name one with --index, or leave out `over=index`.",
        )
    cure = f"Make it: tether index {command} {index.path} --model {given.model.name}"
    if name not in index.manifest.parts:
        raise EvidenceError(f"The index {index.path} has no part '{name}'.", hint=cure)
    if not index.manifest.has(name):
        raise EvidenceError(
            f"The part '{name}' of {index.path} was made from other passages than it holds now.",
            hint=cure,
        )
    found = index.manifest.part(name)
    own = belongs(given.model)
    wanted = ("vocabulary",) if tokens_only else ("fingerprint", "vocabulary")
    if any(found.facts.get(key) != own[key] for key in wanted):
        raise EvidenceError(
            f"The part '{name}' of {index.path} was made with the model {found.facts['model']}, "
            f"not with {given.model.name} as it is.",
            hint=f"Use that model, or make it again. {cure}",
        )
    return found
