"""Values made of ordinary words: full names, trades, dishes, tasks, places. Knows no syllables."""

from __future__ import annotations

import random
from collections.abc import Callable

from tether.decoding.builtin.generator import word_lists as lists

CAPITALS = "ABCDEFGHJKLMNPRSTUVWXYZ"


def _described(rng: random.Random, adjectives: list[str], nouns: list[str], share: float) -> str:
    noun = rng.choice(nouns)
    return f"{rng.choice(adjectives)} {noun}" if rng.random() < share else noun


def anyone(rng: random.Random) -> str:
    """A person with a real first and last name, some with accents, a title, or one name only."""
    first = rng.choice(lists.MORE_FIRST if rng.random() < 0.6 else lists.FIRST)
    last = rng.choice(lists.MORE_LAST if rng.random() < 0.6 else lists.LAST)
    roll = rng.random()
    if roll < 0.06:
        return f"{rng.choice(['Dr', 'Dr.', 'Mr', 'Ms', 'Mrs', 'Prof.'])} {first} {last}"
    if roll < 0.12:
        return first
    if roll < 0.16:
        return f"{first} {rng.choice(['van', 'de', 'von', 'da'])} {last}"
    return f"{rng.choice(CAPITALS)}. {last}" if roll < 0.2 else f"{first} {last}"


def organisation(rng: random.Random) -> str:
    """An institution or a firm named after a town or a person."""
    name = rng.choice(lists.CITIES if rng.random() < 0.5 else lists.MORE_LAST)
    if rng.random() < 0.2:
        return f"{name} & {rng.choice(['Sons', 'Daughters', 'Partners', 'Co'])}"
    return f"{name} {rng.choice(lists.ORGANISATIONS)}"


def job(rng: random.Random) -> str:
    """A trade, some with a rank."""
    return _described(rng, lists.TRADE_ADJECTIVES, lists.TRADES, 0.4)


def food(rng: random.Random) -> str:
    """An ingredient."""
    return _described(rng, lists.FOOD_ADJECTIVES, lists.FOODS, 0.4)


def dish(rng: random.Random) -> str:
    """A dish named after what is in it."""
    text = f"{rng.choice(lists.FLAVOURS)} {rng.choice(lists.DISHES)}"
    return text.capitalize() if rng.random() < 0.4 else text


def task(rng: random.Random) -> str:
    """Something to be done: a verb and its object."""
    thing = _described(rng, lists.OBJECT_ADJECTIVES, lists.OBJECTS, 0.5)
    return f"{rng.choice(lists.VERBS)} the {thing}"


def term(rng: random.Random) -> str:
    """One to three ordinary words."""
    text = _described(rng, lists.QUALITIES, lists.CONCEPTS, 0.55)
    return f"{text} {rng.choice(lists.CONCEPTS)}" if rng.random() < 0.15 else text


def theme(rng: random.Random) -> str:
    """What a course, a meeting or a project is called."""
    text = _described(rng, lists.THEME_HEADS, lists.CONCEPTS, 0.5)
    return f"{text} {rng.choice(lists.THEME_TAILS)}".title().replace("-U", "-u")


def language(rng: random.Random) -> str:
    """A language."""
    return rng.choice(lists.LANGUAGES)


def venue(rng: random.Random) -> str:
    """A hotel, a hall, a numbered room."""
    if rng.random() < 0.25:
        return f"{rng.choice(['Room', 'Hall', 'Studio'])} {rng.randint(1, 420)}"
    name = rng.choice([*lists.PLACE_HEADS, *lists.MORE_LAST])
    return f"{name} {rng.choice(lists.PLACE_TAILS)}"


def team(rng: random.Random) -> str:
    """A sports team."""
    return f"{rng.choice(lists.CITIES)} {rng.choice(lists.TEAM_TAILS)}"


def plate(rng: random.Random) -> str:
    """A number plate."""
    head, tail = rng.choices(CAPITALS, k=2), rng.choices(CAPITALS, k=2)
    return f"{''.join(head)}{rng.choice([' ', '-'])}{''.join(tail)} {rng.randint(10, 9999)}"


def seat(rng: random.Random) -> str:
    """A seat or a gate."""
    number, letter = rng.randint(1, 60), rng.choice("ABCDEF")
    return f"{number}{letter}" if rng.random() < 0.6 else f"{letter}{number}"


def car(rng: random.Random) -> str:
    """A vehicle by brand and type."""
    return f"{rng.choice(lists.PLACE_HEADS)} {rng.choice(lists.CAR_TYPES)}"


def pet_name(rng: random.Random) -> str:
    """One short name."""
    return rng.choice([*lists.MORE_FIRST, *lists.PLANTS, *lists.TREES]).capitalize()


PHRASES: dict[str, Callable[[random.Random], str]] = {
    "anyone": anyone, "organisation": organisation, "job": job, "food": food, "dish": dish,
    "task": task, "term": term, "theme": theme, "language": language, "venue": venue, "team": team,
    "plate": plate, "seat": seat, "car": car, "pet_name": pet_name,
}  # fmt: skip
