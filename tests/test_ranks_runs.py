"""One run over two processes, started by torchrun: what it leaves behind, how it stops, and that it survives a kill."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from selfplay import checkpoint
from selfplay.errors import UserError
from selfplay.evaluate import load_run, run_evaluation
from selfplay.finetune import run_finetune
from selfplay.ranks import _attempt
from selfplay.sharing import merged, own_state, shard
from selfplay.stages.ppo_settings import GridStageConfig
from selfplay.train import run_training

ROOT = Path(__file__).resolve().parent.parent
SMALL = {"num_envs": "16", "rollout_steps": "16", "eval_episodes": "8", "ppo.minibatch_size": "64"}


def start(run, steps, *options, restarts=0, **settings):
    """A run of two ranks in the folder `run`."""
    sets = [f"--set={key}={value}" for key, value in (SMALL | settings).items()]
    return subprocess.Popen(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
            f"--max-restarts={restarts}", "-m", "selfplay", "train", "ppo", "--env", "grid/Empty-5x5-v0", "--seed", "3",
            "--steps", str(steps), "--threads", "1", "--run-dir", str(run), "--quiet", *sets, *options,
        ],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process):
    """Its exit code and what it said."""
    said = process.communicate(timeout=600)[1]
    return process.returncode, said


def ranks_of(process):
    """The process ids of its ranks, the first of them first."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
    pairs = [tuple(map(int, line.split())) for line in table.splitlines()]
    return sorted(pid for pid, parent in pairs if parent == process.pid)


def wait_for_checkpoint(run, process, beyond):
    """Until there is one of more than `beyond` steps."""
    while not any(step > beyond for step in checkpoint.list_steps(run / "checkpoints")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)


def newest(run):
    return checkpoint.load_latest(run / "checkpoints")


def same_bits(one, other):
    return one.keys() == other.keys() and all((one[key] == other[key]).all() for key in one)


def test_a_run_of_two_ranks_and_what_can_be_done_with_it(tmp_path):
    run = tmp_path / "run"
    rewards = {"rewards": "task=1,rnd=0.1,counts=0.1", "bonus.counts.reads": "position"}
    code, said = ended(start(run, 1024, **rewards))
    assert code == 0, said
    saved = newest(run)
    first, second = (own_state(saved.tensors, rank) for rank in range(2))
    assert saved.step == 1024
    assert first.keys() == second.keys()
    assert len(first["rollout/episode_length"]) == 8  # half of the 16 worlds
    others = {key.removeprefix("rank1/") for key in saved.tensors if key.startswith("rank1/")}
    assert {"learner/generator", "rollout/obs", "world/stream"} <= others  # what differs, and nothing that was learnt
    assert not any(key.startswith(("learner/policy", "learner/adam", "learner/source")) for key in others)
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in metrics] == [0, 256, 512, 768, 1024]
    assert metrics[-1]["train/played_steps"] == 256
    assert json.loads((run / "config.json").read_text())["config"]["ranks"] == 2

    assert run_evaluation(run, episodes=8, as_json=True)["trained_steps"] == 1024
    assert load_run(run)[0].world.num_envs == 8
    child = run_finetune(
        run, steps=256, run_dir=tmp_path / "child", threads=1, quiet=True, pictures=False,
        overrides=SMALL | {"leash.beta": "0.1"},
    )  # fmt: skip
    assert newest(child).step == 256
    with pytest.raises(UserError, match="was started with 2 processes, this is 1"):
        run_training(
            "ppo", "grid/Empty-5x5-v0", steps=2048, seed=3, run_dir=run, threads=1, quiet=True,
            overrides=SMALL | rewards,
        )  # fmt: skip


@pytest.mark.slow
def test_kill_minus_nine_of_either_rank(tmp_path):
    """torchrun starts both again, they go on from the last checkpoint and end with the bits of an unbroken run."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    steps = 40_000
    code, said = ended(start(whole, steps, eval_episodes="0"))
    assert code == 0, said
    process, reached = start(broken, steps, "--checkpoint-every", "0", restarts=3, eval_episodes="0"), 0
    for which in (1, 0):
        wait_for_checkpoint(broken, process, reached)
        victims = ranks_of(process)
        assert len(victims) == 2
        reached = checkpoint.list_steps(broken / "checkpoints")[0]
        assert reached < steps, "the run was over before it could be killed: make it longer"
        os.kill(victims[which], signal.SIGKILL)
    code, said = ended(process)
    assert code == 0, said
    assert same_bits(newest(whole).tensors, newest(broken).tensors)
    assert (whole / "metrics.jsonl").read_bytes() == (broken / "metrics.jsonl").read_bytes()


@pytest.mark.slow
def test_sigterm_to_one_rank_stops_all_after_a_common_checkpoint(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    code, said = ended(start(whole, 20_000))
    assert code == 0, said
    process = start(broken, 20_000, "--checkpoint-every", "0", restarts=3)
    wait_for_checkpoint(broken, process, 0)
    os.kill(ranks_of(process)[1], signal.SIGTERM)
    code, said = ended(process)
    assert code == 0, said
    assert "stopping: saving after this update" in said
    assert 0 < newest(broken).step < 20_000
    code, said = ended(start(broken, 20_000))
    assert code == 0, said
    assert same_bits(newest(whole).tensors, newest(broken).tensors)


@pytest.mark.slow
def test_what_cannot_be_is_one_line(tmp_path):
    for settings, words in (
        ({"rewards": "preferences=1", "labels.horizon": "8"}, "rewards: 'preferences' is taught in one process, got 2"),
        ({"num_envs": "15"}, "num_envs: 15 worlds cannot be shared out to 2 processes, expected a multiple"),
    ):
        code, said = ended(start(tmp_path / "run", 1024, **settings))
        assert code != 0
        assert f"error: {words}\n" in said
        assert not (tmp_path / "run").exists()


def test_worlds_are_shared_out_equally():
    settings = GridStageConfig(num_envs=12)
    assert shard(settings, 3).num_envs == 4
    assert shard(settings, 1) is settings
    with pytest.raises(UserError, match="num_envs: 12 worlds cannot be shared out to 5 processes"):
        shard(settings, 5)


def test_numbers_of_two_ranks_by_hand():
    class Other:
        rank, size = 0, 2

        def to_first(self, data):
            there = {"rollout/return": 1.0, "rollout/episodes": 3.0, "train/loss": 4.0, "train/played_steps": 8.0}
            return [data, json.dumps(there | {"coverage/positions": 0.5}).encode()]

    here = {"rollout/return": 5.0, "rollout/episodes": 1.0, "train/loss": 2.0, "train/played_steps": 8.0}
    assert merged(Other(), here) == {
        "rollout/return": 2.0, "rollout/episodes": 4.0, "train/loss": 3.0, "train/played_steps": 16.0,
        "coverage/positions": 0.5,
    }  # fmt: skip


def test_a_restarted_run_does_not_meet_the_dead():
    """The store still has all that an earlier attempt left; only those that are alive agree on the new name."""
    from torch.distributed import HashStore

    store = HashStore()
    names = []
    for _ in range(3):
        with ThreadPoolExecutor(3) as pool:
            futures = [pool.submit(_attempt, store, rank, 3) for rank in (2, 1)]
            time.sleep(0.1)  # they have read the name of the last attempt by now
            futures.append(pool.submit(_attempt, store, 0, 3))
            found = {future.result(timeout=60) for future in futures}
        assert len(found) == 1
        names += found
    assert len(set(names)) == 3
