"""JSON of people's files: whatever is wrong with it is a ValueError, and a byte order mark is nothing wrong."""
import json
from typing import Any


def parse_json(text: str | bytes) -> Any:
    """What JSON says, in bytes of UTF-8, 16 or 32, with or without a byte order mark, or in a str.

    Raises
    ------
    ValueError
        For anything else, also for lists in lists a thousand deep, which `json.loads` has no ValueError for.
    """
    try:
        return json.loads(text.removeprefix("\ufeff") if isinstance(text, str) else text)
    except RecursionError:
        raise ValueError("lists or objects lie too deep in one another") from None
