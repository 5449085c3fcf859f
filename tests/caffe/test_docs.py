"""docs/caffe.md: its table has every layer type."""
import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_is_that_of_the_registry():
    spec = importlib.util.spec_from_file_location("layer_table", DOCS / "layer_table.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (DOCS / "caffe.md").read_text()
    old = page.partition(script.BEGIN)[2].partition(script.END)[0]
    assert old == script.table(script.measured(old)), "run python -m docs.layer_table"
    assert script.measured(script.table({"AbsVal": "1e-7"}))["AbsVal"] == "1e-7"
