"""Scripted teachers: frequencies against closed forms, within 4.5 deviations of a binomial."""

import math

import pytest
import torch
from label_worlds import segments
from pydantic import ValidationError

from selfplay.label.teachers import ScriptedTeacher, TeacherConfig, ceiling_bounds

DRAWS = 4000
A, B = [0.1, 0.3, 0.5, 0.7, 0.9], [0.2, 0.2, 0.3, 0.3, 0.4]  # 2.5 against 1.4
PAIR = torch.tensor([[0, 1]])


def world(*columns, mask=None, **fields):
    """Segments with these rewards, a column each."""
    return segments(torch.tensor(columns, dtype=torch.float64).T, mask=mask, **fields).steps


def teacher(seed=0, bias=0.0, feature=None, **settings):
    return ScriptedTeacher("script", TeacherConfig(**settings), seed, bias, feature)


def frequencies(answers):
    return {answer: answers.count(answer) / len(answers) for answer in set(answers)}


def near(share, chance, draws=DRAWS):
    return abs(share - chance) <= 4.5 * math.sqrt(chance * (1 - chance) / draws)


def test_worked_chances():
    """σ(2.5 - 1.4) = 1 / (1 + e^-1.1) = .75026; with mistakes of .1: .9 · .75026 + .1 · .24974 = .70021."""
    steps = world(A, B)
    assert teacher(beta=1.0).probabilities(steps, PAIR)[0].tolist() == pytest.approx([0.75026, 0.24974, 0, 0], abs=1e-5)
    assert teacher(beta=1.0, mistake=0.1).probabilities(steps, PAIR)[0, 0] == pytest.approx(0.70021, abs=1e-5)
    assert teacher(beta=0.0).probabilities(steps, PAIR)[0, 0] == 0.5
    assert teacher().probabilities(steps, PAIR)[0].tolist() == [1, 0, 0, 0]
    assert teacher().probabilities(steps, PAIR.flip(-1))[0].tolist() == [0, 1, 0, 0]
    assert teacher().probabilities(world(A, A), PAIR)[0].tolist() == [0.5, 0.5, 0, 0]


@pytest.mark.parametrize("settings", [{"beta": 1.0}, {"beta": 0.5, "mistake": 0.2}, {"mistake": 0.05}, {"beta": 0.0}])
def test_answers_come_as_often_as_their_chance(settings):
    odds = {"beta": None, "mistake": 0.0} | settings
    plain = 1.0 if odds["beta"] is None else 1 / (1 + math.exp(-odds["beta"] * 1.1))
    left = plain * (1 - odds["mistake"]) + (1 - plain) * odds["mistake"]
    found = frequencies(teacher(**settings).answer(world(A, B), PAIR.expand(DRAWS, 2)))
    assert near(found["left"], left)
    assert near(found["right"], 1 - left)


def test_a_myopic_teacher_counts_back_from_the_last_step_there_is():
    """γ = ½: [8, 0, 0] is worth 2, [0, 0, 3] is worth 3, and [8, 0] (one step short) 4."""
    mask = torch.tensor([[True, True, True], [True, True, True], [True, True, False]])
    steps = world([8, 0, 0], [0, 0, 3], [8, 0, 99], mask=mask)
    plain, myopic = teacher(gamma=0.5).returns(steps)
    assert plain.tolist() == [8, 3, 8]
    assert myopic.tolist() == [2, 3, 4]
    pairs = torch.tensor([[0, 1], [1, 2], [2, 0]])
    assert teacher(gamma=0.5).answer(steps, pairs) == ["right", "right", "left"]
    assert teacher().answer(steps, pairs)[:2] == ["left", "right"]


def test_thresholds():
    """Skip: neither reaches 1. Equal: closer than .5, strictly. Mistakes turn preferences only; skip comes first."""
    steps = world([0.25], [0.5], [1.0], [1.5], [2.25])
    pairs = torch.tensor([[0, 1], [1, 2], [2, 3], [3, 4], [4, 0], [1, 1]])
    careful = teacher(skip=1.0, equal=0.75)
    assert careful.answer(steps, pairs) == ["skip", "equal", "equal", "right", "left", "skip"]
    wrong = teacher(skip=1.0, equal=0.75, mistake=1.0)
    assert wrong.answer(steps, pairs) == ["skip", "equal", "equal", "left", "right", "skip"]
    assert teacher().answer(steps, pairs[:5]) == ["right", "right", "right", "right", "left"]


def test_thresholds_stay_what_they_were_given():
    """Taken up twice over, and after answers about other returns: the same settings, the same answers."""
    steps, pairs = world([0.25], [0.5], [1.0]), torch.tensor([[0, 1], [0, 2], [1, 2]])
    first = teacher(skip=0.75, equal=0.5)
    expected = first.answer(steps, pairs)
    assert expected == ["skip", "right", "right"]
    for _ in range(2):
        first.answer(world([100.0], [300.0], [200.0]), pairs)
        later = teacher(skip=0.75, equal=0.5)
        later.load_state_dict(first.state_dict())
        assert later.config == first.config == TeacherConfig(skip=0.75, equal=0.5)
        assert later.answer(steps, pairs) == expected
        first = later


def test_rankings_order_each_pair_as_if_it_were_asked_alone():
    """Returns 0, 1, 2 with β = 1: P(2, 1, 0) = e²/(1 + e + e²) · e/(1 + e), and every pair by Bradley and Terry."""
    steps = world([0], [1], [2])
    orders = teacher(beta=1.0).answer(steps, torch.tensor([[0, 1, 2]]).expand(DRAWS, 3))
    assert {len(order) for order in orders} == {3}
    e = math.e
    assert near(frequencies(orders)[(2, 1, 0)], e**2 / (1 + e + e**2) * e / (1 + e))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        ahead = sum(order.index(other) < order.index(one) for order in orders) / DRAWS
        assert near(ahead, 1 / (1 + math.exp(one - other)))
    sure = teacher().answer(steps, torch.tensor([[1, 2, 0], [0, 1, 2]]))
    assert sure == [(1, 0, 2), (2, 1, 0)]
    assert teacher(skip=1.5).answer(steps, torch.tensor([[0, 1, 2]])) == [(2, 1, 0)]
    assert teacher(skip=2.5).answer(steps, torch.tensor([[0, 1, 2]])) == ["skip"]


def test_what_rankings_say_of_pairs():
    """Of what is the same to it a teacher says nothing; of the rest its noise allows what it would of pairs alone, be
    they below the threshold of skipping or not. What a mistake does to a pair depends on the others: nothing is told.
    """
    steps = world([0], [0], [1], [3])
    pairs = torch.tensor([[0, 1], [0, 2], [2, 3], [1, 3]])
    noisy = teacher(beta=1.0, skip=2.0, equal=1e-6)
    decided = noisy.decides(steps, pairs)
    assert decided.tolist() == [False, True, True, True]
    orders = noisy.answer(steps, torch.tensor([[0, 1, 2, 3]]).expand(DRAWS, 4))
    ranked = noisy.in_rankings()
    for pair in pairs[decided]:
        one, other = pair.tolist()
        ahead = sum(order.index(other) < order.index(one) for order in orders) / DRAWS
        assert near(ahead, ranked.ceiling(steps, pair[None]).best)
    assert teacher(mistake=0.1).in_rankings() is None


def test_ties_in_a_ranking_are_drawn_and_mistakes_swap_neighbours():
    tied = teacher().answer(world([1], [1], [0]), torch.tensor([[0, 1, 2]]).expand(DRAWS, 3))
    assert set(tied) == {(0, 1, 2), (1, 0, 2)}
    assert near(frequencies(tied)[(0, 1, 2)], 0.5)
    wrong = frequencies(teacher(mistake=0.3).answer(world([2], [1], [0]), torch.tensor([[0, 1, 2]]).expand(DRAWS, 3)))
    assert set(wrong) == {(0, 1, 2), (1, 0, 2), (0, 2, 1)}
    assert near(wrong[(0, 1, 2)], 0.7)
    assert near(wrong[(1, 0, 2)], 0.15)


def test_a_judge_with_a_bias_is_wrong_where_the_bias_outweighs_the_truth():
    """Worth = reward + .5 · obs: 1 + 0 against 0 + 1.5 and 0 + .5."""
    steps = world([1], [0], [0], obs=torch.tensor([[[0.0], [3.0], [1.0]]]))
    judge = teacher(bias=0.5, feature=lambda batch: batch.obs[..., 0])
    pairs = torch.tensor([[0, 1], [0, 2]])
    assert judge.judged(steps)[0].tolist() == [1.0, 1.5, 0.5]
    assert judge.answer(steps, pairs) == ["right", "left"]
    assert judge.ceiling(steps, pairs).true == 0.5
    assert judge.ceiling(steps, pairs).best == 1.0
    assert judge.ceiling(steps, pairs, truth=torch.tensor([1.0, 2.0, 0.0])).true == 1.0
    for bias, feature in ((0.5, None), (0.0, lambda batch: batch.obs), (math.inf, lambda batch: batch.obs)):
        with pytest.raises(ValueError, match=r"a bias .* and its feature go together"):
            teacher(bias=bias, feature=feature)


def test_ceilings_worked_and_drawn():
    """Chances .75026 and .5 (a tie), one pair skipped: itself (.62525 + .5)/2, best (.75026 + .5)/2, decided 2/3."""
    steps, pairs = world(A, B, A, [-1] * 5, [-2] * 5), torch.tensor([[0, 1], [0, 2], [3, 4]])
    noisy = teacher(beta=1.0, skip=0.0)
    ceiling = noisy.ceiling(steps, pairs)
    assert ceiling.itself == pytest.approx(0.56262, abs=1e-4)
    assert ceiling.best == pytest.approx(0.62513, abs=1e-4)
    assert ceiling.true == pytest.approx(0.62513, abs=1e-4)
    assert ceiling.decided == pytest.approx(2 / 3)
    first, second = (noisy.answer(steps, pairs[:1].expand(DRAWS, 2)) for _ in range(2))
    again = sum(one == other for one, other in zip(first, second, strict=True)) / DRAWS
    assert near(again, noisy.ceiling(steps, pairs[:1]).itself)
    assert math.isnan(noisy.ceiling(steps, pairs[2:]).best)
    assert noisy.ceiling(steps, pairs[2:]).decided == 0


def test_the_ceiling_of_people_lies_between_bounds():
    """Agreement .78: at least .78, at most (1 + √.56)/2 = .87417. The upper one is met where all pairs are as hard."""
    assert ceiling_bounds(0.78) == pytest.approx((0.78, 0.87417), abs=1e-5)
    assert ceiling_bounds(1.0) == (1.0, 1.0)
    assert ceiling_bounds(0.3) == (0.5, 0.5)
    steps = world(A, B, [5.0] * 5)
    for sets, tight in (([[0, 1]], True), ([[0, 1], [1, 2], [0, 2]], False)):
        ceiling = teacher(beta=1.0).ceiling(steps, torch.tensor(sets))
        low, high = ceiling_bounds(ceiling.itself)
        assert low < ceiling.best <= high + 1e-12
        assert math.isclose(ceiling.best, high, abs_tol=1e-9) == tight
    with pytest.raises(ValueError, match="agreement is a share"):
        ceiling_bounds(78)


def test_the_random_stream_is_its_own_and_goes_on():
    steps, pairs = world(A, B), PAIR.expand(50, 2)
    before = torch.get_rng_state()
    one, other = teacher(3, beta=1.0), teacher(4, beta=1.0)
    assert one.answer(steps, pairs) == teacher(3, beta=1.0).answer(steps, pairs)
    assert one.answer(steps, pairs) != other.answer(steps, pairs)
    other.load_state_dict(one.state_dict())
    assert one.answer(steps, pairs) == other.answer(steps, pairs)
    assert torch.equal(before, torch.get_rng_state())
    with pytest.raises(ValueError, match="generator holds no random stream"):
        one.load_state_dict({"generator": torch.zeros(3, dtype=torch.uint8)})
    with pytest.raises(ValueError, match="expected generator"):
        one.load_state_dict({})


def test_settings_are_checked():
    for wrong in ({"beta": -1}, {"gamma": 0}, {"mistake": 1.5}, {"equal": -0.1}, {"skip": math.nan}, {"epsilon": 0.1}):
        with pytest.raises(ValidationError):
            TeacherConfig(**wrong)
    with pytest.raises(ValueError, match=r"sets must be \[Q, k\] with k ≥ 2, got \[1, 1\]"):
        teacher().answer(world(A), torch.tensor([[0]]))
