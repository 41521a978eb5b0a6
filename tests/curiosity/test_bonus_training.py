"""Gradient steps: Adam as in its paper, and none that is not finite."""

import numpy as np
import pytest
import torch
from curiosity_worlds import made_up, paid, same, surroundings
from torch import nn

from curiosity.config import ForwardConfig, ICMConfig, LearnedConfig, RIDEConfig
from curiosity.forward import Forward
from curiosity.icm import ICM
from curiosity.ride import RIDE
from curiosity.training import Trainer


def test_adam_by_hand():
    """One parameter of 1 and the loss 3p: the gradient is 3, both moments' corrected means are 3 and 9."""
    module = nn.Linear(1, 1, bias=False)
    nn.init.ones_(module.weight)
    trainer = Trainer(module, LearnedConfig(learning_rate=0.5, proportion=1.0), 0, "hand")
    for expected in (0.5, 0.0):
        trainer.run(1, lambda index: {"loss": 3 * module.weight.sum()}, torch.device("cpu"))
        assert module.weight.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("slope", "said"), [(np.inf, "loss inf"), (1e30, "gradient norm inf")])
def test_a_step_that_is_not_finite_is_not_taken(slope, said):
    """The third of three steps is bad: the parameters are those after the second."""
    module = nn.Linear(2, 1, bias=False)
    nn.init.ones_(module.weight)
    trainer = Trainer(module, LearnedConfig(epochs=3, learning_rate=0.25), 0, "hand")
    steps = []

    def loss(index):
        steps.append(1)
        return {"loss": (module.weight * (slope if len(steps) == 3 else 1.0)).sum()}

    with pytest.raises(FloatingPointError, match=f"hand: .*{said}.* in step 3 of its training"):
        trainer.run(1, loss, torch.device("cpu"))
    assert module.weight.tolist() == [[pytest.approx(0.5, abs=1e-6)] * 2]
    assert trainer.adam.steps == 2
    assert all(tensor.isfinite().all() for tensor in trainer.state_dict().values())


def test_a_source_names_itself_and_keeps_its_parameters():
    source, batch = Forward(ForwardConfig(), surroundings("grid")), made_up("grid", seed=1)
    source.fit(batch)
    good = source.state_dict()
    real = source.loss
    source.loss = lambda inputs, after: real(inputs, after) * float("nan")
    with pytest.raises(FloatingPointError, match="forward: loss nan"):
        source.fit(batch)
    source.trainer.generator.set_state(good["trainer.generator"])  # the minibatch has been drawn
    assert same(source.state_dict(), good)


@pytest.mark.parametrize("world", ["grid", "vectors"])
def test_beta_of_icm_changes_the_loss_that_is_shown_and_next_to_nothing_else(world):
    batch, sources = made_up(world), []
    for beta in (0.1, 0.9):
        sources.append(ICM(ICMConfig(beta=beta, learning_rate=0.01), surroundings(world)))
        before = paid(sources[-1], batch)
        metrics = sources[-1].fit(batch)
        expected = (1 - beta) * metrics["inverse_loss"] + beta * metrics["forward_loss"]
        assert metrics["loss"] == pytest.approx(expected, rel=1e-5)
        assert not np.allclose(paid(sources[-1], batch), before, rtol=0.01)
    np.testing.assert_allclose(*(paid(source, batch) for source in sources), rtol=1e-3)


@pytest.mark.parametrize("beta", [0.0, 0.25, 0.75])
def test_beta_of_ride_weighs_both_gradients_of_the_features(beta):
    """By differences, of the weights of two tokens: only states before a step have one, only those after it the other.

    The other is part of the forward loss's target, which is held fixed.
    """
    source = RIDE(RIDEConfig(beta=beta, proportion=1.0, width=8), surroundings("grid"))
    batch = made_up("grid", all_played=True, ends=1.0)
    batch.obs[..., 1], batch.next_obs[..., 1] = 1, 2
    found = []
    source.trainer.adam.step = found.append  # the weights stay as they are
    source.fit(batch)
    table = source.phi.net[0].table
    (place,) = [i for i, tensor in enumerate(source.trainer.adam.parameters.values()) if tensor is table]
    for row, share in ((3, beta), (4, 0.0)):  # place 0 has two tokens, so that these are tokens 1 and 2 of place 1
        for unit in range(8):
            losses = []
            for shift in (4e-3, -4e-3):
                table.data[row, unit] += shift
                losses.append(source.fit(batch))
                table.data[row, unit] -= shift
            inverse, forward = ((losses[0][key] - losses[1][key]) / 8e-3 for key in ("inverse_loss", "forward_loss"))
            assert found[0][place][row, unit].item() == pytest.approx((1 - beta) * inverse + share * forward, abs=2e-4)
        assert abs(forward) > 1e-3
