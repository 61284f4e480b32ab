# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# A lamp hangs from the ceiling on a spring. Lea taps it from below, waits, and taps it once more, just as hard. How far does the lamp swing after the second tap?
#
# You cannot say, and physics is not what you lack. It depends on **how long she waited**. If the lamp was moving upwards, the second tap adds to its motion. If it was on its way down, the very same tap stops it almost dead.
#
# Now look at what a recurrent network sees: *tap, tap*. Two events, one after the other, no clock. It must give one answer to both evenings. What we want instead is a memory that **keeps moving between two events**, for exactly as long as the clock says. That is a state-space model. In this lesson you build one from the lamp, run it at irregular times without any error, compute the same thing in three ways, break it in four, and end with a layer of a recommender.

# %% [markdown] id="puzzle-zh" lang="zh" en="da325a9b"
# 一盏灯用弹簧挂在天花板上。小叶从下面轻敲它一下，等一会儿，再用同样的力气敲一下。敲完第二下之后，灯会摆动多远？
#
# 这个问题无法回答，但缺的不是物理知识。答案取决于她**等了多久**：如果灯正在向上运动，第二下会使它摆动得更厉害；如果灯正在向下运动，同样的一下几乎会让它停住。
#
# 再看循环网络看到了什么：“敲，敲”。两个事件一先一后，没有时间信息。因此对这两种情形，它只能给出同一个答案。我们需要的是这样一种记忆：在两个事件之间**状态会继续演化**，真实时间过了多久，它就演化多久。这就是状态空间模型（state-space model）。在这一课里，你会从这盏灯出发建立一个状态空间模型，让它在不规则的时刻上毫无误差地运行，用三种方法算出同一个结果，做四个破坏实验，最后得到推荐模型中的一层。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - move a linear state over a gap of any length, exactly, with a matrix exponential;
# - turn a law in continuous time into steps, by zero-order hold, the bilinear transform and the Euler method, and measure their errors;
# - compute one and the same memory as recurrence, as convolution and as scan, and say which of them survive irregular gaps;
# - read a kernel, and say what the real and the imaginary part of an eigenvalue remember;
# - recognise four faults: a step that is too large, an eigenvalue with a positive real part, a convolution that wraps round, and an event that adds nothing because its gap is 0.

# %% [markdown] id="objectives-zh" lang="zh" en="fe36d578" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 用矩阵指数让线性状态精确地跨过任意长的间隔；
# - 用零阶保持、双线性变换和欧拉法，把连续时间的规律离散成逐步的计算，并测出各自的误差；
# - 用递推（recurrence）、卷积和扫描三种方式计算同一个记忆，并说明间隔不规则时哪几种仍然可用；
# - 读懂一个核，说明特征值的实部和虚部各起什么作用；
# - 识别四种错误：步长太大，特征值的实部为正，卷积首尾相接，以及间隔为 0 的事件没有留下任何影响。

# %% id="setup"
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from numpy.polynomial import legendre
from torch import Tensor, nn

from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_close, expect_true, show_matrix
from tutorial_lib.notebook import progress_bar
from exercises import lesson10

torch.manual_seed(0)
plots.use_style()

# %% [markdown] id="tiny-en" lang="en"
# ## A lamp in two numbers
#
# Two numbers say all there is to say about the lamp at one moment: its **height** above the place of rest, in cm, and its **velocity**, in cm/s. Together they are the *state* $x$. How does the state change?
#
# - The height changes by the velocity.
# - The velocity changes by two pulls: the spring pulls back, the more the higher the lamp is, and friction slows it down, the more the faster it is.
#
# Both sentences are one equation, with $x'$ for the change per second:
#
# $$x' = A x .$$
#
# The spring below is chosen so that one full swing takes 2 seconds. A tap adds 1 cm/s to the velocity, at once.
#
# <!-- definition -->

# %% [markdown] id="tiny-zh" lang="zh" en="8a17726a"
# ## 用两个数描述一盏灯
#
# 灯在某一时刻的情况可以用两个数完整地描述：相对于静止位置的**高度**，单位 cm；以及**速度**，单位 cm/s。两者合起来称为**状态** $x$。状态怎样变化？
#
# - 高度按速度变化。
# - 速度因两个力而变化：弹簧把灯往回拉，灯越高拉力越大；摩擦使灯变慢，灯越快阻力越大。
#
# 这两句话可以写成一个方程，$x'$ 表示每秒的变化：
#
# $$x' = A x .$$
#
# 下面的弹簧参数是这样选取的：灯完整地摆动一个周期正好是 2 秒。敲一下，速度立刻增加 1 cm/s。
#
# <!-- definition -->

# %% id="tiny-law"
PULL, FRICTION = math.pi**2 + 1 / 16, 1 / 2  # of the spring, per cm of height; per cm/s of velocity
A = torch.tensor([[0, 1], [-PULL, -FRICTION]], dtype=torch.double)
TAP = torch.tensor([0, 1], dtype=torch.double)  # what one tap adds to the state
show_matrix(A, ["change of height", "change of velocity"], ["height", "velocity"])

# %% [markdown] id="exponential-en" lang="en"
# **From now to later.** If $x' = a x$ holds for a single number, the solution is $x(t) = e^{a t} x(0)$. For a matrix the same formula holds, with the same series in place of the exponential:
#
# $$x(t + \Delta) = e^{\Delta A} x(t), \qquad e^{\Delta A} = I + \Delta A + \frac{(\Delta A)^2}{2} + \frac{(\Delta A)^3}{6} + \dots$$
#
# $I$ is the matrix that changes nothing, and $\Delta$ (delta) is the gap. This *matrix exponential* is a table of four numbers, made once for a gap. Then the jump over the gap is one product, whether the gap is a millisecond or a year.
#
# In the library: [`tutorial_lib.models.ssm.discretise`](../../tutorial_lib/models/ssm.py).

# %% [markdown] id="exponential-zh" lang="zh" en="75434fb7"
# **从现在到以后。** 如果只有一个数，$x' = a x$ 的解是 $x(t) = e^{a t} x(0)$。对矩阵，同样的公式也成立，指数函数用同样的级数来定义：
#
# $$x(t + \Delta) = e^{\Delta A} x(t), \qquad e^{\Delta A} = I + \Delta A + \frac{(\Delta A)^2}{2} + \frac{(\Delta A)^3}{6} + \dots$$
#
# $I$ 是什么都不改变的矩阵，$\Delta$（delta）是间隔。这个**矩阵指数**（matrix exponential）由四个数组成，每种间隔只需计算一次。有了它，跨过这段间隔只要一次乘法，无论间隔是一毫秒还是一年。
#
# 库中的实现：[`tutorial_lib.models.ssm.discretise`](../../tutorial_lib/models/ssm.py)。

# %% [markdown] id="predict-swing-en" lang="en" tags=["predict"]
# **Predict before you run.** The lamp is lifted by 1 cm and let go. Where is it after 1 second, that is half a swing? And after 2 seconds, a whole one: is it back at 1 cm?

# %% [markdown] id="predict-swing-zh" lang="zh" en="aed0e6fe" tags=["predict"]
# **先猜，再运行。** 把灯抬高 1 cm 后放手。1 秒之后，即半个周期之后，它在哪里？2 秒之后，即一个周期之后，它会回到 1 cm 吗？


# %% id="tiny-swing"
def exponential(matrix, terms=60):
    """The series of e^matrix: enough terms for the small gaps of this lesson."""
    total = term = torch.eye(len(matrix), dtype=matrix.dtype)
    for n in range(1, terms):
        term = term @ matrix / n
        total = total + term
    return total


lifted = torch.tensor([1, 0], dtype=torch.double)
seconds = [0, 0.5, 1, 1.5, 2]
path = torch.stack([exponential(A * t) @ lifted for t in seconds])
show_matrix(path, [f"after {t} s" for t in seconds], ["height (cm)", "velocity (cm/s)"])
expect("height after half a swing", path[2, 0], -0.78, tol=0.005)
expect("height after a whole swing", path[4, 0], 0.61, tol=0.005)

# %% [markdown] id="swing-why-en" lang="en"
# After half a swing the lamp hangs 0.78 cm **below** its place of rest, after a whole one 0.61 cm above it. The turning comes from the spring, the shrinking from friction.
#
# Is our series right? There are two references. PyTorch has `torch.linalg.matrix_exp`, which uses another method. And for this special matrix, textbooks of physics have a closed form: turn by $\pi$ for every second, shrink by $e^{-1/4}$ for every second,
#
# $$e^{t A} = e^{-t/4} \left( \cos(\pi t)\, I + \frac{\sin(\pi t)}{\pi} \left(A + \tfrac14 I\right) \right) .$$
#
# <!-- definition -->

# %% [markdown] id="swing-why-zh" lang="zh" en="3c627678"
# 半个周期之后，灯在静止位置**下方** 0.78 cm；一个周期之后，在上方 0.61 cm。往复来自弹簧，幅度减小来自摩擦。
#
# 我们的级数正确吗？可以用两个参照来检验。PyTorch 的 `torch.linalg.matrix_exp` 用的是另一种算法。而对这个特殊的矩阵，物理教科书给出了封闭的公式：每秒转 $\pi$，每秒缩小到 $e^{-1/4}$ 倍，
#
# $$e^{t A} = e^{-t/4} \left( \cos(\pi t)\, I + \frac{\sin(\pi t)}{\pi} \left(A + \tfrac14 I\right) \right) .$$
#
# <!-- definition -->


# %% id="reference-check" tags=["reference-check"]
def textbook(t):
    eye = torch.eye(2, dtype=torch.double)
    return math.exp(-t / 4) * (math.cos(math.pi * t) * eye + math.sin(math.pi * t) / math.pi * (A + eye / 4))


for t in (0.01, 0.3, 1.7):
    expect_close(f"our series equals torch, {t} s", exponential(A * t), torch.linalg.matrix_exp(A * t), tol=1e-11)
    expect_close(f"and the textbook, {t} s", exponential(A * t), textbook(t), tol=1e-11)

# %% [markdown] id="taps-en" lang="en"
# ## Two taps, two answers
#
# Now the puzzle in numbers. The first tap sets the lamp in motion. The state moves over the gap. The second tap is added.

# %% [markdown] id="taps-zh" lang="zh" en="339c6d6d"
# ## 两下轻敲，两种结果
#
# 现在用数字来回答开头的问题。第一下使灯运动起来，状态演化过这段间隔，然后加上第二下。

# %% [markdown] id="predict-taps-en" lang="en" tags=["predict"]
# **Predict.** Lea waits one second (half a swing), or two seconds (a whole one). How much faster is the lamp right after the second tap in the better case: as fast, twice as fast, or seven times as fast?

# %% [markdown] id="predict-taps-zh" lang="zh" en="0c477097" tags=["predict"]
# **猜一猜。** 小叶等了一秒（半个周期），或者等了两秒（一个周期）。刚敲完第二下时，较快的一次的速度是较慢的一次的多少倍：一样、两倍，还是七倍？

# %% id="taps-code"
gaps = [0.5, 1, 1.5, 2]
after = torch.stack([exponential(A * gap) @ TAP + TAP for gap in gaps])
show_matrix(after, [f"gap {gap} s" for gap in gaps], ["height (cm)", "velocity (cm/s)"])
expect("velocity after two taps, gap 1 s", after[1, 1], 0.22, tol=0.005)
expect("velocity after two taps, gap 2 s", after[3, 1], 1.61, tol=0.005)
expect("ratio of the two", after[3, 1] / after[1, 1], 7.3, tol=0.1)

# %% [markdown] id="walk-en" lang="en"
# Seven times. The events are the same, the order is the same; the gap alone decides.
#
# To follow the lamp at any moments we like, jump from moment to moment: move over the gap, then add what happens there. The gaps may be as irregular as they please. Is anything lost on the way? A closed form says no: every tap, by itself, leaves behind the height $e^{-t/4} \sin(\pi t) / \pi$ after $t$ seconds, and the heights of several taps add up, because the law is linear.

# %% [markdown] id="walk-zh" lang="zh" en="d29de70d"
# 七倍。事件相同，顺序也相同，结果完全由间隔决定。
#
# 要知道灯在任意时刻的位置，只需从一个时刻跳到下一个时刻：先演化过间隔，再加上此刻发生的事件。间隔可以任意不规则。这样会有误差吗？闭式解表明不会：每敲一下，单独来看，$t$ 秒之后留下的高度是 $e^{-t/4} \sin(\pi t) / \pi$；因为规律是线性的，几下留下的高度直接相加。


# %% id="walk-code"
def walk(instants, taps):
    """States [n, 2] of the lamp at the instants, jumping from one instant or tap to the next."""
    state, clock, seen = torch.zeros(2, dtype=torch.double), 0.0, {}
    for now in sorted({*instants, *taps}):
        state = torch.linalg.matrix_exp(A * (now - clock)) @ state
        state = state + TAP if now in taps else state
        clock, seen[now] = now, state
    return torch.stack([seen[now] for now in instants])


def height(instants, taps):
    """The same heights [n] without any jumps: what each tap alone leaves behind, added up."""
    since = torch.as_tensor(instants, dtype=torch.double)[:, None] - torch.tensor(taps)
    each = torch.exp(-since / 4) * torch.sin(math.pi * since) / math.pi
    return torch.where(since >= 0, each, 0).sum(dim=1)


moments = np.sort(np.random.default_rng(0).uniform(0, 6, 14)).tolist()  # seconds, as irregular as chance makes them
for taps in ([0.0], [0.0, 1.0], [0.0, 2.0]):
    expect_close(
        f"jumps equal the closed form, taps at {taps}", walk(moments, taps)[:, 0], height(moments, taps), 1e-12
    )

# %% [markdown] id="walk-question-en" lang="en"
# How do the three evenings look, one tap, two taps a second apart, two taps two seconds apart? The lines are the closed form; the dots are our 14 jumps.

# %% [markdown] id="walk-question-zh" lang="zh" en="21084ae2"
# 只敲一下、隔一秒敲两下、隔两秒敲两下，这三种情形各是什么样子？曲线是闭式解的结果，点是我们的 14 次跳跃。

# %% id="walk-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(8.5, 3.4))
fine = torch.linspace(0, 6, 600, dtype=torch.double)
for (label, taps), marker in zip(
    {"one tap": [0.0], "second tap after 1 s": [0.0, 1.0], "second tap after 2 s": [0.0, 2.0]}.items(),
    plots.MARKERS,
    strict=False,
):
    (line,) = ax.plot(fine, height(fine, taps), label=label)
    ax.plot(moments, walk(moments, taps)[:, 0], marker, markersize=5, color=line.get_color())
ax.set(xlabel="time since the first tap (s)", ylabel="height of the lamp (cm)")
ax.legend()
plt.show()

# %% [markdown] id="walk-alt-en" lang="en" tags=["alt"]
# Three curves of height against time over 6 seconds, with dots at 14 irregular moments that lie on the curves. One tap: a wave of about 0.3 cm that dies away slowly. Second tap after 1 s: the same wave for one second, then almost flat. Second tap after 2 s: the same wave for two seconds, then clearly higher than with one tap.

# %% [markdown] id="walk-alt-zh" lang="zh" en="9bfb0a16" tags=["alt"]
# 三条高度随时间变化的曲线，共 6 秒，14 个不规则时刻上的点都落在曲线上。敲一下：约 0.3 cm 的波，慢慢消失。1 秒后敲第二下：头一秒与前者相同，随后几乎是平的。2 秒后敲第二下：头两秒相同，随后明显比只敲一下时摆动得高。

# %% id="walk-check"
expect("largest height after one tap (cm)", height(fine, [0.0]).max(), 0.28, tol=0.03)
expect_true("second tap after 1 s: below 0.07 cm ever after", height(fine[fine > 1], [0.0, 1.0]).abs().max() < 0.07)
expect_true("second tap after 2 s: above 0.4 cm", height(fine, [0.0, 2.0]).max() > 0.4)

# %% [markdown] id="diagonal-en" lang="en"
# ## One complex number instead of two real ones
#
# Height and velocity are mixed at every moment: each changes the other. There are better coordinates. An *eigenvector* of $A$ is a direction that $A$ only stretches; the factor is its *eigenvalue* $\lambda$ (lambda). In the coordinates of the eigenvectors each number moves alone, and the matrix exponential becomes an ordinary one:
#
# $$z(t + \Delta) = e^{\lambda \Delta} z(t) .$$
#
# Our lamp swings, so its eigenvalues are complex, and they come as a pair: the second is the mirror image of the first and tells nothing new.
#
# In the library: [`tutorial_lib.models.ssm.discretise_diagonal`](../../tutorial_lib/models/ssm.py).

# %% [markdown] id="diagonal-zh" lang="zh" en="c0383e8b"
# ## 一个复数代替两个实数
#
# 高度和速度始终相互耦合，一个变化，另一个也随之变化。可以换一组更好的坐标。$A$ 的**特征向量**（eigenvector）是这样的方向：$A$ 对它只做伸缩，伸缩的倍数就是**特征值**（eigenvalue）$\lambda$（lambda）。以特征向量为坐标，每个数各自独立地变化，矩阵指数就变成了普通的指数：
#
# $$z(t + \Delta) = e^{\lambda \Delta} z(t) .$$
#
# 我们的灯会摆动，所以它的特征值是复数，而且成对出现：第二个是第一个的镜像，不提供新的信息。
#
# 库中的实现：[`tutorial_lib.models.ssm.discretise_diagonal`](../../tutorial_lib/models/ssm.py)。

# %% id="diagonal-code"
eigenvalues, vectors = torch.linalg.eig(A)
show_matrix(torch.view_as_real(eigenvalues), ["first", "second"], ["real part (1/s)", "imaginary part (1/s)"], digits=4)
z = torch.linalg.solve(vectors, TAP.to(vectors.dtype))  # the tap in the coordinates of the eigenvectors
moved = torch.exp(eigenvalues * 1.7) * z  # over 1.7 s: each number alone
state = torch.linalg.matrix_exp(A * 1.7) @ TAP
expect_close("two lonely numbers equal the full matrix", (vectors @ moved).real, state, tol=1e-12)
one = eigenvalues.imag.argmax()  # of the pair, the one that turns to the left
expect_close("one of the pair is enough", 2 * (vectors[:, one] * moved[one]).real, state, tol=1e-12)
expect("real part", eigenvalues[one].real, -0.25, tol=1e-6)
expect("imaginary part over pi", eigenvalues[one].imag / math.pi, 1, tol=1e-6)
expect("half-life of the swing (s)", math.log(2) / 0.25, 2.77, tol=0.005)

# %% [markdown] id="diagonal-why-en" lang="en"
# Read the eigenvalue $\lambda = -\tfrac14 + \pi i$ as a sentence. The **real part** says how fast the memory fades: $e^{-t/4}$, so half of it is left after 2.77 seconds. It is minus half the friction: the two real parts add up to the trace of $A$, which is $-\tfrac12$. The **imaginary part** says how fast it turns: by $\pi$, half a turn, in a second.
#
# It also pays. A full matrix of $P$ rows costs $P^2$ products for every event and a matrix exponential for every gap. A diagonal one costs $P$ of each. All layers from here to lesson 13 are diagonal and learn their eigenvalues directly.

# %% [markdown] id="diagonal-why-zh" lang="zh" en="3eaa76dd"
# 特征值 $\lambda = -\tfrac14 + \pi i$ 可以这样理解。**实部**表示记忆衰减的快慢：$e^{-t/4}$，因此 2.77 秒后剩一半，这就是半衰期（half-life）。它等于摩擦系数的一半取负：两个实部之和是 $A$ 的迹，也就是 $-\tfrac12$。**虚部**表示旋转的快慢：一秒转 $\pi$，即半圈。
#
# 这样做还能节省计算。对 $P$ 行的完整矩阵，每个事件需要 $P^2$ 次乘法，每种间隔需要一次矩阵指数；对角矩阵则各只需 $P$ 次。从这里到第 13 课，所有的层都是对角的，直接学习特征值。

# %% [markdown] id="discrete-en" lang="en"
# ## From continuous time to steps
#
# A tap is sudden. An input can also last: Lea **pushes** with a force $u$ until the next event. Then
#
# $$x' = A x + B u ,$$
#
# where $B$ says on which numbers of the state the force acts, here on the velocity. A step over the gap $\Delta$ has the form $x_i = \bar A\, x_{i-1} + \bar B\, u_i$, and there are three customs for the two matrices:
#
# - **zero-order hold** (ZOH): $u$ stays what it is for the whole step. Then the law can be solved: $\bar A = e^{\Delta A}$ and $\bar B = A^{-1} (e^{\Delta A} - I) B$.
# - **Euler method**: go straight ahead for the whole step, with the change that holds at its beginning: $\bar A = I + \Delta A$, $\bar B = \Delta B$.
# - **bilinear transform**: with the mean of the changes at beginning and end: $\bar A = (I - \tfrac{\Delta}{2} A)^{-1} (I + \tfrac{\Delta}{2} A)$, $\bar B = (I - \tfrac{\Delta}{2} A)^{-1} \Delta B$.
#
# This is called *discretization*. Here is the library's, for full and for diagonal matrices.
#
# In the library: [`tutorial_lib.models.ssm.discretise`](../../tutorial_lib/models/ssm.py).

# %% [markdown] id="discrete-zh" lang="zh" en="a52da920"
# ## 从连续时间到离散的步
#
# 敲击是瞬间的，但输入也可以是持续的：小叶用力 $u$ **推着**灯，直到下一个事件。这时
#
# $$x' = A x + B u ,$$
#
# 其中 $B$ 说明力作用在状态的哪些数上，这里是速度。跨过间隔 $\Delta$ 的一步写成 $x_i = \bar A\, x_{i-1} + \bar B\, u_i$，两个矩阵有三种取法：
#
# - **零阶保持**（zero-order hold，ZOH）：整步之内 $u$ 保持不变。这时规律可以解出来：$\bar A = e^{\Delta A}$，$\bar B = A^{-1} (e^{\Delta A} - I) B$。
# - **欧拉法**（Euler method）：整步都按起点处的变化率前进：$\bar A = I + \Delta A$，$\bar B = \Delta B$。
# - **双线性变换**（bilinear transform）：按起点和终点变化率的平均值前进：$\bar A = (I - \tfrac{\Delta}{2} A)^{-1} (I + \tfrac{\Delta}{2} A)$，$\bar B = (I - \tfrac{\Delta}{2} A)^{-1} \Delta B$。
#
# 这一步叫**离散化**（discretization）。下面是库里的写法，完整矩阵和对角矩阵各一个。
#
# 库中的实现：[`tutorial_lib.models.ssm.discretise`](../../tutorial_lib/models/ssm.py)。

# %% id="library-code" tags=["library"]
from tutorial_lib.errors import TutorialError
from tutorial_lib.models.ssm import METHODS, expm1

# show: tutorial_lib.models.ssm.discretise
# show: tutorial_lib.models.ssm.discretise_diagonal

# %% [markdown] id="discrete-check-en" lang="en"
# The library takes both matrices of ZOH from one matrix exponential. A reference that does not use it: $\bar B$ is what a force of 1 leaves behind, added up over the step, $\int_0^\Delta e^{s A} B\, ds$. We add it up in 2,000 thin slices.

# %% [markdown] id="discrete-check-zh" lang="zh" en="4eda4b45"
# 库用一次矩阵指数同时得到 ZOH 的两个矩阵。这里用一个与此无关的参照来检验：$\bar B$ 就是大小为 1 的力在整步中产生的影响的总和，即 $\int_0^\Delta e^{s A} B\, ds$。我们把它分成 2,000 个小段求和。

# %% id="discrete-check-code" tags=["reference-check"]
B = TAP[:, None]  # [2, 1]: the force acts on the velocity
A_bar, B_bar = discretise(A, B, 0.7)
slices = torch.linspace(0, 0.7, 2001, dtype=torch.double)
added_up = torch.trapezoid(torch.linalg.matrix_exp(A * slices[:, None, None]) @ B, slices, dim=0)
expect_close("zero-order hold: B_bar equals the integral", B_bar, added_up, tol=1e-6)
expect_close("and A_bar the textbook", A_bar, textbook(0.7), tol=1e-12)
for method in METHODS:
    decay, weight = discretise_diagonal(eigenvalues, 0.7, method)
    full = (vectors @ torch.diag(decay) @ torch.linalg.inv(vectors)).real
    expect_close(f"{method}: diagonal equals full", full, discretise(A, B, 0.7, method)[0], tol=1e-12)

# %% [markdown] id="predict-error-en" lang="en" tags=["predict"]
# **How wrong are they?** Push the lamp for 4 seconds and compare the final state with the exact one. In the first test the force changes once a second and is held in between. In the second test the force swings smoothly, and ZOH pretends that it is held.
#
# **Predict.** Halve the step. The error of Euler halves; what does the error of the bilinear transform do? And does ZOH err in the first test, in the second, in both?

# %% [markdown] id="predict-error-zh" lang="zh" en="3dbbd2b3" tags=["predict"]
# **它们的误差有多大？** 推灯 4 秒，把最后的状态与精确值比较。第一个测试里，力每秒变一次，中间保持不变。第二个测试里，力平滑地来回变化，而 ZOH 假装它是保持不变的。
#
# **猜一猜。** 步长减半，欧拉法的误差也减半；双线性变换的误差会怎样？ZOH 在第一个测试里有误差，还是第二个，还是两个都有？


# %% id="errors-code"
def push(force, steps, method):
    """State after 4 s of `force`, a function of the time, taken at the beginning of each step and held."""
    A_bar, B_bar = discretise(A, B, 4 / steps, method)
    state = torch.zeros(2, dtype=torch.double)
    for i in range(steps):
        state = A_bar @ state + B_bar[:, 0] * force(4 * i / steps)
    return state


def held(t):
    return (3.0, -1.0, 2.0, 0.5)[int(t)]


def smooth(t):
    return math.sin(3 * t)


exact = torch.zeros(2, dtype=torch.double)
for second in range(4):  # the textbook once a second; what the push leaves behind, from the law at rest: A x + B u = 0
    rest = -torch.linalg.solve(A, B)[:, 0] * held(second)
    exact = rest + textbook(1.0) @ (exact - rest)
both = torch.zeros(4, 4, dtype=torch.double)  # lamp and force together: sin(3 t) obeys a spring law of its own
both[:2, :2], both[1, 2], both[2, 3], both[3, 2] = A, 1, 1, -9
exact_smooth = (torch.linalg.matrix_exp(4 * both) @ torch.tensor([0, 0, 0, 3], dtype=torch.double))[:2]

counts = [16 * 2**k for k in range(8)]
errors = {f"{method}, held force": [(push(held, n, method) - exact).norm() for n in counts] for method in METHODS}
errors["zoh, smooth force"] = [(push(smooth, n, "zoh") - exact_smooth).norm() for n in counts]
errors = {name: torch.stack(values) for name, values in errors.items()}

# %% id="errors-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7.5, 3.8))
for (name, values), marker in zip(errors.items(), plots.MARKERS, strict=False):
    ax.plot([4 / n for n in counts], values, marker=marker, markersize=5, label=name)
ax.set(xscale="log", yscale="log", xlabel="step (s)", ylabel="error of the state after 4 s")
ax.legend(loc="center right", fontsize=9)
plt.show()

# %% [markdown] id="errors-alt-en" lang="en" tags=["alt"]
# Error against step on two logarithmic axes, steps from 0.002 to 0.25 s. Zero-order hold with a held force lies far below all others, at rounding error. Bilinear falls with slope 2. Euler falls with slope 1 at small steps and shoots up beyond 10 at large ones. Zero-order hold with a smooth force falls with slope 1.

# %% [markdown] id="errors-alt-zh" lang="zh" en="c35f6b99" tags=["alt"]
# 误差对步长的图，两轴都是对数刻度，步长从 0.002 到 0.25 秒。力保持不变时，零阶保持远在其他几条之下，只有舍入误差。双线性以斜率 2 下降。欧拉法在小步长处以斜率 1 下降，在大步长处冲到 10 以上。力平滑变化时，零阶保持以斜率 1 下降。

# %% id="errors-check"
slope = {name: torch.log2(values[-2] / values[-1]) for name, values in errors.items()}
expect("order of Euler", slope["euler, held force"], 1, tol=0.1)
expect("order of the bilinear transform", slope["bilinear, held force"], 2, tol=0.05)
expect("order of zero-order hold with a smooth force", slope["zoh, smooth force"], 1, tol=0.1)
expect_true("zero-order hold with a held force: rounding error only", errors["zoh, held force"].max() < 1e-8)
expect_true("Euler at the largest step: an error above 10", errors["euler, held force"][0] > 10)
print("steps from", round(4 / counts[-1], 3), "to", 4 / counts[0], "s")

# %% [markdown] id="errors-why-en" lang="en"
# Halving the step halves the error of Euler and quarters that of the bilinear transform: their *orders of convergence* are 1 and 2. Zero-order hold has no error at all where the input really is held, at any step. Where the input moves during the step it is off like Euler, because it solves the law exactly **for another input**.
#
# So the question is what the input is. Between two events of a history nothing happens. There is nothing to approximate, and a single exact jump is right, however long the gap.

# %% [markdown] id="errors-why-zh" lang="zh" en="9e77bfd6"
# 步长减半，欧拉法的误差减半，双线性变换的误差变成四分之一：它们的**收敛阶**是 1 和 2。当输入确实保持不变时，零阶保持没有误差，与步长无关。如果输入在一步之内变化，它就和欧拉法一样有误差，因为它精确求解的是**另一个输入**下的方程。
#
# 因此关键在于输入是什么。在一段历史的两个事件之间，什么也没有发生，没有需要近似的内容，因此无论间隔多长，一次精确的跳跃就足够了。

# %% [markdown] id="euler-en" lang="en" tags=["break-it"]
# ## Break it, 1: the step that is too large
#
# Why did Euler shoot up at large steps? One step multiplies $z$ by $1 + \lambda\Delta$. The true factor $e^{\lambda\Delta}$ is smaller than 1 in size, for friction takes energy away. Euler's is not, if the step is too large: going straight ahead on a circle leads out of the circle.
#
# **Predict.** The lamp is lifted by 1 cm and watched for 20 seconds; in truth less than 0.01 cm is left. What does Euler say with a step of 0.1 s, twenty steps for every swing?

# %% [markdown] id="euler-zh" lang="zh" en="86aede7c" tags=["break-it"]
# ## 破坏实验 1：步长太大
#
# 为什么欧拉法在大步长处误差急剧增大？每一步把 $z$ 乘以 $1 + \lambda\Delta$。由于摩擦消耗能量，真正的因子 $e^{\lambda\Delta}$ 的模小于 1。但步长太大时，欧拉法的因子的模会超过 1，因为沿圆的切线前进会走到圆外。
#
# **猜一猜。** 把灯抬高 1 cm，观察 20 秒；真实情况下只剩不到 0.01 cm。如果步长取 0.1 秒，即每个周期二十步，欧拉法给出的结果是多少？

# %% id="euler-code" tags=["break-it"]
lamp = eigenvalues[one]
left = {}
for method, step in (("euler", 0.04), ("euler", 0.1), ("bilinear", 0.1), ("zoh", 0.1), ("zoh", 10.0)):
    factor = discretise_diagonal(lamp, step, method)[0].abs()
    left[method, step] = factor ** (20 / step)
    print(f"{method:9s} step {step:5.2f} s: each step times {factor:.4f}, left after 20 s: {left[method, step]:.4f}")
limit = -2 * lamp.real / lamp.abs() ** 2
expect("largest step for Euler (s)", limit, 0.0503, tol=0.0001)
expect("what is left after 20 s, in truth", math.exp(-20 / 4), 0.0067, tol=0.0001)
expect_true("Euler with a step of 0.1 s: more than a hundredfold", left["euler", 0.1] > 100)
expect_close("mended: zero-order hold with a step of 10 s", left["zoh", 10.0], math.exp(-20 / 4), tol=1e-12)
grid = torch.complex(*torch.meshgrid(-torch.logspace(-3, 2, 30), torch.linspace(-50, 50, 41), indexing="ij"))
for method in ("bilinear", "zoh"):
    factors = discretise_diagonal(grid.reshape(-1), 1.0, method)[0].abs()
    expect_true(f"{method}: below 1 for each of {grid.numel()} eigenvalues with negative real part", factors.max() < 1)

# %% [markdown] id="euler-why-en" lang="en"
# With a step of 0.1 s, Euler's lamp ends up swinging a hundred times as high as it was lifted. The limit is $-2\,\mathrm{Re}\,\lambda / |\lambda|^2$, here about 0.05 s. A gap in a history is not chosen by you; it may be a year. So Euler is out of the question for $\bar A$. (Mamba, in lesson 11, uses the exact $\bar A$ and takes only $\bar B$ from Euler, where nothing can explode.)

# %% [markdown] id="euler-why-zh" lang="zh" en="0bfca37d"
# 步长为 0.1 秒时，按欧拉法计算，灯的摆动高度会达到最初高度的一百倍以上。步长的上限是 $-2\,\mathrm{Re}\,\lambda / |\lambda|^2$，这里约 0.05 秒。历史中的间隔不能由你选择，可能长达一年，因此 $\bar A$ 不能用欧拉法。（第 11 课的 Mamba 用精确的 $\bar A$，只有 $\bar B$ 取自欧拉法，那里不会爆炸。）

# %% [markdown] id="positive-en" lang="en" tags=["break-it"]
# ## Break it, 2: an eigenvalue with a positive real part
#
# Even exact jumps explode if the law itself does. Nobody writes such a law down; training finds it. A young site grows by 5 % a day in the 20 days of its training window. A model with one memory number is fitted to that. The eigenvalue that fits best is **positive**, and inside the window it is the better model. Then somebody comes back after a year, or after ten.

# %% [markdown] id="positive-zh" lang="zh" en="323408fd" tags=["break-it"]
# ## 破坏实验 2：实部为正的特征值
#
# 如果规律本身会爆炸，跳跃再精确也没有用。没有人会主动写出这样的规律，但训练可能会找到它。设想一个新网站，在训练窗口的 20 天里每天增长 5%。用只有一个记忆的模型去拟合，最合适的特征值是**正的**，而且在窗口之内，它确实是更好的模型。之后有人隔了一年甚至十年才回来。

# %% id="positive-code" tags=["break-it"]
# show: tutorial_lib.models.ssm.StableEigenvalues

days = torch.arange(21.0)
activity = 1.05**days
free, stable = nn.Parameter(torch.tensor(-0.1)), StableEigenvalues(torch.tensor([-0.1 + 0j]))
found = {}
for name, parameters, rate in (
    ("free", [free], lambda: free),
    ("stable", list(stable.parameters()), lambda: stable().real[0]),
):
    optimizer = torch.optim.Adam(parameters, lr=0.02)
    for _ in range(400):
        loss = (torch.exp(rate() * days) - activity).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        found[name] = [rate().item(), loss.item(), torch.exp(rate() * 365).item(), torch.exp(rate() * 3650).item()]
    side = "eigenvalue above 0" if found[name][0] > 0 else "eigenvalue below 0"
    print(f"{name:7s} {side}")
expect("free: the eigenvalue (1/day)", found["free"][0], 0.0488, tol=0.0005)
expect_true("free: the better fit inside the window", found["free"][1] < 0.01 * found["stable"][1])
expect_true("free: after a year, what happened before counts ten million times as much", found["free"][2] > 1e7)
expect_true("free: after ten years it is infinite", math.isinf(found["free"][3]))
expect_true("mended: after a year or ten, not more than it was", 0 <= found["stable"][3] < found["stable"][2] < 1)

# %% [markdown] id="positive-why-en" lang="en"
# In the mended version the eigenvalue is written as $-e^{\nu} + i\omega$. Training moves $\nu$ and $\omega$ as it likes, and the real part is negative at every moment. The stable model fits the growth badly, and it should: a memory is not the place for growth.

# %% [markdown] id="positive-why-zh" lang="zh" en="bea2f884"
# 改正的办法是把特征值写成 $-e^{\nu} + i\omega$。无论训练怎样改变 $\nu$ 和 $\omega$，实部始终为负。稳定的模型不能很好地拟合这种增长，这也是应当的：增长不应由记忆来表示。

# %% [markdown] id="views-en" lang="en"
# ## Three views of one memory
#
# Let all steps be equal for a while, one second each, and call what one step leaves $\bar\lambda = e^{\lambda\Delta}$. Take a memory with $\bar\lambda = -0.78$, the lamp once a second, and the inputs 1, 0, 2. The recurrence says $x_i = \bar\lambda x_{i-1} + u_i$, one event after another. Write it out for the third event:
#
# $$x_3 = u_3 + \bar\lambda\, u_2 + \bar\lambda^2 u_1 .$$
#
# Every input counts with a power of $\bar\lambda$ that depends on its **age** alone, the number of steps since. The list of these powers is the *kernel*, and a sum of this kind is a *convolution*. As a matrix:
#
# In the library: [`tutorial_lib.models.ssm.convolution`](../../tutorial_lib/models/ssm.py).

# %% [markdown] id="views-zh" lang="zh" en="fa8f240a"
# ## 同一份记忆的三种写法
#
# 先让所有步长相等，都是一秒，记一步之后剩下的倍数为 $\bar\lambda = e^{\lambda\Delta}$。取 $\bar\lambda = -0.78$ 的记忆，即每秒观察一次的灯，输入为 1、0、2。递推式 $x_i = \bar\lambda x_{i-1} + u_i$ 逐个事件计算。把第三个状态展开：
#
# $$x_3 = u_3 + \bar\lambda\, u_2 + \bar\lambda^2 u_1 .$$
#
# 每个输入都乘上 $\bar\lambda$ 的某次幂，次数只取决于它的**年龄**，即距今的步数。这些幂组成的序列称为**核**（kernel），这样的求和称为**卷积**（convolution）。写成矩阵：
#
# 库中的实现：[`tutorial_lib.models.ssm.convolution`](../../tutorial_lib/models/ssm.py)。

# %% [markdown] id="predict-views-en" lang="en" tags=["predict"]
# **Predict.** What is $x_3$? And what stands on each diagonal of the matrix?

# %% [markdown] id="predict-views-zh" lang="zh" en="0f6b4aa1" tags=["predict"]
# **猜一猜。** $x_3$ 等于多少？矩阵的每条对角线上各是什么？

# %% id="views-tiny"
bar = math.exp(-1 / 4) * -1  # half a turn a second, shrunk
inputs = torch.tensor([1.0, 0.0, 2.0])
x, states = 0.0, []
for u in inputs:
    x = bar * x + u
    states.append(x)
powers = torch.tensor([[1, 0, 0], [bar, 1, 0], [bar**2, bar, 1]])
show_matrix(powers, ["x1", "x2", "x3"], ["u1", "u2", "u3"])
expect_close("the matrix gives what the recurrence gives", powers @ inputs, torch.stack(states), tol=1e-6)
expect("the third state", states[2], 2.61, tol=0.005)

# %% [markdown] id="scan-en" lang="en"
# Three ways to compute it:
#
# - **Recurrence**: $L$ small steps, each of which waits for the one before. The cheapest form when events come one by one.
# - **Convolution**: all states at once. With the fast Fourier transform (FFT) it takes about $L \log L$ products and no waiting.
# - **Scan**: cut the history into stretches. A stretch needs only two numbers to be passed on: what it leaves of whatever came before (the product $a$ of its decays), and what it adds itself (its last state $b$). Two neighbours are joined by
#
# $$(a_1, b_1) \text{ then } (a_2, b_2) = (a_2 a_1,\; a_2 b_1 + b_2) .$$
#
# It does not matter which neighbours are joined first. So join all pairs, then all pairs of pairs: after $\log_2 L$ rounds everybody is done. This is the *parallel scan*.
#
# In the library: [`tutorial_lib.kernels.scan.recursive_halving`](../../tutorial_lib/kernels/scan.py).

# %% [markdown] id="scan-zh" lang="zh" en="6b927eb6"
# 可以用三种方法计算：
#
# - **递推**：$L$ 个小步，每一步都要等前一步完成。事件逐个到来时，这种形式最省。
# - **卷积**：所有状态一起算。用快速傅里叶变换（FFT），大约需要 $L \log L$ 次乘法，而且不必等待。
# - **扫描**（scan）：把历史切成若干段。每一段只需向后传递两个数：之前的状态经过这一段还剩多少（各步衰减的乘积 $a$），以及这一段自身贡献了多少（它最后的状态 $b$）。相邻两段按下式合并：
#
# $$(a_1, b_1) \text{ 后接 } (a_2, b_2) = (a_2 a_1,\; a_2 b_1 + b_2) .$$
#
# 先合并哪两段都可以，结果相同。因此可以先合并所有相邻的两段，再合并所得的结果，$\log_2 L$ 轮之后全部完成。这就是**并行扫描**（parallel scan）。
#
# 库中的实现：[`tutorial_lib.kernels.scan.recursive_halving`](../../tutorial_lib/kernels/scan.py)。

# %% id="views-library" tags=["library"]
from tutorial_lib import kernels
from tutorial_lib.models.ssm import scan

# show: tutorial_lib.models.ssm.recurrence
# show: tutorial_lib.models.ssm.kernel
# show: tutorial_lib.models.ssm.convolution
# show: tutorial_lib.kernels.scan.recursive_halving

# %% [markdown] id="views-check-en" lang="en"
# `recursive_halving` is the scan of the textbooks. On a CPU few things run at the same time, so the library's `scan`, the *fast form* of `recurrence` in `tutorial_lib/kernels/scan.py`, joins stretches of about $\sqrt L$ events, and its gradient is written by hand. You need not read it, but you must be able to check it. The reference for the states is the matrix of powers, built entry by entry in NumPy; for the gradients it is autograd through `recurrence`.

# %% [markdown] id="views-check-zh" lang="zh" en="56393b7e"
# `recursive_halving` 是教科书上的扫描。CPU 的并行能力有限，因此库里的 `scan`，也就是 `recurrence` 的**快速实现**（在 `tutorial_lib/kernels/scan.py` 里），合并的是每段约 $\sqrt L$ 个事件的片段，梯度是手写的。你不必读它的代码，但要能检查它。状态的参照是由幂组成的矩阵，用 NumPy 逐个元素填出来；梯度的参照是对 `recurrence` 自动求导的结果。

# %% id="views-check-code" tags=["reference-check"]
decays = torch.exp(torch.complex(-torch.rand(5), 6 * torch.rand(5) - 3).to(torch.complex128))  # five memories
signal = torch.randn(2, 50, 5, dtype=torch.complex128)  # two histories of 50 events
age = np.subtract.outer(np.arange(50), np.arange(50))[..., None]
table = np.where(age >= 0, decays.numpy() ** np.maximum(age, 0), 0)  # [50, 50, 5]
witness = torch.from_numpy(np.einsum("ijp,bjp->bip", table, signal.numpy()))
for name, ours in {
    "recurrence": recurrence(decays, signal),
    "convolution": convolution(kernel(decays, 50), signal),
    "scan, textbook": recursive_halving(decays, signal),
    "scan, library": scan(decays, signal),
}.items():
    expect_close(f"{name} equals the matrix", torch.view_as_real(ours), torch.view_as_real(witness), tol=1e-11)

uneven = (decays ** (1 + 0.5 * torch.sin(torch.arange(50.0))[:, None])).expand_as(signal).clone().requires_grad_()  # unequal steps
gradients = []
for on in (True, False):
    with kernels.use(on):
        states_now = scan(uneven, signal)
    gradients.append(torch.view_as_real(torch.autograd.grad(states_now.abs().sum(), uneven)[0]))
expect_close("gradient of the decays: the fast form equals the formula", *gradients, tol=1e-10)

# %% [markdown] id="wrap-en" lang="en" tags=["break-it"]
# ## Break it, 3: a convolution that wraps round
#
# The FFT believes that time is a circle: after the last event comes the first one again. `convolution` doubles the length with zeros so that what runs over the end runs into nothing. Leave this out, and the shapes still fit.
#
# **Predict.** Which states are wrong without it? And which rule of lesson 05 is broken?

# %% [markdown] id="wrap-zh" lang="zh" en="5a86d4c8" tags=["break-it"]
# ## 破坏实验 3：首尾相接的卷积
#
# FFT 把时间当作循环的，最后一个事件之后又是第一个事件。`convolution` 在后面补零，把长度加倍，这样超出末尾的部分就落在零上。如果漏掉这一步，形状仍然正确。
#
# **猜一猜。** 漏掉之后，哪些状态是错的？违反了第 05 课的哪条规则？


# %% id="wrap-code" tags=["break-it"]
def wrapped(kernel, inputs):
    return torch.fft.ifft(torch.fft.fft(kernel, dim=0) * torch.fft.fft(inputs, dim=1), dim=1)


def reach(view):
    """By how much the first state changes when only the last input changes."""
    changed = signal.clone()
    changed[:, -1] += 1
    return (view(kernel(decays, 50), changed) - view(kernel(decays, 50), signal))[:, 0].abs().max()


slow = decays.abs().max() ** 49  # what is left of the slowest memory after 49 steps
expect_true("wrapped: the last input reaches the first state", reach(wrapped) > 0.5 * slow)
expect_true("mended: it does not, but for rounding", reach(convolution) < 1e-12 * reach(wrapped))

# %% [markdown] id="wrap-why-en" lang="en"
# The future leaks into the past, and causality (lesson 05) is broken: every state but the last contains inputs that come after it. The longer a memory, the stronger the leak; in training, a model with long memories may look better for it. The test of the changed future finds it at once.

# %% [markdown] id="wrap-why-zh" lang="zh" en="210a4017"
# 未来泄漏进了过去，破坏了第 05 课的因果性：除最后一个以外，每个状态都含有在它之后的输入。记忆越长，泄漏越强；在训练中，长记忆的模型可能因此显得更好。用“改变未来”的检查可以立即发现这个错误。

# %% [markdown] id="kernel-en" lang="en"
# ## The picture of a kernel
#
# One eigenvalue is one kernel, $e^{\lambda t}$: what the memory keeps of an input of age $t$. A real $\lambda$ fades. A complex one is a damped oscillation: it also keeps **when**, as the phase. A layer has many of them. With which eigenvalues should it start? Three answers:
#
# - The **lamp**: one pair.
# - **S4D-Lin**: $\lambda_n = -\tfrac12 + \pi i n$ for $n = 0, 1, 2, \dots$ All fade alike; each turns faster than the one before. These are the waves of a Fourier series.
# - **HiPPO**: a full matrix, found by asking for the best summary of *the whole past* in $N$ numbers. Its kernels are Legendre polynomials $P_n$, a family of ever more wiggly curves, on a stretched time axis:
#
# $$K_n(t) = \sqrt{2n + 1}\; P_n(2 e^{-t} - 1)\, e^{-t} .$$
#
# That formula is a reference for the library's matrix: NumPy has Legendre polynomials, which have nothing to do with state spaces.
#
# In the library: [`tutorial_lib.models.ssm.hippo_legs`](../../tutorial_lib/models/ssm.py).

# %% [markdown] id="kernel-zh" lang="zh" en="63e8b68b"
# ## 核的图像
#
# 一个特征值就是一个核 $e^{\lambda t}$：对年龄为 $t$ 的输入，记忆还留着多少。实数 $\lambda$ 只是衰减。复数的是一个衰减的振荡：它还用相位记住了事件发生在**什么时候**。一层中有许多个特征值。初始时应当取哪些值？有三种答案：
#
# - **灯**：一对。
# - **S4D-Lin**：$\lambda_n = -\tfrac12 + \pi i n$，$n = 0, 1, 2, \dots$ 它们衰减得一样快，但旋转得越来越快，正是傅里叶级数中的各个波。
# - **HiPPO**：一个完整的矩阵，由这样一个问题得出：怎样用 $N$ 个数最好地概括**全部过去**。它的核是勒让德多项式（Legendre polynomial）$P_n$，一族越来越曲折的曲线，画在拉伸过的时间轴上：
#
# $$K_n(t) = \sqrt{2n + 1}\; P_n(2 e^{-t} - 1)\, e^{-t} .$$
#
# 这个公式可以作为库里的矩阵的参照，因为 NumPy 中的勒让德多项式与状态空间无关。
#
# 库中的实现：[`tutorial_lib.models.ssm.hippo_legs`](../../tutorial_lib/models/ssm.py)。

# %% id="kernel-code" tags=["reference-check"]
# show: tutorial_lib.models.ssm.hippo_legs


def polynomials(size, t):
    """sqrt(2n + 1) P_n(2 exp(-t) - 1): [len(t), size]."""
    z = 2 * np.exp(-np.asarray(t)) - 1
    return np.stack([math.sqrt(2 * n + 1) * legendre.Legendre.basis(n)(z) for n in range(size)], axis=1)


ages = torch.linspace(0, 6, 301, dtype=torch.double)
hippo, entry = hippo_legs(16)
hippo_kernels = torch.linalg.matrix_exp(hippo * ages[:, None, None]) @ entry  # [301, 16]
expected = polynomials(16, ages) * np.exp(-ages.numpy())[:, None]
expect_close("HiPPO's kernels are Legendre polynomials", hippo_kernels, expected, tol=1e-11)

# %% id="kernel-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 3, figsize=(11, 3.2))
axes[0].plot(ages, height(ages, [0.0]), label="lamp")
axes[0].set(title="the lamp", ylabel="what is left of an input")
for n, style in enumerate(("-", *plots.DASHES[:3])):
    axes[1].plot(ages, torch.exp(-ages / 2) * torch.cos(math.pi * n * ages), linestyle=style, label=f"n = {n}")
    axes[2].plot(ages, hippo_kernels[:, n], linestyle=style, label=f"n = {n}")
axes[1].set(title="S4D-Lin, real part")
axes[2].set(title="HiPPO")
for ax in axes:
    ax.set(xlabel="age of the input")
axes[2].legend()
plt.show()

# %% [markdown] id="kernel-alt-en" lang="en" tags=["alt"]
# Three panels of curves against the age of the input, 0 to 6. The lamp: one wave that begins at 0 and dies away. S4D-Lin: four curves that begin at 1 and die away under the same envelope; the first does not oscillate, the next three oscillate faster and faster. HiPPO: four curves that begin at different heights, from 1 to 2.6, and fall to 0; curve n crosses zero n times, the crossings lie dense at small ages and wide apart at large ones.

# %% [markdown] id="kernel-alt-zh" lang="zh" en="c29a5216" tags=["alt"]
# 三幅曲线图，横轴是输入的年龄，从 0 到 6。灯：一个从 0 开始、慢慢消失的波。S4D-Lin：四条从 1 开始的曲线，在同一条包络线下消失；第一条不振荡，后三条越振越快。HiPPO：四条曲线起点高低不同，从 1 到 2.6，最后都落到 0；第 n 条过零 n 次，过零点在年龄小处密、在年龄大处疏。

# %% [markdown] id="recall-en" lang="en"
# What is such a summary good for? Here is a test that makes it visible. A signal runs for 8 seconds. All that is kept of it are $N$ numbers, the HiPPO state at the end. From these numbers alone we draw the past again, as $\sum_n x_n \sqrt{2n+1}\, P_n(2 e^{-s} - 1)$ at $s$ seconds ago.

# %% [markdown] id="recall-zh" lang="zh" en="b9b6f520"
# 这样的概括有什么用？下面的测试可以直观地说明。一个信号持续 8 秒，保留下来的只有 $N$ 个数，即结束时的 HiPPO 状态。只凭这几个数，我们重新画出过去：$s$ 秒之前是 $\sum_n x_n \sqrt{2n+1}\, P_n(2 e^{-s} - 1)$。

# %% [markdown] id="predict-recall-en" lang="en" tags=["predict"]
# **Predict.** With 4 numbers and with 16: which part of the past comes out right, the recent or the distant one?

# %% [markdown] id="predict-recall-zh" lang="zh" en="9ae099b7" tags=["predict"]
# **猜一猜。** 用 4 个数和用 16 个数时，哪一段过去画得更准，最近的还是久远的？


# %% id="recall-code"
def past(t):
    return torch.sin(1.3 * t) + 0.6 * torch.sin(3.7 * t + 1)


def remembered(size, step=0.005):
    """What `size` numbers still know of the last 5 seconds, [501]."""
    hippo, entry = hippo_legs(size)
    A_bar, B_bar = discretise(hippo, entry[:, None], step)
    state = torch.zeros(size, dtype=torch.double)
    for u in past(torch.arange(0, 8, step, dtype=torch.double) + step / 2):
        state = A_bar @ state + B_bar[:, 0] * u
    return torch.from_numpy(polynomials(size, back)) @ state


back = torch.linspace(0, 5, 501, dtype=torch.double)  # seconds ago
truth = past(8 - back)
drawn = {size: remembered(size) for size in (4, 16)}
wrong = {size: (line - truth).square() for size, line in drawn.items()}
recent = {size: error[back < 1].mean().sqrt() for size, error in wrong.items()}
distant = {size: error[(back >= 3) & (back < 4)].mean().sqrt() for size, error in wrong.items()}
expect("4 numbers: error over the last second", recent[4], 0.090, tol=0.01)
expect("4 numbers: error 3 to 4 seconds ago", distant[4], 0.77, tol=0.05)
expect("16 numbers: error over the last second", recent[16], 0.009, tol=0.002)
expect("16 numbers: error 3 to 4 seconds ago", distant[16], 0.19, tol=0.02)

# %% id="recall-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(8, 3.2))
ax.plot(back, truth, color=plots.BLACK, linewidth=2, label="what happened")
for (size, line), style in zip(drawn.items(), plots.DASHES, strict=False):
    ax.plot(back, line, linestyle=style, label=f"drawn from {size} numbers")
ax.set(xlabel="seconds ago", ylabel="signal", ylim=(-2.2, 2.6))
ax.invert_xaxis()
ax.legend(loc="upper left", fontsize=9)
plt.show()

# %% [markdown] id="recall-alt-en" lang="en" tags=["alt"]
# A wavy black line over the last five seconds, now at the right end, with two dashed copies. The copy from 16 numbers covers the black line for the last two seconds and leaves it little by little further back. The copy from 4 numbers follows for about one second and then misses most waves.

# %% [markdown] id="recall-alt-zh" lang="zh" en="e4e453da" tags=["alt"]
# 最近五秒的一条起伏的黑线，右端是现在，另有两条虚线是重画的。用 16 个数画的，最近两秒与黑线重合，再往前逐渐偏离。用 4 个数画的，大约一秒之内能吻合，再往前就与大多数起伏不符。

# %% [markdown] id="recall-why-en" lang="en"
# The recent past is sharp and the distant past is blurred, more sharply with more numbers: the error of the last second falls from 0.09 to 0.009, that of 3 to 4 seconds ago from 0.77 to 0.19. That is a sensible way to remember. HiPPO's matrix cannot be made diagonal without huge numbers, so S4D and S5 keep the part of it that can. The eigenvalues of that part all have the real part $-\tfrac12$, and imaginary parts from slow to very fast.

# %% [markdown] id="recall-why-zh" lang="zh" en="23554ebc"
# 最近的过去清晰，久远的过去模糊，而且数越多越清晰：最近一秒的误差从 0.09 降到 0.009，3 到 4 秒之前的误差从 0.77 降到 0.19。这是一种合理的记忆方式。HiPPO 的矩阵在对角化时会出现极大的数，因此 S4D 和 S5 只保留其中可以对角化的部分。那部分的特征值实部全是 $-\tfrac12$，虚部从很慢到很快都有。

# %% id="recall-eigenvalues" tags=["library"]
from tutorial_lib.models.ssm import hippo_normal

# show: tutorial_lib.models.ssm.initial_eigenvalues

start = initial_eigenvalues(4)
show_matrix(torch.view_as_real(start), ["1", "2", "3", "4"], ["real", "imaginary"], digits=2)
expect_true("all real parts are -1/2", (start.real == -0.5).all())
upper = torch.linalg.eigvals(hippo_normal(8)).imag
expect_close("the imaginary parts are those of the matrix", start.imag, upper[upper > 0].sort().values, tol=1e-4)

# %% [markdown] id="irregular-en" lang="en" tags=["predict"]
# ## Irregular gaps
#
# Histories do not come once a second. Give every event a decay of its own, $e^{\lambda \Delta_i}$.
#
# **Predict.** Which of the three views survive, recurrence, convolution, scan? Look at the matrix of powers again: what would have to stand on its diagonals?

# %% [markdown] id="irregular-zh" lang="zh" en="108fe6e4" tags=["predict"]
# ## 不规则的间隔
#
# 历史中的事件并不是每秒一个。现在让每个事件有自己的衰减 $e^{\lambda \Delta_i}$。
#
# **猜一猜。** 递推、卷积、扫描这三种方法，哪几种仍然可用？再看看前面由幂组成的矩阵：它的对角线上现在应当是什么？

# %% id="irregular-code" tags=["reference-check"]
times = torch.tensor(np.sort(np.random.default_rng(1).uniform(0, 20, 40)))  # 40 taps in 20 s
strength = torch.randn(40, dtype=torch.double)
gaps = torch.diff(times, prepend=times[:1])
event_decays = torch.exp(lamp * gaps)[None, :, None]  # [1, 40, 1]: one memory, a decay for every event
pushes = strength[None, :, None].to(event_decays.dtype)
since = times[:, None] - times  # direct sum over all earlier taps, no steps at all
direct = torch.where(since >= 0, torch.exp(-since / 4) * torch.sin(math.pi * since) / math.pi, 0) @ strength
for name, states in {"recurrence": recurrence(event_decays, pushes), "scan": scan(event_decays, pushes)}.items():
    expect_close(f"{name}: heights at irregular times are exact", states[0, :, 0].imag / math.pi, direct, tol=1e-12)
even = convolution(kernel(torch.exp(lamp * gaps[1:].mean())[None], 40), pushes)[0, :, 0].imag / math.pi
wrong = (even - direct).norm() / direct.norm()
expect_true("convolution with the mean gap: an error as large as the signal", wrong > 0.8)

# %% [markdown] id="irregular-why-en" lang="en"
# With irregular gaps the entry at row $i$, column $j$ is $e^{\lambda (t_i - t_j)}$. It depends on two times and no longer on $i - j$, so the diagonals are not constant, there is no one kernel, and a convolution is impossible. Recurrence and scan do not need equal decays. They stay exact; the extra cost is one exponential for each event and each $\lambda$.

# %% [markdown] id="irregular-why-zh" lang="zh" en="078dfbc9"
# 间隔不规则时，第 $i$ 行第 $j$ 列是 $e^{\lambda (t_i - t_j)}$。它取决于两个时刻，不再只取决于 $i - j$，所以对角线不是常数，没有统一的核，也就不能用卷积。递推和扫描并不要求衰减相等，它们仍然精确；额外的代价只是对每个事件、每个 $\lambda$ 多算一次指数。

# %% [markdown] id="drawing-en" lang="en"
# Put together, this is the layer that papers call S5. The drawing shows it with a step of its own at each event. The matrices $B$ and $C$ and the factors $D$ are learned: $C$ reads the state, and $D$ lets the input pass by it. $H$ is the width of the input; `log_step` holds a learned time scale for each of the $P$ numbers.
#
# ![Step 1: the step sizes Delta, which come from the clock, and the eigenvalues lambda give for each event a decay, e to the power lambda Delta, and a weight. Step 2: B turns the input u into P complex numbers. Step 3: the weight multiplies them. Step 4: the scan carries the state from event to event: decay times the state before, plus the weighted input. Step 5: the output is the real part of C times the state, plus D times the input. Below, three events on a time axis: the longer the gap, the less is left of the state. Time enters at step 1 alone.](../figures/en/ssm.svg)
#
# **Read it off the drawing.** A year passes between two events. Through which step does the state learn of it, and on which arrow?
#
# <details><summary>Answer</summary>
#
# Step 1 turns the long step into a decay near 0; the arrow from step 1 to step 4 carries it into the scan. (The weight of step 3 knows the step too.)
#
# </details>

# %% [markdown] id="drawing-zh" lang="zh" en="8676082a"
# 把以上内容组合起来，就得到论文中称为 S5 的层。图中每个事件都有自己的步长（step size）。矩阵 $B$、$C$ 和系数 $D$ 都是学出来的：$C$ 读取状态，$D$ 让输入绕过状态直接到达输出。$H$ 是输入的宽度；`log_step` 为 $P$ 个数各保存一个可学习的时间尺度。
#
# ![第 1 步：由真实时间得到的步长 Delta 与特征值 lambda 给出每个事件的衰减（e 的 lambda Delta 次方）和权重。第 2 步：B 把输入 u 变成 P 个复数。第 3 步：乘以权重。第 4 步：扫描把状态从一个事件带到下一个事件：衰减乘以之前的状态，加上加权的输入。第 5 步：输出是 C 乘状态的实部，加上 D 乘输入。下方是时间轴上的三个事件：间隔越长，状态留下的越少。时间只在第 1 步进入。](../figures/zh/ssm.svg)
#
# **从图上找答案。** 两个事件之间过了一年。状态通过哪一步、沿哪个箭头知道这件事？
#
# <details><summary>答案</summary>
#
# 第 1 步把很长的步长变成接近 0 的衰减；从第 1 步到第 4 步的箭头把它带进扫描。（第 3 步的权重同样知道步长。）
#
# </details>

# %% [markdown] id="lru-en" lang="en"
# ## From the recurrent network to the state space
#
# A recurrent network computes $h_i = \tanh(W h_{i-1} + U x_i)$. Three changes lead to the *linear recurrent unit* (LRU):
#
# 1. **Drop the tanh.** The state becomes linear, so the scan may be used. The nonlinearity moves to the feed-forward network that follows (lesson 06).
# 2. **Use eigenvectors as coordinates.** $W$ becomes a list of complex numbers $\lambda_j$.
# 3. **Keep them inside the unit circle**: $\lambda = e^{-e^{\nu} + i e^{\theta}}$, the stable form from above.
#
# And now a fourth, which no recurrent network offers: the step need not be 1. Over a gap $\Delta$ the state is multiplied by $\lambda^{\Delta}$, **lambda to the power $\Delta$**. That is all it takes to give the network a clock.

# %% [markdown] id="lru-zh" lang="zh" en="33b88ca4"
# ## 从循环网络到状态空间
#
# 循环网络算的是 $h_i = \tanh(W h_{i-1} + U x_i)$。做三处改动，就得到**线性循环单元**（linear recurrent unit，LRU）：
#
# 1. **去掉 tanh。** 状态变成线性的，于是可以用扫描。非线性由后面的前馈网络承担（第 06 课）。
# 2. **以特征向量为坐标。** $W$ 变成一串复数 $\lambda_j$。
# 3. **把它们限制在单位圆内**：$\lambda = e^{-e^{\nu} + i e^{\theta}}$，即上面的稳定形式。
#
# 还有第四处改动是循环网络做不到的：步长不必是 1。跨过间隔 $\Delta$ 时，状态乘以 $\lambda^{\Delta}$，即 **lambda 的 $\Delta$ 次幂**。只需这一点，网络就能利用真实时间。

# %% id="lru-code" tags=["library"]
# show: tutorial_lib.models.lru.LRU

# %% id="lru-check" tags=["reference-check"]
torch.manual_seed(0)
lru, x = LRU(3, 4).double(), torch.randn(1, 9, 3, dtype=torch.double)
decay = lru.decay().detach().to(torch.complex128)
turns = [torch.tensor([[d.real, -d.imag], [d.imag, d.real]]) for d in decay]  # a complex product as a 2 x 2 matrix
W = torch.block_diag(*turns).double()
h, outputs = torch.zeros(8, dtype=torch.double), []
for event in x[0]:  # a plain recurrent network without tanh
    h = W @ h + lru.B(event) * lru.gamma.exp().repeat_interleave(2)
    outputs.append(lru.C(h))
expect_close("the LRU is a recurrent network without tanh", lru(x)[0], torch.stack(outputs), tol=1e-12)
one_two = torch.tensor([1.0, 2.0, 0.0]).double()
expect_close("a gap of 2 is two gaps of 1", lru.decay(one_two)[1].abs(), (decay**2).abs(), tol=1e-12)
expect_true("a gap of 0 leaves everything", torch.equal(lru.decay(one_two)[2], torch.ones(4, dtype=decay.dtype)))

# %% [markdown] id="learn-en" lang="en"
# ## Can it learn the lamp?
#
# So far we knew the law. Now the network does not. It sees 16 taps of random strength, with random gaps between 0.1 and 2.5 s, and must say how high the lamp is at the next tap. Three rivals, five seeds each, the same 300 batches:
#
# - **LRU with the clock**: 8 memories, $\lambda^{\Delta}$.
# - **LRU without it**: the same, one event is one step.
# - **GRU, gaps as inputs**: a recurrent network of width 32 that is *told* all gaps as numbers, with a small network behind it. It has sixty times as many parameters.
#
# The error is the root of the mean squared error, divided by the typical height of the lamp: 1 is no better than always saying 0. In a second test the gaps are longer than any in training, 2.5 to 5 s.

# %% [markdown] id="learn-zh" lang="zh" en="58915d91"
# ## 它能学会这盏灯的规律吗？
#
# 到目前为止，规律是已知的。现在让网络自己学习。它看到 16 次轻敲，力度随机，间隔在 0.1 到 2.5 秒之间随机，需要预测下一次敲击时灯的高度。比较三个模型，各用五个种子，都用同样的 300 个批训练：
#
# - **用真实时间的 LRU**：8 个记忆，$\lambda^{\Delta}$。
# - **不用真实时间的 LRU**：其余相同，一个事件算一步。
# - **以间隔为输入的 GRU**：宽度 32 的循环网络，所有间隔都作为数值**输入**给它，后面还接一个小网络。它的参数量是前者的六十多倍。
#
# 误差是均方根误差除以灯的典型高度：1 表示与总是回答 0 一样。第二个测试里，间隔比训练时见过的都长，2.5 到 5 秒。

# %% [markdown] id="predict-learn-en" lang="en" tags=["predict"]
# **Predict.** The GRU is told everything that the first LRU knows. Will it come close? And who still gets it right at gaps that never occurred in training?

# %% [markdown] id="predict-learn-zh" lang="zh" en="6ae40b7f" tags=["predict"]
# **猜一猜。** 第一个 LRU 得到的信息，GRU 也全部得到了。它能达到接近的误差吗？遇到训练中从未出现的间隔，哪个模型仍能答对？


# %% id="learn-code" tags=["nbval-ignore-output", "training"]
def lamp_batch(size, generator, shortest=0.1, longest=2.5, length=16):
    """Strength of each tap, gap before it, gap after it, and the height at the end of that gap: all [size, length]."""
    strength = torch.randn(size, length, generator=generator)
    gaps = shortest + (longest - shortest) * torch.rand(size, length + 1, generator=generator)
    since, ahead = gaps[:, :-1], gaps[:, 1:]
    law = lamp.to(torch.complex64)
    states = scan(torch.exp(law * since)[..., None], strength[..., None].to(torch.complex64))[..., 0]
    return strength, since, ahead, (torch.exp(law * ahead) * states).imag / math.pi


class Clocked(nn.Module):
    def __init__(self, clock):
        super().__init__()
        self.lru, self.clock = LRU(1, 8), clock
        self.lru.C = nn.Linear(16, 1)

    def forward(self, strength, since, ahead):
        steps = (since, ahead) if self.clock else ()
        return self.lru(strength[..., None], *steps)[..., 0]


class Told(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.gru = nn.GRU(2, width, batch_first=True)
        self.out = nn.Sequential(nn.Linear(width + 1, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, strength, since, ahead):
        states = self.gru(torch.stack([strength, since], dim=-1))[0]
        return self.out(torch.cat([states, ahead[..., None]], dim=-1))[..., 0]


def fit_lamp(model, seed, batches=300):
    generator, optimizer = torch.Generator().manual_seed(seed), torch.optim.Adam(model.parameters())
    for k in range(batches):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - k / batches)
        *inputs, target = lamp_batch(64, generator)
        loss = (model(*inputs) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model


@torch.no_grad()
def lamp_error(model, **gaps):
    *inputs, target = lamp_batch(1000, torch.Generator().manual_seed(999), **gaps)
    return ((model(*inputs) - target).square().mean() / target.square().mean()).sqrt().item()


rivals = {"LRU, clock": lambda: Clocked(True), "LRU, no clock": lambda: Clocked(False), "GRU, told the gaps": Told}
lamp_errors, sizes, learned = {}, {}, []  # name -> [5 seeds, 2 tests]; name -> number of parameters
for name, make in progress_bar(rivals.items(), "model"):
    rows = []
    for seed in progress_bar(range(5), "seed"):
        torch.manual_seed(seed)
        model = fit_lamp(make(), seed)
        rows.append([lamp_error(model), lamp_error(model, shortest=2.5, longest=5.0)])
        if name == "LRU, clock":
            layer = model.lru
            spoken = layer.C.weight.view(-1, 2).norm(dim=1) * layer.B.weight.view(-1, 2).norm(dim=1) * layer.gamma.exp()
            learned.append(torch.complex(-layer.nu.exp(), layer.theta.exp())[spoken.argmax()].detach())
    lamp_errors[name] = np.array(rows)
    sizes[name] = sum(p.numel() for p in model.parameters())
for name, errors in lamp_errors.items():
    print(f"{sizes[name]:5d} parameters", errors.round(3).tolist(), name)

# %% id="learn-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7.5, 2.6))
for row, values in enumerate(lamp_errors.values()):
    for column, (label, marker) in enumerate({"gaps as in training": "o", "longer gaps": "^"}.items()):
        y = np.full(5, row + 0.15 * (2 * column - 1))
        ax.plot(values[:, column], y, marker, color=f"C{column}", label=label if row == 0 else None)
ax.axvline(1, color="#555555", linestyle="--", linewidth=1)
ax.set(xscale="log", xlabel="error, relative to always saying 0 (one point a seed)")
ax.set_yticks(range(3), list(lamp_errors))
ax.invert_yaxis()
ax.legend(loc="lower left", fontsize=9)
plt.show()

# %% [markdown] id="learn-alt-en" lang="en" tags=["alt"]
# Three rows of points on a logarithmic error axis, five seeds each, circles for gaps as in training and triangles for longer ones, with a dashed line at 1. LRU with clock: circles around 0.01, triangles a little further right, below 0.1. LRU without clock: all at the line. GRU told the gaps: circles slightly left of the line, triangles to the right of it.

# %% [markdown] id="learn-alt-zh" lang="zh" en="72def676" tags=["alt"]
# 对数误差轴上的三行点，每行五个种子，圆点是训练时那样的间隔，三角是更长的间隔，虚线在 1 处。用真实时间的 LRU：圆点在 0.01 附近，三角稍靠右，都不到 0.1。不用真实时间的 LRU：全在虚线上。以间隔为输入的 GRU：圆点在虚线左边一点，三角在虚线右边。

# %% id="learn-check"
STUDENT = 2.776  # 97.5 % point of Student's distribution with 4 degrees of freedom
with_clock, without, told = lamp_errors.values()
expect("LRU with the clock, mean of five seeds", with_clock[:, 0].mean(), 0.011, tol=0.006)
expect_true("with the clock, longer gaps: below 0.1 with every seed", with_clock[:, 1].max() < 0.1)
expect("LRU without it", without[:, 0].mean(), 0.99, tol=0.01)
expect("GRU told the gaps", told[:, 0].mean(), 0.73, tol=0.05)
expect_true("the GRU at longer gaps: worse than saying 0, with every seed", told[:, 1].min() > 1)
expect("parameters of the GRU over those of the LRU", sizes["GRU, told the gaps"] / sizes["LRU, clock"], 62.7, tol=0.1)
for name, rival in (("no clock", without), ("GRU", told)):
    difference = rival[:, 0] - with_clock[:, 0]
    half = STUDENT * difference.std(ddof=1) / math.sqrt(5)
    expect_true(f"{name} minus clock: the 95 % interval lies above 0.6", difference.mean() - half > 0.6)
loudest = torch.stack(learned)
expect_true(
    "the memory that speaks loudest has found the real part, to 0.15, with every seed",
    (loudest.real - lamp.real).abs().max() < 0.15,
)
expect_true("and the imaginary part pi, to 0.15", (loudest.imag - lamp.imag).abs().max() < 0.15)

# %% [markdown] id="learn-why-en" lang="en"
# With the clock the error is about 0.01, and the memory that contributes most to the output has found the eigenvalue of the lamp, $-\tfrac14 + \pi i$, by itself. Gaps it has never seen do not trouble it, because a power is a power. Without the clock nothing is learned at all (0.99): where a tap comes at a random moment of the swing, order is worthless. The GRU has all the numbers, but it must learn from examples what *multiplying by a power of a gap* means. After 300 batches it has hardly begun (0.73), and at longer gaps it is worse than always saying 0.
#
# Do not read more into this than it says. The lamp **is** a linear law with one pair of eigenvalues, so the LRU had the right shape before it saw any data. (Give the GRU more batches and see how far it comes.) Whether people's tastes move like lamps is a question for data, and the controls of lesson 13.

# %% [markdown] id="learn-why-zh" lang="zh" en="cd7ca361"
# 使用真实时间的 LRU 误差约为 0.01，而且对输出贡献最大的记忆自己找到了灯的特征值 $-\tfrac14 + \pi i$。没见过的间隔对它也不成问题，因为幂的规律对任何间隔都成立。不用真实时间的 LRU 什么也没学到（0.99），因为每次敲击都发生在摆动的随机时刻，顺序没有任何价值。GRU 得到了全部数值，但“乘以某数的间隔次幂”这一运算必须从例子中学习。训练 300 个批之后，它才刚刚起步（0.73）；间隔更长时，它还不如总是回答 0。
#
# 但不要过度解读这个结果。灯**本来就是**只有一对特征值的线性规律，LRU 在看到数据之前，结构就已经与之相符。（可以给 GRU 更多的训练批，看看它能接近到什么程度。）人的兴趣是否像灯那样变化，要靠数据和第 13 课的对照来回答。

# %% [markdown] id="zero-en" lang="en" tags=["break-it"]
# ## Break it, 4: the event at gap 0
#
# Two events carry the same second. In some tables this is the rule (lesson 01: half of all ratings of MovieLens 100K come in the same second as the one before). What does a step of length 0 do?
#
# **Predict.** A history of four events; the third comes at the same second as the second. Replace the third by something else. By how much does the state change, with zero-order hold, and with taps?

# %% [markdown] id="zero-zh" lang="zh" en="f6e4e894" tags=["break-it"]
# ## 破坏实验 4：间隔为 0 的事件
#
# 两个事件落在同一秒，这在有些数据里很常见（第 01 课：MovieLens 100K 有一半评分与前一个在同一秒）。长度为 0 的一步会有什么作用？
#
# **猜一猜。** 一段历史有四个事件，第三个与第二个在同一秒。把第三个事件换成别的，状态会变多少？分别考虑零阶保持和敲击（脉冲）两种形式。

# %% id="zero-code" tags=["break-it"]
gaps = torch.tensor([1.0, 0.7, 0.0, 1.3], dtype=torch.double)  # seconds before each event
events = torch.tensor([1.0, 0.5, 2.0, -1.0], dtype=torch.double)
other = torch.tensor([1.0, 0.5, -3.0, -1.0], dtype=torch.double)  # another third event
decay, weight = discretise_diagonal(lamp[None], gaps[:, None])
show_matrix(torch.cat([decay.abs(), weight.abs()], dim=1), [f"gap {g:g} s" for g in gaps], ["decay", "weight"])


def last_state(events, weight):
    return scan(decay[None], (weight * events[:, None])[None])[0, -1, 0]


lost = (last_state(events, weight) - last_state(other, weight)).abs()
expect_true("zero-order hold: the third event might as well not exist", lost == 0)
taps = torch.ones_like(weight)  # mended: every event enters whole, whatever the gap
kept = (last_state(events, taps) - last_state(other, taps)).abs()
expect_close("mended: its whole difference, faded over 1.3 s", kept, 5 * math.exp(-1.3 / 4), tol=1e-12)

# %% [markdown] id="zero-why-en" lang="en"
# A push of zero duration does nothing, and ZOH is right to say so: its weight at gap 0 is 0. But an event is no push. It is a tap. The *impulse form* $x_i = e^{\lambda\Delta_i} x_{i-1} + B u_i$ lets every event enter whole; the LRU above does this. Whoever wants to keep ZOH must not use a gap of 0: the library's steps begin at 1 (`event_steps`, in lesson 13).

# %% [markdown] id="zero-why-zh" lang="zh" en="932d463e"
# 持续时间为零的推力没有作用，因此 ZOH 在间隔为 0 时权重为 0，这并没有错。但事件不是持续的推力，而是瞬间的敲击。**脉冲形式**（impulse form）$x_i = e^{\lambda\Delta_i} x_{i-1} + B u_i$ 使每个事件完整地进入状态，上面的 LRU 就采用这种形式。如果要保留 ZOH，就不能让间隔为 0：库里的步长从 1 开始（`event_steps`，见第 13 课）。

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **10.1 Debug · basic.** A colleague's `faulty_join` joins two neighbouring stretches of a scan. Each stretch is a pair: the product of its decays, and its last state when it starts from 0. He tested it on equal steps and stretches of equal length, and every test passed. With irregular gaps the states are wrong. Write `join` without the fault, and note why his tests could not find it.

# %% [markdown] id="exercise1-zh" lang="zh" en="d7665be0" tags=["exercise"]
# ## 练习
#
# **10.1 调试 · 基础。** 一位同事写的 `faulty_join` 用来合并扫描中相邻的两段。每段是一对数：各步衰减的乘积，以及从 0 出发时这一段最后的状态。他用相等的步长和等长的两段做测试，全部通过；但间隔不规则时，状态是错的。请写出改正后的 `join`，并想一想为什么他的测试发现不了这个错误。

# %% id="exercise1-code" tags=["exercise"]
def faulty_join(first, second):
    return first[0] * second[0], first[0] * first[1] + second[1]


def join(first, second):
    """first = (decay, state) of the earlier stretch, second of the later one; tensors of the same shape -> (decay, state)."""
    ...


lesson10.check_join(join)

# %% id="exercise1-solution" tags=["solution"]
# Solution

def join(first, second):
    # The state of the first stretch fades over the second one, not over its own. With equal steps and equal lengths
    # both stretches have the same decay, so the tests could not tell.
    return second[0] * first[0], second[0] * first[1] + second[1]


lesson10.check_join(join)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **10.2 Modify · stretch.** The library's `discretise_diagonal` holds its input. Write the impulse form for irregular gaps, and read it at a **query time**: every event enters whole at its own time, and what you return is the state `ahead` seconds after each event, before the next one.

# %% [markdown] id="exercise2-zh" lang="zh" en="2abe9898" tags=["exercise"]
# **10.2 修改 · 挑战。** 库里的 `discretise_diagonal` 会保持输入。请写出不规则间隔下的脉冲形式，并在**查询时刻**读取：每个事件在自己的时刻完整地进入状态，返回的是每个事件之后 `ahead` 秒、下一个事件之前的状态。


# %% id="exercise2-code" tags=["exercise"]
def impulse_states(eigenvalues, inputs, gaps, ahead):
    """eigenvalues complex [P], inputs complex [L, P], gaps [L] before and ahead [L] after each event -> [L, P]."""
    ...


lesson10.check_impulse(impulse_states)


# %% id="exercise2-solution" tags=["solution"]
# Solution

def impulse_states(eigenvalues, inputs, gaps, ahead):
    arrived = scan(torch.exp(eigenvalues * gaps[:, None])[None], inputs[None])[0]
    return torch.exp(eigenvalues * ahead[:, None]) * arrived


lesson10.check_impulse(impulse_states)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **10.3 Measure · core.** For each of four eigenvalues, find the largest step at which the Euler method does not explode, to three digits. Measure it (halve an interval until it is small enough) or derive it. An eigenvalue that does not fade has none: answer 0.

# %% [markdown] id="exercise3-zh" lang="zh" en="486bbeeb" tags=["exercise"]
# **10.3 测量 · 进阶。** 对四个特征值，分别求出欧拉法不爆炸的最大步长，精确到三位有效数字。可以用测量的办法（不断把区间二等分，直到足够小），也可以推导。不衰减的特征值没有这样的步长，应回答 0。


# %% id="exercise3-code" tags=["exercise"]
def largest_step(eigenvalue):
    """A complex Python number -> seconds, a float."""
    ...


lesson10.check_largest_step(largest_step)


# %% id="exercise3-solution" tags=["solution"]
# Solution

def largest_step(eigenvalue):
    # |1 + z|^2 = 1 + 2 Re z + |z|^2 stays below 1 as long as |z|^2 < -2 Re z, with z = eigenvalue * step.
    return max(0.0, -2 * eigenvalue.real / abs(eigenvalue) ** 2)


lesson10.check_largest_step(largest_step)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **10.4 Think · core.** For which of these layers can all states of a history be computed by **one convolution with a fixed kernel**? Give a set of letters.
#
# - A: many memories, each with an eigenvalue of its own, equal steps
# - B: one memory, steps taken from the clock
# - C: each memory has a step size of its own, learned, the same at every event
# - D: the step size is computed from the event
# - E: equal steps, but a tanh around every state
# - F: equal steps, and the inputs pass a feed-forward network, each by itself, before they enter

# %% [markdown] id="exercise4-zh" lang="zh" en="593cb773" tags=["exercise"]
# **10.4 思考 · 进阶。** 下面哪些层，一段历史的所有状态可以用**一次核固定的卷积**算出来？用字母的集合作答。
#
# - A：许多个记忆，各有自己的特征值，步长相等
# - B：一个记忆，步长取自真实时间
# - C：每个记忆有自己学出来的步长，对每个事件都一样
# - D：步长由事件算出来
# - E：步长相等，但每个状态外面套一个 tanh
# - F：步长相等，每个输入先各自经过一个前馈网络

# %% id="exercise4-code" tags=["exercise"]
one_convolution = ...

lesson10.check_one_convolution(one_convolution)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# What counts is that the weight of an input depends on its age in steps alone. A and C: yes, one kernel a memory. F: the
# network changes the inputs, not the weights. B and D: the weight depends on which events lie between. E: not a sum at all.
one_convolution = {"A", "C", "F"}

lesson10.check_one_convolution(one_convolution)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** The LRU had the right shape before it saw any data. How wrong may the shape be before a general network wins? Begin with `fit_lamp` and `lamp_error`, and let the target be `target + c * target.square()`: the output of the LRU is linear in its taps, so it can never get this right. Train `Clocked(True)` and `Told()` for several `c` and for 300, 1,000 and 3,000 batches. A good report draws both errors over `c`, with five seeds; names the `c` and the number of batches at which the order turns; looks at longer gaps apart; and says what a layer behind the LRU would change.

# %% [markdown] id="open-zh" lang="zh" en="04b0f195" tags=["open"]
# **开放任务。** LRU 在看到数据之前，结构就与规律相符。结构偏离到什么程度，通用的网络才会胜出？从 `fit_lamp` 和 `lamp_error` 开始，把目标改为 `target + c * target.square()`：LRU 的输出对各次敲击是线性的，因此它永远无法完全拟合。对若干个 `c`，分别用 300、1,000 和 3,000 个批训练 `Clocked(True)` 和 `Told()`。一份好的报告应当用五个种子画出两者的误差随 `c` 的变化，指出在哪个 `c`、多少个批时优劣发生反转，单独考察更长的间隔，并说明在 LRU 后面加一层会有什么改变。

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "lru": ...,  # {c: errors of `Clocked(True)`, five seeds}
    "general": ...,  # the same for `Told()`
    "turn": ...,  # the first c at which the LRU is worse
    "batches": ...,  # for this number of batches
    "longer_gaps": ...,  # what happens on longer gaps
    "layer_behind": ...,  # what a layer behind the LRU would change
    "picture": ...,  # the figure, with a label on each axis
}
lesson10.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## The lamp, answered
#
# How far does the lamp swing after the second tap? After a wait of two seconds it is seven times as fast as after a wait of one. Your memory of two numbers knows it, because it kept moving while nothing happened. A network that counts events cannot know it, however many parameters you give it, unless you hand it the clock **and** it finds out what to do with it.
#
# In a recommender the lamp is an interest that was set in motion by an event, and the tap is a click. What no linear law can do is tell a click that matters from one that does not: here every tap moves the lamp alike. That is the subject of lesson 11.

# %% [markdown] id="answer-zh" lang="zh" en="4adf9723"
# ## 回答开头的问题
#
# 第二下之后，灯会摆动多远？等两秒再敲，灯的速度是等一秒再敲时的七倍。由两个数组成的记忆知道这一点，因为在没有事件发生时，它的状态也一直在演化。只按事件计步的网络不可能知道，给它再多的参数也没有用，除非把真实时间交给它，**并且**它学会了怎样利用。
#
# 在推荐系统里，灯相当于被某个事件触发的兴趣，敲一下相当于一次点击。线性规律无法区分重要的点击和不重要的点击，因为在这里，每次敲击对灯的作用都相同。这是第 11 课的主题。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. A linear state moves over a gap of any length by one product with $e^{\Delta A}$; for a diagonal $A$ each number is multiplied by $e^{\lambda\Delta}$.
# 2. Zero-order hold is exact for a held input; Euler and the bilinear transform err with order 1 and 2, and Euler explodes at large steps.
# 3. With equal steps, recurrence, convolution and scan give the same states; with irregular gaps only recurrence and scan remain.
# 4. The real part of an eigenvalue is forgetting and must stay negative; the imaginary part is turning and remembers when.
# 5. The LRU is a recurrent network without tanh; with $\lambda^{\Delta}$ it has a clock, and in impulse form an event at gap 0 counts.

# %% [markdown] id="summary-zh" lang="zh" en="15c5cfde" tags=["summary"]
# ## 小结
#
# 1. 线性状态跨过任意长的间隔，只需乘一次 $e^{\Delta A}$；$A$ 是对角矩阵时，每个数各乘 $e^{\lambda\Delta}$。
# 2. 输入保持不变时，零阶保持是精确的；欧拉法和双线性变换的误差阶是 1 和 2，而且欧拉法在大步长处会爆炸。
# 3. 步长相等时，递推、卷积和扫描给出同样的状态；间隔不规则时，只剩递推和扫描。
# 4. 特征值的实部表示遗忘，必须始终为负；虚部表示旋转，记住事件发生的时间。
# 5. LRU 是去掉 tanh 的循环网络；用 $\lambda^{\Delta}$ 就能利用真实时间；采用脉冲形式，间隔为 0 的事件也有作用。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> A memory has $\lambda = -\tfrac14$ per second and no imaginary part. How long until a sixteenth of an input is left? What would twice the friction of the lamp change?</summary>
#
# Four half-lives of 2.77 s, about 11 s. The real part of the lamp is minus half its friction; twice the friction halves the half-life.
#
# </details>
#
# <details><summary><b>2.</b> A layer with $P = 64$ states, full matrix, comes as slow. How many products per event does a diagonal one save, and what else becomes cheap at irregular gaps?</summary>
#
# 64 in place of 4,096. And a gap needs 64 exponentials of numbers in place of a matrix exponential.
#
# </details>
#
# <details><summary><b>3.</b> You simulate $\lambda = -2$ with the Euler method and steps of 1.5 s. What happens, what is the limit, and which method may take a step of a day?</summary>
#
# Each step multiplies by $1 - 3 = -2$: it explodes and changes sign. The limit is $-2\,\mathrm{Re}\,\lambda / |\lambda|^2 = 1$ s. Zero-order hold takes any step, exactly, if the input is held or nothing happens.
#
# </details>
#
# <details><summary><b>4.</b> Somebody trains a layer by FFT convolution, with excellent training loss; served event by event, it is poor. Which line do you look for, and which test takes a minute?</summary>
#
# The doubling of the length with zeros: without it the last inputs wrap round into the first states, a leak. Change the last input and look whether the first state moves.
#
# </details>
#
# <details><summary><b>5.</b> Join the stretch $(a, b) = (1/2, 3)$ with the later stretch $(1/5, 1)$. What comes out, and what would the wrong order give?</summary>
#
# $(1/10,\ 1/5 \cdot 3 + 1) = (1/10, 8/5)$. The other way round the state would be $1/2 \cdot 1 + 3 = 7/2$: the order of events counts, only the grouping is free.
#
# </details>
#
# <details><summary><b>6.</b> A table has gaps between seconds and months. A colleague wants the convolution because it is fast, and takes the mean gap. What do you tell him?</summary>
#
# With irregular gaps there is no one kernel: the entry depends on two times. With the mean gap the error was as large as the signal. The scan is exact and nearly as parallel.
#
# </details>
#
# <details><summary><b>7.</b> A model trained on 20 days has a memory with the eigenvalue $+0.0488$ per day. Its training loss is the best of all. What happens to a user who returns after a year, and how do you forbid it?</summary>
#
# What happened before counts more than ten million times as much; after ten years it is infinite. Write the real part as $-e^{\nu}$: whatever training does, it stays negative.
#
# </details>
#
# <details><summary><b>8.</b> Half of the events of your table share their second with the one before. You use zero-order hold with the gap as step. What does the model miss, and which two mends are there?</summary>
#
# Every event with gap 0: its weight is 0, so it might as well not exist. Use the impulse form, in which each event enters whole, or steps that begin at 1.
#
# </details>
#
# <details><summary><b>9.</b> You need the distant past as clearly as the recent one. HiPPO with 16 numbers has an error of 0.009 over the last second and 0.19 three to four seconds ago. What are your options?</summary>
#
# More numbers: from 4 to 16 the distant error fell from 0.77 to 0.19. Or other eigenvalues, with real parts nearer to 0, which fade more slowly. HiPPO's stretched axis is a choice for the recent past.
#
# </details>
#
# <details><summary><b>10.</b> The GRU was told all gaps and has sixty times as many parameters; its error is 0.73 against 0.01. Which two sentences about recurrent networks may you *not* conclude?</summary>
#
# That a GRU cannot learn it (it had 300 batches), and that real interests move like the lamp. The LRU had the shape of this law built in; on other laws the order may turn.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="3d554688" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 一个记忆的 $\lambda = -\tfrac14$（每秒），没有虚部。多久之后输入只剩十六分之一？如果灯的摩擦加倍，会有什么变化？</summary>
#
# 四个半衰期，每个 2.77 秒，共约 11 秒。灯的特征值的实部是摩擦的一半取负，因此摩擦加倍，半衰期减半。
#
# </details>
#
# <details><summary><b>2.</b> 一个有 $P = 64$ 个状态、使用完整矩阵的层很慢。改成对角矩阵，每个事件的乘法从多少次减少到多少次？间隔不规则时，还有什么变得便宜？</summary>
#
# 从 4,096 次减少到 64 次。而且每种间隔只需 64 次普通的指数运算，不再需要矩阵指数。
#
# </details>
#
# <details><summary><b>3.</b> 你用欧拉法模拟 $\lambda = -2$，步长为 1.5 秒。会发生什么？步长的上限是多少？哪种方法可以一步跨过一天？</summary>
#
# 每一步乘以 $1 - 3 = -2$，结果会爆炸，并且符号来回变化。上限是 $-2\,\mathrm{Re}\,\lambda / |\lambda|^2 = 1$ 秒。如果输入保持不变，或者期间没有事件，零阶保持可以精确地跨过任意步长。
#
# </details>
#
# <details><summary><b>4.</b> 有人用 FFT 卷积训练一个层，训练损失非常好；但上线后逐个事件运行时，效果很差。你会查看哪一行？哪个测试一分钟就能完成？</summary>
#
# 查看补零使长度加倍的那一行。没有它，最后的输入会绕回到最前面的状态，造成泄漏。改变最后一个输入，看第一个状态是否变化即可。
#
# </details>
#
# <details><summary><b>5.</b> 把片段 $(a, b) = (1/2, 3)$ 与它后面的片段 $(1/5, 1)$ 合并，结果是什么？如果弄错先后，又会得到什么？</summary>
#
# $(1/10,\ 1/5 \cdot 3 + 1) = (1/10, 8/5)$。如果先后颠倒，状态会是 $1/2 \cdot 1 + 3 = 7/2$。可见事件的先后不能变，能自由选择的只是合并的次序。
#
# </details>
#
# <details><summary><b>6.</b> 一份数据的间隔从几秒到几个月不等。一位同事因为卷积快而想用卷积，并取平均间隔。你怎么告诉他？</summary>
#
# 间隔不规则时没有统一的核，因为矩阵元素取决于两个时刻。用平均间隔时，误差与信号一样大。扫描是精确的，而且并行程度也差不多。
#
# </details>
#
# <details><summary><b>7.</b> 一个用 20 天数据训练的模型，有一个记忆的特征值是每天 $+0.0488$，它的训练损失最好。如果一位用户一年后回来，会发生什么？怎样避免？</summary>
#
# 以前发生的事会被放大到一千万倍以上，十年之后变成无穷大。把实部写成 $-e^{\nu}$，无论怎样训练，它始终为负。
#
# </details>
#
# <details><summary><b>8.</b> 你的数据中有一半事件与前一个在同一秒。你采用零阶保持，并以间隔为步长。模型会漏掉什么？有哪两种改正办法？</summary>
#
# 会漏掉所有间隔为 0 的事件，因为它们的权重是 0，等于不存在。可以采用使每个事件完整进入的脉冲形式，或者让步长从 1 开始。
#
# </details>
#
# <details><summary><b>9.</b> 你需要把久远的过去记得和最近的过去一样清楚。用 16 个数的 HiPPO，最近一秒的误差是 0.009，三到四秒之前是 0.19。有哪些选择？</summary>
#
# 可以增加数的个数：从 4 个增加到 16 个时，久远部分的误差从 0.77 降到 0.19。也可以换用实部更接近 0、衰减更慢的特征值。HiPPO 的拉伸时间轴本来就偏重最近的过去。
#
# </details>
#
# <details><summary><b>10.</b> GRU 得到了全部间隔，参数量是 LRU 的六十多倍，误差却是 0.73，而 LRU 是 0.01。关于循环网络，哪两个结论**不能**由此得出？</summary>
#
# 一是 GRU 学不会（它只训练了 300 个批），二是真实的兴趣像灯那样变化。LRU 的结构本来就与这个规律相符，换成别的规律，优劣可能反转。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - A. Gu, T. Dao, S. Ermon, A. Rudra, C. Ré, *HiPPO: Recurrent Memory with Optimal Polynomial Projections*, NeurIPS 2020: appendix D.3, the matrix LegS. [arXiv 2008.07669](https://arxiv.org/abs/2008.07669)
# - A. Gu, K. Goel, C. Ré, *Efficiently Modeling Long Sequences with Structured State Spaces* (S4), ICLR 2022: section 2, the three views. [arXiv 2111.00396](https://arxiv.org/abs/2111.00396)
# - A. Gu, A. Gupta, K. Goel, C. Ré, *On the Parameterization and Initialization of Diagonal State Space Models* (S4D), NeurIPS 2022: sections 3 and 4. [arXiv 2206.11893](https://arxiv.org/abs/2206.11893)
# - J. T. H. Smith, A. Warrington, S. W. Linderman, *Simplified State Space Layers for Sequence Modeling* (S5), ICLR 2023: sections 2 and 3, the diagonal layer and its scan. [arXiv 2208.04933](https://arxiv.org/abs/2208.04933)
# - A. Orvieto et al., *Resurrecting Recurrent Neural Networks for Long Sequences* (LRU), ICML 2023: section 3. [arXiv 2303.06349](https://arxiv.org/abs/2303.06349)
# - Z. Yue et al., *Linear Recurrent Units for Sequential Recommendation* (LRURec), WSDM 2024. [arXiv 2310.02367](https://arxiv.org/abs/2310.02367)
# - In this repository: `tutorial_lib/models/ssm.py`, `tutorial_lib/models/lru.py`, `tutorial_lib/kernels/scan.py`, `tests/models/test_ssm.py`, `tests/models/test_lru.py`.

# %% [markdown] id="references-zh" lang="zh" en="42c5f467" tags=["references"]
# ## 参考文献
#
# - A. Gu、T. Dao、S. Ermon、A. Rudra、C. Ré，*HiPPO: Recurrent Memory with Optimal Polynomial Projections*，NeurIPS 2020：附录 D.3，LegS 矩阵。[arXiv 2008.07669](https://arxiv.org/abs/2008.07669)
# - A. Gu、K. Goel、C. Ré，*Efficiently Modeling Long Sequences with Structured State Spaces*（S4），ICLR 2022：第 2 节，三种写法。[arXiv 2111.00396](https://arxiv.org/abs/2111.00396)
# - A. Gu、A. Gupta、K. Goel、C. Ré，*On the Parameterization and Initialization of Diagonal State Space Models*（S4D），NeurIPS 2022：第 3、4 节。[arXiv 2206.11893](https://arxiv.org/abs/2206.11893)
# - J. T. H. Smith、A. Warrington、S. W. Linderman，*Simplified State Space Layers for Sequence Modeling*（S5），ICLR 2023：第 2、3 节，对角的层与它的扫描。[arXiv 2208.04933](https://arxiv.org/abs/2208.04933)
# - A. Orvieto 等，*Resurrecting Recurrent Neural Networks for Long Sequences*（LRU），ICML 2023：第 3 节。[arXiv 2303.06349](https://arxiv.org/abs/2303.06349)
# - Z. Yue 等，*Linear Recurrent Units for Sequential Recommendation*（LRURec），WSDM 2024。[arXiv 2310.02367](https://arxiv.org/abs/2310.02367)
# - 本仓库：`tutorial_lib/models/ssm.py`，`tutorial_lib/models/lru.py`，`tutorial_lib/kernels/scan.py`，`tests/models/test_ssm.py`，`tests/models/test_lru.py`。
