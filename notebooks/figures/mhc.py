"""Lesson 09: residual streams, and one manifold-constrained hyper-connection around a sub-layer."""

from notebooks.figures.draw import Drawing

LESSON = 9
TEXT = {
    "title": ("mHC: n residual streams around a sub-layer F", "mHC：子层 F 周围的 n 条残差流"),
    "alt": (
        "Step 1: the vector of each event is copied into n streams X, once, before the first block."
        " Step 2: from all streams of an event one matrix phi makes the logits of three mappings;"
        " a sigmoid gives H pre, twice a sigmoid gives H post, Sinkhorn gives the doubly stochastic"
        " H res. Step 3: H pre reads one vector out of the streams. Step 4: the sub-layer F, a norm"
        " and attention, works on that vector. Step 5: H res mixes the streams. Step 6: H post"
        " writes the output of F into each stream, added to the mixed streams. Step 7: the same"
        " again around the feed-forward network, with mappings of its own. Step 8: after the last"
        " block the mean over the streams is taken, once. Time does not enter.",
        "第 1 步：在第一个块之前，把每个事件的向量复制成 n 条流 X，只做一次。第 2"
        " 步：矩阵 phi 从一个事件的全部流算出三个映射的 logits；sigmoid 给出 H pre，两倍的 sigmoid 给出 H"
        " post，Sinkhorn 给出双随机的 H res。第 3 步：H pre 从各条流中读出一个向量。第 4"
        " 步：子层 F（归一化加注意力）处理这个向量。第 5 步：H res 混合各条流。第 6 步：H post 把 F"
        " 的输出写进每条流，加到混合后的流上。第 7 步：围绕前馈网络再做一遍，用它自己的映射。第 8"
        " 步：最后一个块之后，对各条流取平均，只做一次。时间没有进入。",
    ),
    "copy": ("n copies, once", "复制 n 份，只做一次"),
    "streams": ("X:  n streams of each event  [B, L, n, d]", "X：每个事件的 n 条流  [B, L, n, d]"),
    "maps": ("RMSNorm(X) · φ, α, bias", "RMSNorm(X) · φ，α，bias"),
    "pre": ("H_{pre} = σ", "H_{pre} = σ"),
    "post": ("H_{post} = 2 σ  [B, L, n]", "H_{post} = 2 σ  [B, L, n]"),
    "res": ("H_{res}  [B, L, n, n]", "H_{res}  [B, L, n, n]"),
    "read": ("H_{pre} X:  read", "H_{pre} X：读出"),
    "F": ("F: `norm1`, then `attention`", "F：先 `norm1`，再 `attention`"),
    "mix": ("H_{res} X:  mix", "H_{res} X：混合"),
    "write": (
        "H_{post}^{T} F(H_{pre} X) + H_{res} X:  write",
        "H_{post}^{T} F(H_{pre} X) + H_{res} X：写入",
    ),
    "again": (
        "steps 2 to 6 again, with mappings of its own",
        "再做一遍第 2 到 6 步，用它自己的映射",
    ),
    "second": ("F: `norm2`, then `feed_forward`", "F：先 `norm2`，再 `feed_forward`"),
    "mean": ("mean over the streams, once", "对各条流取平均，只做一次"),
    "no_time": (
        "Time enters nowhere here; TiSASRec brings it into `attention`.",
        "这里没有时间；TiSASRec 把时间带进 `attention`。",
    ),
}


def draw(d: Drawing) -> None:
    home, block = "tutorial_lib.models.mhc", "tutorial_lib.models.sasrec.Block"
    x = d.box(35, 60, 130, "x", kind="data")
    copy = d.box(240, 51, 200, d("copy"), code=f"{home}.through_streams", step=1)
    d.arrow(x.right(), copy.left(), label="[B, L, d]")
    streams = d.box(35, 136, 570, d("streams"), kind="state")
    d.arrow(copy.bottom(), (340, 136))
    d.group(10, 182, 620, 378, d("blocks"), code=f"{home}.HyperBlock", low=True)
    d.group(22, 192, 596, 254, code=f"{home}.HyperConnection", low=True)
    maps = d.box(
        235, 222, 190, d("maps"), code=f"{home}.HyperConnection.mappings", kind="learned", step=2
    )
    d.arrow((330, streams.bottom()[1]), maps.top())
    read = d.box(35, 231, 125, d("read"), step=3)
    d.arrow((97.5, 170), read.top())
    d.arrow(maps.left(), read.right(), label=d("pre"))
    d.text(197, 266, "[B, L, n]")
    function = d.box(
        35, 316, 240, d("F"), codes=(f"{block}.norm1", f"{block}.attention"), kind="learned", step=4
    )
    d.arrow(read.bottom(), (97.5, 316), label="[B, L, d]")
    sinkhorn = d.box(470, 231, 92, code=f"{home}.sinkhorn")
    d.arrow(maps.right(), sinkhorn.left())
    mix = d.box(450, 316, 155, d("mix"), step=5)
    d.arrow(sinkhorn.bottom(), (516, 316), label=d("res"), side=-1, at=0.6)
    d.arrow((588, 170), (588, 316))
    d.box(35, 390, 570, d("write"), step=6)
    d.arrow(function.bottom(), (155, 390), label="[B, L, d]", at=0.4)
    d.arrow(maps.bottom(), (330, 390), label=d("post"), at=0.8)
    d.arrow(mix.bottom(), (527.5, 390), label="[B, L, n, d]", at=0.4)
    second = d.box(
        120,
        480,
        400,
        d("second"),
        d("again"),
        codes=(f"{block}.norm2", f"{block}.feed_forward"),
        kind="learned",
        step=7,
    )
    d.arrow((320, 424), second.top(), label="[B, L, n, d]", at=0.78)
    mean = d.box(200, 592, 240, d("mean"), code=f"{home}.through_streams", step=8)
    d.arrow(second.bottom(), mean.top(), label="[B, L, n, d]", at=0.25)
    end = d.box(255, 676, 130, "x", kind="data")
    d.arrow(mean.bottom(), end.top(), label="[B, L, d]")
    d.note(d("no_time"))
