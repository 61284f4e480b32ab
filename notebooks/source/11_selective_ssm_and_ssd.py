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
# 小凯今晚在一家网店里打开了十二个页面。其中三样他买了：帐篷、灯、绳子。另外九个都是误点，例如手滑、点到广告、打开后马上关掉的页面。你拿着一个小本子站在他身后，最后被问到：“他买了什么，先后顺序如何？”
#
# 这再容易不过了：把买的记下来，其余的不理会。现在把这个任务交给第 10 课的记忆。无论来的是什么事件，它每次都按同样的倍数衰减。到最后，帐篷可能在三个事件之前，也可能在十二个事件之前；它留下的痕迹与中间发生的一切混在一起，而中间有过多少次误点，并没有记录。
#
# 这里缺少的是这样一种记忆：**先看事件是什么，再决定**是衰减、写入，还是忽略它。在这一课里，你会让记忆具备这种选择能力，看它解决小凯的任务，然后发现它的另一面：写成矩阵，它就是注意力。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - compute a selective state space by hand, and say what its step size decides;
# - show by experiment what a time-invariant memory cannot do and a selective one can;
# - write SSD as recurrence, as matrix and in chunks, and prove the three equal;
# - explain the sentence "attention is a matrix, a state space is a recurrence" with one and the same matrix;
# - measure how the cost grows with the length of a history, and say what one number an event can express;
# - recognise three faults: step sizes overwritten at the start, a matrix that overflows, and a stream that forgets the convolution.

# %% [markdown] id="objectives-zh" lang="zh" en="ec53742f" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 手算一个选择性状态空间（selective state space），说明它的步长决定了什么；
# - 用实验说明，哪些事时不变的记忆做不到，而有选择的记忆能做到；
# - 把 SSD 写成递推、写成矩阵、写成分块，并证明三者相等；
# - 用同一个矩阵解释“注意力是矩阵，状态空间是递推”这句话；
# - 测出计算量怎样随历史的长度增长，并说明每个事件一个数的表达能力；
# - 识别三种错误：步长的初始值被覆盖，矩阵溢出，以及流式推理漏了卷积缓存。

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
from tutorial_lib.notebook import progress_bar

torch.manual_seed(0)
plots.use_style()

# %% [markdown] id="tiny-en" lang="en"
# ## Three events and one number
#
# Let the memory be a single number $h$, and the events the numbers 3 (the tent), 8 (a stray click) and 5 (the rope). A memory like that of lesson 10, with the eigenvalue $-1$ and the weight $\Delta_t$ of the Euler method, does
#
# $$h_t = e^{-\Delta_t} h_{t-1} + \Delta_t x_t .$$
#
# There, $\Delta_t$ was the gap on the clock. Here is the one new idea of this lesson: **let the event choose its own** $\Delta_t$, the *step size*. Say that purchases ask for a step of 1 and stray clicks for a step of 0.
#
# <!-- definition -->

# %% [markdown] id="tiny-zh" lang="zh" en="f3ae13c5"
# ## 三个事件，一个数
#
# 设记忆只有一个数 $h$，三个事件对应的数是 3（帐篷）、8（误点）、5（绳子）。像第 10 课那样的记忆，取特征值 $-1$ 和欧拉法的权重 $\Delta_t$，就是：
#
# $$h_t = e^{-\Delta_t} h_{t-1} + \Delta_t x_t .$$
#
# 在第 10 课里，$\Delta_t$ 是真实的时间间隔。这一课只有一个新想法：**让事件自己选择** $\Delta_t$，即**步长**。例如，购买选择步长 1，误点选择步长 0。
#
# <!-- definition -->

# %% [markdown] id="predict-tiny-en" lang="en" tags=["predict"]
# **Predict before you run.** What is in the memory after the stray click, if every event takes a step of 1, and if the events choose? Look back at what lesson 10 said about an event with a step of 0.

# %% [markdown] id="predict-tiny-zh" lang="zh" en="466f8444" tags=["predict"]
# **先猜，再运行。** 误点之后，记忆的值是多少？分别考虑每个事件的步长都是 1，以及由事件自己选择步长的情况。回想一下，第 10 课对步长为 0 的事件是怎么说的？

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
# 步长相同时，记忆的值是 9.10，几乎全部来自误点。自己选择步长时，误点不留痕迹：衰减是 1，权重是 0，记忆仍是 3。在第 10 课，间隔为 0 的事件没有留下任何影响，那是一个错误；在这里，同样的效应成了有用的手段。
#
# 大步长则相反：$e^{-\Delta}$ 几乎是 0，过去被抹掉，由这个事件取而代之。仅用一个数，就能在**忽略**和**重新开始**之间做出选择。
#
# 网络用 $\Delta = \mathrm{softplus}(z)$ 从事件算出步长，其中 $z = w \cdot x + b$，而 $\mathrm{softplus}(z) = \ln(1 + e^z)$ 不论 $z$ 是多少都为正。由此得到一个简洁的结果：

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
# ## 小凯的任务
#
# 一共十二个事件，其中三个位置随机的事件是购买，商品有四种，其余都是误点。然后是三次提问，模型要依次答出第一件、第二件和第三件买的商品。文献中称之为**选择性复制**（selective copying）。随机猜测时，四次里能对一次。
#
# 模型用第 10 课的 LRU，16 个复数记忆，前面一个嵌入，后面一个线性输出层。比较的两个模型**只有一处**不同，即步长。第一个对每个事件都用步长 1，它是线性时不变的（linear time-invariant，LTI）。第二个用 $\sigma(s)$，每种事件各有一个学出来的数 $s$，总共只多六个参数。（LRU 采用脉冲形式：无论步长多大，事件都完整地进入状态。两个模型都可以给误点学一个接近零的嵌入；只有第二个模型能选择的，是状态演化多远。）
#
# 为了对第一个模型公平，还给它一个容易的任务：购买总在最前面，位置是 1、2、3。如果连这个任务也做不到，就说明它根本没有记忆能力。

# %% [markdown] id="predict-task-en" lang="en" tags=["predict"]
# **Predict.** How often is the LTI memory right on the easy task, and on Ken's? And the one that chooses its steps? Which step will it give to a stray click?

# %% [markdown] id="predict-task-zh" lang="zh" en="fde6f2a4" tags=["predict"]
# **猜一猜。** LTI 的记忆在容易的任务和小凯的任务上，各能答对多少？能选择步长的记忆呢？它会给误点多大的步长？


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
cases = (
    ("LTI, first places", False, False),
    ("LTI, random places", False, True),
    ("chooses, random places", True, True),
)
for name, chooses, scattered in progress_bar(cases, "model"):
    right[name] = []
    for seed in progress_bar(range(5), "seed"):
        torch.manual_seed(seed)
        model = fit_copier(Copier(chooses), scattered, seed)
        right[name].append(share_right(model, scattered))
        if chooses:
            steps.append(model.step.detach().sigmoid())
for name, values in right.items():
    print([round(value, 3) for value in values], name)
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
# 左图是答对的比例，每个种子一点。LTI、购买在最前面：在 1 处。LTI、位置随机：0.6 附近。能选择步长、位置随机：在 1 处。虚线标出随机猜测的 0.25。右图是它学到的步长：误点在 0.1 附近，商品在 0.7 附近，提问在 0.9 附近。

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
# The LTI memory does work: where the purchases stand at fixed places, it is right at least 99 times in 100. But it stores things by **age**, and at random places the age of the tent says nothing. So it falls to 0.61 (better than guessing, since the *typical* age helps a little).
#
# The other memory gave stray clicks a step below 0.2, goods one of about 0.7 and requests one of about 0.9. It has **made a time axis of its own**, which hardly moves while nothing happens that matters. On this axis the three purchases lie nearly the same way before the first request, wherever they stood, and Ken's task has turned almost into the easy one.
#
# A word of caution. The state of an LTI memory still *contains* the evening; a deep network behind it could perhaps recover it. What fails is one layer with a linear read-out.

# %% [markdown] id="task-why-zh" lang="zh" en="b1c857e7"
# LTI 的记忆并非没有能力：当购买的位置固定时，它 100 次里至少答对 99 次。但它按**年龄**存储信息，位置一旦随机，帐篷的年龄就没有意义了。因此它降到 0.61（高于随机猜测，因为**典型**的年龄还有一点用）。
#
# 另一个记忆给误点的步长小于 0.2，给购买约 0.7，给提问约 0.9。它相当于**构造了自己的时间轴**，在没有重要事件时几乎不前进。在这个时间轴上，无论三次购买原来在什么位置，它们到第一次提问的距离都几乎不变，小凯的任务就近似变成了那个容易的任务。
#
# 需要注意的是，LTI 记忆的状态里仍然**包含**整个晚上的信息，后面接一个很深的网络，也许能把它恢复出来。做不到的只是一层记忆加上线性输出层。

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
# 在 Mamba 中，不只是步长，一共有三个量取决于事件。$D$ 个通道，每个通道的记忆有 $N$ 个数，各有自己的 $A_n < 0$：
#
# $$h_{t,n} = e^{\Delta_t A_n} h_{t-1,n} + \Delta_t B_{t,n} x_t , \qquad y_t = \sum_n C_{t,n} h_{t,n} .$$
#
# - $\Delta_t$，每个通道一个，表示状态演化多远；
# - $B_t$，$N$ 个数，表示这个事件**写到哪里**；
# - $C_t$，$N$ 个数，表示此刻**读取什么**。
#
# 这一族状态空间模型称为 S4、S5、S6，其中 S6 具有选择能力。（权重 $\Delta_t B_t$ 取自欧拉法。第 10 课在这个位置用的是 $(e^{\Delta A} - 1)/A$，步长小时两者几乎相同，步长大时后者不超过 $1/|A|$。由于 $B_t$ 本来就是学出来的，Mamba 接受这点差别。）写成循环：
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
# A reference: switch the selection off. With the same $\Delta$, $B$ and $C$ at every event S6 must be the LTI memory of lesson 10, and that one has another view, the convolution with a kernel by FFT.

# %% [markdown] id="s6-check-zh" lang="zh" en="42dbe7b0"
# 为了得到一个参照，可以把选择关掉。如果每个事件的 $\Delta$、$B$、$C$ 都相同，S6 就必须等于第 10 课的 LTI 记忆，而后者还有另一种算法，即用 FFT 与核做卷积。

# %% id="s6-check-code" tags=["reference-check"]
same = [delta[:1].expand(L, D), A, B[:1].expand(L, N), C[:1].expand(L, N)]
powers = torch.exp(delta[0, :, None] * A)[None] ** torch.arange(L)[:, None, None]  # [L, D, N]
lti_kernel = (powers * (delta[0, :, None] * B[0] * C[0])).sum(dim=2)  # [L, D]
by_fft = ssm.convolution(lti_kernel, x[None])[0]
expect_close("S6 without selection is a convolution", s6_by_loops(x, *same), by_fft, tol=1e-12)

# %% [markdown] id="s6-library-en" lang="en" tags=["library"]
# The library computes all channels and numbers of an event at once and walks through the events. The line above the formula names its *fast form*: the same numbers, but it keeps few states and has a gradient written by hand (`tutorial_lib/kernels/scan.py`). Around the scan stands the Mamba block: a short causal convolution over the last four events, the scan, and a gate $\mathrm{SiLU}(z)$ that lets each channel through or not. All three of $\Delta$, $B$ and $C$ come from the event behind this convolution: $B$ and $C$ by one linear map, $\Delta$ by that map and a second one.

# %% [markdown] id="s6-library-zh" lang="zh" en="2b7b07bb" tags=["library"]
# 库把一个事件的所有通道和所有数一起计算，再逐个事件向前推进。公式上方那一行指明它的**快速实现**：结果相同，但只保留很少的状态，梯度是手写的（在 `tutorial_lib/kernels/scan.py` 里）。扫描之外是 Mamba 块：先对最近四个事件做一个短的因果卷积，然后是扫描，最后是门 $\mathrm{SiLU}(z)$，决定每个通道通过多少。$\Delta$、$B$、$C$ 都由卷积之后的事件得到：$B$ 和 $C$ 经过一个线性映射，$\Delta$ 则在它之后再经过一个线性映射。

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
# S6 必须逐个事件地计算。Mamba-2 放弃了一点自由度：同一个**头**的所有数共用**一个** $A$ 和一个 $\Delta_t$。这样整个状态一起衰减，递推就可以像第 10 课那样展开。事件 $i$ 处的输出是
#
# $$y_i = \sum_{j \le i} \underbrace{e^{A (\Delta_{j+1} + \dots + \Delta_i)}}_{L_{ij}} \; (C_i \cdot B_j) \; \Delta_j x_j .$$
#
# 仔细看这个式子。$C_i \cdot B_j$ 是一个点积，衡量事件 $i$ 所需的与事件 $j$ 所提供的是否匹配，其结果作为 $\Delta_j x_j$ 的权重。这正是注意力：$C_i$ 是**查询**，$B_j$ 是**键**，$\Delta_j x_j$ 是**值**。只是没有 softmax，而且因果掩码不再是元素全为 1 的三角形，而是一个逐渐衰减的三角形 $L_{ij}$。写成逐元素相乘（$\circ$）：
#
# $$y = \left( L \circ C B^\top \right) (\Delta x) .$$
#
# 库中的实现：[`tutorial_lib.models.mamba.ssd_matrix`](../../tutorial_lib/models/mamba.py)。

# %% [markdown] id="predict-ssd-en" lang="en" tags=["predict"]
# **Predict.** Four events with the steps 1, 1, 0, 2, and $A = -0.5$. What stands in the row of event 3 of $L$, and what in the row of event 4?

# %% [markdown] id="predict-ssd-zh" lang="zh" en="e760649a" tags=["predict"]
# **猜一猜。** 四个事件，步长是 1、1、0、2，$A = -0.5$。$L$ 中事件 3 和事件 4 对应的行各是什么？

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
# 事件 3 的步长是 0，因此到它这里没有任何衰减：它对事件 1 的系数是 0.61，与事件 2 对事件 1 的系数相同。事件 4 的步长是 2，对事件 1 的系数降到 0.22。每一行从最早的事件开始，每前进一步，所有元素都一起缩小。

# %% [markdown] id="same-en" lang="en"
# **Is it really the same matrix?** You need not rely on the formula. A linear map can be measured: send in a 1 at one event and 0 at all others, and what comes out is one column. So run the **recurrence**, which contains no matrix, once for every event, and put the columns side by side.

# %% [markdown] id="same-zh" lang="zh" en="ce97ef7d"
# **真的是同一个矩阵吗？** 不必依赖公式，线性映射是可以测量的：在一个事件处输入 1，其余都输入 0，输出就是矩阵的一列。因此让不含矩阵的**递推**对每个事件各运行一遍，再把各列并排放在一起。

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
# Now with random numbers, two heads and width 3, against four bare loops in NumPy.

# %% [markdown] id="ssd-random-zh" lang="zh" en="03a1d41e"
# 再用随机数来检验，取两个头、宽度 3，参照是 NumPy 里的四层循环。


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


inputs, step_sizes, rates, offers, asks = (tensor.numpy() for tensor in ssd_operands(13))  # x, delta, A, B, C
witness = np.zeros_like(inputs)
for head in range(2):
    for i in range(13):
        for j in range(i + 1):
            left = np.exp(rates[head] * step_sizes[0, j + 1 : i + 1, head].sum())
            for p in range(3):
                witness[0, i, head, p] += left * (asks[0, i] @ offers[0, j]) * step_sizes[0, j, head] * inputs[0, j, head, p]
for form in (ssd_recurrence, ssd_matrix):
    expect_close(f"{form.__name__} equals the loops", form(*ssd_operands(13)), witness, tol=1e-12)

# %% [markdown] id="look-en" lang="en"
# ## Attention and SSD side by side
#
# What do the two matrices look like? Nine events, the same queries and keys for both. Event 3 is a stray click: step 0. Before event 6 Ken went to sleep: a step of 6, the others have a step of 0.3.

# %% [markdown] id="look-zh" lang="zh" en="87abf8e9"
# ## 比较注意力与 SSD
#
# 两个矩阵各是什么样子？取九个事件，两者使用同样的查询和键。事件 3 是误点，步长为 0。事件 6 之前小凯去睡觉了，步长为 6。其余的步长是 0.3。

# %% [markdown] id="predict-look-en" lang="en" tags=["predict"]
# **Predict.** Where in the matrix of SSD do you see the stray click, and where the night? Can attention show either of them, without being told?

# %% [markdown] id="predict-look-zh" lang="zh" en="f97edd51" tags=["predict"]
# **猜一猜。** 在 SSD 的矩阵里，误点和那一夜分别表现在哪里？如果没有额外信息，注意力能表现出其中的哪一个吗？

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
# 三个九行九列的下三角热力图。注意力：第一行只有一个亮格，越往下，亮度越分散在整行上。逐渐衰减的掩码：对角线和事件 1 到 5 的小方块是亮的，越往左下越暗；从第 6 行起，前五列是黑的，事件 6 到 9 开始了第二个方块。SSD：同样的两个方块，第 3 列全黑，第 6 列从对角线往下亮得超出刻度。

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
# Attention can learn to ignore a stray click, by its key. It has no fading, and its rows always sum to 1: the weight must go somewhere, even if no event is relevant. In return it can single out one event among thousands at full strength, while SSD must keep everything in one state. Set $A = 0$ and all steps to 1, and SSD *is* causal attention without the softmax. This is called *structured state-space duality*, hence the name SSD: **attention is a matrix, a state space is a recurrence, and here both are the same map.**

# %% [markdown] id="look-why-zh" lang="zh" en="cb375605"
# 误点表现为一个黑色的**列**：没有事件读取它，它也不使其他事件衰减。那一夜表现为**分块**结构：从事件 6 起，之前的一切只剩 0.0025。两者都只由步长产生。
#
# 注意力可以通过误点的键学会忽略它。但注意力没有衰减，而且每行之和总是 1：即使没有一个事件相关，权重也必须分配出去。另一方面，注意力能从几千个事件中以全部权重选出一个，而 SSD 必须把所有信息保存在一个状态里。令 $A = 0$、所有步长为 1，SSD **就是**去掉 softmax 的因果注意力。这种关系称为**结构化状态空间对偶**（structured state-space duality），SSD 由此得名：**注意力是矩阵，状态空间是递推，在这里，两者是同一个映射。**

# %% [markdown] id="one-number-en" lang="en" tags=["predict"]
# ## One number an event, or a table of pairs?
#
# The mask $L$ is made of one number an event, its step. TiSASRec (lesson 08) has a table instead: for each **pair** of events it looks up the interval. What does the shortcut cost? Steps add up, so their decays multiply: $L_{31} = L_{32} L_{21}$. All that one number can say of a long way is the product of its parts.
#
# **Predict.** Events 1, 2 and 3 lie twelve hours apart. A shop wants *the same time of day* to count: event 3 should see event 1, a day before, with 1, and the neighbours should see each other with 0.1 only. How near can two decays between 0 and 1 come to that?

# %% [markdown] id="one-number-zh" lang="zh" en="3dbfab9f" tags=["predict"]
# ## 每个事件一个数，还是每一对一个值？
#
# 掩码 $L$ 由每个事件的一个数，即步长，构成。TiSASRec（第 08 课）则使用一张表，为每**一对**事件查出间隔对应的值。只用一个数有什么代价？步长相加，因此衰减相乘：$L_{31} = L_{32} L_{21}$。对于一段较长的路程，一个数只能给出各段的乘积。
#
# **猜一猜。** 事件 1、2、3 依次相隔十二小时。一家商店希望**一天中的同一时刻**更重要：事件 3 对一天之前的事件 1 的系数为 1，而相邻事件之间只有 0.1。用两个 0 到 1 之间的衰减，最多能接近到什么程度？

# %% id="one-number-code"
wanted = torch.tensor([0.1, 0.1, 1.0], dtype=torch.double)  # event 3 sees 2, event 2 sees 1, event 3 sees 1
tried = torch.cartesian_prod(*2 * [torch.linspace(0, 1, 501, dtype=torch.double)])  # all pairs of decays
offered = torch.cat([tried, tried.prod(dim=1, keepdim=True)], dim=1)
nearest = offered[(offered - wanted).square().sum(dim=1).argmin()]
show_matrix(torch.stack([wanted, nearest]), ["wanted", "nearest with one number"], ["3 sees 2", "2 sees 1", "3 sees 1"])
expect("nearest: a neighbour is seen with", nearest[0], 0.46, tol=0.005)
expect("nearest: the day before is seen with", nearest[2], 0.22, tol=0.005)

hours = torch.tensor([0.0, 3, 9, 14, 20, 24, 33, 47, 50])
dial = (hours[:, None] - hours).abs() % 24
by_pairs = torch.exp(-torch.minimum(dial, 24 - dial) / 3)  # a table of pairs: near on the dial, near in weight
ranks = [int(torch.linalg.matrix_rank(table[5:, :5], rtol=1e-4)) for table in (fading, by_pairs)]
expect_true("how events 6 to 9 see 1 to 5: rank 1 in L, rank 4 in the table", ranks == [1, 4])

# %% [markdown] id="one-number-why-en" lang="en"
# Not near at all: 0.46 and 0.22. A table of pairs has no such tie between its entries, so it can rise again with the distance. In other words: seen from later events, all that came before is **one** column times **one** row, because everything passes through one fading state; in the table no row is a multiple of another.
#
# In return the one number knows something that the interval does not: what the events **between** were. And a history of $n$ events costs $n$ numbers in place of $n^2$. Several heads give several decays, and the turning memories of lesson 10 can rise again; so in practice the limit is softer than here, but it is the first thing to ask of a model whose clock is one number an event.

# %% [markdown] id="one-number-why-zh" lang="zh" en="5a4fda0a"
# 相差很远，分别是 0.46 和 0.22。表中的各个值之间没有这种约束，因此可以随距离先降后升。换句话说，从后面的事件来看，之前的一切只是**一**列乘**一**行，因为所有信息都要经过同一个衰减的状态；而在表中，没有一行是另一行的倍数。
#
# 反过来，一个数也包含间隔所没有的信息，即**中间**发生了哪些事件。而且 $n$ 个事件的历史只需要 $n$ 个数，而不是 $n^2$ 个。多个头可以给出多种衰减，第 10 课中会旋转的记忆也可以先降后升，因此实际的限制比这里宽松；但如果一个模型只用每个事件的一个数来表示时间，首先就应当问这个问题。

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
# 实际计算应当用哪种形式？递推的计算量小，但需要 $L$ 步，每一步都要等前一步。矩阵可以一次算完，但有 $L^2$ 个元素。第三种形式兼有两者的优点。把历史切成每块 $Q$ 个事件的**块**：
#
# 1. 块**内**用矩阵：$Q^2$ 个元素，所有块同时计算。
# 2. 一块需要**传递**的只有一个状态：块里的所有输入，各自衰减到块的末尾。
# 3. 块**与块之间**用递推：只需 $L / Q$ 步。
# 4. 每个事件还要读取**进入**本块时的状态，并衰减到此刻。

# %% [markdown] id="predict-chunks-en" lang="en" tags=["predict"]
# **Predict.** A history of 4,096 events. How many entries does the full matrix have, and how many do all the small matrices have together, with chunks of 64?

# %% [markdown] id="predict-chunks-zh" lang="zh" en="53bb5ad1" tags=["predict"]
# **猜一猜。** 一段历史有 4,096 个事件。完整的矩阵有多少个元素？每块 64 个事件时，所有小矩阵加起来有多少个？

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
# ## 计算代价
#
# 现在测量前向加反向的时间，历史越来越长，共 128 个通道。比较三种方法：用 PyTorch 融合算子计算的因果注意力（它不保存整个矩阵），S6 的扫描，分块的 SSD。计量的是单线程的处理器时间。

# %% [markdown] id="predict-cost-en" lang="en" tags=["predict"]
# **Predict.** Double the length: by which factor does each of the three grow? And which is the fastest at 64 events?

# %% [markdown] id="predict-cost-zh" lang="zh" en="0e2aea00" tags=["predict"]
# **猜一猜。** 长度加倍时，三者的时间各增加到几倍？在 64 个事件处，哪一个最快？


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
    print(f"grows with L^{growth[name]:.2f}: {[f'{1000 * value:.1f} ms' for value in values]}  {name}")

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
# Processor time against length, both axes logarithmic, from 64 to 4,096 events. The S6 scan is the highest line, with a slope of at most 1. SSD in chunks rises in a similar way, far below. Attention starts at the bottom, but is steeper, crosses the line of SSD at a few hundred events and ends near S6.

# %% [markdown] id="cost-alt-zh" lang="zh" en="6219eebd" tags=["alt"]
# 处理器时间对长度的图，两轴都是对数刻度，从 64 到 4,096 个事件。S6 的扫描是最高的一条，斜率不超过 1。分块的 SSD 上升的情形与它相近，但低得多。注意力从最底下起步，但更陡，在几百个事件处与 SSD 的线交叉，末端接近 S6。

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
# The seconds are those of one machine, so the check counts products instead: four times the length costs SSD four times as many, and attention sixteen times. But look at the left end: at 64 events SSD needs more than half the products of attention, in many more small steps, and in the picture attention is the fastest there. At 4,096 it needs less than a fiftieth. In between lies the crossing; on the machine that made this page the times cross at a few hundred events, on yours they may do so elsewhere. At a length of 50, linear cost alone is no argument.
#
# In the picture S6 loses to SSD, although both are linear: its scan walks through the events one by one. On graphics cards Mamba has a hand-written kernel for it. On a CPU the chunks are the better idea.

# %% [markdown] id="cost-why-zh" lang="zh" en="bcc6200b"
# 时间只反映一台机器的情况，因此检查时统计的是乘法次数：长度变为四倍，SSD 的乘法次数变为四倍，注意力变为十六倍。但请看左端：64 个事件时，SSD 的乘法次数仍是注意力的一半以上，还要分成多得多的小步，因此图中在那里最快的是注意力。4,096 个事件时，SSD 只需不到五十分之一。交点在两者之间；在生成这一页的机器上，两条时间曲线在几百个事件处相交，在你的机器上可能不在同一处。长度只有 50 时，仅凭线性代价并不构成优势。
#
# 图中 S6 慢于 SSD，尽管两者都是线性的，原因是它的扫描逐个事件进行。在显卡上，Mamba 为此使用手写的算子；在 CPU 上，分块是更好的办法。

# %% [markdown] id="init-en" lang="en" tags=["break-it"]
# ## Break it, 1: the start that is overwritten
#
# Mamba takes care of how its memories begin: the bias of the step is set such that the steps lie between 0.001 and 0.1, some memories long, some short. Then the block is put into a recommender, and the recommender ends its construction with a line like `self.apply(initialise)`: every `nn.Linear` gets small random weights and a bias of **zero**. In the original code the step's weight and bias *are* an `nn.Linear`. Nothing complains.
#
# **Predict.** What is the step of every channel after that, and after how many events is a tenth of an input left? (The slowest numbers have $A = -1$.)

# %% [markdown] id="init-zh" lang="zh" en="9aa4a031" tags=["break-it"]
# ## 破坏实验 1：初始值被覆盖
#
# Mamba 对记忆的初始化有专门的设计：步长的偏置经过设定，使步长落在 0.001 到 0.1 之间，有的记忆长，有的记忆短。后来这个块被用在推荐模型里，而推荐模型的构造函数最后有这样一行 `self.apply(initialise)`：每个 `nn.Linear` 都得到小的随机权重，偏置一律为**零**。在原始代码里，步长的权重和偏置**正是**一个 `nn.Linear`。没有任何报错。
#
# **猜一猜。** 此后每个通道的步长是多少？经过多少个事件，一个输入就只剩十分之一？（最慢的数 $A = -1$。）


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
# Influence on the last output against the distance of the changed event, 5 to 190, logarithmic. The ported block falls steeply and reaches the floor of the picture at 50 events. The library's block falls slowly and is still well above a hundredth at 190 events.

# %% [markdown] id="init-alt-zh" lang="zh" en="6dbcf4d3" tags=["alt"]
# 对最后输出的影响，横轴是被改动的事件有多远，从 5 到 190，纵轴对数刻度。移植的块急剧下降，50 个事件处已到图的底部。库里的块缓慢下降，190 个事件处仍远高于百分之一。

# %% id="init-check"
gone, there = reaches.values()
expect_true("ported: 50 events back there is less than a billionth", gone[3] < 1e-9)
expect_true("mended: 190 events back there is still more than a hundredth", there[5] > 0.01)

# %% [markdown] id="init-why-en" lang="en"
# All steps become $\mathrm{softplus}(0) = 0.69$, and a tenth is left after 3.3 events instead of 23 to 2,300. A model made for long histories starts with a very short memory, and 50 events back nothing is left for a gradient. Training *may* lift the bias again; whether it does in your number of epochs you do not know. The ports of Mamba4Rec and SS4Rec have this fault. TiM4Rec has not, because Mamba-2 keeps the bias outside of any `nn.Linear`, and so does our library for both. The test is one line: compare the steps before and after the construction of the **whole** model.

# %% [markdown] id="init-why-zh" lang="zh" en="966eeae9"
# 所有步长都变成 $\mathrm{softplus}(0) = 0.69$，输入衰减到十分之一不再需要 23 到 2,300 个事件，而只需 3.3 个。一个为长历史设计的模型，开始训练时记忆却非常短，50 个事件之前的内容已经得不到梯度。训练**也许**能把偏置调回来，但在有限的轮数内能否做到并不确定。Mamba4Rec 和 SS4Rec 的公开代码都有这个问题。TiM4Rec 没有，因为 Mamba-2 把偏置放在任何 `nn.Linear` 之外；我们的库对两者都这样做。检查只需一行：比较**整个**模型构造前后的步长。

# %% [markdown] id="overflow-en" lang="en" tags=["break-it"]
# ## Break it, 2: the matrix that overflows
#
# $L_{ij}$ is $e$ to the power of a sum from $j + 1$ to $i$. With the running sums $s_i$ that is $e^{s_i - s_j}$, and a tempting shortcut is $e^{s_i} \cdot e^{-s_j}$: two vectors instead of a table, no sums over pairs. On paper it is the same.
#
# **Predict.** 200 events with steps around 0.7 and $A = -1$, in ordinary 32-bit numbers. What happens?

# %% [markdown] id="overflow-zh" lang="zh" en="c900ff75" tags=["break-it"]
# ## 破坏实验 2：溢出的矩阵
#
# $L_{ij}$ 是 $e$ 的幂，指数是从 $j + 1$ 到 $i$ 的和。用累积和 $s_i$ 来写就是 $e^{s_i - s_j}$，于是很容易想到一个简化：$e^{s_i} \cdot e^{-s_j}$，用两个向量代替一张表，不必对每一对求和。数学上两者相同。
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
# 用户每点击一次，列表都必须马上更新。Transformer 需要重新处理以前的所有事件，至少要读取为每个事件保存的键和值。状态空间模型只保留一个大小固定的状态，只需计算**一步**。下面是 Mamba-2 块和它的 `step`。

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
# The block in one drawing; the numbers give the order. $D$ is here a learned factor for each head, which lets $x$ pass by the state; in S6 above the same letter counted the channels.
#
# ![Step 1: one map makes three things of each event: channels, a raw step, a gate z. Step 2: a causal convolution over the last few events and SiLU give x, B and C. Step 3: softplus makes the step Delta, larger than 0. Step 4: SSD: the state fades by e to the power Delta A and takes up Delta B x; C reads it. Inside chunks this is a matrix, between chunks a recurrence. Step 5: D times x is added. Step 6: the gate SiLU of z multiplies. Step 7: RMSNorm. Step 8: the output map. The order enters by the state; time does not enter.](../figures/en/ssd.svg)
#
# **Read it off the drawing.** Which step decides how much of the past is kept? Does it look at the clock?
#
# <details><summary>Answer</summary>
#
# Step 3 makes the step $\Delta$, and step 4 lets the state fade by $e^{\Delta A}$. It is computed from the item, so the clock does not enter.
#
# </details>

# %% [markdown] id="drawing-zh" lang="zh" en="d9407764"
# 下图画出了整个块，数字表示先后顺序。这里的 $D$ 是每个头的一个可学习系数，让 $x$ 绕过状态；前面 S6 中的同一个字母则表示通道数。
#
# ![第 1 步：一个映射从每个事件算出三样东西：通道、原始步长、门 z。第 2 步：对最近几个事件做因果卷积，再做 SiLU，得到 x、B 和 C。第 3 步：softplus 给出大于 0 的步长 Delta。第 4 步：SSD：状态按 e 的 Delta A 次方衰减，并吸收 Delta B x；由 C 读出。块内是矩阵，块间是递推。第 5 步：加上 D 乘 x。第 6 步：乘以门，即 z 的 SiLU。第 7 步：RMSNorm。第 8 步：输出映射。顺序通过状态进入；时间没有进入。](../figures/zh/ssd.svg)
#
# **从图上找答案。** 哪一步决定过去保留多少？它会用到真实时间吗？
#
# <details><summary>答案</summary>
#
# 第 3 步给出步长 $\Delta$，第 4 步让状态按 $e^{\Delta A}$ 衰减。步长由物品算出，与真实时间无关。
#
# </details>

# %% [markdown] id="stream-break-en" lang="en" tags=["break-it"]
# ## Break it, 3: a stream without the convolution
#
# The state is not all that a block remembers. Its convolution looks at the last four events, so three inputs must be kept as well. Forget them, and a stream computes something else than the training did.

# %% [markdown] id="stream-break-zh" lang="zh" en="45ae60e7" tags=["break-it"]
# ## 破坏实验 3：流式推理漏了卷积缓存
#
# 一个块需要记住的不只是状态。它的卷积要用到最近四个事件，因此还必须保存三个输入。如果漏了它们，流式推理的结果就与训练时不一致。

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
# ## 推荐模型
#
# Mamba4Rec 就是把 SASRec（第 07 课）的注意力换成这样的块。它不需要位置嵌入，因为递推本身就包含顺序。我们的版本默认用 Mamba-2。

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
    kept_steps = [F.softplus(layer.mixer.step_bias) for layer in model.layers]
    expect_true(
        f"{kind}: the steps survived the initialisation", all(0.00099 < s.min() < s.max() < 0.101 for s in kept_steps)
    )

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **11.1 Implement · core.** What does a chunk pass on? Compute the state after the last event of one head, **without a loop over the events**: every input, faded from its event to the end, times its $B$.

# %% [markdown] id="exercise1-zh" lang="zh" en="e87e374b" tags=["exercise"]
# ## 练习
#
# **11.1 实现 · 进阶。** 一块需要传递的是什么？请算出一个头在最后一个事件之后的状态，**不能对事件循环**：每个输入从自己的事件衰减到末尾，再乘以它的 $B$。


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
# **11.2 Modify · basic.** Some events are known to be stray. Without taking them out of the tensors, let SSD compute what it would compute **if they were not there**. `skip` is True at stray events; what is returned there does not matter.

# %% [markdown] id="exercise2-zh" lang="zh" en="1c4c715a" tags=["exercise"]
# **11.2 修改 · 基础。** 已知有些事件是误点。请在不从张量中删除它们的前提下，让 SSD 算出**假如它们不存在**时的结果。`skip` 在误点处为 True，这些位置返回什么都可以。


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
# **11.3 Measure · core.** How long is the memory of an untrained `SelectiveSSM`? For every channel, take its step at an input of 0 and its **slowest** number, and return after how many events at most a tenth of an input is left.

# %% [markdown] id="exercise3-zh" lang="zh" en="5e083d8d" tags=["exercise"]
# **11.3 测量 · 进阶。** 未经训练的 `SelectiveSSM` 能记住多久？对每个通道，取它在输入为 0 时的步长和衰减**最慢**的那个数，返回经过多少个事件之后，一个输入最多只剩十分之一。


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
# **11.4 Think · stretch.** Which of these changes leave **all outputs of SSD** as they were, whatever the numbers? Give a set of letters.
#
# - A: every $B$ is doubled and every $C$ halved
# - B: every step is doubled and every $A$ halved
# - C: every step is doubled, every $A$ halved, and every $x$ halved
# - D: the step of the first event is doubled
# - E: one event is split into two with the same $x$, $B$ and $C$ and half its step each, and we look at the outputs of the others
# - F: all $B$ and $C$ are turned by the same rotation

# %% [markdown] id="exercise4-zh" lang="zh" en="17cf9093" tags=["exercise"]
# **11.4 思考 · 挑战。** 下面哪些改动，无论数值如何，都不会改变 **SSD 的所有输出**？用字母的集合作答。
#
# - A：每个 $B$ 乘以 2，每个 $C$ 除以 2
# - B：每个步长乘以 2，每个 $A$ 除以 2
# - C：每个步长乘以 2，每个 $A$ 除以 2，每个 $x$ 除以 2
# - D：第一个事件的步长乘以 2
# - E：把一个事件拆成两个，$x$、$B$、$C$ 相同，步长各为一半，只看其他事件的输出
# - F：所有 $B$ 和 $C$ 做同一个旋转

# %% id="exercise4-code" tags=["exercise"]
unchanged = ...

lesson11.check_unchanged(unchanged)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# A and F leave every C.B alone. B keeps the decays but doubles what is written; C takes that back. D writes the first event
# twice as strongly (its own step fades only what came before it, and that is nothing). E: two half steps fade the past like
# one whole, but the first half of what is written fades over the second; with the weight of zero-order hold it would fit.
unchanged = {"A", "C", "F"}

lesson11.check_unchanged(unchanged)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** One memory made a time axis of its own and solved Ken's task. How far does that carry? Begin with `evenings` and `fit_copier(Copier(True), True, seed)`, and make the evening harder in one respect of your choice: 12, 25, 50 and 100 events; more goods; two kinds of stray clicks, one of which must be counted; or steps that are noisy. A good report draws the share of right answers over this one quantity with five seeds, beside the LTI memory and guessing; shows the learned steps where it begins to fail; says whether memory or choice failed; and doubts whether 250 batches were enough.

# %% [markdown] id="open-zh" lang="zh" en="648a4a89" tags=["open"]
# **开放任务。** 能选择步长的记忆构造了自己的时间轴，解决了小凯的任务。这种能力有多大的适用范围？从 `evenings` 和 `fit_copier(Copier(True), True, seed)` 开始，在你选定的一个方面加大难度：12、25、50、100 个事件；更多种商品；两种误点，其中一种必须计数；或者带噪声的步长。一份好的报告应当用五个种子画出答对的比例随这个量的变化，并与 LTI 记忆和随机猜测对照；给出开始失败时学到的步长；说明失败的是记忆还是选择；并对 250 个批是否足够提出疑问。

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "accuracy": ...,  # {difficulty: shares of right answers, five seeds}
    "lti": ...,  # the same for the LTI memory
    "by_guessing": ...,  # share of right answers by guessing
    "what_failed": ...,  # memory or choice, and how the learned steps show it
    "picture": ...,  # the figure, with a label on each axis
    "doubt": ...,  # what you doubt, in a sentence or two
}
lesson11.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## Ken's evening, answered
#
# What did Ken buy, in which order? The memory that fades alike at every event is right in about 61 of 100 answers; the one that chooses its steps hardly ever errs. It does what you did with the notebook: it lets stray clicks pass with a step near 0 and moves only when something is bought.
#
# The events choose the step here, not the clock on the wall. Two clicks a minute apart and two clicks a year apart look the same to Mamba. Lessons 12 and 13 bring the real clock back in: TiM4Rec lets it scale the chosen step, and SS4Rec gives it a state space of its own.

# %% [markdown] id="answer-zh" lang="zh" en="60dd472e"
# ## 回答开头的问题
#
# 小凯买了什么，先后顺序如何？对每个事件都同样衰减的记忆，100 次里大约答对 61 次；能选择步长的记忆几乎从不出错。它的做法与你用小本子记录的做法相同：遇到误点，步长接近 0，等于忽略；只有发生购买时，状态才向前演化。
#
# 不过，这里的步长由事件决定，与真实时间无关。相隔一分钟的两次点击和相隔一年的两次点击，在 Mamba 看来完全一样。第 12、13 课会重新引入真实时间：TiM4Rec 用它来缩放选出的步长，SS4Rec 则为它设置一个专门的状态空间。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. A selective state space lets the event choose its step: near 0 it is ignored, a large one wipes out the past.
# 2. A time-invariant memory stores by age and fails at selective copying; with chosen steps the same memory makes a time axis of its own and solves it.
# 3. SSD is one map in three forms: a recurrence, a matrix $L \circ C B^\top$, and chunks. The matrix is attention without softmax, with a mask that fades, made of one number an event.
# 4. Chunks cost time in proportion to the length, attention with its square; on short histories fused attention is ahead.
# 5. Check that the step sizes survive the initialisation, sum every stretch by itself, and keep the inputs of the convolution when streaming.

# %% [markdown] id="summary-zh" lang="zh" en="15e8db53" tags=["summary"]
# ## 小结
#
# 1. 选择性状态空间让事件自己选择步长：接近 0 等于忽略，很大则抹去过去。
# 2. 时不变的记忆按年龄存储信息，无法完成选择性复制；如果能选择步长，同样的记忆就会构造自己的时间轴，解决这个任务。
# 3. SSD 是同一个映射的三种形式：递推，矩阵 $L \circ C B^\top$，分块。这个矩阵就是没有 softmax、掩码逐渐衰减的注意力，掩码由每个事件的一个数构成。
# 4. 分块的时间与长度成正比，注意力与长度的平方成正比；历史短时，融合算子的注意力更快。
# 5. 要检查步长没有被初始化覆盖，要对每一段单独求和，流式推理时要保存卷积的输入。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> A memory with $A = -1$ holds 3. A stray click of 8 comes with the step 0, then a purchase of 5 with a very large step. What is in the memory after each, and what would a large step do to the Euler weight of this lesson?</summary>
#
# 3, as decay is 1 and weight 0. After the large step the 3 is wiped out; what enters is $\Delta \cdot 5$, more than 5: the Euler weight grows with the step, while that of a held input stays below 1.
#
# </details>
#
# <details><summary><b>2.</b> An LTI memory is right on purchases at fixed places and in 61 of 100 cases at random ones. A colleague concludes that its state has lost the purchases. What else could it be, and how would you find out?</summary>
#
# The state may still hold them, but no linear read-out can find them, since their age is unknown. Put a deep network behind the frozen memory: if that answers, the information was there.
#
# </details>
#
# <details><summary><b>3.</b> SSD with $A = -0.5$ and the steps 1, 1, 0, 2. Event 4 sees event 1 with 0.22. With which numbers do events 2 and 3 see it, and which single step would you change so that event 4 sees nothing of it?</summary>
#
# Both with $e^{-0.5} = 0.61$: the step of event 3 is 0. Make the step of event 4 large (or that of any event between); then all that came before is gone, not event 1 alone.
#
# </details>
#
# <details><summary><b>4.</b> You are given a recurrence as a black box. How do you find out, with a handful of calls, whether it is a linear map of the inputs, and which matrix it is?</summary>
#
# Send a 1 at one event and zeros elsewhere: the output is one column; do so for each event. Then check on a random input that the matrix gives the same output.
#
# </details>
#
# <details><summary><b>5.</b> A model should prefer items seen at the same hour, one day and two days ago, over those seen twelve hours ago. Its only clock is one real, positive decay an event. Can it? What would you give it?</summary>
#
# No: decays multiply, so a day can never count more than its two halves; the nearest to 0.1, 0.1 and 1 was 0.46, 0.46 and 0.22. Give it a table of pairs (lesson 08), or memories that turn once a day (complex eigenvalues, lesson 10).
#
# </details>
#
# <details><summary><b>6.</b> A history of 1,000 events, chunks of 50. How many entries have the small matrices together, against the full one, and how many recurrent steps are left? What do chunks of 1 and of 1,000 amount to?</summary>
#
# $20 \cdot 50^2 = 50{,}000$ against a million, and 20 steps. Chunks of 1 are the recurrence, one chunk of 1,000 is the matrix.
#
# </details>
#
# <details><summary><b>7.</b> Your histories have 50 events, and you consider SSD in place of attention for its linear cost. What do the measurements say, and which other property could still be a reason?</summary>
#
# At 64 events SSD needs more than half the products of attention, in smaller steps, and attention was faster. A reason could be the state of fixed size in streaming: one step per event, whatever the history.
#
# </details>
#
# <details><summary><b>8.</b> A port of Mamba trains, but never uses events more than ten back. Before any training its steps are all 0.69. What has happened, and what one-line test would have found it?</summary>
#
# `self.apply(initialise)` set the bias of the `nn.Linear` that holds the step to 0, and $\mathrm{softplus}(0) = 0.69$: a tenth is left after 3.3 events. Compare the steps before and after the construction of the whole model.
#
# </details>
#
# <details><summary><b>9.</b> Training is fine; on long histories some outputs are `nan`. The code computes the mask as a product of two exponentials. Explain, and say why the difference of running sums is not the best mend either.</summary>
#
# $e^{-s_j}$ overflows once $s_j$ is below −88, and times 0 it gives `nan`. The difference of two large sums is finite but loses digits; sum each stretch by itself.
#
# </details>
#
# <details><summary><b>10.</b> A streaming service gives the right list for a user's first click and wrong ones afterwards, though the state is stored correctly. What was forgotten, and how much must be kept for a user?</summary>
#
# The last three inputs of the causal convolution, which looks at four events. State and these inputs together have a fixed size, the same after 1 event and after 40.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="42aafd73" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 一个 $A = -1$ 的记忆，值为 3。先来一次值为 8 的误点，步长为 0，再来一次值为 5 的购买，步长很大。此后记忆的值各是多少？步长很大时，本课的欧拉权重会怎样？</summary>
#
# 误点之后仍是 3，因为衰减是 1，权重是 0。大步长之后，原来的 3 被抹去，进入的是 $\Delta \cdot 5$，大于 5：欧拉权重随步长增大，而保持输入的权重始终小于 1。
#
# </details>
#
# <details><summary><b>2.</b> 一个 LTI 记忆在购买位置固定时能答对，位置随机时 100 次里只答对 61 次。一位同事断定它的状态已经丢失了购买的信息。还有什么可能？怎样检验？</summary>
#
# 状态里可能仍有这些信息，只是由于年龄未知，线性输出层读不出来。可以在冻结的记忆后面接一个很深的网络，如果它能答对，就说明信息还在。
#
# </details>
#
# <details><summary><b>3.</b> SSD 中 $A = -0.5$，步长为 1、1、0、2。事件 4 对事件 1 的系数是 0.22。事件 2 和事件 3 对它的系数各是多少？只改一个步长，怎样使事件 4 完全看不到事件 1？</summary>
#
# 都是 $e^{-0.5} = 0.61$，因为事件 3 的步长是 0。把事件 4 的步长（或中间任何一个事件的步长）取得很大即可，但这样一来，之前的一切都会消失，而不只是事件 1。
#
# </details>
#
# <details><summary><b>4.</b> 给你一个黑盒形式的递推。怎样用少量调用判断它是否是输入的线性映射，并得到对应的矩阵？</summary>
#
# 在一个事件处输入 1，其余输入 0，输出就是矩阵的一列，对每个事件各做一次。然后用随机输入检查矩阵给出的输出是否相同。
#
# </details>
#
# <details><summary><b>5.</b> 一个模型应当偏重一天前和两天前同一时刻看过的物品，而不是十二小时前看过的。它的时间信息只有每个事件一个正实数的衰减。能做到吗？应当给它什么？</summary>
#
# 做不到。衰减相乘，所以一天的系数不可能大于其中任何半天的系数；对 0.1、0.1 和 1，最接近的是 0.46、0.46 和 0.22。可以给它一张按事件对查的表（第 08 课），或者每天旋转一圈的记忆（第 10 课的复特征值）。
#
# </details>
#
# <details><summary><b>6.</b> 一段历史有 1,000 个事件，每块 50 个。所有小矩阵共有多少个元素？与完整矩阵相比如何？还剩多少步递推？每块 1 个和每块 1,000 个分别相当于什么？</summary>
#
# $20 \cdot 50^2 = 50{,}000$ 个，完整矩阵有一百万个；还剩 20 步递推。每块 1 个就是递推，每块 1,000 个就是矩阵。
#
# </details>
#
# <details><summary><b>7.</b> 你的历史只有 50 个事件，你考虑因为线性代价而用 SSD 代替注意力。测量结果说明了什么？还有什么性质可以成为理由？</summary>
#
# 64 个事件时，SSD 的乘法次数仍是注意力的一半以上，而且步子更小，注意力更快。可以成为理由的是流式推理时状态的大小固定：无论历史多长，每个事件只需一步。
#
# </details>
#
# <details><summary><b>8.</b> 一个移植的 Mamba 可以训练，但从不利用十个事件之前的信息。训练之前，它的步长全是 0.69。发生了什么？哪个一行的测试就能发现？</summary>
#
# `self.apply(initialise)` 把存放步长的 `nn.Linear` 的偏置设成了 0，而 $\mathrm{softplus}(0) = 0.69$，经过 3.3 个事件就只剩十分之一。应当比较整个模型构造前后的步长。
#
# </details>
#
# <details><summary><b>9.</b> 训练正常，但在长历史上有些输出是 `nan`。代码把掩码算成两个指数的乘积。请解释原因，并说明为什么累积和之差也不是最好的改法。</summary>
#
# 当 $s_j$ 低于 −88 时，$e^{-s_j}$ 会溢出，再乘以 0 就得到 `nan`。两个大的累积和之差虽然有限，但会丢失有效数字；应当对每一段单独求和。
#
# </details>
#
# <details><summary><b>10.</b> 一个流式服务对用户的第一次点击给出正确的列表，之后就错了，尽管状态保存正确。漏了什么？每位用户需要保存多少？</summary>
#
# 漏了因果卷积最近的三个输入，因为它要用到四个事件。状态和这些输入合起来大小固定，1 个事件之后与 40 个事件之后相同。
#
# </details>

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
