# SPDX-License-Identifier: MIT
"""The blocks that tests/bench compares, as one writes them in PyTorch. Parameters have the names
that vkattn gives its weights, so that state_dict() is vkattn's set of weights."""
import torch
import torch.nn.functional as F
from torch import nn


def gated(x, s):
    return x * s.unsqueeze(2).unsqueeze(3)


class Se(nn.Module):
    def __init__(self, c, hidden):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(c, hidden), nn.Linear(hidden, c)

    def forward(self, x):
        pooled = F.adaptive_avg_pool2d(x, 1).flatten(1)
        return gated(x, torch.sigmoid(self.fc2(F.relu(self.fc1(pooled)))))


class Eca(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.conv = nn.Conv1d(1, 1, k, padding=k // 2, bias=False)

    def forward(self, x):
        return gated(x, torch.sigmoid(self.conv(x.mean((2, 3))[:, None])[:, 0]))


class Cbam(nn.Module):
    def __init__(self, c, hidden, k):
        super().__init__()
        self.channel = nn.ModuleDict({"fc1": nn.Linear(c, hidden), "fc2": nn.Linear(hidden, c)})
        self.spatial = nn.ModuleDict({"conv": nn.Conv2d(2, 1, k, padding=k // 2, bias=False),
                                      "bn": nn.BatchNorm2d(1)})

    def perceptron(self, s):
        return self.channel["fc2"](F.relu(self.channel["fc1"](s)))

    def forward(self, x):
        x = gated(x, torch.sigmoid(self.perceptron(x.mean((2, 3)))
                                   + self.perceptron(x.amax((2, 3)))))
        pooled = torch.cat([x.amax(1, keepdim=True), x.mean(1, keepdim=True)], 1)
        return x * torch.sigmoid(self.spatial["bn"](self.spatial["conv"](pooled)))


class Bam(nn.Module):
    def __init__(self, c, hidden, dilation=4):
        super().__init__()
        self.channel = nn.ModuleDict({
            "fc": nn.ModuleList([nn.Linear(c, hidden), nn.Linear(hidden, c)]),
            "bn": nn.ModuleList([nn.BatchNorm1d(hidden)])})
        self.spatial = nn.ModuleDict({
            "reduce": nn.Conv2d(c, hidden, 1), "reduce_bn": nn.BatchNorm2d(hidden),
            "dilated": nn.ModuleList(
                nn.Conv2d(hidden, hidden, 3, padding=dilation, dilation=dilation)
                for _ in range(2)),
            "dilated_bn": nn.ModuleList(nn.BatchNorm2d(hidden) for _ in range(2)),
            "final": nn.Conv2d(hidden, 1, 1)})

    def forward(self, x):
        fc, part = self.channel["fc"], self.spatial
        c = fc[1](F.relu(self.channel["bn"][0](fc[0](x.mean((2, 3))))))
        s = F.relu(part["reduce_bn"](part["reduce"](x)))
        for conv, norm in zip(part["dilated"], part["dilated_bn"]):
            s = F.relu(norm(conv(s)))
        return x * (1 + torch.sigmoid(c[:, :, None, None] * part["final"](s)))


class Gc(nn.Module):
    def __init__(self, c, hidden):
        super().__init__()
        self.conv_mask = nn.Conv2d(c, 1, 1)
        self.channel_add = nn.ModuleDict({"fc1": nn.Linear(c, hidden), "ln": nn.LayerNorm(hidden),
                                          "fc2": nn.Linear(hidden, c)})

    def forward(self, x):
        share = torch.softmax(self.conv_mask(x).flatten(2), 2)
        context = (x.flatten(2) @ share.transpose(1, 2))[:, :, 0]
        add = self.channel_add
        return x + add["fc2"](F.relu(add["ln"](add["fc1"](context))))[:, :, None, None]


class Sk(nn.Module):
    def __init__(self, c, hidden, groups=32, branches=2):
        super().__init__()
        self.branch = nn.ModuleList(nn.ModuleDict({
            "conv": nn.Conv2d(c, c, 3, padding=i + 1, dilation=i + 1, groups=groups, bias=False),
            "bn": nn.BatchNorm2d(c)}) for i in range(branches))
        self.fc1, self.fc1_bn = nn.Linear(c, hidden, bias=False), nn.BatchNorm1d(hidden)
        self.fc2 = nn.Linear(hidden, branches * c, bias=False)

    def forward(self, x):
        u = [F.relu(b["bn"](b["conv"](x))) for b in self.branch]
        z = F.relu(self.fc1_bn(self.fc1(sum(u).mean((2, 3)))))
        share = torch.softmax(self.fc2(z).view(len(x), len(u), -1), 1)
        return sum(gated(part, share[:, i]) for i, part in enumerate(u))


class NonLocal(nn.Module):
    def __init__(self, c, inner):
        super().__init__()
        self.theta, self.phi, self.g = (nn.Conv2d(c, inner, 1) for _ in range(3))
        self.conv_out = nn.Conv2d(inner, c, 1)

    def forward(self, x):
        q, k, v = (f(x).flatten(2) for f in (self.theta, self.phi, self.g))
        y = torch.softmax(q.transpose(1, 2) @ k, -1) @ v.transpose(1, 2)
        return x + self.conv_out(y.transpose(1, 2).reshape(q.shape[:2] + x.shape[2:]))


class DoubleAttention(nn.Module):
    def __init__(self, c, m, n):
        super().__init__()
        self.conv_a, self.conv_b, self.conv_v = (nn.Conv2d(c, i, 1) for i in (m, n, n))
        self.conv_reconstruct = nn.Conv2d(m, c, 1)

    def forward(self, x):
        a = self.conv_a(x).flatten(2)
        gather = torch.softmax(self.conv_b(x).flatten(2), 2)
        share = torch.softmax(self.conv_v(x).flatten(2), 1)
        z = (a @ gather.transpose(1, 2)) @ share
        return self.conv_reconstruct(z.view(z.shape[:2] + x.shape[2:]))


class Cgnl(nn.Module):
    def __init__(self, c, inner, groups):
        super().__init__()
        self.t, self.p, self.g = (nn.Conv2d(c, inner, 1, bias=False) for _ in range(3))
        self.z = nn.Conv2d(inner, c, 1, groups=groups, bias=False)
        self.gn, self.groups = nn.GroupNorm(groups, c), groups

    def forward(self, x):
        t, p, g = (f(x).view(len(x), self.groups, -1) for f in (self.t, self.p, self.g))
        o = (p * g).sum(2, keepdim=True) * t
        return x + self.gn(self.z(o.view(len(x), -1, *x.shape[2:])))


class Glore(nn.Module):
    def __init__(self, c, states, nodes):
        super().__init__()
        self.conv_state, self.conv_proj = nn.Conv2d(c, states, 1), nn.Conv2d(c, nodes, 1)
        self.gcn = nn.ModuleDict({"conv1": nn.Conv1d(nodes, nodes, 1),
                                  "conv2": nn.Conv1d(states, states, 1, bias=False)})
        self.conv_extend = nn.Conv2d(states, c, 1, bias=False)
        self.bn = nn.BatchNorm2d(c, eps=1e-4)

    def forward(self, x):
        state, proj = self.conv_state(x).flatten(2), self.conv_proj(x).flatten(2)
        v = state @ proj.transpose(1, 2)
        v = v + self.gcn["conv1"](v.transpose(1, 2)).transpose(1, 2)
        back = self.gcn["conv2"](F.relu(v)) @ proj
        return x + self.bn(self.conv_extend(back.view(back.shape[:2] + x.shape[2:])))


class Sdpa(nn.Module):
    def __init__(self, causal=False):
        super().__init__()
        self.causal = causal

    def forward(self, q, k, v):
        shared = {"enable_gqa": True} if q.shape[1] != k.shape[1] else {}
        return F.scaled_dot_product_attention(q, k, v, is_causal=self.causal, **shared)


class Mha(nn.Module):
    def __init__(self, e, heads):
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.randn(3 * e, e) / e ** 0.5)
        self.in_proj_bias = nn.Parameter(torch.randn(3 * e) * 0.1)
        self.out_proj = nn.Linear(e, e)

    def forward(self, x):
        n, t, e = x.shape
        parts = F.linear(x, self.in_proj_weight, self.in_proj_bias).chunk(3, 2)
        q, k, v = (p.view(n, t, self.heads, e // self.heads).transpose(1, 2) for p in parts)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.out_proj(y.transpose(1, 2).reshape(n, t, e))


class Encoder(nn.Module):
    def __init__(self, e, heads, hidden):
        super().__init__()
        self.self_attn, self.norm1, self.norm2 = Mha(e, heads), nn.LayerNorm(e), nn.LayerNorm(e)
        self.linear1, self.linear2 = nn.Linear(e, hidden), nn.Linear(hidden, e)

    def forward(self, x):
        x = self.norm1(x + self.self_attn(x))
        return self.norm2(x + self.linear2(F.relu(self.linear1(x))))


class CrissCross(nn.Module):
    def __init__(self, c, inner, height):
        super().__init__()
        self.query, self.key = nn.Conv2d(c, inner, 1), nn.Conv2d(c, inner, 1)
        self.value, self.gamma = nn.Conv2d(c, c, 1), nn.Parameter(torch.full((1,), 0.7))
        itself = torch.zeros(height, height).fill_diagonal_(float("-inf"))[None, :, None, :]
        self.register_buffer("itself", itself, persistent=False)

    def forward(self, x):
        q, k, v = self.query(x), self.key(x), self.value(x)
        column = torch.einsum("bchw,bcgw->bhwg", q, k) + self.itself
        row = torch.einsum("bchw,bchg->bhwg", q, k)
        share = torch.softmax(torch.cat([column, row], 3), 3)
        h = x.shape[2]
        y = torch.einsum("bcgw,bhwg->bchw", v, share[..., :h])
        return self.gamma * (y + torch.einsum("bchg,bhwg->bchw", v, share[..., h:])) + x


class Sasa(nn.Module):
    def __init__(self, c, heads, k):
        super().__init__()
        self.query, self.key, self.value = (nn.Conv2d(c, c, 1, bias=False) for _ in range(3))
        self.heads, self.k, half = heads, k, c // heads // 2
        self.rel_h = nn.Parameter(torch.randn(half, k))
        self.rel_w = nn.Parameter(torch.randn(c // heads - half, k))

    def taps(self, x):
        x = F.unfold(x, self.k, padding=self.k // 2)
        return x.view(len(x), self.heads, -1, self.k ** 2, x.shape[2])

    def forward(self, x):
        k = self.k
        place = torch.cat([self.rel_h[:, :, None].expand(-1, k, k),
                           self.rel_w[:, None, :].expand(-1, k, k)]).reshape(1, 1, -1, k * k, 1)
        keys = self.taps(self.key(x)) + place
        q = self.query(x).view(len(x), self.heads, -1, 1, keys.shape[4])
        share = torch.softmax((q * keys).sum(2, keepdim=True), 3)
        return (share * self.taps(self.value(x))).sum(3).view(x.shape)


class SanPairwise(nn.Module):
    def __init__(self, c, rel, out, share=8, k=7):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(c, rel, 1), nn.Conv2d(c, rel, 1)
        self.conv3, self.conv_p = nn.Conv2d(c, out, 1), nn.Conv2d(2, 2, 1)
        self.conv_w = nn.Sequential(
            nn.BatchNorm2d(rel + 2), nn.ReLU(), nn.Conv2d(rel + 2, rel, 1, bias=False),
            nn.BatchNorm2d(rel), nn.ReLU(), nn.Conv2d(rel, out // share, 1))
        self.k, self.share = k, share

    def taps(self, x):
        padded = F.pad(x, [self.k // 2] * 4, mode="reflect")
        return F.unfold(padded, self.k).view(len(x), x.shape[1], self.k ** 2, -1)

    def forward(self, x):
        n, _, h, w = x.shape
        along = [torch.linspace(-1, 1, i, dtype=x.dtype, device=x.device) for i in (w, h)]
        place = self.conv_p(torch.stack([along[0].expand(h, w),
                                         along[1][:, None].expand(h, w)])[None])
        differ = [a.flatten(2)[:, :, None] - self.taps(b)
                  for a, b in ((self.conv1(x), self.conv2(x)), (place, place))]
        relation = torch.cat([differ[0], differ[1].expand(n, -1, -1, -1)], 1)
        share = torch.softmax(self.conv_w(relation), 2)
        values = self.taps(self.conv3(x)).view(n, self.share, -1, self.k ** 2, h * w)
        return (share[:, None] * values).sum(3).view(n, -1, h, w)


class GeneralizedAttention(nn.Module):
    """All four terms; keys at every second pixel."""

    def __init__(self, c, heads):
        super().__init__()
        self.heads, self.c = heads, c
        self.query_conv, self.key_conv, self.value_conv = (
            nn.Conv2d(c, c, 1, bias=False) for _ in range(3))
        self.appr_geom_fc_x, self.appr_geom_fc_y = (
            nn.Linear(c // 2, c, bias=False) for _ in range(2))
        self.appr_bias = nn.Parameter(torch.randn(c) * 0.1)
        self.geom_bias = nn.Parameter(torch.randn(c) * 0.1)
        self.proj_conv, self.gamma = nn.Conv2d(c, c, 1), nn.Parameter(torch.full((1,), 0.7))

    def places(self, fc, size, like):
        at = torch.arange(size, dtype=like.dtype, device=like.device)
        wave = torch.arange(self.c // 4, dtype=like.dtype, device=like.device)
        half = torch.arange(0, size, 2, dtype=like.dtype, device=like.device)
        angle = (at[:, None] - half)[:, :, None] / 1000 ** (4 * wave / self.c)
        features = fc(torch.cat([angle.sin(), angle.cos()], 2)) / 2 ** 0.5
        return features.view(size, -1, self.heads, self.c // self.heads)

    def forward(self, x):
        n, c, h, w = x.shape
        half = F.max_pool2d(x, 1, 2)
        q = self.query_conv(x).view(n, self.heads, -1, h, w)
        k, v = (f(half).view(n, self.heads, c // self.heads, -1)
                for f in (self.key_conv, self.value_conv))
        py, px = self.places(self.appr_geom_fc_y, h, x), self.places(self.appr_geom_fc_x, w, x)
        content = (q + self.appr_bias.view(1, self.heads, -1, 1, 1)).flatten(3)
        logits = (content.transpose(2, 3) @ k).view(n, self.heads, h, w, *half.shape[2:])
        moved = q + self.geom_bias.view(1, self.heads, -1, 1, 1)
        logits = logits + torch.einsum("nmdhw,hgmd->nmhwg", moved, py)[..., None]
        logits = logits + torch.einsum("nmdhw,wvmd->nmhwv", moved, px)[:, :, :, :, None]
        share = torch.softmax(logits.view(n, self.heads, h * w, -1), 3)
        o = (share @ v.transpose(2, 3)).transpose(2, 3).reshape(x.shape)
        return self.gamma * self.proj_conv(o) + x


class Dgmn(nn.Module):
    """Sampled nodes at four rates, offsets and affinities predicted, messages summed."""

    def __init__(self, c, groups, rates=(1, 4, 8, 12)):
        super().__init__()
        self.groups, self.rates = groups, rates
        self.offset = nn.ModuleList(
            nn.Conv2d(c, 18, 3, padding=r, dilation=r, bias=False) for r in rates)
        self.filter = nn.ModuleList(
            nn.Conv2d(c, 9 * groups + 9, 3, bias=False) for _ in rates)
        self.gamma = nn.ParameterList(nn.Parameter(torch.full((1,), 0.5)) for _ in rates)

    def samples(self, x, offset, rate):
        """[N, C, 9, H W] at the taps moved by the offsets."""
        n, c, h, w = x.shape
        tap = torch.arange(-1, 2, dtype=x.dtype, device=x.device) * rate
        down = torch.arange(h, dtype=x.dtype, device=x.device)[:, None]
        across = torch.arange(w, dtype=x.dtype, device=x.device)
        offset = offset.view(n, 9, 2, h, w)
        row = offset[:, :, 0] + tap.repeat_interleave(3)[:, None, None] + down
        col = offset[:, :, 1] + tap.repeat(3)[:, None, None] + across
        grid = torch.stack([(2 * col + 1) / w - 1, (2 * row + 1) / h - 1], -1)
        return F.grid_sample(x, grid.view(n, 9 * h, w, 2), align_corners=False).view(n, c, 9, -1)

    def forward(self, x):
        n, c, h, w = x.shape
        g, y = self.groups, x
        for i, rate in enumerate(self.rates):
            taken = self.samples(x, self.offset[i](x), rate)
            f = self.filter[i].weight.flatten(1) @ taken.reshape(n, c * 9, -1)
            first = 9 * g - 9 if i == 3 else 9 * g
            share = torch.softmax(f[:, first:first + 9], 1)
            weights = f[:, :9 * g].view(n, g, 9, -1) * share[:, None]
            message = (weights[:, :, None] * taken.view(n, g, c // g, 9, -1)).sum(3)
            y = y + self.gamma[i] * message.view(x.shape)
        return y


class Deform(nn.Module):
    def __init__(self, c):
        super().__init__()
        import torchvision  # registers the operation
        assert torchvision
        self.weight = nn.Parameter(torch.randn(c, c, 3, 3) * 0.05)

    def forward(self, x, offset):
        none = x.new_zeros(len(x), 1)  # no mask
        return torch.ops.torchvision.deform_conv2d(
            x, self.weight, offset, none, x.new_zeros(len(self.weight)), 1, 1, 1, 1, 1, 1, 1, 1,
            False)


class Recurrent(nn.Module):
    """An LSTM or a GRU, its states alone."""

    def __init__(self, kind, size):
        super().__init__()
        self.cell = kind(size, size, batch_first=True)

    def forward(self, x):
        return self.cell(x)[0]
