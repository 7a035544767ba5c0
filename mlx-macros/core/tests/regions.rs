//! Regions of bodies that become kernels: which operations join, which stay out, and that what touches a cache stays in
//! its order.

use mlx_macros_core::{analyse, report};

/// The report of a model with the sizes `hidden` and `ffn`.
fn graphs(fields: &str, methods: &str) -> String {
    let attr = syn::parse_str("config = C").unwrap();
    let item = syn::parse_str(&format!("struct Net {{ {fields} }}")).unwrap();
    let methods = syn::parse_str(&format!("impl Net {{ {methods} }}")).unwrap();
    let whole = analyse(attr, item, &methods).unwrap_or_else(|(errors, _)| {
        let texts: Vec<String> = errors.iter().map(|e| e.text()).collect();
        panic!("{}", texts.join("\n"))
    });
    let both = whole.methods.iter().zip(&whole.graphs);
    both.map(|(m, g)| report::text(&m.name.to_string(), g, &whole.model.names))
        .collect()
}

/// The report of `forward` with these arguments and that body.
fn forward(args: &str, ret: &str, body: &str) -> String {
    graphs("", &format!("fn forward(&self, {args}) -> {ret} {{ {body} }}"))
}

/// The number of kernels.
fn kernels(text: &str) -> usize {
    text.matches("= kernel ").count()
}

#[test]
fn a_soft_cap_is_one_kernel() {
    let text = forward(
        "x: Tensor![B, L, hidden]",
        "Tensor![B, L, hidden]",
        "tanh(x / config.cap) * config.cap",
    );
    assert_eq!(kernels(&text), 1, "{text}");
    assert!(text.contains("kernel divide_tanh_multiply(%0)"), "{text}");
}

#[test]
fn one_operation_stays_what_it_is() {
    for body in ["exp(x)", "x.astype(f32)", "exp(x.reshape([B, L * hidden])).reshape([B, L, hidden])"] {
        let dtype = if body.contains("f32") { "; f32" } else { "" };
        let text = forward(
            "x: Tensor![B, L, hidden]",
            &format!("Tensor![B, L, hidden{dtype}]"),
            body,
        );
        assert_eq!(kernels(&text), 0, "{text}");
    }
}

#[test]
fn shown() {
    println!("{}", graphs("#[param(hidden, hidden)] a: Linear,", "fn forward(&self, x: Tensor![B, hidden]) -> Tensor![B, hidden] {
        exp(self.a(x) * 2.0) + exp(self.a(x) * 2.0) * exp(self.a(x) * 3.0)
    }"));
    println!("{}", forward("x: Tensor![B, L, hidden], scale: Tensor![B, hidden], shift: Tensor![B, hidden]", "Tensor![B, L, hidden]",
     "let s = scale.reshape([B, 1, hidden]); let t = shift.reshape([B, 1, hidden]); layer_norm(x, eps = config.eps) * (s + 1.0) + t"));
    println!("{}", graphs("#[param(hidden)] w: Param,", "fn forward(&self, x: Tensor![B, L, hidden]) -> Tensor![B, L, hidden] { x * rsqrt(mean(square(x), -1, keepdims) + config.eps) * (self.w + 1.0) }"));
    println!("{}", forward("g: Tensor![B, L, ffn], u: Tensor![B, L, ffn]", "Tensor![B, L, ffn]",
     "let g = minimum(g, 7.0); let u = clip(u, -7.0, 7.0); g * sigmoid(g * 1.702) * (u + 1.0)"));
    println!("{}", forward("q: Tensor![B, L, heads, 2 * half], c: Tensor![L, 2 * half], s: Tensor![L, 2 * half]", "Tensor![B, heads, L, 2 * half]",
     "let q = q.transpose([0, 2, 1, 3]); let (a, b) = q.split(2, -1); let r = concatenate([-b, a], -1); q * c + r * s"));
}

#[test]
#[ignore = "prints"]
fn models() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/models/src");
    for f in std::fs::read_dir(folder).unwrap() {
        let f = f.unwrap().path();
        if f.extension().is_none_or(|e| e != "rs") { continue; }
        let file: syn::File = syn::parse_str(&std::fs::read_to_string(&f).unwrap()).unwrap();
        let structs: Vec<&syn::ItemStruct> = file.items.iter().filter_map(|i| match i { syn::Item::Struct(s) => Some(s), _ => None }).collect();
        for i in &file.items {
            let syn::Item::Impl(m) = i else { continue };
            if !m.attrs.iter().any(|a| a.path().is_ident("mlx_model")) { continue; }
            let syn::Type::Path(p) = &*m.self_ty else { continue };
            let name = &p.path.segments.last().unwrap().ident;
            let Some(s) = structs.iter().find(|s| s.ident == *name) else { continue };
            let mut s = (*s).clone();
            let attr = s.attrs.iter().position(|a| a.path().is_ident("mlx_model")).unwrap();
            let attr = s.attrs.remove(attr);
            let syn::Meta::List(l) = attr.meta else { continue };
            let start = std::time::Instant::now();
            let Ok(w) = analyse(l.tokens, s, m) else { println!("{name}: error"); continue };
            let took = start.elapsed();
            for (m, g) in w.methods.iter().zip(&w.graphs) {
                let text = report::text(&m.name.to_string(), g, &w.model.names);
                println!("{} {name}::{}: {} kernels, {took:?}", f.file_name().unwrap().to_string_lossy(), m.name, kernels(&text));
                for l in text.lines().filter(|l| l.contains("= kernel") || l.starts_with("      ")) { println!("      {l}"); }
            }
        }
    }
}
