"""The command `selfplay`. Bodies of commands import late: help must come at once, and torch takes seconds."""

from __future__ import annotations

import click

from selfplay import __version__
from selfplay.bench.command import bench
from selfplay.commands.check_env import check_env
from selfplay.commands.listing import envs, methods
from selfplay.commands.playing import evaluate, watch
from selfplay.commands.training import finetune, train
from selfplay.imitation.commands import clone, dpo, record
from selfplay.label.command import label
from selfplay.options import Commands
from selfplay.report.command import report
from selfplay.studies.command import study
from selfplay.threads import limit_spinning
from selfplay.transfer.command import compare

COMMANDS = (
    train, finetune, evaluate, watch, record, clone, dpo, label,
    study, report, compare, bench, envs, methods, check_env,
)  # fmt: skip


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="%(version)s")
def main() -> None:
    """Asymmetric self-play and curiosity on one fast policy-gradient core."""
    limit_spinning()  # before anything loads torch or numba


for command in COMMANDS:
    main.add_command(command)
