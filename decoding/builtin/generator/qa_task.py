"""Grounded question answering: a small memorised world, and passages about fresh entities."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from tether.decoding.builtin.generator.example import TRAIN, Example, Split, pick
from tether.decoding.builtin.generator.misc import arbitrary_noun
from tether.decoding.builtin.generator.names import make_name
from tether.decoding.builtin.generator.wordings import read_table, strings

Mode = Literal["closed", "irrelevant", "beside", "fresh", "agree", "contradict"]
TRAIN_MODES: list[Mode] = ["closed", "irrelevant", "fresh", "fresh", "agree", "agree"]
WORLD_SEED = 20_26
SUBJECTS = 36
MEMORISED_RELATIONS = 4
GENERIC_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation's wordings; `object_values` is the closed pool of answers, if it has one."""

    key: str
    memory: bool
    subject_kind: str
    object_kind: str
    object_values: tuple[str, ...]
    nouns: tuple[str, ...]
    statements: tuple[str, ...]
    questions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Triple:
    """One fact of the world: `answer` is the `relation` of `subject`."""

    relation: Relation
    subject: str
    answer: str


def relation_of(table: Mapping[str, Any]) -> Relation:
    """A `[[relation]]` entry."""
    return Relation(
        table["key"],
        bool(table.get("memory", False)),
        table["subject_kind"],
        table["object_kind"],
        *(strings(table, key) for key in ("object_values", "nouns", "statements", "questions")),
    )


@cache
def qa_table() -> dict[str, Any]:
    """`wordings/qa.toml` as read."""
    return read_table("qa.toml")


@cache
def relations() -> tuple[Relation, ...]:
    """Every relation of the table."""
    return tuple(relation_of(table) for table in qa_table()["relation"])


def new_answer(rng: random.Random, relation: Relation, split: Split) -> str:
    """A fresh object of the relation, on the split's side where its kind has endless names."""
    if relation.object_values:
        return rng.choice(relation.object_values)
    return make_name(rng, relation.object_kind, split.entities)


@cache
def world() -> tuple[Triple, ...]:
    """The 144 memorised facts: 36 subjects for each of four relations, always the same."""
    rng = random.Random(WORLD_SEED)
    facts: dict[tuple[str, str], Triple] = {}
    for relation in [r for r in relations() if r.memory][:MEMORISED_RELATIONS]:
        while sum(1 for key, _ in facts if key == relation.key) < SUBJECTS:
            subject = make_name(rng, relation.subject_kind, "train")
            facts[relation.key, subject] = Triple(
                relation, subject, new_answer(rng, relation, TRAIN)
            )
    return tuple(facts.values())


def fresh(rng: random.Random, split: Split, relation: Relation | None = None) -> Triple:
    """A fact about an entity outside the memorised world."""
    known = {fact.subject for fact in world()}
    relation = relation or rng.choice(relations())
    while True:
        subject = make_name(rng, relation.subject_kind, split.entities)
        if subject not in known:
            return Triple(relation, subject, new_answer(rng, relation, split))


def worded(rng: random.Random, fact: Triple, form: str, split: Split) -> str:
    """`fact` as a statement or a question (`form` names the list); some are generic ones."""
    common = strings(qa_table(), f"generic_{form}")
    own = fact.relation.statements if form == "statements" else fact.relation.questions
    options = common if common and rng.random() < GENERIC_SHARE else own
    text = pick(rng, options, split).replace("{noun}", rng.choice(fact.relation.nouns or ("name",)))
    capital = not text.startswith(("{s}", "{o}"))
    text = text.replace("{s}", fact.subject).replace("{o}", fact.answer)
    return text[:1].upper() + text[1:] if capital else text


def distractors(rng: random.Random, fact: Triple, count: int, split: Split) -> list[str]:
    """`count` sentences that do not answer the question; half are of the same relation."""
    irrelevant = strings(qa_table(), "irrelevant")
    sentences = []
    for _ in range(count):
        roll = rng.random()
        if irrelevant and roll < 0.2:
            sentences.append(pick(rng, irrelevant, split))
            continue
        other = fresh(rng, split, fact.relation if roll < 0.6 else None)
        if other.subject != fact.subject and other.answer != fact.answer:
            sentences.append(worded(rng, other, "statements", split))
    return sentences


def passages(rng: random.Random, fact: Triple, stated: str | None, split: Split) -> str:
    """One to four sentences; one of them states `stated` as the answer unless it is None."""
    count = rng.choice([0, 0, 1, 1, 2, 3]) if stated is not None else rng.choice([1, 1, 2, 3])
    sentences = distractors(rng, fact, count, split)
    if stated is not None:
        said = worded(rng, Triple(fact.relation, fact.subject, stated), "statements", split)
        sentences.insert(rng.randint(0, len(sentences)), said)
    if not sentences:
        sentences = distractors(rng, fact, 1, split)
    return rng.choice([" ", " ", "\n"]).join(sentences)


def beside(rng: random.Random, fact: Triple, split: Split) -> str:
    """Passages that say something else about the subject, and nothing about what is asked."""
    noun = arbitrary_noun(rng, split)
    while noun in fact.relation.nouns:
        noun = arbitrary_noun(rng, split)
    said = pick(rng, strings(qa_table(), "generic_statements"), split).replace("{noun}", noun)
    said = said.replace("{s}", fact.subject).replace("{o}", new_answer(rng, fact.relation, split))
    sentences = distractors(rng, fact, rng.choice([0, 0, 1, 2]), split)
    sentences.insert(rng.randint(0, len(sentences)), said)
    return rng.choice([" ", " ", "\n"]).join(sentences)


def make_qa(rng: random.Random, split: Split = TRAIN, mode: Mode | None = None) -> Example:
    """One question; `contradict` states another answer than memory's and takes it as gold."""
    chosen: Mode = rng.choice(TRAIN_MODES) if mode is None else mode
    fact = fresh(rng, split) if chosen == "fresh" else rng.choice(world())
    gold, text = fact.answer, ""
    if chosen == "contradict":
        while gold == fact.answer:
            gold = new_answer(rng, fact.relation, split)
    if chosen == "beside":
        text = beside(rng, fact, split)
    elif chosen != "closed":
        text = passages(rng, fact, None if chosen == "irrelevant" else gold, split)
    question = worded(rng, fact, "questions", split)
    document = f"<|doc|>{text}" if text else ""
    memory = fact.answer if chosen != "fresh" else ""
    return Example("qa", f"{document}<|ask|>{question}<|out|>", gold + "<|end|>", None, text,
                   (fact.subject, gold), chosen, memory)  # fmt: skip
