"""Commands run by several ranks, as torchrun starts them."""
import os
import socket
import subprocess
import sys
from pathlib import Path

from tests.helpers.patience import PATIENCE

_ROOT = str(Path(__file__).parents[2])


def start_ranks(count, *module_and_arguments):
    """Popen of each rank of `python -m MODULE ...`, as torchrun starts them, but without its watching over them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {"WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    return [_start([sys.executable, "-m", *module_and_arguments], {**common, "RANK": rank, "LOCAL_RANK": rank})
            for rank in range(count)]


def torchrun(count, *module_and_arguments):
    """Runs `torchrun -m -- MODULE ...` to its end; (stdout, stderr). Without the -- torchrun would take --log for an
    abbreviation of a flag of its own."""
    return ended(_start([sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node",
                         str(count), "-m", "--", *module_and_arguments], {}))


def ended(process, status=0):
    """(stdout, stderr) of a process that ends with a status."""
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == status, (process.returncode, err)
    return out, err


def _start(command, variables):
    environment = {**os.environ, "PYTHONPATH": _ROOT, "OMP_NUM_THREADS": "1",
                   **{name: str(value) for name, value in variables.items()}}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
