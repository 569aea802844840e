"""`tether batch`: many rows in, many rows out, resumable."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from tether.cli import options, streams
from tether.cli.kinds import SettingValue
from tether.cli.options import ProfileOption, takes
from tether.errors import BatchFailed, UsageError

if TYPE_CHECKING:
    from tether.cli.batches.job import Job
    from tether.cli.batches.journal import Journal
    from tether.cli.batches.output import BatchOutput
    from tether.cli.batches.retry import Retry
    from tether.cli.batches.work import Runner
    from tether.cli.config.settings import Resolved
    from tether.cli.config.settings_model import Settings

EXAMPLES = """
tether batch rows.jsonl -o out.jsonl --errors errors.jsonl
tether batch rows.jsonl -o out.jsonl --resume
tether batch rows.jsonl -o again.jsonl --retry errors.jsonl --max-tokens 2000
tether batch openai-requests.jsonl --unordered --slots 32 > answers.jsonl
tether batch rows.jsonl -o out.jsonl --workers 4
"""

_ROWS = (
    *("schema", "type", "regex", "choices", "grammar", "property_order", "whitespace", "bound"),
    *("verbatim", "stop", "graph", "endpoint", "guarantee"),
)


@dataclass(frozen=True, slots=True)
class Files:
    """The files that the command line names."""

    source: Path | None
    out: Path | None
    errors: Path | None
    retry: Path | None
    resume: bool
    overwrite: bool

    @property
    def journal(self) -> Path | None:
        """The journal's place; None where the output is a stream that cannot be resumed."""
        if self.out is None or (self.out.exists() and not self.out.is_file()):
            return None
        return self.out.with_name(self.out.name + ".journal")

    @property
    def size(self) -> int | None:
        """Bytes of the input, where it is a file."""
        known = self.source is not None and self.source.is_file()
        return self.source.stat().st_size if known and self.source else None

    def check(self) -> None:
        """Refuse files that would be lost or mixed up, before a model is loaded.

        Raises:
            UsageError: The message says which.
        """
        named = [path.resolve() for path in (self.source, self.out, self.errors) if path]
        if len(set(named)) < len(named):
            raise UsageError("The input, the output and the errors file must be three files.")
        if self.retry and self.errors and self.retry.resolve() == self.errors.resolve():
            raise UsageError(
                f"{self.retry} is both --retry and --errors.", hint="Write new errors elsewhere."
            )
        if self.resume and self.journal is None:
            raise UsageError("--resume needs an output file.", hint="Give -o FILE.")
        if self.resume and self.overwrite:
            raise UsageError("--resume and --overwrite exclude each other.")
        self._check_old()

    def _check_old(self) -> None:
        if self.journal is None or self.out is None or self.overwrite:
            return
        from tether.cli.batches.journal import final_counts

        journaled = self.journal.exists()
        if self.out.exists() and self.out.stat().st_size and not (self.resume and journaled):
            raise UsageError(
                f"{self.out} exists" + (" and has no journal." if self.resume else "."),
                hint="Continue it with --resume, or start again with --overwrite."
                if journaled
                else "Choose another file, or start again with --overwrite.",
            )
        if journaled and not self.resume and final_counts(self.journal) is None:
            raise UsageError(
                f"{self.journal} holds rows of an unfinished batch.",
                hint="Continue it with --resume, or start again with --overwrite.",
            )


@takes(_ROWS, options.PROMPT, options.SAMPLING, options.BATCH, ("partial", "stats"), options.MODEL)
def run(
    source: Annotated[
        str, typer.Argument(metavar="ROWS", help="JSON Lines of rows; `-` is stdin.")
    ] = "-",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: stdout.")
    ] = None,
    errors: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Failed rows, with reasons; default: stderr."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the batch that wrote this output.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start again; drop what the output holds.")
    ] = False,
    retry: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Run only the rows of this errors file.")
    ] = None,
    profile: ProfileOption = None,
    **flags: SettingValue,
) -> None:
    """Run many rows; resumable, every failure accounted for.

    A row is a JSON object: `prompt` (or the fields of the template), and if it likes `id`,
    `schema`, `evidence` and settings of its own; or a request of the OpenAI batch file format,
    answered in that form. Rows are told apart by their place: ids may repeat.

    With -o each finished row is on disk when it is done, and a journal beside the output lets
    --resume go on after any interruption, to the same bytes. Failed rows go to --errors and end
    the batch with exit code 6. Rows that abstain (--abstain exit) go there too, counted apart: they
    are no failures.
    """
    from tether.cli.config.settings import resolve

    resolved = resolve(flags, profiles=profile or [])
    if resolved["tensor_parallel"] and _follows(resolved):
        return
    stream = None if source == "-" else Path(source)
    files = Files(stream, output, errors, retry, resume, overwrite)
    files.check()
    _run(files, resolved)


def _follows(resolved: Resolved) -> bool:
    """Meet the other ranks of a split model; whether this was one that only follows.

    Raises:
        UsageError: Rows are to be shared out as well.
    """
    from tether.decoding.models import ranks

    if resolved["workers"] > 1 or resolved["ray"] is not None:
        raise UsageError("--tensor-parallel excludes --workers and --ray.")
    if ranks.begin() == 0:
        return False
    from tether.cli.batches.together import follow

    follow()
    return True


def _run(files: Files, resolved: Resolved) -> None:
    from tether.cli.batches.job import Job
    from tether.cli.batches.retry import Retry

    base = files.source.parent if files.source else None
    job = Job(resolved, base, looks_ahead=files.size is not None)
    retry = Retry.read(files.retry) if files.retry else None
    with ExitStack() as stack:
        stream = stack.enter_context(_opened(files.source))
        runner, decided = _begun(job, files.source, stack)
        journal = _journal(files, {**decided, "retry": retry.digest if retry else None})
        if journal is not None:
            stack.enter_context(journal)
        _process(files, stream, journal, runner, job.resolved.settings, retry)


def _begun(job: Job, source: Path | None, stack: ExitStack) -> tuple[Runner, dict[str, Any]]:
    """What runs the rows, here or in workers, and all that decides their texts."""
    from tether.cli import said
    from tether.cli.batches.ray_workers import RayWorkers
    from tether.cli.batches.workers import Workers

    maker = job.maker()
    said.warn(maker.said, job.resolved)
    if job.resolved["tensor_parallel"]:
        from tether.cli.batches.together import Leader

        return Leader.begin(job, maker)
    num = job.resolved["workers"]
    if job.resolved["ray"] is None and num == 1:
        return job.begin(maker)
    workers = Workers(job, num) if job.resolved["ray"] is None else RayWorkers(job, source)
    stack.enter_context(workers)
    return workers, workers.identity()


def _process(
    files: Files,
    stream: IO[bytes],
    journal: Journal | None,
    runner: Runner,
    settings: Settings,
    retry: Retry | None,
) -> None:
    from tether.cli.batches.output import BatchOutput
    from tether.cli.batches.progress import BatchProgress
    from tether.cli.batches.run import Batch

    if journal is not None and (final := journal.read_final()) is not None:
        if files.out is not None and not files.out.exists():
            raise UsageError(
                f"The batch is complete, but {files.out} is gone.",
                hint="Run it again with --overwrite.",
            )
        _conclude(final["rows"], final["failed"], final.get("abstained", 0), files)
        return
    output = BatchOutput(files.out, files.errors, ordered=not settings.unordered, journal=journal)
    with BatchProgress(files.size) as progress, output, _saying_how_to_resume(journal, output):
        output.tell = progress.message
        Batch(runner, output, retry, progress).run(stream)
        output.sync()
        if journal is not None:
            counts = {"failed": output.num_failed, "abstained": output.num_abstained}
            journal.finish({"rows": output.num_rows, **counts})
    if settings.stats:
        streams.say(progress.summary())
    _conclude(output.num_rows, output.num_failed, output.num_abstained, files)


def _conclude(num_rows: int, num_failed: int, num_abstained: int, files: Files) -> None:
    """End a complete batch; rows that abstained are no failures.

    Raises:
        BatchFailed: Rows failed.
    """
    if num_abstained:
        streams.say(f"tether: {num_abstained} of {num_rows} rows abstained for want of evidence.")
    if num_failed:
        raise BatchFailed(
            f"{num_failed} of {num_rows} rows failed.",
            hint=f"Run them again with --retry {files.errors}."
            if files.errors
            else "Keep them with --errors FILE, to run them again with --retry FILE.",
        )


@contextmanager
def _saying_how_to_resume(journal: Journal | None, output: BatchOutput) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        streams.complain(
            f"Interrupted after {output.num_rows} rows.",
            "Go on with --resume." if journal is not None else "",
        )
        raise typer.Exit(130) from None


def _journal(files: Files, known: dict[str, Any]) -> Journal | None:
    from tether.cli.batches.journal import Journal

    if files.journal is None:
        return None
    return (Journal.resume if files.resume else Journal.create)(files.journal, known)


@contextmanager
def _opened(source: Path | None) -> Iterator[IO[bytes]]:
    if source is None:
        yield sys.stdin.buffer
        return
    try:
        stream = source.open("rb")
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}.") from error
    with stream:
        yield stream
