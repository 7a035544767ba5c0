"""Writes Parquet files of six conversations, for tests/sources.rs: snappy, zstd and not compressed. pyarrow 26.0.1.

    python examples/llama_lora/tests/sources/write.py
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

rows = [
    [{"role": "user", "content": f"ask {i}"}, {"role": "assistant", "content": "y" * (i % 3 + 1)}] for i in range(6)
]
table = pa.table({"id": list(range(6)), "conversations": rows})
for name, compression in [("snappy", "snappy"), ("zstd", "zstd"), ("plain", "none")]:
    folder = Path(__file__).parent / name
    folder.mkdir(exist_ok=True)
    for part in range(2):
        pq.write_table(table[3 * part : 3 * part + 3], folder / f"train-0000{part}-of-00002.parquet", compression=compression)
