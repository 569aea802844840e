"""Each method by itself: the worked numbers of its card, its gates, what identical views give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from step_inputs import make_inputs
from torch import Tensor

from tether.decoding.blend import blend, score, sound
from tether.decoding.options import options
from tether.decoding.plan import Contrast
from tether.decoding.terms.dola import Dola
from tether.decoding.terms.ead import Ead
from tether.decoding.terms.foreal import sentence_start
from tether.decoding.terms.neutral import neutral
from tether.decoding.terms.parse import METHODS, parse, parse_all
from tether.decoding.terms.scales import Scales
from tether.decoding.terms.seen import Seen
from tether.decoding.terms.term import OWN, Role, View
from tether.errors import UsageError

Views = Mapping[View, Sequence[float]]
AMATEUR, EXPERT = View("amateur"), View("expert")
BARE, WRONG, TRUE, GIVEN = (View(prompt=p) for p in ("bare", "wrong", "true", "given"))
DEPTHS: dict[Role, int] = {"model": 4, "amateur": 4, "expert": 4}


class _FakeRow(SimpleNamespace):
    """As much of a row as gates look at; nothing was said yet."""

    def __init__(self) -> None:
        super().__init__(entropies={}, num_output=0, num_settled=0)

    def pieces(self) -> list[bytes]:
        return []

    def uniform(self, place: int) -> float:
        return 0.5


def see(own: Sequence[float], views: Views, same: Sequence[str], mask: Sequence[int] = ()) -> Seen:
    """One row's step."""
    said = {OWN: own, **views}
    return Seen(
        rows=[_FakeRow()],  # type: ignore[list-item]
        said={v: torch.tensor([row], dtype=torch.float64) for v, row in said.items()},
        allowed=torch.tensor([mask]).bool() if mask else None,
        same={
            variant: torch.tensor([variant in ("main", *same)])
            for variant in ("main", "given", "bare", "wrong", "true", "last")
        },
        depths=DEPTHS,
    )


def weighed(terms: Sequence[str], seen: Seen) -> Scales:
    scales = Scales(seen)
    for term in parse_all(terms):
        term.weigh(seen, scales)
    return scales


def scores(
    terms: str | Sequence[str],
    own: Sequence[float],
    views: Views,
    *,
    same: Sequence[str] = (),
    mask: Sequence[int] = (),
) -> Tensor:
    """The scores [vocab] of a step with these terms."""
    seen = see(own, views, same, mask)
    scales = weighed([terms] if isinstance(terms, str) else terms, seen)
    zero = torch.zeros(1, dtype=torch.float64)
    planes = list(views)
    contrast = Contrast(
        views=torch.stack([seen.said[view] for view in planes]),
        weights=torch.stack([scales.views.get(view, zero) for view in planes]),
        base=scales.base,
        own=scales.views.get(OWN, zero),
        shares=torch.stack([scales.shares.get(view, zero) for view in planes]),
    )
    _, inputs = make_inputs(
        seen.said[OWN], seen.allowed, contrast=contrast, alpha=float(scales.head)
    )
    log_p = torch.log_softmax(sound(inputs.logits), dim=1)
    allowed = torch.ones_like(log_p).bool() if seen.allowed is None else seen.allowed
    return score(blend(log_p, inputs), log_p, allowed, inputs)[0]


def q(terms: str | Sequence[str], own: Sequence[float], views: Views, **more: Any) -> list[float]:
    return rounded(torch.softmax(scores(terms, own, views, **more), dim=0))


def rounded(values: Tensor) -> list[float]:
    return [round(value, 4) for value in values.tolist()]


class TestWorkedNumbers:
    def test_cd(self) -> None:
        expert, amateur = (3.0, 2.8, 1.0, -1.0, -4.0), {AMATEUR: (3.2, 1.0, 1.0, -2.0, -8.0)}
        assert q("cd:1,pure=yes", expert, amateur) == [0.1041, 0.7689, 0.1271, 0, 0]
        assert q("cd:0.5", expert, amateur) == [0.2963, 0.6594, 0.0443, 0, 0]

    def test_dola(self) -> None:
        own, near, far = (2.0, 1.0, 0.0, -1.0), (1.9, 1.1, 0.1, -1.0), (0.0, 2.0, 0.5, -0.5)
        views = {View(layer=1): near, View(layer=2): far}
        seen = see(own, views, ())
        gaps = [round(float(seen.divergence(view)), 4) for view in views]
        assert gaps == [0.0011, 0.1803]
        gaps = [round(float(seen.divergence(view, reverse=True)), 4) for view in views]
        assert gaps == [0.0011, 0.2206]
        for divergence in ("true", "reverse"):
            said = scores(f"dola:1,layers=1/2,pure=yes,divergence={divergence}", own, views)
            assert rounded(said) == [1.9248, -1.0752, -0.5752, -math.inf]
            assert rounded(torch.softmax(said, 0)) == [0.8835, 0.0440, 0.0725, 0]

    def test_lol(self) -> None:
        views = {
            WRONG: (2.2, 1.0, 0.0, -2.0),
            View(layer=3): (1.0, 1.4, 0.2, -1.0),
            View(prompt="wrong", layer=3): (1.2, 1.0, 0.2, -1.0),
            TRUE: (1.8, 2.2, 0.0, -2.0),
        }
        own = (2.0, 1.8, 0.0, -2.0)
        said = scores("lol:1,omega=0.3,gamma=0.5,pure=yes", own, views)
        assert rounded(said) == [-0.5645, 0.9155, -0.2045, -math.inf]
        assert rounded(torch.softmax(said, 0)) == [0.1465, 0.6435, 0.2100, 0]
        plain = scores("lol:1,omega=0,gamma=0", own, views)
        assert torch.equal(plain, scores("icd:1", own, {WRONG: views[WRONG]}))

    @pytest.mark.parametrize(
        ("strength", "expected"),
        [
            ("0", [0.2447, 0.6652, 0.0900]),
            ("0.5", [0.4498, 0.4498, 0.1004]),
            ("1", [0.6652, 0.2447, 0.0900]),
        ],
    )
    def test_cad(self, strength: str, expected: list[float]) -> None:
        assert q(f"cad:{strength}", (1.0, 2.0, 0.0), {BARE: (0.0, 3.0, 0.0)}) == expected

    def test_proxy(self) -> None:
        views = {EXPERT: (2.0, 0.0, 0.0), AMATEUR: (0.0, 0.5, 0.0)}
        assert q("proxy", (1.0, 2.0, 0.0), views) == [0.7856, 0.1753, 0.0391]

    def test_uadf(self) -> None:
        second = {EXPERT: [math.log(p) for p in (0.1, 0.8, 0.1)]}
        sure = [math.log(p) for p in (0.98, 0.01, 0.01)]
        unsure = [math.log(p) for p in (0.40, 0.35, 0.25)]
        assert q("uadf", sure, second) == [0.9561, 0.0315, 0.0124]
        assert q("uadf", unsure, second) == [0.3407, 0.4390, 0.2203]
        shares = weighed(["uadf"], see(unsure, second, ())).shares[EXPERT]
        assert round(float(shares / (1 - shares)), 4) == 0.2466

    def test_ead(self) -> None:
        entropies = (0.2, 0.3, 1.5, 1.8, 1.6, 0.3, 0.2, 0.1, 0.1)
        term = parse("ead,window=3,up=1,down=0.5,stay=2")
        assert isinstance(term, Ead)
        trace = "".join("SL"[term.leads(entropies[:n])] for n in range(1, 10))
        assert trace == "SSSLLLLSS"


class TestIdentities:
    own = (2.0, 1.8, 0.3, -2.0, 0.1)

    @pytest.mark.parametrize(
        "name", sorted(n for n, kind in METHODS.items() if kind().views(DEPTHS))
    )
    def test_weight_nought_changes_nothing(self, name: str) -> None:
        term = parse(f"{name}:0")
        views: Views = {view: (0.3, 1.0, -1.0, 2.0, 0.5) for view in term.views(DEPTHS)}
        plain = torch.log_softmax(torch.tensor(self.own, dtype=torch.float64), 0)
        assert torch.equal(scores(f"{name}:0", self.own, views), plain)

    @pytest.mark.parametrize(
        ("text", "same"),
        [("cad:2", "bare"), ("icd:2", "wrong"), ("lqcd:2", "given"), ("icd:1,pure=yes", "wrong")],
    )
    def test_an_equal_prompt_is_no_contrast_bit_for_bit(self, text: str, same: str) -> None:
        views: Views = dict.fromkeys(parse(text).views(DEPTHS), self.own)
        plain = torch.log_softmax(torch.tensor(self.own, dtype=torch.float64), 0)
        assert torch.equal(scores(text, self.own, views, same=[same]), plain)

    def test_an_amateur_like_the_model(self) -> None:
        kept = scores("cd:0.5,head=0", self.own, {AMATEUR: self.own})
        plain = torch.log_softmax(torch.tensor(self.own, dtype=torch.float64), 0)
        torch.testing.assert_close(kept, plain)
        uniform = q("cd:1,pure=yes", self.own, {AMATEUR: self.own})
        assert uniform == [0.25, 0.25, 0.25, 0, 0.25]  # the head alone decides

    def test_an_expert_like_the_anti_expert(self) -> None:
        views: Views = dict.fromkeys((EXPERT, AMATEUR), (1.0, 0.0, 3.0, 1.0, 0.0))
        plain = torch.log_softmax(torch.tensor(self.own, dtype=torch.float64), 0)
        torch.testing.assert_close(scores("proxy:1", self.own, views), plain)

    def test_layers_all_alike(self) -> None:
        views: Views = dict.fromkeys((View(layer=1), View(layer=2)), self.own)
        plain = torch.log_softmax(torch.tensor(self.own, dtype=torch.float64), 0)
        torch.testing.assert_close(scores("dola:1,layers=1/2,head=0", self.own, views), plain)

    def test_terms_add_up(self) -> None:
        views: Views = {BARE: (0.0, 3.0, 0.0, 1.0, 1.0), AMATEUR: (1.0, 0.0, 1.0, 0.0, 1.0)}
        alone = [
            scores(text, self.own, {view: views[view]})
            for text, view in (("cad:0.7", BARE), ("cd:0.4,head=0", AMATEUR))
        ]
        plain = torch.log_softmax(torch.tensor(self.own, dtype=torch.float64), 0)
        both = scores(["cad:0.7", "cd:0.4,head=0"], self.own, views)
        torch.testing.assert_close(both, sum(alone) - plain)


class TestGates:
    def test_layer_choice_ignores_shifts_and_what_is_masked(self) -> None:
        own, near, far = (2.0, 1.0, 0.0, 9.0), (1.9, 1.1, 0.1, -9.0), (0.0, 2.0, 0.5, 9.0)
        for shift in (0.0, 17.0):
            moved = [value + shift for value in near]
            views: Views = {View(layer=1): moved, View(layer=2): far}
            scales = weighed(["dola:1,layers=1/2"], see(own, views, (), (1, 1, 1, 0)))
            assert float(scales.views[View(layer=2)]) == -1
            assert float(scales.views[View(layer=1)]) == 0

    def test_dola_takes_even_layers(self) -> None:
        for depth, text, layers in (
            (6, "dola", [2, 4]),
            (32, "dola", [*range(2, 16, 2)]),
            (32, "dola,layers=high", [*range(16, 31, 2)]),
            (2, "dola", [1]),
            (6, "dola,layers=1/5", [1, 5]),
        ):
            term = parse(text)
            assert isinstance(term, Dola)
            assert [view.layer for view in term.views({"model": depth})] == layers

    def test_uadf_share_is_small_and_never_nan(self) -> None:
        certain = weighed(["uadf"], see((1e9, 0.0, 0.0), {EXPERT: (0.0, 1.0, 0.0)}, ()))
        assert float(certain.shares[EXPERT]) == 0
        unsure = weighed(["uadf"], see([0.0] * 4000, {EXPERT: [1.0] * 4000}, ()))
        assert 0 < float(unsure.shares[EXPERT]) < 1 / 3  # w below a half

    def test_the_expert_speaks_where_the_model_is_unsure(self) -> None:
        own, expert = (1.0, 0.9, -3.0), {EXPERT: (-2.0, 0.0, 3.0)}
        alone = rounded(torch.softmax(torch.tensor(expert[EXPERT]), 0))
        assert q("fsgen,at=0.9", own, expert) == alone
        assert q("fsgen,at=0.1", own, expert) == rounded(torch.softmax(torch.tensor(own), 0))
        mixed = scores("fsgen:0.5,at=0.9", own, expert)
        sums = sum(torch.log_softmax(torch.tensor(row), 0) / 2 for row in (own, expert[EXPERT]))
        assert rounded(mixed) == [-math.inf, -math.inf, round(float(sums[2]), 4)]  # type: ignore[index]

    def test_a_decision_leaves_no_other_share(self) -> None:
        views: Views = {EXPERT: (0.0, 1.0), AMATEUR: (1.0, 0.0)}
        scales = weighed(["uadf,by=amateur", "fsgen,at=1"], see((0.0, 0.0), views, ()))
        assert float(scales.shares[AMATEUR]) == 0
        assert float(scales.shares[EXPERT]) == 1
        assert bool(scales.decided)

    @pytest.mark.parametrize(
        ("pieces", "settled", "start"),
        [
            ([], 0, 0),
            ([b"One", b".", b" Two"], 0, 2),
            ([b"One", b". ", b"Two", b"\n", b"x"], 0, 4),
            ([b'"One', b". ", b'Two"', b" x"], 0, 0),
            ([b'{"a":"', b"x", b'","b":"', b"y"], 3, 3),
        ],
    )
    def test_sentence_start(self, pieces: list[bytes], settled: int, start: int) -> None:
        row: Any = SimpleNamespace(pieces=lambda: pieces, num_settled=settled)
        assert sentence_start(row) == start


@pytest.mark.parametrize(
    ("leading", "plain"),
    [
        ("Isn't Linz the capital of Arden?", "Is Linz the capital of Arden?"),
        ("Can't Ada swim?", "Can Ada swim?"),
        ("The capital of Arden is Linz, isn't it?", "The capital of Arden is Linz?"),
        ("It is Linz, right?", "It is Linz?"),
        ("I think the answer is Linz. Where is Arden?", "Where is Arden?"),
        ("My teacher says it is Linz, but where is Arden?", "Where is Arden?"),
        ("Surely Arden is in Linz?", "Arden is in Linz?"),
        ("Where is Arden? I am sure that it is in Linz.", "Where is Arden?"),
    ],
)
def test_leading_questions_are_neutralised(leading: str, plain: str) -> None:
    assert neutral(leading) == plain


@pytest.mark.parametrize(
    "text",
    [
        "Where is the head office of Arden?",
        "Is it true that Lena lives in Graz?",
        "I think we should meet on Monday.",
        "They can't swim.",
        "Isn't it?",
        "Who says that?",
        "right?",
        "  What is  the price?",
    ],
)
def test_neutral_texts_stay_as_they_are(text: str) -> None:
    expected = {"Isn't it?": "Is it?"}
    assert neutral(text) == expected.get(text, text)


class TestParsing:
    def test_names_weights_and_options(self) -> None:
        term = parse("cd:0.7,tau=2,pure=yes,head=0.2")
        assert repr(term) == "Cd(weight=0.7, tau=2.0, head=0.2, pure=True, blind=False)"
        assert parse("dola").weight == METHODS["dola"]().weight == 1
        assert parse("cad") == parse("cad:0.5") == parse("cad,weight=0.5,adaptive=no")

    @pytest.mark.parametrize(
        ("text", "problem", "cure"),
        [
            ("cda", "no contrast 'cda'", "cad"),
            ("", "no contrast ''", "There are"),
            ("cad:", "weight=", "number from 0"),
            ("cad:-1", "weight=-1", "number from 0"),
            ("cad:nan", "weight=nan", "number"),
            ("cad:inf", "weight=inf", "number"),
            ("cad:0.5,adaptive=maybe", "adaptive=maybe", "yes or no"),
            ("cad:0.5,adaptve=yes", "'adaptve'", "adaptive"),
            ("cad:0.5,adaptive", "'0.5,adaptive'", "number"),
            ("ead,window=2.5", "window=2.5", "whole number from 1"),
            ("cd,head=2", "head=2", "to 1"),
            ("dola,layers=x", "layers=x", "2/4"),
            ("fsgen,route=best2", "route=best2", "margin"),
        ],
    )
    def test_mistakes_name_their_cure(self, text: str, problem: str, cure: str) -> None:
        with pytest.raises(UsageError) as found:
            parse(text)
        assert problem.strip("'") in found.value.message
        assert cure in found.value.hint

    @pytest.mark.parametrize("texts", [("cad", "cad:1"), ("ead", "fsgen"), ("dola", "lead")])
    def test_what_cannot_stand_together(self, texts: tuple[str, ...]) -> None:
        with pytest.raises(UsageError):
            parse_all(texts)

    def test_every_option_has_its_meaning(self) -> None:
        for kind in METHODS.values():
            assert kind.__doc__
            for field in options(kind):
                assert field.metadata["meaning"]
