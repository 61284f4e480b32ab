# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown] id="intro-en" lang="en" tags=["intro"]
# **Does time help on my data?** You take a data set of your own, or one of those that `python -m tutorial_lib.data list` names, and find out whether a model that reads the clock recommends better on it than its time-blind twin. *No* is an answer like *yes*: the points are for how you know.
#
# **Data.** A table with the columns `user`, `item` and `timestamp`, at least 500 users with 10 events each, times to the second or minute. Do not hand the data in; say where they come from and what their licence allows.
#
# **Timeline**, four weeks with about 10 hours of work:
#
# | Week | What is done at its end |
# |:--|:--|
# | 1 | part A, and the first starter cell has run on the whole table |
# | 2 | part B, written before any comparison; a trial run with 100 users, to know the minutes |
# | 3 | the other two starter cells have run; the tables of part C |
# | 4 | parts C and D; somebody else has read them |
#
# **What to hand in.** This notebook under its own name: the four parts, the three starter cells with their outputs, one table and at most three pictures. At most four pages of text in all.
#
# Three exercises come first: how many users a test needs (2.4), how many a search for settings needs (3.4), and how a p-value is computed (20.1).
#
# **How it is marked.** Four criteria with 10 points each, one for each part, by the levels excellent (10), good (7), partial (4) and missing (0). Part A: question and data. Part B: fair comparison. Part C: evidence. Part D: conclusion and report.

# %% [markdown] id="intro-zh" lang="zh" tags=["intro"]
# **时间对我的数据有帮助吗？** 取一份你自己的数据，或者 `python -m tutorial_lib.data list` 列出的数据集之一，查明在这份数据上，读取时间的模型是否比不含时间信息的对照模型推荐得更好。“没有帮助”和“有帮助”同样是答案：得分取决于你怎样得出结论。
#
# **数据。** 一张含有 `user`、`item` 和 `timestamp` 三列的表，至少 500 个用户，每人 10 个事件，时间精确到秒或分钟。不要提交数据本身；请写明数据的来源，以及许可允许什么。
#
# **时间安排**，四周，大约 10 小时的工作：
#
# | 周 | 周末之前完成 |
# |:--|:--|
# | 1 | A 部分；第一个起始单元格已在整张表上运行 |
# | 2 | B 部分，在任何比较之前写好；用 100 个用户试运行一次，以便知道需要多少分钟 |
# | 3 | 另外两个起始单元格已运行；C 部分的表 |
# | 4 | C 和 D 部分；请别人读过一遍 |
#
# **提交什么。** 这个笔记本，不改文件名：四个部分，三个起始单元格及其输出，一张表，最多三幅图。文字总共不超过四页。
#
# 先做三道练习：一次测试需要多少用户（2.4），搜索设置需要多少用户（3.4），p 值怎样计算（20.1）。
#
# **怎样评分。** 四项标准，每个部分一项，各 10 分，分四个等级：优秀（10）、良好（7）、部分达到（4）、缺失（0）。A 部分：问题与数据。B 部分：公平的比较。C 部分：证据。D 部分：结论与报告。

# %% [markdown] id="question-en" lang="en" tags=["task"]
# **A. Question and data.** What do you want to know, and which result would be a *no*? Describe the data with the numbers that decide whether time can help: resolution of the clock, equal timestamps, gaps within and between sessions, repeats. How large a difference can your test part find (exercise 2.4)?

# %% [markdown] id="question-zh" lang="zh" tags=["task"]
# **A. 问题与数据。** 你想知道什么，怎样的结果算“没有帮助”？用数字描述数据中决定时间能否有帮助的特征：时间精度、相同的时间戳、会话之内与会话之间的间隔、重复交互。你的测试集能发现多大的差别（练习 2.4）？

# %% [markdown] id="question-rubric-en" lang="en" tags=["rubric"]
# | Level | Points | What it looks like |
# |:--|--:|:--|
# | excellent | 10 | A question that the data can answer, and the size of a difference that would matter; the facts of the data that decide it (resolution, ties, gaps within and between sessions, repeats) with numbers; the smallest difference that the test part can find, computed. |
# | good | 7 | Question and facts are there; the smallest difference is estimated, not computed. |
# | partial | 4 | The data are described, but nothing follows from the description for the question. |
# | missing | 0 | No question that a result could answer with no. |

# %% [markdown] id="question-rubric-zh" lang="zh" tags=["rubric"]
# | 等级 | 分数 | 表现 |
# |:--|--:|:--|
# | 优秀 | 10 | 问题是这份数据能够回答的，并写明多大的差别才有意义；给出起决定作用的数据特征及数字（时间精度、并列、会话之内与会话之间的间隔、重复交互）；算出测试集能发现的最小差别 |
# | 良好 | 7 | 有问题，有数据特征；最小差别是估计的，没有计算 |
# | 部分达到 | 4 | 描述了数据，但没有由此得出与问题有关的任何推论 |
# | 缺失 | 0 | 没有提出一个结果可以否定的问题 |

# %% id="look" tags=["starter"]
# Your table, or a name from "python -m tutorial_lib.data list". Not run when graded; keep the output.
from tutorial_lib.data.datasets import load_dataset

print(load_dataset("csv:my_data.csv").info)

# %% [markdown] id="comparison-en" lang="en" tags=["task"]
# **B. Fair comparison, written before the run.** Name the model that reads the clock, its time-blind twin and a simple baseline; the split and its cut-offs; the numbers of users, seeds and epochs; the learning rates that each model may try. Write down what you expect as a number with a range.

# %% [markdown] id="comparison-zh" lang="zh" tags=["task"]
# **B. 公平的比较，在运行之前写好。** 写明读取时间的模型、它的对照模型和一个简单的基线；切分方式和切分时刻；用户数、种子数和轮数；每个模型可以尝试的学习率。把你的预期写成一个数和一个范围。

# %% [markdown] id="comparison-rubric-en" lang="en" tags=["rubric"]
# | Level | Points | What it looks like |
# |:--|--:|:--|
# | excellent | 10 | A time-blind twin that differs in the clock alone; a split by time; the same budget for all models, stated; nothing chosen on the test part; a simple baseline (popularity, Markov) that is named before the run. |
# | good | 7 | As above, with one gap that the text admits, such as a budget that differs. |
# | partial | 4 | A comparison of two models that differ in more than the clock, or a split in which the future leaks. |
# | missing | 0 | A single model, or numbers of other people beside one's own. |

# %% [markdown] id="comparison-rubric-zh" lang="zh" tags=["rubric"]
# | 等级 | 分数 | 表现 |
# |:--|--:|:--|
# | 优秀 | 10 | 对照模型只在时间信息上不同；按时间切分；所有模型预算相同，并已写明；没有用测试集选择任何设置；在运行之前指定一个简单的基线，例如热门基线或马尔可夫链 |
# | 良好 | 7 | 同上，但有一处不足，例如预算不同，并且正文承认了这一点 |
# | 部分达到 | 4 | 比较的两个模型不止在时间信息上不同，或者切分使未来的信息泄漏 |
# | 缺失 | 0 | 只有一个模型，或者把别人的数字与自己的放在一起比较 |

# %% id="compare" tags=["starter"]
# This cell takes minutes to hours and is not run when the project is graded: keep its output.
# First with --users 100 --seeds 1; stopped, the same command goes on where it was.
from tutorial_lib.experiments.__main__ import main

main(
    "suite --dataset csv:my_data.csv --models popularity,sasrec,tisasrec --out final"
    " --stages tune,sensitivity,significance,report".split()
)

# %% id="read" tags=["starter"]
# Tables of the suite: final/STAGE/*.csv. Not run when graded; keep the output.
import pandas as pd

pd.read_csv("final/significance/gains.csv")

# %% [markdown] id="evidence-en" lang="en" tags=["task"]
# **C. Evidence.** One table: for each comparison the mean difference, its interval over users, the corrected p-value, the range over seeds, and what is left of the gain when the gaps are shuffled. For which users does time help, for which does it not?

# %% [markdown] id="evidence-zh" lang="zh" tags=["task"]
# **C. 证据。** 一张表：每个比较给出差值的均值、对用户的区间、校正后的 p 值、各个种子的范围，以及间隔打乱之后还剩多少提升。时间对哪些用户有帮助，对哪些没有？

# %% [markdown] id="evidence-rubric-en" lang="en" tags=["rubric"]
# | Level | Points | What it looks like |
# |:--|--:|:--|
# | excellent | 10 | Differences with intervals, paired over users; several seeds; a correction where several comparisons are made; the same models with shuffled gaps, so that the part of the gain that comes from the clock is seen; one look at the users for whom it helps. |
# | good | 7 | Intervals and seeds are there; the run with shuffled gaps or the correction is missing. |
# | partial | 4 | Means without intervals, or one seed. |
# | missing | 0 | No table, or a table that the kept outputs contradict. |

# %% [markdown] id="evidence-rubric-zh" lang="zh" tags=["rubric"]
# | 等级 | 分数 | 表现 |
# |:--|--:|:--|
# | 优秀 | 10 | 给出差值和区间，按用户配对；多个种子；做多个比较时有校正；同样的模型在打乱间隔后再运行一次，从而看出提升中有多少来自时间信息；并分析对哪些用户有帮助 |
# | 良好 | 7 | 有区间，有多个种子；缺少打乱间隔的运行或校正 |
# | 部分达到 | 4 | 只有平均值，没有区间，或者只有一个种子 |
# | 缺失 | 0 | 没有表，或者表与保留的输出矛盾 |

# %% [markdown] id="conclusion-en" lang="en" tags=["task"]
# **D. Conclusion and report.** Answer the question of part A in two sentences, then compare with your expectation. How far does the answer reach? What is the strongest objection, and which experiment would answer it? Give the commands with which somebody else gets your numbers, and what did not work.

# %% [markdown] id="conclusion-zh" lang="zh" tags=["task"]
# **D. 结论与报告。** 用两句话回答 A 部分的问题，再与你的预期对照。这个结论能推广到多远？最有力的反对意见是什么，哪个实验能够回答它？给出别人得到同样数字所用的命令，并写出没有成功的尝试。

# %% [markdown] id="conclusion-rubric-en" lang="en" tags=["rubric"]
# | Level | Points | What it looks like |
# |:--|--:|:--|
# | excellent | 10 | The answer follows from the table and keeps to these data, this size and this budget; the strongest objection and the experiment that would answer it; the commands, so that somebody else gets the same numbers; what failed is reported. |
# | good | 7 | The answer follows from the table; limits or commands are incomplete. |
# | partial | 4 | The answer goes further than the table. |
# | missing | 0 | No answer to the question of part A. |

# %% [markdown] id="conclusion-rubric-zh" lang="zh" tags=["rubric"]
# | 等级 | 分数 | 表现 |
# |:--|--:|:--|
# | 优秀 | 10 | 结论由表推出，并限于这份数据、这个规模和这份预算；写出最有力的反对意见，以及能够回答它的实验；给出命令，使别人能得到同样的数字；也报告了失败的尝试 |
# | 良好 | 7 | 结论由表推出；局限或命令写得不完整 |
# | 部分达到 | 4 | 结论超出了表所能支持的范围 |
# | 缺失 | 0 | 没有回答 A 部分的问题 |

# %% [markdown] id="aims-en" lang="en" tags=["guide"]
# ## How to mark
#
# All four parts are marked by you, with the levels below: choose the level whose description fits, and give a number between two levels only with a written reason. nbgrader lists them as *needs manual grading*.
#
# **What it tests.** Whether a student can carry the method of the course to data that nobody has prepared. The direction of the result earns nothing.
#
# **Before you start.** Look whether part B was written before the run: ask for it by the end of week 2 and give it back with one remark. That remark saves more projects than all the marking at the end. The outputs of the three starter cells are kept as handed in; if in doubt, let the student run the command again with you.
#
# **Time.** About 20 minutes a project. Two people mark the same three projects first and compare.

# %% [markdown] id="aims-zh" lang="zh" tags=["guide"]
# ## 怎样评分
#
# 四个部分都由你按下面的等级评分：选出描述相符的等级；只有写明理由，才给两个等级之间的分数。nbgrader 会把它们列为 *needs manual grading*（需要人工评分）。
#
# **考什么。** 学生能不能把课程的方法用到没有人预先整理过的数据上。结果偏向哪一边，不影响得分。
#
# **开始之前。** 先看 B 部分是不是在运行之前写的：请在第 2 周末收上来，写一条意见后发还。这一条意见对项目的帮助，比最后的全部评分都大。三个起始单元格的输出按提交时的样子保留；如果有疑问，让学生当着你的面再运行一次那条命令。
#
# **时间。** 每份大约 20 分钟。两个人先各自评同样的三份，再对照。
