"""Copies from what was said before: prompt, evidence and the row's own text.

Where the last tokens stood before, what followed then is drafted; of several places the one with
the longest match, then the latest. A copy ends somewhere: how far to trust it is learned by the
length of the match and by the token that would be copied next, and what was said in its stead is
drafted beside it. So a value copied from a mail comes with the mark that closes it.
Source: prompt lookup decoding (Saxena 2023) and LLMA (Yang et al. 2023, arXiv 2304.04487); the
ends of copies are ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from tether.decoding.drafts.draft import NOTHING, Draft, Need, Spot, Verdict
from tether.decoding.models.base import Model

_LONGEST = 8  # tokens of a match that are told apart
_PLACES = 16  # the latest places of a pair of tokens that are looked at
_FURTHEST = 12  # tokens copied at once: the drafter is asked again after them
_BYTES = 64  # of the evidence that a quote may go on with
_TRUST = 3.0  # so many examples weigh what is thought of a match before any are seen
_EXITS = 2  # tokens drafted beside a copied one
_LEAST = 0.05  # chance of a whole copy below which it is not gone on with


class _Match(NamedTuple):
    """A place of the text like its end: where it goes on, and how many tokens are alike."""

    at: int
    length: int


class Lookup:
    """See `Drafter`.

    Args:
        model: Its vocabulary spells the evidence.
    """

    name: ClassVar[str] = "lookup"
    needs: ClassVar[frozenset[Need]] = frozenset()

    def __init__(self, model: Model) -> None:
        self._vocabulary = model.vocabulary
        self._texts: dict[object, _Text] = {}
        self._trust = Trust()

    def propose(self, spot: Spot, budget: int) -> Draft:
        """What followed where the last tokens stood before, and ways out of it.

        Inside a quote of the evidence it is what the evidence goes on with, if that is one text.
        """
        least = max(spot.least, _LEAST)
        if budget > 0 and (quoted := self._quoted(spot)):
            return self._draft(quoted[: min(budget, _FURTHEST)], _LONGEST, least)
        text = self._text(spot.row, spot.context, len(spot.context) - spot.num_drafted)
        match = text.find(spot.context)
        if match is None or budget < 1:
            return NOTHING
        copied = text.tokens[match.at : match.at + min(budget, _FURTHEST)]
        return self._draft(copied, match.length, least)

    def observe(self, verdict: Verdict) -> None:
        """Note for each choice whether it was what the best match would have copied."""
        context = list(verdict.context)
        done = 0
        for place in verdict.choices:
            context += verdict.said[done:place]
            done = place
            text = self._text(verdict.row, context, len(context))
            match = text.find(context)
            if match is not None and place < len(verdict.said):
                self._trust.learn(text.tokens[match.at], match.length, verdict.said[place])

    def forget(self, row: object) -> None:
        """Drop a row's text."""
        self._texts.pop(row, None)

    def keep(self) -> None:
        """Nothing outlives the run."""

    def _quoted(self, spot: Spot) -> list[int]:
        """How a quote goes on that has come to where the evidence has one place left for it."""
        quote = None if spot.matcher is None else spot.matcher.quote
        if quote is None or not quote.span.depth or quote.span.high - quote.span.low > 1:
            return []
        return self._vocabulary.encode(quote.spans.ahead(quote.span, _BYTES).decode())

    def _text(self, row: object, context: Sequence[int], length: int) -> _Text:
        text = self._texts.setdefault(row, _Text())
        if len(context) == length or len(text.tokens) != length:  # else it was asked just before
            text.catch_up(context, length)
        return text

    def _draft(self, copied: Sequence[int], length: int, least: float) -> Draft:
        """A chain of copied tokens, each with what may be said in its stead."""
        tokens, parents, chances = list[int](), list[int](), list[float]()
        above, reached = -1, 1.0
        for step, token in enumerate(copied):
            chance = self._trust.chance(token, length + step)
            if reached * (1 - chance) > least:
                for exit_, share in self._trust.exits(token):
                    if exit_ != token and reached * (1 - chance) * share > least:
                        tokens.append(exit_)
                        parents.append(above)
                        chances.append((1 - chance) * share)
            reached *= chance
            if reached <= least:
                break
            tokens.append(token)
            parents.append(above)
            chances.append(chance)
            above = len(tokens) - 1
        return Draft(tuple(tokens), tuple(parents), tuple(chances))


class Trust:
    """How often a copied token was chosen, and what was chosen in its stead; shared by all rows."""

    def __init__(self) -> None:
        self._by_length = [[0.5 + 0.04 * n, 1.0] for n in range(_LONGEST + 1)]  # hits, tries
        self._by_token: dict[int, list[float]] = {}
        self._instead: Counter[int] = Counter()
        self._instead_of: dict[int, Counter[int]] = {}
        self._exits: dict[int, list[tuple[int, float]]] = {}

    def chance(self, token: int, length: int) -> float:
        """That `token` is chosen where a match of this length goes on with it."""
        hits, tries = self._by_length[min(length, _LONGEST)]
        hits_here, tries_here = self._by_token.get(token, (0.0, 0.0))
        return (hits_here + _TRUST * hits / tries) / (tries_here + _TRUST)

    def exits(self, token: int) -> list[tuple[int, float]]:
        """What is said in the stead of a copied token most often, each with its share."""
        key = token if token in self._instead_of else -1
        found = self._exits.get(key)
        if found is None:
            counts = self._instead_of.get(key, self._instead)
            total = counts.total() + 1
            found = [(other, count / total) for other, count in counts.most_common(_EXITS)]
            self._exits[key] = found
        return found

    def learn(self, token: int, length: int, chosen: int) -> None:
        """A match of this length went on with `token`, and `chosen` was said."""
        hit = float(token == chosen)
        for counts in (
            self._by_length[min(length, _LONGEST)],
            self._by_token.setdefault(token, [0.0, 0.0]),
        ):
            counts[0] += hit
            counts[1] += 1
        if not hit:
            self._exits.pop(token, None)
            self._exits.pop(-1, None)
            self._instead[chosen] += 1
            self._instead_of.setdefault(token, Counter())[chosen] += 1


class _Text:
    """The tokens of a row, and where each pair of them stands."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self._after: dict[tuple[int, int] | int, list[int]] = {}

    def catch_up(self, context: Sequence[int], length: int) -> None:
        """Hold the first `length` tokens of a context; what was taken back is forgotten."""
        tokens = self.tokens
        while len(tokens) > length or (tokens and tokens[-1] != context[len(tokens) - 1]):
            tokens.pop()
        for at in range(len(tokens), length):
            token = context[at]
            if at:
                self._after.setdefault(context[at - 1], []).append(at)
            if at > 1:
                self._after.setdefault((context[at - 2], context[at - 1]), []).append(at)
            tokens.append(token)

    def find(self, context: Sequence[int]) -> _Match | None:
        """The place most like the end of a context that begins with these tokens."""
        if len(context) < 2:
            return None
        places = self._after.get((context[-2], context[-1])) or self._after.get(context[-1])
        best: _Match | None = None
        for at in reversed(places[-_PLACES:] if places else ()):
            if at >= len(self.tokens):  # taken back
                continue
            length = self._alike(context, at)
            if best is None or length > best.length:
                best = _Match(at, length)
            if length >= _LONGEST:
                break
        return best

    def _alike(self, context: Sequence[int], at: int) -> int:
        """How many tokens before a place are those at the end of the context."""
        tokens, end = self.tokens, len(context)
        most = min(_LONGEST, at, end)
        for length in range(1, most + 1):
            if tokens[at - length] != context[end - length]:
                return length - 1
        return most
