"""Measure how long a training step takes, in one run, each network in turn; ratios hold on a busy machine, too.

examples:
  python -m deeplandmark.benchmark
  python -m deeplandmark.benchmark --rounds 50 --threads 2 --json speed.json
"""
import argparse
import json
import sys
from dataclasses import asdict

from deeplandmark.arguments import whole_number
from deeplandmark.cascade.processes import reexec_keeping_memory
from deeplandmark.extras import explained


@explained
def main(arguments=None):
    args = _parser().parse_args(arguments)
    reexec_keeping_memory(args.threads)
    from deeplandmark.cascade.speed import training_steps        # after --help: torch takes seconds to load
    timings = {timing.name: timing for timing in training_steps(args.rounds, args.threads)}
    print(f"training step, batch 64, {args.threads} thread(s), median of {args.rounds} (quartiles), milliseconds")
    for timing in timings.values():
        print(f"  {timing.name:24s}{timing.median:8.2f}  ({timing.low:.2f} - {timing.high:.2f})")
    ratios = {"S0 / S7 (what locally shared weights cost)": timings["S0"].median / timings["S7"].median,
              "reading data / step of S0": timings["S0, reading its data"].median / timings["S0"].median,
              "10 x S2 / one S2": timings["10 x S2 as one stack"].median / timings["S2"].median}
    for name, ratio in ratios.items():
        print(f"  {name:44s}{ratio:6.2f}")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"threads": args.threads, "rounds": args.rounds, "ratios": ratios,
                       "milliseconds": [asdict(timing) for timing in timings.values()]}, file, indent=1)
    return 0


def _parser():
    parser = argparse.ArgumentParser(prog="python -m deeplandmark.benchmark", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=whole_number(1), default=15, help="steps of each network (default 15)")
    parser.add_argument("--threads", type=whole_number(1), default=1, help="threads torch may use (default 1, as in training)")
    parser.add_argument("--json", metavar="FILE", help="also write the numbers")
    return parser


if __name__ == "__main__":
    sys.exit(main())
