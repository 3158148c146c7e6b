#!/usr/bin/env python3
"""Exports the small models with random weights of fixtures/, and the graphs that OpenVINO executes for them.

    export_fixtures.py OUT_DIR

Writes OUT_DIR/<model>/openvino_model.xml with its .bin, and OUT_DIR/execution/<model>_<run>.xml: the runtime model of a
run, compiled with the dims as exported and with those of the run. Strip the models of their weights before they are
committed (fixtures/README.md). Norms get scales other than one: those of an untrained model would be optimised away.

Versions: torch 2.15.0, transformers 4.57.6, openvino 2026.4.1. Run with ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16 where the
processor has more.
"""

import pathlib
import sys

import numpy
import openvino
import torch
import transformers

SIZES = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}


class UNet(torch.nn.Module):
    """Two levels: convolutions with norms, a transposed convolution, and a joined skip."""

    def __init__(self):
        super().__init__()

        def block(inputs, outputs):
            convolution = torch.nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
            return torch.nn.Sequential(convolution, torch.nn.BatchNorm2d(outputs), torch.nn.ReLU())

        self.down, self.bottom, self.merge = block(3, 16), block(16, 32), block(32, 16)
        self.up, self.head = torch.nn.ConvTranspose2d(32, 16, 2, 2), torch.nn.Conv2d(16, 4, 1)

    def forward(self, pixel_values):
        skip = self.down(pixel_values)
        below = self.bottom(torch.nn.functional.max_pool2d(skip, 2))
        return self.head(self.merge(torch.cat([skip, self.up(below)], 1)))


class First(torch.nn.Module):
    """The first output alone."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        return self.model(pixel_values)[0]


def models():
    """Name, module, declared dims, dims of the run."""
    siglip = transformers.SiglipVisionConfig(image_size=64, patch_size=16, **SIZES)
    yield "siglip-mini-fp16", First(transformers.SiglipVisionModel(siglip)), [-1, 3, 64, 64], [1, 3, 64, 64]
    convnext = transformers.ConvNextConfig(hidden_sizes=[32, 64], depths=[1, 1], num_stages=2, num_labels=10)
    yield (
        "convnext-mini-fp16",
        First(transformers.ConvNextForImageClassification(convnext)),
        [-1, 3, -1, -1],
        [1, 3, 64, 64],
    )
    yield "unet-mini-fp16", UNet(), [-1, 3, -1, -1], [1, 3, 64, 64]


def main():
    out = pathlib.Path(sys.argv[1])
    (out / "execution").mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    for name, module, declared, dims in models():
        for values in [*module.parameters(), *module.buffers()]:
            if values.is_floating_point() and values.numel() > 1:
                values.data += 0.1 * torch.rand_like(values)
        model = openvino.convert_model(
            module.eval(), example_input=torch.randn(dims), input=[(declared, openvino.Type.f32)]
        )
        model.inputs[0].get_tensor().set_names({"pixel_values"})
        model.inputs[0].get_node().set_friendly_name("pixel_values")
        path = out / name / "openvino_model.xml"
        openvino.save_model(model, path, compress_to_fp16=True)
        for run, is_static in (("dyn_f32", False), ("static_f32", True)):
            read = openvino.Core().read_model(path)
            if is_static:
                read.reshape(dims)
            properties = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 2}
            compiled = openvino.Core().compile_model(read, "CPU", properties)
            compiled(numpy.ones(dims, numpy.float32))
            executed = out / "execution" / f"{name}_{run}.xml"
            openvino.save_model(compiled.get_runtime_model(), executed, compress_to_fp16=False)
            executed.with_suffix(".bin").unlink()


if __name__ == "__main__":
    main()
