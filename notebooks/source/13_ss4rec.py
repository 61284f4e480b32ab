# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Mei opens a film site for the first time. It shows her a page of films she may know, and she gives her stars all at once: twelve ratings within the same second. An hour later she asks for a recommendation. How many of the twelve films should the recommender remember?
#
# Two engineers have read lesson 10. Both build a memory in continuous time, both let the real gap be the step, both check their mathematics to ten digits. The first takes an event as a push that lasts until the next one, and his memory holds **one** of the twelve films. The second takes it as a tap and measures in seconds, and her memory holds **none at all**. No line of code is wrong.
#
# SS4Rec is such a model: a state space whose steps are the gaps of the clock, followed by one whose steps come from the items. In this lesson you build it, see what "exact" promises and what it does not, find out what happened to Mei's films, and test whether the model reads the time. At the end we look at two numbers that have been claimed for it.

# %% [markdown] id="puzzle-zh" lang="zh" en="f7463f1a"
# 小梅第一次打开一个电影网站。网站给她看一页她可能看过的电影，她一口气把星都打了：十二条评分，落在同一秒。一小时之后，她来要推荐。十二部电影，推荐模型该记得几部？
#
# 两位工程师都学过第 10 课，都做了一份连续时间里的记忆，都拿真实的间隔当步长，数学都核对到十位数字。第一位把事件当作持续到下一个事件的推，他的记忆里有十二部中的**一部**；第二位把事件当作轻轻一敲，以秒计时，她的记忆里**一部也没有**。代码没有一行写错。
#
# SS4Rec 就是这样的模型：先是一个以时钟的间隔为步长的状态空间，再接一个由物品决定步长的状态空间。这一课里，你会把它搭出来，看清“精确”保证了什么、没有保证什么，弄明白小梅的电影去了哪里，并检验模型读不读得懂时间。最后，我们来看别人替它宣称过的两个数字。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - write a memory whose steps are the real gaps, and check it against brute force and against a matrix exponential;
# - say why splitting a gap in two changes nothing in the layer, and why it does change something once gaps are taken as logarithms;
# - choose a unit of time, and recognise a memory that is wiped out by its unit;
# - find events that leave no trace because their gap is 0, and mend that;
# - read the whole SS4Rec block, test it against its time-blind twin with five seeds, and say which claims about it can be tested at all.

# %% [markdown] id="objectives-zh" lang="zh" en="b439482e" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 写出一份以真实间隔为步长的记忆，并与硬算、与矩阵指数逐一核对；
# - 说清为什么在层里把一段间隔拆成两段什么都不变，而间隔一旦取了对数就会变；
# - 选择时间的单位，并认出被单位清空了的记忆；
# - 找出因为间隔为 0 而没有留下痕迹的事件，并加以补救；
# - 读懂整个 SS4Rec 块，用五个种子与无时间信息的对照模型（time-blind twin）对比，并说出关于它的哪些说法能够检验，哪些不能。

# %% id="setup"
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from studies.gap_facts import read_facts
from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_between, expect_close, expect_true, show_matrix
from tutorial_lib.data.sequences import GapStatistics, gap_feature
from tutorial_lib.data.simulate import last_gap_task
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import target_ranks
from exercises import lesson13
from tutorial_lib.experiments.results import read_results
from tutorial_lib.losses import full_softmax
from tutorial_lib.models import build_model
from tutorial_lib.models.base import Dropout, SequenceModel, initialise
from tutorial_lib.models.mamba import SelectiveSSM
from tutorial_lib.models.ssm import StableEigenvalues, discretise_diagonal, initial_eigenvalues, scan
from tutorial_lib.statistics import bootstrap_interval, paired_bootstrap

torch.manual_seed(0)
plots.use_style()
MINUTE, HOUR, DAY = 60, 3600, 86_400

# %% [markdown] id="tiny-en" lang="en"
# ## One number that follows the clock
#
# From lesson 10 we need one formula. A number $x$ obeys $x' = \lambda x + u$: it fades at the rate $\lambda < 0$ and is driven by an input $u$. Each event sets a new input, which is **held** until the next one. Over a gap $\Delta$ the law has an exact solution,
#
# $$x_i = e^{\lambda \Delta_i}\, x_{i-1} + \frac{e^{\lambda \Delta_i} - 1}{\lambda}\, u_i .$$
#
# Write $\kappa = e^{\lambda\Delta}$ for what is kept. Then the second factor is $(1 - \kappa)$ times a constant, $1/(-\lambda)$: the memory moves a share $1 - \kappa$ of the way from the old to the new. It is a **moving average whose memory is measured in hours**. Take a half-life of one hour, $\lambda = -\ln 2$ per hour.
#
# In the library: [`tutorial_lib.models.ssm.discretise_diagonal`](../../tutorial_lib/models/ssm.py).

# %% [markdown] id="tiny-zh" lang="zh" en="54d7a206"
# ## 一个跟着时钟走的数
#
# 第 10 课的公式，我们只需要一个。一个数 $x$ 服从 $x' = \lambda x + u$：它以速率 $\lambda < 0$ 衰减，又被输入 $u$ 推着走。每个事件给出一个新的输入，**保持**到下一个事件为止。跨过间隔 $\Delta$，这条规律有精确解：
#
# $$x_i = e^{\lambda \Delta_i}\, x_{i-1} + \frac{e^{\lambda \Delta_i} - 1}{\lambda}\, u_i .$$
#
# 把保留下来的份额记作 $\kappa = e^{\lambda\Delta}$。于是第二个系数就是 $(1 - \kappa)$ 乘一个常数 $1/(-\lambda)$：记忆从旧的朝新的走过去，走的份额是 $1 - \kappa$。这是一种**以小时计量记忆长短的滑动平均**。取半衰期（half-life）一小时，即每小时 $\lambda = -\ln 2$。
#
# 库中的实现：[`tutorial_lib.models.ssm.discretise_diagonal`](../../tutorial_lib/models/ssm.py)。

# %% [markdown] id="predict-zero-en" lang="en" tags=["predict"]
# **Predict before you run.** The gaps are 0, one minute, one hour, one day. How much of the old is kept, and how much of the new comes in? Look hard at the first of the four.

# %% [markdown] id="predict-zero-zh" lang="zh" en="b19446b2" tags=["predict"]
# **先猜，再运行。** 间隔分别是 0、一分钟、一小时、一天。旧的留下多少，新的进来多少？四个里面，请盯紧第一个。

# %% id="tiny-code"
eigenvalue = torch.tensor(-math.log(2))  # per hour
hours = torch.tensor([0, 1 / 60, 1, 24])
kept = torch.exp(eigenvalue * hours)
show_matrix(torch.stack([kept, 1 - kept], dim=1), ["0", "1 minute", "1 hour", "1 day"], ["kept", "new"], digits=3)
expect("share of the new after an hour", 1 - kept[2], 0.5, tol=1e-6)
expect("share of the new after a minute", 1 - kept[1], 0.011, tol=0.001)
expect_true("share of the new after no time at all: 0", 1 - kept[0] == 0)

# %% [markdown] id="tiny-why-en" lang="en"
# After an hour the two are mixed half and half, after a minute hardly anything of the new has arrived, and after a gap of 0 **nothing**. That follows from the word "held": what was held for no time has pushed nothing. Keep this line in mind, it is the fate of Mei's films.
#
# ## From scratch
#
# The loop, for any complex $\lambda$ (lesson 10: the imaginary part turns the memory, the real part lets it fade). It must agree with two witnesses. One is brute force: walk along $x' = \lambda x + u$ in twenty thousand tiny steps a gap. The other is PyTorch's matrix exponential of the little table $\begin{pmatrix} \lambda & 1 \\ 0 & 0 \end{pmatrix}$, which moves state and held input together.

# %% [markdown] id="tiny-why-zh" lang="zh" en="858aee64"
# 过了一小时，新旧各半；过了一分钟，新的几乎还没到；间隔为 0 时，**什么都没有**。这是“保持”二字决定的：保持了零秒的东西，什么也推不动。记住这一行，小梅那些电影的命运就写在这里。
#
# ## 从零写起
#
# 下面是循环，适用于任何复数 $\lambda$（第 10 课：虚部让记忆转动，实部让它衰减）。它必须与两个参照一致。一位是硬算：每段间隔分成两万小步，沿着 $x' = \lambda x + u$ 走过去。另一位是 PyTorch 的矩阵指数，作用在小表 $\begin{pmatrix} \lambda & 1 \\ 0 & 0 \end{pmatrix}$ 上，它同时推动状态和被保持的输入。


# %% id="scratch"
def follow(eigenvalue, gaps, inputs):
    """States [L] of one number: input i is held over gap i. gaps and inputs [L]."""
    state, states = 0, []
    for gap, u in zip(gaps, inputs, strict=True):
        kept = torch.exp(eigenvalue * gap)
        state = kept * state + (kept - 1) / eigenvalue * u
        states.append(state)
    return torch.stack(states)


def by_brute_force(eigenvalue, gaps, inputs, pieces=20_000):
    state, states = 0j, []
    for gap, u in zip(gaps.tolist(), inputs.tolist(), strict=True):
        for _ in range(pieces):
            state += gap / pieces * (eigenvalue * state + u)
        states.append(state)
    return torch.tensor(states)


# %% id="reference-check" tags=["reference-check"]
turning = torch.tensor(-0.5 + 2j, dtype=torch.complex128)
gaps = torch.tensor([0.3, 2.0, 0.01, 1.1, 4.5], dtype=torch.double)
inputs = torch.tensor([1.0, -2.0, 0.5, 3.0, -1.0], dtype=torch.double)
states = follow(turning, gaps, inputs)
brute = by_brute_force(complex(turning), gaps, inputs)
expect_close("our loop equals brute force", torch.view_as_real(states), torch.view_as_real(brute), tol=2e-3)

both, moved = torch.tensor([[turning, 1], [0, 0]]), []
state = torch.zeros(2, dtype=torch.complex128)
for gap, u in zip(gaps, inputs, strict=True):
    state = torch.linalg.matrix_exp(gap * both) @ torch.stack([state[0], u.to(state.dtype)])
    moved.append(state[0])
expect_close(
    "and the matrix exponential", torch.view_as_real(states), torch.view_as_real(torch.stack(moved)), tol=1e-10
)

# %% [markdown] id="picture-en" lang="en"
# ## A picture: the clock and the order
#
# Seven events over two days; each is space (+1) or kitchen (−1). Two memories with half-lives of 2 and 12 hours follow them. On the left they run on the clock, on the right on the order alone, one equal step an event. What does the right-hand memory not know?

# %% [markdown] id="picture-zh" lang="zh" en="b3ec7265"
# ## 一张图：时钟与顺序
#
# 两天里有七个事件，每个要么是太空（+1），要么是厨房（−1）。两份记忆跟着它们走，半衰期分别是 2 小时和 12 小时。左边按时钟走，右边只按顺序走，每个事件一个相等的步。右边的记忆不知道什么？

# %% id="clock-picture" tags=["picture", "nbval-ignore-output"]
instants = torch.tensor([0.0, 0.5, 1.0, 9.0, 9.5, 33.0, 34.0, 48.0])  # hours; the last is the moment of the question
kinds = torch.tensor([1.0, 1, -1, -1, 1, 1, -1])
pieces = 40  # every gap cut into 40 equal pieces, its input held through all of them
fine_gaps = (instants.diff() / pieces).repeat_interleave(pieces)
fine_kinds = kinds.repeat_interleave(pieces)
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), width_ratios=[1.6, 1], sharey=True)
curves = {}
for half_life, color in ((2.0, plots.BLUE), (12.0, plots.ORANGE)):
    rate = torch.tensor(-math.log(2) / half_life)
    curves[half_life] = -rate * follow(rate, fine_gaps, fine_kinds)
    left.plot(fine_gaps.cumsum(0), curves[half_life], color=color, label=f"half-life {half_life:.0f} h")
    steps = -rate * follow(rate, torch.full((7,), 2.0), kinds)
    right.plot(range(1, 8), steps, "o-", color=color)
for ax, x in ((left, instants[:-1]), (right, torch.arange(1, 8))):
    ax.scatter(x, kinds, marker="v", color="0.4", label="event")
left.set(xlabel="time since the first event (hours)", ylabel="memory: space (+1), kitchen (-1)")
right.set(xlabel="event number (order alone)")
left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=9)
plt.show()

# %% [markdown] id="clock-alt-en" lang="en" tags=["alt"]
# Left, against hours: after each event the memories move towards its kind, quickly at first; over the pause from 10 to 33 hours the memory with half-life 2 h arrives at +1 and the one with 12 h comes about three quarters of the way. Right, against the event number: zigzag lines of equal steps, in which no pause can be seen.

# %% [markdown] id="clock-alt-zh" lang="zh" en="b6921d9a" tags=["alt"]
# 左图，横轴是小时：每个事件之后，记忆朝它那一类移动，起初快；从第 10 小时到第 33 小时的停顿里，半衰期 2 小时的记忆到达 +1，12 小时的走过约四分之三。右图，横轴是事件编号：步长相等的折线，看不出任何停顿。

# %% id="clock-check"
just_before = 5 * pieces - 1  # the moment before the sixth event, after the long pause
expect("memory with half-life 2 h after the pause", curves[2.0][just_before], 1.0, tol=0.01)
expect("memory with half-life 12 h after the pause", curves[12.0][just_before], 0.63, tol=0.03)
coarse = follow(torch.tensor(-math.log(2) / 12), instants.diff(), kinds)
fine = follow(torch.tensor(-math.log(2) / 12), fine_gaps, fine_kinds)[pieces - 1 :: pieces]
expect_close("seven whole gaps or 280 pieces: the same states", coarse, fine, tol=1e-4)

# %% [markdown] id="semigroup-en" lang="en"
# It does not know that a night has passed. On the clock, the short memory has long arrived at the last kind, and the long one is still on its way.
#
# Did you notice the last line of the check? To draw the curves we cut every gap into 40 pieces, and the states at the events stayed what they were.
#
# ## An honest clock
#
# Cutting a gap must change nothing: an hour is two half-hours. For the exact step this is the law of exponents, $e^{\lambda(a + b)} = e^{\lambda a} e^{\lambda b}$; mathematicians call it the *semigroup* property. It is a good test for anything that calls itself continuous time. A memory that lets a tenth fade at every event fails it; so does a network that is simply told the gap as one more input.
#
# Now the step that our library really uses, `event_steps`: $1 + \ln(1 + \text{gap} / 1\,\text{h})$.

# %% [markdown] id="semigroup-zh" lang="zh" en="882f8099"
# 它不知道过了一夜。按时钟走时，短的记忆早已到达最后那一类，长的还在路上。
#
# 注意到检查的最后一行了吗？为了画出曲线，我们把每段间隔切成 40 块，而事件处的状态原样不变。
#
# ## 诚实的时钟
#
# 把间隔切开，必须什么都不变：一小时就是两个半小时。对精确的一步来说，这就是指数律 $e^{\lambda(a + b)} = e^{\lambda a} e^{\lambda b}$，数学上叫**半群**性质（semigroup）。凡是自称“连续时间”的东西，都可以拿它来试。每来一个事件就衰减掉一成的记忆，通不过；把间隔当作又一个输入告诉网络，也通不过。
#
# 再看我们的库里真正使用的步长 `event_steps`：$1 + \ln(1 + \text{间隔} / 1\,\text{h})$。

# %% [markdown] id="predict-split-en" lang="en" tags=["predict"]
# **Predict.** A user opens the app half-way through an hour; nothing else happens. With steps from `event_steps`, is the sum of the two steps smaller than the step of the whole hour, the same, or larger?

# %% [markdown] id="predict-split-zh" lang="zh" en="f770b0e1" tags=["predict"]
# **猜一猜。** 一个小时过了一半，用户打开了一下应用，别的什么都没发生。步长取自 `event_steps` 时，两步之和比整整一小时的那一步小、相等，还是大？

# %% id="split-code"
# show: tutorial_lib.models.ssm.event_steps

whole, _ = event_steps(torch.tensor([[0, HOUR]]))
halves, _ = event_steps(torch.tensor([[0, HOUR // 2, HOUR]]))
expect("step of an hour", whole[0, 1], 1.69, tol=0.005)
expect("two steps of half an hour", halves[0, 1:].sum(), 2.81, tol=0.005)
expect("kept over the hour, half-life one unit of step", 0.5 ** whole[0, 1].item(), 0.31, tol=0.005)
expect("kept over the two halves", 0.5 ** halves[0, 1:].sum().item(), 0.14, tol=0.005)

# %% [markdown] id="split-why-en" lang="en"
# Larger: 2.81 instead of 1.69. A memory with a half-life of one unit keeps 31 % over the hour and 14 % over the two halves. So our SS4Rec is exact **in its own time**, and its own time is not the clock's. Partly that is on purpose (the 1 in front is what an event counts by itself), partly it is the price of the logarithm. Why pay it? See the next section.
#
# ## Break it, 1: the unit of time
#
# The published model takes the gaps in **seconds** and multiplies them by a learned step $s$, which starts between 0.001 and 0.1; the eigenvalues start with the real part $-\tfrac12$. What is kept over a gap is then $e^{-s\,\Delta / 2}$.

# %% [markdown] id="split-why-zh" lang="zh" en="dd497016"
# 更大：是 2.81，而不是 1.69。半衰期为一个单位的记忆，跨过整小时留下 31%，跨过两个半小时只留下 14%。可见我们的 SS4Rec **在它自己的时间里**是精确的，而它自己的时间不是时钟的时间。一部分是有意为之（前面的 1 是一个事件自身的分量），一部分是取对数的代价。为什么要付这个代价？请看下一节。
#
# ## 弄坏它之一：时间的单位
#
# 公开的模型以**秒**计间隔，再乘上一个学出来的步长 $s$，它的起点在 0.001 与 0.1 之间；特征值的实部从 $-\tfrac12$ 起步。于是跨过一段间隔，留下的是 $e^{-s\,\Delta / 2}$。

# %% [markdown] id="predict-unit-en" lang="en" tags=["predict"]
# **Predict.** How much of a memory is kept over one **hour** at the slowest of these steps, and how much at a medium one, $s = 0.01$? How much over a night?

# %% [markdown] id="predict-unit-zh" lang="zh" en="f102ef3c" tags=["predict"]
# **猜一猜。** 在这些步长里最慢的那个上，跨过一个**小时**，记忆留下多少？中等的 $s = 0.01$ 呢？跨过一夜呢？

# %% id="unit-code" tags=["break-it"]
scale = torch.tensor([0.001, 0.01, 0.1])
long_ago = torch.tensor([1, MINUTE, HOUR, 8 * HOUR, 30 * DAY])
in_seconds = torch.exp(-scale * long_ago[:, None] / 2)
ours = torch.exp(-scale * (1 + torch.log1p(long_ago[:, None] / 3600)) / 2)
expect("slowest step, one hour in seconds", in_seconds[2, 0], 0.165, tol=0.001)
expect("medium step, one hour, in units of 1e-8", in_seconds[2, 1] / 1e-8, 1.5, tol=0.05)
expect_true("a night in seconds: less than a millionth at every step", in_seconds[3].max() < 1e-6)
expect("fastest step, 30 days, with event_steps", ours[4, 2], 0.68, tol=0.01)

# %% id="unit-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
names = ["1 s", "1 min", "1 h", "8 h", "30 days"]
for ax, (title, table) in zip(axes, {"gap in seconds": in_seconds, "event_steps": ours}.items(), strict=True):
    plots.heatmap(table, names, [0.001, 0.01, 0.1], title, xlabel="step s", ylabel="", limits=(0, 1), ax=ax)
axes[0].set_ylabel("gap")
plt.show()

# %% [markdown] id="unit-alt-en" lang="en" tags=["alt"]
# Two tables of the share that is kept, gap down, step across. In seconds: near 1 for a second, from 0.97 to 0.05 for a minute, 0.17 and then 0 for an hour, 0 everywhere below. With event_steps: from 1 at the top left to 0.68 at the bottom right, nowhere near 0.

# %% [markdown] id="unit-alt-zh" lang="zh" en="1dbbe5da" tags=["alt"]
# 两张表，内容是保留的份额，纵向是间隔，横向是步长。以秒计：一秒处接近 1，一分钟处从 0.97 到 0.05，一小时处先是 0.17、然后是 0，再往下全是 0。用 event_steps：从左上角的 1 到右下角的 0.68，没有一处接近 0。

# %% [markdown] id="unit-why-en" lang="en"
# Over one hour 0.165 is left at the slowest step and about $1.5 \cdot 10^{-8}$ at the medium one; after a night nothing older than the last event is left in any number of the state (the last event itself was held all night). Such a model starts training without a memory that reaches from one sitting into the next. Training could in principle slow the steps down; but where everything is forgotten, the gradient is as small as what is left.
#
# Real gaps span a range that no single unit serves. The logarithm squeezes it: from a second to a month, `event_steps` goes from 1 to 7.6. That is why we pay with the semigroup. The committed table of facts about real data sets (lesson 01) says where the data lie:

# %% [markdown] id="unit-why-zh" lang="zh" en="525a73bc"
# 跨过一个小时，最慢的步长上还剩 0.165，中等的只剩约 $1.5 \cdot 10^{-8}$；过了一夜，状态的每个数里，比最后一个事件更早的东西都被擦得干干净净（最后那个事件自己则被保持了一整夜）。这样的模型刚开始训练时，没有任何记忆能从一次会话延续到下一次会话。训练原则上可以把步长调慢；可是在一切都被忘掉的地方，梯度也和剩下的东西一样小。
#
# 真实的间隔跨度太大，没有哪个单位能照顾周全。对数把它压拢：从一秒到一个月，`event_steps` 只从 1 走到 7.6。这就是我们宁可牺牲半群性质的原因。仓库里那张真实数据集的事实表（第 01 课）告诉我们数据在哪里：

# %% id="facts-code"
facts = read_facts()
expect("MovieLens 100K: share of gaps that are 0", facts.loc["ml-100k", "zero_gaps"], 0.51, tol=0.005)
expect("Amazon Grocery: the median gap in days", facts.loc["amazon-grocery", "gap_q50"] / DAY, 22, tol=0.5)
expect("event_steps of 30 days", 1 + math.log1p(720), 7.6, tol=0.05)

# %% [markdown] id="facts-why-en" lang="en"
# One formula, two opposite failures. On Amazon Grocery half of the gaps are 22 days or more: in seconds, everything before is forgotten at each of them. On MovieLens 100K 51 % of the gaps are **0**: there, half of the events have been held for no time. Which brings us to Mei.
#
# ## Break it, 2: the events that leave no trace
#
# Twelve events in one second, a question an hour later. We change each of the twelve inputs in turn and look how much the memory at the moment of the question changes. Three ways to step, all with a half-life of eight units:
#
# - **raw gaps**, in hours: each event is held until the next one;
# - **a floor**: `event_steps`, where an event counts 1 by itself;
# - **impulses**: the event is a tap on the lamp of lesson 10, not a push: $x_i = e^{\lambda\Delta_i} x_{i-1} + u_i$, and the gap afterwards only lets it fade.

# %% [markdown] id="facts-why-zh" lang="zh" en="00fb18a1"
# 一个公式，两种相反的失败。在 Amazon Grocery 上，一半的间隔有 22 天以上：以秒计，每过一次，之前的一切就忘光一次。在 MovieLens 100K 上，51% 的间隔是 **0**：那里有一半的事件，一秒都没有被保持过。这就说到了小梅。
#
# ## 弄坏它之二：没有留下痕迹的事件
#
# 一秒之内十二个事件，一小时之后提问。我们轮流改动十二个输入，看提问那一刻的记忆变了多少。三种走法，半衰期都是八个单位：
#
# - **原始间隔**，以小时计：每个事件保持到下一个事件；
# - **垫底**：`event_steps`，一个事件自身算 1；
# - **脉冲**：事件是第 10 课里对灯的一记轻敲，而不是持续的推：$x_i = e^{\lambda\Delta_i} x_{i-1} + u_i$，之后的间隔只让它衰减。

# %% [markdown] id="predict-trace-en" lang="en" tags=["predict"]
# **Predict.** For each of the three: how many of the twelve films leave a trace, and which one leaves the largest?

# %% [markdown] id="predict-trace-zh" lang="zh" en="60145b7d" tags=["predict"]
# **猜一猜。** 三种走法各有几部电影留下痕迹？哪一部的痕迹最大？

# %% id="trace-code" tags=["break-it"]
rate = torch.tensor(-math.log(2) / 8, dtype=torch.double)
evening = torch.full((1, 12), 1_700_000_000)
question = torch.cat(
    [evening[:, 1:], evening[:, -1:] + HOUR], dim=1
)  # each event asks at the next; the last an hour later
raw_hours = (question - evening)[0].double() / HOUR
floored = event_steps(evening, question)[1][0].double()


def impulses(u):
    return (torch.exp(rate * raw_hours.flip(0).cumsum(0).flip(0)) * u).sum()  # each fades over all gaps that follow it


memories = {
    "raw gaps": lambda u: follow(rate, raw_hours, u)[-1],
    "floor": lambda u: follow(rate, floored, u)[-1],
    "impulses": impulses,
}
films = torch.randn(12, dtype=torch.double)
traces = {}
for name, memory in memories.items():
    changed = torch.stack([memory(films + one) - memory(films) for one in torch.eye(12, dtype=torch.double)])
    traces[name] = changed.abs() / changed.abs().sum()
show_matrix(torch.stack(list(traces.values())), list(traces), [str(i) for i in range(1, 13)], digits=2)
expect_true("raw gaps: the last film leaves a trace, no other", (traces["raw gaps"] > 0).nonzero().tolist() == [[11]])
for name in ("floor", "impulses"):
    expect_true(f"{name}: all twelve leave a trace", traces[name].min() > 0.01)
expect_close("impulses: all twelve alike", traces["impulses"], [1 / 12] * 12, tol=1e-9)
expect("floor: share of the last film", traces["floor"][11], 0.2, tol=0.02)
expect("floor: share of the first film", traces["floor"][0], 0.05, tol=0.005)
left_in_seconds = math.exp(-0.01 * HOUR / 2)  # of each impulse after the hour, at the medium step of the published unit
expect_true("impulses measured in seconds: less than a millionth is left of any film", left_in_seconds < 1e-6)

# %% [markdown] id="trace-why-en" lang="en"
# With raw gaps **one** of the twelve is remembered, the last of the list, and which one is the last within the same second is an accident of the file. That is the first engineer. Floor and impulses store all twelve. The second engineer did take impulses, but she measured in seconds: an hour has 3,600 of them, and less than a millionth was left of every film. Impulses treat ties as what they are, a set without order. The floor keeps the order of the file, from 0.05 for the first to 0.2 for the last; we take it because a clock that stands still then leaves an ordinary state space with equal steps, and that is the time-blind twin which we need for comparison.
#
# ## The library version
#
# `S5` keeps $P$ complex numbers as its state, each with a rate of its own, and one matrix $B$ brings the input in. Two of its lines are worth a look. `StableEigenvalues` stores the real part as $-e^{\nu}$, so that no training step can make it positive; the published one is free, and a rate that turns positive grows with the length of the gap. And `states_ahead` reads the memory not at the event but when the **question** is asked: it lets the state arrive at event $i$, then holds the input of event $i$ for as long as `ahead` says.

# %% [markdown] id="trace-why-zh" lang="zh" en="f47b7e23"
# 用原始间隔，十二部里记住了**一部**，名单上的最后一部；而同一秒里谁排在最后，只是文件的偶然。这就是第一位工程师。垫底和脉冲都存下了全部十二部。第二位工程师用的正是脉冲，可她以秒计时：一小时有 3,600 秒，每部电影都只剩下不到百万分之一。脉冲把并列当作它本来的样子，一个没有次序的集合。垫底则保留文件里的次序，从第一部的 0.05 到最后一部的 0.2；我们选它，是因为这样一来，时钟若停着不动，剩下的就是一个步长相等的普通状态空间，也就是我们做比较时需要的、无时间信息的对照模型。
#
# ## 库里的版本
#
# `S5` 的状态是 $P$ 个复数，每个有自己的速率，输入由一个矩阵 $B$ 带进来。有两处值得一看。`StableEigenvalues` 把实部存成 $-e^{\nu}$，这样任何一步训练都不能让它变正；公开的版本不加约束，速率一旦变正，间隔越长就涨得越高。`states_ahead` 读取记忆的时刻不是事件发生时，而是**提问**时：先让状态走到事件 $i$，再把事件 $i$ 的输入保持到 `ahead` 所说的时长。

# %% id="library-code" tags=["library"]
# show: tutorial_lib.models.ssm.S5

layer = S5(dim=3, state=4).double()
u = torch.randn(1, 5, 3, dtype=torch.double)
rates = layer.eigenvalues() * layer.log_step.exp()  # one for each number of the state
driven = (u.to(torch.complex128) @ torch.view_as_complex(layer.B.mT.contiguous()).T)[0] * layer.log_step.exp()
by_hand = torch.stack([follow(rates[p], gaps, driven[:, p]) for p in range(4)], dim=1)
expect_close(
    "S5 equals our loop", torch.view_as_real(layer.states(u, gaps[None])[0]), torch.view_as_real(by_hand), tol=1e-12
)

# %% [markdown] id="layer-split-en" lang="en"
# In the layer the semigroup holds to twelve digits: read the memory a while after event 3, or cut this while into two and hold the input through both parts. And a step of 0 is the identity.

# %% [markdown] id="layer-split-zh" lang="zh" en="e6f26616"
# 在层里，半群性质精确到十二位：在事件 3 之后隔一会儿读取记忆，或者把这一会儿切成两段、输入在两段里都保持，结果一样。步长为 0 则什么都不变。

# %% id="layer-split-check" tags=["reference-check"]
one_jump = layer.states(u[:, :3], gaps[None, :3])[0, -1]
cut = torch.tensor([[gaps[0], gaps[1], 0.4 * gaps[2], 0.6 * gaps[2]]])
two_jumps = layer.states(u[:, [0, 1, 2, 2]], cut)[0, -1]
expect_close("one gap or two halves", torch.view_as_real(two_jumps), torch.view_as_real(one_jump), tol=1e-12)
zero = layer.states(u[:, [0, 1, 2, 4]], torch.tensor([[*gaps[:3], 0.0]]))[0, -1]
expect_close("a step of 0 changes nothing", torch.view_as_real(zero), torch.view_as_real(one_jump), tol=1e-12)
held = layer.states_ahead(u, F.pad(gaps[None, :-1], (1, 0)), gaps[None])
expect_close(
    "states_ahead up to the next event equals states",
    torch.view_as_real(held),
    torch.view_as_real(layer.states(u, gaps[None])),
    tol=1e-12,
)

# %% [markdown] id="memory-en" lang="en"
# ## What irregular steps cost
#
# Equal steps need one table $\bar B$ of $P \times H$ numbers, made once for the layer ($H$ is the width of the input). With a different step at every event the published port makes such a table **for every event of every history**, $B \cdot L \cdot P \cdot H$ complex numbers. But the weight of a diagonal state belongs to the state, not to the input: multiply $B u$ first, $P$ numbers an event, then by the $P$ weights. The same result, from $B \cdot L \cdot P$ numbers.

# %% [markdown] id="memory-zh" lang="zh" en="b54bd914"
# ## 不规则的步长要花多少
#
# 步长相等时，只需要一张 $P \times H$ 的表 $\bar B$，整层做一次（$H$ 是输入的宽度）。每个事件的步长都不同时，公开的移植版**为每段历史的每个事件**都做一张，共 $B \cdot L \cdot P \cdot H$ 个复数。可是对角状态的权重属于状态，不属于输入：先乘 $B u$，每个事件 $P$ 个数，再乘以 $P$ 个权重。结果相同，只用 $B \cdot L \cdot P$ 个数。


# %% id="memory-code" tags=["break-it"]
def materialised(layer, u, steps):
    """The output of S5 by way of a table B_bar for every event."""
    z = layer.eigenvalues() * layer.log_step.exp() * steps[..., None]  # [B, L, P]
    table = (torch.expm1(z) / layer.eigenvalues())[..., None] * torch.view_as_complex(layer.B.mT.contiguous())
    inputs = (table @ u[..., None].to(table.dtype))[..., 0]  # table [B, L, P, H]
    return layer.read_out(scan(z.exp(), inputs), u)


def megabytes_kept(function, *inputs):
    """Memory that a forward pass keeps for the gradient."""
    storages, alive = {}, []  # two tensors that live at the same time never share an address

    def note(tensor):
        alive.append(tensor)
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        function(*inputs)
    return sum(storages.values()) / 1e6


wide = S5(dim=64, state=32)
u, steps = torch.randn(8, 100, 64, requires_grad=True), 1 + 5 * torch.rand(8, 100)
expect_close("both forms give the same output", wide(u, steps), materialised(wide, u, steps), tol=1e-4)
trick, tables = megabytes_kept(wide, u, steps), megabytes_kept(lambda *x: materialised(wide, *x), u, steps)
expect("the tables keep so many times as much", tables / trick, 11.4, tol=1)
expect(
    "complex numbers in the tables, 128 histories of 200 events, in millions", 128 * 200 * 32 * 64 / 1e6, 52, tol=0.5
)

# %% [markdown] id="block-en" lang="en" tags=["library"]
# For a usual batch, 128 histories of 200 events with $P = 32$ and $H = 64$, the tables hold 52 million complex numbers, in a single layer.
#
# ## The whole model
#
# One block of SS4Rec has two state spaces, one after the other:
#
# 1. **time-aware**: the S5 above. Its steps come from the clock; what it does with an item is always the same.
# 2. **relation-aware**: the S6 scan of lesson 11. Its steps come from the items; it never sees the clock. It chooses what to keep because of *what* came, not of *when*.
#
# Each is added to its input and normalised. There are no positions and no feed-forward networks.

# %% [markdown] id="block-zh" lang="zh" en="a5f6c4c5" tags=["library"]
# 一个寻常的批次有 128 段历史、每段 200 个事件，$P = 32$、$H = 64$ 时，单单一层，这些表就有 5200 万个复数。
#
# ## 完整的模型
#
# SS4Rec 的一个块里有两个状态空间，一前一后：
#
# 1. **时间感知**：就是上面的 S5。步长来自时钟；怎样对待一个物品，则永远不变。
# 2. **关系感知**：第 11 课的 S6 扫描。步长来自物品，它从不看时钟。留下什么，取决于**来的是什么**，而不是**什么时候来**。
#
# 两者各自加到自己的输入上，再做归一化。没有位置，也没有前馈网络。

# %% id="block-code" tags=["library"]
# show: tutorial_lib.models.ss4rec.Block
# show: tutorial_lib.models.ss4rec.SS4Rec

# %% id="block-check" tags=["reference-check"]
sizes = {"num_items": 50, "max_len": 12, "dim": 16, "blocks": 1, "state": 8, "expand": 1, "dropout": 0.0, "seed": 0}
model = build_model("ss4rec", **sizes, query_time=False)
items = torch.randint(1, 51, (4, 12))
times = 1_700_000_000 + torch.randint(1, 3 * DAY, (4, 13)).cumsum(1)
times, queries = times[:, :-1], times[:, 1:]
block, x = model.blocks[0], model.item_embedding(items)
steps = 1 + torch.log1p(torch.diff(times, dim=1, prepend=times[:, :1]) / HOUR)
x = block.norm1(x + block.time_aware(x, steps))
x = block.norm2(x + block.relation_aware(x))
expect_close("the model is its two parts", model(items, times), x, tol=1e-5)

twin = build_model("ss4rec", **sizes, clock="none")
still = torch.full_like(times, 1_700_000_000)
expect_close("a clock that stands still leaves the time-blind twin", model(items, still), twin(items), tol=1e-5)

# %% [markdown] id="drawing-en" lang="en"
# In one drawing, with the clock on the right:
#
# ![SS4Rec. Step 1: the item table turns ids into vectors; no positions, no root of d. Step 2: times become steps: one plus the log of the gap, since the event before, and ahead until the query if the query time may be known. In each block, step 3: S5, whose decay follows the steps of the clock. Step 4: its residual is added. Step 5: norm1. Step 6: the selective state space, whose steps come from the items. Step 7: its residual is added. Step 8: norm2. Step 9: scores with the item table. Time enters at steps 2 and 3.](../figures/en/ss4rec.svg)
#
# **Read it off the drawing.** A user comes back after a year. Which step of a block sees the year, and which one chooses by the item?
#
# <details><summary>Answer</summary>
#
# Step 3 sees the year: its decay follows the step of the clock. Step 6 makes its own step from $x$, that is, from the item and from what step 3 has made of it.
#
# </details>

# %% [markdown] id="drawing-zh" lang="zh" en="8bcfdecf"
# 画成一张图，时钟在右边：
#
# ![SS4Rec。第 1 步：物品表把编号变成向量；不加位置，不乘 d 的平方根。第 2 步：时间变成步长：1 加上间隔的对数，一是距上一个事件，二是（如果允许知道查询时刻）到查询时刻。在每个块里，第 3 步：S5，它的衰减跟着时钟的步长走。第 4 步：加上残差。第 5 步：norm1。第 6 步：选择性状态空间，它的步长由物品算出。第 7 步：加上残差。第 8 步：norm2。第 9 步：用物品表打分。时间在第 2、3 步进入。](../figures/zh/ss4rec.svg)
#
# **从图上找答案。** 一位用户一年后回来。块里哪一步看到这一年？哪一步按物品来选择？
#
# <details><summary>答案</summary>
#
# 第 3 步看到这一年：它的衰减跟着时钟的步长走。第 6 步的步长由 $x$ 算出，也就是由物品，以及第 3 步对它的加工结果算出。
#
# </details>

# %% [markdown] id="query-en" lang="en"
# The model has two questions about time to settle, and both are options. `clock="none"` is the twin: every step is 1. `query_time` says whether position $i$ is read at the moment of the question (as published: the gap *after* the event is a step), or at the event itself.
#
# ## Can it read the clock?
#
# The last-gap task of lesson 12: one gap tells the answer, everything else is noise. Either the gap before the last event (`past`) or the gap up to the question (`query`).

# %% [markdown] id="query-zh" lang="zh" en="d80a5872"
# 关于时间，这个模型有两件事要定下来，都做成了选项。`clock="none"` 是对照模型：每步都是 1。`query_time` 决定位置 $i$ 在什么时候读取：是提问那一刻（公开的版本如此：事件**之后**的间隔也是一步），还是事件发生时。
#
# ## 它读得懂时钟吗？
#
# 用第 12 课的末间隔任务：答案由一段间隔决定，其余全是噪声。这段间隔要么在最后一个事件之前（`past`），要么在最后一个事件与提问之间（`query`）。


# %% id="task-code"
def last_states(model, items, times, query_times):
    states = model(items, times, query_times)
    return states[torch.arange(len(items)), (items > 0).sum(1) - 1]


def learn(gap, seed, **options):
    """Trains on 150 batches of 50 fresh histories; returns the model and which of 2,000 unseen ones it gets right."""
    small = {"dim": 16, "blocks": 1, "time_state": 16, "state": 4, "expand": 1, "dropout": 0.0}
    model = build_model("ss4rec", num_items=12, max_len=8, seed=seed, **small, **options)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    task = last_gap_task(150 * 50, 8, seed=100 + seed, gap=gap)
    for batch in torch.arange(150 * 50).split(50):
        *history, answer = (column[batch] for column in task)
        loss = full_softmax(last_states(model, *history), model.item_embedding.weight, answer)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    *history, answer = last_gap_task(2000, 8, seed=1, gap=gap)
    with torch.no_grad():
        return model, (model.score(last_states(model, *history)).argmax(dim=1) == answer).double().numpy()


# %% [markdown] id="predict-task-en" lang="en" tags=["predict"]
# **Predict.** Three contestants, five seeds each: the twin with `clock="none"` on `query`; SS4Rec with `query_time=True` on `query`; SS4Rec with `query_time=False` on `past`. How many of 100 does each get right?

# %% [markdown] id="predict-task-zh" lang="zh" en="79a80b13" tags=["predict"]
# **猜一猜。** 三位选手，各用五个种子：`clock="none"` 的对照模型做 `query`；`query_time=True` 的 SS4Rec 做 `query`；`query_time=False` 的 SS4Rec 做 `past`。每 100 题各对多少？

# %% id="task-run" tags=["nbval-ignore-output"]
contestants = {
    "twin, clock='none'": ("query", {"clock": "none"}),
    "gap up to the query": ("query", {"query_time": True}),
    "past gap, no query time": ("past", {"query_time": False}),
}
right, trained = {}, {}
for label, (gap, options) in contestants.items():
    runs = [learn(gap, seed, **options) for seed in range(5)]
    trained[label], right[label] = [model for model, _ in runs], np.stack([r for _, r in runs])  # [seeds, histories]
    print(f"{label:24s} right {right[label].mean(axis=1).round(3)}  mean {bootstrap_interval(right[label])}")

# %% id="task-picture" tags=["picture", "nbval-ignore-output"]
intervals = {label: bootstrap_interval(values) for label, values in right.items()}
ax = plots.metric_bars(intervals, {"guessing": 0.5}, xlabel="share of right answers (95 % interval over histories)")
for row, values in enumerate(right.values()):
    ax.plot(values.mean(axis=1), np.full(5, row - 0.2), ".", color=plots.ORANGE)  # one dot a seed
plt.show()

# %% [markdown] id="task-alt-en" lang="en" tags=["alt"]
# Share of right answers for the three contestants, with one dot for each seed. The twin stands on the line of guessing at one half; both versions with a clock stand next to 1, with all seeds.

# %% [markdown] id="task-alt-zh" lang="zh" en="04201cd0" tags=["alt"]
# 三位选手答对的份额，每个种子一个点。对照模型正落在一半的“瞎猜”线上；两个有时钟的版本都紧挨着 1，所有种子都如此。

# %% id="task-check"
blind, query, past = right.values()
expect_true("gap up to the query: above 0.97 with every seed", query.mean(axis=1).min() > 0.97)
expect_true("past gap: above 0.97 with every seed", past.mean(axis=1).min() > 0.97)
expect("the twin, mean of five seeds", blind.mean(), 0.5, tol=0.03)
gain = paired_bootstrap(query, blind)
expect_true("SS4Rec minus its twin: the 95 % interval lies above 0.45", gain.low > 0.45)

*history, answer = last_gap_task(200, 8, seed=1, gap="query")
later = (history[0], history[1], history[2] + 10 * DAY)
model = trained["past gap, no query time"][0]
with torch.no_grad():
    same = torch.equal(last_states(model, *history), last_states(model, *later))
expect_true("without query_time the question may come ten days later: nothing changes", same)

# %% [markdown] id="task-read-en" lang="en"
# More than 97 of 100 with the clock, a coin without it. And once more: without `query_time` the moment of the question does not exist for the model. The published SS4Rec is shown the time of the very event that it must predict, in training and in the test; the models it is compared with are not. That is legitimate (when serving, "now" is known), but then it has to be said, and offered to all, or the table compares information and not models.
#
# As in lesson 12, being able to read the clock is not yet gaining by it on real data. That needs the twin on the same real test users. The last section of this lesson does it.
#
# ## Two numbers that were claimed
#
# A public repository names targets for SS4Rec: an RMSE of 0.60 to 0.70 on MovieLens, and a hit rate HR@10 above 0.30 with NDCG@10 above 0.25. The paper of the model reports no RMSE at all. What can be said without training anything?
#
# **RMSE** is the root of the mean squared error of predicted *ratings*. SS4Rec predicts no ratings, it ranks. Its loss looks only at differences between the scores of one list. So take the trained model, add any number you like to all its scores, or stretch them, and see what changes.

# %% [markdown] id="task-read-zh" lang="zh" en="7bcbc18f"
# 有时钟，每 100 题对 97 题以上；没有，就是抛硬币。再说一遍：不带 `query_time`，提问的时刻对模型来说就不存在。公开的 SS4Rec 无论训练还是测试，都看得到它要预测的那个事件的时间；和它比的模型却看不到。这是正当的（上线时，“现在”是已知的），但必须明说，并且提供给所有模型；否则那张表比的是信息，而不是模型。
#
# 与第 12 课一样，读得懂时钟，不等于在真实数据上从中得了好处。那需要在同一批真实测试用户上与对照模型比较，这一课的最后一节就来做。
#
# ## 两个被宣称的数字
#
# 有个公开的仓库给 SS4Rec 定了目标：在 MovieLens 上 RMSE 为 0.60 到 0.70；命中率 HR@10 高于 0.30，同时 NDCG@10 高于 0.25。模型的论文里根本没有 RMSE。不训练任何东西，我们能说出什么？
#
# **RMSE** 是预测**评分**的均方根误差。SS4Rec 不预测评分，它排序。它的损失只看同一个列表里得分的差。所以，取训练好的模型，给它的所有得分加上任意一个数，或者把它们拉伸一下，看看什么变了。

# %% [markdown] id="predict-rmse-en" lang="en" tags=["predict"]
# **Predict.** We add 100 to every score. What becomes of the loss, of the ranks, and of the "RMSE" if somebody reads the score of the true item as a rating and compares it with 4 stars?

# %% [markdown] id="predict-rmse-zh" lang="zh" en="abca5dee" tags=["predict"]
# **猜一猜。** 我们给每个得分加 100。损失会怎样，名次会怎样？如果有人把真实物品的得分当作评分，去和 4 颗星比，那个“RMSE”又会怎样？

# %% id="rmse-code" tags=["break-it"]
*history, answer = last_gap_task(500, 8, seed=2, gap="query")
with torch.no_grad():
    scores = model.score(last_states(model, *history)).double()
true_scores = scores.gather(1, answer[:, None])[:, 0]
flattering = 0.65 / true_scores.std(correction=0)  # a stretch, chosen for the purpose
found = {}
for name, moved in {
    "as trained": scores,
    "plus 100": scores + 100,  # the PAD column stays at -inf
    "flattered": flattering * (scores - true_scores.mean()) + 4,
}.items():
    loss = F.cross_entropy(moved[:, 1:], answer - 1)
    rmse = (moved.gather(1, answer[:, None])[:, 0] - 4).square().mean().sqrt()
    found[name] = (loss, target_ranks(moved, answer), rmse)
expect_close("plus 100: the loss is the same", found["plus 100"][0], found["as trained"][0], tol=1e-4)
expect_true("plus 100: the 'RMSE' has grown by more than 50", found["plus 100"][2] - found["as trained"][2] > 50)
expect_between("flattered: the 'RMSE' is as claimed", found["flattered"][2], 0.60, 0.70)
for name in ("plus 100", "flattered"):
    expect_true(f"{name}: all ranks are the same", np.array_equal(found[name][1], found["as trained"][1]))

# %% [markdown] id="rmse-why-en" lang="en"
# Loss and ranks do not notice the 100, and the "RMSE" can be anything: a shift and a stretch, chosen for the purpose, put it into the middle of the claimed range, and not one rank has moved. So a ranker has no RMSE until somebody gives it a rating head and trains that; and then the head must be compared with matrix factorization on the same split. For orientation: <!-- literature --> the best published RMSE on MovieLens that we know of is about 0.76 (ML-10M; Rendle et al. 2019), and the run that the repository itself reports has a validation RMSE of 1.25, while guessing the mean rating would give about 1.09.
#
# **HR and NDCG together** say where the hits stand. A hit at rank $r$ is worth $1 / \log_2(r + 1)$, so NDCG@10 divided by HR@10 is the mean worth of a hit.

# %% [markdown] id="rmse-why-zh" lang="zh" en="35f7e7b2"
# 加 100，损失和名次毫无察觉，“RMSE”却可以是任何数：特意挑一个平移和一个拉伸，就把它放到了所宣称范围的正中间，而名次一个也没动。所以，一个做排序的模型没有 RMSE，除非有人给它装上一个预测评分的头并加以训练；那时还必须在同样的切分上与矩阵分解比较。供参考：<!-- literature -->就我们所知，MovieLens 上已发表的最好的 RMSE 约为 0.76（ML-10M；Rendle 等，2019）；而那个仓库自己报告的一次运行，验证集 RMSE 是 1.25，可是永远猜平均分也就是 1.09 左右。
#
# **HR 与 NDCG 合起来**，说出命中排在哪里。排在第 $r$ 名的一次命中值 $1 / \log_2(r + 1)$，所以 NDCG@10 除以 HR@10，就是一次命中平均值多少。

# %% id="ratio-code"
worth = 1 / np.log2(np.arange(1, 11) + 1)
claimed = 0.25 / 0.30
expect("worth of a hit if all ten ranks are equally likely", worth.mean(), 0.45, tol=0.005)
expect("worth of a hit at rank 2", worth[1], 0.63, tol=0.002)
expect("worth of a hit in the claim", claimed, 0.83, tol=0.005)
expect("hits at rank 1, if all others stood at rank 2", (claimed - worth[1]) / (1 - worth[1]), 0.55, tol=0.01)
sasrec = read_results("ml-1m_leave_last_out").set_index(["model", "loss"]).loc[("sasrec", "ce")]
expect("our SASRec on MovieLens 1M, full ranking: worth of a hit", sasrec["ndcg@10"] / sasrec["hr@10"], 0.57, tol=0.01)

# %% [markdown] id="ratio-why-en" lang="en"
# The claim needs a mean worth of 0.83. Even if no hit ever stood below rank 2, more than half of them would have to stand at rank 1. If all ten ranks were equally likely the worth would be 0.45, and our SASRec on MovieLens 1M (lesson 07), ranked against the whole catalogue, has 0.57. So the two targets hardly fit together; a hit rate of 0.30 alone is within reach of known models. Where such a ratio does appear, look for repeated purchases or duplicates in the data before you praise the model.

# %% [markdown] id="ratio-why-zh" lang="zh" en="311e23a4"
# 那个说法要求平均值 0.83。哪怕没有一次命中排在第 2 名以下，也得有一半以上排在第 1 名。如果十个名次机会均等，平均值是 0.45；我们在 MovieLens 1M 上的 SASRec（第 07 课）与整个目录一起排名，是 0.57。所以这两个目标很难同时成立；单说命中率 0.30，已知的模型够得着。真的出现这样的比值时，先别夸模型，到数据里找找有没有重复购买或重复记录。

# %% [markdown] id="real-en" lang="en"
# ## Four memories on real data
#
# Time for the question that the toy task cannot answer. The four recurrent models of lessons 10 to 13 meet MovieLens 100K and Amazon Grocery, by the protocol of lesson 08: LRURec without and with a clock, Mamba4Rec, TiM4Rec and SS4Rec, the last with and without the time of the query. Five seeds, the same loss, width and number of epochs, the learning rate chosen on validation from the same two. SS4Rec is built here with a smaller relation-aware part (8 numbers a channel and no widening) so that it costs about as much as the others. SASRec and TiSASRec of lessons 07 and 08 stand beside them, and so do the two that only count.

# %% [markdown] id="real-zh" lang="zh" en="6d8d5497"
# ## 四种记忆，真实数据
#
# 现在来问玩具任务答不了的问题。第 10 至 13 课的四个循环模型，按第 08 课的规程来到 MovieLens 100K 和 Amazon Grocery：不带时钟和带时钟的 LRURec、Mamba4Rec、TiM4Rec 和 SS4Rec，最后一个又分知道与不知道查询时刻。五个种子，同样的损失、宽度和轮数，学习率都在验证集上从同样的两个里选。这里的 SS4Rec 关系感知部分取得小一些（每个通道 8 个数，不加宽），好让它的开销和别的差不多。第 07、08 课的 SASRec 和 TiSASRec，还有两个只会计数的，都站在旁边。

# %% [markdown] id="predict-real-en" lang="en" tags=["predict"]
# **Predict.** Will recurrent memories beat attention on histories of at most 50 events? And which of the four clocks will be worth something?

# %% [markdown] id="predict-real-zh" lang="zh" en="9ca80206" tags=["predict"]
# **猜一猜。** 历史最多 50 个事件，循环的记忆能胜过注意力吗？四只时钟里，哪一只会有用？

# %% id="real-code" tags=["nbval-ignore-output"]
from tutorial_lib.experiments.results import read_quality

tables = {"MovieLens 100K": "ml-100k_leave_last_out", "Amazon Grocery": "amazon-grocery_temporal"}
SMALL = "expand=1 state=8"
names = {
    ("popularity", ""): "popularity",
    ("markov", ""): "Markov chain",
    ("sasrec", ""): "SASRec",
    ("tisasrec", ""): "TiSASRec",
    ("lrurec", ""): "LRURec",
    ("lrurec", "time_aware=True"): "LRURec + clock",
    ("mamba4rec", ""): "Mamba4Rec",
    ("tim4rec", ""): "TiM4Rec",
    ("ss4rec", SMALL): "SS4Rec",
    ("ss4rec", "expand=1 query_time=True state=8"): "SS4Rec + query time",
}
quality = {}  # {data: {name: {clock: NDCG@10 [seeds, users]}}}
for data, table in tables.items():
    quality[data] = {name: {} for name in names.values()}
    for (model, options, clock), values in {
        **read_quality(f"attention_{table}"),
        **read_quality(f"ssm_{table}"),
    }.items():
        if (model, options) in names:
            quality[data][names[model, options]][clock] = values
    for name, found in quality[data].items():
        print(f"{data:15s} {name:20s}", "  ".join(f"{clock} {v.mean():.4f}" for clock, v in found.items()))


def minus(data, name, clock="real", *, of="real", than=None):
    """Interval of NDCG@10: the model with the clock `of`, minus the model `than` (itself) with the other clock."""
    return paired_bootstrap(quality[data][name][of], quality[data][than or name][clock])


clocked = {
    "TiSASRec": "SASRec",
    "LRURec + clock": "LRURec",
    "TiM4Rec": "Mamba4Rec",
    "SS4Rec": None,
    "SS4Rec + query time": None,
}
gained = {}  # {data: {name: {rival: Interval}}}
for data in tables:
    gained[data] = {
        name: {f"{clock} clock": minus(data, name, clock) for clock in ("constant", "shuffled")}
        | ({"blind model": minus(data, name, than=blind)} if blind else {})
        for name, blind in clocked.items()
    }

# %% id="real-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(2, 2, figsize=(10, 7.6))
for column, data in enumerate(tables):
    plots.metric_bars(
        {name: bootstrap_interval(found["real"]) for name, found in quality[data].items()},
        title=data,
        xlabel="NDCG@10",
        ax=axes[0, column],
    )
    plots.differences(gained[data], title="what the real clock adds", ax=axes[1, column])
fig.legend(*axes[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %% [markdown] id="real-alt-en" lang="en" tags=["alt"]
# Four panels, MovieLens 100K in the left column, Amazon Grocery in the right. Above: NDCG@10 of ten models with 95 % intervals over users, the counting models lowest. Below: for five time-aware models, the NDCG@10 with the real clock minus that with a constant clock, minus that with shuffled gaps, and minus that of the model without a clock. A line marks 0, and most intervals lie across it.

# %% [markdown] id="real-alt-zh" lang="zh" en="104f5727" tags=["alt"]
# 四幅图，左列是 MovieLens 100K，右列是 Amazon Grocery。上面：十个模型的 NDCG@10 和对用户的 95% 区间，只会计数的模型最低。下面：五个带时钟的模型，用真时钟时的 NDCG@10，分别减去用恒定时钟、用打乱的间隔、以及不带时钟的模型的 NDCG@10。一条线标出 0，大多数区间都跨过它。

# %% id="real-check"
five = [v for found in quality.values() for name in found for v in found[name].values() if len(v) > 1]
expect_true("five seeds of every trained model", all(len(v) == 5 for v in five))
expect_true(
    "the same test users",
    all(len({v.shape[1] for f in found.values() for v in f.values()}) == 1 for found in quality.values()),
)
for name in ("Mamba4Rec", "TiM4Rec"):
    lead = minus("MovieLens 100K", name, than="SASRec")
    expect(f"MovieLens 100K: {name} minus SASRec", lead.mean, 0.013, tol=0.0015)
    expect_true("its interval lies above 0", lead.low > 0)
recurrent = ("LRURec", "LRURec + clock", "Mamba4Rec", "TiM4Rec", "SS4Rec", "SS4Rec + query time")
expect_true(
    "Amazon Grocery: none of the six differs clearly from SASRec",
    not any(minus("Amazon Grocery", name, than="SASRec").excludes_zero for name in recurrent),
)
judged = [
    gained[data][name][f"{clock} clock"]
    for data in tables
    for name in recurrent
    if name in clocked
    for clock in ("constant", "shuffled")
]
expect_true("sixteen intervals of a real clock against a twin", len(judged) == 16)
expect_true("none lies above 0", not any(interval.low > 0 for interval in judged))
expect_true("two lie below it", sum(interval.high < 0 for interval in judged) == 2)
worse = gained["MovieLens 100K"]["LRURec + clock"]["constant clock"]
expect("MovieLens 100K: the clock of LRURec, real minus constant", worse.mean, -0.008, tol=0.001)
expect_true("its interval lies below 0", worse.high < 0)
for data in tables:
    told = paired_bootstrap(quality[data]["SS4Rec + query time"]["real"], quality[data]["SS4Rec"]["real"])
    expect_true(f"{data}: the query time adds nothing to SS4Rec", told.low < 0)
runs = read_results("ssm_ml-100k_leave_last_out")
best = (
    runs[(runs["model"] == "ss4rec") & (runs["clock"] == "real")].groupby("options")[["hr@10", "ndcg@10"]].mean().max()
)
expect("MovieLens 100K: the better SS4Rec, HR@10", best["hr@10"], 0.202, tol=0.004)
expect("NDCG@10", best["ndcg@10"], 0.107, tol=0.003)
size = {
    m: read_results(f"{kind}_ml-100k_leave_last_out").set_index("model")["parameters"][m].max()
    for kind, m in (("ssm", "mamba4rec"), ("attention", "sasrec"))
}
expect(
    "parameters of Mamba4Rec for one of SASRec, at the same width", size["mamba4rec"] / size["sasrec"], 1.45, tol=0.02
)

# %% [markdown] id="real-read-en" lang="en"
# Two findings.
#
# **A memory can replace attention.** On MovieLens 100K Mamba4Rec and TiM4Rec are ahead of SASRec by 0.013, and the intervals exclude 0. On Amazon Grocery none of the six differs clearly from SASRec. All had the same width and the same budget. But at that width Mamba4Rec has 1.45 times the parameters of SASRec, and a model that learns more slowly may look worse here than it is.
#
# **No clock was worth anything.** Four time-aware memories, two data sets, two twins each: sixteen intervals, and not one lies above 0. Two lie below, where chance alone would put one or none: on Amazon Grocery SS4Rec with the query time is 0.001 behind its twin with shuffled gaps, and on MovieLens 100K the clock of LRURec *costs* 0.008 against a constant one. For the second a likely reason stands in the formula, the decay to the power of the gap. It must forget over a long gap, whether forgetting is right or not, while a gate or an attention bucket may also learn to do nothing. And SS4Rec, told when the question is asked, is no better than without.
#
# Is it the models that cannot read a clock? No, you have seen them read it. Is there nothing in the gaps of these data? That does not follow either: TiSASRec found no more in lesson 08, but other models, longer histories or other data might.

# %% [markdown] id="real-read-zh" lang="zh" en="67142fd0"
# 两个发现。
#
# **记忆可以取代注意力。** 在 MovieLens 100K 上，Mamba4Rec 和 TiM4Rec 比 SASRec 高 0.013，区间不含 0。在 Amazon Grocery 上，六个里没有一个与 SASRec 有明显差别。大家的宽度和预算都一样。不过在这个宽度上，Mamba4Rec 的参数是 SASRec 的 1.45 倍；而学得慢的模型，在这里可能显得比实际差。
#
# **四种时间建模都没有带来提升。** 四个带时钟的记忆，两个数据集，各两个对照模型：十六个区间，没有一个在 0 以上。有两个在 0 以下，而单凭运气顶多会有一个：在 Amazon Grocery 上，知道查询时刻的 SS4Rec 比用打乱的间隔的对照模型低 0.001；在 MovieLens 100K 上，LRURec 的真时钟比恒定时钟**低** 0.008。后一件事的原因很可能就写在公式里：衰减取间隔次幂。间隔一长，它非忘不可，不管该不该忘；而一个门、一个注意力的桶，还可以学会什么都不做。至于 SS4Rec，告诉它什么时候提问，也不比不告诉更好。
#
# 是模型读不懂时钟吗？不是，你亲眼看过它们读懂。是这些数据的间隔里什么都没有吗？这也推不出来：第 08 课的 TiSASRec 同样没有多找到什么，但换别的模型、更长的历史、别的数据，也许会有。

# %% [markdown] id="verdict-en" lang="en"
# | claim | verdict here |
# |---|---|
# | it reads the clock | yes: above 97 of 100, its twin guesses |
# | RMSE 0.60 to 0.70 | not testable as it stands: a ranker has no RMSE |
# | HR@10 above 0.30 with NDCG@10 above 0.25 | **not replicated**: 0.20 and 0.11 on MovieLens 100K; and the pair is implausible by its ratio |
# | it ranks better on real data because of the clock | **not replicated** on the two data sets, with or without the query time |

# %% [markdown] id="verdict-zh" lang="zh" en="e1bb2564"
# | 说法 | 这里的结论 |
# |---|---|
# | 它读得懂时钟 | 是：100 题对 97 题以上，对照模型靠猜 |
# | RMSE 为 0.60 到 0.70 | 照这个说法无从检验：做排序的模型没有 RMSE |
# | HR@10 高于 0.30，同时 NDCG@10 高于 0.25 | **没有复现**：在 MovieLens 100K 上是 0.20 和 0.11；从比值看也不大可信 |
# | 因为有时钟，它在真实数据上排得更好 | 在这两个数据集上**没有复现**，给不给查询时刻都一样 |

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **13.1 Implement.** Write `eigenvalue_for(half_life, period)`: the complex $\lambda$ per hour of a memory that keeps half of its size after `half_life` hours and turns once around in `period` hours, to the left. `period = math.inf` means that it does not turn.

# %% [markdown] id="exercise1-zh" lang="zh" en="8afc795c" tags=["exercise"]
# ## 练习
#
# **13.1 实现。** 写出 `eigenvalue_for(half_life, period)`：一份记忆过 `half_life` 小时后大小剩一半，每 `period` 小时向左转一整圈，求它每小时的复数 $\lambda$。`period = math.inf` 表示不转。


# %% id="exercise1-code" tags=["exercise"]
def eigenvalue_for(half_life, period):
    """Hours -> a complex number, per hour."""
    ...


lesson13.check_eigenvalue_for(eigenvalue_for)


# %% id="exercise1-solution" tags=["solution"]
# Solution

def eigenvalue_for(half_life, period):
    return complex(-math.log(2) / half_life, 2 * math.pi / period)  # a full turn is 2 pi; 1 / inf is 0


lesson13.check_eigenvalue_for(eigenvalue_for)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **13.2 Modify.** `follow` tells the memory at the events only, but a question may come at any moment. Write `read_at(eigenvalue, state, u, waits)`: the memory `waits` hours after an event, for many waits at once, when `state` arrived at the event and its input `u` is held from then on. Here $\lambda$ is real and all is float32. It must be right even for a wait of a ten-millionth of an hour, where $e^{\lambda\Delta}$ rounds to 1; look for `torch.expm1`.

# %% [markdown] id="exercise2-zh" lang="zh" en="851be238" tags=["exercise"]
# **13.2 修改。** `follow` 只给出事件处的记忆，可提问随时会来。写出 `read_at(eigenvalue, state, u, waits)`：事件之后 `waits` 小时的记忆，一次算出许多个时刻；`state` 是走到事件时的状态，事件的输入 `u` 从那时起一直保持。这里 $\lambda$ 是实数，全部用 float32。哪怕只等一小时的千万分之一，$e^{\lambda\Delta}$ 已经舍入成 1，结果也必须正确；不妨查一下 `torch.expm1`。


# %% id="exercise2-code" tags=["exercise"]
def read_at(eigenvalue, state, u, waits):
    """eigenvalue, state, u: numbers (tensors of shape []); waits [N] hours, each from the event -> [N]."""
    ...


lesson13.check_read_at(read_at)


# %% id="exercise2-solution" tags=["solution"]
# Solution

def read_at(eigenvalue, state, u, waits):
    growth = torch.expm1(eigenvalue * waits)  # kept - 1, without the subtraction of two numbers near 1
    return state + growth * state + growth / eigenvalue * u


lesson13.check_read_at(read_at)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **13.3 Measure.** Six sealed laws of forgetting, `lesson13.sealed["A"]` to `["F"]`. Each takes a state, complex [N], and a gap in hours, and returns the state after it. Which of them are honest clocks, for which a gap in one piece and the same gap in two pieces give the same? Try several gaps. Give a set of letters.

# %% [markdown] id="exercise3-zh" lang="zh" en="a91b2cdd" tags=["exercise"]
# **13.3 测量。** 有六条封装好的遗忘规律，`lesson13.sealed["A"]` 到 `["F"]`。每条都接收状态（复数 [N]）和以小时计的间隔，返回之后的状态。其中哪些是诚实的时钟，也就是间隔一整段走完与拆成两段走完结果相同？多试几种间隔。用字母的集合作答。

# %% id="exercise3-code" tags=["exercise"]
honest = ...

lesson13.check_honest(honest)

# %% id="exercise3-solution" tags=["solution"]
# Solution

start, honest = torch.tensor([1 + 0j, 2 - 1j, -0.3 + 4j]), set()
for letter, law in lesson13.sealed.items():
    pairs = [(0.5, 0.5), (0.1, 3.0), (20.0, 4.0), (0.0, 1.0)]
    if all(torch.allclose(law(law(start, a), b), law(start, a + b), rtol=1e-4) for a, b in pairs):
        honest.add(letter)

lesson13.check_honest(honest)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **13.4 Think.** SS4Rec with `query_time=False`, a history of eight events. We look at its state at **event 5**. Which changes leave that state as it was? Give a set of letters.
#
# - A: all timestamps and the question move by a week
# - B: the question is asked ten days later
# - C: the first event happened a day earlier
# - D: events 3 and 4 happened in the same second, and their items change places
# - E: event 8 happens a day later

# %% [markdown] id="exercise4-zh" lang="zh" en="8414f2ee" tags=["exercise"]
# **13.4 思考。** 带 `query_time=False` 的 SS4Rec，一段八个事件的历史。我们看它在**事件 5** 处的状态。哪些改动会让这个状态保持原样？用字母的集合作答。
#
# - A：所有时间戳和提问时刻都挪动一周
# - B：提问推迟十天
# - C：第一个事件早发生了一天
# - D：事件 3 和事件 4 发生在同一秒，它们的物品互换位置
# - E：事件 8 推迟了一天

# %% id="exercise4-code" tags=["exercise"]
unchanged = ...

lesson13.check_unchanged(unchanged)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# A: only gaps are read. B: without query_time the question is never looked at. C changes the gap between events 1 and 2.
# D: with the floor, events of the same second are stored one after the other, so their order counts (with impulses it would
# not, in the S5; the S6 would still notice). E: event 8 lies behind event 5.
unchanged = {"A", "B", "E"}

lesson13.check_unchanged(unchanged)

# %% [markdown] id="answer-en" lang="en"
# ## Mei's films, answered
#
# How many of the twelve should be remembered? All, you would say, and now you know what it takes. The first engineer held every film until the next, and eleven of them for no time at all; the second stored all twelve, measured in seconds and lost them within the hour. Both were exact. Exactness says that the computation follows the law; whether the law is a sensible one for people who rate twelve films in a second, and come back after a month, is for you to decide: a unit, a floor, a logarithm. None of these is in the formula, and all of them decide what is remembered.

# %% [markdown] id="answer-zh" lang="zh" en="04d654bc"
# ## 回答开头的问题
#
# 十二部电影该记得几部？你会说全部，而现在你知道这需要什么。第一位工程师让每部电影保持到下一部，其中十一部连一秒也没有保持到；第二位存下了全部十二部，却以秒计时，一小时之内丢得一部不剩。两个人都是精确的。精确说的是计算服从规律；至于对那些一秒评十二部电影、一个月后才回来的人，这条规律合不合情理，要由你来定：单位、垫底、对数。公式里没有这些，而决定记住什么的，正是这些。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. In SS4Rec the gaps of the clock are the steps of a state space; with held inputs it is a moving average measured in hours.
# 2. The exact step lets a gap be cut anywhere; logarithms of gaps give that up in exchange for a range that a memory can span.
# 3. The unit decides: in raw seconds nothing older than the last event survives a night; with gaps of 0 held events leave no trace.
# 4. The weights of a diagonal state belong to the state: no table for every event is needed.
# 5. It reads the clock where its twin guesses; it has no RMSE, and on the two real data sets its clock gained nothing.

# %% [markdown] id="summary-zh" lang="zh" en="daeeb7e7" tags=["summary"]
# ## 小结
#
# 1. 在 SS4Rec 里，时钟的间隔就是状态空间的步长；输入保持不变时，它是以小时计量的滑动平均。
# 2. 精确的一步允许把间隔在任何地方切开；取对数放弃了这一点，换来记忆跨得过的范围。
# 3. 单位说了算：以原始的秒计，比最后一个事件更早的东西熬不过一夜；间隔为 0 时，被保持的事件不留痕迹。
# 4. 对角状态的权重属于状态：不需要为每个事件做一张表。
# 5. 它读得懂时钟，对照模型靠猜；它没有 RMSE，在两个真实数据集上，它的时钟没有带来好处。

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - *SS4Rec: Continuous-Time Sequential Recommendation with State Space Models*, 2025: the sections on the time-aware and the relation-aware SSM. [arXiv 2502.08132](https://arxiv.org/abs/2502.08132)
# - J. T. H. Smith, A. Warrington, S. W. Linderman, *Simplified State Space Layers for Sequence Modeling* (S5), ICLR 2023: irregular steps. [arXiv 2208.04933](https://arxiv.org/abs/2208.04933)
# - A. Gu, T. Dao, *Mamba: Linear-Time Sequence Modeling with Selective State Spaces*, 2023: section 3, the relation-aware part. [arXiv 2312.00752](https://arxiv.org/abs/2312.00752)
# - S. Rendle, L. Zhang, Y. Koren, *On the Difficulty of Evaluating Baselines*, 2019: RMSE on MovieLens. [arXiv 1905.01395](https://arxiv.org/abs/1905.01395)
# - In this repository: `tutorial_lib/models/ss4rec.py`, `tutorial_lib/models/ssm.py`, `tests/models/test_ss4rec.py`.

# %% [markdown] id="references-zh" lang="zh" en="98c8f5e3" tags=["references"]
# ## 参考文献
#
# - *SS4Rec: Continuous-Time Sequential Recommendation with State Space Models*，2025：关于时间感知与关系感知 SSM 的两节。[arXiv 2502.08132](https://arxiv.org/abs/2502.08132)
# - J. T. H. Smith、A. Warrington、S. W. Linderman，*Simplified State Space Layers for Sequence Modeling*（S5），ICLR 2023：不规则的步长。[arXiv 2208.04933](https://arxiv.org/abs/2208.04933)
# - A. Gu、T. Dao，*Mamba: Linear-Time Sequence Modeling with Selective State Spaces*，2023：第 3 节，即关系感知的部分。[arXiv 2312.00752](https://arxiv.org/abs/2312.00752)
# - S. Rendle、L. Zhang、Y. Koren，*On the Difficulty of Evaluating Baselines*，2019：MovieLens 上的 RMSE。[arXiv 1905.01395](https://arxiv.org/abs/1905.01395)
# - 本仓库：`tutorial_lib/models/ss4rec.py`，`tutorial_lib/models/ssm.py`，`tests/models/test_ss4rec.py`。
