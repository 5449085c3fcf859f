"""What Caffe keeps once for the process: where new nets live, the source of random numbers, which share of the work."""
from dataclasses import dataclass

import torch

from deeplandmark.caffe.errors import CaffeError


@dataclass(frozen=True)
class Share:
    """What one of several processes (ranks) that train one net takes of each batch.

    Row i of the batch of all is that of rank i % count. So do Caffe's own layers (data_layer.cpp, Skip). All ranks go
    through the data in one order and draw the same random numbers for the rows of all of them: together they see what
    one process would that reads such batches.

    Parameters
    ----------
    rank, count : int
        Which rank this is, 0 .. count - 1.
    divided : bool
        Whether batch_size of the definition is the batch of all ranks together. Otherwise each has a batch of that
        size, as with Caffe's `--gpu 0,1`, and the batch of all is `count` times as large.

    Raises
    ------
    CaffeError
        For a rank that there is not.
    """
    rank: int = 0
    count: int = 1
    divided: bool = False

    def __post_init__(self):
        if not 0 <= self.rank < self.count:
            raise CaffeError(f"rank {self.rank} of {self.count}: ranks are numbered from 0")

    def of_all(self, batch_size):
        """Rows (int) in the batch of all ranks."""
        return batch_size if self.divided else batch_size * self.count

    def own(self, batch_size):
        """Rows (int) of them that are this rank's."""
        return len(range(self.rank, self.of_all(batch_size), self.count))

    @property
    def rows(self):
        """Which ones of a batch of all, as an index (slice)."""
        return slice(self.rank, None, self.count)


ALONE = Share()


class Mode:
    """The torch device of nets that do not name one, and the generator of nets without a seed of their own."""

    def __init__(self):
        self.device_id = 0
        self.gpu = False
        self.engine = "torch"
        self.solver_count, self.solver_rank, self.multiprocess = 1, 0, False
        self.batch_divided = False
        self.generator = torch.Generator()
        self.generator.seed()

    @property
    def device(self):
        """The torch.device of new nets: the CPU, or the GPU of number device_id."""
        return torch.device("cuda", self.device_id) if self.gpu else torch.device("cpu")

    @property
    def share(self):
        """The Share of training nets that are built from now on."""
        return Share(self.solver_rank, self.solver_count, self.batch_divided)

    def set_cpu(self) -> None:
        """pycaffe's set_mode_cpu."""
        self.gpu = False

    def set_gpu(self) -> None:
        """pycaffe's set_mode_gpu; a CaffeError where there is no GPU."""
        if not torch.cuda.is_available():
            raise CaffeError("no GPU can be used here: torch finds no CUDA device")
        self.gpu = True

    def set_device(self, device_id: int) -> None:
        """pycaffe's set_device: the number (int) of the GPU of nets that are built from now on."""
        self.device_id = int(device_id)

    def set_engine(self, engine: str) -> None:
        """What runs `forward` in TEST of nets that are built from now on: "torch" or "onnxruntime"."""
        self.engine = engine

    def set_random_seed(self, seed: int) -> None:
        """pycaffe's set_random_seed: after the same int, nets built draw the same fillers, masks and orders."""
        self.generator.manual_seed(int(seed))


MODE = Mode()      # pycaffe's functions act on the process, so this one object is shared
