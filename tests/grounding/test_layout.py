"""An index on disk: what holds, what is refused, and what a failure in the middle leaves."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import index_cases as cases
import pytest
from filelock import FileLock

from tether.errors import OutputError, UnavailableError, UsageError
from tether.grounding.index import Index
from tether.grounding.index.layout import MANIFEST, open_manifest, seal
from tether.grounding.index.maker import Silent
from tether.grounding.index.verify import verify
from tether.grounding.index.writing import editing, write_part

OLD = {"a": "The heron waits. It eats fish.", "b": "A second text about boats and oars."}
NEW = {"c": "A third text: rivers and lakes.", "a": "The heron flew away over the sea."}


@pytest.fixture
def kb(tmp_path: Path) -> Path:
    cases.build(tmp_path / "kb", OLD)
    return tmp_path / "kb"


def write_text(text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "text").write_text(text)

    return write


def test_a_part_is_added_and_replaced(kb: Path) -> None:
    write_part(kb, "states", {"size": 1}, write_text("one"))
    part = write_part(kb, "states", {"size": 2}, write_text("two"))
    found = Index.open(kb).manifest.part("states")
    assert (found.facts, found.files) == ({"size": 2}, part.files)
    assert (found.folder / "text").read_text() == "two"
    assert cases.folders(kb) == {part.folder.name for part in open_manifest(kb).parts.values()}


def test_facts_are_read_after_the_part_is_written(kb: Path) -> None:
    facts: dict[str, Any] = {}
    write_part(kb, "states", facts, lambda folder: facts.update(counted=3))
    assert open_manifest(kb).part("states").facts == {"counted": 3}


def test_a_part_of_other_passages_is_stale(kb: Path) -> None:
    write_part(kb, "states", {}, write_text("one"))
    cases.add(kb, NEW)
    manifest = open_manifest(kb)
    assert manifest.is_stale("states")
    assert not manifest.is_stale("lexical")
    with pytest.raises(UnavailableError, match="was made from other passages"):
        manifest.part("states")
    with pytest.raises(UnavailableError, match="has no part 'references'"):
        manifest.part("references")
    cases.build(kb, NEW, overwrite=True)
    assert "states" not in open_manifest(kb).parts


def test_an_edit_that_fails_changes_nothing(kb: Path) -> None:
    before = cases.contents(kb)

    def fail(folder: Path) -> None:
        raise ZeroDivisionError

    def change() -> None:
        with editing(kb) as edit:
            edit.put("states", {}, write_text("one"))
            edit.put("references", {}, fail)

    with pytest.raises(ZeroDivisionError):
        change()
    assert cases.contents(kb) == before
    assert cases.folders(kb) == {"passages.1", "lexical.1"}


def rewritten(kb: Path, **values: object) -> None:
    """Change the manifest as a newer or a broken program might, with a checksum that fits."""
    body = json.loads((kb / MANIFEST).read_text()) | values
    body["sha256"] = seal(body)
    (kb / MANIFEST).write_text(json.dumps(body))


def cut(path: Path, count: int = 1) -> None:
    os.truncate(path, path.stat().st_size - count)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


ESCAPE = {"x": {"folder": "../..", "basis": "", "facts": {}, "files": {}}}
FAULTS: list[tuple[Callable[[Path], object], str]] = [
    (shutil.rmtree, "is not an index"),
    (lambda kb: (kb / MANIFEST).unlink(), "is not an index"),
    (lambda kb: cut(kb / MANIFEST, 2), "it is not JSON"),
    (lambda kb: (kb / MANIFEST).write_text("[]"), "not tether's"),
    (lambda kb: (kb / MANIFEST).write_text("[" * 100_000), "it is not JSON"),
    (lambda kb: (kb / MANIFEST).write_text('{"name": "other"}'), "not tether's"),
    (lambda kb: flip(kb / MANIFEST), "cannot be used"),
    (lambda kb: rewritten(kb, tether_index=99), "has format 99; this version reads 1"),
    (lambda kb: rewritten(kb, parts=None), "a value is missing or of another type"),
    (lambda kb: rewritten(kb, parts=ESCAPE), "a value is missing or of another type"),
    (lambda kb: rewritten(kb, parts={}), "has no part 'passages'"),
    (lambda kb: shutil.rmtree(kb / "parts"), "is missing"),
    (lambda kb: (kb / "parts/lexical.1/data.npy").unlink(), "lexical.* is missing"),
    (lambda kb: cut(kb / "parts/passages.1/text.bin"), "passages.* has [0-9]* bytes, not"),
]


@pytest.mark.parametrize(("harm", "message"), FAULTS)
def test_what_is_damaged_is_refused(kb: Path, harm: Callable[[Path], object], message: str) -> None:
    harm(kb)
    with pytest.raises(UnavailableError, match=message) as caught:
        Index.open(kb)
    assert caught.value.hint
    assert caught.value.exit_code == 7
    with pytest.raises(UnavailableError):
        cases.add(kb, NEW)


def test_every_file_is_watched(kb: Path) -> None:
    files = [part.folder / name for part in open_manifest(kb).parts.values() for name in part.files]
    assert len(files) == 12
    verify(kb, Silent())
    for file in files:
        if not file.stat().st_size:
            continue
        whole = file.read_bytes()
        flip(file)
        with pytest.raises(UnavailableError, match=rf"{file.name} has another content"):
            verify(kb, Silent())
        file.write_bytes(whole)
    verify(kb, Silent())


def test_files_that_contradict_each_other(kb: Path, tmp_path: Path) -> None:
    """Each whole in itself, but of different indexes."""
    cases.build(tmp_path / "other", {"x": "Another text."})
    part = open_manifest(tmp_path / "other").part("lexical")
    with editing(kb) as edit:
        edit.put("lexical", part.facts, lambda folder: copy_files(part.folder, folder))
    with pytest.raises(UnavailableError, match="counts other passages or words"):
        verify(kb, Silent())


def copy_files(source: Path, target: Path) -> None:
    for file in source.iterdir():
        shutil.copy(file, target)


def test_damage_in_one_file_names_all(kb: Path) -> None:
    flip(kb / "parts/passages.1/text.bin")
    flip(kb / "parts/lexical.1/data.npy")
    with pytest.raises(UnavailableError) as caught:
        verify(kb, Silent())
    assert "lexical" in caught.value.message
    assert "passages" in caught.value.excerpt
    assert "--overwrite" in caught.value.hint
    cases.build(kb, OLD, overwrite=True)
    verify(kb, Silent())


def test_two_writers(kb: Path) -> None:
    with (
        FileLock(kb / "lock"),
        pytest.raises(UsageError, match="in use: another process"),
        editing(kb),
    ):
        pass
    with pytest.raises(UsageError, match="in use"), FileLock(kb / "lock"):
        cases.build(kb, NEW, overwrite=True)
    assert len(Index.open(kb)) == 5


def test_an_index_is_not_replaced_unasked(kb: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is an index already") as caught:
        cases.build(kb, NEW)
    assert "--overwrite" in caught.value.hint
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other things than an index: letter"):
        cases.build(tmp_path / "home", NEW)
    assert (tmp_path / "home" / "letter.txt").read_text() == "mine"


def test_a_reader_goes_on_while_the_index_changes(kb: Path) -> None:
    before = Index.open(kb)
    cases.build(kb, NEW, overwrite=True)
    assert [hit.passage.doc for hit in before.search("heron fish", 1)] == ["a"]
    assert before.passages[0].text.startswith("The heron waits")


def test_a_reader_that_came_too_late_looks_again(kb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest was read just before a writer replaced it and removed what it names."""
    stale = [open_manifest(kb)]
    cases.add(kb, NEW)
    monkeypatch.setattr(
        "tether.grounding.index.search.open_manifest",
        lambda path: stale.pop() if stale else open_manifest(path),
    )
    assert "c" in Index.open(kb).passages.names


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
import bm25s
import index_cases as cases
from tether.grounding.index.maker import Silent
from tether.grounding.index.layout import open_manifest
from tether.grounding.index.verify import verify

texts, work = eval(sys.argv[1]), Path(sys.argv[2])
states = [cases.contents(work / "old")]
shutil.copytree(work / "old", work / "new")
cases.add(work / "new", texts)
states.append(cases.contents(work / "new"))
left = [-1]

def hook(event, args):
    touched = event in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir")
    if left[0] >= 0 and touched and str(kb) in str(args[0]):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
seen, points = set(), 0
while True:
    kb = work / f"kb{points}"
    shutil.copytree(work / "old", kb)
    child = os.fork()
    if not child:
        left[0] = points
        cases.add(kb, texts)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    verify(kb, Silent())
    found = states.index(cases.contents(kb))
    assert os.WIFSIGNALED(status) or found == 1
    seen.add(found)
    cases.add(kb, texts)
    assert cases.contents(kb) == states[1], points
    named = {part.folder.name for part in open_manifest(kb).parts.values()}
    assert cases.folders(kb) == named, points
    shutil.rmtree(kb)
    if not os.WIFSIGNALED(status):
        break
    points += int(sys.argv[3])
print(points, sorted(seen))
"""


def test_kill_9_at_every_touch_of_a_file(tmp_path: Path, whole: bool) -> None:
    """Whenever it comes: the old index or the new one, whole; the next write cleans up."""
    cases.build(tmp_path / "old", OLD)
    tests = Path(__file__).resolve().parents[1]
    path = os.pathsep.join([str(tests), str(tests.parent / "src")])
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, repr(NEW), str(tmp_path), "1" if whole else "5"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": path, "TOKENIZERS_PARALLELISM": "false"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    points, seen = ran.stdout.split(maxsplit=1)
    assert int(points) > 40
    assert seen.strip() == "[0, 1]"


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The system refuses to let a file grow beyond `size` bytes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 10, 130, 500, 1500])
def test_a_disk_that_takes_no_more(kb: Path, size: int) -> None:
    before = cases.contents(kb)
    with files_of_at_most(size), pytest.raises(OutputError, match="cannot be written") as caught:
        cases.add(kb, NEW)
    assert "Nothing was changed" in caught.value.hint
    assert cases.contents(kb) == before
    assert cases.folders(kb) == {"passages.1", "lexical.1"}


def test_a_full_disk_is_called_so(kb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OutputError, match="No space left on device"):
            cases.add(kb, NEW)
    cases.add(kb, NEW)
    verify(kb, Silent())
