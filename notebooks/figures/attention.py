"""Lesson 04: self-attention, from the events to the mixed values."""

from notebooks.figures.draw import Drawing

LESSON = 4
TEXT = {
    "title": ("Self-attention over one history", "一段历史上的自注意力"),
    "alt": (
        "Self-attention in four steps. Step 1: three matrices turn each event into a query, a key"
        " and a value. Step 2: each query is multiplied with each key and divided by the root of d,"
        " which gives a square table of scores. Step 3: a softmax makes each row of the table a"
        " row of weights with sum 1. Step 4: each row of weights mixes the values. No time enters.",
        "自注意力分四步。第 1 步：三个矩阵把每个事件变成查询、键和值。第 2 步：每个查询与每个键相乘，再除以"
        " d 的平方根，得到一张方形的得分表。第 3 步：softmax 把表的每一行变成和为 1 的权重。第 4 步：每一行"
        "权重对值做加权平均。时间没有进入。",
    ),
    "events": ("L events, d numbers each", "L 个事件，每个 d 个数"),
    "three": ("three matrices: W_{Q} x,  W_{K} x,  W_{V} x", "三个矩阵：W_{Q} x，W_{K} x，W_{V} x"),
    "query": ("query", "查询 query"),
    "key": ("key", "键 key"),
    "value": ("value", "值 value"),
    "scores": ("scores: query · key^{T} / √d", "得分：query · key^{T} / √d"),
    "rows": ("softmax of each row", "对每一行做 softmax"),
    "weights": ("A  [L, L]", "A  [L, L]"),
    "mix": ("Y = A · value", "Y = A · value"),
    "mean": ("a weighted mean of the value rows", "各行 value 的加权平均"),
    "reads": ("event that reads", "读的事件"),
    "read": ("event that is read", "被读的事件"),
    "sum": ("A: rows sum to 1", "A：每行的和为 1"),
    "no_time": ("Neither order nor time enters.", "顺序和时间都没有进入。"),
}
WEIGHTS = ((0.7, 0.05, 0.25), (0.1, 0.8, 0.1), (0.31, 0.07, 0.62))


def draw(d: Drawing) -> None:
    module = "tutorial_lib.models.attention"
    x = d.box(60, 56, 300, "x", d("events"), kind="data")
    d.box(
        60, 142, 460, d("three"), code=f"{module}.CausalSelfAttention.qkv", kind="learned", step=1
    )
    d.arrow(x.bottom(), (210, 142), label="[L, d]")
    d.group(36, 242, 348, 164, code=f"{module}.attention_weights", low=True)
    scores = d.box(60, 264, 300, d("scores"), step=2)
    d.arrow((130, 194), (130, 264), label=d("query") + " [L, d]", at=0.4)
    d.arrow((290, 194), (290, 264), label=d("key") + " [L, d]", at=0.4)
    rows = d.box(60, 336, 300, d("rows"), step=3)
    d.arrow(scores.bottom(), rows.top(), label="[L, L]")
    mix = d.box(60, 458, 460, d("mix"), d("mean"), code=f"{module}.attention", step=4)
    d.arrow(rows.bottom(), (210, 458), label=d("weights"), at=0.8)
    d.arrow((450, 194), (450, 458), label=d("value") + " [L, d]", at=0.15)
    y = d.box(205, 562, 170, "Y", kind="data")
    d.arrow(mix.bottom(), y.top(), label="[L, d]")
    d.grid(505, 280, 34, WEIGHTS)
    d.text(556, 272, d("read"), size=12)
    d.text(556, 400, d("sum"), size=12)
    d.text(497, 331, d("reads"), size=12, turn=True)
    d.note(d("no_time"))
