//! Products with a 4-bit matrix: with the packed values, and with the matrix dequantised first.
//! The size at which the second is faster is the threshold of `nn/packed.rs`.
//!
//! `cargo bench -p mlx-runtime --bench packed`, on the device that is the default.

use criterion::{BenchmarkId, Criterion};
use mlx_runtime::device::{default_device, DeviceType};
use mlx_runtime::{ops, random, Array, Dtype, Result};

const WIDTH: i32 = 1024;

struct Packed(Array, Array, Array);

impl Packed {
    fn product(&self, x: &Array) -> Result<()> {
        ops::quantized_matmul(x, &self.0, &self.1, &self.2, true, 64, 4)?.eval()
    }

    /// On a CPU in float32, which alone has a fast product there.
    fn dequantised(&self, x: &Array) -> Result<()> {
        let w = ops::dequantize(&self.0, &self.1, &self.2, 64, 4)?;
        let cpu = default_device()?.kind() == DeviceType::Cpu;
        let dtype = if cpu { Dtype::Float32 } else { x.dtype() };
        let (w, x32) = (ops::astype(&w, dtype)?, ops::astype(x, dtype)?);
        ops::astype(
            &ops::matmul(&x32, &ops::transpose(&w, &[1, 0])?)?,
            x.dtype(),
        )?
        .eval()
    }
}

fn compare(c: &mut Criterion, dtype: Dtype) -> Result<()> {
    let w = random::normal(&[WIDTH, WIDTH], dtype, 0.0, 1.0, None)?;
    let (w, s, b) = ops::quantize(&w, 64, 4)?;
    let packed = Packed(w, s, b);
    let mut group = c.benchmark_group(format!("{dtype:?}"));
    group.sample_size(10);
    for rows in [1, 2, 4, 8, 16, 64, 256] {
        let x = random::normal(&[rows, WIDTH], dtype, 0.0, 1.0, None)?;
        x.eval()?;
        group.bench_function(BenchmarkId::new("packed", rows), |b| {
            b.iter(|| packed.product(&x))
        });
        group.bench_function(BenchmarkId::new("dequantised", rows), |b| {
            b.iter(|| packed.dequantised(&x))
        });
    }
    group.finish();
    Ok(())
}

fn main() -> Result<()> {
    let mut c = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(200))
        .measurement_time(std::time::Duration::from_millis(600))
        .configure_from_args();
    compare(&mut c, Dtype::Float32)?;
    compare(&mut c, Dtype::Bfloat16)?;
    c.final_summary();
    Ok(())
}
