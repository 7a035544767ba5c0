//! Collectives of one process.

use mlx_runtime::{distributed, Dtype};

use super::{arrays, run, INTS};

#[test]
fn collectives_of_one_process() {
    let group = distributed::init(false, None).unwrap();
    assert_eq!((group.rank(), group.size()), (0, 1));
    assert!(group.split(0, 0).is_err());
    assert!(distributed::init(true, Some("no such backend")).is_err());
    assert!(distributed::init(false, Some("a\0b")).is_err());
    assert!(!distributed::is_available(Some("no such backend")).unwrap_or(false));
    for a in arrays() {
        for group in [None, Some(&group)] {
            for f in [
                distributed::all_sum,
                distributed::all_max,
                distributed::all_min,
                distributed::all_gather,
                distributed::sum_scatter,
            ] {
                run("collective", || f(&a, group));
            }
            for &i in &INTS {
                run("send", || distributed::send(&a, i, group));
                run("recv", || distributed::recv(&[i], Dtype::Float32, i, group));
                run("recv_like", || distributed::recv_like(&a, i, group));
            }
        }
    }
}
