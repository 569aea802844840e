"""The versioned JSON that programs read: the envelope and the stream's events.

Their shapes are published as `docs/reference/output.schema.json`, made from `output_model.py`.
"""

from __future__ import annotations

from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Any

from tether.cli import numbers

if TYPE_CHECKING:
    from tether.cli.engine import Engine
    from tether.cli.session import Outcome
    from tether.decoding.request import Delta
    from tether.grounding.research import Search

VERSION = 1


def envelope(outcome: Outcome, engine: Engine) -> str:
    """`{"tether": 1, "output": ..., "finish": ..., ...}`; an unfinished JSON output is its text."""
    parsed = outcome.task.said.is_json and outcome.error is None
    output = numbers.loads(outcome.text) if parsed else outcome.text
    return numbers.dumps({"tether": VERSION, "output": output, **_about(outcome, engine)})


def delta_event(delta: Delta) -> str:
    """New text while it is being decoded."""
    return numbers.dumps({"event": delta.kind, "text": delta.text})


def end_event(outcome: Outcome, engine: Engine) -> str:
    """The last event of a stream; says whether what was streamed is valid."""
    about = _about(outcome, engine)
    error = outcome.error
    about["error"] = None if error is None else {"reason": error.kind, "message": error.message}
    return numbers.dumps({"event": "end", "tether": VERSION, **about})


def _about(outcome: Outcome, engine: Engine) -> dict[str, Any]:
    stats = {
        key: round(value, 6) if isinstance(value, float) else value
        for key, value in asdict(outcome.stats).items()
    }
    return {
        "finish": outcome.finish,
        "thought": outcome.thought,
        "model": {"name": engine.name, "fingerprint": engine.fingerprint},
        "seed": outcome.task.settings.seed,
        "key": outcome.task.key,
        **_evidence(outcome),
        "guarantee": guarantee(outcome),
        "stats": stats,
    }


def guarantee(outcome: Outcome) -> dict[str, Any] | None:
    """What holds of a query."""
    verdict = outcome.verdict
    if verdict is None:
        return None
    return {
        "requested": verdict.requested,
        "reached": verdict.reached,
        "reason": verdict.reason,
        "verified_rows": outcome.num_rows,
    }


def _evidence(outcome: Outcome) -> dict[str, Any]:
    evidence = outcome.evidence
    return {
        "passages": [_use(outcome, place) for place in range(len(evidence.passages))],
        "left_out": evidence.left_out,
        "searches": [_step(search) for search in evidence.searches],
        "score": None if outcome.score is None else round(outcome.score, 6),
    }


def _use(outcome: Outcome, place: int) -> dict[str, Any]:
    passage = outcome.evidence.passages[place]
    support = round(outcome.support.get(place, 0.0), 6)
    return {
        "passage": place + 1,
        "doc": passage.doc or None,
        "start": passage.start,
        "end": passage.end,
        "support": support if outcome.task.settings.ground else None,
    }


def _step(search: Search) -> dict[str, Any]:
    return {
        "goal": search.aim.goal,
        "query": search.aim.query,
        "docs": [passage.doc for passage in search.found],
        "odds": round(search.odds, 6) if isfinite(search.odds) else None,
        "met": search.met,
    }
