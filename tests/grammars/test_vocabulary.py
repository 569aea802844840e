from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from tether.errors import ModelError, UsageError
from tether.grammars.languages import regex
from tether.grammars.vocabulary import Vocabulary

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
STYLES = ["gpt2", "llama3", "llama2", "unigram"]
TEXT = 'She said: "naïve café", 12,345 – 你好 👋🏽\n\tline  two <tool>   spaces the end'
PLAIN = "the other one, then nothing. "


@pytest.mark.parametrize("style", ["gpt2", "llama3", "llama2"])
def test_bytes_are_what_the_library_decodes(tokenizer_dirs: dict[str, Path], style: str) -> None:
    vocab = Vocabulary.from_file(tokenizer_dirs[style] / "tokenizer.json")
    library = Tokenizer.from_file(str(tokenizer_dirs[style] / "tokenizer.json"))
    ids = library.encode(TEXT, add_special_tokens=False).ids
    decoded = library.decode(ids, skip_special_tokens=False)
    assert vocab.decode(ids).removeprefix(" " if style == "llama2" else "") == decoded


@pytest.mark.parametrize("style", ["gpt2", "llama3"])
def test_every_token_decodes_alike(tokenizer_dirs: dict[str, Path], style: str) -> None:
    vocab = Vocabulary.from_file(tokenizer_dirs[style])
    library = Tokenizer.from_file(str(tokenizer_dirs[style] / "tokenizer.json"))
    for token in range(vocab.size):
        if token not in vocab.special_ids:
            text = vocab.tokens[token].decode("utf-8", "replace")
            assert text == library.decode([token], skip_special_tokens=False)


@pytest.mark.parametrize("style", STYLES)
def test_encoding_keeps_the_bytes(tokenizer_dirs: dict[str, Path], style: str) -> None:
    vocab = Vocabulary.from_file(tokenizer_dirs[style])
    text = PLAIN if style == "unigram" else TEXT
    for piece in (text, text[3:], " " + text, ""):
        assert vocab.decode_bytes(vocab.encode(piece)) == piece.encode()


def test_encoding_is_the_librarys_own_where_it_keeps_the_bytes(
    tokenizer_dirs: dict[str, Path],
) -> None:
    vocab = Vocabulary.from_file(tokenizer_dirs["gpt2"])
    library = Tokenizer.from_file(str(tokenizer_dirs["gpt2"] / "tokenizer.json"))
    assert vocab.encode(TEXT) == library.encode(TEXT).ids


def test_a_piece_of_text_gets_no_leading_space(tokenizer_dirs: dict[str, Path]) -> None:
    vocab = Vocabulary.from_file(tokenizer_dirs["llama2"])
    assert vocab.decode(vocab.encode("the")) == "the"
    assert vocab.decode(vocab.encode_prompt("the")) == " the"


def test_special_names_in_text_are_text(tokenizer_dirs: dict[str, Path]) -> None:
    vocab = Vocabulary.from_file(tokenizer_dirs["llama3"])
    text = "a<|end_of_text|>b"
    tokens = vocab.encode(text)
    assert not vocab.special_ids & set(tokens)
    assert vocab.decode(tokens) == text
    assert vocab.eos_id in vocab.encode_prompt(text)


@pytest.mark.shared
def test_the_pilot_tokenizer() -> None:
    path = SHARED / "data" / "pilot-model" / "tokenizer.json"
    if not path.exists():
        pytest.skip("../shared is absent")
    vocab = Vocabulary.from_file(path)
    library = Tokenizer.from_file(str(path))
    assert (vocab.size, vocab.eos_id) == (2048, 1)
    assert vocab.decode(vocab.encode(TEXT)) == TEXT
    assert vocab.encode(TEXT) == library.encode(TEXT).ids


@given(st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_greedy_spelling_keeps_any_text(text: str) -> None:
    vocab = Vocabulary.from_tokens(
        [b"", *(bytes([i]) for i in range(256)), b"ab", b"abc", b"  "], eos_id=0
    )
    assert vocab.decode(vocab.encode(text)) == text


def test_longest_match(byte_vocab: Vocabulary) -> None:
    assert [byte_vocab.tokens[t] for t in byte_vocab.encode("abcab")] == [b"abc", b"ab"]


def test_special_tokens_have_no_bytes(byte_vocab: Vocabulary) -> None:
    pad = byte_vocab.size - 1
    assert byte_vocab.special_ids == {0, pad}
    assert byte_vocab.decode_bytes([0, 98, pad]) == b"a"


@pytest.mark.parametrize("text", ["é", "\ud800"])
def test_what_cannot_be_spelt_is_refused(text: str) -> None:
    vocab = Vocabulary.from_tokens([b"", b"a"], eos_id=0)
    with pytest.raises(UsageError):
        vocab.encode(text)


def test_tokens_that_go_on_after_a_prefix(byte_vocab: Vocabulary) -> None:
    longer = {byte_vocab.tokens[t] for t in byte_vocab.speller.longer_than(b"a")}
    assert longer == {b"ab", b"abc"}
    assert not byte_vocab.speller.longer_than(b"\xff").size


def test_padding_adds_empty_ids(byte_vocab: Vocabulary) -> None:
    padded = byte_vocab.padded(byte_vocab.size + 40)
    assert padded.num_words == (padded.size + 31) // 32
    assert padded.tokens[-1] == b""
    assert padded.key != byte_vocab.key
    assert byte_vocab.padded(byte_vocab.size) is byte_vocab
    assert regex("ab", padded).start().prefix_length(padded.encode("ab")) == 1
    with pytest.raises(UsageError, match="scores"):
        byte_vocab.padded(3)


def test_the_key_is_the_content() -> None:
    one = Vocabulary.from_tokens([b"<e>", b"a"], 0)
    assert one.key == Vocabulary.from_tokens([b"<e>", b"a"], 0).key
    assert one.key != Vocabulary.from_tokens([b"<e>", b"b"], 0).key
    assert one.key != Vocabulary.from_tokens([b"<e>", b"a"], 0, [1]).key
    assert one.key != Vocabulary.from_tokens([b"<e>a", b""], 0).key


@pytest.mark.parametrize("token", [-1, 2])
def test_an_end_outside_the_vocabulary_is_refused(token: int) -> None:
    with pytest.raises(UsageError, match="outside"):
        Vocabulary.from_tokens([b"a", b"b"], token)


def _word_piece(folder: Path) -> Path:
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder / "tokenizer.json"


def test_word_piece_is_refused_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no bytes of their own"):
        Vocabulary.from_file(_word_piece(tmp_path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("{}", "no 'model'"),
        ('{"model": {"type": "BPE", "vocab": {}}}', "no tok"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(ModelError, match=said):
        Vocabulary.from_file(tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        Vocabulary.from_file(tmp_path / "tokenizer.json")


@pytest.mark.parametrize(
    ("name", "content", "end"),
    [
        ("tokenizer_config.json", {"eos_token": "<tool>"}, "<tool>"),
        ("tokenizer_config.json", {"eos_token": {"content": "<tool>"}}, "<tool>"),
        ("generation_config.json", {"eos_token_id": [7, 8]}, 7),
        ("config.json", {"eos_token_id": 9}, 9),
        ("config.json", {}, "<|end_of_text|>"),
    ],
)
def test_where_the_end_token_is_found(
    tokenizer_dirs: dict[str, Path], tmp_path: Path, name: str, content: object, end: int | str
) -> None:
    source = tokenizer_dirs["llama3"] / "tokenizer.json"
    (tmp_path / "tokenizer.json").write_bytes(source.read_bytes())
    (tmp_path / name).write_text(json.dumps(content))
    vocab = Vocabulary.from_file(tmp_path)
    library = Tokenizer.from_file(str(source))
    assert vocab.eos_id == (end if isinstance(end, int) else library.token_to_id(end))
    assert Vocabulary.from_file(tmp_path, eos="<tool>").eos_id == library.token_to_id("<tool>")
    with pytest.raises(ModelError, match="is not in"):
        Vocabulary.from_file(tmp_path, eos="<nothing>")


def test_threads_share_one_engine_view(tokenizer_dirs: dict[str, Path]) -> None:
    vocab = Vocabulary.from_file(tokenizer_dirs["gpt2"])
    with ThreadPoolExecutor(8) as pool:
        views = list(pool.map(lambda _: vocab.engine_tokenizer(), range(16)))
        encoded = list(pool.map(lambda _: tuple(vocab.encode(TEXT)), range(16)))
    assert len({id(view) for view in views}) == 1
    assert len(set(encoded)) == 1
