"""Every flag of mlx-lm's commands that this program has as well, dumped for tests/parity_flags.rs.

    python examples/llama_lora/tests/mlx_lm/dump_parsers.py      (mlx 0.32.2, mlx-lm 0.32.2)

Writes parsers.json beside itself: for each command its flags with their defaults, and for lora the keys of the file.
"""

import json
from importlib.metadata import version
from pathlib import Path
from unittest import mock

from mlx_lm import chat, fuse, lora
from mlx_lm.convert import configure_parser
from mlx_lm.generate import setup_arg_parser as generate_parser


def flags(parser):
    actions = [a for a in parser._actions if a.dest != "help"]
    return {max(a.option_strings, key=len): None if callable(a.default) else a.default for a in actions}


def fuse_parser():
    """`fuse` builds its parser and reads the command line at once."""
    found = []
    with mock.patch("argparse.ArgumentParser.parse_args", lambda self, *_: found.append(self)):
        fuse.parse_arguments()
    return found[0]


out = {
    "mlx_lm": version("mlx-lm"),
    "commands": {
        "lora": flags(lora.build_parser()),
        "fuse": flags(fuse_parser()),
        "generate": flags(generate_parser()),
        "chat": flags(chat.setup_arg_parser()),
        "convert": flags(configure_parser()),
    },
    "keys": sorted(lora.CONFIG_DEFAULTS),
}
(Path(__file__).parent / "parsers.json").write_text(json.dumps(out, indent=1, default=str) + "\n")
