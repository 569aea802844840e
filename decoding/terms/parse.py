"""From `NAME[:WEIGHT][,KEY=VALUE...]` to a term, and what there is to choose from."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import Field, fields
from difflib import get_close_matches
from typing import Any, get_args, get_type_hints

from tether.decoding.terms.cad import Cad
from tether.decoding.terms.cd import Cd
from tether.decoding.terms.dola import Dola
from tether.decoding.terms.ead import Ead
from tether.decoding.terms.foreal import Foreal
from tether.decoding.terms.fsgen import Fsgen
from tether.decoding.terms.icd import Icd
from tether.decoding.terms.lead import Lead
from tether.decoding.terms.lol import Lol
from tether.decoding.terms.lqcd import Lqcd
from tether.decoding.terms.mvp import Mvp
from tether.decoding.terms.proxy import Proxy
from tether.decoding.terms.term import Role, Term, roles
from tether.decoding.terms.uadf import Uadf
from tether.errors import UsageError

_KINDS = (Cad, Cd, Dola, Ead, Foreal, Fsgen, Icd, Lead, Lol, Lqcd, Mvp, Proxy, Uadf)
METHODS: dict[str, type[Term]] = {kind.name: kind for kind in _KINDS}
"""Every method by the name that users write."""

_ROUTERS = (Ead, Foreal, Fsgen)


def parse(text: str) -> Term:
    """One term.

    Raises:
        UsageError: The name, an option or a value is wrong; the hint says what there is.
    """
    head, *pairs = re.split(r",(?=[^,=]*=)", text)
    name, colon, weight = head.partition(":")
    kind = METHODS.get(name.strip())
    if kind is None:
        raise UsageError(f"There is no contrast {name.strip()!r}.", hint=_suggest(name, METHODS))
    given: dict[str, Any] = {}
    for pair in [f"weight={weight}"] * bool(colon) + pairs:
        key, _, value = (part.strip() for part in pair.partition("="))
        given[key] = _value(kind, key, value)
    return kind(**given)


def parse_all(texts: Sequence[str]) -> tuple[Term, ...]:
    """Terms that stand together.

    Raises:
        UsageError: One is wrong, a method is named twice, two decide who speaks, or one that
            stands alone has company.
    """
    terms = tuple(parse(text) for text in texts)
    names = [term.name for term in terms]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"The contrast {name!r} is named twice.", hint="Keep one of them.")
    routers = [term.name for term in terms if isinstance(term, _ROUTERS)]
    if len(routers) > 1:
        raise UsageError(
            f"{routers[0]} and {routers[1]} both say when the expert speaks.",
            hint="Keep one of them.",
        )
    if Lead.name in names and len(names) > 1:
        raise UsageError(
            "lead stands alone: other views could not follow what the model is fed.",
            hint="Take out lead or the others.",
        )
    return terms


def check_roles(terms: Sequence[Term], known: Collection[Role]) -> None:
    """Refuse terms that listen to models which are not there.

    Raises:
        UsageError: The hint says how to give one.
    """
    for term in terms:
        for role in sorted(roles(term) - set(known)):
            raise UsageError(
                f"The contrast {term.name} needs another model.",
                hint=f"Give one that has the same tokenizer by --{role}.",
            )


def options(kind: type[Term]) -> tuple[Field[Any], ...]:
    """The options of a method, weight first."""
    return fields(kind)


def _value(kind: type[Term], key: str, text: str) -> object:
    """The value of an option as its type."""
    known = {field.name: field for field in options(kind)}
    if key not in known:
        raise UsageError(f"{kind.name} has no option {key!r}.", hint=_suggest(key, known))
    place = f"{kind.name}: {key}={text}"
    wanted = get_type_hints(kind)[key]
    if wanted is bool:
        return _flag(text, place)
    if choices := get_args(wanted):
        if text not in choices:
            raise UsageError(f"{place} is wrong.", hint=f"Use {' or '.join(choices)}.")
        return text
    if wanted is str:
        return _layers(text, place)
    return _number(wanted, text, known[key], place)


def _flag(text: str, place: str) -> bool:
    if text not in ("yes", "no", "true", "false"):
        raise UsageError(f"{place} is wrong.", hint="Use yes or no.")
    return text in ("yes", "true")


def _layers(text: str, place: str) -> str:
    if text not in ("auto", "low", "high") and not re.fullmatch(r"[0-9]+(/[0-9]+)*", text):
        raise UsageError(f"{place} is wrong.", hint="Use auto, low, high or numbers: 2/4.")
    return text


def _number(wanted: type[float], text: str, field: Field[Any], place: str) -> float:
    low, high = field.metadata["low"], field.metadata["high"]
    bounds = f"a {'whole ' if wanted is int else ''}number from {low:g}" + (
        f" to {high:g}" if high is not None else ""
    )
    try:
        number = wanted(text)
    except ValueError:
        number = math.nan
    if not low <= number <= (math.inf if high is None else high) or math.isinf(number):
        raise UsageError(f"{place} is wrong.", hint=f"Use {bounds}.")
    return number


def _suggest(wrong: str, known: Sequence[str] | dict[str, Any]) -> str:
    near = get_close_matches(wrong, known, n=3, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"There are {', '.join(known)}."
