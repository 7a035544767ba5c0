//! One update of each optimiser over gathered parameters, beside one tensor by tensor: operations
//! and kernels in the graph, for a model and for one with four times the layers.

use std::collections::HashSet;
use std::sync::Arc;

use mlx_models::{llama::Llama, Config};
use mlx_runtime::model::{add_lora, init, LoraConfig, Model, ParamGroups};
use mlx_runtime::optim::{Adafactor, Adam, AdamW, Lion, Muon, Optimizer, Sgd, Shapes};
use mlx_runtime::random::Key;
use mlx_runtime::{device, memory, ops, transforms, Array, Dtype, Result};

/// The trained tensors of a Llama with so many layers.
fn tensors(layers: usize, lora: bool) -> Result<Vec<Array>> {
    let config = Config {
        hidden_size: 32,
        num_hidden_layers: layers,
        intermediate_size: 64,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 16,
        vocab_size: 20,
        tie_word_embeddings: true,
        ..Config::default()
    };
    let mut model: Llama = init(&Arc::new(config), Key::new(1)?, Dtype::Float32)?;
    if lora {
        let config = LoraConfig {
            rank: 4,
            scale: 20.0,
            keys: vec!["q_proj".into(), "v_proj".into()],
            num_layers: -1,
            ..LoraConfig::default()
        };
        add_lora(&mut model, &config, &Key::new(2)?)?;
    } else {
        model.unfreeze();
    }
    let all: Vec<Array> = model.trainable().into_iter().map(|(_, a)| a).collect();
    transforms::eval(&all.iter().collect::<Vec<_>>())?;
    Ok(all)
}

/// Tensors, operations and kernels of one update.
fn update(
    optimizer: &dyn Optimizer,
    layers: usize,
    lora: bool,
    grouped: bool,
) -> Result<[usize; 3]> {
    let params = tensors(layers, lora)?;
    // As the backward pass leaves them: computed, some of them transposed.
    let grads: Result<Vec<Array>> = params
        .iter()
        .map(|p| {
            let rest: Vec<i32> = (0..p.ndim() as i32).rev().collect();
            let t = ops::contiguous(&ops::transpose(p, &rest)?, false)?;
            transforms::eval(&[&t])?;
            ops::transpose(&t, &rest)
        })
        .collect();
    let grads = grads?;
    let groups = ParamGroups::new(&params)?;
    let (buffers, shapes) = match grouped {
        true => (groups.gather(&params)?, groups.shapes()),
        false => (params.clone(), Shapes::of(&params)),
    };
    let state = optimizer.init_buffers(&shapes, &buffers)?;
    transforms::eval(&buffers.iter().chain(state.arrays()).collect::<Vec<_>>())?;
    let gathered = match grouped {
        true => groups.gather(&grads)?,
        false => grads.clone(),
    };
    let lr = Array::scalar(1e-3f32)?;
    let (new, state) = optimizer.step_buffers(&shapes, &buffers, &gathered, &state, &lr)?;
    let new = match grouped {
        true => groups.scatter(&new)?,
        false => new,
    };
    // The transposes are the backward pass's.
    let before = memory::forecast(&grads.iter().collect::<Vec<_>>())?;
    let after = memory::forecast(&new.iter().chain(state.arrays()).collect::<Vec<_>>())?;
    Ok([
        params.len(),
        after.operations - before.operations,
        after.kernels - before.kernels,
    ])
}

/// Each optimiser, with the most kernels that an update of one group may queue: a number of its own, and
/// one for each shape among the trained tensors.
fn optimizers() -> Vec<(Box<dyn Optimizer>, usize, usize)> {
    let adamw = AdamW {
        bias_correction: true,
        ..AdamW::default()
    };
    let sgd = Sgd {
        momentum: 0.9,
        weight_decay: 0.1,
        nesterov: true,
        ..Sgd::default()
    };
    let lion = Lion {
        weight_decay: 0.1,
        ..Lion::default()
    };
    let adafactor = Adafactor {
        beta_1: Some(0.9),
        weight_decay: 0.1,
        ..Adafactor::default()
    };
    vec![
        (Box::new(sgd), 20, 0),
        (Box::new(Adam::default()), 20, 0),
        (Box::new(adamw), 30, 0),
        (Box::new(lion), 25, 0),
        (Box::new(adafactor), 40, 40),
        (Box::new(Muon::default()), 30, 45),
    ]
}

#[test]
fn an_update_does_not_grow_with_the_layers() {
    let cpu = device::default_device().unwrap().kind() == device::DeviceType::Cpu;
    if !cpu {
        println!(
            "on a GPU, the kernels of a grouped update are not compared: the limits are the CPU's"
        );
    }
    for (optimizer, own, per_shape) in optimizers() {
        let name = optimizer.name();
        for lora in [true, false] {
            let [grouped, naive] = [true, false]
                .map(|g| [4, 16].map(|layers| update(&*optimizer, layers, lora, g).unwrap()));
            for (what, all) in [("grouped", grouped), ("one by one", naive)] {
                for ([tensors, operations, kernels], layers) in all.iter().zip([4, 16]) {
                    println!("{name}, lora {lora}, {layers} layers, {tensors} tensors, {what}: {operations} operations, {kernels} kernels");
                }
            }
            let [few, many] = grouped;
            let added = many[0] - few[0];
            // Two views for each tensor (a slice, in its shape) are all that grows, and no kernels. A
            // kernel of a GPU gathers 128 tensors; the parts of more are joined.
            let parts = if cpu { 0 } else { 4 };
            assert!(many[1] - few[1] <= 2 * added + parts, "{name}: {many:?}");
            if cpu {
                let shapes: HashSet<Vec<i32>> = tensors(4, lora)
                    .unwrap()
                    .iter()
                    .map(|t| t.shape().to_vec())
                    .collect();
                assert_eq!(many[2], few[2], "{name}");
                assert!(many[2] < own + per_shape * shapes.len(), "{name}: {many:?}");
            }
            let [few, many] = naive;
            // An update is one kernel for each tensor, or more.
            let least = added;
            assert!(
                many[1] - few[1] >= least && many[2] - few[2] >= least,
                "{name}: {many:?}"
            );
        }
    }
}

#[test]
fn gathered_gradients_are_those_of_the_tensors() {
    let a = Array::from_slice(&[1f32, 2., 3., 4., 5., 6.], &[2, 3]).unwrap();
    let t = ops::transpose(&a, &[1, 0]).unwrap();
    let wide = ops::broadcast_to(&Array::scalar(7f32).unwrap(), &[2, 2]).unwrap();
    let middle = ops::slice(&a, &[0, 1], &[2, 3], &[1, 1]).unwrap();
    let tensors = [a, t, wide, middle];
    let groups = ParamGroups::new(&tensors).unwrap();
    let buffers = groups.gather(&tensors).unwrap();
    let values = buffers[0].to_vec::<f32>().unwrap();
    let expected = [
        1., 2., 3., 4., 5., 6., 1., 4., 2., 5., 3., 6., 7., 7., 7., 7., 2., 3., 5., 6.,
    ];
    assert_eq!(values, expected);
    for (x, y) in groups.scatter(&buffers).unwrap().iter().zip(&tensors) {
        let y = ops::contiguous(y, false).unwrap();
        assert_eq!(x.to_vec::<f32>().unwrap(), y.to_vec::<f32>().unwrap());
    }
    // Half precision, too: elements of two bytes.
    let half: Vec<Array> = tensors
        .iter()
        .map(|t| ops::astype(t, Dtype::Bfloat16).unwrap())
        .collect();
    let half = ParamGroups::new(&half).unwrap().gather(&half).unwrap();
    let half = ops::astype(&half[0], Dtype::Float32).unwrap();
    assert_eq!(half.to_vec::<f32>().unwrap(), expected);
}
