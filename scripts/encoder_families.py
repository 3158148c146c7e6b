"""Families of export_families.py that are not decoders: what makes a model with random weights, its inputs and a run's shapes.

Of an input: its dims when exported, -1 for those that stay free, and the shape of the recorded run.
"""

TOKENS = {"input_ids": ([-1, -1], [1, 128]), "attention_mask": ([-1, -1], [1, 128])}
IMAGE = {"pixel_values": ([-1, 3, -1, -1], [1, 3, 256, 256])}
ENCODER = dict(hidden_size=384, num_hidden_layers=3, num_attention_heads=6, intermediate_size=1536, vocab_size=8192)


def transformers(config, model, inputs, **options):
    def make():
        import transformers

        return getattr(transformers, model)(getattr(transformers, config)(**options))

    return make, inputs


def rt_detr():
    import torch
    import transformers

    backbone = transformers.RTDetrResNetConfig(embedding_size=32, hidden_sizes=[64, 128, 256, 512], depths=[1, 1, 1, 1],
                                               layer_type="bottleneck", out_features=["stage2", "stage3", "stage4"])
    config = transformers.RTDetrConfig(
        backbone_config=backbone, encoder_in_channels=[128, 256, 512], encoder_hidden_dim=128, encoder_ffn_dim=256,
        d_model=128, decoder_in_channels=[128, 128, 128], decoder_ffn_dim=256, decoder_layers=2, num_queries=50,
        feat_strides=[8, 16, 32], anchor_image_size=[256, 256],
    )
    network = transformers.RTDetrForObjectDetection(config)

    class Boxes(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, pixel_values):
            found = self.network(pixel_values)
            return found.logits, found.pred_boxes

    return Boxes()


def mask2former():
    import transformers

    backbone = transformers.SwinConfig(embed_dim=48, depths=[2, 2, 2, 2], num_heads=[3, 6, 12, 24], image_size=256,
                                       out_features=["stage1", "stage2", "stage3", "stage4"])
    config = transformers.Mask2FormerConfig(
        backbone_config=backbone, feature_size=128, mask_feature_size=128, hidden_dim=128, encoder_feedforward_dim=256,
        encoder_layers=2, decoder_layers=2, dim_feedforward=256, num_queries=20,
    )
    return transformers.Mask2FormerForUniversalSegmentation(config)


def diffusers(name, inputs, forward=None, **options):
    def make():
        import diffusers
        import torch

        network = getattr(diffusers, name)(**options)

        class Whole(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.network = network

            def forward(self, *given):
                return forward(self.network, *given) if forward else self.network(*given, return_dict=False)[0]

        return Whole()

    return make, inputs


def tagger(kind):
    def make():
        import torch

        class Tagger(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.embed = torch.nn.Embedding(8192, 128)
                self.rnn = getattr(torch.nn, kind)(128, 192, num_layers=2, bidirectional=True, batch_first=True)
                self.tags = torch.nn.Linear(384, 32)

            def forward(self, input_ids):
                return self.tags(self.rnn(self.embed(input_ids))[0])

        return Tagger()

    return make, {"input_ids": TOKENS["input_ids"]}


ENCODERS = {
    "deberta": transformers("DebertaV2Config", "DebertaV2Model", TOKENS, relative_attention=True, pos_att_type=["p2c", "c2p"],
                            position_buckets=64, norm_rel_ebd="layer_norm", share_att_key=True, position_biased_input=False,
                            **ENCODER),
    "modernbert": transformers("ModernBertConfig", "ModernBertModel", TOKENS, reference_compile=False,
                               pad_token_id=0, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2, **ENCODER),
    "t5-encoder": transformers("T5Config", "T5EncoderModel", TOKENS, d_model=384, d_kv=64, d_ff=1024, num_layers=3, num_heads=6,
                               vocab_size=8192),
    "wav2vec2": transformers("Wav2Vec2Config", "Wav2Vec2Model", {"input_values": ([-1, -1], [1, 16000])},
                             do_stable_layer_norm=True, feat_extract_norm="layer", **ENCODER),
    "wavlm": transformers("WavLMConfig", "WavLMModel", {"input_values": ([-1, -1], [1, 16000])}, **ENCODER),
    "hubert": transformers("HubertConfig", "HubertModel", {"input_values": ([-1, -1], [1, 16000])}, **ENCODER),
    "sew": transformers("SEWConfig", "SEWModel", {"input_values": ([-1, -1], [1, 16000])}, **ENCODER),
    "albert": transformers("AlbertConfig", "AlbertModel", TOKENS, embedding_size=128, **ENCODER),
    "electra": transformers("ElectraConfig", "ElectraModel", TOKENS, embedding_size=128, **ENCODER),
    "mpnet": transformers("MPNetConfig", "MPNetModel", TOKENS, **ENCODER),
    "roformer": transformers("RoFormerConfig", "RoFormerModel", TOKENS, embedding_size=384, **ENCODER),
    "convbert": transformers("ConvBertConfig", "ConvBertModel", TOKENS, embedding_size=384, **ENCODER),
    "focalnet": transformers("FocalNetConfig", "FocalNetModel", {"pixel_values": ([-1, 3, 224, 224], [1, 3, 224, 224])},
                             embed_dim=48, depths=[1, 1, 2, 1]),
    "pvt": transformers("PvtV2Config", "PvtV2Model", {"pixel_values": ([-1, 3, 224, 224], [1, 3, 224, 224])}),
    "rt-detr": (rt_detr, {"pixel_values": ([-1, 3, 256, 256], [1, 3, 256, 256])}),
    "mask2former": (mask2former, {"pixel_values": ([-1, 3, 256, 256], [1, 3, 256, 256])}),
    "diffusion-transformer": diffusers(
        "SD3Transformer2DModel",
        {"hidden_states": ([-1, 16, 32, 32], [1, 16, 32, 32]), "encoder_hidden_states": ([-1, -1, 256], [1, 77, 256]),
         "pooled_projections": ([-1, 128], [1, 128]), "timestep": ([-1], [1])},
        sample_size=32, num_layers=2, attention_head_dim=64, num_attention_heads=4, joint_attention_dim=256,
        caption_projection_dim=256, pooled_projection_dim=128, out_channels=16, pos_embed_max_size=32,
    ),
    "unet": diffusers(
        "UNet2DConditionModel",
        {"sample": ([-1, 4, -1, -1], [1, 4, 32, 32]), "timestep": ([-1], [1]),
         "encoder_hidden_states": ([-1, -1, 128], [1, 77, 128])},
        block_out_channels=(64, 128), layers_per_block=1, cross_attention_dim=128, attention_head_dim=4, norm_num_groups=16,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    ),
    "vae-decoder": diffusers(
        "AutoencoderKL", {"latent": ([-1, 4, -1, -1], [1, 4, 32, 32])},
        forward=lambda network, latent: network.decode(latent, return_dict=False)[0],
        block_out_channels=(64, 128), layers_per_block=1, norm_num_groups=16, latent_channels=4,
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"), up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
    ),
    "lstm-tagger": tagger("LSTM"),
    "gru-tagger": tagger("GRU"),
}


def export(family, folder):
    """Writes the IR of one of them, in f16."""
    import openvino
    import torch

    torch.manual_seed(0)
    make, inputs = ENCODERS[family]
    network = make().eval()
    with torch.no_grad():
        for key, parameter in network.named_parameters():
            if parameter.dim() == 1:  # a gamma of ones is left out by the exporter
                parameter.copy_(torch.randn_like(parameter) * 0.1 + float(key.endswith("weight")))
    if hasattr(network, "config"):
        network.config.return_dict = False
    given = [example(name, shape) for name, (_, shape) in inputs.items()]
    keyed = dict(zip(inputs, given)) if hasattr(network, "config") else tuple(given)
    model = openvino.convert_model(network, example_input=keyed)
    for port, name in zip(model.inputs, inputs):
        port.get_tensor().set_names({name})
    model.reshape({name: openvino.PartialShape(dims) for name, (dims, _) in inputs.items()})
    folder.mkdir(parents=True, exist_ok=True)
    openvino.save_model(model, folder / "openvino_model.xml", compress_to_fp16=True)


def example(name, shape):
    """An array to trace with."""
    import torch

    return torch.ones(shape, dtype=torch.int64) if name in TOKENS else torch.randn(shape)
