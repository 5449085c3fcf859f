"""A net as one writes it in plain PyTorch: modules of torch.nn in its default layout, called one after another."""
import torch
import torch.nn.functional as F
from torch import nn

LOSS = "loss_"               # what the names of losses begin with


class EagerNet(nn.Module):
    """The layers of a net of `nets.py` with the weights of a Net of the same definition; BatchNorm and the Scale behind
    it are one module, as everybody writes them.

    Parameters
    ----------
    definition : NetParameter
        As `training.for_training` makes it.
    params : dict of str to list of ParamBlob
        Of the Net.
    """

    def __init__(self, definition, params):
        super().__init__()
        self.steps, self.parts = [], nn.ModuleList()
        for layer in definition.layer:
            if layer.type not in ("Input", "Scale"):
                step = _MAKERS[layer.type](layer, [torch.from_numpy(blob.data.copy()) for blob in params.get(
                    layer.name, [])])
                self.steps.append((step, list(layer.bottom), layer.top[0]))
                if isinstance(step, nn.Module):
                    self.parts.append(step)

    def forward(self, **values):
        """The sum of the losses for the values of the inputs, tensors by name."""
        for step, bottoms, top in self.steps:
            values[top] = step(*(values[bottom] for bottom in bottoms))
        return sum(value for top, value in values.items() if top.startswith(LOSS))


def _convolution(layer, blobs):
    p = layer.convolution_param
    made = nn.Conv2d(blobs[0].shape[1] * p.group, p.num_output, p.kernel_size[0], *(p.stride or [1]), *(p.pad or [0]),
                     groups=p.group, bias=p.bias_term)
    return _with(made, blobs)


def _inner_product(layer, blobs):
    return nn.Sequential(nn.Flatten(), _with(nn.Linear(*blobs[0].shape[::-1]), blobs))


def _with(module, blobs):
    for parameter, blob in zip(module.parameters(), blobs):
        parameter.data.copy_(blob)
    return module


def _pooling(layer, blobs):
    p = layer.pooling_param
    if p.global_pooling:
        return nn.AdaptiveAvgPool2d(1)
    kind = nn.MaxPool2d if p.pool == p.MAX else nn.AvgPool2d
    return kind(p.kernel_size, p.stride, p.pad, ceil_mode=True)


def _lrn(layer, blobs):
    p = layer.lrn_param
    return nn.LocalResponseNorm(p.local_size, p.alpha, p.beta, p.k)


_MAKERS = {
    "Convolution": _convolution, "InnerProduct": _inner_product, "Pooling": _pooling, "LRN": _lrn,
    "BatchNorm": lambda layer, blobs: nn.BatchNorm2d(len(blobs[0]), eps=layer.batch_norm_param.eps),
    "ReLU": lambda layer, blobs: nn.ReLU(inplace=True),
    "PReLU": lambda layer, blobs: _with(nn.PReLU(len(blobs[0])), blobs),
    "Concat": lambda layer, blobs: lambda *bottoms: torch.cat(bottoms, 1),
    "Eltwise": lambda layer, blobs: torch.add,
    "SoftmaxWithLoss": lambda layer, blobs: lambda x, label: F.cross_entropy(x.flatten(1), label.long()),
    "EuclideanLoss": lambda layer, blobs: lambda x, label: F.mse_loss(x, label, reduction="sum") / (2 * len(x))}
