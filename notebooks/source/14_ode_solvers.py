# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Lea pours a cup of tea and leaves the kitchen. The room is at 20 °C, the tea at 80 °C, and it cools at this moment by 1.2 degrees a minute, that is 72 degrees an hour. Three hours later she comes back. How warm is the tea?
#
# You know only a speed, so you follow it. Three hours at 72 degrees an hour make 216 degrees, and 80 − 216 = −136. The tea is at **136 degrees below zero**. Better methods exist; the textbooks praise the one of *Runge and Kutta*. Take three hours with it, in one step, and the tea is at **206 °C**, hotter than when it was poured.
#
# Neither calculation contains a slip. And the cup is not far from your trade: a recommender that knows how fast the state of a user changes, and moves it over a gap in one step, calculates exactly like this, whether the user was away for three minutes or for three months. In this lesson you learn to follow a speed: how to step, how wrong a step is, what it costs, when it explodes, and how to follow a whole batch of cups when everybody comes back at another time.

# %% [markdown] id="puzzle-zh" lang="zh" en="65881046"
# 小叶泡好一杯茶，离开了厨房。室温 20 °C，茶 80 °C，此刻正以每分钟 1.2 度、即每小时 72 度的速度变凉。三小时后她回来了。这时茶是多少度？
#
# 你只知道速度，于是就按这个速度计算：每小时 72 度，三小时是 216 度，80 − 216 = −136，所以茶的温度是**零下 136 度**。当然还有更好的方法，教科书都推荐**龙格和库塔**（Runge–Kutta）的方法。用它一步走完三小时，茶的温度是 **206 °C**，比刚泡好时还热。
#
# 两次计算都没有算错。而且这个问题离你的工作并不远：如果一个推荐模型知道用户的状态变化得多快，并且一步走完一个间隔，那么无论用户离开了三分钟还是三个月，它做的都是这样的计算。在这一课里，你会学习怎样由速度求出状态：怎样走一步，一步的误差有多大，代价是多少，什么时候会发散，以及当每个人回来的时刻各不相同时，怎样同时计算整批数据。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - take a step of the Euler method, of the midpoint method and of Runge-Kutta by hand;
# - say with Taylor's series where the order of convergence comes from, measure it for any solver, and say where it ends;
# - compare solvers by what they cost, in evaluations of the field;
# - say from a rate and a step size whether a run explodes, and mend it in four ways, one of them an implicit solver;
# - integrate a batch in which every row has its own gap, in one call.

# %% [markdown] id="objectives-zh" lang="zh" en="80acca1b" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 手工计算欧拉法、中点法和龙格-库塔法的一步；
# - 用泰勒展开说明收敛阶（order of convergence）的来历，测量任何求解器的收敛阶，并说清它的适用范围；
# - 按代价，即向量场的求值次数，比较不同的求解器；
# - 根据速率和步长判断计算是否会发散，并用四种办法改正，其中一种是隐式求解器；
# - 当一批数据里每一行的间隔都不同时，只用一次调用完成积分。

# %% id="setup"
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from ipywidgets import interact
from torch import Tensor, nn
from torchdiffeq import odeint, odeint_adjoint

from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_close, expect_true, show_matrix
from tutorial_lib.errors import TutorialError
from exercises import lesson14

plots.use_style()
DOUBLE = torch.double

# %% [markdown] id="tiny-en" lang="en"
# ## A law that says only how fast
#
# Count the temperature from the room: let $z$ be how many degrees the tea is **above the room**, its lead for short, so $z = 60$ at the start. The law: *in every minute the tea loses 2 % of its lead over the room*. That is 1.2 times the lead in an hour. Written down,
#
# $$\frac{dz}{dt} = f(t, z) = -1.2\, z ,$$
#
# with the time $t$ in hours. Such a law is an *ordinary differential equation* (ODE). It does not say where the tea is. It says, for every time and every state, how fast the state moves; the function $f$ that answers this is called the *field*. Ask it at a few states:
#
# <!-- definition -->

# %% [markdown] id="tiny-zh" lang="zh" en="c1aad718"
# ## 只说速度的规律
#
# 温度从室温算起：$z$ 表示茶比室温**高多少度**，开始时 $z = 60$。规律是**每一分钟，茶失去它高出室温部分的 2%**，折合每小时 1.2 倍。写成公式就是
#
# $$\frac{dz}{dt} = f(t, z) = -1.2\, z ,$$
#
# 时间 $t$ 以小时计。这样的规律叫**常微分方程**（ordinary differential equation，ODE）。它不说明茶现在是多少度，只说明在任何时刻、任何状态下，状态变化得多快；给出这个速度的函数 $f$ 称为**向量场**（vector field），简称场。下面对几个状态求值：
#
# <!-- definition -->


# %% id="tiny-field"
def tea(t, z):
    """The field: degrees per hour, for a lead of z degrees over the room. This law does not care about the time t."""
    return -1.2 * z


leads = torch.tensor([60, 30, 10, 0], dtype=DOUBLE)
show_matrix(torch.stack([leads, tea(0, leads)]), ["degrees above the room", "change per hour"], digits=1)
expect("loss in the first minute, as a share", -tea(0, 60) / 60 / 60, 0.02, tol=1e-9)

# %% [markdown] id="euler-en" lang="en"
# The warmer the tea, the faster it cools. Here is the whole problem: the speed of 72 degrees an hour is true for one moment only. A minute later it is a little less.
#
# **Euler method.** So follow the speed for a short while $h$ only, the *step size*, and ask again:
#
# $$z_{\text{new}} = z + h\, f(t, z) .$$
#
# Take one hour in two steps of half an hour.
#
# In the library: [`tutorial_lib.models.ode.euler_step`](../../tutorial_lib/models/ode.py).

# %% [markdown] id="euler-zh" lang="zh" en="b79e5114"
# 茶越热，凉得越快。问题就在这里：每小时 72 度的速度只在这一刻成立，一分钟之后就会慢一些。
#
# **欧拉法**（Euler method）**。** 因此，我们只按这个速度走一小段时间 $h$，即**步长**（step size），然后重新求速度：
#
# $$z_{\text{new}} = z + h\, f(t, z) .$$
#
# 一小时分两步走，每步半小时。
#
# 库中的实现：[`tutorial_lib.models.ode.euler_step`](../../tutorial_lib/models/ode.py)。

# %% [markdown] id="predict-euler-en" lang="en" tags=["predict"]
# **Predict before you run.** Work it out on paper: where is the tea after half an hour, and after one? And will the result be too warm or too cold?

# %% [markdown] id="predict-euler-zh" lang="zh" en="b1e2bc62" tags=["predict"]
# **先猜，再运行。** 在纸上算一算：半小时后茶高出室温多少度，一小时后呢？结果会偏热还是偏凉？

# %% id="tiny-euler"
z, t, h = 60.0, 0.0, 0.5
for _ in range(2):
    slope = tea(t, z)
    print(f"t = {t:.1f} h   z = {z:5.1f}   slope {slope:6.1f}   times h {h * slope:6.1f}   new z {z + h * slope:5.1f}")
    z, t = z + h * slope, t + h
expect("Euler after one hour", z, 9.6, tol=1e-9)

# %% [markdown] id="exact-en" lang="en"
# Euler says 9.6 degrees above the room. For this simple law the answer is known in closed form, $z(t) = 60\, e^{-1.2 t}$: it is the function whose slope is −1.2 times itself. After an hour it gives 18.07. Euler is far too cold, because it holds on to the speed of the beginning of each step, when the tea was hottest.
#
# **Midpoint method.** Use the step only to look ahead: go half of it, ask for the speed **there**, come back, and take the whole step with that speed.
#
# **Classical Runge-Kutta (RK4).** Ask four times: at the start ($k_1$), half-way ($k_2$), half-way again but reached with the better speed $k_2$ ($k_3$), and at the end ($k_4$). Then follow the mean in which the middle counts double:
#
# $$z_{\text{new}} = z + \frac{h}{6} \left( k_1 + 2 k_2 + 2 k_3 + k_4 \right) .$$
#
# One step of half an hour with each, every number printed:
#
# In the library: [`tutorial_lib.models.ode.rk4_step`](../../tutorial_lib/models/ode.py).

# %% [markdown] id="exact-zh" lang="zh" en="778738fe"
# 欧拉法说高出室温 9.6 度。这条规律很简单，答案有封闭的公式，$z(t) = 60\, e^{-1.2 t}$：它正是斜率等于自身 −1.2 倍的函数。一小时后它给出 18.07。欧拉法的结果太凉，因为它在每一步里始终使用起点的速度，而那时茶最热。
#
# **中点法**（midpoint method）。先走半步，在**那里**求出速度，然后回到起点，用这个速度走完整步。
#
# **经典龙格-库塔法（RK4）。** 求值四次：在起点（$k_1$），在中点（$k_2$），再次在中点、但用更准确的速度 $k_2$ 到达那里（$k_3$），在终点（$k_4$）。然后按它们的加权平均走，中间两个的权重加倍：
#
# $$z_{\text{new}} = z + \frac{h}{6} \left( k_1 + 2 k_2 + 2 k_3 + k_4 \right) .$$
#
# 各走一步，每步半小时，每个数都打印出来：
#
# 库中的实现：[`tutorial_lib.models.ode.rk4_step`](../../tutorial_lib/models/ode.py)。

# %% id="tiny-others"
z, h = 60.0, 0.5
halfway = z + h / 2 * tea(0, z)
print(f"midpoint   half-way {halfway:.1f}   slope there {tea(0, halfway):.1f}   new z {z + h * tea(0, halfway):.1f}")
k1 = tea(0, z)
k2 = tea(h / 2, z + h / 2 * k1)
k3 = tea(h / 2, z + h / 2 * k2)
k4 = tea(h, z + h * k3)
mean = (k1 + 2 * k2 + 2 * k3 + k4) / 6
print(f"RK4        k1 {k1:.2f}   k2 {k2:.2f}   k3 {k3:.2f}   k4 {k4:.2f}   mean {mean:.2f}   new z {z + h * mean:.3f}")
print(f"exact      {60 * math.exp(-0.6):.3f}")

# %% [markdown] id="scratch-en" lang="en"
# ## From scratch: a loop in plain numbers
#
# Euler would have said 24.0. Midpoint is 1.9 degrees off, RK4 by 0.04, for two and four questions to the field. Now all three as functions, with Python floats and nothing else.

# %% [markdown] id="scratch-zh" lang="zh" en="370f0737"
# ## 从零实现：只用普通的数
#
# 欧拉法的结果是 24.0。中点法差 1.9 度，RK4 差 0.04 度，分别需要两次和四次求值。现在把三种方法写成函数，只用 Python 的浮点数。


# %% id="scratch-code"
def euler_by_hand(field, t, z, h):
    return z + h * field(t, z)


def midpoint_by_hand(field, t, z, h):
    return z + h * field(t + h / 2, z + h / 2 * field(t, z))


def rk4_by_hand(field, t, z, h):
    k1 = field(t, z)
    k2 = field(t + h / 2, z + h / 2 * k1)
    k3 = field(t + h / 2, z + h / 2 * k2)
    k4 = field(t + h, z + h * k3)
    return z + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


BY_HAND = {"euler": euler_by_hand, "midpoint": midpoint_by_hand, "rk4": rk4_by_hand}


def follow(method, field, z, duration, steps):
    """From z, over `duration` hours, in equal steps."""
    h = duration / steps
    for k in range(steps):
        z = BY_HAND[method](field, k * h, z, h)
    return z


expect("exact after half an hour", 60 * math.exp(-0.6), 32.93, tol=0.002)
expect("exact after an hour", 60 * math.exp(-1.2), 18.07, tol=0.002)
expect("Euler after half an hour", follow("euler", tea, 60.0, 0.5, 1), 24.0, tol=1e-9)
expect("midpoint, error", follow("midpoint", tea, 60.0, 0.5, 1) - 60 * math.exp(-0.6), 1.9, tol=0.05)
expect("RK4, error", follow("rk4", tea, 60.0, 0.5, 1) - 60 * math.exp(-0.6), 0.04, tol=0.005)

# %% [markdown] id="reference-en" lang="en"
# Two independent results to compare with. The first is a closed form, and to make it harder the cup now stands beside a **fan that swings**: the cooling rate goes up and down with the time, between 0 and double the old one,
#
# $$\frac{dz}{dt} = -1.2\, (1 + \sin 2t)\, z, \qquad z(t) = z(0)\, e^{-1.2 \left( t + (1 - \cos 2t) / 2 \right)} .$$
#
# With many steps all three must come to that value. A solver that asks the field at the wrong **time** would not be noticed on the first law; here it is.
#
# The second is *torchdiffeq*, a library of solvers by other people. Its `euler` and `midpoint` are the same methods, so all digits must agree. Its `rk4` is **another** method of the same family: the *3/8 rule*, which asks at thirds of the step. There the digits differ and only the order, measured below, can be compared.
#
# <!-- definition -->

# %% [markdown] id="reference-zh" lang="zh" en="f18d4639"
# 我们用两个独立的结果来核对。第一个是闭式解。为了增加难度，茶杯旁边现在放了一台**来回摆动的风扇**，变凉的速率随时间变化，在 0 和原来的两倍之间，
#
# $$\frac{dz}{dt} = -1.2\, (1 + \sin 2t)\, z, \qquad z(t) = z(0)\, e^{-1.2 \left( t + (1 - \cos 2t) / 2 \right)} .$$
#
# 步数足够多时，三种方法都必须收敛到这个值。如果求解器在错误的**时刻**求值，用第一个规律发现不了，用这个规律就能发现。
#
# 第二个是 torchdiffeq，一个由其他人编写的求解器库。它的 `euler` 和 `midpoint` 是同样的方法，每一位数字都必须一致。它的 `rk4` 是同一家族里的**另一种**方法：**3/8 法则**（3/8 rule），在一步的三分之一处求值。因此数字会不同，只能比较阶，下面就会测量。
#
# <!-- definition -->


# %% id="reference-check" tags=["reference-check"]
def fan(t, z):
    return -1.2 * (1 + np.sin(2 * t)) * z


def fan_exact(hours, z=60.0):
    return z * math.exp(-1.2 * (hours + (1 - math.cos(2 * hours)) / 2))


def fan_torch(t, z):
    return -1.2 * (1 + torch.sin(2 * t)) * z


def witness(method, steps):
    ends = torch.tensor([0.0, 3.0], dtype=DOUBLE)
    start, options = torch.tensor([60.0], dtype=DOUBLE), {"step_size": 3 / steps}
    return odeint(fan_torch, start, ends, method=method, options=options)[1].item()


for method, steps, tol in (("euler", 20_000, 0.002), ("midpoint", 2_000, 1e-4), ("rk4", 200, 1e-6)):
    expect_close(f"{method} comes to the closed form", follow(method, fan, 60.0, 3.0, steps), fan_exact(3), tol)
for method in ("euler", "midpoint"):
    expect_close(
        f"{method}: torchdiffeq, digit by digit", follow(method, fan, 60.0, 3.0, 12), witness(method, 12), 1e-11
    )
apart = abs(follow("rk4", fan, 60.0, 3.0, 12) - witness("rk4", 12))
expect_true("rk4: torchdiffeq has other digits, for it is another rule", 1e-4 < apart < 1e-2)

# %% [markdown] id="library-en" lang="en" tags=["library"]
# ## The library version
#
# The same three steps, for whole batches. The state is `[..., d]`: rows of $d$ numbers. The step `h` is `[..., 1]`, one for every row; you will need that soon. Skip the argument `start`, and the solver called `adaptive`, until they are explained.

# %% [markdown] id="library-zh" lang="zh" en="20598e05" tags=["library"]
# ## 库中的版本
#
# 还是这三种方法，一次计算一整批。状态是 `[..., d]`：每行 $d$ 个数。步长 `h` 是 `[..., 1]`，每行一个，很快就用得上。参数 `start` 和叫 `adaptive` 的求解器先跳过，后面会讲。

# %% id="library-code" tags=["library"]
from tutorial_lib.models.ode import STEPS, Field, check_method, integrate_adaptive

# show: tutorial_lib.models.ode.euler_step
# show: tutorial_lib.models.ode.midpoint_step
# show: tutorial_lib.models.ode.rk4_step
# show: tutorial_lib.models.ode.integrate

# %% id="library-check" tags=["reference-check"]
one, three_hours = torch.tensor([[60.0]], dtype=DOUBLE), torch.tensor([3.0], dtype=DOUBLE)
for method in BY_HAND:
    library = integrate(fan_torch, one, three_hours, method=method, steps=12)
    expect_close(
        f"{method}: the library equals the plain numbers", library, [[follow(method, fan, 60.0, 3.0, 12)]], 1e-11
    )

# %% [markdown] id="drawing-en" lang="en"
# The three in one drawing. A question to the field stands where its time stands:
#
# ![Three rows over one time axis from t to t + h. Euler, step 1: the slope k1 at the start; step 2: follow it for h. Midpoint, step 1: k1 at the start; step 2: k2 half-way, at the state that half an Euler step reaches; step 3: follow k2 from the start for h. Runge-Kutta, step 1: k1 at the start; step 2: k2 half-way along k1; step 3: k3 half-way again, along k2; step 4: k4 at the end, along k3; step 5: follow the mean in which k2 and k3 count double. Time enters as t and h.](../figures/en/solvers.svg)
#
# **Read it off the drawing.** How often does each of them ask the field, and at which times? Which answer of RK4 is asked for at the same time as another, but at another state?
#
# <details><summary>Answer</summary>
#
# Euler once, at $t$. Midpoint twice, at $t$ and $t + h/2$. RK4 four times, at $t$, twice at $t + h/2$, at $t + h$: $k_3$ is asked where $k_2$ leads.
#
# </details>

# %% [markdown] id="drawing-zh" lang="zh" en="8bcfcf2a"
# 三种方法画在一张图里，每次求值都画在相应的时刻上：
#
# ![三行图画在同一条从 t 到 t + h 的时间轴上。欧拉法，第 1 步：起点的斜率 k1；第 2 步：沿它走 h。中点法，第 1 步：起点的 k1；第 2 步：半步欧拉法到达的状态处的 k2；第 3 步：从起点沿 k2 走 h。龙格-库塔法，第 1 步：起点的 k1；第 2 步：沿 k1 走到一半处的 k2；第 3 步：再到一半处，但沿 k2 走，得到 k3；第 4 步：沿 k3 走到终点处的 k4；第 5 步：沿平均斜率走，其中 k2、k3 加倍计算。时间以 t 和 h 进入。](../figures/zh/solvers.svg)
#
# **从图上找答案。** 每种方法各求值几次，分别在哪些时刻？RK4 的哪个斜率与另一个的时刻相同，状态却不同？
#
# <details><summary>答案</summary>
#
# 欧拉法一次，在 $t$。中点法两次，在 $t$ 和 $t + h/2$。RK4 四次，在 $t$，两次在 $t + h/2$，还有 $t + h$：$k_3$ 是在沿 $k_2$ 到达的状态处求值。
#
# </details>

# %% [markdown] id="order-en" lang="en"
# ## How wrong is a step?
#
# Fifty cups, poured at 40 to 100 °C, stand for three hours before the swinging fan. The error is relative: how far off a result is, divided by the true value; then the root of the mean square over the cups. We double the number of steps again and again, in double precision (float64, about 16 digits) and in the usual precision of neural networks (float32, about 7).

# %% [markdown] id="order-zh" lang="zh" en="b9887068"
# ## 一步的误差有多大？
#
# 五十杯茶，泡好时 40 到 100 °C，在摆头的风扇前放三小时。误差取相对值：偏差除以真值，再对所有杯子求均方根。步数不断加倍，先用双精度（float64，约 16 位数字），再用神经网络常用的精度（float32，约 7 位）。

# %% [markdown] id="predict-order-en" lang="en" tags=["predict"]
# **Predict.** Halve the step. By how much does the error of Euler shrink, that of midpoint, that of RK4? And what happens to RK4 in float32 when you go on halving for ever?

# %% [markdown] id="predict-order-zh" lang="zh" en="945a9231" tags=["predict"]
# **猜一猜。** 步长减半，欧拉法的误差缩小到几分之一？中点法呢，RK4 呢？如果在 float32 里一直减半下去，RK4 会怎样？

# %% id="order-code"
cups = torch.linspace(20, 80, 50, dtype=DOUBLE)[:, None]  # [50, 1] degrees above the room
truth = cups * fan_exact(3, 1.0)
COUNTS = [2**k for k in range(14)]  # 1 to 8192 steps


def relative_error(ends):
    return ((ends.double() / truth - 1).square().mean().sqrt()).item()


def error_of(method, steps, dtype=DOUBLE):
    ends = integrate(fan_torch, cups.to(dtype), torch.full((50,), 3.0, dtype=dtype), method=method, steps=steps)
    return relative_error(ends)


errors = {method: [error_of(method, n) for n in COUNTS] for method in STEPS}
rough = [error_of("rk4", n, torch.float32) for n in COUNTS]


def slope(errors, low=64, high=512):
    """Order: the slope of log error over log step, fitted to the step counts from low to high."""
    points = [(math.log(3 / n), math.log(e)) for n, e in zip(COUNTS, errors, strict=True) if low <= n <= high]
    return np.polyfit(*zip(*points, strict=True), 1)[0]


expect("order of Euler", slope(errors["euler"]), 1.0, tol=0.1)
expect("order of midpoint", slope(errors["midpoint"]), 2.0, tol=0.15)
expect("order of RK4", slope(errors["rk4"]), 4.0, tol=0.3)
theirs = [abs(witness("rk4", n) / fan_exact(3) - 1) if 64 <= n <= 512 else 1.0 for n in COUNTS]
expect("order of torchdiffeq's rk4, the 3/8 rule", slope(theirs), 4.0, tol=0.3)

# %% id="order-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7.5, 4))
for (method, values), marker in zip(errors.items(), plots.MARKERS, strict=False):
    ax.plot([3 / n for n in COUNTS], values, marker=marker, markersize=5, label=f"{method}, float64")
ax.plot([3 / n for n in COUNTS], rough, "^--", color=plots.VERMILION, markersize=5, label="rk4, float32")
ax.set(xscale="log", yscale="log", xlabel="step size (h)", ylabel="relative error after 3 h", ylim=(1e-15, 1e4))
ax.legend(loc="lower right", fontsize=9)
plt.show()

# %% [markdown] id="order-alt-en" lang="en" tags=["alt"]
# Relative error against step size on two logarithmic axes, steps from 3 hours at the right to about a second at the left. At large steps all solvers lie above 10, off by more than the value itself. Towards small steps Euler falls with slope 1, midpoint with slope 2, RK4 with slope 4 down to 1e-14. RK4 in float32 falls with the others to about 3e-7 and then climbs slowly again.

# %% [markdown] id="order-alt-zh" lang="zh" en="680f61c2" tags=["alt"]
# 相对误差对步长的图，两轴都是对数刻度，步长从右端的 3 小时到左端的约一秒。步长大时，各个求解器都在 10 以上，误差比数值本身还大。步长变小时，欧拉法以斜率 1 下降，中点法以斜率 2，RK4 以斜率 4 一直降到 1e-14。float32 的 RK4 一起降到约 3e-7，然后又慢慢回升。

# %% id="order-check"
expect_true(
    "one step of three hours: every solver is off by more than 50 times the value",
    min(errors[m][0] for m in STEPS) > 50,
)
expect_true("RK4 in float64 comes below 1e-13", errors["rk4"][-1] < 1e-13)
expect_true("in float32 it never comes below 1e-7", min(rough) > 1e-7)
expect_true("and 8192 steps are worse than 128", rough[13] > 3 * rough[7])
ratios = {method: values[7] / values[8] for method, values in errors.items()}  # 128 against 256 steps
expect("halving the step divides the error of Euler by", ratios["euler"], 2, tol=0.1)
expect("that of midpoint by", ratios["midpoint"], 4, tol=0.2)
expect("that of RK4 by", ratios["rk4"], 16, tol=1)

# %% [markdown] id="order-why-en" lang="en"
# Halving the step divides the error by 2, 4 and 16. The exponent, 1, 2 and 4, is the *order of convergence*; on logarithmic axes it is the slope of the line. The 3/8 rule has order 4 too, so torchdiffeq's `rk4` is as good as ours, with other digits.
#
# Two things end this. At **large steps** there is no order at all: the law of the slope holds for steps that are small enough, and one step of three hours is not. At **small steps** the rounding takes over. Every addition rounds in the seventh digit of a float32, and eight thousand additions round eight thousand times: smaller steps make it worse.

# %% [markdown] id="order-why-zh" lang="zh" en="7c154790"
# 步长减半，误差分别除以 2、4 和 16。指数 1、2、4 就是**收敛阶**；在对数坐标里，它是直线的斜率。3/8 法则的阶也是 4，所以 torchdiffeq 的 `rk4` 和我们的一样好，只是数字不同。
#
# 它在两种情况下失效。**步长太大**时，谈不上阶：这个规律只对足够小的步长成立，而三小时一步不算小。**步长太小**时，舍入误差起主要作用：float32 每做一次加法，就在第七位上舍入一次，八千次加法就舍入八千次，步长再小反而更差。

# %% [markdown] id="taylor-en" lang="en" tags=["predict"]
# **Why 1, 2 and 4?** Write the true state as a Taylor series, $z(t + h) = z + h z' + \frac{h^2}{2} z'' + \frac{h^3}{6} z^{(3)} + \dots$ For the cup without the fan, with $x = 1.2\, h$, that is
#
# <!-- definition -->
#
# $$e^{-x} = 1 - x + \frac{x^2}{2} - \frac{x^3}{6} + \frac{x^4}{24} - \frac{x^5}{120} + \dots$$
#
# Put $f = -1.2\, z$ into the three rules, and multiply out: one step of Euler multiplies by $1 - x$, the midpoint method by $1 - x + \frac{x^2}{2}$, RK4 by everything up to $\frac{x^4}{24}$. The first term that is missing is the error of one step: $\frac{x^2}{2}$, $\frac{x^3}{6}$, $\frac{x^5}{120}$. A fixed time has $1/h$ times as many steps, which costs one power of $h$: orders 1, 2 and 4.
#
# **Predict** from these terms the error of one step of half an hour, $x = 0.6$, in degrees, for a lead of 60. (You have seen the true ones: 8.9, 1.9 and 0.04.)

# %% [markdown] id="taylor-zh" lang="zh" en="e4ba13ea" tags=["predict"]
# **为什么是 1、2、4？** 把真实的状态写成泰勒级数（Taylor series），即 $z(t + h) = z + h z' + \frac{h^2}{2} z'' + \frac{h^3}{6} z^{(3)} + \dots$ 对没有风扇的那杯茶，令 $x = 1.2\, h$，就是
#
# <!-- definition -->
#
# $$e^{-x} = 1 - x + \frac{x^2}{2} - \frac{x^3}{6} + \frac{x^4}{24} - \frac{x^5}{120} + \dots$$
#
# 把 $f = -1.2\, z$ 代入三种方法并展开，可得：欧拉法的一步乘以 $1 - x$，中点法乘以 $1 - x + \frac{x^2}{2}$，RK4 则包含直到 $\frac{x^4}{24}$ 的所有项。缺少的第一项就是一步的误差，分别为 $\frac{x^2}{2}$、$\frac{x^3}{6}$、$\frac{x^5}{120}$。走完固定的时间所需的步数与 $1/h$ 成正比，所以总误差要少一次 $h$ 的幂，阶就是 1、2 和 4。
#
# **猜一猜。** 请用这些项估计半小时一步（$x = 0.6$）的误差，以度计，初始高出室温 60 度。（真正的误差前面已经看到：8.9、1.9 和 0.04。）

# %% id="taylor-code"
x = 1.2 * 0.5
missing = {"euler": x**2 / 2, "midpoint": x**3 / 6, "rk4": x**5 / 120}
real = {method: abs(follow(method, tea, 60.0, 0.5, 1) - 60 * math.exp(-x)) for method in BY_HAND}
show_matrix(
    [[60 * missing[method] for method in BY_HAND], [real[method] for method in BY_HAND]],
    ["first missing term", "real error"], list(BY_HAND),
)  # fmt: skip
for method, size in missing.items():
    expect_true(f"{method}: the term tells the error within 25 %", abs(60 * size / real[method] - 1) < 0.25)
kept = {"euler": 1 - x, "midpoint": 1 - x + x**2 / 2, "rk4": 1 - x + x**2 / 2 - x**3 / 6 + x**4 / 24}
for method, factor in kept.items():
    expect_close(f"{method}: one step is the series cut off", follow(method, tea, 1.0, 0.5, 1), factor, 1e-12)
expect("Euler, error of one step", real["euler"], 8.9, tol=0.05)

# %% [markdown] id="cost-en" lang="en"
# ## What does it cost?
#
# That picture is not fair. A step of RK4 asks the field four times, a step of Euler once, and when the field is a neural network, asking is what costs. So count the *field evaluations*, and draw the error against them. The line `adaptive` belongs to a solver that chooses its own steps; more about it below.

# %% [markdown] id="cost-zh" lang="zh" en="99832615"
# ## 代价是多少？
#
# 上面那张图的比较并不公平。RK4 的一步要求值四次，欧拉法只求值一次；如果场是一个神经网络，代价主要就来自求值。因此，我们统计**场的求值次数**（field evaluation），再画出误差与求值次数的关系。`adaptive` 那条线是自适应步长的求解器，下面再讲。

# %% [markdown] id="predict-cost-en" lang="en" tags=["predict"]
# **Predict.** You may ask the field 64 times: 64 steps of Euler, 32 of midpoint or 16 of RK4. Who wins? And who wins if you may ask 8 times only?

# %% [markdown] id="predict-cost-zh" lang="zh" en="2d18f756" tags=["predict"]
# **猜一猜。** 允许求值 64 次：欧拉法 64 步，中点法 32 步，或者 RK4 16 步。哪个误差最小？如果只允许求值 8 次呢？


# %% id="cost-code"
def counted(field):
    """The same field, with a counter of its evaluations."""

    def ask(t, z):
        ask.calls += 1
        return field(t, z)

    ask.calls = 0
    return ask


STAGES = {}  # evaluations a step, counted and not believed
for method in STEPS:
    watched = counted(fan_torch)
    integrate(watched, cups, torch.full((50,), 3.0, dtype=DOUBLE), method=method, steps=10)
    STAGES[method] = watched.calls // 10
print("evaluations a step:", STAGES)

free = []  # the adaptive solver at ever smaller tolerances: (tolerance, evaluations, error)
for tolerance in 10.0 ** -np.arange(2, 12):
    watched = counted(fan_torch)
    hours = torch.full((50,), 3.0, dtype=DOUBLE)
    ends = integrate_adaptive(watched, cups, hours, rtol=tolerance, atol=tolerance)
    free.append((tolerance, watched.calls, relative_error(ends)))

with_64 = {method: error_of(method, 64 // stages) for method, stages in STAGES.items()}
with_8 = {method: error_of(method, 8 // stages) for method, stages in STAGES.items()}
expect("64 evaluations: error of Euler", with_64["euler"], 0.16, tol=0.01)
expect("64 evaluations: error of midpoint", with_64["midpoint"], 0.023, tol=0.002)
expect("64 evaluations: error of RK4", with_64["rk4"], 0.0008, tol=0.0001)
expect_true(
    "8 evaluations: Euler has the smallest error, and even that is above 0.9",
    0.9 < with_8["euler"] < min(with_8["rk4"], with_8["midpoint"]),
)

# %% id="cost-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7.5, 3.8))
for (method, stages), marker in zip(STAGES.items(), plots.MARKERS, strict=False):
    ax.plot([stages * n for n in COUNTS], errors[method], marker=marker, markersize=5, label=method)
ax.plot([row[1] for row in free], [row[2] for row in free], "v:", color=plots.BLACK, markersize=5, label="adaptive")
ax.set(
    xscale="log",
    yscale="log",
    xlabel="field evaluations",
    ylabel="relative error after 3 h",
    xlim=(1, 5e4),
    ylim=(1e-15, 1e4),
)
ax.legend(loc="lower left", fontsize=9)
plt.show()

# %% [markdown] id="cost-alt-en" lang="en" tags=["alt"]
# Relative error against the number of field evaluations, both logarithmic. Up to about 8 evaluations the three solvers with fixed steps are all useless, with errors around 1 and above. From about 16 on RK4 lies lowest of the three and falls steeply; at 64 evaluations it is 30 times better than midpoint and 200 times better than Euler. The adaptive solver begins at 32 evaluations and lies below RK4 from about 100 on.

# %% [markdown] id="cost-alt-zh" lang="zh" en="a7b0223c" tags=["alt"]
# 相对误差对求值次数的图，两轴都是对数刻度。不超过约 8 次时，三种固定步长的求解器都没有用，误差在 1 左右或更大。从约 16 次起，RK4 是三者中最低的，而且降得很陡；64 次时，它比中点法好 30 倍，比欧拉法好 200 倍。自适应的求解器从 32 次开始，约 100 次以后低于 RK4。

# %% id="cost-check"
expect("64 evaluations: midpoint over RK4", with_64["midpoint"] / with_64["rk4"], 30, tol=4)
expect("64 evaluations: Euler over RK4", with_64["euler"] / with_64["rk4"], 207, tol=10)
expect_true(
    "the adaptive solver: more exact than RK4 from 90 evaluations on",
    all(error < error_of("rk4", calls // 4) for _, calls, error in free if calls > 90),
)
expect_true("16 evaluations: RK4 leads", error_of("rk4", 4) < min(error_of("euler", 16), error_of("midpoint", 8)))


def fewest(method, goal=0.01):
    """The fewest steps, from 8 on, with an error below the goal: halve the interval between too few and enough."""
    low, high = 8, 4096
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if error_of(method, middle) < goal else (middle, high)
    return high


needed = {method: stages * fewest(method) for method, stages in STAGES.items()}
print("evaluations until the error is below 1 %:", needed)
expect("Euler must ask more often than RK4 by a factor of", needed["euler"] / needed["rk4"], 29, tol=1)

# %% [markdown] id="cost-why-en" lang="en"
# With 64 questions RK4 is 200 times more exact than Euler. To come below 1 %, Euler must ask 29 times as often. With 8 questions Euler comes out ahead, but read that with care: its error is as large as the value. Where no result can be used, the order says nothing about which error is smallest.

# %% [markdown] id="cost-why-zh" lang="zh" en="36ea3141"
# 求值 64 次时，RK4 比欧拉法精确 200 倍。要使误差低于 1%，欧拉法的求值次数是 RK4 的 29 倍。只求值 8 次时，欧拉法的误差最小，但这不能说明它更好，因为它的误差和数值本身一样大。如果结果全都不可用，阶并不能说明哪个误差最小。

# %% [markdown] id="circle-en" lang="en"
# ## Does the path close?
#
# A state may have several numbers. A child sits on a carousel, 1 m from the centre, with position $z = (x, y)$. The speed always points at right angles to the position, $f(t, z) = \omega\, (-y, x)$ with $\omega = 2\pi$ per turn: a *vector field*, one arrow for every place. The true path is a circle, and after one turn the child is where it started.

# %% [markdown] id="circle-zh" lang="zh" en="d925adc3"
# ## 轨迹能回到起点吗？
#
# 状态可以不止一个数。一个孩子坐在旋转木马上，离中心 1 米，位置是 $z = (x, y)$。速度总是与位置成直角，$f(t, z) = \omega\, (-y, x)$，每转一圈 $\omega = 2\pi$：这是一个**向量场**（vector field），每个位置一支箭头。真正的轨迹是一个圆，转一圈，孩子回到出发的地方。

# %% [markdown] id="predict-circle-en" lang="en" tags=["predict"]
# **Predict.** Euler follows the arrow straight ahead, 20 steps for the turn. Does its path close, end inside the circle, or end outside?

# %% [markdown] id="predict-circle-zh" lang="zh" en="302e09c9" tags=["predict"]
# **猜一猜。** 欧拉法沿箭头方向直走，20 步走一圈。它会回到起点，停在圆内，还是停在圆外？


# %% id="circle-picture" tags=["picture", "nbval-ignore-output"]
def carousel(t, z):
    return 2 * math.pi * torch.stack([-z[..., 1], z[..., 0]], dim=-1)


def ride(steps, solver):
    """Places [steps + 1, 2] of the child, step by step through one turn."""
    start = torch.tensor([[1.0, 0.0]], dtype=DOUBLE)
    places = [start]
    for _ in range(steps):
        places.append(integrate(carousel, places[-1], torch.full((1,), 1 / steps, dtype=DOUBLE), method=solver))
    return torch.cat(places)


def draw(steps=20, solver="euler"):
    """One turn of the carousel, solved, over the true circle and the field."""
    path, angle = ride(steps, solver), np.linspace(0, 2 * math.pi, 200)
    fig, ax = plt.subplots(figsize=(5.2, 4.6))
    reach = max(1.6, 1.1 * path.abs().max().item())
    x, y = np.meshgrid(np.linspace(-reach, reach, 11), np.linspace(-reach, reach, 11))
    ax.quiver(x, y, -y, x, color="#BBBBBB", width=0.004)
    ax.plot(np.cos(angle), np.sin(angle), color=plots.BLACK, label="truth")
    ax.plot(path[:, 0], path[:, 1], "o--", color=plots.VERMILION, markersize=4, label=f"{solver}, {steps} steps")
    ax.set(xlabel="x (m)", ylabel="y (m)", aspect="equal")
    ax.legend(loc="upper left", fontsize=9)
    plt.show()


draw()

# %% [markdown] id="circle-alt-en" lang="en" tags=["alt"]
# Grey arrows that turn to the left around the centre, a black circle of radius 1 m, and a dashed path of 20 Euler steps. The path begins on the circle at the right, leaves it at once and winds outwards in a spiral; after all its steps it is more than twice as far from the centre.

# %% [markdown] id="circle-alt-zh" lang="zh" en="e940e59a" tags=["alt"]
# 灰色箭头绕着中心向左转，一个半径 1 米的黑色圆，以及欧拉法 20 步走出的虚线。虚线从圆的右端出发，立刻离开圆，并沿螺线向外；走完所有步时，到中心的距离已经是原来的两倍多。

# %% id="circle-check"
final = {solver: ride(20, solver)[-1].norm().item() for solver in STEPS}
expect("Euler, 20 steps: distance from the centre after one turn (m)", final["euler"], 2.56, tol=0.01)
expect_close(
    "each step multiplies the distance by sqrt(1 + (omega h)^2)", final["euler"], (1 + (math.pi / 10) ** 2) ** 10, 1e-9
)
expect("midpoint", final["midpoint"], 1.025, tol=0.002)
expect_true("RK4: off by less than 1 mm", abs(final["rk4"] - 1) < 0.001)

# %% [markdown] id="slider-en" lang="en"
# The path ends outside, at 2.56 m: a straight line along a circle leads away from it, at every step and with every step size. Midpoint ends at 1.025 m, RK4 within a millimetre.
#
# The next cell has two controls. Run it yourself, in JupyterLab, and move them: how many steps does each solver need until the circle looks closed? What does RK4 do with 2 steps?

# %% [markdown] id="slider-zh" lang="zh" en="5ef4cabb"
# 路径停在圆外，到中心 2.56 米。沿切线走直线总会离开圆，无论步长多小，每一步都是如此。中点法停在 1.025 米，RK4 的偏差不到一毫米。
#
# 下一个单元格有两个控件。请在 JupyterLab 里运行它，拖动试一试：每种求解器需要多少步，轨迹看上去才能闭合？RK4 只走 2 步会怎样？

# %% id="slider-code" tags=["nbval-ignore-output"]
sliders = interact(draw, steps=(1, 40), solver=["euler", "midpoint", "rk4"])
# %% [markdown] id="explode-en" lang="en" tags=["break-it"]
# ## Break it, 1: the run that explodes
#
# Back to the cup without the fan, $dz/dt = -\lambda z$ with the rate $\lambda = 1.2$ per hour. One Euler step multiplies the lead by $1 - \lambda h$. That factor decides: it must lie between −1 and 1, so $h$ must stay below $2 / \lambda$, here 1 hour and 40 minutes.
#
# **Predict.** Follow the cup for a day, in steps of 30 minutes, 90 minutes and 2 hours. What do the three runs look like?

# %% [markdown] id="explode-zh" lang="zh" en="f6038064" tags=["break-it"]
# ## 破坏实验一：发散的计算
#
# 回到没有风扇的那杯茶，$dz/dt = -\lambda z$，速率 $\lambda = 1.2$ 每小时。欧拉法走一步，高出室温的度数乘以 $1 - \lambda h$。是否稳定完全由这个因子决定：它必须在 −1 和 1 之间，所以 $h$ 必须小于 $2 / \lambda$，这里是 1 小时 40 分。
#
# **猜一猜。** 跟踪这杯茶一整天，步长取 30 分钟、90 分钟、2 小时。三次计算各是什么样子？

# %% id="explode-code" tags=["break-it"]
once = {method: integrate(tea, one, three_hours, method=method).item() for method in STEPS}
expect("Lea's tea after one Euler step of 3 h (degrees Celsius)", 20 + once["euler"], -136, tol=0.5)
expect("after one midpoint step", 20 + once["midpoint"], 253, tol=0.5)
expect("after one RK4 step", 20 + once["rk4"], 206, tol=0.5)
expect("in truth", 20 + 60 * math.exp(-3.6), 21.6, tol=0.05)
expect("largest step for Euler (min)", 60 * 2 / 1.2, 100, tol=0.01)

runs = {}  # step in hours -> lead over a day
for h in (0.5, 1.5, 2.0):
    state, path = 60.0, [60.0]
    for _ in range(round(24 / h)):
        state = euler_by_hand(tea, 0, state, h)
        path.append(state)
    runs[h] = path
expect("factor of a step of 90 minutes", runs[1.5][1] / runs[1.5][0], -0.8, tol=1e-9)
expect("factor of a step of 2 hours", runs[2.0][1] / runs[2.0][0], -1.4, tol=1e-9)
expect("steps of 2 hours: degrees above the room after a day", runs[2.0][-1], 3402, tol=1)

# %% id="explode-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7.5, 3.4))
hours = np.linspace(0, 24, 300)
ax.plot(hours, 60 * np.exp(-1.2 * hours), color=plots.BLACK, label="truth")
for (h, path), marker in zip(runs.items(), plots.MARKERS, strict=False):
    ax.plot(
        h * np.arange(len(path)),
        path,
        marker=marker,
        markersize=4,
        linestyle="--",
        label=f"Euler, step {60 * h:.0f} min",
    )
ax.set(xlabel="time (h)", ylabel="degrees above the room", ylim=(-400, 400), xlim=(0, 16))
ax.legend(loc="upper left", fontsize=9)
plt.show()

# %% [markdown] id="explode-alt-en" lang="en" tags=["alt"]
# Degrees above the room against time, 16 hours. The truth falls smoothly to 0. Euler with 30 minutes falls to 0 as well, a little too fast. With 90 minutes the run jumps to and fro across 0, each jump smaller than the one before. With 2 hours it jumps too, each jump larger, and leaves the picture, which ends at 400 degrees.

# %% [markdown] id="explode-alt-zh" lang="zh" en="e9208445" tags=["alt"]
# 高出室温的度数随时间的变化，共 16 小时。真值平滑地降到 0。步长 30 分钟的欧拉法也降到 0，只是快了一点。步长 90 分钟时，结果在 0 的两侧振荡，幅度逐渐减小。步长 2 小时时也振荡，但幅度逐渐增大，最后超出画面，画面的边界是 400 度。

# %% [markdown] id="limit-en" lang="en"
# At 90 minutes each step multiplies by −0.8: the tea is colder than the room, then warmer, then colder. The run is wrong but it calms down. At 2 hours the factor is −1.4, and after a day the tea is 3402 degrees above the room. This is *instability*. The law fades; only the run explodes.
#
# Does a better solver help? Lea's three hours in one step say no: −136, 253 and 206 °C with Euler, midpoint and RK4, where the truth is 21.6 °C. Each solver has a factor of its own that depends on $\lambda h$ alone. So measure how far each may go: halve an interval until the largest $\lambda h$ is found at which a step does not grow.

# %% [markdown] id="limit-zh" lang="zh" en="68f9bf6c"
# 步长 90 分钟时，每步乘以 −0.8：茶先比室温凉，再比室温热，再变凉。结果是错的，但振荡会逐渐消失。步长 2 小时时因子是 −1.4，一天之后茶比室温高 3402 度。这就是**不稳定**（instability）。真正的解在衰减，发散的只是计算。
#
# 换更好的求解器有用吗？从一步走完三小时的结果来看，没有用：欧拉法、中点法、RK4 给出 −136、253 和 206 °C，真值是 21.6 °C。每个求解器都有自己的因子，只取决于 $\lambda h$。下面用二分法，找出每个求解器走一步之后结果不变大的最大的 $\lambda h$。


# %% id="limit-code"
def reach(method):
    """The largest rate times step at which one step of z' = -z does not grow."""
    low, high = 0.1, 10.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        grown = abs(BY_HAND[method](lambda t, z: -z, 0.0, 1.0, middle)) > 1
        low, high = (low, middle) if grown else (middle, high)
    return low


limits = {method: reach(method) for method in BY_HAND}
for method, want in (("euler", 2), ("midpoint", 2), ("rk4", 2.785)):
    expect(f"{method}: largest rate times step", limits[method], want, tol=0.0005)
turned = {
    (method, step): abs(BY_HAND[method](lambda t, z: 1j * z, 0.0, 1 + 0j, step))
    for method in BY_HAND
    for step in (0.01, 2.828, 2.829)
}
for method in ("euler", "midpoint"):
    expect_true(f"{method}: a law that turns grows even at rate times step 0.01", turned[method, 0.01] > 1)
expect_true("RK4: it does not grow up to 2.828, and does at 2.829", turned["rk4", 2.828] <= 1 < turned["rk4", 2.829])
for method, limit in limits.items():
    day = torch.tensor([24.0], dtype=DOUBLE)
    ends = [
        abs(integrate(tea, one, day, method=method, steps=n).item())
        for n in (math.ceil(28.8 / limit), math.floor(28.8 / limit))
    ]
    expect_true(
        f"{method}: over a day, {math.ceil(28.8 / limit)} steps fade, one step fewer grows", ends[0] < 60 < ends[1]
    )

# %% [markdown] id="stiff-en" lang="en"
# RK4 may go up to $\lambda h = 2.785$, Euler and midpoint up to 2. For a law that fades without turning, order buys accuracy and almost no stability. For a law that **turns**, $z' = \mathrm{i}\lambda z$, it buys all of it: with Euler and the midpoint method the state grows at every step, however short, and RK4 keeps it bounded as long as $\lambda h$ is below $2\sqrt{2}$. (So RK4 with 2 steps a turn must leave the carousel's circle: there $\omega h = \pi$.)
#
# ## Break it, 2: the spoon in the cup
#
# A thin metal spoon leans against the cup. It cools a hundred times as fast, with 120 per hour: after three minutes it is as cold as the room for any practical purpose. We follow both for three hours, $z = (\text{tea}, \text{spoon})$. For the tea alone six steps of RK4 are plenty.
#
# **Predict.** The spoon is done after three minutes; nothing moves it in the remaining 177. How many steps do the three hours need now?

# %% [markdown] id="stiff-zh" lang="zh" en="fd0f853e"
# RK4 能走到 $\lambda h = 2.785$，欧拉法和中点法能走到 2。对只衰减、不旋转的规律，高阶带来的是精度，几乎不增加稳定性。对**旋转**的规律 $z' = \mathrm{i}\lambda z$，高阶却决定了有没有稳定性：用欧拉法和中点法，步长再小，状态也会一步步变大；只要 $\lambda h$ 小于 $2\sqrt{2}$，RK4 就能让它保持有界。（因此，旋转木马一圈只走 2 步时，RK4 也必定离开圆周：这时 $\omega h = \pi$。）
#
# ## 破坏实验二：杯子里的勺子
#
# 杯里放着一把很薄的金属勺。它变凉的速率是茶的一百倍，即每小时 120，三分钟之后实际上已经与室温相同。我们把两者放在一起计算三小时，$z = (\text{茶}, \text{勺})$。如果只有茶，RK4 六步就足够了。
#
# **猜一猜。** 勺子三分钟就凉了，其余 177 分钟里温度不再变化。现在，三小时需要多少步？

# %% id="stiff-code" tags=["break-it"]
rates = torch.tensor([1.2, 120.0], dtype=DOUBLE)  # per hour: tea, spoon
both = torch.full((1, 2), 60.0, dtype=DOUBLE)


def tea_and_spoon(t, z):
    return -rates * z


for steps in (6, 129, 130):
    ends = integrate(tea_and_spoon, both, three_hours, steps=steps)[0]
    fate = "the spoon explodes" if ends[1].abs() > 60 else "the spoon fades"
    print(f"RK4, {steps:3d} steps: tea {ends[0]:.3f}, {fate}")
expect_true(
    "six steps: the spoon is above 1e30 degrees", integrate(tea_and_spoon, both, three_hours, steps=6)[0, 1] > 1e30
)
expect_true("129 steps: it still grows", integrate(tea_and_spoon, both, three_hours, steps=129)[0, 1] > 60)
expect_true("130 steps: it fades", integrate(tea_and_spoon, both, three_hours, steps=130)[0, 1].abs() < 60)
six = integrate(tea, one, three_hours, steps=6).item() / (60 * math.exp(-3.6)) - 1
expect("the tea alone, six steps: relative error", six, 0.006, tol=0.001)
expect("the spoon after three minutes, in truth (degrees above the room)", 60 * math.exp(-120 * 0.05), 0.15, tol=0.005)
shallow = integrate(lambda t, z: -120 * z, torch.full((1, 1), 60.0), torch.tensor([48.0]), method="euler", steps=96)
expect_true("two days in float32, Euler, steps of half an hour: not a number any more", shallow.isnan().all())

# %% [markdown] id="stiff-why-en" lang="en"
# 130 steps instead of six. The step is dictated by the part that has long come to rest, for the whole three hours. A law in which a fast part forces small steps upon a slow one is called *stiff*. A learned field can become stiff during training without any message; in float32 the state then grows to infinity, infinity minus infinity is `nan`, and that is what you find in the loss.
#
# Four ways to mend it:
#
# 1. **Smaller steps**, as small as the fastest rate demands.
# 2. **The closed form**, where there is one: $e^{-\lambda h}$ lies between 0 and 1 for every $h$. Lesson 10 uses it.
# 3. **A solver that chooses its own steps** and notices when a step was too large.
# 4. **An implicit solver**, which has no such limit.
#
# First the third. What does it cost? Count.

# %% [markdown] id="stiff-why-zh" lang="zh" en="cce11c17"
# 需要 130 步，而不是六步。在整整三小时里，步长一直由早已静止的那一部分决定。如果快的部分迫使慢的部分也使用很小的步长，这样的问题就称为**刚性**问题（stiff，stiffness）。学到的场在训练中可能变得刚性，而且没有任何提示；在 float32 里，状态会增长到无穷大，无穷减无穷得到 `nan`，你在损失里看到的就是它。
#
# 改正的办法有四种：
#
# 1. **更小的步长**，小到最快的速率所要求的程度。
# 2. **闭式解**，如果有的话：无论 $h$ 多大，$e^{-\lambda h}$ 都在 0 和 1 之间。第 10 课用的就是它。
# 3. **自适应步长的求解器**，步长太大时它能够发现。
# 4. **隐式求解器**，它没有这样的限制。
#
# 先看第三种。它的代价是多少？我们来统计。

# %% [markdown] id="predict-adaptive-en" lang="en" tags=["predict"]
# **Predict.** The adaptive solver follows tea and spoon with a tolerance of 0.001. The spoon's rate is 12, then 120, then 1,200 per hour. How do its field evaluations grow: hardly, like the logarithm, or tenfold each time?

# %% [markdown] id="predict-adaptive-zh" lang="zh" en="02061923" tags=["predict"]
# **猜一猜。** 用自适应的求解器计算茶和勺子，容差为 0.001。勺子的速率依次取每小时 12、120、1,200。求值次数怎样增长：几乎不变，像对数那样，还是每次十倍？

# %% id="mend-code"
closed = both * torch.exp(-rates * 3)
expect_close("mended by the closed form: one product", closed[0, 0], 60 * math.exp(-3.6), 1e-12)
mended = integrate(tea_and_spoon, both, three_hours, steps=180)
expect_close("mended by smaller steps", mended, closed, 1e-6)
asked = {}
for rate in (1.2, 12.0, 120.0, 1200.0):
    fast = torch.tensor([1.2, rate], dtype=DOUBLE)
    watched = counted(lambda t, z, fast=fast: -fast * z)
    ends = integrate_adaptive(watched, both, three_hours, rtol=1e-3, atol=1e-3)
    asked[rate] = watched.calls
    expect_close(f"mended by the adaptive solver, spoon at {rate:g} per hour", ends, both * torch.exp(-fast * 3), 0.01)
expect("evaluations, spoon at 1.2 per hour", asked[1.2], 32, tol=6)
expect("evaluations, spoon at 120 per hour", asked[120.0], 854, tol=30)
expect("evaluations, spoon at 1200 per hour", asked[1200.0], 8168, tol=120)
expect("from 12 to 120 times", asked[120.0] / asked[12.0], 7.4, tol=0.6)
expect("from 120 to 1200 times", asked[1200.0] / asked[120.0], 9.6, tol=0.3)

# %% [markdown] id="mend-why-en" lang="en" tags=["predict"]
# First 7.4 times as many, then 9.6 times: 854 evaluations at 120 per hour, 8168 at 1,200. It goes to tenfold. The adaptive solver does not explode, but it is bound by the same limit; where the others fail it pays. So it is better if a field does not become stiff in the first place, and the number of evaluations is worth printing during training: it is the first sign.
#
# ## The fourth way: implicit solvers
#
# All solvers so far are *explicit*: they use speeds at states that they know. **Implicit Euler** uses the speed at the state where the step ends,
#
# <!-- definition -->
#
# $$z_{\text{new}} = z + h\, f(t + h, z_{\text{new}}) ,$$
#
# an equation with the unknown on both sides. For $f = -\lambda z$ it can be solved by hand: $z_{\text{new}} = z / (1 + \lambda h)$, a factor between 0 and 1 for **every** $h$. The *trapezoidal rule* takes the mean of the speeds at both ends; its factor is $(1 - \lambda h / 2) / (1 + \lambda h / 2)$. You know it: it is the **bilinear transform** of lesson 10, by which S4 made its steps. It has order 2, implicit Euler order 1.
#
# **Predict.** Tea and spoon, three hours, six steps, $h = 0.5$, so that $\lambda h = 60$ for the spoon. What is left of the spoon's 60 degrees with each of the two? And which of them has the tea more exactly?

# %% [markdown] id="mend-why-zh" lang="zh" en="4631e6b6" tags=["predict"]
# 先是 7.4 倍，再是 9.6 倍：每小时 120 时求值 854 次，每小时 1,200 时求值 8168 次，倍数趋于十倍。自适应的求解器不会发散，但受同样的界限约束，其他求解器在这里失败，它则要付出更多的求值次数。因此，最好从一开始就避免场变得刚性；训练时也应当打印求值次数，因为它最先反映出这个问题。
#
# ## 第四种办法：隐式求解器
#
# 到目前为止，所有求解器都是**显式**的（explicit），即只使用已知状态处的速度。**隐式欧拉法**（implicit Euler）使用一步终点处的速度：
#
# <!-- definition -->
#
# $$z_{\text{new}} = z + h\, f(t + h, z_{\text{new}}) ,$$
#
# 这是一个两边都有未知数的方程。对 $f = -\lambda z$，可以直接解出 $z_{\text{new}} = z / (1 + \lambda h)$，无论 $h$ 多大，因子**总是**在 0 和 1 之间。**梯形法**（trapezoidal rule）取两端速度的平均，因子是 $(1 - \lambda h / 2) / (1 + \lambda h / 2)$。你已经见过它：它就是第 10 课的**双线性变换**（bilinear transform），S4 的步就是这样得到的。梯形法的阶是 2，隐式欧拉法的阶是 1。
#
# **猜一猜。** 茶和勺子，三小时，六步，$h = 0.5$，所以对勺子来说 $\lambda h = 60$。用这两种方法，勺子的 60 度各剩下多少？哪一种方法对茶更精确？

# %% id="implicit-code" tags=["reference-check"]
def implicit_steps(rates, z, duration, steps, share):
    """z' = -rates z by steps that use `share` of the speed at the end: 1 implicit Euler, 1/2 the trapezoidal rule."""
    h, law = duration / steps, torch.diag(rates)
    ahead = torch.eye(len(rates), dtype=DOUBLE) + share * h * law
    behind = torch.eye(len(rates), dtype=DOUBLE) - (1 - share) * h * law
    for _ in range(steps):
        z = torch.linalg.solve(ahead, behind @ z)  # the equation for the new state, solved in each step
    return z


implicit = {name: implicit_steps(rates, both[0], 3.0, 6, share) for name, share in (("Euler", 1), ("trapezoid", 0.5))}
table = torch.stack([*implicit.values(), closed[0]])
show_matrix(table, ["implicit Euler", "trapezoidal rule", "truth"], ["tea", "spoon"])
backward = 60 / (1 + rates * 0.5) ** 6
expect_close("implicit Euler: the factor 1 / (1 + rate h), six times", implicit["Euler"], backward, 1e-9)
bilinear = (1 - rates * 0.25) / (1 + rates * 0.25)  # lesson 10
expect_close("trapezoidal rule: the bilinear transform, six times", implicit["trapezoid"], 60 * bilinear**6, 1e-9)
expect("factor of the trapezoidal rule for the spoon", bilinear[1], -0.94, tol=0.005)
expect("what it leaves of the spoon's 60 degrees", implicit["trapezoid"][1], 40, tol=0.5)
expect("tea, implicit Euler, relative error", implicit["Euler"][0] / closed[0, 0] - 1, 1.18, tol=0.01)
expect("tea, trapezoidal rule", implicit["trapezoid"][0] / closed[0, 0] - 1, -0.11, tol=0.005)
for share, order in ((1, 1), (0.5, 2)):
    off = [abs(implicit_steps(rates[:1], both[0, :1], 3.0, n, share) / closed[0, 0] - 1).item() for n in (256, 512)]
    expect(f"order of the implicit method with share {share:g}", math.log2(off[0] / off[1]), order, tol=0.05)

# %% [markdown] id="implicit-why-en" lang="en"
# Six steps, and nothing explodes. Implicit Euler has the spoon at 0, as it should be, and the tea at more than double its true value: stable is not exact. The trapezoidal rule has the tea within 11 %, but its factor for the spoon is −0.94: the spoon is still 40 degrees off after six steps and changes its sign at each. For stiff parts a method must not only stay bounded, it must also **damp**.
#
# The price is the equation. Here it was linear. For a neural field it needs Newton's method, with the Jacobian of the field ($d \times d$ numbers a row) and several evaluations a step; torchdiffeq has such solvers. That is why state space models choose a law for which the equation, or the whole step, has a closed form.

# %% [markdown] id="implicit-why-zh" lang="zh" en="683b84a3"
# 只用六步，也没有发散。用隐式欧拉法，勺子正确地降到了 0，茶却是真值的两倍多，可见稳定不等于精确。用梯形法，茶的误差在 11% 以内，但勺子的因子是 −0.94，六步之后仍差 40 度，而且每一步都变号。因此，对刚性的部分，方法不仅要保持有界，还必须能够**衰减**。
#
# 代价是每一步都要解方程。这里的方程是线性的。如果场是神经网络，就要用牛顿法，需要场的雅可比矩阵（每行 $d \times d$ 个数）和每步多次求值；torchdiffeq 里有这样的求解器。正因为如此，状态空间模型选择的规律，要么方程有闭式解，要么整个一步有闭式解。

# %% [markdown] id="adaptive-en" lang="en"
# ## A solver that chooses its own steps
#
# How can a solver know that its step was too large, without knowing the truth? It takes the step **twice, with different orders**, and compares. Euler and midpoint share their first question, so both cost two evaluations; their difference tells roughly how wrong Euler was. If it is above the *tolerance*, the step is thrown away and tried again, smaller; if it is far below, the next step may be larger. The state that is kept is the midpoint's, the better of the two: the estimate then errs on the safe side. Euler's error in a single step grows with $h^2$, hence the root in the code.
#
# Somebody opens the door at one o'clock, for about five minutes, and a cold gust blows over the cup.

# %% [markdown] id="adaptive-zh" lang="zh" en="3d81299c"
# ## 自适应步长的求解器
#
# 求解器不知道真值，怎样知道步长太大了？它用**两种不同阶的方法**各走一步，再比较结果。欧拉法和中点法的第一次求值相同，所以两者合起来只需求值两次；它们的差大致说明欧拉法的误差有多大。如果差超过**容差**（tolerance），这一步就作废，改用更小的步长重试；如果差远小于容差，下一步就可以加大。这称为**自适应步长**（adaptive step size）。保留下来的是中点法的结果，因为它更精确，所以误差的估计偏于保守。欧拉法一步的误差随 $h^2$ 增长，所以代码里有一个平方根。
#
# 一点钟，有人开了大约五分钟的门，一阵冷风吹过茶杯。


# %% id="adaptive-code"
def gust(t, z, strength=10, width=0.05):
    """Room air, and around one o'clock a gust that is over after minutes."""
    return -1.2 * (1 + strength * torch.exp(-(((t - 1) / width) ** 2))) * z


def adaptive_by_hand(field, z, duration, tolerance, h=0.1):
    """Times, states and step sizes of all accepted steps, and the number of rejected ones."""
    t, times, states, sizes, rejected = 0.0, [0.0], [z.item()], [], 0
    while t < duration:
        h = min(h, duration - t)
        now = torch.tensor(t, dtype=DOUBLE)
        first = field(now, z)
        euler, midpoint = z + h * first, z + h * field(now + h / 2, z + h / 2 * first)
        error = (midpoint - euler).abs().max().item()
        if error <= tolerance:
            t, z = t + h, midpoint
            times.append(t), states.append(z.item()), sizes.append(h)
        else:
            rejected += 1
        h *= min(2.0, max(0.2, 0.9 * math.sqrt(tolerance / max(error, 1e-12))))
    return times, states, sizes, rejected


def gust_exact(hours):
    blown = 10 * 0.05 * math.sqrt(math.pi) / 2 * (math.erf((hours - 1) / 0.05) + math.erf(1 / 0.05))
    return 60 * math.exp(-1.2 * (hours + blown))


times, states, sizes, rejected = adaptive_by_hand(gust, torch.tensor([60.0], dtype=DOUBLE), 2.0, 0.1)
smallest = times[int(np.argmin(sizes))]
print(f"{len(sizes)} steps taken, {rejected} thrown away")
expect("after two hours, in truth", gust_exact(2), 1.88, tol=0.005)
expect("with the steps chosen by hand-made code", states[-1], 1.91, tol=0.01)
expect_true("the smallest step lies in the gust", 0.9 < smallest < 1.1)
expect("smallest step (min)", 60 * min(sizes), 0.47, tol=0.05)
expect("largest step (min)", 60 * max(sizes), 11.6, tol=0.6)

# %% id="adaptive-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(2, 1, figsize=(7.5, 4.4), sharex=True)
hours = np.linspace(0, 2, 400)
axes[0].plot(hours, [gust_exact(x) for x in hours], color=plots.BLACK, label="truth")
axes[0].plot(times, states, "o", color=plots.VERMILION, markersize=4, label="steps of the solver")
axes[0].set(ylabel="degrees above the room")
axes[0].legend()
axes[1].plot(times[:-1], [60 * size for size in sizes], "s-", color=plots.BLUE, markersize=4)
axes[1].set(yscale="log", xlabel="time (h)", ylabel="step size (min)")
plt.show()

# %% [markdown] id="adaptive-alt-en" lang="en" tags=["alt"]
# Two panels over two hours. Top: the lead over the room falls smoothly, drops steeply at one hour and creeps towards 0; the dots of the solver lie on the line, wide apart in the calm and dense at one hour. Bottom: the step size in minutes on a logarithmic axis; it stays at a few minutes in the first hour, falls below one minute at the gust and grows to more than ten minutes afterwards; only the last step is cut short by the end.

# %% [markdown] id="adaptive-alt-zh" lang="zh" en="a7efe908" tags=["alt"]
# 上下两幅图，共两小时。上图：高出室温的度数平滑下降，在一小时处陡然一落，然后慢慢趋近 0；求解器的点落在曲线上，平静时稀，一小时处密。下图：以分钟计的步长，对数刻度；第一个小时里是几分钟，冷风吹来时降到一分钟以下，之后又升到十分钟以上；只有最后一步因为到了终点而被截短。

# %% [markdown] id="dopri-en" lang="en" tags=["library"]
# The steps shrink to half a minute in the gust and grow to more than eleven minutes in the calm. The library uses a better pair, orders 5 and 4, found by Dormand and Prince (`dopri5` of torchdiffeq). In a batch the row with the largest estimate decides for all, so that quiet company does not make it careless. The field is put on a common clock first, about which more below. The argument `adjoint` belongs to lesson 15; leave it at `False`.

# %% [markdown] id="dopri-zh" lang="zh" en="8114ebd8" tags=["library"]
# 冷风吹来时，步长缩小到半分钟，平静时增大到十一分钟以上。库使用的是一对更好的方法，阶为 5 和 4，由 Dormand 和 Prince 提出（torchdiffeq 的 `dopri5`）。在一批数据里，步长由误差估计最大的那一行决定，所以变化平缓的行不会降低它的精度。计算之前，先把场换算到统一的时间尺度上，下面再讲。参数 `adjoint` 属于第 15 课，先让它保持 `False`。

# %% id="dopri-code" tags=["library"]
from tutorial_lib.models.ode import _worst_row

# show: tutorial_lib.models.ode.Rescaled
# show: tutorial_lib.models.ode.integrate_adaptive

# %% id="dopri-check" tags=["reference-check"]
tight = {"rtol": 1e-9, "atol": 1e-9}
expect_close(
    "the library's adaptive solver comes to the closed form",
    integrate_adaptive(fan_torch, one, three_hours, **tight),
    [[fan_exact(3)]],
    1e-6,
)
asked = []
for company in (0, 999):  # cups that nobody leaves: their gap is 0
    watched = counted(fan_torch)
    all_gaps = torch.cat([three_hours, torch.zeros(company, dtype=DOUBLE)])
    integrate_adaptive(watched, one.expand(1 + company, 1), all_gaps, rtol=1e-4, atol=1e-4)
    asked.append(watched.calls)
expect_true("alone or with 999 quiet cups: as many evaluations", asked[0] == asked[1])

# %% [markdown] id="promise-en" lang="en" tags=["predict"]
# **What a tolerance promises.** It bounds an *estimate* of the error of *one step*. It does not bound the error at the end.
#
# **Predict.** With a tolerance of 0.0001 for the cups before the fan, is the final relative error below 0.0001? And with a tolerance of 0.001, does the solver notice the gust?

# %% [markdown] id="promise-zh" lang="zh" en="6f51c4ed" tags=["predict"]
# **容差保证了什么。** 它限制的是**一步**误差的**估计值**，而不是最后的误差。
#
# **猜一猜。** 对风扇前的茶，容差取 0.0001，最后的相对误差会低于 0.0001 吗？容差取 0.001，求解器能发现那阵冷风吗？

# %% id="promise-code" tags=["break-it"]
worst = {f"{tolerance:.0e}": error / tolerance for tolerance, _, error in free}
expect("tolerance 0.0001: the error is larger by a factor of", worst["1e-04"], 4.7, tol=0.5)
expect_true(
    "over ten tolerances: the error lies between 0.1 and 10 tolerances",
    0.1 < min(worst.values()) < max(worst.values()) < 10,
)

two_hours, blown, questions = torch.tensor([2.0], dtype=DOUBLE), {}, []


def noted(t, z):
    questions.append(t.item())
    return gust(t, z)


for tolerance in (1e-6, 1e-3):
    questions.clear()
    blown[tolerance] = integrate_adaptive(noted, one, two_hours, rtol=tolerance, atol=tolerance).item()
expect("tolerance 0.001: after two hours", blown[1e-3], 5.45, tol=0.01)
expect("without any gust it would be", 60 * math.exp(-2.4), 5.44, tol=0.005)
expect("tolerance 0.001: evaluations", len(questions), 32, tol=6)
during = [k for k, t in enumerate(questions) if 0.9 < t < 1.1]
expect_true("it asks during the gust, at a single moment", len({questions[k] for k in during}) == 1)
after = questions[during[-1] + 1 :]  # what it asks once that step is thrown away
expect("then the last question before the gust (h)", max(t for t in after if t < 1), 0.76, tol=0.02)
expect("and the first one behind it (h)", min(t for t in after if t > 1), 1.17, tol=0.02)
expect_close("mended by a smaller tolerance", blown[1e-6], gust_exact(2), 1e-4)
short = integrate_adaptive(lambda t, z: gust(t, z, 100, 0.01), one, two_hours, rtol=1e-6, atol=1e-6).item()
expect("a gust five times as short and ten times as strong, tolerance 0.000001", short, 5.44, tol=0.01)
expect("in truth", 60 * math.exp(-1.2 * (2 + 100 * 0.01 * math.sqrt(math.pi))), 0.65, tol=0.005)
parts, clock = one, 0.0
for until in (0.85, 1.15, 2.0):  # mended by stopping where something is known to happen
    gap = torch.tensor([until - clock], dtype=DOUBLE)
    parts, clock = integrate_adaptive(gust, parts, gap, start=clock, rtol=1e-3, atol=1e-3), until
expect("mended by stopping before and after the gust", parts, gust_exact(2), tol=0.03)

# %% [markdown] id="promise-why-en" lang="en"
# The error is almost five times the tolerance: many small errors add up. That is normal, and a factor of ten to either side is a good rule. The second result is worse. With a tolerance of 0.001 the solver asks 32 times in two hours and reports 5.45 where the truth is 1.88. It did ask during the gust, at one moment; it found that step too large and threw it away. The shorter step ended well before the gust, and the next one leapt right over it, with no question between 0.76 and 1.17 hours. The estimate of that leap was small, because where it looked there was nothing to see. An adaptive solver knows nothing of what happens between its evaluations.
#
# A smaller tolerance helps here. But a shorter and stronger gust fools that one too: 5.44 where the truth is 0.65. The sound remedy is to stop where you **know** that something happens, and to begin anew. For a user these places are known: they are the events.

# %% [markdown] id="promise-why-zh" lang="zh" en="81bb523e"
# 误差差不多是容差的五倍，因为许多小误差会累积。这很正常，上下相差十倍以内都可以接受。第二个结果更糟。容差为 0.001 时，求解器在两小时里求值 32 次，得到 5.45，而真值是 1.88。它确实在冷风期间求过值，但只有一个时刻；它发现那一步太大，于是作废。缩短之后的一步在冷风之前就结束了，接下来的一步则直接越过了冷风，从 0.76 到 1.17 小时之间没有任何求值。这一步的误差估计很小，因为在求值的那些时刻没有任何变化。可见，自适应的求解器并不知道两次求值之间发生了什么。
#
# 在这里，减小容差就可以了。但如果冷风更短、更强，更小的容差同样会漏掉它：得到 5.44，而真值是 0.65。可靠的办法是，在**已知**有变化发生的时刻停下来，重新开始。对用户来说，这些时刻是已知的，就是各个事件。

# %% [markdown] id="clocks-en" lang="en"
# ## One call, a gap for every row
#
# Four cups, poured at the same time, before the fan. Ada comes back at once, Ben after 20 minutes, Lea after 3 hours, Mira after two days. A batch has as many times as rows; a solver has one. The trick is to rescale. Give every row its own time $\sigma = t / \Delta$ that runs from 0 to 1, where $\Delta$ is the row's gap. A row with a long gap must then move faster, by just this factor:
#
# $$\frac{dz}{d\sigma} = \Delta \cdot f(\sigma \Delta, z), \qquad \sigma \text{ from } 0 \text{ to } 1 .$$
#
# `Rescaled` above is this formula. With fixed steps nothing more is needed than a step size for every row, $h = \Delta / \text{steps}$: the line with `h` in `integrate`.
#
# In the library: [`tutorial_lib.models.ode.Rescaled`](../../tutorial_lib/models/ode.py).

# %% [markdown] id="clocks-zh" lang="zh" en="99c07be6"
# ## 一次调用，每行一个间隔
#
# 风扇前四杯茶，同时泡好。小林马上就回来，小斌 20 分钟后，小叶 3 小时后，小米两天后。一批数据里，每一行都有自己的时间，而求解器只有一个时间。办法是重新标度：给每一行定义自己的时间 $\sigma = t / \Delta$，从 0 变到 1，其中 $\Delta$ 是这一行的间隔。间隔长的行必须变化得更快，恰好快这么多倍：
#
# $$\frac{dz}{d\sigma} = \Delta \cdot f(\sigma \Delta, z), \qquad \sigma \text{ 从 } 0 \text{ 到 } 1 .$$
#
# 上面的 `Rescaled` 就是这个公式。如果步长固定，只要让每一行有自己的步长 $h = \Delta / \text{steps}$，也就是 `integrate` 里计算 `h` 的那一行。
#
# 库中的实现：[`tutorial_lib.models.ode.Rescaled`](../../tutorial_lib/models/ode.py)。

# %% [markdown] id="predict-clocks-en" lang="en" tags=["predict"]
# **Predict.** 200 steps of RK4 for all four. How many evaluations does one call take, and how many does a loop over the rows take? Is Ada's tea exactly the same afterwards, or the same but for rounding?

# %% [markdown] id="predict-clocks-zh" lang="zh" en="d62548c2" tags=["predict"]
# **猜一猜。** 四杯都用 RK4 走 200 步。一次调用要对场求值多少次？逐行循环要多少次？小林的茶在计算之后是完全不变，还是有舍入误差？

# %% id="clocks-code" tags=["reference-check"]
names = ["Ada", "Ben", "Lea", "Mira"]
gaps = torch.tensor([0, 1 / 3, 3, 48], dtype=DOUBLE)  # hours
poured = torch.tensor([[60.0], [60.0], [50.0], [60.0]], dtype=DOUBLE)
watched = counted(fan_torch)
together = integrate(watched, poured, gaps, steps=200)
asked_together = watched.calls

watched = counted(fan)
alone = [follow("rk4", watched, z.item(), gap.item(), 200) for z, gap in zip(poured, gaps, strict=True)]
expect_close("one call equals a loop over the rows in plain numbers", together[:, 0], alone, 1e-11)
exact = [fan_exact(gap, z) for z, gap in zip(poured[:, 0].tolist(), gaps.tolist(), strict=True)]
expect_close("and the closed form", together[:, 0], exact, 1e-6)
sigma, options = torch.tensor([0.0, 1.0], dtype=DOUBLE), {"step_size": 1 / 200}
common = odeint(Rescaled(fan_torch, gaps), poured, sigma, method="midpoint", options=options)[1]
ours = integrate(fan_torch, poured, gaps, method="midpoint", steps=200)
expect_close("torchdiffeq on the common clock equals a step size for every row", ours, common, 1e-11)
expect("evaluations, one call", asked_together, 800, tol=0.5)
expect("evaluations, row by row", watched.calls, 3200, tol=0.5)
for method in (*STEPS, "adaptive"):
    same = torch.equal(integrate(fan_torch, poured, gaps, method=method, steps=50)[0], poured[0])
    expect_true(f"{method}: a gap of 0 leaves the row as it was, bit for bit", same)
show_matrix(20 + together[:, 0], cols=names, digits=1)

# %% [markdown] id="wrong-clock-en" lang="en" tags=["break-it"]
# ## Break it, 3: the wrong time
#
# Three mistakes that give no error message. **One gap for all**: the mean gap of the batch. **The wrong unit**: Ben's 20 minutes are passed on as 20, and the law counts in hours. **Too few steps**: 10 for everybody, which is plenty for Lea.
#
# **Predict.** Which of the four cups suffers from which mistake, and how badly?

# %% [markdown] id="wrong-clock-zh" lang="zh" en="01945144" tags=["break-it"]
# ## 破坏实验三：错误的时间
#
# 下面三种错误都不会报错。**所有行使用同一个间隔**，即这一批的平均间隔。**单位错误**，小斌的 20 分钟传成了 20，而规律以小时计。**步数太少**，每行 10 步，对小叶来说足够了。
#
# **猜一猜。** 四杯茶里，每种错误影响哪一杯，有多严重？

# %% id="wrong-clock-code" tags=["break-it"]
shared = integrate(fan_torch, poured, gaps.mean().expand(4), steps=200)
minutes = integrate(fan_torch, poured, 60 * gaps, steps=4000)
few = integrate(fan_torch, poured, gaps, steps=10)
table = torch.cat([together, shared, minutes, few], dim=1)[:3] + 20
show_matrix(table.T, ["right", "mean gap", "minutes as hours", "10 steps"], names[:3], digits=1)
expect("Ben's tea (degrees Celsius)", 20 + together[1, 0], 55.4, tol=0.05)
expect("Lea's tea", 20 + together[2, 0], 21.3, tol=0.05)
expect("with the mean gap Ada's fresh tea is at", 20 + shared[0, 0], 20, tol=0.01)
expect("with minutes taken as hours Ben's tea is at", 20 + minutes[1, 0], 20, tol=0.01)
expect_close("10 steps: good enough for Ben and Lea", few[1:3], together[1:3], 0.01)
expect_true("10 steps: Mira's tea is a billion degrees below zero", few[3, 0] < -1e9)

# %% [markdown] id="wrong-clock-why-en" lang="en"
# With the mean gap, about thirteen hours, every cup is cold, also Ada's, who never left. With the wrong unit Ben's tea is cold after 20 minutes. And the last mistake hits the row that you would look at last. The same number of steps for all means a step of 4.8 hours for Mira, far beyond what RK4 bears, and her tea is a billion degrees below zero. **The number of steps must suit the longest gap and the fastest rate.** In data with gaps from a second to a year this decides: one takes more steps, or an adaptive solver, or a field that cannot move fast, or a time scale that counts long gaps less.

# %% [markdown] id="wrong-clock-why-zh" lang="zh" en="21c03b13"
# 使用平均间隔，即大约十三个小时，每杯茶都凉了，连没有离开的小林那杯也是如此。单位错误时，小斌的茶 20 分钟就凉了。最后一种错误影响的，恰恰是最后才会检查的那一行。步数相同意味着小米的一步是 4.8 小时，远远超出 RK4 的稳定范围，她的茶到了零下十亿度。**步数必须与最长的间隔和最快的速率相适应。** 如果数据里的间隔从一秒到一年都有，这一点就是决定性的：要么增加步数，要么使用自适应的求解器，要么使用速度有上限的场，要么换一种使长间隔变短的时间尺度。

# %% id="wrong-clock-check"
expect("mean gap of the batch (h)", gaps.mean(), 12.8, tol=0.05)
expect("Mira's step with 10 steps (h)", gaps[3] / 10, 4.8, tol=1e-9)

# %% [markdown] id="back-en" lang="en"
# ## Back in time
#
# A negative gap goes back in time. Follow Lea's tea for three hours, then back, with `start` as the time at which the way back begins. Do we get the 60 degrees again?

# %% [markdown] id="back-zh" lang="zh" en="b363864a"
# ## 时间倒流
#
# 间隔取负数，就是沿时间倒推。先把茶向前计算三小时，再倒推回去，`start` 是倒推开始的时刻。能得到原来的 60 度吗？

# %% [markdown] id="predict-back-en" lang="en" tags=["predict"]
# **Predict.** Cup without fan, 12 steps there and 12 steps back. An Euler step multiplies by 0.7 on the way there and by 1.3 on the way back. Will Euler come back to 60? And if the thermometer was wrong by 0.1 degrees after the three hours, by how much is the temperature wrong with which we conclude that the tea was poured?

# %% [markdown] id="predict-back-zh" lang="zh" en="4b7c3a14" tags=["predict"]
# **猜一猜。** 没有风扇的那杯茶，去 12 步，回 12 步。欧拉法去的每一步乘以 0.7，回的每一步乘以 1.3。它能回到 60 吗？如果三小时后温度计差了 0.1 度，倒推出来的泡茶温度会差多少？

# %% id="back-code"
home = {}
for method in STEPS:
    there = integrate(tea, one, three_hours, method=method, steps=12)
    home[method] = integrate(tea, there, -three_hours, method=method, steps=12, start=3.0).item()
expect("Euler comes back to", home["euler"], 19.3, tol=0.05)
expect("midpoint to", home["midpoint"], 61.5, tol=0.05)
expect("RK4 to", home["rk4"], 60.0, tol=0.01)
expect_close("Euler there and back multiplies by 0.7 times 1.3, twelve times", home["euler"], 60 * 0.91**12, 1e-9)
there = integrate(fan_torch, one, three_hours, steps=200)
again = integrate(fan_torch, there, -three_hours, steps=200, start=3.0)
expect_close("with the fan, and the right clock on the way back", again, one, 1e-5)
forgot = integrate(fan_torch, there, -three_hours, steps=200)
expect_true("with the clock at 0 on the way back: off by more than 2 degrees", (forgot - one).abs().item() > 2)
expect("what becomes of 0.1 degrees on three hours back", 0.1 * math.exp(3.6), 3.7, tol=0.05)

# %% [markdown] id="back-why-en" lang="en"
# RK4 comes home, Euler ends at 19.3: a step back is not the inverse of a step there. And a law that fades on the way there **grows** on the way back: 0.1 degrees become 3.7. Nothing is wrong with the solver. The past of a cold cup cannot be read from it, and going back in time needs much smaller errors than going forth.

# %% [markdown] id="back-why-zh" lang="zh" en="dd80541b"
# RK4 回到了 60，欧拉法停在 19.3，因为倒推一步并不是前进一步的逆运算。而且，向前衰减的规律在倒推时会**增长**，0.1 度变成 3.7 度。这不是求解器的问题：由一杯凉了的茶，无法推断它过去的温度；倒推所要求的误差，比向前计算小得多。

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **14.1 Implement · basic.** Heun's method also has order 2, but it looks at the end of the step and not half-way: take an Euler step to see where you would end; ask for the slope there, at that time; follow the **mean** of the two slopes from the start. Two evaluations.

# %% [markdown] id="exercise1-zh" lang="zh" en="8cc99099" tags=["exercise"]
# ## 练习
#
# **14.1 实现 · 基础。** Heun 法的阶也是 2，但它使用一步的终点，而不是中点：先走一步欧拉法，在到达的状态和时刻求斜率，再从起点按两个斜率的**平均**走一步。只需求值两次。


# %% id="exercise1-code" tags=["exercise"]
def heun_step(field, t, z, h):
    """t [B, 1], z [B, d], h [B, 1] -> the state [B, d] at t + h."""
    ...


lesson14.check_heun_step(heun_step)


# %% id="exercise1-solution" tags=["solution"]
# Solution

def heun_step(field, t, z, h):
    first = field(t, z)
    last = field(t + h, z + h * first)
    return z + h / 2 * (first + last)


lesson14.check_heun_step(heun_step)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **14.2 Measure · core.** `lesson14.sealed` holds five solvers, `A` to `E`, each sold as "RK4, order 4". Call them as `sealed["A"](field, state, duration, steps)`, with shapes as for `integrate`. Not all keep what the label promises. Measure the order of each and give a dictionary; measured slopes are welcome. Think about which field you measure on.

# %% [markdown] id="exercise2-zh" lang="zh" en="ff38dc4a" tags=["exercise"]
# **14.2 测量 · 进阶。** `lesson14.sealed` 里有五个求解器，从 `A` 到 `E`，都声称是“RK4，四阶”。调用方式是 `sealed["A"](field, state, duration, steps)`，形状与 `integrate` 相同。其中有的并不符合。请测量各自的阶，给出一个字典；也可以直接填写测得的斜率。请想一想应当在什么样的场上测量。

# %% id="exercise2-code" tags=["exercise"]
orders = ...

lesson14.check_orders(orders)

# %% id="exercise2-solution" tags=["solution"]
# Solution

# A field that reads the clock, steps small enough for the slope to hold, float64. A is Euler in four small steps, C asks all
# its four questions at the time when the step begins (order 4 on the cup, order 1 before the fan), D is midpoint in two steps,
# E has order 3, B is the honest 3/8 rule.
orders = {}
for letter, solver in lesson14.sealed.items():
    found = [
        relative_error(solver(fan_torch, cups, torch.full((50,), 3.0, dtype=DOUBLE), n)) for n in (64, 128, 256, 512)
    ]
    orders[letter] = -np.polyfit(np.log([64, 128, 256, 512]), np.log(found), 1)[0]

lesson14.check_orders(orders)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **14.3 Measure · core.** A state has several parts, each of which fades with its own rate, $dz_i/dt = -\lambda_i z_i$, rates **per hour**. The gap is given in **seconds**, as in the data. Return the smallest whole number of equal steps in which no part grows, for `euler`, `midpoint` and `rk4`. At least one step, also for a gap of 0.

# %% [markdown] id="exercise3-zh" lang="zh" en="ed3e7822" tags=["exercise"]
# **14.3 测量 · 进阶。** 状态有几个部分，各按自己的速率衰减，$dz_i/dt = -\lambda_i z_i$，速率的单位是**每小时**。间隔和数据里一样，以**秒**给出。对 `euler`、`midpoint` 和 `rk4`，求出使任何部分都不变大的最少的等长步数，返回整数。至少一步，间隔为 0 时也是。


# %% id="exercise3-code" tags=["exercise"]
def fewest_steps(rates, gap, method):
    """rates: list of numbers per hour; gap: seconds; method: "euler", "midpoint" or "rk4" -> a whole number."""
    ...


lesson14.check_fewest_steps(fewest_steps)


# %% id="exercise3-solution" tags=["solution"]
# Solution

def fewest_steps(rates, gap, method):
    # The fastest part decides: rate * step must not exceed the limit that was measured above.
    return max(1, math.ceil(max(rates) * gap / 3600 / limits[method]))


lesson14.check_fewest_steps(fewest_steps)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **14.4 Modify · stretch.** `integrate` goes to one time for each row. Now every row has $Q$ query times, in order, counted from its own time 0; return the state at each. Go from query to query and carry the state on, with `steps` steps of RK4 for each stretch and all rows in one call. The field depends on the time.

# %% [markdown] id="exercise4-zh" lang="zh" en="0e3a218f" tags=["exercise"]
# **14.4 修改 · 挑战。** `integrate` 为每一行走到一个时刻。现在每一行有 $Q$ 个查询时刻，从早到晚，从这一行自己的 0 时刻算起；返回每个时刻的状态。从一个查询走到下一个，状态接着往下传，每一段用 RK4 走 `steps` 步，所有行在一次调用中完成。场依赖时间。


# %% id="exercise4-code" tags=["exercise"]
def states_at(field, state, times, steps):
    """state [B, d] at time 0, times [B, Q] of the queries, rising in each row -> states [B, Q, d]."""
    ...


lesson14.check_states_at(states_at)


# %% id="exercise4-solution" tags=["solution"]
# Solution

def states_at(field, state, times, steps):
    clock, seen = torch.zeros_like(times[:, 0]), []
    for query in times.T:  # [B]: the next query of every row
        state = integrate(field, state, query - clock, steps=steps, start=clock[:, None])
        clock = query
        seen.append(state)
    return torch.stack(seen, dim=1)


lesson14.check_states_at(states_at)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** How would you choose the steps for a data set? Take the gaps of `sample` (`load_dataset("sample")` of `tutorial_lib.data.datasets`, differences of timestamps within a user), a field with rates from 0.01 to 2 per hour, and a budget of evaluations for the whole data set. Compare: the same number of steps for all, steps in proportion to the gap, `adaptive`, and time counted as $\ln(1 + \text{hours})$. A good report has the error against the evaluations as a picture, the worst row and not only the mean, the number of rows that explode, and one doubt: which of the four changes the law and not only its solution?

# %% [markdown] id="open-zh" lang="zh" en="12b6ee70" tags=["open"]
# **开放任务。** 对一个数据集，你会怎样选择步数？取 `sample` 的间隔（用 `tutorial_lib.data.datasets` 的 `load_dataset("sample")`，计算每位用户时间戳之差），一个速率从每小时 0.01 到 2 的场，并为整个数据集规定求值次数的预算。比较四种做法：所有行步数相同，步数与间隔成正比，`adaptive`，以及以 $\ln(1 + \text{hours})$ 计时。一份好的报告应当包含：误差随求值次数变化的图，误差最大的行（而不只是平均值），发散的行数，以及一个疑问：四种做法中，哪一种改变的是规律本身，而不只是它的解？

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "errors": ...,  # {way: {evaluations: mean error}}, four ways
    "worst_row": ...,  # {way: error of the worst row}
    "exploded": ...,  # {way: number of rows that explode}
    "picture": ...,  # the figure, with a label on each axis
    "doubt": ...,  # what you doubt, in a sentence or two
}
lesson14.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## The tea, answered
#
# After three hours the tea is at 21.6 °C. The straight line said −136 because a speed holds for a moment and it was used for three hours; Runge and Kutta said 206 because order is a promise about **small** steps. Six steps of RK4 are enough for the tea; with a spoon in it, 130. Which number is right depends on the rate and the gap, and now you can say it beforehand.
#
# So when you read that a model "solves an ordinary differential equation", ask three things: how many steps over the longest gap, in which unit, and what happens to the result when the number of steps is doubled. If it changes noticeably, the model does not contain the law that is written in its paper. So far we were given the law. Where it comes from when nobody knows it is the subject of lesson 15.

# %% [markdown] id="answer-zh" lang="zh" en="25ce4221"
# ## 回答开头的问题
#
# 三小时后，茶是 21.6 °C。直线给出 −136，是因为速度只在一瞬间成立，却被用了三小时；龙格-库塔法给出 206，是因为阶只对**小**步长有保证。只有茶时，RK4 六步就够；加上一把勺子，需要 130 步。需要多少步取决于速率和间隔，而现在你可以事先算出来。
#
# 所以，如果某个模型声称“求解常微分方程”，请问三个问题：最长的间隔走了多少步，使用什么单位，步数加倍之后结果变化多少。如果变化明显，那么模型里实现的就不是论文里写的规律。到目前为止，规律都是给定的。如果没有人知道规律，它从哪里来？这是第 15 课的内容。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. A differential equation gives the speed for every time and state; a solver follows it in steps, and asks once (Euler), twice (midpoint) or four times (RK4) a step.
# 2. The order is the slope of the error on logarithmic axes, 1, 2 and 4, and comes from the first missing term of Taylor's series; it holds for small steps and ends at the rounding error.
# 3. Compare solvers by field evaluations; a high order pays as soon as the result must be exact.
# 4. A fading law explodes when rate times step exceeds 2, or 2.785 for RK4; the fastest part decides, and that makes a law stiff. An implicit solver has no such limit and solves an equation in each step.
# 5. Rescaled to a time from 0 to 1, all rows of a batch move in one call, each over its own gap; the longest gap needs the most steps.

# %% [markdown] id="summary-zh" lang="zh" en="31831e71" tags=["summary"]
# ## 小结
#
# 1. 微分方程给出每个时刻、每个状态下的速度；求解器逐步前进，每步求值一次（欧拉法）、两次（中点法）或四次（RK4）。
# 2. 阶是对数坐标里误差的斜率，分别是 1、2 和 4，由泰勒级数中缺少的第一项决定；它只对小步长成立，直到舍入误差起主要作用。
# 3. 应当按求值次数比较求解器；只要关心结果的精度，高阶就是值得的。
# 4. 速率乘以步长超过 2（RK4 是 2.785）时，衰减的规律也会发散；最快的部分起决定作用，使问题变得刚性。隐式求解器没有这个限制，代价是每步解一个方程。
# 5. 换算到从 0 到 1 的时间尺度上，一批里的所有行可以一次调用完成，每行有自己的间隔；间隔最长的那一行需要的步数最多。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> A solver of unknown order has the error 0.00100 with 100 steps and 0.00013 with 200. Which order has it, and which error do you expect with 400?</summary>
#
# Halving the step divides the error by 7.7, about $2^3$: order 3. With 400 steps about 0.000016, unless rounding gets in the way.
#
# </details>
#
# <details><summary><b>2.</b> The rates of a learned field reach 4 per hour, and nothing turns. How many steps at least do RK4 and Euler need for a gap of 30 days, so that nothing grows?</summary>
#
# RK4: $4 \cdot 720 / 2.785$, so 1035 steps or 4140 evaluations. Euler: $4 \cdot 720 / 2 = 1440$ steps, 1440 evaluations. Mere stability is cheaper with Euler; exactness is another matter.
#
# </details>
#
# <details><summary><b>3.</b> A state turns once in 24 hours, and Euler follows it for 30 days in steps of one hour. How large is it afterwards? What would you change?</summary>
#
# Each step multiplies by $\sqrt{1 + (2\pi/24)^2} = 1.034$, and 720 steps by about $2 \cdot 10^{10}$. Smaller steps only slow that down; RK4 stays bounded for $\lambda h$ below 2.8, and here it is 0.26.
#
# </details>
#
# <details><summary><b>4.</b> A solver shows order 4 on $dz/dt = -1.2 z$ and order 1 before the swinging fan. Where do you look for the mistake?</summary>
#
# At the times at which it evaluates the field. Without the fan the field does not depend on $t$, so a wrong time goes unnoticed; with the fan all evaluations at the start of the step leave order 1.
#
# </details>
#
# <details><summary><b>5.</b> In float32 your error falls until 128 steps and is larger at 8192. Would a solver of higher order, more steps or float64 help most?</summary>
#
# float64: past the turning point rounding dominates. More steps make it worse. A higher order reaches the floor with fewer steps, and that helps a little, but the floor stays.
#
# </details>
#
# <details><summary><b>6.</b> A paper compares Euler and RK4 with 10 steps each and finds RK4 better. Why is that unfair, and what should be compared?</summary>
#
# 10 evaluations stand against 40, and evaluations are what costs with a neural field. Give Euler 40 steps, or draw the error against the evaluations; and say whether any of the results is exact enough to be used.
#
# </details>
#
# <details><summary><b>7.</b> A state has half-lives of one minute and of three weeks, the step is one day. What does one step of explicit Euler, implicit Euler and the trapezoidal rule make of the fast part?</summary>
#
# The rate is $\ln 2 \cdot 1440 = 998$ a day. Explicit Euler multiplies by −997 and explodes. Implicit Euler by 1/999, it is gone, as it should be. The trapezoidal rule by $(1 - 499) / (1 + 499) = -0.996$: bounded, but it goes on jumping.
#
# </details>
#
# <details><summary><b>8.</b> You ask the adaptive solver for a tolerance of 0.001 and find the final error 0.005. Is there a mistake? And which error can no tolerance exclude?</summary>
#
# None: the tolerance bounds the estimate of one step, and errors of many steps add up; a factor of ten to either side is usual. No tolerance protects from an event that lies between two evaluations: stop where something is known to happen.
#
# </details>
#
# <details><summary><b>9.</b> A batch has gaps of 0, one minute and 90 days, rates up to 1 per hour, and RK4 with 20 steps for all. What happens to each row, and how many steps would be enough for nothing to grow?</summary>
#
# The rows with 0 and one minute are right. The third has steps of 108 hours, far beyond 2.785, and explodes. It needs $2160 / 2.785$, so 776 steps; or the closed form, or a time that counts long gaps less.
#
# </details>
#
# <details><summary><b>10.</b> From the state of today, known to 0.01, you want the state five half-lives ago. How exact will it be, whatever the solver?</summary>
#
# The law fades by $2^5 = 32$ on the way there, so errors grow 32 times on the way back: 0.32. Smaller steps do not help, because it is not the solver's error.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="a1c0e32c" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 一个阶数未知的求解器，100 步时误差为 0.00100，200 步时为 0.00013。它是几阶的？400 步时误差大约是多少？</summary>
#
# 步长减半，误差除以 7.7，约为 $2^3$，所以是 3 阶。400 步时约为 0.000016，除非舍入误差起作用。
#
# </details>
#
# <details><summary><b>2.</b> 学到的场的速率最大为每小时 4，没有旋转。对 30 天的间隔，RK4 和欧拉法至少各需要多少步，结果才不变大？</summary>
#
# RK4：$4 \cdot 720 / 2.785$，即 1035 步，4140 次求值。欧拉法：$4 \cdot 720 / 2 = 1440$ 步，1440 次求值。如果只求稳定，欧拉法更便宜；精度则是另一回事。
#
# </details>
#
# <details><summary><b>3.</b> 一个状态每 24 小时旋转一周，用欧拉法以一小时为步长计算 30 天。最后它变为多大？应当怎样改？</summary>
#
# 每步乘以 $\sqrt{1 + (2\pi/24)^2} = 1.034$，720 步之后约为 $2 \cdot 10^{10}$ 倍。减小步长只能使增长变慢；RK4 在 $\lambda h$ 小于 2.8 时有界，这里是 0.26。
#
# </details>
#
# <details><summary><b>4.</b> 一个求解器在 $dz/dt = -1.2 z$ 上是 4 阶，在摆动的风扇前是 1 阶。应当在哪里找错误？</summary>
#
# 检查它在哪些时刻求值。没有风扇时，场不依赖 $t$，时刻错了也发现不了；有风扇时，如果所有求值都用一步起点的时刻，就只剩 1 阶。
#
# </details>
#
# <details><summary><b>5.</b> 在 float32 里，误差一直下降到 128 步，8192 步时反而更大。换更高阶的求解器、增加步数、改用 float64，哪种最有帮助？</summary>
#
# 改用 float64：过了转折点，舍入误差起主要作用。增加步数会更差。更高阶的方法用更少的步数就能达到下限，略有帮助，但下限不变。
#
# </details>
#
# <details><summary><b>6.</b> 一篇论文用欧拉法和 RK4 各走 10 步，发现 RK4 更好。这样比较为什么不公平？应当比较什么？</summary>
#
# 一个求值 10 次，另一个求值 40 次，而场是神经网络时，代价来自求值。应当让欧拉法走 40 步，或者画出误差与求值次数的关系，并说明结果的精度是否足够。
#
# </details>
#
# <details><summary><b>7.</b> 状态的半衰期分别为一分钟和三个星期，步长为一天。显式欧拉法、隐式欧拉法和梯形法走一步，快的部分各变成什么？</summary>
#
# 速率为每天 $\ln 2 \cdot 1440 = 998$。显式欧拉法乘以 −997，发散。隐式欧拉法乘以 1/999，几乎消失，这是正确的。梯形法乘以 $(1 - 499) / (1 + 499) = -0.996$，虽然有界，却一直振荡。
#
# </details>
#
# <details><summary><b>8.</b> 自适应求解器的容差设为 0.001，最后的误差是 0.005。有错误吗？哪种误差是任何容差都不能排除的？</summary>
#
# 没有错误：容差限制的是一步的误差估计，许多步的误差会累积，上下相差十倍以内是常见的。任何容差都防不住恰好落在两次求值之间的事件，应当在已知有变化的时刻停下来。
#
# </details>
#
# <details><summary><b>9.</b> 一批数据的间隔为 0、一分钟和 90 天，速率最大为每小时 1，所有行都用 RK4 走 20 步。各行会怎样？需要多少步才不变大？</summary>
#
# 间隔为 0 和一分钟的行是正确的。第三行的步长为 108 小时，远远超过 2.785，会发散。它需要 $2160 / 2.785$，即 776 步，或者使用闭式解，或者换一种使长间隔变短的时间尺度。
#
# </details>
#
# <details><summary><b>10.</b> 由今天的状态（精确到 0.01）推算五个半衰期之前的状态。无论用什么求解器，精度是多少？</summary>
#
# 向前衰减 $2^5 = 32$ 倍，倒推时误差就放大 32 倍，即 0.32。减小步长没有帮助，因为这不是求解器的误差。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - E. Hairer, S. P. Nørsett, G. Wanner, *Solving Ordinary Differential Equations I: Nonstiff Problems*, 2nd edition, Springer 1993: chapter II, Runge-Kutta methods, the 3/8 rule, and the choice of the step size.
# - E. Hairer, G. Wanner, *Solving Ordinary Differential Equations II: Stiff and Differential-Algebraic Problems*, 2nd edition, Springer 1996: chapter IV, stiffness and the limits of stability.
# - J. R. Dormand, P. J. Prince, *A family of embedded Runge-Kutta formulae*, Journal of Computational and Applied Mathematics 6, 1980, pages 19 to 26.
# - R. T. Q. Chen, B. Amos, M. Nickel, *Neural Spatio-Temporal Point Processes*, ICLR 2021: the clocks of a batch, rescaled. [arXiv 2011.04583](https://arxiv.org/abs/2011.04583)
# - R. T. Q. Chen, *torchdiffeq*: the solvers that bear witness here. [github.com/rtqichen/torchdiffeq](https://github.com/rtqichen/torchdiffeq)
# - In this repository: `tutorial_lib/models/ode.py`, `tests/models/test_ode.py`.

# %% [markdown] id="references-zh" lang="zh" en="cbeaf55c" tags=["references"]
# ## 参考文献
#
# - E. Hairer、S. P. Nørsett、G. Wanner，*Solving Ordinary Differential Equations I: Nonstiff Problems*，第 2 版，Springer 1993：第 II 章，龙格-库塔法、3/8 法则，以及步长的选择。
# - E. Hairer、G. Wanner，*Solving Ordinary Differential Equations II: Stiff and Differential-Algebraic Problems*，第 2 版，Springer 1996：第 IV 章，刚性与稳定性的界限。
# - J. R. Dormand、P. J. Prince，*A family of embedded Runge-Kutta formulae*，Journal of Computational and Applied Mathematics 第 6 卷，1980，第 19 至 26 页。
# - R. T. Q. Chen、B. Amos、M. Nickel，*Neural Spatio-Temporal Point Processes*，ICLR 2021：一批数据的时间怎样重新标度。[arXiv 2011.04583](https://arxiv.org/abs/2011.04583)
# - R. T. Q. Chen，*torchdiffeq*：在这里作证的求解器。[github.com/rtqichen/torchdiffeq](https://github.com/rtqichen/torchdiffeq)
# - 本仓库：`tutorial_lib/models/ode.py`，`tests/models/test_ode.py`。
