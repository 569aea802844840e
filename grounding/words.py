"""Texts as words, for lexical search in any language: no stop words, no stemming, no dictionary.

Texts are put in Unicode's compatibility form (NFKC) and case-folded. A word is a run of letters,
digits and the marks on them; all else parts words. Scripts that are written without blanks (Han,
kana, Thai, Lao, Khmer, Burmese) give each two neighbouring characters as a word, and a single
character as itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

import regex

_PLAIN = re.compile(r"[a-z0-9]+")
_SCRIPTS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORDS = regex.compile(rf"(?V1)(?P<dense>[{_SCRIPTS}]+)|[\p{{L}}\p{{N}}\p{{M}}--[{_SCRIPTS}]]+")


def words(text: str) -> list[str]:
    """The words of a text, in its order; the same words for a passage and for a question."""
    if text.isascii():
        return _PLAIN.findall(text.lower())
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return list(_parted(folded))


def _parted(folded: str) -> Iterator[str]:
    for match in _WORDS.finditer(folded):
        run = match[0]
        if match["dense"] is None or len(run) == 1:
            yield run
        else:
            yield from (run[i : i + 2] for i in range(len(run) - 1))
