from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tether.grammars import cache
from tether.grammars.findings import Finding

KEY = cache.content_key(("json", "{}"))
ENTRY = cache.Entry(
    'start: "é"',
    (Finding("warning", "/a", "m", "h", "e"),),
    exact=False,
    containers=False,
    extras=True,
)


def only_file(folder: Path) -> Path:
    (path,) = folder.rglob("*.json")
    return path


def test_what_is_stored_is_loaded(own_cache: Path) -> None:
    assert cache.load(KEY) is None
    assert cache.store(KEY, ENTRY)
    assert cache.load(KEY) == ENTRY
    assert only_file(own_cache).parent.parent == own_cache / "constraints"


@pytest.mark.parametrize("entry", [cache.Entry(None, ()), cache.Entry("g", None)])
def test_half_entries(entry: cache.Entry) -> None:
    cache.store(KEY, entry)
    assert cache.load(KEY) == entry


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("start", "other"),
        lambda text: "",
        lambda text: "[]",
        lambda text: json.dumps({**json.loads(text), "key": "0" * 64}),
        lambda text: json.dumps({"grammar": "start: /.*/"}),
    ],
)
def test_spoilt_files_are_as_good_as_none_and_rewritten(own_cache: Path, spoil) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    cache.store(KEY, ENTRY)
    path = only_file(own_cache)
    path.write_text(spoil(path.read_text()))
    assert cache.load(KEY) is None
    cache.store(KEY, ENTRY)
    assert cache.load(KEY) == ENTRY


def test_a_file_that_is_no_text_is_ignored(own_cache: Path) -> None:
    cache.store(KEY, ENTRY)
    only_file(own_cache).write_bytes(b"\xff\xfe\x00")
    assert cache.load(KEY) is None


def test_other_versions_have_other_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "versions", lambda: ("another",))
    assert cache.content_key(("json", "{}")) != KEY


def test_parts_do_not_run_together() -> None:
    assert cache.content_key(("ab", "c")) != cache.content_key(("a", "bc"))
    assert cache.content_key(("\ud800",)) != cache.content_key(("?",))


def test_a_folder_that_cannot_be_made_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TETHER_CACHE_DIR", str(tmp_path / "file"))
    assert not cache.store(KEY, ENTRY)
    assert cache.load(KEY) is None


def test_many_writers_leave_one_whole_file(own_cache: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: cache.store(KEY, ENTRY), range(40)))
    assert cache.load(KEY) == ENTRY
    assert len(list(own_cache.rglob("*"))) == 3  # constraints/, two digits, the file


def test_the_default_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TETHER_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.directory().parts[-2:] == ("tether", "constraints")
