"""Signing in with a browser: the token once, then a cookie that scripts cannot read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from fastapi import Body, FastAPI, Request, Response
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles

from videoseg_studio.server.errors import RequestError
from videoseg_studio.server.security import TOKEN_COOKIE, token_matches
from videoseg_studio.server.settings import Settings

__all__ = ["mount_sign_in"]

_STATIC = Path(__file__).parent / "static"
_COOKIE_SECONDS = 30 * 24 * 3_600


def mount_sign_in(app: FastAPI, settings: Settings) -> None:
    """Add the page ``/sign-in``, what it posts to, and the styles of the server's own pages."""
    app.mount("/static", StaticFiles(directory=_STATIC), name="server-static")

    @app.get("/sign-in", response_class=FileResponse, include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(_STATIC / "sign-in.html")

    @app.post("/sign-in", status_code=204, include_in_schema=False)
    def sign_in(
        request: Request,
        response: Response,
        token: Annotated[str, Body(embed=True, max_length=1_000)],
    ) -> None:
        if settings.token is None:
            return
        if not token_matches(token, settings.token):
            raise RequestError(401, "this is not the token of the server")
        response.set_cookie(
            TOKEN_COOKIE,
            settings.token,
            max_age=_COOKIE_SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
