"""mistral-common's tekken vocabulary (131,072 tokens) as a `tokenizer.json`.

Only the data file of the installed package is read; the package itself is not imported. Text is
cut as tiktoken does: a piece that is a token stays whole, others are merged by rank.
"""

from __future__ import annotations

import base64
import getpass
import json
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rows import Skipped

from tether.grammars.vocabulary import Vocabulary

SIZE = 131_072
END = "</s>"
_SPECIAL = ["<unk>", "<s>", END, "[INST]", "[/INST]"]


def directory() -> Path:
    """Where the tokenizer is kept between runs; written on first use.

    Raises:
        Skipped: mistral-common is not installed.
    """
    home = Path(tempfile.gettempdir()) / f"tether-benchmarks-{getpass.getuser()}" / "tekken"
    if not (home / "tokenizer_config.json").is_file():  # written last
        home.mkdir(parents=True, exist_ok=True)
        write_tokenizer(home)
    return home


def numbers() -> Vocabulary:
    """As many tokens that are three-byte numbers, for runs in which text plays no part."""
    return Vocabulary.from_tokens([i.to_bytes(3, "big") for i in range(SIZE)], eos_id=2)


def vocabulary() -> Vocabulary:
    """The bare tokens, text cut by the longest match: no tokenizer library is needed.

    Raises:
        Skipped: mistral-common is not installed.
    """
    special, texts = _tokens()
    return Vocabulary.from_tokens(
        [*(name.encode() for name in special), *texts], special.index(END), range(len(special))
    )


def write_tokenizer(folder: Path) -> None:
    """Write tokenizer.json and tokenizer_config.json with `SIZE` tokens into `folder`.

    Raises:
        Skipped: mistral-common is not installed.
    """
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

    special, texts = _tokens()
    ranks = {text: rank for rank, text in enumerate(texts)}
    entries = {name: index for index, name in enumerate(special)}
    entries |= {_name(text): rank + len(special) for text, rank in ranks.items()}
    tokenizer = Tokenizer(models.BPE(entries, list(_merges(ranks)), ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_data()["config"]["pattern"]), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": "<unk>",
        "padding_side": "left",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def _tokens() -> tuple[list[str], list[bytes]]:
    """The names of the special tokens, and the bytes of the others, `SIZE` in all."""
    data = _data()
    num_special: int = data["config"]["default_num_special_tokens"]
    special = [*_SPECIAL, *(f"<SPECIAL_{i}>" for i in range(len(_SPECIAL), num_special))]
    entries = data["vocab"][: SIZE - num_special]
    return special, [base64.b64decode(entry["token_bytes"]) for entry in entries]


def _merges(ranks: dict[bytes, int]) -> Iterator[tuple[str, str]]:
    """Every way to put a token together from two others, by rank; tiktoken keeps ranks only."""
    for text in ranks:
        cuts = ((text[:i], text[i:]) for i in range(1, len(text)))
        pairs = [(a, b) for a, b in cuts if a in ranks and b in ranks]
        for left, right in sorted(pairs, key=lambda pair: (ranks[pair[0]], ranks[pair[1]])):
            yield _name(left), _name(right)


def _name(text: bytes) -> str:
    """Bytes in GPT-2's printable alphabet, as byte-level tokenizers name their tokens."""
    return "".join(_ALPHABET[byte] for byte in text)


def _alphabet() -> dict[int, str]:
    plain = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in plain]
    return {b: chr(b) for b in plain} | {b: chr(256 + i) for i, b in enumerate(hidden)}


_ALPHABET = _alphabet()


@cache
def _data() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(_data_file().read_text(encoding="utf-8"))
    return data


def _data_file() -> Path:
    spec = find_spec("mistral_common")
    places = spec.submodule_search_locations if spec else None
    found = sorted(p for place in places or () for p in Path(place).glob("data/tekken_*.json"))
    if not found:
        raise Skipped("mistral-common is not installed: pip install 'tether[bench]'.")
    return found[-1]
