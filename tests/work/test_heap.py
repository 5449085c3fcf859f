"""Freed memory that is kept: the same blocks come again, without being cleared by the kernel."""
import resource
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import numpy as np
from deeplandmark.work.heap import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(3)
for step in range(20):
    if step == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    parts = [np.ones(1_000_000) for _ in range(4)]
    del parts
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.process
@pytest.mark.skipif(not hasattr(resource, "RUSAGE_SELF"), reason="no counts of page faults here")
def test_large_blocks_come_again_without_page_faults():
    runs = [subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True)
            for how in ("keep", "as usual")]
    if runs[0].returncode == 3:
        pytest.skip("another C library than glibc")
    kept, usual = (int(run.stdout) for run in runs)
    assert kept < usual / 10, (kept, usual)
