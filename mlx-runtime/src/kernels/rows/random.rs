//! The random numbers of MLX: Threefry 2x32, two of them at a time.
//!
//! Tests: `mlx-tests --test kernels`.

/// The number at a place of `count`, as `random.bits` has it.
#[inline(always)]
pub fn random_bits(key_a: u32, key_b: u32, place: u32, count: u32) -> u32 {
    const TURNS: [[u32; 4]; 2] = [[13, 15, 26, 6], [17, 29, 16, 24]];
    let low = count / 2;
    let high = count - low;
    let first = place < high;
    let lone = if place < low {
        place.wrapping_add(high)
    } else {
        0
    };
    let mut a = if first {
        place
    } else {
        place.wrapping_sub(high)
    };
    let mut b = if first { lone } else { place };
    let keys = [key_a, key_b, key_a ^ key_b ^ 0x1BD1_1BDA];
    a = a.wrapping_add(key_a);
    b = b.wrapping_add(key_b);
    for i in 0..5u32 {
        for turn in TURNS[i as usize % 2] {
            a = a.wrapping_add(b);
            b = b.rotate_left(turn) ^ a;
        }
        a = a.wrapping_add(keys[(i as usize + 1) % 3]);
        b = b
            .wrapping_add(keys[(i as usize + 2) % 3])
            .wrapping_add(i + 1);
    }
    if first {
        a
    } else {
        b
    }
}
