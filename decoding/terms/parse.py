"""From `NAME[:WEIGHT][,KEY=VALUE...]` to a term, and what there is to choose from."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from tether.decoding import options
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
    return options.parse(text, METHODS, "contrast")


def parse_all(texts: Sequence[str]) -> tuple[Term, ...]:
    """Terms that stand together.

    Raises:
        UsageError: One is wrong, a method is named twice, two decide who speaks, or one that
            stands alone has company.
    """
    terms = tuple(parse(text) for text in texts)
    names = [term.name for term in terms]
    options.refuse_twice(names, "contrast")
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
