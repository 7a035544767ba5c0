//! Groups of processes on one host, over MLX's ring: collective operations, and training steps that several processes take
//! together.

mod children;

use std::net::TcpListener;
use std::process::Stdio;
use std::sync::Arc;

use children::{child, command, said};
use mlx_runtime::distributed::{self, Group};
use mlx_runtime::model::{TrainOptions, TrainStep};
use mlx_runtime::nn::{
    shard, AllToShardedLinear, Linear, Module, Parameters, Sequential, ShardedToAllLinear,
};
use mlx_runtime::optim::Adam;
use mlx_runtime::random::Key;
use mlx_runtime::{ops, Array, Dtype, Result};

/// Runs a test in `n` processes of one group. Each ends well, or the test fails.
fn together(name: &str, n: usize) {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
        .min(65_000);
    let hosts: Vec<String> = (0..n)
        .map(|i| format!("[\"127.0.0.1:{}\"]", usize::from(port) + i))
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("[{}]", hosts.join(", "))).unwrap();
    let start = |rank: usize| {
        let mut command = command(name, rank);
        command
            .env("MLX_HOSTFILE", file.path())
            .env("MLX_RANK", rank.to_string());
        command
            .env("MLX_DEVICE", "cpu")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let started: Vec<_> = (0..n).map(start).collect();
    for (rank, child) in started.into_iter().enumerate() {
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "rank {rank}: {}", said(&out));
    }
}

fn group() -> Group {
    distributed::init(true, Some("ring")).unwrap()
}

#[test]
fn collective_operations() {
    const NAME: &str = "collective_operations";
    let Some(rank) = child(NAME) else {
        return [2, 4].into_iter().for_each(|n| together(NAME, n));
    };
    let (group, rank) = (group(), rank.parse::<usize>().unwrap());
    let n = group.size() as f32;
    assert_eq!(group.rank(), rank);
    let own = Array::from_slice(&[rank as f32, 1.0], &[2]).unwrap();
    let values = |a: Result<Array>| a.unwrap().to_vec::<f32>().unwrap();
    assert_eq!(
        values(distributed::all_sum(&own, Some(&group))),
        [n * (n - 1.0) / 2.0, n]
    );
    assert_eq!(
        values(distributed::all_max(&own, Some(&group))),
        [n - 1.0, 1.0]
    );
    let all = distributed::all_gather(&own, Some(&group)).unwrap();
    assert_eq!(all.shape(), [2 * group.size() as i32]);
    // Every bit comes over, the sign of zero and the payload of NaN, too.
    for dtype in [
        Dtype::Float32,
        Dtype::Bfloat16,
        Dtype::Uint32,
        Dtype::Bool,
        Dtype::Int64,
    ] {
        let make = |seed: f32| {
            let x = Array::from_slice(&[-0.0f32, f32::NAN, seed, 1e-30, -3.5], &[5, 1]).unwrap();
            match dtype {
                Dtype::Float32 | Dtype::Bfloat16 => ops::astype(&x, dtype).unwrap(),
                _ => ops::astype(
                    &ops::full(&[3], &Array::scalar(seed).unwrap(), Dtype::Float32).unwrap(),
                    dtype,
                )
                .unwrap(),
            }
        };
        let root = group.size() - 1;
        let got = distributed::broadcast(&make(rank as f32), root, &group).unwrap();
        let expected = make(root as f32);
        assert_eq!(got.dtype(), dtype);
        assert_eq!(got.shape(), expected.shape());
        let bits = |a: &Array| {
            let a = ops::contiguous(a, false).unwrap();
            ops::view(&ops::reshape(&a, &[-1]).unwrap(), Dtype::Uint8)
                .unwrap()
                .to_vec::<u8>()
                .unwrap()
        };
        assert_eq!(bits(&got), bits(&expected), "{dtype}");
    }
    let scalar = distributed::broadcast(&Array::scalar(rank as f32).unwrap(), 0, &group).unwrap();
    assert_eq!(scalar.item::<f32>().unwrap(), 0.0);
    assert!(distributed::broadcast(&own, group.size(), &group).is_err());
}

/// Two layers of 4 MB each: more than one bucket.
fn net() -> Sequential {
    let key = Key::new(7).unwrap();
    let (a, b) = key.split().unwrap();
    Sequential::new()
        .push(Linear::new(1024, 1024, true, &a).unwrap())
        .push(Linear::new(1024, 1024, false, &b).unwrap())
}

/// The mean square error over the rows that count, and their number.
fn loss(net: &Sequential, batch: &[Array]) -> Result<Vec<Array>> {
    let [x, y, mask] = batch else {
        panic!("inputs, targets and a mask")
    };
    let count = ops::sum(mask, &[], false)?;
    let error = ops::mean(
        &ops::square(&ops::subtract(&net.forward(x)?, y)?)?,
        &[1],
        false,
    )?;
    let sum = ops::sum(&ops::multiply(&error, mask)?, &[], false)?;
    Ok(vec![
        ops::divide(&sum, &count)?,
        count.clone(),
        ops::multiply(&count, 2.0)?,
    ])
}

/// Rows `first`, `first + step`, .. of batch `i`. The mask leaves rank 1 of 2 without a row that counts in one batch.
fn batch(i: u64, first: i32, step: i32) -> [Array; 3] {
    let key = Key::new(i).unwrap();
    let x = mlx_runtime::random::normal(&[8, 1024], Dtype::Float32, 0.0, 1.0, &key).unwrap();
    let mask: Vec<f32> = (0..8)
        .map(|r| f32::from(u8::from(i != 2 || r % 2 == 0) * u8::from(r != 5)))
        .collect();
    let y = ops::roll(&x, 3, 1).unwrap();
    let mask = Array::from_slice(&mask, &[8]).unwrap();
    let rows = |a: &Array| {
        let mut start = vec![0; a.ndim()];
        let mut strides = vec![1; a.ndim()];
        (start[0], strides[0]) = (first, step);
        let part = ops::slice(a, &start, a.shape(), &strides).unwrap();
        ops::contiguous(&part, false).unwrap()
    };
    [rows(&x), rows(&y), rows(&mask)]
}

/// Losses, counts and sums of steps of three kinds, as one process takes them or several together.
fn steps(group: Option<Arc<Group>>, compile: bool) -> Vec<[f32; 3]> {
    let (first, step) = group
        .as_ref()
        .map_or((0, 1), |g| (g.rank() as i32, g.size() as i32));
    let options = TrainOptions::new()
        .group(group.clone())
        .max_grad_norm(0.5)
        .compile(compile);
    let mut train = TrainStep::new(net(), loss, Adam::default(), options).unwrap();
    let buckets = train.reduced_bytes();
    match group {
        // One for each layer of 4 MB, and one for the bias.
        Some(_) => assert_eq!(buckets.iter().sum::<usize>(), 4 * (2 * 1024 * 1024 + 1024)),
        None => assert!(buckets.is_empty()),
    }
    assert!(buckets.is_empty() || buckets.len() >= 2, "{buckets:?}");
    let mut all = Vec::new();
    let mut keep = |values: Vec<Array>| {
        let numbers: Vec<f32> = values.iter().map(|v| v.item::<f32>().unwrap()).collect();
        all.push([numbers[0], numbers[1], numbers[2]]);
    };
    for i in 1..5 {
        keep(train.run(&batch(i, first, step), 1e-3).unwrap());
    }
    let started = train.start(&batch(6, first, step), 1e-3).unwrap();
    keep(started.wait().unwrap());
    let both = [batch(7, first, step), batch(2, first, step)];
    keep(train.run_accumulated(&both, 1e-3).unwrap());
    keep(train.run(&batch(8, first, step), 1e-3).unwrap());
    all
}

#[test]
fn steps_of_several_processes_are_those_of_one_with_the_whole_batch() {
    const NAME: &str = "steps_of_several_processes_are_those_of_one_with_the_whole_batch";
    let Some(_) = child(NAME) else {
        return [2, 4].into_iter().for_each(|n| together(NAME, n));
    };
    let group = Arc::new(group());
    let kinds = [false, true];
    // Recordings take seconds.
    for compile in kinds.into_iter().take(4 / group.size()) {
        let (alone, together) = (
            steps(None, compile),
            steps(Some(Arc::clone(&group)), compile),
        );
        // The sum is one of the loss function's further outputs.
        assert_eq!(
            alone.iter().map(|s| s[1]).collect::<Vec<_>>(),
            [7., 7. - 3., 7., 7., 7., 11., 7.]
        );
        for (a, b) in alone.iter().zip(&together) {
            assert!((a[0] - b[0]).abs() <= 1e-6 * a[0], "{alone:?} {together:?}");
            assert_eq!(a[1..], b[1..]);
        }
    }
}

/// The output of two layers with a kink between them, and its gradients with respect to input, weights and biases.
fn two_layers(layers: [&dyn Module; 2], x: &Array) -> (Array, Vec<Array>) {
    let trained: Vec<Array> = layers
        .iter()
        .flat_map(|l| l.trainable().into_iter().map(|(_, a)| a))
        .collect();
    let skeleton = layers.map(|l| l.boxed());
    let f = move |all: &[Array]| {
        let mut layers = skeleton.clone();
        let (first, second) = all[1..].split_at(2);
        layers[0].set_trainable(first)?;
        layers[1].set_trainable(second)?;
        let hidden = ops::maximum(&layers[0].forward(&all[0])?, 0.0)?;
        let y = layers[1].forward(&hidden)?;
        Ok(vec![ops::sum(&ops::square(&y)?, &[], false)?, y])
    };
    let inputs = [&[x.clone()][..], &trained].concat();
    let gradient = mlx_runtime::transforms::value_and_grad(f, &[0, 1, 2, 3, 4]);
    let (values, grads) = gradient.call(&inputs).unwrap();
    (values[1].clone(), grads)
}

#[test]
fn divided_layers_have_the_outputs_and_gradients_of_whole_ones() {
    const NAME: &str = "divided_layers_have_the_outputs_and_gradients_of_whole_ones";
    let Some(_) = child(NAME) else {
        return [2, 4].into_iter().for_each(|n| together(NAME, n));
    };
    let group = Arc::new(group());
    let (a, b) = Key::new(3).unwrap().split().unwrap();
    let first = Linear::new(6, 8, true, &a).unwrap();
    let second = Linear::new(8, 5, true, &b).unwrap();
    let x = mlx_runtime::random::normal(&[7, 6], Dtype::Float32, 0.0, 1.0, &a).unwrap();
    let (whole, grads) = two_layers([&first, &second], &x);
    let parts = (
        AllToShardedLinear::from_linear(&first, &group).unwrap(),
        ShardedToAllLinear::from_linear(&second, &group).unwrap(),
    );
    let (divided, own) = two_layers([&parts.0, &parts.1], &x);
    let part = |a: &Array, axis: i32| shard(a, axis, &group).unwrap();
    let expected = [
        grads[0].clone(),
        part(&grads[1], 0),
        part(&grads[2], 0),
        part(&grads[3], 1),
        grads[4].clone(),
    ];
    for (found, expected) in own.iter().zip(&expected).chain([(&divided, &whole)]) {
        assert_eq!(found.shape(), expected.shape());
        let close = ops::allclose(found, expected, 1e-5, 1e-5, false).unwrap();
        assert!(close.item::<bool>().unwrap(), "{found:?} {expected:?}");
    }
    let odd = AllToShardedLinear::from_linear(&second, &group)
        .unwrap_err()
        .to_string();
    assert!(
        odd.contains("a length of 5 cannot be divided over"),
        "{odd}"
    );
}

#[test]
fn a_loss_without_a_number_of_targets_is_an_error() {
    const NAME: &str = "a_loss_without_a_number_of_targets_is_an_error";
    let Some(_) = child(NAME) else {
        return together(NAME, 2);
    };
    let options = TrainOptions::new().group(Arc::new(group()));
    let only = |net: &Sequential, batch: &[Array]| Ok(vec![loss(net, batch)?.swap_remove(0)]);
    let mut train = TrainStep::new(net(), only, Adam::default(), options).unwrap();
    let error = train.run(&batch(1, 0, 1), 1e-3).unwrap_err().to_string();
    assert!(error.contains("a loss and a number of targets"), "{error}");
}
