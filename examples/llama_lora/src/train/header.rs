//! The lines at the beginning of a run: model, data, what is trained, how, and the planned memory.
//!
//! Tests: `tests/runs.rs`.

use anyhow::Result;
use mlx_models::CausalLm;
use mlx_runtime::model::MemoryPlan;
use mlx_runtime::Dtype;

use crate::data::Batches;
use crate::session::Session;
use crate::settings::{FineTune, Settings};

/// All but the memory. `rows` are those to train on and those to measure on.
pub fn of<M: CausalLm>(
    session: &Session<M>,
    settings: &Settings,
    rows: [usize; 2],
    batches: &Batches<'_>,
) -> Result<String> {
    let trained: usize = session
        .model
        .trainable()
        .iter()
        .map(|(_, a)| a.size())
        .sum();
    let mut values = 0;
    let mut packed = 0;
    for (_, array) in session.model.parameters() {
        match array.dtype() {
            Dtype::Uint32 | Dtype::Uint8 => packed += array.nbytes(),
            _ => values += array.size(),
        }
    }
    let family = session.config.family.model_type();
    let size = match packed {
        0 => format!("{} parameters", count(values as f64)),
        bytes => format!("packed in {:.2} GB", bytes as f64 / 1e9),
    };
    let share = match packed {
        0 => format!(" ({:.2} %)", 100.0 * trained as f64 / values.max(1) as f64),
        _ => String::new(),
    };
    let layers = settings.layers_of(session.layers()?)?;
    let kind = match settings.fine_tune_type {
        FineTune::Full => format!("full, {layers} layers"),
        kind => format!(
            "{} of rank {}, scale {}, {layers} layers",
            kind.name(),
            settings.lora.rank,
            short(settings.lora.scale)
        ),
    };
    let measured = match rows[1] {
        0 => String::new(),
        n => format!(", {n} to measure on"),
    };
    let each = match (settings.packing, settings.loss.compares()) {
        (true, _) => "packed rows",
        (_, true) => "pairs",
        _ => "rows",
    };
    let rate = match &settings.lr_schedule {
        Some(schedule) => format!("{} from {:e}", schedule.name.name(), schedule.arguments[0]),
        None => format!("{:e}", settings.learning_rate),
    };
    Ok([
        (
            "model",
            format!("{}: {family}, {size}, {}", settings.model, session.dtype),
        ),
        (
            "data",
            format!("{}: {} rows{measured}", settings.data(), rows[0]),
        ),
        (
            "trained",
            format!("{kind}: {} parameters{share}", count(trained as f64)),
        ),
        (
            "steps",
            format!(
                "{} batches of {} {each} ({} a pass), {} loss, {}, learning rate {rate}",
                settings.iters,
                batches.rows(),
                batches.per_pass(),
                settings.loss.name(),
                settings.optimizer.name()
            ),
        ),
    ]
    .map(|(name, text)| format!("{name:10} {text}"))
    .join("\n"))
}

/// The planned memory of the limit.
pub fn memory(plan: &MemoryPlan, rows: usize, tokens: usize) -> String {
    let gb = |n: usize| match n {
        0..1_000_000_000 => format!("{:.1} MB", n as f64 / 1e6),
        n => format!("{:.2} GB", n as f64 / 1e9),
    };
    format!(
        "{:10} {} of {} planned, for batches of up to {rows} x {tokens} tokens",
        "memory",
        gb(plan.predicted_peak),
        gb(plan.limit)
    )
}

fn short(x: f64) -> String {
    let text = format!("{x:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number of parameters.
fn count(n: f64) -> String {
    match n {
        n if n >= 1e9 => format!("{:.2} B", n / 1e9),
        n if n >= 1e6 => format!("{:.1} M", n / 1e6),
        n if n >= 1e3 => format!("{:.1} k", n / 1e3),
        n => format!("{n}"),
    }
}
