"""The loop of a run that learns from preferences: cut what was played, ask, take down answers, fit the reward."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from selfplay.core.transitions import Transitions
from selfplay.errors import UserError, warn
from selfplay.label.agreement import ceilings, likeness
from selfplay.label.candidates import candidates, reference_of, sizes
from selfplay.label.events import Comparison, Label, Query, comparisons, query_id
from selfplay.label.judge import answer, scripted
from selfplay.label.ledger import Ledger, open_ledger
from selfplay.label.pairs import alike, load_pairs
from selfplay.label.queries import Choice, Chooser
from selfplay.label.segments import ClipStore, Segments, clip_ids, cut, stack
from selfplay.label.settings import LabelConfig, OneTeacher, QueryConfig
from selfplay.label.sheets import Sheets
from selfplay.rewards.preferences import PreferenceReward


class Film(Protocol):
    """Plays with the learner as it is and keeps clips with pictures; their ids."""

    def __call__(self, store: ClipStore, sheets: Sheets, count: int, horizon: int, seed: int) -> list[str]: ...


class Labelling:
    """What stands between a learner that plays and `source`, the reward that is learnt from answers about its play.

    After each rollout `lesson` asks what is due, and fits the reward where enough was answered. The ledger and the
    clips are in the run's folder, so `keep_in` comes first; the settings say who answers:

    A script answers at once. Everything it is asked and says depends on the play, the seed and what this run asked
    before, of which the state has the ids: a run that goes on from a checkpoint asks and says once more what the ledger
    holds already, and there it counts once. What others wrote into the ledger is not looked at.

    People answer when they like; `film` makes the clips that they are asked about. Nobody waits for them: what has come
    is taken up after a rollout. Here the ledger is the truth: every question in it counts, and every label.
    """

    def __init__(
        self,
        labels: LabelConfig,
        teacher: OneTeacher,
        queries: QueryConfig,
        source: PreferenceReward,
        film: Film,
        seed: int,
    ) -> None:
        self.labels, self.teacher, self.queries = labels, teacher, queries
        self.source, self.film, self.seed = source, film, seed
        self.script = None if teacher.kind == "human" else scripted(teacher, seed)
        self.folder: Path | None = None
        self.rollouts = 0
        self.fitted = 0  # labels that the reward knows
        self._asked: list[str] = []  # ids of what this run asked
        self._left_out = 0  # comparisons that were last warned of
        self._reference: list[str] = []  # ids of what was played first

    def keep_in(self, folder: Path) -> None:
        """Ledger and clips go into this folder."""
        self.folder = folder

    @cached_property
    def clips(self) -> ClipStore:
        """Where the segments are kept that were asked about."""
        assert self.folder is not None, "labels are kept in files: tell the stage where by keep_in(folder)"
        return ClipStore(self.folder / "clips")

    def lesson(self, played: Transitions, progress: float) -> dict[str, float]:
        """Take in a rollout [T, N], as sources are shown it, before the learner is updated with it.

        progress: share of the run that was over before it. Returns metrics: asked and labels (how many so far), and of
        a fit what `PreferenceReward.fit_pairs` says, return_correlation (see `agreement.likeness`) and the ceilings.

        Raises `UserError` where ledger or clips cannot be used, and where people cannot be shown pictures.
        """
        self.rollouts += 1
        if self.folder is None:
            raise ValueError("labels are kept in files, tell the stage where: keep_in(folder)")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open_ledger(self.folder / "ledger.sqlite") as ledger:
                return self._lesson(ledger, played, progress)
        except OSError as error:
            raise UserError(f"'{self.folder}' cannot be used: {error.strerror}") from None
        except (ValueError, NotImplementedError) as error:
            raise UserError(f"labels: {error}") from error

    def _lesson(self, ledger: Ledger, played: Transitions, progress: float) -> dict[str, float]:
        if not self._reference:
            self._reference = ClipStore(self.clips.folder.parent / "reference").save(reference_of(played))
        segments = None
        count = self._missing(ledger, progress)
        if count > 0 and self.script is None:
            self._ask_people(ledger, count)
        elif count > 0:
            segments = cut(played, self.labels.horizon, self.labels.short)
            self._ask(ledger, self._choose(ledger, segments, count))
        labels = self._standing(ledger)
        asked = len(ledger.queries()) if self.script is None else len(self._asked)
        metrics = {"asked": float(asked), "labels": float(len(labels))}
        if not self._enough(len(labels), progress):
            return metrics
        if segments is None:
            segments = cut(played, self.labels.horizon, self.labels.short)
        return metrics | self._fit(labels, segments)

    def _missing(self, ledger: Ledger, progress: float) -> int:
        """How many questions are to be asked now."""
        due = self.labels.due(self.rollouts, progress)
        if self.script is not None:
            count = due - len(self._asked)
            whole = count >= self.labels.session or due >= self.labels.budget or self.rollouts <= self.labels.warmup
            return count if whole else 0
        asked = ledger.queries()
        unanswered = len(asked) - len({label.query.id for label in ledger.labels()})
        if unanswered > self.labels.open // 2:
            return 0  # in lots, for a lot has to be filmed
        return min(due - len(asked), self.labels.open - unanswered)

    def _enough(self, labels: int, progress: float) -> bool:
        """Whether the reward is to be fitted."""
        new = labels - self.fitted
        if self.rollouts < self.labels.warmup or new == 0:
            return False
        last = labels >= self.labels.budget or (self.script is not None and progress >= self.labels.until)
        lot = self.labels.session
        if self.script is None:  # people are slow, and may stop at any time
            lot = min(lot, max(1, self.fitted // 10))
        return not self.fitted or last or abs(new) >= lot

    def _draws(self) -> list[int]:
        """Two seeds for this rollout."""
        return [int(draw) for draw in np.random.SeedSequence([self.seed, self.rollouts]).generate_state(2)]

    def _own(self, ledger: Ledger) -> list[Query]:
        """What this run asked, in that order."""
        queries = {query.id: query for query in ledger.queries()}
        missing = next((id for id in self._asked if id not in queries), None)
        if missing is not None:
            raise ValueError(f"{ledger.path} lacks question {missing}, which this run has asked")
        return [queries[id] for id in self._asked]

    def _choose(self, ledger: Ledger, segments: Segments, count: int) -> list[Choice]:
        """What to ask about these segments and older clips; what is new of them is kept."""
        first, second = self._draws()
        generator = torch.Generator()
        generator.manual_seed(first)
        asked = self._own(ledger)
        pool = self._pool(segments, asked, count, generator)
        names = clip_ids(pool)
        places = {id: m for m, id in enumerate(names)}  # equal segments are one clip
        if not places:  # every episode was shorter than a segment, and those are dropped
            return []
        returns = self.source.returns(pool.steps)[:, list(places.values())]
        choices = Chooser(self.queries, second).choose(count, list(places), asked, returns)
        shown = {clip for choice in choices for clip in choice.clips}
        self.clips.save(pool.take([m for id, m in places.items() if id in shown]))
        return choices

    def _pool(self, segments: Segments, asked: list[Query], count: int, generator: torch.Generator) -> Segments:
        """Candidates for `count` questions: of what was just played, and of what was asked about before.

        What is shown once more lies beside what the learner does now: else nobody says that it was better before.
        """
        full, few = sizes(count, self.queries.clips)
        known = list(dict.fromkeys(clip for query in asked for clip in query.clips))
        past = self.labels.past if known else 0.0
        lots = []
        if past > 0:
            old = self.clips.load(known)
            lots.append(self._some(old, past, full, few, generator))
        if past < 1:
            lots.append(self._some(segments, 1 - past, full, few, generator))
        return stack(lots)

    def _some(self, segments: Segments, share: float, full: int, few: int, generator: torch.Generator) -> Segments:
        ends = segments.steps.terminated.any(0).cpu()
        wanted = math.ceil(share * full), math.ceil(share * few)
        return segments.take(candidates(ends, *wanted, self.labels.endings, generator))

    def _ask(self, ledger: Ledger, choices: Sequence[Choice]) -> None:
        """Ask the script, and take down what it says."""
        assert self.script is not None
        own = {query.id: query for query in self._own(ledger)}
        for choice in choices:
            id = None
            if choice.again is not None:  # by what this run asked, not by what the ledger may hold already
                times = sum(query.group == own[choice.again].group for query in own.values())
                id = query_id((*choice.clips, self.script.name), times)
            query = ledger.ask(choice.clips, choice.again, id)
            said = answer(self.script, self.seed, query, self.clips)
            ledger.answer(query.id, self.script.name, said, id=f"{self.script.name} {query.id}")
            if query.id not in own:
                own[query.id] = query
                self._asked.append(query.id)

    def _ask_people(self, ledger: Ledger, count: int) -> None:
        """Film what the learner does now, and ask about it."""
        first, second = self._draws()
        wanted = self.queries.clips * count * (1 if self.queries.method == "uniform" else 2)
        ids = self.film(self.clips, Sheets(self.clips.folder), wanted, self.labels.horizon, first)
        returns = self.source.returns(self.clips.load(ids).steps) if ids else None
        for choice in Chooser(self.queries, second).choose(count, ids, ledger.queries(), returns):
            ledger.ask(choice.clips, choice.again)

    def _standing(self, ledger: Ledger) -> list[Label]:
        """The labels that count: of people all there are, else the script's, in the order that they were asked in."""
        if self.script is None:
            return ledger.labels()
        given = {label.query.id: label for label in ledger.labels(self.script.name)}
        return [given[id] for id in self._asked if id in given]

    def _fit(self, labels: list[Label], segments: Segments) -> dict[str, float]:
        """Fit the reward to these labels, if they can teach it something, and bring it to scale.

        segments: of the present play, by which the learnt return is held against the true one.
        """
        said = self._alike(comparisons(labels))
        if not any(one.target != 0.5 and not one.held_out for one in said):
            return {}  # with nothing but ties to learn from there is nothing but noise to bring to scale
        pairs = load_pairs(said, self.clips, self.source.reads)
        if self.script is not None and self.queries.clips > 2:  # a ranking orders also what is the same to the script
            pairs = pairs.where(self.script.decides(pairs.steps, torch.stack([pairs.left, pairs.right], -1)))
            if bool(pairs.held_out.all()):
                return {}
        bounds = ceilings(labels, pairs, self.script)
        metrics = self.source.fit_pairs(pairs, bounds.pop("ceiling", None))
        reference = ClipStore(self.clips.folder.parent / "reference").load(self._reference)
        self.source.normalise(reference.steps.to(self.source.device))
        self.fitted = len(labels)
        metrics["decided"] = float((pairs.target != 0.5).sum()) / len(said)
        return metrics | bounds | likeness(self.source, segments)

    def _alike(self, said: list[Comparison]) -> list[Comparison]:
        """Those that the reward can be fitted to. A script asks about what the run itself played, so all of them; into
        people's ledger somebody may have written about clips that do not show what the reward reads.
        """
        if self.script is not None:
            return said
        found = alike(said, self.clips, self.source.reads)
        if len(said) - len(found) != self._left_out:
            self._left_out = len(said) - len(found)
            warn(
                f"{self._left_out} of {len(said)} comparisons are left out: their clips in {self.clips.folder} do not "
                f"show {self.source.reads!r} as the reward reads it"
            )
        return found

    def state_dict(self) -> dict[str, np.ndarray]:
        """Counters, and the ids of what was asked and played first."""
        return {
            "counters": np.array([self.rollouts, self.fitted], np.int64),
            "asked": _packed(self._asked),
            "reference": _packed(self._reference),
        }

    def load_state_dict(self, state: Mapping[str, np.ndarray | Tensor]) -> None:
        """Go on from what `state_dict` gave."""
        self.rollouts, self.fitted = (int(count) for count in state["counters"])
        self._asked, self._reference = _unpacked(state["asked"]), _unpacked(state["reference"])


def _packed(ids: Sequence[str]) -> np.ndarray:
    """Ids of 32 hex digits as uint8 [n, 16]."""
    return np.frombuffer(bytes.fromhex("".join(ids)), np.uint8).reshape(-1, 16).copy()


def _unpacked(rows: np.ndarray | Tensor) -> list[str]:
    return [bytes(row).hex() for row in np.asarray(rows)]
