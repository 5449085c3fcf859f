"""The networks as anybody would write them in PyTorch: default layout, eager, momentum. What ours is compared with."""
import torch
from torch import nn


class _Branches(nn.Module):
    """The original's s0 ends in pool3 and conv4 side by side."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return torch.cat([x.flatten(1), self.inner(x).flatten(1)], 1)


class _Absolute(nn.Module):
    def forward(self, x):
        return x.abs()


class _Gain(nn.Module):
    """Gain and bias of each map (paper, section 4)."""

    def __init__(self, maps):
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.ones(maps, 1, 1)), nn.Parameter(torch.zeros(maps, 1, 1))

    def forward(self, x):
        return x * self.gain + self.bias


def original_s0():
    """Convolution, ReLU, pooling, three times; pool3 and conv4 to two fully connected layers."""
    def stage(channels, maps, kernel):
        return [nn.Conv2d(channels, maps, kernel), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*stage(1, 20, 4), *stage(20, 40, 3), *stage(40, 60, 3),
                         _Branches(nn.Sequential(nn.Conv2d(60, 80, 2), nn.ReLU())),
                         nn.Linear(60 * 3 * 3 + 80 * 2 * 2, 120), nn.ReLU(), nn.Linear(120, 10), nn.ReLU())


def paper_s7():
    """S0 with weights shared over the whole map."""
    return nn.Sequential(*_stage(1, 20, 4), *_stage(20, 40, 3), *_stage(40, 60, 3), nn.Conv2d(60, 80, 2), nn.Tanh(),
                         _Absolute(), nn.Flatten(), nn.Linear(320, 120), nn.Tanh(), nn.Linear(120, 10), nn.Tanh())


def paper_s2():
    return nn.Sequential(*_stage(1, 20, 4), *_stage(20, 40, 3), nn.Flatten(), nn.Linear(160, 60), nn.Tanh(),
                         nn.Linear(60, 2), nn.Tanh())


def _stage(channels, maps, kernel):
    return [nn.Conv2d(channels, maps, kernel), nn.Tanh(), _Absolute(), nn.MaxPool2d(2), _Gain(maps), nn.Tanh()]


def step(net, size, batch):
    """A callable that does one step of training on a batch of noise, size x size pixels."""
    x = torch.randn(batch, 1, size, size)
    target = torch.rand(batch, net(x).shape[1]) - 0.5
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6, momentum=0.9, weight_decay=0.0005)

    def run():
        optimizer.zero_grad()
        nn.functional.mse_loss(net(x), target).backward()
        optimizer.step()
    return run
