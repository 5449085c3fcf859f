"""Forward of a whole net in TEST without what nobody looks at: Net's way when it may."""
import torch

from deeplandmark.caffe.engines.pure import is_pure
from deeplandmark.caffe.engines.torch_engine import TorchEngine
from deeplandmark.caffe.errors import NetError

ENGINES = ("torch", "onnxruntime")


class FastForward:
    """Runs a net by an engine and fills the blobs that the user has ever looked at, and the outputs.

    Where a blob is looked at for the first time, everything is computed again layer by layer, from the inputs as they
    were, so that it holds what Caffe's would. Once backward was asked for, the layers always run one by one.

    Parameters
    ----------
    net : Net
    engine : str
        torch, or onnxruntime.

    Raises
    ------
    NetError
        For an unknown engine, and for onnxruntime where the net is on a GPU, in TRAIN, or has a layer that ONNX lacks
        or whose blobs do not follow from the inputs alone.
    """

    def __init__(self, net, engine):
        self.net, self.graph = net, net.graph
        self.possible = is_pure(net.graph, net.phase)
        self.looked_at, self.backward_asked = set(net.graph.outputs), False
        self._inputs = None                                      # of the last run, as long as blobs are not filled
        self._shapes = None                                      # of the inputs, for which the blobs are made
        if engine not in ENGINES:
            raise NetError(f"unknown engine {engine!r} (known: {', '.join(ENGINES)})", file=net.graph.file)
        self.engine = TorchEngine(net.module, net.params, net.device) if engine == "torch" else self._onnx_engine()

    def _onnx_engine(self):
        from deeplandmark.caffe.engines.onnx_engine import OnnxEngine
        if self.net.device.type != "cpu":
            raise NetError("engine 'onnxruntime' runs nets on the CPU, this one is on a GPU", file=self.graph.file)
        if not self.possible:
            raise NetError("engine 'onnxruntime' runs nets in TEST whose blobs follow from their inputs: no data "
                           "layers, losses, recurrent or Python layers", file=self.graph.file)
        engine = OnnxEngine(self.graph, [blob for blobs in self.net.params.values() for blob in blobs])
        shapes = {blob: self.graph.blob_shapes[blob] for blob in self.graph.inputs}
        if all(0 not in shape for shape in shapes.values()):     # a layer that ONNX lacks is named at once
            engine.make(shapes, frozenset(self.looked_at - shapes.keys()))
        return engine

    def run(self, more=()):
        """Runs the whole net and fills the outputs, what was looked at and the blobs `more` (positions).

        Returns False, and does nothing, where the layers have to run one by one.
        """
        if not self.possible or self.backward_asked or self.net.watchers:
            return False
        blobs = self.net._blobs
        inputs = {blob: blobs[blob].tensor for blob in self.graph.inputs}
        shapes = {blob: tuple(tensor.shape) for blob, tensor in inputs.items()}
        if not all(tensor.numel() for tensor in inputs.values()):
            return False
        if shapes != self._shapes:
            self.net.reshape()
            self._shapes = shapes
        self.looked_at.update(more)
        wanted = frozenset(self.looked_at - inputs.keys())
        found = self.engine.run(inputs, wanted)
        for blob in wanted:
            blobs[blob].assign(found[blob])
        complete = len(wanted) + len(inputs) == len(blobs)
        self._inputs = None if complete else {blob: tensor.clone() for blob, tensor in inputs.items()}
        return True

    def note_access(self, blob):
        """Somebody looks at a blob (its position), or for None at all of them."""
        if blob is not None and (blob in self.looked_at or blob in self.graph.inputs):
            return
        if blob is not None:
            self.looked_at.add(blob)
        self.fill_all()

    def before_backward(self):
        """Backward needs what each layer saw, from now on at every forward."""
        self.backward_asked = True
        self.fill_all()

    def forget(self):
        """What has not been looked at will not be asked for: all layers run again, or the shapes change."""
        self._inputs = None

    def fill_all(self):
        """Runs the layers one by one on the inputs of the last run; the present inputs stay."""
        inputs, self._inputs = self._inputs, None
        if inputs is None:
            return
        blobs = self.net._blobs
        present = {blob: blobs[blob].tensor.clone() for blob in inputs}
        for blob, values in inputs.items():
            blobs[blob].assign(values)
        with torch.enable_grad():
            self.net._runner.forward(0, len(self.graph.nodes) - 1)
        for blob, values in present.items():
            if not torch.equal(values, inputs[blob]):
                blobs[blob].assign(values)
