//! The sizes that dims of tensors are made of, by the names that llama.cpp's settings have.
//!
//! Source: llama.cpp 0.5.0, src/llama-model.h (`LLAMA_LOAD_LOCALS`), src/models/*.cpp (`load_arch_hparams`,
//! `load_arch_tensors`), src/llama-vocab.cpp (`llama_vocab::impl::load`).

use crate::runtime::llama_cpp::model::Model;

/// Architectures whose queries of all heads are as wide as the hidden state, whatever the width of a head is.
const SQUARE: &[&str] = &[
    "baichuan",
    "bert",
    "bloom",
    "codeshell",
    "cohere2",
    "command-r",
    "dbrx",
    "deepseek",
    "eurobert",
    "falcon",
    "gpt2",
    "gptneox",
    "internlm2",
    "jais",
    "jamba",
    "jina-bert-v2",
    "jina-bert-v3",
    "lfm2",
    "lfm2moe",
    "modern-bert",
    "mpt",
    "nemotron",
    "neo-bert",
    "nomic-bert",
    "nomic-bert-moe",
    "olmo",
    "olmo2",
    "olmoe",
    "orion",
    "phi2",
    "phi3",
    "phimoe",
    "plamo",
    "qwen",
    "qwen2",
    "qwen2moe",
    "qwen2vl",
    "stablelm",
    "starcoder",
    "starcoder2",
    "xverse",
];

/// Architectures whose experts are as wide as other networks.
const EXPERTS_AS_NETWORKS: &[&str] = &[
    "dbrx",
    "granite",
    "granitehybrid",
    "granitemoe",
    "hunyuan-moe",
    "jamba",
    "llama",
    "llama-embed",
    "minicpm",
    "minimax-m2",
    "mistral3",
    "nomic-bert-moe",
    "olmoe",
    "phimoe",
    "refact",
];

/// How a layer computes without attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recurrence {
    /// As the first Mamba does.
    Scan,
    /// As Mamba 2 does.
    HeadScan,
    /// The gated delta rule.
    Delta,
}

/// Sizes of a file, and of the layer that they are set to. 0 represents one that the file does not give.
#[derive(Clone, Debug)]
pub(super) struct Sizes<'a> {
    /// The architecture.
    pub(super) architecture: &'a str,
    /// Of the hidden state.
    pub(super) width: u64,
    /// Tokens of the vocabulary.
    pub(super) vocabulary: u64,
    /// Kinds of tokens.
    pub(super) token_types: u64,
    /// Classes of a ranker.
    pub(super) classes: u64,
    /// Of the state that the embedding's last layers give.
    pub(super) out: u64,
    /// Of the networks behind an embedding.
    pub(super) dense: [u64; 2],
    /// Tokens of the trained context.
    pub(super) context: u64,
    /// Elements of a head of keys in layers that read all tokens.
    pub(super) full_head: u64,
    /// Pairs of elements that positions turn.
    pub(super) pairs: u64,
    /// Layers.
    pub(super) layers: u64,
    /// Of a layer's own embedding.
    pub(super) per_layer: u64,
    /// Ranks of queries and of keys with values.
    pub(super) ranks: [u64; 2],
    /// Parts of a latent head: rotary, not rotary, values.
    pub(super) latent: [u64; 3],
    /// Experts.
    pub(super) experts: u64,
    /// Of the state that experts read.
    pub(super) expert_width: u64,
    /// Of a short convolution.
    pub(super) short_kernel: u64,
    /// How layers without attention compute.
    pub(super) recurrence: Recurrence,
    /// Of a recurrence: the convolution, the inner state, its columns, heads or rank, groups.
    pub(super) kernel: u64,
    pub(super) inner: u64,
    pub(super) state: u64,
    pub(super) rank: u64,
    pub(super) groups: u64,
    /// Heads of the layer.
    pub(super) heads: u64,
    /// Heads of its keys.
    pub(super) kv_heads: u64,
    /// Elements of a head of keys.
    pub(super) head: u64,
    /// Of queries, keys and values of all heads.
    pub(super) queries: u64,
    pub(super) keys: u64,
    pub(super) values: u64,
    /// Width of the data that the product behind attention reads.
    pub(super) attended: u64,
    /// Of the layer's network.
    pub(super) network: u64,
    /// The first weight of the network holds the gate as well.
    pub(super) holds_gate: bool,
    /// Of its experts.
    pub(super) expert_network: u64,
    /// Of the network next to its experts.
    pub(super) shared_network: u64,
    /// The layer computes without attention.
    pub(super) is_recurrent: bool,
    networks: Vec<u64>,
    expert_networks: Vec<u64>,
    of_layer: Option<Option<u64>>,
}

impl<'a> Sizes<'a> {
    /// The sizes of a file, set to its first layer.
    pub(super) fn of(model: &Model<'a>) -> Sizes<'a> {
        let number = |name: &str| model.number(name).unwrap_or(0);
        let list = |name: &str| model.stored.list(name).map(|(len, _)| len);
        let labels = list(&format!("{}.classifier.output_labels", model.architecture)).unwrap_or(1);
        let tokens = list("tokenizer.ggml.tokens").unwrap_or_else(|| number("vocab_size"));
        let key = model.number("attention.key_length_mla").unwrap_or_else(|| model.head_k(0));
        let value = model.number("attention.value_length_mla").unwrap_or_else(|| model.head_v(0));
        let rotary = model.number("rope.dimension_count").unwrap_or_else(|| model.head_k(0));
        let latent = Some(number("moe_latent_size")).filter(|&size| size > 0);
        let mut made = Sizes {
            architecture: model.architecture,
            width: model.width,
            vocabulary: tokens,
            token_types: model.stored.integer("tokenizer.ggml.token_type_count").unwrap_or(0),
            classes: labels.max(1),
            out: model.number("embedding_length_out").unwrap_or(model.width),
            dense: [number("dense_2_feat_out"), number("dense_3_feat_in")],
            context: model.trained_context,
            full_head: model.full_head(),
            pairs: rotary / 2,
            layers: model.layers,
            per_layer: number("embedding_length_per_layer_input"),
            ranks: [number("attention.q_lora_rank"), number("attention.kv_lora_rank")],
            latent: [rotary, key.saturating_sub(rotary), value],
            experts: model.experts,
            expert_width: latent.unwrap_or(model.width),
            short_kernel: number("shortconv.l_cache"),
            recurrence: recurrence(model.architecture),
            kernel: number("ssm.conv_kernel"),
            inner: number("ssm.inner_size"),
            state: number("ssm.state_size"),
            rank: number("ssm.time_step_rank"),
            groups: number("ssm.group_count"),
            heads: 0,
            kv_heads: 0,
            head: 0,
            queries: 0,
            keys: 0,
            values: 0,
            attended: 0,
            network: 0,
            holds_gate: false,
            expert_network: 0,
            shared_network: 0,
            is_recurrent: false,
            networks: model.numbers("feed_forward_length").unwrap_or_default(),
            expert_networks: model.numbers("expert_feed_forward_length").unwrap_or_default(),
            of_layer: None,
        };
        made.set_layer(model, None);
        made
    }

    /// Sets what depends on the layer; without one, to the first.
    pub(super) fn set_layer(&mut self, model: &Model<'_>, layer: Option<u64>) {
        if self.of_layer == Some(layer) {
            return;
        }
        self.of_layer = Some(layer);
        let number = layer.unwrap_or(0);
        let own = |list: &[u64]| list.get(number as usize).copied().unwrap_or(0);
        let (heads, kv_heads) = (model.heads(number), model.kv_heads(number));
        let is_square = SQUARE.contains(&self.architecture);
        let is_latent = matches!(self.architecture, "deepseek2" | "minicpm3");
        let [rotary, plain, value] = self.latent;
        self.heads = heads;
        self.kv_heads = kv_heads;
        self.head = model.head_k(number);
        self.keys = product(self.head, kv_heads);
        self.values = product(model.head_v(number), kv_heads);
        (self.queries, self.attended) = match (is_square, is_latent) {
            (true, _) => (self.width, self.width),
            (_, true) => (product(rotary + plain, heads), product(value, heads)),
            _ => (product(self.head, heads), product(self.head, heads)),
        };
        self.network = own(&self.networks);
        self.holds_gate = self.is_wide(model, number);
        let used = model.experts_used(number);
        self.expert_network = match own(&self.expert_networks) {
            _ if EXPERTS_AS_NETWORKS.contains(&self.architecture) => self.network,
            0 => self.network.checked_div(used).unwrap_or(0),
            size => size,
        };
        self.shared_network = self.shared(model);
        self.is_recurrent =
            layer.is_some_and(|layer| model.layer_tensor(layer, "ssm_out", "weight").is_some());
    }

    /// Whether the first weight of a layer's network holds the gate as well.
    ///
    /// Source: src/models/jina-bert-v2.cpp, chatglm.cpp, glm4.cpp, modern-bert.cpp, neo-bert.cpp, phi3.cpp.
    fn is_wide(&self, model: &Model<'_>, layer: u64) -> bool {
        let rows = || {
            let up = model.layer_tensor(layer, "ffn_up", "weight")?;
            model.stored.tensors.get(up as usize).map(|tensor| tensor.dims[1])
        };
        match self.architecture {
            "chatglm" | "glm4" | "modern-bert" | "neo-bert" | "phi3" => true,
            "jina-bert-v2" => rows() == Some(product(self.network, 2)),
            _ => false,
        }
    }

    /// Elements of a head of the gated delta rule's values.
    pub(super) fn delta_head(&self) -> u64 {
        match self.architecture {
            "qwen3next" => self.inner.checked_div(self.rank).unwrap_or(0),
            _ => self.state,
        }
    }

    /// Of its values.
    pub(super) fn delta_values(&self) -> u64 {
        product(self.delta_head(), self.rank)
    }

    /// Of its queries, keys and values.
    pub(super) fn delta_channels(&self) -> u64 {
        product(self.state, self.groups).saturating_mul(2).saturating_add(self.delta_values())
    }

    /// Width of the network next to the experts.
    fn shared(&self, model: &Model<'_>) -> u64 {
        let given = model.number("expert_shared_feed_forward_length").filter(|&size| size > 0);
        let count = model.number("expert_shared_count").unwrap_or(0);
        match self.architecture {
            "qwen2moe" | "qwen3next" | "qwen35moe" | "hunyuan-moe" => given.unwrap_or(self.network),
            "exaone-moe" => given.unwrap_or(self.expert_network),
            "bailingmoe2" => product(given.unwrap_or(self.expert_network), count),
            "llama4" => self.expert_network,
            "ernie4_5-moe" | "granite" | "granitehybrid" | "granitemoe" | "llama" | "minicpm"
            | "mistral3" | "nemotron_h_moe" | "refact" => given.unwrap_or(0),
            _ => product(self.expert_network, count),
        }
    }
}

/// A product of sizes of a file.
pub(super) fn product(a: u64, b: u64) -> u64 {
    a.saturating_mul(b)
}

fn recurrence(architecture: &str) -> Recurrence {
    match architecture {
        "mamba" | "jamba" => Recurrence::Scan,
        "qwen3next" | "qwen35" | "qwen35moe" => Recurrence::Delta,
        _ => Recurrence::HeadScan,
    }
}
