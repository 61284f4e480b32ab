# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="puzzle-en" lang="en"
# In lesson 17 Ida's recommender learned what to do when she comes back after a month: quartets, not jazz. Offline, on the test events, it works. Now a colleague puts the model behind an address on the web. Every request is answered in three milliseconds, no request fails, the machine is half idle. And Ida, back from her month away, is offered jazz.
#
# Nothing crashed, so nobody was called. Two questions follow, and this lesson is about both. **How** does one answer many people within milliseconds, from a model that took minutes to train? And **how would you notice** that the answers are wrong, when every light is green?

# %% [markdown] id="puzzle-zh" lang="zh" en="a79c941a"
# 在第 17 课里，小艾的推荐模型学会了一件事：她离开一个月再回来时，应当推荐四重奏，而不是爵士。在离线的测试事件上，它做到了。现在，一位同事把模型部署到了网上：每个请求都在三毫秒内得到回答，没有一个失败，机器还有一半空闲。可是小艾离开一个月后回来，看到的却是爵士。
#
# 没有任何程序崩溃，因此也没有人收到告警。由此引出两个问题，正是这一课的内容。训练花了几分钟的模型，**怎样**在几毫秒内回答许多人？当所有指标都显示正常时，**怎样发现**回答是错的？

# %% [markdown] id="objectives-en" lang="en" tags=["objectives"]
# ## What you will be able to do
#
# - compute the latency of requests in a queue, and say why the tail counts and the mean does not;
# - replace a pass over the whole window by one step of a kept state, and prove that both give the same;
# - choose a batch size, an index and a form of state from a few measured numbers;
# - start a service, put load on it without flattering it, and read its answers;
# - find a gap between training and serving from outside, mend it, and say what to watch so that it is found by itself.

# %% [markdown] id="objectives-zh" lang="zh" en="3079bb11" tags=["objectives"]
# ## 学完这一课，你能够
#
# - 计算排队请求的延迟，并说明为什么要看尾部而不是均值；
# - 用保存的状态走一步，代替对整个窗口的重新计算，并证明两者结果相同；
# - 根据几个测量值选择批的大小、索引和状态的形式；
# - 启动一个服务，给它施加负载而不美化结果，并读懂它的回答；
# - 从外部发现训练与服务之间的差异，修好它，并说明应当监控什么，才能让它自己暴露出来。

# %% id="setup"
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tutorial_lib import plots
from tutorial_lib.checks import expect, expect_between, expect_close, expect_true, settings, show_matrix
from tutorial_lib.data.sequences import evaluation_batches
from exercises import lesson21
from tutorial_lib.experiments.results import FACTS
from tutorial_lib.experiments.runs import Run, load_model, load_split
from tutorial_lib.experiments.training import execute
from tutorial_lib.models import build_model
from tutorial_lib.statistics import paired_bootstrap
from tutorial_lib.train import TrainConfig

torch.manual_seed(0)
plots.use_style()

# %% [markdown] id="parameters-en" lang="en"
# One small DeepM3 is trained here and then served. The next cell names its data.

# %% [markdown] id="parameters-zh" lang="zh" en="ca36499c"
# 这一课会训练一个小的 DeepM3，然后部署它。用什么数据由下一个单元格决定。

# %% id="parameters-code" tags=["parameters", "training"]
DATASET, USERS = settings(dataset="sample", users=2000)
ON_SAMPLE = DATASET == "sample" and USERS == 2000  # the numbers in the text are checked only there

# %% [markdown] id="queue-en" lang="en"
# ## A queue of six
#
# The **latency** of a request is the time from asking to answer. Take a service that answers one request at a time. Six requests come, one every 10 ms. Each takes 4 ms, only the third takes 40 ms: the machine was doing something else for a moment.

# %% [markdown] id="queue-zh" lang="zh" en="17eea9d6"
# ## 六个请求的队列
#
# 一个请求的**延迟**（latency）是从提问到得到回答的时间。设想一个服务，一次只回答一个请求。来了六个请求，每 10 ms 一个。每个处理 4 ms，只有第三个用了 40 ms，因为机器恰好在忙别的事情。

# %% [markdown] id="predict-queue-en" lang="en" tags=["predict"]
# **Predict before you run.** One request in six is slow to answer. How many of the six have a latency above 20 ms?

# %% [markdown] id="predict-queue-zh" lang="zh" en="b58b10ff" tags=["predict"]
# **先猜，再运行。** 六个请求中只有一个处理得慢。有几个请求的延迟超过 20 ms？


# %% id="queue-code"
def queue(due, took):
    """When each request is answered: it begins when it is due or when the one before it is done. All [N], in ms."""
    done, free = [], -np.inf
    for moment, work in zip(due, took, strict=True):
        free = max(moment, free) + work
        done.append(free)
    return np.array(done)


due, took = np.arange(6) * 10.0, np.array([4.0, 4, 40, 4, 4, 4])
done = queue(due, took)
latency = done - due
show_matrix(np.stack([due, took, done, latency]), ["due", "work", "answered", "latency"], range(1, 7), digits=0)

# %% id="queue-check"
expect("requests above 20 ms", (latency > 20).sum(), 4, tol=0.1)
expect("mean work in ms", took.mean(), 10, tol=0.1)
expect("mean latency in ms", latency.mean(), 22, tol=0.1)

# %% [markdown] id="queue-why-en" lang="en"
# Four of six. The slow one delays all that come behind it, until the queue is empty again. The service itself worked for 10 ms on average; those who asked waited for 22.
#
# That is why one speaks of **percentiles**: p50 is the latency that half of the requests stay below, p99 the one that 99 of 100 stay below. The mean hides the tail, and the tail is met more often than it seems: a page that needs 20 answers waits for the slowest of them.

# %% [markdown] id="queue-why-zh" lang="zh" en="bb352eaa"
# 六个里有四个。慢的那个会拖累排在它后面的所有请求，直到队列清空。服务本身平均只工作 10 ms，提问的人平均却等了 22 ms。
#
# 因此人们用**百分位数**（percentile）来描述延迟：p50 表示一半的请求低于它，p99 表示 100 个请求中有 99 个低于它。均值掩盖了尾部，而尾部出现得比看上去更频繁：一个页面如果需要 20 个回答，就要等其中最慢的那个。

# %% id="fan-out"
slow_pages = 1 - 0.99**20
expect("pages of 20 answers that meet one beyond p99", slow_pages, 0.18, tol=0.005)

# %% [markdown] id="load-en" lang="en"
# About 18% of such pages meet at least one answer from the slowest hundredth. Now more load. Let requests come at random, $\lambda$ a millisecond on average, and let the work be random too, with mean $1/\mu$. The share of time that the service is busy is $\rho = \lambda / \mu$. If both are exponentially distributed, theory knows every percentile: the latency is exponential with rate $\mu - \lambda$, so
#
# $$\text{p}q = \frac{-\ln(1 - q)}{\mu - \lambda} .$$
#
# A loop over a million requests would be slow in Python. But the queue is a running maximum: with $S_i$ the work of the first $i$ requests, request $i$ is answered at $S_i + \max_{j \le i} (\text{due}_j - S_{j-1})$.

# %% [markdown] id="load-zh" lang="zh" en="ca64c328"
# 这样的页面约有 18% 会碰到至少一个属于最慢百分之一的回答。现在加大负载。设请求随机到达，平均每毫秒 $\lambda$ 个；处理时间也是随机的，均值为 $1/\mu$。服务忙碌的时间占比为 $\rho = \lambda / \mu$。如果两者都服从指数分布，理论就能给出每一个百分位数：延迟服从速率为 $\mu - \lambda$ 的指数分布，因此
#
# $$\text{p}q = \frac{-\ln(1 - q)}{\mu - \lambda} .$$
#
# 用 Python 循环一百万个请求会很慢。不过队列其实是一个累计最大值：设 $S_i$ 为前 $i$ 个请求的总处理时间，则第 $i$ 个请求在 $S_i + \max_{j \le i} (\text{due}_j - S_{j-1})$ 时得到回答。

# %% [markdown] id="predict-load-en" lang="en" tags=["predict"]
# **Predict.** The work takes 4 ms on average. Load rises from half busy, $\rho = 0.5$, to $\rho = 0.9$: not even twice the requests. By which factor does p99 grow?

# %% [markdown] id="predict-load-zh" lang="zh" en="d2f72eb0" tags=["predict"]
# **猜一猜。** 处理时间平均 4 ms。负载从一半忙碌 $\rho = 0.5$ 升到 $\rho = 0.9$，请求数还不到原来的两倍。p99 会变成原来的几倍？


# %% id="load-code" tags=["reference-check"]
def queue_at_once(due, took):
    total = np.cumsum(took)
    return total + np.maximum.accumulate(due - (total - took))


expect_close("a running maximum is the same queue", queue_at_once(due, took), done, tol=1e-9)
rng = np.random.default_rng(0)
percentiles, loads = {}, [0.1, 0.3, 0.5, 0.7, 0.8, 0.9]
for rho in loads:
    random_due = np.cumsum(rng.exponential(4 / rho, 1_000_000))
    waits = queue_at_once(random_due, rng.exponential(4, 1_000_000)) - random_due
    percentiles[rho] = np.percentile(waits, [50, 99])
theory = {rho: -np.log(1 - np.array([0.5, 0.99])) * 4 / (1 - rho) for rho in loads}
show_matrix([theory[rho] for rho in loads], [f"busy {rho:.0%}" for rho in loads], ["p50 ms", "p99 ms"], digits=0)

# %% id="load-check" tags=["reference-check"]
for rho in (0.5, 0.9):
    expect_close(f"simulated p50 and p99 over the formula's, busy {rho:.0%}", percentiles[rho] / theory[rho], [1, 1], tol=0.05)
expect("p99 at 90% over p99 at 50%", theory[0.9][1] / theory[0.5][1], 5, tol=0.01)

# %% id="load-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7, 3.2))
busy = np.linspace(0.05, 0.92, 100)
for place, (label, share) in enumerate({"p50": 0.5, "p99": 0.99}.items()):
    color = plots.PALETTE[place]
    ax.plot(busy, -np.log(1 - share) * 4 / (1 - busy), color=color, label=f"{label}, formula")
    ax.plot(loads, [percentiles[rho][place] for rho in loads], "os"[place], color=color, label=f"{label}, simulated")
ax.set(xlabel="share of time that the service is busy", ylabel="latency (ms)")
ax.legend()
plt.show()

# %% [markdown] id="load-alt-en" lang="en" tags=["alt"]
# Latency in milliseconds over the share of time that the service is busy. The line of p50 stays below 30. The line of p99 begins near 20, reaches about 37 at one half, and then bends steeply upwards to above 180 at nine tenths. The simulated points lie on the lines.

# %% [markdown] id="load-alt-zh" lang="zh" en="5651c54c" tags=["alt"]
# 纵轴是延迟（毫秒），横轴是服务忙碌的时间占比。p50 的曲线一直低于 30。p99 的曲线从 20 左右开始，在一半处约为 37，然后急剧上升，在九成处超过 180。模拟的点都落在曲线上。

# %% [markdown] id="load-why-en" lang="en"
# Five times as long. Waiting grows like $1 / (1 - \rho)$: the last tenth of a machine is the dearest. So there are two ways to a short tail: keep load low, or make the work of an answer **small and even**. The rest of the first half of this lesson is about the second way.

# %% [markdown] id="load-why-zh" lang="zh" en="d7e388d3"
# 是原来的五倍。等待时间按 $1 / (1 - \rho)$ 增长，因此机器最后那一成的能力代价最高。要让尾部变短有两条路：降低负载，或者让每个回答的工作量**既小又均匀**。这一课前半部分余下的内容讲的是第二条路。

# %% [markdown] id="closed-en" lang="en" tags=["break-it"]
# ## Break it, 1: a load test that flatters
#
# Here is how many load tests are written: a client sends a request, waits for the answer, writes down the time, sends the next. Let the service take 2 ms, and let it stand still once, for one second. In truth 100 people a second ask, whether or not others have been answered.
#
# **Predict** the p99 that this client reports, and the p99 of the people.

# %% [markdown] id="closed-zh" lang="zh" en="9673b107" tags=["break-it"]
# ## 破坏实验一：美化结果的压力测试
#
# 许多压力测试是这样写的：客户端发出一个请求，等到回答，记下用时，再发下一个。设服务每次用 2 ms，其中有一次停顿了一秒。而实际上每秒有 100 个人提问，不管别人是否已经得到回答。
#
# **猜一猜：** 这个客户端报告的 p99 是多少？这些人实际的 p99 是多少？

# %% id="closed-code" tags=["break-it"]
work = np.full(10_000, 2.0)  # ms
work[5_000] = 1000
reported = np.percentile(work, 99)  # the next request is sent only after the answer: nobody waits in line
people = np.arange(10_000) * 10.0  # one every 10 ms
suffered = np.percentile(queue(people, work) - people, 99)
print(f"p99 reported {reported:.0f} ms, p99 of the people {suffered:.0f} ms")

# %% id="closed-check" tags=["break-it"]
expect("p99 of the client that waits", reported, 2, tol=0.01)
expect("p99 of the people", suffered, 208, tol=10)
expect_true("mended: counted from when each request was due", suffered > 50 * reported)

# %% [markdown] id="closed-why-en" lang="en"
# 2 ms against about 208 ms. While the service stood still, the client stood still as well, and so it met the pause once instead of a hundred times. This is called **coordinated omission**. The cure is one line: decide beforehand when each request is **due**, and count from there. We do so below.

# %% [markdown] id="closed-why-zh" lang="zh" en="41d57c6f"
# 一个是 2 ms，另一个约为 208 ms。服务停顿时客户端也停了下来，因此它只碰到停顿一次，而不是一百次。这叫作**协同遗漏**（coordinated omission）。改法只有一行：事先定好每个请求**应当**在什么时候发出，并从那一刻开始计时。下面我们就这样做。

# %% [markdown] id="step-en" lang="en"
# ## One more event, or the window again?
#
# Ida has 50 events behind her, and one more arrives. A state that fades by half at every event and takes in half of the new one can be had in two ways. Three numbers are enough to see it.

# %% [markdown] id="step-zh" lang="zh" en="426f8e15"
# ## 只算一个新事件，还是重算整个窗口？
#
# 小艾已有 50 个事件，现在又来了一个。设有一个状态，每遇到一个事件就衰减一半，再加上新事件的一半。它有两种算法，用三个数就能看清楚。

# %% id="step-tiny"
values = torch.tensor([8.0, 4.0, 6.0])
again = sum(0.5 ** (len(values) - i) * x for i, x in enumerate(values))  # the window again: 3 products
state = torch.tensor(4.0)  # what was kept after the first two: 0.5 * (0.5 * 8) + 0.5 * 4
state = 0.5 * state + 0.5 * values[2]  # one more event: 2 products, however long the history
show_matrix(torch.stack([again, state])[:, None], ["the window again", "one step"], ["state"], digits=1)
expect_close("both are the same", state[None], again[None], tol=1e-6)

# %% [markdown] id="train-en" lang="en"
# DeepM3 is such a state, with a GRU in place of the halves and a flow in between. Train a small one, with the tools of lesson 18, and keep the run in a folder: the service will want it.

# %% [markdown] id="train-zh" lang="zh" en="76599dea"
# DeepM3 就是这样一个状态，只不过用 GRU 代替了“一半”，事件之间还有流。用第 18 课的工具训练一个小模型，并把这次运行保存在文件夹里，供后面的服务使用。

# %% id="train-code" tags=["training", "nbval-ignore-output"]
folder = tempfile.TemporaryDirectory()
run = Run(
    "deepm3",
    DATASET,
    users=USERS,
    dim=32,
    options={"flow": "attractor", "query_time": True, "dropout": 0.1},
    config=TrainConfig(epochs=8, batch_size=64, learning_rate=0.006, schedule="cosine"),
)
result = execute(run, folder.name, device="cpu", sampled=0)
split = load_split(run)
model = load_model(run, split, Path(folder.name)).eval()
dataset = split.dataset
print(f"{dataset.num_users} users, {dataset.num_items} items, NDCG@10 {result['ndcg@10']:.3f}")

# %% [markdown] id="stream-en" lang="en" tags=["library"]
# The library's `step` takes the state after the last event, the new item and its time; `read` moves it to the moment of the question.

# %% [markdown] id="stream-zh" lang="zh" en="6cad2f21" tags=["library"]
# 库里的 `step` 接收上一个事件之后的状态、新的物品和它的时间；`read` 把状态推进到查询时刻。

# %% id="stream-library" tags=["library"]
from torch import Tensor
from torch.nn import functional as F

from tutorial_lib.models.base import SequenceModel
from tutorial_lib.models.deepm3 import State, elapsed_hours, gru_update

# show: tutorial_lib.models.deepm3.DeepM3.step

# %% [markdown] id="predict-step-en" lang="en" tags=["predict"]
# **Predict.** One more event for 64 users with 50 events each: by which factor has the full pass more multiplications than one step? And will the two states agree exactly, to six digits, or to three?

# %% [markdown] id="predict-step-zh" lang="zh" en="e50f9daa" tags=["predict"]
# **猜一猜。** 64 位用户，每人 50 个事件，再来一个事件：完整计算的乘法次数是一步的多少倍？两种状态会完全相等，还是六位数字相同，还是三位？


# %% id="step-code"
def random_histories(size, length, seed=0):
    generator = torch.Generator().manual_seed(seed)
    items = torch.randint(1, dataset.num_items + 1, (size, length), generator=generator)
    gaps = (60 * 10 ** (4 * torch.rand(size, length, generator=generator))).long()
    times = 1_700_000_000 + gaps.cumsum(dim=1)
    return items, times, torch.cat([times[:, 1:], times[:, -1:] + 7200], dim=1)


@torch.no_grad()
def stream(model, items, times, upto):
    state = None
    for place in range(upto):
        state = model.step(state, items[:, place], times[:, place])
    return state


items, times, asked = random_histories(64, 50)
before = stream(model, items, times, 49)
with torch.no_grad(), FlopCounterMode(display=False) as whole:
    full = model(items, times, asked)[:, -1]
with torch.no_grad(), FlopCounterMode(display=False) as one:
    stepped = model.read(model.step(before, items[:, -1], times[:, -1]), asked[:, -1])
operations = whole.get_total_flops() / one.get_total_flops()
print(f"{operations:.1f} times as many multiplications")

# %% id="step-equal" tags=["reference-check"]
expect_close("one step gives what the full pass gives", stepped, full, tol=1e-5)
expect("multiplications, the window again over one step", operations, 46.7, tol=0.5)

# %% [markdown] id="step-time-en" lang="en"
# Nearly fifty times as many, and the same state to the rounding of single precision. For an attention model there is no such step: its last event looks at all the others, so it keeps the window and pays for it each time. Time is what counts, so measure that too: one more event for one user, with a history of 10 to 200 events.

# %% [markdown] id="step-time-zh" lang="zh" en="26b3c6f2"
# 将近五十倍，而且两种状态在单精度的舍入误差内相同。自注意力模型没有这样的一步：它的最后一个事件要看其余所有事件，因此只能保存窗口，每次都付出全部代价。真正要紧的是时间，所以也测一测：一位用户的历史有 10 到 200 个事件，再来一个事件。

# %% id="step-time-code" tags=["nbval-ignore-output"]
def seconds(function, repeats=15):
    """Median of some runs, after one that is not counted."""
    function()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


threads = torch.get_num_threads()
torch.set_num_threads(1)
attention = build_model("sasrec", num_items=dataset.num_items, max_len=200, dim=32).eval()
lengths, cost = [10, 25, 50, 100, 200], {"DeepM3, one step": [], "DeepM3, window": [], "SASRec, window": []}
with torch.no_grad():
    for length in lengths:
        items, times, asked = random_histories(1, length)
        kept = stream(model, items, times, length - 1)
        last = items[:, -1], times[:, -1]
        cost["DeepM3, one step"].append(seconds(lambda: model.read(model.step(kept, *last), asked[:, -1])))
        cost["DeepM3, window"].append(seconds(lambda: model(items, times, asked)))
        cost["SASRec, window"].append(seconds(lambda: attention(items)))

# %% id="step-picture" tags=["picture", "nbval-ignore-output"]
fig, ax = plt.subplots(figsize=(7, 3.2))
for place, (name, values) in enumerate(cost.items()):
    ax.plot(lengths, 1000 * np.array(values), plots.MARKERS[place] + "-", color=plots.PALETTE[place], label=name)
ax.set(xlabel="events in the history", ylabel="time for one more event (ms)", yscale="log")
ax.legend()
plt.show()

# %% [markdown] id="step-alt-en" lang="en" tags=["alt"]
# Time for one more event over the length of the history, on a logarithmic axis. One step of DeepM3 is a flat line at the bottom. DeepM3 over the whole window rises in proportion to the length and is far above it at 200 events. SASRec over the window lies in between and rises slowly, because short windows leave most of its time to fixed costs.

# %% [markdown] id="step-alt-zh" lang="zh" en="cfcc5cff" tags=["alt"]
# 横轴是历史长度，纵轴是再来一个事件所需的时间（对数刻度）。DeepM3 只走一步是底部的一条水平线。DeepM3 重算整个窗口与长度成正比，到 200 个事件时远高于前者。SASRec 重算窗口介于两者之间，上升缓慢，因为窗口较短时大部分时间是固定开销。

# %% id="step-time-check"
expect_true("at 200 events, the window again takes at least 5 times as long as one step", cost["DeepM3, window"][-1] > 5 * cost["DeepM3, one step"][-1])
expect_true("one step does not care about the history: at 200 events less than 3 times as long as at 10", cost["DeepM3, one step"][-1] < 3 * cost["DeepM3, one step"][0])

# %% [markdown] id="batch-en" lang="en"
# ## Batching: many at once
#
# An answer has a part that costs the same for one user and for a hundred (Python, calls into torch, reading the item table from memory), and a part for each user. On paper: 4 ms a batch and 0.1 ms each.

# %% [markdown] id="batch-zh" lang="zh" en="cb895f56"
# ## 批处理：一次回答许多人
#
# 一次回答的代价分两部分：一部分对一位用户和一百位用户都一样（Python、调用 torch、从内存读取物品表），另一部分按用户计。先在纸上算：每批 4 ms，每人 0.1 ms。

# %% id="batch-tiny"
sizes = np.array([1, 4, 16, 64, 256])
batch_ms = 4 + 0.1 * sizes
show_matrix(np.stack([batch_ms, batch_ms / sizes, 1000 * sizes / batch_ms]), ["ms a batch", "ms a user", "users a second"], sizes, digits=1)
expect("users a second, one by one", 1000 / 4.1, 244, tol=1)
expect("users a second, 64 at once", 1000 * 64 / 10.4, 6150, tol=10)

# %% [markdown] id="predict-batch-en" lang="en" tags=["predict"]
# **Predict.** From 244 users a second to about 6150 with 64 at once, on paper. Now the real model: read the state, score all items, take the best ten. By which factor is a user cheaper among 64 than alone: 2, 5, 20?

# %% [markdown] id="predict-batch-zh" lang="zh" en="ab572663" tags=["predict"]
# **猜一猜。** 在纸上，吞吐量从每秒 244 位用户升到 64 位一批时的约 6150 位。换成真实的模型：读取状态，为所有物品打分，取前十。64 位一起算时，每位用户的代价是单独计算的几分之一：2、5 还是 20？

# %% id="batch-code" tags=["nbval-ignore-output"]
items, times, asked = random_histories(256, 20)
kept = stream(model, items, times, 20)


@torch.no_grad()
def answer_together(size):
    part = State(kept.fast[:size], None if kept.slow is None else kept.slow[:size], kept.times[:size])
    return model.score(model.read(part, asked[:size, -1])).topk(10, dim=1)


per_batch = np.array([seconds(lambda size=size: answer_together(size)) for size in sizes.tolist()])
each, fixed = np.polyfit(sizes, 1000 * per_batch, 1)
print(f"about {fixed:.2f} ms a batch and {each:.4f} ms each")
cheaper = (per_batch / sizes)[0] / (per_batch / sizes)[3]
print(f"among 64 a user costs {1 / cheaper:.2f} of what he costs alone")

# %% id="batch-check"
expect_true("a user among 64 is at least 3 times cheaper than alone", cheaper > 3)

# %% [markdown] id="batch-why-en" lang="en"
# How does a service get a batch, if each person asks for herself? It takes **what has queued up** while it was busy with the last batch. With little load a request meets nobody and is answered at once; under load the batches grow by themselves, just when they are needed. No request waits on purpose. (Exercise 21.2 is about services that do.)

# %% [markdown] id="batch-why-zh" lang="zh" en="e4167089"
# 每个人都只为自己提问，服务从哪里得到一批请求呢？它取的是处理上一批时**已经排队的请求**。负载小时，一个请求前面没有别人，会立刻得到回答；负载大时，批自然变大，而且恰好是在需要的时候。没有任何请求需要特意等待。（练习 21.2 讨论的是特意等待的服务。）

# %% [markdown] id="search-en" lang="en"
# ## Exact search and approximate search
#
# A list is the ten largest of all inner products of one state with the item vectors. With 1,000 items that is nothing; with ten million it is the largest part of the work. An **index** looks at a part of the items only. The simplest: sort the items into cells by direction, and look only into the cells whose centre fits the state best. Six items in the plane, two cells, a query that points up and a little to the right:

# %% [markdown] id="search-zh" lang="zh" en="d160132d"
# ## 精确搜索与近似搜索
#
# 推荐列表就是一个状态与所有物品向量的内积（inner product）中最大的十个。物品只有 1,000 个时，这不算什么；有一千万个时，它就是最大的开销。**索引**（index）只看一部分物品。最简单的做法是按方向把物品分到若干个格子里，只搜索中心与状态最匹配的那些格子。下面是平面上的六个物品，两个格子，查询向量指向上方，略微偏右：

# %% id="search-tiny"
plane = np.array([[1.0, 0.1], [0.9, 0.5], [1.9, 1.5], [0.1, 1.0], [-0.2, 0.9], [-0.4, 1.2]])
cells = {"right": [0, 1, 2], "up": [3, 4, 5]}
middles = {name: plane[members].mean(axis=0) for name, members in cells.items()}
query = np.array([0.4, 0.9])
products = plane @ query
show_matrix(np.append(products, [middles[name] @ query for name in cells])[None], ["with the query"], [1, 2, 3, 4, 5, 6, *cells], digits=2)
best_cell = max(middles, key=lambda name: middles[name] @ query)
found = max(cells[best_cell], key=lambda item: products[item]) + 1
print(f"exact: item {products.argmax() + 1}; best cell: {best_cell}, best item in it: item {found}")

# %% [markdown] id="search-why-en" lang="en"
# The best item is the third, far out on the right, because a long vector has large inner products with everybody. The cell's centre is a mean of its three items, so the query still goes to the right cell here. That is luck: shorten the other two a little more and it would not. **Recall@10** says how much is lost: of the ten best of an exact search, the share that the index finds. Write the index and measure.

# %% [markdown] id="search-why-zh" lang="zh" en="541e3044"
# 最好的是第三个物品，它在右边很远的地方：向量长，与谁的内积都大。格子的中心是三个物品的均值，因此这里查询仍然选中了右边的格子。这是运气：如果另外两个再短一点，就不会选中了。**召回率 Recall@10** 衡量损失多少：精确搜索的前十个中，索引找到了几成。我们来写这个索引，再测一测。

# %% [markdown] id="predict-search-en" lang="en" tags=["predict"]
# **Predict.** The trained item vectors in 16 cells, the states of the test users as queries. Looking into two cells, four cells, all cells: what is the recall@10, and which share of the items was looked at?

# %% [markdown] id="predict-search-zh" lang="zh" en="12e43535" tags=["predict"]
# **猜一猜。** 把训练好的物品向量分到 16 个格子，用测试用户的状态作查询。只看两个格子、四个格子、全部格子：Recall@10 各是多少？看过的物品占几成？


# %% id="search-code" tags=["nbval-ignore-output"]
def make_cells(vectors, number, rounds=10, seed=0):
    """k-means on directions: (centres [C, d], cell of each item [V])."""
    directions = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    centres = directions[np.random.default_rng(seed).permutation(len(vectors))[:number]]
    for _ in range(rounds):
        cell = (directions @ centres.T).argmax(axis=1)
        sums = np.stack([directions[cell == one].sum(axis=0) + 1e-9 * centres[one] for one in range(number)])
        centres = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    return centres, cell


def search(states, vectors, centres, cell, probes, k=10):
    """The k best items of the `probes` best cells of each state: [B, k], and the share of items that was looked at."""
    chosen = (states @ centres.T).argsort(axis=1)[:, -probes:]  # [B, probes]
    open_items = np.zeros((len(states), len(centres)), bool)
    np.put_along_axis(open_items, chosen, True, axis=1)
    mask = open_items[:, cell]  # [B, V]
    return np.where(mask, states @ vectors.T, -np.inf).argsort(axis=1)[:, -k:], mask.mean()


@torch.no_grad()
def test_states(query_time=True):
    """States of the test users, asked at their next event or, without query time, right after the last one; targets."""
    batch, _ = next(evaluation_batches(split, "test", max_len=50, batch_size=len(split.test)))
    user, last = torch.arange(len(batch.items)), batch.lengths - 1
    asked = batch.query_times.clone()
    if not query_time:
        asked[user, last] = batch.times[user, last]
    return model(batch.items, batch.times, asked)[user, last], batch


vectors = model.item_vectors().detach().numpy()[1:]
states = test_states()[0].numpy()
exact = (states @ vectors.T).argsort(axis=1)[:, -10:]
centres, cell = make_cells(vectors, 16)
recall, looked_at = {}, {}
for probes in (1, 2, 4, 8, 16):
    found, looked_at[probes] = search(states, vectors, centres, cell, probes)
    recall[probes] = (found[:, :, None] == exact[:, None, :]).any(axis=2).mean()
show_matrix([list(recall.values()), list(looked_at.values())], ["recall@10", "share looked at"], [f"{n} cells" for n in recall], digits=2)

# %% id="search-check" tags=["reference-check"]
expect_true("all cells: the exact list", recall[16] == 1)
expect("recall@10 with two cells of 16", recall[2], 0.74, tol=0.12, when=ON_SAMPLE)
expect("recall@10 with four cells", recall[4], 0.97, tol=0.03, when=ON_SAMPLE)
expect("share of the items in two cells", looked_at[2], 0.12, tol=0.04, when=ON_SAMPLE)

# %% id="search-time" tags=["nbval-ignore-output"]
one_state = states[:1]
print(f"exact, one state against {len(vectors)} items: {1e6 * seconds(lambda: one_state @ vectors.T):.0f} µs")

# %% [markdown] id="search-more-en" lang="en"
# Two cells of 16 find about three quarters of the ten best, and hold about an eighth of the items; four cells find nearly all. The recall must be **measured**, and again after every training: with other lengths of vectors the same index may lose half.
#
# With 1,000 items exact search takes microseconds, and an index would only lose. So the service searches exactly as long as it can, and puts an index beside it where the catalogue is large, with its recall at `/metrics`.

# %% [markdown] id="search-more-zh" lang="zh" en="01474454"
# 16 个格子中只看两个，就能找到前十个中的约四分之三，而它们只含约八分之一的物品；看四个格子几乎能全部找到。召回率必须**测量**，而且每次训练后都要重测：向量长度一变，同一个索引就可能漏掉一半。
#
# 物品只有 1,000 个时，精确搜索只需几微秒，用索引只会带来损失。因此只要可能，服务就用精确搜索；物品很多时才在旁边加上索引，并在 `/metrics` 中给出它的召回率。

# %% [markdown] id="memory-en" lang="en"
# ## Memory per user
#
# What must be kept of Ida? Our DeepM3 keeps two states, the fast one and the slow one, 64 numbers of 4 bytes, and two whole numbers of 8 bytes, the time and the count. A model that looks back keeps the last 50 events, an item and a time of 8 bytes each. An attention model that wants to be fast keeps the keys and values of these events as well, here 2 blocks of width 32.

# %% [markdown] id="memory-zh" lang="zh" en="cc938cac"
# ## 每位用户占多少内存
#
# 关于小艾，必须保存什么？我们的 DeepM3 保存快慢两个状态：共 64 个数，每个 4 字节；还有时间和计数两个整数，每个 8 字节。需要回看历史的模型保存最近 50 个事件，每个事件的物品和时间各 8 字节。自注意力模型如果想快，还要保存这些事件的键和值，这里是 2 个块，宽度 32。

# %% [markdown] id="predict-memory-en" lang="en" tags=["predict"]
# **Predict.** For ten million users, in gigabytes: the state, the window, the keys and values.

# %% [markdown] id="predict-memory-zh" lang="zh" en="2ac78280" tags=["predict"]
# **猜一猜。** 一千万用户，以 GB 计：状态、窗口、键和值各要多少？

# %% id="memory-code"
kept_bytes = {
    "DeepM3: its states": 64 * 4 + 2 * 8,
    "window: 50 events": 50 * 2 * 8 + 8,
    "attention: keys and values": 50 * 2 * 2 * 32 * 4 + 50 * 2 * 8 + 8,
}
gigabytes = np.array(list(kept_bytes.values())) * 10_000_000 / 1e9
show_matrix(np.stack([list(kept_bytes.values()), gigabytes], axis=1), list(kept_bytes), ["bytes a user", "GB for ten million"], digits=1)

# %% id="memory-check" tags=["reference-check"]
from tutorial_lib.serving.states import states_of

small = build_model("sasrec", num_items=dataset.num_items, max_len=50, dim=32)
expect("the service's state of DeepM3, bytes", states_of(model).rows.bytes_per_user, kept_bytes["DeepM3: its states"], tol=0.5)
expect("the service's window of SASRec, bytes", states_of(small).rows.bytes_per_user, kept_bytes["window: 50 events"], tol=0.5)
expect("states of ten million users, GB", gigabytes[0], 2.7, tol=0.05)
expect("windows, GB", gigabytes[1], 8, tol=0.1)
expect("keys and values, GB", gigabytes[2], 264, tol=1)

# %% [markdown] id="memory-why-en" lang="en"
# 2.7 GB, about 8 GB, about 264 GB. The first two fit into one machine; the third is why language models are served as they are. Whatever is kept is a **cache**: the truth is the list of events on the disk, from which each state can be made again. A new model needs exactly that, since its states are other ones; and so does an event that arrives late, for a step cannot be put in between two others.

# %% [markdown] id="memory-why-zh" lang="zh" en="1bbb6d18"
# 分别是 2.7 GB、约 8 GB 和约 264 GB。前两种一台机器就装得下；第三种正是大语言模型需要专门的部署方式的原因。保存下来的一切都只是**缓存**（cache）：真正的数据是磁盘上的事件，每个状态都能由事件重新算出。换上新模型时恰恰需要这样做，因为它的状态不同；迟到的事件也是如此，因为一步无法插到另外两步之间。

# %% [markdown] id="states-en" lang="en" tags=["library"]
# Both kinds stand behind one interface, `add` and `read`; the service does not know which of them it holds. Here is the one for models that stream. `rows` are the users' places in a few large tensors, so that one call moves many users.

# %% [markdown] id="states-zh" lang="zh" en="641306f8" tags=["library"]
# 两种形式的接口相同，都是 `add` 和 `read`，服务并不知道自己拿到的是哪一种。下面是流式模型用的那一种。`rows` 是各用户在几个大张量中的位置，因此一次调用可以推进许多用户。

# %% id="states-library" tags=["library"]
from tutorial_lib.serving.states import Rows, Stream

# show: tutorial_lib.serving.states.StreamStates

# %% [markdown] id="export-en" lang="en"
# ## Export: a program without Python
#
# `torch.export` records what a model computes and returns a program that needs neither the class nor its file. It is fixed to what it has seen, unless you say what may vary.

# %% [markdown] id="export-zh" lang="zh" en="ac0d88fe"
# ## 导出：脱离 Python 的程序
#
# `torch.export` 记录模型的计算过程，返回一个既不需要类、也不需要源文件的程序。除非你说明哪些可以变化，否则它只适用于导出时见过的输入。

# %% id="export-code" tags=["reference-check"]
example = (torch.randint(1, 100, (2, 50)),)
people = torch.export.Dim("users", min=1, max=1024)
with torch.no_grad():
    fixed_program = torch.export.export(small.eval(), example)
    program = torch.export.export(small.eval(), example, dynamic_shapes=({0: people},))
    many = torch.randint(1, 100, (7, 50))
    expect_close("the program equals the model, for 7 users", program.module()(many), small(many), tol=1e-5)
    try:
        fixed_program.module()(many)
        refused = False
    except (RuntimeError, AssertionError):
        refused = True
expect_true("the one without a dynamic batch refuses 7 users, as it has seen 2", refused)

# %% [markdown] id="burnt-en" lang="en" tags=["break-it"]
# ## Break it, 2: the time that was burnt in
#
# A shape that does not fit is refused. A **Python number** is not: it becomes a constant of the program. Here is a read-out that lets a mood fade until now, and keeps *now* as an attribute of the model.
#
# **Predict** what the program says after a day, if it was exported at hour 0.

# %% [markdown] id="burnt-zh" lang="zh" en="3783765b" tags=["break-it"]
# ## 破坏实验二：固定在程序里的时间
#
# 形状不符会被拒绝，而 **Python 的数**不会：它会变成程序里的常数。下面的读出层让短期兴趣一直衰减到“现在”，而“现在”是模型的一个属性。
#
# **猜一猜：** 如果在第 0 小时导出，一天之后这个程序会给出什么？


# %% id="burnt-code" tags=["break-it"]
class Fading(nn.Module):
    now = 0.0  # hours, a Python number

    def forward(self, mood):
        return mood * 2 ** (-self.now / 24)


class FadingMended(nn.Module):
    def forward(self, mood, now):
        return mood * 2 ** (-now / 24)


fading, mood = Fading(), torch.tensor([1.0, 0.1])
burnt = torch.export.export(fading, (mood,)).module()
mended = torch.export.export(FadingMended(), (mood, torch.tensor(0.0))).module()
fading.now = 24.0
rows = torch.stack([fading(mood), burnt(mood), mended(mood, torch.tensor(24.0))])
show_matrix(rows, ["the model, a day later", "its program", "mended: now is an input"], ["jazz", "quartets"])

# %% id="burnt-check" tags=["break-it"]
expect_close("the program still says what held at hour 0", rows[1], mood, tol=1e-6)
expect_close("with the time as an input, program and model agree", rows[2], rows[0], tol=1e-6)

# %% [markdown] id="burnt-why-en" lang="en"
# Jazz at full strength, for ever. No error, right shapes, plausible numbers. Remember this picture; the next half of the lesson is about it. The rule: **whatever changes between two requests is an input**, the time above all.

# %% [markdown] id="burnt-why-zh" lang="zh" en="b26e97a9"
# 爵士永远保持最高的强度。没有报错，形状正确，数值也合理。请记住这个现象，这一课的后半部分讲的就是它。规则是：**凡是两次请求之间会变化的，都应当是输入**，首先就是时间。

# %% [markdown] id="service-en" lang="en"
# ## The service
#
# Now put the parts together. Before you read on, look for an answer in the drawing: at which places does time enter?
#
# ![The service of lesson 21. Step 1: an event arrives by POST /events with user, item and its own time. Step 2: it is written to the store on the disk. Step 3: it moves the kept state of its user by one step. Step 4: a question arrives by GET /recommend with user and at, the query time. Step 5: the state is read at that time. Step 6: the best ten items are searched. Time enters twice: with the event, and with the question. Step 7: the monitor sees events and lists. The list goes back to who asked.](../figures/en/service.svg)
#
# In **two** places: with each event, and with each question. The next cell starts the service on the run from above, in a process of its own. It ends when this kernel ends, even if that is killed: it reads from a pipe that the system closes then.

# %% [markdown] id="service-zh" lang="zh" en="3ccc4b8d"
# ## 服务
#
# 现在把各个部分组装起来。继续读之前，请先在图中找一找：时间从哪些地方进入？
#
# ![第 21 课的服务。第 1 步：事件经 POST /events 到来，带有用户、物品和它自己的时间。第 2 步：写入磁盘上的存储。第 3 步：让该用户保存的状态走一步。第 4 步：问题经 GET /recommend 到来，带有用户和查询时刻 at。第 5 步：在那个时刻读取状态。第 6 步：搜索得分最高的十个物品。时间有两个入口：随事件进入，随问题进入。第 7 步：监控器看到事件和列表。列表返回给提问者。](../figures/zh/service.svg)
#
# 从**两个**地方：随每个事件，随每个问题。下一个单元格用上面的运行启动服务，放在单独的进程里。这个内核一结束，服务也随之结束，即使内核是被强行终止的：服务在读一个管道，届时系统会关闭它。

# %% id="service-code" tags=["nbval-ignore-output"]
from tutorial_lib.serving.background import Background

if "service" in globals():  # this cell is run again
    service.stop()
service = Background("--run", Path(folder.name) / run.name, "--store", ":memory:", "--port", "0")
print(service.url, service.get("/health"))

# %% [markdown] id="talk-en" lang="en"
# Open the printed address in your browser if you like: it is a page on which you move the time of the question. Here we talk to the service in JSON. A new person arrives: Ida, whose history is that of the first test user. Every event has an id of its own, so that an event that is sent twice counts once.

# %% [markdown] id="talk-zh" lang="zh" en="b780488f"
# 你可以在浏览器里打开打印出来的地址：在那个页面上，可以移动查询时刻。这里我们用 JSON 与服务对话。来了一位新用户小艾，她的历史就是第一位测试用户的历史。每个事件都有自己的编号，因此重复发送的事件只计一次。

# %% id="talk-code"
_, batch = test_states()
ids = dataset.item_ids


def send(place, user):
    """The history of a test user as events of somebody new."""
    length = int(batch.lengths[place])
    pairs = zip(batch.items[place, :length].tolist(), batch.times[place, :length].tolist(), strict=True)
    return [
        {"id": f"{user}:{number}", "user": user, "item": str(ids[item - 1]), "time": moment}
        for number, (item, moment) in enumerate(pairs)
    ]


history = send(0, "ida")
service.post("/events", history)
repeated = service.post("/events", history)
expect_true("sent twice, counted once", repeated["accepted"] == 0 and repeated["duplicates"] == len(history))
last_event = history[-1]["time"]
lists = {
    label: [one["item"] for one in service.get(f"/recommend/ida?at={last_event + wait}")["items"]]
    for label, wait in {"ten minutes": 600, "a month": 30 * 86400}.items()
}
same_items = len(set(lists["ten minutes"]) & set(lists["a month"]))
print(f"{same_items} of 10 items are in both lists")
expect_true("after a month the list is another one", same_items < 10, when=ON_SAMPLE)

# %% [markdown] id="load-test-en" lang="en"
# ### Load, without flattery
#
# 80 questions a second for three seconds, each due at a fixed moment. Twenty threads send them; a request that finds no free thread counts from when it was **due**. Then 200 at once, all sent before the first answer is read, to see the batches.

# %% [markdown] id="load-test-zh" lang="zh" en="61f63cbb"
# ### 不美化结果的压力测试
#
# 每秒 80 个问题，持续三秒，每个问题都有固定的发送时刻。由二十个线程发送；请求如果等不到空闲线程，也从它**应当**发出的时刻开始计时。然后一次发 200 个，全部发出之后才读第一个回答，看看批有多大。


# %% id="load-test-code" tags=["nbval-ignore-output"]
def ask(due):
    """One question that is due at a moment of the clock; seconds from then to the answer."""
    time.sleep(max(0, due - time.perf_counter()))
    service.get(f"/recommend/ida?at={last_event + 3600}")
    return time.perf_counter() - due


def send_load(number, rate):
    start = time.perf_counter() + 0.2
    with ThreadPoolExecutor(20) as pool:
        return 1000 * np.array(list(pool.map(ask, start + np.arange(number) / rate)))


def at_once(number):
    """So many questions, all of them sent before the first answer is read."""
    asked = [HTTPConnection(service.url.removeprefix("http://")) for _ in range(number)]
    for one in asked:
        one.connect()
    for one in asked:
        one.request("GET", f"/recommend/ida?at={last_event + 3600}")
    for one in asked:
        one.getresponse().read()
        one.close()


def counted(name):
    text = urllib.request.urlopen(service.url + "/metrics").read().decode()
    return next(float(row.split()[-1]) for row in text.splitlines() if row.startswith(name + " "))


measured = send_load(240, 80)
print(f"{len(measured)} answers: p50 {np.percentile(measured, 50):.1f} ms, p99 {np.percentile(measured, 99):.1f} ms")
earlier = counted("serving_passes_total")
at_once(200)
passes = counted("serving_passes_total") - earlier
print(f"200 at once: {passes:.0f} passes of the model")

# %% id="load-test-check"
expect_true("every question was answered", len(measured) == 240 and (measured > 0).all())
expect_true("200 questions at once share passes of the model", passes < 200)

# %% [markdown] id="gap-en" lang="en" tags=["break-it"]
# ## Break it, 3: the request time that is not passed
#
# Back to the green lights. The colleague's web site does not ask the service when Ida comes. It asks when her last **event** arrives, and keeps the list until she comes: a cache, so that the page is faster still. In training each event was predicted with the time at which it happened. At serving the model is told: *she asks now, right after her last event*, whenever she really comes.
#
# **Predict.** On the test events: how many of the ten items of the cached list are those of the right one, on average? And what happens to HR@10, the share of lists that hold the item that was chosen next?

# %% [markdown] id="gap-zh" lang="zh" en="f7fb347f" tags=["break-it"]
# ## 破坏实验三：没有传入的请求时刻
#
# 回到“一切正常”的指标。同事的网站并不是在小艾到来时向服务提问，而是在她最后一个**事件**到达时就提问，再把列表保存到她下次到来：这是一种缓存，为的是让页面更快。训练时，每个事件都是用它发生的时刻来预测的；服务时，不管她实际何时到来，告诉模型的都是：“她在最后一个事件之后立刻提问”。
#
# **猜一猜。** 在测试事件上，缓存的列表与正确的列表平均有几个物品相同？命中率 HR@10，即列表中含有下一个所选物品的比例，会怎样变化？

# %% id="gap-code" tags=["break-it"]
PEOPLE = min(300, len(batch.items))
to_send = [event for place in range(PEOPLE) for event in send(place, f"test{place}")]
for start in range(0, len(to_send), 1000):
    service.post("/events", to_send[start : start + 1000])
position = torch.arange(len(batch.items)), batch.lengths - 1
chosen = batch.targets[position][:PEOPLE].numpy()
asked_at, last_at = batch.query_times[position].tolist(), batch.times[position].tolist()


def served(moments):
    """The lists of the service for all people, each asked at a moment: int64 [P, 10]."""
    paths = [f"/recommend/test{place}?at={moments[place]}" for place in range(PEOPLE)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(service.get, paths))
    number = {str(item): place + 1 for place, item in enumerate(ids)}
    return np.array([[number[one["item"]] for one in answer["items"]] for answer in answers])


def in_common(one, two):
    """Mean number of items that two lists of ten share."""
    return (one[:, :, None] == two[:, None, :]).any(axis=2).sum(axis=1).mean()


right_lists, cached_lists = served(asked_at), served(last_at)
hit = {name: (lists == chosen[:, None]).any(axis=1) for name, lists in {"right": right_lists, "cached": cached_lists}.items()}
print(f"HR@10 of {PEOPLE} people: right {hit['right'].mean():.3f}, cached {hit['cached'].mean():.3f}; {in_common(right_lists, cached_lists):.1f} of 10 items in common")

# %% [markdown] id="find-en" lang="en"
# ### Found: ask twice
#
# You would not see this in any latency, and HR@10 has no red line: who says what it ought to be? What shows the fault is a **replay**. Write down some requests with their answers; later, answer the same requests with the code with which the model was *evaluated*, and compare list with list. That test knows what is right.

# %% [markdown] id="find-zh" lang="zh" en="1f3db2a7"
# ### 找到它：同一个问题问两遍
#
# 从任何延迟指标里都看不出这个问题，而 HR@10 也没有红线：谁知道它应当是多少？能暴露错误的是**重放**（replay）：记下一些请求和回答，之后用**评价**模型时的代码重新回答同样的请求，再逐一比较列表。这个测试知道正确答案是什么。

# %% id="find-code" tags=["reference-check"]
with torch.no_grad():
    scores = model.score(test_states()[0][:PEOPLE])
seen = batch.items[:PEOPLE]
offline = scores.scatter(1, seen, -torch.inf).topk(10, dim=1).indices.numpy()
expect("replay: items in common with the offline list, when the time is passed", in_common(right_lists, offline), 10, tol=0.05)
expect_true("the cached lists fail the replay", in_common(cached_lists, offline) < 9, when=ON_SAMPLE)
expect("items that a cached list shares with the right one", in_common(cached_lists, right_lists), 7, tol=0.9, when=ON_SAMPLE)

# %% id="find-quality"
with torch.no_grad():
    place_of = {}
    for name, query_time in {"right": True, "cached": False}.items():
        table = model.score(test_states(query_time)[0])  # all test users
        target = table.gather(1, batch.targets[position][:, None])
        table = table.scatter(1, batch.items, -torch.inf)
        place_of[name] = 1 + (table > target).sum(dim=1).numpy()
doublings = paired_bootstrap(np.log2(place_of["cached"]), np.log2(place_of["right"]))
expect_true("without the time the chosen item stands further down: the interval of log2(rank) lies above 0", doublings.low > 0, when=ON_SAMPLE)

# %% [markdown] id="find-why-en" lang="en"
# When the time is passed, service and evaluation agree in all ten items of every list. The cached lists share only about seven of ten with the right ones, and over all test users the item that was chosen next stands further down, with an interval that excludes 0. What is at stake you saw in lesson 17: a model that is not told the query time was no better than one without any clock.
#
# **Mended**: the site asks when Ida comes, and passes `at`. That costs one answer of some milliseconds. And the replay becomes a test that runs every night on some hundred requests.
#
# Where else does this fault hide? In lists that are made at night for everybody; in a time zone; in the constant that you saw under *Break it, 2*; in a log of old events that is sent through a service which takes its own clock for *now*.

# %% [markdown] id="find-why-zh" lang="zh" en="8099d53e"
# 传入时刻后，服务与评价代码的每份列表十个物品完全一致。缓存的列表与正确的列表平均只有约七个相同；在全部测试用户上，下一个所选物品的名次更靠后，区间不含 0。这关系到多少，你在第 17 课已经看到：不告诉查询时刻的模型，并不比完全没有时间信息的更好。
#
# **修好它**：网站在小艾到来时提问，并传入 `at`，代价是多一次几毫秒的回答。同时把重放变成一项测试，每晚对几百个请求运行一次。
#
# 这种错误还会藏在哪里？例如：夜里为所有人一次生成的列表；时区；“破坏实验二”里的那个常数；以及把旧事件的日志发给一个以自己的时钟为“现在”的服务。

# %% [markdown] id="watch-en" lang="en"
# ## What to watch, so that it is found by itself
#
# A replay finds a wrong program. A world that changes needs another check, and it has to speak up by itself. Watch few numbers, and choose those that break early or that everything breaks:
#
# - **lag**: arrival time minus event time. A queue that is stuck, a device that sends late;
# - **share of unknown items**: the catalogue runs away from the model;
# - **the gap** since the user's last event: what the model reads from the clock. It is wrong before any answer is;
# - **the rank** that the model gave to what was chosen, and the **online HR@10** of the lists that were answered.
#
# When has a number *changed*, and when does it only scatter? Take a window of values, here 0 for a miss and 1 for a hit. Cut it into an older part of $n_0$ and a newer of $n_1$ values. If both had the same mean, the two means would differ by more than
#
# $$\varepsilon = \sqrt{\frac{2}{m}\, \sigma^2 \ln\frac{2}{\delta'}} + \frac{2}{3m} \ln\frac{2}{\delta'}, \qquad \frac{1}{m} = \frac{1}{n_0} + \frac{1}{n_1}$$
#
# with probability at most $\delta'$, where $\sigma^2$ is the variance in the window. **ADWIN** (adaptive windowing) tries many cuts, and where one exceeds $\varepsilon$ it raises an alarm and drops the older part.

# %% [markdown] id="watch-zh" lang="zh" en="accbe80a"
# ## 监控什么，才能让问题自己暴露
#
# 重放能找到错误的程序。如果变化的是现实世界，就需要另一种手段，而且它应当自己发出告警。要监控的指标不必多，应当选那些最早出错的，或者无论哪里出错都会受影响的：
#
# - **时延**（lag）：到达时间减去事件时间。例如队列堵塞，或者设备延后发送；
# - **未知物品的比例**：物品集合已经变化，模型没有跟上；
# - 距用户上一个事件的**间隔**：这是模型从时间中读到的内容，它比任何回答都更早出错；
# - 模型给实际所选物品的**名次**，以及已给出列表的**在线 HR@10**。
#
# 一个指标什么时候算真的变了，什么时候只是随机波动？取一个窗口的值，这里 0 表示未命中，1 表示命中。把它切成较旧的 $n_0$ 个值和较新的 $n_1$ 个值。如果两部分的均值其实相同，那么两个样本均值之差超过
#
# $$\varepsilon = \sqrt{\frac{2}{m}\, \sigma^2 \ln\frac{2}{\delta'}} + \frac{2}{3m} \ln\frac{2}{\delta'}, \qquad \frac{1}{m} = \frac{1}{n_0} + \frac{1}{n_1}$$
#
# 的概率至多为 $\delta'$，其中 $\sigma^2$ 是窗口内的方差。**ADWIN**（自适应窗口，adaptive windowing）会尝试许多切法，只要有一处超过 $\varepsilon$，就发出告警并丢掉较旧的部分。

# %% id="cut-code"
def threshold(window, older, chance):
    """How far the means of the first `older` values and of the others may be apart."""
    m = 1 / (1 / older + 1 / (len(window) - older))
    log = np.log(2 / chance)
    return np.sqrt(2 / m * np.var(window) * log) + 2 / (3 * m) * log


for size in (8, 40, 80):
    window = np.array([0] * (size // 2) + [0, 1] * (size // 4))  # first no hits, then every second is one
    apart = abs(window[: size // 2].mean() - window[size // 2 :].mean())
    print(f"{size} values: means apart {apart:.2f}, allowed {threshold(window, size // 2, 0.001):.2f}")
expect("allowed with 8 values", threshold(np.array([0] * 4 + [0, 1] * 2), 4, 0.001), 3.73, tol=0.01)
expect("allowed with 80 values", threshold(np.array([0] * 40 + [0, 1] * 20), 40, 0.001), 0.63, tol=0.01)

# %% [markdown] id="cut-why-en" lang="en"
# From no hits to one in two is a large change, yet with 8 values the threshold is 3.73, more than there is to see, and with 80 it is still 0.63. So a change costs **events** until it is found: the number grows with the square of scatter over difference. Compare our cut with the ADWIN of the library `river`, on hits that fall from 40% to 15% after 1,000 events.

# %% [markdown] id="cut-why-zh" lang="zh" en="929df3f8"
# 从没有命中到两次命中一次，变化很大；可是只有 8 个值时，阈值是 3.73，比可能出现的差还大，有 80 个值时仍为 0.63。因此，要发现变化必须付出一定数量的**事件**：这个数量与“波动除以差值”的平方成正比。下面把我们的切法与 `river` 库里的 ADWIN 作比较：1,000 个事件之后，命中率从 40% 降到 15%。

# %% id="cut-check" tags=["reference-check"]
from river.drift import ADWIN

hits = (np.random.default_rng(1).random(2000) < np.repeat([0.4, 0.15], 1000)).astype(float)


def found_at(values, chance=0.002, step=32):
    """The first event at which some cut of the window exceeds its threshold."""
    for end in range(64, len(values) + 1, step):
        window = values[:end]
        cuts = range(16, end - 15, 16)
        if any(abs(window[:n].mean() - window[n:].mean()) > threshold(window, n, chance / np.log(end)) for n in cuts):
            return end
    return None


river, theirs = ADWIN(delta=0.002), None
for place, value in enumerate(hits, start=1):
    river.update(value)
    if river.drift_detected and theirs is None:
        theirs = place
ours = found_at(hits)
print(f"ours: event {ours}, river: event {theirs}")
expect_true("both find it, not before it is there and within 300 events", all(1000 < one < 1300 for one in (ours, theirs)))
expect_true("and within 96 events of each other", abs(ours - theirs) <= 96)

# %% [markdown] id="monitor-en" lang="en" tags=["library"]
# The service's monitor watches two signals in this way, the gap and the rank, and counts the rest. Why not test everything? Each test has false alarms of its own, and whoever is called three times for nothing does not come the fourth time. Here are the signal of a rank, and the rule for a clock.

# %% [markdown] id="monitor-zh" lang="zh" en="68844541" tags=["library"]
# 服务的监控器就这样监控两个信号：间隔和名次；其余的只计数。为什么不对所有指标都做检验？因为每个检验都有自己的误报，而被误报叫醒三次的人，第四次就不会来了。下面是名次信号的计算，以及检查时间的规则。

# %% id="monitor-code" tags=["library"]
import math

from tutorial_lib.serving.watch import LAST, LONGEST, SLACK, UNITS, gap_signal

# show: tutorial_lib.serving.watch.rank_signal
# show: tutorial_lib.serving.watch.clock_error

# %% [markdown] id="drift-en" lang="en"
# ### Planted changes
#
# Now change the simulated world under a running monitor, after 4,000 quiet events. Three changes: three in ten items are **replaced** by new ones; event times come in **milliseconds**; the list is made **without the query time**, our colleague's cache.

# %% [markdown] id="drift-zh" lang="zh" en="f39b3855"
# ### 人为植入的变化
#
# 现在让监控器先看 4,000 个平稳的事件，再改变模拟世界。共三种变化：十分之三的物品被新物品**替换**；事件时间变成了**毫秒**；列表生成时**不用查询时刻**，也就是同事的那种缓存。

# %% [markdown] id="predict-drift-en" lang="en" tags=["predict"]
# **Predict.** For each change: which signal rings, gap or rank, and after about 100, 1,000 or 10,000 events?

# %% [markdown] id="predict-drift-zh" lang="zh" en="0cc42b12" tags=["predict"]
# **猜一猜。** 每种变化会触发哪个信号，间隔还是名次？大约在 100、1,000 还是 10,000 个事件之后？

# %% id="drift-code" tags=["nbval-ignore-output"]
from tutorial_lib.serving import drift

crowds = drift.worlds(220, [])  # always the world of the sample
streams = {change: drift.stream(crowds, change, 0) for change in ("steady", "new items", "milliseconds", "no query time")}
results = {}
for change, table in streams.items():
    results[change] = drift.find(table, len(table) if change == "steady" else 4000)
    print(f"{change:14s} {results[change]}")

# %% id="drift-picture" tags=["picture", "nbval-ignore-output"]
fig, axes = plt.subplots(2, 1, figsize=(8, 4.6), sharex=True)
for place, (change, table) in enumerate(streams.items()):
    signals = {
        "gap": table["gap"].fillna(0).map(gap_signal),
        "rank": [rank_signal(known, rank) for known, rank in zip(table["known"], table["rank"], strict=True)],
    }
    for ax, (name, values) in zip(axes, signals.items(), strict=True):
        smooth = np.convolve(np.asarray(values, float), np.ones(200) / 200, "valid")
        ax.plot(np.arange(199, len(table)), smooth, color=plots.PALETTE[place], linestyle=["-", "--", ":", "-."][place], label=change)
        delay = results[change].delay[name]
        if change != "steady" and delay is not None:
            ax.plot(4000 + delay, smooth[min(3801 + delay, len(smooth) - 1)], plots.MARKERS[place], color=plots.PALETTE[place], markersize=9)
for ax, name in zip(axes, ("gap", "rank"), strict=True):
    ax.axvline(4000, color="0.5", linewidth=1)
    ax.set(ylabel=f"signal {name}")
axes[1].set(xlabel="event")
axes[0].legend(loc="upper left")
plt.show()

# %% [markdown] id="drift-alt-en" lang="en" tags=["alt"]
# Two panels over 8,000 events, the mean of 200 events of each signal, with a vertical line at the change. Above, the gap: all lines are alike but the one of milliseconds, which jumps up at the line; its marker for the alarm sits directly behind the change. Below, the rank: new items rises at once, no query time a little; their alarms follow soon after the change, that of new items first. The steady line scatters around the same level throughout.

# %% [markdown] id="drift-alt-zh" lang="zh" en="2ba16221" tags=["alt"]
# 上下两幅图，横轴是 8,000 个事件，画的是每个信号 200 个事件的滑动平均，竖线处是变化发生的时刻。上图是间隔：除了毫秒那条线在竖线处跳起之外，其余都相同，毫秒的告警标记紧跟在变化之后。下图是名次：新物品的线立刻上升，不用查询时刻的线略有上升；它们的告警在变化后不久出现，新物品的更早。平稳的那条线始终在同一水平附近波动。

# %% id="drift-check"
expect_true("milliseconds: the gap rings within 450 events, a plain rule at the first", results["milliseconds"].delay["gap"] < 450 and results["milliseconds"].by_rule == 1)
expect_true("new items: the rank rings within 300 events", results["new items"].delay["rank"] < 300)
expect_true("no query time: the rank rings within 1,500 events, later than for new items", results["new items"].delay["rank"] < results["no query time"].delay["rank"] < 1500)
expect_true("no query time: the gap does not ring, as the events are as before", results["no query time"].delay["gap"] is None)
expect_true("nothing changes: no alarm", results["steady"].false_alarms == 0)

# %% id="drift-count"
counts = pd.read_csv(FACTS / "drift.csv")  # 20 streams of each change, 4,000 events before and after it
alarms = counts.groupby("change")["false_alarms"].sum()
rung = counts.groupby("change")["rank"].count()
expect("alarms in 20 steady streams of 8,000 events", alarms["steady"], 3, tol=0.5)
expect("streams in which a mood of one hour was found", rung["faster mood"], 1, tol=0.5)
expect("streams in which new items were found", rung["new items"], 20, tol=0.5)

# %% [markdown] id="drift-why-en" lang="en"
# - **Milliseconds**: the gap, within some hundred events. But no statistics are needed here: an event that lies 50,000 years ahead of its arrival is wrong, and one rule finds it with the **first** event. Where a rule can be written, write the rule.
# - **New items**: the rank, within some hundred events, for an unknown item counts as the last place. An item without a vector can be in no list; the mend is a model trained with it, which `POST /models` puts in the old one's place while requests go on: each ends with the model that it began with.
# - **No query time**: the rank, within some hundred to a thousand events. The gap says nothing: the events are what they were, only the answers are worse. So the monitor does find the colleague's cache, later than a replay and without saying why.
#
# A steady stream is silent here; in a longer count, 20 streams, we saw three alarms in 160,000 events. And there is a limit: a mood that fades within an hour instead of a day moves the rank so little that 4,000 events showed it once in 20 streams. `python -m tutorial_lib.serving.drift` counts all that again.
#
# Last, the running service. Its monitor has seen what you did above, and a client whose clock is wrong is told so.

# %% [markdown] id="drift-why-zh" lang="zh" en="d6eb27cc"
# - **毫秒**：由间隔发现，几百个事件之内。不过这里并不需要统计：一个事件比它的到达时间还晚 50,000 年，当然是错的，一条规则在**第一个**事件就能发现。能写成规则的，就写成规则。
# - **新物品**：由名次发现，几百个事件之内，因为未知物品按最后一名计。没有向量的物品不会出现在任何列表里；解决办法是用含有新物品的数据再训练一个模型，由 `POST /models` 让它接替旧模型，其间请求照常处理：每个请求都由它开始时的模型完成。
# - **不用查询时刻**：由名次发现，需要几百到一千个事件。间隔没有反应，因为事件与从前一样，变差的只是回答。因此监控器确实能发现同事的缓存，只是比重放晚，而且说不出原因。
#
# 平稳的事件流在这里没有告警；在更长的统计中，20 个流、共 160,000 个事件里出现了三次告警。它也有极限：如果短期兴趣在一小时而不是一天内减半，名次的变化就很小，4,000 个事件在 20 个流中只发现了一次。`python -m tutorial_lib.serving.drift` 会重新统计这些结果。
#
# 最后看正在运行的服务。它的监控器看到了你在上面做的一切，而时间有误的客户端会收到明确的提示。

# %% id="watch-code" tags=["nbval-ignore-output"]
from tutorial_lib.errors import TutorialError

try:
    service.post("/events", {"id": "late", "user": "ida", "item": str(ids[0]), "time": 1000 * int(time.time())})
except TutorialError as error:
    print(error)
watched = service.get("/watch")
print({name: watched[name] for name in ("events", "answers", "judged", "clock_errors", "alarms")})

# %% id="watch-check"
expect_true("the wrong clock was refused and counted", watched["clock_errors"].get("milliseconds", 0) >= 1)
expect_true("the monitor has seen all events that were sent", watched["events"] >= len(history))

# %% [markdown] id="exercise1-en" lang="en" tags=["exercise"]
# ## Exercises
#
# **21.1 Modify · core.** Extend `queue` to several workers: each request goes to the worker that is free first, and takes its whole time there. Return the **latencies**, counted from when each request was due. (`due` is sorted.)

# %% [markdown] id="exercise1-zh" lang="zh" en="c9c9268a" tags=["exercise"]
# ## 练习
#
# **21.1 修改 · 进阶。** 把 `queue` 推广到多个工作进程：每个请求交给最先空闲的那个进程，并在那里用完它的全部处理时间。返回**延迟**，从每个请求应当发出的时刻算起。（`due` 已排好序。）


# %% id="exercise1-code" tags=["exercise"]
def latencies(due, took, workers):
    """due, took [N] in seconds, workers an int -> latencies [N] in seconds."""
    ...


lesson21.check_latencies(latencies)


# %% id="exercise1-solution" tags=["solution"]
# Solution
def latencies(due, took, workers):
    free, found = [-np.inf] * workers, []
    for moment, work in zip(due, took, strict=True):
        one = int(np.argmin(free))
        free[one] = max(moment, free[one]) + work
        found.append(free[one] - moment)
    return np.array(found)


lesson21.check_latencies(latencies)

# %% [markdown] id="exercise2-en" lang="en" tags=["exercise"]
# **21.2 Predict and design · core.** Another service waits on purpose until a batch of $n$ requests is full. They come evenly, `rate` a second. A batch takes `fixed` + `each` · $n$ milliseconds. The first request of a batch waits for the other $n - 1$ and then for the whole batch. Give the largest $n$ for which this latency is at most `limit` milliseconds **and** a batch is done before the next $n$ requests are there (or the queue grows for ever); 0 if there is none.

# %% [markdown] id="exercise2-zh" lang="zh" en="a16fdc7b" tags=["exercise"]
# **21.2 预测与设计 · 进阶。** 另一个服务会特意等待，直到一批 $n$ 个请求凑满。请求均匀到来，每秒 `rate` 个。一批的处理时间为 `fixed` + `each` · $n$ 毫秒。一批中的第一个请求要等另外 $n - 1$ 个到齐，再等整批处理完。求最大的 $n$，使这个延迟至多为 `limit` 毫秒，**并且**一批在下 $n$ 个请求到齐之前处理完（否则队列会无限增长）；如果不存在，返回 0。


# %% id="exercise2-code" tags=["exercise"]
def largest_batch(fixed, each, rate, limit):
    """Milliseconds, milliseconds, requests a second, milliseconds -> an int."""
    ...


lesson21.check_largest_batch(largest_batch)


# %% id="exercise2-solution" tags=["solution"]
# Solution
def largest_batch(fixed, each, rate, limit):
    n = np.arange(1, 100_001)
    work, gap = fixed + each * n, 1000 / rate
    allowed = ((n - 1) * gap + work <= limit + 1e-9) & (work <= n * gap + 1e-9)
    return int((n * allowed).max())


lesson21.check_largest_batch(largest_batch)

# %% [markdown] id="exercise3-en" lang="en" tags=["exercise"]
# **21.3 Debug · stretch.** You get a service that you cannot look into: `answer(items, times, query_time)` returns the scores of 50 items. `items` are numbers from 1 to 50, `times` rise, and `query_time` is not before the last of them; you also get one valid history. Which of the three inputs does the service **ignore**, whatever they are? Return a set of their names. Some services are hard of hearing without being deaf: one counts in whole days, one rounds its scores, one reads the first events only.

# %% [markdown] id="exercise3-zh" lang="zh" en="904153a1" tags=["exercise"]
# **21.3 调试 · 挑战。** 给你一个看不到内部的服务：`answer(items, times, query_time)` 返回 50 个物品的得分。`items` 是 1 到 50 的整数，`times` 递增，`query_time` 不早于其中最后一个；另外还给你一段合法的历史。无论输入是什么，这个服务都**忽略**三个输入中的哪些？返回它们名字的集合。有些服务只是不灵敏，并没有忽略：有的按整天计时，有的把得分取整，有的只读最前面的事件。


# %% id="exercise3-code" tags=["exercise"]
def ignored(answer, items, times, query_time):
    """answer: a function; items, times: arrays [L]; query_time: an int -> a set of names."""
    ...


lesson21.check_ignored(ignored)


# %% id="exercise3-solution" tags=["solution"]
# Solution
def ignored(answer, items, times, query_time):
    before = answer(items, times, query_time)
    together = np.full_like(times, times[-1])  # all gaps become 0
    others = {
        "items": answer(51 - items, times, query_time),
        "times": answer(items, together, query_time),
        "query_time": answer(items, times, query_time + 60 * 86400),
    }
    return {name for name, after in others.items() if np.array_equal(before, after)}


lesson21.check_ignored(ignored)

# %% [markdown] id="exercise4-en" lang="en" tags=["exercise"]
# **21.4 Think · basic.** The next cell prints numbers of five services, made up for this exercise: each from a week before and a week after something happened. *Rank* is 1 minus the mean of the rank signal, so larger is better, and an unknown item counts 0; *replayed* means: the same requests, answered offline by the same model. In R the lag changed from one event to the next. In S the services' answers are put together into pages, 20 for each. In T a new model took the old one's place. Which statements do the numbers support? Give a set of letters.
#
# - A: P: the world has changed, so the model must be trained again
# - B: P: something between training and serving differs
# - C: Q: on the items that it knows, the model ranks about as well as before
# - D: R: without a statistical test this could not have been found
# - E: S: about one page in six now meets an answer beyond 80 ms
# - F: T: the new model is better than the old one

# %% [markdown] id="exercise4-zh" lang="zh" en="93cd4afd" tags=["exercise"]
# **21.4 思考 · 基础。** 下一个单元格打印五个服务的指标，是为本题编的，分别取自某件事发生前一周和后一周。**名次**（rank）一栏是 1 减去名次信号的均值，因此越大越好，未知物品按 0 计；**重放**（replayed）指同样的请求由同一个模型离线回答。R 的时延是从某个事件起突然变化的。S 的回答拼成页面，每页 20 个。T 用新模型替换了旧模型。这些数支持哪些判断？用字母的集合作答。
#
# - A：P：世界变了，因此必须重新训练模型
# - B：P：训练与服务之间有某处不一致
# - C：Q：在已知的物品上，模型排得和从前差不多好
# - D：R：不用统计检验就发现不了
# - E：S：现在约每六个页面就有一个碰到超过 80 ms 的回答
# - F：T：新模型比旧模型好

# %% id="exercise4-code" tags=["exercise"]
reports = {  # before, after
    "P: rank": [0.31, 0.19],
    "P: rank, replayed": [0.31, 0.31],
    "Q: rank": [0.30, 0.21],
    "Q: share of unknown items": [0.00, 0.30],
    "R: lag (s)": [3, -1.7e12],
    "S: mean latency (ms)": [4, 5],
    "S: p99 (ms)": [9, 80],
    "T: HR@10": [0.20, 0.25],
}
show_matrix(list(reports.values()), list(reports), ["before", "after"], digits=2)
supported = ...

lesson21.check_supported(supported)

# %% id="exercise4-solution" tags=["solution"]
# Solution
supported = {"B", "C", "E"}

lesson21.check_supported(supported)

# %% [markdown] id="exercise4-why-en" lang="en" tags=["solution"]
# A, B: offline the same requests are as good as ever, so it is not the world; the same model gives other answers when it serves. C: 0.7 · 0.30 = 0.21, as unknown items count 0. D: sign and size of one lag say it. E: $1 - 0.99^{20}$ is 0.18, more than one in six. F: another week has other events; both models would have to answer side by side.

# %% [markdown] id="exercise4-why-zh" lang="zh" en="66dca87a" tags=["solution"]
# A、B：同样的请求离线重放与从前一样好，因此变的不是世界；同一个模型在服务时给出了不同的回答。C：未知物品按 0 计，0.7 · 0.30 = 0.21。D：一个时延的符号和大小就足以说明。E：$1 - 0.99^{20}$ 等于 0.18，超过六分之一。F：另一周有另外的事件；两个模型必须同时回答才能比较。

# %% [markdown] id="open-en" lang="en" tags=["open"]
# **An open task.** Your service is to take ten times the people next year, on the same two cores. Start it with `make serve`, or with the cell `service-code`, and measure where an answer spends its time (HTTP, state, scores, search, JSON), as `send_load` does: counted from when each request was due. Write one page. A good report holds p50 and p99 before and after **one** change, each with the spread of five runs, a picture of latency against load, the number that you would watch while you change it and the value at which you would go back, and a doubt: what did your load test leave out that real people do? Show it to somebody who has to be called at night.

# %% [markdown] id="open-zh" lang="zh" en="90f0bcb3" tags=["open"]
# **开放任务。** 明年你的服务要承载十倍的用户，仍然只有两个核。用 `make serve` 或单元格 `service-code` 启动它，像 `send_load` 那样从请求应当发出的时刻计时，测一测一次回答的时间花在哪里（HTTP、状态、打分、搜索、JSON），并写一页报告。好的报告包含**一项**改动前后的 p50 和 p99，各附五次运行的波动，一张延迟随负载变化的图，修改期间监控哪个指标、到什么值就退回原方案，以及一点疑问：真实用户的哪些行为是你的压力测试没有涵盖的？请给一位夜里要值班的人看看。

# %% id="open-code" tags=["open"]
# The parts of your report; the line below it says which are missing.
my_report = {
    "before_change": ...,  # {"p50": milliseconds of five runs, "p99": ...}
    "after_change": ...,  # the same after the change
    "change": ...,  # the one thing that you changed
    "watch": ...,  # the number that you watch meanwhile, and why
    "go_back_at": ...,  # its value at which you go back
    "picture": ...,  # the figure, with a label on each axis
    "doubt": ...,  # what you doubt, in a sentence or two
}
lesson21.open_report(my_report)

# %% [markdown] id="answer-en" lang="en"
# ## Ida, answered
#
# Why was she offered jazz, with every light green? Because the lights showed whether answers came, and not whether they were right. Training had told the model when each choice was made; the web site asked at another moment than she came, and nothing on the way requires that the two agree. A list that was right ten minutes after the jazz was kept for a month.
#
# And how does one answer so many so fast? By doing little: a state of a few numbers per person, one step for one event, one reading at the moment of the question, and one pass for all who ask meanwhile. Then the list can be made **when it is wanted**, and the cache that caused the fault is not needed at all.

# %% [markdown] id="answer-zh" lang="zh" en="edb78a68"
# ## 回答开头的问题
#
# 所有指标都正常，为什么推荐给小艾的却是爵士？因为那些指标显示的是有没有回答，而不是回答对不对。训练时，模型知道每次选择发生的时刻；网站查询的时刻却不是小艾到来的时刻，而整个流程中没有任何环节要求两者一致。一份在爵士之后十分钟正确的列表，被保存了一个月。
#
# 那么，怎样才能这么快地回答这么多人？办法是少做：每位用户只保存几十个数的状态，一个事件只走一步，在查询时刻读取一次，期间提问的所有人共用一次计算。这样，列表可以在**需要时**才生成，引起错误的那个缓存根本就不需要。

# %% [markdown] id="summary-en" lang="en" tags=["summary"]
# ## Summary
#
# 1. Latency is counted from when a request was due; its tail grows like $1 / (1 - \rho)$, and a page of many answers meets it often.
# 2. A state pays for one event and a few hundred bytes a user; batches that grow by themselves make load cheaper without waiting.
# 3. Whatever changes between two requests is an input of an exported program, the time above all; an index has a recall, which is measured.
# 4. A request time that training had and serving lacks breaks no light. A replay against the evaluation code finds it.
# 5. Watch few signals: rules where rules can be written, ADWIN on the gap and the rank, and count false alarms before you trust it.

# %% [markdown] id="summary-zh" lang="zh" en="d4de4629" tags=["summary"]
# ## 小结
#
# 1. 延迟从请求应当发出的时刻算起；它的尾部按 $1 / (1 - \rho)$ 增长，而需要许多回答的页面经常碰到尾部。
# 2. 保存状态时，每位用户只需几百字节，每个事件只算一步；自然变大的批无需特意等待，就能降低高负载时的代价。
# 3. 凡是两次请求之间会变化的，都应当是导出程序的输入，首先是时间；索引有召回率，必须测量。
# 4. 训练时有、服务时没有的请求时刻，不会触发任何告警。与评价代码对照的重放能发现它。
# 5. 监控少数几个信号：能写规则的写规则，对间隔和名次用 ADWIN；在信任它之前，先统计误报。

# %% [markdown] id="self-test-en" lang="en" tags=["self-test"]
# ## Ten questions to test yourself
#
# Answer first, then open. Everything that you need stands in this lesson.
#
# <details><summary><b>1.</b> Requests are due at 0, 5, 10 and 15 ms and take 3, 12, 3 and 3 ms, one at a time. Which latencies follow, and how many are above 9 ms?</summary>
#
# Answered at 3, 17, 20, 23, so 3, 12, 10 and 8 ms: two are above 9, though only one was slow to work on.
#
# </details>
#
# <details><summary><b>2.</b> A page now needs 50 answers instead of 20. What share of pages meets the slowest hundredth, and which percentile of single answers must be fast for half of the pages to be fast?</summary>
#
# 1 − 0.99⁵⁰ = 0.39. Half of the pages: 0.5 = q⁵⁰, so q = 0.986, about p98.6.
#
# </details>
#
# <details><summary><b>3.</b> Work takes 4 ms on average, random as in the formula. Load rises from 0.9 to 0.95. By which factor does p99 grow, and what is cheaper: halving the work of an answer or a second machine?</summary>
#
# 1 / 0.05 over 1 / 0.1: twice, from 184 to 368 ms. Halving the work brings the load to 0.475 and p99 to about 18 ms; a second machine with its own queue halves the load alone, about 35 ms.
#
# </details>
#
# <details><summary><b>4.</b> A service stands still for 2 seconds once a minute. A client that waits for each answer reports p99 = 3 ms. About which p99 do people have who come evenly?</summary>
#
# 2 of 60 seconds are 3.3 % of all people, who wait between 0 and 2 seconds. The worst hundredth are those that wait more than about 1.4 seconds.
#
# </details>
#
# <details><summary><b>5.</b> An event that happened at 10:00 reaches the service at 10:20, after an event of 10:10 has moved the state. Why can `step` not repair this, and what can?</summary>
#
# The state is after 10:10; a step cannot be put in between. The list of events on the disk is the truth: sort it in, and make the state again from there.
#
# </details>
#
# <details><summary><b>6.</b> A batch costs 3 ms and each user 0.05 ms. How many users a second one by one, and 100 at once? At which batch size is a user twice as dear as in an endless batch?</summary>
#
# 1000 / 3.05 = 328, and 100 · 1000 / 8 = 12,500. Twice as dear: 3 / n = 0.05, n = 60.
#
# </details>
#
# <details><summary><b>7.</b> Five million users; two states of width 64 in single precision plus time and count, or windows of 100 events. How many gigabytes each?</summary>
#
# 128 · 4 + 16 = 528 bytes, 2.6 GB. 100 · 16 = 1,600 bytes, 8 GB.
#
# </details>
#
# <details><summary><b>8.</b> A model calls `time.time()` inside `forward` to know how old an item is. It was exported on Monday. What does it answer on Friday, and which test finds it?</summary>
#
# The ages of Monday: the number is a constant of the program. Ask twice with different query times: an answer that never changes ignores its input. Pass the time as an input.
#
# </details>
#
# <details><summary><b>9.</b> Online HR@10 falls from 0.20 to 0.14. The replay agrees in every list; the share of unknown items has risen from 0 to 30 %. Program or world?</summary>
#
# World: the program answers as it was evaluated, and 0.7 · 0.20 = 0.14 is explained by items that the model cannot know. Train anew, do not search for a bug.
#
# </details>
#
# <details><summary><b>10.</b> A fall of the hit rate from 40 % to 15 % is found after some hundred events. About how many does a fall to 27.5 % take, and what would you do instead of waiting?</summary>
#
# About four times as many: the number grows with the square of scatter over difference, and the difference is half as large. Watch a signal with less scatter, such as the rank, or write a rule.
#
# </details>

# %% [markdown] id="self-test-zh" lang="zh" en="61ec689f" tags=["self-test"]
# ## 十道自测题
#
# 先作答，再展开。所需的知识都在本课里。
#
# <details><summary><b>1.</b> 请求应当在 0、5、10、15 ms 发出，分别需要处理 3、12、3、3 ms，一次处理一个。延迟各是多少？有几个超过 9 ms？</summary>
#
# 在 3、17、20、23 ms 得到回答，所以延迟是 3、12、10、8 ms：有两个超过 9 ms，尽管处理慢的只有一个。
#
# </details>
#
# <details><summary><b>2.</b> 一个页面现在需要 50 个回答，而不是 20 个。多大比例的页面会碰到最慢的百分之一？要使一半的页面够快，单个回答的哪个百分位数必须够快？</summary>
#
# 1 − 0.99⁵⁰ = 0.39。一半的页面：0.5 = q⁵⁰，得 q = 0.986，约为 p98.6。
#
# </details>
#
# <details><summary><b>3.</b> 处理时间平均 4 ms，随机分布与公式相同。负载从 0.9 升到 0.95。p99 变成几倍？把每个回答的工作量减半，与再加一台机器，哪个更好？</summary>
#
# 1 / 0.05 比 1 / 0.1：两倍，从 184 升到 368 ms。工作量减半使负载降到 0.475，p99 约为 18 ms；再加一台自带队列的机器只把负载减半，约为 35 ms。
#
# </details>
#
# <details><summary><b>4.</b> 一个服务每分钟停顿 2 秒。逐个等待回答的客户端报告 p99 = 3 ms。均匀到来的人，p99 大约是多少？</summary>
#
# 60 秒中的 2 秒，占所有人的 3.3%，他们要等 0 到 2 秒。最慢的百分之一是等待超过约 1.4 秒的人。
#
# </details>
#
# <details><summary><b>5.</b> 一个发生在 10:00 的事件到 10:20 才到达服务，而 10:10 的事件已经推进了状态。为什么 `step` 无法补救？怎样才能补救？</summary>
#
# 状态已经在 10:10 之后，无法在中间插入一步。磁盘上的事件才是真正的数据：把它按时间排进去，再由事件重新算出状态。
#
# </details>
#
# <details><summary><b>6.</b> 一批的固定代价是 3 ms，每位用户 0.05 ms。逐个处理时每秒多少位用户？一次 100 位呢？批多大时，每位用户的代价是无限大批的两倍？</summary>
#
# 1000 / 3.05 = 328 位；100 · 1000 / 8 = 12,500 位。两倍：3 / n = 0.05，n = 60。
#
# </details>
#
# <details><summary><b>7.</b> 五百万用户；两个宽度 64 的单精度状态，加上时间和计数，或者 100 个事件的窗口。各要多少 GB？</summary>
#
# 128 · 4 + 16 = 528 字节，2.6 GB。100 · 16 = 1,600 字节，8 GB。
#
# </details>
#
# <details><summary><b>8.</b> 一个模型在 `forward` 里调用 `time.time()` 来计算物品的新旧。它在星期一导出。星期五它给出什么？哪个测试能发现？</summary>
#
# 仍按星期一计算，因为那个数已成为程序里的常数。用不同的查询时刻问两次：从不变化的回答说明它忽略了输入。应当把时间作为输入传入。
#
# </details>
#
# <details><summary><b>9.</b> 在线 HR@10 从 0.20 降到 0.14。重放的每份列表都一致；未知物品的比例从 0 升到 30%。是程序的问题还是世界变了？</summary>
#
# 世界变了：程序的回答与评价时一致，而 0.7 · 0.20 = 0.14 正好由模型不可能认识的物品解释。应当重新训练，而不是找程序错误。
#
# </details>
#
# <details><summary><b>10.</b> 命中率从 40% 降到 15%，几百个事件之后就能发现。降到 27.5% 大约需要多少？除了等待，你还能做什么？</summary>
#
# 约四倍：所需的数量与“波动除以差值”的平方成正比，而差值只有一半。可以监控波动更小的信号，例如名次，或者写一条规则。
#
# </details>

# %% [markdown] id="references-en" lang="en" tags=["references"]
# ## References
#
# - J. Dean, L. A. Barroso, *The Tail at Scale*, Communications of the ACM 56(2), 2013: why p99 counts where one page needs many answers. [doi:10.1145/2408776.2408794](https://doi.org/10.1145/2408776.2408794)
# - A. Bifet, R. Gavaldà, *Learning from Time-Changing Data with Adaptive Windowing*, SDM 2007: section 3, ADWIN and its threshold. [doi:10.1137/1.9781611972771.42](https://doi.org/10.1137/1.9781611972771.42)
# - D. Sculley and others, *Hidden Technical Debt in Machine Learning Systems*, NeurIPS 2015: what surrounds a model, and why it must be watched. [paper](https://papers.nips.cc/paper/5656-hidden-technical-debt-in-machine-learning-systems)
# - Y. Malkov, D. Yashunin, *Efficient and Robust Approximate Nearest Neighbor Search Using Hierarchical Navigable Small World Graphs*, TPAMI 2020: the index that is used for large catalogues. [arXiv 1603.09320](https://arxiv.org/abs/1603.09320)
# - In this repository: `tutorial_lib/serving/states.py`, `tutorial_lib/serving/service.py`, `tutorial_lib/serving/watch.py`, `tutorial_lib/serving/drift.py`, `tests/serving/test_watch_drift.py`.

# %% [markdown] id="references-zh" lang="zh" en="282476a3" tags=["references"]
# ## 参考文献
#
# - J. Dean、L. A. Barroso，*The Tail at Scale*，Communications of the ACM 56(2)，2013：为什么一个页面需要许多回答时要看 p99。[doi:10.1145/2408776.2408794](https://doi.org/10.1145/2408776.2408794)
# - A. Bifet、R. Gavaldà，*Learning from Time-Changing Data with Adaptive Windowing*，SDM 2007：第 3 节，ADWIN 及其阈值。[doi:10.1137/1.9781611972771.42](https://doi.org/10.1137/1.9781611972771.42)
# - D. Sculley 等，*Hidden Technical Debt in Machine Learning Systems*，NeurIPS 2015：模型周围有什么，为什么必须监控。[论文](https://papers.nips.cc/paper/5656-hidden-technical-debt-in-machine-learning-systems)
# - Y. Malkov、D. Yashunin，*Efficient and Robust Approximate Nearest Neighbor Search Using Hierarchical Navigable Small World Graphs*，TPAMI 2020：物品很多时使用的索引。[arXiv 1603.09320](https://arxiv.org/abs/1603.09320)
# - 本仓库：`tutorial_lib/serving/states.py`，`tutorial_lib/serving/service.py`，`tutorial_lib/serving/watch.py`，`tutorial_lib/serving/drift.py`，`tests/serving/test_watch_drift.py`。
