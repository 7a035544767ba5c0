//! Fourier transforms, decompositions and solvers.

use mlx_runtime::fft::Norm;
use mlx_runtime::linalg::Triangle;
use mlx_runtime::{fft, linalg, ops};

use super::{arrays, lists, run, run_all, run_two, INTS};

#[test]
fn transforms_and_decompositions() {
    for a in arrays() {
        for &n in &INTS {
            let n = n.min(100);
            for axis in [-2, -1, 0, 7] {
                for f in [fft::fft, fft::ifft, fft::rfft, fft::irfft] {
                    run("fft", || f(&a, n, axis, Norm::Ortho));
                }
            }
            run("diff", || ops::diff(&a, n, -1));
        }
        for list in lists().iter().filter(|l| l.iter().all(|n| *n <= 100)) {
            for axes in lists() {
                for f in [
                    fft::fftn,
                    fft::ifftn,
                    fft::rfftn,
                    fft::irfftn,
                    fft::fft2,
                    fft::irfft2,
                ] {
                    run("fftn", || f(&a, list, &axes, Norm::Backward));
                }
            }
            run("fftshift", || fft::fftshift(&a, list));
            run("ifftshift", || fft::ifftshift(&a, list));
            for ord in [0.0, 1.0, -1.0, 2.0, f64::INFINITY, f64::NAN] {
                run("norm", || linalg::norm(&a, ord, Some(list), true));
            }
            run("norm_matrix", || {
                linalg::norm_matrix(&a, "nuc", Some(list), false)
            });
            run("norm_l2", || linalg::norm_l2(&a, Some(list), false));
        }
        run("norm", || linalg::norm(&a, 2.0, None, false));
        run("norm_matrix", || linalg::norm_matrix(&a, "%s", None, false));
        run("norm_matrix", || {
            linalg::norm_matrix(&a, "fro", None, false)
        });
        for upper in [false, true] {
            run("cholesky", || linalg::cholesky(&a, upper));
            run("cholesky_inv", || linalg::cholesky_inv(&a, upper));
            run("tri_inv", || linalg::tri_inv(&a, upper));
            run_all("svd", || linalg::svd(&a, upper));
        }
        for f in [linalg::det, linalg::inv, linalg::pinv, linalg::eigvals] {
            run("square", || f(&a));
        }
        run("eigvalsh", || linalg::eigvalsh(&a, Triangle::Upper));
        run_two("eigh", || linalg::eigh(&a, Triangle::Lower));
        for f in [linalg::eig, linalg::qr, linalg::slogdet, linalg::lu_factor] {
            run_two("two", || f(&a));
        }
        run_all("lu", || linalg::lu(&a));
        for b in arrays() {
            run("solve", || linalg::solve(&a, &b));
            run("solve_triangular", || {
                linalg::solve_triangular(&a, &b, true)
            });
            run("cross", || linalg::cross(&a, &b, -1));
            run("cross", || linalg::cross(&a, &b, 9));
        }
    }
    for &n in &INTS {
        run("fftfreq", || fft::fftfreq(n.min(100), 0.0));
        run("rfftfreq", || fft::rfftfreq(n.min(100), f64::NAN));
    }
}
