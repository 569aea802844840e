"""The messages of an OpenAI request: instructions, earlier turns, and the message to answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tether.cli.config.profiles import suggest
from tether.cli.kinds import JsonValue
from tether.decoding.prompt import Turn
from tether.errors import UsageError

_INSTRUCTING = ("system", "developer")
_ROLES = (*_INSTRUCTING, "user", "assistant")
_KEYS = ("role", "content", "name")
_EMPTY = ("refusal", "annotations", "audio", "tool_calls", "function_call", "reasoning_content")
"""Keys of a replayed answer that are accepted where they hold nothing."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """What the messages say.

    Attributes:
        system: The instructions before the first turn, joined by blank lines.
        turns: What was said before the last message, in order.
        prompt: The last message, which is the user's.
    """

    system: str
    turns: tuple[Turn, ...]
    prompt: str


def conversation(messages: JsonValue) -> Conversation:
    """Read `body.messages`.

    Raises:
        UsageError: A message is not text, has another role, or the last is not the user's.
    """
    if not isinstance(messages, list) or not messages:
        raise UsageError("`body.messages` is missing or empty.")
    said = [_turn(message, f"body.messages[{at}]") for at, message in enumerate(messages)]
    if said[-1].role != "user":
        raise UsageError(
            f"`body.messages` ends with the role {messages[-1]['role']!r}.",
            hint="The last message is the user's, which is answered.",
        )
    first = next(at for at, turn in enumerate(said) if turn.role != "system")
    system = "\n\n".join(turn.text for turn in said[:first])
    return Conversation(system, tuple(said[first:-1]), said[-1].text)


def only(value: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    """Refuse a key that is not known; `where` stands before its name.

    Raises:
        UsageError: With the known key that is nearest.
    """
    for key in value:
        if key not in known:
            raise UsageError(f"Unknown key `{where}{key}`.", hint=suggest(key, known, "keys"))


def _turn(message: JsonValue, where: str) -> Turn:
    role = message.get("role") if isinstance(message, dict) else None
    if role not in _ROLES:
        raise UsageError(
            f"`{where}` has the role {role!r}.", hint=f"tether takes {', '.join(_ROLES)}."
        )
    for key in _EMPTY:
        if message.get(key):
            raise UsageError(f"`{where}.{key}` is not offered.", hint="Leave it out.")
    only(message, (*_KEYS, *_EMPTY), f"{where}.")
    text = _text(message.get("content"), f"{where}.content")
    return Turn("system" if role in _INSTRUCTING else role, text)


def _text(content: JsonValue, where: str) -> str:
    """A text, or the texts of parts one after the other."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise UsageError(f"`{where}` is not text.")
    return "".join(_part(part, f"{where}[{at}]") for at, part in enumerate(content))


def _part(part: JsonValue, where: str) -> str:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind != "text" or not isinstance(part.get("text"), str):
        raise UsageError(f"`{where}` is not text: its type is {kind!r}.", hint="Send text alone.")
    only(part, ("type", "text"), f"{where}.")
    return str(part["text"])
