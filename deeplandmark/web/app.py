"""The ASGI application: page, endpoint, documentation."""
import asyncio
import functools
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from deeplandmark.web.headers import SafeHeaders
from deeplandmark.web.limits import Refusal
from deeplandmark.web.openapi import openapi
from deeplandmark.web.upload import read_upload

STATIC = Path(__file__).with_name("static")


def create_app(finder):
    """The application around a Finder, for any ASGI server."""
    endpoint = _Landmarks(finder)
    description = openapi(finder.limits)

    @asynccontextmanager
    async def lifespan(app):
        yield
        finder.close()

    async def model(request):
        return JSONResponse(finder.model())

    async def described(request):
        return JSONResponse(description)

    return SafeHeaders(Starlette(lifespan=lifespan, exception_handlers=_HANDLERS, routes=[
        Route("/", functools.partial(_file, "index.html")),
        Route("/docs", functools.partial(_file, "docs.html")),
        Route("/openapi.json", described),
        Route("/api/model", model),
        Route("/api/landmarks", endpoint.answer, methods=["POST"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]))


class _Landmarks:
    """`POST /api/landmarks`: reads on the event loop, works on the finder's threads."""

    def __init__(self, finder):
        self._finder, self._at_work = finder, 0

    async def answer(self, request):
        limits = self._finder.limits
        if self._at_work >= limits.requests:
            raise Refusal(503, f"busy with {limits.requests} requests; try again in a moment")
        self._at_work += 1
        try:
            upload = await read_upload(request, limits)
            loop = asyncio.get_running_loop()
            return JSONResponse(await loop.run_in_executor(self._finder.pool, self._finder.find, upload))
        finally:
            self._at_work -= 1


async def _file(name, request):
    return FileResponse(STATIC / name)


def _refused(request, error):
    return JSONResponse({"error": error.message}, error.status, {"Retry-After": "1"} if error.status == 503 else None)


def _http_error(request, error):
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def _gone(request, error):
    return Response(status_code=400)                              # nobody is there to read it


def _failed(request, error):
    return JSONResponse({"error": "the server failed on this request; its log says more"}, 500)


_HANDLERS = {Exception: _failed, Refusal: _refused, HTTPException: _http_error, ClientDisconnect: _gone}
