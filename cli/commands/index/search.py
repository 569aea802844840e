"""`tether index search`: the passages that answer a question."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tether.cli import streams
from tether.cli.commands.index.options import MODEL, AsJson, EmbedderOption, Folder
from tether.cli.kinds import SettingValue
from tether.cli.options import takes
from tether.errors import UsageError

if TYPE_CHECKING:
    from tether.grounding.index.search import Hit

EXAMPLES = """
tether index search kb "Who pays for the repair?" -k 3
tether index search kb --json < questions.txt
"""


@takes(MODEL)
def run(
    index: Folder,
    query: Annotated[
        str | None,
        typer.Argument(
            metavar="QUERY",
            help="A question; `-` or none: one a line from stdin.",
            show_default=False,
        ),
    ] = None,
    count: Annotated[int, typer.Option("-k", min=1, help="Passages to find.")] = 10,
    mode: Annotated[
        Literal["auto", "bm25", "dense", "hybrid"],
        typer.Option(
            help="By words, vectors or both; auto: both where a learned embedder made vectors."
        ),
    ] = "auto",
    as_json: AsJson = False,
    embedder: EmbedderOption = None,
    **flags: SettingValue,
) -> None:
    """Find the passages that answer a question best.

    A line is score, place and text, parted by tabs, with the line ends of the text as blanks. With
    --json it is {passage, doc, start, end, score, text}, and the query where it came from stdin;
    `start` and `end` count characters of the document's text.
    """  # fmt: skip
    from tether.cli.indexing import embedder_of, open_embedder, settings_of
    from tether.grounding.index import Index

    opened = Index.open(index)
    chosen = opened.usual if mode == "auto" else mode
    name = None if chosen == "bm25" else embedder or embedder_of(opened.manifest)
    used = None if name is None else open_embedder(name, settings_of(flags))
    is_piped = query in (None, "-")
    for question in _asked() if is_piped else [_not_empty(query)]:
        asked = {"query": question} if is_piped else {}
        for hit in opened.search(question, count, chosen, used):
            streams.write_line(_json_line(hit, asked) if as_json else _line(hit))


def _not_empty(question: str | None) -> str:
    if question is None or not question.strip():
        raise UsageError("The question is empty.", hint="Give a text, or pipe one in.")
    return question


def _asked() -> Iterator[str]:
    """The lines of standard input that are not blank."""
    from tether.cli.texts import decode

    if sys.stdin is None or sys.stdin.isatty():
        raise UsageError("There is no question.", hint="Give it as an argument or by a pipe.")
    for number, line in enumerate(sys.stdin.buffer, 1):
        question = decode(line, f"Line {number} of standard input").strip()
        if question:
            yield question


def _json_line(hit: Hit, asked: dict[str, str]) -> str:
    passage = hit.passage
    found = {
        "passage": passage.id,
        "doc": passage.doc,
        "start": passage.start,
        "end": passage.end,
        "score": round(hit.score, 6),  # the last digits depend on the machine
        "text": passage.text,
    }
    return json.dumps(asked | found, ensure_ascii=False)


def _line(hit: Hit) -> str:
    passage = hit.passage
    text = " ".join(passage.text.split())
    return f"{hit.score:.4f}\t{passage.doc}:{passage.start}-{passage.end}\t{text}"
