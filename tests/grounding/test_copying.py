"""The copy distribution: what may come next, how likely, and when it keeps out of the way."""

from __future__ import annotations

import numpy as np
import pytest

from tether.grounding.copying import Copying, Stretch, Stretches
from tether.grounding.evidence import Bools, Clues, Moment

# A vocabulary of words and signs: " " joins, "." ends; 8 and 9 are the halves of one word.
SPACE, DOT, A, B, C, D, X, END, LEFT, RIGHT = range(10)
VOCAB = 10


def flags(*ids: int) -> Bools:
    found = np.zeros(VOCAB, dtype=bool)
    found[list(ids)] = True
    return found


WORDS = ~flags(SPACE, DOT, END)


def stretch(tokens: list[int], begins: list[int], start: int = 0, passage: int = 0) -> Stretch:
    marks = np.zeros(len(tokens), dtype=bool)
    marks[begins] = True
    return Stretch(np.array(tokens), start, passage, marks, np.full(len(tokens), -1))


FIRST = stretch([A, SPACE, B, SPACE, LEFT, RIGHT, DOT], [0, 2, 4], start=2)
SECOND = stretch([C, SPACE, B, SPACE, D], [0, 4], start=20, passage=1)


def source(*stretches: Stretch, heads: bool = False, **options: float) -> Copying:
    watched = ((0, 0),) if heads else ()
    held = Stretches.of(stretches or (FIRST, SECOND))
    return Copying(held, WORDS, WORDS, options.pop("share", 0.8), watched, **options)


def moment(
    *output: int, likely: dict[int, float] | None = None, looks: dict[int, float] | None = None
) -> Moment:
    p = np.full(VOCAB, 1e-6)
    for token, value in (likely or {X: 0.9}).items():
        p[token] = value
    attention = np.zeros(40, dtype=np.float32)
    for place, value in (looks or {}).items():
        attention[place] = value
    prompt = [X] * 30
    return Moment([*prompt, *output], len(prompt), True, np.log(p / p.sum()), attention=attention)


def look(found: Copying, at: Moment) -> Clues:
    (clues,) = found.look([at])
    assert clues is not None
    return clues


def shares(clues: Clues) -> dict[int, float]:
    sums: dict[int, float] = {}
    for token, value in zip(clues.ids.tolist(), clues.values.tolist(), strict=True):
        sums[token] = sums.get(token, 0.0) + value
    return sums


def test_an_answer_begins_at_words_and_sums_to_one() -> None:
    clues = look(source(), moment())
    assert set(clues.ids.tolist()) == {A, B, LEFT, C, D}
    assert clues.values.sum() == pytest.approx(1)
    assert clues.share == pytest.approx(0.8, abs=1e-4)


def test_the_longest_match_goes_on() -> None:
    """After "A B" only the first passage goes on; "B" alone has two continuations."""
    assert shares(look(source(), moment(A, SPACE, B))) == {SPACE: 1}
    assert shares(look(source(), moment(A, SPACE, B, SPACE))) == {LEFT: 1}
    assert shares(look(source(), moment(C, SPACE, B, SPACE))) == {D: 1}
    assert shares(look(source(), moment(X, SPACE, B, SPACE))) == {LEFT: 0.5, D: 0.5}


def test_no_match_runs_over_the_end_of_a_stretch() -> None:
    ends, begins = stretch([A, B], [0]), stretch([C, D], [0], start=9)
    (clues,) = source(ends, begins).look([moment(A, B)])
    assert clues is None  # not C: it follows in no passage


def test_a_word_of_the_models_own_is_not_gone_on_with() -> None:
    """X LEFT is one word, and only its second part is in the evidence."""
    assert source().look([moment(X, LEFT)]) == [None]


def test_a_word_is_copied_whole_even_if_the_model_would_stop() -> None:
    stopping = {END: 0.99, X: 0.01}
    inside = look(source(), moment(A, SPACE, B, SPACE, LEFT, likely=stopping))
    assert (shares(inside), inside.share) == ({RIGHT: 1}, 0.8)
    between = look(source(), moment(A, SPACE, B, likely=stopping))
    assert between.share == pytest.approx(0.8 * 0.01, rel=1e-3)


def test_heads_and_model_weigh_the_positions() -> None:
    seen = {2: 0.6, 20: 0.2}  # A and C
    by_heads = look(source(heads=True), moment(looks=seen))
    assert shares(by_heads) == pytest.approx({A: 0.75, B: 0, LEFT: 0, C: 0.25, D: 0})
    likely = {X: 0.5, A: 0.01, C: 0.16}
    both = look(source(heads=True, trust=0.5), moment(looks=seen, likely=likely))
    assert shares(both)[A] == pytest.approx(0.6 * 0.1 / (0.6 * 0.1 + 0.2 * 0.4))


def test_what_hardly_anybody_looks_at_is_weighed_by_the_model() -> None:
    shut = look(source(heads=True, gate=0.3), moment(looks={2: 0.25}))
    assert shares(shut) == pytest.approx(shares(look(source(gate=0.3), moment())))
    assert shut.doubt == pytest.approx(0.05)
    opened = look(source(heads=True, gate=0.2), moment(looks={2: 0.25}))
    assert shares(opened)[A] == 1
    assert opened.doubt == pytest.approx(0.05)


def test_origins_are_the_passages() -> None:
    clues = look(source(), moment(C, SPACE, B, SPACE))
    assert clues.origins is not None
    assert clues.origins.tolist() == [1]


def test_closed_positions_are_left_alone() -> None:
    at = moment()
    assert source().look([Moment(at.context, at.start, False, at.log_p)]) == [None]


def test_random_repeats_raise_what_followed() -> None:
    """Repeating what came before B raises B, whatever stands between."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        between = rng.choice([C, D, X], size=rng.integers(1, 6)).tolist()
        told = stretch([A, SPACE, B, DOT, *between], [0])
        assert shares(look(source(told), moment(A, SPACE))) == {B: 1}
