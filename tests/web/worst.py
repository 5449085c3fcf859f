"""The costliest requests that could be thought of, one by one against a server: how much processor time and memory each
takes, of all of the server's processes together. Status 1 when one takes more than the limits of docs/serve.md.

examples:
  python tests/web/worst.py
"""
import argparse
import os
import re
import socket
import struct
import sys
import threading
import time
import zlib
from pathlib import Path

import cv2
import numpy as np

sys.path[:0] = [str(Path(__file__).parents[2])]
from tests.helpers.server import BOUNDARY, Server, encoded, face, multipart  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
PROCESSOR, MEMORY = 3.0, 400                                     # seconds and MiB, docs/serve.md


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, packed, depth=8, colours=2, interlaced=0):
    sizes = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", sizes) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def zeros(size, level=9):
    """So many zeros, packed."""
    packer, piece = zlib.compressobj(level), bytes(1 << 20)
    return b"".join(packer.compress(piece) for _ in range(size >> 20)) + packer.flush()


def more_scans(data, size):
    """A progressive JPEG whose last scan is there again and again."""
    scan = data[data.rindex(b"\xff\xda"):-2]
    return data[:-2] + (size // len(scan)) * scan + b"\xff\xd9"


def noise(height, width, *channels, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, 256, (height, width, *channels), np.uint8).astype(dtype)


def faces(height, width):
    """Faces side by side over a large picture."""
    image, _, _ = face()
    times = (-(-height // image.shape[0]), -(-width // image.shape[1]), 1)
    return np.ascontiguousarray(np.tile(image, times)[:height, :width])


def requests():
    """(what it is, body) of each."""
    image, _, box = face()
    grey = np.zeros((7000, 7000), np.uint8)
    yield "a usual picture", multipart(encoded(image, ".jpg"))
    yield "PNG, 10 x 10, unfolds to 4 GB", multipart(png(10, 10, zeros(4 << 30, 1)[:15_000_000]))
    yield "PNG, 7000 x 7000 grey", multipart(encoded(grey))
    yield "PNG, 7000 x 7000 colour", multipart(png(7000, 7000, zeros(7000 * 21001 + (1 << 20))))
    yield "PNG, interlaced", multipart(png(7000, 7000, zeros(7000 * 21001 + (1 << 20)), interlaced=1))
    yield "PNG, 16 bits and opacity", multipart(png(6000, 6000, zeros(6000 * 48001 + (1 << 20)), 16, 6))
    yield "PNG, opacity", multipart(png(7000, 7000, zeros(7000 * 28001 + (1 << 20)), 8, 6))
    yield "JPEG, 7000 x 7000 colour", multipart(encoded(np.zeros((7000, 7000, 3), np.uint8), ".jpg"))
    yield "JPEG, noise, 15 MB", multipart(encoded(noise(3800, 3800, 3), ".jpg", cv2.IMWRITE_JPEG_QUALITY, 85))
    progressive = encoded(np.zeros((4900, 5000, 3), np.uint8), ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    yield "JPEG, progressive, 4900 x 5000", multipart(progressive)
    yield "JPEG, a million scans", multipart(more_scans(progressive, 14_000_000))
    small = encoded(noise(800, 800, 3), ".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    yield "JPEG, 100 scans of noise", multipart(more_scans(small, 90 * (len(small) - small.rindex(b"\xff\xda"))))
    yield "JPEG, grey 128 without its end", multipart(encoded(np.full((7000, 7000), 128, np.uint8), ".jpg")[:-2])
    yield "WebP, 7000 x 7000", multipart(encoded(np.zeros((7000, 7000, 3), np.uint8), ".webp"))
    yield "WebP, lossless noise", multipart(encoded(noise(2200, 2200, 3), ".webp", cv2.IMWRITE_WEBP_QUALITY, 101))
    yield "BMP", multipart(encoded(noise(2300, 2300, 3), ".bmp"))
    yield "TIFF, 7000 x 7000", multipart(encoded(np.zeros((7000, 7000, 3), np.uint8), ".tiff"))
    yield "TIFF, 16 bits and opacity", multipart(encoded(np.zeros((5000, 6000, 4), np.uint16), ".tiff"))
    yield "GIF, 7000 x 7000", multipart(encoded(np.zeros((7000, 7000, 3), np.uint8), ".gif"))
    yield "GIF, says 65535 x 65535", multipart(b"GIF89a" + b"\xff" * 4 + bytes(100))
    for suffix in (".avif", ".jp2", ".ppm"):
        try:
            yield f"{suffix}, noise", multipart(encoded(noise(2000, 2000, 3), suffix)[:15_900_000])
        except cv2.error:
            print(f"this OpenCV writes no {suffix}")
    yield "faces all over 7000 x 7000", multipart(encoded(faces(7000, 7000), ".jpg", cv2.IMWRITE_JPEG_QUALITY, 40))
    yield "noise, 4000 x 4000", multipart(encoded(noise(4000, 4000), ".jpg", cv2.IMWRITE_JPEG_QUALITY, 40))
    yield "100 boxes", multipart(encoded(image), boxes=[box] * 100)
    whole = encoded(np.zeros((5000, 7000, 3), np.uint8), ".jpg")
    yield "4 boxes of 35 million pixels", multipart(whole, boxes=["0,0,7000,5000"] * 4)
    yield "100 boxes that reach far beyond", multipart(encoded(image), boxes=["-9000,-9000,9000,9000"] * 100)
    yield "boxes of a hair's breadth", multipart(whole, boxes=["0,0,7000,0.001", "0,0,0.001,5000"] * 50)
    yield "a million boxes", multipart(encoded(image), boxes="[" + ",".join(["[1,2,3,4]"] * 1_000_000) + "]")
    yield "boxes nested", multipart(encoded(image), boxes="[" * 15_000_000)
    yield "300,000 fields", b"".join(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'.encode()
                                     for _ in range(200_000)) + f"--{BOUNDARY}--\r\n".encode()
    yield "a header of 15 MB", f"--{BOUNDARY}\r\nContent-Disposition: ".encode() + b"a" * 15_000_000
    yield "15 MB of line ends", b"\r\n" * 7_500_000
    yield "15 MB of boundaries", f"--{BOUNDARY}\r\n".encode() * 500_000


def spent(server):
    """(seconds of processor time of the server's process and all it has started, MiB resident in all of them)."""
    seconds = resident = 0
    for process in (server.process.pid, *server.workers()):
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1].split()
            status = Path(f"/proc/{process}/status").read_text()
        except OSError:
            continue
        times = fields[11:15] if process == server.process.pid else fields[11:13]    # those it has waited for as well
        seconds += sum(map(int, times)) / TICK
        resident += int(re.search(r"VmRSS:\s*(\d+)", status)[1]) / 1024
    return seconds, resident


def ask(server, body, answers, in_pieces=None):
    """Appends (status, body of the answer)."""
    head = ("POST /api/landmarks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n")
    with socket.create_connection(server.address, timeout=120) as line:
        try:
            if in_pieces:
                line.sendall((head + "Transfer-Encoding: chunked\r\n\r\n").encode())
                pieces = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + in_pieces]), body[i:i + in_pieces])
                                  for i in range(0, len(body), in_pieces))
                line.sendall(pieces + b"0\r\n\r\n")
            else:
                line.sendall((head + f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
        except OSError:                                          # it has answered before all was sent
            pass
        try:
            said = line.makefile("rb").read()
            answers.append((int(said.split(b" ", 2)[1]), said.split(b"\r\n\r\n", 1)[1].decode()))
        except (OSError, IndexError):
            answers.append((0, ""))


def measured(server, body, in_pieces=None):
    """((status, answer), seconds of processor time, MiB more than before at the highest)."""
    before, answers = spent(server), []
    thread = threading.Thread(target=ask, args=(server, body, answers, in_pieces))
    thread.start()
    highest = before[1]
    while thread.is_alive():
        highest = max(highest, spent(server)[1])
        time.sleep(0.003)
    time.sleep(0.3)
    return answers[0], spent(server)[0] - before[0], highest - before[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="requests with this in their names")
    options = parser.parse_args()
    server, over = Server("--threads", "1"), 0
    usual = multipart(encoded(face()[0], ".jpg"))
    for name, body in requests():
        if options.only not in name:
            continue
        for pieces in (None, 200) if name == "JPEG, noise, 15 MB" else (None,):
            measured(server, usual)                              # so that a worker is there, and warm
            (status, said), seconds, mebibytes = measured(server, body, pieces)
            limit = seconds > PROCESSOR + 0.1 or mebibytes > MEMORY
            over += limit
            name += f", in chunks of {pieces}" if pieces else ""
            print(f"{name:45} {len(body) / 1e6:6.2f} MB  {status}  {seconds:5.2f} s  {mebibytes:5.0f} MiB  "
                  f"{'TOO MUCH  ' * limit}{said[:100] if status != 200 else ''}", flush=True)
    print(server.stop())
    return int(over > 0)


if __name__ == "__main__":
    sys.exit(main())
