"""The little Markdown that people write into a study's `README.md`, as HTML: paragraphs, lists, **bold**, `code`."""

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
        line = _inline(" ".join(block.split()))
        if block.startswith("- "):
            item = Markup("<li>{}</li>").format(line[2:])
            if parts and parts[-1].startswith("<ul>"):
                parts[-1] = Markup(parts[-1].removesuffix("</ul>")) + item + Markup("</ul>")
            else:
                parts.append(Markup("<ul>") + item + Markup("</ul>"))
        else:
            parts.append(Markup("<p>{}</p>").format(line))
    return Markup("\n").join(parts)


def _inline(text: str) -> Markup:
    html = str(escape(text))
    html = re.sub(r"`([^`]+)`", r"<code>\1</code>", html)
    html = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html)
    return Markup(re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", html))
