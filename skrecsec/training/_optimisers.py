"""Adam and Adadelta, for factors of which each step touches few rows."""

from __future__ import annotations

import numpy as np

from skrecsec.utils._compiling import fast_jit


@fast_jit
def adam_rows(
    factors, moments, last_step, rows, gradient, n_steps, learning_rate, beta1, beta2, eps
):
    """One step of Adam on some rows; their moments, (2, n_rows, n_factors), decay in arrears."""
    one = np.float32(1)
    rate = learning_rate / (one - beta1**n_steps)
    correction = one - beta2**n_steps
    for x in range(rows.size):
        row = rows[x]
        gap = n_steps - last_step[row]
        last_step[row] = n_steps
        decay1 = beta1**gap
        decay2 = beta2**gap
        for k in range(factors.shape[1]):
            g = gradient[x, k]
            mean = decay1 * moments[0, row, k] + (one - beta1) * g
            square = decay2 * moments[1, row, k] + (one - beta2) * g * g
            moments[0, row, k] = mean
            moments[1, row, k] = square
            factors[row, k] -= rate * mean / (np.sqrt(square / correction) + eps)


@fast_jit
def adadelta_rows(factors, moments, last_step, rows, gradient, n_steps, learning_rate, rho, eps):
    """One step of Adadelta on some rows; their moments, (2, n_rows, n_factors), as in Adam."""
    one = np.float32(1)
    for x in range(rows.size):
        row = rows[x]
        gap = n_steps - last_step[row]
        last_step[row] = n_steps
        decay = rho**gap
        earlier_decay = rho ** (gap - one)
        for k in range(factors.shape[1]):
            g = gradient[x, k]
            square = decay * moments[0, row, k] + (one - rho) * g * g
            delta = earlier_decay * moments[1, row, k]
            update = np.sqrt((delta + eps) / (square + eps)) * g
            moments[0, row, k] = square
            moments[1, row, k] = rho * delta + (one - rho) * update * update
            factors[row, k] -= learning_rate * update


class LazyOptimiser:
    """An optimiser that updates the rows with a gradient and leaves the others alone.

    In the dense optimiser the moments of a row decay at every step, also at those in which the row
    has no gradient. Here they are decayed in arrears, when the row is touched next.
    """

    def __init__(self, factors, learning_rate):
        self.factors = factors  # (n_rows, n_factors), updated in place
        self.learning_rate = learning_rate
        self.moments = factors.new_zeros((2, *factors.shape))
        self.n_steps = 0
        self.last_step = factors.new_zeros(factors.shape[0])
        if factors.device.type == "cpu":
            # One compiled pass over the rows, on the same memory, instead of a dozen operations.
            self._arrays = factors.numpy(), self.moments.numpy(), self.last_step.numpy()
        else:  # pragma: no cover - needs a GPU
            self._arrays = None

    def step(self, rows, gradient):
        """Update the given rows, which are distinct."""
        self.n_steps += 1
        if self._arrays is not None:
            self._kernel(
                *self._arrays,
                rows.numpy(),
                gradient.numpy(),
                np.float32(self.n_steps),
                np.float32(self.learning_rate),
                *(np.float32(constant) for constant in self._constants),
            )
        else:
            self._step_in_torch(rows, gradient)

    def _step_in_torch(self, rows, gradient):
        gap = (self.n_steps - self.last_step.index_select(0, rows)).unsqueeze_(1)
        self.last_step.index_fill_(0, rows, self.n_steps)
        moments = self.moments.index_select(1, rows)
        update = self._update(*moments, gradient, gap)
        self.moments.index_copy_(1, rows, moments)
        self.factors.index_add_(0, rows, update, alpha=-self.learning_rate)


class LazyAdam(LazyOptimiser):
    """Adam (Kingma & Ba, 2015), without the drift of rows that have no gradient."""

    _kernel = staticmethod(adam_rows)
    _constants = BETA1, BETA2, EPS = 0.9, 0.999, 1e-8

    def _update(self, mean, square, gradient, gap):
        mean.mul_(self.BETA1**gap).add_(gradient, alpha=1 - self.BETA1)
        square.mul_(self.BETA2**gap).addcmul_(gradient, gradient, value=1 - self.BETA2)
        correction1 = 1 - self.BETA1**self.n_steps
        correction2 = 1 - self.BETA2**self.n_steps
        denominator = (square / correction2).sqrt_().add_(self.EPS)
        return (mean / denominator).div_(correction1)


class LazyAdadelta(LazyOptimiser):
    """Adadelta (Zeiler, 2012); exactly the dense one, which does not move rows without gradient."""

    _kernel = staticmethod(adadelta_rows)
    _constants = RHO, EPS = 0.95, 1e-6

    def _update(self, square, delta, gradient, gap):
        decay = self.RHO**gap
        square.mul_(decay).addcmul_(gradient, gradient, value=1 - self.RHO)
        delta.mul_(decay)  # one step too far for this step's use, hence the division
        update = (delta / self.RHO).add_(self.EPS).div_(square + self.EPS).sqrt_().mul_(gradient)
        delta.addcmul_(update, update, value=1 - self.RHO)
        return update


OPTIMISERS = {"adam": LazyAdam, "adadelta": LazyAdadelta}
