"""An adapter that our trainer wrote, in mlx-lm: its loss must be the one that our `eval` prints. Run by hand:

    llama_lora train --iters 20 --num-layers 4 --mask-prompt --lora-keys q_proj,k_proj --adapter-path adapters
    llama_lora eval --data FOLDER --adapter-path adapters --mask-prompt      # prints the loss
    python tests/parity/check_adapter.py SmolLM2-135M-Instruct.Q4_1.gguf adapters FOLDER/test.jsonl LOSS

FOLDER/test.jsonl has prompts and completions; without --mask-prompt give --whole here. mlx 0.32.2, mlx-lm 0.32.2.
"""

import argparse
import json

import reference as ref  # first: it sets MLX's environment
import mlx.core as mx
import numpy as np
from mlx_lm.tokenizer_utils import TokenizerWrapper
from mlx_lm.tuner.datasets import CompletionsDataset
from mlx_lm.tuner.utils import load_adapters
from transformers import PreTrainedTokenizerFast


def rows(gguf, tokenizer, path, masked):
    """(ids, where the targets start) of each line, by mlx-lm's reading of it."""
    _, meta = mx.load(gguf, return_metadata=True)
    eos = meta["tokenizer.ggml.tokens"][meta["tokenizer.ggml.eos_token_id"].item()]
    template = meta["tokenizer.chat_template"]
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=eos, chat_template=template)
    with open(path) as lines:
        data = [json.loads(line) for line in lines]
    data = CompletionsDataset(data, TokenizerWrapper(fast), "prompt", "completion", masked)
    return [data.process(data[i]) for i in range(len(data))]


def hugging_face(model):
    """The model in the order of rows that adapters have: the halves of a head rotate together, not neighbours."""
    for layer in model.layers:
        attention = layer.self_attn
        for linear, heads in ((attention.q_proj, attention.n_heads), (attention.k_proj, attention.n_kv_heads)):
            w = linear.weight
            linear.weight = w.reshape(heads, -1, 2, w.shape[-1]).swapaxes(1, 2).reshape(w.shape)
        attention.rope.traditional = False


def loss(model, rows):
    """The mean over all targets, summed in float64: MLX's float32 sum over the vocabulary makes it 1e-4 too small."""
    total, count = 0.0, 0
    for ids, offset in rows:
        logits = np.array(model(mx.array([ids[:-1]]))[0]).astype(np.float64)
        top = logits.max(axis=-1, keepdims=True)
        nll = np.log(np.exp(logits - top).sum(axis=-1)) + top[:, 0] - logits[np.arange(len(ids) - 1), ids[1:]]
        total += nll[max(offset, 1) - 1 :].sum()
        count += len(ids) - max(offset, 1)
    return total / count


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("gguf", "adapter", "data"):
        parser.add_argument(name)
    parser.add_argument("loss", type=float, help="what our eval printed")
    parser.add_argument("--whole", action="store_true", help="prompts count, too")
    args = parser.parse_args()
    model, tokenizer = ref.smol(args.gguf)
    split = rows(args.gguf, tokenizer, args.data, not args.whole)
    hugging_face(model)
    bare = loss(model, split)
    model.freeze()
    load_adapters(model, args.adapter)
    adapted = loss(model, split)
    print(f"mlx-lm: {bare:.4f} without the adapter, {adapted:.4f} with it; ours {args.loss:.4f} with it")
    # Our eval prints four places.
    if not abs(adapted - args.loss) <= 1e-4 * adapted + 5e-5:
        raise SystemExit("they differ")
    print("they agree")
