use super::{row, File};

const STEPS: &str = "If a number is out of its range, or the shapes do not fit together.";

pub const FILE: File = File {
    name: "conv",
    doc: "Convolutions.",
    uses: "use mlx_sys as sys;\n\nuse crate::array::build;\nuse crate::{Array, Result};",
    rows: &[
        row("mlx_conv3d", "conv3d", "`[B, D, H, W, in], [out, kd, kh, kw, in / groups] -> [B, D', H', W', out]`. MLX: `conv3d`.", STEPS)
            .check("crate::ops::check_conv_inputs(OP, input, weight)?;\ncrate::ops::check_conv(OP, &[stride.0, stride.1, stride.2, dilation.0, dilation.1, dilation.2], &[padding.0, padding.1, padding.2], groups)?;\nlet pads = [padding.0, padding.1, padding.2];\ncrate::ops::check_conv_reach(OP, [input, weight], [&pads; 2], [&[dilation.0, dilation.1, dilation.2], &[]])?;"),
        row("mlx_conv_general", "conv_general", "A convolution of any number of dimensions, `[B, .., in], [out, .., in / groups] -> [B, .., out]`;\neach list has one entry for each of them, or one for all; `flip` turns the kernel around.\n[`crate::ops::Conv`] takes them by name. MLX: `conv_general`.", STEPS)
            .check("crate::ops::check_conv_inputs(OP, input, weight)?;\ncrate::ops::check_conv_general(OP, input, [stride, kernel_dilation, input_dilation], [padding_lo, padding_hi], groups)?;\ncrate::ops::check_conv_reach(OP, [input, weight], [padding_lo, padding_hi], [kernel_dilation, input_dilation])?;\nlet padded = crate::ops::even_padding(input, padding_lo, padding_hi, input_dilation)?;\nlet (input, padding_lo, padding_hi) = match &padded {\nSome(padded) => (padded, &[0][..], &[0][..]),\nNone => (input, padding_lo, padding_hi),\n};"),
        row("mlx_conv_transpose1d", "conv_transpose1d", "The transpose of [`crate::ops::conv1d`], `[B, L, in], [out, k, in / groups] -> [B, L', out]`.\nMLX: `conv_transpose1d`.", STEPS)
            .check("crate::ops::check_conv_inputs(OP, input, weight)?;\ncrate::ops::check_conv(OP, &[stride, dilation], &[padding, output_padding], groups)?;"),
        row("mlx_conv_transpose2d", "conv_transpose2d", "The transpose of [`crate::ops::conv2d`],\n`[B, H, W, in], [out, kh, kw, in / groups] -> [B, H', W', out]`. MLX: `conv_transpose2d`.", STEPS)
            .check("crate::ops::check_conv_inputs(OP, input, weight)?;\ncrate::ops::check_conv(OP, &[stride.0, stride.1, dilation.0, dilation.1], &[padding.0, padding.1, output_padding.0, output_padding.1], groups)?;"),
        row("mlx_conv_transpose3d", "conv_transpose3d", "The transpose of [`conv3d`],\n`[B, D, H, W, in], [out, kd, kh, kw, in / groups] -> [B, D', H', W', out]`.\nMLX: `conv_transpose3d`.", STEPS)
            .check("crate::ops::check_conv_inputs(OP, input, weight)?;\ncrate::ops::check_conv(OP, &[stride.0, stride.1, stride.2, dilation.0, dilation.1, dilation.2], &[padding.0, padding.1, padding.2, output_padding.0, output_padding.1, output_padding.2], groups)?;"),
    ],
};
