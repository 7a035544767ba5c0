//! Gathers and scatters.

use mlx_runtime::ops;

use super::{arrays, lists, run};

#[test]
fn gathers_and_scatters() {
    let all = arrays();
    let lists = lists();
    for a in &all {
        for b in &all {
            for list in &lists {
                run("gather", || ops::gather(a, &[b], &[0], list));
                run("gather", || ops::gather(a, &[b, b], list, &[1, 1, 1]));
                run("gather_single", || ops::gather_single(a, b, 0, list));
                run("slice_dynamic", || ops::slice_dynamic(a, b, list, &[1, 1]));
                run("slice_dynamic", || ops::slice_dynamic(a, b, &[0, 1], list));
                run("slice_update_dynamic", || {
                    ops::slice_update_dynamic(a, a, b, list)
                });
                run("slice_update_dynamic", || {
                    ops::slice_update_dynamic(a, b, b, list)
                });
                let one = vec![1; list.len()];
                for f in [ops::slice_update_add, ops::slice_update_max] {
                    run("slice_update", || f(a, b, list, &one, &one));
                    run("slice_update", || f(a, b, &one, &one, list));
                }
            }
            for c in &all {
                for axis in [-1, 0, 1, 9] {
                    run("scatter_single", || ops::scatter_single(a, b, c, axis));
                    run("scatter_add_single", || {
                        ops::scatter_add_single(a, b, c, axis)
                    });
                    run("scatter", || ops::scatter(a, &[b], c, &[axis]));
                    run("scatter_max", || {
                        ops::scatter_max(a, &[b, b], c, &[0, axis])
                    });
                    run("scatter_prod", || ops::scatter_prod(a, &[], c, &[]));
                }
                run("masked_scatter", || ops::masked_scatter(a, b, c));
                run("segmented_mm", || ops::segmented_mm(a, b, c));
            }
        }
    }
}
