"""Knowledge infused decoding: probability moves to the words that the evidence holds.

KID (Liu et al. 2022, arXiv 2204.03084) lowers J = -log P(K) + c KL(p || p0) before each token, with
K the words known of what was spoken of. Two forms: in logit space, where the gradient is closed
(p - p_K, with p_K = p on K, renormalised), and as published, over the keys and values of the cache.
Deviations of both: K holds what goes on with a term that is being said, not first tokens alone; all
distributions are on the mask; nothing is done where K has no allowed token.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tether.grounding.evidence import Bools, Clues, Floats, Moment, Need

_LONG = 4  # letters of a word that says something
_WORD = re.compile(r"\w(?:[\w'’-]*\w)?")
_NEGLIGIBLE = 1e-5  # nats
_FUSED = 0.99  # power of the infused distribution; the rest is that of the plain one
_MOST = 64  # bytes of a token that are looked up
_LONGEST = 128  # bytes of a term that may be said already


def phrases(text: str, asked: frozenset[str]) -> Iterator[str]:
    """Terms of a text, without a tagger: names in a run as one, and longer words not asked for.

    Args:
        text: A sentence or more.
        asked: Case-folded words of the question; a term needs a word beside them.
    """
    run: list[re.Match[str]] = []
    for word in [*_WORD.finditer(text), None]:
        is_name = word is not None and (word[0][0].isupper() or any(map(str.isdigit, word[0])))
        joined = bool(run) and word is not None and text[run[-1].end() : word.start()] == " "
        if run and not (is_name and joined):
            if any(part[0].casefold() not in asked for part in run):
                yield text[run[0].start() : run[-1].end()]
            run = []
        if word is not None and is_name:
            run.append(word)
        elif word is not None and len(word[0]) >= _LONG and word[0].casefold() not in asked:
            yield word[0]


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """Terms of the evidence over the bytes of a vocabulary.

    Attributes:
        origins: The number of the passage of each term.
        tokens: The bytes of each token of the vocabulary.
        ids: The token of some bytes.
    """

    origins: Mapping[bytes, int]
    tokens: Sequence[bytes]
    ids: Mapping[bytes, int]

    def known(self, said: bytes) -> dict[int, int]:
        """Tokens that go on with a term that is partly said, or begin one that is not said yet.

        A term is begun between words alone, with or without the space before it.

        Returns:
            The number of the passage of each token.
        """
        found: dict[int, int] = {}
        inside, ends = _is_word(said[-1:]), list(_ends(said))
        for term, origin in self.origins.items():
            if held := next((len(e) for e in ends if e != term and term.startswith(e)), 0):
                starts = self._starts(term[held:])
            elif term in said:
                continue
            else:
                starts = (t for t in self._starts(b" " * inside + term) if self.tokens[t] != b" ")
            for token in starts:
                found.setdefault(token, origin)
        return found

    def _starts(self, text: bytes) -> Iterator[int]:
        """The tokens that are a beginning of a text."""
        sizes = range(1, min(len(text), _MOST) + 1)
        return (token for n in sizes if (token := self.ids.get(text[:n])) is not None)


def _ends(said: bytes) -> Iterator[bytes]:
    """The last bytes of a text from the beginning of each word, most bytes first."""
    for start in range(max(0, len(said) - _LONGEST), len(said)):
        if _is_word(said[start : start + 1]) and not _is_word(said[start - 1 : start]):
            yield said[start:]


def _is_word(byte: bytes) -> bool:
    """Whether a word goes on: a letter, a digit or part of a longer character."""
    return byte.isalnum() or byte >= b"\x80"


@dataclass(frozen=True, slots=True, eq=False)
class Knowledge:
    """KID in either form.

    Attributes:
        terms: Of the evidence.
        rate: Size of a step (eta), in nats on the logits or as a factor on the published one.
        steps: Gradient steps.
        faithful: Whether the cache is nudged, in place of the logits.
    """

    terms: Terms
    rate: float
    steps: int = 1
    faithful: bool = False
    heads: tuple[tuple[int, int], ...] = ()
    needs: frozenset[Need] = field(init=False)

    def __post_init__(self) -> None:
        """The published form reads through the model again."""
        needs: set[Need] = {"log_p", "allowed"}
        object.__setattr__(self, "needs", frozenset(needs | {"nudge"} if self.faithful else needs))

    def look(self, moments: Sequence[Moment]) -> list[Clues | None]:
        """See `Source.look`."""
        return [self._look(moment) for moment in moments]

    def _look(self, moment: Moment) -> Clues | None:
        assert moment.log_p is not None, "it was asked for"
        assert moment.allowed is not None, "it was asked for"
        output = moment.context[moment.start :]
        known = self.terms.known(b"".join(self.terms.tokens[token] for token in output))
        sayable = [token for token in known if moment.allowed[token]]
        allowed = np.flatnonzero(moment.allowed[: len(self.terms.tokens)])
        if not sayable or len(sayable) == len(allowed):
            return None
        held = np.zeros(len(allowed), dtype=bool)
        held[np.searchsorted(allowed, sayable)] = True
        log_p = moment.log_p[allowed]
        log_p = log_p - np.logaddexp.reduce(log_p)
        if self.faithful:
            assert moment.nudge is not None, "it was asked for"
            found = moment.nudge(allowed[held], moment.allowed, self.steps, self.rate)[allowed]
            values = _FUSED * (found - log_p)
        else:
            values = infused(log_p, held, self.rate, self.steps) - log_p
        moved = np.abs(values) > _NEGLIGIBLE
        origins = np.array([known.get(int(token), -1) for token in allowed[moved]])
        return Clues(allowed[moved], values[moved], origins=origins)


def infused(scores: Floats, known: Bools, rate: float, steps: int = 1) -> Floats:
    """Scores after gradient steps on J (its KL left out) in logit space: z - rate (p - p_K).

    Args:
        scores: float [n], logits or log-probabilities of the allowed tokens.
        known: Boolean [n], K; neither none nor all.
        rate: Of a step.
        steps: How many.
    """
    for _ in range(steps):
        scores = scores - rate * gradient(scores, known)
    return scores


def gradient(scores: Floats, known: Bools) -> Floats:
    """dJ/dz = p - p_K."""
    p = _softmax(scores)
    p[known] -= _softmax(scores[known])
    return p


def _softmax(scores: Floats) -> Floats:
    powers = np.exp(scores - scores.max())
    shares: Floats = powers / powers.sum()
    return shares


def lookup(tokens: Sequence[bytes]) -> dict[bytes, int]:
    """The token of each text; the first one where several say the same."""
    found: dict[bytes, int] = {}
    for token, text in enumerate(tokens):
        if text:
            found.setdefault(text, token)
    return found
