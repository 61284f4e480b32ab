# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Nora rates films on a web page. She ticks *Alien*, *Moon* and *Mars* in a list and presses one button. The table of the site gets three rows, all with the same second. Her neighbour reviews his shopping, and in that table every row says midnight.
#
# Neither is a rare accident. In MovieLens 100K, half of all ratings carry the very same second as the rating before, by the same person. In the Amazon grocery reviews, **every** event happened at midnight. Now somebody shows you a "time-aware" model that wins on such a table. What can its clock have told it?
#
# In this lesson you turn a table of events into what a model is fed: histories, gaps, windows, and three parts to learn from, to choose with and to report on. At each step there is a quiet way to plant a pattern that was never there. At the end you can answer for Nora's table.

# %% [markdown] id="puzzle-zh" lang="zh" en="146f288f"
# 小雨在网页上给电影打分。她在列表里勾选了《异形》《月球》和《火星》，然后按下一个按钮。网站的表里多出三行，时间全是同一秒。她的邻居给买来的东西写评价，而那张表里的每一行，时间都是零点。
#
# 这两种情形都不是偶然。在 MovieLens 100K 里，一半的评分与同一个人的上一条评分落在同一秒。在 Amazon Grocery 评论里，**每一个**事件（event）都发生在零点。现在有人拿出一个“感知时间”的模型，说它在这样的表上胜出了。这些时间戳究竟能告诉它什么？
#
# 这一课里，你会把一张事件表变成模型的输入，包括历史、间隔、窗口（window），以及分别用来学习、用来选择、用来报告的三部分数据。每一步都可能在不知不觉中引入一个根本不存在的规律。到最后，你就能回答小雨那张表的问题。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - sort an event table without planting an order that was never observed;
# - compute gaps, sittings and irregularity for a hundred thousand events without a loop over users;
# - judge from a few aggregates what the clock of a data set can tell and what it cannot;
# - cut the data by time or by last event, and count how much of the future each cut lets into training;
# - build windows with targets and a gap feature that keeps short gaps.

# %% [markdown] id="objectives-zh" lang="zh" en="a5b5aa65" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 给事件表排序，而不引入从未被观察到的顺序；
# - 不对用户写循环，就为十万个事件算出间隔、会话和不规则程度；
# - 根据几个汇总数字，判断一个数据集的时间戳能说明什么、不能说明什么；
# - 按时间切分，或按最后一个事件切分，并数出每种切法让训练看见了多少未来；
# - 做出带目标（target）的窗口，以及不丢失短间隔的间隔特征。

# %% id="setup"
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from studies.gap_facts import gap_facts, later_share, read_facts
from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_close, expect_true, settings, show_matrix
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import validate
from tutorial_lib.data.sequences import fit_gap_statistics, training_batches
from tutorial_lib.errors import TutorialError
from exercises import lesson01

plots.use_style()

# %% [markdown] id="parameters-en" lang="en"
# One cell decides on which data this lesson runs. The text speaks of the simulated `sample`; with the environment variables `TUTORIAL_DATASET` and `TUTORIAL_USERS` the same notebook runs on other data.

# %% [markdown] id="parameters-zh" lang="zh" en="a7cb1837"
# 这一课用什么数据，由下面这一个单元格决定。正文说的是模拟数据 `sample`；设置环境变量 `TUTORIAL_DATASET` 和 `TUTORIAL_USERS`，同一个 notebook 就能在别的数据上运行。

# %% id="parameters-code" tags=["parameters"]
DATASET, USERS = settings(dataset="sample", users=None)
ON_SAMPLE = DATASET == "sample" and USERS is None  # the numbers in the text are checked only there

# %% [markdown] id="tiny-en" lang="en"
# ## Seven rows, two people
#
# An *event* is a row with three entries: who (`user`), what (`item`), when (`timestamp`, in seconds). Servers write rows in the order in which they arrive, so the people are mixed. Here the seconds count from noon; real tables count from 1 January 1970.

# %% [markdown] id="tiny-zh" lang="zh" en="a054068a"
# ## 七行，两个人
#
# 一个**事件**就是一行，有三项内容：谁（`user`，用户）、什么（`item`，物品）、何时（`timestamp`，时间戳，以秒计）。服务器按到达的先后写入各行，所以不同的人混在一起。这里的秒数从中午算起；真实的表从 1970 年 1 月 1 日算起。

# %% id="tiny-events"
names = {1: "Alien", 2: "Cake", 3: "Moon", 5: "Mars"}
raw = pd.DataFrame(
    [(1, 5, 30), (0, 1, 10), (1, 3, 30), (0, 3, 400), (0, 2, 70), (1, 1, 5), (0, 5, 100_000)],
    columns=["user", "item", "timestamp"],
)
print(raw.assign(name=raw["item"].map(names)).to_string())

# %% [markdown] id="sort-en" lang="en"
# **Step 1: histories.** Put each person's rows together, oldest first. That leaves one open question: user 1 has two events in the same second, a *tie*. Something has to decide which of them comes first.

# %% [markdown] id="sort-zh" lang="zh" en="b10c9369"
# **第一步：历史。** 把每个人的行放到一起，最早的在前。这样还剩一个问题：用户 1 有两个事件落在同一秒，这叫**并列**（tie）。必须有一条规则来决定谁先谁后。

# %% [markdown] id="predict-sort-en" lang="en" tags=["predict"]
# **Predict before you run.** The first line below sorts by user and time only. The second sorts by user, time and item number. What does user 1's history look like in each? And which of the two would you trust?

# %% [markdown] id="predict-sort-zh" lang="zh" en="cd58a061" tags=["predict"]
# **先猜，再运行。** 下面第一行只按用户和时间排序，第二行按用户、时间和物品编号排序。两种情况下，用户 1 的历史分别是什么样？你更相信哪一个？

# %% id="tiny-sort"
rows = [tuple(row) for row in raw.to_numpy().tolist()]
stable = sorted(rows, key=lambda row: (row[0], row[2]))  # Python's sort is stable: equal keys keep their order
by_id = sorted(rows, key=lambda row: (row[0], row[2], row[1]))
for label, table in (("user, time", stable), ("user, time, item", by_id)):
    print(f"{label:18s} user 1:", [names[item] for user, item, _ in table if user == 1])

# %% [markdown] id="sort-why-en" lang="en"
# The stable sort keeps *Mars* before *Moon*, as the rows came. The second sort turns them round, because 3 is less than 5, and it would do so for **every** user with this tie. That is the danger: item numbers carry meaning (they often follow age or popularity), so sorting ties by number plants one and the same pattern into thousands of histories. A sequence model finds it at once and is praised for it. Row order may say nothing either. In a log that is written as things happen it repeats no pattern from person to person; in a file that somebody sorted by item it repeats exactly this one (lesson 03). So ask how the file came about.

# %% [markdown] id="sort-why-zh" lang="zh" en="b792027b"
# 稳定排序让《火星》留在《月球》前面，与各行到来的顺序一致。第二种排序把它们调换了，因为 3 小于 5，而且对有这种并列的**每一个**用户都会这样做。危险就在这里：物品编号是有含义的（往往与年代或热门程度有关），按编号给并列排序，等于在成千上万段历史里写入同一个规律。序列（sequence）模型很快就能学到它，成绩也因此变好。行的顺序也未必可靠。如果日志是随着事件发生逐条写下的，行序就不会在每个人身上重复同一个规律；但如果有人把文件按物品排过序，行序重复的恰恰就是这个规律（第 03 课）。所以要先问清楚文件是怎么来的。

# %% [markdown] id="gap-en" lang="en"
# **Step 2: gaps.** A *gap* is the time from one event to the next of the **same** user. Subtract neighbours, and leave out the step from one person to the next.

# %% [markdown] id="gap-zh" lang="zh" en="4ee5bcb9"
# **第二步：间隔。** **间隔**（gap）是**同一个**用户从一个事件到下一个事件的时间。相邻的时间相减，从一个人到下一个人的那一步不算。


# %% id="tiny-gaps"
def gaps_by_loop(table):
    """table: rows (user, item, time), sorted -> {user: [seconds, ...]}; a loop that nobody can misread."""
    gaps, last = {}, {}
    for user, _, time in table:
        if user in last:
            gaps[user].append(time - last[user])
        else:
            gaps[user] = []
        last[user] = time
    return gaps


print(gaps_by_loop(stable))
expect_true("seven events of two people have five gaps", sum(map(len, gaps_by_loop(stable).values())) == 5)

# %% [markdown] id="library-en" lang="en"
# ## The library version, on 120,000 events
#
# A loop over a hundred thousand rows takes a while, and the lessons do this often. The library sorts and subtracts whole columns at once. `np.lexsort` sorts by its **last** key first and is stable; `np.diff` subtracts neighbours; where `np.diff` of the user column is not 0, a new person begins.

# %% [markdown] id="library-zh" lang="zh" en="5e4f0be5"
# ## 库里的版本：十二万个事件
#
# 对十几万行写循环比较慢，而后面各课经常要做这件事。库对整列一次完成排序和相减。`np.lexsort` 以**最后**一个键为主键，而且是稳定的；`np.diff` 让相邻的数相减；用户那一列的 `np.diff` 不为 0 的地方，就是换了一个人。

# %% id="library-code" tags=["library"]
from tutorial_lib.data.events import _require_columns

# show: tutorial_lib.data.events.sort_events
# show: tutorial_lib.data.gaps.gaps

# %% id="reference-check" tags=["reference-check"]
library_rows = [tuple(row) for row in sort_events(raw).to_numpy().tolist()]
expect_true("sort_events gives the stable sort of plain Python", library_rows == stable)

dataset = load_dataset(DATASET, users=USERS)
events = dataset.events
seconds, user_of_gap = gaps(events)
by_loop = gaps_by_loop(events[["user", "item", "timestamp"]].itertuples(index=False))
expect_true(
    "every gap of every user equals the loop's",
    seconds.tolist() == [gap for user in sorted(by_loop) for gap in by_loop[user]],
)
expect_true("there are as many gaps as events, less one for each user", len(seconds) == len(events) - dataset.num_users)

# %% [markdown] id="border-en" lang="en" tags=["break-it"]
# ## Break it, 1: subtract across people
#
# Forget the condition `same`, and the step from user 0's last event to user 1's first becomes a gap. On the seven rows this is easy to see. On real data it hides among a hundred thousand others. A negative gap is the sign to look for, but it does not mark all wrong steps: where the next person began later than this one ended, the step is positive and looks like any other.

# %% [markdown] id="border-zh" lang="zh" en="a0f38ecc" tags=["break-it"]
# ## 破坏实验一：跨人相减
#
# 忘了 `same` 这个条件，从用户 0 的最后一个事件到用户 1 的第一个事件这一步，也会变成一个间隔。七行的表里一眼就能看出来；在真实数据里，它藏在十几万个间隔中间。负的间隔就是要找的征兆，但它标不出所有错误：如果下一个人开始得比这个人结束得晚，这一步就是正数，看上去与别的间隔毫无二致。

# %% id="border-code" tags=["break-it"]
print("across people:", np.diff(sort_events(raw)["timestamp"]).tolist())
broken = np.diff(events["timestamp"].to_numpy())
print("wrong steps:", len(broken) - len(seconds), "| of them negative:", int((broken < 0).sum()))
expect_true("the sign of a step does not find all of them", 0 < (broken < 0).sum() < dataset.num_users - 1)
expect_true("mended: no gap is negative", seconds.min() >= 0)

# %% [markdown] id="door-en" lang="en"
# Some faults can be caught at the door. `validate` refuses tables that cannot be right, and names the first bad row. `load_dataset` sends every table through it, your own included (`csv:PATH`).

# %% [markdown] id="door-zh" lang="zh" en="e2ea6650"
# 有些错误在门口就能拦下。`validate` 拒绝不可能正确的表，并指出第一个出问题的行。`load_dataset` 让每一张表都过这道门，你自己的表（`csv:PATH`）也不例外。

# %% id="door-code"
tidy = sort_events(raw)
tables = {
    "unsorted": raw,
    "milliseconds": tidy.assign(timestamp=1000 * (tidy["timestamp"] + 1_700_000_000)),
    "a row twice": pd.concat([tidy, tidy.tail(1)], ignore_index=True),
}
for name, table in tables.items():
    try:
        validate(table)
    except TutorialError as error:
        print(f"{name}: {error}")

# %% [markdown] id="clock-en" lang="en"
# ## What does a typical gap look like?
#
# Before you compute a mean, look at the whole distribution.

# %% [markdown] id="clock-zh" lang="zh" en="9a3f047c"
# ## 典型的间隔是什么样？
#
# 算平均之前，先看看整个分布。

# %% [markdown] id="predict-gap-en" lang="en" tags=["predict"]
# **Predict.** In the sample the mean gap is 43 hours, almost two days. How long is the median gap, the one in the middle: a day, an hour, or a few minutes?

# %% [markdown] id="predict-gap-zh" lang="zh" en="7bb9b861" tags=["predict"]
# **猜一猜。** 在 sample 里，间隔的平均值是 43 小时，将近两天。那么排在正中间的中位数呢：一天，一小时，还是几分钟？

# %% id="gap-picture" tags=["picture", "nbval-ignore-output"]
MINUTE, HOUR, DAY = 60, 3600, 86400
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.2))
left.hist(seconds / HOUR, bins=60)
left.set(xlabel="gap (hours)", ylabel="number of gaps")
right.hist(np.maximum(seconds, 0.1), bins=np.geomspace(0.08, 400 * DAY, 80))
right.axvline(HOUR, color=plots.VERMILION, linestyle="--", label="one hour")
right.set(xscale="log", xlabel="the same gaps, logarithmic axis")
right.set_xticks([0.1, 1, MINUTE, HOUR, DAY, 30 * DAY], ["0", "1 s", "1 min", "1 h", "1 d", "30 d"])
right.minorticks_off()
right.legend()
plt.show()

# %% [markdown] id="gap-alt-en" lang="en" tags=["alt"]
# Two histograms of the same gaps. Left, in hours: one tall bar at zero and nothing else to see. Right, on a logarithmic axis: a hump around three minutes, a second hump around two days, almost nothing at one hour, and a small bar for gaps of exactly zero.

# %% [markdown] id="gap-alt-zh" lang="zh" en="b45461ee" tags=["alt"]
# 同一批间隔的两幅直方图。左图以小时为单位：零处一根高柱，此外什么也看不出。右图用对数轴：三分钟附近一个峰，两天附近另一个峰，一小时处几乎没有，另有一根小柱代表恰好为零的间隔。

# %% id="gap-check"
expect("mean gap, hours", seconds.mean() / HOUR, 43, tol=1, when=ON_SAMPLE)
expect("median gap, minutes", np.median(seconds) / MINUTE, 6.3, tol=0.2, when=ON_SAMPLE)
expect("share of gaps below one hour", (seconds < HOUR).mean(), 0.60, tol=0.01, when=ON_SAMPLE)
expect("share of gaps of exactly 0 s", (seconds == 0).mean(), 0.018, tol=0.002, when=ON_SAMPLE)
in_valley = (seconds >= HOUR / 2) & (seconds < 2 * HOUR)
expect("share of gaps between half an hour and two hours", in_valley.mean(), 0.001, tol=0.0005, when=ON_SAMPLE)

# %% [markdown] id="sitting-en" lang="en"
# Six minutes. The mean describes nobody: there are two kinds of gaps, and hardly any in between. People come, choose for a while, and go away; such a visit is a **sitting**. We say that a gap of an hour or more begins a new one. The hour is a convention, but in the empty valley it hardly matters which value you take: only one gap in a thousand lies between half an hour and two hours. 60 % of the gaps lie within a sitting.
#
# Here is one user, first as the clock shows it, then as a model sees it that counts events only.

# %% [markdown] id="sitting-zh" lang="zh" en="2d1b7e01"
# 六分钟。平均值谁也代表不了：间隔有两种，介于两者之间的几乎没有。人们来了，挑选一阵，然后离开；这样的一次来访叫一次**会话**（sitting）。我们约定，间隔达到一小时，就开始新的会话。一小时只是约定，但在两峰之间取哪个值几乎没有差别：半小时到两小时之间的间隔，一千个里只有一个。60% 的间隔落在会话之内。
#
# 下面是同一个用户的两张图：先按真实时间画，再按事件序号画，后者就是只数事件的模型所看到的。

# %% id="sitting-picture" tags=["picture", "nbval-ignore-output"]
pauses = np.bincount(user_of_gap[seconds >= HOUR], minlength=dataset.num_users)
person = int(np.abs(pauses - 4).argmin())  # the first user with four pauses
times = events["timestamp"].to_numpy()[dataset.offsets[person] : dataset.offsets[person + 1]]
sitting = np.cumsum(np.diff(times, prepend=times[0]) >= HOUR) + 1
fig, axes = plt.subplots(2, 1, figsize=(8.5, 4.6))
for ax, clock in zip(axes, (True, False), strict=True):
    plots.timeline(times, sitting, clock=clock, ylabel="sitting", ax=ax)
plt.show()

# %% [markdown] id="sitting-alt-en" lang="en" tags=["alt"]
# Two strips with the events of one user, one row for each of five sittings. Above, on the axis of days, each sitting is a small heap of marks at one point, with many empty days between the heaps. Below, by number of the event, the marks are evenly spaced and the pauses have disappeared.

# %% [markdown] id="sitting-alt-zh" lang="zh" en="55923181" tags=["alt"]
# 同一个用户的事件画成两条，五次会话各占一行。上图横轴是天数，每次会话是挤在一处的一小堆点，堆与堆之间隔着许多空白的日子。下图横轴是事件序号，点均匀排开，停顿消失了。

# %% [markdown] id="cv-en" lang="en"
# ## Irregularity in one number
#
# Some people come like clockwork, others in bursts. The usual measure is the **coefficient of variation** (CV) of a user's gaps: their standard deviation divided by their mean,
#
# $$\mathrm{CV} = \frac{s}{\bar g}, \qquad \bar g = \frac1n \sum_i g_i, \qquad s^2 = \frac1n \sum_i (g_i - \bar g)^2 ,$$
#
# where $g_1, \dots, g_n$ are the gaps of that user. It has no unit, so a daily visitor and a yearly visitor can be compared. Three people with four gaps each, in hours:

# %% [markdown] id="cv-zh" lang="zh" en="6bcdaa92"
# ## 用一个数表示不规则
#
# 有的人来得很有规律，有的人集中在几段时间里。常用的度量是一个用户各个间隔的**变异系数**（coefficient of variation，CV）：标准差除以均值，
#
# $$\mathrm{CV} = \frac{s}{\bar g}, \qquad \bar g = \frac1n \sum_i g_i, \qquad s^2 = \frac1n \sum_i (g_i - \bar g)^2 ,$$
#
# 其中 $g_1, \dots, g_n$ 是这个用户的间隔。它没有单位，所以天天来的人和一年来一次的人也能相比。下面三个人各有四个间隔，单位是小时：

# %% [markdown] id="predict-cv-en" lang="en" tags=["predict"]
# **Predict.** The first comes every 25 hours. The second comes now early, now late: 10, 20, 30, 40. The third makes three events at once and returns after 100 hours. Which CVs do they get? One of the three is the largest value that four gaps can have.

# %% [markdown] id="predict-cv-zh" lang="zh" en="10e28d8d" tags=["predict"]
# **猜一猜。** 第一个人每 25 小时来一次。第二个人时早时晚：10、20、30、40。第三个人先是接连几个事件，100 小时后才回来。他们的 CV 各是多少？三者之中，有一个是四个间隔所能取到的最大值。

# %% id="tiny-cv"
people = {"clockwork": [25, 25, 25, 25], "now early, now late": [10, 20, 30, 40], "one burst": [0, 0, 0, 100]}
for name, hours in people.items():
    print(f"{name:20s} CV {np.std(hours) / np.mean(hours):.2f}")
expect("CV of one burst, the square root of n - 1", np.std([0, 0, 0, 100]) / 25, 3**0.5, tol=1e-9)

# %% id="cv-library" tags=["library"]
# show: tutorial_lib.data.gaps.irregularity

# %% id="cv-check" tags=["reference-check"]
cv = irregularity(events)
witness = pd.Series(seconds).groupby(user_of_gap).agg(lambda gap: gap.std(ddof=0) / gap.mean())
expect_close("irregularity equals pandas, user by user", cv[witness.index], witness.to_numpy(), tol=1e-9)

# %% [markdown] id="chance-en" lang="en"
# Which CV is normal? Let somebody come **by pure chance**, each moment as likely as any other. Such gaps are exponentially distributed, and in the long run their CV is 1. But a short history cannot reach it: with $n$ gaps the CV never exceeds $\sqrt{n-1}$. How much does that matter? Simulate 20,000 chance visitors with few gaps and with many.

# %% [markdown] id="chance-zh" lang="zh" en="bfc029fd"
# 多大的 CV 才算正常？设想一个人**完全随机地**来，每一刻来的可能性都一样。这样的间隔服从指数分布，长期来看 CV 是 1。可是短的历史达不到它：有 $n$ 个间隔时，CV 不会超过 $\sqrt{n-1}$。这有多大影响？模拟 20,000 个随机访客，间隔有少有多。

# %% id="chance-code"
rng = np.random.default_rng(0)
by_chance = {}
for n in (3, 10, 40, 160):
    gaps_by_chance = rng.exponential(size=(20_000, n))
    by_chance[n] = (gaps_by_chance.std(axis=1) / gaps_by_chance.mean(axis=1)).mean()
for n, value in ((3, 0.65), (10, 0.88), (40, 0.97), (160, 0.99)):
    expect(f"mean CV by chance with {n} gaps", by_chance[n], value, tol=0.01)

# %% id="cv-picture" tags=["picture", "nbval-ignore-output"]
count = np.bincount(user_of_gap, minlength=dataset.num_users)
similar = np.flatnonzero(
    (np.abs(count / np.median(count) - 1) < 0.25) & np.isfinite(cv)
)  # about equally long histories
similar = similar[cv[similar].argsort()]
chosen = similar[[0, len(similar) // 2, -1]]
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.2))
for place, (user, marker) in enumerate(zip(chosen, "osD", strict=True)):
    days = events["timestamp"].to_numpy()[dataset.offsets[user] : dataset.offsets[user + 1]] / DAY
    left.plot((days - days[0]) / (days[-1] - days[0]), np.full(len(days), place), marker, alpha=0.5)
left.set_yticks(range(3), [f"CV {cv[user]:.1f}" for user in chosen])
left.set(
    xlabel="time (share of the user's whole period)", ylim=(-0.5, 2.5), title="most regular, median, most irregular"
)
right.hist(cv[np.isfinite(cv)], bins=40)
right.axvline(1, color=plots.VERMILION, linestyle="--", label="by chance alone")
right.set(xlabel="CV of a user's gaps", ylabel="number of users")
right.legend()
plt.show()

# %% [markdown] id="cv-alt-en" lang="en" tags=["alt"]
# Left: three users with about equally many events as rows of marks. The most regular one has marks spread over the whole period, the most irregular one a few heaps with long empty stretches. Right: histogram of the CV over all users, from below 0.5 to more than 7, with its peak a little above 1 and a long tail to the right.

# %% [markdown] id="cv-alt-zh" lang="zh" en="1945bfe7" tags=["alt"]
# 左图：三个事件数相近的用户，各画成一行点。最规则的那位，点铺满整个时期；最不规则的那位，只有几堆点，中间是大段空白。右图：所有用户 CV 的直方图，从不到 0.5 直到 7 以上，峰值略高于 1，右侧拖着长尾。

# %% id="cv-numbers"
expect("smallest CV", cv.min(), 0.43, tol=0.05, when=ON_SAMPLE)
expect("median CV", np.median(cv), 1.8, tol=0.1, when=ON_SAMPLE)
expect("largest CV", cv.max(), 7.3, tol=0.2, when=ON_SAMPLE)
expect("share of users above 1", (cv > 1).mean(), 0.83, tol=0.02, when=ON_SAMPLE)

# %% [markdown] id="cv-lesson-en" lang="en"
# In the sample 83 % of the users are more irregular than chance: sittings make bursts. The other finding is a trap. With three gaps even a chance visitor has a CV of 0.65 only. So "the most irregular third of the users" is, in many data sets, also a third with long histories, and whatever goes with long histories will seem to go with irregularity. The length is a *confounder*.

# %% [markdown] id="cv-lesson-zh" lang="zh" en="e0016c74"
# 在 sample 里，83% 的用户比随机更不规则，因为事件集中在一次次会话里。另一个发现则是一个陷阱：只有三个间隔时，连随机访客的 CV 也只有 0.65。所以在许多数据集里，“最不规则的三分之一用户”同时也是历史较长的三分之一；凡是与历史长度有关的现象，看上去都会与不规则程度有关。历史长度是一个**混杂因素**（confounder）。

# %% [markdown] id="predict-confound-en" lang="en" tags=["predict"]
# **Predict.** Now 4,000 chance visitors with 3, 10, 40 or 160 gaps: nobody is irregular in any real sense. A model hits those with 40 gaps or more in 30 of 100 cases, the others in 10 of 100; it never looks at a clock. Cut the visitors into thirds by their CV. What hit rates do the three thirds show?

# %% [markdown] id="predict-confound-zh" lang="zh" en="fe43b12b" tags=["predict"]
# **猜一猜。** 现在有 4,000 个随机访客，各有 3、10、40 或 160 个间隔，没有谁真的不规则。某个模型从不看时间：间隔达到 40 个的人，100 次命中 30 次，其余的人 100 次命中 10 次。按 CV 把访客分成三组，三组的命中率各是多少？

# %% id="confound-code" tags=["break-it"]
rng = np.random.default_rng(1)
length = rng.choice([3, 10, 40, 160], 4000)
chance_cv = np.array([gap.std() / gap.mean() for gap in (rng.exponential(size=n) for n in length)])
visitors = pd.DataFrame({"length": length, "hit": rng.random(4000) < np.where(length >= 40, 0.3, 0.1)})
thirds = {
    "by CV": chance_cv,
    "by CV among equal lengths": pd.Series(chance_cv).groupby(length).rank(pct=True),  # mended
}
for label, values in thirds.items():
    print(label)
    groups = visitors.groupby(pd.qcut(values, 3, labels=["regular", "middle", "irregular"]), observed=True).mean()
    print(groups.round(2).to_string())
    thirds[label] = groups["hit"]
expect("rank correlation of CV and length", pd.Series(chance_cv).corr(pd.Series(length), method="spearman"), 0.50, tol=0.02)
expect("hit rate of the regular third", thirds["by CV"]["regular"], 0.14, tol=0.01)
expect("hit rate of the irregular third", thirds["by CV"]["irregular"], 0.25, tol=0.01)
gap_left = thirds["by CV among equal lengths"]["irregular"] - thirds["by CV among equal lengths"]["regular"]
expect("what is left of the difference among equal lengths", gap_left, 0, tol=0.02)

# %% [markdown] id="confound-why-en" lang="en"
# The irregular third is hit in 25 of 100 cases, the regular one in 14, and irregularity has nothing to do with it. The rank correlation of CV and length, 0.50, is close to those of the real data below. The mend takes one line: rank each CV among the users whose histories are **equally long**, then cut into thirds. The difference is gone. Do this whenever you group users by irregularity.

# %% [markdown] id="confound-why-zh" lang="zh" en="c2629fd8"
# 不规则的一组 100 次命中 25 次，规则的一组命中 14 次，而这与不规则程度毫无关系。CV 与长度的秩相关系数是 0.50，与下文真实数据的数值相近。修正只要一行：在历史**同样长**的用户之间给 CV 排名，再分成三组，差别就消失了。凡是按不规则程度给用户分组，都应当这样做。

# %% [markdown] id="real-en" lang="en"
# ## The clocks of real data
#
# Now Nora's table and her neighbour's. Real data may not be shipped with the course, but aggregates may. The table below was computed from MovieLens 100K (943 people, 100,000 film ratings) and from the Amazon grocery reviews (14,681 people, 121,892 events) by `python -m studies.gap_facts --write`.

# %% [markdown] id="real-zh" lang="zh" en="9a9e5733"
# ## 真实数据的时间戳
#
# 现在轮到小雨的表和她邻居的表。真实数据不能随课程分发，汇总数字可以。下面这张表由 `python -m studies.gap_facts --write` 算出，来源是 MovieLens 100K（943 人，100,000 条电影评分）和 Amazon Grocery 评论（14,681 人，121,892 个事件）。

# %% id="facts-code"
facts = read_facts()
columns = ["users", "events", "zero_gaps", "gaps_below_hour", "midnight_events", "tied_events", "last_event_tied"]
columns += ["one_sitting_users", "gap_q50", "cv_q50", "cv_undefined_users", "cv_length_correlation"]
print(facts[columns].T.round(2).to_string(float_format="{:,.9g}".format))

# %% [markdown] id="here-en" lang="en"
# If the files are on your machine, the next cell computes the facts again and compares; if not, it says so. Getting MovieLens 100K takes one command: `python -m tutorial_lib.data download ml-100k`.

# %% [markdown] id="here-zh" lang="zh" en="e5f6e3b0"
# 如果文件在你的机器上，下一个单元格会把这些数字重新算一遍并比较；如果不在，它会如实说明。获取 MovieLens 100K 只要一条命令：`python -m tutorial_lib.data download ml-100k`。

# %% id="here-code" tags=["nbval-ignore-output"]
for name in ("ml-100k", "amazon-grocery"):
    try:
        fresh = pd.Series(gap_facts(load_dataset(name)))
    except TutorialError:
        print(f"--  {name}: not on this machine, so the committed facts stand in for it")
        continue
    numbers = facts.columns.drop("fingerprint")
    committed = facts.loc[name, numbers].astype(float)
    expect_true(
        f"{name}: the facts are those of the files here",
        np.allclose(fresh[numbers].astype(float), committed, rtol=1e-4),
    )

# %% [markdown] id="predict-real-en" lang="en" tags=["predict"]
# **Predict.** Line up all gaps of a data set from the shortest to the longest and draw them as a curve. What do the curves of MovieLens 100K and of the groceries look like at their left ends, and where do they leave zero?

# %% [markdown] id="predict-real-zh" lang="zh" en="0dc0c5ba" tags=["predict"]
# **猜一猜。** 把一个数据集的所有间隔从短到长排成一列，画成曲线。MovieLens 100K 和食品杂货的曲线，左端是什么样？它们在哪里离开零？

# %% id="real-picture" tags=["picture", "nbval-ignore-output"]
shares = np.arange(5, 100, 5)
fig, ax = plt.subplots(figsize=(7.5, 3.6))
for name, marker in zip(("sample", "ml-100k", "amazon-grocery"), "osD", strict=True):
    quantiles = facts.loc[name, [f"gap_q{q:02d}" for q in shares]].to_numpy(float)
    ax.plot(shares, quantiles, marker=marker, markersize=4, label=name)
ax.set_yscale("symlog", linthresh=1)
ax.set_yticks(
    [0, 1, MINUTE, HOUR, DAY, 30 * DAY, 365 * DAY], ["0", "1 s", "1 min", "1 h", "1 day", "1 month", "1 year"]
)
ax.set(xlabel="gaps, from shortest to longest (%)", ylabel="gap")
ax.minorticks_off()
ax.legend()
plt.show()

# %% [markdown] id="real-alt-en" lang="en" tags=["alt"]
# Three curves of gap length against the share of gaps, on a logarithmic axis from zero to a year. MovieLens 100K lies on zero up to the middle and then rises to some minutes only. The groceries lie on zero for the first three tenths, then jump to one day and climb to more than a year. The sample starts at a minute, stays in the minutes for six tenths, and then jumps to days.

# %% [markdown] id="real-alt-zh" lang="zh" en="648746e1" tags=["alt"]
# 三条曲线，横轴是间隔所占的份额，纵轴是间隔长度，对数刻度，从零到一年。MovieLens 100K 直到正中间都贴着零，之后也只升到几分钟。食品杂货在头三成里都贴着零，然后一下跳到一天，一直升到一年以上。sample 从一分钟左右开始，头六成都是几分钟，然后跳到几天。

# %% id="real-check"
film, shop = facts.loc["ml-100k"], facts.loc["amazon-grocery"]
expect("ML-100K: share of gaps of exactly 0 s", film["zero_gaps"], 0.51, tol=0.005)
expect("ML-100K: share of events that share their second", film["tied_events"], 0.76, tol=0.005)
expect("ML-100K: share of users whose last event is tied", film["last_event_tied"], 0.44, tol=0.005)
expect("ML-100K: share of gaps below one hour", film["gaps_below_hour"], 0.982, tol=0.001)
expect("ML-100K: share of users with one sitting", film["one_sitting_users"], 0.61, tol=0.005)
expect("Grocery: share of events at midnight", shop["midnight_events"], 1, tol=1e-9)
expect("Grocery: share of gaps of exactly 0 s", shop["zero_gaps"], 0.29, tol=0.005)
expect("Grocery: median gap, days", shop["gap_q50"] / DAY, 22, tol=0.5)
expect("Grocery: share of users whose last event is tied", shop["last_event_tied"], 0.36, tol=0.005)
expect("Grocery: share of users without a CV", shop["cv_undefined_users"], 0.09, tol=0.005)
expect("ML-100K: correlation of CV and history length", film["cv_length_correlation"], 0.53, tol=0.01)
expect("Grocery: correlation of CV and history length", shop["cv_length_correlation"], 0.56, tol=0.01)
expect_true(
    "control has the timestamps of sample",
    load_dataset("control").events["timestamp"].equals(load_dataset("sample").events["timestamp"]),
)
expect("sample: correlation of CV and history length", facts.loc["sample", "cv_length_correlation"], 0.08, tol=0.01)

# %% [markdown] id="meaning-en" lang="en"
# What does that mean for a "time-aware" model?
#
# - **The clock of MovieLens 100K shows when a rating was stored, not when a film was seen.** 51 % of the gaps are exactly 0. For half of the steps the gap says "the same click" and nothing else: among those steps no model can tell one from another by the clock.
# - **Where the gap is 0, the order is unknown too.** 76 % of the events share their second with a neighbour, and for 44 % of the users the "last" event, the one that leave-last-out tests on, is last only by its row in the file. A model that predicts it well may have learned how the file was written.
# - **Most people never come back.** 98.2 % of the gaps are below one hour, and 61 % of the users made all their ratings in one sitting. An effect of days or months can only come from the others, and from few of their steps.
# - **Groceries have days but no hours.** All events are at midnight, so 29 % of the gaps are 0 and mean "the same day"; the median gap is 22 days. Long pauses are real here, but 9 % of the users have no CV at all, because all their gaps are 0.
# - **Irregular means long.** The CV grows with the length of the history: over all users, the Spearman correlation of the two is 0.53 and 0.56. In the sample, where length and irregularity were drawn independently, it is 0.08.
#
# None of this says that time is useless there. It says which questions a claim must survive: does the gain sit on the steps whose gap is **not** 0? Does it vanish when a user's gaps are shuffled (lesson 19)? And would the same model show no gain in `control`, a world with exactly the timestamps of `sample` in which they mean nothing?

# %% [markdown] id="meaning-zh" lang="zh" en="6318c31c"
# 对“感知时间”的模型来说，这意味着什么？
#
# - **MovieLens 100K 的时间戳记的是评分入库的时刻，不是看电影的时刻。** 51% 的间隔恰好是 0。也就是说，有一半的步，间隔只说明“同一次点击”，此外什么也没有。因此，仅凭时间，没有哪个模型能把这些步彼此区分开。
# - **间隔为 0 的地方，顺序同样不可知。** 76% 的事件与相邻的事件落在同一秒；对 44% 的用户来说，“最后”一个事件，也就是留一法（leave-last-out）拿来测试的那个，只是因为在文件里排在最后。一个模型能把它预测得很准，学到的也许只是文件的行序。
# - **多数人没有再回来。** 98.2% 的间隔不到一小时，61% 的用户在一次会话里完成了全部评分。以天、以月计的效应，只可能来自其余的人，而且只来自他们为数不多的几步。
# - **食品杂货有日期，没有钟点。** 所有事件都在零点，所以 29% 的间隔是 0，意思是“同一天”；间隔的中位数是 22 天。这里的长停顿是真实的，但 9% 的用户根本没有 CV，因为他们的间隔全是 0。
# - **不规则往往就是历史长。** CV 随历史的长度增大：在所有用户上，两者的斯皮尔曼（Spearman）相关系数分别是 0.53 和 0.56。sample 里的长度和不规则程度是各自独立抽取的，那里是 0.08。
#
# 这并不是说时间在那里没有用，而是说一个结论必须经得起下面这些追问：提升是不是落在间隔**不为** 0 的那些步上？打乱一个用户的间隔之后，提升会消失吗（第 19 课）？`control` 这个世界的时间戳与 `sample` 完全相同，却毫无意义；在那里，同一个模型会不会也没有提升？

# %% [markdown] id="core-en" lang="en"
# ## Who is left out: the $k$-core
#
# Before they split, many papers leave out rare users and items. The **$k$-core** is the largest part of the table in which every user and every item has at least $k$ events. One pass does not find it: without a rare item a user may have too few events, and without that user another item becomes rare. So repeat until nothing changes. The order does not matter: two parts with this property have it together as well, so there is one largest part.

# %% [markdown] id="core-zh" lang="zh" en="8df6103a"
# ## 谁被排除在外：$k$-core
#
# 许多论文在切分之前会先去掉事件太少的用户和物品。**$k$-core** 是表中最大的一部分，其中每个用户、每个物品都至少有 $k$ 个事件。只过滤一遍得不到它：去掉一个少见的物品之后，某个用户的事件可能就不够了；去掉这个用户之后，又会有别的物品变得少见。因此要反复过滤，直到不再变化。先过滤哪一边并不影响结果：两个满足条件的部分合在一起仍满足条件，所以最大的部分只有一个。

# %% [markdown] id="predict-core-en" lang="en" tags=["predict"]
# **Predict.** Ten rows: user 0 has the items A and B, user 1 B and C, user 2 C and D, users 3 and 4 both have E and F. With $k = 2$, how many rows are left after one pass, and how many in the end? And of the 119,990 events of the sample with $k = 40$?

# %% [markdown] id="predict-core-zh" lang="zh" en="7f55ae24" tags=["predict"]
# **猜一猜。** 共十行：用户 0 有物品 A 和 B，用户 1 有 B 和 C，用户 2 有 C 和 D，用户 3 和用户 4 都有 E 和 F。取 $k = 2$，过滤一遍之后剩几行？最后剩几行？sample 共有 119,990 个事件，取 $k = 40$ 又会怎样？

# %% id="core-code" tags=["break-it"]
def one_pass(table, k):
    """Leave out items with fewer than k events, then users with fewer than k."""
    table = table[table.groupby("item")["item"].transform("size") >= k]
    return table[table.groupby("user")["user"].transform("size") >= k]


def rows_after_each_pass(table, k):
    counts = [len(table)]
    while len(counts) < 2 or counts[-1] < counts[-2]:
        table = one_pass(table, k)
        counts.append(len(table))
    return counts


links = pd.DataFrame({"user": [0, 0, 1, 1, 2, 2, 3, 3, 4, 4], "item": list("ABBCCDEFEF")})
print(rows_after_each_pass(links, k=2))
expect_true("ten rows: 6 after one pass, 4 in the end", rows_after_each_pass(links, k=2) == [10, 6, 4, 4])
if ON_SAMPLE:
    forty = rows_after_each_pass(events, k=40)
    print(forty)
    expect_true("sample, k = 40: 72,584 events after one pass, none in the end", (forty[1], forty[-1]) == (72584, 0))
    expect_true("sample, k = 5: one pass and the core agree", rows_after_each_pass(events, k=5)[1:] == [119986, 119986])

# %% [markdown] id="core-why-en" lang="en"
# Six, then four; and on the sample 72,584 events after one pass but an **empty** 40-core. Two papers that both write "40-core" may speak of quite different tables, so say how often you filtered. With $k = 5$ the two agree here. And mind what is counted: a core of the whole table counts test events too, and so decides by the future who is tested.

# %% [markdown] id="core-why-zh" lang="zh" en="9b0535e0"
# 先剩六行，最后剩四行；而在 sample 上，过滤一遍还剩 72,584 个事件，真正的 40-core 却是**空的**。两篇论文都写“40-core”，说的可能是完全不同的两张表，所以要写明过滤了几遍。取 $k = 5$ 时，两者在这里一致。还要注意数的是什么：在整张表上取 core，测试事件也数进去了，等于用未来决定谁参加测试。

# %% [markdown] id="split-en" lang="en"
# ## Two ways to cut
#
# A model needs three parts: one to learn from (*training part*), one to choose with (*validation part*), one to report on (*test part*, opened once). There are two usual ways to cut them.
#
# - **Leave-last-out**: each user's last event is the test, the last but one the validation, the rest is training. Everybody is tested, and most papers do so.
# - **Temporal split**: one moment for all. What happened before the first cut is training; what happened after the second is test.
#
# Suppose a user's last event was on 10 December. With leave-last-out, may the model have learned from what **others** did on 15 December?

# %% [markdown] id="split-zh" lang="zh" en="eaabd358"
# ## 两种切法
#
# 模型需要三部分数据：一部分用来学习，即**训练集**（training part），一部分用来选择，即**验证集**（validation part），一部分用来报告，即**测试集**（test part），只打开一次。常用的切法有两种。
#
# - **留一法**（leave-last-out）：每个用户的最后一个事件作测试，倒数第二个作验证，其余作训练。人人都参加测试，多数论文这样做。
# - **时间切分**（temporal split）：所有人用同一个时刻。第一个切点之前发生的是训练，第二个切点之后发生的是测试。
#
# 假设某个用户的最后一个事件在 12 月 10 日。用留一法时，模型会不会已经从**别人** 12 月 15 日的行为里学到了信息？

# %% id="split-code" tags=["library"]
from tutorial_lib.data.events import Dataset
from tutorial_lib.data.splits import Split, Targets, _count_before, _period_targets, _refuse_empty

# show: tutorial_lib.data.splits.leave_last_out
# show: tutorial_lib.data.splits.temporal_split

# %% id="split-check" tags=["reference-check"]
last_out, by_time = leave_last_out(dataset), temporal_split(dataset)
ordered = sorted(events["timestamp"].tolist())
cuts = [
    ordered[round(len(ordered) * share)] for share in (0.8, 0.9)
]  # the newest tenth is the test, the tenth before it the validation
expect_true("the cuts are the 80 % and 90 % points of all event times", cuts == [by_time.cut_valid, by_time.cut_test])

train_rows, test_rows = 0, []  # a loop over users, by the definition
all_times = events["timestamp"].tolist()
for user in range(dataset.num_users):
    rows = range(dataset.offsets[user], dataset.offsets[user + 1])
    train_rows += sum(all_times[row] < cuts[0] for row in rows)
    if len(rows) > 1 and all_times[rows[-1]] >= cuts[1]:
        test_rows.append(rows[-1])
expect_true("the training part is what the loop finds", train_rows == len(by_time.train))
expect_true("the test targets are what the loop finds", test_rows == by_time.test.row.tolist())

# %% [markdown] id="predict-split-en" lang="en" tags=["predict"]
# **Predict.** The picture shows twelve users of the sample, each a row of events, cut in both ways. A star marks one user's test event. In which of the two panels will there be training events to the right of the dashed line that goes through the star?

# %% [markdown] id="predict-split-zh" lang="zh" en="5511718c" tags=["predict"]
# **猜一猜。** 下图是 sample 的十二个用户，每人一行事件，用两种方法切开。星号标出某个用户的测试事件。在哪一幅图里，穿过星号的虚线右边会有训练事件？

# %% id="split-picture" tags=["picture", "nbval-ignore-output"]
have_test = np.intersect1d(by_time.test.user, last_out.test.user)
by_end = have_test[events["timestamp"].to_numpy()[dataset.offsets[have_test + 1] - 1].argsort()]
twelve = by_end[np.linspace(0, len(by_end) - 1, 12).astype(int)]
end = events["timestamp"].max() / DAY
fig, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
for ax, split, title in zip(axes, (last_out, by_time), ("leave-last-out", "temporal split"), strict=True):
    star = twelve[1]
    moment = events["timestamp"].to_numpy()[split.test.row[split.test.user == star][0]] / DAY - end
    for place, user in enumerate(twelve):
        rows = np.arange(dataset.offsets[user], dataset.offsets[user + 1])
        when = events["timestamp"].to_numpy()[rows] / DAY - end
        train, test = rows < split.train_end[user], np.isin(rows, split.test.row)
        future = train & (when > moment)
        ax.plot(when[train & ~future], np.full((train & ~future).sum(), place), "o", color=plots.SKY, markersize=4)
        ax.plot(when[future], np.full(future.sum(), place), "x", color=plots.VERMILION, markersize=6)
        rest = ~train & ~test
        ax.plot(when[rest], np.full(rest.sum(), place), "s", color="0.75", markersize=4)
        ax.plot(when[test], np.full(test.sum(), place), "^", color=plots.GREEN, markersize=6)
    ax.plot(moment, 1, "*", color=plots.BLACK, markersize=14)
    ax.axvline(moment, color=plots.BLACK, linestyle="--", linewidth=1)
    if split.cut_valid:
        for cut in (split.cut_valid, split.cut_test):
            ax.axvline(cut / DAY - end, color="0.4", linewidth=1)
    ax.set(title=title, xlabel="time (days before the last event of all)", xlim=(-30, 1), yticks=[])
axes[0].set_ylabel("users, by their last event")
labels = {
    "training": ("o", plots.SKY),
    "training, later than the star": ("x", plots.VERMILION),
    "validation, or history only": ("s", "0.75"),
    "test": ("^", plots.GREEN),
}
handles = [plt.Line2D([], [], linestyle="", marker=m, color=c, label=label) for label, (m, c) in labels.items()]
fig.legend(handles=handles, loc="outside lower center", ncols=4)
plt.show()

# %% [markdown] id="split-alt-en" lang="en" tags=["alt"]
# Two panels with the same twelve users as rows of events over the last thirty days. Left, leave-last-out: every row is training up to its last two events, and many training events of other users, drawn as crosses, lie to the right of the dashed line through the star. Right, temporal split: two vertical cuts for all; all training events lie left of the first cut, none right of the dashed line.

# %% [markdown] id="split-alt-zh" lang="zh" en="632e6e93" tags=["alt"]
# 两幅图，同样的十二个用户，各是一行事件，画的是最后三十天。左图，留一法：每一行除了最后两个事件都是训练，别的用户有许多训练事件（画成叉）落在穿过星号的虚线右边。右图，时间切分：所有人共用两条竖直的切线，训练事件全在第一条切线左边，虚线右边一个也没有。

# %% id="split-numbers"
expect(
    "share of the training events later than a test event, leave-last-out, sample",
    later_share(last_out).mean(),
    0.08,
    tol=0.005,
    when=ON_SAMPLE,
)
expect_true("temporal split: no training event is later than any test event", later_share(by_time).max() == 0)
for name, value in (("ml-100k", 0.41), ("amazon-grocery", 0.29)):
    expect(f"the same share, leave-last-out, {name}", facts.loc[name, "leave_last_out_later"], value, tol=0.005)
expect_true(
    "sample: 1618 of 3000 users have a test event in the temporal split", len(by_time.test) == 1618, when=ON_SAMPLE
)
expect_true("ML-100K: 166 of 943 users have one", film["temporal_test_users"] == 166)
expect("ML-100K: share of them without any training event", film["temporal_test_unknown"], 0.58, tol=0.005)

# %% [markdown] id="split-lesson-en" lang="en"
# With leave-last-out, training sees **other users' future**. In the sample, 8 % of the training events are later than the test event they help to predict, averaged over the test events; in MovieLens 100K it is 41 %, in the groceries 29 %. A model may learn from them what will be in fashion, which items will exist, what will be seen after what. On the day itself nobody could know that. Lesson 03 measures what the leak is worth.
#
# The temporal split has no such leak, and it has its price. Only 1618 of the 3000 users of the sample have a test event. In MovieLens 100K it is 166 of 943, and 58 % of these have no training event at all: most people come only once, so whoever comes late was not there before. This course cuts by time wherever it can, and uses leave-last-out to compare with papers. Whichever you use, say which.

# %% [markdown] id="split-lesson-zh" lang="zh" en="bb9b82df"
# 用留一法时，训练看得见**别的用户的未来**。在 sample 里，对各个测试事件取平均，有 8% 的训练事件晚于它们要帮忙预测的那个测试事件；在 MovieLens 100K 里是 41%，在食品杂货里是 29%。模型可以从中学到什么会流行、哪些物品会出现、看完什么会接着看什么，而这些在当天谁也不可能知道。这种泄漏（leak）会让分数虚高多少，第 03 课会测出来。
#
# 时间切分没有这种泄漏，但也有代价。sample 的 3000 个用户里只有 1618 个有测试事件。在 MovieLens 100K 里是 943 个中的 166 个，其中 58% 连一个训练事件也没有：多数人只来一次，来得晚的人，此前根本不在。本课程凡是能按时间切的都按时间切，要与论文比较时才用留一法。无论用哪一种，都要说明是哪一种。

# %% [markdown] id="window-en" lang="en"
# ## From a history to a window
#
# A model is fed rectangles. From each history we take the last $L$ steps, and for each step we write down the **target**, the item that came next. So the targets are the inputs, moved by one. User 0 of the tiny table, with $L = 4$:
#
# | position | 1 | 2 | 3 | 4 |
# |:--|--:|--:|--:|--:|
# | item seen | Alien | Cake | Moon | PAD |
# | its time | 10 | 70 | 400 | 400 |
# | target | Cake | Moon | Mars | none |
# | query time | 70 | 400 | 100000 | 400 |
#
# The last event has nothing after it, so four events make three steps. The empty place is filled with item 0, the *padding*, always on the right (lesson 05 shows why). The *query time* is the moment for which the model is asked: when the list will be shown. At serving time that is "now", so a time-aware model may know it; it must not know what is chosen then.

# %% [markdown] id="window-zh" lang="zh" en="363feb1a"
# ## 从历史到窗口
#
# 模型的输入是矩形的表。从每段历史里取最后 $L$ 步，并为每一步记下**目标**，也就是接下来的那个物品。所以目标就是输入错开一位。以小表里的用户 0 为例，$L = 4$：
#
# | 位置 | 1 | 2 | 3 | 4 |
# |:--|--:|--:|--:|--:|
# | 看到的物品 | 异形 | 蛋糕 | 月球 | PAD |
# | 它的时间 | 10 | 70 | 400 | 400 |
# | 目标 | 蛋糕 | 月球 | 火星 | 无 |
# | 查询时刻 | 70 | 400 | 100000 | 400 |
#
# 最后一个事件后面什么也没有，所以四个事件只有三步。空位用物品 0 填上，这叫**填充**（padding），总是放在右边（原因见第 05 课）。**查询时刻**（query time）是向模型发出查询的那一刻，也就是列表要展示的时候。上线时它就是“现在”，所以感知时间的模型可以知道它；但那一刻选了什么，模型绝不能知道。

# %% id="window-library" tags=["library"]
from tutorial_lib.data.sequences import _require_positive

# show: tutorial_lib.data.sequences.gather_windows

# %% id="window-tiny"
items, when = (sort_events(raw)[column].to_numpy() for column in ("item", "timestamp"))
start, end = np.array([0, 4]), np.array([3, 6])  # user 0 has rows 0..3, user 1 rows 4..6; the last row is a target only
inputs, input_times, lengths = gather_windows(items, when, start, end, max_len=4)
targets, target_times, _ = gather_windows(items, when, start + 1, end + 1, max_len=4)
for label, table in (("items", inputs), ("times", input_times), ("targets", targets), ("query times", target_times)):
    print(label)
    show_matrix(table, ["user 0", "user 1"])

# %% [markdown] id="window-why-en" lang="en"
# Three columns and not four: a batch is only as wide as its longest window. The one trick is in `rows`: a table of row numbers, all windows at once, and pads that point at the last real row. No loop over users. Whoever writes it cleverly should be checked by somebody who writes it plainly:

# %% [markdown] id="window-why-zh" lang="zh" en="870c7c97"
# 三列而不是四列：一个批（batch）只有其中最长的窗口那么宽。唯一的技巧在 `rows`：它是一张行号的表，所有窗口一次算出，填充指向最后一个真实的行。没有对用户的循环。写法越巧妙，就越需要用直白的写法来核对：


# %% id="window-check" tags=["reference-check"]
def windows_by_loop(split, max_len):
    """{user: (items, targets, query times)} of the training part, one user after the other."""
    windows = {}
    events = split.dataset.events
    for user in range(split.dataset.num_users):
        rows = slice(split.dataset.offsets[user], split.train_end[user])
        item, time = events["item"].to_numpy()[rows].tolist(), events["timestamp"].to_numpy()[rows].tolist()
        if len(item) >= 2:
            windows[user] = (item[:-1][-max_len:], item[1:][-max_len:], time[1:][-max_len:])
    return windows


wanted, found = windows_by_loop(by_time, max_len=20), {}
for batch in training_batches(by_time, max_len=20, batch_size=128, seed=0, epoch=1):
    for row, user in enumerate(batch.users.tolist()):
        real = slice(0, int(batch.lengths[row]))
        found[user] = tuple(x[row, real].tolist() for x in (batch.items, batch.targets, batch.query_times))
expect_true("the windows of all batches equal the loop's, user by user", found == wanted)

# %% [markdown] id="feature-en" lang="en"
# ## From a gap to a number that a network can take
#
# Gaps run from a second to a year, a factor of thirty million. So the library gives models $\ln(1 + g / 1\,\text{h})$ instead of the gap $g$: 0 stays 0, an hour becomes $\ln 2$, and no year drowns everything else. Then it subtracts the mean and divides by the standard deviation, both taken from the gaps of the **training part** alone. There are two such features: *backward*, the time since the previous event, and *forward*, the time until the query.

# %% [markdown] id="feature-zh" lang="zh" en="8a39ac07"
# ## 从间隔到网络可用的特征
#
# 间隔从一秒到一年，相差三千万倍。所以库交给模型的不是间隔 $g$，而是 $\ln(1 + g / 1\,\text{小时})$：0 还是 0，一小时变成 $\ln 2$，长达一年的间隔也不会把其他间隔全部淹没。然后减去均值、除以标准差，两者都只用**训练集**里的间隔来算。这样的特征有两个：**向后**的，即距上一个事件多久；**向前**的，即到查询时刻还有多久。

# %% id="feature-library" tags=["library"]
from torch import Tensor

from tutorial_lib.data.sequences import GapStatistics, widest

# show: tutorial_lib.data.sequences.gap_feature

# %% id="feature-tiny"
times = torch.tensor([[10, 70, 400, 100_000]]) + 1_700_000_000
backward, _ = gap_feature(times, stats=GapStatistics(mean=0.0, std=1.0))
show_matrix(backward, ["ln(1 + gap / 1 h)"], ["Alien", "Cake", "Moon", "Mars"], digits=3)
hour, _ = gap_feature(torch.tensor([[0, 3600]]), stats=GapStatistics(mean=0.0, std=1.0))
expect("feature of an hour, ln 2", hour[0, 1], np.log(2), tol=1e-6)
stats = fit_gap_statistics(by_time)
train = by_time.train
of_training, _ = gaps(train)
expect_close(
    "the library's mean and spread are those of the training gaps",
    [stats.mean, stats.std],
    [np.log1p(of_training / HOUR).mean(), np.log1p(of_training / HOUR).std()],
    tol=1e-9,
)

# %% [markdown] id="float-en" lang="en" tags=["break-it"]
# ## Break it, 2: seconds in single precision
#
# Networks compute in `float32`, so it seems natural to turn the timestamps into `float32` first and subtract later. The code runs, and the numbers look like seconds.

# %% [markdown] id="float-zh" lang="zh" en="6d49ccce" tags=["break-it"]
# ## 破坏实验二：用单精度存秒
#
# 网络用 `float32` 计算，所以先把时间戳转成 `float32`、以后再相减，看上去很自然。代码能跑通，结果看起来也像秒数。

# %% [markdown] id="predict-float-en" lang="en" tags=["predict"]
# **Predict.** Three events, 30 and 60 seconds apart, somewhere in the year 2023. What gaps come out? A `float32` has 24 binary digits; a timestamp of today needs 31.

# %% [markdown] id="predict-float-zh" lang="zh" en="ce0a57a8" tags=["predict"]
# **猜一猜。** 三个事件，相隔 30 秒和 60 秒，时间在 2023 年。算出来的间隔会是多少？`float32` 有 24 位二进制数字，而今天的时间戳需要 31 位。

# %% id="float-code" tags=["break-it"]
three = np.array([0, 30, 90]) + 1_700_000_000
print("float32 first:", np.diff(three.astype(np.float32)).tolist(), "| int64 first:", np.diff(three).tolist())

users, whole = events["user"].to_numpy(), events["timestamp"].to_numpy()
rounded = np.diff(whole.astype(np.float32))[np.diff(users) == 0]
short = (seconds > 0) & (seconds < 128)
expect("share of gaps of 0, exact", (seconds == 0).mean(), 0.018, tol=0.002, when=ON_SAMPLE)
expect("share of gaps of 0, float32 first", (rounded == 0).mean(), 0.09, tol=0.005, when=ON_SAMPLE)
expect("share of the gaps from 1 to 127 s that become 0", (rounded[short] == 0).mean(), 0.37, tol=0.02, when=ON_SAMPLE)
try:
    gap_feature(times.float(), stats=stats)
except TutorialError as error:
    print("the library refuses:", error)
expect_true("mended: subtract in int64, then convert", (np.diff(three).astype(np.float32) == [30, 60]).all())

# %% [markdown] id="float-why-en" lang="en"
# Zero and 128. Beyond $2^{30}$, single precision knows the seconds in steps of 128 only. In the sample, the share of zero gaps rises from 1.8 % to 9 %, and 37 % of the gaps from 1 to 127 seconds vanish. Nothing warns you: the model trains, it just no longer sees what happens within a sitting. Libraries in wide use have done this. The rule is short: **subtract whole numbers first, convert the difference.**

# %% [markdown] id="float-why-zh" lang="zh" en="d2da1825"
# 零和 128。超过 $2^{30}$ 之后，单精度只能以 128 为步长表示秒。在 sample 里，零间隔的比例从 1.8% 升到 9%，1 到 127 秒的间隔有 37% 消失了。没有任何警告：模型照常训练，只是再也看不见会话之内发生的事。一些广泛使用的库就这样做过。规则很短：**先用整数相减，再转换差值。**

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **1.1 Implement · core.** Number the sittings: for each event the number of its sitting within its user's history, 0 for the first. A gap of `pause` seconds or more begins a new sitting. No loop over users or events; think of `np.cumsum`, and of what a new user must do to the count.

# %% [markdown] id="exercise1-zh" lang="zh" en="921d854c" tags=["exercise"]
# ## 练习
#
# **1.1 实现 · 进阶。** 给会话编号：对每个事件，给出它在该用户历史里属于第几次会话，第一次为 0。间隔达到 `pause` 秒就开始新的会话。不许对用户或事件写循环；想想 `np.cumsum`，再想想换人时计数应当怎样。


# %% id="exercise1-code" tags=["exercise"]
def sitting_numbers(users, times, pause):
    """users, times: int64 [N], sorted by user and time -> int64 [N]."""
    ...


lesson01.check_sittings(sitting_numbers)


# %% id="exercise1-solution" tags=["solution"]
# Solution

def sitting_numbers(users, times, pause):
    first = np.diff(users, prepend=-1) != 0  # bool [N]: a user's first event
    begins = first | (np.diff(times, prepend=times[0]) >= pause)
    count = np.cumsum(begins)  # sittings so far, over all users
    return count - count[first][np.cumsum(first) - 1]  # less the count at the user's own first event


lesson01.check_sittings(sitting_numbers)
numbers = sitting_numbers(events["user"].to_numpy(), events["timestamp"].to_numpy(), HOUR)
sittings = (numbers[dataset.offsets[1:] - 1] + 1).sum()  # the number of a user's last sitting tells how many there were
expect("events in a sitting, mean", len(events) / sittings, 2.4, tol=0.1, when=ON_SAMPLE)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **1.2 Modify · stretch.** A high CV can mean bursts within a sitting, or pauses of very different lengths. Change `irregularity` so that it takes only the **pauses**, the gaps of `pause` seconds or more. Users with fewer than two pauses have none: NaN. You may start from the source above.

# %% [markdown] id="exercise2-zh" lang="zh" en="481d4e10" tags=["exercise"]
# **1.2 修改 · 挑战。** CV 高，可能是因为事件集中在会话里，也可能是因为停顿长短悬殊。改写 `irregularity`，让它只取**停顿**，即达到 `pause` 秒的间隔。停顿不足两次的用户没有这个值：NaN。可以从上面的源码改起。


# %% id="exercise2-code" tags=["exercise"]
def irregularity_of_pauses(events, pause):
    """events: sorted table -> float64 [users]."""
    ...


lesson01.check_pauses(irregularity_of_pauses)


# %% id="exercise2-solution" tags=["solution"]
# Solution

def irregularity_of_pauses(events, pause):
    seconds, user = gaps(events)
    seconds, user = seconds[seconds >= pause], user[seconds >= pause]
    size = int(events["user"].max()) + 1
    count = np.bincount(user, minlength=size)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(user, seconds, size) / count
        spread = np.sqrt(np.bincount(user, (seconds - mean[user]) ** 2, size) / count)
        return np.where(count > 1, spread / mean, np.nan)


lesson01.check_pauses(irregularity_of_pauses)
expect("median CV of the pauses", np.nanmedian(irregularity_of_pauses(events, HOUR)), 0.7, tol=0.05, when=ON_SAMPLE)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **1.3 Measure · core.** What would be left of the sample's clock if it showed full minutes, hours or days only? Write the share of gaps that are 0 when every timestamp is rounded **down** to a multiple of `grid` seconds. Does a clock that shows days still tell sittings from pauses?

# %% [markdown] id="exercise3-zh" lang="zh" en="10d5e197" tags=["exercise"]
# **1.3 测量 · 进阶。** 如果 sample 的时间戳只精确到分、小时或天，还能保留多少信息？把每个时间戳**向下**取到 `grid` 秒的整数倍，求这时为 0 的间隔所占的比例。只精确到天的时间戳，还分得清会话和停顿吗？


# %% id="exercise3-code" tags=["exercise"]
def zero_share(events, grid):
    """events: sorted table, grid: seconds -> share of zero gaps, a number from 0 to 1."""
    ...


lesson01.check_zero_share(zero_share)


# %% id="exercise3-solution" tags=["solution"]
# Solution

def zero_share(events, grid):
    # Round first, subtract then. Days still tell sittings from pauses; what they lose is the order within the day.
    seconds, _ = gaps(events.assign(timestamp=events["timestamp"] // grid * grid))
    return (seconds == 0).mean()


lesson01.check_zero_share(zero_share)
for label, grid, value in (("minutes", 60, 0.032), ("hours", 3600, 0.562), ("days", 86400, 0.614)):
    expect(f"share of zero gaps on a clock of {label}", zero_share(events, grid), value, tol=0.005, when=ON_SAMPLE)
same_day, _ = gaps(events.assign(timestamp=events["timestamp"] // DAY))
told = ((same_day == 0) == (seconds < HOUR)).mean()  # zero on the clock of days, and within a sitting, or neither
expect("share of gaps that a clock of days puts on the right side", told, 0.986, tol=0.005, when=ON_SAMPLE)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **1.4 Think · basic.** A test event happened on 1 March. Which of these steps use something that nobody could have known on that day? Give a set of letters.
#
# - A: items with fewer than five events in the whole table are left out before the split
# - B: with leave-last-out, popularity is counted on the training part
# - C: with the temporal split, the statistics of the gap feature come from the training part
# - D: the history of the test event holds the same user's validation events
# - E: each user's gaps are divided by the smallest gap of that user's whole history
# - F: with the temporal split, the number of epochs is chosen on the validation part

# %% [markdown] id="exercise4-zh" lang="zh" en="932ee1a2" tags=["exercise"]
# **1.4 思考 · 基础。** 某个测试事件发生在 3 月 1 日。下面哪些做法，用到了当天谁也不可能知道的东西？用字母的集合作答。
#
# - A：切分之前，先去掉在整张表里不足五个事件的物品
# - B：用留一法，在训练集上统计热门程度
# - C：用时间切分，间隔特征的统计量来自训练集
# - D：测试事件的历史里包含同一个用户的验证事件（验证集里的事件）
# - E：把每个用户的间隔，除以该用户整段历史里最小的间隔
# - F：用时间切分，在验证集上选择训练的轮数（epoch）

# %% id="exercise4-code" tags=["exercise"]
uses_the_future = ...

lesson01.check_future(uses_the_future)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# A counts events of the test period, and so decides with them which items exist. B counts other users' events after
# 1 March. E may take its unit from the gap that ends with the test event itself, or from a later one. C and F look
# at events before the test period only, and D at events before the test event.
uses_the_future = {"A", "B", "E"}

lesson01.check_future(uses_the_future)

# %% [markdown] id="exercise5-en" lang="en" tags=["exercise"]
# **1.5 Mend · core.** A colleague's core has its own limits for users and for items. It is right on some tables only. Find its faults, then write it so that it is right on all; keep the order of the rows.
#
# ```python
# def core(events, user_least, item_least):
#     users = events.groupby("user").size()
#     items = events.groupby("item").size()
#     for _ in range(3):
#         events = events[events["user"].isin(users[users > user_least].index)]
#         events = events[events["item"].isin(items[items > item_least].index)]
#     return events
# ```

# %% [markdown] id="exercise5-zh" lang="zh" en="7dbbb27f" tags=["exercise"]
# **1.5 改错 · 进阶。** 一位同事写的 core 对用户和物品各有一个下限，但只在部分表上是对的。找出其中的错误，写出在任何表上都正确的版本；行的顺序保持不变。
#
# ```python
# def core(events, user_least, item_least):
#     users = events.groupby("user").size()
#     items = events.groupby("item").size()
#     for _ in range(3):
#         events = events[events["user"].isin(users[users > user_least].index)]
#         events = events[events["item"].isin(items[items > item_least].index)]
#     return events
# ```


# %% id="exercise5-code" tags=["exercise"]
def core(events, user_least, item_least):
    """events: table with user, item, timestamp -> the rows that stay, as a table."""
    ...


lesson01.check_core(core)


# %% id="exercise5-solution" tags=["solution"]
# Solution

def core(events, user_least, item_least):
    # Three faults: the counts were taken once and never renewed, three rounds need not be enough, and > is not "at least".
    while True:
        enough = events.groupby("user")["user"].transform("size") >= user_least
        enough &= events.groupby("item")["item"].transform("size") >= item_least
        if enough.all():
            return events
        events = events[enough]


lesson01.check_core(core)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** Judge the clock of a table that is your own: the history of a music player, the commits of a repository, a bank statement, or any public log. Write it as a file with the columns user, item and timestamp, load it with `load_dataset("csv:PATH")`, and begin with `gap_facts` and the cell `gap-picture`. A good report has the share of zero gaps, the median gap, the place of the valley if there is one, the rank correlation of CV and length beside the value of chance visitors with the same lengths, one picture, one claim about time that this table cannot support, and what you doubt about how the times were written.

# %% [markdown] id="open-zh" lang="zh" en="65b2b726" tags=["open"]
# **开放任务。** 评估一张属于你自己的表的时间戳：音乐播放记录、某个代码仓库的提交、银行流水，或任何公开的日志。把它存成含有 user、item、timestamp（用户、物品、时间戳）三列的文件，用 `load_dataset("csv:PATH")` 读入，从 `gap_facts` 和单元格 `gap-picture` 开始。一份好的报告包括：零间隔的比例，间隔的中位数，两峰之间的低谷在哪里（如果有），CV 与历史长度按排名计算的相关系数，以及历史同样长的随机访客的数值，一张图，一个关于时间而这张表无法支持的结论，以及你对这些时间的记录方式的疑问。

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "zero_gaps": ...,  # share of gaps of 0 s, from 0 to 1
    "median_gap": ...,  # seconds
    "valley": ...,  # where it is, or why there is none
    "correlation": ...,  # rank correlation of CV and length
    "by_chance": ...,  # the same for chance visitors with these lengths
    "not_supported": ...,  # a claim about time that this table cannot support
    "picture": ...,  # the figure, with a label on each axis
    "doubt": ...,  # what you doubt, in a sentence or two
}
lesson01.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## Nora's table, answered
#
# What can the clock have told the model that wins on Nora's table? For half of the steps, nothing: the gap is 0, and the order is that of the file. For almost all others it tells seconds and minutes within one sitting in front of a web page. So the gain may come from the minority who came back, or from how the file was written, or from other people's future if the split was leave-last-out. You now know what to ask for: the gain on steps with a gap, with ties in row order, on a temporal split. Her neighbour's table has real pauses of weeks, at the price of an unknown order within a day.

# %% [markdown] id="answer-zh" lang="zh" en="784652bb"
# ## 回答开头的问题
#
# 在小雨那张表上胜出的模型，从时间戳里究竟知道了什么？有一半的步，什么也不知道：间隔是 0，顺序是文件的行序。其余的间隔几乎全是同一次会话里的几秒、几分钟。因此，提升可能来自少数再次回来的人，可能来自文件的行序；如果用的是留一法，还可能来自别人的未来。现在你知道该要求什么了：只在间隔不为零的步上看提升，并列保持行的顺序，用时间切分（temporal split）。她邻居那张表里有以周计的真实停顿，代价是一天之内的顺序无从知晓。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. Sort by user and time with a stable sort; ties keep the row order and are never broken by item number.
# 2. Gaps are taken within a user; a long one begins a new sitting; the CV measures irregularity, and short histories cannot have a large one.
# 3. Look at a clock before you model it: in MovieLens 100K half of the gaps are 0, in the groceries every event is at midnight.
# 4. Leave-last-out lets training see other users' future; the temporal split does not, but it tests fewer users.
# 5. Windows shift the history by one, pads stand on the right, and time differences are taken in whole numbers first.

# %% [markdown] id="summary-zh" lang="zh" en="0b2516b4" tags=["summary"]
# ## 小结
#
# 1. 用稳定排序按用户和时间排列；并列保持行的顺序，绝不用物品编号来决定先后。
# 2. 间隔在同一个用户之内计算；长间隔开始新的会话；CV 度量不规则程度，而短的历史不可能有大的 CV。
# 3. 给时间建模之前，先看看时间戳本身：MovieLens 100K 有一半的间隔是 0，食品杂货里每个事件都在零点。
# 4. 留一法让训练看见别的用户的未来；时间切分不会，但能测试的用户较少。
# 5. 窗口就是把历史错开一位，填充放在右边，时间差先用整数算。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> A table was exported with `ORDER BY user, timestamp, item DESC`. You sort it by user and time with a stable sort. Is the history safe now?</summary>
#
# No. A stable sort keeps the order of the rows, and in every tie that order is the falling item number, the same pattern for everybody. Get the order of arrival, or shuffle the ties with a fixed seed.
#
# </details>
#
# <details><summary><b>2.</b> Three people have 5, 2 and 4 events, one after the other in the table. How many steps does `np.diff` give, how many of them are gaps, and can you find the wrong ones by their sign?</summary>
#
# 10 steps, 8 gaps, 2 wrong steps. The sign shows a wrong step only where the next person began before this one ended; compare the users instead.
#
# </details>
#
# <details><summary><b>3.</b> Two users have a CV of 2. One has 5 gaps, the other 160. Are they equally irregular?</summary>
#
# No. With 5 gaps 2 is the largest possible value, the square root of 4: one burst. With 160 gaps the CV could exceed 12, and chance gives about 1. Compare a CV only with users of the same length.
#
# </details>
#
# <details><summary><b>4.</b> A time-aware model beats its twin without time on MovieLens 100K. On the steps with a gap above 0 the gain is gone. What has it learned?</summary>
#
# Nothing about time: where the gap is 0, the clock says no more than “the same click”. The gain sits on ties, where the order is that of the file. Shuffle the ties with a seed and see whether the gain survives.
#
# </details>
#
# <details><summary><b>5.</b> A history has 7 events and $L = 3$. Which are the inputs, the targets and the query times?</summary>
#
# Seven events make six steps; the last three are kept. Inputs: events 4, 5, 6. Targets: events 5, 6, 7. Query times: the times of 5, 6 and 7.
#
# </details>
#
# <details><summary><b>6.</b> In your log all gaps lie between one second and ten minutes. What does $\ln(1 + g / 1\,\text{h})$ look like there, and what would you change?</summary>
#
# For gaps far below the unit it is nearly $g / 1\,\text{h}$, a straight line; after standardising the longest gaps dominate again. Take a shorter unit, such as one second, and the feature is logarithmic where your gaps are.
#
# </details>
#
# <details><summary><b>7.</b> A colleague subtracts the first timestamp of the table as int64, and converts to `float32` then. Are the seconds exact for a table of 100 days, and for one of two years?</summary>
#
# A `float32` has 24 binary digits, so whole numbers are exact up to $2^{24}$, more than 16 million. 100 days are less than 9 million seconds: exact. Two years are 63 million: steps of 4 seconds.
#
# </details>
#
# <details><summary><b>8.</b> The temporal split of MovieLens 100K tests 166 people, and 58 % of them have no training event. How many of them can a model serve that learns a few numbers for each user, and what follows for your report?</summary>
#
# For about 70. An average over 70 people has a wide interval, so give it. A model that reads the history can serve the others as well, once their first events are there.
#
# </details>
#
# <details><summary><b>9.</b> Somebody takes the 5-core of the whole table and then splits by leave-last-out. A user has exactly five events. What decided that he is in the test, and how do you mend it?</summary>
#
# His own test event: without it he has four events and would be left out. Count on the training part only, and say so.
#
# </details>
#
# <details><summary><b>10.</b> A model gains most in the most irregular third of the users. Which two checks must the sentence “irregular users profit from time” pass?</summary>
#
# Thirds among users of equal length, because the CV grows with the length. And a run in which time cannot help: shuffled gaps, or the world `control`. A gain that survives there does not come from time.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="e20dfd8f" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 一张表是用 `ORDER BY user, timestamp, item DESC` 导出的。你用稳定排序按用户和时间排好了。历史现在可靠吗？</summary>
#
# 不可靠。稳定排序保留行的顺序，而每一处并列里的顺序都是物品编号从大到小，对每个人都是同一个规律。应当找回到来的顺序，或者用固定的种子（seed）把并列打乱。
#
# </details>
#
# <details><summary><b>2.</b> 三个人各有 5、2、4 个事件，在表里依次排列。`np.diff` 给出几步？其中几个是间隔？能凭正负号找出错误的步吗？</summary>
#
# 共 10 步，8 个是间隔，2 步是错的。只有下一个人开始得比这个人结束得早，错误的步才是负数。应当比较用户，而不是看正负号。
#
# </details>
#
# <details><summary><b>3.</b> 两个用户的 CV 都是 2，一个有 5 个间隔，另一个有 160 个。两人同样不规则吗？</summary>
#
# 不是。5 个间隔时，2 是可能的最大值，即 4 的平方根，说明事件全挤在一处。160 个间隔时，CV 可以超过 12，而随机访客约为 1。CV 只能与历史同样长的用户相比。
#
# </details>
#
# <details><summary><b>4.</b> 在 MovieLens 100K 上，一个感知时间的模型胜过了没有时间信息的对照模型（time-blind twin）。只看间隔大于 0 的步，提升就没有了。它学到了什么？</summary>
#
# 没有学到与时间有关的东西：间隔为 0 时，时间只说明“同一次点击”。提升落在并列上，那里的顺序就是文件的行序。用固定的种子把并列打乱，看看提升是否还在。
#
# </details>
#
# <details><summary><b>5.</b> 一段历史有 7 个事件，$L = 3$。输入、目标和查询时刻分别是什么？</summary>
#
# 七个事件有六步，保留最后三步。输入是第 4、5、6 个事件，目标是第 5、6、7 个，查询时刻是第 5、6、7 个事件的时间。
#
# </details>
#
# <details><summary><b>6.</b> 你的日志里，所有间隔都在一秒到十分钟之间。这时 $\ln(1 + g / 1\,\text{小时})$ 是什么样子？你会怎么改？</summary>
#
# 间隔远小于单位时，它几乎就是直线 $g / 1\,\text{小时}$；标准化之后，又是最长的间隔占主导。换一个更短的单位，例如一秒，特征在你的间隔范围内就是对数形状了。
#
# </details>
#
# <details><summary><b>7.</b> 一位同事先用 int64 减去表中第一个时间戳，再转换成 `float32`。如果表覆盖 100 天，秒数是精确的吗？两年呢？</summary>
#
# `float32` 有 24 位二进制数字，不超过 $2^{24}$（一千六百多万）的整数都是精确的。100 天不到九百万秒，是精确的。两年约六千三百万秒，只能精确到 4 秒。
#
# </details>
#
# <details><summary><b>8.</b> MovieLens 100K 的时间切分测试 166 个人，其中 58% 没有任何训练事件。一个为每位用户单独学习一组数的模型，能为其中多少人服务？报告里应当怎么写？</summary>
#
# 大约 70 人。对 70 人求平均，区间很宽，所以必须给出区间。读取历史的模型也能为其余的人服务，只要他们已有最初的几个事件。
#
# </details>
#
# <details><summary><b>9.</b> 有人先对整张表取 5-core，再按留一法切分。某个用户恰好有五个事件。是什么决定了他参加测试？怎样修正？</summary>
#
# 正是他自己的测试事件：没有它，他只有四个事件，会被去掉。应当只在训练集上计数，并在报告里写明。
#
# </details>
#
# <details><summary><b>10.</b> 某个模型在最不规则的三分之一用户上提升最大。“不规则的用户从时间信息中获益”这句话，必须通过哪两项检查？</summary>
#
# 第一，在历史同样长的用户之间分组，因为 CV 随历史长度增大。第二，在时间不可能有用的情形下再跑一遍，即打乱间隔，或使用 `control` 世界。如果那里的提升还在，它就不是来自时间。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - Y. Ji, A. Sun, J. Zhang, C. Li, *A Critical Study on Data Leakage in Recommender System Offline Evaluation*, ACM TOIS 2023: what leave-last-out lets in. [arXiv 2010.11060](https://arxiv.org/abs/2010.11060)
# - F. M. Harper, J. A. Konstan, *The MovieLens Datasets: History and Context*, ACM TiiS 2015: how the ratings were entered.
# - K.-I. Goh, A.-L. Barabási, *Burstiness and memory in complex systems*, EPL 2008: measures of irregular timing. [arXiv physics/0610233](https://arxiv.org/abs/physics/0610233)
# - In this repository: `tutorial_lib/data/events.py`, `tutorial_lib/data/splits.py`, `tutorial_lib/data/sequences.py`, `tutorial_lib/data/gaps.py`, `studies/gap_facts.py`, `data/README.md`.

# %% [markdown] id="references-zh" lang="zh" en="18a96b2d" tags=["references"]
# ## 参考文献
#
# - Y. Ji、A. Sun、J. Zhang、C. Li，*A Critical Study on Data Leakage in Recommender System Offline Evaluation*，ACM TOIS 2023：留一法放进了什么。[arXiv 2010.11060](https://arxiv.org/abs/2010.11060)
# - F. M. Harper、J. A. Konstan，*The MovieLens Datasets: History and Context*，ACM TiiS 2015：评分是怎样录入的。
# - K.-I. Goh、A.-L. Barabási，*Burstiness and memory in complex systems*，EPL 2008：不规则时间的度量。[arXiv physics/0610233](https://arxiv.org/abs/physics/0610233)
# - 本仓库：`tutorial_lib/data/events.py`，`tutorial_lib/data/splits.py`，`tutorial_lib/data/sequences.py`，`tutorial_lib/data/gaps.py`，`studies/gap_facts.py`，`data/README.md`。
