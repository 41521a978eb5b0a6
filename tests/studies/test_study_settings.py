"""The settings of every run of every declared study mean something where they are given."""

from pathlib import Path

import pytest

from selfplay.environments import family_of, find_environment
from selfplay.idle import check_idle
from selfplay.methods import method_settings
from selfplay.studies.catalogue import STUDIES, find_study


@pytest.mark.parametrize("name", STUDIES)
def test_no_declared_run_is_refused(name):
    runs = [arm.run for arm in find_study(name).arms]
    while runs:
        for run in runs:
            settings = method_settings(run.method, run.overrides, family_of(find_environment(run.env)))
            check_idle(settings, run.overrides, Path("nowhere"))
        runs = [run.begins for run in runs if run.begins is not None]
