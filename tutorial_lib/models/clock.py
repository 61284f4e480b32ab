"""What a time-aware model knows of the clock: gaps between events, as numbers of ordinary size.

Differences are taken between int64 seconds, then log1p(gap / 1 h), then standardised with the gaps
of the training part.

    letter   meaning                                     shape     in the paper
    times    unix seconds of the events                  [B, L]    t_i
    since    feature of t_i - t_{i-1}, 0 s at the first  [B, L]    delta_i of TiM4Rec
    until    feature of query time - t_i                 [B, L]    -
    m, s     mean and deviation of log gaps in training  numbers   -

Source: time differences as in Fan et al. 2025 (TiM4Rec); the logarithm and the statistics are ours.
Taught in lesson 01 (the feature) and lessons 08 to 17 (its use).
"""

import torch
from torch import Tensor, nn

from tutorial_lib.data.sequences import GapStatistics, fit_gap_statistics, gap_feature, widest
from tutorial_lib.data.splits import Split


class Clock(nn.Module):
    """Standardised log gaps, float32 [B, L]. The statistics are buffers, saved with the weights.

    Until `fit_time` has seen a training part they are 0 and 1: the feature is then log1p(hours)
    itself.
    """

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("std", torch.tensor(1.0))

    def fit_time(self, split: Split) -> None:
        """Mean and standard deviation over the gaps inside the training part."""
        stats = fit_gap_statistics(split)
        self.mean.fill_(stats.mean), self.std.fill_(stats.std)

    def forward(
        self, times: Tensor, query_times: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Since the previous event (0 s at the first), and until the query (None without)."""
        stats = GapStatistics(widest(self.mean), widest(self.std))
        return gap_feature(times, query_times, stats=stats)
