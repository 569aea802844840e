"""Text -> JSON documents: facts in shuffled sentences, and a schema that asks for some."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace

from tether.decoding.builtin.generator.clauses import Cast, joined, later_name
from tether.decoding.builtin.generator.example import TRAIN, Example, Split, pick
from tether.decoding.builtin.generator.facts import KEEP, Fact, distinct, make_fact, named
from tether.decoding.builtin.generator.fields import Field, json_schema, short_line
from tether.decoding.builtin.generator.frames import compatible, fixed_values, framed_facts
from tether.decoding.builtin.generator.layouts import STYLES, prose
from tether.decoding.builtin.generator.misc import absent_fact, misc_facts
from tether.decoding.builtin.generator.rivals import enveloped, rival_sentences
from tether.decoding.builtin.generator.values import Value, make_value
from tether.decoding.builtin.generator.wordings import Domain, domains, generic
from tether.types import Json

MISC_SHARE = 0.3
FRAME_SHARE = 0.5
FORM_SHARE = 0.22
RIVAL_SHARE = 0.25
ENVELOPE_SHARE = 0.2
SIZES = [8, 14, 18, 18, 14, 12, 9, 7]


def compact(value: Json) -> str:
    """The one way an answer is written: no spaces, no ASCII escapes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def number_of_facts(rng: random.Random, most: int) -> int:
    """One to eight facts, three to four most often."""
    return rng.choices(range(1, most + 1), SIZES[:most])[0]


def resolve(rng: random.Random, sentence: str, name: str, own: str) -> str:
    """The sentence with `{it}` as `name`, a capital in front, and a stop at its end."""
    text = sentence.replace("{it}", name)
    by_name = sentence.startswith("{it}") and name == own
    if not by_name and not text.startswith(KEEP) and rng.random() < 0.95:
        text = text[:1].upper() + text[1:]
    text = text.removeprefix(KEEP)
    ended = text.endswith("\n") or text.rstrip()[-1:] in ".!?:;"
    return text if ended else text + rng.choice([".", ".", ";", "\n"])


def absent_field(
    rng: random.Random, domain: Domain, facts: Sequence[Fact], split: Split
) -> tuple[Field, str] | None:
    """A field that the text does not fill, and perhaps a sentence that says so."""
    taken = {fact.key.lower() for fact in facts} | {fact.origin for fact in facts}
    free = [
        table
        for table in domain.fields[1:]
        if table.kind not in ("items", "object")
        and table.key not in taken
        and compatible(domain, table.key, taken)
    ]
    if not free:
        return None
    fact = make_fact(rng, rng.choice(free), split)
    if fact.key.lower() in taken:
        return None
    nullable = rng.random() < 0.5
    said = ""
    if fact.shape.base != "bool" and rng.random() < 0.5:
        said = named(pick(rng, generic().absent, split), fact.noun)
    return fact.as_field(optional=not nullable, nullable=nullable), said


def domain_facts(
    rng: random.Random, domain: Domain, most: int, split: Split, subject: Value
) -> list[Fact]:
    """Facts of a domain; the main entity is the first of them in seven documents of ten."""
    count = number_of_facts(rng, most)
    tables = rng.sample(domain.fields[1:], min(count, len(domain.fields) - 1))
    fixed = fixed_values(rng, domain, subject, split)
    facts: list[Fact] = []
    if domain.frames and rng.random() < FRAME_SHARE:
        facts = framed_facts(rng, domain, most, split, fixed)
    stated = {fact.origin for fact in facts}
    if domain.fields[0].key not in stated and len(facts) < most and rng.random() < 0.7:
        facts.insert(0, make_fact(rng, domain.fields[0], split, subject))
    for table in tables:
        if len(facts) >= count:
            break
        if table.key not in stated and compatible(domain, table.key, stated):
            facts.append(make_fact(rng, table, split, fixed.get(table.key)))
            stated.add(table.key)
    return distinct(facts or [make_fact(rng, domain.fields[0], split, subject)])


def ask(rng: random.Random, facts: Sequence[Fact]) -> list[tuple[Field, Json]]:
    """The fields a schema asks for, some marked as ones that might be missing."""
    share = rng.choice([1.0, 1.0, 0.75, 0.5])
    asked = [fact for fact in facts if rng.random() < share] or [rng.choice(facts)]
    pairs = []
    for fact in asked:
        roll = rng.random()
        pairs.append((fact.as_field(optional=roll < 0.08, nullable=0.08 <= roll < 0.14), fact.json))
    return pairs


def sentences_of(
    rng: random.Random, facts: Sequence[Fact], cast: Cast, extra: Sequence[str]
) -> list[str]:
    """The facts' sentences, some joined, with the extra ones between; first mention by name."""
    flat = joined(rng, [text for fact in facts for text in fact.sentences], cast.relative)
    for said in extra[1:]:
        flat.insert(rng.randint(0, len(flat)), said)
    flat = [text for text in [*extra[:1], *flat] if text]
    result, mentioned = [], False
    for sentence in flat:
        name = later_name(rng, sentence, cast) if mentioned else cast.name
        result.append(resolve(rng, sentence, name, cast.name))
        mentioned = mentioned or "{it}" in sentence or cast.name in sentence
    return result


def body(rng: random.Random, facts: list[Fact], cast: Cast, extra: list[str], split: Split) -> str:
    """The document's text: a form of some kind, a list or prose."""
    if split.held < 1 and rng.random() < FORM_SHARE:
        shares = [share for _, share in STYLES.values()]
        layout, _ = rng.choices(list(STYLES.values()), shares)[0]
        head = [resolve(rng, text, cast.name, cast.name).strip() for text in extra if text]
        return "\n".join(head + layout(rng, facts))
    style = "list" if rng.random() < 0.1 else "prose"
    return prose(rng, sentences_of(rng, facts, cast, extra), style)


def dressed(
    rng: random.Random, facts: list[Fact], cast: Cast, extra: list[str], split: Split
) -> str:
    """The text with values beside the point, and perhaps a letter around it."""
    if rng.random() < RIVAL_SHARE:
        rivals = rival_sentences(rng, facts, rng.choice([1, 1, 2]), split)
        cast = replace(cast, pronoun="") if rivals else cast
        extra = [*extra, *rivals]
    text = body(rng, facts, cast, extra, split)
    return enveloped(rng, text, split) if rng.random() < ENVELOPE_SHARE else text


def around(rng: random.Random, lead_ins: Sequence[str], fillers: Sequence[str], split: Split,
           said: str) -> list[str]:  # fmt: skip
    """A lead-in (or an empty string), then what is said to be missing, then fillers."""
    lead = pick(rng, lead_ins, split) if lead_ins and rng.random() < 0.3 else ""
    extra = [lead, said] if said else [lead]
    for _ in range(rng.choice([0, 0, 0, 0, 1, 1, 2, 3])):
        filler = pick(rng, fillers, split)
        extra += [] if filler in extra else [filler]
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


def domain_example(rng: random.Random, domain: Domain, most: int, split: Split) -> Example:
    """A document of one domain."""
    subject = make_value(rng, domain.subject, split)
    facts = domain_facts(rng, domain, most, split, subject)
    missing = absent_field(rng, domain, facts, split) if rng.random() < 0.2 else None
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
    relative = "who" if domain.subject == "person" else "which"
    cast = Cast(subject.text, domain.nouns[:6], rng.choice(domain.pronouns), relative)
    text = (body if missing else dressed)(rng, shuffled, cast, extra, split)
    pairs = ask(rng, facts)
    if missing:
        pairs.append((missing[0], None))
    return finish(rng, text, pairs, facts, domain.name)


def misc_example(rng: random.Random, most: int, split: Split) -> Example:
    """A document of arbitrary keys worded by generic patterns."""
    facts = distinct(misc_facts(rng, number_of_facts(rng, most), split))
    missing = absent_fact(rng, facts, split) if rng.random() < 0.2 else None
    common = generic()
    said = ""
    if missing and rng.random() < 0.5:
        said = named(pick(rng, common.absent, split), missing.noun)
    extra = around(rng, common.lead_ins, common.fillers, split, said)
    cast = Cast("it")
    text = (body if missing else dressed)(rng, facts, cast, extra, split)
    pairs = ask(rng, facts)
    if missing:
        nullable = rng.random() < 0.5
        pairs.append((missing.as_field(optional=not nullable, nullable=nullable), None))
    return finish(rng, text, pairs, facts, "misc")


def make_json(rng: random.Random, split: Split = TRAIN, most: int = 8, kind: str = "") -> Example:
    """One text -> JSON document of at most `most` facts; `kind` fixes the domain."""
    if kind == "misc" or (not kind and (rng.random() < MISC_SHARE or not domains())):
        return misc_example(rng, most, split)
    chosen = [domain for domain in domains() if domain.name == kind]
    return domain_example(rng, chosen[0] if chosen else rng.choice(domains()), most, split)
