"""`deeplandmark label` on a Ray cluster of several nodes of this machine, one of which is killed in the middle.

examples:
  python -m tests.helpers.ray_cluster --pictures 2000
  python -m tests.helpers.ray_cluster --pictures 2000 --folder photos --nodes 3

It labels the pictures undisturbed on a Ray of this machine alone, then on the cluster, and compares the rows as sets.
"""
import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from deeplandmark.faces.synthetic.generate import generate
from tests.helpers.patience import PATIENCE

ROOT = Path(__file__).parents[2]


def environment():
    """Of all processes: a cluster asks for a token."""
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": os.environ.get("RAY_AUTH_TOKEN") or secrets.token_hex(32),
            "RAY_worker_niceness": "0", "RAY_health_check_period_ms": "1000", "RAY_health_check_timeout_ms": "2000",
            "RAY_health_check_failure_threshold": "3"}


def pictures(folder, count, of=None):
    """A folder of so many pictures: drawn ones, or those of a folder, over and over under other names."""
    folder.mkdir()
    if of is None:
        generate(folder.parent / "drawn", min(count, 12), 1, seed=5, jobs=1)
        of = folder.parent / "drawn"
    known = sorted(Path(of).rglob("*.jpg"))
    for i in range(count):
        os.link(known[i % len(known)], folder / f"{i:06d}.jpg")
    return folder


def label(source, out, *options, **more):
    """`deeplandmark label` as a process."""
    return subprocess.Popen([sys.executable, "-m", "deeplandmark", "label", str(source), str(out), *options], text=True,
                            cwd=source.parent, stderr=subprocess.PIPE, **more)


def rows_of(out):
    """How often each row is there; rows as text."""
    from pyarrow import parquet
    return Counter(json.dumps(row) for row in parquet.read_table(out).to_pylist())


def shards_of(out):
    return len(list(Path(out).glob("part-*.parquet")))


def with_a_node_killed(source, out, nodes):
    """What the command said, on a cluster of `nodes` that work and one that does not; of the first kind one is killed
    when a third of the shards is there."""
    from pyarrow.parquet import ParquetFile
    from ray.cluster_utils import Cluster
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        workers = [cluster.add_node(num_cpus=1, wait=True) for _ in range(nodes)]
        process = label(source, out, "--address", cluster.address)
        while not Path(out, "_plan.parquet").exists() or \
                shards_of(out) < ParquetFile(Path(out, "_plan.parquet")).num_row_groups / 3:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.05)
        there = shards_of(out)
        cluster.remove_node(workers[0], allow_graceful=False)
        said = process.communicate(timeout=PATIENCE)[1]
        assert process.returncode == 0, said
        return f"a node was killed when {there} shards were there\n{said}"
    finally:
        cluster.shutdown()


def compare(folder, count, nodes, of=None):
    """(rows undisturbed, rows with a node killed, what the two runs said)."""
    source = pictures(Path(folder, "pictures"), count, of)
    alone = label(source, Path(folder, "alone"))
    said = alone.communicate(timeout=PATIENCE)[1]
    assert alone.returncode == 0, said
    said += with_a_node_killed(source, Path(folder, "killed"), nodes)
    return rows_of(Path(folder, "alone")), rows_of(Path(folder, "killed")), said


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--folder", help="pictures to take, over and over; default: drawn ones")
    parser.add_argument("--nodes", type=int, default=2, help="that work, one core each; another has the head")
    options = parser.parse_args()
    os.environ.update(environment())
    with tempfile.TemporaryDirectory() as folder:
        alone, killed, said = compare(folder, options.pictures, options.nodes, options.folder)
    print(said)
    print(f"rows undisturbed: {sum(alone.values())}, with a node killed: {sum(killed.values())}; "
          f"lost {sum((alone - killed).values())}, doubled or other {sum((killed - alone).values())}")
    return int(alone != killed)


if __name__ == "__main__":
    sys.exit(main())
