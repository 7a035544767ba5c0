//! Prints the levels and the BLAS that numbers on the CPU depend on: `cargo run -p mlx-runtime --example cpu`.

use mlx_runtime::cpu;

fn main() {
    let level = cpu::level().unwrap_or("none that MLX_SYS_CPU_LEVEL names");
    println!(
        "CPU: level {level} of {}; {} threads; {}",
        cpu::levels().join(", "),
        cpu::threads(),
        cpu::blas()
    );
}
