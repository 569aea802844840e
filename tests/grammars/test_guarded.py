"""What the judge refuses is taken back, is never said again, and the budget always holds."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

from tether.errors import DeadEnd, InternalError, LimitReached
from tether.grammars.budget import BudgetedMatcher
from tether.grammars.constraint import allowed_ids
from tether.grammars.guarded import Bytes, GuardedMatcher, Refusal
from tether.grammars.languages import regex
from tether.grammars.laws import allowed_tokens
from tether.grammars.nogoods import NoGoods
from tether.grammars.vocabulary import Vocabulary


class NotThese:
    """Refuses texts that begin with one of some prefixes, and ends other than with a full stop."""

    stops = bytes(range(256))

    def __init__(self, *refused: bytes) -> None:
        self._refused = refused

    def start(self) -> None:
        """It keeps nothing."""

    def advance(self, state: None, text: Bytes) -> tuple[None, Refusal | None]:
        """Refuse where a prefix is complete."""
        ends = [len(word) for word in self._refused if text.startswith(word)]
        return None, Refusal(0, min(ends)) if ends else None

    def accepts(self, text: bytes) -> bool:
        """Ends are full stops."""
        return text.endswith(b".") and self.advance(None, text)[1] is None


def _matcher(vocab: Vocabulary, pattern: str, *refused: bytes) -> GuardedMatcher:
    return GuardedMatcher(regex(pattern, vocab).start(), NotThese(*refused))


def _say(matcher: GuardedMatcher | BudgetedMatcher, text: bytes, vocab: Vocabulary) -> None:
    for token in vocab.speller.spell(text):
        matcher.advance(token)


def test_a_refused_text_is_taken_back_and_no_split_of_it_is_said_again(
    byte_vocab: Vocabulary,
) -> None:
    matcher = _matcher(byte_vocab, r"[a-d]{1,9}\.", b"abc")
    _say(matcher, b"a", byte_vocab)
    _say(matcher, b"b", byte_vocab)
    matcher.advance(byte_vocab.speller.spell(b"c")[0])
    with pytest.raises(DeadEnd):
        allowed_tokens(matcher)
    assert matcher.retreat() == 1
    allowed = {byte_vocab.tokens[t] for t in allowed_tokens(matcher)}
    assert allowed == {b"a", b"b", b"d", b".", b"ab", b"abc"}
    assert matcher.text == b"ab"
    matcher.rollback(2)
    allowed = {byte_vocab.tokens[t] for t in allowed_tokens(matcher)}
    assert allowed == {b"a", b"b", b"c", b"d", b"ab"}, "the token abc spells the refused text"


def test_prefix_length_counts_what_the_masks_allow(byte_vocab: Vocabulary) -> None:
    matcher = _matcher(byte_vocab, r"[a-d]{1,9}\.", b"abd")
    a, b, d, stop = (byte_vocab.speller.spell(x)[0] for x in (b"a", b"b", b"d", b"."))
    assert matcher.prefix_length([a, b, d, d]) == 3, "the refused text can be said, no more after"
    assert matcher.prefix_length([a, stop, byte_vocab.eos_id, byte_vocab.eos_id]) == 4
    assert matcher.prefix_length([a, b, byte_vocab.eos_id]) == 2


def test_the_judge_is_asked_only_about_what_it_stops_at(byte_vocab: Vocabulary) -> None:
    matcher = _matcher(byte_vocab, r"[a-d]{1,9}\.", b"abd")
    judge = matcher.judge
    judge.stops = b"d"
    a, b, d = (byte_vocab.speller.spell(x)[0] for x in (b"a", b"b", b"d"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(judge, "advance", lambda *_: pytest.fail("the judge is asked"))
        assert matcher.prefix_length([a, b, a]) == 3
        assert matcher.stands([a, b, a])
    assert matcher.prefix_length([a, b, d, d]) == 3
    assert not matcher.stands([a, b, d])


def test_a_refused_end_is_no_end(byte_vocab: Vocabulary) -> None:
    matcher = _matcher(byte_vocab, r"[a.]{1,3}")
    _say(matcher, b"a", byte_vocab)
    assert not matcher.can_end
    assert byte_vocab.eos_id not in allowed_tokens(matcher)
    with pytest.raises(InternalError):
        matcher.advance(byte_vocab.eos_id)
    _say(matcher, b".", byte_vocab)
    assert matcher.can_end
    assert byte_vocab.eos_id in allowed_tokens(matcher)


def test_where_all_is_refused_the_text_before_is_refused_too(byte_vocab: Vocabulary) -> None:
    matcher = _matcher(byte_vocab, r"x?(a[bc]|d)\.", b"xab", b"xac")
    for word in (b"x", b"a", b"b"):
        _say(matcher, word, byte_vocab)
    assert matcher.retreat() == 1
    _say(matcher, b"c", byte_vocab)
    assert matcher.retreat() == 2, "xa leads nowhere any more"
    assert {byte_vocab.tokens[t] for t in allowed_tokens(matcher)} == {b"d"}


def test_a_dead_end_is_said(byte_vocab: Vocabulary) -> None:
    matcher = _matcher(byte_vocab, r"[ab]\.", b"a", b"b")
    _say(matcher, b"a", byte_vocab)
    assert matcher.retreat() == 1
    _say(matcher, b"b", byte_vocab)
    with pytest.raises(DeadEnd, match="No text"):
        matcher.retreat()


def test_a_fork_learns_alone(byte_vocab: Vocabulary) -> None:
    matcher = _matcher(byte_vocab, r"[ab]{1,4}\.", b"ab")
    _say(matcher, b"a", byte_vocab)
    fork = matcher.fork()
    before = allowed_tokens(matcher)
    _say(fork, b"b", byte_vocab)
    fork.retreat()
    assert allowed_tokens(matcher) == before != allowed_tokens(fork)


def test_no_goods_are_prefixes() -> None:
    nogoods = NoGoods()
    nogoods.add(b"abc")
    nogoods.add(b"abd")
    nogoods.add(b"abc")
    assert nogoods.completing(b"ab") == [b"abc", b"abd"]
    assert nogoods.completing(b"x") == []
    assert nogoods.refuse(b"abcx")
    assert not nogoods.refuse(b"ab")
    copy = nogoods.copy()
    copy.add(b"\xff")
    assert copy.refuse(b"\xff\xff")
    assert not nogoods.refuse(b"\xff")


def _letters_then_stop(matcher: GuardedMatcher, most: int) -> list[int] | None:
    """The shortest way for the pattern below: what is open is closed, then a full stop."""
    text = matcher.text
    if text.endswith(b"."):
        return []
    rest = b")" * (text.count(b"(") - text.count(b")")) + b"."
    return matcher.vocabulary.speller.spell(rest if matcher.count else b"a" + rest)


@pytest.mark.parametrize("budget", range(2, 12))
def test_every_budget_from_the_least_up_is_kept(byte_vocab: Vocabulary, budget: int) -> None:
    for seed in range(20):
        inner = _matcher(byte_vocab, r"[a(][a()]{0,40}\.", b"aa")
        matcher = BudgetedMatcher(inner, _letters_then_stop)
        matcher.limit(budget)
        tokens = _random_text(matcher, random.Random(seed))
        text = byte_vocab.decode_bytes(tokens)
        assert len(tokens) <= budget
        assert text.endswith(b".")
        assert not text.startswith(b"aa")


def test_too_small_a_budget_says_what_is_needed(byte_vocab: Vocabulary) -> None:
    matcher = BudgetedMatcher(_matcher(byte_vocab, r"a\."), _letters_then_stop)
    with pytest.raises(LimitReached, match="has 2 tokens; 1 are allowed"):
        matcher.limit(1)


def test_without_time_the_way_out_is_forced(byte_vocab: Vocabulary) -> None:
    matcher = BudgetedMatcher(_matcher(byte_vocab, r"[a(][a()]{0,40}\."), _letters_then_stop)
    matcher.limit(4)
    _say(matcher, b"(", byte_vocab)
    assert matcher.retreat() == 0
    _say(matcher, b"a", byte_vocab)
    assert matcher.retreat() == 0
    assert byte_vocab.decode_bytes(matcher.forced()) == b")."
    assert [byte_vocab.tokens[t] for t in allowed_tokens(matcher)] == [b")"]
    _say(matcher, b").", byte_vocab)
    assert matcher.ended


def _random_text(matcher: BudgetedMatcher, rng: random.Random) -> list[int]:
    """A text by the loop's own protocol: retreat, forced tokens, a mask, a token."""
    tokens: list[int] = []
    for token in _choices(matcher, rng, tokens):
        tokens.append(token)
        matcher.advance(token)
    return tokens


def _choices(matcher: BudgetedMatcher, rng: random.Random, tokens: list[int]) -> Iterator[int]:
    mask = np.empty(matcher.vocabulary.num_words, dtype=np.int32)
    while True:
        taken = matcher.retreat()
        del tokens[len(tokens) - taken :]
        if matcher.ended:
            return
        forced = matcher.forced()
        if forced:
            yield forced[0]
            continue
        matcher.fill_mask(mask)
        token = int(rng.choice(allowed_ids(mask)))
        if token == matcher.vocabulary.eos_id:
            return
        yield token


def test_back_at_a_known_way_out_it_stands_again(byte_vocab: Vocabulary) -> None:
    asked: list[int] = []

    def shortest(matcher: GuardedMatcher, most: int) -> list[int] | None:
        asked.append(matcher.count)
        return _letters_then_stop(matcher, most) if matcher.count in (0, 5) else None

    matcher = BudgetedMatcher(_matcher(byte_vocab, r"[a-d]{1,40}\.", b"aaaaab"), shortest)
    matcher.limit(12)
    _say(matcher, b"aaaaa", byte_vocab)
    assert matcher.retreat() == 0
    _say(matcher, b"b", byte_vocab)  # refused: back to where the second way out begins
    assert matcher.retreat() == 1
    assert asked == [0, 5], "no second search at a place whose way out is known"
    _say(matcher, b"a", byte_vocab)
    assert matcher.retreat() == 0
    matcher.rollback(1)
    assert matcher.num_unsettled <= 5


def test_the_way_back_looks_near_the_last_good_place_first(byte_vocab: Vocabulary) -> None:
    asked: list[int] = []

    def shortest(matcher: GuardedMatcher, most: int) -> list[int] | None:
        asked.append(matcher.count)
        return _letters_then_stop(matcher, most) if b"b" not in matcher.text else None

    matcher = BudgetedMatcher(_matcher(byte_vocab, r"[a-d]{1,90}\."), shortest)
    matcher.limit(66)
    for number in range(32):  # the first look is after 32 tokens
        matcher.advance(byte_vocab.speller.spell(b"b" if number == 3 else b"d")[0])
    assert matcher.retreat() == 29
    assert asked == [0, 32, 1, 3, 7, 5, 4], "what is good is soon found to be so, what is not, late"
    assert b"b" not in {byte_vocab.tokens[token] for token in allowed_tokens(matcher)}
