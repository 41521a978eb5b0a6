import gymnasium
import numpy as np
import pytest
import torch
from torch.nn import functional as F

from selfplay.core.encoders import BagEncoder, VectorEncoder, encoder_for
from selfplay.core.policy import ActorCritic


def tokens_like(nvec, batch, seed=0, seen=0.4):
    rng = np.random.default_rng(seed)
    tokens = rng.integers(0, nvec, (batch, len(nvec)), dtype=np.uint8)
    return torch.from_numpy(tokens * (rng.random(tokens.shape) < seen).astype(np.uint8))


def one_hot(encoder, tokens):
    """The definition: a linear layer over one-hot tokens, those of token 0 left out."""
    parts, start = [], 0
    for p, size in enumerate(encoder.sizes.tolist()):
        hot = F.one_hot(tokens[:, p].long(), size).float()
        hot[:, 0] = 0
        parts.append(hot @ encoder.table[start : start + size])
        start += size
    return sum(parts) + encoder.bias


@pytest.mark.parametrize("method", ["forward", "plain"])
@pytest.mark.parametrize(("width", "batch"), [(64, 200), (5, 33)])
@pytest.mark.parametrize("nvec", [[3], [64] * 49 + [5, 7], [2, 256, 9], list(np.arange(400) % 11 + 2)], ids=len)
def test_value_and_gradient_equal_the_definition(nvec, width, batch, method):
    torch.manual_seed(0)
    encoder = BagEncoder(np.array(nvec), width)
    for seed in range(2):  # twice: nothing may be left in the scratch
        tokens = tokens_like(nvec, batch, seed)
        weight = torch.randn(batch, width)
        expected = one_hot(encoder, tokens)
        expected_gradient = torch.autograd.grad((expected * weight).sum(), [encoder.table, encoder.bias])
        got = getattr(encoder, method)(tokens)
        got_gradient = torch.autograd.grad((got * weight).sum(), [encoder.table, encoder.bias])
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)
        for one, other in zip(got_gradient, expected_gradient, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
        assert not got_gradient[0][encoder.offsets.long()].any(), "the rows of token 0 are never used"


@pytest.mark.parametrize("method", ["forward", "plain"])
def test_tokens_out_of_range_are_refused(method):
    encoder = BagEncoder(np.array([3, 4]), 8)
    with pytest.raises(ValueError, match="2 observation tokens are out of range"):
        getattr(encoder, method)(torch.tensor([[3, 3], [0, 4]], dtype=torch.uint8))


def test_wrong_observations_are_refused():
    encoder = BagEncoder(np.array([3, 4]), 8)
    with pytest.raises(ValueError, match=r"must be uint8 \[B, 2\], got torch.int64 \[1, 2\]"):
        encoder(torch.zeros(1, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"1 to 256 each"):
        BagEncoder(np.array([257]), 8)


def test_the_encoder_follows_the_observation_space():
    assert isinstance(encoder_for(gymnasium.spaces.MultiDiscrete([3, 4]), 8), BagEncoder)
    assert isinstance(encoder_for(gymnasium.spaces.Box(-1, 1, (5,)), 8), VectorEncoder)
    with pytest.raises(ValueError, match="no encoder for observation space Discrete"):
        encoder_for(gymnasium.spaces.Discrete(3), 8)
    with pytest.raises(ValueError, match="no distribution for action space MultiBinary"):
        ActorCritic(gymnasium.spaces.Box(-1, 1, (5,)), gymnasium.spaces.MultiBinary(2), (8,), 1)


def test_shapes_of_the_policy():
    policy = ActorCritic(gymnasium.spaces.Box(-1, 1, (5,)), gymnasium.spaces.Discrete(3), (8, 6, 4), 2)
    logits, value = policy(torch.zeros(9, 5))
    assert logits.shape == (9, 3)
    assert value.shape == (9, 2)
