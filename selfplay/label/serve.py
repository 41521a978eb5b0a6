"""`selfplay label`: a run's clips and questions, and the server of the page that asks them."""

from __future__ import annotations

import getpass
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from selfplay.errors import UserError
from selfplay.label.desk import Desk
from selfplay.label.ledger import Ledger, open_ledger
from selfplay.label.sheets import Sheets
from selfplay.rundir import read_record

if TYPE_CHECKING:
    from selfplay.stages.ppo import PPOStage

HOST = "127.0.0.1"
HORIZON = 25
"""Steps of a clip, where the run itself does not say how many."""


@dataclass(frozen=True)
class Places:
    """Where a run keeps what people say of it."""

    run: Path

    @property
    def folder(self) -> Path:
        return self.run / "preferences"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.sqlite"

    @property
    def clips(self) -> Path:
        return self.folder / "clips"


def check_one_player(run: Path, command: str) -> None:
    """UserError where run folder `run` (found to be one) is a game: whose clips would they be?"""
    record = read_record(run)
    if record is not None and record["config"].get("method") == "alice-bob":
        raise UserError(
            f"{command}: '{run}' is a game, which has no single player; fine-tune one player first: "
            f"`selfplay finetune {run} --player bob`"
        )


def default_teacher() -> str:
    """The user's name on this machine, or "person"."""
    try:
        return getpass.getuser() or "person"
    except (KeyError, OSError):
        return "person"


def run_label(
    run: Path,
    *,
    teacher: str,
    queries: int = 20,
    horizon: int | None = None,
    seed: int = 0,
    question: str = "Which one is better?",
    fps: float = 8.0,
    port: int = 0,
) -> None:
    """Serve the labelling page of run folder `run` (found to be one) until interrupted; prints its link.

    queries: pairs that are filmed and asked first where none are open for `teacher`; 0: none. horizon: steps of these
    clips, by default as many as the run itself asks about. seed: of what is played for them. fps: frames a second.
    port: 0 for a free one.

    Raises:
        UserError: the port is taken, the ledger cannot be used, the run cannot be played or has no pictures, or is
            asked about clips of another length.
    """
    if not teacher.strip() or len(teacher) > 100 or not teacher.isprintable():
        raise UserError(f"--teacher: {teacher!r} is no name (expected 1 to 100 printable characters)")
    check_one_player(run, "label")
    places = Places(run)
    try:
        from selfplay.label.listen import listen
    except ImportError as error:
        raise UserError(f"label needs the package {error.name}: pip install 'selfplay[label]'") from None
    with _bound(port) as listener:
        try:
            places.folder.mkdir(exist_ok=True)
            ledger = open_ledger(places.ledger)
        except OSError as error:
            raise UserError(f"'{places.folder}' cannot be made: {error.strerror}") from None
        except ValueError as error:
            raise UserError(str(error)) from None
        with ledger:
            sheets = Sheets(places.clips)
            desk = Desk(ledger, sheets, teacher)
            if queries and not desk.state()["open"]:
                click.echo(f"no open questions: filming clips for {queries} …", err=True)
                asked = ask_some(run, ledger, sheets, queries=queries, horizon=horizon, seed=seed)
                click.echo(f"{asked} questions", err=True)
            listen(desk, listener, title=run.resolve().name, question=question, fps=fps)
            labelled = desk.state()["labelled"]
    click.echo(f"{labelled} answers of {teacher} in {places.ledger}", err=True)


def asked_horizon(stage: PPOStage, run: Path, horizon: int | None) -> int:
    """Steps of the clips that are filmed: of a run that learns from answers those that its reward is fitted to.

    UserError where another number is wanted (None: it does not matter).
    """
    if not stage.config.asks:
        return HORIZON if horizon is None else horizon
    own = stage.config.labels.horizon
    if horizon not in (None, own):
        raise UserError(
            f"--horizon {horizon}: '{run}' learns from clips of {own} steps (expected --horizon {own}, or none)"
        )
    return own


def ask_some(run: Path, ledger: Ledger, sheets: Sheets, *, queries: int, horizon: int | None = None, seed: int) -> int:
    """Film the newest checkpoint of `run` and ask about uniformly drawn pairs of it; how many there are now more.

    The clips are like those that the run asks about, if it does. Everything is drawn from `seed` and the number of
    queries there are, so another call shows other play.
    """
    import numpy as np

    from selfplay.evaluate import load_run
    from selfplay.label.filming import film_clips, num_worlds
    from selfplay.label.queries import Chooser
    from selfplay.label.segments import ClipStore
    from selfplay.label.settings import QueryConfig
    from selfplay.stages.ppo import PPOStage

    stage, _ = load_run(run)
    assert isinstance(stage, PPOStage)
    horizon = asked_horizon(stage, run, horizon)
    asked = ledger.queries()
    draws = [int(draw) for draw in np.random.SeedSequence([seed, len(asked)]).generate_state(2)]
    clips = 2 * queries
    try:
        world = stage.filmed_worlds(num_worlds(clips))
        ids = film_clips(
            world, stage.learner, ClipStore(sheets.folder), sheets, count=clips, horizon=horizon, seed=draws[0],
            short=stage.config.labels.short,
        )  # fmt: skip
    except NotImplementedError as error:
        raise UserError(f"label: {error}") from None
    choices = Chooser(QueryConfig(method="uniform"), draws[1]).choose(queries, ids, asked)
    if not choices:
        raise UserError(f"label: '{run}' plays alike every time, {len(ids)} different clips of {horizon} steps at most")
    for choice in choices:
        ledger.ask(choice.clips)
    return len(choices)


def _bound(port: int) -> socket.socket:
    """A socket that listens on this machine only."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise UserError(f"--port: {port} cannot be used: {error.strerror} (0 takes a free one)") from None
    return listener
