"""Errors as JSON: what happened, of which kind, and the status of HTTP that goes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from videoseg.errors import (
    ComponentNotFoundError,
    ConfigError,
    FrameNotFoundError,
    MissingDependencyError,
    MissingWeightsError,
    ObjectNotFoundError,
    OutputError,
    QueryError,
    VideoError,
    VideosegError,
)
from videoseg.text import printable, shorten_text

__all__ = ["RequestError", "add_error_handlers", "error_content"]

_LONGEST_MESSAGE = 2_000
_MOST_PROBLEMS = 20

_STATUSES: tuple[tuple[type[VideosegError], int], ...] = (
    (ObjectNotFoundError, 404),
    (FrameNotFoundError, 404),
    (QueryError, 422),
    (VideoError, 422),
    (ConfigError, 422),
    (ComponentNotFoundError, 422),
    (OutputError, 507),
    (MissingDependencyError, 503),
    (MissingWeightsError, 503),
)


class RequestError(VideosegError):
    """A request that cannot be served, with its status of HTTP.

    Args:
        status: The status, such as 404.
        message: What is wrong and what to do.
        headers: Headers of the response, such as ``Retry-After``.
    """

    def __init__(
        self, status: int, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.headers = dict(headers or {})
        super().__init__(message)


def error_content(
    kind: str, message: str, problems: tuple[str, ...] | list[str] = ()
) -> dict[str, Any]:
    """Return the JSON of an error: ``{"error": {"type", "message", "problems"}}``."""
    shown = shorten_text(printable(message, keep="\n"), _LONGEST_MESSAGE)
    listed = [shorten_text(printable(text), _LONGEST_MESSAGE) for text in problems]
    content: dict[str, Any] = {"type": kind, "message": shown}
    if len(listed) > 1:
        content["problems"] = listed[:_MOST_PROBLEMS]
    return {"error": content}


def add_error_handlers(app: FastAPI) -> None:
    """Make an app answer the errors that are expected in JSON."""
    app.add_exception_handler(RequestError, _answer_request_error)
    app.add_exception_handler(VideosegError, _answer_videoseg_error)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)


async def _answer_request_error(request: Request, error: Exception) -> JSONResponse:
    del request
    assert isinstance(error, RequestError)
    content = error_content("RequestError", str(error))
    return JSONResponse(content, error.status, headers=error.headers)


async def _answer_videoseg_error(request: Request, error: Exception) -> JSONResponse:
    del request
    status = next((code for kind, code in _STATUSES if isinstance(error, kind)), 500)
    problems = error.problems if isinstance(error, ConfigError) else ()
    return JSONResponse(error_content(type(error).__name__, str(error), problems), status)


async def _answer_validation_error(request: Request, error: Exception) -> JSONResponse:
    del request
    assert isinstance(error, RequestValidationError)
    problems = [
        f"{'.'.join(str(part) for part in item['loc'] if part != 'body') or 'the body'}: "
        f"{item['msg']}"
        for item in error.errors()
    ]
    return JSONResponse(error_content("RequestError", "; ".join(problems), problems), 422)


async def _answer_http_exception(request: Request, error: Exception) -> JSONResponse:
    del request
    assert isinstance(error, HTTPException)
    content = error_content("RequestError", str(error.detail))
    return JSONResponse(content, error.status_code, headers=error.headers)
