"""What searches find: nDCG@10 and Recall@10 of every way of searching.

By default over a BEIR folder made here: held-out questions of the training generator, each asked of
passages of which one states the answer. `--beir DIR` takes another folder of that format (RAR-b's
too), `--embedder DIR` also a sentence-transformers directory.
"""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

from rows import Rows, parser, say
from timing import spread

from tether.decoding import models
from tether.decoding.builtin.generator import qa_task
from tether.decoding.builtin.generator.example import Split
from tether.decoding.embed import HiddenStates, open_embedder
from tether.grounding.document import Document
from tether.grounding.index import Index, beir
from tether.grounding.index.build import build
from tether.grounding.index.dense_maker import DenseMaker
from tether.grounding.index.embed import Embedder
from tether.grounding.index.lexical import LexicalMaker
from tether.grounding.index.maker import Maker
from tether.grounding.index.search import Mode

_SEED = 11
_HELD_OUT = Split("test", 0.5)
_DEPTH = 3 * beir.DEPTH  # passages searched for, since several may be of one document


def main() -> None:
    """A row for each way of searching."""
    shared = parser(__doc__)
    shared.add_argument("--beir", type=Path, help="folder in the BEIR format")
    shared.add_argument("--embedder", help="sentence-transformers directory")
    shared.add_argument("--count", type=int, default=1000, help="questions that are made")
    given = shared.parse_args()
    results = Rows("retrieval", quick=given.quick)
    model = models.load(given.model)
    embedders: list[Embedder] = [HiddenStates(model, 0)]
    embedders.append(HiddenStates(model, model.network.num_layers))
    if given.embedder:
        embedders.append(open_embedder(given.embedder, lambda: model))
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.beir or Path(scratch) / "made"
        if not given.beir:
            make(folder, 50 if given.quick else given.count)
        tokenizer = model.directory / "tokenizer.json"
        for number, embedder in enumerate([None, *embedders]):
            path = Path(scratch) / f"kb{number}"
            makers: list[Maker] = [LexicalMaker()]
            if embedder is not None:
                makers.append(DenseMaker(lambda embedder=embedder: embedder))  # type: ignore[misc]
            build(path, _documents(folder), makers, tokenizer=tokenizer)
            _judge(results, Index.open(path), folder, embedder, model.name)


def make(folder: Path, count: int) -> None:
    """Write a BEIR folder: fresh facts of the generator's held-out side.

    No two questions are about the same relation of the same subject, so that one passage answers
    each; the passages hold up to three other sentences, about half of them of the same relation.
    """
    draw = random.Random(_SEED)
    facts: dict[tuple[str, str], qa_task.Triple] = {}
    while len(facts) < count:
        fact = qa_task.fresh(draw, _HELD_OUT)
        facts.setdefault((fact.relation.key, fact.subject), fact)
    corpus, queries, grades = [], [], ["query-id\tcorpus-id\tscore"]
    for number, fact in enumerate(facts.values()):
        text = qa_task.passages(draw, fact, fact.answer, _HELD_OUT)
        corpus.append({"_id": f"d{number}", "title": "", "text": text})
        question = qa_task.worded(draw, fact, "questions", _HELD_OUT)
        queries.append({"_id": f"q{number}", "text": question})
        grades.append(f"q{number}\td{number}\t1")
    (folder / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", corpus), ("queries", queries)):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text("\n".join(grades) + "\n", encoding="utf-8")


def _documents(folder: Path) -> Iterator[Document]:
    for name, text in beir.documents(folder):
        yield Document(name, text, str(folder))


def _judge(
    results: Rows, index: Index, folder: Path, embedder: Embedder | None, model: str
) -> None:
    grades, queries = beir.judgements(folder), beir.queries(folder)
    modes: tuple[Mode, ...] = ("dense", "hybrid") if embedder else ("bm25",)
    for mode in modes:
        rankings = {
            query: [hit.passage.doc for hit in index.search(text, _DEPTH, mode, embedder)]
            for query, text in queries.items()
            if query in grades
        }
        quality = beir.judge(rankings, grades)
        named = embedder.name if embedder else "-"
        if embedder is not None and embedder.learned:
            named = "sentence-transformers"
        say(f"{mode} {named}: nDCG@10 {quality.ndcg:.4f}, Recall@10 {quality.recall:.4f}")
        results.add(
            {"data": folder.name, "mode": mode, "embedder": named},
            {"ndcg_at_10": spread([quality.ndcg]), "recall_at_10": spread([quality.recall])},
            settings={
                "questions": quality.num_queries,
                "passages": len(index),
                "model": model,
                "seed": _SEED,
            },
        )


if __name__ == "__main__":
    main()
