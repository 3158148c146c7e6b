#!/usr/bin/env python3
"""Writes small models of kinds that no rule was derived from, with random weights, for validation.

    "$(scripts/venv)" scripts/validation_models.py OUT

Each is a folder OUT/NAME with openvino_model.xml and its .bin: convolutional classifiers, an encoder and decoder with skips, a
mixer of products, an encoder of text, a text classifier of convolutions, layers of a decoder. The batch is free. scripts/validation has them without
constants of more than 16 KiB, and records of scripts/measure_openvino on an AMD EPYC with AVX-512 BF16, two cores, without lists
of blocks; scripts/accuracy.py compares them as the set `own`.
"""

import pathlib
import sys

import numpy
import openvino
from openvino import opset13 as op

RANDOM = numpy.random.default_rng(0)


def weight(*dims):
    return op.constant((0.05 * RANDOM.standard_normal(dims)).astype(numpy.float32))


def ints(*values):
    return op.constant(numpy.array(values, numpy.int64))


def conv(x, channels, filters, kernel, stride=1, pad=0, groups=1, activation=op.relu):
    kernel = kernel if isinstance(kernel, tuple) else (kernel, kernel)
    pad = pad if isinstance(pad, tuple) else (pad, pad)
    common = dict(strides=[stride] * 2, pads_begin=pad, pads_end=pad, dilations=[1, 1])
    if groups > 1:
        y = op.group_convolution(x, weight(groups, filters // groups, channels // groups, *kernel), **common)
    else:
        y = op.convolution(x, weight(filters, channels, *kernel), **common)
    y = op.add(y, weight(1, filters, 1, 1))
    return activation(y) if activation else y


def max_pool(x, size, stride):
    return op.max_pool(x, [stride] * 2, [1, 1], [0, 0], [0, 0], [size] * 2, "floor").output(0)


def average(x):
    return op.reshape(op.reduce_mean(x, ints(2, 3), True), ints(0, -1), True)


def dense(x, inputs, outputs, activation=None):
    y = op.add(op.matmul(x, weight(inputs, outputs), False, False), weight(1, outputs))
    return activation(y) if activation else y


def image(side):
    return op.parameter([-1, 3, side, side], numpy.float32, name="image")


def alexnet():
    x = image(224)
    y = max_pool(conv(x, 3, 64, 11, 4, 2), 3, 2)
    y = max_pool(conv(y, 64, 192, 5, 1, 2), 3, 2)
    y = conv(y, 192, 384, 3, 1, 1)
    y = conv(y, 384, 256, 3, 1, 1)
    y = max_pool(conv(y, 256, 256, 3, 1, 1), 3, 2)
    y = op.reshape(y, ints(0, 256 * 6 * 6), True)
    y = dense(dense(y, 256 * 36, 1024, op.relu), 1024, 1024, op.relu)
    return [x], op.softmax(dense(y, 1024, 1000), 1)


def squeezenet():
    x = image(224)
    y = max_pool(conv(x, 3, 64, 3, 2), 3, 2)
    channels = 64
    for index, (squeezed, expanded) in enumerate([(16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256)]):
        if index in (2, 4):
            y = max_pool(y, 3, 2)
        s = conv(y, channels, squeezed, 1)
        y = op.concat([conv(s, squeezed, expanded, 1), conv(s, squeezed, expanded, 3, 1, 1)], 1)
        channels = 2 * expanded
    return [x], op.softmax(average(conv(y, channels, 1000, 1)), 1)


def mobilenet():
    x = image(192)
    y, channels = conv(x, 3, 32, 3, 2, 1), 32
    for filters, stride in [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]:
        y = conv(y, channels, channels, 3, stride, 1, channels)
        y, channels = conv(y, channels, filters, 1), filters
    return [x], dense(average(y), channels, 1000)


def vgg():
    x = image(128)
    y, channels = x, 3
    for filters, count in [(64, 1), (128, 1), (256, 2), (512, 2), (512, 2)]:
        for _ in range(count):
            y, channels = conv(y, channels, filters, 3, 1, 1), filters
        y = max_pool(y, 2, 2)
    y = op.reshape(y, ints(0, 512 * 16), True)
    return [x], dense(dense(y, 512 * 16, 1024, op.relu), 1024, 100)


def inception():
    x = image(160)
    y = max_pool(conv(conv(x, 3, 32, 3, 2), 32, 64, 3, 1, 1), 3, 2)
    channels = 64
    for _ in range(4):
        a = conv(y, channels, 64, 1)
        b = conv(conv(y, channels, 48, 1), 48, 64, 5, 1, 2)
        c = conv(conv(conv(y, channels, 64, 1), 64, 64, (1, 7), 1, (0, 3)), 64, 96, (7, 1), 1, (3, 0))
        pooled = op.avg_pool(y, [1, 1], [1, 1], [1, 1], [3, 3], True)
        y, channels = op.concat([a, b, c, conv(pooled, channels, 32, 1)], 1), 256
    return [x], dense(average(y), channels, 1000)


def encoder_decoder():
    x = image(128)
    skips, y, channels = [], x, 3
    for filters in (32, 64, 128):
        y, channels = conv(conv(y, channels, filters, 3, 1, 1), filters, filters, 3, 1, 1), filters
        skips.append((y, filters))
        y = max_pool(y, 2, 2)
    y, channels = conv(y, channels, 256, 3, 1, 1), 256
    for skip, filters in reversed(skips):
        y = op.convolution_backprop_data(y, weight(channels, filters, 2, 2), [2, 2], pads_begin=[0, 0], pads_end=[0, 0], dilations=[1, 1])
        y = conv(op.concat([y, skip], 1), 2 * filters, filters, 3, 1, 1)
        channels = filters
    return [x], conv(y, channels, 4, 1, activation=op.sigmoid)


def normed(x, width):
    y = op.mvn(x, ints(-1), True, 1e-5, "inside_sqrt")
    return op.add(op.multiply(y, weight(1, 1, width)), weight(1, 1, width))


def mixer(width=256, patches=196):
    x = image(224)
    y = conv(x, 3, width, 16, 16, activation=None)
    y = op.transpose(op.reshape(y, ints(0, width, patches), True), ints(0, 2, 1))
    for _ in range(6):
        t = op.transpose(normed(y, width), ints(0, 2, 1))
        t = dense(dense(t, patches, 384, lambda v: op.gelu(v, "erf")), 384, patches)
        y = op.add(y, op.transpose(t, ints(0, 2, 1)))
        y = op.add(y, dense(dense(normed(y, width), width, 4 * width, lambda v: op.gelu(v, "erf")), 4 * width, width))
    return [x], dense(op.reduce_mean(normed(y, width), ints(1), False), width, 1000)


def tokens(length=-1):
    return op.parameter([-1, length], numpy.int64, name="ids")


def text_encoder(width=384, heads=6, layers=6, vocabulary=20000):
    ids = tokens()
    y = op.gather(weight(vocabulary, width), ids, ints(0))
    split = lambda v: op.transpose(op.reshape(v, ints(0, 0, heads, width // heads), True), ints(0, 2, 1, 3))
    for _ in range(layers):
        n = normed(y, width)
        q, k, v = (split(dense(n, width, width)) for _ in range(3))
        attended = op.scaled_dot_product_attention(q, k, v)
        attended = op.reshape(op.transpose(attended, ints(0, 2, 1, 3)), ints(0, 0, width), True)
        y = op.add(y, dense(attended, width, width))
        y = op.add(y, dense(dense(normed(y, width), width, 4 * width, lambda v: op.gelu(v, "tanh")), 4 * width, width))
    return [ids], normed(y, width)


def text_convolutions(width=128, vocabulary=30000):
    ids = tokens()
    y = op.transpose(op.gather(weight(vocabulary, width), ids, ints(0)), ints(0, 2, 1))
    found = []
    for kernel in (3, 4, 5):
        z = op.convolution(y, weight(256, width, kernel), [1], [0], [0], [1])
        found.append(op.reduce_max(op.relu(op.add(z, weight(1, 256, 1))), ints(2), False))
    return [ids], dense(op.concat(found, 1), 768, 20)


def linear(x, outputs, inputs, bits):
    """A product without a bias, whose weights have 32 bits, or 8 and a scale per output."""
    if bits == 8:
        stored = op.constant(RANDOM.integers(-127, 128, (outputs, inputs)).astype(numpy.int8))
        stored = op.multiply(op.convert(stored, numpy.float32), op.constant(numpy.full((outputs, 1), 1e-3, numpy.float32)))
    else:
        stored = weight(outputs, inputs)
    return op.matmul(x, stored, False, True)


def decoder(bits=32, together=False, bias=False, width=1536, keys=512, inner=3072):
    """Layers as a decoder has them, but for the attention: products of one tensor, and a gated MLP."""
    x = op.parameter([-1, -1, width], numpy.float32, name="x")
    y = x
    for _ in range(2):
        made = [linear(y, outputs, width, bits) for outputs in (width, keys, keys)]
        if bias:
            made = [op.add(each, weight(1, 1, outputs)) for each, outputs in zip(made, (width, keys, keys))]
        mixed = op.concat([op.sin(made[0]), op.cos(made[1]), op.tanh(made[2])], -1)
        y = op.add(y, linear(mixed, width, width + 2 * keys, 32))
        if together:
            gate, up = op.variadic_split(linear(y, 2 * inner, width, bits), -1, ints(inner, inner)).outputs()
        else:
            gate, up = (linear(y, inner, width, bits).output(0) for _ in range(2))
        gated = op.multiply(op.multiply(gate, op.sigmoid(gate)), up)
        y = op.add(y, linear(gated, width, inner, 32 if together else bits))
    return [x], y


def decoder_bytes():
    return decoder(8)


def decoder_together():
    return decoder(together=True, bias=True)


MODELS = {"alexnet": alexnet, "squeezenet": squeezenet, "mobilenet": mobilenet, "vgg": vgg, "inception": inception,
          "encoder-decoder": encoder_decoder, "mixer": mixer, "text-encoder": text_encoder, "text-convolutions": text_convolutions,
          "decoder": decoder, "decoder-half": decoder, "decoder-bytes": decoder_bytes, "decoder-together": decoder_together}
# Weights of these are saved as f16.
HALF = {"decoder-half", "decoder-together"}


def main():
    for name, make in MODELS.items():
        inputs, output = make()
        folder = pathlib.Path(sys.argv[1]) / name
        folder.mkdir(parents=True, exist_ok=True)
        openvino.save_model(openvino.Model([output], inputs, name), folder / "openvino_model.xml", compress_to_fp16=name in HALF)
        print(name, (folder / "openvino_model.xml").stat().st_size, (folder / "openvino_model.bin").stat().st_size)


if __name__ == "__main__":
    main()
