//! llama_lora
