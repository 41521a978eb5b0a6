"""Visits against dictionaries that walk through the steps one by one."""

from collections import Counter as Tally
from itertools import pairwise

import gymnasium
import numpy as np
import pytest
import torch
from curiosity_worlds import made_up

from curiosity.counter import GROWTH, Counter, order_of_visit
from curiosity.visits import EpisodeVisits, Keys

CPU = torch.device("cpu")


def test_the_order_of_visits_by_hand():
    assert order_of_visit(torch.tensor([5, 3, 5, 5, 3, 9])).tolist() == [0, 0, 1, 2, 1, 0]
    assert order_of_visit(torch.tensor([], dtype=torch.int64)).tolist() == []


def test_counts_over_many_batches_equal_a_dictionary():
    rng, counter, tally = np.random.default_rng(0), Counter(CPU), Tally()
    for size in (0, 1, 50, 0, 400, 7):
        keys = rng.integers(-(2**62), 2**62, 60)[rng.integers(0, 60, size)]
        keys = np.concatenate([keys, rng.integers(-9, 9, size)])
        expected = []
        for key in keys.tolist():
            tally[key] += 1
            expected.append(tally[key])
        assert counter.numbers(torch.from_numpy(keys)).tolist() == expected
        counter.add(torch.from_numpy(keys))
    assert len(counter) == len(tally)
    state = counter.state_dict()
    assert state["keys"].tolist() == sorted(tally)
    assert state["counts"].tolist() == [tally[key] for key in sorted(tally)]


def test_a_counter_keeps_few_tables_and_saving_changes_none_of_its_answers():
    """300 batches of new and old keys, and a copy that is saved and loaded anew after each."""
    rng, counter, tally, copy = np.random.default_rng(0), Counter(CPU), Tally(), Counter(CPU)
    met, most = np.zeros(0, np.int64), 0
    for _ in range(300):
        keys = rng.integers(-(2**62), 2**62, rng.integers(0, 9))
        keys = np.concatenate([keys, keys[:2], rng.choice(met, min(len(met), 5))])
        met = np.concatenate([met, keys])
        expected = [tally[key] + keys[:i].tolist().count(key) + 1 for i, key in enumerate(keys.tolist())]
        tally.update(keys.tolist())
        for one in (counter, copy):
            assert one.numbers(torch.from_numpy(keys)).tolist() == expected
            one.add(torch.from_numpy(keys))
        anew = Counter(CPU)
        anew.load_state_dict(copy.state_dict())
        copy = anew
        sizes = [len(table.keys) for table in counter.tables]
        assert all(long >= GROWTH * short for long, short in pairwise(sizes))
        most = max(most, len(sizes))
    assert most > 3
    assert len(copy.tables) == 1
    for key, tensor in counter.state_dict().items():
        assert torch.equal(tensor, copy.state_dict()[key])


@pytest.mark.parametrize("world", ["grid", "vectors"])
def test_visits_of_an_episode_equal_a_walk(world):
    """Begin states count; a step after a gap begins anew; episodes go on over batches."""
    visits, batch, walks = EpisodeVisits(1, CPU), None, {}
    space = gymnasium.spaces.MultiDiscrete([2, 3, 2]) if world == "grid" else gymnasium.spaces.Box(-9, 9, (2,))
    key = Keys(space, 0, 0.1, CPU)
    for seed in range(5):
        batch = made_up(world, steps=20, seed=seed, after=batch, ends=0.05)
        rows = [tensor.numpy() for tensor in batch.channel("position")]
        expected = []
        for t in range(20):
            for n in range(batch.mask.shape[1]):
                if not batch.mask[t, n]:
                    walks.pop(n, None)
                    continue
                walk = walks.setdefault(n, Tally([tuple(rows[0][t, n].tolist())]))
                walk[tuple(rows[1][t, n].tolist())] += 1
                expected.append(walk[tuple(rows[1][t, n].tolist())])
                if batch.done[t, n]:
                    del walks[n]
        around = key.around(batch, "position")
        assert visits.numbers(batch, *around).tolist() == expected
        visits.add(batch, *around)
        assert len(visits.known.keys) == sum(len(walk) for walk in walks.values())
    assert max(expected) > 2


def test_keys_tell_rows_apart():
    rows = torch.from_numpy(np.stack(np.meshgrid(*[np.arange(7, dtype=np.uint8)] * 5), -1).reshape(-1, 5))
    keys = Keys(gymnasium.spaces.MultiDiscrete([7] * 5), 0, 0.1, CPU)(rows)
    assert len(keys.unique()) == len(rows) == 7**5
    assert torch.equal(keys[[9, 4]], Keys(gymnasium.spaces.MultiDiscrete([7] * 5), 0, 0.5, CPU)(rows[[9, 4]]))


def line(*numbers):
    return torch.tensor(numbers)[:, None]


def test_vectors_are_told_apart_by_bins():
    """Of width .5: ten widths touch eleven; more than a width apart is never alike."""
    box = gymnasium.spaces.Box(-9, 9, (1,))
    for seed in range(20):
        key = Keys(box, seed, 0.5, CPU)
        assert len(key(torch.linspace(-2.5, 2.5, 5001)[:, None]).unique()) == 11
        apart = key(line(-0.51, 0.0, 0.51, 1.02)).tolist()
        assert len(set(apart)) == 4
        for edge in (-0.5, 0.0, 0.5, 1.0):  # rounding does not decide
            assert len(set(key(line(edge - 1e-6, edge, edge + 1e-6)).tolist())) == 1


def test_every_number_may_have_bins_of_its_own_width():
    """Eleven bins of .5 and 101 of .05 along either axis; alone and together."""
    box, line = gymnasium.spaces.Box(-9, 9, (2,)), torch.linspace(-2.5, 2.5, 5001)
    still = torch.zeros_like(line)
    key = Keys(box, 0, (0.5, 0.05), CPU)
    assert len(key(torch.stack([line, still], 1)).unique()) == 11
    assert len(key(torch.stack([still, line], 1)).unique()) == 101
    rows = torch.rand(500, 2, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Keys(box, 0, (0.1, 0.1), CPU)(rows), Keys(box, 0, 0.1, CPU)(rows))
    with pytest.raises(ValueError, match=r"^bin_width: 3 widths for 2 numbers \(expected 1 or 2\)$"):
        Keys(box, 0, (0.1, 0.1, 0.2), CPU)


def test_numbers_share_a_bin_the_more_often_the_nearer_they_are():
    """.125 apart in bins of .5: with a chance of 3/4, each number of a vector by itself; of 4,000, ± 4 deviations."""
    box, shared = gymnasium.spaces.Box(-9, 9, (2,)), []
    for seed in range(4000):
        keys = Keys(box, seed, 0.5, CPU)(torch.tensor([[0.0, 0.0], [0.125, 0.0], [0.125, 0.125]])).tolist()
        shared.append([keys[0] == keys[1], keys[0] == keys[2]])
    np.testing.assert_allclose(np.mean(shared, 0), [0.75, 0.75**2], atol=4 * 0.5 / 4000**0.5)


@pytest.mark.parametrize("world", ["grid", "vectors"])
def test_many_rows_have_the_keys_that_each_has_alone(world):
    tokens, box = gymnasium.spaces.MultiDiscrete([9] * 3), gymnasium.spaces.Box(-9, 9, (3,))
    rows = torch.from_numpy(np.random.default_rng(0).integers(0, 9, (5000, 3)).astype(np.uint8))
    key = Keys(tokens if world == "grid" else box, 0, 0.1, CPU)
    keys = key(rows if world == "grid" else rows.float())
    assert len(keys) == 5000
    for i in range(0, 5000, 97):
        assert keys[i] == key(rows[i : i + 1] if world == "grid" else rows[i : i + 1].float())
