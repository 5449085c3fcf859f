"""One connection of the server, with limits that uvicorn's own has not: how many there are, how long they may be
silent, how finely a body may be cut."""
import json
import logging
from collections import Counter

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

_PIECE = 1 << 14        # bytes of a head that are looked at together
_LINES, _PER_LINE = 1000, 256      # line ends that a chunked body may have, and bytes for each one more
_RESERVED = 64          # files that the server's process has open besides connections


def connection(limits):
    """The class of the connections of one server, for `uvicorn.Config(http=...)`."""
    return type("Connection", (_Connection,), {"limits": limits, "of_address": Counter()})


def affordable(limits):
    """How many connections there may be (int): `limits.connections`, or less where the system allows few open files.
    The system's own limit is raised where it can be."""
    try:
        import resource
    except ImportError:                                           # Windows
        return limits.connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * limits.connections + _RESERVED
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return limits.connections if soft >= wanted or soft < 0 else max(8, (soft - _RESERVED) // 2)


def backlog(connections):
    """How many new connections may be accepted at once (int), so that with those that are there files do not run out:
    each has one before it can be refused."""
    return max(8, min(128, connections // 2))


class _Connection(H11Protocol):
    limits = of_address = None
    _address, _timer, _lines, _bytes = None, None, 0, 0

    def connection_made(self, transport):
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self.of_address[self._address] += 1
        if len(self.connections) > self.limits.connections:
            self._refuse(503, "too many connections; try again in a moment")
        elif self.of_address[self._address] > max(1, self.limits.connections // 2):
            self._refuse(503, "too many connections from one address")
        else:
            self._end_after(self.limits.head)

    def connection_lost(self, error):
        if self._timer is not None:
            self._timer.cancel()
        self.of_address -= Counter([self._address])
        super().connection_lost(error)

    def data_received(self, data):
        while data and not self.transport.is_closing():
            # What comes with a head may be a body in tiny chunks: only the head tells.
            piece, data = (data, b"") if self._at_work() else (data[:_PIECE], data[_PIECE:])
            if self._at_work() and self._too_fine(piece):
                self._refuse(400, "the body comes in too small chunks")
                return
            before = self._at_work()
            super().data_received(piece)
            if not before and self._at_work():
                self._end_after(self.limits.seconds + self.limits.end + 60)

    def on_response_complete(self):
        self._lines = self._bytes = 0
        super().on_response_complete()
        if not self._at_work() and not self.transport.is_closing():
            self._end_after(self.limits.head)

    def _at_work(self):
        return self.cycle is not None and not self.cycle.response_complete

    def _too_fine(self, piece):
        """Each chunk costs as much as many bytes do: whether there are too many of them."""
        if not any(name == b"transfer-encoding" for name, _ in self.headers):
            return False
        self._lines, self._bytes = self._lines + piece.count(b"\n"), self._bytes + len(piece)
        return self._lines > _LINES + self._bytes // _PER_LINE

    def _end_after(self, seconds):
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self.transport.abort)

    def _refuse(self, status, reason):
        body = json.dumps({"error": reason}).encode()
        if self.cycle is None or not self.cycle.response_started:
            self.transport.write(b"HTTP/1.1 %d \r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
                                 b"Connection: close\r\n\r\n%b" % (status, len(body), body))
        self.transport.close()
        self._end_after(1)


class Server(uvicorn.Server):
    """With a long queue of connections that wait to be accepted, however few are accepted at once."""

    async def startup(self, sockets=None):
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(256)


def quiet(loop):
    """Connections that break, or cannot be accepted for want of files, fill no log; that requests were cut off at the
    end is no error."""
    def handle(loop, context):
        if not isinstance(context.get("exception"), OSError):
            loop.default_exception_handler(context)
    loop.set_exception_handler(handle)
    logging.getLogger("uvicorn.error").addFilter(lambda record: not str(record.msg).startswith("Cancel "))
