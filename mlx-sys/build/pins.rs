//! Versions and checksums of everything that is fetched.
//!
//! Tests: `tests/build`.

/// MLX's version; MLX C below is written against it.
pub const MLX_VERSION: &str = "0.32.2";

/// MLX C's version, which is also the version of the crates.io package that carries its source. The checksum of that
/// package is in `mlxc-source.lock`.
pub const MLXC_VERSION: &str = "0.7.0";

/// Manifest and lock file of the throw-away package through which cargo fetches MLX C's source.
pub const MLXC_SOURCE_MANIFEST: &str = include_str!("mlxc-source.toml");
pub const MLXC_SOURCE_LOCK: &str = include_str!("mlxc-source.lock");

/// A pinned wheel: one version, and the checksum of its file for each platform it is published for.
pub struct Wheel {
    pub name: &'static str,
    pub version: &'static str,
    /// (platform as `Config` names it, sha256)
    pub hashes: &'static [(&'static str, &'static str)],
}

impl Wheel {
    /// The checksum of the file for `platform`.
    pub fn hash_for(&self, platform: &str) -> Option<&'static str> {
        let (_, hash) = self.hashes.iter().find(|(p, _)| *p == platform)?;
        Some(hash)
    }
}

pub const MLX_CPU: Wheel = Wheel {
    name: "mlx-cpu",
    version: MLX_VERSION,
    hashes: &[
        (
            "linux-x86_64",
            "fc5d31b90fc4f457b2f9614ed45651a567d22a6a11a03d114a90a4e10bdd8878",
        ),
        (
            "linux-aarch64",
            "d0f94625588b51a878786dd51cec5617894ce586cf3c94645ce1b64e24c27c0b",
        ),
    ],
};

pub const MLX_CUDA_12: Wheel = Wheel {
    name: "mlx-cuda-12",
    version: MLX_VERSION,
    hashes: &[
        (
            "linux-x86_64",
            "35445ead9724855826f310b9085d57137d0a2c5381cc293cb6d86b03bb4feadf",
        ),
        (
            "linux-aarch64",
            "c794c697dcd28e00a51ce8813189ece1a8c62559de7cc5e27803cc591f55df05",
        ),
    ],
};

pub const MLX_CUDA_13: Wheel = Wheel {
    name: "mlx-cuda-13",
    version: MLX_VERSION,
    hashes: &[
        (
            "linux-x86_64",
            "335094ccd1c0c6dc3e09c8caba207c8180602bacc0c38ba20c1d81e9456ab394",
        ),
        (
            "linux-aarch64",
            "49b1a25df9021f3b519a534fd39a32a5cdbf93a1b265a31e59671c2d9fc9f4a2",
        ),
    ],
};

/// One file each for macOS 14, 15 and 26; `system` picks the newest that the system loads.
pub const MLX_METAL: Wheel = Wheel {
    name: "mlx-metal",
    version: MLX_VERSION,
    hashes: &[
        (
            "macos-14-aarch64",
            "3825fff379dbc107dd3413e564a06caeaa24819910ec49c0439e454c06a1b9b8",
        ),
        (
            "macos-15-aarch64",
            "55a369250d220b2cf10213a87a2ac1b1a420608c5b35b1df4e7147ac8e32f121",
        ),
        (
            "macos-26-aarch64",
            "e6abeac9ac5265830c9c1541b6f96e9be37a85c2446763a46ad466c63a3837ab",
        ),
    ],
};

/// OpenBLAS with 32-bit integers, every symbol prefixed with `scipy_`.
pub const OPENBLAS: Wheel = Wheel {
    name: "scipy-openblas32",
    version: "0.3.34.481.3",
    hashes: &[
        (
            "linux-x86_64",
            "0595f94cd58c1f8a0d90c975621f4587337a003916b1979e834ebdf2cb5d9504",
        ),
        (
            "linux-aarch64",
            "e085dddbc5b9aa130f83def515d31c440e69f387a90c7e63b154a5575b4466bc",
        ),
    ],
};

pub const LIBCLANG: Wheel = Wheel {
    name: "libclang",
    version: "18.1.1",
    hashes: &[
        (
            "linux-x86_64",
            "c533091d8a3bbf7460a00cb6c1a71da93bffe148f172c7d03b1c31fbf8aa2a0b",
        ),
        (
            "linux-aarch64",
            "54dda940a4a0491a9d1532bf071ea3ef26e6dbaf03b5000ed94dd7174e8f9592",
        ),
        (
            "macos-aarch64",
            "0b2e143f0fac830156feb56f9231ff8338c20aecfe72b4ffe96f19e5a1dbb69a",
        ),
    ],
};
