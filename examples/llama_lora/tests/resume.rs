//! Resuming a run: from its own state, on its own model, in its own folder.

#![cfg(unix)]
#![allow(missing_docs)]

mod common;

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::process::{Child, Stdio};

use serde_json::{json, Value};

use common::{Place, TRAIN};

/// A run that has taken a step and saved nothing.
fn unsaved(place: &Place, more: &str) -> Child {
    let run = format!("{TRAIN} --iters 100000 --save-every 100000 {more}");
    let mut child = place.command(&run).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("train loss") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "it ended");
    }
    std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    child
}

fn bytes(place: &Place, file: &str) -> Vec<u8> {
    fs::read(place.path(file)).unwrap()
}

/// The tensors of an adapter: past the header, which names folders.
fn tensors(place: &Place, file: &str) -> Vec<u8> {
    let all = bytes(place, file);
    let header = u64::from_le_bytes(all[..8].try_into().unwrap()) as usize;
    all[8 + header..].to_vec()
}

#[test]
fn a_new_run_that_saved_nothing_is_not_mixed_with_the_one_before() {
    let place = Place::new();
    place.train("");
    let (state, metrics) = (
        bytes(&place, "adapters/state.safetensors"),
        bytes(&place, "adapters/metrics.jsonl"),
    );
    for _ in 0..2 {
        let mut child = unsaved(&place, "--learning-rate 0.5");
        child.kill().unwrap();
        child.wait().unwrap();
        let said = place.fails("train --resume --iters 8");
        assert!(said.contains("ended before its first save"), "{said}");
        // The command that it suggests brings the earlier run back.
        assert_eq!(bytes(&place, "adapters/state.old.safetensors"), state);
    }
    let said = place.fails("train --resume --iters 8");
    for line in said.lines().filter(|l| l.starts_with("  mv ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        fs::rename(words[1], words[2]).unwrap();
    }
    assert_eq!(bytes(&place, "adapters/metrics.jsonl"), metrics);
    place.ok("train --resume --iters 8");
    place.train("--iters 8 --adapter-path whole");
    assert_eq!(
        tensors(&place, "adapters/adapters.safetensors"),
        tensors(&place, "whole/adapters.safetensors")
    );
    // A run that does not come to a step leaves everything as it was.
    let before = bytes(&place, "adapters/state.safetensors");
    for wrong in [
        "--model nothing",
        "--data nothing",
        "--lora-keys nothing",
        "--memory-limit 250KB",
    ] {
        place.fails(&format!("{TRAIN} {wrong}"));
        assert_eq!(
            bytes(&place, "adapters/state.safetensors"),
            before,
            "{wrong}"
        );
        assert!(!place.path("adapters/state.old.safetensors").exists());
        assert!(!place.path("adapters/metrics.old.jsonl").exists());
    }
    // One that has saved something takes the place of the run before.
    place.train("--seed 3");
    assert!(!place.path("adapters/state.old.safetensors").exists());
    assert!(!place.path("adapters/metrics.old.jsonl").exists());
    assert_eq!(
        String::from_utf8(bytes(&place, "adapters/metrics.jsonl"))
            .unwrap()
            .matches("train_loss")
            .count(),
        6
    );
}

#[test]
fn one_run_has_a_folder() {
    let place = Place::new();
    place.train("");
    let mut child = unsaved(&place, "");
    let owner = format!("process {} on ", child.id());
    for other in [TRAIN, "train --resume --iters 9"] {
        let said = place.fails(other);
        assert!(
            said.contains(&owner) && said.contains("--adapter-path"),
            "{said}"
        );
    }
    // Other programs may read in the meantime.
    place.ok("eval --model model --data data --adapter-path adapters");
    child.kill().unwrap();
    child.wait().unwrap();
    // Its lock went with it.
    assert!(place.path("adapters/.lock").exists());
    place.train("");
    assert!(!place.path("adapters/.lock").exists());
}

#[test]
fn the_adapter_file_that_is_named_is_the_one_that_is_used() {
    let place = Place::new();
    place.train("--adapter-path first --seed 1");
    place.train("--adapter-path second --seed 2");
    // As mlx-lm keeps earlier saves: beside the last one.
    fs::copy(
        place.path("first/adapters.safetensors"),
        place.path("second/0000006_adapters.safetensors"),
    )
    .unwrap();
    let start = "--iters 1 --learning-rate 1e-30 --resume-adapter-file";
    for (from, wanted) in [
        ("second/0000006_adapters.safetensors", "first"),
        ("second/adapters.safetensors", "second"),
        ("second", "second"),
    ] {
        place.train(&format!("{start} {from} --adapter-path out"));
        assert_eq!(
            tensors(&place, "out/adapters.safetensors"),
            tensors(&place, &format!("{wanted}/adapters.safetensors")),
            "{from}"
        );
    }
    let said = place.fails(&format!(
        "{TRAIN} --resume-adapter-file second/none.safetensors"
    ));
    assert!(said.contains("second/none.safetensors"), "{said}");
    // A run goes on without the adapter that it started from.
    place.train("--resume-adapter-file first/adapters.safetensors --adapter-path parts --iters 3");
    place.train("--resume-adapter-file first/adapters.safetensors --adapter-path whole --iters 6");
    fs::remove_dir_all(place.path("first")).unwrap();
    place.ok("train --resume --adapter-path parts --iters 6");
    assert_eq!(
        tensors(&place, "parts/adapters.safetensors"),
        tensors(&place, "whole/adapters.safetensors")
    );
}

#[test]
fn another_model_is_noticed() {
    let place = Place::new();
    place.train("");
    let file = place.path("model/model.safetensors");
    let whole = fs::read(&file).unwrap();
    let data = whole.len() - 8 - u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let mut changed = 0;
    // One bit at a time, in the least part of a value, all over the file.
    for place_of in (0..12).map(|i| i * data / 12 / 4 * 4) {
        let mut bytes = whole.clone();
        bytes[whole.len() - data + place_of] ^= 1;
        fs::write(&file, bytes).unwrap();
        let said = place.fails("train --resume --iters 8");
        assert!(
            said.contains("the weights of model differ from those"),
            "{said}"
        );
        changed += 1;
    }
    fs::write(&file, whole).unwrap();
    // Constants are part of the model, too.
    let file = place.path("model/config.json");
    let config: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    for (name, value) in [("rms_norm_eps", json!(1e-4)), ("rope_theta", json!(2e4))] {
        let mut other = config.clone();
        other[name] = value;
        fs::write(&file, other.to_string()).unwrap();
        let said = place.fails("train --resume --iters 8");
        assert!(
            said.contains("the configuration of model differs"),
            "{said}"
        );
    }
    fs::write(&file, config.to_string()).unwrap();
    place.ok("train --resume --iters 8");
    println!("{changed} of {changed} changed bits were noticed");
}

#[test]
fn learning_rates_of_any_digits_are_the_same_when_a_run_goes_on() {
    let mut state = 1u64;
    let rates: Vec<f64> = (0..400)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 53) as f64 * 1e-3
        })
        .collect();
    for rate in &rates {
        let text = serde_json::to_string(rate).unwrap();
        assert_eq!(
            serde_json::from_str::<f64>(&text).unwrap().to_bits(),
            rate.to_bits(),
            "{text}"
        );
    }
    let place = Place::new();
    // Two that JSON parsers which round in a hurry get wrong, and others.
    let hard = ["0.00012345678901234567", "0.00098765432109876543"].map(str::to_owned);
    for rate in rates.iter().take(4).map(f64::to_string).chain(hard) {
        place.train(&format!("--iters 1 --val-batches 0 --learning-rate {rate}"));
        place.ok(&format!("train --resume --iters 2 --learning-rate {rate}"));
    }
    let said = place.fails("train --resume --iters 3 --learning-rate 0.5");
    assert!(said.contains("learning_rate"), "{said}");
    println!(
        "{} rates through JSON and 6 through runs: all the same",
        rates.len()
    );
}

#[test]
fn paths_links_and_modes_are_what_the_user_made_them() {
    let place = Place::new();
    let odd = OsString::from_vec(b"ad\xff\xfe".to_vec());
    let at = |args: &str| {
        let mut command = place.command(args);
        let status = command.arg("--adapter-path").arg(&odd).status();
        assert!(status.unwrap().success(), "{args}");
    };
    at(TRAIN);
    at("train --resume --iters 8");
    let from = std::path::Path::new(&odd).join("adapters.safetensors");
    let mut command = place.command(&format!(
        "{TRAIN} --adapter-path from --resume-adapter-file"
    ));
    assert!(command.arg(&from).status().unwrap().success());
    place.ok("train --resume --adapter-path from --iters 8");

    fs::create_dir(place.path("linked")).unwrap();
    let names = ["adapters.safetensors", "state.safetensors", "metrics.jsonl"];
    for name in names {
        fs::write(place.path(&format!("real-{name}")), "").unwrap();
        symlink(
            format!("../real-{name}"),
            place.path(&format!("linked/{name}")),
        )
        .unwrap();
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(place.path(&format!("real-{name}")), private).unwrap();
    }
    for _ in 0..2 {
        place.train("--adapter-path linked");
        place.ok("train --resume --iters 8 --adapter-path linked");
        for name in names {
            let link = fs::symlink_metadata(place.path(&format!("linked/{name}"))).unwrap();
            let real = fs::metadata(place.path(&format!("real-{name}"))).unwrap();
            assert!(link.is_symlink(), "{name}");
            assert_eq!(real.permissions().mode() & 0o777, 0o600, "{name}");
            assert!(real.len() > 100, "{name}");
        }
    }
}
