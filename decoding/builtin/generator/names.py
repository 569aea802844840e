"""Endless names of each kind, each on one side of the train/test split by its CRC-32."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable

from tether.decoding.builtin.generator import word_lists as lists
from tether.decoding.builtin.generator.example import Side

TEST_MODULUS = 8
ONSETS = lists.words("""
b br c ch d dr f fl g gr h j k kr l m n p pr qu r s sh st t tr v w z th sk bl cl sl gl vr y
""")
VOWELS = lists.words("a e i o u a e i o ai ea ou ei ie oa")
CODAS = ["", "", "", "", "n", "r", "l", "s", "m", "k", "t", "nd", "rt", "x", "ck", "lm", "sk"]


def side_of(name: str) -> Side:
    """The side of the split a name belongs to: test when crc32 % 8 is zero."""
    return "test" if zlib.crc32(name.encode()) % TEST_MODULUS == 0 else "train"


def syllables(rng: random.Random, low: int = 2, high: int = 3) -> str:
    """An invented lower-case word of onset + vowel + coda syllables."""
    count = rng.randint(low, high)
    parts = [rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(count)]
    return "".join(parts[:-1]) + parts[-1] + rng.choice(CODAS)


def capital(rng: random.Random, low: int = 2, high: int = 3) -> str:
    """An invented capitalised word."""
    return syllables(rng, low, high).capitalize()


def _or_made(rng: random.Random, real: list[str], share: float = 0.4) -> str:
    return rng.choice(real) if rng.random() < share else capital(rng)


def person(rng: random.Random) -> str:
    """Two words mostly; sometimes one, an initial, or a double surname."""
    first, last = _or_made(rng, lists.FIRST, 0.5), _or_made(rng, lists.LAST)
    roll = rng.random()
    if roll < 0.06:
        return f"{first} {rng.choice('ABCDEFGHJKLMNPRSTW')}. {last}"
    if roll < 0.1:
        return f"{first} {last}-{_or_made(rng, lists.LAST)}"
    if roll < 0.14:
        return f"{rng.choice(['Dr', 'Dr.', 'Mr', 'Ms', 'Mrs', 'Prof.'])} {last}"
    return f"{first} {last}"


def company(rng: random.Random) -> str:
    """A capitalised word with a legal or trade tail, or two founders."""
    stem = capital(rng) if rng.random() < 0.75 else rng.choice(lists.LAST)
    roll = rng.random()
    if roll < 0.12:
        return f"{stem} & {rng.choice(lists.LAST)}"
    if roll < 0.3:
        return f"{stem} {rng.choice(lists.THINGS).capitalize()} {rng.choice(lists.COMPANY_TAILS)}"
    return stem if roll < 0.4 else f"{stem} {rng.choice(lists.COMPANY_TAILS)}"


def city(rng: random.Random) -> str:
    """A real city, an invented one, or one with a place prefix or ending."""
    roll = rng.random()
    if roll < 0.3:
        return rng.choice(lists.CITIES)
    if roll < 0.5:
        ends = ["ville", "ford", "burg", "ton", "stad", "ham", "mouth", "bridge"]
        return capital(rng, 1, 2) + rng.choice(ends)
    if roll < 0.6:
        starts = ["New", "San", "Port", "Saint", "North", "South", "Upper", "Lake"]
        return f"{rng.choice(starts)} {capital(rng)}"
    return capital(rng)


def country(rng: random.Random) -> str:
    """A real country, or an invented one with a country's ending."""
    if rng.random() < 0.25:
        return rng.choice(lists.COUNTRIES)
    return capital(rng, 1, 2) + rng.choice(["ia", "land", "stan", "ora", "avia", "onia", ""])


def street(rng: random.Random) -> str:
    """A street address with its house number, before or after the street."""
    number = rng.randint(1, 240)
    name = rng.choice(lists.TREES) if rng.random() < 0.4 else capital(rng)
    if rng.random() < 0.3:
        return f"{name}{rng.choice(['weg', 'gasse', 'straat', 'platz'])} {number}"
    return f"{number} {name} {rng.choice(lists.STREETS)}"


def product(rng: random.Random) -> str:
    """A thing with a material, a brand word or a model number."""
    thing, roll = rng.choice(lists.THINGS), rng.random()
    if roll < 0.45:
        return f"{rng.choice(lists.MATERIALS)} {thing}"
    if roll < 0.7:
        return f"{capital(rng)} {thing}"
    if roll < 0.85:
        return f"{capital(rng)} {rng.choice(['X', 'S', 'Pro ', 'M', ''])}{rng.randint(2, 900)}"
    return f"{syllables(rng)} {thing}"


def animal(rng: random.Random) -> str:
    """A species-like name."""
    tint = rng.choice(lists.TINTS) if rng.random() < 0.4 else syllables(rng)
    return f"{tint} {rng.choice(lists.ANIMALS)}"


def plant(rng: random.Random) -> str:
    """A plant's name."""
    tint = rng.choice(lists.TINTS) if rng.random() < 0.4 else syllables(rng)
    return f"{tint} {rng.choice(lists.PLANTS)}"


def title(rng: random.Random) -> str:
    """A book-like title."""
    roll, noun = rng.random(), rng.choice(lists.TITLE_NOUNS)
    if roll < 0.35:
        return f"The {rng.choice(lists.TITLE_ADJECTIVES)} {noun}"
    if roll < 0.6:
        return f"The {noun} of {capital(rng)}"
    if roll < 0.8:
        return f"{rng.choice(lists.TITLE_ADJECTIVES)} {noun}"
    return f"{capital(rng)} and the {noun}"


def word(rng: random.Random) -> str:
    """An invented noun, lower-case, capitalised or in capitals."""
    roll = rng.random()
    if roll < 0.6:
        return syllables(rng)
    return capital(rng) if roll < 0.9 else syllables(rng, 1, 2).upper()


def email(rng: random.Random) -> str:
    """An address at an invented domain."""
    user = rng.choice([syllables(rng), rng.choice(lists.FIRST).lower(), "info", "office"])
    if rng.random() < 0.5:
        user += rng.choice([".", "_", "-"]) + _or_made(rng, lists.LAST).lower()
    host = "example" if rng.random() < 0.1 else syllables(rng)
    return f"{user}@{host}.{rng.choice(['com', 'org', 'net', 'de', 'io', 'example'])}"


def phone(rng: random.Random) -> str:
    """A telephone number in one of four shapes."""

    def digits(count: int) -> str:
        return "".join(rng.choice("0123456789") for _ in range(count))

    roll = rng.randrange(4)
    if roll == 0:
        return f"+{rng.randint(1, 99)} {digits(2)} {digits(7)}"
    if roll == 1:
        return f"({digits(3)}) {digits(3)}-{digits(4)}"
    return f"{digits(3)}-{digits(4)}" if roll == 2 else f"0{digits(3)} {digits(6)}"


def url(rng: random.Random) -> str:
    """A web address."""
    host = f"{syllables(rng)}.{rng.choice(['com', 'org', 'net', 'io', 'example'])}"
    path = f"/{syllables(rng)}" if rng.random() < 0.4 else ""
    return rng.choice(["https://", "https://www.", "www."]) + host + path


def code(rng: random.Random) -> str:
    """A reference such as AB-1234, INV-2024-017 or K9381."""
    letters = "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(rng.randint(1, 3)))
    roll = rng.random()
    if roll < 0.55:
        return f"{letters}-{rng.randint(10, 99999)}"
    if roll < 0.7:
        return f"{letters}-{rng.randint(2015, 2030)}-{rng.randint(1, 999):03d}"
    return f"{letters}{rng.randint(10, 99999)}"


MAKERS: dict[str, Callable[[random.Random], str]] = {
    "person": person, "company": company, "city": city, "country": country, "street": street,
    "product": product, "animal": animal, "plant": plant, "title": title, "word": word,
    "email": email, "phone": phone, "url": url, "code": code,
}  # fmt: skip


def make_name(rng: random.Random, kind: str, side: Side) -> str:
    """A fresh name of `kind` on `side`; draws again until the hash agrees."""
    maker = MAKERS[kind]
    while True:
        name = maker(rng)
        if side_of(name) == side:
            return name
