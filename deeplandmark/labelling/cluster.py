"""Ray: the cluster that is there, or one of this machine alone; and what it is asked to do."""
import logging
import os
import secrets
import socket
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from deeplandmark.faces.errors import FacesError
from deeplandmark.work.cores import cores
from deeplandmark.work.one_line import clipped
from deeplandmark.work.processes import deaf_to_interrupts

_OF_OURS = "local"
_STARTS = 3                 # that are tried
_KNOCK = 20.0               # seconds
_DEATHS = 20                # of workers that die before they begin, one after another
_OBJECTS = 100 << 20        # bytes of shared memory: only numbers of shards and counts go through it


class Running(NamedTuple):
    """Ray, at work: how many workers there may be (int), and a text stream to where stderr went before."""
    workers: int
    stderr: Any


@contextmanager
def ray_at(address, workers, log):
    """A context in which Ray runs; its value is a Running.

    Parameters
    ----------
    address : str or None
        Of a cluster, auto for the one that this machine is part of; None: what RAY_ADDRESS says, as Ray's own commands
        set it, or else a Ray of this machine alone, started here and ended here. It talks to nobody else: it asks for a
        token that only its own processes know, has no page, and reports nothing to its makers.
    workers : int or None
        None: as many as there are cores.
    log : str
        The file that gets what Ray says on stdout and stderr.

    Raises
    ------
    ImportError
        Without the extra [cluster].
    FacesError
        When there is no cluster.
    """
    address = address or os.environ.get("RAY_ADDRESS") or _OF_OURS
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0")
    if address == _OF_OURS and "ray" not in sys.modules:         # it reads them when it is imported
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    with _said_to(log) as stderr, tempfile.TemporaryDirectory(prefix="label-", ignore_cleanup_errors=True) as folder:
        import ray
        try:
            if address == _OF_OURS:
                _start(workers or cores(), folder)
            else:
                _knock(address)
                ray.init(address, log_to_driver=False)
        except Exception as error:                               # Ray has many kinds of its own, and bare ones
            raise FacesError(clipped(f"no Ray at {address}: {error}")) from None
        try:
            yield Running(workers or max(1, int(ray.cluster_resources().get("CPU", 1))), stderr)
        finally:
            ray.shutdown()


def _start(workers, folder):
    """A Ray of this machine alone. It gives its own parts 30 s to start, and a busy machine may need more."""
    import ray
    for tries_left in reversed(range(_STARTS)):
        try:
            with deaf_to_interrupts():
                ray.init(_OF_OURS, num_cpus=workers, num_gpus=0, include_dashboard=False, log_to_driver=False,
                         object_store_memory=_OBJECTS, _node_ip_address="127.0.0.1", _temp_dir=folder,
                         _system_config={"worker_niceness": 0})
            return
        except Exception:
            if not tries_left:
                raise
            ray.shutdown()


def _knock(address):
    """Raises OSError when nobody listens at HOST:PORT: Ray itself waits minutes for somebody."""
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), _KNOCK).close()


@contextmanager
def _said_to(path):
    """A context in which what is written to stdout and stderr, by libraries as well, goes to a file, except what this
    package's logger tells; its value is a text stream to where stderr went."""
    streams = sys.stdout, sys.stderr
    with open(path, "a", encoding="utf-8", buffering=1) as log, ExitStack() as stack:
        kept = stack.enter_context(os.fdopen(os.dup(2), "w", buffering=1)) if _is_number(sys.stderr, 2) else sys.stderr
        for number in (1, 2):
            before = os.dup(number)
            stack.callback(os.close, before)
            stack.callback(os.dup2, before, number)
            os.dup2(log.fileno(), number)
        handlers = [handler for handler in logging.getLogger("deeplandmark").handlers
                    if getattr(handler, "stream", None) is sys.stderr]
        for handler in handlers:
            stack.callback(handler.setStream, handler.setStream(kept) or sys.stderr)
        sys.stdout = sys.stderr = log
        try:
            yield kept
        finally:
            sys.stdout, sys.stderr = streams


def _is_number(stream, number):
    try:
        return stream.fileno() == number
    except (OSError, ValueError, AttributeError):                # none of a file: a test's
        return False


def was_restarted():
    """Whether (bool) this is a worker of Ray that died before."""
    import ray
    return ray.is_initialized() and ray.get_runtime_context().was_current_actor_reconstructed


def made_by_workers(worker, job, shards, workers):
    """Yields a dict for each shard (int), as they are finished: what `worker(job)(batch)` answers.

    Workers have a core each and are made once. What one was at that died, or whose machine did, another one gets.
    """
    import ray.data
    from ray.exceptions import RayError
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = context.enable_auto_log_stats = False
    context.max_errored_blocks = -1                              # a shard that cannot be made stops no other
    context.max_consecutive_actor_init_deaths = _DEATHS
    rows = ray.data.from_items(shards, override_num_blocks=len(shards)).map_batches(
        worker, batch_size=1, compute=ray.data.ActorPoolStrategy(size=workers), num_cpus=1, fn_constructor_args=(job,))
    try:
        yield from rows.iter_rows()
    except RayError as error:
        raise FacesError(clipped(f"Ray has given up: {str(error).strip().splitlines()[-1]}")) from None
