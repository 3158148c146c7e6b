#!/usr/bin/env python3
"""Exports networks that are not decoders, with random weights: the models of the validation runs.

    export_networks.py OUT [NAME ...] [--strip DIR] [--list]

No rule of a runtime was derived from these; docs/accuracy.md compares predictions with what they took. Writes
OUT/NAME/openvino_model.xml and .bin (f16, dims free but for the image's); with --strip, DIR/NAME/ the same without constants
of more than 1 KiB. `scripts/measure_openvino OUT/NAME …` then makes the records.

Pinned: torch 2.15.0, torchvision 0.29.2, timm 1.0.31, transformers 4.57.6, openvino 2026.4.1.
"""

import argparse
import pathlib
import sys

from export_families import strip

# Constants up to this length are kept: those that drive shapes are shorter.
KEPT = 1 << 10
TOKENS = {"input_ids": [-1, -1], "attention_mask": [-1, -1]}
SMALL = dict(hidden_size=384, num_hidden_layers=4, num_attention_heads=6, intermediate_size=1536)


def timm(name, size=224):
    def make():
        import timm

        return timm.create_model(name, pretrained=False)

    return make, {"x": [-1, 3, size, size]}


def torchvision(path, size=224, **options):
    def make():
        import importlib

        module, name = path.rsplit(".", 1)
        return getattr(importlib.import_module(f"torchvision.models{module}"), name)(weights=None, **options)

    return make, {"x": [-1, 3, size, size]}


def transformers(config, model, inputs, **options):
    def make():
        import transformers

        return getattr(transformers, model)(getattr(transformers, config)(**options))

    return make, inputs


NETWORKS = {
    "mobilenetv2": timm("mobilenetv2_100"),
    "resnext50": timm("resnext50_32x4d"),
    "vgg11-bn": timm("vgg11_bn"),
    "inception-v3": timm("inception_v3", 299),
    "efficientnetv2": timm("efficientnetv2_rw_t"),
    "ghostnet": timm("ghostnet_100"),
    "seresnet50": timm("seresnet50"),
    "swin-tiny": timm("swin_tiny_patch4_window7_224"),
    "deit-tiny": timm("deit_tiny_patch16_224"),
    "mixer": timm("mixer_s32_224"),
    "dpn68": timm("dpn68"),
    "squeezenet": torchvision(".squeezenet1_1"),
    "shufflenet": torchvision(".shufflenet_v2_x1_0"),
    "deeplabv3": torchvision(".segmentation.deeplabv3_mobilenet_v3_large", 256, weights_backbone=None),
    "fcn": torchvision(".segmentation.fcn_resnet50", 256, weights_backbone=None),
    "bert": transformers("BertConfig", "BertModel", TOKENS, **SMALL),
    "electra": transformers("ElectraConfig", "ElectraModel", TOKENS, **SMALL),
    "albert": transformers("AlbertConfig", "AlbertModel", TOKENS, embedding_size=128, **SMALL),
    "mpnet": transformers("MPNetConfig", "MPNetModel", TOKENS, **SMALL),
    "hubert": transformers("HubertConfig", "HubertModel", {"input_values": [-1, -1]}, **SMALL),
    "beit": transformers("BeitConfig", "BeitModel", {"pixel_values": [-1, 3, 224, 224]}, **SMALL),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--strip", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(NETWORKS))
        return 0
    unknown = sorted(set(arguments.names) - NETWORKS.keys())
    if unknown:
        sys.exit(f"error: no network is called {', '.join(unknown)}; --list names them")
    for name in arguments.names or NETWORKS:
        folder = arguments.out / name
        export(name, folder)
        if arguments.strip:
            strip(folder / "openvino_model.xml", arguments.strip / name, KEPT)
        print(name)
    return 0


def export(name, folder):
    """Writes a network's IR."""
    import openvino
    import torch

    torch.manual_seed(0)
    make, inputs = NETWORKS[name]
    network = make().eval()
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            if parameter.dim() == 1:  # a gamma of ones is left out by the exporter
                parameter.copy_(torch.randn_like(parameter) * 0.1 + float(key.endswith("weight")))
    example = {key: example_of(key, dims) for key, dims in inputs.items()}
    if hasattr(network, "config"):
        network.config.return_dict = False
    given = tuple(example.values())[0] if len(example) == 1 else example
    model = openvino.convert_model(network, example_input=given)
    for port, (key, dims) in zip(model.inputs, inputs.items()):
        port.get_tensor().set_names({key})
    model.reshape({key: openvino.PartialShape(dims) for key, dims in inputs.items()})
    folder.mkdir(parents=True, exist_ok=True)
    openvino.save_model(model, folder / "openvino_model.xml", compress_to_fp16=True)


def example_of(key, dims):
    import torch

    free = {"input_ids": 16, "attention_mask": 16, "input_values": 8000}
    shape = [free.get(key, 1) if axis and dim < 0 else max(dim, 1) for axis, dim in enumerate(dims)]
    if key in ("input_ids", "attention_mask"):
        return torch.ones(shape, dtype=torch.int64)
    return torch.randn(shape)


if __name__ == "__main__":
    sys.exit(main())
