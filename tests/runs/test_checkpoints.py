"""Checkpoints: every dtype comes back, damage is noticed, and a kill at any moment leaves a whole one."""

import json
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from selfplay import checkpoint
from selfplay.errors import UserError

NUMPY = [
    "bool",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "int8",
    "int16",
    "int32",
    "int64",
    "float16",
    "float32",
    "float64",
]
TORCH = [*NUMPY, "bfloat16"]


def bits(array):
    return array.dtype.str, array.shape, array.tobytes()


def test_every_numpy_dtype_comes_back_bit_for_bit(tmp_path):
    random_bytes = np.random.default_rng(0).integers(0, 256, 8 * 12, np.uint8).tobytes()
    tensors = {}
    for dtype in NUMPY:
        array = (
            np.frombuffer(random_bytes, "uint8")[:12] % 2 == 1
            if dtype == "bool"
            else np.frombuffer(random_bytes, dtype)[:12]
        )
        tensors |= {
            dtype: array.reshape(3, 4),
            f"{dtype}.T": array.reshape(3, 4).T,
            f"{dtype}.0": array[:0],
            f"{dtype}.()": array[3],
        }
    checkpoint.save(tmp_path, 5, tensors, {})
    back = checkpoint.load_latest(tmp_path).tensors
    assert back.keys() == tensors.keys()
    for name, array in tensors.items():
        assert isinstance(back[name], np.ndarray)
        assert bits(back[name]) == bits(np.asarray(array)), name
        assert back[name].flags.writeable


def test_every_torch_dtype_comes_back(tmp_path):
    tensors = {dtype: torch.arange(6).reshape(2, 3).to(getattr(torch, dtype)) for dtype in TORCH}
    tensors["scalar"] = torch.tensor(2.5)
    tensors["parameter"] = torch.nn.Parameter(torch.randn(4, 4).t())
    checkpoint.save(tmp_path, 5, tensors, {})
    back = checkpoint.load_latest(tmp_path).tensors
    for name, tensor in tensors.items():
        assert isinstance(back[name], torch.Tensor)
        assert back[name].dtype == tensor.dtype
        assert back[name].shape == tensor.shape
        assert torch.equal(back[name], tensor.detach()), name


def test_generator_states_go_on_where_they_were(tmp_path):
    generator, rng = torch.Generator().manual_seed(3), np.random.default_rng(3)
    rng.random(5), torch.rand(5, generator=generator)
    checkpoint.save(tmp_path, 1, {"torch": generator.get_state()}, {"numpy": rng.bit_generator.state, "x": 0.1 + 0.2})
    expected = rng.random(3), torch.rand(3, generator=generator)
    back = checkpoint.load_latest(tmp_path)
    generator, rng = torch.Generator(), np.random.default_rng()
    generator.set_state(back.tensors["torch"])
    rng.bit_generator.state = back.meta["numpy"]
    assert (rng.random(3) == expected[0]).all()
    assert torch.equal(torch.rand(3, generator=generator), expected[1])
    assert back.meta["x"] == 0.1 + 0.2


@pytest.mark.parametrize(
    ("tensors", "meta", "message"),
    [
        ({"a": [1, 2]}, {}, "'a' is list"),
        ({"a": np.array(["x"])}, {}, "'a' has dtype <U1"),
        ({"a": np.zeros(2, complex)}, {}, "'a' has dtype complex128"),
        ({}, {"a": float("nan")}, "meta is not JSON"),
        ({}, {"a": object()}, "meta is not JSON"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_nothing_is_written(tmp_path, tensors, meta, message):
    with pytest.raises(ValueError, match=message):
        checkpoint.save(tmp_path, 5, tensors, meta)
    assert not list(tmp_path.iterdir())


def test_the_last_three_are_kept(tmp_path):
    for step in (10, 20, 30, 40, 50):
        checkpoint.save(tmp_path, step, {"a": np.array(step)}, {})
    assert checkpoint.list_steps(tmp_path) == [50, 40, 30]
    assert sorted(path.name for path in (tmp_path / "step_000000050").iterdir()) == [
        "manifest.json",
        "meta.json",
        "tensors.safetensors",
    ]


def test_saving_again_replaces_and_drops_what_lay_ahead(tmp_path):
    for step in (10, 20, 30):
        checkpoint.save(tmp_path, step, {"a": np.array(step)}, {})
    checkpoint.save(tmp_path, 20, {"a": np.array(-1)}, {})
    assert checkpoint.list_steps(tmp_path) == [20, 10]
    assert checkpoint.load_latest(tmp_path).tensors["a"] == -1
    assert len(list(tmp_path.iterdir())) == 2


def test_no_checkpoints_is_no_error(tmp_path):
    assert checkpoint.load_latest(tmp_path / "none") is None


@pytest.mark.parametrize("name", ["tensors.safetensors", "meta.json", "manifest.json"])
def test_a_flipped_bit_anywhere_is_noticed(tmp_path, name, capsys):
    for step in (10, 20):
        checkpoint.save(tmp_path, step, {"a": np.arange(50) + step}, {"note": "x" * 50})
    path = tmp_path / "step_000000020" / name
    content = path.read_bytes()
    places = random.Random(0).sample(range(len(content)), 40)
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        assert checkpoint.load_latest(tmp_path).step == 10, place
        (warning,) = capsys.readouterr().err.splitlines()
        assert warning.startswith(f"warning: checkpoint {path.parent} is damaged ({name}: ")
        assert warning.endswith("; using step_000000010 in its place")
    path.write_bytes(content)
    assert checkpoint.load_latest(tmp_path).step == 20
    assert not capsys.readouterr().err


def test_shortened_missing_and_all_damaged(tmp_path, capsys):
    for step in (10, 20, 30):
        checkpoint.save(tmp_path, step, {"a": np.arange(50)}, {})
    (tmp_path / "step_000000030/meta.json").unlink()
    path = tmp_path / "step_000000020/tensors.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    assert checkpoint.load_latest(tmp_path).step == 10
    first, second = capsys.readouterr().err.splitlines()
    assert "step_000000030 is damaged (meta.json: No such file or directory); using step_000000010" in first
    assert "step_000000020 is damaged (tensors.safetensors: " in second
    (tmp_path / "step_000000010").rename(tmp_path / "step_000000011")
    with pytest.raises(UserError, match=r"no checkpoint can be used: .*000030 .*; .*000020 .*; .*000011 is damaged"):
        checkpoint.load_latest(tmp_path)


LOOP = """
import sys, numpy as np
from pathlib import Path
from selfplay import checkpoint
from selfplay.jsonfile import JsonLines

folder, end = Path(sys.argv[1]), int(sys.argv[2])
saved = checkpoint.load_latest(folder / "checkpoints")
rng, x, step = np.random.default_rng(7), np.zeros(200_000), 0
folder.mkdir(exist_ok=True)
log = JsonLines(folder / "metrics.jsonl", saved.meta["offset"] if saved else 0)
if saved:
    rng.bit_generator.state, x, step = saved.meta["rng"], saved.tensors["x"], saved.step
print("ready", flush=True)
while step < end:
    x += rng.random(x.shape)
    step += 1
    log.write({"step": step, "sum": x.sum()})
    if step % 3 == 0:
        meta = {"rng": rng.bit_generator.state, "offset": log.sync()}
        checkpoint.save(folder / "checkpoints", step, {"x": x}, meta)
log.close()
"""


def loop(folder, end):
    return [sys.executable, "-c", LOOP, str(folder), str(end)]


def test_killed_at_random_moments_a_run_ends_with_the_same_bytes(tmp_path):
    end = 240
    subprocess.run(loop(tmp_path / "whole", end), check=True, capture_output=True)
    moments, killed = random.Random(1), 0
    for _ in range(5):
        process = subprocess.Popen(
            loop(tmp_path / "broken", end), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0.02, 0.25))
        process.kill()
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
    assert killed >= 3
    last = subprocess.run(loop(tmp_path / "broken", end), check=True, capture_output=True, text=True)
    assert "damaged" not in last.stderr
    for name in ("metrics.jsonl", "checkpoints/step_000000240/tensors.safetensors"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    assert len(list((tmp_path / "broken/checkpoints").iterdir())) == checkpoint.KEEP
    lines = (tmp_path / "broken/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == list(range(1, end + 1))


def test_a_kill_between_any_two_system_calls_leaves_a_whole_checkpoint(tmp_path, monkeypatch):
    """The writer dies at its n-th call that changes the disk, for every n."""

    class Killed(BaseException):
        pass

    for died_at in range(1, 40):
        folder = tmp_path / str(died_at)
        for step in (10, 20, 30):
            checkpoint.save(folder, step, {"a": np.array(step)}, {})
        calls = 0

        def counted(function, died_at=died_at):
            def call(*args, **options):
                nonlocal calls
                calls += 1
                if calls == died_at:
                    raise Killed
                return function(*args, **options)

            return call

        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", counted(checkpoint.os.fsync))
            patch.setattr("pathlib.Path.rename", counted(type(folder).rename))
            patch.setattr("pathlib.Path.mkdir", counted(type(folder).mkdir))
            patch.setattr("shutil.rmtree", counted(checkpoint.shutil.rmtree))
            try:
                checkpoint.save(folder, 30 if died_at % 2 else 40, {"a": np.array(-1)}, {})
                finished = True
            except Killed:
                finished = False
        back = checkpoint.load_latest(folder)
        assert back is not None
        assert back.tensors["a"] in (20, 30, -1)
        checkpoint.save(folder, 50, {"a": np.array(50)}, {})
        assert checkpoint.load_latest(folder).step == 50
        assert len(list(folder.iterdir())) == checkpoint.KEEP
        if finished and died_at > 12:
            break
    else:
        pytest.fail("the writer never finished")
