"""Whose pages may use the server: its own only."""
import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.responses import JSONResponse

_SAFE = ("GET", "HEAD", "OPTIONS")


class OwnPagesOnly:
    """ASGI middleware that refuses what pages of others send through a visitor's browser.

    A request has to name the server (Host) by an address, as localhost, by the machine's name or by one that is
    allowed: a page of another host that has its own name lead here (DNS rebinding) tells that name. What changes or
    computes something (POST) may not come from a page of another origin.

    Parameters
    ----------
    app : ASGI application
    names : iterable of str
        Further names of the server; "*" allows every one, and requests of pages of every origin.
    """

    def __init__(self, app, names=()):
        self._app, self._any = app, "*" in names
        self._names = {name.lower() for name in (*names, "localhost", socket.gethostname(), socket.getfqdn())}
        self._told = {name.lower() for name in names}

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and not self._any:
            reason = self._refusal(scope)
            if reason is not None:
                return await JSONResponse({"error": reason}, 403)(scope, receive, send)
        return await self._app(scope, receive, send)

    def _refusal(self, scope):
        headers = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, value.decode("latin-1"))
        host = headers.get(b"host", "")
        if not self._is_own(_name_of(host)):
            return f"the server is not called {_name_of(host)[:100]!r}; serve --allow-host NAME allows it"
        if scope["method"] in _SAFE:
            return None
        origin = headers.get(b"origin")
        foreign = headers.get(b"sec-fetch-site") == "cross-site" if origin is None else not self._is_ours(origin, host)
        return "pages of other origins may not use this server" if foreign else None

    def _is_own(self, name):
        return name in self._names or _is_address(name)

    def _is_ours(self, origin, host):
        place = urlsplit(origin)
        return place.netloc.lower() == host.lower() or (place.hostname or "").lower() in self._told


def _name_of(host):
    """localhost of localhost:8000, ::1 of [::1]:8000."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name):
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
