"""Lesson 07: SASRec, from the ids of a history to the scores of all items."""

from notebooks.figures.draw import Drawing

LESSON = 7
TEXT = {
    "title": ("SASRec, from a history to scores", "SASRec：从历史到得分"),
    "alt": (
        "SASRec. Step 1: the item table turns ids into vectors, which are multiplied by the root of"
        " d. Step 2: the vector of each position is added; dropout follows. In each block, step 3:"
        " norm1 and causal attention. Step 4: its result is added. Step 5: norm2 and the"
        " feed-forward network. Step 6: its result is added. Step 7: after the last block, one"
        " LayerNorm gives the states. Step 8: the states are multiplied with the same item table,"
        " which gives a score for each item; PAD gets minus infinity. Order enters by positions and"
        " the mask; time does not enter.",
        "SASRec。第 1 步：物品表把编号变成向量，再乘以 d 的平方根。第 2 步：加上每个位置的向量，然后是"
        " dropout。在每个块里，第 3 步：norm1 和因果注意力。第 4 步：加上它的结果。第 5 步：norm2"
        " 和前馈网络。第 6 步：加上它的结果。第 7 步：最后一个块之后，再做一次层归一化，得到状态。第 8"
        " 步：状态与同一张物品表相乘，得到每个物品的得分；PAD 得负无穷。顺序通过位置和掩码进入；时间没有进入。",
    ),
    "ids": ("ids of the events, 0 = PAD", "事件的物品编号，0 = PAD"),
    "look": ("row of each item · √d", "每个物品的那一行 · √d"),
    "positions": ("positions 0 … L − 1", "位置 0 … L − 1"),
    "table": ("one row a position", "每个位置一行"),
    "attention": ("`norm1`, then `attention`", "先 `norm1`，再 `attention`"),
    "causal": ("causal: the past alone", "因果：只看过去"),
    "ff": ("`norm2`, then `feed_forward`", "先 `norm2`，再 `feed_forward`"),
    "result": ("scores", "得分"),
    "pad": ("of all items; PAD: −∞", "所有物品；PAD 为 −∞"),
    "tied": ("the same table", "同一张表"),
    "no_time": (
        "Order enters at step 2 and by the mask; time enters nowhere.",
        "顺序在第 2 步和通过掩码进入；时间没有进入。",
    ),
}


def draw(d: Drawing) -> None:
    model = "tutorial_lib.models.sasrec.SASRec"
    base, block = "tutorial_lib.models.base.SequenceModel", "tutorial_lib.models.sasrec.Block"
    down = d.column(220, 56, 260)
    down.box("`items`", d("ids"), kind="data", gives="[B, L]")
    table = down.box(
        d("look"), code=f"{base}.item_embedding", kind="learned", step=1, gives="[B, L, d]"
    )
    plus = down.sign("+", gives="[B, L, d]", step=2)
    place = d.box(
        420, plus.y - 14, 190, d("table"), code=f"{model}.position_embedding", kind="learned"
    )
    d.arrow(place.left(), plus.right(), label="[L, d]")
    d.arrow((515, plus.y - 34), place.top())
    d.text(515, plus.y - 40, d("positions"))
    down.y += 32
    attention = down.box(
        d("attention"),
        d("causal"),
        codes=(f"{block}.norm1", f"{block}.attention"),
        kind="learned",
        step=3,
        gives="[B, L, d]",
    )
    first = down.sign("+", gives="[B, L, d]", step=4)
    down.box(
        d("ff"),
        d("alone"),
        codes=(f"{block}.norm2", f"{block}.feed_forward"),
        kind="learned",
        step=5,
        gives="[B, L, d]",
    )
    second = down.sign("+", gives="[B, L, d]", step=6)
    d.bypass((220, attention.y - 26), first, 66)
    d.bypass(first.bottom(), second, 66)
    d.group(40, attention.y - 34, 360, second.y + 58 - attention.y + 34, d("blocks"), code=block)
    down.y += 26
    down.box(d("norm"), code=f"{model}.norm", kind="learned", step=7, gives="[B, L, d]")
    score = down.box(d("scores"), code=f"{base}.score", step=8, gives="[B, L, V + 1]")
    down.box(d("result"), d("pad"), kind="data")
    (right, y), (_, end) = table.right(), score.right()
    d.arrow((right, y), (626, y), (626, end), score.right(), dashed=True, label=d("tied"), part=2)
    d.note(d("no_time"))
