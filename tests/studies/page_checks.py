"""Reads a page as a browser would find it, and holds it to what every page must be."""

from html.parser import HTMLParser

VOID = {"meta", "link", "img", "br", "hr", "input", "rect", "line", "use", "path"}


class Page(HTMLParser):
    """text: all that is shown. items: of lists. tables: rows of cells. labels: what pictures are read out as."""

    def __init__(self, html):
        super().__init__()
        self.open, self.seen, self.labels, self.tables, self._items = [], [], [], [], []
        self.parts = []  # (path of tags, text)
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag in ("svg", "img"):
            self.labels.append(dict(attributes).get("aria-label") or dict(attributes).get("alt") or "")
        if tag == "li":
            self._items.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open, f"</{tag}> closes nothing"
            assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data):
        if "style" in self.open:
            return
        if ("td" in self.open or "th" in self.open) and "svg" not in self.open:
            self.tables[-1][-1][-1] += data
        if "li" in self.open:
            self._items[-1] += data
        self.parts.append([tuple(self.open), data])

    @property
    def text(self):
        return " ".join("".join(data for _, data in self.parts).split())

    @property
    def title(self):
        return "".join(data for path, data in self.parts if path[-1:] == ("title",) and "svg" not in path)

    @property
    def items(self):
        return [" ".join(text.split()) for text in self._items]

    def all(self, tag):
        return [attributes for name, attributes in self.seen if name == tag]


def check_page(html):
    """The page, if it is whole: nothing from outside, no script, every picture named, ids once, made for phones."""
    page = Page(html)
    assert not page.open, f"left open: {page.open}"
    for tag, attributes in page.seen:
        assert tag not in ("script", "link", "iframe", "object", "embed"), tag
        for key in ("src", "href", "xlink:href", "action", "srcset", "data", "poster"):
            value = attributes.get(key, "#")
            assert value.startswith(("#", "data:image/")), f"{tag} {key}={value[:80]}"
        assert not any(key.startswith("on") for key in attributes)
    assert "@import" not in html
    assert "url(http" not in html
    ids = [attributes["id"] for _, attributes in page.seen if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {a["href"][1:] for a in page.all("a")} | {u["xlink:href"][1:] for u in page.all("use")}
    assert targets <= set(ids)
    for attributes in page.all("svg"):
        assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"
    assert all(attributes.get("alt") for attributes in page.all("img"))
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in page.all("meta")
    assert "@media print" in html
    assert len(page.all("h1")) == len(page.all("main")) == 1
    assert page.seen[0][0] == "html"
    assert page.all("html") == [{"lang": "en"}]
    return page
