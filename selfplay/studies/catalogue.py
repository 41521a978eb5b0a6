"""The studies by name. Importing this loads none of them."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

from selfplay.errors import UserError, unknown
from selfplay.studies.study import Study

STUDIES: dict[str, str] = {
    "coverage": "selfplay.studies.declared.coverage",
    "coverage-mujoco": "selfplay.studies.declared.coverage_mujoco",
    "entropy-bonus": "selfplay.studies.declared.entropy_bonus",
    "exploration": "selfplay.studies.declared.exploration",
    "goal-classifier": "selfplay.studies.declared.goal_classifier",
    "noisy-tv": "selfplay.studies.declared.noisy_tv",
    "noisy-tv-mujoco": "selfplay.studies.declared.noisy_tv_mujoco",
    "overoptimization": "selfplay.studies.declared.overoptimization",
    "preferences": "selfplay.studies.declared.preferences",
    "reward-hacking": "selfplay.studies.declared.reward_hacking",
    "selfplay-mujoco": "selfplay.studies.declared.selfplay_mujoco",
    "teachers": "selfplay.studies.declared.teachers",
    "transfer": "selfplay.studies.declared.transfer",
    "transfer-bonuses": "selfplay.studies.declared.transfer_bonuses",
}
"""Name to the module that holds it as `STUDY`, in alphabetical order."""


def find_study(name: str) -> Study:
    """The study called `name`, or the one in a file: a name that ends in `.py` is a path.

    Raises:
        UserError: there is none (with the nearest name), or its file does not declare one.
    """
    if name.endswith(".py"):
        return _from_file(Path(name))
    if name not in STUDIES:
        raise UserError(unknown("study", name, STUDIES))
    return _declared(importlib.import_module(STUDIES[name]), name)


def _from_file(path: Path) -> Study:
    if not path.is_file():
        raise UserError(f"there is no file '{path}' (expected a study, docs/studies.md)")
    spec = importlib.util.spec_from_file_location(f"_study_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (ValueError, TypeError, SyntaxError, ImportError, NameError) as error:
        raise UserError(f"{path}: {type(error).__name__}: {error}") from None
    return _declared(module, str(path))


def _declared(module: object, where: str) -> Study:
    study = getattr(module, "STUDY", None)
    if not isinstance(study, Study):
        raise UserError(f"{where} declares no study (expected STUDY = Study(…), docs/studies.md)")
    return study
