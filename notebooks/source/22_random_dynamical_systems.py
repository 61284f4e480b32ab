# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Vera's visits to a film site: a short gap, a long one, long, short, short, long ... You look for a pattern and find none. Her brother says: she tosses a coin. A physicist says: no, this is chaos, a strict law without any chance in it. And the page of a project says: *real interactions form a random dynamical system with high random topological entropy*, and that is why its model wins.
#
# Three explanations for one log. Which is right? And before that: is there **any** log that could tell them apart?
#
# The third sentence sounds like mathematics, so we treat it as such. In this lesson you look up what its words mean, build an estimator for each of them, try every estimator on systems whose answer is known, and only then on data. One half of the claim turns out to be a question that no log can answer. The other half can be measured, and the answer is small.

# %% [markdown] id="puzzle-zh" lang="zh" en="c05282ad"
# 小薇访问一个电影网站：间隔先短，后长，长，短，短，长……你想找规律，没有找到。她弟弟说：她在抛硬币。一位物理学家说：不对，这是混沌，一条严格的规律，里面没有半点偶然。而某个项目的主页上写着：“真实的交互（interaction）构成一个随机动力系统，具有很高的随机拓扑熵”，所以它的模型才会赢。
#
# 同一份日志，三种解释。哪一种对？在此之前还得问：有没有**任何**一份日志能把它们区分开？
#
# 第三句话听上去是数学，我们就按数学来对待。这一课里，你会查清其中每个词的意思，为它们各造一个估计量，先在答案已知的系统上逐一试过，最后才用到数据上。结果是：这条主张有一半，任何日志都回答不了；另一半可以测量，而测出来的量很小。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - estimate the entropy rate of a short sequence by hand, and say by how much a naive count errs;
# - keep three things apart that are all called irregular: uneven, unordered, unpredictable;
# - say what a random dynamical system is, its cocycle, its shift, its Lyapunov exponent and its topological entropy, and estimate the last two on systems with known answers;
# - show that two systems, one with this entropy and one without, can write the same log;
# - turn a large claim into the part that can be tested, test it on four data sets, and write a verdict.

# %% [markdown] id="objectives-zh" lang="zh" en="41d39481" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 手算一个短序列的熵率，并说清朴素的计数偏差多少；
# - 区分三件都被叫作“不规则”的事：不均匀、没有先后规律、不可预测；
# - 说清随机动力系统、上闭链、移位、李雅普诺夫指数和拓扑熵是什么，并在答案已知的系统上估计它们；
# - 证明两个系统，一个有这种熵，一个没有，却可以写出同样的日志；
# - 从一条大胆的主张里取出可以检验的部分，在四个数据集上检验，并写出判定。

# %% id="setup"
import math
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np

from studies.entropy import (
    CORRECTIONS,
    PER_WORD,
    burstiness,
    discretise,
    entropy_rate,
    fibre_entropy,
    fit_bins,
    memory,
    sample_entropy,
    separated_counts,
    shuffled,
    word_counts,
    words,
)
from studies.entropy_facts import measure, read_entropy, verdict
from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_close, expect_true, settings, show_matrix
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.gaps import gaps, irregularity
from tutorial_lib.data.simulate import World, drift, load_ceiling, simulate
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import ndcg
from exercises import lesson22
from tutorial_lib.experiments.results import read_suite, suite_names
from tutorial_lib.statistics import Interval, bootstrap_interval

plots.use_style()
DAY, LN2 = 86_400, math.log(2)

# %% [markdown] id="parameters-en" lang="en"
# Most of this lesson runs on systems that we make ourselves. One measurement is taken on the data set that this cell names; the table of four data sets is the same wherever you run it.

# %% [markdown] id="parameters-zh" lang="zh" en="c53a1b4f"
# 这一课大部分都在我们自己造的系统上进行。有一次测量用的是这个单元格指定的数据集；四个数据集的那张表，则无论在哪里运行都一样。

# %% id="parameters-code" tags=["parameters"]
DATASET, USERS = settings(dataset="sample", users=None)
ON_SAMPLE = DATASET == "sample" and USERS is None  # the numbers in the text are checked only there

# %% [markdown] id="tiny-en" lang="en"
# ## Eight letters, counted by hand
#
# Write S for a short gap and L for a long one. Vera's first eight gaps:
#
# $$\text{S L S S L S L L}$$
#
# How unpredictable is the next letter? **Entropy** answers in one number, the mean surprise: $H = -\sum_i p_i \ln p_i$, where $p_i$ is the probability of letter $i$. We use the natural logarithm; the unit is called nat, and one toss of a fair coin has $\ln 2 = 0.693$ nats. Four S, four L: the letters alone look like coin tosses.
#
# But perhaps their **order** helps. The **entropy rate** of order 1 is the entropy of the next letter when you know the one before it. Take the seven pairs: SL three times, LS twice, SS once, LL once. After S comes L in three of four cases; after L comes S in two of three.

# %% [markdown] id="tiny-zh" lang="zh" en="e3e17693"
# ## 八个字母，亲手数一数
#
# 用 S 记短间隔，用 L 记长间隔。小薇的头八个间隔是：
#
# $$\text{S L S S L S L L}$$
#
# 下一个字母有多难猜？**熵**（entropy）用一个数回答，也就是平均的意外程度：$H = -\sum_i p_i \ln p_i$，其中 $p_i$ 是字母 $i$ 的概率。我们用自然对数，单位叫奈特（nat）；抛一次公平的硬币是 $\ln 2 = 0.693$ 奈特。四个 S，四个 L：只看字母，像是在抛硬币。
#
# 不过**先后次序**也许有用。一阶的**熵率**（entropy rate），就是知道前一个字母时，下一个字母的熵。数一数七个相邻的对：SL 三次，LS 两次，SS 一次，LL 一次。S 之后，四次里有三次是 L；L 之后，三次里有两次是 S。

# %% id="tiny-code"
log = np.array([0, 1, 0, 0, 1, 0, 1, 1])  # 0 = S, 1 = L
pairs = np.zeros((2, 2))
np.add.at(pairs, (log[:-1], log[1:]), 1)
follows = pairs / pairs.sum(axis=1, keepdims=True)
surprise = -(follows * np.log(follows)).sum(axis=1)  # entropy of the next letter after S, after L
share = pairs.sum(axis=1) / pairs.sum()
show_matrix(pairs.astype(int), ["after S", "after L"], ["S", "L"])
show_matrix(follows, ["after S", "after L"], ["S", "L"], digits=3)
show_matrix(np.stack([surprise, share]), ["entropy of the next letter", "how often"], ["after S", "after L"], digits=3)
naive = (share * surprise).sum()
expect("entropy rate of the eight letters", naive, 0.594, tol=0.001)

# %% [markdown] id="predict-bias-en" lang="en" tags=["predict"]
# **Predict before you run.** 0.594 is less than 0.693. So Vera has a rhythm, a weak one? Let 4,000 fair coins write eight letters each, and compute the same number for each. What is its mean: 0.693, 0.65 or 0.52?

# %% [markdown] id="predict-bias-zh" lang="zh" en="5484fb53" tags=["predict"]
# **先猜，再运行。** 0.594 比 0.693 小。这么说小薇有节奏，只是弱一点？让 4,000 枚公平的硬币各写八个字母，对每一份算同样的数。平均是多少：0.693、0.65，还是 0.52？

# %% id="bias-code"
rng = np.random.default_rng(0)
one_user = np.zeros(8, dtype=np.int64)
coins = rng.integers(0, 2, (4000, 8))
naive_rates = np.array([entropy_rate(coin, one_user, 1, "none") for coin in coins])
corrected = np.array([entropy_rate(coin, one_user, 1, "miller-madow") for coin in coins])
expect("mean naive rate of a fair coin", naive_rates.mean(), 0.524, tol=0.01)
expect("mean corrected rate of a fair coin", corrected.mean(), 0.632, tol=0.01)
expect("share of coins that look more rhythmic than Vera", (naive_rates < naive).mean(), 0.52, tol=0.03)

# %% [markdown] id="bias-why-en" lang="en"
# 0.524. Every second fair coin looks more rhythmic than Vera. A count of few cases always finds a little order, because chance is never even. The error has a size: with $N$ observations in $K$ cells the naive entropy is too small by about $(K - 1) / 2N$. Adding that back is the correction of **Miller and Madow**. It mends most of it; the rest, with eight letters, cannot be mended.
#
# Here is the library's version, for many users at once. It pools all users, because nobody's history is long enough alone, but no word may reach from one user into the next.

# %% [markdown] id="bias-why-zh" lang="zh" en="d6b3b6c0"
# 0.524。公平的硬币里有一半看上去比小薇更有节奏。观察次数少的时候，总会数出一点规律，因为偶然从来不均匀。误差的大小是已知的：$N$ 次观察落在 $K$ 个格子里，朴素估计的熵大约偏小 $(K - 1) / 2N$。把它加回去，就是 **Miller 和 Madow** 的修正。大部分偏差由此消除；剩下的部分，在只有八个字母时无法消除。
#
# 下面是库里的版本，一次处理许多用户。它把所有用户合在一起数，因为任何一位用户的历史单独都不够长；但是一个词不能从一位用户跨到下一位。

# %% id="library-entropy"
# show: studies.entropy.entropy
# show: studies.entropy.words
# show: studies.entropy.entropy_rate

# %% id="reference-check" tags=["reference-check"]
expect_close("the library counts as we did", entropy_rate(log, one_user, 1, "none"), naive, tol=1e-12)


def chain(users, length, stay, rng):
    """Letters 0 and 1 in a Markov chain that repeats the last letter with probability `stay`: [users, length]."""
    flips = rng.random((users, length)) > stay
    flips[:, 0] = rng.random(users) < 0.5
    return flips.cumsum(axis=1) % 2


letters, owner = chain(1000, 60, 0.9, rng).ravel(), np.repeat(np.arange(1000), 60)
truth = -0.9 * math.log(0.9) - 0.1 * math.log(0.1)  # the entropy of "stay or go", whatever the letter
expect("the true rate of this chain", truth, 0.325, tol=0.001)
for order in (1, 2, 3):
    expect(f"the library's rate, order {order}", entropy_rate(letters, owner, order), truth, tol=0.01)
expect("without the order, its letters look like coin tosses", entropy_rate(letters, owner, 0), LN2, tol=0.005)

# %% [markdown] id="order-en" lang="en" tags=["break-it"]
# ## Break it, 1: the longer the memory, the more you see
#
# Take pure noise: eight letters, all equally likely, 150 users with 40 letters each. The truth is $\ln 8 = 2.08$ nats, and no past helps. Now give the estimator a longer and longer past, without the correction.

# %% [markdown] id="order-zh" lang="zh" en="a015c7c3" tags=["break-it"]
# ## 破坏实验一：记得越久，看见的越多
#
# 取一份纯粹的噪声：八个字母，机会均等，150 位用户，每人 40 个字母。真值是 $\ln 8 = 2.08$ 奈特，过去毫无帮助。现在不加修正，让估计量记住越来越长的过去。

# %% id="order-code" tags=["break-it", "picture"]
noise, noise_owner = rng.integers(0, 8, 6000), np.repeat(np.arange(150), 40)
orders = range(6)
curves = {
    correction: [entropy_rate(noise, noise_owner, order, correction) for order in orders]
    for correction in ("none", "miller-madow", "grassberger")
}
mixed = shuffled(noise, noise_owner, rng)
curves["none, shuffled"] = [entropy_rate(mixed, noise_owner, order, "none") for order in orders]
fig, ax = plt.subplots()
for place, (name, values) in enumerate(curves.items()):
    ax.plot(orders, values, plots.MARKERS[place] + ["-", "-", "-", "--"][place], label=name)
ax.axhline(math.log(8), color=plots.BLACK, linewidth=1)
ax.set(xlabel="order: known letters before the next one", ylabel="entropy rate (nats)", ylim=(0, 2.2))
ax.set_title("noise, true rate ln 8 (black line)")
ax.legend(title="correction")
plt.show()
expect("naive, order 4", curves["none"][4], 0.6, tol=0.05)
expect("Miller-Madow, order 2", curves["miller-madow"][2], math.log(8), tol=0.02)
expect_true("order 4 is lost with every correction", max(curves[c][4] for c in list(curves)[:3]) < 1.5)
lost = [abs(a - b) for a, b in zip(curves["none"], curves["none, shuffled"], strict=True)]
expect_true("mended: the naive rates of noise and of shuffled noise agree within 0.03", max(lost) < 0.03)

# %% [markdown] id="order-alt-en" lang="en" tags=["alt"]
# Entropy rate of noise against the order 0 to 5. The black line of the truth lies at 2.08. All curves start on it; from order 3 on they fall steeply, at order 5 nearly to 0. The uncorrected curve leaves first, Grassberger's last. The dashed curve of the shuffled noise runs exactly on the uncorrected one.

# %% [markdown] id="order-alt-zh" lang="zh" en="f6f9afde" tags=["alt"]
# 噪声的熵率随阶数 0 到 5 的变化。表示真值的黑线在 2.08。所有曲线都从黑线上出发；从 3 阶起急剧下降，到 5 阶几乎为 0。没有修正的那条最先离开，Grassberger 的最后离开。打乱后的噪声用虚线表示，与没有修正的那条完全重合。

# %% [markdown] id="order-why-en" lang="en"
# With a past of four letters there are 4,096 different pasts and 6,000 letters: nearly every past occurs once, and what happened once looks certain. No correction repairs that. Two habits do: keep the order small, and **compare with a surrogate**. A surrogate (here: the gaps of each user in random order) has the same letters, the same users, the same length and therefore the same error. What the original has and the surrogate lacks is order, and nothing else.

# %% [markdown] id="order-why-zh" lang="zh" en="fdc6f18b"
# 记住四个字母，就有 4,096 种不同的过去，而字母一共只有 6,000 个：几乎每种过去都只出现一次，只发生过一次的事，看上去就是必然的。没有哪种修正能够补救。有效的做法有两条：阶数要小；**要与替代数据（surrogate）比较**。替代数据（这里是把每位用户自己的间隔打乱次序）有同样的字母、同样的用户、同样的长度，因此也有同样的误差。原数据有而替代数据没有的，只有次序。

# %% [markdown] id="three-en" lang="en"
# ## Uneven, unordered, unpredictable
#
# Now to gaps in seconds. Two numbers of Goh and Barabási describe them without any bins. **Burstiness** says how uneven they are: $B = (\text{CV} - 1) / (\text{CV} + 1)$, where CV is the coefficient of variation of lesson 01: $-1$ for a metronome, 0 for pure chance, towards 1 for bursts. The **memory coefficient** $M$ is the correlation of a gap with the next one. For the entropy, the gaps become letters: eight bins that hold equally many gaps.
#
# And a fifth number needs no bins and no law. **Sample entropy** asks: two places in a user's series agree for two gaps in a row; how often do they agree in the third as well? It is $-\ln$ of that share.

# %% [markdown] id="three-zh" lang="zh" en="1cb65420"
# ## 不均匀、没有次序、不可预测
#
# 现在来看以秒计的间隔。Goh 和 Barabási 提出的两个数不用分箱就能描述它们。**阵发性**（burstiness）说的是有多不均匀：$B = (\text{CV} - 1) / (\text{CV} + 1)$，其中 CV 就是第 01 课的变异系数：节拍器是 $-1$，完全随机是 0，成簇到来的趋近 1。**记忆系数**（memory coefficient）$M$ 是一个间隔与下一个间隔的相关。要算熵，就把间隔变成字母：分成八箱，每箱里的间隔一样多。
#
# 第五个数不用分箱，也不用假设任何规律。**样本熵**（sample entropy）问的是：一位用户的序列里有两处，接连两个间隔都相近；那么第三个也相近的有多少？它就是这个比例的 $-\ln$。

# %% id="library-irregular"
# show: studies.entropy.burstiness
# show: studies.entropy.memory
# show: studies.entropy.sample_entropy

# %% [markdown] id="predict-people-en" lang="en" tags=["predict"]
# **Predict.** Five kinds of people, 300 of each, 200 gaps: a near-metronome (every day, give or take half an hour); pure chance; short and long gaps without order; short and long gaps that come in sittings; short and long in strict turns. The last three draw from the same short and long gaps. Who is the most irregular? And whose next gap is the hardest to predict: one of the bursty ones, or the metronome?

# %% [markdown] id="predict-people-zh" lang="zh" en="4ea6f134" tags=["predict"]
# **猜一猜。** 五种人，每种 300 位，每人 200 个间隔：近似节拍器（每天一次，前后差半小时左右）；完全随机；长短间隔混杂，没有次序；长短间隔成段出现，形成会话；长短严格轮流。后三种人的间隔出自同样的一短一长。谁最不规则？谁的下一个间隔最难预测：是成簇到来的那几种，还是节拍器？

# %% id="people-code"
USERS_EACH, LENGTH = 300, 200
who = np.repeat(np.arange(USERS_EACH), LENGTH)
jitter = np.exp(0.5 * rng.standard_normal((USERS_EACH, LENGTH)))
turns = np.tile(np.arange(LENGTH) % 2, (USERS_EACH, 1))
people = {
    "near-metronome": DAY * (1 + 0.02 * rng.standard_normal((USERS_EACH, LENGTH))),
    "pure chance": DAY * rng.exponential(size=(USERS_EACH, LENGTH)),
    "bursts, no order": np.where(rng.permuted(turns, axis=1) == 1, 60, 2 * DAY) * jitter,
    "bursts, in sittings": np.where(chain(USERS_EACH, LENGTH, 0.9, rng) == 1, 60, 2 * DAY) * jitter,
    "bursts, in turns": np.where(turns == 1, 60, 2 * DAY) * jitter,
}
found = {}
for name, seconds in people.items():
    flat = seconds.ravel()
    binned = discretise(flat, fit_bins(flat))
    cv = seconds.std(axis=1) / seconds.mean(axis=1)
    rates = [entropy_rate(binned, who, order) for order in (0, 2)]
    surrogate = entropy_rate(shuffled(binned, who, rng), who, 2)
    found[name] = [
        burstiness(cv).mean(),
        memory(flat, who).mean(),
        *rates,
        surrogate - rates[1],
        sample_entropy(np.log(flat), who),
    ]
columns = ["burstiness", "memory", "entropy", "rate", "order adds", "sample entropy"]
show_matrix(list(found.values()), list(found), columns, digits=2)

# %% id="people-check"
expect("burstiness of the near-metronome", found["near-metronome"][0], -0.96, tol=0.01)
for name, rate in (("bursts, in sittings", math.log(4) + truth), ("bursts, in turns", math.log(4))):
    expect(f"{name}: the rate that follows from its law", found[name][3], rate, tol=0.06)
expect("the near-metronome's rate", found["near-metronome"][3], math.log(8), tol=0.01)
expect("what order adds in turns", found["bursts, in turns"][4], LN2, tol=0.06)
bursty = [found[name][0] for name in people if name.startswith("bursts")]
expect_true("all three bursty kinds have the same burstiness, within 0.02", np.ptp(bursty) < 0.02)
expect_true(
    "the near-metronome has the largest sample entropy", max(found, key=lambda n: found[n][5]) == "near-metronome"
)

# %% [markdown] id="people-why-en" lang="en"
# The near-metronome has the lowest burstiness and the **highest** entropy rate: inside its half hour nothing can be predicted, and bins with equal shares look at nothing else. The three bursty kinds draw from the same gaps, have the same burstiness and the same entropy, and yet rates from 1.39 to 2.08. So "irregular" is at least three things: **uneven** (burstiness, CV), **without order** (what order adds is 0), **hard to predict at the chosen resolution** (rate, sample entropy). A sentence that says "high entropy" and names none of them has said nothing yet.

# %% [markdown] id="people-why-zh" lang="zh" en="f2d31a6f"
# 近似节拍器的阵发性最低，熵率却**最高**：在它那半小时之内，什么也预测不了，而每箱一样多的分法恰恰只看这半小时。三种成簇到来的人，间隔的来源相同，阵发性相同，熵相同，熵率却从 1.39 到 2.08 不等。所以“不规则”至少是三件事：**不均匀**（阵发性、CV），**没有次序**（次序带来的信息是 0），**在选定的分辨率下难以预测**（熵率、样本熵）。一句话只说“熵很高”，却不说是哪一种，就等于什么也没说。

# %% id="people-check-2"
expect("lowest rate of the bursty kinds", found["bursts, in turns"][3], 1.39, tol=0.06)
expect("highest rate of the bursty kinds", found["bursts, no order"][3], 2.08, tol=0.02)

# %% [markdown] id="rds-en" lang="en"
# ## What a random dynamical system is
#
# So far: the entropy of a **log**. Topological entropy is about something else, about **states**.
#
# A *random dynamical system* (Arnold, 1998) has three parts: a space of states $x$; a source of noise that gives one value $\omega_i$ for each step; and a map that moves every state by this noise, $x_{i+1} = f(x_i, \omega_i)$. An example: $x$ lies on a circle of length 1, and $f(x, k) = k x \bmod 1$, where a coin chooses $k = 2$ or $k = 3$ at each step. Weather is of this kind, if you like: the noise of a day happens to all places at once.
#
# Its *random topological entropy* (also called fibre entropy; Kifer, Bogenschütz) asks: **under one and the same noise, how fast do states become distinguishable?** Cut the space into a few pieces and give each a letter. A state writes a word while it moves. Let $N_n(\omega)$ be the number of **different** words of $n$ letters that all possible states together write under the noise $\omega$. Then
#
# $$h = \lim_{n \to \infty} \frac{1}{n}\, \mathbb{E}\, \ln N_n(\omega),$$
#
# with pieces as fine as needed. Arnold says the same with two words that papers use. The **shift** $\theta$ moves the noise on by a step, $(\theta\omega)_i = \omega_{i+1}$. The **cocycle** $\varphi(n, \omega)$ is the map of $n$ steps under the noise $\omega$, and it has to fit together: $\varphi(n + m, \omega) = \varphi(n, \theta^m \omega) \circ \varphi(m, \omega)$. After $m$ steps one goes on with the noise that comes **then**, and not with the noise from the beginning.
#
# Note what is counted: starting points, not outcomes of the noise. By hand, first without noise, always $k = 2$, two pieces, left half and right half:

# %% [markdown] id="rds-zh" lang="zh" en="24f0e610"
# ## 什么是随机动力系统
#
# 到目前为止，说的是一份**日志**的熵。拓扑熵（topological entropy）说的是另一样东西：**状态**。
#
# 一个**随机动力系统**（random dynamical system；Arnold，1998）有三个部分：状态 $x$ 的空间；一个噪声源，每一步给出一个值 $\omega_i$；一个映射，按照这个噪声移动每一个状态，$x_{i+1} = f(x_i, \omega_i)$。例如：$x$ 在长度为 1 的圆上，$f(x, k) = k x \bmod 1$，每一步由一枚硬币决定 $k = 2$ 还是 $k = 3$。天气也是这一类：同一天的噪声，对各地是共同的。
#
# 它的**随机拓扑熵**（也叫纤维熵，fibre entropy；Kifer，Bogenschütz）问的是：**在同一份噪声之下，各个状态多快就能区分开来？** 把空间切成几块，每块给一个字母。状态一边走，一边写下一个词。在噪声 $\omega$ 之下，所有可能的状态总共写出的长度为 $n$ 的**不同的**词，个数记作 $N_n(\omega)$。于是
#
# $$h = \lim_{n \to \infty} \frac{1}{n}\, \mathbb{E}\, \ln N_n(\omega),$$
#
# 块要切得足够细。Arnold 的定义用了文献中常见的两个词。**移位**（shift）$\theta$ 把噪声向前推一步，$(\theta\omega)_i = \omega_{i+1}$。**上闭链**（cocycle）$\varphi(n, \omega)$ 是在噪声 $\omega$ 之下走 $n$ 步的映射，它必须首尾相接：$\varphi(n + m, \omega) = \varphi(n, \theta^m \omega) \circ \varphi(m, \omega)$。也就是说，走了 $m$ 步之后，要用**此后**的噪声继续，而不是从头开始的噪声。
#
# 请注意数的是什么：是出发点，不是噪声的各种结果。先不加噪声，手算一遍：总是 $k = 2$，两块，左半和右半。

# %% id="rds-code"
x = (np.arange(16) + 0.5) / 16  # sixteen states, evenly spread
spelled = [""] * 16
for length in (1, 2, 3):
    spelled = [word + ("R" if state >= 0.5 else "L") for word, state in zip(spelled, x, strict=True)]
    print(length, "letters:", len(set(spelled)), "words:", *sorted(set(spelled)))
    x = 2 * x % 1
omega = (2, 3, 3)  # three values of the noise


def phi(noise, x):
    """The cocycle: as many steps as the noise has values."""
    for k in noise:
        x = k * x % 1
    return x


expect("phi(3, omega) of 0.3", phi(omega, 0.3), 0.4, tol=1e-9)
expect("two steps, then one with the shifted noise", phi(omega[2:], phi(omega[:2], 0.3)), 0.4, tol=1e-9)
expect("two steps, then one with the noise from the start", phi(omega[:1], phi(omega[:2], 0.3)), 0.6, tol=1e-9)
expect("ln(8 / 4), the growth in one step", math.log(8 / 4), LN2, tol=1e-9)

# %% [markdown] id="predict-fibre-en" lang="en" tags=["predict"]
# **Predict.** Every step doubles the number of words: $h = \ln 2$. Now the coin chooses $k = 2$ or $k = 3$ at each step. Is $h$ equal to $\ln 2.5$ (the mean factor), to $\frac{1}{2}(\ln 2 + \ln 3)$ (the mean logarithm), or to $\ln 5$ (two plus three ways to go on)? And what is $h$ for a circle that is turned by a random angle at each step? For $x \leftarrow \frac{1}{2} x + \frac{1}{2} \omega$ with a random number $\omega$?

# %% [markdown] id="predict-fibre-zh" lang="zh" en="d924b7d4" tags=["predict"]
# **猜一猜。** 每走一步，词的个数加倍：$h = \ln 2$。现在每一步由硬币决定 $k = 2$ 还是 $k = 3$。$h$ 等于 $\ln 2.5$（倍数的平均），$\frac{1}{2}(\ln 2 + \ln 3)$（对数的平均），还是 $\ln 5$（二加三种走法）？如果每一步把圆转一个随机的角度，$h$ 是多少？如果是 $x \leftarrow \frac{1}{2} x + \frac{1}{2} \omega$，其中 $\omega$ 是随机数呢？

# %% id="library-fibre"
# show: studies.entropy.word_counts
# show: studies.entropy.fibre_entropy


# %% id="fibre-check" tags=["reference-check"]
def cells(number):
    """Cut [0, 1) into `number` equal pieces."""
    return lambda x: np.minimum((x * number).astype(np.int64), number - 1)


def grid(size):
    return (np.arange(size) + 0.5) / size


def multiply(x, k):
    return k * x % 1


def turn(x, angle):
    return (x + angle) % 1


def halve(x, noise):
    return 0.5 * x + 0.5 * noise


factors = rng.integers(2, 4, (60, 8))  # 60 realisations of the noise, 8 steps each
angles, numbers = rng.random((20, 100)), rng.random((20, 100))
always = fibre_entropy(multiply, np.full((1, 12), 2), grid(2**16), cells(2))
random_maps = fibre_entropy(multiply, factors, grid(2**17), cells(6))
one_turn = fibre_entropy(turn, np.full((1, 100), math.sqrt(2) - 1), grid(10_000), cells(8), first=50)
random_turns = fibre_entropy(turn, angles, grid(10_000), cells(8), first=50)
contraction = fibre_entropy(halve, numbers, grid(10_000), cells(8), first=50)

expect("doubling: h", always[0], LN2, tol=1e-9)
expect("the mean factor", np.mean([2, 3]), 2.5, tol=1e-9)
expect("random factors: h", random_maps.mean(), (LN2 + math.log(3)) / 2, tol=0.03)
expect_close("each realisation has the mean logarithm of its own factors", random_maps, np.log(factors[:, 1:7]).mean(1))
expect_true("turning, always the same or random: below 0.02", max(one_turn[0], random_turns.max()) < 0.02)
expect_true("contraction driven by noise: 0 in every realisation", (contraction == 0).all())

# %% [markdown] id="fibre-why-en" lang="en"
# The mean logarithm, 0.896: factors multiply, so their logarithms add. Turning moves all states alike; no two that were close are ever told apart, so the number of words only grows like $n$, and $\frac{1}{n} \ln n$ goes to 0. The contraction is the surprise. Its state jumps about forever and never repeats itself, and its entropy is **zero**: under the same noise all states run together. What one of them does is random. That they do the same is not.
#
# The mathematicians' own definition knows no letters. Two states are *separated* within $n$ steps if their orbits were once at least $\varepsilon$ apart; $N_n$ is then the largest number of states that are separated pairwise. It grows at the same rate. The library has that one, too; it takes states until no further one fits, which grows alike:

# %% [markdown] id="fibre-why-zh" lang="zh" en="8075b1a6"
# 是对数的平均，0.896：倍数相乘，所以对数相加。转动让所有状态一起移动；原来靠近的两个状态永远分不开，词的个数只像 $n$ 那样增长，而 $\frac{1}{n} \ln n$ 趋于 0。最意外的是压缩映射（contraction）。它的状态不断跳动，从不重复，熵却是**零**：在同样的噪声下，所有状态都汇合到一起。单个状态的行为是随机的，而它们彼此相同却不是偶然。
#
# 数学家自己的定义里没有字母。如果两个状态的轨道在 $n$ 步之内曾经相距至少 $\varepsilon$，就说它们被**分离**；$N_n$ 就是两两分离的状态最多有几个。它以同样的速率增长。这个版本库里也有；它逐个选取状态，直到再也放不进新的为止，增长速率相同：

# %% id="separated-code" tags=["reference-check"]
expect("mean logarithm of 2 and 3", (LN2 + math.log(3)) / 2, 0.896, tol=0.0005)
path = [grid(1500)]
for k in (2, 3, 2, 2):
    path.append(multiply(path[-1], k))
separated = separated_counts(np.stack(path), 0.0999)
print("separated states:", *separated)
expect("growth in four steps", math.log(separated[-1] / separated[0]) / 4, np.log([2, 3, 2, 2]).mean(), tol=0.05)

# %% [markdown] id="shared-en" lang="en" tags=["break-it"]
# ## Break it, 2: everybody has noise of his own
#
# One word of the definition is easily lost: the noise is **the same** for all states. Give each starting point its own coin, its own angle, its own number, and count again. Left: shared noise. Right: own noise.

# %% [markdown] id="shared-zh" lang="zh" en="caee170f" tags=["break-it"]
# ## 破坏实验二：各有各的噪声
#
# 定义里有一个词很容易被忽略：所有状态的噪声是**同一份**。现在让每个出发点各抛各的硬币，各转各的角度，各取各的随机数，再数一次。左图：噪声共用。右图：噪声各自独立。

# %% id="shared-code" tags=["break-it", "picture"]
STATES, STEPS = 40_000, 9
systems = {
    "doubling": (multiply, 6, lambda size: np.full(size, 2)),
    "random factors 2, 3": (multiply, 6, lambda size: rng.integers(2, 4, size)),
    "random turns": (turn, 6, rng.random),
    "contraction": (halve, 6, rng.random),
}
counts = {}
for name, (step, pieces, draw_noise) in systems.items():
    for kind, size in (("shared", (STEPS, 1)), ("own", (STEPS, STATES))):
        state, rows = grid(STATES), []
        for now in draw_noise(size):
            rows.append(cells(pieces)(state))
            state = step(state, now)
        counts[name, kind] = word_counts(np.stack(rows))
fig, axes = plt.subplots(1, 2, figsize=(8.5, 3.4), sharey=True)
for ax, kind in zip(axes, ("shared", "own"), strict=True):
    for place, name in enumerate(systems):
        marker = plots.MARKERS[place] + ["-", "-", "-", "--"][place]
        ax.plot(range(1, STEPS + 1), np.log(counts[name, kind]), marker, label=name)
    ax.axhline(math.log(STATES), color=plots.BLACK, linewidth=1)
    ax.set(xlabel="length of the words, n (steps)", title=f"{kind} noise")
axes[0].set_ylabel("ln(number of words)")
axes[0].legend(loc="upper left", bbox_to_anchor=(0, 0.95))
plt.show()


def slope(name, kind):
    """Growth in nats a step from length 2 to 4."""
    return math.log(counts[name, kind][3] / counts[name, kind][1]) / 2


expect_true(
    "turns and contraction, shared: below 0.4 and falling", all(slope(n, "shared") < 0.4 for n in list(systems)[2:])
)
expect("turns, own noise: any letter can follow any other", slope("random turns", "own"), math.log(6), tol=0.01)
expect_true("contraction, own noise: above 1.2", slope("contraction", "own") > 1.2)
expect_true("doubling has no noise: nothing changes", slope("doubling", "own") == slope("doubling", "shared"))
expect_true("random factors: above ln 3", slope("random factors 2, 3", "own") > math.log(3))

# %% [markdown] id="shared-alt-en" lang="en" tags=["alt"]
# Two panels: logarithm of the number of words against their length 1 to 9; a black line marks the number of states. Left, shared noise: doubling and random factors rise in straight lines, the random factors more steeply; random turns bend and flatten, the contraction is level from the third step on. Right, own noise: doubling is as before; the other three rise steeply, random turns most of all, until they bend below the black line.

# %% [markdown] id="shared-alt-zh" lang="zh" en="350abc15" tags=["alt"]
# 两幅图：词的个数的对数，随词长 1 到 9 变化；黑线标出状态的个数。左图，噪声共用：加倍和随机倍数呈直线上升，随机倍数更陡；随机转动逐渐弯平，压缩映射从第三步起就是水平的。右图，噪声各自独立：加倍和先前一样；另外三条陡然上升，随机转动最陡，直到在黑线之下弯过去。

# %% [markdown] id="shared-why-en" lang="en"
# With own noise the order is turned upside down: the turns, which separate nothing, now look the most chaotic. What is counted on the right is the noise. The mend is the left picture: one realisation, many states, then the mean over realisations.
#
# Keep this in mind for later. A table of **users** is the right picture: everyone has had a life, and noise, of his own.

# %% [markdown] id="shared-why-zh" lang="zh" en="b63f65ba"
# 噪声各自独立时，大小次序完全颠倒：什么也分不开的转动，现在看上去最混沌。右图数的其实是噪声。正确的做法就是左图：一份噪声，许多状态，然后对多份噪声取平均。
#
# 请记住这一点，后面要用。一张**用户**的表对应的是右图：每个人都有自己的经历，自己的噪声。

# %% [markdown] id="mood-en" lang="en"
# ## The course's own world
#
# In `sample` we know the random dynamical system, because we wrote it. The state is the mood (lesson 17: between events it goes home to the taste, and at an event it jumps towards the item). The noise is the clock and the dice: when the user comes, whether the mood leaps, which item is drawn. Take 800 moods of one user, all over the sphere, and let them live through **the same** gaps and dice; then 800 with dice of their own. The word is the list of chosen items. (One rule of the world, no item twice, is left out here. With it the groups would stay apart, but no more words would appear: states that wrote the same word have seen the same items.)

# %% [markdown] id="mood-zh" lang="zh" en="0d623bbc"
# ## 课程自己的世界
#
# 在 `sample` 里，我们知道这个随机动力系统是什么，因为那是我们写的。状态就是短期兴趣（程序里叫 mood；第 17 课：它在事件之间回到长期兴趣，即 taste，在事件处朝物品跳一下）。噪声是到来的时刻和骰子：用户什么时候来，短期兴趣是否跳走，抽到哪个物品。取一位用户的 800 种短期兴趣，布满球面，让它们经历**同样的**间隔和骰子；再取 800 种，骰子各自独立。写下的词就是选中物品的序列。（那个世界有一条规则，同一物品不重复出现，这里省去了。加上它，各组不会再合并，但也不会多出新词：写下同样的词的状态，看过的物品也相同。）

# %% id="mood-code"
world = World(users=20)
drawn = simulate(world)
items, taste = drawn.embeddings, drawn.tastes[0]
centres = np.stack([items[drawn.clusters == c].mean(axis=0) for c in range(world.clusters)])
centres /= np.linalg.norm(centres, axis=1, keepdims=True)


def live_on(moods, hours, dice):
    """One gap and one choice. moods [N, 8]; dice: leap? where to? which item? one throw for all, [3, 1], or each, [3, N]."""
    moods = drift(moods, taste, np.full(len(moods), hours), world)
    leaps = (dice[0] < world.leap) & (hours >= 1)
    moods = np.where(leaps[:, None], centres[(dice[1] * world.clusters).astype(np.int64)], moods)
    chances = np.cumsum(np.exp(world.beta * moods @ items.T), axis=1)
    chosen = (chances <= dice[2][:, None] * chances[:, -1:]).sum(axis=1)
    return (1 - world.kappa) * moods + world.kappa * items[chosen], chosen


MOODS, EVENTS = 800, 12
hours = np.where(rng.random(EVENTS) < 0.6, 0.05, rng.lognormal(3.5, 1.0, EVENTS))
start = rng.standard_normal((MOODS, world.dim))
start /= np.linalg.norm(start, axis=1, keepdims=True)
lived = {}
for kind, throws in (("shared", 1), ("own", MOODS)):
    moods, rows, spread = start, [], []
    for pause, dice in zip(hours, rng.random((EVENTS, 3, throws)), strict=True):
        moods, chosen = live_on(moods, pause, dice)
        rows.append(chosen)
        spread.append(len(np.unique(moods.round(6), axis=0)))
    lived[kind] = np.stack([word_counts(np.stack(rows)), spread])

# %% id="mood-show" tags=["nbval-ignore-output"]
labels = ["words, shared noise", "different moods now", "words, own noise", "different moods now"]
show_matrix(np.concatenate([lived["shared"], lived["own"]]), labels, range(1, EVENTS + 1))

# %% id="mood-check"
words_shared, moods_shared = lived["shared"]
expect_true("shared: from event 8 to 12 less than 1 % more words", words_shared[-1] < 1.01 * words_shared[7])
expect_true("shared: in the end a single mood is left", moods_shared[-1] == 1)
expect_true("own: at least 99 % of the 800 write words of their own", lived["own"][0, -1] >= 0.99 * MOODS)

# %% [markdown] id="mood-why-en" lang="en"
# After a few events no new words appear, and in the end all 800 are in **one** mood: a shared leap puts them into the same place, and nothing drives them apart again. Fibre entropy 0, in a world whose users look wildly irregular and never do the same thing twice. The reason: between events the mood is a contraction (its distance to the taste halves every 24 hours), and an event keeps a tenth of a difference. This is a reason and not a proof, because the choice of an item jumps where two scores cross, and two users close to such a crossing may part for a while; the count above shows that here they come together again. Every model of the course whose state forgets is of this kind.
#
# So in the one world where we can look, we find no *high* random topological entropy. And that says nothing against time: here time is worth a lot, as you have measured since lesson 01.

# %% [markdown] id="mood-why-zh" lang="zh" en="f1614964"
# 几个事件之后就不再有新词出现，最后 800 个全都处在**同一种**短期兴趣：一次共同的跳跃把它们放到同一个地方，此后不再有什么能把它们分开。纤维熵是 0，而这个世界里的用户看上去极不规则，从不重复自己。原因在于：事件之间短期兴趣是压缩映射（到长期兴趣的距离每 24 小时减半），一次事件又只保留差别的十分之一。这是原因，还不是证明：两个得分交叉之处，所选的物品会发生跳变，靠近交叉点的两位用户可能暂时分开；上面的计数表明，在这里他们最终又汇合了。这门课里凡是状态会遗忘的模型，都属于这一类。
#
# 所以，在这个我们看得见内部的世界里，并没有发现**很高**的随机拓扑熵。但这并不说明时间信息没有用：从第 01 课起你就测过，时间信息在这里很有价值。

# %% [markdown] id="lyapunov-en" lang="en" tags=["predict"]
# ## One number for it: the Lyapunov exponent
#
# Two states that start a tiny distance $d_0$ apart live under the same noise. After $n$ steps they are $d_n$ apart. The **Lyapunov exponent** is the mean growth of the logarithm,
#
# $$\lambda = \lim_{n \to \infty} \frac{1}{n} \ln \frac{d_n}{d_0},$$
#
# with $d_0$ so small that it stays small. Positive: neighbours part, and the start is told apart better and better. Negative: they run together, and the start is forgotten. Ruelle's inequality ties it to the entropy: $h$ is at most the sum of the positive exponents. No positive exponent, no entropy.
#
# **Predict.** $\lambda$ for the random factors 2 and 3, for the random turns, for the contraction, and, in nats an event, for the mood of `sample` while no leap happens. By what factor does a difference of two moods shrink with each event?

# %% [markdown] id="lyapunov-zh" lang="zh" en="3d8da1d1" tags=["predict"]
# ## 用一个数概括：李雅普诺夫指数
#
# 两个状态在同样的噪声下出发，起初相距很小的 $d_0$，$n$ 步之后相距 $d_n$。**李雅普诺夫指数**（Lyapunov exponent）是对数的平均增长，
#
# $$\lambda = \lim_{n \to \infty} \frac{1}{n} \ln \frac{d_n}{d_0},$$
#
# 其中 $d_0$ 要小到此后距离一直很小。指数为正，相邻的状态会分开，起点越来越容易区分；指数为负，它们会汇合，起点被遗忘。Ruelle 不等式把它与熵联系起来：$h$ 不超过所有正指数之和。没有正指数，就没有熵。
#
# **猜一猜。** 随机倍数 2 和 3、随机转动、压缩映射的 $\lambda$ 各是多少？在没有跳走时，`sample` 的短期兴趣每个事件是多少奈特？两种短期兴趣的差别，每个事件缩小到几分之几？

# %% id="lyapunov-code"
def exponent(step, noise, x, size=1e-7):
    """Mean growth of a small difference in nats a step; x is one state on the circle."""
    rates = []
    for now in noise:
        apart = (step(x + size, now) - step(x, now) + 0.5) % 1 - 0.5  # the short way round
        rates.append(math.log(abs(apart) / size))
        x = step(x, now)
    return np.mean(rates)


ordinary = np.random.default_rng(3)
expect("random factors", exponent(multiply, ordinary.integers(2, 4, 5000), 0.3), 0.896, tol=0.012)
expect("random turns", exponent(turn, ordinary.random(500), 0.3), 0, tol=1e-6)
expect("contraction", exponent(halve, ordinary.random(500), 0.3), -LN2, tol=1e-6)
expect("machine A of the next section", exponent(multiply, np.full(40, 2), 0.3), LN2, tol=1e-6)

pauses = np.where(ordinary.random(2000) < 0.6, 0.05, ordinary.lognormal(3.5, 1.0, 2000))
pauses = np.minimum(pauses, 200)  # hours; after longer ones double precision sees no difference
expected = np.mean(-LN2 * pauses / world.half_life + math.log(1 - world.kappa))
one, rates = start[:1], []
for pause in pauses:
    dice = np.append(1.0, ordinary.random(2))[:, None]  # 1.0: no leap
    nearby = one + 1e-5 * start[1:2]
    after, chosen = live_on(np.concatenate([one, nearby]), pause, dice)
    if chosen[0] == chosen[1]:
        rates.append(math.log(np.linalg.norm(after[1] - after[0]) / 1e-5))
    one = after[:1]
expect("mood of sample, nats an event", np.mean(rates), expected, tol=0.05)
expect("by the formula", expected, -2.9, tol=0.05)
expect("what is left of a difference after one event", math.exp(expected), 0.05, tol=0.006)

# %% [markdown] id="lyapunov-why-en" lang="en"
# The random factors have 0.896, their entropy; turns 0; the contraction $-\ln 2 = -0.693$. The mood has about $-2.9$ nats an event, from both causes together: the pauses give $-\ln 2 \cdot \text{hours} / 24$, the event gives $\ln 0.1 = -2.3$. A difference of two moods is cut to about 0.05 with each event. This is good news for a service: a state whose exponent is negative forgets a wrong start, so a new server may begin with any state and is right after a few events. With a positive exponent it never would be.
#
# Mind what you need to measure it: the map, or a second state under the same noise. Of your **model** you have the map, so its exponent can be measured. Of Vera you have one log.

# %% [markdown] id="lyapunov-why-zh" lang="zh" en="3aba4b05"
# 随机倍数的指数是 0.896，等于它的熵；转动是 0；压缩映射是 $-\ln 2 = -0.693$。短期兴趣每个事件约为 $-2.9$ 奈特，来自两个原因：停顿贡献 $-\ln 2 \cdot \text{hours} / 24$（hours 为小时数），事件贡献 $\ln 0.1 = -2.3$。两种短期兴趣的差别，每个事件之后大约只剩 0.05。这对线上服务是好消息：指数为负的状态会忘记错误的起点，因此新的服务器可以从任何状态开始，几个事件之后就正确了。如果指数为正，就永远做不到。
#
# 请注意测量它需要什么：需要映射本身，或者同一份噪声下的第二个状态。对你的**模型**，映射是已知的，所以可以测出它的指数。而对小薇，你只有一份日志。

# %% [markdown] id="machines-en" lang="en"
# ## Two machines, one log
#
# Back to Vera. Two machines write S and L. Machine A is the physicist's: a state between 0 and 1, doubled at each step, $x \leftarrow 2x \bmod 1$, no chance at all after the start; it writes S if $x$ is in the left half. Machine B is the brother's: a coin falls, $\omega = 0$ or $1$, the state becomes $x \leftarrow \frac{1}{2}(x + \omega)$, and it writes S if $x$ is in the left half. From each we take 2,000 logs of 40 letters.

# %% [markdown] id="machines-zh" lang="zh" en="12270fc2"
# ## 两台机器，同一份日志
#
# 回到小薇。有两台机器，都写 S 和 L。机器 A 是物理学家的：状态在 0 与 1 之间，每一步加倍，$x \leftarrow 2x \bmod 1$，出发之后没有任何偶然；$x$ 在左半就写 S。机器 B 是弟弟的：抛一枚硬币，$\omega = 0$ 或 $1$，状态变成 $x \leftarrow \frac{1}{2}(x + \omega)$，$x$ 在左半就写 S。每台各取 2,000 份日志，每份 40 个字母。

# %% [markdown] id="predict-machines-en" lang="en" tags=["predict"]
# **Predict.** Which statistic of the logs will tell A from B: the share of S, the entropy rate, the eight words of three letters, none? And what are the fibre entropies of A and B?

# %% [markdown] id="predict-machines-zh" lang="zh" en="e27ab85a" tags=["predict"]
# **猜一猜。** 日志的哪一种统计量能分出 A 和 B：S 的比例，熵率，八个三字母的词，还是都不能？A 和 B 的纤维熵又各是多少？


# %% id="machines-code"
def machine_a(x, _):
    return 2 * x % 1


def machine_b(x, coin):
    return (x + coin) / 2


logs = {}
for name, machine in (("A", machine_a), ("B", machine_b)):
    x, letters = rng.random(2000), []
    for coin in rng.integers(0, 2, (40, 2000)):
        x = machine(x, coin)
        letters.append(x >= 0.5)
    logs[name] = np.stack(letters, axis=1).astype(np.int64).ravel()
owner = np.repeat(np.arange(2000), 40)
for name, letters in logs.items():
    shares = np.bincount(words(letters, owner, 3)[0]) / len(words(letters, owner, 3)[0])
    expect_true(
        f"{name}: all eight words of three letters between 0.12 and 0.13", shares.min() > 0.12 and shares.max() < 0.13
    )
    for order in (0, 1, 5):
        expect(f"{name}: entropy rate of order {order}", entropy_rate(letters, owner, order), LN2, tol=0.002)
expect("A: fibre entropy", fibre_entropy(machine_a, np.zeros((1, 12)), grid(2**16), cells(2))[0], LN2, tol=1e-9)
expect(
    "B: fibre entropy", fibre_entropy(machine_b, rng.integers(0, 2, (20, 30)), grid(4000), cells(2)).max(), 0, tol=1e-9
)

# %% [markdown] id="machines-why-en" lang="en"
# None. And this is no matter of more data or a better statistic: **the logs have the same law**. A writes the binary digits of its starting point, one after the other, and the digits of a random number are fair coin tosses. So are B's letters. Played backwards, the film of B is the film of A: one pushes digits out of the state, the other pushes them in. But the fibre entropy of A is $\ln 2$, and that of B is 0; their Lyapunov exponents are $\ln 2$ and $-\ln 2$.
#
# That is a proof. *No function of the log, however clever, can estimate the fibre entropy of the system that wrote it*, because it would have to give $\ln 2$ and 0 for the same log. What is missing in a log is a second state under the same noise: nobody has ever lived Vera's year twice. One log is one orbit. Count the words of one orbit under its own noise and you find $N_n = 1$, whoever wrote it.

# %% [markdown] id="machines-why-zh" lang="zh" en="29128c32"
# 都不能。而且这不是数据多少或统计量高明与否的问题：**两种日志的分布规律完全相同**。A 逐位写出起点的二进制数字，而随机数的各位数字就是抛公平的硬币。B 的字母也是。把 B 的过程倒过来就是 A 的过程：一个把数字从状态里推出来，一个把数字推进状态里去。可是 A 的纤维熵是 $\ln 2$，B 的是 0；两者的李雅普诺夫指数是 $\ln 2$ 和 $-\ln 2$。
#
# 这就是一个证明。“日志的任何函数，不管多么巧妙，都估计不出写下它的那个系统的纤维熵”，因为它必须对同样的日志既给出 $\ln 2$ 又给出 0。日志里缺少的，是同一份噪声之下的第二个状态：小薇的这一年，没有人经历过两遍。一份日志就是一条轨道。在它自己的噪声之下数这一条轨道的词，得到的总是 $N_n = 1$，不管是谁写的。

# %% [markdown] id="ceiling-en" lang="en" tags=["break-it"]
# ## Break it, 3: counting words in a log all the same
#
# Suppose somebody does not listen, counts the different words of length $n$ **in the log**, and calls $\frac{1}{n} \ln N_n$ its topological entropy. Give him logs of 1,000 letters: noise in eight letters, a chaotic rule without noise, and a turning circle. (The chaotic rule: $x \leftarrow 8x \bmod 1$, with eight pieces. A computer's numbers run out of digits after a few steps of it, so we hand it fresh digits from below.)

# %% [markdown] id="ceiling-zh" lang="zh" en="2b02c00e" tags=["break-it"]
# ## 破坏实验三：照样去数日志里的词
#
# 假如有人仍然去数**日志里**长度为 $n$ 的不同的词，并把 $\frac{1}{n} \ln N_n$ 叫作它的拓扑熵。给他三份日志，各 1,000 个字母：八个字母的噪声；一条没有噪声的混沌规则；一个转动的圆。（混沌规则是 $x \leftarrow 8x \bmod 1$，切成八块。计算机里的数走几步就用完了所有数字，所以我们从低位不断补进新的数字。）

# %% id="ceiling-code" tags=["break-it", "picture"]
LETTERS = 1000
digits = np.random.default_rng(5).integers(0, 8, LETTERS + 18)  # the starting point of the rule in base 8
state_of = (digits[np.arange(LETTERS)[:, None] + np.arange(18)] * 8.0 ** -np.arange(1, 19)).sum(axis=1)
sources = {
    "noise": rng.integers(0, 8, LETTERS),
    "chaos without noise": cells(8)(state_of),
    "turning circle": cells(8)((math.sqrt(2) * np.arange(LETTERS)) % 1),
}
lengths, single = np.arange(1, 13), np.zeros(LETTERS, dtype=np.int64)
growth = {
    name: np.array([math.log(len(np.unique(words(letters, single, n)[0]))) / n for n in lengths])
    for name, letters in sources.items()
}
ceiling = np.log(LETTERS - lengths + 1) / lengths
fig, ax = plt.subplots()
for place, (name, values) in enumerate(growth.items()):
    ax.plot(
        lengths, values, plots.MARKERS[place] + ["-", "--", "-"][place], label=name, markersize=8 - 3 * (place == 1)
    )
ax.plot(lengths[2:], ceiling[2:], color=plots.BLACK, linewidth=1, label="ceiling ln(letters) / n")
ax.axhline(math.log(8), color=plots.BLACK, linewidth=1, linestyle=":", label="ln 8, the truth of noise and chaos")
ax.set(xlabel="length of the words, n (letters)", ylabel="ln(number of words) / n (nats)", ylim=(0, 2.4))
ax.legend(loc="lower left")
plt.show()
apart = np.abs(growth["noise"] - growth["chaos without noise"]).max()
expect_true("noise and chaos are never more than 0.02 apart", apart < 0.02)
expect_true("from 5 letters on both are within 0.01 of the ceiling", (ceiling - growth["noise"])[4:].max() < 0.01)
expect("the ceiling at 8 letters", ceiling[7], 0.86, tol=0.005)
for bins in (4, 16):
    log_of_chance = rng.exponential(size=20_000)
    binned = discretise(log_of_chance, fit_bins(log_of_chance, bins))
    expect(f"chance in {bins} bins: rate", entropy_rate(binned, np.zeros(20_000, np.int64)), math.log(bins), tol=0.01)

# %% [markdown] id="ceiling-alt-en" lang="en" tags=["alt"]
# Logarithm of the number of words over their length, against the length 1 to 12. Noise and chaos start at 2.08, run exactly together, leave the dotted line of the truth after three letters and then follow the falling black line of the ceiling down to 0.6. The turning circle starts at the same height and falls faster, to 0.4.

# %% [markdown] id="ceiling-alt-zh" lang="zh" en="0349073e" tags=["alt"]
# 词的个数的对数除以词长，随词长 1 到 12 变化。噪声和混沌从 2.08 出发，始终重合，三个字母之后离开表示真值的点线，此后沿着下降的黑色上限线一直落到 0.6。转动的圆从同样的高度出发，落得更快，到 0.4。

# %% [markdown] id="ceiling-why-en" lang="en"
# Three lessons in one picture. Noise and chaos give **the same** curve. From five letters on the curve is a property of the *amount of data*: 1,000 letters hold at most 993 words of eight letters, so the "entropy" cannot exceed 0.86, though the truth is 2.08; this is the **finite-data ceiling**. And even where the estimate is right it is the logarithm of the number of bins: with 4 bins chance has $\ln 4$, with 16 bins $\ln 16$. "High" then means: I chose many bins. Only the turning circle, whose words grow like $n$, gives itself away.
#
# The mend is not a better count but another question.

# %% [markdown] id="ceiling-why-zh" lang="zh" en="62dc8936"
# 这张图说明三点。噪声和混沌给出**同一条**曲线。从五个字母起，曲线反映的只是**数据量**：1,000 个字母里，八个字母的词最多只有 993 个，所以这个“熵”不可能超过 0.86，尽管真值是 2.08；这就是**有限数据的上限**（finite-data ceiling）。而且，即使在估计正确的地方，它也只是箱数的对数：分 4 箱，完全随机就是 $\ln 4$；分 16 箱，就是 $\ln 16$。于是“很高”只意味着分了很多箱。只有转动的圆能看出区别，因为它的词只像 $n$ 那样增长。
#
# 补救的办法不是更好的计数，而是换一个问题。

# %% id="ceiling-check"
expect("words of eight letters in 1,000 letters", LETTERS - 8 + 1, 993, tol=0.1)
expect("noise and chaos at 12 letters", growth["noise"][-1], 0.6, tol=0.05)
expect("the turning circle at 12 letters", growth["turning circle"][-1], 0.4, tol=0.05)

# %% [markdown] id="ask-en" lang="en"
# ## The part that can be tested
#
# What is left of the claim, if one asks only what a log can answer? This: **do the gaps of a user follow one another in an order that helps to guess the next one, or could they as well stand in any order?** The surrogate is made for it, and it separates two things. Knowing somebody's past gaps in *any* order already tells what kind of user this is. What is gained beyond that is order.
#
# One function measures it for a data set: bins and estimates from the training part alone, order 2, 99 shuffles, an interval from resampling users. We try it first where the answer is known, on the data set of the parameter cell. In `sample` every user draws each gap anew from his own law, so the truth is 0.

# %% [markdown] id="ask-zh" lang="zh" en="5bc46282"
# ## 可以检验的部分
#
# 如果只问日志能够回答的问题，这条主张还剩下什么？剩下这个：**一位用户的各个间隔，前后次序是否有助于预测下一个？还是说，换成任何次序都一样？** 替代数据正是为此设计的，它还能分开两件事。以**任意**次序知道一个人过去的间隔，就已经说明他是哪一种用户；在此之外多得到的，才是次序。
#
# 一个函数就能对一个数据集完成测量：分箱和估计只用训练集，阶数为 2，打乱 99 次，区间来自对用户的重抽样。先在答案已知的地方试，也就是参数单元格里的数据集。在 `sample` 里，每位用户的每个间隔都是从他自己的规律里重新抽的，所以真值是 0。

# %% id="library-measure"
# show: studies.entropy.shuffled
# show: studies.entropy.rate_by_user

# %% id="measure-code"
row = measure(load_dataset(DATASET, users=USERS), shuffles=19)
gain = Interval(row["order_gain"], row["order_gain_low"], row["order_gain_high"])
expect("sample: entropy, eight equal bins", row["entropy"], math.log(8), tol=0.001, when=ON_SAMPLE)
expect("sample: what past gaps in any order tell", row["personal"], 0.037, tol=0.003, when=ON_SAMPLE)
expect("sample: what their order adds", gain.mean, 0, tol=0.002, when=ON_SAMPLE)
expect_true("sample: the interval holds 0", not gain.excludes_zero, when=ON_SAMPLE)

# %% [markdown] id="predict-real-en" lang="en" tags=["predict"]
# **Predict.** The committed table holds the same measurement for four data sets. MovieLens 100K: people rate lists of films, half of the gaps are 0 seconds. Grocery: reviews with a date but no time of day. How much of the entropy does order take away there: nothing, a few per cent, or half?

# %% [markdown] id="predict-real-zh" lang="zh" en="e29bfe19" tags=["predict"]
# **猜一猜。** 仓库中保存的表里有四个数据集上同样的测量。MovieLens 100K：人们对着片单一部部打分，一半的间隔是 0 秒。Grocery：评论只有日期，没有钟点。在那里，次序能消去熵的多少：一点也没有，百分之几，还是一半？

# %% id="table-code"
table = read_entropy()
shown = [
    "burstiness",
    "memory_gain",
    "entropy",
    "rate_shuffled",
    "rate",
    "order_gain",
    "order_gain_low",
    "order_gain_high",
    "order_gain_1",
    "order_gain_3",
    "sample_entropy",
    "sample_entropy_shuffled",
    "word_growth",
    "word_ceiling",
]
show_matrix(table[shown].T.to_numpy(), shown, table.index, digits=3)

# %% id="table-picture" tags=["picture"]
intervals = {
    name: {"what order adds": Interval(one["order_gain"], one["order_gain_low"], one["order_gain_high"])}
    for name, one in table.iterrows()
}
ax = plots.differences(intervals, xlabel="what the order of the gaps adds (nats, 95 % interval over users)")
plt.show()

# %% [markdown] id="table-alt-en" lang="en" tags=["alt"]
# Four rows, a point with an interval each: what the order of the gaps adds, in nats. Sample and control lie on 0, their intervals on both sides of it. MovieLens 100K lies at 0.03, Grocery at 0.05, both with short intervals far from 0.

# %% [markdown] id="table-alt-zh" lang="zh" en="c3292b8a" tags=["alt"]
# 四行，每行一个点和一个区间：间隔的次序带来多少信息，以奈特计。sample 和 control 在 0 上，区间跨在 0 的两侧。MovieLens 100K 在 0.03，Grocery 在 0.05，区间都很短，离 0 很远。

# %% id="table-check"
film, shop = table.loc["ml-100k"], table.loc["amazon-grocery"]
expect("MovieLens: what order adds, nats", film["order_gain"], 0.032, tol=0.002)
expect("Grocery: what order adds, nats", shop["order_gain"], 0.049, tol=0.002)
for name, one, gains in (("MovieLens", film, (0.015, 0.045)), ("Grocery", shop, (0.033, 0.057))):
    expect(f"{name}: one gap of memory", one["order_gain_1"], gains[0], tol=0.002)
    expect(f"{name}: three gaps of memory", one["order_gain_3"], gains[1], tol=0.003)
expect_true(
    "sample: below 0.004 with one, two and three",
    table.loc["sample", ["order_gain", "order_gain_1", "order_gain_3"]].abs().max() < 0.004,
)
for one in (film, shop):
    expect(f"{one.name}: share of the entropy, %", 100 * one["order_gain"] / one["entropy"], 2.4, tol=0.3)
    expect_true(
        f"{one.name}: interval above 0, no shuffle as low", one["order_gain_low"] > 0 and one["order_p"] <= 0.01
    )
    expect_true(f"{one.name}: sample entropy falls too", one["sample_entropy"] < one["sample_entropy_shuffled"] - 0.04)
expect(
    "MovieLens: sample entropy, shuffled minus real",
    film["sample_entropy_shuffled"] - film["sample_entropy"],
    0.05,
    tol=0.01,
)
expect(
    "Grocery: sample entropy, shuffled minus real",
    shop["sample_entropy_shuffled"] - shop["sample_entropy"],
    0.08,
    tol=0.01,
)
near = (table["word_growth"] / table["word_ceiling"]).to_numpy()
expect_true("words of eight letters: all four reach at least 92 % of the ceiling", near.min() > 0.92)
expect_true(
    "sample and control: 0 inside", (table["order_gain_low"][:2] < 0).all() and (table["order_gain_high"][:2] > 0).all()
)
expect_true("Grocery: bursts no stronger than chance", abs(shop["burstiness"]) < 0.02)
expect("MovieLens: burstiness", film["burstiness"], 0.46, tol=0.01)

# %% [markdown] id="table-why-en" lang="en"
# Real gaps have an order: the estimator that finds 0 where the truth is 0 finds it beyond doubt. How much depends on how far back it looks. With one, two and three gaps of memory it is 0.015, 0.032 and 0.045 nats in MovieLens, and 0.033, 0.049 and 0.057 in Grocery; with two, about 2.4 % of the entropy in both. A better predictor may find more. Sample entropy, which knows no bins, agrees in sign: it falls by 0.05 and 0.08.
#
# Read it in both directions. The gaps are **not noise**. And in its mildest reading the claim has a point: the next gap is **nearly** as hard to guess as in random order. But that holds for `control` too, and what time is worth there you know. The two real data sets differ, by the way: MovieLens is bursty (0.46), Grocery is no burstier than chance (its histories are short, though, and short histories cannot have a large CV: lesson 01).
#
# What order it is the number does not say. Bursts that come in sittings, habits that change over the years, the page layout of a site: all count. And the line `word_growth`, the would-be topological entropy: in all four data sets it has at least 92 % of its ceiling. It measures how large the table is.

# %% [markdown] id="table-why-zh" lang="zh" en="0a975562"
# 真实的间隔是有次序的：在真值为 0 的地方找到 0 的那个估计量，在这里毫无疑问地找到了它。有多少，要看它往回看多远。记住一个、两个、三个间隔，在 MovieLens 上是 0.015、0.032、0.045 奈特，在 Grocery 上是 0.033、0.049、0.057；记住两个时，两个数据集都约为熵的 2.4%。更好的预测方法也许能找到更多。不用分箱的样本熵方向一致：分别下降 0.05 和 0.08。
#
# 要从两个方向来读。这些间隔**不是噪声**。而如果按最宽松的意思来理解，那条主张也有一点道理：下一个间隔**几乎**和随机次序时一样难预测。可是 `control` 也是如此，而时间信息在那里的价值你是知道的。另外，两个真实数据集也不一样：MovieLens 的间隔成簇（0.46），Grocery 的阵发性并不超过偶然（不过它的历史很短，而短的历史不可能有大的 CV，见第 01 课）。
#
# 这是怎样的次序，这个数并没有说明。成段出现的会话，多年间变化的习惯，网站页面的排法，都算在内。至于 `word_growth` 那一行，也就是所谓的拓扑熵：四个数据集里它都至少达到自己上限的 92%。它衡量的是表有多大。

# %% [markdown] id="worth-en" lang="en"
# ## Irregular gaps and the value of time
#
# One inference of the claim remains: the gaps are irregular, *therefore* a model in continuous time gains. `sample` and `control` were made to test such sentences. Compare first the two rows of the table, then what time is worth in each: the NDCG@10 of the clairvoyant with the clock minus that of the clairvoyant without, for each user; and then for three groups of users of `sample`, from the most regular to the most irregular third (CV). (The CV of all gaps of a user: the clairvoyant is not trained, so nothing is fitted on them. Lesson 20, which judges trained models, takes the gaps of the training part. And here all events of a user count; lesson 17 took the test events alone, so its value of time is a little different.)

# %% [markdown] id="worth-zh" lang="zh" en="622f820f"
# ## 不规则的间隔与时间信息的价值
#
# 这条主张还有一步推论：间隔不规则，**所以**连续时间的模型会有收益。`sample` 和 `control` 就是为检验这类推论而设计的。先比较表里的两行，再看时间信息在两个世界里的价值：对每位用户，使用时间信息的先知的 NDCG@10，减去不使用时间信息的先知的；然后把 `sample` 的用户按 CV 分成三组，从最规则的三分之一到最不规则的三分之一。（这里用每位用户全部间隔的 CV，因为先知没有经过训练，没有什么由它们拟合。第 20 课评判训练好的模型，只用训练集的间隔。此外，这里计入用户的所有事件；第 17 课只用测试事件，所以那里的时间价值略有不同。）

# %% [markdown] id="predict-worth-en" lang="en" tags=["predict"]
# **Predict.** In which third is time worth the most?

# %% [markdown] id="predict-worth-zh" lang="zh" en="23df020f" tags=["predict"]
# **猜一猜。** 在哪个三分之一里，时间信息的价值最大？

# %% id="worth-code"
estimates = [column for column in table.columns if column != "fingerprint"]
expect_true(
    "sample and control: every estimate is the same",
    (table.loc["sample", estimates] == table.loc["control", estimates]).all(),
)
worth = {}
for name in ("sample", "control"):
    world_events, ranks = load_dataset(name).events, load_ceiling(name)
    later = ranks["rank_with_clock"].notna().to_numpy()  # no prediction at a first event
    value = ndcg(ranks["rank_with_clock"].to_numpy()[later]) - ndcg(ranks["rank_without_clock"].to_numpy()[later])
    person = world_events["user"].to_numpy()[later]
    worth[name] = np.bincount(person, value) / np.bincount(person)
expect("sample: value of time", worth["sample"].mean(), 0.038, tol=0.002)
expect("control: value of time", worth["control"].mean(), 0, tol=1e-9)
cv = irregularity(load_dataset("sample").events)
third = cv.argsort().argsort() * 3 // len(cv)
groups = {
    name: bootstrap_interval(worth["sample"][third == g]) for g, name in enumerate(["regular", "middle", "irregular"])
}
for (name, interval), want in zip(groups.items(), (0.049, 0.045, 0.021), strict=True):
    expect(f"value of time, {name} third", interval.mean, want, tol=0.002)
expect_true("the intervals of regular and irregular do not touch", groups["irregular"].high < groups["regular"].low)
seconds, person = gaps(load_dataset("sample").events)
pauses = np.array([(seconds[third[person] == g] >= 3600).mean() for g in range(3)])
expect("share of gaps of an hour or more, regular third", pauses[0], 0.6, tol=0.05)
expect("share of gaps of an hour or more, irregular third", pauses[2], 0.2, tol=0.05)

# %% [markdown] id="worth-why-en" lang="en"
# The same gaps to the second, the same burstiness, the same entropy: and time is worth 0.038 in one world and exactly nothing in the other. **No statistic of the gaps alone can say what time is worth**, for it has to say the same of both. And where time is worth something, it is worth **least** for the most irregular third: 0.021 against 0.049. The reason is plain: in this world a large CV means many gaps of minutes and few of days (a fifth of an hour or more, against three fifths), and in a few minutes a mood hardly moves. In another world it may be otherwise. One has to measure, with a model and its blind twin, and lesson 20 did; the counting models of lesson 23 do it on seven logs. The next cell counts for how many of its models the gain depends on irregularity, in the suites that are there.

# %% [markdown] id="worth-why-zh" lang="zh" en="c60bf916"
# 间隔一秒不差，阵发性相同，熵相同：可是时间信息的价值在一个世界里是 0.038，在另一个世界里恰好是零。**只看间隔的统计量，说不出时间信息的价值**，因为它对两个世界只能给出同样的回答。而且，在时间信息有价值的世界里，它对最不规则的三分之一价值**最小**：0.021 对 0.049。原因很简单：在这个世界里，CV 大意味着几分钟的间隔多，几天的间隔少（一小时以上的占五分之一，对照五分之三），而几分钟里短期兴趣几乎不变。换一个世界也许不同。这只能通过测量来回答，即拿一个模型和它的对照模型比较；第 20 课已经这样做了，第 23 课的计数模型又在七份日志上做了一遍。下一个单元格统计已有的各次实验里，有多少模型的收益与不规则程度有关。

# %% id="suite-code" tags=["nbval-ignore-output"]
for name in suite_names():
    differences = read_suite(name, "irregularity", "differences")
    if len(differences):
        more = int((differences["significant"] & (differences["difference"] > 0)).sum())
        less = int((differences["significant"] & (differences["difference"] < 0)).sum())
        print(f"{name:28s}{len(differences):3d} models: {more} gain more for irregular users, {less} gain less")

# %% [markdown] id="verdict-en" lang="en"
# ## The verdict
#
# Claim 6, *real interactions form a random dynamical system with high random topological entropy*, in a form that the report of lesson 23 can quote:
#
# - **Not testable as stated.** The claim names no states, no noise and no map. Fibre entropy belongs to these, not to a log: two systems with entropies $\ln 2$ and 0 write logs with the same law.
# - **Where the system is known** (the mood of `sample`) its fibre entropy is 0, though its logs are as irregular as logs can be.
# - **Word counts from logs** reach at least 92 % of their finite-data ceiling in all four data sets: they measure the amount of data and the number of bins.
# - **Measured instead:** the order of a user's gaps makes the next one more predictable than in random order, by 0.032 nats (MovieLens 100K) and 0.049 nats (Grocery), about 2.4 % of the entropy with two gaps of memory; in the two simulated worlds, where the truth is 0, by nothing. Nearly all of the entropy remains, in all four.
# - **For the value of time it means nothing:** `sample` and `control` have the same gaps; in one time is worth 0.038 NDCG@10, in the other 0.
#
# The command: `python -m studies.entropy_facts --dataset NAME --table data/facts/entropy.csv`. The sentences with their numbers come from the table:

# %% [markdown] id="verdict-zh" lang="zh" en="91ee25ff"
# ## 判定
#
# 主张 6，“真实的交互构成一个随机动力系统，具有很高的随机拓扑熵”，判定写成第 23 课的报告可以引用的形式：
#
# - **按原话无法检验。** 它没有说明状态是什么、噪声是什么、映射是什么。纤维熵属于这三者，而不属于日志：熵为 $\ln 2$ 和熵为 0 的两个系统，写出的日志规律完全相同。
# - **在系统已知的地方**（`sample` 的短期兴趣），纤维熵是 0，尽管它的日志极不规则。
# - **日志中词的计数**，在四个数据集里都至少达到有限数据上限的 92%：它衡量的是数据量和箱数。
# - **改为测量：** 用户间隔的次序，使下一个间隔比随机次序时更可预测，多出 0.032 奈特（MovieLens 100K）和 0.049 奈特（Grocery），在记住两个间隔时约为熵的 2.4%；在两个模拟世界里真值是 0，测出来也是零。四个数据集里，熵几乎全部保留。
# - **它与时间信息的价值无关：** `sample` 和 `control` 的间隔相同；在一个世界里时间信息的价值是 0.038 的 NDCG@10，在另一个里是 0。
#
# 命令是 `python -m studies.entropy_facts --dataset NAME --table data/facts/entropy.csv`。带数字的句子由表生成：

# %% id="verdict-code"
for sentence in verdict(table):
    print("-", sentence)

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **22.1 Implement · basic.** The entropy rate of a Markov chain in nats: the mean surprise of the next state, weighted by how often the chain is in each state in the long run. Rows of `transition` say where the chain goes from a state; some entries are 0.

# %% [markdown] id="exercise1-zh" lang="zh" en="52e01d97" tags=["exercise"]
# ## 练习
#
# **22.1 实现 · 基础。** 马尔可夫链的熵率，以奈特计：下一个状态的平均意外程度，按链长期停留在各状态的频率加权。`transition` 的每一行说的是从一个状态去往何处；有些元素是 0。


# %% id="exercise1-code" tags=["exercise"]
def markov_rate(transition):
    """transition [S, S], rows sum to 1 -> entropy rate in nats, a number."""
    ...


lesson22.check_markov_rate(markov_rate)


# %% id="exercise1-solution" tags=["solution"]
# Solution

def markov_rate(transition):
    stationary = np.linalg.matrix_power(transition, 1000)[0]  # where the chain is in the long run, wherever it started
    logs = np.log(np.where(transition > 0, transition, 1))  # 0 ln 0 = 0
    return -(stationary[:, None] * transition * logs).sum()


lesson22.check_markov_rate(markov_rate)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **22.2 Implement · stretch.** A surrogate that keeps more. `shuffled` destroys every order. Write `shuffled_blocks(values, user, rng)`: cut each user's history, from its start, into pairs of consecutive values (a last single value stays at the end of the user), and put the pairs, whole, into random order. What remains of order then lies within the pairs.

# %% [markdown] id="exercise2-zh" lang="zh" en="e3cf6e87" tags=["exercise"]
# **22.2 实现 · 挑战。** 一种保留得更多的替代数据。`shuffled` 打乱一切次序。请写出 `shuffled_blocks(values, user, rng)`：把每位用户的历史从头开始切成一对一对的相邻值（最后若剩下单个值，留在该用户的末尾），再把这些对作为整体打乱次序。于是剩下的次序只在对的内部。


# %% id="exercise2-code" tags=["exercise"]
def shuffled_blocks(values, user, rng):
    """values, user [G] (users together), rng: a numpy Generator -> [G]."""
    ...


lesson22.check_shuffled_blocks(shuffled_blocks)


# %% id="exercise2-solution" tags=["solution"]
# Solution

def shuffled_blocks(values, user, rng):
    starts = np.flatnonzero(np.diff(user, prepend=-1))  # first row of each user
    counts = np.diff(starts, append=len(user))
    place = np.arange(len(user)) - np.repeat(starts, counts)
    pair = place // 2
    single = (place == np.repeat(counts, counts) - 1) & (place % 2 == 0)
    key = rng.random(len(user))[np.repeat(starts, counts) + pair]  # one number for both of a pair
    return values[np.lexsort((place, np.where(single, 2.0, key), user))]


lesson22.check_shuffled_blocks(shuffled_blocks)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **22.3 Debug · core.** An estimator of fibre entropy. `step(x, noise)` moves all states `x` [N] by one value of the noise, `noise` is [R, n] (R realisations of n steps), `letter(x)` gives the letter of each state as a whole number below 10. The answer should be the growth of the number of words from length 1 to length n, in nats a step, averaged over the realisations. This version calls a random turn chaotic:
#
# ```python
# def fibre_growth(step, noise, starts, letter):
#     words = set()
#     for realisation in noise:
#         x, letters = starts, []
#         for now in realisation:
#             x = step(x, now)
#             letters.append(letter(x))
#         words |= set(zip(*letters))
#     return np.log(len(words)) / noise.shape[1]
# ```
#
# Three faults: whose words are thrown together, when a letter is read, and with what the words of length n are compared. Mend them.

# %% [markdown] id="exercise3-zh" lang="zh" en="a8909da2" tags=["exercise"]
# **22.3 调试 · 进阶。** 一个纤维熵的估计量。`step(x, noise)` 按照噪声的一个值移动所有状态 `x` [N]，`noise` 是 [R, n]（R 份噪声，每份 n 步），`letter(x)` 给出每个状态的字母，是小于 10 的整数。答案应当是词的个数从长度 1 到长度 n 的增长，以每步多少奈特计，再对各份噪声取平均。下面的版本会把随机转动判为混沌：
#
# ```python
# def fibre_growth(step, noise, starts, letter):
#     words = set()
#     for realisation in noise:
#         x, letters = starts, []
#         for now in realisation:
#             x = step(x, now)
#             letters.append(letter(x))
#         words |= set(zip(*letters))
#     return np.log(len(words)) / noise.shape[1]
# ```
#
# 三处错误：哪些词混在了一起，字母在什么时候读，长度为 n 的词与什么比较。请修正。

# %% id="exercise3-code" tags=["exercise"]
def fibre_growth(step, noise, starts, letter):
    """noise [R, n], starts [N] -> mean growth in nats a step, a number."""
    ...


lesson22.check_fibre_growth(fibre_growth)


# %% id="exercise3-solution" tags=["solution"]
# Solution

def fibre_growth(step, noise, starts, letter):
    rates = []
    for realisation in noise:
        x, letters = starts, []
        for now in realisation:
            letters.append(letter(x))
            x = step(x, now)
        spelled = np.stack(letters)  # [n, N]: one word a column
        longest, shortest = np.unique(spelled, axis=1).shape[1], len(np.unique(spelled[0]))
        rates.append(np.log(longest / shortest) / (len(realisation) - 1))
    return np.mean(rates)


lesson22.check_fibre_growth(fibre_growth)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **22.4 Think · core.** Which statements are true? Give a set of letters.
#
# - A: if two systems write logs with the same law, they have the same fibre entropy
# - B: a user whose gaps have a CV of 3 has a high entropy rate
# - C: a system with fibre entropy 0 can write logs that look like fair coin tosses
# - D: from 1,000 letters, $\frac{1}{8} \ln N_8$ is at most 0.87 nats, whatever wrote them and however many letters there are
# - E: a rate that is lower than after shuffling the gaps **over all users** may come from users who differ, without any order in anybody's gaps
# - F: `control` has the same gaps as `sample`, so its gain from time is the same

# %% [markdown] id="exercise4-zh" lang="zh" en="08565f80" tags=["exercise"]
# **22.4 思考 · 进阶。** 哪些判断是对的？用字母的集合作答。
#
# - A：两个系统写出的日志规律相同，它们的纤维熵就相同
# - B：一位用户的间隔的 CV 是 3，他的熵率就高
# - C：纤维熵为 0 的系统，可以写出看上去像抛公平硬币的日志
# - D：从 1,000 个字母算出的 $\frac{1}{8} \ln N_8$ 最多 0.87 奈特，不管是谁写的，也不管有多少种字母
# - E：熵率比把间隔在**所有用户之间**打乱之后低，可能只是因为用户各不相同，任何人的间隔都没有次序
# - F：`control` 的间隔与 `sample` 的一样，所以从时间得到的收益也一样

# %% id="exercise4-code" tags=["exercise"]
true_statements = ...

lesson22.check_true_statements(true_statements)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# A: machines A and B. B: in strict turns CV is large and the rate small. C: machine B. D: ln(993) / 8 = 0.863.
# E: that is what "personal" measures; shuffle within users. F: 0.038 against 0.
true_statements = {"C", "D", "E"}

lesson22.check_true_statements(true_statements)
expect_true("ln(993) / 8 is below 0.87", math.log(993) / 8 < 0.87)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** Measure the Lyapunov exponent of a **model**. Build an untrained GRU or DeepM3 (`build_model("deepm3", num_items=1000, max_len=60, dim=32)`), or take one that you trained in lesson 17. Feed it a history of `sample` twice, the second time with another first item, and follow the distance of the two states from event to event, as in `exponent`. A good report holds the exponent in nats an event with its spread over 50 histories, a picture of the distance on a logarithmic axis, what changes when all gaps are a minute or a month, and a doubt: is the distance still small enough for the word *exponent*?

# %% [markdown] id="open-zh" lang="zh" en="1b736d1b" tags=["open"]
# **开放任务。** 测量一个**模型**的李雅普诺夫指数。构建一个未经训练的 GRU 或 DeepM3（`build_model("deepm3", num_items=1000, max_len=60, dim=32)`），或者用你在第 17 课训练的模型。把 `sample` 的一段历史输入两遍，第二遍换掉第一个物品，像 `exponent` 那样逐个事件跟踪两个状态的距离。好的报告包含以每个事件多少奈特计的指数及其在 50 段历史上的标准差、一张对数纵轴的距离图、间隔全改成一分钟或一个月时有什么变化，以及一点疑问：距离是否仍然小到可以称为“指数”？

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "exponents": ...,  # nats an event, one for each of 50 histories
    "spread": ...,  # their standard deviation
    "minute": ...,  # mean exponent with all gaps a minute
    "month": ...,  # with all gaps a month
    "picture": ...,  # the figure, with a label on each axis
    "doubt": ...,  # what you doubt, in a sentence or two
}
lesson22.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## Vera, answered
#
# Which of the three is right? From her log alone nobody can know, and nobody ever will: the coin and the chaos write logs with the same law, and they differ only in what a *second* Vera would have done in the same year. The third sentence adds a name to what cannot be seen.
#
# What her log can tell is less grand and more useful. Are her gaps uneven? Do they come in an order, beyond what kind of user she is? By how many nats does that help to guess the next one? For real users: yes, a little. And whether a recommender gains from her clock, not one of these numbers says. For that one has to build the recommender, and its blind twin.

# %% [markdown] id="answer-zh" lang="zh" en="81096f83"
# ## 回答开头的问题
#
# 三种解释哪一种对？单凭她的日志，没有人知道，也永远不会有人知道：硬币和混沌写出的日志规律相同，它们的差别只在于，在同样的一年里，**第二个**小薇会做什么。第三句话只不过给看不见的东西取了一个名字。
#
# 她的日志能说明的问题没有那么宏大，却更有用。她的间隔是否不均匀？除了说明她是哪一种用户，前后还有没有次序？这个次序对预测下一个间隔有多少奈特的帮助？对真实用户来说，有，但很少。至于推荐模型能不能从她的时间信息中获益，这些数一个也没有说明。要知道这一点，只能构建推荐模型和它的对照模型。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. Entropy rates of short logs are too small; correct the bias, keep the order low, and compare with a surrogate of the same length.
# 2. Uneven, without order, hard to predict: three properties, and each can occur without the others.
# 3. Random topological entropy counts how fast states become distinguishable under one shared noise: the mean logarithm for random factors, 0 for turns and for contractions driven by noise, such as the mood of `sample`, whose Lyapunov exponent is negative.
# 4. A log is one orbit: systems with entropies $\ln 2$ and 0 write the same logs, and word counts of a log measure its length. The claim is not testable as stated.
# 5. Testable and tested: the order of real gaps takes away about 2.4 % of their entropy (two gaps of memory); of the value of time the gaps alone say nothing.

# %% [markdown] id="summary-zh" lang="zh" en="86cc0bbc" tags=["summary"]
# ## 小结
#
# 1. 短日志的熵率总是偏小；要修正偏差，阶数要低，并与同样长的替代数据比较。
# 2. 不均匀、没有次序、难以预测：这是三种性质，每一种都可以单独出现。
# 3. 随机拓扑熵数的是：在同一份噪声之下，状态多快变得可以区分。随机倍数是对数的平均；转动是 0，由噪声驱动的压缩映射也是 0，例如 `sample` 的短期兴趣，它的李雅普诺夫指数为负。
# 4. 一份日志就是一条轨道：熵为 $\ln 2$ 和熵为 0 的系统写出同样的日志，而日志中词的计数衡量的是日志有多长。这条主张按原话无法检验。
# 5. 可以检验并已检验的：真实间隔的次序消去约 2.4% 的熵（记住两个间隔）；关于时间信息的价值，间隔本身什么也没有说明。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> A log of 12 letters over 4 kinds gives a naive entropy of 1.20 nats. What does Miller and Madow's correction make of it, and what would you compare it with?</summary>
#
# (4 − 1) / (2 · 12) = 0.125, so 1.325. Compare it with the same estimate on shuffled copies of the log, which carry the same error.
#
# </details>
#
# <details><summary><b>2.</b> Somebody estimates an entropy rate of order 5 with 16 bins from 20,000 gaps, finds 0.3 nats, and reports strong order. What do you predict for shuffled gaps?</summary>
#
# Much the same. There are 16⁵, more than a million, pasts for 20,000 gaps: nearly every past occurs once and looks certain.
#
# </details>
#
# <details><summary><b>3.</b> A user comes every Monday and Thursday, to the minute. Say of burstiness, order and predictability whether each is high or low.</summary>
#
# Gaps of 3 and 4 days: CV 0.14, so burstiness about −0.75, low. Strict turns: much order, and the next gap is fully predictable, entropy rate 0.
#
# </details>
#
# <details><summary><b>4.</b> Factors 2 and 4 with probability one half each, on the circle. What are $h$ and the Lyapunov exponent? And with factors ½ and 4 on the line?</summary>
#
# Both ½ (ln 2 + ln 4) = 1.04. On the line the exponent is ½ (ln ½ + ln 4) = 0.35: the mean logarithm again, though the mean factor is 2.25.
#
# </details>
#
# <details><summary><b>5.</b> A streaming service restores the state after event 100, and then feeds the gaps from event 1 again. Which law does it break, and what would a test look like?</summary>
#
# The cocycle property: after m steps the shifted noise has to follow. Test: all events at once, and in two pieces with the saved state between them, must give the same state.
#
# </details>
#
# <details><summary><b>6.</b> A state has the Lyapunov exponent −0.05 nats an event. After how many events is a wrong start reduced to a hundredth?</summary>
#
# ln 100 / 0.05 = 92 events. With −2.9, as for the mood of `sample`, two are enough.
#
# </details>
#
# <details><summary><b>7.</b> A paper counts the words of many **users** and finds that they grow fast; it concludes high fibre entropy. Where is the mistake?</summary>
#
# Every user has noise of his own, so what is counted is noise: the right panel of *everybody has noise of his own*, in which even turns look chaotic.
#
# </details>
#
# <details><summary><b>8.</b> From a log of 200 letters somebody reports ln N₈ / 8 = 0.64. Can that be high? What is the ceiling?</summary>
#
# ln(193) / 8 = 0.66. It lies at 97 % of what 200 letters allow at all, whatever wrote them: it measures the length.
#
# </details>
#
# <details><summary><b>9.</b> Shuffling gaps over **all users** lowers predictability by 0.05 nats, within users by 0.001. What follows about order, and about whom?</summary>
#
# Users differ from one another by about 0.049 nats, and hardly anybody's gaps have an order. Only the shuffle within users speaks of order.
#
# </details>
#
# <details><summary><b>10.</b> Your log has a burstiness of 0.5 and an order gain of 0.06 nats. Your chief asks what a model with a clock will gain. What do you answer, and what do you run?</summary>
#
# Nothing follows: `sample` and `control` have the same gaps, and time is worth 0.038 in one and 0 in the other. Run a model beside its blind twin, or first the counting models of lesson 23.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="b7ff616c" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 一份 12 个字母、4 种字母的日志，朴素估计的熵是 1.20 奈特。Miller 和 Madow 的修正把它变成多少？你会与什么比较？</summary>
#
# (4 − 1) / (2 · 12) = 0.125，所以是 1.325。应当与打乱后的日志上同样的估计比较，它们带有同样的误差。
#
# </details>
#
# <details><summary><b>2.</b> 有人用 16 箱、5 阶，从 20,000 个间隔估计熵率，得到 0.3 奈特，于是报告说次序很强。你预测打乱后的间隔会得到多少？</summary>
#
# 差不多一样。16⁵ 种过去，超过一百万种，而间隔只有 20,000 个：几乎每种过去只出现一次，看上去就是必然的。
#
# </details>
#
# <details><summary><b>3.</b> 一位用户每周一和周四准时到来，分秒不差。阵发性、次序、可预测性各是高还是低？</summary>
#
# 间隔是 3 天和 4 天：CV 为 0.14，阵发性约 −0.75，很低。严格轮流，因此次序很强，下一个间隔完全可以预测，熵率为 0。
#
# </details>
#
# <details><summary><b>4.</b> 圆上的倍数是 2 和 4，概率各一半。$h$ 和李雅普诺夫指数各是多少？如果是直线上的倍数 ½ 和 4 呢？</summary>
#
# 两者都是 ½ (ln 2 + ln 4) = 1.04。直线上的指数是 ½ (ln ½ + ln 4) = 0.35：仍然是对数的平均，尽管倍数的平均是 2.25。
#
# </details>
#
# <details><summary><b>5.</b> 一个流式服务恢复了第 100 个事件之后的状态，接着却又从第 1 个事件的间隔开始输入。它违反了什么规律？怎样测试？</summary>
#
# 违反了上闭链性质：走了 m 步之后，应当接上移位后的噪声。测试：一次处理全部事件，与分两段、中间保存状态，必须得到同样的状态。
#
# </details>
#
# <details><summary><b>6.</b> 一个状态的李雅普诺夫指数是每个事件 −0.05 奈特。错误的起点要经过多少个事件才缩小到百分之一？</summary>
#
# ln 100 / 0.05 = 92 个事件。像 `sample` 的短期兴趣那样是 −2.9 时，两个就够了。
#
# </details>
#
# <details><summary><b>7.</b> 一篇论文统计许多**用户**的词，发现增长很快，于是断定纤维熵很高。错在哪里？</summary>
#
# 每位用户的噪声各自独立，因此数的是噪声：这对应“各有各的噪声”一节的右图，那里连转动看上去都是混沌的。
#
# </details>
#
# <details><summary><b>8.</b> 有人从 200 个字母的日志得出 ln N₈ / 8 = 0.64。这算高吗？上限是多少？</summary>
#
# ln(193) / 8 = 0.66。无论是谁写的，200 个字母最多就是这么多，它已达到上限的 97%：衡量的只是长度。
#
# </details>
#
# <details><summary><b>9.</b> 把间隔在**所有用户之间**打乱，可预测性下降 0.05 奈特；只在用户内部打乱，下降 0.001。关于次序能得出什么？</summary>
#
# 用户彼此不同，约占 0.049 奈特，而几乎没有人的间隔有次序。只有用户内部的打乱才能说明次序。
#
# </details>
#
# <details><summary><b>10.</b> 你的日志阵发性是 0.5，次序带来 0.06 奈特。主管问，使用时间信息的模型会有多少收益。你怎么回答？运行什么？</summary>
#
# 由此什么也得不出：`sample` 和 `control` 的间隔相同，时间信息的价值在一个里是 0.038，在另一个里是 0。应当拿模型与对照模型比较，或者先运行第 23 课的计数模型。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - L. Arnold, *Random Dynamical Systems*, Springer 1998: chapter 1, the definition; examples of contractions driven by noise; chapter 3, Lyapunov exponents.
# - Y. Kifer, *Ergodic Theory of Random Transformations*, Birkhäuser 1986: chapter 2, entropy of random transformations.
# - T. Bogenschütz, *Entropy, pressure, and a variational principle for random dynamical systems*, Random and Computational Dynamics 1 (1992/93): topological entropy on the fibres.
# - K.-I. Goh, A.-L. Barabási, *Burstiness and memory in complex systems*, EPL 81 (2008): both coefficients. [arXiv physics/0610233](https://arxiv.org/abs/physics/0610233)
# - J. S. Richman, J. R. Moorman, *Physiological time-series analysis using approximate entropy and sample entropy*, American Journal of Physiology 278 (2000).
# - P. Grassberger, *Entropy estimates from insufficient samplings*, 2003: the correction with $G(n)$; the older one is by G. Miller (1955). [arXiv physics/0307138](https://arxiv.org/abs/physics/0307138)
# - In this repository: `tutorial_lib/data/gaps.py`, `studies/entropy.py`, `studies/entropy_facts.py`, `data/facts/entropy.csv`, `tests/studies/test_entropy.py`.

# %% [markdown] id="references-zh" lang="zh" en="08144940" tags=["references"]
# ## 参考文献
#
# - L. Arnold，*Random Dynamical Systems*，Springer 1998：第 1 章，定义；由噪声驱动的压缩映射的例子；第 3 章，李雅普诺夫指数。
# - Y. Kifer，*Ergodic Theory of Random Transformations*，Birkhäuser 1986：第 2 章，随机变换的熵。
# - T. Bogenschütz，*Entropy, pressure, and a variational principle for random dynamical systems*，Random and Computational Dynamics 1（1992/93）：纤维上的拓扑熵。
# - K.-I. Goh、A.-L. Barabási，*Burstiness and memory in complex systems*，EPL 81（2008）：两个系数。[arXiv physics/0610233](https://arxiv.org/abs/physics/0610233)
# - J. S. Richman、J. R. Moorman，*Physiological time-series analysis using approximate entropy and sample entropy*，American Journal of Physiology 278（2000）。
# - P. Grassberger，*Entropy estimates from insufficient samplings*，2003：用 $G(n)$ 的修正；更早的修正出自 G. Miller（1955）。[arXiv physics/0307138](https://arxiv.org/abs/physics/0307138)
# - 本仓库：`tutorial_lib/data/gaps.py`，`studies/entropy.py`，`studies/entropy_facts.py`，`data/facts/entropy.csv`，`tests/studies/test_entropy.py`。
