"""The two networks of the single-shot detector as rows, and their prototxt from the templates in
prototxt/single_shot/."""
from dataclasses import dataclass, field, replace
from pathlib import Path

from deeplandmark.training.templates import RECIPES, check_variables, rendered, template_folder
from deeplandmark.work.whole_file import write_text

SYSTEM = "single_shot"


@dataclass(frozen=True)
class SingleShotNet:
    """One of the networks.

    Attributes
    ----------
    name : str
        Its files' name.
    kind : str
        s, which looks at the whole picture, or v, which looks at what s has found: its templates' name.
    size : int
        Pixels of the side of what it is trained on.
    strides : tuple of int
        Pixels between two cells of each of its maps.
    sizes : dict of int -> (float, float)
        Of which faces each map is to find: sides of their boxes, pixels; 0 as upper limit is none.
    unit : float
        Of the points' places, in strides.
    start : str
        Name of the network whose weights it starts from.
    """
    name: str
    kind: str
    size: int
    strides: tuple = ()
    sizes: dict = field(default_factory=dict)
    unit: float = 1.0
    start: str = ""

    @property
    def any_size(self):
        """Whether it takes pictures of any size."""
        return self.kind == "s"

    @property
    def full_name(self):
        """What training/network_training.py calls it and its files."""
        return self.name

    @property
    def level(self):
        """What training/samples_mark.py calls its samples."""
        return self.name


FIRST_NET = SingleShotNet("first", "s", 192, (8, 16, 32), {8: (0, 28), 16: (20, 64), 32: (48, 0)}, 4.0)
S_NET = replace(FIRST_NET, name="s", start="first")
V_NET = SingleShotNet("v", "v", 48)
NETS = (FIRST_NET, S_NET, V_NET)


def render(net, kind, *, folder=None, recipe="fast", effort=1.0, seed=1, variables=None, prototxt="prototxt",
           train="train", model="model"):
    """Text of one prototxt: see `render` of detector_training/nets.py."""
    if recipe not in RECIPES:
        raise ValueError(f"recipe {recipe!r}: there are {', '.join(RECIPES)}")
    source = f"{train}/{net.name}"
    values = dict(name=net.name, kind=net.kind, start=f"{model}/{net.start}.caffemodel" if net.start else "",
                  size=net.size, strides=net.strides, sizes=net.sizes, unit=net.unit, recipe=recipe, effort=effort,
                  seed=seed, train_prototxt=f"{prototxt}/{net.name}_train.prototxt",
                  train_source=f"{source}/train.txt", test_source=f"{source}/test.txt",
                  snapshot_prefix=f"{model}/{net.name}/")
    template = kind if kind == "solver" else f"{net.kind}_{kind}"
    return rendered(folder or template_folder(), SYSTEM, template, {**values, **(variables or {})})


def generate(out="prototxt", nets=NETS, **settings):
    """Writes `{first,s,v}_{train,deploy,solver}.prototxt` into a folder; `settings` are those of `render`. Returns the
    list of paths. Raises ValueError as `render` does, and for a variable that no template lets be set."""
    check_variables(settings.get("variables"), SYSTEM, settings.get("folder"))
    out, paths = Path(out), []
    out.mkdir(parents=True, exist_ok=True)
    for net in nets:
        for kind in ("train", "deploy", "solver"):
            paths.append(out / f"{net.name}_{kind}.prototxt")
            write_text(paths[-1], render(net, kind, prototxt=str(out), **settings), durable=False)
    return paths
