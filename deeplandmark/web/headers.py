"""Headers that keep the page to itself: it loads nothing from elsewhere, and nobody else may embed it."""
from starlette.datastructures import MutableHeaders

from deeplandmark.web.policy import OF_SERVER

HEADERS = {
    "Content-Security-Policy": OF_SERVER,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SafeHeaders:
    """ASGI middleware around everything, error pages included, that adds HEADERS to each answer."""

    def __init__(self, app):
        self._app = app

    async def __call__(self, scope, receive, send):
        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                # Answers are somebody's face; pages are asked for again so that an upgrade shows.
                headers["Cache-Control"] = "no-store" if scope["path"].startswith("/api/") else "no-cache"
            await send(message)
        await self._app(scope, receive, send_with_headers)
