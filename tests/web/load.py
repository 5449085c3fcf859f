"""Many clients at once against a running server: how long their answers take, and whether any is an error; a tenth of
the uploads may be bad ones, which have to be refused.

examples:
  deeplandmark serve --port 8000 &
  python tests/web/load.py http://127.0.0.1:8000 --clients 50 --seconds 600 --bad 0.1 --pid $!
"""
import argparse
import http.client
import re
import struct
import sys
import threading
import time
import zlib
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2])]
from tests.helpers.server import BOUNDARY, encoded, face, multipart  # noqa: E402


def client(address, forms, bad, end, answers, seed):
    """Asks again and again on one connection; appends (seconds, whether it was a good upload, status), status 0 for a
    broken connection. `forms` are bodies: a good one, then bad ones."""
    line, random = http.client.HTTPConnection(*address, timeout=60), np.random.default_rng(seed)
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    while time.monotonic() < end:
        which = 0 if random.random() >= bad else random.integers(1, len(forms))
        start = time.monotonic()
        try:
            line.request("POST", "/api/landmarks", forms[which], headers)
            response = line.getresponse()
            response.read()
            status = response.status
        except (OSError, http.client.HTTPException):
            status = 0
            line.close()
        answers.append((time.monotonic() - start, which == 0, status))


def bad_forms(picture):
    """Uploads that have to be refused: cut short, no picture, a bomb, no form."""
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in (
            (b"IHDR", struct.pack(">IIBBBBB", 10, 10, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(bytes(1 << 28), 9)),
            (b"IEND", b"")))
    noise = np.random.default_rng(0).bytes(10_000)
    return [multipart(picture[:len(picture) // 2]), multipart(noise), multipart(bomb), noise,
            multipart(picture, boxes="9,9,3,3"), multipart(encoded(np.zeros((9000, 9000), np.uint8)))]


def memory(process):
    """Resident bytes of a process and those it has started."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    status = [Path(f"/proc/{each}/status").read_text() for each in (process, *children)]
    return sum(1024 * int(re.search(r"VmRSS:\s*(\d+)", text)[1]) for text in status)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--bad", type=float, default=0.0, help="share of bad uploads")
    parser.add_argument("--pid", type=int, help="process of the server, whose memory is looked at")
    options = parser.parse_args()
    image, _, _ = face()
    picture, answers = encoded(image, ".jpg"), []
    forms = [multipart(picture), *bad_forms(picture)]
    place, start = urlsplit(options.url), time.monotonic()
    threads = [threading.Thread(target=client, args=((place.hostname, place.port), forms, options.bad,
                                                     start + options.seconds, answers, seed))
               for seed in range(options.clients)]
    for thread in threads:
        thread.start()
    held = []
    while any(thread.is_alive() for thread in threads):
        time.sleep(1)
        held += [memory(options.pid)] if options.pid else []
    seconds, good, status = np.array(answers).T
    seconds, errors = seconds[good == 1], int((status[good == 1] != 200).sum())
    accepted = int((status[good == 0] < 400).sum())
    print(f"{options.clients} clients, {options.seconds:g} s, a picture of {image.shape[1]} x {image.shape[0]} with "
          f"one face to find ({len(forms[0]):,} bytes): {len(seconds)} answers, {errors} errors, "
          f"{len(seconds) / options.seconds:.1f} a second; "
          + ", ".join(f"p{part} {np.percentile(seconds, part):.2f} s" for part in (50, 95, 99, 100))
          + f"; {int((good == 0).sum())} bad uploads, {accepted} of them accepted")
    if held:
        tenth = max(1, len(held) // 10)
        print(f"memory of all processes: {max(held[:tenth]) >> 20} MiB at most in the first tenth of the time, "
              f"{max(held[-tenth:]) >> 20} MiB in the last, {max(held) >> 20} MiB ever")
    return int(errors + accepted > 0)


if __name__ == "__main__":
    sys.exit(main())
