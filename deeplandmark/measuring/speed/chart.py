"""The cost of a face over the number of faces a call, as a picture."""
from deeplandmark.measuring.plotting import save_figure
from deeplandmark.measuring.speed.prediction import BATCHES, MANY


def draw_chart(path, series, floors):
    """Writes a PNG (or what else the suffix says): lines are the best goes, the bands reach up to the medians.

    Parameters
    ----------
    series : dict of threads -> dict of name -> Timing, from `faces`
    floors : dict of threads -> milliseconds a face at the machine's peak
    """
    from matplotlib.figure import Figure  # only this needs it
    from matplotlib.ticker import StrMethodFormatter
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for k, (threads, timings) in enumerate(series.items()):
        counts = (*BATCHES, MANY)
        found = [timings[f"{n} faces, {threads} thread(s)"] for n in counts]
        label = f"{threads} thread" + "s" * (threads > 1)
        best, median = ([getattr(timing, which) / n for timing, n in zip(found, counts)]
                        for which in ("best", "median"))
        axes.plot(counts, best, "o-", color=f"C{k}", label=label)
        axes.fill_between(counts, best, median, color=f"C{k}", alpha=0.2, linewidth=0)
        axes.axhline(floors[threads], color=f"C{k}", linestyle=":", label=f"multiply-adds at the peak, {label}")
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks((*BATCHES, MANY))
    axes.set_yticks([0.2, 0.3, 0.5, 1, 2, 3, 5], minor=False)
    axes.minorticks_off()
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.set_xlabel("faces a call")
    axes.set_ylabel("milliseconds a face")
    axes.set_title("Picture in memory to points, 23 networks")
    axes.grid(True, which="both", alpha=0.3)
    axes.legend()
    save_figure(figure, path)
