"""Which queries are chosen."""

import math
from itertools import combinations

import pytest
import torch

from selfplay.label.events import Query
from selfplay.label.queries import Choice, Chooser, QueryConfig, chance_of_left, disagreement, entropy

CLIPS = [f"clip {number}" for number in range(8)]


def query(*clips, origin=None, id=None):
    return Query(id or " ".join(clips), clips, origin, False, 0.0)


def chooser(seed=0, **settings):
    return Chooser(QueryConfig(**settings), seed)


def pairs_of(choices):
    return [frozenset(pair) for choice in choices for pair in combinations(choice.clips, 2)]


def test_worked_scores():
    """Two models say ¾ and ¼: mean ½, variance 1/16, entropy ln 2. Both say ¾: 0 and .56233."""
    unlike, alike = torch.tensor([[0.75], [0.25]]), torch.tensor([[0.75], [0.75]])
    assert disagreement(unlike).item() == 1 / 16
    assert entropy(unlike).item() == pytest.approx(math.log(2))
    assert disagreement(alike).item() == 0
    assert entropy(alike).item() == pytest.approx(0.56233, abs=1e-5)
    assert entropy(torch.tensor([[1.0], [1.0]])).item() == 0
    assert chance_of_left(torch.tensor([[2.5, 1.4]]), torch.tensor([[0, 1]])).item() == pytest.approx(0.75026, abs=1e-5)


@pytest.mark.parametrize("method", ["uniform", "disagreement", "entropy"])
@pytest.mark.parametrize("clips", [2, 3])
def test_no_pair_is_asked_twice(method, clips):
    """Until none is left: 28 pairs of 8 clips."""
    choose, asked = chooser(method=method, clips=clips), []
    returns = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    while new := choose.choose(3, CLIPS, asked, returns):
        assert all(choice.again is None and len(set(choice.clips)) == clips for choice in new)
        asked += [query(*choice.clips) for choice in new]
    seen = pairs_of([Choice(one.clips) for one in asked])
    assert len(seen) == len(set(seen))
    if clips == 2:
        assert len(seen) == 28


def test_the_most_telling_come_first():
    """Of 4 clips the models differ on the last only, and are surest about (0, 1); the pool holds every pair."""
    returns = torch.tensor([[9.0, 0.0, 0.5, 3.0], [9.0, 0.0, 0.5, -3.0]])
    four = CLIPS[:4]

    def order(method):
        return [set(choice.clips) for choice in chooser(method=method).choose(6, four, [], returns)]

    chances = {pair: chance_of_left(returns, torch.tensor([pair]))[:, 0].tolist() for pair in combinations(range(4), 2)}
    spread = {pair: abs(one - other) for pair, (one, other) in chances.items()}
    doubt = {pair: abs(one + other - 1) for pair, (one, other) in chances.items()}
    by_spread = sorted(spread, key=spread.get, reverse=True)
    by_doubt = sorted(doubt, key=doubt.get)
    assert order("disagreement")[:3] == [{four[one], four[other]} for one, other in by_spread[:3]]
    assert by_spread[0] == (1, 3)
    assert order("entropy") == [{four[one], four[other]} for one, other in by_doubt]
    triples = chooser(method="disagreement", clips=3).choose(1, four, [], returns)
    assert set(triples[0].clips) == {four[1], four[2], four[3]}


def test_pairs_are_uniform_and_sides_are_drawn():
    counts, choose = {}, chooser()
    for _ in range(3000):
        (choice,) = choose.choose(1, CLIPS[:3], [])
        counts[choice.clips] = counts.get(choice.clips, 0) + 1
    assert len(counts) == 6
    assert all(abs(count - 500) < 4.5 * math.sqrt(3000 * 5 / 36) for count in counts.values())


def test_some_are_asked_again_those_first_that_were_least():
    asked = [query("a", "b"), query("c", "d"), query("e", "f"), query("b", "a", origin="a b")]
    assert {choice.again for choice in chooser(again=1.0).choose(2, CLIPS, asked)} == {"c d", "e f"}
    every = chooser(again=1.0).choose(5, CLIPS, asked)
    assert [choice.again for choice in every[:3]][-1] == "a b"
    assert sum(choice.again is None for choice in every) == 2  # no more old ones: new ones
    for choice in every[:3]:
        assert " ".join(sorted(choice.clips)) == choice.again
    choose = chooser(again=0.25)
    old = sum(choose.choose(1, CLIPS, asked)[0].again is not None for _ in range(1000))
    assert abs(old - 250) < 4.5 * math.sqrt(1000 * 3 / 16)
    sides = [chooser(seed, again=1.0).choose(1, CLIPS, asked[:1])[0].clips for seed in range(40)]
    assert set(sides) == {("a", "b"), ("b", "a")}


def test_many_clips_are_drawn_from_and_not_listed():
    many = [str(number) for number in range(1000)]
    new = chooser(clips=4, pool=2).choose(20, many, [])
    assert len(new) == 20
    seen = pairs_of(new)
    assert len(seen) == len(set(seen)) == 20 * 6


def test_the_stream_is_its_own_and_goes_on():
    before = torch.get_rng_state()
    one, other = chooser(1), chooser(2)
    assert one.choose(5, CLIPS, []) == chooser(1).choose(5, CLIPS, [])
    other.load_state_dict(one.state_dict())
    assert one.choose(5, CLIPS, []) == other.choose(5, CLIPS, [])
    assert torch.equal(before, torch.get_rng_state())
    with pytest.raises(ValueError, match="holds no random stream"):
        one.load_state_dict({"generator": torch.zeros(3, dtype=torch.uint8)})


def test_bad_requests_are_refused():
    assert chooser().choose(3, CLIPS[:1], []) == []
    with pytest.raises(ValueError, match=r"entropy needs the returns \[K, M\]"):
        chooser(method="entropy").choose(1, CLIPS, [])
    with pytest.raises(ValueError, match="3 returns for 8 candidates"):
        chooser(method="entropy").choose(1, CLIPS, [], torch.zeros(2, 3))
    with pytest.raises(ValueError, match="listed twice"):
        chooser().choose(1, ["a", "a"], [])
    with pytest.raises(ValueError, match="count must be at least 0"):
        chooser().choose(-1, CLIPS, [])
