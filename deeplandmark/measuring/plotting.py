"""What the pictures of a report share: figures without a window, and Okabe and Ito's colours, told apart with any
colour vision. matplotlib is imported only when something is drawn."""
from pathlib import Path

from deeplandmark.work.whole_file import WholeFile

ORANGE, GREEN, BLUE, VERMILION, GREY = "#E69F00", "#009E73", "#0072B2", "#D55E00", "#888888"


def new_figure(rows, columns, size, **options):
    """Figure of `size` inches (width, height) without a window, and its axes as an array (rows, columns)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def save_figure(figure, path):
    """Writes a figure of matplotlib; the suffix of the path says of which kind."""
    with WholeFile(path, suffix=Path(path).suffix) as temporary:
        figure.savefig(temporary, dpi=110)
