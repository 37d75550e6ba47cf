#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes state_dicts.txt: which keys a module's state_dict has, and which weight each of them is.

The keys and shapes are PyTorch's own: of torch.nn's modules, and of modules built here with the
submodules that the implementations which the blocks follow have, under their names. Which weight a
key stands for is told by hand, so that tests/unit/state_dicts.c can hold the blocks' tables against
it. Needs PyTorch (written with 1.13).

  block ID ATTRIBUTES / input NAME SHAPE / weight NAME KEY SHAPE

usage: state_dicts.py > state_dicts.txt
"""
import json

import torch
from torch import nn
from torch.nn.utils import weight_norm

C, S = 8, (1, 8, 6, 7)  # channels and shape of a feature map


class Tree(nn.Module):
    """Submodules and parameters by name."""

    def __init__(self, **parts):
        super().__init__()
        for name, part in parts.items():
            if isinstance(part, nn.Module):
                self.add_module(name, part)
            else:
                self.register_parameter(name, nn.Parameter(torch.zeros(part)))


def named(*pairs):
    """nn.Sequential with names."""
    seq = nn.Sequential()
    for name, part in pairs:
        seq.add_module(name, part)
    return seq


def conv(i, o, k=1, bias=True):
    return nn.Conv2d(i, o, k, bias=bias)


def kinds(own, key, names=("weight", "bias")):
    return {f"{own}.{n}": f"{key}.{n}" for n in names}


NORM = ("weight", "bias", "running_mean", "running_var")
WEIGHT = ("weight",)


def merge(*parts):
    return {k: v for part in parts for k, v in part.items()}


def torch_modules():
    tokens = {"x": (1, 3, C)}
    qkv = {"q": (1, 3, C), "k": (1, 4, C), "v": (1, 4, C)}
    layer = {"d_model": C, "nhead": 2, "dim_feedforward": 16}
    yield "mha", {"num_heads": 2}, qkv, nn.MultiheadAttention(C, 2, add_bias_kv=True), None
    yield "mha", {"num_heads": 2}, {**qkv, "k": (1, 4, 5), "v": (1, 4, 3)}, \
        nn.MultiheadAttention(C, 2, kdim=5, vdim=3), None
    yield "transformer_encoder_layer", {"num_heads": 2}, tokens, \
        nn.TransformerEncoderLayer(**layer), None
    yield "transformer_decoder_layer", {"num_heads": 2}, {**tokens, "memory": (1, 5, C)}, \
        nn.TransformerDecoderLayer(**layer), None
    sizes = {"input_size": C, "hidden_size": 6, "num_layers": 2, "bidirectional": True}
    yield "lstm", {**sizes, "proj_size": 4}, tokens, nn.LSTM(**sizes, proj_size=4), None
    yield "gru", sizes, tokens, nn.GRU(**sizes), None
    yield "layer_norm", {}, tokens, nn.LayerNorm(C), None
    yield "batch_norm", {}, {"x": S}, nn.BatchNorm2d(C), None
    yield "group_norm", {"num_groups": 2}, {"x": S}, nn.GroupNorm(2, C), None
    yield "conv1d", {}, {"x": (1, C, 9)}, nn.Conv1d(C, 3, 3), None
    yield "conv2d", {}, {"x": S}, nn.Conv2d(C, 3, 3), None
    yield "conv3d", {}, {"x": (1, C, 4, 4, 4)}, nn.Conv3d(C, 3, 3), None
    yield "linear", {}, tokens, nn.Linear(C, 3), None
    yield "embedding", {}, {"x": (1, 3)}, nn.Embedding(10, C), None


def gates():
    se = merge(kinds("fc1", "fc1"), kinds("fc2", "fc2"))
    yield "se", {"reduction": 4, "bias": True}, {"x": S}, Tree(fc1=conv(C, 2), fc2=conv(2, C)), se
    yield "se", {"reduction": 4, "bias": False}, {"x": S}, \
        Tree(fc=nn.Sequential(nn.Linear(C, 2, bias=False), nn.ReLU(),
                              nn.Linear(2, C, bias=False))), \
        {"fc1.weight": "fc.0.weight", "fc2.weight": "fc.2.weight"}
    yield "eca", {"kernel_size": 3}, {"x": S}, Tree(conv=nn.Conv1d(1, 1, 3, bias=False)), \
        {"conv.weight": "conv.weight"}
    channel = Tree(mlp=nn.Sequential(nn.Flatten(), nn.Linear(C, 2), nn.ReLU(), nn.Linear(2, C)))
    spatial = Tree(spatial=Tree(conv=conv(2, 1, 7, False), bn=nn.BatchNorm2d(1)))
    yield "cbam", {"reduction": 4}, {"x": S}, Tree(ChannelGate=channel, SpatialGate=spatial), merge(
        kinds("channel.fc1", "ChannelGate.mlp.1"), kinds("channel.fc2", "ChannelGate.mlp.3"),
        kinds("spatial.conv", "SpatialGate.spatial.conv", WEIGHT),
        kinds("spatial.bn", "SpatialGate.spatial.bn", NORM))
    yield from bam()

    def bottleneck():
        return nn.Sequential(conv(C, 2), nn.LayerNorm([2, 1, 1]), nn.ReLU(), conv(2, C))

    def transform(f):
        return merge(*(kinds(f"{f}.{own}", f"{f}_conv.{i}")
                       for own, i in (("fc1", 0), ("ln", 1), ("fc2", 3))))
    yield "gc", {"fusion": ["channel_add", "channel_mul"], "ratio": 0.25}, {"x": S}, \
        Tree(conv_mask=conv(C, 1), channel_add_conv=bottleneck(), channel_mul_conv=bottleneck()), \
        merge(kinds("conv_mask", "conv_mask"), transform("channel_add"), transform("channel_mul"))
    paths = nn.ModuleList(Tree(conv=conv(C, C, k, False), bn=nn.BatchNorm2d(C)) for k in (3, 3))
    attn = Tree(fc_reduce=conv(C, 4, bias=False), bn=nn.BatchNorm2d(4),
                fc_select=conv(4, 2 * C, bias=False))
    yield "sk", {"kernels": [3, 3], "dilations": [1, 2], "groups": [1, 1], "hidden": 4}, \
        {"x": S}, Tree(paths=paths, attn=attn), merge(
        *(merge(kinds(f"branch.{i}.conv", f"paths.{i}.conv", WEIGHT),
                kinds(f"branch.{i}.bn", f"paths.{i}.bn", NORM)) for i in (0, 1)),
        kinds("fc1", "attn.fc_reduce", WEIGHT), kinds("fc1_bn", "attn.bn", NORM),
        kinds("fc2", "attn.fc_select", WEIGHT))


def bam():
    c, s = "channel_att.gate_c.gate_c_", "spatial_att.gate_s.gate_s_"
    gate_c = named(("gate_c_fc_0", nn.Linear(C, 2)), ("gate_c_bn_1", nn.BatchNorm1d(2)),
                   ("gate_c_fc_1", nn.Linear(2, 2)), ("gate_c_bn_2", nn.BatchNorm1d(2)),
                   ("gate_c_fc_final", nn.Linear(2, C)))
    gate_s = named(("gate_s_conv_reduce0", conv(C, 2)), ("gate_s_bn_reduce0", nn.BatchNorm2d(2)),
                   ("gate_s_conv_di_0", conv(2, 2, 3)), ("gate_s_bn_di_0", nn.BatchNorm2d(2)),
                   ("gate_s_conv_di_1", conv(2, 2, 3)), ("gate_s_bn_di_1", nn.BatchNorm2d(2)),
                   ("gate_s_conv_final", conv(2, 1)))
    yield "bam", {"reduction": 4, "num_layers": 2}, {"x": S}, \
        Tree(channel_att=Tree(gate_c=gate_c), spatial_att=Tree(gate_s=gate_s)), merge(
        kinds("channel.fc.0", c + "fc_0"), kinds("channel.bn.0", c + "bn_1", NORM),
        kinds("channel.fc.1", c + "fc_1"), kinds("channel.bn.1", c + "bn_2", NORM),
        kinds("channel.fc.2", c + "fc_final"), kinds("spatial.reduce", s + "conv_reduce0"),
        kinds("spatial.reduce_bn", s + "bn_reduce0", NORM),
        *(merge(kinds(f"spatial.dilated.{i}", f"{s}conv_di_{i}"),
                kinds(f"spatial.dilated_bn.{i}", f"{s}bn_di_{i}", NORM)) for i in (0, 1)),
        kinds("spatial.final", s + "conv_final"))


def criss_cross(i):
    return Tree(query_conv=conv(i, 1), key_conv=conv(i, 1), value_conv=conv(i, i), gamma=1)


def criss_cross_keys(own="", key=""):
    return merge(*(kinds(f"{own}{n}", f"{key}{n}_conv") for n in ("query", "key", "value")),
                 {f"{own}gamma": f"{key}gamma"})


def maps():
    yield "criss_cross", {}, {"x": S}, criss_cross(C), criss_cross_keys()
    head = Tree(conva=nn.Sequential(conv(C, 2, 3, False), nn.BatchNorm2d(2)), cca=criss_cross(2),
                convb=nn.Sequential(conv(2, 2, 3, False), nn.BatchNorm2d(2)),
                bottleneck=nn.Sequential(conv(C + 2, 4, 3, False), nn.BatchNorm2d(4), nn.Dropout(),
                                         conv(4, 3)))
    yield "rcca_head", {}, {"x": S}, head, merge(
        *(merge(kinds(n, f"{n}.0", WEIGHT), kinds(f"{n}_bn", f"{n}.1", NORM))
          for n in ("conva", "convb", "bottleneck")),
        criss_cross_keys("cca.", "cca."), kinds("classifier", "bottleneck.3"))
    yield "double_attention", {}, {"x": S}, \
        Tree(convA=conv(C, 4), convB=conv(C, 3), convV=conv(C, 3), conv_reconstruct=conv(4, C)), \
        merge(kinds("conv_a", "convA"), kinds("conv_b", "convB"), kinds("conv_v", "convV"),
              kinds("conv_reconstruct", "conv_reconstruct"))
    glore = Tree(conv_state=conv(C, 4), conv_proj=conv(C, 2),
                 gcn=Tree(conv1=nn.Conv1d(2, 2, 1), conv2=nn.Conv1d(4, 4, 1, bias=False)),
                 conv_extend=conv(4, C, bias=False), blocker=nn.BatchNorm2d(C))
    yield "glore", {}, {"x": S}, glore, merge(
        kinds("conv_state", "conv_state"), kinds("conv_proj", "conv_proj"),
        kinds("gcn.conv1", "gcn.conv1"), kinds("gcn.conv2", "gcn.conv2", WEIGHT),
        kinds("conv_extend", "conv_extend", WEIGHT), kinds("bn", "blocker", NORM))
    port = Tree(query_conv=conv(C, 1), key_conv=conv(C, 1), value_conv=conv(C, C), gamma=1)
    yield "sagan", {}, {"x": S}, port, criss_cross_keys()
    yield "sagan", {"pool": True, "out_conv": True}, {"x": S}, big_gan(), merge(
        *({f"{own}.weight{i}": f"{key}.{n}" for i, n in enumerate(("weight", "u0", "sv0"))}
          for own, key in (("query", "theta"), ("key", "phi"), ("value", "g"), ("out", "o"))),
        {"gamma": "gamma"})
    yield from non_local()


def big_gan():
    """Spectral norm as BigGAN keeps it: u0 and sv0 beside each weight."""
    net = Tree(theta=conv(C, 1, bias=False), phi=conv(C, 1, bias=False), g=conv(C, 4, bias=False),
               o=conv(4, C, bias=False))
    for name in ("theta", "phi", "g", "o"):
        layer = getattr(net, name)
        layer.register_buffer("u0", torch.zeros(1, layer.out_channels))
        layer.register_buffer("sv0", torch.zeros(1))
    net.register_parameter("gamma", nn.Parameter(torch.tensor(0.0)))
    return net


def non_local():
    def keys(g, theta, phi, out, bn):
        return merge(kinds("g", g), kinds("theta", theta), kinds("phi", phi),
                     kinds("conv_out", out), kinds("bn", bn, NORM))
    port = Tree(g=nn.Sequential(conv(C, 4), nn.MaxPool2d(2)), theta=conv(C, 4),
                phi=nn.Sequential(conv(C, 4), nn.MaxPool2d(2)),
                W=nn.Sequential(conv(4, C), nn.BatchNorm2d(C)),
                concat_project=nn.Sequential(conv(8, 1, bias=False), nn.ReLU()))
    yield "nonlocal", {"mode": "concatenation", "sub_sample": True, "bn": True}, {"x": S}, port, \
        merge(keys("g.0", "theta", "phi.0", "W.0", "W.1"),
              kinds("concat_project", "concat_project.0", WEIGHT))
    slow = Tree(conv_theta=conv(C, 4), conv_phi=conv(C, 4), conv_g=conv(C, 4), conv_out=conv(4, C),
                norm=nn.BatchNorm2d(C))
    yield "nonlocal", {"bn": True}, {"x": S}, slow, \
        keys("conv_g", "conv_theta", "conv_phi", "conv_out", "norm")
    mm = Tree(g=Tree(conv=conv(C, 4)), theta=Tree(conv=conv(C, 4)), phi=Tree(conv=conv(C, 4)),
              conv_out=Tree(conv=conv(4, C), bn=nn.BatchNorm2d(C)))
    yield "nonlocal", {"bn": True}, {"x": S}, mm, \
        keys("g.conv", "theta.conv", "phi.conv", "conv_out.conv", "conv_out.bn")


def language():
    fc = {"dim": None}

    def net(i, o):
        return Tree(main=nn.Sequential(nn.Dropout(), weight_norm(nn.Linear(i, o), **fc), nn.ReLU()))

    def last(i, o):
        return Tree(main=nn.Sequential(weight_norm(nn.Linear(i, o), **fc), nn.ReLU()))
    logits = Tree(v_net=net(5, 6), q_net=net(4, 6), h_mat=(1, 2, 1, 6), h_bias=(1, 2, 1, 1))
    weight_norm(logits, name="h_mat", dim=None)
    main = nn.Sequential(weight_norm(nn.Linear(4, 8), **fc), nn.ReLU(), nn.Dropout(),
                         weight_norm(nn.Linear(8, 3), **fc))
    glimpses = range(2)
    ban = Tree(v_att=Tree(logits=logits), classifier=Tree(main=main),
               b_net=nn.ModuleList(Tree(v_net=net(5, 4), q_net=net(4, 4)) for _ in glimpses),
               q_prj=nn.ModuleList(net(4, 4) for _ in glimpses),
               c_prj=nn.ModuleList(last(3, 4) for _ in glimpses),
               counter=Tree(f=nn.ModuleList(Tree(weight=17) for _ in range(8))))
    normed = ("weight_v", "weight_g", "bias")

    def layer(own, key):
        return {f"{own}.{'bias' if n == 'bias' else 'weight' + str(i)}": f"{key}.{n}"
                for i, n in enumerate(normed)}
    yield "bilinear_attention", {"glimpse": 2, "counter": True, "objects": 2, "classify": True}, \
        {"v": (1, 3, 5), "q": (1, 2, 4), "boxes": (1, 3, 4)}, ban, merge(
        layer("att.v_net", "v_att.logits.v_net.main.1"),
        layer("att.q_net", "v_att.logits.q_net.main.1"),
        {"att.h_mat0": "v_att.logits.h_mat_v", "att.h_mat1": "v_att.logits.h_mat_g",
         "att.h_bias": "v_att.logits.h_bias"},
        *(layer(f"b_net.{i}.{n}", f"b_net.{i}.{n}.main.1") for i in glimpses
          for n in ("v_net", "q_net")),
        *(layer(f"q_prj.{i}", f"q_prj.{i}.main.1") for i in glimpses),
        *(layer(f"c_prj.{i}", f"c_prj.{i}.main.0") for i in glimpses),
        {f"counter.f.{i}": f"counter.f.{i}.weight" for i in range(8)},
        layer("classifier.fc1", "classifier.main.0"), layer("classifier.fc2", "classifier.main.3"))


def others():
    k = 4
    yield "context_transformer", {"setting": "incre", "sources": 1, "k": k, "pool_kernel": [2],
                                  "pool_stride": [2]}, {"conf0": (1, 2 * k, 3, 3)}, \
        Tree(theta=nn.Linear(k, k), phi=nn.Linear(k, k), g=nn.Linear(k, k), Wz=k,
             OBJ_Target=nn.Linear(k, 3, bias=False), scale=1, fc_base=nn.Linear(k, k)), merge(
        kinds("theta", "theta"), kinds("phi", "phi"), kinds("g", "g"), {"wz": "Wz"},
        kinds("obj_target", "OBJ_Target", WEIGHT), {"scale": "scale"}, kinds("fc_base", "fc_base"))
    letters = "abcd"
    dgmn = Tree(**{f"off_conv{a}": conv(C, 18, 3, False) for a in letters},
                **{f"kernel_conv{a}": conv(C, 18 + 9, 3, False) for a in letters},
                **{f"gamma{i}": 1 for i in range(1, 5)})
    yield "dgmn", {"groups": 2, "fusion": "sum", "deform": "deformatt"}, {"x": S}, dgmn, merge(
        *({f"offset.{i}.weight": f"off_conv{a}.weight",
           f"filter.{i}.weight": f"kernel_conv{a}.weight",
           f"gamma.{i}": f"gamma{i + 1}"} for i, a in enumerate(letters)))
    attend = {f"attn{i}": Tree(op=conv(C, 1, bias=False)) for i in (1, 2)}
    yield "learn_to_pay_attention", {"levels": 2}, \
        {"l1": (1, 4, 3, 3), "l2": (1, C, 2, 2), "g": (1, C)}, \
        Tree(projector=Tree(op=conv(4, C, bias=False)), classify=nn.Linear(2 * C, 3), **attend), \
        merge({"proj_l1.weight": "projector.op.weight"}, kinds("classify", "classify"),
              {f"attn{i}.weight": f"attn{i}.op.weight" for i in (1, 2)})
    yield "ra_cnn", {"out_size": 8, "pool": True}, {"image": (1, 3, 12, 12), "features": S}, \
        nn.Sequential(nn.Linear(C * 3 * 3, 5), nn.Tanh(), nn.Linear(5, 3), nn.Sigmoid()), \
        merge(kinds("apn.fc1", "0"), kinds("apn.fc2", "2"))
    sam = Tree(conv1=conv(C, 2), conv2=conv(C, 2), conv3=conv(C, 4), conv_p=conv(2, 2),
               conv_w=nn.Sequential(nn.BatchNorm2d(4), nn.ReLU(), conv(4, 2, bias=False),
                                    nn.BatchNorm2d(2), nn.ReLU(), conv(2, 2)))
    yield "san_pairwise", {"rel_channels": 2, "out_channels": 4, "share": 2, "kernel_size": 3,
                           "bottleneck": True}, {"x": S}, \
        Tree(bn1=nn.BatchNorm2d(C), sam=sam, bn2=nn.BatchNorm2d(4), conv=conv(4, C)), None
    yield "rmac_attention", {"mode": "attention", "pca": True}, {"x": (1, C, 12, 13)}, \
        Tree(pca_shift=Tree(bias=C), pca_fc=nn.Linear(C, C, bias=False),
             region_attention=Tree(conv_att_1=nn.Conv1d(2 * C, 4, 1),
                                   conv_att_2=nn.Conv1d(4, 1, 1))), merge(
        {"pca_shift.bias": "pca_shift.bias", "pca_fc.weight": "pca_fc.weight"},
        *(kinds(f"attention.conv{i}", f"region_attention.conv_att_{i}") for i in (1, 2)))


def sizes(shape):
    return ",".join(str(n) for n in shape) or "-"


def write(block, attrs, inputs, module, keys):
    state = {k: tuple(t.shape) for k, t in module.state_dict().items()
             if not k.endswith("num_batches_tracked")}
    keys = keys or {k: k for k in state}  # None: the weights are called as the keys are
    if sorted(keys.values()) != sorted(state):
        raise ValueError(f"{block}: {sorted(set(keys.values()) ^ set(state))}")
    print(f"block {block} {json.dumps(attrs)}")
    for name, shape in inputs.items():
        print(f"input {name} {sizes(shape)}")
    for own, key in keys.items():
        # "query.weight0", "query.weight1": several tensors that make up one weight
        tail = own.rsplit(".", 1)[-1]
        parted = tail[:-1] in ("weight", "h_mat") and tail[-1].isdigit()
        print(f"weight {own[:-1] if parted else own} {key} {sizes(state[key])}")
    print()


def main():
    print("# SPDX-License-Identifier: MIT\n# Written by state_dicts.py.\n")
    for part in (torch_modules, gates, maps, language, others):
        for entry in part():
            write(*entry)


if __name__ == "__main__":
    main()
