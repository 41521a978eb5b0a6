"""Gradient steps: Adam as in its paper, and none that is not finite."""

import numpy as np
import pytest
import torch
from curiosity_worlds import made_up, same, surroundings
from torch import nn

from curiosity.config import ForwardConfig, LearnedConfig
from curiosity.forward import Forward
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
