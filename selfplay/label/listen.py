"""The labelling page on a socket. Needs the extra `label`: starlette, uvicorn, jinja2."""

from __future__ import annotations

import contextlib
import socket

import click
import uvicorn

from selfplay.label.desk import Desk
from selfplay.label.guard import Guard
from selfplay.label.page import make_app


def make_server(
    desk: Desk, listener: socket.socket, *, title: str, question: str, fps: float
) -> tuple[uvicorn.Server, Guard]:
    """A server for `listener` (bound, on loopback), not yet running, and the guard that knows its link."""
    guard = Guard(make_app(desk, title, question, fps), listener.getsockname()[1])
    config = uvicorn.Config(
        guard, ws="none", lifespan="off", log_level="warning", access_log=False, server_header=False,
        proxy_headers=False, timeout_graceful_shutdown=3, http="h11", loop="asyncio",
    )  # fmt: skip
    return uvicorn.Server(config), guard


def listen(desk: Desk, listener: socket.socket, *, title: str, question: str, fps: float) -> None:
    """Print the link and serve until Ctrl-C."""
    server, guard = make_server(desk, listener, title=title, question=question, fps=fps)
    click.echo(f"{guard.link}\nOpen this link in a browser on this machine; it works once. Ctrl-C ends.")
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn has finished what was under way, then raises it
        server.run(sockets=[listener])
