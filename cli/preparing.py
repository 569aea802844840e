"""From a task to the request that the loop decodes: evidence found, fitted and put in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from tether.cli import structuring
from tether.cli.config.settings_model import Settings
from tether.cli.evidence import Evidence
from tether.cli.graphs import asked
from tether.cli.judging import ModelJudge
from tether.cli.side import fits
from tether.decoding.drafts.registry import parse as parse_drafters
from tether.decoding.prompt import Prompt
from tether.decoding.request import Request, Sampling
from tether.decoding.terms.parse import parse_all
from tether.decoding.terms.prompts import cast
from tether.decoding.terms.term import Variant
from tether.errors import UsageError

if TYPE_CHECKING:
    from tether.cli.engine import Engine
    from tether.cli.session import Task
    from tether.grammars.constraint import Constraint
    from tether.grounding.evidence import Source
    from tether.grounding.links import Link
    from tether.grounding.passages import Passage
    from tether.grounding.witness import Surety

THINK_END = "</think>"
LINK = "link"
"""The method of grounding that queries over a graph have by themselves."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a task came to have when its request was made.

    Attributes:
        constraint: What may be said; None for free text.
        surety: Watches how sure the model is, where the task may abstain.
        linked: The names of the graph that a question mentions.
    """

    constraint: Constraint | None
    evidence: Evidence
    surety: Surety | None = None
    linked: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class Preparer:
    """Prepares tasks for an engine; what the model has to say for that, it says in between."""

    engine: Engine

    def prepare(self, key: str, task: Task) -> tuple[Request, Prepared]:
        """The request of a task, and what is needed to judge its result.

        Raises:
            TetherError: The task cannot be run.
        """
        watched = task.settings.abstain != "off"
        if watched and task.settings.extract == "best":
            raise UsageError(
                "`abstain` watches the model choose, and `extract` takes what scores best.",
                hint="Leave one of them out.",
            )
        found = self._structured(task, self._found(task))
        evidence = self._ordered(task, found.fitted(lambda some: self._fits(task, some)))
        surety = _surety() if watched else None
        watchers = (*((surety,) if surety else ()), *task.watchers)
        request = self._request(key, task, evidence, watchers)
        return request, Prepared(request.constraint, evidence, surety, _linked(request.sources))

    def _found(self, task: Task) -> Evidence:
        """The task's own passages, and those of the index."""
        settings, retriever = task.settings, task.retriever
        if retriever is None:
            return Evidence.of(task.passages, ())
        if not settings.research:
            return Evidence.of(task.passages, retriever.find(task.text, settings.passages))
        from tether.grounding.research import gathered, research

        def find(query: str) -> Sequence[Passage]:
            return retriever.find(query, settings.passages)

        searches = research(task.text, find, ModelJudge(self.engine), settings.research)
        found = [*gathered(searches), *find(task.text)]  # never less than a plain search
        return Evidence.of(task.passages, list({p.id: p for p in found}.values()), searches)

    def _structured(self, task: Task, evidence: Evidence) -> Evidence:
        if not task.settings.structure:
            return evidence
        texts = (structuring.structured(self.engine, text) for text in evidence.texts)
        return replace(evidence, texts=tuple(texts))

    def _fits(self, task: Task, evidence: Evidence) -> bool:
        return fits(self.engine, self._prompt(task, evidence), task.settings.max_tokens)

    def _ordered(self, task: Task, evidence: Evidence) -> Evidence:
        if task.settings.order == "rank" or len(evidence.passages) < 2:
            return evidence
        from tether.grounding.index.order import arrange

        texts = [passage.text for passage in evidence.passages]
        measure = partial(self._attention, task, evidence)
        return evidence.arranged(arrange(task.text, texts, task.settings.order, measure))

    def _attention(self, task: Task, evidence: Evidence, places: Sequence[int]) -> list[float]:
        """What the copying heads look at while the task is done once, passages in this order."""
        arranged = evidence.arranged(places)
        main = self._prompt(task, arranged)
        gaze = self.engine.gaze(self.engine.encode(main), main)
        for _ in self.engine.run([self._request("", task, arranged, (gaze,))], slots=1):
            pass
        return gaze.attention()

    def _request(
        self, key: str, task: Task, evidence: Evidence, watchers: tuple[Source, ...]
    ) -> Request:
        settings, engine = task.settings, self.engine
        constraint = self._constraint(task, evidence)
        terms = parse_all(settings.contrast)
        main, others = cast(self._prompt(task, evidence), terms, _variants(settings))
        ids = engine.encode(main)
        index = task.retriever.index if task.retriever else None
        graph = asked(task.said.spec)
        grounds = _grounds(settings, is_linked=graph is not None)
        return Request(
            key=key,
            prompt=ids,
            constraint=constraint,
            sampling=sampling(settings, engine.num_tokens),
            max_tokens=settings.max_tokens,
            extract=settings.extract == "best" and not watchers,
            think=THINK_END if settings.think is True else settings.think or None,
            stop=tuple(settings.stop),
            terms=terms,
            prompts={variant: engine.encode(prompt) for variant, prompt in others.items()},
            sources=(*engine.sources(grounds, ids, main, index, graph), *watchers),
            heal=settings.raw_prompt and settings.heal,
            drafters=parse_drafters(settings.draft, has_model=settings.draft_model is not None),
            draft_tokens=settings.draft_tokens,
            draft_rule=settings.draft_rule,
            lossy=settings.lossy,
            lossy_at=settings.lossy_at,
        )

    def _constraint(self, task: Task, evidence: Evidence) -> Constraint | None:
        if task.said.spec is None:
            return None
        passages = [passage.text for passage in evidence.passages]
        starts = [passage.start for passage in evidence.passages]
        return self.engine.compile(task.said.spec.over(passages, evidence.names, starts))

    def _prompt(self, task: Task, evidence: Evidence) -> Prompt:
        return Prompt(
            text=task.text,
            passages=evidence.texts,
            fields=task.said.fields(short=self.engine.reads_fields),
            system=task.system,
            turns=task.turns,
            raw=task.settings.raw_prompt,
            query=task.said.subjects() if task.said.is_query else "",
        )


def _linked(sources: Sequence[Source]) -> tuple[Link, ...]:
    if not sources:
        return ()
    from tether.grounding.links import Links

    return tuple(link for source in sources if isinstance(source, Links) for link in source.found)


def _grounds(settings: Settings, *, is_linked: bool) -> Sequence[str]:
    """The methods of grounding; a query over a graph has `link` unless it is named otherwise."""
    names = [text.partition(",")[0].partition(":")[0].strip() for text in settings.ground]
    return [*settings.ground, LINK] if is_linked and LINK not in names else settings.ground


def _variants(settings: Settings) -> set[Variant]:
    """The other prompts that methods of grounding and drafters look at."""
    short: set[Variant] = {"short"} if "rapid" in parse_drafters(settings.draft) else set()
    if not settings.ground:
        return short
    from tether.decoding.grounds.parse import parse_all

    return short | {variant for ground in parse_all(settings.ground) for variant in ground.variants}


def _surety() -> Surety:
    from tether.grounding.witness import Surety as Watcher

    return Watcher()


def sampling(settings: Settings, num_tokens: int) -> Sampling:
    """How tokens are chosen under these settings.

    Raises:
        UsageError: `logit_bias` names a token that the vocabulary does not have.
    """
    for token in settings.logit_bias:
        if token >= num_tokens:
            raise UsageError(
                f"logit_bias names token {token}; the vocabulary ends at {num_tokens - 1}.",
                hint="Leave it out: the ids are those of this model's tokenizer.",
            )
    return Sampling(
        temperature=settings.temperature,
        top_k=settings.top_k,
        top_p=settings.top_p,
        min_p=settings.min_p,
        typical_p=settings.typical_p,
        repetition_penalty=settings.repetition_penalty,
        logit_bias=settings.logit_bias,
        order=settings.sampling_order,
        seed=settings.seed,
    )
