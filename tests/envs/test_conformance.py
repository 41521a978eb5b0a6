"""Every id under Gymnasium's own checker, the contract of vectorised environments, and stable-baselines3 on top."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from stable_baselines3 import PPO
from vector_contract import check_vector_env

import envs  # noqa: F401 (registers the ids)
from envs.grid.levels import LEVELS
from envs.grid.vector_env import GridVectorEnv
from envs.mujoco import MujocoVectorEnv
from envs.mujoco.worlds import WORLDS

NATIVE = [name for name, spec in LEVELS.items() if spec.has_native]
FAMILIES = {spec.family: name for name, spec in LEVELS.items() if spec.has_native}


@pytest.mark.filterwarnings("error", "ignore:.*out of date.*:DeprecationWarning")
@pytest.mark.parametrize("level", NATIVE)
def test_gymnasium_checks_every_id(level):
    check_env(gym.make(f"grid/{level}").unwrapped, skip_render_check=True)


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("level", FAMILIES.values())
def test_the_contract_of_vectorised_environments(level, mode):
    ends = check_vector_env(
        lambda num_envs, mode: GridVectorEnv(level, num_envs, max_steps=7, autoreset_mode=mode), mode, steps=24
    )
    assert ends >= 10


@pytest.mark.parametrize("observation", ["full", "both", "tokens"])
def test_the_contract_with_other_observations(observation):
    def make(num_envs: int, mode: AutoresetMode) -> GridVectorEnv:
        return GridVectorEnv("KeyCorridorS3R1-v0", num_envs, observation, 5, max_steps=5, autoreset_mode=mode)

    for mode in AutoresetMode:
        assert check_vector_env(make, mode, steps=12) >= 5


@pytest.mark.filterwarnings("ignore:.*A Box observation space m..imum value is:UserWarning")  # Gymnasium's own, too
@pytest.mark.filterwarnings("ignore:.*we recommend using a symmetric and normalized space:UserWarning")
@pytest.mark.parametrize("world", WORLDS)
def test_gymnasium_checks_every_mujoco_id(world):
    check_env(gym.make(f"mujoco/{world}").unwrapped, skip_render_check=True)


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("world", WORLDS)
def test_the_contract_in_mujoco(world, mode):
    ends = check_vector_env(
        lambda num_envs, mode: MujocoVectorEnv(world, num_envs, max_steps=7, autoreset_mode=mode), mode, steps=24
    )
    assert ends >= 10


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.slow
def test_stable_baselines3_trains_on_it():
    """Its policies take tokens as they are; a return that a random policy does not get shows that they carry."""
    env = gym.make("grid/Empty-5x5-v0", observation="tokens", max_steps=50)
    model = PPO("MlpPolicy", env, n_steps=256, batch_size=64, learning_rate=3e-3, seed=0, device="cpu")
    model.learn(4_000)
    returns = []
    for episode in range(10):
        observation, _ = env.reset(seed=episode)
        done, total = False, 0.0
        while not done:
            action, _ = model.predict(observation, deterministic=True)
            observation, reward, terminated, truncated, _ = env.step(int(action))
            total += float(reward)
            done = terminated or truncated
        returns.append(total)
    assert np.mean(returns) > 0.8  # the shortest way pays .91, a random policy gets about .2
