# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Ines comes back from a meeting with a slide: *on the most irregular third of the users of MovieLens 1M, our model with a clock wins by 2.27 %.* It is the result that everybody has hoped for. A state that moves in continuous time should help exactly where time is irregular. <!-- literature -->
#
# She offers you a bet. She will train once more, with another seed, and look at other irregular users. If the model wins again, you pay the dinner; if it loses, she does.
#
# What you know: it was one training run. The ranks were counted among a hundred sampled negatives. The only rival was the model itself without its clock. And nobody remembers whether the groups were formed before or after the results had been seen.
#
# The slide is no invention; so it stands in the announcement of DeepM3. Would you bet? In lesson 02 you put an interval around a difference. This lesson is about all that can still be wrong when the interval is right.

# %% [markdown] id="puzzle-zh" lang="zh" en="15b2ebe6"
# 小颖开会回来，带着一张幻灯片：“在 MovieLens 1M 最不规则的三分之一用户上，我们加入时间信息的模型高出 2.27%。”这正是大家盼望的结果：状态既然在连续时间里演化，就理应对间隔不规则的用户最有用。<!-- literature -->
#
# 她要和你打个赌。她再训练一次，换一个种子，换一批不规则的用户。模型又赢了，你请吃饭；输了，她请。
#
# 你知道的是：那只是一次训练；排名只在一百个采样负样本（sampled negative）中计算；唯一的对手是去掉时间信息的同一个模型；而且没有人记得，分组是在看到结果之前还是之后定的。
#
# 这张幻灯片不是编的，DeepM3 的宣传里就是这么写的。你赌吗？第 02 课里，你为差值计算了置信区间。这一课要讲的是，即使区间没有算错，结论还可能错在哪里。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - test a paired difference by flipping signs, by hand and for hundreds of pairs at once;
# - say what the unit is, users or seeds, and recognise a gain that another seed would undo;
# - correct for many comparisons, and tell how large a difference is apart from how certain it is;
# - compare two groups of users by the difference of their differences, and form groups that invent nothing;
# - tell *no difference larger than a margin* from *not enough data*;
# - compute how many users a claim needs before anybody can see it.

# %% [markdown] id="objectives-zh" lang="zh" en="a5173a53" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 用符号翻转检验来检验配对差值，先手算一次，再同时检验几百对；
# - 说清重抽样的单位是用户还是种子，识别换一个种子就消失的收益；
# - 为多次比较做校正，把差别有多大与有多确定分开来说；
# - 用差值之差比较两组用户，并避免分组方式本身造成虚假的差别；
# - 分清“差别不超过界值”与“数据不够”；
# - 算出检验一条主张需要多少用户。

# %% id="setup"
import itertools
import tempfile
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy import stats

from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_close, expect_true, settings, show_matrix
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import make_dataset
from tutorial_lib.data.simulate import ceiling_ranks
from tutorial_lib.data.splits import Split, leave_last_out, make_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import ndcg, per_user
from exercises import lesson20
from tutorial_lib.experiments.protocol import AGAINST, ALPHA, FOR, MARGIN, NONE, OPEN, UNTESTABLE
from tutorial_lib.experiments.results import (
    FACTS,
    read_quality,
    read_ranks,
    read_results,
    read_suite,
    suite_names,
    suite_values,
)
from tutorial_lib.experiments.stages import irregularity, significance, stability
from tutorial_lib.experiments.stages.irregularity import LEAST_GAPS
from tutorial_lib.experiments.stages.lineup import select
from tutorial_lib.experiments.stages.shared import CHUNK, effect_size, ends, forest, thirds
from tutorial_lib.experiments.suite import Suite, run_suite
from tutorial_lib.statistics import Interval, bootstrap_interval, mean_over_seeds, paired_bootstrap, sign_flip_test

plots.use_style()

# %% [markdown] id="parameters-en" lang="en"
# One cell near the end trains small models on the data named here. Everything else is computed from a few numbers, from simulated users, or from committed tables.

# %% [markdown] id="parameters-zh" lang="zh" en="3f4857fb"
# 只有接近末尾的一个单元格会训练小模型，用什么数据由这里决定。其余结果都由几个例子、模拟用户或仓库中保存的结果表算出。

# %% id="parameters-code" tags=["parameters", "training"]
DATASET, USERS = settings(dataset="sample", users=600)

# %% [markdown] id="tiny-en" lang="en"
# ## Six users
#
# Start small. Six users were tested with an old model and with a new one. Their ranks, and from the ranks NDCG@10:

# %% [markdown] id="tiny-zh" lang="zh" en="beb7163c"
# ## 六位用户
#
# 先看一个小例子。六位用户，旧模型和新模型各测了一次。下面是他们的排名，以及由排名算出的 NDCG@10：

# %% id="tiny-code"
old_rank, new_rank = np.array([4, 9, 2, 30, 7, 6]), np.array([2, 5, 3, 8, 6, 4])
old, new = ndcg(old_rank), ndcg(new_rank)
difference = new - old
show_matrix([old, new, difference], ["old", "new", "new - old"], list("ABCDEF"), digits=3)
expect("mean difference", difference.mean(), 0.095, tol=0.0005)

# %% [markdown] id="predict-flip-en" lang="en" tags=["predict"]
# Five of six are better off, and the mean gain of 0.095 is huge as gains go. Now suppose that the two models were **equally good**. Then it would be chance which of the two did better with user A, and her $+0.200$ could as well have been $-0.200$. The same holds for everybody. So flip the signs, in all $2^6 = 64$ ways, and look which means come out: that is what chance alone makes of these six people.
#
# **Predict.** In how many of the 64 ways is the mean at least as far from 0 as ours?

# %% [markdown] id="predict-flip-zh" lang="zh" en="b5555c2b" tags=["predict"]
# 六位用户中有五位的 NDCG 提高了，平均提升 0.095，与同类结果相比已经非常大。现在假设两个模型**一样好**（这就是原假设）。那么在用户 A 身上哪个更好纯属碰巧，她的 $+0.200$ 也完全可能是 $-0.200$。每个人都是如此。因此把各个差值的符号任意翻转，一共有 $2^6 = 64$ 种组合，看看会得到哪些平均值：这就是原假设成立时，这六位用户可能出现的全部结果。
#
# **猜一猜。** 64 种组合里，有多少种的平均值的绝对值不小于实际观测值？

# %% id="flip-code"
patterns = np.array(list(itertools.product([1, -1], repeat=6)))  # [64, 6]
means = (patterns * np.abs(difference)).mean(axis=1)
as_far = np.abs(means) >= abs(difference.mean()) - 1e-12
expect("patterns at least as far from 0", as_far.sum(), 14, tol=0.5)
expect("of 64, the p-value", as_far.mean(), 0.22, tol=0.005)
expect("the smallest p that six users can give", 2 / 64, 0.03, tol=0.002)

# %% id="flip-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7, 2.6))
for far, color, label in ((False, plots.BLUE, "nearer to 0"), (True, plots.ORANGE, "at least as far as the observed")):
    ax.hist(means[as_far == far], bins=np.linspace(-0.15, 0.15, 31), color=color, label=label)
ax.axvline(difference.mean(), color=plots.BLACK, linestyle="--")
ax.set(xlabel="mean difference of NDCG@10 over the six users", ylabel="sign patterns (of 64)", ylim=(0, 8))
ax.legend(loc="upper left", ncols=2, fontsize=9)
plt.show()

# %% [markdown] id="flip-alt-en" lang="en" tags=["alt"]
# Histogram of the 64 means from about −0.14 to 0.14, symmetric around 0. A dashed line marks the observed mean near 0.095. Seven patterns at or to the right of it and seven at the mirrored place on the left are orange, the other fifty blue.

# %% [markdown] id="flip-alt-zh" lang="zh" en="e949d438" tags=["alt"]
# 64 个平均值的直方图，从约 −0.14 到 0.14，以 0 为中心对称。虚线标出实际的平均值，在 0.095 附近。虚线处及其右边的七种符号组合，以及左边对称位置的七种，是橙色；其余五十种是蓝色。

# %% [markdown] id="flip-why-en" lang="en"
# In 14 of the 64: $p = 14/64 = 0.22$. Chance alone does as much in every fifth study. The share is called the **$p$-value**, and the method the *sign-flip test*. It supposes nothing about the shape of NDCG, which is mostly 0 and sometimes 1, and nothing like a bell curve.
#
# Mind what $p$ is not. It is not the probability that the models are equal. It says how often equal models would look at least so different. And six users can never give less than $2/64$, even if all six are better off.
#
# Who agrees? `scipy` walks through the same 64 patterns; the library draws patterns at random, because 943 users have $2^{943}$.

# %% [markdown] id="flip-why-zh" lang="zh" en="2b7d9b5e"
# 64 种里有 14 种：$p = 14/64 = 0.22$。也就是说，仅凭偶然，大约每五次研究里就有一次出现这么大的差别。这个比例叫 **$p$ 值**，这种方法叫**符号翻转检验**（sign-flip test）。它对 NDCG 的分布形状不作任何假设；NDCG 大多是 0，偶尔是 1，与正态分布相去甚远。
#
# 请注意不要误解 $p$ 值。它不是“两个模型一样好”的概率，而是在两个模型一样好的前提下，观测到至少这么大差别的概率。而且只有六位用户时，这个值不可能小于 $2/64$，哪怕六位全都提升。
#
# 下面用两种方法核对：`scipy` 遍历同样的 64 种组合；库里的版本则随机抽取组合，因为 943 位用户有 $2^{943}$ 种。

# %% id="flip-check" tags=["reference-check"]
exact = stats.permutation_test((difference,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
expect_close("our count and scipy's", as_far.mean(), exact, tol=1e-12)
expect_close("200,000 random patterns", sign_flip_test(difference, draws=200_000), exact, tol=0.005)

# %% [markdown] id="library-en" lang="en" tags=["library"]
# In the stored results of `sample` the suite tests every pair of 27 models, 351 pairs. One matrix product makes the sums of all pairs for many patterns at once: `signs` is `[draws, users]`, `differences` is `[users, pairs]`.

# %% [markdown] id="library-zh" lang="zh" en="8cdc0275" tags=["library"]
# 在仓库中保存的 `sample` 结果里，实验套件检验了 27 个模型的每一对，共 351 对。一次矩阵乘积就能对许多种符号组合算出所有模型对的差值之和：`signs` 是 `[draws, users]`，`differences` 是 `[users, pairs]`。

# %% id="library-code" tags=["library"]
# show: tutorial_lib.experiments.stages.shared.sign_flips

# %% id="library-check" tags=["reference-check"]
expect("pairs of 27 models", len(list(itertools.combinations(range(27), 2))), 351, tol=0.5)
two = np.stack([difference, -2 * difference], axis=1)  # neither the direction nor the unit matters
expect_close("two columns at once", sign_flips(two, draws=200_000), [exact, exact], tol=0.005)

# %% [markdown] id="paired-en" lang="en" tags=["predict"]
# ## Why in pairs
#
# Lesson 02 compared on the same people. What would be lost otherwise? Forget who belongs to whom: put the twelve values of our six users in one bag and draw six as "new", in all 924 ways. Then take real data: TiSASRec and SASRec on MovieLens 100K, 943 users, values averaged over five seeds.
#
# **Predict.** Is the $p$ of the bag larger than 0.22? And by what factor is the standard error on MovieLens smaller in pairs than for two separate groups of people?

# %% [markdown] id="paired-zh" lang="zh" en="5aa0789e" tags=["predict"]
# ## 为什么要配对比较
#
# 第 02 课总是在同一批用户上比较。不这样会损失什么？现在忽略配对关系：把六位用户的十二个值混在一起，从中任选六个当作“新”的，一共有 924 种选法。再看真实数据：MovieLens 100K 上的 TiSASRec 与 SASRec，943 位用户，取五个种子的平均。
#
# **猜一猜。** 不配对时的 $p$ 比 0.22 大吗？在 MovieLens 上，不配对的标准误是配对的多少倍？

# %% id="paired-code"
bag = np.concatenate([new, old])
drawn = [list(six) for six in itertools.combinations(range(12), 6)]
gaps = np.array([bag[six].mean() - np.delete(bag, six).mean() for six in drawn])
unpaired = (np.abs(gaps) >= abs(difference.mean()) - 1e-12).mean()
expect("ways to draw six of twelve", len(drawn), 924, tol=0.5)
expect("p without pairs", unpaired, 0.37, tol=0.005)

ml = read_quality("attention_ml-100k_leave_last_out")  # {(model, options, clock): NDCG@10 [seeds, users]}
sasrec, tisasrec = ml["sasrec", "", "real"], ml["tisasrec", "", "real"]
one, other = tisasrec.mean(axis=0), sasrec.mean(axis=0)
in_pairs = (one - other).std(ddof=1) / len(one) ** 0.5
apart = np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / len(one))
expect("number of users", len(one), 943, tol=0.5)
expect("correlation of the two models over users", np.corrcoef(one, other)[0, 1], 0.92, tol=0.01)
expect("standard error, apart over paired", apart / in_pairs, 3.6, tol=0.1)
expect("squared: as if so many times as many users", (apart / in_pairs) ** 2, 12.7, tol=0.4)

# %% [markdown] id="paired-why-en" lang="en"
# A user who is easy for one model is easy for the other; the correlation is 0.92. The difference takes this common part away. With equal spreads and a correlation $\rho$ the variance shrinks to the part $1 - \rho$ of it. To be as precise with separate groups you would need nearly 13 times as many people. All that follows is in pairs.

# %% [markdown] id="paired-why-zh" lang="zh" en="bf506057"
# 对一个模型容易的用户，对另一个也容易；相关系数是 0.92。相减就去掉了这个共同的部分。如果两者的标准差相等、相关系数为 $\rho$，方差就缩小到原来的 $1 - \rho$。要用两批不同的人达到同样的精度，就需要将近 13 倍的人。下面一律采用配对比较。

# %% [markdown] id="seeds-en" lang="en"
# ## Users or seeds?
#
# Here is a comparison from lesson 08, on MovieLens 100K: TiSASRec with logarithmic buckets for its gaps, minus TiSASRec with linear ones. Five seeds of each. Suppose you had trained only **one** pair, and had tested it over the 943 users as above. You would have been given one of the first five rows below. The last row redraws not only the users but also the seeds, by this function of the suite:

# %% [markdown] id="seeds-zh" lang="zh" en="5931e012"
# ## 用户，还是种子？
#
# 下面是第 08 课里的一个比较，数据是 MovieLens 100K：对间隔做对数分桶的 TiSASRec 减去做线性分桶的 TiSASRec，各五个种子。假如你只训练了**一**对，像上面那样在 943 位用户上检验，那么你拿到的会是下面前五行中的一行。最后一行不仅对用户重抽样，也对种子重抽样，用的是实验套件里的这个函数：

# %% id="hierarchical-code" tags=["library"]
# show: tutorial_lib.experiments.stages.shared.hierarchical_interval

# %% id="seeds-code" tags=["nbval-ignore-output"]
linear = ml["tisasrec", "bucketing=linear buckets=256", "real"]
gain = tisasrec - linear  # [seeds, users]
by_seed_p = sign_flips(gain.T)
rows = [{"model": f"seed {s}"} | ends("gain", bootstrap_interval(gain[s])) | {"p": by_seed_p[s]} for s in range(5)]
users_only, both = paired_bootstrap(tisasrec, linear), hierarchical_interval(gain)
rows.append({"model": "all five, users redrawn"} | ends("gain", users_only) | {"p": sign_flip_test(gain)})
rows.append({"model": "all five, seeds redrawn too"} | ends("gain", both))
lucky = pd.DataFrame(rows)
lucky["significant"] = lucky["p"] < 0.05
heads = ["training", "mean gain", "lower end", "upper end", "p", "p < 0.05"]
print(lucky.round(4).set_axis(heads, axis=1).to_string(index=False))

# %% id="seeds-picture" tags=["picture", "nbval-ignore-output"]
figure = forest(lucky, "gain", "NDCG@10, log minus linear buckets (orange: p < 0.05)", bold="significant")
figure.set_size_inches(7, 2.8)
figure

# %% [markdown] id="seeds-alt-en" lang="en" tags=["alt"]
# Forest plot, seven rows with 95 % intervals around a line at 0. Seeds 1 and 4 lie right of 0 and are orange, seed 2 lies left of 0, just touching it, and is orange, seeds 0 and 3 are blue and cross 0. The mean of all five lies slightly right of 0 and crosses it; with redrawn seeds its interval is much wider.

# %% [markdown] id="seeds-alt-zh" lang="zh" en="d3590781" tags=["alt"]
# 森林图，七行，各带 95% 区间，0 处有一条竖线。种子 1 和 4 在 0 的右边，橙色；种子 2 在 0 的左边，刚刚碰到 0，也是橙色；种子 0 和 3 是蓝色，跨过 0。五个种子的平均略偏右，跨过 0；对种子也重抽样之后，区间宽得多。

# %% id="seeds-check"
expect_true("seeds 1 and 4: log buckets win, p < 0.05", all(by_seed_p[s] < 0.05 and gain[s].mean() > 0 for s in (1, 4)))
expect_true("seed 2: they lose, p < 0.05", by_seed_p[2] < 0.05 and gain[2].mean() < 0)
expect("mean gain of all five", gain.mean(), 0.002, tol=0.0005)
expect("its p over users", sign_flip_test(gain), 0.47, tol=0.02)
expect(
    "width with seeds redrawn, over users alone",
    (both.high - both.low) / (users_only.high - users_only.low),
    1.7,
    tol=0.15,
)

# %% [markdown] id="seeds-why-en" lang="en"
# With seeds 1 and 4 you would have published that logarithmic buckets win, with seed 2 that they lose, each time with $p < 0.05$. None of these tests is wrong. Each answers: *do these two **trained** models differ, for users like these?* They do. What you wanted to know is another thing: *do the two **recipes** differ?* A trained model is one draw from its recipe, and a test over users knows nothing of the other draws.
#
# So there are two sources of luck, the users and the seeds. Averaging over seeds and then resampling users, as in the lessons so far, makes the second one smaller and leaves it out of the interval. `hierarchical_interval` redraws both; here its interval is 1.7 times as wide.

# %% [markdown] id="seeds-why-zh" lang="zh" en="6ba7b1f7"
# 如果碰巧用了种子 1 或 4，你会报告“对数分桶更好”；如果用了种子 2，你会报告“对数分桶更差”，而且每次都有 $p < 0.05$。这些检验都没有错。它们回答的问题是：“对这样的用户，这两个**训练好的**模型有差别吗？”答案是有。而你想知道的是另一件事：“这两份**训练方案**有差别吗？”训练好的模型只是训练方案的一次随机结果，而只对用户做的检验，并不包含其他各次训练的信息。
#
# 因此随机性有两个来源：用户和种子。前面各课先对种子取平均，再对用户重抽样。这样会减小第二个来源的影响，却没有把它算进区间。`hierarchical_interval` 对用户和种子都重抽样，这里它的区间宽度是只重抽用户时的 1.7 倍。

# %% [markdown] id="predict-luck-en" lang="en" tags=["predict"]
# How often does this deceive? Simulate two recipes **without any difference**. Each pair of trainings has its own luck, shared by all users, with standard deviation 0.005; a user's difference varies around it by 0.06 that stays and 0.14 that is new for each seed, about as measured on MovieLens 100K. A valid test gives a false alarm in 5 % of the studies.
#
# **Predict** the share of false alarms with one seed, with the mean of five seeds, and with seeds redrawn, for 943 users and for 6,040. Does it help to have more users?

# %% [markdown] id="predict-luck-zh" lang="zh" en="cf76cdc2" tags=["predict"]
# 这样误判的概率有多大？模拟两份**毫无差别**的训练方案。每一对训练都有自己的随机偏差，由所有用户共享，标准差 0.005；用户的差值围绕它波动：各种子共有的部分标准差为 0.06，随种子变化的部分标准差为 0.14，与 MovieLens 100K 上测到的差不多。显著性水平为 5% 的检验，误报（false alarm）率应当是 5%。
#
# **猜一猜**误报的比例：只用一个种子，用五个种子的平均，对种子也重抽样；943 位用户时各是多少，6,040 位时呢？用户更多，有没有帮助？


# %% id="luck-code"
def false_alarms(users, studies=400, redrawn=200):
    """Shares of studies of equal recipes that find a difference: one seed, mean of five, seeds redrawn."""
    rng, found = np.random.default_rng(0), np.zeros((3, studies))
    for study in range(studies):
        luck = 0.005 * rng.standard_normal((5, 1))
        values = luck + 0.06 * rng.standard_normal(users) + 0.14 * rng.standard_normal((5, users))
        for row, seen in enumerate((values[0], values.mean(axis=0))):
            found[row, study] = abs(seen.mean()) > 1.96 * seen.std() / users**0.5  # lesson 02: two standard errors
        if study < redrawn:
            found[2, study] = hierarchical_interval(values, draws=200).excludes_zero
    return found[0].mean(), found[1].mean(), found[2, :redrawn].mean()


alarms = {users: false_alarms(users) for users in (943, 6040)}
show_matrix(list(alarms.values()), list(alarms), ["one seed", "mean of five", "seeds redrawn"])
for users, wanted in ((943, (0.16, 0.12, 0.02)), (6040, (0.48, 0.39, 0.10))):
    for name, got, want in zip(("one seed", "mean of five", "seeds redrawn"), alarms[users], wanted, strict=True):
        expect(f"false alarms, {users} users, {name}", got, want, tol=0.6 * want if want < 0.05 else 0.05)

# %% [markdown] id="luck-why-en" lang="en"
# More users make it **worse**. The interval shrinks around the luck of this seed: with 6,040 users nearly every second study of equal recipes finds a "significant" difference. Five seeds alone do not mend it, for they shrink the interval as well. Redrawing the seeds does, nearly: with many users and only five seeds about 10 % false alarms are left, because five draws say little about the spread of seeds. Two seeds would say even less. So the suite asks for both: a small $p$ after correction, **and** an interval with redrawn seeds on one side of 0.

# %% [markdown] id="luck-why-zh" lang="zh" en="6ec15f37"
# 用户更多，情况反而**更糟**。区间只会围绕这个种子的偶然结果越缩越窄：有 6,040 位用户时，对毫无差别的训练方案做研究，将近每两次就有一次发现“显著”的差别。只增加到五个种子也不能补救，因为它们同样让区间变窄。对种子也重抽样，基本可以解决：用户多而种子只有五个时，还剩约 10% 的误报，因为只凭五个种子，难以准确估计种子之间的波动。两个种子时，误报还会多得多。因此实验套件同时要求两点：校正后的 $p$ 足够小，**而且**对种子也重抽样得到的区间不含 0。

# %% [markdown] id="many-en" lang="en" tags=["predict"]
# ## Twenty-six models and nothing to find
#
# Now the number of comparisons. Take 26 models that are all equally good, each with its own luck with each of 300 users, and test all pairs. Repeat this 400 times.
#
# The tests are made with a quick stand-in, the normal approximation of lesson 02; it is compared with flipped signs first.
#
# **Predict.** In one study, how many of the 325 pairs differ with $p < 0.05$? In how many of 100 studies is there at least one?

# %% [markdown] id="many-zh" lang="zh" en="f8ea027b" tags=["predict"]
# ## 二十六个模型，没有任何差别
#
# 现在来看比较的次数。取 26 个一样好的模型，每个模型在 300 位用户身上各有随机波动，检验所有的对，重复 400 遍。
#
# 为了加快计算，这里用第 02 课的正态近似代替符号翻转检验，并先核对两者的结果。
#
# **猜一猜。** 一次研究里，325 对中有多少对 $p < 0.05$？100 次研究里，有多少次至少出现一对？


# %% id="many-code" tags=["reference-check"]
def quick_p(differences):
    """Two-sided p-values of mean 0 over the last axis, by the normal approximation."""
    error = differences.std(axis=-1, ddof=1) / differences.shape[-1] ** 0.5
    return 2 * stats.norm.sf(np.abs(differences.mean(axis=-1)) / error)


expect_close("the stand-in and flipped signs, five real comparisons", quick_p(gain), by_seed_p, tol=0.01)
rng = np.random.default_rng(1)
pairs = np.array(list(itertools.combinations(range(26), 2)))
studies = []
for _ in range(400):
    models = rng.standard_normal((26, 300))
    studies.append(quick_p(models[pairs[:, 0]] - models[pairs[:, 1]]))
found = np.array([(p < 0.05).sum() for p in studies])
expect("pairs of models", len(pairs), 325, tol=0.5)
expect("discoveries in a study, on average", found.mean(), 16, tol=2)
expect("studies with at least one", (found > 0).mean(), 0.96, tol=0.02)

# %% [markdown] id="holm-en" lang="en"
# About 16, one in twenty, each of them with $p < 0.05$ and a story that somebody could tell. In 96 % of the studies there is at least one.
#
# Holm's correction mends it. Sort the $p$-values. Multiply the smallest by the number of tests $M$, the next by $M - 1$, and so on; no value may be below the one before it, none above 1. What is still below 0.05 counts. By hand, for four tests:

# %% [markdown] id="holm-zh" lang="zh" en="04b3b02c"
# 大约 16 对，即每二十对里有一对，每一对都有 $p < 0.05$，而且事后总能找到一个解释。96% 的研究里至少出现一对。
#
# Holm 校正可以补救。把 $p$ 值排序，最小的乘以检验的个数 $M$，下一个乘以 $M - 1$，依此类推；每个值不得小于前一个，也不得大于 1。校正后仍低于 0.05 的，才判为显著。手算四个检验：

# %% id="holm-code" tags=["library"]
# show: tutorial_lib.statistics.holm

p_values = [0.030, 0.012, 0.400, 0.020]
show_matrix([p_values, holm(p_values)], ["p", "after Holm"], ["test 1", "test 2", "test 3", "test 4"], digits=3)
expect_close("4 x 0.012; 3 x 0.020; 2 x 0.030, not below 0.06", holm(p_values), [0.06, 0.048, 0.4, 0.06], tol=1e-12)
corrected = np.array([(holm(p) < 0.05).any() for p in studies])
expect("studies with at least one discovery after Holm", corrected.mean(), 0.045, tol=0.015)

# %% [markdown] id="draws-en" lang="en" tags=["break-it"]
# Three of the four were below 0.05 before, one is afterwards. And of the 400 studies less than one in twenty still cries out, for all 325 pairs together.
#
# ## Break it, 1: too few draws
#
# Flipped signs are drawn at random, and $p$ can never be below $1 / (\text{draws} + 1)$, because the observed pattern counts as one. Make one of the 26 models so much better that nobody could miss it: by a whole standard deviation, for each of 300 users.
#
# **Predict.** With 1,000 draws and Holm over 325 pairs: how many of its 25 victories are found?

# %% [markdown] id="draws-zh" lang="zh" en="75f70391" tags=["break-it"]
# 四个检验里，原先有三个低于 0.05，校正后只剩一个。400 次研究里，只有不到二十分之一仍然报告有差别，这是 325 对合在一起的结果。
#
# ## 破坏实验一：翻转次数太少
#
# 符号组合是随机抽取的，而 $p$ 永远不会低于 $1 / (\text{draws} + 1)$，因为实际观测到的那一种也算一次。让 26 个模型中的一个明显更好：对 300 位用户，每一位都高出一个标准差。
#
# **猜一猜。** 抽 1,000 次，对 325 对做 Holm 校正：它与其余模型的 25 个差别，能检出几个？

# %% id="draws-code" tags=["break-it"]
models = rng.standard_normal((26, 300))
models[0] += 1.0
contests = (models[pairs[:, 0]] - models[pairs[:, 1]]).T  # [users, pairs]
victories = {draws: int((holm(sign_flips(contests, draws=draws))[:25] < 0.05).sum()) for draws in (1_000, 10_000)}
expect_true("with 1,000 draws none of the 25 is found", victories[1_000] == 0)
expect_true("mended: with 10,000 draws all 25 are", victories[10_000] == 25)
expect("325 times the smallest possible p, 1,000 draws", 325 / 1_001, 0.32, tol=0.005)
expect("325 times the smallest possible p, 10,000 draws", 325 / 10_001, 0.032, tol=0.0005)

# %% [markdown] id="draws-why-en" lang="en"
# None, however large the difference: $325/1001 = 0.32$. "Nothing significant" can be the fault of the test. With 10,000 draws, as in the suite, the smallest corrected value is 0.032, just enough. Before you believe that nothing was found, ask what **could** have been found.

# %% [markdown] id="draws-why-zh" lang="zh" en="f05299cf"
# 一个也检不出，差别再大也没有用：$325/1001 = 0.32$。“没有显著差别”可能是检验方法本身造成的。像实验套件那样抽 10,000 次，校正后的最小值是 0.032，刚好够用。在接受“没有发现”之前，先弄清这个检验**能够**发现什么。

# %% [markdown] id="size-en" lang="en" tags=["predict"]
# ## How large, and how many users would it take?
#
# A $p$-value mixes two things: how large a difference is and how many users there were. The **effect size** is the first alone: the mean difference divided by its standard deviation over users. Four copies of each user leave it as it is, and make a $p$ of 0.18 one of 0.01.
#
# So what is 2.27 %? It depends on *of what*. Under full ranking, NDCG@10 is about 0.1 on MovieLens 100K, and 2.27 % of it are 0.0023. Among 100 negatives all numbers are larger; in the repository behind the slide the value was about 0.4, and 2.27 % of that are 0.009. The spread over users is known from our own trainings on MovieLens 100K: take the differences of one seed of TiSASRec and SASRec, bring their mean to the claimed gain, and draw 2,013 users from them, a third of the 6,040. Lesson 02 called the share of such studies that see the gain the *power*.
#
# **Predict** the power for both scales, and the number of users needed for a power of 80 %, which is $(2.8\,\sigma / \delta)^2$ with the gain $\delta$ and the standard deviation $\sigma$.

# %% [markdown] id="size-zh" lang="zh" en="f4fb3b9d" tags=["predict"]
# ## 效应有多大？需要多少用户才能检出？
#
# $p$ 值把两件事混在一起：差别有多大，用户有多少。**效应量**（effect size）只衡量前者：平均差值除以它在用户之间的标准差。把每位用户复制成四份，效应量不变，$p$ 却会从 0.18 变成 0.01。
#
# 那么 2.27% 是多少？要看是**什么的** 2.27%。全量排序时，MovieLens 100K 上的 NDCG@10 约为 0.1，它的 2.27% 是 0.0023。在 100 个负样本里，所有数值都更大；幻灯片背后的那个代码仓库里，这个值约为 0.4，它的 2.27% 是 0.009。用户之间的波动可以从我们在 MovieLens 100K 上的训练得到：取一个种子的 TiSASRec 与 SASRec 之差，把平均值平移到所宣称的提升，再从中有放回地抽取 2,013 位用户，也就是 6,040 位的三分之一。能检出提升的研究所占的比例，就是第 02 课所说的**功效**（power）。
#
# **猜一猜**两种尺度下的功效，以及功效达到 80% 所需的用户数：它等于 $(2.8\,\sigma / \delta)^2$，其中 $\delta$ 是提升，$\sigma$ 是标准差。


# %% id="size-code"
def sampled_quality(model):
    """NDCG@10 among 100 sampled negatives, [seeds, users]."""
    runs = read_results("attention_ml-100k_leave_last_out").fillna({"options": ""}).query("clock == 'real'")
    runs = runs[(runs["model"] == model) & ~runs["options"].str.contains("linear")].sort_values("seed")
    return np.stack([per_user(ranks, ndcg(ranks)) for ranks in (read_ranks(run).sampled for run in runs["run"])])


once, copied = tisasrec[:1] - sasrec[:1], np.tile(tisasrec[:1] - sasrec[:1], 4)
expect_close(
    "four copies: the same effect size", effect_size(copied, 0 * copied), effect_size(once, 0 * once), tol=1e-3
)
expect("p of one seed", sign_flip_test(once), 0.18, tol=0.01)
expect("p with every user four times", sign_flip_test(copied), 0.01, tol=0.005)

CLAIMED = 0.0227
scales = {
    "full ranking": (tisasrec - sasrec, 0.1),
    "100 negatives": (sampled_quality("tisasrec") - sampled_quality("sasrec"), 0.4),
}
sizes = {}
for name, (differences, level) in scales.items():
    spread, delta = differences.std(axis=1, ddof=1).mean(), CLAIMED * level
    pool = differences[0] - differences[0].mean()
    study = delta + np.random.default_rng(4).choice(pool, (2000, 2013))  # 2,000 studies of 2,013 users
    seen = (quick_p(study) < 0.05) & (study.mean(axis=1) > 0)
    sizes[name] = [
        delta,
        spread,
        delta / spread,
        (2.8 * spread / delta) ** 2,
        seen.mean(),
        study.mean(axis=1)[seen].mean() / delta,
    ]
columns = ["gain", "sd", "effect size", "users for 80 %", "power", "reported / true"]
show_matrix(list(sizes.values()), list(sizes), columns, digits=3)
expect("a third of the users of ML-1M", 6040 / 3, 2013, tol=1)
expect("full ranking: the gain", sizes["full ranking"][0], 0.0023, tol=0.00005)
expect("full ranking: users needed", sizes["full ranking"][3] / 1000, 35, tol=2)
expect("full ranking: power", sizes["full ranking"][4], 0.10, tol=0.02)
expect("full ranking: reported over true, among the significant", sizes["full ranking"][5], 3.6, tol=0.3)
expect("100 negatives: the gain", sizes["100 negatives"][0], 0.009, tol=0.0002)
expect("100 negatives: users needed", sizes["100 negatives"][3] / 1000, 3.8, tol=0.3)
expect("100 negatives: power", sizes["100 negatives"][4], 0.53, tol=0.04)
wobble = np.hypot(sizes["full ranking"][1] / 2013**0.5, 0.005)  # luck with the users, luck with the seed
expect(
    "if the gain is true, Ines wins her bet with probability",
    stats.norm.cdf(sizes["full ranking"][0] / wobble),
    0.65,
    tol=0.02,
)

# %% [markdown] id="size-why-en" lang="en"
# Under full ranking such a gain needs about 35,000 users, and with 2,013 it is seen in 10 % of the studies. Those that see it exaggerate: they report 3.6 times the true gain on average, because nothing smaller is significant there. (Lesson 03 met this as the winner's curse.) Among 100 negatives the numbers are kinder, 53 %, a coin. They answer another question, though (lesson 02), and all this is for **one** group, without the luck of the seed.
#
# And the bet? If the models are equal, Ines wins it half of the time. If the gain is exactly as claimed, under full ranking she wins with probability 0.65, because the luck of 2,013 users and of one seed is larger than the gain. "It won again" hardly tells the two apart. A bet like this is no test.

# %% [markdown] id="size-why-zh" lang="zh" en="33425d12"
# 全量排序下，这样的提升需要约 35,000 位用户；只有 2,013 位时，仅有 10% 的研究能检出它，而且检出时还会夸大：平均报告值是真值的 3.6 倍，因为更小的估计值达不到显著。（第 03 课里它叫赢家诅咒。）在 100 个负样本里情况好一些，是 53%，与抛硬币差不多。不过它回答的是另一个问题（第 02 课），而且这里只考虑**一**组用户，还没有计入种子的随机性。
#
# 那个赌呢？如果两个模型一样好，小颖有一半的机会赢。如果提升恰如所说，全量排序下她赢的概率是 0.65，因为 2,013 位用户和一个种子带来的随机性，都比提升本身还大。“又赢了”几乎分不出这两种情况。这样的赌不能算检验。

# %% [markdown] id="groups-en" lang="en" tags=["break-it"]
# ## Break it, 2: significant here, not significant there
#
# The slide compares groups: a gain among irregular users, none to speak of among regular ones. So time helps irregular users more. Does it follow?
#
# Let the gain be **the same** in both groups. 314 users in each, a third of MovieLens 100K, the spread 0.15 that we have just measured, and a gain of 0.0166, which such a group sees in half of the studies.
#
# **Predict.** In what share of the studies is exactly one of the groups significant? And how often if you test the **difference of the two differences** instead?

# %% [markdown] id="groups-zh" lang="zh" en="278ccfb9" tags=["break-it"]
# ## 破坏实验二：一组显著，另一组不显著
#
# 幻灯片比的是两组：不规则的用户有提升，规则的用户没什么提升。所以时间对不规则的用户帮助更大。真是这样吗？
#
# 让两组的提升**完全相同**。每组 314 位用户，是 MovieLens 100K 的三分之一；标准差取刚才测得的 0.15；提升取 0.0166，这时每组在大约一半的研究里能检出它。
#
# **猜一猜。** 恰好只有一组显著的研究占多少？如果改为检验**两个差值之差**，又是多少？


# %% id="groups-code" tags=["break-it"]
def two_groups(regular, irregular, users=314, studies=4000):
    """Shares of studies: significant gain in each group, in exactly one, and different gains by a direct test."""
    rng = np.random.default_rng(2)
    gains = np.stack([mean + 0.15 * rng.standard_normal((studies, users)) for mean in (regular, irregular)])
    ahead = (quick_p(gains) < 0.05) & (gains.mean(axis=2) > 0)
    error = np.sqrt(gains.var(axis=2, ddof=1).sum(axis=0) / users)
    direct = np.abs(gains[1].mean(axis=1) - gains[0].mean(axis=1)) > 1.96 * error
    return *ahead.mean(axis=1), (ahead[0] != ahead[1]).mean(), direct.mean()


same, twice = two_groups(0.0166, 0.0166), two_groups(0.0166, 0.0332)
show_matrix([same, twice], ["same gain", "twice as large"], ["regular", "irregular", "exactly one", "direct test"])
expect("same gain: seen in a group", same[0], 0.51, tol=0.02)
expect("same gain: exactly one group significant", same[2], 0.49, tol=0.02)
expect("mended: the difference of differences is significant", same[3], 0.05, tol=0.01)
expect("twice the gain for irregular users: the direct test sees it in", twice[3], 0.28, tol=0.02)

# %% [markdown] id="groups-why-en" lang="en"
# In 49 % of the studies exactly one group is "significant", although the gain is the same in both. That is what two fair coins do. **The difference between significant and not significant is itself not significant** (Gelman and Stern). The direct test errs in 5 %, as it should. It also shows how hard the question is: even if irregular users gained **twice** as much, these groups would reveal it in 28 % of the studies only.
#
# The library does it without a bell curve. If it made no difference to which group a user belongs, the labels could be dealt out anew.

# %% [markdown] id="groups-why-zh" lang="zh" en="feb507dc"
# 49% 的研究里恰好只有一组“显著”，尽管两组的提升完全相同。这就像同时抛两枚公平的硬币，有一半的机会恰好一正一反。**“显著”与“不显著”之间的差别，本身未必显著**（Gelman 与 Stern）。直接检验的误报是 5%，本该如此。它也说明这个问题有多难：哪怕不规则的用户得到**两倍**的提升，这样大小的两组也只在 28% 的研究里能检出差别。
#
# 库里的做法不需要假设正态分布：如果用户属于哪一组没有影响，就可以随机重新分配组别标签，这就是置换检验（permutation test）。

# %% id="permutation-code" tags=["library"]
# show: tutorial_lib.experiments.stages.shared.label_permutations
# show: tutorial_lib.experiments.stages.irregularity.difference_interval

# %% id="permutation-check" tags=["reference-check"]
top = np.arange(12) < 6  # the bag of twelve again: 924 ways to deal out the labels
expect_close(
    "20,000 random deals and all 924", label_permutations(bag[:, None], top, draws=20_000)[0], unpaired, tol=0.01
)
rng = np.random.default_rng(5)
few, many = rng.normal(0.02, 0.15, 300), rng.normal(0.0, 0.15, 400)
by_scipy = stats.permutation_test(
    (few, many), lambda a, b: a.mean() - b.mean(), n_resamples=5000, rng=6, vectorized=False
).pvalue
ours = label_permutations(np.concatenate([few, many])[:, None], np.arange(700) < 300)[0]
expect_close("and scipy's permutation test", ours, by_scipy, tol=0.02)
interval = difference_interval(few, many)
error = np.sqrt(few.var() / 300 + many.var() / 400)
half = (interval["difference_high"] - interval["difference_low"]) / 2
expect("half of its interval, in standard errors", half / error, 1.96, tol=0.1)

# %% [markdown] id="cv-en" lang="en"
# ## What is an irregular user?
#
# Take the gaps between a user's events, and divide their standard deviation by their mean. This is the **coefficient of variation** (CV). It has no unit. Three users with the same mean gap of one day:

# %% [markdown] id="cv-zh" lang="zh" en="386a1783"
# ## 怎样算不规则的用户？
#
# 取一位用户各事件之间的间隔，用标准差除以平均值，这就是**变异系数**（coefficient of variation，CV）。它没有单位。下面三位用户，平均间隔都是一天：

# %% id="cv-code"
DAY = 86_400
habits = {
    "every day": np.array([1.0, 1, 1, 1]) * DAY,
    "now and then": np.array([0.5, 2, 1, 0.5]) * DAY,
    "four days at once": np.array([0.002, 3.994, 0.002, 0.002]) * DAY,
}
by_hand = [gaps.std() / gaps.mean() for gaps in habits.values()]
show_matrix([by_hand], ["CV"], list(habits))
expect_close("CV by hand", by_hand, [0, 0.61, 1.73], tol=0.005)
pure_chance = np.random.default_rng(7).exponential(DAY, 100_000)
expect("CV of gaps that are pure chance", pure_chance.std() / pure_chance.mean(), 1, tol=0.02)

# %% [markdown] id="training-cv-en" lang="en"
# Clockwork has 0, pure chance has 1, and who comes in bursts has more than 1; with $n$ gaps it can be $\sqrt{n - 1}$ at most. The library takes the gaps of the **training part** only. Check both: against the formula above, and that nothing after the training part has any influence.

# %% [markdown] id="training-cv-zh" lang="zh" en="d5726443"
# 间隔完全相等的是 0，完全随机到来的是 1，成簇到来的大于 1；有 $n$ 个间隔时，最大是 $\sqrt{n - 1}$。库里只用**训练集**里的间隔。下面核对两点：结果与上面的公式一致；训练集之后的数据没有任何影响。

# %% id="training-cv-code" tags=["library"]
from tutorial_lib.data.gaps import irregularity as gap_cv  # of lesson 01

# show: tutorial_lib.experiments.stages.irregularity.training_cv


def as_dataset(after):
    """The three habits as event tables, each followed by a validation and a test event `after` seconds later."""
    times = [np.cumsum([0, *gaps, after, after]).astype(np.int64) for gaps in habits.values()]
    rows = [pd.DataFrame({"user": u, "item": 1 + np.arange(7), "timestamp": 10**9 + t}) for u, t in enumerate(times)]
    return make_dataset("habits", pd.concat(rows))


soon, late = (training_cv(leave_last_out(as_dataset(after))) for after in (60, 300 * DAY))
expect_close("the library and our hands", soon, by_hand, tol=1e-3)
expect_true("a test event after a minute or 300 days: the same CV, to the bit", np.array_equal(soon, late))

# %% [markdown] id="confounded-en" lang="en" tags=["predict"]
# ## Irregular, or only long?
#
# CV is not the only thing in which the thirds differ. A few gaps cannot show a large CV: a visitor who comes by pure chance has a true CV of 1, and after three gaps shows 0.65 on average. So people with long histories get the higher CVs, and "the irregular third" may in truth be "the third about whom we know most".
#
# **Predict.** The correlation between CV and the length of the history: in `sample`, where everybody has 40 events, and on MovieLens 100K, where histories run from 20 to over 700.

# %% [markdown] id="confounded-zh" lang="zh" en="f2077893" tags=["predict"]
# ## 混杂因素：是间隔不规则，还是只是历史长？
#
# 按 CV 把用户分成三组时，各组的差别不只在 CV。间隔太少，CV 的估计就偏小：对完全随机到来的用户，真实的 CV 是 1，可是只有三个间隔时，平均只能测到 0.65。因此历史长的人 CV 偏高，所谓“最不规则的三分之一”，也许其实是“我们了解最多的三分之一”。
#
# **猜一猜。** CV 与历史长度的相关系数是多少？一个是 `sample`，那里每人都有 40 个事件；一个是 MovieLens 100K，那里的历史从 20 个到 700 多个不等。

# %% id="confounded-code"
chance = np.random.default_rng(0)
for count, typical in ((3, 0.65), (10, 0.88), (40, 0.97)):
    waits = chance.exponential(size=(4000, count))
    cv_shown = (waits.std(axis=1) / waits.mean(axis=1)).mean()
    expect(f"a chance visitor with {count} gaps: mean CV", cv_shown, typical, tol=0.02)
correlation = pd.read_csv(FACTS / "gap_facts.csv").set_index("dataset")["cv_length_correlation"]
show_matrix(correlation.to_numpy()[:, None], list(correlation.index), ["CV with length"], digits=2)
expect_true("sample: below 0.1", abs(correlation["sample"]) < 0.1)
expect_true("MovieLens 100K: above 0.5", correlation["ml-100k"] > 0.5)

# %% [markdown] id="confounded-why-en" lang="en"
# In `sample` the two have nothing to do with each other. On MovieLens 100K they go together, and on Grocery as well: there a gain "of the irregular users" can be a gain of the long histories. The remedy is to compare like with like. Cut the users into thirds by **length** first, then each of these by CV, take irregular minus regular within each, and average the three. A claim about irregular users on such data has to show this number too. Where the truth is known, we do so next.

# %% [markdown] id="confounded-why-zh" lang="zh" en="2f18ef20"
# 在 `sample` 里，两者几乎无关。在 MovieLens 100K 上，两者明显相关，Grocery 也是如此：在那里，“不规则用户的提升”可能只是历史较长带来的提升。解决的办法是分层比较：先按**长度**把用户分成三组，每一组内再按 CV 三等分，分别求不规则减规则的差，最后对三组取平均。在这样的数据上，凡是关于不规则用户的主张，都应当给出这个数。下面在知道真相的世界里就这样做。

# %% [markdown] id="truth-en" lang="en" tags=["predict"]
# ## A world in which the answer is known
#
# Now the idea itself: *time helps most where time is irregular*. It sounds so natural that one forgets to test it. In the simulated world `sample` the truth can be computed. There the mood follows the clock by a law of our own, and the clairvoyant of lesson 17 knows it, once with the clock and once without. The difference is what the clock is worth for each user to one who knows all the rest.
#
# Three thirds by training CV. **Predict.** In which third is the clock worth most?

# %% [markdown] id="truth-zh" lang="zh" en="51baf40f" tags=["predict"]
# ## 在一个知道答案的世界里
#
# 现在来看这个想法本身：“时间越不规则，时间信息的帮助越大”。它听上去理所当然，几乎没有人想到要去检验。在模拟世界 `sample` 里，真相可以算出来。那里的隐藏兴趣状态按我们设定的规律随真实时间演化，第 17 课的先知知道这条规律：一次使用时间信息，一次不用。两者之差，就是在其他一切都已知的情况下，时间信息对每位用户的价值。
#
# 按训练集的 CV 分成三组。**猜一猜。** 时间信息对哪一组的价值最大？

# %% id="truth-code"
world = load_dataset("sample")
split = make_split(world, "temporal")
cv = training_cv(split)[np.unique(split.test.user)]
group = thirds(cv)  # 0 regular, 1 middle, 2 irregular, -1 too few gaps
ranks = ceiling_ranks(world, split.test.row)
worth = ndcg(ranks["rank_with_clock"].to_numpy()) - ndcg(ranks["rank_without_clock"].to_numpy())
times = world.events["timestamp"].to_numpy()
paused = times[split.test.row] - times[split.test.row - 1] >= 3600
by_group = np.array([[part[group == g].mean() for g in range(3)] for part in (worth, paused)])
THIRDS = ["regular", "middle", "irregular"]
show_matrix(by_group, ["value of the clock", "query after a pause"], THIRDS, digits=3)
extremes = group % 2 == 0  # the middle third and the users without a group stay out
ceiling_p = label_permutations(worth[extremes, None], group[extremes] == 2)[0]
ceiling = difference_interval(worth[group == 2], worth[group == 0])
expect("value of the clock, regular users", by_group[0, 0], 0.052, tol=0.001)
expect("value of the clock, irregular users", by_group[0, 2], 0.028, tol=0.001)
expect("irregular minus regular", ceiling["difference"], -0.024, tol=0.001)
length = (split.train_end - world.offsets[:-1])[np.unique(split.test.user)].astype(float)
within = []  # the same difference among users with histories of similar length
for third in range(3):
    inside = (thirds(length) == third) & (group >= 0)
    part, worth_there = thirds(cv[inside]), worth[inside]
    within.append(worth_there[part == 2].mean() - worth_there[part == 0].mean())
expect("the same within thirds by length, mean", np.mean(within), -0.021, tol=0.0015)
expect_true("its interval lies below 0", ceiling["difference_high"] < 0)
expect("its p", ceiling_p, 0.008, tol=0.002)
expect("share of questions after a pause of an hour, regular", by_group[1, 0], 0.57, tol=0.01)
expect("irregular", by_group[1, 2], 0.23, tol=0.01)

# %% [markdown] id="truth-why-en" lang="en"
# The other way round! For regular users the clock is worth 0.052, for irregular ones 0.028; the difference, $-0.024$, has $p = 0.008$, and among users with histories of similar length it is about the same, $-0.021$. Why? A high CV in this world means many events within sittings and few long pauses. And the clock pays where the **question comes after a pause**: 57 % of the time among regular users, 23 % among irregular ones. CV says how unequal the gaps are, not how much the next one tells.
#
# We wrote this world, so it proves nothing about films. But it proves that "irregular" and "much to gain from time" are two things.
#
# What do trained models make of it? The table of lesson 17 has five seeds of DeepM3's variants on this world.

# %% [markdown] id="truth-why-zh" lang="zh" en="0cdaf523"
# 恰恰相反！对规则的用户，时间信息的价值是 0.052；对不规则的用户是 0.028。两者之差 $-0.024$，$p = 0.008$；只在历史长度相近的用户之间比较，差不多还是这个数，$-0.021$。为什么？在这个世界里，CV 高意味着大量事件集中在会话之内，长的停顿很少。而时间信息真正有用的，是**停顿之后的查询**：规则的用户有 57% 的查询如此，不规则的用户只有 23%。CV 衡量的是间隔有多不均匀，而不是下一个间隔能提供多少信息。
#
# 这个世界是我们设计的，所以它不能证明真实的电影数据也是如此。但它证明了“不规则”和“能从时间信息中获益很多”是两回事。
#
# 训练出来的模型又如何？第 17 课的结果表里，有 DeepM3 各变体在这个世界里的五个种子。

# %% id="models-code" tags=["nbval-ignore-output"]
runs = read_quality("deepm3_sample_temporal")
twin = runs["deepm3", "solver=none", "real"]
told = {
    "gap as a feature": runs["deepm3", "flow=gap_feature query_time=True", "real"],
    "attractor": runs["deepm3", "flow=attractor query_time=True", "real"],
    "autonomous, RK4": runs["deepm3", "query_time=True", "real"],
    "attractor, no query time": runs["deepm3", "flow=attractor", "real"],
}
gains = {"clairvoyant": worth} | {name: mean_over_seeds(v) - mean_over_seeds(twin) for name, v in told.items()}
table = np.stack(list(gains.values()), axis=1)[extremes]
p_of = dict(zip(gains, label_permutations(table, group[extremes] == 2), strict=True))
rows = []
for name, values in gains.items():
    apart = difference_interval(values[group == 2], values[group == 0])
    rows.append({"model": name} | apart | {"p": p_of[name]})
differences = pd.DataFrame(rows).set_index("model")
shown = differences.set_axis(["difference of gains", "lower end", "upper end", "p"], axis=1)
print(shown.rename_axis("irregular minus regular").round(4).to_string())

# %% id="models-picture" tags=["picture", "nbval-ignore-output"]
rows = [
    {"model": name, "group": label} | ends("gain", bootstrap_interval(values[group == g]))
    for name, values in gains.items()
    for g, label in enumerate(THIRDS)
]
forest(pd.DataFrame(rows), "gain", "gain in NDCG@10 from the clock (95 % interval over users)", panels="group")

# %% [markdown] id="models-alt-en" lang="en" tags=["alt"]
# Forest plot in three panels, regular, middle, irregular users. The clairvoyant's gain is near 0.05, 0.05 and 0.03. The three models that are told the query time gain about 0.03 in each panel, a little less in the right one, with overlapping intervals. The attractor without query time lies close to 0, in the middle panel a little below it.

# %% [markdown] id="models-alt-zh" lang="zh" en="05c22727" tags=["alt"]
# 三格森林图：规则、中间、不规则的用户。先知的提升约为 0.05、0.05、0.03。知道查询时刻的三个模型，每一格的提升都在 0.03 上下，右边一格略小，区间互相重叠。不知道查询时刻的吸引子在 0 附近，中间一格略低于 0。

# %% id="models-check"
expect("attractor, irregular minus regular", differences.loc["attractor", "difference"], -0.012, tol=0.001)
expect_true(
    "all three that are told the time point the same way as the truth", (differences["difference"].iloc[1:4] < 0).all()
)
expect_true("and none of their intervals excludes 0", (differences["difference_high"].iloc[1:4] > 0).all())
below = [bootstrap_interval(values[group == g]).high < 0 for values in gains.values() for g in range(3)]
expect_true("one of the fifteen intervals in the picture lies below 0", sum(below) == 1 and len(below) == 15)
base = mean_over_seeds(twin)
percent = [gains["attractor"][group == g].mean() / base[group == g].mean() for g in (0, 2)]
expect("attractor in percent of its twin, regular", percent[0], 0.36, tol=0.01)
expect("irregular", percent[1], 0.15, tol=0.01)
expect_true("the twin is better with irregular users", base[group == 2].mean() > base[group == 0].mean() + 0.04)
spread = np.sqrt(sum(gains["attractor"][group == g].var(ddof=1) / (group == g).sum() for g in (0, 2)))
expect("standard error of the attractor's difference", spread, 0.0097, tol=0.0003)
expect("smallest true difference that this test would find in 80 % of the studies", 2.8 * spread, 0.027, tol=0.001)

# %% [markdown] id="models-why-en" lang="en"
# All three that are told the time point the same way as the truth, less gain for irregular users; the attractor by $-0.012$. Yet none of the intervals excludes 0. That is no contradiction and no proof of "no difference": with about 500 users in each third the standard error is 0.0097, and a true difference would have to reach 0.027 to be found in 80 % of the studies. Even for the clairvoyant it is only 0.024. (And did your eye catch the one interval below 0, in the middle panel? One of fifteen, found by looking. Leave it.)
#
# Percentages would have made a louder headline: 36 % for regular and 15 % for irregular users. But a percentage changes with the twin below it, too, and the twin is better with irregular users. Differences of NDCG and an interval around them say what was measured.

# %% [markdown] id="models-why-zh" lang="zh" en="1adbf4b6"
# 知道查询时刻的三个模型，方向都与真值一致：不规则的用户获益更少，吸引子的差是 $-0.012$。可是三个区间都包含 0。这既不矛盾，也不能证明“没有差别”：每组约 500 位用户，标准误是 0.0097，真实的差别要达到 0.027，才会在 80% 的研究里被检出。而哪怕是先知，也只有 0.024。（你可能也注意到了，中间一格有一个区间整个落在 0 以下。十五个区间里有一个这样，又是看了图才发现的，不必当真。）
#
# 换成百分比，标题会醒目得多：规则的用户 36%，不规则的 15%。但百分比还取决于作为分母的对照模型，而对照模型在不规则的用户身上本来就更好。NDCG 的差值及其区间，才如实反映测量的结果。

# %% [markdown] id="mean-en" lang="en" tags=["break-it"]
# ## Break it, 3: groups made from the outcome
#
# "The new model helps above all those whom the old one served badly." One reads it often, with a picture, and it is easily made. Take SASRec on MovieLens 100K as the *old* model. As the *new* one take SASRec again, with another seed. Same recipe, nothing new. Now group the users by the old model's own result in the test: those whom it missed (NDCG@10 = 0) and those whom it hit.
#
# **Predict** the gain of the "new" model in the two groups. And what if a **third** seed does the grouping?

# %% [markdown] id="mean-zh" lang="zh" en="6b426d33" tags=["break-it"]
# ## 破坏实验三：按结果分组
#
# “新模型帮助最大的，正是旧模型服务不好的用户。”这样的结论常常配图出现，也很容易凭空做出来。把 MovieLens 100K 上的 SASRec 当作**旧**模型；**新**模型还是 SASRec，只换一个种子。训练方案一样，什么也没变。然后按旧模型自己在测试里的结果给用户分组：没命中的（NDCG@10 = 0）和命中的。
#
# **猜一猜**“新”模型在两组里的提升。如果改由**第三个**种子来分组呢？

# %% id="mean-code" tags=["break-it"]
before, after, judge = sasrec[:3]  # three seeds of one recipe
gain_of_nothing = after - before
missed = before == 0
table = {"grouped by the old model": missed, "grouped by a third seed": judge == 0}
shown = [[gain_of_nothing[g].mean(), gain_of_nothing[~g].mean()] for g in table.values()]
show_matrix(shown, list(table), ["missed", "hit"], digits=3)
p_old, p_third = (label_permutations(gain_of_nothing[:, None], g)[0] for g in table.values())
expect("gain for those whom the old model missed", shown[0][0], 0.020, tol=0.0005)
expect("loss for those whom it hit", shown[0][1], -0.078, tol=0.0005)
expect_true("the difference: p < 0.001", p_old < 0.001)
expect_true("mended: grouped by a third seed, p > 0.05", p_third > 0.05)
means = []
for a, b, c in itertools.permutations(range(5), 3):
    g = sasrec[c] == 0
    means.append([(sasrec[b] - sasrec[a])[g].mean(), (sasrec[b] - sasrec[a])[~g].mean()])
expect_true(
    "over all 60 choices of three seeds its mean is 0 in both groups", np.abs(np.mean(means, axis=0)).max() < 1e-12
)

# %% [markdown] id="mean-why-en" lang="en"
# Plus 0.020 for those who had been missed and minus 0.078 for those who had been hit, with $p < 0.001$: from **nothing**. A user lands in the group "missed" partly by the bad luck of this seed, and luck does not come twice. It is **regression to the mean**. A judge that has no part in the difference makes it vanish: third seed, $p > 0.05$, and exactly 0 over all choices.
#
# The rule: a group must be fixed by what was known **before** the test. The length of a history and the CV of training gaps pass (this rule; that the two go together is another matter, see above). Anything in which the tested result had a hand does not pass.
#
# There is a quieter form: groups from the training part, but **the cut chosen afterwards**. Thirds? Quarters? The top tenth? Let a gain have nothing to do with CV, cut 2,000 users at one of 17 places and show the best cut.

# %% [markdown] id="mean-why-zh" lang="zh" en="1795fb64"
# 原先没命中的人提升 0.020，原先命中的人下降 0.078，$p < 0.001$，全是**无中生有**。用户落入“没命中”这一组，部分原因是这个种子碰巧不利，而这种偶然换一个种子就不再出现。这叫**向均值回归**（regression to the mean）。换一个与差值无关的模型来分组，它就消失了：用第三个种子，$p > 0.05$；取遍所有选法，恰好是 0。
#
# 规则是：分组只能依据测试**之前**就已知的信息。历史的长度、训练集间隔的 CV，都符合（仅就这条规则而言；两者彼此相关是另一回事，见上文）；凡是会受检验结果本身影响的，都不符合。
#
# 还有一种更隐蔽的做法：分组用的是训练集，但**切分点是事后挑选的**。分三组？四组？还是取前十分之一？让提升与 CV 毫无关系，把 2,000 位用户在 17 个位置中的一个切成两组，只报告差别最大的那一次。

# %% id="cuts-code" tags=["break-it"]
values = np.random.default_rng(3).standard_normal((1000, 2000))  # 1,000 studies; users in the order of their CV
cuts = np.arange(200, 1801, 100)
below = values.cumsum(axis=1)[:, cuts - 1]
above = values.sum(axis=1, keepdims=True) - below
distance = np.abs(above / (2000 - cuts) - below / cuts) / np.sqrt(1 / cuts + 1 / (2000 - cuts))  # in standard errors
expect("places to cut", len(cuts), 17, tol=0.5)
expect("false alarms with one cut fixed beforehand", (distance[:, 11] > 1.96).mean(), 0.045, tol=0.015)
expect("false alarms with the best of 17 cuts", (distance.max(axis=1) > 1.96).mean(), 0.31, tol=0.03)

# %% [markdown] id="cuts-why-en" lang="en"
# 31 % false alarms instead of 5 %, with one measure of irregularity and one model. Hence *chosen afterwards* is not a small remark about a slide. The suite says in its code, before any result: thirds, by the CV of training gaps, the same groups for all models.

# %% [markdown] id="cuts-why-zh" lang="zh" en="a4a8b8d4"
# 误报率是 31%，而不是 5%，而这还只考虑了一种不规则程度的度量、一个模型。所以“事后选的”不是对幻灯片的吹毛求疵。实验套件在看到任何结果之前，就在代码里固定下来：按训练集间隔的 CV 分成三组，所有模型用同样的分组。

# %% [markdown] id="live-en" lang="en"
# ## The stages, live
#
# Three stages of the suite do all this: `significance`, `irregularity`, `stability`. Run them here on three cheap models: popularity, DeepM3 without a clock, and DeepM3 with the gap as a feature. Two seeds, a few hundred users, five epochs. **This shows the machinery, and nothing about the models**: they are hardly trained, and you know by now what two seeds are worth. Read the sentences at the end with this in mind, above all if one of them says "significant".

# %% [markdown] id="live-zh" lang="zh" en="dcff2602"
# ## 实际运行这几个阶段
#
# 实验套件有三个阶段来做这些事：`significance`、`irregularity`、`stability`。这里用三个计算量很小的模型运行一遍：热门基线、无时间信息的 DeepM3、把间隔当作特征的 DeepM3。两个种子，几百位用户，五轮。**这里只展示流程怎样运行，并不说明模型好坏**：它们几乎没有经过训练，而只有两个种子的结果能说明多少，你已经清楚了。读最后那几句话时请记住这一点，尤其是看到“显著”二字的时候。

# %% id="live-code" tags=["nbval-ignore-output", "training"]
suite = Suite(
    out=Path(tempfile.mkdtemp()),
    dataset=DATASET,
    users=USERS,
    seeds=2,
    rates=(0.01,),
    epochs=5,
    max_len=30,
    dim=32,
    entries=select(["popularity", "deepm3-gap+query"]),
    jobs=1,
)
stages = {"significance": significance, "irregularity": irregularity, "stability": stability}
outcome = run_suite(suite, list(stages))
print(suite.table("significance", "gains").drop(columns="users").round(4).to_string(index=False))
print(suite.table("irregularity", "differences").round(4).to_string(index=False))
for stage, module in stages.items():
    tables = {file.stem: suite.table(stage, file.stem) for file in sorted((suite.out / stage).glob("*.csv"))}
    print(f"\n{stage}:", *module.verdict(tables), sep="\n  ")

# %% id="live-check"
expect_true("all stages ran", set(outcome.values()) == {"done"})
expect_true("started again, all are skipped", set(run_suite(suite, list(stages)).values()) == {"skipped"})
expect_true("3 pairs of models", len(suite.table("significance", "pairs")) == 3)

# %% [markdown] id="real-en" lang="en"
# ## The real tables
#
# The whole suite, with all models of the course, has run on real data and on the simulated worlds. First recompute: a table is worth more if its reader can make it again. `suite_values` gives the NDCG@10 of each user from the committed ranks.

# %% [markdown] id="real-zh" lang="zh" en="e8ceb0a7"
# ## 真实的结果表
#
# 整个实验套件，包括课程里的所有模型，已经在真实数据和模拟的世界上跑过。先重新计算一遍：读者自己能够重算的表，才更可信。`suite_values` 由保存的名次算出每位用户的 NDCG@10。

# %% id="real-check" tags=["reference-check"]
for name in suite_names():
    values, table = suite_values(name), read_suite(name, "significance", "gains")
    if table.empty:  # no times, no model that uses them: take pairs of models instead
        table = (
            read_suite(name, "significance", "pairs")
            .head(20)
            .rename(columns={"a": "model", "b": "twin", "difference": "gain"})
        )
    again = np.stack(
        [(values[a] - values[b]).mean(axis=0) for a, b in zip(table["model"], table["twin"], strict=True)], axis=1
    )
    expect_close(f"{name}: {len(table)} differences", again.mean(axis=0), table["gain"], tol=1e-6)
    expect_close(f"{name}: and their p-values", sign_flips(again), table["p"], tol=1e-5)

# %% id="real-code" tags=["nbval-ignore-output"]
summary = []
for name in suite_names():
    pairs_table, length = read_suite(name, "significance", "pairs"), read_suite(name, "significance", "by_length")
    gains_table, apart = read_suite(name, "significance", "gains"), read_suite(name, "irregularity", "differences")
    row = {"data set": name, "number of users": pairs_table["users"].max()}
    row |= {"of seeds": read_suite(name, "stability", "models")["seeds"].max(), "pairs of models": len(pairs_table)}
    row |= {"p < 0.05": (pairs_table["p"] < 0.05).sum(), "after Holm": pairs_table["significant"].sum()}
    row |= {"in thirds by length": length["significant"].sum(), "with twin": len(gains_table)}
    if len(gains_table):  # data without times have no model that uses them
        sure, groups_differ = gains_table[gains_table["significant"]], apart[apart["significant"].astype(bool)]
        row |= {"better than twin": (sure["seeds_low"] > 0).sum(), "worse than twin": (sure["seeds_high"] < 0).sum()}
        row |= {"irregular more": (groups_differ["difference"] > 0).sum()}
        row |= {"irregular less": (groups_differ["difference"] < 0).sum()}
    summary.append(row)
pd.DataFrame(summary).set_index("data set")


# %% id="real-gains" tags=["nbval-ignore-output"]
def of_all(stage, name):
    """One table with a column `data`, from the suites that tested models which use time."""
    parts = [read_suite(suite_name, stage, name).assign(data=suite_name) for suite_name in suite_names()]
    return pd.concat([part for part in parts if len(part)]) if any(len(part) for part in parts) else pd.DataFrame()


gains_everywhere, irregular_everywhere = of_all("significance", "gains"), of_all("irregularity", "differences")
if len(gains_everywhere):
    display(
        forest(
            gains_everywhere,
            "gain",
            "gain in NDCG@10 over the twin (orange: Holm p < 0.05)",
            panels="data",
            bold="significant",
        )
    )

# %% [markdown] id="real-gains-alt-en" lang="en" tags=["alt"]
# Forest plot with a panel for each data set and a row for each model that uses time: its gain in NDCG@10 over the twin, with the 95 % interval over users, around a line at 0. Rows that differ after Holm's correction are orange; the table above counts them.

# %% [markdown] id="real-gains-alt-zh" lang="zh" en="ab56c33b" tags=["alt"]
# 森林图，每个数据集一格，每个用到时间的模型一行：NDCG@10 比对照模型高多少，带对用户的 95% 区间，0 处有一条竖线。Holm 校正后仍有差别的行是橙色，个数见上面的表。

# %% id="real-irregular" tags=["nbval-ignore-output"]
if len(irregular_everywhere):
    label = "gain of irregular minus gain of regular users (orange: Holm p < 0.05)"
    display(forest(irregular_everywhere, "difference", label, panels="data", bold="significant"))

# %% [markdown] id="real-irregular-alt-en" lang="en" tags=["alt"]
# Forest plot with the same panels and rows: the gain of irregular users minus the gain of regular users, with its 95 % interval, around a line at 0. Rows that differ after Holm's correction are orange; the table above counts them.

# %% [markdown] id="real-irregular-alt-zh" lang="zh" en="d1fe8019" tags=["alt"]
# 森林图，格与行同上：不规则用户的提升减去规则用户的提升，带 95% 区间，0 处有一条竖线。Holm 校正后仍有差别的行是橙色，个数见上面的表。

# %% id="outcome-check"
real = [name for name in suite_names() if name not in ("sample", "control")]
tested = gains_everywhere[gains_everywhere["data"].isin(real)]
expect_true(
    "real data: nobody gains over the twin after Holm", not (tested["significant"] & (tested["gain"] > 0)).any()
)
movies = tested[tested["data"] == "ml-100k_leave_last_out"]
uncorrected = movies[(movies["p"] < 0.05) & (movies["gain"] > 0)]
expect_true("MovieLens 100K: without a correction there would have been three discoveries", len(uncorrected) == 3)
best = movies.loc[movies["gain"].idxmax()]
expect_true("the largest is that of TiSASRec with mHC", best["model"] == "tisasrec_mhc")
expect("its gain", best["gain"], 0.0077, tol=0.0002)
expect("its lower end, over users", best["gain_low"], 0.0009, tol=0.0003)
expect("its upper end", best["gain_high"], 0.0145, tol=0.0003)
expect("its p after Holm", best["p_holm"], 0.24, tol=0.02)
expect_true("and the interval with redrawn seeds contains 0", best["seeds_low"] < 0 < best["seeds_high"])
pairs_table = read_suite("ml-100k_leave_last_out", "significance", "pairs")
expect("pairs that do differ there, of 210", pairs_table["significant"].sum(), 72, tol=0.1)
large = read_suite("ml-1m_leave_last_out", "significance", "pairs")
expect(f"MovieLens 1M, no clocks: pairs that differ, of {len(large)}", large["significant"].sum(), 48, tol=0.1)
blind = set(large["a"]) | set(large["b"])
same = pairs_table[pairs_table["a"].isin(blind) & pairs_table["b"].isin(blind)]
expect(f"the same {len(blind)} models on MovieLens 100K", (holm(same["p"]) < 0.05).sum(), 32, tol=0.1)
expect("times as many users", large["users"].iloc[0] / same["users"].iloc[0], 6, tol=0.5)
level = read_suite("ml-1m_leave_last_out", "stability", "models").set_index("model")["ndcg@10"]
expect_close(
    "there: Mamba4Rec, SASRec, Markov", level[["mamba4rec", "sasrec", "markov"]], [0.165, 0.149, 0.126], tol=0.0006
)
world = gains_everywhere[(gains_everywhere["data"] == "sample") & gains_everywhere["significant"]]
winners = set(world[(world["gain"] > 0) & (world["seeds_low"] > 0)]["model"])
expect_true("in sample two gain, both told the query time", winners == {"deepm3-attractor+query", "deepm3-gap+query"})
nothing = gains_everywhere[gains_everywhere["data"] == "control"]
expect_true(
    "in control none of the 16 gains", len(nothing) == 16 and not (nothing["significant"] & (nothing["gain"] > 0)).any()
)
worse = set(nothing[nothing["significant"] & (nothing["gain"] < 0)]["model"])
expect_true("two are even worse than their twin", worse == {"deepm3-rk4", "deepm3-euler"})
apart = irregular_everywhere["significant"].astype(bool)
expect_true("nowhere does the gain differ between irregular and regular users", not apart.any())

# %% [markdown] id="outcome-en" lang="en"
# Read it in three steps.
#
# **The tests can see, and they do not see ghosts.** On MovieLens 100K, with the last item left out, 72 of 210 pairs of models differ after the correction. Of the 55 pairs of the eleven models without a clock 32 differ there, and 48 on MovieLens 1M, which has six times as many users. (Our copy of it has no times. Mamba4Rec 0.165, SASRec 0.149, a Markov chain that only counts 0.126, all after 8 epochs. With 60 epochs SASRec comes out ahead of all three, lesson 07; the others were not trained for longer. A table of short runs measures speed as well as quality.) And in `sample`, where the clock has a value, the two models that are told the query time in the plainest way gain significantly over their twin; one other model loses to its own. In `control`, the same world with a clock that is worth nothing, none of the 16 gains. Two are even significantly worse than their twin, the autonomous field with RK4 and with Euler: a part with nothing to contribute can still do harm.
#
# **On real data nobody gains significantly**, with this budget: two learning rates for each model, both of them an edge (lesson 23 comes back to this). Without a correction three time-aware models would have been announced on MovieLens 100K. The largest gain, TiSASRec with mHC, is 0.0077 [0.0009, 0.0145]: a fine interval, chosen from ten. Its p after Holm is 0.24, and the interval that draws seeds anew contains 0. So it stays what it is: a hint that deserves new data, and not a result.
#
# **Nothing shows that irregular users gain more than regular ones**, in any table or for any model. That is not a proof of *no difference*: look how wide the intervals of the last picture are. All that it says is *we do not know*; what would be needed to know, the section on power has computed.

# %% [markdown] id="outcome-zh" lang="zh" en="51b02473"
# 分三步来读。
#
# **这些检验能检出差别，也不会凭空产生差别。** 在留出最后一个物品（留一法）的 MovieLens 100K 上，210 对模型里有 72 对校正之后仍有差别。单看十一个无时间信息的模型，55 对里这里有 32 对有差别，用户有六倍之多的 MovieLens 1M 上有 48 对。（我们使用的版本没有时间戳。Mamba4Rec 0.165，SASRec 0.149，只计数的马尔可夫链 0.126，都只训练了 8 轮。训练 60 轮的 SASRec 胜过这三者（第 07 课），另外几个没有这样长时间训练过。在训练不足的结果表里，数值反映的既有模型质量，也有学习速度。）在时间信息有价值的 `sample` 里，以最直接的方式使用查询时刻的两个模型，都显著胜过对照模型；另有一个模型显著不如自己的对照模型。在 `control`，也就是时间信息毫无价值的同一个世界里，16 个模型没有一个提升。有两个甚至显著不如对照模型，就是用 RK4 和用欧拉法求解的 autonomous 向量场：没有贡献的模块，仍然可能有害。
#
# **在真实数据上，没有一个模型显著提升**，前提是这样的调参预算：每个模型只试了两个学习率，因此选中的值必然落在网格边界上（第 23 课会回到这一点）。如果不做校正，在 MovieLens 100K 上会有三个时间感知模型被判为显著提升。提升最大的是带 mHC 的 TiSASRec，0.0077 [0.0009, 0.0145]：单看区间很有说服力，可它是从十个模型里挑出来的。Holm 校正后的 p 是 0.24，对种子也重抽样的区间包含 0。因此它只是一个值得用新数据检验的线索，不是结论。
#
# **没有证据表明不规则的用户提升得更多**，所有表、所有模型都是如此。这不是“没有差别”的证明：看看上一幅图里的区间有多宽。它只说明**我们还不知道**；要弄清楚需要多少用户，前面讲功效的一节已经算过。

# %% [markdown] id="equal-en" lang="en" tags=["break-it", "predict"]
# ## Break it, 4: "p = 0.6, so there is no difference"
#
# This conclusion deserves a test of its own. Who wants to say *no difference* has to say first how small a difference would not matter: the **margin of equivalence**. In this course it is 2 % of the twin's NDCG@10, about 0.002 on MovieLens 100K. Then there are four answers, and they follow from the interval alone: it lies inside ±margin (*no difference larger than the margin*), above 0, below 0, or none of these: *open*. (The code below has a fifth answer, *not testable here*: even the best possible model would not reach the threshold.) The first is a test, too, and has a name: two one-sided tests (TOST).
#
# A model is truly better by 0.004, twice the margin; the spread over users is 0.15 as before. **Predict.** With 943 users, in what share of the studies is $p > 0.05$, so that a careless reader says "equal"? And how many users does it take before two models that really are equal can be called so in 80 % of the studies?

# %% [markdown] id="equal-zh" lang="zh" en="da89dc79" tags=["break-it", "predict"]
# ## 破坏实验四：“p = 0.6，所以没有差别”
#
# 这种说法值得单独检验。要说“没有差别”，必须先说明多小的差别无关紧要，这就是**等效界值**（margin of equivalence）。本课程取对照模型 NDCG@10 的 2%，在 MovieLens 100K 上约为 0.002。这样就有四种回答，它们都由区间得出：区间在 ±界值之内（**差别不超过界值**），在 0 以上，在 0 以下，或者都不是，即**未定**。（下面的代码还有第五种回答，即**无法检验**：连可能达到的最好模型也达不到所要求的差值。）第一种回答本身也是检验，叫做双单侧检验（two one-sided tests，TOST）。
#
# 设一个模型的真实提升为 0.004，即界值的两倍；用户之间的标准差仍是 0.15。**猜一猜。** 有 943 位用户时，多大比例的研究里 $p > 0.05$，会被粗心的读者误认为“一样”？而两个真正一样好的模型，要有多少用户，才能在 80% 的研究里被判为等效？

# %% id="equal-code" tags=["break-it"]
# show: tutorial_lib.experiments.protocol.answer

SPREAD, MARGIN_HERE = 0.15, 0.002
needed = (3.24 * SPREAD / MARGIN_HERE) ** 2  # 1.96 for the interval, 1.28 for 80 % on two sides


def called_equal(true, users, studies=20_000):
    """Shares of studies: p above 0.05, and the interval inside the margin."""
    error = SPREAD / users**0.5
    seen = np.random.default_rng(8).normal(true, error, studies)
    return (np.abs(seen) < 1.96 * error).mean(), (np.abs(seen) + 1.96 * error < MARGIN_HERE).mean()


cases = [(0.0, 943), (0.004, 943), (0.0, round(needed)), (0.004, round(needed))]
rows = [called_equal(*case) for case in cases]
names = [f"truth {true:+.3f}, {users:,} users" for true, users in cases]
show_matrix(rows, names, ["p > 0.05", "inside the margin"])
expect("users needed, thousands", needed / 1000, 59, tol=0.5)
expect("truth 0.004, 943 users: p > 0.05", rows[1][0], 0.87, tol=0.01)
expect("943 users: half of the interval", 1.96 * SPREAD / 943**0.5, 0.0096, tol=0.0001)
expect_true("943 users: the interval is never inside", rows[0][1] == rows[1][1] == 0)
expect("truth 0, enough users: inside", rows[2][1], 0.80, tol=0.01)
expect_true("truth 0.004, enough users: neither", rows[3] == (0, 0))

answers = {}
for name in suite_names():
    table = read_suite(name, "significance", "gains")
    if len(table):
        level = read_suite(name, "stability", "models").set_index("model")["ndcg@10"]
        limits = table["seeds_low"], table["seeds_high"], table["p_holm"], MARGIN * table["twin"].map(level)
        answers[name] = pd.Series([answer(*one, np.inf) for one in zip(*limits, strict=True)]).value_counts()
counts = pd.DataFrame(answers).fillna(0).astype(int).T
said = {FOR: "gain above 0", AGAINST: "below 0", NONE: "smaller than the margin", OPEN: "none of these"}
print(counts.rename(columns=said | {UNTESTABLE: "cannot be tested"}).to_string())
on_real = counts.loc[[name for name in counts.index if name not in ("sample", "control")]]
expect("real data: comparisons with a twin", on_real.to_numpy().sum(), 30, tol=0.1)
expect("real data: open", on_real[OPEN].sum(), 30, tol=0.1)
expect_true("no difference larger than the margin: in control alone", set(counts.index[counts[NONE] > 0]) == {"control"})

# %% [markdown] id="equal-why-en" lang="en" tags=["break-it"]
# In 87 % of the studies the careless reader is wrong, and with 943 users nobody could ever be right: the interval reaches 0.0096 to either side, nearly five margins. It takes 59 thousand users. (The luck of seeds comes on top.)
#
# Mended, on the committed tables: of the 30 gains over a twin on real data, all 30 are **open**. So read *nobody gains* as *we do not know*, not as *time does not help*. Only in `control` are there models with an interval inside the margin. And another kind of question can be sharper than another training: models that only count see what time is worth on several logs, lesson 23.

# %% [markdown] id="equal-why-zh" lang="zh" en="f1901842" tags=["break-it"]
# 在 87% 的研究里，粗心的读者说错了；而只有 943 位用户时，谁也不可能判定等效，因为区间向两侧各伸出 0.0096，将近界值的五倍。这需要约 59,000 位用户，而且还没有计入种子的随机性。
#
# 再看仓库中保存的结果表：在真实数据上，与对照模型的 30 个差值，30 个全都**未定**。因此“没有一个模型显著提升”应当读作**我们不知道**，而不是“时间信息没有用”。只有在 `control` 里，才有模型的区间落在界值之内。换一种问法有时比再训练一个网络更有效：只做计数的模型能在好几份日志上看出时间信息的价值，见第 23 课。

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **20.1 Debug · basic.** `exact_p(differences)` gets up to 12 numbers and should return the share of **all** sign patterns whose mean is at least as far from 0 as the observed one, on either side. This version gives 0.11 for the six users instead of 0.22, and on some tables of round numbers it even misses the observed pattern itself:
#
# ```python
# def exact_p(differences):
#     patterns = np.array(list(itertools.product([1, -1], repeat=len(differences))))
#     means = (patterns * differences).mean(axis=1)
#     return (means >= differences.mean()).mean()
# ```
#
# Two faults, one of statistics and one of arithmetic: think of what 0.1 + 0.2 − 0.3 is. Write it right. Sums that are equal up to rounding count as equal, and no others.

# %% [markdown] id="exercise1-zh" lang="zh" en="b26d933a" tags=["exercise"]
# ## 练习
#
# **20.1 调试 · 基础。** `exact_p(differences)` 收到至多 12 个数，应当返回**所有**符号组合中，平均值的绝对值不小于实际观测值的比例。下面的版本对那六位用户给出 0.11，而不是 0.22；对某些简单的小数，它甚至会漏掉实际观测到的那一种组合：
#
# ```python
# def exact_p(differences):
#     patterns = np.array(list(itertools.product([1, -1], repeat=len(differences))))
#     means = (patterns * differences).mean(axis=1)
#     return (means >= differences.mean()).mean()
# ```
#
# 这里有两个错误，一个是统计上的，一个是数值计算上的：想一想 0.1 + 0.2 − 0.3 等于多少。请写出正确的版本。两个总和如果只相差舍入误差，就算作相等，否则不算。

# %% id="exercise1-code" tags=["exercise"]
def exact_p(differences):
    """float64 [N], N <= 12 -> the two-sided p-value over all 2^N sign patterns."""
    ...


lesson20.check_exact_p(exact_p)


# %% id="exercise1-solution" tags=["solution"]
# Solution

def exact_p(differences):
    patterns = np.array(list(itertools.product([1, -1], repeat=len(differences))))  # [2^N, N]
    sums = np.abs(patterns @ differences)
    return (sums >= abs(differences.sum()) - 1e-9).mean()


lesson20.check_exact_p(exact_p)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **20.2 Debug · core.** `holm_adjust(p)` gets $M$ $p$-values in any order and should return the values after Holm in the same order. For [0.030, 0.012, 0.400, 0.020] this version returns [0.048, 0.06, 0.06, 0.4]; right is [0.06, 0.048, 0.4, 0.06]:
#
# ```python
# def holm_adjust(p):
#     ranked = np.sort(p)
#     factors = np.arange(len(p), 0, -1)
#     return np.maximum.accumulate(ranked * factors)
# ```
#
# One fault you see in these numbers, a second one shows with large values such as [0.5, 0.9, 0.7]. Mend both, without the library's function.

# %% [markdown] id="exercise2-zh" lang="zh" en="39d66282" tags=["exercise"]
# **20.2 调试 · 进阶。** `holm_adjust(p)` 收到 $M$ 个顺序任意的 $p$ 值，应当按原来的顺序返回 Holm 校正后的值。对 [0.030, 0.012, 0.400, 0.020]，下面的版本返回 [0.048, 0.06, 0.06, 0.4]，正确的是 [0.06, 0.048, 0.4, 0.06]：
#
# ```python
# def holm_adjust(p):
#     ranked = np.sort(p)
#     factors = np.arange(len(p), 0, -1)
#     return np.maximum.accumulate(ranked * factors)
# ```
#
# 一个错误从这些数字就能看出来，另一个要用较大的值才会显现，例如 [0.5, 0.9, 0.7]。请修正两处，不要用库里的函数。

# %% id="exercise2-code" tags=["exercise"]
def holm_adjust(p):
    """float64 [M] -> adjusted p-values [M], same order."""
    ...


lesson20.check_holm_adjust(holm_adjust)


# %% id="exercise2-solution" tags=["solution"]
# Solution

def holm_adjust(p):
    adjusted, floor = np.empty(len(p)), 0.0
    for place, test in enumerate(np.argsort(p)):
        floor = max(floor, (len(p) - place) * p[test])  # never below the one before
        adjusted[test] = min(floor, 1.0)
    return adjusted


lesson20.check_holm_adjust(holm_adjust)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **20.3 Modify · core.** Join the parts: `irregular_minus_regular(model, twin, cv)` gets NDCG@10 of a model and of its twin, [seeds, users] each, the numbers of seeds may differ, and the CV of each user, NaN where it is unknown. Return two numbers: the gain over the twin in the top third by CV minus that in the bottom third, and the $p$-value of this difference. `thirds` and `label_permutations` are yours to use.

# %% [markdown] id="exercise3-zh" lang="zh" en="f724b34a" tags=["exercise"]
# **20.3 修改 · 进阶。** 把前面的几步组合起来：`irregular_minus_regular(model, twin, cv)` 收到一个模型和它的对照模型的 NDCG@10，各为 [seeds, users]，种子数可以不同；还有每位用户的 CV，未知处为 NaN。返回两个数：CV 最高的三分之一用户相对对照模型的提升，减去最低的三分之一的提升；以及这个差的 $p$ 值。可以直接使用 `thirds` 和 `label_permutations`。


# %% id="exercise3-code" tags=["exercise"]
def irregular_minus_regular(model, twin, cv):
    """model [S, N], twin [T, N], cv [N] with NaN -> (difference, p)."""
    ...


lesson20.check_irregular_minus_regular(irregular_minus_regular)


# %% id="exercise3-solution" tags=["solution"]
# Solution

def irregular_minus_regular(model, twin, cv):
    gain, group = model.mean(axis=0) - twin.mean(axis=0), thirds(cv)
    used = (group == 0) | (group == 2)
    p = label_permutations(gain[used, None], group[used] == 2)[0]
    return gain[group == 2].mean() - gain[group == 0].mean(), p


lesson20.check_irregular_minus_regular(irregular_minus_regular)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **20.4 Think · stretch.** Six reports. The next cell prints their numbers: a mean difference of NDCG@10, its interval over users, its interval with redrawn seeds, the uncorrected $p$, and how many tests of this kind were made. (All invented for this exercise.) In which does the evidence support the sentence in quotes? Give a set of letters.
#
# - A: a model against its twin, 6,040 users, five seeds. "Trained again, it would win again."
# - B: irregular users, regular users, and the difference of the two, groups fixed beforehand. "Irregular users gain more."
# - C: the best of 26 models that were compared with SASRec. "This one is better than SASRec."
# - D: irregular minus regular users, groups fixed beforehand by training CV, ten seeds, one of 14 models. "Irregular users gain less from this model."
# - E: the gain of the new model for those whom the old one missed in the test. "The new model mends the weakness of the old one."
# - F: a model against its twin, a million users, twenty seeds. "The gain is not an accident."

# %% [markdown] id="exercise4-zh" lang="zh" en="91fc6418" tags=["exercise"]
# **20.4 思考 · 挑战。** 六份报告。下一个单元格会打印它们的数字：NDCG@10 的平均差值，对用户重抽样的区间，对种子也重抽样的区间，未校正的 $p$，以及这样的检验一共做了几个。（数字都是为本题编的。）哪几份的证据支持引号里的话？用字母的集合作答。
#
# - A：一个模型对它的对照模型，6,040 位用户，五个种子。“再训练一次，还会赢。”
# - B：不规则的用户、规则的用户，以及两者之差，分组事先定好。“不规则的用户提升更多。”
# - C：26 个模型与 SASRec 比较，这是其中最好的。“这个模型比 SASRec 好。”
# - D：不规则的用户减规则的用户，按训练集的 CV 事先分组，十个种子，14 个模型中的一个。“不规则的用户从这个模型获益更少。”
# - E：旧模型在测试里没命中的用户，从新模型得到的提升。“新模型弥补了旧模型的弱点。”
# - F：一个模型对它的对照模型，一百万位用户，二十个种子。“这个提升不是碰巧。”

# %% id="exercise4-code" tags=["exercise"]
reports = {
    "A": [0.004, 0.001, 0.007, -0.003, 0.011, 0.01, 1],
    "B, irregular": [0.006, 0.001, 0.011, 0.0, 0.012, 0.01, 1],
    "B, regular": [0.003, -0.001, 0.007, -0.002, 0.008, 0.09, 1],
    "B, difference": [0.003, -0.003, 0.009, -0.004, 0.01, 0.35, 1],
    "C": [0.006, 0.002, 0.01, 0.001, 0.011, 0.004, 26],
    "D": [-0.011, -0.017, -0.005, -0.018, -0.004, 0.0002, 14],
    "E": [0.05, 0.04, 0.06, 0.035, 0.065, 0.0001, 1],
    "F": [0.0003, 0.0002, 0.0004, 0.0002, 0.0004, 0.0001, 1],
}
show_matrix(list(reports.values()), list(reports), ["mean gain", "users: from", "up to", "users and seeds: from", "up to", "p", "tests"], digits=4)
supported_reports = ...

lesson20.check_supported_reports(supported_reports)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# A: the seeds may undo it. B: the interval of the difference contains 0. C: 26 x 0.004 is above 0.05. E: regression to the mean.
# D: groups fixed beforehand, seeds redrawn, 14 x 0.0002 is small. F: tiny and certain; what it is worth is another question.
supported_reports = {"D", "F"}

lesson20.check_supported_reports(supported_reports)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** CV is one measure of irregularity. Is there a property of a user, known from the training part alone, that tells better **for whom** time helps? Begin with `worth`, `paused` and `split` of *A world in which the answer is known*: the value of the clock for each test user is there. Propose one property, write down its cut before you look, and choose on one half of the users. A good report holds the difference of differences on the **other** half with its interval, the same number within thirds by length, a picture of `worth` against the property, and a doubt: would it survive outside a simulated world?

# %% [markdown] id="open-zh" lang="zh" en="a7320c64" tags=["open"]
# **开放任务。** CV 只是不规则程度的一种度量。有没有某个用户特征，只由训练集就能得到，却能更好地说明时间信息对**哪些用户**有用？从“在一个知道答案的世界里”一节的 `worth`、`paused` 和 `split` 开始，那里已有时间信息对每位测试用户的价值。提出一个特征，在看结果之前写下切分的位置，并且只用一半用户来选择。好的报告包含**另一半**用户上的差值之差及其区间、按长度三等分后的同一个数、一张 `worth` 对这个特征的图，以及一点疑问：在模拟世界之外，它还成立吗？

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "chosen_on": ...,  # users of the half on which you chose
    "tested_on": ...,  # users of the other half
    "cut": ...,  # where the property is cut, written down beforehand
    "difference": ...,  # difference of differences on the other half: mean, low, high
    "thirds": ...,  # the same within each third by length: {third: (mean, low, high)}
    "picture": ...,  # the figure, with a label on each axis
    "doubt": ...,  # what you doubt, in a sentence or two
}
lesson20.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## The bet, answered
#
# Do not take it, and do not offer it either. "It wins again" happens half of the time without any effect, and hardly more often with the claimed one. And the reasons for doubt are not small print. One seed: with as many users as MovieLens 1M has, nearly every second simulated comparison of equal recipes is "significant". Groups and cuts chosen afterwards: about 31 % instead of 5 %. A gain in one group says nothing about a difference **between** groups. And in the one world where we know the truth, irregular users gain less.
#
# None of this proves the slide wrong. It says what a test would need: full ranking, several seeds, groups from the training part that are fixed beforehand, the difference of differences with an interval, Holm over all models that are tried, and enough users to see what is claimed. That is what the stage `irregularity` does. For MovieLens 1M itself we cannot run it: the copy that this course has knows only the order of events, and without times there are no gaps and no CV. MovieLens 100K, Grocery and the simulated worlds stand in for it; the verdict on the claim is in lesson 23.
#
# Offer Ines another bet. Write down, before she trains: which groups, how many seeds, which difference, and which interval would convince you both.

# %% [markdown] id="answer-zh" lang="zh" en="50c39578"
# ## 回答开头的赌局
#
# 不要接这个赌，也不要跟别人打这样的赌。即使毫无效果，“又赢一次”的概率也有一半；即使效果真如所说，这个概率也高不了多少。那些可疑之处也都不是小问题。只有一个种子：在模拟中，用 MovieLens 1M 那么多用户比较毫无差别的训练方案，将近每两次就有一次“显著”。分组和切分的位置是事后挑的：误报约 31%，而不是 5%。一组有提升，并不说明两组**之间**有差别。而在我们唯一知道真实答案的世界里，不规则的用户获益更少。
#
# 这一切都没有证明幻灯片是错的。它只说明一个合格的检验需要什么：全量排序，好几个种子，由训练集事先定好的分组，带区间的差值之差（difference of differences），对试过的所有模型做 Holm 校正，以及足够多的用户，使所主张的提升能够检出。`irregularity` 阶段做的正是这些。在 MovieLens 1M 本身上，我们没法运行它：本课程使用的版本只保留了事件的先后次序，没有时间戳就没有间隔，也没有 CV。代替它的是 MovieLens 100K、Grocery 和模拟的世界；对这条主张的判定见第 23 课。
#
# 不如换个赌法。在小颖动手训练之前先写下来：怎样分组，几个种子，看哪个差值，什么样的区间能让你们俩都信服。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. Flip the signs of paired differences: $p$ is the share of patterns as far from 0 as the observed one; correct it after Holm when there are many.
# 2. Users and seeds are two sources of luck. A test over users judges trained models, and more users make one lucky seed look surer; redraw the seeds too.
# 3. Say how large, not only how sure: 2.27 % of NDCG@10 = 0.1 needs about 35,000 users to be seen; *no difference* needs a margin, and more users still.
# 4. "Significant here and not there" is no difference. Test the difference of differences.
# 5. Groups come from what was known before the test, cuts included; an irregular user is not one for whom the clock is worth most.

# %% [markdown] id="summary-zh" lang="zh" en="b709180b" tags=["summary"]
# ## 小结
#
# 1. 翻转配对差值的符号：$p$ 是平均值的绝对值不小于观测值的符号组合所占的比例；比较次数多时，用 Holm 校正。
# 2. 用户和种子是随机性的两个来源。只对用户做的检验，评判的是训练好的模型；用户越多，一个碰巧较好的种子看上去越可靠，所以对种子也要重抽样。
# 3. 不仅要报告差别有多确定，还要报告差别有多大：NDCG@10 = 0.1 的 2.27%，要约 35,000 位用户才能检出；而说“没有差别”需要等效界值，所需的用户还要更多。
# 4. 一组显著、另一组不显著，并不说明两组有差别。应当检验差值之差。
# 5. 分组和切分点都要由测试之前就已知的信息决定；不规则的用户，并不就是时间信息最有用的用户。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> Seven users, all better off by the same amount. What does the exact sign-flip test give, and what is left of it after Holm over four such tests?</summary>
#
# 2 of 128 patterns are as far from 0, so p = 0.0156. Four times that is 0.0625: not significant. With so few users no effect, however large, could pass.
#
# </details>
#
# <details><summary><b>2.</b> Two models have equal spreads over users and a correlation of 0.6. How many times as many people would separate groups need to be as precise as pairs?</summary>
#
# 1 / (1 − 0.6) = 2.5 times; the standard error is 1.6 times as large. With the 0.92 of the lesson it was nearly 13.
#
# </details>
#
# <details><summary><b>3.</b> One seed of each model, 100,000 users, a gain of 0.004 with p < 0.001. The difference of two trainings of one recipe has a standard deviation of 0.005. How often would equal recipes show a gap at least as large?</summary>
#
# 0.004 is 0.8 standard deviations: in about 42 % of the pairs of trainings. The users make the test of these two trained models sharp; they tell nothing about the recipes. Train more seeds.
#
# </details>
#
# <details><summary><b>4.</b> A table of 60 models is tested in all pairs with 10,000 sign patterns, and Holm leaves nothing. Is that a finding?</summary>
#
# No. There are 1,770 pairs, and the smallest possible p after Holm is 1770/10001 = 0.18. It takes at least 35,400 patterns before anything could fall below 0.05.
#
# </details>
#
# <details><summary><b>5.</b> You expect a gain of 5 % of an NDCG@10 of 0.1, spread 0.15. How many users give a power of 80 %? You have 2,000; what do you expect of a significant result?</summary>
#
# (2.8 · 0.15 / 0.005)² = 7,056. With 2,000 the power is below a half, so a result that is significant will on average exaggerate the gain.
#
# </details>
#
# <details><summary><b>6.</b> Irregular users gain 0.010 [0.002, 0.018], regular ones 0.004 [−0.004, 0.012]. The slide says: only irregular users profit. What is the difference, and about which interval has it?</summary>
#
# 0.006; the half widths add in squares, √(0.008² + 0.008²) = 0.011, so about −0.005 to 0.017. It contains 0: the groups cannot be told apart.
#
# </details>
#
# <details><summary><b>7.</b> On a log CV and history length correlate by 0.55, and the top third by CV gains 0.006 more than the bottom third. Within thirds by length the mean difference is 0.001. What do you write?</summary>
#
# That the gain goes with long histories, not with irregularity: compared like with like hardly anything is left. Both numbers belong into the report, with intervals.
#
# </details>
#
# <details><summary><b>8.</b> A colleague groups users by `new == 0`, the **new** model's own misses, two seeds of one recipe. Which sign does `new - old` have in the groups? How is it mended?</summary>
#
# Minus among the missed (they can only lose or stay), plus among the hit: regression to the mean, the other way round. Group by a third seed or by something known before the test.
#
# </details>
#
# <details><summary><b>9.</b> Margin 0.002. Interval X: −0.0015 to 0.0012, p = 0.8. Interval Y: −0.004 to 0.006, p = 0.7. Which answers do they give?</summary>
#
# X: no difference larger than the margin. Y: open. The p-values are nearly alike; only the width tells the two apart.
#
# </details>
#
# <details><summary><b>10.</b> With 6,040 users and five seeds, redrawing both still leaves about 10 % false alarms. You may buy either ten times the users or three times the seeds. Which?</summary>
#
# Seeds. The alarms come from the spread between trainings, which five draws estimate badly; more users only shrink the other part of the interval.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="767b2e3f" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 七位用户，每一位都提升同样多。精确的符号翻转检验给出多少？如果一共做四个这样的检验，Holm 校正后还剩什么？</summary>
#
# 128 种符号组合里，有 2 种的平均值的绝对值不小于观测值，所以 p = 0.0156。乘以四是 0.0625，不显著。用户这样少，效应再大也通不过。
#
# </details>
#
# <details><summary><b>2.</b> 两个模型在用户之间的标准差相等，相关系数为 0.6。要达到配对比较的精度，分成两批不同的人需要多少倍的人？</summary>
#
# 1 / (1 − 0.6) = 2.5 倍；标准误是 1.6 倍。课文里相关系数为 0.92 时，将近 13 倍。
#
# </details>
#
# <details><summary><b>3.</b> 每个模型一个种子，100,000 位用户，提升 0.004，p < 0.001。同一训练方案的两次训练之差，标准差为 0.005。两份毫无差别的方案，相差至少这么多的概率有多大？</summary>
#
# 0.004 是 0.8 个标准差，因此大约 42% 的训练对会相差这么多。用户多只能使这两个训练好的模型之间的检验更灵敏，并不能说明训练方案的好坏。应当多训练几个种子。
#
# </details>
#
# <details><summary><b>4.</b> 一张有 60 个模型的表，随机抽取 10,000 种符号组合检验所有的对，Holm 校正后什么也没有留下。这是发现吗？</summary>
#
# 不是。一共有 1,770 对，校正后可能的最小 p 是 1770/10001 = 0.18。至少要抽 35,400 种组合，才可能有任何结果低于 0.05。
#
# </details>
#
# <details><summary><b>5.</b> 你预计提升是 0.1 的 5%（NDCG@10），标准差 0.15。要多少用户，功效才达到 80%？如果只有 2,000 位，得到显著结果时，应当怎样看待它的大小？</summary>
#
# (2.8 · 0.15 / 0.005)² = 7,056 位。只有 2,000 位时功效不到一半，因此显著的结果平均来说会夸大提升。
#
# </details>
#
# <details><summary><b>6.</b> 不规则的用户提升 0.010 [0.002, 0.018]，规则的用户提升 0.004 [−0.004, 0.012]。幻灯片上说：只有不规则的用户受益。两者之差是多少？它的区间大约是多少？</summary>
#
# 差是 0.006；半宽按平方相加，√(0.008² + 0.008²) = 0.011，所以区间约为 −0.005 到 0.017。它包含 0，因此不能断定两组有差别。
#
# </details>
#
# <details><summary><b>7.</b> 在一份日志上，CV 与历史长度的相关系数是 0.55，CV 最高的三分之一比最低的三分之一多提升 0.006。按长度三等分之后，各组之内的差平均只有 0.001。你怎么写？</summary>
#
# 应当写：提升与历史较长有关，而不是与不规则有关，因为分层比较之后，差别几乎消失。两个数连同区间都应写进报告。
#
# </details>
#
# <details><summary><b>8.</b> 一位同事按 `new == 0`，即**新**模型自己没命中来给用户分组，两个模型只是同一训练方案的两个种子。`new - old` 在两组里各是什么符号？怎样修正？</summary>
#
# 没命中的一组为负（只可能下降或不变），命中的一组为正：这是方向相反的向均值回归。应当用第三个种子，或者测试之前就知道的量来分组。
#
# </details>
#
# <details><summary><b>9.</b> 等效界值 0.002。区间 X：−0.0015 到 0.0012，p = 0.8。区间 Y：−0.004 到 0.006，p = 0.7。它们各给出什么回答？</summary>
#
# X：差别不超过界值。Y：未定。两者的 p 值差不多，只有区间宽度才能分出它们。
#
# </details>
#
# <details><summary><b>10.</b> 有 6,040 位用户和五个种子时，对两者都重抽样，仍有约 10% 的误报。你可以把用户增加到十倍，或者把种子增加到三倍。选哪一个？</summary>
#
# 选种子。误报来自各次训练之间的波动，而五个种子对它估计得不准；增加用户只会缩小区间的另一部分。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - B. Efron, R. Tibshirani, *An Introduction to the Bootstrap*, 1993: chapters 13 and 15, percentile intervals and permutation tests.
# - S. Holm, *A Simple Sequentially Rejective Multiple Test Procedure*, Scandinavian Journal of Statistics 6, 1979.
# - A. Gelman, H. Stern, *The Difference Between "Significant" and "Not Significant" is not Itself Statistically Significant*, The American Statistician 60 (4), 2006. [doi 10.1198/000313006X152649](https://doi.org/10.1198/000313006X152649)
# - X. Bouthillier et al., *Accounting for Variance in Machine Learning Benchmarks*, MLSys 2021: seeds and data as sources of variance. [arXiv 2103.03098](https://arxiv.org/abs/2103.03098)
# - D. Lakens, *Equivalence Tests: A Practical Primer*, Social Psychological and Personality Science 8 (4), 2017. [doi 10.1177/1948550617697177](https://doi.org/10.1177/1948550617697177)
# - W. Krichene, S. Rendle, *On Sampled Metrics for Item Recommendation*, KDD 2020. [doi 10.1145/3394486.3403226](https://doi.org/10.1145/3394486.3403226)
# - In this repository: `tutorial_lib/statistics.py`, `tutorial_lib/experiments/protocol.py`, `tutorial_lib/experiments/stages/significance.py`, `tutorial_lib/experiments/stages/irregularity.py`, `tutorial_lib/experiments/stages/stability.py`, `tests/test_statistics.py`.

# %% [markdown] id="references-zh" lang="zh" en="cb951e61" tags=["references"]
# ## 参考文献
#
# - B. Efron、R. Tibshirani，*An Introduction to the Bootstrap*，1993：第 13、15 章，百分位区间与置换检验。
# - S. Holm，*A Simple Sequentially Rejective Multiple Test Procedure*，Scandinavian Journal of Statistics 6，1979。
# - A. Gelman、H. Stern，*The Difference Between "Significant" and "Not Significant" is not Itself Statistically Significant*，The American Statistician 60 (4)，2006。[doi 10.1198/000313006X152649](https://doi.org/10.1198/000313006X152649)
# - X. Bouthillier 等，*Accounting for Variance in Machine Learning Benchmarks*，MLSys 2021：种子和数据是波动的来源。[arXiv 2103.03098](https://arxiv.org/abs/2103.03098)
# - D. Lakens，*Equivalence Tests: A Practical Primer*，Social Psychological and Personality Science 8 (4)，2017。[doi 10.1177/1948550617697177](https://doi.org/10.1177/1948550617697177)
# - W. Krichene、S. Rendle，*On Sampled Metrics for Item Recommendation*，KDD 2020。[doi 10.1145/3394486.3403226](https://doi.org/10.1145/3394486.3403226)
# - 本仓库：`tutorial_lib/statistics.py`，`tutorial_lib/experiments/protocol.py`，`tutorial_lib/experiments/stages/significance.py`，`tutorial_lib/experiments/stages/irregularity.py`，`tutorial_lib/experiments/stages/stability.py`，`tests/test_statistics.py`。
