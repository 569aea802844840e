"""Which sentences speak of what is asked."""

from __future__ import annotations

import pytest

from tether.grounding.relevance import relevant, sentences

PASSAGE = (
    "Anna Weber founded Nordlicht Ltd. It makes lamps.\nOslo lies in Norway. Dr. J. Berg left."
)


def texts(question: str, passage: str = PASSAGE) -> list[str]:
    (found,) = relevant(question, [passage])
    return [passage[s.start : s.end].strip() for s in found]


def test_sentences_cover_the_passage_without_gaps() -> None:
    found = list(sentences(PASSAGE))
    assert "".join(PASSAGE[s.start : s.end] for s in found) == PASSAGE
    assert [PASSAGE[s.start : s.end].strip() for s in found][:3] == [
        "Anna Weber founded Nordlicht Ltd.",
        "It makes lamps.",
        "Oslo lies in Norway.",
    ]


def test_initials_titles_and_labels_end_no_sentence() -> None:
    assert texts("Where is Berg?", "Here lives Prof. Berg. He sings.") == ["Here lives Prof. Berg."]
    assert texts("Where is J. Berg?", "J. Berg lives in Ulm. He sings.") == [
        "J. Berg lives in Ulm."
    ]
    form = "Company: Nuvrea. Founded by: Sofia Berg. Blue is nice."
    assert texts("Who founded Nuvrea?", form) == ["Company: Nuvrea. Founded by: Sofia Berg."]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Who founded Nordlicht Ltd?", ["Anna Weber founded Nordlicht Ltd."]),
        ("Nordlicht's founder?", ["Anna Weber founded Nordlicht Ltd."]),
        ("which country is oslo in", ["Oslo lies in Norway."]),
        ("Who founded Suedwind Inc?", []),
        ("Where was Peter Weber born?", ["Anna Weber founded Nordlicht Ltd."]),
    ],
)
def test_names_decide(question: str, expected: list[str]) -> None:
    assert texts(question) == expected


def test_a_passage_that_fits_only_as_a_whole_is_taken_whole() -> None:
    passage = "Anna was born in Ulm. Later, Weber moved."
    assert len(texts("Where was Anna Smith Weber born?", passage)) == 2


def test_what_is_said_of_a_name_in_the_answer_counts_too() -> None:
    """Two hops, over two passages; what begins a sentence is no name by that alone."""
    near = "The founder of Nordlicht is Anna Weber. The weather is fine."
    far = "Anna Weber was born in Ulm. The founder left. Here lived Anna Weber. Peter Weber sang."
    first, second = relevant("Where was the founder of Nordlicht born?", [near, far])
    assert [near[s.start : s.end].strip() for s in first] == [
        "The founder of Nordlicht is Anna Weber."
    ]
    assert [far[s.start : s.end].strip() for s in second] == [
        "Anna Weber was born in Ulm.",
        "Here lived Anna Weber.",
    ]


def test_nothing_is_relevant_to_nothing() -> None:
    assert texts("") == []
    assert texts("Who?", "") == []
