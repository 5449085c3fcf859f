"""docs/caffe.md: its Python runs as it stands, and its table has every layer type."""
import importlib.util
import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_s_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / "caffe.md").read_text(), re.S | re.M)
    assert len(blocks) > 5
    names = {}
    for block in blocks:
        exec(compile(block, "caffe.md", "exec"), names)
    assert names["scores"].shape == (2, 3) and names["everything"]["score"].shape == (13, 3)
    assert names["outputs"]["score"].shape == (2, 3) and names["prepared"].shape == (3, 12, 12)
    assert names["solver"].iter == 5 and (tmp_path / "run_iter_10.solverstate").exists()
    assert "unknown type 'Relu'" in capsys.readouterr().out


def test_the_table_is_that_of_the_registry():
    spec = importlib.util.spec_from_file_location("layer_table", DOCS / "layer_table.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    page = (DOCS / "caffe.md").read_text()
    old = page.partition(script.BEGIN)[2].partition(script.END)[0]
    assert old == script.table(script.measured(old)), "run python -m docs.layer_table"
    assert script.measured(script.table({"AbsVal": ("yes", "1e-7")}))["AbsVal"] == ("yes", "1e-7")
