use super::{row, File, Row};

const ONE: &str = "If the axis does not exist, or `n` is less than 1.";
const MANY: &str = "If an axis does not exist or is there twice, `n` and `axes` differ in length, or a size is less\nthan 1.";
const SIZES: &str = "crate::fft::check_sizes(OP, n)?;";
const SIZE: &str = "crate::fft::check_sizes(OP, &[n])?;";

const fn one(c: &'static str, name: &'static str, doc: &'static str) -> Row {
    row(c, name, doc, ONE).check(SIZE)
}

const fn many(c: &'static str, name: &'static str, doc: &'static str) -> Row {
    row(c, name, doc, MANY).check(SIZES)
}

pub const FILE: File = File {
    name: "fft",
    doc: "Fourier transforms.",
    uses: "use mlx_sys as sys;\n\nuse crate::array::build;\nuse crate::fft::Norm;\nuse crate::{Array, Result};",
    rows: &[
        one("mlx_fft_fft", "fft", "The discrete Fourier transform along `axis`, cut or padded with zeros to `n`,\n`[.., m, ..]` -> complex64 `[.., n, ..]`. MLX: `fft.fft`."),
        many("mlx_fft_fft2", "fft2", "As [`fftn`]; the two axes are usually the last ones. MLX: `fft.fft2`."),
        row("mlx_fft_fftfreq", "fftfreq", "The frequencies of [`fft`]'s elements at a sample spacing of `d`, float32 `[n]`.\nMLX: `fft.fftfreq`.", "If `n` is less than 1.").check(SIZE),
        many("mlx_fft_fftn", "fftn", "The discrete Fourier transform along each of `axes`, cut or padded with zeros to the sizes `n`,\n`[..]` -> complex64 `[..]`. MLX: `fft.fftn`."),
        row("mlx_fft_fftshift", "fftshift", "Frequency 0 moved to the middle of each of `axes`, `[..] -> [..]`. MLX: `fft.fftshift`.", "If an axis does not exist."),
        one("mlx_fft_ifft", "ifft", "The inverse of [`fft`], `[.., m, ..]` -> complex64 `[.., n, ..]`. MLX: `fft.ifft`."),
        many("mlx_fft_ifft2", "ifft2", "The inverse of [`fft2`]. MLX: `fft.ifft2`."),
        many("mlx_fft_ifftn", "ifftn", "The inverse of [`fftn`]. MLX: `fft.ifftn`."),
        row("mlx_fft_ifftshift", "ifftshift", "The inverse of [`fftshift`], `[..] -> [..]`. MLX: `fft.ifftshift`.", "If an axis does not exist."),
        one("mlx_fft_irfft", "irfft", "The inverse of [`rfft`], complex64 `[.., n / 2 + 1, ..]` -> float32 `[.., n, ..]`.\nMLX: `fft.irfft`."),
        many("mlx_fft_irfft2", "irfft2", "The inverse of [`rfft2`]. MLX: `fft.irfft2`."),
        many("mlx_fft_irfftn", "irfftn", "The inverse of [`rfftn`]. MLX: `fft.irfftn`."),
        one("mlx_fft_rfft", "rfft", "The discrete Fourier transform of real numbers along `axis`, without the half that mirrors the\nother, float32 `[.., m, ..]` -> complex64 `[.., n / 2 + 1, ..]`. MLX: `fft.rfft`."),
        many("mlx_fft_rfft2", "rfft2", "As [`rfftn`]; the two axes are usually the last ones. MLX: `fft.rfft2`."),
        row("mlx_fft_rfftfreq", "rfftfreq", "The frequencies of [`rfft`]'s elements at a sample spacing of `d`, float32 `[n / 2 + 1]`.\nMLX: `fft.rfftfreq`.", "If `n` is less than 1.").check(SIZE),
        many("mlx_fft_rfftn", "rfftn", "The transform of [`rfft`] along the last of `axes` and of [`fft`] along the others,\n`[..]` -> complex64 `[..]`. MLX: `fft.rfftn`."),
    ],
};
