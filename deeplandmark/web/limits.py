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
    covered : how many times the largest picture may be covered by boxes that are given
    processor : seconds of processor time that the work on an upload may take
    memory : bytes that it may take
    requests : uploading, waiting or at work at a time; half of them of one address
    held : bytes of all uploads at a time
    connections : at a time; half of them of one address
    head : seconds until a connection has sent the head of its request, the next one's as well
    seconds : an upload may take
    start, rate : seconds after which an upload has to have come with so many bytes a second, from its beginning
    end : seconds that requests under way have when the server is to end
    """
    bytes: int = 16_000_000
    pixels: int = 50_000_000
    faces: int = 100
    covered: int = 4
    processor: float = 3.0
    memory: int = 400 << 20
    requests: int = 100
    held: int = 400_000_000
    connections: int = 400
    head: float = 10.0
    seconds: float = 120.0
    start: float = 5.0
    rate: int = 16_000
    end: float = 8.0


class Refusal(Exception):
    """A request that is answered by an HTTP status of 4xx or 503 and one line."""

    def __init__(self, status, message):
        super().__init__(status, message)
        self.status, self.message = status, message
