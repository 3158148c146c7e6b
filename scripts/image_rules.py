#!/usr/bin/env python3
"""Records what the image processors of transformers make of images: fixtures/image_rules.json.

tests/image_rules.rs holds the rules of src/pipeline/families against it. Needs transformers 4.57 with torch; no network:
processors are made from their published settings, images are grey.

usage: image_rules.py > fixtures/image_rules.json
"""

import json

import numpy as np
from transformers import (
    CLIPImageProcessor,
    Gemma3ImageProcessor,
    Idefics3ImageProcessor,
    LlavaNextImageProcessor,
    Qwen2VLImageProcessor,
    Qwen2VLImageProcessorFast,
    SmolVLMImageProcessor,
)
from transformers.models.llava_next.processing_llava_next import LlavaNextProcessor
from transformers.models.phi4_multimodal.image_processing_phi4_multimodal_fast import (
    Phi4MultimodalImageProcessorFast,
)

SIZES = [(1024, 682), (682, 1024), (336, 336), (1920, 1080), (500, 80), (3000, 2000), (64, 64), (1372, 1036)]
PINPOINTS = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]

qwen2 = {"patch_size": 14, "temporal_patch_size": 2, "merge_size": 2, "min_pixels": 3136, "max_pixels": 12845056}
qwen3 = {"patch_size": 16, "temporal_patch_size": 2, "merge_size": 2,
         "size": {"shortest_edge": 65536, "longest_edge": 16777216}}
llava = {"size": {"shortest_edge": 336}, "crop_size": {"height": 336, "width": 336}}
next_ = {**llava, "image_grid_pinpoints": PINPOINTS}
gemma = {"size": {"height": 896, "width": 896}}
smol = {"size": {"longest_edge": 2048}, "max_image_size": {"longest_edge": 512}}
idefics = {"size": {"longest_edge": 1456}, "max_image_size": {"longest_edge": 364}}
phi4 = {"size": {"height": 448, "width": 448}, "dynamic_hd": 36, "patch_size": 14}


rows = []
for width, height in SIZES:
    image = np.full((height, width, 3), 127, dtype=np.uint8)

    def add(family, preprocessor, config, shape, tokens):
        rows.append({"family": family, "preprocessor": preprocessor, "config": config, "image": [width, height],
                     "pixel_values": [int(dim) for dim in shape], "tokens": int(tokens)})

    for family, settings in (("qwen2_5_vl", qwen2), ("qwen3_vl", qwen3)):
        # The slow processor has its own bounds on pixels in addition to `size`; Qwen3-VL is published with the fast one.
        processor = Qwen2VLImageProcessor if family == "qwen2_5_vl" else Qwen2VLImageProcessorFast
        out = processor(**settings)(images=[image], return_tensors="pt")
        add(family, settings, {"vision_config": {"patch_size": settings["patch_size"], "spatial_merge_size": 2}},
            out["pixel_values"].shape, out["pixel_values"].shape[0] // 4)
    clip = {"vision_config": {"image_size": 336, "patch_size": 14}}
    out = CLIPImageProcessor(**llava)(images=[image], return_tensors="np")
    add("llava", llava, clip, out["pixel_values"].shape, 576)
    out = LlavaNextImageProcessor(**next_)(images=[image], return_tensors="np")
    helper = LlavaNextProcessor.__new__(LlavaNextProcessor)
    helper.image_processor = LlavaNextImageProcessor(**next_)
    helper.patch_size, helper.num_additional_image_tokens, helper.vision_feature_select_strategy = 14, 1, "default"
    tokens = helper._get_number_of_features(height, width, 336, 336)
    add("llava_next", next_, clip, out["pixel_values"].shape[1:], tokens - 1)
    out = Gemma3ImageProcessor(**gemma)(images=[image], return_tensors="np")
    add("gemma3", gemma, {"vision_config": {"image_size": 896, "patch_size": 14}}, out["pixel_values"].shape, 256)
    for family, cls, settings, patch, scale in (
        ("smolvlm", SmolVLMImageProcessor, smol, 16, 4), ("idefics3", Idefics3ImageProcessor, idefics, 14, 2)):
        side = settings["max_image_size"]["longest_edge"]
        out = cls(**settings)(images=[image], return_tensors="np")
        shape = out["pixel_values"].shape[1:]
        add(family, settings, {"scale_factor": scale, "vision_config": {"image_size": side, "patch_size": patch}}, shape,
            shape[0] * (side // patch // scale) ** 2)
    out = Phi4MultimodalImageProcessorFast(**phi4)(images=[image], return_tensors="pt")
    add("phi4mm", phi4, {}, out["image_pixel_values"].shape[1:], out["num_img_tokens"][0])

print(json.dumps({"source": "transformers 4.57.6", "rows": rows}, indent=1))
