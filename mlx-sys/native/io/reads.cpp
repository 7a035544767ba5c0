// Arrays that are read when they are evaluated; see mlx_rs_io.h.

#include "io/mlx_rs_io.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <unordered_set>
#include <utility>
#include <vector>

#include "compat/capi.h"
#include "graph/node.h"
#include "graph/primitive_names.h"
#include "mlx/allocator.h"
#include "mlx/io/load.h"
#include "mlx/primitives.h"
#include "mlx/scheduler.h"
#include "mlx/threadpool.h"

namespace mlxrs {

namespace mx = mlx::core;
using mx::array;

namespace {

// Explicit instantiations may name private members.
template <auto reader, auto offset, auto swaps>
struct ReachLoad {
  friend auto& reader_of(mx::Load& l) {
    return l.*reader;
  }
  friend auto& offset_of(mx::Load& l) {
    return l.*offset;
  }
  friend auto& swaps_of(mx::Load& l) {
    return l.*swaps;
  }
};
auto& reader_of(mx::Load&);
auto& offset_of(mx::Load&);
auto& swaps_of(mx::Load&);
template struct ReachLoad<&mx::Load::reader_, &mx::Load::offset_, &mx::Load::swap_endianness_>;

constexpr std::size_t THREADS = 4;
// MLX's reader of files starts threads of its own for a read of 32 MB.
constexpr std::size_t PIECE = 16 << 20;

// Reads on another thread. Returns false if there is none.
bool read_aside(std::function<void()> task) {
  static std::mutex mutex;
  static std::size_t threads = 0;
  // Never destroyed: threads may read while the process ends.
  static auto& pool = *new ThreadPool(0);
  {
    const std::lock_guard lock(mutex);
    try {
      while (threads < THREADS) {
        pool.resize(threads + 1);
        threads++;
      }
    } catch (const std::system_error&) {
      // The pool has the threads that could be started.
    }
    if (threads == 0) {
      return false;
    }
  }
  pool.enqueue(std::move(task));
  return true;
}

void swap_bytes(char* data, std::size_t bytes, mx::Dtype dtype) {
  // A complex number is two numbers.
  const std::size_t width = dtype == mx::complex64 ? 4 : mx::size_of(dtype);
  for (std::size_t i = 0; i + width <= bytes; i += width) {
    std::reverse(data + i, data + i + width);
  }
}

class Read : public mx::Primitive {
 public:
  Read(mx::Load& load, mx::Shape shape)
      : mx::Primitive(load.stream()),
        reader_(reader_of(load)),
        offset_(offset_of(load)),
        swaps_(swaps_of(load)),
        shape_(std::move(shape)) {}

  void eval_cpu(const List&, List& outputs) override {
    array& out = outputs[0];
    std::function<void()> here = [] {};
    if (read_) {
      // A compiled function that captured this array makes the node again at each call.
      out.copy_shared_buffer(read_->first);
    } else {
      out.set_data(mx::allocator::malloc(out.nbytes()));
      auto task = std::make_shared<std::packaged_task<void()>>(
          [reader = reader_, at = offset_, swaps = swaps_, dtype = out.dtype(), bytes = out.nbytes(), to = out.data<char>(),
           kept = out.data_shared_ptr()] {
            for (std::size_t done = 0; done < bytes; done += PIECE) {
              reader->read(to + done, std::min(PIECE, bytes - done), at + done);
            }
            if (swaps) {
              swap_bytes(to, bytes, dtype);
            }
          });
      array made(out.shape(), out.dtype(), nullptr, {});
      made.copy_shared_buffer(out);
      read_.emplace(std::move(made), task->get_future().share());
      if (!read_aside([task] { (*task)(); })) {
        here = [task] { (*task)(); };
      }
    }
    mx::scheduler::enqueue(stream(), [here, end = read_->second] {
      here();
      end.get();
    });
  }

  void eval_gpu(const List&, List&) override {
    throw std::runtime_error("expected a CPU stream to read on");
  }

  const char* name() const override {
    return MLXRS_NAME(Load).data();
  }

  std::vector<mx::Shape> output_shapes(const List&) override {
    return {shape_};
  }

 private:
  std::shared_ptr<mx::io::Reader> reader_;
  std::size_t offset_;
  bool swaps_;
  mx::Shape shape_;
  // The buffer, and the end of the read or its error.
  std::optional<std::pair<array, std::shared_future<void>>> read_;
};

} // namespace
} // namespace mlxrs

extern "C" int mlxrs_own_reads(const mlx_vector_array arrays) {
  using namespace mlxrs;
  return guarded("reads.cpp", [&] {
    List left = list(arrays);
    std::unordered_set<std::uintptr_t> seen;
    while (!left.empty()) {
      array a = std::move(left.back());
      left.pop_back();
      if (!a.has_primitive() || !seen.insert(a.id()).second) {
        continue;
      }
      auto& primitive = node_of(a)->primitive;
      if (a.inputs().empty() && a.status() == array::Status::unscheduled && primitive->device() == mx::Device::cpu &&
          !dynamic_cast<Read*>(primitive.get()) && primitive->name() == MLXRS_NAME(Load)) {
        primitive = std::make_shared<Read>(static_cast<mx::Load&>(*primitive), a.shape());
      }
      left.insert(left.end(), a.inputs().begin(), a.inputs().end());
    }
  });
}
