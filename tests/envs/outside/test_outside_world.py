"""Environments of somebody else's, held against what Gymnasium itself gives."""

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import concatenate, create_empty_array

from envs.errors import OutsideError
from envs.outside.flat import FlatActions, FlatObservations
from envs.outside.spec import OutsideSpec, parse
from envs.outside.world import OutsideWorld


@pytest.fixture(autouse=True)
def strange(monkeypatch, request):
    monkeypatch.syspath_prepend(request.path.parent)


def world(name, num_envs=3, **settings):
    return OutsideWorld(parse(name), num_envs, **settings)


def stepped(one, action):
    rows = one.reset(0)
    next_obs, obs = np.empty_like(rows), np.empty_like(rows)
    reward, terminated, truncated = np.zeros(len(rows)), np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    while True:
        one.step(action, next_obs, obs, reward, terminated, truncated)
        yield next_obs.copy(), obs.copy(), reward.copy(), terminated.copy(), truncated.copy()


@pytest.mark.parametrize(
    "name",
    ["gymnasium:CartPole-v1", "gymnasium:FrozenLake-v1?is_slippery=false&map_name=%228x8%22", "a.b:ns/Id-v3?x=[1,2]"],
)
def test_name_is_read_and_written_again(name):
    spec = parse(name)
    assert parse(spec.id) == spec
    assert spec.kwargs.get("is_slippery") in (None, False)


@pytest.mark.parametrize(
    ("name", "words"),
    [("CartPole", "names no env"), (":X-v0", "names no"), ("a-b:X", "no module's"), ("a:X?y", "no list of arguments")],
)
def test_what_is_no_name(name, words):
    with pytest.raises(ValueError, match=words):
        parse(name)


def test_nearest_id_is_named():
    with pytest.raises(ValueError, match="did you mean strange_envs:strange/Count-v0"):
        world("strange_envs:strange/Cuont-v0")


SPACES = [
    spaces.Box(-1, 1, (2, 3), np.float64),
    spaces.Discrete(5, start=2),
    spaces.MultiBinary((2, 2)),
    spaces.MultiDiscrete([[2, 3], [4, 5]]),
    spaces.Dict({"b": spaces.Discrete(3), "a": spaces.Box(0, 1, (2,)), "c": spaces.Dict({"d": spaces.MultiBinary(3)})}),
    spaces.Tuple((spaces.Discrete(3), spaces.Box(0, 1, (2,)))),
]


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_flat_observations_are_gymnasiums(space):
    space.seed(1)
    flat = FlatObservations(space)
    single = [space.sample() for _ in range(4)]
    rows = flat(concatenate(space, single, create_empty_array(space, 4)))
    expected = np.stack([spaces.flatten(space, one) for one in single])
    assert rows.dtype == np.float32
    assert rows.shape == (4, flat.size)
    np.testing.assert_array_equal(rows, expected.astype(np.float32))
    assert all(flat.space.contains(row) for row in rows)


def test_tokens_stay_tokens_and_bytes_become_shares():
    tokens = FlatObservations(spaces.MultiDiscrete([3, 256], start=[1, 0]))
    assert tokens(np.array([[1, 255], [3, 0]])).tolist() == [[0, 255], [2, 0]]
    picture = FlatObservations(spaces.Box(0, 255, (1, 2), np.uint8))
    np.testing.assert_allclose(picture(np.array([[[0, 51]]], np.uint8)), [[0, 0.2]])
    assert picture.space.high.max() == 1


@pytest.mark.parametrize(
    "space", [spaces.Text(3), spaces.Sequence(spaces.Discrete(2)), spaces.Dict({"a": spaces.Text(3)})], ids=str
)
def test_spaces_without_numbers_are_refused(space):
    with pytest.raises(ValueError, match=r"text is not seen|no fixed size"):
        FlatObservations(space)


@pytest.mark.parametrize("space", [spaces.MultiDiscrete([2, 2]), spaces.Box(0, 5, (2,), np.int64)], ids=str)
def test_actions_without_a_distribution_are_refused(space):
    with pytest.raises(ValueError, match="expected Discrete or a Box of floats"):
        FlatActions(space)


def test_what_a_rollout_gets_is_what_one_environment_gives():
    name = "gymnasium:CartPole-v1"
    ours, actions = world(name, 2), np.random.default_rng(0).integers(0, 2, (300, 2))
    theirs = [gymnasium.make("CartPole-v1") for _ in range(2)]
    rows = ours.reset(7)
    expected = np.stack([env.reset(seed=7 + n)[0] for n, env in enumerate(theirs)])
    np.testing.assert_array_equal(rows, expected)
    next_obs, reward, ended, cut = np.empty_like(rows), np.zeros(2), np.zeros(2, bool), np.zeros(2, bool)
    episodes = 0
    for action in actions:
        ours.step(action, next_obs, rows, reward, ended, cut)
        for n, env in enumerate(theirs):
            observation, pay, terminated, truncated, _ = env.step(action[n])
            np.testing.assert_array_equal(next_obs[n], observation)
            assert (reward[n], ended[n], cut[n]) == (pay, terminated, truncated)
            if terminated or truncated:
                episodes += 1
                observation, _ = env.reset()
            np.testing.assert_array_equal(rows[n], observation)
    assert episodes > 10


def test_actions_begin_where_the_space_says():
    steps = stepped(world("strange_envs:strange/Count-v0", 1), np.array([1]))
    counts = [next(steps)[0][0, 2] for _ in range(2)]  # bits, count, parity: in the order of the keys
    assert counts[1] == counts[0] + 1


def test_text_is_left_out_and_named():
    one = world("strange_envs:strange/Count-v0")
    assert one.unseen == ["note"]
    assert one.observation_space.shape == (2 + 1 + 2,)


@pytest.mark.parametrize("final", ["array", "objects"])
def test_episodes_that_begin_anew_in_the_same_step(final):
    one = world(f"strange_envs:strange/Ladder-v0?final={final}", 2)
    steps = stepped(one, np.array([[1.0], [0.5]], np.float32))
    _, first, *_ = next(steps)
    next_obs, obs, reward, terminated, truncated = next(steps)
    assert first[:, 0].tolist() == [1, 0.5]
    assert next_obs[:, 0].tolist() == [2, 1]
    assert obs[:, 0].tolist() == [0, 1]
    assert terminated.tolist() == [True, False]
    assert not truncated.any()
    assert reward.tolist() == [1, 0.5]


def test_the_last_observation_must_be_there():
    steps = stepped(world("strange_envs:strange/Ladder-v0?final=none", 1), np.array([[1.0]], np.float32))
    next(steps)
    with pytest.raises(OutsideError, match="no 'final_obs'"):
        next(steps)


def test_vector_environment_that_loses_the_last_observation_is_refused():
    with pytest.raises(ValueError, match="loses the last observation"):
        world("strange_envs:strange/Ladder-v0?mode=next")
    with pytest.raises(ValueError, match="no vector entry point"):
        world("strange_envs:strange/Count-v0", vectorisation="own")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("nan", "environment 0, step 3: number 2 of the observation is nan"),
        ("reward", "environment 0, step 3: the reward is inf"),
        ("raise", r"step 3: RuntimeError: the sky fell \(.*strange_envs.py, line \d+\)"),
    ],
)
def test_faults_are_named(fault, words):
    steps = stepped(world(f"strange_envs:strange/Endless-v0?fault={fault}&goal=50", 2), np.array([1, 1]))
    next(steps), next(steps)
    with pytest.raises(OutsideError, match=f"^strange_envs:strange/Endless-v0.*{words}$"):
        next(steps)


def test_what_cannot_be_made_says_why():
    with pytest.raises(OutsideError, match="Unmade-v0: making it: OSError: no such plug"):
        world("strange_envs:strange/Unmade-v0")


def test_an_argument_that_is_not_taken_has_a_nearest_one():
    with pytest.raises(
        ValueError, match=r"^gymnasium:FrozenLake-v1 takes no argument 'is_slipery'; did you mean 'is_s"
    ):
        world("gymnasium:FrozenLake-v1?is_slipery=false")
    with pytest.raises(ValueError, match=r"takes no argument 'zzzz'; expected one of at, .*fault, goal, .*render_mode"):
        world("strange_envs:strange/Count-v0?zzzz=3")
    assert world("strange_envs:strange/Endless-v0?goal=99&max_episode_steps=5").num_envs == 3  # gymnasium.make's own
    with pytest.raises(OutsideError, match="unexpected keyword"):  # the constructor takes any, and fails
        world("strange_envs:strange/Crumbling-v0?colour=3", vectorisation="sync")


def test_state_begins_the_same_new_episodes():
    name = "gymnasium:CartPole-v1"
    first = world(name)
    steps = stepped(first, np.array([0, 1, 0]))
    for _ in range(5):
        next(steps)
    state = first.state_dict()
    rows = []
    for _ in range(2):
        again = world(name)
        again.load_state_dict(state)
        rows.append(again.reset(None))
    np.testing.assert_array_equal(*rows)
    assert not np.array_equal(rows[0], world(name).reset(0))


def test_pictures():
    frame = world("strange_envs:strange/Count-v0", 1, drawn=True)
    frame.reset(0)
    assert frame.frame(0).shape == (8, 10, 3)
    with pytest.raises(NotImplementedError, match="not made to be drawn"):
        world("strange_envs:strange/Count-v0", 1).frame(0)
    blank = world("strange_envs:strange/Ladder-v0", 1, drawn=True)
    with pytest.raises(NotImplementedError):
        blank.frame(0)


def test_spec_without_arguments_is_its_plain_name():
    assert OutsideSpec("gymnasium", "CartPole-v1").id == "gymnasium:CartPole-v1"
