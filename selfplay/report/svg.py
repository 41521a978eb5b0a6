"""Pictures inside a page: matplotlib's SVG without what does not belong into HTML, and PNG or GIF as data."""

from __future__ import annotations

import base64
import io
import re
from itertools import count
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.figure import Figure

_STYLE: Any = {"svg.fonttype": "none", "svg.hashsalt": "selfplay", "font.family": "sans-serif", "font.size": 9}
_REFERENCE = re.compile(r'(?:xlink:href="#|url\(#)([^")]+)')
_ID = re.compile(r' id="([^"]+)"')
_TAG = re.compile(r"<[^>]+>")
_LONG = re.compile(r"((?<![\d.])[1-9]\d*\.\d|0\.\d\d)\d+")
_ALONE = re.compile(r"<g>\s*(<use[^>]*/>|<text[^>]*>[^<]*</text>)\s*</g>")
_numbers = count()


def inline(figure: Figure, alt: str) -> Markup:
    """`figure` as an `<svg>` element that scales with the page and is read out as `alt`.

    Black becomes the colour of the text around it, so that it can be read on a dark page. Names inside are made
    unique, for a page has many.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = _unique(text, f"p{next(_numbers)}")
    text = _TAG.sub(lambda tag: _LONG.sub(r"\1", tag[0]), text)
    text = text.replace("#000000", "currentColor")
    text = re.sub(r"font-family: [^;\"]*;? ?|font-variation-settings: [^;\"]*;? ?", "", text)
    text = re.sub(r' transform="rotate\(-?0 [^"]*"', "", text)
    for _ in range(3):  # groups around a single thing
        text = _ALONE.sub(r"\1", text)
    view = re.search(r'viewBox="[^"]+"', text)
    assert view is not None
    opening = f'<svg {view[0]} role="img" aria-label="{escape(alt)}" xmlns:xlink="http://www.w3.org/1999/xlink">'
    return Markup(re.sub(r"\n\s*", "\n", opening + text[text.index(">") + 1 :]))


def data_uri(content: bytes, kind: str) -> str:
    """`content` of the media type `kind` as a URI that needs no server."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _unique(text: str, prefix: str) -> str:
    used = set(_REFERENCE.findall(text))
    text = _ID.sub(lambda found: f' id="{prefix}-{found[1]}"' if found[1] in used else "", text)
    return re.sub(r'(xlink:href="#|url\(#)', rf"\1{prefix}-", text)
