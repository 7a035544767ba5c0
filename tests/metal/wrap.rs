//! Writes the function around a kernel's body as MLX does (mlx/backend/common/metal_kernel.cpp).
//!
//! `dump.py` shows that the two agree: MLX itself writes the text on Linux, too, while it exports a function.

/// An array as a kernel gets it.
#[derive(Clone, Debug)]
pub struct Argument {
    pub name: String,
    /// The element type by MLX's name in kernels, such as `bfloat16_t`.
    pub dtype: &'static str,
    /// The number of elements. MLX passes less than 8 in the constant address space.
    pub size: usize,
    /// The number of dimensions. MLX passes a scalar as a reference.
    pub dimensions: usize,
}

/// A kernel as `mx.fast.metal_kernel` takes it, or CUDA's text.
#[derive(Clone, Debug)]
pub struct Kernel {
    pub name: String,
    /// CUDA's arguments after the arrays; `None` for Metal's text. They are elements of one more input.
    pub numbers: Option<Vec<String>>,
    pub inputs: Vec<Argument>,
    pub outputs: Vec<Argument>,
    pub header: String,
    pub body: String,
}

/// The attributes that MLX looks for, with their types; the ones that the shim has.
const ATTRIBUTES: &[(&str, &str)] = &[
    ("simdgroup_index_in_threadgroup", "uint"),
    ("thread_index_in_simdgroup", "uint"),
    ("thread_position_in_threadgroup", "uint3"),
    ("threadgroup_position_in_grid", "uint3"),
    ("threadgroups_per_grid", "uint3"),
    ("threads_per_threadgroup", "uint3"),
];

impl Kernel {
    /// The attributes that the body reads, which are arguments.
    pub fn attributes(&self) -> Vec<(&'static str, &'static str)> {
        let known = ATTRIBUTES.iter().copied();
        known.filter(|a| self.body.contains(a.0)).collect()
    }

    /// The name that MLX gives the function.
    pub fn function(&self) -> String {
        let mut name = format!("custom_kernel_{}", self.name);
        for a in &self.inputs {
            name += &format!("_{}", a.dtype);
            name += match (a.dimensions, a.size) {
                (0, _) => "s",
                (_, size) if size < 8 => "c",
                _ => "",
            };
        }
        for a in &self.outputs {
            name += &format!("_{}", a.dtype);
        }
        name
    }

    /// CUDA's function, as `mlx-runtime` writes it around the body.
    fn cuda(&self, numbers: &[String]) -> String {
        let read = self
            .inputs
            .iter()
            .map(|a| format!("const {}* {}", a.dtype, a.name));
        let written = self
            .outputs
            .iter()
            .map(|a| format!("{}* {}", a.dtype, a.name));
        let numbers = numbers.iter().map(|n| format!("int {n}"));
        let arguments: Vec<String> = read.chain(written).chain(numbers).collect();
        let (name, arguments) = (self.function(), arguments.join(", "));
        format!(
            "{}void {name}({arguments}) {{\n{}\n}}\n",
            self.header, self.body
        )
    }

    /// The text that MLX compiles, after its own headers.
    pub fn text(&self) -> String {
        if let Some(numbers) = &self.numbers {
            return self.cuda(numbers);
        }
        let mut arguments = Vec::new();
        for a in &self.inputs {
            let space = if a.size < 8 { "constant" } else { "device" };
            let sign = if a.dimensions == 0 { "&" } else { "*" };
            let place = arguments.len();
            arguments.push(format!(
                "  const {space} {}{sign} {} [[buffer({place})]]",
                a.dtype, a.name
            ));
            for (suffix, kind) in [("shape", "int*"), ("strides", "int64_t*"), ("ndim", "int&")] {
                let name = format!("{}_{suffix}", a.name);
                if a.dimensions > 0 && self.body.contains(&name) {
                    let place = arguments.len();
                    arguments.push(format!(
                        "  const constant {kind} {name} [[buffer({place})]]"
                    ));
                }
            }
        }
        for a in &self.outputs {
            let place = arguments.len();
            arguments.push(format!(
                "  device {}* {} [[buffer({place})]]",
                a.dtype, a.name
            ));
        }
        for (name, kind) in self.attributes() {
            arguments.push(format!("  {kind} {name} [[{name}]]"));
        }
        format!(
            "{}[[kernel]] void {}(\n{}) {{\n{}\n}}\n",
            self.header,
            self.function(),
            arguments.join(",\n"),
            self.body
        )
    }
}
