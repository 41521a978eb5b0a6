"""What README and docs tell people to type does what it says: every command is parsed, and most are run in small."""

import csv
import shutil
from contextlib import contextmanager

import click
import pytest
from documents import NEEDS_MORE, ROOT, commands, python_of

from selfplay.cli import main

COMMANDS = commands()


def parsed(words):
    """The command takes these words: its options are there and their values are of the right kind."""
    command = main.get_command(click.Context(main), words[0])
    assert command is not None, f"there is no command {words[0]}"
    if isinstance(command, click.Group):
        return
    command.make_context(words[0], list(words[1:]))


@contextmanager
def suppress_exit():
    """Whoever ends the process may only do so because all is well."""
    try:
        yield
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"exit code {end.code}") from None


def run(words):
    with suppress_exit():
        main.main(list(words), prog_name="selfplay", standalone_mode=False)


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_every_command_is_one(command):
    parsed(command.words)


def test_there_are_commands_on_most_pages():
    assert len(COMMANDS) > 60
    assert {command.page for command in COMMANDS} >= {"README.md", "imitation.md", "preferences.md", "studies.md"}
    assert sum(command.runs for command in COMMANDS) > 45
    assert {command.words[0] for command in COMMANDS if not command.runs} <= {*NEEDS_MORE, "study", "report"}


def test_the_commands_of_the_pages_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    begin()
    shutil.copytree("runs", "begun")
    page = COMMANDS[0].page
    for command in COMMANDS:
        if not command.runs:
            continue
        if command.page != page:  # a page can be read alone, from its beginning
            page = command.page
            shutil.rmtree("runs")
            shutil.copytree("begun", "runs")
        try:
            run(command.small)
        except Exception as error:
            pytest.fail(f"{command}\n{error}\n{capsys.readouterr().err[-2000:]}")


def begin():
    """What commands begin with: runs that somebody made, a table, a demonstration."""
    small = ["--steps", "300", "--num-envs", "8", "--threads", "1", "--quiet"]
    run(
        [
            "train",
            "alice-bob",
            "--env",
            "grid/DoorKey-6x6-v0",
            "--run-dir",
            "runs/demo",
            "--set",
            "eval_goals=2",
            *small,
        ]
    )
    run(["train", "rnd", "--env", "grid/DoorKey-8x8-v0", "--set", "eval_episodes=2", *small])
    run(["train", "ppo", "--env", "grid/DoorKey-6x6-v0", "--run-dir", "runs/best", "--set", "eval_episodes=2", *small])
    for name in ("a-s0", "a-s1", "b-s0", "b-s1"):
        shutil.copytree("runs/best", f"runs/{name}")
    run(["record", "runs/demo", "--episodes", "4", "--out", "shown.safetensors"])
    with open("scores.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["method", "task", "seed", "score"])
        rows.writerows(
            [method, task, seed, 0.1 * seed] for method in ("scratch", "rnd") for task in "ab" for seed in range(3)
        )


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_the_python_of_the_pages_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(python_of(ROOT / page), page, "exec"), {"__name__": "__main__"})
