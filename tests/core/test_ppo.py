import dataclasses
import math

import numpy as np
import pydantic
import pytest
import torch
from core_worlds import ExtraReward, made_up, token_learner
from torch import nn

from selfplay.core.adam import Adam
from selfplay.core.config import PPOConfig
from selfplay.core.distributions import Categorical
from selfplay.core.ppo import Minibatch, normalised, ppo_loss
from selfplay.core.streams import Stream
from selfplay.rewards.task import TaskReward

NVEC = [8] * 20 + [5]


class FixedPolicy(nn.Module):
    """Gives sample b, whose observation is b in one-hot, row b of logits [B, A] and value [B, K]."""

    def __init__(self, logits, value):
        super().__init__()
        self.policy_head = nn.Linear(len(logits), len(logits[0]), bias=False)
        self.policy_head.weight = nn.Parameter(torch.tensor(logits).T.contiguous())
        self.values = nn.Parameter(torch.tensor(value))
        self.distribution = Categorical(len(logits[0]))
        self.log_std = None

    def forward(self, obs):
        return self.policy_head(obs), self.values


def two_samples():
    # π = (.5, .5) and (.8, .2); actions 0 and 1 with old probabilities .25 and .4: ρ = 2 and .5
    policy = FixedPolicy([[0.0, 0.0], [math.log(4), 0.0]], [[1.0], [3.0]])
    batch = Minibatch(
        obs=torch.eye(2),
        action=torch.tensor([0, 1]),
        log_prob=torch.tensor([math.log(0.25), math.log(0.4)]),
        advantage=torch.tensor([1.0, -1.0]),  # mean 0, variance 1: normalising changes nothing
        returns=torch.tensor([[2.0], [1.0]]),
        value=torch.tensor([[0.0], [3.0]]),
    )
    return policy, batch


def test_loss_of_two_samples_by_hand():
    policy, batch = two_samples()
    loss, metrics = ppo_loss(policy, batch, PPOConfig(clip=0.2, value_coef=0.5, entropy=0.1))
    # surrogate: min(2·1, 1.2·1) = 1.2 and min(.5·-1, .8·-1) = -.8, so -(1.2 - .8)/2 = -.2
    assert metrics["surrogate"].item() == pytest.approx(-0.2, abs=1e-6)
    # values 1 and 3, returns 2 and 1: ½(1 + 4)/2 = 1.25
    assert metrics["value_loss"].item() == pytest.approx(1.25)
    # entropies ln 2 = .693147 and -.8 ln .8 - .2 ln .2 = .500402, mean .596775
    assert metrics["entropy"].item() == pytest.approx(0.596775, abs=1e-6)
    # loss: -.2 + .5·1.25 - .1·.596775 = .365323
    assert loss.item() == pytest.approx(0.365323, abs=1e-6)
    # KL: (2 - 1 - ln 2 + .5 - 1 + ln 2)/2 = .25
    assert metrics["approx_kl"].item() == pytest.approx(0.25, abs=1e-6)
    assert metrics["clip_fraction"].item() == 1
    loss.backward()
    # Both ratios are beyond the clip on the side their advantage pushes to: only the entropy bonus moves the policy.
    # d(-.1·H/2)/dlogit_j = .05·p_j(ln p_j + H); sample 1: ln .8 + .500402 = .277258, times .8·.05 = .011090
    torch.testing.assert_close(
        policy.policy_head.weight.grad.T, torch.tensor([[0.0, 0.0], [0.011090, -0.011090]]), rtol=1e-4, atol=1e-6
    )
    # d/dv = .5·(v - R)/2 = -.25 and .5
    torch.testing.assert_close(policy.values.grad, torch.tensor([[-0.25], [0.5]]))


def test_clipped_value_loss_by_hand():
    policy, batch = two_samples()
    # V was 0 and 3, is 1 and 3. Clip .4: sample 0 counts as .4, (2 - .4)² = 2.56 > 1; sample 1 as 3, 4: ½·6.56/2 = 1.64
    loss, metrics = ppo_loss(policy, batch, PPOConfig(clip_value=0.4))
    assert metrics["value_loss"].item() == pytest.approx(1.64)
    loss.backward()
    assert policy.values.grad.flatten().tolist() == pytest.approx([0, 0.5])


def test_entropy_to_surrogate_by_hand():
    policy, batch = two_samples()
    batch = dataclasses.replace(batch, log_prob=torch.tensor([math.log(0.5), math.log(0.2)]))  # both ratios are 1
    _, metrics = ppo_loss(policy, batch, PPOConfig(entropy=0.1))
    # Surrogate to the logits, -A(1[a] - p)/2: (-.25, .25) and (-.4, .4), length √2·√(.25² + .4²) = .667083
    # Bonus: .05·p(ln p + H) = 0 and (.011090, -.011090), length .015684
    assert metrics["entropy_to_surrogate"].item() == pytest.approx(0.015684 / 0.667083, rel=1e-4)


def test_normalised():
    # mean 2, deviation 1
    assert normalised(torch.tensor([1.0, 3.0])).tolist() == pytest.approx([-1, 1])
    assert normalised(torch.tensor([5.0])).tolist() == [0]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"clip_value": 0.2, "normalise_over": "batch", "entropy": 0.1},
        {"normalise_advantage": False, "hidden": (32, 16), "max_grad_norm": 100.0, "epochs": 3},
    ],
    ids=["default", "clipped value", "other widths"],
)
@pytest.mark.parametrize("streams", [1, 2])
def test_fused_gradient_takes_the_steps_of_autograd(settings, streams):
    batch = made_up(12, 70, NVEC, streams)
    learners = [
        token_learner(
            NVEC,
            [Stream(TaskReward()), Stream(ExtraReward(), 0.5, 0.9)][:streams],
            fused=fused,
            minibatch_size=200,
            **settings,
        )
        for fused in (True, False)
    ]
    before = [parameter.clone() for parameter in learners[0].policy.parameters()]
    assert learners[0].fused
    assert not learners[1].fused
    one, other = (learner.update(batch) for learner in learners)
    assert one.keys() == other.keys()
    for key in one:
        assert one[key] == pytest.approx(other[key], rel=1e-4, abs=1e-6), key
    for start, p, q in zip(before, *(learner.policy.parameters() for learner in learners), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-5)
        assert not torch.equal(start, p)


@pytest.mark.parametrize("kernel", [True, False])
def test_adam_is_torchs(kernel):
    torch.manual_seed(0)
    module, twin = nn.Linear(30, 7), nn.Linear(30, 7)
    twin.load_state_dict(module.state_dict())
    ours, theirs = Adam(module), torch.optim.Adam(twin.parameters(), lr=0.01, eps=1e-5)
    x = torch.randn(5, 30)
    for _ in range(20):
        ours.gradient.zero_()
        (module(x) ** 2).sum().backward()
        norm = ours.gradient_norm()
        ours.step(0.01, 0.5, norm, kernel=kernel)
        theirs.zero_grad()
        (twin(x) ** 2).sum().backward()
        assert norm == pytest.approx(nn.utils.clip_grad_norm_(twin.parameters(), 0.5).item(), rel=1e-5)
        theirs.step()
    for p, q in zip(module.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clip": float("nan")}, "finite number"),
        ({"learning_rate": -1}, "greater than or equal to 0"),
        ({"gamma": 1.5}, "less than or equal to 1"),
        ({"klip": 0.1}, "Extra inputs are not permitted"),
        ({"hidden": ()}, "at least 1 item"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(pydantic.ValidationError, match=message):
        PPOConfig(**settings)


def test_sampling_follows_the_probabilities():
    # 20,000 draws from (.1, .6, .3): the standard error of a share is at most .0035
    logits = torch.log(torch.tensor([0.1, 0.6, 0.3])).expand(20_000, 3)
    categorical = Categorical(3)
    drawn = categorical.sample(logits, torch.Generator().manual_seed(0))
    shares = np.bincount(drawn.numpy(), minlength=3) / 20_000
    assert shares == pytest.approx([0.1, 0.6, 0.3], abs=0.015)
    assert categorical.mode(logits[:1]).item() == 1
