"""What Caffe keeps once for the process: where new nets live, and the source of random numbers."""
import torch

from deeplandmark.caffe.errors import CaffeError


class Mode:
    """The torch device of nets that do not name one, and the generator of nets without a seed of their own."""

    def __init__(self):
        self.device_id = 0
        self.gpu = False
        self.engine = "torch"
        self.solver_count, self.solver_rank, self.multiprocess = 1, 0, False     # kept for pycaffe's scripts alone
        self.generator = torch.Generator()
        self.generator.seed()

    @property
    def device(self):
        """The torch.device of new nets: the CPU, or the GPU of number device_id."""
        return torch.device("cuda", self.device_id) if self.gpu else torch.device("cpu")

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
