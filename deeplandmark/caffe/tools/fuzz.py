"""Mutated definitions, weights and states (deeplandmark/caffe/checking/fuzz.py does the work)."""
import os
import random
import time

from deeplandmark.work.whole_file import write_bytes


def fuzz(parser):
    """Read mutated definitions and weights: each must end in a net or an error.

    An input that raises anything but a CaffeError, takes long or much memory, is printed.
    Every input follows from the seed and its number alone, so `--first NUMBER --count 1` runs one again. The inputs are
    read in a process of its own; the command goes on behind one that ends it. The exit status is 1 when an input did
    not end well.
    """
    parser.add_argument("--count", type=int, default=2000, metavar="N", help="how many inputs; default 2000")
    parser.add_argument("--seed", type=int, default=None, metavar="S", help="default: a new one, which is printed")
    parser.add_argument("--first", type=int, default=0, metavar="NUMBER", help="number of the first input; default 0")
    parser.add_argument("--save", metavar="FOLDER", help="write the inputs that were found into this folder")

    def run(options):
        from deeplandmark.caffe.checking.fuzz import watched
        seed = random.randrange(2**31) if options.seed is None else options.seed
        print(f"seed {seed}: inputs {options.first} to {options.first + options.count - 1}", flush=True)
        start, found = time.monotonic(), 0
        for finding in watched(options.count, seed, options.first):
            found += 1
            print(finding, flush=True)
            if options.save:
                os.makedirs(options.save, exist_ok=True)
                write_bytes(os.path.join(options.save, f"{seed}_{finding.number}.{finding.kind}"), finding.data)
        print(f"{options.count} inputs in {time.monotonic() - start:.0f} seconds, {found} did not end well")
        return 1 if found else 0
    return run
