"""Lesson 16: an ODE-RNN on the time axis: the state flows between events and jumps at them."""

import math

from notebooks.figures.draw import Drawing

LESSON = 16
TEXT = {
    "title": (
        "ODE-RNN: flow between events, jump at events",
        "ODE-RNN：事件之间演化，事件发生时跳跃",
    ),
    "alt": (
        "A row of seven steps from left to right. Steps 1, 3 and 5 are jumps: at each of three"
        " events a GRU changes the state z by the item x. Steps 2, 4 and 6 are flows: the state"
        " moves on by the field f for as long as the clock says: one hour, one year, and from the"
        " last event until the query. Step 7 reads the state out. Below, one number of the state"
        " over time: it moves smoothly between the events and leaps at each event. Time enters at"
        " steps 2, 4 and 6.",
        "一行七步，从左到右。第 1、3、5 步是跳跃：在三个事件处，GRU 用物品 x 改变状态 z。第 2、4、6"
        " 步是演化：状态跟着场 f 继续运动，经过多长时间就演化多长时间：一小时，一年，以及从最后一个事件到查询时刻。第 7"
        " 步读出状态。下方是状态中的一个数随时间的变化：在事件之间平滑移动，在每个事件处跳变。时间在第 2、4、6"
        " 步进入。",
    ),
    "jump": ("jump", "跳跃"),
    "flow": ("flow", "演化"),
    "hour": ("1 h", "1 小时"),
    "year": ("1 year", "1 年"),
    "query": ("until the query", "到查询时刻"),
    "law": (
        "z' = f(s, z),  s = ln(1 + hours):  [B, w] on every arrow of the row",
        "z' = f(s, z)，s = ln(1 + 小时数)：这一行的每个箭头上都是 [B, w]",
    ),
    "number": ("one number of z", "z 中的一个数"),
    "clock": ("time on the clock (not to scale)", "真实时间（未按比例）"),
    "asked": ("query", "查询"),
}
PLACES = (62, 246, 430)  # pixels of the three events
QUERY = 600


def draw(d: Drawing) -> None:
    home = "tutorial_lib.models.deepm3"
    row, before, gaps = 150, None, (d("hour"), d("year"), d("query"))
    d.text(24, 62, d("law"), anchor="start")
    for i, x in enumerate(PLACES):
        item = d.box(x - 30, 84, 60, f"x_{{{i + 1}}}", kind="data")
        jump = d.box(
            x - 38,
            row,
            76,
            d("jump"),
            "GRU",
            kind="state",
            step=2 * i + 1,
            codes=(f"{home}.gru_update",),
        )
        d.arrow(item.bottom(), jump.top(), label="[B, d]")
        if before is not None:
            d.arrow(before.right(), jump.left())
        flow = d.box(
            x + 54,
            row,
            70,
            d("flow"),
            "f",
            kind="time",
            step=2 * i + 2,
            codes=("tutorial_lib.models.deepm3_flows.NeuralFlow",),
        )
        d.arrow(jump.right(), flow.left())
        gap = d.box(x + 21, row + 90, 136, gaps[i], kind="time", codes=(f"{home}.elapsed_hours",))
        d.arrow(gap.top(), flow.bottom(), time=True, label="[B]")
        before = flow
    out = d.box(582, row + 9, 48, "out", kind="learned", step=7, codes=(f"{home}.DeepM3.out",))
    d.arrow(before.right(), out.left())
    # one number of the state: jumps to a height, then moves towards a low
    top, bottom, low = 310, 430, 414
    heights, rates, points = (0.6, 0.95, 0.7), (0.5, 4.0, 1.2), [(PLACES[0], low)]
    for x, after, height, rate in zip(PLACES, (*PLACES[1:], QUERY), heights, rates, strict=True):
        for k in range(41):
            s = k / 40
            y = low - 100 * height * math.exp(-rate * s)
            points.append((x + s * (after - x), y))
    for x in (*PLACES, QUERY):
        d.guide(x, top - 8, bottom)
    d.curve(points)
    d.arrow((24, bottom), (626, bottom), time=True)
    d.text(78, 322, d("number"), anchor="start", size=12)
    d.text(320, bottom + 38, d("clock"))
    for i, x in enumerate(PLACES):
        d.text(x, bottom + 18, f"t_{{{i + 1}}}")
    d.text(QUERY, bottom + 18, d("asked"))
