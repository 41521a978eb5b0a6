"""The model card of a run folder: what was trained, how well it does as far as that is known, and what it is not for.

Headings after Mitchell et al. 2019 (arXiv 1810.03993), where they say something about a policy in a simulated world.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selfplay.jsonfile import read_lines, write_bytes
from selfplay.methods import CONTINUATIONS, METHODS
from selfplay.rewards.catalogue import TAUGHT
from selfplay.rundir import read_record
from selfplay.runlog import METRICS
from selfplay.summary import alarms, results

CARD = "model_card.md"


def write_card(path: Path) -> Path | None:
    """Write `model_card.md` into run folder `path` from its `config.json` and logs; None where these are not there."""
    record, metrics = read_record(path), read_lines(path / METRICS)
    if record is None or not metrics:
        return None
    write_bytes(path / CARD, card(path.resolve().name, record, metrics).encode())
    return path / CARD


def card(name: str, record: Mapping[str, Any], metrics: Sequence[dict[str, Any]]) -> str:
    """The text of the card of run `name`. The same run gives the same text: there is no date in it but the start's."""
    config = record["config"]
    parts = [f"# Model card: {name}", *_details(record), *_use(config), *_training(config, metrics)]
    return "\n\n".join([*parts, *_found(config, metrics), *_caveats(config, metrics)]) + "\n"


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of `count` independent trials (Wilson 1927, JASA 22, 209–212)."""
    z = 1.959964
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return centre - half, centre + half


def _details(record: Mapping[str, Any]) -> list[str]:
    config, settings = record["config"], record["config"]["settings"]
    players = {key: settings[key] for key in ("alice", "bob", "ppo") if isinstance(settings.get(key), Mapping)}
    known = {**METHODS, **CONTINUATIONS}.get(config["method"])
    lines = [f"method: {config['method']}" + (f" ({known.description})" if known else "")]
    lines += [
        f"{'policy' if who == 'ppo' else who}: {'×'.join(map(str, ppo['hidden']))} units, {ppo['activation']}, "
        + ("no memory" if ppo["memory"] == "none" else f"memory {ppo['memory']}")
        for who, ppo in players.items()
        if {"hidden", "activation", "memory"} <= set(ppo)
    ]
    versions = record.get("versions", {})
    lines.append(f"selfplay {versions.get('selfplay', 'unknown')}, commit {record.get('commit') or 'unknown'}")
    lines.append(f"started {record.get('started', 'unknown')}, threads: {record['threads']}: `{record.get('command')}`")
    lines.append("the whole configuration and all versions: `config.json`; the weights: `checkpoints/`")
    parents = [
        f"{parent['run']}: {parent['method']} on {parent['env']}"
        + (f", player {parent['player']}" if parent.get("player") else "")
        + f", {parent['step']:,} steps, sha256 `{parent['sha256']}`"
        for parent in config.get("parents") or []
    ]
    origin = "Its episodes were played by" if config["method"] == "clone" else "It begins with"
    begins = [f"{origin} these runs, the nearest first:", _list(parents)] if parents else ["It began from scratch."]
    return ["## Model details", _list(lines), "### Lineage", *begins]


def _use(config: Mapping[str, Any]) -> list[str]:
    text = (
        f"Research on learning in simulated worlds: to be measured (`selfplay evaluate`), watched (`selfplay watch`) "
        f"and trained further (`selfplay finetune`) in {config['env']}. It reads that world's observations and gives "
        "its actions, which mean nothing outside. Not for control of anything real; in other worlds, also of the same "
        "family, it has not been measured here."
    )
    return ["## Intended use", text]


def _training(config: Mapping[str, Any], metrics: Sequence[dict[str, Any]]) -> list[str]:
    settings, steps = config["settings"], int(metrics[-1]["step"])
    fitted = {"clone": _cloned, "dpo": _agreed}.get(config["method"])
    lines = [fitted(config, steps) if fitted else _played(config, steps), *_not_its_own(config)]
    lines.append(f"seed {config['seed']}")
    if config["method"] == "alice-bob":
        share = settings.get("game", {}).get("target_share", 0)
        lines.append(
            "Bob is paid for reaching Alice's goals, Alice for what he takes; "
            + (f"{share:.0%} of Bob's episodes are the task itself" if share else "the world's own reward is not seen")
        )
    rewards = [] if fitted else list(map(str, settings.get("rewards", [])))
    if rewards and config["method"] == "alice-bob":
        paid = ["the game's payoff" + r.removeprefix("task") if _name(r) == "task" else r for r in rewards]
        lines.append(f"what Alice is paid, and the weights: {', '.join(paid)}")
    elif rewards:
        lines.append(f"rewards and their weights: {', '.join(rewards)}")
    if learnt := _taught(rewards):
        lines.append(f"of these, made of answers or data of their own, see `config.json`: {', '.join(learnt)}")
    if settings.get("tv", "off") != "off":
        lines.append(f"a noisy TV was on: {settings['tv']}")
    return ["## Training data", _list(lines)]


def _cloned(config: Mapping[str, Any], steps: int) -> str:
    """What a clone learnt from. steps: recorded ones, each counted in every pass."""
    given, parents = config["demonstrations"], config.get("parents") or []
    who = f"played by {parents[0]['run']}" if parents else "of no run that the file names"
    return (
        f"{given['episodes']:,} recorded episodes from {given['file']}, {who} (sha256 `{given['sha256']}`); "
        f"{steps:,} recorded steps in all passes; no reward, and no play of its own but to be measured"
    )


def _agreed(config: Mapping[str, Any], steps: int) -> str:
    """What a policy was made to agree with. steps: those of the clips, each counted in every pass."""
    given = config["preferences"]
    whose = ", ".join(given["teachers"]) if given.get("teachers") else "whom is not recorded"
    return (
        f"{given['comparisons']:,} comparisons of two clips, answered by: {whose} (sha256 `{given['sha256']}`); "
        f"{steps:,} steps of clips in all passes; no reward, and no play of its own but to be measured"
    )


def _played(config: Mapping[str, Any], steps: int) -> str:
    """What one that plays learnt from; only where that is known of all before it: from nothing else."""
    settings = config["settings"]
    alone = not _taught(settings.get("rewards", [])) and all(
        "rewards" in parent and not _beside_play(parent) for parent in config.get("parents") or []
    )
    return f"{steps:,} env steps of its own play in {settings.get('num_envs', '?')} copies of {config['env']}" + (
        "; no recorded data, nothing from people" if alone else ""
    )


def _not_its_own(config: Mapping[str, Any]) -> list[str]:
    """What the runs before it learnt from beside their own play."""
    found = [(parent["run"], _beside_play(parent)) for parent in config.get("parents") or []]
    told = "; ".join(f"{run} {words}" for run, words in found if words)
    return [f"of the runs before it, what was not play alone: {told}"] if told else []


def _beside_play(parent: Mapping[str, Any]) -> str:
    """What a run of the lineage learnt from beside its own play; "" for nothing that is known."""
    if parent["method"] in _FITTED:
        return _FITTED[parent["method"]]
    taught = _taught(parent.get("rewards", []))
    return f"was paid by {', '.join(taught)}" if taught else ""


_FITTED = {"clone": "learnt from recorded episodes", "dpo": "learnt from comparisons of clips"}


def _taught(rewards: Sequence[str]) -> list[str]:
    """Those of `rewards` that are made of answers, examples or weights of somebody's."""
    return [str(reward) for reward in rewards if _name(reward) in TAUGHT]


def _name(reward: str) -> str:
    return str(reward).partition("=")[0].strip()


def _found(config: Mapping[str, Any], metrics: Sequence[dict[str, Any]]) -> list[str]:
    rows = results(metrics, config["env"])
    heads = ["## Measured results"]
    if not rows:
        return [*heads, "Nothing was measured but training itself (`metrics.jsonl`)."]
    count = config["settings"].get("eval_episodes", 0)
    table = ["| measure | before training | at the end | |", "|---|---|---|---|"]
    for row in rows:
        sure = "one seed"
        if row.tag == "eval/success" and count and 0 <= row.last <= 1:
            low, high = wilson(row.last, count)
            sure = f"one seed; [{low:.3g}, {high:.3g}] over {count} levels"
        table.append(f"| {row.words} (`{row.tag}`) | {row.first:.3g} | {row.last:.3g} | {sure} |")
    text = (
        "Evaluations are on fresh levels of the same world, drawn as in training; the last one counts. All else is the "
        "mean of the last twentieth of the updates, and its first value may be from after the first one. An interval "
        "over levels says how exactly this one policy was measured, not what another seed would give: **this is one "
        "seed, and no interval over seeds is known.** `selfplay report` takes several seeds together."
    )
    return [*heads, "\n".join(table), text]


def _caveats(config: Mapping[str, Any], metrics: Sequence[dict[str, Any]]) -> list[str]:
    lines = [f"{tag}: {text}" for tag, text in alarms(metrics).items()]
    steps = int(metrics[-1]["step"])
    if "train/best_pass" in metrics[-1]:
        if steps < config["steps"]:
            lines.append(
                f"stopped after {steps:,} of at most {config['steps']:,} steps: what was held out got no better"
            )
    elif steps < config["steps"]:
        lines.append(f"not finished: {steps:,} of {config['steps']:,} steps")
    lines += [
        "Trained and measured in one world; what it does where observations look otherwise is unknown.",
        "A policy that was paid for one thing may do it in a way that nobody meant: watch it before you build on it.",
    ]
    return ["## Limits and caveats", _list(lines)]


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
