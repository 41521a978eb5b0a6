"""Mazes and the exact shortest ways of a disc in them, against closed forms and a search of another kind."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from envs.mujoco import MujocoVectorEnv
from envs.mujoco.geodesic import Geodesic
from envs.mujoco.maze import LAYOUTS, Maze

BLOCK = ("#####", "#...#", "#.#.#", "#...#", "#####")


def places(maze: Maze, count: int, radius: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    cells = maze.free_cells[rng.integers(len(maze.free_cells), size=count)]
    return maze.centres(cells) + rng.uniform(-1, 1, (count, 2)) * (maze.size / 2 - radius)


def test_cells_walls_and_coordinates():
    maze = Maze(("####", "#..#", "##.#", "####"), 2.0)
    # 4 x 4 cells of 2 m around the origin; the free ones in the picture's second and third line
    assert maze.free_cells.tolist() == [[1, 2], [2, 1], [2, 2]]
    np.testing.assert_array_equal(maze.centres(maze.free_cells), [[-1, 1], [1, -1], [1, 1]])
    assert maze.cells(np.array([[-0.1, 1.9], [1.99, -0.01], [0.0, 0.0], [9.0, -9.0]])).tolist() == [
        [1, 2], [2, 1], [2, 2], [3, 0],
    ]  # fmt: skip
    np.testing.assert_allclose(
        maze.clearance(np.array([[-1.0, 1.0], [0.5, 0.5], [-1.5, -1.5]])), [1, np.hypot(0.5, 0.5), 0]
    )


@pytest.mark.parametrize("name", LAYOUTS)
def test_rectangles_cover_the_walls_once(name):
    maze = Maze(LAYOUTS[name], 1.5)
    fine = np.stack(np.meshgrid(*(np.arange(2 * side) for side in maze.shape), indexing="ij"), axis=-1).reshape(-1, 2)
    spots = maze.corners(fine / 2 + 0.25)
    x0, y0, x1, y1 = maze.walls.T
    x, y = spots[:, :1], spots[:, 1:]
    covered = ((x0 < x) & (x < x1) & (y0 < y) & (y < y1)).sum(axis=1)
    np.testing.assert_array_equal(covered, ~maze.free[tuple((fine // 2).T)])
    network = nx.Graph()
    cells = {tuple(cell) for cell in maze.free_cells.tolist()}
    network.add_nodes_from(cells)
    network.add_edges_from(((i, j), near) for i, j in cells for near in ((i + 1, j), (i, j + 1)) if near in cells)
    assert nx.is_connected(network)


def test_bad_mazes_are_refused():
    with pytest.raises(ValueError, match="expected lines of"):
        Maze(("###", "#.", "###"), 1.0)
    with pytest.raises(ValueError, match="gap in its rim"):
        Maze(("###", "#..", "###"), 1.0)
    with pytest.raises(ValueError, match="not connected"):
        Maze(("#####", "#.#.#", "#####"), 1.0)
    with pytest.raises(ValueError, match=r"radius is 0\.5 m, expected between 0 and 0\.5"):
        Geodesic(Maze(LAYOUTS["U"], 1.0), 0.5)


@pytest.mark.parametrize("name", ["Open", "Corridor"])
def test_without_corners_ways_are_straight(name):
    maze = Maze(LAYOUTS[name], 1.0)
    starts, ends = (places(maze, 200, 0.2, seed) for seed in (0, 1))
    np.testing.assert_allclose(Geodesic(maze, 0.2).distances(starts, ends), np.hypot(*(ends - starts).T))


def around(corner: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float) -> float:
    """Tangent, arc, tangent: the angle between the two places less what both tangents cut off."""
    to_start, to_end = start - corner, end - corner
    far = np.hypot(*to_start), np.hypot(*to_end)
    angle = np.arccos(to_start @ to_end / far[0] / far[1])
    arc = angle - np.arccos(radius / far[0]) - np.arccos(radius / far[1])
    return sum(np.sqrt(np.square(far) - radius**2)) + radius * arc


@pytest.mark.parametrize("radius", [0.1, 0.2, 0.49])
def test_around_one_corner(radius):
    maze = Maze(("####", "#..#", "##.#", "####"), 1.0)
    geodesic = Geodesic(maze, radius)
    start, end = np.array([-0.5, 0.5]), np.array([0.5, -0.5])
    corner = np.array([0.0, 0.0])
    assert geodesic.distances(start[None], end[None])[0] == pytest.approx(around(corner, start, end, radius))
    start, end = np.array([-1 + radius, radius]), np.array([radius, -1 + radius])  # along both walls: a quarter circle
    expected = 2 * (1 - radius) + radius * np.pi / 2
    assert geodesic.distances(start[None], end[None])[0] == pytest.approx(expected)


def test_around_the_wall_of_the_u():
    """Symmetric: to the first corner, part of a quarter circle, 1 m beside the wall's end, and the same again."""
    maze, radius = Maze(LAYOUTS["U"], 1.0), 0.2
    start = np.array([-1.2, 1.1])
    corner = np.array([0.5, 0.5])  # the wall reaches from the left to x = .5, and from y = -.5 to .5
    way = start - corner
    far = np.hypot(*way)
    arc = np.arctan2(way[1], way[0]) - np.arccos(radius / far)  # until the ball is right of the wall's end
    half = np.sqrt(far**2 - radius**2) + radius * arc
    found = Geodesic(maze, radius).distances(start[None], start[None] * [1, -1])[0]
    assert found == pytest.approx(2 * half + 1.0)


def by_visibility(maze: Maze, radius: float, starts: np.ndarray, ends: np.ndarray, parts: int) -> np.ndarray:
    """Shortest ways among points a little outside of `parts` points of each convex corner's circle: never too short.

    Where the disc gets along is tried out at points 1 cm apart.
    """
    step = np.pi / 2 / parts
    ring = []
    for i in range(1, maze.shape[0]):
        for j in range(1, maze.shape[1]):
            if (~maze.free[i - 1 : i + 1, j - 1 : j + 1]).sum() == 1:
                turn = np.arange(4 * parts) * step
                circle = np.stack([np.cos(turn), np.sin(turn)], axis=1) * radius / np.cos(step / 2)
                ring.append(maze.corners(np.array([[i, j]])) + circle)
    ring = np.concatenate(ring)
    ring = ring[maze.clearance(ring) >= radius - 1e-9]
    nodes = np.concatenate([ring, starts, ends])
    network = nx.Graph()
    share = np.linspace(0, 1, 800)[:, None]
    for m in range(len(nodes)):
        others = nodes[m + 1 :]
        line = nodes[m] + share[:, None] * (others - nodes[m])[None]
        seen = (maze.clearance(line.reshape(-1, 2)).reshape(800, -1) >= radius - 1e-4).all(axis=0)
        length = np.hypot(*(others - nodes[m]).T)
        network.add_weighted_edges_from((m, m + 1 + int(k), length[k]) for k in np.flatnonzero(seen))
    first = len(ring)
    return np.array([nx.dijkstra_path_length(network, first + m, first + len(starts) + m) for m in range(len(starts))])


@pytest.mark.parametrize(("layout", "radius"), [(BLOCK, 0.3), (LAYOUTS["U"], 0.2), (LAYOUTS["Medium"], 0.2)])
def test_against_a_search_among_points(layout, radius):
    maze = Maze(layout, 1.0)
    starts, ends = (places(maze, 12, radius, seed) for seed in (0, 1))
    exact = Geodesic(maze, radius).distances(starts, ends)
    found = by_visibility(maze, radius, starts, ends, 6)
    assert (exact <= found + 1e-3).all()
    np.testing.assert_allclose(exact, found, rtol=4e-3)


@pytest.mark.parametrize("name", LAYOUTS)
def test_it_is_a_metric(name):
    maze = Maze(LAYOUTS[name], 1.0)
    geodesic = Geodesic(maze, 0.2)
    a, b, c = (places(maze, 150, 0.2, seed) for seed in (0, 1, 2))
    there, further, all_the_way = geodesic.distances(a, b), geodesic.distances(b, c), geodesic.distances(a, c)
    assert np.isfinite(there).all()
    assert (there >= np.hypot(*(b - a).T) - 1e-9).all()
    np.testing.assert_allclose(geodesic.distances(b, a), there, atol=1e-9)
    np.testing.assert_allclose(geodesic.distances(a, a), 0, atol=1e-12)
    assert (all_the_way <= there + further + 1e-9).all()
    smaller = Geodesic(maze, 0.05).distances(a, b)
    assert (smaller <= there + 1e-9).all()


def test_pressed_to_a_wall_or_inside_of_it():
    maze = Maze(LAYOUTS["U"], 1.0)
    geodesic = Geodesic(maze, 0.2)
    pressed, free = np.array([[-1.31, 1.32]]), np.array([[-1.3, 1.3]])
    end = np.array([[-1.2, -1.1]])
    assert geodesic.distances(pressed, end) == pytest.approx(geodesic.distances(free, end))
    assert np.isinf(geodesic.distances(np.array([[-1.0, 0.0]]), end))[0]
    beyond = np.array([[3.0, 0.0], [3.0, 1.0], [-1.2, -2.8]])  # the rim is at 2.5 m
    assert np.isinf(geodesic.distances(beyond, beyond[[1, 0, 2]])).all()
    assert np.isinf(geodesic.distances(beyond, np.repeat(end, 3, axis=0))).all()
    with pytest.raises(ValueError, match=r"places are \[1, 2\] and \[2, 2\]"):
        geodesic.distances(end, np.zeros((2, 2)))


def test_no_ball_is_faster_than_the_shortest_way():
    worlds = MujocoVectorEnv("PointMaze-Medium-v0", 64, max_steps=10**6, autoreset_mode="Disabled")
    worlds.reset(seed=0)
    worlds.ask(np.full((64, 2), np.nan))
    rng, held = np.random.default_rng(0), np.zeros((64, 2))
    start = place = worlds.achieved_goal()
    travelled = np.zeros(64)
    for _ in range(200):
        new = rng.random(64) < 0.05
        held[new] = rng.uniform(-1, 1, (int(new.sum()), 2))
        worlds.step(held)
        before, place = place, worlds.achieved_goal()
        travelled += np.hypot(*(place - before).T)
    shortest = worlds.world.geodesic.distances(start, place)
    assert (shortest <= travelled + 0.06).all()  # it cuts corners by what it sinks in
    assert (shortest > np.hypot(*(place - start).T) + 0.05).any()
