"""AdamW that updates only the rows of a table that a step has touched.

For a gradient g of a row (letters of Kingma and Ba 2015, algorithm 1, t counts all steps):

    m <- b1 m + (1 - b1) g          v <- b2 v + (1 - b2) g^2
    row <- row - rate * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

Dense Adam does this for every row in every step, with g = 0 where a row was not read: its m and v
shrink, and the row moves on by what is left of m. Here such a row waits as it is, as in
`torch.optim.SparseAdam`. Both agree while every row is touched in every step, and in the first
step of a row. A step costs the rows it touches and not the table. Taught in lesson 24.
"""

import torch
from torch import Tensor


class RowAdamW(torch.optim.AdamW):
    """`torch.optim.AdamW`, and the above for parameters whose gradient is sparse ([rows, d], from
    `nn.Embedding(sparse=True)`). Weight decay of such a table would touch all rows: it is ignored.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        rows = [
            (group, parameter)
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None and parameter.grad.is_sparse
        ]
        for group, parameter in rows:
            self.step_rows(group, parameter, parameter.grad.coalesce())
            parameter.grad = None
        super().step(closure)

    def step_rows(self, group: dict, parameter: Tensor, grad: Tensor) -> None:
        """One step of the rows `grad.indices()` [1, R], by gradients `grad.values()` [R, d]."""
        state, (b1, b2) = self.state[parameter], group["betas"]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"], state["exp_avg_sq"] = (torch.zeros_like(parameter) for _ in range(2))
        state["step"] += 1
        t, row, g = state["step"].item(), grad.indices()[0], grad.values()
        m = state["exp_avg"][row].lerp_(g, 1 - b1)
        v = state["exp_avg_sq"][row].mul_(b2).addcmul_(g, g, value=1 - b2)
        state["exp_avg"][row], state["exp_avg_sq"][row] = m, v
        size = v.div_(1 - b2**t).sqrt_().add_(group["eps"])
        parameter.index_add_(0, row, m / size, alpha=-group["lr"] / (1 - b1**t))
