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
# A ruler answers the first question badly: it cuts the corner. It cannot answer the second one at all. What helps is to know the **law of motion**, the rule that says at every point of the plane in which direction the taste moves, and how fast. Nobody has written this law down. In this lesson you learn it from the 30 photographs, with a network in place of the law. On the way you compute a gradient through a solver by hand, get the same gradient with a hundredth of the memory, and find out what such a law can never do.

# %% [markdown] id="puzzle-zh" lang="zh" en="221cc345"
# 小艾每次打开音乐播放器，它都会记下两个数：正在放的音乐有多**吵**、有多**老**，都是和她一贯的最爱相比。两个数就是平面上的一个点，所以每条记录都是她口味的一张照片。有时她一个晚上打开三次，然后一个星期都不打开。十个星期之后，一共有 30 张照片。把它们摆在一起，能看出一条螺旋线：她的口味绕着最爱转圈，越转越近。
#
# 两个问题。有两张照片相隔五天，**在这中间**她的口味在哪里？**下个星期**又会在哪里？
#
# 第一个问题，用直尺连线答不好：直线抄了近路。第二个问题，直尺根本答不了。有用的是知道**运动规律**：在平面的每一点上，口味往哪个方向动，动得多快。这条规律没有人写下来过。这一课里，你会用一个网络来充当规律，从 30 张照片里把它学出来。一路上，你会亲手算出穿过求解器的梯度，再用百分之一的内存得到同样的梯度，还会弄清这样的规律永远做不到什么。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - compute the gradient of a loss through the steps of a solver, on paper and by program;
# - learn a vector field from photographs at irregular moments, and say where the learned field can be trusted;
# - choose between backpropagation through the solver and the adjoint method, and say what each of them costs;
# - test whether a model is a flow, and name what a flow cannot do and how one extra number mends it;
# - tell a bound on the speed from a Lipschitz constant, and bound how fast two states part.

# %% [markdown] id="objectives-zh" lang="zh" en="6396db45" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 在纸上和用程序，算出损失穿过求解器各步的梯度；
# - 从时刻不规则的照片里学出一个向量场，并说清学到的场在哪里可信；
# - 在“穿过求解器的反向传播”和伴随方法之间做选择，并说出各自的代价；
# - 检验一个模型是不是流，说出流做不到什么，以及怎样加一个数来补救；
# - 分清速度的界与利普希茨常数，并给出两个状态分开得有多快的上界。

# %% id="setup"
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_between, expect_close, expect_true, show_matrix
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
# 在让网络学规律之前，先学一条只有两个参数的规律。记点为 $z = (x, y)$，它的速度，也就是每星期的变化，是
#
# $$x' = -a\,x - b\,y, \qquad y' = b\,x - a\,y .$$
#
# $a$ 把点往中心**拉**，$b$ 让它向左**转**。$a = 0$ 时，点绕着圆跑；$a > 0$ 时，走的是螺旋线。在每一点给出一个速度的规则，叫做**向量场**（vector field）。
#
# $a$ 和 $b$ 我们都不知道，就猜 $a = 0$，$b = 1$。口味从 $(1, 0)$ 出发；一个星期后的照片显示它在 $(0.5, 0.5)$。按我们的猜测，它会走到哪里？第 14 课的回答是欧拉法。这里走两步就够，每步半个星期：按眼下的速度笔直往前走，走两次。
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
# 两个参数该怎么改？**梯度**会告诉我们，往回走就能算出它。在每个时刻都记一个向量 $\lambda$（lambda）：**如果把这一刻的状态稍微挪动一下，损失会增加多少？** 在终点，它就是误差本身，$\lambda_2 = z_2 - \text{photo}$。再往前一步：挪动 $z_1$，会通过两条路影响 $z_2$，一条是直接的，另一条是因为换了地方，速度也变了。记向量场的矩阵为 $M$（速度就是 $M z$）：
#
# $$z_2 = z_1 + h M z_1 \quad \Longrightarrow \quad \lambda_1 = \lambda_2 + h M^\top \lambda_2 .$$
#
# 参数呢？每个参数在每一步里都起作用。从 $z_k$ 出发的那一步里，多一点拉力，会让下一个状态移动 $-h z_k$；多一点转动，则移动 $h z_k$ 向左转过一个直角之后的向量。这对损失有多大影响，看它与 $\lambda_{k+1}$ 的点积。最后把各步加起来。
#
# <!-- definition -->

# %% [markdown] id="predict-gradient-en" lang="en" tags=["predict"]
# **Predict before you run.** The guess ends at $(0.75, 1)$, the photograph shows $(0.5, 0.5)$. Seen from the middle the end is too far out, and it has turned by 53 degrees instead of 45. So which of the two parameters should grow, and which should shrink?

# %% [markdown] id="predict-gradient-zh" lang="zh" en="d6316d36" tags=["predict"]
# **先猜，再运行。** 按猜测走到了 $(0.75, 1)$，照片上却是 $(0.5, 0.5)$。从中心看，终点太靠外了，而且转了 53 度，本该是 45 度。那么，两个参数里哪个该变大，哪个该变小？

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
# The loss falls when the pull grows (slope $-0.5$) and when the turn shrinks (slope $0.375$), as the picture suggested. Three witnesses. PyTorch's own backpropagation. Finite differences, which know nothing of gradients: move a parameter by a hair and look. And a closed form: write the point as one complex number, and an Euler step is one product with $w = 1 + h(-a + i b)$, so the end is $w^2$, and school calculus does the rest.

# %% [markdown] id="witness-zh" lang="zh" en="608b6c8f"
# 拉力变大，损失下降（斜率 $-0.5$）；转动变小，损失也下降（斜率 $0.375$），和图上看到的一致。请三个参照。第一位是 PyTorch 自己的反向传播。第二位是有限差分，它对梯度一无所知：把参数挪动一丝，看看结果变多少。第三位是封闭的公式：把点写成一个复数，欧拉法的一步就是乘以 $w = 1 + h(-a + i b)$，所以终点是 $w^2$，剩下的是中学微积分。


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
# 现在照片多一些：九张，彼此相隔半个星期，落在一条拉力 0.2、转动 1.5 的螺旋线上，没有任何噪声。从每张照片出发，用求解器走两步，预测下一张，然后沿梯度往下走。`integrate` 是第 14 课里库的函数；表里的每一行都有自己的时长。

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
# 欧拉法找到的拉力是 0.46，是真值的两倍多，损失却照样是 0。它的步子总往曲线外面跑，于是学出更强的拉力来抵消。拟合是完美的，但只对**这个求解器、这个步长**完美；换成细小的步子，同样两个数描述的是另一条螺旋线。想要的是规律本身，就得用足够小的步长去学，小到再小也几乎没有变化，并且要说明“几乎”是多少：下文用十倍的步数，损失的变化不到五分之一。
#
# 往回走的办法对任何向量场、任何求解器都一样。换成网络，$M$ 就是它在当前点上的斜率矩阵，这段路由自动求导替我们走。

# %% [markdown] id="ida-en" lang="en"
# ## Ida's photographs
#
# Now Ida. Her true law is in the next cell, because we need it to judge the answers; the learner never sees it. It is a cubic spiral: her taste runs faster the farther it is from the middle. The photographs are a little blurred: each of the two numbers is off by 0.02, typically.

# %% [markdown] id="ida-zh" lang="zh" en="6d0533f6"
# ## 小艾的照片
#
# 轮到小艾了。她真正的规律写在下一个单元格里，因为评判答案要用到它；学习的一方从头到尾看不到它。这是一条三次的螺旋线：离中心越远，口味跑得越快。照片有点模糊：两个数各有误差，通常是 0.02。


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
# 直尺看到的是什么？口味真正走的又是什么路？

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
# 左图：以吵和老为坐标的平面，黑色螺旋线绕中心转了将近两圈半，半径从 1 缩到约 0.5；附近有 30 个橙色的点，用虚线直连，照片少的地方，虚线抄近路穿过曲线。右图：十个星期里的吵闹程度，波动越来越慢、越来越小；点落在不规则的时刻上，虚线错过了几个波峰。

# %% [markdown] id="network-en" lang="en"
# ## A network as the law
#
# Two parameters cannot describe a taste that runs faster outside than inside. A network can: 2 numbers in, 32 neurons with a tanh, 2 numbers out. In: where the taste is. Out: **its velocity**. A differential equation whose right-hand side is a network is called a *Neural ODE*.
#
# Training is what you did above. From each photograph start the solver, let it run until the next photograph, the one after that and the third, and compare. (Three and not only one: over a long stretch the blur of the photographs counts for less.) Each pair of photographs has a gap of its own, and one call of `integrate` takes them all.
#
# There are only 30 photographs, so we use LBFGS, an optimizer for small problems that looks at all data in every step. Adam would come to the same end with many more steps.

# %% [markdown] id="network-zh" lang="zh" en="687e0b7a"
# ## 用网络充当规律
#
# 口味在外圈跑得比内圈快，两个参数描述不了。网络可以：输入 2 个数，中间 32 个带 tanh 的神经元，输出 2 个数。输入的是口味在哪里，输出的是**它的速度**。右边是网络的微分方程，叫做**神经常微分方程**（Neural ODE）。
#
# 训练和上面一样。从每张照片出发启动求解器，让它走到下一张、再下一张、第三张照片的时刻，然后比较。（走三张而不是一张：路程长了，照片的模糊就不那么要紧了。）每对照片都有自己的间隔，一次 `integrate` 全部算完。
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
# 在网格的每个点上画一个箭头，表示那里的速度：这样的图叫**相图**（phase portrait）。训练之前，网络相信什么？现在相信什么？真相又是什么？

# %% id="portrait-picture" tags=["picture", "nbval-ignore-output"]
side = torch.linspace(-1.0, 1.0, 9)
grid = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1)  # [9, 9, 2]
fig, axes = plt.subplots(1, 3, figsize=(7.6, 2.9), sharey=True)
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
# 三幅相图，30 张照片是橙色的点。训练之前：箭头很短，方向都差不多，从第一张照片出发的路径跑出了画面。学到的：箭头绕着中心向左转，外圈长，里圈短；路径沿着照片盘成螺旋，有几处不太圆。真正的规律：几乎是同一幅图，螺旋光滑；四角和正中央没有照片，学到的箭头在那里不一样。

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
# 在照片走过的路附近，学到的箭头与真相之差不到典型速度的四分之一。没有人给网络画过一个箭头：它只看到口味在 30 个时刻各在哪里。（训练时，每对照片走六步 RK4。步数增加到十倍，损失的变化不到五分之一：就模糊的照片所能说明的而言，已经够细了。）
#
# 一幅图证明不了多少，也没有回答那两个问题。所以我们找六个服从同一规律的人，每人有自己的照片、自己的模糊、自己的初始权重，再来问。
#
# **在两张照片之间**，取 400 个时刻：**直尺**（两个邻居之间的直线）；从前一张照片出发的**流**；以及**两头夹**的流，从前一张往后走，再从后一张往回走（时长为负），离哪张近就多信哪张。
#
# **在最后一张照片之后**，一个星期和三个星期：**原地不动**；**两个数**，也就是前面那条规律，用同样的照片拟合；流；还有**一跳**。一跳是最容易想到的另一种模型：把间隔告诉网络，一步走完，$z + \Delta \cdot f(z, \Delta)$，其中 $\Delta$（delta）是间隔。它的宽度相同，学的也是同样的照片对。

# %% [markdown] id="predict-compare-en" lang="en" tags=["predict"]
# **Predict.** Does the flow beat the ruler where photographs are half a week apart or more? And where they are closer? Which of the four is worst after three weeks?

# %% [markdown] id="predict-compare-zh" lang="zh" en="9561ae5d" tags=["predict"]
# **猜一猜。** 照片相隔半个星期以上的地方，流能胜过直尺吗？相隔更近的地方呢？三个星期之后，四种办法里哪种最差？


# %% id="compare-code" tags=["training", "nbval-ignore-output"]
def by_jump(network):
    return lambda z, weeks: z + weeks[:, None] * network(0, torch.cat([z, weeks[:, None]], dim=1))


def miss(guess, truth):
    """Root of the mean squared distance."""
    return (guess - truth).square().sum(dim=-1).mean().sqrt().item()


people = [(moments, photos, field, two)]
for seed in range(1, 6):
    torch.manual_seed(seed)
    seen, learner, plain = photographs(seed), Network(), Spiral()
    fit(learner, loss_ahead(by_flow(learner, steps=6), *seen))
    fit(plain, loss_ahead(by_flow(plain, steps=6), *seen), rounds=2)
    people.append((*seen, learner, plain))

between, later, jumps = [], [], []
for when, where, learner, plain in people:
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
# 两幅对数坐标的点图，一个点代表一个人。左图，照片之间：间隔短时，直尺和流都在 0.03 左右，两头夹的流略低一点；间隔长时，直尺在 0.08 到 0.36 之间，两种流都在 0.05 附近。右图，最后一张照片之后：原地不动，一个星期差 0.45，三个星期差 0.9；两个数差 0.25 和 0.6；一跳在一个星期时差 0.1 到 0.4，三个星期时却差 1.5 到 6；流差 0.1 和 0.2 左右。

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
# - **The jump** cannot be told from the flow after one week, a gap of a length that it has met in training. After three weeks it is useless. It has learned the gaps it saw, one by one so to speak; that three weeks are three times one week, nobody told it. A flow knows that without being told.
#
# And where can the learned field be trusted? Compare the error of its arrows near the path and away from it.

# %% [markdown] id="compare-why-zh" lang="zh" en="4ad75180"
# - **照片稀少的地方，流明显胜出**；直尺抄了近路。照片密集的地方，直尺和单边的流一样好：路程短了，什么曲线都是直的，两者又都继承了照片的模糊。只有两头夹略好一点，因为它把两张照片的模糊平均掉了一些。
# - **三个星期之后**，原地不动差 0.87，流只差 0.19 左右。两个数差 0.5 以上：规律的形状很要紧。
# - **一跳**在一个星期时和流分不出高下，这样长的间隔它在训练中见过。到了三个星期，它就毫无用处。可以说，它把见过的间隔一个一个地学了下来；三个星期等于三个一星期，没有人告诉过它。流不用告诉就知道。
#
# 那么，学到的场在哪里可信？比较一下离路近和离路远的地方，箭头各错多少。

# %% id="trust-code"
near = [field_error(learner, distance < 0.1) for _, _, learner, _ in people]
away = [field_error(learner, distance > 0.25) for _, _, learner, _ in people]
expect_true(
    "away from the path at least three times as wrong, for everybody", (np.array(away) > 3 * np.array(near)).all()
)
expect_true("near the path: wrong by less than half the speed, for everybody", max(near) < speed / 2)

# %% [markdown] id="slider-en" lang="en"
# A learned law is a law like any other, so lesson 14 applies: the path you get depends on the solver and its steps. Black is the path of the learned field, computed with an error far below the width of the line; the other line is what a coarse solver makes of the same field.

# %% [markdown] id="slider-zh" lang="zh" en="517e5fb8"
# 学到的规律也是规律，第 14 课的道理同样适用：得到什么样的路径，取决于求解器和它的步子。黑线是学到的场的路径，误差远小于线宽；另一条线是粗糙的求解器在同一个场里走出来的。


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
# 以吵和老为坐标的平面。黑色螺旋线向里盘。带点的红线是欧拉法，每星期 20 步，从同一点出发，却没有向里走，而是越来越跑到黑线外面。

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
# 自己运行下一个单元格，拖动滑块。（存好的网页里，这里什么也看不到。）要让两条线合成一条，每种求解器每星期至少要走几步？

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
# which is the rule of your walk, $\lambda_k = \lambda_{k+1} + h M^\top \lambda_{k+1}$, with ever smaller steps. The shares of the parameters $\theta$ are added up on the way: $\dfrac{dL}{d\theta} = \displaystyle\int \lambda^{\top} \frac{\partial f}{\partial \theta}\, dt$, from the start to the end.
#
# There is one weak point, and you can see it with the two steps from the beginning. Step back from the end, with the velocity at the end.
#
# In the library: [`tutorial_lib.models.ode.integrate_adaptive`](../../tutorial_lib/models/ode.py).

# %% [markdown] id="ways-zh" lang="zh" en="e30f9c4d"
# ## 求梯度的两种办法
#
# 往回走的时候，你用到了 $z_1$ 和 $z_0$：场**在那里**的斜率。所以反向传播要把求解器沿途算出的一切都留着，走得越多，内存用得越多。**伴随方法**（adjoint method）只保留一段的起点和终点，中间什么都不留。它让规律**逆着时间**走，同时求解 $\lambda$ 的方程
#
# $$\lambda' = -\left(\frac{\partial f}{\partial z}\right)^{\!\top} \lambda ,$$
#
# 这正是你往回走的规则 $\lambda_k = \lambda_{k+1} + h M^\top \lambda_{k+1}$，只是步子越来越小。各个参数 $\theta$ 的份额沿途累加：$\dfrac{dL}{d\theta} = \displaystyle\int \lambda^{\top} \frac{\partial f}{\partial \theta}\, dt$，从起点积到终点。
#
# 它有一个弱点，用开头的那两步就能看出来。从终点往回退，用终点处的速度。
#
# 库中的实现：[`tutorial_lib.models.ode.integrate_adaptive`](../../tutorial_lib/models/ode.py)。

# %% [markdown] id="predict-back-en" lang="en" tags=["predict"]
# **Predict.** From $z_2 = (0.75, 1)$, half a week back with the velocity at $z_2$. Do you arrive at $z_1 = (1, 0.5)$?

# %% [markdown] id="predict-back-zh" lang="zh" en="d4c0f9ec" tags=["predict"]
# **猜一猜。** 从 $z_2 = (0.75, 1)$ 出发，用 $z_2$ 处的速度往回退半个星期。会退到 $z_1 = (1, 0.5)$ 吗？

# %% id="back-code"
back = path[2] - 0.5 * spiral(path[2], 0.0, 1.0)
show_matrix(torch.stack([path[1], back]), ["z1, where we came from", "one step back from z2"], ["x", "y"], digits=3)
expect_close("the step back ends elsewhere", back, [1.25, 0.625], tol=1e-12)

# %% [markdown] id="ways-library-en" lang="en" tags=["library"]
# No: a step back uses the velocity at another point than the step forwards. The path that the adjoint method sees on its way back is another path than the one that made the loss, and its slopes are those of another path. With smaller steps, or a solver of higher order, the two come together.
#
# The library leaves the steps to torchdiffeq's adaptive solver: `rtol` and `atol` are the errors it may make, relative and absolute. With `adjoint=True` the gradient takes the second way.

# %% [markdown] id="ways-library-zh" lang="zh" en="782e7fd2" tags=["library"]
# 不会：往回的一步所用的速度，和往前那一步的不在同一点上。伴随方法在回程中看到的路，不是造成损失的那条路，斜率自然也是另一条路上的。步子更小，或者求解器的阶更高，两条路就会合到一起。
#
# 库把步长交给 torchdiffeq 的自适应求解器：`rtol` 和 `atol` 是允许它犯的误差，一个是相对的，一个是绝对的。写上 `adjoint=True`，梯度就走第二种办法。

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
# ![Forwards. Step 1: the solver asks the network f for slopes and carries the state from z of 0 to z of T. Step 2: the loss. Back, first way: backpropagation through the solver, step 3: it walks through all stored states, from the last to the first, so memory grows with the number of steps. Second way, the adjoint: step 3: lambda at the end is the slope of the loss; step 4: one equation is solved backwards in time, for the state, lambda and the shares of the parameters together; only the end is kept. Time enters as the duration T, forwards and backwards.](../figures/en/neural_ode.svg)
#
# **Read it off the drawing.** Which way needs the states between 0 and $T$ to be stored? Which step of the other way finds them again, and may find others?
#
# <details><summary>Answer</summary>
#
# The first way, at step 3. The adjoint finds them again in step 4, when it solves $z$ backwards; there its error comes from.
#
# </details>

# %% [markdown] id="drawing-zh" lang="zh" en="44fe4464"
# 正向和两种反向办法画成一张图：
#
# ![正向。第 1 步：求解器向网络 f 问斜率，把状态从时刻 0 带到时刻 T。第 2 步：损失。反向的第一种办法是穿过求解器做反向传播，第 3 步：从最后一个到第一个，走过所有保存的状态，所以内存随步数增长。第二种办法是伴随方法，第 3 步：终点的 lambda 是损失的斜率；第 4 步：逆着时间求解一个方程，状态、lambda 和参数的份额一起算；只保存终点。时间以时长 T 进入，正向和反向都是。](../figures/zh/neural_ode.svg)
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
# 两种办法不会一直吻合到最后一位，因为它们回答的是两个问题。反向传播给出的是**求解器用那些步子算出的结果**的梯度，连同它的错误。伴随方法近似的是**精确规律**的梯度，带着自己的误差。求解器足够精细时，两者吻合到 1e-7。容差为 1e-2 时，两者相差十分之一以上，而且谁也不是规律的梯度：前向的路本身就已经错了。
#
# 那何必要它呢？数一数 PyTorch 为回程保存了多少字节。有一个钩子能看到每个被保存的张量；权重不算，它们反正都在。这是计数，每次运行都一样。


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
# 反向传播为每次函数求值都保存同样多的东西，所以步数翻倍，字节也翻倍。伴随方法只留起点和终点，中间发生什么都不管。代价是规律要再走一遍，这里函数求值次数是原来的两到三倍。
#
# 在一段历史的两个事件之间，求解器只走几步，状态也小。这时，穿过几个固定步的反向传播是更好的选择：对算出的结果来说是精确的，而且快。后面几课的模型就是这么做的。

# %% [markdown] id="loose-en" lang="en" tags=["break-it"]
# ## Break it, 1: the way back that gets lost
#
# A taste that returns to a favourite at $z = 1$, from 0: $z' = r\,(1 - z)$ with the rate $r = 1$ per week. After 8 weeks all starts have come together at 1. Now run this **backwards**: what came together must part, and an error of a thousandth at the end grows by $e^8$, almost three thousand. The truth is known in closed form: $z(8) = 1 - e^{-8r}$, so its slope in $r$ is $8 e^{-8}$.
#
# **Predict.** With a tolerance of 1e-2, from where does the way back believe that we started? And which sign has the gradient?

# %% [markdown] id="loose-zh" lang="zh" en="1d31982b" tags=["break-it"]
# ## 弄坏它之一：在回程里迷路
#
# 一种口味从 0 出发，回到位于 $z = 1$ 的最爱：$z' = r\,(1 - z)$，速率 $r = 1$（每星期）。8 个星期之后，不管从哪里出发，都汇到了 1。现在让它**倒着走**：汇到一起的必须重新分开，终点处千分之一的误差会放大 $e^8$ 倍，将近三千倍。真值有封闭的公式：$z(8) = 1 - e^{-8r}$，所以它对 $r$ 的斜率是 $8 e^{-8}$。
#
# **猜一猜。** 容差取 1e-2，回程会以为我们是从哪里出发的？梯度是什么符号？


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
# 回程以为我们是从 5 左右出发的，梯度指着相反的方向：优化器跟着它走，拟合只会越来越差，而且没有任何提示。在这个容差下，另一种办法的大小也不对，因为前向的路同样粗心，但符号是对的。口味有归宿的时候，让状态汇到一起的场是常态。这时，要么把容差收紧，要么用固定步长加反向传播。

# %% [markdown] id="flow-en" lang="en"
# ## What makes it a flow
#
# Evolve for 0.4, then for 0.6: you must be where one call with 1.0 leads. For a law of motion that is a matter of course; for a network it is a property that has to be built in. A model with it is called a *flow*. A field that reads only the state has it by construction, up to the error of the solver.
#
# DeepM3, the model of lesson 17, as published, has not: its field **reads the length of the gap** it is about to cross, and crosses it in one step. The library has both forms in one class. (Its unit of time is the logarithm of hours; here only the arithmetic of 0.4 and 0.6 matters.)

# %% [markdown] id="flow-zh" lang="zh" en="a94c409f"
# ## 怎样才算流
#
# 先演化 0.4，再演化 0.6，应当和一次演化 1.0 到达同一处。对运动规律来说，这是理所当然的；对网络来说，这是需要专门造出来的性质。有这种性质的模型叫做**流**（flow）。只读状态的场，天生就有这种性质，只差求解器的误差。
#
# 第 17 课的模型 DeepM3，照发表的形式却没有：它的场会**读入即将跨过的间隔有多长**，然后一步跨过去。库把两种形式写在同一个类里。（它的时间单位是小时的对数；这里只关心 0.4 和 0.6 怎么相加。）

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
# **猜一猜。** 把权重放大到起步时的 20 倍，好让状态动起来。下面哪些能与自己吻合到 1e-4：小艾的场配 RK4？库的流走 50 步？只走一步？发表的形式？


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
# ## 弄坏它之二：读入间隔长度的场
#
# 你也许会说，那些权重是随机的，训练自然会教它与自己一致。训练过的你手里就有：六个人的一跳，正是这种形式。一个星期的时候，它和流分不出高下。现在分别问它“一个星期”和“两次半个星期”。

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
# 同样的一个星期，给出的两个答案相距 0.15，是照片模糊程度的好几倍。一个没有意义的事件，比如被播放器跳过的一首歌，会把这个星期切成两半，状态就变了。它是一个**被告知间隔的残差网络**，作为模型也不错，但不是运动规律：它的步子没法变细，没见过的间隔对它来说是全新的。

# %% [markdown] id="cross-en" lang="en"
# ## What a flow cannot do
#
# Suppose a fashion turns round: within a week, those at $z$ move to $-z$, on one line of "for" and "against". Can a flow on the line learn this? Two paths that start at $-1$ and $1$ would have to meet on the way. But where they meet **at the same moment** the field has one velocity for both, so from there on they would stay together. *Trajectories cannot cross.* On a line that means: who starts on the right stays on the right.
#
# The best that is left: bring all starts to the middle. With nine starts from $-2$ to $2$ this costs a mean squared error of $5/3$, the mean of $z^2$.

# %% [markdown] id="cross-zh" lang="zh" en="0e234131"
# ## 流做不到什么
#
# 假设一种时尚翻转了：一个星期之内，在“喜欢—不喜欢”这条线上，位于 $z$ 的人都移到 $-z$。线上的流学得会吗？从 $-1$ 和 $1$ 出发的两条路，途中必须相遇。可是在**同一时刻**相遇的地方，场给两者的速度是同一个，从此它们就再也分不开。“轨迹（trajectory）不能相交。”在一条线上，这意味着：出发时在右边的，永远在右边。
#
# 剩下的最好办法，是把所有起点都带到中间。九个起点从 $-2$ 到 $2$，代价是均方误差 $5/3$，也就是 $z^2$ 的平均。

# %% [markdown] id="predict-cross-en" lang="en" tags=["predict"]
# **Predict.** Three learners, five seeds each: a flow on the line with 8 steps of RK4; the same with **one Euler step**; and a flow with **one more number**, 0 at the start and free to move, whose end nobody looks at. Which of them reach an error near 0 in training? And which of them still have it when the solver takes 400 steps?

# %% [markdown] id="predict-cross-zh" lang="zh" en="5574d24a" tags=["predict"]
# **猜一猜。** 三个学习者，各五个种子：线上的流，RK4 走 8 步；同样的流，只走**一个欧拉步**；还有**多带一个数**的流，这个数起初为 0，可以随意移动，终点是多少没人管。训练时，哪几个的误差能接近 0？换成 400 步的求解器，哪几个还能保持？

# %% id="cross-code" tags=["training", "nbval-ignore-output"]
starts, week = torch.linspace(-2, 2, 9)[:, None], torch.ones(9)
kinds = {"line, RK4": (1, "rk4", 8), "line, one Euler step": (1, "euler", 1), "one more number": (2, "rk4", 8)}
trained, refined, turners = {}, {}, {}
for name, (dim, solver, steps) in kinds.items():
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
    print(f"{name:22s} as trained", trained[name].round(4), " with 400 steps", refined[name].round(4))

# %% id="cross-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 3, figsize=(8, 2.5))
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
# 三幅图。线上的流：一个星期里的五条路都汇向中间，互不相交。一个欧拉步：虚线把每个起点笔直连到它的镜像点，彼此相交；同一个场用细步走出的实线则向中间收缩，互不相交。多带一个数：在 z 与另一个数组成的平面里，各条路从起点的圆点走到 z 相反的方块，从中间的不同侧绕过去。

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
# ## 弄坏它之三：一步跳过规矩
#
# 中间那个学习者破了规矩，值得细看。一个欧拉步是 $z + f(z)$。要到达 $-z$，它学到的是 $f(z) = -2z$，用这个速度走上整整一个星期，就越过中间冲到了另一边。可是 $z' = -2z$ 这条**规律**永远到不了另一边，它通向 $e^{-2} z$，大约是起点的 0.135 倍。

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
# The honest remedy is more room. In the plane the two paths pass each other sideways, as two people in a corridor do. In a recommender this is never a worry: a state of 64 numbers has room enough.

# %% [markdown] id="cheat-why-zh" lang="zh" en="2cbc58ae"
# 步子粗的时候，网络和求解器合起来才是一个模型，它能做到任何微分方程都做不到的事。这也许有用，但不能把它叫做运动规律，凡是对流证明过的性质，对它都不成立。
#
# 老实的办法是给它更多的空间。在平面里，两条路可以侧身让过，就像走廊里迎面走来的两个人。在推荐系统里不必为此担心：64 个数的状态，空间足够大。

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
# ## 两个状态能分开得多快
#
# 照片模糊，起点就错了。这个误差会一直小下去吗？记两个状态的距离为 $\delta$。如果任意两点的速度之差都不超过距离的 $L$ 倍，那么
#
# $$e^{-L t}\,\delta(0) \;\le\; \delta(t) \;\le\; e^{L t}\,\delta(0) .$$
#
# 这就是**格朗沃尔不等式**（Grönwall's inequality），满足条件的最小的 $L$ 叫做场的**利普希茨常数**（Lipschitz constant）。有人写道，末尾带 tanh 的场是“利普希茨有界”的，所以误差长不大。可是 tanh 限制的是另一样东西：**速度**，每个坐标不超过 1。走得慢的场，照样可以把两个邻居送往相反的方向。
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
# - **上界**：tanh 不会拉长任何东西，所以 $W_1$ 和 $W_2$ 的谱范数之积就够了。它从不说谎，但可能大得太多。这就是 `lipschitz_bound`；
# - **据说 tanh 能给的**：1。
#
# 然后检验：2,000 对状态，每对相距千分之一。它们会分开多少？


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
fig, axes = plt.subplots(1, 2, figsize=(8, 2.7), sharey=True)
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
# 一个单位时间里，两个状态的距离放大到 13.6 倍，而常数为 1 只允许 2.72 倍。tanh 守住的是它自己的承诺，速度不超过 1，仅此而已。测得的斜率（14）和上界（23.5）都成立，也都谨慎过头：$e^{14}$ 超过一百万。这类界就是这样：它说的是什么不可能发生，不是什么会发生。
#
# **谱归一化**（spectral normalisation）把上界变成承诺：两个矩阵里，哪个的范数超过 1，`lipschitz=1` 就把哪个缩小；于是乘积最多是 1，任何一对状态的距离放大都不会快过 $e^t$。代价也是有的：不许陡的场，做不出鲜明的区分。这个代价值不值得，要由第 17 课和数据来回答，“有界”这样的词说了不算。

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **15.1 Implement.** The walk back for any field: the Euler method has left its states, and a function gives the matrix of slopes of the field at a point (row: coordinate of the velocity, column: coordinate of the state). Return by how much the loss grows with the **first** state.

# %% [markdown] id="exercise1-zh" lang="zh" en="3add8278" tags=["exercise"]
# ## 练习
#
# **15.1 实现。** 对任何向量场都能用的“往回走”：欧拉法留下了沿途的状态，另有一个函数给出场在某点的斜率矩阵（行：速度的坐标，列：状态的坐标）。返回损失对**第一个**状态的斜率。


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
# **15.2 Modify.** A field may read the **calendar**: around New Year everybody's taste moves otherwise. That is no contradiction to the flow property, as long as the clock runs on. Go in two parts, each state from its own date: first over `first`, then over `second`. The library's `integrate` has the argument `start` for the date, a number for all or a column [n, 1].

# %% [markdown] id="exercise2-zh" lang="zh" en="d6e155e5" tags=["exercise"]
# **15.2 修改。** 场可以读**日历**：新年前后，大家的口味走法不同。只要时钟接着走，这和流的性质并不矛盾。请分两段走，每个状态从自己的日期出发：先走 `first`，再走 `second`。库的 `integrate` 用参数 `start` 接收日期，可以是所有行共用的一个数，也可以是一列 [n, 1]。


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
# **15.3 Measure.** The largest stretch that the slopes of a field make, over given states. Then compare with the bound for Ida's learned field: the last layer has no tanh, so the product of the two spectral norms is a bound here too.

# %% [markdown] id="exercise3-zh" lang="zh" en="38dd45a5" tags=["exercise"]
# **15.3 测量。** 在给定的状态上，一个场的斜率矩阵最多能把向量拉长多少倍。再拿它和小艾那个学到的场的上界比较：最后一层没有 tanh，所以这里两个谱范数之积同样是上界。


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
# **15.4 Think.** Which of these moves can be made **exactly** by a flow, following the paths of a smooth field for one week? Give a set of letters.
#
# - A: on the line, $z \to 3z$
# - B: on the line, $z \to -z$
# - C: in the plane, $(x, y) \to (-x, -y)$
# - D: in the plane, $(x, y) \to (x, -y)$, a mirror
# - E: the mirror of D, with one more number that starts at 0
# - F: on the line, $z \to z^2$, for starts from $-2$ to $2$

# %% [markdown] id="exercise4-zh" lang="zh" en="e9df5885" tags=["exercise"]
# **15.4 思考。** 下面哪些移动，可以由一个流**精确地**做到，也就是沿着某个光滑的场走一个星期？用字母的集合作答。
#
# - A：在线上，$z \to 3z$
# - B：在线上，$z \to -z$
# - C：在平面上，$(x, y) \to (-x, -y)$
# - D：在平面上，$(x, y) \to (x, -y)$，照镜子
# - E：D 的镜子，但多带一个起初为 0 的数
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

# %% [markdown] id="answer-en" lang="en"
# ## Ida, answered
#
# Where was her taste between two photographs five days apart? Start from both and follow the learned law, forwards and backwards: off by about 0.04 on average, where the ruler is off by more than four times as much. Next week? Follow the law onwards: off by about 0.1 after one week, and by 0.19 after three, where she would otherwise be nearly a whole point away from the last photograph.
#
# All of this rests on one thing: her taste really moves by a law, and stays where photographs have been taken. Whether people do is not answered by an equation. And nothing **happened** in these ten weeks: nobody played Ida a song that changed her mind. Lesson 16 lets events happen.

# %% [markdown] id="answer-zh" lang="zh" en="e942808b"
# ## 回答小艾的问题
#
# 两张照片相隔五天，中间她的口味在哪里？从两头出发，顺着学到的规律一个往后、一个往回走：平均只差 0.04 左右，直尺的误差是它的四倍多。下个星期呢？顺着规律往前走：一个星期差 0.1 左右，三个星期差 0.19，而她本人这时离最后一张照片差不多有一整个点那么远了。
#
# 这一切都靠一个前提：她的口味确实按规律运动，而且没有走出拍过照片的地方。人是不是这样，方程回答不了。另外，这十个星期里什么也没有**发生**：没有人给小艾放过一首让她改变心意的歌。第 16 课让事件发生。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. A Neural ODE is a differential equation whose right-hand side is a network; its gradient walks back through the steps of the solver.
# 2. What is learned with coarse steps belongs to those steps: a law is learned only when finer steps change nothing.
# 3. Backpropagation keeps every step and is exact for what was computed; the adjoint method keeps start and end only and needs a strict tolerance.
# 4. A field that reads the state alone is a flow: parts and whole agree, paths never cross. A field that reads the length of the gap is none.
# 5. A tanh bounds the speed, spectral norms bound the Lipschitz constant $L$, and two states part at most like $e^{Lt}$.

# %% [markdown] id="summary-zh" lang="zh" en="35cc1472" tags=["summary"]
# ## 小结
#
# 1. 神经常微分方程就是右边为网络的微分方程；它的梯度沿着求解器的步子往回走。
# 2. 用粗步子学到的东西，只属于那样的步子：换成更细的步子也不变，才算学到了规律。
# 3. 反向传播保存每一步，对算出的结果是精确的；伴随方法只保存终点，容差必须收紧。
# 4. 只读状态的场是流：分段走和一次走完一致，路永不相交。读入间隔长度的场不是流。
# 5. tanh 限制的是速度，谱范数限制的是利普希茨常数 $L$，两个状态分开得最快不过 $e^{Lt}$。

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
