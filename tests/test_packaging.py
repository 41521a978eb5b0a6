"""The distribution lists every package, the pins cover every requirement, and foreign packages are noticed."""

import ast
import re
import shutil
import tomllib
from pathlib import Path

import pytest
from setuptools import find_packages

import selfplay

ROOT = Path(__file__).resolve().parent.parent


def setup_arguments():
    """Arguments of setup(), constants resolved, without running it."""
    tree = ast.parse((ROOT / "setup.py").read_text())
    known = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                known[node.targets[0].id] = ast.literal_eval(node.value)
            except ValueError:
                continue
    call = next(node.value for node in tree.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
    found = {}
    for keyword in call.keywords:
        value = keyword.value
        if keyword.arg == "extras_require":
            found[keyword.arg] = {key.value: known[item.id] for key, item in zip(value.keys, value.values, strict=True)}
            continue
        try:
            found[keyword.arg] = ast.literal_eval(value)
        except ValueError:
            continue
    return found


def canonical(name):
    return re.sub(r"[-_.]+", "-", re.split(r"[<>=!\[; ]", name)[0]).lower()


def pins():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_every_package_is_listed():
    found = find_packages(ROOT, include=["curiosity*", "envs*", "selfplay*"])
    assert sorted(setup_arguments()["packages"]) == sorted(found)


def test_the_pages_files_are_in_the_wheel(tmp_path, run_python):
    for name in ("setup.py", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for package in ("envs", "curiosity", "selfplay"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__", "*.nb[ci]"))
    run_python(["setup.py", "-q", "build_py", "-d", tmp_path / "built"], cwd=tmp_path)
    built = {path.name for path in (tmp_path / "built/selfplay/label/web").iterdir()}
    assert (
        built == {path.name for path in (ROOT / "selfplay/label/web").iterdir()} >= {"page.html", "page.css", "page.js"}
    )


def test_package_folder_is_the_root_so_that_editors_find_it():
    arguments = setup_arguments()
    assert arguments["package_dir"] == {"": "."}
    assert arguments["entry_points"] == {"console_scripts": ["selfplay=selfplay.cli:main"]}
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]


def test_every_requirement_is_pinned_exactly():
    pinned = {canonical(name): version for name, version in pins().items()}
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in pinned.values())
    arguments = setup_arguments()
    wanted = [
        *arguments["install_requires"],
        *(name for extra in arguments["extras_require"].values() for name in extra),
    ]
    assert {canonical(name) for name in wanted} <= set(pinned)
    assert pinned["torch"] == "2.13.0"
    assert pinned["minigrid"] == "3.2.0"


def test_version_is_the_one_in_the_package():
    assert re.fullmatch(r"\d+\.\d+\.\d+", selfplay.__version__)


@pytest.mark.parametrize("name", ["envs", "curiosity"])
def test_shadowed_package_is_named(name, tmp_path, run_python):
    foreign = tmp_path / f"{name}.py"
    foreign.write_text("raise RuntimeError('the foreign module ran')\n")
    done = run_python(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import selfplay", check=False)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ImportError: package '{name}' is shadowed by {foreign}: expected {ROOT / name};")


def test_missing_package_is_named(run_python, tmp_path):
    (tmp_path / "selfplay").symlink_to(ROOT / "selfplay")
    code = f"import sys; sys.path = [p for p in sys.path if p not in ('', {str(ROOT)!r})]"
    code += "\nsys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]"
    code += f"\nsys.path.insert(0, {str(tmp_path)!r}); import selfplay"
    done = run_python(code, check=False, cwd=tmp_path)
    assert "ImportError: package 'curiosity' is missing: expected" in done.stderr.strip().splitlines()[-1]
