"""Every setting, once: name, type, default and meaning. Flags, TOML, the environment and rows agree.

The one place where pydantic checks what users write; the reference and the published JSON Schema
of `tether.toml` are made from it. Knows nothing of files, flags or precedence: see `settings.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
TokenId = Annotated[int, Field(ge=0)]
Format = Literal["json", "jsonl", "csv", "tsv"]


def _token_ids(table: Any) -> Any:
    """TOML and JSON keys are texts: those that are digits become token ids."""
    if not isinstance(table, dict):
        return table
    return {int(k) if isinstance(k, str) and k.isdecimal() else k: v for k, v in table.items()}


def _setting(group: str, meaning: str, **more: Any) -> dict[str, Any]:
    return {"description": meaning, "json_schema_extra": {"x-group": group}, **more}


_MODEL, _SAID = "model", "what may be said"
_PROMPT, _HOW = "prompt", "how it is said"
_OUTPUT, _BATCH = "output", "batch"


class Settings(BaseModel):
    """All settings of one run. `null` means: not set."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=False, protected_namespaces=()
    )

    model: str = Field(
        "builtin",
        **_setting(
            _MODEL,
            "A model directory, an id in the local hub cache, or `builtin` for the shipped model.",
        ),
    )
    device: str = Field("auto", **_setting(_MODEL, "`auto`, `cpu`, `cuda` or `cuda:1`."))
    dtype: Literal["auto", "float32", "bfloat16", "float16", "float64"] = Field(
        "auto", **_setting(_MODEL, "Number format of the weights.")
    )
    compile: bool = Field(False, **_setting(_MODEL, "Run the forward through torch.compile."))

    schema_: str | dict[str, Any] | None = Field(
        None,
        alias="schema",
        **_setting(
            _SAID, "JSON Schema: a file, JSON text, a table, or the short syntax (`name, age int`)."
        ),
    )
    type: str | None = Field(
        None, **_setting(_SAID, "A Pydantic model or an outlines type as `package.module:Name`.")
    )
    regex: str | None = Field(None, **_setting(_SAID, "Regular expression of the whole text."))
    choices: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, **_setting(_SAID, "The texts of which exactly one is said.")
    )
    grammar: str | None = Field(None, **_setting(_SAID, "A `.lark` or `.gbnf` file."))
    order: Literal["declared", "any"] = Field(
        "declared", **_setting(_SAID, "Order of the properties of a JSON object.")
    )
    whitespace: Literal["compact", "flexible"] = Field(
        "compact", **_setting(_SAID, "Whether white space between JSON tokens is fixed or free.")
    )
    bound: bool = Field(
        True, **_setting(_SAID, "Bound strings and numbers to which the schema sets no length.")
    )
    stop: list[Annotated[str, Field(min_length=1)]] = Field(
        [], **_setting(_SAID, "Texts that end free text where they appear.")
    )

    system: str = Field("", **_setting(_PROMPT, "Instructions for chat models; `@file` reads it."))
    template: str = Field(
        "", **_setting(_PROMPT, "The prompt with `{field}` placeholders; `@file` reads it.")
    )
    evidence: list[str] = Field(
        [], **_setting(_PROMPT, "Passages that the answer shall rest on; `@file` reads one.")
    )
    raw_prompt: bool = Field(
        False, **_setting(_PROMPT, "The prompt is the whole input: no chat template.")
    )
    think: bool | str = Field(
        False,
        **_setting(
            _PROMPT, "Let the model reason before it answers, up to a text (`true`: `</think>`)."
        ),
    )

    max_tokens: Count = Field(
        512, **_setting(_HOW, "The most output tokens, forced ones and reasoning included.")
    )
    temperature: Annotated[Finite, Field(ge=0)] = Field(
        0.0, **_setting(_HOW, "Divides the scores; 0 takes the best token.")
    )
    top_k: Annotated[int, Field(ge=0)] = Field(
        0, **_setting(_HOW, "Keep the k best tokens; 0 keeps all.")
    )
    top_p: Annotated[Finite, Field(gt=0, le=1)] = Field(
        1.0, **_setting(_HOW, "Keep the best tokens that together reach this probability.")
    )
    min_p: Annotated[Finite, Field(ge=0, le=1)] = Field(
        0.0, **_setting(_HOW, "Keep tokens of at least this share of the best probability.")
    )
    repetition_penalty: Annotated[Finite, Field(gt=0)] = Field(
        1.0, **_setting(_HOW, "Weakens tokens that were seen before; 1 is off.")
    )
    logit_bias: Annotated[dict[TokenId, Finite], BeforeValidator(_token_ids)] = Field(
        {}, **_setting(_HOW, "Added to the scores of token ids.")
    )
    sampling_order: Literal["hf", "llamacpp"] = Field(
        "hf", **_setting(_HOW, "`hf` truncates after the temperature, `llamacpp` before it.")
    )
    seed: Annotated[int, Field(ge=0, lt=2**63)] = Field(
        0, **_setting(_HOW, "The whole source of randomness, with the row's key.")
    )

    format: Format = Field("json", **_setting(_OUTPUT, "How a JSON payload is written."))
    pretty: bool = Field(False, **_setting(_OUTPUT, "Indent JSON."))
    raw: bool = Field(False, **_setting(_OUTPUT, "Write a string without its quotes."))
    field: str | None = Field(None, **_setting(_OUTPUT, "Write only this part: `a.b`, `items.0`."))
    envelope: bool = Field(
        False, **_setting(_OUTPUT, "Write the versioned object with counts, model and seed.")
    )
    partial: bool = Field(
        False, **_setting(_OUTPUT, "At the token limit, write the text so far (exit code 5).")
    )
    stream: Literal["text", "events"] | None = Field(
        None, **_setting(_OUTPUT, "Write the text, or JSON events, while it is being decoded.")
    )
    stats: bool = Field(False, **_setting(_OUTPUT, "Counts and times, on stderr."))

    slots: Annotated[int, Field(ge=1, le=4096)] = Field(
        16, **_setting(_BATCH, "Rows decoded at once; changes speed, not text.")
    )
    unordered: bool = Field(
        False, **_setting(_BATCH, "Write rows as they end instead of in input order.")
    )


def field_name(key: str) -> str:
    """The attribute of a setting; only `schema` differs (pydantic keeps that name for itself)."""
    return "schema_" if key == "schema" else key


KEYS: tuple[str, ...] = tuple(f.alias or name for name, f in Settings.model_fields.items())
"""The names of all settings as users write them."""

CONSTRAINTS = ("schema", "type", "regex", "choices", "grammar")
"""Settings of which at most one holds; a higher layer's replaces a lower layer's."""

ROW_KEYS = (
    "schema", "regex", "choices", "grammar", "order", "whitespace", "bound", "stop", "system", "evidence", "raw_prompt",
    "think", "max_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty",
    "logit_bias", "sampling_order", "seed",
)  # fmt: skip
"""Settings that a batch row may override. Not `type`: data must not choose code to import."""
