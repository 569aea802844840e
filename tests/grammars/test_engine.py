from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from llguidance import LLMatcher

from tether.errors import DeadEnd, GrammarError, InternalError, UsageError
from tether.grammars import laws
from tether.grammars.constraint import Constraint
from tether.grammars.engine import ENGINE_OPTIONS, EngineConstraint
from tether.grammars.json_schema import Bounds, json_schema
from tether.grammars.languages import choices, gbnf, lark, regex
from tether.grammars.product import All
from tether.grammars.spared import SparedMatcher
from tether.grammars.vocabulary import Vocabulary


def accepts(constraint: Constraint, text: str) -> bool:
    return constraint.validate(text) is None


def test_all_splits_of_a_forced_text_stay_allowed(byte_vocab: Vocabulary) -> None:
    matcher = regex("abc", byte_vocab).start()
    allowed = {byte_vocab.tokens[t] for t in laws.allowed_tokens(matcher)}
    assert allowed == {b"a", b"ab", b"abc"}
    assert [byte_vocab.tokens[t] for t in matcher.forced()] == [b"abc"]


def test_forced_tokens_stop_before_a_longer_choice(byte_vocab: Vocabulary) -> None:
    # "ab" is forced, but the token abc may swallow it: only what is surely canonical is forced
    assert choices(["abc", "abd"], byte_vocab).start().forced() == []
    two = choices(["xabc", "xabd"], byte_vocab).start()
    assert [byte_vocab.tokens[t] for t in two.forced()] == [b"x"]


def test_forced_is_empty_where_the_text_may_end(byte_vocab: Vocabulary) -> None:
    matcher = choices(["a", "abc"], byte_vocab).start()
    for token in matcher.forced() or byte_vocab.encode("a"):
        matcher.advance(token)
    assert matcher.can_end
    assert matcher.forced() == []


def test_forced_bytes_that_no_token_spells_are_not_forced() -> None:
    vocab = Vocabulary.from_tokens([b"<e>", b"a", "é".encode()], 0)
    assert regex("aé", vocab).start().forced() == [1, 2]


def test_endless_forcing_is_cut() -> None:
    vocab = Vocabulary.from_tokens([b"<e>", b"a", b"b"], 0)
    endless = EngineConstraint(f'{ENGINE_OPTIONS}start: "a" start\n', vocab)
    assert 0 < len(endless.start().forced()) <= 512


def test_the_end_token_ends_and_rolls_back(byte_vocab: Vocabulary) -> None:
    matcher = regex("a?", byte_vocab).start()
    end = byte_vocab.eos_id
    assert not matcher.ended
    matcher.advance(end)
    assert matcher.ended
    assert matcher.prefix_length([end, end, 98]) == 2
    with pytest.raises(InternalError):
        matcher.advance(98)
    matcher.rollback(1)
    assert matcher.prefix_length([98, end]) == 2


def test_an_empty_language_is_a_dead_end(byte_vocab: Vocabulary) -> None:
    nothing = EngineConstraint(f'{ENGINE_OPTIONS}start: X\nX: /[0-9]/ & "b"\n', byte_vocab)
    with pytest.raises(DeadEnd, match="No text"):
        laws.allowed_tokens(nothing.start())


def test_disjoint_constraints_are_a_dead_end(byte_vocab: Vocabulary) -> None:
    both = All(regex("a+", byte_vocab), regex("b+", byte_vocab))
    with pytest.raises(DeadEnd, match=r"EngineConstraint .* and EngineConstraint"):
        laws.allowed_tokens(both.start())


def test_all_over_two_vocabularies_is_refused(byte_vocab: Vocabulary) -> None:
    other = byte_vocab.padded(byte_vocab.size + 1)
    with pytest.raises(UsageError, match="different vocabularies"):
        All(regex("a", byte_vocab), regex("a", other))
    with pytest.raises(UsageError, match="at least one"):
        All()


def test_all_validates_with_every_member(byte_vocab: Vocabulary) -> None:
    both = All(regex("[ab]+", byte_vocab), regex("a.*", byte_vocab))
    assert accepts(both, "ab")
    assert not accepts(both, "ba")
    assert not accepts(both, "ac")


def test_explain_names_the_verdict(byte_vocab: Vocabulary) -> None:
    both = All(regex("[ab]+", byte_vocab), regex("a.*", byte_vocab)).start()
    assert "'a') is allowed" in both.explain(98)
    assert "'b') is refused" in both.explain(99)
    assert "EngineConstraint" in both.explain(99)


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("^[ab]+$", ["a", "ba"], ["", "c"]),
        ("^a|b$", ["a", "b"], ["ab", ""]),
        ("a/b", ["a/b"], ["ab", r"a\/b"]),
        (r"a\/b", ["a/b"], ["ab"]),
        ("a\nb", ["a\nb"], ["ab"]),
        ("é{2}", ["éé"], ["é"]),
        (r"\$[0-9]+\.[0-9]{2}", ["$3.50"], ["3.50"]),
        ("", [""], ["a"]),
        (r"[^\\]+", ["ab"], ["a\\"]),
        (r"\\", ["\\"], ["\\\\", ""]),
    ],
)
def test_regexes(byte_vocab: Vocabulary, pattern: str, good: list[str], bad: list[str]) -> None:
    constraint = regex(pattern, byte_vocab)
    assert [text for text in good if not accepts(constraint, text)] == []
    assert [text for text in bad if accepts(constraint, text)] == []


def test_choices_are_exact(byte_vocab: Vocabulary) -> None:
    options = ['say "hi"', "a\\b", "", "ab", "abc", "tab\t", "del\x7f", "你好 👋🏽"]
    constraint = choices(options, byte_vocab)
    assert [text for text in options if not accepts(constraint, text)] == []
    assert not accepts(constraint, "abcd")
    assert not accepts(constraint, "a")


@pytest.mark.parametrize("options", [[], "abc", ["a", 3], ["\ud800"]])
def test_wrong_choices_are_refused(byte_vocab: Vocabulary, options: list[str]) -> None:
    with pytest.raises(GrammarError):
        choices(options, byte_vocab)


def test_a_wrong_regex_shows_the_place(byte_vocab: Vocabulary) -> None:
    with pytest.raises(GrammarError) as caught:
        regex("ab/c(?=d)", byte_vocab)
    assert caught.value.pointer == "1:5"
    assert caught.value.excerpt.splitlines()[1].index("^") == caught.value.excerpt.index("(")
    assert "A & ~B" in caught.value.hint


def test_a_wrong_lark_text_shows_the_place(byte_vocab: Vocabulary) -> None:
    with pytest.raises(GrammarError) as caught:
        lark('start: "a" itm\nitem: "b"\n', byte_vocab)
    assert caught.value.pointer == "1:12"
    assert caught.value.hint == "Did you mean item?"
    assert caught.value.exit_code == 3


def test_an_endless_lark_rule_is_refused(byte_vocab: Vocabulary) -> None:
    with pytest.raises(GrammarError, match="never be completed"):
        lark('start: "a" start\n', byte_vocab)


def test_lark_keeps_its_own_options(byte_vocab: Vocabulary) -> None:
    text = '%llguidance {"no_forcing": false}\n%ignore /[ ]+/\nstart: "a" "b"\n'
    constraint = lark(text, byte_vocab)
    assert accepts(constraint, "a b")
    assert {byte_vocab.tokens[t] for t in laws.allowed_tokens(constraint.start())} >= {b"a"}


def test_lark_holds_json_and_specials_apart(byte_vocab: Vocabulary) -> None:
    constraint = lark('start: "x" %json {"type": "boolean"}\n', byte_vocab)
    assert accepts(constraint, "xtrue")
    assert not accepts(constraint, "x1")


def test_gbnf_alternatives_are_not_greedy(byte_vocab: Vocabulary) -> None:
    constraint = gbnf('root ::= "b" "c" | "bcd" | x "b"\nx ::= [ab]*\n', byte_vocab)
    assert [t for t in ("bc", "bcd", "abab", "b") if not accepts(constraint, t)] == []
    assert not accepts(constraint, "aba")


def test_rows_on_threads_do_not_meet(byte_vocab: Vocabulary) -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 8}}}
    constraint = json_schema(schema, byte_vocab, bounds=Bounds())

    def way(seed: int) -> list[laws.Observation]:
        return [laws.observe(matcher) for matcher in laws.walk(constraint, seed, 25)]

    alone = [way(seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(way, range(8))) == alone


def test_a_wide_union_stays_within_the_limits(byte_vocab: Vocabulary) -> None:
    schema = {"anyOf": [{"const": f"option {i:05d}"} for i in range(3000)]}
    constraint = json_schema(schema, byte_vocab)
    mask = np.zeros(byte_vocab.num_words, np.int32)
    matcher = constraint.start()
    for token in byte_vocab.encode('"option 01234"'):
        matcher.fill_mask(mask)
        matcher.advance(token)
    assert matcher.can_end


class _Tired(EngineConstraint):
    """One whose engines are broken until it is renewed."""

    renewed = False

    def renew(self) -> None:
        super().renew()
        self.renewed = True

    def engine(self) -> LLMatcher:
        engine = super().engine()
        if not self.renewed:
            engine.consume_token(self.vocabulary.eos_id)
        return engine


def test_a_broken_lexer_is_made_anew_before_the_grammar_is_given_up(
    byte_vocab: Vocabulary,
) -> None:
    swaps: list[str] = []
    tired = _Tired(ENGINE_OPTIONS + 'start: "b"', byte_vocab)
    spare = EngineConstraint("start: /.*/", byte_vocab)
    matcher = SparedMatcher(tired, lambda: spare, lambda: swaps.append("spare"))
    assert [byte_vocab.tokens[t] for t in laws.allowed_tokens(matcher)] == [b"b"]
    assert not swaps
    tired.renewed = False
    matcher._engine.consume_token(byte_vocab.eos_id)  # broken again: now it is given up
    assert len(laws.allowed_tokens(matcher)) > 1
    assert swaps == ["spare"]
