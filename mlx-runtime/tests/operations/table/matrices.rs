//! Linear algebra and Fourier transforms.

use mlx_runtime::fft::{self, Norm};
use mlx_runtime::{linalg, ops, Array, Complex32, Dtype, Result};

use super::{rows, Operation};

const WIDE: (f64, f64) = (-1.0, 1.0);
const NORMS: [Norm; 3] = [Norm::Backward, Norm::Ortho, Norm::Forward];

/// A symmetric positive matrix made of any.
fn positive(a: &Array) -> Result<Array> {
    let n = a.dim(-2)?;
    let eye = ops::eye(n, n, 0, a.dtype())?;
    Ok(ops::matmul(a, &a.swapaxes(-1, -2)?)? + eye * f64::from(n))
}

/// Two arrays as real and imaginary parts.
fn complex(x: &[Array]) -> Result<Array> {
    let like = |a: &Array| ops::astype(a, Dtype::Complex64);
    let i = Array::scalar(Complex32::new(0.0, 1.0))?;
    ops::add(&like(&x[0])?, &ops::multiply(&like(&x[1])?, &i)?)
}

pub fn add(all: &mut Vec<Operation>) {
    rows! { all, Smooth, WIDE;
        "cross" "~3 ~3" => |x, g| linalg::cross(&x[0], &x[1], -1);
        "cross" "~2 ~2" => |x, g| linalg::cross(&x[0], &x[1], -1);
        "det" "*aa" => |x, g| linalg::det(&positive(&x[0])?);
        "slogdet" "*aa" => |x, g| linalg::slogdet(&positive(&x[0])?);
        "inv" "*aa" => |x, g| linalg::inv(&positive(&x[0])?);
        "tri_inv" "*aa" => |x, g| { let up = g.bool(); let p = positive(&x[0])?; linalg::tri_inv(&if up { ops::triu(&p, 0)? } else { ops::tril(&p, 0)? }, up) };
        "cholesky" "*aa" => |x, g| linalg::cholesky(&positive(&x[0])?, g.bool());
        "cholesky_inv" "*aa" => |x, g| linalg::cholesky_inv(&ops::tril(&positive(&x[0])?, 0)?, false);
        "solve" "*aa *ab" => |x, g| linalg::solve(&positive(&x[0])?, &x[1]);
        "solve_triangular" "*aa *ab" => |x, g| linalg::solve_triangular(&ops::tril(&positive(&x[0])?, 0)?, &x[1], false);
        "pinv" "*aa" => |x, g| linalg::pinv(&positive(&x[0])?);
        "eigvalsh" "*aa" => |x, g| linalg::eigvalsh(&positive(&x[0])?, g.pick(&[linalg::Triangle::Lower, linalg::Triangle::Upper]));
        "svd" "*ab" => |x, g| linalg::svd(&x[0], false);
        "fftshift" "*a" => |x, g| fft::fftshift(&x[0], &g.axes(&x[0]));
        "ifftshift" "*a" => |x, g| fft::ifftshift(&x[0], &g.axes(&x[0]));
    }
    rows! { all, Smooth, (0.1, 1.0);
        "norm" "*ab" => |x, g| linalg::norm(&x[0], g.pick(&[1.0, 2.0, 3.0]), Some(&[-1]), g.bool());
        "norm_l2" "*ab" => |x, g| linalg::norm_l2(&x[0], if g.bool() { Some(&[-1, -2]) } else { None }, g.bool());
        "norm_matrix" "*ab" => |x, g| linalg::norm_matrix(&x[0], "fro", Some(&[-2, -1]), g.bool());
    }
    rows! { all, Single, WIDE;
        "fft" "*a" => |x, g| fft::fft(&x[0], g.size(1, 5), g.axis(&x[0]), g.pick(&NORMS));
        "ifft" "*a" => |x, g| fft::ifft(&x[0], g.size(1, 5), g.axis(&x[0]), g.pick(&NORMS));
        "rfft" "*a" => |x, g| fft::rfft(&x[0], g.size(1, 5), g.axis(&x[0]), g.pick(&NORMS));
        "irfft" "*a" => |x, g| fft::irfft(&fft::fft(&x[0], 4, -1, Norm::Backward)?, g.size(1, 5), -1, g.pick(&NORMS));
        "fft2" "*ab" => |x, g| fft::fft2(&x[0], &g.dims(2), &[-2, -1], g.pick(&NORMS));
        "ifft2" "*ab" => |x, g| fft::ifft2(&x[0], &g.dims(2), &[-1, -2], g.pick(&NORMS));
        "rfft2" "*ab" => |x, g| fft::rfft2(&x[0], &g.dims(2), &[-2, -1], g.pick(&NORMS));
        "irfft2" "*ab" => |x, g| fft::irfft2(&fft::fft2(&x[0], &[2, 3], &[-2, -1], Norm::Backward)?, &g.dims(2), &[-2, -1], g.pick(&NORMS));
        "fftn" "*ab" => |x, g| fft::fftn(&x[0], &g.dims(2), &[-2, -1], g.pick(&NORMS));
        "ifftn" "*ab" => |x, g| fft::ifftn(&x[0], &g.dims(2), &[-2, -1], g.pick(&NORMS));
        "rfftn" "*ab" => |x, g| fft::rfftn(&x[0], &g.dims(2), &[-2, -1], g.pick(&NORMS));
        "irfftn" "*ab" => |x, g| fft::irfftn(&fft::fftn(&x[0], &[2, 3], &[-2, -1], Norm::Backward)?, &g.dims(2), &[-2, -1], g.pick(&NORMS));
        "fftfreq" "." => |x, g| ops::multiply(&x[0], &fft::fftfreq(g.size(1, 5), 0.5)?);
        "rfftfreq" "." => |x, g| ops::multiply(&x[0], &fft::rfftfreq(g.size(1, 5), 0.5)?);
        "imag" "*a" => |x, g| ops::imag(&fft::fft(&x[0], 4, -1, Norm::Backward)?);
        "real" "*a" => |x, g| ops::real(&fft::fft(&x[0], 4, -1, Norm::Backward)?);
        "conjugate" "*a" => |x, g| ops::conjugate(&fft::fft(&x[0], 4, -1, Norm::Backward)?);
        "complex_multiply" "*4" => |x, g| { let y = fft::fft(&x[0], 4, -1, Norm::Backward)?; ops::multiply(&y, &y) };
        "complex_matmul" "*44" => |x, g| { let y = fft::fft(&x[0], 4, -1, Norm::Backward)?; ops::matmul(&y, &y) };
        "complex_abs" "*4" => |x, g| ops::abs(&fft::fft(&ops::add(&x[0], &Array::scalar_as(3.0, x[0].dtype())?)?, 5, -1, Norm::Backward)?);
    }
    rows! { all, Single, (0.2, 0.8);
        "complex_arccos" "*3 *3" => |x, g| ops::arccos(&complex(x)?);
        "complex_arccosh" "*3 *3" => |x, g| ops::arccosh(&complex(x)?);
        "complex_arcsin" "*3 *3" => |x, g| ops::arcsin(&complex(x)?);
        "complex_arcsinh" "*3 *3" => |x, g| ops::arcsinh(&complex(x)?);
        "complex_arctan" "*3 *3" => |x, g| ops::arctan(&complex(x)?);
        "complex_arctanh" "*3 *3" => |x, g| ops::arctanh(&complex(x)?);
        "complex_cos" "*3 *3" => |x, g| ops::cos(&complex(x)?);
        "complex_cosh" "*3 *3" => |x, g| ops::cosh(&complex(x)?);
        "complex_exp" "*3 *3" => |x, g| ops::exp(&complex(x)?);
        "complex_log" "*3 *3" => |x, g| ops::log(&complex(x)?);
        "complex_log10" "*3 *3" => |x, g| ops::log10(&complex(x)?);
        "complex_log1p" "*3 *3" => |x, g| ops::log1p(&complex(x)?);
        "complex_log2" "*3 *3" => |x, g| ops::log2(&complex(x)?);
        "complex_reciprocal" "*3 *3" => |x, g| ops::reciprocal(&complex(x)?);
        "complex_rsqrt" "*3 *3" => |x, g| ops::rsqrt(&complex(x)?);
        "complex_sin" "*3 *3" => |x, g| ops::sin(&complex(x)?);
        "complex_sinh" "*3 *3" => |x, g| ops::sinh(&complex(x)?);
        "complex_sqrt" "*3 *3" => |x, g| ops::sqrt(&complex(x)?);
        "complex_square" "*3 *3" => |x, g| ops::square(&complex(x)?);
        "complex_tan" "*3 *3" => |x, g| ops::tan(&complex(x)?);
        "complex_tanh" "*3 *3" => |x, g| ops::tanh(&complex(x)?);
        "complex_negative" "*3 *3" => |x, g| ops::negative(&complex(x)?);
        "complex_sign" "*3 *3" => |x, g| ops::sign(&complex(x)?);
        "complex_absolute" "*3 *3" => |x, g| ops::abs(&complex(x)?);
        "complex_prod" "*3 *3" => |x, g| ops::prod(&complex(x)?, &[], false);
        "complex_cumprod" "*3 *3" => |x, g| ops::cumprod(&complex(x)?, 0, g.bool(), true);
        "complex_cumsum" "*3 *3" => |x, g| ops::cumsum(&complex(x)?, 0, g.bool(), true);
        "complex_logsumexp" "*3 *3" => |x, g| ops::logsumexp(&complex(x)?, &[], false);
        "complex_logaddexp" "*3 *3" => |x, g| { let z = complex(x)?; ops::logaddexp(&z, &ops::sin(&z)?) };
        "complex_mean" "*3 *3" => |x, g| ops::mean(&ops::square(&complex(x)?)?, &[], false);
        "complex_subtract" "*3 *3" => |x, g| { let z = complex(x)?; ops::subtract(&ops::square(&z)?, &ops::conjugate(&z)?) };
        "complex_times_real" "*3 *3" => |x, g| ops::multiply(&complex(x)?, &x[0]);
        "complex_outer" "*3 *3" => |x, g| { let z = complex(x)?; ops::outer(&z, &ops::sin(&z)?) };
        "complex_inner" "*3 *3" => |x, g| { let z = complex(x)?; ops::inner(&z, &ops::sin(&z)?) };
        "complex_power_of_real" "*3 *3" => |x, g| ops::power(&complex(x)?, &x[1]);
        "complex_power" "*3 *3" => |x, g| { let z = complex(x)?; ops::power(&z, &ops::square(&z)?) };
        "complex_divide" "*3 *3" => |x, g| { let z = complex(x)?; ops::divide(&ops::square(&z)?, &ops::sin(&z)?) };
    }
    rows! { all, Called, WIDE;
        "qr" "ab" => |x, g| linalg::qr(&x[0]);
        "lu" "ab" => |x, g| linalg::lu(&x[0]);
        "lu_factor" "ab" => |x, g| linalg::lu_factor(&x[0]);
        "svd" "*ab" => |x, g| linalg::svd(&x[0], g.bool());
        "eigh" "*aa" => |x, g| linalg::eigh(&x[0], linalg::Triangle::Lower);
        "eig" "*aa" => |x, g| linalg::eig(&x[0]);
        "eigvals" "*aa" => |x, g| linalg::eigvals(&x[0]);
        "pinv" "*ab" => |x, g| linalg::pinv(&x[0]);
        "inv" "*ab" => |x, g| linalg::inv(&x[0]);
        "cholesky" "*ab" => |x, g| linalg::cholesky(&x[0], g.bool());
        "solve" "*ab *c" => |x, g| linalg::solve(&x[0], &x[1]);
        "solve_triangular" "*ab *c" => |x, g| linalg::solve_triangular(&x[0], &x[1], g.bool());
        "det" "*ab" => |x, g| linalg::det(&x[0]);
        "cross" "*a *b" => |x, g| linalg::cross(&x[0], &x[1], g.axis(&x[0]));
        "norm" "*" => |x, g| { let axes = g.axes(&x[0]); linalg::norm(&x[0], g.pick(&[0.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, 2.0]), Some(&axes), g.bool()) };
        "norm_matrix" "*" => |x, g| { let axes = g.axes(&x[0]); linalg::norm_matrix(&x[0], g.pick(&["fro", "nuc", "f", ""]), Some(&axes), g.bool()) };
        "fftn" "*" => |x, g| { let axes = g.axes(&x[0]); let n: Vec<i32> = axes.iter().map(|_| g.size(0, 4)).collect(); fft::fftn(&x[0], &n, &axes, g.pick(&NORMS)) };
        "irfftn" "*" => |x, g| { let axes = g.axes(&x[0]); let n: Vec<i32> = axes.iter().map(|_| g.size(0, 4)).collect(); fft::irfftn(&x[0], &n, &axes, g.pick(&NORMS)) };
    }
}
