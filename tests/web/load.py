"""Many clients at once against a running server: how long their answers take, and whether any is an error.

examples:
  deeplandmark serve --port 8000 &
  python tests/web/load.py http://127.0.0.1:8000 --clients 50 --seconds 60
"""
import argparse
import http.client
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2])]
from tests.helpers.server import BOUNDARY, encoded, face, multipart  # noqa: E402


def client(address, body, end, answers):
    """Asks again and again on one connection; appends (seconds, status), status 0 for a broken connection."""
    line = http.client.HTTPConnection(*address, timeout=60)
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    while time.monotonic() < end:
        start = time.monotonic()
        try:
            line.request("POST", "/api/landmarks", body, headers)
            response = line.getresponse()
            response.read()
            status = response.status
        except (OSError, http.client.HTTPException):
            status = 0
            line.close()
        answers.append((time.monotonic() - start, status))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    image, _, _ = face()
    body, answers = multipart(encoded(image, ".jpg")), []
    place, end = urlsplit(options.url), time.monotonic() + options.seconds
    address = place.hostname, place.port
    threads = [threading.Thread(target=client, args=(address, body, end, answers)) for _ in range(options.clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, status = np.array(answers).T
    errors = int((status != 200).sum())
    print(f"{options.clients} clients, {options.seconds:g} s, a picture of {image.shape[1]} x {image.shape[0]} with "
          f"one face to find ({len(body):,} bytes): {len(answers)} answers, {errors} errors, "
          f"{len(answers) / options.seconds:.1f} a second; 50 % within {np.median(seconds):.2f} s, "
          f"95 % within {np.percentile(seconds, 95):.2f} s, all within {seconds.max():.2f} s")
    return int(errors > 0)


if __name__ == "__main__":
    sys.exit(main())
