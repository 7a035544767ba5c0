//! Advice for a step that does not fit in memory: which flag helps, and how much memory the step needs with it.
//!
//! Tests: `tests/memory.rs`.

use anyhow::{anyhow, Result};
use mlx_runtime::model::{Checkpoint, Leaf, MemoryPlan, Model, TrainStep};
use mlx_runtime::{memory, Array, Dtype, ErrorKind};

use crate::objective::Objective;

/// The names of a command's flags, and their present values.
#[derive(Clone, Copy, Debug)]
pub struct Flags {
    /// Rows in a batch.
    pub rows: usize,
    /// Tokens in a row.
    pub tokens: usize,
    /// The flag that makes rows shorter.
    pub tokens_flag: &'static str,
    /// The arrays that a batch has.
    pub objective: Objective,
}

/// Refuses a step if its plan does not fit in the memory limit, and suggests changes that fit.
pub fn check<M: Model>(step: &mut TrainStep<M>, plan: &MemoryPlan, flags: Flags) -> Result<()> {
    match plan.check() {
        Ok(()) => Ok(()),
        Err(error) => Err(explained(anyhow!(error), step, flags)),
    }
}

/// Adds advice to an error, if it is one of memory.
pub fn explained<M: Model>(
    error: anyhow::Error,
    step: &mut TrainStep<M>,
    flags: Flags,
) -> anyhow::Error {
    let memory = error
        .downcast_ref::<mlx_runtime::Error>()
        .is_some_and(|e| e.kind() == ErrorKind::OutOfMemory);
    if !memory {
        return error;
    }
    // If planning fails too, the original error is all there is to say.
    match now(step, flags) {
        Ok(text) => anyhow!("{error:#}{text}"),
        Err(_) => error,
    }
}

/// The changes that make the step fit in the memory that is free now. Other programs may have taken some since the
/// limit was chosen.
fn now<M: Model>(step: &mut TrainStep<M>, flags: Flags) -> Result<String> {
    /// Puts the limit back, which was one before.
    struct Restore(usize);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = memory::set_limit(self.0);
        }
    }
    let usable = memory::usable()?;
    let limit = memory::set_limit(usable)?;
    let restore = Restore(limit);
    let lines = lines(step, flags)?;
    drop(restore);
    let mut text = String::new();
    // A little is always in use elsewhere: libraries, the display.
    if usable < limit - limit / 16 {
        let (usable, limit) = (size(usable), size(limit));
        text += &format!(
            "\nonly {usable} of the limit of {limit} is free now, because other programs use the device"
        );
    }
    if !lines.is_empty() {
        text += &format!("\nhint: try one of these flags:\n  {}", lines.join("\n  "));
    }
    Ok(text)
}

/// A line for each flag that makes the step smaller.
fn lines<M: Model>(step: &mut TrainStep<M>, flags: Flags) -> Result<Vec<String>> {
    let blank = |rows, tokens| flags.objective.blank(rows, tokens);
    let now = step.plan(&blank(flags.rows, flags.tokens)?)?;
    let mut lines = Vec::new();
    let verdict = |plan: &MemoryPlan| {
        let fits = if plan.fits() { ", which fits" } else { "" };
        format!("{}{fits}", size(plan.predicted_peak))
    };
    // `auto` has looked at every policy already.
    if !matches!(now.policy, None | Some(Checkpoint::Auto)) {
        let batch = blank(flags.rows, flags.tokens)?;
        let plan = step.plan_as(&batch, Some(Checkpoint::Auto))?;
        lines.push(format!("--grad-checkpoint auto needs {}", verdict(&plan)));
    }
    if let Some((rows, plan)) = halved(flags.rows, |rows| {
        Ok(step.plan(&blank(rows, flags.tokens)?)?)
    })? {
        lines.push(format!("--batch-size {rows} needs {}", verdict(&plan)));
    }
    if let Some((tokens, plan)) = halved(flags.tokens, |t| Ok(step.plan(&blank(flags.rows, t)?)?))?
    {
        lines.push(format!(
            "{} {tokens} needs {}",
            flags.tokens_flag,
            verdict(&plan)
        ));
    }
    let saved = packing_saves(&step.model()?);
    if saved > now.weights / 10 {
        // Only the graph of the packed model tells how many weights are unpacked at one time.
        lines.push(format!(
            "--bits 4 saves about {} of weights, less what a step unpacks",
            size(saved)
        ));
    }
    Ok(lines)
}

/// The first of half, a quarter and so on of `n` with a plan that fits, or the last one tried.
fn halved(
    n: usize,
    mut plan: impl FnMut(usize) -> Result<MemoryPlan, anyhow::Error>,
) -> Result<Option<(usize, MemoryPlan)>> {
    let (mut n, mut last) = (n, None);
    while n > 1 {
        n /= 2;
        let found = plan(n)?;
        let fits = found.fits();
        last = Some((n, found));
        if fits {
            break;
        }
    }
    Ok(last)
}

/// Bytes that 4 bits in groups of 64 take for a value of a matrix: its own, and a share of a scale and a bias.
fn packed(values: usize, itemsize: usize) -> usize {
    values / 2 + 2 * itemsize * values / 64
}

/// The number of bytes that packing a model to 4 bits saves.
fn packing_saves(model: &impl Model) -> usize {
    let mut saved = 0;
    model.visit("", &mut |_, leaf| {
        let matrices = matches!(leaf, Leaf::Linear(_) | Leaf::Embedding(_));
        leaf.each(&mut |name, a, trained| {
            let dense = name == "weight" && a.ndim() == 2 && a.dtype().is_float();
            if matrices && dense && !trained && a.shape()[1] % 64 == 0 {
                saved += a
                    .nbytes()
                    .saturating_sub(packed(a.size(), a.dtype().size()));
            }
        });
    });
    saved
}

/// Refuses weights that take more than the memory limit by themselves, before any of them is read.
///
/// `weights` are the checkpoint's tensors, not read yet; `packing`, a group size and bits, says how matrices will be packed.
pub fn check_weights<'a>(
    weights: impl Iterator<Item = &'a Array>,
    dtype: Dtype,
    packing: Option<(i32, i32)>,
    limit: usize,
) -> Result<()> {
    let (mut takes, mut in_four) = (0usize, 0usize);
    for a in weights {
        let (n, item) = (a.size(), dtype.size());
        let float = a.dtype().is_float();
        let matrix = float && a.ndim() == 2;
        let dense = if float { n * item } else { a.nbytes() };
        let fits = |group: i32| matrix && a.shape()[1] % group == 0;
        takes += match packing {
            Some((group, bits)) if fits(group) => {
                n * bits.unsigned_abs() as usize / 8 + 2 * item * n / group.unsigned_abs() as usize
            }
            _ => dense,
        };
        in_four += if fits(64) { packed(n, item) } else { dense };
    }
    if takes <= limit {
        return Ok(());
    }
    let mut text = format!(
        "the weights alone take {} in {dtype}, and the memory limit is {}",
        size(takes),
        size(limit)
    );
    if in_four < takes {
        text += &format!("; --bits 4 takes about {} for them", size(in_four));
    }
    let error = mlx_runtime::Error::new(ErrorKind::OutOfMemory, text);
    Err(error
        .with_hint(format!(
            "set --memory-limit above {}, or use a smaller model",
            size(takes)
        ))
        .into())
}

/// Bytes with the unit that suits them.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..=999_999 => format!("{:.0} kB", bytes as f64 / 1e3),
        1_000_000..=999_999_999 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}
