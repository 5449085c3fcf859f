"""Clients that are slow, many, gone or ill-meaning: others are answered all the while, and the server ends."""
import json
import signal
import socket
import time
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest

from tests.helpers.patience import PATIENCE
from tests.helpers.server import BOUNDARY, Server, encoded, face, multipart

pytestmark = pytest.mark.process  # of a server

IMAGE, _, BOX = face()
PNG = encoded(IMAGE)
OTHER = "127.0.0.2"     # another address of this machine


@contextmanager
def serving(*flags, said="serve: stopped\n", **limits):
    """A server of its own, which at the end has said nothing else."""
    server = Server("--threads", "1", *flags, **limits)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            assert server.stop() == said and server.process.returncode == 0


def head(*lines):
    form = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    return "\r\n".join(["POST /api/landmarks HTTP/1.1", "Host: localhost", form, *lines, "", ""]).encode()


def line_to(server, sent=b"", source=None):
    line = socket.create_connection(server.address, timeout=30, source_address=source and (source, 0))
    line.sendall(sent)
    return line


def slow_form(boxes):
    """A form that takes a tenth of a second a box."""
    return multipart(encoded(np.full((5000, 7000, 3), 128, np.uint8), ".png"), boxes=["0,0,7000,5000"] * boxes)


def status_of(line):
    """The status that comes back on a line; None where it is closed without."""
    try:
        words = line.recv(65536).split(b" ", 2)
    except ConnectionResetError:
        return None
    return int(words[1]) if len(words) > 1 else None


def ask(server, **more):
    return server.post(PNG, boxes=BOX, **more)[0]


def health(server):
    return json.loads(server.get("/health")[2])


def until(condition):
    """Waits for what has to happen, a minute at most."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.02)


def test_who_says_nothing_or_half_a_head_is_cut_off():
    with serving(head=0.5) as server, ExitStack() as lines:
        silent = [lines.enter_context(line_to(server, sent)) for sent in (b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost:")]
        kept = lines.enter_context(line_to(server, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"))
        assert status_of(kept) == 200
        assert [status_of(line) for line in [*silent, kept]] == [None] * 4
        kept = lines.enter_context(line_to(server, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /he"))
        assert status_of(kept) == 200 and status_of(kept) is None        # the next head counts, too
        assert ask(server) == 200


def test_a_slow_body_is_cut_off():
    with serving(start=0.3) as server, line_to(server, head("Content-Length: 900") + b"-") as line:
        assert ask(server) == 200
        assert status_of(line) == 408


def test_connections_are_limited_in_all_and_for_one_address():
    with serving(connections=8) as server, ExitStack() as lines:
        mine = [lines.enter_context(line_to(server)) for _ in range(4)]
        assert status_of(lines.enter_context(line_to(server))) == 503    # the fifth of one address
        assert ask(server, source=OTHER) == 200
        theirs = [lines.enter_context(line_to(server, source=OTHER)) for _ in range(4)]
        assert status_of(lines.enter_context(line_to(server, source="127.0.0.3"))) == 503    # the ninth of all
        for line in (*mine, *theirs):
            line.close()
        until(lambda: ask(server) == 200)                                # they count no more


def test_few_files_are_enough():
    """Two hundred connections where the system allows 128 files: others are answered, the log stays empty."""
    with serving(files=128) as server, ExitStack() as lines:
        for _ in range(200):
            lines.enter_context(line_to(server))
        assert ask(server, source=OTHER) == 200


def test_one_address_cannot_take_all_uploads():
    with serving(requests=4) as server, ExitStack() as lines:
        for _ in range(2):
            lines.enter_context(line_to(server, head("Content-Length: 900")))
        until(lambda: health(server) == {"status": "ok", "requests": 2, "working": 0})
        assert ask(server) == 503 and ask(server, source=OTHER) == 200


@pytest.mark.parametrize("together", [True, False])
def test_a_body_in_tiny_chunks_is_refused(together):
    with serving() as server:
        start, chunks = head("Transfer-Encoding: chunked"), b"1\r\nx\r\n" * 100_000
        with line_to(server, start + chunks[:60_000] if together else start) as line:
            try:
                line.sendall(chunks)
            except OSError:                                              # it hangs up before all is sent
                pass
            assert status_of(line) in (400, None)
        body = multipart(PNG, boxes=BOX)
        assert server.post(PNG, boxes=BOX, chunked=True)[0] == 200       # in pieces of 4096
        assert health(server)["requests"] == 0 and len(body) > 4096


def test_work_that_costs_too_much_ends_and_the_server_goes_on():
    large = encoded(np.random.default_rng(0).integers(0, 256, (2000, 3000, 3), np.uint8), ".jpg")
    with serving(processor=0.02) as server:
        status, answer = server.post(large)
        assert status == 422 and "more than 0.02 s of processor time" in answer["error"]
    with serving(memory=16 << 20) as server:
        before = server.workers()
        status, answer = server.post(large)
        assert status == 422 and "16 MiB of memory" in answer["error"]
        assert ask(server) == 200 and not server.workers() & before      # by a process of its own


def test_work_ends_when_its_client_has_gone():
    slow = slow_form(100)
    with serving(processor=1000.0, covered=100) as server:
        before = server.workers()
        with line_to(server, head(f"Content-Length: {len(slow)}") + slow):
            until(lambda: health(server)["working"] == 1)
        assert ask(server) == 200                                        # there is one process at a time
        assert not server.workers() & before


def test_a_request_whose_client_has_gone_while_it_waits_is_not_begun():
    slow = slow_form(6)
    with serving(processor=1000.0, covered=100) as server:
        before = server.workers()
        with line_to(server, head(f"Content-Length: {len(slow)}") + slow) as first:
            until(lambda: health(server)["working"] == 1)
            for _ in range(5):
                line_to(server, head(f"Content-Length: {len(slow)}") + slow).close()
            assert status_of(first) == 200
        until(lambda: health(server)["requests"] == 0)
        assert ask(server) == 200 and server.workers() == before         # which nothing has ended


@pytest.mark.parametrize("hanging", ["", "head", "body", "work"])
def test_sigterm_ends_it_whoever_hangs(hanging):
    slow = slow_form(100)
    sent = {"": b"", "head": b"GET / HT", "body": head("Content-Length: 900") + b"-",
            "work": head(f"Content-Length: {len(slow)}") + slow}[hanging]
    with serving(end=1.0, processor=1000.0, covered=100) as server, line_to(server, sent):
        workers = server.workers()
        if hanging in ("body", "work"):
            until(lambda: health(server)["working" if hanging == "work" else "requests"] == 1)
        server.process.send_signal(signal.SIGTERM)
        _, err = server.process.communicate(timeout=PATIENCE)
        assert server.process.returncode == 0 and err.splitlines()[-1] == "serve: stopped"
        assert "Traceback" not in err, err
    until(lambda: not any(is_there(worker) for worker in workers))


def is_there(process):
    try:
        with open(f"/proc/{process}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_workers_end_with_a_server_that_was_killed():
    with serving() as server:
        workers = server.workers()
        assert workers and ask(server) == 200
        server.process.kill()
        server.process.communicate(timeout=PATIENCE)
    until(lambda: not any(is_there(worker) for worker in workers))


@pytest.mark.parametrize("host, status", [
    ("localhost:99", 200), ("127.0.0.1", 200), ("[::1]:8000", 200), ("192.168.0.7:80", 200), ("evil.example", 403),
    ("localhost.evil.example", 403), ("", 403), ("127.0.0.1.evil.example:8000", 403), ("ours.example", 200)])
def test_the_server_has_its_names(hosts_server, host, status):
    with line_to(hosts_server, f"GET /health HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()) as line:
        assert status_of(line) == status


@pytest.mark.parametrize("headers, status", [
    ({}, 200), ({"Origin": "http://localhost:8000", "Host": "localhost:8000"}, 200),
    ({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403), ({"Origin": "http://6.6.6.6"}, 403),
    ({"Origin": "http://localhost:8000", "Host": "localhost:9000"}, 403), ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-origin"}, 200), ({"Origin": "https://ours.example"}, 200)])
def test_pages_of_others_may_not_post(hosts_server, headers, status):
    assert ask(hosts_server, headers=headers) == status


@pytest.fixture(scope="module")
def hosts_server():
    with serving("--allow-host", "ours.example") as server:
        yield server


def test_every_name_may_be_allowed():
    with serving("--allow-host", "*") as server:
        assert ask(server, headers={"Host": "evil.example", "Origin": "https://other.example"}) == 200
