"""Fetching one large file over HTTP, going on where the last try stopped."""

from __future__ import annotations

import http.client
import os
import re
import urllib.error
import urllib.request
from pathlib import Path

from deeplandmark.faces.errors import ArchiveError
from deeplandmark.work.progress import Progress
from deeplandmark.work.whole_file import put_in_place

OFFICIAL_URL = "http://mmlab.ie.cuhk.edu.hk/archive/CNN/data/train.zip"
_CHUNK = 1 << 16


def download(url: str, file: str | os.PathLike, timeout: float = 20.0) -> Path:
    """Fetches `url` into `file` and returns it as a Path; a file that is already there is left alone.

    What has arrived lies in `file` + ".part", from where the next call goes on (HTTP Range; a server that knows no
    ranges sends all of it again). Raises ArchiveError when the server cannot be reached, refuses, closes too early, or
    when no byte arrives within `timeout` seconds.
    """
    file = Path(file)
    if file.exists():
        return file
    part = file.with_name(file.name + ".part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part, timeout)
        put_in_place(part, file)
    except TimeoutError:
        raise ArchiveError(f"{url}: no byte within {timeout:g} seconds") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        late = isinstance(reason, TimeoutError)
        raise ArchiveError(f"{url}: " + (f"no byte within {timeout:g} seconds" if late else str(reason))) from None
    return file


def _fetch(url, part, timeout):
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:
            raise
        if _size_told(error.headers) == have:  # nothing after the bytes that are here: they are all
            return
        part.unlink()  # the server's file is another, shorter one
        return _fetch(url, part, timeout)
    with response:
        _receive(response, part, have)


def _receive(response, part, have):
    resumed = response.status == 206 and (response.headers.get("Content-Range") or "").startswith(f"bytes {have}-")
    start = have if resumed else 0
    length = response.headers.get("Content-Length")
    total = start + int(length) if length else None
    progress = Progress("MB", total and total / 1e6, part.stem, start / 1e6)
    with part.open("ab" if resumed else "wb") as out:
        # `read1` hands over what is there; `read` would wait for a whole chunk and could hide a trickle's timeout.
        while chunk := response.read1(_CHUNK):
            out.write(chunk)
            progress.step(len(chunk) / 1e6)
    progress.clear()
    if total is not None and part.stat().st_size != total:
        raise OSError(f"the server closed after {part.stat().st_size} of {total} bytes; run again to go on")


def _size_told(headers):
    match = re.fullmatch(r"bytes \*/(\d+)", headers.get("Content-Range") or "")
    return int(match[1]) if match else None
