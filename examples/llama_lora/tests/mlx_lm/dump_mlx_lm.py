"""Dumps mlx-lm's results with SmolLM2 and the shipped data set for tests/mlx_lm.rs.

python dump_mlx_lm.py FILE.gguf      (mlx 0.32.2, mlx-lm 0.32.2, CPU, float32, MLX_DISABLE_COMPILE=1)

Writes beside itself: initial/ (a LoRA adapter, as mlx-lm makes it) and reference.json (token ids, losses of ten
steps from that adapter, perplexity of a sentence).
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[3] / "tests" / "parity"))

import reference as ref  # first: it sets MLX's environment, and the CPU
import mlx.core as mx
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.tokenizer_utils import TokenizerWrapper
from mlx_lm.tuner.callbacks import TrainingCallback
from mlx_lm.tuner.datasets import CacheDataset, CompletionsDataset
from mlx_lm.tuner.trainer import TrainingArgs, train
from mlx_lm.tuner.utils import linear_to_lora_layers
from transformers import PreTrainedTokenizerFast

import mlx.optimizers as optim

DATA = HERE.parent.parent / "data"
LORA = {"rank": 4, "scale": 20.0, "dropout": 0.0, "keys": ["self_attn.q_proj", "self_attn.v_proj", "mlp.down_proj"]}
LAYERS, BATCH, STEPS, LR, ROWS = 2, 4, 10, 1e-4, (60, 10)


def load(path):
    model, tokenizer = ref.smol(path)
    _, meta = mx.load(path, return_metadata=True)
    eos = meta["tokenizer.ggml.tokens"][meta["tokenizer.ggml.eos_token_id"].item()]
    template = meta["tokenizer.chat_template"]
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=eos, chat_template=template)
    return model, TokenizerWrapper(fast)


class Losses(TrainingCallback):
    def __init__(self):
        self.train, self.valid = [], []

    def on_train_loss_report(self, info):
        self.train.append(info["train_loss"])

    def on_val_loss_report(self, info):
        self.valid.append(info["val_loss"])


def rows(name, n):
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text().splitlines()[:n]]


def main():
    model, tok = load(sys.argv[1])

    ids = tok.encode(ref.SENTENCE)
    x = mx.array([ids])
    logits = model(x)[0]
    nll = mx.logsumexp(logits[:-1], axis=-1) - mx.take_along_axis(logits[:-1], x[0, 1:, None], axis=-1)[:, 0]

    mx.random.seed(0)
    model.freeze()
    linear_to_lora_layers(model, LAYERS, LORA)
    initial = dict(tree_flatten(model.trainable_parameters()))
    folder = HERE / "initial"
    folder.mkdir(exist_ok=True)
    mx.save_safetensors(str(folder / "adapters.safetensors"), initial)
    config = {"fine_tune_type": "lora", "num_layers": LAYERS, "lora_parameters": LORA, "model": "smollm2-135m-instruct"}
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")

    result = {
        "sentence": ref.SENTENCE,
        "sentence_ids": ids,
        "perplexity": mx.exp(nll.mean()).item(),
        "batch_size": BATCH,
        "steps": STEPS,
        "learning_rate": LR,
        "rows": ROWS,
        "runs": [],
    }
    for mask in (False, True):
        model.load_weights(list(initial.items()), strict=False)
        sets = [CompletionsDataset(rows(n, k), tok, "prompt", "completion", mask) for n, k in zip(("train", "valid"), ROWS)]
        losses = Losses()
        np.random.seed(0)
        args = TrainingArgs(
            batch_size=BATCH, iters=STEPS, val_batches=-1, steps_per_report=1, steps_per_eval=STEPS,
            steps_per_save=10**9, max_seq_length=2048, adapter_file="/dev/null",
        )
        try:
            train(model, optim.Adam(learning_rate=LR), CacheDataset(sets[0]), CacheDataset(sets[1]), args, training_callback=losses)
        except RuntimeError as e:
            # The final save has nowhere to go.
            assert "null" in str(e) or "safetensors" in str(e), e
        first = sets[0].process(rows("train", 1)[0])
        result["runs"].append(
            {"mask_prompt": mask, "first_row": first, "train": losses.train, "valid": losses.valid}
        )
    (HERE / "reference.json").write_text(json.dumps(result) + "\n")
    print({k: v for k, v in result.items() if k not in ("sentence_ids",)})


main()
