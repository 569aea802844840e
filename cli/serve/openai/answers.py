"""Answers in OpenAI's shapes: whole ones, and the chunks of a stream."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from tether.cli.serve.openai.wanted import Wanted
from tether.cli.session import Outcome
from tether.decoding.request import Delta
from tether.errors import Abstained, LimitReached, TetherError
from tether.grounding.chances import Chance, Chances

Pieces = Callable[[Sequence[int]], list[bytes]]


@dataclass(frozen=True, slots=True)
class Answers:
    """Writes the answers to one request.

    Attributes:
        wanted: The request.
        model: The name of what answers.
        pieces: The bytes of tokens.
    """

    wanted: Wanted
    model: str
    pieces: Pieces
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        """The answer with all choices.

        Raises:
            TetherError: A choice has no answer.
        """
        choices = [self._choice(outcome) for outcome in outcomes]
        return {**self._head("chat.completion"), "choices": choices, "usage": self.usage(outcomes)}

    def opening(self) -> list[dict[str, Any]]:
        """What a stream begins with: whose turn each choice is."""
        if self.wanted.kind == "text":
            return []
        call = self.wanted.call
        start: dict[str, Any] = {"role": "assistant", "content": ""}
        if call is not None:
            start = {"role": "assistant", **_called(call.message(0, ""))}
        return [self._chunk(place, start) for place in range(self.wanted.num_answers)]

    def piece(self, place: int, delta: Delta) -> dict[str, Any] | None:
        """A piece of a choice; None where this kind of answer has no place for it."""
        if self.wanted.kind == "text":
            return self._text_chunk(place, delta.text) if delta.kind == "text" else None
        if delta.kind == "thought":
            return self._chunk(place, {"reasoning_content": delta.text})
        if self.wanted.call is not None:
            part = {"index": 0, "function": {"arguments": delta.text}}
            return self._chunk(place, {"tool_calls": [part]})
        return self._chunk(place, {"content": delta.text})

    def last(self, outcome: Outcome) -> dict[str, Any]:
        """The end of a choice, with its log-probabilities.

        Raises:
            TetherError: It has no answer.
        """
        place = outcome.task.origin
        _, finish, refusal = self._told(outcome)
        if self.wanted.kind == "text":
            chunk = self._text_chunk(place, "")
        else:
            chunk = self._chunk(place, {} if refusal is None else {"refusal": refusal})
        chunk["choices"][0] |= {"finish_reason": finish, "logprobs": self._logprobs(outcome)}
        return chunk

    def counts(self, outcomes: Sequence[Outcome]) -> dict[str, Any]:
        """The chunk of a stream that has the counts."""
        head = self._head("chat.completion.chunk")
        return {**head, "choices": [], "usage": self.usage(outcomes)}

    def usage(self, outcomes: Sequence[Outcome]) -> dict[str, int]:
        """Tokens read, each prompt once, and written."""
        firsts = [o for o in outcomes if o.task.origin % self.wanted.num_answers == 0]
        read = sum(outcome.stats.prompt_tokens for outcome in firsts)
        written = sum(outcome.stats.output_tokens for outcome in outcomes)
        return {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        }

    def _head(self, kind: str) -> dict[str, Any]:
        is_chat = self.wanted.kind == "chat"
        return {
            "id": f"{'chatcmpl' if is_chat else 'cmpl'}-{self.id}",
            "object": kind if is_chat else "text_completion",
            "created": self.created,
            "model": self.model,
        }

    def _chunk(self, place: int, delta: dict[str, Any]) -> dict[str, Any]:
        choice = {"index": place, "delta": delta, "logprobs": None, "finish_reason": None}
        return {**self._head("chat.completion.chunk"), "choices": [choice]}

    def _text_chunk(self, place: int, text: str) -> dict[str, Any]:
        choice = {"index": place, "text": text, "logprobs": None, "finish_reason": None}
        return {**self._head("text_completion"), "choices": [choice]}

    def _choice(self, outcome: Outcome) -> dict[str, Any]:
        text, finish, refusal = self._told(outcome)
        place = outcome.task.origin
        about = {"logprobs": self._logprobs(outcome), "finish_reason": finish}
        if self.wanted.kind == "text":
            return {"index": place, "text": text, **about}
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": refusal}
        if refusal is not None:
            message["content"] = None
        elif self.wanted.call is not None:
            message = self.wanted.call.message(place, text)
        if outcome.thought:
            message["reasoning_content"] = outcome.thought
        return {"index": place, "message": message, **about}

    def _told(self, outcome: Outcome) -> tuple[str, str, str | None]:
        """The text, why it ended, and why there is none."""
        error = outcome.error
        if error is None:
            called = self.wanted.call
            return outcome.text, called.finish if called else "stop", None
        if isinstance(error, LimitReached) and outcome.task.said.spec is None:
            return error.partial, "length", None
        if isinstance(error, Abstained) and self.wanted.kind == "chat":
            return "", "stop", error.message
        raise error

    def _logprobs(self, outcome: Outcome) -> dict[str, Any] | None:
        watcher = next((w for w in outcome.task.watchers if isinstance(w, Chances)), None)
        if watcher is None:
            return None
        chances = watcher.told(outcome.tokens, outcome.stats.output_tokens)
        if self.wanted.kind == "text":
            return self._text_logprobs(chances)
        return {"content": [self._token(chance) for chance in chances], "refusal": None}

    def _token(self, chance: Chance) -> dict[str, Any]:
        tokens = [(chance.token, chance.log_p), *chance.best]
        pieces = self.pieces([token for token, _ in tokens])
        said = [
            {"token": piece.decode("utf-8", "replace"), "logprob": log_p, "bytes": list(piece)}
            for piece, (_, log_p) in zip(pieces, tokens, strict=True)
        ]
        return {**said[0], "top_logprobs": said[1:]}

    def _text_logprobs(self, chances: Sequence[Chance]) -> dict[str, Any]:
        pieces = self.pieces([chance.token for chance in chances])
        texts = [piece.decode("utf-8", "replace") for piece in pieces]
        return {
            "tokens": texts,
            "token_logprobs": [chance.log_p for chance in chances],
            "top_logprobs": [self._best(chance) for chance in chances],
            "text_offset": list(accumulate(map(len, texts[:-1]), initial=0))[: len(texts)],
        }

    def _best(self, chance: Chance) -> dict[str, float]:
        pieces = self.pieces([token for token, _ in chance.best])
        texts = [piece.decode("utf-8", "replace") for piece in pieces]
        return dict(zip(texts, (log_p for _, log_p in chance.best), strict=True))


def _called(message: dict[str, Any]) -> dict[str, Any]:
    """The beginning of a call, for a stream."""
    return {"tool_calls": [{"index": 0, **call} for call in message["tool_calls"]]}


def problem(error: TetherError, status: int) -> dict[str, Any]:
    """An error in OpenAI's shape."""
    said = " ".join(filter(None, (error.message, error.excerpt, error.hint)))
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": said, "type": kind, "param": error.pointer, "code": error.kind}}
