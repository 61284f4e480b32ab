"""Lesson 08: TiSASRec, attention that looks up how long ago each event was."""

from notebooks.figures.draw import Drawing

LESSON = 8
TEXT = {
    "title": ("TiSASRec: the interval takes part", "TiSASRec：间隔参与注意力"),
    "alt": (
        "TiSASRec. On the right, the clock. Step 1: the intervals between all pairs of events, in"
        " seconds. Step 2: each interval becomes the number of a bucket; each bucket has a row in"
        " two tables, one for keys and one for values. On the left, the events. Step 3: the item"
        " table, times the root of d; no position is added here. In each block, step 4: norm1,"
        " then query, key and value; position vectors are added to keys and values. Step 5: scores"
        " of the query with the key plus the interval's row. Step 6: causal mask and softmax. Step"
        " 7: the weights mix the value plus the interval's row. Step 8: the output map, and the"
        " residual is added. Step 9: norm2 and the feed-forward network. Step 10: its residual is"
        " added. Step 11: a last LayerNorm gives the states. Step 12: scores with the item table."
        " Time enters at steps 1, 5 and 7.",
        "TiSASRec。右边是时间信息。第 1 步：所有事件两两之间的间隔，以秒计。第 2 步：每个间隔变成一个桶的编号；"
        "每个桶在两张表里各有一行，一张给键，一张给值。左边是事件。第 3 步：查物品表，乘以 d"
        " 的平方根；这里不加位置。在每个块里，第 4 步：norm1，然后得到查询、键和值；位置向量加到键和值上。第 5"
        " 步：查询与“键加上间隔的那一行”算得分。第 6 步：因果掩码和 softmax。第 7 步：用权重对“值加上间隔的那一行”做加权平均。第 8"
        " 步：输出映射，再加上残差。第 9 步：norm2 和前馈网络。第 10 步：加上残差。第 11"
        " 步：最后的层归一化给出状态。第 12 步：用物品表打分。时间在第 1、5、7 步进入。",
    ),
    "gaps": ("| t_{i} − t_{j} | of all pairs", "所有配对的 | t_{i} − t_{j} |"),
    "bucket": ("b_{ij}, from 0 to K", "b_{ij}，从 0 到 K"),
    "rows": ("R^{K}, R^{V}: a row a bucket", "R^{K}、R^{V}：每个桶一行"),
    "look": ("row · √d; no position added", "查表 · √d；不加位置"),
    "qkv": ("`norm1`, then `qkv`", "先 `norm1`，再 `qkv`"),
    "places": ("K + P^{K},  V + P^{V}: positions", "K + P^{K}，V + P^{V}：位置"),
    "score": (
        "Q · (K + P^{K} + R^{K}[b_{ij}]) / √d_{h}",
        "Q · (K + P^{K} + R^{K}[b_{ij}]) / √d_{h}",
    ),
    "softmax": ("causal mask, softmax", "因果掩码，softmax"),
    "mix": ("Σ_{j} a_{ij} (V + P^{V} + R^{V}[b_{ij}])", "Σ_{j} a_{ij} (V + P^{V} + R^{V}[b_{ij}])"),
    "join": ("`out`, then + x", "先 `out`，再 + x"),
    "ff": ("`norm2`, then `feed_forward`", "先 `norm2`，再 `feed_forward`"),
}


def draw(d: Drawing) -> None:
    home = "tutorial_lib.models.tisasrec"
    base, block = "tutorial_lib.models.base.SequenceModel", f"{home}.IntervalBlock"
    attention = f"{home}.IntervalAttention"
    clock = d.column(500, 56, 216, time=True)
    clock.box(d("times"), d("seconds"), kind="time", gives="[B, L]")
    clock.box(d("gaps"), code=f"{home}.Intervals", kind="time", step=1, gives="[B, L, L]")
    clock.box(d("bucket"), code=f"{home}.log_buckets", kind="time", step=2)
    down = d.column(185, 56, 270)
    down.box("`items`", d("ids"), kind="data", gives="[B, L]")
    down.box(d("look"), code=f"{base}.item_embedding", kind="learned", step=3, gives="[B, L, d]")
    down.y += 32
    first = down.box(
        d("qkv"),
        d("places"),
        codes=(
            f"{block}.norm1",
            f"{attention}.qkv",
            f"{home}.TiSASRec.position_key",
            f"{home}.TiSASRec.position_value",
        ),
        kind="learned",
        step=4,
        gives="[B, H, L, d_{h}]",
    )
    score = down.box(d("score"), code=f"{home}.interval_attention", step=5, gives="[B, H, L, L]")
    down.box(d("softmax"), step=6, gives="[B, H, L, L]")
    mix = down.box(d("mix"), step=7, gives="[B, H, L, d_{h}]")
    join = down.box(
        d("join"), codes=(f"{attention}.out",), kind="learned", step=8, gives="[B, L, d]"
    )
    down.box(
        d("ff"),
        codes=(f"{block}.norm2", f"{block}.feed_forward"),
        kind="learned",
        step=9,
        gives="[B, L, d]",
    )
    plus = down.sign("+", gives="[B, L, d]", step=10)
    d.bypass((185, first.y - 26), join, 30)
    d.bypass(join.bottom(), plus, 30)
    d.group(16, first.y - 34, 316, plus.y + 92 - first.y, d("blocks"), code=block, beside=True)
    down.y += 26
    down.box(d("norm"), code=f"{home}.TiSASRec.norm", kind="learned", step=11, gives="[B, L, d]")
    down.box(d("scores"), "[B, L, V + 1]", code=f"{base}.score", step=12)
    rows = d.box(
        412,
        score.y + 40,
        200,
        d("rows"),
        "`interval_key`",
        "`interval_value`",
        codes=(f"{home}.TiSASRec.interval_key", f"{home}.TiSASRec.interval_value"),
        kind="learned",
    )
    d.arrow(clock.last.bottom(), (500, rows.y), label="[B, L, L]", time=True, at=0.3)
    d.arrow(
        (480, rows.y),
        (480, score.right()[1]),
        score.right(),
        time=True,
        label="R^{K}  [B, H, L, L, d_{h}]",
        part=1,
    )
    d.arrow(
        (480, rows.bottom()[1]),
        (480, mix.right()[1]),
        mix.right(),
        time=True,
        label="R^{V}  [B, H, L, L, d_{h}]",
        part=1,
    )
