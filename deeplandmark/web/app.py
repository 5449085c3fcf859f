"""The ASGI application: page, endpoint, documentation."""
import asyncio
import functools
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from deeplandmark.web.connections import quiet
from deeplandmark.web.headers import SafeHeaders
from deeplandmark.web.hosts import OwnPagesOnly
from deeplandmark.web.limits import Refusal
from deeplandmark.web.openapi import openapi
from deeplandmark.web.upload import read_body

STATIC = Path(__file__).with_name("static")


def create_app(workers, names=()):
    """The application around Workers, for any ASGI server; `names` as of `OwnPagesOnly`."""
    endpoint = _Landmarks(workers)
    description = openapi(workers.limits)

    @asynccontextmanager
    async def lifespan(app):
        quiet(asyncio.get_running_loop())
        yield
        workers.close()

    async def model(request):
        return JSONResponse(workers.model)

    async def described(request):
        return JSONResponse(description)

    async def health(request):
        return JSONResponse({"status": "ok", "requests": endpoint.at_work, "working": workers.working})

    return SafeHeaders(OwnPagesOnly(Starlette(lifespan=lifespan, exception_handlers=_HANDLERS, routes=[
        Route("/", functools.partial(_file, "index.html")),
        Route("/docs", functools.partial(_file, "docs.html")),
        Route("/health", health),
        Route("/openapi.json", described),
        Route("/api/model", model),
        Route("/api/landmarks", endpoint.answer, methods=["POST"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]), names))


class _Landmarks:
    """`POST /api/landmarks`: reads on the event loop, works in the workers' processes."""

    def __init__(self, workers):
        self._workers, self._of_address, self._held = workers, Counter(), 0

    @property
    def at_work(self):
        """Requests under way (int)."""
        return self._of_address.total()

    async def answer(self, request):
        limits, address = self._workers.limits, request.client.host if request.client else ""
        if self.at_work >= limits.requests:
            raise Refusal(503, f"busy with {limits.requests} requests; try again in a moment")
        if self._of_address[address] >= max(1, limits.requests // 2):
            raise Refusal(503, f"busy with {limits.requests // 2} requests of this address; try again in a moment")
        held = []
        self._of_address[address] += 1
        try:
            body = await read_body(request, limits, functools.partial(self._hold, held))
            status, answer = await self._workers.answer(request.headers["content-type"], body, _gone_away(request))
            return Response(answer, status, media_type="application/json")
        except asyncio.CancelledError:
            raise Refusal(503, "the server ends") from None
        finally:
            self._held -= sum(held)
            self._of_address -= Counter([address])

    def _hold(self, held, count):
        if self._held + count > self._workers.limits.held:
            raise Refusal(503, "busy with large uploads; try again in a moment")
        held.append(count)
        self._held += count


async def _gone_away(request):
    """Done when the client is: nothing else is left to come after a body."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _file(name, request):
    return FileResponse(STATIC / name)


async def _refused(request, error):
    return JSONResponse({"error": error.message}, error.status, {"Retry-After": "1"} if error.status == 503 else None)


async def _http_error(request, error):
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _gone(request, error):
    return Response(status_code=400)                              # nobody is there to read it


async def _failed(request, error):
    return JSONResponse({"error": "the server failed on this request; its log says more"}, 500)


_HANDLERS = {Exception: _failed, Refusal: _refused, HTTPException: _http_error, ClientDisconnect: _gone}
