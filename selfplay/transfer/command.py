"""The command `selfplay compare`. Bodies import late, as in `selfplay.cli`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("tables", nargs=-1, required=True, type=_FILE, metavar="CSV...")
@click.option("--baseline", metavar="METHOD", help="What the others are held against.  [default: the first]")
@click.option("--threshold", type=float, metavar="SCORE", help="Of curves: also the steps until this score.")
@click.option(
    "--few-shot", type=click.FloatRange(min=0), metavar="STEPS", help="Of curves: also the score after so many."
)
@click.option("--figure", type=_FILE, metavar="FILE", help="Draw performance profiles into a .png, .svg or .pdf.")
@click.option("--json", "json_file", type=_FILE, metavar="FILE", help="Write every number.")
def compare(
    tables: tuple[Path, ...],
    baseline: str | None,
    threshold: float | None,
    few_shot: float | None,
    figure: Path | None,
    json_file: Path | None,
) -> None:
    """Compare methods by the scores of their runs, with intervals over seeds.

    CSV has the columns method, task, seed, score; if there are such pretrain_seed (of the policy that a run began
    with), step (a row is then a point of a curve), random and reference (scores that stand for 0 and 1).
    A CSV with the column phase (before or after) is about retention instead: two rows for each run, the skill of
    pretraining before and after what came then. docs/transfer.md says what each figure means.
    """
    from selfplay.bench.report import show
    from selfplay.transfer import compare
    from selfplay.transfer.table import read_tables

    if figure is not None:
        from selfplay.transfer.profile import check_figure, draw_profiles

        check_figure(figure)
    table = read_tables(tables)
    if not table.methods:
        given = {"--baseline": baseline, "--threshold": threshold, "--few-shot": few_shot, "--figure": figure}
        _refuse([option for option, value in given.items() if value is not None])
    base = baseline or next(iter(table.methods), None)
    compare.check(table, few_shot, threshold)
    early = compare.early(table, few_shot)
    parts = {"Scores": [row | early.get(row["method"], {}) for row in compare.aggregates(table)]}
    if base is not None and (baseline or len(table.methods) > 1) and (rows := compare.against(table, base, few_shot)):
        parts[f"Against {base}"] = rows
    if threshold is not None:
        parts["Time to threshold"] = compare.times(table, threshold)
    parts["Retention"] = compare.retention(table)
    parts = {title: rows for title, rows in parts.items() if rows}
    told = compare.notes(table)
    for k, (title, rows) in enumerate(parts.items()):
        shown = [{key: _told(value) for key, value in row.items()} for row in rows]
        show(title, shown, told if k == len(parts) - 1 else ())
    if json_file is not None:
        _write(json_file, {"baseline": base, "notes": told, **parts})
    if figure is not None:
        scores = {method: compare.final_scores(table, method) for method in table.methods}
        draw_profiles(figure, scores, "normalised score τ" if table.normalised else "score τ")
        click.echo(figure)


def _refuse(options: Sequence[str]) -> None:
    """UserError for the first of `options`, which mean nothing without scores."""
    from selfplay.errors import UserError

    if options:
        raise UserError(f"{options[0]} needs scores (expected a CSV without the column 'phase' as well)")


def _told(value: object) -> str:
    return "undefined" if value is None else str(value)


def _write(path: Path, content: dict[str, object]) -> None:
    from selfplay.errors import UserError
    from selfplay.jsonfile import write_json

    try:
        write_json(path, _as_dicts(content))
    except OSError as error:
        raise UserError(f"--json: '{path}' cannot be written: {error.strerror}") from None


def _as_dicts(value: object) -> object:
    """Estimates as JSON objects; an infinite end is null there, as a missing interval is."""
    if isinstance(value, dict):
        return {key: _as_dicts(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_dicts(item) for item in value]
    return value._asdict() if hasattr(value, "_asdict") else value
