"""Texts that must be substrings of the evidence: where they may go on, and where they stand."""

from tether.grammars.verbatim.evidence import Evidence, Place
from tether.grammars.verbatim.matcher import QuotingMatcher, Slots
from tether.grammars.verbatim.text import verbatim_text

__all__ = ["Evidence", "Place", "QuotingMatcher", "Slots", "verbatim_text"]
