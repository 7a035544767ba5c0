//! The function around a body, as MLX writes it. `dump.py` has the same kernels.

use crate::wrap::{Argument, Kernel};

fn arguments(list: &[(&str, &'static str, usize, usize)]) -> Vec<Argument> {
    let argument =
        |(name, dtype, size, dimensions): &(&str, &'static str, usize, usize)| Argument {
            name: (*name).to_string(),
            dtype,
            size: *size,
            dimensions: *dimensions,
        };
    list.iter().map(argument).collect()
}

#[test]
fn the_text_around_a_body_is_that_of_mlx() {
    let dump = include_str!("wrapped.txt");
    let kernels = [
        Kernel {
            name: "one".into(),
            numbers: None,
            inputs: arguments(&[("x", "float", 8, 1)]),
            outputs: arguments(&[("y", "float", 8, 1)]),
            header: String::new(),
            body: "y[thread_position_in_threadgroup.x] = x[0];\n".into(),
        },
        Kernel {
            name: "many".into(),
            numbers: None,
            inputs: arguments(&[
                ("a", "bfloat16_t", 8, 2),
                ("b", "float16_t", 7, 1),
                ("c", "uint32_t", 9, 2),
                ("d", "int32_t", 1, 0),
                ("e", "bool", 9, 1),
            ]),
            outputs: arguments(&[("y", "float16_t", 4, 1), ("z", "bool", 1, 1)]),
            header: "// before\n".into(),
            body: "const int n = a_shape[0] + b_ndim + int(c_strides[0]) + d;
y[threadgroup_position_in_grid.x] = float(n);
z[0] = e[0];
"
            .into(),
        },
        Kernel {
            name: "positions".into(),
            numbers: None,
            inputs: arguments(&[("x", "uint8_t", 2, 1)]),
            outputs: arguments(&[("y", "uint32_t", 64, 1)]),
            header: String::new(),
            body: "y[threads_per_threadgroup.x + threadgroups_per_grid.x] = thread_index_in_simdgroup + simdgroup_index_in_threadgroup;\n".into(),
        },
    ];
    let parts: Vec<&str> = dump.split("=== ").skip(1).collect();
    assert_eq!(parts.len(), kernels.len());
    for (part, kernel) in parts.iter().zip(&kernels) {
        let (name, text) = part.split_once('\n').unwrap();
        assert_eq!(name, kernel.name);
        assert_eq!(text, kernel.text(), "{name}");
    }
}
