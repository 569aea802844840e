"""The options of the commands, one for each setting, made from one table.

A command names its groups with `@takes(...)` and gets what the user gave as keyword arguments by
the setting's name; what was not given is absent, so that weaker layers can show through.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, Literal, TypeAlias

import typer

from tether.cli.config.meanings import GROUPS, MEANINGS, flag
from tether.cli.kinds import SettingValue

_KINDS: dict[str, Any] = {
    **dict.fromkeys(("model", "device", "schema", "type", "regex", "grammar", "system"), str),
    **dict.fromkeys(("template", "field", "amateur", "expert", "index"), str),
    **dict.fromkeys(
        ("choices", "verbatim", "stop", "evidence", "logit_bias", "contrast", "ground"), list[str]
    ),
    **dict.fromkeys(
        ("compile", "bound", "allow_remote", "raw_prompt", "heal", "think", "pretty"), bool
    ),
    **dict.fromkeys(("raw", "envelope", "partial", "stats", "unordered", "structure"), bool),
    **dict.fromkeys(("max_tokens", "top_k", "seed", "slots", "passages", "research"), int),
    "workers": int,
    "ray": str,
    "tensor_parallel": bool,
    **dict.fromkeys(("temperature", "top_p", "min_p", "typical_p", "repetition_penalty"), float),
    "abstain_below": float,
    "draft": str,
    "draft_tokens": int,
    "draft_model": str,
    "lossy": Literal["off", "typical", "judge", "arbitrage"],
    "lossy_at": float,
    "draft_rule": Literal["match", "token", "block", "paths", "rsd"],
    **dict.fromkeys(("graph", "endpoint"), str),
    "guarantee": Literal["syntax", "vocabulary", "adjacent", "nonempty"],
    **dict.fromkeys(("execute", "explain"), bool),
    "retrieve": Literal["auto", "bm25", "dense", "hybrid"],
    "order": Literal["rank", "reverse", "chain", "peak"],
    "abstain": Literal["off", "exit", "null"],
    "dtype": Literal["auto", "float32", "bfloat16", "float16", "float64"],
    "property_order": Literal["declared", "any"],
    "whitespace": Literal["compact", "flexible"],
    "formats": Literal["assert", "annotate"],
    "sampling_order": Literal["hf", "llamacpp"],
    "extract": Literal["off", "best"],
    "server": Literal["auto", "never"],
    "format": Literal["json", "jsonl", "csv", "tsv"],
    "stream": Literal["text", "events"],
}
_SHORT = {
    **{"model": "-m", "schema": "-s", "format": "-o", "raw": "-r", "evidence": "-e"},
    "graph": "-g",
}
_METAVARS = {
    "model": "NAME",
    "device": "NAME",
    "schema": "SCHEMA",
    "type": "PACKAGE:NAME",
    "regex": "REGEX",
    "grammar": "FILE",
    "field": "PATH",
    "system": "TEXT|@FILE",
    "template": "TEXT|@FILE",
    "logit_bias": "ID=VALUE",
    "evidence": "TEXT|@FILE",
    "stop": "TEXT",
    "verbatim": "FIELD",
    "choices": "TEXT",
    "contrast": "NAME[:WEIGHT][,KEY=VALUE]",
    "ground": "NAME[:WEIGHT][,KEY=VALUE]",
    "amateur": "NAME",
    "expert": "NAME",
    "index": "FOLDER",
    "draft": "auto|off|NAME,...",
    "draft_model": "NAME",
    "graph": "FOLDER|FILE",
    "endpoint": "URL",
    "ray": "ADDRESS",
}
_SPECIAL = {"think": "Let the model reason before it answers; `--think=TEXT` sets the end mark."}
"""Flags that do not say the same as the setting."""

MODEL = tuple(GROUPS["model"])
SERVER = tuple(GROUPS["server"])
SAMPLING = (*GROUPS["how it is said"], *GROUPS["grounding"], *GROUPS["contrast"])
PROMPT = tuple(GROUPS["prompt"])
JSON = (
    "schema",
    "type",
    "property_order",
    *("whitespace", "bound", "formats", "allow_remote", "verbatim"),
)
TEXT = ("regex", "choices", "grammar", "verbatim", "stop")
QUERY = ("graph", "endpoint", "guarantee", "execute", "explain")
OUTPUT = tuple(GROUPS["output"])
BATCH = tuple(GROUPS["batch"])

PromptArgument: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="PROMPT",
        help="The prompt: a text, `@file`, or `-` for stdin. With a prompt and a pipe, what is "
        "piped in becomes a passage.",
        show_default=False,
    ),
]
ProfileOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--profile",
        "-p",
        metavar="NAME",
        help="Use a profile of tether.toml; may be repeated, later ones win.",
        rich_help_panel="Profile",
    ),
]
VarOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--var",
        metavar="NAME=VALUE",
        help="A field of the template; may be repeated, `@file` reads the value.",
        rich_help_panel="Prompt",
    ),
]
KeyOption: TypeAlias = Annotated[
    str,
    typer.Option("--key", hidden=True, help="The row's id, to repeat one row of a batch alone."),
]


def takes(*groups: tuple[str, ...]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the options of these settings, as keyword arguments, absent if not given."""
    keys = [key for group in groups for key in group]
    hidden = ["think_until"] if "think" in keys else []

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        own = inspect.signature(function, eval_str=True)
        kept = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]

        @wraps(function)
        def command(**values: SettingValue) -> SettingValue:
            flags = {key: values.pop(key) for key in (*keys, *hidden)}
            return function(**values, **_given(flags))

        options = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
            for key, kind in ((key, _option(key)) for key in (*keys, *hidden))
        ]
        command.__signature__ = own.replace(parameters=[*kept, *options])  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in [*kept, *options]}
        return command

    return decorate


def _option(key: str) -> SettingValue:
    if key == "think_until":  # the second half of `--think=TEXT`, see command_classes.py
        return Annotated[str | None, typer.Option("--think-until", hidden=True)]
    kind = _KINDS[key]
    names = [*([_SHORT[key]] if key in _SHORT else []), flag(key)]
    if kind is bool:
        names[-1] += f"/--no-{key.replace('_', '-')}"
    option = typer.Option(
        *names,
        help=_SPECIAL.get(key, MEANINGS[key]),
        metavar=_METAVARS.get(key, "TEXT" if kind is str else None),
        rich_help_panel=next(name for name, keys in GROUPS.items() if key in keys).capitalize(),
    )
    return Annotated[kind | None, option]


def _given(flags: dict[str, Any]) -> dict[str, Any]:
    """What the user gave, `ID=VALUE` pairs as a table."""
    given = {key: value for key, value in flags.items() if value is not None}
    if (mark := given.pop("think_until", None)) is not None:
        given["think"] = mark
    if "logit_bias" in given:
        from tether.cli.config.environment import logit_bias

        given["logit_bias"] = logit_bias(given["logit_bias"], "--logit-bias")
    return given


def variables(pairs: list[str] | None) -> dict[str, str]:
    """`--var NAME=VALUE` pairs as template fields.

    Raises:
        UsageError: A pair has no `=`, or its file cannot be read.
    """
    from tether.cli import texts
    from tether.errors import UsageError

    found: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise UsageError(
                f"--var {pair!r} is not NAME=VALUE.", hint="Write for example --var tone=polite."
            )
        found[name] = texts.read(value)
    return found
