"""The weights of a net: read, shared, written."""
from __future__ import annotations

import os

from google.protobuf.message import Message

from deeplandmark.caffe.errors import NetError
from deeplandmark.caffe.files.model_file import Weights, copy_weights, read_weights
from deeplandmark.caffe.files.write_weights import graph_to_proto, write_caffemodel, write_hdf5


class WeightMethods:
    """The methods of a Net that read, share and write weights (net.cpp, CopyTrainedLayersFrom, ToProto, ToHDF5)."""

    def copy_from(self, weights: Weights, strict: bool = False) -> None:
        """Copies weights by layer name from a .caffemodel, a .caffemodel.h5 or a NetParameter; see `copy_weights`.

        Values that are not finite are taken with a NotFiniteWarning, or with `strict` refused.

        Raises
        ------
        FileFormatError
            For a file that cannot be read, or blobs of other shapes; nothing is copied then.
        """
        layers, file = read_weights(weights)
        copy_weights(self.graph, layers, file, strict)

    load_hdf5 = copy_from

    def share_with(self, other: WeightMethods) -> None:
        """Uses the values of the other Net's parameters in layers of the same name; diffs stay apart.

        A NetError where shapes differ.
        """
        owners = {node.name: node.layer for node in reversed(other.graph.nodes)}
        for node in self.graph.nodes:
            if node.name not in owners:
                continue
            mine, theirs = (list(layer._parameters.values()) for layer in (node.layer, owners[node.name]))
            if [p.shape for p in mine] != [p.shape for p in theirs]:
                raise NetError(f"cannot share: shapes {[tuple(p.shape) for p in mine]} here, "
                               f"{[tuple(p.shape) for p in theirs]} there", layer=node.name, file=self.graph.file)
            for parameter, source in zip(mine, theirs):
                parameter.data = source.data
        for blob in (blob for net in (self, other) for blobs in net.params.values() for blob in blobs):
            blob.was_looked_at = True                            # each may change what the other has

    def to_proto(self, write_diff: bool = False) -> Message:
        """The net with its weights as a NetParameter, with Split layers, as Caffe snapshots it.

        write_diff (bool) adds the diffs of the parameters.
        """
        self._sync()
        return graph_to_proto(self.graph, write_diff)

    def save(self, path: str | os.PathLike[str], write_diff: bool = False) -> None:
        """Writes a .caffemodel, whole or not at all; an OSError where that cannot be.

        A net of more than 2 GiB is written as HDF5 under this name, with a warning.
        """
        self._sync()
        write_caffemodel(path, self.graph, write_diff)

    def save_hdf5(self, path: str | os.PathLike[str], write_diff: bool = False) -> None:
        """Writes a .caffemodel.h5, whole or not at all; an OSError where that cannot be."""
        self._sync()
        write_hdf5(os.fspath(path), self.graph, write_diff)
