"""Caffe's update rules: from diffs (.grad) to new weights, for all parameter blobs at once.

Every rule is the chain of sgd_solver.cpp: clip, normalise, regularise, compute, subtract. The chain runs on one flat
vector that holds all small blobs one after the other - a small net's step is too short for one call per blob and
operation -, and on each large one by itself, where it stands: to copy it takes longer.

Unlike torch.optim.SGD, which multiplies the rate in afterwards, Caffe keeps it inside the momentum history. The two
agree while the rate is constant and drift apart under `inv`.
"""

import torch
from torch._utils import _flatten_dense_tensors as flatten
from torch._utils import _unflatten_dense_tensors as unflatten

from deeplandmark.caffe.errors import SolverError

LARGE = 1 << 16              # values of a blob that is updated by itself


class Part:
    """Parameters that are updated as one flat vector.

    Parameters
    ----------
    params : list of torch Parameter
        One, whose gradient is used where it stands, or several, which are copied one behind the other.
    lr_mults, decays : lists of float, one for each parameter
    moments : int
        How many vectors a rule remembers.

    Attributes
    ----------
    lr_mult, decay : tensors that go with a flat vector: flat as well, or of no axes for one parameter
    has_decay : bool
    moments : list of flat tensors
    last : flat tensor or None, what was subtracted last
    """

    def __init__(self, params, lr_mults, decays, moments):
        self.params, self.last = params, None
        self.lr_mult, self.decay = self._spread(lr_mults), self._spread(decays)
        self.has_decay = any(decays)
        self.moments = [torch.zeros_like(params[0], requires_grad=False).flatten() if len(params) == 1 else
                        torch.zeros_like(self.lr_mult) for _ in range(moments)]

    def diff(self):
        """The gradients as one vector, that of a parameter alone where it stands; a blob that backward never reached
        has a diff of 0, as in Caffe."""
        diffs = [p.grad if p.grad is not None else torch.zeros_like(p) for p in self.params]
        return diffs[0].reshape(-1) if len(diffs) == 1 else flatten(diffs)

    def weights(self):
        """The values as one vector."""
        return self.params[0].reshape(-1) if len(self.params) == 1 else flatten(self.params)

    def subtract(self, update):
        """Takes a flat vector from the weights."""
        self.last = update
        torch._foreach_sub_(self.params, self.blobs(update))

    def blobs(self, vector):
        """Views of a flat vector with the shapes of the parameters."""
        return unflatten(vector, self.params)

    def _spread(self, factors):
        """What multiplies every value of a blob by its factor."""
        if len(factors) == 1:
            return torch.tensor(factors[0], dtype=self.params[0].dtype, device=self.params[0].device)
        return flatten([torch.full_like(p, factor, requires_grad=False) for p, factor in zip(self.params, factors)])


class SGD:
    """V = momentum * V + lr * g;  W -= V   (sgd_solver.cpp)

    Parameters
    ----------
    param : SolverParameter
    params : list of torch Parameter
        Owners only, in Caffe's order; `.grad` holds the diffs summed over `iter_size` passes (None means 0), and may be
        overwritten, as in Caffe. All on one device, of one dtype.
    lr_mults, decay_mults : lists of float, one for each parameter

    Attributes
    ----------
    history : list of tensors
        `moments` x len(params) blobs in the order of Caffe's solverstate: all first moments, then all second ones ...
    """

    type = "SGD"
    moments = 1

    def __init__(self, param, params, lr_mults, decay_mults):
        if not len(params) == len(lr_mults) == len(decay_mults):
            raise SolverError(f"{len(params)} parameter blobs, {len(lr_mults)} lr_mult, {len(decay_mults)} decay_mult")
        if param.regularization_type not in ("L1", "L2"):
            raise SolverError(f"unknown regularization_type {param.regularization_type!r} (known: L1, L2)")
        self.check(param)
        self.param, self.log = param, None                       # a Log, to be told of clipped gradients
        together = [i for i, p in enumerate(params) if p.numel() < LARGE]
        places = [chosen for chosen in (together, *([i] for i, p in enumerate(params) if p.numel() >= LARGE)) if chosen]
        self._parts = [Part([params[i] for i in chosen], [lr_mults[i] for i in chosen],
                            [param.weight_decay * decay_mults[i] for i in chosen], self.moments) for chosen in places]
        of_blobs = {i: blobs for part, chosen in zip(self._parts, places)
                    for i, *blobs in zip(chosen, *map(part.blobs, part.moments))}
        self.history = [of_blobs[i][moment] for moment in range(self.moments) for i in range(len(params))]

    def check(self, param):
        """A SolverError when a field of the SolverParameter does not suit the rule."""

    @torch.no_grad()
    def apply(self, rate, iter):
        """Does the update that takes `iter` to `iter + 1` at learning rate `rate` (sgd_solver.cpp, ApplyUpdate)."""
        diffs = [part.diff() for part in self._parts]
        self._clip(diffs)
        for part, diff in zip(self._parts, diffs):
            if self.param.iter_size > 1:
                diff.mul_(1.0 / self.param.iter_size)
            self._regularize(part, diff)
            part.subtract(self.compute(part, diff, rate, iter))

    @torch.no_grad()
    def show_updates(self):
        """Writes the last update into the parameters' diffs (.grad), where Caffe computes it in the first place."""
        for part in self._parts:
            if part.last is not None:
                for parameter, update in zip(part.params, part.blobs(part.last)):
                    parameter.grad.copy_(update)

    def compute(self, part, diff, rate, iter):
        """What is subtracted from the weights of a part, a flat tensor (sgd_solver.cpp, ComputeUpdateValue).

        Parameters
        ----------
        part : Part
        diff : tensor
            Flat, clipped and regularised; may be overwritten.
        rate : float
        iter : int
            Updates done so far.
        """
        history, = part.moments
        return history.mul_(self.param.momentum).addcmul_(diff, part.lr_mult, value=rate)

    def _clip(self, diffs):
        """Scale all diffs down when their common L2 norm is above clip_gradients (before iter_size divides them)."""
        limit = self.param.clip_gradients
        if limit < 0 or not diffs:
            return
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(diff) for diff in diffs])).item()
        if norm > limit:
            torch._foreach_mul_(diffs, limit / norm)
            if self.log:
                self.log.info("sgd_solver.cpp:92", f"Gradient clipping: scaling down gradients (L2 norm {norm:g} > "
                                                   f"{limit:g}) by scale factor {limit / norm:g}")

    def _regularize(self, part, diff):
        """g += decay * W (L2) or g += decay * sign(W) (L1), decay = weight_decay * decay_mult."""
        if part.has_decay:
            weights = part.weights()
            diff.addcmul_(weights if self.param.regularization_type == "L2" else weights.sign(), part.decay)


class Nesterov(SGD):
    """V' = momentum * V + lr * g;  W -= (1 + momentum) * V' - momentum * V   (nesterov_solver.cpp)"""

    type = "Nesterov"

    def compute(self, part, diff, rate, iter):
        momentum = self.param.momentum
        update = part.moments[0] * -momentum
        return update.add_(super().compute(part, diff, rate, iter), alpha=1 + momentum)


class _WithoutMomentum(SGD):
    def check(self, param):
        if param.momentum != 0:
            raise SolverError(f"momentum cannot be used with {self.type}, found {param.momentum:g}")

    def _divided(self, part, diff, rate):
        """lr * g / (sqrt(H) + delta)"""
        divisor = part.moments[0].sqrt().add_(self.param.delta)
        return diff.mul_(part.lr_mult).div_(divisor).mul_(rate)


class AdaGrad(_WithoutMomentum):
    """H += g^2;  W -= lr * g / (sqrt(H) + delta)   (adagrad_solver.cpp)"""

    type = "AdaGrad"

    def compute(self, part, diff, rate, iter):
        part.moments[0].addcmul_(diff, diff)
        return self._divided(part, diff, rate)


class RMSProp(_WithoutMomentum):
    """H = rms_decay * H + (1 - rms_decay) * g^2;  W -= lr * g / (sqrt(H) + delta)   (rmsprop_solver.cpp)"""

    type = "RMSProp"

    def check(self, param):
        super().check(param)
        if not 0 <= param.rms_decay < 1:
            raise SolverError(f"rms_decay must lie in [0, 1), found {param.rms_decay:g}")

    def compute(self, part, diff, rate, iter):
        decay = self.param.rms_decay
        part.moments[0].mul_(decay).addcmul_(diff, diff, value=1 - decay)
        return self._divided(part, diff, rate)


class AdaDelta(SGD):
    """G = m * G + (1 - m) * g^2;  u = g * sqrt((U + delta) / (G + delta));  U = m * U + (1 - m) * u^2;  W -= lr * u

    m is `momentum` (adadelta_solver.cpp).
    """

    type = "AdaDelta"
    moments = 2

    def compute(self, part, diff, rate, iter):
        m, delta = self.param.momentum, self.param.delta
        gradients, updates = part.moments
        gradients.mul_(m).addcmul_(diff, diff, value=1 - m)
        update = diff.mul_((updates + delta).div_(gradients + delta).sqrt_())
        updates.mul_(m).addcmul_(update, update, value=1 - m)
        return update.mul_(part.lr_mult).mul_(rate)


class Adam(SGD):
    """M = b1 * M + (1 - b1) * g;  V = b2 * V + (1 - b2) * g^2;  W -= lr * c * M / (sqrt(V) + delta)

    b1 = momentum, b2 = momentum2, t = iter + 1, c = sqrt(1 - b2^t) / (1 - b1^t)   (adam_solver.cpp). The correction
    multiplies the rate, so delta weighs differently than in torch.optim.Adam.
    """

    type = "Adam"
    moments = 2

    def check(self, param):
        for name in ("momentum", "momentum2"):
            if not 0 <= getattr(param, name) < 1:
                raise SolverError(f"{name} must lie in [0, 1) for Adam, found {getattr(param, name):g}")

    def compute(self, part, diff, rate, iter):
        b1, b2, t = self.param.momentum, self.param.momentum2, iter + 1
        first, second = part.moments
        first.mul_(b1).add_(diff, alpha=1 - b1)
        second.mul_(b2).addcmul_(diff, diff, value=1 - b2)
        correction = (1 - b2 ** t) ** 0.5 / (1 - b1 ** t)
        return (first * part.lr_mult).div_(second.sqrt().add_(self.param.delta)).mul_(rate * correction)


class AMSGrad(Adam):
    """U = max(U, V);  W -= lr / (1 - b1^t) * M / (sqrt(U / (1 - b2^t)) + delta), M and V as Adam's

    Reddi, Kale, Kumar, ICLR 2018. No rule of Caffe's: it is torch.optim.Adam(amsgrad=True), delta standing where its
    eps does.
    """

    type = "AMSGrad"
    moments = 3

    def compute(self, part, diff, rate, iter):
        b1, b2, t = self.param.momentum, self.param.momentum2, iter + 1
        first, second, largest = part.moments
        first.mul_(b1).add_(diff, alpha=1 - b1)
        second.mul_(b2).addcmul_(diff, diff, value=1 - b2)
        torch.maximum(largest, second, out=largest)
        divisor = (largest / (1 - b2 ** t)).sqrt_().add_(self.param.delta)
        return (first * part.lr_mult).div_(divisor).mul_(rate / (1 - b1 ** t))


RULES = {rule.type: rule for rule in (SGD, Nesterov, AdaGrad, RMSProp, AdaDelta, Adam, AMSGrad)}
