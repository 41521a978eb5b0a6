import pytest
from curiosity_worlds import surroundings
from pydantic import ValidationError

import curiosity
from curiosity.catalogue import SOURCES, make_source, source_entry
from curiosity.config import RNDConfig


def test_importing_the_catalogue_loads_no_torch(run_python):
    loaded = run_python("import sys, curiosity.catalogue; print(*sys.modules)")
    assert not {"torch", "numba", "gymnasium"} & set(loaded.stdout.split())


def test_the_contract_can_be_imported_from_the_package():
    assert all(getattr(curiosity, name) is getattr(curiosity.source, name) for name in curiosity.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Sources'"):
        curiosity.Sources  # noqa: B018


def test_wrong_names_and_settings_are_refused():
    with pytest.raises(ValueError, match="unknown reward source 'novel'; did you mean 'noveld'"):
        source_entry("novel")
    with pytest.raises(ValueError, match="expected one of forward, icm, rnd"):
        make_source("zzz", None, surroundings("grid"))
    with pytest.raises(ValueError, match="icm takes ICMConfig, got RNDConfig"):
        make_source("icm", RNDConfig(), surroundings("grid"))


@pytest.mark.parametrize("name", SOURCES)
def test_settings_are_described_frozen_and_in_range(name):
    config = SOURCES[name].config
    assert all(field.description for field in config.model_fields.values())
    with pytest.raises(ValidationError):
        config(gamma=1.5)
    with pytest.raises(ValidationError):
        config(gamma=float("nan"))
    with pytest.raises(ValidationError):
        config(unknown=1)
    with pytest.raises(ValidationError):
        config().gamma = 0.5
    assert SOURCES[name].weight > 0
    assert "\n" not in SOURCES[name].description
