"""Dumps records of TensorBoard's own writer, for tests/reporting.rs. tensorboard 2.21.0.

    python examples/llama_lora/tests/reporting/dump.py
"""

import io
import json
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


def record(event):
    out = io.BytesIO()
    RecordWriter(out).write(event.SerializeToString())
    return out.getvalue().hex()


values = [Summary.Value(tag="train/loss", simple_value=2.25), Summary.Value(tag="train/learning_rate", simple_value=1e-5)]
dump = {
    "version": record(Event(wall_time=1.5, file_version="brain.Event:2")),
    "scalars": record(Event(wall_time=2.5, step=300, summary=Summary(value=values))),
}
(Path(__file__).parent / "dump.json").write_text(json.dumps(dump) + "\n")
