"""Measure how fast training and prediction are: each thing in turn in one run, so that ratios hold on a busy machine.

examples:
  deeplandmark benchmark
  deeplandmark benchmark --only training --rounds 50
  deeplandmark benchmark --only one_face faces --json speed.json --chart speed.png
  deeplandmark benchmark --compare docs/speed.json          # has anything become slower? then status 1

training   a step of S0, S7, S1, S2, ten S2 and the original's s0; of three of them in plain PyTorch
one_face   one face: the one graph, network by network, the original's networks by OpenCV's Caffe importer
faces      1 to 4096 faces a call on one thread and on every core, beside what the multiply-adds alone would take
pictures   pictures a second from disk, 250 x 250 JPEGs, on every core
"""
import json
import platform
import sys
from dataclasses import asdict
from pathlib import Path

from deeplandmark.commandline.arguments import positive, whole_number
from deeplandmark.commandline.command import command
from deeplandmark.commandline.parser import command_parser
from deeplandmark.work.cores import cores
from deeplandmark.work.processes import reexec_keeping_memory
from deeplandmark.work.whole_file import write_text

PARTS = ("training", "one_face", "faces", "pictures")


@command
def main(arguments=None):
    """Returns the exit status; 1 also when --compare found something slower."""
    args = _parser().parse_args(arguments)
    reexec_keeping_memory(args.threads)
    return _run(args)


def _run(args):
    from deeplandmark.measuring.speed.ratios import worsened  # after --help: torch takes seconds to load
    _check_files(args)
    result = Result()
    for part in args.only or PARTS:
        _MEASURE[part](args, result)
    _print_ratios(result.ratios)
    if args.json:
        result.save(args.json, args)
    if not args.compare:
        return 0
    slower = worsened(result.ratios, args.compare, args.tolerance)
    for line in slower:
        print(f"benchmark: worse than in {args.compare} by more than {args.tolerance:.0%}: {line}", file=sys.stderr)
    return 1 if slower else 0


def _check_files(args):
    """Finds out before minutes of work."""
    if args.compare:
        open(args.compare, encoding="utf-8").close()
    for path in filter(None, (args.json, args.chart)):
        if not Path(path).parent.is_dir():
            raise ValueError(f"{path}: there is no folder {Path(path).parent}")


class Result:
    """What a run found, as it goes into --json."""

    def __init__(self):
        self.ratios, self.timings, self.numbers = [], {}, {}

    def add(self, part, title, timings, ratios=()):
        print(f"{title}; milliseconds: median (quartiles), best")
        for timing in timings.values():
            print(f"  {timing.name:50s}{timing.median:10.2f}  ({timing.low:.2f} - {timing.high:.2f})"
                  f"{timing.best:10.2f}", flush=True)
        self.timings[part] = timings
        self.ratios += ratios

    def save(self, path, args):
        found = {"machine": platform.machine(), "cores": cores(), "rounds": args.rounds,
                 "training_threads": args.threads,
                 "ratios": {ratio.name: round(ratio.value, 3) for ratio in self.ratios},
                 "numbers": self.numbers, "milliseconds": self._milliseconds()}
        write_text(path, json.dumps(found, indent=1) + "\n")

    def _milliseconds(self):
        return {part: {timing.name: {key: round(value, 4) for key, value in asdict(timing).items() if key != "name"}
                       for timing in timings.values()} for part, timings in self.timings.items()}


def _training(args, result):
    from deeplandmark.measuring.speed.ratios import training_ratios
    from deeplandmark.measuring.speed.training import training_steps
    timings = training_steps(args.rounds, args.threads)
    result.add("training", f"training step, batch 64, {args.threads} thread(s)", timings, training_ratios(timings))


def _one_face(args, result):
    from deeplandmark.measuring.speed.prediction import one_face
    from deeplandmark.measuring.speed.ratios import one_face_ratios
    timings = one_face(3 * args.rounds, args.model)
    result.add("one_face", "one face, one thread, picture in memory to points", timings, one_face_ratios(timings))


def _faces(args, result):
    from deeplandmark.measuring.speed import prediction
    from deeplandmark.measuring.speed.chart import draw_chart
    from deeplandmark.measuring.speed.ratios import faces_ratios, floor_ms
    work, series = prediction.multiply_adds(args.model), {}
    result.numbers["multiply-adds of a face"] = work
    for threads in sorted({1, cores()}):
        series[threads] = prediction.faces(max(3, args.rounds // 3), threads, args.model)
        result.add(f"faces, {threads} thread(s)", "a call with many faces of one picture", series[threads])
    result.ratios += faces_ratios(series, work, result.timings.get("one_face"))
    if args.chart:
        floor = floor_ms(series[1], work)
        draw_chart(args.chart, series, {threads: floor / threads for threads in series})


def _pictures(args, result):
    from deeplandmark.measuring.speed.prediction import pictures
    rate, work = pictures(args.pictures, cores(), args.model)
    result.numbers.update({"pictures a second from disk": rate, "processor milliseconds a picture": work})
    print(f"{args.pictures} pictures from disk, 250 x 250 JPEG, {cores()} thread(s): {rate:.0f} a second, "
          f"{work:.2f} ms of all processors a picture")
    if sys.platform == "linux":
        import resource  # elsewhere it is missing or counts in other units
        memory = result.numbers["MiB of memory at most"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"this process has used {memory:.0f} MiB at most")


_MEASURE = {"training": _training, "one_face": _one_face, "faces": _faces, "pictures": _pictures}


def _print_ratios(ratios):
    if ratios:
        print("ratios of the best")
    for ratio in ratios:
        print(f"  {ratio.name:70s}{ratio.value:8.2f}")


def _parser():
    parser = command_parser("benchmark", __doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--rounds", type=whole_number(1), default=15, help="times each thing is done (default 15)")
    parser.add_argument("--threads", type=whole_number(1), default=1, help="threads of torch in training (default 1)")
    parser.add_argument("--model", metavar="DIR", help="model folder with a cascade.onnx; default: the published one; "
                        "light: the small one")
    parser.add_argument("--pictures", type=whole_number(1), default=2000, metavar="N", help="from disk (default 2000)")
    parser.add_argument("--json", metavar="FILE", help="also write the numbers")
    parser.add_argument("--chart", metavar="FILE.png", help="draw the cost of a face over faces a call")
    parser.add_argument("--compare", metavar="FILE", help="compare the ratios with those of an earlier --json")
    parser.add_argument("--tolerance", type=positive, default=0.25, metavar="T",
                        help="how much worse a ratio may be (default 0.25, a quarter)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
