"""What one request may cost, and the errors that say so."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Upper bounds of one request and of all at once.

    Attributes
    ----------
    bytes : of the whole request body
    pixels : of a picture, width x height, checked before anything is decoded
    faces : in a picture; of more that were found, the first count
    requests : at work, uploading or waiting at a time
    seconds : an upload may take
    """
    bytes: int = 16_000_000
    pixels: int = 50_000_000
    faces: int = 100
    requests: int = 100
    seconds: float = 120.0


class Refusal(Exception):
    """A request that is answered by an HTTP status of 4xx or 503 and one line."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message
