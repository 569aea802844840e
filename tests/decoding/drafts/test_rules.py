"""Rules of acceptance: the card's numbers, and the law of what is said, by exact enumeration."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from tether.decoding.drafts.rules import (
    Law,
    block_rule,
    candidates_rule,
    leftover,
    token_rule,
    typical_rule,
    without,
)
from tether.decoding.drafts.rules_beam import perturbed, widest
from tether.decoding.drafts.rules_paths import greatest

Text = tuple[int, ...]
Rule = Callable[[Tensor, Tensor, Text], Law]
Language = dict[Text, Tensor]

P, Q = torch.tensor([0.5, 0.3, 0.2]).double(), torch.tensor([0.2, 0.2, 0.6]).double()


def language(seed: int, length: int, vocab: int = 3, zeros: int = 0) -> Language:
    """A distribution of the next token for every text shorter than `length`."""
    source = torch.Generator().manual_seed(seed)
    found: Language = {}
    for size in range(length):
        for text in itertools.product(range(vocab), repeat=size):
            weights = torch.rand(vocab, generator=source, dtype=torch.float64) ** 2 + 0.01
            weights[torch.randperm(vocab, generator=source)[:zeros]] = 0
            found[text] = weights / weights.sum()
    return found


def rows(language: Language, text: Text, count: int) -> Tensor:
    return torch.stack([language[text[:place]] for place in range(count)])


def chance(language: Language, text: Text, begin: int = 0) -> float:
    """Of the text, from one of its tokens on."""
    places = range(begin, len(text))
    return math.prod(float(language[text[:place]][text[place]]) for place in places)


def drawn(q: Language, length: int) -> list[Text]:
    """The drafts that can be drawn at all."""
    return [text for text in texts(length) if chance(q, text) > 0]


def texts(length: int, vocab: int = 3) -> Iterator[Text]:
    return itertools.product(range(vocab), repeat=length)


def finish(said: dict[Text, float], p: Language, length: int, vocab: int = 3) -> dict[Text, float]:
    """The law of texts of this length, where what was said goes on by p."""
    whole: dict[Text, float] = defaultdict(float)
    for text, mass in said.items():
        for rest in texts(length - len(text), vocab):
            whole[(*text, *rest)] += mass * chance(p, (*text, *rest), len(text))
    return whole


def outcomes(text: Text, law: Law) -> Iterator[tuple[Text, float]]:
    for count, accepted in enumerate(law.accept.tolist()):
        for token, share in enumerate(law.follow[count].tolist()):
            yield (*text[:count], token), accepted * share


def said_by(rule: Rule, p: Language, q: Language, length: int) -> dict[Text, float]:
    """All drafts, all outcomes: the law of what one round says."""
    said: dict[Text, float] = defaultdict(float)
    for draft in drawn(q, length):
        law = rule(rows(p, draft, length + 1), rows(q, draft, length), draft)
        for text, mass in outcomes(draft, law):
            said[text] += chance(q, draft) * mass
    return said


def error(said: dict[Text, float], p: Language, length: int) -> float:
    whole = finish(said, p, length)
    return max(abs(whole[text] - chance(p, text)) for text in texts(length))


def accepted(rule: Rule, p: Language, q: Language, length: int) -> float:
    total = 0.0
    for draft in drawn(q, length):
        law = rule(rows(p, draft, length + 1), rows(q, draft, length), draft)
        counts = torch.arange(length + 1, dtype=torch.float64)
        total += chance(q, draft) * float(law.accept @ counts)
    return total


class TestNumbersOfTheCard:
    def test_token_rule_accepts_all_but_the_distance(self) -> None:
        rates = [float(token_rule(torch.stack([P, P]), Q[None], [x]).accept[1]) for x in range(3)]
        assert sum(q * rate for q, rate in zip(Q.tolist(), rates, strict=True)) == pytest.approx(
            0.6
        )
        assert leftover(P, Q).tolist() == pytest.approx([0.75, 0.25, 0])

    @pytest.mark.parametrize(("count", "rate"), [(1, 0.6), (2, 0.9), (3, 1.0)])
    def test_candidates_without_replacement(self, count: int, rate: float) -> None:
        total = 0.0
        for drawn in itertools.permutations(range(3), count):
            mass, rest = 1.0, Q
            for token in drawn:
                mass, rest = mass * float(rest[token]), without(rest, token)
            total += mass * float(1 - candidates_rule(P, Q, drawn).accept[-1])
        assert total == pytest.approx(rate)

    def test_coupled_draws_of_two_beat_that(self) -> None:
        """A match among the top two of log q + g is .934 of the time, of the top one .5765."""
        noise = torch.rand(200_000, 3, generator=torch.Generator().manual_seed(5)).double()
        noise = -torch.log(-torch.log(noise))
        chosen = (P.log() + noise).argmax(1)
        ranked = (Q.log() + noise).argsort(1, descending=True)
        one, two = ((ranked[:, :n] == chosen[:, None]).any(1).double().mean() for n in (1, 2))
        assert float(one) == pytest.approx(0.5765, abs=0.004)
        assert float(two) == pytest.approx(0.934, abs=0.003)

    def test_masked_drafts_give_the_same_law(self) -> None:
        """p = (.625, .375, 0): the draft 2, 1 and its pruned rest 1 both accept .375."""
        p = torch.tensor([0.625, 0.375, 0]).double()
        certain = torch.eye(3).double()
        pruned = candidates_rule(p, certain[1], [1])
        assert float(pruned.accept[0]) == pytest.approx(0.375)
        refused = candidates_rule(p, certain[2], [2])
        assert float(refused.accept[0]) == 0
        assert refused.follow.tolist() == pytest.approx(p.tolist())

    def test_drafts_that_were_not_drawn_are_sample_and_match(self) -> None:
        law = token_rule(torch.stack([P, P]), torch.eye(3).double()[[1]], [1])
        assert law.accept.tolist() == pytest.approx([0.7, 0.3])
        assert law.follow[0].tolist() == pytest.approx([0.5 / 0.7, 0, 0.2 / 0.7])

    def test_typical(self) -> None:
        """Entropy of p is 1.0297, so .3 * exp(-1.0297) = .107 is enough, and .09 is less."""
        sure = torch.tensor([0.95, 0.045, 0.005]).double()
        p = torch.stack([P, sure, P])
        assert typical_rule(p, [2, 0]).accept.tolist() == [0, 0, 1]
        assert typical_rule(p, [2, 1]).accept.tolist() == [0, 1, 0]
        assert typical_rule(p, [2, 1], least=0.04).accept.tolist() == [0, 0, 1]


@pytest.mark.parametrize("rule", [token_rule, block_rule])
@pytest.mark.parametrize("zeros", [0, 1])
class TestChains:
    def test_what_is_said_follows_the_model(self, rule: Rule, zeros: int) -> None:
        for seed in range(8):
            for length in (1, 2, 3):
                p, q = language(seed, length + 1, zeros=zeros), language(seed + 100, length)
                assert error(said_by(rule, p, q, length), p, length + 1) < 1e-12

    def test_a_draft_from_the_model_itself(self, rule: Rule, zeros: int) -> None:
        p = language(1, 3, zeros=zeros)
        assert accepted(rule, p, p, 2) == pytest.approx(2)


def test_rounding_makes_no_chance_negative() -> None:
    """A draft model that is the model up to the last bits: its logits came from another batch."""
    source = torch.Generator().manual_seed(6)
    for _ in range(300):
        logits = torch.randn(5, 9, generator=source).double() * 9
        p = torch.softmax(logits, 1)
        q = torch.softmax(logits + 1e-13 * torch.randn(5, 9, generator=source), 1)[:4]
        tokens = [int(row.argmax()) for row in q]
        for rule in (token_rule, block_rule):
            law = rule(p, q, tokens)
            assert float(law.accept.min()) >= 0
            assert float(law.accept[-1]) == pytest.approx(1)


def test_the_block_rule_accepts_more() -> None:
    gains = []
    for seed in range(12):
        p, q = language(seed, 3), language(seed + 50, 2)
        gains.append(accepted(block_rule, p, q, 2) - accepted(token_rule, p, q, 2))
    assert min(gains) > -1e-12
    assert max(gains) > 0.01


def test_a_classic_mistake_would_be_seen() -> None:
    """Drawing from p after a refusal, not from what q left of it."""

    def wrong(p: Tensor, q: Tensor, tokens: Text) -> Law:
        return Law(token_rule(p, q, tokens).accept, p)

    p, q = language(2, 3), language(52, 2)
    assert error(said_by(wrong, p, q, 2), p, 3) > 0.01


class TestSeveralPaths:
    @staticmethod
    def one_round(
        p: Language, q: Language, length: int, count: int
    ) -> tuple[dict[Text, float], float]:
        said: dict[Text, float] = defaultdict(float)
        total = 0.0
        for paths in itertools.combinations_with_replacement(drawn(q, length), count):
            orders = math.factorial(count) / math.prod(
                math.factorial(n) for n in Counter(paths).values()
            )
            mass = orders * math.prod(chance(q, path) for path in paths)
            best = greatest(paths, p.__getitem__, q)
            law = block_rule(best.p, best.q, best.tokens)
            total += mass * float(law.accept @ torch.arange(length + 1, dtype=torch.float64))
            for text, share in outcomes(best.tokens, law):
                said[text] += mass * share
        return said, total

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_what_is_said_follows_the_model(self, count: int) -> None:
        for seed in range(2):
            p, q = language(seed, 3, zeros=seed), language(seed + 9, 2)
            said, _ = self.one_round(p, q, 2, count)
            assert error(said, p, 3) < 1e-12

    def test_two_paths_are_worth_more_than_one(self) -> None:
        p, q = language(3, 3), language(33, 2)
        one, two = (self.one_round(p, q, 2, count)[1] for count in (1, 2))
        assert one == pytest.approx(accepted(block_rule, p, q, 2))
        assert two > one + 0.1

    def test_laws_of_the_greatest_sum_to_one(self) -> None:
        p, q = language(4, 3), language(44, 2, zeros=1)
        best = greatest(drawn(q, 2)[:3], p.__getitem__, q)
        assert best.q.sum(1).tolist() == pytest.approx([1, 1])


class TestBeams:
    @staticmethod
    def walk(p: Language, q: Language, tree: dict[Text, list[int]]) -> Iterator[tuple[Text, float]]:
        """What the candidates rule may say on a drafted tree."""
        pending: list[tuple[Text, float]] = [((), 1.0)]
        while pending:
            text, mass = pending.pop()
            children = tree.get(text, [])
            if not children:
                yield from (((*text, t), mass * s) for t, s in enumerate(p[text].tolist()))
                continue
            law = candidates_rule(p[text], q[text], children)
            *takes, none = law.accept.tolist()
            pending += [((*text, c), mass * take) for c, take in zip(children, takes, strict=True)]
            yield from (((*text, t), mass * none * s) for t, s in enumerate(law.follow.tolist()))

    def test_what_is_said_follows_the_model(self) -> None:
        """Every order of the eight paths, drawn without replacement: trees of width two or three.

        Noise that keeps the greatest child of a node at its node's own score orders paths just so.
        """
        for seed, width in ((0, 2), (1, 3)):
            p, q = language(seed, 4, vocab=2), language(seed + 7, 3, vocab=2)
            said: dict[Text, float] = defaultdict(float)
            for tree, mass in _trees(q, 3, width).items():
                children = {text: list(drawn) for text, drawn in tree}
                for text, part in self.walk(p, q, children):
                    said[text] += mass * part
            whole = finish(said, p, 4, vocab=2)
            assert max(abs(whole[t] - chance(p, t)) for t in texts(4, 2)) < 1e-12

    def test_siblings_keep_their_nodes_score(self) -> None:
        log_q = torch.stack([P.log(), Q.log()])
        noise = torch.tensor([[0.3, -0.2, 1.0], [0.1, 2.0, -1.0]]).double()
        total, own = torch.tensor([-1.0, -2.0]).double(), torch.tensor([0.7, -3.0]).double()
        scores = perturbed(log_q, noise, total, own)
        assert scores.amax(1).tolist() == pytest.approx(own.tolist())
        free = total[:, None] + log_q + noise
        plain = -torch.log(
            (-own[:, None]).exp() - (-free.amax(1, keepdim=True)).exp() + (-free).exp()
        )
        torch.testing.assert_close(scores, plain)
        assert torch.equal(scores.argsort(1), free.argsort(1))

    def test_far_scores_do_not_overflow(self) -> None:
        log_q = torch.tensor([[-0.1, -800.0, -torch.inf]]).double()
        noise = torch.tensor([[1.0, 2.0, 3.0]]).double()
        scores = perturbed(log_q, noise, torch.zeros(1).double(), torch.full((1,), -500.0).double())
        assert not scores.isnan().any()
        assert widest(scores, 3) == [(0, 0), (0, 1)]

    def test_two_of_three_as_without_replacement(self) -> None:
        """The card: orders of (.6, .3, .1) come .45, .15, .257, .043, .067, .033 of the time."""
        q = torch.tensor([0.6, 0.3, 0.1]).double()
        noise = torch.rand(60_000, 3, generator=torch.Generator().manual_seed(2)).double()
        zeros = torch.zeros(len(noise)).double()
        scores = perturbed(
            q.log().expand(len(noise), 3), -torch.log(-torch.log(noise)), zeros, zeros
        )
        first, second = scores.topk(2, dim=1).indices.T
        counts = torch.bincount(first * 3 + second, minlength=9).double() / len(noise)
        wanted = [0, 0.45, 0.15, 0.257, 0, 0.043, 0.067, 0.033, 0]
        assert counts.tolist() == pytest.approx(wanted, abs=0.006)


def _trees(q: Language, length: int, width: int) -> dict[tuple[tuple[Text, Text], ...], float]:
    """The trees that a beam keeps, each with its chance: node and children, best child first."""
    shares = {leaf: chance(q, leaf) for leaf in texts(length, 2)}
    trees: dict[tuple[tuple[Text, Text], ...], float] = defaultdict(float)
    for order in itertools.permutations(shares):
        mass, left = 1.0, 1.0
        for leaf in order:
            mass *= shares[leaf] / left
            left = max(left - shares[leaf], 1e-300)
        trees[_kept(order, width)] += mass
    return trees


def _kept(order: tuple[Text, ...], width: int) -> tuple[tuple[Text, Text], ...]:
    """The tree that a beam of this width keeps, where the leaves' scores fall in this order."""
    tree: dict[Text, Text] = {}
    beam: list[Text] = [()]
    for size in range(1, len(order[0]) + 1):
        ranked = dict.fromkeys(leaf[:size] for leaf in order if leaf[: size - 1] in beam)
        beam = list(ranked)[:width]
        for text in beam:
            tree[text[:-1]] = (*tree.get(text[:-1], ()), text[-1])
    return tuple(tree.items())
