"""What a training of a detector is told: where the pictures are, where files go, how long and how."""
from dataclasses import dataclass
from pathlib import Path

from deeplandmark.caffe.solvers.ranks import Ranks
from deeplandmark.detector_training.pictures import empty_pictures, pictures_of
from deeplandmark.faces.datasets.archive import unpacked
from deeplandmark.faces.datasets.own_lists import training_list
from deeplandmark.faces.datasets.read_faces import read_faces
from deeplandmark.faces.errors import ListError
from deeplandmark.training.network_training import Folders


@dataclass(frozen=True)
class Job:
    """A training of one of the systems of systems.py.

    Attributes
    ----------
    data : path
        Folder or zip of the archive, of which the training list counts, or a list of faces in another format.
    more : tuple of path
        Further lists of faces, in any format of faces/datasets/, or a zip or folder with one such list in it.
    negatives : path or None
        Folder or zip of pictures that show no face; without it negatives come from the pictures of faces alone.
    folders : Folders
    recipe, effort, seed, variables
        As for `nets.render`.
    jobs : int or None
        Threads that make samples; by default one a core.
    device : str
        Where networks train.
    ranks : Ranks or None
        Which help to train them, this process being the first.
    """
    data: str
    more: tuple = ()
    negatives: str = None
    folders: Folders = Folders()
    recipe: str = "fast"
    effort: float = 1.0
    seed: int = 1
    variables: tuple = ()
    jobs: int = None
    device: str = "cpu"
    ranks: Ranks | None = None

    def pictures(self):
        """Every Picture, those of the archive first; and the list of Problem of the lists.

        Raises
        ------
        FacesError
            As `read_faces`, and for what is not there.
        """
        found, problems = [], []
        for path in (training_list(self.data, Path("dataset", Path(self.data).stem)), *map(_list_in, self.more)):
            faces, bad = read_faces(path)
            found += pictures_of(faces)
            problems += bad
        if self.negatives is not None:
            found += empty_pictures(unpacked(self.negatives))
        return found, problems

    @property
    def suspects_file(self):
        """Where `find_suspects` keeps what it found."""
        return Path(self.folders.train, "suspects.json")


def _list_in(path):
    """The list of faces that a path names: the file itself, or the only list in a folder or zip."""
    path = unpacked(path)
    if path.is_file():
        return path
    lists = sorted(path.rglob("*.xml")) or sorted(path.rglob("*List.txt"))
    if len(lists) != 1:
        raise ListError(f"{path}: expected one list of faces (.xml, or a name that ends in List.txt), found "
                        f"{len(lists)}; name the list itself")
    return lists[0]
