"""Which sentences of the passages speak of what is asked, by their words alone.

Half of what the question names, by letters, must stand in a sentence for it to count: so the second
of two names can bring in what is said of its other bearers. A question without names needs the
sentence with most of its longer words. Cheap on purpose: it is asked for every row, and its
only task is to keep evidence about something else from moving an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

_TITLES = r"(?<!\b\w)(?<!\bDr)(?<!\bM[rs])(?<!\bSt)(?<!\bMrs)(?<!\bProf)"
_END = re.compile(_TITLES + r"[.!?\u3002]+(?=\s|$)|\n")
_LABEL = re.compile(r"\s*[\w ]{1,30}:\s")
_NAME = re.compile(r"\b[^\W\d_a-z]\w*(?:[ -][^\W\d_a-z]\w*)*")
_WORD = re.compile(r"\w+")
_LONG = 4  # letters of a word that says something
_ENOUGH = 0.5


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a passage.

    Attributes:
        start: Its first character in the passage.
        end: One past its last.
    """

    start: int
    end: int


def sentences(passage: str) -> Iterator[Sentence]:
    """The sentences of a passage, in order; a line ends one, initials, titles and labels do not."""
    start = 0
    for end in [*(found.end() for found in _END.finditer(passage)), len(passage)]:
        labelled = passage[end - 1 : end] != "\n" and _LABEL.match(passage, end)
        if not (labelled and _LABEL.match(passage, start)) and passage[start:end].strip():
            yield Sentence(start, end)
            start = end


def relevant(question: str, passages: Sequence[str]) -> list[list[Sentence]]:
    """For each passage, the sentences that speak of what is asked; all where only the whole does.

    Sentences that tell more about a name from those (two hops) count too. A question without names
    says little: the sentences with most of its words are taken.
    """
    found = [_about(question, passage) for passage in passages]
    known = set(_WORD.findall(question))
    names = {
        name
        for passage, spoken in zip(passages, found, strict=True)
        for sentence in spoken
        for name in _names(passage[sentence.start : sentence.end])
        if name not in question and not known.issuperset(_WORD.findall(name))
    }
    return [
        [s for s in sentences(p) if s in spoken or _tells(p[s.start : s.end], names)]
        for p, spoken in zip(passages, found, strict=True)
    ]


def _about(question: str, passage: str) -> list[Sentence]:
    """The sentences of one passage that hold what the question names."""
    words = _WORD.findall(question)
    names = [word for word in words[1:] if word[0].isupper() or any(map(str.isdigit, word))]
    if not names and words and re.search(rf"\b{words[0]}\b", passage):
        names = words[:1]  # the capital of a first word says nothing, its place in the passage does
    wanted = {word.casefold() for word in names or words if names or len(word) >= _LONG}
    everything = list(sentences(passage))
    covered = [_covered(wanted, passage[s.start : s.end]) for s in everything]
    least = _ENOUGH if names else max(covered, default=0.0)
    fitting = [s for s, part in zip(everything, covered, strict=True) if part >= least > 0]
    return fitting or (everything if _covered(wanted, passage) >= _ENOUGH else [])


def _names(sentence: str) -> set[str]:
    """Runs of capitalised words."""
    return {name for name in _NAME.findall(sentence) if len(name) >= _LONG}


def _tells(sentence: str, names: Set[str]) -> bool:
    """Whether a sentence speaks of one of these names; its own first word is no name."""
    inner = sentence.lstrip().partition(" ")[2]
    return any(re.search(rf"\b{re.escape(name)}\b", inner) for name in names) or any(
        " " in name and sentence.lstrip().startswith(name) for name in names
    )


def _covered(wanted: set[str], text: str) -> float:
    """The part of the wanted words, by their length, that a text holds."""
    held = {word.casefold() for word in _WORD.findall(text)}
    return sum(len(w) for w in wanted & held) / max(1, sum(map(len, wanted)))
