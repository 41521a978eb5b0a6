"""The commands and the Python of README and docs, and small versions of them."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

SMALL = {  # what is appended; of an option that is given twice the last one counts
    "train": ("--steps", "300", "--num-envs", "8", "--threads", "1", "--quiet"),
    "finetune": ("--steps", "300", "--num-envs", "8", "--threads", "1", "--quiet"),
    "evaluate": ("--episodes", "4", "--threads", "1"),
    "record": ("--episodes", "4", "--threads", "1"),
    "watch": ("--episodes", "1", "--longest", "10"),
    "clone": ("--threads", "1", "--quiet", "--set", "fit.epochs=1"),
    "dpo": ("--threads", "1", "--quiet", "--set", "fit.epochs=1"),
    "study": ("--dry-run",),
}
NEEDS_MORE = {  # what is only looked at: does the command take it?
    "label": "a person",
    "bench": "minutes, and peers that are not installed",
    "dpo": "a person's answers",
}


@dataclass(frozen=True)
class Command:
    """One line `selfplay …` of a page."""

    page: str
    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: selfplay {shlex.join(self.words)}"

    @property
    def runs(self) -> bool:
        """Whether it can be run here and now, in small."""
        reads = {
            "--report-only",
            "--merge",
            "--export",
            "--ray",
        }  # what another command of the page leaves, or a cluster
        return self.words[0] not in NEEDS_MORE and not reads & {*self.words} and "NAME" not in " ".join(self.words)

    @property
    def small(self) -> list[str]:
        """The same, over in a moment."""
        if len(self.words) == 1:  # lists what there is
            return [*self.words]
        words = [*self.words, *SMALL.get(self.words[0], ())]
        if "--successes" in words:  # who has hardly learnt has none
            words.remove("--successes")
        if "--labels" in words:
            words += ["--labels", "12"]
        if self.words[0] in ("train", "finetune"):
            key = "eval_goals" if self.words[1] == "alice-bob" else "eval_episodes"
            words += ["--set", f"{key}=2"]
        return words


def commands() -> list[Command]:
    """Every `selfplay …` of every page, in order."""
    found = []
    for page in PAGES:
        lines = page.read_text().splitlines()
        for number, line in enumerate(lines):
            if not re.match(r" {4}selfplay [a-z]", line):
                continue
            text, rest = line.strip(), number
            while text.endswith("\\"):
                rest += 1
                text = text[:-1] + lines[rest].strip()
            words = tuple(shlex.split(text, comments=True)[1:])
            found.append(Command(page.name, number + 1, words))
    return found


def python_of(page: Path) -> str:
    """All Python of a page, one block behind the other, at the lines where it stands there, in small."""
    lines, inside, kept = page.read_text().splitlines(), False, []
    for line in lines:
        fence = line.startswith("```")
        kept.append(line if inside and not fence else "")
        if fence:
            inside = line == "```python"
    text = "\n".join(kept)
    text = re.sub(r"\b(steps=|v0\", |< |/ )\d[\d_]{4,}", r"\g<1>300", text)
    text = re.sub(r"\b(run_dir=)", r"num_envs=8, \1", text)
    text = re.sub(r"(run_clone\(file, )num_envs=8, ", r"\1", text)
    return (
        re.sub(r"episodes=\d+", "episodes=4", text)
        .replace('budget": "500"', 'budget": "12"')
        .replace("jobs=2", "jobs=1")
    )
