// An 8-byte string with the same std::hash as a long text.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>

namespace mlxrs {

// Returns an 8-byte string with the same std::hash as `text`. libstdc++ uses MurmurHash64A
// (libsupc++/hash_bytes.cc), and each of its steps can be inverted. Returns an empty string with another library.
inline std::string hash_preimage(const std::string& text) {
  constexpr uint64_t factor = 0xc6a4a7935bd1e995, seed = 0xc70f6907;
  // The factor's inverse: each round doubles the bits that are right.
  uint64_t inverse = factor;
  for (int i = 0; i < 5; i++) {
    inverse *= 2 - factor * inverse;
  }
  // `mix` is its own inverse.
  const auto mix = [](uint64_t x) { return x ^ (x >> 47); };
  const uint64_t end = mix(mix(std::hash<std::string>{}(text)) * inverse);
  const uint64_t start = seed ^ (8 * factor);
  const uint64_t block = mix(((end * inverse) ^ start) * inverse) * inverse;
  std::string found(sizeof block, '\0');
  std::memcpy(found.data(), &block, sizeof block);
  return std::hash<std::string>{}(found) == std::hash<std::string>{}(text) ? found : std::string();
}

} // namespace mlxrs
