"""Quotes of large evidence: tether's suffix array beside llguidance's substring regexes.

Both say `{"q":"<a quote>"}` of the same evidence, one process an engine, so that memory is its own.
Measured: seconds until the constraint of an evidence is ready, the first mask of a quote, masks
with their advance along quotes, and what the process grew by. llguidance's `substring_chunks` gets
one chunk a character, spelled as in JSON: the same language. Its limits, made for grammars of
ordinary size, are lifted. Times are of this process's CPU, one thread.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tekken
from facts import ROOT
from rows import Rows, Skipped, options, say
from timing import spread

from tether.grammars.constraint import Mask, Matcher
from tether.grammars.engine import ENGINE_OPTIONS, EngineMatcher
from tether.grammars.json_schema import Bounds, json_schema
from tether.grammars.verbatim import Evidence
from tether.grammars.vocabulary import Vocabulary

SIZES = (10_000, 100_000, 1_000_000)
NUM_QUOTES = 60
QUOTE_LENGTH = 80
SCHEMA = {
    "type": "object",
    "properties": {"q": {"type": "string", "x-tether-verbatim": True, "maxLength": 200}},
    "required": ["q"],
    "additionalProperties": False,
}
ENGINES = ("tether", "llguidance")
_LETTERS = "etaoinsrhldcumfpgwybvk" * 3 + "éüñ"
_MARKS = (". ", ", ", "; ", ' "', '" ', ".\n", " – ", " 12 ")


def main() -> None:
    """Measure every engine at every size on two vocabularies."""
    given = options(__doc__)
    rows = Rows("verbatim", quick=given.quick)
    for name, folder in _vocabularies():
        for size in SIZES[: 1 if given.quick else None]:
            for engine in ENGINES:
                case = {"engine": engine, "vocabulary": name, "evidence characters": size}
                say(str(case))
                figures = _child(engine, folder, size)
                note = figures.pop("note", "")
                spreads = {key: spread(values) for key, values in figures.items()}
                rows.add(case, spreads, settings={"quotes": NUM_QUOTES}, note=note)


def _vocabularies() -> list[tuple[str, Path]]:
    found = [("shipped", ROOT / "decoding" / "builtin" / "model")]
    try:
        return [*found, ("tekken", tekken.directory())]
    except Skipped as reason:
        say(str(reason))
        return found


def _child(engine: str, folder: Path, size: int) -> dict[str, Any]:
    """The figures of one engine, from a process of its own."""
    command = [sys.executable, __file__, "child", engine, str(folder), str(size)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        return {"note": done.stderr.strip().splitlines()[-1][:200]}
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def evidence_text(size: int, seed: int = 0) -> str:
    """Made prose of so many characters: words of a Zipf-like vocabulary, marks, line ends."""
    dice = random.Random(seed)
    words = ["".join(dice.choices(_LETTERS, k=dice.randint(1, 10))) for _ in range(8000)]
    weights = [1 / (rank + 10) for rank in range(len(words))]
    chosen = dice.choices(words, weights, k=size // 3)
    text = "".join(word + dice.choice(_MARKS) * (dice.random() < 0.12) + " " for word in chosen)
    return text[:size]


def measure(engine: str, vocab: Vocabulary, text: str) -> dict[str, list[float]]:
    """Seconds, microseconds and MiB of one engine on one evidence."""
    passages = [text[at : at + 1000] for at in range(0, len(text), 1000)]
    vocab.engine_tokenizer()
    warm = _make("tether", vocab, ["warm up"])()  # imports, and the table of the vocabulary
    for token in vocab.encode('{"q":"'):
        warm.advance(token)
    mask = np.empty(vocab.num_words, dtype=np.int32)
    warm.fill_mask(mask)
    before, began = _resident(), time.process_time()
    start = _make(engine, vocab, passages)
    matcher = start()
    for token in vocab.encode('{"q":"'):
        matcher.advance(token)
    ready = time.process_time() - began
    began = time.process_time()
    matcher.fill_mask(mask)
    first = time.process_time() - began
    times = [each for quote in _quotes(passages) for each in _walk(start(), vocab, quote, mask)]
    ordered = sorted(times)
    return {
        "ready_s": [ready],
        "first_mask_ms": [first * 1e3],
        "mask_p50_us": [ordered[len(ordered) // 2] * 1e6],
        "mask_p99_us": [ordered[len(ordered) * 99 // 100] * 1e6],
        "grown_mib": [_resident() - before],
    }


def _quotes(passages: Sequence[str]) -> list[str]:
    """Some words of a passage, again and again."""
    dice, found = random.Random(1), []
    for _ in range(NUM_QUOTES):
        words = dice.choice(passages).split(" ")[1:-1]
        at = dice.randrange(max(1, len(words) - QUOTE_LENGTH // 5))
        found.append(" ".join(words[at : at + QUOTE_LENGTH // 5]))
    return [quote for quote in found if quote]


def _walk(matcher: Matcher, vocab: Vocabulary, quote: str, mask: Mask) -> list[float]:
    """Seconds of a mask and its advance at each token of the quote."""
    times = []
    for token in [
        *vocab.encode('{"q":"'),
        *vocab.encode(json.dumps(quote, ensure_ascii=False)[1:-1]),
    ]:
        began = time.process_time()
        matcher.fill_mask(mask)
        matcher.advance(token)
        times.append(time.process_time() - began)
    return times


def _make(engine: str, vocab: Vocabulary, passages: Sequence[str]) -> Callable[[], Matcher]:
    if engine == "tether":
        return json_schema(
            json.dumps(SCHEMA), vocab, bounds=Bounds(), evidence=Evidence(passages)
        ).start
    spelled = [json.dumps(c, ensure_ascii=False)[1:-1] for p in passages for c in p]
    regex = json.dumps({"substring_chunks": spelled}, ensure_ascii=False)
    return _substring(vocab, regex)


def _substring(vocab: Vocabulary, regex: str) -> Callable[[], Matcher]:
    from llguidance import LLMatcher, LLParserLimits

    grammar = f'{ENGINE_OPTIONS}start: "{{\\"q\\":\\"" Q "\\"}}"\nQ: %regex {regex}\n'
    limits = LLParserLimits(
        initial_lexer_fuel=10**10,
        step_lexer_fuel=10**9,
        max_lexer_states=10**8,
        max_grammar_size=10**9,
    )
    first = LLMatcher(vocab.engine_tokenizer(), grammar, log_level=0, limits=limits)
    if first.is_error():
        raise SystemExit(f"refused: {first.get_error()}"[:200])
    return lambda: EngineMatcher(vocab, first.deep_copy())


def _resident() -> float:
    """MiB that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        _, _, engine, folder, size = sys.argv
        print(json.dumps(measure(engine, Vocabulary.from_file(folder), evidence_text(int(size)))))
    else:
        main()
