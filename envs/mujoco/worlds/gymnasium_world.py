"""A world on one of Gymnasium's own models, out of the installed package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import gymnasium

from envs.mujoco.world import World

if TYPE_CHECKING:
    import mujoco


class GymnasiumWorld(World):
    """A mirror of `gymnasium_id`, on the model in the file `xml` of Gymnasium's assets."""

    gymnasium_id: ClassVar[str]
    xml: ClassVar[str]

    def model(self) -> mujoco.MjModel:
        """Gymnasium's own, read from the installed package.

        Quietly: its HalfCheetah uses a word that MuJoCo 4 warns of, on the console and in a file where one happens to
        be.
        """
        from envs.mujoco.library import mujoco

        usual, quiet = mujoco.MjLogConfig.get(), mujoco.MjLogConfig.get()
        quiet.logto_console = quiet.logto_file = False
        mujoco.MjLogConfig.set(quiet)
        try:
            return mujoco.MjModel.from_xml_path(str(asset(self.xml)))
        finally:
            mujoco.MjLogConfig.set(usual)


def asset(name: str) -> Path:
    """The file `name` of Gymnasium's MuJoCo assets."""
    return Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets" / name
