"""Lesson 13: SS4Rec, a state space that follows the clock, then one that follows the items."""

from notebooks.figures.draw import Drawing

LESSON = 13
TEXT = {
    "title": ("SS4Rec: first the clock, then the items", "SS4Rec：先看时间，再看物品"),
    "alt": (
        "SS4Rec. Step 1: the item table turns ids into vectors; no positions, no root of d. Step 2:"
        " times become steps: one plus the log of the gap, since the event before, and ahead until"
        " the query if the query time may be known. In each block, step 3: S5, whose decay follows"
        " the steps of the clock. Step 4: its residual is added. Step 5: norm1. Step 6: the"
        " selective state space, whose steps come from the items. Step 7: its residual is added."
        " Step 8: norm2. Step 9: scores with the item table. Time enters at steps 2 and 3.",
        "SS4Rec。第 1 步：物品表把编号变成向量；不加位置，不乘 d 的平方根。第 2"
        " 步：时间变成步长：1 加上间隔的对数，一是距上一个事件，二是（如果允许知道查询时刻）到查询时刻。在每个块里，第 3"
        " 步：S5，它的衰减由时间步长决定。第 4 步：加上残差。第 5 步：norm1。第 6"
        " 步：选择性状态空间，它的步长由物品算出。第 7 步：加上残差。第 8 步：norm2。第 9"
        " 步：用物品表打分。时间在第 2、3 步进入。",
    ),
    "look": ("row of each item", "每个物品的那一行"),
    "steps": ("1 + log(1 + gap / 1 h)", "1 + log(1 + 间隔 / 1 h)"),
    "both": ("`steps`: since the event before", "`steps`：距上一个事件"),
    "ahead": ("`ahead`: until the query", "`ahead`：到查询时刻"),
    "s5": ("S5: decay e^{λ · step}", "S5：衰减 e^{λ · step}"),
    "fades": ("the state fades with time", "状态随时间衰减"),
    "s6": ("S6: decay e^{Δ A}, Δ from x", "S6：衰减 e^{Δ A}，Δ 由 x 算出"),
    "chooses": ("the item decides what is kept", "由物品决定留下什么"),
}


def draw(d: Drawing) -> None:
    block, base = "tutorial_lib.models.ss4rec.Block", "tutorial_lib.models.base.SequenceModel"
    down = d.column(190, 56, 260)
    down.box("`items`", d("ids"), kind="data", gives="[B, L]")
    down.box(d("look"), code=f"{base}.item_embedding", kind="learned", step=1, gives="[B, L, d]")
    down.y += 32
    s5 = down.box(
        d("s5"),
        d("fades"),
        code=f"{block}.time_aware",
        kind="state",
        step=3,
        codes=("tutorial_lib.models.ssm.S5",),
        gives="[B, L, d]",
    )
    first = down.sign("+", gives="[B, L, d]", step=4)
    norm1 = down.box(d("norm"), code=f"{block}.norm1", kind="learned", step=5, gives="[B, L, d]")
    down.box(
        d("s6"),
        d("chooses"),
        code=f"{block}.relation_aware",
        kind="state",
        step=6,
        codes=("tutorial_lib.models.mamba.SelectiveSSM",),
        gives="[B, L, d]",
    )
    second = down.sign("+", gives="[B, L, d]", step=7)
    norm2 = down.box(d("norm"), code=f"{block}.norm2", kind="learned", step=8, gives="[B, L, d]")
    d.bypass((190, s5.y - 26), first, 36)
    d.bypass(norm1.bottom(), second, 36)
    d.group(
        20, s5.y - 34, 324, norm2.y + norm2.h - s5.y + 64, d("post_norm"), code=block, beside=True
    )
    down.y += 30
    down.box(d("scores"), "[B, L, V + 1]", code=f"{base}.score", step=9)
    clock = d.column(490, 56, 240, time=True)
    clock.box(d("times"), d("seconds"), kind="time", gives="[B, L]")
    steps = clock.box(
        d("steps"),
        d("both"),
        d("ahead"),
        code="tutorial_lib.models.ssm.event_steps",
        kind="time",
        step=2,
    )
    d.arrow(steps.bottom(), (490, s5.right()[1]), s5.right(), time=True, label="[B, L]", at=0.4)
