"""KID in logit space: the card's numbers, its laws, and which tokens the evidence knows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tether.grounding.evidence import Clues, Floats, Moment
from tether.grounding.knowledge import Knowledge, Terms, gradient, infused, lookup, phrases

Z = np.array([2.0, 1.0, 0.5, 0.0, -1.0])
K = np.array([False, False, True, True, False])
TOKENS = [b"", b" ", b"Lena", b" Lena", b" V", b"ogel", b" Vogel", b'"', b"Graz", b" ", b"Le", b"x"]


def softmax(scores: Floats) -> Floats:
    powers = np.exp(scores - scores.max())
    shares: Floats = powers / powers.sum()
    return shares


def loss(scores: Floats) -> float:
    return -float(np.log(softmax(scores)[K].sum()))


def test_worked_numbers() -> None:
    assert loss(Z) == pytest.approx(1.6004, abs=1e-4)
    np.testing.assert_allclose(gradient(Z, K), [0.563, 0.2071, -0.4968, -0.3013, 0.028], atol=1e-4)
    after = softmax(infused(Z, K, 1.0))
    np.testing.assert_allclose(after, [0.3883, 0.2039, 0.25, 0.1247, 0.033], atol=1e-4)
    assert after[K].sum() == pytest.approx(0.3748, abs=1e-4)


def test_the_gradient_equals_finite_differences() -> None:
    steps = np.eye(5) * 1e-5
    slopes = [(loss(Z + step) - loss(Z - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(gradient(Z, K), slopes, atol=1e-6)


def test_more_steps_and_larger_ones_lower_the_loss() -> None:
    losses = [loss(infused(Z, K, rate)) for rate in (0.0, 0.1, 0.2, 0.4, 0.8, 1.6)]
    assert losses == sorted(losses, reverse=True)
    assert loss(infused(Z, K, 0.3, 3)) < loss(infused(Z, K, 0.3, 2))


@given(
    st.lists(st.floats(-20, 20), min_size=3, max_size=8),
    st.floats(0, 50),
    st.integers(1, 5),
)
def test_the_known_never_lose(scores: list[float], rate: float, steps: int) -> None:
    z = np.array(scores)
    known = np.arange(len(z)) % 2 == 0
    before, after = softmax(z)[known].sum(), softmax(infused(z, known, rate, steps))[known].sum()
    assert after >= before - 1e-12


def test_phrases() -> None:
    text = "In Graz, Lena Vogel (born 14 June) plays the clarinet for Die Zeit."
    found = list(phrases(text, frozenset({"lena", "vogel", "born", "plays"})))
    assert found == ["In Graz", "14 June", "clarinet", "Die Zeit"]


def terms(*texts: str) -> Terms:
    origins = {text.encode(): number for number, text in enumerate(texts)}
    return Terms(origins, TOKENS, lookup(TOKENS))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"", {b"Lena", b"Le", b"Graz"}),
        (b'{"name": "', {b"Lena", b"Le", b"Graz"}),
        (b"Lena", {b" ", b" V", b" Vogel"}),
        (b"Lena V", {b"ogel"}),
        (b"Helena V", {b" Lena"}),  # no term goes on from within a word
        (b"Lena Vogel", set()),  # said, and Graz has no token with a space
        (b"Graz", {b" Lena"}),
        (b"Graz ", {b"Lena", b"Le"}),
        (b"Graz Le", set()),  # no token goes on
    ],
)
def test_what_is_known(said: bytes, expected: set[bytes]) -> None:
    assert {TOKENS[token] for token in terms("Lena Vogel", "Graz").known(said)} == expected


def moment(log_p: Floats, allowed: list[int], context: tuple[int, ...] = ()) -> Moment:
    mask = np.zeros(len(TOKENS), dtype=bool)
    mask[allowed] = True
    return Moment(context, 0, True, log_p=log_p, allowed=mask)


LOG_P = np.log(softmax(np.linspace(1, -1, len(TOKENS))))


def test_clues_are_of_the_mask_and_name_their_passage() -> None:
    (found,) = Knowledge(terms("Lena Vogel", "Graz"), 1.0).look([moment(LOG_P, [7, 8, 11])])
    assert isinstance(found, Clues)
    assert found.ids.tolist() == [7, 8, 11]
    assert found.origins is not None
    assert found.origins.tolist() == [-1, 1, -1]
    p = softmax(LOG_P[[7, 8, 11]])
    np.testing.assert_allclose(found.values, np.array([0, 1, 0]) - p, atol=1e-12)


@pytest.mark.parametrize(
    ("allowed", "context"),
    [([7, 11], ()), ([2, 8], ()), ([2, 7, 11], (11,))],
    ids=["none known", "all known", "nothing goes on"],
)
def test_nothing_known_is_the_identity(allowed: list[int], context: tuple[int, ...]) -> None:
    source = Knowledge(terms("Lena Vogel", "Graz"), 1.0)
    assert source.look([moment(LOG_P, allowed, context)]) == [None]
