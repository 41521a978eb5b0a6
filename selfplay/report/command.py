"""The command `selfplay report`. Bodies import late, as in `selfplay.cli`."""

from __future__ import annotations

from pathlib import Path

import click

from selfplay.errors import UserError


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN... | STUDY")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="[default: report.html in the folder]")
def report(folders: tuple[Path, ...], out: Path | None) -> None:
    """Write one HTML page on the run folders RUN…, or on the folder of a study.

    The page needs nothing else: no network, no script. Runs that differ only in their seed are taken together.
    The page on several runs is written into the working directory.
    """
    try:
        from selfplay.report.page import write_page
    except ImportError as error:
        raise UserError(f"report needs the package {error.name}: pip install 'selfplay[report]'") from None
    click.echo(write_page(folders, out))
