//! Regions of bodies that become kernels: which operations join, which stay out, and that what touches a cache stays in
//! its order.

mod reports;

use reports::graphs;

/// The report of `forward` with these arguments and that body.
fn forward(args: &str, ret: &str, body: &str) -> String {
    graphs(
        "",
        "",
        &format!("fn forward(&self, {args}) -> {ret} {{ {body} }}"),
    )
}

/// The operations outside of kernels, a kernel as the list of its own.
fn operations(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in text.lines().filter(|l| l.contains(" = ")) {
        let inner = line.starts_with("      ");
        let what = line.split(" = ").nth(1).unwrap().split('(').next().unwrap();
        let idle = ["input", "param", "%"].iter().any(|w| what.starts_with(w)) || what.is_empty();
        match what {
            _ if idle => {}
            _ if inner => {
                let last = found.last_mut().unwrap();
                last.push_str(&format!(" {what}"));
            }
            kernel if kernel.starts_with("kernel") => found.push("kernel:".to_string()),
            other => found.push(other.to_string()),
        }
    }
    found
}

const X: &str = "x: Tensor![B, L, hidden]";
const ROWS: &str = "Tensor![B, L, hidden]";

#[test]
fn chains_become_one_kernel() {
    for (args, ret, body, found) in [
        (X, ROWS, "tanh(x / config.cap) * config.cap", "divide tanh multiply"),
        (
            "x: Tensor![B, L, hidden], w: Tensor![hidden]",
            ROWS,
            "x * rsqrt(mean(square(x), -1, keepdims) + config.eps) * (w + 1.0)",
            "square mean add rsqrt multiply add multiply",
        ),
        (
            "g: Tensor![B, L, ffn], u: Tensor![B, L, ffn]",
            "Tensor![B, L, ffn]",
            "let g = minimum(g, 7.0); let u = clip(u, -7.0, 7.0); g * sigmoid(g * 1.702) * (u + 1.0)",
            "minimum clip multiply sigmoid multiply add multiply",
        ),
        (
            "x: Tensor![B, L, hidden], scale: Tensor![B, hidden], shift: Tensor![B, hidden]",
            ROWS,
            "let s = scale.reshape([B, 1, hidden]); let t = shift.reshape([B, 1, hidden]);
             layer_norm(x, eps = config.eps) * (s + 1.0) + t",
            "reshape reshape layer_norm add multiply add",
        ),
        (
            "q: Tensor![B, L, heads, 2 * half], c: Tensor![L, 2 * half], s: Tensor![L, 2 * half]",
            "Tensor![B, heads, L, 2 * half]",
            "let q = q.transpose([0, 2, 1, 3]); let (a, b) = q.split(2, -1);
             q * c + concatenate([-b, a], -1) * s",
            "transpose split multiply negative concatenate multiply add",
        ),
    ] {
        let text = forward(args, ret, body);
        assert_eq!(operations(&text), [format!("kernel: {found}")], "{text}");
    }
}

#[test]
fn what_saves_nothing_stays_what_it_is() {
    for (ret, body) in [
        (ROWS, "exp(x)"),
        (ROWS, "x * 2.0 + 1.0"),
        ("Tensor![B, L, hidden; f32]", "x.astype(f32) * 2.0"),
        (
            ROWS,
            "exp(x.reshape([B, L * hidden])).reshape([B, L, hidden])",
        ),
        // The intermediate value is read otherwise, too.
        (
            "(Tensor![B, L, hidden], Tensor![B, L, hidden])",
            "let y = exp(x); (y, y.matmul(eye(hidden)))",
        ),
    ] {
        let text = forward(X, ret, body);
        assert!(!text.contains("= kernel"), "{body}: {text}");
    }
    let text = graphs(
        "fuse(except(kernels))",
        "",
        &format!("fn forward(&self, {X}) -> {ROWS} {{ tanh(x * 2.0) * 2.0 }}"),
    );
    assert_eq!(operations(&text), ["multiply", "tanh", "multiply"]);
}

#[test]
fn a_sum_that_the_gradient_reads_is_a_value_besides() {
    // Of `x + y` a norm keeps the sum, one array; the terms would be two.
    let args = "x: Tensor![B, L, hidden], y: Tensor![B, L, hidden]";
    let text = forward(
        args,
        ROWS,
        "let h = x + y; h * rsqrt(mean(square(h), -1, keepdims) + config.eps)",
    );
    let found = operations(&text);
    assert_eq!(
        found,
        ["kernel: add square mean add rsqrt multiply"],
        "{text}"
    );
}

#[test]
fn what_frozen_weights_meet_is_not_kept_for_them() {
    let field = "#[param(hidden)] gamma: Param,";
    let method = format!(
        "fn forward(&self, {X}, y: Tensor![B, L, hidden]) -> {ROWS} {{ x * 0.5 + self.gamma * y }}"
    );
    assert_eq!(
        operations(&graphs("", field, &method)),
        ["multiply", "multiply", "add"]
    );
    // One that is never trained has no gradient that reads `y`.
    let frozen = format!("#[frozen] {field}");
    assert_eq!(
        operations(&graphs("", &frozen, &method)),
        ["kernel: multiply multiply add"]
    );
}

#[test]
fn several_values_that_are_read_come_out_of_one_kernel() {
    let ret = format!("({ROWS}, {ROWS})");
    let text = forward(
        X,
        &ret,
        "let h = exp(x * 0.5); let y = h - mean(h, -1, keepdims); (h, y / (abs(h) + 1.0))",
    );
    let found = operations(&text);
    assert_eq!(
        found,
        ["kernel: multiply exp mean subtract abs add divide"],
        "{text}"
    );
}

#[test]
fn a_region_is_convex() {
    // The product stands between two parts of what would be one kernel.
    let field = "#[param(hidden, hidden)] map: Linear,";
    let method = format!(
        "fn forward(&self, {X}) -> {ROWS} {{ let h = tanh(x * 2.0); exp(self.map(h) * 0.5) + h }}"
    );
    let text = graphs("", field, &method);
    let found = operations(&text);
    assert_eq!(
        found,
        [
            "kernel: multiply tanh",
            "self.map",
            "kernel: multiply exp add"
        ],
        "{text}"
    );
}

#[test]
fn arms_have_kernels_of_their_own() {
    let method = format!(
        "fn forward(&self, {X}) -> {ROWS} {{
            let y = x * 2.0;
            if config.flag {{ tanh(y * 3.0) + y }} else {{ exp(y / 3.0) * y }}
        }}"
    );
    let text = graphs("", "", &method);
    let found = operations(&text);
    assert_eq!(
        found[..2],
        [
            "kernel: multiply multiply tanh add",
            "kernel: multiply divide exp multiply"
        ],
        "{text}"
    );
}

#[test]
fn what_stands_around_an_if_joins_each_arm() {
    // The soft cap before and the softmax behind go into the arms, which then are one kernel each.
    let method = "fn forward(&self, q: Tensor![B, H, L, head_dim], cache: &mut KvCache) -> Tensor![B, H, L, head_dim] {
        let (k, v) = cache.update(q, q);
        let scores = q.matmul(k.transpose([0, 1, 3, 2]));
        let scores = tanh(scores / config.cap) * config.cap;
        let scores = if config.flag { causal_mask(scores, window = config.window) } else { causal_mask(scores) };
        softmax(scores, -1, precise = true).matmul(v)
    }";
    let text = graphs("", "", method);
    let found = operations(&text);
    let kernel = "kernel: divide tanh multiply causal_mask softmax";
    let whole = [
        "cache.update",
        "transpose",
        "matmul",
        kernel,
        kernel,
        "if config",
        "matmul",
    ];
    let found: Vec<&str> = found
        .iter()
        .map(|f| if f.starts_with("if") { "if config" } else { f })
        .collect();
    assert_eq!(found, whole, "{text}");
    // Rows of a length that a cache decides.
    assert!(
        text.contains("= kernel multiply_causal_mask_softmax(%6) : [B, H, L, L + Past'] float"),
        "{text}"
    );
}

#[test]
fn an_if_in_an_if_takes_them_further() {
    let method = format!(
        "fn forward(&self, {X}, y: {ROWS}) -> {ROWS} {{
            let a = exp(x);
            let b = if config.flag {{ if config.other {{ tanh(a) }} else {{ a * y }} }} else {{ sin(a) + y }};
            sigmoid(b) * y
        }}"
    );
    let text = graphs("", "", &method);
    let found = operations(&text);
    assert_eq!(
        [&found[0], &found[1], &found[3]],
        [
            "kernel: exp tanh sigmoid multiply",
            "kernel: exp multiply sigmoid multiply",
            "kernel: exp sin add sigmoid multiply"
        ],
        "{text}"
    );
    assert_eq!(found.len(), 5, "{text}");
}

#[test]
fn what_an_arm_does_not_read_stays_outside() {
    // Without a kernel to join, nothing is written twice.
    let field = "#[param(hidden, hidden)] map: Linear,";
    let method = format!(
        "fn forward(&self, {X}) -> {ROWS} {{
            let a = exp(x) * 2.0;
            let b = if config.flag {{ self.map(a) }} else {{ a }};
            b.matmul(eye(hidden)) + tanh(a)
        }}"
    );
    let text = graphs("", field, &method);
    let found = operations(&text);
    assert_eq!(found[0], "kernel: exp multiply", "{text}");
}

#[test]
fn norms_in_fields_join_what_stands_around_them() {
    let fields = [
        ("post", "#[param(hidden, eps = eps, offset = 1.0)] RmsNorm"),
        ("pre", "#[param(hidden)] RmsNorm"),
        ("mean", "#[param(hidden)] LayerNorm"),
        ("map", "#[param(hidden, hidden)] Linear"),
    ];
    let two = "(Tensor![B, L, hidden], Tensor![B, L, hidden])";
    let of = |ret: &str, body: &str| {
        let method = format!("fn forward(&self, {X}, y: {ROWS}) -> {ret} {{ {body} }}");
        operations(&graphs("", &reports::read(&fields, body), &method))
    };
    // A norm, the residual sum, and the norm of that.
    let found = of(two, "let h = x + self.post(y); (h, self.map(self.pre(h)))");
    assert_eq!(found, ["kernel: add rms_norm add rms_norm", "self.map"]);
    // A sum that only a norm reads is given to the gradient.
    let found = of(ROWS, "self.mean(x + y)");
    assert_eq!(found, ["kernel: add layer_norm"]);
    let found = of(two, "let h = x + y; (h, self.map(self.pre(h)))");
    assert_eq!(found, ["kernel: add rms_norm", "self.map"]);
    // Norms alone have kernels of their own.
    assert_eq!(
        of(ROWS, "self.map(self.post(x)) + y"),
        ["self.post", "self.map", "add"]
    );
}

#[test]
fn one_operation_of_which_mlx_makes_many_is_a_kernel() {
    for name in ["gelu", "gelu_approx", "silu", "mish", "log_softmax"] {
        let axis = if name == "log_softmax" { ", -1" } else { "" };
        let text = forward(X, ROWS, &format!("{name}(x{axis})"));
        assert_eq!(operations(&text), [format!("kernel: {name}")], "{text}");
    }
    for body in ["relu(x)", "sigmoid(x)", "softmax(x, -1)", "layer_norm(x)"] {
        let text = forward(X, ROWS, body);
        assert!(!text.contains("kernel"), "{text}");
    }
}

#[test]
fn parts_of_a_product_are_read_where_they_lie() {
    let ret = "Tensor![B, L, ffn]";
    for body in [
        "let (g, u) = x.split(2, -1); silu(g) * u",
        "let (u, g) = x.split(2, -1); u * gelu_approx(g)",
    ] {
        let text = forward("x: Tensor![B, L, 2 * ffn]", ret, body);
        let found = operations(&text);
        assert_eq!(found.len(), 1, "{text}");
        assert!(found[0].starts_with("kernel: split"), "{text}");
    }
}

#[test]
fn what_touches_a_cache_stays_in_its_order() {
    let field = "#[rope(head_dim)] rope: Rope,";
    let method = "fn forward(&self, q: Tensor![B, H, L, head_dim]) -> Tensor![B, H, L, head_dim] {
        let a = tanh(q * 2.0);
        let first = self.rope(a, KvCache::off());
        let second = self.rope(q, KvCache::off());
        first.matmul(eye(head_dim)) + second.matmul(eye(head_dim)) + exp(a * 0.5)
    }";
    // One kernel of `a` and its exponential would come before the first rotation and after the second.
    let text = graphs("", field, method);
    let found = operations(&text);
    let ropes: Vec<&str> = text.lines().filter(|l| l.contains("self.rope(")).collect();
    assert!(ropes[1].contains("self.rope(%0"), "{text}");
    assert_eq!(found[0], "kernel: multiply tanh", "{text}");
}
