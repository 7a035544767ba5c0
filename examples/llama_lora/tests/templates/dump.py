"""Renders the constructs and templates beside this file with transformers' `apply_chat_template`.

    pip install transformers==5.24.0 tokenizers==0.23.3 jinja2==3.1.6
    python dump.py

writes `dump.json`: for each template and conversation the text, or null where transformers raises an error.
"""

import json
import sys
from datetime import datetime
from pathlib import Path

from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

sys.path.insert(0, str(Path(__file__).parent))
from blocks import BLOCKS, REFUSED
from constructs import LINES
from markup import MARKUP
from semantics import SEMANTICS, SEMANTICS_BLOCKS

HERE = Path(__file__).parent

SYSTEM = {"role": "system", "content": "Be brief. <&>'\" Ünï"}
USER = {"role": "user", "content": "Hello!\n"}
ASSISTANT = {"role": "assistant", "content": "  Hi there. "}
QUESTION = {"role": "user", "content": "What is 1 + 1?"}
THOUGHT = {"role": "assistant", "content": "<think>\nOne and one.\n</think>\n\n2", "thinking": "One and one."}
REASONED = {"role": "assistant", "content": "2", "reasoning_content": "One and one."}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {
            "id": "abcdefghi",
            "type": "function",
            "function": {"name": "weather", "arguments": {"city": "Zürich", "days": 2, "detail": True, "p": 0.5, "x": None}},
        }
    ],
}
RESULT = {"role": "tool", "name": "weather", "tool_call_id": "abcdefghi", "content": '{"temp": 21.5}'}
PARTS = {"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "text", "text": "here"}]}

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": 'The weather of a city, in "short" & <plain>',
            "parameters": {
                "type": "object",
                "properties": {
                    "city": {"type": "string", "description": "The city's name"},
                    "days": {"type": "integer", "enum": [1, 2, 7], "default": 1.0},
                },
                "required": ["city"],
            },
            "return": {"type": "string", "description": "ß"},
        },
    }
]

CONVERSATIONS = {
    "plain": {"messages": [SYSTEM, USER, ASSISTANT]},
    "tools": {"messages": [SYSTEM, QUESTION, CALL, RESULT, ASSISTANT], "tools": TOOLS},
    "one": {"messages": [USER]},
    "turns": {"messages": [USER, ASSISTANT, QUESTION, REASONED]},
    "system": {"messages": [SYSTEM, QUESTION]},
    "thought": {"messages": [QUESTION, THOUGHT, USER, REASONED]},
    "parts": {"messages": [SYSTEM, PARTS, ASSISTANT]},
    "called": {"messages": [QUESTION, CALL, RESULT], "tools": TOOLS},
    "wrong": {"messages": [ASSISTANT, USER, USER]},
}


def tokenizer():
    names = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    vocab = {text: i for i, text in enumerate(names.values())}
    model = models.WordLevel(vocab, unk_token="<unk>")
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model), **names)


def render(tok, template, conversation, answer):
    try:
        return tok.apply_chat_template(
            conversation["messages"],
            tools=conversation.get("tools"),
            chat_template=template,
            add_generation_prompt=answer,
            tokenize=False,
        )
    except Exception:
        return None


def dates():
    """Each code of `strftime` for a few dates."""
    times = ["2024-02-29T00:05:09.000123", "1999-12-31T23:59:59.999999", "2026-01-04T12:00:00.500000", "2021-01-03T08:30:00.000000"]
    codes = "aAbBcCdDeFgGhHIjklmMnpPrRStTuUVwWxXyYzZf%"
    formats = ["%" + c for c in codes] + ["%-d %-m", "%_d", "%-H:%-M", "%-I", "%-j", "%_H", "%0e", "%d %b %Y", "%B %d, %Y", "%Y-%m-%d", "no code", ""]
    return [[t, f, datetime.fromisoformat(t).strftime(f)] for t in times for f in formats]


def main():
    tok = tokenizer()
    constructs = []
    for template in LINES + BLOCKS + MARKUP + SEMANTICS + SEMANTICS_BLOCKS:
        name = "tools" if "tools" in template else "plain"
        constructs.append([template, name, render(tok, template, CONVERSATIONS[name], True)])
    templates = {}
    for path in sorted(HERE.glob("*.jinja")):
        template = path.read_bytes().decode()
        templates[path.name] = [
            [name, answer, render(tok, template, conversation, answer)]
            for name, conversation in CONVERSATIONS.items()
            for answer in (False, True)
        ]
    refused = [[template, render(tok, template, CONVERSATIONS["plain"], True) is not None] for template in REFUSED]
    assert all(rendered for _, rendered in refused), refused
    out = {"conversations": CONVERSATIONS, "constructs": constructs, "refused": REFUSED, "templates": templates, "dates": dates()}
    with open(HERE / "dump.json", "w") as file:
        json.dump(out, file, ensure_ascii=False, indent=0)
    print(len(constructs), "constructs,", sum(c[2] is None for c in constructs), "of them errors;", len(templates), "templates")


if __name__ == "__main__":
    main()
