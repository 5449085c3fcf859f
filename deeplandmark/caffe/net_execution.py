"""Runs a net layer by layer on its blobs, forward and backward, as pycaffe shows it."""
import torch

from deeplandmark.caffe.errors import NetError


class BlobRunner:
    """Forward and backward over the blobs of a net, any range of layers (net.cpp, ForwardFromTo and BackwardFromTo).

    Each layer's forward is recorded by autograd on its own, so that backward can start from any diffs, and data that
    was assigned in between counts.

    Parameters
    ----------
    graph : Graph
    blobs : list of Blob, in the order of graph.blob_names
    watchers : Watchers
    """

    def __init__(self, graph, blobs, watchers):
        self.graph, self.blobs, self.watchers = graph, blobs, watchers
        self._records = [None] * len(graph.nodes)                # (bottom leaves, tops) of the last forward
        self._shapes = [[graph.blob_shapes[i] for i in node.bottoms] for node in graph.nodes]
        self.fill_loss_diffs()

    def forward(self, start, end):
        """Runs layers start..end, both included; returns the weighted loss of those layers, a float."""
        loss = 0.0
        for index in range(start, end + 1):
            self.watchers.call("before_forward", index)
            loss = loss + self._forward_layer(index)
            self.watchers.call("after_forward", index)
        return float(loss)

    def backward(self, start, end):
        """Runs layers start down to end, both included; parameter diffs accumulate, blob diffs are replaced.

        A layer whose forward has not run goes by what its bottoms hold, as in Caffe.

        Raises
        ------
        NetError
            For a label that would need a gradient.
        """
        for index in range(start, end - 1, -1):
            node = self.graph.nodes[index]
            self.watchers.call("before_backward", index)
            if node.needs_backward and (node.bottoms or node.layer._parameters):
                self._backward_layer(index)
            self.watchers.call("after_backward", index)

    def fill_loss_diffs(self):
        """The diff of a loss is its weight, in every element (layer.hpp, SetLossWeights)."""
        for node in self.graph.nodes:
            for blob, weight in zip(node.tops, node.loss_weights):
                if weight:
                    self.blobs[blob].diff_tensor.fill_(weight)

    def check_shapes(self, index):
        """The top shapes of a layer whose bottoms have new shapes, or None where they do not.

        A NetError where the layer refuses them.
        """
        node = self.graph.nodes[index]
        shapes = [tuple(self.blobs[i].tensor.shape) for i in node.bottoms]
        if shapes == self._shapes[index]:
            return None
        try:
            tops = node.layer.reshape(shapes)
        except NetError as error:
            raise error.at(file=self.graph.file, line=node.line) from None
        self._shapes[index] = shapes
        return tops

    def _forward_layer(self, index):
        node = self.graph.nodes[index]
        if getattr(node.layer, "is_input", False):
            return 0.0
        self.check_shapes(index)
        leaves = [self._leaf(node, position) for position in range(len(node.bottoms))]
        with torch.set_grad_enabled(node.needs_backward):
            try:
                tops = tuple(node.layer(*leaves))
            except RuntimeError as error:
                node.layer.blame_empty_bottom(leaves, error)
                raise
        self._records[index] = (leaves, tops) if node.needs_backward else None
        loss = 0.0
        for blob, top, weight in zip(node.tops, tops, node.loss_weights):
            target = self.blobs[blob]
            changed = target.tensor.shape != top.shape
            target.assign(top.detach())
            if weight:
                loss = loss + weight * target.tensor.sum()
                if changed:
                    target.diff_tensor.fill_(weight)
        return loss

    def _record_only(self, index):
        """The record of a forward that changes nothing: no top, and no parameter that forward itself would change."""
        node = self.graph.nodes[index]
        self.check_shapes(index)
        leaves = [self._leaf(node, position) for position in range(len(node.bottoms))]
        changed = node.layer._parameters.values() if node.layer.forward_changes_blobs else ()
        kept = [(p, p.detach().clone()) for p in changed]
        with torch.enable_grad():
            tops = tuple(node.layer(*leaves))
        for parameter, values in kept:
            parameter.data.copy_(values)
        for blob, top in zip(node.tops, tops):
            self.blobs[blob].resize(tuple(top.shape))
        return leaves, tops

    def _leaf(self, node, position):
        """A bottom as the start of a new autograd graph; a copy where the layer is about to overwrite it."""
        blob = node.bottoms[position]
        tensor = self.blobs[blob].tensor
        # .data has a version counter of its own: later writes into the blob are seen, as in Caffe, not refused.
        leaf = tensor.clone() if blob in node.tops else tensor.data
        if node.needs_backward and node.bottom_needs[position]:
            if position in node.layer.no_gradient_bottoms:
                node.layer.fail(f"bottom {position} holds labels or indices: it cannot get a gradient; "
                                "set its propagate_down to false", blob=self.graph.blob_names[blob])
            leaf.requires_grad_()
        return leaf

    def _backward_layer(self, index):
        node = self.graph.nodes[index]
        leaves, tops = self._records[index] or self._record_only(index)
        parameters = [p for p in node.layer._parameters.values() if p.requires_grad]
        wanted = [leaf for leaf in leaves if leaf.requires_grad] + parameters
        grads = dict(zip(map(id, wanted), self._gradients(node, tops, wanted)))
        for blob, leaf in zip(node.bottoms, leaves):
            if leaf.requires_grad:
                diff = self.blobs[blob].diff_tensor
                grad = grads[id(leaf)]
                diff.zero_() if grad is None else diff.copy_(grad)
        for parameter in parameters:
            grad = grads[id(parameter)]
            if grad is not None:
                parameter.grad = grad.clone() if parameter.grad is None else parameter.grad.add_(grad)

    def _gradients(self, node, tops, wanted):
        pairs = [(top, self.blobs[blob].diff_tensor) for blob, top in zip(node.tops, tops) if top.requires_grad]
        if not pairs or not wanted:
            return [None] * len(wanted)
        outputs, diffs = zip(*pairs)
        # Kept, because Caffe allows several backwards after one forward.
        return torch.autograd.grad(outputs, wanted, diffs, retain_graph=True, allow_unused=True)
