"""The noisy television: what it shows and when, whatever world it hangs in.

Burda et al. 2018 (arXiv 1808.04355, section 5) put a television with a remote control in a maze: an agent that is paid
for surprise watches it. A television here is one point of a grid of factors, so that what traps whom can be told apart.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral

TRIGGERS = ("none", "sham", "every-step", "remote")
CONTENTS = ("frozen", "iid", "unseen", "balls")
EXTENTS = ("cell", "quadrant", "view")
PLACES = ("spot", "fixed", "everywhere")
MOST_PICTURES = 4096
PRESS_ABOVE = 0.75
"""Where actions are numbers, PRESS is one number more, from -1 to 1, and pressed above this.

So who acts uniformly presses 1 step in 8, as among the 8 actions of a grid world; normal numbers of mean 0 and
deviation 1 press .227 of the steps.
"""
_SALT = 0x74656C65766973  # a television must not draw what a world with the same seed does


def _nearest(word: str, known: Iterable[str]) -> str:
    return difflib.get_close_matches(word, list(known), n=1, cutoff=0.0)[0]


@dataclass(frozen=True)
class TVSpec:
    """One television, as text such as "remote,k30,view,everywhere"; "off" is none at all and "ride" that of RIDE.

    trigger: when the picture changes within an episode.
        none: never.  every-step: at every step.  remote: when the player takes the action PRESS, which does nothing in
        the world but take a step.  sham: there is a PRESS, and it changes nothing: as many actions as remote has.
    content: what a change brings. Every episode begins with one, but for frozen.
        frozen: always the same picture.  kN (k6, k30): one of N pictures, all equally likely.  iid: every cell anew
        and independently, all symbols equally likely.  unseen: a picture that no environment was ever shown before.
        balls: a ball of one of six colours, all equally likely; for extent cell.
    extent: how much of the player's view it takes: a cell, a quadrant, the whole view.
    place: spot: it hangs in the world, at a place drawn anew for every level, and is seen where the player can see that
        place.  fixed: the same place in all levels of one layout.  everywhere: always seen.
    on: False for "off", whatever the rest says.

    What that is where observations are numbers, not symbols, `envs.mujoco.tv` says.

    `str` gives the text back, and `TVSpec.parse(str(spec)) == spec`. ValueError for what does not fit together.
    """

    trigger: str = "none"
    content: str = "frozen"
    extent: str = "cell"
    place: str = "spot"
    on: bool = True

    def __post_init__(self) -> None:
        known = (("trigger", TRIGGERS), ("extent", EXTENTS), ("place", PLACES))
        for name, words in known:
            word = getattr(self, name)
            if word not in words:
                raise ValueError(f"TV: {name} is {word!r}, expected one of {', '.join(words)}; nearest is "
                                 f"{_nearest(word, words)!r}")  # fmt: skip
        if self.content not in CONTENTS and self.pictures is None:
            nearest = _nearest(self.content, [*CONTENTS, "k6", "k30"])
            raise ValueError(f"TV: content is {self.content!r}, expected one of {', '.join(CONTENTS)} or k2 to "
                             f"k{MOST_PICTURES}; nearest is {nearest!r}")  # fmt: skip
        if self.content == "unseen" and self.extent == "cell":
            raise ValueError("TV: content is 'unseen' and extent 'cell', but one cell has too few symbols never to "
                             "repeat; expected extent 'quadrant' or 'view'")  # fmt: skip
        if self.content == "balls" and self.extent != "cell":
            raise ValueError(f"TV: content is 'balls' and extent {self.extent!r}, expected extent 'cell'")
        if not self.on and (self.trigger, self.content, self.extent, self.place) != ("none", "frozen", "cell", "spot"):
            raise ValueError("TV: off, yet told what to show; expected TVSpec.parse('off')")

    @property
    def pictures(self) -> int | None:
        """N of kN, None for any other content."""
        found = re.fullmatch(r"k([1-9]\d{0,5})", self.content)
        return int(found[1]) if found and 2 <= int(found[1]) <= MOST_PICTURES else None

    @property
    def has_press(self) -> bool:
        """Whether players have one more action, PRESS."""
        return self.on and self.trigger in ("sham", "remote")

    @classmethod
    def parse(cls, text: str) -> TVSpec:
        """The television that `text` names: "off", "ride", or trigger,content,extent,place."""
        words = [word.strip() for word in text.strip().split(",")]
        if len(words) == 1:
            if words[0] in PRESETS:
                return PRESETS[words[0]]
            nearest = _nearest(words[0], PRESETS)
            raise ValueError(f"TV: {text!r} is none of {', '.join(PRESETS)}; nearest is {nearest!r}; or say "
                             "trigger,content,extent,place, such as 'remote,k30,view,everywhere'")  # fmt: skip
        if len(words) != 4:
            raise ValueError(f"TV: {text!r} has {len(words)} words, expected trigger,content,extent,place, "
                             "such as 'remote,k30,view,everywhere'")  # fmt: skip
        trigger, content, extent, place = words
        return cls(trigger, content, extent, place)

    def __str__(self) -> str:
        for name, spec in PRESETS.items():
            if spec == self:
                return name
        return f"{self.trigger},{self.content},{self.extent},{self.place}"


def derived_seed(seed: int, use: int) -> int:
    """A seed of 64 bits for one use of a television with `seed`; ValueError for a seed that cannot be."""
    if not isinstance(seed, Integral) or isinstance(seed, bool) or not 0 <= int(seed) < 2**64:
        raise ValueError(f"TV: seed is {seed!r}, expected an integer from 0 to 2**64 - 1")
    return (int(seed) * 0x9E3779B97F4A7C15 + use * 0xD1342543DE82EF95 + _SALT) % 2**64


PRESETS = {"off": TVSpec(on=False), "ride": TVSpec("remote", "balls", "cell", "spot")}
"""ride: a ball whose colour the remote control changes (Raileanu and Rocktäschel 2020, arXiv 2002.12292)."""
