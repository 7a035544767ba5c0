//! MLX C's `example.c`: the device, an array, arithmetic, a range, memory that is taken over.
//!
//!     cargo run -p mlx-runtime --example hello

use std::io::Write;

use mlx_runtime::device::{self, Device, DeviceType};
use mlx_runtime::{ops, version, Array, Dtype};

type Result = std::result::Result<(), Box<dyn std::error::Error>>;

/// Writes the program's output.
pub fn run(out: &mut dyn Write) -> Result {
    let line = "=".repeat(50);
    writeln!(out, "MLX version: {}\n{line}", version()?)?;
    writeln!(out, "GPU info (using mlx_device_info API):")?;
    writeln!(
        out,
        "GPU device count: {}",
        device::device_count(DeviceType::Gpu)?
    )?;
    let facts = device::info(device::default_device()?)?;
    writeln!(out, "Device info ({} keys):", facts.len())?;
    for (key, value) in facts {
        writeln!(out, "  {key}: {value}")?;
    }
    writeln!(out, "{line}")?;

    device::with_default(Device::cpu(), || {
        let a = Array::try_from([[1f32, 2.0, 3.0], [4.0, 5.0, 6.0]])?;
        let half = &a / 2;
        let range = ops::arange(0.0, 3.0, 0.5, Dtype::Float32)?;
        let taken = Array::from_vec((0..6).map(|i| i as f32).collect(), &[2, 3])?;
        let all = [
            ("hello world!", a),
            ("divide by 2!", half),
            ("arange", range),
            ("from user buffer", taken),
        ];
        all.iter()
            .try_for_each(|(text, a)| Ok(writeln!(out, "{text}\n{a}")?))
    })?;
    Ok(())
}

#[allow(dead_code)] // the test calls `run`
fn main() -> Result {
    run(&mut std::io::stdout().lock())
}
