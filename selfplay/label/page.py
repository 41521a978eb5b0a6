"""The labelling page's routes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from selfplay.label.desk import Desk

WEB = Path(__file__).parent / "web"
_FILES = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_LONGEST = 4096  # bytes of what is sent to us
_Id = Field(pattern=r"^[0-9a-zA-Z-]{8,64}$")


class _Answer(BaseModel):
    """id: the client's own, the same in every repetition. seconds: from when the pair was seen."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    id: str = _Id
    query: str = Field(max_length=200)
    choice: Literal["left", "right", "equal", "skip"]
    seconds: float | None = Field(ge=0, le=1e6)


class _Undo(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    id: str = _Id
    answer: str = Field(max_length=200)


def make_app(desk: Desk, title: str, question: str, fps: float) -> Starlette:
    """The page for `desk`, unguarded. title: what is labelled; question: what is asked; fps: frames a second."""
    templates = Environment(loader=FileSystemLoader(WEB), autoescape=True, undefined=StrictUndefined)
    html = templates.get_template("page.html").render(
        title=title, question=question, teacher=desk.teacher, milliseconds=round(1000 / fps)
    )

    def page(_request: Request) -> Response:
        return HTMLResponse(html)

    def state(request: Request) -> Response:
        if request.query_params.get("seen") == str(desk.version()):
            return Response(status_code=204)
        return JSONResponse(desk.state())

    def clip(request: Request) -> Response:
        content = desk.picture(request.path_params["clip"])
        if content is None:
            raise HTTPException(404, "there is no such clip")
        return Response(content, media_type="image/png")

    async def answer(request: Request) -> Response:
        sent = _Answer.model_validate_json(await _body(request))
        await run_in_threadpool(desk.answer, sent.id, sent.query, sent.choice, sent.seconds)
        return JSONResponse(await run_in_threadpool(desk.state))

    async def undo(request: Request) -> Response:
        sent = _Undo.model_validate_json(await _body(request))
        await run_in_threadpool(desk.undo, sent.id, sent.answer)
        return JSONResponse(await run_in_threadpool(desk.state))

    routes = [
        Route("/", page),
        Route("/state", state),
        Route("/clips/{clip}.png", clip),
        Route("/answer", answer, methods=["POST"]),
        Route("/undo", undo, methods=["POST"]),
        *(Route(f"/{name}", _file((WEB / name).read_bytes(), kind)) for name, kind in _FILES.items()),
    ]
    refusals = {HTTPException: _refused, ValidationError: _malformed, ValueError: _impossible}
    return Starlette(routes=routes, exception_handlers=refusals)


def _file(content: bytes, kind: str):
    def send(_request: Request) -> Response:
        return Response(content, media_type=kind)

    return send


async def _body(request: Request) -> bytes:
    if request.headers.get("content-type") != "application/json":
        raise HTTPException(415, "expected application/json")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST:
            raise HTTPException(413, f"expected at most {_LONGEST} bytes")
    return body


def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def _malformed(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "this is no answer that the page would send"}, 422)


def _impossible(_request: Request, error: Exception) -> Response:
    """What the ledger does not take."""
    return JSONResponse({"error": str(error)}, 409)
