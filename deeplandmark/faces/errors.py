"""What the room `faces` raises. A command turns these into one line on stderr."""


class FacesError(Exception):
    """Something a user can put right; the message names the place, what was found and what was expected."""


class ListError(FacesError):
    """A picture list cannot be used."""


class OtherPointsError(ListError):
    """The faces of a list have other points than are asked for.

    Attributes
    ----------
    found : str
        The message without what helps.
    """

    def __init__(self, found):
        super().__init__(f"{found}; --points names another set")
        self.found = found


class PictureError(FacesError):
    """A picture is missing, cut short, no picture, or does not fit its box."""


class ArchiveError(FacesError):
    """An archive of pictures is incomplete, unsafe or cannot be fetched."""
