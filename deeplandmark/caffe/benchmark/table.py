"""A table of how long well-known nets take."""


def benchmark(parser):
    """Time forward of well-known nets: torch, ONNX Runtime, OpenCV 4's importer.

    Processor time of one thread in milliseconds, the least of several rounds in which each takes its turn; in brackets
    the share of OpenCV's time. With --training a step of a solver instead - forward, backward, update -, and the share
    of plain PyTorch's time. The nets have weights drawn by fillers.
    """
    from deeplandmark.caffe.benchmark.nets import NETS
    parser.add_argument("nets", metavar="NET", nargs="*", help=f"default: all of {', '.join(NETS)}")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8], metavar="N", help="default: 1 8")
    parser.add_argument("--rounds", type=int, default=4, metavar="N", help="default: 4")
    parser.add_argument("--training", action="store_true", help="time steps of training")

    def run(options):
        from deeplandmark.caffe.errors import CaffeError
        unknown = [name for name in options.nets if name not in NETS]
        if unknown or options.rounds < 1 or min(options.batch) < 1:
            raise CaffeError(f"unknown net {unknown[0]!r} (known: {', '.join(NETS)})" if unknown else
                             "--batch and --rounds must be at least 1")
        _print(options, *_of_training() if options.training else _of_forward())
    return run


def _of_forward():
    """What measures a net at a batch, and its ways, the last of which the others are compared with."""
    from deeplandmark.caffe.benchmark.run import has_importer, measure

    def measured(*arguments):
        return measure(*arguments, has_importer())
    return measured, ("torch", "onnxruntime", "OpenCV"), "largest difference"


def _of_training():
    from deeplandmark.caffe.benchmark.training import measure_step
    return measure_step, ("solver", "PyTorch"), "difference of the loss"


def _print(options, measure, ways, differences):
    from deeplandmark.caffe.benchmark.nets import NETS
    print(f"| net | batch | {' | '.join(ways)} | {differences} |\n{'|---' * (len(ways) + 3)}|")
    for name in options.nets or NETS:
        for batch in options.batch:
            row = measure(name, batch, options.rounds)
            cells = [_cell(row, way, ways[-1]) for way in ways]
            print(f"| {name} | {batch} | {' | '.join(cells)} | {max(row.differences.values()):.1g} |", flush=True)


def _cell(row, way, other):
    if way not in row.seconds:
        return "-"
    share = f" ({row.seconds[way] / row.seconds[other]:.2f})" if way != other and other in row.seconds else ""
    return f"{1000 * row.seconds[way]:.1f}{share}"
