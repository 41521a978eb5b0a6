import dataclasses

import numpy as np
import pytest
import torch
from core_worlds import made_up

from selfplay.core.advantages import advantages, advantages_reference, estimate

TABLE = pytest.mark.parametrize("form", [advantages, advantages_reference], ids=["kernel", "torch"])


def column(*numbers, dtype=torch.float32):
    """[T, 1, 1]"""
    return torch.tensor(numbers, dtype=dtype)[:, None, None]


@TABLE
def test_worked_arithmetic(form):
    # gamma .5, lambda .5. Step 1 terminates, step 3 is truncated, step 4 is the last one and goes on after the batch.
    #   δ0 = 1 + .5·2 - 1 = 1     δ1 = 2 + 0 - 2 = 0     δ2 = 0 + .5·4 - 2 = 0    δ3 = 1 + .5·6 - 4 = 0
    #   δ4 = 3 + .5·2 - 1 = 3
    #   A4 = 3    A3 = δ3 = 0 (cut)    A2 = 0 + .25·0 = 0    A1 = δ1 = 0 (cut)    A0 = 1 + .25·0 = 1
    reward, value = column(1, 2, 0, 1, 3), column(1, 2, 2, 4, 1)
    next_value = column(2, 9, 4, 6, 2)  # 9: of a terminal state, must not count; 6: the cut episode's true successor
    terminated = column(0, 1, 0, 0, 0, dtype=torch.bool)
    done = column(0, 1, 0, 1, 0, dtype=torch.bool)
    got = form(reward, value, next_value, terminated, done, torch.tensor([0.5]), 0.5)
    assert got[:, 0, 0].tolist() == [1, 0, 0, 0, 3]


@TABLE
def test_the_trace_adds_up(form):
    # gamma .9, lambda .5, γλ = .45, values 0: A2 = 4, A1 = 2 + .45·4 = 3.8, A0 = 1 + .45·3.8 = 2.71
    zero = torch.zeros(3, 1, 1)
    done = zero.bool()
    got = form(column(1, 2, 4), zero, zero, zero.bool(), done, torch.tensor([0.9]), 0.5)
    torch.testing.assert_close(got[:, 0, 0], torch.tensor([2.71, 3.8, 4.0]))


@TABLE
def test_streams_have_their_own_discount_and_end(form):
    # One step that terminates, V' = 10: the episodic stream sees 1 - 0, the other 1 + .5·10 = 6.
    reward, value = torch.ones(1, 1, 2), torch.zeros(1, 1, 2)
    terminated = torch.tensor([[[True, False]]])
    done = torch.ones(1, 1, 2, dtype=torch.bool)
    got = form(reward, value, value + 10, terminated, done, torch.tensor([0.99, 0.5]), 0.95)
    assert got.flatten().tolist() == [1, 6]


def test_kernel_equals_torch():
    generator = torch.Generator().manual_seed(0)
    steps, envs, streams = 17, 131, 3
    reward, value, next_value = (torch.randn(steps, envs, streams, generator=generator) for _ in range(3))
    done = torch.rand(steps, envs, streams, generator=generator) < 0.2
    terminated = (torch.rand(steps, envs, streams, generator=generator) < 0.5) & done
    arguments = (reward, value, next_value, terminated, done, torch.tensor([0.99, 0.9, 1.0]), 0.95)
    torch.testing.assert_close(advantages(*arguments), advantages_reference(*arguments), rtol=1e-6, atol=1e-6)


def test_nothing_leaks_across_a_cut():
    reward = column(1, torch.nan, 1)
    zero = torch.zeros(3, 1, 1)
    done = column(1, 1, 0, dtype=torch.bool)
    for form in (advantages, advantages_reference):
        got = form(reward, zero, zero, zero.bool(), done, torch.tensor([0.9]), 0.9)
        assert got[0].item() == 1
        assert got[2].item() == 1


def test_shapes_are_checked():
    zero = torch.zeros(3, 2, 1)
    with pytest.raises(ValueError, match=r"must be \[T, N, K\] alike"):
        advantages(zero, zero, zero, torch.zeros(3, 2, dtype=torch.bool), zero.bool(), torch.ones(1), 0.9)
    with pytest.raises(ValueError, match=r"expected gamma \[1\]"):
        advantages(zero, zero, zero, zero.bool(), zero.bool(), torch.ones(2), 0.9)


def test_an_endless_stream_goes_on_with_the_next_episode_and_its_trace():
    # One environment, γ .5, λ .5, rewards 1 2 4, values 2 4 6; step 0 terminates, what comes after it is worth 100.
    #   episodic:  A2 = 4 + .5·8 - 6 = 2    A1 = 2 + .5·6 - 4 + .25·2 = 1.5    A0 = 1 + 0 - 2 = -1
    #   endless:   A2, A1 the same          A0 = 1 + .5·4 - 2 + .25·1.5 = 1.375
    batch = made_up(3, 1, np.array([4]))
    ended = column(1, 0, 0, dtype=torch.bool)[..., 0]
    batch = dataclasses.replace(batch, terminated=ended, truncated=torch.zeros_like(ended))
    reward, value = (column(*numbers).expand(3, 1, 2) for numbers in ((1, 2, 4), (2, 4, 6)))
    following = column(100, 100, 8).expand(3, 1, 2)
    half = torch.tensor([0.5, 0.5])
    got = estimate(batch, reward, value, lambda where: following[where], half, torch.tensor([True, False]), 0.5)
    assert got[:, 0].T.tolist() == [[-1, 1.5, 2], [1.375, 1.5, 2]]
    # Truncated instead: the episodic one asks for the value of what came, 1 + .5·100 - 2 = 49; the endless one does not
    batch = dataclasses.replace(batch, terminated=batch.truncated, truncated=ended)
    got = estimate(batch, reward, value, lambda where: following[where], half, torch.tensor([True, False]), 0.5)
    assert got[0, 0].tolist() == [49, 1.375]
    # The next row was not played: there is nothing to go on with but what came.
    batch = dataclasses.replace(batch, mask=column(1, 0, 1, dtype=torch.bool)[..., 0])
    got = estimate(batch, reward, value, lambda where: following[where], half, torch.tensor([True, False]), 0.5)
    assert got[0, 0].tolist() == [49, 49]
