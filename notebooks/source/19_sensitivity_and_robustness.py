# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Two smoke detectors hang in Mia's corridor, next to the bathroom. One goes off at every hot shower. The other has hung there for three years, and steam has never disturbed it. Mia calls it the robust one. Then she opens it to change the battery. There is none.
#
# The announcement of DeepM3 (lesson 17) says: with noisy times and dropped events its NDCG falls by 0.36 %, while traditional models "collapse". <!-- literature -->
#
# Is that the detector that tells smoke from steam, or the one without a battery? A small loss alone cannot say. In this lesson you spoil clocks by hand, gap by gap, learn which question a spoilt clock answers and which it does not, and open the case of every model that takes part.

# %% [markdown] id="puzzle-zh" lang="zh" en="e2dd30cc"
# 小敏家的走廊里，浴室门口装着两个烟雾报警器。一个每逢洗热水澡就响；另一个装了三年，蒸汽从来没有惊动过它。小敏说，这一个才叫鲁棒。后来他打开外壳想换电池，发现里面根本没有电池。
#
# DeepM3（第 17 课）的宣传里写道：时间里掺了噪声、又丢了事件，它的 NDCG 只下降 0.36%，而传统模型会“崩溃”。<!-- literature -->
#
# 它是那个分得清烟和蒸汽的报警器，还是那个没有电池的？单凭损失小，说明不了问题。这一课里，你会亲手一个间隔一个间隔地破坏时间信息，弄清楚这样的测试能回答什么问题、不能回答什么问题，然后把参加比较的每个模型都打开看看。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - corrupt a history in six ways by hand, on gaps, with the clock rebuilt, and say why never on times;
# - tell sensitivity (what is lost when the clock is destroyed) from robustness (what is lost when it is disturbed);
# - place any model in a table of two questions, and unmask one that has no clock, or the wrong twin;
# - compute a bound on the damage of a wrong clock, and say what such a bound is worth;
# - say how sensitive a model is to its learning rate, its weight decay and its depth, and why that depends on the other settings;
# - read the result tables of the suite, and judge two claims by them.

# %% [markdown] id="objectives-zh" lang="zh" en="bccb8654" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 亲手用六种办法破坏一段历史：改动的是间隔，再重建时间戳；并说清为什么绝不直接改动时间；
# - 分清敏感性（抹去时间信息时损失什么）与鲁棒性（时间信息受扰动时损失什么）；
# - 用两个问题组成的表判断任何模型的情形，识别出不带时间信息的模型，以及选错了对照模型的情况；
# - 算出错误的时间造成的偏差的上界，并说明这样的上界有没有意义；
# - 说清一个模型对学习率、权重衰减和深度有多敏感，以及为什么这取决于其他超参数；
# - 读懂实验套件的结果表，并据此评判两条主张。

# %% id="setup"
import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from IPython.display import display

from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_close, expect_true, settings, show_matrix
from tutorial_lib.data.corrupt import corrupt
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.simulate import last_gap_task
from tutorial_lib.data.splits import Split, make_split
from tutorial_lib.errors import TutorialError
from exercises import lesson19
from tutorial_lib.experiments.results import read_results, read_suite, suite_names
from tutorial_lib.experiments.stages import robustness, sensitivity
from tutorial_lib.experiments.stages.lineup import Entry, select
from tutorial_lib.experiments.stages.shared import forest
from tutorial_lib.experiments.suite import Suite, run_suite
from tutorial_lib.experiments.words import in_words
from tutorial_lib.losses import full_softmax
from tutorial_lib.models import build_model
from tutorial_lib.models.deepm3_flows import build_flow
from tutorial_lib.notebook import progress_bar
from tutorial_lib.statistics import bootstrap_interval, paired_bootstrap

torch.manual_seed(0)
plots.use_style()
DOUBLE, YEAR = torch.double, 365.25 * 24 * 3600  # seconds

# %% [markdown] id="parameters-en" lang="en"
# Histories are taken from the data that this cell names, and two small models are trained on them. The result tables are what they are, wherever you run this.

# %% [markdown] id="parameters-zh" lang="zh" en="d68928e3"
# 历史取自哪份数据，由这个单元格决定；两个小模型也在上面训练。结果表则与你在哪里运行无关。

# %% id="parameters-code" tags=["parameters", "training"]
DATASET, USERS = settings(dataset="sample", users=1000)
ON_SAMPLE = DATASET == "sample" and USERS == 1000  # the numbers in the text are checked only there

# %% [markdown] id="tiny-en" lang="en"
# ## Five events, six ways to spoil them
#
# Mia reads five articles, A to E, at 10:50, 11:10, 11:20, 16:20 and 17:10. The gaps are 20, 10, 300 and 50 minutes. E is the one that a model must predict, so the last gap leads up to the question.
#
# Every corruption of the clock works on the **gaps**. Then the clock is *rebuilt*: the first time stays, every later one is the first plus the sum of the gaps so far (`cumsum`).
#
# - **gaps shuffled**: the gaps change places;
# - **gaps constant**: every gap is an hour;
# - **jitter**: every gap is multiplied by a random factor, here 2, ½, ½ and 2;
# - **quantised**: the clock only shows whole hours;
# - **order shuffled**: the articles before the question change places, the times stay;
# - **dropped**: B and D were never recorded.

# %% [markdown] id="tiny-zh" lang="zh" en="b6671f7d"
# ## 五个事件，六种破坏
#
# 小敏在 10:50、11:10、11:20、16:20 和 17:10 读了五篇文章，A 到 E。间隔是 20、10、300 和 50 分钟。E 是模型要预测的那篇，所以最后一个间隔一直到查询时刻。
#
# 凡是破坏时间信息，改动的都是**间隔**。然后**重建**时间戳：第一个时刻不变，后面每个时刻等于第一个时刻加上到此为止的间隔之和（`cumsum`）。
#
# - **gaps shuffled**：间隔互换位置；
# - **gaps constant**：每个间隔都是一小时；
# - **jitter**：每个间隔乘以一个随机因子，这里是 2、½、½ 和 2；
# - **quantised**：时间只精确到整点；
# - **order shuffled**：查询之前的文章互换位置，时间不动；
# - **dropped**：B 和 D 没有被记录下来。

# %% [markdown] id="predict-tiny-en" lang="en" tags=["predict"]
# **Predict before you run.** Of which corruptions can the last time still be 17:10? On the clock of whole hours, how long are the gaps between A, B and C? And how long is the gap between A and C once B is lost?

# %% [markdown] id="predict-tiny-zh" lang="zh" en="097ca313" tags=["predict"]
# **先猜，再运行。** 在哪几种破坏之后，最后一个时刻仍然是 17:10？如果时间只精确到整点，A、B、C 之间的间隔有多长？B 丢了以后，A 和 C 之间的间隔又是多长？

# %% id="tiny-code"
minutes = np.array([650, 670, 680, 980, 1030])  # since midnight
gaps = np.diff(minutes)


def rebuild(first, gaps):
    """The clock that starts at `first` and goes on by these gaps."""
    return first + np.append(0, np.cumsum(gaps))


clocks = {
    "real": minutes,
    "gaps shuffled": rebuild(650, gaps[[2, 0, 3, 1]]),
    "gaps constant": rebuild(650, np.full(4, 60)),
    "jitter": rebuild(650, gaps * np.array([2, 0.5, 0.5, 2])),
    "quantised": minutes // 60 * 60,
}
print("times, minutes since midnight")
show_matrix(np.stack(list(clocks.values())), list(clocks), list("ABCDE"), digits=0)
print("\ngaps, minutes")
show_matrix(np.diff(list(clocks.values())), list(clocks), ["A-B", "B-C", "C-D", "D-E"], digits=0)
stays = np.array([True, False, True, False, True])
print("\ndropped: A, C, E at", minutes[stays], "with gaps", np.diff(minutes[stays]))
expect_true("shuffled gaps end at the same time", clocks["gaps shuffled"][-1] == 1030)
expect_close("whole hours: gaps", np.diff(clocks["quantised"]), [60, 0, 300, 60], tol=1e-9)
expect("B lost: the gap from A to C", np.diff(minutes[stays])[0], 30, tol=1e-9)

# %% id="tiny-picture" tags=["picture", "nbval-ignore-output"]
rows = {name: (times, "ABCDE") for name, times in clocks.items()}
rows["order shuffled"], rows["dropped"] = (minutes, "CADBE"), (minutes[stays], "ACE")
fig, ax = plt.subplots(figsize=(8.5, 3.2))
for place, (times, letters) in enumerate(rows.values()):
    ax.plot(times / 60, np.full(len(times), place), color="0.8", zorder=1)
    for moment in np.unique(times):
        here = "".join(letter for letter, time in zip(letters, times, strict=True) if time == moment)
        ax.plot(moment / 60, place, "o", color=plots.ORANGE if here == "E" else plots.BLUE, ms=5)
        ax.annotate(here, (moment / 60, place), xytext=(0, 5), textcoords="offset points", ha="center", fontsize=9)
ax.set_yticks(range(len(rows)), list(rows))
ax.set(ylim=(len(rows) - 0.5, -0.8), xlabel="time of day (hours)")
plt.show()

# %% [markdown] id="tiny-alt-en" lang="en" tags=["alt"]
# Seven rows of lettered points on a time axis from 10 to 17 hours. Real: A, B, C close together before noon, D and E in the late afternoon. Gaps shuffled: A alone, the others late. Gaps constant: evenly spaced, ending before 15. Jitter: much the same pattern, ending before 16. Quantised: B and C on the same point. Order shuffled: the real times with the letters C, A, D, B, E. Dropped: only A, C and E.

# %% [markdown] id="tiny-alt-zh" lang="zh" en="bbf17126" tags=["alt"]
# 时间轴从 10 点到 17 点，七行带字母的点。real：A、B、C 挤在中午之前，D、E 在傍晚。gaps shuffled：A 独自在前，其余都在后面。gaps constant：等距排列，不到 15 点就结束。jitter：样子差不多，不到 16 点就结束。quantised：B 和 C 落在同一点。order shuffled：时刻是真实的，字母变成 C、A、D、B、E。dropped：只剩 A、C、E。

# %% [markdown] id="tiny-why-en" lang="en"
# Three end at 17:10: shuffled gaps (the sum stays), the shuffled order and the lost events (no time was touched). The clock of whole hours shows 60 minutes between A and B, which are 20 minutes apart, and 0 between B and C: a tie, and the order of the rows must not change with it. The gap over a lost event is the sum of the gaps, 30.
#
# Note what a corruption leaves alone. Jitter spoils every gap a little and keeps short ones short. Shuffled gaps keep all their lengths and lose the places. A constant clock keeps nothing.

# %% [markdown] id="tiny-why-zh" lang="zh" en="769dda49"
# 有三种仍在 17:10 结束：间隔打乱（总和不变）、顺序打乱、事件丢失（时间都没动过）。时间只精确到整点时，相隔 20 分钟的 A 和 B 变成相隔 60 分钟，B 和 C 之间是 0：时间并列了，而各行的次序不能因此改变。跨过丢失事件的间隔等于几个间隔之和，30 分钟。
#
# 请注意每种破坏保留了什么。抖动使每个间隔都有些偏差，但短的仍然短。打乱间隔保留全部长度，却失去了位置。恒定间隔则什么也不保留。

# %% [markdown] id="times-en" lang="en" tags=["break-it"]
# ## Break it, 1: corrupt the times
#
# It looks simpler to spoil the **times**. The public code of DeepM3 does: it adds noise to the running time and sorts, and it "drops" events by setting timestamps to zero, in place. Do the same to Mia: add noise of −15 to +10 minutes; then set the time of C to zero, now in unix seconds.
#
# **Predict.** Who is first after the noise? How long is the gap before C, and the gap after it?

# %% [markdown] id="times-zh" lang="zh" en="2fa775dd" tags=["break-it"]
# ## 破坏实验一：直接破坏时间
#
# 直接破坏**时间**看上去更简单。DeepM3 公开的代码就是这样做的：给累计时间加噪声，再排序；“丢失”事件则是把时间戳原地改成零。对小敏的数据也这样做：先加 −15 到 +10 分钟的噪声；再把 C 的时间改成零，这回用 unix 秒。
#
# **猜一猜：** 加了噪声以后谁排第一？C 之前的间隔有多长，C 之后的又有多长？

# %% id="times-code" tags=["break-it"]
noisy = minutes + np.array([10, -15, 5, 0, -10])
print("with noise:", noisy, "sorted:", "".join(np.array(list("ABCDE"))[noisy.argsort(kind="stable")]))
expect_true("B now stands before A", noisy[1] < noisy[0])

seconds = 1_704_067_200 + 60 * minutes  # the same day as unix seconds: 1 January 2024
zeroed = seconds * np.array([1, 1, 0, 1, 1])
show_matrix(np.diff(zeroed)[None] / YEAR, ["gaps, years"], ["A-B", "B-C", "C-D", "D-E"], digits=1)
expect("gap before C, years", np.diff(zeroed)[1] / YEAR, -54.0, tol=0.05)
expect("gap after C, years", np.diff(zeroed)[2] / YEAR, 54.0, tol=0.05)

rng, shared = np.random.default_rng(0), np.ones(1_000_000)
lost = []
for _ in range(3):  # three models, one after the other, are tested on the "same" histories
    shared *= rng.random(len(shared)) >= 0.3
    lost.append((shared == 0).mean())
show_matrix([lost], ["share of events lost"], ["1st model", "2nd model", "3rd model"])
expect("2nd model", lost[1], 0.51, tol=0.005)
expect("3rd model", lost[2], 0.66, tol=0.005)

# %% [markdown] id="times-why-en" lang="en"
# Noise on times breaks the **order**: B comes before A. Whoever sorts afterwards has corrupted two things at once and can no longer say which one hurt. A zeroed time is not a lost event: the item is still there, and around it stand a gap of minus 54 and one of plus 54 years. (Clamped at 0, the second remains.) No sensor fails like this. And what is done *in place* stays: the second model is tested with 0.51 of the events gone, the third with 0.66.
#
# Now the same on real histories, and mended: the noise on gaps, the lost events really removed.

# %% [markdown] id="times-why-zh" lang="zh" en="7fe2df42"
# 给时间加噪声会破坏**顺序**：B 跑到了 A 前面。事后再排序的人，等于同时破坏了两样东西，再也说不清是哪一样伤了模型。改成零的时间也不是丢失的事件：物品还在，两边各是一个间隔，负 54 年和正 54 年。（就算把负数截成 0，后一个还在。）没有哪个传感器会这样出错。而且**原地**做的事不会复原：轮到第二个模型，0.51 的事件已经没了；到第三个，0.66。
#
# 下面在真实的历史上重做一遍，并加以修正：噪声加在间隔上，丢失的事件真正删除。

# %% id="mended-code" tags=["break-it"]
split = make_split(load_dataset(DATASET, users=USERS), "temporal")
events = split.dataset.events
same_user = np.diff(events["user"]) == 0


def gaps_of(events):
    """Seconds between neighbouring events of the same user."""
    return np.diff(events["timestamp"])[np.diff(events["user"]) == 0]


half_an_hour = np.random.default_rng(0).normal(0, 1800, len(events))
swapped = (np.diff(events["timestamp"] + half_an_hour) < 0)[same_user].mean()
expect("noise of half an hour on times: neighbours that change places", swapped, 0.28, tol=0.02, when=ON_SAMPLE)
expect_true("jitter on gaps: none", (gaps_of(corrupt(split, "jitter 2").dataset.events) >= 0).all())

is_zero = np.random.default_rng(0).random(len(events)) < 0.3
zeroed = events.assign(timestamp=np.where(is_zero, 0, events["timestamp"]))
before = events.copy()
dropped = corrupt(split, "dropped 0.3").dataset.events
expect_true("zeroed: a gap in three is a jump of 50 years", (gaps_of(zeroed) / YEAR > 50).mean() > 0.2, when=ON_SAMPLE)
expect_true("dropped: no gap above a year", gaps_of(dropped).max() < YEAR, when=ON_SAMPLE)
expect_true("and the next model finds the events as they were", events.equals(before))

# %% [markdown] id="reference-en" lang="en"
# **Does the library do the same?** It works on all users at once. A plain loop over users, event by event, is the witness; the random numbers are drawn beforehand, in the same order.

# %% [markdown] id="reference-zh" lang="zh" en="bc493da1"
# **库里做的是同样的事吗？** 它一次处理所有用户。用来对照的是一个简单的循环，逐个用户、逐个事件地处理；随机数按同样的次序事先抽好。

# %% id="reference-check" tags=["reference-check"]
starts, times = split.dataset.offsets, events["timestamp"].to_numpy()
factors = np.exp(0.5 * np.random.default_rng(3).standard_normal(len(events)))


def loop(change):
    """All times, user by user; change(times of the user, numbers of their rows) gives the new ones."""
    return np.concatenate([change(times[a:b], range(a, b)) for a, b in zip(starts[:-1], starts[1:], strict=True)])


def jittered(times, rows):
    clock = [times[0]]
    for i in range(1, len(times)):
        clock.append(clock[-1] + round((times[i] - times[i - 1]) * factors[rows[i]]))
    return clock


by_loop = {
    "jitter 0.5": loop(jittered),
    "gaps constant": loop(lambda times, rows: [times[0] + 3600 * i for i in range(len(times))]),
    "quantised 3600": loop(lambda times, rows: [t - t % 3600 for t in times]),
}
for name, want in by_loop.items():
    got = corrupt(split, name, seed=3).dataset.events["timestamp"].to_numpy()
    expect_true(f"{name}: the library equals the loop", np.array_equal(got, want))

shuffled = corrupt(split, "gaps shuffled", seed=3).dataset.events["timestamp"].to_numpy()
users = [slice(a, b) for a, b in zip(starts[:-1], starts[1:], strict=True)]
expect_true(
    "gaps shuffled: every user keeps the same gaps, first and last time",
    all(np.array_equal(np.sort(np.diff(shuffled[u])), np.sort(np.diff(times[u]))) for u in users)
    and all(shuffled[u][0] == times[u][0] and shuffled[u][-1] == times[u][-1] for u in users),
)
moved = (np.diff(shuffled) != np.diff(times))[same_user].mean()
expect_true("and more than half of the gaps have moved", moved > 0.5, when=ON_SAMPLE)

fewer = corrupt(split, "dropped 0.3", seed=3)
remains = fewer.dataset.events.merge(events, on=["user", "item", "timestamp"])
expect_true("dropped: what remains was there before, with its time", len(remains) == len(fewer.dataset.events))
targets = [part.dataset.events.loc[part.test.row, ["user", "item", "timestamp"]].to_numpy() for part in (split, fewer)]
expect_true("and the questions are the same", np.array_equal(*targets))

# %% [markdown] id="library-en" lang="en" tags=["library"]
# The library. `jitter` and `with_clock` share two helpers: one takes the gaps apart, the other builds the clock again. `drop_events` is longer, for it must renumber the rows of the targets.

# %% [markdown] id="library-zh" lang="zh" en="3ad60eb9" tags=["library"]
# 库里的版本。`jitter` 和 `with_clock` 共用两个小函数：一个取出间隔，一个重建时间戳。`drop_events` 长一些，因为它要给目标所在的行重新编号。

# %% id="library-code" tags=["library"]
from dataclasses import replace

from tutorial_lib.data.corrupt import _history, _same_catalogue, _with_times
from tutorial_lib.data.splits import Targets

# show: tutorial_lib.data.corrupt._gaps
# show: tutorial_lib.data.corrupt._rebuild
# show: tutorial_lib.data.corrupt.jitter
# show: tutorial_lib.data.corrupt.drop_events

# %% [markdown] id="two-en" lang="en"
# ## Two questions and a table
#
# Let a model be trained on clean data, and tested on spoilt histories. There are two kinds of spoiling, and they ask opposite things.
#
# **Sensitivity.** *Destroy* the clock: shuffle the gaps, or make them constant. A detector that hangs in thick smoke ought to go off. Here a loss is **good news**: the model has used what was destroyed. No change at all, to the last bit, says that it has no battery.
#
# **Robustness.** *Disturb* the clock: jitter, coarse clocks, lost events. Steam is not smoke. Here a loss is bad news.
#
# A small loss is bad news in the first test and good news in the second. So neither may be read alone. What decides is a third number: the lead of the clean model over its **twin**, the same model without a clock. Two questions make a table:
#
# | | loses nothing when disturbed | loses when disturbed |
# |:--|:--|:--|
# | **clean, it beats its twin** | robust | fragile; perhaps still ahead of its twin |
# | **clean, it does not** | no battery: proves nothing | reads the clock in vain |
#
# The suite of this course asks both, for every model, with the same seeded corruption for all. *Beats its twin*: a 95 % interval that draws seeds and users anew lies above 0. *Loses*: the interval of the change, paired over users, lies below 0. Of the whole lower row the suite says *does not use time*, and means: gains nothing by it. Which of the two fields it is, the destroyed clock tells. The verdict in code:

# %% [markdown] id="two-zh" lang="zh" en="681cab22"
# ## 两个问题，一张表
#
# 模型在干净的数据上训练，在破坏过的历史上测试。破坏分两种，问的问题恰好相反。
#
# **敏感性**（sensitivity）：**抹去**时间信息，即把间隔打乱，或者改成恒定。浓烟里的报警器就应该响，因此在这里，损失是**好消息**：抹去的信息，模型确实用到了。如果结果逐位不变，说明它没有电池。
#
# **鲁棒性**（robustness）：**扰动**时间信息，例如抖动、只精确到整点、丢失事件。蒸汽不是烟，因此在这里，损失是坏消息。
#
# 同样是损失小，在第一种测试里是坏消息，在第二种里是好消息，所以哪一个都不能单独看。起决定作用的是第三个数：干净数据上，模型比它的**对照模型**（同一个模型，去掉时间信息）领先多少。两个问题组成一张表：
#
# | | 受扰动时没有损失 | 受扰动时有损失 |
# |:--|:--|:--|
# | **干净时胜过对照模型** | 鲁棒 | 脆弱；也许仍然领先对照模型 |
# | **干净时没有胜过** | 没有电池：证明不了什么 | 读了时间，但没有收益 |
#
# 本课程的实验套件对每个模型都问这两个问题，所有模型使用相同种子的相同破坏。**胜过对照模型**：对种子和用户都重新抽样得到的 95% 区间在 0 以上。**有损失**：按用户配对的变化量，区间在 0 以下。对整个下面一行，套件一律报告 *does not use time*（没有用到时间），意思是没有从中获益；究竟是哪一格，要看抹去时间信息的结果。判定的代码是这样的：

# %% id="judge-code" tags=["library"]
from tutorial_lib.experiments.stages.robustness import AHEAD, BEATEN, BLIND, COLUMNS, CORRUPTIONS, HOLDS
from tutorial_lib.experiments.stages.shared import ends, hierarchical_interval, p_values, paired

# show: tutorial_lib.experiments.stages.robustness.judge
# show: tutorial_lib.experiments.stages.robustness.run

# %% id="judge-check"
expect_true(
    "who does not beat the twin gets one verdict, whatever else happens",
    {judge(False, loses, ahead) for loses in (True, False) for ahead in (True, False)} == {BLIND},
)
expect_true("who beats it and loses nothing: robust", judge(True, False, True) == HOLDS)
left = judge(True, True, True), judge(True, True, False)
expect_true("who loses is asked for the lead that is left", left == (AHEAD, BEATEN))

# %% [markdown] id="live-en" lang="en" tags=["predict"]
# ## The machinery, live
#
# Two models, two seeds, one learning rate, few users: this run shows how the stages work, and is no evidence for anything. `deepm3-gap+query` is a GRU that is told every gap and the query time, `deepm3-none` is its twin. A third contestant enters under the name `steadfast`: *a model in continuous time that no noise can disturb*. Open the case (the line `Entry`): inside is a plain GRU.
#
# **Predict.** What does `steadfast` lose under each corruption? Which verdict does it get?

# %% [markdown] id="live-zh" lang="zh" en="d5ead8d3" tags=["predict"]
# ## 实际运行
#
# 两个模型，两个种子，一个学习率，用户也不多：这次运行只展示各个阶段怎样工作，不能当作任何证据。`deepm3-gap+query` 是一个 GRU，输入里有每个间隔和查询时刻；`deepm3-none` 是它的对照模型。第三个模型以 `steadfast`（坚定不移）的名字参加，号称“连续时间模型，任何噪声都动摇不了”。打开看看（`Entry` 那一行）：里面就是普通的 GRU。
#
# **猜一猜：** 在每种破坏下，`steadfast` 各损失多少？它会得到什么判定？

# %% id="live-code" tags=["training", "nbval-ignore-output"]
entries = (
    *select(["popularity", "deepm3-gap+query"]),
    Entry("steadfast", "deepm3", {"solver": "none"}, twin="deepm3-none"),
)
budget = {"seeds": 2, "rates": (0.01,), "epochs": 8, "max_len": 30, "dim": 32}
suite = Suite(Path(tempfile.mkdtemp()), DATASET, users=USERS, entries=entries, **budget)
run_suite(suite, ["tune"])
destroyed, disturbed = sensitivity.run(suite), robustness.run(suite)
destroyed_columns = ["model", "condition", "clean", "delta", "delta_low", "delta_high"]
disturbed_columns = ["model", "corruption", "gain", "gain_low", "delta", "delta_high", "verdict"]
display(in_words(destroyed["sensitivity"][destroyed_columns].round(4)))
display(in_words(disturbed["robustness"][disturbed_columns].round(4)))

# %% id="live-picture" tags=["picture", "nbval-ignore-output"]
display(sensitivity.draw(destroyed)["sensitivity"])

# %% [markdown] id="live-alt-en" lang="en" tags=["alt"]
# Three panels, gaps shuffled, order shuffled and gaps constant, with a row for each of popularity, the blind GRU, the GRU that is told the gaps, and steadfast. Points with 95 % intervals show the change of NDCG@10. In the panels of gaps only the GRU that is told the gaps can leave 0; steadfast stands exactly on 0, like the blind GRU and popularity. In the panel of the order all but popularity lie left of 0.

# %% [markdown] id="live-alt-zh" lang="zh" en="17194016" tags=["alt"]
# 三幅图：间隔打乱、顺序打乱、间隔恒定；各有四行：热门模型（popularity）、不带时间信息的 GRU、输入间隔的 GRU、steadfast。点和 95% 区间表示 NDCG@10 的变化。在破坏间隔的两幅里，只有输入间隔的 GRU 会离开 0；steadfast 与不带时间信息的 GRU、热门模型一样，正好在 0 上。在破坏顺序的那幅里，除热门模型外都在 0 的左边。

# %% id="live-check"
steady, table = suite.entry("steadfast"), disturbed["robustness"].set_index(["model", "corruption"])
disturbances = [name for name in CORRUPTIONS if not name.startswith("dropped")]
expect_true(
    "steadfast: under every spoilt clock the same NDCG@10 for every user, to the bit",
    all(
        np.array_equal(suite.values(steady), suite.values(steady, name))
        for name in (*disturbances, "gaps shuffled", "gaps constant")
    ),
)
expect_true("its lead over its honest twin is 0, exactly", table.loc["steadfast", "gain"].abs().max() == 0)
expect_true("unmasked: does not use time, proves nothing", set(table.loc["steadfast", "verdict"]) == {BLIND})
aware = suite.entry("deepm3-gap+query")
reacts = (suite.values(aware) != suite.values(aware, "gaps shuffled")).any()
expect_true("the GRU that is told the gaps does react", reacts, when=ON_SAMPLE)

# %% [markdown] id="twin-en" lang="en" tags=["break-it"]
# ## Break it, 2: the wrong twin
#
# Unmasked, by a lead of exactly 0. (Should the GRU that is told the gaps get the same verdict here: two seeds of a small model are often too few to show a lead, and the suite does not give credit. More seeds follow in the tables.)
#
# But who chose the twin? A proper one is the **same model without its clock**. Suppose that the maker of `steadfast` chooses, and takes `popularity`.
#
# **Predict** the new verdict. Which of the numbers above still gives it away?

# %% [markdown] id="twin-zh" lang="zh" en="15eba1d7" tags=["break-it"]
# ## 破坏实验二：选错对照模型
#
# 领先恰好是 0，它就露馅了。（如果输入间隔的 GRU 在这里得到同样的判定，不必奇怪：小模型只跑两个种子，往往不足以显示领先，而实验套件不会预先给予信任。后面的结果表里种子更多。）
#
# 可是对照模型由谁来选？合格的对照模型，是**去掉时间信息的同一个模型**。假如让 `steadfast` 的作者来选，他选了 `popularity`。
#
# **猜一猜**新的判定。上面的哪些数仍然会让它露馅？

# %% id="twin-code" tags=["break-it"]
easy = (*entries[:-1], Entry("steadfast", "deepm3", {"solver": "none"}, twin="popularity"))
fooled = Suite(suite.out, DATASET, users=USERS, entries=easy, progress=False, **budget)
praised = robustness.run(fooled)["robustness"].set_index(["model", "corruption"]).loc["steadfast"]
expect_true(
    "with popularity as its twin it is called robust",
    set(praised.loc[disturbances, "verdict"]) == {HOLDS},
    when=ON_SAMPLE,
)
reaction = destroyed["sensitivity"].set_index(["model", "condition"]).loc["steadfast", "delta"]
expect_true(
    "mended: destroy the clock, and nothing happens, exactly", (reaction[["gaps shuffled", "gaps constant"]] == 0).all()
)

# %% [markdown] id="twin-why-en" lang="en"
# *Robust: uses time, no significant loss.* A GRU beats popularity, of course, and the suite has no way to know that time has nothing to do with it. The twin test is only as good as the twin. What gives it away is the first test: the clock is destroyed, and nobody's result moves.
#
# So read three numbers, in this order:
#
# 1. **destroyed**: does anything change? If not, the model has no clock.
# 2. **clean**: does it beat the same model without its clock? If not, it reads the clock and gains nothing by it.
# 3. **disturbed**: what does it lose, and is it still ahead of its twin?

# %% [markdown] id="twin-why-zh" lang="zh" en="b7dc53c8"
# *Robust: uses time, no significant loss.* GRU 当然胜过热门，而实验套件无从知道这与时间毫无关系。对照模型选得对，这个测试才可靠。让它露馅的是第一种测试：时间信息已经抹去，却没有一位用户的结果发生变化。
#
# 所以要按下面的次序读三个数：
#
# 1. **抹去**：有没有任何变化？如果没有，模型就不使用时间信息。
# 2. **干净**：它胜过去掉时间信息的同一个模型吗？如果没有，它就是读了时间但没有收益。
# 3. **扰动**：它损失多少？是否仍然领先对照模型？

# %% [markdown] id="bound-en" lang="en"
# ## What a bound is worth
#
# DeepM3's evolution is called *Lipschitz-bounded* and therefore *immune to timeline scrambling*. Lessons 15 and 17 dealt with the first half: a tanh bounds the **speed** $V$; the product of the spectral norms of the two matrices bounds the **Lipschitz constant** $L$, and by Grönwall's inequality two states part at most by a factor $e^{L t}$ in a time $t$. What remains is the *therefore*.
#
# Let a state live through the same events twice, once with the durations $s_1, s_2, \dots$ and once with wrong ones, $s'_1, s'_2, \dots$. How far apart are the two, $e_i$, after event $i$? While both move, the distance grows by at most $e^{L m_i}$, with $m_i = \min(s_i, s'_i)$. Then one stands still, and the other moves on for $|s_i - s'_i|$, at a speed of at most $V$. At the event both jump; say the jump shrinks distances to the share $\kappa$. Together
#
# $$e_i \le \kappa\, \bigl( e^{L m_i}\, e_{i-1} + V\, |s_i - s'_i| \bigr), \qquad e_0 = 0 .$$
#
# Look where the wrong clock enters: through $V$. The constant $L$ only says what becomes of an error that is already there. The plainest example is a constant field, $dz/dt = 1$: it has $L = 0$, the best bound there is, and after a gap twice as long it stands twice as far off.
#
# So the bound settles only where an error shrinks from one event to the next, $\kappa\, e^{L m} < 1$. With $\kappa = \frac{1}{2}$ and $L = 1$ that holds for $m < \ln 2 = 0.69$; as a duration is $\ln(1 + \text{hours})$, for gaps up to one hour. A gap of three days multiplies an error by 36.
#
# We measure on a field of width 16 with random weights and 200 random histories of 20 gaps, once without limit and once with `lipschitz=1`. The clock is jittered with strength 0.5, the jump goes half of the way to a random item ($\kappa = \frac{1}{2}$), and $V = \sqrt{16}$, a speed of 1 in each coordinate.

# %% [markdown] id="bound-zh" lang="zh" en="a24c89e4"
# ## 上界有什么意义
#
# DeepM3 的演化据说是**利普希茨有界**的，因此对**打乱的时间线免疫**。前半句在第 15、17 课已经处理过：tanh 限制的是**速度** $V$；两个矩阵的谱范数（spectral norm）之积限制的是**利普希茨常数**（Lipschitz constant）$L$，根据格朗沃尔不等式（Grönwall's inequality），两个状态在时间 $t$ 内的距离最多放大到 $e^{L t}$ 倍。剩下的是那个“因此”。
#
# 让一个状态把同样的事件经历两遍，一遍用时长 $s_1, s_2, \dots$，一遍用错的时长 $s'_1, s'_2, \dots$。在事件 $i$ 之后，两者相距 $e_i$ 有多远？两者都在动的时候，距离最多放大 $e^{L m_i}$ 倍，其中 $m_i = \min(s_i, s'_i)$。然后一个停下，另一个继续运动 $|s_i - s'_i|$，速度最多 $V$。到了事件处两者都跳跃；假设这次跳跃把距离缩小到 $\kappa$ 倍。合起来就是
#
# $$e_i \le \kappa\, \bigl( e^{L m_i}\, e_{i-1} + V\, |s_i - s'_i| \bigr), \qquad e_0 = 0 .$$
#
# 看看错误的时间是从哪里进入的：是 $V$。常数 $L$ 只说明已经存在的误差会变成什么样。最简单的例子是恒定的场，$dz/dt = 1$：它的 $L = 0$，没有比这更好的界了；可是间隔长一倍，它就多走一倍的路。
#
# 由此可见，只有误差从一个事件到下一个事件会缩小，即 $\kappa\, e^{L m} < 1$ 时，上界才会稳定下来。取 $\kappa = \frac{1}{2}$、$L = 1$，这要求 $m < \ln 2 = 0.69$；由于时长是 $\ln(1 + \text{hours})$（以小时计），也就是间隔不超过一小时。三天的间隔则会把误差放大 36 倍。
#
# 下面实测：宽度 16、权重随机的场，200 段随机的历史，每段 20 个间隔；一次不设限，一次用 `lipschitz=1`。间隔按强度 0.5 抖动，每次跳跃朝一个随机的物品走一半的路（$\kappa = \frac{1}{2}$），$V = \sqrt{16}$，即每个坐标的速度都取 1。

# %% [markdown] id="predict-bound-en" lang="en" tags=["predict"]
# **Predict.** After 20 events two different histories have states some units apart. How far does the wrong clock move a state: about a tenth of that, the same, or more? And the bound: 10 units, a thousand, or more than a million?

# %% [markdown] id="predict-bound-zh" lang="zh" en="953473b4" tags=["predict"]
# **猜一猜。** 20 个事件之后，两段不同历史的状态相距若干单位。错误的时间使状态偏离多远：大约是它的十分之一，差不多，还是更远？而上界又是多少：10 个单位，一千，还是一百万以上？

# %% id="bound-code"
rng = np.random.default_rng(0)
minutes_or_days = rng.random((200, 20)) < 0.6
hours = np.where(
    minutes_or_days, 0.05 * np.exp(rng.normal(0, 1, (200, 20))), 72 * np.exp(rng.normal(0, 0.5, (200, 20)))
)
wrong = torch.tensor(hours * np.exp(0.5 * rng.standard_normal((200, 20))))
hours, items = (
    torch.tensor(hours),
    torch.randn(200, 20, 16, dtype=DOUBLE, generator=torch.Generator().manual_seed(0)) / 4,
)
KAPPA, SPEED = 0.5, 16**0.5


def states(flow, hours):
    """The states just after each event, [200, 20, 16]."""
    z, path = torch.zeros(200, 16, dtype=DOUBLE), []
    for i in range(20):
        z = torch.lerp(flow(z, hours[:, i]), items[:, i], 1 - KAPPA)
        path.append(z)
    return torch.stack(path, dim=1)


def clock_bound(s, changed, lipschitz):
    """How far the wrong clock can have moved each state at most, [200, 20]."""
    e, path = torch.zeros(200, dtype=DOUBLE), []
    for one, other in zip(s.T, changed.T, strict=True):
        e = KAPPA * (torch.exp(lipschitz * torch.minimum(one, other)) * e + SPEED * (one - other).abs())
        path.append(e)
    return torch.stack(path, dim=1)


measured = {}
for label, limit in (("no limit", 0.0), ("lipschitz = 1", 1.0)):
    torch.manual_seed(1)
    flow = build_flow("autonomous", 16, solver="rk4", steps=40, lipschitz=limit).double().requires_grad_(False)
    for parameter in flow.parameters():
        parameter.mul_(8)
    true = states(flow, hours)
    change = (states(flow, wrong) - true).norm(dim=2)
    most = clock_bound(torch.log1p(hours), torch.log1p(wrong), flow.lipschitz_bound())
    others = (true - true.roll(1, dims=0)).norm(dim=2)
    measured[label] = {"wrong clock": change, "its bound": most, "two histories": others}
    print(f"{label}: L is at most {flow.lipschitz_bound():.2f}")
    expect_true("the bound holds, for every history at every event", (change <= most).all())
show_matrix(
    [[one[key][:, -1].median() for key in ("wrong clock", "two histories")] for one in measured.values()],
    list(measured), ["wrong clock", "two histories"],
)  # fmt: skip
for label, one in measured.items():
    print(f"{label}: the median of the bound is about 10^{one['its bound'][:, -1].median().log10():.0f}")
free, limited = measured.values()
expect("lipschitz = 1: distance of two histories", limited["two histories"][:, -1].median(), 0.98, tol=0.05)
expect("a gap of three days multiplies an error by", KAPPA * (1 + 72), 36, tol=0.6)
expect("natural logarithm of two", np.log(2), 0.69, tol=0.005)
expect_true("no limit: median of the bound above 10^20", free["its bound"][:, -1].median() > 1e20)
expect_true("with lipschitz = 1: above a million", limited["its bound"][:, -1].median() > 1e6)
ratios = [
    (one["wrong clock"][:, -1].median() / one["two histories"][:, -1].median()).item() for one in measured.values()
]
expect_true("the change is less than a tenth of the distance of two histories", max(ratios) < 0.1)

# %% id="bound-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
for ax, (label, one) in zip(axes, measured.items(), strict=True):
    for place, (name, values) in enumerate(one.items()):
        style = {"color": plots.PALETTE[place], "marker": plots.MARKERS[place], "ms": 4, "markevery": 3}
        ax.plot(range(2, 21), values.median(dim=0).values[1:], **style, label=name)
    ax.set(yscale="log", title=label, xlabel="event number")
    ax.xaxis.get_major_locator().set_params(integer=True)
axes[0].set_ylabel("distance of two states (median)")
axes[0].legend()
plt.show()

# %% [markdown] id="bound-alt-en" lang="en" tags=["alt"]
# Two panels with a logarithmic axis, distance of two states against the number of the event. The change by the wrong clock soon stays level, below the equally level distance of two histories. The bound starts near the two and rises in a straight line: to more than 10 to the 20 without limit, to more than a million with lipschitz = 1.

# %% [markdown] id="bound-alt-zh" lang="zh" en="799d9064" tags=["alt"]
# 两幅图，纵轴为对数刻度，横轴是事件的序号，画的是两个状态的距离。错误的时间造成的变化很快走平，低于同样平稳的“两段历史的距离”。上界从两者附近出发，沿直线上升：不设限时超过 10 的 20 次方，lipschitz = 1 时超过一百万。

# %% [markdown] id="bound-why-en" lang="en"
# The bound holds, and says nothing. With `lipschitz=1` it would allow the wrong clock to move a state a million units, where two different people stand about one unit apart; the measured change is less than a tenth of their distance. Small changes are an observation here, not a consequence of $L$.
#
# Could a **very** small $L$ give immunity after all? Train to find out, on `last_gap_task` (lesson 08), where the length of the last gap is the whole answer. The field gets `lipschitz=0.01`: in it hardly any two states part. Then scramble the gaps of every test sequence.

# %% [markdown] id="bound-why-zh" lang="zh" en="3873173e"
# 上界成立，却没有提供任何信息。用 `lipschitz=1` 时，它允许错误的时间使状态偏离一百万个单位，而两个不同的人相距只有大约一个单位；实测的变化还不到他们距离的十分之一。变化小，在这里是观察到的事实，并不是 $L$ 的推论。
#
# 那么，**非常**小的 $L$ 总能带来免疫吧？训练一下就知道：在 `last_gap_task`（第 08 课）上，最后一个间隔的长短就是全部答案。场用 `lipschitz=0.01`：在这样的场里，几乎没有哪两个状态会分开。然后把每条测试序列的间隔打乱。


# %% id="immune-code" tags=["training", "nbval-ignore-output"]
def last_states(model, items, times, query_times):
    return model(items, times, query_times)[torch.arange(len(items)), (items > 0).sum(dim=1) - 1]


def learn(seed):
    options = {"solver": "euler", "query_time": True, "lipschitz": 0.01, "dropout": 0.0}
    model = build_model("deepm3", num_items=12, max_len=8, dim=16, seed=seed, **options)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(120):
        *inputs, answer = last_gap_task(64, 8, seed=1000 * seed + step)
        loss = full_softmax(last_states(model, *inputs), model.item_embedding.weight, answer)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def shuffle_gaps(items, times, query_times):
    """The gaps after each event, the one up to the question included, in random order; pads stay where they are."""
    keys = torch.rand(items.shape, generator=torch.Generator().manual_seed(7))
    gaps = (query_times - times).gather(1, torch.where(items > 0, keys, 2).argsort(dim=1))
    moved = times[:, :1] + F.pad(gaps.cumsum(dim=1), (1, 0))[:, :-1]
    return items, moved, moved + gaps


*inputs, answer = last_gap_task(2000, 8, seed=99_999)
models, right = [learn(seed) for seed in progress_bar(range(5), "seed")], {}  # right: bool [5 seeds, 2000]
for label, test in (("true", inputs), ("scrambled", shuffle_gaps(*inputs))):
    with torch.no_grad():
        best = [model.score(last_states(model, *test)).argmax(dim=1) for model in models]
    right[label] = torch.stack([choice == answer for choice in best]).double().numpy()
    print(f"{label:10s} right answers {bootstrap_interval(right[label])}")

# %% id="immune-check"
steepest = max(model.flow.lipschitz_bound() for model in models)
expect_true("the bound of 0.01 is kept", steepest < 0.01 + 1e-6)
expect_true("every seed right in more than 0.95", right["true"].mean(axis=1).min() > 0.95)
expect("scrambled: right answers", right["scrambled"].mean(), 0.62, tol=0.03)
loss = paired_bootstrap(right["true"], right["scrambled"])
expect_true("it loses more than 0.3, interval above", loss.low > 0.3)

# %% [markdown] id="immune-why-en" lang="en"
# With a Lipschitz constant of 0.01 the model solves the task, every seed in more than 95 % of the cases, and under scrambled gaps it falls to 62 %, as far as everybody falls who believes the clock (lesson 17). Its field is nearly constant: all states drift alike, and how far they have drifted tells how long the gap was. So the clock is read through the speed, and the Lipschitz constant has nothing to do with it. Immune would be a field that moves nothing over the gaps it meets: $V = 0$, or an attractor of which several half-lives have passed in every gap, so that each state has long arrived. Neither of them can read the clock.

# %% [markdown] id="immune-why-zh" lang="zh" en="9dc20fe4"
# 利普希茨常数只有 0.01 的模型解出了任务，每个种子答对的都超过 95%；间隔一打乱，就跌到 62%，凡是依赖时间信息的模型都会跌这么多（第 17 课）。它的场几乎是恒定的：所有状态一起漂移，漂了多远就说明间隔有多长。可见时间信息是通过速度读出来的，与利普希茨常数无关。要做到免疫，场就不能在所遇到的间隔里移动状态：要么 $V = 0$，要么是一个吸引子，每段间隔都已过去好几个半衰期，状态早已到达终点。这两种都读不出时间。

# %% [markdown] id="dials-en" lang="en" tags=["predict"]
# ## Sensitive to what else: the settings
#
# A model is also sensitive to its **hyper-parameters**: learning rate, weight decay, depth. How much, one asks by a *sweep*: move one setting, leave the others, and see how far the score falls below its best. Three committed grids hold such sweeps: the rates of lesson 18, the twelve settings of MF (three rates, four decays), and SASRec and TiSASRec with 2, 4 and 8 blocks.
#
# **Predict.** At the rate 0.003 the four decays change MF's validation score on `sample` by 5 %. A colleague concludes that MF is not sensitive to the decay. What is it at the rate 0.03: less, about the same, or more than 20 %? And does tuning one setting after the other end at the best of the twelve?

# %% [markdown] id="dials-zh" lang="zh" en="d7dca239" tags=["predict"]
# ## 还对什么敏感：超参数
#
# 模型对**超参数**（hyper-parameter）也会敏感，例如学习率、权重衰减、深度。敏感到什么程度，可以用**扫描**（sweep）来问：改变一个设置，其余不变，看得分比最好的低多少。仓库中保存的三张网格里就有这样的扫描：第 18 课的学习率，MF 的十二种设置（三种学习率、四种权重衰减），以及 2、4、8 个块的 SASRec 和 TiSASRec。
#
# **猜一猜。** 学习率为 0.003 时，四种权重衰减使 MF 在 `sample` 上的验证分数相差 5%。一位同事由此断定 MF 对权重衰减不敏感。学习率为 0.03 时相差多少：更少，差不多，还是超过 20%？如果一次只调一个设置，能不能得到十二种里最好的？

# %% id="dials-code"
def committed(name, value, **columns):
    """A committed table with settings as columns; columns: name -> the key in its configuration."""
    table = read_results(name).fillna({"options": ""})
    config = [json.loads(text)["config"] for text in table["configuration"]]
    return table.assign(**{c: [one[key] for one in config] for c, key in columns.items()}, score=table[value])


def fall(scores):
    """How far the worst lies below the best, as a share of the best."""
    return 1 - scores.min() / scores.max()


rates = committed("sample_temporal_grid", "valid_ndcg@10", rate="learning_rate").query("loss == 'ce'")
grids = {
    data: committed(f"mf_grid_{data}", "valid_ndcg@10", rate="learning_rate", decay="weight_decay")
    .query("model == 'mf'")
    .pivot(index="rate", columns="decay", values="score")
    for data in ("sample", "ml-100k")
}
depth = committed("depth_sample_temporal", "ndcg@10", seed_of="seed")
depth["blocks"] = depth["options"].str.extract(r"blocks=(\d)")[0].fillna("2").astype(int)  # 2 is the default
by_depth = depth.groupby(["model", "blocks"])["score"].agg(["mean", "std"])
swept = {
    "learning rate, GRU": fall(rates[rates["model"] == "gru4rec"]["score"]),
    "learning rate, SASRec": fall(rates[rates["model"] == "sasrec"]["score"]),
    "decay, MF at rate 0.003": fall(grids["sample"].loc[0.003]),
    "decay, MF at rate 0.03": fall(grids["sample"].loc[0.03]),
    "blocks, SASRec": fall(by_depth.loc["sasrec", "mean"]),
    "blocks, TiSASRec": fall(by_depth.loc["tisasrec", "mean"]),
}
show_matrix(np.array(list(swept.values()))[:, None], list(swept), ["share lost"])
wanted = [0.49, 0.04, 0.05, 0.28, 0.10, 0.19]
expect_close("the six sweeps", list(swept.values()), wanted, tol=0.006)
films = grids["ml-100k"]
after_decay = films[films.loc[0.003].idxmax()]  # the decay first, at the lowest rate; then the rate
after_rate = films.loc[films[0.0].idxmax()]  # the rate first, without decay; then the decay
expect("MF on MovieLens 100K, the best of twelve", films.to_numpy().max(), 0.071, tol=0.0005)
expect("decay first, then rate", after_decay.max(), 0.067, tol=0.0005)
expect("rate first, then decay", after_rate.max(), 0.070, tol=0.0005)
expect("SASRec, 8 blocks: deviation between seeds", by_depth.loc[("sasrec", 8), "std"], 0.009, tol=0.0005)

# %% [markdown] id="dials-why-en" lang="en"
# 28 %. The same sweep, five times the fall: at a low rate MF does not overfit in 20 epochs, and a decay has nothing to do. So *not sensitive* is a sentence about the place where the other settings stood. For the same reason the order counts. On MovieLens 100K, tuning the decay first, at the lowest rate, and then the rate ends at 0.067; the other way round it ends at 0.070; the best of the twelve has 0.071.
#
# A sweep that one may believe says four things: the range tried, where the other settings stood, the fall, and what seeds do. Eight blocks cost SASRec 10 % and TiSASRec 19 %, but in **five** epochs, and at eight blocks seeds alone differ by 0.009: it shows that deep networks learn slowly here, not that depth is bad. Sensitivity is a cost like latency: a GRU that loses 49 % at a wrong rate needs a tuner, where SASRec with the full softmax loses 4 %.

# %% [markdown] id="dials-why-zh" lang="zh" en="fcc6e605"
# 是 28%。同样的扫描，下降是原来的五倍：学习率低的时候，MF 在 20 轮里还没有过拟合，权重衰减也就没有作用。因此“不敏感”只在其他设置所处的位置上成立。由于同样的原因，调参的次序也有影响。在 MovieLens 100K 上，先在最低的学习率下调权重衰减、再调学习率，得到 0.067；次序反过来，得到 0.070；而十二种里最好的是 0.071。
#
# 可信的扫描要说明四点：试过的范围、其他设置所处的位置、下降多少，以及种子之间相差多少。八个块使 SASRec 损失 10%，使 TiSASRec 损失 19%，但这只训练了**五**轮，而且八个块时仅种子之间就相差 0.009。它说明的是深的网络在这里学得慢，而不是深度不好。敏感性与延迟一样也是代价：在不合适的学习率下损失 49% 的 GRU 必须调参，而用完整 softmax 的 SASRec 只损失 4%。

# %% [markdown] id="tables-en" lang="en"
# ## The tables
#
# Now the evidence: every model of the course, under the same seeded corruptions, on every data set on which the suite has run. First what each table says in sentences, computed by the stages themselves. (The line of a data set without times can only speak of the order.)

# %% [markdown] id="tables-zh" lang="zh" en="1cbea21b"
# ## 结果表
#
# 现在来看证据：课程里的每个模型，相同种子的相同破坏，实验套件跑过的每份数据。先看每张表用句子怎么说，句子由各阶段自己算出来。（没有时间的数据只能谈顺序。）

# %% id="tables-code" tags=["nbval-ignore-output"]
found = {"sensitivity": {}, "robustness": {}}  # stage: {name of the data: table}
for name in suite_names():
    print(f"\n{name}, {read_suite(name, 'stability', 'models')['seeds'].max()} seeds")
    for stage, module in (("sensitivity", sensitivity), ("robustness", robustness)):
        try:
            table = read_suite(name, stage, stage)
        except TutorialError:
            print(f"  {stage}: this stage was left out")
            continue
        print(*(f"  {sentence}" for sentence in module.verdict({stage: table})), sep="\n")
        if len(table) and table["twin"].notna().any():  # a data set with times
            found[stage][name] = table

# %% [markdown] id="forest-en" lang="en"
# **Who has a battery?** The change of each time-aware model when the gaps of the test histories are shuffled, orange where the clean model beats its twin.

# %% [markdown] id="forest-zh" lang="zh" en="be20e3b8"
# **谁有电池？** 测试历史的间隔打乱之后，每个时间感知模型的变化；干净数据上胜过对照模型的用橙色。

# %% id="forest-picture" tags=["picture", "nbval-ignore-output"]
rows = []
for name, table in found["sensitivity"].items():
    lead = read_suite(name, "significance", "gains").set_index("model")["seeds_low"]  # over the twin, lower end
    part = table.query("condition == 'gaps shuffled' and twin.notna()")
    rows.append(part.assign(data=name.replace("_", "\n", 1), uses_time=part["model"].map(lead) > 0))
if rows:
    label = "change of NDCG@10 with shuffled gaps (95 % interval; orange: beats its twin)"
    display(forest(pd.concat(rows), "delta", label, panels="data", bold="uses_time"))

# %% [markdown] id="forest-alt-en" lang="en" tags=["alt"]
# A panel for each data set with times, a row for each time-aware model, with points and 95 % intervals: the change of NDCG@10 when the gaps are shuffled. A line marks 0. In the panel of sample two rows lie far to the left, the attractor and the gap as a feature, both told the query time and both orange; most others lie on or near 0.

# %% [markdown] id="forest-alt-zh" lang="zh" en="8d64eda9" tags=["alt"]
# 每份有时间的数据一幅图，每个时间感知模型一行，点和 95% 区间表示间隔打乱后 NDCG@10 的变化，竖线标出 0。在 sample 那幅里，有两行远在左边：吸引子和以间隔为特征的，两者都输入了查询时刻，都是橙色；其余大多在 0 上或 0 附近。

# %% [markdown] id="quadrants-en" lang="en"
# **And who is robust?** The table of two questions as a picture. To the right: the lead of the clean model over its twin. Upwards: the change under jitter of strength 1, where a typical gap is wrong by a factor of $e$. It counts as a loss only when the whole interval lies below 0.

# %% [markdown] id="quadrants-zh" lang="zh" en="b93f63ee"
# **谁又是鲁棒的？** 把两个问题的表画成图。向右：干净时领先对照模型多少。向上：强度为 1 的抖动之下的变化，这时一个典型的间隔会错 $e$ 倍。整个区间都在 0 以下，才算有损失。

# %% id="quadrants-picture" tags=["picture", "nbval-ignore-output"]
if found["robustness"]:
    rows = (len(found["robustness"]) + 2) // 3
    fig, axes = plt.subplots(rows, 3, figsize=(11, 3.5 * rows), squeeze=False)
    for ax in axes.flat[len(found["robustness"]) :]:
        ax.axis("off")
    for ax, (name, table) in zip(axes.flat, found["robustness"].items(), strict=False):
        part = table.query("corruption == 'jitter 1'")
        for row in part.to_dict("records"):
            color = plots.ORANGE if row["uses_time"] else plots.BLUE
            ax.plot([row["gain_low"], row["gain_high"]], [row["delta"]] * 2, color=color, lw=1, alpha=0.7)
            ax.plot([row["gain"]] * 2, [row["delta_low"], row["delta_high"]], color=color, lw=1, alpha=0.7)
            ax.plot(row["gain"], row["delta"], "D" if row["uses_time"] else "o", color=color, ms=4)
        ax.axhline(0, color="black", lw=1)
        ax.axvline(0, color="black", lw=1)
        for x, y, text in ((0, 1, "no battery"), (1, 1, "robust"), (0, 0, "in vain"), (1, 0, "fragile")):
            place = {"transform": ax.transAxes, "ha": ("left", "right")[x], "va": ("bottom", "top")[y]}
            ax.text(x, y, f" {text} ", **place, fontsize=8, color="0.35")
        ax.set(title=name, xlabel="lead over the twin (NDCG@10)")
        ax.locator_params(nbins=4)
    for ax in axes[:, 0]:
        ax.set_ylabel("change under jitter 1 (NDCG@10)")
    plt.show()

# %% [markdown] id="quadrants-alt-en" lang="en" tags=["alt"]
# A panel for each data set with times; every time-aware model is a point with two intervals, the lead over its twin to the right, the change under jitter upwards; lines at 0 make four fields, no battery, robust, in vain and fragile. In sample two orange points lie far to the right, close below the line of no change; all blue ones have intervals of the lead that reach 0 or below.

# %% [markdown] id="quadrants-alt-zh" lang="zh" en="a9c70515" tags=["alt"]
# 每份有时间的数据一幅图；每个时间感知模型是一个带两个区间的点，向右是比对照模型领先多少，向上是抖动之下的变化；0 处的两条线分出四块：no battery（没有电池）、robust（鲁棒）、in vain（读了但无收益）、fragile（脆弱）。在 sample 里，两个橙色的点远在右边，紧挨着“没有变化”线的下方；所有蓝点的领先区间都碰到 0 或在 0 以下。

# %% id="tables-check"
for name, table in found["sensitivity"].items():
    blind = table[table["twin"].isna() & table["condition"].str.startswith("gaps")]
    expect_true(f"{name}: without a clock, a destroyed clock changes nothing, exactly", (blind["delta"] == 0).all())
if "sample" in found["robustness"]:
    shuffled = found["sensitivity"]["sample"].query("condition == 'gaps shuffled'").set_index("model")
    losers = shuffled["delta"].nsmallest(2).index
    TOLD = {"deepm3-attractor+query", "deepm3-gap+query"}
    expect_true("sample: these two lose most when gaps are shuffled, both told the query time", set(losers) == TOLD)
    lost = shuffled.loc[losers]
    expect_true("each more than 0.01, interval below 0", ((lost["delta"] < -0.01) & (lost["delta_high"] < 0)).all())
    spoilt = found["robustness"]["sample"].set_index(["corruption", "model"])
    expect_true(
        "and both beat their twin when nothing is spoilt", spoilt.loc["jitter 0.5", "uses_time"][list(TOLD)].all()
    )
    mild = spoilt.loc["jitter 0.5"].loc[list(TOLD)]
    expect_true("under jitter 0.5 they lose less than 0.005", (mild["delta"] > -0.005).all())
    expect_true("and are still ahead of their twin", (mild["gain_left_low"] > 0).all())
    expect("a typical factor of jitter 0.5", np.exp(0.5), 1.65, tol=0.005)
    published = spoilt.xs("deepm3-published", level="model")
    expect_true("the published form, without query time, does not beat its twin", not published["uses_time"].any())
    fewer = spoilt.loc["dropped 0.3"]
    expect_true("three events in ten lost: every twin loses, too", (fewer["twin_delta_high"] < 0).all())

idle = found["robustness"]["control"]
expect_true("control: none of the 16 beats its twin", idle["model"].nunique() == 16 and not idle["uses_time"].any())
reads = found["sensitivity"]["control"].query("condition == 'gaps shuffled' and delta_high < 0")
expect_true("and one loses when gaps are shuffled, the attractor", list(reads["model"]) == ["deepm3-attractor+query"])
expect_true("not significantly after Holm's correction", reads["p_holm"].item() > 0.05)

real = [name for name in found["sensitivity"] if name not in ("sample", "control")]
for name in real:
    gains = read_suite(name, "significance", "gains")
    expect_true(
        f"{name}: nobody beats the twin after Holm's correction", not (gains["significant"] & (gains["gain"] > 0)).any()
    )
movies = found["sensitivity"]["ml-100k_leave_last_out"].query("condition == 'gaps shuffled' and delta_high < 0")
expect_true("MovieLens 100K: three models lose when gaps are shuffled", len(movies) == 3)
doubtful = read_suite("ml-100k_leave_last_out", "significance", "gains").set_index("model")
ahead = set(doubtful.index[doubtful["seeds_low"] > 0])
expect_true(
    "only one of them is orange, the gap as a feature", ahead & set(movies["model"]) == ahead == {"deepm3-gap+query"}
)
expect("where its lead begins", doubtful.loc["deepm3-gap+query", "seeds_low"], 0.0001, tol=0.00005)
expect("its p after Holm", doubtful.loc["deepm3-gap+query", "p_holm"], 0.096, tol=0.002)
shop = found["sensitivity"]["amazon-grocery_temporal"].query("condition == 'gaps shuffled' and delta_high < 0")
expect_true(
    "Amazon Grocery: only the attractor loses when gaps are shuffled", list(shop["model"]) == ["deepm3-attractor+query"]
)
expect("a tenth of its score", -shop["delta"].item() / shop["clean"].item(), 0.1, tol=0.02)
rivals = read_suite("amazon-grocery_temporal", "significance", "gains").set_index("model")
lead = rivals.loc["deepm3-attractor+query"]
expect_true("and the interval of its lead contains 0", lead["seeds_low"] < 0 < lead["seeds_high"])

# %% [markdown] id="tables-why-en" lang="en"
# Read `sample` first, because there we know that the clock is worth something (lesson 17).
#
# - **Destroyed.** Every model without a clock changes by exactly 0. The two that lose most, each more than 0.01, are those that are told the query time in the plainest way: the attractor and the gap as a feature. They have a battery, and clean they beat their twin.
# - **Disturbed.** The same two lose less than 0.005 under jitter of strength 0.5, where gaps are wrong by a typical factor of 1.65, and stay ahead of their twin. That is what *robust* may mean. It is no wonder of architecture: what counts is whether somebody was away for minutes or for days, and a factor of 1.65 does not make days of minutes.
# - **Lost events** are another matter. With three in ten lost, every blind twin loses as well. It is the history that is missing, and not the clock.
# - **The published form**, which is not told the query time, does not beat its twin. Whatever it loses or does not lose under noise, it is the detector without a battery.
#
# Then `control`, the same world with a clock that is worth nothing. None of the 16 beats its twin there, as it must be. Yet the attractor loses when the gaps are shuffled: a detector with a battery, in a house where nothing burns. (One of sixteen, and not after Holm's correction; it may be chance.) So a loss under a destroyed clock never shows that the clock is worth something, only that it was read.
#
# Now the **real data**. On none of them does a time-aware model beat its twin after the correction for so many comparisons (lesson 20). On MovieLens 100K, with the last item left out, three models lose when the gaps are shuffled, so they do read the clock. For two of them that is *in vain*: what they read does not put them ahead. The third, the gap as a feature, is orange: the interval of its lead begins at 0.0001. But it is one of ten, and its $p$ after the correction is 0.096, so this lead is a hint and not yet a fact. On Amazon Grocery one of ten loses, the attractor, a tenth of its score, and it reads in vain as well. Where there is no sure lead, the question *who is robust?* has no sure answer, however small the losses are.
#
# Mind one thing about *no significant loss*: an interval that reaches 0 does not prove that nothing is lost, only that these users and seeds cannot show it. Look at its lower end, and compare that with the lead.

# %% [markdown] id="tables-why-zh" lang="zh" en="c69ad30a"
# 先看 `sample`，因为我们知道时间信息在那里是有价值的（第 17 课）。
#
# - **抹去。** 不带时间信息的模型，变化都恰好是 0。损失最多的两个，各自都超过 0.01，正是以最直接的方式输入查询时刻的那两个：吸引子，以及以间隔为特征的模型。它们有电池，干净时也胜过对照模型。
# - **扰动。** 同样是这两个，在强度 0.5 的抖动之下（间隔一般会错 1.65 倍），损失不到 0.005，仍然领先对照模型。**鲁棒**可以是这个意思。这并不是架构的功劳：重要的是人离开了几分钟还是几天，而错 1.65 倍，几分钟也不会变成几天。
# - **丢失事件**是另一回事。十个事件丢三个，无时间信息的对照模型也全都有损失。缺的是历史，而不是时间信息。
# - **论文的形式**没有输入查询时刻，也没有胜过对照模型。无论它在噪声下有没有损失，都是那个没有电池的报警器。
#
# 接着看 `control`，即时间信息毫无价值的同一个世界。16 个模型没有一个胜过对照模型，理应如此。可是间隔打乱之后，吸引子却有损失：报警器有电池，只是屋里没有着火。（十六个里只有这一个，Holm 校正之后也不显著，可能只是偶然。）因此，抹去时间信息带来的损失并不能说明时间信息有价值，只能说明模型读了它。
#
# 再看**真实数据**。校正了这么多次比较之后（第 20 课），在任何一份数据上都没有时间感知模型胜过自己的对照模型。在留出最后一个物品的 MovieLens 100K 上，间隔打乱后有三个模型有损失，可见它们确实在读时间。其中两个**读了但没有收益**：读到的信息没有让它们领先。第三个是以间隔为特征的模型，是橙色的：它领先幅度的区间从 0.0001 起。但它是十个里的一个，校正后 $p$ 是 0.096，因此这点领先只是线索，还不是事实。在 Amazon Grocery 上，十个里有一个有损失，就是吸引子，下降了得分的十分之一，也是读了但没有收益。如果领先本身都不可靠，“谁更鲁棒”也就没有可靠的答案，无论损失有多小。
#
# 关于“没有显著损失”，还有一点要注意：区间碰到 0，并不证明没有任何损失，只说明这些用户和种子看不出来。要看区间的下端，再与领先的幅度比较。

# %% [markdown] id="claims-en" lang="en"
# **Two claims.** *Under time noise it loses next to nothing while others collapse*: the comparison behind it cannot show that. Its only rival had no clock, so under time noise that rival loses exactly 0 and cannot collapse; and a model with the announced virtue has to beat its own twin first. *Lipschitz-bounded, therefore immune to scrambled time*: the bound was not kept by a tanh, it would say nothing if it were, and a model that is immune to scrambled time uses no time. What each data set has to say in numbers stands in the sentences and pictures above; lesson 23 collects the verdicts.

# %% [markdown] id="claims-zh" lang="zh" en="5b75634c"
# **两条主张。** “时间噪声下几乎没有损失，别的模型却崩溃”：它所依据的比较不能说明这一点。唯一的对手不使用时间信息，所以在时间噪声下损失恰好是 0，根本不可能崩溃；而真正有这种优点的模型，首先要胜过自己的对照模型。“利普希茨有界，因此对打乱的时间免疫”：tanh 并没有保证这个界；即使保证了，它也不提供任何信息；而对打乱的时间免疫的模型，就是没有用到时间。各份数据的具体数值都在上面的句子和图里，第 23 课会汇总这些判定。

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **19.1 Implement · basic.** Jitter for one user. `jitter_times(times, factors)`: `times` int64 [L] unix seconds in order, `factors` [L − 1], one for each gap. Multiply the gaps, round each to a whole second, rebuild the clock. Return int64 [L]; leave `times` as they are.

# %% [markdown] id="exercise1-zh" lang="zh" en="e9fdbf94" tags=["exercise"]
# ## 练习
#
# **19.1 实现 · 基础。** 一位用户的抖动。`jitter_times(times, factors)`：`times` 是按次序排好的 int64 [L] unix 秒，`factors` [L − 1]，每个间隔一个因子。把间隔乘上因子，各自四舍五入到整秒，再重建时间戳。返回 int64 [L]；不要改动 `times`。


# %% id="exercise1-code" tags=["exercise"]
def jitter_times(times, factors):
    """times int64 [L], factors [L - 1] -> int64 [L]."""
    ...


lesson19.check_jitter_times(jitter_times)


# %% id="exercise1-solution" tags=["solution"]
# Solution

def jitter_times(times, factors):
    gaps = np.rint(np.diff(times) * factors).astype(np.int64)
    return times[0] + np.append(0, np.cumsum(gaps))


lesson19.check_jitter_times(jitter_times)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **19.2 Debug · core.** This function was meant to lose events. It has three faults. Write it anew, as `lose_events(items, times, share, seed)`: draw one number between 0 and 1 for each event with `np.random.default_rng(seed).random(L)`; an event stays if its number is at least `share`, and the last event always stays. Return the items and the times of those that stay.
#
# ```python
# def lose_events(items, times, share):
#     lost = np.random.random(len(times)) < share
#     times[lost] = 0
#     return items, times
# ```

# %% [markdown] id="exercise2-zh" lang="zh" en="402c4738" tags=["exercise"]
# **19.2 调试 · 进阶。** 下面的函数本想丢失一些事件，却有三处错误。请重写成 `lose_events(items, times, share, seed)`：用 `np.random.default_rng(seed).random(L)` 给每个事件抽一个 0 到 1 之间的数；不小于 `share` 的事件留下，最后一个事件总是留下。返回留下的事件的物品和时间。
#
# ```python
# def lose_events(items, times, share):
#     lost = np.random.random(len(times)) < share
#     times[lost] = 0
#     return items, times
# ```


# %% id="exercise2-code" tags=["exercise"]
def lose_events(items, times, share, seed):
    """items, times int64 [L] -> items, times int64 [K] of the events that stay."""
    ...


lesson19.check_lose_events(lose_events)


# %% id="exercise2-solution" tags=["solution"]
# Solution

def lose_events(items, times, share, seed):
    # the faults: unseeded, so every model loses other events; in place, so the next model loses even more;
    # and a time of 0 is not a lost event: it makes gaps of fifty years
    stays = np.random.default_rng(seed).random(len(times)) >= share
    stays[-1] = True
    return items[stays], times[stays]


lesson19.check_lose_events(lose_events)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **19.3 Predict · stretch.** Let all gaps be alike: the shorter of the two durations is always $m$, and the wrong one is off by `error`. Where does the bound $e_i$ go after very many events? Write `settled_bound(m, error, lipschitz, speed, kappa)`: the number at which it settles, `math.inf` (or `np.inf`) where it grows without end. You need no loop: at rest the bound is the same before and after an event. All arguments but `lipschitz` are above 0.

# %% [markdown] id="exercise3-zh" lang="zh" en="00e23f1f" tags=["exercise"]
# **19.3 预测 · 挑战。** 设所有间隔都一样：两个时长中较短的总是 $m$，错误的时长与它相差 `error`。经过非常多的事件之后，上界 $e_i$ 趋向哪里？写出 `settled_bound(m, error, lipschitz, speed, kappa)`：返回它稳定下来的数值；如果它无限增长，返回 `math.inf`（或 `np.inf`）。不需要循环：稳定时，上界在一个事件前后相同。除 `lipschitz` 外，所有参数都大于 0。

# %% id="exercise3-code" tags=["exercise"]
def settled_bound(m, error, lipschitz, speed, kappa):
    """Duration, error of the duration, L, V, kappa -> the limit of the bound, or infinity."""
    ...


lesson19.check_settled_bound(settled_bound)

# %% id="exercise3-solution" tags=["solution"]
# Solution

def settled_bound(m, error, lipschitz, speed, kappa):
    share = kappa * np.exp(lipschitz * m)  # what is left of an error after one more event
    return kappa * speed * error / (1 - share) if share < 1 else np.inf  # e = share * e + kappa * speed * error


lesson19.check_settled_bound(settled_bound)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **19.4 Think · core.** Five makers send you the table that the next cell prints: changes of NDCG@10 in thousandths, with the ends of 95 % intervals. (Made up for this exercise.) *Lead*: over what the maker calls its twin. *Destroyed*: gaps shuffled. *Disturbed*: jitter. Give each a verdict: `"robust"`, `"fragile"`, `"in vain"` or `"no battery"`.

# %% [markdown] id="exercise4-zh" lang="zh" en="862af1a5" tags=["exercise"]
# **19.4 思考 · 进阶。** 五家厂商寄来了下一个单元格打印的表：NDCG@10 的变化，以千分之一为单位，并给出 95% 区间的两端。（数字是为本题编的。）*lead*：比厂商自称的对照模型领先多少。*destroyed*：间隔打乱。*disturbed*：抖动。请给出每一家的判定：`"robust"`（鲁棒）、`"fragile"`（脆弱）、`"in vain"`（读了时间但没有收益）或 `"no battery"`（没有电池）。

# %% id="exercise4-code" tags=["exercise"]
sent = {
    "A": [12, 28, -25, -11, -3, 1],
    "B": [-4, 6, 0, 0, 0, 0],
    "C": [20, 40, 0, 0, 0, 0],
    "D": [-10, 2, -18, -6, -12, -4],
    "E": [8, 22, -23, -9, -18, -6],
}
ends_of = [f"{what} {end}" for what in ("lead", "destroyed", "disturbed") for end in ("low", "high")]
show_matrix(list(sent.values()), list(sent), ends_of)
verdicts = ...  # such as {"A": "in vain", "B": "in vain", ...}, one for each maker

lesson19.check_verdicts(verdicts)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# A beats its twin, reacts to the destroyed clock, and jitter costs nothing that could be shown. B: nothing ever moves.
# C leads, but over a wrong twin: with the clock destroyed nothing moves, so the lead is not the clock's.
# D reacts to the clock, and clean it gains nothing by it. E uses it, and jitter hurts.
verdicts = {"A": "robust", "B": "no battery", "C": "no battery", "D": "in vain", "E": "fragile"}

lesson19.check_verdicts(verdicts)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** Six ways of spoiling a clock were ours; the world knows more: phones in the wrong time zone, imports that stamp a whole history with one second, a logger that loses whole sittings. Choose one that could happen to you, write it as a function of `split` beside `corrupt` (gaps, then the clock rebuilt, seeded), and ask both questions with the trained models of *The machinery, live*. A good report holds the change of each model with its interval, the lead over the twin that is left, a picture like the last one, and a doubt: does your corruption disturb the clock, or does it destroy it?

# %% [markdown] id="open-zh" lang="zh" en="14054bbd" tags=["open"]
# **开放任务。** 这六种破坏是我们选的，现实中还有更多：时区设错的手机，给整段历史打上同一秒时间戳的导入程序，丢失整个会话的日志系统。选一种你可能遇到的，把它写成 `corrupt` 那样作用于 `split` 的函数（改动间隔，再重建时间戳，固定种子），用“实际运行”一节训练好的模型问这两个问题。好的报告包含每个模型的变化及其区间、还剩多少对对照模型的领先、一张像最后那样的图，以及一点疑问：你的破坏是扰动了时间信息，还是抹去了它？

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "corruption": ...,  # what it does to the clock, and where it happens
    "changes": ...,  # {model: (mean, low, high)} of spoiled - clean
    "lead_left": ...,  # lead over the twin under the spoiled clock: mean, low, high
    "picture": ...,  # the figure, with a label on each axis
    "doubt": ...,  # what you doubt, in a sentence or two
}
lesson19.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## The detector, answered
#
# Is the detector without a battery robust? It is undisturbed, and that is another thing. To call it robust you must have seen it go off: in smoke, and earlier than the neighbour's wall without a detector would have told you. Then, and only then, silence in steam is a virtue.
#
# For a model the smoke is a destroyed clock, the wall is its twin, and the steam is jitter. A loss of 0.36 % is the silence; nobody had shown the smoke. <!-- literature -->

# %% [markdown] id="answer-zh" lang="zh" en="8e4d2cb4"
# ## 回答开头的问题
#
# 没有电池的报警器鲁棒吗？它是不受惊动，那是另一回事。要说它鲁棒，你得先见过它响：在烟里响，而且比没装报警器的邻居家那面墙更早告诉你。只有这样，在蒸汽里保持安静才算优点。
#
# 对模型来说，烟就是抹去时间信息的测试，墙就是它的对照模型，蒸汽就是抖动。0.36% 的损失只是那份安静；没有人放过烟。<!-- literature -->

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. Corrupt gaps and rebuild the clock; noise on times breaks the order, and a zeroed time makes gaps of fifty years.
# 2. Destroy the clock to see whether a model uses it; disturb the clock to see whether it is robust. A small loss means opposite things in the two.
# 3. A small loss counts only where the clean model beats the same model without its clock; a wrong twin fools this test, a destroyed clock does not.
# 4. A wrong clock enters through the speed of a state. The Lipschitz constant bounds what becomes of it, so loosely that over long gaps it says nothing.
# 5. In `sample` the models that use the clock most lose most when it is destroyed, and little under jitter. How sensitive a model is to one setting depends on where the others stand.

# %% [markdown] id="summary-zh" lang="zh" en="496c5380" tags=["summary"]
# ## 小结
#
# 1. 改动间隔，再重建时间戳；给时间加噪声会破坏顺序，把时间改成零会造出五十年的间隔。
# 2. 抹去时间信息，看模型有没有用到它；扰动时间信息，看模型是否鲁棒。同样是损失小，在两种测试里含义相反。
# 3. 只有干净时胜过“去掉时间信息的同一个模型”，损失小才有意义；选错对照模型能骗过这个测试，却骗不过抹去时间信息的测试。
# 4. 错误的时间通过状态的速度进入。利普希茨常数限制它此后的放大，但间隔一长，这个界就宽松得没有意义。
# 5. 在 `sample` 里，使用时间信息最多的模型，抹去时损失最多，抖动时损失很少；对超参数的敏感性则取决于其他超参数所处的位置。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> Gaps of 5, 60 and 3 minutes lead from A at 12:00 to the question. Which time does the question get under shuffled gaps, and under gaps that are all an hour?</summary>
#
# 13:08 under shuffled gaps, for the sum stays; 15:00 under constant ones. So a model that is told only the hour of the question sees no change in the first case.
#
# </details>
#
# <details><summary><b>2.</b> A model changes by exactly 0 under shuffled gaps, and its lead over its "twin" is 0.03. What is the lead made of?</summary>
#
# Of anything but the clock: the twin is another model (fewer layers, other inputs). The twin must be the same model without its clock.
#
# </details>
#
# <details><summary><b>3.</b> Which field of the table: lead [−0.002, 0.004], shuffled gaps [−0.009, −0.003], jitter [−0.006, −0.001]? And what may you not say about it?</summary>
#
# It reads the clock and gains nothing by it (in vain). You may not call it fragile: it has no sure lead that it could lose.
#
# </details>
#
# <details><summary><b>4.</b> `times[rng.random(L) < 0.2] = 0` runs on the array of the data set, before each of four models. What share of the times is 0 for the fourth, and what else is wrong?</summary>
#
# 1 − 0.8⁴ = 0.59. It works in place, so the models see different data; and a zeroed time is no lost event but two gaps of some fifty years.
#
# </details>
#
# <details><summary><b>5.</b> Noise of ± 10 minutes is added to the times of events 4 minutes apart and then sorted. Why can the loss of NDCG not be read as sensitivity to time?</summary>
#
# Neighbours change places, so the order is destroyed as well. Put the noise on the gaps: then nothing can overtake.
#
# </details>
#
# <details><summary><b>6.</b> κ = 0.5 and L = 0.5, durations ln(1 + hours). Up to which gap does the bound settle?</summary>
#
# 0.5 · e^{0.5 m} < 1 means m < 2 ln 2 = 1.39, so 1 + hours < 4: gaps up to three hours.
#
# </details>
#
# <details><summary><b>7.</b> A field has L = 0 and moves every state by 1 an hour. Is a model built on it immune to a gap of 10 hours that is read as 6? And what would the bound say?</summary>
#
# No: the state is 4 units off before the jump, and the bound says so, too, V · |s − s′| = 4. L = 0 only means that this error does not grow.
#
# </details>
#
# <details><summary><b>8.</b> With jitter of strength 1 a model loses 0.002 [−0.006, 0.001] of a lead of 0.003. The maker writes: no significant loss, so robust. Your answer?</summary>
#
# The interval allows a loss of 0.006, twice the lead. It shows that the loss cannot be seen, not that it is small; ask for the lead that is left, with its interval.
#
# </details>
#
# <details><summary><b>9.</b> A sweep of dropout at learning rate 0.0003, three epochs, changes a model by 1 %. What do you predict at 0.01 and thirty epochs?</summary>
#
# Possibly much more: at a low rate and few epochs nothing overfits yet, so dropout has nothing to do. Sensitivity holds for the place of the other settings, as with MF, 5 % against 28 %.
#
# </details>
#
# <details><summary><b>10.</b> You must report the sensitivity of a new model to two settings with twelve trainings. Two sweeps of six, or a grid of three by four? Which risk does each carry?</summary>
#
# The sweeps look at more values, but only where the other setting stood, and tuning one after the other may end below the best (0.067 against 0.071). The grid shows the interplay with fewer values, whose best may lie at an edge.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="fc08302e" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 从 12:00 的 A 到查询，间隔依次是 5、60、3 分钟。打乱间隔后查询在几点？间隔全改成一小时呢？</summary>
#
# 打乱后是 13:08，因为总和不变；恒定间隔时是 15:00。所以只知道查询钟点的模型，在前一种情况下看不到任何变化。
#
# </details>
#
# <details><summary><b>2.</b> 一个模型在间隔打乱后变化恰好是 0，而它比“对照模型”领先 0.03。这个领先来自哪里？</summary>
#
# 来自时间信息以外的因素：这个对照模型是另一个模型（层数更少、输入不同）。对照模型必须是去掉时间信息的同一个模型。
#
# </details>
#
# <details><summary><b>3.</b> 领先 [−0.002, 0.004]，间隔打乱 [−0.009, −0.003]，抖动 [−0.006, −0.001]，属于表里的哪一格？对它不能说什么？</summary>
#
# 读了时间但没有收益。不能说它脆弱，因为它没有可靠的领先可以失去。
#
# </details>
#
# <details><summary><b>4.</b> 在四个模型各自测试之前，都对数据集的数组执行 `times[rng.random(L) < 0.2] = 0`。轮到第四个模型时，多大比例的时间是 0？还有什么错？</summary>
#
# 1 − 0.8⁴ = 0.59。它是原地修改，因此各个模型看到的数据不同；而且时间改成零并不是丢失事件，而是造出两个约五十年的间隔。
#
# </details>
#
# <details><summary><b>5.</b> 对相隔 4 分钟的事件，给时间加 ±10 分钟的噪声，再排序。为什么 NDCG 的损失不能解释为对时间的敏感性？</summary>
#
# 相邻事件会互换位置，因此次序也破坏了。应当把噪声加在间隔上，这样就不会互换。
#
# </details>
#
# <details><summary><b>6.</b> κ = 0.5，L = 0.5，时长为 1 加小时数的自然对数。间隔不超过多少时，上界会稳定下来？</summary>
#
# 0.5 · e^{0.5 m} < 1 要求 m < 2 ln 2 = 1.39，即 1 + 小时数 < 4：间隔不超过三小时。
#
# </details>
#
# <details><summary><b>7.</b> 一个场的 L = 0，每小时把每个状态移动 1。如果 10 小时的间隔被读成 6 小时，基于它的模型免疫吗？上界怎么说？</summary>
#
# 不免疫：跳跃之前状态偏了 4 个单位，上界也是 V · |s − s′| = 4。L = 0 只表示这个误差不会放大。
#
# </details>
#
# <details><summary><b>8.</b> 强度为 1 的抖动使模型损失 0.002 [−0.006, 0.001]，而它的领先是 0.003。厂商写道：没有显著损失，所以鲁棒。你怎么看？</summary>
#
# 区间允许损失达到 0.006，是领先的两倍。这只说明损失看不出来，不说明损失小；应当要求给出剩余的领先及其区间。
#
# </details>
#
# <details><summary><b>9.</b> 学习率 0.0003、训练三轮时，扫描 dropout 使模型变化 1%。学习率 0.01、训练三十轮时，你预测会怎样？</summary>
#
# 可能大得多：学习率低、轮数少时还没有过拟合，dropout 也就没有作用。敏感性取决于其他设置所处的位置，就像 MF 的 5% 与 28%。
#
# </details>
#
# <details><summary><b>10.</b> 你有十二次训练来报告一个新模型对两个设置的敏感性。用两个各六次的扫描，还是 3 乘 4 的网格？各有什么风险？</summary>
#
# 扫描试的取值更多，但只在另一个设置所处的位置上有效，逐个调参可能达不到最好（0.067 对 0.071）。网格能显示两者的相互作用，但取值更少，最好的可能在边缘。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - E. Hairer, S. P. Nørsett, G. Wanner, *Solving Ordinary Differential Equations I*, 2nd edition 1993: section I.10, Grönwall's inequality.
# - J. Adebayo et al., *Sanity Checks for Saliency Maps*, NeurIPS 2018: destroy what a method is said to use, and see whether anything changes. [arXiv 1810.03292](https://arxiv.org/abs/1810.03292)
# - H. Gouk, E. Frank, B. Pfahringer, M. J. Cree, *Regularisation of Neural Networks by Enforcing Lipschitz Continuity*, Machine Learning 2021: section 3, products of norms as bounds. [arXiv 1804.04368](https://arxiv.org/abs/1804.04368)
# - In this repository: `tutorial_lib/data/corrupt.py`, `tutorial_lib/experiments/stages/sensitivity.py`, `tutorial_lib/experiments/stages/robustness.py`, `data/results/README.md`, `tests/data/test_corrupt.py`.

# %% [markdown] id="references-zh" lang="zh" en="6d985be1" tags=["references"]
# ## 参考文献
#
# - E. Hairer、S. P. Nørsett、G. Wanner，*Solving Ordinary Differential Equations I*，第 2 版，1993：第 I.10 节，格朗沃尔不等式。
# - J. Adebayo 等，*Sanity Checks for Saliency Maps*，NeurIPS 2018：破坏一种方法据称依据的信息，看结果有没有变化。[arXiv 1810.03292](https://arxiv.org/abs/1810.03292)
# - H. Gouk、E. Frank、B. Pfahringer、M. J. Cree，*Regularisation of Neural Networks by Enforcing Lipschitz Continuity*，Machine Learning 2021：第 3 节，用范数之积作界。[arXiv 1804.04368](https://arxiv.org/abs/1804.04368)
# - 本仓库：`tutorial_lib/data/corrupt.py`，`tutorial_lib/experiments/stages/sensitivity.py`，`tutorial_lib/experiments/stages/robustness.py`，`data/results/README.md`，`tests/data/test_corrupt.py`。
