"""A run killed at random moments and rerun ends as one that was left alone."""

import random
import signal
import subprocess
import sys
import time

import pytest

from selfplay import checkpoint


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ppo", "alice-bob"])
def test_kill_minus_nine_at_five_random_moments(method, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"

    def command(run):
        return [
            sys.executable, "-m", "selfplay", "train", method, "--env", "grid/DoorKey-5x5-v0", "--steps", "1M",
            "--num-envs", "64", "--threads", "2", "--seed", "7", "--quiet", "--run-dir", str(run),
            "--checkpoint-every", "0.2", *(("--set", "game.target_share=0.25") if method == "alice-bob" else ()),
        ]  # fmt: skip

    subprocess.run(command(whole), check=True, capture_output=True)
    draw = random.Random(method)
    process = subprocess.Popen(command(broken), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(draw.uniform(0, 8))  # while it starts, or soon after
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    for _ in range(4):
        before = checkpoint.list_steps(broken / "checkpoints")
        process = subprocess.Popen(command(broken), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while checkpoint.list_steps(broken / "checkpoints") == before:
            assert process.poll() is None, "the run was over before it could be killed: make it longer"
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 1))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the run was over before it could be killed: make it longer"
    subprocess.run(command(broken), check=True, capture_output=True)
    ends = [checkpoint.load_latest(run / "checkpoints").path / "tensors.safetensors" for run in (whole, broken)]
    assert ends[0].read_bytes() == ends[1].read_bytes()
    for name in ("metrics.jsonl", "proposals.jsonl"):
        assert (whole / name).read_bytes() == (broken / name).read_bytes()
