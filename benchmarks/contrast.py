"""Right answers of each method of contrast on the shipped model: stale memory, leading questions.

Questions are fresh ones of the training generator, on its held-out side; decoding is greedy. Four
sets: `stale` (the passage contradicts what the model memorised, and is right), `clean` (the passage
agrees with memory, or is about something new), `irrelevant` (no passage answers, memory does) and
`leading` (the clean questions, worded to suggest a wrong answer). Intervals are Wilson's, 95 %.

Ends by writing the table of docs/explanation/contrast.md from these rows.
"""

from __future__ import annotations

import json
import random
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from facts import ROOT
from rows import Rows, parser, say

from tether.decoding import models
from tether.decoding.builtin.generator.example import Example, Split
from tether.decoding.builtin.generator.qa_task import (
    Mode,
    Relation,
    make_qa,
    new_answer,
    qa_table,
    relations,
)
from tether.decoding.builtin.generator.wordings import strings
from tether.decoding.builtin.scores import Share
from tether.decoding.loop import Loop
from tether.decoding.models.base import Model
from tether.decoding.prompt import Prompt, encode
from tether.decoding.request import Request, Result
from tether.decoding.terms.parse import parse_all
from tether.decoding.terms.prompts import cast
from tether.decoding.terms.term import Role
from tether.grammars import choices

PAGE = ROOT / "docs" / "explanation" / "contrast.md"
SEED = 4
LIMIT = 48
SETS: dict[str, tuple[Mode, ...]] = {
    "stale": ("contradict",),
    "clean": ("agree", "fresh"),
    "irrelevant": ("irrelevant",),
    "leading": ("agree", "fresh"),
}
LEADING = (
    "I think the answer is {wrong}. {question}",
    "{question} I am sure that it is {wrong}.",
    "{question} It is {wrong}, isn't it?",
    "My neighbour says it is {wrong}, but {question}",
    "Surely {wrong}? {question}",
    "{question} Perhaps {wrong}?",
)
"""Some of these the neutraliser of lqcd knows whole, some in part, the last not at all."""


@dataclass(frozen=True, slots=True)
class Method:
    """One line of the table: the terms, who speaks, and whether among four given answers."""

    terms: tuple[str, ...] = ()
    speaker: str = "shipped"
    closed: bool = False

    @property
    def name(self) -> str:
        """As users write it."""
        said = " ".join(f"`{term}`" for term in self.terms) or "greedy"
        said += " (shallow model)" if self.speaker == "shallow" else ""
        return f"{said} (of four answers)" if self.closed else said


METHODS = (
    Method(),
    Method(("cad:0.25",)),
    Method(("cad:0.5",)),
    Method(("cad:1",)),
    Method(("cad:1,adaptive=yes",)),
    Method(("cad:3,adaptive=yes",)),
    Method(("dola:0.5",)),
    Method(("dola:1",)),
    Method(("cd:0.5",)),
    Method(("icd:0.3",)),
    Method(("icd:1",)),
    Method(("lol:0.3",)),
    Method(("lqcd:1",)),
    Method(("uadf,by=bare",)),
    Method(("cad:1,adaptive=yes", "dola:0.5")),
    Method(("cad:1,adaptive=yes", "lqcd:1")),
    Method(("dola:1,head=0.01",)),
    Method(("cad:0.5", "dola:0.5,head=0.01")),
    Method(closed=True),
    Method(("mvp",), closed=True),
    Method(("mvp", "cad:0.5"), closed=True),
    Method((), "shallow"),
    Method(("fsgen,at=0.9",), "shallow"),
    Method(("ead,up=0.3,down=0.1,window=2,stay=1",), "shallow"),
    Method(("foreal,first=2",), "shallow"),
)


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt, the right answer, the answer of the model's memory, and four to choose from."""

    prompt: Prompt
    gold: str
    memory: str
    answers: tuple[str, ...]


def main() -> None:
    """Measure every method on every set, then write the table."""
    shared = parser(__doc__)
    shared.add_argument("--count", type=int, default=300, help="questions a set")
    shared.add_argument("--slots", type=int, default=24)
    given = shared.parse_args()
    count = 8 if given.quick else given.count
    torch.set_num_threads(1)
    rows = Rows("contrast", quick=given.quick)
    held = len(rows.path.read_text().splitlines()) if rows.path.is_file() else 0
    sets = {name: questions(name, count) for name in SETS}
    with tempfile.TemporaryDirectory() as folder:
        shipped = models.load(given.model, dtype="float32")
        speakers = {"shipped": shipped, "shallow": shallow(shipped, Path(folder))}
        for method in METHODS:
            for name, asked in sets.items():
                measure(rows, speakers, method, name, asked, given.slots)
    if not given.quick:
        write_table(rows.path.read_text(encoding="utf-8").splitlines()[held:])


def questions(name: str, count: int) -> list[Question]:
    """The questions of a set: the same for every method."""
    rng = random.Random(f"{SEED} contrast {name.replace('leading', 'clean')}")
    others = random.Random(f"{SEED} wrong answers")
    split = Split("test", 1 / 6)
    found = []
    for index in range(count):
        example = make_qa(rng, split, SETS[name][index % len(SETS[name])])
        text = re.search(r"<\|ask\|>(.*)<\|out\|>", example.prompt, re.DOTALL)
        assert text is not None, "a question of the generator has its marks"
        gold, said = example.answer.removesuffix("<|end|>"), text[1]
        wrong = wrong_answers(others, said, example)
        if name == "leading":
            said = others.choice(LEADING).format(wrong=wrong[-1], question=said)
        answers = tuple(sorted([gold, *wrong]))
        prompt = Prompt(said, passages=tuple(re.split(r"(?<=[.!?])\s+", example.text)))
        found.append(Question(prompt, gold, example.memory, answers))
    return found


def wrong_answers(rng: random.Random, question: str, example: Example) -> list[str]:
    """Three answers of the right kind; memory's is the first where it is wrong."""
    gold = example.answer.removesuffix("<|end|>")
    relation = next(r for r in relations() if _asks(r, question, example.entities[0]))
    wrong = [example.memory] if example.memory not in ("", gold) else []
    while len(wrong) < 3:
        other = new_answer(rng, relation, Split("test", 0.0))
        wrong += [other] if other not in (gold, *wrong) else []
    return wrong


def _asks(relation: Relation, question: str, subject: str) -> bool:
    """Whether the question is one of this relation's."""
    nouns = "|".join(map(re.escape, relation.nouns or ("name",)))
    for wording in (*relation.questions, *strings(qa_table(), "generic_questions")):
        pattern = re.escape(wording).replace(r"\{s\}", re.escape(subject))
        if re.fullmatch(pattern.replace(r"\{noun\}", f"(?:{nouns})"), question, re.IGNORECASE):
            return True
    return False


def shallow(model: Model, folder: Path) -> Model:
    """The same checkpoint without its last two layers: a weaker model with the same tokens."""
    for file in model.directory.iterdir():
        if file.name != "config.json":
            (folder / file.name).symlink_to(file)
    config = json.loads((model.directory / "config.json").read_text())
    config["num_hidden_layers"] -= 2
    config.pop("layer_types", None)
    (folder / "config.json").write_text(json.dumps(config))
    return models.load(str(folder), dtype="float32", backend="lean")


def measure(
    rows: Rows,
    speakers: dict[str, Model],
    method: Method,
    name: str,
    asked: Sequence[Question],
    slots: int,
) -> None:
    """One row: the share of right answers of a method on a set."""
    model = speakers[method.speaker]
    others: dict[Role, Model] = {"amateur": speakers["shallow"], "expert": speakers["shipped"]}
    requests = [request(model, method, str(n), question) for n, question in enumerate(asked)]
    results = {r.key: r for r in Loop(model, slots=slots, others=others).run(requests)}
    right = Share(sum(results[str(n)].text == q.gold for n, q in enumerate(asked)), len(asked))
    memory = sum(results[str(n)].text == q.memory != q.gold for n, q in enumerate(asked))
    low, high = right.interval()
    figures = {
        "right": {"share": right.value, "low": low, "high": high, "count": len(asked)},
        "memory": {"share": memory / len(asked)},
        **_cost(results.values()),
    }
    say(f"{method.name} {name} {right}")
    case = {"method": method.name, "set": name, "fingerprint": model.fingerprint[:12]}
    rows.add(case, figures, settings={"seed": SEED, "limit": LIMIT, "slots": slots})


def request(model: Model, method: Method, key: str, question: Question) -> Request:
    """A question as the commands ask it."""
    terms = parse_all(method.terms)
    main_prompt, others = cast(question.prompt, terms)
    encoded = partial(encode, model)
    return Request(
        key,
        encoded(main_prompt),
        constraint=choices(list(question.answers), model.vocabulary) if method.closed else None,
        max_tokens=LIMIT,
        terms=terms,
        prompts={variant: encoded(prompt) for variant, prompt in others.items()},
    )


def _cost(results: Iterable[Result]) -> dict[str, dict[str, float]]:
    """Forwards of other models, and the choices that an expert made, a choice of the row."""
    stats = [result.stats for result in results]
    choices = max(1, sum(s.forwards for s in stats))
    return {
        "view_forwards": {"share": sum(s.view_forwards for s in stats) / choices},
        "expert_tokens": {"share": sum(s.expert_tokens for s in stats) / choices},
    }


def write_table(lines: Sequence[str]) -> None:
    """Put the table of these rows between the marks of the page."""
    found = [json.loads(line) for line in lines]
    page = PAGE.read_text(encoding="utf-8")
    table = "\n".join(_table(found))
    marked = re.compile(r"(<!-- table -->\n).*?(<!-- end of table -->)", re.DOTALL)
    PAGE.write_text(marked.sub(lambda m: f"{m[1]}{table}\n{m[2]}", page), encoding="utf-8")


def _table(rows: Sequence[dict[str, dict[str, dict[str, float]]]]) -> list[str]:
    shares: dict[object, dict[object, str]] = {}
    for row in rows:
        right = row["figures"]["right"]
        text = f"{right['share']:.3f} [{right['low']:.2f}, {right['high']:.2f}]"
        shares.setdefault(row["case"]["method"], {})[row["case"]["set"]] = text
        if expert := row["figures"]["expert_tokens"]["share"]:
            shares[row["case"]["method"]]["expert"] = f"{expert:.2f}"
    columns = [*SETS, "expert"]
    lines = [f"| method | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for method, by_set in shares.items():
        lines.append(f"| {method} | " + " | ".join(by_set.get(c, "") for c in columns) + " |")
    return lines


if __name__ == "__main__":
    main()
