"""An hour at full load: `tether serve`, its clients, HTTP and `tether batch`, with kills.

python benchmarks/soak.py --minutes 60

Two clients ask for one prompt after the other (JSON, a regex, choices, a query, HTTP), a third
runs one batch of mixed rows after the other, with two workers. Everything has a seed, so every
answer must be, byte for byte, the one of the first time, whoever gives it; rows of a batch must all
be there, once. On the way the server, a client, a batch and a worker are killed with -9, and all
but the worker interrupted with Ctrl-C. Memory (USS: what the processes of a command share with no
other) is read every few seconds; its slope is fitted over what follows the last kill.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import psutil
from facts import ROOT
from rows import Rows, parser, say
from timing import spread

EXAMPLES = ROOT / "docs" / "examples"
PROGRAM = [sys.executable, "-m", "tether"]
_SAMPLE_S = 5.0
_WARM_S = 60.0  # caches fill; memory may grow meanwhile
_ROWS = 400
_AFTERMATH_S = 30.0  # what began while a server was there may fail for so long

ASKED = [
    ["json", "Lena Vogel, born 14 June 1990, lives in Graz.", "-s", "name, born date, city"],
    ["json", "@mail.txt", "-s", "invoice.schema.json"],
    ["json", "@note.txt", "-s", "person.schema.json", "--temperature", "0.8", "--seed", "3"],
    ["text", "When?", "--regex", "[0-9]{4}-[01][0-9]-[0-3][0-9]"],
    ["text", "Is it spam?", "--choice", "yes", "--choice", "no"],
    ["sparql", "Who works in Sales?", "--graph", "company.tether-graph"],
    ["sparql", "How many employees are there?", "--graph", "company.tether-graph", "--execute"],
]
"""Command lines, run where docs/examples are."""


@dataclass
class Ledger:
    """What went as it should, and what did not; written by all threads."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    memory: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str, number: int = 1) -> None:
        """Add to a count."""
        with self.lock:
            self.counts[what] += number

    def fail(self, what: str, why: str) -> None:
        """Note a thing that should not be."""
        with self.lock:
            self.counts[f"wrong: {what}"] += 1
            self.wrong.append(f"{what}: {why}"[:300])
        say(f"soak: WRONG {what}: {why[:300]}")

    def sample(self, what: str, mib: float) -> None:
        """Note how much memory a command has now."""
        with self.lock:
            self.memory.setdefault(what, []).append((time.monotonic(), mib))


class Soak:
    """All that runs, in one folder, until the time is over."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder, self.seconds = folder, seconds
        self.ledger = Ledger()
        self.began = time.monotonic()
        self.server: subprocess.Popen[bytes] | None = None
        self.batch: subprocess.Popen[bytes] | None = None
        self.client: subprocess.Popen[bytes] | None = None
        self.plan = self._plan()
        self.over = threading.Event()
        self.signalled: set[int] = set()
        self._disturbed_at = -1e9
        for path in EXAMPLES.iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TETHER_")}
        self.world = {**kept, "HOME": str(folder), "TETHER_RUNTIME_DIR": str(folder / "run")}
        _write_rows(folder / "rows.jsonl")

    def run(self) -> None:
        """From the first answers to the last."""
        self._call(["graph", "build", "company.ttl", "-o", "company.tether-graph"])
        self.expected = [self._call([*asked, "--server", "never"]) for asked in ASKED]
        self._run_batch("plain", workers=1)
        self.expected_rows = _lines(self.folder / "plain.jsonl")
        self._serve()
        self.expected_http = self._http()
        self.began = time.monotonic()
        actors = [self._ask, self._ask, self._batches, self._watch, self._disturb]
        threads = [threading.Thread(target=actor) for actor in actors]
        for thread in threads:
            thread.start()
        time.sleep(self.seconds)
        self.over.set()
        for thread in threads:
            thread.join(300)
        assert self.server is not None, "it was started"
        self.server.send_signal(signal.SIGTERM)
        if self.server.wait(30) not in (0, 130, 143):
            self.ledger.fail("end of the server", f"exit code {self.server.returncode}")

    def slope(self, what: str, since: float) -> dict[str, float]:
        """MiB an hour of a command from a moment on, with its first and last tenth in MiB."""
        held = [(at, mib) for at, mib in self.ledger.memory.get(what, []) if at >= since]
        if len(held) < 10:
            return {}
        at, mib = np.array(held).T
        tenth = max(1, len(held) // 10)
        return {
            "mib_per_hour": float(np.polyfit(at / 3600, mib, 1)[0]),
            "first_mib": float(np.median(mib[:tenth])),
            "last_mib": float(np.median(mib[-tenth:])),
            "peak_mib": float(mib.max()),
            "minutes": float(at[-1] - at[0]) / 60,
        }

    def _plan(self) -> list[tuple[float, str, int]]:
        """When (share of the time) who is sent what."""
        return [
            (0.05, "client", signal.SIGKILL), (0.08, "client", signal.SIGINT),
            (0.11, "server", signal.SIGKILL), (0.16, "server", signal.SIGINT),
            (0.20, "worker", signal.SIGKILL), (0.25, "batch", signal.SIGKILL),
            (0.30, "batch", signal.SIGINT),
        ]  # fmt: skip

    @property
    def calm(self) -> float:
        """The moment after the last kill, caches warm again."""
        return self.began + self.plan[-1][0] * self.seconds + _WARM_S

    def _start(self, args: list[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [*PROGRAM, *args], cwd=self.folder, env=self.world,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def _call(self, args: list[str]) -> bytes:
        """What a command that goes well writes to stdout."""
        process = self._start(args)
        out, complaint = process.communicate(timeout=600)
        if process.returncode:
            raise RuntimeError(f"{args} ended with {process.returncode}: {complaint.decode()}")
        return out

    def _serve(self) -> None:
        """Start the server and wait until it listens."""
        (self.folder / "server.err").touch()
        with (self.folder / "server.err").open("ab") as log:
            self.server = subprocess.Popen(
                [*PROGRAM, "serve"], cwd=self.folder, env=self.world,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        for _ in range(1200):
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(str(self.folder / "run" / "http.sock"))
                    return
                except OSError:
                    time.sleep(0.1)
        raise RuntimeError(f"no server: {(self.folder / 'server.err').read_text()}")

    def _ask(self) -> None:
        """One prompt after the other, by command line or HTTP."""
        rng = random.Random(threading.get_ident())
        while not self.over.is_set():
            number = rng.randrange(len(ASKED) + 1)
            if number == len(ASKED):
                self._ask_http()
                continue
            process = self._start(ASKED[number])
            self.client = process
            out, complaint = process.communicate(timeout=600)
            if process.pid in self.signalled:  # Python itself may be hit before it is ready
                self.ledger.count("clients ended by us")
            elif process.returncode or out != self.expected[number]:
                # A server that is killed while it writes takes its answer along.
                if self._just_disturbed():
                    self.ledger.count("answers lost with the server, told by the exit code"
                                      if process.returncode else "wrong")  # fmt: skip
                    continue
                self.ledger.fail("answer", f"{ASKED[number]} {process.returncode} {complaint!r}")
            else:
                self.ledger.count("answers")

    def _ask_http(self) -> None:
        try:
            said = self._http()
        except (OSError, http.client.HTTPException) as error:
            if self._just_disturbed():
                self.ledger.count("HTTP requests while there was no server")
                time.sleep(0.5)
            else:
                self.ledger.fail("HTTP", repr(error))
            return
        if said == self.expected_http:
            self.ledger.count("HTTP answers")
        else:
            self.ledger.fail("HTTP answer", repr(said))

    def _http(self) -> str:
        """What the model says to one chat request."""
        connection = http.client.HTTPConnection("localhost", timeout=120)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(120)
        schema = {"name": "p", "schema": json.loads((EXAMPLES / "person.schema.json").read_text())}
        body = {
            "model": "builtin",
            "messages": [{"role": "user", "content": (EXAMPLES / "note.txt").read_text()}],
            "response_format": {"type": "json_schema", "json_schema": schema},
            "temperature": 0,
        }
        try:
            connection.sock.connect(str(self.folder / "run" / "http.sock"))
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        said: str = answer["choices"][0]["message"]["content"]
        return said

    def _batches(self) -> None:
        """One batch after the other; a batch that is ended by us is resumed."""
        number = 0
        while not self.over.is_set():
            number += 1
            name = f"b{number % 2}"
            for path in self.folder.glob(f"{name}.jsonl*"):
                path.unlink()
            self._run_batch(name, workers=2)
            found = _lines(self.folder / f"{name}.jsonl")
            if found == self.expected_rows:
                self.ledger.count("batch rows", _ROWS)
                continue
            ids = Counter(json.loads(line).get("id") for line in found)
            doubled = sum(count - 1 for count in ids.values())
            self.ledger.fail("batch", f"{len(found)} rows, {doubled} doubled, "
                             f"{_ROWS - len(ids)} lost, or others than at first")  # fmt: skip

    def _run_batch(self, name: str, *, workers: int) -> None:
        """A batch to its end, however often it is ended by us."""
        while True:
            process = self._start(
                ["batch", "rows.jsonl", "-o", f"{name}.jsonl", "--resume",
                 "--errors", f"{name}.jsonl.errors", "--workers", str(workers)]
            )  # fmt: skip
            self.batch = process
            complaint = process.communicate(timeout=1800)[1]
            if process.returncode in (0, 6):
                return
            if process.pid not in self.signalled:
                self.ledger.fail("batch", f"exit code {process.returncode}: {complaint!r}")
                return
            self.ledger.count("batches ended by us and resumed")

    def _watch(self) -> None:
        """Memory, until the end."""
        while not self.over.wait(_SAMPLE_S):
            for what in ("server", "batch"):
                process = getattr(self, what)
                if process is not None and process.poll() is None:
                    mib = _memory(process.pid)
                    if mib:
                        self.ledger.sample(what, mib)

    def _disturb(self) -> None:
        """Send the signals of the plan; start the server again where it is gone."""
        for share, whom, what in self.plan:
            if self.over.wait(max(0.0, self.began + share * self.seconds - time.monotonic())):
                return
            say(f"soak: {signal.Signals(what).name} to the {whom}; {dict(self.ledger.counts)}")
            self._hit(whom, what)
        while not self.over.wait(60):
            say(f"soak: {dict(self.ledger.counts)}")

    def _hit(self, whom: str, what: int) -> None:
        """Send a signal to one that runs; a server is started again."""
        for _ in range(600):
            target = self._running(whom)
            if target is not None:
                break
            time.sleep(0.05)
        else:
            self.ledger.fail("plan", f"there was no {whom}")
            return
        if whom == "server":
            self._disturbed_at = time.monotonic()
        self.signalled.add(target.pid)
        target.send_signal(what)
        self.ledger.count(f"{signal.Signals(what).name} to a {whom}")
        if whom == "server":
            assert self.server is not None, "it was started"
            self.server.wait(60)
            self._serve()
            self._disturbed_at = time.monotonic()

    def _running(self, whom: str) -> subprocess.Popen[bytes] | psutil.Process | None:
        if whom == "worker":
            return _worker(self.batch)
        process: subprocess.Popen[bytes] | None = getattr(self, whom)
        return process if process is not None and process.poll() is None else None

    def _just_disturbed(self) -> bool:
        gone = self.server is not None and self.server.poll() is not None
        return gone or time.monotonic() - self._disturbed_at < _AFTERMATH_S


def _worker(batch: subprocess.Popen[bytes] | None) -> psutil.Process | None:
    """A worker of a running batch."""
    try:
        children = psutil.Process(batch.pid).children(recursive=True) if batch else []
        return max(children, key=lambda child: child.memory_info().rss, default=None)
    except psutil.Error:
        return None


def _memory(pid: int) -> float:
    """USS in MiB of a process and all below it; 0 where it has just ended."""
    try:
        whole = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        return sum(float(each.memory_full_info().uss) for each in whole) / 2**20
    except psutil.Error:
        return 0.0


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


def _write_rows(path: Path) -> None:
    """Rows of all kinds, some of which fail."""
    rng, rows = random.Random(5), []
    texts = [json.loads(line) for line in (EXAMPLES / "rows.jsonl").read_text().splitlines()]
    for number in range(_ROWS):
        kind = number % 5
        row = {"id": number, **rng.choice(texts)}
        if kind == 1:
            row = {"id": number, "prompt": f"Code {number}?", "regex": "[A-Z]{3}-[0-9]{4}"}
        elif kind == 2:
            row |= {"temperature": 1.1, "seed": number}
        elif kind == 3:
            row = {"id": number, "prompt": f"Write about {number}.", "max_tokens": 24}
        elif kind == 4 and number % 20 == 4:
            row = {"id": number, "prompt": "x", "schema": {"type": "strin"}}
        rows.append(json.dumps({**row, "id": number}))
    path.write_text("\n".join(rows) + "\n")


def main() -> None:
    """Soak, and write a row."""
    shared = parser(__doc__)
    shared.add_argument("--minutes", type=float, default=60.0)
    given = shared.parse_args()
    seconds = 60 * (3.0 if given.quick else given.minutes)
    results = Rows("soak", quick=given.quick)
    with TemporaryDirectory() as folder:
        soak = Soak(Path(folder), seconds)
        soak.run()
        figures = {}
        for what in ("server", "batch"):
            for name, value in soak.slope(what, soak.calm).items():
                figures[f"{what} {name}"] = spread([value])
        counts = dict(sorted(soak.ledger.counts.items()))
        digest = hashlib.sha256(b"".join(soak.expected)).hexdigest()[:12]
        settings = {"minutes": seconds / 60, "counts": counts, "answers_sha256": digest}
        results.add({"load": "mixed"}, figures, settings=settings,
                    note="; ".join(soak.ledger.wrong)[:2000])  # fmt: skip
        say(
            json.dumps({"counts": counts, "figures": figures, "wrong": soak.ledger.wrong}, indent=1)
        )


if __name__ == "__main__":
    main()
