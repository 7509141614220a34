#!/usr/bin/env python3
"""One measurement of one Python library, in a process of its own. `speed.py` calls it.

    libraries.py LIBRARY MODEL OPERATION D H [--threads 2] [--seconds 20]

Five autoregressive layers (ten couplings for real_nvp), two hidden layers of H with ReLU, float32, a standard normal source. OPERATION is
train (512 rows: loss, gradient, Adam), score (10,000 rows) or sample (1,000 rows). Splines have 8 bins, sums of squares 3 polynomials of degree 4,
neural maps 16 signals or units. Of glow, D is the levels of 16 steps and H the channels, for 16 images of 3 x 32 x 32; of convolution, D is the shape, and
OPERATION forward or gradients; of pixel_cnn, D is the gated blocks and H the channels, for 32 binary images of 28 x 28 or 64 samples; of wavenet, D is the layers and H the channels, for 8 recordings (train), 1 stream (stream) or 16 streams (sample) of 4,000 samples. Prints one line of JSON: the median and the shortest call in milliseconds, the number of calls, the number of
parameters, and the peak of resident memory in MB.
"""

import argparse
import json
import os
import resource
import time

ROWS = {"train": 512, "score": 10_000, "sample": 1_000}
IMAGES = 16
# Images, input and output channels, height and width, and the sides of the window; what is one pixel high is causal.
CONVOLUTIONS = [
    ((16, 6, 256, 16, 16), (3, 3)),
    ((16, 256, 256, 16, 16), (1, 1)),
    ((16, 256, 12, 16, 16), (3, 3)),
    ((16, 64, 64, 28, 28), (3, 3)),
    ((4, 64, 128, 1, 8000), (1, 2)),
]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", choices=sorted(LIBRARIES))
    parser.add_argument("model", choices=["maf", "nsf", "sos", "naf", "real_nvp", "glow", "convolution", "pixel_cnn", "wavenet"])
    parser.add_argument("operation", choices=[*ROWS, "forward", "gradients", "stream"])
    parser.add_argument("dim", type=int)
    parser.add_argument("hidden", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=20.0)
    return parser.parse_args()


def torch_calls(flow, log_prob, sample, args, compiled=False):
    """(what to time, the number of parameters) of a flow in PyTorch."""
    import torch

    torch.set_num_threads(args.threads)
    rows = IMAGES if args.model == "glow" else ROWS[args.operation]
    x = torch.rand(rows, 3, 32, 32) if args.model == "glow" else torch.randn(rows, args.dim)
    flow.train(args.operation == "train")
    wrap = torch.compile if compiled else lambda call: call
    if args.operation == "train":
        adam = torch.optim.Adam(flow.parameters(), lr=1e-3)
        loss = wrap(lambda x: -log_prob(x).mean())

        def call():
            adam.zero_grad(set_to_none=True)
            loss(x).backward()
            adam.step()
    else:
        inner = wrap(log_prob) if args.operation == "score" else wrap(sample)

        def call():
            with torch.no_grad():
                inner(x if args.operation == "score" else rows)

    return call, sum(p.numel() for p in flow.parameters() if p.requires_grad)


def zuko(args, compiled=False):
    from zuko import flows

    size = dict(features=args.dim, transforms=5, hidden_features=(args.hidden,) * 2)
    build = {
        "maf": lambda: flows.MAF(**size),
        "nsf": lambda: flows.NSF(bins=8, **size),
        "sos": lambda: flows.SOSPF(degree=4, polynomials=3, **size),
        "naf": lambda: flows.NAF(signal=16, **size),
        "real_nvp": lambda: flows.RealNVP(**{**size, "transforms": 10}),
    }
    flow = build[args.model]()
    return torch_calls(flow, lambda x: flow().log_prob(x), lambda n: flow().sample((n,)), args, compiled)


def nflows(args):
    import torch
    from nflows.distributions import StandardNormal
    from nflows.flows import Flow
    from nflows import transforms
    from nflows.nn.nets import MLP

    class Dense(MLP):
        """Couplings hand a context over, which this network does not take."""

        def forward(self, inputs, context=None):
            return super().forward(inputs)

    layers = []
    if args.model == "real_nvp":
        for layer in range(10):
            mask = torch.tensor([1.0 if (column + layer) % 2 else -1.0 for column in range(args.dim)])
            dense = lambda inputs, outputs: Dense([inputs], [outputs], [args.hidden] * 2, activation=torch.relu)
            layers.append(transforms.AffineCouplingTransform(mask, dense))
    else:
        size = dict(features=args.dim, hidden_features=args.hidden, num_blocks=1, use_residual_blocks=False)
        for _ in range(5):
            if args.model == "maf":
                layers.append(transforms.MaskedAffineAutoregressiveTransform(**size))
            elif args.model == "nsf":
                spline = transforms.MaskedPiecewiseRationalQuadraticAutoregressiveTransform
                layers.append(spline(num_bins=8, tails="linear", tail_bound=5.0, **size))
            else:
                raise SystemExit(f"nflows has no {args.model}")
            layers.append(transforms.ReversePermutation(args.dim))
    flow = Flow(transforms.CompositeTransform(layers), StandardNormal([args.dim]))
    return torch_calls(flow, flow.log_prob, flow.sample, args)


def normflows_glow(args):
    import normflows as nf

    sources, flows, merges = [], [], []
    for level in range(args.dim):
        channels, side = 3 * 2 ** (args.dim + 1 - level), 32 // 2 ** (args.dim - level)
        blocks = [nf.flows.GlowBlock(channels, args.hidden, split_mode="channel", scale=True) for _ in range(16)]
        flows.append([*blocks, nf.flows.Squeeze()])
        merges += [nf.flows.Merge()] if level else []
        sources.append(nf.distributions.DiagGaussian((channels // 2 if level else channels, side, side)))
    flow = nf.MultiscaleFlow(sources, flows, merges)
    return torch_calls(flow, lambda x: flow.log_prob(x, None), lambda n: flow.sample(n)[0], args)


def torch_convolution(args):
    import torch
    from torch.nn.functional import pad

    torch.set_num_threads(args.threads)
    (rows, inputs, outputs, height, width), window = CONVOLUTIONS[args.dim]
    causal = height == 1
    layer = torch.nn.Conv2d(inputs, outputs, window, padding=0 if causal else tuple(side // 2 for side in window))
    x = torch.randn(rows, inputs, height, width, requires_grad=args.operation == "gradients")
    apply = (lambda: layer(pad(x, (window[1] - 1, 0)))) if causal else (lambda: layer(x))

    def call():
        if args.operation == "gradients":
            layer.zero_grad(set_to_none=True)
            x.grad = None
            apply().sum().backward()
        else:
            with torch.no_grad():
                apply()

    return call, sum(p.numel() for p in layer.parameters())


def torch_pixel_cnn(args):
    """A gated PixelCNN with a vertical and a horizontal stack, whose samples take a pass per pixel."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits, conv2d, pad, relu

    torch.set_num_threads(args.threads)
    width = args.hidden

    def gate(x):
        return torch.tanh(x[:, :width]) * torch.sigmoid(x[:, width:])

    class Block(torch.nn.Module):
        def __init__(self, first):
            super().__init__()
            self.first, self.radius, inputs = first, 3 if first else 1, 2 if first else width
            self.vertical = torch.nn.Conv2d(inputs, 2 * width, (self.radius + (not first), 2 * self.radius + 1))
            self.horizontal = torch.nn.Conv2d(inputs, 2 * width, (1, self.radius + 1))
            self.link = torch.nn.Conv2d(2 * width, 2 * width, 1)
            self.residual = torch.nn.Conv2d(width, width, 1)
            mask = torch.ones_like(self.horizontal.weight)
            if first:
                # Of the pixel itself, the channel of ones alone.
                mask[:, 0, :, -1] = 0
            self.register_buffer("mask", mask)

        def forward(self, v, h):
            r = self.radius
            before = self.vertical(pad(v, (r, r, r, 0))[:, :, : v.shape[2] + r - self.first])
            weight = self.horizontal.weight * self.mask
            found = self.residual(gate(conv2d(pad(h, (r, 0)), weight, self.horizontal.bias) + self.link(before)))
            return gate(before), found if self.first else h + found

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = torch.nn.ModuleList(Block(k == 0) for k in range(args.dim))
            self.hidden, self.output = torch.nn.Conv2d(width, width, 1), torch.nn.Conv2d(width, 1, 1)

        def forward(self, x):
            v = h = torch.cat([2 * x - 1, torch.ones_like(x)], 1)
            for block in self.blocks:
                v, h = block(v, h)
            return self.output(relu(self.hidden(relu(h))))

    network = Network()
    parameters = sum(p.numel() for p in network.parameters())
    if args.operation == "train":
        adam, x = torch.optim.Adam(network.parameters(), lr=1e-4), torch.randint(2, (32, 1, 28, 28)).float()

        def call():
            adam.zero_grad(set_to_none=True)
            binary_cross_entropy_with_logits(network(x), x, reduction="sum").div(len(x)).backward()
            adam.step()
    else:

        def call():
            with torch.no_grad():
                x = torch.zeros(64, 1, 28, 28)
                for pixel in range(28 * 28):
                    logit = network(x)[:, 0, pixel // 28, pixel % 28]
                    x[:, 0, pixel // 28, pixel % 28] = torch.bernoulli(torch.sigmoid(logit))

    return call, parameters


def torch_wavenet(args):
    """A WaveNet of 256 levels and 128 skip channels in cycles of 10 layers. Sampling keeps a queue of inputs per layer and computes nothing twice."""
    import torch
    from torch.nn.functional import cross_entropy, pad, relu

    torch.set_num_threads(args.threads)
    width, skip, length = args.hidden, 128, 4_000

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.dilations = [2 ** (k % 10) for k in range(args.dim)]
            self.input = torch.nn.Conv1d(3, width, 2)
            self.gates = torch.nn.ModuleList(torch.nn.Conv1d(width, 2 * width, 2, dilation=d) for d in self.dilations)
            self.residuals = torch.nn.ModuleList(torch.nn.Conv1d(width, width, 1) for _ in self.dilations[1:])
            self.skips = torch.nn.ModuleList(torch.nn.Conv1d(width, skip, 1) for _ in self.dilations)
            self.hidden, self.output = torch.nn.Conv1d(skip, skip, 1), torch.nn.Conv1d(skip, 256, 1)

        def read(self, x):
            level = 2 * x / 255 - 1
            amplitude = level.sign() * torch.expm1(level.abs() * 5.5452) / 255
            return torch.stack([level, amplitude, torch.ones_like(level)], 1)

        def forward(self, x):
            h, total = self.input(pad(self.read(x), (2, 0))[:, :, :-1]), 0
            for k, (gate, d) in enumerate(zip(self.gates, self.dilations)):
                a, b = gate(pad(h, (d, 0))).chunk(2, 1)
                z = torch.tanh(a) * torch.sigmoid(b)
                total = total + self.skips[k](z)
                if k < len(self.residuals):
                    h = h + self.residuals[k](z)
            return self.output(relu(self.hidden(relu(total))))

        def samples(self, streams):
            def matrix(layer):
                return layer.weight.flatten(1).T.contiguous(), layer.bias

            first, hidden, output = matrix(self.input), matrix(self.hidden), matrix(self.output)
            gates = [(layer.weight[:, :, 0].T.contiguous(), layer.weight[:, :, 1].T.contiguous(), layer.bias) for layer in self.gates]
            residuals, skips = [matrix(layer) for layer in self.residuals], [matrix(layer) for layer in self.skips]
            rings = [torch.zeros(d, streams, width) for d in self.dilations]
            last, levels = torch.zeros(streams, 3, 2), []
            for t in range(length):
                h, total = torch.addmm(first[1], last.flatten(1), first[0]), 0
                for k, ring in enumerate(rings):
                    older = ring[t % len(ring)].clone()
                    ring[t % len(ring)] = h
                    a, b = (older @ gates[k][0] + torch.addmm(gates[k][2], h, gates[k][1])).chunk(2, 1)
                    z = torch.tanh(a) * torch.sigmoid(b)
                    total = total + torch.addmm(skips[k][1], z, skips[k][0])
                    if k < len(residuals):
                        h = h + torch.addmm(residuals[k][1], z, residuals[k][0])
                theta = torch.addmm(output[1], relu(torch.addmm(hidden[1], relu(total), hidden[0])), output[0])
                level = torch.multinomial(torch.softmax(theta, 1), 1)[:, 0].float()
                last = torch.stack([last[:, :, 1], self.read(level[:, None])[:, :, 0]], 2)
                levels.append(level)
            return torch.stack(levels, 1)

    network = Network()
    parameters = sum(p.numel() for p in network.parameters())
    if args.operation == "train":
        adam, x = torch.optim.Adam(network.parameters(), lr=1e-4), torch.randint(256, (8, length)).float()

        def call():
            adam.zero_grad(set_to_none=True)
            cross_entropy(network(x), x.long(), reduction="sum").div(len(x)).backward()
            adam.step()
    else:

        def call():
            with torch.no_grad():
                network.samples(1 if args.operation == "stream" else 16)

    return call, parameters


def normflows(args):
    import normflows as nf

    if args.model == "glow":
        return normflows_glow(args)
    layers = []
    if args.model == "real_nvp":
        for _ in range(10):
            network = nf.nets.MLP([(args.dim + 1) // 2, args.hidden, args.hidden, 2 * (args.dim // 2)])
            layers += [nf.flows.AffineCouplingBlock(network), nf.flows.Permute(args.dim, mode="shuffle")]
    else:
        for _ in range(5):
            if args.model == "maf":
                # As it comes, this layer is explicit where samples are drawn, and a density costs D passes.
                layer = nf.flows.MaskedAffineAutoregressive(args.dim, args.hidden, num_blocks=1, use_residual_blocks=False)
                layers.append(nf.flows.Reverse(layer))
            elif args.model == "nsf":
                layers.append(nf.flows.AutoregressiveRationalQuadraticSpline(args.dim, 1, args.hidden, num_bins=8, tail_bound=5))
            else:
                raise SystemExit(f"normflows has no {args.model}")
            layers.append(nf.flows.Permute(args.dim, mode="shuffle"))
    flow = nf.NormalizingFlow(nf.distributions.base.DiagGaussian(args.dim, trainable=False), layers)
    return torch_calls(flow, flow.log_prob, lambda n: flow.sample(n)[0], args)


def torchflows(args):
    from torchflows.bijections.finite.autoregressive import architectures
    from torchflows.flows import Flow

    build = {"maf": "MAF", "nsf": "MaskedAutoregressiveRQNSF", "real_nvp": "RealNVP", "naf": "MaskedAutoregressiveDeepSF"}
    if args.model not in build:
        raise SystemExit(f"torchflows has no {args.model}")
    # A conditioner's n_layers counts its matrices.
    sizes = dict(n_layers=10 if args.model == "real_nvp" else 5, conditioner_kwargs=dict(n_hidden=args.hidden, n_layers=3))
    if args.model == "naf":
        sizes["transformer_kwargs"] = dict(n_hidden_layers=1, hidden_dim=16)
    flow = Flow(getattr(architectures, build[args.model])((args.dim,), **sizes))
    return torch_calls(flow, flow.log_prob, lambda n: flow.sample((n,)), args)


def torch_plain(args, compiled=False):
    """A MAF written out in PyTorch, with nothing beside what it needs."""
    import torch
    from torch.nn.functional import linear

    if args.model == "pixel_cnn":
        return torch_pixel_cnn(args)
    if args.model == "wavenet":
        return torch_wavenet(args)
    if args.model == "convolution":
        return torch_convolution(args)
    if args.model != "maf":
        raise SystemExit("only a MAF is written out")
    dim, hidden = args.dim, args.hidden

    class Masked(torch.nn.Linear):
        def __init__(self, of_inputs, of_outputs, strict):
            super().__init__(len(of_inputs), len(of_outputs))
            reads = of_outputs[:, None] > of_inputs if strict else of_outputs[:, None] >= of_inputs
            self.register_buffer("mask", reads.float())

        def forward(self, x):
            return linear(x, self.weight * self.mask, self.bias)

    class Flow(torch.nn.Module):
        def __init__(self):
            super().__init__()
            columns = torch.arange(1, dim + 1)
            units = torch.arange(hidden) % (dim - 1) + 1
            relu = torch.nn.ReLU()
            self.layers = torch.nn.ModuleList(
                torch.nn.Sequential(
                    Masked(columns, units, False), relu, Masked(units, units, False), relu, Masked(units, columns.repeat(2), True)
                )
                for _ in range(5)
            )

        def log_prob(self, x):
            total = 0.0
            for layer in self.layers:
                mean, log_scale = layer(x).chunk(2, dim=-1)
                x = ((x - mean) * torch.exp(-log_scale)).flip(-1)
                total = total - log_scale.sum(dim=-1)
            return total + torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(dim=-1)

        def sample(self, rows):
            x = torch.randn(rows, dim)
            for layer in reversed(self.layers):
                z, x = x.flip(-1), torch.zeros(rows, dim)
                for column in range(dim):
                    mean, log_scale = layer(x).chunk(2, dim=-1)
                    x[:, column] = mean[:, column] + log_scale[:, column].exp() * z[:, column]
            return x

    flow = Flow()
    return torch_calls(flow, flow.log_prob, flow.sample, args, compiled)


def flowjax(args):
    import equinox as eqx
    import jax
    import jax.numpy as jnp
    import optax
    import paramax
    from flowjax import bijections, distributions, flows
    from flowjax.train.losses import MaximumLikelihoodLoss
    from flowjax.train.train_utils import step

    rows = ROWS[args.operation]
    size = dict(base_dist=distributions.Normal(jnp.zeros(args.dim)), nn_width=args.hidden, nn_depth=2)
    if args.model == "maf":
        flow = flows.masked_autoregressive_flow(jax.random.key(0), flow_layers=5, **size)
    elif args.model == "nsf":
        spline = bijections.RationalQuadraticSpline(knots=8, interval=5)
        flow = flows.masked_autoregressive_flow(jax.random.key(0), flow_layers=5, transformer=spline, **size)
    elif args.model == "real_nvp":
        flow = flows.coupling_flow(jax.random.key(0), flow_layers=10, **size)
    else:
        raise SystemExit(f"flowjax has no {args.model}")
    trained, fixed = eqx.partition(flow, eqx.is_inexact_array, is_leaf=lambda leaf: isinstance(leaf, paramax.NonTrainable))
    parameters = sum(leaf.size for leaf in jax.tree_util.tree_leaves(trained) if eqx.is_inexact_array(leaf))
    x = jax.random.normal(jax.random.key(1), (rows, args.dim))
    if args.operation == "train":
        adam, loss = optax.adam(1e-3), MaximumLikelihoodLoss()
        moments = adam.init(trained)

        def call():
            nonlocal trained, moments
            key = jax.random.key(2)
            trained, moments, value = step(trained, fixed, x, optimizer=adam, opt_state=moments, loss_fn=loss, key=key)
            value.block_until_ready()
    elif args.operation == "score":
        score = eqx.filter_jit(lambda flow, x: flow.log_prob(x))
        call = lambda: score(flow, x).block_until_ready()
    else:
        sample = eqx.filter_jit(lambda flow, key: flow.sample(key, (rows,)))
        call = lambda: sample(flow, jax.random.key(3)).block_until_ready()
    return call, parameters


LIBRARIES = {
    "zuko": zuko,
    "zuko, compiled": lambda args: zuko(args, compiled=True),
    "nflows": nflows,
    "normflows": normflows,
    "torchflows": torchflows,
    "flowjax": flowjax,
    "plain PyTorch": torch_plain,
    "plain PyTorch, compiled": lambda args: torch_plain(args, compiled=True),
}


def main():
    args = arguments()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: args.threads])
    os.environ |= {name: str(args.threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    os.environ["JAX_PLATFORMS"] = "cpu"
    call, parameters = LIBRARIES[args.library](args)
    for _ in range(3):
        call()
    times, end = [], time.perf_counter() + args.seconds
    while len(times) < 2 or (time.perf_counter() < end and len(times) < 50):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found = {"median": times[len(times) // 2], "least": times[0], "calls": len(times), "parameters": parameters, "memory": memory}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
