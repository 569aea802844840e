"""The score of an answer, and the sources that only watch."""

from __future__ import annotations

import numpy as np
import pytest

from tether.grounding.evidence import Moment
from tether.grounding.sufficiency import relevant_text, said, score, signs
from tether.grounding.witness import Ballot, Gaze, Surety


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        ("Lena Vogel", 1.0),
        ("lena Turin", 0.5),
        ("Turin", 0.0),
        ("", 1.0),
        ({"founder": "Vogel", "year": 1999, "kept": True, "none": None}, 1.0),
        ([{"founder": "Vogel"}, "Turin"], 0.5),
    ],
)
def test_words_of_the_answer_in_the_sentences(answer: object, wanted: float) -> None:
    sentences = "Arden Mills was founded by Lena Vogel in 1999."
    assert said(answer, sentences) == wanted  # type: ignore[arg-type]


def test_more_words_and_more_surety_score_higher() -> None:
    sure, unsure = score(*signs("a b", "a b", -0.01)), score(*signs("a b", "a b", -9.0))
    memory = score(*signs("c d", "a b", -0.01))
    assert 1 > sure > unsure >= 0.5 > memory > 0
    assert score(*signs("a", "a", -10.0)) == score(*signs("a", "a", -1e9))


def test_sentences_about_something_else_are_no_evidence() -> None:
    passages = ["Arden Mills was founded by Lena Vogel. It rained.", "Kestrel Bakery sells bread."]
    assert relevant_text("Who founded Arden Mills?", passages) == (
        "Arden Mills was founded by Lena Vogel."
    )
    assert relevant_text("Who founded Zorn Logistics?", passages) == ""
    assert relevant_text("", passages) == "\n".join(passages)


def moment(output: list[int], **seen: object) -> Moment:
    return Moment([0, 0, *output], 2, True, **seen)  # type: ignore[arg-type]


def logs(*chances: float) -> np.ndarray:
    found: np.ndarray = np.log(np.array(chances))
    return found


def test_surety_is_of_the_tokens_taken() -> None:
    watcher = Surety()
    assert watcher.least([], 0) is None
    assert watcher.look([moment([], log_p=logs(0.5, 0.25, 0.25))]) == [None]
    watcher.look([moment([0, 2], log_p=logs(0.1, 0.8, 0.1))])  # the 2 was forced
    assert watcher.least([0, 2, 1], 3) == pytest.approx(np.log(0.5))
    assert watcher.least([0, 2, 0], 3) == pytest.approx(np.log(0.1))
    watcher.look([moment([], log_p=logs(0.2, 0.6, 0.2))])  # all was taken back
    assert watcher.least([1], 1) == pytest.approx(np.log(0.6))


def test_surety_of_the_answer_leaves_the_thought_out() -> None:
    watcher = Surety()
    watcher.look([moment([], log_p=logs(0.9, 0.1))])
    watcher.look([moment([1], log_p=logs(0.7, 0.3))])
    assert watcher.least([0], 2) == pytest.approx(np.log(0.7))
    assert watcher.least([], 1) is None  # the last choice ended the text


def test_gaze_is_the_mean_over_choices() -> None:
    watcher = Gaze([np.array([0, 1]), np.array([2])], ((0, 0),))
    assert watcher.attention() == [0.0, 0.0]
    watcher.look([moment([], attention=np.array([0.5, 0.2, 0.3]))])
    watcher.look([moment([4], attention=np.array([0.1, 0.0, 0.9]))])
    assert watcher.attention() == pytest.approx([0.4, 0.6])
    watcher.look([moment([4], attention=np.array([0.3, 0.0, 0.7]))])  # looked at once more
    assert watcher.attention() == pytest.approx([0.5, 0.5])


def test_odds_are_of_the_allowed_tokens_of_the_first_choice() -> None:
    ballot = Ballot()
    allowed = np.array([True, True, True, False])
    ballot.look([moment([], log_p=logs(0.4, 0.2, 0.1, 0.3), allowed=allowed)])
    ballot.look([moment([0], log_p=logs(0.1, 0.2, 0.3, 0.4), allowed=allowed)])
    tokens = [b"t", b"true", b"false", b"f"]
    assert ballot.odds(tokens, b"t", b"f") == pytest.approx(np.log(0.6 / 0.1))
