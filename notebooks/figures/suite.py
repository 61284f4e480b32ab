"""Lesson 18: the suite, eight stages from data and entries to a report."""

from notebooks.figures.draw import Drawing

LESSON = 18
TEXT = {
    "title": ("The suite: eight stages from data to report", "实验套件：从数据到报告的八个阶段"),
    "alt": (
        "Three things go in: a split of the data, a line-up of entries in which each model with a"
        " clock brings its twin without one, and one budget for all. Stage 1, tune: the same grid"
        " of learning rates for every entry, chosen on validation. Then every entry is trained"
        " once with each seed, and evaluated: a rank for each user. Six stages read these runs."
        " Stage 2, sensitivity: clock or order destroyed. Stage 3, robustness: disturbed clocks,"
        " lost events. Stage 4, efficiency. Stage 5, significance: all pairs, and each model against"
        " its twin. Stage 6, irregularity: the gain by how irregular the gaps are. Stage 7,"
        " stability: what seeds alone change. Stage 8 writes the report. Time enters with the"
        " twins and in stages 2, 3 and 6.",
        "输入有三样：数据的切分；参加比较的条目清单，其中每个使用时间信息的模型都配有不带时间信息的对照模型；以及对所有条目相同的预算。第"
        " 1 阶段 tune：每个条目用同一组学习率，在验证集上选。然后每个条目用每个随机种子各训练一次，再评估：每位用户得到一个排名。六个阶段读取这些结果。第"
        " 2 阶段做敏感性（sensitivity）检验：破坏时间信息或顺序。第 3 阶段 robustness（鲁棒性）：扰动时间，丢失事件。第 4 阶段"
        " efficiency：代价。第 5 阶段 significance：所有两两比较，以及每个模型与其对照模型的比较。第 6"
        " 阶段 irregularity：按间隔的不规则程度看增益。第 7 阶段 stability：单凭随机种子会变多少。第 8"
        " 阶段写出报告。时间通过对照模型进入，也在第 2、3、6 阶段进入。",
    ),
    "split": ("train, validation, test", "训练、验证、测试"),
    "entries": ("models, each with its twin", "各个模型及其对照模型"),
    "budget": ("the same for all", "对所有条目相同"),
    "epochs": ("budget", "预算"),
    "rates": ("one grid of rates, on validation", "同一组学习率，在验证集上选"),
    "runs": ("every entry, every seed, once", "每个条目、每个种子各一次"),
    "ranks": ("full ranking of the test part", "在测试集上全量排序"),
    "same": ("six questions, the same runs", "六个问题，同一批结果"),
    "destroyed": ("clock or order|destroyed", "破坏时间|或顺序"),
    "disturbed": ("disturbed clocks,|lost events", "扰动时间，|丢失事件"),
    "costs": ("training, answers,|one more event", "训练、回答、|再来一个事件"),
    "pairs": ("all pairs; each model|against its twin", "所有两两比较；|与对照模型比较"),
    "cv": ("gain by how irregular|the gaps are (CV)", "按间隔的不规则程度|（CV）看增益"),
    "seeds": ("what seeds alone|change", "单凭随机种子|会变多少"),
    "page": ("all tables and verdicts", "所有表格与结论"),
    "chosen": ("[entries]: a rate each", "[条目]：各一个学习率"),
    "trained": ("[entries × seeds]", "[条目 × 种子]"),
    "users": ("[entries × seeds, users]", "[条目 × 种子，用户]"),
}


def draw(d: Drawing) -> None:
    home = "tutorial_lib.experiments"
    stages, suite = f"{home}.stages", f"{home}.comparison.Suite"
    split = d.box(24, 56, 180, d("split"), code=f"{suite}.data", kind="data")
    lineup = d.box(220, 56, 200, d("entries"), code=f"{suite}.lineup", kind="time")
    budget = d.box(436, 56, 180, d("epochs"), d("budget"), kind="data")
    tune = d.box(130, 146, 380, d("rates"), code=f"{stages}.tune", step=1)
    d.arrow(lineup.bottom(), tune.top())
    for box, x in ((split, 170), (budget, 470)):
        d.arrow((x, box.bottom()[1]), (x, tune.y))
    train = d.box(130, 232, 380, d("runs"), code=f"{suite}.train_all", kind="state")
    d.arrow(tune.bottom(), train.top(), label=d("chosen"))
    ranks = d.box(130, 318, 380, d("ranks"), code="tutorial_lib.evaluate.evaluate")
    d.arrow(train.bottom(), ranks.top(), label=d("trained"))
    d.group(14, 412, 612, 238, d("same"), low=True)
    d.arrow(ranks.bottom(), (320, 412), label=d("users"))
    cells = ("sensitivity", "destroyed"), ("robustness", "disturbed"), ("efficiency", "costs")
    cells += ("significance", "pairs"), ("irregularity", "cv"), ("stability", "seeds")
    for place, (stage, words) in enumerate(cells):
        d.box(
            32 + 200 * (place % 3),
            432 + 96 * (place // 3),
            176,
            *d(words).split("|"),
            code=f"{stages}.{stage}",
            step=place + 2,
            kind="time" if stage in ("sensitivity", "robustness", "irregularity") else "plain",
        )
    report = d.box(210, 682, 220, d("page"), code=f"{stages}.report", kind="data", step=8)
    d.arrow((320, 650), report.top())
