"""Every setting, once: name, type, default, meaning. Flags, TOML, variables and rows agree.

The one place where pydantic checks what users write; the reference and the published JSON Schema
of `tether.toml` are made from it. Knows nothing of files, flags or precedence: see `settings.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from tether.cli.config.meanings import MEANINGS
from tether.cli.kinds import SettingValue
from tether.errors import UsageError

Count = Annotated[int, Field(ge=1)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
TokenId = Annotated[int, Field(ge=0)]
_Given = TypeVar("_Given")
Format = Literal["json", "jsonl", "csv", "tsv"]


def _token_ids(table: SettingValue) -> SettingValue:
    """TOML and JSON keys are texts: those that are digits become token ids."""
    if not isinstance(table, dict):
        return table
    return {int(k) if isinstance(k, str) and k.isdecimal() else k: v for k, v in table.items()}


def _terms(texts: list[str]) -> list[str]:
    """Texts of which each is a term, and which may stand together."""
    from tether.decoding.terms.parse import parse_all

    return _checked(parse_all, texts, "contrast")


def _grounds(texts: list[str]) -> list[str]:
    """Texts of which each is a method of grounding, and which may stand together."""
    from tether.decoding.grounds.parse import parse_all

    return _checked(parse_all, texts, "ground")


def _drafters(text: str) -> str:
    """Names of drafters with commas between them, `auto` or `off`."""
    from tether.decoding.drafts.registry import parse

    return _checked(parse, text, "draft")


def _checked(check: Callable[[_Given], object], given: _Given, kind: str) -> _Given:
    try:
        check(given)
    except UsageError as error:
        said = {"problem": error.message.removesuffix("."), "hint": error.hint}
        raise PydanticCustomError(kind, "{problem}", said) from None
    return given


def _setting(key: str, default: SettingValue, **more: SettingValue) -> SettingValue:
    return Field(default, description=MEANINGS[key], **more)


class Settings(BaseModel):
    """All settings of one run. `null` means: not set."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=False, protected_namespaces=()
    )

    model: str = _setting("model", "builtin")
    device: str = _setting("device", "auto")
    dtype: Literal["auto", "float32", "bfloat16", "float16", "float64"] = _setting("dtype", "auto")
    compile: bool = _setting("compile", False)
    server: Literal["auto", "never"] = _setting("server", "auto")

    schema_: str | dict[str, Any] | None = _setting("schema", None, alias="schema")
    type: str | None = _setting("type", None)
    regex: str | None = _setting("regex", None)
    choices: Annotated[list[str], Field(min_length=1)] | None = _setting("choices", None)
    grammar: str | None = _setting("grammar", None)
    sparql: Literal[True] | None = _setting("sparql", None)
    graph: str | None = _setting("graph", None)
    endpoint: str | None = _setting("endpoint", None)
    guarantee: Literal["syntax", "vocabulary", "adjacent", "nonempty"] | None = _setting(
        "guarantee", None
    )
    execute: bool = _setting("execute", False)
    explain: bool = _setting("explain", False)

    property_order: Literal["declared", "any"] = _setting("property_order", "declared")
    whitespace: Literal["compact", "flexible"] = _setting("whitespace", "compact")
    bound: bool = _setting("bound", True)
    formats: Literal["assert", "annotate"] = _setting("formats", "assert")
    allow_remote: bool = _setting("allow_remote", False)
    verbatim: list[Annotated[str, Field(min_length=1)]] = _setting("verbatim", [])
    stop: list[Annotated[str, Field(min_length=1)]] = _setting("stop", [])

    system: str = _setting("system", "")
    template: str = _setting("template", "")
    evidence: list[str] = _setting("evidence", [])
    raw_prompt: bool = _setting("raw_prompt", False)
    heal: bool = _setting("heal", True)
    think: bool | str = _setting("think", False)

    max_tokens: Count = _setting("max_tokens", 512)
    temperature: Annotated[Finite, Field(ge=0)] = _setting("temperature", 0.0)
    top_k: Annotated[int, Field(ge=0)] = _setting("top_k", 0)
    top_p: Annotated[Finite, Field(gt=0, le=1)] = _setting("top_p", 1.0)
    min_p: Annotated[Finite, Field(ge=0, le=1)] = _setting("min_p", 0.0)
    typical_p: Annotated[Finite, Field(gt=0, le=1)] = _setting("typical_p", 1.0)
    repetition_penalty: Annotated[Finite, Field(gt=0)] = _setting("repetition_penalty", 1.0)
    logit_bias: Annotated[dict[TokenId, Finite], BeforeValidator(_token_ids)] = _setting(
        "logit_bias", {}
    )
    sampling_order: Literal["hf", "llamacpp"] = _setting("sampling_order", "hf")
    extract: Literal["off", "best"] = _setting("extract", "off")
    seed: Annotated[int, Field(ge=0, lt=2**63)] = _setting("seed", 0)

    draft: Annotated[str, AfterValidator(_drafters)] = _setting("draft", "auto")
    draft_tokens: Annotated[int, Field(ge=1, le=64)] = _setting("draft_tokens", 16)
    draft_model: str | None = _setting("draft_model", None)
    lossy: Literal["off", "typical", "judge", "arbitrage"] = _setting("lossy", "off")
    lossy_at: Annotated[float, Field(ge=0, le=1)] = _setting("lossy_at", 0.5)
    draft_rule: Literal["match", "token", "block", "paths", "rsd"] = _setting("draft_rule", "match")

    index: str | None = _setting("index", None)
    passages: Annotated[int, Field(ge=1, le=1000)] = _setting("passages", 4)
    retrieve: Literal["auto", "bm25", "dense", "hybrid"] = _setting("retrieve", "auto")
    order: Literal["rank", "reverse", "chain", "peak"] = _setting("order", "rank")
    structure: bool = _setting("structure", False)
    research: Annotated[int, Field(ge=0, le=100)] = _setting("research", 0)
    abstain: Literal["off", "exit", "null"] = _setting("abstain", "off")
    abstain_below: Annotated[Finite, Field(ge=0, le=1)] = _setting("abstain_below", 0.5)
    ground: Annotated[list[str], AfterValidator(_grounds)] = _setting("ground", [])

    contrast: Annotated[list[str], AfterValidator(_terms)] = _setting("contrast", [])
    amateur: str | None = _setting("amateur", None)
    expert: str | None = _setting("expert", None)

    format: Format = _setting("format", "json")
    pretty: bool = _setting("pretty", False)
    raw: bool = _setting("raw", False)
    field: str | None = _setting("field", None)
    envelope: bool = _setting("envelope", False)
    partial: bool = _setting("partial", False)
    stream: Literal["text", "events"] | None = _setting("stream", None)
    stats: bool = _setting("stats", False)

    slots: Annotated[int, Field(ge=1, le=4096)] = _setting("slots", 16)
    unordered: bool = _setting("unordered", False)
    workers: Annotated[int, Field(ge=1, le=1024)] = _setting("workers", 1)
    ray: Annotated[str, Field(min_length=1)] | None = _setting("ray", None)
    tensor_parallel: bool = _setting("tensor_parallel", False)


def field_name(key: str) -> str:
    """The attribute of a setting; only `schema` differs (pydantic keeps that name for itself)."""
    return "schema_" if key == "schema" else key


KEYS: tuple[str, ...] = tuple(f.alias or name for name, f in Settings.model_fields.items())
"""The names of all settings as users write them."""

CONSTRAINTS = ("schema", "type", "regex", "choices", "grammar", "sparql")
"""Settings of which at most one holds; a higher layer's replaces a lower layer's."""

ROW_KEYS = (
    "schema", "regex", "choices", "grammar", "sparql", "guarantee",
    "property_order", "whitespace", "bound", "formats",
    "verbatim", "stop", "extract", "system", "evidence", "raw_prompt", "heal", "think",
    "max_tokens", "temperature", "top_k", "top_p", "min_p", "typical_p", "repetition_penalty",
    "logit_bias", "sampling_order", "seed", "draft", "draft_tokens", "lossy", "lossy_at",
    "draft_rule", "passages", "order", "structure", "research", "abstain", "abstain_below",
    "ground", "contrast",
)  # fmt: skip
"""Settings that a batch row may override. Not `type`: data must not choose code to import."""

SPEED_KEYS = ("draft", "draft_tokens")
"""Those of them that change speed and never text."""
