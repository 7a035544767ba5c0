"""Writes the text that MLX 0.32.2 puts around kernels' bodies to `wrapped.txt`.

    pip install mlx==0.32.2 && python dump.py

Without Metal a kernel can still be part of an exported function, and then MLX writes its text.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

CASES = ["one", "many", "positions"]


def case(name):
    import mlx.core as mx

    assert mx.__version__ == "0.32.2"
    if name == "one":
        body = "y[thread_position_in_threadgroup.x] = x[0];\n"
        inputs = [("x", mx.zeros((8,), mx.float32))]
        outputs, header = [("y", (8,), mx.float32)], ""
    elif name == "many":
        body = "const int n = a_shape[0] + b_ndim + int(c_strides[0]) + d;\ny[threadgroup_position_in_grid.x] = float(n);\nz[0] = e[0];\n"
        inputs = [
            ("a", mx.zeros((2, 4), mx.bfloat16)),
            ("b", mx.zeros((7,), mx.float16)),
            ("c", mx.zeros((3, 3), mx.uint32)),
            ("d", mx.array(1, mx.int32)),
            ("e", mx.zeros((9,), mx.bool_)),
        ]
        outputs, header = [("y", (4,), mx.float16), ("z", (1,), mx.bool_)], "// before\n"
    else:
        body = "y[threads_per_threadgroup.x + threadgroups_per_grid.x] = thread_index_in_simdgroup + simdgroup_index_in_threadgroup;\n"
        inputs = [("x", mx.zeros((2,), mx.uint8))]
        outputs, header = [("y", (64,), mx.uint32)], ""
    kernel = mx.fast.metal_kernel(
        name=name, input_names=[i[0] for i in inputs], output_names=[o[0] for o in outputs], source=body, header=header
    )

    def f(*arrays):
        return kernel(
            inputs=list(arrays),
            grid=(64, 1, 1),
            threadgroup=(64, 1, 1),
            output_shapes=[o[1] for o in outputs],
            output_dtypes=[o[2] for o in outputs],
            verbose=True,
        )

    with tempfile.TemporaryDirectory() as folder:
        mx.export_function(os.path.join(folder, "f.mlxfn"), f, *[i[1] for i in inputs])


def main():
    text = ""
    for name in CASES:
        done = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, check=True)
        text += f"=== {name}\n" + done.stdout.split("```\n")[1].rstrip("\n") + "\n"
    pathlib.Path(__file__).with_name("wrapped.txt").write_text(text)


if __name__ == "__main__":
    case(sys.argv[1]) if len(sys.argv) > 1 else main()
