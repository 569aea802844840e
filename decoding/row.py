"""One row being decoded: what it has said, where it stands, when it ends. No tensors."""

from __future__ import annotations

import codecs
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from tether.decoding.grounds.place import Place
from tether.decoding.noise import row_state
from tether.decoding.request import Delta, Request, Result, RowStats
from tether.errors import DeadEnd, LimitReached, TetherError, UsageError
from tether.grammars.constraint import Mask, Matcher
from tether.grammars.healing import HealingMatcher, most_tokens
from tether.grammars.vocabulary import Vocabulary
from tether.graphs import Slot
from tether.types import FinishReason

if TYPE_CHECKING:
    from tether.decoding.lane import Lane

_REASONS: dict[type[TetherError], FinishReason] = {
    DeadEnd: "dead_end",
    LimitReached: "limit",
    UsageError: "usage",
}


class Row:
    """The state of one request in the loop.

    Attributes:
        context: Every token so far, prompt and output.
        lanes: Where networks hold the row; they follow what it takes back.
        entropies: Of each choice that a term kept it for, by its place in the output.
        finish: Why the row ended; None while it runs.
    """

    def __init__(self, request: Request, vocabulary: Vocabulary, end_ids: frozenset[int]) -> None:
        self.request = request
        self.context = list(request.prompt)
        self.lanes: list[Lane] = []
        self.entropies: dict[int, float] = {}
        self.finish: FinishReason | None = None
        self._vocabulary, self._end_ids = vocabulary, end_ids
        self._matcher: Matcher | None = None
        self._healing: HealingMatcher | None = None
        self._num_unsaid = len(vocabulary.decode_bytes(request.again))
        self._most = request.max_tokens + most_tokens(request.again)
        self._thought = bytearray()
        self._text = bytearray()
        self._thinking = request.think is not None
        self._answer_from = len(request.prompt)
        self._num_forwards = self._num_thought = self._num_taken_back = 0
        self._num_view_forwards = self._num_led = 0
        self._num_drafted = self._num_accepted = self._num_lossy = 0
        self._forced_at: list[int] = []
        self._credits: dict[int, dict[int, float]] = {}
        self._place = Place()
        self._message = ""
        self._started, self._first_token_s = time.perf_counter(), 0.0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._sent = 0
        self._ready: list[Delta] = []
        if request.again and (self._thinking or request.constraint is None):
            self._healing = HealingMatcher(vocabulary, request.again, None)
        if not self._thinking:
            self._guard(self._begin_answer)

    @property
    def num_output(self) -> int:
        """Output tokens so far: sampled and forced, thinking included."""
        return len(self.context) - len(self.request.prompt)

    @property
    def constrained(self) -> bool:
        """Whether the next token goes through a mask of the row's own."""
        return self._matcher is not None or self._healing is not None

    @property
    def in_key(self) -> bool:
        """Whether a constrained text stands in the name of a member of a JSON object."""
        return self.constrained and self._place.at(self._text, self._num_taken_back).in_key

    @property
    def slots(self) -> Sequence[Slot]:
        """The names of a graph that may be said next or go on."""
        return () if self._matcher is None else self._matcher.slots

    @property
    def free(self) -> bool:
        """Whether the next token is thought, or text of a row without thought and constraint."""
        if self._healing is not None:
            return False
        return self._thinking or (self.request.think is None and not self.constrained)

    @property
    def matcher(self) -> Matcher | None:
        """The state of the constraint; None where anything may be said."""
        return self._healing or self._matcher

    @property
    def healing(self) -> bool:
        """Whether the end of the prompt is still to be said again."""
        again = self._healing or self._matcher
        return isinstance(again, HealingMatcher) and not again.healed

    @property
    def room(self) -> int:
        """Tokens that it may still say."""
        return self._most - self.num_output

    @property
    def num_taken_back(self) -> int:
        """Tokens that were said and taken back."""
        return self._num_taken_back

    def fill_mask(self, out: Mask) -> None:
        """Write the mask of the next token; a dead end ends the row and allows all."""
        matcher = self._healing or self._matcher
        if matcher is not None:
            self._guard(lambda: matcher.fill_mask(out))

    def noise_state(self) -> int:
        """The key of the next token's noise: the position counts output tokens."""
        return row_state(self.request.sampling.seed, self.request.key, self.num_output)

    def uniform(self, place: int) -> float:
        """A number in [0, 1) that the seed, the key and a place in the output decide."""
        bits = row_state(self.request.sampling.seed, f"{self.request.key}\x00term", place)
        return (bits & 0xFFFFFFFF) / 2**32

    @property
    def num_settled(self) -> int:
        """Output tokens up to the last forced one."""
        return self._forced_at[-1] + 1 if self._forced_at else 0

    def pieces(self) -> list[bytes]:
        """The bytes of each output token."""
        output = self.context[len(self.request.prompt) :]
        return [self._vocabulary.tokens[token] for token in output]

    def token(self, text: bytes) -> int | None:
        """The token of these bytes, where there is one."""
        tokens = self._vocabulary.tokens
        return tokens.index(text) if text in tokens else None

    def forwarded(self, views: int = 0, *, led: bool = False) -> None:
        """A forward of the model took part in the row, and so many of other models.

        Args:
            views: Forwards of other models for this choice.
            led: The choice is the expert's.
        """
        self._num_forwards += 1
        self.heard(views, led=led)

    def heard(self, views: int, *, led: bool) -> None:
        """As `forwarded`, where the model had read ahead: no forward of its own took part."""
        self._num_view_forwards += views
        self._num_led += led

    def swayed(self) -> None:
        """A drafted token was taken in the place of the choice (`--lossy`)."""
        self._num_lossy += 1

    def drafted(self, num_tokens: int, num_accepted: int) -> None:
        """So many tokens were read before they were chosen, and so many of them then were."""
        self._num_drafted += num_tokens
        self._num_accepted += num_accepted

    def credit(self, shares: Mapping[int, float]) -> None:
        """The passages that the next token rests on, by number, each with its part of the token."""
        self._credits[self.num_output] = dict(shares)

    def take(self, token: int) -> None:
        """Append a chosen token and whatever it forces; may end the row."""
        if not self._first_token_s:
            self._first_token_s = time.perf_counter() - self._started
        self._guard(lambda: self._take(token))
        self._check_limit()

    @property
    def quoting(self) -> Matcher | None:
        """The matcher, where it stands in a quote of the evidence."""
        matcher = self._matcher
        return None if matcher is None or matcher.quote is None else matcher

    def say_all(self, choose: Callable[[], Sequence[int]]) -> None:
        """Append tokens that were chosen together, and whatever they force."""
        self._guard(lambda: self._say_all(choose()))
        self._check_limit()

    def fail(self, error: TetherError) -> None:
        """End the row with an error of its own; other rows go on."""
        self._stop(_REASONS.get(type(error), "error"), str(error))

    def check_cancelled(self) -> None:
        """End the row where somebody wants that."""
        if self.request.cancel is not None and self.request.cancel.is_set():
            self._stop("cancelled", "The row was cancelled.")

    def deltas(self) -> list[Delta]:
        """The text that is new since the last call; whole characters only."""
        self._flush(final=self.finish is not None)
        ready, self._ready = self._ready, []
        return ready

    def result(self) -> Result:
        """What became of the request; call once `finish` is set."""
        assert self.finish is not None, "a running row has no result"
        answer = self.context[self._answer_from :]
        return Result(
            key=self.request.key,
            text=self._text.decode("utf-8", "replace"),
            thought=self._thought.decode("utf-8", "replace").strip(),
            tokens=tuple(answer),
            finish=self.finish,
            message=self._message,
            stats=RowStats(
                prompt_tokens=len(self.request.prompt),
                output_tokens=self.num_output,
                forced_tokens=len(self._forced_at),
                thought_tokens=self._num_thought,
                forwards=self._num_forwards,
                taken_back_tokens=self._num_taken_back,
                first_token_s=self._first_token_s,
                total_s=time.perf_counter() - self._started,
                view_forwards=self._num_view_forwards,
                expert_tokens=self._num_led,
                drafted_tokens=self._num_drafted,
                lossy_tokens=self._num_lossy,
                accepted_tokens=self._num_accepted,
            ),
            support=self._support(),
        )

    def _support(self) -> dict[int, float]:
        """Tokens by the passage that they rest on; what was taken back rests on nothing."""
        sums: dict[int, float] = {}
        for place, shares in self._credits.items():
            for passage, part in shares.items() if place < self.num_output else ():
                sums[passage] = sums.get(passage, 0.0) + part
        return dict(sorted(sums.items()))

    def _flush(self, *, final: bool) -> None:
        """Queue what is settled of the thought or the text as a delta."""
        source = self._thought if self._thinking else self._text
        # The end may yet turn out to be part of a stop text or of the delimiter.
        ends = [self.request.think or ""] if self._thinking else self.request.stop
        held_back = 0 if final else max((len(text.encode()) for text in ends), default=0)
        if not final and self._matcher is not None:
            unsettled = self.context[len(self.context) - self._matcher.num_unsettled :]
            held_back = len(self._vocabulary.decode_bytes(unsettled))
        settled = max(self._sent, len(source) - held_back)
        text = self._decoder.decode(bytes(source[self._sent : settled]), final=final)
        self._sent = settled
        if text:
            kind: Literal["thought", "text"] = "thought" if self._thinking else "text"
            self._ready.append(Delta(self.request.key, kind, text))

    def _take(self, token: int) -> None:
        if self._healing is not None:
            self._healing.advance(token)
            self._healing = None if self._healing.healed else self._healing
        if self._thinking:
            self._think(token)
        elif self._matcher is not None:
            self._constrain(self._matcher, token)
        else:
            self._say(token)

    def _constrain(self, matcher: Matcher, token: int) -> None:
        if token == self._vocabulary.eos_id:
            self._stop("stop")
            return
        matcher.advance(token)
        self._append(token)
        self._settle(matcher)

    def _say_all(self, tokens: Sequence[int]) -> None:
        matcher = self._matcher
        assert matcher is not None, "only a constraint has quotes"
        for token in tokens:
            if token == self._vocabulary.eos_id:
                self._stop("stop")
                return
            matcher.advance(token)
            self._append(token)
        self._settle(matcher)

    def _check_limit(self) -> None:
        if self.finish is None and self.num_output >= self._most:
            self._stop("limit", f"The limit of {self.request.max_tokens} tokens came first.")

    def _settle(self, matcher: Matcher) -> None:
        """Take back what is refused and append what is forced, until neither is left to do."""
        while True:
            self._take_back(matcher.retreat())
            forced = matcher.forced()[: self._most - self.num_output]
            if not forced:
                break
            for token in forced:
                matcher.advance(token)
                self._forced_at.append(self.num_output)
                self._append(token)
        if matcher.ended:
            self._stop("stop")

    def _take_back(self, num_tokens: int) -> None:
        """Unsay tokens, wherever they are held."""
        if not num_tokens:
            return
        self._num_taken_back += num_tokens
        gone = self.context[-num_tokens:]
        del self.context[-num_tokens:]
        kept = len(self._text) - len(self._vocabulary.decode_bytes(gone))
        del self._text[max(0, kept) :]
        self._num_unsaid += max(0, -kept)
        for lane in self.lanes:
            lane.cut()
        for place in [place for place in self.entropies if place >= self.num_output]:
            del self.entropies[place]
        while self._forced_at and self._forced_at[-1] >= self.num_output:
            self._forced_at.pop()

    def _say(self, token: int) -> None:
        if token in self._end_ids:
            self._stop("stop")
            return
        self._append(token)
        for stop in self.request.stop:
            # Only the newest bytes can complete a stop text that was not there before.
            newest = len(self._vocabulary.tokens[token]) + len(stop.encode())
            at = self._text.find(stop.encode(), max(0, len(self._text) - newest))
            if at >= 0:
                del self._text[at:]
                self._stop("stop")

    def _think(self, token: int) -> None:
        """Free text up to the delimiter, an end token or half of the budget."""
        delimiter = (self.request.think or "").encode()
        if token not in self._end_ids:
            self._append(token)
            self._num_thought += 1
        at = self._thought.find(delimiter)
        spent = self._healing is None and self._num_thought * 2 >= self._most
        if at < 0 and token not in self._end_ids and not spent:
            return
        if at < 0:  # the model did not close its thought: close it, so that it sees the change
            for forced in self._vocabulary.encode(delimiter.decode()):
                self._forced_at.append(self.num_output)
                self._append(forced)
            at = self._thought.find(delimiter)
        del self._thought[at if at >= 0 else len(self._thought) :]
        self._flush(final=True)
        self._thinking, self._sent = False, 0
        self._answer_from = len(self.context)
        self._begin_answer()

    def _begin_answer(self) -> None:
        if self.request.constraint is not None:
            self._matcher = self.request.constraint.start()
            if self.request.again and not self.num_output:
                again = self.request.again
                self._matcher = HealingMatcher(self._vocabulary, again, self._matcher)
            self._matcher.limit(self._most - self.num_output)
            self._settle(self._matcher)

    def _append(self, token: int) -> None:
        self.context.append(token)
        target = self._thought if self._thinking else self._text
        if token not in self._vocabulary.special_ids:
            data = self._vocabulary.tokens[token]
            target += data[self._num_unsaid :]
            self._num_unsaid = max(0, self._num_unsaid - len(data))

    def _stop(self, reason: FinishReason, message: str = "") -> None:
        if self.finish is None:
            self.finish, self._message = reason, message

    def _guard(self, action: Callable[[], None]) -> None:
        """Run what may end the row with an error of its own."""
        try:
            action()
        except TetherError as error:
            self.fail(error)
