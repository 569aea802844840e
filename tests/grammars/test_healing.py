"""Token healing: laws, the language, split points of texts, and what is taken back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from refusing import Without

from tether.errors import DeadEnd, InternalError, LimitReached
from tether.grammars import laws
from tether.grammars.constraint import Constraint, Matcher
from tether.grammars.healing import HealingMatcher, most_tokens, num_unhealed
from tether.grammars.json_schema import Bounds, json_schema
from tether.grammars.languages import choices, regex
from tether.grammars.vocabulary import Vocabulary

TEXT = 'http://example.org: "naïve café", the 12,345 orders of you – 你好 indeed.\n\tThen {"a": 1}'


class Healed(Constraint):
    """A constraint behind the end of a prompt."""

    def __init__(self, inner: Constraint, again: str) -> None:
        self.vocabulary = inner.vocabulary
        self._inner, self._again = inner, self.vocabulary.encode(again)

    @property
    def key(self) -> str:
        """Of no use here."""
        return "healed"

    def start(self) -> Matcher:
        """A healing matcher before the inner one."""
        return HealingMatcher(self.vocabulary, self._again, self._inner.start())


ORDER = {"type": "object", "properties": {"orderId": {"type": "integer"}}, "required": ["orderId"]}
CONSTRAINTS: dict[str, Callable[[Vocabulary], Constraint]] = {
    "schema": lambda v: Healed(json_schema(ORDER, v, bounds=Bounds(max_string=5)), "{"),
    "regex": lambda v: Healed(regex(r"(abc|ab)+[0-9]{2,3}é?", v), "the ab"),
    "anything": lambda v: Healed(regex(r"(?s:.)*", v), "é"),
    "choices": lambda v: Healed(choices(["name", "names", "", "true"], v), "the "),
    "guarded": lambda v: Healed(Without(regex("[abc]{1,9}", v), ["bc", "abc"]), "ab"),
}


def _vocabulary() -> Vocabulary:
    longer = [b'{"', b'":', b'{"orderId"', b"order", b"true", b"name", b"the", b" ", b"the ", b" n"]
    longer += [
        b"ab",
        b"abc",
        b"bc",
        b"abab",
        b" the",
        b" name",
        "é".encode(),
        b"\xc3",
        b"12",
        b"ab",
    ]
    tokens = [b"<eos>", *(bytes([i]) for i in range(256)), *longer, b"", b"<pad>"]
    return Vocabulary.from_tokens(tokens, eos_id=0, special_ids=[len(tokens) - 1])


VOCABULARY = _vocabulary()


@pytest.fixture(scope="module", params=CONSTRAINTS, name="constraint")
def _constraint(request: pytest.FixtureRequest) -> Constraint:
    return CONSTRAINTS[request.param](VOCABULARY)


def _states(constraint: Constraint) -> Iterator[Matcher]:
    """States that nothing has to be taken back from."""
    for seed in range(4):
        for matcher in laws.walk(constraint, seed, 10):
            try:
                laws.allowed_tokens(matcher)
            except DeadEnd:
                break
            yield matcher


@pytest.mark.parametrize("name", [name for name in CONSTRAINTS if name != "guarded"])
def test_laws(name: str) -> None:
    dice = random.Random(1)
    for turn, matcher in enumerate(_states(CONSTRAINTS[name](VOCABULARY))):
        laws.check_mask_law(matcher)
        laws.check_rollback_law(matcher, seed=turn, depth=4)
        laws.check_forced_law(matcher)
        laws.check_fork_law(matcher)
        start = [dice.choice(list(laws.allowed_tokens(matcher)))]
        laws.check_prefix_law(matcher, [*start, *(dice.randrange(VOCABULARY.size) for _ in "ab")])
        laws.check_prefix_law(matcher, [*start, VOCABULARY.eos_id, VOCABULARY.eos_id])


def _said(matcher: Matcher, tokens: tuple[int, ...] = ()) -> Iterator[tuple[int, ...]]:
    """Every way to the end."""
    for token in laws.allowed_tokens(matcher):
        if token == matcher.vocabulary.eos_id:
            yield tokens
            continue
        matcher.advance(token)
        yield from _said(matcher, (*tokens, token))
        matcher.rollback(1)


def test_every_way_says_the_end_of_the_prompt_and_then_the_language() -> None:
    pieces = [b"", b"a", b"b", b"c", b"ab", b"bc", b"abc", b"cc"]
    vocab = Vocabulary.from_tokens(pieces, eos_id=0)
    again, language = (4, 3), {b"a", b"cb", b"cca"}  # the prompt's end was cut into ab c
    inner = choices([text.decode() for text in language], vocab).start()
    ways = set(_said(HealingMatcher(vocab, again, inner)))
    spelled = set(_said(choices([f"abc{text.decode()}" for text in language], vocab).start()))
    few = {way for way in spelled if _num_again(vocab, way) <= most_tokens(again)}
    assert ways == few
    assert {vocab.decode_bytes(way)[3:] for way in ways} == language
    assert any(vocab.tokens[token] == b"cc" for way in ways for token in way), "none runs over"


def _num_again(vocab: Vocabulary, way: tuple[int, ...]) -> int:
    """How many tokens a way takes for its first three bytes."""
    return next(n for n in range(9) if len(vocab.decode_bytes(way[:n])) >= 3)


def test_the_budget_of_the_text_is_not_spent_on_the_prompt() -> None:
    again = VOCABULARY.encode("the ab")
    for seed in range(8):
        dice = random.Random(seed)
        schema = json_schema(ORDER, VOCABULARY, bounds=Bounds(max_string=5))
        matcher: Matcher = HealingMatcher(VOCABULARY, again, schema.start())
        matcher.limit(12 + most_tokens(again))
        count = 0
        while not matcher.ended:
            going_on = [t for t in laws.allowed_tokens(matcher) if t] or [0]
            matcher.advance(dice.choice(going_on))
            count += 1 - matcher.retreat()
        assert count <= 12 + most_tokens(again)
    with pytest.raises(LimitReached, match="3 are allowed"):
        HealingMatcher(VOCABULARY, again, schema.start()).limit(3 + most_tokens(again))


def test_what_is_refused_is_taken_back_as_a_whole() -> None:
    inner = Without(regex("[abc]{2,3}", VOCABULARY), ["bc", "bb", "ba"])
    matcher = HealingMatcher(VOCABULARY, VOCABULARY.encode("a"), inner.start())
    matcher.advance(VOCABULARY.tokens.index(b"abc"))
    assert matcher.num_unsettled == 1
    assert matcher.retreat() == 1
    assert not matcher.healed
    assert VOCABULARY.tokens.index(b"abc") not in laws.allowed_tokens(matcher)
    matcher.advance(VOCABULARY.tokens.index(b"a"))
    assert (matcher.healed, matcher.num_unsettled) == (True, 0)
    with pytest.raises(InternalError):
        matcher.advance(VOCABULARY.tokens.index(b"abab"))


@pytest.mark.parametrize("style", ["gpt2", "llama3", "llama2", "unigram"])
def test_every_split_point_of_a_text(tokenizer_dirs: dict[str, Path], style: str) -> None:
    """Healed, the tokens of the whole text can be said wherever its prompt ends."""
    vocab = Vocabulary.from_file(tokenizer_dirs[style])
    text = TEXT if style in ("gpt2", "llama3") else "the other then a tooth hethe of the"
    whole = vocab.encode_prompt(text)
    unhealed = 0
    for at in range(4, len(text)):  # the first token stays: give it some text
        prompt = vocab.encode_prompt(text[:at])
        count = num_unhealed(vocab, prompt)
        kept = len(prompt) - count
        assert whole[:kept] == prompt[:kept], text[:at]
        matcher = HealingMatcher(vocab, prompt[kept:], None)
        for token in whole[kept:]:
            if matcher.healed:
                break
            matcher.advance(token)
        assert matcher.healed, text[:at]
        unhealed += whole[: len(prompt)] != prompt
    assert unhealed, "no split point needs healing"


def test_special_tokens_and_the_first_token_stay() -> None:
    pad, a = VOCABULARY.size - 1, VOCABULARY.tokens.index(b"a")
    assert num_unhealed(VOCABULARY, [a, a]) == 1
    assert num_unhealed(VOCABULARY, [a]) == 0
    assert num_unhealed(VOCABULARY, [a, pad]) == 0
    assert num_unhealed(VOCABULARY, [a, pad, a]) == 1
    assert num_unhealed(VOCABULARY, []) == 0
    assert num_unhealed(VOCABULARY, [a, VOCABULARY.tokens.index(b"z")]) == 0
    inside = [a, VOCABULARY.tokens.index(b"z"), VOCABULARY.tokens.index(b'{"')]
    assert num_unhealed(VOCABULARY, inside) == 1
    assert num_unhealed(VOCABULARY, [a, a, VOCABULARY.tokens.index(b"b")]) == 2, "a token abab"
