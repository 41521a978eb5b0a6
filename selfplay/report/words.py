"""The little Markdown of a study's `README.md`, as HTML: paragraphs, lists, tables, **bold**, `code`."""

from __future__ import annotations

import re

from markupsafe import Markup, escape


def section(text: str, title: str) -> Markup | None:
    """What stands under `## title`, up to the next heading of that level; None where there is no such heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    return to_html(found[1]) if found else None


def to_html(text: str) -> Markup:
    """`text` as HTML; all else that Markdown knows stays as it was typed, links as their words."""
    parts: list[Markup] = []
    for block in re.split(r"\n\s*\n|\n(?=- )", text.strip()):
        line = inline_html(" ".join(block.split()))
        rows = [_cells(row) for row in block.splitlines()]
        if len(rows) > 1 and all(re.fullmatch(r":?-+:?", cell) for cell in rows[1]):
            parts.append(_table(rows[0], rows[2:]))
        elif block.startswith("- "):
            item = Markup("<li>{}</li>").format(line[2:])
            if parts and parts[-1].startswith("<ul>"):
                parts[-1] = Markup(parts[-1].removesuffix("</ul>")) + item + Markup("</ul>")
            else:
                parts.append(Markup("<ul>") + item + Markup("</ul>"))
        else:
            parts.append(Markup("<p>{}</p>").format(line))
    return Markup("\n").join(parts)


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().removeprefix("|").removesuffix("|").split("|")]


def _table(titles: list[str], rows: list[list[str]]) -> Markup:
    head = Markup("").join(Markup("<th scope='col'>{}</th>").format(inline_html(title)) for title in titles)
    body = [
        Markup("<tr><th scope='row'>{}</th>{}</tr>").format(
            inline_html(row[0]), Markup("").join(Markup("<td>{}</td>").format(inline_html(cell)) for cell in row[1:])
        )
        for row in rows
    ]
    return Markup(
        '<div class="scroll" role="region" aria-label="Table" tabindex="0">'
        "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>"
    ).format(head, Markup("\n").join(body))


def inline_html(text: str) -> Markup:
    """A line of it: **bold**, `code`, and links as their words."""
    html = str(escape(text))
    html = re.sub(r"`([^`]+)`", r"<code>\1</code>", html)
    html = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html)
    return Markup(re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", html))
