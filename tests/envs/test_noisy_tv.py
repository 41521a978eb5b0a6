"""The noisy television: against MiniGrid's own view, and against a twin of the same world without one."""

from __future__ import annotations

import numba as nb
import numpy as np
import pytest

from envs.grid import symbols
from envs.grid.interop import LoadedLevel
from envs.grid.levels import LEVELS, level_spec, rules
from envs.grid.state import DIRECTION, STEPS, TARGET_X, X, Y
from envs.grid.tv import NoisyTV, with_tv
from envs.grid.tv_kernels import SHOWN, sign
from envs.grid.world import GridWorld
from envs.noisy_tv import TVSpec

ROOMS = ["FourRooms-v0", "MultiRoom-N2-S4-v0", "MultiRoom-N4-S5-v0", "DoorKey-6x6-v0"]
N = 24
DONE = 6


def make(level: str, tv: str, seed: int = 5, hidden: bool = False, num_envs: int = N, view_size: int = 7, channels=()):
    world = GridWorld(level_spec(level), num_envs, view_size=view_size, channels=channels)
    made = with_tv(world, TVSpec.parse(tv), seed, hidden)
    assert isinstance(made, NoisyTV)
    return made


def outputs(world) -> list[np.ndarray]:
    count, width = world.num_envs, world.row_width
    rows = [np.full((count, width), 255, np.uint8) for _ in range(2)]
    return [*rows, np.zeros(count), np.zeros(count, bool), np.zeros(count, bool)]


def played(world, actions: np.ndarray, seed: int | None = 9):
    """First rows, then what every step wrote: copies."""
    yield [world.reset(seed)] if seed is not None else []
    out = outputs(world)
    for action in actions:
        world.step(action, *out)
        yield [part.copy() for part in out]


def part(world, rows: np.ndarray, name: str) -> np.ndarray:
    return rows[:, world.columns[name]]


def views(world, rows: np.ndarray, name: str = "shown") -> np.ndarray:
    """[N, V, V] symbols."""
    size = world.layout.view_size
    return part(world, rows, name)[:, world.layout.slices["view"]].reshape(-1, size, size)


def walking(steps: int, num_actions: int = 7, num_envs: int = N, seed: int = 0) -> np.ndarray:
    """Mostly forward, so that doors are met and worlds are seen."""
    rng = np.random.default_rng(seed)
    actions = rng.integers(num_actions, size=(steps, num_envs))
    return np.where(rng.random((steps, num_envs)) < 0.4, 2, actions)


def test_off_is_the_world_itself():
    world = GridWorld(level_spec("FourRooms-v0"), 2)
    assert with_tv(world, TVSpec.parse("off"), 0) is world
    assert with_tv(world, TVSpec.parse("off"), 0, hidden=True) is world


@pytest.mark.parametrize("level", ROOMS)
@pytest.mark.parametrize("trigger", ["none", "sham", "every-step", "remote"])
@pytest.mark.parametrize("hidden", [False, True])
def test_dynamics_are_those_of_the_world_without_it(level, trigger, hidden):
    tv = make(level, f"{trigger},k30,quadrant,spot", hidden=hidden, channels=("position", "state"))
    bare = GridWorld(level_spec(level), N, channels=("position", "state"))
    actions = walking(150, tv.action_space.n)
    assert tv.action_space.n == 7 + (trigger in ("sham", "remote"))
    without = np.where(actions == tv.press_action, DONE, actions)  # nothing in these levels
    ended = 0
    for ours, theirs in zip(played(tv, actions), played(bare, without), strict=True):
        for got, wanted in zip(ours[2:], theirs[2:], strict=True):
            np.testing.assert_array_equal(got, wanted)
        for name in ("cells", "agent", "stream"):
            np.testing.assert_array_equal(getattr(tv.state, name), getattr(bare.engine.state, name))
        for got, wanted in zip(ours[:2], theirs[:2], strict=False):
            np.testing.assert_array_equal(part(tv, got, "clean"), part(bare, wanted, "obs"))
            for name in ("position", "state"):
                np.testing.assert_array_equal(part(tv, got, name), part(bare, wanted, name))
            np.testing.assert_array_equal(part(tv, got, "obs"), part(tv, got, "clean" if hidden else "shown"))
            for name, column in tv.columns.items():
                assert (got[:, column] < tv.channel_spaces[name].nvec).all()
        ended += int(np.sum(ours[3:5])) if len(ours) > 1 else 0
    if level != "DoorKey-6x6-v0":  # which lasts 360 steps
        assert ended > 0


def reference_place(tv: NoisyTV, n: int, spot: int) -> tuple[int, int] | None:
    """Column and row of the television in the view of world n, by MiniGrid."""
    spec, state = tv.engine.spec, tv.state
    env = LoadedLevel(spec, tv.engine.max_steps, tv.layout.view_size, state.cells[n], state.agent[n])
    x, y = divmod(spot, spec.height)
    if not env.in_view(x, y):
        return None
    column, row = env.relative_coords(x, y)
    mask = env.gen_obs_grid()[1]
    return (column, row) if mask[column, row] else None


@pytest.mark.parametrize("level", ROOMS)
@pytest.mark.parametrize("extent", ["cell", "quadrant", "view"])
@pytest.mark.parametrize("view_size", [5, 7])
def test_it_is_seen_where_minigrid_sees_its_wall_and_touches_just_its_extent(level, extent, view_size):
    tv = make(level, f"every-step,iid,{extent},spot", num_envs=8, view_size=view_size)
    half = view_size // 2
    seen = steps = 0
    for out in played(tv, walking(40, num_envs=8, seed=3)):
        rows = out[0] if len(out) == 1 else out[1]
        spots = tv.state_dict()["tv.spot"]
        painted, clean = views(tv, rows), views(tv, rows, "clean")
        for n in range(8):
            place = reference_place(tv, n, int(spots[n]))
            steps += 1
            assert part(tv, rows, "tv")[n] == 1 + (place is not None)
            touched = np.zeros((view_size, view_size), bool)
            if place is not None:
                seen += 1
                assert symbols.TRIPLE[clean[n][place], 0] == symbols.WALL
                column, row = place
                if extent == "cell":
                    touched[place] = True
                elif extent == "view":
                    touched[:] = True
                else:
                    columns = range(half + 1) if column <= half else range(half, view_size)
                    lines = range(half + 1) if row <= half else range(half, view_size)
                    touched[np.ix_(columns, lines)] = True
                assert (painted[n][touched] != 0).all()
            np.testing.assert_array_equal(painted[n][~touched], clean[n][~touched])
        behind = slice(view_size**2, None)
        np.testing.assert_array_equal(part(tv, rows, "shown")[:, behind], part(tv, rows, "clean")[:, behind])
    assert 0.02 < seen / steps < 1


@pytest.mark.parametrize("level", [*ROOMS, "LavaGapS5-v0", "KeyCorridorS3R1-v0"])
def test_it_hangs_on_any_wall_beside_where_one_can_walk(level):
    count = 512
    tv = make(level, "none,frozen,cell,spot", num_envs=count)
    tv.reset(0)
    first = tv.state.take(slice(None))
    tv.state.put(slice(None), first.take(np.zeros(count, int)))  # one level many times: the choice among its walls
    cells, agent = first.cells[0], first.agent[0]
    open_cells = {(int(agent[X]), int(agent[Y]))}
    while True:  # by repeated dilation
        near = {(x + i, y + j) for x, y in open_cells for i, j in ((1, 0), (-1, 0), (0, 1), (0, -1))}
        free = {p for p in near if cells[p] & 15 in (symbols.EMPTY, symbols.FLOOR) or cells[p] == symbols.DOOR}
        if free <= open_cells:
            break
        open_cells |= free
    walls = {p for p in near if cells[p] & 15 == symbols.WALL}
    twin = make(level, "none,frozen,cell,spot", num_envs=count)
    twin.world.reset = lambda seed: None  # keep the copied level
    twin.state.put(slice(None), tv.state)
    twin.reset(1)
    spots = twin.state_dict()["tv.spot"]
    hung = {tuple(divmod(int(spot), tv.engine.spec.height)) for spot in spots}
    assert hung <= walls
    expected = count / len(walls)
    found = np.unique(spots, return_counts=True)[1]
    chi = ((found - expected) ** 2 / expected).sum() + expected * (len(walls) - len(found))
    freedom = len(walls) - 1
    assert chi < freedom + 5 * np.sqrt(2 * freedom)


def test_six_pictures_are_equally_likely():
    tv = make("FourRooms-v0", "every-step,k6,view,everywhere", num_envs=64)
    pictures = np.concatenate([views(tv, out[0]) for out in played(tv, walking(80, num_envs=64))]).reshape(-1, 49)
    _, found = np.unique(pictures, axis=0, return_counts=True)
    assert len(found) == 6
    expected = len(pictures) / 6
    assert ((found - expected) ** 2 / expected).sum() < 20.5  # 5 degrees of freedom, p = .001
    # One step says nothing of the next.
    at = np.unique(pictures, axis=0, return_inverse=True)[1].reshape(-1, 64)
    again = (at[1:] == at[:-1]).mean()
    assert abs(again - 1 / 6) < 4 * np.sqrt(5 / 36 / at[1:].size)


def test_noise_takes_all_symbols_equally_often():
    tv = make("FourRooms-v0", "every-step,iid,view,everywhere", num_envs=64)
    tokens = np.concatenate([views(tv, out[0]).ravel() for out in played(tv, walking(40, num_envs=64))])
    kinds, found = np.unique(tokens, return_counts=True)
    np.testing.assert_array_equal(kinds, SHOWN)
    assert len(kinds) == 61 - 1 - 4  # the vocabulary, without "unseen" and the agent's four directions
    expected = len(tokens) / len(kinds)
    assert ((found - expected) ** 2 / expected).sum() < 93.2  # 55 degrees of freedom, p = .001


@pytest.mark.parametrize("extent", ["quadrant", "view"])
def test_unseen_pictures_never_repeat_in_any_environment(extent):
    tv = make("MultiRoom-N2-S4-v0", f"every-step,unseen,{extent},everywhere", num_envs=64)
    side = 4 if extent == "quadrant" else 7
    shown = [views(tv, out[0])[:, :side, :side] for out in played(tv, walking(150, num_envs=64))]
    pictures = np.concatenate(shown).reshape(-1, side * side)
    assert len(np.unique(pictures, axis=0)) == len(pictures)
    assert (pictures != 0).all()
    # Structured: far fewer kinds of symbols than noise would have.
    kinds = np.array([len(np.unique(picture)) for picture in pictures])
    assert kinds.mean() < 14


def test_the_number_in_a_picture_can_be_told_from_any_other():
    numbers = np.concatenate([np.arange(20_000), 56**8 - 1 - np.arange(20_000)])
    canvas = np.zeros(16, np.uint8)
    signs = set()
    for number in numbers:
        sign(canvas, number, 12345)
        signs.add(canvas.tobytes())
    assert len(signs) == len(numbers)


@pytest.mark.parametrize("trigger", ["none", "sham", "every-step", "remote"])
def test_frozen_is_one_picture_for_good(trigger):
    tv = make("MultiRoom-N2-S4-v0", f"{trigger},frozen,quadrant,everywhere")
    shown = [views(tv, out[0])[:, :4, :4] for out in played(tv, walking(60, tv.action_space.n))]
    assert len(np.unique(np.concatenate(shown).reshape(-1, 16), axis=0)) == 1
    other = make("MultiRoom-N2-S4-v0", f"{trigger},frozen,quadrant,everywhere", seed=6)
    assert (views(other, other.reset(9))[0, :4, :4] != shown[0][0]).any()


@pytest.mark.parametrize("trigger", ["none", "sham", "every-step", "remote"])
@pytest.mark.parametrize("place", ["spot", "everywhere"])
def test_pictures_change_when_the_trigger_says_and_the_successor_shows_the_old_level(trigger, place):
    tv = make("MultiRoom-N2-S4-v0", f"{trigger},unseen,view,{place}", num_envs=64)
    actions = walking(80, tv.action_space.n, 64)
    before = None
    ends = kept = 0
    for t, out in enumerate(played(tv, actions)):
        canvas = tv.state_dict()["tv.canvas"]
        if t > 0:
            successor, rows, _, terminated, truncated = out
            ended = terminated | truncated
            changes = np.full(64, trigger == "every-step") | ((actions[t - 1] == 7) & (trigger == "remote"))
            np.testing.assert_array_equal((canvas != before).any(1), changes | ended)
            seen = part(tv, successor, "tv")[:, 0] == 2
            left = seen & ended & ~changes  # the old level's last picture, though the canvas has another by now
            np.testing.assert_array_equal(views(tv, successor).reshape(64, 49)[left], before[left])
            now = part(tv, rows, "tv")[:, 0] == 2
            np.testing.assert_array_equal(views(tv, rows).reshape(64, 49)[now], canvas[now])
            np.testing.assert_array_equal(successor[~ended], rows[~ended])
            ends, kept = ends + int((seen & ended).sum()), kept + int(left.sum())
        before = canvas
    assert ends > 0
    assert kept > 0 or trigger == "every-step"


def test_the_successor_of_the_last_step_sees_the_old_levels_spot():
    text = "none,k30,cell,spot"
    tv, old = make("MultiRoom-N2-S4-v0", text, num_envs=64), make("MultiRoom-N2-S4-v0", text, num_envs=1)
    reward, flags = np.zeros(1), [np.zeros(1, bool) for _ in range(2)]
    out = outputs(tv)
    tv.reset(9)
    checked = 0
    for action in walking(150, num_envs=64):
        before, spots = tv.state.take(slice(None)), tv.state_dict()["tv.spot"]
        tv.step(action, *out)
        for n in np.flatnonzero(out[3] | out[4]):
            old.state.put(slice(None), before.take([n]))
            old.engine.step(action[n : n + 1], reward, *flags)
            place = reference_place(old, 0, int(spots[n]))
            assert part(tv, out[0], "tv")[n] == 1 + (place is not None)
            checked += place is not None
    assert checked > 3


def test_the_screen_of_ride():
    tv = make("MultiRoom-N4-S5-v0", "ride", num_envs=64)
    assert tv.press_action == 7
    colours = []
    for out in played(tv, np.full((60, 64), 7)):
        rows = out[-1] if len(out) == 1 else out[1]
        differs = views(tv, rows) != views(tv, rows, "clean")
        assert (differs.sum((1, 2)) == (part(tv, rows, "tv")[:, 0] == 2)).all()
        shown = symbols.TRIPLE[views(tv, rows)[differs]]
        assert (shown[:, 0] == symbols.BALL).all()
        colours += shown[:, 1].tolist()
    found = np.bincount(colours)
    assert len(found) == 6
    assert ((found - len(colours) / 6) ** 2 / (len(colours) / 6)).sum() < 20.5


def test_everywhere_is_the_far_left_cell_or_quadrant():
    for extent, side in (("cell", 1), ("quadrant", 4), ("view", 7)):
        tv = make("FourRooms-v0", f"every-step,iid,{extent},everywhere")
        ever = np.zeros((7, 7), bool)
        for out in played(tv, walking(60)):
            assert (part(tv, out[0], "tv") == 2).all()
            ever |= (views(tv, out[0]) != views(tv, out[0], "clean")).any(0)
        assert ever[:side, :side].all()
        assert ever.sum() == side * side


@pytest.mark.parametrize("content", ["k30", "iid", "unseen"])
def test_threads_change_nothing_and_a_resumed_run_goes_on(content):
    text = f"remote,{content},view,spot"
    count = 700
    actions = walking(40, 8, count)
    tv = make("MultiRoom-N2-S4-v0", text, num_envs=count)
    whole = list(played(tv, actions))
    before = nb.get_num_threads()
    nb.set_num_threads(1)
    try:
        again = list(played(make("MultiRoom-N2-S4-v0", text, num_envs=count), actions))
    finally:
        nb.set_num_threads(before)
    for one, other in zip(whole, again, strict=True):
        for got, wanted in zip(one, other, strict=True):
            np.testing.assert_array_equal(got, wanted)
    first = make("MultiRoom-N2-S4-v0", text, num_envs=count)
    list(played(first, actions[:20]))
    later = make("MultiRoom-N2-S4-v0", text, num_envs=count)
    later.load_state_dict(first.state_dict())
    for one, other in zip(list(played(later, actions[20:], None))[1:], whole[21:], strict=True):
        for got, wanted in zip(one, other, strict=True):
            np.testing.assert_array_equal(got, wanted)
    for name, array in later.state_dict().items():
        np.testing.assert_array_equal(array, tv.state_dict()[name])


def test_worlds_do_not_depend_on_how_many_there_are():
    few, many = (make("FourRooms-v0", "every-step,iid,view,spot", num_envs=count) for count in (3, 40))
    actions = walking(30, num_envs=40)
    for one, other in zip(played(few, actions[:, :3]), played(many, actions), strict=True):
        for got, wanted in zip(one, other, strict=True):
            np.testing.assert_array_equal(got, wanted[:3])


def one_level_of_each_rule() -> list[str]:
    found = {}
    for spec in LEVELS.values():
        if spec.can_draw and not spec.pooled:
            found.setdefault(spec.rule, spec.id)
    return sorted(found.values())


@pytest.mark.parametrize("level", one_level_of_each_rule())
def test_a_press_takes_a_step_and_does_nothing_else(level):
    spec = level_spec(level)
    tv = make(level, "sham,frozen,view,everywhere")
    assert tv.press_action == spec.num_actions
    press = np.full(N, tv.press_action)
    out = outputs(tv)
    tv.reset(0)
    rng = np.random.default_rng(1)
    for _ in range(60):
        tv.step(rng.integers(spec.num_actions, size=N), *out)
        before = tv.state.take(slice(None))
        tv.step(press, *out)
        going = ~out[4]
        assert not out[3].any()
        assert (out[2] == 0).all()
        before.agent[:, STEPS] += 1
        if spec.rule == rules.RULE_OBSTACLES:  # balls walk by themselves
            before.agent[:, TARGET_X] = 0
        else:
            np.testing.assert_array_equal(tv.state.cells[going], before.cells[going])
        np.testing.assert_array_equal(tv.state.agent[going], before.agent[going])
        assert going.any()


def test_what_a_television_says_of_its_rows():
    tv = make("DoorKey-6x6-v0", "ride", hidden=True, channels=("position",))
    assert tv.columns == {
        "obs": slice(0, 50), "shown": slice(50, 100), "clean": slice(0, 50), "tv": slice(100, 101),
        "position": slice(101, 103),
    }  # fmt: skip
    assert tv.row_width == 103
    assert set(tv.channel_spaces) == set(tv.pixels) == set(tv.columns)
    assert tv.channel_spaces["shown"] == tv.observation_space
    assert tv.channel_spaces["tv"].nvec.tolist() == [3]
    rows = tv.reset(0)
    np.testing.assert_array_equal(part(tv, rows, "position"), 1 + tv.state.agent[:, [X, Y]])
    direction = part(tv, rows, "obs")[:, tv.layout.slices["direction"]][:, 0]
    np.testing.assert_array_equal(direction, 1 + tv.state.agent[:, DIRECTION])


@pytest.mark.parametrize("text", ["off", "ride", "remote,k30,view,everywhere", "none,frozen,cell,spot",
                                  "every-step,unseen,quadrant,spot", "sham,iid,cell,everywhere"])  # fmt: skip
def test_text_goes_there_and_back(text):
    assert str(TVSpec.parse(text)) == text
    assert TVSpec.parse(str(TVSpec.parse(text))) == TVSpec.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("remotely,k30,view,spot", "TV: trigger is 'remotely', .*nearest is 'remote'"),
        ("remote,k30,views,spot", "TV: extent is 'views', .*nearest is 'view'"),
        ("remote,k30,view,spots", "TV: place is 'spots', .*nearest is 'spot'"),
        ("remote,frosen,view,spot", "TV: content is 'frosen', .*nearest is 'frozen'"),
        ("remote,k1,view,spot", "TV: content is 'k1'"),
        ("remote,k5000,view,spot", "k2 to k4096"),
        ("rides", "TV: 'rides' is none of off, ride; nearest is 'ride'"),
        ("remote,k30,view", "has 3 words, expected trigger,content,extent,place"),
        ("remote,unseen,cell,spot", "too few symbols never to repeat"),
        ("remote,balls,view,spot", "expected extent 'cell'"),
    ],
)
def test_wrong_words_are_one_line(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        TVSpec.parse(text)
    assert "\n" not in str(caught.value)


def test_what_does_not_fit_a_world_is_one_line():
    spec = level_spec("DoorKey-6x6-v0")
    with pytest.raises(ValueError, match="the policy sees full, direction, expected 'view'"):
        with_tv(GridWorld(spec, 2, ("full", "direction")), TVSpec.parse("ride"), 0)
    with pytest.raises(ValueError, match="k60 in one cell, expected at most k56"):
        with_tv(GridWorld(spec, 2), TVSpec.parse("none,k60,cell,spot"), 0)
    with pytest.raises(ValueError, match="a quadrant of this view has 4"):
        with_tv(GridWorld(spec, 2, view_size=3), TVSpec.parse("none,unseen,quadrant,spot"), 0)
    with pytest.raises(ValueError, match="TV: seed is -1"):
        with_tv(GridWorld(spec, 2), TVSpec.parse("ride"), -1)
    for text, most in (("ride", 7), ("none,k6,cell,spot", 6)):
        tv = with_tv(GridWorld(spec, 2), TVSpec.parse(text), 0)
        tv.reset(0)
        with pytest.raises(ValueError, match=f"action of environment 1 is 8, expected 0 to {most}"):
            tv.step(np.array([0, 8]), *outputs(tv))
    hallway = next(one for one in LEVELS.values() if one.rule == rules.RULE_HALLWAY)
    tv = with_tv(GridWorld(hallway, 2), TVSpec.parse("ride"), 0)
    tv.reset(0)
    with pytest.raises(ValueError, match="action of environment 0 is 7, expected 0 to 2"):
        tv.step(np.array([7, 0]), *outputs(tv))
    with pytest.raises(ValueError, match=r"the state has no 'tv\.stream'"):
        tv.load_state_dict(tv.world.state_dict())


def test_fixed_hangs_in_one_place_where_the_layout_never_changes():
    found = set()
    for seed in range(8):
        tv = make("Empty-8x8-v0", "remote,k6,cell,fixed", seed=seed, num_envs=8)
        places = []
        for _ in range(3):
            tv.reset(None)
            places += tv.state_dict()["tv.spot"].tolist()
        assert len(set(places)) == 1
        found |= set(places)
    assert len(found) > 3  # the television's seed says where
