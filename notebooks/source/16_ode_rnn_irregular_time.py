# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Nora and Ivan saw the same three things in the same order: *Alien*, a baking show, *Moon*. Nora saw them in one evening. Ivan was away for a year between the baking show and *Moon*. Now both open the site. Must the recommender be in the same state for both?
#
# And Nora alone: she may ask for a list one minute after *Moon*, or one month after. Must the state be the same then?
#
# The GRU of lesson 07 says yes, twice, and not because it has thought about it. It sees three items. A year is not among its inputs, and after the last event nothing in it moves until the next one comes. In this lesson the state gets a life between the events: it **moves on** by a differential equation (lessons 14 and 15) for exactly as long as the clock says, and **jumps** by a GRU when something happens. You compute such a model by hand, compare the library's with an independent solver, run it one event at a time, give it wrong clocks, and find out what the differential equation is good for and what it is not.

# %% [markdown] id="puzzle-zh" lang="zh" en="075598bc"
# 小雨和小凡按相同的顺序看了同样的三个节目：《异形》、一档烘焙节目和《月球》。小雨在一个晚上看完；小凡看完烘焙节目之后离开了一年，回来才看《月球》。现在两人都打开了网站。推荐模型对两人必须处在同一个状态吗？
#
# 再只看小雨：她可能在《月球》之后一分钟请求推荐，也可能在一个月之后。这两个时刻的状态必须相同吗？
#
# 第 07 课的 GRU 对两个问题的回答都是“是”，但这并不是判断的结果。它只看到三个物品，“一年”不在它的输入里；最后一个事件之后，直到下一个事件到来，它的状态不会有任何变化。在这一课里，状态在事件之间也会变化：它按照微分方程（第 14、15 课）**演化**，经过多长时间就演化多长时间；事件发生时，它由 GRU **跳跃**。你会手工计算一个这样的模型，用独立的求解器核对库里的版本，让它逐个处理事件，给它各种错误的时间信息，最后弄清楚微分方程在这里有什么作用，没有什么作用。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - compute one ODE-RNN by hand: flow, three gates, jump, and again;
# - move a batch in which every row has a gap of its own, and say which unit of time lets it learn;
# - check a whole model against an independent solver, and a stream of single events against the full pass;
# - find out by experiment whether a model uses the time, with wrong times and with a twin that has none;
# - say what a differential equation between the events buys, and recognise three faults: milliseconds, a gap from the future, and a solver that lets rows influence each other.

# %% [markdown] id="objectives-zh" lang="zh" en="565f5ca0" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 手工计算一个 ODE-RNN：演化、三个门、跳跃，然后重复；
# - 推进每一行间隔都不同的批次，并说清使用什么时间单位模型才能学习；
# - 用独立的求解器核对整个模型，用完整的前向计算核对逐个事件的流式推理；
# - 用错误的时间信息和无时间信息的对照模型，通过实验判断一个模型是否使用了时间；
# - 如实说明事件之间的微分方程带来了什么，并识别三种错误：毫秒、来自未来的间隔，以及使各行相互影响的求解器。

# %% id="setup"
import math
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from torchdiffeq import odeint

from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_close, expect_true, settings, show_matrix
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import validate
from tutorial_lib.data.simulate import last_gap_task
from tutorial_lib.data.splits import make_split
from tutorial_lib.errors import TutorialError
from exercises import lesson16
from tutorial_lib.losses import full_softmax
from tutorial_lib.models import build_model
from tutorial_lib.models.ode import Rescaled, integrate
from tutorial_lib.statistics import bootstrap_interval, paired_bootstrap

torch.manual_seed(0)
plots.use_style()
MINUTE, HOUR, DAY, MONTH, YEAR = 60, 3600, 86_400, 30 * 86_400, 365 * 86_400

# %% [markdown] id="parameters-en" lang="en"
# Nearly everything here runs on a few numbers or on a simulated task. Only the unit of time is taken from a data set; this cell says which.

# %% [markdown] id="parameters-zh" lang="zh" en="3f6949be"
# 这一课的内容几乎都在几个数或一个模拟任务上进行，只有时间的单位取自数据集。使用哪个数据集由这个单元格决定。

# %% id="parameters-code" tags=["parameters"]
DATASET, USERS = settings(dataset="sample", users=None)
ON_SAMPLE = DATASET == "sample" and USERS is None  # the numbers in the text are checked only there

# %% [markdown] id="tiny-en" lang="en"
# ## A state of two numbers
#
# As in lesson 04, an item is two numbers, *space* and *kitchen*. The state $z$ has two numbers as well. Two rules move it.
#
# **Between events** it follows a *vector field*, a rule that gives each state its speed. We take $f(z) = \tanh(W z)$, so no number ever moves faster than 1 for each unit of time. The unit is that of the library: not the hour $t$ but $s = \ln(1 + t / 1\,\text{h})$. You will soon see why.
#
# **At an event** with the numbers $x$ a GRU makes the jump. It has three parts, each with weights of its own:
#
# $$r = \sigma(W_r x + b_r + U_r z), \qquad u = \sigma(W_u x + b_u + U_u z), \qquad n = \tanh(W_n x + b_n + r \odot U_n z),$$
#
# where $\sigma$ squeezes a number into 0 to 1 and $\odot$ multiplies entry by entry. The *reset gate* $r$ says how much of the old state may speak in the *candidate* $n$; the *update gate* $u$ says how much of the old state stays:
#
# $$z \leftarrow (1 - u) \odot n + u \odot z .$$
#
# In the library: [`tutorial_lib.models.deepm3.gru_update`](../../tutorial_lib/models/deepm3.py).

# %% [markdown] id="tiny-zh" lang="zh" en="1b8eed32"
# ## 两个数的状态
#
# 与第 04 课一样，一个物品用两个数表示：**太空**和**厨房**。状态 $z$ 也是两个数，按两条规则变化。
#
# **事件之间**，它按照一个**向量场**变化，即给每个状态规定一个速度的规则。我们取 $f(z) = \tanh(W z)$，所以每个数在单位时间里的变化不超过 1。时间单位与库里相同，不是小时数 $t$，而是 $s = \ln(1 + t / 1\,\text{h})$。为什么这样取，马上就会看到。
#
# **事件发生时**，事件的两个数是 $x$，由 GRU 完成跳跃。它有三个部分，各有自己的权重：
#
# $$r = \sigma(W_r x + b_r + U_r z), \qquad u = \sigma(W_u x + b_u + U_u z), \qquad n = \tanh(W_n x + b_n + r \odot U_n z),$$
#
# 其中 $\sigma$ 把一个数压到 0 与 1 之间，$\odot$ 表示逐项相乘。**重置门** $r$ 决定旧状态对**候选状态** $n$ 的影响有多大，**更新门** $u$ 决定旧状态保留多少：
#
# $$z \leftarrow (1 - u) \odot n + u \odot z .$$
#
# 库中的实现：[`tutorial_lib.models.deepm3.gru_update`](../../tutorial_lib/models/deepm3.py)。

# %% id="tiny-parts"
W = torch.tensor([[-0.2, -0.6], [0.6, -0.2]])  # the state turns and shrinks
names = ["Alien", "baking show", "Moon"]
films = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 1.0]])
gates_of_input = torch.tensor(
    [[0.5, 0.0], [0.0, 0.5], [-0.5, 0.2], [0.2, -0.5], [0.8, -0.3], [-0.3, 0.8]]
)  # W_r, W_u, W_n
gates_of_state = torch.tensor([[0.4, 0.0], [0.0, 0.4], [0.5, 0.0], [0.0, 0.5], [0.6, 0.1], [0.1, 0.6]])  # U_r, U_u, U_n
bias = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.0, 0.0])  # b_u = 1: keep more than half when in doubt


def field(s, z):
    """Speed of the states z [..., 2]; it does not depend on the time s."""
    return torch.tanh(z @ W.T)


def jump(z, x, show=False):
    """One event with the numbers x [2] changes the state z [2]."""
    reset_in, update_in, new_in = (gates_of_input @ x + bias).chunk(3)
    reset_own, update_own, new_own = (gates_of_state @ z).chunk(3)
    reset, update = torch.sigmoid(reset_in + reset_own), torch.sigmoid(update_in + update_own)
    candidate = torch.tanh(new_in + reset * new_own)
    after = (1 - update) * candidate + update * z
    if show:
        rows = ["state before", "reset gate", "update gate", "candidate", "state after"]
        show_matrix(torch.stack([z, reset, update, candidate, after]), rows, ["space", "kitchen"], digits=3)
    return after


# %% [markdown] id="first-en" lang="en"
# *Alien* comes first. There is no earlier event, so nothing has flowed, and the state before is zero.

# %% [markdown] id="first-zh" lang="zh" en="6179d4ac"
# 第一个事件是《异形》。它之前没有事件，所以没有演化，跳跃之前的状态是零。

# %% id="first-code"
after_alien = jump(torch.zeros(2), films[0], show=True)

# %% [markdown] id="flow-en" lang="en"
# Read it from top to bottom. *Alien* has two units of space, so the candidate is high in space; the update gate keeps half of nothing there, so the state takes up half of the candidate.
#
# **The flow.** The baking show comes one hour later, $s = \ln 2$ units. What does the state do meanwhile? The roughest answer is one Euler step (lesson 14): speed at the start, times the duration. A finer one divides the hour into 20 Runge-Kutta steps.

# %% [markdown] id="flow-zh" lang="zh" en="8277f7ac"
# 从上往下看。《异形》的太空值为 2，所以候选状态的太空值很高；更新门保留了旧状态（为零）的一半，因此状态只接受了候选状态的一半。
#
# **演化。** 烘焙节目一小时之后才来，也就是 $s = \ln 2$ 个单位。状态在此期间做什么？最粗略的回答是一步欧拉法（第 14 课）：起点处的速度乘以时长。精细一点，把这一小时分成 20 个龙格-库塔步。


# %% id="flow-code"
def clock(seconds):
    """The time s that the field counts in: ln(1 + hours)."""
    return torch.log1p(torch.as_tensor(seconds, dtype=torch.double) / HOUR).float()


def flow(z, seconds):
    """The states z [..., 2] after `seconds` [...] without an event."""
    return integrate(field, z, clock(seconds), steps=20)


speed = field(0, after_alien)
euler = after_alien + clock(HOUR) * speed
exact = flow(after_alien, HOUR)
rows = ["after Alien", "speed there", "one Euler step on", "20 Runge-Kutta steps on"]
show_matrix(torch.stack([after_alien, speed, euler, exact]), rows, ["space", "kitchen"], digits=3)
expect("duration of an hour", clock(HOUR), 0.693, tol=0.0005)
expect("Euler's error in space", euler[0] - exact[0], 0.036, tol=0.001)

# %% [markdown] id="predict-three-en" lang="en" tags=["predict"]
# **Predict before you run.** We now follow three people through the three events: Nora, who waits one hour and then two; Ivan, who waits one hour and then a year; and a plain GRU, which jumps without flowing. In front of *Moon*, which of them has the most *kitchen* left from the baking show? And after *Moon*, is any of the three in the same state as another?

# %% [markdown] id="predict-three-zh" lang="zh" en="fbc1aa98" tags=["predict"]
# **先猜，再运行。** 现在比较这三个事件的三种情况：小雨先等一小时，再等两小时；小凡先等一小时，再等一年；还有一个普通的 GRU，只跳跃，不演化。在《月球》之前，谁的状态里保留的**厨房**最多？在《月球》之后，有没有两种情况的状态相同？


# %% id="three-code"
def walk(gaps, flows=True):
    """Before and after every event, [3, 2] each; gaps: seconds before each event."""
    z, before, after = torch.zeros(2), [], []
    for x, gap in zip(films, gaps, strict=True):
        z = flow(z, gap) if flows else z
        before.append(z)
        z = jump(z, x)
        after.append(z)
    return torch.stack(before), torch.stack(after)


people = {
    "Nora": walk([0, HOUR, 2 * HOUR]),
    "Ivan": walk([0, HOUR, YEAR]),
    "plain GRU": walk([0, 0, 0], flows=False),
}
for who, (before, after) in people.items():
    print(who)
    rows = [f"{when} {name}" for name in names for when in ("before", "after")]
    show_matrix(torch.stack([before, after], dim=1).flatten(0, 1), rows, ["space", "kitchen"], digits=3)
nora, ivan, gru = (after[-1] for _, after in people.values())
expect("kitchen of the plain GRU before Moon", people["plain GRU"][0][2, 1], 0.420, tol=0.001)
expect("Nora's and Ivan's kitchen after the baking show", people["Ivan"][1][1, 1], 0.494, tol=0.001)
expect("Nora's kitchen before Moon", people["Nora"][0][2, 1], 0.447, tol=0.001)
expect("Ivan's kitchen before Moon", people["Ivan"][0][2, 1], 0.018, tol=0.001)
expect("Ivan's kitchen after Moon", ivan[1], 0.073, tol=0.001)
expect_close("without the flow Ivan's year leaves no trace", walk([0, HOUR, YEAR], flows=False)[1][-1], gru, tol=1e-7)

# %% [markdown] id="three-why-en" lang="en"
# The same three events, three different states. In front of *Moon* the plain GRU has the 0.420 of kitchen that it had after the baking show. Nora has **more**, 0.447: this field does not only forget, it turns, and in her first hour it has turned space into kitchen. Ivan started from the same 0.494 as she did, and his year has left 0.018. After *Moon* Nora's state is still mixed, Ivan's is almost pure space.
#
# Note what has *not* been shown: that Ivan's state is **better**. These weights were made up. A field that is zero everywhere would be an ODE-RNN too, and it would treat the two alike. The flow makes it **possible** to tell them apart; only data can say whether it helps.
#
# **Does the hand calculation hold?** PyTorch has the same jump as `torch.nn.GRUCell`. It stacks the three parts in our order, reset, update, candidate.

# %% [markdown] id="three-why-zh" lang="zh" en="a096b413"
# 同样三个事件，得到三个不同的状态。在《月球》之前，普通 GRU 的厨房值仍是烘焙节目之后的 0.420。小雨反而**更高**，为 0.447，因为这个向量场不仅使状态衰减，还使它旋转，在第一个小时里把太空转成了厨房。小凡起初与她相同，为 0.494，一年之后只剩 0.018。看完《月球》之后，小雨的状态仍是混合的，小凡的状态几乎只有太空。
#
# 请注意，这里**并没有**证明小凡的状态**更好**，因为这些权重是人为设定的。处处为零的向量场也是 ODE-RNN，它对两人没有任何区别。演化使区分两人成为**可能**，是否有用则只能由数据来回答。
#
# **手工计算正确吗？** PyTorch 里有同样的跳跃，叫 `torch.nn.GRUCell`。它把三个部分按我们的顺序叠在一起：重置、更新、候选。

# %% id="gru-check" tags=["reference-check"]
cell = nn.GRUCell(2, 2)
weights = {
    "weight_ih": gates_of_input,
    "weight_hh": gates_of_state,
    "bias_ih": bias,
    "bias_hh": torch.zeros(6),
}
cell.load_state_dict(weights)
states, events = torch.randn(20, 2), torch.randn(20, 2)
ours = torch.stack([jump(z, x) for z, x in zip(states, events, strict=True)])
expect_close("our jump equals torch.nn.GRUCell", ours, cell(events, states), tol=1e-6)

# %% [markdown] id="batch-en" lang="en"
# ## A batch with a gap for every row
#
# Training moves many histories at once, and each has a gap of its own before its next event: a minute here, a year there. One integration can serve them all. Give every row its own **step size**, its duration divided by the number of steps; `integrate` does so. What must hold: the batch gives each row what it would get alone.

# %% [markdown] id="batch-zh" lang="zh" en="4bd9e1da"
# ## 一个批次，每行一个间隔
#
# 训练时要同时推进许多段历史，而每一段到下一个事件的间隔各不相同，有的是一分钟，有的是一年。一次积分就可以处理所有的行：让每一行有自己的**步长**，等于它的时长除以步数；`integrate` 就是这样做的。必须成立的是：批次给每一行的结果，与它单独计算时相同。

# %% id="batch-code" tags=["reference-check"]
rows = torch.stack([after_alien, nora, ivan])
waits = torch.tensor([MINUTE, DAY, YEAR])
together = flow(rows, waits)
alone = torch.stack([flow(z, wait) for z, wait in zip(rows, waits, strict=True)])
expect_close("three clocks in one call equal three calls", together, alone, tol=1e-6)
witness = [
    odeint(field, z, torch.stack([torch.tensor(0.0), clock(wait)]), rtol=1e-7, atol=1e-8)[-1]
    for z, wait in zip(rows, waits, strict=True)
]
expect_close("and torchdiffeq, row by row", together, torch.stack(witness), tol=1e-4)

# %% [markdown] id="units-en" lang="en"
# ## The unit of time decides whether it learns
#
# Why not count in seconds? Because the field must live at *some* speed. Ours moves by up to 1 for each unit of its time. Let the state rest for one hour, once measured in seconds, once in $\ln(1 + \text{hours})$, and then let the baking show happen. We look at the state before the jump, at the gradient that training would send back to the start, and at the number of *field evaluations*, the unit of cost of lesson 14.

# %% [markdown] id="units-zh" lang="zh" en="eaf1cae1"
# ## 时间的单位决定能否学习
#
# 为什么不以秒为单位？因为向量场的速度总有**一定的**大小，我们的向量场每单位时间至多变化 1。让状态等待一小时，一次以秒计，一次以 $\ln(1 + \text{小时})$ 计，然后烘焙节目发生。我们看跳跃之前的状态，看训练会传回起点的梯度，再看**函数求值**的次数，也就是第 14 课衡量代价的单位。

# %% [markdown] id="predict-units-en" lang="en" tags=["predict"]
# **Predict.** In seconds the hour lasts 3,600 units. With one Euler step: how large is the state before the jump? With an adaptive solver, which follows the field faithfully: what is left of the state, and does it need 20, 200 or more than 5,000 field evaluations?

# %% [markdown] id="predict-units-zh" lang="zh" en="f1fa5296" tags=["predict"]
# **猜一猜。** 以秒计，一小时是 3,600 个单位。只走一步欧拉法，跳跃之前的状态有多大？换成精确求解的自适应求解器，状态还剩多少？函数求值次数是 20、200，还是 5,000 以上？


# %% id="units-code" tags=["nbval-ignore-output"]
def wait_and_bake(duration, **solver):
    """State before the baking show, gradient of the state after it with respect to the start, field evaluations."""
    evaluations = 0

    def counted(s, z):
        nonlocal evaluations
        evaluations += 1
        return field(s, z)

    start = after_alien.clone().requires_grad_()
    before = integrate(counted, start[None], torch.tensor([duration]), **solver)
    (gradient,) = torch.autograd.grad(jump(before[0], films[1]).sum(), start)
    return before.abs().max().item(), gradient.abs().max().item(), evaluations


log_hour = clock(HOUR).item()
table = {
    "seconds, one Euler step": wait_and_bake(3600.0, method="euler"),
    "seconds, adaptive": wait_and_bake(3600.0, method="adaptive"),
    "log hours, one Euler step": wait_and_bake(log_hour, method="euler"),
    "log hours, adaptive": wait_and_bake(log_hour, method="adaptive"),
}
print(f"{'':28s}largest number   largest gradient   evaluations")
for label, (size, gradient, evaluations) in table.items():
    print(f"{label:28s}{size:14.4f}{gradient:19.4f}{evaluations:14d}")

# %% id="units-check"
expect_true("seconds, Euler: the state is larger than 1,000", table["seconds, one Euler step"][0] > 1000)
expect_true("and so is the gradient", table["seconds, one Euler step"][1] > 1000)
expect_true("seconds, adaptive: less than a millionth of the state is left", table["seconds, adaptive"][0] < 1e-6)
expect_true("a gradient below a millionth", table["seconds, adaptive"][1] < 1e-6)
expect_true("and more than 5,000 field evaluations", table["seconds, adaptive"][2] > 5000)
for solver in ("one Euler step", "adaptive"):
    size, gradient, evaluations = table[f"log hours, {solver}"]
    good = 0.3 < size < 0.5 and 0.1 < gradient < 10 and evaluations < 50
    expect_true(f"log hours, {solver}: state and gradient of ordinary size, fewer than 50 evaluations", good)

# %% [markdown] id="units-why-en" lang="en"
# Seconds fail in two ways, and a better solver only changes which. A coarse solver **explodes**: the state is larger than 1,000, and so is the gradient. A faithful one **saturates**: the field has long come to rest, all of the past is gone, the gradient is below a millionth, and it took more than 5,000 evaluations to find out.
#
# A year must not be 30 million times a second. The logarithm sees to that. And the library goes one step further: it divides by the standard deviation of this number over the gaps of the **training part**, so that a gap of ordinary size lasts about one unit on any data set. `fit_time` measures it.

# %% [markdown] id="units-why-zh" lang="zh" en="a01166af"
# 以秒为单位会在两种情况下失败，换用更好的求解器，只是换了一种失败。粗糙的求解器会**发散**，状态超过 1,000，梯度也是如此。精确的求解器会**饱和**，状态早已静止，过去的信息全部消失，梯度不到百万分之一，而且函数求值需要 5,000 次以上。
#
# 一年不应当是一秒的三千万倍，取对数就是为了解决这个问题。库还会再除以这个数在**训练集**的间隔上的标准差，于是在任何数据集上，一段普通的间隔大约就是一个单位。这个标准差由 `fit_time` 计算。

# %% id="clock-code"
split = make_split(load_dataset(DATASET, users=USERS))
model = build_model("deepm3", num_items=5, max_len=8, dim=2)
model.fit_time(split)
std = model.flow.clock.std.item()
lengths = {"second": 1, "minute": MINUTE, "hour": HOUR, "day": DAY, "month": MONTH, "year": YEAR}
durations = model.flow.context(torch.tensor(list(lengths.values())) / HOUR)[0]
expect("standard deviation of ln(1 + hours) on the sample", std, 2.095, tol=0.005, when=ON_SAMPLE)
for label, want, tol in (
    ("minute", 0.0079, 0.0001),
    ("hour", 0.331, 0.002),
    ("month", 3.14, 0.01),
    ("year", 4.33, 0.01),
):
    expect(f"one {label} lasts", durations[list(lengths).index(label)], want, tol=tol, when=ON_SAMPLE)
expect("two gaps of an hour, in log hours", 2 * math.log(2), 1.386, tol=0.001)
expect("one gap of two hours, in log hours", math.log(3), 1.099, tol=0.001)

# %% [markdown] id="clock-why-en" lang="en"
# From a minute to a year the duration goes from 0.0079 to 4.33: it grows by a factor of about 550, where the seconds grow by half a million. The price is the one of lesson 13. Time starts again at every event, and logarithms do not add: two gaps of one hour last 1.386 log hours, one gap of two hours lasts 1.099. So an event that changes nothing would still change the pace. In its **own** time $s$ the library's neural flow is a flow; in hours it is one only from an event onwards.

# %% [markdown] id="clock-why-zh" lang="zh" en="691597a3"
# 从一分钟到一年，时长只从 0.0079 走到 4.33，约为 550 倍，而秒数要变成五十多万倍。代价与第 13 课相同：每个事件处重新开始计时，而对数不能直接相加，两段一小时的间隔共 1.386 个对数小时，一段两小时的间隔只有 1.099。所以，一个什么也不改变的事件，仍会改变节奏。库里的神经流在它**自己的**时间 $s$ 里是一个流；以小时计，只有从一个事件往后看，它才是。

# %% [markdown] id="picture-en" lang="en"
# ## A picture: flow and jumps in real time
#
# What does a state do in the course of two days? Six events: three in the first three hours, a long night, three more. Below are three library models, untrained, with enlarged weights so that something can be seen. Each has three coordinates. They differ in what happens between the events:
#
# - **decay**: each coordinate fades at a rate of its own, here with half-lives of 0.5, 16 and 500 hours;
# - **neural flow**: a vector field like ours above, with weights;
# - **attractor**: like decay, but towards a goal that a second GRU sets at every event (lesson 17 is about it).
#
# Before you look: which of the three do you expect to have nothing left after the long night, and which will stand still on a value other than zero?

# %% [markdown] id="picture-zh" lang="zh" en="f06d5286"
# ## 一张图：真实时间里的演化与跳跃
#
# 两天之中，状态怎样变化？共有六个事件：前三小时里三个，经过漫长的一夜，然后又有三个。下面是库里的三个模型，没有训练过，权重经过放大，使变化更明显。每个有三个坐标。区别在于事件之间发生什么：
#
# - **decay（衰减）**：每个坐标按自己的速率衰减，这里的半衰期是 0.5、16、500 小时；
# - **neural flow（神经流）**：与上面一样的向量场，带权重；
# - **attractor（吸引子，attractor）**：像衰减，但趋向一个目标，目标由第二个 GRU 在每个事件处设定（第 17 课专门讲它）。
#
# 看图之前请先想一想：一夜之后，哪一个模型的状态几乎为零？哪一个会停在不为零的值上？

# %% id="picture-code" tags=["picture", "nbval-ignore-output"]
instants = torch.tensor([0, 1, 3, 30, 31, 33]) * HOUR  # seconds since the first event
shown_items, end = torch.tensor([1, 2, 3, 2, 1, 3]), 48 * HOUR


def enlarged(**options):
    """An untrained model of width 3 with weights large enough to be seen."""
    model = build_model("deepm3", num_items=5, max_len=8, dim=3, seed=2, steps=8, **options).eval()
    with torch.no_grad():
        for label, parameter in model.named_parameters():
            if "log_rate" not in label:
                parameter.mul_(30 if label.startswith("flow") else 3)
    return model


@torch.no_grad()
def follow(model, points=200):
    """For each event: hours [points], states [points, 3] until the next one, and the goal of an attractor."""
    state, pieces = None, []
    for item, now, later in zip(shown_items, instants, [*instants[1:], end], strict=True):
        state = model.step(state, item[None], now[None])
        waited = torch.linspace(0, (later - now) / HOUR, points)
        goal = None if model.slow is None else model.goal(state.slow).expand(points, 3)
        path = model.flow(state.fast.expand(points, 3), waited, goal)
        pieces.append((now / HOUR + waited, path, goal))
    return pieces


drawn = {
    "decay": enlarged(flow="decay"),
    "neural flow": enlarged(),
    "attractor": enlarged(flow="attractor"),
}
paths = {label: follow(model) for label, model in drawn.items()}
fig, axes = plt.subplots(3, 1, figsize=(9, 7.2), sharex=True)
for ax, (label, pieces) in zip(axes, paths.items(), strict=True):
    previous = torch.zeros(3)
    for hours, path, goal in pieces:
        for k, color in enumerate((plots.BLUE, plots.ORANGE, plots.GREEN)):
            ax.plot([hours[0]] * 2, [previous[k], path[0, k]], color=color, lw=1, ls=":")
            ax.plot(hours, path[:, k], color=color, lw=1.8, label=f"coordinate {k + 1}" if hours[0] == 0 else None)
            if goal is not None:
                ax.plot(hours, goal[:, k], color=color, lw=0.8, ls="--")
        previous = path[-1]
    ax.plot(instants / HOUR, np.full(6, ax.get_ylim()[0]), "^", color="black", ms=6, clip_on=False)
    ax.set(ylabel="state", title=label)
axes[0].legend(ncols=3, loc="upper right", fontsize=9)
axes[2].set_xlabel("time since the first event (hours); triangles: events")
plt.show()

# %% [markdown] id="picture-alt-en" lang="en" tags=["alt"]
# Three panels over 48 hours, three coloured coordinates each, dotted vertical jumps at the events at 0, 1, 3, 30, 31 and 33 hours. Decay: after every jump the first coordinate falls to zero within hours, the second fades over the night, the third hardly moves. Neural flow: after every jump the coordinates bend quickly at first and ever more slowly later, and move on in the night. Attractor: the coordinates run towards dashed levels, the first within hours, the second during the night, the third hardly at all.

# %% [markdown] id="picture-alt-zh" lang="zh" en="005d93f4" tags=["alt"]
# 三幅图，横轴 48 小时，各有三条彩色曲线，在第 0、1、3、30、31、33 小时的事件处有竖直的虚点跳跃。衰减：每次跳跃之后，第一个坐标几小时内落到零，第二个在夜里慢慢衰减，第三个几乎不动。神经流：每次跳跃之后，各坐标先很快弯开，随后越来越慢，夜里仍在移动。吸引子：各坐标趋向虚线标出的目标，第一个几小时内到达，第二个在夜里到达，第三个几乎不动。

# %% id="picture-check" tags=["reference-check"]
for label, model in drawn.items():
    with torch.no_grad():
        ends = [
            model.flow(path[0][None], (hours[-1:] - hours[0]), None if goal is None else goal[:1])
            for hours, path, goal in paths[label]
        ]
        states = model(shown_items[None], instants[None])
        last = model.read(model.step(None, shown_items[:1], instants[:1]))
    expect_close(f"{label}: the last drawn point is the flow in one call", paths[label][-1][1][-1:], ends[-1], tol=1e-6)
    expect_close(f"{label}: the first drawn state is the full pass", last, states[:, 0], tol=1e-6)
night = {label: pieces[2] for label, pieces in paths.items()}  # from 3 to 30 hours
left = (night["decay"][1][-1] / night["decay"][1][0]).abs()
expect_close(
    "decay: what 27 hours leave of the three coordinates",
    left,
    [0.5 ** (27 / h) for h in (0.5, 15.8114, 500)],
    tol=1e-4,
)
expect("of the second coordinate", left[1], 0.31, tol=0.01)
expect_close(
    "attractor: the first coordinate ends on its goal",
    night["attractor"][1][-1, 0],
    night["attractor"][2][-1, 0],
    tol=1e-5,
)
expect_true("and the goal is not zero", night["attractor"][2][-1, 0].abs() > 0.1)
moved = (night["neural flow"][1] - night["neural flow"][1][0]).norm(dim=1)
expect_true("neural flow: in the last half of the night it still moves", (moved[-1] - moved[100]).abs() > 0.02)
expect("share of the night's duration that its first three hours last", math.log(4) / math.log(28), 0.416, tol=0.001)

# %% [markdown] id="picture-why-en" lang="en"
# Decay has emptied the fast coordinate by the morning and kept 0.31 of the second. The attractor has stopped at its goal, which is not zero. The neural flow does neither: it goes wherever its field leads, and because its time is logarithmic, the first three of the 27 hours are 0.416 of its night.
#
# ## From scratch to the library
#
# The library's model does what we did by hand, for a batch, in three functions. `elapsed_hours` subtracts **integers** before anything becomes a float (lesson 01). `gru_update` is our `jump`; the input's share of the gates comes from outside, for it can be computed for all events at once.

# %% [markdown] id="picture-why-zh" lang="zh" en="09ba7f18"
# 到了早晨，衰减已经清空了快的那个坐标，第二个还留着 0.31。吸引子停在自己的目标上，而目标不是零。神经流两者都不是，它沿着向量场演化；又因为它以对数计时，27 小时中的前三小时占了这一夜的 0.416。
#
# ## 从手工计算到库
#
# 库里的模型与我们手工计算的相同，只是面向整个批次，用三个函数完成。`elapsed_hours` 在任何数变成浮点数之前先做**整数**的减法（第 01 课）。`gru_update` 就是我们的 `jump`；门里来自输入的那一份由外面给出，因为它可以对所有事件一次算好。

# %% id="library-code" tags=["library"]
# show: tutorial_lib.models.deepm3.elapsed_hours
# show: tutorial_lib.models.deepm3.gru_update

old, gates = torch.randn(20, 2), events @ gates_of_input.T + bias
ours = torch.stack([jump(z, x) for z, x in zip(old, events, strict=True)])
expect_close("gru_update equals our jump", gru_update(cell, old, gates), ours, tol=1e-6)

# %% [markdown] id="library-flow-en" lang="en" tags=["library"]
# The neural flow splits its work the same way. `context` turns all gaps of a batch into durations, `bind` prepares the field and returns `evolve`, which the loop over the events calls. (`kind`, `told` and `lipschitz` belong to variants that lesson 17 compares; the plain one is `autonomous`: the field knows the state alone.)

# %% [markdown] id="library-flow-zh" lang="zh" en="ba2858c6" tags=["library"]
# 神经流也是这样分工的。`context` 把整个批次的间隔一次变成时长；`bind` 准备好向量场，返回 `evolve`，由逐个事件的循环去调用。（`kind`、`told` 和 `lipschitz` 属于第 17 课要比较的几个变体；最普通的是 `autonomous`：向量场只知道状态。）

# %% id="library-flow-code" tags=["library"]
from collections.abc import Callable

# show: tutorial_lib.models.deepm3_flows.NeuralFlow.context
# show: tutorial_lib.models.deepm3_flows.NeuralFlow.bind

# %% [markdown] id="library-model-en" lang="en" tags=["library"]
# And the pass itself: `forward` reads a whole history, `step` reads one event more, `read` gives what is to be scored.

# %% [markdown] id="library-model-zh" lang="zh" en="e808e783" tags=["library"]
# 然后是计算本身：`forward` 读整段历史，`step` 再多读一个事件，`read` 给出用于打分的状态。

# %% id="library-model-code" tags=["library"]
# show: tutorial_lib.models.deepm3.State
# show: tutorial_lib.models.deepm3.DeepM3.forward
# show: tutorial_lib.models.deepm3.DeepM3.step
# show: tutorial_lib.models.deepm3.DeepM3.read
# show: tutorial_lib.models.deepm3.DeepM3._read

# %% [markdown] id="drawing-en" lang="en"
# On the time axis, with one number of the state below:
#
# ![A row of seven steps from left to right. Steps 1, 3 and 5 are jumps: at each of three events a GRU changes the state z by the item x. Steps 2, 4 and 6 are flows: the state moves on by the field f for as long as the clock says: one hour, one year, and from the last event until the query. Step 7 reads the state out. Below, one number of the state over time: it moves smoothly between the events and leaps at each event. Time enters at steps 2, 4 and 6.](../figures/en/ode_rnn.svg)
#
# **Read it off the drawing.** Nora and Ivan see the same three items; only the second gap differs. Which step is the first to make their states differ? Which steps do not read the time?
#
# <details><summary>Answer</summary>
#
# Step 4, the flow over the second gap. The jumps 1, 3, 5 and step 7 do not read the time; step 5 differs only because it starts from another state.
#
# </details>

# %% [markdown] id="drawing-zh" lang="zh" en="9b6aa711"
# 画在时间轴上，下方是状态中的一个数：
#
# ![一行七步，从左到右。第 1、3、5 步是跳跃：在三个事件处，GRU 用物品 x 改变状态 z。第 2、4、6 步是演化：状态跟着场 f 继续运动，经过多长时间就演化多长时间：一小时，一年，以及从最后一个事件到查询时刻。第 7 步读出状态。下方是状态中的一个数随时间的变化：在事件之间平滑移动，在每个事件处跳变。时间在第 2、4、6 步进入。](../figures/zh/ode_rnn.svg)
#
# **从图上找答案。** 小雨和小凡看了同样三个物品，只有第二段间隔不同。从哪一步开始，两人的状态不同？哪几步不读取时间？
#
# <details><summary>答案</summary>
#
# 第 4 步，第二段间隔上的演化。跳跃，也就是第 1、3、5 步，以及第 7 步都不读取时间；第 5 步的结果不同，只是因为跳跃之前的状态不同。
#
# </details>

# %% [markdown] id="witness-en" lang="en"
# **An independent version.** A loop that nobody can misread: one history, one event after the other, the field written out, the solver of `torchdiffeq`, the cell of PyTorch. It shares no line with the library. We also ask it with the wrong unit of time, minutes for hours, to see that the comparison can fail.

# %% [markdown] id="witness-zh" lang="zh" en="989be5ad"
# **独立的实现。** 用一个很直白的循环：一段历史，逐个处理事件，直接写出向量场，求解器用 `torchdiffeq`，跳跃用 PyTorch 自己的单元。它与库没有一行共用的代码。我们还让它用错误的时间单位（把分钟当作小时）计算一遍，以确认这个比较确实能发现错误。


# %% id="witness-code" tags=["reference-check"]
def event_by_event(model, items, times, hour=HOUR):
    """States [L, d] of one history by torchdiffeq and torch.nn.GRUCell; items and times [L]."""
    w1, b1, w2, b2 = model.flow.inner.weight, model.flow.inner.bias, model.flow.outer.weight, model.flow.outer.bias
    z, states = torch.zeros(1, model.width, dtype=torch.double), []
    for i, (item, now) in enumerate(zip(items, times.tolist(), strict=True)):
        if i and now > previous:
            duration = math.log1p((now - previous) / hour) / model.flow.clock.std
            ends = torch.tensor([0.0, duration], dtype=torch.double)
            z = odeint(lambda s, z: torch.tanh(torch.tanh(z @ w1.T + b1) @ w2.T + b2), z, ends, rtol=1e-9, atol=1e-10)[
                -1
            ]
        z = model.cell(model.item_embedding.weight[item][None] * model.dim**0.5, z)
        states.append(model.out(z)[0])
        previous = now
    return torch.stack(states)


def small_model(**options):
    """A model of width 6 with weights large enough that every fault shows."""
    model = build_model("deepm3", num_items=20, max_len=12, dim=6, seed=1, **options)
    model.fit_time(split)
    with torch.no_grad():
        for label, parameter in model.named_parameters():
            parameter.mul_(8 if "log_rate" not in label else 1)
    return model.double().eval()


model = small_model(flow="autonomous", solver="rk4", steps=20)
items = torch.randint(1, 21, (4, 7))
gaps = (60 * 10 ** (4 * torch.rand(4, 8))).long()  # a minute to a week
gaps[:, 2] = 0  # and one pair of events in the same second
instants = 1_700_000_000 + gaps.cumsum(1)
times, queries = instants[:, :-1], instants[:, 1:]
with torch.no_grad():
    whole = model(items, times)
    loop = torch.stack([event_by_event(model, i, t) for i, t in zip(items, times, strict=True)])
    minutes = torch.stack([event_by_event(model, i, t, hour=MINUTE) for i, t in zip(items, times, strict=True)])
expect_close("the library equals the event-by-event loop", whole, loop, tol=1e-5)
expect_true("with minutes taken for hours it would not, by more than 0.1", (minutes - whole).abs().max() > 0.1)

# %% [markdown] id="stream-en" lang="en"
# ## One event at a time
#
# A site does not receive histories, it receives events. Attention needs the history again for every answer. A recurrent state does not: all that is kept of a user is the state after the last event and its time. `step` takes them and one new event. Does that give what the full pass gives, to the last printed digit, and what does it cost? We count multiplications and additions of matrices (FLOPs), not seconds.

# %% [markdown] id="stream-zh" lang="zh" en="519f96e6"
# ## 一次一个事件
#
# 网站收到的不是完整的历史，而是一个个事件。注意力每次回答都需要重新读取历史。循环模型的状态不需要：对每位用户，只要保存最后一个事件之后的状态和它的时刻。`step` 接收这些，再加上一个新事件。这样得到的结果与完整的前向计算一致吗？代价是多少？我们统计矩阵乘加的次数（FLOPs），而不是计时。

# %% [markdown] id="predict-stream-en" lang="en" tags=["predict"]
# **Predict.** A user has 10 events, another 200, and each does one thing more. How much dearer is the update for the second, by `step`? And by running the whole history again?

# %% [markdown] id="predict-stream-zh" lang="zh" en="d6dde8a4" tags=["predict"]
# **猜一猜。** 一位用户有 10 个事件，另一位有 200 个，两人各有一个新事件。用 `step` 更新，第二位的代价是第一位的多少倍？如果把整段历史重新计算一遍呢？


# %% id="stream-code" tags=["reference-check"]
@torch.no_grad()
def stream(model, items, times):
    """States [B, L, d], one event at a time."""
    state, states = None, []
    for i in range(items.shape[1]):
        state = model.step(state, items[:, i], times[:, i])
        states.append(model.read(state))
    return torch.stack(states, dim=1), state


one_by_one, state = stream(model, items, times)
expect_close("a stream of single events equals the full pass", one_by_one, whole, tol=1e-5)
print("kept for each user:", state.fast.shape[1], "numbers and one time")


def flops(function, *inputs):
    """Multiplications and additions of matrices."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        function(*inputs)
    return counter.get_total_flops()


long_items, long_times = torch.randint(1, 21, (1, 201)), 1_700_000_000 + HOUR * torch.arange(201)[None]
serving = small_model(flow="autonomous", solver="rk4", steps=1)
cost = {}
for length in (10, 200):
    _, kept = stream(serving, long_items[:, :length], long_times[:, :length])
    new = long_items[:, length], long_times[:, length]
    cost[length] = (
        flops(lambda *event: serving.read(serving.step(kept, *event)), *new),
        flops(serving, long_items[:, : length + 1], long_times[:, : length + 1]),
    )
expect_true("step: exactly as dear after 200 events as after 10", cost[10][0] == cost[200][0])
expect("full pass: after 200 events so many times as dear as after 10", cost[200][1] / cost[10][1], 19, tol=0.6)
expect("after 200 events the full pass costs so many steps", cost[200][1] / cost[200][0], 200, tol=3)

# %% [markdown] id="stream-why-en" lang="en"
# Exactly as much, against 19 times as much (200 gaps against 10, and the first event, which has none). That is why it matters that both agree: you train on whole histories, all positions at once, and serve with `step`, at a constant cost for every event and a few numbers in store for every user, however long the history. If the two differed, you would serve another model than the one you tested.
#
# ## Pads, and what comes later
#
# Histories in a batch differ in length; pads fill the **right** (lesson 05). Nothing flows there, since pads repeat the last time, and no real event comes after a pad, so the loop needs no mask. On the left, the GRU would jump at every pad: the pad's vector is zero, but a jump with zero input is still a jump.

# %% [markdown] id="stream-why-zh" lang="zh" en="8b195900"
# 逐个事件更新时完全相同，重新计算时是 19 倍（200 段间隔对 10 段，外加没有间隔的第一个事件）。正因为如此，两者一致才很重要：训练时使用整段历史，所有位置一起计算；上线服务时使用 `step`，无论历史多长，每个事件的代价不变，每位用户只需保存几个数。如果两者不一致，上线的就不是你测试过的模型。
#
# ## 填充与之后的事件
#
# 一个批次里，各段历史的长度不同，不足的部分在**右侧**填充（第 05 课）。填充处没有演化，因为填充重复最后的时刻；而且填充之后没有真实事件，所以循环不需要掩码。如果放在左侧，GRU 就会在每个填充处跳跃一次：填充的向量是零，但输入为零的跳跃仍是跳跃。

# %% id="pads-code"
short = items[:1, :4], times[:1, :4]


def padded(side, count=3):
    pads, still = torch.zeros(1, count, dtype=torch.long), short[1][:, -1 if side == "right" else 0].expand(1, count)
    parts = [(short[0], pads), (short[1], still)]
    return [torch.cat(pair if side == "right" else pair[::-1], dim=1) for pair in parts]


with torch.no_grad():
    alone = model(*short)[0, 3]
    mates = [
        torch.cat([part, other], dim=0) for part, other in zip(padded("right"), (items[1:], times[1:]), strict=True)
    ]
    on_the_right = model(*mates)[0, 3]
    on_the_left = model.forward(*padded("left"))[0, -1]  # model(...) refuses pads on the left
expect_close("pads on the right and three other rows change nothing", on_the_right, alone, tol=1e-9)
expect_true("pads on the left change the state by more than 0.1", (on_the_left - alone).abs().max() > 0.1)

# %% [markdown] id="query-en" lang="en"
# **The moment of the question.** After *Moon* the state flows on as well. With `query_time=True` the model moves from each event to the moment of the question before it answers. The argument `query_times` holds that moment: in training the time of the next event, when serving *now*. If nobody gives it, the model answers as of the last event: it moves from `times` to `times`, that is, not at all. Now the other half of the puzzle.

# %% [markdown] id="query-zh" lang="zh" en="6a068a54"
# **查询时刻。** 看完《月球》之后，状态同样继续演化。设置 `query_time=True` 的模型，在回答之前会先从每个事件演化到查询时刻。参数 `query_times` 就是那个时刻：训练时是下一个事件的时间，上线时就是**现在**。如果没有给出，模型就按最后一个事件的时刻来回答，即从 `times` 到 `times`，状态不变。现在来看开头的第二个问题。

# %% id="query-code"
asks = {"at once": 0, "1 minute after": MINUTE, "1 month after": MONTH}
show_matrix(
    torch.stack([flow(nora, wait) for wait in asks.values()]),
    [f"Nora, {when}" for when in asks],
    ["space", "kitchen"],
    digits=3,
)

asking = small_model(solver="rk4", steps=20, query_time=True)
with torch.no_grad():
    expect_close("no query_times: as of the last event", asking(items, times), whole, tol=1e-9)
    minute, month = (asking(items, times, times + wait)[:, -1] for wait in (MINUTE, MONTH))
    expect_close("query_times one minute later: hardly another state", minute, whole[:, -1], tol=0.005)
    expect_true("one month later: another state, by more than 0.1", (month - whole[:, -1]).abs().max() > 0.1)
    expect_close(
        "without the option the question is not looked at", model(items, times, times + MONTH), whole, tol=1e-12
    )

# %% [markdown] id="leak-en" lang="en" tags=["break-it"]
# ## Break it, 1: a gap from the future
#
# Which gap belongs to event $i$: the one before it, or the one after it? `np.diff` gives you one list for both, and a slip of one place is easily made. Then the state at event $i$ has been moved by $t_{i+1} - t_i$, and $t_{i+1}$ is the time of the event that it must predict.
#
# We measure who reads which time. Move event $j$ by half an hour, *and with it the question that it answers*, and see which outputs change. Three models: the plain one, the one with `query_time=True`, and the slip, which passes `query_times` in the place of `times`.

# %% [markdown] id="leak-zh" lang="zh" en="74502ab9" tags=["break-it"]
# ## 破坏实验一：来自未来的间隔
#
# 属于事件 $i$ 的间隔是哪一段：它前面的，还是它后面的？`np.diff` 给的是同一串数，错一位非常容易。一旦错位，事件 $i$ 处的状态就被推进了 $t_{i+1} - t_i$，而 $t_{i+1}$ 正是它要预测的那个事件的时间。
#
# 我们来测量每个输出读取了哪些时间。把事件 $j$ 挪动半小时，**它所回答的那次查询也一起挪动**，观察哪些输出发生变化。比较三个模型：普通的，设置 `query_time=True` 的，以及错位的，它把 `query_times` 放在了 `times` 的位置。

# %% [markdown] id="predict-leak-en" lang="en" tags=["predict"]
# **Predict.** Draw the three tables: a row for each output, a column for each event that is moved. Will you see a difference between the second and the third?

# %% [markdown] id="predict-leak-zh" lang="zh" en="a6d73782" tags=["predict"]
# **猜一猜。** 把三张表画出来：每行一个输出，每列一个被挪动的事件。第二张和第三张之间，看得出区别吗？


# %% id="leak-code" tags=["break-it"]
@torch.no_grad()
def reads(model, times_and_queries):
    """bool [7, 7]: (i, j) is True if output i changes when event j moves by half an hour."""
    history = torch.randint(1, 21, (1, 7)).expand(7, 7)
    events = 1_700_000_000 + 5 * HOUR * torch.arange(8).expand(7, 8)
    moved = events + HOUR // 2 * torch.eye(7, 8, dtype=torch.long)
    before, after = (model(history, *times_and_queries(t[:, :-1], t[:, 1:])) for t in (events, moved))
    return (before != after).any(dim=2).T


tables = {
    "plain": reads(model, lambda times, queries: (times, queries)),
    "query_time=True": reads(asking, lambda times, queries: (times, queries)),
    "one place off": reads(model, lambda times, queries: (queries, queries)),
}
ahead = torch.ones(7, 7, dtype=torch.bool).triu(1)
expect_true("plain: no output reads a later time", not tables["plain"][ahead].any())
expect_true(
    "query_time: each reads the next time, and none beyond",
    torch.equal(
        tables["query_time=True"][ahead].nonzero(), torch.eye(7, dtype=torch.bool).roll(1, 1).triu(1)[ahead].nonzero()
    ),
)
expect_true("one place off: later times are read as well", tables["one place off"][ahead].any())

# %% id="leak-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 3, figsize=(9.6, 3.3))
for ax, (label, table) in zip(axes, tables.items(), strict=True):
    plots.heatmap(table, title=label, xlabel="event that is moved", ylabel="output that changes", ax=ax)
plt.show()

# %% [markdown] id="leak-alt-en" lang="en" tags=["alt"]
# Three tables of ones and dots, seven outputs down, seven moved events across. Plain: ones on and below the diagonal, but for the top left corner. With query_time: one more diagonal of ones, just above the main one. One place off: the same, but the first row and the first column are empty.

# %% [markdown] id="leak-alt-zh" lang="zh" en="c21bd691" tags=["alt"]
# 三张由 1 和点组成的表，纵向七个输出，横向七个被挪动的事件。普通的：对角线及以下是 1，只有左上角例外。带 query_time 的：主对角线上方又多出一条对角线的 1。错位的：也是如此，只是第一行和第一列是空的。

# %% [markdown] id="leak-why-en" lang="en"
# Hardly, but for the edges, where the slip loses the first gap: in both, an output reads the time of the event that it must predict. The picture alone does not tell right from wrong; what was **declared** does. With `query_time` the moment of the question is asked for by name, and whoever serves the model has it: it is now. The slip says nothing to anybody. In training each state carries the gap to its own answer; when serving, no next event exists, so whatever stands in its place is read as a gap. We shall see what that costs.
#
# ## Wrong times
#
# Does an ODE-RNN use the time, or is it only given it? The experiment is always the same: train and test it with times that are **wrong**, and compare. The task `last_gap_task` (lesson 12) is made for it: items are noise, and the gap from the last event to the question decides. Short, and item 1 is right; long, and it is item 2. Guessing is right half of the time. Six contestants:
#
# - **real gaps**;
# - **shuffled among all**: every gap is replaced by one drawn from all gaps of all histories;
# - **shuffled within**: the gaps of a history change places, so that each history keeps its own gaps;
# - **constant gaps**: an hour after every event;
# - the **blind twin**, `solver="none"`: the same GRU, no flow, no time;
# - **one place off**: real gaps, and the slip from above, in place of `query_time`.

# %% [markdown] id="leak-why-zh" lang="zh" en="69ee9395"
# 除了边缘（错位的模型丢失了第一段间隔），几乎看不出区别：在两张表里，输出都读取了要预测的那个事件的时间。仅凭图无法区分对错，区别在于是否作了**声明**。使用 `query_time` 时，模型明确要求提供查询时刻，而上线服务时这个时刻是已知的，就是现在。错位的模型则没有任何说明。训练时，每个状态都包含了到自己答案的间隔；上线服务时没有下一个事件，那个位置上无论是什么，都会被当作间隔读取。稍后会看到它的代价。
#
# ## 错误的时间信息
#
# ODE-RNN 真的使用了时间，还是只是得到了时间？实验方法总是一样的：用**错误**的时间信息训练和测试，再作比较。第 12 课的任务 `last_gap_task` 正适合这个目的：物品全是噪声，答案由最后一个事件到查询时刻的间隔决定，间隔短时是物品 1，间隔长时是物品 2。随机猜测的正确率为一半。比较六种情况：
#
# - **真实间隔**；
# - **全体打乱**：每段间隔都换成从所有历史的所有间隔里抽来的一段；
# - **内部打乱**：一段历史的间隔互换位置，每段历史仍保有自己的那些间隔；
# - **恒定间隔**：每个事件之后都是一小时；
# - **无时间信息的对照模型**，`solver="none"`：同样的 GRU，没有演化，也没有时间信息；
# - **错一位**：真实间隔，用上面的错位代替 `query_time`。

# %% id="task-code"
LENGTH, BATCHES, SIZE = 4, 120, 50


def with_clock(task, clock, generator):
    """The same histories under another clock: gaps are changed, then all times are added up anew."""
    items, times, queries, answer = task
    real, gaps = items > 0, queries - times  # column i: the gap after event i, up to the next event or the question
    if clock == "shuffled within":
        order = torch.rand(gaps.shape, generator=generator) + 2 * ~real  # pads stay behind
        gaps = gaps.gather(1, order.argsort(dim=1))
    if clock == "shuffled among all":
        pool = gaps[real]
        gaps = gaps.masked_scatter(real, pool[torch.randperm(len(pool), generator=generator)])
    if clock == "constant":
        gaps = HOUR * real
    queries = times[:, :1] + gaps.cumsum(1)
    return items, queries - gaps, queries, answer


def last_states(model, items, times, queries, off=False):
    states = model(items, queries if off else times, queries)
    return states[torch.arange(len(items)), (items > 0).sum(1) - 1]


@torch.no_grad()
def is_right(model, task, off=False):
    """Which histories get the right answer, float [N]."""
    *history, answer = task
    return (model.score(last_states(model, *history, off)).argmax(dim=1) == answer).double().numpy()


def learn(seed, clock="real", off=False, gap="query", **options):
    """Trains on 120 batches of 50 fresh histories; returns the model and which of 2,000 unseen ones it gets right."""
    generator = torch.Generator().manual_seed(seed)
    model = build_model("deepm3", num_items=12, max_len=LENGTH, dim=16, seed=seed, dropout=0.0, **options)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    task = with_clock(last_gap_task(BATCHES * SIZE, LENGTH, seed=100 + seed, gap=gap), clock, generator)
    for batch in torch.arange(BATCHES * SIZE).split(SIZE):
        *history, answer = (column[batch] for column in task)
        loss = full_softmax(last_states(model, *history, off), model.item_embedding.weight, answer)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model, is_right(model, with_clock(last_gap_task(2000, LENGTH, seed=1, gap=gap), clock, generator), off)


# %% [markdown] id="predict-clocks-en" lang="en" tags=["predict"]
# **Predict.** Five seeds each. Who guesses, who knows? One of the six lies clearly between 0.5 and 1. Which, and why? (A history has two to four gaps; think of one with two long gaps.)

# %% [markdown] id="predict-clocks-zh" lang="zh" en="18705f83" tags=["predict"]
# **猜一猜。** 每种情况五个种子。哪些只能猜测，哪些知道答案？其中有一种的正确率明显在 0.5 与 1 之间，是哪一种，为什么？（一段历史有两到四段间隔；请考虑有两段、并且都很长的情况。）

# %% id="clocks-run" tags=["nbval-ignore-output"]
NEURAL = {"flow": "autonomous", "solver": "euler"}
contestants = {
    "real gaps": {"query_time": True, **NEURAL},
    "shuffled among all": {"query_time": True, "clock": "shuffled among all", **NEURAL},
    "shuffled within": {"query_time": True, "clock": "shuffled within", **NEURAL},
    "constant gaps": {"query_time": True, "clock": "constant", **NEURAL},
    "blind twin": {"solver": "none"},
    "one place off": {"off": True, **NEURAL},
}
right, trained = {}, {}


def compete(label, options):
    runs = [learn(seed, **options) for seed in range(5)]
    trained[label], right[label] = [model for model, _ in runs], np.stack([r for _, r in runs])  # [seeds, histories]
    print(f"right {right[label].mean(axis=1).round(3)}  mean {bootstrap_interval(right[label])}  {label}")


for label, options in contestants.items():
    compete(label, options)

# %% id="clocks-check"
possible = [sum(math.comb(n, k) * max(k, n - k) for k in range(n + 1)) / 2**n / n for n in (2, 3, 4)]
expect("best share of right answers from the gaps of a history without their order", np.mean(possible), 0.73, tol=0.005)
expect_true("real gaps: above 0.95 with every seed", right["real gaps"].mean(axis=1).min() > 0.95)
for label in ("shuffled among all", "constant gaps", "blind twin"):
    expect(f"{label}: mean of five seeds", right[label].mean(), 0.5, tol=0.03)
    gain = paired_bootstrap(right["real gaps"], right[label])
    expect_true(f"real gaps minus {label}: the 95 % interval lies above 0.45", gain.low > 0.45)
expect("shuffled within: mean of five seeds", right["shuffled within"].mean(), 0.71, tol=0.04)
within = paired_bootstrap(right["shuffled within"], right["blind twin"])
expect_true("shuffled within minus blind twin: the 95 % interval lies above 0.1", within.low > 0.1)
expect_true(
    "one place off, in the training pass: above 0.95 with every seed", right["one place off"].mean(axis=1).min() > 0.95
)

*history, answer = last_gap_task(2000, LENGTH, seed=1)
serving = (
    history[0],
    history[1],
    torch.minimum(history[2], history[1].amax(dim=1, keepdim=True)),
    answer,
)  # no next event
right["one place off, serving"] = np.stack([is_right(model, serving, off=True) for model in trained["one place off"]])
expect("one place off, when serving: mean of five seeds", right["one place off, serving"].mean(), 0.5, tol=0.03)

# %% [markdown] id="clocks-why-en" lang="en"
# With the real gaps the model knows the answer. Constant, blind, shuffled among all: one half. So the answer came from the gaps and from nothing else in the model.
#
# The one between is **shuffled within**. Two long gaps in two places are two long gaps in any order, so the multiset of the gaps tells something about the last one: whoever answers with the more frequent kind is right in 0.73 of the cases, and the model comes close. Remember this when you read that a model is "robust against shuffled time": shuffling within a history leaves its length, its pace and its mix of gaps untouched. A wrong time that keeps half of the information is half a control.
#
# And **one place off** is right in the training pass and half of the time when serving, where the next event has not happened yet. That is the price of the slip.

# %% [markdown] id="clocks-why-zh" lang="zh" en="67d84f74"
# 使用真实间隔时，模型知道答案。恒定间隔、无时间信息、全体打乱，正确率都只有一半。可见，答案来自间隔，而不是模型里的其他部分。
#
# 介于两者之间的是**内部打乱**。两个位置上的两段长间隔，无论怎样交换，仍是两段长间隔，所以间隔的多重集合包含了关于最后一段间隔的部分信息。按照较多的那一类来回答，正确率可达 0.73，模型也接近这个数。如果以后读到某个模型“对时间打乱很鲁棒”，请想起这一点：在历史内部打乱，历史的长度、节奏和间隔的构成都没有改变。只破坏一半信息的错误时间，只能算半个对照。
#
# 而**错一位**的模型在训练时几乎全对，上线服务时正确率却只有一半，因为那时下一个事件还没有发生。这就是错位的代价。

# %% [markdown] id="controls-en" lang="en"
# ## Is it the differential equation?
#
# The time was needed. Was the **ODE** needed? Two controls know the gap and solve no equation numerically.
#
# - `flow="gap_feature"`: nothing moves between events. The gap is one more number that the gates may read.
# - `flow="decay"`: $z' = -\lambda z$, a rate for each coordinate. Its solution is known, $z(t) = e^{-\lambda t} z(0)$, so it takes one multiplication. First we make sure that this is the solution, against Runge-Kutta on that very equation.

# %% [markdown] id="controls-zh" lang="zh" en="07221c11"
# ## 是微分方程的作用吗？
#
# 时间信息是必需的。那么 **ODE** 是必需的吗？下面有两个对照，它们都知道间隔，却都不用数值方法求解方程。
#
# - `flow="gap_feature"`：事件之间状态不变，间隔只是门可以读取的一个额外的数。
# - `flow="decay"`：$z' = -\lambda z$，每个坐标有自己的速率。它的解是已知的，$z(t) = e^{-\lambda t} z(0)$，所以只需要一次乘法。我们先用龙格-库塔法求解同一个方程，确认这个解是正确的。

# %% id="decay-check" tags=["reference-check"]
from tutorial_lib.models.deepm3_flows import HALF_LIVES, Flow

# show: tutorial_lib.models.deepm3_flows.Decay

fading = build_model("deepm3", num_items=5, max_len=8, dim=4, flow="decay").flow
rate = fading.log_rate.exp().detach()
start, hours = torch.randn(6, 4), torch.tensor([0, 0.1, 1, 2, 5, 10])
stepped = integrate(lambda t, z: -rate * z, start, hours, steps=200)
expect_close("the closed form equals RK4 on dz/dt = -lambda z", fading(start, hours), stepped, tol=1e-4)

# %% [markdown] id="predict-controls-en" lang="en" tags=["predict"]
# **Predict.** The same task, the same training, five seeds. Which of the two controls stays behind the neural flow?

# %% [markdown] id="predict-controls-zh" lang="zh" en="d8226142" tags=["predict"]
# **猜一猜。** 同样的任务，同样的训练，五个种子。两个对照中，哪一个不如神经流？

# %% id="controls-run" tags=["nbval-ignore-output"]
compete("gap as a feature", {"flow": "gap_feature", "query_time": True})
compete("decay", {"flow": "decay", "query_time": True})
compete("past gap, neural flow", {"gap": "past", **NEURAL})
compete("past gap, gap as a feature", {"gap": "past", "flow": "gap_feature"})

# %% id="controls-picture" tags=["picture", "nbval-ignore-output"]
order = [
    "real gaps",
    "gap as a feature",
    "decay",
    "shuffled within",
    "shuffled among all",
    "constant gaps",
    "blind twin",
    "one place off",
    "one place off, serving",
]
intervals = {label: bootstrap_interval(right[label]) for label in order}
ax = plots.metric_bars(
    intervals, {"guessing": 0.5}, xlabel="share of right answers (95 % interval over histories; dots: seeds)"
)
for row, label in enumerate(order):
    ax.plot(right[label].mean(axis=1), np.full(5, row - 0.25), ".", color=plots.ORANGE)
plt.show()

# %% [markdown] id="controls-alt-en" lang="en" tags=["alt"]
# Share of right answers for nine contestants, one dot for each seed. Real gaps, gap as a feature, decay, and one place off in the training pass stand at 1. Shuffled within stands near 0.7. Shuffled among all, constant gaps, the blind twin, and one place off when serving stand on the line of guessing at 0.5.

# %% [markdown] id="controls-alt-zh" lang="zh" en="12e7ea74" tags=["alt"]
# 九种情况的正确率，每个种子一个点。真实间隔、把间隔当作特征、衰减，以及训练时的错一位，都在 1 处。内部打乱在 0.7 附近。全体打乱、恒定间隔、对照模型，以及上线服务时的错一位，都在随机猜测的 0.5 线上。

# %% id="controls-check"
for label in ("gap as a feature", "decay"):
    expect_true(f"{label}: above 0.95 with every seed", right[label].mean(axis=1).min() > 0.95)
    behind = paired_bootstrap(right["real gaps"], right[label])
    expect_true(
        f"neural flow minus {label}: the 95 % interval lies within 0.03 of 0", -0.03 < behind.low <= behind.high < 0.03
    )
expect_true(
    "the gap before the last event, no query time: above 0.95 with every seed",
    right["past gap, neural flow"].mean(axis=1).min() > 0.95,
)
feature = right["past gap, gap as a feature"].mean(axis=1)
expect_true("there, the gap as a feature: above 0.95 with the best seed", feature.max() > 0.95)

# %% [markdown] id="controls-why-en" lang="en"
# Neither. Both controls solve the task as well as the neural flow; the intervals of the differences lie within 0.03 of zero. On this task the ODE buys **no accuracy**. What buys it is the gap, and there are cheaper ways to let a state know the gap.
#
# The last three lines look at the first question of the puzzle, where the gap *before* the last event decides and no query time is given. The neural flow knows the answer there too. So can the gap as a feature, but in these 120 batches not every seed needs to get that far (look at the seeds printed above): a state that the gap moves is a strong hint, one more small number among the inputs a weak one. That is about how soon training finds it, not about what the model can say.
#
# That is not only so in toy tasks. <!-- literature --> Mozer, Kazakov and Lindsey (2017) built a GRU whose memory decays in continuous time, gave a plain GRU the gap as an input, and found the two essentially identical on eleven data sets. What the flow does give is a **shape**: a state that exists at every moment, moves a little in a little time, and has a rule for gaps that never occurred in training. Whether that shape is right for the data is a question for measurement, and the subject of lesson 17.
#
# ## Break it, 2: milliseconds
#
# Many log files count in milliseconds. Take the five models that were trained on seconds, and serve them the same times in milliseconds. Everything is an integer, no shape is wrong.

# %% [markdown] id="controls-why-zh" lang="zh" en="f665659e"
# 都没有。两个对照与神经流同样好，差值的区间都在零的上下 0.03 以内。在这个任务上，ODE 没有使**准确率**提高。起作用的是间隔，而让状态知道间隔，有更便宜的办法。
#
# 最后三行看的是开头的第一个问题：答案由最后一个事件**之前**的间隔决定，并且不提供查询时刻。神经流同样知道答案。把间隔当作特征也能做到，只是在这 120 个批次里，并非每个种子都能学会（参看上面各个种子的结果）：被间隔推动的状态是很强的信号，输入里多出来的一个小数则是较弱的信号。这说明的是训练多快能找到答案，而不是模型能否表示它。
#
# 不仅简单任务如此。<!-- literature -->Mozer、Kazakov 和 Lindsey（2017）构造了一个记忆在连续时间里衰减的 GRU，又给普通的 GRU 加上间隔作为输入，结果在十一个数据集上，两者基本没有差别。演化真正提供的是一种**形式**：状态在每个时刻都存在，经过很短的时间只有很小的变化，对训练中从未出现过的间隔也有确定的规则。这种形式是否适合数据，要靠测量来回答，这是第 17 课的内容。
#
# ## 破坏实验二：毫秒
#
# 许多日志文件以毫秒计时。取前面用秒训练好的五个模型，给它们同样的时刻，但以毫秒为单位。所有的数都是整数，形状也全都正确。

# %% [markdown] id="predict-ms-en" lang="en" tags=["predict"]
# **Predict.** Short gaps last 1 to 10 minutes, long ones 1 to 10 days. Will there be an error? And what will the models answer?

# %% [markdown] id="predict-ms-zh" lang="zh" en="bf1aa8af" tags=["predict"]
# **猜一猜。** 短间隔是 1 到 10 分钟，长间隔是 1 到 10 天。会报错吗？模型会怎样回答？

# %% id="ms-code" tags=["break-it"]
*history, answer = last_gap_task(2000, LENGTH, seed=1)
in_ms = history[0], 1000 * history[1], 1000 * history[2], answer
served = np.stack([is_right(model, in_ms) for model in trained["real gaps"]])
with torch.no_grad():
    answers = torch.stack(
        [model.score(last_states(model, *in_ms[:3])).argmax(dim=1) for model in trained["real gaps"]]
    )
expect("share of right answers, mean of five models", served.mean(), 0.54, tol=0.04)
expect_true("more than 9 of 10 answers say 'long', for every model", (answers == 2).double().mean(dim=1).min() > 0.9)
expect("1 minute in milliseconds, read as seconds, in hours", 1000 * MINUTE / HOUR, 16.7, tol=0.05)

logged = pd.DataFrame({"user": 0, "item": [1, 2, 3], "timestamp": 1000 * (1_700_000_000 + HOUR * np.arange(3))})
try:
    validate(logged)
    refused = ""
except TutorialError as error:
    refused = str(error)
expect_true("mended: the door of the library refuses such a table", " 1000" in refused)

# %% [markdown] id="ms-why-en" lang="en"
# No error. A minute has become 16.7 hours, hardly a gap looks short any more, and the models answer "long" more than 9 times out of 10. They are right in about 0.54 of the cases, next to a coin. A model cannot notice this, for every number is a possible gap. The **table of events** can: a time of the year 50,000 is no time. That is why `validate` stands at the door and says what to divide by.
#
# ## Break it, 3: one global clock
#
# An adaptive solver chooses its step by an estimate of its error (lesson 14). For a batch it needs **one** number, and `torchdiffeq` takes the root of the mean square over everything that it is given. Put one user who was away for a year among 999 who come back after a second. What does the mean say about the one?

# %% [markdown] id="ms-why-zh" lang="zh" en="9d26159d"
# 没有报错。一分钟变成了 16.7 小时，几乎没有间隔看起来是短的，模型 10 次里有 9 次以上回答“长”，正确率约为 0.54，与随机猜测差不多。模型自己无法发现，因为任何数都可能是一段间隔。**事件表**却可以发现：公元五万年不是合理的时刻。因此 `validate` 在数据进入时检查，并提示应当除以多少。
#
# ## 破坏实验三：全局的误差估计
#
# 自适应求解器根据误差的估计来选步长（第 14 课）。对一个批次，它只要**一个**数，而 `torchdiffeq` 取的是所有元素的均方根。把一位离开一年的用户与 999 位一秒后就回来的用户放在一个批次里，这个平均值对这位用户意味着什么？


# %% id="norm-code" tags=["break-it"]
def far_row(company, norm, tolerance=1e-4):
    """The state of one row after a year, integrated together with `company` rows that wait a second."""
    seconds = torch.cat([torch.tensor([YEAR]), torch.ones(company, dtype=torch.long)])
    start = nora.double().expand(company + 1, 2)
    law = Rescaled(lambda s, z: torch.tanh(3 * z @ W.T.double()), clock(seconds).double())
    ends = torch.tensor([0.0, 1.0], dtype=torch.double)
    return odeint(law, start, ends, rtol=tolerance, atol=tolerance, options={"norm": norm})[1, 0]


def mean_of_all(error):
    return error.square().mean().sqrt()


def worst_row(error):
    return error.square().mean(-1).max().sqrt() if error.dim() else error.abs()


exact = far_row(0, worst_row, tolerance=1e-10)
errors = {
    "alone": (far_row(0, mean_of_all) - exact).abs().max(),
    "in company, mean of all": (far_row(999, mean_of_all) - exact).abs().max(),
    "in company, worst row": (far_row(999, worst_row) - exact).abs().max(),
}
times_worse = errors["in company, mean of all"] / errors["alone"]
expect_true("mean of all: in company the error is more than 10 times that of the row alone", times_worse > 10)
expect(
    "mended, worst row: error in company over error alone",
    errors["in company, worst row"] / errors["alone"],
    1,
    tol=0.2,
)

# %% [markdown] id="norm-why-en" lang="en"
# The 999 wait hardly at all and make no error; they dilute the error of the one, so the solver takes larger steps, and her state is more than 10 times as wrong as if she had come alone. A recommendation would depend on who else asks at the same moment. The library's `integrate` judges by the **worst row**, so that nobody is less exact in company. With a fixed number of steps, each on the row's own clock, the question does not arise; that is what training uses.

# %% [markdown] id="norm-why-zh" lang="zh" en="b6c6796f"
# 那 999 位用户几乎没有等待，也就没有误差，平均之后，这位用户的误差被稀释了，于是求解器加大了步长，她的状态的误差是单独计算时的 10 倍以上。也就是说，推荐结果会取决于同一时刻还有谁在请求。库里的 `integrate` 按**误差最大的一行**来判断，任何一行都不会因为同一批次里的其他行而变得不精确。如果步数固定，每行有自己的步长，就不会有这个问题；训练时用的正是这种办法。

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **16.1 Debug · basic.** A colleague's `faulty_ode_rnn` runs without an error and has **two** faults. Write `ode_rnn(flow, jump, inputs, times)` without them. `flow(z, hours)` moves a state [w] over a gap in hours, a float; `jump(z, x)` makes the jump at an event. `inputs` [L, d], `times` int64 [L] in unix seconds; the first state starts from zeros of the width `inputs.shape[1]`. Return the states **after** each event, [L, w].

# %% [markdown] id="exercise1-zh" lang="zh" en="e0910e3d" tags=["exercise"]
# ## 练习
#
# **16.1 调试 · 基础。** 一位同事写的 `faulty_ode_rnn` 运行时不报错，却有**两处**错误。请写出改正后的 `ode_rnn(flow, jump, inputs, times)`。`flow(z, hours)` 把状态 [w] 推进一段以小时计的间隔（浮点数）；`jump(z, x)` 在事件处完成跳跃。`inputs` [L, d]，`times` 是 int64 [L]，unix 秒；最初的状态是零，宽度为 `inputs.shape[1]`。返回每个事件**之后**的状态 [L, w]。


# %% id="exercise1-code" tags=["exercise"]
def faulty_ode_rnn(flow, jump, inputs, times):
    hours = times.float() / 3600
    z, states = torch.zeros(inputs.shape[1]), []
    for i, x in enumerate(inputs):
        z = jump(flow(z, (hours[i] - hours[0]).item()), x)
        states.append(z)
    return torch.stack(states)


def ode_rnn(flow, jump, inputs, times):
    """States [L, w] after each event: flow over the gap, then jump."""
    ...


lesson16.check_ode_rnn(ode_rnn)


# %% id="exercise1-solution" tags=["solution"]
# Solution

def ode_rnn(flow, jump, inputs, times):
    z, states = torch.zeros(inputs.shape[1]), []
    for i, x in enumerate(inputs):
        if i:
            z = flow(z, (times[i] - times[i - 1]).item() / 3600)  # integers first, then hours
        z = jump(z, x)
        states.append(z)
    return torch.stack(states)


lesson16.check_ode_rnn(ode_rnn)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **16.2 Modify · core.** A page wants to know how the list of **one** user will look at several moments: now, in an hour, tomorrow. Write `read_at(model, state, moments)`. `model` is a `deepm3` with `query_time=True`; `state` is what `step` returned for one user (its tensors have one row); `moments` int64 [K], unix seconds. Return [K, d], with a single call of `model.read`, and leave `state` as it is. `State` is a tuple with names: `state._replace(...)` makes a changed copy. Mind that `slow` may be `None`.

# %% [markdown] id="exercise2-zh" lang="zh" en="2ba85edc" tags=["exercise"]
# **16.2 修改 · 进阶。** 一个页面想知道**一位**用户的列表在几个时刻会是什么样子：现在、一小时后、明天。请写出 `read_at(model, state, moments)`。`model` 是设置了 `query_time=True` 的 `deepm3`；`state` 是 `step` 为一位用户返回的状态（其中的张量都只有一行）；`moments` 是 int64 [K]，unix 秒。只调用一次 `model.read`，返回 [K, d]，并且不改动 `state`。`State` 是带名字的元组：`state._replace(...)` 会给出一份改过的副本。注意 `slow` 可能是 `None`。


# %% id="exercise2-code" tags=["exercise"]
def read_at(model, state, moments):
    """moments int64 [K] -> [K, d]: what to score for this user at each moment."""
    ...


lesson16.check_read_at(read_at)


# %% id="exercise2-solution" tags=["solution"]
# Solution

def read_at(model, state, moments):
    rows = len(moments)
    many = state._replace(
        fast=state.fast.expand(rows, -1),
        slow=None if state.slow is None else state.slow.expand(rows, -1),
        times=state.times.expand(rows),
    )
    return model.read(many, moments)  # each row starts at the last event, not where another row ended


lesson16.check_read_at(read_at)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **16.3 Measure · stretch.** Six sealed models, `lesson16.sealed["A"]` to `["F"]`. Each takes `items`, `times`, `query_times`, int64 [B, L], and returns states [B, L, d]. An output may use the times up to its own event and the moment of its **own** question, nothing else. Which of the six use a time that they may not see: of a later event, of a later question, or of another row? Use at least two rows and 5 events. Give a set of letters.

# %% [markdown] id="exercise3-zh" lang="zh" en="5aeb58a3" tags=["exercise"]
# **16.3 测量 · 挑战。** 有六个黑盒模型，`lesson16.sealed["A"]` 到 `["F"]`。每个都接收 `items`、`times`、`query_times`，int64 [B, L]，返回状态 [B, L, d]。一个输出可以使用到自己的事件为止的时刻，以及**自己**那次查询时刻，除此之外都不可以。这六个模型中，哪些使用了不应读取的时间，即后面事件的、后面查询的或者另一行的？至少用两行、5 个事件。用字母的集合作答。

# %% id="exercise3-code" tags=["exercise"]
leaking = ...

lesson16.check_leaking(leaking)

# %% id="exercise3-solution" tags=["solution"]
# Solution

shown = torch.randint(1, 13, (2, 5))
moments = 1_700_000_000 + (HOUR * (1 + 9 * torch.rand(2, 6))).long().cumsum(1)
at, asked, leaking = moments[:, :-1], moments[:, 1:], set()
for letter, sealed in lesson16.sealed.items():
    before = sealed(shown, at, asked)
    for row in range(2):
        for j in range(5):
            for part in range(2):  # move one event, or one question, of one row
                changed = [at.clone(), asked.clone()]
                changed[part][row, j] += HOUR // 2
                differs = (sealed(shown, *changed) != before).any(dim=2)  # [2, 5]
                allowed = torch.zeros(2, 5, dtype=torch.bool)
                allowed[row, j : None if part == 0 else j + 1] = True
                if (differs & ~allowed).any():
                    leaking.add(letter)

lesson16.check_leaking(leaking)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **16.4 Think · core.** Which of these sentences are true? Give a set of letters.
#
# - A: with `solver="none"`, Nora and Ivan are in the same state after *Moon*, whatever the weights.
# - B: an ODE-RNN must be in different states for them, whatever the weights.
# - C: under `decay`, waiting one hour and then another, with no event between, is the same as waiting two hours.
# - D: under the library's neural flow, moving a state by `flow` over one hour and then over another is the same as moving it over two hours.
# - E: that the neural flow solves `last_gap_task` shows that the ODE is needed for it.
# - F: the cost of `step` does not depend on the number of earlier events.

# %% [markdown] id="exercise4-zh" lang="zh" en="e92dce51" tags=["exercise"]
# **16.4 思考 · 进阶。** 下面哪些说法是正确的？用字母的集合作答。
#
# - A：带 `solver="none"` 时，不论权重如何，小雨和小凡在《月球》之后都处在同一个状态。
# - B：不论权重如何，ODE-RNN 对两人必定处在不同的状态。
# - C：在 `decay` 下，等一小时、再等一小时（中间没有事件），与等两小时相同。
# - D：在库里的神经流下，用 `flow` 把状态推进一小时、再推进一小时，与推进两小时相同。
# - E：神经流解决了 `last_gap_task`，说明这个任务必须使用 ODE。
# - F：`step` 的代价与此前事件的个数无关。

# %% id="exercise4-code" tags=["exercise"]
true_sentences = ...

lesson16.check_sentences(true_sentences)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# A: no clock, no difference. B: a field of zeros moves nothing. C: exp(-a) exp(-b) = exp(-(a + b)). D: its time is ln(1 + hours),
# and 2 ln 2 is not ln 3. E: the gap as a feature and decay solve it too. F: a state and a time are all that it needs.
true_sentences = {"A", "C", "F"}

lesson16.check_sentences(true_sentences)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** A flow has a rule for gaps that never occurred in training; a feature has not. Does that help? `last_gap_task` has gaps of minutes and of days. Write a variant for the test only, in which "long" means 100 to 1,000 days, and another in which it means 3 to 10 hours, and let `is_right` judge the trained models of `contestants` and of the two controls. A good report has five seeds with an interval for each model and range, the gate or the state against the gap as a picture, one sentence on where the border between short and long lies for each model, and one doubt: which of your ranges has a right answer at all?

# %% [markdown] id="open-zh" lang="zh" en="7d830077" tags=["open"]
# **开放任务。** 对训练中从未出现过的间隔，流有确定的规则，特征则没有。这有帮助吗？`last_gap_task` 里的间隔有几分钟的和几天的。请写一个只用于测试的变体，其中“长”表示 100 到 1,000 天；再写一个，其中“长”表示 3 到 10 小时。然后用 `is_right` 评价 `contestants` 和两个对照中训练好的模型。一份好的报告应当包含：每个模型在每个范围上五个种子的结果和区间，门或状态随间隔变化的图，用一句话说明每个模型的长短界限在哪里，以及一个疑问：哪个范围真的有正确答案？

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "days": ...,  # {model: shares of right answers, five seeds}, long = 100 to 1,000 days
    "hours": ...,  # the same, long = 3 to 10 hours
    "border": ...,  # where the border between short and long lies for each model
    "picture": ...,  # the figure, with a label on each axis
    "doubt": ...,  # what you doubt, in a sentence or two
}
lesson16.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## Nora and Ivan, answered
#
# *Must* the recommender be in the same state for both? A plain GRU must, it has no choice. An ODE-RNN has one: its state can have moved on during Ivan's year, and during the month after Nora's *Moon*, at no cost for anybody's history. But being able to differ is not a merit in itself. A GRU that is told the gap has the same choice for less. So the answer is: let the model read the time, give it wrong times to see whether it uses them, and let unseen users decide whether that helps.

# %% [markdown] id="answer-zh" lang="zh" en="b6fb0108"
# ## 回答开头的问题
#
# 推荐模型对两人**必须**处在同一个状态吗？普通的 GRU 必须如此，它没有选择。ODE-RNN 则可以不同：在小凡离开的那一年里，在小雨看完《月球》之后的一个月里，它的状态都可以继续演化，而且不需要重新读取历史。但能够不同，本身并不是优点；以间隔为输入的 GRU 同样可以做到，代价更小。因此，回答是：让模型能够读取时间；再用错误的时间信息检验它是否真的使用了时间；至于是否有用，由没有见过的用户来决定。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. An ODE-RNN flows between events and jumps at them; each row of a batch has a gap of its own.
# 2. The unit of time decides: in seconds the state explodes or comes to rest; log hours in units of their standard deviation avoid both.
# 3. A stream of single events equals the full pass, at a cost for each event that does not grow.
# 4. That a model uses time is proved by wrong times: real against shuffled, constant and blind; shuffling within a history is half a control.
# 5. The gap as a feature and a closed-form decay solve the same task: what counts there is the gap, not the solver.

# %% [markdown] id="summary-zh" lang="zh" en="3493612a" tags=["summary"]
# ## 小结
#
# 1. ODE-RNN 在事件之间演化，在事件处跳跃；批次里每一行有自己的间隔。
# 2. 时间单位起决定作用：以秒计，状态不是发散就是静止；以标准差为单位的对数小时可以避免这两种情况。
# 3. 逐个事件的流式推理与完整的前向计算结果相同，而且每个事件的代价不会增长。
# 4. 模型是否使用了时间，要靠错误的时间信息来证明：真实间隔与打乱的、恒定的间隔以及无时间信息的模型比较；在历史内部打乱，只能算半个对照。
# 5. 把间隔当作特征，或者使用有闭式解的衰减，都能解决同样的任务：那里重要的是间隔，而不是求解器。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> A plain GRU, an ODE-RNN with a field of zeros and one with `decay` see two histories that differ in one gap only. For which of them can the states differ?</summary>
#
# Only with `decay`. The GRU does not read the gap, and a field of zeros moves nothing, however long the gap.
#
# </details>
#
# <details><summary><b>2.</b> You serve a model with `decay` and store the state at each event. A user's state is read twice in between, at 10 and at 40 minutes. Must you store the state that was read? What if the flow counts log hours?</summary>
#
# Not at all: `read` starts from the state after the last event each time. To go on from a read state would be right for `decay`, whose parts make the whole, and wrong for the library's neural flow in log hours: two gaps of one hour last 1.386, one of two hours 1.099.
#
# </details>
#
# <details><summary><b>3.</b> Training in hours works on your data set, whose gaps are minutes to days. On another one, with gaps of seconds, nothing is learned. Which number do you look at, and what does `fit_time` do about it?</summary>
#
# The durations that the field sees. With seconds all of $\ln(1 + \text{hours})$ is close to 0, so hardly anything moves. `fit_time` divides by the standard deviation over the training part, so that an ordinary gap lasts about one unit.
#
# </details>
#
# <details><summary><b>4.</b> The state before an event is 5,000 in your logs and the loss is `nan` some steps later. The solver is one Euler step. Name the likely cause and two remedies.</summary>
#
# A gap in too small a unit: with speeds up to 1 an hour in seconds moves the state by 3,600. Take log hours (and check for milliseconds), or a flow in closed form. A finer solver alone saturates: the gradient goes to 0.
#
# </details>
#
# <details><summary><b>5.</b> A colleague computes gaps with `np.diff` and puts 0 in the last place. The validation accuracy rises to nearly 1. What has happened, and which test shows it in a minute?</summary>
#
# The gap after an event stands at the event, so the state knows the time of what it must predict. Move event $j$ by half an hour and look which outputs change: output $j - 1$ must not, unless the query time is declared. When serving it falls to guessing.
#
# </details>
#
# <details><summary><b>6.</b> Shuffling gaps within each history leaves a model at 0.70 on `last_gap_task`, where guessing gives 0.5. A report concludes: the order of the gaps does not matter much. What is wrong?</summary>
#
# The answer depends on one gap alone. What is left is the mixture of gaps, which shuffling within keeps: whoever answers with the more frequent kind is right in 0.73. Shuffle among all histories, and 0.5 is left.
#
# </details>
#
# <details><summary><b>7.</b> You want to prove that a model uses gaps. Which four runs do you make, and which result would make you say no?</summary>
#
# Real gaps, gaps shuffled among all, constant gaps, and the blind twin, trained and tested alike, with several seeds. No: if the real gaps are not ahead of constant ones with an interval that excludes 0.
#
# </details>
#
# <details><summary><b>8.</b> The neural flow reaches 1.0 and the plain GRU 0.5 on a task. May you write that the ODE is needed? Which control is missing?</summary>
#
# No: they differ in knowing the gap as well. A GRU with the gap as a feature, and a decay in closed form, reach the same here. Needed is the gap.
#
# </details>
#
# <details><summary><b>9.</b> A user has 1,000 events and does one thing more. How do the costs of `step` and of running the history again compare with those for a user with 10? What must be stored?</summary>
#
# `step` costs the same for both; again over the history costs a little less than 100 times as much for the first, because the first event has no gap. Stored are the last state and its time, and with the attractor the slow state.
#
# </details>
#
# <details><summary><b>10.</b> An adaptive solver judges a batch by the mean square of its error. You serve a user who was away for a year, once alone and once with 9,999 others who came back after a second. What changes, and how do you mend it?</summary>
#
# Her share of the mean is a ten-thousandth, so the estimate looks 100 times smaller; the solver takes larger steps and her state is worse in company. Judge by the worst row, or take a fixed number of steps with a step size for each row.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="b58b8913" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 普通的 GRU、场处处为零的 ODE-RNN 和使用 `decay` 的 ODE-RNN，读取两段只有一个间隔不同的历史。哪些模型的状态可能不同？</summary>
#
# 只有 `decay`。GRU 不读取间隔；场处处为零时，无论间隔多长，状态都不变。
#
# </details>
#
# <details><summary><b>2.</b> 你用 `decay` 的模型上线服务，并在每个事件处保存状态。两个事件之间，一位用户的状态在第 10 分钟和第 40 分钟各被读取一次。需要保存读取时的状态吗？如果流以对数小时计时呢？</summary>
#
# 不需要：`read` 每次都从上一个事件之后的状态开始。如果从读取时的状态继续演化，对 `decay` 是对的，因为分段走等于一次走完；对库中以对数小时计时的神经流则是错的：两段一小时共 1.386，一段两小时是 1.099。
#
# </details>
#
# <details><summary><b>3.</b> 以小时为单位，在间隔为几分钟到几天的数据集上可以训练。换成间隔为几秒的数据集，却什么也学不到。应当看哪个数？`fit_time` 怎样解决？</summary>
#
# 看向量场得到的时长。间隔为几秒时，$\ln(1 + \text{hours})$ 都接近 0，状态几乎不动。`fit_time` 除以训练集上的标准差，使普通的间隔大约等于一个单位。
#
# </details>
#
# <details><summary><b>4.</b> 日志显示某个事件之前的状态是 5,000，几步之后损失变成 `nan`。求解器是一步欧拉法。最可能的原因是什么？说出两种改正办法。</summary>
#
# 间隔的单位太小：速度至多为 1 时，以秒计的一小时会使状态移动 3,600。应当使用对数小时（并检查是不是毫秒），或者使用有闭式解的流。只换更精细的求解器会饱和，梯度趋于 0。
#
# </details>
#
# <details><summary><b>5.</b> 同事用 `np.diff` 计算间隔，在最后一位补 0，验证正确率升到接近 1。发生了什么？哪项检验一分钟就能发现？</summary>
#
# 事件之后的间隔放在了这个事件上，状态因此知道要预测的事件的时间。把事件 $j$ 挪动半小时，观察哪些输出变化：除非声明了查询时刻，否则输出 $j - 1$ 不应变化。上线服务时，它会降到随机猜测的水平。
#
# </details>
#
# <details><summary><b>6.</b> 在每段历史内部打乱间隔，模型在 `last_gap_task` 上的正确率为 0.70，随机猜测为 0.5。一份报告由此得出“间隔的顺序不太重要”。错在哪里？</summary>
#
# 答案只取决于一段间隔。剩下的正确率来自间隔的构成，而内部打乱没有改变它：按较多的那一类回答，正确率为 0.73。在所有历史之间打乱，就只剩 0.5。
#
# </details>
#
# <details><summary><b>7.</b> 你想证明一个模型使用了间隔。应当做哪四个实验？什么结果会使你得出否定的结论？</summary>
#
# 真实间隔、全体打乱、恒定间隔和无时间信息的对照模型，训练和测试方式相同，各用多个种子。如果真实间隔没有优于恒定间隔，即差值的区间包含 0，就得出否定的结论。
#
# </details>
#
# <details><summary><b>8.</b> 在一个任务上，神经流的正确率为 1.0，普通 GRU 为 0.5。能不能写“ODE 是必需的”？缺少哪个对照？</summary>
#
# 不能，因为两者的差别还在于是否知道间隔。以间隔为特征的 GRU，以及有闭式解的衰减，在这里同样能达到。必需的是间隔。
#
# </details>
#
# <details><summary><b>9.</b> 一位用户有 1,000 个事件，又来了一个新事件。与有 10 个事件的用户相比，`step` 和重新计算历史的代价各是多少倍？需要保存什么？</summary>
#
# `step` 的代价相同；重新计算历史，前者略少于 100 倍，因为第一个事件之前没有间隔。需要保存最后的状态和它的时刻，使用吸引子时还要保存慢速的状态。
#
# </details>
#
# <details><summary><b>10.</b> 自适应求解器按误差的均方来判断一个批次。一位离开一年的用户，一次单独计算，一次与另外 9,999 位一秒后就回来的用户一起计算。有什么变化？怎样改正？</summary>
#
# 她在平均中只占万分之一，误差的估计看上去小了 100 倍；求解器会加大步长，她的状态在一起计算时更不准确。应当按误差最大的一行判断，或者使用固定的步数，每行有自己的步长。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - Y. Rubanova, R. T. Q. Chen, D. Duvenaud, *Latent ODEs for Irregularly-Sampled Time Series*, NeurIPS 2019: section 3.1 on the ODE-RNN and its control with exponential decay. [arXiv 1907.03907](https://arxiv.org/abs/1907.03907)
# - E. De Brouwer et al., *GRU-ODE-Bayes: Continuous Modeling of Sporadically-Observed Time Series*, NeurIPS 2019. [arXiv 1905.12374](https://arxiv.org/abs/1905.12374)
# - M. C. Mozer, D. Kazakov, R. V. Lindsey, *Discrete Event, Continuous Time RNNs*, 2017: decay against the gap as an input. [arXiv 1710.04110](https://arxiv.org/abs/1710.04110)
# - Z. Che et al., *Recurrent Neural Networks for Multivariate Time Series with Missing Values* (GRU-D), 2016: decay between events. [arXiv 1606.01865](https://arxiv.org/abs/1606.01865)
# - In this repository: `tutorial_lib/models/deepm3.py`, `tutorial_lib/models/deepm3_flows.py`, `tests/models/test_deepm3.py`, `tests/models/test_last_gap.py`.

# %% [markdown] id="references-zh" lang="zh" en="6f6fbd62" tags=["references"]
# ## 参考文献
#
# - Y. Rubanova、R. T. Q. Chen、D. Duvenaud，*Latent ODEs for Irregularly-Sampled Time Series*，NeurIPS 2019：第 3.1 节，ODE-RNN 及其指数衰减的对照。[arXiv 1907.03907](https://arxiv.org/abs/1907.03907)
# - E. De Brouwer 等，*GRU-ODE-Bayes: Continuous Modeling of Sporadically-Observed Time Series*，NeurIPS 2019。[arXiv 1905.12374](https://arxiv.org/abs/1905.12374)
# - M. C. Mozer、D. Kazakov、R. V. Lindsey，*Discrete Event, Continuous Time RNNs*，2017：衰减与把间隔当输入的比较。[arXiv 1710.04110](https://arxiv.org/abs/1710.04110)
# - Z. Che 等，*Recurrent Neural Networks for Multivariate Time Series with Missing Values*（GRU-D），2016：事件之间的衰减。[arXiv 1606.01865](https://arxiv.org/abs/1606.01865)
# - 本仓库：`tutorial_lib/models/deepm3.py`，`tutorial_lib/models/deepm3_flows.py`，`tests/models/test_deepm3.py`，`tests/models/test_last_gap.py`。
