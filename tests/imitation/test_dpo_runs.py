"""Runs that fit a policy to a ledger: the whole way, through the real training loop, and what is refused."""

import itertools
import json

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from selfplay.cli import main
from selfplay.core.collect import Rollout, collect
from selfplay.core.transitions import Transitions
from selfplay.environments import find_environment
from selfplay.errors import UserError
from selfplay.evaluate import load_run, run_evaluation
from selfplay.finetune import run_finetune
from selfplay.imitation.dpo import run_dpo, why_not_exact
from selfplay.label.ledger import open_ledger
from selfplay.label.pairs import Pairs
from selfplay.label.segments import ClipStore, cut
from selfplay.label.serve import Places
from selfplay.methods import method_settings
from selfplay.stages.dpo import DPOStage
from selfplay.train import build_stage, run_training

SEES = {"segments": "full,position,direction,carried"}
SMALL = {"num_envs": "16", "rollout_steps": "8", "eval_episodes": "32", "ppo.minibatch_size": "64"}


def labelled(folder, env, settings, horizon, steps):
    """A run of no great skill, and a teacher's answers to pairs of its clips: who earned more."""
    run = run_training(
        "ppo", env, steps=128, seed=1, run_dir=folder, overrides=SMALL | settings, threads=1, quiet=True, pictures=False
    )
    stage, _ = load_run(run)
    world = stage.fresh_worlds(48)
    rollout = Rollout(world, steps, 1)
    rollout.start(world, 5)
    with stage.learner.aside(5):
        segments = cut(stage.learner.as_played(collect(world, stage.learner, rollout)[0]), horizon)
    places = Places(run)
    places.folder.mkdir()
    ids = ClipStore(places.clips).save(segments)
    worth = segments.steps.task_reward.sum(0).tolist()
    with open_ledger(places.ledger) as ledger:
        for one, other in np.random.default_rng(0).choice(len(ids), (120, 2)).tolist():
            if ids[one] != ids[other]:
                query = ledger.ask([ids[one], ids[other]])
                left, right = (worth[ids.index(id)] for id in query.clips)
                ledger.answer(query.id, "script", "left" if left > right else "right" if right > left else "equal")
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Name to run folder, made when first asked for."""
    folder, found = tmp_path_factory.mktemp("labelled"), {}
    kinds = {
        "same": ("grid/Empty-5x5-v0", SEES | {"levels": "1"}, 100, 100),
        "apart": ("grid/Empty-5x5-v0", SEES | {"levels": "1"}, 5, 20),
        "vectors": ("mujoco/InvertedPendulum-v5", {}, 5, 5),
    }

    def get(name):
        if name not in found:
            found[name] = labelled(folder / name, *kinds[name])
        return found[name]

    return get


def dpo(run, path, settings=None, **options):
    overrides = {"eval_episodes": "64", "fit.epochs": "12", "fit.learning_rate": "0.001"} | (settings or {})
    return run_dpo(run, run_dir=path, overrides=overrides, threads=1, quiet=True, pictures=False, **options)


@pytest.mark.parametrize("loss", ["dpo", "cpl"])
def test_a_policy_from_answers_is_a_run_like_any_other(loss, runs, tmp_path):
    base = runs("same")
    run = dpo(base, tmp_path / "run", {"fit.loss": loss})
    first, *_, last = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert last["heldout/accuracy"] > 0.75
    assert last["heldout/loss"] < first["heldout/loss"]
    assert last["heldout/chosen"] > last["heldout/rejected"]
    if loss == "dpo":
        assert first["heldout/loss"] == pytest.approx(np.log(2), abs=1e-5)  # π is π_ref
        assert first["heldout/chosen"] == pytest.approx(0, abs=1e-3)
        assert last["eval/return"] > first["eval/return"] + 0.05
    config = json.loads((run / "config.json").read_text())["config"]
    assert [config["method"], config["seed"], config["parents"][0]["run"]] == ["dpo", 1, "same"]
    assert run_evaluation(run, episodes=16, threads=1)["task"]["length"] > 0
    tuned = run_finetune(
        run, steps=200, run_dir=tmp_path / "tuned", overrides=SMALL | SEES, threads=1, quiet=True, pictures=False
    )
    lineage = json.loads((tuned / "config.json").read_text())["config"]["parents"]
    assert lineage[0]["preferences"] == config["preferences"]["sha256"]
    told = f"{config['preferences']['comparisons']} comparisons of two clips, answered by: script"
    assert told in (run / "model_card.md").read_text()
    assert "run learnt from comparisons of clips" in (tuned / "model_card.md").read_text()
    before = (run / "metrics.jsonl").read_bytes()
    assert dpo(base, tmp_path / "run", {"fit.loss": loss}) == run  # done is done
    assert (run / "metrics.jsonl").read_bytes() == before


def compared(obs, action, left, right, target):
    """Comparisons of segments [H, M], none of them held out."""
    nothing = torch.zeros(action.shape)
    steps = Transitions(
        obs=obs, action=action, log_prob=nothing, value=torch.zeros(*action.shape, 0), next_obs=obs,
        terminated=nothing > 0, truncated=nothing > 0, task_reward=nothing, mask=nothing == 0,
    )  # fmt: skip
    count = len(target)
    left, right = torch.as_tensor(left), torch.as_tensor(right)
    return Pairs(steps, left, right, target, torch.arange(count), torch.zeros(count, dtype=torch.bool))


def test_the_training_loop_comes_to_the_boltzmann_policy():
    """All ways of 2 steps through a tree of 3 states, as one-step observations; π(τ) is π_ref(τ) exp(R(τ) / β) / Z.

    Three actions, so nine ways; the state after the first step is the action taken. The answers are Bradley and
    Terry's chances; Adam goes through all 36 pairs at once.
    """
    beta, ways = 0.5, list(itertools.product(range(3), repeat=2))
    returns = torch.from_numpy(np.random.default_rng(0).normal(0, 0.5, 9))
    settings = {"fit.epochs": "1500", "fit.beta": str(beta), "fit.learning_rate": "0.003", "eval_episodes": "0"}
    found = method_settings("dpo", settings, "grid")
    stage = build_stage("dpo", find_environment("grid/Empty-5x5-v0"), found, 0, "cpu")
    assert isinstance(stage, DPOStage)
    obs = torch.zeros(2, 9, 50, dtype=torch.uint8)
    obs[0] = 1
    for m, (first, _) in enumerate(ways):
        obs[1, m, : 10 * (first + 1)] = 2
    action = torch.tensor(ways).T.contiguous()
    one, other = torch.triu_indices(9, 9, 1)
    target = torch.sigmoid(returns[one] - returns[other]).float()
    with torch.no_grad():
        stage.learner.policy.policy_head.weight *= 50  # a reference that is not even
        weight = stage.learner.policy.policy_head.weight
        weight[3:] *= 0.1
    stage.begin(stage.learner.policy.state_dict())
    stage.give(compared(obs, action, one, other, target))

    def chances(policy):
        with torch.no_grad():
            logits = policy(obs.flatten(0, 1))[0].double().view(2, 9, -1)
        return torch.log_softmax(logits, -1).gather(-1, action[..., None])[..., 0].sum(0)

    reference = chances(stage.reference)
    while not stage.finished:
        stage.iterate(0.0)
    # four actions more, which no way takes, keep or lose their share together: what is compared is among the nine
    learnt, wanted = torch.softmax(chances(stage.learner.policy), 0), torch.softmax(reference + returns / beta, 0)
    assert (wanted - torch.softmax(reference, 0)).abs().max() > 0.1
    torch.testing.assert_close(learnt, wanted, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("env", "settings", "words"),
    [
        ("Empty-5x5-v0", {}, "cannot be told without full, position, carried"),
        ("Empty-5x5-v0", SEES | {"tv": "every-step,iid,view,everywhere"}, "the noisy TV draws pictures"),
        ("Dynamic-Obstacles-5x5-v0", SEES, "walk at random"),
        ("GoToDoor-5x5-v0", SEES, "cannot be told without mission"),
        ("Empty-5x5-v0", SEES, "the two clips of 1 of 3 comparisons begin in different states"),
        ("GoToDoor-5x5-v0", {"segments": SEES["segments"] + ",mission"}, "of 1 of 3 comparisons"),
    ],
)
def test_where_it_is_not_exact_the_reason_is_said(env, settings, words):
    obs = torch.zeros(2, 3, 4, dtype=torch.uint8)
    obs[0, 2, 1] = 1  # the third clip begins elsewhere
    obs[1] = torch.arange(3)[:, None]  # how they go on does not matter
    pairs = compared(obs, torch.zeros(2, 3, dtype=torch.int64), [0, 1, 1], [1, 0, 2], torch.ones(3))
    spec = find_environment(f"grid/{env}")
    assert words in why_not_exact(spec, method_settings("dpo", settings), pairs)
    if "of 1 of 3" in words:
        assert why_not_exact(spec, method_settings("dpo", settings), pairs.where(pairs.right < 2)) is None


def test_a_policy_with_a_memory_is_refused():
    settings = method_settings("dpo", {"ppo.memory": "gru"})
    with pytest.raises(UserError, match="what a policy with a memory remembers where a clip begins is not known"):
        build_stage("dpo", find_environment("grid/Empty-5x5-v0"), settings, 0, "cpu")


def test_contrastive_preferences_of_continuous_actions(runs, tmp_path):
    run = dpo(runs("vectors"), tmp_path / "run", {"fit.loss": "cpl", "eval_episodes": "2", "fit.epochs": "2"})
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["train/loss"] > 0


def test_other_refusals(runs, tmp_path):
    run = str(runs("same"))
    for words, arguments in {
        "no ledger": [run, "--ledger", str(tmp_path / "none.sqlite")],
        "did you mean 'cpl'?": [run, "--loss", "cpll"],
        "begin in different states (expected --loss cpl, which needs no such thing)": [str(runs("apart"))],
        "did you mean 'script'?": [run, "--teacher", "skript"],
        "fit.beta: 0 is": [run, "--beta", "0"],
        "unknown setting of dpo 'ppo.hidden'": [run, "--set", "ppo.hidden=8"],
        "did you mean": [run[:-1]],
    }.items():
        result = CliRunner().invoke(main, ["dpo", *arguments, "--run-dir", str(tmp_path / "run")])
        assert result.exit_code == 2, result.output
        assert words in result.output
        assert result.output.count("\n") == 1
        assert not (tmp_path / "run").exists()
