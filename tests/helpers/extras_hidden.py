"""Commands in a process where no extra is installed."""
import json
import subprocess
import sys
from pathlib import Path

from tests.helpers.patience import PATIENCE

ROOT = Path(__file__).parents[2]

# Runs verbs in a process in which no module of an extra can be found.
WITHOUT_EXTRAS = """
import contextlib, io, json, sys
from deeplandmark.commandline.extras import MODULES

class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Hide())
from deeplandmark.__main__ import main
found = []
for arguments in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(arguments)
        except SystemExit as stop:
            status = stop.code
    found.append([status, out.getvalue(), err.getvalue()])
json.dump(found, sys.stdout)
"""


def without_extras(commands, folder):
    """[status, stdout, stderr] of each command."""
    process = subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS, json.dumps(commands)], cwd=folder, text=True,
                             capture_output=True, env={"PYTHONPATH": str(ROOT), "PATH": ""}, timeout=PATIENCE)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)
