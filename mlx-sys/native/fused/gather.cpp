// Copies arrays one after the other, in one piece of work for any number of arrays.
//
// MLX's concatenation queues one copy for each array. The gradients of a model are hundreds of small arrays, and the
// optimiser needs them in one buffer.

#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "fused/common.h"

namespace mlxrs {

namespace {

struct Part {
  const char* from;
  mx::Shape shape;
  mx::Strides strides;
  bool whole;
  size_t bytes;
};

// Copies elements of `size` bytes from any strides into row-major order, axis by axis.
char* copy_part(const Part& p, const char* from, char* to, size_t axis, size_t size) {
  if (axis == p.shape.size()) {
    std::memcpy(to, from, size);
    return to + size;
  }
  const auto step = p.strides[axis] * static_cast<int64_t>(size);
  const bool last = axis + 1 == p.shape.size();
  for (int i = 0; i < p.shape[axis]; i++, from += step) {
    if (last && size == 4) {
      std::memcpy(to, from, 4);
      to += 4;
    } else {
      to = copy_part(p, from, to, axis + 1, size);
    }
  }
  return to;
}

// a, b, .. -> their elements in row-major order, one array after the other
class Gather : public Fused<Gather> {
 public:
  static constexpr const char* NAME = "FusedGather";
  using Fused::Fused;


  void eval_cpu(const std::vector<array>& in, std::vector<array>& out) override {
    Evaluation e(stream());
    char* to = e.bytes(out[0]);
    std::vector<Part> parts;
    if (to) {
      parts.reserve(in.size());
      for (const auto& a : in) {
        parts.push_back({reinterpret_cast<const char*>(a.data<uint8_t>()), a.shape(), a.strides(),
                         a.flags().row_contiguous, a.nbytes()});
      }
    }
    e.run([parts = std::move(parts), to, size = out[0].itemsize()]() mutable {
      for (const auto& p : parts) {
        if (p.whole) {
          std::memcpy(to, p.from, p.bytes);
        } else {
          copy_part(p, p.from, to, 0, size);
        }
        to += p.bytes;
      }
    });
  }
};

} // namespace

array gather(const std::vector<array>& arrays, mx::Stream stream) {
  const char* op = "gather";
  if (arrays.empty()) {
    refuse(op, "There are no arrays.");
  }
  size_t total = 0;
  for (const auto& a : arrays) {
    if (a.dtype() != arrays[0].dtype()) {
      refuse(op, "The arrays have different types.");
    }
    total += a.size();
  }
  if (total > size_t(std::numeric_limits<int>::max())) {
    refuse(op, "There are too many elements.");
  }
  if (stream.device != mx::Device::cpu) {
    std::vector<array> flat;
    for (const auto& a : arrays) {
      flat.push_back(mx::reshape(a, {-1}, stream));
    }
    return mx::concatenate(std::move(flat), 0, stream);
  }
  return array({static_cast<int>(total)}, arrays[0].dtype(), std::make_shared<Gather>(stream),
               arrays);
}

} // namespace mlxrs
