//! Several processes that train together: their losses are those of one process, whoever launches them, and they agree on
//! everything.

#![cfg(unix)]
#![allow(missing_docs)]

mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{json, Value};

use common::{ends, message, text, Place, TRAIN};

/// The losses of a run: (step, train or valid, loss).
fn losses(place: &Place, folder: &str) -> Vec<(u64, bool, f64)> {
    let all = fs::read_to_string(place.path(folder).join("metrics.jsonl")).unwrap();
    let read = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        let (train, valid) = (record["train_loss"].as_f64(), record["val_loss"].as_f64());
        let step = record["iteration"].as_u64().unwrap();
        (step, train.is_some(), train.or(valid).unwrap())
    };
    all.lines().map(read).collect()
}

#[track_caller]
fn same_losses(place: &Place, one: &str, other: &str) {
    let (a, b) = (losses(place, one), losses(place, other));
    assert!(!a.is_empty());
    let steps = |l: &[(u64, bool, f64)]| l.iter().map(|l| (l.0, l.1)).collect::<Vec<_>>();
    assert_eq!(steps(&a), steps(&b));
    for (a, b) in a.iter().zip(&b) {
        assert!(
            (a.2 - b.2).abs() <= 1e-6 * a.2.abs(),
            "{a:?} of {one}, {b:?} of {other}"
        );
    }
}

/// `args` on `n` ranks, which must work; returns standard error.
#[track_caller]
fn launch(place: &Place, n: usize, args: &str) -> String {
    let out = ends(
        &mut place.command(&format!("launch -n {n} -- {args}")),
        args,
    );
    assert!(out.status.success(), "{args}: {}", text(&out.stderr));
    text(&out.stderr)
}

#[test]
fn losses_are_those_of_one_process_with_the_whole_batch() {
    let place = Place::new();
    for (split, rows) in [("train", 7), ("valid", 3)] {
        let pair = |i: usize| {
            let (chosen, rejected) = ("x".repeat(i % 3 + 1), "y".repeat(i % 4 + 1));
            json!({"prompt": format!("{i}?"), "chosen": chosen, "rejected": rejected}).to_string()
        };
        let lines: Vec<String> = (0..rows).map(pair).collect();
        place.write(&format!("pairs/{split}.jsonl"), &lines.join("\n"));
    }
    // Twelve rows in batches of five: the last batch of a pass has two, so that two of four ranks have none.
    for (name, more) in [
        ("plain", "--iters 8 --batch-size 5 --val-batches -1"),
        (
            "clipped",
            "--iters 8 --batch-size 4 --max-grad-norm 0.3 --max-grad-value 0.05 --mask-prompt",
        ),
        (
            "accumulated",
            "--iters 10 --batch-size 5 --grad-accumulation-steps 3 --optimizer adamw --max-grad-norm 0.3",
        ),
        ("whole", "--iters 6 --batch-size 4 --fine-tune-type full --num-layers 1 --optimizer muon"),
        ("pairs", "--iters 6 --batch-size 3 --data pairs --loss dpo --val-batches -1"),
        ("packed", "--iters 6 --batch-size 3 --packing --max-seq-length 64"),
    ] {
        // Adam with a large step makes the last bit of a small gradient count.
        let run = format!("{TRAIN} --learning-rate 1e-3 {more}");
        place.ok(&format!("{run} --adapter-path {name}-1"));
        for n in [2, 4] {
            let said = launch(&place, n, &format!("{run} --adapter-path {name}-{n}"));
            assert!(said.contains(&format!("{n} ranks over ring")), "{said}");
            // One rank prints.
            assert_eq!(said.matches("gradients of a step").count(), 1, "{said}");
            same_losses(&place, &format!("{name}-1"), &format!("{name}-{n}"));
        }
    }
    println!("6 kinds of run: 2 and 4 ranks have the losses of one process to 1e-6");
}

#[test]
fn a_report_has_the_memory_of_each_rank_and_the_cost_of_the_reduction() {
    let place = Place::new();
    let said = launch(&place, 2, TRAIN);
    assert!(
        said.contains("gradients of a step, summed over 2 ranks"),
        "{said}"
    );
    let all = fs::read_to_string(place.path("adapters/metrics.jsonl")).unwrap();
    let reports = all
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap());
    let reports: Vec<Value> = reports.filter(|r| r["train_loss"].is_number()).collect();
    // Two matrices of rank 2 for each of seven matrices of two layers, float32.
    let values = 2 * 2 * (3 * 64 + 3 * 80 + 96 + 48);
    let shapes = |r: &Value| {
        let ranks = &r["ranks"];
        assert_eq!(ranks["peak_memory"].as_array().unwrap().len(), 2);
        assert!(ranks["reduce_ms"].as_f64().unwrap() > 0.0);
        (
            ranks["reduced_bytes"].as_u64().unwrap(),
            ranks["buckets"].as_u64().unwrap(),
        )
    };
    for report in &reports {
        let (bytes, buckets) = shapes(report);
        assert_eq!((bytes % 4, buckets), (0, 1), "{report}");
        assert!(bytes > 0 && bytes <= 8 * values, "{report}");
    }
    // `explain` says the same without other ranks.
    let keys = "--lora-rank 2 --tokens 16 --ranks 2 --link 1";
    let told = place.ok(&format!("explain model {keys}"));
    let bytes = shapes(&reports[0]).0 as f64;
    let expected = format!("{:.2} MB of gradients in 1 group (float32)", bytes / 1e6);
    assert!(told.contains(&expected), "{told}");
    assert!(
        told.contains(&format!("alone {:.2} ms at 1 GB/s", bytes / 1e6)),
        "{told}"
    );
    place.train("--adapter-path one");
    let one = fs::read_to_string(place.path("one/metrics.jsonl")).unwrap();
    assert!(!one.contains("ranks"), "{one}");
}

#[test]
fn skipped_steps_early_stopping_and_the_best_adapter_are_those_of_one_process() {
    let place = Place::new();
    for (name, more, word) in [
        (
            "skipped",
            "--learning-rate 1e30 --val-batches 0 --max-skipped-steps 100",
            "is skipped",
        ),
        (
            "early",
            "--iters 60 --learning-rate 0.1 --steps-per-eval 1 --early-stopping 1 --keep-best",
            "stopping early",
        ),
    ] {
        let run = format!("{TRAIN} {more}");
        let said = |out: Output| {
            let all = text(&out.stderr);
            let lines = all.lines().filter(|l| l.contains(word)).map(str::to_owned);
            (out.status.code(), lines.collect::<Vec<_>>())
        };
        let one = said(place.run(&format!("{run} --adapter-path {name}-1")));
        assert!(!one.1.is_empty(), "{name}");
        let three = format!("launch -n 2 -- {run} --adapter-path {name}-2");
        let two = said(ends(&mut place.command(&three), name));
        assert_eq!(one, two, "{name}");
    }
    assert!(place.path("early-2/best/adapters.safetensors").exists());
}

#[test]
fn a_run_goes_on_with_another_number_of_ranks_in_the_same_order() {
    let place = Place::new();
    let run = format!("{TRAIN} --learning-rate 1e-3 --batch-size 3 --iters 12 --save-every 4");
    place.ok(&format!("{run} --adapter-path whole"));
    // Four steps each on two ranks, one process and three ranks.
    launch(&place, 2, &format!("{run} --iters 4 --adapter-path parts"));
    place.ok("train --resume --iters 8 --adapter-path parts");
    launch(&place, 3, "train --resume --iters 12 --adapter-path parts");
    let of = |folder: &str, train: bool| {
        let all = losses(&place, folder).into_iter();
        all.filter(|l| l.1 == train).collect::<Vec<_>>()
    };
    let (whole, parts) = (of("whole", true), of("parts", true));
    assert_eq!(whole.len(), 12);
    for (a, b) in whole.iter().zip(&parts) {
        assert_eq!(a.0, b.0);
        assert!((a.2 - b.2).abs() <= 1e-6 * a.2, "{a:?}, {b:?}");
    }
    // Without the file of the state on rank 0 nobody goes on.
    fs::remove_file(place.path("parts/state.safetensors")).unwrap();
    let said = message(
        &place.run("launch -n 2 -- train --resume --iters 13 --adapter-path parts"),
        1,
    );
    assert!(said.contains("no saved run"), "{said}");
}

#[test]
fn other_launchers_start_the_same_ranks() {
    let place = Place::new();
    place.train("--adapter-path one");
    // Ports that were free a moment ago.
    let free = || {
        TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port()
    };
    let port = free().min(65_000);
    let start = |rank: usize, folder: &str, set: &[(&str, String)]| {
        let mut command = place.command(&format!("{TRAIN} --adapter-path {folder}"));
        command
            .envs(set.iter().map(|(k, v)| (*k, v)))
            .env("RANK", rank.to_string());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let torchrun = [
        ("WORLD_SIZE", "2".to_owned()),
        ("LOCAL_WORLD_SIZE", "2".to_owned()),
        ("MASTER_ADDR", "localhost".to_owned()),
        ("MASTER_PORT", port.to_string()),
    ];
    let both = [0, 1].map(|rank| start(rank, "torchrun", &torchrun));
    for child in both {
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success(), "{}", text(&out.stderr));
    }
    same_losses(&place, "one", "torchrun");

    let mut mlx = Command::new("mlx.launch");
    let port = free().min(65_000).to_string();
    mlx.args([
        "--backend",
        "ring",
        "-n",
        "2",
        "--starting-port",
        &port,
        "--",
    ]);
    mlx.arg(env!("CARGO_BIN_EXE_llama_lora"))
        .args(TRAIN.split_whitespace());
    mlx.args(["--adapter-path", "mlx"])
        .current_dir(place.path(""));
    mlx.stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    match mlx.spawn() {
        Ok(child) => {
            let out = child.wait_with_output().unwrap();
            assert!(out.status.success(), "{}", text(&out.stderr));
            same_losses(&place, "one", "mlx");
            println!("mlx.launch: 2 ranks have the losses of one process to 1e-6");
        }
        Err(_) => println!("mlx.launch is not in PATH: left out"),
    }
}

/// Two ranks with other arguments each, as if started by hand on two hosts.
fn by_hand(place: &Place, args: [&str; 2]) -> [Output; 2] {
    let base = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let hosts = [0, 1].map(|i| [format!("127.0.0.1:{}", base.min(65_000) + i)]);
    place.write("hosts.json", &json!(hosts).to_string());
    let started = [0, 1].map(|rank: usize| {
        let mut command = place.command(args[rank]);
        command
            .env("MLX_RANK", rank.to_string())
            .env("MLX_HOSTFILE", "hosts.json");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    });
    started.map(|child| child.wait_with_output().unwrap())
}

#[test]
fn ranks_that_disagree_are_an_error_on_all() {
    let place = Place::new();
    common::write_model(&place.path("other-model"), 2);
    common::write_data(&place.path("other-data"));
    place.write(
        "other-data/train.jsonl",
        "{\"text\": \"another row\"}\n{\"text\": \"and one\"}\n",
    );
    for (other, word) in [
        (
            "--learning-rate 1e-3",
            "learning_rate is 0.001 there and 0.01 on rank 0",
        ),
        ("--model other-model", "model.sha256 is"),
        ("--data other-data", "train.jsonl is"),
        ("--seed 9", "seed is 9 there"),
    ] {
        let second = format!("{TRAIN} {other}");
        for out in by_hand(&place, [TRAIN, &second]) {
            let said = message(&out, 1);
            assert!(said.contains("rank 1 differs from rank 0"), "{said}");
            assert!(said.contains(word), "{said}");
        }
        // Nothing was left behind.
        assert!(!place.path("adapters").exists(), "{other}");
    }
    // A failure of one is an error on the other, with the reason.
    let [first, second] = by_hand(&place, [TRAIN, &format!("{TRAIN} --data nowhere")]);
    let said = message(&first, 1);
    assert!(
        said.contains("rank 1 failed: ") && said.contains("nowhere"),
        "{said}"
    );
    assert!(message(&second, 1).contains("nowhere"));
}

/// Starts two ranks, and waits until they train.
fn training(place: &Place, more: &str) -> (Child, BufReader<impl Read>) {
    let long = "--iters 100000 --save-every 100000 --steps-per-eval 100000";
    let mut child = place
        .command(&format!("launch -n 2 -- {TRAIN} {long} {more}"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("train loss") {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "it ended");
    }
    (child, lines)
}

fn kill(pid: u32, signal: &str) {
    let sent = Command::new("kill")
        .args([&format!("-{signal}"), &pid.to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// The processes that a launcher has started, in the order of ranks.
fn ranks_of(launcher: &Child) -> Vec<u32> {
    let out = Command::new("pgrep")
        .args(["-P", &launcher.id().to_string()])
        .output()
        .unwrap();
    let mut all: Vec<u32> = text(&out.stdout)
        .lines()
        .map(|l| l.parse().unwrap())
        .collect();
    all.sort_unstable();
    all
}

#[test]
fn a_signal_to_the_launcher_or_to_any_rank_stops_all_at_one_step() {
    let place = Place::new();
    for (i, (to, signal)) in [
        (None, "INT"),
        (None, "TERM"),
        (None, "HUP"),
        (Some(0), "TERM"),
        (Some(1), "INT"),
    ]
    .into_iter()
    .enumerate()
    {
        let folder = format!("run-{i}");
        let (launcher, mut lines) = training(&place, &format!("--adapter-path {folder}"));
        let pid = to.map_or(launcher.id(), |rank: usize| ranks_of(&launcher)[rank]);
        kill(pid, signal);
        let mut said = String::new();
        lines.read_to_string(&mut said).unwrap();
        let out = launcher.wait_with_output().unwrap();
        assert_eq!(out.status.code(), Some(0), "{signal} to {to:?}: {said}");
        assert!(text(&out.stdout).contains("train --resume"), "{said}");
        assert!(place.path(&folder).join("state.safetensors").exists());
    }
    // Ranks do not outlive a launcher that is killed.
    let (launcher, mut lines) = training(&place, "--adapter-path orphans");
    kill(launcher.id(), "KILL");
    let mut said = String::new();
    // The end of the output is the end of all ranks.
    lines.read_to_string(&mut said).unwrap();
    assert!(place.path("orphans/state.safetensors").exists(), "{said}");
    drop(launcher.wait_with_output());
}

#[test]
fn a_rank_that_is_killed_or_stopped_is_an_error_on_all_and_the_last_save_goes_on() {
    let place = Place::new();
    for (rank, signal, word) in [
        (0, "KILL", "rank 0 was lost"),
        (1, "KILL", "rank 1 was lost: its process has ended"),
        (1, "STOP", "no sign of life of rank 1 for 1 s"),
        (0, "STOP", "no sign of life of rank 0 for 1 s"),
    ] {
        let folder = format!("{signal}-{rank}");
        let run = format!("{TRAIN} --iters 100000 --steps-per-eval 100000 --save-every 5");
        let mut command = place.command(&format!(
            "launch -n 2 --timeout 3 -- {run} --adapter-path {folder}"
        ));
        let mut launcher = command
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(launcher.stderr.take().unwrap());
        // The first save is at the fifth step.
        let mut steps = 0;
        while steps < 7 {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).unwrap() > 0, "it ended");
            steps += usize::from(line.contains("train loss"));
        }
        kill(ranks_of(&launcher)[rank], signal);
        let mut said = String::new();
        lines.read_to_string(&mut said).unwrap();
        let out = launcher.wait_with_output().unwrap();
        assert_eq!(out.status.code(), Some(75), "{said}");
        assert!(said.contains(word), "{said}");
        assert!(
            said.contains("is whole, and --resume goes on from it"),
            "{said}"
        );
        let taken = losses(&place, &folder).last().unwrap().0;
        let more = format!("--iters {} --save-every 100000", taken + 5);
        launch(
            &place,
            2,
            &format!("train --resume --adapter-path {folder} {more}"),
        );
    }
}

#[test]
fn the_launcher_says_what_is_wrong_once() {
    let place = Place::new();
    for (args, word) in [
        ("explain model --tokens 8 --ranks 1", "--ranks is 1"),
        ("explain model --tokens 8 --ranks 2 --link 0", "--link is 0"),
        (
            "launch -- train",
            "the number of processes is not known here",
        ),
        ("launch -n 0 -- train", "-n is 0"),
        ("launch -n 2000 -- train", "-n is 2000"),
        (
            "launch -n 2 -- generate --prompt x",
            "expected train, lora or bench",
        ),
        ("launch -n 2 --timeout 1 -- train", "--timeout is 1"),
        (
            "launch -n 2 -- train --model nothing",
            "no model at nothing",
        ),
        (
            "launch -n 2 -- bench --model synth:llama-3.1-8b --batch-size 3",
            "a multiple of the number of ranks",
        ),
        ("launch -n 2 --backend nccl -- train", "--backend ring"),
    ] {
        let out = ends(&mut place.command(args), args);
        let said = message(&out, 1);
        assert!(said.contains(word), "{args}: {said}");
    }
    let out = place.run("launch -n 2 -- train --itres 3");
    assert_eq!(out.status.code(), Some(2));
    assert_eq!(text(&out.stderr).matches("--itres").count(), 1);
    let mut wrong = place.command(TRAIN);
    let out = ends(wrong.env("MLX_RANK", "1"), "half of the variables");
    assert!(message(&out, 1).contains("unset MLX_RANK"));
}

#[test]
fn bench_measures_all_ranks_and_has_the_losses_of_one() {
    let place = Place::new();
    let run = "bench --model model --dtype float32 --batch-size 4 --tokens 16 --steps 6 --warmup 2 --json";
    let read = |out: String| serde_json::from_str::<Value>(&out).unwrap();
    let one = read(place.ok(run));
    let two = read(place.ok(&format!("launch -n 2 -- {run}")));
    assert_eq!(two["ranks"]["peak_bytes"].as_array().unwrap().len(), 2);
    let losses = |r: &Value| -> Vec<f64> {
        r["losses"]
            .as_array()
            .unwrap()
            .iter()
            .map(|l| l.as_f64().unwrap())
            .collect()
    };
    let (a, b) = (losses(&one), losses(&two));
    assert_eq!((a.len(), b.len()), (8, 8));
    for (a, b) in a.iter().zip(&b) {
        assert!((a - b).abs() <= 1e-6 * a, "{a} {b}");
    }
}
