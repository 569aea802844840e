"""`tether check`: what is wrong with a schema, a grammar, a regex or a profile."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tether.cli import streams

if TYPE_CHECKING:
    from tether.cli.checking import Checked
    from tether.grammars.findings import Finding

EXAMPLES = """
tether check "name, born date, tags [str]"
tether check invoice.schema.json answer.lark tether.toml
tether check --kind regex "[0-9]{4}-[0-9]{2}"
tether check --json invoice.schema.json
tether check --allow-remote invoice.schema.json
"""

_REFUSED = 3
_COLOURS = {"error": "31", "warning": "33", "info": "36"}


def run(
    items: Annotated[
        list[str], typer.Argument(metavar="FILE|TEXT...", help="Files, or schema texts.")
    ],
    kind: Annotated[
        Literal["schema", "grammar", "profile", "regex"] | None,
        typer.Option(help="What the items are; default: by the file's name, else a schema."),
    ] = None,
    allow_remote: Annotated[
        bool,
        typer.Option("--allow-remote", help="Fetch what a schema's $ref names elsewhere (https)."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Write one JSON object.")] = False,
) -> None:
    """Check schemas, grammars, regexes and profiles; loads no model.

    Says what is refused and how to cure it, what is probably not meant, and what will be slow.
    For the short syntax it shows the JSON Schema that it makes. Nothing is fetched unless
    --allow-remote is given. Exit code 3 if anything is refused.
    """
    from tether.cli.checking import check_argument

    checked = [check_argument(item, kind, allow_remote=allow_remote) for item in items]
    conclude(checked, as_json=as_json)


def conclude(checked: Sequence[Checked], *, as_json: bool) -> None:
    """Write what was found, and leave with 3 where something is refused."""
    if as_json:
        streams.write_line(_report(checked))
    else:
        for item in checked:
            _print(item)
    if not all(item.ok for item in checked):
        raise typer.Exit(_REFUSED)


def _report(checked: Sequence[Checked]) -> str:
    items = [
        {
            "name": item.name,
            "kind": item.kind,
            "ok": item.ok,
            "findings": [asdict(finding) for finding in item.findings],
            "json_schema": item.json_schema,
        }
        for item in checked
    ]
    report = {"tether": 1, "ok": all(item.ok for item in checked), "checked": items}
    return json.dumps(report, ensure_ascii=False)


def _print(item: Checked) -> None:
    streams.write_line(f"{item.name}: {'ok' if item.ok else 'refused'} ({item.kind})")
    for level in ("error", "warning", "info"):
        for finding in item.findings:
            if finding.level == level:
                streams.write_line(_lines(finding))
    if item.from_short and item.json_schema is not None:
        streams.write_line("  JSON Schema:")
        text = json.dumps(item.json_schema, indent=2, ensure_ascii=False)
        streams.write_line("\n".join(f"    {line}" for line in text.splitlines()))


def _lines(finding: Finding) -> str:
    import sys

    level: str = finding.level
    if sys.stdout is not None and streams.coloured(sys.stdout):
        level = f"\x1b[{_COLOURS[level]}m{level}\x1b[0m"
    place = f" at {finding.pointer}" if finding.pointer else ""
    lines = [f"  {level}{place}: {finding.message}"]
    lines += [f"    {line}" for line in finding.excerpt.splitlines()]
    lines += [f"    {finding.hint}"] if finding.hint else []
    return "\n".join(lines)
