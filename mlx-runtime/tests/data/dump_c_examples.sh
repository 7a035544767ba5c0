#!/usr/bin/env bash
# Writes c_examples/<name>.txt: what the examples of MLX C print, for ../c_examples.rs.
#
#     dump_c_examples.sh EXAMPLES INCLUDE LIBRARY
#
# EXAMPLES is the folder `examples` of MLX C v0.6.0, INCLUDE and LIBRARY the headers and libmlxc.so of MLX C 0.7.0 with
# MLX 0.32.2 for the CPU. The examples run on the GPU where they name one, here on the CPU; the functions of the memory
# stream return what 0.7.0 asks of them. The Metal kernel needs macOS.
set -euo pipefail
examples=$1 include=$2 library=$3
out=$(cd "$(dirname "$0")" && pwd)/c_examples
build=$(mktemp -d)
trap 'rm -r "$build"' EXIT
mkdir -p "$out"
for name in example example-closure example-export example-float64 example-gguf example-grad example-graph example-safe-tensors; do
    sed -E -e 's/^void (mem_read|mem_write|mem_read_at_offset)\(/size_t \1(/; s/^void mem_seek\(/int mem_seek(/' \
        -e '/^(size_t|int) mem_(read|write|read_at_offset)\(/,/^}/{s/    return;/    return 0;/;s/^}/  return n;\n}/}' \
        -e '/^int mem_seek\(/,/^}/{s/return;/return 1;/;s/^}/  return m_desc->err;\n}/}' \
        "$examples/$name.c" >"$build/$name.c"
    gcc -w -include stdlib.h -Dmlx_default_gpu_stream_new=mlx_default_cpu_stream_new -I"$include" \
        "$build/$name.c" -o "$build/$name" "$library" -Wl,-rpath,"$(dirname "$library")"
    cp "$examples/arrays.safetensors" "$build"
    (cd "$build" && "./$name" >"$out/$name.txt")
done
cp "$examples/arrays.safetensors" "$out"
