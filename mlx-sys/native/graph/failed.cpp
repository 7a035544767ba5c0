// Arrays that could not be computed; see mlx_rs_failed.h.

#include "graph/mlx_rs_failed.h"

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#ifdef __unix__
#include <dlfcn.h>
#endif

#include "compat/capi.h"
#include "graph/graph_guard.h"
#include "graph/node.h"
#include "mlx/mlx.h"
#include "mlx/primitives.h"
#include "mlx/scheduler.h"
#include "mlx/version.h"

// Found by the dynamic linker before MLX's own (graph_guard.cpp), and of one version.
#if defined(__unix__) && MLX_VERSION_MAJOR == 0 && MLX_VERSION_MINOR == 32
#define MLXRS_WATCHES_STREAMS
#endif

namespace mlxrs {

namespace mx = mlx::core;
using mx::array;

namespace {

class Failed : public mx::Primitive {
 public:
  Failed(mx::Stream stream, std::string message) : mx::Primitive(stream), message_(std::move(message)) {}

  void eval_cpu(const List&, List&) override {
    throw std::runtime_error(message_);
  }
  void eval_gpu(const List&, List&) override {
    throw std::runtime_error(message_);
  }
  const char* name() const override {
    return "Failed";
  }

 private:
  std::string message_;
};

// The texts of arrays that failed when they were built. Other threads may evaluate an array, and change its node, while
// this thread asks for its text, so the text is found by the address of the node and not in it.
struct Texts {
  std::mutex mutex;
  std::unordered_map<std::uintptr_t, std::string> of;

  // Never freed: arrays may outlive the static objects.
  static Texts& all() {
    static auto& texts = *new Texts;
    return texts;
  }
};

// Failed when it was built, not when it was computed.
class NeverBuilt : public Failed {
 public:
  using Failed::Failed;
  ~NeverBuilt() override {
    auto& texts = Texts::all();
    std::lock_guard lock(texts.mutex);
    texts.of.erase(node);
  }
  std::uintptr_t node = 0;
};

// The nodes and streams of one evaluation, without keeping the nodes alive.
struct Evaluation {
  std::vector<std::weak_ptr<Node>> nodes;
  // The CPU's streams with work of the evaluation. A GPU's streams do not report errors of single operations.
  std::set<int> streams;
  // Streams that have not finished; empty until all work is queued.
  std::set<int> busy;
  bool started = false;
  // The number of failures before this evaluation.
  uint64_t failures = 0;
  std::optional<std::string> error;
};

// Guards the variables below, and the fields `busy`, `started` and `error` of evaluations.
std::mutex guard;
// The last failure of each stream: its number and its message.
std::map<int, std::pair<uint64_t, std::string>>& failures() {
  static auto* all = new std::map<int, std::pair<uint64_t, std::string>>;
  return *all;
}
uint64_t failure_count = 0;
// Evaluations that are not known to have ended well. Never destroyed: streams run while the process ends.
std::list<std::shared_ptr<Evaluation>>& running() {
  static auto* all = new std::list<std::shared_ptr<Evaluation>>;
  return *all;
}
std::atomic<bool> any_failed{false};
thread_local Evaluation* current = nullptr;

// Records that work on a stream failed, and so did all work queued after it.
void stream_failed(int stream, const std::string& message) {
  const std::lock_guard lock(guard);
  failures()[stream] = {++failure_count, message};
  for (const auto& e : running()) {
    if (!e->error && e->busy.count(stream)) {
      e->error = message;
      any_failed = true;
    }
  }
}

void stream_done(const std::shared_ptr<Evaluation>& e, int stream) {
  const std::lock_guard lock(guard);
  e->busy.erase(stream);
}

void fail(Node& node, const std::string& why) {
  node.primitive = std::make_shared<Failed>(mx::Stream(0, mx::Device::cpu), why);
  node.inputs.clear();
  node.event = {};
  node.status = array::Status::unscheduled;
}

// Makes errors of the arrays of failed evaluations, unless graphs are read, and forgets those that ended well.
void settle() {
  std::vector<std::shared_ptr<Evaluation>> well, failed;
  // Errors stay in the list unless their arrays are made errors at once: a stream may fail at any moment.
  const auto sort = [&](bool with_errors) {
    const std::lock_guard lock(guard);
    auto& all = running();
    for (auto i = all.begin(); i != all.end();) {
      auto& e = *i;
      if (e->started && (e->error ? with_errors : e->busy.empty())) {
        (e->error ? failed : well).push_back(std::move(e));
        i = all.erase(i);
      } else {
        ++i;
      }
    }
    if (with_errors) {
      any_failed = false;
    }
  };
  if (!any_failed) {
    return sort(false);
  }
  unless_read([&] {
    sort(true);
    for (const auto& e : failed) {
      for (const auto& weak : e->nodes) {
        if (const auto node = weak.lock()) {
          fail(*node, *e->error);
        }
      }
    }
  });
}

// Throws if one of the arrays has failed and graphs were read ever since.
void check(const List& arrays) {
  if (!any_failed) {
    return;
  }
  std::set<const void*> ids;
  for (auto a : arrays) {
    ids.insert(node_of(a).get());
  }
  const std::lock_guard lock(guard);
  for (const auto& e : running()) {
    if (e->error) {
      for (const auto& weak : e->nodes) {
        if (ids.count(weak.lock().get())) {
          throw std::runtime_error(*e->error);
        }
      }
    }
  }
}

bool is_computed(const array& a) {
  try {
    return a.is_available();
  } catch (const std::exception&) {
    // An error of its stream, which `wait` finds again.
    return false;
  }
}

// Runs `compute`, which queues work. If that fails, so does each array that depends on it; see mlx_rs_failed.h.
void recording(const List& arrays, bool waits, const std::function<void()>& compute) {
  const auto e = std::make_shared<Evaluation>();
  {
    // First of all: a failure up to here becomes one of its arrays below, a later one concerns this evaluation.
    const std::lock_guard lock(guard);
    e->failures = failure_count;
  }
  settle();
  List pending;
  for (const auto& a : arrays) {
    if (!is_computed(a)) {
      pending.push_back(a);
    }
  }
  const List held = held_while_read(arrays);
  check(held);
  auto* before = std::exchange(current, e.get());
  std::exception_ptr thrown;
  std::string why = "unknown exception";
  try {
    compute();
  } catch (const std::exception& error) {
    thrown = std::current_exception();
    why = error.what();
  } catch (...) {
    thrown = std::current_exception();
  }
  current = before;
  {
    const std::lock_guard lock(guard);
    e->started = true;
    for (const int s : e->streams) {
      if (const auto f = failures().find(s); f != failures().end() && f->second.first > e->failures) {
        e->error = f->second.second;
        any_failed = true;
      }
    }
    if (e->error || !waits || thrown) {
      e->busy = e->streams;
      running().push_back(e);
    }
  }
  for (const int s : e->error || (waits && !thrown) ? std::set<int>() : e->streams) {
    try {
      mx::scheduler::enqueue(mx::Stream(s, mx::Device::cpu), [e, s] { stream_done(e, s); });
    } catch (const std::exception& error) {
      // On the main thread, this is an error that the stream had before.
      stream_failed(s, error.what());
    }
  }
  if (thrown) {
    settle();
    // No stream reports the failure on a GPU or on macOS.
    for (auto& a : pending) {
      // Nodes that are not queued may still be computed, on another thread or with more memory.
      if (a.status() != array::Status::unscheduled) {
        fail(*node_of(a), why);
      }
    }
    std::rethrow_exception(thrown);
  }
}

// Waits for queued work.
void wait(array a) {
  try {
    if (a.status() != array::Status::unscheduled) {
      a.wait();
    }
  } catch (const std::exception& e) {
    settle();
    if (a.status() != array::Status::unscheduled) {
      fail(*node_of(a), e.what());
    }
    throw;
  }
  if (any_failed) {
    settle();
    check({a});
  }
  if (a.status() == array::Status::unscheduled) {
    // The array failed.
    a.eval();
  }
}

} // namespace

void note_evaluated(array& a) {
  if (!current || !a.has_primitive()) {
    return;
  }
  for (auto& output : a.outputs()) {
    current->nodes.push_back(node_of(output));
  }
  const auto& s = a.primitive().stream();
  if (s.device == mx::Device::cpu) {
    current->streams.insert(s.index);
  }
}

} // namespace mlxrs

#ifdef MLXRS_WATCHES_STREAMS

namespace {

template <typename F>
F mlx_function(const char* name) {
  return reinterpret_cast<F>(dlsym(RTLD_NEXT, name));
}

// Queues work. On the main thread MLX throws an error of earlier work instead: its counts are wrong then, and it waits
// for events that are never signalled. The error is not lost, because `stream_failed` recorded it.
template <typename F>
void queue(F&& enqueue) {
  for (int i = 0; i < 8; i++) {
    try {
      return enqueue();
    } catch (const std::runtime_error&) {
      // It is thrown once, unless work fails in between.
    }
  }
  enqueue();
}

} // namespace

namespace mlx::core::scheduler {

// MLX keeps one error for a stream, and the first call that asks for it clears it.
void Scheduler::enqueue(Stream s, std::function<void()> task) {
  using Enqueue = void (*)(Scheduler*, Stream, std::function<void()>);
  static const auto original = mlx_function<Enqueue>(
      "_ZN3mlx4core9scheduler9Scheduler7enqueueENS0_6StreamESt8functionIFvvEE");
  const std::function<void()> watched = [index = s.index, task = std::move(task)] {
    try {
      task();
    } catch (const std::exception& e) {
      mlxrs::stream_failed(index, e.what());
      throw;
    } catch (...) {
      mlxrs::stream_failed(index, "unknown exception");
      throw std::runtime_error("unknown exception");
    }
  };
  queue([&] { original(this, s, watched); });
}

// The stream fails if it waits for a stream that failed.
void Scheduler::wait_event(Stream s, Event event, std::function<void(Event&)> task) {
  using Wait = void (*)(Scheduler*, Stream, Event, std::function<void(Event&)>);
  static const auto original = mlx_function<Wait>(
      "_ZN3mlx4core9scheduler9Scheduler10wait_eventENS0_6StreamENS0_5EventESt8functionIFvRS4_EE");
  queue([&] { original(this, s, event, task); });
  // check_error throws the error that the stream took over from the event. The wrapper in `enqueue` records it and
  // throws it again, so that it stays the stream's.
  enqueue(s, [this, s] { check_error(s); });
}

void Scheduler::signal_event(Stream s, Event event, std::function<void(Event&)> task) {
  using Signal = void (*)(Scheduler*, Stream, Event, std::function<void(Event&)>);
  static const auto original = mlx_function<Signal>(
      "_ZN3mlx4core9scheduler9Scheduler12signal_eventENS0_6StreamENS0_5EventESt8functionIFvRS4_EE");
  queue([&] { original(this, s, event, task); });
}

} // namespace mlx::core::scheduler

#endif

extern "C" int mlxrs_eval(const mlx_vector_array arrays) {
  return mlxrs::guarded("failed.cpp", [&] {
    const auto& all = mlxrs::list(arrays);
    mlxrs::recording(all, true, [&] { mlx::core::eval(all); });
    for (const auto& a : all) {
      mlxrs::wait(a);
    }
  });
}

extern "C" int mlxrs_async_eval(const mlx_vector_array arrays) {
  return mlxrs::guarded("failed.cpp", [&] {
    const auto& all = mlxrs::list(arrays);
    mlxrs::recording(all, false, [&] { mlx::core::async_eval(all); });
  });
}

extern "C" int mlxrs_array_eval(const mlx_array a) {
  return mlxrs::guarded("failed.cpp", [&] {
    if (!a.ctx) {
      throw std::runtime_error("expected a non-empty mlx_array");
    }
    auto& one = *static_cast<mlx::core::array*>(a.ctx);
    using Status = mlx::core::array::Status;
    if (one.status() == Status::unscheduled) {
      mlxrs::recording({one}, true, [&] { one.eval(); });
    }
    mlxrs::wait(one);
  });
}

extern "C" mlx_array mlxrs_failed(const char* text) {
  using namespace mlxrs;
  mlx_array out{nullptr};
  guarded("failed.cpp", [&] {
    const auto why = std::make_shared<NeverBuilt>(mx::Stream(0, mx::Device::cpu), text);
    auto made = std::make_unique<array>(mx::Shape{}, mx::float32, why, List{});
    why->node = made->id();
    auto& texts = Texts::all();
    std::lock_guard lock(texts.mutex);
    texts.of[why->node] = text;
    out.ctx = made.release();
  });
  return out;
}

extern "C" const char* mlxrs_failure(const mlx_array a) {
  if (!a.ctx) {
    return nullptr;
  }
  static thread_local std::string found;
  auto& texts = mlxrs::Texts::all();
  std::lock_guard lock(texts.mutex);
  const auto at = texts.of.find(static_cast<mlx::core::array*>(a.ctx)->id());
  if (at == texts.of.end()) {
    return nullptr;
  }
  found = at->second;
  return found.c_str();
}
