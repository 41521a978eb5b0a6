"""Segments: where they are cut, and the files they are kept in."""

import dataclasses

import numpy as np
import pytest
import torch
from label_worlds import transitions

from curiosity.source import Rows
from selfplay.label.events import Comparison
from selfplay.label.pairs import alike, load_pairs
from selfplay.label.segments import ClipStore, Segments, cut, stack


def played(columns, done=()):
    """Columns of "x" (played), "." (not), "T" and "U" (played, terminated and truncated), one environment each."""
    letters = np.array([list(column) for column in columns]).T
    return transitions(
        np.ones(letters.shape),
        mask=torch.from_numpy(letters != "."),
        terminated=torch.from_numpy(letters == "T"),
        truncated=torch.from_numpy(letters == "U"),
    )


def steps_of(found):
    """Which steps (their numbers in time) each segment holds, from obs = time · N + environment."""
    return [found.steps.obs[found.steps.mask[:, m], m, 0].int().tolist() for m in range(found.steps.mask.shape[1])]


@pytest.mark.parametrize(
    ("column", "padded", "dropped"),
    [
        ("xxxxxxxxx", [[0, 1, 2], [3, 4, 5], [6, 7, 8]], [[0, 1, 2], [3, 4, 5], [6, 7, 8]]),
        ("xxxxTxxxx", [[2, 3, 4], [6, 7, 8]], [[2, 3, 4], [6, 7, 8]]),  # cut backwards from the ends
        ("xTxxxUxUx", [[0, 1], [3, 4, 5], [6, 7]], [[3, 4, 5]]),  # the last merely stopped with the batch
        ("Txx..xxx.", [[0], [1, 2], [5, 6, 7]], [[5, 6, 7]]),
        (".........", [], []),
        ("xxxxxxxxT", [[0, 1, 2], [3, 4, 5], [6, 7, 8]], [[0, 1, 2], [3, 4, 5], [6, 7, 8]]),
        ("xx......x", [[0, 1]], []),
        ("......xxT", [[6, 7, 8]], [[6, 7, 8]]),
        (".......xT", [[7, 8]], []),
    ],
)
def test_where_segments_are_cut(column, padded, dropped):
    batch = played([column])
    assert steps_of(cut(batch, 3)) == padded
    assert steps_of(cut(batch, 3, short="drop")) == dropped


def test_segments_hold_what_was_played_in_order_of_the_environments():
    batch = played(["xxTxxx", "xxxxxx"])
    position = np.arange(24).reshape(6, 2, 2)
    batch = dataclasses.replace(
        batch, channels={"state": Rows(batch.obs * 10, batch.next_obs * 10)}, action=torch.arange(12).view(6, 2)
    )
    found = cut(batch, 3, pictures={"position": position})
    assert steps_of(found) == [[0, 2, 4], [6, 8, 10], [1, 3, 5], [7, 9, 11]]
    assert (len(found), found.horizon) == (4, 3)
    assert found.steps.terminated.int().sum(0).tolist() == [1, 0, 0, 0]
    assert torch.equal(found.steps.action, found.steps.obs[..., 0].long())
    assert torch.equal(found.steps.next_obs, found.steps.obs + 0.5)
    assert torch.equal(found.steps.channel("state").next, found.steps.obs * 10 + 5)
    assert found.pictures["position"][:, 1].tolist() == position[3:6, 0].tolist()
    some = found.take([3, 0])
    assert steps_of(some) == [[7, 9, 11], [0, 2, 4]]
    assert some.pictures["position"][:, 0].tolist() == position[3:6, 1].tolist()


def test_what_is_not_there_is_zero():
    batch = played(["xT.x"])
    batch = dataclasses.replace(batch, task_reward=torch.full((4, 1), 3.0), obs=batch.obs + 7)
    found = cut(batch, 3).steps
    assert found.mask[:, 0].tolist() == [True, True, False]
    assert found.task_reward[:, 0].tolist() == [3, 3, 0]
    assert found.obs[:, 0, 0].tolist() == [7, 8, 0]


def test_bad_cuts_are_refused():
    with pytest.raises(ValueError, match="horizon must be at least 1 step, got 0"):
        cut(played(["xx"]), 0)
    with pytest.raises(ValueError, match="short must be 'pad' or 'drop', got 'keep'"):
        cut(played(["xx"]), 1, short="keep")
    with pytest.raises(ValueError, match=r"picture 'map' must begin with \[H, M\] = \[2, 1\], got \[3\]"):
        Segments(played(["xx"]), {"map": np.zeros(3)})


def test_clips_are_kept_by_their_content(tmp_path):
    store = ClipStore(tmp_path / "clips")
    batch = played(["xxxT", "xTxx"])
    batch = dataclasses.replace(batch, channels={"state": Rows(batch.obs * 2, batch.next_obs * 2)})
    found = cut(batch, 2, pictures={"grid": np.arange(8, dtype=np.uint8).reshape(4, 2)})
    ids = store.save(found)
    assert len(set(ids)) == len(ids) == 4
    assert store.ids() == sorted(ids)
    assert store.save(found.take([2, 0])) == [ids[2], ids[0]]
    assert len(store.ids()) == 4
    back = ClipStore(tmp_path / "clips").load([ids[3], ids[1]])
    one = found.take([3, 1])
    for name in ("obs", "action", "next_obs", "terminated", "truncated", "task_reward", "mask"):
        assert torch.equal(getattr(back.steps, name), getattr(one.steps, name))
        assert getattr(back.steps, name).dtype == getattr(one.steps, name).dtype
    assert torch.equal(back.steps.channel("state").now, one.steps.channel("state").now)
    np.testing.assert_array_equal(back.pictures["grid"], one.pictures["grid"])
    assert ClipStore(tmp_path / "other").save(back) == [ids[3], ids[1]]
    changed = dataclasses.replace(found, pictures={"grid": found.pictures["grid"] + np.uint8(1)})
    assert not set(store.save(changed)) & set(ids)


def test_a_clip_that_cannot_be_trusted_is_refused(tmp_path):
    store = ClipStore(tmp_path)
    ids = store.save(cut(played(["xxxx"]), 2))
    content = bytearray(store.path(ids[0]).read_bytes())
    content[-1] ^= 1
    store.path(ids[0]).write_bytes(content)
    with pytest.raises(ValueError, match=f"{ids[0]}.safetensors is damaged"):
        store.load(ids)
    with pytest.raises(ValueError, match="No such file"):
        store.load(["0" * 32])
    with pytest.raises(ValueError, match="is no id of a clip"):
        store.load(["../" + ids[1]])


def test_unlike_segments_are_not_stacked():
    two, three = cut(played(["xxxxxx"]), 2), cut(played(["xxxxxx"]), 3)
    assert steps_of(stack([two, two])) == steps_of(two) * 2
    with pytest.raises(ValueError, match=r"cannot be stacked: '.*' is .* in the first and .* in another"):
        stack([two, three])


def test_clips_of_several_lengths_are_padded_and_of_several_kinds_left_out(tmp_path):
    """A clip of 2 steps beside one of 3 has a third that counts nothing; one without the channel that is read is left
    out, one with another channel besides is not.
    """
    store = ClipStore(tmp_path)
    steps = played(["xxxxxx"])
    steps = dataclasses.replace(steps, channels={"state": Rows(steps.obs * 10, steps.next_obs * 10)})
    [two, *_], [three, *_] = (store.save(cut(steps, horizon)) for horizon in (2, 3))
    [bare, other, *_] = store.save(cut(dataclasses.replace(steps, channels={}), 3))
    more = dataclasses.replace(steps, channels=dict(steps.channels) | {"more": steps.channels["state"]})
    [rich, *_] = store.save(cut(more, 3))
    found = store.load([two, three]).steps
    assert found.mask.tolist() == [[True, True], [True, True], [False, True]]
    assert torch.equal(found.obs[:2, 0], cut(steps, 2).steps.obs[:, 0])
    assert not found.obs[2, 0].any()
    pairs = [(two, three), (three, rich), (bare, three), (bare, other)]
    said = [Comparison(one, other, 1.0, f"{n}", False, "anna") for n, (one, other) in enumerate(pairs)]
    assert alike(said, store, "state") == said[:2]
    assert alike(said, store) == said  # what the player saw is the same in all
    assert alike(said[2:], store, "state") == []
    assert len(load_pairs(said[:2], store, "state")) == 2


def test_comparisons_become_pairs_of_columns(tmp_path):
    store = ClipStore(tmp_path)
    found = cut(played(["xxxxxx"]), 2)
    a, b, c = store.save(found)
    compared = [
        Comparison(c, a, 1.0, "g", False, "anna"),
        Comparison(a, b, 0.5, "h", True, "anna"),
        Comparison(a, c, 0.0, "g", False, "bert"),
    ]
    pairs = load_pairs(compared, store)
    assert len(pairs) == 3
    for column, clip in ((pairs.left, [2, 0, 0]), (pairs.right, [0, 1, 2])):
        assert torch.equal(pairs.steps.obs[:, column], found.steps.obs[:, clip])
    assert pairs.target.tolist() == [1.0, 0.5, 0.0]
    assert pairs.group[0] == pairs.group[2] != pairs.group[1]
    assert pairs.where(pairs.held_out).target.tolist() == [0.5]
    with pytest.raises(ValueError, match="there are no comparisons yet"):
        load_pairs([], store)
    with pytest.raises(ValueError, match=r"group .* is held out in part"):
        load_pairs([compared[0], dataclasses.replace(compared[2], held_out=True)], store)
