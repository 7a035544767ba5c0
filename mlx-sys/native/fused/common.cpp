#include "fused/common.h"

#include <cstdint>
#include <limits>
#include <new>
#include <sstream>
#include <stdexcept>

#include "fused/blas.h"
#include "fused/kernels.h"
#include "blas/cpu_pool.h"

namespace mlxrs {

namespace {

std::string text(const mx::Shape& shape) {
  std::ostringstream out;
  out << "[";
  for (size_t i = 0; i < shape.size(); i++) {
    out << (i ? ", " : "") << shape[i];
  }
  out << "]";
  return out.str();
}

// std::malloc's null would otherwise be written to: MLX's allocator on the CPU passes it on.
void allocate(array& a) {
  auto buffer = mx::allocator::malloc(a.nbytes());
  if (!buffer.ptr()) {
    throw std::bad_alloc();
  }
  a.set_data(buffer);
}

// Copies elements from any strides into row-major order, axis by axis.
template <typename T>
T* copy_strided(const T* from, T* to, const mx::Shape& shape, const mx::Strides& strides, size_t axis) {
  if (axis == shape.size()) {
    *to = *from;
    return to + 1;
  }
  for (int i = 0; i < shape[axis]; i++) {
    if (axis + 1 == shape.size()) {
      *to++ = from[i * strides[axis]];
    } else {
      to = copy_strided(from + i * strides[axis], to, shape, strides, axis + 1);
    }
  }
  return to;
}

} // namespace

bool fused_available(const array& x, const mx::Stream& stream) {
  return has_gemm() && stream.device == mx::Device::cpu && x.dtype() == mx::float32;
}

void CpuPrimitive::eval_gpu(const std::vector<array>&, std::vector<array>&) {
  throw std::runtime_error(std::string("[") + name() + "] runs on the CPU only.");
}

float* Evaluation::output(array& a) {
  if (planner_) {
    planner_->output(a);
    return nullptr;
  }
  allocate(a);
  return a.data<float>();
}

char* Evaluation::bytes(array& a) {
  if (planner_) {
    planner_->output(a);
    return nullptr;
  }
  allocate(a);
  return a.data<char>();
}

float* Evaluation::scratch(int rows, int columns) {
  if (planner_) {
    planner_->temporary(size_t(rows) * columns * sizeof(float));
    return nullptr;
  }
  array a({rows, columns}, mx::float32, nullptr, {});
  allocate(a);
  encoder_->add_temporary(a);
  return a.data<float>();
}

void Evaluation::plan_input(const array& a) {
  if (!a.flags().row_contiguous) {
    planner_->temporary(a.nbytes());
    planner_->dispatch();
  }
}

array Evaluation::dense(const array& a) {
  if (a.flags().row_contiguous) {
    return a;
  }
  array copy(a.shape(), a.dtype(), nullptr, {});
  allocate(copy);
  encoder_->add_temporary(copy);
  auto of = [&]<typename T>(T) {
    run([from = a.data<T>(), to = copy.data<T>(), shape = a.shape(), strides = a.strides()] {
      copy_strided(from, to, shape, strides, 0);
    });
  };
  switch (a.itemsize()) {
    case 1:
      of(uint8_t{});
      break;
    case 2:
      of(uint16_t{});
      break;
    case 4:
      of(uint32_t{});
      break;
    default:
      of(uint64_t{});
  }
  return copy;
}

void refuse(const char* op, const std::string& message) {
  throw std::invalid_argument(std::string("[") + op + "] " + message);
}

void require_cpu(const char* op, const mx::Stream& stream) {
  if (stream.device != mx::Device::cpu) {
    refuse(op, "This fused operation needs a CPU stream.");
  }
  if (!has_gemm()) {
    refuse(op, "This fused operation needs cblas_sgemm, which this build of MLX does not bring.");
  }
  // Wrong variables are errors here, not on the stream's thread.
  kernels();
#ifdef MLXRS_OPENBLAS
  check_pool_threads();
#endif
}

void require_float32(const char* op, const char* name, const array& a) {
  if (a.dtype() != mx::float32) {
    std::ostringstream message;
    message << name << " has type " << a.dtype() << ", not float32.";
    refuse(op, message.str());
  }
}

array float32_of(const char* op, const char* name, const array& a, mx::Stream stream) {
  if (a.dtype() == mx::float16 || a.dtype() == mx::bfloat16) {
    return mx::astype(a, mx::float32, stream);
  }
  require_float32(op, name, a);
  return a;
}

void require_rows(const char* op, const char* name, const array& a) {
  if (a.ndim() == 0 || a.size() == 0) {
    refuse(op, std::string(name) + " has shape " + text(a.shape()) + ", which has no rows.");
  }
  if (a.size() / a.shape(-1) > size_t(std::numeric_limits<int>::max())) {
    refuse(op, std::string(name) + " has shape " + text(a.shape()) + ": too many rows.");
  }
}

void require_shape(const char* op, const char* name, const array& a, const mx::Shape& shape) {
  if (a.shape() != shape) {
    refuse(op,
           std::string(name) + " has shape " + text(a.shape()) + ", expected " + text(shape) + ".");
  }
}

mx::Shape leading(mx::Shape shape) {
  shape.pop_back();
  return shape;
}

int row_count(const array& a) {
  return static_cast<int>(a.size() / a.shape(-1));
}

Wanted::Wanted(const std::vector<int>& argnums, std::initializer_list<int> differentiable) {
  for (int i : differentiable) {
    for (int asked : argnums) {
      if (asked == i) {
        inputs_.push_back(i);
        break;
      }
    }
  }
}

int Wanted::index(int i) const {
  for (size_t at = 0; at < inputs_.size(); at++) {
    if (inputs_[at] == i) {
      return static_cast<int>(at);
    }
  }
  return -1;
}

} // namespace mlxrs
