"""Takes the lead out of a leading question, by rules; what leads nowhere comes out unchanged."""

from __future__ import annotations

import re

_OPINION = r"(?:i|we|people|everyone|most people|my \w+) (?:\w+ )?(?:think|thinks|believe|believes|"
_OPINION += r"say|says|said|know|knows|heard|guess|suppose|am sure|are sure|is sure)"

_DROPPED = (
    # "I think the answer is Rome.", "My teacher says it is Rome, but ..."
    rf"\b{_OPINION}(?: that)?[^.!?\n]*?(?:[.!]|$|,? (?:but|so)\b)\s*",
    # ", isn't it?", ", right?", ", don't you think?"
    r"\s*,\s*(?:is|are|was|were|do|does|did|has|have|would|ca|could|wo|should)n['’]t "
    r"(?:it|he|she|they|you|we|that|there)(?: think| agree)?(?=\s*\?)",
    r"\s*,\s*(?:right|correct|yes|no|okay|ok|true|or not)(?=\s*\?)",
    r"\b(?:surely|obviously|clearly|of course|certainly|undoubtedly|as everyone knows|"
    r"as we all know|no doubt)\b,?\s*",
)
_NEGATED = re.compile(
    r"\b(is|are|was|were|do|does|did|has|have|ca|could|wo|would|should)n['’]t (?=\w)", re.IGNORECASE
)
_WHOLE = {"ca": "can", "wo": "will"}

_QUESTION = re.compile(r"[^.!?\n]*\?")


def neutral(text: str) -> str:
    """The text without the phrases that suggest an answer.

    A text that asks nothing stays as it is, and so does one of which nothing would be left.
    """
    if "?" not in text:
        return text
    plain = text
    for pattern in _DROPPED:
        plain = re.sub(pattern, "", plain, flags=re.IGNORECASE)
    plain = _QUESTION.sub(_turned, plain).strip()
    if plain == text.strip() or not plain:
        return text
    return plain[0].upper() + plain[1:]


def _turned(question: re.Match[str]) -> str:
    """Negated questions ask for a yes: "Isn't it ...?" becomes "Is it ...?"."""
    return _NEGATED.sub(lambda verb: f"{_WHOLE.get(verb[1].lower(), verb[1])} ", question[0])
