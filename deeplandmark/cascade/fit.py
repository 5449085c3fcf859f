"""What `deeplandmark calibrate` fits to a cascade: its confidence, and the share of level 1 in its points."""
from dataclasses import replace

from deeplandmark.cascade.confidence.calibration import fit_confidence, fit_level_1_share, observe
from deeplandmark.cascade.confidence.error_from_hidden_layers import fit_error
from deeplandmark.cascade.networks import LEVELS
from deeplandmark.cascade.settings import CascadeSettings
from deeplandmark.cascade.torch_engine import TorchEngine, load_modules
from deeplandmark.faces.datasets.held_back import held_back, training_part
from deeplandmark.faces.views import COPIES

TRAINING_COPIES = 2     # views of each face that networks were trained on


def fitted(folder, faces, copies=COPIES, seed=0, tell=lambda problems: None):
    """The settings of a model folder with what its faces tell.

    Parameters
    ----------
    folder : path
    faces : list of Annotation
        The training list, of which faces with points that are not visible are left out; the tenth that no network is
        trained on decides, and what the hidden layers of a whole cascade tell of the error is learnt from the others
        before.
    copies, seed : int
        Views of each held-back face, and what they are drawn by.
    tell : callable (list of Problem)
        Told of pictures that cannot be read.

    Returns
    -------
    (CascadeSettings, str)
        The str says what was found, for people.

    Raises
    ------
    ValueError, ListError
        If the folder holds no cascade, or too many pictures cannot be read.
    """
    # Without the confidence that was fitted before: it may belong to other networks.
    settings, modules = load_modules(folder, replace(CascadeSettings.load(folder), confidence=None))
    engine, held = TorchEngine(settings, modules), _whole(held_back(faces))
    observed = observe(engine, held, copies, seed)
    tell(observed.problems)
    observations, share = fit_level_1_share(observed, settings.level_1_share)
    prediction = None
    if observations.hidden and len(engine.levels) == len(LEVELS):
        engine = TorchEngine(replace(settings, level_1_share=share), modules)
        observed = observe(engine, _whole(training_part(faces)), TRAINING_COPIES, seed)
        tell(observed.problems)
        prediction = fit_error(observed)
    confidence = fit_confidence(observations, settings.points.mirror, prediction)
    last = observations.levels.shape[1]
    failures = 100 * (1 - observations.right(last).mean())
    return (replace(settings, level_1_share=share, confidence=confidence),
            f"confidence of {last} levels fitted on {len(held)} held-back faces, {len(observations.width)} views: "
            f"{failures:.2f} % of their points are failures; share of level 1 in the points: {share:.3f}")


def _whole(faces):
    return [face for face in faces if face.visible.all()]
