"""Readers of files on damaged ones: each gives an answer or raises what it promises, soon and in little memory.

examples:
  python -m tests.helpers.reader_fuzz --count 100000 --seed 1
  python -m tests.helpers.reader_fuzz --count 1 --seed 1 --first 1234 --keep /tmp/1234

Every input follows from the seed and its number. Definitions and weights of Caffe have a fuzz of their own:
`deeplandmark caffe fuzz`. Commands, with what they do about it: command_fuzz.py.
"""
import argparse
import mmap
import os
import random
import resource
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.helpers.command_fuzz import mutated
from tests.helpers.reader_seeds import make

SECONDS, MEMORY = 10, 1 << 30
_A_CHILD = 2000             # inputs that one child reads


class Reader(NamedTuple):
    """What reads a file, what it may raise, and a whole file's name and bytes."""
    read: Callable
    errors: tuple
    name: str
    data: bytes


def _input(readers, seed, number):
    """(Reader, damaged bytes) of an input."""
    reader, rng = readers[number % len(readers)], random.Random(f"{seed} {number}")
    return reader, mutated(rng, reader.data, [reader.data, readers[rng.randrange(len(readers))].data])


def _try(reader, data):
    """What is wrong, or None."""
    Path(reader.name).write_bytes(data)
    start = time.process_time()
    try:
        reader.read(reader.name)
    except reader.errors as error:
        str(error)                                               # commands show a thousand characters of it
    except Exception:
        return " / ".join(traceback.format_exc().splitlines()[-3:])[:600]
    seconds = time.process_time() - start
    return f"{seconds:.1f} s" if seconds > SECONDS else None


def _work(readers, seed, numbers, current, pipe):
    """In a child: the inputs one after another; each that ends badly is a line in the pipe."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    for number in numbers:
        struct.pack_into("q", current, 0, number)
        now = resource.getrusage(resource.RUSAGE_SELF)
        spent = int(now.ru_utime + now.ru_stime)
        resource.setrlimit(resource.RLIMIT_CPU, (spent + 2 * SECONDS, resource.RLIM_INFINITY))
        reader, data = _input(readers, seed, number)
        wrong = _try(reader, data)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if wrong is None and (peak - used.ru_maxrss) * 1024 > MEMORY:
            wrong = f"{(peak - used.ru_maxrss) >> 10} MiB more than before"
            used = resource.getrusage(resource.RUSAGE_SELF)
        if wrong:
            os.write(pipe, f"{number}: {reader.name}: {wrong}\n".encode())


def fuzz(count, seed, first=0):
    """Yields a line for every input that ends badly. To be called in an empty working directory."""
    readers = [Reader(*row) for row in make()]
    current, end = mmap.mmap(-1, 8), first + count
    while first < end:
        stop = min(first + _A_CHILD, end)
        with tempfile.TemporaryFile() as found:
            child = os.fork()
            if not child:
                code = 1
                try:
                    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)     # what libraries say of damaged pictures
                    _work(readers, seed, range(first, stop), current, found.fileno())
                    code = 0
                finally:
                    os._exit(code)
            _, status = os.waitpid(child, 0)
            found.seek(0)
            yield from found.read().decode(errors="replace").splitlines()
        first = stop
        if status:
            first = struct.unpack_from("q", current)[0] + 1
            yield f"{first - 1}: {readers[(first - 1) % len(readers)].name}: ended the process, status {status}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="the input's file is written into this folder instead of read")
    options = parser.parse_args()
    start, bad = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        if options.keep:
            reader, data = _input([Reader(*row) for row in make()], options.seed, options.first)
            target = options.keep / reader.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            return 0
        for line in fuzz(options.count, options.seed, options.first):
            bad += 1
            print(line, flush=True)
        os.chdir("/")
    print(f"seed {options.seed}: {options.count} inputs, {bad} bad, {time.monotonic() - start:.0f} s")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
