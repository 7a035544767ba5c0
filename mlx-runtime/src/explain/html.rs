//! An explanation as a self-contained page: no script, no other file; well-formed as XML too.
//!
//! Tests: `mlx-tests --test explain`.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::flow::{Flow, Inner, Role, Step};
use super::picture::Picture;
use super::svg::svg;
use super::text::totals;
use super::tree::Branch;
use super::units::{bytes, count};
use super::{ExplainedKernel, Explanation};

const STYLE: &str = include_str!("style.css");

/// Text as HTML.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

impl Explanation {
    /// A page that needs nothing else: layers, graphs, groups and calls, in light and dark.
    pub fn html(&self) -> String {
        let name = escape(&self.name);
        let mut out = format!(
            "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>{name}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{name}</h1>\n<p class=\"place\">{}:{}</p>\n",
            escape(self.file),
            self.line
        );
        out.push_str("<ul class=\"facts\">\n");
        for line in self.overview() {
            let _ = writeln!(out, "<li>{}</li>", escape(&line));
        }
        out.push_str("</ul>\n<nav>\n<a href=\"#layers\">Layers</a>\n<a href=\"#groups\">Parameter groups</a>\n");
        for flow in &self.flows {
            let title = escape(&flow.title);
            let _ = writeln!(out, "<a href=\"#{}\">{title}</a>", anchor(&flow.title));
        }
        if !self.kernels().is_empty() {
            out.push_str("<a href=\"#kernels\">Kernels</a>\n");
        }
        out.push_str("</nav>\n</header>\n<section id=\"layers\">\n<h2>Layers</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>field</th><th>type</th><th>sizes</th><th>state</th><th class=\"n\">memory</th><th class=\"n\">line</th></tr></thead>\n<tbody>\n");
        branches(&mut out, &self.tree, 0);
        out.push_str("</tbody></table></div>\n</section>\n<section id=\"groups\">\n<h2>Parameter groups</h2>\n");
        if self.groups.is_empty() {
            out.push_str("<p>Nothing is trained.</p>\n");
        } else {
            out.push_str("<p>One update of the optimiser takes a whole group, however many layers it has tensors of.</p>\n<div class=\"wide\"><table>\n<thead><tr><th>dtype</th><th class=\"n\">tensors</th><th class=\"n\">values</th><th class=\"n\">memory</th></tr></thead>\n<tbody>\n");
            for (dtype, tensors, elements) in &self.groups {
                let all = (*elements as u64).saturating_mul(dtype.size() as u64);
                let _ = writeln!(
                    out,
                    "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
                    dtype.name(),
                    count(*tensors as u64),
                    count(*elements as u64),
                    bytes(all)
                );
            }
            out.push_str("</tbody></table></div>\n");
        }
        out.push_str("</section>\n");
        for flow in &self.flows {
            section(&mut out, flow);
        }
        kernels(&mut out, &self.kernels());
        out + "</body>\n</html>\n"
    }
}

/// Each kernel, with its text behind a click.
fn kernels(out: &mut String, all: &[ExplainedKernel]) {
    if all.is_empty() {
        return;
    }
    out.push_str("<section id=\"kernels\">\n<h2>Kernels</h2>\n");
    for kernel in all {
        let (name, place) = (escape(&kernel.name), escape(&kernel.place));
        let _ = writeln!(
            out,
            "<h3><code>{name}</code> <span class=\"dim\">{place}</span></h3>\n<ul class=\"facts\">"
        );
        for fact in kernel.facts() {
            let _ = writeln!(out, "<li>{}</li>", escape(&fact));
        }
        out.push_str("</ul>\n");
        for launch in &kernel.launches {
            for (dialect, text) in &launch.texts {
                let text = text.as_deref().unwrap_or("MLX's operations");
                let _ = writeln!(
                    out,
                    "<details><summary>{}, {dialect}</summary>\n<div class=\"wide\"><pre><code>{}</code></pre></div></details>",
                    launch.what,
                    escape(text)
                );
            }
        }
    }
    out.push_str("</section>\n");
}

/// A title as the target of a link.
fn anchor(title: &str) -> String {
    title.replace("::", "-").replace(['<', '>', ' ', '"'], "_")
}

fn branches(out: &mut String, all: &[Branch], depth: usize) {
    for b in all {
        let times = match b.times {
            1 => String::new(),
            n => format!(" <b>× {n}</b>"),
        };
        let mut sizes = escape(&b.sizes);
        if !b.numbers.is_empty() {
            let _ = write!(
                sizes,
                " <span class=\"dim\">= {}</span>",
                escape(&b.numbers)
            );
        }
        let marks: Vec<String> = b
            .marks
            .iter()
            .map(|m| {
                let class = m.split(' ').next().unwrap_or("");
                format!(
                    "<span class=\"mark {}\">{}</span>",
                    escape(class),
                    escape(m)
                )
            })
            .collect();
        let held = b.held.bytes.saturating_mul(b.times as u64);
        let _ = writeln!(
            out,
            "<tr><td style=\"padding-left:{:.1}em\"><code>{}</code>{times}</td><td>{}</td><td><code>{sizes}</code></td><td>{}</td><td class=\"n\">{}</td><td class=\"n\" title=\"{}:{}\">{}</td></tr>",
            0.5 + 1.4 * depth as f64,
            escape(&b.name),
            escape(&b.ty),
            marks.join(" "),
            if held > 0 { bytes(held) } else { String::new() },
            escape(b.file),
            b.line,
            b.line
        );
        branches(out, &b.inside, depth + 1);
    }
}

fn section(out: &mut String, flow: &Flow) {
    let _ = writeln!(
        out,
        "<section id=\"{}\">\n<h2><code>{}</code> <span class=\"dim\">→ {}</span></h2>\n<p class=\"place\">{}:{}</p>",
        anchor(&flow.title),
        escape(&flow.title),
        escape(&flow.ret),
        escape(flow.file),
        flow.line
    );
    let _ = writeln!(out, "<p>{}</p>", escape(&totals(flow).join("; ")));
    let _ = writeln!(
        out,
        "<p class=\"legend\"><span class=\"key fused\">made by a pass</span> <span class=\"key kept\">kept for the backward pass</span> <span class=\"key faded\">not taken for this config</span></p>\n<div class=\"wide picture\">{}</div>",
        svg(&Picture::of(flow))
    );
    out.push_str("<details open=\"open\"><summary>Step by step: types, what is kept, C calls and lines</summary>\n");
    steps(out, flow);
    out.push_str("</details>\n");
    let mut calls = BTreeMap::new();
    tally(flow, 1, &mut calls);
    let mut calls: Vec<(String, usize)> = calls.into_iter().collect();
    calls.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    if !calls.is_empty() {
        out.push_str("<details><summary>C functions by the number of calls, what was told above left out</summary>\n<div class=\"wide\"><table>\n<thead><tr><th>function</th><th class=\"n\">calls</th></tr></thead>\n<tbody>\n");
        for (name, n) in calls {
            let (name, n) = (escape(&name), count(n as u64));
            let _ = writeln!(
                out,
                "<tr><td><code>{name}</code></td><td class=\"n\">{n}</td></tr>"
            );
        }
        out.push_str("</tbody></table></div></details>\n");
    }
    out.push_str("</section>\n");
}

/// Adds the number of calls of each function.
fn tally(flow: &Flow, times: usize, calls: &mut BTreeMap<String, usize>) {
    for step in flow.steps.iter().filter(|s| s.runs()) {
        for call in &step.calls {
            *calls.entry(call.join(" or ")).or_default() += times;
        }
        match &step.inner {
            Inner::Flow(inner) => tally(inner, times, calls),
            Inner::Layers(stack) => {
                for class in &stack.classes {
                    if let Inner::Flow(inner) = &class.inner {
                        tally(inner, times * class.layers.len(), calls);
                    }
                }
            }
            Inner::None | Inner::Seen(_) => {}
        }
    }
}

fn steps(out: &mut String, flow: &Flow) {
    let free: Vec<String> = flow
        .free
        .iter()
        .map(|(n, v)| format!("{n} = {v}"))
        .collect();
    let _ = writeln!(
        out,
        "<div class=\"flow\">\n<h3><code>{}</code> <span class=\"dim\">{} · {}:{}</span></h3>",
        escape(&flow.title),
        escape(&free.join(", ")),
        escape(flow.file),
        flow.line
    );
    out.push_str("<div class=\"wide\"><table class=\"steps\">\n<thead><tr><th></th><th>value</th><th>type</th><th class=\"n\">memory</th><th>made by a pass</th><th>C calls</th><th class=\"n\">line</th></tr></thead>\n<tbody>\n");
    for step in flow.steps.iter().filter(|s| s.role != Role::Through) {
        self::step(out, step, flow);
    }
    out.push_str("</tbody></table></div>\n");
    if !flow.saved.is_empty() {
        out.push_str("<div class=\"wide\"><table>\n<thead><tr><th>kept here for the backward pass, in values</th><th class=\"n\">memory</th><th>on condition that</th></tr></thead>\n<tbody>\n");
        for k in &flow.saved {
            let _ = writeln!(
                out,
                "<tr{}><td><code>{}</code></td><td class=\"n\">{}</td><td>{}</td></tr>",
                if k.holds { "" } else { " class=\"faded\"" },
                escape(&k.size),
                k.bytes.map_or(String::new(), bytes),
                escape(&k.when)
            );
        }
        out.push_str("</tbody></table></div>\n");
    }
    for step in &flow.steps {
        match &step.inner {
            Inner::Flow(inner) => steps(out, inner),
            Inner::Layers(stack) => {
                let about: Vec<String> = stack.about().iter().map(|l| escape(l)).collect();
                let _ = writeln!(out, "<p class=\"cut\">{}</p>", about.join("<br/>"));
                for class in &stack.classes {
                    let _ = writeln!(out, "<h4>{}</h4>", escape(&class.name()));
                    match &class.inner {
                        Inner::Flow(inner) => steps(out, inner),
                        Inner::Seen(title) => {
                            let _ = writeln!(out, "<p>{}, as above</p>", escape(title));
                        }
                        Inner::None | Inner::Layers(_) => {}
                    }
                }
            }
            Inner::None | Inner::Seen(_) => {}
        }
    }
    out.push_str("</div>\n");
}

fn step(out: &mut String, s: &Step, flow: &Flow) {
    let mut fused = escape(&s.passes.join(", "));
    if !s.absorbed.is_empty() {
        let all: Vec<String> = s.absorbed.iter().map(|(t, l)| format!("{t}:{l}")).collect();
        let _ = write!(
            fused,
            " <span class=\"dim\">of {}</span>",
            escape(&all.join(" "))
        );
    }
    if !s.note.is_empty() {
        let _ = write!(fused, " <span class=\"dim\">({})</span>", escape(s.note));
    }
    if let Some(n) = s.spared {
        let _ = write!(fused, " <span class=\"dim\">(spares {})</span>", bytes(n));
    }
    let calls: Vec<String> = match s.runs() {
        true => s
            .calls
            .iter()
            .map(|c| format!("<code>{}</code>", escape(&c.join(" or "))))
            .collect(),
        false => Vec::new(),
    };
    let mut value = format!("<code>{}</code>", escape(&s.text));
    if let Inner::Seen(title) = &s.inner {
        let _ = write!(
            value,
            " <span class=\"dim\">{}, as above</span>",
            escape(title)
        );
    }
    let of = s.arms.last().map(|(id, first, taken)| {
        let text = flow
            .steps
            .iter()
            .find(|s| s.id == *id)
            .map_or("", |s| s.text.as_str());
        format!(
            "{}{text}: {}",
            if *first { "" } else { "else of " },
            if *taken { "taken" } else { "not taken" }
        )
    });
    if let Some(of) = of {
        let _ = write!(value, "<br/><span class=\"dim\">{}</span>", escape(&of));
    }
    let class = match (s.runs(), s.passes.is_empty()) {
        (false, _) => "faded",
        (true, false) => "fused",
        (true, true) => "",
    };
    let kept = if s.kept {
        " <span class=\"mark kept\">kept</span>"
    } else {
        ""
    };
    let _ = writeln!(
        out,
        "<tr class=\"{class}\"><td class=\"dim\">%{}</td><td>{value}</td><td><code>{}</code><br/><span class=\"dim\">{}</span></td><td class=\"n\">{}{kept}</td><td>{fused}</td><td>{}</td><td class=\"n\">{}</td></tr>",
        s.id,
        escape(&s.ty),
        escape(&s.shape),
        s.bytes.map_or(String::new(), bytes),
        calls.join(" "),
        s.line
    );
}
