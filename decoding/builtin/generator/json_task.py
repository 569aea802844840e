"""Text -> JSON documents: facts in shuffled sentences, and a schema that asks for some."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence

from tether.decoding.builtin.generator.example import TRAIN, Example, Split, pick
from tether.decoding.builtin.generator.facts import KEEP, Fact, make_fact
from tether.decoding.builtin.generator.fields import Field, json_schema, short_line
from tether.decoding.builtin.generator.misc import misc_facts
from tether.decoding.builtin.generator.values import Value, make_value
from tether.decoding.builtin.generator.wordings import Domain, domains, generic
from tether.types import Json

MISC_SHARE = 0.2
MISSING_SHARE, OPTIONAL_SHARE, NULLABLE_SHARE = 0.2, 0.08, 0.06
SIZES = [8, 14, 18, 18, 14, 12, 9, 7]


def compact(value: Json) -> str:
    """The one way an answer is written: no spaces, no ASCII escapes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def number_of_facts(rng: random.Random, most: int) -> int:
    """One to eight facts, three to four most often."""
    return rng.choices(range(1, most + 1), SIZES[:most])[0]


def distinct(facts: Sequence[Fact]) -> list[Fact]:
    """The facts without those that repeat a key or a value of an earlier one."""
    kept: list[Fact] = []
    for fact in facts:
        keys = {other.key.lower() for other in kept}
        texts = {text for other in kept for text in other.texts}
        if fact.key.lower() not in keys and not texts.intersection(fact.texts):
            kept.append(fact)
    return kept


def resolve(rng: random.Random, sentence: str, names: Sequence[str]) -> str:
    """The sentence with `{it}` as one of `names`, a capital in front, and a stop at its end."""
    name = rng.choice(names)
    text = sentence.replace("{it}", name)
    by_name = sentence.startswith("{it}") and name == names[0]
    if not by_name and not text.startswith(KEEP) and rng.random() < 0.95:
        text = text[:1].upper() + text[1:]
    text = text.removeprefix(KEEP)
    return text if text.rstrip()[-1:] in ".!?:;" else text + rng.choice([".", ".", ";", "\n"])


def prose(rng: random.Random, sentences: Sequence[str], style: str) -> str:
    """Sentences in one paragraph, in lines, or in a markdown list."""
    if style == "list":
        return "\n".join(f"- {sentence.strip()}" for sentence in sentences)
    space = "\n" if rng.random() < 0.12 else " "
    return re.sub(r"\n ", "\n", space.join(s.rstrip(" ") for s in sentences)).strip()


def form(rng: random.Random, facts: Sequence[Fact]) -> list[str]:
    """Form lines: `Date of birth: 3 May 2020`, in one style for the document."""
    mark = rng.choice(["", "", "- ", "* "])
    sign = rng.choice([": ", ": ", " = ", " - ", " | "])
    bold = "**" if mark and rng.random() < 0.3 else ""
    upper = rng.random() < 0.6
    lines = []
    for fact in facts:
        noun = fact.noun[:1].upper() + fact.noun[1:] if upper else fact.noun
        lines.append(f"{mark}{bold}{noun}{bold}{sign}{fact.line}")
    return lines


def absent_field(
    rng: random.Random, domain: Domain, facts: Sequence[Fact], split: Split
) -> tuple[Field, str] | None:
    """A field that the text does not fill, and perhaps a sentence that says so."""
    taken = {fact.key.lower() for fact in facts} | {fact.origin for fact in facts}
    free = [
        table
        for table in domain.fields[1:]
        if table.kind not in ("items", "object") and table.key not in taken
    ]
    if not free:
        return None
    fact = make_fact(rng, rng.choice(free), split)
    if fact.key.lower() in taken:
        return None
    nullable = rng.random() < 0.5
    said = ""
    if rng.random() < 0.5:
        said = pick(rng, generic().absent, split).replace("{noun}", fact.noun)
    return fact.as_field(optional=not nullable, nullable=nullable), said


def domain_facts(
    rng: random.Random, domain: Domain, most: int, split: Split, subject: Value
) -> list[Fact]:
    """Facts of a domain; the main entity is the first of them in seven documents of ten."""
    count = number_of_facts(rng, most)
    tables = rng.sample(domain.fields[1:], min(count, len(domain.fields) - 1))
    facts = [make_fact(rng, table, split) for table in tables]
    if rng.random() < 0.7:
        facts = [make_fact(rng, domain.fields[0], split, subject), *facts[: max(0, count - 1)]]
    return distinct(facts)


def ask(rng: random.Random, facts: Sequence[Fact], doubt: float) -> list[tuple[Field, Json]]:
    """The fields a schema asks for, some marked as ones that might be missing."""
    share = rng.choice([1.0, 1.0, 0.75, 0.5])
    asked = [fact for fact in facts if rng.random() < share] or [rng.choice(facts)]
    pairs = []
    for fact in asked:
        roll = rng.random() / doubt
        optional, nullable = roll < OPTIONAL_SHARE, 0 <= roll - OPTIONAL_SHARE < NULLABLE_SHARE
        pairs.append((fact.as_field(optional=optional, nullable=nullable), fact.json))
    return pairs


def body(
    rng: random.Random, facts: list[Fact], names: Sequence[str], extra: list[str], split: Split
) -> str:
    """The document's text: forms, lists or prose; the first mention is by name."""
    style = rng.choices(["prose", "form", "list"], [78, 13, 9])[0]
    if style == "form" and split.held < 1:
        lines = form(rng, facts)
        head = [resolve(rng, s, names[:1]).strip() for s in extra if s]
        return "\n".join(head + lines)
    sentences: list[str] = []
    groups = [fact.sentences for fact in facts]
    for said in extra[1:]:
        groups.insert(rng.randint(0, len(groups)), [said])
    flat = [s for s in extra[:1] if s] + [s for group in groups for s in group if s]
    mentioned = False
    for sentence in flat:
        sentences.append(resolve(rng, sentence, names if mentioned else names[:1]))
        mentioned = mentioned or "{it}" in sentence
    return prose(rng, sentences, style)


def around(rng: random.Random, lead_ins: Sequence[str], fillers: Sequence[str], split: Split,
           said: str) -> list[str]:  # fmt: skip
    """A lead-in (or an empty string), then what is said to be missing, then fillers."""
    lead = pick(rng, lead_ins, split) if lead_ins and rng.random() < 0.3 else ""
    extra = [lead, said] if said else [lead]
    for _ in range(rng.choice([0, 0, 0, 0, 1, 1, 2, 3])):
        extra.append(pick(rng, fillers, split))
    return extra


def finish(
    rng: random.Random, text: str, pairs: list[tuple[Field, Json]], facts: Sequence[Fact], name: str
) -> Example:
    """The example: schema line, answer in schema order, schema."""
    if rng.random() < 0.8:
        rng.shuffle(pairs)
    fields = [field for field, _ in pairs]
    answer: dict[str, Json] = {}
    for field, value in pairs:
        if value is not None or not field.optional:
            answer[field.key] = value
    prompt = f"<|doc|>{text}<|json|>{short_line(fields)}<|out|>"
    entities = tuple(text for fact in facts for text in fact.texts)
    return Example("json", prompt, compact(answer) + "<|end|>", json_schema(fields), text,
                   entities, name)  # fmt: skip


def domain_example(
    rng: random.Random, domain: Domain, most: int, split: Split, doubt: float
) -> Example:
    """A document of one domain."""
    subject = make_value(rng, domain.subject, split)
    facts = domain_facts(rng, domain, most, split, subject)
    absent = rng.random() < MISSING_SHARE * doubt
    missing = absent_field(rng, domain, facts, split) if absent else None
    common = generic()
    own = rng.random() < 0.6
    extra = around(
        rng,
        domain.lead_ins if own else common.lead_ins,
        domain.fillers if rng.random() < 0.6 else common.fillers,
        split,
        missing[1] if missing else "",
    )
    shuffled = facts[:]
    if rng.random() < 0.6:
        rng.shuffle(shuffled)
    text = body(rng, shuffled, [subject.text, *domain.nouns[:6], subject.text], extra, split)
    pairs = ask(rng, facts, doubt)
    if missing:
        pairs.append((missing[0], None))
    return finish(rng, text, pairs, facts, domain.name)


def misc_example(rng: random.Random, most: int, split: Split, doubt: float) -> Example:
    """A document of arbitrary keys worded by generic patterns."""
    facts = distinct(misc_facts(rng, number_of_facts(rng, most), split))
    common = generic()
    extra = around(rng, common.lead_ins, common.fillers, split, "")
    extra = [text.replace("{it}", "this") for text in extra]
    text = body(rng, facts, ["it"], extra, split)
    return finish(rng, text, ask(rng, facts, doubt), facts, "misc")


def make_json(
    rng: random.Random, split: Split = TRAIN, most: int = 8, kind: str = "", doubt: float = 1.0
) -> Example:
    """One text -> JSON document of at most `most` facts.

    `kind` fixes the domain; `doubt` times as many fields may be missing as in the evaluation.
    """
    if kind == "misc" or (not kind and (rng.random() < MISC_SHARE or not domains())):
        return misc_example(rng, most, split, doubt)
    chosen = [domain for domain in domains() if domain.name == kind]
    domain = chosen[0] if chosen else rng.choice(domains())
    return domain_example(rng, domain, most, split, doubt)
