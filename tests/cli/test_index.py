"""`tether index`: what goes to stdout and stderr, and the exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Tether
from filelock import FileLock

from tether.cli import bars, indexing
from tether.cli.describe import commands

NOTES = {
    "notes/heron.md": "# Herons\n\nThe heron waits. It eats fish.\n",
    "notes/boat.txt": "A boat has two oars.\n",
    "notes/rows.jsonl": '{"id": "r1", "text": "The river is deep."}\n'
    '{"id": "r2", "text": "żółw"}\n',
}


@pytest.fixture
def notes(home: Path) -> Path:
    for name, text in NOTES.items():
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text(text)
    return home


@pytest.fixture
def kb(notes: Path, tether: Tether) -> Path:
    ran = tether("index", "build", "notes", "-o", "kb")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "kb: 4 added; 4 documents, 4 passages.\n"
    return notes / "kb"


@pytest.mark.parametrize("question", ["", " \n"])
def test_an_empty_question_is_refused(kb: Path, tether: Tether, question: str) -> None:
    ran = tether("index", "search", "kb", question)
    assert (ran.code, ran.out) == (2, "")
    assert "The question is empty." in ran.err


def test_search(kb: Path, tether: Tether) -> None:
    ran = tether("index", "search", "kb", "which fish do herons eat, heron")
    assert ran.code == 0
    score, place, text = ran.out.splitlines()[0].split("\t")
    assert float(score) > 0
    assert place == "notes/heron.md:0-40"
    assert text == "# Herons The heron waits. It eats fish."
    assert tether("index", "search", "kb", "nobody whatever").out == ""


def test_search_as_json(kb: Path, tether: Tether) -> None:
    (hit,) = tether("index", "search", "kb", "żółw", "--json").rows
    score = hit.pop("score")
    assert score > 0
    assert hit == {"passage": 3, "doc": "r2", "start": 0, "end": 4, "text": "żółw"}
    (one,) = tether("index", "search", "kb", "the", "-k", "1", "--json").rows
    assert one["text"] in (NOTES["notes/heron.md"].strip(), "The river is deep.")


def test_questions_from_stdin(kb: Path, tether: Tether) -> None:
    for args in ((), ("-",)):
        rows = tether("index", "search", "kb", *args, "--json", stdin="boat\n\n river\n").rows
        assert [(row["query"], row["doc"]) for row in rows] == [
            ("boat", "notes/boat.txt"), ("river", "r1"),
        ]  # fmt: skip
    assert tether("index", "search", "kb").code == 2
    bad = tether("index", "search", "kb", stdin=b"boat\n\xff\n")
    assert bad.code == 2
    assert "Line 2 of standard input is not UTF-8" in bad.err


def test_add_and_delete(kb: Path, tether: Tether) -> None:
    (kb.parent / "notes/boat.txt").write_text("A ship has two sails.\n")
    (kb.parent / "notes/new.txt").write_text("A goat.\n")
    assert tether("index", "add", "kb", "notes").err == (
        "kb: 1 added, 1 replaced, 3 unchanged; 5 documents, 5 passages.\n"
    )
    assert tether("index", "search", "kb", "boat").out == ""
    assert "notes/new.txt" in tether("index", "search", "kb", "goat").out
    ran = tether("index", "delete", "kb", "r1", "notes/new.txt")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err == "kb: 2 deleted; 3 documents, 3 passages.\n"
    missing = tether("index", "delete", "kb", "r1", "r2")
    assert missing.code == 2
    assert "no document 'r1'" in missing.err
    names = tether("index", "info", "kb", "--documents").out.splitlines()
    assert names == ["notes/heron.md", "r2", "notes/boat.txt"]
    assert tether("index", "info", "kb", "--documents", "--json").rows == names


def test_info(kb: Path, tether: Tether) -> None:
    facts = json.loads(tether("index", "info", "kb", "--json").out)
    assert facts["parts"]["passages"]["documents"] == 4
    assert facts["parts"]["passages"]["size"] == 256
    assert facts["parts"]["lexical"]["stale"] is False
    lines = tether("index", "info", "kb").out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["lexical", "passages"]


def test_verify(kb: Path, tether: Tether) -> None:
    assert tether("index", "verify", "kb").out == "lexical: ok\npassages: ok\n"
    file = kb / "parts/passages.1/text.bin"
    file.write_bytes(file.read_bytes().replace(b"heron", b"stork"))
    ran = tether("index", "verify", "kb")
    assert (ran.code, ran.out) == (7, "")
    assert "part 'passages', text.bin has another content" in ran.err
    assert "tether index build PATH... -o kb --overwrite" in ran.err


@pytest.mark.parametrize("command", ["add", "delete", "search", "info", "verify"])
def test_no_index_is_there(home: Path, tether: Tether, command: str) -> None:
    (home / "a.txt").write_text("One.")
    more = {"add": ["a.txt"], "delete": ["a"], "search": ["a"]}.get(command, [])
    ran = tether("index", command, "kb", *more)
    assert (ran.code, ran.out) == (7, "")
    assert "kb is not an index: it has no manifest.json." in ran.err
    assert "tether index build PATH... -o kb" in ran.err
    assert not (home / "kb").exists()


def test_a_newer_format(kb: Path, tether: Tether) -> None:
    text = (kb / "manifest.json").read_text()
    (kb / "manifest.json").write_text(text.replace('"tether_index": 1', '"tether_index": 2'))
    ran = tether("index", "search", "kb", "boat")
    assert ran.code == 7
    assert "has format 2; this version reads 1" in ran.err


def test_bad_documents_stop_the_build_or_are_skipped(notes: Path, tether: Tether) -> None:
    (notes / "notes/latin.txt").write_bytes(b"caf\xe9")
    (notes / "notes/rows.jsonl").write_text('{"text": "Good."}\n{"txt": "Bad."}\n')
    (notes / "notes/photo.jpg").write_bytes(b"\xff\xd8")
    ran = tether("index", "build", "notes", "-o", "kb")
    assert (ran.code, ran.out) == (3, "")
    assert "notes/latin.txt is not UTF-8: byte 0xe9 at offset 3." in ran.err
    assert not (notes / "kb").exists()
    ran = tether("index", "build", "notes", "-o", "kb", "--skip-bad")
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.splitlines() == [
        "Skipped: notes/latin.txt is not UTF-8: byte 0xe9 at offset 3.",
        "Skipped: notes/rows.jsonl:2 has no text under `text` or `contents`.",
        "kb: 3 added, 2 skipped, 1 of unknown format left out; 3 documents, 3 passages.",
    ]


def test_many_bad_documents_are_counted(home: Path, tether: Tether) -> None:
    (home / "a.jsonl").write_text("{\n" * 30 + '{"text": "Good."}\n')
    ran = tether("index", "build", "a.jsonl", "-o", "kb", "--skip-bad")
    assert len(ran.err.splitlines()) == 11
    assert "30 skipped" in ran.err


def test_overwrite_and_other_folders(kb: Path, tether: Tether) -> None:
    ran = tether("index", "build", "notes/boat.txt", "-o", "kb")
    assert ran.code == 2
    assert "--overwrite" in ran.err
    assert tether("index", "build", "notes/boat.txt", "-o", "kb", "--overwrite").code == 0
    assert tether("index", "info", "kb", "--documents").out == "notes/boat.txt\n"
    ran = tether("index", "build", "notes/boat.txt", "-o", "notes", "--overwrite")
    assert ran.code == 2
    assert "holds other things than an index" in ran.err
    assert {path.name for path in (kb.parent / "notes").iterdir()} == {
        "boat.txt", "heron.md", "rows.jsonl",
    }  # fmt: skip


def test_nothing_to_read(home: Path, tether: Tether) -> None:
    """An empty folder, one without texts, one of unreadable files: refused, and no index made."""
    (home / "empty").mkdir()
    (home / "photos").mkdir()
    (home / "photos/a.jpg").write_bytes(b"\xff\xd8")
    (home / "bad").mkdir()
    (home / "bad/a.txt").write_bytes(b"\xff")
    for args in (("empty",), ("photos",), ("bad", "--skip-bad")):
        ran = tether("index", "build", *args, "-o", "kb")
        assert (ran.code, ran.out) == (3, "")
        assert ran.err.count("There is nothing to index: no document has any text.") == 1
    ran = tether("index", "build", "bad", "-o", "kb")
    assert (ran.code, ran.out) == (3, "")
    assert "bad/a.txt is not UTF-8" in ran.err
    assert not (home / "kb").exists()


def test_a_place_for_an_index_that_is_none(kb: Path, tether: Tether) -> None:
    """A file, a loop of links, the inside of an index, where its next change would sweep it."""
    (kb.parent / "file").write_text("Precious.")
    (kb.parent / "loop").symlink_to("loop")
    for output in ("file", "loop"):
        ran = tether("index", "build", "notes", "-o", output, "--overwrite")
        assert (ran.code, ran.out) == (2, "")
        assert f"{output} is not a folder." in ran.err
    for output in ("kb/parts/new", "kb/parts", "kb/new/newer"):
        ran = tether("index", "build", "notes", "-o", output)
        assert (ran.code, ran.out) == (2, "")
        assert f"{output} lies in {kb}, whose files go with its next change." in ran.err
    for command, *more in (("search", "a"), ("add", "notes"), ("delete", "r1"), ("verify",)):
        for index in ("file", "loop"):
            ran = tether("index", command, index, *more)
            assert (ran.code, ran.out) == (7, "")
            assert f"tether: {index}" in ran.err
    assert (kb.parent / "file").read_text() == "Precious."
    assert tether("index", "verify", "kb").code == 0


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="a file system where nobody may write")
def test_a_place_where_nobody_may_write(notes: Path, tether: Tether) -> None:
    ran = tether("index", "build", "notes", "-o", "/proc/kb")
    assert (ran.code, ran.out) == (1, "")
    assert "The index /proc/kb cannot be written: " in ran.err
    assert "Nothing was changed" in ran.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_an_index_that_may_not_be_written(kb: Path, tether: Tether) -> None:
    kb.chmod(0o555)
    (kb / "parts").chmod(0o555)
    (kb / "lock").chmod(0o444)
    try:
        for args in (("add", "kb", "notes/boat.txt"), ("delete", "kb", "r1")):
            ran = tether("index", *args)
            assert (ran.code, ran.out) == (1, "")
            assert "The index kb cannot be written: Permission denied." in ran.err
        assert "boat" in tether("index", "search", "kb", "boat").out
    finally:
        kb.chmod(0o755)
        (kb / "parts").chmod(0o755)


def test_an_index_is_no_text(kb: Path, tether: Tether) -> None:
    """Named, it is refused; in a folder of texts, it is left out."""
    for path in ("kb", "kb/parts", "kb/parts/passages.1/text.bin"):
        for args in (("build", path, "-o", "other"), ("add", "kb", path)):
            ran = tether("index", *args)
            assert (ran.code, ran.out) == (3, "")
            assert f"{path} is no text of yours: it belongs to {kb}." in ran.err
    assert tether("index", "build", "notes", "-o", "notes/kb").code == 0
    for _ in range(2):
        ran = tether("index", "add", "notes/kb", "notes")
        assert ran.err == (
            "notes/kb: 4 unchanged, 1 of unknown format left out; 4 documents, 4 passages.\n"
        )


def test_links_that_lead_in_a_circle(notes: Path, tether: Tether) -> None:
    (notes / "notes/up").symlink_to("..")
    (notes / "notes/self.txt").symlink_to("self.txt")
    ran = tether("index", "build", "notes", "-o", "kb")
    assert (ran.code, ran.out) == (3, "")
    assert "notes/self.txt cannot be read: " in ran.err
    ran = tether("index", "build", "notes", "-o", "kb", "--skip-bad")
    assert ran.code == 0
    assert ran.err.splitlines()[-1] == "kb: 4 added, 1 skipped; 4 documents, 4 passages."
    ran = tether("index", "build", "notes/self.txt", "-o", "other")
    assert (ran.code, ran.out) == (3, "")
    assert "notes/self.txt is not there." in ran.err


def test_words_by_tantivy(notes: Path, tether: Tether, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chosen at the build, kept by what changes the index; named with its cure where it lacks."""
    pytest.importorskip("tantivy", reason='not installed: pip install "tether[tantivy]"')
    assert tether("index", "build", "notes", "-o", "kb", "--lexical", "tantivy").code == 0
    assert tether("index", "delete", "kb", "r1").code == 0
    (notes / "notes/goat.txt").write_text("A goat.")
    assert tether("index", "add", "kb", "notes/goat.txt").code == 0
    facts = json.loads(tether("index", "info", "kb", "--json").out)
    assert facts["parts"]["lexical"]["engine"] == "tantivy"
    assert "notes/goat.txt" in tether("index", "search", "kb", "GOAT").out
    assert tether("index", "search", "kb", "river").out == ""
    assert tether("index", "verify", "kb").code == 0
    monkeypatch.setitem(sys.modules, "tantivy", None)
    for args in (
        ("search", "kb", "goat"),
        ("add", "kb", "notes"),
        ("delete", "kb", "r2"),
        ("build", "notes", "-o", "other", "--lexical", "tantivy"),
    ):
        ran = tether("index", *args)
        assert (ran.code, ran.out) == (7, "")
        assert 'Install it: pip install "tether[tantivy]".' in ran.err
    assert not (notes / "other").exists()
    assert tether("index", "build", "notes", "-o", "other", "--lexical", "auto").code == 0


def test_sizes(notes: Path, tether: Tether) -> None:
    args = ("index", "build", "notes", "-o", "kb", "--chunk", "8", "--overlap")
    assert tether(*args, "5").code == 2
    assert tether(*args, "2").code == 0
    assert len(tether("index", "search", "kb", "heron", "--json").rows) > 1
    (notes / "notes/large.txt").write_text("word " * 300_000)
    ran = tether("index", "add", "kb", "notes", "--max-document", "1")
    assert ran.code == 3
    assert "notes/large.txt has more than 1 MiB." in ran.err


def test_a_tokenizer_of_ones_own(notes: Path, tether: Tether) -> None:
    ran = tether("index", "build", "notes", "-o", "kb", "--tokenizer", "notes/boat.txt")
    assert ran.code == 7
    assert "boat.txt is not a tokenizer" in ran.err
    folder = indexing.tokenizer_file(None).parent
    assert tether("index", "build", "notes", "-o", "kb", "--tokenizer", str(folder)).code == 0


def test_an_index_in_use(kb: Path, tether: Tether) -> None:
    with FileLock(kb / "lock"):
        ran = tether("index", "add", "kb", "notes")
        assert ran.code == 2
        assert "another process writes this index" in ran.err
        assert tether("index", "search", "kb", "boat").code == 0


def test_vectors_of_the_model_itself(notes: Path, tether: Tether) -> None:
    """Made at the build, copied when documents go, found by a search that names no embedder."""
    args = ("index", "build", "notes", "-o", "kb", "--embedder", "hidden")
    assert tether(*args).code == 0
    assert tether("index", "delete", "kb", "r1").code == 0
    (notes / "notes/goat.txt").write_text("A goat.")
    assert tether("index", "add", "kb", "notes/goat.txt").code == 0
    assert tether("index", "verify", "kb").out == "dense: ok\nlexical: ok\npassages: ok\n"
    for mode in ("dense", "hybrid", "auto"):
        rows = tether("index", "search", "kb", "A goat.", "--mode", mode, "--json").rows
        assert rows[0]["doc"] == "notes/goat.txt", mode
        assert len(rows) == 4 or mode == "auto", mode  # auto is bm25 here: nobody trained these
    assert tether("index", "search", "kb", "goat", "--mode", "bm25", "-k", "1").code == 0


def test_an_embedder_that_is_none_fails_before_anything_is_read(
    notes: Path, tether: Tether
) -> None:
    ran = tether("index", "build", "notes", "-o", "kb", "--embedder", "notes")
    assert (ran.code, ran.out) == (7, "")
    assert "notes is not a sentence-transformers directory" in ran.err
    assert not (notes / "kb").exists()


def test_bars_on_a_terminal(notes: Path, tether: Tether, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars, "is_terminal", lambda stream: True)
    ran = tether("index", "build", "notes", "-o", "kb")
    assert (ran.code, ran.out) == (0, "")
    assert "reading" in ran.err
    assert "100 %" in ran.err


def test_search_by_words_loads_no_model_and_no_other_command(kb: Path) -> None:
    code = (
        "import sys; from tether.cli.app import run; run(sys.argv[1:]);"
        "others = {'torch', 'transformers', 'faiss', 'tether.cli.commands.index.build'};"
        "print(others & set(sys.modules))"
    )
    args = [sys.executable, "-c", code, "index", "search", "kb", "boat"]
    ran = subprocess.run(args, cwd=kb.parent, capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[-1] == "set()"


def test_every_command_of_the_group_is_described() -> None:
    paths = {command.path.removeprefix("tether index ") for command in commands()}
    assert paths >= {"build", "add", "delete", "search", "info", "verify"}
