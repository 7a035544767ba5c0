//! Prints a graph as text, one line a node.
//!
//! Tests: `tests/llama.rs`.

use std::fmt::Write;

use crate::ir::{Arg, Graph, Held, Id, Kind, Window};
use crate::syntax::names::Names;
use crate::syntax::signature::Ty;

/// The graph of a method, live nodes only.
pub fn text(name: &str, graph: &Graph, names: &Names) -> String {
    let mut out = format!("{name}\n");
    let live = graph.live();
    for (id, node) in graph
        .nodes
        .iter()
        .enumerate()
        .filter(|(id, _)| live.contains(id))
    {
        let mark = match node.dequantizes() {
            true => " (dequantised for many rows)",
            false => "",
        };
        let what = what(graph, id);
        let _ = writeln!(out, "  %{id} = {what}{mark} : {}", ty(&node.ty, names));
        if let Kind::Kernel(r) = &node.kind {
            for line in text("", &r.graph, names).lines().skip(1) {
                let _ = writeln!(out, "    {line}");
            }
        }
    }
    if let Some(r) = graph.result {
        let _ = writeln!(out, "  return %{r}");
    }
    out
}

/// The origin of a value.
pub fn what(graph: &Graph, id: Id) -> String {
    match &graph.nodes[id].kind {
        Kind::Input(n) => format!("input {n}"),
        Kind::Param(n) => format!("param {n}"),
        Kind::Weight { field, bias } => match bias {
            true => format!("param {field}.bias"),
            false => format!("param {field}.weight"),
        },
        Kind::NoCache => "KvCache::off()".to_string(),
        Kind::Op { op, args } => format!("{}({})", op.name, list(args)),
        Kind::Leaf { field, args, .. } => format!("self.{field}({})", list(args)),
        Kind::Joined {
            field,
            input,
            group,
            index,
            ..
        } => {
            let with = match graph.joins[*group].adapters {
                true => " with adapters",
                false => "",
            };
            format!("self.{field}(%{input}) joined {group}.{index}{with}")
        }
        Kind::Sub { field, args, .. } => format!("model {field}({})", list(args)),
        Kind::Method { name, args } => format!("method {name}({})", list(args)),
        Kind::Layers { field, carried, .. } => format!("layers {field}(%{carried})"),
        Kind::Steps { count, .. } => format!("steps {count}"),
        Kind::Loop { field, carried, .. } => {
            let carried: Vec<String> = carried.iter().map(|id| format!("%{id}")).collect();
            format!("loop {field}({})", carried.join(", "))
        }
        Kind::Held { what, values, .. } => match (what, &values[..]) {
            (Held::Part(name), _) => format!("cache.{name}"),
            (Held::State(name), _) => format!("state.{name}"),
            (Held::NewState(name), [value]) => format!("state.{name} = %{value}"),
            (Held::Once, [keys, values]) => format!("cache.keep(%{keys}, %{values})"),
            _ => String::new(),
        },
        Kind::CacheUpdate { keys, values, .. } => format!("cache.update(%{keys}, %{values})"),
        Kind::LinearCrossEntropy {
            field,
            input,
            targets,
            weights,
            cap,
            reduction,
        } => {
            let weights = weights.map_or_else(|| "_".to_string(), |w| format!("%{w}"));
            let of = reduction
                .as_ref()
                .map_or_else(String::new, |r| format!("{r} of "));
            let capped = cap.as_ref().map_or("", |_| ", capped");
            format!(
                "{of}linear_cross_entropy(%{input}, self.{field}, %{targets}, {weights}{capped})"
            )
        }
        Kind::Attention(a) => {
            let whole = a.parts_of.map_or(String::new(), |id| format!(" of %{id}"));
            let window = match &a.window {
                None => "",
                Some(Window { only: None, .. }) => " in a window",
                Some(_) => " in a window, if there is one",
            };
            format!(
                "rope_attention(%{}, %{}, %{}){whole} by self.{}{window}",
                a.q, a.k, a.v, a.rope
            )
        }
        Kind::Kernel(r) => {
            let args: Vec<String> = r.inputs.iter().map(|i| format!("%{i}")).collect();
            format!("kernel {}({})", r.method.name, args.join(", "))
        }
        Kind::Number(_) => "number".to_string(),
        Kind::Function { args, call } => format!("{}({})", call.what, list(args)),
        Kind::If {
            condition,
            then,
            otherwise,
        } => format!(
            "if {} {:?} of {}..{} else {:?} of {}..{}",
            crate::syntax::condition::text(condition),
            then.values,
            then.start,
            then.end,
            otherwise.values,
            otherwise.start,
            otherwise.end
        ),
        Kind::Item(of, i) => format!("%{of}.{i}"),
        Kind::Tuple(ids) => format!(
            "({})",
            ids.iter()
                .map(|i| format!("%{i}"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

fn ty(t: &Ty, names: &Names) -> String {
    match t {
        Ty::Tensor(s, d) => format!("{} {}", names.shape(s), d.name()),
        Ty::Tuple(all) => all
            .iter()
            .map(|t| ty(t, names))
            .collect::<Vec<_>>()
            .join(", "),
        Ty::Cache => "cache".to_string(),
        Ty::Number | Ty::Whole => "number".to_string(),
        Ty::Unknown => "unknown".to_string(),
    }
}

fn list(args: &[Arg]) -> String {
    let one = |a: &Arg| match a {
        Arg::Value(id) => format!("%{id}"),
        Arg::Weak { .. } | Arg::Scalar(_) => "number".to_string(),
        Arg::Values(ids) => format!("{ids:?}"),
        Arg::Whole(ids) => {
            let all: Vec<String> = ids.iter().map(|id| format!("%{id}")).collect();
            all.join(", ")
        }
        Arg::Int(i) => i.to_string(),
        Arg::Ints(l) => format!("{l:?}"),
        Arg::Dims(d) => format!(
            "[{}]",
            d.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", ")
        ),
        Arg::Bool(_) => "flag".to_string(),
        Arg::Dtype(d) => d.name().to_string(),
        Arg::Causal => "causal".to_string(),
        Arg::Sliding(_) => "sliding".to_string(),
        Arg::Text(t) => format!("{t:?}"),
        Arg::Absent => "_".to_string(),
    };
    args.iter().map(one).collect::<Vec<_>>().join(", ")
}
