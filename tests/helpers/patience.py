"""How long a test waits for a process: much longer than it takes, for that is not what is tested, and a loaded machine
or a slow one is no failure. DEEPLANDMARK_PATIENCE sets other seconds."""
import os

PATIENCE = float(os.environ.get("DEEPLANDMARK_PATIENCE", "1800"))
