// Sum, LogSumExp and Softmax of MLX, with sums in blocks; see mlx_rs_sums.h.
//
// The operations stay MLX's own, so that gradients, batches, compiled and exported functions know them. Only their CPU
// evaluation is replaced: an entry in the vtable of each class. MLX exports neither the classes nor their functions, so
// they cannot be derived from or interposed.

#include "fused/mlx_rs_sums.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__unix__)
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "fused/fused.h"
#include "fused/kernels.h"
#include "mlx/backend/cpu/encoder.h"
#include "mlx/primitives.h"
#include "mlx/version.h"

namespace mlxrs {

namespace {

using Inputs = std::vector<array>;

// The accumulator of a sum of `T`. Complex numbers have a pair of accumulators.
template <typename T>
using Wide = std::conditional_t<std::is_same_v<T, mx::complex64_t>, std::complex<double>, double>;

// The elements as floats, a block at a time, and their sum.
template <typename T>
Wide<T> sum_of_run(const T* x, int64_t n) {
  Wide<T> total = 0;
  if constexpr (std::is_same_v<T, mx::complex64_t>) {
    for (int64_t i = 0; i < n; i++) {
      total += Wide<T>(x[i].real(), x[i].imag());
    }
  } else if (n < 32) {
    for (int64_t i = 0; i < n; i++) {
      total += static_cast<float>(x[i]);
    }
  } else if constexpr (std::is_same_v<T, float>) {
    total = kernels().sum(x, n);
  } else {
    float block[256];
    for (int64_t from = 0; from < n; from += 256) {
      const auto m = std::min<int64_t>(256, n - from);
      for (int64_t i = 0; i < m; i++) {
        block[i] = x[from + i];
      }
      total += kernels().sum(block, m);
    }
  }
  return total;
}

template <typename T>
T narrow(Wide<T> total) {
  if constexpr (std::is_same_v<T, mx::complex64_t>) {
    return T(static_cast<float>(total.real()), static_cast<float>(total.imag()));
  } else {
    return T(static_cast<float>(total));
  }
}

// Sizes and strides of some axes of an array, without axes of size 1. Neighbouring axes that are contiguous are merged.
struct Axes {
  std::vector<int64_t> sizes, strides;

  void push(int64_t size, int64_t stride) {
    if (size == 1) {
      return;
    }
    if (!sizes.empty() && strides.back() == size * stride) {
      sizes.back() *= size;
      strides.back() = stride;
      return;
    }
    sizes.push_back(size);
    strides.push_back(stride);
  }

  // Takes the last axis off: its size and stride.
  std::pair<int64_t, int64_t> pop() {
    if (sizes.empty()) {
      return {1, 1};
    }
    const std::pair last{sizes.back(), strides.back()};
    sizes.pop_back();
    strides.pop_back();
    return last;
  }

  // f(offset) for each index, the last axis fastest.
  template <typename F>
  void each(F f) const {
    std::vector<int64_t> index(sizes.size(), 0);
    int64_t offset = 0;
    for (;;) {
      f(offset);
      size_t axis = sizes.size();
      for (;; offset -= index[axis] * strides[axis], index[axis] = 0) {
        if (axis-- == 0) {
          return;
        }
        offset += strides[axis];
        if (++index[axis] < sizes[axis]) {
          break;
        }
      }
    }
  }
};

struct SumPlan {
  Axes kept, summed;
};

// The sums of rows of neighbours, some columns at a time: 16 rows add up in float32, and their sums in float64.
template <typename T>
void sum_columns(const T* x, T* out, int64_t columns, const Axes& rows) {
  constexpr int64_t most = 256;
  float part[most];
  double total[most];
  for (int64_t from = 0; from < columns; from += most) {
    const auto n = std::min(most, columns - from);
    std::fill_n(total, n, 0.0);
    std::fill_n(part, n, 0.0f);
    int added = 0;
    auto flush = [&] {
      for (int64_t j = 0; j < n; j++) {
        total[j] += part[j];
        part[j] = 0;
      }
      added = 0;
    };
    rows.each([&](int64_t offset) {
      const T* row = x + offset + from;
      for (int64_t j = 0; j < n; j++) {
        part[j] += static_cast<float>(row[j]);
      }
      if (++added == 16) {
        flush();
      }
    });
    flush();
    for (int64_t j = 0; j < n; j++) {
      out[from + j] = narrow<T>(total[j]);
    }
  }
}

template <typename T>
void sum_axes(const T* x, T* out, SumPlan plan) {
  auto& [kept, summed] = plan;
  if constexpr (!std::is_same_v<T, mx::complex64_t>) {
    const bool in_a_run = !summed.sizes.empty() && summed.strides.back() == 1;
    if (!in_a_run && !kept.sizes.empty() && kept.strides.back() == 1) {
      const auto columns = kept.pop().first;
      return kept.each([&](int64_t offset) {
        sum_columns(x + offset, out, columns, summed);
        out += columns;
      });
    }
  }
  const auto [run, stride] = summed.pop();
  kept.each([&, run = run, stride = stride](int64_t at) {
    Wide<T> total = 0;
    summed.each([&](int64_t offset) {
      const T* from = x + at + offset;
      if (stride == 1) {
        total += sum_of_run(from, run);
        return;
      }
      for (int64_t i = 0; i < run; i++) {
        total += sum_of_run(from + i * stride, 1);
      }
    });
    *out++ = narrow<T>(total);
  });
}

// Allocates memory or throws, because the allocator may return null on a CPU.
mx::allocator::Buffer memory(size_t bytes) {
  auto buffer = mx::allocator::malloc(bytes);
  if (!buffer.ptr() && bytes > 0) {
    throw std::bad_alloc();
  }
  return buffer;
}

template <typename T>
void sum(const array& in, array& out, const std::vector<int>& axes, mx::Stream s) {
  SumPlan plan;
  for (int i = 0; i < static_cast<int>(in.ndim()); i++) {
    const bool is_summed = std::find(axes.begin(), axes.end(), i) != axes.end();
    (is_summed ? plan.summed : plan.kept).push(in.shape(i), in.strides(i));
  }
  out.set_data(memory(out.nbytes()));
  mx::cpu::get_command_encoder(s).dispatch(
      [x = in.data<T>(), to = out.data<T>(), plan] { sum_axes(x, to, plan); });
}

// A NaN is passed over.
template <typename T>
float largest(const T* x, int64_t n) {
  if constexpr (std::is_same_v<T, float>) {
    return kernels().max(x, n);
  } else {
    float m = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
      m = std::max(m, static_cast<float>(x[i]));
    }
    return m;
  }
}

template <typename T>
void logsumexp_of_row(const T* x, T* out, int64_t n) {
  float m = largest(x, n);
  if (std::isinf(m)) {
    for (int64_t i = 0; i < n; i++) {
      m = std::isnan(static_cast<float>(x[i])) ? NAN : m;
    }
    *out = T(m);
    return;
  }
  double total = 0;
  if constexpr (std::is_same_v<T, float>) {
    total = kernels().sum_exp(x, n, m);
  } else {
    float block[256];
    for (int64_t from = 0; from < n; from += 256) {
      const auto size = std::min<int64_t>(256, n - from);
      for (int64_t i = 0; i < size; i++) {
        block[i] = x[from + i];
      }
      total += kernels().sum_exp(block, size, m);
    }
  }
  *out = T(static_cast<float>(std::log(total) + m));
}

template <typename T>
void softmax_of_row(const T* x, T* out, int64_t n) {
  const float m = largest(x, n);
  double total = 0;
  if constexpr (std::is_same_v<T, float>) {
    for (int64_t i = 0; i < n; i++) {
      total += out[i] = std::exp(x[i] - m);
    }
    const float scale = static_cast<float>(1 / total);
    for (int64_t i = 0; i < n; i++) {
      out[i] *= scale;
    }
  } else {
    for (int64_t i = 0; i < n; i++) {
      total += std::exp(static_cast<float>(x[i]) - m);
    }
    const float scale = static_cast<float>(1 / total);
    for (int64_t i = 0; i < n; i++) {
      out[i] = T(std::exp(static_cast<float>(x[i]) - m) * scale);
    }
  }
}

bool has_whole_rows(const array& a) {
  return a.flags().contiguous && a.strides().back() == 1;
}

// The elements in row-major order.
template <typename T>
void copy_rows(const array& in, T* to, mx::cpu::CommandEncoder& encoder) {
  Axes axes;
  for (int i = 0; i < static_cast<int>(in.ndim()); i++) {
    axes.push(in.shape(i), in.strides(i));
  }
  encoder.dispatch([axes = std::move(axes), from = in.data<T>(), to]() mutable {
    axes.each([&](int64_t offset) { *to++ = from[offset]; });
  });
}

template <typename T>
void logsumexp(array in, array& out, mx::Stream s) {
  auto& encoder = mx::cpu::get_command_encoder(s);
  if (!has_whole_rows(in)) {
    array copy(in.shape(), in.dtype(), nullptr, {});
    copy.set_data(memory(copy.nbytes()));
    encoder.add_temporary(copy);
    copy_rows(in, copy.data<T>(), encoder);
    in = copy;
  }
  const int n = in.shape(-1);
  if (in.flags().row_contiguous) {
    out.set_data(memory(out.nbytes()));
  } else {
    // Rows in another order, which the result keeps.
    auto flags = in.flags();
    auto strides = in.strides();
    for (auto& stride : strides) {
      stride /= n;
    }
    bool by_columns = strides[0] == 1;
    for (size_t i = 1; by_columns && i < strides.size(); ++i) {
      by_columns &= out.shape(i) == 1 || strides[i - 1] == out.shape(i) * strides[i];
    }
    flags.col_contiguous = by_columns;
    out.set_data(memory(in.nbytes() / n), in.data_size() / n, std::move(strides), flags);
  }
  encoder.dispatch([x = in.data<T>(), to = out.data<T>(), n, rows = in.data_size() / n] {
    for (size_t i = 0; i < rows; i++) {
      logsumexp_of_row(x + i * n, to + i, n);
    }
  });
}

template <typename T>
void softmax(const array& in, array& out, mx::Stream s) {
  auto& encoder = mx::cpu::get_command_encoder(s);
  const T* from = in.data<T>();
  if (!has_whole_rows(in)) {
    out.set_data(memory(out.nbytes()));
    copy_rows(in, out.data<T>(), encoder);
    from = out.data<T>();
  } else if (in.is_donatable()) {
    out.copy_shared_buffer(in);
  } else {
    out.set_data(memory(in.data_size() * in.itemsize()), in.data_size(), in.strides(), in.flags());
  }
  const int n = in.shape(-1);
  encoder.dispatch([from, to = out.data<T>(), n, rows = out.data_size() / n] {
    for (size_t i = 0; i < rows; i++) {
      softmax_of_row(from + i * n, to + i * n, n);
    }
  });
}

// eval_cpu of an operation with one output.
using Eval = void (*)(mx::UnaryPrimitive*, const Inputs&, array&);
Eval mlx_sum, mlx_logsumexp, mlx_softmax;

void eval_sum(mx::UnaryPrimitive* p, const Inputs& in, array& out) {
  const auto [kind, axes] = static_cast<mx::Reduce*>(p)->state();
  if (kind == mx::Reduce::Sum && in[0].size() > 0) {
    kernels(); // an exception here, not on the stream's thread
    switch (in[0].dtype()) {
      case mx::float32:
        return sum<float>(in[0], out, axes, p->stream());
      case mx::float16:
        return sum<mx::float16_t>(in[0], out, axes, p->stream());
      case mx::bfloat16:
        return sum<mx::bfloat16_t>(in[0], out, axes, p->stream());
      case mx::complex64:
        return sum<mx::complex64_t>(in[0], out, axes, p->stream());
      default:
        break;
    }
  }
  mlx_sum(p, in, out);
}

#define MLXRS_ROWS(name)                                                            \
  void eval_##name(mx::UnaryPrimitive* p, const Inputs& in, array& out) {           \
    kernels();                                                                      \
    switch (in[0].dtype()) {                                                        \
      case mx::float32:                                                             \
        return name<float>(in[0], out, p->stream());                                \
      case mx::float16:                                                             \
        return name<mx::float16_t>(in[0], out, p->stream());                        \
      case mx::bfloat16:                                                            \
        return name<mx::bfloat16_t>(in[0], out, p->stream());                       \
      default:                                                                      \
        return mlx_##name(p, in, out);                                              \
    }                                                                               \
  }
MLXRS_ROWS(logsumexp)
MLXRS_ROWS(softmax)
#undef MLXRS_ROWS

#if defined(__unix__) && MLX_VERSION_MAJOR == 0 && MLX_VERSION_MINOR == 32

// Byte offset of `eval_cpu` in a class's vtable: the value of a pointer to a virtual member function in the Itanium C++
// ABI, less the 1 that it carries except on ARM.
size_t place_of_eval() {
  void (mx::UnaryPrimitive::*function)(const Inputs&, array&) = &mx::UnaryPrimitive::eval_cpu;
  uintptr_t place;
  std::memcpy(&place, &function, sizeof place);
#if defined(__arm__) || defined(__aarch64__)
  return place;
#else
  return place - 1;
#endif
}

// Puts `with` into the vtable of `p`'s class, and the old entry into `before`. Returns false, and changes nothing, if
// that is not allowed. The table is read-only before, and stays writable.
bool replace(mx::Primitive& p, Eval with, Eval& before) {
  char* table;
  std::memcpy(&table, static_cast<void*>(&p), sizeof table);
  char* entry = table + place_of_eval();
  std::memcpy(&before, entry, sizeof before);
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto first = reinterpret_cast<uintptr_t>(entry) / page * page;
  const auto size = reinterpret_cast<uintptr_t>(entry + sizeof with) - first;
  if (mprotect(reinterpret_cast<void*>(first), size, PROT_READ | PROT_WRITE) != 0) {
    return false;
  }
  std::memcpy(entry, &with, sizeof with);
  return true;
}

bool install() {
  // Nothing is computed, and no stream is made.
  const mx::Stream s(0, mx::Device::cpu);
  const auto x = mx::zeros({2, 2}, mx::float32, s);
  return replace(mx::sum(x, 1, true, s).primitive(), eval_sum, mlx_sum) &&
      replace(mx::logsumexp(x, 1, true, s).primitive(), eval_logsumexp, mlx_logsumexp) &&
      replace(mx::softmax(x, 1, false, s).primitive(), eval_softmax, mlx_softmax);
}

#else

bool install() {
  return false;
}

#endif

} // namespace

} // namespace mlxrs

extern "C" bool mlxrs_sums_in_blocks(void) {
  static const bool installed = [] {
    try {
      return mlxrs::install();
    } catch (const std::exception&) {
      return false;
    }
  }();
  return installed;
}
