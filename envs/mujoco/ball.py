"""The ball that two forces move in the plane, as a part of a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mujoco

MASS, DAMPING, FORCE = 1.0, 4.0, 10.0
"""kg, N s/m and N in x and in y: the ball reaches up to 2.5 m/s in each, and 63 % of it in .25 s."""
TIMESTEP = 0.01
"""Seconds of a substep."""


def plane_spec(goal_size: int) -> mujoco.MjSpec:
    """An empty model of what happens in a plane seen from above: no weight; room for a goal of `goal_size` numbers."""
    from envs.mujoco.library import mujoco

    spec = mujoco.MjSpec()
    spec.option.timestep = TIMESTEP
    spec.option.gravity = [0.0, 0.0, 0.0]
    spec.nuserdata = goal_size
    spec.worldbody.add_light(pos=[0.0, 0.0, 10.0], dir=[0.0, 0.0, -1.0], type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
    return spec


def add_ball(spec: mujoco.MjSpec, radius: float, condim: int) -> None:
    """Add the ball, body "ball" with joints "ball_x" and "ball_y", and its actuators; controls are within ±1."""
    from envs.mujoco.library import mujoco

    ball = spec.worldbody.add_body(name="ball", pos=[0.0, 0.0, radius])
    ball.add_geom(
        type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[radius, 0.0, 0.0], mass=MASS, condim=condim, rgba=[0.9, 0.3, 0.2, 1.0]
    )
    for name, axis in (("ball_x", [1.0, 0.0, 0.0]), ("ball_y", [0.0, 1.0, 0.0])):
        ball.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis, damping=[DAMPING, 0.0, 0.0])
        motor = spec.add_actuator(
            name=name, trntype=mujoco.mjtTrn.mjTRN_JOINT, target=name, ctrllimited=True, ctrlrange=[-1.0, 1.0]
        )
        motor.set_to_motor()
        motor.gear[0] = FORCE
