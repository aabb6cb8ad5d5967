#!/usr/bin/env python3
"""The model of a deck in PyTorch, one training step of it after the other: what compare_peers.py times.

Needs a Python with torch. Reads numbers of steps from standard input, one in a line, and answers with the seconds of each as
a JSON list. The same mathematics as `dfascale` with rule bp: pre-LN decoder, tied projector, mean cross-entropy, gradients
clipped to norm 1, AdamW.
"""
import argparse
import json
import sys
import time

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError:
    sys.exit(f"{__doc__}\npytorch_gpt.py: {sys.executable} has no torch: give compare_peers.py --python one that has it")


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        sequences, context, width = x.shape
        of_heads = self.qkv(self.norms[0](x)).view(sequences, context, 3, self.heads, width // self.heads)
        query, key, value = of_heads.permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(sequences, context, width))
        return x + self.down(functional.relu(self.up(self.norms[1](x))))


class Decoder(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.tokens = nn.Embedding(shape["vocab"], shape["width"])
        self.positions = nn.Parameter(0.02 * torch.randn(shape["context"], shape["width"]))
        self.blocks = nn.ModuleList(Block(shape["width"], shape["heads"]) for _ in range(shape["layers"]))
        self.norm = nn.LayerNorm(shape["width"])
        nn.init.normal_(self.tokens.weight, std=0.02)

    def forward(self, inputs, targets):
        x = self.tokens(inputs) + self.positions
        for block in self.blocks:
            x = block(x)
        logits = functional.linear(self.norm(x), self.tokens.weight)
        return functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", required=True, type=json.loads, help='{"layers": .., "width": .., "heads": .., "context": .., "vocab": ..}')
    parser.add_argument("--sequences", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--precision", choices=("f32", "bf16"), required=True)
    parser.add_argument("--mode", choices=("eager", "compiled"), required=True)
    o = parser.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(o.threads)
    model = Decoder(o.shape)
    loss_of = torch.compile(model) if o.mode == "compiled" else model
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    tokens = torch.randint(o.shape["vocab"], (o.sequences, o.shape["context"] + 1))
    inputs, targets = tokens[:, :-1].contiguous(), tokens[:, 1:].contiguous()

    def step():
        start = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=o.precision == "bf16"):
            loss = loss_of(inputs, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        return time.perf_counter() - start

    for _ in range(3):  # to compile, and to warm up
        step()
    print(json.dumps({"version": torch.__version__}), flush=True)
    for line in sys.stdin:
        print(json.dumps([step() for _ in range(int(line))]), flush=True)


if __name__ == "__main__":
    main()
