"""Value kinds: a surface text that a sentence shows, and the JSON value it stands for."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from dataclasses import dataclass

from tether.decoding.builtin.generator.example import Split, pick
from tether.decoding.builtin.generator.names import MAKERS, make_name
from tether.decoding.builtin.generator.word_lists import words
from tether.types import Json

MONTHS = words("""
January February March April May June July August September October November December
""")
DAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")
ONES = words("""
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
sixteen seventeen eighteen nineteen
""")
TENS = words("twenty thirty forty fifty sixty seventy eighty ninety")
SYMBOLS = {"€": ("EUR", "euros"), "$": ("USD", "dollars"), "£": ("GBP", "pounds")}


@dataclass(frozen=True, slots=True)
class Value:
    """`text` as written in the document; `json` as asked back."""

    text: str
    json: Json


def ordinal(number: int) -> str:
    """1 -> 1st, 22 -> 22nd, 13 -> 13th."""
    tail = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{tail}"


def number_words(number: int) -> str:
    """An integer below 100 in English words."""
    if number < 20:
        return ONES[number]
    ten, one = divmod(number, 10)
    return TENS[ten - 2] + (f"-{ONES[one]}" if one else "")


DATE_FORMS: list[Callable[[dt.date], str]] = [
    lambda d: f"{d.day} {MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{MONTHS[d.month - 1]} {d.day}, {d.year}",
    lambda d: d.isoformat(),
    lambda d: f"{MONTHS[d.month - 1]} {ordinal(d.day)}, {d.year}",  # held out
    lambda d: f"{d.day:02d}.{d.month:02d}.{d.year}",
    lambda d: f"{d.day} {MONTHS[d.month - 1][:3]} {d.year}",
    lambda d: f"the {ordinal(d.day)} of {MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{MONTHS[d.month - 1][:3]} {d.day}, {d.year}",
    lambda d: f"{DAYS[d.weekday()]}, {d.day} {MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{d.day:02d} {MONTHS[d.month - 1]}, {d.year}",  # held out
    lambda d: f"{d.year}/{d.month:02d}/{d.day:02d}",
    lambda d: f"{ordinal(d.day)} {MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{d.day}-{MONTHS[d.month - 1][:3]}-{d.year}",
    lambda d: f"{DAYS[d.weekday()]}, {MONTHS[d.month - 1]} {d.day}, {d.year}",
    lambda d: f"{d.day}.{d.month}.{d.year}",
    lambda d: f"{d.year}.{d.month:02d}.{d.day:02d}",  # held out
    lambda d: f"{DAYS[d.weekday()][:3]} {d.day} {MONTHS[d.month - 1][:3]} {d.year}",
    lambda d: f"{d.year} {MONTHS[d.month - 1]} {d.day}",
]

MONEY_FORMS: list[Callable[[float, str], str]] = [
    lambda v, s: f"{s}{v:,.2f}",
    lambda v, s: f"{v:,.2f} {SYMBOLS[s][0]}",
    lambda v, s: f"{s}{plain(v)}",
    lambda v, s: f"{SYMBOLS[s][0]} {plain(v)}",  # held out
    lambda v, s: f"{plain(v)} {SYMBOLS[s][1]}",
    lambda v, s: f"{SYMBOLS[s][0]} {v:,.2f}",
    lambda v, s: f"{plain(v)} {SYMBOLS[s][0]}",
    lambda v, s: f"{v:.2f} {SYMBOLS[s][1]}",
    lambda v, s: f"{s} {v:,.2f}",
    lambda v, s: f"{v:,.2f} {SYMBOLS[s][1]}",  # held out
    lambda v, s: f"{v:.2f} {s}",
    lambda v, s: f"{plain(v)} {s}",
    lambda v, s: f"{v:.2f}",
    lambda v, s: plain(v),
]

INT_FORMS: list[Callable[[int], str]] = [
    str,
    lambda n: f"{n:,}",
    lambda n: number_words(n) if 1 < n < 100 else str(n),
    str,
]


def plain(value: float) -> str:
    """A number as Python's JSON writes it: no trailing zeros."""
    return str(int(value)) if value == int(value) else repr(value)


def tidy(value: float) -> int | float:
    """An integer where the number is whole, so that the text and the JSON agree."""
    return int(value) if value == int(value) else value


def make_date(rng: random.Random, split: Split) -> Value:
    """A date between 1940 and 2035; JSON is ISO 8601."""
    day = dt.date(1940, 1, 1) + dt.timedelta(days=rng.randrange(23_000))
    if rng.random() < 0.6:
        day = dt.date(2018, 1, 1) + dt.timedelta(days=rng.randrange(4_400))
    return Value(pick(rng, DATE_FORMS, split)(day), day.isoformat())


def make_money(rng: random.Random, split: Split) -> Value:
    """An amount with its currency; JSON is the bare number."""
    value = float(rng.choice([rng.randint(1, 99), rng.randint(100, 9_999), rng.randint(1, 90_000)]))
    if rng.random() < 0.5:
        value = round(value + rng.randint(1, 99) / 100, 2)
    symbol = rng.choice(list(SYMBOLS))
    return Value(pick(rng, MONEY_FORMS, split)(value, symbol), tidy(value))


def make_int(rng: random.Random, split: Split, low: int, high: int) -> Value:
    """An integer in [low, high], in digits or words; short numbers are as likely as long ones."""
    top = rng.choice([high, min(high, low + 100), min(high, low + 1_000)])
    number = rng.randint(low, top)
    return Value(pick(rng, INT_FORMS, split)(number), number)


def make_num(rng: random.Random, split: Split, low: float, high: float) -> Value:
    """A decimal number in [low, high] with up to two places."""
    del split
    value = tidy(round(rng.uniform(low, high), rng.choice([0, 1, 1, 2])))
    return Value(f"{value:,}" if rng.random() < 0.3 else str(value), value)


def make_time(rng: random.Random, split: Split) -> Value:
    """A time of day, asked back as written."""
    del split
    hour, minute = rng.randrange(24), rng.choice([0, 15, 30, 45, rng.randrange(60)])
    half = f"{(hour - 1) % 12 + 1}:{minute:02d} {'am' if hour < 12 else 'pm'}"
    text = rng.choice([f"{hour:02d}:{minute:02d}", f"{hour}:{minute:02d}", half])
    return Value(text, text)


def make_value(rng: random.Random, kind: str, split: Split) -> Value:
    """A value of a simple kind: a name kind, `int:LO:HI`, `num:LO:HI`, money, date or time."""
    head, *bounds = kind.split(":")
    if head in MAKERS:
        name = make_name(rng, head, split.entities)
        return Value(name, name)
    if head == "int":
        low, high = (int(bounds[0]), int(bounds[1])) if bounds else (1, 999)
        return make_int(rng, split, low, high)
    if head == "num":
        low_num, high_num = (float(bounds[0]), float(bounds[1])) if bounds else (0.0, 100.0)
        return make_num(rng, split, low_num, high_num)
    return {"date": make_date, "money": make_money, "time": make_time}[head](rng, split)


def make_list(rng: random.Random, kind: str, split: Split) -> Value:
    """Two to four values of one kind, joined as prose joins them."""
    values: list[Value] = []
    while len(values) < rng.choice([2, 2, 3, 4]):
        value = make_value(rng, kind, split)
        if value.text not in [known.text for known in values]:
            values.append(value)
    return Value(join(rng, [value.text for value in values]), [value.json for value in values])


def join(rng: random.Random, texts: list[str]) -> str:
    """Texts as prose joins them: commas or semicolons, with or without a last `and`."""
    if len(texts) == 1:
        return texts[0]
    roll = rng.random()
    if roll < 0.15:
        return "; ".join(texts)
    if roll < 0.3:
        return ", ".join(texts)
    comma = "," if roll < 0.45 and len(texts) > 2 else ""
    return ", ".join(texts[:-1]) + f"{comma} and {texts[-1]}"
