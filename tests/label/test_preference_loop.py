"""From play to a reward with everything in between in files: cut, choose, ask, answer, fit, choose again."""

import gymnasium
import numpy as np
import torch
from label_worlds import transitions

from curiosity.source import Surroundings
from selfplay.core.encoders import encoder_for
from selfplay.label.events import comparisons, self_agreement
from selfplay.label.ledger import open_ledger
from selfplay.label.pairs import load_pairs
from selfplay.label.queries import Chooser, QueryConfig
from selfplay.label.segments import ClipStore, cut
from selfplay.label.teachers import ScriptedTeacher, TeacherConfig
from selfplay.rewards.preference_config import PreferenceConfig
from selfplay.rewards.preferences import PreferenceReward


def play(seed):
    """40 steps of 16 environments; the task pays for the first of two numbers. Episodes end now and then."""
    rng = np.random.default_rng(seed)
    obs = torch.from_numpy(rng.normal(size=(40, 16, 2)).astype(np.float32))
    over = torch.from_numpy(rng.random((40, 16)) < 0.08)
    return transitions(obs[..., 0], obs=obs, terminated=over)


def ask_and_answer(ledger, choices, store, teacher):
    for choice in choices:
        ledger.ask(choice.clips, choice.again)
    for query in ledger.unanswered(teacher.name):
        sets = torch.arange(len(query.clips))[None]
        (answer,) = teacher.answer(store.load(query.clips).steps, sets)
        ledger.answer(query.id, teacher.name, answer)


def test_from_play_to_a_reward(tmp_path):
    store, told = ClipStore(tmp_path / "clips"), Surroundings(
        {"obs": gymnasium.spaces.Box(-np.inf, np.inf, (2,))}, gymnasium.spaces.Discrete(2), encoder_for, 0
    )  # fmt: skip
    source = PreferenceReward(PreferenceConfig(width=8, members=3, learning_rate=0.01), told)
    teacher = ScriptedTeacher("script", TeacherConfig(beta=3.0), 0)
    ids = list(dict.fromkeys(store.save(cut(play(0), 5))))
    candidates = store.load(ids).steps
    with open_ledger(tmp_path / "labels.sqlite") as ledger:
        for method, clips, count in (("uniform", 2, 60), ("disagreement", 2, 40), ("entropy", 4, 10)):
            chooser = Chooser(QueryConfig(method=method, clips=clips, again=0.2), len(ledger.queries()))
            choices = chooser.choose(count, ids, ledger.queries(), source.returns(candidates))
            assert len(choices) == count
            ask_and_answer(ledger, choices, store, teacher)
            pairs = load_pairs(comparisons(ledger.labels()), store)
            metrics = source.fit_pairs(pairs)
        queries, labels = ledger.queries(), ledger.labels()
    assert len(labels) == len(queries) == 110
    old = [query for query in queries if query.origin]
    assert old
    assert self_agreement(labels, "script").pairs >= len(old)
    assert self_agreement(labels, "script").share > 0.7
    assert metrics["train_pairs"] + metrics["heldout_pairs"] == sum(
        len(label.query.clips) * (len(label.query.clips) - 1) // 2 for label in labels
    )
    assert metrics["heldout_accuracy"] > 0.7
    fresh = play(1)
    one, other = source.reward(fresh).flatten(), fresh.task_reward.flatten()
    assert torch.corrcoef(torch.stack([one, other]))[0, 1] > 0.95
