"""Prototxt from Jinja2 templates: for every network a training net, a deploy net and a solver."""
import re
import traceback
from functools import lru_cache
from itertools import product
from pathlib import Path

from deeplandmark.faces.points import FIVE_POINTS
from deeplandmark.models.families import USUAL, family_of
from deeplandmark.networks.settings import patch_extent
from deeplandmark.networks.windows import unit_in_box
from deeplandmark.training.start_weights import MEAN_SHAPE_FILE, TURN_FILE
from deeplandmark.work.whole_file import write_text

RECIPES = ("fast", "full")


def template_folder():
    """The folder of the templates: prototxt/ of a clone, which setup.py installs inside the package."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "templates"
    return installed if installed.is_dir() else package.parent / "prototxt"


def render(network, kind, *, folder, variant=USUAL, structure=None, recipe="fast", effort=1.0, seed=1,
           frozen=False, variables=None, prototxt="prototxt", train="train", model="model", turn=None):
    """Text of one prototxt.

    Parameters
    ----------
    network : Network
    kind : "train", "deploy" or "solver"
    folder : path
        Where the templates are.
    variant : str
        The family: see models/families.py.
    structure : str, optional
        Another structure than the table's: s3 ... s7 for an ablation of S0.
    recipe, effort
        Training plan, and a factor on its iterations.
    frozen : bool
        Whether the training patches are cut already (`prepare --frozen`); those of some families always are.
    variables : dict of str -> str or float, optional
        Further variables of the templates, such as rotation or loss.
    prototxt, train, model : str
        Folders as the prototxt names them: of the training net, of the h5 lists, of the snapshots.
    turn : int, optional
        Which of the network's trainings, 1 ... network.turns; by default the last, which makes the network.

    Raises
    ------
    ValueError
        For an error in a template, naming file and line.
    """
    family, turn = family_of(variant), turn or network.turns
    name = f"{variant}_solver" if kind == "solver" else kind
    values = dict(
        level=network.level, name=network.name, num_output=network.num_output, rows=network.size[0],
        columns=network.size[1], channels=network.channels, structure=f"{variant}_{structure or network.structure}",
        recipe=recipe, effort=effort, seed=seed, frozen=frozen or family.frozen, normalisation=family.normalisation,
        extent=patch_extent(network, family.encoding), box_widths=unit_in_box(network, family.encoding),
        half_side=network.half_side, earlier=network.earlier,
        half_sides=[round(family.encoding.scale * side, 6) for side in network.half_sides],
        max_shift=family.shift.get(network.level), turn=turn,
        train_prototxt=f"{prototxt}/{network.turn_name(turn)}_train.prototxt",
        train_source=f"{train}/{network.full_name}/train.txt", test_source=f"{train}/{network.full_name}/test.txt",
        snapshot_prefix=f"{model}/{network.turn_name(turn)}/",
        start_weights=f"{train}/{network.full_name}/{MEAN_SHAPE_FILE}" if turn == 1
        else f"{model}/{network.turn_name(turn - 1)}/{TURN_FILE}")
    return rendered(folder, family.system, name, {**values, **family.variables.get(network.level, {}),
                                                  **(variables or {})})


def rendered(folder, system, name, values):
    """Text of NAME.prototxt.template with some values; it is looked for in the system's folder, then in that of all.

    Raises
    ------
    ValueError
        For an error in a template, naming file and line.
    """
    import jinja2  # only training needs it
    try:
        return _environment(str(folder), system).get_template(f"{name}.prototxt.template").render(values)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"{error.filename or error.name}:{error.lineno}: {error.message}") from None
    except jinja2.TemplateNotFound as error:
        raise ValueError(f"{folder}: there is no template {error.name}") from None
    except Exception as error:                                   # whatever an expression in a template may raise
        raise ValueError(f"{_place(error)}: {error}") from None


@lru_cache(maxsize=8)
def _environment(folder, system):
    """Looks for templates in the system's folder, then in that of all; compiles each once, and again when edited."""
    import jinja2
    return jinja2.Environment(loader=jinja2.FileSystemLoader([f"{folder}/{system}", folder]),
                              undefined=jinja2.StrictUndefined, keep_trailing_newline=True)


def settable(system, folder=None, roots=None):
    """The variables that templates have a default for, `set NAME = NAME | default(...)`: a sorted list.

    Parameters
    ----------
    system : str
    folder : path, optional
        Of the templates; by default the project's.
    roots : iterable of str, optional
        The names of the templates that count, with those that they include; by default all that the system can use.
    """
    folder = Path(folder or template_folder())
    paths = {path.name.partition(".")[0]: path for place in (folder, folder / system)
             for path in place.glob("*.template")}
    found, wanted, seen = set(), set(paths if roots is None else roots), set()
    while wanted - seen:
        name = (wanted - seen).pop()
        seen.add(name)
        text = paths[name].read_text(encoding="utf-8") if name in paths else ""
        found.update(re.findall(r"\bset (\w+) = \1 \| default\b", text))
        wanted.update(re.findall(r'include "(\w+)\.prototxt\.template"', text))
    return sorted(found)


def check_variables(variables, system, folder=None, roots=None):
    """Raises ValueError for a name in `variables` that no template lets be set; see `settable`."""
    known = settable(system, folder, roots)
    for name in variables or ():
        if name not in known:
            raise ValueError(f"no template has a variable {name} to be set (known: {', '.join(known)})")


def check_family_variables(variables, variant=USUAL, folder=None):
    """`check_variables` of a family's own templates."""
    family = family_of(variant)
    own = {"solver", *(network.structure for network in family.networks(FIVE_POINTS))}
    check_variables(variables, family.system, folder, {"train", "deploy", *(f"{variant}_{part}" for part in own)})


def _place(error):
    """FILE:LINE where an error arose, and who called that: Jinja2 puts its templates into the traceback."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.endswith(".template")]
    return ", called from ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(frames)) or "templates"


def generate(out="prototxt", folder=None, levels=None, s0=None, points=FIVE_POINTS, **settings):
    """Writes `{level}_{name}_{train,deploy,solver}.prototxt` of every network of some levels, or of all, into a folder;
    for each training of one that takes turns.

    `s0` names another structure for F, `settings` are those of `render`. Returns the list of paths. Files whose text is
    the same are left alone.

    Raises
    ------
    ValueError
        As `render` does, and for a variable that no template lets be set: a slip in its name would change nothing.
    """
    folder, out = Path(folder or template_folder()), Path(out)
    check_family_variables(settings.get("variables"), settings.get("variant", USUAL), folder)
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for network in family_of(settings.get("variant", USUAL)).networks(points):
        if levels and network.level not in levels:
            continue
        structure = s0 if network.structure == "s0" else None
        for turn, kind in product(range(1, network.turns + 1), ("train", "deploy", "solver")):
            path = out / f"{network.turn_name(turn)}_{kind}.prototxt"
            text = render(network, kind, folder=folder, structure=structure, prototxt=str(out), turn=turn, **settings)
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                write_text(path, text, durable=False)
            paths.append(path)
    return paths


def check_nets(paths):
    """Builds every deploy net once, so that an edit that does not fit is found before any work is done.

    Raises
    ------
    CaffeError (a ValueError)
        Naming file, line, layer and blob.
    """
    from deeplandmark.caffe import TEST, Net  # only who checks waits for torch
    for path in paths:
        if path.name.endswith("_deploy.prototxt"):
            Net(str(path), TEST)
