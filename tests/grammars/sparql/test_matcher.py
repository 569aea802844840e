"""Queries over a graph: they parse and return rows; masks equal those of trying everything."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyoxigraph
import pytest
import query_walks
from tiny_graph import Fact, TinyGraph

from tether.errors import DeadEnd, UsageError
from tether.grammars import laws
from tether.grammars.constraint import Constraint
from tether.grammars.sparql import sparql
from tether.grammars.sparql.compile import GraphConstraint, is_open
from tether.grammars.sparql.text import parse
from tether.grammars.vocabulary import Vocabulary
from tether.grounding.graph.build import build
from tether.grounding.graph.graph import Graph
from tether.grounding.graph.reading import Source

ROOT = Path(__file__).resolve().parents[3]
PREFIXES = {"": "http://x#"}
FACTS: list[Fact] = [
    (":a", ":p", ":b"), (":b", ":p", ":c"), (":c", ":q", ":a"), (":b", "a", ":C"),
    (":a", ":label", '"the name"'), (":b", ":label", '"the"@en'), (":c", ":n", "12"),
    (":d", ":n", "7"), (":d", ":pq", ":d"),
]  # fmt: skip
TRIANGLE: list[Fact] = [
    (f":n{i}{k}", ":to", f":n{(i + 1) % 3}{k if i < 2 else 1 - k}")
    for k in range(2)
    for i in range(3)
]
"""Every node has a way in and a way out, and no three of them close a ring."""


@pytest.fixture(scope="module", name="vocabulary")
def _vocabulary() -> Vocabulary:
    longer = [b" ?", b"SELECT", b" WHERE", b" {", b" }", b" :", b"(?", b"))", b" .", b'"the', b" a"]
    tokens = [b"<eos>", *(bytes([i]) for i in range(256)), *longer]
    return Vocabulary.from_tokens(tokens, eos_id=0)


@pytest.fixture(scope="module", name="shipped")
def _shipped() -> Vocabulary:
    return Vocabulary.from_file(ROOT / "decoding/builtin/model")


def tiny(facts: Sequence[Fact], vocabulary: Vocabulary) -> TinyGraph:
    return TinyGraph(facts, vocabulary, PREFIXES)


def built(folder: Path, paths: Sequence[Path]) -> Graph:
    build(folder, Source(paths))
    return Graph.open(folder)


def write(constraint: Constraint, seed: int, limit: int = 90) -> str | None:
    """A query of uniformly random choices; None where one met its end without an end."""
    dice, matcher = random.Random(seed), constraint.start()
    matcher.limit(limit)
    mask = np.zeros(constraint.vocabulary.num_words, np.int32)
    tokens: list[int] = []
    while not matcher.ended and len(tokens) <= limit:
        if not (run := matcher.forced()):
            matcher.fill_mask(mask)
            allowed = np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little"))
            ends = matcher.can_end and dice.random() < 0.5
            run = [constraint.vocabulary.eos_id if ends else int(dice.choice(allowed))]
        for token in run:
            matcher.advance(token)
            tokens.append(token)
        if back := matcher.retreat():
            del tokens[-back:]
    assert matcher.ended
    return constraint.vocabulary.decode(tokens)


def read(constraint: Constraint, text: str) -> str:
    """As much of a text as the constraint takes."""
    tokens = constraint.vocabulary.encode(text)
    return constraint.vocabulary.decode(tokens[: constraint.start().prefix_length(tokens)])


@pytest.mark.parametrize("facts", [FACTS, TRIANGLE], ids=["few", "triangle"])
def test_random_queries_of_small_graphs_return_rows(
    vocabulary: Vocabulary, facts: list[Fact]
) -> None:
    graph = tiny(facts, vocabulary)
    constraint = sparql(vocabulary, graph=graph)
    assert isinstance(constraint, GraphConstraint)
    forced = 0
    for seed in range(8):
        text = write(constraint, seed, 80)
        assert text is not None
        assert constraint.validate(text) is None, text
        if not is_open(text):
            forced += 1
            assert graph.ask(constraint.declared(text)) is True, text
    assert forced >= 2


def test_random_queries_of_ck25_return_rows(
    shared: Path, shipped: Vocabulary, tmp_path: Path, whole: bool
) -> None:
    graph = built(tmp_path / "ck25", sorted((shared / "ck25").glob("*.ttl")))
    look = graph.lookup(shipped.key, shipped.encode)
    constraint = sparql(shipped, graph=look)
    assert isinstance(constraint, GraphConstraint)
    try:
        for seed in range(10_000 if whole else 8):
            text = write(constraint, seed)
            assert text is not None
            assert constraint.validate(text) is None, text
            verdict = constraint.verdict(text)
            assert is_open(text) or verdict.reached == "nonempty" or verdict.is_late, text
    finally:
        graph.close()


def test_random_queries_of_rings_return_rows(
    shipped: Vocabulary, tmp_path: Path, whole: bool
) -> None:
    """Cycles of every length, and a triangle that every node could be part of and none is."""
    data = tmp_path / "rings.ttl"
    data.write_text("".join(query_walks.rings(1500 if whole else 40)))
    graph = built(tmp_path / "rings", [data])
    constraint = sparql(shipped, graph=graph.lookup(shipped.key, shipped.encode))
    assert isinstance(constraint, GraphConstraint)
    closing = "SELECT ?a WHERE { ?a :p ?b . ?b :q ?c . ?c :r ?a }"
    try:
        assert read(constraint, closing) == closing[: -len(" }")]  # only a longer name goes on
        for seed in range(10_000 if whole else 6):
            text = query_walks.query(constraint, seed)
            assert constraint.validate(text) is None, text
            verdict = constraint.verdict(text)
            assert is_open(text) or verdict.reached == "nonempty" or verdict.is_late, text
    finally:
        graph.close()


@pytest.mark.parametrize("level", ["vocabulary", "adjacent", "nonempty"])
@pytest.mark.parametrize("facts", [FACTS, TRIANGLE], ids=["few", "triangle"])
def test_masks_are_those_of_trying_everything(
    vocabulary: Vocabulary, tmp_path: Path, facts: list[Fact], level: str
) -> None:
    data = tmp_path / "data.ttl"
    lines = [f"{s} {p} {o} ." for s, p, o in facts]
    data.write_text("@prefix : <http://x#> .\n" + "\n".join(lines))
    graph = built(tmp_path / "graph", [data])
    look = graph.lookup(vocabulary.key, vocabulary.encode)
    fast = sparql(vocabulary, graph=look, guarantee=level)  # type: ignore[arg-type]
    slow = sparql(vocabulary, graph=tiny(facts, vocabulary), guarantee=level)  # type: ignore[arg-type]
    try:
        for seed in range(10):
            dice, one, other = random.Random(seed), fast.start(), slow.start()
            for _ in range(60):
                allowed = laws.observe(one).allowed
                assert allowed == laws.observe(other).allowed
                if one.ended:
                    break
                going_on = [t for t in allowed if t != vocabulary.eos_id] or list(allowed)
                token = dice.choice(going_on)
                one.advance(token)
                other.advance(token)
                assert one.retreat() == other.retreat()
    finally:
        graph.close()


def test_a_ring_that_arcs_allow_is_not_offered(vocabulary: Vocabulary) -> None:
    constraint = sparql(vocabulary, graph=tiny(TRIANGLE, vocabulary))
    text = "SELECT ?x WHERE { ?x :to ?y . ?y :to ?z . ?z :to ?"
    assert read(constraint, text) == text
    assert read(constraint, f"{text}x }}") == f"{text}x"  # only a longer name goes on
    assert read(constraint, f"{text}w }}") == f"{text}w }}"


def test_what_the_shipped_model_writes_can_be_written(shipped: Vocabulary, tmp_path: Path) -> None:
    graph = built(tmp_path / "company", [ROOT / "docs/examples/company.ttl"])
    constraint = sparql(shipped, graph=graph.lookup(shipped.key, shipped.encode))
    table = tomllib.loads((ROOT / "decoding/builtin/wordings/sparql.toml").read_text())
    fill = {"{s}": "Heinrich Hoch", "{o}": "Sales", "{predicate}": "worksIn", "{n}": "20"}
    subjects = {"Department": "Sales", "Employee": "Heinrich Hoch"}
    shapes = [(query, "") for query in table["query"].values()]
    shapes += [(shape["query"], shape.get("subject", "")) for shape in table["shape"]]
    read_whole = 0
    try:
        for query, subject in shapes:
            for old, new in {**fill, "{s}": subjects.get(subject, "Heinrich Hoch")}.items():
                query = query.replace(old, new)
            is_whole = read(constraint, query) == query
            read_whole += is_whole
            # The rest: these are no suppliers or products, and nobody earns less than 20.
            assert is_whole or subject in ("Supplier", "Product") or "< 20" in query
        assert read_whole >= 20
    finally:
        graph.close()


@pytest.mark.parametrize(
    "text",
    [
        "SELECT ?x WHERE { :a :p / :p ?x }",
        "SELECT ?x WHERE { ?x ^ :p :b . OPTIONAL { ?x :q ?l } }",
        "SELECT ?x ?n WHERE { { ?x :p ?n } UNION { ?x :q ?n } }",
        "SELECT ?x WHERE { VALUES ?x { :a :b } ?x :p ?y }",
        "SELECT ?x (COUNT(?y) AS ?n) WHERE { ?x :p ?y } GROUP BY ?x ORDER BY DESC(?n) LIMIT 3",
        "SELECT ?x WHERE { ?x :n ?v FILTER(?v > 8) }",
        "SELECT ?x WHERE { ?x :p ?y MINUS { ?x :q ?z } }",
        "SELECT ?x WHERE { ?x :p ?y FILTER NOT EXISTS { ?y :q ?z } }",
        "SELECT ?x WHERE { { SELECT ?x WHERE { ?x :p ?y } LIMIT 1 } }",
        "SELECT ?x WHERE { ?x :p+ | :q :c }",
        "SELECT DISTINCT * WHERE { ?x ?p 12 ; ?q ?o }",
        'SELECT ?x WHERE { ?x :label "the name" }',
        "CONSTRUCT { ?x :p 12 } WHERE { ?x :p ?y }",
        "DESCRIBE :a",
        "SELECT ?x ?n WHERE { ?x :p ?y OPTIONAL { ?x :n ?n } }",  # nothing has both
        "SELECT ?x WHERE { ?x :p ?y OPTIONAL { ?y :q ?z } FILTER(!BOUND(?z)) }",
        "SELECT ?x WHERE { ?x :p ?y MINUS { ?z :q ?w } }",
        "SELECT ?x WHERE { ?x :p ?y . MINUS { ?z :q ?w } ?y :p ?v FILTER(isIRI(?v)) }",
        "SELECT ?x WHERE { ?x :n ?v FILTER NOT EXISTS { ?x :q* :b } }",
        "SELECT ?x WHERE { { ?x :n ?v } UNION { ?x :q ?v } FILTER(isIRI(?v)) }",
        "SELECT ?x WHERE { ?x ( :q | ( :p+ / :p ) ) ?y FILTER(?y = :c) }",
        "ASK { :a :q :d }",
        "SELECT (COUNT(*) AS ?n) WHERE { :a :q :d }",
        "SELECT ?n WHERE { ?x :label ?l BIND(STRLEN(?l) AS ?n) }",
    ],
)
def test_what_can_be_said(vocabulary: Vocabulary, text: str) -> None:
    constraint = sparql(vocabulary, graph=tiny(FACTS, vocabulary))
    assert read(constraint, text) == text
    assert constraint.validate(text) is None


@pytest.mark.parametrize(
    ("text", "until"),
    [
        ("SELECT ?x WHERE { ?x :p :d }", "SELECT ?x WHERE { ?x :p :"),  # nothing has it
        ("SELECT ?x WHERE { ?x :p ?y . ?y :n 7 }", "SELECT ?x WHERE { ?x :p ?y . ?y :n "),
        ("SELECT ?x WHERE { :zz :p ?x }", "SELECT ?x WHERE { :"),
        ("SELECT ?x WHERE { ?y :p ?z }", "SELECT ?x WHERE { ?y :p ?z"),  # ?x has yet to come
        ("SELECT ?x WHERE { ?x :n ?v . ?v :p ?z }", "SELECT ?x WHERE { ?x :n ?v . ?v"),  # a number
        ("CONSTRUCT { ?x :n ?v } WHERE { ?x :p ?y OPTIONAL { ?x :n ?v } }",
         "CONSTRUCT { ?x :n ?v } WHERE { ?x :p ?y OPTIONAL { ?x :n ?v"),  # it may be unbound
        ("SELECT * WHERE { SERVICE <http://x> { } }", "SELECT * WHERE {"),
        ("SELECT ?x (COUNT(?y) AS ?n) WHERE { ?x :p ?y } LIMIT 3",
         "SELECT ?x (COUNT(?y) AS ?n) WHERE { ?x :p ?y }"),
    ],
)  # fmt: skip
def test_what_cannot_be_said(vocabulary: Vocabulary, text: str, until: str) -> None:
    constraint = sparql(vocabulary, graph=tiny(FACTS, vocabulary))
    assert read(constraint, text).strip() == until.strip()
    assert constraint.validate(text) is not None


def test_a_filter_that_leaves_nothing_is_taken_back(vocabulary: Vocabulary) -> None:
    constraint = sparql(vocabulary, graph=tiny(FACTS, vocabulary))
    matcher = constraint.start()
    said = vocabulary.encode("SELECT ?x WHERE { ?x :n ?v FILTER(?v > 99)")
    for token in said:
        matcher.advance(token)
    with pytest.raises(DeadEnd):
        matcher.fill_mask(np.zeros(vocabulary.num_words, np.int32))
    taken = matcher.retreat()
    assert vocabulary.decode(said[: len(said) - taken]).rstrip() == "SELECT ?x WHERE { ?x :n ?v"
    assert matcher.prefix_length(vocabulary.encode("}")) == 1


def test_more_triples_in_minus_may_bring_rows_back(vocabulary: Vocabulary) -> None:
    constraint = sparql(vocabulary, graph=tiny(FACTS, vocabulary))
    text = "SELECT ?x WHERE { ?x :p ?y MINUS { ?x :p ?y . ?y :q ?z } }"
    assert read(constraint, text) == text
    none = "SELECT ?x WHERE { ?x :p ?y MINUS { ?x :p ?y } }"
    assert constraint.validate(none) is not None
    assert read(constraint, none) == none[: none.index("}") + 1]


def test_what_a_store_makes_of_minus_in_exists_is_what_counts(
    vocabulary: Vocabulary, tmp_path: Path
) -> None:
    """It brings the outer variables in, so that both sides share some."""
    data = tmp_path / "data.ttl"
    data.write_text("@prefix : <http://x#> .\n:a :p :b . :b :q :c .\n")
    graph = built(tmp_path / "graph", [data])
    constraint = sparql(vocabulary, graph=graph.lookup(vocabulary.key, vocabulary.encode))
    text = "SELECT * WHERE { FILTER EXISTS { MINUS { MINUS { :b :p :c } } } ?x :p ?y }"
    try:
        assert constraint.validate(text) is not None
        assert read(constraint, text) == text[: -len(" }")]  # only a longer name goes on
    finally:
        graph.close()


def test_what_is_taken_away_repeats_no_step_from_anywhere(vocabulary: Vocabulary) -> None:
    """A store would try every way there is."""
    constraint = sparql(vocabulary, graph=tiny(FACTS, vocabulary))
    anywhere = "SELECT ?x WHERE { ?x :p ?y MINUS { ?z :q* ?w } }"
    assert constraint.validate(anywhere) is None
    assert read(constraint, anywhere) == anywhere[: anywhere.index("*")]
    from_there = "SELECT ?x WHERE { ?x :p ?y MINUS { :b :q+ ?x } }"
    assert read(constraint, from_there) == from_there


def test_what_may_be_unbound_joins_nothing(vocabulary: Vocabulary) -> None:
    """As in the well-designed patterns of Perez, Arenas and Gutierrez (2009)."""
    constraint = sparql(vocabulary, graph=tiny(FACTS, vocabulary))
    text = "SELECT ?x WHERE { ?x :p ?y OPTIONAL { ?y :q ?z } ?z :p ?w }"
    assert constraint.validate(text) is None
    assert read(constraint, text) == text[: text.index(" :p ?w")]  # a longer name might go on


def test_no_and_nothing_are_answers(vocabulary: Vocabulary) -> None:
    constraint = sparql(vocabulary, graph=tiny(FACTS, vocabulary))
    assert isinstance(constraint, GraphConstraint)
    verdict = constraint.verdict("ASK { :a :q :d }")
    assert (verdict.requested, verdict.reached) == ("nonempty", "vocabulary")
    assert verdict.reason
    assert verdict.shortfall is None
    assert constraint.verdict("SELECT ?x WHERE { :a :p ?x }").reached == "nonempty"


def test_a_check_without_time_is_told(vocabulary: Vocabulary) -> None:
    graph = tiny(FACTS, vocabulary)
    graph.ask = lambda query: None  # type: ignore[method-assign]
    constraint = sparql(vocabulary, graph=graph)
    assert isinstance(constraint, GraphConstraint)
    verdict = constraint.verdict("SELECT ?x WHERE { :a :p ?x }")
    assert verdict.reached == "adjacent"
    assert verdict.shortfall is not None
    assert verdict.shortfall.exit_code == 5


def test_what_was_proved_needs_no_store(vocabulary: Vocabulary) -> None:
    """The store never answers in time; what the scope knows holds all the same."""
    graph = tiny(FACTS, vocabulary)
    graph.ask = lambda query: None  # type: ignore[method-assign]
    constraint = sparql(vocabulary, graph=graph)
    assert isinstance(constraint, GraphConstraint)
    for text, level in (
        ("SELECT ?x WHERE { ?x :p ?y OPTIONAL { ?y :q ?z } } GROUP BY ?x LIMIT 3", "nonempty"),
        ("SELECT ?x WHERE { ?x :p ?y . FILTER(?y != :b) }", "adjacent"),
        ("SELECT ?x WHERE { ?x :p ?y } LIMIT 1 OFFSET 1", "adjacent"),
    ):
        matcher = constraint.start()
        for token in vocabulary.encode(text):
            matcher.advance(token)
        assert matcher.can_end
        assert constraint.verdict(text).reached == level


def test_prefixes_are_declared_where_they_are_used(vocabulary: Vocabulary) -> None:
    constraint = sparql(vocabulary, graph=tiny(FACTS, vocabulary))
    assert isinstance(constraint, GraphConstraint)
    text = constraint.declared('SELECT ?x WHERE { ?x :p "rdf:x" FILTER(?x != "a"^^xsd:date) }')
    assert text.startswith("PREFIX : <http://x#>\nPREFIX xsd: <http://www.w3.org/2001/XMLSchema#>")
    assert "rdf: <" not in text
    parse(text)
    pyoxigraph.Store().query(text)


def test_queries_without_a_graph(vocabulary: Vocabulary) -> None:
    constraint = sparql(vocabulary)
    assert constraint.validate("SELECT ?x WHERE { ?x rdfs:label ?l }") is None
    assert "prefix" in (constraint.validate("SELECT ?x WHERE { ?x :p ?l }") or "")
    whole = "SELECT ?x WHERE { ?x rdfs:label ?l BIND(1 AS ?l) }"
    assert read(constraint, whole) == whole
    assert read(constraint, "SELECT ?x WHERE { ?x nope:p ?l }") == "SELECT ?x WHERE { ?x "
    matcher = constraint.start()
    for token in vocabulary.encode(whole):
        matcher.advance(token)
    assert not matcher.can_end  # the scope of BIND is judged at the end
    with pytest.raises(UsageError, match="needs a graph"):
        sparql(vocabulary, guarantee="adjacent")


def test_brackets_have_an_end(vocabulary: Vocabulary) -> None:
    matcher = sparql(vocabulary).start()
    for token in vocabulary.encode("ASK " + "{" * 33):
        matcher.advance(token)
    with pytest.raises(DeadEnd):
        matcher.fill_mask(np.zeros(vocabulary.num_words, np.int32))


def test_named_graphs_are_asked_at_their_end(vocabulary: Vocabulary, tmp_path: Path) -> None:
    data = tmp_path / "data.trig"
    data.write_text("@prefix : <http://x#> .\n:a :p :b .\n:g { :a :r :c . :c :n 3 . }\n")
    graph = built(tmp_path / "graph", [data])
    constraint = sparql(vocabulary, graph=graph.lookup(vocabulary.key, vocabulary.encode))
    text = "SELECT ?x WHERE { GRAPH :g { ?x :r ?y } ?x :p ?z }"
    try:
        assert read(constraint, text) == text
        assert constraint.validate(text) is None
        assert constraint.validate(text.replace(":r", ":p")) is not None
        assert read(constraint, "SELECT ?x WHERE { GRAPH :a") == "SELECT ?x WHERE { GRAPH :"
        for seed in range(6):
            written = write(constraint, seed, 60)
            assert written is not None
            assert constraint.validate(written) is None, written
    finally:
        graph.close()


@pytest.mark.parametrize("style", ["gpt2", "llama3", "llama2"])
def test_tokenizers_of_other_kinds(style: str, tokenizer_dirs: dict[str, Path]) -> None:
    vocabulary = Vocabulary.from_file(tokenizer_dirs[style])
    constraint = sparql(vocabulary, graph=tiny(FACTS, vocabulary))
    text = 'SELECT (COUNT(?x) AS ?n) WHERE { ?x :label "the name" ; :p ?y FILTER(?y != :a) }'
    assert read(constraint, text) == text
    for matcher in laws.walk(constraint, 3, 30):
        laws.check_mask_law(matcher)
        laws.check_forced_law(matcher)
    for seed in range(3):
        written = write(constraint, seed, 80)
        assert written is not None
        assert constraint.validate(written) is None, written
