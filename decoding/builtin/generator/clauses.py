"""Small grammar: articles, two sentences made one, pronouns. Knows no facts."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

JOIN_SHARE = 0.3
PRONOUN_SHARE = 0.3
ABOUT_IT = re.compile(
    r"\{it\} (?!always)(?:[a-z]+s|[a-z]+ed|will|can|had|came|made|took|got|left|told|cost) "
)
"""A sentence whose subject is the main entity and whose verb fits a singular one."""
OPENERS = ("The ", "It ", "Its ", "There ", "We ", "You ", "They ", "Please ")
PLURALS = {
    "{noun} is ": "{noun} are ", "{noun} has ": "{noun} have ", "{noun} was ": "{noun} were ",
    "{noun} comes ": "{noun} come ", "{noun} remains ": "{noun} remain ",
    "{noun} does ": "{noun} do ", "{noun} given is ": "{noun} given are ",
    "{noun} on file is ": "{noun} on file are ", "{noun} we have is ": "{noun} we have are ",
    "{noun}, which is ": "{noun}, which are ", "{noun}? It is ": "{noun}? They are ",
    "{noun}, it is ": "{noun}, they are ", " and it is ": " and they are ",
    " a {noun}": " the {noun}", "is no {noun}": "are no {noun}",
    "{noun} changed, it is ": "{noun} changed, they are ",
}  # fmt: skip
"""What changes in a generic pattern whose noun is plural."""
VOWELS = "aeiouAEIOU"
CONSONANT_SOUNDS = ("eu", "uni", "use", "one")


@dataclass(frozen=True, slots=True)
class Cast:
    """How a document calls its main entity: by name first, then by noun or pronoun."""

    name: str
    nouns: tuple[str, ...] = ()
    pronoun: str = ""
    relative: str = "which"


def is_plural(noun: str) -> bool:
    """True for `boxes`, not for `number of boxes`, `address` or `status`."""
    head = re.split(r" (?:of|in|per|for|so) ", noun, maxsplit=1)[0]
    return head.endswith("s") and not head.endswith(
        ("ss", "us", "is", "ias", "gas", "species", "series")
    )


@cache
def agreed(pattern: str) -> str:
    """The pattern with the verb after `{noun}` in the plural."""
    for one, many in PLURALS.items():
        pattern = pattern.replace(one, many)
    return pattern


def takes_an(text: str) -> bool:
    """True when `text` begins with a vowel sound: 18 and 8 do, a union does not."""
    if text[:1].isdigit():
        return text[0] == "8" or re.match(r"1[18](?!\d|,\d)", text) is not None
    return text[:1] in VOWELS and not text.lower().startswith(CONSONANT_SOUNDS)


def place(sentence: str, slot: str, text: str) -> str:
    """The sentence with the slot as `text`, and `a` before it as `an` where that is said."""
    before, found, after = sentence.partition(slot)
    if not found:
        return sentence
    if (before in ("a ", "A ") or before.endswith((" a ", " A "))) and takes_an(text):
        before = before[:-1] + "n "
    return before + text + after


def merged(rng: random.Random, first: str, second: str, relative: str) -> str | None:
    """Both sentences as one, or None where they do not fit together."""
    if not (first.endswith(".") and second.endswith(".")):
        return None
    if ABOUT_IT.match(first) and ABOUT_IT.match(second):
        one, two = first.removeprefix("{it} ")[:-1], second.removeprefix("{it} ")
        if "," not in one and rng.random() < 0.5:
            return f"{{it}}, {relative} {one}, {two}"
        return f"{{it}} {one} and {two}"
    if second.startswith(OPENERS) and "?" not in first:
        link = rng.choice([", and ", ", and ", "; ", " - "])
        return first[:-1] + link + second[0].lower() + second[1:]
    return None


def joined(rng: random.Random, sentences: Sequence[str], relative: str) -> list[str]:
    """The sentences, some neighbours made one; none takes part twice."""
    result: list[str] = []
    rest = list(sentences)
    while rest:
        first = rest.pop(0)
        both = None
        if rest and rng.random() < JOIN_SHARE:
            both = merged(rng, first, rest[0], relative)
        if both is not None:
            rest.pop(0)
        result.append(both or first)
    return result


def later_name(rng: random.Random, sentence: str, cast: Cast) -> str:
    """What the main entity is called in a sentence after its first mention."""
    if cast.pronoun and rng.random() < PRONOUN_SHARE and ABOUT_IT.match(sentence):
        return cast.pronoun
    return rng.choice((cast.name, *cast.nouns, cast.name))
