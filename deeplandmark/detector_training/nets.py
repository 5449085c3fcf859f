"""The three networks of MTCNN as rows, and their prototxt from the templates in prototxt/mtcnn/."""
from dataclasses import dataclass
from pathlib import Path

from deeplandmark.training.templates import RECIPES, check_variables, rendered, template_folder
from deeplandmark.work.whole_file import write_text

SYSTEM = "mtcnn"
KINDS = ("positive", "part", "points", "negative")   # of samples: one list of h5 files each


@dataclass(frozen=True)
class CascadeNet:
    """One of the networks.

    Attributes
    ----------
    name : str
        p, r or o: its templates' and its files' name.
    size : int
        Pixels of its square window.
    heads : dict of "class", "box", "points" -> str
        The blobs of its answers, named as in the public models.
    deploys_points : bool
        Whether it says where the points are when it is used; in training every one learns them.
    """
    name: str
    size: int
    heads: dict
    deploys_points: bool = False

    @property
    def any_size(self):
        """Whether it takes pictures of any size."""
        return self.name == "p"

    @property
    def full_name(self):
        """What training/network_training.py calls it and its files."""
        return self.name

    @property
    def level(self):
        """What training/samples_mark.py calls its samples."""
        return self.name


P_NET = CascadeNet("p", 12, {"class": "conv4-1", "box": "conv4-2", "points": "conv4-3"})
R_NET = CascadeNet("r", 24, {"class": "conv5-1", "box": "conv5-2", "points": "conv5-3"})
O_NET = CascadeNet("o", 48, {"class": "conv6-1", "box": "conv6-2", "points": "conv6-3"}, deploys_points=True)
NETS = (P_NET, R_NET, O_NET)


def render(net, kind, *, folder=None, recipe="fast", effort=1.0, seed=1, variables=None, prototxt="prototxt",
           train="train", model="model"):
    """Text of one prototxt.

    Parameters
    ----------
    net : CascadeNet
    kind : "train", "deploy" or "solver"
    folder : path, optional
        Where the templates are; by default the project's.
    recipe, effort
        Training plan, and a factor on its iterations.
    variables : dict of str -> str or float, optional
        What the templates let be set: iterations, base_lr, batch, keep, weight_class, weight_box, weight_points ...
    prototxt, train, model : str
        Folders as the prototxt names them: of the training net, of the h5 lists, of the snapshots.

    Raises
    ------
    ValueError
        For an unknown recipe, and for an error in a template, naming file and line.
    """
    if recipe not in RECIPES:
        raise ValueError(f"recipe {recipe!r}: there are {', '.join(RECIPES)}")
    source = f"{train}/{net.name}"
    values = dict(name=net.name, size=net.size, heads=net.heads, points_head=kind == "train" or net.deploys_points,
                  recipe=recipe, effort=effort, seed=seed, train_prototxt=f"{prototxt}/{net.name}_train.prototxt",
                  train_sources={name: f"{source}/{name}.txt" for name in KINDS}, test_source=f"{source}/test.txt",
                  snapshot_prefix=f"{model}/{net.name}/")
    return rendered(folder or template_folder(), SYSTEM, kind, {**values, **(variables or {})})


def generate(out="prototxt", nets=NETS, **settings):
    """Writes `{p,r,o}_{train,deploy,solver}.prototxt` into a folder; `settings` are those of `render`. Returns the
    list of paths. Raises ValueError as `render` does, and for a variable that no template lets be set."""
    check_variables(settings.get("variables"), SYSTEM, settings.get("folder"))
    out, paths = Path(out), []
    out.mkdir(parents=True, exist_ok=True)
    for net in nets:
        for kind in ("train", "deploy", "solver"):
            paths.append(out / f"{net.name}_{kind}.prototxt")
            write_text(paths[-1], render(net, kind, prototxt=str(out), **settings), durable=False)
    return paths
