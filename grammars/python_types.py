"""Python types -> specs: Pydantic models, dataclasses, TypedDicts, Literals, Enums, outlines.

Pydantic makes the schemas; outlines is imported only where the object comes from it.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from tether.errors import UsageError
from tether.grammars.spec import Spec


def from_type(path: str, base_dir: Path | None = None, **options: Any) -> Spec:  # noqa: ANN401
    """The spec of a type named `package.module:Name`.

    The module is found as `python -m` would find it: the working folder comes first.

    Args:
        path: Module and name; the name may have dots for nested classes.
        base_dir: The folder to look in first; the working folder by default.
        options: For `Spec`: order, whitespace, bounds.

    Raises:
        UsageError: The path is not of that form, the module or the name does not exist, the
            module fails when imported, or the type has no JSON Schema.
    """
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        raise UsageError(
            f"{path!r} names no type.", hint="Write package.module:Name, for example shop:Invoice."
        )
    with _importable(base_dir or Path.cwd()):
        module = _import(module_name)
    return from_object(_attribute(module, name), source=path, **options)


def from_object(value: Any, *, source: str = "", **options: Any) -> Spec:  # noqa: ANN401
    """The spec of a type: an outlines object by its own meaning, others by their JSON Schema."""
    if type(value).__module__.partition(".")[0] == "outlines":
        return from_outlines(value, source=source, **options)
    if isinstance(value, dict):
        schema: Any = value
    else:
        schema = _pydantic_schema(value, source or repr(value))
    return Spec("json", json.dumps(schema, ensure_ascii=False), source, **options)


def from_outlines(value: Any, *, source: str = "", **options: Any) -> Spec:  # noqa: ANN401
    """The spec of an outlines output type: a term of its regex DSL, or regex, choice, cfg, schema.

    Raises:
        UsageError: outlines is not installed, or it gives the object no meaning.
    """
    dsl = _dsl()
    try:
        term = value if isinstance(value, dsl.Term) else dsl.python_types_to_terms(value)
        if isinstance(term, dsl.JsonSchema):
            return Spec("json", term.schema, source, **options)
        if isinstance(term, dsl.CFG):
            return Spec("lark", term.definition, source)
        if isinstance(term, dsl.Choice) and all(isinstance(item, str) for item in term.items):
            return Spec("choice", json.dumps(term.items, ensure_ascii=False), source)
        return Spec("regex", dsl.to_regex(term), source)
    except (TypeError, ValueError, NotImplementedError, RecursionError) as error:
        raise UsageError(
            f"outlines gives {value!r} no meaning: {error}.",
            hint="Use a term of outlines.types, or outlines.regex, choice, cfg or json_schema.",
        ) from error


def _dsl() -> ModuleType:
    try:
        return importlib.import_module("outlines.types.dsl")
    except ImportError as error:
        raise UsageError(
            f"outlines cannot be imported: {error}.",
            hint="Install it: pip install tether[outlines].",
        ) from error


def _pydantic_schema(value: Any, name: str) -> dict[str, Any]:  # noqa: ANN401
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        return TypeAdapter(value).json_schema()
    except (PydanticUserError, TypeError, NameError) as error:
        raise UsageError(
            f"{name} has no JSON Schema: {str(error).splitlines()[0]}",
            hint="Use a Pydantic model, dataclass, TypedDict, Literal, Enum or a plain type.",
        ) from error


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """`folder` first on sys.path, for as long as it lasts."""
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if missing == name or name.startswith(missing + "."):
            raise UsageError(
                f"There is no module {missing!r}.",
                hint="Run tether in the folder that holds it, or install its package.",
            ) from error
        raise UsageError(
            f"The module {name!r} needs {missing!r}, which is not installed.",
            hint=f"Install {missing} into the environment of tether.",
        ) from error
    except Exception as error:
        raise UsageError(
            f"The module {name!r} fails when imported: {type(error).__name__}: {error}.",
            hint="Correct it; python -c 'import ...' shows where.",
        ) from error


def _attribute(module: ModuleType, name: str) -> Any:  # noqa: ANN401
    value: Any = module
    for part in name.split("."):
        if not hasattr(value, part):
            known = [known for known in vars(value) if not known.startswith("_")]
            near = get_close_matches(part, known, n=1, cutoff=0.6)
            hint = f"Did you mean {near[0]}?" if near else f"It has: {', '.join(known[:12])}."
            raise UsageError(f"{module.__name__} has no {part!r}.", hint=hint)
        value = getattr(value, part)
    return value
