"""Each family's default config as transformers writes it.

    python examples/models/tests/dump_configs.py examples/models/tests/data

Writes configs.json: by model_type, what `config.json` of a model with nothing else changed holds. transformers 5.24.
"""

import json
import sys
from pathlib import Path

from transformers import AutoConfig

TYPES = ["llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3_moe", "phi3", "gemma2", "gemma3_text", "gpt2", "olmo2", "gpt_oss",
         "deepseek_v2"]
# A size without which no model of the type can be made.
CHANGES = {"deepseek_v2": {"num_experts_per_tok": 6}}

if __name__ == "__main__":
    configs = {t: AutoConfig.for_model(t, **CHANGES.get(t, {})).to_dict() for t in TYPES}
    (Path(sys.argv[1]) / "configs.json").write_text(json.dumps(configs, indent=1) + "\n")
