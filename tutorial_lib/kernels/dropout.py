"""The fast form of `models.base.dropout`. Used from lesson 06 on."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tutorial_lib.data.sequences import WITHOUT_FLOAT64


def dropout(x: Tensor, p: float) -> Tensor:
    """Less than half the time on a CPU, where drawing the random numbers is a fifth of a training
    step: 16 random bits decide over an entry, so p is rounded to a multiple of 1 / 65,536.
    """
    if x.device.type in WITHOUT_FLOAT64:  # `random_` refuses the full range of int64 there, too
        return F.dropout(x, p)
    dropped = round(p * 65536)  # of the 65,536 values that 16 bits can take
    words = torch.empty(x.numel() // 4 + 1, dtype=torch.int64, device=x.device)
    bits = words.random_(-(2**63), None).view(torch.int16)[: x.numel()]  # -32768..32767
    keep = torch.empty_like(x, requires_grad=False)  # 0 or 1
    torch.ge(bits.view(x.shape), dropped - 32768, out=keep)
    return x * keep.mul_(65536 / (65536 - dropped))
