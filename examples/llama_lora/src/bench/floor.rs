//! Computes the least time of a step on a device: its weights must be read, its products computed.
//!
//! Tests: unit tests below.

use anyhow::{ensure, Result};
use mlx_runtime::device::{default_device, info_of, Info};
use serde::Serialize;

/// The peak throughput of a device.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Peak {
    /// Bytes a second from memory, in GB/s.
    pub bandwidth: f64,
    /// 16-bit products, in TFLOP/s.
    pub tflops: f64,
}

/// The peaks of devices in GB/s and TFLOP/s, by a part of the name; the first match counts.
///
/// NVIDIA's are those that matmuls and copies reach in practice. Apple's are of the largest GPU of that name, and neither was
/// measured: the bandwidth is that of Apple's technical specifications, and the TFLOP/s are its cores x 128 lanes x 2 x clock
/// (https://github.com/philipturner/metal-benchmarks), four times that of the M4's core for an M5 with matrix units
/// (Apple's announcement of 2025-10-15).
#[rustfmt::skip] // one row, one line
const DEVICES: &[(&str, f64, f64)] = &[
    ("H200", 4300.0, 800.0),
    ("H100", 3000.0, 800.0),
    ("M1 Ultra", 800.0, 21.0),
    ("M1 Max", 400.0, 10.4),
    ("M1 Pro", 200.0, 5.2),
    ("M1", 68.0, 2.6),
    ("M2 Ultra", 800.0, 27.2),
    ("M2 Max", 400.0, 13.6),
    ("M2 Pro", 200.0, 6.8),
    ("M2", 100.0, 3.6),
    ("M3 Ultra", 819.0, 28.4),
    ("M3 Max", 400.0, 14.2),
    ("M3 Pro", 150.0, 6.4),
    ("M3", 100.0, 3.5),
    ("M4 Max", 546.0, 18.4),
    ("M4 Pro", 273.0, 9.2),
    ("M4", 120.0, 4.6),
    ("M5 Max", 614.0, 74.0),
    ("M5 Pro", 307.0, 37.0),
    ("M5", 153.0, 18.0),
];

/// The row of a device.
fn known(name: &str) -> Option<Peak> {
    let row = DEVICES.iter().find(|(part, ..)| name.contains(part));
    row.map(|&(_, bandwidth, tflops)| Peak { bandwidth, tflops })
}

/// The peak of the default device, if it is known. `bandwidth` and `tflops` override the table.
pub fn peak(bandwidth: Option<f64>, tflops: Option<f64>) -> Result<Option<Peak>> {
    for (flag, value) in [("--bandwidth", bandwidth), ("--tflops", tflops)] {
        ensure!(
            value.is_none_or(|v| v.is_finite() && v > 0.0),
            "{flag} must be a number above 0"
        );
    }
    let known = known(&device_name()?);
    let bandwidth = bandwidth.or(known.map(|k| k.bandwidth));
    let tflops = tflops.or(known.map(|k| k.tflops));
    Ok(bandwidth
        .zip(tflops)
        .map(|(bandwidth, tflops)| Peak { bandwidth, tflops }))
}

/// The default device as its maker calls it, or as MLX does.
pub fn device_name() -> Result<String> {
    let device = default_device()?;
    Ok(match info_of(device, "device_name")? {
        Some(Info::Text(name)) => name,
        _ => device.to_string(),
    })
}

/// The work of a step.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// Bytes of all weights, as they are kept.
    pub bytes: f64,
    /// Values that they stand for.
    pub values: f64,
    /// Tokens.
    pub tokens: f64,
    /// The share of the layers that run again in the backward pass.
    pub again: f64,
}

/// The floor of a step, and the resource that sets it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Floor {
    /// Milliseconds.
    pub ms: f64,
    /// Milliseconds to read the weights, once forwards and once backwards.
    pub memory_ms: f64,
    /// Milliseconds for the products: 4 FLOP for each weight and token, 6 if the forward pass runs twice.
    pub compute_ms: f64,
    /// The peak throughput of the device.
    pub peak: Peak,
}

/// The larger of the two times.
pub fn floor(work: Work, peak: Peak) -> Floor {
    let memory_ms = 2.0 * work.bytes / (peak.bandwidth * 1e9) * 1e3;
    let flop = (4.0 + 2.0 * work.again) * work.values * work.tokens;
    let compute_ms = flop / (peak.tflops * 1e12) * 1e3;
    Floor {
        ms: memory_ms.max(compute_ms),
        memory_ms,
        compute_ms,
        peak,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The floors of an 8B in 16 bits on an H100, worked out by hand.
    #[test]
    fn an_8b_on_an_h100() {
        let peak = known("NVIDIA H100 80GB HBM3").unwrap();
        let work = |tokens, again| Work {
            bytes: 16.06e9,
            values: 8.03e9,
            tokens,
            again,
        };
        let ms = |w| floor(w, peak).ms;
        assert!((ms(work(128.0, 0.0)) - 10.71).abs() < 0.01);
        assert!((ms(work(2048.0, 0.0)) - 82.2).abs() < 0.1);
        assert!((ms(work(2048.0, 1.0)) - 123.3).abs() < 0.1);
    }

    #[test]
    fn each_chip_has_its_own_row() {
        for (name, bandwidth, tflops) in [
            ("Apple M3 Ultra", 819.0, 28.4),
            ("Apple M4", 120.0, 4.6),
            ("Apple M4 Max", 546.0, 18.4),
            ("NVIDIA H200", 4300.0, 800.0),
        ] {
            assert_eq!(known(name), Some(Peak { bandwidth, tflops }), "{name}");
        }
        assert_eq!(known("NVIDIA GB10"), None);
        // A part of another row's name comes after it.
        for (at, (part, ..)) in DEVICES.iter().enumerate() {
            assert_eq!(
                DEVICES.iter().position(|(p, ..)| part.contains(p)),
                Some(at),
                "{part}"
            );
        }
    }

    #[test]
    fn what_is_typed_goes_before_what_is_known() {
        let found = peak(Some(100.0), Some(2.0)).unwrap().unwrap();
        assert_eq!((found.bandwidth, found.tflops), (100.0, 2.0));
        assert!(peak(Some(-1.0), None).is_err());
    }
}
