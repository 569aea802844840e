"""A graph made of numbers: people, places and works, with cycles, hubs and literals.

The same seed gives the same triples. Half of the people have IRIs of one kind, the rest are spread
over places and works; a few classes and countries are hubs, as in real graphs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

_FIRST = ("Anna", "Bruno", "Clara", "David", "Elena", "Felix", "Greta", "Hanna", "Ivan", "Julia")
_LAST = ("Adler", "Berger", "Conrad", "Dorn", "Engel", "Fischer", "Graf", "Hoch", "Jansen", "Otto")
NAMES = (_FIRST, _LAST)
_HEAD = """@prefix : <https://data.example.org/resource/> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
"""
_PER_PERSON = 8
"""Triples of a person, roughly."""


def write(path: Path, triples: int, seed: int = 0) -> None:
    """Write about so many triples as Turtle."""
    with path.open("w", encoding="utf-8") as stream:
        stream.write(_HEAD)
        stream.writelines(lines(triples // _PER_PERSON, seed))


def lines(people: int, seed: int) -> Iterator[str]:
    """The statements of so many people, and of the places and works that they share."""
    rng = random.Random(seed)
    places, works = max(people // 50, 3), max(people // 3, 3)
    for place in range(places):
        yield (
            f':Place_{place} a :Place ; rdfs:label "Place {place}" ;'
            f" :country :Country_{place % 40} .\n"
        )
    for work in range(works):
        yield f':Work_{work} a :Work ; rdfs:label "Work {work}" ; :year {1900 + work % 120} .\n'
    for person in range(people):
        yield _person(rng, person, people, places, works)


def _person(rng: random.Random, person: int, people: int, places: int, works: int) -> str:
    name = f"{rng.choice(_FIRST)} {rng.choice(_LAST)} {person}"
    parts = [
        f':Person_{person} a :Person ; rdfs:label "{name}"',
        f":livesIn :Place_{int(rng.paretovariate(0.6)) % places}",
        f":knows :Person_{rng.randrange(people)} , :Person_{(person * 7 + 1) % people}",
        f":likes :Work_{rng.randrange(works)}",
    ]
    if rng.random() < 0.5:
        parts.append(f":wrote :Work_{rng.randrange(works)}")
    return " ; ".join(parts) + " .\n"
