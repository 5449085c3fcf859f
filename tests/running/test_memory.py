"""Memory over many pictures; DEEPLANDMARK_PICTURES=20000 looks at more of them."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deeplandmark.faces.synthetic.generate import generate
from tests.helpers.patience import PATIENCE

pytestmark = [pytest.mark.process, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
PICTURES = int(os.environ.get("DEEPLANDMARK_PICTURES", "3200"))
MIB = 16        # that may come and go: what the allocator keeps still grows over the first thousand pictures
CODE = """
import sys
from itertools import cycle, islice
from pathlib import Path
import deeplandmark
folder, count = sys.argv[1], int(sys.argv[2])
pictures = islice(cycle(sorted(Path(folder).glob("*.jpg"))), count)
for number, (_, faces) in enumerate(deeplandmark.find(pictures, jobs=2), 1):
    if number % (count // 8) == 0:
        status = Path("/proc/self/status").read_text()
        print(int(status.split("VmRSS:")[1].split()[0]) // 1024, flush=True)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc, which only Linux has")
def test_memory_is_flat_over_many_pictures(tmp_path):
    generate(tmp_path, 40, 5, seed=3, jobs=1)
    done = subprocess.run([sys.executable, "-c", CODE, str(tmp_path / "synthetic"), str(PICTURES)], text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, timeout=PATIENCE)
    held = list(map(int, done.stdout.split()))
    print("MiB after each eighth:", held)
    assert len(held) == 8, done.stderr
    assert max(held[4:]) - max(held[1:4]) <= MIB
