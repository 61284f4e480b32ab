# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Vera and Leo take the same data, the same split, the same metric, and the same two models: one with attention, one recurrent. Vera reports that attention wins by a wide margin. Leo reports that the recurrent model wins, and clearly. There is no bug. Nobody has looked at the test part. Run Vera's script and you get Vera's numbers; run Leo's and you get Leo's.
#
# Each of them believed in one of the two models and tried a few learning rates for it. The other model they ran once, with the rate that comes with the optimizer. Who is right?
#
# A comparison of models is never a comparison of models alone. It is a comparison of models **and of the care they were given**. In this lesson you measure what care is worth, watch a model beat itself, and run the first stage of this course's experiments, which gives every model the same care and remembers what it has done.

# %% [markdown] id="puzzle-zh" lang="zh" en="4974713f"
# 小薇和小磊用同样的数据、同样的切分、同样的指标，比较同样的两个模型：一个用注意力，一个是循环网络。小薇报告：注意力大胜。小磊报告：循环网络赢了，而且优势明显。没有程序错误，谁也没有偷看测试集。运行小薇的脚本，得到的就是小薇的数；运行小磊的，得到的就是小磊的。
#
# 两人各自看好其中一个模型，为它试了几种学习率；另一个模型只跑了一次，用的是优化器自带的学习率。谁说得对？
#
# 比较模型，从来不只是比较模型，而是在比较模型**以及花在它身上的工夫**。这一课里，你会测出这些工夫能带来多少分，看到一个模型胜过它自己，然后运行本课程实验的第一个阶段：它给每个模型同样的工夫，并且记得自己做过什么。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - split a reported difference into what the models differ in and what one of them was not given;
# - compute what a tuning budget buys by luck alone, and how much of it is real;
# - choose settings on validation with equal budgets, and recognise a choice at the edge of the grid, a run that was too short and a choice made by one seed;
# - run the `tune` stage, cut it off, go on, and say when it must run again;
# - read a real grid and say whether the comparison built on it was fair.

# %% [markdown] id="objectives-zh" lang="zh" en="dd1a1011" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 把报告出来的差别拆成两部分：模型之间的差别，和其中一个没有得到的工夫；
# - 算出调参预算（tuning budget）单靠运气能换来多少分，其中又有多少是真的；
# - 在预算相等的前提下用验证集做选择，并认出三种毛病：选在网格边缘、训练得太短、由一个种子说了算；
# - 运行 `tune` 阶段，中途打断再接着跑，并说清它什么时候必须重跑；
# - 读一张真实的网格表，判断建立在它上面的比较是否公平。

# %% id="setup"
import json
import tempfile
from pathlib import Path
from unittest.mock import patch

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_close, expect_true, settings, show_matrix
from tutorial_lib.evaluate import ndcg, per_user
from exercises import lesson18
from tutorial_lib.experiments.results import read_ranks, read_results, read_suite, suite_names
from tutorial_lib.experiments.stages import tune
from tutorial_lib.experiments.stages.lineup import select
from tutorial_lib.experiments.suite import Suite, run_suite
from tutorial_lib.statistics import paired_bootstrap

plots.use_style()

# %% [markdown] id="parameters-en" lang="en"
# One section trains three small models, on the data that this cell names. The result tables speak of the data in their names, wherever you run the lesson.

# %% [markdown] id="parameters-zh" lang="zh" en="cb990932"
# 有一节会训练三个小模型，用什么数据由这个单元格决定。各张结果表说的始终是表名里的那份数据，与你在哪里运行无关。

# %% id="parameters-code" tags=["parameters", "training"]
DATASET, USERS = settings(dataset="sample", users=500)
ON_SAMPLE = DATASET == "sample" and USERS == 500  # the numbers in the text are checked only there

# %% [markdown] id="tiny-en" lang="en"
# ## Six numbers
#
# Here is everything that Vera and Leo could have measured: the NDCG@10 on validation of two models with three learning rates. (Made up, so that you can do the sums in your head.)

# %% [markdown] id="tiny-zh" lang="zh" en="809d177c"
# ## 六个数
#
# 小薇和小磊可能测到的全部数字都在这里：两个模型、三种学习率，验证集上的 NDCG@10。（数字是编的，好让你能心算。）

# %% id="tiny-table"
rates = [0.001, 0.003, 0.01]
measured = pd.DataFrame([[0.110, 0.124, 0.118], [0.090, 0.116, 0.126]], ["attention", "recurrent"], rates)
show_matrix(measured.to_numpy(), measured.index, rates, digits=3)

# %% [markdown] id="predict-tiny-en" lang="en" tags=["predict"]
# **Predict before you run.** Vera tunes attention and leaves the recurrent model at 0.001. Leo tunes the recurrent model and leaves attention at 0.001. What difference does each report, and what is the difference if both models are tuned?

# %% [markdown] id="predict-tiny-zh" lang="zh" en="655a3602" tags=["predict"]
# **先猜，再运行。** 小薇给注意力模型调参，循环网络留在 0.001；小磊给循环网络调参，注意力模型留在 0.001。两人报告的差别各是多少？两个模型都调参，差别又是多少？

# %% id="tiny-code"
best = measured.max(axis=1)
attention_minus_recurrent = {
    "Vera": best["attention"] - measured.loc["recurrent", 0.001],
    "Leo": measured.loc["attention", 0.001] - best["recurrent"],
    "both tuned": best["attention"] - best["recurrent"],
}
for who, difference in attention_minus_recurrent.items():
    print(f"{who:11s} attention minus recurrent: {difference:+.3f}")
expect("Vera's difference", attention_minus_recurrent["Vera"], 0.034, tol=0.0001)
expect("Leo's difference", attention_minus_recurrent["Leo"], -0.016, tol=0.0001)
expect("both tuned", attention_minus_recurrent["both tuned"], -0.002, tol=0.0001)
neglect = best - measured[0.001]
expect("what the recurrent model did not get from Vera", neglect["recurrent"], 0.036, tol=0.0001)
expect("what attention did not get from Leo", neglect["attention"], 0.014, tol=0.0001)
expect_close(
    "Vera's difference is the fair one plus what the rival did not get",
    attention_minus_recurrent["Vera"],
    attention_minus_recurrent["both tuned"] + neglect["recurrent"],
    tol=1e-9,
)

# %% [markdown] id="tiny-why-en" lang="en"
# Vera reports +0.034, Leo −0.016, and with equal care it is −0.002. The sum behind it is exact, for any table:
#
# $$\underbrace{0.034}_{\text{reported}} \;=\; \underbrace{-0.002}_{\text{the models}} \;+\; \underbrace{0.036}_{\text{what the rival did not get}} .$$
#
# Whoever leaves the rival untuned adds the whole second term to the own result. Both reports are true sentences about runs. Neither is a sentence about models.
#
# How often can a result be turned round in this way? Take a table of validation scores, models by rates. A pair can be **turned round** if each of the two beats the other when it alone is tuned and the other is left at some rate of the grid.

# %% [markdown] id="tiny-why-zh" lang="zh" en="231e7338"
# 小薇报告 +0.034，小磊报告 −0.016；工夫相等时是 −0.002。背后的加法对任何一张表都精确成立：
#
# $$\underbrace{0.034}_{\text{报告值}} \;=\; \underbrace{-0.002}_{\text{模型之差}} \;+\; \underbrace{0.036}_{\text{对手没得到的}} .$$
#
# 谁不给对手调参，谁就把第二项整个加进了自己的成绩。两份报告作为关于运行的陈述都是真的，但都不是关于模型的陈述。
#
# 结果有多容易这样被翻过来？取一张验证分数的表，行是模型，列是学习率。如果两个模型中的每一个，在只给自己调参、让对方停在网格中某个学习率时都能赢，这一对就**可以翻转**。


# %% id="turned-code"
def turned_round(scores, margin=0.0):
    """scores [models, rates] -> (pairs that can be turned round, all pairs); a lead counts above the margin."""
    best, worst = scores.max(axis=1), scores.min(axis=1)
    beats = best[:, None] > worst[None, :] + margin  # row tuned, column left at its worst rate
    both = beats & beats.T
    return int(np.triu(both, 1).sum()), len(scores) * (len(scores) - 1) // 2


expect("pairs of the tiny table that can be turned round", turned_round(measured.to_numpy())[0], 1, tol=0.1)
expect_true(
    "a model that is better at its worst than the other at its best is safe",
    turned_round(np.array([[3, 4], [1, 2]])) == (0, 1),
)

# %% [markdown] id="edge-en" lang="en"
# Keep this function; real tables will come.
#
# One more look at the six numbers. The recurrent model was best at 0.01, the **edge** of the grid. An edge is not an optimum: perhaps it only wanted to go further. The remedy is to widen the grid **for all**, until every choice lies inside.

# %% [markdown] id="edge-zh" lang="zh" en="5516cda0"
# 这个函数先留着，后面有真实的表。
#
# 再看一眼这六个数。循环网络在 0.01 处最好，那是网格的**边缘**。边缘不是最优点：也许它只是还想往外走。补救的办法是为**所有**模型把网格加宽，直到每个选择都落在里面。


# %% id="edge-code"
def at_the_edge(scores):
    """For each model: is its best rate the first or the last of the grid?"""
    choice = scores.argmax(axis=1)
    return (choice == 0) | (choice == scores.shape[1] - 1)


wider = measured.assign(**{"0.03": [0.101, 0.121]})
expect_true(
    "three rates: one of the two choices is at the edge", at_the_edge(measured.to_numpy()).tolist() == [False, True]
)
expect_true("four rates: none", not at_the_edge(wider.to_numpy()).any())

# %% [markdown] id="budget-en" lang="en"
# ## What a budget buys by luck
#
# Now suppose there is nothing to tune: the setting makes no difference at all. Each training still comes out a little different, because a **seed** decides the first weights, the order of the windows and the dropout. So every trial is the same true quality plus noise. You try $k$ settings and keep the best. Lesson 03 has shown that the best of $k$ rises with $k$; here it is in another form. If $\Phi(z)$ is the chance that one standard normal number is below $z$, then $\Phi(z)^k$ is the chance that all $k$ are below $z$. The mean of the largest follows, from the chance that it is above $z$ and the chance that it is below $-z$:
#
# $$c_k = \int_0^\infty \left(1 - \Phi(z)^k - \Phi(-z)^k\right) dz .$$

# %% [markdown] id="budget-zh" lang="zh" en="bdbe39ad"
# ## 单靠运气，预算能换来什么
#
# 现在假设根本没有什么可调的：换设置毫无影响。可是每次训练的结果仍会略有不同，因为初始权重、窗口的次序和 dropout 都由**种子**决定。于是每次试验都是同一个真实水平加上噪声。你试 $k$ 种设置，留下最好的。第 03 课已经看到，$k$ 个里最好的那个会随 $k$ 上升；这里换一种写法。设 $\Phi(z)$ 是一个标准正态数小于 $z$ 的概率，那么 $\Phi(z)^k$ 就是 $k$ 个数都小于 $z$ 的概率。由“最大值大于 $z$”和“最大值小于 $-z$”这两个概率，就得到最大值的平均：
#
# $$c_k = \int_0^\infty \left(1 - \Phi(z)^k - \Phi(-z)^k\right) dz .$$


# %% id="budget-code" tags=["reference-check"]
def expected_maximum(k):
    """c_k: mean of the largest of k independent standard normal numbers."""
    z = torch.linspace(0, 12, 24_001, dtype=torch.double)
    return torch.trapezoid(1 - torch.special.ndtr(z) ** k - torch.special.ndtr(-z) ** k, z).item()


thrown = np.random.default_rng(0).standard_normal((100_000, 40))
for k in (1, 2, 10, 40):
    simulated = thrown[:, :k].max(axis=1).mean()
    expect(f"largest of {k}, simulated minus computed", simulated - expected_maximum(k), 0, tol=0.01)
expect_close("two: 1 / sqrt(pi)", expected_maximum(2), np.pi**-0.5, tol=1e-5)
expect("ten trials, in standard deviations of a trial", expected_maximum(10), 1.54, tol=0.005)

# %% [markdown] id="predict-twice-en" lang="en" tags=["predict"]
# **Predict.** Two models are **exactly** equal. One gets nine trials, the other gets one. How often does the first come out ahead: in half of all papers, in 3 of 4, or in 9 of 10?

# %% [markdown] id="predict-twice-zh" lang="zh" en="e70505fb" tags=["predict"]
# **猜一猜。** 两个模型**完全**一样好。一个试九次，另一个试一次。前者领先的机会有多大：论文里的一半、四分之三，还是十分之九？

# %% id="twice-theory" tags=["reference-check"]
for k in (1, 2, 4, 9):
    share = (thrown[:, 1 : 1 + k].max(axis=1) > thrown[:, 0]).mean()
    expect(f"{k} trials against 1: the first is ahead in", share, k / (k + 1), tol=0.01)

# %% [markdown] id="twice-en" lang="en"
# In 9 of 10, and you need no integral for it. All ten trials are alike, so each of them is the best of the ten equally often; nine of them carry the first model's name. With $a$ trials against $b$ the first wins in $a / (a + b)$ of all cases, whatever the distribution of the noise.
#
# ## Break it, 1: a model beats itself
#
# Is that theory? Take real trainings. The committed grid for MovieLens 100K holds ten runs of **one** model, SASRec: two learning rates, five seeds each. We shuffle the ten and hand one to "the rival" and $k$ others to "our model". Ours is chosen by validation; then both are read on the test part. 20,000 times.

# %% [markdown] id="twice-zh" lang="zh" en="da9d1aee"
# 十分之九，而且用不着积分。十次试验没有区别，每一次成为十次中最好的机会相等，其中九次属于前一个模型。$a$ 次对 $b$ 次，前者获胜的比例就是 $a / (a + b)$，无论噪声服从什么分布。
#
# ## 破坏实验一：模型赢过自己
#
# 这只是理论吗？来看真实的训练。提交在仓库里的 MovieLens 100K 网格中，有**同一个**模型 SASRec 的十次运行：两种学习率，各五个种子。我们把这十次打乱，一次发给“对手”，另外 $k$ 次发给“我们的模型”。我们的按验证集挑选，然后两边都读测试集。重复 20,000 遍。


# %% id="twice-code" tags=["break-it"]
def with_rates(name, model=None):
    """A committed grid with a column for the learning rate, which stands in the configuration of each run."""
    table = read_results(name).fillna({"options": ""})
    table["learning_rate"] = [json.loads(text)["config"]["learning_rate"] for text in table["configuration"]]
    return table if model is None else table[table["model"] == model]


ten = with_rates("attention_grid_ml-100k", "sasrec")
valid, test = ten["valid_ndcg@10"].to_numpy(), ten["ndcg@10"].to_numpy()
shuffled = np.random.default_rng(0).permuted(np.tile(np.arange(10), (20_000, 1)), axis=1)


def duel(ours, rivals):
    """Columns of `shuffled` for each side -> share of victories on validation, mean gain on test; ours - rival."""
    pick = [side[np.arange(len(side)), valid[side].argmax(axis=1)] for side in (shuffled[:, ours], shuffled[:, rivals])]
    return (valid[pick[0]] > valid[pick[1]]).mean(), (test[pick[0]] - test[pick[1]]).mean()


for k in (1, 2, 4, 9):
    won, gained = duel(slice(1, 1 + k), slice(0, 1))
    print(f"{k} against 1: ahead on validation in {won:.2f}, test NDCG@10 {gained:+.4f}")
won, gained = duel(slice(1, 10), slice(0, 1))
expect("nine against one: SASRec beats SASRec in", won, 0.9, tol=0.01)
expect("and by so much on the test part", gained, 0.0067, tol=0.0005)
won, gained = duel(slice(5, 10), slice(0, 5))
expect("mended, five against five: ahead in", won, 0.5, tol=0.02)
expect("gain on the test part", gained, 0, tol=0.0005)

# %% [markdown] id="twice-why-en" lang="en"
# SASRec beats SASRec in 9 of 10 cases, and by 0.0067 of NDCG@10 **on the test part**, which nobody touched. The gain is real: one rate is truly better than the other, and nine trials find it. It is only not a gain of the *model*. With five trials each it is gone.
#
# ## How much of it is real?
#
# So tuning buys two things at once, luck and quality. Let the true quality of a setting differ from setting to setting with standard deviation $\tau$ (`spread` in the program), and let the validation score add noise with standard deviation $\sigma$. The best of $k$ scores lies above the average setting by $c_k \sqrt{\tau^2 + \sigma^2}$. Of that, the share $\tau^2 / (\tau^2 + \sigma^2)$ is true quality and the rest is luck:
#
# $$\text{true gain} = c_k\, \frac{\tau^2}{\sqrt{\tau^2 + \sigma^2}}, \qquad \text{optimism} = c_k\, \frac{\sigma^2}{\sqrt{\tau^2 + \sigma^2}} .$$

# %% [markdown] id="twice-why-zh" lang="zh" en="f94451dd"
# SASRec 在 10 次里有 9 次赢过 SASRec，而且在谁也没碰过的**测试集**上，NDCG@10 高出 0.0067。这份收益是真的：两种学习率确实一好一坏，试九次就能找到好的。只不过它不是**模型**的收益。各试五次，它就没了。
#
# ## 其中多少是真的？
#
# 可见调参同时带来两样东西：运气和质量。设各种设置的真实水平彼此不同，标准差为 $\tau$（程序里叫 `spread`）；验证分数再加上标准差为 $\sigma$ 的噪声。$k$ 个分数里最好的，比平均的设置高 $c_k \sqrt{\tau^2 + \sigma^2}$。其中 $\tau^2 / (\tau^2 + \sigma^2)$ 这一份是真实水平，其余是运气，叫作乐观偏差（optimism）：
#
# $$\text{真实收益} = c_k\, \frac{\tau^2}{\sqrt{\tau^2 + \sigma^2}}, \qquad \text{乐观偏差} = c_k\, \frac{\sigma^2}{\sqrt{\tau^2 + \sigma^2}} .$$

# %% [markdown] id="predict-luck-en" lang="en" tags=["predict"]
# **Predict.** Settings differ by $\tau = 0.002$, the noise of one training is $\sigma = 0.004$. Ten trials lift the validation score by about 0.0069. How much of that will you see again on new users? And if you can afford forty trainings: forty settings once each, or ten settings with four seeds each (choose by the mean)?

# %% [markdown] id="predict-luck-zh" lang="zh" en="16ed98f6" tags=["predict"]
# **猜一猜。** 设置之间的标准差是 $\tau = 0.002$，一次训练的噪声是 $\sigma = 0.004$。试十次，验证分数会抬高约 0.0069。其中有多少会在新用户身上再次出现？如果你有四十次训练的预算：四十种设置各一次，还是十种设置各用四个种子（按均值选）？


# %% id="luck-code" tags=["reference-check"]
def gains(k, spread, noise):
    """(lift of the chosen validation score, true gain) over the average setting, in closed form."""
    total = np.hypot(spread, noise)
    return expected_maximum(k) * total, expected_maximum(k) * spread**2 / total


def simulated_gains(k, spread, noise, draws=200_000):
    rng = np.random.default_rng(k)
    quality = spread * rng.standard_normal((draws, k))
    score = quality + noise * rng.standard_normal((draws, k))
    chosen = np.arange(draws), score.argmax(axis=1)
    return score[chosen].mean(), quality[chosen].mean()


for spread, noise in ((0.002, 0.004), (0.002, 0.002), (0.005, 0.001)):
    expect_close(
        f"closed form, spread {spread}, noise {noise}",
        gains(10, spread, noise),
        simulated_gains(10, spread, noise),
        tol=5e-5,
    )
lift, true_gain = gains(10, 0.002, 0.004)
expect("lift of ten trials", lift, 0.0069, tol=0.0001)
expect("of which true", true_gain, 0.0014, tol=0.0001)
expect("the true share", true_gain / lift, 0.2, tol=0.001)
forty_once, ten_with_four = gains(40, 0.002, 0.004)[1], gains(10, 0.002, 0.004 / 4**0.5)[1]
expect("true gain, forty settings once", forty_once, 0.00193, tol=0.00002)
expect("true gain, ten settings with four seeds", ten_with_four, 0.00218, tol=0.00002)

# %% id="luck-picture" tags=["picture", "nbval-ignore-output"]
trials = [1, 2, 3, 5, 10, 20, 50]
fig, ax = plt.subplots()
for noise, color, marker in ((0.004, plots.VERMILION, "o"), (0.002, plots.BLUE, "s")):
    lifted, true = np.array([gains(k, 0.002, noise) for k in trials]).T
    ax.plot(trials, lifted, marker, color=color, ls="-", label=f"validation score of the chosen, noise {noise}")
    ax.plot(trials, true, marker, color=color, ls="--", mfc="none", label=f"its true quality, noise {noise}")
ax.set(xscale="log", xlabel="settings tried", ylabel="NDCG@10 above the average setting")
ax.set_xticks(trials, trials)
ax.minorticks_off()
ax.legend(fontsize=8)
plt.show()

# %% [markdown] id="luck-alt-en" lang="en" tags=["alt"]
# Gain over the average setting against the number of settings tried, 1 to 50, logarithmic. All four lines begin at 0 and rise ever more slowly. With noise 0.004 the validation score of the chosen climbs to 0.010 and its true quality only to 0.002. With noise 0.002 the score climbs less, to 0.006, and the true quality more, to 0.003: the two lines of a colour lie closer together.

# %% [markdown] id="luck-alt-zh" lang="zh" en="d5b1be10" tags=["alt"]
# 比平均设置高出多少，横轴是尝试的设置数，1 到 50，对数轴。四条线都从 0 出发，越升越慢。噪声为 0.004 时，被选中者的验证分数升到 0.010，真实水平只升到 0.002。噪声为 0.002 时，分数升得少些，到 0.006，真实水平反而升得多些，到 0.003：同色的两条线靠得更近。

# %% id="luck-check"
expect_close("noise 0.004, 50 settings: score and truth", gains(50, 0.002, 0.004), [0.010, 0.002], tol=0.0005)
expect_close("noise 0.002, 50 settings: score and truth", gains(50, 0.002, 0.002), [0.006, 0.003], tol=0.0005)

# %% [markdown] id="luck-why-en" lang="en"
# One fifth, 0.0014 of 0.0069. The rest was luck and does not come again. And forty trainings are better spent on ten settings with four seeds each, 0.00218 against 0.00193: less noise finds more than more trials do. So report a score that did not take part in the choice, and do not spend the whole budget on the number of settings.
#
# ## Break it, 2: choosing on the test part
#
# Now the same with the trainings of a real grid instead of normal numbers: matrix factorization on MovieLens 100K, twelve settings, the ranks of all 943 test users. We draw 400 of the users and choose on them the best of $k$ settings. **Reported** is the score of the winner on those 400. **Mended** is its score on the other users, who had no part in the choice. 2,000 draws.

# %% [markdown] id="luck-why-zh" lang="zh" en="0258ff42"
# 五分之一：0.0069 里的 0.0014。其余是运气，不会再来。四十次训练，花在十种设置、各四个种子上更好，0.00218 对 0.00193：少一点噪声，比多试几种设置找到的更多。所以，要报告没有参与过选择的分数；也不要把全部预算都花在设置的个数上。
#
# ## 破坏实验二：在测试集上做选择
#
# 同样的事，这次不用正态数，用一个真实网格里的训练：MovieLens 100K 上的矩阵分解，十二种设置，全部 943 位测试用户的排名。我们抽出 400 位用户，在他们身上从 $k$ 种设置里选最好的。**报告值**（reported）是优胜者在这 400 位身上的得分；**修复值**（mended）是它在其余用户身上的得分，那些人没有参与选择。抽 2,000 遍。


# %% id="test-code" tags=["break-it"]
def user_values(table):
    """NDCG@10 on the test part, [runs, users]."""
    ranks = [read_ranks(run) for run in table["run"]]
    return np.stack([per_user(one, ndcg(one)) for one in ranks])


twelve = user_values(with_rates("mf_grid_ml-100k", "mf"))


def choose_on_test(k, users, draws=2000):
    """(reported, mended), means over the draws."""
    rng, found = np.random.default_rng(0), np.zeros((draws, 2))
    for draw in found:
        who, tried = rng.permutation(twelve.shape[1]), rng.permutation(12)[:k]
        looked_at, others = twelve[tried][:, who[:users]].mean(axis=1), twelve[tried][:, who[users:]].mean(axis=1)
        draw[:] = looked_at.max(), others[looked_at.argmax()]
    return found.mean(axis=0)


chosen = {(k, users): choose_on_test(k, users) for k, users in ((1, 400), (4, 400), (12, 400), (12, 50))}
show_matrix(
    list(chosen.values()), [f"best of {k}, {users} users" for k, users in chosen], ["reported", "mended"], digits=3
)
expect("test users", twelve.shape[1], 943, tol=0.5)
expect("one setting: reported minus mended", np.subtract(*chosen[1, 400]), 0, tol=0.0005)
expect("best of twelve, reported", chosen[12, 400][0], 0.071, tol=0.0005)
expect("mended", chosen[12, 400][1], 0.065, tol=0.0005)
expect("too much, as a share", chosen[12, 400][0] / chosen[12, 400][1] - 1, 0.10, tol=0.01)
expect("best of twelve on 50 users, reported", chosen[12, 50][0], 0.085, tol=0.001)
expect("mended", chosen[12, 50][1], 0.061, tol=0.001)
expect("the average setting", twelve.mean(), 0.058, tol=0.0005)

# %% [markdown] id="test-why-en" lang="en"
# With one setting nothing is gained. With twelve the report says 0.071 and the other users say 0.065: 10 % too much. With only 50 users to choose by it is 0.085 against 0.061. The choice itself was no mistake, for the chosen setting is better than the average one (0.058) on users who had no part in it. The mistake is to report the number that one has chosen by.
#
# And if both models are chosen on the test part? Then both numbers are too high, and the difference favours whoever tried more. "We tuned all models on the test set, alike" repairs the difference, at best, and not the numbers.

# %% [markdown] id="test-why-zh" lang="zh" en="508975e5"
# 只有一种设置时，没有任何虚高。十二种设置时，报告值是 0.071，而其余用户身上是 0.065：多报了 10%。如果只凭 50 位用户来选，就是 0.085 对 0.061。选择本身没有错：选中的设置，在没参与选择的用户身上，也比平均的设置（0.058）好。错在把用来选择的那个数报告出去。
#
# 要是两个模型都在测试集上选呢？那么两个数都偏高，差别则偏向试得更多的一方。“所有模型都一样在测试集上调参”，最多修好了差别，修不好那两个数。

# %% [markdown] id="seed-en" lang="en" tags=["predict"]
# ## What a seed does
#
# A seed decides the first weights, the order of the windows, the dropout and the negatives. It does not decide the users, the split or the test part. Two different models trained with seed 3 see the same windows in the same order, and their first weights have nothing in common: pairing by seed can remove only a part of the noise. Variants of one network, as in lesson 06, share more. Users are the same people for every model, so users are always paired.
#
# Here are the ten runs of SASRec on MovieLens 100K once more, validation NDCG@10, a row a seed. **Predict.** How many of the five seeds, asked alone, choose another rate than the mean of the five?

# %% [markdown] id="seed-zh" lang="zh" en="d1729f33" tags=["predict"]
# ## 种子决定什么
#
# 种子决定初始权重、窗口的次序、dropout 和负样本；它不决定用户、切分和测试集。两个不同的模型都用种子 3，看到的窗口及其次序相同，初始权重却毫无共同之处：按种子配对至多消去一部分噪声。像第 06 课那样的同一网络的变体，共有的要多一些。而用户对每个模型都是同一批人，所以总是可以按用户配对。
#
# 下面再看一次 SASRec 在 MovieLens 100K 上的十次运行，验证集 NDCG@10，一行一个种子。**猜一猜：** 五个种子分别单独来选，有几个选出的学习率与五个的均值不同？

# %% id="seed-code"
by_seed = ten.pivot(index="seed", columns="learning_rate", values="valid_ndcg@10")
show_matrix(by_seed.to_numpy(), [f"seed {seed}" for seed in by_seed.index], list(by_seed), digits=4)
mean_choice = by_seed.mean().idxmax()
expect("the mean of five seeds chooses", mean_choice, 0.003, tol=1e-9)
expect("seeds that would choose otherwise", (by_seed.idxmax(axis=1) != mean_choice).sum(), 2, tol=0.1)
expect_true("seed 0 is one of them", by_seed.loc[0].idxmax() == 0.001)
at_rate = {rate: user_values(runs) for rate, runs in ten.groupby("learning_rate")}  # NDCG@10 on test, [seeds, users]
cost = paired_bootstrap(at_rate[0.003], at_rate[0.001])
expect("test NDCG@10 at 0.003, five seeds", at_rate[0.003].mean(), 0.099, tol=0.0005)
expect("at 0.001", at_rate[0.001].mean(), 0.085, tol=0.0006)
expect("difference, users in pairs", cost.mean, 0.014, tol=0.0005)
expect_true("its interval lies above 0.005", cost.low > 0.005)
expect("standard deviation between seeds at 0.003, validation", by_seed[0.003].std(), 0.005, tol=0.0005)
mean_gap = by_seed[0.003].mean() - by_seed[0.001].mean()
expect("difference of the mean validation scores", mean_gap, 0.003, tol=0.0005)

# %% [markdown] id="seed-why-en" lang="en"
# Two of five, seed 0 among them. The two rates differ by 0.003 on validation, and seeds alone differ by 0.005. So one seed tosses a coin that is only a little loaded. And the price of the wrong side is high: 0.085 on the test part instead of 0.099. It nearly happened in the making of this course: with seed 0 alone SASRec would have been reported 0.014 too low, and every model measured against it would have looked the better for it. That is why the stage you are about to run can choose by the mean of several seeds (`tune_seeds`).
#
# Our own table is not above suspicion either: SASRec and its mHC version got five seeds in that grid, TiSASRec one. There the baseline got more care than the new model, which is the safer way to be unfair. It is unfair nevertheless.

# %% [markdown] id="seed-why-zh" lang="zh" en="62d5e769"
# 五个里有两个，种子 0 就在其中。两种学习率在验证集上差 0.003，而光是种子之间就差 0.005。所以让一个种子来选，就像抛一枚只略微偏重的硬币。而抛错的代价不小：测试集上是 0.085，而不是 0.099。编写本课程时就差点出这件事：只看种子 0，SASRec 会被少报 0.014，凡是拿来和它比的模型都会因此显得更好。所以，你马上要运行的那个阶段可以按几个种子的均值来选（`tune_seeds`）。
#
# 我们自己的表也不是无可挑剔：在那张网格里，SASRec 和它的 mHC 版本用了五个种子，TiSASRec 只用了一个。这里是基线得到了比新模型更多的工夫；要说不公平，这是比较安全的那一种，但仍然是不公平。

# %% id="seed-check"
tries = with_rates("attention_grid_ml-100k").groupby(["model", "options"])["seed"].nunique()
expect_true("seeds of SASRec, and of it with mHC", tries["sasrec", ""] == 5 and tries["sasrec_mhc", ""] == 5)
expect_true("seeds of TiSASRec", tries["tisasrec", ""] == 1)

# %% [markdown] id="suite-en" lang="en"
# ## The stage that gives everybody the same
#
# This course has one program for all its experiments, the **suite**: eight stages, of which tuning is the first. What takes part is a list of *entries*, each a model with its options and, if it reads the clock, the name of its **twin**: the same model without a clock. Whoever claims that time helps is held against the twin, so the twin always comes along.

# %% [markdown] id="suite-zh" lang="zh" en="88c4e702"
# ## 给大家同样工夫的那个阶段
#
# 本课程的全部实验由一个程序完成，叫作实验套件（suite）：八个阶段，调参是第一个。参加比较的是一张**条目**（entry）的清单，每一条是一个模型加它的选项；如果它使用时间信息，还要写明它的**对照模型**，也就是不带时间信息的同一个模型。谁主张时间有用，谁就要和对照模型比，所以对照模型总会一同参加。

# %% [markdown] id="drawing-en" lang="en"
# The eight stages in one drawing:
#
# ![Three things go in: a split of the data, a line-up of entries in which each model with a clock brings its twin without one, and one budget for all. Stage 1, tune: the same grid of learning rates for every entry, chosen on validation. Then every entry is trained once with each seed, and evaluated: a rank for each user. Six stages read these runs. Stage 2, sensitivity: clock or order destroyed. Stage 3, robustness: disturbed clocks, lost events. Stage 4, efficiency. Stage 5, significance: all pairs, and each model against its twin. Stage 6, irregularity: the gain by how irregular the gaps are. Stage 7, stability: what seeds alone change. Stage 8 writes the report. Time enters with the twins and in stages 2, 3 and 6.](../figures/en/suite.svg)
#
# **Read it off the drawing.** Which stage chooses, and on which part of the data? Which stages could stay if all models were blind to time?
#
# <details><summary>Answer</summary>
#
# Stage 1, on validation alone. Stages 4 and 7 stay as they are, and stage 5 still compares all pairs; 2 and 3 could still destroy the order or lose events; stage 6 compares each model with its twin and would be empty.
#
# </details>

# %% [markdown] id="drawing-zh" lang="zh" en="a796f650"
# 八个阶段画成一张图：
#
# ![输入有三样：数据的切分；参加比较的条目清单，其中每个使用时间信息的模型都配有不带时间信息的对照模型；以及对所有条目相同的预算。第 1 阶段 tune：每个条目用同一组学习率，在验证集上选。然后每个条目用每个随机种子各训练一次，再评估：每位用户得到一个排名。六个阶段读取这些结果。第 2 阶段做敏感性（sensitivity）检验：破坏时间信息或顺序。第 3 阶段 robustness（鲁棒性）：扰动时间，丢失事件。第 4 阶段 efficiency：代价。第 5 阶段 significance：所有两两比较，以及每个模型与其对照模型的比较。第 6 阶段 irregularity：按间隔的不规则程度看增益。第 7 阶段 stability：单凭随机种子会变多少。第 8 阶段写出报告。时间通过对照模型进入，也在第 2、3、6 阶段进入。](../figures/zh/suite.svg)
#
# **从图上找答案。** 哪个阶段做选择，用的是数据的哪一部分？如果所有模型都不使用时间信息，哪些阶段仍然有意义？
#
# <details><summary>答案</summary>
#
# 第 1 阶段，只用验证集。第 4、7 阶段照旧，第 5 阶段仍可两两比较；第 2、3 阶段仍可以打乱次序、丢失事件；第 6 阶段比较每个模型和它的对照模型，就没有内容了。
#
# </details>

# %% id="entry-code" tags=["library"]
from dataclasses import dataclass, field

from tutorial_lib.models import MODELS, build_model, model_options

# show: tutorial_lib.experiments.stages.lineup.Entry

print("select(['tisasrec']):", [entry.label for entry in select(["tisasrec"])])
everybody = select(None)
names_known = {entry.label for entry in everybody}
expect_true("every twin is itself an entry", all(entry.twin in names_known for entry in everybody if entry.twin))
expect_true("every entry is a model of the registry", {entry.model for entry in everybody} <= set(MODELS))

# %% [markdown] id="run-en" lang="en" tags=["library"]
# What an entry is trained with is decided in one place, for all alike. Look for what may differ from entry to entry: the options of the model, and the learning rate. Loss (the full softmax, the default of `TrainConfig`), epochs, batch, windows, width, dropout and schedule come from the suite.

# %% [markdown] id="run-zh" lang="zh" en="c66b6830" tags=["library"]
# 一个条目用什么来训练，由一个地方统一决定。请找出各条目之间可以不同的东西：模型自己的选项，还有学习率。损失（完整 softmax，`TrainConfig` 的默认值）、轮数、批大小、窗口、宽度、dropout 和学习率调度，都来自套件。

# %% id="run-code" tags=["library"]
from tutorial_lib.experiments.runs import Run
from tutorial_lib.experiments.stages.lineup import Entry
from tutorial_lib.train import TrainConfig

# show: tutorial_lib.experiments.comparison.Suite.run

# %% [markdown] id="stage-en" lang="en" tags=["library"]
# And the stage: every model, every rate, every seed of the tuning; then the best mean on **validation**. `sort_values(..., kind="stable")` leaves equals in their order, and rates are in ascending order, so of equals the lower rate wins. No line of it reads a test score.

# %% [markdown] id="stage-zh" lang="zh" en="7d46a280" tags=["library"]
# 然后是这个阶段本身：每个模型、每种学习率、调参用的每个种子都来一遍，再取**验证集**上均值最好的。`sort_values(..., kind="stable")` 让相等的保持原来的次序，而学习率是从小到大排的，所以相等时低的胜出。没有哪一行读过测试分数。

# %% id="stage-code" tags=["library"]
# show: tutorial_lib.experiments.stages.tune.run

# %% [markdown] id="live-en" lang="en" tags=["predict"]
# Run it: MF, a GRU and SASRec with three learning rates, width 32, six epochs, on 500 users. One seed each, so this shows how the stage works; it proves nothing about the models.
#
# **Predict.** Will the three choose the same rate? And what does the GRU reach at 0.003, as a share of what it reaches at its best rate?

# %% [markdown] id="live-zh" lang="zh" en="f9a564dd" tags=["predict"]
# 下面运行它：MF、GRU 和 SASRec，三种学习率，宽度 32，六轮，500 位用户。每个只用一个种子，所以这里只展示流程怎样运行，不能证明模型的好坏。
#
# **猜一猜。** 三个模型会选同一个学习率吗？GRU 在 0.003 下能达到它最佳学习率下的几分之几？

# %% id="live-code" tags=["nbval-ignore-output", "training"]
BUDGET = {"dataset": DATASET, "users": USERS, "dim": 32, "epochs": 6, "device": "cpu", "progress": False}
BAR = BUDGET | {"progress": True}
out = Path(tempfile.mkdtemp())
first = Suite(out, entries=select(["mf", "gru4rec", "sasrec"]), rates=(0.003, 0.01, 0.03), **BAR)
run_suite(first, ["tune"])
finished = {file: file.stat().st_mtime_ns for file in first.runs.glob("*/result.json")}
columns = ["model", "learning_rate", "valid_ndcg@10", "best_epoch", "epochs"]
print(pd.read_csv(out / "tune" / "grid.csv")[columns].round(4).to_string(index=False))

# %% id="live-check"


def scores_of(grid):
    """A row a model, a column a rate: mean validation NDCG@10 over the seeds."""
    return grid.groupby(["model", "learning_rate"], sort=False)["valid_ndcg@10"].mean().unstack().sort_index(axis=1)


live = scores_of(first.table("tune", "grid"))
best = live.max(axis=1)
expect_true("nine trainings, three for each model", live.notna().all(axis=None) and live.shape == (3, 3))
settings_used = {
    json.dumps(vars(first.run(entry, 0, rate).config) | {"learning_rate": None, "dim": first.dim})
    for entry in first.lineup
    for rate in first.rates
}
expect_true("the nine differ in model and learning rate alone", len(settings_used) == 1)
by_hand = {model: min(rate for rate in live if live.loc[model, rate] == best[model]) for model in live.index}
chosen_rates = first.table("tune", "chosen").set_index("model")["learning_rate"].to_dict()
expect_true("the stage chose what we choose by hand", by_hand == chosen_rates)
expect_true(
    "the GRU chooses the highest rate, SASRec does not have its best at the lowest",
    live.loc["gru4rec"].idxmax() == 0.03 and live.loc["sasrec"].idxmax() > 0.003,
    when=ON_SAMPLE,
)
expect_true(
    "at 0.003 the GRU reaches less than a third of its best",
    live.loc["gru4rec", 0.003] < best["gru4rec"] / 3,
    when=ON_SAMPLE,
)

# %% [markdown] id="live-why-en" lang="en"
# The three do not choose the same rate: here SASRec is best at 0.01. The GRU wants the highest of the three; at 0.003 it reaches less than a third of its best. Enter it twice, as "rival" at 0.003 and as "ours" with the whole grid, and "ours" is more than three times as good as "the rival", on the same data, with the same weights to start from. The suite does not offer this: there is one grid, and it belongs to all entries.
#
# But 0.03 is an edge. Widen the grid for everybody. `run_suite` notices the changed setting, and it trains only what is new.

# %% [markdown] id="live-why-zh" lang="zh" en="5624184c"
# 三个模型选中的学习率并不相同：这里 SASRec 在 0.01 时最好。最高的一种最适合 GRU；在 0.003 下，它达不到最佳成绩的三分之一。把它登记两次，一次叫“对手”，用 0.003，一次叫“我们的”，用整个网格，那么数据相同、初始权重相同，“我们的”比“对手”好三倍以上。实验套件不允许这样做：网格只有一个，对所有条目相同。
#
# 但 0.03 在边缘上。为所有模型把网格加宽。`run_suite` 会注意到设置变了，而且只训练新增的部分。

# %% id="wider-code" tags=["training"]
second = Suite(out, entries=first.entries, rates=(0.003, 0.01, 0.03, 0.1), **BAR)
run_suite(second, ["tune"])
after = set(second.runs.glob("*/result.json"))
expect("trainings added by the fourth rate", len(after - set(finished)), 3, tol=0.1)
expect_true("the other nine were left alone", all(file.stat().st_mtime_ns == time for file, time in finished.items()))
live = scores_of(second.table("tune", "grid"))
expect_true("the GRU's choice lies inside the grid now", live.loc["gru4rec"].idxmax() == 0.03, when=ON_SAMPLE)
second.progress = False  # from here on it has little to do

# %% id="grid-picture" tags=["picture", "nbval-ignore-output"]
tune.draw({"grid": second.table("tune", "grid")})["grid"]

# %% [markdown] id="grid-alt-en" lang="en" tags=["alt"]
# Validation NDCG@10, one row a model, one mark for each of four rates. MF: all marks close together, below 0.04. GRU4Rec: lowest at 0.003, near 0.01, highest at 0.03, near 0.07. SASRec: 0.01 and 0.03 near 0.10, 0.003 near 0.07, and 0.1 near 0.01, below its rivals.

# %% [markdown] id="grid-alt-zh" lang="zh" en="9e293ee4" tags=["alt"]
# 验证集 NDCG@10，每行一个模型，四种学习率各一个标记。MF：所有标记挨在一起，都低于 0.04。GRU4Rec：0.003 时最低，约 0.01；0.03 时最高，约 0.07。SASRec：0.01 和 0.03 时约 0.10，0.003 时约 0.07，0.1 时约 0.01，比对手还低。

# %% id="grid-check"
expect_true("MF stays below 0.04 at every rate", live.loc["mf"].max() < 0.04, when=ON_SAMPLE)
expect("GRU4Rec at 0.003", live.loc["gru4rec", 0.003], 0.010, tol=0.006, when=ON_SAMPLE)
expect("GRU4Rec at 0.03", live.loc["gru4rec", 0.03], 0.067, tol=0.02, when=ON_SAMPLE)
expect("SASRec at 0.01", live.loc["sasrec", 0.01], 0.10, tol=0.02, when=ON_SAMPLE)
expect("SASRec at 0.003", live.loc["sasrec", 0.003], 0.07, tol=0.02, when=ON_SAMPLE)
expect_true("SASRec at 0.1 is below 0.03", live.loc["sasrec", 0.1] < 0.03, when=ON_SAMPLE)
expect(
    "pairs of models that could be turned round with these rates",
    turned_round(live.to_numpy())[0],
    3,
    tol=0.1,
    when=ON_SAMPLE,
)

# %% [markdown] id="curves-en" lang="en"
# With these four rates **every** pair of the three can be turned round: leave SASRec at 0.1, and MF beats it.
#
# ## Too short, or too long?
#
# A rate is only half of the question; the other is the number of epochs. Each run keeps the weights of its best look at validation, so training too long costs time and little else. Training too short is the danger, and it is not shared evenly: a slow learner suffers more. What do the curves say?

# %% [markdown] id="curves-zh" lang="zh" en="b928eed2"
# 用这四种学习率，三个模型的**每**一对都可以翻转：让 SASRec 停在 0.1，连 MF 都能胜过它。
#
# ## 太短，还是太长？
#
# 学习率只是问题的一半，另一半是轮数。每次运行都保留验证集上表现最好那一次的权重，所以训练太长，代价主要是时间。危险的是训练太短，而且它对各个模型的影响不同：学得慢的模型损失更大。曲线怎么说？

# %% id="curves-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 2, figsize=(9.5, 3.4), sharey=True)
for ax, model in zip(axes, ("gru4rec", "sasrec"), strict=True):
    histories = {
        f"rate {rate:g}": pd.read_csv(second.runs / second.run(second.entry(model), 0, rate).name / "history.csv")
        for rate in second.rates
    }
    plots.learning_curve(histories, title=model, ax=ax)
axes[1].get_legend().remove()  # the colours are those of the left panel
plt.show()

# %% [markdown] id="curves-alt-en" lang="en" tags=["alt"]
# Two panels, validation NDCG@10 over six epochs, one line a rate, a ring at the best epoch. GRU4Rec: 0.003 lies flat at the bottom, 0.01 rises slowly, 0.03 rises steeply and falls a little at the end, 0.1 stays low. SASRec: 0.01 and 0.03 rise steeply and flatten, 0.003 rises more slowly and is still rising at the end, 0.1 stays at the bottom.

# %% [markdown] id="curves-alt-zh" lang="zh" en="3a4621e8" tags=["alt"]
# 两幅图，横轴六轮，纵轴验证集 NDCG@10，一种学习率一条线，圆环标出最好的一轮。GRU4Rec：0.003 贴着底部，0.01 缓慢上升，0.03 急升、末尾略降，0.1 一直很低。SASRec：0.01 和 0.03 急升后变平，0.003 升得慢些，到最后还在升，0.1 一直在底部。

# %% id="curves-check"
ten_epochs = with_rates("sample_temporal_grid")
row = ten_epochs.set_index(["model", "loss", "learning_rate"])
slow, fast = row.loc[("gru4rec", "ce", 0.001)], row.loc[("gru4rec", "ce", 0.003)]
expect_true("GRU at 0.001: the best epoch is the last", slow["best_epoch"] == slow["epochs"] == 10)
expect("GRU, validation at 0.001", slow["valid_ndcg@10"], 0.057, tol=0.0005)
expect("at 0.003", fast["valid_ndcg@10"], 0.112, tol=0.0005)
expect("what 0.001 costs the GRU", 1 - slow["valid_ndcg@10"] / fast["valid_ndcg@10"], 0.49, tol=0.005)
sasrec = row.loc[("sasrec", "ce")]["valid_ndcg@10"]
expect("what 0.001 costs SASRec", 1 - sasrec[0.001] / sasrec.max(), 0.04, tol=0.005)
early = with_rates("mf_grid_sample", "mf")
early = early[early["learning_rate"] == 0.03].sort_values("best_epoch").iloc[0]
expect_true("MF on sample at 0.03: best in epoch 2 of 20", (early["best_epoch"], early["epochs"]) == (2, 20))

# %% [markdown] id="curves-why-en" lang="en"
# Three kinds of line. One that still rises at the right edge was **too short** for its rate. One that falls after its ring went on after its best: **overfitting**, and harmless, because the best weights were kept. And one that lies at the bottom has learned next to nothing, wherever its ring stands: its rate is too low for so few epochs (the GRU at 0.003) or too high (SASRec at 0.1).
#
# The committed grid of lesson 07 shows a run that was too short with all users and ten epochs. At 0.001 the GRU is best in its very last epoch, with 0.057; three times the rate brings 0.112. Leaving it at 0.001 costs the GRU 49 % and SASRec 4 %. The other extreme is MF at 0.03: best in epoch 2 of 20.
#
# One caution. Here the rate falls to nearly 0 towards the last epoch (a cosine), so the last epoch is **often** the best, and that alone proves nothing. The test is to give everybody twice the epochs and to look again.

# %% [markdown] id="curves-why-zh" lang="zh" en="ab46e9fd"
# 线有三种。到右端还在升的，说明这次运行对它的学习率来说**太短**。过了圆环就往下走的，说明过了最好的一轮还在继续：这是**过拟合**（overfitting），但无害，因为最好的权重已经留下。贴着底部的，几乎什么也没学到，不管圆环在哪里：学习率要么对这么少的轮数来说太低（0.003 的 GRU），要么太高（0.1 的 SASRec）。
#
# 第 07 课提交的网格用了全部用户、训练十轮，里面也有训练太短的。学习率为 0.001 时，GRU 最好的一轮就是最后一轮，0.057；学习率变成三倍，就有 0.112。停在 0.001，GRU 损失 49%，SASRec 只损失 4%。另一个极端是 MF 在 0.03 下：20 轮里第 2 轮最好。
#
# 有一点要当心。这里的学习率按余弦曲线降到最后几乎为 0，所以最后一轮**经常**就是最好的，单凭这一点说明不了什么。检验的办法是给所有模型两倍的轮数，再看一次。

# %% [markdown] id="fresh-en" lang="en"
# ## Does the stage know what it has done?
#
# A run of hours gets cut off; a setting is changed and one forgets to run again; somebody improves a number by hand. Results that were put together in this way look like any other. So every stage leaves a `provenance.json` beside its tables: all settings, a digest of its code, of every file that it read and of every file that it made. One function decides whether a stage is up to date.

# %% [markdown] id="fresh-zh" lang="zh" en="78b93841"
# ## 这个阶段记得自己做过什么吗？
#
# 要跑几个小时的程序会被打断；改了设置，却忘了重跑；有人亲手“改进”了一个数。这样拼凑出来的结果，看上去与别的没有两样。所以每个阶段都会在自己的表旁边留下 `provenance.json`：全部设置，代码的摘要，读过的每个文件的摘要，写出的每个文件的摘要。一个阶段是不是最新的，由一个函数判断。

# %% id="fresh-code" tags=["library"]
from tutorial_lib.experiments.digests import digest, holds
from tutorial_lib.experiments.stages.fresh import sources

# show: tutorial_lib.experiments.stages.fresh.why

# %% [markdown] id="again-en" lang="en" tags=["predict"]
# **Predict** what each of the four calls says: the same suite again; a suite with one epoch more; the same suite on more cores (`jobs=2`); the same suite after somebody has written a better number into `grid.csv`.

# %% [markdown] id="again-zh" lang="zh" en="ede6af1d" tags=["predict"]
# **猜一猜**下面四次分别会得到什么回答：同一个套件再来一次；多一轮训练的套件；同一个套件，但用更多的核（`jobs=2`）；有人往 `grid.csv` 里写了一个更好看的数之后，同一个套件。

# %% id="again-code"
from tutorial_lib.experiments.stages import fresh

run_suite(second, ["tune"])
longer = Suite(out, entries=first.entries, rates=second.rates, **BUDGET | {"epochs": 7})
print("one epoch more: ", fresh.why(longer.settings, out, "tune"))
cores = Suite(out, entries=first.entries, rates=second.rates, jobs=2, **BUDGET)
print("two jobs:       ", fresh.why(cores.settings, out, "tune") or "up to date")
table = out / "tune" / "grid.csv"
honest = table.read_bytes()
forged = pd.read_csv(table)
forged.loc[forged["model"] == "mf", "valid_ndcg@10"] *= 5
forged.to_csv(table, index=False)
run_suite(second, ["tune"])
expect_true("the forged table has been made again, to the byte", table.read_bytes() == honest)
expect_true("one epoch more is noticed", "epochs" in fresh.why(longer.settings, out, "tune"))
expect_true("the number of processes is no setting", fresh.why(cores.settings, out, "tune") == "")

# %% [markdown] id="again-why-en" lang="en"
# Unchanged, skipped; settings have changed, and which; up to date, because the number of processes decides how fast and not what; and the forged table is noticed and made anew, without training, from the runs that are there.
#
# ## Cut in the middle
#
# The last claim is the strongest: *cut at any moment and started again, it finishes with the same numbers*. Not similar numbers, the same **bits**. This is possible because all randomness of epoch $k$ follows from the seed and $k$ alone (lesson 07), and because a checkpoint is on the disk whole or not at all. Let the power fail in epoch 4 of the GRU, in a fresh folder, and start again. Both times we write down which epochs are trained.

# %% [markdown] id="again-why-zh" lang="zh" en="ba919107"
# 没有变化，跳过；设置变了，并且说出是哪个；是最新的，因为用几个进程只决定快慢，不决定结果；被改过的表会被发现并重新写出，不用训练，从已有的运行就能做出来。
#
# ## 半路打断
#
# 最后一条要求最高：“在任何时刻打断，再启动，最后的数都一样”。不是相近，是每一**位**都相同。之所以做得到，是因为第 $k$ 轮的一切随机性只由种子和 $k$ 决定（第 07 课），也因为检查点（checkpoint）要么完整地在磁盘上，要么根本不在。换一个新文件夹，让 GRU 在第 4 轮时断电，然后重新启动。两次都记下训练了哪几轮。

# %% id="cut-code" tags=["training"]
from tutorial_lib.train import train_epoch


def power_fails_in(last, done):
    """Trains epochs as always and writes them down, until `last`."""

    def one_epoch(model, split, config, optimizer, epoch, **more):
        if epoch == last:
            raise KeyboardInterrupt
        done.append(epoch)
        return train_epoch(model, split, config, optimizer, epoch, **more)

    return one_epoch


elsewhere = Suite(Path(tempfile.mkdtemp()), entries=select(["gru4rec"]), rates=(0.03,), **BUDGET)
sittings = [], []
try:
    with patch("tutorial_lib.train.train_epoch", power_fails_in(4, sittings[0])):
        run_suite(elsewhere, ["tune"])
except KeyboardInterrupt:
    print("power failed; epochs trained:", sittings[0])
gru = elsewhere.run(elsewhere.entry("gru4rec"), 0, 0.03)
print("on the disk:", sorted(file.name for file in (elsewhere.runs / gru.name).iterdir()))
with patch("tutorial_lib.train.train_epoch", power_fails_in(None, sittings[1])):
    run_suite(elsewhere, ["tune"])
print("second sitting, epochs trained:", sittings[1])

# %% id="cut-check" tags=["reference-check"]
expect_true("three epochs, then the other three, none twice", sittings == ([1, 2, 3], [4, 5, 6]))
saved = [torch.load(place.runs / gru.name / "checkpoint.pt", weights_only=True) for place in (second, elsewhere)]
for part in ("model", "best"):
    pairs = zip(saved[0][part].values(), saved[1][part].values(), strict=True)
    expect_true(
        f"{part}: the weights of the run that was cut are those of the run that was not, to the last bit",
        all(torch.equal(a, b) for a, b in pairs),
    )
scores = [place.result(gru)["valid_ndcg@10"] for place in (second, elsewhere)]
expect_true("and so is the validation score", scores[0] == scores[1])

# %% [markdown] id="command-en" lang="en"
# ## The whole suite, by yourself
#
# `make experiments` runs all eight stages on a part of `sample`, every model of the course, in about ten minutes. Another data set, another budget, other models: the options say it. The first two lines below are the usual ones; stop them with Ctrl-C whenever you like, and give the same command again.
#
# ```
# make experiments
# python -m tutorial_lib.experiments suite --dataset ml-100k --split leave_last_out --scale full
# python -m tutorial_lib.experiments suite --models "sasrec tisasrec" --stages tune --rates "0.001 0.003 0.01"
# ```

# %% [markdown] id="command-zh" lang="zh" en="d2fb2ace"
# ## 自己跑完整个套件
#
# `make experiments` 在 `sample` 的一部分用户上跑完八个阶段，课程里的每个模型都参加，大约十分钟。换数据集、换预算、换模型，都靠选项。下面头两行是常用的；随时可以用 Ctrl-C 停下，再给同样的命令就会接着跑。
#
# ```
# make experiments
# python -m tutorial_lib.experiments suite --dataset ml-100k --split leave_last_out --scale full
# python -m tutorial_lib.experiments suite --models "sasrec tisasrec" --stages tune --rates "0.001 0.003 0.01"
# ```

# %% id="command-code" tags=["nbval-ignore-output"]
from tutorial_lib.experiments.__main__ import build_parser

try:
    build_parser().parse_args(["suite", "--help"])
except SystemExit:  # --help prints and leaves
    pass

# %% [markdown] id="real-en" lang="en"
# ## Real grids
#
# Now the committed tables. For each: how many models, which rate they chose, how many were best in their last epoch, how many chose an edge, and how many pairs could be turned round. The rows `lesson 07` and `this lesson` are the small grids you have already met; the others are whole suites with up to 25 models that train.

# %% [markdown] id="real-zh" lang="zh" en="508cd813"
# ## 真实的网格
#
# 现在来看提交在仓库里的表。对每一张：有多少模型，各选了哪种学习率，有多少在最后一轮最好，有多少选在边缘，有多少对可以翻转。`lesson 07` 和 `this lesson` 两行是你已经见过的小网格；其余是整个套件，要训练的模型最多有 25 个。

# %% id="real-code" tags=["nbval-ignore-output"]
small = ten_epochs.assign(model=ten_epochs["model"] + " " + ten_epochs["loss"])
grids = {"this lesson": second.table("tune", "grid"), "lesson 07": small}
grids |= {name: read_suite(name, "tune", "grid") for name in suite_names()}
rows = []
for name, grid in grids.items():
    scores = scores_of(grid)
    choice = scores.idxmax(axis=1)
    picked = grid[grid["learning_rate"] == grid["model"].map(choice)]
    turned, pairs = turned_round(scores.to_numpy())
    rows.append(
        {
            "grid": name,
            "models": len(scores),
            "chosen": ", ".join(f"{rate:g} by {(choice == rate).sum()}" for rate in scores),
            "last epoch best": f"{(picked['best_epoch'] == picked['epochs']).mean():.0%}",
            "at an edge": int(at_the_edge(scores.to_numpy()).sum()),
            "turned round": f"{turned} of {pairs}",
        }
    )
print(pd.DataFrame(rows).to_string(index=False))

# %% [markdown] id="fixed-en" lang="en" tags=["predict"]
# **Predict.** Suppose that one rate had been fixed for all models of a table, as many papers do. Fair? Every model gets the same rate, after all. For each model and rate the picture shows how far it falls below its own best.

# %% [markdown] id="fixed-zh" lang="zh" en="b114d5ee" tags=["predict"]
# **猜一猜。** 假设一张表里所有模型都固定用一种学习率，许多论文就是这样做的。这公平吗？毕竟人人的学习率都一样。下图对每个模型、每种学习率，画出它比自己的最佳成绩低多少。

# %% id="fixed-picture" tags=["picture", "nbval-ignore-output"]
every_rate = sorted({rate for grid in grids.values() for rate in grid["learning_rate"]})
fig, ax = plt.subplots(figsize=(8, 1.4 + 0.55 * len(grids)))
for place, grid in enumerate(grids.values()):
    scores = scores_of(grid)
    fallen = 100 * (1 - scores.div(scores.max(axis=1), axis=0))
    for rate in scores:
        index = every_rate.index(rate)
        height = place + 0.7 * ((index + 0.5) / len(every_rate) - 0.5)
        look = {"color": plots.PALETTE[index % 6], "marker": plots.MARKERS[index], "ls": "", "ms": 5, "alpha": 0.7}
        ax.plot(fallen[rate], np.full(len(fallen), height), **look, label=f"rate {rate:g}")
ax.set_yticks(range(len(grids)), list(grids))
ax.set(
    xlabel="validation NDCG@10 lost at this rate (% of the model's best)", ylim=(len(grids) - 0.5, -0.5), xlim=(-2, 100)
)
handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
names = [f"rate {rate:g}" for rate in every_rate]
fig.legend([handles[name] for name in names], names, loc="outside upper right", ncols=len(names), fontsize=8)
plt.show()

# %% [markdown] id="fixed-alt-en" lang="en" tags=["alt"]
# One row for each grid, one mark for each model and rate: the loss in per cent against the model's own best. The marks at 0 are the chosen rates. In the row of lesson 07 the marks of 0.003 all stand at 0 and those of 0.001 lie far apart, from 4 to 49. In the row of this lesson no rate stands at 0 for all three models, and 0.003 and 0.1 cost some of them most of their score.

# %% [markdown] id="fixed-alt-zh" lang="zh" en="5db8fb44" tags=["alt"]
# 每张网格一行，每个模型、每种学习率一个标记：比自己的最佳成绩低百分之几。在 0 处的标记是被选中的学习率。lesson 07 那一行里，0.003 的标记都在 0 处，0.001 的则散得很开，从 4 到 49。this lesson 那一行里，没有哪种学习率对三个模型都在 0 处；0.003 和 0.1 让其中一些损失了大部分分数。

# %% id="real-check"
equal = [grid.groupby("model").size().nunique() == 1 for grid in grids.values()]
expect_true("in every grid all models have had the same number of trials", all(equal))
same_rates = [
    set(grid.groupby("model")["learning_rate"].agg(lambda tried: tuple(sorted(set(tried))))) for grid in grids.values()
]
expect_true("and the same rates", all(len(tried) == 1 for tried in same_rates))
committed = scores_of(small)
loss_at = 1 - committed[0.001] / committed.max(axis=1)
expect("lesson 07, lost at 0.001: GRU", loss_at["gru4rec ce"], 0.49, tol=0.005)
expect("SASRec with one negative", loss_at["sasrec bce"], 0.15, tol=0.005)
expect("SASRec with full softmax", loss_at["sasrec ce"], 0.04, tol=0.005)
expect("lesson 07, pairs that can be turned round", turned_round(committed.to_numpy())[0], 1, tol=0.1)
attention, recurrent = committed.loc["sasrec bce"], committed.loc["gru4rec ce"]
expect("SASRec (one negative) tuned, minus the GRU at 0.001", attention.max() - recurrent[0.001], 0.059, tol=0.0005)
expect("SASRec (one negative) at 0.001, minus the GRU tuned", attention[0.001] - recurrent.max(), -0.013, tol=0.0005)
expect("both tuned", attention.max() - recurrent.max(), 0.004, tol=0.0005)
for name, rate, models, turnable, margins in (
    ("sample", 0.003, 15, 149, [135, 103]),
    ("ml-100k_leave_last_out", 0.003, 19, 70, [45, 28]),
):
    scores = scores_of(grids[name])
    expect(f"{name}: models that chose {rate}", (scores.idxmax(axis=1) == rate).sum(), models, tol=0.1)
    turned, pairs = turned_round(scores.to_numpy())
    expect(f"{name}: pairs that can be turned round, of {pairs}", turned, turnable, tol=0.1)
    trained = read_suite(name, "stability", "runs").dropna(subset=["valid_ndcg@10"])
    deviation = trained.groupby("label")["valid_ndcg@10"].std().median()  # between seeds
    clear = [turned_round(scores.to_numpy(), margin=k * deviation)[0] for k in (1, 2)]
    expect_close(f"{name}: with margins of one and two deviations between seeds", clear, margins, tol=0.1)
    if name == "sample":
        expect("one deviation between seeds", deviation, 0.003, tol=0.0002)

# %% [markdown] id="real-why-en" lang="en"
# The puzzle is no invention: the one pair of `lesson 07` that can be turned round is SASRec with one negative against the GRU. With the rival at 0.001 Vera would have reported +0.059 for attention and Leo −0.013. With both tuned it is +0.004, on one seed.
#
# One rate for all is the same rate, not the same chance. In the grid of lesson 07 the rate 0.001 takes 49 % from the GRU, 15 % from SASRec with one negative and 4 % from SASRec with the full softmax; "0.001 for everybody" would have been a decision for the last. The fair thing to hold equal is the **search**, not its result.
#
# The whole suites repeat it on a larger scale. On `sample` 15 of 25 models chose 0.003, the other 10 chose 0.01, and half of all pairs, 149 of 300, could be turned round. That counts leads of any size. If a lead counts only from one deviation between seeds on (the median over the models, 0.003), 135 are left; from two on, 103. On MovieLens 100K, with the last item left out, all 19 chose the same rate, and still 70 of 171 pairs could be turned round, 45 and 28 with these margins: two models that agree about the best rate do not suffer alike from the other one. All 19 chose the upper edge, too. Whoever goes on from here should try 0.01 first, for everybody. `--scale protocol` does it by itself: grids grow until each choice has a worse neighbour on either side.
#
# What our suites hold equal: rates tried, seeds, epochs, batch, windows, width, loss. What they do not: seconds (an epoch of a GRU takes longer than one of MF), parameters, and the care that went into the code. And what they leave out: a grid of two rates always chooses an edge, and nothing but the rate is tuned. Equal numbers of trials is **one** fair budget; equal seconds would be another. Say which you mean.

# %% [markdown] id="real-why-zh" lang="zh" en="d5eabf35"
# 开头的谜题并非虚构：`lesson 07` 那一行里可以翻转的一对，正是用一个负样本的 SASRec 与 GRU。对手停在 0.001 时，小薇会报告注意力高 +0.059，小磊会报告 −0.013。两个都调参，是 +0.004，而且只有一个种子。
#
# 所有模型用同一种学习率，相同的是学习率，不是机会。在第 07 课的网格里，学习率 0.001 让 GRU 损失 49%，让用一个负样本的 SASRec 损失 15%，让用完整 softmax 的 SASRec 损失 4%；“大家都用 0.001”等于偏袒最后一个。应当保持相等的是**搜索过程**，而不是搜索结果。
#
# 实验套件在更大的规模上得到同样的结果。在 `sample` 上，25 个模型里 15 个选了 0.003，另外 10 个选了 0.01；所有的模型对里有一半可以翻转，即 300 对中的 149 对。这个数把任意大小的差别都算在内。如果领先至少要达到一个种子的标准差（各模型的中位数，0.003）才算，是 135 对；要达到两倍，是 103 对。在留出最后一个物品的 MovieLens 100K 上，19 个模型选的都是同一种学习率，仍有 171 对中的 70 对可以翻转，按这两个界值分别是 45 对和 28 对：即使两个模型的最佳学习率相同，换成另一种时损失也不一样。而且这 19 个选的都是上边缘。因此下一步应当先给所有模型都试试 0.01。`--scale protocol` 会自动这样做：网格不断加宽，直到每个选择的两侧都有更差的邻居。
#
# 我们的实验套件保持相等的有：试过的学习率、种子、轮数、批大小、窗口、宽度、损失。没有保持相等的有：秒数（GRU 的一轮比 MF 的一轮慢）、参数个数，以及写代码时花的心思。还有没做的：只有两种学习率的网格，选的必然是边缘；除了学习率，别的都没有调。试验次数相等是**一种**公平的预算；秒数相等是另一种。报告时要说明用的是哪一种。

# %% [markdown] id="loss-en" lang="en" tags=["predict"]
# ## The loss is part of the budget
#
# One of the claims that this course re-tests reads: *SASRec needs only one negative for each positive*. The loss is a setting like any other, and a large one. So tune both losses alike (three rates each, chosen on validation: 0.003 for both), train five seeds, and compare user by user.
#
# **Predict.** What is worth more in `sample`: choosing the best rather than the worst of the three rates for SASRec, or choosing the loss? And with which of the two losses does SASRec beat the Markov chain, which only counts?

# %% [markdown] id="loss-zh" lang="zh" en="9dbb6e6f" tags=["predict"]
# ## 损失也是预算的一部分
#
# 本课程要重新检验的主张里有一条是：“SASRec 每个正样本只需要一个负样本”。损失和别的设置一样也是设置，而且影响很大。所以给两种损失同样的调参（各试三种学习率，在验证集上选，结果都是 0.003），训练五个种子，再逐个用户地比较。
#
# **猜一猜。** 在 `sample` 上，哪一样影响更大：给 SASRec 在三种学习率里选最好而不是最差的，还是选损失？用哪种损失时，SASRec 能胜过只做计数的马尔可夫链？

# %% id="loss-code"
runs = read_results("sample_temporal")
values = {loss: user_values(runs[(runs["model"] == "sasrec") & (runs["loss"] == loss)]) for loss in ("ce", "bce")}
markov = user_values(runs[runs["model"] == "markov"])
gap = paired_bootstrap(values["ce"], values["bce"])
over_markov = {loss: paired_bootstrap(values[loss], markov) for loss in values}
spread_of_rates = row.loc[("sasrec", "ce")]["ndcg@10"]
expect_true("five seeds of each", all(len(v) == 5 for v in values.values()))
expect_true(
    "validation chose 0.003 for both", all(committed.loc[f"sasrec {loss}"].idxmax() == 0.003 for loss in values)
)
expect("full softmax", values["ce"].mean(), 0.151, tol=0.0005)
expect("one negative", values["bce"].mean(), 0.128, tol=0.0005)
expect("full softmax minus one negative", gap.mean, 0.0225, tol=0.0005)
expect("its interval: low end", gap.low, 0.016, tol=0.001)
expect("high end", gap.high, 0.029, tol=0.001)
expect_true("every seed agrees", ((values["ce"] - values["bce"]).mean(axis=1) > 0.015).all())
expect(
    "best minus worst rate, full softmax, seed 0, test",
    spread_of_rates.max() - spread_of_rates.min(),
    0.002,
    tol=0.0002,
)
expect("standard deviation between seeds, full softmax", values["ce"].mean(axis=1).std(ddof=1), 0.002, tol=0.0003)
expect("one negative minus Markov", over_markov["bce"].mean, 0.004, tol=0.0005)
expect_true("its interval contains 0", over_markov["bce"].low < 0 < over_markov["bce"].high)
expect("full softmax minus Markov", over_markov["ce"].mean, 0.026, tol=0.0005)
expect_true("its interval lies above 0.01", over_markov["ce"].low > 0.01)
late = runs[(runs["loss"] == "bce") & (runs["best_epoch"] == runs["epochs"])]
expect("one negative: runs that were best in their last epoch", len(late), 1, tol=0.1)

# %% [markdown] id="loss-why-en" lang="en"
# The loss, by far: 0.0225 [0.016, 0.029] against 0.002 for the rate, and 0.002 is no more than seeds differ. With one negative SASRec cannot be told from the Markov chain (+0.004, the interval contains 0); with the full softmax it is 0.026 ahead. So "does attention beat counting?" has two answers on the same data with the same network, and who compares a new model under the full softmax with SASRec under one negative has repeated Vera's experiment.
#
# **The claim** is not replicated under this budget: one negative works, far above chance, but costs about a seventh of the score. What was not tried: many more epochs for the cheaper loss (four of its five runs were best before their last epoch, so it does not look unfinished), and the losses in between, with many negatives. On MovieLens 1M lesson 07 found a larger gap, with one seed.

# %% [markdown] id="loss-why-zh" lang="zh" en="14c0187c"
# 是损失，而且差距悬殊：0.0225 [0.016, 0.029]，学习率只有 0.002，而 0.002 不过是种子之间的起伏。只用一个负样本，SASRec 与马尔可夫链分不出高下（+0.004，区间包含 0）；用完整 softmax，它领先 0.026。因此“注意力能不能胜过计数”，在同样的数据、同样的网络上有两个答案；谁拿用完整 softmax 的新模型去比只用一个负样本的 SASRec，谁就重演了小薇的实验。
#
# **那条主张**在这个预算下没有得到复现：一个负样本确实能用，远好于碰运气，但要付出大约七分之一的分数。没有试过的是：给更便宜的损失多得多的轮数（它的五次运行里有四次在最后一轮之前就到了最好，看不出没训练完），以及中间的那些损失，即许多个负样本。在 MovieLens 1M 上，第 07 课看到的差距更大，但只有一个种子。

# %% id="loss-check"
expect("share of the score that one negative costs", gap.mean / values["ce"].mean(), 1 / 7, tol=0.01)

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **18.1 Implement · core.** A fair tuner. `choose(trials)` gets a table with the columns `model`, `learning_rate`, `seed`, `valid` and `test`, in any order of rows, and returns a dictionary from model to learning rate: the best **mean** validation score over the seeds, the lower rate of equals. If the models have not all tried the same pairs of rate and seed, it must raise a `ValueError`.

# %% [markdown] id="exercise1-zh" lang="zh" en="a6625087" tags=["exercise"]
# ## 练习
#
# **18.1 实现 · 进阶。** 一个公平的调参器。`choose(trials)` 收到一张表，列是 `model`、`learning_rate`、`seed`、`valid`、`test`，行的次序不定；返回一个从模型到学习率的字典：取验证分数对种子的**均值**最好的，相等时取低的学习率。如果各个模型试过的“学习率与种子”组合不完全相同，必须抛出 `ValueError`。


# %% id="exercise1-code" tags=["exercise"]
def choose(trials):
    """Table with model, learning_rate, seed, valid, test -> {model: learning rate}."""
    ...


lesson18.check_choose(choose)


# %% id="exercise1-solution" tags=["solution"]
# Solution

def choose(trials):
    tried = {
        model: sorted(zip(rows["learning_rate"], rows["seed"], strict=True)) for model, rows in trials.groupby("model")
    }
    if len({tuple(pairs) for pairs in tried.values()}) > 1:
        raise ValueError("the models have not all tried the same rates and seeds")
    means = trials.groupby(["model", "learning_rate"])["valid"].mean().unstack()  # rates in ascending order
    return means.idxmax(axis=1).to_dict()  # idxmax takes the first of equals


lesson18.check_choose(choose)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **18.2 Modify · basic.** The formulas above are for one training a setting. Now each of the `k` settings is trained with so many `seeds`, and the mean decides. Write `optimism(k, spread, noise, seeds)`: by how much the mean validation score of the chosen setting exceeds its true quality, on average. `noise` is the standard deviation of a single training.

# %% [markdown] id="exercise2-zh" lang="zh" en="2364bd80" tags=["exercise"]
# **18.2 修改 · 基础。** 上面的公式是每种设置训练一次的。现在 `k` 种设置各用 `seeds` 个种子训练，由均值决定。写出 `optimism(k, spread, noise, seeds)`：被选中的设置的平均验证分数，平均比它的真实水平高多少。`noise` 是单次训练的标准差。


# %% id="exercise2-code" tags=["exercise"]
def optimism(k, spread, noise, seeds):
    """Mean of (validation score - true quality) of the chosen one of k settings, each a mean over seeds."""
    ...


lesson18.check_optimism(optimism)


# %% id="exercise2-solution" tags=["solution"]
# Solution

def optimism(k, spread, noise, seeds):
    left = noise / seeds**0.5  # noise of a mean
    return expected_maximum(k) * left**2 / np.hypot(spread, left)


lesson18.check_optimism(optimism)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **18.3 Measure · stretch.** Six selection scripts, `lesson18.sealed["A"]` to `["F"]`. Each takes `valid` and `test`, float [settings, epochs], and returns (setting, epoch, reported score). A fair script chooses by `valid` alone and reports `test` at the chosen place. Which of the six let the test part in, through the choice or through the number? Do not read them: give them many random tables, change `test` and nothing else, and watch. Scores near 0.1, some of them close together, some runs collapsed. Give a set of letters.

# %% [markdown] id="exercise3-zh" lang="zh" en="9f6b7b4a" tags=["exercise"]
# **18.3 测量 · 挑战。** 有六个做选择的脚本，`lesson18.sealed["A"]` 到 `["F"]`。每个都接收 `valid` 和 `test`，浮点数 [设置，轮]，返回（设置，轮，报告的分数）。公平的脚本只凭 `valid` 选择，并报告 `test` 在选中位置上的值。六个里面，哪些让测试集混了进来，不论是混进选择还是混进那个数？不要读源代码：给它们许多随机的表，只改 `test`，看看会怎样。分数在 0.1 上下，有些挨得很近，有些运行训练崩溃了。用字母的集合作答。

# %% id="exercise3-code" tags=["exercise"]
leaking = ...

lesson18.check_leaking(leaking)

# %% id="exercise3-solution" tags=["solution"]
# Solution

rng, leaking = np.random.default_rng(0), set()
for letter, script in lesson18.sealed.items():
    for _ in range(300):
        scores_valid, *two_tests = 0.1 + 0.01 * rng.standard_normal((3, 5, 6))
        for scores_test in two_tests:
            scores_test[rng.integers(5)] *= rng.choice([0.1, 1])  # a collapsed run, now and then
        places = []
        for scores_test in two_tests:
            setting, epoch, reported = script(scores_valid.copy(), scores_test.copy())
            places.append((setting, epoch))
            if reported != scores_test[setting, epoch]:
                leaking.add(letter)
        if places[0] != places[1]:
            leaking.add(letter)

lesson18.check_leaking(leaking)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **18.4 Think · core.** A paper presents P, its new model, with the table that the next cell prints. (Made up.) S is P without its new part. Rates were chosen on validation; differences of less than 0.002 cannot be told from chance. Which statements are right? Give a set of letters.
#
# - A: P against Q is a fair comparison, for 0.001 is the rate that the authors of Q recommend
# - B: Q may have been trained too briefly at its rate
# - C: P against S is a fair comparison, and it speaks for the new part
# - D: R has been tuned to its optimum
# - E: the new part of P is worth 0.016, the distance between P and Q on the test part
# - F: that all test scores are below their validation scores fits a choice on validation alone

# %% [markdown] id="exercise4-zh" lang="zh" en="df99e849" tags=["exercise"]
# **18.4 思考 · 进阶。** 一篇论文介绍它的新模型 P，附上了下一个单元格打印的表。（数字是编的。）S 是去掉新模块的 P。学习率在验证集上选；小于 0.002 的差别与偶然分不开。哪些判断是对的？用字母的集合作答。
#
# - A：P 与 Q 的比较是公平的，因为 0.001 是 Q 的作者推荐的学习率
# - B：Q 在它的学习率下可能训练得太短
# - C：P 与 S 的比较是公平的，并且支持新模块有用
# - D：R 已经调到了最优
# - E：P 的新模块带来 0.016 的提升，也就是测试集上 P 与 Q 的距离
# - F：所有测试分数都低于各自的验证分数，这与“只在验证集上选择”相符

# %% id="exercise4-code" tags=["exercise"]
paper = pd.DataFrame(
    {
        "rates tried": ["0.0003 0.001 0.003 0.01", "0.001", "0.0003 0.001 0.003 0.01", "0.0003 0.001 0.003 0.01"],
        "chosen": [0.003, 0.001, 0.01, 0.003],
        "best epoch": ["14 of 20", "20 of 20", "11 of 20", "13 of 20"],
        "valid": [0.120, 0.101, 0.116, 0.115],
        "test": [0.114, 0.098, 0.112, 0.109],
    },
    index=["P", "Q", "R", "S"],
)
print(paper.to_string())
right_statements = ...

lesson18.check_statements(right_statements)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# A: four trials against one. B: its best epoch is the last, at a low rate. C: the same grid, only the new part differs.
# D: 0.01 is the edge. E: Q differs from P in more than that, and in its budget; P against S says 0.005. F: the best of
# several is too high where it was chosen.
right_statements = {"B", "C", "F"}

lesson18.check_statements(right_statements)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** Equal trials or equal **seconds**? Begin with `grids["sample"]`, the validation scores of 25 models, and `read_suite("sample", "stability", "runs")`, whose column `train_seconds` says what one training of each model costs. Give each model the same number of seconds instead of the same number of rates: the cheap ones may try all rates, the dear ones only what they can pay. How many pairs change their order? A good report holds this number for three budgets, a picture, a statement of who profits, and a doubt: the seconds were taken on one machine. Which budget would you write into a paper, and why?

# %% [markdown] id="open-zh" lang="zh" en="e5343902" tags=["open"]
# **开放任务。** 试验次数相等，还是**秒数**相等？从 `grids["sample"]`（25 个模型的验证分数）和 `read_suite("sample", "stability", "runs")` 开始，后者的 `train_seconds` 列给出每个模型训练一次的代价。给每个模型同样的秒数，而不是同样多的学习率：便宜的模型可以试遍所有学习率，昂贵的只能试它付得起的。有多少对模型的先后会改变？好的报告包含三种预算下的这个数、一张图、谁因此受益，以及一点疑问，因为这些秒数是在一台机器上测的。你会在论文里采用哪种预算？为什么？

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "changed": ...,  # {budget in seconds: pairs of models that change their order}
    "budget": ...,  # the budget that you would write into a paper
    "who_profits": ...,  # which models profit, and why
    "picture": ...,  # the figure, with a label on each axis
    "doubt": ...,  # what you doubt, in a sentence or two
}
lesson18.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## Vera and Leo, answered
#
# Who is right? Both, about their runs. Neither, about the models. Each of them measured the sum of two things, how the models differ and what the rival did not get, and in both reports the second was the larger. With equal care their six numbers leave a difference of 0.002, which is no more than what another seed of the same model may do.
#
# Honesty is no cure; they were honest. What helps is a procedure that **cannot** give one model more than another: one grid for all, a choice on validation by more than one seed, no choice at an edge, epochs enough for the slowest, and a test part that is opened once. Then the difference that is left is about the models. Whether it is more than chance is the subject of lesson 20.

# %% [markdown] id="answer-zh" lang="zh" en="79a0473e"
# ## 回答开头的问题
#
# 谁说得对？说到各自的运行，两人都对；说到模型，两人都不对。他们测到的都是两项之和：模型之间的差别，加上对手没得到的工夫；而在两份报告里，后一项都更大。工夫相等时，那六个数只剩下 0.002 的差别，同一个模型换个种子也可能差这么多。
#
# 光靠诚实解决不了问题，他们本来就是诚实的。需要的是一套**不可能**厚此薄彼的流程：所有模型共用一个网格，在验证集上用不止一个种子来选，不选在边缘，轮数对最慢的模型也足够，测试集只用一次。这样剩下的差别才是关于模型的。它是不是超出了偶然，是第 20 课的主题。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. A reported difference is the difference of the models plus what the rival did not get; the second can turn the first round.
# 2. The best of $k$ trials rises with $k$ by luck alone; between equals, $a$ trials beat $b$ trials in $a / (a + b)$ of all cases.
# 3. Choose on validation, by the mean of several seeds; report a score that had no part in the choice.
# 4. A choice at the edge, a best epoch that is the last, one rate for all: each may hide a model that got too little.
# 5. The loss is part of the budget: for SASRec in `sample` it is worth ten times as much as the choice among three rates.

# %% [markdown] id="summary-zh" lang="zh" en="955aea6d" tags=["summary"]
# ## 小结
#
# 1. 报告出来的差别，等于模型之差加上对手没得到的工夫；后一项可以使前一项反转。
# 2. $k$ 次试验里最好的那个，单靠运气就会随 $k$ 上升；水平相等时，$a$ 次对 $b$ 次，前者获胜的比例是 $a / (a + b)$。
# 3. 在验证集上选，按几个种子的均值选；报告没有参与过选择的分数。
# 4. 选在边缘、最后一轮最好、所有模型用同一种学习率：每一种情况都可能意味着某个模型没有得到足够的工夫。
# 5. 损失是预算的一部分：在 `sample` 上，对 SASRec 来说，它的影响是在三种学习率之间选择的十倍。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> Validation scores with three rates: A 0.100, 0.120, 0.110; B 0.110, 0.115, 0.090. Can the pair be turned round? And if a lead counts only above 0.02?</summary>
#
# Yes: A tuned (0.120) beats B at its worst (0.090), B tuned (0.115) beats A at its worst (0.100). With the margin no: 0.115 is not above 0.100 + 0.02.
#
# </details>
#
# <details><summary><b>2.</b> Two models are equally good. One gets twelve trials, its rival three. How often is the first ahead on validation, and does it matter that the noise is skewed?</summary>
#
# In 12 / 15 = 0.8 of all cases. The argument counts only whose name the best of fifteen equal trials carries, so the distribution does not matter.
#
# </details>
#
# <details><summary><b>3.</b> Settings differ by 0.003, one training has noise 0.003. How far does the best of ten lie above the average setting on validation, and how much of it is true?</summary>
#
# 1.54 · √(0.003² + 0.003²) = 0.0065, and half of it, 0.0033, is true.
#
# </details>
#
# <details><summary><b>4.</b> You can pay for 24 trainings: 24 settings once, or 8 settings with 3 seeds each. On what does it depend?</summary>
#
# On noise against spread. With spread 0.002 and noise 0.004 the seeds win (`gains` gives a true gain of 0.00186 against 0.00174); with noise 0.0005 there is little to average away, and more settings win.
#
# </details>
#
# <details><summary><b>5.</b> All rates of your model are best in the last of ten epochs, with a cosine schedule. A reviewer says: trained too briefly. Is that proved? What settles it?</summary>
#
# No: a rate that falls to nearly 0 makes the last epoch the best quite often. Train everybody with more epochs once and see whether validation gains more than seeds differ.
#
# </details>
#
# <details><summary><b>6.</b> `grid.loc[grid.groupby("model")["valid"].idxmax()]` picks the rate for each model; the grid holds five seeds a rate. What is wrong, and whom does it favour?</summary>
#
# It takes the best single run, not the best mean: the luckiest seed decides, and models whose seeds differ most gain most. Take the mean over seeds for each model and rate first.
#
# </details>
#
# <details><summary><b>7.</b> Forty settings, spread 0.002, noise 0.004; the chosen one has 0.120 on validation and 0.108 on the test part. Is the gap explained by the choice?</summary>
#
# Not wholly. The true gain of forty settings was 0.00193; the optimism is σ² / τ² = 4 times as much, 0.0077, and the gap is 0.012. See whether the average setting, which nobody chose, also falls from validation to test.
#
# </details>
#
# <details><summary><b>8.</b> One of eight models is best at the upper edge of the grid, the other seven inside. Why is it unfair to widen the grid for this one alone?</summary>
#
# It would get more trials than the others, and the best of more trials is higher by luck alone. One grid for all, wider at this end.
#
# </details>
#
# <details><summary><b>9.</b> All 19 models of a table chose 0.003. On the next data set you fix 0.003 for all. What may go wrong?</summary>
#
# The best rate may be another one there, and models that agree about the best rate do not suffer alike from a wrong one: 70 of 171 pairs could be turned round. And 0.003 was an edge.
#
# </details>
#
# <details><summary><b>10.</b> A suite is run with `jobs=1`, then with `jobs=4`, then with two epochs more. Which calls train anew, and how does the stage know?</summary>
#
# Only the last: the number of processes is no setting, epochs are one. The settings and digests in `provenance.json` are compared with those of now; the difference is named.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="d168a4f5" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 三种学习率下的验证分数：A 为 0.100、0.120、0.110；B 为 0.110、0.115、0.090。这一对可以翻转吗？如果领先超过 0.02 才算呢？</summary>
#
# 可以：调过参的 A（0.120）胜过最差的 B（0.090），调过参的 B（0.115）也胜过最差的 A（0.100）。加上界值就不行，因为 0.115 不大于 0.100 + 0.02。
#
# </details>
#
# <details><summary><b>2.</b> 两个模型一样好，一个试十二次，另一个试三次。前者在验证集上领先的机会有多大？噪声分布不对称有影响吗？</summary>
#
# 12 / 15 = 0.8。这个推理只看十五次相同的试验里最好的一次属于谁，因此与分布无关。
#
# </details>
#
# <details><summary><b>3.</b> 设置之间的标准差是 0.003，一次训练的噪声也是 0.003。十个里最好的，在验证集上比平均的设置高多少？其中多少是真实的？</summary>
#
# 1.54 · √(0.003² + 0.003²) = 0.0065，其中一半，即 0.0033，是真实的。
#
# </details>
#
# <details><summary><b>4.</b> 你有 24 次训练的预算：24 种设置各一次，还是 8 种设置各 3 个种子？这取决于什么？</summary>
#
# 取决于噪声与设置间标准差的相对大小。标准差 0.002、噪声 0.004 时，多用种子更好（用 `gains` 计算，真实收益为 0.00186 对 0.00174）；噪声只有 0.0005 时，没有多少可以平均掉，多试设置更好。
#
# </details>
#
# <details><summary><b>5.</b> 你的模型在所有学习率下都是十轮中的最后一轮最好，用的是余弦调度。审稿人说训练太短。这算证实了吗？怎样才能判断？</summary>
#
# 没有。学习率降到接近 0，会使最后一轮经常是最好的。应当给所有模型更多轮数再训练一次，看验证分数的提高是否超过种子之间的差别。
#
# </details>
#
# <details><summary><b>6.</b> `grid.loc[grid.groupby("model")["valid"].idxmax()]` 为每个模型选学习率，而网格里每种学习率有五个种子。错在哪里？对谁有利？</summary>
#
# 它取的是最好的单次运行，而不是最好的均值，由最走运的种子说了算；种子之间波动越大的模型越占便宜。应当先对每个模型、每种学习率求种子的均值。
#
# </details>
#
# <details><summary><b>7.</b> 四十种设置，标准差 0.002，噪声 0.004；选中的设置在验证集上是 0.120，测试集上是 0.108。这个差距能用选择来解释吗？</summary>
#
# 不能完全解释。正文中四十种设置的真实收益是 0.00193；乐观偏差是它的 σ² / τ² = 4 倍，即 0.0077，而差距是 0.012。再看没有经过选择的平均设置，从验证集到测试集是否也下降。
#
# </details>
#
# <details><summary><b>8.</b> 八个模型里有一个在网格上边缘最好，其余七个在网格内部。为什么只给这一个加宽网格是不公平的？</summary>
#
# 这样它的试验次数比别人多，而试得越多，最好的那个单凭运气就越高。应当为所有模型把网格的这一端加宽。
#
# </details>
#
# <details><summary><b>9.</b> 一张表里的 19 个模型都选了 0.003。在下一份数据上，你给所有模型固定用 0.003。可能出什么问题？</summary>
#
# 那里的最佳学习率可能不同，而最佳学习率相同的模型，换成不合适的学习率时损失也不一样：171 对中有 70 对可以翻转。何况 0.003 本来就在边缘。
#
# </details>
#
# <details><summary><b>10.</b> 一个套件先用 `jobs=1` 运行，再用 `jobs=4`，然后多训练两轮。哪几次会重新训练？阶段是怎么知道的？</summary>
#
# 只有最后一次：进程数不是设置，轮数才是。阶段把 `provenance.json` 里的设置和摘要与现在的比较，并说出哪里不同。
#
# </details>

# %% id="summary-check"
ratio = gap.mean / (spread_of_rates.max() - spread_of_rates.min())
expect("the loss over the whole grid of rates, for SASRec", ratio, 11, tol=1.5)

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - M. Ferrari Dacrema, P. Cremonesi, D. Jannach, *Are We Really Making Much Progress? A Worrying Analysis of Recent Neural Recommendation Approaches*, RecSys 2019: section 4, untuned baselines. [arXiv 1907.06902](https://arxiv.org/abs/1907.06902)
# - S. Rendle, L. Zhang, Y. Koren, *On the Difficulty of Evaluating Baselines: A Study on Recommender Systems*, 2019. [arXiv 1905.01395](https://arxiv.org/abs/1905.01395)
# - J. Dodge, S. Gururangan, D. Card, R. Schwartz, N. A. Smith, *Show Your Work: Improved Reporting of Experimental Results*, EMNLP 2019: section 3, expected validation performance against the budget. [arXiv 1909.03004](https://arxiv.org/abs/1909.03004)
# - A. Klenitskiy, A. Vasilev, *Turning Dross Into Gold Loss: is BERT4Rec really better than SASRec?*, RecSys 2023. [arXiv 2309.07602](https://arxiv.org/abs/2309.07602)
# - In this repository: `tutorial_lib/experiments/stages/tune.py`, `tutorial_lib/experiments/stages/fresh.py`, `tutorial_lib/experiments/suite.py`, `tutorial_lib/experiments/protocol.py`, `data/results/README.md`.

# %% [markdown] id="references-zh" lang="zh" en="a5e3f6fc" tags=["references"]
# ## 参考文献
#
# - M. Ferrari Dacrema、P. Cremonesi、D. Jannach，*Are We Really Making Much Progress? A Worrying Analysis of Recent Neural Recommendation Approaches*，RecSys 2019：第 4 节，没有调参的基线。[arXiv 1907.06902](https://arxiv.org/abs/1907.06902)
# - S. Rendle、L. Zhang、Y. Koren，*On the Difficulty of Evaluating Baselines: A Study on Recommender Systems*，2019。[arXiv 1905.01395](https://arxiv.org/abs/1905.01395)
# - J. Dodge、S. Gururangan、D. Card、R. Schwartz、N. A. Smith，*Show Your Work: Improved Reporting of Experimental Results*，EMNLP 2019：第 3 节，期望的验证成绩随预算的变化。[arXiv 1909.03004](https://arxiv.org/abs/1909.03004)
# - A. Klenitskiy、A. Vasilev，*Turning Dross Into Gold Loss: is BERT4Rec really better than SASRec?*，RecSys 2023。[arXiv 2309.07602](https://arxiv.org/abs/2309.07602)
# - 本仓库：`tutorial_lib/experiments/stages/tune.py`，`tutorial_lib/experiments/stages/fresh.py`，`tutorial_lib/experiments/suite.py`，`tutorial_lib/experiments/protocol.py`，`data/results/README.md`。
