"""Which way the arrows between the packages point, read from the sources."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {
    "envs": {"torch", "tensorboard", "curiosity", "selfplay", "tests", "benchmarks"},
    "curiosity": {"envs", "selfplay", "tests", "benchmarks"},
    "selfplay": {"tests", "benchmarks"},
}
HEAVY = {"torch", "numba", "gymnasium", "matplotlib", "scipy", "tensorboard", "minigrid", "pickle", "envs", "curiosity"}
PICKLES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}


def sources(package):
    return sorted((ROOT / package).rglob("*.py"))


def imported(source: str, package: tuple[str, ...] = ()) -> set[str]:
    """Top-level names that a module (of `package`) imports anywhere, by statement or by a constant string."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            names.add(".".join([*base, *([node.module] if node.module else [])]))
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            function = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if function in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                names.add(node.args[0].value)
    return {name.split(".")[0] for name in names if name}


def test_reader_sees_every_kind_of_import():
    source = (
        "import a.b\nfrom c import d\ndef f():\n    import e\nimport_module('g.h')\nfrom . import i\nfrom ..k import m"
    )
    assert imported(source, ("top", "sub")) == {"a", "c", "e", "g", "top"}


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_no_arrow_runs_the_wrong_way(package):
    assert sources(package), f"{package} has no sources"
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(package)
        for name in imported(path.read_text(), path.relative_to(ROOT).parent.parts) & FORBIDDEN[package]
    }
    assert not wrong


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_nothing_is_pickled(package):
    wrong = {str(path) for path in sources(package) if imported(path.read_text()) & PICKLES}
    assert not wrong
    for path in sources(package):
        for node in ast.walk(ast.parse(path.read_text())):
            named = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if named and isinstance(node.func.value, ast.Name):
                assert (node.func.value.id, node.func.attr) not in {("torch", "load"), ("torch", "save")}, path


def test_importing_the_command_loads_nothing_heavy(run_python):
    loaded = run_python("import sys, selfplay.cli; print(*sorted({name.split('.')[0] for name in sys.modules}))")
    assert not HEAVY & set(loaded.stdout.split())


def test_importing_envs_loads_no_engine(run_python):
    loaded = run_python("import sys, envs, envs.grid.levels; print(*sys.modules)")
    assert not {"torch", "numba"} & set(loaded.stdout.split())


def test_grid_stages_do_not_load_mujoco(run_python):
    loaded = run_python(
        "import sys, envs.grid.field, selfplay.stages.ppo, selfplay.stages.alice_bob; print(*sys.modules)"
    )
    assert "mujoco" not in loaded.stdout.split()
