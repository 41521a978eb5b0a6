"""Every bonus against its formula, over two batches with ends of both kinds and steps that were not played."""

import dataclasses

import numpy as np
import pytest
import torch
from bonus_oracles import ORACLES
from curiosity_worlds import made_up, paid, surroundings

from curiosity.catalogue import SOURCES, make_source
from curiosity.config import E3BConfig
from curiosity.e3b import bonuses
from curiosity.features import Whitening
from curiosity.re3 import neighbour_distance

VARIANTS = [(name, {}) for name in ORACLES] + [
    ("forward", {"features": "random"}),
    ("disagreement", {"features": "inverse"}),
    ("disagreement", {"features": "pixels"}),
    ("ama", {"features": "random"}),
    ("re3", {"features": "inverse"}),
]


@pytest.mark.parametrize("world", ["grid", "vectors"])
@pytest.mark.parametrize(("name", "settings"), VARIANTS, ids=lambda part: part if isinstance(part, str) else str(part))
def test_it_pays_what_the_formula_says(name, settings, world):
    config = SOURCES[name].config
    if name in ("noveld", "ride"):
        settings = {**settings, "keys": "state"}
    if name != "counts":
        settings = {**settings, "learning_rate": 0.01, "width": 12, "feature_width": 6}
    told = surroundings(world)
    source = make_source(name, config(**settings), told)
    oracle = ORACLES[name](source, told)
    batch = None
    for seed in range(3):  # go on from each other, with other weights each time
        batch = made_up(world, steps=9, seed=seed, after=batch, ends=0.15)
        assert (batch.mask & batch.terminated).any()
        assert (batch.mask & batch.truncated).any()
        expected = oracle.rewards(batch)
        played = batch.mask.numpy()
        np.testing.assert_allclose(paid(source, batch).numpy()[played], expected[played], rtol=1e-5, atol=1e-5)
        assert expected[played].any()
        source.fit(batch)


def test_e3b_equals_rank_one_updates_in_a_long_episode():
    rng = np.random.default_rng(0)
    phi = rng.normal(size=(40, 3))  # one episode of 40 steps, the first state is row 0
    inverse = np.linalg.inv(0.1 * np.eye(3) + np.outer(phi[0], phi[0]))
    expected = []
    for row in phi[1:]:
        expected.append(row @ inverse @ row)
        inverse -= np.outer(inverse @ row, inverse @ row) / (1 + expected[-1])
    rows = torch.from_numpy(phi[None, 1:])
    start = torch.from_numpy(phi[None, :1]).expand_as(rows)
    episode = torch.ones(1, 39, dtype=torch.int64)
    found = bonuses(rows, start, episode, torch.zeros(1, 3, 3, dtype=torch.float64), 0.1)
    np.testing.assert_allclose(found[0].numpy(), expected, rtol=1e-8)


def test_e3b_far_from_zero_and_in_a_long_episode():
    """Features around 300 with a spread of 1, 1,920 steps without an end, by Sherman and Morrison in float64."""
    told = surroundings("vectors")
    source = make_source("e3b", E3BConfig(feature_width=5), told)
    source.trainer.run = lambda count, loss, device: {}  # the features stay as they are

    class Offset(torch.nn.Module):
        def forward(self, rows):
            return rows[:, :5] + 300

    source.phi.net, source.phi.whitening = Offset(), None
    rng = np.random.default_rng(0)
    walk, inverse = rng.normal(size=(30 * 64 + 1, 1, 5)).astype(np.float32), None
    for start in range(0, 30 * 64, 64):
        rows = torch.from_numpy(walk[start : start + 65])
        batch = made_up("vectors", steps=64, envs=1, all_played=True, ends=0.0)
        batch = dataclasses.replace(batch, obs=rows[:-1], next_obs=rows[1:])
        phi = (rows[:, 0] + 300).double().numpy()
        if inverse is None:
            inverse = np.eye(5) / 0.1
            inverse -= np.outer(inverse @ phi[0], inverse @ phi[0]) / (1 + phi[0] @ inverse @ phi[0])
        expected = []
        for row in phi[1:]:
            expected.append(row @ inverse @ row)
            inverse -= np.outer(inverse @ row, inverse @ row) / (1 + expected[-1])
        np.testing.assert_allclose(paid(source, batch)[:, 0].numpy(), expected, rtol=1e-4)
        source.fit(batch)


def test_neighbours_are_sought_among_the_chosen_only():
    # On a line at 0, 1, 3, 7, 7; the chosen ones are at 0, 3 and 7 (the last).
    # Distances to them: of 0: 3, 7; of 1: 1, 2, 6; of 3: 3, 4; of the first 7: 0, 4, 7; of the other 7: 4, 7.
    points, chosen = torch.tensor([[0.0], [1], [3], [7], [7]]), torch.tensor([0, 2, 4])
    assert neighbour_distance(points, chosen, 2).tolist() == pytest.approx([7, 2, 4, 4, 7])
    assert neighbour_distance(points, chosen, 9).tolist() == pytest.approx([7, 2, 4, 4, 7])  # as many as there are
    assert neighbour_distance(points, chosen[:1], 1).tolist() == [0] * 5


def test_whitening_keeps_the_moments_of_all_it_saw():
    rng = np.random.default_rng(0)
    rows = rng.normal([3, -20], [0.5, 7], (1000, 2)).astype(np.float32)
    whitening = Whitening(2)
    for part in np.split(rows, [1, 400, 950]):
        whitening.observe(torch.from_numpy(part))
    expected = np.clip((rows - rows.mean(0, dtype=float)) / rows.std(0, dtype=float), -5, 5)
    np.testing.assert_allclose(whitening(torch.from_numpy(rows)).numpy(), expected, rtol=1e-5, atol=1e-5)
    assert whitening(torch.tensor([[1e6, -1e6]])).tolist() == [[5, -5]]
