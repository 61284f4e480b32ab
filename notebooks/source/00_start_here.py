# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Ada has just chosen six things of one kind, one after the other. Two minutes later she asks for more. The last four things that Bo chose were of one kind as well; then he closed the page. He comes back after three and a half days. Should both be shown *more of the same*?
#
# You would probably say: Ada yes, Bo perhaps not. Now, many recommenders see a list of things in their order, and no clock. To them Ada and Bo are two people in the same situation.
#
# In the next two minutes you train such a recommender, on this machine, and look at what it shows the two of them. The rest of the course is about what to do next: how to make a model that knows what time it is, and how to find out whether that really helped.

# %% [markdown] id="puzzle-zh" lang="zh" en="bbed930c"
# 小林刚刚一口气选了六样同一类的东西，两分钟后还想再看。小波最近选的四样也都属于同一类，然后他关掉了页面，三天半以后才回来。应该给两个人都**推荐（recommendation）更多同类的东西**吗？
#
# 你多半会说：小林可以，小波就未必了。可是，许多推荐系统只看得到物品的先后顺序，看不到时间。在它们看来，小林和小波的处境没有分别。
#
# 接下来的两分钟里，你会在这台机器上训练一个这样的推荐模型，看看它给两人推荐什么。课程的其余部分要回答的是：接着该怎么办？怎样做出一个知道时间的模型，又怎样弄清楚它是不是真的有帮助？

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - tell whether your set-up works, and mend it if not;
# - train a recommender and read its list beside what was really chosen;
# - work through a lesson: predict, run, break, solve, compare;
# - compute by hand the place of an item in a list, and say what "27 hits in 100" is worth;
# - find your own way through the course on its map.

# %% [markdown] id="objectives-zh" lang="zh" en="01b8da03" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 判断环境是否装好，没装好时知道怎么修；
# - 训练一个推荐模型，把它的列表与用户真正的选择对照着看；
# - 按“猜、运行、弄坏、做题、对照”的步骤学一课；
# - 手算一个物品（item）在列表中的名次，并说清“100 次命中 27 次”意味着什么；
# - 在课程地图上找到自己的路线。

# %% [markdown] id="setup-text-en" lang="en"
# ## Is everything here?
#
# Run the cells from top to bottom with Shift+Enter. If a line below fails, run `make setup` in the folder of the project, then choose *Kernel, Restart Kernel*. If the sample is missing or damaged, `python -m tutorial_lib.data.simulate --write` makes it again in a few seconds.

# %% [markdown] id="setup-text-zh" lang="zh" en="0f76204f"
# ## 环境准备好了吗？
#
# 用 Shift+Enter 从上到下运行各个单元格。如果下面哪一行报错，就在项目文件夹里运行 `make setup`，再选择菜单“内核 → 重启内核”（英文界面为 *Kernel, Restart Kernel*）。如果样本数据缺失或损坏，`python -m tutorial_lib.data.simulate --write` 几秒钟就能重新生成。

# %% id="setup"
import re
import sys
import textwrap
import tomllib
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_true, settings, show_matrix
from tutorial_lib.data.datasets import find, item_names, load_dataset
from tutorial_lib.data.simulate import WORLDS, ceiling_ranks, simulate
from tutorial_lib.data.splits import make_split
from tutorial_lib.evaluate import evaluate
from exercises import lesson00
from tutorial_files.language import language
from tutorial_lib.models import build_model
from tutorial_lib.notebook import progress_bar
from tutorial_lib.statistics import bootstrap_interval, paired_bootstrap
from tutorial_lib.train import TrainConfig, make_optimizer, train_epoch

plots.use_style()

# %% id="versions" tags=["nbval-ignore-output"]
needed = {"torch": (2, 6), "numpy": (2, 0), "pandas": (2, 2), "matplotlib": (3, 9)}
print("Python", sys.version.split()[0], *(f"| {package} {version(package)}" for package in needed))
for name in ("sample", "control", "ml-100k", "ml-1m"):
    optional = "" if name in ("sample", "control") else ", optional: python -m tutorial_lib.data download " + name
    print(f"{name:8s} {'is here' if find(name) else 'is not here' + optional}")

# %% id="set-up-check"
expect_true("Python is 3.11 or newer", sys.version_info >= (3, 11))
for package, least in needed.items():
    found = tuple(int(number) for number in version(package).split(".")[:2])
    expect_true(f"{package} is {'.'.join(map(str, least))} or newer", found >= least)
expect_true("the sample is here and whole", load_dataset("sample").fingerprint == "172be4da9a60974a")

# %% [markdown] id="parameters-en" lang="en"
# One cell decides on which data a lesson runs. The text speaks of the simulated `sample`; with `TUTORIAL_DATASET=ml-100k` in the environment the same notebook trains on real ratings.

# %% [markdown] id="parameters-zh" lang="zh" en="87bea4d8"
# 一课用什么数据，由一个单元格决定。正文说的是模拟数据 `sample`；在环境变量里设 `TUTORIAL_DATASET=ml-100k`，同一个 notebook 就会在真实评分上训练。

# %% id="parameters-code" tags=["parameters"]
DATASET, USERS = settings(dataset="sample", users=None)
ON_SAMPLE = DATASET == "sample" and USERS is None  # the numbers in the text are checked only there

# %% [markdown] id="data-en" lang="en"
# ## Two minutes: train, then look
#
# The people of the `sample` do not exist: a small program invented 3,000 of them and what each chose from 1,000 items, and when. That is its strength. Because we wrote the laws of this world, we know what is the best that any model can reach there, and we know that in it time matters. The items come in 16 *kinds*; here they have the letters A to P. The model is told neither the kinds nor the laws, and it sees no clock. It gets the histories of the training period and learns to guess the next item.

# %% [markdown] id="data-zh" lang="zh" en="da13292c"
# ## 两分钟：先训练，再看
#
# `sample` 里的人并不存在：一个小程序虚构了 3,000 个用户，以及每个人从 1,000 个物品中先后选了什么、什么时候选的。这正是它的长处。这个世界的规律是我们自己写的，所以我们知道任何模型在那里最多能做到多好，也知道时间在其中确实有用。物品分为 16 **类**，这里用字母 A 到 P 表示。模型既不知道类别，也不知道规律，而且看不到时间。它拿到的是训练期间的历史（history），要学会预测下一个物品。

# %% id="data-code"
dataset = load_dataset(DATASET, users=USERS)
split = make_split(dataset, "temporal" if dataset.has_times else "leave_last_out")
kinds = np.array(["?"] * (dataset.num_items + 1))  # kind of item i at [i]
if dataset.name == "sample":
    small_world = simulate(replace(WORLDS["sample"], users=50))  # same seed, same items, fewer people: drawn quicker
    kinds[dataset.item_ids] = np.array(list("ABCDEFGHIJKLMNOP"))[small_world.clusters][dataset.item_ids - 1]
print(f"{dataset.name}: {dataset.num_users} users, {dataset.num_items} items, {len(dataset.events)} events")
kind, step = kinds[dataset.events["item"]], dataset.events.groupby("user")["timestamp"].diff().to_numpy()
stays = (kind[1:] == kind[:-1])[step[1:] < 3600]  # steps of less than an hour; a user's first event has no step
expect("share of short steps that stay within a kind (by chance 1/16)", stays.mean(), 0.58, tol=0.02, when=ON_SAMPLE)

# %% id="train" tags=["nbval-ignore-output", "training"]
config = TrainConfig(epochs=3, batch_size=32, learning_rate=3e-3, seed=0)
model = build_model("sasrec", num_items=dataset.num_items, max_len=60, dim=64, dropout=0.1, seed=0)
optimizer = make_optimizer(model, config)
losses = []
for epoch in progress_bar(range(1, config.epochs + 1), "epoch"):
    losses.append(train_epoch(model, split, config, optimizer, epoch))
model = model.eval()  # from learning to answering
table = pd.DataFrame({"epoch": range(1, config.epochs + 1), "loss": losses})
table.assign(**{"pure guessing": np.log(dataset.num_items)}).round(2).set_index("epoch")

# %% [markdown] id="people-en" lang="en"
# That is all: three passes over the data. Beside the loss stands the loss of pure guessing: whoever gives each of $V$ items the same probability has the loss $\ln V$. (The model is SASRec; you build it yourself in lesson 07.)
#
# Ada and Bo are picked by a rule that looks only at their histories and at the moment of the question, so that nobody can choose a pretty case. The choice to be guessed lies in the test period, which the model has not seen. Ada: the first person whose last four choices are of one kind and who asks again within the hour. Bo: the same, but after more than a day.

# %% [markdown] id="people-zh" lang="zh" en="91dd06b6"
# 训练到此为止，一共三轮。损失旁边列出了纯猜的损失：如果给 $V$ 个物品相同的概率（probability），损失就是 $\ln V$。（模型是 SASRec，第 07 课里你会亲手实现它。）
#
# 小林（Ada）和小波（Bo）是按规则挑出来的，规则只看历史和提问的时刻，因此谁也没法专挑好看的例子。要预测的那次选择落在测试期间，模型没有见过。小林：最近四次选择属于同一类、并且一小时之内再次来看的第一个人。小波：同样的条件，但隔了一天以上才来。

# %% id="people-code"
items, times = dataset.events["item"].to_numpy(), dataset.events["timestamp"].to_numpy()
target = split.test  # one row per question: the history is rows start .. row - 1, the answer is in row
pause = times[target.row] - times[target.row - 1]  # seconds from the last event to the question
last_four = np.stack([kinds[items[np.maximum(target.row - back, target.start)]] for back in (1, 2, 3, 4)])
same = (last_four == last_four[0]).all(axis=0)
ada, bo = (int(np.argmax(same & condition)) for condition in (pause < 3600, pause > 86400))


@torch.no_grad()
def scores_for(question, take_out_seen=True):
    """Score of every item for one question, float [num_items + 1]; seen items get -inf."""
    history = torch.tensor(items[target.start[question] : target.row[question]])
    scores = model.score(model(history[None, -60:])[0, -1])  # the state after the last event, against all items
    if take_out_seen:
        scores[history] = -torch.inf
    return scores


for name, question in (("Ada", ada), ("Bo", bo)):
    history = items[target.start[question] : target.row[question]]
    print(f"{name}: {len(history)} events, the last of the kinds {' '.join(kinds[history[-6:]])}")

# %% [markdown] id="predict-list-en" lang="en" tags=["predict"]
# **Predict before you run.** The picture below shows for both people the last twelve choices on a time axis, the list of ten, and as a star what they really chose. Of which kinds will Bo's list be? And in whose list will the star be?

# %% [markdown] id="predict-list-zh" lang="zh" en="ea47ccfe" tags=["predict"]
# **先猜，再运行。** 下图为两个人各画出时间轴上最近的十二次选择、十个物品的推荐列表，并用星号标出他们真正的选择。小波的列表会是哪些类？星号会落在谁的列表里？

# %% id="list-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(2, 2, figsize=(10, 6.4), width_ratios=[1.6, 1], sharey="row")
for (left, right), name, question in zip(axes, ("Ada", "Bo"), (ada, bo), strict=True):
    rows = np.arange(max(target.start[question], target.row[question] - 12), target.row[question])
    chosen, top_ten = items[target.row[question]], scores_for(question).topk(10).indices.numpy()
    shown = sorted({*kinds[items[rows]], *kinds[top_ten], kinds[chosen]})
    days = (times[rows] - times[target.row[question]]) / 86400
    for place, kind in enumerate(shown):
        style = {"color": plots.PALETTE[place % 6], "marker": "osD^vPXh"[place % 8], "s": 60, "edgecolor": "white"}
        here = kinds[items[rows]] == kind
        near = np.abs(days[here][:, None] - days[here]) < -0.02 * days[0]
        level = np.tril(near, -1).sum(axis=1)  # events at almost the same moment are stacked
        left.scatter(days[here], place - 0.035 * len(shown) * level, **style)
        listed = np.flatnonzero(kinds[top_ten] == kind)
        right.scatter(1 + listed, np.full(len(listed), place), **style)
    left.plot(-0.03 * days[0], shown.index(kinds[chosen]), "*", color=plots.BLACK, markersize=15)
    left.axvline(0, color="0.5", linestyle="--", linewidth=1)
    for place in 1 + np.flatnonzero(top_ten == chosen):
        right.plot(place, shown.index(kinds[chosen]), "*", color=plots.BLACK, markersize=15)
    left.set_yticks(range(len(shown)), [f"kind {kind}" for kind in shown])
    left.set(title=f"{name}: last twelve choices, and the next one (star)", xlabel="days (dashed line: the question)")
    right.set(title="the model's list", xlabel="place in the list", xticks=range(1, 11), xlim=(0.3, 10.7))
    left.invert_yaxis()
plt.show()

# %% [markdown] id="list-alt-en" lang="en" tags=["alt"]
# Two rows, Ada and Bo. Left, on an axis of days, the last twelve choices as marks by kind; right, the kinds of the ten recommended items. Ada's last six choices are stacked at the dashed line in the row of kind B, and the star beside them is in the same row; all ten places of her list are of kind B, and a star marks the item she took, near the end of the list. Bo's last four choices are of kind M, the latest more than three days before the dashed line; nine of ten places of his list are of kind M, but his star is in the row of kind G, and his list has no star.

# %% [markdown] id="list-alt-zh" lang="zh" en="75585d0d" tags=["alt"]
# 上下两排，分别是小林（Ada）和小波（Bo）。左边的横轴是天数，按类别画出最近十二次选择；右边是十个推荐物品的类别。小林最近的六次选择叠在虚线处，属于 B 类，旁边的星号也在同一行；她的列表十个全是 B 类，靠近末尾有一个星号，标出她真正选的物品。小波最近的四次选择属于 M 类，最近一次在虚线之前三天多；他的列表有九个是 M 类，而他的星号在 G 类那一行，列表里没有星号。

# %% id="list-check"
for name, question, kind, most in (("Ada", ada, "B", 1), ("Bo", bo, "M", 2)):
    last, chosen = kinds[items[target.row[question] + np.array([-1, 0])]]
    listed = kinds[scores_for(question).topk(10).indices.numpy()]
    expect_true(f"{name}'s last choice was of kind {kind}", last == kind, when=ON_SAMPLE)
    expect_true(f"{name}'s list: at most {most} of another kind", (listed != kind).sum() <= most, when=ON_SAMPLE)
    same = f"{name}'s next choice is of the same kind"
    other = f"{name}'s next choice is of another kind"
    expect_true(same if name == "Ada" else other, (chosen == kind) == (name == "Ada"), when=ON_SAMPLE)
expect("Ada's pause, minutes", pause[ada] / 60, 2.2, tol=0.5, when=ON_SAMPLE)
expect("Bo's pause, days", pause[bo] / 86400, 3.6, tol=0.05, when=ON_SAMPLE)

# %% [markdown] id="list-why-en" lang="en"
# More of the same, for both. For Ada that is right. Bo has turned to something else, and the model could not know: his three and a half days never reached it. But two people are two people. You will count over all people of the test period at the end of this lesson; before that, here is how to work with these notebooks.

# %% [markdown] id="list-why-zh" lang="zh" en="aed4f807"
# 两个人得到的都是更多同类的东西。对小林来说正合适。小波的兴趣却已经变了，而模型无从知道，因为那三天半根本没有输入模型。不过，两个人只是个例。这一课的末尾，你会统计测试期间的所有人；在那之前，先说说怎样使用这些 notebook。

# %% [markdown] id="names-en" lang="en"
# **With titles.** The items of `sample` have numbers only. After `python -m tutorial_lib.data download movie-tweetings`, `TUTORIAL_DATASET=movie-tweetings TUTORIAL_USERS=300 make lab` opens this lesson on film ratings, and the next cell shows titles. On MovieTweetings the first three places of both lists hold *Iron Man 3* and *Man of Steel*, films of the year of the ratings; there are no kinds there, so Ada and Bo are simply two people.

# %% [markdown] id="names-zh" lang="zh" en="6e654a1c"
# **换成片名。** `sample` 的物品只有编号。运行 `python -m tutorial_lib.data download movie-tweetings` 之后，`TUTORIAL_DATASET=movie-tweetings TUTORIAL_USERS=300 make lab` 会用电影评分打开这一课，下一个单元格就显示片名。在 MovieTweetings 上，两份列表的前三位都有《钢铁侠 3》（Iron Man 3）和《超人：钢铁之躯》（Man of Steel），都是评分那一年的电影；那里没有类别，因此小林和小波只是普通的两个人。

# %% id="names-code" tags=["nbval-ignore-output"]
names = item_names(dataset)  # titles where the data set has them, else ids
for name, question in (("Ada", ada), ("Bo", bo)):
    history = items[target.start[question] : target.row[question]]
    print(f"{name} saw", *names[history[-3:]], sep=" | ")
    print(f"{name} is offered", *names[scores_for(question).topk(3).indices.numpy()], sep=" | ")

# %% [markdown] id="works-en" lang="en"
# ## How a lesson works
#
# Every lesson has the same parts. Here each comes once, in miniature.
#
# | part | what you do |
# |:--|:--|
# | **Predict** | write your answer down before you run the next cell; a wrong guess teaches more than no guess |
# | **From scratch** | read a short, slow version that nobody can misread, and see it checked against something independent |
# | **Library** | read the version that later lessons use; it is the real source |
# | **Break it** | watch what goes wrong, and which check finds it |
# | **Exercises** | replace the `...`; the cell says *not attempted yet*, *wrong, because ...* or *right*. Each has a level: basic, core or stretch |
# | **Solution** | folded below each exercise: click the bar with the three dots to open it |
# | **Open task** | a small study without a single right answer |
# | **Self-test** | ten questions at the end; answer before you open |
#
# Lines that begin with `ok` are promises: a number in the text was just compared with a number on your machine. The line prints the number of the text and the tolerance that is allowed; it is no measured error bar. Several checks of a cell are one line; click it to see them all. A check that fails stops the cell with an error.
#
# You may run a cell again, or begin at any section after the first code cells, the set-up. A small line below a heading says what else it needs.

# %% [markdown] id="works-zh" lang="zh" en="0a990efc"
# ## 一课怎样学
#
# 每一课的组成都一样。下面用最小的例子把每一部分走一遍。
#
# | 部分 | 你要做的 |
# |:--|:--|
# | **猜一猜** | 运行下一个单元格之前先写下答案；猜错比不猜学到的多 |
# | **从零写起** | 读一个又短又慢、谁都不会读错的版本，并看它与独立的参照核对 |
# | **库里的版本** | 读后面各课要用的版本，那就是真正的源码 |
# | **破坏实验** | 看看会出什么错，又是哪一项检查发现了它 |
# | **练习** | 把 `...` 换成你的代码；单元格会回答 *not attempted yet*、*wrong, because ...* 或 *right*，即还没做、不对及其原因、做对了。每道题标有难度：基础、进阶或挑战 |
# | **答案** | 折叠在每道练习下面：点开带三个点的横条就能看到 |
# | **开放任务** | 一项没有唯一答案的小研究 |
# | **自测题** | 课末的十个问题，先作答再展开 |
#
# 以 `ok` 开头的行表示核对通过：正文里的一个数，刚刚与你机器上的结果比对过。这一行印出的是正文里的数和允许的偏差，并不是测出来的误差范围。一个单元格的多项核对合成一行，点开可以看到每一项。核对不通过，单元格就会报错并停下。
#
# 单元格可以重复运行；也可以从任意一节开始学，只要先运行开头的几个代码单元格，即准备单元格。如果这一节还依赖别的单元格，标题下方会有一行小字说明。

# %% [markdown] id="tiny-en" lang="en"
# **Tiny numbers first.** A model gives every item a score. The list holds the highest scores, without what the person has already seen. Five items; the person has seen *Alien* and then chose *Mars*.

# %% [markdown] id="tiny-zh" lang="zh" en="bcacc569"
# **先看一个小例子。** 模型给每个物品打一个分。列表取得分最高的物品，但要去掉这个人已经看过的。这里有五个物品；这个人看过《异形》（*Alien*），接下来选了《火星》（*Mars*）。

# %% [markdown] id="predict-tiny-en" lang="en" tags=["predict"]
# **Predict.** The scores are 2.1, 0.3, 1.7, 0.4 and 0.9. In which place of the list does *Mars* stand? Would it be in a list of two?

# %% [markdown] id="predict-tiny-zh" lang="zh" en="b847e3c2" tags=["predict"]
# **猜一猜。** 得分依次是 2.1、0.3、1.7、0.4 和 0.9。《火星》在列表里排第几？如果列表只有两个位置，它在里面吗？


# %% id="tiny-code"
def place_in_list(scores, seen, chosen):
    """scores: {item: score}. 1 = first; every unseen item with a higher score pushes the chosen one down by one."""
    place = 1
    for item, score in scores.items():
        if item not in seen and score > scores[chosen]:
            place += 1
    return place


scores = {"Alien": 2.1, "Cake": 0.3, "Moon": 1.7, "Bread": 0.4, "Mars": 0.9}
show_matrix([list(scores.values())], ["score"], list(scores), digits=1)
expect_true("Mars is in place 2", place_in_list(scores, seen={"Alien"}, chosen="Mars") == 2)
expect_true("with Alien still in the list it would be place 3", place_in_list(scores, seen=set(), chosen="Mars") == 3)

# %% [markdown] id="reference-en" lang="en"
# **Then a check against something independent.** The library ranks all questions of the test period at once, in matrices. Our slow function must give the same place, question by question. Fifty of them will do.

# %% [markdown] id="reference-zh" lang="zh" en="44cfb823"
# **再与独立的参照核对。** 库用矩阵（matrix）一次算出测试期间所有问题的排名（rank）。我们那个慢函数必须逐题给出同样的名次。核对五十题就够了。

# %% id="reference-check" tags=["reference-check"]
ranks = evaluate(model, split, "test")
untrained = np.flatnonzero(~split.train_items)  # items that the model never met, and item 0, which stands for "no item"
questions = np.flatnonzero(split.train_items[items[target.row]])[:50]
by_hand = []
for question in questions:
    all_scores = dict(enumerate(scores_for(question, take_out_seen=False).tolist()))
    left_out = {*untrained.tolist(), *items[target.start[question] : target.row[question]].tolist()}
    by_hand.append(place_in_list(all_scores, left_out, items[target.row[question]]))
differences = np.abs(np.array(by_hand) - ranks.rank[questions])  # rounding may swap neighbours with equal scores
expect_true("our places are the library's", (differences <= 1).all() and (differences == 0).mean() > 0.9)

# %% [markdown] id="hit-en" lang="en" tags=["library"]
# **Then the library.** A *hit* is a place within the first $k$; the **hit rate**, HR@k, is the share of hits. (Lesson 02 has more such measures, and says which to trust.) This is the library's own source:

# %% [markdown] id="hit-zh" lang="zh" en="f929a21a" tags=["library"]
# **再看库里的版本。** 名次在前 $k$ 之内就是一次**命中**；命中的比例叫**命中率**（hit rate），记作 HR@k。（第 02 课会介绍更多这样的指标，并说明哪一个可信。）下面就是库的源码：

# %% id="hit-library" tags=["library"]
from tutorial_lib.evaluate import Ranks, _expected

# show: tutorial_lib.evaluate.hit_rate

# %% [markdown] id="predict-hit-en" lang="en" tags=["predict"]
# **Predict.** A list of ten drawn at random from about 1,000 items holds the next choice about once in 100 times. Of 100 people, how many does the list of the ten most popular items hit? And our model?

# %% [markdown] id="predict-hit-zh" lang="zh" en="d429ba04" tags=["predict"]
# **猜一猜。** 从大约 1,000 个物品里随机抽十个，大约 100 次里有一次会碰上下一个选择。那么对 100 个人，十个最热门物品的列表能命中几个？我们的模型呢？

# %% id="hit-code" tags=["nbval-ignore-output"]
popularity = build_model("popularity", num_items=dataset.num_items, max_len=60)
popularity.fit(split.train["user"].to_numpy(), split.train["item"].to_numpy())
hits = {"popularity": hit_rate(evaluate(popularity, split, "test"), 10), "model": hit_rate(ranks, 10)}
for name, values in hits.items():
    print(f"{name:10s} HR@10 {bootstrap_interval(values)}")

# %% id="hit-check"
expect("HR@10 of a random list of ten", 10 / dataset.num_items, 0.01, tol=0.001, when=ON_SAMPLE)
expect("HR@10 of popularity", hits["popularity"].mean(), 0.036, tol=0.01, when=ON_SAMPLE)
expect("HR@10 of the model", hits["model"].mean(), 0.27, tol=0.03, when=ON_SAMPLE)
gain = paired_bootstrap(hits["model"], hits["popularity"])
expect_true("the interval of the difference lies above 0.15", gain.low > 0.15, when=ON_SAMPLE)

# %% [markdown] id="hit-why-en" lang="en"
# Four people of 100 by popularity, about 27 by the model. The interval in brackets says how far the number could move if other people had been asked.

# %% [markdown] id="hit-why-zh" lang="zh" en="7bfe19aa"
# 按热门（popularity）榜推荐，100 个人里命中四个；用模型推荐，大约 27 个。方括号里的区间表示：如果换一批人，这个数大约会在多大范围内变动。

# %% [markdown] id="break-en" lang="en" tags=["break-it"]
# ## Break it: recommend what was already seen
#
# The step that is forgotten most often when a model goes to work: taking out what was already seen. Nobody in this world chooses the same item twice. If the seen items stay in the list, how many of ten places are wasted? Nothing raises an error; the lists even look plausible, because the person did like these things.

# %% [markdown] id="break-zh" lang="zh" en="1f3491d8" tags=["break-it"]
# ## 破坏实验：推荐已经看过的物品
#
# 模型上线时最容易忘掉的一步，是去掉已经看过的物品。在这个世界里，没有人会把同一个物品选两次。如果看过的物品留在列表里，十个位置里会浪费几个？没有任何报错，列表看上去甚至很合理，因为这个人确实喜欢这些东西。

# %% id="break-code" tags=["break-it"]
wasted, hits_broken = [], []
for question in range(len(target)):
    broken = scores_for(question, take_out_seen=False).topk(10).indices.numpy()
    wasted.append(np.isin(broken, items[target.start[question] : target.row[question]]).sum())
    hits_broken.append(float(items[target.row[question]] in broken))
lost = paired_bootstrap(hits["model"], hits_broken)
expect("places of ten that are wasted, mean", np.mean(wasted), 3, tol=0.5, when=ON_SAMPLE)
expect("share of the hits that is lost", lost.mean / hits["model"].mean(), 0.2, tol=0.05, when=ON_SAMPLE)
expect_true("the interval of the loss lies above 0", lost.low > 0, when=ON_SAMPLE)
mended = scores_for(bo).topk(10).indices.numpy()  # one line in scores_for: seen items get the score -inf
expect_true("mended: no seen item in the list", not np.isin(mended, items[target.start[bo] : target.row[bo]]).any())

# %% [markdown] id="break-why-en" lang="en"
# Three places of ten are wasted, and one hit in five is lost. Each lesson has such a demonstration; after it comes the mend, and a check that would have found the fault.

# %% [markdown] id="break-why-zh" lang="zh" en="8ac8ff5d"
# 十个位置浪费了三个，命中少了五分之一。每一课都有这样的演示，接着给出修正的办法，以及一项能够发现这个错误的检查。

# %% [markdown] id="map-en" lang="en"
# ## The map of the course
#
# There are 25 lessons, about 18 hours of reading and 29 hours of exercises and self-tests. You need not take them in order. An arrow leads from a lesson to one that needs it. Which lessons can you take right after this one?

# %% [markdown] id="map-zh" lang="zh" en="0df9fe50"
# ## 课程地图
#
# 一共 25 课，阅读约 18 小时，练习与自测约 29 小时。不必按顺序学。箭头从一课指向需要它的另一课。学完这一课，紧接着可以学哪些？

# %% id="map-code"
lessons = pd.read_csv("../lessons.csv", dtype={"prerequisites": str}, keep_default_na=False).set_index("number")
before = {int(n): [int(m) for m in needs.split()] for n, needs in lessons["prerequisites"].items()}
expect_true("there are 25 lessons", len(before) == 25)
expect("hours of reading", lessons["minutes"].sum() / 60, 18, tol=1)
expect("hours of exercises", lessons["exercises"].sum() / 60, 29, tol=2)
expect_true("right after this one: 01 and 14", [n for n in before if before[n] == [0]] == [1, 14])

# %% id="map-picture" tags=["picture", "nbval-ignore-output"]
parts = list(dict.fromkeys(lessons[f"part_{language()}"]))
spot = {}  # lesson -> (column, row)
for number, part in lessons[f"part_{language()}"].items():
    spot[number] = (parts.index(part), -sum(lessons[f"part_{language()}"][:number] == part))
fig, ax = plt.subplots(figsize=(11, 5.6))
for number, needs in before.items():
    for need in needs:
        (x, y), (x0, y0) = spot[number], spot[need]
        if x > x0:  # to another column: from the right side to the left side
            start, end, bend = (x0 + 0.38, y0), (x - 0.38, y), -0.17 if y == y0 and x > x0 + 1 else 0.0
        elif y0 - y == 1:  # to the next box below
            start, end, bend = (x0, y0 - 0.3), (x, y + 0.3), 0.0
        else:  # further down: round the boxes in between
            start, end, bend = (x0 - 0.38, y0), (x - 0.38, y), 0.35
        arrow = {"arrowstyle": "-|>", "color": "0.55", "linewidth": 0.9, "connectionstyle": f"arc3,rad={bend}"}
        ax.annotate("", end, start, arrowprops={**arrow, "shrinkA": 0, "shrinkB": 0}, zorder=1)
for number, (x, y) in spot.items():
    short = re.split("[:：]", lessons[f"title_{language()}"][number])[0]
    title = textwrap.fill(f"{number:02d} {short}", 13 if language() == "zh" else 25)
    box = {"facecolor": "white", "edgecolor": plots.PALETTE[x], "linewidth": 1.8, "zorder": 2}
    ax.add_patch(plt.Rectangle((x - 0.38, y - 0.3), 0.76, 0.6, **box))
    ax.text(x, y, title, ha="center", va="center", fontsize=7.5, zorder=3)
for x, part in enumerate(parts):
    ax.text(x, 0.75, part, ha="center", color=plots.PALETTE[x], fontsize=11)
ax.set(xlim=(-0.5, len(parts) - 0.5), ylim=(min(y for _, y in spot.values()) - 0.5, 1))
ax.axis("off")
plt.show()

# %% [markdown] id="map-alt-en" lang="en" tags=["alt"]
# A chart of 25 boxes in five columns: foundations, attention, state-space models, differential equations, experiments. Arrows lead from each lesson to those that need it. Lesson 00 has arrows to 01 and to 14; 01 leads on to the metrics, to self-attention and to state-space models; the attention column ends with mHC, the column of differential equations with DeepM3, and the experiments gather arrows from all others.

# %% [markdown] id="map-alt-zh" lang="zh" en="f4404288" tags=["alt"]
# 一张图，25 个方框分成五列：基础、注意力、状态空间模型（state-space model）、微分方程、实验。箭头从每一课指向需要它的课。00 课有箭头指向 01 和 14；01 通往排序指标、自注意力和状态空间模型；注意力一列以 mHC 结束，微分方程一列以 DeepM3 结束，实验一列汇集了来自其他各列的箭头。

# %% [markdown] id="routes-en" lang="en"
# **Six routes.** You need not take all lessons. Each route below is in order and holds what its lessons need; the hours are reading and exercises together.
#
# - **A weekend**, 10 hours: 00, 01, 02, 04, 05, 07. From a log of events to a recommender that you wrote yourself.
# - **Attention**, 16 hours: 00, 01, 02, 04, 05, 06, 07, 08, 09. SASRec, attention that sees time gaps, residual streams kept stable.
# - **State spaces**, 20 hours: 00, 01, 02, 04, 05, 07, 08, 10, 11, 12, 13. Memory in continuous time at linear cost.
# - **Differential equations**, 19 hours: 00, 01, 02, 04, 05, 07, 14, 15, 16, 17. Solvers, Neural ODEs, states that drift between events.
# - **Experiments**, 16 hours: 00, 01, 02, 03, 04, 05, 07, 18, 20. How to tell whether a gain is real.
# - **A term of twelve weeks**, 44 hours: 00 to 20, 22, 23. Two lessons a week; the last week is a small replication.

# %% [markdown] id="routes-zh" lang="zh" en="c055be23"
# **六条路线。** 不必学完所有的课。下面每条路线都按先后排列，并且包含了所需的先修课；小时数是阅读与练习的总和。
#
# - **一个周末**，10 小时：00、01、02、04、05、07。从事件（event）日志到亲手写出的推荐模型。
# - **注意力**，16 小时：00、01、02、04、05、06、07、08、09。SASRec、看得见时间间隔的注意力，以及保持稳定的残差流（residual stream）。
# - **状态空间**，20 小时：00、01、02、04、05、07、08、10、11、12、13。以线性代价在连续时间里记忆。
# - **微分方程（differential equation）**，19 小时：00、01、02、04、05、07、14、15、16、17。求解器、神经常微分方程（Neural ODE），以及在事件之间漂移的状态。
# - **实验**，16 小时：00、01、02、03、04、05、07、18、20。怎样判断一个提升是不是真的。
# - **十二周的课程**，44 小时：00 到 20、22、23。每周两课，最后一周做一次小型复现。

# %% id="routes-code"
routes = tomllib.loads(Path("../../site/routes.toml").read_text(encoding="utf-8"))["route"]
total = (lessons["minutes"] + lessons["exercises"]) / 60  # hours of each lesson
for route, hours in zip(routes, (10, 16, 20, 19, 16, 44), strict=True):
    expect(f"hours: {route[f'title_{language()}']}", total[route["lessons"]].sum(), hours, tol=hours / 10)

# %% [markdown] id="progress-en" lang="en"
# **Your own record.** The checkers note on this machine which exercises you have right; nothing is sent anywhere. The next cell shows the table, and so does `make progress` in a terminal. Delete the file that it names to begin again.

# %% [markdown] id="progress-zh" lang="zh" en="190ea313"
# **你自己的记录。** 检查程序会在这台机器上记下你做对了哪些练习，不向任何地方发送。下一个单元格显示这张表，在终端里运行 `make progress` 也可以。删除其中提到的文件，即可从头记录。

# %% id="progress-code" tags=["nbval-ignore-output"]
from course import progress

progress.show()

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **0.1 Implement · basic.** The other half of `place_in_list`: return the `k` best unseen items, best first. Replace the `...`, run the cell, read what it says. Then open the folded solution and compare.

# %% [markdown] id="exercise1-zh" lang="zh" en="5248a466" tags=["exercise"]
# ## 练习
#
# **0.1 实现 · 基础。** `place_in_list` 的另一半：返回没看过的物品里最好的 `k` 个，最好的在前。把 `...` 换成你的代码，运行单元格，读一读它的回答。然后打开折叠的答案，对照一下。


# %% id="exercise1-code" tags=["exercise"]
def top_list(scores, seen, k):
    """scores: {item: score}, seen: set of items -> list of k items."""
    ...


lesson00.check_top_list(top_list)


# %% id="exercise1-solution" tags=["solution"]
# Solution

def top_list(scores, seen, k):
    unseen = [item for item in scores if item not in seen]
    return sorted(unseen, key=scores.get, reverse=True)[:k]


lesson00.check_top_list(top_list)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **0.2 Measure · core.** How long must the list be to reach half of the people? Write `shortest_list(places, share)`: the smallest list length that hits at least that share. `places` holds the place of the chosen item for each person.

# %% [markdown] id="exercise2-zh" lang="zh" en="b5103adc" tags=["exercise"]
# **0.2 测量 · 进阶。** 列表要多长，才能命中一半的人？写出 `shortest_list(places, share)`：命中比例至少达到所给份额的最短列表长度。`places` 里是每个人所选物品的名次。


# %% id="exercise2-code" tags=["exercise"]
def shortest_list(places, share):
    """places: whole numbers, 1 = first; share: 0 < share <= 1 -> a whole number."""
    ...


lesson00.check_shortest_list(shortest_list)


# %% id="exercise2-solution" tags=["solution"]
# Solution

def shortest_list(places, share):
    k = 1
    while np.mean(np.asarray(places) <= k) < share:
        k += 1
    return k


lesson00.check_shortest_list(shortest_list)
expect(
    "length of the list that reaches half of the people",
    shortest_list(np.ceil(ranks.rank), 0.5),
    35,
    tol=8,
    when=ON_SAMPLE,
)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **0.3 Implement · core.** `before` says which lessons a lesson needs **directly**. Write `needed_before(lesson, before)`: all lessons that you must have taken, the indirect ones included, as a sorted list. What is the shortest way to lesson 17?

# %% [markdown] id="exercise3-zh" lang="zh" en="4edebfb2" tags=["exercise"]
# **0.3 实现 · 进阶。** `before` 记录了每一课**直接**需要哪些课。写出 `needed_before(lesson, before)`：必须先学的所有课，包括间接需要的，排成有序的列表。去第 17 课，最短的路是什么？


# %% id="exercise3-code" tags=["exercise"]
def needed_before(lesson, before):
    """before: {lesson: [lessons needed directly]} -> sorted list, without the lesson itself."""
    ...


lesson00.check_needed_before(needed_before)


# %% id="exercise3-solution" tags=["solution"]
# Solution

def needed_before(lesson, before):
    found = set()
    for need in before[lesson]:
        found |= {need, *needed_before(need, before)}  # what it needs, and what that needs in turn
    return sorted(found)


lesson00.check_needed_before(needed_before)
print("before lesson 17:", needed_before(17, before))

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **0.4 Think · basic.** Which of these statements follow from what you have seen in this lesson? Give a set of letters, such as `{"A", "B"}`.
#
# - A: on the people of this test period, our model hits more often than the popular list
# - B: in real shops, people change their minds during a pause
# - C: Bo's miss proves that our model is bad
# - D: a list of twenty from the same model hits at least as many of these people as its list of ten
# - E: the loss fell in every epoch, so with every epoch the model recommends better to new people

# %% [markdown] id="exercise4-zh" lang="zh" en="5347a01b" tags=["exercise"]
# **0.4 思考 · 基础。** 下面哪些结论可以从这一课的结果推出来？用字母的集合作答，例如 `{"A", "B"}`。
#
# - A：对这个测试期间的人，我们的模型比热门列表命中得多
# - B：在真实的商店里，人们停顿一阵之后会改变主意
# - C：小波那一次没命中，证明我们的模型不好
# - D：对同样这些人，同一个模型的二十个物品的列表，命中的人不会比十个物品的列表少
# - E：损失每一轮都在下降，所以每过一轮，模型给新来的人推荐得就更好

# %% id="exercise4-code" tags=["exercise"]
follows = ...

lesson00.check_follows(follows)

# %% id="exercise4-solution" tags=["solution"]
# Solution

# B speaks of real shops, and these people are simulated. C rests on one person. E: the loss was measured on the very
# histories that the model learned from. D holds by definition: whoever is among the first ten is among the first twenty.
follows = {"A", "D"}

lesson00.check_follows(follows)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** After a pause our model hits only 8 people of 100, because it does not know of the pause. You do. Invent a rule that changes its list of ten when `pause` exceeds some limit, and train nothing: give half of the places to popular items, say, or to kinds that the person liked before the last visit. Begin with `scores_for` and `pause`. Choose the limit on the people of `split.valid`, then look at `split.test` once. A good report names every limit that you tried, gives the hit rate of both groups with `paired_bootstrap` against the unchanged list, shows one picture, and ends with one doubt about your own result.

# %% [markdown] id="open-zh" lang="zh" en="cc694c32" tags=["open"]
# **开放任务。** 停顿之后，我们的模型在 100 个人里只命中 8 个，因为它不知道有过停顿，而你知道。请设计一条规则：当 `pause` 超过某个界限时，就改动它的十个推荐，并且不训练任何模型。例如，把一半的位置让给热门物品，或让给这个人上次来访之前喜欢的类别。从 `scores_for` 和 `pause` 写起。用 `split.valid` 里的人选定界限，再看一次 `split.test`。一份好的报告会列出试过的所有界限，用 `paired_bootstrap` 给出两组人相对于原列表的命中率差值，附一张图，最后写出你对自己的结果的一点怀疑。

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "limits": ...,  # every limit tried: {seconds: hit rate on `split.valid`}
    "chosen": ...,  # the limit that you took to `split.test`
    "after_short": ...,  # new - old after short pauses: mean, low, high; or what `paired_bootstrap` gives
    "after_long": ...,  # the same after long pauses
    "picture": ...,  # the figure, with a label on each axis
    "doubt": ...,  # what you doubt, in a sentence or two
}
lesson00.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## Ada and Bo, answered
#
# Now all people of the test period. Split them by what the model cannot see: those who went on within the hour, like Ada, and those who came back after a pause, like Bo. Beside the model stand two *clairvoyants*. They know every law of this simulated world, and one of them also sees the clock. Except by luck, nobody does better than they.

# %% [markdown] id="answer-zh" lang="zh" en="84e66e1b"
# ## 回答开头的问题
#
# 现在看测试期间的所有人。按模型看不见的东西把他们分成两组：像小林那样一小时之内接着选的，和像小波那样停顿之后才回来的。与模型一起比较的还有两位**先知**（clairvoyant）。他们掌握这个模拟世界的全部规律，其中一位还知道时间。除非碰运气，谁也不会比他们做得更好。

# %% id="answer-code" tags=["nbval-ignore-output"]
groups = {"within the hour": pause < 3600, "after a pause": pause >= 3600}
compared = {"our model": hits["model"]}
if dataset.name == "sample":
    ceiling = ceiling_ranks(dataset, target.row)
    compared["clairvoyant, no clock"] = (ceiling["rank_without_clock"].to_numpy() <= 10).astype(float)
    compared["clairvoyant, clock"] = (ceiling["rank_with_clock"].to_numpy() <= 10).astype(float)
rate = {
    (name, group): bootstrap_interval(values[people])
    for name, values in compared.items()
    for group, people in groups.items()
    if people.any()
}
pd.DataFrame({f"HR@10, {group}": {name: str(rate.get((name, group), "")) for name in compared} for group in groups})

# %% id="answer-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7.5, 3.2))
for place, ((name, group), interval) in enumerate(rate.items()):
    color = plots.BLUE if group == "within the hour" else plots.VERMILION
    marker = "o" if group == "within the hour" else "s"
    ax.plot([interval.low, interval.high], [place, place], color=color, linewidth=2.5)
    ax.plot(interval.mean, place, marker, color=color, markersize=7)
ax.set_yticks(range(len(rate)), [f"{name}, {group}" for name, group in rate])
ax.invert_yaxis()
ax.set(xlabel="HR@10 (share of people whose next choice is in the list; line: 95 % interval)", xlim=(0, None))
plt.show()

# %% [markdown] id="answer-alt-en" lang="en" tags=["alt"]
# A dot chart of HR@10 with intervals. Within the hour our model reaches almost 0.4, the two clairvoyants between 0.4 and 0.5. After a pause our model falls to less than 0.1, the clairvoyant without the clock to almost 0.2, the clairvoyant with the clock to almost 0.3.

# %% [markdown] id="answer-alt-zh" lang="zh" en="f8b127dc" tags=["alt"]
# HR@10 的点图，带区间。一小时之内，我们的模型接近 0.4，两位先知在 0.4 到 0.5 之间。停顿之后，我们的模型掉到 0.1 以下，不知道时间的先知接近 0.2，知道时间的先知接近 0.3。

# %% id="answer-check"
want = {
    ("our model", "within the hour"): (0.39, 0.04),
    ("our model", "after a pause"): (0.08, 0.03),
    ("clairvoyant, no clock", "after a pause"): (0.18, 0.01),
    ("clairvoyant, clock", "within the hour"): (0.47, 0.01),
    ("clairvoyant, clock", "after a pause"): (0.28, 0.01),
}
for (name, group), (value, tol) in want.items():
    found = rate[name, group].mean if (name, group) in rate else 0
    expect(f"HR@10 of {name}, {group}", found, value, tol=tol, when=ON_SAMPLE)
after = groups["after a pause"]
if len(compared) == 3:
    clock = paired_bootstrap(compared["clairvoyant, clock"][after], compared["clairvoyant, no clock"][after])
expect_true(
    "what the clock is worth after a pause: the interval lies above 0.05",
    ON_SAMPLE and clock.low > 0.05,
    when=ON_SAMPLE,
)

# %% [markdown] id="answer2-en" lang="en"
# No, both should not get the same. Within the hour our model hits 39 people of 100, and the best possible is 47. After a pause it hits 8, where the clairvoyant with the clock hits 28. Knowing the laws of this world but not the time brings 18; the clock brings another ten. That is a simulated world, built so that time matters. Whether it matters in real data is an open question at this point, and a course on "time-aware" models owes you an honest answer. It begins in lesson 01, with the question what the clocks of real data show.

# %% [markdown] id="answer2-zh" lang="zh" en="ecbd8a4c"
# 不，两个人不该得到同样的推荐。一小时之内，我们的模型在 100 个人里命中 39 个，最好也只能是 47 个。停顿之后它只命中 8 个，而知道时间的先知命中 28 个。知道这个世界的规律、却不知道时间，能命中 18 个；再加上时间信息，又多命中十个。不过这是一个模拟世界，造它的时候就有意让时间起作用。时间在真实数据里有没有用，目前还没有答案；一门讲“感知时间”的模型的课程，理应给你一个可靠的回答。第 01 课就从这里问起：真实数据的时间戳到底记录了什么？

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. A recommender scores all items; the list is the highest scores among the unseen ones, and a hit is a next choice in the list.
# 2. In the simulated world we know the best possible result, so every score has a floor and a ceiling.
# 3. A model without a clock shows more of the same after two minutes and after three days, and after a pause it misses most people.
# 4. Predict before you run; watch the break; try the exercise before you open its solution.
# 5. The map shows what each lesson needs; 01 comes next.

# %% [markdown] id="summary-zh" lang="zh" en="eb980000" tags=["summary"]
# ## 小结
#
# 1. 推荐模型给所有物品打分；列表就是没看过的物品里得分最高的那些，下一个选择落在列表里就是命中。
# 2. 在模拟世界里，我们知道最好能做到多少，所以每个分数都有下限和上限（ceiling）。
# 3. 看不到时间的模型，无论过了两分钟还是三天，推荐的都是更多同类的物品；停顿之后，大多数人它都没有命中。
# 4. 先猜再运行；看它怎样坏掉；先做练习，再打开答案。
# 5. 地图说明每一课需要什么；下一课是 01。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> Three unseen films and two seen ones have higher scores than the film that was chosen. In which place does it stand, and does a list of three hit?</summary>
#
# Seen films are left out, so only the three unseen ones stand before it: place 4. A list of three misses, a list of four hits.
#
# </details>
#
# <details><summary><b>2.</b> On another site with 200 items, a list of ten hits 6 people of 100. Is the model good?</summary>
#
# A random list hits 10 of 200 items, so 5 people of 100. Six may be luck. Look at the interval, and at the list of the most popular items, before you speak of a gain.
#
# </details>
#
# <details><summary><b>3.</b> Your model hits 39 of 100 people within the hour and 8 of 100 after a pause. On a second site nine questions of ten come after a pause. What do you expect there, if both groups behave as they do here?</summary>
#
# (39 + 9 · 8) / 10, about 11 of 100. The same model falls from 27 to 11 because the mix of questions is another one. So report the groups apart.
#
# </details>
#
# <details><summary><b>4.</b> After a pause our model hits 8, the clairvoyant without the clock 18, the one with the clock 28. A new model that reads the clock hits 20. Does it use the time?</summary>
#
# That is not shown yet. Of the 12 hits that it gains, 10 can be had without a clock, by learning the laws of the world better. Only what lies above 18 must come from time: 2 hits, and they need an interval.
#
# </details>
#
# <details><summary><b>5.</b> A friend's model hits 55 of 100 people within the hour on the sample, with a narrow interval. What do you do first?</summary>
#
# Look for a fault. The clairvoyants know every law of this world and reach 47; nobody does better except by luck, and the narrow interval speaks against luck. Probably the answer got into training or into the history.
#
# </details>
#
# <details><summary><b>6.</b> In a grocery shop somebody leaves the seen items in the list, and the hits go up. Why did they fall here, and which line of this lesson would you change for that shop?</summary>
#
# In the sample nobody chooses an item twice, so each seen item wastes a place. People buy the same milk again. The line in `scores_for` that gives seen items `-torch.inf` is a statement about the data, and there it is false.
#
# </details>
#
# <details><summary><b>7.</b> After three epochs on 1,000 items the loss still is $\ln 1000$. What has the model learned, and what would you check?</summary>
#
# Nothing: it is the loss of equal probabilities. Check whether the optimizer holds the parameters of this very model and takes its steps, whether the learning rate is far too small, and whether targets and inputs belong together.
#
# </details>
#
# <details><summary><b>8.</b> Ada and Bo were picked by a rule. What would be wrong with the rule “the first person whose next choice is in the list”?</summary>
#
# It looks at the answer. It finds a success for every model that hits anybody at all, however bad the model is. A fair rule uses only what is known when the question is asked: the history and the time.
#
# </details>
#
# <details><summary><b>9.</b> A list of 35 reaches half of the people. A colleague concludes that a list of 70 reaches them all. How do you test that in one line, and which list reaches everybody for certain?</summary>
#
# `np.mean(places <= 70)`. The places of the first half say nothing about those of the second. Only a list as long as the largest place reaches everybody.
#
# </details>
#
# <details><summary><b>10.</b> After a pause the model misses. Perhaps not because people change their mind, but because those who pause have shorter histories? Design the comparison.</summary>
#
# Compare people with and without a pause whose histories are equally long. If the difference stays, length does not explain it. The two clairvoyants are a second test: they see the same histories, and the one with the clock hits 28 where the other hits 18.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="37f29dd1" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 有三部没看过的电影和两部看过的电影，得分都高于被选中的那一部。它排第几？三个位置的列表能命中吗？</summary>
#
# 看过的电影要去掉，排在它前面的只有那三部没看过的，所以它排第 4。三个位置的列表没有命中，四个位置的列表就命中了。
#
# </details>
#
# <details><summary><b>2.</b> 另一个网站有 200 个物品，十个位置的列表在 100 个人里命中 6 个。这个模型好吗？</summary>
#
# 随机列表覆盖 200 个物品里的 10 个，所以在 100 个人里能命中 5 个。命中 6 个也许只是运气。先看区间，再看热门列表的成绩，然后才谈得上提升。
#
# </details>
#
# <details><summary><b>3.</b> 你的模型对一小时之内再来的人，100 个命中 39 个；对停顿之后再来的人，100 个命中 8 个。另一个网站上，十个问题里有九个出现在停顿之后。如果两组人的表现与这里相同，你预计命中多少？</summary>
#
# (39 + 9 · 8) / 10，也就是 100 个人里约 11 个。模型没有变，命中数却从 27 降到 11，只因为两类问题的比例变了。所以应当分组报告。
#
# </details>
#
# <details><summary><b>4.</b> 停顿之后，我们的模型命中 8 个，不知道时间的先知命中 18 个，知道时间的先知命中 28 个。一个会读时间的新模型命中 20 个。它用上时间了吗？</summary>
#
# 还不能这么说。它多命中的 12 个里，有 10 个不靠时间也能得到，只要把这个世界的规律学得更好。只有超过 18 的部分必定来自时间，也就是 2 个，而且还需要给出区间。
#
# </details>
#
# <details><summary><b>5.</b> 一位朋友的模型在 sample 上对一小时之内再来的人，100 个命中 55 个，而且区间很窄。你首先该做什么？</summary>
#
# 找错误。先知掌握这个世界的全部规律，也只能命中 47 个；除非碰运气，谁也不会更好，而很窄的区间说明这不是运气。多半是答案混进了训练数据或历史。
#
# </details>
#
# <details><summary><b>6.</b> 在一家食品店，有人把买过的物品留在列表里，命中反而增加了。为什么在这里命中会减少？对那家店，你会改这一课的哪一行？</summary>
#
# 在 sample 里没有人会把同一个物品选两次，所以每个看过的物品都浪费一个位置。而人们会反复买同一种牛奶。`scores_for` 里把看过的物品设为 `-torch.inf` 的那一行，是对数据的一个假设，在那家店里不成立。
#
# </details>
#
# <details><summary><b>7.</b> 物品有 1,000 个，训练三轮之后，损失仍是 $\ln 1000$。模型学到了什么？你会检查什么？</summary>
#
# 什么也没学到，这正是各物品概率相等时的损失。检查优化器（optimizer）拿到的是不是这个模型的参数（parameter）、有没有真的更新，学习率（learning rate）是否小得过分，以及目标（target）和输入是否对得上。
#
# </details>
#
# <details><summary><b>8.</b> 小林和小波是按规则挑出来的。如果规则改成“下一个选择落在列表里的第一个人”，错在哪里？</summary>
#
# 这条规则看了答案。只要模型命中过任何一个人，无论它多差，都能挑出一个成功的例子。公平的规则只用提问时已知的信息，也就是历史和时间。
#
# </details>
#
# <details><summary><b>9.</b> 35 个位置的列表能命中一半的人。一位同事由此推断，70 个位置的列表能命中所有人。怎样用一行代码检验？多长的列表一定能命中所有人？</summary>
#
# `np.mean(places <= 70)`。前一半人的名次，说明不了后一半人的名次。只有与最大的名次一样长的列表，才一定能命中所有人。
#
# </details>
#
# <details><summary><b>10.</b> 停顿之后模型没有命中。也许原因不是人的兴趣变了，而是停顿过的人历史更短？请设计一个比较。</summary>
#
# 在历史同样长的人里，比较有停顿的和没有停顿的。如果差别还在，历史长度就解释不了它。两位先知是另一个检验：他们看到的历史相同，知道时间的命中 28 个，不知道的命中 18 个。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - W.-C. Kang, J. McAuley, *Self-Attentive Sequential Recommendation*, ICDM 2018: the model that you trained. [arXiv 1808.09781](https://arxiv.org/abs/1808.09781)
# - In this repository: `data/README.md` (how the simulated world works), `tutorial_lib/data/simulate.py`, `tutorial_lib/models/sasrec.py`, `tutorial_lib/evaluate.py`.

# %% [markdown] id="references-zh" lang="zh" en="b7e7db50" tags=["references"]
# ## 参考文献
#
# - W.-C. Kang、J. McAuley，*Self-Attentive Sequential Recommendation*，ICDM 2018：你训练的那个模型。[arXiv 1808.09781](https://arxiv.org/abs/1808.09781)
# - 本仓库：`data/README.md`（模拟世界怎样运作），`tutorial_lib/data/simulate.py`，`tutorial_lib/models/sasrec.py`，`tutorial_lib/evaluate.py`。
