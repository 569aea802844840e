"""`tokenizer.json` and the config files beside it -> token bytes, end token, special tokens.

Knows the file format of the tokenizers library: byte-level BPE (GPT-2, Llama 3, Qwen),
sentencepiece style with or without byte fallback (Llama 2, Gemma, T5). What has no bytes of its
own (WordPiece) is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tether.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_CURE = "Name a tokenizer.json in the format of the tokenizers library."
_END_NAMES = ("<|endoftext|>", "<|end_of_text|>", "</s>", "<eos>", "<|end|>", "<|im_end|>")


class FileEncoder:
    """The tokenizers library's own way of cutting text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.key = hashlib.sha256(text.encode()).hexdigest()

    def encode(self, text: str) -> list[int]:
        """Token ids of `text`; names of special tokens in it are plain text."""
        return list(self._plain.encode(text, add_special_tokens=False).ids)

    def encode_prompt(self, text: str, *, begin: bool) -> list[int]:
        """Token ids of a prompt; names of special tokens in it are those tokens."""
        return list(self._special.encode(text, add_special_tokens=begin).ids)

    # Two objects, because the switch between them is a mutable flag of the library's tokenizer.
    @cached_property
    def _plain(self) -> Tokenizer:
        tokenizer = _load(self._text)
        tokenizer.encode_special_tokens = True
        return tokenizer

    @cached_property
    def _special(self) -> Tokenizer:
        return _load(self._text)


def read_tokenizer(
    path: Path, eos: int | str | None
) -> tuple[list[bytes], int, set[int], FileEncoder]:
    """Token bytes, end token, special tokens and encoder of a tokenizer file."""
    if path.is_dir():
        path = path / "tokenizer.json"
    text = _read_text(path)
    data = _parse(path, text)
    entries = _entries(path, data)
    to_bytes = _converter(path, data)
    tokens = [b""] * (max(entries.values(), default=-1) + 1)
    for name, token in entries.items():
        tokens[token] = to_bytes(name)
    special: set[int] = set()
    for added in data.get("added_tokens") or []:
        tokens[added["id"]] = added["content"].encode()
        if added.get("special"):
            special.add(added["id"])
    return tokens, _end_id(path, entries, eos), special, FileEncoder(text)


def _load(text: str) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(text)
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.", hint=_CURE
        ) from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise ModelError(f"{path} is not JSON: {error}.", hint=_CURE) from error
    if not isinstance(data, dict) or not isinstance(data.get("model"), dict):
        raise ModelError(
            f"{path} is not a tokenizer of the tokenizers library: it has no 'model'.",
            hint="Save it with AutoTokenizer.from_pretrained(...).save_pretrained(directory).",
        )
    return data


def _entries(path: Path, data: dict[str, Any]) -> dict[str, int]:
    """Token name -> id, added tokens included."""
    vocabulary = data["model"].get("vocab")
    if isinstance(vocabulary, list):  # Unigram: [[name, score], ...]
        entries = {item[0]: i for i, item in enumerate(vocabulary)}
    elif isinstance(vocabulary, dict):
        entries = dict(vocabulary)
    else:
        raise ModelError(f"{path} has no 'model.vocab'.", hint=_CURE)
    for added in data.get("added_tokens") or []:
        entries[added["content"]] = added["id"]
    if not entries:
        raise ModelError(f"{path} has no tokens.", hint=_CURE)
    return entries


def _converter(path: Path, data: dict[str, Any]) -> Callable[[str], bytes]:
    """How this file's token names become bytes, told from its decoder and its model."""
    kinds = {part.get("type"): part for part in _parts(data)}
    model = data["model"].get("type")
    if "ByteLevel" in kinds:
        return _byte_level
    if model == "WordPiece" or kinds.keys() & {"WordPiece", "BPEDecoder", "CTC"}:
        raise ModelError(
            f"{path} is a {model} tokenizer whose decoder inserts or drops spaces; its tokens "
            "have no bytes of their own, so no mask can be exact.",
            hint="Use a model with a byte-level or sentencepiece tokenizer (GPT, Llama, Qwen).",
        )
    space = _space_mark(kinds)
    if space is None and model not in ("BPE", "Unigram"):
        raise ModelError(
            f"{path} is a {model} tokenizer without a decoder; its tokens have no bytes.",
            hint="Use a model with a byte-level or sentencepiece tokenizer (GPT, Llama, Qwen).",
        )
    fallback = "ByteFallback" in kinds or bool(data["model"].get("byte_fallback"))

    def convert(name: str) -> bytes:
        match = _BYTE_TOKEN.fullmatch(name) if fallback else None
        if match:
            return bytes([int(match[1], 16)])
        return (name.replace(space, " ") if space else name).encode()

    return convert


def _parts(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The decoder's steps, or the pre-tokenizer's where there is no decoder."""
    top = data.get("decoder") or data.get("pre_tokenizer") or {}
    yield top
    yield from top.get("decoders") or top.get("pretokenizers") or []


def _space_mark(kinds: dict[Any, dict[str, Any]]) -> str | None:
    if "Metaspace" in kinds:
        return str(kinds["Metaspace"].get("replacement", "▁"))
    replace = kinds.get("Replace")
    if replace and replace.get("content") == " ":
        return str(replace["pattern"].get("String", "▁"))
    return None


def _byte_level(name: str) -> bytes:
    """Bytes of a byte-level name; a name outside the byte alphabet stands for itself."""
    try:
        return bytes(_BYTE_OF[char] for char in name)
    except KeyError:
        return name.encode()


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's reversible alphabet: each byte as one printable character."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    alphabet = {chr(byte): byte for byte in plain}
    others = (byte for byte in range(256) if byte not in set(plain))
    alphabet.update({chr(256 + i): byte for i, byte in enumerate(others)})
    return alphabet


_BYTE_OF = _byte_alphabet()


def _end_id(path: Path, entries: dict[str, int], eos: int | str | None) -> int:
    found = eos if eos is not None else _configured_end(path.parent)
    if isinstance(found, int):
        return found
    if isinstance(found, str):
        if found in entries:
            return entries[found]
        raise ModelError(
            f"The end token {found!r} is not in {path}.",
            hint="Give eos= an id or a token of this file.",
        )
    known = [entries[name] for name in _END_NAMES if name in entries]
    if len(known) == 1:
        return known[0]
    raise ModelError(
        f"Nothing beside {path} says which token ends a text.",
        hint='Put "eos_token" in tokenizer_config.json, or give eos=.',
    )


def _configured_end(folder: Path) -> int | str | None:
    """What the config files say: the tokenizer's, then the generation's, then the model's."""
    for name, entry in (
        ("tokenizer_config.json", "eos_token"),
        ("special_tokens_map.json", "eos_token"),
        ("generation_config.json", "eos_token_id"),
        ("config.json", "eos_token_id"),
    ):
        file = folder / name
        if not file.is_file():
            continue
        try:
            value = json.loads(file.read_text(encoding="utf-8")).get(entry)
        except (OSError, ValueError, AttributeError) as error:
            raise ModelError(f"{file} is not a JSON object: {error}.") from error
        if isinstance(value, dict):
            value = value.get("content")
        if isinstance(value, list):
            value = value[0] if value else None
        if value is not None:
            return value  # type: ignore[no-any-return]
    return None
