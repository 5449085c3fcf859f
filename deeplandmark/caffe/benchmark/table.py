"""A table of how long well-known nets take."""


def benchmark(parser):
    """Time forward of well-known nets: torch, ONNX Runtime, OpenCV 4's importer.

    Processor time of one thread in milliseconds, the least of several rounds in which each takes its turn; in brackets
    the share of OpenCV's time. The nets have weights drawn by fillers.
    """
    from deeplandmark.caffe.benchmark.nets import NETS
    parser.add_argument("nets", metavar="NET", nargs="*", help=f"default: all of {', '.join(NETS)}")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8], metavar="N", help="default: 1 8")
    parser.add_argument("--rounds", type=int, default=4, metavar="N", help="default: 4")

    def run(options):
        from deeplandmark.caffe.benchmark.run import has_importer, measure
        from deeplandmark.caffe.errors import CaffeError
        unknown = [name for name in options.nets if name not in NETS]
        if unknown or options.rounds < 1 or min(options.batch) < 1:
            raise CaffeError(f"unknown net {unknown[0]!r} (known: {', '.join(NETS)})" if unknown else
                             "--batch and --rounds must be at least 1")
        with_opencv = has_importer()
        print("| net | batch | torch | onnxruntime | OpenCV | largest difference |\n|---|---|---|---|---|---|")
        for name in options.nets or NETS:
            for batch in options.batch:
                row = measure(name, batch, options.rounds, with_opencv)
                cells = [_cell(row, way) for way in ("torch", "onnxruntime", "OpenCV")]
                print(f"| {name} | {batch} | {' | '.join(cells)} | {max(row.differences.values()):.1g} |", flush=True)
    return run


def _cell(row, way):
    if way not in row.seconds:
        return "-"
    share = f" ({row.seconds[way] / row.seconds['OpenCV']:.2f})" if way != "OpenCV" and "OpenCV" in row.seconds else ""
    return f"{1000 * row.seconds[way]:.1f}{share}"
