//! NVIDIA's libraries that MLX's CUDA builds load, as MLX's packages name them. Versions are the oldest
//! that those packages allow or near it: a newer NVRTC makes code that older drivers refuse.
//!
//! Tests: `tests/build`.

use super::pins::Wheel;

pub const CUDA_12_LIBRARIES: &[Wheel] = &[
    Wheel {
        name: "nvidia-cublas-cu12",
        version: "12.9.3.13",
        hashes: &[
            (
                "linux-x86_64",
                "d7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72",
            ),
            (
                "linux-aarch64",
                "918a8781956115d34b1db49e0e7b7befba8d101661c4b560ed4d42e0e17bebc3",
            ),
        ],
    },
    Wheel {
        name: "nvidia-cuda-nvrtc-cu12",
        version: "12.9.86",
        hashes: &[
            (
                "linux-x86_64",
                "210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4",
            ),
            (
                "linux-aarch64",
                "096d4de6bda726415dfaf3198d4f5c522b8e70139c97feef5cd2ca6d4cd9cead",
            ),
        ],
    },
    Wheel {
        name: "nvidia-cudnn-cu12",
        version: "9.19.0.56",
        hashes: &[
            (
                "linux-x86_64",
                "ac6ad90a075bb33a94f2b4cf4622eac13dd4dc65cf6dd9c7572a318516a36625",
            ),
            (
                "linux-aarch64",
                "08caaf27fe556aca82a3ee3b5aa49a77e7de0cfcb7ff4e5c29da426387a8267e",
            ),
        ],
    },
    Wheel {
        name: "nvidia-cufft-cu12",
        version: "11.4.1.4",
        hashes: &[
            (
                "linux-x86_64",
                "c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28",
            ),
            (
                "linux-aarch64",
                "1a28c9b12260a1aa7a8fd12f5ebd82d027963d635ba82ff39a1acfa7c4c0fbcf",
            ),
        ],
    },
    Wheel {
        name: "nvidia-nccl-cu12",
        version: "2.28.9",
        hashes: &[
            (
                "linux-x86_64",
                "485776daa8447da5da39681af455aa3b2c2586ddcf4af8772495e7c532c7e5ab",
            ),
            (
                "linux-aarch64",
                "50a36e01c4a090b9f9c47d92cec54964de6b9fcb3362d0e19b8ffc6323c21b60",
            ),
        ],
    },
];

pub const CUDA_13_LIBRARIES: &[Wheel] = &[
    Wheel {
        name: "nvidia-cublas",
        version: "13.0.2.14",
        hashes: &[
            (
                "linux-x86_64",
                "0cf238ffdbe46c00cb9aa98e7bca745c223a5ca5a53e686ac8b3e5a08fe80d6c",
            ),
            (
                "linux-aarch64",
                "17165c296de689662b96e0ef4f21dfbff3092ff00d0e3e59470f5acb08c0f87d",
            ),
        ],
    },
    Wheel {
        name: "nvidia-cuda-nvrtc",
        version: "13.0.88",
        hashes: &[
            (
                "linux-x86_64",
                "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
            ),
            (
                "linux-aarch64",
                "d27f20a0ca67a4bb34268a5e951033496c5b74870b868bacd046b1b8e0c3267b",
            ),
        ],
    },
    Wheel {
        name: "nvidia-cuda-runtime",
        version: "13.0.96",
        hashes: &[
            (
                "linux-x86_64",
                "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
            ),
            (
                "linux-aarch64",
                "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55",
            ),
        ],
    },
    Wheel {
        name: "nvidia-cudnn-cu13",
        version: "9.19.1.2",
        hashes: &[
            (
                "linux-x86_64",
                "7609f4bbcde269c4aa8869e12112a1924fb6e032a00842912caafcb4e15d42d6",
            ),
            (
                "linux-aarch64",
                "d2901fcdc526f661c1973cd302888f129b5b3c9eb5b99f7238947fb5758564c0",
            ),
        ],
    },
    Wheel {
        name: "nvidia-cufft",
        version: "12.0.0.61",
        hashes: &[
            (
                "linux-x86_64",
                "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3",
            ),
            (
                "linux-aarch64",
                "2708c852ef8cd89d1d2068bdbece0aa188813a0c934db3779b9b1faa8442e5f5",
            ),
        ],
    },
    Wheel {
        name: "nvidia-nccl-cu13",
        version: "2.28.9",
        hashes: &[
            (
                "linux-x86_64",
                "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42",
            ),
            (
                "linux-aarch64",
                "01c873ba1626b54caa12272ed228dc5b2781545e0ae8ba3f432a8ef1c6d78643",
            ),
        ],
    },
];
