"""Runs that learn from preferences: what is asked when, that nothing is lost or doubled, people, and refusals."""

import json
import re
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from label_worlds import segments

from selfplay import checkpoint
from selfplay.cli import main
from selfplay.core.learner import Learner
from selfplay.environments import family_of, find_environment
from selfplay.errors import UserError
from selfplay.evaluate import run_evaluation
from selfplay.finetune import run_finetune
from selfplay.idle import check_idle
from selfplay.label.cameras import GridCamera, MujocoCamera, camera
from selfplay.label.candidates import candidates, reference_of, sizes
from selfplay.label.events import Query
from selfplay.label.judge import answer, scripted
from selfplay.label.ledger import Ledger, open_ledger
from selfplay.label.segments import ClipStore, clip_ids
from selfplay.label.serve import ask_some
from selfplay.label.settings import LabelConfig, OneTeacher
from selfplay.label.sheets import Sheets
from selfplay.methods import method_settings
from selfplay.rewards.preferences import PreferenceReward
from selfplay.stages.asking import CHARTS
from selfplay.train import build_stage, run_training

ENV = "grid/Empty-5x5-v0"
SMALL = {
    "rewards": "preferences=1", "num_envs": "16", "rollout_steps": "16", "eval_episodes": "8",
    "ppo.minibatch_size": "128", "ppo.hidden": "16,16", "labels.budget": "30", "labels.session": "8",
    "labels.horizon": "6", "labels.warmup": "2", "taught.preferences.members": "2", "taught.preferences.width": "8",
    "taught.preferences.epochs": "5",
}  # fmt: skip


def train(path, settings=None, steps=2560, **options):
    options = {"seed": 3, "threads": 1, "quiet": True, "pictures": False} | options
    return run_training("ppo", ENV, steps=steps, run_dir=path, overrides=SMALL | (settings or {}), **options)


def metrics(run, key=None):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return rows if key is None else [row[key] for row in rows if key in row]


def events(run):
    """What was asked, with what answer, in order; and how many events of each kind there are."""
    path = run / "preferences" / "ledger.sqlite"
    with open_ledger(path, create=False) as ledger:
        said = {label.query.id: label.answer for label in ledger.labels()}
        asked = [
            (query.id, query.clips, query.origin, query.held_out, said.get(query.id)) for query in ledger.queries()
        ]
    rows = sqlite3.connect(path).execute("SELECT kind, count(*) FROM event GROUP BY kind").fetchall()
    return asked, dict(rows)


def test_when_questions_are_due_by_hand():
    config = LabelConfig(budget=100, first=0.2, warmup=2, until=0.5)
    assert [config.due(1, 0.0), config.due(2, 0.1)] == [10, 20]
    assert [config.due(3, progress) for progress in (0.0, 0.125, 0.25, 0.5, 0.9)] == [20, 40, 60, 100, 100]


def test_candidates_show_ends_as_often_as_asked_for():
    generator = torch.Generator().manual_seed(0)
    ends = torch.zeros(1000, dtype=torch.bool)
    ends[::20] = True  # 50
    chosen = candidates(ends, 40, 10, 0.5, generator)
    assert len(set(chosen.tolist())) == len(chosen) == 40
    assert int(ends[chosen].sum()) == 20
    ends[:] = False
    ends[7:10] = True  # 3 of them do not make half of 40, so there are fewer others: 10 in all
    chosen = candidates(ends, 40, 10, 0.5, generator)
    assert len(chosen) == 10
    assert {7, 8, 9} <= set(chosen.tolist())
    assert len(candidates(ends[:7], 40, 10, 0.5, generator)) == 7  # none, and no more segments than these
    assert int(ends[candidates(ends, 40, 10, 0.0, generator)].sum()) <= 3
    full, few = sizes(50, 2)
    assert full == 200
    assert few * (few - 1) / 2 >= 50


def test_a_script_says_the_same_whenever_it_is_asked(tmp_path):
    store = ClipStore(tmp_path)
    clips = segments(np.random.default_rng(0).random((4, 40)))
    ids = clip_ids(clips)
    assert not list(tmp_path.iterdir())  # ids alone keep nothing
    assert store.save(clips) == ids
    config = OneTeacher(beta=1.0)
    queries = [Query(str(n), (ids[2 * n], ids[2 * n + 1]), None, False, 0.0) for n in range(20)]
    said = [answer(scripted(config, 5), 5, query, store) for query in queries]
    teacher = scripted(config, 5)
    assert [answer(teacher, 5, query, store) for query in reversed(queries)] == said[::-1]
    assert {"left", "right"} == set(said)
    assert said != [answer(teacher, 6, query, store) for query in queries]


def test_a_biased_judge_by_hand(tmp_path):
    """Two quiet steps against one that pays 1: by the task the second is better; who likes length prefers the first."""
    clips = segments([[0.0, 1.0], [0.0, 0.0]], mask=torch.tensor([[True, True], [True, False]]))
    store = ClipStore(tmp_path)
    query = Query("q", tuple(store.save(clips)), None, False, 0.0)
    honest, biased = OneTeacher(), OneTeacher(bias=1.5, feature="steps")  # 0 against 1; 3 against 2.5
    assert answer(scripted(honest, 0), 0, query, store) == "right"
    assert answer(scripted(biased, 0), 0, query, store) == "left"
    tie = segments([[0.5, 0.25], [0.0, 0.25]])
    assert answer(scripted(honest, 0), 0, Query("t", tuple(store.save(tie)), None, False, 0.0), store) == "equal"


def test_the_first_play_is_kept_whole():
    steps = segments(np.random.default_rng(0).random((10, 30))).steps
    reference = reference_of(steps, 100).steps
    assert torch.equal(reference.task_reward, steps.task_reward[:, :10])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing happened to: noisy answers, some pairs asked again, by disagreement."""
    return train(tmp_path_factory.mktemp("whole") / "run", NOISY, checkpoint_seconds=1e9)


NOISY = {
    "teacher.beta": "1", "teacher.mistake": "0.1", "teacher.bias": "-1", "teacher.feature": "still",
    "queries.again": "0.3", "queries.method": "disagreement",
}  # fmt: skip


def test_a_run_asks_what_it_may_and_says_what_it_learnt(whole):
    asked, kinds = events(whole)
    assert kinds == {"query": 30, "answer": 30}
    assert any(origin for _, _, origin, _, _ in asked)
    rows = metrics(whole)
    assert [row.get("preferences/asked") for row in rows[1:3]] == [4, 8]  # 8 = a quarter of 30, in two rollouts
    assert "train/entropy" not in rows[1]  # nobody has said yet what is wanted
    assert "train/entropy" in rows[-1]
    assert rows[-1]["preferences/labels"] == 30
    for tag in {tag for tags in CHARTS.values() for tag in tags} - {"preferences/return_correlation"}:
        assert metrics(whole, tag), tag
    assert all(row["preferences/heldout_accuracy"] <= 1 for row in rows if "preferences/heldout_accuracy" in row)
    clips = {clip for _, clips, _, _, _ in asked for clip in clips}
    assert clips == set(ClipStore(whole / "preferences" / "clips").ids())
    scores = [run_evaluation(whole, episodes=8, seed=5)["task"] for _ in range(2)]
    assert scores[0] == scores[1]


@pytest.mark.parametrize(("where", "crashes"), [("update", (3, 2)), ("answer", (3, 2, 7))])
def test_interrupted_equals_unbroken(where, crashes, whole, tmp_path, monkeypatch):
    """Crashes when labels are in the ledger that no checkpoint knows of: before an update, and between two answers."""
    kind, method = {"update": (Learner, "update"), "answer": (Ledger, "answer")}[where]
    untouched = getattr(kind, method)
    for allowed in crashes:
        count = 0

        def crash(*arguments, allowed=allowed, **named):
            nonlocal count
            count += 1
            if count > allowed:
                raise RuntimeError("power cut")
            return untouched(*arguments, **named)

        monkeypatch.setattr(kind, method, crash)
        with pytest.raises(RuntimeError, match="power cut"):
            train(tmp_path / "broken", NOISY, checkpoint_seconds=0)
    monkeypatch.setattr(kind, method, untouched)
    broken = train(tmp_path / "broken", NOISY, checkpoint_seconds=0)
    ends = [checkpoint.load_latest(run / "checkpoints").path / "tensors.safetensors" for run in (whole, broken)]
    assert ends[0].read_bytes() == ends[1].read_bytes()
    assert (whole / "metrics.jsonl").read_bytes() == (broken / "metrics.jsonl").read_bytes()
    assert events(whole) == events(broken)


def test_others_may_ask_in_the_same_ledger(whole, tmp_path):
    """A person labels the same run meanwhile: a script's run neither counts their questions nor hears their answers."""
    folder = tmp_path / "run" / "preferences"
    folder.mkdir(parents=True)
    with open_ledger(folder / "ledger.sqlite") as ledger:
        ledger.answer(ledger.ask(["a", "b"]).id, "anna", "left")
    shared = train(tmp_path / "run", NOISY)
    ends = [checkpoint.load_latest(run / "checkpoints").tensors for run in (whole, shared)]
    assert all(np.array_equal(ends[0][key], tensor) for key, tensor in ends[1].items())


def test_a_skipped_question_counts_and_teaches_nothing(tmp_path):
    run = train(tmp_path / "run", {"teacher.skip": "5", "labels.budget": "12"})
    asked, kinds = events(run)
    assert kinds == {"query": 12, "answer": 12}
    assert {said for *_, said in asked} == {"skip"}
    assert not metrics(run, "preferences/epochs")
    assert not metrics(run, "train/entropy")  # so the policy stays as it is


def test_nobody_waits_for_people_and_none_of_their_answers_is_lost(tmp_path):
    people = SMALL | {"teacher.kind": "human", "labels.budget": "12", "labels.open": "4", "labels.warmup": "1"}
    run = train(tmp_path / "run", people, steps=1024)
    asked, kinds = events(run)
    assert kinds == {"query": 3}  # the first quarter; no more while these are unanswered
    sheets = Sheets(run / "preferences" / "clips")
    assert all(sheets.find(clip) for _, clips, *_ in asked for clip in clips)
    assert not metrics(run, "train/entropy")
    with open_ledger(run / "preferences" / "ledger.sqlite") as ledger:
        for number, query in enumerate(ledger.queries()):
            ledger.answer(query.id, ("anna", "ben")[number % 2], "left" if not query.held_out else "right")
    train(tmp_path / "run", people, steps=2048)
    assert metrics(run, "preferences/labels")[-1] == 3
    assert metrics(run, "train/entropy")
    assert 3 < events(run)[1]["query"] <= 7
    with open_ledger(run / "preferences" / "ledger.sqlite") as ledger:
        answered = ledger.unanswered("anna")[-1]
        ledger.answer(answered.id, "anna", "left")
    train(tmp_path / "run", people, steps=2304)
    assert metrics(run, "preferences/labels")[-1] == 4


def test_pairs_of_a_ranking_that_are_the_same_to_the_script_teach_nothing(tmp_path, monkeypatch):
    """In Empty-5x5 few clips come to the goal; a ranking puts the others in some order all the same."""
    seen = []
    real = PreferenceReward.fit_pairs
    monkeypatch.setattr(
        PreferenceReward,
        "fit_pairs",
        lambda self, pairs, ceiling: seen.append((pairs, ceiling)) or real(self, pairs, ceiling),
    )
    run = train(tmp_path / "run", {"queries.clips": "4"})
    assert len(seen) > 1
    for pairs, ceiling in seen:
        worth = pairs.steps.task_reward.sum(0)
        assert ((worth[pairs.left] > worth[pairs.right]).float() == pairs.target).all()
        assert (worth[pairs.left] != worth[pairs.right]).all()
        assert ceiling in (1.0, None)
    assert metrics(run, "preferences/decided")[-1] < 0.9
    assert len(events(train(tmp_path / "wrong", {"queries.clips": "4", "teacher.mistake": "0.2"}))[0]) == 30
    assert not metrics(tmp_path / "wrong", "preferences/heldout_ceiling")


def answered(run, teacher="anna"):
    """How many questions `teacher` answered now, the first clip of some and the second of others being better."""
    with open_ledger(run / "preferences" / "ledger.sqlite") as ledger:
        queries = ledger.unanswered(teacher)
        for number, query in enumerate(queries):
            ledger.answer(query.id, teacher, "left" if number % 3 else "right")
    return len(queries)


@pytest.mark.parametrize(
    "settings",
    [
        {"taught.preferences.reads": "state"},
        {"rewards": "preferences=1,counts=0.1", "bonus.counts.reads": "position"},
        {"coverage": "true", "labels.short": "drop"},
    ],
)
def test_label_films_what_the_run_itself_would_and_the_run_goes_on(settings, tmp_path):
    people = {"teacher.kind": "human", "labels.budget": "40", "labels.warmup": "1"} | settings
    run = train(tmp_path / "run", people, steps=512)
    assert answered(run) > 4
    folder = run / "preferences"
    with open_ledger(folder / "ledger.sqlite") as ledger:
        with pytest.raises(UserError, match=r"--horizon 25: .* learns from clips of 6 steps \(expected --horizon 6"):
            ask_some(run, ledger, Sheets(folder / "clips"), queries=4, horizon=25, seed=0)
        assert ask_some(run, ledger, Sheets(folder / "clips"), queries=4, seed=0) == 4
    kinds = {ClipStore(folder / "clips").load([id]).steps.mask.shape[0] for id in ClipStore(folder / "clips").ids()}
    assert kinds == {6}
    assert answered(run) == 4
    train(tmp_path / "run", people, steps=1024)
    assert metrics(run, "preferences/labels")[-1] > 8
    assert metrics(run, "preferences/train_loss")


def test_what_was_asked_about_other_clips_is_left_out_with_a_warning(tmp_path, capsys):
    """Somebody asked about clips that do not show what the reward reads: the ledger keeps it, the run goes on."""
    people = {"teacher.kind": "human", "labels.warmup": "1", "taught.preferences.reads": "state"}
    run = train(tmp_path / "run", people, steps=512)
    store = ClipStore(run / "preferences" / "clips")
    with open_ledger(run / "preferences" / "ledger.sqlite") as ledger:
        bare = store.load(ledger.queries()[0].clips, ())
        ledger.ask(store.save(bare))
    assert answered(run) > 4
    train(tmp_path / "run", people, steps=1024)
    assert capsys.readouterr().err.count("comparisons are left out: their clips in") == 1
    assert metrics(run, "preferences/train_loss")


def test_a_leash_with_a_memory_follows_the_play_that_nobody_learns_from(tmp_path):
    """The policy is what it began as, so there is no KL, also where learning begins in the middle of episodes."""
    small = {key: value for key, value in SMALL.items() if key in ("num_envs", "rollout_steps", "eval_episodes")}
    memory = small | {"ppo.memory": "gru", "ppo.hidden": "16,16", "ppo.minibatch_size": "128"}
    base = run_training(
        "ppo", ENV, steps=512, run_dir=tmp_path / "base", overrides=memory, threads=1, quiet=True, pictures=False
    )
    settings = SMALL | {"ppo.learning_rate": "1e-9", "leash.beta": "0.1", "labels.warmup": "3"}
    settings = {key: value for key, value in settings.items() if key != "ppo.hidden"}
    run = run_finetune(
        base, steps=1024, run_dir=tmp_path / "run", overrides=settings, threads=1, quiet=True, pictures=False
    )
    spent = metrics(run, "train/leash/kl_per_step")
    assert 0 < len(spent) < 4
    assert max(map(abs, spent)) < 1e-6


def test_people_are_shown_worlds_that_are_not_drawn_in_training(tmp_path):
    """Environments of somebody else's draw nothing unless they are asked to when they are made."""
    own = {"teacher.kind": "human", "labels.warmup": "1", "eval_episodes": "2"}
    run = run_training(
        "ppo", "gymnasium:CartPole-v1", steps=256, run_dir=tmp_path / "run", overrides=SMALL | own, threads=1,
        quiet=True, pictures=False,
    )  # fmt: skip
    assert answered(run) > 4


def test_an_ending_is_shown_also_where_it_is_measured_where_the_player_goes():
    """So the world is filmed without what looks on, by the camera that shows how an episode ended."""
    settings = {"rewards": "preferences=1,counts=0.1", "bonus.counts.reads": "position", "teacher.kind": "human"}
    for env, kind in ((ENV, GridCamera), ("mujoco/PointMaze-U-v0", MujocoCamera)):
        spec = find_environment(env)
        found = method_settings("ppo", SMALL | settings, family_of(spec))
        stage = build_stage("ppo", spec, found, 0, "cpu")
        world = stage.filmed_worlds(2)
        assert isinstance(camera(world), kind)
        assert world.columns == stage.world.columns


def test_the_commands_and_what_they_refuse(tmp_path):
    def command(*words):
        sets = [part for key, value in SMALL.items() if key != "rewards" for part in ("--set", f"{key}={value}")]
        return CliRunner().invoke(main, [*words, *sets, "--threads", "1", "--quiet"])

    trained = tmp_path / "trained"
    judge = ["--set", "teacher.bias=-1", "--set", "teacher.feature=still", "--set", "labels.until=0.5"]
    common = ["--steps", "768", "--reward", "preferences=1", "--labels", "10", *judge]
    done = command("train", "ppo", "--env", ENV, "--run-dir", str(trained), *common)
    assert done.exit_code == 0, done.output
    assert events(trained)[1] == {"query": 10, "answer": 10}
    tuned = tmp_path / "tuned"
    done = command("finetune", str(trained), "--run-dir", str(tuned), "--kl", "0.1", "--teacher", "script", *common)
    assert done.exit_code == 0, done.output
    assert events(tuned)[1] == {"query": 10, "answer": 10}
    assert metrics(tuned, "train/leash/kl_per_step")
    for words, said in (
        (
            ["--labels", "10"],
            "--labels: no reward is learnt from labels (expected --reward preferences=WEIGHT as well)",
        ),
        (["--teacher", "humn", "--reward", "preferences=1"], "'humn' is not one of 'script', 'human'"),
        (["--labels", "0", "--reward", "preferences=1"], "'--labels': '0' is not a positive whole number"),
        (["--labels", "1", "--reward", "preferences=1"], "first: 0.25 of 1 is no question, expected at least one"),
        (["--reward", "preferences=1", "--set", "labels.horizon=99"], "no segment of 99 steps fits into a rollout"),
    ):
        run = CliRunner().invoke(main, ["train", "ppo", "--env", ENV, "--run-dir", str(tmp_path / "no"), *words])
        assert run.exit_code == 2
        assert said in run.output
        assert len(run.output.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"labels.budget": "30"}, "labels.budget: it would do nothing here (expected --reward preferences=WEIGHT"),
        ({"teacher.beta": "2"}, "expected --reward preferences=WEIGHT as well"),
        ({"queries.pool": "3"}, "expected --reward preferences=WEIGHT as well"),
        ({"taught.classifier.members": "5"}, "expected --reward classifier=WEIGHT as well"),
        ({"bonus.rnd.gamma": "0.9"}, "expected --reward rnd=WEIGHT as well"),
        ({"rewards": "preferences=1", "teacher.kind": "human", "teacher.mistake": "0.2"}, "expected --teacher script"),
        ({"leash.horizon": "5"}, "expected --kl-target NATS as well"),
        ({"leash.beta": "0.1", "leash.horizon": "5"}, "expected --kl-target NATS as well"),
    ],
)  # fmt: skip
def test_settings_that_would_do_nothing_are_refused(given, said):
    finetunes = "leash.horizon" in given
    settings = method_settings("finetune" if finetunes else "ppo", given)
    with pytest.raises(UserError, match=re.escape(said)):
        check_idle(settings, given, Path("nowhere"))


def test_what_is_measured_only_is_set_and_a_run_that_has_begun_goes_on(tmp_path):
    given = {"rewards": "task=1,classifier=0,rnd=0", "taught.classifier.members": "5", "bonus.rnd.gamma": "0.9"}
    check_idle(method_settings("ppo", given), given, tmp_path)
    own = {key: value for key, value in SMALL.items() if key.partition(".")[0] not in ("labels", "taught")}
    few = {"steps": 256, "seed": 3, "threads": 1, "quiet": True, "pictures": False}
    idle = own | {"rewards": "task=1", "labels.budget": "30"}
    with pytest.raises(UserError, match=r"labels\.budget: it would do nothing"):
        run_training("ppo", ENV, run_dir=tmp_path / "run", overrides=idle, **few)
    assert not (tmp_path / "run").exists()
    run = run_training("ppo", ENV, run_dir=tmp_path / "run", overrides=own | {"rewards": "task=1"}, **few)
    with pytest.raises(UserError, match=r"labels\.budget: it would do nothing"):
        run_finetune(run, run_dir=tmp_path / "tuned", overrides={"labels.budget": "30"}, **few)
    config = run / "config.json"  # as it was before this was checked
    config.write_text(config.read_text().replace('"budget": 500', '"budget": 30'))
    assert run_training("ppo", ENV, run_dir=run, overrides=idle, **few) == run


def test_a_ledger_that_is_none_is_one_line(tmp_path):
    folder = tmp_path / "run" / "preferences"
    folder.mkdir(parents=True)
    (folder / "ledger.sqlite").write_text("labels")
    words = [part for key, value in SMALL.items() for part in ("--set", f"{key}={value}")]
    path = ["--run-dir", str(tmp_path / "run"), "--threads", "1", "--quiet"]
    run = CliRunner().invoke(main, ["train", "ppo", "--env", ENV, "--steps", "512", *path, *words])
    assert run.exit_code == 2
    assert "file is not a database" in run.output


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_answers_alone_teach_a_task_to_a_policy_that_was_trained(seed, tmp_path):
    """A policy that hardly knows the way, tuned by 700 answers and without the task's reward, goes there.

    As many answers and as short a leash as docs/preferences.md advises; settings were chosen on seeds 10 to 12.
    """
    options = {"seed": seed, "threads": 1, "quiet": True, "pictures": False}
    parent = run_training("ppo", ENV, steps=8_000, run_dir=tmp_path / "parent", overrides={"num_envs": "64"}, **options)
    settings = {
        "rewards": "preferences=1", "labels.budget": "700", "labels.session": "60", "leash.beta": "0.02",
        "taught.preferences.members": "3", "taught.preferences.width": "32", "num_envs": "64", "eval_episodes": "128",
        "ppo.minibatch_size": "512",
    }  # fmt: skip
    run = run_finetune(parent, steps=200_000, run_dir=tmp_path / "run", overrides=settings, **options)
    returns = metrics(run, "eval/return")
    assert returns[0] < 0.5  # else there was little to teach
    assert returns[-1] > 0.85
