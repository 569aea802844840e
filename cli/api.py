"""The Python face: `tether.generate` and `tether.batch`, by the same settings as the commands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, TypeVar, overload

from tether.cli import engine, said
from tether.cli.batches import rows
from tether.cli.batches.ordering import Reorder
from tether.cli.batches.records import record
from tether.cli.batches.rows import Row
from tether.cli.config.settings import Resolved, resolve
from tether.cli.kinds import JsonValue, SettingValue
from tether.cli.said import Said
from tether.cli.session import Session
from tether.cli.tasks import TaskMaker
from tether.errors import UsageError
from tether.grammars.json_schema.source import any_integer

if TYPE_CHECKING:
    from pydantic import BaseModel

    from tether.cli.batches.journal import Record

    M = TypeVar("M", bound=BaseModel)


@overload
def generate(prompt: str, *, schema: type[M], **settings: SettingValue) -> M: ...


@overload
def generate(
    prompt: str, *, schema: SettingValue = None, **settings: SettingValue
) -> SettingValue: ...


def generate(
    prompt: str,
    *,
    schema: Any = None,
    profile: str | Sequence[str] = (),
    key: str = "",
    **settings: Any,
) -> Any:
    """What the model says to `prompt`, valid under its constraint.

    Args:
        prompt: The text; `@` has no meaning in it.
        schema: A Pydantic model class, a dict, JSON text, a path, the short syntax, or a type of
            `outlines.types`. Instead of it: `regex=`, `choices=` or `grammar=` (a path).
        profile: Names of profiles; later ones win.
        key: A row's id, to repeat one row of a batch alone.
        settings: Any setting of tether.toml by its name, such as `max_tokens=100`,
            `evidence=["..."]`, `index="kb"` or `ground=["copy"]`.

    Returns:
        An instance of the model class, the JSON value for any other schema, else the text.

    Raises:
        TetherError: By who can cure it; see `tether.errors`.
    """
    maker, resolved = _maker(schema, profile, settings)
    task = maker.single(prompt, {}, key=key)
    (outcome,) = Session(engine.load(resolved.settings)).run([task])
    return _value(outcome.payload(), maker.said, schema)


def batch(
    source: Iterable[Mapping[str, Any]],
    *,
    schema: SettingValue = None,
    profile: str | Sequence[str] = (),
    **settings: SettingValue,
) -> Iterator[dict[str, Any]]:
    """Run many rows; yields a dict for each, in order, whether it went well or not.

    Args:
        source: Rows as `tether batch` reads them, pulled as they are needed.
        schema: As in `generate`; a row's own schema wins.
        profile: Names of profiles; later ones win.
        settings: Any setting of tether.toml by its name, such as `slots=32`.

    Yields:
        The line of the output file as a dict, or that of the errors file (it has a `reason`).

    Raises:
        TetherError: The settings or the model are refused; a row's own error is yielded.
    """
    maker, resolved = _maker(schema, profile, settings)
    session = Session(engine.load(resolved.settings))
    tasks = (maker.task(row, row) for row in _rows(source, maker))
    waiting: Reorder[Record] = Reorder()
    for outcome in session.run(tasks, slots=resolved["slots"]):
        row: Row = outcome.task.origin
        done = record(row.index, row, outcome, session.engine.name)
        for due in [done] if resolved["unordered"] else waiting.put(row.index, done):
            yield _read(due.line)


def _maker(
    schema: SettingValue, profile: str | Sequence[str], settings: Mapping[str, Any]
) -> tuple[TaskMaker, Resolved]:
    """Settings from Python values: tuples and paths become what a TOML file would hold."""
    names = [profile] if isinstance(profile, str) else list(profile)
    given = {key: _plain(value) for key, value in settings.items()}
    wanted: Said | None = None
    if schema is not None and not isinstance(schema, str | dict | PathLike):
        clash = [key for key in said.KEYS if given.get(key) is not None]
        if clash:
            raise UsageError(
                f"schema and {clash[0]} both say what may be said.", hint="Leave one out."
            )
        given["schema"] = {}  # replaces what a profile names; the object itself is used below
        resolved = resolve(given, profiles=names)
        wanted = said.from_object(schema, resolved)
    else:
        if schema is not None:
            given["schema"] = _plain(schema)
        resolved = resolve(given, profiles=names)
    return TaskMaker(resolved, said_already=wanted), resolved


def _plain(value: SettingValue) -> SettingValue:
    if isinstance(value, PathLike):
        return fspath(value)
    return list(value) if isinstance(value, tuple) else value


def _value(text: str, wanted: Said, schema: SettingValue) -> SettingValue:
    if hasattr(schema, "model_validate_json"):
        return schema.model_validate_json(text)
    return _read(text) if wanted.is_json else text


def _read(text: str) -> JsonValue:
    """JSON as Python values; an integer that Python does not read is a Decimal."""
    return json.loads(text, parse_int=any_integer)


def _rows(source: Iterable[Mapping[str, Any]], maker: TaskMaker) -> Iterator[Row]:
    for index, value in enumerate(source):
        bare = Row(index, 0)
        try:
            yield rows.parse(bare, value, maker.template)
        except UsageError as error:
            yield rows.refused(bare, value, error)
