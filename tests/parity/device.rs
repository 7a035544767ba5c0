//! The default device beside the CPU of the same machine: logits, losses and gradients of the tiny Llamas.

use mlx_models::llama::Llama;
use mlx_runtime::device::{default_device, DeviceType};
use mlx_runtime::model::Model;
use mlx_runtime::stream::{self, Stream};
use mlx_runtime::{kernels, transforms, Array, Result};

use crate::dump::{close, Dump};
use crate::tiny::{self, adapt, batch, config, llama, logits, lora_of};

/// The results of a model, by name.
type Values = Vec<(String, Vec<f32>)>;

/// Everything from the dump on is made on the current stream.
fn values(name: &str) -> Result<Values> {
    let dump = Dump::open(&format!("tiny_{name}"));
    let mut llama = llama(config(&dump.facts), mlx_runtime::Dtype::Float32);
    let batch = batch(&dump, "tokens");
    let mut all = vec![("logits".to_owned(), logits(&llama, &batch[0]))];
    let b_limit = dump.facts["b_limit"].as_f64().unwrap();
    adapt(&mut llama, &lora_of(&dump), b_limit);
    all.push(("logits with adapters".to_owned(), logits(&llama, &batch[0])));

    let (names, start): (Vec<String>, Vec<Array>) = llama.trainable().into_iter().unzip();
    let wanted: Vec<i32> = (0..start.len() as i32).collect();
    let loss = move |adapters: &[Array]| {
        let mut llama: Llama = llama.clone();
        llama.set_trainable(adapters)?;
        Ok(vec![llama.loss(&batch[0], &batch[1], &batch[2])?])
    };
    let (loss, grads) = transforms::value_and_grad(loss, &wanted).call(&start)?;
    let named = std::iter::once("loss".to_owned()).chain(names);
    for (name, a) in named.zip(loss.iter().chain(&grads)) {
        all.push((name, a.to_vec::<f32>()?));
    }
    Ok(all)
}

/// Without a GPU there is one device: the CPU's two ways are compared.
#[test]
fn the_default_device_agrees_with_the_cpu() {
    let device = default_device().unwrap();
    println!("computed on {device}");
    let cpu = Stream::default_cpu().unwrap();
    for name in tiny::ALL {
        let theirs = stream::with(&cpu, || values(name)).unwrap();
        let mut ways = vec![("composed", kernels::without(|| values(name)).unwrap())];
        if device.kind() == DeviceType::Gpu {
            ways.push(("fused", values(name).unwrap()));
        }
        for (way, ours) in ways {
            assert_eq!(ours.len(), theirs.len());
            for ((part, a), (_, b)) in ours.iter().zip(&theirs) {
                close(&format!("{name}, {way}: {part}"), a, b, 1e-4);
            }
        }
    }
}
