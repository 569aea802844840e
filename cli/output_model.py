"""The shapes of everything tether writes for programs; published as output.schema.json."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Finish = Literal["stop", "limit", "dead_end", "cancelled", "usage", "error", "abstained"]


class Shape(BaseModel):
    """The base: nothing but the named keys."""

    model_config = ConfigDict(extra="forbid")


class ModelName(Shape):
    """Which model spoke."""

    name: str
    fingerprint: str = Field(description="Equal for equal files.")


class Stats(Shape):
    """Counts of one row; times in seconds since the row got its slot."""

    prompt_tokens: int = Field(description="Without those that were said again (--heal).")
    output_tokens: int
    forced_tokens: int
    thought_tokens: int
    forwards: int
    taken_back_tokens: int = Field(description="Refused by the exact judge, or out of time.")
    first_token_s: float
    total_s: float
    view_forwards: int = Field(description="Of other models that --contrast listens to.")
    expert_tokens: int = Field(description="Choices that the expert made.")
    drafted_tokens: int = Field(description="Read before they were chosen (--draft).")
    accepted_tokens: int = Field(description="Of those, the ones that the text then had.")
    lossy_tokens: int = Field(description="Drafted tokens taken in place of the choice (--lossy).")


class PassageUse(Shape):
    """A passage of the prompt, and what of the output rests on it."""

    passage: int = Field(description="Its place in the prompt, from 1.")
    doc: str | None = Field(description="Its document in the index; null for the user's own.")
    start: int = Field(description="Where it begins in its document, in characters.")
    end: int
    support: float | None = Field(
        description="Output tokens found in it; null where no grounding method looked."
    )


class SearchStep(Shape):
    """`--research`: one search."""

    goal: str
    query: str
    docs: list[str] = Field(description="Documents of what was found, best first.")
    odds: float | None = Field(description="Log-odds that the goal is met; null for never.")
    met: bool


class Guarantee(Shape):
    """What holds of a query."""

    requested: Literal["syntax", "vocabulary", "adjacent", "nonempty"]
    reached: Literal["syntax", "vocabulary", "adjacent", "nonempty"]
    reason: str = Field(description="Why less was reached; empty where it was not.")
    verified_rows: int | None = Field(description="Rows that it gave, with --execute.")


class Envelope(Shape):
    """`--envelope`: the payload with what is needed to account for it."""

    tether: Literal[1] = Field(description="Version of this shape.")
    output: Any = Field(description="The JSON payload, or the text.")
    finish: Finish
    thought: str = Field(description="The reasoning preamble of --think; else empty.")
    model: ModelName
    seed: int
    key: str = Field(description="The row's id; empty for a single prompt.")
    passages: list[PassageUse]
    left_out: int = Field(description="Passages of the index for which there was no room.")
    searches: list[SearchStep]
    score: float | None = Field(description="What --abstain weighs, 0 to 1; null without it.")
    guarantee: Guarantee | None = Field(description="Of a query; null for anything else.")
    stats: Stats


class Reason(Shape):
    """Why something failed."""

    reason: str = Field(description="Kind of the error, such as limit, dead_end or schema.")
    message: str


class DeltaEvent(Shape):
    """`--stream events`: new text."""

    event: Literal["text", "thought"]
    text: str


class EndEvent(Shape):
    """`--stream events`: the last line."""

    event: Literal["end"]
    tether: Literal[1]
    finish: Finish
    thought: str
    model: ModelName
    seed: int
    key: str
    passages: list[PassageUse]
    left_out: int = Field(description="Passages of the index for which there was no room.")
    searches: list[SearchStep]
    score: float | None = Field(description="What --abstain weighs, 0 to 1; null without it.")
    guarantee: Guarantee | None = Field(description="Of a query; null for anything else.")
    stats: Stats
    error: Reason | None = Field(description="null where the streamed text is valid.")


class BatchRow(Shape):
    """A line of a batch's output."""

    index: int = Field(description="Place of the row in the input, from 0.")
    id: str | int | None = Field(None, description="The row's id, where it has one.")
    output: Any = Field(description="The JSON payload, or the text.")
    thought: str | None = None
    guarantee: Guarantee | None = Field(None, description="Of a query.")


class BatchError(Shape):
    """A line of a batch's errors file."""

    index: int
    id: str | int | None = None
    reason: str = Field(description="Kind of the error, such as limit, dead_end or schema.")
    message: str
    hint: str | None = None
    partial: str | None = Field(None, description="The text so far, with --partial.")


class CheckFinding(Shape):
    """One remark of `tether check --json`."""

    level: Literal["error", "warning", "info"]
    pointer: str
    message: str
    hint: str
    excerpt: str


class CheckedItem(Shape):
    """One thing that `tether check --json` looked at."""

    name: str
    kind: Literal["schema", "grammar", "profile", "regex"]
    ok: bool
    findings: list[CheckFinding]
    json_schema: Any = Field(None, description="For a schema: the JSON Schema that it is.")


class CheckReport(Shape):
    """`tether check --json`."""

    tether: Literal[1]
    ok: bool
    checked: list[CheckedItem]


SHAPES = (Envelope, DeltaEvent, EndEvent, BatchRow, BatchError, CheckReport)


def output_schema() -> dict[str, Any]:
    """All shapes as one JSON Schema; each is a definition, a document is any of them."""
    from pydantic.json_schema import models_json_schema

    _, schema = models_json_schema([(shape, "validation") for shape in SHAPES])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What tether writes for programs",
        "anyOf": [{"$ref": f"#/$defs/{shape.__name__}"} for shape in SHAPES],
        **schema,
    }
