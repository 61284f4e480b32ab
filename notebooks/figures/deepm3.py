"""Lesson 17: DeepM3, a recurrent model whose state moves on between the events."""

from notebooks.figures.draw import Drawing

LESSON = 17
TEXT = {
    "title": ("DeepM3: flow, jump, flow, ... read", "DeepM3：演化、跳跃、演化……读出"),
    "alt": (
        "DeepM3. Step 1: the item table, times the root of d, then dropout. Step 2: the input's share"
        " of the GRU gates, for all events at once. Step 3, only with the attractor: a slow GRU,"
        " which reads no clock, gives a goal for each event. Step 4: the hours between events. Step"
        " 5: the flow's context, what does not depend on the state: the log time or what is kept of"
        " the state. Then a loop over the events: step 6, the flow moves the state over its gap;"
        " step 7, the GRU jumps. Step 8, only if the query time may be known: the state flows on"
        " from each event to its query. Step 9: dropout and the output map give the states. Step 10:"
        " scores with the item table. Time enters at steps 4, 5, 6 and 8.",
        "DeepM3。第 1 步：查物品表，乘以 d 的平方根，再做 dropout。第 2 步：一次算出所有事件对 GRU"
        " 各个门的输入部分。第 3 步，只在吸引子形式下有：一个不看时间的慢 GRU 为每个事件给出目标。第 4"
        " 步：事件之间的小时数。第 5 步：演化的上下文，即与状态无关的部分：对数时间，或者状态留下的比例。然后按事件循环：第 6"
        " 步，演化把状态推过这段间隔；第 7 步，GRU 跳跃。第 8"
        " 步，只在允许知道查询时刻时有：状态从每个事件继续演化到它的查询时刻。第 9 步：dropout"
        " 和输出映射给出状态。第 10 步：用物品表打分。时间在第 4、5、6、8 步进入。",
    ),
    "look": ("row · √d, dropout", "查表 · √d，dropout"),
    "gates": ("gates: W x + b, all events at once", "各个门的 W x + b，一次算完"),
    "hours": ("since the event before", "距上一个事件"),
    "context": ("log time, or what is kept", "对数时间，或留下的比例"),
    "slow": ("slow GRU, no clock: `goal`", "慢 GRU，不看时间：`goal`"),
    "only": ("`attractor` only", "只在 `attractor` 时"),
    "flow": ("z^{−} = flow(z, context)", "z^{−} = flow(z, context)"),
    "jump": ("z = GRU(z^{−}, gates)", "z = GRU(z^{−}, gates)"),
    "loop": ("for each event in order", "按顺序对每个事件"),
    "later": ("flow from event to query", "从事件演化到查询时刻"),
    "known": ("`query_time=True` only", "只在 `query_time=True` 时"),
    "out": ("dropout, Linear w → d", "dropout，Linear w → d"),
    "plain": (
        '`solver="none"`: without steps 4, 5, 6 and 8, a plain GRU.',
        '`solver="none"`：去掉第 4、5、6、8 步，就是普通的 GRU。',
    ),
}


def draw(d: Drawing) -> None:
    home, base = "tutorial_lib.models.deepm3", "tutorial_lib.models.base.SequenceModel"
    flow, model = "tutorial_lib.models.deepm3_flows.Flow", f"{home}.DeepM3"
    down = d.column(150, 56, 240)
    down.box("`items`", d("ids"), kind="data", gives="[B, L]")
    look = down.box(
        d("look"), code=f"{base}.item_embedding", kind="learned", step=1, gives="[B, L, d]"
    )
    down.box(d("gates"), code=f"{model}.cell", kind="learned", step=2, gives="[B, L, 3w]")
    down.y = 446
    jump = down.box(d("jump"), code=f"{home}.gru_update", kind="state", step=7, gives="[B, L, w]")
    clock = d.column(490, 56, 230, time=True)
    clock.box("`times`", d("seconds"), kind="time", gives="[B, L]")
    clock.box(d("hours"), code=f"{home}.elapsed_hours", kind="time", step=4, gives="[B, L − 1]")
    context = clock.box(d("context"), code=f"{flow}.context", kind="time", step=5)
    slow = d.box(
        375,
        312,
        203,
        d("slow"),
        d("only"),
        codes=(f"{model}.slow", f"{model}.goal"),
        kind="learned",
        step=3,
    )
    d.arrow(
        look.right(),
        (300, look.right()[1]),
        (300, slow.left()[1]),
        slow.left(),
        label="[B, L, d]",
        part=1,
        at=0.3,
    )
    move = d.box(375, 446, 230, "`evolve`", d("flow"), kind="time", step=6)
    d.arrow(
        (586, context.bottom()[1]),
        (586, move.y),
        label="[B, L − 1, …]",
        side=-1,
        at=0.12,
        time=True,
    )
    d.arrow(slow.bottom(), (476.5, move.y), label="[B, L, w]", at=0.33)
    d.arrow(move.left(0.3), jump.right(0.3), label="z^{−} [B, w]", time=True)
    d.arrow(jump.right(0.75), move.left(0.75), label="z [B, w]", side=-1)
    d.group(16, 412, 608, 114, d("loop"), low=True)
    down.y += 30
    later = down.box(d("later"), d("known"), codes=(flow,), kind="time", step=8, gives="[B, L, w]")
    query = d.box(
        375, later.y, 230, "`query_times` − `times`", code=f"{home}.elapsed_hours", kind="time"
    )
    d.arrow(query.left(), later.right(), time=True, label="[B, L]")
    down.box(d("out"), code=f"{model}.out", kind="learned", step=9, gives="[B, L, d]")
    down.box(d("scores"), "[B, L, V + 1]", code=f"{base}.score", step=10)
    d.note(d("plain"))
