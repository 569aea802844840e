"""The process in which queries run: it may be killed at any time, and a query may crash it.

    python -m tether.grounding.graph.oracle_child STORE

Reads a request of JSON a line, writes an answer of JSON a line. The store is opened read-only; what
comes in was checked by `guard.py` before.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

from pyoxigraph import Literal, NamedNode, QueryBoolean, QuerySolutions, Store

_XSD = "http://www.w3.org/2001/XMLSchema#"
_WHOLE = ("int", "long", "short", "byte", "nonNegativeInteger", "positiveInteger", "unsignedInt")
_MEMORY = 4 << 30
_LOOK_S = 1.0


def main() -> None:
    """Serve requests until the input ends."""
    _limit_memory()
    Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    stores = {"store": Store.read_only(sys.argv[1]), "empty": Store()}
    sys.stdout.write("{}\n")  # ready
    sys.stdout.flush()
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = _OPERATIONS[request["do"]](stores, request)
        except (SyntaxError, ValueError, OSError, RuntimeError) as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _end_with(parent: int) -> None:
    """End where the parent is gone: whoever was killed waits for no answer, however long."""
    while os.getppid() == parent:
        time.sleep(_LOOK_S)
    os._exit(1)


def _ask(stores: dict[str, Store], request: dict[str, Any]) -> dict[str, Any]:
    """Whether a query has a row or says yes."""
    found = _run(stores["store"], request)
    if isinstance(found, QueryBoolean):
        return {"yes": bool(found)}
    return {"yes": next(iter(found), None) is not None}


def _parse(stores: dict[str, Store], request: dict[str, Any]) -> dict[str, Any]:
    """Whether the engine's parser takes a query; an empty store has nothing to look for."""
    try:
        _run(stores["empty"], request)
    except SyntaxError as error:
        return {"refusal": str(error)}
    return {"refusal": None}


def _rows(stores: dict[str, Store], request: dict[str, Any]) -> dict[str, Any]:
    """All rows, within limits."""
    found = _run(stores["store"], request)
    if isinstance(found, QueryBoolean):
        return {"variables": [], "rows": [], "yes": bool(found)}
    is_table = isinstance(found, QuerySolutions)
    names = [v.value for v in found.variables] if is_table else ["subject", "predicate", "object"]
    rows, cells, size = [], 0, 0
    for terms in _terms(found, len(names)):
        row = [None if term is None else str(term) for term in terms]
        rows.append(row)
        cells += len(row)
        size += sum(len(text) for text in row if text)
        for what, count in (("rows", len(rows)), ("cells", cells), ("bytes", size)):
            if count > request[what]:
                return {"over": what}
    return {"variables": names, "rows": rows, "yes": None}


def _terms(found: Any, width: int) -> Iterator[list[Any]]:  # noqa: ANN401
    for one in found:
        yield [one[i] for i in range(width)]


def _run(store: Store, request: dict[str, Any]) -> Any:  # noqa: ANN401
    prefixes = request.get("prefixes")
    return store.query(request["query"], prefixes=prefixes, custom_functions=_CASTS)


def _cast(name: str) -> Callable[..., Literal | None]:
    """A cast to a whole number that the engine lacks; no value where it is none."""

    def cast(term: Any = None) -> Literal | None:  # noqa: ANN401
        try:
            number = (
                int(term.value) if term.value.lstrip("+-").isdigit() else int(float(term.value))
            )
        except (AttributeError, OverflowError, ValueError):
            return None
        return Literal(str(number), datatype=NamedNode(_XSD + name))

    return cast


def _limit_memory() -> None:
    """A query that wants more than this much memory ends the process."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


_CASTS: dict[NamedNode, Any] = {NamedNode(_XSD + name): _cast(name) for name in _WHOLE}
_OPERATIONS = {"ask": _ask, "parse": _parse, "rows": _rows}

if __name__ == "__main__":
    main()
