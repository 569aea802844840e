"""Measures a checkpoint: `python -m tether.decoding.builtin.evaluate DIR [--count 120] [-o FILE]`.

Rows are fresh documents of the generator at four distances from training; decoding is greedy.
Intervals treat leaves as independent, which they are not quite.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import get_args

import torch

from tether.decoding import models
from tether.decoding.builtin.asked import Mask, ask, mean
from tether.decoding.builtin.example_graph import example_world, renamed_world
from tether.decoding.builtin.extractive import extractive_grammar
from tether.decoding.builtin.generator.example import Example, Split
from tether.decoding.builtin.generator.json_task import make_json
from tether.decoding.builtin.generator.qa_task import Mode, make_qa
from tether.decoding.builtin.generator.sparql_task import ARBITRARY_SHARE, make_sparql
from tether.decoding.builtin.greedy import greedy
from tether.decoding.builtin.handwritten import handwritten
from tether.decoding.builtin.scores import MISSING, Share, leaf_hits, parse
from tether.decoding.models.base import Model
from tether.grammars.constraint import Constraint
from tether.grammars.engine import ENGINE_OPTIONS, EngineConstraint
from tether.grammars.json_schema import Bounds, json_schema
from tether.grammars.vocabulary import Vocabulary
from tether.types import Json

JSON_ROWS = {
    "training pool": (Split("train", 0.0), ""),
    "held-out entities": (Split("test", 0.0), ""),
    "mixed wordings": (Split("test", 1 / 6), ""),
    "every wording held out": (Split("test", 1.0), ""),
    "arbitrary keys": (Split("test", 0.0), "misc"),
    "arbitrary keys, every wording held out": (Split("test", 1.0), "misc"),
}
SPARQL_ROWS = {
    "held-out entities, example graph alone": (Split("test", 0.0), 0.0),
    "held-out entities": (Split("test", 0.0), ARBITRARY_SHARE),
    "held-out wordings": (Split("train", 1.0), ARBITRARY_SHARE),
    "both": (Split("test", 1.0), ARBITRARY_SHARE),
}
"""The share of made-up predicates stands beside the split: none is in the example graph."""
GRAPH_ROWS = {
    "the example graph itself": ("example", Split("train", 0.0)),
    "held-out entities": ("renamed", Split("test", 0.0)),
    "held-out wordings": ("renamed", Split("train", 1.0)),
}
"""Which graph knows the names of the questions; `renamed`: the example's shape, fresh names."""
GRAPH_MASKS: tuple[tuple[Mask, str], ...] = (("none", ""), ("nonempty", ""), ("nonempty", "link"))
"""What holds the query and what links its names; the last one is what `tether sparql` does."""
GRAPH_COUNT = 300
HANDWRITTEN = "written by hand, unseen"
MASKS = ("none", "schema", "extractive")
JSON_LIMIT, SHORT_LIMIT = 320, 96
Row = dict[str, Json]


def constraints(
    examples: Sequence[Example], mask: str, vocabulary: Vocabulary
) -> list[Constraint] | None:
    """One constraint for each document, or None without a mask."""
    if mask == "none":
        return None
    schemas = [example.schema or {} for example in examples]
    if mask == "schema":
        return [json_schema(schema, vocabulary, bounds=Bounds()) for schema in schemas]
    pairs = zip(schemas, examples, strict=True)
    texts = [extractive_grammar(schema, example.text) for schema, example in pairs]
    return [EngineConstraint(ENGINE_OPTIONS + text, vocabulary) for text in texts]


def gold_of(example: Example) -> str:
    """The answer without its end token."""
    return example.answer.removesuffix("<|end|>")


def leaf_share(pairs: Sequence[tuple[Example, str]]) -> Share:
    """Leaf fields exact over documents and their answers."""
    counts = [leaf_hits(json.loads(gold_of(e)), parse(answer)) for e, answer in pairs]
    return Share(sum(hits for hits, _ in counts), sum(total for _, total in counts))


def json_row(model: Model, examples: list[Example], name: str, mask: str) -> Row:
    """Leaf fields, whole objects and parse rate of one row under one mask."""
    masks = constraints(examples, mask, model.vocabulary)
    answers = greedy(model, [example.prompt for example in examples], masks, JSON_LIMIT)
    pairs = list(zip(examples, answers, strict=True))
    whole = sum(hits == total for hits, total in
                (leaf_hits(json.loads(gold_of(e)), parse(a)) for e, a in pairs))  # fmt: skip
    parsed = sum(parse(answer) is not MISSING for answer in answers)
    fields = leaf_share(pairs)
    print(f"| {name} | {mask} | {parsed / len(pairs):.3f} | {fields} | {whole / len(pairs):.3f} |",
          flush=True)  # fmt: skip
    kinds = sorted({example.kind for example in examples})
    by_kind = {
        k: leaf_share([pair for pair in pairs if pair[0].kind == k]).as_json() for k in kinds
    }
    return {
        "row": name,
        "mask": mask,
        "parses": Share(parsed, len(pairs)).as_json(),
        "leaf_fields": fields.as_json(),
        "whole": Share(whole, len(pairs)).as_json(),
        "by_domain": dict(by_kind),
        "wrong": wrong(pairs, 8),
    }


def wrong(pairs: Sequence[tuple[Example, str]], most: int) -> list[Json]:
    """The first few wrong answers, for the eye."""
    bad = [(e, a) for e, a in pairs if a != gold_of(e)]
    return [{"prompt": e.prompt, "gold": gold_of(e), "answer": a} for e, a in bad[:most]]


def exact_row(model: Model, examples: list[Example], task: str, name: str) -> Row:
    """Exact answers of one row; for questions also how often memory was answered."""
    answers = greedy(model, [example.prompt for example in examples], None, SHORT_LIMIT)
    pairs = list(zip(examples, answers, strict=True))
    exact = Share(sum(a == gold_of(e) for e, a in pairs), len(pairs))
    memory = Share(sum(a == e.memory for e, a in pairs if e.memory), len(pairs))
    said = memory if task == "qa" and name.startswith("contradict") else ""
    print(f"| {task}: {name} | {exact} | {said} |", flush=True)
    return {
        "task": task,
        "row": name,
        "exact": exact.as_json(),
        "memory": memory.as_json(),
        "wrong": wrong(pairs, 8),
    }


def documents(seed: str, count: int, make: Callable[[random.Random], Example]) -> list[Example]:
    """`count` documents of a stream of their own."""
    rng = random.Random(seed)
    return [make(rng) for _ in range(count)]


def json_rows(model: Model, count: int, seed: int) -> list[Json]:
    """The JSON table."""
    print("\n| text -> JSON | mask | parses | leaf fields exact | whole object |")
    print("|---|---|---|---|---|")
    rows: list[Json] = []
    for name, (split, kind) in JSON_ROWS.items():
        examples = documents(
            f"{seed} json {name}", count, partial(make_json, split=split, kind=kind)
        )
        rows.extend(json_row(model, examples, name, mask) for mask in MASKS)
    rows.extend(json_row(model, handwritten()["json"], HANDWRITTEN, mask) for mask in MASKS)
    return rows


def short_rows(model: Model, count: int, seed: int) -> list[Json]:
    """The SPARQL and the question rows."""
    print("\n| row | exact | memory answered |\n|---|---|---|")
    rows: list[Json] = []
    for name, (split, arbitrary) in SPARQL_ROWS.items():
        make = partial(make_sparql, split=split, arbitrary=arbitrary)
        examples = documents(f"{seed} sparql {name}", count, make)
        rows.append(exact_row(model, examples, "sparql", name))
    for mode in get_args(Mode):
        for held in (0.0, 1.0):
            name = f"{mode}{', every wording held out' if held else ''}"
            split = Split("test", held)
            examples = documents(
                f"{seed} qa {name}", count, partial(make_qa, split=split, mode=mode)
            )
            rows.append(exact_row(model, examples, "qa", name))
    for task in ("sparql", "qa"):
        rows.append(exact_row(model, handwritten()[task], task, HANDWRITTEN))
    return rows


def graph_rows(model: Model, count: int, seed: int) -> list[Json]:
    """Questions over a graph that knows their names: exact, and what their answers are worth."""
    print("\n| questions over a graph | held by | links | exact | F1 of answers |")
    print("|---|---|---|---|---|")
    rows: list[Json] = []
    for name, (kind, split) in GRAPH_ROWS.items():
        with tempfile.TemporaryDirectory() as folder:
            key, path = f"{seed} graph {name}", Path(folder) / "world"
            world = example_world(path) if kind == "example" else renamed_world(path, key, split)
            asked = world.questions(key, count, split)
            for mask, ground in GRAPH_MASKS:
                done = ask(model, world, asked, mask, [ground] if ground else [])
                exact = Share(sum(one.is_exact for one in done), count)
                worth = round(mean(one.f1 for one in done), 3)
                print(f"| {name} | {mask} | {ground} | {exact} | {worth:.3f} |", flush=True)
                bad = [one for one in done if not one.is_exact]
                rows.append({
                    "row": name, "mask": mask, "linked": bool(ground), "exact": exact.as_json(),
                    "f1": worth, "wrong": wrong([(one.example, one.query) for one in bad], 8),
                })  # fmt: skip
            world.graph.close()
    return rows


def main() -> None:
    """Reads the flags, prints the tables, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, help="a checkpoint directory")
    parser.add_argument("--count", type=int, default=120)
    parser.add_argument("--graph-count", type=int, default=GRAPH_COUNT)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("-o", "--out", type=Path)
    flags = parser.parse_args()
    torch.set_num_threads(flags.threads)
    model = models.load(str(flags.model), dtype="float32")
    report: dict[str, Json] = {
        "count": flags.count,
        "seed": flags.seed,
        "json": json_rows(model, flags.count, flags.seed),
        "short": short_rows(model, flags.count, flags.seed),
        "graph_count": flags.graph_count,
        "graph": graph_rows(model, flags.graph_count, flags.seed),
    }
    if flags.out:
        flags.out.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
