//! Compiles kernels with the shim, many in one file, and runs them in a process of their own.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::wrap::Kernel;

/// Kernels in one file. Most of the time goes into each kernel, little into the file.
const PER_FILE: usize = 60;

/// AddressSanitizer calls a function for each access (`call-threshold=0`), which `runtime.cpp` wraps. Literals are float32,
/// as in Metal. Without optimisation every access of the text is one of the program.
const FLAGS: &[&str] = &[
    "-std=c++17",
    "-O0",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-attributes",
    "-Wno-unused-parameter",
    "-Wno-tautological-compare",
    "-Wno-unknown-pragmas",
    "-fsingle-precision-constant",
    "-ffp-contract=off",
    "-fsanitize=address,undefined",
    "-fsanitize=float-cast-overflow",
    "-fno-sanitize=vptr",
    "-fno-sanitize-recover=all",
    "-fsanitize-sections=threadgroup",
    "--param=asan-instrumentation-with-call-threshold=0",
];

/// A launch of a kernel, by its place in the list that was compiled.
#[derive(Clone, Debug)]
pub struct Job {
    pub kernel: usize,
    pub groups: u32,
    pub threads: u32,
    /// Of the order in which threads take turns.
    pub seed: u32,
    pub inputs: Vec<Vec<u8>>,
    /// The size of each output in bytes.
    pub outputs: Vec<usize>,
}

/// The result of a launch: its outputs, or the fault that was found.
pub type Outcome = Result<Vec<Vec<u8>>, String>;

/// Compiled kernels.
pub struct Program(PathBuf);

fn shim() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("metal/shim")
}

/// The compiler that builds the native library: `CXX`, or the system's.
fn compiler(arguments: &[String]) -> Result<(), String> {
    let cxx = std::env::var("CXX").unwrap_or_else(|_| "c++".to_string());
    let mut words = cxx.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or("c++"));
    let output = command.args(words).args(arguments).output();
    let output = output.map_err(|e| format!("cannot run {cxx}: {e}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|w| (*w).to_string()).collect()
}

/// A kernel's text, and its entry in the table of the runtime.
fn source(number: usize, kernel: &Kernel) -> String {
    let (inputs, outputs) = (kernel.inputs.len(), kernel.outputs.len());
    let numbers = kernel.numbers.as_ref();
    let last = numbers.map_or(inputs, |_| inputs + 1);
    let buffers = (0..inputs).chain(last..last + outputs);
    let buffers = buffers.map(|i| format!("shim::Buffer{{b[{i}]}}"));
    let numbers =
        (0..numbers.map_or(0, Vec::len)).map(|i| format!("static_cast<int*>(b[{inputs}])[{i}]"));
    let positions = kernel.attributes().into_iter().map(|a| match a.0 {
        "thread_index_in_simdgroup" => "shim::lane()".to_string(),
        "simdgroup_index_in_threadgroup" => {
            "shim::thread_position_in_threadgroup().x / 32".to_string()
        }
        name => format!("shim::{name}()"),
    });
    let arguments: Vec<String> = buffers.chain(numbers).chain(positions).collect();
    format!(
        "namespace k{number} {{\n#line 1 \"{name}\"\n{}\nconst shim::Kernel here({number}, \"{name}\", [](void* const* b) {{ {}({}); }});\n}}\n",
        kernel.text(),
        kernel.function(),
        arguments.join(", "),
        name = kernel.name,
    )
}

/// The arrays in threadgroup memory, which a second file defines.
fn definitions(number: usize, kernel: &Kernel) -> String {
    let lines = kernel.body.lines().map(str::trim);
    let own = lines.filter(|l| {
        let shared = l.starts_with("threadgroup ") || l.starts_with("__shared__ ");
        shared && l.ends_with(';')
    });
    let own: Vec<&str> = own.collect();
    format!("namespace k{number} {{\n{}\n}}\n", own.join("\n"))
}

/// The compiler's message if it refuses a kernel.
pub fn refusal(folder: &Path, kernel: &Kernel) -> Option<String> {
    fs::create_dir_all(folder).expect("the folder can be made");
    let file = folder.join("refused.cpp");
    let text = format!("#include <metal_stdlib>\n{}", source(0, kernel));
    fs::write(&file, text).expect("the folder is writable");
    let mut task = words(FLAGS);
    let include = format!("-I{}", shim().display());
    task.extend([include, "-fsyntax-only".into(), file.display().to_string()]);
    compiler(&task).err()
}

/// Compiles kernels into a folder, two files at once.
pub fn compile(folder: &Path, kernels: &[Kernel]) -> Result<Program, String> {
    fs::create_dir_all(folder).map_err(|e| e.to_string())?;
    let path = |name: &str| folder.join(name).display().to_string();
    let include = format!("-I{}", shim().display());
    let mut tasks: Vec<Vec<String>> = Vec::new();
    let mut objects = vec![path("runtime.o")];
    tasks.push({
        let file = shim().join("runtime.cpp").display().to_string();
        let mut task = words(&[
            "-std=c++17",
            "-O1",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-c",
            "-o",
        ]);
        task.extend([path("runtime.o"), file]);
        task
    });
    let mut memory = String::from("#define SHIM_DEFINITIONS\n#include <cuda.h>\n");
    for (n, part) in kernels.chunks(PER_FILE).enumerate() {
        let mut text = String::from("#include <cuda.h>\n");
        for (i, kernel) in part.iter().enumerate() {
            let number = n * PER_FILE + i;
            text += &source(number, kernel);
            memory += &definitions(number, kernel);
        }
        let (file, object) = (
            path(&format!("kernels_{n}.cpp")),
            path(&format!("kernels_{n}.o")),
        );
        fs::write(&file, text).map_err(|e| e.to_string())?;
        let mut task = words(FLAGS);
        task.extend([
            include.clone(),
            "-c".into(),
            "-o".into(),
            object.clone(),
            file,
        ]);
        tasks.push(task);
        objects.push(object);
    }
    fs::write(path("memory.cpp"), memory).map_err(|e| e.to_string())?;
    let mut task = words(FLAGS);
    task.extend([
        include,
        "-c".into(),
        "-o".into(),
        path("memory.o"),
        path("memory.cpp"),
    ]);
    tasks.push(task);
    objects.push(path("memory.o"));

    // The long ones come last in the list and first in time.
    tasks.reverse();
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), String> {
        while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
            compiler(task)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let other = scope.spawn(work);
        let own = work();
        own.and(
            other
                .join()
                .unwrap_or_else(|_| Err("the compiler's thread panicked".into())),
        )
    })?;

    let program = path("kernels");
    let mut link = words(&["-fsanitize=address,undefined", "-o", &program]);
    for size in ["1", "2", "4", "8", "16", "N"] {
        link.push(format!(
            "-Wl,--wrap=__asan_load{size},--wrap=__asan_store{size}"
        ));
    }
    link.extend(objects);
    compiler(&link)?;
    Ok(Program(PathBuf::from(program)))
}

impl Program {
    /// Runs launches one after the other. A fault that AddressSanitizer finds ends the process, and is the outcome of the
    /// launch that it met.
    pub fn run(&self, jobs: &[Job]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while outcomes.len() < jobs.len() {
            outcomes.extend(self.process(&jobs[outcomes.len()..]));
        }
        outcomes
    }

    /// The outcomes of the launches up to the first that ends the process.
    fn process(&self, jobs: &[Job]) -> Vec<Outcome> {
        let mut child = Command::new(&self.0)
            .env(
                "ASAN_OPTIONS",
                "symbolize=0:detect_leaks=0:detect_stack_use_after_return=0",
            )
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the compiled kernels start");
        let mut stdin = child.stdin.take().expect("the input is a pipe");
        let mut stdout = child.stdout.take().expect("the output is a pipe");
        let mut stderr = child.stderr.take().expect("the errors are a pipe");
        thread::scope(|scope| {
            scope.spawn(move || {
                for job in jobs {
                    // The process may have ended.
                    if stdin.write_all(&job.bytes()).is_err() {
                        return;
                    }
                }
            });
            let said = scope.spawn(move || {
                let mut text = String::new();
                let _ = stderr.read_to_string(&mut text);
                text
            });
            let mut outcomes = Vec::new();
            for job in jobs {
                match outcome(&mut stdout, job) {
                    Some(outcome) => outcomes.push(outcome),
                    None => break,
                }
            }
            drop(stdout);
            let status = child.wait().expect("the process ends");
            let said = said.join().unwrap_or_default();
            if outcomes.len() < jobs.len() {
                outcomes.push(Err(format!("{status}\n{said}")));
            }
            outcomes
        })
    }
}

impl Job {
    fn bytes(&self) -> Vec<u8> {
        let head = [
            self.kernel as u32,
            self.groups,
            self.threads,
            self.seed,
            self.inputs.len() as u32,
            self.outputs.len() as u32,
        ];
        let mut bytes: Vec<u8> = head.iter().flat_map(|n| n.to_le_bytes()).collect();
        for input in &self.inputs {
            bytes.extend((input.len() as u64).to_le_bytes());
            bytes.extend(input);
        }
        for size in &self.outputs {
            bytes.extend((*size as u64).to_le_bytes());
        }
        bytes
    }
}

/// Reads the answer to a job; `None` if the process ended.
fn outcome(from: &mut impl Read, job: &Job) -> Option<Outcome> {
    let mut failed = [0; 4];
    from.read_exact(&mut failed).ok()?;
    let mut part = || {
        let mut size = [0; 8];
        from.read_exact(&mut size).ok()?;
        let mut bytes = vec![0; u64::from_le_bytes(size) as usize];
        from.read_exact(&mut bytes).ok()?;
        Some(bytes)
    };
    if u32::from_le_bytes(failed) != 0 {
        return Some(Err(String::from_utf8_lossy(&part()?).into_owned()));
    }
    let outputs: Option<Vec<_>> = job.outputs.iter().map(|_| part()).collect();
    Some(Ok(outputs?))
}

/// Numbered lines, to be shown with a failure.
pub fn numbered(text: &str) -> String {
    let mut out = String::new();
    for (n, line) in text.lines().enumerate() {
        let _ = writeln!(out, "{:>4} {line}", n + 1);
    }
    out
}
