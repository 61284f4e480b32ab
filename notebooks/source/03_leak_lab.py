# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# Ida shows you a result. Her model is a Markov chain: it counts what follows what, nothing more. On a file of 8,000 events it reaches an NDCG@10 of 0.21, and a list in random order gets 0.03. A fine start, she says.
#
# You know something that she does not. You made that file yourself, **with dice**. Every user drew every item blindly. Nothing in it can be predicted, by nobody, ever.
#
# Ida's code raises no error, no shape is wrong, and the metric is computed correctly. In this lesson you find the line that makes her number, and four more of the same kind. All of them have been found in published work. You plant each of them in a world whose truth you know, measure what it is worth, take it out again, and keep the check that would have caught it.

# %% [markdown] id="puzzle-zh" lang="zh" en="6f564cfd"
# 小艾给你看一个结果。她的模型是马尔可夫链：只数“什么后面跟着什么”，别的一概不管。在一份有 8,000 个事件的文件上，NDCG@10 达到 0.21，而随机排序的列表只有 0.03。她说，开了个好头。
#
# 你知道一件她不知道的事：那份文件是你**掷骰子**掷出来的。每位用户的每个物品都是闭着眼睛抽的。里面没有任何东西可以预测，谁都不行，永远不行。
#
# 小艾的代码没有报错，形状全都对，指标也没有算错。这一课里，你会找出造成这个数字的那一行，以及另外四处同类的错误。它们都在已发表的工作里出现过。你会在真相已知的世界里逐一重现它们，测出每一处让分数虚高多少，再加以修正，并记下能够发现它的那项检查。

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - reproduce five leaks in worlds whose truth you know, and measure each one with an interval;
# - sort an event file so that neither the file nor the item numbers write the history;
# - find out whether something that was fitted or chosen has seen the future, by changing the future;
# - compute what it is worth to choose the best of many useless settings on the test part;
# - say what leave-one-out lets into training that a temporal split keeps out.

# %% [markdown] id="objectives-zh" lang="zh" en="95a6fb30" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 在真相已知的世界里重现五种泄漏，并给每一种测出带区间的大小；
# - 给事件文件排好序，不让文件的行序和物品编号决定历史；
# - 用“改动未来”的办法，查出一个拟合量或一次选择有没有看过未来；
# - 算出在测试集上从许多毫无用处的设置里挑出最好的一个，会让分数虚高多少；
# - 说清留一法让训练用到了哪些本不该知道的信息，而时间切分为什么不会。

# %% id="setup"
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_close, expect_true, settings, show_matrix
from tutorial_lib.data.datasets import load_dataset
from tutorial_lib.data.events import make_dataset, sort_events, validate
from tutorial_lib.data.gaps import gaps
from tutorial_lib.data.splits import Split, leave_last_out, make_split, temporal_split
from tutorial_lib.errors import TutorialError
from tutorial_lib.evaluate import evaluate, ndcg, per_user, random_expectation
from exercises import lesson03
from tutorial_lib.models import build_model
from tutorial_lib.notebook import progress_bar
from tutorial_lib.statistics import bootstrap_interval, paired_bootstrap
from tutorial_lib.train import TrainConfig, train

plots.use_style()
DAY = 86_400  # seconds

# %% [markdown] id="parameters-en" lang="en"
# The leaks live in small worlds made for them. Only the section before the exercises reads a data set, and this cell decides which.

# %% [markdown] id="parameters-zh" lang="zh" en="ba9e1216"
# 五种泄漏都在专门造出来的小世界里演示。只有练习之前的那一节会读取数据集，读哪一个由这个单元格决定。

# %% id="parameters-code" tags=["parameters"]
DATASET, USERS = settings(dataset="sample", users=None)
ON_SAMPLE = DATASET == "sample" and USERS is None  # the numbers in the text are checked only there

# %% [markdown] id="tiny-en" lang="en"
# ## Twelve rows
#
# Start with three users of Ida's dice world. Each drew four numbers, in this order, one a day.

# %% [markdown] id="tiny-zh" lang="zh" en="2c1e17a1"
# ## 十二行
#
# 先看小艾那个骰子世界里的三位用户。每人抽了四个编号，一天一个，顺序如下。

# %% id="tiny-true"
drawn = np.array([[7, 2, 9, 4], [8, 5, 1, 6], [3, 9, 2, 7]])
people = ["user 0", "user 1", "user 2"]
show_matrix(drawn, people, ["day 1", "day 2", "day 3", "day 4"], digits=0)

# %% [markdown] id="tiny-file-en" lang="en"
# The site keeps its events in a database. Ida asked it for all rows, `ORDER BY user, item`, since that looks tidy. Then she kept the two columns that her model needs, user and item, and read each user's rows from top to bottom as the history.

# %% [markdown] id="tiny-file-zh" lang="zh" en="6f805537"
# 网站把事件存在数据库里。小艾取出了所有行，写的是 `ORDER BY user, item`，看起来整整齐齐。然后她只留下模型需要的用户和物品两列，把每位用户的行从上到下读成历史。

# %% [markdown] id="predict-tiny-en" lang="en" tags=["predict"]
# **Predict before you run.** In the true histories 4 of the 9 steps go up to a larger number. How many go up in Ida's? And which item will be the last event, the one to be predicted, of each user?

# %% [markdown] id="predict-tiny-zh" lang="zh" en="5a7155f0" tags=["predict"]
# **先猜，再运行。** 在真实的历史里，9 步中有 4 步走向更大的编号。小艾的历史里有几步？每位用户的最后一个事件，也就是要预测的那个，会是哪个物品？

# %% id="tiny-file-code"
exported = np.sort(drawn, axis=1)
show_matrix(exported, people, ["row 1", "row 2", "row 3", "row 4"], digits=0)
steps_up = {name: int((np.diff(table, axis=1) > 0).sum()) for name, table in (("true", drawn), ("file", exported))}
print("steps up:", steps_up)
expect("steps up of nine, true order", steps_up["true"], 4, tol=0.5)
expect("steps up of nine, file order", steps_up["file"], 9, tol=0.5)
expect_true(
    "in file order the event to be predicted is the user's largest number", (exported[:, -1] == drawn.max(1)).all()
)

# %% [markdown] id="tiny-why-en" lang="en"
# All nine. In the file a number is followed by a **slightly larger** number, for every user. A Markov chain has no idea of "larger". It need not: it counts that 5 is often followed by 6 or 7, and never by 2. Dice have no pattern; `ORDER BY` has.

# %% [markdown] id="tiny-why-zh" lang="zh" en="617abb44"
# 九步全部向上。在文件里，每个编号后面都跟着一个**稍大一点**的编号，每位用户都如此。马尔可夫链不懂什么叫“更大”，它也不必懂：它会数出 5 后面常跟 6 或 7，从来不跟 2。骰子没有规律，`ORDER BY` 有。

# %% [markdown] id="worlds-en" lang="en"
# ## How to measure a leak
#
# One run proves nothing, and on real data you do not know the truth. So every leak gets a small **world** of its own, in which the truth is known, and we draw that world 100 times with different seeds. In each we note three numbers:
#
# - **reported**: the NDCG@10 that the leaking experiment writes into its paper;
# - **mended**: the same experiment without the leak;
# - **truth**: what the site would see. In a world of dice it is chance, which lesson 02 gave as a formula. In other worlds it is the score on a **live audience**: further users of the same world, from whom nothing was learned.
#
# Two questions decide. Does the interval of *reported minus truth* lie above 0? And does the interval of *mended minus truth* contain 0, with both ends small against the leak? The unit is the world. We shall ask such questions about fifteen times, and the usual interval misses the truth once in twenty. So ours miss it once in a thousand.

# %% [markdown] id="worlds-zh" lang="zh" en="8752f1ef"
# ## 怎样测量一处泄漏
#
# 只跑一次说明不了什么，而在真实数据上又不知道真相。因此，每种泄漏都有一个属于它的小**世界**，其中的真相是已知的；我们用不同的种子把这个世界生成 100 遍，每一遍记下三个数：
#
# - **reported**（报告值）：带着泄漏的实验会写进论文的 NDCG@10；
# - **mended**（修复值）：同一个实验，去掉泄漏；
# - **truth**（真值）：网站上线后会看到的数。在骰子的世界里它就是随机的水平，第 02 课给出了公式。在别的世界里，它是在**上线后的新用户**（live audience）身上的得分：同一个世界里的另一批用户，没有从他们身上学过任何东西。
#
# 判断依据是两个问题：**报告值减真值**的区间是否在 0 以上？**修复值减真值**的区间是否包含 0，而且两端与泄漏相比都很小？统计的单位是世界。这样的问题要问大约十五次，而通常的区间每二十次就会有一次漏掉真值，所以我们的区间放宽到一千次才漏一次。


# %% id="worlds-code"
WORLDS, KNOWN = 100, 300  # worlds per leak; users that may be learned from
LEVEL, DRAWS = 0.999, 20_000  # level of the intervals; bootstrap draws, so that each tail holds ten of them
scores = {}  # leak -> {"reported", "mended", "truth", ...}: NDCG@10 of each world, [WORLDS]


def measure(leak, one_world):
    """`one_world(seed)` gives the scores of one world by name; run it in all worlds and print mean and interval."""
    first = 100_000 * (1 + len(scores))  # no two leaks share a world
    rows = [one_world(seed) for seed in progress_bar(range(first, first + WORLDS), "world")]
    scores[leak] = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    for name, values in scores[leak].items():
        print(f"{name:30s} NDCG@10 {bootstrap_interval(values, level=LEVEL, draws=DRAWS)}")


def judge(leak, mended="mended"):
    """The two questions."""
    table = scores[leak]
    inflation = paired_bootstrap(table["reported"], table["truth"], level=LEVEL, draws=DRAWS)
    rest = paired_bootstrap(table[mended], table["truth"], level=LEVEL, draws=DRAWS)
    expect_true(f"{leak}: the interval of reported minus truth lies above 0", inflation.low > 0)
    expect_true(f"{leak}: the interval of {mended} minus truth contains 0", not rest.excludes_zero)
    expect_true("... and both its ends are below half of the leak", max(-rest.low, rest.high) < inflation.mean / 2)


def table_of(items, times):
    """Items and times [users, length] -> event table."""
    users = np.repeat(np.arange(len(items)), items.shape[1])
    return pd.DataFrame({"user": users, "item": items.ravel(), "timestamp": times.ravel()})


def dice_world(seed, users, items, length):
    """Everybody draws `length` different items blindly, at random moments of one year."""
    rng = np.random.default_rng(seed)
    drawn = rng.random((users, items)).argsort(axis=1)[:, :length] + 1
    return table_of(drawn, np.sort(rng.integers(0, 365 * DAY, (users, length)), axis=1))


def fitted(name, rows, split, **options):
    """A model that counts, fitted on these rows of the event table."""
    model = build_model(name, num_items=split.dataset.num_items, max_len=60, **options)
    model.fit(rows["user"].to_numpy(), rows["item"].to_numpy())
    return model


def quality(model, split, part="test", users=None):
    """NDCG@10 by full ranking, mean over the targets."""
    return ndcg(evaluate(model, split, part, users=users)).mean()


# %% [markdown] id="byhand-en" lang="en"
# ## The instrument, by hand
#
# Before you trust a score to detect faults, make sure that the score itself is right. Here is Ida's model and its NDCG@10 once more in plain NumPy, one target after the other: count what followed the last item, add a little popularity, rank all items that were trained and not yet seen, and place the target among them; ties count as a fair shuffle. The option `only_past` will serve in leak 5.

# %% [markdown] id="byhand-zh" lang="zh" en="b17d6dda"
# ## 亲手写出测量工具
#
# 想用分数来查错，先要确信分数本身没有算错。下面用纯 NumPy 把小艾的模型和它的 NDCG@10 重写一遍，逐个目标计算：数出最后一个物品后面跟过什么，加上一点热门程度，给所有训练过、还没看过的物品排名，再看目标排在哪里；并列的按公平洗牌计算。选项 `only_past` 留到泄漏五用。


# %% id="byhand-code" tags=["reference-check"]
def markov_by_hand(split, only_past=False, users=None, smoothing=10.0):
    """NDCG@10 of each test target. `only_past`: learn from the training events before the target alone."""
    item, time = (split.dataset.events[column].to_numpy() for column in ("item", "timestamp"))
    user, learned, when = (split.train[column].to_numpy() for column in ("user", "item", "timestamp"))
    follows = user[1:] == user[:-1]
    first, second, known = learned[:-1][follows], learned[1:][follows], when[1:][follows]
    values = []
    for person, start, row in zip(split.test.user, split.test.start, split.test.row, strict=True):
        if users is not None and person not in users:
            continue
        now = time[row] if only_past else np.inf
        popularity = np.bincount(learned[when < now], minlength=split.dataset.num_items + 1)
        if popularity[item[row]] == 0:  # never seen in training: a miss
            values.append(0.0)
            continue
        counts = np.bincount(second[(first == item[row - 1]) & (known < now)], minlength=len(popularity))
        score = counts + smoothing * popularity / popularity.sum()
        rivals = popularity > 0
        rivals[item[start : row + 1]] = False
        ahead, tied = (score[rivals] > score[item[row]]).sum(), (score[rivals] == score[item[row]]).sum()
        places = np.arange(ahead + 1, ahead + tied + 2)
        values.append(np.where(places <= 10, 1 / np.log2(1 + places), 0).mean())
    return np.array(values)


split = leave_last_out(make_dataset("dice", dice_world(seed=0, users=200, items=200, length=40)))
library = ndcg(evaluate(fitted("markov", split.train, split), split, "test"))
expect_close("our Markov chain and ranking equal the library's, user by user", markov_by_hand(split), library, tol=1e-6)
expect("events in the file", len(split.dataset.events), 8000, tol=1)

# %% [markdown] id="leak1-en" lang="en" tags=["break-it"]
# ## Leak 1: the order of the file
#
# Now Ida's experiment in full: 200 users, 200 items, 40 draws each. A file of two columns has no times, so the only split left is leave-last-out: the last row of each user is the test.
#
# The mend keeps the timestamps. `make_dataset` calls `sort_events`, which sorts by user and time and does not care how the file came.

# %% [markdown] id="leak1-zh" lang="zh" en="562fb186" tags=["break-it"]
# ## 泄漏一：文件的行序
#
# 现在完整地重做小艾的实验：200 位用户，200 个物品，每人抽 40 次。只有两列的文件没有时间，于是只剩下留一法可用：每位用户的最后一行当测试。
#
# 修复的办法是留住时间戳。`make_dataset` 会调用 `sort_events`，按用户和时间排序，不管文件原来是什么样。

# %% [markdown] id="predict-order-en" lang="en" tags=["predict"]
# **Predict.** Chance is 0.028 here. You know the reported number, 0.21. What will the very same model get once the rows are in the order of time: a little less than 0.21, about half of it, or chance?

# %% [markdown] id="predict-order-zh" lang="zh" en="f9f2adca" tags=["predict"]
# **猜一猜。** 这里随机的水平是 0.028。报告值你已经知道，是 0.21。行序改成时间顺序以后，同一个模型会得多少：比 0.21 略低，大约一半，还是随机的水平？


# %% id="leak1-code" tags=["break-it", "nbval-ignore-output"]
def two_columns(file):
    """Without times only the order of the rows is left, and only leave-last-out to split by."""
    table = file.assign(timestamp=file.groupby("user").cumcount())
    return leave_last_out(make_dataset("two columns", table, has_times=False))


def file_order(seed):
    file = dice_world(seed, users=200, items=200, length=40).sort_values(["user", "item"])  # ORDER BY user, item
    broken = two_columns(file)
    shuffled = two_columns(file.sample(frac=1, random_state=seed))
    mended = leave_last_out(make_dataset("with times", file))  # sorts by time
    return {
        "reported": quality(fitted("markov", broken.train, broken), broken),
        "mended": quality(fitted("markov", mended.train, mended), mended),
        "rows of the file shuffled": quality(fitted("markov", shuffled.train, shuffled), shuffled),
        "truth": random_expectation(200 - 39)[1],  # any of the 161 unseen items, with equal probability
    }


measure("file order", file_order)

# %% id="leak1-check"
expect("NDCG@10 reported", scores["file order"]["reported"].mean(), 0.21, tol=0.01)
expect("NDCG@10 of chance", scores["file order"]["truth"].mean(), 0.028, tol=0.0005)
judge("file order")
judge("file order", "rows of the file shuffled")

# %% [markdown] id="leak1-why-en" lang="en"
# Chance. Seven times chance was the work of one line, and the line was not even in the model. It happens to real tables too: when the two columns of a MovieLens file in its original order were fed to SASRec, the NDCG@10 came out at 0.83, far above what the paper of SASRec reports. <!-- literature -->
#
# **The check.** `validate` refuses a table whose rows are not in the order (user, timestamp), and names the first bad row. It needs the timestamps: a file without them has thrown the evidence away. So also **shuffle the rows** of the file and run again. You have just done so, in the third line above: the score of the two columns falls to chance. That is suspicious, not yet proof: in a file without times the order of the rows *is* the order of the events, and shuffling it also destroys what a sequence model may rightly use. So ask where the order comes from. If rows of equal time were sorted by item, or the file was exported sorted, the score belongs to the export. If the rows were written as the events happened, it belongs to the model. The MovieLens 1M file of lesson 07 has no times either, and we know its order only from the description of how it was made: a score on it is as good as that description.

# %% [markdown] id="leak1-why-zh" lang="zh" en="59786251"
# 随机的水平。七倍的分数全来自一行代码，而那一行甚至不在模型里。真实的表上也出过这种事：有人把一份 MovieLens 文件按原始行序只留两列，输入 SASRec，NDCG@10 高达 0.83，远远超过 SASRec 原论文报告的数。<!-- literature -->
#
# **检查。** 行不按（用户，时间戳）排列的表，`validate` 会拒绝，并指出第一个出问题的行。但它需要时间戳：没有时间戳的文件已经丢掉了证据。所以还要把文件的**行打乱**，再跑一遍。上面的第三行做的就是这件事：两列文件的分数降到了随机的水平。这只是可疑，还不算证明：在没有时间的文件里，行序**就是**事件的顺序，打乱行序也毁掉了序列模型本来可以正当使用的信息。所以要问行序从何而来。如果时间相同的行按物品排过序，或者文件导出时排过序，分数就来自那次导出；如果各行是随着事件发生写下的，分数才来自模型。第 07 课的 MovieLens 1M 文件同样没有时间，我们只能从制作说明里知道它的顺序：说明可靠到什么程度，那里的分数就可靠到什么程度。

# %% id="leak1-caught"
file = dice_world(seed=0, users=200, items=200, length=40).sort_values(["user", "item"])
try:
    validate(file)
    refused = ""
except TutorialError as error:
    refused = str(error)
print(refused)
expect_true("validate refuses the file", "sort_events" in refused)
expect_true("and accepts it once sorted", len(validate(sort_events(file))) == 8000)
shuffled_file = file.sample(frac=1, random_state=1)
expect_true("rows shuffled: sort_events gives the same table", sort_events(file).equals(sort_events(shuffled_file)))

# %% [markdown] id="leak2-en" lang="en" tags=["break-it"]
# ## Leak 2: ties broken by the item number
#
# Sorting by time is not always enough. In this world a shop keeps 400 items on 20 shelves and numbers them shelf by shelf. A user comes on four days. On each day she chooses five items of one shelf, in no particular order, and the shop writes down the **day** only. So the five events are tied.
#
# The table must put them in some order. Three ways:
#
# - `sort_values(["user", "timestamp", "item"])`, which many scripts do so that the result is the same at every run;
# - keep the order in which they came, as `sort_events` does;
# - if the order of arrival is lost, shuffle the rows with a fixed seed, then `sort_events`. That too is the same at every run.
#
# The truth is the live audience of 300 further users, in the order in which they really chose.

# %% [markdown] id="leak2-zh" lang="zh" en="a7ec6165" tags=["break-it"]
# ## 泄漏二：并列时按物品编号排
#
# 按时间排序并不总是够用。在这个世界里，一家商店有 20 个货架、400 件物品，编号一个货架一个货架地往下排。一位用户来了四天，每天从同一个货架上挑五件，没有特定的先后；商店只记下了**日期**。于是这五个事件是并列的。
#
# 表里总得有个先后。有三种做法：
#
# - `sort_values(["user", "timestamp", "item"])`，许多脚本这样写，好让每次运行的结果都一样；
# - 保留它们到来的顺序，`sort_events` 就是这样做的；
# - 如果到来的顺序已经丢了，就用固定的种子把行打乱，再调用 `sort_events`。这样每次运行的结果同样一致。
#
# 真值取自 300 位上线后的新用户，按他们真实的挑选顺序计算。


# %% id="shelf-world"
def shelf_world(seed, users=600, shelves=20, per_shelf=20, days=4, choices=5):
    """Each user comes on 4 days and takes 5 items of one shelf in random order; only the day is recorded."""
    rng = np.random.default_rng(seed)
    shelf = rng.random((users, shelves)).argsort(axis=1)[:, :days]
    place = rng.random((users, days, per_shelf)).argsort(axis=2)[:, :, :choices]
    day = np.sort(rng.random((users, 365)).argsort(axis=1)[:, :days], axis=1)
    items = shelf[:, :, None] * per_shelf + place + 1  # numbered shelf by shelf
    return table_of(items.reshape(users, -1), np.repeat(day * DAY, choices, axis=1))


def learn_from_known(split):
    """The same split, but the training part of the live audience (users from KNOWN on) is emptied."""
    live = np.arange(split.dataset.num_users) >= KNOWN
    return replace(split, train_end=np.where(live, split.dataset.offsets[:-1], split.train_end))


known, live = np.arange(KNOWN), np.arange(KNOWN, 600)
print(shelf_world(seed=0).head(10).to_string(index=False))

# %% [markdown] id="predict-ties-en" lang="en" tags=["predict"]
# **Predict.** The shelf can be learned honestly: who takes one item of it will take the next from it too. Once the ties are sorted by number, will the reported score rise by a fifth, by half, or to more than double the truth? And the model that was trained on the sorted ties: how will **it** do with the live audience, compared with the honest model?

# %% [markdown] id="predict-ties-zh" lang="zh" en="37bf1485" tags=["predict"]
# **猜一猜。** 货架的规律本来就可以学到：拿了一件物品，下一件也会在这个货架上。并列一旦按编号排序，报告的分数会高出五分之一、一半，还是达到真值的两倍以上？而那个在排过序的并列上训练出来的模型，面对上线后的新用户，与没有泄漏的模型相比，表现会怎样？


# %% id="leak2-code" tags=["break-it", "nbval-ignore-output"]
def ties(seed):
    arrival = shelf_world(seed)
    tables = {
        "by number": arrival.sort_values(["user", "timestamp", "item"]),
        "as they came": arrival,
        "shuffled": arrival.sample(frac=1, random_state=seed),
    }
    splits, models = {}, {}
    for name, table in tables.items():
        splits[name] = learn_from_known(temporal_split(make_dataset(name, table), targets="successive"))
        models[name] = fitted("markov", splits[name].train, splits[name])
    real_life = splits["as they came"]
    return {
        "reported": quality(models["by number"], splits["by number"], users=known),
        "mended": quality(models["as they came"], splits["as they came"], users=known),
        "mended by a seeded shuffle": quality(models["shuffled"], splits["shuffled"], users=known),
        "truth": quality(models["as they came"], real_life, users=live),
        "the leaking model, live": quality(models["by number"], real_life, users=live),
    }


measure("ties by number", ties)

# %% id="leak2-check"
table = scores["ties by number"]
expect("NDCG@10 reported", table["reported"].mean(), 0.37, tol=0.01)
expect("NDCG@10 in truth", table["truth"].mean(), 0.155, tol=0.005)
expect("NDCG@10 of the leaking model with the live audience", table["the leaking model, live"].mean(), 0.12, tol=0.005)
judge("ties by number")
judge("ties by number", "mended by a seeded shuffle")
worse = paired_bootstrap(table["the leaking model, live"], table["truth"], level=LEVEL, draws=DRAWS)
expect_true("live, the leaking model is worse than the honest one: the interval lies below 0", worse.high < 0)

# %% [markdown] id="leak2-why-en" lang="en"
# More than double, 0.37 instead of 0.155. And the leak does harm beyond the report: with the live audience the leaking model gets 0.12, less than the honest one. It has learned to go up the shelf, and real people do not.
#
# In MovieLens 1M almost half of the timestamps are not unique, and a researcher who had once sorted them by item number put the gain in NDCG at about 20 %. <!-- literature -->

# %% [markdown] id="leak2-why-zh" lang="zh" en="0a16abc1"
# 两倍还多：0.37，而真值是 0.155。这处泄漏的害处不止于报告：面对上线后的新用户，泄漏的模型只得 0.12，还不如没有泄漏的模型。它学会了按编号从小到大推荐，真实的用户却不这样选。
#
# 在 MovieLens 1M 里，将近一半的时间戳不是唯一的。一位曾经按物品编号排过序的研究者估计，NDCG 因此虚高了约 20%。<!-- literature -->

# %% [markdown] id="rename-en" lang="en" tags=["predict"]
# **The check.** Names must not matter. Give all items new numbers, drawn at random, and run again.
#
# **Predict.** What happens to the reported 0.37: does it fall to the truth, since the new numbers say nothing about the shelves? And what happens to the honest score?

# %% [markdown] id="rename-zh" lang="zh" en="c3774721" tags=["predict"]
# **检查。** 名字不该有影响。给所有物品随机换一套编号，再跑一遍。
#
# **猜一猜。** 报告的 0.37 会怎样：新编号与货架毫无关系，它会不会降回真值？没有泄漏的分数又会怎样？


# %% id="leak2-caught"
def renamed(events, seed=0):
    """The same events with new item numbers, drawn at random."""
    names = np.random.default_rng(seed).permutation(events["item"].max()) + 1
    return events.assign(item=names[events["item"].to_numpy() - 1])


def experiment(events, columns):
    """Sort by these columns, learn from the known users, report their NDCG@10 in the test period."""
    table = make_dataset("shelf", events.sort_values(columns, kind="stable"))
    split = learn_from_known(temporal_split(table, targets="successive"))
    return quality(fitted("markov", split.train, split), split, users=known)


by_number, by_time = ["user", "timestamp", "item"], ["user", "timestamp"]
tables = [(shelf_world(seed), renamed(shelf_world(seed), seed)) for seed in range(10)]
leaking = np.array([[experiment(table, by_number) for table in pair] for pair in tables])  # [10 worlds, old and new]
honest = np.array([[experiment(table, by_time) for table in pair] for pair in tables])
expect("ties by number, old numbers, mean of 10 worlds", leaking[:, 0].mean(), 0.37, tol=0.02)
expect("ties by number, new numbers, mean of 10 worlds", leaking[:, 1].mean(), 0.37, tol=0.02)
expect_true("yet the two differ in every world", (np.abs(np.diff(leaking, axis=1)) > 1e-6).all())
expect_true("ties as they came: the same to the last digit in every world", (np.diff(honest, axis=1) == 0).all())
first, then = (renamed(tables[0][0].sort_values(by, kind="stable")) for by in (by_number, by_time))
expect_true(
    "ties by number: rename, then sort gives other rows",
    not first.equals(tables[0][0].pipe(renamed).sort_values(by_number)),
)
expect_true("as they came: the same rows", then.equals(tables[0][0].pipe(renamed).sort_values(by_time, kind="stable")))

# %% [markdown] id="rename-why-en" lang="en"
# It does **not** fall. The leak needs no meaning in the numbers: any fixed order of the items, a random one too, repeats itself in every tie and can be learned. But the score is not the same, and that gives it away. An honest experiment returns the same score **to the last digit**, whatever the items are called. If yours moves at all, a name has decided something. (A neural network starts from random weights that belong to the numbers, so its score moves a little in any case. There, compare the tables: *sort, then rename* and *rename, then sort* must give the same rows.)
#
# What the leak is worth, you learn from the second mend: shuffle the ties with a seed and compare. And `sort_events` cannot help a table that was sorted by number before it reached you. Exercise 3.1 is about such tables.

# %% [markdown] id="rename-why-zh" lang="zh" en="0bd2d97f"
# 它**没有**降。这种泄漏不需要编号有什么含义：物品的任何一种固定次序，哪怕是随机的，都会在每一处并列里重复出现，因此能被学到。但是分数变了，这就暴露了它。无论物品怎样编号，没有泄漏的实验都会给出**一位不差**的同一个分数。只要分数变了，就说明编号影响了结果。（神经网络的初始权重是随机的，又与编号挂钩，所以它的分数无论如何都会动一点。这时改为比较表格：**先排序再换编号**与**先换编号再排序**，得到的行必须一样。）
#
# 泄漏让分数虚高多少，可以从第二种修正办法看出来：用种子把并列打乱，再比一比。另外，如果一张表到你手里之前已经按编号排过，`sort_events` 也救不了它。练习 3.1 说的就是这样的表。

# %% [markdown] id="leak3-en" lang="en" tags=["break-it"]
# ## Leak 3: statistics fitted on the test part
#
# Back to dice: 400 users, 200 items, six draws each, this time with a proper temporal split. The oldest four fifths of the events are for learning, the newest tenth for the test. But somewhere in the code stands `events` where `split.train` should stand. We try it with two models:
#
# - **popularity**, counted on all events. The true next item of a test user has been counted too, once, by the very event that we ask about;
# - the **Markov chain**, counted on all events. It has counted the very step from the last item to the target.

# %% [markdown] id="leak3-zh" lang="zh" en="2d099eb2" tags=["break-it"]
# ## 泄漏三：在测试集上拟合的统计量
#
# 回到骰子：400 位用户，200 个物品，每人抽六次，这次用的是真正的时间切分。最早的五分之四事件用来学习，最新的十分之一用来测试。只是代码里某个地方，该写 `split.train` 却写成了 `events`。用两个模型来试：
#
# - **热门基线**，在全部事件上计数。测试用户真正的下一个物品也被数进去了一次，数的正是我们要问的那个事件；
# - **马尔可夫链**，在全部事件上计数。它数到的，正是从最后一个物品到目标的那一步。

# %% [markdown] id="predict-statistics-en" lang="en" tags=["predict"]
# **Predict.** Each item occurs about twelve times, so the leak adds one to a count of about twelve. Chance is 0.023. Will popularity stay at chance, almost double, or reach more than four times chance? And the Markov chain?

# %% [markdown] id="predict-statistics-zh" lang="zh" en="b7d9c65f" tags=["predict"]
# **猜一猜。** 每个物品大约出现十二次，所以泄漏只是在十二左右的计数上加了一。随机的水平是 0.023。热门基线会停在原地、将近翻倍，还是超过四倍？马尔可夫链呢？


# %% id="leak3-code" tags=["break-it", "nbval-ignore-output"]
def statistics_on_everything(seed):
    split = temporal_split(make_dataset("dice", dice_world(seed, users=400, items=200, length=6)))
    ranks = evaluate(fitted("popularity", split.train, split), split, "test")
    everything = split.dataset.events
    return {
        "reported": quality(fitted("popularity", everything, split), split),
        "reported, Markov": quality(fitted("markov", everything, split), split),
        "mended": ndcg(ranks).mean(),
        "mended, Markov": quality(fitted("markov", split.train, split), split),
        "truth": np.mean([random_expectation(candidates)[1] for candidates in ranks.candidates]),
    }


measure("statistics on all events", statistics_on_everything)

# %% id="leak3-check"
table = scores["statistics on all events"]
expect("NDCG@10 reported, popularity", table["reported"].mean(), 0.04, tol=0.003)
expect("NDCG@10 reported, Markov", table["reported, Markov"].mean(), 0.44, tol=0.02)
expect("NDCG@10 of chance", table["truth"].mean(), 0.023, tol=0.0005)
judge("statistics on all events")
judge("statistics on all events", "mended, Markov")

# %% [markdown] id="leak3-why-en" lang="en"
# One more in twelve lifts popularity from 0.023 to about 0.04, and the Markov chain to 0.44, out of pure dice. The finer a statistic, the more of the answer it can hold. That is why this leak loves good models.
#
# The same fault has many faces. An item filter ("at least five events"), the mean and spread of the gaps, a user's shortest gap, the moment when an item first appeared: whatever is computed **before** the split is computed on the test part too.

# %% [markdown] id="leak3-why-zh" lang="zh" en="9a29b3d0"
# 十二里多一，就把热门基线从 0.023 抬到约 0.04，把马尔可夫链抬到 0.44，而这一切都来自纯粹的骰子。统计量越精细，能包含的答案就越多。所以模型越强，受这种泄漏的影响越大。
#
# 同一种错误有许多形式。物品过滤（“至少五个事件”）、间隔的均值和离散程度、某位用户最短的间隔、某个物品首次出现的时刻：凡是在切分**之前**算出来的，就连测试集也一起算进去了。

# %% [markdown] id="future-en" lang="en" tags=["library"]
# **The check: change the future.** In lesson 05 you will change a model's input and watch its output. Here we do it to a whole experiment. From the cut on, let all people choose other items, at other times. Whatever was fitted on the training part cannot know, and must come out **the same to the last bit**. What moves has read the future.
#
# In the library, a function that fits something takes the `Split` and reads `split.train`. The statistics of the gaps are an example:

# %% [markdown] id="future-zh" lang="zh" en="f4da9af0" tags=["library"]
# **检查：改动未来。** 到第 05 课，你会改动一个模型的输入，观察它的输出。这里我们对整个实验这么做：从切分点开始，让所有人选别的物品，在别的时间选。凡是在训练集上拟合出来的东西，都不可能知道这件事，必须**一个比特都不差**。凡是变了的，都读过未来。
#
# 在库里，凡是需要拟合的函数，都接收 `Split`，并且只读 `split.train`。间隔的统计量就是一例：

# %% id="future-library" tags=["library"]
from tutorial_lib.data.sequences import HOUR, GapStatistics

# show: tutorial_lib.data.sequences.fit_gap_statistics

# %% id="future-code"


def change_the_future(split, cut, seed=0):
    """The same people and rows, but from second `cut` on they choose other items and take twice as long for each step."""
    events, rng = split.dataset.events.copy(), np.random.default_rng(seed)
    later = events["timestamp"].to_numpy() >= cut
    # Drawn afresh, not shuffled: a shuffle keeps every count, and a leaking count would pass.
    events.loc[later, "item"] = rng.integers(1, split.dataset.num_items + 1, later.sum())
    events.loc[later, "timestamp"] = cut + 2 * (events.loc[later, "timestamp"] - cut)
    return replace(split, dataset=replace(split.dataset, events=events))


split = temporal_split(make_dataset("dice", dice_world(seed=0, users=400, items=200, length=6)))
other = change_the_future(split, split.cut_test)
leaking = [np.bincount(s.dataset.events["item"]) for s in (split, other)]
honest = [np.bincount(s.train["item"]) for s in (split, other)]
expect_true("popularity of all events moves with the future", not np.array_equal(*leaking))
expect_true("popularity of the training part does not", np.array_equal(*honest))
expect_true("nor do the library's gap statistics", fit_gap_statistics(split) == fit_gap_statistics(other))

# %% [markdown] id="leak4-en" lang="en" tags=["break-it"]
# ## Leak 4: the choice made on the test part
#
# Dice again, and nothing is fitted where it should not be. Ida trains her Markov chain 24 times, each time with another seed that draws the half of the users to learn from. She looks at the test score of each version and reports the best. On dice no version is better than another; the differences are noise. But the **largest of 24** noisy numbers is not a fair sample of them. (Settings instead of seeds would do the same. Seeds make it plain that there is nothing to choose.)
#
# The mend: choose by the validation part, then open the test part once.

# %% [markdown] id="leak4-zh" lang="zh" en="260d303b" tags=["break-it"]
# ## 泄漏四：在测试集上做选择
#
# 还是骰子，而且没有在不该拟合的地方拟合任何东西。小艾把马尔可夫链训练了 24 遍，每遍换一个种子，由种子抽出一半用户来学习。她看每个版本的测试得分，报告最好的那个。在骰子面前，没有哪个版本比别的更好，差别全是噪声。可是带噪声的 24 个数里**最大的那个**，并不能公平地代表它们。（把种子换成超参数设置也一样。用种子，是为了一眼就能看出：这里没什么可选的。）
#
# 修复的办法：按验证集来选，然后只打开一次测试集。

# %% [markdown] id="predict-choice-en" lang="en" tags=["predict"]
# **Predict.** The test part has about 180 users, chance is 0.023. What will the best of 24 report: hardly more than chance, half as much again, or four times as much?

# %% [markdown] id="predict-choice-zh" lang="zh" en="42bc49c9" tags=["predict"]
# **猜一猜。** 测试集约有 180 位用户，随机的水平是 0.023。24 个里最好的那个会报告多少：和随机差不多，高出一半，还是四倍？


# %% id="leak4-code" tags=["break-it", "nbval-ignore-output"]
def choice(seed):
    split = temporal_split(make_dataset("dice", dice_world(seed, users=400, items=200, length=6)))
    halves = np.random.default_rng(seed).random((24, 400)) < 0.5
    models = [fitted("markov", split.train[half[split.train["user"]]], split) for half in halves]
    valid, test = ([quality(model, split, part) for model in models] for part in ("valid", "test"))
    candidates = evaluate(models[0], split, "test").candidates
    return {
        "reported": max(test),
        "mended": test[int(np.argmax(valid))],
        "truth": np.mean([random_expectation(count)[1] for count in candidates]),
    }


measure("choice on test", choice)

# %% id="leak4-check"
table = scores["choice on test"]
expect("NDCG@10 reported", table["reported"].mean(), 0.035, tol=0.003)
expect("NDCG@10 of chance", table["truth"].mean(), 0.023, tol=0.0005)
judge("choice on test")

# %% [markdown] id="curse-en" lang="en"
# About 0.035, half as much again as chance, for nothing but trying. It is called the **winner's curse**, and for independent settings it can be computed, as an integral. The mean of $n$ users' NDCG@10 is nearly normal around the truth, with standard error $\sigma / \sqrt{n}$, where $\sigma$ is the standard deviation between users. The best of $m$ such means exceeds the truth on average by
#
# $$\frac{\sigma}{\sqrt n}\, c_m, \qquad c_m = \int_{-\infty}^{\infty} z \; m\, \varphi(z)\, \Phi(z)^{m-1} \, dz .$$
#
# Here $\varphi$ is the density of the standard normal distribution, $\Phi$ its distribution function, and $m \varphi \Phi^{m-1}$ is the density of the largest of $m$. For two settings the integral is $1/\sqrt{\pi}$.

# %% [markdown] id="curse-zh" lang="zh" en="70cf0eeb"
# 约 0.035，仅仅因为“多试几次”，就比随机的水平高出一半。这叫**赢家诅咒**（winner's curse）；如果各种设置相互独立，它可以写成一个积分。$n$ 位用户的 NDCG@10 取平均，近似服从以真值为中心的正态分布，标准误为 $\sigma / \sqrt{n}$，其中 $\sigma$ 是用户之间的标准差。$m$ 个这样的平均值里最大的那个，平均比真值高出
#
# $$\frac{\sigma}{\sqrt n}\, c_m, \qquad c_m = \int_{-\infty}^{\infty} z \; m\, \varphi(z)\, \Phi(z)^{m-1} \, dz .$$
#
# 这里 $\varphi$ 是标准正态分布的密度，$\Phi$ 是它的分布函数，$m \varphi \Phi^{m-1}$ 就是 $m$ 个数中最大值的密度。只有两种设置时，积分等于 $1/\sqrt{\pi}$。


# %% id="curse-code" tags=["reference-check"]
def expected_maximum(m):
    """Mean of the largest of m independent standard normal numbers."""
    z = torch.linspace(-10, 10, 20001, dtype=torch.double)
    density = torch.exp(-(z**2) / 2) / (2 * torch.pi) ** 0.5
    return torch.trapezoid(z * m * density * torch.special.ndtr(z) ** (m - 1), z).item()


expect_close("two settings: 1 / sqrt(pi)", expected_maximum(2), np.pi**-0.5, tol=1e-9)
expect_close("three settings: 1.5 / sqrt(pi)", expected_maximum(3), 1.5 * np.pi**-0.5, tol=1e-9)
drawn = np.random.default_rng(0).standard_normal((100_000, 24)).max(axis=1)
expect("largest of 24 normal numbers, simulated minus computed", drawn.mean() - expected_maximum(24), 0, tol=0.005)
expect("c of 24 settings", expected_maximum(24), 1.95, tol=0.01)

# %% [markdown] id="curse-predict-en" lang="en" tags=["predict"]
# A model that knows nothing puts the true item at any of 195 places with equal probability, so we can draw its ranks without a model, for as many settings as we like. **Predict** the two curves below: the best of $m$ settings by test score, with 200 and with 2,000 test users. Which of them flattens soon? What would it take to halve the curse?

# %% [markdown] id="curse-predict-zh" lang="zh" en="d4f560ab" tags=["predict"]
# 一无所知的模型，会以同样的概率把真实物品放在 195 个名次中的任何一个；所以不用模型就能抽出它的排名，想要多少种设置都行。**猜一猜**下面两条曲线：测试用户为 200 位和 2,000 位时，按测试得分从 $m$ 种设置里挑最好的。哪一条很快变平？要让虚高减半，需要什么？

# %% id="curse-picture" tags=["picture", "nbval-ignore-output"]
PLACES, trials = 195, np.array([1, 2, 5, 10, 20, 50, 100, 200])
chance, sigma = random_expectation(PLACES)[1], ndcg(np.arange(1, PLACES + 1)).std()
rng, best, chosen = np.random.default_rng(0), {}, {}
for users, repeats in ((200, 200), (2000, 20)):
    shape = (repeats, trials[-1], users)
    test, valid = (ndcg(rng.integers(1, PLACES + 1, shape)).mean(axis=2) for _ in range(2))  # [repeats, settings]
    best[users] = np.array([test[:, :m].max(axis=1).mean() for m in trials])
    chosen[users] = np.array([test[np.arange(repeats), valid[:, :m].argmax(axis=1)].mean() for m in trials])
curve = {users: chance + sigma / users**0.5 * np.array([expected_maximum(int(m)) for m in trials]) for users in best}
fig, ax = plt.subplots()
for users, color, marker in ((200, plots.VERMILION, "o"), (2000, plots.BLUE, "s")):
    ax.plot(trials, best[users], marker, color=color, label=f"best on test, {users:,} users")
    ax.plot(trials, curve[users], color=color, linewidth=1)
    ax.plot(trials, chosen[users], marker, color=color, mfc="none", label=f"chosen on validation, {users:,} users")
ax.axhline(chance, color="0.3", linestyle="--", linewidth=1, label="truth")
ax.set(xscale="log", xlabel="useless settings tried", ylabel="NDCG@10 on the test part", ylim=(0, None))
ax.set_xticks(trials, trials)
ax.minorticks_off()
ax.legend(fontsize=8)
plt.show()

# %% [markdown] id="curse-alt-en" lang="en" tags=["alt"]
# NDCG@10 against the number of settings tried, on a logarithmic axis from 1 to 200. With 200 test users the best on test climbs steadily from chance to about double; with 2,000 users it climbs to a quarter more than chance. The thin lines of the formula run through or just below the points. Hollow marks, chosen on validation, stay on the dashed line of the truth.

# %% [markdown] id="curse-alt-zh" lang="zh" en="e3727c25" tags=["alt"]
# NDCG@10 随尝试的设置数变化，横轴是 1 到 200 的对数轴。测试用户为 200 位时，测试集上最好的那个从随机的水平一路升到约两倍；2,000 位时，只升到高出四分之一左右。公式的细线穿过这些点，或略低于它们。空心标记是按验证集选的，一直贴着代表真值的虚线。

# %% id="curse-check"
expect("best of 200 on 200 users, in units of chance", best[200][-1] / chance, 2.0, tol=0.2)
expect("best of 200 on 2,000 users, in units of chance", best[2000][-1] / chance, 1.27, tol=0.05)
ratio = (best[2000] - chance)[2:] / (curve[2000] - chance)[2:]
expect("simulated over computed gain, 2,000 users, mean of 5 settings and more", ratio.mean(), 1.05, tol=0.1)
expect("chosen on validation, mean, in units of chance", np.mean([chosen[200], chosen[2000]]) / chance, 1.0, tol=0.05)

# %% [markdown] id="curse-why-en" lang="en"
# Neither flattens: the gain goes on growing, like $\sqrt{2 \ln m}$, and to halve it you need four times as many users. (Ida's 24 versions gained less than the formula says: any two of them share half of their users, so they are not independent. And the points above the line of 200 users say that the mean of so few is not quite normal yet, but skewed.) A search over hundreds of settings on a test set of a few hundred users can double a score of nothing. "We tuned all models on the test set, so it is fair" does not help either: whoever tuned more wins.
#
# **The check.** Change the future once more: a choice that was made without the test part cannot move. The library's `train` looks at the validation part after each epoch and keeps the best weights; it never opens the test part. See for yourself: train the same small network with the true and with a changed test part.

# %% [markdown] id="curse-why-zh" lang="zh" en="2381b2a2"
# 两条都不会变平：虚高的部分一直在涨，大致像 $\sqrt{2 \ln m}$；要让它减半，需要四倍的用户。（小艾的 24 个版本虚高得比公式少：任意两个版本都有一半用户相同，并不独立。至于 200 位用户那条线上方的点，说明用户这么少时，平均值还不大服从正态，而是偏斜的。）在只有几百位用户的测试集上搜几百种设置，就能让一个没有学到任何规律的分数翻倍。“所有模型都在测试集上调参，所以公平”，这也不成立：谁调得多，谁就赢。
#
# **检查。** 再改动一次未来：不靠测试集做出的选择不可能变。库里的 `train` 每轮之后看一眼验证集，留下最好的权重；测试集它从不打开。亲眼看看吧：同一个小网络，分别在真的测试集和改动过的测试集下训练。

# %% id="leak4-caught" tags=["training"]
weights = []
for part in (split, other):
    network = build_model("gru4rec", num_items=200, max_len=10, dim=8, seed=0)
    history = train(network, part, TrainConfig(epochs=3, seed=0), device="cpu", progress=False)
    weights.append([history.best_epoch, history.best_ndcg, *network.state_dict().values()])
same = [torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(*weights, strict=True)]
expect_true("train chooses the same epoch and the same weights, to the last bit", all(same))

halves = np.random.default_rng(0).random((24, 400)) < 0.5
versions = [fitted("markov", split.train[half[split.train["user"]]], split) for half in halves]
chosen_by = {
    name: [int(np.argmax([quality(model, part, name) for model in versions])) for part in (split, other)]
    for name in ("test", "valid")
}
expect_true("Ida's choice by test score moves with the future", chosen_by["test"][0] != chosen_by["test"][1])
expect_true("the choice by validation score does not", chosen_by["valid"][0] == chosen_by["valid"][1])

# %% [markdown] id="leak5-en" lang="en" tags=["break-it"]
# ## Leak 5: other users' future
#
# The rows are sorted, ties are kept, everything is fitted on the training part and chosen on validation. One leak is left, and it sits in the split. **Leave-one-out** (lesson 01 called it leave-last-out) takes each user's last event as the test and trains on all the rest. If Nora's last event was in March, the model that must predict it has learned from what everybody else did until December.
#
# Lesson 01 counted how many training events are later than the test event. What are they **worth**? That depends on the world, so here is one with fashions. Every user has a home shelf of 20 items and takes half of her choices from it. The other half are *hits*: 300 items that come out one after the other, are chosen by everybody, and are forgotten within days.

# %% [markdown] id="leak5-zh" lang="zh" en="a8eaa084" tags=["break-it"]
# ## 泄漏五：别的用户的未来
#
# 行排好了序，并列保持原样，一切都在训练集上拟合、在验证集上选择。还剩最后一处泄漏，它藏在切分里。**留一法**（leave-one-out，第 01 课叫 leave-last-out）把每位用户的最后一个事件当测试，其余全部用来训练。如果小雨的最后一个事件在三月，那么要预测它的模型，已经从所有人直到十二月的行为里学过了。
#
# 第 01 课数过有多少训练事件晚于测试事件。它们会让分数**虚高多少**？这要看是什么世界，所以这里造一个有流行风潮的。每位用户有一个自己的货架，上面 20 件物品，她的选择一半来自那里。另一半是**爆款**：300 件物品陆续上架，人人都选，几天之后就被遗忘。


# %% id="trend-world"
def trend_world(seed, users=600, hits=300, length=16, days=120, shelves=6, per_shelf=20, fade=3.0):
    """Half of the choices from the user's own shelf, half among the hits of the day; a hit fades by 1/e in `fade` days."""
    rng = np.random.default_rng(seed)
    released = rng.uniform(-20, days, hits)
    own = (np.arange(shelves * per_shelf) // per_shelf == rng.integers(shelves, size=(users, 1))) / per_shelf
    day = rng.uniform(0, days - length, (users, 1)) + np.cumsum(rng.exponential(1.0, (users, length)), axis=1)
    chosen, unseen = np.zeros((users, length), dtype=np.int64), np.ones((users, shelves * per_shelf + hits))
    for step in range(length):
        age = day[:, step, None] - released
        fashion = np.where(age > 0, np.exp(-age / fade), 0)
        odds = np.cumsum(unseen * np.hstack([own, fashion / fashion.sum(axis=1, keepdims=True)]), axis=1)
        chosen[:, step] = (odds <= rng.random((users, 1)) * odds[:, -1:]).sum(axis=1) + 1
        unseen[np.arange(users), chosen[:, step] - 1] = 0
    return table_of(chosen, (day * DAY).astype(np.int64))


# %% id="trend-picture" tags=["picture", "nbval-ignore-output"]
trend = trend_world(seed=0)
hits = trend[trend["item"] > 120]
first_day = hits.groupby("item")["timestamp"].min() / DAY
largest = hits["item"].value_counts().head(100).index
shown = [int((first_day[largest] - day).abs().idxmin()) for day in (30, 45, 60, 75, 90)]
fig, ax = plt.subplots(figsize=(7.5, 3.2))
for item, color in zip(shown, plots.PALETTE, strict=False):
    days = hits.loc[hits["item"] == item, "timestamp"] / DAY
    ax.hist(days, bins=np.arange(0, 121), color=color, label=f"hit {item}")
question = first_day[shown[2]] + 1
ax.axvline(question, color="0.3", linestyle="--")
ax.annotate(
    "a test question", (question, 1), xycoords=("data", "axes fraction"), xytext=(4, -10), textcoords="offset points"
)
ax.set(xlabel="day", ylabel="choices a day")
ax.legend(fontsize=8, loc="upper left", ncols=2)
plt.show()

# %% [markdown] id="trend-alt-en" lang="en" tags=["alt"]
# Number of choices of five hits over 120 days. Each hit is a narrow heap of bars that rises at once and is gone after one or two weeks; the heaps hardly overlap. A dashed line marks a test question shortly after the middle hit has come out: most choices of that hit, and all of the next two, lie to the right of the line.

# %% [markdown] id="trend-alt-zh" lang="zh" en="e9a6acf5" tags=["alt"]
# 五个爆款在 120 天里被选择的次数。每个爆款都是窄窄的一簇柱子，一下子升起，一两周后就消失，彼此几乎不重叠。虚线标出一个测试问题，时间在中间那个爆款上架后不久：这个爆款的大部分选择，以及后两个爆款的全部选择，都在虚线右边。

# %% id="trend-check"
middle = hits.loc[hits["item"] == shown[2], "timestamp"] / DAY
expect_true("more than half of the middle hit's choices lie right of the line", (middle > question).mean() > 0.5)
expect_true("all choices of the next two lie there", (first_day[shown[3:]] > question).all())

# %% [markdown] id="leak5-plan-en" lang="en"
# Everything to the right of the dashed line is the future of that question. Leave-one-out trains on it. We compare:
#
# - **reported**: the Markov chain, trained and tested by leave-one-out;
# - **the same questions, only the past**: for each question the chain counts only training events before it, as if the site learned anew every second. This is where `markov_by_hand` comes back;
# - **mended**: the temporal split, in which nothing after the cut is learned;
# - **truth**: what the model trained before the cut does for the live audience after it.

# %% [markdown] id="leak5-plan-zh" lang="zh" en="d4fc26b2"
# 虚线右边的一切，都是那个问题的未来。留一法却在上面训练。我们来比较：
#
# - **reported**：用留一法训练和测试的马尔可夫链；
# - **同样的问题，只用过去**：对每个问题，马尔可夫链只数它之前的训练事件，就像网站每秒都重新学习一遍。`markov_by_hand` 在这里重新登场；
# - **mended**：时间切分，切分点之后的数据一概不学；
# - **truth**：在切分点之前训练的模型，在切分点之后为上线后的新用户服务的得分。

# %% [markdown] id="predict-future-en" lang="en" tags=["predict"]
# **Predict.** The Markov chain knows no times at all; it sees only which item followed which. Can other people's future help it? Will *reported* be equal to *only the past*, a tenth higher, or more than that?

# %% [markdown] id="predict-future-zh" lang="zh" en="16c22581" tags=["predict"]
# **猜一猜。** 马尔可夫链根本不知道时间，只看见哪个物品跟在哪个后面。别人的未来帮得上它吗？*reported* 会与**只用过去**相等，高出一成，还是更多？


# %% id="leak5-code" tags=["break-it", "nbval-ignore-output"]
def others_future(seed):
    dataset = make_dataset("trend", trend_world(seed))
    leave_one_out = learn_from_known(leave_last_out(dataset))
    by_time = learn_from_known(temporal_split(dataset, targets="successive"))
    honest = fitted("markov", by_time.train, by_time)
    return {
        "reported": quality(fitted("markov", leave_one_out.train, leave_one_out), leave_one_out, users=known),
        "same questions, only the past": markov_by_hand(leave_one_out, only_past=True, users=known).mean(),
        "mended": quality(honest, by_time, users=known),
        "truth": quality(honest, by_time, users=live),
    }


measure("others' future", others_future)

# %% id="leak5-check"
table = scores["others' future"]
expect("NDCG@10 reported", table["reported"].mean(), 0.062, tol=0.003)
expect("NDCG@10, same questions, only the past", table["same questions, only the past"].mean(), 0.047, tol=0.003)
expect("NDCG@10 in truth", table["truth"].mean(), 0.038, tol=0.003)
judge("others' future")
peek = paired_bootstrap(table["reported"], table["same questions, only the past"], level=LEVEL, draws=DRAWS)
expect_true("same model, same questions: the interval of what the future adds lies above 0", peek.low > 0)
share = table["reported"].mean() / table["same questions, only the past"].mean() - 1
expect("what the future adds, as a share of the score without it", share, 0.3, tol=0.06)

# %% [markdown] id="leak5-why-en" lang="en"
# The future adds 30 %: 0.062 instead of 0.047, with the same model on the same questions. The chain reads no clock, but items are a calendar: who has just taken a hit of this week will take another hit of this week, and the others' later choices tell which ones those were. Part of the gain is simply that there is more to count. Either way it comes from events that had not happened.
#
# From 0.047 down to the truth, 0.038, is another matter. It is not peeking but mostly **age**: a real model was trained some time ago and has not seen the newest hits. (The questions differ too: all events after the cut, not everybody's last.) The temporal split contains this too, and so it tells what the site will see. How large the leak is depends on the world, and you cannot know it beforehand.
#
# **The check.** Again, change the future. Cut the calendar anywhere, change everything behind the cut: what was learned for the questions before it must not move.

# %% [markdown] id="leak5-why-zh" lang="zh" en="2a4541ad"
# 未来使分数虚高了 30%：同样的模型，同样的问题，0.062 对 0.047。马尔可夫链不看时间，但物品本身就透露了日期：刚选了本周爆款的人，下一个还会选本周的爆款；而别人后来的选择，恰好透露了那是哪几个。还有一部分提升只是因为可数的事件更多。无论是哪一种，都来自当时还没有发生的事件。
#
# 从 0.047 再降到真值 0.038，是另一回事。那不是偷看，主要是模型**过时**了：真实的模型是前些时候训练的，没见过最新的爆款。（问题也不一样：这里问的是切分点之后的所有事件，不只是每人的最后一个。）时间切分把这一点也算了进去，所以它说出的正是网站会看到的。泄漏有多大，要看是什么世界，而这一点你事先无从知道。
#
# **检查。** 还是改动未来。任选一个时刻，把此后的一切都改掉：为此前的问题所学到的内容，不能有任何变化。

# %% id="leak5-caught"
dataset = make_dataset("trend", trend_world(seed=0))
kinds = {"leave_last_out": leave_last_out(dataset), "temporal": temporal_split(dataset)}
cut = kinds["temporal"].cut_test
moves = {}
for name, part in kinds.items():
    learned = [np.bincount(version.train["item"]) for version in (part, change_the_future(part, cut))]
    moves[name] = not np.array_equal(*learned)
expect_true("leave-one-out: what was learned moves with the future", moves["leave_last_out"])
expect_true("temporal split: it does not", not moves["temporal"])
asked = {name: part.dataset.events["timestamp"].to_numpy()[part.test.row] for name, part in kinds.items()}
last_learned = {name: part.train["timestamp"].max() for name, part in kinds.items()}
expect_true(
    "temporal split: every question is later than all training", asked["temporal"].min() > last_learned["temporal"]
)
earlier = (asked["leave_last_out"] < last_learned["leave_last_out"]).mean()
expect("leave-one-out: share of questions with training events after them", earlier, 0.99, tol=0.01)

# %% [markdown] id="together-en" lang="en"
# ## All five on one axis
#
# The worlds differ, so compare each leak with its own truth. How many times the truth did the leaking experiment report, and how many times the mended one?

# %% [markdown] id="together-zh" lang="zh" en="5b187c23"
# ## 五种泄漏放在一根轴上
#
# 各个世界并不相同，所以每种泄漏都和它自己的真值比：带着泄漏的实验报告了真值的几倍？修复之后又是几倍？

# %% id="together-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7.5, 3.2))
for place, (leak, table) in enumerate(scores.items()):
    for name, color, marker, shift in (("reported", plots.VERMILION, "o", -0.12), ("mended", plots.BLUE, "s", 0.12)):
        times = bootstrap_interval(table[name] / table["truth"].mean(), level=LEVEL, draws=DRAWS)
        ax.plot([times.low, times.high], [place + shift] * 2, color=color, linewidth=2)
        ax.plot(times.mean, place + shift, marker, color=color, label=name if place == 0 else None)
ax.axvline(1, color="0.3", linestyle="--", linewidth=1)
ax.set(
    xscale="log", xlabel="NDCG@10 as a multiple of the truth (line: 99.9 % interval over 100 worlds)", ylim=(4.5, -0.5)
)
ax.set_xticks([1, 1.5, 2, 3, 5, 8], ["1", "1.5", "2", "3", "5", "8"])
ax.minorticks_off()
ax.set_yticks(range(5), scores)
ax.legend()
plt.show()

# %% [markdown] id="together-alt-en" lang="en" tags=["alt"]
# Dot chart with five rows, on a logarithmic axis of multiples of the truth. Reported: file order near 7.5, ties by number near 2.4, statistics on all events near 1.7, choice on test near 1.5, others' future near 1.6. All five mended marks sit on the dashed line at 1.

# %% [markdown] id="together-alt-zh" lang="zh" en="27b4617e" tags=["alt"]
# 五行的点图，横轴是真值的倍数，对数刻度。报告值：文件行序约 7.5，按编号排并列约 2.4，在全部事件上拟合统计量约 1.7，在测试集上选择约 1.5，别人的未来约 1.6。修复之后的五个标记都落在 1 处的虚线上。

# %% id="together-check"
for leak, times, tol in (
    ("file order", 7.5, 0.5),
    ("ties by number", 2.4, 0.15),
    ("statistics on all events", 1.7, 0.15),
    ("choice on test", 1.5, 0.15),
    ("others' future", 1.6, 0.15),
):
    table = scores[leak]
    expect(f"{leak}: reported over truth", table["reported"].mean() / table["truth"].mean(), times, tol=tol)
    expect(f"{leak}: mended over truth", table["mended"].mean() / table["truth"].mean(), 1.0, tol=0.1)

# %% [markdown] id="habits-en" lang="en"
# The sizes are those of our worlds; yours will be others. The checks carry over, and they are only three. Each takes minutes, and none needs to know the truth:
#
# | do this | what must stay the same | it catches |
# |---|---|---|
# | shuffle the rows of the file | the score (up to ties) | leak 1 |
# | give the items new numbers | the order of the rows, and so the score | leak 2 |
# | change the future | all that was fitted or chosen, to the last bit | leaks 3, 4 and 5 |

# %% [markdown] id="habits-zh" lang="zh" en="1ab46ebd"
# 这些倍数属于我们的世界，你的数据上会是别的数。检查的办法却可以照用，而且只有三项。每一项只要几分钟，都不需要知道真相：
#
# | 这样做 | 什么必须保持不变 | 能发现 |
# |---|---|---|
# | 打乱文件的行 | 除并列外，分数不变 | 泄漏一 |
# | 给物品换一套编号 | 行的次序不变，分数也就不变 | 泄漏二 |
# | 改动未来 | 拟合和选出的一切，一个比特都不差 | 泄漏三、四、五 |

# %% [markdown] id="yours-en" lang="en"
# ## On the data set of this lesson
#
# A leak that exists need not show. The sample has ties, but few. Let us look at what sorting the ties by number does there: the same Markov chain, the same users, and the interval of the difference over users, at 95 % since it is one question. With `TUTORIAL_DATASET=ml-100k`, where half of the steps are ties, the same cell judges real ratings.

# %% [markdown] id="yours-zh" lang="zh" en="274a56db"
# ## 在这一课的数据集上
#
# 泄漏存在，不等于一定看得出来。sample 里有并列，但很少。来看看在那里按编号排并列会怎样：同一个马尔可夫链，同一批用户，对用户求差值的区间；这里只问一次，取 95% 就好。设 `TUTORIAL_DATASET=ml-100k`，同一个单元格就会去评判真实评分，那里有一半的步是并列。

# %% id="yours-code" tags=["nbval-ignore-output"]
dataset = load_dataset(DATASET, users=USERS)
events, by_user = dataset.events, {}
seconds, _ = gaps(events)
for name, table in (("as they came", events), ("by number", events.sort_values(["user", "timestamp", "item"]))):
    again = make_dataset(dataset.name, table, has_times=dataset.has_times)
    part = make_split(again, "temporal" if again.has_times else "leave_last_out")
    ranks = evaluate(fitted("markov", part.train, part), part, "test")
    by_user[name] = per_user(ranks, ndcg(ranks))
moved = paired_bootstrap(by_user["by number"], by_user["as they came"], level=0.95)
print(f"{dataset.name}: {(seconds == 0).mean():.1%} of the steps are ties; by number minus as they came: {moved}")

# %% id="yours-check"
expect("share of the steps that are ties", (seconds == 0).mean(), 0.018, tol=0.002, when=ON_SAMPLE)
expect_true("the interval of the difference contains 0", not moved.excludes_zero, when=ON_SAMPLE)
expect_true("and both its ends are below 0.005", max(-moved.low, moved.high) < 0.005, when=ON_SAMPLE)

# %% [markdown] id="yours-why-en" lang="en"
# Nothing to see on the sample, with 1.8 % of ties. That is a measurement, not a permission. On data with many ties the score can also **fall**: the largest number of a tie then becomes the test event, and large numbers are often rare items. Up or down, it is no longer the score of the model.

# %% [markdown] id="yours-why-zh" lang="zh" en="e06411c0"
# 在只有 1.8% 并列的 sample 上什么也看不出来。这只是一次测量的结果，并不表示可以这样做。在并列很多的数据上，分数也可能**下降**：这时测试事件成了并列里编号最大的那个，而大编号往往是冷门物品。无论升降，它都不再是模型的分数。

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **3.1 Implement · basic.** A table may reach you sorted by number already, and no program tells you so. But it can be seen. Write `ascending_ties(events)`: among the neighbouring rows of the same user with the same timestamp, the share whose item number goes up. A fair table gives about one half, a sorted one gives 1.

# %% [markdown] id="exercise1-zh" lang="zh" en="b916b96b" tags=["exercise"]
# ## 练习
#
# **3.1 实现 · 基础。** 一张表到你手里时，可能已经按编号排过了，没有哪个程序会告诉你。但这是看得出来的。写出 `ascending_ties(events)`：在同一用户、同一时间戳的相邻两行里，物品编号上升的占多大比例。公平的表约为一半，排过序的表为 1。


# %% id="exercise1-code" tags=["exercise"]
def ascending_ties(events):
    """events: user, item, timestamp, sorted by user and time -> share between 0 and 1."""
    ...


lesson03.check_ascending_ties(ascending_ties)


# %% id="exercise1-solution" tags=["solution"]
# Solution

def ascending_ties(events):
    same_user, same_time = np.diff(events["user"]) == 0, np.diff(events["timestamp"]) == 0
    return (np.diff(events["item"])[same_user & same_time] > 0).mean()


lesson03.check_ascending_ties(ascending_ties)
arrival = shelf_world(seed=0)
by_number = arrival.sort_values(["user", "timestamp", "item"])
expect("rows as they came", ascending_ties(arrival), 0.5, tol=0.02)
expect("ties by number", ascending_ties(by_number), 1.0, tol=0.001)
expect("the sample", ascending_ties(load_dataset("sample").events), 0.5, tol=0.03)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **3.2 Modify · basic.** Many scripts keep only the items with at least five events, and count them in the whole file. Write the honest filter: from a split, the items with at least `least` events in the **training part**, as bool [num_items + 1]. Place 0, the padding, is never kept.

# %% [markdown] id="exercise2-zh" lang="zh" en="15cfbcc3" tags=["exercise"]
# **3.2 修改 · 基础。** 许多脚本只保留至少有五个事件的物品，却在整个文件里计数。写出不泄漏的过滤器：给定一个切分，返回**训练集**里至少有 `least` 个事件的物品，bool [num_items + 1]。位置 0 是填充，永远不保留。


# %% id="exercise2-code" tags=["exercise"]
def frequent_items(split, least):
    """bool [num_items + 1]: True for the items to keep."""
    ...


lesson03.check_frequent_items(frequent_items)


# %% id="exercise2-solution" tags=["solution"]
# Solution

def frequent_items(split, least):
    counts = np.bincount(split.train["item"], minlength=split.dataset.num_items + 1)
    return counts >= max(least, 1)  # the padding never occurs, so its count is 0


lesson03.check_frequent_items(frequent_items)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **3.3 Measure · core.** Six sealed statistics, `lesson03.sealed["A"]` to `["F"]`. Each takes a `Split` and returns an array. Which of them read the test part? Use `change_the_future` on a temporal split of the trend world, `kinds["temporal"]`, with its `cut_test`. (`np.array_equal` compares two arrays.)

# %% [markdown] id="exercise3-zh" lang="zh" en="6b72c6c0" tags=["exercise"]
# **3.3 测量 · 进阶。** 有六个预先做好的统计量，`lesson03.sealed["A"]` 到 `["F"]`。每个都接收一个 `Split`，返回一个数组。其中哪些读了测试集？请在流行世界的时间切分 `kinds["temporal"]` 上，用它的 `cut_test` 调用 `change_the_future`。（`np.array_equal` 比较两个数组。）

# %% id="exercise3-code" tags=["exercise"]
reads_the_test = ...  # a set of letters

lesson03.check_reads_the_test(reads_the_test)

# %% id="exercise3-solution" tags=["solution"]
# Solution

by_time = kinds["temporal"]
changed = change_the_future(by_time, by_time.cut_test)
reads_the_test = {
    name for name, statistic in lesson03.sealed.items() if not np.array_equal(statistic(by_time), statistic(changed))
}

lesson03.check_reads_the_test(reads_the_test)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **3.4 Measure · stretch.** How many test users does a search need? Write `users_needed(settings, sigma, limit)`: the smallest number of users at which the best of so many useless, independent settings exceeds the truth by at most `limit` on average. `sigma` is the standard deviation of the metric between users; `expected_maximum` is above.

# %% [markdown] id="exercise4-zh" lang="zh" en="84110928" tags=["exercise"]
# **3.4 测量 · 挑战。** 一次搜索需要多少测试用户？写出 `users_needed(settings, sigma, limit)`：在这么多种毫无用处、相互独立的设置里挑最好的，要让它平均最多比真值高出 `limit`，最少需要多少位用户。`sigma` 是指标在用户之间的标准差；`expected_maximum` 在上面。


# %% id="exercise4-code" tags=["exercise"]
def users_needed(settings, sigma, limit):
    """A whole number of users."""
    ...


lesson03.check_users_needed(users_needed)


# %% id="exercise4-solution" tags=["solution"]
# Solution

def users_needed(settings, sigma, limit):
    # sigma / sqrt(n) * c_m <= limit, solved for n
    return int(np.ceil((expected_maximum(settings) * sigma / limit) ** 2))


lesson03.check_users_needed(users_needed)
print("24 useless settings, a gain of at most 0.001 on dice:", users_needed(24, 0.11, 0.001), "test users")

# %% [markdown] id="exercise5-en" lang="en" tags=["exercise"]
# **3.5 Think · core.** Which of these let the test part into the reported number? Give a set of letters.
#
# - A: training is stopped at the epoch with the best test score
# - B: the history of a test event contains the validation event of the same user
# - C: the settings are chosen on validation; then the model is trained again on training and validation part together, and tested once
# - D: users with fewer than five events are dropped, and the test event counts as one of the five
# - E: five seeds are fixed beforehand, and the mean of their five test scores is reported
# - F: ten seeds are run, and the five with the best test scores are reported

# %% [markdown] id="exercise5-zh" lang="zh" en="ca8e7df2" tags=["exercise"]
# **3.5 思考 · 进阶。** 下面哪些做法让测试集混进了报告的数字？用字母的集合作答。
#
# - A：在测试得分最高的那一轮停止训练
# - B：测试事件的历史里，包含同一用户的验证事件
# - C：在验证集上选好设置，再用训练集和验证集合起来重新训练，然后只测试一次
# - D：去掉不足五个事件的用户，而测试事件也算在这五个里面
# - E：事先定好五个种子，报告五个测试得分的平均值
# - F：跑十个种子，报告测试得分最好的五个

# %% id="exercise5-code" tags=["exercise"]
lets_the_test_in = ...

lesson03.check_lets_the_test_in(lets_the_test_in)

# %% id="exercise5-solution" tags=["solution"]
# Solution

# A and F choose by test scores. D decides by the test part who is tested at all: somebody who came four times and never
# again is dropped, somebody who came back is kept. (The library's own limit of three events does the same on a small
# scale. It counts for all models alike; a report should say so.) B is what the site knows at that moment. C and E open
# the test part once.
lets_the_test_in = {"A", "D", "F"}

lesson03.check_lets_the_test_in(lets_the_test_in)

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** Find a sixth leak, or one in code that you have: candidates taken from the items of the test part, negatives that are never the test item, a user's sex guessed from all of his events, a duplicate review in training and test. Build the smallest world in which it shows, with a known truth, and measure it with `measure` and `judge`. Then write the check that would find it **without** knowing the truth, and try it on the mended version too. A good report has reported, mended and truth with their intervals, the check and what it misses, one picture, and a doubt whether your world is fair to the leak.

# %% [markdown] id="open-zh" lang="zh" en="27771c7e" tags=["open"]
# **开放任务。** 找出第六种泄漏，或者你自己代码里的一种。例如：候选物品取自测试集；负样本（negative sample）从不包含测试物品；用一个用户的全部事件推断其性别；同一条评论既在训练集又在测试集。造一个真值已知、能显出这种泄漏的最小世界，用 `measure` 和 `judge` 测量它。然后写出一项**不用**知道真值就能发现它的检查，并在修正后的版本上也试一遍。一份好的报告包括带区间的报告值、修复值和真值，这项检查以及它发现不了什么，一张图，最后写出一个疑问：你的世界对这种泄漏是否公平？

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "reported_value": ...,  # mean, low, high
    "mended_value": ...,  # the same
    "true_value": ...,  # the same
    "finds_leak": ...,  # does your check sound on the leaking version? True or False
    "finds_mended": ...,  # and on the mended one?
    "misses": ...,  # what the check cannot find
    "picture": ...,  # the figure, with a label on each axis
    "doubt": ...,  # what you doubt, in a sentence or two
}
lesson03.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## Ida's dice, answered
#
# It was `ORDER BY user, item`, together with two columns that were kept and a third that was not. Seven times chance came from the order in which a database had stored her dice. You could have told her without knowing that they were dice: shuffle the rows, and the number is gone.
#
# Keep the dice, too. Before you trust a new experiment, run it once on data in which there is nothing to find. If it finds something, you have learned about the experiment.

# %% [markdown] id="answer-zh" lang="zh" en="5ce36dec"
# ## 回答开头的问题
#
# 错误出在 `ORDER BY user, item`，再加上留下了两列、丢掉了第三列。七倍于随机水平的分数，来自数据库存放这些骰子的顺序。即使不知道那是骰子，你也能告诉她：把行打乱，这个数字就没了。
#
# 骰子的世界也请留着。相信一个新实验之前，先让它在没有任何规律的数据上跑一遍。如果它真找到了什么，那说明的是这个实验本身有问题。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. A leak is a path from the answer to the number; no error is raised, and on dice it can report seven times chance.
# 2. Sort by user and time, keep ties as they came (or shuffle them with a seed), never let an item number decide.
# 3. Whatever is fitted gets the training part and nothing else; whatever is chosen is chosen on validation.
# 4. The best of $m$ useless settings gains $c_m \sigma / \sqrt n$ on the test part; the temporal split keeps out what leave-one-out lets in.
# 5. Shuffle the rows, rename the items, change the future: three checks catch all five leaks without knowing the truth.

# %% [markdown] id="summary-zh" lang="zh" en="b67b5115" tags=["summary"]
# ## 小结
#
# 1. 泄漏就是从答案通向分数的一条路径；它不报错，在骰子上就能报出随机水平的七倍。
# 2. 按用户和时间排序，并列的保持原样（或用固定种子打乱），绝不让物品编号来决定。
# 3. 要拟合的，只给它训练集；要选择的，只在验证集上选。
# 4. 从 $m$ 种毫无用处的设置里挑最好的，在测试集上平均虚高 $c_m \sigma / \sqrt n$；留一法会用到的未来信息，时间切分用不到。
# 5. 打乱行、换编号、改动未来：这三项检查不用知道真相，就能发现全部五种泄漏。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> On a dice world with timestamps a score is seven times chance. You shuffle the rows of the file and sort again by time: the score stays. Which leak is ruled out, and what do you try next?</summary>
#
# The order of the file. Give the items new numbers and compare the rows (ties), then change the future and see whether anything fitted or chosen moves (statistics, choice, other users' future).
#
# </details>
#
# <details><summary><b>2.</b> To be safe, a script sorts ties by a random number that was drawn once for each **item**. Is the leak gone? And with one drawn for each **row**?</summary>
#
# Not with one for each item: any fixed order of the items repeats in every tie and is learned. With one for each row there is no common order; that is the seeded shuffle.
#
# </details>
#
# <details><summary><b>3.</b> `change_the_future` draws new items after the cut. A colleague shuffles the items after the cut among themselves instead. Which leak slips through?</summary>
#
# A statistic that only counts: popularity over all events is the same after a shuffle, so it does not move although it read the test part.
#
# </details>
#
# <details><summary><b>4.</b> Each user's gaps are divided by the shortest gap of that user's whole history. In your split the check with `change_the_future` moves nothing. Are you safe?</summary>
#
# No. The change makes later steps longer, so only a shortest gap that lies after the cut moves. If nobody has one, the code reads the future and the check is silent. Change the future in another way too, with shorter steps.
#
# </details>
#
# <details><summary><b>5.</b> The integral $c_m$ is $1/\sqrt\pi$ for two settings and 1.95 for 24. By what factor does the gain of trying grow, and how many more test users bring it back?</summary>
#
# $1.95 \sqrt\pi$, about three and a half. The gain falls with $\sqrt n$, so it takes about 12 times as many users.
#
# </details>
#
# <details><summary><b>6.</b> You choose among 100 settings on a validation part of 300 users and report the **validation** score of the winner. Is it honest now, since the test part stayed closed?</summary>
#
# No. The same curse applies to the part on which you choose. Open the test part once, for the chosen setting, and report that score.
#
# </details>
#
# <details><summary><b>7.</b> In some world nothing ever changes: no fashion, no new items. Does leave-one-out still help the reported score against a model that may only look back?</summary>
#
# A little: later events follow the same law, so they tell nothing special of the test day, but there are more of them to count. The large part of leak 5 came from hits that were not out yet.
#
# </details>
#
# <details><summary><b>8.</b> In leak 5 the score fell from 0.047 (only the past) to 0.038 (truth). How would you show that this is the age of the model?</summary>
#
# Group the questions after the cut by the days since the cut. If age is the cause, the score is near that of the fresh model on the first days and falls later; training anew more often lifts it.
#
# </details>
#
# <details><summary><b>9.</b> An item filter keeps items with at least five events, counted before the split. Why can this lift the score of **every** model?</summary>
#
# Items that are chosen in the test period stay because of these very choices, and others go. The list of candidates becomes shorter and holds more of the answers.
#
# </details>
#
# <details><summary><b>10.</b> You give the items new numbers, and the NDCG of your neural network moves a little. Is there a leak?</summary>
#
# Not necessarily: its random first weights belong to the numbers. Compare the tables instead: sort, then rename, and rename, then sort, must give the same rows. Or compare several seeds with and without new numbers.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="6f2a2af0" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 在带时间戳的骰子世界里，分数是随机水平的七倍。你打乱文件的行，再按时间排序，分数不变。排除了哪种泄漏？接下来试什么？</summary>
#
# 排除了文件的行序。接着给物品换一套编号，比较各行（并列）；再改动未来，看拟合或选出的结果有没有变（统计量、选择、别的用户的未来）。
#
# </details>
#
# <details><summary><b>2.</b> 为了保险，某个脚本给每个**物品**抽一个随机数，按它给并列排序。泄漏没有了吗？如果是给每一**行**抽一个呢？</summary>
#
# 给每个物品抽一个不行：物品的任何固定次序都会在每处并列里重复，因而能被学到。给每一行抽一个就没有共同的次序，这正是用种子打乱。
#
# </details>
#
# <details><summary><b>3.</b> `change_the_future` 在切分点之后重新抽取物品。一位同事改成把切分点之后的物品相互打乱。哪种泄漏会漏掉？</summary>
#
# 只计数的统计量：打乱之后，全部事件上的热度（popularity）不变，所以它虽然读了测试集，却看不出变化。
#
# </details>
#
# <details><summary><b>4.</b> 把每个用户的间隔，除以该用户整段历史里最短的间隔。在你的切分上用 `change_the_future` 检查，什么也没变。可以放心了吗？</summary>
#
# 不能。这种改动让后面的步变长，所以只有最短间隔落在切分点之后时才会变。如果没有人是这样，代码虽然读了未来，检查也发现不了。还要用别的方式改动未来，例如把步缩短。
#
# </details>
#
# <details><summary><b>5.</b> 积分 $c_m$ 在两种设置时是 $1/\sqrt\pi$，在 24 种时是 1.95。多试带来的虚高变为几倍？要多少倍的测试用户才能抵消？</summary>
#
# $1.95 \sqrt\pi$，约三倍半。虚高随 $\sqrt n$ 下降，所以大约需要 12 倍的用户。
#
# </details>
#
# <details><summary><b>6.</b> 你在 300 位用户的验证集上从 100 种设置里选出最好的，并报告它的**验证集**得分。测试集没有打开过，这样可靠吗？</summary>
#
# 不可靠。在哪一部分上选择，那一部分的得分就会受赢家诅咒影响。应当只对选定的设置打开一次测试集，报告那个得分。
#
# </details>
#
# <details><summary><b>7.</b> 在某个世界里，一切从不改变，没有流行，也没有新物品。与只能看过去的模型相比，留一法还会让报告的分数变高吗？</summary>
#
# 会高一点：后来的事件服从同样的规律，并不透露测试那天的特别信息，但可数的事件更多。泄漏五的主要部分来自当时还没有上架的爆款。
#
# </details>
#
# <details><summary><b>8.</b> 在泄漏五里，分数从 0.047（只用过去）降到 0.038（真值）。怎样说明这是因为模型过时？</summary>
#
# 把切分点之后的问题按距切分点的天数分组。如果原因是过时，那么头几天的得分会接近新训练的模型，之后逐渐下降；更频繁地重新训练则会使它回升。
#
# </details>
#
# <details><summary><b>9.</b> 物品过滤保留至少有五个事件的物品，在切分之前计数。为什么这会抬高**每一个**模型的分数？</summary>
#
# 在测试期间被选中的物品，正因为这些选择而留了下来，别的物品则被去掉。候选变少了，其中答案所占的比例变高了。
#
# </details>
#
# <details><summary><b>10.</b> 你给物品换了一套编号，神经网络的 NDCG 变了一点。有泄漏吗？</summary>
#
# 不一定：它随机的初始权重（weight）与编号挂钩。改为比较表格：先排序再换编号，与先换编号再排序，得到的行必须一样。也可以用几个种子，比较换与不换编号的结果。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - Y. Ji, A. Sun, J. Zhang, C. Li, *A Critical Study on Data Leakage in Recommender System Offline Evaluation*, ACM TOIS 41 (3), 2023: other users' future in leave-one-out. [arXiv 2010.11060](https://arxiv.org/abs/2010.11060)
# - File order in practice: [TiSASRec.pytorch, issue 9](https://github.com/pmixer/TiSASRec.pytorch/issues/9). Ties by item number: [LRURec, issue 1](https://github.com/yueqirex/LRURec/issues/1).
# - G. C. Cawley, N. L. C. Talbot, *On Over-fitting in Model Selection and Subsequent Selection Bias in Performance Evaluation*, JMLR 11, 2010: section 5.
# - S. Kapoor, A. Narayanan, *Leakage and the reproducibility crisis in machine-learning-based science*, Patterns 4 (9), 2023: a taxonomy of leaks in 17 fields. <!-- literature -->
# - In this repository: `tutorial_lib/data/events.py`, `tutorial_lib/data/splits.py`, `tutorial_lib/train.py`, `tests/data/test_splits.py`.

# %% [markdown] id="references-zh" lang="zh" en="65151730" tags=["references"]
# ## 参考文献
#
# - Y. Ji、A. Sun、J. Zhang、C. Li，*A Critical Study on Data Leakage in Recommender System Offline Evaluation*，ACM TOIS 41 (3)，2023：留一法里别的用户的未来。[arXiv 2010.11060](https://arxiv.org/abs/2010.11060)
# - 现实中的文件行序：[TiSASRec.pytorch，issue 9](https://github.com/pmixer/TiSASRec.pytorch/issues/9)。按物品编号排并列：[LRURec，issue 1](https://github.com/yueqirex/LRURec/issues/1)。
# - G. C. Cawley、N. L. C. Talbot，*On Over-fitting in Model Selection and Subsequent Selection Bias in Performance Evaluation*，JMLR 11，2010：第 5 节。
# - S. Kapoor、A. Narayanan，*Leakage and the reproducibility crisis in machine-learning-based science*，Patterns 4 (9)，2023：17 个领域里的泄漏分类。<!-- literature -->
# - 本仓库：`tutorial_lib/data/events.py`，`tutorial_lib/data/splits.py`，`tutorial_lib/train.py`，`tests/data/test_splits.py`。
