//! Limits of the process: sizes of files, open files, memory, stack.

use crate::child;
use crate::ground::{Ground, TRAIN};
use crate::runner::{End, Fault};

const COMMANDS: [&str; 3] = [
    TRAIN,
    "eval --model model --data data",
    "generate --model model --prompt hi --max-tokens 4",
];

/// Limits of `ulimit`, and values for each.
const LIMITS: [(&str, &[u64]); 4] = [
    // Blocks of 512 bytes.
    ("-f", &[0, 1, 2, 4, 8, 16, 24, 32, 40, 48, 64]),
    ("-n", &[3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24]),
    // Kilobytes.
    (
        "-v",
        &[
            // With less the system cannot map the program, and ends it before its first instruction.
            65_000, 90_000, 105_000, 120_000, 150_000, 200_000, 210_000, 225_000, 240_000, 250_000,
            300_000, 350_000, 400_000, 405_000, 500_000, 700_000, 1_000_000, 2_000_000,
        ],
    ),
    ("-s", &[256, 1024, 100_000]),
];

pub fn faults(_: &Ground) -> Vec<Fault> {
    let mut all = Vec::new();
    for args in COMMANDS {
        for (limit, values) in LIMITS {
            for value in values {
                all.push(Fault::new(
                    format!("ulimit {limit} {value}; {args}"),
                    move |ground| limited(ground, args, limit, *value),
                ));
            }
        }
    }
    all
}

fn limited(ground: &Ground, args: &str, limit: &str, value: u64) -> End {
    let place = ground.place();
    let mut command = place.shell(&format!("ulimit {limit} {value};"), args, "");
    let ended = child::start_through_pipes(&mut command, place.out()).end();
    // The system's loader says so where there is no room for the program's libraries.
    let no_loader = ended
        .stderr
        .contains("error while loading shared libraries");
    if ended.status.code() == Some(127) && no_loader {
        return End::Refused;
    }
    let worked = ended.worked();
    if args == TRAIN {
        if worked {
            place.is_done(&ended);
        }
        if place.adapters().exists() {
            place.goes_on();
        }
    }
    if worked {
        End::Done
    } else {
        End::Refused
    }
}
