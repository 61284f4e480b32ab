# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Every time Ida opens her music player, it writes down two numbers: how *loud* is what she plays, and how *old*, compared with her long-time favourite. Two numbers are a point in the plane, so each note is a photograph of her taste. She opens the player three times in one evening and then not for a week. After ten weeks there are 30 photographs. Put side by side they show a spiral: her taste circles around the favourite and comes closer.
#
# Two questions. Where was her taste **between** two photographs that lie five days apart? And where will it be **next week**?
#
# A ruler answers the first question badly, because a straight line does not follow the curve. It cannot answer the second one at all. What helps is to know the **law of motion**, the rule that says at every point of the plane in which direction the taste moves, and how fast. Nobody has written this law down. In this lesson you learn it from the 30 photographs, with a network in place of the law. On the way you compute a gradient through a solver by hand, get the same gradient with a hundredth of the memory, and find out what such a law can never do.

# %% [markdown] id="puzzle-zh" lang="zh" en="a26aeb91"
# 小艾每次打开音乐播放器，它都会记下两个数：正在播放的音乐有多**吵闹**，有多**老**，都是与她一贯的最爱相比。两个数就是平面上的一个点，所以每条记录都相当于她此刻偏好的一张照片。她有时一个晚上打开三次，有时一个星期都不打开。十个星期之后，一共有 30 张照片。把它们放在一起，可以看出一条螺旋线：她的偏好绕着最爱转圈，越来越近。
#
# 有两个问题。两张照片相隔五天，**在这期间**她的偏好在哪里？**下个星期**又会在哪里？
#
# 用直线连接相邻的照片，第一个问题答得不好，因为直线不沿曲线走；第二个问题则完全无法回答。真正有用的是**运动规律**，即在平面的每一点上，偏好朝哪个方向变化，变化得多快。没有人写下过这个规律。在这一课里，你会用一个网络表示规律，从 30 张照片里把它学出来。在这个过程中，你会手工计算穿过求解器的梯度，用百分之一的内存得到同样的梯度，并弄清楚这样的规律永远做不到什么。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - compute the gradient of a loss through the steps of a solver, on paper and by program;
# - learn a vector field from photographs at irregular moments, and say where the learned field can be trusted;
# - say why a model with a small error in one step may be far off after many, and how to train against it;
# - choose between backpropagation through the solver and the adjoint method, and say what each of them costs;
# - test whether a model is a flow, and name what a flow cannot do and how one extra number mends it;
# - tell a bound on the speed from a Lipschitz constant, and bound how fast two states part.

# %% [markdown] id="objectives-zh" lang="zh" en="0e1939b8" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 在纸上和用程序，计算损失穿过求解器各步的梯度；
# - 从不规则时刻的照片里学出一个向量场，并说清学到的场在哪里可信；
# - 说明为什么单步误差小的模型，多步推演可能误差很大，以及怎样训练可以避免；
# - 在穿过求解器的反向传播与伴随方法之间作出选择，并说出各自的代价；
# - 检验一个模型是不是流，说出流做不到什么，以及怎样增加一个数来改正；
# - 区分速度的上界与利普希茨常数，并给出两个状态分离速度的上界。

# %% id="setup"
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_between, expect_close, expect_true, show_matrix
from tutorial_lib.notebook import progress_bar
from exercises import lesson15

torch.manual_seed(0)
torch.set_default_dtype(torch.double)  # sixteen digits: in this lesson small differences mean something
plots.use_style()

# %% [markdown] id="tiny-en" lang="en"
# ## A law with two numbers
#
# Before a network learns a law, let us learn one that has only two parameters. Call the point $z = (x, y)$. Its velocity, the change per week, shall be
#
# $$x' = -a\,x - b\,y, \qquad y' = b\,x - a\,y .$$
#
# The number $a$ **pulls** towards the middle, $b$ **turns** to the left. With $a = 0$ the point runs in a circle; with $a > 0$ in a spiral. A rule that gives a velocity at every point is called a *vector field*.
#
# We do not know $a$ and $b$. We guess $a = 0$, $b = 1$. The taste starts at $(1, 0)$; one week later a photograph shows $(0.5, 0.5)$. Where does our guess lead? Lesson 14 answers with the Euler method. Two steps of half a week are enough for us: go straight ahead with the present velocity, twice.
#
# <!-- definition -->

# %% [markdown] id="tiny-zh" lang="zh" en="c5864e28"
# ## 只有两个数的规律
#
# 在用网络学习规律之前，我们先学一个只有两个参数的规律。记点为 $z = (x, y)$，它的速度，也就是每星期的变化，是
#
# $$x' = -a\,x - b\,y, \qquad y' = b\,x - a\,y .$$
#
# $a$ 把点**拉**向中心，$b$ 使它逆时针**转动**。$a = 0$ 时，点沿圆运动；$a > 0$ 时，沿螺旋线运动。在每一点给出一个速度的规则，叫做**向量场**（vector field）。
#
# $a$ 和 $b$ 我们都不知道，先猜 $a = 0$，$b = 1$。偏好从 $(1, 0)$ 出发；一个星期后的照片显示它在 $(0.5, 0.5)$。按我们的猜测，它会走到哪里？第 14 课的回答是欧拉法。这里走两步，每步半个星期，每次都按当前的速度沿直线前进。
#
# <!-- definition -->


# %% id="tiny-forward"
def spiral(z, pull, turn):
    """The velocity at z [..., 2]."""
    x, y = z.unbind(dim=-1)
    return torch.stack([-pull * x - turn * y, turn * x - pull * y], dim=-1)


pull, turn, h = 0.0, 1.0, 0.5  # 1/week, 1/week, weeks
photo = torch.tensor([0.5, 0.5])
path = [torch.tensor([1.0, 0.0])]
for _ in range(2):
    path.append(path[-1] + h * spiral(path[-1], pull, turn))
path = torch.stack(path)
table = torch.cat([path, spiral(path, pull, turn)], dim=1)
show_matrix(table, ["start", "step 1", "step 2"], ["x", "y", "velocity x", "velocity y"], digits=3)
error = path[2] - photo
show_matrix(error, ["end minus photograph"], ["x", "y"], digits=3)
expect("loss: half the squared distance", error.square().sum() / 2, 0.15625, tol=1e-9)

# %% [markdown] id="backward-en" lang="en"
# How should the two parameters change? The *gradient* says it, and we find it by walking back. At every moment keep one vector, $\lambda$ (lambda): **by how much would the loss grow if the state at this moment were moved a little?** At the end that is the error itself, $\lambda_2 = z_2 - \text{photo}$. One step earlier a shift of $z_1$ reaches $z_2$ on two ways: directly, and because another place has another velocity. With the field's matrix $M$ (the velocity is $M z$):
#
# $$z_2 = z_1 + h M z_1 \quad \Longrightarrow \quad \lambda_1 = \lambda_2 + h M^\top \lambda_2 .$$
#
# And the parameters? Each of them acts in every step. In the step from $z_k$, more pull would move the next state by $-h z_k$, and more turn by $h z_k$ turned left by a right angle. What that does to the loss is the product with $\lambda_{k+1}$. Add up the steps.
#
# <!-- definition -->

# %% [markdown] id="backward-zh" lang="zh" en="21b5b777"
# 两个参数应该怎样修改？**梯度**给出了答案，沿时间倒推就能算出它。在每个时刻保留一个向量 $\lambda$（lambda）：**如果这一时刻的状态略微变化，损失会增加多少？** 在终点，它就是误差本身，$\lambda_2 = z_2 - \text{photo}$。再倒推一步：改变 $z_1$ 会通过两条途径影响 $z_2$，一条是直接的，另一条是因为位置变了，速度也变了。记向量场的矩阵为 $M$（速度就是 $M z$）：
#
# $$z_2 = z_1 + h M z_1 \quad \Longrightarrow \quad \lambda_1 = \lambda_2 + h M^\top \lambda_2 .$$
#
# 参数呢？每个参数在每一步里都起作用。从 $z_k$ 出发的那一步里，拉力增加一个单位，下一个状态移动 $-h z_k$；转动增加一个单位，则移动 $h z_k$ 逆时针旋转一个直角之后的向量。这对损失有多大影响，看它与 $\lambda_{k+1}$ 的点积。最后把各步加起来。
#
# <!-- definition -->

# %% [markdown] id="predict-gradient-en" lang="en" tags=["predict"]
# **Predict before you run.** The guess ends at $(0.75, 1)$, the photograph shows $(0.5, 0.5)$. Seen from the middle the end is too far out, and it has turned by 53 degrees instead of 45. So which of the two parameters should grow, and which should shrink?

# %% [markdown] id="predict-gradient-zh" lang="zh" en="d6316d36" tags=["predict"]
# **先猜，再运行。** 按猜测走到了 $(0.75, 1)$，照片上却是 $(0.5, 0.5)$。从中心看，终点太靠外，而且转了 53 度，而应当是 45 度。那么，两个参数中哪个应当增大，哪个应当减小？

# %% id="tiny-backward"
M = torch.tensor([[-pull, -turn], [turn, -pull]])
left = torch.tensor([[0.0, -1.0], [1.0, 0.0]])  # turns by a right angle
sensitivity = [error]  # lambda at step 2, then 1, then 0
slope_pull = slope_turn = 0.0
for k in (1, 0):
    shares = h * sensitivity[-1] @ -path[k], h * sensitivity[-1] @ (left @ path[k])
    print(f"step from z{k}: share of pull {shares[0]:+.4f}, share of turn {shares[1]:+.4f}")
    slope_pull, slope_turn = slope_pull + shares[0], slope_turn + shares[1]
    sensitivity.append(sensitivity[-1] + h * M.T @ sensitivity[-1])
show_matrix(torch.stack(sensitivity), ["lambda 2", "lambda 1", "lambda 0"], ["x", "y"], digits=4)
expect("slope of the loss in the pull", slope_pull, -0.5, tol=1e-9)
expect("slope of the loss in the turn", slope_turn, 0.375, tol=1e-9)
expect("degrees turned by the guess", math.degrees(math.atan2(path[2, 1], path[2, 0])), 53, tol=0.5)

# %% [markdown] id="witness-en" lang="en"
# The loss falls when the pull grows (slope $-0.5$) and when the turn shrinks (slope $0.375$), as the picture suggested. Three independent checks: PyTorch's own backpropagation; finite differences, which use no gradients but move a parameter by very little and look; and a closed form: write the point as one complex number, and an Euler step is one product with $w = 1 + h(-a + i b)$, so the end is $w^2$, and school calculus does the rest.

# %% [markdown] id="witness-zh" lang="zh" en="c9d30400"
# 拉力变大，损失下降（斜率 $-0.5$）；转动变小，损失也下降（斜率 $0.375$），与图上看到的一致。我们用三种独立的方法核对。第一种是 PyTorch 自己的反向传播。第二种是有限差分，它不使用梯度，只是把参数改变很小的量，观察结果变化多少。第三种是闭式解：把点写成一个复数，欧拉法的一步就是乘以 $w = 1 + h(-a + i b)$，所以终点是 $w^2$，剩下的是中学微积分。


# %% id="reference-check" tags=["reference-check"]
def two_steps(parameters):
    z = path[0]
    for _ in range(2):
        z = z + h * spiral(z, *parameters)
    return (z - photo).square().sum() / 2


guess = torch.tensor([pull, turn], requires_grad=True)
by_hand = torch.stack([slope_pull, slope_turn])
expect_close("by hand equals autograd", by_hand, torch.autograd.grad(two_steps(guess), guess)[0], tol=1e-14)
hair = 1e-6 * torch.eye(2)
differences = torch.stack([(two_steps(guess + e) - two_steps(guess - e)) / 2e-6 for e in hair])
expect_close("and finite differences", by_hand, differences, tol=1e-9)
w = 1 + h * complex(-pull, turn)
miss = (w**2 - complex(0.5, 0.5)).conjugate()
closed = [(miss * 2 * w * -h).real, (miss * 2 * w * h * 1j).real]
expect_close("and the closed form", by_hand, closed, tol=1e-14)

# %% [markdown] id="learn-en" lang="en"
# ## Learn the two numbers
#
# Now many photographs: nine, half a week apart, on a spiral with pull 0.2 and turn 1.5, without any noise. From each photograph predict the next one, with two steps of a solver, and go downhill. `integrate` is the library's from lesson 14; each row of a table has a duration of its own.

# %% [markdown] id="learn-zh" lang="zh" en="36da0009"
# ## 学出这两个数
#
# 现在照片多一些：九张，彼此相隔半个星期，落在一条拉力 0.2、转动 1.5 的螺旋线上，没有任何噪声。从每张照片出发，用求解器走两步，预测下一张，然后做梯度下降。`integrate` 是第 14 课里库的函数；表里的每一行都有自己的时长。

# %% [markdown] id="predict-learn-en" lang="en" tags=["predict"]
# **Predict.** One learner uses Euler steps, the other RK4. Both reach a loss of practically 0. Do both find 0.2 and 1.5?

# %% [markdown] id="predict-learn-zh" lang="zh" en="47892c2b" tags=["predict"]
# **猜一猜。** 一个用欧拉法学，另一个用 RK4 学。两者的损失都几乎降到 0。它们都能找到 0.2 和 1.5 吗？

# %% id="learn-code"
from tutorial_lib.models.ode import integrate


class Spiral(nn.Module):
    """The law with two parameters, as a field: (time, state) -> velocity."""

    def __init__(self, pull=0.0, turn=1.0):
        super().__init__()
        self.pull, self.turn = nn.Parameter(torch.tensor(pull)), nn.Parameter(torch.tensor(turn))

    def forward(self, t, z):
        return spiral(z, self.pull, self.turn)


weeks = 0.5 * torch.arange(9)
start = torch.tensor([[1.0, 0.0]])
shown = integrate(Spiral(0.2, 1.5), start.expand(9, 2), weeks, steps=100).detach()  # fine steps: the truth
found, last = {}, {}
for solver in ("euler", "rk4"):
    learner = Spiral()
    for _ in range(150):
        guesses = integrate(learner, shown[:-1], weeks.diff(), method=solver, steps=2)
        loss = (guesses - shown[1:]).square().sum(dim=-1).mean() / 2
        slopes = torch.autograd.grad(loss, [learner.pull, learner.turn])
        with torch.no_grad():
            for parameter, slope in zip(learner.parameters(), slopes, strict=True):
                parameter -= 4 * slope  # the loss is nearly flat, so the step is long
    found[solver], last[solver] = torch.stack([learner.pull, learner.turn]).detach(), loss.item()
show_matrix(torch.stack(list(found.values())), list(found), ["pull", "turn"], digits=2)
for solver in found:
    expect_true(f"{solver}: the loss is below 1e-8", last[solver] < 1e-8)
expect_close("RK4 finds the law", found["rk4"], [0.2, 1.5], tol=0.001)
h = 0.25
wrong = (torch.exp(torch.complex(torch.tensor(-0.2), torch.tensor(1.5)) * h) - 1) / h  # what makes an Euler step exact
expect_close("Euler finds the numbers that make its own steps exact", found["euler"], [-wrong.real, wrong.imag], 1e-4)
expect("pull by Euler", found["euler"][0], 0.46, tol=0.005)

# %% [markdown] id="learn-why-en" lang="en"
# Euler finds a pull of 0.46, more than twice the true one, and its loss is 0 all the same. Its steps run out of the curve, so it learns a stronger pull to make up for that. The fit is perfect **with this solver and this step size**; with fine steps the same two numbers describe another spiral. Whoever wants the law must learn it with steps so fine that finer ones change little, and must say how little: below, ten times as many steps may change the loss by less than a fifth.
#
# The backward walk is the same for every field and every solver. For a network $M$ is the matrix of its slopes at the present point, and autograd walks for us.

# %% [markdown] id="learn-why-zh" lang="zh" en="fbbef6a8"
# 欧拉法找到的拉力是 0.46，是真值的两倍多，损失却照样是 0。欧拉法的每一步都会偏到曲线外侧，于是学到更大的拉力来抵消。拟合是完美的，但只对**这个求解器和这个步长**完美；如果改用很小的步长，同样的两个数描述的是另一条螺旋线。如果需要的是规律本身，就必须用足够小的步长来学，小到继续减小时结果几乎不变，并且要说明“几乎”是多少：下文把步数增加到十倍，损失的变化不到五分之一。
#
# 倒推的方法对任何向量场、任何求解器都一样。对网络来说，$M$ 就是它在当前点的雅可比矩阵，由自动求导来计算。

# %% [markdown] id="ida-en" lang="en"
# ## Ida's photographs
#
# Now Ida. Her true law is in the next cell, because we need it to judge the answers; the learner never sees it. It is a cubic spiral: her taste runs faster the farther it is from the middle. The photographs are a little blurred: each of the two numbers is off by 0.02, typically.

# %% [markdown] id="ida-zh" lang="zh" en="6d0533f6"
# ## 小艾的照片
#
# 现在来看小艾。她真正的规律写在下一个单元格里，因为评价结果时需要它；学习的模型始终看不到它。这是一条三次螺旋线，离中心越远，偏好变化得越快。照片有些模糊：两个数各有误差，通常为 0.02。


# %% id="ida-code"
def ida(t, z):
    """Ida's law, per week. Only the photographs know it."""
    return (0.3 + z.square().sum(dim=-1, keepdim=True)) * spiral(z, 0.1, 2.0)


def taste(moments):
    """Where her taste truly is: weeks [n] -> [n, 2]."""
    return integrate(ida, start.expand(len(moments), 2), moments, steps=400)


def photographs(seed, count=30, blur=0.02):
    """Moments [count] in ten weeks, at random, and what the photographs show [count, 2]."""
    rng = np.random.default_rng(seed)
    moments = torch.tensor(np.sort(rng.uniform(0, 10, count)))
    return moments, taste(moments) + blur * torch.tensor(rng.standard_normal((count, 2)))


moments, photos = photographs(seed=0)
gaps = moments.diff()
print(f"{len(moments)} photographs; gaps from {gaps.min() * 7:.1f} to {gaps.max() * 7:.1f} days")

# %% [markdown] id="ida-question-en" lang="en"
# What does the ruler see, and what did the taste really do?

# %% [markdown] id="ida-question-zh" lang="zh" en="599dddfa"
# 直线看到的是什么？偏好真正走的又是什么路？

# %% id="ida-picture" tags=["picture", "nbval-ignore-output"]
fine = torch.linspace(0, 10, 600)
fig, axes = plt.subplots(1, 2, figsize=(7, 2.9), width_ratios=(1, 1.3))
axes[0].plot(*taste(fine).T, color=plots.BLACK, linewidth=1, label="truth")
axes[0].plot(*photos.T, "o--", color=plots.ORANGE, markersize=5, linewidth=1, label="photographs and ruler")
axes[0].set(xlabel="loud (points)", ylabel="old (points)", aspect="equal")
axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=9)
axes[1].plot(fine, taste(fine)[:, 0], color=plots.BLACK, linewidth=1)
axes[1].plot(moments, photos[:, 0], "o--", color=plots.ORANGE, markersize=5, linewidth=1)
axes[1].set(xlabel="time (weeks)", ylabel="loud (points)")
plt.show()

# %% [markdown] id="ida-alt-en" lang="en" tags=["alt"]
# Left: the plane of loud and old, with a black spiral that winds almost two and a half times round the middle from radius 1 to about 0.5, and 30 orange points near it, joined by dashed straight lines that cut across the curve where photographs are rare. Right: loudness over ten weeks, a wave that becomes slower and smaller; the points lie at irregular moments, and the dashed lines miss some of its tops.

# %% [markdown] id="ida-alt-zh" lang="zh" en="210a25a3" tags=["alt"]
# 左图：以吵闹和年代为坐标的平面，黑色螺旋线绕中心转了将近两圈半，半径从 1 缩小到约 0.5；附近有 30 个橙色的点，用直的虚线连接，照片少的地方，虚线偏离曲线。右图：十个星期里的吵闹程度，波动越来越慢、越来越小；点落在不规则的时刻上，虚线错过了几个波峰。

# %% [markdown] id="network-en" lang="en"
# ## A network as the law
#
# Two parameters cannot describe a taste that runs faster outside than inside. A network can: 2 numbers in, 32 neurons with a tanh, 2 numbers out. In: where the taste is. Out: **its velocity**. A differential equation whose right-hand side is a network is called a *Neural ODE*.
#
# Training is what you did above. From each photograph start the solver, let it run until the next photograph, the one after that and the third, and compare. (Three and not only one: over a long stretch the blur of the photographs counts for less.) Each pair of photographs has a gap of its own, and one call of `integrate` takes them all.
#
# There are only 30 photographs, so we use LBFGS, an optimizer for small problems that looks at all data in every step. Adam would come to the same end with many more steps.

# %% [markdown] id="network-zh" lang="zh" en="687e0b7a"
# ## 用网络表示规律
#
# 偏好在外圈比在内圈变化得快，两个参数描述不了。网络可以：输入 2 个数，中间 32 个带 tanh 的神经元，输出 2 个数。输入是偏好的位置，输出是**它的速度**。右边是网络的微分方程，叫做**神经常微分方程**（Neural ODE）。
#
# 训练和上面一样。从每张照片出发，用求解器计算到之后第一、第二、第三张照片的时刻，然后比较。（预测三张而不是一张，是因为时间越长，照片模糊的影响就越小。）每对照片都有自己的间隔，一次 `integrate` 全部算完。
#
# 照片只有 30 张，所以我们用 LBFGS，这是一种适合小问题的优化器，每一步都看全部数据。用 Adam 也能到达同样的地方，只是步数要多得多。


# %% id="network-code"
class Network(nn.Module):
    """A field: (time, state) -> velocity. It does not read the time."""

    def __init__(self, inputs=2, outputs=2, width=32):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, outputs))

    def forward(self, t, z):
        return self.layers(z)


def fit(model, loss_of, rounds=8):
    """Minimise loss_of(), which uses the model; returns the loss after every 20 steps."""
    optimizer = torch.optim.LBFGS(
        model.parameters(), max_iter=20, history_size=20, tolerance_change=1e-12, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        return loss

    return [optimizer.step(closure).item() for _ in range(rounds)] + [loss_of().item()]


def by_flow(field, steps):
    """States [n, 2] and weeks [n] -> states that many weeks later."""
    return lambda z, weeks: integrate(field, z, weeks, steps=steps)


def loss_ahead(evolve, moments, photos, ahead=3):
    """Mean squared distance between predictions and the next `ahead` photographs, from every photograph."""
    first = torch.cat([torch.arange(len(moments) - k) for k in range(1, ahead + 1)])
    later = torch.cat([torch.arange(k, len(moments)) for k in range(1, ahead + 1)])
    return lambda: (evolve(photos[first], moments[later] - moments[first]) - photos[later]).square().sum(dim=-1).mean()


# %% id="network-train" tags=["training", "nbval-ignore-output"]
torch.manual_seed(0)
field, untrained = Network(), Network()
losses = fit(field, loss_ahead(by_flow(field, steps=6), moments, photos))
two = Spiral()
two_losses = fit(two, loss_ahead(by_flow(two, steps=6), moments, photos), rounds=2)
print("network    ", " ".join(f"{loss:.4f}" for loss in losses))
print("two numbers", " ".join(f"{loss:.4f}" for loss in two_losses))

# %% [markdown] id="portrait-en" lang="en"
# An arrow at every point of a grid, for the velocity there: such a picture is a *phase portrait*. What did the network believe before training, what does it believe now, and what is true?

# %% [markdown] id="portrait-zh" lang="zh" en="fd47cc79"
# 在网格的每个点上画一个箭头，表示那里的速度：这样的图叫**相图**（phase portrait）。训练之前，网络给出的是什么？训练之后呢？真正的规律又是什么？

# %% id="portrait-picture" tags=["picture", "nbval-ignore-output"]
side = torch.linspace(-1.0, 1.0, 9)
grid = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1)  # [9, 9, 2]
fig, axes = plt.subplots(1, 3, figsize=(7.6, 2.5), sharey=True)
for ax, (title, law) in zip(
    axes, {"before training": untrained, "learned from 30 photographs": field, "the true law": ida}.items(), strict=True
):
    with torch.no_grad():
        ax.quiver(*grid.unbind(-1), *law(0, grid).unbind(-1), color=plots.BLUE, angles="xy", scale=30, width=0.007)
        drawn = integrate(law, photos[:1].expand(len(fine), 2), fine, steps=200)
    ax.plot(*drawn.T, color=plots.VERMILION, linewidth=1.2, label="path from the first photograph")
    ax.plot(*photos.T, "o", color=plots.ORANGE, markersize=4)
    ax.set(title=title, xlabel="loud (points)", xlim=(-1.15, 1.15), ylim=(-1.15, 1.15), aspect="equal")
axes[0].set_ylabel("old (points)")
plt.show()

# %% [markdown] id="portrait-alt-en" lang="en" tags=["alt"]
# Three phase portraits with the 30 photographs as orange points. Before training: short arrows that all point in similar directions, and the path from the first photograph runs out of the picture. Learned: arrows that circle to the left round the middle and are long outside and short inside; the path follows the photographs in a spiral with a few dents. The true law: nearly the same picture with a smooth spiral; in the corners and in the very middle, where no photograph lies, the arrows of the learned field are different.

# %% [markdown] id="portrait-alt-zh" lang="zh" en="adb4e335" tags=["alt"]
# 三幅相图，30 张照片是橙色的点。训练之前：箭头很短，方向都差不多，从第一张照片出发的路径超出了画面。学到的：箭头绕着中心向左转，外圈长，里圈短；路径沿照片形成螺旋线，有几处不够光滑。真正的规律：几乎是同一幅图，螺旋光滑；四角和正中央没有照片，学到的箭头在那里不一样。

# %% id="portrait-check"
dense = torch.linspace(-1.05, 1.05, 25)
places = torch.stack(torch.meshgrid(dense, dense, indexing="xy"), dim=-1).view(-1, 2)  # [625, 2]
distance = torch.cdist(places, taste(fine)).amin(dim=1)  # from the true path


@torch.no_grad()
def field_error(field, where):
    return (field(0, places[where]) - ida(0, places[where])).norm(dim=1).mean().item()


speed = ida(0, places[distance < 0.1]).norm(dim=1).mean()
expect("typical speed near the path (points a week)", speed, 1.36, tol=0.05)
expect_true(
    "before training the field is as wrong as saying nothing", field_error(untrained, distance < 0.1) > 0.8 * speed
)
expect_true(
    "after training it is wrong by less than a quarter, near the path", field_error(field, distance < 0.1) < speed / 4
)
expect_true("two numbers: a loss more than five times as large", two_losses[-1] > 5 * losses[-1])
fine_loss = loss_ahead(by_flow(field, steps=60), moments, photos)().item()
expect_true("ten times as many steps change its loss by less than a fifth", abs(fine_loss / losses[-1] - 1) < 0.2)
expect_true("the loss of the network has come near that of the blur", losses[-1] < 0.004)

# %% [markdown] id="portrait-why-en" lang="en"
# Near the path of the photographs the learned arrows are right to within a quarter of the typical speed. Nobody drew a single arrow for the network: it only saw where the taste was, at 30 moments. (It was trained with six steps of RK4 for every pair. Ten times as many change its loss by less than a fifth: fine enough for what blurred photographs can tell.)
#
# One picture proves little, and it says nothing about the two questions. So take six people with Ida's law, each with photographs, blur and first weights of their own, and ask.
#
# **Between two photographs**, at 400 moments: the *ruler* (the straight line between the two neighbours); the *flow* from the photograph before; and the flow *from both sides*, forwards from the photograph before and backwards from the one after (a negative duration), mixed by nearness.
#
# **After the last photograph**, one and three weeks later: *stay* where it was; *two numbers*, the law from above, fitted to the same photographs; the flow; and a *jump*. The jump is the obvious other model: a network that is told the gap, $z + \Delta \cdot f(z, \Delta)$, and makes one move of it. Here $\Delta$ (delta) is the gap. It has the same width and learns from the same pairs.

# %% [markdown] id="portrait-why-zh" lang="zh" en="dedd6e12"
# 在照片经过的路径附近，学到的箭头与真实值之差不到典型速度的四分之一。没有人给网络提供过任何箭头，它只看到偏好在 30 个时刻的位置。（训练时，每对照片走六步 RK4。步数增加到十倍，损失的变化不到五分之一：就模糊的照片所能说明的而言，已经够细了。）
#
# 一幅图说明不了多少问题，也没有回答开头的两个问题。因此，我们取六个服从同一规律的人，每人有自己的照片、误差和初始权重，再来比较。
#
# **在两张照片之间**，取 400 个时刻：**直线**（连接相邻的两张照片）；从前一张照片出发的**流**；以及**双向**的流，即从前一张向前计算，从后一张向后计算（时长为负），再按距离加权平均。
#
# **在最后一张照片之后**，一个星期和三个星期：**保持不变**；**两个数**，即前面的规律，用同样的照片拟合；流；以及**单步**。单步是最容易想到的另一种模型，即把间隔作为输入，一步完成，$z + \Delta \cdot f(z, \Delta)$，其中 $\Delta$（delta）是间隔。它的宽度相同，学的也是同样的照片对。

# %% [markdown] id="predict-compare-en" lang="en" tags=["predict"]
# **Predict.** Does the flow beat the ruler where photographs are half a week apart or more? And where they are closer? Which of the four is worst after three weeks?

# %% [markdown] id="predict-compare-zh" lang="zh" en="9561ae5d" tags=["predict"]
# **猜一猜。** 在照片相隔半个星期以上的地方，流比直线更准确吗？相隔更近的地方呢？三个星期之后，四种方法中哪种最差？


# %% id="compare-code" tags=["training", "nbval-ignore-output"]
def by_jump(network):
    return lambda z, weeks: z + weeks[:, None] * network(0, torch.cat([z, weeks[:, None]], dim=1))


def miss(guess, truth):
    """Root of the mean squared distance."""
    return (guess - truth).square().sum(dim=-1).mean().sqrt().item()


people = [(moments, photos, field, two)]
for seed in progress_bar(range(1, 6), "person"):
    torch.manual_seed(seed)
    seen, learner, plain = photographs(seed), Network(), Spiral()
    fit(learner, loss_ahead(by_flow(learner, steps=6), *seen))
    fit(plain, loss_ahead(by_flow(plain, steps=6), *seen), rounds=2)
    people.append((*seen, learner, plain))

between, later, jumps = [], [], []
for when, where, learner, plain in progress_bar(people, "jumps"):
    jumps.append(Network(inputs=3))
    fit(jumps[-1], loss_ahead(by_jump(jumps[-1]), when, where), rounds=16)
    asked = torch.linspace(when[0], when[-1], 402)[1:-1]
    before = torch.searchsorted(when, asked) - 1
    gap = when[before + 1] - when[before]
    share = ((asked - when[before]) / gap)[:, None]
    flow, horizon = by_flow(learner, steps=20), torch.tensor([1.0, 3.0])
    with torch.no_grad():
        forwards = flow(where[before], asked - when[before])
        backwards = flow(where[before + 1], asked - when[before + 1])
        guesses = [
            (1 - share) * where[before] + share * where[before + 1],
            forwards,
            (1 - share) * forwards + share * backwards,
        ]
        truth = taste(asked)
        between.append([[miss(guess[far], truth[far]) for guess in guesses] for far in (gap < 0.5, gap >= 0.5)])
        end = where[-1:].expand(2, 2)
        models = [lambda z, d: z, by_flow(plain, steps=60), by_jump(jumps[-1]), by_flow(learner, steps=60)]
        later.append([(model(end, horizon) - taste(when[-1] + horizon)).norm(dim=1).tolist() for model in models])
between, later = np.array(between), np.array(later)  # [6, short or long, 3 ways], [6, 4 models, 1 or 3 weeks]
print(between.mean(axis=0).round(3), later.mean(axis=0).round(2), sep="\n")

# %% id="compare-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 2, figsize=(8.6, 2.7))
panels = (
    ("between two photographs", ("ruler", "flow", "flow, both sides"), between.swapaxes(1, 2), "gap"),
    ("after the last one", ("stay", "two numbers", "jump", "flow"), later, "weeks"),
)
labels = {"gap": ("gap below 1/2 week", "longer gap"), "weeks": ("1 week later", "3 weeks later")}
ticks = {"gap": [0.02, 0.05, 0.1, 0.2, 0.4], "weeks": [0.05, 0.2, 1, 5]}
for ax, (title, names, values, kind) in zip(axes, panels, strict=True):
    for row in range(len(names)):
        for column, marker in enumerate("o^"):
            y = np.full(len(values), row + 0.24 * column - 0.12)
            ax.plot(
                values[:, row, column], y, marker, color=f"C{column}", label=labels[kind][column] if row == 0 else None
            )
    ax.set_title(title, pad=22)
    ax.set(xscale="log", xlabel="distance from the truth (points)")
    ax.set_xticks(ticks[kind], ticks[kind])
    ax.minorticks_off()
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.legend(fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.98), ncols=2, columnspacing=1, handletextpad=0.2)
plt.show()

# %% [markdown] id="compare-alt-en" lang="en" tags=["alt"]
# Two charts of points on logarithmic axes, one point a person. Left, between photographs: with short gaps ruler and flow lie at about 0.03 all alike, the flow from both sides a little lower; with longer gaps the ruler lies between 0.08 and 0.36, both flows near 0.05. Right, after the last photograph: staying put is off by 0.45 after one week and 0.9 after three; two numbers by 0.25 and 0.6; the jump by 0.1 to 0.4 after one week, but by 1.5 to 6 after three; the flow by about 0.1 and 0.2.

# %% [markdown] id="compare-alt-zh" lang="zh" en="6de609a2" tags=["alt"]
# 两幅对数坐标的点图，一个点代表一个人。左图，照片之间：间隔短时，直线和流都在 0.03 左右，双向的流略低；间隔长时，直线在 0.08 到 0.36 之间，两种流都在 0.05 附近。右图，最后一张照片之后：保持不变，一个星期差 0.45，三个星期差 0.9；两个数差 0.25 和 0.6；单步在一个星期时差 0.1 到 0.4，三个星期时却差 1.5 到 6；流差 0.1 和 0.2 左右。

# %% id="compare-check"
STUDENT = 2.571  # 97.5 % point of Student's distribution with 5 degrees of freedom


def interval(better, worse):
    """95 % interval of the mean difference worse - better, pairs of numbers a person."""
    difference = worse - better
    half = STUDENT * difference.std(ddof=1) / math.sqrt(len(difference))
    return difference.mean() - half, difference.mean() + half


expect_between("ruler, gaps of half a week or more: mean error", between[:, 1, 0].mean(), 0.1, 0.25)
expect("the luckiest person with the ruler", between[:, 1, 0].min(), 0.08, tol=0.01)
expect("and the unluckiest", between[:, 1, 0].max(), 0.36, tol=0.02)
expect("flow from both sides there", between[:, 1, 2].mean(), 0.04, tol=0.015)
expect("ruler over flow from both sides", between[:, 1, 0].mean() / between[:, 1, 2].mean(), 4.4, tol=1)
expect_true("the interval of the difference lies above 0.03", interval(between[:, 1, 2], between[:, 1, 0])[0] > 0.03)
low, high = interval(between[:, 0, 1], between[:, 0, 0])
expect_true("short gaps, flow from one side against the ruler: the interval holds 0", low < 0 < high)
expect_true("short gaps, both sides: better than the ruler", interval(between[:, 0, 2], between[:, 0, 0])[0] > 0)
expect("flow, one week later", later[:, 3, 0].mean(), 0.1, tol=0.04)
expect("flow, three weeks later", later[:, 3, 1].mean(), 0.19, tol=0.07)
expect("staying put, one week later", later[:, 0, 0].mean(), 0.45, tol=0.02)
expect("staying put, three weeks later", later[:, 0, 1].mean(), 0.87, tol=0.05)
expect_between("two numbers, three weeks later", later[:, 1, 1].mean(), 0.5, 0.65)
expect_true("the flow against two numbers: above 0.2", interval(later[:, 3, 1], later[:, 1, 1])[0] > 0.2)
low, high = interval(later[:, 3, 0], later[:, 2, 0])
expect_true("one week: the interval between jump and flow holds 0", low < 0 < high)
expect_true("three weeks: the jump is off by more than 1 for everybody", later[:, 2, 1].min() > 1)

# %% [markdown] id="compare-why-en" lang="en"
# - **Where photographs are rare the flow wins clearly**; the ruler cuts the corners. Where they are dense, a ruler is as good as the flow from one side: over a short stretch every curve is straight, and both inherit the blur of the photograph. Only the mean over both sides is a little better, because it averages the blur of two.
# - **After three weeks** the flow is off by about 0.19 where staying put is off by 0.87. The two numbers are off by more than 0.5: the shape of the law matters.
# - **The jump** cannot be told from the flow after one week, a gap of a length that it has met in training. After three weeks it is useless. It has learned the gaps that it saw and does not know that three weeks are three times one week. A flow obeys that by construction.
#
# And where can the learned field be trusted? Compare the error of its arrows near the path and away from it.

# %% [markdown] id="compare-why-zh" lang="zh" en="9a15ab80"
# - **照片稀少的地方，流明显更准确**，因为直线偏离了曲线。照片密集的地方，直线和单向的流同样好，因为在很短的一段里，任何曲线都接近直线，而且两者都包含照片的误差。只有双向的流略好，因为它对两张照片的误差取了平均。
# - **三个星期之后**，保持不变差 0.87，流只差 0.19 左右。两个数差 0.5 以上，可见规律的形式很重要。
# - **单步**在一个星期时与流没有明显差别，因为训练中出现过这样长的间隔。到了三个星期，它就完全不可用。它学到的只是出现过的各个间隔，并不知道三个星期等于三个一星期；流则必然满足这一点。
#
# 那么，学到的场在哪里可信？下面比较靠近路径和远离路径的地方，箭头的误差各有多大。

# %% id="trust-code"
near = [field_error(learner, distance < 0.1) for _, _, learner, _ in people]
away = [field_error(learner, distance > 0.25) for _, _, learner, _ in people]
expect_true(
    "away from the path at least three times as wrong, for everybody", (np.array(away) > 3 * np.array(near)).all()
)
expect_true("near the path: wrong by less than half the speed, for everybody", max(near) < speed / 2)

# %% [markdown] id="rollout-en" lang="en" tags=["predict"]
# ## A small error in one step, a large one after many
#
# We asked for three photographs ahead and gave a reason in passing. It deserves numbers. A point follows a spiral law, and a photograph with blur 0.05 is taken every tenth of a week, 201 in all. In complex numbers one step is a product with a number $w$, so that the law can be fitted by least squares, without training: from each photograph to the one that is $k$ steps later, and then the $k$-th root.
#
# **Predict.** Fit with $k = 1$ and with $k = 20$. Which of the two laws has the smaller error in one step? And which has the smaller error when it is rolled out for 50 steps from an exact start?

# %% [markdown] id="rollout-zh" lang="zh" en="c10f353f" tags=["predict"]
# ## 单步误差小，多步误差大
#
# 前面我们预测三张照片，并顺便给出了理由。这个理由应当用数来说明。假设一个点按螺旋规律运动，每十分之一个星期拍一张误差为 0.05 的照片，共 201 张。用复数表示，一步就是乘以一个数 $w$，所以不需要训练，用最小二乘法就可以拟合：由每张照片拟合 $k$ 步之后的照片，再开 $k$ 次方。
#
# **猜一猜。** 分别用 $k = 1$ 和 $k = 20$ 拟合。两个规律中，哪一个的单步误差更小？如果从精确的起点连续推演（rollout）50 步，哪一个的误差更小？

# %% id="rollout-code"
rng = np.random.default_rng(0)
true_step = np.exp(0.1 * (-0.05 + 1j))  # pull 0.05 and turn 1 per week, for a tenth of a week
clean = true_step ** np.arange(201)
blurred = clean + 0.05 * (rng.standard_normal(201) + 1j * rng.standard_normal(201))


def fitted(k):
    """The number of one step, by least squares from each photograph to the one k steps later."""
    product = (blurred[:-k].conj() * blurred[k:]).sum() / (abs(blurred[:-k]) ** 2).sum()
    return product ** (1 / k)


def one_step_error(w):
    return np.sqrt((abs(blurred[1:] - w * blurred[:-1]) ** 2).mean())


def rollout_error(w, steps=50):
    return np.sqrt((abs(clean[steps:] - w**steps * clean[:-steps]) ** 2).mean())


laws = {"true law": true_step, "fitted, k = 1": fitted(1), "fitted, k = 20": fitted(20)}
show_matrix(
    [[one_step_error(w), rollout_error(w), abs(w), abs(w) ** 50] for w in laws.values()],
    list(laws), ["one step", "50 steps", "kept a step", "kept in 50"], digits=4,
)  # fmt: skip
expect("k = 1: error of one step", one_step_error(laws["fitted, k = 1"]), 0.0991, tol=0.0001)
expect("the true law: error of one step", one_step_error(true_step), 0.0994, tol=0.0001)
expect("k = 1: error after 50 steps", rollout_error(laws["fitted, k = 1"]), 0.24, tol=0.005)
expect("k = 20: error after 50 steps", rollout_error(laws["fitted, k = 20"]), 0.017, tol=0.001)
expect("k = 1: kept a step", abs(laws["fitted, k = 1"]), 0.984, tol=0.0005)
expect("k = 1: kept in 50 steps", abs(laws["fitted, k = 1"]) ** 50, 0.44, tol=0.005)
expect("the true law keeps", abs(true_step) ** 50, 0.78, tol=0.005)

# %% [markdown] id="rollout-why-en" lang="en"
# The law fitted to single steps has the **smallest** error in one step, smaller than the true law, and after 50 steps it is 14 times as wrong as the other. Two things come together. The blur of the photograph that one starts from makes every fitted step a little too short, here by 1.1 % (the number of a step is fitted to blurred *inputs*). And an error of a step is multiplied by all steps that follow: $0.984^{50}$ is 0.44, where 0.78 is right. A target 20 steps away has the same blur and 20 times the motion.
#
# So judge a law that will be rolled out by its rollout, on a horizon as long as the one you need; train on targets that lie several steps away; and mistrust a small loss on single steps. A field that pulls states together forgives more: there an error of $\varepsilon$ a step adds up to at most $\varepsilon / (1 - q)$, where $q < 1$ is the factor by which a step brings two states nearer. Where $q > 1$ it grows like $q^n$ over $n$ steps.

# %% [markdown] id="rollout-why-zh" lang="zh" en="4af150fd"
# 用单步拟合的规律，单步误差**最小**，甚至小于真正的规律，但 50 步之后的误差是另一个的 14 倍。这里有两个原因。起点照片的误差使拟合的每一步都略微偏小，这里偏小 1.1%（因为拟合时**输入**带有误差）。而且，一步的误差会被之后的每一步相乘：$0.984^{50}$ 为 0.44，正确的值是 0.78。如果目标在 20 步之后，照片的误差相同，运动的距离却是 20 倍。
#
# 因此，如果规律要用于连续推演，就应当在实际需要的时间范围内，用推演的误差来评价；训练时，目标应当在若干步之后；不要轻信单步损失很小。使状态靠近的场比较宽容：每步误差 $\varepsilon$ 累积起来至多为 $\varepsilon / (1 - q)$，其中 $q < 1$ 是一步使两个状态靠近的倍数。如果 $q > 1$，误差在 $n$ 步内就按 $q^n$ 增长。

# %% [markdown] id="slider-en" lang="en"
# A learned law is a law like any other, so lesson 14 applies: the path you get depends on the solver and its steps. Black is the path of the learned field, computed with an error far below the width of the line; the other line is what a coarse solver makes of the same field.

# %% [markdown] id="slider-zh" lang="zh" en="517e5fb8"
# 学到的规律也是规律，第 14 课的结论同样适用：得到什么样的路径，取决于求解器和步长。黑线是学到的场的路径，误差远小于线宽；另一条线是粗糙的求解器在同一个场里走出来的。


# %% id="slider-picture" tags=["picture", "nbval-ignore-output"]
@torch.no_grad()
def walk(solver, steps_a_week, weeks=6):
    """Every step of a solver through the learned field, from the first photograph: [n + 1, 2]."""
    places = [photos[:1]]
    for _ in range(weeks * steps_a_week):
        places.append(integrate(field, places[-1], torch.tensor([1 / steps_a_week]), method=solver))
    return torch.cat(places)


def draw(solver="euler", steps=20):
    fig, ax = plt.subplots(figsize=(3.6, 3.4))
    ax.plot(*walk("rk4", 40).T, color=plots.BLACK, linewidth=1.2, label="the learned law")
    ax.plot(
        *walk(solver, steps).T,
        ".-",
        color=plots.VERMILION,
        linewidth=1,
        markersize=4,
        label=f"{solver}, {steps} steps a week",
    )
    ax.set(xlabel="loud (points)", ylabel="old (points)", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6), aspect="equal")
    ax.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1))
    plt.show()


draw()

# %% [markdown] id="slider-alt-en" lang="en" tags=["alt"]
# The plane of loud and old. A black spiral winds inwards. A dotted red line, Euler with 20 steps a week, starts at the same point and runs farther and farther outside the black one instead of inwards.

# %% [markdown] id="slider-alt-zh" lang="zh" en="ff972c94" tags=["alt"]
# 以吵和老为坐标的平面。黑色螺旋线向内旋转。带点的红线是欧拉法，每星期 20 步，从同一点出发，却没有向内，而是越来越偏到黑线外侧。

# %% id="slider-check"
arrival = walk("rk4", 40)[-1]
off = {name: (walk(*name)[-1] - arrival).norm().item() for name in (("euler", 20), ("midpoint", 20), ("rk4", 4))}
expect_true("Euler with 20 steps a week: off by more than 0.3 after six weeks", off["euler", 20] > 0.3)
expect_true("midpoint with 20: by less than 0.02", off["midpoint", 20] < 0.02)
expect_true("RK4 with 4, almost the same number of field evaluations as Euler: by less than 0.1", off["rk4", 4] < 0.1)
expect_true("Euler ends farther out", walk("euler", 20)[-1].norm() > arrival.norm() + 0.2)

# %% [markdown] id="interact-en" lang="en"
# Run the next cell yourself and move the sliders. (In the stored page there is nothing to see here.) How few steps a week does each solver need before the two lines become one?

# %% [markdown] id="interact-zh" lang="zh" en="b2cb5a0d"
# 请运行下一个单元格，拖动滑块。（在保存的网页里，这里不显示内容。）要使两条线重合，每种求解器每星期至少需要几步？

# %% id="interact-code" tags=["nbval-ignore-output"]
from ipywidgets import interact

sliders = interact(draw, solver=["euler", "midpoint", "rk4"], steps=(1, 40))
# %% [markdown] id="ways-en" lang="en"
# ## Two ways to the gradient
#
# For the walk back you needed $z_1$ and $z_0$: the slopes of the field *there*. So backpropagation keeps everything the solver computed on its way, and the memory grows with every step. The *adjoint method* keeps the state at the start and at the end of a stretch, and nothing between. It runs the law **backwards in time**, and together with the state it solves the equation of $\lambda$,
#
# $$\lambda' = -\left(\frac{\partial f}{\partial z}\right)^{\!\top} \lambda ,$$
#
# which is the rule of your walk, $\lambda_k = \lambda_{k+1} + h M^\top \lambda_{k+1}$, with ever smaller steps. The shares of the parameters $\theta$ are added up on the way: for the loss $\ell$, $\dfrac{d\ell}{d\theta} = \displaystyle\int \lambda^{\top} \frac{\partial f}{\partial \theta}\, dt$, from the start to the end.
#
# There is one weak point, and you can see it with the two steps from the beginning. Step back from the end, with the velocity at the end.
#
# In the library: [`tutorial_lib.models.ode.integrate_adaptive`](../../tutorial_lib/models/ode.py).

# %% [markdown] id="ways-zh" lang="zh" en="e2df1f60"
# ## 求梯度的两种方法
#
# 倒推时，你用到了 $z_1$ 和 $z_0$，即场**在那里**的斜率。因此，反向传播必须保存求解器沿途算出的所有结果，步数越多，占用的内存越多。**伴随方法**（adjoint method）只保存一段的起点和终点，不保存中间结果。它**逆着时间**求解规律，同时求解 $\lambda$ 的方程
#
# $$\lambda' = -\left(\frac{\partial f}{\partial z}\right)^{\!\top} \lambda ,$$
#
# 这正是前面倒推的规则 $\lambda_k = \lambda_{k+1} + h M^\top \lambda_{k+1}$，只是步长趋于零。各个参数 $\theta$ 的份额沿途累加：对损失 $\ell$ 有 $\dfrac{d\ell}{d\theta} = \displaystyle\int \lambda^{\top} \frac{\partial f}{\partial \theta}\, dt$，从起点积到终点。
#
# 它有一个弱点，用开头的两步就能看出来：从终点倒推，使用的是终点处的速度。
#
# 库中的实现：[`tutorial_lib.models.ode.integrate_adaptive`](../../tutorial_lib/models/ode.py)。

# %% [markdown] id="predict-back-en" lang="en" tags=["predict"]
# **Predict.** From $z_2 = (0.75, 1)$, half a week back with the velocity at $z_2$. Do you arrive at $z_1 = (1, 0.5)$?

# %% [markdown] id="predict-back-zh" lang="zh" en="d4c0f9ec" tags=["predict"]
# **猜一猜。** 从 $z_2 = (0.75, 1)$ 出发，用 $z_2$ 处的速度倒推半个星期，会回到 $z_1 = (1, 0.5)$ 吗？

# %% id="back-code"
back = path[2] - 0.5 * spiral(path[2], 0.0, 1.0)
show_matrix(torch.stack([path[1], back]), ["z1, where we came from", "one step back from z2"], ["x", "y"], digits=3)
expect_close("the step back ends elsewhere", back, [1.25, 0.625], tol=1e-12)

# %% [markdown] id="ways-library-en" lang="en" tags=["library"]
# No: a step back uses the velocity at another point than the step forwards. The path that the adjoint method sees on its way back is another path than the one that made the loss, and its slopes are those of another path. With smaller steps, or a solver of higher order, the two come together.
#
# The library leaves the steps to torchdiffeq's adaptive solver: `rtol` and `atol` are the errors it may make, relative and absolute. With `adjoint=True` the gradient takes the second way.

# %% [markdown] id="ways-library-zh" lang="zh" en="782e7fd2" tags=["library"]
# 不会，因为倒推一步与前进一步使用的不是同一点的速度。伴随方法倒推时经过的路径，并不是产生损失的那条路径，斜率也就是另一条路径上的。步长更小，或者求解器的阶更高，两条路径就会更接近。
#
# 库把步长交给 torchdiffeq 的自适应求解器：`rtol` 和 `atol` 是允许的误差，一个是相对误差，一个是绝对误差。设置 `adjoint=True`，就用第二种方法求梯度。

# %% id="ways-code" tags=["library"]
from collections.abc import Callable

from torchdiffeq import odeint, odeint_adjoint

from tutorial_lib.errors import TutorialError
from tutorial_lib.models.ode import Field, Rescaled, _worst_row

# show: tutorial_lib.models.ode.integrate_adaptive
# show: tutorial_lib.models.ode.gradients

# %% [markdown] id="drawing-en" lang="en"
# Forwards and both ways back in one drawing:
#
# ![Forwards. Step 1: the solver asks the network f for slopes and carries the state from z of 0 to z of T. Step 2: the loss. Back, first way: backpropagation through the solver, step 3: it walks through all stored states, from the last to the first, so memory grows with the number of steps. Second way, the adjoint: step 3: lambda at the end is the slope of the loss; step 4: one equation is solved backwards in time, for the state, lambda and the shares of the parameters together; only the start and the end are kept. Time enters as the duration T, forwards and backwards.](../figures/en/neural_ode.svg)
#
# **Read it off the drawing.** Which way needs the states between 0 and $T$ to be stored? Which step of the other way finds them again, and may find others?
#
# <details><summary>Answer</summary>
#
# The first way, at step 3. The adjoint finds them again in step 4, when it solves $z$ backwards; there its error comes from.
#
# </details>

# %% [markdown] id="drawing-zh" lang="zh" en="c98fbd7b"
# 正向计算和两种求梯度的方法画成一张图：
#
# ![正向。第 1 步：求解器向网络 f 问斜率，把状态从时刻 0 带到时刻 T。第 2 步：损失。反向的第一种办法是穿过求解器做反向传播，第 3 步：从最后一个到第一个，走过所有保存的状态，所以内存随步数增长。第二种办法是伴随方法，第 3 步：终点的 lambda 是损失的斜率；第 4 步：逆着时间求解一个方程，状态、lambda 和参数的份额一起算；只保存起点和终点。时间以时长 T 进入，正向和反向都是。](../figures/zh/neural_ode.svg)
#
# **从图上找答案。** 哪种办法需要保存 0 到 $T$ 之间的状态？另一种办法在哪一步把它们重新找出来，而且可能找到别的？
#
# <details><summary>答案</summary>
#
# 第一种办法，在第 3 步。伴随方法在第 4 步逆着时间解 $z$ 时重新得到它们；它的误差就来自那里。
#
# </details>

# %% [markdown] id="equal-en" lang="en"
# Five photographs, each sent three weeks ahead through Ida's learned field; the gradient of the sum of all end points with respect to all weights. How far apart are the two ways, relative to the size of the gradient? And how far from the gradient with 600 steps of RK4, which we take for the truth?

# %% [markdown] id="equal-zh" lang="zh" en="dbecfe9a"
# 取五张照片，各自在学到的场里走三个星期；求所有终点坐标之和对全部权重的梯度。两种办法相差多少（相对于梯度的大小）？与 RK4 走 600 步得到的梯度（就当它是真值）又各差多少？


# %% id="equal-code"
weights, three = list(field.parameters()), torch.full((5,), 3.0)


def gradient(solve):
    """With respect to the weights alone, as one vector."""
    return torch.cat([part.flatten() for part in gradients(solve, photos[:5], weights)[1:]])


def apart(one, other):
    return ((one - other).norm() / other.norm()).item()


fine_gradient = gradient(lambda z: integrate(field, z, three, steps=600))
rows = {}
for tolerance in (1e-2, 1e-4, 1e-6, 1e-9):
    both = [
        gradient(lambda z: integrate_adaptive(field, z, three, rtol=tolerance, atol=tolerance, adjoint=way))
        for way in (False, True)
    ]
    rows[tolerance] = apart(both[1], both[0]), apart(both[0], fine_gradient), apart(both[1], fine_gradient)
expect_true("tolerance 1e-9: the two ways agree to 1e-7", rows[1e-9][0] < 1e-7)
expect_true("and both with 600 fixed steps", max(rows[1e-9]) < 1e-7)
expect_true("tolerance 1e-6: to 1e-4, but not to 1e-7", 1e-7 < rows[1e-6][0] < 1e-4)
expect_true("tolerance 1e-2: they differ by more than a tenth", rows[1e-2][0] > 0.1)
expect_true("and neither is the gradient of the law", min(rows[1e-2][1:]) > 0.1)

# %% id="equal-table" tags=["nbval-ignore-output"]
print("tolerance   adjoint - through   through - true   adjoint - true")
for tolerance, values in rows.items():
    print(f"{tolerance:9.0e}   {values[0]:17.1e}   {values[1]:14.1e}   {values[2]:14.1e}")

# %% [markdown] id="equal-why-en" lang="en"
# The two ways never agree to the last digit, because they answer two questions. Backpropagation gives the gradient **of what the solver computed** with the steps it took, mistakes included. The adjoint method approximates the gradient **of the exact law**, with an error of its own. They agree to 1e-7 where the solver is tight. At a tolerance of 1e-2 they differ by more than a tenth, and neither is the gradient of the law: there the forward path is wrong already.
#
# So why bother? Count the bytes that PyTorch keeps for the way back. A hook sees every tensor that is saved; the weights do not count, they are there anyway. This is a count, the same on every run.

# %% [markdown] id="equal-why-zh" lang="zh" en="43498c7e"
# 两种方法不会一直吻合到最后一位，因为它们回答的是两个不同的问题。反向传播给出的是**求解器实际计算的结果**的梯度，包括它的误差在内。伴随方法近似的是**精确规律**的梯度，有自己的误差。求解器足够精细时，两者吻合到 1e-7。容差为 1e-2 时，两者相差十分之一以上，而且都不是规律的梯度，因为正向的路径本身已经不准确。
#
# 那么，为什么还要用它？我们来统计 PyTorch 为反向计算保存了多少字节。用一个钩子可以看到每个被保存的张量；权重不计，因为它们本来就在内存里。这是计数，每次运行的结果都相同。


# %% id="bytes-code"
class Counted(nn.Module):
    """A field that counts its evaluations."""

    def __init__(self, field):
        super().__init__()
        self.field, self.calls = field, 0

    def forward(self, t, z):
        self.calls += 1
        return self.field(t, z)


def saved_bytes(solve):
    """What autograd keeps for the way back, in bytes, each piece of memory once."""
    own = {weight.untyped_storage().data_ptr() for weight in weights}
    kept = {}  # address -> the memory itself, so that no address is used again

    def keep(tensor):
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        end = solve(photos[:5].clone().requires_grad_())
    assert end.requires_grad
    return sum(memory.nbytes() for memory in kept.values())


ways = {"through RK4, fixed steps": [], "through the adaptive solver": [], "adjoint": []}  # (evaluations, bytes)
for steps in (2, 4, 8, 16, 32, 64, 128, 256):
    counted = Counted(field)
    size = saved_bytes(lambda z: integrate(counted, z, three, steps=steps))
    ways["through RK4, fixed steps"].append((counted.calls, size))
for tolerance in (1e-2, 1e-4, 1e-6, 1e-8, 1e-10):
    for name, adjoint in (("through the adaptive solver", False), ("adjoint", True)):
        counted = Counted(field)
        size = saved_bytes(
            lambda z: integrate_adaptive(counted, z, three, rtol=tolerance, atol=tolerance, adjoint=adjoint)
        )
        ways[name].append((counted.calls, size))

# %% id="bytes-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(6, 3))
for (name, values), marker in zip(ways.items(), plots.MARKERS, strict=False):
    calls, sizes = np.array(values).T
    ax.plot(calls, sizes / 1000, marker=marker, markersize=5, label=name)
ax.set(xscale="log", yscale="log", xlabel="field evaluations on the way forwards", ylabel="saved for the way back (kB)")
ax.legend(fontsize=9)
plt.show()

# %% [markdown] id="bytes-alt-en" lang="en" tags=["alt"]
# Kilobytes saved against the number of field evaluations, both axes logarithmic. Backpropagation through RK4 and through the adaptive solver lie on one rising line, from about 10 kB at 8 evaluations to more than 1,000 kB at 1,000. The adjoint method is a flat line at about 0.2 kB.

# %% [markdown] id="bytes-alt-zh" lang="zh" en="94f8a12b" tags=["alt"]
# 横轴是函数求值次数，纵轴是保存的千字节数，都是对数刻度。穿过 RK4 和穿过自适应求解器的反向传播落在同一条上升的线上，从 8 次函数求值约 10 kB，到 1,000 次函数求值超过 1,000 kB。伴随方法是一条水平线，约 0.2 kB。

# %% id="bytes-check"
fixed, adaptive, without = (np.array(values) for values in ways.values())
expect("through RK4: 256 steps keep so many times the bytes of 128", fixed[-1, 1] / fixed[-2, 1], 2, tol=0.02)
expect_true("the adjoint keeps the same at every tolerance", len(set(without[:, 1])) == 1)
expect_true("less than one evaluation of the field does", without[0, 1] < saved_bytes(lambda z: field(0, z)))
expect_true("at the tightest tolerance: less than a thousandth", without[-1, 1] < adaptive[-1, 1] / 1000)
expect_true("at a tolerance of 1e-2: less than a hundredth", without[0, 1] < adaptive[0, 1] / 100)
forwards = Counted(field)
gradient(lambda z: integrate_adaptive(forwards, z, three, rtol=1e-9, atol=1e-9, adjoint=True))
once = Counted(field)
gradient(lambda z: integrate_adaptive(once, z, three, rtol=1e-9, atol=1e-9))
expect_between("field evaluations, adjoint over the other way", forwards.calls / once.calls, 2, 3)

# %% [markdown] id="bytes-why-en" lang="en"
# Backpropagation keeps as much for every field evaluation, so twice the steps are twice the bytes. The adjoint method keeps the start and the end, whatever happens between. The price: it must run the law a second time, here with two to three times the field evaluations.
#
# Between two events of a history a solver takes a handful of steps and the states are small. There backpropagation through a few fixed steps is the better choice: exact for what was computed, and quick. The models of the next lessons do that.

# %% [markdown] id="bytes-why-zh" lang="zh" en="ddcc7594"
# 反向传播为每次函数求值保存同样多的数据，所以步数加倍，字节数也加倍。伴随方法只保存起点和终点，与中间的步数无关。代价是要再求解一次，这里函数求值的次数是正向的两到三倍。
#
# 在一段历史的两个事件之间，求解器只走几步，状态也小。这时，穿过几个固定步的反向传播是更好的选择：对算出的结果来说是精确的，而且快。后面几课的模型就是这么做的。

# %% [markdown] id="loose-en" lang="en" tags=["break-it"]
# ## Break it, 1: the way back that gets lost
#
# A taste that returns to a favourite at $z = 1$, from 0: $z' = r\,(1 - z)$ with the rate $r = 1$ per week. After 8 weeks all starts have come together at 1. Now run this **backwards**: what came together must part, and an error of a thousandth at the end grows by $e^8$, almost three thousand. The truth is known in closed form: $z(8) = 1 - e^{-8r}$, so its slope in $r$ is $8 e^{-8}$.
#
# **Predict.** With a tolerance of 1e-2, from where does the way back believe that we started? And which sign has the gradient?

# %% [markdown] id="loose-zh" lang="zh" en="1d31982b" tags=["break-it"]
# ## 破坏实验一：倒推时偏离路径
#
# 一种偏好从 0 出发，趋向位于 $z = 1$ 的最爱：$z' = r\,(1 - z)$，速率 $r = 1$（每星期）。8 个星期之后，无论从哪里出发，都到达了 1。现在**倒推**：汇合的路径必须重新分开，终点处千分之一的误差会放大 $e^8$ 倍，将近三千倍。真值有封闭的公式：$z(8) = 1 - e^{-8r}$，所以它对 $r$ 的斜率是 $8 e^{-8}$。
#
# **猜一猜。** 容差取 1e-2，倒推会得到什么样的起点？梯度的符号是什么？


# %% id="loose-code" tags=["break-it"]
class Return(nn.Module):
    def __init__(self):
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(1.0))

    def forward(self, t, z):
        return self.rate * (1 - z)


home, zero, eight = Return(), torch.zeros(1, 1), torch.tensor([8.0])
true_slope = 8 * math.exp(-8)
recovered, slope = {}, {}
for tolerance in (1e-2, 1e-6):
    exactness = {"rtol": tolerance, "atol": tolerance}
    with torch.no_grad():
        end = integrate_adaptive(home, zero, eight, **exactness)
        recovered[tolerance] = integrate_adaptive(home, end, -eight, **exactness).item()
    slope[tolerance] = [
        gradients(lambda z: integrate_adaptive(home, z, eight, adjoint=way, **exactness), zero, [home.rate])[1].item()
        for way in (True, False)
    ]
expect("growth of an error on the way back", math.exp(8), 2981, tol=0.5)
expect("the true slope", true_slope, 0.00268, tol=0.00001)
expect("tolerance 1e-2: the way back starts from", recovered[1e-2], 5.1, tol=0.5)
expect_true("its gradient has the wrong sign, and is more than five times too large", slope[1e-2][0] < -5 * true_slope)
expect_true("through the solver: the right sign, but more than five times too large", slope[1e-2][1] > 5 * true_slope)
expect_close(
    "mended, tolerance 1e-6: the adjoint is right to half a per cent", slope[1e-6][0], true_slope, 0.005 * true_slope
)
fixed_slope = gradients(lambda z: integrate(home, z, eight, steps=40), zero, [home.rate])[1].item()
expect_close("mended, 40 fixed steps of RK4: right to a thousandth", fixed_slope, true_slope, 0.001 * true_slope)

# %% [markdown] id="loose-why-en" lang="en"
# The way back believes that we started at about 5, and the gradient points the wrong way: an optimizer that follows it makes the fit worse, without any message. The other way is no better in size at this tolerance, for the forward path is careless too, but its sign is right. Fields that let states come together are the rule when a taste has a home. There, be strict with the tolerance, or take fixed steps and backpropagation.

# %% [markdown] id="loose-why-zh" lang="zh" en="f335f480"
# 倒推得到的起点约为 5，梯度的方向相反：优化器沿着它走，拟合只会越来越差，而且没有任何提示。在这个容差下，另一种方法的大小也不对，因为正向的路径同样不准确，但符号是对的。如果偏好有一个目标，那么使状态汇合的场很常见。这时，要么减小容差，要么用固定步长加反向传播。

# %% [markdown] id="flow-en" lang="en"
# ## What makes it a flow
#
# Evolve for 0.4, then for 0.6: you must be where one call with 1.0 leads. For a law of motion that is a matter of course; for a network it is a property that has to be built in. A model with it is called a *flow*. A field that reads only the state has it by construction, up to the error of the solver.
#
# DeepM3, the model of lesson 17, as published, has not: its field **reads the length of the gap** it is about to cross, and crosses it in one step. The library has both forms in one class. (Its unit of time is the logarithm of hours; here only the arithmetic of 0.4 and 0.6 matters.)

# %% [markdown] id="flow-zh" lang="zh" en="a94c409f"
# ## 怎样才算流
#
# 先演化 0.4，再演化 0.6，应当和一次演化 1.0 到达同一处。对运动规律来说，这是理所当然的；对网络来说，这是需要专门造出来的性质。有这种性质的模型叫做**流**（flow）。只读取状态的场必然具有这种性质，只差求解器的误差。
#
# 第 17 课的模型 DeepM3 按发表的形式却没有：它的场会**读取整个间隔的长度**，然后一步走完。库把两种形式写在同一个类里。（它的时间单位是小时的对数；这里只关心 0.4 和 0.6 怎么相加。）

# %% id="flow-library" tags=["library"]
import torch.nn.functional as F

from tutorial_lib.models.base import initialise
from tutorial_lib.models.clock import Clock
from tutorial_lib.models.deepm3_flows import Flow
from tutorial_lib.models.ode import check_method

# show: tutorial_lib.models.deepm3_flows.NeuralFlow

# %% [markdown] id="predict-flow-en" lang="en" tags=["predict"]
# **Predict.** Take the weights 20 times as large as at the start, so that something moves. Which of these agree with themselves to 1e-4: Ida's learned field with RK4? The library's flow in 50 steps? In one step? The published form?

# %% [markdown] id="predict-flow-zh" lang="zh" en="b0cb6a8b" tags=["predict"]
# **猜一猜。** 把权重放大到初始值的 20 倍，使状态有明显的变化。下面哪些能与自己吻合到 1e-4：小艾的场配 RK4？库的流走 50 步？只走一步？发表的形式？


# %% id="flow-code" tags=["reference-check"]
def library_flow(kind, factor, steps=50, lipschitz=0.0, width=8):
    torch.manual_seed(0)
    flow = NeuralFlow(width, flow=kind, solver="rk4", steps=steps, lipschitz=lipschitz)
    with torch.no_grad():
        for weight in flow.parameters():
            weight *= factor if weight.dim() == 2 else 1
    return flow


def by_library(flow):
    """States [n, w] and durations [n] in the unit of the flow -> states."""
    evolve = flow.bind()
    return lambda z, duration: evolve(z, *flow.context(torch.expm1(duration)))


@torch.no_grad()
def parts_and_whole(evolve, z, first=0.4, second=0.6):
    """Distances [n] between going in two parts and in one."""
    first, second = torch.full((len(z),), first), torch.full((len(z),), second)
    return (evolve(evolve(z, first), second) - evolve(z, first + second)).norm(dim=1)


states = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
expect_true("Ida's field, RK4: below 1e-4", parts_and_whole(by_flow(field, steps=40), photos).max() < 1e-4)
worst = {
    (kind, steps): parts_and_whole(by_library(library_flow(kind, 20, steps)), states).max()
    for kind, steps in (("autonomous", 50), ("autonomous", 1), ("published", 1))
}
expect_true("the library's flow in 50 steps: below 1e-4", worst["autonomous", 50] < 1e-4)
expect_true("in one step: above 0.01, the solver is not fine enough", worst["autonomous", 1] > 0.01)
expect_true("the published form: above 0.1", worst["published", 1] > 0.1)

# %% [markdown] id="gap-en" lang="en" tags=["break-it"]
# ## Break it, 2: a field that reads the length of the gap
#
# You may say that these weights were random, and that training would have taught the field to agree with itself. You have a trained one: the jump of each of the six people has exactly this form. After one week it could not be told from the flow. Ask it for a week, and for half a week twice.

# %% [markdown] id="gap-zh" lang="zh" en="95c0363b" tags=["break-it"]
# ## 破坏实验二：读取间隔长度的场
#
# 你也许会说，那些权重是随机的，训练之后场自然会满足这个性质。训练过的模型就在手边：六个人的单步模型正是这种形式。一个星期时，它与流没有明显差别。现在分别让它走“一个星期”和“两次半个星期”。

# %% id="gap-code" tags=["break-it"]
halves = [
    parts_and_whole(by_jump(jump), where, 0.5, 0.5).mean() for jump, (_, where, *_) in zip(jumps, people, strict=True)
]
whole = [parts_and_whole(by_flow(learner, steps=40), where, 0.5, 0.5).max() for _, where, learner, _ in people]
expect("jump: two half-weeks against one week, mean distance", np.mean(halves), 0.15, tol=0.04)
expect_true("more than four times the blur of a photograph, for everybody", min(halves) > 4 * 0.02)
expect_true("mended, the flow of the same people: below 1e-4 everywhere", max(whole) < 1e-4)

# %% [markdown] id="gap-why-en" lang="en"
# The same week gives two answers that lie 0.15 apart, many times the blur of the photographs. An event without meaning, say a song that the player skipped, would cut the week in two and move the state. That is a *residual network that is told the gap*, and a fine model in its way, but no law of motion: its steps cannot be refined, and gaps it has never seen are new to it.

# %% [markdown] id="gap-why-zh" lang="zh" en="3439a80c"
# 同样的一个星期，给出的两个答案相距 0.15，是照片误差的好几倍。一个没有意义的事件，例如被播放器跳过的一首歌，会把这个星期分成两半，状态就会改变。它是一个**以间隔为输入的残差网络**，作为模型也不错，但不是运动规律：它的步长无法细分，没有见过的间隔对它来说是全新的。

# %% [markdown] id="cross-en" lang="en"
# ## What a flow cannot do
#
# Suppose a fashion turns round: within a week, those at $z$ move to $-z$, on one line of "for" and "against". Can a flow on the line learn this? Two paths that start at $-1$ and $1$ would have to meet on the way. But where they meet **at the same moment** the field has one velocity for both, so from there on they would stay together. *Trajectories cannot cross.* On a line that means: who starts on the right stays on the right.
#
# The best that is left: bring all starts to the middle. With nine starts from $-2$ to $2$ this costs a mean squared error of $5/3$, the mean of $z^2$.

# %% [markdown] id="cross-zh" lang="zh" en="0e234131"
# ## 流做不到什么
#
# 假设一种时尚翻转了：一个星期之内，在“喜欢—不喜欢”这条线上，位于 $z$ 的人都移到 $-z$。线上的流学得会吗？从 $-1$ 和 $1$ 出发的两条路，途中必须相遇。可是在**同一时刻**相遇的地方，场给两者的速度是同一个，从此它们就再也分不开。也就是说，**轨迹**（trajectory）**不能相交**。在一条线上，这意味着出发时在右边的永远在右边。
#
# 剩下的最好办法，是把所有起点都带到中间。九个起点从 $-2$ 到 $2$，代价是均方误差 $5/3$，也就是 $z^2$ 的平均。

# %% [markdown] id="predict-cross-en" lang="en" tags=["predict"]
# **Predict.** Three learners, five seeds each: a flow on the line with 8 steps of RK4; the same with **one Euler step**; and a flow with **one more number**, 0 at the start and free to move, whose end nobody looks at. Which of them reach an error near 0 in training? And which of them still have it when the solver takes 400 steps?

# %% [markdown] id="predict-cross-zh" lang="zh" en="5574d24a" tags=["predict"]
# **猜一猜。** 训练三个模型，各五个种子：线上的流，RK4 走 8 步；同样的流，只走**一个欧拉步**；还有**增加一个数**的流，这个数起初为 0，可以自由变化，对终点没有要求。训练时，哪几个的误差能接近 0？换成 400 步的求解器，哪几个还能保持？

# %% id="cross-code" tags=["training", "nbval-ignore-output"]
starts, week = torch.linspace(-2, 2, 9)[:, None], torch.ones(9)
kinds = {"line, RK4": (1, "rk4", 8), "line, one Euler step": (1, "euler", 1), "one more number": (2, "rk4", 8)}
trained, refined, turners = {}, {}, {}
for name, (dim, solver, steps) in progress_bar(kinds.items(), "network"):
    lifted = torch.cat([starts, torch.zeros(9, dim - 1)], dim=1)
    outcomes = []
    for seed in range(5):
        torch.manual_seed(seed)
        turner = Network(inputs=dim, outputs=dim, width=16)

        def error_of(method, count):
            ends = integrate(turner, lifted, week, method=method, steps=count)
            return (ends[:, :1] + starts).square().mean()

        fit(turner, lambda: error_of(solver, steps), rounds=3)
        with torch.no_grad():
            outcomes.append([error_of(solver, steps).item(), error_of("rk4", 400).item()])
    turners[name] = turner, lifted
    trained[name], refined[name] = np.array(outcomes).T
for name in kinds:
    print(f"{name:20s} as trained", trained[name].round(4), " 400 steps", refined[name].round(4))

# %% id="cross-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 3, figsize=(7.6, 2.4))
clock = torch.linspace(0, 1, 60)
for ax, (name, (turner, lifted)) in zip(axes, turners.items(), strict=True):
    for index, begin in enumerate(lifted[::2]):
        color = plots.PALETTE[index]
        with torch.no_grad():
            run = integrate(turner, begin.expand(60, -1), clock, steps=60)
        if name == "one more number":
            ax.plot(*run.T, color=color)
            ax.plot(*run[0], "o", color=color)
            ax.plot(*run[-1], "s", color=color, markerfacecolor="white")
            ax.set(xlabel="z", ylabel="the other number")
        else:
            ax.plot(clock, run[:, 0], color=color)
            ax.set(xlabel="time (weeks)", ylabel="z", ylim=(-2.4, 2.4))
        if name == "line, one Euler step":
            with torch.no_grad():
                jump = integrate(turner, begin[None], torch.ones(1), method="euler")
            ax.plot([0, 1], [begin[0], jump[0, 0]], "--", color=color, linewidth=1)
    ax.set_title(name)
plt.show()

# %% [markdown] id="cross-alt-en" lang="en" tags=["alt"]
# Three panels. A flow on the line: five paths over one week that all run into the middle and do not cross. One Euler step: dashed straight lines from each start to its mirror point, which cross; the solid paths of the same field with fine steps shrink towards the middle without crossing. One more number: in the plane of z and the other number the paths run from a circle at the start to a square at the opposite z, and pass the middle on different sides.

# %% [markdown] id="cross-alt-zh" lang="zh" en="ceec5d27" tags=["alt"]
# 三幅图。线上的流：一个星期里的五条路都汇向中间，互不相交。一个欧拉步：虚线把每个起点笔直连到它的镜像点，彼此相交；同一个场用细步走出的实线则向中间收缩，互不相交。增加一个数：在 z 与另一个数组成的平面里，各条轨迹从起点的圆点到达 z 相反的方块，从中间的不同侧绕过。

# %% id="cross-check"
line, cheat, mended = kinds
floor = starts.square().mean()
expect("the best without crossing: mean squared error", floor, 5 / 3, tol=1e-9)
expect_true("a flow on the line never gets below it, with any seed", refined[line].min() > floor)
expect_true("and comes within a hundredth of it", refined[line].max() < 1.01 * floor)
expect_true("one Euler step: an error below 0.001, with every seed", trained[cheat].max() < 0.001)
expect_true("the same field with 400 steps: above 2", refined[cheat].min() > 2)
expect_true("one more number: below 0.001 with every seed", trained[mended].max() < 0.001)
expect_true("and with 400 steps too", refined[mended].max() < 0.001)

# %% [markdown] id="cheat-en" lang="en" tags=["break-it"]
# ## Break it, 3: the step that jumps over the rule
#
# The middle learner broke the rule, and that deserves a closer look. One Euler step is $z + f(z)$. To reach $-z$ it has learned $f(z) = -2z$, and a step of a whole week with that velocity shoots over the middle to the other side. But the **law** $z' = -2z$ never leads to the other side. It leads to $e^{-2} z$, about 0.135 of the start.

# %% [markdown] id="cheat-zh" lang="zh" en="3a3119f9" tags=["break-it"]
# ## 破坏实验三：一步越过规律
#
# 中间那个模型违反了规律，值得细看。一个欧拉步是 $z + f(z)$。要到达 $-z$，它学到的是 $f(z) = -2z$，用这个速度走整整一个星期，就越过中间到达另一边。可是 $z' = -2z$ 这条**规律**永远到不了另一边，它通向 $e^{-2} z$，大约是起点的 0.135 倍。

# %% id="cheat-code" tags=["break-it"]
turner, lifted = turners[cheat]
with torch.no_grad():
    expect_close("it has learned f(z) = -2z", turner(0, lifted), -2 * lifted, tol=0.05)
    ends = integrate(turner, lifted, week, steps=400)
expect("exp(-2)", math.exp(-2), 0.135, tol=0.001)
expect_close("the law leads to exp(-2) z", ends, math.exp(-2) * lifted, tol=0.02)
turner, lifted = turners[mended]
with torch.no_grad():
    ends = integrate(turner, lifted, week, steps=400)
expect_close("mended by one more number: -z, with fine steps", ends[:, :1], -starts, tol=0.05)

# %% [markdown] id="cheat-why-en" lang="en"
# With coarse steps, network and solver are one model together, and it can do what no differential equation can. That may be useful. But it must not be called a law of motion, and nothing that is proved about flows holds for it.
#
# The right remedy is more room. In the plane the two paths pass each other sideways, as two people in a corridor do. A recommender's state has, say, 64 numbers: there is room to pass on another side.

# %% [markdown] id="cheat-why-zh" lang="zh" en="843c7221"
# 步长大时，网络和求解器合起来才是一个模型，它能做到任何微分方程都做不到的事。这也许有用，但不能把它叫做运动规律，凡是对流证明过的性质，对它都不成立。
#
# 正确的办法是增加维数。在平面里，两条轨迹可以相互绕开，就像走廊里迎面走来的两个人。推荐模型的状态有几十个数（例如 64 个），轨迹有足够的维数可以绕开。

# %% [markdown] id="lipschitz-en" lang="en"
# ## How fast can two states part?
#
# A blurred photograph is a wrong start. Does the error stay small? Call the distance of two states $\delta$. If the velocities of two points never differ by more than $L$ times their distance, then
#
# $$e^{-L t}\,\delta(0) \;\le\; \delta(t) \;\le\; e^{L t}\,\delta(0) .$$
#
# This is *Grönwall's inequality*, and the smallest such $L$ is the *Lipschitz constant* of the field. One reads that a field with a tanh at its end is "Lipschitz-bounded", so that errors cannot grow much. But a tanh bounds something else: the **speed**, to 1 per coordinate. A slow field can still send two neighbours in opposite directions.
#
# On one line this can be solved on paper. For $z' = \tanh(k z)$ the quantity $\sinh(k z)$ grows exactly like $e^{k t}$.
#
# In the library: [`tutorial_lib.models.deepm3_flows.NeuralFlow.lipschitz_bound`](../../tutorial_lib/models/deepm3_flows.py).

# %% [markdown] id="lipschitz-zh" lang="zh" en="f2b952b0"
# ## 两个状态分离得多快
#
# 照片模糊，起点就有误差。这个误差会一直很小吗？记两个状态的距离为 $\delta$。如果任意两点的速度之差都不超过距离的 $L$ 倍，那么
#
# $$e^{-L t}\,\delta(0) \;\le\; \delta(t) \;\le\; e^{L t}\,\delta(0) .$$
#
# 这就是**格朗沃尔不等式**（Grönwall's inequality），满足条件的最小的 $L$ 叫做场的**利普希茨常数**（Lipschitz constant）。有人写道，末尾带 tanh 的场是“利普希茨有界”的，所以误差长不大。但 tanh 限制的是**速度**，每个坐标不超过 1。即使速度很小，场仍然可以使两个相邻的状态向相反的方向移动。
#
# 在一条线上，用纸笔就能解出来。对 $z' = \tanh(k z)$，$\sinh(k z)$ 恰好按 $e^{k t}$ 增长。
#
# 库中的实现：[`tutorial_lib.models.deepm3_flows.NeuralFlow.lipschitz_bound`](../../tutorial_lib/models/deepm3_flows.py)。

# %% [markdown] id="predict-tanh-en" lang="en" tags=["predict"]
# **Predict.** $k = 10$, two starts 0.002 apart, left and right of 0; half a unit of time. By which factor has their distance grown: less than 2 (which is what $L = 1$ would allow), about 10, or more than 100?

# %% [markdown] id="predict-tanh-zh" lang="zh" en="bbe47614" tags=["predict"]
# **猜一猜。** $k = 10$，两个起点分别在 0 的左右，相距 0.002；时间走半个单位。它们的距离放大了多少倍：不到 2 倍（$L = 1$ 只允许这么多）、大约 10 倍，还是 100 倍以上？

# %% id="tanh-code" tags=["reference-check"]
twins = torch.tensor([[-0.001], [0.001]])
ends = integrate(lambda t, z: torch.tanh(10 * z), twins, torch.tensor([0.5, 0.5]), steps=100)
on_paper = math.asinh(math.exp(10 * 0.5) * math.sinh(10 * 0.001)) / 10
expect_close("the solver gives what paper gives", ends, [[-on_paper], [on_paper]], tol=1e-6)
expect("growth of the distance", (ends[1] - ends[0]) / 0.002, 119, tol=1)
expect("what a Lipschitz constant of 1 would allow", math.exp(0.5), 1.65, tol=0.005)
expect_true("the speed stayed below 1", ends.abs().max() < 0.5)

# %% [markdown] id="measure-en" lang="en"
# So what is the Lipschitz constant of a neural field $\tanh(W_2 \tanh(W_1 z + b_1) + b_2)$? Three answers for the library's flow with large weights, width 8:
#
# - **measured**: the largest stretch that its slopes make at one of 2,001 states. The stretch of a matrix is its *spectral norm*. A measurement finds no more than the truth, for there are more states than we look at;
# - **bound**: a tanh stretches nothing, so the product of the spectral norms of $W_1$ and $W_2$ is enough. This never lies, but it may be far too large. It is `lipschitz_bound`;
# - **what the tanh is said to give**: 1.
#
# Then the test: 2,000 pairs of states, a thousandth apart. By how much do they part?

# %% [markdown] id="measure-zh" lang="zh" en="2ded77dd"
# 那么，神经网络的场 $\tanh(W_2 \tanh(W_1 z + b_1) + b_2)$，利普希茨常数是多少？对库里权重很大、宽度为 8 的流，有三个答案：
#
# - **测量值**：在 2,001 个状态上，它的斜率矩阵最多把向量拉长多少倍。一个矩阵最多拉长多少倍，叫做它的**谱范数**（spectral norm）。测量只会偏小，因为状态远不止我们看的这些；
# - **上界**：tanh 不会拉长任何东西，所以 $W_1$ 和 $W_2$ 的谱范数之积就够了。它总是成立，但可能大得多。这就是 `lipschitz_bound`；
# - **宣称 tanh 所保证的**：1。
#
# 然后检验：取 2,000 对状态，每对相距千分之一。它们的距离会放大多少？


# %% id="measure-code"
def slopes_of(flow, z):
    """Matrices of slopes [n, w, w] of the library's field, as its formula says."""
    w1, w2 = (weight.detach() for weight in flow.weights())
    return torch.func.vmap(
        torch.func.jacrev(lambda s: torch.tanh(w2 @ torch.tanh(w1 @ s + flow.inner.bias) + flow.outer.bias))
    )(z).detach()


generator = torch.Generator().manual_seed(0)
one = torch.randn(2000, 8, generator=generator)
step_aside = torch.randn(2000, 8, generator=generator)
other = one + 0.001 * step_aside / step_aside.norm(dim=1, keepdim=True)
moments_of = torch.linspace(0.05, 1, 20)
report, growth = {}, {}
for name, limit in {"no limit": 0.0, "lipschitz = 1": 1.0}.items():
    flow = library_flow("autonomous", 40, steps=1, lipschitz=limit)
    evolve, tick = by_library(flow), torch.full((2000,), 0.05 / 4)
    steepest = torch.linalg.matrix_norm(slopes_of(flow, torch.cat([torch.zeros(1, 8), one])), 2).max().item()
    report[name] = steepest, flow.lipschitz_bound()
    with torch.no_grad():
        here, there, ratios, moved = one, other, [], 0.0
        for _ in moments_of:
            for _ in range(4):
                here, there = evolve(here, tick), evolve(there, tick)
            ratios.append((here - there).norm(dim=1) / 0.001)
            moved = max(moved, ((here - one).abs().max() / (0.05 * len(ratios))).item())
    growth[name] = torch.stack(ratios)  # [20, 2000]
    report[name] += (moved,)

# %% id="measure-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 2, figsize=(7.6, 2.6), sharey=True)
for ax, (name, ratios) in zip(axes, growth.items(), strict=True):
    ax.fill_between(
        moments_of, ratios.amin(1), ratios.amax(1), color=plots.SKY, alpha=0.5, label="2,000 pairs, least to most"
    )
    lines = {"claim: exp(t)": 1.0, "measured slopes": report[name][0], "bound by spectral norms": report[name][1]}
    for (label, rate), style in zip(lines.items(), plots.DASHES, strict=False):
        ax.plot(moments_of, torch.exp(rate * moments_of), linestyle=style, color=plots.BLACK, label=label)
    ax.set(title=name, yscale="log", ylim=(0.01, 1e4), xlabel="time (units of the flow)")
axes[0].set_ylabel("distance, relative to the start")
axes[1].legend(fontsize=8, loc="upper left")
plt.show()

# %% [markdown] id="measure-alt-en" lang="en" tags=["alt"]
# Two panels on a logarithmic axis, growth of the distance of 2,000 pairs against time from 0 to 1. No limit: the band of the pairs reaches above 10 and thus clearly above the lowest line, $e^t$; the lines of the measured slopes and of the spectral norms shoot out of the picture, far above the band. With lipschitz = 1: a narrow band below $e^t$, which now is also the line of the spectral norms.

# %% [markdown] id="measure-alt-zh" lang="zh" en="bf73d8d6" tags=["alt"]
# 两幅图，对数刻度，2,000 对状态的距离随时间（0 到 1）放大的倍数。没有限制：这些对的范围带超过 10，明显高出最低的那条线 $e^t$；按测得的斜率和按谱范数画的线冲出画面，远在范围带之上。lipschitz = 1：范围带很窄，在 $e^t$ 之下，这时它也就是按谱范数画的线。

# %% id="measure-check"
(steepest, bound, moved), (mild, limit, _) = report.values()
expect("no limit: largest slopes found", steepest, 14, tol=0.1)
expect("bound by spectral norms", bound, 23.5, tol=0.1)
expect_true("no coordinate moved faster than 1: that is what tanh does bound", 0.9 < moved <= 1)
over = growth["no limit"].amax(dim=1)
expect("largest growth in one unit of time", over[-1], 13.6, tol=0.2)
expect("what a constant of 1 would allow", math.exp(1), 2.72, tol=0.005)
for rate in (steepest, bound):
    expect_true("Grönwall holds, both sides", (growth["no limit"].log().abs() <= rate * moments_of[:, None]).all())
expect("lipschitz = 1: the bound", limit, 1, tol=1e-9)
expect_true("the measured slopes stay below it", mild <= limit)
expect_true("and no pair parts faster than exp(t)", (growth["lipschitz = 1"].log().abs() <= moments_of[:, None]).all())

# %% [markdown] id="measure-why-en" lang="en"
# Two states part by a factor of 13.6 in one unit of time, where a constant of 1 would allow 2.72. The tanh has kept its own promise, a speed of at most 1, and nothing else. The measured slopes (14) and the bound (23.5) both hold, and are both far too careful: $e^{14}$ is above a million. That is how bounds of this kind are; they say what cannot happen, not what will.
#
# **Spectral normalisation** turns the bound into a promise: `lipschitz=1` scales each of the two matrices down whenever its norm is above 1; then their product is at most 1, and no pair ever parts faster than $e^t$. It has a price. A field that may not be steep cannot make sharp distinctions. Whether the price is worth paying is a question for lesson 17 and for data, not for words like "bounded".

# %% [markdown] id="measure-why-zh" lang="zh" en="1c6f1373"
# 一个单位时间里，两个状态的距离放大到 13.6 倍，而常数为 1 只允许 2.72 倍。tanh 保证的只是速度不超过 1。测得的斜率（14）和上界（23.5）都成立，但都过于宽松：$e^{14}$ 超过一百万。这类界就是这样：它说的是什么不可能发生，不是什么会发生。
#
# **谱归一化**（spectral normalisation）使上界得到保证：两个矩阵中，只要范数超过 1，`lipschitz=1` 就会把它缩小；于是乘积最多是 1，任何一对状态的距离放大都不会快过 $e^t$。但这也有代价：变化平缓的场无法作出明显的区分。这个代价是否值得，要由第 17 课和数据来回答，而不能只凭“有界”这个词。

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **15.1 Implement · basic.** The walk back for any field: the Euler method has left its states, and a function gives the matrix of slopes of the field at a point (row: coordinate of the velocity, column: coordinate of the state). Return by how much the loss grows with the **first** state.

# %% [markdown] id="exercise1-zh" lang="zh" en="8ad217b2" tags=["exercise"]
# ## 练习
#
# **15.1 实现 · 基础。** 实现适用于任何向量场的倒推：欧拉法留下了沿途的状态，另有一个函数给出场在某点的斜率矩阵（行：速度的坐标，列：状态的坐标）。返回损失对**第一个**状态的斜率。


# %% id="exercise1-code" tags=["exercise"]
def walk_back(states, slopes, h, error):
    """states [K + 1, d] of K Euler steps of size h; slopes(z) -> [d, d]; error [d]: lambda at the last state -> lambda [d]."""
    ...


lesson15.check_walk_back(walk_back)


# %% id="exercise1-solution" tags=["solution"]
# Solution

def walk_back(states, slopes, h, error):
    for z in reversed(states[:-1]):  # the step that left z used the slopes at z
        error = error + h * slopes(z).T @ error
    return error


lesson15.check_walk_back(walk_back)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **15.2 Modify · core.** A field may read the **calendar**: around New Year everybody's taste moves otherwise. That is no contradiction to the flow property, as long as the time runs on. Go in two parts, each state from its own date: first over `first`, then over `second`. The library's `integrate` has the argument `start` for the date, a number for all or a column [n, 1].

# %% [markdown] id="exercise2-zh" lang="zh" en="8fedb468" tags=["exercise"]
# **15.2 修改 · 进阶。** 场可以读**日历**：新年前后，大家的偏好按另一种方式变化。只要时间连续计算，这与流的性质并不矛盾。请分两段走，每个状态从自己的日期出发：先走 `first`，再走 `second`。库的 `integrate` 用参数 `start` 接收日期，可以是所有行共用的一个数，也可以是一列 [n, 1]。


# %% id="exercise2-code" tags=["exercise"]
def in_two_parts(field, states, dates, first, second):
    """field reads (date, state); states [n, d]; dates, first, second [n] in weeks -> states [n, d]. Use steps=50."""
    ...


lesson15.check_calendar(in_two_parts)


# %% id="exercise2-solution" tags=["solution"]
# Solution

def in_two_parts(field, states, dates, first, second):
    half_way = integrate(field, states, first, steps=50, start=dates[:, None])
    return integrate(field, half_way, second, steps=50, start=(dates + first)[:, None])


lesson15.check_calendar(in_two_parts)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **15.3 Measure · core.** The largest stretch that the slopes of a field make, over given states. Then compare with the bound for Ida's learned field: the last layer has no tanh, so the product of the two spectral norms is a bound here too.

# %% [markdown] id="exercise3-zh" lang="zh" en="208db534" tags=["exercise"]
# **15.3 测量 · 进阶。** 在给定的状态上，一个场的斜率矩阵最多能把向量拉长多少倍。再拿它和小艾那个学到的场的上界比较：最后一层没有 tanh，所以这里两个谱范数之积同样是上界。


# %% id="exercise3-code" tags=["exercise"]
def steepest(field, states):
    """field(t, z) for z [d] -> [d]; states [n, d] -> the largest stretch, a number."""
    ...


lesson15.check_steepest(steepest)


# %% id="exercise3-solution" tags=["solution"]
# Solution

def steepest(field, states):
    slopes = [torch.autograd.functional.jacobian(lambda s: field(0.0, s), z) for z in states]
    return max(torch.linalg.matrix_norm(matrix, 2).item() for matrix in slopes)


lesson15.check_steepest(steepest)
norms = [torch.linalg.matrix_norm(layer.weight.detach(), 2).item() for layer in (field.layers[0], field.layers[2])]
along = taste(torch.linspace(0, 10, 100))
expect("Ida's true law along her path: steepest", steepest(ida, along), 6.6, tol=0.1)
expect_true("the learned field: at least half as steep there", steepest(field, along) > 3.3)
expect_true("and below the bound, which is more than twice as large", steepest(field, along) < norms[0] * norms[1] / 2)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **15.4 Think · stretch.** Which of these moves can be made **exactly** by a flow, following the paths of a smooth field for one week? Give a set of letters.
#
# - A: on the line, $z \to 3z$
# - B: on the line, $z \to -z$
# - C: in the plane, $(x, y) \to (-x, -y)$
# - D: in the plane, $(x, y) \to (x, -y)$, a mirror
# - E: the mirror of D, with one more number that starts at 0
# - F: on the line, $z \to z^2$, for starts from $-2$ to $2$

# %% [markdown] id="exercise4-zh" lang="zh" en="b903f12c" tags=["exercise"]
# **15.4 思考 · 挑战。** 下面哪些移动，可以由一个流**精确地**做到，也就是沿着某个光滑的场走一个星期？用字母的集合作答。
#
# - A：在线上，$z \to 3z$
# - B：在线上，$z \to -z$
# - C：在平面上，$(x, y) \to (-x, -y)$
# - D：在平面上，$(x, y) \to (x, -y)$，镜像
# - E：D 的镜像，但增加一个起初为 0 的数
# - F：在线上，$z \to z^2$，起点从 $-2$ 到 $2$

# %% id="exercise4-code" tags=["exercise"]
possible = ...

lesson15.check_possible(possible)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# A: z' = z ln 3. C: half a turn. E: half a turn about the x axis, through the third number. B would have to cross. D: a flow
# moves continuously, so a left hand stays a left hand. F: -1 and 1 would meet in 1, and paths that meet were never apart.
possible = {"A", "C", "E"}

lesson15.check_possible(possible)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** How far ahead should a law be trained? `loss_ahead(..., ahead=1)`, 3 and 8 differ in one argument. Fit a field for each of six people (seeds 0 to 5 of `photographs`) with each of them, with blur 0.02 and 0.1, and draw the error one and three weeks after the last photograph. Then split the photographs by time: train on the first seven weeks, choose `ahead` on the eighth, test on the rest. A good report has the difference between two choices as an interval over people, a picture over the horizon, the time that the training took, and one doubt: what does a long horizon cost where states part quickly?

# %% [markdown] id="open-zh" lang="zh" en="7f6e0fcd" tags=["open"]
# **开放任务。** 训练时应当预测多远？`loss_ahead(..., ahead=1)`、3 和 8 只差一个参数。请用每一种为六个人（`photographs` 的种子 0 到 5）各拟合一个场，误差取 0.02 和 0.1，画出最后一张照片之后一个星期和三个星期的误差。然后把照片分成几部分：用前七个星期训练，用第八个星期选择 `ahead`，用其余的测试。一份好的报告应当包含：两种选择之差对六个人的区间，误差随预测时间变化的图，训练所用的时间，以及一个疑问：如果状态分离得很快，预测得太远有什么代价？

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "difference": ...,  # error of one choice - that of another, over people: mean, low, high
    "validation": ...,  # {ahead: error on the eighth week}, for 1, 3 and 8
    "chosen": ...,  # the `ahead` that you took to the rest
    "seconds": ...,  # {ahead: seconds of training}
    "picture": ...,  # the figure, with a label on each axis
    "doubt": ...,  # what you doubt, in a sentence or two
}
lesson15.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## Ida, answered
#
# Where was her taste between two photographs five days apart? Start from both and follow the learned law, forwards and backwards: off by about 0.04 on average, where the ruler is off by more than four times as much. Next week? Follow the law onwards: off by about 0.1 after one week, and by 0.19 after three, where she would otherwise be nearly a whole point away from the last photograph.
#
# All of this rests on one thing: her taste really moves by a law, and stays where photographs have been taken. Whether people do is not answered by an equation. And nothing **happened** in these ten weeks: nobody played Ida a song that changed her mind. Lesson 16 lets events happen.

# %% [markdown] id="answer-zh" lang="zh" en="e942808b"
# ## 回答小艾的问题
#
# 两张照片相隔五天，中间她的偏好在哪里？从两头出发，顺着学到的规律一个往后、一个往回走：平均只差 0.04 左右，直线的误差是它的四倍多。下个星期呢？顺着规律往前走：一个星期差 0.1 左右，三个星期差 0.19，而她本人这时离最后一张照片差不多有一整个点那么远了。
#
# 这一切都靠一个前提：她的偏好确实按规律运动，而且没有走出拍过照片的地方。人是不是这样，方程回答不了。另外，这十个星期里什么也没有**发生**：没有人给小艾放过一首让她改变心意的歌。第 16 课让事件发生。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. A Neural ODE is a differential equation whose right-hand side is a network; its gradient walks back through the steps of the solver.
# 2. What is learned with coarse steps belongs to those steps: a law is learned only when finer steps change little. A small error in one step says nothing about many.
# 3. Backpropagation keeps every step and is exact for what was computed; the adjoint method keeps start and end only and needs a strict tolerance.
# 4. A field that reads the state alone is a flow: parts and whole agree, paths never cross. A field that reads the length of the gap is none.
# 5. A tanh bounds the speed, spectral norms bound the Lipschitz constant $L$, and two states part at most like $e^{Lt}$.

# %% [markdown] id="summary-zh" lang="zh" en="0b411559" tags=["summary"]
# ## 小结
#
# 1. 神经常微分方程就是右边为网络的微分方程；它的梯度沿求解器的各步倒推得到。
# 2. 用大步长学到的结果只属于这样的步长：步长减小时结果几乎不变，才算学到了规律。单步误差小，并不说明多步误差小。
# 3. 反向传播保存每一步，对实际计算的结果是精确的；伴随方法只保存起点和终点，容差必须很小。
# 4. 只读取状态的场是流：分段走与一次走完一致，轨迹永不相交。读取间隔长度的场不是流。
# 5. tanh 限制的是速度，谱范数限制的是利普希茨常数 $L$，两个状态的分离速度至多为 $e^{Lt}$。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> The field is $z' = -2z$ on the line, Euler with $h = 0.5$ from $z_0 = 1$, two steps, and the loss is half the squared distance of $z_2$ from 1. What is $\lambda_2$, and what is $\lambda_0$?</summary>
#
# The step factor is $1 - 2 \cdot 0.5 = 0$, so $z_1 = z_2 = 0$ and $\lambda_2 = -1$. $\lambda_1 = \lambda_2 + h M \lambda_2 = -1 + 1 = 0$, so $\lambda_0 = 0$: with this step no start can change the loss, although the true law lets it.
#
# </details>
#
# <details><summary><b>2.</b> Two teams fit the same photographs. One reports a pull of 0.46 with loss 0, the other 0.20 with loss 0. Can both have made no mistake? What do you ask?</summary>
#
# Yes: a fit belongs to its solver and step. Ask for both, and for the loss of the same numbers with ten times as many steps: the pull of 0.46 was right for Euler's coarse steps alone.
#
# </details>
#
# <details><summary><b>3.</b> You train with the loss on single steps and reach a loss below that of the true law. Is that possible, and is it good?</summary>
#
# It is possible with blurred inputs, for least squares makes the step too short to gain a little. It is not good: rolled out for 50 steps such a law was 14 times as wrong as one that was fitted 20 steps ahead.
#
# </details>
#
# <details><summary><b>4.</b> A learned step is off by 0.01 each time, and the law brings two states nearer by the factor 0.9 a step. How large can the error become? And if the factor is 1.1, after 50 steps?</summary>
#
# At most $0.01 / (1 - 0.9) = 0.1$, however long you go on. With 1.1 the first error alone has grown to $0.01 \cdot 1.1^{49} = 1.07$, and all together to 11.6.
#
# </details>
#
# <details><summary><b>5.</b> The memory of the GPU is full when you train a Neural ODE with 200 steps of RK4 a gap. What does the adjoint method save, what does it cost, and when is it dangerous?</summary>
#
# It keeps the start and the end in place of 800 evaluations. It costs a second run, here two to three times the evaluations. Dangerous where states come together: on the way back an error grows as they part, and the sign of the gradient may be wrong. Then take a strict tolerance.
#
# </details>
#
# <details><summary><b>6.</b> With the adjoint the loss rises although the step is small. Tolerance 1e-2, a field that pulls to a favourite. Which two tests do you run?</summary>
#
# Integrate from the end back and see whether the start comes out (in this lesson 5 in place of 0). And compare the gradient with that of backpropagation, or with a tolerance of 1e-6: another sign shows that the way back was lost.
#
# </details>
#
# <details><summary><b>7.</b> A model of the form $z + \Delta \cdot f(z, \Delta)$ was trained on gaps of up to one week, and is as good there as the flow. What do you expect at three weeks, and which test on one week would have shown it?</summary>
#
# It has not seen such gaps, and was off by 1.5 to 6 points where the flow was off by 0.2. Two half weeks against a whole one: its answers lie 0.15 apart, so it is no law of motion and there is nothing that could be continued.
#
# </details>
#
# <details><summary><b>8.</b> On the line, can a flow bring 1 to 2 and 2 to 1 within a week? 1 to 2 and 2 to 3? What changes in the plane?</summary>
#
# The first not: the paths would have to cross. The second yes, the order stays. In the plane the two may pass each other, and then the first can be done too, with one more number.
#
# </details>
#
# <details><summary><b>9.</b> A field ends in a tanh, so its speed is at most 1. Two users start 0.001 apart. A colleague says that they cannot be more than 0.002 apart at $t = 0.5$. Where is the mistake, and what would be true?</summary>
#
# The speed bounds how far each moves, 0.5, and not how fast they part. With $\tanh(10 z)$ a distance grew more than a hundredfold in that time. True is $0.001 \cdot e^{0.5 L}$ with the Lipschitz constant $L$; a distance of 0.0016 follows with $L = 1$.
#
# </details>
#
# <details><summary><b>10.</b> You may ask Ida for five more photographs. At which moments and at which places would they help the learned field most?</summary>
#
# Where no photographs lie: away from the path the arrows are at least three times as wrong. But her taste stays on its path, so more of the same path tells nothing about other places; another start, or the longest gaps between photographs, would.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="c3d6172b" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 线上的场为 $z' = -2z$，从 $z_0 = 1$ 用欧拉法走两步，$h = 0.5$，损失是 $z_2$ 与 1 之差的平方的一半。$\lambda_2$ 和 $\lambda_0$ 各是多少？</summary>
#
# 一步的因子是 $1 - 2 \cdot 0.5 = 0$，所以 $z_1 = z_2 = 0$，$\lambda_2 = -1$。$\lambda_1 = \lambda_2 + h M \lambda_2 = -1 + 1 = 0$，因此 $\lambda_0 = 0$：用这样的步长，起点无论怎样变化都不影响损失，而真正的规律并非如此。
#
# </details>
#
# <details><summary><b>2.</b> 两个小组拟合同样的照片。一个得到拉力 0.46，损失为 0；另一个得到 0.20，损失也为 0。有没有可能两者都没有错？你会问什么？</summary>
#
# 有可能，因为拟合的结果属于它的求解器和步长。应当询问这两项，并要求用十倍的步数计算同样两个数的损失：拉力 0.46 只对欧拉法的大步长是对的。
#
# </details>
#
# <details><summary><b>3.</b> 你用单步损失训练，得到的损失比真正的规律还低。这可能吗？这样好吗？</summary>
#
# 输入带有误差时，这是可能的，因为最小二乘法会使每一步偏小，以换取略低的损失。这并不好：这样的规律推演 50 步之后，误差是按 20 步之后的目标拟合的规律的 14 倍。
#
# </details>
#
# <details><summary><b>4.</b> 学到的规律每一步的误差为 0.01，而规律每一步使两个状态的距离变为 0.9 倍。误差最大是多少？如果倍数是 1.1，50 步之后呢？</summary>
#
# 无论推演多久，至多为 $0.01 / (1 - 0.9) = 0.1$。倍数为 1.1 时，仅第一步的误差就增长到 $0.01 \cdot 1.1^{49} = 1.07$，总共达到 11.6。
#
# </details>
#
# <details><summary><b>5.</b> 训练神经常微分方程时，每个间隔用 RK4 走 200 步，GPU 内存不够了。伴随方法节省什么，代价是什么，什么时候有危险？</summary>
#
# 它只保存起点和终点，而不是 800 次求值的结果。代价是再求解一次，这里是两到三倍的求值次数。如果场使状态汇合，就有危险：倒推时状态要分开，误差会增长，梯度的符号可能错误。这时必须用很小的容差。
#
# </details>
#
# <details><summary><b>6.</b> 使用伴随方法时，虽然步长很小，损失却上升。容差为 1e-2，场把状态拉向一个最爱。你会做哪两项检验？</summary>
#
# 一是从终点倒推，看能否回到起点（在本课里得到 5，而不是 0）。二是与反向传播的梯度比较，或者与容差 1e-6 的梯度比较：如果符号不同，说明倒推已经偏离。
#
# </details>
#
# <details><summary><b>7.</b> 形如 $z + \Delta \cdot f(z, \Delta)$ 的模型在不超过一个星期的间隔上训练，在那里与流一样好。三个星期时你预期会怎样？哪一项一个星期之内的检验就能发现问题？</summary>
#
# 它没有见过这样的间隔，误差为 1.5 到 6，而流只有 0.2。可以比较“两次半个星期”与“一个星期”：两个结果相距 0.15，所以它不是运动规律，无法继续推演。
#
# </details>
#
# <details><summary><b>8.</b> 在一条线上，流能不能在一个星期内把 1 移到 2、同时把 2 移到 1？把 1 移到 2、同时把 2 移到 3 呢？在平面里有什么不同？</summary>
#
# 第一种不能，因为轨迹必须相交。第二种可以，因为顺序不变。在平面里，两条轨迹可以相互绕开，所以增加一个数之后，第一种也能做到。
#
# </details>
#
# <details><summary><b>9.</b> 一个场的末尾是 tanh，所以速度至多为 1。两位用户的起点相距 0.001。同事说，在 $t = 0.5$ 时，他们的距离不会超过 0.002。错在哪里？正确的结论是什么？</summary>
#
# 速度的上界限制的是每个状态移动的距离，即 0.5，而不是两者分离的快慢。对 $\tanh(10 z)$，在这段时间里距离放大了一百多倍。正确的上界是 $0.001 \cdot e^{0.5 L}$，其中 $L$ 是利普希茨常数；如果 $L = 1$，就是 0.0016。
#
# </details>
#
# <details><summary><b>10.</b> 你可以请小艾再提供五张照片。在什么时刻、什么位置，对学到的场最有帮助？</summary>
#
# 在没有照片的地方：远离路径处，箭头的误差至少是三倍。但她的偏好始终在自己的路径上，同一条路径上的更多照片不能说明其他位置；换一个起点，或者在照片之间最长的间隔里补拍，才有帮助。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - R. T. Q. Chen, Y. Rubanova, J. Bettencourt, D. Duvenaud, *Neural Ordinary Differential Equations*, NeurIPS 2018: section 2, the adjoint method. [arXiv 1806.07366](https://arxiv.org/abs/1806.07366)
# - E. Dupont, A. Doucet, Y. W. Teh, *Augmented Neural ODEs*, NeurIPS 2019: sections 3 and 4, what a flow cannot do, and the extra dimension. [arXiv 1904.01681](https://arxiv.org/abs/1904.01681)
# - A. Gholami, K. Keutzer, G. Biros, *ANODE: Unconditionally Accurate Memory-Efficient Gradients for Neural ODEs*, IJCAI 2019: section 3, the way back that gets lost. [arXiv 1902.10298](https://arxiv.org/abs/1902.10298)
# - P. Kidger, *On Neural Differential Equations*, 2021: chapter 5, ways to the gradient. [arXiv 2202.02435](https://arxiv.org/abs/2202.02435)
# - T. Miyato, T. Kataoka, M. Koyama, Y. Yoshida, *Spectral Normalization for Generative Adversarial Networks*, ICLR 2018: section 2. [arXiv 1802.05957](https://arxiv.org/abs/1802.05957)
# - E. Hairer, S. P. Nørsett, G. Wanner, *Solving Ordinary Differential Equations I*, 2nd edition 1993: section I.10, Grönwall's inequality.
# - In this repository: `tutorial_lib/models/ode.py`, `tutorial_lib/models/deepm3_flows.py`, `tests/models/test_ode.py`, `tests/models/test_deepm3_flows.py`.

# %% [markdown] id="references-zh" lang="zh" en="6c9ebb08" tags=["references"]
# ## 参考文献
#
# - R. T. Q. Chen、Y. Rubanova、J. Bettencourt、D. Duvenaud，*Neural Ordinary Differential Equations*，NeurIPS 2018：第 2 节，伴随方法。[arXiv 1806.07366](https://arxiv.org/abs/1806.07366)
# - E. Dupont、A. Doucet、Y. W. Teh，*Augmented Neural ODEs*，NeurIPS 2019：第 3、4 节，流做不到什么，以及多出的一维。[arXiv 1904.01681](https://arxiv.org/abs/1904.01681)
# - A. Gholami、K. Keutzer、G. Biros，*ANODE: Unconditionally Accurate Memory-Efficient Gradients for Neural ODEs*，IJCAI 2019：第 3 节，在回程里迷路。[arXiv 1902.10298](https://arxiv.org/abs/1902.10298)
# - P. Kidger，*On Neural Differential Equations*，2021：第 5 章，求梯度的各种办法。[arXiv 2202.02435](https://arxiv.org/abs/2202.02435)
# - T. Miyato、T. Kataoka、M. Koyama、Y. Yoshida，*Spectral Normalization for Generative Adversarial Networks*，ICLR 2018：第 2 节。[arXiv 1802.05957](https://arxiv.org/abs/1802.05957)
# - E. Hairer、S. P. Nørsett、G. Wanner，*Solving Ordinary Differential Equations I*，第 2 版，1993：I.10 节，格朗沃尔不等式。
# - 本仓库：`tutorial_lib/models/ode.py`，`tutorial_lib/models/deepm3_flows.py`，`tests/models/test_ode.py`，`tests/models/test_deepm3_flows.py`。
