"""The command, the limits that are not of a single picture, and what every answer says to browsers."""
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from starlette.requests import Request

from deeplandmark.serve import get_args_parser, limits_of, main
from deeplandmark.web.app import create_app
from deeplandmark.web.limits import Limits, Refusal
from deeplandmark.web.picture import check_boxes
from deeplandmark.web.upload import parse_upload, read_body
from tests.helpers.patience import PATIENCE
from tests.helpers.server import BOUNDARY, ROOT, Server, encoded, face, multipart

pytestmark = pytest.mark.process  # of a server

IMAGE, _, BOX = face()
FORM = f"multipart/form-data; boundary={BOUNDARY}"


def run(code):
    """(status, stdout, stderr) of some Python in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
                          capture_output=True, timeout=PATIENCE)
    return done.returncode, done.stdout, done.stderr


def test_what_cannot_be_served_is_one_line(tmp_path, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for flags, says in ((("--port", str(port)), f"serve: cannot listen at 127.0.0.1, port {port}: "),
                            (("--port", "0", "--host", "no.such.host.invalid"), "serve: cannot listen at no.such.host"),
                            (("--port", "0", "--model", str(tmp_path)), f"serve: {tmp_path}"),
                            (("--port", "0", "--detector", "nix.onnx"), "serve: nix.onnx: no such detector")):
            assert main(flags) == 1
            out, err = capsys.readouterr()
            assert out == "" and err.startswith(says) and err.count("\n") == 1, err


@pytest.mark.parametrize("flags, says", [("--port 70000", "not a port"), ("--port x", "not a whole number"),
                                         ("--threads 0", "not at least 1"), ("--max-bytes 0", "not at least 1")])
def test_wrong_values(flags, says, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(flags.split())
    assert stopped.value.code == 2 and says in capsys.readouterr().err


def test_larger_pictures_may_cost_more():
    usual, parse = Limits(), get_args_parser().parse_args
    assert limits_of(parse([])) == usual
    assert limits_of(parse(["--max-pixels", "1000"])) == replace(usual, pixels=1000)
    large = limits_of(parse(["--max-pixels", "200000000", "--max-bytes", "1000000000"]))
    assert (large.processor, large.memory, large.held) == (4 * usual.processor, 4 * usual.memory, 2_000_000_000)


def test_without_the_extra_it_says_what_to_install():
    hidden = "import sys; sys.modules['uvicorn'] = None; from deeplandmark.serve import main; sys.exit(main([]))"
    status, _, err = run(hidden)
    assert status == 1 and 'pip install ".[web]"' in err and err.count("\n") == 1


def test_ctrl_c_is_one_line_and_the_answer_under_way_arrives():
    running = Server("--threads", "1")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(running.post, encoded(IMAGE), boxes=[BOX] * 20)
        while not answer.done() and not answer.running():
            pass
        running.post(encoded(IMAGE), boxes=BOX)                   # queued behind it: so the first is at work for sure
        running.process.send_signal(signal.SIGINT)
        assert answer.result(30)[0] == 200
    _, err = running.process.communicate(timeout=PATIENCE)
    assert running.process.returncode == 0 and err == "serve: stopped\n"


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("moment", ["asyncio.BaseEventLoop.__init__", "uvicorn.Server.serve", "uvicorn.Config.load",
                                    "uvicorn.Server.startup", "uvicorn.Server.shutdown"])
def test_a_signal_at_any_moment_is_one_line(number, moment):
    signalled = f"""
import asyncio, os, signal, sys, uvicorn
from deeplandmark.serve import main
signal.signal(signal.SIGINT, signal.default_int_handler)                # a shell's jobs ignore it

def signalled(*arguments, before={moment}, **options):
    os.kill(os.getpid(), signal.{number})
    return before(*arguments, **options)

{moment} = signalled
if {moment.endswith("shutdown")}:                                       # which needs an end of its own
    uvicorn.Server.main_loop = lambda server: asyncio.sleep(0)
sys.exit(main(["--port", "0"]))
"""
    status, out, err = run(signalled)
    assert status == 0 and out.startswith("serving on http") and err == "serve: stopped\n", err


@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/api/model", "/static/app.js", "/nowhere"])
def test_every_answer_keeps_browsers_at_home(server, path):
    _, headers, _ = server.get(path)
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert set(" ".join(policy.values()).split()) == {"'none'", "'self'", "blob:"}
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == ("no-store" if path.startswith("/api") else "no-cache")
    assert "server" not in headers and "access-control-allow-origin" not in headers


def test_many_clients_at_once(server):
    picture = encoded(IMAGE, ".jpg")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: server.post(picture, boxes=BOX), range(40)))
    assert {status for status, _ in answers} == {200}
    assert len({json.dumps(answer["faces"]) for _, answer in answers}) == 1


# ------------------------------------------------------------------------------------------ reading, without a server
def read(chunks, limits):
    """`read_body` of a request whose body comes in these chunks; a number stands for seconds of silence."""
    async def receive():
        while isinstance(waiting[0], (int, float)):
            await asyncio.sleep(waiting.pop(0))
        chunk = waiting.pop(0)
        return {"type": "http.request", "body": chunk, "more_body": bool(waiting)}
    waiting = list(chunks)
    headers = [(b"content-type", FORM.encode())]
    return asyncio.run(read_body(Request({"type": "http", "headers": headers}, receive), limits))


def test_nothing_is_written_to_disk(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a temporary file was made")
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    picture = os.urandom(7_000_000)                               # Starlette's own limit for memory is 1 MB
    body = read([multipart(picture)[:4_000_000], multipart(picture)[4_000_000:]], Limits())
    assert parse_upload(FORM, body, Limits()).data == picture


def test_an_upload_that_never_ends():
    for limits in (Limits(seconds=0.2), Limits(start=0.2, rate=1_000_000)):
        with pytest.raises(Refusal, match="did not arrive within") as refused:
            read([multipart(b"x")[:50], 60, b""], limits)
        assert refused.value.status == 408


def test_an_upload_needs_its_time():
    late = [b"x" * 50_000, 0.6, b"y"]
    assert read(late, Limits(start=0.5, rate=1000)) == b"x" * 50_000 + b"y"
    with pytest.raises(Refusal, match="less than 1,000,000 bytes a second"):
        read(late, Limits(start=0.5, rate=1_000_000))


@pytest.mark.parametrize("limits, client, says", [
    ({"requests": 0}, "127.0.0.1", "busy with 0 requests; try again"), ({"held": 10}, "127.0.0.1", "large uploads")])
def test_one_too_many_is_told_to_come_again(limits, client, says):
    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request", "body": bytes(11), "more_body": False}
    sent, app = [], create_app(SimpleNamespace(limits=Limits(**limits)))
    headers = [(b"host", b"localhost"), (b"content-type", FORM.encode())]
    scope = {"type": "http", "method": "POST", "path": "/api/landmarks", "query_string": b"", "headers": headers,
             "client": (client, 1)}
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 503 and dict(sent[0]["headers"])[b"retry-after"] == b"1"
    assert says in json.loads(sent[1]["body"])["error"]


@pytest.mark.parametrize("boxes, says", [
    ([[0, 0, 99, 99]] * 2, None), ([[0, 0, 100, 100]] * 3, "cover 30,000 pixels of the picture altogether, at most"),
    ([[-50, -50, 50, 50]] * 8, None), ([[0, 0, 500, 10]], "more than 4 times"), ([[100, 0, 110, 10]], "outside")])
def test_boxes_cost_what_they_cover(boxes, says):
    if says is None:
        check_boxes(np.array(boxes, float), 100, 100, 20_000)
    else:
        with pytest.raises(Refusal, match=says):
            check_boxes(np.array(boxes, float), 100, 100, 20_000)
