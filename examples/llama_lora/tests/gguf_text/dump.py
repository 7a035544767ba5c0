"""Dumps a small SentencePiece model and ids of texts, for src/text/sentencepiece.rs. sentencepiece 0.2.3.

    python examples/llama_lora/tests/gguf_text/dump.py
"""

import io
import json
from pathlib import Path

import sentencepiece as spm

TEXT = (Path(__file__).parents[4] / "docs/language.md").read_text().splitlines()
model = io.BytesIO()
spm.SentencePieceTrainer.train(
    sentence_iterator=iter(TEXT),
    model_writer=model,
    vocab_size=700,
    model_type="bpe",
    byte_fallback=True,
    normalization_rule_name="identity",
    remove_extra_whitespaces=False,
    split_digits=True,
    minloglevel=2,
)
sp = spm.SentencePieceProcessor(model_proto=model.getvalue())
pieces = range(sp.get_piece_size())


def kind(i):
    return 2 if sp.is_unknown(i) else 3 if sp.is_control(i) else 6 if sp.is_byte(i) else 1


SAMPLES = [
    "Hello world", "the model", " leading space", "two  spaces and   three", "Grüße, 世界 🦙", "line\nbreak\ttab",
    "#[mlx_model] fn forward(&self, x: Tensor![B, L])", "12345", "a", "", "trailing ", "unseen: \u0416\u0434",
] + [line for line in TEXT[20:60] if line]
dump = {
    "tokens": [sp.id_to_piece(i) for i in pieces],
    "scores": [sp.get_score(i) for i in pieces],
    "types": [kind(i) for i in pieces],
    "cases": [{"text": t, "ids": sp.encode(t)} for t in SAMPLES],
}
(Path(__file__).parent / "dump.json").write_text(json.dumps(dump, ensure_ascii=False) + "\n")
