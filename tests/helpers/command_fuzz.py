"""Commands on damaged files: each ends with an answer, or with one line and status 1 or 2, soon and in little memory.

examples:
  python -m tests.helpers.command_fuzz --count 2000 --seed 1
  python -m tests.helpers.command_fuzz --count 1 --seed 1 --first 1234 --keep /tmp/1234

Every case follows from the seed and its number. It runs in a forked child of this process, which has imported
everything and started no thread: some together, and where one of these ends badly each by itself.
"""
import argparse
import contextlib
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from deeplandmark.cascade import onnx_engine  # noqa: E402 - the libraries read those when they are loaded
from tests.helpers import command_seeds  # noqa: E402

SECONDS, MEMORY = 10, 1 << 30
_BY_THE_CLOCK = 12          # times SECONDS: a process of low priority waits long for a busy machine
_WORDS = [b"nan", b"inf", b"-1", b"1e999", b"9" * 400, b"0", b"\0", b"\xff\xfe", b"[" * 3000, b'{"a":' * 3000, b"]",
          b"}", b",", b'"', b"\n", b"\r\n", b"null", b"4294967296", b"18446744073709551616", b"-9223372036854775809",
          b"..", b"/", b"\xef\xbb\xbf", b"<?xml version='1.0' encoding='x-none'?>", b" " * 70000, b"\xed\xa0\x80"]


def mutated(rng, data, others):
    """Bytes with some of them changed, left out, repeated or replaced by words that hurt."""
    if rng.random() < 0.03:
        return rng.choice([b"", b"\0" * 5000, rng.choice(others), os.urandom(0), data + rng.choice(others)])
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 4, 16])):
        place, action = rng.randrange(len(data) + 1), rng.random()
        if rng.random() < 0.4:
            place = min(place, rng.choice([16, 64, 512]))        # heads say most
        if action < 0.4 and place < len(data):
            data[place] = rng.choice([0, 1, 127, 128, 255, data[place] ^ 1 << rng.randrange(8), rng.randrange(256)])
        elif action < 0.55:
            del data[place:place + rng.choice([1, 2, 8, 64, 4096])]
        elif action < 0.75:
            word = rng.choice(_WORDS)
            data[place:place + rng.choice([0, len(word), 3])] = word
        elif action < 0.85:
            data[place:place] = data[place:place + rng.choice([2, 16, 128, 5000])] * rng.choice([1, 3, 200])
        elif action < 0.9:
            data[place:place + 4096] = bytes(len(data[place:place + 4096]))
        else:
            del data[place:]
    return bytes(data)


def case(seeds, seed, number):
    """(Seed, {name: bytes} of its files that are mutated)."""
    rng = random.Random(f"{seed} {number}")
    chosen = seeds[number % len(seeds)]
    name = rng.choice(chosen.files)
    files = {name: (Path(name).read_bytes())}
    return chosen, {name: mutated(rng, data, [Path(each).read_bytes() for each in chosen.files])
                    for name, data in files.items()}


def run_case(chosen, files, folder):
    """(status of the command, what is wrong with how it ended: one line, or None where nothing is)."""
    folder = os.path.abspath(folder)
    _lay_out(chosen, files, folder)
    start = time.monotonic()
    child = os.fork()
    if not child:
        code = 97                                       # an error of this script's own: none unwinds this copy of it
        with contextlib.suppress(BaseException):
            code = _attempt(chosen, folder)
        os._exit(code)
    _, status, used = os.wait4(child, 0)
    said, seconds = Path(folder, ".told").read_text(errors="replace"), time.monotonic() - start
    if os.WIFSIGNALED(status):
        name, lines = signal.Signals(os.WTERMSIG(status)).name, said.splitlines()
        return 0, f"signal {name} after {seconds:.1f} s: {' / '.join(lines[-2:])[:300]}"
    code = os.WEXITSTATUS(status)
    return code, _wrong(code, said) or (f"{used.ru_maxrss >> 10} MiB" if used.ru_maxrss * 1024 > MEMORY else None)


def all_well(cases, folder):
    """Whether some (Seed, files) end well one after another in one child, which is quicker."""
    child = os.fork()
    if not child:
        well = False
        try:
            for chosen, files in cases:
                _lay_out(chosen, files, folder)
                if _wrong(_attempt(chosen, folder), Path(folder, ".told").read_text(errors="replace")):
                    break
            else:
                well = True
        finally:
            os._exit(not well)
    _, status, used = os.wait4(child, 0)
    return status == 0 and used.ru_maxrss * 1024 <= MEMORY


def _lay_out(chosen, files, folder):
    """The files of a case."""
    home = Path(folder).parent
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for name in chosen.needs:
        target = Path(folder, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if name in files:
            target.write_bytes(files[name])
        else:
            os.link(home / name, target)


def _attempt(chosen, folder):
    """The status of the command, in a process that may end over it."""
    os.chdir(folder)
    out = os.open(".told", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number, target in ((0, nowhere), (1, nowhere), (2, out)):
        os.dup2(target, number)
    os.close(out)
    os.close(nowhere)
    sys.stdout = open(1, "w", closefd=False)
    sys.stderr = open(2, "w", closefd=False, errors="backslashreplace")    # as Python's own
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_BY_THE_CLOCK * SECONDS)
    used = resource.getrusage(resource.RUSAGE_SELF)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + SECONDS, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        code = chosen.main(list(chosen.arguments)) or 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 98
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _wrong(code, said):
    """What is wrong with a status and what was said, or None."""
    lines = [line for line in said.splitlines() if line.strip()]
    if "Traceback" in said or code not in (0, 1, 2):
        return f"status {code}: {' / '.join(lines[-3:])[:600]}"
    if code and not lines:
        return f"status {code} without a word"
    if code and len(lines[-1]) > 2000:                           # a solver's log before it may quote the file
        return f"a line of {len(lines[-1])} characters"
    return None


def fuzz(count, seed, first=0, keep=None, only=None, together=10):
    """Yields (number, arguments, what is wrong) of every case that ends badly."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder) if hasattr(contextlib, "chdir") else \
            _changed_to(folder):
        seeds = [each for each in command_seeds.make() if only is None or only in " ".join(each.arguments)]
        keep_model()
        for start in range(first, first + count, together):
            numbers = range(start, min(start + together, first + count))
            cases = [case(seeds, seed, number) for number in numbers]
            if not keep and len(cases) > 1 and all_well(cases, os.path.join(folder, "case")):
                continue
            for number, (chosen, files) in zip(numbers, cases):
                _, wrong = run_case(chosen, files, os.path.join(folder, "case"))
                if keep:
                    shutil.copytree("case", keep, dirs_exist_ok=True)
                if wrong:
                    yield number, f"{' '.join(chosen.arguments)} ({', '.join(files)})", wrong


def keep_model():
    """From here on small.onnx, where it is whole, is not loaded anew by every command: half of the time."""
    whole, load = Path("small.onnx").read_bytes(), onnx_engine.open_session
    session = load("small.onnx")
    onnx_engine.open_session = lambda path, **options: (session if Path(path).read_bytes() == whole
                                                        else load(path, **options))


@contextlib.contextmanager
def _changed_to(folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", help="cases whose command has this text")
    parser.add_argument("--keep", help="the last case's folder is copied there")
    options = parser.parse_args()
    start, bad = time.monotonic(), 0
    found = fuzz(options.count, options.seed, options.first, options.keep, options.only)
    for number, command, wrong in found:
        bad += 1
        print(f"{number}: {command}: {wrong}", flush=True)
    print(f"seed {options.seed}: {options.count} cases, {bad} bad, {time.monotonic() - start:.0f} s")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
