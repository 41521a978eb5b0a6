"""Packaging of the three top-level packages `envs`, `curiosity` and `selfplay`."""

import re
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
VERSION = re.search(r'^__version__ = "(.+)"$', (HERE / "selfplay/__init__.py").read_text(), re.MULTILINE).group(1)
TEST = [
    "imageio-ffmpeg", "jinja2", "networkx", "playwright", "pytest", "pytest-xdist", "stable-baselines3", "starlette",
    "uvicorn",
]  # fmt: skip
LABEL = ["jinja2", "starlette", "uvicorn"]
REPORT = ["jinja2"]
MP4 = ["imageio-ffmpeg"]
DEV = ["mypy", "ruff"]
CLUSTER = ["ray"]
BENCH = ["envpool", "navix", "stable-baselines3"]

setup(
    name="selfplay",
    version=VERSION,
    description="Asymmetric self-play and curiosity on one fast policy-gradient core",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    author="The selfplay authors",
    python_requires=">=3.11",
    packages=[
        "curiosity",
        "envs",
        "envs.grid",
        "envs.grid.levels",
        "envs.mujoco",
        "envs.mujoco.worlds",
        "envs.outside",
        "selfplay",
        "selfplay.bench",
        "selfplay.bench.peers",
        "selfplay.commands",
        "selfplay.core",
        "selfplay.game",
        "selfplay.imitation",
        "selfplay.label",
        "selfplay.measures",
        "selfplay.report",
        "selfplay.rewards",
        "selfplay.stages",
        "selfplay.studies",
        "selfplay.studies.declared",
        "selfplay.transfer",
    ],
    package_dir={"": "."},
    package_data={"selfplay.label": ["web/*"], "selfplay.report": ["web/*"]},
    install_requires=[
        "click",
        "filelock",
        "gymnasium[mujoco]",
        "llvmlite",
        "matplotlib",
        "minigrid[wfc]==3.2.0",  # the grid engine is exact to this version
        "mujoco>=4",
        "numba",
        "numpy",
        "pillow",
        "pydantic>=2.12",
        "rich",
        "safetensors",
        "scipy",
        "tensorboard",
        "torch",
    ],
    extras_require={
        "test": TEST,
        "dev": DEV,
        "bench": BENCH,
        "label": LABEL,
        "report": REPORT,
        "mp4": MP4,
        "cluster": CLUSTER,
    },
    entry_points={"console_scripts": ["selfplay=selfplay.cli:main"]},
)
