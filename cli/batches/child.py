"""A worker of a batch, as a process of its own: lines on stdin, finished rows on stdout, as JSON.

It is told first what to do, then row after row; `null` says that no row follows for now, so that
rows that run need not wait for one. Where stdin ends, whoever started it is gone or has enough:
it ends at once. Nothing is lost with it, since the journal is not kept here.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeAlias

from tether.cli.batches.work import Pending
from tether.errors import InternalError, TetherError

Inbox: TypeAlias = SimpleQueue[Any]
Say: TypeAlias = Callable[[dict[str, Any]], None]


def main(
    serve: Callable[[Inbox, Say], None] | None = None, leave: Callable[[], None] = lambda: None
) -> None:
    """Do what `serve` does, by default run rows, until nobody wants any more; then `leave`."""
    say = _speaker()
    inbox: Inbox = SimpleQueue()
    Thread(target=_listen, args=(inbox, leave), daemon=True).start()
    try:
        (serve or _serve)(inbox, say)
    except BrokenPipeError:
        return
    except Exception as error:
        if os.environ.get("TETHER_DEBUG"):
            traceback.print_exc()
        say({"error": packed_error(error)})


def packed_error(error: Exception) -> dict[str, Any]:
    """An error as JSON; what is no error of ours is a bug."""
    if not isinstance(error, TetherError):
        error = InternalError(
            f"A worker failed: {type(error).__name__}: {error}",
            hint="Run it again with TETHER_DEBUG=1 and report what it says.",
        )
    parts = {key: getattr(error, key) for key in ("message", "hint", "pointer", "excerpt")}
    return {"class": type(error).__name__, **parts}


def _serve(inbox: Inbox, say: Say) -> None:
    from tether.cli.batches.job import Job

    asked = inbox.get()
    if asked["share"][1] > 1:
        from tether.decoding.models.share import take

        take(*asked["share"])
    job = Job.unpacked(asked["job"])
    work, decided = job.begin(job.maker())
    say({"ready": decided})
    while True:
        for ended in work.run(_rows(inbox)):
            say({"row": ended.packed()})


def _rows(inbox: Inbox) -> Iterator[Pending]:
    while (value := inbox.get()) is not None:
        yield Pending.unpacked(value)


def _listen(inbox: Inbox, leave: Callable[[], None]) -> None:
    # Not sys.stdin: Python flushes that as it ends, and aborts where a thread still reads it.
    for line in os.fdopen(os.dup(0), "rb"):
        inbox.put(json.loads(line))
    leave()
    os._exit(0)


def _speaker() -> Say:
    """Writes lines to the real stdout; what libraries print goes to stderr instead."""
    sys.stdout.flush()
    kept = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def say(value: dict[str, Any]) -> None:
        kept.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")
        kept.flush()

    return say


if __name__ == "__main__":
    main()
