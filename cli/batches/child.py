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
from collections.abc import Iterator
from queue import SimpleQueue
from threading import Thread
from typing import IO, Any

from tether.cli.batches.work import Pending
from tether.errors import InternalError, TetherError

Inbox = SimpleQueue[Any]


def main() -> None:
    """Run rows until nobody wants any more."""
    said = _protocol()
    inbox: Inbox = SimpleQueue()
    Thread(target=_listen, args=(inbox,), daemon=True).start()
    try:
        _serve(inbox, said)
    except BrokenPipeError:
        return
    except Exception as error:
        if os.environ.get("TETHER_DEBUG"):
            traceback.print_exc()
        _say(said, {"error": packed_error(error)})


def packed_error(error: Exception) -> dict[str, Any]:
    """An error as JSON; what is no error of ours is a bug."""
    if not isinstance(error, TetherError):
        problem = f"A worker failed: {type(error).__name__}: {error}"
        error = InternalError(problem, hint="Run it again with --debug and report what it says.")
    parts = {key: getattr(error, key) for key in ("message", "hint", "pointer", "excerpt")}
    return {"class": type(error).__name__, **parts}


def _serve(inbox: Inbox, said: IO[bytes]) -> None:
    from tether.cli.batches.job import Job

    asked = inbox.get()
    if asked["share"][1] > 1:
        from tether.decoding.models.share import take

        take(*asked["share"])
    job = Job.unpacked(asked["job"])
    work, decided = job.begin(job.maker())
    _say(said, {"ready": decided})
    while True:
        for ended in work.run(_rows(inbox)):
            _say(said, {"row": ended.packed()})


def _rows(inbox: Inbox) -> Iterator[Pending]:
    while (value := inbox.get()) is not None:
        yield Pending.unpacked(value)


def _listen(inbox: Inbox) -> None:
    for line in sys.stdin.buffer:
        inbox.put(json.loads(line))
    os._exit(0)


def _protocol() -> IO[bytes]:
    """The real stdout; what libraries print goes to stderr instead."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    return os.fdopen(kept, "wb")


def _say(stream: IO[bytes], value: dict[str, Any]) -> None:
    stream.write(json.dumps(value, separators=(",", ":")).encode() + b"\n")
    stream.flush()


if __name__ == "__main__":
    main()
