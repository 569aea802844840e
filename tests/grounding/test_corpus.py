"""Documents of every format, and what is said of files that are none."""

from __future__ import annotations

import os
import resource
import zlib
from collections.abc import Sequence
from pathlib import Path

import pytest

from tether.errors import EvidenceError
from tether.grounding.corpus import Corpus
from tether.grounding.document import Document
from tether.grounding.formats import html
from tether.grounding.formats.markup import page_text, parse


def read(*paths: Path, limit: int = 1000) -> tuple[dict[str, str], list[str]]:
    """Names and texts, and the messages about what is bad."""
    bad: list[EvidenceError] = []
    corpus = Corpus(paths, bad.append, limit)
    texts = {document.name: document.text for document in corpus}
    return texts, [error.message for error in bad]


def refuse(error: EvidenceError) -> None:
    raise error


def refused(*paths: Path, limit: int = 1000) -> EvidenceError:
    """The error where nothing bad is skipped."""
    with pytest.raises(EvidenceError) as caught:
        list(Corpus(paths, refuse, limit))
    assert caught.value.exit_code == 3
    assert caught.value.hint
    return caught.value


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path()


def test_plain_text_stands_as_it_is(here: Path) -> None:
    Path("a.txt").write_bytes("\ufeffOne\r\ntwo żółć\n".encode())
    Path("b.MD").write_text("# Title")
    Path("c.py").write_text("named = 'itself'")
    texts, bad = read(Path("a.txt"), Path("b.MD"), Path("c.py"))
    assert texts == {"a.txt": "One\r\ntwo żółć\n", "b.MD": "# Title", "c.py": "named = 'itself'"}
    assert bad == []


def test_folders_are_walked_in_order(here: Path) -> None:
    for name in ("b/z.txt", "b/a/y.md", "b/.git/x.txt", "b/.hidden.txt", "b/photo.jpg", "a.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    Path("b/again.txt").symlink_to("z.txt")
    Path("b/a/loop").symlink_to("..")
    os.mkfifo("b/pipe.txt")
    corpus = Corpus([Path("b"), Path("a.txt"), Path("./b/z.txt")], refuse)
    assert [document.name for document in corpus] == ["b/again.txt", "b/a/y.md", "a.txt"]
    assert corpus.num_left_out == 2
    assert corpus.read_bytes == corpus.size


def test_rows(here: Path) -> None:
    Path("c.jsonl").write_text(
        '{"_id": "q1", "title": "Oars", "text": "Wood."}\n\n{"id": 7, "contents": "Iron."}\n'
        '{"text": "No name.", "title": "", "more": [1]}\n'
    )
    texts, bad = read(Path("c.jsonl"))
    assert texts == {"q1": "Oars\nWood.", "7": "Iron.", "c.jsonl:4": "No name."}
    assert bad == []


def test_tables(here: Path) -> None:
    Path("a.csv").write_text('id,text\nx,"One,\ntwo ""three"""\ny,Four\n')
    Path("b.tsv").write_text("name\tage\nAnn\t3\nBob\t\n")
    Path("c.csv").write_text(",city\n0,Graz\n")
    texts, bad = read(Path("a.csv"), Path("b.tsv"), Path("c.csv"))
    assert texts == {
        "x": 'One,\ntwo "three"',
        "y": "Four",
        "b.tsv:2": "name: Ann\nage: 3",
        "b.tsv:3": "name: Bob",
        "c.csv:2": ": 0\ncity: Graz",
    }
    assert bad == []


PAGE = """<html><head><title>Of herons</title><style>p{}</style></head><body>
<h1>Herons</h1><p>They <b>wa</b>it,
  and <i>eat</i>.<br>Fish.<script>bad()</script></p>
<ul><li>one<li>two</ul><table><tr><td>a</td><td>b</td></tr><tr><th>c</table>
<pre>x = 1
  y</pre>&lt;tag&gt; &amp; 3<!-- no --></body></html>"""


def test_pages(here: Path) -> None:
    Path("a.html").write_text(PAGE)
    wanted = "Of herons\nHerons\nThey wait, and eat.\nFish.\none\ntwo\na b\nc\nx = 1\ny\n<tag> & 3"
    assert read(Path("a.html"))[0] == {"a.html": wanted}


def test_a_page_nested_deeply() -> None:
    deep = "<div>" * 4_000 + "in" + "</div>" * 4_000 + "<p>out"
    assert page_text(parse(deep)) == "in\nout"
    assert page_text(parse("")) == page_text(parse("<p>")) == ""


SLOW = {
    "nested": "<div>" * 40_000,
    "formatted": "".join(f"<p><b class={n}>" for n in range(8_000)),
    "attributes": "<div " + " ".join(f"a{n}" for n in range(60_000)) + ">",
}


@pytest.mark.parametrize("kind", SLOW)
def test_a_page_made_to_be_slow_is_refused(here: Path, kind: str) -> None:
    Path("a.html").write_text(SLOW[kind])
    Path("b.html").write_text("<p>After it.</p>" + "<!-- large -->" * 1000)
    began = os.times()
    texts, bad = read(Path("a.html"), Path("b.html"), limit=1 << 20)
    spent = sum(os.times()[:4]) - sum(began[:4])
    assert texts == {"b.html": "After it."}
    assert bad == ["a.html is not a readable page: it takes the parser more than 1 s."]
    assert spent < 2
    assert "tidy" in refused(Path("a.html"), limit=1 << 20).hint


def test_large_pages_are_parsed_apart(here: Path) -> None:
    Path("a.html").write_text(PAGE * 200)
    Path("b.html").write_text("<pre>ż\n🦊</pre>" * 1000)
    texts, bad = read(Path("a.html"), Path("b.html"), limit=1 << 20)
    assert texts == {
        name: page_text(parse(Path(name).read_text())) for name in ("a.html", "b.html")
    }
    assert bad == []
    html._worker.stop()
    assert read(Path("b.html"), limit=1 << 20)[0]["b.html"] == texts["b.html"]


def pdf(texts: Sequence[str]) -> bytes:
    """A small PDF file with a page for each text."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(texts)))
    bodies = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(texts)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for n, text in enumerate(texts):
        show = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET"
        bodies.append(
            "<< /Type /Page /Parent 2 0 R /Resources << /Font << /F1 3 0 R >> >> "
            f"/MediaBox [0 0 612 792] /Contents {5 + 2 * n} 0 R >>"
        )
        bodies.append(f"<< /Length {len(show)} >>\nstream\n{show}\nendstream")
    data, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    trailer = f"trailer\n<< /Size {len(bodies) + 1} /Root 1 0 R >>\nstartxref\n{len(data)}\n%%EOF"
    return data + f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n{table}{trailer}".encode()


def test_pdf(here: Path) -> None:
    Path("a.pdf").write_bytes(pdf(["The heron waits.", "It eats fish."]))
    texts, bad = read(Path("a.pdf"), limit=4000)
    assert texts == {"a.pdf": "The heron waits.\n\nIt eats fish."}
    assert bad == []


@pytest.mark.parametrize("times", [1, 2])
def test_a_pdf_that_unfolds_without_end_is_refused(here: Path, times: int) -> None:
    """A quarter of a gigabyte in 260 KB and, packed twice, in 1 KB."""
    packed = bytes(1 << 28)
    for _ in range(times):
        packed = zlib.compress(packed, 9)
    show = b"BT /F1 12 Tf 72 720 Td (heron) Tj ET"
    plain = b"<< /Length %d >>\nstream\n%s\n" % (len(show), show)
    filters = b"/FlateDecode " * times
    bomb = b"<< /Length %d /Filter [%s] >>\nstream\n%s\n" % (len(packed), filters, packed)
    file = pdf(["heron"])
    assert plain in file
    Path("a.pdf").write_bytes(file.replace(plain, bomb))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    error = refused(Path("a.pdf"), limit=1 << 20)
    assert "Limit reached while decompressing" in error.message
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 256 << 10  # KiB


def test_a_quote_that_is_never_closed(here: Path) -> None:
    """It would take all that follows into one field: refused at the limit, or at the end."""
    Path("a.csv").write_text('id,text\nx,"never closed\n' + "more,of it\n" * 200)
    error = refused(Path("a.csv"), limit=1000)
    assert "is not a row of a table: field larger than field limit (1000)" in error.message
    Path("a.csv").write_text('id,text\nx,"never closed\nmore,of it\n')
    assert "is not a row of a table: unexpected end of data" in refused(Path("a.csv")).message


BAD_FILES = [
    ("a.txt", b"One\n\xff", "a.txt is not UTF-8: byte 0xff at offset 4", "iconv"),
    ("a.html", b"\x80", "a.html is not UTF-8", "iconv"),
    ("a.txt", b"", "a.txt is empty", "--skip-bad"),
    ("a.md", b" \n\t", "a.md is empty", "--skip-bad"),
    ("a.html", b"<script>x</script>", "a.html is empty", "--skip-bad"),
    ("a.jsonl", b"\n", "a.jsonl is empty", "--skip-bad"),
    ("a.csv", b"text,b\n", "a.csv is empty", "--skip-bad"),
    ("a.txt", b"x" * 1001, "a.txt has more than", "--max-document"),
    ("a.pdf", b"no pdf", "a.pdf is not a readable PDF", "qpdf"),
    ("a.pdf", pdf(["The heron"])[:300], "a.pdf is not a readable PDF", "qpdf"),
    ("a.pdf", pdf([""]), "no text: it is a scan", "OCR"),
    ("a.jsonl", b'{"text": "a"}\n{"text"\n', "a.jsonl:2 is not JSON: ", "A row is"),
    ("a.jsonl", b'{"text": "a"}\n[1]\n', "a.jsonl:2 is not a JSON object", "A row is"),
    ("a.jsonl", b'{"prompt": "a"}\n', "a.jsonl:1 has no text", "A row is"),
    ("a.jsonl", b'{"text": 3}\n', "a.jsonl:1 has no text", "A row is"),
    ("a.jsonl", b'{"text": "a", "id": [1]}\n', "a.jsonl:1: `id` is", "a text or a number"),
    ("a.jsonl", b'{"text": "a"}\n{"text": "\xe9"}\n', "a.jsonl:2 is not UTF-8", "iconv"),
    ("a.jsonl", b'{"text": "\\ud800"}\n', "a.jsonl:1 holds half a character", "escape"),
    ("a.jsonl", b"[" * 900, "a.jsonl:1 ", "A row is"),
    ("a.jsonl", b'{"text": "a"}\n' + b"x" * 1001, "a.jsonl:2 has more than", "--max-document"),
    ("a.jsonl", b'{"text": " "}', "a.jsonl:1 is empty", "--skip-bad"),
    ("a.csv", b"text,b\nx\n", "a.csv:2 has another number of fields", "columns"),
    ("a.csv", b"text,b\nx,y,z\n", "a.csv:2 has another number of fields", "columns"),
    ("a.csv", b'text,b\n"x"y,z\n', "a.csv:2 is not a row of a table", "quotes"),
    ("a.csv", b"text\nx\n\xe9\n", "a.csv:3 is not UTF-8", "iconv"),
    ("a.csv", b"text\n" + b"x" * 1001, "a.csv:2 has more than", "--max-document"),
]


@pytest.mark.parametrize(("name", "data", "message", "hint"), BAD_FILES)
def test_what_cannot_be_read(here: Path, name: str, data: bytes, message: str, hint: str) -> None:
    Path(name).write_bytes(data)
    error = refused(Path(name))
    assert message in error.message
    assert hint in error.hint
    Path("good.txt").write_text("Good.")
    texts, bad = read(Path(name), Path("good.txt"))
    assert texts["good.txt"] == "Good."
    assert bad == [error.message]


def test_the_rows_after_a_bad_one_are_read(here: Path) -> None:
    lines = [b'{"id": "a", "text": "a"}', b"{", b"x" * 5000, b"\xff", b'{"id": "b", "text": "b"}']
    Path("a.jsonl").write_bytes(b"\n".join(lines))
    texts, bad = read(Path("a.jsonl"))
    assert texts == {"a": "a", "b": "b"}
    assert [message.split(" ")[0] for message in bad] == ["a.jsonl:2", "a.jsonl:3", "a.jsonl:4"]


@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv", "a.html", "a.pdf"])
def test_a_line_of_a_gigabyte_is_never_held(here: Path, name: str) -> None:
    import tracemalloc

    with Path(name).open("wb") as stream:
        stream.write(b"text\n" if name == "a.csv" else b"")
        stream.truncate(1 << 30)  # sparse: zeros that take no room
    tracemalloc.start()
    try:
        error = refused(Path(name), limit=1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "has more than 1 MiB" in error.message
    assert peak < 12 << 20


def test_paths_that_lead_nowhere(here: Path) -> None:
    assert "nowhere is not there" in refused(Path("nowhere")).message
    os.mkfifo("pipe")
    assert "pipe is neither a file nor a folder" in refused(Path("pipe")).message


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read(here: Path) -> None:
    Path("a.txt").write_text("secret")
    Path("a.txt").chmod(0)
    assert "a.txt cannot be read: Permission denied" in refused(Path("a.txt")).message


def test_a_file_that_goes_away(here: Path) -> None:
    Path("a.txt").write_text("One.")
    bad: list[EvidenceError] = []
    corpus = Corpus([Path("a.txt")], bad.append)
    Path("a.txt").unlink()
    assert list(corpus) == []
    assert "a.txt cannot be read: No such file" in bad[0].message


def test_documents_know_their_place(here: Path) -> None:
    Path("a.jsonl").write_text('{"id": "x", "text": "One."}\n')
    assert list(Corpus([Path("a.jsonl")], refuse)) == [Document("x", "One.", "a.jsonl:1")]
