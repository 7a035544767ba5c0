//! Writes Prometheus' text format, version 0.0.4.
//!
//! Tests: `tests/monitor.rs`.

use std::fmt::Write;

use super::Sample;

pub(super) fn prometheus(sample: &Sample, version: &str) -> String {
    let mut out = String::with_capacity(4096);
    let mut metric = |name: &str, kind: &str, help: &str, labels: &str, value: f64| {
        // Writing to a String cannot fail. Rust prints f64 as Prometheus reads it, but for infinities.
        let value = match value {
            v if v == f64::INFINITY => "+Inf".to_owned(),
            v if v == f64::NEG_INFINITY => "-Inf".to_owned(),
            v => v.to_string(),
        };
        let _ = write!(
            out,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name}{labels} {value}\n"
        );
    };
    let mut gauge = |name: &str, help: &str, value: f64| metric(name, "gauge", help, "", value);
    let s = sample;
    gauge(
        "mlx_memory_active_bytes",
        "What arrays use.",
        s.active as f64,
    );
    gauge(
        "mlx_memory_peak_bytes",
        "The most that arrays used.",
        s.peak as f64,
    );
    gauge(
        "mlx_memory_cache_bytes",
        "What is kept for reuse.",
        s.cache as f64,
    );
    gauge(
        "mlx_memory_limit_bytes",
        "The memory limit.",
        s.memory_limit as f64,
    );
    if let Some(limit) = s.cache_limit {
        let help = "The most that is kept for reuse.";
        gauge("mlx_memory_cache_limit_bytes", help, limit as f64);
    }
    if let Some(limit) = s.wired_limit {
        let help = "What Metal keeps resident.";
        gauge("mlx_memory_wired_limit_bytes", help, limit as f64);
    }
    if let Some(gpu) = &s.gpu {
        if let Some(busy) = gpu.utilization {
            let help = "The share of time in which a kernel ran.";
            gauge("mlx_gpu_utilization_ratio", help, busy);
        }
        let help = "GPU memory that all programs use.";
        gauge("mlx_gpu_memory_used_bytes", help, gpu.memory_used as f64);
        let help = "All memory of the GPU.";
        gauge("mlx_gpu_memory_total_bytes", help, gpu.memory_total as f64);
    }
    let help = "Steps a second over the last ten seconds.";
    gauge("mlx_steps_per_second", help, s.steps_per_second);
    let help = "Tokens a second over the last ten seconds.";
    gauge("mlx_tokens_per_second", help, s.tokens_per_second);
    for (name, value) in &s.gauges {
        gauge(name, "Set by the program.", *value);
    }
    let mut counter = |name: &str, help: &str, n: u64| metric(name, "counter", help, "", n as f64);
    counter("mlx_steps_total", "Steps.", s.steps);
    counter("mlx_tokens_total", "Tokens of those steps.", s.tokens);
    let help = "Graphs that compiled functions recorded.";
    counter("mlx_compile_recordings_total", help, s.recordings);
    let labels = format!("{{version=\"{}\"}}", escaped(version));
    metric("mlx_info", "gauge", "The version of MLX.", &labels, 1.0);
    out
}

/// A label's value.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
