"""A tiny config of each architecture on which LoRA and experts are tried."""

from typing import Any

from transformers import AutoConfig, PretrainedConfig

SIZES: dict[str, Any] = {
    "vocab_size": 64, "hidden_size": 16, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 2,
    "max_position_embeddings": 48, "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3,
}  # fmt: skip
GROUPED: dict[str, Any] = {**SIZES, "num_key_value_heads": 1, "head_dim": 8}
GPT: dict[str, Any] = {"vocab_size": 64, "n_embd": 16, "n_layer": 3, "n_head": 2, "n_positions": 48, "pad_token_id": 1}
T5: dict[str, Any] = {
    "vocab_size": 64, "d_model": 16, "d_kv": 8, "d_ff": 40, "num_layers": 3, "num_heads": 2, "pad_token_id": 1,
    "eos_token_id": 3, "decoder_start_token_id": 0,
}  # fmt: skip
BART: dict[str, Any] = {
    "vocab_size": 64, "d_model": 16, "encoder_layers": 3, "decoder_layers": 2, "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 40, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 48,
    "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 3,
}  # fmt: skip
MLA: dict[str, Any] = {
    **SIZES, "q_lora_rank": 8, "kv_lora_rank": 8, "qk_nope_head_dim": 8, "qk_rope_head_dim": 8, "v_head_dim": 8,
}  # fmt: skip
#: Sizes by architecture, as transformers names it; what follows a comma tells two forms of one apart.
CONFIGS: dict[str, dict[str, Any]] = {
    "albert": {**SIZES, "embedding_size": 8},
    "bart": BART,
    "bert": SIZES,
    "big_bird": {**SIZES, "attention_type": "original_full"},
    "biogpt": SIZES,
    "bloom": {"vocab_size": 64, "hidden_size": 16, "n_layer": 3, "n_head": 2, "pad_token_id": 1},
    "camembert": SIZES,
    "canine": {**SIZES, "num_hash_buckets": 32},
    "convbert": {**SIZES, "embedding_size": 16},
    "ctrl": {**GPT, "dff": 40},
    "data2vec-text": SIZES,
    "deberta": {**SIZES, "relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "deberta-v2": {
        **SIZES, "relative_attention": True, "pos_att_type": ["c2p", "p2c"], "position_buckets": 8,
        "norm_rel_ebd": "layer_norm", "share_att_key": True, "position_biased_input": False,
    },
    "deepseek_v3": {**MLA, "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24,
                    "n_group": 1, "topk_group": 1, "first_k_dense_replace": 1},
    "distilbert": {"vocab_size": 64, "dim": 16, "hidden_dim": 40, "n_layers": 3, "n_heads": 2,
                   "max_position_embeddings": 48, "pad_token_id": 1},
    "electra": {**SIZES, "embedding_size": 8},
    "ernie": SIZES,
    "esm": {**SIZES, "mask_token_id": 4, "position_embedding_type": "rotary"},
    "eurobert": GROUPED,
    "falcon": {**SIZES, "parallel_attn": True, "multi_query": True, "alibi": False},
    "falcon, without parallel attention": {**SIZES, "parallel_attn": False, "multi_query": False, "alibi": True,
                                           "bias": True, "new_decoder_architecture": False},
    "fnet": {**SIZES, "tpu_short_seq_length": 48},
    "funnel": {"vocab_size": 64, "d_model": 16, "d_head": 8, "d_inner": 40, "n_head": 2, "block_sizes": [2, 1],
               "pad_token_id": 1},
    "gemma": GROUPED,
    "gemma2": GROUPED,
    "gemma3_text": GROUPED,
    "glm": {**GROUPED, "partial_rotary_factor": 0.5},
    "gpt2": GPT,
    "gpt_bigcode": GPT,
    "gpt_neo": {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 40, "num_layers": 2, "num_heads": 2,
                "max_position_embeddings": 48, "pad_token_id": 1, "attention_types": [[["global", "local"], 1]]},
    "gpt_neox": SIZES,
    "gpt_neox, not parallel": {**SIZES, "use_parallel_residual": False},
    "gptj": {**GPT, "rotary_dim": 4},
    "gte": SIZES,
    "helium": GROUPED,
    "layoutlm": SIZES,
    "llama": GROUPED,
    "llama, biases": {**GROUPED, "mlp_bias": True, "attention_bias": True},
    "longformer": {**SIZES, "attention_window": 8},
    "luke": {**SIZES, "entity_vocab_size": 8, "entity_emb_size": 8},
    "mbart": BART,
    "megatron-bert": SIZES,
    "minicpm3": MLA,
    "mistral": GROUPED,
    "mixtral": {**GROUPED, "num_local_experts": 4},
    "mobilebert": {**SIZES, "embedding_size": 8, "intra_bottleneck_size": 16, "num_feedforward_networks": 2,
                   "true_hidden_size": 16},
    "modernbert": {**SIZES, "cls_token_id": 2, "sep_token_id": 3},
    "mpnet": SIZES,
    "mpt": {"vocab_size": 64, "d_model": 16, "n_layers": 3, "n_heads": 2, "max_seq_len": 48, "pad_token_id": 1},
    "nemotron": GROUPED,
    "nomic_bert": SIZES,
    "nystromformer": {**SIZES, "num_landmarks": 16, "segment_means_seq_len": 16},
    "olmo": GROUPED,
    "olmo2": GROUPED,
    "openai-gpt": GPT,
    "opt": {**SIZES, "ffn_dim": 40, "word_embed_proj_dim": 16},
    "opt, norms after, no biases": {**SIZES, "ffn_dim": 40, "word_embed_proj_dim": 8, "do_layer_norm_before": False,
                                    "enable_bias": False},
    "persimmon": SIZES,
    "phi": SIZES,
    "phi3": GROUPED,
    "qwen2": GROUPED,
    "qwen3": GROUPED,
    "qwen2_moe": {**GROUPED, "num_experts": 4, "moe_intermediate_size": 24, "shared_expert_intermediate_size": 24},
    "rembert": {**SIZES, "input_embedding_size": 8, "output_embedding_size": 8},
    "roberta": SIZES,
    "roberta-prelayernorm": SIZES,
    "roformer": {**SIZES, "embedding_size": 16},
    "smollm3": GROUPED,
    "squeezebert": {**SIZES, "embedding_size": 16, "q_groups": 2, "k_groups": 2, "v_groups": 2,
                    "post_attention_groups": 1, "intermediate_groups": 2, "output_groups": 2},
    "stablelm": GROUPED,
    "stablelm, parallel": {**GROUPED, "use_parallel_residual": True},
    "starcoder2": GROUPED,
    "t5": T5,
    "t5, gated": {**T5, "feed_forward_proj": "gated-gelu"},
    "umt5": T5,
    "xlm": {"vocab_size": 64, "emb_dim": 16, "n_layers": 3, "n_heads": 2, "max_position_embeddings": 48,
            "pad_token_id": 1},
    "xlm-roberta": SIZES,
    "xmod": {**SIZES, "languages": ["en_XX"], "default_language": "en_XX"},
    "yoso": SIZES,
}  # fmt: skip


def config_of(name: str) -> PretrainedConfig:
    """The config of an architecture, with three classes."""
    return AutoConfig.for_model(name.partition(",")[0], num_labels=3, **CONFIGS[name])
