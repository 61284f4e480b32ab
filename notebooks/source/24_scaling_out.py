# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Omar has written the SASRec of lesson 07 again, with the loss as a textbook has it: `F.cross_entropy` over the scores of all items. On the log of his shop an epoch takes 20 seconds, on a laptop with 4 GB of memory. Then the shop is bought, and the new log has 10 million events, half a million people and 300,000 items. He starts the same command. Before the first step is done, the process ends. There is no error and no line of Python, only the word `Killed`. He rents a machine with 16 GB: `Killed`.
#
# Which machine does Omar need? To answer, he has to know **what** ran out. At the end of this lesson you can say it from four numbers, before anything is started; and you will see that the machine he had is enough.

# %% [markdown] id="puzzle-zh" lang="zh" en="5fbf7a68"
# 小欧重写了第 07 课的 SASRec，损失按教科书的写法：对全部物品的得分用 `F.cross_entropy`。用自己网店的日志训练，在一台 4 GB 内存的笔记本电脑上，每轮 20 秒。后来网店被收购，新日志有 1,000 万个事件、50 万用户和 300,000 个物品。他运行同一条命令，第一步还没算完，进程就结束了：没有报错，也没有一行 Python 信息，只有一个词 `Killed`。他租了一台 16 GB 内存的机器，结果还是 `Killed`。
#
# 小欧需要什么样的机器？要回答这个问题，先要知道**什么东西**用完了。学完这一课，你在程序启动之前，就能根据四个数说出答案；你还会看到，他原来那台机器其实够用。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - compute memory and multiplications of a training step from batch, window, width and catalogue, and name the part that breaks first;
# - train on a large catalogue with sampled negatives, and say what the logQ correction corrects;
# - keep a log that is larger than memory in sorted columns on the disk, and cut windows from it;
# - train in two processes that give the same model as one, and find the mistake in a mean of means;
# - say when more machines help, which part then has to be split, and what it costs.

# %% [markdown] id="objectives-zh" lang="zh" en="4f99211a" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 根据批大小、窗口长度、宽度和物品数计算一个训练步的内存与乘法次数，并指出最先撑不住的是哪一部分；
# - 用采样的负样本在大规模物品集合上训练，并说明 logQ 校正究竟校正了什么；
# - 把大于内存的日志以排好序的列存放在磁盘上，并从中截取窗口；
# - 用两个进程训练出与单进程相同的模型，并找出“均值的均值”错在哪里；
# - 判断增加机器什么时候有用、这时必须拆分哪一部分，以及要花多少钱。

# %% id="setup"
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_close, expect_true, settings, show_matrix
from exercises import lesson24
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.models import build_model
from tutorial_lib.notebook import progress_bar

torch.manual_seed(0)
plots.use_style()

# %% [markdown] id="parameters-en" lang="en"
# Most of this lesson runs on made-up numbers. Where a log is needed, the next cell names it.

# %% [markdown] id="parameters-zh" lang="zh" en="af3c99d6"
# 这一课大部分内容使用构造的数。需要日志的地方，由下一个单元格指定数据。

# %% id="parameters-code" tags=["parameters"]
DATASET, USERS = settings(dataset="sample", users=2000)
ON_SAMPLE = DATASET == "sample" and USERS == 2000  # the numbers in the text are checked only there

# %% [markdown] id="bill-en" lang="en"
# ## The bill of one step
#
# Count by hand first. A linear map from $d$ to $d$ numbers takes $d$ multiplications for each of its $d$ outputs. With the additions that is $2 d^2$ operations a position. Take a window of three events and $d = 2$: $3 \cdot 2 \cdot 2^2 = 24$.

# %% [markdown] id="bill-zh" lang="zh" en="54673a47"
# ## 一个训练步的账单
#
# 先手算。从 $d$ 个数到 $d$ 个数的线性映射，$d$ 个输出各需要 $d$ 次乘法。连同加法，每个位置是 $2 d^2$ 次运算。取一个有三个事件的窗口，$d = 2$，就是 $3 \cdot 2 \cdot 2^2 = 24$。

# %% id="bill-tiny" tags=["reference-check"]
with FlopCounterMode(display=False) as counter:
    torch.randn(3, 2) @ torch.randn(2, 2)
expect("operations of a linear map, three events, d = 2", counter.get_total_flops(), 24, tol=0.1)

# %% [markdown] id="bill-block-en" lang="en"
# A block of SASRec has six such maps: query, key, value, output and the two of the feed-forward network. Attention itself compares each of $L$ events with each, and adds up $L$ values for each: twice $2 L d$ a position. At the end each position is scored against all $V$ items: $2 V d$. For $n$ blocks one position costs, forward,
#
# $$n \left(12 d^2 + 4 L d\right) + 2 V d$$
#
# Backward costs about twice as much again, as a gradient is needed for both sides of every product. Memory is a shorter list. Every parameter needs 16 bytes: itself, its gradient, and the two running means of Adam. And in the plain form every score of every position stands in memory twice, as a number and as its gradient: 8 bytes each.

# %% [markdown] id="bill-block-zh" lang="zh" en="a6734ad1"
# SASRec 的一个块有六个这样的映射：查询、键、值、输出，以及前馈网络的两个。注意力本身要让 $L$ 个事件两两比较，再为每个事件加权求和 $L$ 个值，每个位置是两次 $2 L d$。最后每个位置都要给全部 $V$ 个物品打分：$2 V d$。因此 $n$ 个块时，一个位置的前向计算需要
#
# $$n \left(12 d^2 + 4 L d\right) + 2 V d$$
#
# 次运算。反向传播大约还要两倍，因为每个乘积的两边都需要梯度。内存的清单更短。每个参数需要 16 字节：参数本身、它的梯度，以及 Adam 的两个滑动平均。按最直接的写法，每个位置的每个得分在内存里存两份，一份是数值，一份是梯度，各占 4 字节，共 8 字节。


# %% id="bill-code"
def operations(L, V, d, blocks=2):
    """Forward, for one position: of the blocks, of the scores."""
    return blocks * (12 * d**2 + 4 * L * d), 2 * V * d


def memory(windows, L, V, d, negatives=None):
    """Bytes: of the item table with Adam, of the scores with their gradient."""
    scored = V if negatives is None else 1 + negatives
    return 16 * V * d, 8 * windows * L * scored


# %% [markdown] id="predict-bill-en" lang="en" tags=["predict"]
# **Predict before you run.** Omar's step: 128 windows of 50 events, $d = 64$, 2 blocks, 300,000 items. Which share of the operations are the scores: one half, nine tenths, or 99 of 100? And how many GB do the scores take?

# %% [markdown] id="predict-bill-zh" lang="zh" en="84c4695d" tags=["predict"]
# **先猜，再运行。** 小欧的一个训练步：128 个窗口，每个 50 个事件，$d = 64$，2 个块，300,000 个物品。打分占全部运算的多大比例：一半、十分之九，还是 100 份中的 99 份？这些得分要占多少 GB？

# %% id="bill-omar"
blocks, scores = operations(L=50, V=300_000, d=64)
table, logits = memory(windows=128, L=50, V=300_000, d=64)
bill = pd.DataFrame(
    {"operations a position": [blocks, scores], "GB": [np.nan, logits / 1e9]}, index=["two blocks", "scores of all items"]
)
bill.loc["item table with Adam"] = [np.nan, table / 1e9]
bill.map(lambda value: "" if np.isnan(value) else f"{value:,.2f}")

# %% id="bill-check"
expect("share of the scores in the operations", scores / (blocks + scores), 0.997, tol=0.001)
expect("GB of scores and their gradient", logits / 1e9, 15.4, tol=0.1)
expect("GB of the item table with Adam", table / 1e9, 0.31, tol=0.01)
expect("GB of scores with 512 negatives", memory(128, 50, 300_000, 64, negatives=512)[1] / 1e9, 0.026, tol=0.001)

# %% [markdown] id="bill-why-en" lang="en"
# 99 of 100, and 15 GB, for one step of a model whose blocks have 50,000 parameters. The attention that lessons 04 to 09 were about is a rounding error in this bill. **The catalogue** is what killed the process, and a larger machine only moves the number at which it happens.
#
# The memory can be saved without any change of the result: the library's `full_softmax` computes the scores block by block and never holds them all (`make bench` measures both). The operations stay.
#
# Is the formula right? Count what the library's SASRec really does, with a catalogue that fits.

# %% [markdown] id="bill-why-zh" lang="zh" en="e0c48765"
# 100 份中的 99 份，以及 15 GB；而这个模型的块一共只有约 50,000 个参数。第 04 到 09 课讲的注意力，在这份账单里小到可以忽略。撑爆内存的是**物品集合**，换更大的机器只是把出问题的规模推后一些。
#
# 内存可以节省，结果不变：库里的 `full_softmax` 逐块计算得分，从不同时保存全部得分（`make bench` 对两者都有测量）。运算量则不变。
#
# 公式对吗？换一个放得下的物品集合，数一数库里的 SASRec 实际做了多少次运算。

# %% id="bill-library" tags=["reference-check"]
L, V, d = 50, 2000, 64
sasrec = build_model("sasrec", num_items=V, max_len=L, dim=d, dropout=0.0).eval()
items = torch.randint(1, V + 1, (8, L))
with FlopCounterMode(display=False) as model_counter, torch.no_grad():
    sasrec.score(sasrec(items, torch.arange(L).repeat(8, 1)))
with FlopCounterMode(display=False) as attention_counter:  # PyTorch's fused attention hides from the counter
    torch.randn(L, d) @ torch.randn(d, L) @ torch.randn(L, d)
counted = model_counter.get_total_flops() / (8 * L) + 2 * attention_counter.get_total_flops() / L
print(f"a position: {counted:,.0f} operations counted, {sum(operations(L, V, d)):,} by the formula")
expect("counted over formula", counted / sum(operations(L, V, d)), 1, tol=0.002)

# %% [markdown] id="bill-picture-intro-en" lang="en"
# Where is the wall for other catalogues? Draw the memory of one step against the number of items.

# %% [markdown] id="bill-picture-intro-zh" lang="zh" en="10f04103"
# 其他规模的物品集合，瓶颈又在哪里？画出一个训练步的内存随物品数的变化。

# %% id="bill-picture" tags=["picture", "nbval-ignore-output"]
catalogue = np.logspace(3, 7, 50)
lines = {
    "all scores": memory(128, 50, catalogue, 64)[1],
    "512 shared negatives": np.full(50, memory(128, 50, 300_000, 64, 512)[1]),
    "item table with Adam": memory(128, 50, catalogue, 64)[0],
}
fig, ax = plt.subplots(figsize=(7, 3.4))
for place, (label, size) in enumerate(lines.items()):
    ax.loglog(catalogue, size / 1e9, ["-", "--", ":"][place], color=plots.PALETTE[place], label=label)
ax.axhline(16, color="0.5", linewidth=1)
ax.annotate("16 GB", (6e6, 18), color="0.4")
ax.set(xlabel="items", ylabel="memory of a step (GB)")
ax.legend()
plt.show()

# %% [markdown] id="bill-alt-en" lang="en" tags=["alt"]
# Memory in GB against the number of items, both axes logarithmic. The line of all scores rises straight from 0.05 at 1,000 items through a grey line at 16 GB near 300,000 items to above 500. The item table rises alongside, fifty times lower, and reaches 10 GB at ten million items. The line of 512 shared negatives is flat at 0.03.

# %% [markdown] id="bill-alt-zh" lang="zh" en="a17f5105" tags=["alt"]
# 纵轴是内存（GB），横轴是物品数，两轴都是对数刻度。“全部得分”的线从 1,000 个物品处的 0.05 直线上升，在约 300,000 个物品处穿过 16 GB 的灰线，最后超过 500。物品表的线平行上升，低五十倍，在一千万个物品处达到 10 GB。“512 个共享负样本”的线是水平的，约 0.03。

# %% [markdown] id="walls-en" lang="en"
# So there are three walls, and they come one after the other:
#
# | Wall | What grows | From about | What helps |
# |:--|:--|:--|:--|
# | scores | batch × window × items | 100,000 items | score fewer items |
# | events | the log | 100 million events | columns on the disk |
# | table and time | items × width; all of it | 10 million items; days | more processes, a divided table |

# %% [markdown] id="walls-zh" lang="zh" en="6182fe9f"
# 因此瓶颈有三个，依次出现：
#
# | 瓶颈 | 什么在增长 | 大约从多大开始 | 怎么解决 |
# |:--|:--|:--|:--|
# | 得分 | 批 × 窗口 × 物品数 | 100,000 个物品 | 少算一些物品的得分 |
# | 事件 | 日志 | 1 亿个事件 | 放在磁盘上的列 |
# | 物品表与时间 | 物品数 × 宽度；全部计算 | 1,000 万个物品；数天 | 更多进程，拆分物品表 |

# %% [markdown] id="sampled-en" lang="en"
# ## Wall one: score fewer items
#
# The loss of lesson 07 needs the scores $s_j$ of all items, for the sum below the fraction:
#
# $$-\log \frac{e^{s_i}}{Z}, \qquad Z = \sum_{j=1}^{V} e^{s_j} .$$
#
# A sum can be estimated from a sample. Draw $m$ items $j$ with probabilities $q_j$, leave out those that are the target $i$ itself, and count each draw as often as it stands for others, $1 / (m q_j)$ times:
#
# $$\hat Z = e^{s_i} + \sum_{\text{drawn } j \ne i} \frac{e^{s_j}}{m q_j} = e^{s_i} + \sum_{\text{drawn } j \ne i} e^{s_j - \log (m q_j)} .$$
#
# The right side says how it is programmed: subtract $\log(m q_j)$ from the score of each negative, then take the usual softmax over $m + 1$ numbers. That is the **logQ correction**. One sample of negatives serves all positions of a batch; they are **shared**, so that a step has $m$ rows of the table to fetch and not $m$ for each position.
#
# Four items are enough to see it. Draw one negative, and look at all four cases that can happen.

# %% [markdown] id="sampled-zh" lang="zh" en="f3c06bb6"
# ## 瓶颈之一：少算一些物品的得分
#
# 第 07 课的损失需要全部物品的得分 $s_j$，因为分母是一个总和：
#
# $$-\log \frac{e^{s_i}}{Z}, \qquad Z = \sum_{j=1}^{V} e^{s_j} .$$
#
# 总和可以用样本来估计。按概率 $q_j$ 抽取 $m$ 个物品 $j$，去掉恰好等于目标 $i$ 的，其余每个按它所代表的个数计入，也就是乘以 $1 / (m q_j)$：
#
# $$\hat Z = e^{s_i} + \sum_{\text{抽到的 } j \ne i} \frac{e^{s_j}}{m q_j} = e^{s_i} + \sum_{\text{抽到的 } j \ne i} e^{s_j - \log (m q_j)} .$$
#
# 右边的式子说明了程序怎么写：把每个负样本的得分减去 $\log(m q_j)$，再对 $m + 1$ 个数做通常的 softmax。这就是 **logQ 校正**（logQ correction）。同一组负样本供一个批里的所有位置**共享**，这样每一步只需从表中取 $m$ 行，而不是每个位置各取 $m$ 行。
#
# 四个物品就足以看清楚。抽一个负样本，把可能出现的四种情况都列出来。

# %% id="sampled-tiny" tags=["reference-check"]
s = torch.tensor([2.0, 1.0, 0.0, 0.0])  # scores; item 0 is the target
q = torch.tensor([0.5, 0.25, 0.125, 0.125])
Z = s.exp().sum()
other = torch.arange(4) != 0
corrected = s[0].exp() + other * (s - q.log()).exp()  # Z as estimated from each single draw
uncorrected = s[0].exp() + other * s.exp()
show_matrix(torch.stack([q, corrected, uncorrected]), ["chance", "corrected", "uncorrected"], range(1, 5), digits=2)
expect("expected corrected estimate over Z", (q * corrected).sum() / Z, 1, tol=1e-6)
expect("expected uncorrected estimate over Z", (q * uncorrected).sum() / Z, 0.69, tol=0.01)

# %% [markdown] id="sampled-why-en" lang="en"
# On average the corrected estimate is exactly $Z$. The uncorrected one is not, whatever the number of draws. But mind what this proves: $\hat Z$ is right on average, and the loss is its **logarithm**. The logarithm of a scattering number is too small on average, and that error goes away only as $m$ grows. Measure it.

# %% [markdown] id="sampled-why-zh" lang="zh" en="a152824e"
# 校正后的估计，平均起来恰好等于 $Z$；未校正的则不等于，无论抽多少次。但要注意这证明了什么：平均正确的是 $\hat Z$，而损失取的是它的**对数**。对一个有波动的数取对数，平均值会偏小，这个误差只有在 $m$ 变大时才会消失。测一测。

# %% id="log-bias"
rng = np.random.default_rng(0)
many = rng.normal(size=2000)  # scores of 2,000 items
popularity = 1 / np.arange(1, 2001)
popularity /= popularity.sum()
exact = np.log(np.exp(many).sum())
bias = {}
for m in (4, 32, 256, 2048):
    drawn = rng.choice(2000, size=(4000, m), p=popularity)
    estimate = np.log((np.exp(many[drawn]) / (m * popularity[drawn])).sum(axis=1))
    bias[m] = estimate.mean() - exact
show_matrix(np.array([list(bias.values())]), ["bias"], list(bias), digits=3)
expect_true("the logarithm is too small on average, the less the more are drawn", -bias[4] > -bias[32] > -bias[256] > -bias[2048] > 0)
expect("bias with 4 negatives", bias[4], -0.86, tol=0.05)
expect("bias with 256 negatives", bias[256], -0.016, tol=0.008)

# %% [markdown] id="log-bias-why-en" lang="en"
# With 4 negatives the sum is far too small most of the time; with some hundred the error is a few hundredths. So use many when they are shared: each costs one row of the table, whatever the batch.

# %% [markdown] id="log-bias-why-zh" lang="zh" en="bef350ce"
# 只抽 4 个负样本时，总和多半小得多；抽几百个时，误差只有百分之几。因此，共享负样本时应当多抽一些：无论批有多大，每个负样本只需从表中取一行。

# %% [markdown] id="inbatch-en" lang="en" tags=["break-it"]
# ## Break it, 1: the batch as negatives
#
# The cheapest negatives are the targets of the other people in the batch: their rows are fetched anyway. Then $q_j$ is how often $j$ is chosen, its **popularity**. Forget the correction, and train the simplest model there is: one score for each item and no history. What people choose has the probabilities $p$, from 21% down to about 2%.
#
# **Predict** the scores that are learned: will their softmax be $p$, flatter than $p$, or steeper?

# %% [markdown] id="inbatch-zh" lang="zh" en="3fe54e4c" tags=["break-it"]
# ## 破坏实验一：用同一批的目标作负样本
#
# 最便宜的负样本是同一批里其他人的目标，它们对应的行本来就要取。这时 $q_j$ 就是 $j$ 被选择的频率，即它的**热门程度**。现在忘掉校正，训练一个最简单的模型：每个物品一个得分，不看历史。人们的选择服从概率 $p$，从 21% 到大约 2%。
#
# **猜一猜**学到的得分：它们的 softmax 会等于 $p$，比 $p$ 更平，还是更陡？


# %% id="inbatch-code" tags=["break-it"]
def learn(correct, steps=1500, batch=128):
    """Scores [20] of a model without history, trained with the batch's targets as negatives."""
    generator = torch.Generator().manual_seed(0)
    scores = torch.zeros(20, requires_grad=True)
    optimizer = torch.optim.Adam([scores], lr=0.02)
    mean = torch.zeros(20)
    for step in range(steps):
        chosen = torch.multinomial(p, batch, replacement=True, generator=generator)
        negative = scores[chosen] - correct * ((batch - 1) * p[chosen]).log()  # [batch]
        both = torch.cat([scores[chosen][:, None], negative.repeat(batch, 1)], dim=1)  # [batch, 1 + batch]
        same = chosen[:, None] == chosen[None, :]  # the target itself is no negative
        both[:, 1:] = both[:, 1:].masked_fill(same, -torch.inf)
        loss = F.cross_entropy(both, torch.zeros(batch, dtype=torch.long))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        mean += scores.detach() * (step >= steps // 2) / (steps - steps // 2)
    return mean.softmax(0)


p = 1 / torch.arange(1.0, 21.0) ** 0.8
p /= p.sum()
learned = {"with logQ": learn(True), "without": learn(False)}

# %% id="inbatch-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7, 3))
ax.plot(range(1, 21), p, color="0.3", linewidth=3, alpha=0.4, label="what people choose")
for place, (name, found) in enumerate(learned.items()):
    ax.plot(range(1, 21), found, plots.MARKERS[place], color=plots.PALETTE[place], label=name)
ax.set(xlabel="item, by popularity", ylabel="probability", ylim=(0, None), xticks=range(1, 21, 3))
ax.legend()
plt.show()

# %% [markdown] id="inbatch-alt-en" lang="en" tags=["alt"]
# Probability of 20 items, by popularity. A thick grey curve falls from 0.2 to about 0.02. The points with logQ lie on it. The points without lie nearly level at about 0.05 for all items.

# %% [markdown] id="inbatch-alt-zh" lang="zh" en="48ed1445" tags=["alt"]
# 20 个物品的概率，按热门程度排列。粗灰线从 0.2 降到约 0.02。带 logQ 校正的点落在这条线上，不带校正的点几乎是一条水平线，所有物品都约为 0.05。

# %% id="inbatch-check" tags=["break-it"]
off = {name: (found - p).abs().max().item() for name, found in learned.items()}
expect_true("with logQ: every probability within 0.005", off["with logQ"] < 0.005)
expect_true("without: the most popular item gets less than half of its due", learned["without"][0] < 0.5 * p[0])
expect("share of the most popular item", p[0], 0.21, tol=0.005)

# %% [markdown] id="inbatch-why-en" lang="en"
# Nearly flat. An item that is chosen often is also pushed down often, once in each batch that it is in, and the two cancel: without the correction the model learns $p_j / q_j$. With a history in the model this ratio is how much **more** than usual somebody wants an item. A list of such items can be what a shop wishes, but it is not the next choice, which is what NDCG counts. **Mended**: subtract $\log (m q_j)$.
#
# Here is the library's loss, with shared negatives.

# %% [markdown] id="inbatch-why-zh" lang="zh" en="a82bdc59"
# 几乎是平的。经常被选的物品也经常被压低，它所在的每一批里都压一次，两者相互抵消：不做校正时，模型学到的是 $p_j / q_j$。如果模型带有历史，这个比值表示某人比平常**多**想要这个物品多少。网店有时正想要这样的列表，但它预测的不是下一次选择，而 NDCG 衡量的正是后者。**修好它**：减去 $\log (m q_j)$。
#
# 下面是库里带共享负样本的损失。

# %% id="library-loss" tags=["library"]
from torch import Tensor

from tutorial_lib.losses import sampled_softmax

# show: tutorial_lib.losses.logq_softmax

# %% [markdown] id="rows-en" lang="en"
# ### A step that does not cost the table
#
# With 512 negatives and 6,400 targets a step needs at most 6,912 rows of the table. Yet the usual Adam updates **every** row at every step, as the gradient of the table is a full matrix that is zero almost everywhere. A row-sparse gradient holds only the rows that were used. `nn.Embedding(sparse=True)` makes one, and an optimizer that knows such gradients touches these rows alone.
#
# Is it the same algorithm? Look at three rows. In step 1 only row 0 is used, in step 2 only row 1.

# %% [markdown] id="rows-zh" lang="zh" en="87f86044"
# ### 代价不随物品表增长的一步
#
# 有 512 个负样本和 6,400 个目标时，一步最多需要物品表的 6,912 行。可是通常的 Adam 每一步都更新**每一行**，因为物品表的梯度是一个几乎处处为零的完整矩阵。行稀疏梯度只保存用到的行：`nn.Embedding(sparse=True)` 会产生这样的梯度，能处理它的优化器就只更新这些行。
#
# 这是同一个算法吗？看一个三行的表：第一步只用到第 0 行，第二步只用到第 1 行。

# %% [markdown] id="predict-rows-en" lang="en" tags=["predict"]
# **Predict.** Which rows does step 2 change, with Adam and with `SparseAdam`?

# %% [markdown] id="predict-rows-zh" lang="zh" en="5cfddd87" tags=["predict"]
# **猜一猜。** 用 Adam 和用 `SparseAdam` 时，第二步分别会改变哪些行？

# %% id="rows-code"
moved = {}
for name, sparse, optimizer_class in (("Adam", False, torch.optim.Adam), ("SparseAdam", True, torch.optim.SparseAdam)):
    table = nn.Embedding(3, 2, sparse=sparse)
    optimizer = optimizer_class(table.parameters(), lr=0.1)
    for row in (0, 1):
        before = table.weight.detach().clone()
        optimizer.zero_grad()
        table(torch.tensor([row])).sum().backward()
        optimizer.step()
    moved[name] = (table.weight.detach() - before).abs().sum(dim=1)  # by step 2
show_matrix(torch.stack(list(moved.values())), list(moved), ["row 0", "row 1", "row 2"], digits=3)

# %% id="rows-check"
expect("rows that Adam moves in step 2", (moved["Adam"] > 0).sum(), 2, tol=0.1)
expect("rows that SparseAdam moves in step 2", (moved["SparseAdam"] > 0).sum(), 1, tol=0.1)

# %% [markdown] id="rows-why-en" lang="en"
# Adam moves row 0 once more, although step 2 did not use it: its running mean still points somewhere. `SparseAdam` leaves it. So they are two algorithms, which agree where every row is used at every step; compare them on your validation set before you change. What is gained is time. Measure an update at four sizes of the table.

# %% [markdown] id="rows-why-zh" lang="zh" en="9e0ab4bf"
# Adam 又移动了第 0 行，尽管第二步没有用到它，因为它的滑动平均还没有归零。`SparseAdam` 则不动它。可见这是两个算法，只有每行每步都用到时才一致；换用之前，请在验证集上比较。换来的是时间。测一测四种大小的物品表上一次更新要多久。

# %% id="rows-time" tags=["nbval-ignore-output"]
def update_seconds(V, sparse, rows=2000, repeats=5):
    """Median seconds of an update that uses `rows` random rows of a table with V rows of 16 numbers."""
    table = nn.Embedding(V, 16, sparse=sparse)
    optimizer = (torch.optim.SparseAdam if sparse else torch.optim.Adam)(table.parameters())
    times = []
    for _ in range(repeats + 1):
        used = torch.randint(0, V, (rows,))
        begin = time.perf_counter()
        optimizer.zero_grad()
        table(used).sum().backward()
        optimizer.step()
        times.append(time.perf_counter() - begin)
    return np.median(times[1:])


sizes = [1_000, 10_000, 100_000, 1_000_000]
updates = np.array([[1e3 * update_seconds(V, sparse) for V in sizes] for sparse in (False, True)])
show_matrix(updates, ["all rows, ms", "used rows, ms"], [f"{V:,}" for V in sizes], digits=1)

# %% [markdown] id="rows-time-why-en" lang="en"
# The first line grows with the table, the second far more slowly: rows of a large table lie apart in memory, which costs something.
#
# ## Wall two: the log
#
# An event is three numbers: user, item, time. How much memory do they take as Python objects, and how much as columns?

# %% [markdown] id="rows-time-why-zh" lang="zh" en="8359e536"
# 第一行随物品表增长，第二行的增长慢得多：大表中的行在内存里相距很远，取来也要花些时间。
#
# ## 瓶颈之二：日志
#
# 一个事件是三个数：用户、物品、时间。作为 Python 对象，它们占多少内存？作为列又占多少？

# %% id="event-size"
event = (12_345, 678, 1_700_000_000)
as_objects = 8 + sys.getsizeof(event) + sum(sys.getsizeof(number) for number in event)  # 8: its place in a list
as_columns = 3 * 8  # int64
print(f"an event: {as_objects} bytes as objects, {as_columns} in columns; {10**8:,} events: {as_objects / 10:.1f} GB and {as_columns / 10:.1f} GB")
expect("bytes in columns", as_columns, 24, tol=0.1)
expect_true("objects take more than five times as much", as_objects > 5 * as_columns)

# %% [markdown] id="mmap-en" lang="en"
# Columns have a second advantage: they can stay on the disk. A **memory-mapped** file looks like an array; the operating system fetches a page of it when it is read, and drops it when memory is short. If the table is sorted by user and time, all events of a person lie side by side, and a window is one slice. All that has to be in memory is where each person begins.

# %% [markdown] id="mmap-zh" lang="zh" en="9b8f2f1c"
# 列还有第二个好处：可以留在磁盘上。**内存映射**（memory-mapped）文件用起来像一个数组；读到哪一页，操作系统就取来哪一页，内存紧张时再丢掉。如果表按用户和时间排好序，一个人的所有事件就连在一起，一个窗口就是一个切片。必须放在内存里的，只有每个人的起始位置。

# %% id="mmap-code" tags=["reference-check"]
dataset = load_dataset(DATASET, users=USERS)
folder = tempfile.TemporaryDirectory()
columns = {}
for name in ("user", "item", "timestamp"):
    np.save(Path(folder.name) / f"{name}.npy", dataset.events[name].to_numpy())
    columns[name] = np.load(Path(folder.name) / f"{name}.npy", mmap_mode="r")  # nothing is read yet
starts = np.searchsorted(columns["user"], np.arange(dataset.num_users + 1))  # where each person begins


def window(user, length):
    """The last `length` items and times of a person, from the disk."""
    end = starts[user + 1]
    part = slice(max(starts[user], end - length), end)
    return columns["item"][part], columns["timestamp"][part]


person = 7
mine = dataset.events[dataset.events["user"] == person]
expect_close("the window from the disk is the one from memory", window(person, 20)[0], mine["item"].to_numpy()[-20:], tol=0.5)
expect_true("it is a view of the file, not a copy", isinstance(window(person, 20)[0], np.memmap))

# %% [markdown] id="sort-en" lang="en"
# How does one sort what does not fit into memory? In pieces: sort each piece, write it down, then **merge**. A merge only ever looks at the first line of each piece.

# %% [markdown] id="sort-zh" lang="zh" en="f71e076e"
# 放不进内存的数据怎样排序？分块进行：先把每一块排好写入磁盘，再**归并**（merge）。归并时只需看每一块的第一行。

# %% id="sort-code" tags=["reference-check"]
from heapq import merge

log = [(3, 20), (1, 50), (2, 10), (1, 30), (3, 5), (2, 40), (1, 10), (3, 15), (2, 60)]  # (user, time), nine events
pieces = [sorted(log[begin : begin + 3]) for begin in (0, 3, 6)]  # memory for three events
merged = list(merge(*pieces))
print(merged)
expect_true("merged pieces are the sorted log", merged == sorted(log))

# %% [markdown] id="core-en" lang="en"
# One more preparation has to see the whole log, and that more than once. The **5-core** keeps people and items with at least five events. But when an item goes, its events go, and a person may fall below five; so one repeats until nothing changes. Here with 2 in place of 5: people A to D, items w to z.

# %% [markdown] id="core-zh" lang="zh" en="086fcd78"
# 还有一种预处理必须看完整个日志，而且不止一遍。**5-core** 只保留至少有五个事件的用户和物品。可是去掉一个物品，它的事件也随之消失，某个用户就可能少于五个；因此要反复进行，直到不再变化。这里用 2 代替 5：用户 A 到 D，物品 w 到 z。

# %% [markdown] id="predict-core-en" lang="en" tags=["predict"]
# **Predict.** The log is A–w, A–x, B–x, B–y, C–y, C–z, D–z. How many events does the 2-core keep?

# %% [markdown] id="predict-core-zh" lang="zh" en="4a1ad560" tags=["predict"]
# **猜一猜。** 日志是 A–w、A–x、B–x、B–y、C–y、C–z、D–z。它的 2-core 保留几个事件？

# %% id="core-code"
left, rounds = pd.DataFrame({"user": list("AABBCCD"), "item": list("wxxyyzz")}), []
while True:
    enough = [left[column].map(left[column].value_counts()) >= 2 for column in ("user", "item")]
    if (enough[0] & enough[1]).all():
        break
    left = left[enough[0] & enough[1]]
    rounds.append(len(left))
print("events left after each round:", rounds)

# %% id="core-check"
expect("events in the 2-core", len(left), 0, tol=0.1)
expect("rounds", len(rounds), 4, tol=0.1)

# %% [markdown] id="core-why-en" lang="en"
# None: the chain falls from both ends. Every round reads the log once more, and counting is all that it needs, so a database does it from the disk. The course's command is `python -m tutorial_lib.data prepare`: it reads a file of any size with duckdb, checks it, takes the core, sorts, and writes the columns that you saw. What it writes is used like any other data set.

# %% [markdown] id="core-why-zh" lang="zh" en="a2e9c6aa"
# 一个也不剩：这条链从两端逐步瓦解。每一轮都要再读一遍日志，而所需的只是计数，因此可以让数据库直接在磁盘上完成。本课程的命令是 `python -m tutorial_lib.data prepare`：它用 duckdb 读取任意大小的文件，检查、取 core、排序，并写出你刚才见过的那种列。写出的结果可以像其他数据集一样使用。

# %% id="prepare-code" tags=["reference-check"]
from tutorial_lib.scale.prepare import prepare

prepared = prepare(DATASET, out=Path(folder.name) / "prepared", progress=False)
whole = load_dataset(DATASET)
print(sorted(path.name for path in (Path(folder.name) / "prepared").iterdir()))
expect_true("from the disk or from memory: the same data set", prepared.fingerprint == whole.fingerprint)

# %% [markdown] id="two-en" lang="en"
# ## Wall three: two processes
#
# Two machines can share a batch: each takes half of the windows, computes gradients with its own copy of the model, the gradients are brought together, and both take the same step. As a gradient of a sum is the sum of gradients, the result must be that of one machine. This is **data parallel** training. Start with four targets: process 0 has three of them, process 1 has one.

# %% [markdown] id="two-zh" lang="zh" en="cdfa8c87"
# ## 瓶颈之三：两个进程
#
# 两台机器可以分担一个批：各取一半窗口，用自己的那份模型计算梯度，再把梯度合在一起，然后走同样的一步。和的梯度等于梯度的和，因此结果应当与一台机器相同。这叫作**数据并行**（data parallel）训练。先看四个目标：进程 0 有三个，进程 1 有一个。

# %% [markdown] id="predict-means-en" lang="en" tags=["predict"]
# **Predict.** The losses are 1, 1, 1 on process 0 and 5 on process 1. Each takes the mean of its own, and the two means are averaged, as is usual. What comes out, and what should?

# %% [markdown] id="predict-means-zh" lang="zh" en="17696c39" tags=["predict"]
# **猜一猜。** 进程 0 上的损失是 1、1、1，进程 1 上是 5。各自取均值，再像通常那样把两个均值平均。得到多少？应当是多少？

# %% id="means-code" tags=["break-it"]
parts = [torch.tensor([1.0, 1, 1]), torch.tensor([5.0])]
mean_of_means = torch.stack([part.mean() for part in parts]).mean()
mean_of_all = sum(part.sum() for part in parts) / sum(len(part) for part in parts)
show_matrix(torch.stack([mean_of_means, mean_of_all])[:, None], ["mean of means", "mean of all"], ["loss"], digits=1)
expect("mean of means", mean_of_means, 3, tol=1e-6)
expect("mean of all", mean_of_all, 2, tol=1e-6)

# %% [markdown] id="means-why-en" lang="en"
# 3 instead of 2: the lonely target counts three times as much as each of the others. Histories are of different length, so the number of targets differs in every step, and people with few targets are weighted up. Nothing crashes and the loss falls. **Mended**: add up sums, and divide by the number of targets of **all** processes. PyTorch's `DistributedDataParallel` averages the gradients of $N$ processes; so each multiplies its sum by $N$ and divides by the global number.
#
# Now really. The next cell writes a program of 30 lines and starts it twice. The processes talk through `gloo`; the only thing that they say is an **all-reduce**: everybody gives a tensor, everybody gets the sum.

# %% [markdown] id="means-why-zh" lang="zh" en="96716cba"
# 是 3 而不是 2：那个落单的目标，分量是其他每个目标的三倍。各人的历史长短不一，每一步的目标数都不同，目标少的那一份就被放大了。程序不会崩溃，损失也在下降。**修好它**：把各进程的损失之和相加，再除以**全部**进程的目标总数。PyTorch 的 `DistributedDataParallel` 会对 $N$ 个进程的梯度取平均，因此每个进程要先把自己的和乘以 $N$，再除以全局的目标数。
#
# 现在真正运行。下一个单元格写出一个 30 行的程序，并启动两份。两个进程通过 `gloo` 通信，唯一的通信是 **all-reduce**：每个进程交出一个张量，每个进程都得到总和。

# %% id="ddp-program"
PROGRAM = """
import sys
import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F

dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()
torch.manual_seed(0)  # every process begins with the same model
model = nn.Sequential(nn.Embedding(50, 8), nn.Linear(8, 50))
optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
data = torch.randint(0, 50, (40, 30, 2), generator=torch.Generator().manual_seed(1))  # 40 steps, 30 pairs each
cuts = [0, 30] if size == 1 else [0, 22, 30]  # uneven on purpose
for step in data:
    given, wanted = step[cuts[rank] : cuts[rank + 1]].T
    loss = F.cross_entropy(model(given), wanted, reduction="sum")
    count = torch.tensor(float(len(given)))
    dist.all_reduce(count)  # targets of all processes
    optimizer.zero_grad()
    if "mean" in sys.argv:
        (loss / len(given) / size).backward()  # the mean of means
    else:
        (loss / count).backward()
    for parameter in model.parameters():
        dist.all_reduce(parameter.grad)  # the sum over the processes
    optimizer.step()
if rank == 0:
    torch.save(model.state_dict(), sys.argv[1])
dist.destroy_process_group()
"""


def train(processes, *how):
    """Weights after 40 steps in so many processes."""
    program, saved = Path(folder.name) / "program.py", Path(folder.name) / "model.pt"
    program.write_text(PROGRAM)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    for _ in range(2):  # on a busy machine two processes may fail to meet: then once more
        done = subprocess.run([*launch, str(program), str(saved), *how], capture_output=True, text=True, env=quiet)
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stderr
    return nn.utils.parameters_to_vector(torch.load(saved).values())


# %% id="ddp-code" tags=["training", "reference-check"]
one, two, wrong = (train(*how) for how in progress_bar(((1,), (2,), (2, "mean")), "run"))
apart = {"two processes": (two - one).abs().max(), "two, mean of means": (wrong - one).abs().max()}
show_matrix(torch.stack(list(apart.values()))[:, None], list(apart), ["largest difference"], digits=7)
expect("two processes against one", apart["two processes"], 0, tol=1e-5)
expect_true("the mean of means gives another model", apart["two, mean of means"] > 0.01)

# %% [markdown] id="ddp-why-en" lang="en"
# Two processes give the model of one, up to the rounding of single precision. The mean of means gives another one. The library does the same with `DistributedDataParallel`, which begins to send gradients while others are still computed: `torchrun --nproc-per-node 2 -m tutorial_lib.experiments train --distributed`.
#
# ### What has to travel
#
# A gradient has as many numbers as the model. In a **ring**, each of $N$ processes passes pieces on to its neighbour, and every process sends $2 (N - 1) / N$ times the bytes of the gradient. Omar's item table has 300,000 rows of 64 numbers, his two blocks have about 50,000 parameters.

# %% [markdown] id="ddp-why-zh" lang="zh" en="8efcfe2f"
# 两个进程得到的模型与一个进程相同，差别只在单精度的舍入误差之内。“均值的均值”得到的则是另一个模型。库里用 `DistributedDataParallel` 做同样的事，它在其余梯度还在计算时就开始发送：`torchrun --nproc-per-node 2 -m tutorial_lib.experiments train --distributed`。
#
# ### 需要传输什么
#
# 梯度的元素个数与模型参数一样多。在**环**（ring）中，$N$ 个进程各自把数据块传给邻居，每个进程发送的字节数是梯度的 $2 (N - 1) / N$ 倍。小欧的物品表有 300,000 行、每行 64 个数，他的两个块约有 50,000 个参数。

# %% id="traffic-code"
def traffic(parameters, processes):
    """Bytes that each process sends in a ring all-reduce of float32."""
    return 2 * (processes - 1) / processes * 4 * parameters


table_bytes, block_bytes = traffic(300_000 * 64, 2), traffic(50_000, 2)
print(f"a step sends {table_bytes / 1e6:.1f} MB for the table, {block_bytes / 1e6:.1f} MB for the blocks")
expect("share of the table", table_bytes / (table_bytes + block_bytes), 0.997, tol=0.001)
expect("seconds a step at 1 GB/s", table_bytes / 1e9, 0.077, tol=0.001)

# %% [markdown] id="shard-en" lang="en"
# Again it is the table. Two ways out. With row-sparse gradients only the rows that were used travel, a few thousand. Or the table is **divided**: each process keeps some of the rows and their share of Adam, and what travels are activations. Then the table may be larger than the memory of one machine. The softmax has to be taken over all parts, and it can be, as a sum of exponentials splits into sums. Take six items on two processes.

# %% [markdown] id="shard-zh" lang="zh" en="39a6a80b"
# 问题还是出在物品表上。有两条出路。一是用行稀疏梯度，只传输用到的几千行。二是把表**拆分**：每个进程保存一部分行以及 Adam 对应的部分，传输的则是激活值。这样物品表就可以大于一台机器的内存。softmax 必须对所有部分一起计算，这是做得到的，因为指数之和可以拆成几部分之和。以两个进程上的六个物品为例。

# %% id="shard-code" tags=["reference-check"]
weights, state = torch.randn(6, 4), torch.randn(4)
shards = weights.chunk(2)  # rows 0 to 2 and rows 3 to 5
scored = [shard @ state for shard in shards]  # each process scores its own items
highest = torch.stack([part.max() for part in scored]).max()  # all-reduce: maximum
total = sum((part - highest).exp().sum() for part in scored)  # all-reduce: sum
divided = highest + total.log()
expect_close("log Z from two parts", divided[None], (weights @ state).logsumexp(0)[None], tol=1e-6)

# %% [markdown] id="shard-why-en" lang="en"
# Two numbers travel for each position, whatever the number of items.
#
# ### When do more machines help?
#
# If a step computes for $C$ seconds on one process and sends for $S$ seconds, then $N$ processes need about $C / N + S$ for the same batch, and the speed-up is $C / (C / N + S)$. It never exceeds $C / S$. Draw it for a step of 0.4 s: the whole table travels at 1 GB/s, or 7,000 rows of it.

# %% [markdown] id="shard-why-zh" lang="zh" en="458914b9"
# 无论有多少物品，每个位置只需传输两个数。
#
# ### 增加机器什么时候有用？
#
# 如果一个训练步在一个进程上要计算 $C$ 秒，发送要 $S$ 秒，那么 $N$ 个进程处理同一个批大约需要 $C / N + S$ 秒，加速比是 $C / (C / N + S)$，永远不超过 $C / S$。以一步计算 0.4 s 为例画图：一种以 1 GB/s 传输整个物品表，另一种只传其中 7,000 行。

# %% id="speedup-picture" tags=["picture", "nbval-ignore-output"]
processes = np.arange(1, 33)
fig, ax = plt.subplots(figsize=(7, 3.2))
for place, (label, rows) in enumerate({"whole table": 300_000, "7,000 rows": 7_000}.items()):
    sending = traffic(rows * 64 + 50_000, processes) / 1e9
    ax.plot(processes, 0.4 / (0.4 / processes + sending), ["-", "--"][place], color=plots.PALETTE[place], label=label)
ax.plot(processes, processes, ":", color="0.6", label="ideal")
ax.set(xlabel="processes", ylabel="speed-up", ylim=(0, 33))
ax.legend()
plt.show()

# %% [markdown] id="speedup-alt-en" lang="en" tags=["alt"]
# Speed-up against 1 to 32 processes. A dotted diagonal is the ideal. When 7,000 rows travel, the line stays near the diagonal and reaches about 25. When the whole table travels, it flattens early and stays below 3.

# %% [markdown] id="speedup-alt-zh" lang="zh" en="7eae5def" tags=["alt"]
# 横轴是 1 到 32 个进程，纵轴是加速比。点状的对角线是理想情况。只传 7,000 行时，曲线接近对角线，最后约为 25。传输整个物品表时，曲线很早变平，始终低于 3。

# %% id="speedup-check"
expect("speed-up with 32 processes, whole table", 0.4 / (0.4 / 32 + traffic(300_000 * 64 + 50_000, 32) / 1e9), 2.5, tol=0.1)

# %% [markdown] id="cost-en" lang="en"
# ## How long, and how much money?
#
# Now both halves of the bill together. An epoch trains each target once; a target costs three times the forward operations. Divide by the operations a second that the machine **really** reaches, not by those of its data sheet. Measure the first machine, yours.

# %% [markdown] id="cost-zh" lang="zh" en="98647538"
# ## 要多久，要花多少钱？
#
# 现在把账单的两部分合在一起。一轮把每个目标训练一次；一个目标的运算量是前向的三倍。再除以机器**实际**达到的每秒运算次数，而不是产品说明上的峰值。先测第一台机器，也就是你的这台。

# %% id="cost-code" tags=["nbval-ignore-output"]
big = torch.randn(1024, 1024)
begin = time.perf_counter()
for _ in range(10):
    big @ big
here = 10 * 2 * 1024**3 / (time.perf_counter() - begin)


def hours(targets, V, rate, L=50, d=64, negatives=None, epochs=20):
    """Of a training run, at so many operations a second."""
    blocks, scores = operations(L, V if negatives is None else 1 + negatives, d)
    return 3 * targets * epochs * (blocks + scores) / rate / 3600


logs = {"MovieLens 1M": (1e6, 3_416), "Omar": (1e7, 300_000), "a billion events": (1e9, 10_000_000)}
machines = {"here": 0.3 * here, "one GPU at 20 TFLOP/s": 2e13}  # an assumption: three tenths of a plain product
table = pd.DataFrame(
    {
        (name, way): [hours(*log, rate=rate, negatives=m) for log in logs.values()]
        for name, rate in machines.items()
        for way, m in (("all scores", None), ("512 negatives", 512))
    },
    index=list(logs),
)
table.map(lambda value: f"{value:,.1f} h" if value >= 1 else f"{60 * value:.2g} min")

# %% id="cost-check"
ratio = hours(1e7, 300_000, 1) / hours(1e7, 300_000, 1, negatives=512)
expect("operations with all scores over 512 negatives, Omar", ratio, 203, tol=1)

# %% [markdown] id="cost-why-en" lang="en"
# Read the table by its factors, as its hours are those of your machine. For Omar all scores cost 203 times as many operations as 512 negatives: what takes an hour with these takes more than a week without. A faster machine helps, but changing the loss is cheaper. A billion events are another matter: there even the short way takes many hours on one small machine, and a GPU or several processes pay. Money is hours × machines × price: at 2 a hour (an example; take your provider's), 10 hours on one machine cost 20, and 4 machines that are 3 times as fast cost 27 for the same model, sooner.
#
# These hours are operations only. Fetching rows of the table, cutting windows and sending come on top; the blocks reach a smaller share of the machine than a large product does. `python -m benchmarks.cost_model` compares the model with measured steps. No GPU was at hand when this was written: the column is arithmetic, with 20 TFLOP/s as an assumption, and `benchmarks/gpu_check.py` is the program that measures one.

# %% [markdown] id="cost-why-zh" lang="zh" en="97e70af0"
# 这张表应当从倍数来读，因为小时数取决于你的机器。对小欧来说，计算全部得分的运算量是 512 个负样本的 203 倍：后者一小时能完成的，前者要一个多星期。换更快的机器有帮助，但先改算法更划算。十亿个事件则是另一回事：即使用省运算的办法，一台小机器也要许多小时，这时 GPU 或多个进程才值得。费用 = 小时数 × 机器数 × 单价：假设每小时 2 元（仅为示例，请代入你的服务商的价格），一台机器 10 小时是 20 元；4 台机器快 3 倍，同一个模型要 27 元，但更早完成。
#
# 这些小时数只算了运算。从物品表取行、截取窗口和通信都要另外加上；块的计算也达不到大矩阵乘法那样的效率。`python -m benchmarks.cost_model` 会把这个模型与实测的训练步对照。写这一课时手边没有 GPU，因此那一列只是按 20 TFLOP/s 的假设算出来的；实测 GPU 请用 `benchmarks/gpu_check.py`。

# %% [markdown] id="public-en" lang="en" tags=["literature"]
# ## What large public systems do
#
# | System | What grows | What it does | Source |
# |:--|:--|:--|:--|
# | in-batch softmax with logQ | catalogue | corrects in-batch negatives by estimated popularity | Yi et al., RecSys 2019 |
# | cut cross-entropy | scores | computes the loss block by block, the scores never reach main memory | Wijmans et al., ICLR 2025 |
# | RecJPQ | item table | writes an item as a few sub-ids, whose small tables are shared | Petrov and Macdonald, WSDM 2024 |
# | TorchRec | item and feature tables | divides tables by rows, columns or whole, updates rows while the backward pass runs | Ivchenko et al., RecSys 2022 |
# | HSTU | histories of thousands of events | attention without softmax, fused for ragged histories, random shortening in training | Zhai et al., ICML 2024 |
#
# All of them attack one line of the bill. Before you take one over, find out which line is yours.

# %% [markdown] id="public-zh" lang="zh" en="7af9a92c" tags=["literature"]
# ## 公开的大型系统怎么做
#
# | 系统 | 什么在增长 | 做法 | 来源 |
# |:--|:--|:--|:--|
# | 带 logQ 的批内 softmax | 物品集合 | 用估计的热门程度校正批内负样本 | Yi et al., RecSys 2019 |
# | 分块交叉熵 cut cross-entropy | 得分 | 逐块计算损失，得分从不写入主内存 | Wijmans et al., ICLR 2025 |
# | RecJPQ | 物品表 | 把一个物品写成几个子编号，子编号的小表由所有物品共用 | Petrov and Macdonald, WSDM 2024 |
# | TorchRec | 物品表和特征表 | 按行、按列或整表拆分，在反向传播的同时更新各行 | Ivchenko et al., RecSys 2022 |
# | HSTU | 数千个事件的历史 | 不用 softmax 的注意力，针对长短不一的历史做融合，训练时随机截短 | Zhai et al., ICML 2024 |
#
# 它们各自针对账单中的一行。采用之前，先弄清你的瓶颈是哪一行。

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **24.1 Design · basic.** Give the largest number of windows whose step fits into `limit` bytes, by the bill of this lesson: 16 bytes for each parameter of the item table, 8 for each score. `negatives=None` means that all items are scored; otherwise a position is scored against its target and the negatives. 0 if nothing fits.

# %% [markdown] id="exercise1-zh" lang="zh" en="d1682f6e" tags=["exercise"]
# ## 练习
#
# **24.1 设计 · 基础。** 按本课的账单，求一步能放进 `limit` 字节的最大窗口数：物品表的每个参数 16 字节，每个得分 8 字节。`negatives=None` 表示给全部物品打分；否则一个位置只给目标和负样本打分。什么都放不下时返回 0。


# %% id="exercise1-code" tags=["exercise"]
def largest_batch(limit, items, length, width, negatives):
    """Bytes, items, events a window, numbers a row, negatives or None -> an int."""
    ...


lesson24.check_largest_batch(largest_batch)


# %% id="exercise1-solution" tags=["solution"]
# Solution
def largest_batch(limit, items, length, width, negatives):
    scored = items if negatives is None else 1 + negatives
    return max(0, int((limit - 16 * items * width) // (8 * length * scored)))


lesson24.check_largest_batch(largest_batch)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **24.2 Debug · basic.** This function should give the mean loss over the targets of all processes, as one process would. It has two faults. `parts` holds an array of losses for each process; an array may be empty.
#
# ```python
# def global_loss(parts):
#     means = [part.mean() for part in parts]
#     return sum(means) / len(parts)
# ```

# %% [markdown] id="exercise2-zh" lang="zh" en="ff6add55" tags=["exercise"]
# **24.2 调试 · 基础。** 这个函数应当像单个进程那样，给出所有进程的全部目标的平均损失。它有两处错误。`parts` 为每个进程保存一个损失数组，数组可以为空。
#
# ```python
# def global_loss(parts):
#     means = [part.mean() for part in parts]
#     return sum(means) / len(parts)
# ```


# %% id="exercise2-code" tags=["exercise"]
def global_loss(parts):
    """A list of arrays of losses, one for each process -> a number."""
    ...


lesson24.check_global_loss(global_loss)


# %% id="exercise2-solution" tags=["solution"]
# Solution
def global_loss(parts):
    return sum(part.sum() for part in parts) / sum(len(part) for part in parts)


lesson24.check_global_loss(global_loss)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **24.3 Implement · stretch.** The sampled softmax of one position: the score of its target, the scores of $m$ drawn items, which items they are, the target, and the chances $q$ of all items. Correct the negatives, leave out those that are the target, and take care that scores near 900 do not overflow.

# %% [markdown] id="exercise3-zh" lang="zh" en="bdc73ce1" tags=["exercise"]
# **24.3 实现 · 挑战。** 一个位置的采样 softmax：给定目标的得分、$m$ 个抽到的物品的得分、它们是哪些物品、目标是哪个物品，以及所有物品的抽取概率 $q$。请校正负样本，去掉恰好等于目标的，并注意得分接近 900 时不能溢出。


# %% id="exercise3-code" tags=["exercise"]
def sampled_loss(target_score, scores, drawn, target, q):
    """A number, [m], whole numbers [m], a whole number, [items] -> the loss, a number."""
    ...


lesson24.check_sampled_loss(sampled_loss)


# %% id="exercise3-solution" tags=["solution"]
# Solution
def sampled_loss(target_score, scores, drawn, target, q):
    negative = scores - np.log(len(drawn) * q[drawn])
    both = np.append(negative[drawn != target], target_score)
    largest = both.max()
    return largest + np.log(np.exp(both - largest).sum()) - target_score


lesson24.check_sampled_loss(sampled_loss)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **24.4 Think · core.** Which statements are right? Give a set of letters.
#
# - A: a window of 100 events costs a block of SASRec more than twice as many operations as a window of 50
# - B: twice the width means twice the memory for the scores
# - C: a model that was trained with in-batch negatives and without correction ranks items by how much more than usual they are wanted
# - D: with full gradients, twice as many processes send half as many bytes each
# - E: `SparseAdam` gives the weights of Adam, only sooner
# - F: if each process takes its own mean and the gradients are averaged, targets of a process with few targets count more

# %% [markdown] id="exercise4-zh" lang="zh" en="5115632d" tags=["exercise"]
# **24.4 思考 · 进阶。** 下列哪些判断正确？用字母的集合作答。
#
# - A：含 100 个事件的窗口，在 SASRec 的一个块里的运算量是含 50 个事件的窗口的两倍以上
# - B：宽度加倍，得分占用的内存也加倍
# - C：用批内负样本训练且不做校正的模型，是按“比平常多想要多少”来给物品排序的
# - D：使用完整梯度时，进程数加倍，每个进程发送的字节数减半
# - E：`SparseAdam` 得到的权重与 Adam 相同，只是更快
# - F：如果每个进程取自己的均值，再把梯度平均，那么目标少的进程，其目标的分量更大

# %% id="exercise4-code" tags=["exercise"]
right = ...

lesson24.check_statements(right)

# %% id="exercise4-solution" tags=["solution"]
# Solution
right = {"A", "C", "F"}

lesson24.check_statements(right)

# %% [markdown] id="exercise4-why-en" lang="en" tags=["solution"]
# A: the maps double, the comparisons of attention grow fourfold. B: a score is one number, however wide the vectors are; the table doubles. C: it learns $p / q$. D: in a ring each sends $2 (N - 1) / N$ times the gradient, nearly the same for every $N$. E: Adam also moves rows that were not used. F: the mean of means.

# %% [markdown] id="exercise4-why-zh" lang="zh" en="6c3187fa" tags=["solution"]
# A：映射的运算量加倍，注意力的两两比较变为四倍。B：无论向量多宽，一个得分只是一个数；加倍的是物品表。C：它学到的是 $p / q$。D：在环中每个进程发送梯度的 $2 (N - 1) / N$ 倍，对各种 $N$ 几乎相同。E：Adam 还会移动没有用到的行。F：这就是均值的均值。

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** Take a log that is larger than what you have trained on so far, your own or a public one, and plan its training before you start it: write down bytes and hours by the bill, run one hundredth of an epoch, and compare. Then decide on **one** change (fewer negatives, a shorter window, a narrower table, a second process) that makes the run cheapest at no loss that you can show on the validation set. A good report holds the plan, the measurement, an interval for NDCG before and after, and the part of the bill that you got wrong.

# %% [markdown] id="open-zh" lang="zh" en="73907c9e" tags=["open"]
# **开放任务。** 找一份比你训练过的都大的日志，自己的或公开的都可以，先做计划再启动训练：按账单写下字节数和小时数，运行百分之一轮，然后对照。再选定**一项**改动（更少的负样本、更短的窗口、更窄的物品表，或第二个进程），使训练最省，而在验证集上看不出损失。好的报告应当包含计划、实测、改动前后 NDCG 的区间，以及账单中你估错的那一部分。

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "planned_hours": ...,  # of the whole training, by the bill
    "measured_hours": ...,  # from a hundredth of an epoch
    "planned_bytes": ...,  # memory, by the bill
    "measured_bytes": ...,  # memory, measured
    "change": ...,  # the one thing that you changed
    "before": ...,  # NDCG on the validation set: mean, low, high
    "after": ...,  # the same after the change
    "difference": ...,  # after - before, by users: mean, low, high; or what `paired_bootstrap` gives
    "wrong": ...,  # the part of the bill that you got wrong
}
lesson24.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## Omar, answered
#
# What ran out was memory, and for one thing only: the scores of 6,400 positions against 300,000 items, 15 GB with their gradient. 16 GB just hold these numbers, but not the softmax beside them; and however the memory is saved, a step still spends 99 of 100 operations there. With 512 shared negatives and the correction, scores take 26 MB, the table a third of a GB, and the log 240 MB as columns. His laptop is enough. He needs another machine when the table, and not the scores, is larger than memory, or when days of training cost more than the machine.

# %% [markdown] id="answer-zh" lang="zh" en="d90ffc71"
# ## 回答开头的问题
#
# 用完的是内存，而且只因为一样东西：6,400 个位置对 300,000 个物品的得分，连同梯度共 15 GB。16 GB 内存勉强装得下这些得分，却装不下它旁边的 softmax；而且无论怎样节省内存，一步里 100 份运算仍有 99 份花在这里。用 512 个共享负样本并做校正之后，得分只占 26 MB，物品表占三分之一 GB，日志按列存放是 240 MB。他的笔记本电脑就够用。只有当物品表本身（而不是得分）大于内存，或者训练数天的代价超过换机器的代价时，他才需要另一台机器。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. A step costs $n (12 d^2 + 4 L d) + 2 V d$ operations a position, three times that with the backward pass; with a large catalogue nearly all of it, and of the memory, are scores.
# 2. Sampled negatives estimate the sum below the softmax; the logQ correction makes the estimate right on average, and without it popular items are pushed down.
# 3. A log is columns on the disk, sorted by user and time; a window is a slice, and preparation sorts in pieces and counts in rounds.
# 4. Processes give the model of one if sums are added and divided by the global number of targets; a mean of means is another model.
# 5. What travels and what must be divided is the item table; more machines help up to computing time over sending time.

# %% [markdown] id="summary-zh" lang="zh" en="0a0081eb" tags=["summary"]
# ## 小结
#
# 1. 一步在每个位置需要 $n (12 d^2 + 4 L d) + 2 V d$ 次运算，连同反向传播是它的三倍；物品很多时，运算和内存几乎全都花在得分上。
# 2. 采样的负样本用来估计 softmax 的分母；logQ 校正使这个估计平均而言正确，不校正则会压低热门物品。
# 3. 日志是磁盘上按用户和时间排好序的列；一个窗口就是一个切片，预处理时分块排序、逐轮计数。
# 4. 把各进程的和相加，再除以全局的目标数，多个进程就能得到与单个进程相同的模型；均值的均值得到的是另一个模型。
# 5. 需要传输、也需要拆分的是物品表；增加机器带来的加速，以计算时间与发送时间之比为上限。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> A colleague doubles the width to 128 and fears for the memory of the scores. Which line of the bill grows, and by how much?</summary>
#
# The item table, from 0.31 to 0.61 GB for 300,000 items. The scores take what they took: one number for each position and item.
#
# </details>
#
# <details><summary><b>2.</b> 20,000 items, 64 windows of 200 events, all scores. Does the step fit into 16 GB?</summary>
#
# Scores: 8 · 64 · 200 · 20,000 bytes are 2 GB, the table 0.02 GB. Yes, with room for the softmax beside it.
#
# </details>
#
# <details><summary><b>3.</b> From which window on do the comparisons of attention cost as much as the six maps of a block, for d = 64?</summary>
#
# When 4 L d = 12 d², so L = 3 d = 192 events.
#
# </details>
#
# <details><summary><b>4.</b> Negatives are drawn uniformly from V items. What does the correction subtract, and what changes if it is forgotten?</summary>
#
# log(m / V), the same number for all negatives. Forgetting it shifts all of them against the target: no item is treated unlike another, but the estimated sum is wrong, and with it the probabilities and the size of the gradient.
#
# </details>
#
# <details><summary><b>5.</b> After a change to in-batch negatives the training loss is lower, NDCG is lower, and the lists show rare items. Where do you look first?</summary>
#
# At the correction: without it the model learns p / q and pushes popular items down. A loss over few candidates is also lower for another reason: it has fewer terms, so it cannot be compared with the full one.
#
# </details>
#
# <details><summary><b>6.</b> Why must a negative that happens to be the target be left out?</summary>
#
# It would be pushed up and down in the same step, and the estimate would count the target twice: its term stands in the sum already, with certainty.
#
# </details>
#
# <details><summary><b>7.</b> A run with two processes is slower than with one. The model has 10 million items. Which number do you compute, and what do you change?</summary>
#
# What travels: 2 · (N − 1) / N · 4 bytes for each number of the table, 2.56 GB a step for d = 64. Send only the rows that were used, or divide the table.
#
# </details>
#
# <details><summary><b>8.</b> Two processes give a model that differs from one process in the third digit. The data are the same. Name two causes that this lesson shows.</summary>
#
# A mean of means where processes have different numbers of targets; or an optimizer that differs, such as `SparseAdam` in place of Adam. Rounding alone shows in the sixth digit and later.
#
# </details>
#
# <details><summary><b>9.</b> You filter people with fewer than five events, then items with fewer than five, and stop. What is wrong with the result, and how do you see it?</summary>
#
# Removing items takes events from people, some of whom now have fewer than five. Count once more: a core is reached when a further round removes nothing.
#
# </details>
#
# <details><summary><b>10.</b> Your log of 400 million events does not fit into memory. You may keep one thing in memory beside the model. What is it, and how large is it for five million people?</summary>
#
# Where each person begins in the sorted columns: five million numbers of 8 bytes, 40 MB. Every window is then one slice of the files on the disk.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="6503e135" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 同事把宽度加倍到 128，担心得分占用的内存。账单里增长的是哪一行，增长多少？</summary>
#
# 物品表：300,000 个物品时从 0.31 GB 增到 0.61 GB。得分占用的内存不变，每个位置、每个物品仍是一个数。
#
# </details>
#
# <details><summary><b>2.</b> 20,000 个物品，64 个窗口，每个 200 个事件，给全部物品打分。一步能放进 16 GB 吗？</summary>
#
# 得分占 8 · 64 · 200 · 20,000 字节，即 2 GB，物品表 0.02 GB。能放下，旁边的 softmax 也有空间。
#
# </details>
#
# <details><summary><b>3.</b> d = 64 时，窗口从多长开始，注意力的两两比较与一个块的六个映射代价相同？</summary>
#
# 当 4 L d = 12 d² 时，即 L = 3 d = 192 个事件。
#
# </details>
#
# <details><summary><b>4.</b> 从 V 个物品中均匀抽取负样本。校正减去的是什么？忘了校正会有什么变化？</summary>
#
# 减去 log(m / V)，对所有负样本都是同一个数。忘了它，所有负样本会相对目标整体偏移：物品之间没有差别对待，但估计的总和是错的，概率和梯度的大小也随之出错。
#
# </details>
#
# <details><summary><b>5.</b> 换成批内负样本之后，训练损失变低，NDCG 也变低，列表里出现很多冷门物品。首先检查哪里？</summary>
#
# 检查校正：没有校正时，模型学到的是 p / q，热门物品被压低。候选少时损失变低还有另一个原因：项数变少了，因此不能与完整的损失比较。
#
# </details>
#
# <details><summary><b>6.</b> 恰好等于目标的负样本为什么必须去掉？</summary>
#
# 否则它在同一步里既被抬高又被压低，估计也会把目标算两次，因为目标那一项本来就确定地在总和里。
#
# </details>
#
# <details><summary><b>7.</b> 用两个进程训练比用一个还慢，模型有 1,000 万个物品。你会计算哪个数，又会改什么？</summary>
#
# 计算传输量：物品表的每个数要传 2 · (N − 1) / N · 4 字节，d = 64 时每步 2.56 GB。改为只传用到的行，或者拆分物品表。
#
# </details>
#
# <details><summary><b>8.</b> 数据相同，两个进程得到的模型却与一个进程在第三位数字上不同。请说出本课中的两种原因。</summary>
#
# 各进程的目标数不同，却用了均值的均值；或者优化器不同，例如用 `SparseAdam` 代替了 Adam。仅由舍入造成的差别出现在第六位以后。
#
# </details>
#
# <details><summary><b>9.</b> 先过滤事件少于五个的用户，再过滤事件少于五个的物品，然后停下。结果有什么问题？怎样看出来？</summary>
#
# 去掉物品会减少用户的事件，有些用户因此又少于五个。再数一遍：只有当新的一轮什么都不去掉时，才得到 core。
#
# </details>
#
# <details><summary><b>10.</b> 你的日志有 4 亿个事件，放不进内存。除模型外，内存里只能再放一样东西。放什么？有五百万用户时它有多大？</summary>
#
# 放每个用户在排序后的列中的起始位置：五百万个 8 字节的数，共 40 MB。之后每个窗口都是磁盘文件上的一个切片。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References and code
#
# - Y. Bengio, J.-S. Senécal, *Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic Language Model*, IEEE Transactions on Neural Networks 2008: the sampled softmax.
# - X. Yi et al., *Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations*, RecSys 2019: the logQ correction for in-batch negatives.
# - E. Wijmans et al., *Cut Your Losses in Large-Vocabulary Language Models*, ICLR 2025. [arXiv 2411.09009](https://arxiv.org/abs/2411.09009)
# - A. Petrov, C. Macdonald, *RecJPQ: Training Large-Catalogue Sequential Recommenders*, WSDM 2024. [arXiv 2312.06165](https://arxiv.org/abs/2312.06165)
# - D. Ivchenko et al., *TorchRec: a PyTorch Domain Library for Recommendation Systems*, RecSys 2022.
# - J. Zhai et al., *Actions Speak Louder than Words*, ICML 2024: HSTU. [arXiv 2402.17152](https://arxiv.org/abs/2402.17152)
# - M. Shoeybi et al., *Megatron-LM*, 2019: the softmax over a divided table. [arXiv 1909.08053](https://arxiv.org/abs/1909.08053)
# - S. Li et al., *PyTorch Distributed: Experiences on Accelerating Data Parallel Training*, VLDB 2020. [arXiv 2006.15704](https://arxiv.org/abs/2006.15704)
# - Code: [`tutorial_lib.losses.Proposal`](../../tutorial_lib/losses.py), [`tutorial_lib.losses.logq_softmax`](../../tutorial_lib/losses.py), [`tutorial_lib/distributed.py`](../../tutorial_lib/distributed.py), [`tutorial_lib/scale/prepare.py`](../../tutorial_lib/scale/prepare.py), [`tutorial_lib/scale/cost.py`](../../tutorial_lib/scale/cost.py)

# %% [markdown] id="references-zh" lang="zh" en="3685fd4f" tags=["references"]
# ## 参考文献与代码
#
# - Y. Bengio, J.-S. Senécal, *Adaptive Importance Sampling to Accelerate Training of a Neural Probabilistic Language Model*, IEEE Transactions on Neural Networks 2008：采样 softmax。
# - X. Yi et al., *Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations*, RecSys 2019：批内负样本的 logQ 校正。
# - E. Wijmans et al., *Cut Your Losses in Large-Vocabulary Language Models*, ICLR 2025。[arXiv 2411.09009](https://arxiv.org/abs/2411.09009)
# - A. Petrov, C. Macdonald, *RecJPQ: Training Large-Catalogue Sequential Recommenders*, WSDM 2024。[arXiv 2312.06165](https://arxiv.org/abs/2312.06165)
# - D. Ivchenko et al., *TorchRec: a PyTorch Domain Library for Recommendation Systems*, RecSys 2022。
# - J. Zhai et al., *Actions Speak Louder than Words*, ICML 2024：HSTU。[arXiv 2402.17152](https://arxiv.org/abs/2402.17152)
# - M. Shoeybi et al., *Megatron-LM*, 2019：拆分物品表上的 softmax。[arXiv 1909.08053](https://arxiv.org/abs/1909.08053)
# - S. Li et al., *PyTorch Distributed: Experiences on Accelerating Data Parallel Training*, VLDB 2020。[arXiv 2006.15704](https://arxiv.org/abs/2006.15704)
# - 代码：[`tutorial_lib.losses.Proposal`](../../tutorial_lib/losses.py), [`tutorial_lib.losses.logq_softmax`](../../tutorial_lib/losses.py), [`tutorial_lib/distributed.py`](../../tutorial_lib/distributed.py), [`tutorial_lib/scale/prepare.py`](../../tutorial_lib/scale/prepare.py), [`tutorial_lib/scale/cost.py`](../../tutorial_lib/scale/cost.py)
