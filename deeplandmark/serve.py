"""`deeplandmark serve`: a web page and a REST endpoint that find facial points in uploaded pictures."""
import argparse
import signal
import socket
import sys
from contextlib import contextmanager
from dataclasses import replace

from deeplandmark.commandline.arguments import add_python_layers, whole_number
from deeplandmark.commandline.command import command, explanation
from deeplandmark.commandline.detector_arguments import add_detector_argument
from deeplandmark.commandline.finder_arguments import add_looks_argument, looks_of
from deeplandmark.commandline.parser import command_parser
from deeplandmark.web.limits import Limits
from deeplandmark.work.cores import cores

_EXAMPLES = """examples:
  deeplandmark serve
  deeplandmark serve --port 8080 --model model --threads 4
  curl -F image=@face.jpg http://127.0.0.1:8000/api/landmarks
"""


def get_args_parser():
    parser = command_parser("serve", __doc__.split(": ", 1)[1], epilog=_EXAMPLES)
    limits = Limits()
    parser.add_argument("--host", default="127.0.0.1",
                        help="address to listen at (default 127.0.0.1: this machine only)")
    parser.add_argument("--port", type=_port, default=8000, help="default 8000; 0 takes a free one")
    parser.add_argument("--model", metavar="DIR", help="model folder, or light, the package's small weights; default: "
                        "the published weights of 5 points, and on request those of 68 and 88")
    add_python_layers(parser)
    add_detector_argument(parser)
    add_looks_argument(parser, "auto")
    parser.add_argument("--threads", type=whole_number(1), metavar="N",
                        help="pictures worked on at a time (default: one a core)")
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME",
                        help="a name under which browsers find the server, if it is not this machine's (behind another "
                        "server); may be given several times; * allows all, and pages of all other hosts")
    parser.add_argument("--max-bytes", type=whole_number(1), default=limits.bytes, metavar="N",
                        help=f"of an upload (default {limits.bytes:,})")
    parser.add_argument("--max-pixels", type=whole_number(1), default=limits.pixels, metavar="N",
                        help=f"of a picture, width x height (default {limits.pixels:,})")
    return parser


@command(strangers_models=True)
def main(arguments=None):
    """Returns the exit status."""
    options = get_args_parser().parse_args(arguments)
    try:
        with _signalled(_stop, signal.SIGTERM):
            _serve(options)
    except KeyboardInterrupt:                                     # ended before it began
        pass
    print("serve: stopped", file=sys.stderr)
    return 0


@contextmanager
def _signalled(handler, *signals):
    """Within it `handler` is called at any of the signals."""
    before = {number: signal.signal(number, handler) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number, frame):
    """SIGTERM ends the server as Ctrl-C does."""
    raise KeyboardInterrupt


def limits_of(options):
    """The Limits of a command line: larger pictures may take more time and memory."""
    usual = Limits()
    larger = max(1.0, options.max_pixels / usual.pixels)
    return replace(usual, bytes=options.max_bytes, pixels=options.max_pixels, processor=usual.processor * larger,
                   memory=round(usual.memory * larger), held=max(usual.held, 2 * options.max_bytes))


def _serve(options):
    limits = limits_of(options)
    import uvicorn  # late: --help needs no extra

    from deeplandmark.web.app import create_app
    from deeplandmark.web.connections import Server, affordable, backlog, connection
    from deeplandmark.web.worker import Work, Workers
    limits = replace(limits, connections=affordable(limits))
    with _listen(options.host, options.port) as listener:
        work = Work(options.model, options.detector, limits, explanation, looks_of(options))
        workers = Workers(work, options.threads or cores())
        try:
            config = uvicorn.Config(create_app(workers, [options.host, *options.allow_host]), http=connection(limits),
                                    ws="none", lifespan="on", log_level="error", access_log=False,
                                    server_header=False, backlog=backlog(limits.connections),
                                    timeout_graceful_shutdown=limits.end)
            server = Server(config)
            # From here on signals are asked about, as an exception that a handler raises may come within anything:
            # in the half of an event loop, say, whose end is then an error too.
            with _signalled(server.handle_exit, signal.SIGINT, signal.SIGTERM):
                print(f"serving on {_url(listener)}  (Ctrl-C stops)", flush=True)
                server.run(sockets=[listener])
        finally:
            workers.close()


def _listen(host, port):
    """A listening socket; the errors of the network name the place."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=256)
    except OSError as error:
        raise OSError(f"cannot listen at {host}, port {port}: {error.strerror}") from None


def _url(listener):
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _port(text):
    port = whole_number()(text)
    if port > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port, 0 to 65535")
    return port


if __name__ == "__main__":
    sys.exit(main())
