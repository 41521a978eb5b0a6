"""`selfplay bench`: its arithmetic, its processes, and what it prints and writes. Nothing here depends on speed."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib import pyplot

from selfplay.bench import busy as busy_module
from selfplay.bench import envs, report, scaling, train
from selfplay.bench.contender import Contender, Unavailable
from selfplay.bench.figure import draw_leash
from selfplay.bench.knee import call_cost, knee
from selfplay.bench.profile import PARTS, shares
from selfplay.cli import main
from selfplay.errors import UserError


def invoke(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def silent(_):
    pass


# --- arithmetic


def test_knee_is_where_doubling_stops_paying():
    counts = [64, 128, 256, 512, 1024]
    assert knee(counts, [10, 20, 40, 43, 45]) == 256
    assert knee(counts, [10, 20, 40, 80, 160]) is None
    assert knee(counts, [10, 10, 10, 10, 10]) == 64
    assert knee(counts, [10, 20, 18, 21, 21]) == 128  # a slow moment does not make an early knee …
    assert knee(counts, [10, 9, 30, 31, 31]) == 256
    assert knee(counts, [10, 20, 40, 44, 45]) == 512  # 10 % is not less than 10 %


def test_knee_counts_doublings_where_counts_grow_fourfold():
    assert knee([64, 256, 1024], [100, 120, 140]) == 64  # 1.2 < 1.1² = 1.21
    assert knee([64, 256, 1024], [100, 122, 140]) == 256


def test_knee_needs_a_rate_for_every_count():
    with pytest.raises(ValueError, match="2 counts and 1 rates"):
        knee([1, 2], [1.0])


def test_call_cost_is_found_again():
    counts = [64, 256, 4096]
    rates = [count / (50e-6 + count * 200e-9) for count in counts]
    assert call_cost(counts, rates) == pytest.approx((50e-6, 200e-9))


def test_medians_leave_out_the_unknown():
    assert report.median([3.0, None, 1.0, math.nan, 2.0]) == 2
    assert math.isnan(report.median([]))


def test_ratio_is_the_median_over_rounds_not_of_medians():
    assert report.ratio([10.0, 100.0, 30.0], [1.0, 50.0, 10.0]) == 3  # of 10, 2, 3; medians would give 30 / 10 too
    assert report.ratio([8.0, 2.0, 9.0], [1.0, 2.0, 9.0]) == 1
    assert math.isnan(report.ratio([], []))


def test_figures_have_three_digits():
    cells = [1234567.0, 999.4, 0.01234, 4096, None, math.nan, "text"]
    assert [report.cell(one) for one in cells] == ["1,230,000", "999", "0.0123", "4,096", "", "", "text"]


def test_markdown_has_every_column_of_any_row():
    assert report.markdown([{"a": 1}, {"b": "x"}]).splitlines() == [
        "| a | b |",
        "| --- | --- |",
        "| 1 |  |",
        "|  | x |",
    ]


def test_thread_counts():
    assert scaling.thread_counts(1) == [1]
    assert scaling.thread_counts(6) == [1, 2, 4, 6]
    assert scaling.thread_counts(8) == [1, 2, 4, 8]


def test_summary_takes_medians_over_seeds_and_seconds_only_of_successes():
    ours = [{"seed": k, "steps": 100, "seconds": s, "success": 0.97} for k, s in enumerate((1.0, 2.0, 4.0))]
    peer = [{"seed": 0, "steps": 50, "seconds": 5.0, "success": None}]
    about = {"seconds": 0.0, "threads": 1}
    mine = train.summary("selfplay", ours, about, ours, None)
    theirs = train.summary("peer", peer, about, ours, None)
    assert (mine["trained steps/s"], mine["seconds to success"], mine["seeds solved"]) == (50, 2, "3 of 3")
    assert (theirs["trained steps/s"], theirs["selfplay / it"], theirs["seeds solved"]) == (10, 10, "0 of 1")
    assert math.isnan(theirs["seconds to success"])


# --- processes

MODULE = """
import sys
from selfplay.bench.worker import serve
def missing():
    import no_such_package_anywhere
def fails():
    raise ValueError("two\\nlines")
def ends():
    print("last words", file=sys.stderr)
    sys.exit(3)
def talks(n):
    print("noise on stdout")
    return n + 1
serve({"missing": missing, "fails": fails, "ends": ends, "talks": talks})
"""


@pytest.fixture
def contender(tmp_path, monkeypatch):
    (tmp_path / "bench_test_worker.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Contender("bench_test_worker") as started:
        yield started


def test_answers_survive_what_a_package_prints(contender):
    assert [contender.ask("talks", n=1), contender.ask("talks", n=2)] == [2, 3]


def test_what_goes_wrong_is_one_line_and_the_next_call_works(contender):
    with pytest.raises(Unavailable, match=r"^not installed: no_such_package_anywhere$"):
        contender.ask("missing")
    with pytest.raises(Unavailable, match=r"^failed: ValueError: two lines$"):
        contender.ask("fails")
    assert contender.ask("talks", n=1) == 2
    with pytest.raises(Unavailable, match=r"^ended with exit code 3: last words$"):
        contender.ask("ends")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="processors cannot be chosen here")
def test_contender_is_bound_to_its_processors(tmp_path, monkeypatch):
    code = "import os\nfrom selfplay.bench.worker import serve\n"
    (tmp_path / "bench_test_bound.py").write_text(code + "serve({'mine': lambda: len(os.sched_getaffinity(0))})")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Contender("bench_test_bound", threads=1) as bound:
        assert bound.ask("mine") == 1


def test_interpreter_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="cannot start"):
        Contender("selfplay.bench.ours", python=str(tmp_path / "python"))


def test_busy_processes_run_inside_and_are_gone_afterwards(monkeypatch):
    started = []
    popen = busy_module.subprocess.Popen
    monkeypatch.setattr(busy_module.subprocess, "Popen", lambda *a: started.append(popen(*a)) or started[-1])
    with busy_module.busy(2):
        assert [process.poll() for process in started] == [None, None]
    assert len(started) == 2
    assert all(process.poll() is not None for process in started)


def test_limit_study_reads_the_last_rate(tmp_path):
    script = tmp_path / "study.py"
    script.write_text("import sys; print('1k steps/s'); print('median', sys.argv[1], 'steps/s | more')")
    assert train.study_rate(f"{script} 1250k") == 1.25e6
    assert train.study_rate(f"{script} 1.5M") == 1.5e6
    with pytest.raises(UserError, match="printed no 'steps/s'"):
        train.study_rate(f"{tmp_path / 'none.py'}")


# --- the commands


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("envs --peers envpol", "error: --peers: unknown peer 'envpol'; did you mean 'envpool'?\n"),
        ("train --peers sb", "error: --peers: unknown peer 'sb'; did you mean 'sb3'?\n"),
        ("envs --env grid/DorKey-8x8-v0", "DoorKey-8x8-v0"),
        ("train --env nothing --peers", "error: --env: "),
        ("envs --env mujoco/Antt-v5", "error: --env: unknown world 'mujoco/Antt-v5'; nearest is 'mujoco/Ant-v5'"),
        ("envs --env mujoco/Ant-v5 --peers navix", "error: --peers: unknown peer 'navix'"),
        ("train --env mujoco/Ant-v5", "error: --env: mujoco/Ant-v5 is not for this command, expected a grid world"),
        ("envs --rounds 2", "error: Invalid value for '--rounds': 2 is not in the range x>=3.\n"),
        ("envs --threads 100000", "error: --threads: 100000 is out of range"),
        ("envs --peer-python envpool", "error: --peer-python: 'envpool' is not PEER=PATH\n"),
        ("envs --peer-python envpool=/nowhere/python", "error: --peer-python: '/nowhere/python' cannot be run\n"),
        ("envs --all --peers", "error: --all measures every level, ours alone: leave out --env, --peers and --busy\n"),
        ("envs --all --env grid/Empty-5x5-v0", "error: --all measures every level, ours alone"),
        ("envs --json /proc/none/x.json", "error: --json: the folder of '/proc/none/x.json' cannot be made"),
        ("scaling --figure /proc", "error: --figure: '/proc' cannot be written\n"),
        ("envs --peers minigrid --peer-python navix=/bin/sh", "error: --peer-python: navix is not among --peers\n"),
        ("envs --peers --peer-python navix=/tmp", "error: --peer-python: '/tmp' cannot be run\n"),
        ("train --limit-study nothing.py", "error: --limit-study: there is no file 'nothing.py'\n"),
        ("train --set ppo.clop=1", "clip"),
        ("scaling --most 64", "error: --most: 64 is out of range (expected at least 128)\n"),
        ("env", "error: unknown command 'env'; did you mean 'envs'?\n"),
    ],
)
def test_mistakes_are_one_line(line, complaint):
    done = invoke("bench", *line.split())
    assert done.exit_code == 2
    assert done.output.count("\n") == 1
    assert complaint in done.output


def test_envs_prints_a_table_and_writes_json_and_a_missing_peer_is_a_row(monkeypatch, tmp_path):
    monkeypatch.setattr(envs, "TRIAL_SECONDS", 0.01)
    sync = envs.PEERS["minigrid, SyncVectorEnv"]
    fake = envs.Peer("minigrid", ("no-such-package",), {"kind": "sync"})
    monkeypatch.setattr(envs, "PEERS", {"minigrid, SyncVectorEnv": sync, "the missing": fake})
    out = tmp_path / "deep" / "envs.json"
    line = f"bench envs --num-envs 64 --rounds 3 --seconds 0.02 --threads 1 --busy 1 --peers minigrid --json {out}"
    done = invoke(*line.split())
    assert done.exit_code == 0, done.output
    assert 'the missing: not installed: no-such-package; pip install -c constraints.txt -e ".[bench]"' in done.output
    written = json.loads(out.read_text())
    ours, peer, missing = written["rows"]
    assert (ours["who"], peer["who"], missing["who"]) == ("selfplay", "minigrid, SyncVectorEnv", "the missing")
    assert {name: len(rates) for name, rates in written["rates"].items()} == {ours["who"]: 3, peer["who"]: 3}
    assert ours["steps/s"] == sorted(written["rates"]["selfplay"])[1]
    assert peer["selfplay / it"] == report.ratio(*(written["rates"][row["who"]] for row in (ours, peer)))
    assert len(written["rates_beside_busy"]["selfplay"]) == 3
    assert written["machine"]["cores"] >= 1
    assert written["contenders"]["minigrid, SyncVectorEnv"]["versions"]["minigrid"] == "3.2.0"
    assert written["contenders"]["minigrid, SyncVectorEnv"]["mode"]["num_envs"] in (8, 64, 512)


def test_envs_of_mujoco_stand_beside_its_own_batch_and_gymnasium(monkeypatch, tmp_path):
    monkeypatch.setattr(envs, "TRIAL_SECONDS", 0.01)
    out = tmp_path / "envs.json"
    line = (
        f"bench envs --env mujoco/Reacher-v5 --num-envs 32 --rounds 3 --seconds 0.02 --threads 1 --json {out} --peers"
    )
    done = invoke(*line.split(), "mujoco,gymnasium")
    assert done.exit_code == 0, done.output
    written = json.loads(out.read_text())
    assert [row["who"] for row in written["rows"]] == ["selfplay", "mujoco.batch, bare", "gymnasium, SyncVectorEnv"]
    assert all(row["steps/s"] > 0 for row in written["rows"])
    assert [written["contenders"][row["who"]]["mode"]["num_envs"] for row in written["rows"][:2]] == [32, 32]


def test_envs_all_has_a_row_for_every_level(monkeypatch, tmp_path):
    from envs.grid import levels

    some = {name: levels.LEVELS[name] for name in ("DoorKey-8x8-v0", "MultiRoom-N6-v0")}
    monkeypatch.setattr(levels, "LEVELS", some)
    out = tmp_path / "all.json"
    done = invoke(*f"bench envs --all --num-envs 16 --rounds 3 --seconds 0.01 --threads 1 --json {out}".split())
    assert done.exit_code == 0, done.output
    rows = json.loads(out.read_text())["rows"]
    assert {row["env"] for row in rows} == {"grid/DoorKey-8x8-v0", "grid/MultiRoom-N6-v0"}
    assert rows[0]["steps/s"] <= rows[1]["steps/s"]
    assert f"the slowest: {rows[0]['env']}" in done.output


@pytest.mark.slow
def test_train_prints_a_table_and_writes_json(tmp_path):
    out = tmp_path / "train.json"
    line = f"bench train --env DoorKey-5x5-v0 --seeds 2 --limit 1k --no-cold --threads 1 --json {out}"
    done = invoke(*line.split(), "--set", "num_envs=16", "--set", "rollout_steps=16", "--set", "eval_episodes=8")
    assert done.exit_code == 0, done.output
    written = json.loads(out.read_text())
    assert [one["steps"] for one in written["runs"]["selfplay"]] == [1024, 1024]
    assert written["rows"][0]["seeds solved"] == "0 of 2"
    assert {part for part, _, _ in PARTS} < set(written["profile_seconds"])
    assert "loss and gradient" in done.output


def test_scaling_measures_every_point_and_draws(tmp_path):
    figure, out = tmp_path / "scaling.png", tmp_path / "scaling.json"
    scaling.run(
        "grid/Empty-5x5-v0", num_envs=64, threads=1, rounds=3, seconds=0.01, counts=(64, 256),
        sides={"MultiRoom, 4 rooms": (15,)}, figure=figure, json_path=out, say=silent,
    )  # fmt: skip
    written = json.loads(out.read_text())
    assert [(row["worlds"], row["threads"]) for row in written["by_worlds"]] == [(64, 1), (256, 1)]
    assert [(row["level"], row["side"]) for row in written["by_size"]] == [("MultiRoom, 4 rooms", 15)]
    assert all(row["peak memory MB"] > 20 for row in written["by_worlds"])
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_worlds_are_of_every_age_so_that_each_measurement_draws_its_share_of_levels():
    from selfplay.bench.ours import Worlds

    worlds = Worlds("grid/DoorKey-5x5-v0", 256, 1)
    ages = worlds._worlds.state.agent[:, 4]
    assert worlds.steps == 256
    assert ages.min() < 50
    assert ages.max() > 200  # of 250
    worlds.close()


# --- where the time goes


def test_profile_accounts_for_all_of_the_time_and_leaves_the_learner_as_it_was():
    from selfplay.bench.ours_train import _stage

    stage = _stage("DoorKey-5x5-v0", 0, {"num_envs": "8", "rollout_steps": "8", "ppo.minibatch_size": "32"})
    parts = shares(stage, 2)
    assert stage.steps == 128
    assert all(seconds > 0 for seconds in parts.values()), parts
    assert parts["total"] == pytest.approx(sum(seconds for part, seconds in parts.items() if part != "total"))
    assert "act" not in vars(stage.learner)
    plain = _stage("DoorKey-5x5-v0", 0, {"num_envs": "8", "rollout_steps": "8", "ppo.fused": "false"})
    assert shares(plain, 1)["loss and gradient"] > 0


# --- peers that need their packages


def test_mended_advantages_are_those_of_the_formula():
    pytest.importorskip("jax")
    import numpy as np

    from selfplay.bench.peers.navix_ppo import advantages

    reward, done = np.array([[0.0], [1.0], [0.5]]), np.array([[False], [True], [False]])
    values = np.array([[1.0], [2.0], [3.0], [4.0]])
    found = np.asarray(advantages(reward, done, values, 0.5, 0.5))
    # δ = 0 + ½·2 - 1 = 0;  1 + 0 - 2 = -1;  ½ + ½·4 - 3 = -½;  A_1 = -1 (done), A_0 = 0 + ¼·(-1)
    np.testing.assert_allclose(found[:, 0], [-0.25, -1.0, -0.5])


@pytest.mark.parametrize(
    ("module", "package", "arguments"),
    [("envpool", "envpool", {"kind": "async"}), ("envpool", "envpool", {"kind": "sync"})],
)
def test_peer_steps(module, package, arguments):
    pytest.importorskip(package)
    with Contender(f"selfplay.bench.peers.{module}") as peer:
        told = peer.ask(
            "prepare", trial=0.01, packages=[package], world="MiniGrid-DoorKey-8x8-v0", processors=1, **arguments
        )
        assert told["mode"]["num_envs"] in (64, 256, 1024)
        assert peer.ask("measure", seconds=0.05)["steps"] > 0
        told = peer.ask("prepare", trial=0.01, packages=[package], world="Reacher-v5", processors=1, **arguments)
        assert peer.ask("measure", seconds=0.05)["steps"] > 0
        with pytest.raises(Unavailable, match="it has no MiniGrid-Hallway-25-v0"):
            peer.ask("prepare", trial=0.01, packages=[], world="MiniGrid-Hallway-25-v0", processors=1, **arguments)


def test_no_peer_is_imported_without_being_asked_for(run_python):
    code = "import sys, selfplay.bench.envs, selfplay.bench.train, selfplay.bench.scaling; print(*sys.modules)"
    loaded = set(run_python(code).stdout.split())
    assert not {"envpool", "navix", "jax", "stable_baselines3", "minigrid", "mujoco", "torch"} & loaded
    assert Path(envs.__file__).exists()


def test_the_leash_is_drawn_from_what_was_measured(tmp_path, monkeypatch):
    """A panel for each grid; of each seed the optimum, the reference and PPO, by rising β. The report links it."""
    rows = [
        {"grid": grid, "β": beta, "seed": seed, "J*": 1 - beta - seed, "J of PPO": 0.5 - beta}
        | {"J of the reference": 0.1} for grid in ("one", "other") for seed in (0, 1) for beta in (0.3, 0.1)
    ]  # fmt: skip
    kept = []
    monkeypatch.setattr(pyplot, "close", kept.append)
    draw_leash(tmp_path / "leash.png", rows)
    assert (tmp_path / "leash.png").stat().st_size > 5000
    panels = kept[0].axes
    monkeypatch.undo()
    pyplot.close(kept[0])
    assert [axes.get_title() for axes in panels] == ["one", "other"]
    assert [len(axes.lines) for axes in panels] == [6, 6]
    np.testing.assert_allclose(panels[1].lines[3].get_xydata(), [[0.1, -0.1], [0.3, -0.3]])
    np.testing.assert_allclose(panels[1].lines[5].get_ydata(), [0.4, 0.2])
    report.write_report("title", rows, {}, str(tmp_path), figure="leash.png")
    assert "# title\n\n![title](leash.png)\n\n| grid |" in (tmp_path / "README.md").read_text()
