"""Who may speak to the labelling page: only a browser on this machine that was let in by the link.

Any web page that is open in the browser can send requests to a port of this machine, and a name that is made to point
here (DNS rebinding) makes them same-origin. So the Host must be ours, the Origin of what changes something as well,
and every request carries a cookie that no other site's requests get (SameSite=Strict).
"""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}
"""Of every answer, refusals included."""


class Guard:
    """Middleware around `app` on this `port`. `link` lets one browser in, once: it swaps the token for a cookie."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self.app, self.port = app, port
        self.cookie = f"selfplay-label-{port}"  # cookies do not know ports: two pages must not share one
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self._session = secrets.token_urlsafe(32)
        self._token: str | None = secrets.token_urlsafe(32)

    @property
    def link(self) -> str:
        """What the user opens; `ValueError` once it was used."""
        if self._token is None:
            raise ValueError("the link was used")
        return f"http://127.0.0.1:{self.port}/enter?token={self._token}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"the labelling page speaks HTTP only, got {scope['type']}")

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.decode() not in HEADERS]
                message["headers"] = kept + [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            await send(message)

        request = Request(scope)
        response = self._refusal(request) or self._entrance(request)
        await (response or self.app)(scope, receive, guarded)

    def _refusal(self, request: Request) -> Response | None:
        host, origin = request.headers.getlist("host"), request.headers.getlist("origin")
        if len(host) != 1 or host[0] not in self._hosts:
            return PlainTextResponse("This server answers only as 127.0.0.1 or localhost.\n", 421)
        if (origin or request.method not in ("GET", "HEAD")) and origin != [f"http://{host[0]}"]:
            return PlainTextResponse("Requests of other pages are refused.\n", 403)
        return None

    def _entrance(self, request: Request) -> Response | None:
        """None for those who are in and ask for something else."""
        inside = _same(request.cookies.get(self.cookie), self._session)
        if request.url.path != "/enter":
            if inside:
                return None
            return PlainTextResponse("Open the link that `selfplay label` printed; it works once.\n", 403)
        if request.method != "GET":
            return PlainTextResponse("Expected GET.\n", 405)
        if not inside:
            if not _same(request.query_params.get("token"), self._token):
                text = "This link is wrong, or was used before: start `selfplay label` again for a new one.\n"
                return PlainTextResponse(text, 403)
            self._token = None
        response = RedirectResponse("/", 303)
        response.set_cookie(self.cookie, self._session, path="/", httponly=True, samesite="strict")
        return response


def _same(given: str | None, expected: str | None) -> bool:
    """Compared in constant time."""
    return None not in (given, expected) and secrets.compare_digest(str(given).encode(), str(expected).encode())
