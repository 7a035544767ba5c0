//! Errors of kernels.
//!
//! Tests: `tests/errors.rs`; `mlx-tests --test ui`.

macro_rules! kernels {
    ([$next:ident $($then:ident)*] $($before:tt)*) => { $next! { [$($then)*] $($before)*
        /// The body of a kernel needs more than one launch.
        Kernel: "kernel",
            help "a kernel is one launch, in which each element is computed from its own row: split the body into several kernels, or write `#[mlx_fn]`"
        {
            kernel_operation(op) = "`{op}` needs a launch of its own";
            kernel_call(name) = "`{name}` is another function, and its body is not known here: write it in this kernel";
            kernel_value() = "a kernel computes tensors from its arguments alone";
            kernel_crossed(op, found) = "{op}: the elements of one row come from several rows: {found}";
            kernel_two_rows(found, left, right) = "{found} has `{left}` columns in its row, other operations need `{right}` in one row";
            kernel_shared_result(found, dims) = "{found} is the same for each of `{dims}`, and other results have a row for each";
            kernel_strided(found) = "{found}: the elements of one row do not lie at one distance in memory";
            kernel_key(op) = "{op}: expected an argument of the kernel as the key, found a computed one";
            kernel_reduction(op) = "`{op}` of all rows is one number: a kernel gives one for each row or element, with `reduction = \"none\"`";
            kernel_index_per_column(found) = "expected one index for each row, but {found} has one for each column";
            kernel_largest_number(op) = "{op}: missing `posinf` or `neginf`, whose defaults a kernel does not know";
        }
        /// An attribute of a kernel is not understood.
        KernelAttribute: "attribute of a kernel",
            help "write `#[mlx_kernel]` or `#[mlx_kernel(vjp = function)]`, and `#[frozen]` before a float tensor that has no gradient"
        {
            kernel_on_other() = "`#[mlx_kernel]` expects a free function";
            kernel_argument(found) = "unknown argument `{found}` of `#[mlx_kernel]`";
            kernel_attribute(found) = "unknown attribute `#[{found}]` of an argument of a kernel";
            kernel_frozen(name) = "`{name}` has no gradient that `#[frozen]` could take away";
            kernel_vjp_of_nothing() = "no argument of this kernel has a gradient that `vjp` could compute";
        }
        /// An argument of a kernel that may be absent is not understood.
        KernelOption: "absent argument of a kernel",
            help "an argument that may be absent is a tensor, `bias: Option<Tensor![D]>`, asked by `if bias.is_some() {{ .. }} else {{ .. }}`"
        {
            kernel_options(most, found) = "a kernel can have {most} arguments that may be absent, found {found}: each doubles the number of its variants";
            kernel_option_type() = "expected a tensor that may be absent, `Option<Tensor![D]>`";
            kernel_option_absent(name) = "`{name}` may be absent here: read it inside of `if {name}.is_some() {{ .. }}`";
            kernel_options_by_hand() = "a kernel with arguments that may be absent derives its gradient: `vjp` has one signature";
        }
    } };
}
