# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Ken opened twelve pages in a shop tonight. Three of them he bought: a tent, a lamp, a rope. The other nine were stray clicks: a slip of the thumb, an advertisement, a page closed again at once. You stand behind him with a small notebook. At the end you are asked: *what did he buy, in which order?*
#
# Nothing could be easier. You write down the purchases and ignore the rest. Now give the notebook to the memory of lesson 10. It fades by the same factor at every event, whatever the event is. At the end the tent may lie three events back or twelve; its trace is mixed with everything that came in between, and nobody noted how many stray clicks there were.
#
# What is missing is a memory that **looks at the event before it decides** whether to fade, to write, or to let it pass. In this lesson you give it that choice, watch it solve Ken's task, and then find an old acquaintance in it: written as a matrix, it is attention.

# %% [markdown] id="puzzle-zh" lang="zh" en="7e9fb4db"
# 小凯今晚在一家网店里打开了十二个页面。其中三样他买了：帐篷、灯、绳子。另外九个都是误点：手滑，广告，打开就关掉的页面。你拿着一个小本子站在他身后。最后问你：“他买了什么，先后顺序如何？”
#
# 再容易不过了。买的记下来，别的不理。现在把本子交给第 10 课的记忆。不管来的是什么事件，它每次都按同样的倍数衰减。到最后，帐篷可能在三个事件之前，也可能在十二个事件之前；它的痕迹和中间发生的一切混在一起，而且谁也没记下来过多少次误点。
#
# 缺的是这样一种记忆：**先看一眼事件，再决定**是衰减，是写入，还是放它过去。这一课里，你会把这个选择权交给它，看它解出小凯的任务，然后在它身上认出一位老相识：把它写成矩阵，就是注意力。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - compute a selective state space by hand, and say what its step size decides;
# - show by experiment what a time-invariant memory cannot do and a selective one can;
# - write SSD as recurrence, as matrix and in chunks, and prove the three equal;
# - explain the sentence "attention is a matrix, a state space is a recurrence" with one and the same matrix;
# - measure how the cost grows with the length of a history;
# - recognise three faults: step sizes overwritten at the start, a matrix that overflows, and a stream that forgets the convolution.

# %% [markdown] id="objectives-zh" lang="zh" en="b7a73e74" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 手算一个选择性状态空间（selective state space），说清它的步长决定了什么；
# - 用实验说明，时不变的记忆做不到、有选择的记忆做得到的是什么；
# - 把 SSD 写成递推、写成矩阵、写成分块，并证明三者相等；
# - 用同一个矩阵解释“注意力是矩阵，状态空间是递推”这句话；
# - 测出代价怎样随历史的长度增长；
# - 认出三种错误：步长一开始就被覆盖，矩阵溢出，以及流式推理时忘了卷积。

# %% id="setup"
import math
import time

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tutorial_lib import plots
from tutorial_lib.checks import (
    expect,
    expect_between,
    expect_close,
    expect_true,
    influence,
    show_matrix,
)
from exercises import lesson11
from tutorial_lib.models import ssm
from tutorial_lib.models.attention import attention_weights, causal_mask
from tutorial_lib.models.base import initialise
from tutorial_lib.models.lru import LRU

torch.manual_seed(0)
plots.use_style()

# %% [markdown] id="tiny-en" lang="en"
# ## Three events and one number
#
# Let the memory be a single number $h$, and the events the numbers 3 (the tent), 8 (a stray click) and 5 (the rope). The memory of lesson 10 with eigenvalue $-1$ does
#
# $$h_t = e^{-\Delta_t} h_{t-1} + \Delta_t x_t .$$
#
# There, $\Delta_t$ was the gap on the clock. Here is the one new idea of this lesson: **let the event choose its own** $\Delta_t$, the *step size*. Say that purchases ask for a step of 1 and stray clicks for a step of 0.
#
# <!-- definition -->

# %% [markdown] id="tiny-zh" lang="zh" en="132ffd71"
# ## 三个事件，一个数
#
# 设记忆只有一个数 $h$，三个事件的数是 3（帐篷）、8（误点）、5（绳子）。第 10 课里特征值为 $-1$ 的记忆是这样做的：
#
# $$h_t = e^{-\Delta_t} h_{t-1} + \Delta_t x_t .$$
#
# 在那里，$\Delta_t$ 是时钟上的间隔。这一课只有一个新想法：**让事件自己选择**它的 $\Delta_t$，也就是**步长**。比如，购买要求步长 1，误点要求步长 0。
#
# <!-- definition -->

# %% [markdown] id="predict-tiny-en" lang="en" tags=["predict"]
# **Predict before you run.** What is in the memory after the stray click, if every event takes a step of 1, and if the events choose? Look back at what lesson 10 said about an event with a step of 0.

# %% [markdown] id="predict-tiny-zh" lang="zh" en="466f8444" tags=["predict"]
# **先猜，再运行。** 误点之后，记忆里是多少？每个事件的步长都是 1 时如何，由事件自己选时又如何？回想一下，第 10 课对步长为 0 的事件是怎么说的？

# %% id="tiny-code"
names, x = ["tent", "stray", "rope"], [3.0, 8.0, 5.0]
for label, steps in (("all alike", [1.0, 1.0, 1.0]), ("chosen by the event", [1.0, 0.0, 1.0])):
    h, rows = 0.0, []
    for value, delta in zip(x, steps, strict=True):
        h = math.exp(-delta) * h + delta * value
        rows.append([value, delta, math.exp(-delta), h])
    print(label)
    show_matrix(rows, names, ["event", "step", "decay", "memory"])
    if label == "all alike":
        expect("after the stray click, steps alike", rows[1][3], 9.10, tol=0.005)
    else:
        expect("after the stray click, steps chosen", rows[1][3], 3, tol=1e-9)

# %% [markdown] id="tiny-why-en" lang="en"
# With equal steps, 9.10 is left, nearly all of it the stray click. With chosen steps the stray click leaves no trace: decay 1, weight 0, the memory still holds 3. In lesson 10 an event at gap 0 that adds nothing was a fault. Here the very same effect is the tool.
#
# A large step does the opposite: $e^{-\Delta}$ is almost 0, so the past is wiped out and the event takes its place. One number decides between *ignore* and *start afresh*.
#
# A network computes the step from the event as $\Delta = \mathrm{softplus}(z)$ with $z = w \cdot x + b$, where $\mathrm{softplus}(z) = \ln(1 + e^z)$ is positive whatever $z$ is. This has a neat consequence:

# %% [markdown] id="tiny-why-zh" lang="zh" en="2b92b295"
# 步长相同，剩下 9.10，几乎全是误点。步长自选，误点不留痕迹：衰减是 1，权重是 0，记忆里仍是 3。在第 10 课，间隔为 0 的事件什么也没留下，那是一个错误；在这里，同样的效应成了工具。
#
# 大步长则相反：$e^{-\Delta}$ 几乎是 0，过去被抹掉，由这个事件取而代之。一个数，就在**不理会**和**重新开始**之间做出了选择。
#
# 网络用 $\Delta = \mathrm{softplus}(z)$ 从事件算出步长，其中 $z = w \cdot x + b$，而 $\mathrm{softplus}(z) = \ln(1 + e^z)$ 不论 $z$ 是多少都为正。由此有一个漂亮的结果：

# %% id="gate-code" tags=["reference-check"]
z = torch.linspace(-6, 6, 101, dtype=torch.double)
expect_close("the decay is one minus a sigmoid", torch.exp(-F.softplus(z)), 1 - torch.sigmoid(z), tol=1e-12)

# %% [markdown] id="gate-why-en" lang="en"
# $e^{-\mathrm{softplus}(z)} = 1 - \sigma(z)$. If the event enters with the weight that lesson 10 found for a held input, $1 - e^{-\Delta} = \sigma(z)$, the line becomes $h_t = (1 - \sigma(z))\, h_{t-1} + \sigma(z)\, x_t$: the update gate of a GRU, found from the other side. (With the weight $\Delta$ of this page it is only nearly so, and for small steps.)

# %% [markdown] id="gate-why-zh" lang="zh" en="7d36687d"
# $e^{-\mathrm{softplus}(z)} = 1 - \sigma(z)$。如果事件以第 10 课为保持输入求得的权重 $1 - e^{-\Delta} = \sigma(z)$ 进入，这一行就成了 $h_t = (1 - \sigma(z))\, h_{t-1} + \sigma(z)\, x_t$，也就是从另一个方向推出的 GRU 更新门。（若用本页的权重 $\Delta$，只在步长小时近似成立。）

# %% [markdown] id="task-en" lang="en"
# ## Ken's evening as a task
#
# Twelve events. Three of them, at random places, are purchases of one of four kinds; the rest are stray clicks. Then come three requests, and at the first the model must name the first purchase, at the second the second, at the third the third. The literature calls this *selective copying*. Guessing is right in one case of four.
#
# As model we take the LRU of lesson 10, 16 complex memories, an embedding before it and a linear read-out behind it. There is **one** difference between the rivals: the steps. The first takes a step of 1 at every event: it is linear and time-invariant (LTI). The second takes $\sigma(s)$, where each kind of event has a learned number $s$. That is six parameters more. (The LRU has the impulse form: an event enters whole, whatever its step. Both rivals can learn an embedding of nothing for a stray click; what only the second can choose is how far the memory moves.)
#
# To be fair to the first one, it also gets an easier task: the purchases always come first, at the places 1, 2 and 3. If it fails there, it has no memory at all.

# %% [markdown] id="task-zh" lang="zh" en="93b81ee6"
# ## 把小凯的晚上变成一个任务
#
# 十二个事件。其中三个位置随机，是购买，商品有四种；其余都是误点。然后来三次提问：第一次要答出第一件买的，第二次答第二件，第三次答第三件。文献里把它叫做**选择性复制**（selective copying）。瞎猜的话，四次里能对一次。
#
# 模型用第 10 课的 LRU，16 个复数记忆，前面一个嵌入，后面一个线性输出层。对手之间**只有一处**不同：步长。第一个对每个事件都走步长 1：它是线性时不变的（linear time-invariant，LTI）。第二个走 $\sigma(s)$，每种事件各有一个学出来的数 $s$，总共只多六个参数。（LRU 用的是脉冲形式：不管步长多少，事件都完整地进来。两个对手都可以给误点学一个“什么也没有”的嵌入；只有第二个能选的，是记忆往前走多远。）
#
# 为了对第一个公平，还给它一个容易的任务：购买总在最前面，位置 1、2、3。如果连这个都做不到，那它就根本没有记忆。

# %% [markdown] id="predict-task-en" lang="en" tags=["predict"]
# **Predict.** How often is the LTI memory right on the easy task, and on Ken's? And the one that chooses its steps? Which step will it give to a stray click?

# %% [markdown] id="predict-task-zh" lang="zh" en="fde6f2a4" tags=["predict"]
# **猜一猜。** LTI 的记忆在容易的任务上、在小凯的任务上，各能答对多少？会选步长的那个呢？它会给误点多大的步长？


# %% id="task-code" tags=["nbval-ignore-output", "training"]
PLACES, BOUGHT, KINDS = 12, 3, 4
STRAY, ASK = 0, KINDS + 1  # kinds of events: stray click, four goods, request


def evenings(size, generator, scattered):
    """Events [size, 15]: twelve, then three requests; answers [size, 3]: the goods in order, from 0."""
    place = torch.arange(BOUGHT).expand(size, BOUGHT)
    if scattered:
        place = torch.rand(size, PLACES, generator=generator).argsort(dim=1)[:, :BOUGHT].sort(dim=1).values
    goods = torch.randint(1, KINDS + 1, (size, BOUGHT), generator=generator)
    events = torch.zeros(size, PLACES, dtype=torch.long).scatter(1, place, goods)
    return F.pad(events, (0, BOUGHT), value=ASK), goods - 1


class Copier(nn.Module):
    def __init__(self, chooses, dim=16):
        super().__init__()
        self.embedding, self.lru, self.out = nn.Embedding(KINDS + 2, dim), LRU(dim, 16), nn.Linear(dim, KINDS)
        self.step = nn.Parameter(torch.zeros(KINDS + 2)) if chooses else None
        with torch.no_grad():  # turns below half a circle, so that no step can hide in a whole turn
            self.lru.theta.copy_(torch.empty(16).uniform_(1e-6, math.pi).log())

    def forward(self, events):
        steps = None if self.step is None else self.step.sigmoid()[events]
        return self.out(self.lru(self.embedding(events), steps))[:, -BOUGHT:]


def fit_copier(model, scattered, seed, batches=250):
    generator, optimizer = torch.Generator().manual_seed(seed), torch.optim.Adam(model.parameters())
    for k in range(batches):
        optimizer.param_groups[0]["lr"] = 0.03 * (1 - k / batches)
        events, goods = evenings(32, generator, scattered)
        loss = F.cross_entropy(model(events).flatten(0, 1), goods.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@torch.no_grad()
def share_right(model, scattered):
    events, goods = evenings(2000, torch.Generator().manual_seed(99), scattered)
    return (model(events).argmax(dim=2) == goods).float().mean().item()


right, steps = {}, []
for name, chooses, scattered in (
    ("LTI, first places", False, False),
    ("LTI, random places", False, True),
    ("chooses, random places", True, True),
):
    right[name] = []
    for seed in range(5):
        torch.manual_seed(seed)
        model = fit_copier(Copier(chooses), scattered, seed)
        right[name].append(share_right(model, scattered))
        if chooses:
            steps.append(model.step.detach().sigmoid())
    print(f"{name:24s}", [round(value, 3) for value in right[name]])
right, steps = {name: np.array(values) for name, values in right.items()}, torch.stack(steps)  # [5], [5, 6]

# %% id="task-picture" tags=["picture", "nbval-ignore-output"]
fig, (left, rightmost) = plt.subplots(1, 2, figsize=(10, 2.8), width_ratios=[1.3, 1])
for row, values in enumerate(right.values()):
    left.plot(values, np.full(5, row), "o", color=plots.BLUE, alpha=0.6)
left.axvline(1 / KINDS, color="#555555", linestyle="--", linewidth=1)
left.set(xlim=(0.2, 1.03), xlabel="share of right answers (one point a seed; dashed: guessing)")
left.set_yticks(range(3), list(right))
left.set_ylim(2.5, -0.5)
kinds = ["stray", *(f"good {n}" for n in range(1, KINDS + 1)), "request"]
for values in steps:
    rightmost.plot(range(KINDS + 2), values, "o", color=plots.ORANGE, alpha=0.7)
rightmost.set(ylim=(0, 1.03), ylabel="learned step")
rightmost.set_xticks(range(KINDS + 2), kinds, rotation=30)
plt.show()

# %% [markdown] id="task-alt-en" lang="en" tags=["alt"]
# Left, share of right answers, one point a seed. LTI with purchases at the first places: at 1. LTI with random places: near 0.6. The memory that chooses, random places: at 1. A dashed line marks guessing at 0.25. Right, the steps that it learned: near 0.1 for stray clicks, near 0.7 for goods, near 0.9 for requests.

# %% [markdown] id="task-alt-zh" lang="zh" en="7a4f3273" tags=["alt"]
# 左图是答对的比例，每个种子一点。LTI、购买在最前面：在 1 处。LTI、位置随机：0.6 附近。会选步长的、位置随机：在 1 处。虚线标出瞎猜的 0.25。右图是它学到的步长：误点在 0.1 附近，商品在 0.7 附近，提问在 0.9 附近。

# %% id="task-check"
STUDENT = 2.776  # 97.5 % point of Student's distribution with 4 degrees of freedom
fixed, lti, chosen = right.values()
expect_true("LTI, first places: right in 99 of 100, with every seed", fixed.min() > 0.99)
expect("LTI, random places: mean of five seeds", lti.mean(), 0.61, tol=0.02)
expect_true("chosen steps, random places: right in 97 of 100, with every seed", chosen.min() > 0.97)
difference = chosen - lti
half = STUDENT * difference.std(ddof=1) / math.sqrt(5)
expect_true("chosen minus LTI: the 95 % interval lies above 0.35", difference.mean() - half > 0.35)
expect_true("the step of a stray click is below 0.2, with every seed", steps[:, STRAY].max() < 0.2)
expect("step of a good, mean", steps[:, STRAY + 1 : ASK].mean(), 0.7, tol=0.08)
expect("step of a request, mean", steps[:, ASK].mean(), 0.9, tol=0.06)
expect("guessing", 1 / KINDS, 0.25, tol=1e-9)

# %% [markdown] id="task-why-en" lang="en"
# The LTI memory is not stupid: where the purchases stand at fixed places, it is right every time. But it stores things by **age**, and at random places the age of the tent says nothing. So it falls to 0.61 (better than guessing, since the *typical* age helps a little).
#
# The other memory gave stray clicks a step near 0 and everything else a step near 1. It has **made a clock of its own**, which hardly moves while nothing happens that matters. On this clock the three purchases always lie three, two and one ticks before the first request, and Ken's task has turned into the easy one.
#
# A word of caution. The state of an LTI memory still *contains* the evening; a deep network behind it could perhaps dig it out. What fails is one layer with a linear read-out.

# %% [markdown] id="task-why-zh" lang="zh" en="df3c2bd0"
# LTI 的记忆并不笨：购买的位置固定时，它次次都对。但它是按**年龄**存东西的，位置一随机，帐篷的年龄就说明不了什么。于是它掉到 0.61（比瞎猜好，因为**典型**的年龄多少有点用）。
#
# 另一个记忆给误点接近 0 的步长，给其余的接近 1 的步长。它**给自己造了一个时钟**，没有要紧的事发生时，这个时钟几乎不走。在这个时钟上，三次购买总是在第一次提问之前的三格、两格、一格，小凯的任务就变成了那个容易的任务。
#
# 提醒一句：LTI 记忆的状态里仍然**含有**整个晚上，后面接一个很深的网络，也许能把它挖出来。做不到的，是一层加上线性输出。

# %% [markdown] id="s6-en" lang="en"
# ## S6: Mamba's memory
#
# Mamba makes three things depend on the event, not only the step. For each of $D$ channels the memory has $N$ numbers, each with its own $A_n < 0$:
#
# $$h_{t,n} = e^{\Delta_t A_n} h_{t-1,n} + \Delta_t B_{t,n} x_t , \qquad y_t = \sum_n C_{t,n} h_{t,n} .$$
#
# - $\Delta_t$, one for each channel: how far the clock moves;
# - $B_t$, $N$ numbers: **where to write** the event;
# - $C_t$, $N$ numbers: **what to read** now.
#
# The family of state spaces is called S4, S5, S6; S6 is the one that selects. (The weight $\Delta_t B_t$ is that of the Euler method. Lesson 10 had $(e^{\Delta A} - 1)/A$ in its place, which is nearly the same for small steps and stays below $1/|A|$ for large ones. Mamba accepts the difference, since $B_t$ is learned anyway.) Written as loops:
#
# In the library: [`tutorial_lib.models.mamba.selective_scan`](../../tutorial_lib/models/mamba.py).

# %% [markdown] id="s6-zh" lang="zh" en="e48ca9a7"
# ## S6：Mamba 的记忆
#
# Mamba 让三样东西都取决于事件，不只是步长。$D$ 个通道，每个通道的记忆有 $N$ 个数，各有自己的 $A_n < 0$：
#
# $$h_{t,n} = e^{\Delta_t A_n} h_{t-1,n} + \Delta_t B_{t,n} x_t , \qquad y_t = \sum_n C_{t,n} h_{t,n} .$$
#
# - $\Delta_t$，每个通道一个：时钟走多远；
# - $B_t$，$N$ 个数：这个事件**写到哪里**；
# - $C_t$，$N$ 个数：此刻**读什么**。
#
# 这一族状态空间叫 S4、S5、S6，会选择的就是 S6。（权重 $\Delta_t B_t$ 取自欧拉法。第 10 课在这个位置用的是 $(e^{\Delta A} - 1)/A$，步长小时两者几乎相同，步长大时后者不超过 $1/|A|$。Mamba 接受这点差别，反正 $B_t$ 是学出来的。）写成循环：
#
# 库中的实现：[`tutorial_lib.models.mamba.selective_scan`](../../tutorial_lib/models/mamba.py)。


# %% id="s6-loops"
def s6_by_loops(x, delta, A, B, C):
    """x, delta [L, D], A [D, N], B, C [L, N] -> y [L, D], one number after another."""
    y = torch.zeros_like(x)
    for d in range(x.shape[1]):
        h = [0.0] * A.shape[1]
        for t in range(len(x)):
            for n in range(A.shape[1]):
                h[n] = math.exp(delta[t, d] * A[d, n]) * h[n] + delta[t, d] * B[t, n] * x[t, d]
                y[t, d] += C[t, n] * h[n]
    return y


L, D, N = 9, 3, 4
generator = torch.Generator().manual_seed(1)
x, B, C = (torch.randn(L, size, dtype=torch.double, generator=generator) for size in (D, N, N))
delta = F.softplus(torch.randn(L, D, dtype=torch.double, generator=generator))
A = -torch.arange(1, N + 1, dtype=torch.double).repeat(D, 1)  # Mamba's start: -1, -2, ..., -N in every channel

# %% [markdown] id="s6-check-en" lang="en"
# A witness: switch the selection off. With the same $\Delta$, $B$ and $C$ at every event S6 must be the LTI memory of lesson 10, and that one has another view, the convolution with a kernel by FFT.

# %% [markdown] id="s6-check-zh" lang="zh" en="c8c00e5c"
# 找一个参照：把选择关掉。如果每个事件的 $\Delta$、$B$、$C$ 都相同，S6 就必须是第 10 课的 LTI 记忆，而后者还有另一种写法：用 FFT 与核做卷积。

# %% id="s6-check-code" tags=["reference-check"]
same = [delta[:1].expand(L, D), A, B[:1].expand(L, N), C[:1].expand(L, N)]
powers = torch.exp(delta[0, :, None] * A)[None] ** torch.arange(L)[:, None, None]  # [L, D, N]
lti_kernel = (powers * (delta[0, :, None] * B[0] * C[0])).sum(dim=2)  # [L, D]
by_fft = ssm.convolution(lti_kernel, x[None])[0]
expect_close("S6 without selection is a convolution", s6_by_loops(x, *same), by_fft, tol=1e-12)

# %% [markdown] id="s6-library-en" lang="en" tags=["library"]
# The library computes all channels and numbers of an event at once and walks through the events. The line above the formula names its *fast form*: the same numbers, but it keeps few states and has a gradient written by hand (`tutorial_lib/kernels/scan.py`). Around the scan stands the Mamba block: a short causal convolution over the last four events, the scan, and a gate $\mathrm{SiLU}(z)$ that lets each channel through or not. All three of $\Delta$, $B$ and $C$ come from the event by one linear map.

# %% [markdown] id="s6-library-zh" lang="zh" en="21f42128" tags=["library"]
# 库把一个事件的所有通道、所有数一起算，再逐个事件往前走。公式上方那一行指明它的**快速形式**：结果相同，但只保留很少的状态，梯度是手写的（在 `tutorial_lib/kernels/scan.py` 里）。扫描外面是 Mamba 块：对最近四个事件的一个短的因果卷积，然后是扫描，最后是门 $\mathrm{SiLU}(z)$，决定每个通道放行多少。$\Delta$、$B$、$C$ 三者都由事件经同一个线性映射得到。

# %% id="s6-library-code" tags=["library"]
from tutorial_lib import kernels
from tutorial_lib.models.mamba import CausalConv, initial_step_bias

# show: tutorial_lib.models.mamba.selective_scan
# show: tutorial_lib.models.mamba.SelectiveSSM

# %% id="s6-library-check" tags=["reference-check"]
written = s6_by_loops(x, delta, A, B, C)
learned = [part.clone().requires_grad_() for part in (x[None], delta[None], A, B[None], C[None])]
found = {}
for form, on in (("formula", False), ("fast form", True)):
    with kernels.use(on):
        ours = selective_scan(*learned)
    expect_close(f"the {form} equals the loops", ours[0], written, tol=1e-12)
    found[form] = torch.autograd.grad((ours * written).sum(), learned)
for part, fast, plain in zip(("x", "step", "A", "B", "C"), found["fast form"], found["formula"]):
    expect_close(f"gradient of {part}: the fast form equals the formula", fast, plain, tol=1e-10)

# %% [markdown] id="ssd-en" lang="en"
# ## SSD: the same memory as a matrix
#
# S6 must walk through the events. Mamba-2 gives up a little freedom: all numbers of a *head* share **one** $A$ and one $\Delta_t$. Now the whole state fades as one, and the recurrence can be written out, as in lesson 10. The output at event $i$ is
#
# $$y_i = \sum_{j \le i} \underbrace{e^{A (\Delta_{j+1} + \dots + \Delta_i)}}_{L_{ij}} \; (C_i \cdot B_j) \; \Delta_j x_j .$$
#
# Read it slowly. $C_i \cdot B_j$ is a dot product of something that event $i$ asks and something that event $j$ offers. The result weighs $\Delta_j x_j$. You know this: it is attention, with $C_i$ as **query**, $B_j$ as **key** and $\Delta_j x_j$ as **value**. The softmax is gone, and the causal mask is not a triangle of ones but a triangle that fades, $L_{ij}$. Entry by entry ($\circ$):
#
# $$y = \left( L \circ C B^\top \right) (\Delta x) .$$
#
# In the library: [`tutorial_lib.models.mamba.ssd_matrix`](../../tutorial_lib/models/mamba.py).

# %% [markdown] id="ssd-zh" lang="zh" en="e986e68b"
# ## SSD：把同一个记忆写成矩阵
#
# S6 必须逐个事件地走。Mamba-2 放弃了一点自由：同一个**头**的所有数共用**一个** $A$ 和一个 $\Delta_t$。这样整个状态一起衰减，递推就可以像第 10 课那样写开。事件 $i$ 处的输出是
#
# $$y_i = \sum_{j \le i} \underbrace{e^{A (\Delta_{j+1} + \dots + \Delta_i)}}_{L_{ij}} \; (C_i \cdot B_j) \; \Delta_j x_j .$$
#
# 慢慢读。$C_i \cdot B_j$ 是一个点积，一边是事件 $i$ 要问的，一边是事件 $j$ 能给的。点积的结果给 $\Delta_j x_j$ 加权。这你认得：这就是注意力，$C_i$ 是**查询**，$B_j$ 是**键**，$\Delta_j x_j$ 是**值**。softmax 没了；因果掩码不再是全 1 的三角形，而是一个逐渐衰减的三角形 $L_{ij}$。逐格相乘（$\circ$）：
#
# $$y = \left( L \circ C B^\top \right) (\Delta x) .$$
#
# 库中的实现：[`tutorial_lib.models.mamba.ssd_matrix`](../../tutorial_lib/models/mamba.py)。

# %% [markdown] id="predict-ssd-en" lang="en" tags=["predict"]
# **Predict.** Four events with the steps 1, 1, 0, 2, and $A = -0.5$. What stands in the row of event 3 of $L$, and what in the row of event 4?

# %% [markdown] id="predict-ssd-zh" lang="zh" en="e760649a" tags=["predict"]
# **猜一猜。** 四个事件，步长是 1、1、0、2，$A = -0.5$。$L$ 中事件 3 那一行是什么，事件 4 那一行呢？

# %% id="ssd-tiny"
steps4, rate = torch.tensor([1.0, 1.0, 0.0, 2.0]), -0.5
B4 = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])
C4 = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [2.0, 0.0]])
fades = torch.zeros(4, 4)
for i in range(4):
    for j in range(i + 1):
        fades[i, j] = math.exp(rate * steps4[j + 1 : i + 1].sum())
events = ["1", "2", "3", "4"]
print("L, what is left")
show_matrix(fades, events, events)
print("C B^T, how well they match")
show_matrix(C4 @ B4.T, events, events, digits=0)
print("both together")
show_matrix(fades * (C4 @ B4.T), events, events)
expect("event 1 as seen from event 3", fades[2, 0], 0.61, tol=0.005)
expect("event 1 as seen from event 4", fades[3, 0], 0.22, tol=0.005)

# %% [markdown] id="ssd-tiny-why-en" lang="en"
# Event 3 has a step of 0, so nothing fades on the way to it: it sees event 1 with 0.61, exactly as event 2 does. Event 4 takes a step of 2 and looks back through it: 0.22. A row begins with the oldest event, and all of its entries shrink together at every step.

# %% [markdown] id="ssd-tiny-why-zh" lang="zh" en="4a7f7c85"
# 事件 3 的步长是 0，走到它那里什么也没衰减：它看事件 1 是 0.61，和事件 2 看到的一模一样。事件 4 走了步长 2，要隔着这一步往回看：0.22。每一行从最早的事件开始，每走一步，所有的格子一起缩小。

# %% [markdown] id="same-en" lang="en"
# **Is it really the same matrix?** Do not take the formula's word. A linear map can be measured: send in a 1 at one event and 0 at all others, and what comes out is one column. So run the **recurrence**, which knows no matrix, once for every event, and put the columns side by side.

# %% [markdown] id="same-zh" lang="zh" en="db641617"
# **真的是同一个矩阵吗？** 不必相信公式。线性映射是可以测量的：在一个事件处送进 1，其余都送 0，出来的就是一列。那么让对矩阵一无所知的**递推**，对每个事件各跑一遍，再把各列并排放好。

# %% id="ssd-library" tags=["library"]
# show: tutorial_lib.models.mamba.ssd_recurrence
# show: tutorial_lib.models.mamba.segsum
# show: tutorial_lib.models.mamba.ssd_matrix

# %% id="same-check" tags=["reference-check"]
single = {"delta": steps4[None, :, None], "A": torch.tensor([rate]), "B": B4[None], "C": C4[None]}
columns = [
    ssd_recurrence(torch.eye(4)[j].view(1, 4, 1, 1), **single).flatten() for j in range(4)
]  # one impulse at a time
measured = torch.stack(columns, dim=1)
print("measured from the recurrence")
show_matrix(measured, events, events)
expect_close("the measured matrix is L * C B^T, times the step", measured, fades * (C4 @ B4.T) * steps4, tol=1e-6)

# %% [markdown] id="ssd-random-en" lang="en"
# Now with random numbers, two heads and width 3, against a witness of four bare loops in NumPy.

# %% [markdown] id="ssd-random-zh" lang="zh" en="d6657ea1"
# 再用随机数来试，两个头，宽度 3，参照是 NumPy 里的四层循环。


# %% id="ssd-random-check" tags=["reference-check"]
def ssd_operands(length, seed=0, heads=2, width=3, states=4):
    """x [1, L, H, P], delta [1, L, H], A [H], B, C [1, L, N], in double precision."""
    generator = torch.Generator().manual_seed(seed)
    x, delta, B, C = (
        torch.randn(1, length, *size, dtype=torch.double, generator=generator)
        for size in ((heads, width), (heads,), (states,), (states,))
    )
    A = -0.1 - torch.rand(heads, dtype=torch.double, generator=generator)
    return x, F.softplus(delta), A, B, C


x, delta, A, B, C = (tensor.numpy() for tensor in ssd_operands(13))
witness = np.zeros_like(x)
for head in range(2):
    for i in range(13):
        for j in range(i + 1):
            left = np.exp(A[head] * delta[0, j + 1 : i + 1, head].sum())
            for p in range(3):
                witness[0, i, head, p] += left * (C[0, i] @ B[0, j]) * delta[0, j, head] * x[0, j, head, p]
for form in (ssd_recurrence, ssd_matrix):
    expect_close(f"{form.__name__} equals the loops", form(*ssd_operands(13)), witness, tol=1e-12)

# %% [markdown] id="look-en" lang="en"
# ## Attention and SSD side by side
#
# What do the two matrices look like? Nine events, the same queries and keys for both. Event 3 is a stray click: step 0. Before event 6 Ken went to sleep: a step of 6, the others have a step of 0.3.

# %% [markdown] id="look-zh" lang="zh" en="87abf8e9"
# ## 并排看注意力与 SSD
#
# 两个矩阵各是什么样子？九个事件，两边用同样的查询和键。事件 3 是误点：步长 0。事件 6 之前小凯去睡觉了：步长 6。其余的步长是 0.3。

# %% [markdown] id="predict-look-en" lang="en" tags=["predict"]
# **Predict.** Where in the matrix of SSD do you see the stray click, and where the night? Can attention show either of them, without being told?

# %% [markdown] id="predict-look-zh" lang="zh" en="f97edd51" tags=["predict"]
# **猜一猜。** 在 SSD 的矩阵里，误点会出现在哪里，那一夜会出现在哪里？不告诉注意力的话，它能表现出其中哪一个吗？

# %% id="look-picture" tags=["picture", "nbval-ignore-output"]
generator = torch.Generator().manual_seed(4)
query, key = torch.randn(2, 9, 6, generator=generator).abs().unbind(0)  # positive, so that colours compare
chosen_steps = torch.full((9,), 0.3)
chosen_steps[2], chosen_steps[5] = 0.0, 6.0  # events 3 and 6
fading = torch.exp(segsum(-1.0 * chosen_steps))
attention_matrix = attention_weights(query, key, causal_mask(9))
ssd = fading * (query @ key.T) * chosen_steps
fig, axes = plt.subplots(1, 3, figsize=(11.5, 3.5))
panels = {
    "attention: softmax of C B^T": (attention_matrix, 1),
    "L: a mask that fades": (fading, 1),
    "SSD: L * C B^T, times the step": (ssd, 2.5),  # the colours end here; column 6 goes beyond
}
for ax, (title, (table, top)) in zip(axes, panels.items(), strict=True):
    image = ax.imshow(table, cmap="cividis", vmin=0, vmax=top)
    ax.set(title=title, xlabel="event that is read")
    ax.set_xticks(range(9), range(1, 10))
    ax.set_yticks(range(9), range(1, 10))
    ax.grid(False)
    fig.colorbar(image, ax=ax, shrink=0.8, extend="max" if top > 1 else "neither")
axes[0].set_ylabel("event that reads")
plt.show()

# %% [markdown] id="look-alt-en" lang="en" tags=["alt"]
# Three lower triangles of nine rows and columns as heat maps. Attention: the first row has a single bright cell, further down the brightness is spread over the whole row. The fading mask: bright along the diagonal and in a small block of events 1 to 5, darker towards the lower left there; from row 6 on the first five columns are black, a second block of events 6 to 9 begins. SSD: the same two blocks, column 3 entirely black, and column 6 brighter than the scale, from the diagonal down.

# %% [markdown] id="look-alt-zh" lang="zh" en="39cc7d71" tags=["alt"]
# 三个九行九列的下三角热力图。注意力：第一行只有一个亮格，越往下，亮度越摊开在整行上。逐渐衰减的掩码：对角线和事件 1 到 5 的小方块是亮的，越往左下越暗；从第 6 行起，前五列是黑的，事件 6 到 9 开始了第二个方块。SSD：同样的两个方块，第 3 列全黑，第 6 列从对角线往下亮得超出刻度。

# %% id="look-check"
expect_true("the stray click: its column is 0", (ssd[:, 2] == 0).all())
expect_true("it does not fade the others either: row 3 of L equals row 2", torch.equal(fading[2, :2], fading[1, :2]))
expect("what the night leaves of the evening", math.exp(-6), 0.0025, tol=0.0001)
expect_true("the night: less than that of events 1 to 5 is seen from 6 on", fading[5:, :5].max() <= math.exp(-6) + 1e-6)
expect_true("attention: every row sums to 1", torch.allclose(attention_matrix.sum(dim=1), torch.ones(9)))
expect_true(
    "attention gives the stray click more than 0.04 in every row from 3 on", attention_matrix[2:, 2].min() > 0.04
)
no_fading = {"delta": torch.ones(1, 9, 1), "A": torch.zeros(1), "B": key[None], "C": query[None]}
values = torch.randn(1, 9, 1, 5)
linear_attention = (causal_mask(9) * (query @ key.T)) @ values[0, :, 0]
expect_close(
    "without fading SSD is attention without softmax",
    ssd_matrix(values, **no_fading)[0, :, 0],
    linear_attention,
    tol=1e-4,
)

# %% [markdown] id="look-why-en" lang="en"
# The stray click is a black **column**: nobody reads it, and it fades nothing for the others. The night is a **block** structure: from event 6 on, only a share of 0.0025 is left of what came before. Both were made by nothing but the steps.
#
# Attention can learn to ignore a stray click, by its key. It has no fading, and its rows always sum to 1: somebody must get the attention, even if nobody deserves it. In return it can single out one event among thousands at full strength, while SSD must squeeze everything into one state. Set $A = 0$ and all steps to 1, and SSD *is* causal attention without the softmax. This double life is called *structured state-space duality*, hence the name SSD: **attention is a matrix, a state space is a recurrence, and here both are the same map.**

# %% [markdown] id="look-why-zh" lang="zh" en="59c4ded4"
# 误点是一个黑的**列**：谁也不读它，它也不让别人衰减。那一夜是一种**方块**结构：从事件 6 起，之前的一切只剩 0.0025。两者都只靠步长就做到了。
#
# 注意力可以学会不理误点，靠的是它的键。但注意力没有衰减，而且每行之和总是 1：注意力总得给谁，哪怕谁都不配。反过来，它能从几千个事件里以全部力度挑出一个，而 SSD 得把一切挤进一个状态。令 $A = 0$、所有步长为 1，SSD **就是**去掉 softmax 的因果注意力。这种双重身份叫**结构化状态空间对偶**（structured state-space duality），SSD 由此得名：**注意力是矩阵，状态空间是递推，在这里，两者是同一个映射。**

# %% [markdown] id="chunks-en" lang="en"
# ## In chunks: both at once
#
# Which form should a computer use? The recurrence does little work, but in $L$ steps that wait for each other. The matrix does everything at once, but has $L^2$ entries. The third form takes the best of both. Cut the history into *chunks* of $Q$ events:
#
# 1. **Inside** a chunk, use the matrix: $Q^2$ entries, all chunks at the same time.
# 2. What a chunk **passes on** is one state: all its inputs, each faded until the end of the chunk.
# 3. **Between** chunks, use the recurrence: only $L / Q$ steps.
# 4. Every event also reads the state that **entered** its chunk, faded until now.

# %% [markdown] id="chunks-zh" lang="zh" en="22e673b5"
# ## 分块：两者兼得
#
# 计算机该用哪种形式？递推的工作量小，但要走 $L$ 步，一步等一步。矩阵一口气算完，但有 $L^2$ 个格子。第三种形式取两者之长。把历史切成每块 $Q$ 个事件的**块**：
#
# 1. 块**内**用矩阵：$Q^2$ 个格子，所有块同时算。
# 2. 一块要**传下去**的只有一个状态：块里的所有输入，各自衰减到块的末尾。
# 3. 块**与块之间**用递推：只要 $L / Q$ 步。
# 4. 每个事件还要读一遍**进入**本块时的状态，衰减到此刻为止。

# %% [markdown] id="predict-chunks-en" lang="en" tags=["predict"]
# **Predict.** A history of 4,096 events. How many entries does the full matrix have, and how many do all the small matrices have together, with chunks of 64?

# %% [markdown] id="predict-chunks-zh" lang="zh" en="53bb5ad1" tags=["predict"]
# **猜一猜。** 一段历史有 4,096 个事件。完整的矩阵有多少个格子？每块 64 个事件时，所有小矩阵加起来有多少个？

# %% id="chunks-code" tags=["library"]
print(f"one matrix: {4096**2:,} entries; in chunks of 64: {4096 // 64 * 64**2:,}")

from tutorial_lib.models.mamba import linear_scan

# show: tutorial_lib.models.mamba.ssd_chunked

# %% id="chunks-check" tags=["reference-check"]
for length in (1, 5, 64, 130):
    expected = ssd_recurrence(*ssd_operands(length, seed=length))
    for chunk in (1, 7, 64, 1000):
        ours = ssd_chunked(*ssd_operands(length, seed=length), chunk=chunk)
        assert torch.allclose(ours, expected, rtol=0, atol=1e-11), (length, chunk)
    expect_close(f"length {length}: chunks of 1, 7, 64 and 1,000 equal the recurrence", ours, expected, tol=1e-11)

# %% [markdown] id="cost-en" lang="en"
# ## What does it cost?
#
# Now measure, forward and backward, one history of growing length, 128 channels: causal attention with PyTorch's fused operator (which never stores the matrix), the S6 scan, and SSD in chunks. We count processor seconds on one thread.

# %% [markdown] id="cost-zh" lang="zh" en="4df8190d"
# ## 要花多少代价？
#
# 现在来测：一段越来越长的历史，128 个通道，前向加反向。三个对手：PyTorch 的融合算子做的因果注意力（它从不把矩阵存下来），S6 的扫描，分块的 SSD。计的是单线程的处理器秒数。

# %% [markdown] id="predict-cost-en" lang="en" tags=["predict"]
# **Predict.** Double the length: by which factor does each of the three grow? And which is the fastest at 64 events?

# %% [markdown] id="predict-cost-zh" lang="zh" en="0e2aea00" tags=["predict"]
# **猜一猜。** 长度加倍，三者各涨几倍？在 64 个事件处，谁最快？


# %% id="cost-code" tags=["nbval-ignore-output"]
def leaves(*shapes):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(*shape, generator=generator).requires_grad_() for shape in shapes]


def fused_attention(length):
    inputs = leaves(*[(1, 4, length, 32)] * 3)
    return inputs, lambda query, key, value: F.scaled_dot_product_attention(query, key, value, is_causal=True)


def s6(length):
    inputs = leaves((1, length, 128), (1, length, 128), (128, 16), (1, length, 16), (1, length, 16))
    return inputs, lambda x, step, A, B, C: selective_scan(x, F.softplus(step - 3), -A.exp(), B, C)


def ssd_in_chunks(length):
    inputs = leaves((1, length, 4, 32), (1, length, 4), (4,), (1, length, 32), (1, length, 32))
    return inputs, lambda x, step, A, B, C: ssd_chunked(x, F.softplus(step - 3), -A.exp(), B, C)


def processor_seconds(make, length, repeats=3):
    """Least of several forward and backward passes, after one to warm up."""
    inputs, form = make(length)
    taken = []
    for _ in range(repeats + 1):
        begin = time.process_time()
        torch.autograd.grad(form(*inputs).sum(), inputs)
        taken.append(time.process_time() - begin)
    return min(taken[1:])


threads = torch.get_num_threads()
torch.set_num_threads(1)
lengths = [64, 128, 256, 512, 1024, 2048, 4096]
cost = {
    "attention, fused": [processor_seconds(fused_attention, length) for length in lengths],
    "S6, scan": [processor_seconds(s6, length) for length in lengths[:6]],
    "SSD, chunks of 64": [processor_seconds(ssd_in_chunks, length) for length in lengths],
}
torch.set_num_threads(threads)
growth = {}  # p in cost = c * length^p, over the longer half
for name, values in cost.items():
    growth[name] = np.polyfit(np.log(lengths[: len(values)][-3:]), np.log(values[-3:]), 1)[0]
    print(f"{name:20s} {[f'{1000 * value:.1f} ms' for value in values]}  grows with L^{growth[name]:.2f}")

# %% id="cost-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7, 3.6))
for (name, values), marker in zip(cost.items(), plots.MARKERS, strict=False):
    ax.plot(lengths[: len(values)], values, marker=marker, label=name)
ax.set(xscale="log", yscale="log", xlabel="length of the history (events)", ylabel="processor time (s)")
ax.set_xticks(lengths, lengths)
ax.minorticks_off()
ax.legend()
plt.show()

# %% [markdown] id="cost-alt-en" lang="en" tags=["alt"]
# Processor time against length, both axes logarithmic, from 64 to 4,096 events. The S6 scan is the highest line, nearly straight, with slope 1. SSD in chunks runs parallel to it, far below. Attention starts at the bottom, but is steeper, crosses the line of SSD at a few hundred events and ends near S6.

# %% [markdown] id="cost-alt-zh" lang="zh" en="f042ade0" tags=["alt"]
# 处理器时间对长度的图，两轴都是对数刻度，从 64 到 4,096 个事件。S6 的扫描是最高的一条，几乎是直线，斜率为 1。分块的 SSD 与它平行，低得多。注意力从最底下起步，但更陡，在几百个事件处与 SSD 的线交叉，末端接近 S6。

# %% id="cost-check"
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def products(make, length):
    """Multiplications and additions inside matrix products, forward: a count that no other machine would change."""
    inputs, form = make(length)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        form(*inputs)
    return counter.get_total_flops()


expect(
    "SSD, four times the length: products times",
    products(ssd_in_chunks, 4096) / products(ssd_in_chunks, 1024),
    4,
    tol=0.1,
)
expect(
    "attention, four times the length: products times",
    products(fused_attention, 4096) / products(fused_attention, 1024),
    16,
    tol=0.1,
)
share = {length: products(ssd_in_chunks, length) / products(fused_attention, length) for length in (64, 4096)}
expect_true("at 64 events SSD needs more than half the products of attention", share[64] > 0.5)
expect_true("at 4,096 less than a fiftieth", share[4096] < 0.02)

# %% [markdown] id="cost-why-en" lang="en"
# The seconds are those of one machine, so the check counts products instead: four times the length costs SSD four times as many, and attention sixteen times. But look at the left end: at 64 events SSD needs more than half the products of attention, in many more small steps, and in the picture attention is the fastest there. At 4,096 it needs less than a fiftieth. In between lies the crossing; on the machine that made this page the times cross near 256 events, on yours they may do so elsewhere. Be wary of a paper that praises linear cost at a length of 50.
#
# In the picture S6 loses to SSD, although both are linear: its scan walks through the events one by one. On graphics cards Mamba hides this in a hand-written kernel. On a CPU the chunks are the better idea.

# %% [markdown] id="cost-why-zh" lang="zh" en="79db5f97"
# 秒数只属于一台机器，所以检查改数乘积的次数：长度变为四倍，SSD 的乘积变为四倍，注意力的变为十六倍。但看看左端：64 个事件时，SSD 的乘积仍是注意力的一半以上，还要分成多得多的小步，图中在那里最快的是注意力。4,096 个事件时，SSD 只要不到五十分之一。交点在两者之间；在生成这一页的机器上，两条时间曲线在 256 个事件左右相交，在你的机器上可能不在同一处。如果一篇论文在长度 50 上夸耀线性代价，要多个心眼。
#
# 图中 S6 输给 SSD，尽管两者都是线性的：它的扫描一个一个事件地走。在显卡上，Mamba 用手写的算子把这一点藏了起来。在 CPU 上，分块是更好的办法。

# %% [markdown] id="init-en" lang="en" tags=["break-it"]
# ## Break it, 1: the start that is overwritten
#
# Mamba takes care of how its memories begin: the bias of the step is set such that the steps lie between 0.001 and 0.1, some memories long, some short. Then the block is put into a recommender, and the recommender ends its construction with a line like `self.apply(initialise)`: every `nn.Linear` gets small random weights and a bias of **zero**. In the original code the step's weight and bias *are* an `nn.Linear`. Nothing complains.
#
# **Predict.** What is the step of every channel after that, and after how many events is a tenth of an input left? (The slowest numbers have $A = -1$.)

# %% [markdown] id="init-zh" lang="zh" en="9aa4a031" tags=["break-it"]
# ## 弄坏它之一：开头被覆盖
#
# Mamba 很讲究记忆的起点：步长的偏置是特意设定的，让步长落在 0.001 到 0.1 之间，有的记忆长，有的短。后来这个块被装进一个推荐模型，而推荐模型在构造的最后有这么一行 `self.apply(initialise)`：每个 `nn.Linear` 都得到小的随机权重，偏置一律为**零**。在原始代码里，步长的权重和偏置**正是**一个 `nn.Linear`。没有任何报错。
#
# **猜一猜。** 在那之后，每个通道的步长是多少？过多少个事件，一个输入就只剩十分之一？（最慢的数 $A = -1$。）


# %% id="init-code" tags=["break-it"]
def ported(dim):
    """The same block with the step in an `nn.Linear`, as in the original code and its ports."""
    block = SelectiveSSM(dim)
    block.dt_proj = nn.Linear(block.step_weight.shape[1], block.step_weight.shape[0])
    block.dt_proj.weight, block.dt_proj.bias = block.step_weight, block.step_bias  # one and the same parameters
    return block


@torch.no_grad()
def reach(block, distances, length=200, histories=8):
    """How far the last output moves when the event `distance` back changes, relative to the first distance."""
    x = torch.randn(histories, length, 16, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    before, moved = block.double()(x)[:, -1], []
    for distance in distances:
        changed = x.clone()
        changed[:, -1 - distance] *= -1
        moved.append((block(changed)[:, -1] - before).norm(dim=1).mean())
    return torch.stack(moved) / moved[0]


distances = [5, 10, 20, 50, 100, 190]  # beyond the 4 events that the convolution sees
reaches, start = {}, {}
for name, make in {"ported, then initialised": ported, "library, then initialised": SelectiveSSM}.items():
    torch.manual_seed(0)
    blocks = [make(16).apply(initialise) for _ in range(5)]
    start[name] = F.softplus(torch.cat([block.step_bias.detach() for block in blocks]))
    reaches[name] = torch.stack([reach(block, distances) for block in blocks]).mean(dim=0)
lost, kept = start.values()
expect("ported: the step of every channel", lost.mean(), 0.69, tol=0.005)
expect_true("ported: they are all the same", lost.max() - lost.min() < 1e-6)
expect_true("library: between 0.001 and 0.1 as before", kept.min() > 0.00099 and kept.max() < 0.101)
for step, want in ((0.001, 2300), (0.1, 23), (math.log(2), 3.3)):
    expect(f"events until a tenth is left, step {step:.3g}", math.log(10) / step, want, tol=0.05 * want)

# %% id="init-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7, 3.2))
for (name, values), marker in zip(reaches.items(), plots.MARKERS, strict=False):
    ax.plot(distances, values.clamp(min=1e-12), marker=marker, label=name)
ax.set(yscale="log", xlabel="how many events back", ylabel="influence on the last output\n(relative to 5 back)")
ax.legend()
plt.show()

# %% [markdown] id="init-alt-en" lang="en" tags=["alt"]
# Influence on the last output against the distance of the changed event, 5 to 190, logarithmic. The ported block falls like a stone and reaches the floor of the picture at 50 events. The library's block falls slowly and is still well above a hundredth at 190 events.

# %% [markdown] id="init-alt-zh" lang="zh" en="df793770" tags=["alt"]
# 对最后输出的影响，横轴是被改动的事件有多远，从 5 到 190，纵轴对数刻度。移植的块直线坠落，50 个事件处已到图的底部。库里的块缓慢下降，190 个事件处仍远高于百分之一。

# %% id="init-check"
gone, there = reaches.values()
expect_true("ported: 50 events back there is less than a billionth", gone[3] < 1e-9)
expect_true("mended: 190 events back there is still more than a hundredth", there[5] > 0.01)

# %% [markdown] id="init-why-en" lang="en"
# All steps become $\mathrm{softplus}(0) = 0.69$, and a tenth is left after 3.3 events instead of 23 to 2,300. A model made for long histories starts with the memory of a goldfish, and 50 events back nothing is left that a gradient could hold on to. Training *may* lift the bias again; whether it does in your number of epochs you do not know. The ports of Mamba4Rec and SS4Rec have this fault. TiM4Rec has not, because Mamba-2 keeps the bias outside of any `nn.Linear`, and so does our library for both. The test is one line: compare the steps before and after the construction of the **whole** model.

# %% [markdown] id="init-why-zh" lang="zh" en="c12360fd"
# 所有步长都变成 $\mathrm{softplus}(0) = 0.69$，只剩十分之一不再需要 23 到 2,300 个事件，而只要 3.3 个。一个为长历史而造的模型，起步时记性像金鱼；50 个事件之前的东西，已经没有梯度可以抓住。训练**也许**能把偏置再拉回来，但在你的轮数之内能不能，你并不知道。Mamba4Rec 和 SS4Rec 的公开代码都有这个毛病。TiM4Rec 没有，因为 Mamba-2 把偏置放在任何 `nn.Linear` 之外；我们的库对两者都这样做。检查只要一行：比较**整个**模型构造前后的步长。

# %% [markdown] id="overflow-en" lang="en" tags=["break-it"]
# ## Break it, 2: the matrix that overflows
#
# $L_{ij}$ is $e$ to the power of a sum from $j + 1$ to $i$. With the running sums $s_i$ that is $e^{s_i - s_j}$, and a tempting shortcut is $e^{s_i} \cdot e^{-s_j}$: two vectors instead of a table, no sums over pairs. On paper it is the same.
#
# **Predict.** 200 events with steps around 0.7 and $A = -1$, in ordinary 32-bit numbers. What happens?

# %% [markdown] id="overflow-zh" lang="zh" en="c900ff75" tags=["break-it"]
# ## 弄坏它之二：溢出的矩阵
#
# $L_{ij}$ 是 $e$ 的幂，指数是从 $j + 1$ 到 $i$ 的和。用累积和 $s_i$ 来写就是 $e^{s_i - s_j}$，于是有一条诱人的捷径：$e^{s_i} \cdot e^{-s_j}$，两个向量代替一张表，不必对每一对求和。纸面上两者相同。
#
# **猜一猜。** 200 个事件，步长在 0.7 上下，$A = -1$，用普通的 32 位数。会发生什么？

# %% id="overflow-code" tags=["break-it"]
log_decay = -F.softplus(torch.randn(200, generator=torch.Generator().manual_seed(0)))
truth = torch.exp(segsum(log_decay.double()))
sums = log_decay.cumsum(dim=0)
shortcut = (torch.exp(sums)[:, None] * torch.exp(-sums)).tril()
expect_true("shortcut: entries that are no numbers", shortcut.isnan().any() or shortcut.isinf().any())
near = torch.ones(200, 200).tril(-1).triu(-3).bool()  # entries of up to three events back
differences = torch.exp(sums[:, None] - sums)
worse = ((differences - truth).abs() / truth)[near].max()
mended = ((torch.exp(segsum(log_decay)) - truth).abs() / truth)[near].max()
expect_true("difference of running sums: finite, but more than ten times less precise", worse > 10 * mended)
expect_true("mended, segsum: relative error below 1e-6", mended < 1e-6)

# %% [markdown] id="overflow-why-en" lang="en"
# After about a hundred events $s_j$ is below −88, and $e^{88}$ is about the largest 32-bit number: `inf`, times a number that has become 0, gives `nan`. The difference $s_i - s_j$ does not overflow, but it takes the difference of two large numbers to get a small one, and loses digits. The library sums every stretch by itself (`segsum`).

# %% [markdown] id="overflow-why-zh" lang="zh" en="fcf1b9d4"
# 大约一百个事件之后，$s_j$ 低于 −88，而 $e^{88}$ 差不多是 32 位数的上限：得到 `inf`，再乘一个已经变成 0 的数，就是 `nan`。差 $s_i - s_j$ 不会溢出，但要用两个大数相减得到一个小数，会丢掉有效数字。库里对每一段单独求和（`segsum`）。

# %% [markdown] id="stream-en" lang="en"
# ## Streaming: one event more
#
# A user clicks; the list must be new at once. A Transformer looks again at all earlier events, or at least at the keys and values it has kept of each. A state space keeps one state of fixed size and makes **one step**. Here is the Mamba-2 block with its `step`.

# %% [markdown] id="stream-zh" lang="zh" en="1968624a"
# ## 流式推理：再来一个事件
#
# 用户点了一下，列表必须马上更新。Transformer 要把以前的事件再看一遍，至少要看为每个事件留下的键和值。状态空间只保留一个大小固定的状态，走**一步**就行。下面是 Mamba-2 块和它的 `step`。

# %% id="stream-library" tags=["library"]
from tutorial_lib.errors import TutorialError
from tutorial_lib.models.mamba import Memory

# show: tutorial_lib.models.mamba.SSDBlock

# %% id="stream-check" tags=["reference-check"]
torch.manual_seed(0)
block, history = SSDBlock(16).double(), torch.randn(2, 40, 16, dtype=torch.double)
full_pass, memory, outputs, sizes = block(history), None, [], []
for event in history.unbind(dim=1):
    y, memory = block.step(event, memory)
    outputs.append(y)
    sizes.append(sum(part[0].numel() for part in memory))
expect_close("40 single steps equal the full pass", torch.stack(outputs, dim=1), full_pass, tol=1e-12)
expect_true("the memory of a user has the same size after 1 event and after 40", sizes[0] == sizes[-1])
print("numbers kept for one user:", sizes[-1])

# %% [markdown] id="drawing-en" lang="en"
# The block in one drawing; the numbers give the order.
#
# ![Step 1: one map makes three things of each event: channels, a raw step, a gate z. Step 2: a causal convolution over the last few events and SiLU give x, B and C. Step 3: softplus makes the step Delta, larger than 0. Step 4: SSD: the state fades by e to the power Delta A and takes up Delta B x; C reads it. Inside chunks this is a matrix, between chunks a recurrence. Step 5: D times x is added. Step 6: the gate SiLU of z multiplies. Step 7: RMSNorm. Step 8: the output map. The order enters by the state; time does not enter.](../figures/en/ssd.svg)
#
# **Read it off the drawing.** Which step decides how much of the past is kept? Does it look at the clock?
#
# <details><summary>Answer</summary>
#
# Step 3 makes the step $\Delta$, and step 4 lets the state fade by $e^{\Delta A}$. It is computed from the item, so the clock has no say.
#
# </details>

# %% [markdown] id="drawing-zh" lang="zh" en="6256cdf6"
# 整个块画成一张图；数字表示先后。
#
# ![第 1 步：一个映射从每个事件算出三样东西：通道、原始步长、门 z。第 2 步：对最近几个事件做因果卷积，再做 SiLU，得到 x、B 和 C。第 3 步：softplus 给出大于 0 的步长 Delta。第 4 步：SSD：状态按 e 的 Delta A 次方衰减，并吸收 Delta B x；由 C 读出。块内是矩阵，块间是递推。第 5 步：加上 D 乘 x。第 6 步：乘以门，即 z 的 SiLU。第 7 步：RMSNorm。第 8 步：输出映射。顺序通过状态进入；时间没有进入。](../figures/zh/ssd.svg)
#
# **从图上找答案。** 哪一步决定过去留下多少？它看时钟吗？
#
# <details><summary>答案</summary>
#
# 第 3 步给出步长 $\Delta$，第 4 步让状态按 $e^{\Delta A}$ 衰减。步长由物品算出，时钟说不上话。
#
# </details>

# %% [markdown] id="stream-break-en" lang="en" tags=["break-it"]
# ## Break it, 3: a stream without the convolution
#
# The state is not all that a block remembers. Its convolution looks at the last four events, so three inputs must be kept as well. Forget them, and a stream computes something else than the training did.

# %% [markdown] id="stream-break-zh" lang="zh" en="45ae60e7" tags=["break-it"]
# ## 弄坏它之三：忘了卷积的流
#
# 一个块记住的不只是状态。它的卷积要看最近四个事件，所以还得留着三个输入。忘了它们，流式推理算的就和训练时不是一回事。

# %% id="stream-break-code" tags=["break-it"]
memory, outputs = None, []
for event in history.unbind(dim=1):
    y, (recent, state) = block.step(event, memory)
    memory = torch.zeros_like(recent), state  # the last inputs are forgotten
    outputs.append(y)
wrong = torch.stack(outputs, dim=1)
off = (wrong - full_pass)[:, 1:].norm() / full_pass[:, 1:].norm()
expect_true("the first event is right", torch.allclose(wrong[:, 0], full_pass[:, 0]))
expect_true("from the second on, the error is more than a third of the output", off > 1 / 3)

# %% [markdown] id="mamba4rec-en" lang="en" tags=["library"]
# ## The recommender
#
# Mamba4Rec is SASRec (lesson 07) with the attention exchanged for such a block. It needs no positions, because a recurrence knows the order by itself. Ours has Mamba-2 as its default.

# %% [markdown] id="mamba4rec-zh" lang="zh" en="81e37ff3" tags=["library"]
# ## 装成推荐模型
#
# Mamba4Rec 就是把 SASRec（第 07 课）的注意力换成这样的块。它不需要位置，因为递推自己就知道顺序。我们的版本默认用 Mamba-2。

# %% id="mamba4rec-code" tags=["library"]
from tutorial_lib.models.base import Dropout, SequenceModel
from tutorial_lib.models.sasrec import FeedForward

# show: tutorial_lib.models.mamba4rec.MambaLayer
# show: tutorial_lib.models.mamba4rec.Mamba4Rec

# %% id="mamba4rec-check" tags=["reference-check"]
items = torch.tensor([3, 14, 15, 9, 2, 6, 5, 35, 8, 20])
for kind in ("ssd", "s6"):
    torch.manual_seed(0)
    model = Mamba4Rec(40, 10, dim=16, mixer=kind).double().eval()  # double, so that rounding hides no influence
    table = influence(model, items)
    expect_true(f"{kind}: no state sees a later event", not table.triu(1).any())
    expect_true(f"{kind}: the last state sees every event", table[-1].all())
    steps = [F.softplus(layer.mixer.step_bias) for layer in model.layers]
    expect_true(
        f"{kind}: the steps survived the initialisation", all(0.00099 < s.min() < s.max() < 0.101 for s in steps)
    )

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **11.1 Implement.** What does a chunk pass on? Compute the state after the last event of one head, **without a loop over the events**: every input, faded from its event to the end, times its $B$.

# %% [markdown] id="exercise1-zh" lang="zh" en="d6e6b692" tags=["exercise"]
# ## 练习
#
# **11.1 实现。** 一块要传下去的是什么？算出一个头在最后一个事件之后的状态，**不许对事件循环**：每个输入从自己的事件衰减到末尾，再乘上它的 $B$。


# %% id="exercise1-code" tags=["exercise"]
def end_state(x, delta, A, B):
    """x [L, P], delta [L], A a negative number, B [L, N] -> state [P, N], from an empty start."""
    ...


lesson11.check_end_state(end_state)


# %% id="exercise1-solution" tags=["solution"]
# Solution

def end_state(x, delta, A, B):
    since = delta.sum() - delta.cumsum(dim=0)  # the steps after each event: its own does not fade it
    return (torch.exp(A * since) * delta * x.T) @ B


lesson11.check_end_state(end_state)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **11.2 Modify.** Some events are known to be stray. Without taking them out of the tensors, let SSD compute what it would compute **if they were not there**. `skip` is True at stray events; what is returned there does not matter.

# %% [markdown] id="exercise2-zh" lang="zh" en="dc535da3" tags=["exercise"]
# **11.2 修改。** 已经知道有些事件是误点。不把它们从张量里拿掉，让 SSD 算出**假如它们不存在**时的结果。`skip` 在误点处为 True；那些位置返回什么都无所谓。


# %% id="exercise2-code" tags=["exercise"]
def without(x, delta, A, B, C, skip):
    """x [b, L, H, P], delta [b, L, H], A [H], B, C [b, L, N], skip bool [b, L] -> y [b, L, H, P]."""
    ...


lesson11.check_without(without)


# %% id="exercise2-solution" tags=["solution"]
# Solution

def without(x, delta, A, B, C, skip):
    # A step of 0 does both: the event fades nothing and writes nothing. Emptying x or B would leave the fading in place.
    return ssd_chunked(x, delta.masked_fill(skip[..., None], 0), A, B, C)


lesson11.check_without(without)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **11.3 Measure.** How long is the memory of an untrained `SelectiveSSM`? For every channel, take its step at an input of 0 and its **slowest** number, and return after how many events at most a tenth of an input is left.

# %% [markdown] id="exercise3-zh" lang="zh" en="2016c0d2" tags=["exercise"]
# **11.3 测量。** 没训练过的 `SelectiveSSM` 记得多久？对每个通道，取它在输入为 0 时的步长和它**最慢**的那个数，返回过多少个事件之后，一个输入最多只剩十分之一。


# %% id="exercise3-code" tags=["exercise"]
def memory_length(step_bias, A_log):
    """step_bias [D], A_log [D, N], as in the block -> whole number of events for each channel, int64 [D]."""
    ...


lesson11.check_memory_length(memory_length)


# %% id="exercise3-solution" tags=["solution"]
# Solution

def memory_length(step_bias, A_log):
    slowest = A_log.exp().amin(dim=1)  # A = -exp(A_log), so the smallest size fades most slowly
    return torch.ceil(math.log(10) / (F.softplus(step_bias) * slowest)).long()


lesson11.check_memory_length(memory_length)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **11.4 Think.** Which of these changes leave **all outputs of SSD** as they were, whatever the numbers? Give a set of letters.
#
# - A: every $B$ is doubled and every $C$ halved
# - B: every step is doubled and every $A$ halved
# - C: every step is doubled, every $A$ halved, and every $x$ halved
# - D: the step of the first event is doubled
# - E: an event with step 0 is put in somewhere, and we look at the outputs of the old events
# - F: all $B$ and $C$ are turned by the same rotation

# %% [markdown] id="exercise4-zh" lang="zh" en="1492b876" tags=["exercise"]
# **11.4 思考。** 下面哪些改动，无论数值如何，都会让 **SSD 的所有输出**保持原样？用字母的集合作答。
#
# - A：每个 $B$ 乘以 2，每个 $C$ 除以 2
# - B：每个步长乘以 2，每个 $A$ 除以 2
# - C：每个步长乘以 2，每个 $A$ 除以 2，每个 $x$ 除以 2
# - D：第一个事件的步长乘以 2
# - E：在某处插进一个步长为 0 的事件，只看原来那些事件的输出
# - F：所有 $B$ 和 $C$ 做同一个旋转

# %% id="exercise4-code" tags=["exercise"]
unchanged = ...

lesson11.check_unchanged(unchanged)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# A and F leave every C.B alone. B keeps the decays but doubles what is written; C takes that back. D writes the first event
# twice as strongly (its own step fades only what came before it, and that is nothing). E fades and writes nothing.
unchanged = {"A", "C", "E", "F"}

lesson11.check_unchanged(unchanged)

# %% [markdown] id="answer-en" lang="en"
# ## Ken's evening, answered
#
# What did Ken buy, in which order? The memory that fades alike at every event is right in about 61 of 100 answers; the one that chooses its steps hardly ever errs. It does what you did with the notebook: it lets stray clicks pass with a step near 0 and moves its clock only when something is bought.
#
# The events choose the step here, not the clock on the wall. Two clicks a minute apart and two clicks a year apart look the same to Mamba. Lessons 12 and 13 bring the real clock back in: TiM4Rec lets it scale the chosen step, and SS4Rec gives it a state space of its own.

# %% [markdown] id="answer-zh" lang="zh" en="0a93c3cc"
# ## 回答开头的问题
#
# 小凯买了什么，先后顺序如何？每个事件都一样衰减的记忆，100 次里大约答对 61 次；会选步长的几乎从不出错。它做的正是你拿着小本子做的事：误点以接近 0 的步长放过去，只有买了东西，它的时钟才走。
#
# 不过，这里选步长的是事件，不是墙上的钟。相隔一分钟的两次点击和相隔一年的两次点击，在 Mamba 看来一模一样。第 12、13 课会把真正的时钟请回来：TiM4Rec 让它去缩放选出的步长，SS4Rec 则给它一个专属的状态空间。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. A selective state space lets the event choose its step: near 0 it is ignored, a large one wipes out the past.
# 2. A time-invariant memory stores by age and fails at selective copying; with chosen steps the same memory makes a clock of its own and solves it.
# 3. SSD is one map in three forms: a recurrence, a matrix $L \circ C B^\top$, and chunks. The matrix is attention without softmax, with a mask that fades.
# 4. Chunks cost time in proportion to the length, attention with its square; on short histories fused attention is ahead.
# 5. Check that the step sizes survive the initialisation, sum every stretch by itself, and keep the inputs of the convolution when streaming.

# %% [markdown] id="summary-zh" lang="zh" en="a42be685" tags=["summary"]
# ## 小结
#
# 1. 选择性状态空间让事件自己选步长：接近 0 就是不理会，很大就是抹掉过去。
# 2. 时不变的记忆按年龄存东西，做不了选择性复制；让它自选步长，同样的记忆就会给自己造一个时钟，把任务解出来。
# 3. SSD 是同一个映射的三种形式：递推，矩阵 $L \circ C B^\top$，分块。那个矩阵就是没有 softmax、掩码逐渐衰减的注意力。
# 4. 分块的时间与长度成正比，注意力与长度的平方成正比；历史短时，融合的注意力领先。
# 5. 要检查步长没有被初始化覆盖，要对每一段单独求和，流式推理时要留着卷积的输入。

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - A. Gu, T. Dao, *Mamba: Linear-Time Sequence Modeling with Selective State Spaces*, 2023: section 3.1 (selective copying), sections 3.2 to 3.5, theorem 1 (the gate). [arXiv 2312.00752](https://arxiv.org/abs/2312.00752)
# - T. Dao, A. Gu, *Transformers are SSMs: Generalized Models and Efficient Algorithms Through Structured State Space Duality*, ICML 2024: sections 5 to 7. [arXiv 2405.21060](https://arxiv.org/abs/2405.21060)
# - C. Liu et al., *Mamba4Rec: Towards Efficient Sequential Recommendation with Selective State Space Models*, 2024: section 3. [arXiv 2403.03900](https://arxiv.org/abs/2403.03900)
# - In this repository: `tutorial_lib/models/mamba.py`, `tutorial_lib/models/mamba4rec.py`, `tutorial_lib/kernels/scan.py`, `tests/models/test_mamba.py`.

# %% [markdown] id="references-zh" lang="zh" en="cc0442e8" tags=["references"]
# ## 参考文献
#
# - A. Gu、T. Dao，*Mamba: Linear-Time Sequence Modeling with Selective State Spaces*，2023：第 3.1 节（选择性复制），第 3.2 到 3.5 节，定理 1（门）。[arXiv 2312.00752](https://arxiv.org/abs/2312.00752)
# - T. Dao、A. Gu，*Transformers are SSMs: Generalized Models and Efficient Algorithms Through Structured State Space Duality*，ICML 2024：第 5 到 7 节。[arXiv 2405.21060](https://arxiv.org/abs/2405.21060)
# - C. Liu 等，*Mamba4Rec: Towards Efficient Sequential Recommendation with Selective State Space Models*，2024：第 3 节。[arXiv 2403.03900](https://arxiv.org/abs/2403.03900)
# - 本仓库：`tutorial_lib/models/mamba.py`，`tutorial_lib/models/mamba4rec.py`，`tutorial_lib/kernels/scan.py`，`tests/models/test_mamba.py`。
