// Views of one buffer; see mlx_rs_buffer_views.h.

#include "graph/mlx_rs_buffer_views.h"

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "compat/capi.h"
#include "mlx/mlx.h"
#include "mlx/primitives.h"

namespace mlxrs {

namespace mx = mlx::core;
using mx::array;

namespace {

// MLX visits all results of a node for each reader of one of them: few share a node.
constexpr size_t together = 8;

// Arrays that lie one after the other in a buffer, from an element on.
class Parts : public mx::Primitive {
 public:
  Parts(mx::Stream stream, int64_t start) : mx::Primitive(stream), start_(start) {}

  void eval_cpu(const std::vector<array>& in, std::vector<array>& out) override {
    view(in[0], out);
  }
  void eval_gpu(const std::vector<array>& in, std::vector<array>& out) override {
    view(in[0], out);
  }
  const char* name() const override {
    return "Parts";
  }
  std::vector<array> vjp(const std::vector<array>& primals,
                         const std::vector<array>& cotangents,
                         const std::vector<int>&,
                         const std::vector<array>&) override {
    // The buffer's other elements are other nodes' parts.
    const auto dtype = primals[0].dtype();
    auto rest = static_cast<int64_t>(primals[0].size()) - start_;
    std::vector<array> all{mx::zeros({static_cast<int>(start_)}, dtype, stream())};
    for (const auto& by : cotangents) {
      all.push_back(mx::flatten(by, stream()));
      rest -= static_cast<int64_t>(by.size());
    }
    all.push_back(mx::zeros({static_cast<int>(rest)}, dtype, stream()));
    return {mx::concatenate(std::move(all), stream())};
  }

 private:
  void view(const array& buffer, std::vector<array>& out) {
    int64_t at = start_;
    for (auto& part : out) {
      const size_t size = part.size();
      const auto& shape = part.shape();
      const auto longest = std::max_element(shape.begin(), shape.end());
      const bool line = size <= 1 || (longest != shape.end() && size == static_cast<size_t>(*longest));
      part.copy_shared_buffer(buffer, part.strides(), {true, true, line}, size, at);
      at += static_cast<int64_t>(size);
    }
  }

  int64_t start_;
};

std::vector<array> parts(const array& buffer, const std::vector<mx::Shape>& shapes, mx::Stream s) {
  const array rows = mx::contiguous(buffer, false, s);
  std::vector<array> out;
  int64_t start = 0;
  for (size_t first = 0; first < shapes.size(); first += together) {
    const auto begin = shapes.begin() + first;
    const auto end = shapes.begin() + std::min(first + together, shapes.size());
    std::vector<mx::Shape> some(begin, end);
    int64_t next = start;
    for (const auto& shape : some) {
      int64_t size = 1;
      for (int n : shape) {
        size *= n;
      }
      next += size;
    }
    auto made = array::make_arrays(std::move(some), std::vector<mx::Dtype>(end - begin, buffer.dtype()),
                                   std::make_shared<Parts>(s, start), {rows});
    out.insert(out.end(), made.begin(), made.end());
    start = next;
  }
  if (start != static_cast<int64_t>(buffer.size())) {
    throw std::invalid_argument("the parts do not fill the buffer");
  }
  return out;
}

} // namespace

} // namespace mlxrs

extern "C" int mlxrs_parts(mlx_vector_array* res,
                           const mlx_array buffer,
                           const int32_t* sizes,
                           const size_t* dimensions,
                           size_t count,
                           const mlx_stream s) {
  return mlxrs::guarded("buffer_views.cpp", [&] {
    if (!buffer.ctx || !s.ctx) {
      throw std::runtime_error("expected a buffer and a stream");
    }
    std::vector<mlx::core::Shape> shapes;
    for (size_t i = 0; i < count; i++) {
      shapes.emplace_back(sizes, sizes + dimensions[i]);
      sizes += dimensions[i];
    }
    mlxrs::give(res, mlxrs::parts(*static_cast<const mlx::core::array*>(buffer.ctx), shapes,
                                  *static_cast<const mlx::core::Stream*>(s.ctx)));
  });
}
