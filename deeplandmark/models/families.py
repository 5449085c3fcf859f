"""Every family of networks that can be trained, of every system, by name: what --variant takes."""
from deeplandmark.cascade.families import FAMILIES as _CASCADE
from deeplandmark.faces.points import FIVE_POINTS
from deeplandmark.models import settings_class
from deeplandmark.regressor.families import FAMILIES as _REGRESSOR

USUAL = "paper"                 # the family that is meant where none is named
USUAL_OF_SYSTEM = {"cascade": USUAL, "regressor": "compact"}        # where only a system is
# What --system calls a family of landmark networks that has points of its own -> what --points calls those.
POINTS_OF_SYSTEM = {"pose": "axes"}
FAMILIES = {family.name: family for family in (*_CASCADE, *_REGRESSOR)}


def family_of(name):
    """The Family of that name.

    Raises
    ------
    ValueError
        For a name that no family has, with those there are.
    """
    if name not in FAMILIES:
        raise ValueError(f"there is no family {name!r} (known: {', '.join(FAMILIES)})")
    return FAMILIES[name]


def variant_of_system(system, variant):
    """The name of the family meant by a system and a family, which is USUAL where none was named. Raises ValueError for
    a family of another system."""
    if variant == USUAL:
        return USUAL_OF_SYSTEM[system]
    if family_of(variant).system != system:
        raise ValueError(f"--variant {variant} is of --system {family_of(variant).system}, not of {system}")
    return variant


def settings_of(name=USUAL, points=FIVE_POINTS):
    """The settings that a model of a family is trained with, for the usual five points or others."""
    family = family_of(name)
    return settings_class(family.system).of(family, points)
