"""What a finished run shows: a short table, a picture of the curriculum, and how to look further."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from selfplay.environments import ruler_of
from selfplay.jsonfile import read_lines
from selfplay.progress import human
from selfplay.rundir import read_record
from selfplay.runlog import METRICS, TIMINGS

MEASURES = {
    "eval/success": "success on fresh levels",
    "eval/return": "return on fresh levels",
    "eval/length": "episode length on fresh levels",
    "eval/zero_shot": "Bob's success on uniformly drawn goals",
    "eval/zero_shot_t_B_over_shortest": "Bob's detour on these (t_B / shortest)",
    "eval/target_success": "Bob's success on the target task",
    "eval/zero_shot_steps_per_metre": "Bob's pace on these (steps a metre)",
    "eval/returned": "share of Alice's ends that he gets back from",
    "curriculum/difficulty_q50": "median difficulty of her goals ({})",
    "curriculum/difficulty_q90": "90 % quantile of their difficulty ({})",
    "curriculum/coverage": "share of all cell-to-cell ways she lately asked for",
    "curriculum/solved": "share of her goals that Bob solves",
    "curriculum/trivial": "share of her goals that are trivial",
    "coverage/positions": "share of the reachable cells that an episode visits",
    "coverage/states": "share of all reachable states that an episode visits",
    "heldout/loss": "loss on what is held out (nats)",
    "heldout/accuracy": "accuracy on what is held out",
    "heldout/rmse": "error of the mean action on what is held out",
    "preferences/asked": "questions asked so far",
    "preferences/heldout_accuracy": "accuracy of the learnt reward on held-out answers",
    "preferences/heldout_of_ceiling": "the same as a share of the best that the teacher allows",
    "train/leash/kl_per_episode": "KL to the policy it began as (nats an episode)",
    "train/leash/beta": "what a nat of it costs",
    "tv/in_view": "share of steps in front of the TV",
    "tv/press_rate": "share of steps that press its button",
    "tv/press_chance": "the same by chance",
    "tv/bonus_share": "share of the bonus that is owed to the TV",
}
"""What is told of a run: tag to words; {} is how difficulty is measured."""


class Result(NamedTuple):
    """What became of one tag: its words, its first value, and its last, a mean over the last twentieth."""

    tag: str
    words: str
    first: float
    last: float


def results(metrics: Sequence[dict[str, Any]], env: str) -> list[Result]:
    """The tags of `MEASURES` that the lines of `metrics.jsonl` hold. Of evaluations the last one counts."""
    ruler = ruler_of(env)
    found = []
    for tag, words in MEASURES.items():
        values = [line[tag] for line in metrics if line.get(tag) is not None]
        if values:
            tail = (
                values[-1:]
                if tag.startswith(("eval/", "heldout/", "preferences/"))
                else values[-max(1, len(values) // 20) :]
            )
            found.append(Result(tag, words.format(f"{ruler.name}, {ruler.unit}"), values[0], float(np.mean(tail))))
    return found


def print_summary(path: Path) -> None:
    """Print the closing words of run folder `path`; draws `curriculum.png` where there were proposals."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    metrics = list(read_lines(path / METRICS))
    timings = list(read_lines(path / TIMINGS))
    record = read_record(path)
    assert record is not None
    config = record["config"]
    console = Console(soft_wrap=True)
    seconds = sum(line["iteration_seconds"] for line in timings)
    steps = metrics[-1]["step"]
    console.print(
        f"\n[bold]{config['method']}[/] on [bold]{config['env']}[/], seed {config['seed']}: {human(steps)} steps in "
        f"{seconds:.0f} s of training ({human(steps / seconds)} trained steps/s, {record['threads']} threads)",
        highlight=False,
    ) if seconds else None
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("measure", "first", "last"):
        table.add_column(column, justify="left" if column == "measure" else "right")
    for row in results(metrics, config["env"]):
        table.add_row(row.words, f"{row.first:.3g}", f"{row.last:.3g}")
    console.print(table, highlight=False)
    for tag, text in (alarms(metrics) | unspent(metrics, config["settings"])).items():
        console.print(f"[yellow]{tag}[/]: {text}", highlight=False)
    from selfplay.curriculum import draw_curriculum

    picture = draw_curriculum(path)
    if picture is not None:
        console.print(f"curriculum   {picture}", highlight=False)
    console.print(f"TensorBoard  {_command('tensorboard')} --logdir {path}", highlight=False)
    console.print(f"evaluate     {_command('selfplay')} evaluate {path}", highlight=False)


def _command(name: str) -> str:
    """How to call a command of this environment from here: its name where the shell finds it, else its path."""
    beside = Path(sys.executable).with_name(name)
    if not beside.exists() or shutil.which(name) == str(beside):
        return name
    return os.path.relpath(beside) if beside.is_relative_to(Path.cwd()) else str(beside)


def alarms(metrics: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The alarms that rang in most of the last tenth of the iterations, with their meaning."""
    from selfplay.game.alarms import ALARM_TEXT

    tail = metrics[-max(1, len(metrics) // 10) :]
    return {tag: text for tag, text in ALARM_TEXT.items() if np.mean([line.get(tag) or 0 for line in tail]) > 0.5}


def unspent(metrics: Sequence[dict[str, Any]], settings: Mapping[str, Any]) -> dict[str, str]:
    """What to say where a run ended before all its questions were asked."""
    asked = [line["preferences/asked"] for line in metrics if line.get("preferences/asked") is not None]
    budget = settings.get("labels", {}).get("budget", 0)
    if not asked or asked[-1] >= budget:
        return {}
    words = (
        f"{asked[-1]:g} of {budget} questions were asked: more steps or fewer worlds (num_envs) make room for the rest"
    )
    return {"preferences/asked": words}
